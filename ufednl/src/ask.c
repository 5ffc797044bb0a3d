// SPDX-License-Identifier: MIT
/* The server's sums of what clients reply, in the order of the clients whoever answered first, and
 * H, which learns from the compressed differences. */
#include "solver.h"

#include <ctrain/timer.h>
#include <math.h>
#include <string.h>

/* H is summed over the replies slice by slice, so that threads can share it out: not more slices
 * than are worth looking up in every reply, and none for a handful of entries. */
#define SLICE_ENTRIES 8192
#define SLICES        64
#define WORTH_SHARING 65536

typedef struct sum {
    fednl_solver *solver;
    const fednl__request *request;
    const uint32_t *client;
    const fednl__reply *replies;
    size_t n;
} sum;

/* The first entry of the ascending index (n) that is at least position. */
static size_t lower_bound(const uint32_t *index, size_t n, size_t position)
{
    size_t begin = 0;
    while (n > 0) {
        size_t half = n / 2;
        bool below = index[begin + half] < position;
        begin += below ? half + 1 : 0;
        n = below ? n - half - 1 : half;
    }
    return begin;
}

static void add_update(double *restrict h, size_t begin, size_t end, double weight,
                       const fednl__update *update)
{
    size_t last = lower_bound(update->index, update->n, end);
    for (size_t i = lower_bound(update->index, last, begin); i < last; i++)
        h[update->index[i]] += weight * (update->scale * update->value[i]);
}

static void learn_range(const sum *s, size_t begin, size_t end)
{
    fednl_solver *solver = s->solver;
    if (solver->forget)
        memset(solver->h + begin, 0, (end - begin) * sizeof *solver->h);
    for (size_t i = 0; i < s->n; i++)
        add_update(solver->h, begin, end, solver->link->weight[s->client[i]],
                   &s->replies[i].update);
}

static size_t slice_entries(size_t triangle)
{
    size_t even = triangle / SLICES + 1;
    return even > SLICE_ENTRIES ? even : SLICE_ENTRIES;
}

static void learn_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const sum *s = context;
    size_t n = fednl__triangle(s->solver->dimension), slice = slice_entries(n);
    size_t begin = task * slice, end = begin + slice < n ? begin + slice : n;
    learn_range(s, begin, end);
}

static void learn(const sum *s)
{
    fednl_solver *solver = s->solver;
    size_t entries = 0, n = fednl__triangle(solver->dimension);
    for (size_t i = 0; i < s->n; i++)
        entries += s->replies[i].update.n;
    if (ct_pool_threads(solver->pool) == 1 || entries < WORTH_SHARING)
        learn_range(s, 0, n);
    else
        ct_pool_run(solver->pool, (n - 1) / slice_entries(n) + 1, learn_task, (void *)s);
    solver->forget = false;
}

/* FedNL-PP: g_i = H_i x - gradient, and + l_i x where the step is by H + l I. */
static void keep_partial(fednl_solver *solver, uint32_t client, const fednl__reply *reply)
{
    double *g = solver->partial_g + client * solver->dimension;
    double l = solver->opt.option == FEDNL_OPTION_B ? reply->l : 0.0;
    for (size_t c = 0; c < solver->dimension; c++)
        g[c] = reply->g[c] + l * solver->x[c];
    solver->partial_l[client] = reply->l;
}

static void add_reply(fednl_solver *solver, uint32_t client, const fednl__reply *reply)
{
    double weight = solver->link->weight[client];
    solver->f += weight * reply->f;
    solver->slope += weight * reply->slope;
    if (reply->ask & FEDNL__ASK_PARTIAL) {
        keep_partial(solver, client, reply);
        return;
    }
    solver->l += weight * reply->l;
    if (reply->ask & FEDNL__ASK_GRADIENT)
        for (size_t c = 0; c < solver->dimension; c++)
            solver->g[c] += weight * reply->g[c];
}

static void consume(void *context, const uint32_t *client, const fednl__reply *replies, size_t n)
{
    sum *s = context;
    double begin = ct_time_s();
    for (size_t i = 0; i < n; i++)
        add_reply(s->solver, client[i], &replies[i]);
    if (s->request->ask & FEDNL__ASK_HESSIAN) {
        s->client = client;
        s->replies = replies;
        s->n = n;
        learn(s);
    }
    s->solver->aggregate_s += ct_time_s() - begin;
}

double fednl__ridge_value(const fednl_solver *solver, const double *x)
{
    double sum_of_squares = 0.0;
    for (size_t c = 0; c < solver->dimension; c++)
        sum_of_squares += solver->ridge[c] * x[c] * x[c];
    return 0.5 * sum_of_squares;
}

/* The regulariser's share; the point is x, but for trials of a search, which are at point. */
static void add_ridge(fednl_solver *s, const fednl__request *request)
{
    const double *x = request->accept || request->x == s->x ? s->x : s->point;
    s->f += fednl__ridge_value(s, x);
    if (request->ask & FEDNL__ASK_SLOPE)
        for (size_t c = 0; c < s->dimension; c++)
            s->slope -= s->ridge[c] * x[c] * s->step[c];
    if (!(request->ask & FEDNL__ASK_GRADIENT))
        return;
    double squared = 0.0;
    for (size_t c = 0; c < s->dimension; c++) {
        s->g[c] += s->ridge[c] * x[c];
        squared += s->g[c] * s->g[c];
    }
    s->grad_norm = sqrt(squared);
}

ct_status fednl__ask(fednl_solver *solver, const fednl__request *request, const uint32_t *who,
                     size_t n, ct_diag *diag)
{
    sum s = {.solver = solver, .request = request};
    solver->f = solver->slope = 0.0;
    if (request->ask & FEDNL__ASK_GRADIENT)
        memset(solver->g, 0, solver->dimension * sizeof *solver->g);
    if (request->ask & FEDNL__ASK_HESSIAN) {
        solver->l = 0.0;
        solver->participants = n;
        solver->forget = solver->forget || (solver->compressor.kind == FEDNL_COMPRESSOR_IDENTITY &&
                                            !solver->compressor.differences);
    }
    CT_TRY(solver->link->ops->exchange(solver->link, request, who, n, consume, &s, diag));
    if (request->ask & FEDNL__ASK_CONSTANTS)
        return CT_OK;
    add_ridge(solver, request);
    return CT_OK;
}

ct_status fednl__ask_everyone(fednl_solver *solver, const fednl__request *request, ct_diag *diag)
{
    return fednl__ask(solver, request, solver->everyone, solver->clients, diag);
}
