// SPDX-License-Identifier: MIT
/* Many words of a stream at once: blocks by vectors, the same words as one by one. */
#include <ctrain/kernels.h>
#include <ctrain/rng.h>

#include "rng_blocks.h"

static size_t make_blocks(uint32_t *out, size_t n, const ct_rng *rng)
{
#if defined(__x86_64__)
    switch (ct_kernels_get()->simd) {
    case CT_SIMD_AVX512:
        return ct__philox_blocks_avx512(out, n, rng->counter, rng->key);
    case CT_SIMD_AVX2:
        return ct__philox_blocks_avx2(out, n, rng->counter, rng->key);
    case CT_SIMD_SCALAR:
        break;
    }
#else
    (void)out;
    (void)n;
    (void)rng;
#endif
    return 0;
}

void ct_rng_fill_u32(ct_rng *rng, uint32_t *out, size_t n)
{
    size_t i = 0;
    while (i < n && rng->left > 0)
        out[i++] = ct_rng_u32(rng);
    size_t blocks = (n - i) / 4, before_carry = UINT32_MAX - rng->counter[0];
    size_t done = make_blocks(out + i, blocks < before_carry ? blocks : before_carry, rng);
    rng->counter[0] += (uint32_t)done;
    for (i += 4 * done; i < n; i++)
        out[i] = ct_rng_u32(rng);
}
