// SPDX-License-Identifier: MIT
/* Random rows as a dense matrix, and loss, gradient and Hessian written down as they are defined,
 * in long double: what the sparse, merged, vectorised code is compared with. Coordinates are in the
 * internal order (rows.h); symmetric matrices are upper triangles, column by column. */
#ifndef DENSE_CASE_H
#define DENSE_CASE_H

#include "ct_test.h"

#include "rows.h"

#include <ctrain/rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DENSE_MOST = 24, DENSE_TRIANGLE = DENSE_MOST * (DENSE_MOST + 1) / 2 };

typedef struct dense_case {
    size_t rows, features, d;
    bool intercept;
    double *a;                       // (rows, d)
    double *sign;                    // (rows)
    uint32_t coordinate[DENSE_MOST]; // of each feature, then of the intercept
    ct_dataset *data;
} dense_case;

/* Some of its rows: a client's. */
typedef struct dense_part {
    const dense_case *c;
    size_t first, n;
} dense_part;

static inline ct_dataset *dense_dataset(size_t rows, size_t features, const double *value,
                                        const double *label)
{
    size_t *start = calloc(rows + 1, sizeof *start), n = 0;
    uint32_t *col = calloc(rows * features + 1, sizeof *col);
    double *val = calloc(rows * features + 1, sizeof *val);
    for (size_t j = 0; j < rows; j++) {
        for (uint32_t c = 0; c < features; c++) {
            if (value[j * features + c] == 0.0)
                continue;
            col[n] = c;
            val[n++] = value[j * features + c];
        }
        start[j + 1] = n;
    }
    ct_dataset *data;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_from_csr(&data, rows, features, start, col, val, label, &diag), &diag);
    free(start);
    free(col);
    free(val);
    return data;
}

/* Rows given as value (rows, features) and sign (rows) = ±1, which is also the label. */
static inline void dense_case_take(dense_case *c, size_t rows, size_t features, bool intercept,
                                   const double *value, const double *sign)
{
    size_t d = features + intercept;
    uint64_t counts[DENSE_MOST] = {0};
    assert_true(d <= DENSE_MOST);
    *c = (dense_case){.rows = rows, .features = features, .d = d, .intercept = intercept};
    c->data = dense_dataset(rows, features, value, sign);
    c->a = calloc(rows * d, sizeof *c->a);
    c->sign = calloc(rows, sizeof *c->sign);
    memcpy(c->sign, sign, rows * sizeof *sign);
    fednl__count_columns(counts, c->data);
    ct_assert_ok(fednl__order_columns(c->coordinate, counts, features, intercept), NULL);
    for (size_t j = 0; j < rows; j++) {
        for (size_t f = 0; f < features; f++)
            c->a[j * d + c->coordinate[f]] = value[j * features + f];
        if (intercept)
            c->a[j * d + c->coordinate[features]] = 1.0;
    }
}

/* Normal values, zero but for a fraction `density` of them; labels at random, both of them. */
static inline void dense_case_init(dense_case *c, size_t rows, size_t features, bool intercept,
                                   double density, uint64_t seed)
{
    double *value = calloc(rows * features + 1, sizeof *value), *sign = calloc(rows, sizeof *sign);
    ct_rng rng;
    ct_rng_init(&rng, seed, CT_RNG_USER, 0, 0);
    for (size_t i = 0; i < rows * features; i++)
        if (ct_rng_uniform(&rng) < density)
            value[i] = ct_rng_normal(&rng);
    for (size_t j = 0; j < rows; j++)
        sign[j] = ct_rng_uniform(&rng) < 0.4 ? 1.0 : -1.0;
    sign[0] = 1.0;
    sign[rows - 1] = -1.0;
    dense_case_take(c, rows, features, intercept, value, sign);
    free(value);
    free(sign);
}

static inline void dense_case_clear(dense_case *c)
{
    ct_dataset_destroy(c->data);
    free(c->a);
    free(c->sign);
}

static inline dense_part dense_whole(const dense_case *c)
{
    return (dense_part){c, 0, c->rows};
}

static inline long double dense_margin(const dense_case *c, size_t row, const double *x)
{
    long double z = 0.0L;
    for (size_t k = 0; k < c->d; k++)
        z += (long double)c->a[row * c->d + k] * x[k];
    return z;
}

/* Mean of log(1 + exp(-b z)). */
static inline double dense_loss(dense_part p, const double *x)
{
    long double sum = 0.0L;
    for (size_t j = p.first; j < p.first + p.n; j++) {
        long double t = -p.c->sign[j] * dense_margin(p.c, j, x);
        sum += fmaxl(t, 0.0L) + log1pl(expl(-fabsl(t)));
    }
    return (double)(sum / p.n);
}

static inline void dense_gradient(dense_part p, const double *x, double *g)
{
    long double sum[DENSE_MOST] = {0};
    for (size_t j = p.first; j < p.first + p.n; j++) {
        long double b = p.c->sign[j], s = -b / (1.0L + expl(b * dense_margin(p.c, j, x)));
        for (size_t k = 0; k < p.c->d; k++)
            sum[k] += s * p.c->a[j * p.c->d + k];
    }
    for (size_t k = 0; k < p.c->d; k++)
        g[k] = (double)(sum[k] / p.n);
}

static inline void dense_hessian(dense_part p, const double *x, double *h)
{
    long double sum[DENSE_TRIANGLE] = {0};
    for (size_t j = p.first; j < p.first + p.n; j++) {
        const double *a = p.c->a + j * p.c->d;
        long double s = 1.0L / (1.0L + expl(dense_margin(p.c, j, x)));
        for (size_t col = 0; col < p.c->d; col++)
            for (size_t row = 0; row <= col; row++)
                sum[fednl__position(row, col)] += s * (1.0L - s) * a[row] * a[col];
    }
    for (size_t e = 0; e < fednl__position(0, p.c->d); e++)
        h[e] = (double)(sum[e] / p.n);
}

/* The entry of a symmetric matrix. */
static inline double dense_entry(const double *h, size_t row, size_t col)
{
    return row <= col ? h[fednl__position(row, col)] : h[fednl__position(col, row)];
}

/* ||a - b||_F. */
static inline double dense_distance(size_t d, const double *a, const double *b)
{
    long double sum = 0.0L;
    for (size_t row = 0; row < d; row++)
        for (size_t col = 0; col < d; col++) {
            long double difference =
                (long double)dense_entry(a, row, col) - dense_entry(b, row, col);
            sum += difference * difference;
        }
    return (double)sqrtl(sum);
}

/* y = H x. */
static inline void dense_multiply(size_t d, const double *h, const double *x, double *y)
{
    for (size_t row = 0; row < d; row++) {
        long double sum = 0.0L;
        for (size_t col = 0; col < d; col++)
            sum += (long double)dense_entry(h, row, col) * x[col];
        y[row] = (double)sum;
    }
}

static inline double dense_dot(size_t d, const double *x, const double *y)
{
    long double sum = 0.0L;
    for (size_t k = 0; k < d; k++)
        sum += (long double)x[k] * y[k];
    return (double)sum;
}

#endif
