// SPDX-License-Identifier: MIT
/* The portable kernels, which say what the others must compute, and the choice among all. */
#include "rows_kernels.h"

#include <string.h>

#include "rows_losses.h"

static void add_block(const fednl__rows *rows, size_t block, const double *first,
                      const double *weight, double *g, double *triangle)
{
    const uint32_t *start = rows->list_start + block * rows->active;
    const double *value = rows->value;
    for (size_t c = 0; c < rows->active; c++) {
        double *column = triangle + fednl__padded(c), sum = 0.0;
        for (uint32_t t = start[c]; t < start[c + 1]; t++) {
            size_t row = fednl__block_begin(block) + rows->list[t];
            sum += first[row];
            const uint8_t *bits = rows->bits + row * rows->row_bytes;
            double factor = weight[row] * value[c];
            for (size_t w = 0; w <= c / 8; w++) {
                for (unsigned left = bits[w]; left != 0; left &= left - 1) {
                    size_t r = 8 * w + (size_t)__builtin_ctz(left);
                    column[r] += factor * value[r];
                }
            }
        }
        g[c] += sum * value[c];
    }
}

static uint32_t *list_column(const uint8_t *mask, size_t words, const uint32_t *coordinate,
                             uint32_t column, uint32_t *out)
{
    for (size_t w = 0; w < words; w++) {
        for (unsigned left = mask[w]; left != 0; left &= left - 1)
            *out++ = column + coordinate[8 * w + (size_t)__builtin_ctz(left)];
    }
    return out;
}

static double *take(const uint8_t *mask, size_t words, double *from, double *out, const double *end)
{
    (void)end;
    for (size_t w = 0; w < words; w++, from += 8) {
        for (unsigned left = mask[w]; left != 0; left &= left - 1)
            *out++ = from[__builtin_ctz(left)];
        memset(from, 0, 8 * sizeof *from);
    }
    return out;
}

static void multiply(const fednl__pattern *pattern, const double *h, const double *x, double *y)
{
    const uint8_t *mask = pattern->mask;
    memset(y, 0, pattern->active * sizeof *y);
    for (size_t c = 0; c < pattern->active; c++) {
        double sum = 0.0;
        for (size_t w = 0; w <= c / 8; w++, mask++) {
            for (unsigned left = *mask; left != 0; left &= left - 1, h++) {
                size_t r = 8 * w + (size_t)__builtin_ctz(left);
                sum += *h * x[r];
                if (r < c)
                    y[r] += *h * x[c];
            }
        }
        y[c] += sum;
    }
}

const fednl__rows_kernels fednl__rows_kernels_scalar = {.simd = CT_SIMD_SCALAR,
                                                        .cost_bits = 28.0,
                                                        .cost_dense = 0.7,
                                                        .finish_losses = finish_losses,
                                                        .differentiate = differentiate,
                                                        .add_block = add_block,
                                                        .list_column = list_column,
                                                        .take = take,
                                                        .multiply = multiply};

static const fednl__rows_kernels *const tables[] = CT_SIMD_TABLES(fednl__rows_kernels);

const fednl__rows_kernels *fednl__rows_kernels_of(ct_simd simd)
{
    return simd <= ct_cpu_simd() ? tables[simd] : NULL;
}
