// SPDX-License-Identifier: MIT
/* The loops for AVX2. */
#include "quadratic_kernels.h"

#if defined(__x86_64__)
#include "quadratic_kernels_template.h"

const permk__quadratic_kernels permk__quadratic_kernels_avx2 = {residual, add_rows};
#endif
