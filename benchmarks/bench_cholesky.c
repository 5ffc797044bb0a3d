// SPDX-License-Identifier: MIT
/* What our Cholesky factorisation gains over OpenBLAS: milliseconds of both at the dimensions of
 * w8a, a9a, phishing and above, taking turns in one run; each figure is the median of many. The
 * copy of the packed triangle into the square matrix is not counted. One JSON object a line.
 * Usage: bench_cholesky [D]: only this dimension. */
#include "bench_median.h"

#include "step.h"

#include <ctrain/blas.h>
#include <ctrain/kernels.h>
#include <ctrain/timer.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_ROUNDS = 101 };

/* Symmetric, diagonal above the sum of the rest of a row. */
static double entry(size_t d, size_t row, size_t column)
{
    return row == column ? (double)d : (double)((row * 31 + column * 31) % 64) / 64.0;
}

static double seconds_of_ours(size_t d, double *a, size_t stride)
{
    for (size_t r = 0; r < d; r++)
        for (size_t c = r; c < d; c++)
            a[r * stride + c] = -entry(d, r, c);
    double start = ct_time_s();
    if (fednl__cholesky_factor(d, a, stride) != CT_OK)
        abort();
    return ct_time_s() - start;
}

static double seconds_of_blas(size_t d, double *a, size_t stride)
{
    for (size_t r = 0; r < d; r++)
        for (size_t c = 0; c <= r; c++)
            a[r * stride + c] = entry(d, r, c);
    double start = ct_time_s();
    if (ct_blas_potrf_f64(d, a, stride) != CT_OK)
        abort();
    return ct_time_s() - start;
}

static void bench(size_t d)
{
    double ours[MOST_ROUNDS], blas[MOST_ROUNDS];
    size_t rounds = d <= 512 ? MOST_ROUNDS : d <= 2048 ? 11 : 1;
    ct_arena arena;
    fednl__system system = {.d = d};
    ct_arena_init_measuring(&arena);
    fednl__system_layout(&system, &arena);
    if (ct_arena_init(&arena, ct_arena_high_water(&arena)) != CT_OK)
        abort();
    fednl__system_layout(&system, &arena);
    for (size_t round = 0; round < rounds; round++) {
        ours[round] = seconds_of_ours(d, system.factor, system.stride);
        blas[round] = seconds_of_blas(d, system.factor, system.stride);
    }
    double ms = 1e3 * bench_median(ours, rounds), blas_ms = 1e3 * bench_median(blas, rounds);
    printf("{\"bench\":\"cholesky\",\"d\":%zu,\"table\":\"%s\",\"blas\":\"%s\",\"ours_ms\":%.4f,"
           "\"blas_ms\":%.4f,\"ours_gflops\":%.1f,\"ratio\":%.2f}\n",
           d, ct_kernels_get()->name, ct_blas_description(), ms, blas_ms,
           pow((double)d, 3.0) / 3e6 / ms, blas_ms / ms);
    fflush(stdout);
    ct_arena_clear(&arena);
}

int main(int argc, char **argv)
{
    static const size_t dimensions[] = {69, 124, 301, 512, 1024, 2048};
    ct_diag diag = {{0}};
    if (ct_blas_open(&diag) != CT_OK) {
        fprintf(stderr, "bench_cholesky: %s\n", diag.text);
        return 1;
    }
    if (argc > 1)
        bench(strtoul(argv[1], NULL, 10));
    for (size_t i = 0; argc <= 1 && i < sizeof dimensions / sizeof *dimensions; i++)
        bench(dimensions[i]);
    return 0;
}
