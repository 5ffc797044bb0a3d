// SPDX-License-Identifier: MIT
/* What the compressors share among themselves: room, streams. Each works
 * on one client's difference and leaves in it what its update lacks. */
#ifndef UFEDNL_COMPRESS_PRIVATE_H
#define UFEDNL_COMPRESS_PRIVATE_H

#include "compress.h"

#include <ctrain/rng.h>
#include <ctrain/select.h>
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

/* TopLEK: slots of the chosen entries, ascending, into work->slot; returns how many. */
size_t fednl__top_lek(const fednl__compressor *compressor, const fednl__pattern *pattern,
                      ct_rng *rng, const double *v, fednl__compress_work *work);

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
