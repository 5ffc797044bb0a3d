// SPDX-License-Identifier: MIT
/* TopK by selection on bit patterns: for doubles without sign, the order of the numbers is that of
 * their bits as integers. A radix search between two bounds finds the k-th largest, then one pass
 * emits what is above it, and of those equal to it the first. No heap, no sort, indices come out
 * ascending. */
#include "compress.h"

#include <string.h>

#define DIGIT_BITS 11
#define BUCKETS    (1u << DIGIT_BITS)
#define SAMPLE     64
#define MARGIN     8 // ranks in the sample; two and more standard deviations

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

/* The key of rank k among n, and how its equals share the ranks. */
typedef struct threshold {
    uint64_t key;
    size_t equal; // keys that are equal to it
    size_t ties;  // of them among the k largest
} threshold;

/* The k-th largest key, 1 <= k <= n. */
static threshold kth_largest(uint64_t *keys, size_t n, size_t k)
{
    // 63 bits: the exponent first, then the mantissa in digits of 11, 11, 11, 11 and 8 bits
    static const unsigned shifts[] = {52, 41, 30, 19, 8, 0};
    for (size_t s = 0; s < sizeof shifts / sizeof shifts[0] && n > 1; s++)
        n = narrow(keys, n, shifts[s], &k);
    return (threshold){keys[0], n, k};
}

/* Keys between which that of rank k is likely to lie, from a sorted sample of v. */
static void guess_bounds(const double *v, size_t n, size_t k, uint64_t *low, uint64_t *high)
{
    uint64_t sample[SAMPLE]; // descending
    for (size_t i = 0; i < SAMPLE; i++) {
        uint64_t key = magnitude_bits(v[i * n / SAMPLE]);
        size_t at = i;
        for (; at > 0 && sample[at - 1] < key; at--)
            sample[at] = sample[at - 1];
        sample[at] = key;
    }
    size_t rank = k * SAMPLE / n;
    *high = rank >= MARGIN ? sample[rank - MARGIN] : UINT64_MAX;
    *low = rank + MARGIN < SAMPLE ? sample[rank + MARGIN] : 0;
}

/* The magnitude of rank k in v, 1 <= k < n: searched for between two bounds, where it nearly always
 * is, so that the digits of few keys are looked at; else among all. */
static threshold find_threshold(const double *v, size_t n, size_t k, uint64_t *keys)
{
    uint64_t low = 0, high = UINT64_MAX;
    if (n > 8 * SAMPLE)
        guess_bounds(v, n, k, &low, &high);
    size_t above = 0, kept = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t key = magnitude_bits(v[i]);
        keys[kept] = key;
        kept += (size_t)(key >= low) & (size_t)(key <= high);
        above += key > high;
    }
    if (above < k && k <= above + kept)
        return kth_largest(keys, kept, k - above);
    for (size_t i = 0; i < n; i++)
        keys[i] = magnitude_bits(v[i]);
    return kth_largest(keys, n, k);
}

/* Slots of the keys that are at least least. Without branches on the values, here and below: which
 * of them are chosen cannot be predicted. */
static size_t list_at_least(const double *v, size_t n, uint64_t least, uint32_t *slot)
{
    size_t chosen = 0;
    for (size_t i = 0; i < n; i++) {
        slot[chosen] = (uint32_t)i;
        chosen += magnitude_bits(v[i]) >= least;
    }
    return chosen;
}

/* Slots of the keys above t and of its first equals. */
static size_t list_with_ties(const double *v, size_t n, threshold t, uint32_t *slot)
{
    size_t chosen = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t key = magnitude_bits(v[i]);
        size_t tie = (size_t)(key == t.key) & (size_t)(t.ties > 0);
        slot[chosen] = (uint32_t)i;
        chosen += (size_t)(key > t.key) | tie;
        t.ties -= tie;
    }
    return chosen;
}

size_t fednl__top_k(const double *v, size_t n, size_t k, uint64_t *keys, uint32_t *slot)
{
    if (n == 0 || k == 0)
        return 0;
    if (k >= n)
        return list_at_least(v, n, 1, slot);
    threshold t = find_threshold(v, n, k, keys);
    if (t.key == 0)
        return list_at_least(v, n, 1, slot);
    return t.ties == t.equal ? list_at_least(v, n, t.key, slot) : list_with_ties(v, n, t, slot);
}
