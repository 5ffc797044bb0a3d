// SPDX-License-Identifier: MIT
/* Sums and maxima of rows, and exp of them in blocks: a call of the kernel for one short row costs
 * more than its exponentials, so a block of rows is shifted, then goes through exp at once. */
#ifndef BURTORCH_OPS_ROWS_H
#define BURTORCH_OPS_ROWS_H

#include "op.h"

#include "../tensor_rows.h"

BT__INLINE T row_max(const T *x, size_t n)
{
    T max = -(T)INFINITY;
    BT__SIMD_MAX(max)
    for (size_t i = 0; i < n; i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

BT__INLINE T row_sum(const T *x, size_t n)
{
    T sum = 0;
    BT__SIMD_SUM(sum)
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

/* e = exp(x - max) for `rows` rows of n; e may be x. max (rows) is set, unless NULL. */
BT__INLINE void rows_exp(const bt__call *call, T *e, const T *x, size_t rows, size_t n, T *max)
{
    for (size_t r = 0; r < rows; r++) {
        const T m = row_max(x + r * n, n);
        if (max)
            max[r] = m;
        BT__SIMD_LOOP
        for (size_t i = 0; i < n; i++)
            e[r * n + i] = x[r * n + i] - m;
    }
    KERNELS(call)->exp(e, e, rows * n);
}

#endif
