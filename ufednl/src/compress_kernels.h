// SPDX-License-Identifier: MIT
/* The inner loops of the compressors, one const table an instruction set. All give the same, to the
 * last bit. */
#ifndef UFEDNL_COMPRESS_KERNELS_H
#define UFEDNL_COMPRESS_KERNELS_H

#include <ctrain/cpu.h>
#include <stddef.h>

typedef struct fednl__compress_kernels {
    /* square (n) = (unit v)^2; returns their sum, taken in eight parts. */
    double (*squares)(double *square, const double *v, size_t n, double unit);
    /* v (n) -= scale value (n), rounded twice. */
    void (*subtract)(double *v, const double *value, size_t n, double scale);
} fednl__compress_kernels;

/* NULL where this machine cannot run it or this build does not have it. */
const fednl__compress_kernels *fednl__compress_kernels_of(ct_simd simd);
/* The table in use. */
const fednl__compress_kernels *fednl__compress_kernels_get(void);

/* For fednl__compress_kernels_of alone. */
extern const fednl__compress_kernels fednl__compress_kernels_scalar;
#if defined(__x86_64__)
extern const fednl__compress_kernels fednl__compress_kernels_avx2;
extern const fednl__compress_kernels fednl__compress_kernels_avx512;
#endif

#endif
