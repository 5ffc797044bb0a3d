// SPDX-License-Identifier: MIT
/* Philox with AVX2: 4 blocks a vector. See rng_blocks_template.h. */
#include "rng_blocks.h"

#if defined(__AVX2__)
#include <immintrin.h>

typedef __m256i lanes;
enum { LANES = 4 };

static inline lanes lanes_set(uint32_t x)
{
    return _mm256_set1_epi64x((long long)(uint64_t)x);
}
static inline lanes lanes_first(void)
{
    return _mm256_setr_epi64x(0, 2, 1, 3);
}
static inline lanes lanes_add(lanes a, lanes b)
{
    return _mm256_add_epi64(a, b);
}
static inline lanes lanes_multiply(lanes a, lanes b)
{
    return _mm256_mul_epu32(a, b);
}
static inline lanes lanes_exclusive_or(lanes a, lanes b, lanes c)
{
    return _mm256_xor_si256(_mm256_xor_si256(a, b), c);
}
static inline lanes lanes_upper(lanes a)
{
    return _mm256_srli_epi64(a, 32);
}
static inline lanes lanes_pair(lanes lower, lanes upper)
{
    return _mm256_blend_epi32(lower, _mm256_slli_epi64(upper, 32), 0xaa);
}
static inline lanes lanes_low(lanes a, lanes b)
{
    return _mm256_unpacklo_epi64(a, b);
}
static inline lanes lanes_high(lanes a, lanes b)
{
    return _mm256_unpackhi_epi64(a, b);
}
static inline void lanes_store(uint32_t *out, lanes a)
{
    _mm256_storeu_si256((__m256i *)(void *)out, a);
}

#include "rng_blocks_template.h"

size_t ct__philox_blocks_avx2(uint32_t *out, size_t n, const uint32_t counter[4],
                              const uint32_t key[2])
{
    return philox_blocks(out, n, counter, key);
}
#else
size_t ct__philox_blocks_avx2(uint32_t *out, size_t n, const uint32_t counter[4],
                              const uint32_t key[2])
{
    (void)out;
    (void)n;
    (void)counter;
    (void)key;
    return 0;
}
#endif
