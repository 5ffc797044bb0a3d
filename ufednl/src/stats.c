// SPDX-License-Identifier: MIT
/* Statistics of a data set. One client at a time is laid out as a solver would, measured, and given
 * up again. */
#include "rows.h"
#include "solver.h"

#include <ctrain/rng.h>
#include <ctrain/threads.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <ufednl/stats.h>

/* ---- the data ---- */

static void describe_values(fednl_stats *s, const ct_dataset *data)
{
    s->value_min = data->nnz > 0 ? data->val[0] : (double)NAN;
    s->value_max = s->value_min;
    for (size_t k = 0; k < data->nnz; k++) {
        s->value_min = data->val[k] < s->value_min ? data->val[k] : s->value_min;
        s->value_max = data->val[k] > s->value_max ? data->val[k] : s->value_max;
    }
    for (size_t i = 0; i < data->rows; i++) {
        size_t n = data->row_start[i + 1] - data->row_start[i];
        s->longest_row = n > s->longest_row ? n : s->longest_row;
    }
}

/* ---- the largest eigenvalue ---- */

/* out = A^T A x / m, with a column of ones for an intercept; x, out (d). */
static void multiply(const ct_dataset *data, bool intercept, const double *x, double *out)
{
    size_t d = data->cols + intercept;
    memset(out, 0, d * sizeof *out);
    for (size_t i = 0; i < data->rows; i++) {
        size_t begin = data->row_start[i], end = data->row_start[i + 1];
        double z = intercept ? x[d - 1] : 0.0;
        for (size_t k = begin; k < end; k++)
            z += data->val[k] * x[data->col[k]];
        z /= (double)data->rows;
        for (size_t k = begin; k < end; k++)
            out[data->col[k]] += z * data->val[k];
        if (intercept)
            out[d - 1] += z;
    }
}

static double dot(const double *x, const double *y, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

/* Power iteration with the Rayleigh quotient x^T M x of unit vectors x, which grows from step to
 * step. */
static double largest_eigenvalue(const ct_dataset *data, bool intercept, double *x, double *y)
{
    enum { MAX_STEPS = 1000 };
    const double change = 1e-6; // relative, of the quotient in a step
    size_t d = data->cols + intercept;
    double quotient = 0.0;
    ct_rng rng;
    ct_rng_init(&rng, 0, CT_RNG_INIT, 0, 0);
    ct_rng_fill_normal_f64(&rng, x, d, 0.0, 1.0);
    for (int step = 0; step < MAX_STEPS; step++) {
        double norm = sqrt(dot(x, x, d));
        if (!(norm > 0.0))
            return 0.0; // all values are 0
        for (size_t c = 0; c < d; c++)
            x[c] /= norm;
        multiply(data, intercept, x, y);
        double before = quotient;
        quotient = dot(x, y, d);
        if (quotient <= before * (1.0 + change))
            break;
        memcpy(x, y, d * sizeof *x);
    }
    return quotient;
}

static ct_status find_smoothness(fednl_stats *s, const ct_dataset *data, bool intercept)
{
    double *x = calloc(2 * s->dimension, sizeof *x);
    if (x == NULL)
        return CT_ENOMEM;
    s->smoothness = s->convexity + largest_eigenvalue(data, intercept, x, x + s->dimension) / 4.0;
    free(x);
    return CT_OK;
}

/* ---- the clients ---- */

typedef struct survey {
    fednl_stats *stats;
    const ct_dataset *data;
    fednl__layout layout;
    uint32_t *coordinate; // (d)
    uint64_t *counts;     // (features)
    double *sign;         // (rows) all 1: what is merged does not depend on it
    bool patterns;
    uint64_t *memory_bytes; // (clients) of rows, pattern, estimate and margins
    ct_status *status;      // (clients)
} survey;

static ct_status measure_pattern(const fednl__rows *rows, fednl_client_stats *out,
                                 uint64_t *memory_bytes)
{
    fednl__pattern pattern = {0};
    ct_status status = fednl__pattern_init(&pattern, rows, false);
    if (status == CT_OK) {
        out->pattern = pattern.n;
        *memory_bytes = rows->memory.capacity_bytes + pattern.marks.capacity_bytes +
                        pattern.memory.capacity_bytes +
                        (pattern.n + 2 * rows->distinct) * sizeof(double);
    }
    fednl__pattern_clear(&pattern);
    return status;
}

static void survey_client(void *context, size_t task, size_t worker)
{
    (void)worker;
    survey *v = context;
    const ct_split *split = v->stats->split;
    fednl_client_stats *out = &v->stats->client[task];
    fednl__rows rows = {0};
    out->rows = split->start[task + 1] - split->start[task];
    ct_status status = fednl__rows_init(&rows, v->data, v->sign, &v->layout,
                                        split->order + split->start[task], out->rows);
    if (status == CT_OK) {
        out->distinct = rows.distinct;
        out->active = rows.active;
        if (v->patterns)
            status = measure_pattern(&rows, out, &v->memory_bytes[task]);
    }
    fednl__rows_clear(&rows);
    v->status[task] = status;
}

/* What is not a client's: the data, H and its factor, and room to work in. */
static uint64_t other_memory(const fednl_stats *s, size_t active, size_t pattern)
{
    uint64_t data =
        s->rows * (sizeof(size_t) + sizeof(double)) + s->nnz * (sizeof(uint32_t) + sizeof(double));
    uint64_t server = fednl__triangle(s->dimension) + s->dimension * s->dimension;
    uint64_t desk = fednl__padded(active) + pattern + s->dimension;
    return data + (server + desk) * sizeof(double);
}

static ct_status sum_up(survey *v)
{
    fednl_stats *s = v->stats;
    size_t most_active = 0, largest = 0;
    for (size_t i = 0; i < s->split->clients; i++) {
        const fednl_client_stats *c = &s->client[i];
        CT_TRY(v->status[i]);
        s->merged += c->distinct;
        s->pattern += c->pattern;
        s->memory_bytes += v->memory_bytes[i];
        most_active = c->active > most_active ? c->active : most_active;
        largest = c->pattern > largest ? c->pattern : largest;
    }
    if (v->patterns)
        s->memory_bytes += other_memory(s, most_active, largest);
    return CT_OK;
}

static ct_status survey_clients(survey *v, const fednl_options *opt, ct_diag *diag)
{
    fednl_stats *s = v->stats;
    for (size_t i = 0; i < s->rows; i++)
        v->sign[i] = 1.0;
    fednl__count_columns(v->counts, v->data);
    for (size_t c = 0; c < s->features; c++)
        s->used_features += v->counts[c] > 0;
    CT_TRY(fednl__order_columns(v->coordinate, v->counts, s->features, opt->intercept));
    v->layout = (fednl__layout){s->dimension, s->features, opt->intercept, v->coordinate, NULL};
    v->patterns = s->dimension < 92682; // d(d+1)/2 < 2^32
    ct_pool *pool;
    CT_TRY(ct_pool_create(&pool, opt->threads, diag));
    ct_pool_run(pool, s->split->clients, survey_client, v);
    ct_pool_destroy(pool);
    return sum_up(v);
}

static ct_status make_survey(fednl_stats *s, const ct_dataset *data, const fednl_options *opt,
                             ct_diag *diag)
{
    size_t clients = s->split->clients;
    survey v = {.stats = s,
                .data = data,
                .coordinate = calloc(s->dimension, sizeof *v.coordinate),
                .counts = calloc(s->features + 1, sizeof *v.counts),
                .sign = calloc(s->rows, sizeof *v.sign),
                .memory_bytes = calloc(clients, sizeof *v.memory_bytes),
                .status = calloc(clients, sizeof *v.status)};
    s->client = calloc(clients, sizeof *s->client);
    ct_status status = CT_ENOMEM;
    if (v.coordinate != NULL && v.counts != NULL && v.sign != NULL && v.memory_bytes != NULL &&
        v.status != NULL && s->client != NULL)
        status = survey_clients(&v, opt, diag);
    free(v.coordinate);
    free(v.counts);
    free(v.sign);
    free(v.memory_bytes);
    free(v.status);
    return status;
}

/* ---- all of it ---- */

static ct_status deal_rows(fednl_stats *s, const ct_dataset *data, const fednl_options *opt,
                           ct_diag *diag)
{
    ct_split_options split = ct_split_options_default(opt->clients);
    split.shuffle = opt->shuffle;
    split.sizes = opt->sizes;
    split.label_skew = opt->label_skew;
    split.seed = opt->seed;
    return ct_split_create(&s->split, data, &split, diag);
}

static ct_status compute(fednl_stats *s, const ct_dataset *data, const fednl_options *opt,
                         ct_diag *diag)
{
    if (data->rows == 0)
        return ct_fail(diag, CT_EINVALID, "the data set has no rows");
    *s = (fednl_stats){.rows = data->rows,
                       .features = data->cols,
                       .nnz = data->nnz,
                       .dimension = data->cols + opt->intercept,
                       .convexity = opt->lambda};
    if (s->dimension == 0)
        return ct_fail(diag, CT_EINVALID,
                       "the data set has no features, and there is no intercept");
    CT_TRY(deal_rows(s, data, opt, diag));
    describe_values(s, data);
    CT_TRY(ct_dataset_count_distinct(data, &s->distinct));
    CT_TRY(find_smoothness(s, data, opt->intercept));
    return make_survey(s, data, opt, diag);
}

ct_status fednl_stats_compute(fednl_stats *stats, const ct_dataset *data, const fednl_options *opt,
                              ct_diag *diag)
{
    fednl_options defaults = fednl_options_default();
    *stats = (fednl_stats){0};
    ct_diag reason = {0};
    ct_status status = compute(stats, data, opt != NULL ? opt : &defaults, &reason);
    if (status == CT_OK)
        return CT_OK;
    fednl_stats_clear(stats);
    return ct_fail(diag, status, "%s",
                   reason.text[0] != '\0' ? reason.text : ct_status_text(status));
}

void fednl_stats_clear(fednl_stats *stats)
{
    ct_split_destroy(stats->split);
    free(stats->client);
    *stats = (fednl_stats){0};
}
