// SPDX-License-Identifier: MIT
/* The portable table, and which one is used: that of the instruction set ct_kernels_get chose.
 * Beyond AVX2 the loops wait for memory. */
#include "quadratic_kernels_template.h"

#include <ctrain/kernels.h>

const permk__quadratic_kernels permk__quadratic_kernels_scalar = {residual, add_rows};

const permk__quadratic_kernels *permk__quadratic_kernels_of(ct_simd simd)
{
    if (simd > ct_cpu_simd())
        return NULL;
#if defined(__x86_64__)
    if (simd >= CT_SIMD_AVX2)
        return &permk__quadratic_kernels_avx2;
#endif
    return &permk__quadratic_kernels_scalar;
}

const permk__quadratic_kernels *permk__quadratic_kernels_get(void)
{
    return permk__quadratic_kernels_of(ct_kernels_get()->simd);
}
