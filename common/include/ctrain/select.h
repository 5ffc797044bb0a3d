// SPDX-License-Identifier: MIT
/* The entries of largest magnitude, by selection on bit patterns: no heap, no sort, no allocation.
 * What it is built of is here too, for selections of another kind. */
#ifndef CTRAIN_SELECT_H
#define CTRAIN_SELECT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Write the indices of the k entries of v (n) that are largest by magnitude to slot, ascending; of
 * equal ones the first. Zeros are left out, NaN counts as largest. keys is allocated scratch of n
 * entries, slot has room for one more than are chosen: min(k, n) + 1; n < 2^32. Returns how many
 * there are. */
size_t ct_top_k_f64(const double *v, size_t n, size_t k, uint64_t *keys, uint32_t *slot);

/* Of magnitudes, as bit patterns: those above key and the first `ties` of those equal to it. */
typedef struct ct_threshold {
    uint64_t key;
    size_t ties;
} ct_threshold;

/* Remove from slot (n) those whose entry of v is not among the threshold's; returns what is left.
 */
size_t ct_keep_above(uint32_t *slot, size_t n, const double *v, ct_threshold t);

/* The bits of |v|: of numbers without sign they are in the order of the numbers. */
static inline uint64_t ct_magnitude_key(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits & ~((uint64_t)1 << 63);
}

/* Keys between two bounds, both included. */
typedef struct ct_key_range {
    uint64_t low, high;
} ct_key_range;

enum { CT_KEY_BUCKETS = 256 };

/* (key - range.low) >> shift is below CT_KEY_BUCKETS for every key of the range. */
unsigned ct_bucket_shift(ct_key_range range);
/* The keys of one bucket. */
ct_key_range ct_bucket_range(ct_key_range range, unsigned shift, size_t bucket);

#ifdef __cplusplus
}
#endif
#endif
