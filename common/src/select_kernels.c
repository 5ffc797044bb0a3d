// SPDX-License-Identifier: MIT
/* The portable table, and which one is used: that of the instruction set ct_kernels_get chose. */
#include "select_kernels_template.h"

#include <ctrain/kernels.h>

const ct__select_kernels ct__select_kernels_scalar = {keys_within, keep_range, list_at_least,
                                                      round_to_powers};

const ct__select_kernels *ct__select_kernels_of(ct_simd simd)
{
    if (simd > ct_cpu_simd())
        return NULL;
    switch (simd) {
    case CT_SIMD_SCALAR:
        return &ct__select_kernels_scalar;
#if defined(__x86_64__)
    case CT_SIMD_AVX2:
        return &ct__select_kernels_avx2;
    case CT_SIMD_AVX512:
        return &ct__select_kernels_avx512;
#else
    case CT_SIMD_AVX2:
    case CT_SIMD_AVX512:
        break;
#endif
    }
    return NULL;
}

const ct__select_kernels *ct__select_kernels_get(void)
{
    return ct__select_kernels_of(ct_kernels_get()->simd);
}
