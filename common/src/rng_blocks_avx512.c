// SPDX-License-Identifier: MIT
/* Philox with AVX-512 F: 8 blocks a vector. See rng_blocks_template.h. */
#include "rng_blocks.h"

#if defined(__AVX512F__)
#include <immintrin.h>

typedef __m512i lanes;
enum { LANES = 8 };

static inline lanes lanes_set(uint32_t x)
{
    return _mm512_set1_epi64((long long)(uint64_t)x);
}
static inline lanes lanes_first(void)
{
    return _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
}
static inline lanes lanes_add(lanes a, lanes b)
{
    return _mm512_add_epi64(a, b);
}
static inline lanes lanes_multiply(lanes a, lanes b)
{
    return _mm512_mul_epu32(a, b);
}
static inline lanes lanes_exclusive_or(lanes a, lanes b, lanes c)
{
    return _mm512_ternarylogic_epi64(a, b, c, 0x96);
}
static inline lanes lanes_upper(lanes a)
{
    return _mm512_srli_epi64(a, 32);
}
static inline lanes lanes_pair(lanes lower, lanes upper)
{
    return _mm512_mask_blend_epi32(0xaaaa, lower, _mm512_slli_epi64(upper, 32));
}
static inline lanes lanes_low(lanes a, lanes b)
{
    return _mm512_unpacklo_epi64(a, b);
}
static inline lanes lanes_high(lanes a, lanes b)
{
    return _mm512_unpackhi_epi64(a, b);
}
static inline void lanes_store(uint32_t *out, lanes a)
{
    _mm512_storeu_si512(out, a);
}

#include "rng_blocks_template.h"

size_t ct__philox_blocks_avx512(uint32_t *out, size_t n, const uint32_t counter[4],
                                const uint32_t key[2])
{
    return philox_blocks(out, n, counter, key);
}
#else
size_t ct__philox_blocks_avx512(uint32_t *out, size_t n, const uint32_t counter[4],
                                const uint32_t key[2])
{
    (void)out;
    (void)n;
    (void)counter;
    (void)key;
    return 0;
}
#endif
