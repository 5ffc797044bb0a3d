// SPDX-License-Identifier: MIT
/* The sweeps of captured functions over many points, compiled for AVX-512: the loops of the
 * template and nothing else, so that no code of other files is compiled with these flags. */
#if defined(__x86_64__)
#define TABLE        bt__block_avx512
#define WITH_KERNELS 1
#define SIMD         CT_SIMD_AVX512
#include "function_block_template.h"
#else
typedef int bt__no_avx512; // a file must not be empty
#endif
