// SPDX-License-Identifier: MIT
/* The inner loops of the quadratic, one const table an instruction set. All give the same, to the
 * last bit: products and sums are rounded one by one, in an order that does not depend on it. */
#ifndef PERMK_AES_QUADRATIC_KERNELS_H
#define PERMK_AES_QUADRATIC_KERNELS_H

#include <ctrain/cpu.h>
#include <stddef.h>

typedef struct permk__quadratic_kernels {
    /* r[k] = row k of rows (m, d) times x, minus b[k]; a dot product is eight partial sums. */
    void (*residual)(double *r, const float *rows, const float *b, const double *x, size_t m,
                     size_t d);
    /* g[j] += sum over k < m of r[k] rows[k d + j] for j < length, k ascending. */
    void (*add_rows)(double *restrict g, const float *rows, size_t d, size_t length,
                     const double *r, size_t m);
} permk__quadratic_kernels;

/* The table for an instruction set; NULL where this machine cannot run that. */
const permk__quadratic_kernels *permk__quadratic_kernels_of(ct_simd simd);
/* The table in use. */
const permk__quadratic_kernels *permk__quadratic_kernels_get(void);

/* For permk__quadratic_kernels_of alone. */
extern const permk__quadratic_kernels permk__quadratic_kernels_scalar;
#if defined(__x86_64__)
extern const permk__quadratic_kernels permk__quadratic_kernels_avx2;
#endif

#endif
