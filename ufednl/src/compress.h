// SPDX-License-Identifier: MIT
/* Compressors of the difference D of a client's Hessian and its estimate. All are defined on the
 * whole upper triangle of N entries; here they run on the pattern, outside of which D is 0, and
 * give exactly what the definition on the triangle gives. */
#ifndef UFEDNL_COMPRESS_H
#define UFEDNL_COMPRESS_H

#include "rows.h"

#include <ufednl/ufednl.h>

typedef struct fednl__compressor {
    fednl_compressor kind;
    size_t dimension; // d
    size_t triangle;  // N
    size_t k;         // TopK, TopLEK, RandK, RandSeqK: 1 … N; others: N
    size_t rank;      // Rank-R
    double alpha;     // > 0
    bool differences; // Identity: the difference is sent, not the Hessian (FedNL-PP needs it)
    uint64_t seed;    // streams are (seed, CT_RNG_COMPRESSOR, client, round)
} fednl__compressor;

/* alpha by theory: 1 for contractive compressors, 1 / (omega + 1) for unbiased ones. */
double fednl__compressor_alpha(fednl_compressor kind, size_t k, size_t triangle);
bool fednl__compressor_unbiased(fednl_compressor kind);
/* Of every update: alpha, times N/k for RandK and RandSeqK (exactly 1 where alpha is theirs). */
double fednl__compressor_scale(const fednl__compressor *compressor);

/* What is added to an estimate: entry slot[i] (or i where slot is NULL) of the pattern, at
 * position index[i] of the triangle, grows by scale value[i]. Every party computes scale value[i]
 * first and adds then (whoever weighs it, adds weight * (scale * value)), so that all have the same
 * bits. */
typedef struct fednl__update {
    size_t n;
    const uint32_t *slot;  // (n) ascending; NULL: all of the pattern
    const uint32_t *index; // (n) ascending
    const double *value;   // (n)
    double scale;          // fednl__compressor_scale
    // Rank-R: value is what these give (fednl__expand_rank), and they are what is sent
    size_t rank;
    const double *eigenvalue; // (rank)
    const double *vector;     // (rank, a) local columns
} fednl__update;

/* estimate (|P|) += update. */
void fednl__update_apply(const fednl__update *update, double *estimate);

/* Room for one compression at a time; n is the largest pattern, a the most active columns. */
typedef struct fednl__compress_work fednl__compress_work;
CT_MUST_USE ct_status fednl__compress_work_create(fednl__compress_work **out,
                                                  const fednl__compressor *compressor, size_t n,
                                                  size_t active);
void fednl__compress_work_destroy(fednl__compress_work *work);

/* Compress difference (|P|), which becomes what is lacking then: D - alpha C(D). update's arrays
 * belong to work and hold until its next use. Never called for Identity. Natural: entries above
 * 2^1023 lose their mantissa. Rank-R needs the pattern to be whole and fails with CT_ENUMERIC where
 * the eigenvalues cannot be found; else CT_OK. */
CT_MUST_USE ct_status fednl__compress(const fednl__compressor *compressor,
                                      const fednl__pattern *pattern, uint32_t client,
                                      uint32_t round, double *difference,
                                      fednl__compress_work *work, fednl__update *update);

/* RandK, RandSeqK: the slots of the entries that client draws in round and that are on the pattern,
 * position (n) ascending; slot and index (min(n, k) + 1; either may be NULL) are filled. Returns
 * how many. The server repeats the client's draw by this. */
size_t fednl__draw(const fednl__compressor *compressor, uint32_t client, uint32_t round,
                   const uint32_t *position, size_t n, fednl__compress_work *work, uint32_t *slot,
                   uint32_t *index);

/* value[e] = sum over r of eigenvalue[r] u_r[row] u_r[col], for all pairs of active columns, column
 * by column (a(a+1)/2). */
void fednl__expand_rank(size_t rank, size_t active, const double *eigenvalue, const double *vector,
                        double *value);

#endif
