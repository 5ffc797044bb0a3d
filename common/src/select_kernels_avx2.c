// SPDX-License-Identifier: MIT
/* The plain loops, for AVX2: rounding is vectors then. */
#include "select_kernels.h"

#if defined(__x86_64__)
#include "select_kernels_template.h"

const ct__select_kernels ct__select_kernels_avx2 = {keys_within, keep_range, list_at_least,
                                                    round_to_powers};
#endif
