// SPDX-License-Identifier: MIT
/* The plain loops, as vectors of AVX-512. */
#include "compress_kernels.h"

#if defined(__x86_64__)
#include "compress_sums_template.h"

const fednl__compress_kernels fednl__compress_kernels_avx512 = {squares, subtract};
#endif
