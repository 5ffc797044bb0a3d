// SPDX-License-Identifier: MIT
/* MT19937, written from the recurrence: x[k+624] = x[k+397] ^ (upper(x[k]) | lower(x[k+1])) A. */
#include "mt19937.h"

void permk__mt19937_init(permk__mt19937 *mt, uint32_t seed)
{
    mt->state[0] = seed;
    for (uint32_t i = 1; i < 624; i++) {
        uint32_t before = mt->state[i - 1];
        mt->state[i] = 1812433253U * (before ^ (before >> 30)) + i;
    }
    mt->at = 624;
}

static void regenerate(permk__mt19937 *mt)
{
    uint32_t *x = mt->state;
    for (unsigned i = 0; i < 624; i++) {
        uint32_t y = (x[i] & 0x80000000U) | (x[(i + 1) % 624] & 0x7fffffffU);
        x[i] = x[(i + 397) % 624] ^ (y >> 1) ^ ((y & 1U) != 0 ? 0x9908b0dfU : 0U);
    }
    mt->at = 0;
}

uint32_t permk__mt19937_u32(permk__mt19937 *mt)
{
    if (mt->at >= 624)
        regenerate(mt);
    uint32_t y = mt->state[mt->at++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680U;
    y ^= (y << 15) & 0xefc60000U;
    return y ^ (y >> 18);
}

double permk__mt19937_real53(permk__mt19937 *mt)
{
    uint32_t a = permk__mt19937_u32(mt) >> 5, b = permk__mt19937_u32(mt) >> 6;
    return ((double)a * 67108864.0 + (double)b) / 9007199254740992.0;
}
