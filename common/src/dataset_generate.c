// SPDX-License-Identifier: MIT
/* Synthetic sparse binary problems. Feature j is present in a row with probability p_j =
 * min(1, c (j+1)^-power), independently; c makes the p_j add up to the wanted entries a row. The
 * label follows a planted linear model w with logistic noise: +1 where w'x + noise exceeds a
 * threshold, which is a draw from the logistic model with that threshold as negative intercept. The
 * threshold is put where the wanted fraction of rows lies above it. */
#include "dataset_private.h"

#include <ctrain/rng.h>
#include <math.h>
#include <stdlib.h>

/* Streams of CT_RNG_DATA, by the client number of the stream. */
enum { STREAM_ROWS, STREAM_VALUES, STREAM_MODEL, STREAM_NOISE };

#define SCORE_DEVIATION 3.0 // of w'x over the rows, roughly; the noise has 1.8

typedef struct scored_row {
    double score;
    size_t row;
} scored_row;

ct_sparse_options ct_sparse_options_default(void)
{
    return (ct_sparse_options){.rows = 49749,
                               .cols = 300,
                               .nnz_per_row = 11.65,
                               .positive_fraction = 0.03,
                               .power = 0.7,
                               .binary = true};
}

static ct_status check_options(const ct_sparse_options *opt, ct_diag *diag)
{
    if (opt->rows == 0 || opt->cols == 0)
        return ct_fail(diag, CT_EINVALID, "%zu rows of %zu features (each must be at least 1)",
                       opt->rows, opt->cols);
    if (!(opt->nnz_per_row >= 1.0 && opt->nnz_per_row <= (double)opt->cols))
        return ct_fail(diag, CT_EINVALID, "nnz_per_row %g (must be from 1 to %zu)",
                       opt->nnz_per_row, opt->cols);
    if (!(opt->positive_fraction > 0.0 && opt->positive_fraction < 1.0))
        return ct_fail(diag, CT_EINVALID, "positive_fraction %g (must be between 0 and 1)",
                       opt->positive_fraction);
    if (!(opt->power >= 0.0 && opt->power <= 100.0))
        return ct_fail(diag, CT_EINVALID, "power %g (must be from 0 to 100)", opt->power);
    return ct__dataset_check_shape(opt->rows, opt->cols, diag);
}

/* p_j for every feature. Features whose share reaches 1 are always present; the rest of the entries
 * is shared by the rest of the features, until no more of them reach 1. */
static void fill_popularity(double *p, const ct_sparse_options *opt)
{
    size_t always = 0;
    double tail = 0.0;
    for (size_t j = opt->cols; j-- > 0;) {
        p[j] = pow((double)(j + 1), -opt->power);
        tail += p[j];
    }
    while (always < opt->cols && p[always] * (opt->nnz_per_row - (double)always) >= tail)
        tail -= p[always++];
    double scale = tail > 0.0 ? (opt->nnz_per_row - (double)always) / tail : 0.0;
    for (size_t j = 0; j < opt->cols; j++)
        p[j] = j < always ? 1.0 : fmin(1.0, scale * p[j]);
}

/* The next present feature at or after j, or cols. Popularity falls with j, so a geometric step
 * with that of j never passes over too few features; the landing place is kept with the ratio of
 * the two. Work is proportional to the entries, not to the features. */
static size_t next_feature(ct_rng *rng, const double *p, size_t cols, size_t j)
{
    while (j < cols && p[j] < 1.0) {
        double bound = p[j];
        if (bound <= 0.0)
            return cols;
        double step = floor(log(1.0 - ct_rng_uniform(rng)) / log1p(-bound));
        if (step >= (double)(cols - j))
            return cols;
        j += (size_t)step;
        if (ct_rng_uniform(rng) * bound < p[j])
            return j;
        j++;
    }
    return j;
}

/* Walk all rows; the same stream gives the same rows, so that they can be counted before there is
 * memory for them (data NULL). Returns the number of entries. */
static size_t draw_rows(const ct_sparse_options *opt, const double *p, ct_dataset *data)
{
    ct_rng rng;
    ct_rng_init(&rng, opt->seed, CT_RNG_DATA, STREAM_ROWS, 0);
    size_t nnz = 0;
    for (size_t i = 0; i < opt->rows; i++) {
        for (size_t j = 0; (j = next_feature(&rng, p, opt->cols, j)) < opt->cols; j++) {
            if (data != NULL)
                data->col[nnz] = (uint32_t)j;
            nnz++;
        }
        if (data != NULL)
            data->row_start[i + 1] = nnz;
    }
    return nnz;
}

static void draw_values(const ct_sparse_options *opt, ct_dataset *data)
{
    ct_rng rng;
    ct_rng_init(&rng, opt->seed, CT_RNG_DATA, STREAM_VALUES, 0);
    for (size_t k = 0; k < data->nnz; k++)
        data->val[k] = opt->binary ? 1.0 : 1.0 - ct_rng_uniform(&rng);
}

/* Descending; equal scores in row order, so that the result does not depend on the sort. */
static int compare_scores(const void *a, const void *b)
{
    const scored_row *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

static void score_rows(const ct_sparse_options *opt, const ct_dataset *data, double *w,
                       scored_row *scored)
{
    ct_rng rng;
    double second_moment = opt->binary ? 1.0 : 1.0 / 3.0;
    double deviation = SCORE_DEVIATION / sqrt(opt->nnz_per_row * second_moment);
    ct_rng_init(&rng, opt->seed, CT_RNG_DATA, STREAM_MODEL, 0);
    ct_rng_fill_normal_f64(&rng, w, opt->cols, 0.0, deviation);
    ct_rng_init(&rng, opt->seed, CT_RNG_DATA, STREAM_NOISE, 0);
    for (size_t i = 0; i < data->rows; i++) {
        double u = 1.0 - ct_rng_uniform(&rng); // in (0, 1]; at 1 the score is infinite, and sorts
        double score = log(u / (1.0 - u));
        for (size_t k = data->row_start[i]; k < data->row_start[i + 1]; k++)
            score += w[data->col[k]] * data->val[k];
        scored[i] = (scored_row){score, i};
    }
}

/* The rows of highest score are positive; both labels occur wherever there are two rows. */
static void draw_labels(const ct_sparse_options *opt, ct_dataset *data, double *w,
                        scored_row *scored)
{
    score_rows(opt, data, w, scored);
    qsort(scored, data->rows, sizeof *scored, compare_scores);
    size_t positive = (size_t)(opt->positive_fraction * (double)data->rows + 0.5);
    if (positive == data->rows)
        positive--;
    if (positive == 0)
        positive = 1;
    for (size_t i = 0; i < data->rows; i++)
        data->label[scored[i].row] = i < positive ? 1.0 : -1.0;
}

ct_status ct_dataset_generate_sparse(ct_dataset **out, const ct_sparse_options *opt, ct_diag *diag)
{
    *out = NULL;
    CT_TRY(check_options(opt, diag));
    ct_status status = CT_ENOMEM;
    double *p = calloc(opt->cols, sizeof *p); // popularity, then the planted model
    scored_row *scored = calloc(opt->rows, sizeof *scored);
    if (p == NULL || scored == NULL) {
        ct_diag_set(diag, "out of memory for %zu rows of %zu features", opt->rows, opt->cols);
        goto done;
    }
    fill_popularity(p, opt);
    status = ct__dataset_alloc(out, opt->rows, opt->cols, draw_rows(opt, p, NULL), diag);
    if (status != CT_OK)
        goto done;
    draw_rows(opt, p, *out);
    draw_values(opt, *out);
    draw_labels(opt, *out, p, scored);
done:
    free(p);
    free(scored);
    return status;
}
