// SPDX-License-Identifier: MIT
/* 2^e (1 + m), 0 <= m < 1, becomes 2^(e+1) with probability m and 2^e else, which is right on
 * average and has variance at most 1/8 of the square. Of a denormal, which is m 2^-1022, the
 * neighbours are 2^-1022 and 0. So the mantissa's 52 bits are compared with 52 random ones: the
 * first 16, and only where those are equal the other 36. The next power of two after the largest is
 * infinite: there numbers are rounded down. */
#include <ctrain/natural.h>

#include "natural_private.h"
#include "select_kernels.h"

#include <stdbool.h>

enum { BLOCK = 1024 }; // entries whose first bits are drawn at once

static void split_halves(uint16_t *half, const uint32_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        half[2 * i] = (uint16_t)words[i];
        half[2 * i + 1] = (uint16_t)(words[i] >> 16);
    }
}

/* The entries that their first bits do not decide. */
static void decide(ct_rng *rng, double *value, const double *v, const uint16_t *random, size_t n)
{
    const uint64_t rest_mask = (UINT64_C(1) << CT__REST_BITS) - 1;
    for (size_t i = 0; i < n; i++) {
        uint64_t mantissa = ct__mantissa(v[i]);
        if (random[i] != mantissa >> CT__REST_BITS)
            continue;
        bool up = (ct_rng_u64(rng) & rest_mask) < (mantissa & rest_mask);
        value[i] = ct__round_to_power(v[i], up);
    }
}

void ct_natural_f64(ct_rng *rng, double *out, const double *v, size_t n)
{
    uint32_t words[BLOCK / 2];
    uint16_t random[BLOCK];
    for (size_t begin = 0; begin < n; begin += BLOCK) {
        size_t count = n - begin < BLOCK ? n - begin : BLOCK;
        ct_rng_fill_u32(rng, words, (count + 1) / 2);
        split_halves(random, words, (count + 1) / 2);
        if (ct__select_kernels_get()->round(out + begin, v + begin, random, count) > 0)
            decide(rng, out + begin, v + begin, random, count);
    }
}
