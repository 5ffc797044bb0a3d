// SPDX-License-Identifier: MIT
/* The solver's struct, between the files that build it, run it, and take its steps. Vectors are in
 * the internal order of coordinates (rows.h) but for what the API hands out. */
#ifndef UFEDNL_SOLVER_H
#define UFEDNL_SOLVER_H

#include "link.h"
#include "step.h"

#include <ctrain/threads.h>

/* What one method does in a round: evaluate at x, and step to the next x. step sets *stalled and
 * leaves x where it is when nothing better can be found. */
typedef struct fednl__method {
    bool second_order; // estimates of Hessians are kept
    ct_status (*evaluate)(fednl_solver *solver, ct_diag *diag);
    ct_status (*step)(fednl_solver *solver, bool *stalled, ct_diag *diag);
} fednl__method;
const fednl__method *fednl__method_of(fednl_algorithm algorithm);

struct fednl_solver {
    fednl_options opt; // what depends on the data is filled in
    const fednl__method *method;
    fednl__compressor compressor;
    size_t rows, features, clients, dimension;
    double label[2];      // larger, smaller
    uint32_t *coordinate; // (d) of each feature, then of the intercept
    uint32_t *everyone;   // (clients) 0, 1, …
    size_t distinct;
    fednl__link *link;
    ct_pool *pool;

    // the server's state
    ct_arena memory;
    double *x, *g, *step; // (d)
    double *point;        // (d) x - t step
    double *ridge;        // (d) lambda, or 0
    double *best_x;       // (d) iterate of smallest f so far
    double *as_data;      // (d) x in the order of the data
    double *h;            // (d(d+1)/2) average of the H_i, without the ridge
    fednl__system system;
    double f, grad_norm; // at x; NaN where this round did not measure them
    double l, slope;
    double t; // of the last step; NaN before it
    size_t participants;
    bool forget; // the next whole estimates replace h

    double *partial_g, *partial_l; // FedNL-PP: (clients, d), (clients) what each client sent last
    uint64_t *drawn;               // (clients)
    uint32_t *chosen;              // (clients)

    double *anchor, *anchor_g; // FedNL-BC: (d) z and the gradient there
    double *key_room;          // (d)
    uint32_t *delta_index;     // (d + 1)
    double *delta;             // (d)
    size_t n_delta;
    bool has_delta;

    fednl__lbfgs lbfgs;
    double *x_old, *g_old; // (d)
    double constant;       // GD: L + lambda; FedNL-CR: M; 0: not asked for yet

    double best_f, first_f;
    size_t round;         // steps taken
    bool evaluated;       // f, g and h are those of x
    bool torn;            // half of it is from a checkpoint that did not fit
    bool tried;           // the clients know x as the point accepted at t of the last search
    fednl__finish finish; // of the last run, for the clients
    bool finished;
    double created_s, setup_s, aggregate_s, solve_s;
};

/* Ask clients and sum what comes: f, slope, g (weighted, with the regulariser), l, and h learns.
 * For PARTIAL what each sent is kept instead. */
CT_MUST_USE ct_status fednl__ask(fednl_solver *solver, const fednl__request *request,
                                 const uint32_t *who, size_t n, ct_diag *diag);
CT_MUST_USE ct_status fednl__ask_everyone(fednl_solver *solver, const fednl__request *request,
                                          ct_diag *diag);

/* The regulariser's part of f and of the slope along -step at x. */
double fednl__ridge_value(const fednl_solver *solver, const double *x);

/* Search along x - t step by backtracking from t = 1 until f has decreased enough; leaves the
 * clients' tried point there, and t, f in the solver. Where f cannot resolve the decrease any more,
 * the slope decides. */
CT_MUST_USE ct_status fednl__backtrack(fednl_solver *solver, bool *found, ct_diag *diag);
/* The same for weak Wolfe conditions (slope at most 0.9 of the first), which L-BFGS needs. */
CT_MUST_USE ct_status fednl__wolfe_search(fednl_solver *solver, double first_t, bool *found,
                                          ct_diag *diag);

/* N, the entries of the upper triangle. */
static inline size_t fednl__triangle(size_t dimension)
{
    return fednl__position(0, dimension);
}

/* ---- building (setup.c) ---- */

/* What is known of the problem before its clients are built. */
typedef struct fednl__problem {
    size_t rows, features, clients;
    double label[2];
    const uint64_t *counts; // (features) rows that have each
} fednl__problem;

/* Allocate a solver: check the options, find d, the order of coordinates, k, alpha; lay out the
 * state. The link is attached by the caller. */
CT_MUST_USE ct_status fednl__solver_begin(fednl_solver **out, const fednl__problem *problem,
                                          const fednl_options *opt, ct_diag *diag);
CT_MUST_USE ct_status fednl__check_options(const fednl_options *opt, ct_diag *diag);
fednl__layout fednl__solver_layout(const fednl_solver *solver);

/* ---- clients in this process (link_local.c) ---- */

typedef struct fednl__local_problem {
    const ct_dataset *data; // borrowed
    double *sign;           // (rows) taken
    const ct_split *split;
} fednl__local_problem;
CT_MUST_USE ct_status fednl__link_open_local(fednl__link **out, fednl_solver *solver,
                                             const fednl__local_problem *problem, ct_diag *diag);

#endif
