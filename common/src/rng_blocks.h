// SPDX-License-Identifier: MIT
/* Many blocks of Philox 4x32-10 at once, once an instruction set. */
#ifndef CT__RNG_BLOCKS_H
#define CT__RNG_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

/* out (4 n) = the blocks of counter[0], counter[0] + 1, …, which must not go beyond 2^32 - 1.
 * Returns how many were made: n, less what does not fill a vector. */
size_t ct__philox_blocks_avx2(uint32_t *out, size_t n, const uint32_t counter[4],
                              const uint32_t key[2]);
size_t ct__philox_blocks_avx512(uint32_t *out, size_t n, const uint32_t counter[4],
                                const uint32_t key[2]);

#endif
