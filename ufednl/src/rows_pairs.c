// SPDX-License-Identifier: MIT
/* Rows as lists of columns and values. Where the triangle stays in the cache, every pair of entries
 * of a row is added to it; where it would not (thousands of columns), the Hessian is made column by
 * column: for that there are lists of the columns' entries too, and only one column has to be at
 * hand. */
#include "rows_methods.h"

#include <string.h>

static void find_entry(const fednl__rows *rows, fednl__entry *e, size_t at)
{
    e->any = at < rows->row_start[e->row + 1];
    e->at = at;
    e->column = e->any ? rows->column[at] : 0;
    e->value = e->any ? rows->entry[at] : 0.0;
}

static void multiply(const fednl__rows *rows, const double *x, double *z)
{
    for (size_t j = 0; j < rows->distinct; j++) {
        double sum = 0.0;
        for (uint32_t e = rows->row_start[j]; e < rows->row_start[j + 1]; e++)
            sum += rows->entry[e] * x[rows->column[e]];
        z[j] = sum;
    }
}

static void multiply_transposed(const fednl__rows *rows, const double *f, double *y)
{
    memset(y, 0, rows->active * sizeof *y);
    for (size_t j = 0; j < rows->distinct; j++) {
        for (uint32_t e = rows->row_start[j]; e < rows->row_start[j + 1]; e++)
            y[rows->column[e]] += f[j] * rows->entry[e];
    }
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

static void add_hessian(const fednl__rows *rows, const double *weight, double *triangle)
{
    for (size_t j = 0; j < rows->distinct; j++) {
        uint32_t begin = rows->row_start[j];
        add_row(triangle, rows->column + begin, rows->entry + begin, weight[j],
                rows->row_start[j + 1] - begin);
    }
}

/* Row after row to the triangle. */
static void differentiate_pairs(const fednl__rows *rows, const fednl__pattern *pattern,
                                fednl__work *work, double *h)
{
    multiply_transposed(rows, work->first, work->x);
    add_hessian(rows, work->second, work->triangle);
    fednl__take_triangle(pattern, work->triangle, h);
}

/* sums += what the rows that have column c give to it. */
static void add_column(const fednl__rows *rows, size_t c, const double *restrict weight,
                       double *restrict sums)
{
    for (uint32_t t = rows->list_start[c]; t < rows->list_start[c + 1]; t++) {
        uint32_t row = rows->column_row[t], last = rows->column_entry[t];
        double factor = weight[row] * rows->entry[last];
        for (uint32_t e = rows->row_start[row]; e <= last; e++)
            sums[rows->column[e]] += factor * rows->entry[e];
    }
}

static void differentiate_columns(const fednl__rows *rows, const fednl__pattern *pattern,
                                  fednl__work *work, double *h)
{
    const uint8_t *mask = pattern->mask;
    const double *end = h + pattern->n;
    multiply_transposed(rows, work->first, work->x);
    for (size_t c = 0; c < rows->active; c++) {
        add_column(rows, c, work->second, work->triangle);
        h = rows->kernels->take(mask, c / 8 + 1, work->triangle, h, end);
        mask += c / 8 + 1;
    }
}

static void grow_work_pairs(const fednl__rows *rows, fednl__work_size *size)
{
    fednl__grow(&size->triangle, fednl__padded(rows->active));
}

static void grow_work_columns(const fednl__rows *rows, fednl__work_size *size)
{
    fednl__grow(&size->triangle, fednl__round_up_8(rows->active));
}

static void first_entry(const fednl__rows *rows, fednl__entry *e)
{
    find_entry(rows, e, rows->row_start[e->row]);
}

static void next_entry(const fednl__rows *rows, fednl__entry *e)
{
    find_entry(rows, e, e->at + 1);
}

const fednl__rows_ops fednl__rows_pairs = {.multiply = multiply,
                                           .multiply_transposed = multiply_transposed,
                                           .differentiate = differentiate_pairs,
                                           .grow_work = grow_work_pairs,
                                           .first_entry = first_entry,
                                           .next_entry = next_entry};

const fednl__rows_ops fednl__rows_columns = {.multiply = multiply,
                                             .multiply_transposed = multiply_transposed,
                                             .differentiate = differentiate_columns,
                                             .grow_work = grow_work_columns,
                                             .first_entry = first_entry,
                                             .next_entry = next_entry};
