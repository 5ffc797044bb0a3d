// SPDX-License-Identifier: MIT
/* The plain loops, for AVX2: rounding and subtraction are vectors then. */
#include "compress_kernels.h"

#if defined(__x86_64__)
#include "compress_kernels_template.h"

const fednl__compress_kernels fednl__compress_kernels_avx2 = {
    keys_within, keep_range, list_at_least, round_to_powers, squares, subtract};
#endif
