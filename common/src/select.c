// SPDX-License-Identifier: MIT
/* TopK by selection on bit patterns: for doubles without sign, the order of the numbers is that of
 * their bits as integers. A sample tells between which keys that of rank k is likely to lie; of
 * those few, a range that holds it is cut into buckets again and again. Then one pass lists what is
 * above it, and of those equal to it the first. No heap, no sort of more than a few, slots come out
 * ascending. Which keys are sampled changes the time this takes, never its result. */
#include "select_kernels.h"

enum {
    FEW = 24,      // keys that are sorted
    SAMPLE = 256,  // keys that are looked at for a guess
    MARGIN = 16,   // ranks in the sample; two and more standard deviations
    STEP_BITS = 49 // bits of a mantissa below its first three
};

unsigned ct_bucket_shift(ct_key_range range)
{
    uint64_t width = range.high - range.low;
    return width < CT_KEY_BUCKETS ? 0 : 56 - (unsigned)__builtin_clzll(width);
}

ct_key_range ct_bucket_range(ct_key_range range, unsigned shift, size_t bucket)
{
    uint64_t low = range.low + ((uint64_t)bucket << shift);
    uint64_t high = low + (((uint64_t)1 << shift) - 1);
    return (ct_key_range){low, high < range.high ? high : range.high};
}

/* Descending. */
static void sort_few(uint64_t *keys, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint64_t key = keys[i];
        size_t at = i;
        for (; at > 0 && keys[at - 1] < key; at--)
            keys[at] = keys[at - 1];
        keys[at] = key;
    }
}

/* Keep the keys that share a bucket of the range with the k-th largest; *k becomes its rank among
 * them, *range the bucket. */
static size_t narrow(uint64_t *keys, size_t n, ct_key_range *range, size_t *k)
{
    uint32_t count[CT_KEY_BUCKETS] = {0};
    unsigned shift = ct_bucket_shift(*range);
    for (size_t i = 0; i < n; i++)
        count[(keys[i] - range->low) >> shift]++;
    size_t bucket = CT_KEY_BUCKETS - 1;
    while (count[bucket] < *k)
        *k -= count[bucket--];
    *range = ct_bucket_range(*range, shift, bucket);
    return count[bucket] == n ? n : ct__select_kernels_get()->keep_range(keys, n, *range);
}

/* The key of rank k among n, and how its equals share the ranks. */
typedef struct place {
    uint64_t key;
    size_t equal; // keys that are equal to it
    size_t ties;  // of them among the k largest
} place;

/* The k-th largest key, 1 <= k <= n, all within range. */
static place kth_largest(uint64_t *keys, size_t n, ct_key_range range, size_t k)
{
    while (n > FEW && range.low < range.high)
        n = narrow(keys, n, &range, &k);
    if (range.low == range.high)
        return (place){range.low, n, k};
    sort_few(keys, n);
    place p = {.key = keys[k - 1], .ties = 1};
    while (p.ties < k && keys[k - 1 - p.ties] == p.key)
        p.ties++;
    for (p.equal = p.ties; k + p.equal - p.ties < n; p.equal++)
        if (keys[k + p.equal - p.ties] != p.key)
            break;
    return p;
}

static const ct_key_range all_keys = {0, UINT64_MAX >> 1};

/* The bucket of the sample that holds its rank, from 1 on, and counts up to it. */
static size_t bucket_of_rank(const uint32_t *count, size_t rank)
{
    size_t bucket = 0, counted = count[0];
    while (counted < rank)
        counted += count[++bucket];
    return bucket;
}

/* Keys between which that of rank k is likely to lie, 1 <= k <= n. The sample is counted by eighths
 * of octaves, from its largest magnitude downwards. */
static ct_key_range guess_range(const double *v, size_t n, size_t k)
{
    uint64_t sample[SAMPLE], largest = 0;
    uint32_t count[CT_KEY_BUCKETS] = {0};
    for (size_t i = 0; i < SAMPLE; i++) {
        sample[i] = ct_magnitude_key(v[i * n / SAMPLE]) >> STEP_BITS;
        largest = sample[i] > largest ? sample[i] : largest;
    }
    for (size_t i = 0; i < SAMPLE; i++) {
        size_t bucket = (size_t)(largest - sample[i]);
        count[bucket < CT_KEY_BUCKETS ? bucket : CT_KEY_BUCKETS - 1]++;
    }
    size_t rank = k * SAMPLE / n;
    ct_key_range range = all_keys;
    if (rank > MARGIN)
        range.high = ((largest - bucket_of_rank(count, rank - MARGIN) + 1) << STEP_BITS) - 1;
    if (rank + MARGIN <= SAMPLE)
        range.low = (largest - bucket_of_rank(count, rank + MARGIN)) << STEP_BITS;
    return range;
}

/* The magnitude of rank k in v, 1 <= k < n. */
static place find_place(const double *v, size_t n, size_t k, uint64_t *keys)
{
    ct_key_range range = n > 4 * SAMPLE ? guess_range(v, n, k) : all_keys;
    const ct__select_kernels *kernels = ct__select_kernels_get();
    size_t above, kept = kernels->keys_within(keys, v, n, range, &above);
    if (k <= above) { // the guess was wrong: beyond it then
        range = (ct_key_range){range.high + 1, all_keys.high};
        kept = kernels->keys_within(keys, v, n, range, &above);
    } else if (k > above + kept) {
        range = (ct_key_range){0, range.low - 1};
        kept = kernels->keys_within(keys, v, n, range, &above);
    }
    return kth_largest(keys, kept, range, k - above);
}

/* Whether key is among the threshold's, whose ties are counted down. */
static size_t take(ct_threshold *t, uint64_t key)
{
    size_t tie = (size_t)(key == t->key) & (size_t)(t->ties > 0);
    t->ties -= tie;
    return (size_t)(key > t->key) | tie;
}

/* All at least the threshold, of which the later equals are dropped; keys is used again, as room
 * for more slots than will be left. */
static size_t list_with_ties(uint32_t *slot, const double *v, size_t n, ct_threshold t,
                             uint64_t *keys)
{
    uint32_t *candidate = (uint32_t *)(void *)keys;
    size_t chosen = 0, m = ct__select_kernels_get()->list_at_least(candidate, v, n, t.key);
    for (size_t i = 0; i < m; i++) {
        slot[chosen] = candidate[i];
        chosen += take(&t, ct_magnitude_key(v[candidate[i]]));
    }
    return chosen;
}

size_t ct_keep_above(uint32_t *slot, size_t n, const double *v, ct_threshold t)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t key = ct_magnitude_key(v[slot[i]]);
        slot[kept] = slot[i];
        kept += t.ties == 0 ? key > t.key : take(&t, key);
    }
    return kept;
}

size_t ct_top_k_f64(const double *v, size_t n, size_t k, uint64_t *keys, uint32_t *slot)
{
    if (n == 0 || k == 0)
        return 0;
    place p = {1, 0, 0}; // all that are not zero
    if (k < n)
        p = find_place(v, n, k, keys);
    if (p.key == 0)
        p = (place){1, 0, 0};
    if (p.ties == p.equal)
        return ct__select_kernels_get()->list_at_least(slot, v, n, p.key);
    return list_with_ties(slot, v, n, (ct_threshold){p.key, p.ties}, keys);
}
