// SPDX-License-Identifier: MIT
/* TopK by selection on bit patterns: for doubles without sign, the order of the numbers is that of
 * their bits as integers. A radix search finds the k-th largest, then one pass emits what is above
 * it, and of those equal to it the first. No heap, no sort, indices come out ascending. */
#include "compress.h"

#include <string.h>

#define DIGIT_BITS 11
#define BUCKETS    (1u << DIGIT_BITS)

static uint64_t magnitude_bits(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits & ~(UINT64_C(1) << 63);
}

/* Keep the keys whose digit at shift is that of the k-th largest; *k becomes its rank among them.
 */
static size_t narrow(uint64_t *keys, size_t n, unsigned shift, size_t *k)
{
    uint32_t count[BUCKETS] = {0};
    for (size_t i = 0; i < n; i++)
        count[(keys[i] >> shift) & (BUCKETS - 1)]++;
    size_t digit = BUCKETS - 1;
    while (count[digit] < *k)
        *k -= count[digit--];
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t key = keys[i];
        keys[kept] = key;
        kept += ((key >> shift) & (BUCKETS - 1)) == digit;
    }
    return kept;
}

/* The k-th largest key, 1 <= k <= n; *ties: how many equal to it are among the k largest. */
static uint64_t kth_largest(uint64_t *keys, size_t n, size_t k, size_t *ties)
{
    // 63 bits: the exponent first, then the mantissa in digits of 11, 11, 11, 11 and 8 bits
    static const unsigned shifts[] = {52, 41, 30, 19, 8, 0};
    for (size_t s = 0; s < sizeof shifts / sizeof shifts[0] && n > 1; s++)
        n = narrow(keys, n, shifts[s], &k);
    *ties = k;
    return keys[0];
}

size_t fednl__top_k(const double *v, size_t n, size_t k, uint64_t *keys, uint32_t *slot)
{
    if (n == 0 || k == 0)
        return 0;
    uint64_t threshold = 0;
    size_t ties = 0;
    if (k < n) {
        for (size_t i = 0; i < n; i++)
            keys[i] = magnitude_bits(v[i]);
        threshold = kth_largest(keys, n, k, &ties);
    }
    // without branches on the values: which of them are chosen cannot be predicted
    size_t chosen = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t key = magnitude_bits(v[i]);
        size_t tie = (key == threshold) & (key > 0) & (ties > 0);
        slot[chosen] = (uint32_t)i;
        chosen += (size_t)(key > threshold) | tie;
        ties -= tie;
    }
    return chosen;
}
