// SPDX-License-Identifier: MIT
/* Cholesky factorisation by recursion on halves: the first rows of U, then what they take from the
 * rest, then the rest. Nearly all is products of matrices. Our own, as opening OpenBLAS costs a
 * short run more than all its factorisations, and ours is faster at the sizes of such runs and no
 * slower at large ones (benchmarks/bench_cholesky.c). */
#include "step.h"

#include <ctrain/kernels.h>
#include <float.h>
#include <math.h>

// Of products: rows of C, columns of C, depth. A block of B (DEPTH x COLUMNS) stays in cache.
enum { ROWS = 32, COLUMNS = 512, DEPTH = 256 };

/* The matrix in place: minus A, of which more and more becomes U. */
typedef struct matrix {
    const ct_kernels_f64 *kernels;
    size_t n, ld;
    double *a;
} matrix;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static double *entry(const matrix *m, size_t row, size_t column)
{
    return m->a + row * m->ld + column;
}

/* Rows begin … end - 1, on and right of the diagonal, += U^T U with the rows first … begin - 1 of
 * U. (Also a few entries left of the diagonal: blocks are rectangles.) */
static void add_products(const matrix *m, size_t first, size_t begin, size_t end)
{
    for (size_t p = first; p < begin; p += DEPTH) {
        size_t depth = smaller(DEPTH, begin - p);
        for (size_t c = begin; c < m->n; c += COLUMNS) {
            size_t last = smaller(c + COLUMNS, m->n);
            for (size_t r = begin; r < smaller(end, last); r += ROWS) {
                size_t column = r > c ? r : c;
                m->kernels->gemm(1, 0, smaller(ROWS, end - r), last - column, depth, entry(m, p, r),
                                 m->ld, entry(m, p, column), m->ld, 1, entry(m, r, column), m->ld);
            }
        }
    }
}

/* A power of two, so that most blocks are whole. */
static size_t first_half(size_t n)
{
    size_t half = 1;
    while (2 * half < n)
        half *= 2;
    return half;
}

/* Rows begin … end - 1 of U; the rows before begin have been taken out. A NaN or infinity anywhere
 * right of a diagonal reaches a pivot. */
static bool factor_rows(const matrix *m, size_t begin, size_t end)
{
    if (end - begin == 1) {
        double *row = entry(m, begin, begin), pivot = -row[0];
        if (!(pivot > 0.0 && pivot <= DBL_MAX))
            return false;
        m->kernels->scal(row, -1.0 / sqrt(pivot), m->n - begin);
        return true;
    }
    size_t middle = begin + first_half(end - begin);
    if (!factor_rows(m, begin, middle))
        return false;
    add_products(m, begin, middle, end);
    return factor_rows(m, middle, end);
}

ct_status fednl__cholesky_factor(size_t n, double *a, size_t lda)
{
    const matrix m = {&ct_kernels_get()->f64, n, lda, a};
    return n == 0 || factor_rows(&m, 0, n) ? CT_OK : CT_ENUMERIC;
}

void fednl__cholesky_solve(size_t n, const double *u, size_t ldu, double *b)
{
    const ct_kernels_f64 *kernels = &ct_kernels_get()->f64;
    for (size_t r = 0; r < n; r++) {
        const double *row = u + r * ldu;
        b[r] /= row[r];
        kernels->axpy(b + r + 1, -b[r], row + r + 1, n - r - 1);
    }
    for (size_t r = n; r-- > 0;) {
        const double *row = u + r * ldu;
        b[r] = (b[r] - kernels->dot(row + r + 1, b + r + 1, n - r - 1)) / row[r];
    }
}
