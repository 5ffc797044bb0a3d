// SPDX-License-Identifier: MIT
/* What a round asks of a client's rows. Three products with the matrix A of the rows are written
 * for each method: A x, A^T f, and A^T D A; everything else is made of them. */
#include "rows_kernels.h"

#include <ctrain/kernels.h>
#include <ctrain/rng.h>
#include <math.h>
#include <string.h>

/* The Hessian goes from registers to the pattern. */
static bool is_packed(const fednl__rows *rows)
{
    return rows->method == FEDNL__ROWS_BITS && rows->blocks == 1 &&
           rows->kernels->pack_block != NULL;
}

static void grow(size_t *size, size_t wanted)
{
    *size = wanted > *size ? wanted : *size;
}

void fednl__work_size_grow(fednl__work_size *size, const fednl__rows *rows, bool hessian)
{
    grow(&size->distinct, rows->distinct);
    grow(&size->active, rows->active > 0 ? rows->active : 1); // memset() takes no NULL
    if (hessian && !is_packed(rows))
        grow(&size->triangle, fednl__padded(rows->active));
    if (hessian && rows->method == FEDNL__ROWS_DENSE)
        grow(&size->scaled, FEDNL__BLOCK_DENSE * rows->row_length);
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

/* The entry of a bit set from column on. */
static void find_bit(const fednl__rows *rows, fednl__entry *e, size_t column)
{
    const uint8_t *bits = rows->bits + e->row * rows->row_bytes;
    while (column < rows->active && (bits[column / 8] >> column % 8 & 1) == 0)
        column = bits[column / 8] >> column % 8 == 0 ? (column | 7) + 1 : column + 1;
    e->any = column < rows->active;
    e->column = (uint32_t)column;
    e->value = e->any ? rows->value[column] : 0.0;
}

static void find_pair(const fednl__rows *rows, fednl__entry *e, size_t at)
{
    e->any = at < rows->row_start[e->row + 1];
    e->at = at;
    e->column = e->any ? rows->column[at] : 0;
    e->value = e->any ? rows->entry[at] : 0.0;
}

static void find_in_matrix(const fednl__rows *rows, fednl__entry *e, size_t column)
{
    const double *row = rows->matrix + e->row * rows->row_length;
    while (column < rows->active && row[column] == 0.0)
        column++;
    e->any = column < rows->active;
    e->column = (uint32_t)column;
    e->value = e->any ? row[column] : 0.0;
}

fednl__entry fednl__entry_first(const fednl__rows *rows, size_t row)
{
    fednl__entry e = {.row = row};
    if (rows->method == FEDNL__ROWS_BITS)
        find_bit(rows, &e, 0);
    else if (rows->method == FEDNL__ROWS_PAIRS)
        find_pair(rows, &e, rows->row_start[row]);
    else
        find_in_matrix(rows, &e, 0);
    return e;
}

void fednl__entry_next(const fednl__rows *rows, fednl__entry *e)
{
    if (rows->method == FEDNL__ROWS_BITS)
        find_bit(rows, e, e->column + 1);
    else if (rows->method == FEDNL__ROWS_PAIRS)
        find_pair(rows, e, e->at + 1);
    else
        find_in_matrix(rows, e, e->column + 1);
}

/* z += v for the rows of a list, which are different: four at a time. */
static void add_to_list(double *z, const uint16_t *list, size_t n, double v)
{
    size_t t = 0;
    for (; t + 4 <= n; t += 4) {
        double z_0 = z[list[t]] + v, z_1 = z[list[t + 1]] + v;
        double z_2 = z[list[t + 2]] + v, z_3 = z[list[t + 3]] + v;
        z[list[t]] = z_0;
        z[list[t + 1]] = z_1;
        z[list[t + 2]] = z_2;
        z[list[t + 3]] = z_3;
    }
    for (; t < n; t++)
        z[list[t]] += v;
}

/* Column after column; blocks keep z close. */
static void multiply_lists(const fednl__rows *rows, const double *x, double *z)
{
    memset(z, 0, rows->distinct * sizeof *z);
    for (size_t block = 0; block < rows->blocks; block++) {
        const uint32_t *start = rows->list_start + block * rows->active;
        double *of_block = z + fednl__block_begin(block);
        for (size_t c = 0; c < rows->active; c++)
            add_to_list(of_block, rows->list + start[c], start[c + 1] - start[c],
                        x[c] * rows->value[c]);
    }
}

static void multiply_pairs(const fednl__rows *rows, const double *x, double *z)
{
    for (size_t j = 0; j < rows->distinct; j++) {
        double sum = 0.0;
        for (uint32_t e = rows->row_start[j]; e < rows->row_start[j + 1]; e++)
            sum += rows->entry[e] * x[rows->column[e]];
        z[j] = sum;
    }
}

static void multiply_matrix(const fednl__rows *rows, const double *x, double *z)
{
    const ct_kernels_f64 *kernels = &ct_kernels_get()->f64;
    for (size_t j = 0; j < rows->distinct; j++)
        z[j] = kernels->dot(rows->matrix + j * rows->row_length, x, rows->active);
}

/* z (r) = A x, x (a) local. */
static void multiply(const fednl__rows *rows, const double *x, double *z)
{
    if (rows->method == FEDNL__ROWS_BITS)
        multiply_lists(rows, x, z);
    else if (rows->method == FEDNL__ROWS_PAIRS)
        multiply_pairs(rows, x, z);
    else
        multiply_matrix(rows, x, z);
}

/* Sum of f over a list, in four sums, as an addition waits for the one before. */
static double sum_list(const double *f, const uint16_t *list, size_t n)
{
    double s_0 = 0.0, s_1 = 0.0, s_2 = 0.0, s_3 = 0.0;
    size_t t = 0;
    for (; t + 4 <= n; t += 4) {
        s_0 += f[list[t]];
        s_1 += f[list[t + 1]];
        s_2 += f[list[t + 2]];
        s_3 += f[list[t + 3]];
    }
    for (; t < n; t++)
        s_0 += f[list[t]];
    return (s_0 + s_1) + (s_2 + s_3);
}

static void transposed_lists(const fednl__rows *rows, const double *f, double *y)
{
    memset(y, 0, rows->active * sizeof *y);
    for (size_t block = 0; block < rows->blocks; block++) {
        const uint32_t *start = rows->list_start + block * rows->active;
        const double *of_block = f + fednl__block_begin(block);
        for (size_t c = 0; c < rows->active; c++)
            y[c] += sum_list(of_block, rows->list + start[c], start[c + 1] - start[c]);
    }
    for (size_t c = 0; c < rows->active; c++)
        y[c] *= rows->value[c];
}

static void transposed_pairs(const fednl__rows *rows, const double *f, double *y)
{
    memset(y, 0, rows->active * sizeof *y);
    for (size_t j = 0; j < rows->distinct; j++) {
        for (uint32_t e = rows->row_start[j]; e < rows->row_start[j + 1]; e++)
            y[rows->column[e]] += f[j] * rows->entry[e];
    }
}

static void transposed_matrix(const fednl__rows *rows, const double *f, double *y)
{
    const ct_kernels_f64 *kernels = &ct_kernels_get()->f64;
    memset(y, 0, rows->active * sizeof *y);
    for (size_t j = 0; j < rows->distinct; j++)
        kernels->axpy(y, f[j], rows->matrix + j * rows->row_length, rows->active);
}

/* y (a) = A^T f, y local, f (r). */
static void multiply_transposed(const fednl__rows *rows, const double *f, double *y)
{
    if (rows->method == FEDNL__ROWS_BITS)
        transposed_lists(rows, f, y);
    else if (rows->method == FEDNL__ROWS_PAIRS)
        transposed_pairs(rows, f, y);
    else
        transposed_matrix(rows, f, y);
}

/* Four columns q … q+3 of a row's Hessian: what meets in the rows 0 … q-1 of them all, then the
 * small triangle. One load of an entry of the row serves four sums. */
static void add_four_columns(double *restrict triangle, const uint32_t *restrict col,
                             const double *restrict val, double weight, size_t q)
{
    double *c_0 = triangle + fednl__padded(col[q]);
    double *c_1 = triangle + fednl__padded(col[q + 1]);
    double *c_2 = triangle + fednl__padded(col[q + 2]);
    double *c_3 = triangle + fednl__padded(col[q + 3]);
    double f_0 = weight * val[q], f_1 = weight * val[q + 1];
    double f_2 = weight * val[q + 2], f_3 = weight * val[q + 3];
    for (size_t p = 0; p <= q; p++) {
        c_0[col[p]] += f_0 * val[p];
        c_1[col[p]] += f_1 * val[p];
        c_2[col[p]] += f_2 * val[p];
        c_3[col[p]] += f_3 * val[p];
    }
    c_1[col[q + 1]] += f_1 * val[q + 1];
    c_2[col[q + 1]] += f_2 * val[q + 1];
    c_3[col[q + 1]] += f_3 * val[q + 1];
    c_2[col[q + 2]] += f_2 * val[q + 2];
    c_3[col[q + 2]] += f_3 * val[q + 2];
    c_3[col[q + 3]] += f_3 * val[q + 3];
}

/* Add weight a a^T of a row a with n entries to triangle. */
static void add_row(double *triangle, const uint32_t *col, const double *val, double weight,
                    size_t n)
{
    size_t q = 0;
    for (; q + 4 <= n; q += 4)
        add_four_columns(triangle, col, val, weight, q);
    for (; q < n; q++) {
        double *of_column = triangle + fednl__padded(col[q]), factor = weight * val[q];
        for (size_t p = 0; p <= q; p++)
            of_column[col[p]] += factor * val[p];
    }
}

static void hessian_pairs(const fednl__rows *rows, const double *weight, double *triangle)
{
    for (size_t j = 0; j < rows->distinct; j++) {
        uint32_t begin = rows->row_start[j];
        add_row(triangle, rows->column + begin, rows->entry + begin, weight[j],
                rows->row_start[j + 1] - begin);
    }
}

/* Eight columns of the triangle are a matrix: they are a product of eight columns of scaled rows
 * and of the rows themselves. */
static void hessian_matrix(const fednl__rows *rows, const double *weight, double *scaled,
                           double *triangle)
{
    const ct_kernels_f64 *kernels = &ct_kernels_get()->f64;
    size_t length = rows->row_length;
    for (size_t j = 0, n; j < rows->distinct; j += n) {
        const double *block = rows->matrix + j * length;
        n = rows->distinct - j < FEDNL__BLOCK_DENSE ? rows->distinct - j : FEDNL__BLOCK_DENSE;
        memcpy(scaled, block, n * length * sizeof *scaled);
        for (size_t i = 0; i < n; i++)
            kernels->scal(scaled + i * length, weight[j + i], length);
        for (size_t c = 0; c < rows->active; c += 8) {
            size_t columns = rows->active - c < 8 ? rows->active - c : 8;
            kernels->gemm(1, 0, columns, c + 8, n, scaled + c, length, block, length, 1,
                          triangle + fednl__padded(c), c + 8);
        }
    }
}

/* Local gradient A^T first, and the triangle, which is zero, becomes A^T diag(second) A. */
static void add_derivatives(const fednl__rows *rows, fednl__work *work)
{
    if (rows->method == FEDNL__ROWS_BITS) {
        memset(work->x, 0, rows->active * sizeof *work->x);
        for (size_t block = 0; block < rows->blocks; block++)
            rows->kernels->add_block(rows, block, work->first, work->second, work->x,
                                     work->triangle);
        return;
    }
    multiply_transposed(rows, work->first, work->x);
    if (rows->method == FEDNL__ROWS_PAIRS)
        hessian_pairs(rows, work->second, work->triangle);
    else
        hessian_matrix(rows, work->second, work->scaled, work->triangle);
}

void fednl__rows_margins(const fednl__rows *rows, const double *x, fednl__work *work, double *z)
{
    for (size_t c = 0; c < rows->active; c++)
        work->x[c] = x[rows->coordinate[c]];
    multiply(rows, work->x, z);
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
    if (pattern == NULL) {
        multiply_transposed(rows, work->first, work->x);
    } else if (is_packed(rows)) {
        rows->kernels->pack_block(rows, pattern, work->first, work->second, work->x, h);
    } else {
        add_derivatives(rows, work);
        rows->kernels->take(pattern, work->triangle, h);
    }
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
        multiply(rows, work->x, z);
        for (size_t j = 0; j < rows->distinct; j++)
            z[j] *= rows->positive[j] + rows->negative[j];
        multiply_transposed(rows, z, work->x);
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
