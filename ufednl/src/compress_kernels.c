// SPDX-License-Identifier: MIT
/* The portable table, and which one is used: that of the instruction set ct_kernels_get chose. */
#include "compress_kernels.h"

#include <ctrain/kernels.h>

#include "compress_sums_template.h"

const fednl__compress_kernels fednl__compress_kernels_scalar = {squares, subtract};

const fednl__compress_kernels *fednl__compress_kernels_of(ct_simd simd)
{
    if (simd > ct_cpu_simd())
        return NULL;
    switch (simd) {
    case CT_SIMD_SCALAR:
        return &fednl__compress_kernels_scalar;
#if defined(__x86_64__)
    case CT_SIMD_AVX2:
        return &fednl__compress_kernels_avx2;
    case CT_SIMD_AVX512:
        return &fednl__compress_kernels_avx512;
#else
    case CT_SIMD_AVX2:
    case CT_SIMD_AVX512:
        break;
#endif
    }
    return NULL;
}

const fednl__compress_kernels *fednl__compress_kernels_get(void)
{
    return fednl__compress_kernels_of(ct_kernels_get()->simd);
}
