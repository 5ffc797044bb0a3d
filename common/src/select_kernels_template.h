// SPDX-License-Identifier: MIT
/* The loops in plain C, without branches on values: which entries are chosen cannot be predicted.
 * Compiled for more than one instruction set. */
#include "select_kernels.h"

#include "natural_private.h"

static size_t keys_within(uint64_t *keys, const double *v, size_t n, ct_key_range range,
                          size_t *above)
{
    size_t kept = 0, larger = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t key = ct_magnitude_key(v[i]);
        keys[kept] = key;
        kept += key - range.low <= range.high - range.low;
        larger += key > range.high;
    }
    *above = larger;
    return kept;
}

static size_t keep_range(uint64_t *keys, size_t n, ct_key_range range)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t key = keys[i];
        keys[kept] = key;
        kept += key - range.low <= range.high - range.low;
    }
    return kept;
}

static size_t list_at_least(uint32_t *slot, const double *v, size_t n, uint64_t least)
{
    size_t chosen = 0;
    for (size_t i = 0; i < n; i++) {
        slot[chosen] = (uint32_t)i;
        chosen += ct_magnitude_key(v[i]) >= least;
    }
    return chosen;
}

static size_t round_to_powers(double *restrict value, const double *restrict v,
                              const uint16_t *restrict random, size_t n)
{
    uint64_t equal = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t first = ct__mantissa(v[i]) >> CT__REST_BITS;
        uint64_t below = ((uint64_t)random[i] - first) >> 63;
        value[i] = ct__round_to_power(v[i], below);
        equal += random[i] == first;
    }
    return equal;
}
