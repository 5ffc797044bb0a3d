// SPDX-License-Identifier: MIT
/* The inner loops of the compressors, one const table an instruction set. All give the same, to the
 * last bit. */
#ifndef UFEDNL_COMPRESS_KERNELS_H
#define UFEDNL_COMPRESS_KERNELS_H

#include "compress_private.h"

#include <ctrain/cpu.h>

typedef struct fednl__compress_kernels {
    /* keys (n) = those of v (n) within the range; returns how many; *above: of v, beyond it. */
    size_t (*keys_within)(uint64_t *keys, const double *v, size_t n, fednl__key_range range,
                          size_t *above);
    /* The same among keys (n), in place. */
    size_t (*keep_range)(uint64_t *keys, size_t n, fednl__key_range range);
    /* Slots of the entries of v (n) whose keys are at least least; slot has room for one more. */
    size_t (*list_at_least)(uint32_t *slot, const double *v, size_t n, uint64_t least);
    /* value (n) = v (n) rounded to powers of two, up where random (n) is below the first 16 bits of
     * the mantissa; returns how many are equal to them. */
    size_t (*round)(double *value, const double *v, const uint16_t *random, size_t n);
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
