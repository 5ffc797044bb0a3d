// SPDX-License-Identifier: MIT
/* What a round asks of a client's rows, made of what each way of keeping them can do: A x, A^T f,
 * and A^T D A with the matrix A of the rows. */
#include "rows_methods.h"

#include <ctrain/kernels.h>
#include <ctrain/rng.h>
#include <math.h>
#include <string.h>

void fednl__work_size_grow(fednl__work_size *size, const fednl__rows *rows, bool hessian)
{
    fednl__grow(&size->distinct, rows->distinct);
    fednl__grow(&size->active, rows->active > 0 ? rows->active : 1); // memset() takes no NULL
    if (hessian)
        rows->ops->grow_work(rows, size);
}

void fednl__work_layout(fednl__work *work, ct_arena *arena, const fednl__work_size *size)
{
    work->triangle = ct_arena_array(arena, double, size->triangle);
    work->x = ct_arena_array(arena, double, size->active);
    work->first = ct_arena_array(arena, double, size->distinct);
    work->second = ct_arena_array(arena, double, size->distinct);
    work->exponent = ct_arena_array(arena, double, size->distinct);
    work->other = ct_arena_array(arena, double, size->distinct);
    work->scaled = ct_arena_array(arena, double, size->scaled);
}

void fednl__rows_margins(const fednl__rows *rows, const double *x, fednl__work *work, double *z)
{
    for (size_t c = 0; c < rows->active; c++)
        work->x[c] = x[rows->coordinate[c]];
    rows->ops->multiply(rows, work->x, z);
}

/* The rows' losses to other, and exponent = -|z|: see rows_losses.h. Returns the mean loss. */
static double sum_losses(const fednl__rows *rows, const double *z, fednl__work *work)
{
    const ct_kernels_f64 *kernels = &ct_kernels_get()->f64;
    for (size_t j = 0; j < rows->distinct; j++)
        work->exponent[j] = -fabs(z[j]);
    kernels->softplus(work->other, work->exponent, rows->distinct);
    rows->kernels->finish_losses(rows->distinct, rows->positive, rows->negative, z, work->other);
    return kernels->sum(work->other, rows->distinct);
}

double fednl__rows_loss(const fednl__rows *rows, const double *z, fednl__work *work)
{
    return sum_losses(rows, z, work);
}

/* Derivatives of the rows' losses by z to first and second. Returns the mean loss. */
static double differentiate(const fednl__rows *rows, const double *z, fednl__work *work)
{
    double loss = sum_losses(rows, z, work);
    ct_kernels_get()->f64.exp(work->exponent, work->exponent, rows->distinct);
    rows->kernels->differentiate(rows->distinct, rows->positive, rows->negative, z, work->exponent,
                                 work->first, work->second);
    return loss;
}

double fednl__rows_slope(const fednl__rows *rows, const double *z, const double *dz,
                         fednl__work *work, double *slope)
{
    double loss = differentiate(rows, z, work);
    *slope = ct_kernels_get()->f64.dot(work->first, dz, rows->distinct);
    return loss;
}

/* g (d) of the local gradient x (a). */
static void spread_gradient(const fednl__rows *rows, const double *x, double *g)
{
    memset(g, 0, rows->dimension * sizeof *g);
    for (size_t c = 0; c < rows->active; c++)
        g[rows->coordinate[c]] = x[c];
}

double fednl__rows_derivatives(const fednl__rows *rows, const fednl__pattern *pattern,
                               const double *z, fednl__work *work, double *g, double *h)
{
    double loss = differentiate(rows, z, work);
    if (pattern == NULL)
        rows->ops->multiply_transposed(rows, work->first, work->x);
    else
        rows->ops->differentiate(rows, pattern, work, h);
    spread_gradient(rows, work->x, g);
    return loss;
}

/* x = x / ||x||; returns ||x||. */
static double normalise(double *x, size_t n)
{
    const ct_kernels_f64 *kernels = &ct_kernels_get()->f64;
    double norm = sqrt(kernels->norm2_squared(x, n));
    if (norm > 0.0)
        kernels->scal(x, 1.0 / norm, n);
    return norm;
}

double fednl__rows_smoothness(const fednl__rows *rows, fednl__work *work, double *z)
{
    enum { MAX_STEPS = 1000 };
    const double change = 1e-6; // relative, of the estimate in a step
    double largest = 0.0;
    ct_rng rng;
    ct_rng_init(&rng, 0, CT_RNG_INIT, 0, 0);
    ct_rng_fill_normal_f64(&rng, work->x, rows->active, 0.0, 1.0);
    normalise(work->x, rows->active);
    for (int step = 0; step < MAX_STEPS; step++) {
        rows->ops->multiply(rows, work->x, z);
        for (size_t j = 0; j < rows->distinct; j++)
            z[j] *= rows->positive[j] + rows->negative[j];
        rows->ops->multiply_transposed(rows, z, work->x);
        double estimate = normalise(work->x, rows->active);
        if (estimate <= largest * (1.0 + change))
            break;
        largest = estimate;
    }
    return 1.01 * 0.25 * largest;
}

double fednl__rows_cubic(const fednl__rows *rows)
{
    double sum = 0.0;
    for (size_t j = 0; j < rows->distinct; j++) {
        double norm_squared = 0.0;
        for (fednl__entry e = fednl__entry_first(rows, j); e.any; fednl__entry_next(rows, &e))
            norm_squared += e.value * e.value;
        sum += (rows->positive[j] + rows->negative[j]) * norm_squared * sqrt(norm_squared);
    }
    return sum / (6.0 * sqrt(3.0));
}

/* FNV-1a with words for bytes, which are then mixed, as the low bits of a double are often 0. */
static uint64_t add_to_hash(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x100000001B3);
    return hash ^ hash >> 32;
}

static uint64_t add_double_to_hash(uint64_t hash, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return add_to_hash(hash, bits);
}

uint64_t fednl__rows_fingerprint(const fednl__rows *rows)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    hash = add_to_hash(hash, rows->rows);
    hash = add_to_hash(hash, rows->dimension);
    for (size_t j = 0; j < rows->distinct; j++) {
        hash = add_double_to_hash(hash, rows->positive[j]);
        hash = add_double_to_hash(hash, rows->negative[j]);
        for (fednl__entry e = fednl__entry_first(rows, j); e.any; fednl__entry_next(rows, &e)) {
            hash = add_to_hash(hash, rows->coordinate[e.column]);
            hash = add_double_to_hash(hash, e.value);
        }
    }
    return hash;
}
