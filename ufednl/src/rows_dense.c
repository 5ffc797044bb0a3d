// SPDX-License-Identifier: MIT
/* Rows that are a matrix: its rows are padded to a multiple of 8, and products of matrices make the
 * Hessian. */
#include "rows_methods.h"

#include <ctrain/kernels.h>
#include <string.h>

static void find_entry(const fednl__rows *rows, fednl__entry *e, size_t column)
{
    const double *row = rows->matrix + e->row * rows->row_length;
    while (column < rows->active && row[column] == 0.0)
        column++;
    e->any = column < rows->active;
    e->column = (uint32_t)column;
    e->value = e->any ? row[column] : 0.0;
}

static void multiply(const fednl__rows *rows, const double *x, double *z)
{
    const ct_kernels_f64 *kernels = &ct_kernels_get()->f64;
    for (size_t j = 0; j < rows->distinct; j++)
        z[j] = kernels->dot(rows->matrix + j * rows->row_length, x, rows->active);
}

static void multiply_transposed(const fednl__rows *rows, const double *f, double *y)
{
    const ct_kernels_f64 *kernels = &ct_kernels_get()->f64;
    memset(y, 0, rows->active * sizeof *y);
    for (size_t j = 0; j < rows->distinct; j++)
        kernels->axpy(y, f[j], rows->matrix + j * rows->row_length, rows->active);
}

/* n rows of rows, each times its weight, to scaled. */
static void scale_rows(double *restrict scaled, const double *restrict rows,
                       const double *restrict weight, size_t n, size_t length)
{
    for (size_t i = 0; i < n; i++, scaled += length, rows += length)
        for (size_t c = 0; c < length; c++)
            scaled[c] = weight[i] * rows[c];
}

/* Eight columns of the triangle are a matrix: they are a product of eight columns of scaled rows
 * and of the rows themselves. */
static void add_hessian(const fednl__rows *rows, const double *weight, double *scaled,
                        double *triangle)
{
    const ct_kernels_f64 *kernels = &ct_kernels_get()->f64;
    size_t length = rows->row_length;
    for (size_t j = 0, n; j < rows->distinct; j += n) {
        const double *block = rows->matrix + j * length;
        n = rows->distinct - j < FEDNL__BLOCK_DENSE ? rows->distinct - j : FEDNL__BLOCK_DENSE;
        scale_rows(scaled, block, weight + j, n, length);
        for (size_t c = 0; c < rows->active; c += 8) {
            size_t columns = rows->active - c < 8 ? rows->active - c : 8;
            kernels->gemm(1, 0, columns, c + 8, n, scaled + c, length, block, length, 1,
                          triangle + fednl__padded(c), c + 8);
        }
    }
}

static void differentiate(const fednl__rows *rows, const fednl__pattern *pattern, fednl__work *work,
                          double *h)
{
    multiply_transposed(rows, work->first, work->x);
    add_hessian(rows, work->second, work->scaled, work->triangle);
    fednl__take_triangle(pattern, work->triangle, h);
}

static void grow_work(const fednl__rows *rows, fednl__work_size *size)
{
    fednl__grow(&size->triangle, fednl__padded(rows->active));
    fednl__grow(&size->scaled, FEDNL__BLOCK_DENSE * rows->row_length);
}

static void first_entry(const fednl__rows *rows, fednl__entry *e)
{
    find_entry(rows, e, 0);
}

static void next_entry(const fednl__rows *rows, fednl__entry *e)
{
    find_entry(rows, e, e->column + 1);
}

const fednl__rows_ops fednl__rows_dense = {.multiply = multiply,
                                           .multiply_transposed = multiply_transposed,
                                           .differentiate = differentiate,
                                           .grow_work = grow_work,
                                           .first_entry = first_entry,
                                           .next_entry = next_entry};
