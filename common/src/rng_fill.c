// SPDX-License-Identifier: MIT
/* Many words of a stream at once: blocks by vectors, the same words as one by one; and subsets,
 * which need many. */
#include <ctrain/kernels.h>
#include <ctrain/rng.h>

#include "rng_blocks.h"

#include <assert.h>
#include <stdbool.h>

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

/* The 32-bit words of a stream, a block of them at a time. */
typedef struct words {
    ct_rng *rng;
    size_t used;
    uint32_t word[256];
} words;

static uint32_t next_word(words *w)
{
    const size_t block = sizeof w->word / sizeof *w->word;
    if (w->used == block) {
        ct_rng_fill_u32(w->rng, w->word, block);
        w->used = 0;
    }
    return w->word[w->used++];
}

/* As ct_rng_below, n < 2^32. */
static uint32_t below(words *w, uint32_t n)
{
    uint64_t product = (uint64_t)next_word(w) * n;
    if ((uint32_t)product < n) {
        uint32_t threshold = -n % n; // 2^32 mod n
        while ((uint32_t)product < threshold)
            product = (uint64_t)next_word(w) * n;
    }
    return (uint32_t)(product >> 32);
}

static bool marked(const uint64_t *set, uint32_t position)
{
    return set[position / 64] >> (position % 64) & 1;
}

/* k draws (Floyd; Bentley, "A sample of brilliance", Communications of the ACM 1987). */
void ct_rng_mark_subset(ct_rng *rng, uint64_t *set, uint32_t k, uint32_t n)
{
    assert(k <= n);
    words w = {.rng = rng, .used = sizeof w.word / sizeof *w.word};
    for (uint32_t last = n - k; last < n; last++) {
        uint32_t position = below(&w, last + 1);
        position = marked(set, position) ? last : position;
        set[position / 64] |= UINT64_C(1) << (position % 64);
    }
}
