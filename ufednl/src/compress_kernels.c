// SPDX-License-Identifier: MIT
/* The portable table, and which one is used: that of the instruction set ct_kernels_get chose. */
#include "compress_kernels.h"

#include <ctrain/kernels.h>

#include "compress_sums_template.h"

const fednl__compress_kernels fednl__compress_kernels_scalar = {squares, subtract};

static const fednl__compress_kernels *const tables[] = CT_SIMD_TABLES(fednl__compress_kernels);

const fednl__compress_kernels *fednl__compress_kernels_of(ct_simd simd)
{
    return simd <= ct_cpu_simd() ? tables[simd] : NULL;
}

const fednl__compress_kernels *fednl__compress_kernels_get(void)
{
    return fednl__compress_kernels_of(ct_kernels_get()->simd);
}
