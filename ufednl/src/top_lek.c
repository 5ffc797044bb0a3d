// SPDX-License-Identifier: MIT
/* TopLEK: of the k largest entries as few as leave (1 - k/N) ||D||_F^2 in expectation. With G_s the
 * part of ||D||_F^2 in the s largest entries (off the diagonal an entry counts twice), s is the
 * last with G_s <= k/N ||D||_F^2; one more is sent with the probability that makes this an equality
 * on average.
 *
 * TopK comes first; s is then found among its k entries as the k-th key is found: buckets of keys
 * with their sums, from the largest on. All sums are taken in a fixed order. */
#include "compress_kernels.h"
#include "compress_private.h"

#include <ctrain/kernels.h>
#include <math.h>

enum { FEW = 24 };

/* A power of two that brings the largest entry near 1, so that no square overflows, and none that
 * matters vanishes. */
static double unit_of(const double *v, size_t n)
{
    int exponent;
    (void)frexp(ct_kernels_get()->f64.max_abs(v, n), &exponent);
    return ldexp(1.0, exponent < -1022 ? 1022 : -exponent);
}

/* square (n) = the entries' parts of unit^2 ||D||_F^2 / 2; returns their sum. */
static double part_squares(double *square, const double *v, const fednl__pattern *pattern)
{
    double sum =
        fednl__compress_kernels_get()->squares(square, v, pattern->n, unit_of(v, pattern->n));
    for (size_t c = 0; c < pattern->n_diagonal; c++) {
        square[pattern->diagonal[c]] *= 0.5;
        sum -= square[pattern->diagonal[c]];
    }
    return sum;
}

/* Entries among which the sum of the largest passes a target, or all that may be sent; above is the
 * sum of those larger than all of them. */
typedef struct candidates {
    size_t n;
    uint64_t *key; // in the order of their slots
    double *square;
    ct_key_range range;
    double above;
} candidates;

static void narrow(candidates *c, double target)
{
    double sum[CT_KEY_BUCKETS] = {0};
    unsigned shift = ct_bucket_shift(c->range);
    for (size_t i = 0; i < c->n; i++)
        sum[(c->key[i] - c->range.low) >> shift] += c->square[i];
    size_t bucket = CT_KEY_BUCKETS - 1;
    while (bucket > 0 && c->above + sum[bucket] <= target)
        c->above += sum[bucket--];
    c->range = ct_bucket_range(c->range, shift, bucket);
    size_t kept = 0;
    for (size_t i = 0; i < c->n; i++) {
        c->key[kept] = c->key[i];
        c->square[kept] = c->square[i];
        kept += c->key[i] - c->range.low <= c->range.high - c->range.low;
    }
    c->n = kept;
}

/* Largest first, equal ones as they were. */
static void sort_few(candidates *c)
{
    for (size_t i = 1; i < c->n; i++) {
        uint64_t key = c->key[i];
        double square = c->square[i];
        size_t at = i;
        for (; at > 0 && c->key[at - 1] < key; at--) {
            c->key[at] = c->key[at - 1];
            c->square[at] = c->square[at - 1];
        }
        c->key[at] = key;
        c->square[at] = square;
    }
}

/* The keys of the first s candidates and all above them. */
static ct_threshold threshold_of(const candidates *c, size_t s)
{
    if (s == 0)
        return (ct_threshold){c->range.high, 0};
    ct_threshold t = {c->key[s - 1], 1};
    while (t.ties < s && c->key[s - 1 - t.ties] == t.key)
        t.ties++;
    bool all_equals = s == c->n || c->key[s] != t.key;
    return all_equals ? (ct_threshold){t.key - 1, 0} : t; // keys are not 0
}

/* What is sent on average is target: the candidate that passes it comes with probability p. */
static ct_threshold choose(candidates *c, double target, ct_rng *rng)
{
    while (c->n > FEW && c->range.low < c->range.high)
        narrow(c, target);
    if (c->range.low < c->range.high)
        sort_few(c);
    size_t s = 0;
    while (s < c->n && c->above + c->square[s] <= target)
        c->above += c->square[s++];
    if (s < c->n && ct_rng_uniform(rng) < (target - c->above) / c->square[s])
        s++;
    return threshold_of(c, s);
}

/* Of the entries in slot (n), in place: slots ascend, so that what is read has not been written
 * over. */
static void gather(candidates *c, const double *v, const uint32_t *slot)
{
    c->range = (ct_key_range){UINT64_MAX, 0};
    for (size_t i = 0; i < c->n; i++) {
        uint64_t key = ct_magnitude_key(v[slot[i]]);
        c->key[i] = key;
        c->square[i] = c->square[slot[i]];
        c->range.low = key < c->range.low ? key : c->range.low;
        c->range.high = key > c->range.high ? key : c->range.high;
    }
}

size_t fednl__top_lek(const fednl__compressor *compressor, const fednl__pattern *pattern,
                      ct_rng *rng, const double *v, fednl__compress_work *work)
{
    size_t n = ct_top_k_f64(v, pattern->n, compressor->k, work->keys, work->slot);
    double whole = part_squares(work->square, v, pattern);
    double target = whole * ((double)compressor->k / (double)compressor->triangle);
    candidates c = {.n = n, .key = work->keys, .square = work->square};
    gather(&c, v, work->slot);
    return ct_keep_above(work->slot, n, v, choose(&c, target, rng));
}
