// SPDX-License-Identifier: MIT
/* The median of repeated measurements, which every benchmark reports. */
#ifndef BENCH_MEDIAN_H
#define BENCH_MEDIAN_H

#include <stddef.h>
#include <stdlib.h>

static inline int bench_ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of n values, which are then in ascending order: x[0] is the least. */
static inline double bench_median(double *x, size_t n)
{
    qsort(x, n, sizeof *x, bench_ascending);
    return x[n / 2];
}

#endif
