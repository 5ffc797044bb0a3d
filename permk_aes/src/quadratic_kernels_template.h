// SPDX-License-Identifier: MIT
/* The loops in plain C, which compilers make vectors of. Compiled for more than one instruction
 * set, and never with fused multiply-adds (-ffp-contract=off), which would round otherwise. */
#include "quadratic_kernels.h"

#define ROWS_AT_ONCE 4 // of a gradient: each pass over it takes in so many rows

static double dot(const float *a, const double *x, size_t n)
{
    double s[8] = {0};
    size_t j = 0;
    for (; j + 8 <= n; j += 8)
        for (size_t k = 0; k < 8; k++)
            s[k] += (double)a[j + k] * x[j + k];
    for (; j < n; j++)
        s[0] += (double)a[j] * x[j];
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

static void residual(double *r, const float *rows, const float *b, const double *x, size_t m,
                     size_t d)
{
    for (size_t k = 0; k < m; k++)
        r[k] = dot(rows + k * d, x, d) - (double)b[k];
}

static void add_rows(double *restrict g, const float *rows, size_t d, size_t length,
                     const double *r, size_t m)
{
    size_t k = 0;
    for (; k + ROWS_AT_ONCE <= m; k += ROWS_AT_ONCE) {
        const float *a0 = rows + k * d, *a1 = a0 + d, *a2 = a1 + d, *a3 = a2 + d;
        double r0 = r[k], r1 = r[k + 1], r2 = r[k + 2], r3 = r[k + 3];
        for (size_t j = 0; j < length; j++) {
            double sum = g[j] + r0 * (double)a0[j];
            sum += r1 * (double)a1[j];
            sum += r2 * (double)a2[j];
            g[j] = sum + r3 * (double)a3[j];
        }
    }
    for (; k < m; k++)
        for (size_t j = 0; j < length; j++)
            g[j] += r[k] * (double)rows[k * d + j];
}
