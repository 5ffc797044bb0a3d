// SPDX-License-Identifier: MIT
/* What the compressors share among themselves: room, thresholds of a selection, streams. Each works
 * on one client's difference and leaves in it what its update lacks. */
#ifndef UFEDNL_COMPRESS_PRIVATE_H
#define UFEDNL_COMPRESS_PRIVATE_H

#include "compress.h"

#include <ctrain/rng.h>
#include <string.h>

struct fednl__compress_work {
    uint64_t *keys;                     // (n)      TopK, TopLEK
    double *square;                     // (n)      TopLEK
    uint64_t *drawn;                    // (N bits) RandK: zero between uses
    uint32_t *slot;                     // (min(n, k) + 1)
    uint32_t *index;                    // (min(n, k) + 1)
    double *value;                      // (min(n, k)); Natural, Rank-R: (n)
    double *matrix;                     // (a, a)   Rank-R, and what follows
    double *spectrum;                   // (a)
    double *eigenvalue;                 // (R)
    double *vector;                     // (R, a)
    double *basis;                      // (steps + 1, a), steps those of Lanczos
    double *on_diagonal, *off_diagonal; // (steps)
    ct_arena memory;
};

/* Of magnitudes, as bit patterns: those above key and the first `ties` of those equal to it. */
typedef struct fednl__threshold {
    uint64_t key;
    size_t ties;
} fednl__threshold;

/* Keys between two bounds, both included. */
typedef struct fednl__key_range {
    uint64_t low, high;
} fednl__key_range;

enum { FEDNL__BUCKETS = 256 };

/* The bits of |v|: of numbers without sign they are in the order of the numbers. */
static inline uint64_t fednl__magnitude_key(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits & ~(UINT64_C(1) << 63);
}

/* (key - range.low) >> shift is below FEDNL__BUCKETS for every key of the range. */
static inline unsigned fednl__bucket_shift(fednl__key_range range)
{
    uint64_t width = range.high - range.low;
    return width < FEDNL__BUCKETS ? 0 : 56 - (unsigned)__builtin_clzll(width);
}

/* The keys of one bucket. */
static inline fednl__key_range fednl__bucket_range(fednl__key_range range, unsigned shift,
                                                   size_t bucket)
{
    uint64_t low = range.low + ((uint64_t)bucket << shift);
    uint64_t high = low + (((uint64_t)1 << shift) - 1);
    return (fednl__key_range){low, high < range.high ? high : range.high};
}

/* Remove from slot (n) those whose entry of v is not among the threshold's; returns what is left.
 */
size_t fednl__keep_above(uint32_t *slot, size_t n, const double *v, fednl__threshold t);

/* TopLEK: slots of the chosen entries, ascending, into work->slot; returns how many. */
size_t fednl__top_lek(const fednl__compressor *compressor, const fednl__pattern *pattern,
                      ct_rng *rng, const double *v, fednl__compress_work *work);

/* Natural: value (n) = v (n) rounded at random to powers of two, v -= scale value. */
void fednl__natural(ct_rng *rng, double *v, double *value, size_t n, double scale);

/* Rank-R: fills eigenvalue, vector and value of work; v -= scale value. */
CT_MUST_USE ct_status fednl__rank(const fednl__compressor *compressor, size_t active, ct_rng *rng,
                                  double *v, fednl__compress_work *work);
size_t fednl__rank_of(const fednl__compressor *compressor, size_t active);
/* Of an ascending spectrum, of which low … high - 1 are left: the index of the largest magnitude,
 * which is then taken. */
size_t fednl__next_largest(const double *spectrum, size_t *low, size_t *high);
/* Eigenvalue and vector of work = the largest pairs of D = v, good enough; or false. */
bool fednl__lanczos(size_t rank, size_t active, const double *v, ct_rng *rng,
                    fednl__compress_work *work);
/* Steps it may take; 0 where it does not pay. */
size_t fednl__lanczos_steps(size_t rank, size_t active);

static inline void fednl__compressor_stream(ct_rng *rng, const fednl__compressor *compressor,
                                            uint32_t client, uint32_t round)
{
    ct_rng_init(rng, compressor->seed, CT_RNG_COMPRESSOR, client, round);
}

#endif
