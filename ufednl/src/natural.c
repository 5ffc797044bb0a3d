// SPDX-License-Identifier: MIT
/* Natural compression (Horvath et al., "Natural compression for distributed deep learning", 2019):
 * 2^e (1 + m), 0 <= m < 1, becomes 2^(e+1) with probability m and 2^e else, which is right on
 * average and has variance at most 1/8 of the square. Of a denormal, which is m 2^-1022, the
 * neighbours are 2^-1022 and 0. So the mantissa's 52 bits are compared with 52 random ones: the
 * first 16, and only where those are equal the other 36. The next power of two after the largest is
 * infinite: there numbers are rounded down. */
#include "compress_private.h"

enum { MANTISSA_BITS = 52, FIRST_BITS = 16, REST_BITS = MANTISSA_BITS - FIRST_BITS, BLOCK = 1024 };

static const uint64_t mantissa_mask = (UINT64_C(1) << MANTISSA_BITS) - 1;
static const uint64_t largest_exponent = UINT64_C(0x7fe) << MANTISSA_BITS;

static uint64_t first_bits(const uint32_t *words, size_t i)
{
    return words[i / 2] >> (16 * (i % 2)) & 0xffff;
}

static double rounded(double v, bool up)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits &= ~mantissa_mask;
    bits += (uint64_t)(up && (bits & ~(UINT64_C(1) << 63)) < largest_exponent) << MANTISSA_BITS;
    memcpy(&v, &bits, sizeof bits);
    return v;
}

static uint64_t mantissa_of(double v)
{
    return fednl__magnitude_key(v) & mantissa_mask;
}

/* By the first random bits; returns how many entries these do not decide. */
static size_t round_block(double *value, const double *v, size_t n, const uint32_t *words)
{
    size_t undecided = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t random = first_bits(words, i), first = mantissa_of(v[i]) >> REST_BITS;
        value[i] = rounded(v[i], random < first);
        undecided += random == first;
    }
    return undecided;
}

static void decide(ct_rng *rng, double *value, const double *v, size_t n, const uint32_t *words)
{
    const uint64_t rest_mask = (UINT64_C(1) << REST_BITS) - 1;
    for (size_t i = 0; i < n; i++) {
        uint64_t mantissa = mantissa_of(v[i]);
        if (first_bits(words, i) == mantissa >> REST_BITS)
            value[i] = rounded(v[i], (ct_rng_u64(rng) & rest_mask) < (mantissa & rest_mask));
    }
}

void fednl__natural(ct_rng *rng, double *v, double *value, size_t n, double scale)
{
    uint32_t words[BLOCK / 2];
    for (size_t begin = 0; begin < n; begin += BLOCK) {
        size_t count = n - begin < BLOCK ? n - begin : BLOCK;
        ct_rng_fill_u32(rng, words, (count + 1) / 2);
        if (round_block(value + begin, v + begin, count, words) > 0)
            decide(rng, value + begin, v + begin, count, words);
        for (size_t i = begin; i < begin + count; i++)
            v[i] -= scale * value[i];
    }
}
