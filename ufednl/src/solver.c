// SPDX-License-Identifier: MIT
/* The rounds: evaluate, see whether it ends, step; and the result with its certificate. */
#include "solver.h"

#include <ctrain/timer.h>
#include <math.h>
#include <string.h>

/* f grows beyond this many times its value at the start: diverged. */
#define GROWTH_LIMIT 1e6

static fednl_phases phases(const fednl_solver *s)
{
    return (fednl_phases){.derivatives = s->link->derivatives_s,
                          .compress = s->link->compress_s,
                          .wait = s->link->wait_s,
                          .aggregate = s->aggregate_s,
                          .solve = s->solve_s};
}

static void report_round(fednl_solver *s)
{
    if (s->opt.on_round == NULL)
        return;
    fednl_round round = {.round = s->round,
                         .f = s->f,
                         .grad_norm = s->grad_norm,
                         .shift = s->l,
                         .step = s->t,
                         .clients = s->participants,
                         .seconds = ct_time_s() - s->created_s,
                         .traffic = s->link->traffic,
                         .phases = phases(s)};
    s->opt.on_round(s->opt.context, &round);
}

/* At least one client measured f and its gradient in this round, so that NaN tells something. */
static bool measured(const fednl_solver *s)
{
    bool now_and_then =
        s->opt.algorithm == FEDNL_ALGORITHM_PP || s->opt.algorithm == FEDNL_ALGORITHM_BC;
    return !(now_and_then && isnan(s->f) && isnan(s->grad_norm));
}

static ct_status evaluate(fednl_solver *s, ct_diag *diag)
{
    if (!s->method->second_order)
        s->participants = s->clients;
    CT_TRY(s->method->evaluate(s, diag));
    if (s->round == 0)
        s->first_f = s->f;
    if (s->f < s->best_f) {
        s->best_f = s->f;
        memcpy(s->best_x, s->x, s->dimension * sizeof *s->best_x);
    }
    s->evaluated = true;
    report_round(s);
    return CT_OK;
}

static bool x_is_finite(const fednl_solver *s)
{
    for (size_t c = 0; c < s->dimension; c++)
        if (!isfinite(s->x[c]))
            return false;
    return true;
}

static bool diverged(const fednl_solver *s)
{
    if (!x_is_finite(s) || !isfinite(s->l))
        return true;
    return measured(s) &&
           (!isfinite(s->f) || !isfinite(s->grad_norm) || s->f > GROWTH_LIMIT * s->first_f);
}

/* Whether the run ends at the current iterate, and how. */
static bool ended(const fednl_solver *s, size_t last_round, double deadline_s,
                  fednl_outcome *outcome)
{
    if (diverged(s))
        *outcome = FEDNL_DIVERGED;
    else if (s->grad_norm <= s->opt.tol)
        *outcome = FEDNL_CONVERGED;
    else if (s->opt.stop != NULL && atomic_load(s->opt.stop))
        *outcome = FEDNL_INTERRUPTED;
    else if (s->round >= last_round)
        *outcome = FEDNL_MAX_ROUNDS;
    else if (ct_time_s() >= deadline_s)
        *outcome = FEDNL_TIME_LIMIT;
    else if (s->opt.max_bytes_up != 0 && s->link->traffic.bytes_up >= s->opt.max_bytes_up)
        *outcome = FEDNL_BYTE_LIMIT;
    else
        return false;
    return true;
}

static double norm(const double *v, size_t n)
{
    double squared = 0.0;
    for (size_t c = 0; c < n; c++)
        squared += v[c] * v[c];
    return sqrt(squared);
}

static ct_status fill_result(fednl_solver *s, fednl_outcome outcome, fednl_result *result,
                             ct_diag *diag)
{
    double *g = s->point; // no trial is under way
    *result = (fednl_result){.outcome = outcome,
                             .rounds = s->round,
                             .rows = s->rows,
                             .features = s->features,
                             .clients = s->clients,
                             .distinct = s->distinct,
                             .dimension = s->dimension,
                             .k = s->compressor.k,
                             .alpha = s->compressor.alpha,
                             .pattern = s->link->pattern,
                             .seconds_setup = s->setup_s,
                             .traffic = s->link->traffic};
    CT_TRY(s->link->ops->certify(s->link, s->x, &result->f, g, diag));
    result->f += fednl__ridge_value(s, s->x);
    for (size_t c = 0; c < s->dimension; c++)
        g[c] += s->ridge[c] * s->x[c];
    result->grad_norm = norm(g, s->dimension);
    result->x_norm = norm(s->x, s->dimension);
    result->phases = phases(s);
    result->seconds = ct_time_s() - s->created_s;
    s->finish = (fednl__finish){.outcome = outcome,
                                .f = result->f,
                                .grad_norm = result->grad_norm,
                                .x = outcome == FEDNL_DIVERGED ? NULL : s->x};
    s->finished = true;
    return CT_OK;
}

static ct_status iterate(fednl_solver *s, fednl_outcome *outcome, ct_diag *diag)
{
    size_t last_round = s->round + s->opt.max_rounds;
    if (last_round < s->round)
        last_round = SIZE_MAX;
    double deadline_s = s->opt.time_limit_s > 0.0 ? ct_time_s() + s->opt.time_limit_s : INFINITY;
    for (;;) {
        if (!s->evaluated && x_is_finite(s)) // clients are never asked about what is no point
            CT_TRY(evaluate(s, diag));
        if (ended(s, last_round, deadline_s, outcome))
            return CT_OK;
        bool stalled = false;
        CT_TRY(s->method->step(s, &stalled, diag));
        if (stalled) {
            *outcome = FEDNL_STALLED;
            return CT_OK;
        }
        s->round++;
        s->evaluated = false;
    }
}

ct_status fednl_solver_run(fednl_solver *solver, fednl_result *result, ct_diag *diag)
{
    fednl_solver *s = solver;
    fednl_outcome outcome;
    if (s->torn)
        return ct_fail(diag, CT_EINVALID,
                       "a checkpoint that did not fit has left the solver half-way");
    s->finished = false;
    CT_TRY(iterate(s, &outcome, diag));
    if (outcome == FEDNL_DIVERGED) {
        memcpy(s->x, s->best_x, s->dimension * sizeof *s->best_x);
        s->evaluated = s->tried = s->has_delta = false;
    }
    return fill_result(s, outcome, result, diag);
}

const double *fednl_solver_x(fednl_solver *solver)
{
    for (size_t c = 0; c < solver->dimension; c++)
        solver->as_data[c] = solver->x[solver->coordinate[c]];
    return solver->as_data;
}

ct_status fednl_solver_model(fednl_solver *solver, fednl_model **out)
{
    CT_TRY(fednl_model_create(out, solver->features, solver->opt.intercept ? 1.0 : -1.0,
                              solver->label));
    memcpy((*out)->w, fednl_solver_x(solver), solver->dimension * sizeof *(*out)->w);
    return CT_OK;
}
