// SPDX-License-Identifier: MIT
/* The portable table, and which one is used: that of the instruction set ct_kernels_get chose. */
#include "select_kernels_template.h"

#include <ctrain/kernels.h>

const ct__select_kernels ct__select_kernels_scalar = {keys_within, keep_range, list_at_least,
                                                      round_to_powers};

static const ct__select_kernels *const tables[] = CT_SIMD_TABLES(ct__select_kernels);

const ct__select_kernels *ct__select_kernels_of(ct_simd simd)
{
    return simd <= ct_cpu_simd() ? tables[simd] : NULL;
}

const ct__select_kernels *ct__select_kernels_get(void)
{
    return ct__select_kernels_of(ct_kernels_get()->simd);
}
