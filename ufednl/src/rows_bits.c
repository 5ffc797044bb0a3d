// SPDX-License-Identifier: MIT
/* Rows whose columns have one value each: a list of its rows for every column, and a bit set of its
 * columns for every row, in blocks of rows that stay in the cache. No values are stored but one a
 * column. */
#include "rows_methods.h"

#include <string.h>

/* The entry of a bit set from column on. */
static void find_entry(const fednl__rows *rows, fednl__entry *e, size_t column)
{
    const uint8_t *bits = rows->bits + e->row * rows->row_bytes;
    while (column < rows->active && (bits[column / 8] >> column % 8 & 1) == 0)
        column = bits[column / 8] >> column % 8 == 0 ? (column | 7) + 1 : column + 1;
    e->any = column < rows->active;
    e->column = (uint32_t)column;
    e->value = e->any ? rows->value[column] : 0.0;
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
static void multiply(const fednl__rows *rows, const double *x, double *z)
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

static void multiply_transposed(const fednl__rows *rows, const double *f, double *y)
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

/* The Hessian goes from registers to the pattern. */
static bool is_packed(const fednl__rows *rows)
{
    return rows->blocks == 1 && rows->kernels->pack_block != NULL;
}

static void differentiate(const fednl__rows *rows, const fednl__pattern *pattern, fednl__work *work,
                          double *h)
{
    const fednl__rows_kernels *kernels = rows->kernels;
    if (is_packed(rows)) {
        kernels->pack_block(rows, pattern, work->first, work->second, work->x, h);
        return;
    }
    memset(work->x, 0, rows->active * sizeof *work->x);
    for (size_t block = 0; block < rows->blocks; block++)
        kernels->add_block(rows, block, work->first, work->second, work->x, work->triangle);
    fednl__take_triangle(pattern, work->triangle, h);
}

static void grow_work(const fednl__rows *rows, fednl__work_size *size)
{
    if (!is_packed(rows))
        fednl__grow(&size->triangle, fednl__padded(rows->active));
}

static void first_entry(const fednl__rows *rows, fednl__entry *e)
{
    find_entry(rows, e, 0);
}

static void next_entry(const fednl__rows *rows, fednl__entry *e)
{
    find_entry(rows, e, e->column + 1);
}

const fednl__rows_ops fednl__rows_bits = {.multiply = multiply,
                                          .multiply_transposed = multiply_transposed,
                                          .differentiate = differentiate,
                                          .grow_work = grow_work,
                                          .first_entry = first_entry,
                                          .next_entry = next_entry};
