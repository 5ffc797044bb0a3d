// SPDX-License-Identifier: MIT
/* Building a solver: checks, the split over clients, their patterns, and the room to work in. */
#include "solver.h"

#include <ctrain/blas.h>
#include <ctrain/timer.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static ct_status check_numbers(const fednl_options *opt, ct_diag *diag)
{
    if (!(opt->lambda >= 0.0) || isinf(opt->lambda))
        return ct_fail(diag, CT_EINVALID, "lambda = %g (must be at least 0 and finite)",
                       opt->lambda);
    if (!(opt->tol >= 0.0) || isinf(opt->tol))
        return ct_fail(diag, CT_EINVALID, "tol = %g (must be at least 0 and finite)", opt->tol);
    if (!(opt->time_limit_s >= 0.0))
        return ct_fail(diag, CT_EINVALID, "time limit = %g s (must be at least 0)",
                       opt->time_limit_s);
    if (opt->algorithm != FEDNL_ALGORITHM_FEDNL)
        return ct_fail(diag, CT_EINVALID, "unknown algorithm %d", (int)opt->algorithm);
    if (opt->compressor != FEDNL_COMPRESSOR_IDENTITY && opt->compressor != FEDNL_COMPRESSOR_TOPK)
        return ct_fail(diag, CT_EINVALID, "unknown compressor %d", (int)opt->compressor);
    return CT_OK;
}

static ct_status check_data(const ct_dataset *data, const fednl_options *opt, ct_diag *diag)
{
    if (data == NULL || data->rows == 0)
        return ct_fail(diag, CT_EINVALID, "the data set has no rows");
    if (data->cols + opt->intercept == 0)
        return ct_fail(diag, CT_EINVALID,
                       "the data set has no features, and there is no intercept");
    if (opt->clients == 0)
        return ct_fail(diag, CT_EINVALID, "0 clients (at least 1 is needed)");
    if (opt->clients > data->rows)
        return ct_fail(diag, CT_EINVALID, "%zu clients are more than the %zu rows of the data",
                       opt->clients, data->rows);
    return CT_OK;
}

/* Bytes this process may use at most, as far as the system tells. */
static double memory_limit_bytes(void)
{
    double limit = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    struct rlimit r;
    if (getrlimit(RLIMIT_AS, &r) == 0 && r.rlim_cur != RLIM_INFINITY && (double)r.rlim_cur < limit)
        limit = (double)r.rlim_cur;
    return limit;
}

/* Refuse before anything is allocated what cannot fit: a few matrices of dimension d. */
static ct_status check_memory(const fednl_solver *s, ct_diag *diag)
{
    static const double gb = 1e9;
    double d = (double)s->dimension;
    double triangle = sizeof(double) * d * (d + 1.0) / 2.0;
    double needed = (3.0 + (double)s->n_scratch) * triangle; // H, its square factor; a thread's sum
    bool addressable = d * (d + 1.0) / 2.0 <= (double)UINT32_MAX; // positions are 32 bits
    if (addressable && needed <= memory_limit_bytes())
        return CT_OK;
    return ct_fail(diag, CT_ENOMEM,
                   "%zu features make Hessians of dimension %zu, which need %.3g GB; this process "
                   "may use %.3g GB (is a feature index wrong?)",
                   s->data->cols, s->dimension, needed / gb, memory_limit_bytes() / gb);
}

static ct_status choose_k(fednl_solver *s, ct_diag *diag)
{
    size_t n = fednl__triangle(s->dimension);
    s->compressor = (fednl__compressor){.kind = s->opt.compressor, .k = s->opt.k};
    if (s->opt.compressor == FEDNL_COMPRESSOR_IDENTITY)
        s->compressor.k = n;
    else if (s->opt.k == 0)
        s->compressor.k = 8 * s->dimension < n ? 8 * s->dimension : n;
    if (s->compressor.k > n)
        return ct_fail(diag, CT_EINVALID, "k = %zu is more than the N = %zu entries of a triangle",
                       s->compressor.k, n);
    return CT_OK;
}

static ct_status allocate_arrays(fednl_solver *s)
{
    s->sign = calloc(s->data->rows, sizeof *s->sign);
    s->clients = calloc(s->n_clients, sizeof *s->clients);
    s->weight = calloc(s->n_clients, sizeof *s->weight);
    s->replies = calloc(s->n_clients, sizeof *s->replies);
    s->best_x = calloc(s->dimension, sizeof *s->best_x);
    s->scratch = calloc(s->n_scratch, sizeof *s->scratch);
    bool ok = s->sign != NULL && s->clients != NULL && s->weight != NULL && s->replies != NULL &&
              s->best_x != NULL && s->scratch != NULL;
    return ok ? CT_OK : CT_ENOMEM;
}

/* What the clients of one solver are built from, for the tasks of the pool. */
typedef struct build {
    fednl_solver *solver;
    const ct_split *split;
    ct_status *status; // (clients)
    uint32_t *local;   // (threads, d)
} build;

static void load_task(void *context, size_t task, size_t worker)
{
    build *b = context;
    fednl_solver *s = b->solver;
    size_t begin = b->split->start[task], end = b->split->start[task + 1];
    s->weight[task] = (double)(end - begin) / (double)s->data->rows;
    b->status[task] =
        fednl__client_load(&s->clients[task], s->data, s->sign, s->opt.intercept,
                           b->split->order + begin, end - begin, b->local + worker * s->dimension);
}

static void prepare_task(void *context, size_t task, size_t worker)
{
    build *b = context;
    fednl_solver *s = b->solver;
    b->status[task] =
        fednl__client_prepare(&s->clients[task], &s->compressor, s->scratch[worker].triangle);
}

static ct_status run_build(build *b, ct_task_fn *task)
{
    fednl_solver *s = b->solver;
    ct_pool_run(s->pool, s->n_clients, task, b);
    for (size_t i = 0; i < s->n_clients; i++)
        CT_TRY(b->status[i]);
    return CT_OK;
}

/* The largest client in every respect. */
static fednl__client maxima(const fednl_solver *s)
{
    fednl__client most = {0};
    for (size_t i = 0; i < s->n_clients; i++) {
        const fednl__client *c = &s->clients[i];
        most.rows = c->rows > most.rows ? c->rows : most.rows;
        most.active = c->active > most.active ? c->active : most.active;
        most.pattern = c->pattern > most.pattern ? c->pattern : most.pattern;
    }
    return most;
}

static void layout_for_rows(fednl_solver *s, const fednl__client *most)
{
    ct_arena *a = &s->rows_memory;
    for (size_t t = 0; t < s->n_scratch; t++) {
        fednl__scratch *w = &s->scratch[t];
        w->triangle = ct_arena_array(a, double, fednl__triangle(most->active));
        w->margin = ct_arena_array(a, double, most->rows);
        w->loss = ct_arena_array(a, double, most->rows);
        w->sigmoid = ct_arena_array(a, double, most->rows);
        w->x = ct_arena_array(a, double, most->active);
        w->gradient = ct_arena_array(a, double, most->active);
    }
}

static void layout_for_patterns(fednl_solver *s, const fednl__client *most)
{
    ct_arena *a = &s->pattern_memory;
    for (size_t t = 0; t < s->n_scratch; t++) {
        s->scratch[t].difference = ct_arena_array(a, double, most->pattern);
        s->scratch[t].keys = ct_arena_array(a, uint64_t, most->pattern);
    }
}

typedef void layout_fn(fednl_solver *solver, const fednl__client *most);

/* Measure, allocate, carve. */
static ct_status create_scratch(fednl_solver *s, ct_arena *arena, layout_fn *layout)
{
    fednl__client most = maxima(s);
    ct_arena_init_measuring(arena);
    layout(s, &most);
    CT_TRY(ct_arena_init(arena, ct_arena_high_water(arena)));
    layout(s, &most);
    return CT_OK;
}

static ct_status build_clients(fednl_solver *s, const ct_split *split)
{
    build b = {.solver = s, .split = split};
    b.status = calloc(s->n_clients, sizeof *b.status);
    b.local = calloc(s->n_scratch * s->dimension, sizeof *b.local);
    ct_status status = CT_ENOMEM;
    if (b.status != NULL && b.local != NULL)
        status = run_build(&b, load_task);
    if (status == CT_OK)
        status = create_scratch(s, &s->rows_memory, layout_for_rows);
    if (status == CT_OK)
        status = run_build(&b, prepare_task);
    if (status == CT_OK)
        status = create_scratch(s, &s->pattern_memory, layout_for_patterns);
    free(b.status);
    free(b.local);
    return status;
}

static ct_status deal_rows(fednl_solver *s, ct_diag *diag)
{
    ct_split_options opt = ct_split_options_default(s->n_clients);
    opt.shuffle = s->opt.shuffle;
    opt.seed = s->opt.seed;
    ct_split *split = NULL;
    CT_TRY(ct_split_create(&split, s->data, &opt, diag));
    ct_status status = build_clients(s, split);
    ct_split_destroy(split);
    return status;
}

static ct_status build_solver(fednl_solver *s, ct_diag *diag)
{
    CT_TRY(ct_pool_create(&s->pool, s->opt.threads, diag));
    s->n_scratch = ct_pool_threads(s->pool);
    CT_TRY(check_memory(s, diag));
    CT_TRY(choose_k(s, diag));
    CT_TRY(ct_blas_open(diag));
    CT_TRY(allocate_arrays(s));
    CT_TRY(ct_dataset_binary_labels(s->data, s->sign, s->label, diag));
    CT_TRY(fednl__master_init(&s->master, s->dimension, s->opt.lambda));
    return deal_rows(s, diag);
}

ct_status fednl_solver_create(fednl_solver **out, const ct_dataset *data, const fednl_options *opt,
                              ct_diag *diag)
{
    *out = NULL;
    double begin = ct_time_s();
    fednl_options defaults = fednl_options_default();
    if (opt == NULL)
        opt = &defaults;
    CT_TRY(check_numbers(opt, diag));
    CT_TRY(check_data(data, opt, diag));
    fednl_solver *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    s->data = data;
    s->opt = *opt;
    s->n_clients = opt->clients;
    s->dimension = data->cols + opt->intercept;
    s->best_norm = INFINITY;
    s->created_s = begin;
    ct_diag reason = {0};
    ct_status status = build_solver(s, &reason);
    if (status != CT_OK) {
        fednl_solver_destroy(s);
        return ct_fail(diag, status, "%s",
                       reason.text[0] != '\0' ? reason.text : ct_status_text(status));
    }
    s->setup_s = ct_time_s() - begin;
    *out = s;
    return CT_OK;
}

void fednl_solver_destroy(fednl_solver *solver)
{
    if (solver == NULL)
        return;
    for (size_t i = 0; solver->clients != NULL && i < solver->n_clients; i++)
        fednl__client_clear(&solver->clients[i]);
    fednl__master_clear(&solver->master);
    ct_arena_clear(&solver->rows_memory);
    ct_arena_clear(&solver->pattern_memory);
    ct_pool_destroy(solver->pool);
    free(solver->sign);
    free(solver->clients);
    free(solver->weight);
    free(solver->replies);
    free(solver->best_x);
    free(solver->scratch);
    free(solver);
}
