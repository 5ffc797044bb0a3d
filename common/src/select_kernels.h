// SPDX-License-Identifier: MIT
/* The inner loops of selection and of natural rounding, one const table an instruction set. All
 * give the same, to the last bit. */
#ifndef CT__SELECT_KERNELS_H
#define CT__SELECT_KERNELS_H

#include <ctrain/cpu.h>
#include <ctrain/select.h>

typedef struct ct__select_kernels {
    /* keys (n) = those of v (n) within the range; returns how many; *above: of v, beyond it. */
    size_t (*keys_within)(uint64_t *keys, const double *v, size_t n, ct_key_range range,
                          size_t *above);
    /* The same among keys (n), in place. */
    size_t (*keep_range)(uint64_t *keys, size_t n, ct_key_range range);
    /* Slots of the entries of v (n) whose keys are at least least; slot has room for one more. */
    size_t (*list_at_least)(uint32_t *slot, const double *v, size_t n, uint64_t least);
    /* value (n) = v (n) rounded to powers of two, up where random (n) is below the first 16 bits of
     * the mantissa; returns how many are equal to them. */
    size_t (*round)(double *value, const double *v, const uint16_t *random, size_t n);
} ct__select_kernels;

/* NULL where this machine cannot run it or this build does not have it. */
const ct__select_kernels *ct__select_kernels_of(ct_simd simd);
/* The table in use. */
const ct__select_kernels *ct__select_kernels_get(void);

/* For ct__select_kernels_of alone. */
extern const ct__select_kernels ct__select_kernels_scalar;
#if defined(__x86_64__)
extern const ct__select_kernels ct__select_kernels_avx2;
extern const ct__select_kernels ct__select_kernels_avx512;
#endif

#endif
