// SPDX-License-Identifier: MIT
/* The rounds: clients in parallel, replies summed in the clients' order, the step, and when to end.
 */
#include "solver.h"

#include <ctrain/timer.h>
#include <math.h>
#include <string.h>

/* f grows beyond this many times its value at the start: diverged. */
#define GROWTH_LIMIT 1e6

/* H is summed over all clients slice by slice: of about this many entries, which stay in the L1
 * cache, but not more slices than are worth looking up in every reply. */
#define SLICE  8192
#define SLICES 64

static void client_task(void *context, size_t task, size_t worker)
{
    fednl_solver *s = context;
    fednl__client_round(&s->clients[task], s->master.x, &s->compressor, &s->scratch[worker],
                        &s->replies[task]);
}

static size_t slice_entries(const fednl_solver *s)
{
    size_t even = fednl__triangle(s->dimension) / SLICES + 1;
    return even > SLICE ? even : SLICE;
}

/* H at the positions of one slice. */
static void learn_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    fednl_solver *s = context;
    size_t slice = slice_entries(s), n = fednl__triangle(s->dimension);
    size_t begin = task * slice, end = begin + slice;
    end = end < n ? end : n;
    if (s->replies[0].whole)
        fednl__master_forget(&s->master, begin, end);
    for (size_t i = 0; i < s->n_clients; i++)
        fednl__master_learn(&s->master, begin, end, s->weight[i], &s->replies[i]);
}

/* Count a reply: gradient, loss and norm, then the difference. Positions of a whole pattern are
 * known from the start, where they are sent once, unless the whole triangle is shorter. */
static void count_traffic(fednl_solver *s, const fednl__client *client, const fednl__reply *reply,
                          bool first)
{
    uint64_t entries = reply->n, indices = 0, d = s->dimension;
    if (first) {
        uint64_t triangle = fednl__triangle(s->dimension);
        bool sparse = 12 * entries < 8 * triangle;
        indices = sparse ? entries : 0;
        entries = sparse ? entries : triangle;
    } else if (reply->index != client->position) {
        indices = entries;
    }
    s->traffic.bytes_down += 8 * d;
    s->traffic.bytes_up += 8 * (d + 2 + entries) + 4 * indices;
    s->traffic.bytes_up_indices += 4 * indices;
}

/* Evaluate at x: afterwards the server holds f, g and what the clients learnt. */
static void evaluate(fednl_solver *s)
{
    bool first = !s->clients[0].started;
    ct_pool_run(s->pool, s->n_clients, client_task, s);
    double begin = ct_time_s();
    fednl__master_begin(&s->master);
    for (size_t i = 0; i < s->n_clients; i++) {
        fednl__master_add(&s->master, s->weight[i], &s->replies[i]);
        count_traffic(s, &s->clients[i], &s->replies[i], first);
    }
    ct_pool_run(s->pool, (fednl__triangle(s->dimension) - 1) / slice_entries(s) + 1, learn_task, s);
    fednl__master_end(&s->master);
    if (first)
        s->first_f = s->master.f;
    if (s->master.grad_norm < s->best_norm) {
        s->best_norm = s->master.grad_norm;
        memcpy(s->best_x, s->master.x, s->dimension * sizeof *s->best_x);
    }
    s->aggregate_s += ct_time_s() - begin;
}

static fednl_phases phases(const fednl_solver *s)
{
    fednl_phases p = {.aggregate = s->aggregate_s, .solve = s->solve_s};
    for (size_t i = 0; i < s->n_clients; i++) {
        p.derivatives += s->clients[i].derivatives_s;
        p.compress += s->clients[i].compress_s;
    }
    return p;
}

static void report_round(const fednl_solver *s)
{
    if (s->opt.on_round == NULL)
        return;
    fednl_round round = {.round = s->rounds,
                         .f = s->master.f,
                         .grad_norm = s->master.grad_norm,
                         .shift = s->master.l,
                         .seconds = ct_time_s() - s->created_s,
                         .traffic = s->traffic,
                         .phases = phases(s)};
    s->opt.on_round(s->opt.on_round_context, &round);
}

static bool diverged(const fednl_solver *s)
{
    const fednl__master *m = &s->master;
    return !isfinite(m->f) || !isfinite(m->grad_norm) || !isfinite(m->l) ||
           m->f > GROWTH_LIMIT * s->first_f;
}

/* Whether the run ends at the current iterate, and how. */
static bool ended(const fednl_solver *s, size_t last_round, double deadline_s,
                  fednl_outcome *outcome)
{
    if (diverged(s))
        *outcome = FEDNL_DIVERGED;
    else if (s->master.grad_norm <= s->opt.tol)
        *outcome = FEDNL_CONVERGED;
    else if (s->opt.stop != NULL && atomic_load(s->opt.stop))
        *outcome = FEDNL_INTERRUPTED;
    else if (s->rounds >= last_round)
        *outcome = FEDNL_MAX_ROUNDS;
    else if (ct_time_s() >= deadline_s)
        *outcome = FEDNL_TIME_LIMIT;
    else
        return false;
    return true;
}

static void fill_result(const fednl_solver *s, fednl_outcome outcome, fednl_result *result)
{
    double *g = s->master.step; // the last step is not needed any more
    *result = (fednl_result){.outcome = outcome,
                             .rounds = s->rounds,
                             .rows = s->data->rows,
                             .features = s->data->cols,
                             .clients = s->n_clients,
                             .dimension = s->dimension,
                             .k = s->compressor.k,
                             .seconds_setup = s->setup_s,
                             .traffic = s->traffic,
                             .phases = phases(s)};
    result->f = fednl_objective(s->data, s->sign, s->opt.lambda, s->opt.intercept, s->master.x, g);
    double g_squared = 0.0, x_squared = 0.0;
    for (size_t c = 0; c < s->dimension; c++) {
        g_squared += g[c] * g[c];
        x_squared += s->master.x[c] * s->master.x[c];
    }
    result->grad_norm = sqrt(g_squared);
    result->x_norm = sqrt(x_squared);
    for (size_t i = 0; i < s->n_clients; i++)
        result->pattern += s->clients[i].pattern;
    result->seconds = ct_time_s() - s->created_s;
}

ct_status fednl_solver_run(fednl_solver *solver, fednl_result *result, ct_diag *diag)
{
    fednl_solver *s = solver;
    size_t last_round = s->rounds + s->opt.max_rounds;
    if (last_round < s->rounds)
        last_round = SIZE_MAX;
    double deadline_s = s->opt.time_limit_s > 0.0 ? ct_time_s() + s->opt.time_limit_s : INFINITY;
    fednl_outcome outcome;
    for (;;) {
        if (!s->evaluated) {
            evaluate(s);
            report_round(s);
            s->evaluated = true;
        }
        if (ended(s, last_round, deadline_s, &outcome))
            break;
        double begin = ct_time_s();
        CT_TRY(fednl__master_step(&s->master, diag));
        s->solve_s += ct_time_s() - begin;
        s->rounds++;
        s->evaluated = false;
    }
    if (outcome == FEDNL_DIVERGED) {
        memcpy(s->master.x, s->best_x, s->dimension * sizeof *s->best_x);
        s->evaluated = false;
    }
    fill_result(s, outcome, result);
    return CT_OK;
}

const double *fednl_solver_x(const fednl_solver *solver)
{
    return solver->master.x;
}

ct_status fednl_solver_model(const fednl_solver *solver, fednl_model **out)
{
    CT_TRY(fednl_model_create(out, solver->data->cols, solver->opt.intercept ? 1.0 : -1.0,
                              solver->label));
    memcpy((*out)->w, solver->master.x, solver->dimension * sizeof *(*out)->w);
    return CT_OK;
}
