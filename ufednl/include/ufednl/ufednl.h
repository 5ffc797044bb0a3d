// SPDX-License-Identifier: MIT
/* L2-regularised logistic regression over federated clients by second-order methods.
 *
 * The problem. Client i of n holds m_i of the m rows (a, b), b = ±1; d is the number of features,
 * and one more with an intercept (a last column of ones, its weight regularised like the others).
 *
 *     minimise over x in R^d   f(x) = sum_i (m_i / m) f_i(x),
 *     f_i(x) = 1/m_i sum_j log(1 + exp(-b_ij a_ij^T x)) + lambda/2 ||x||^2
 *
 * Every row is dealt to exactly one client and clients weigh by their rows, so f and its minimum
 * are those of the whole data set, whatever the number of clients. (LIBLINEAR minimises m f(x),
 * with C = 1 / (lambda m).)
 *
 * The method. FedNL (Safaryan, Islamov, Qian, Richtarik, "FedNL: making Newton-type methods
 * applicable to federated learning", ICML 2022, arXiv:2106.02969), option B: each client learns its
 * Hessian by sending compressed differences, and the server steps with the average H of what was
 * learnt, shifted by the average l of what is still lacking. In round k, for every client i:
 *
 *     S_i = C(Hess f_i(x^k) - H_i),   H_i += S_i,   l_i = ||Hess f_i(x^k) - H_i||_F
 *     x^k+1 = x^k - (H + l I)^-1 grad f(x^k)
 *
 * The paper's FedNL steps before H_i is updated and takes l_i before it too; here both come after
 * it, as in the paper's FedNL-PP when all clients take part. H + l I bounds the Hessian from above
 * either way, but is closer to it: to ||grad f|| <= 1e-9 on w8a, a9a and phishing (142 clients) 8,
 * 7 and 5 rounds instead of 19, 20 and 14 with Identity (which is Newton's method here), 20, 13 and
 * 16 instead of 25, 20 and 20 with TopK.
 *
 * In a program:
 *
 *     CT_TRY(ct_dataset_read_libsvm(&data, "a9a", NULL, diag));
 *     fednl_options opt = fednl_options_default();
 *     opt.clients = 142;
 *     CT_TRY(fednl_solver_create(&solver, data, &opt, diag));
 *     CT_TRY(fednl_solver_run(solver, &result, diag));
 *     CT_TRY(fednl_solver_model(solver, &model));
 *     CT_TRY(fednl_model_save(model, "a9a.model", diag));
 *
 * Several solvers may live in one process; one thread uses a solver at a time. */
#ifndef UFEDNL_UFEDNL_H
#define UFEDNL_UFEDNL_H

#include <ctrain/dataset.h>
#include <ctrain/status.h>
#include <ctrain/stop.h>
#include <stdbool.h>
#include <stdint.h>
#include <ufednl/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fednl_algorithm {
    FEDNL_ALGORITHM_FEDNL // option B: x - (H + l I)^-1 g
} fednl_algorithm;

/* What a client sends of the difference D of its Hessian and the estimate of it. N = d(d+1)/2 is
 * the number of entries of the upper triangle, column by column. */
typedef enum fednl_compressor {
    FEDNL_COMPRESSOR_IDENTITY, // all of it, sent as the Hessian itself, which is as long as D
    FEDNL_COMPRESSOR_TOPK      // the k entries of largest magnitude; of equal ones the first
} fednl_compressor;

/* "fednl"; "identity", "topk". */
const char *fednl_algorithm_name(fednl_algorithm algorithm);
const char *fednl_compressor_name(fednl_compressor compressor);
/* False, and *out untouched, for a name that is none of these. */
CT_MUST_USE bool fednl_algorithm_from_name(fednl_algorithm *out, const char *name);
CT_MUST_USE bool fednl_compressor_from_name(fednl_compressor *out, const char *name);

/* Seconds by phase. The first two are the clients' and add up over them (with several threads they
 * exceed the time that passed); the last two are the server's. */
typedef struct fednl_phases {
    double derivatives; // loss, gradient and Hessian
    double compress;    // difference, its norm, selection, learning
    double aggregate;   // averages of what came
    double solve;       // factorisation and step
} fednl_phases;

/* Bytes that cross between the server and all clients together: 8 a value, 4 an index, 8 each for a
 * client's loss and norm; no framing. Up, to the server: gradient, loss, norm, and the compressed
 * difference; at the start each client's Hessian once, on its pattern (values and indices) or as a
 * whole triangle (values), whichever is less. Down: the iterate, to each client. */
typedef struct fednl_traffic {
    uint64_t bytes_up;         // indices included
    uint64_t bytes_up_indices; // of them indices
    uint64_t bytes_down;
} fednl_traffic;

/* The state at the end of a round. Round r evaluates at x^r and then steps; round 0 is the start,
 * x^0 = 0. traffic and phases are totals so far. */
typedef struct fednl_round {
    size_t round;
    double f;         // f(x^r)
    double grad_norm; // ||grad f(x^r)||
    double shift;     // l, the average of what the clients' estimates lack
    double seconds;   // since the solver was created
    fednl_traffic traffic;
    fednl_phases phases;
} fednl_round;

typedef void fednl_round_fn(void *context, const fednl_round *round);

typedef struct fednl_options {
    double lambda;  // >= 0, default 1e-3. 0 is allowed where the Hessian is positive definite
    bool intercept; // default true
    size_t clients; // default 1; at most the number of rows
    bool shuffle;   // deal rows in random order (default), or in the order of the data
    uint64_t seed;  // of the shuffle; default 1
    fednl_algorithm algorithm;
    fednl_compressor compressor;
    size_t k;                 // for TopK: 1 … N; 0 (default): 8 d, or N if that is less
    double tol;               // stop at ||grad f|| <= tol; default 1e-9
    size_t max_rounds;        // steps at most; default 1000
    double time_limit_s;      // seconds of fednl_solver_run; 0 (default): none
    size_t threads;           // default 1; 0: one a processor. Results do not depend on it
    fednl_round_fn *on_round; // called every round by the thread that runs the solver; may be NULL
    void *on_round_context;   // handed to on_round
    const ct_stop_flag *stop; // borrowed until destroy; polled every round; NULL: never
} fednl_options;
fednl_options fednl_options_default(void);

/* How a run ended. */
typedef enum fednl_outcome {
    FEDNL_CONVERGED,   // ||grad f|| <= tol
    FEDNL_MAX_ROUNDS,  // max_rounds steps were taken
    FEDNL_TIME_LIMIT,  // time_limit_s has passed
    FEDNL_INTERRUPTED, // the stop flag was raised
    FEDNL_DIVERGED     // f or its gradient grew beyond bounds or was no number; the model is the
                       // iterate of smallest gradient
} fednl_outcome;
/* "converged", "max_rounds", "time_limit", "interrupted", "diverged". */
const char *fednl_outcome_name(fednl_outcome status);

typedef struct fednl_result {
    fednl_outcome outcome;
    double f;         // f and ||grad f|| at the model's weights, recomputed from the rows of the
    double grad_norm; //   data set in their order, not from the clients' sums: a certificate
    double x_norm;    // ||x||
    size_t rounds;    // steps taken
    size_t rows, features, clients;
    size_t dimension;     // d
    size_t k;             // entries a client sends a round at most
    size_t pattern;       // non-zero entries of the clients' Hessian triangles, summed over clients
    double seconds;       // since the solver was created
    double seconds_setup; // of them in fednl_solver_create
    fednl_traffic traffic;
    fednl_phases phases;
} fednl_result;

typedef struct fednl_solver fednl_solver;

/* Create a solver for data, which is borrowed until destroy; opt is copied (NULL: defaults). On
 * failure *out is NULL. CT_EINVALID: a bad option, labels that are not exactly two, more clients
 * than rows; named in diag. CT_ERANGE: too many threads. CT_ENOMEM: also when the matrices of
 * dimension d would not fit into this machine; diag says how much they need. CT_EUNSUPPORTED: no
 * OpenBLAS. */
CT_MUST_USE ct_status fednl_solver_create(fednl_solver **out, const ct_dataset *data,
                                          const fednl_options *opt, ct_diag *diag);
void fednl_solver_destroy(fednl_solver *solver);

/* Iterate until one of the endings of fednl_outcome. A second call goes on where the first ended,
 * with max_rounds more, as if it had not ended. FEDNL_EFACTOR: the Hessian estimate is not positive
 * definite (lambda = 0); result is not filled. */
CT_MUST_USE ct_status fednl_solver_run(fednl_solver *solver, fednl_result *result, ct_diag *diag);

/* The weights x (d): features in order, the intercept last. Borrowed until the next run or destroy.
 */
const double *fednl_solver_x(const fednl_solver *solver);

/* A model of the current weights, the caller's; label[0] is the larger of the two labels. */
CT_MUST_USE ct_status fednl_solver_model(const fednl_solver *solver, fednl_model **out);

/* f(x) of the problem above and, where grad is not NULL, its gradient (d), straight from the rows
 * of data. sign (rows) holds b = ±1 (ct_dataset_binary_labels), x has cols + intercept entries. */
double fednl_objective(const ct_dataset *data, const double *sign, double lambda, bool intercept,
                       const double *x, double *grad);

#ifdef __cplusplus
}
#endif
#endif
