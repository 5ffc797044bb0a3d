// SPDX-License-Identifier: MIT
/* Random numbers without shared state: a stream is a function of (seed, role, client, round), the
 * same on every platform and for any number of threads. Philox 4x32-10 (Salmon et al., "Parallel
 * random numbers: as easy as 1, 2, 3", SC 2011): the key is the seed, the counter is {block, role,
 * client, round}. Streams with different keys or counters are independent. Not for secrets:
 * permk_aes draws what an adversary must not guess from AES. */
#ifndef CTRAIN_RNG_H
#define CTRAIN_RNG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a stream is for. Values are part of the results: append, never renumber. */
typedef enum ct_rng_role {
    CT_RNG_USER = 0,
    CT_RNG_DATA = 1,       // synthetic data
    CT_RNG_SHUFFLE = 2,    // order of rows
    CT_RNG_SPLIT = 3,      // rows to clients
    CT_RNG_INIT = 4,       // first parameters
    CT_RNG_BATCH = 5,      // minibatches
    CT_RNG_COMPRESSOR = 6, // RandK, dithering, PermK in the open
    CT_RNG_SAMPLING = 7,   // which clients take part; sampling of text
    CT_RNG_DROPOUT = 8
} ct_rng_role;

/* A stream, in the caller's memory; copying it copies the stream. The members are private. */
typedef struct ct_rng {
    uint32_t key[2];
    uint32_t counter[4]; // {block low, role << 16 | block high, client, round}
    uint32_t block[4];
    unsigned left; // unused words of block
} ct_rng;

/* Begin the stream of (seed, role, client, round); a stream holds 2^50 32-bit words. */
void ct_rng_init(ct_rng *rng, uint64_t seed, ct_rng_role role, uint32_t client, uint32_t round);

uint32_t ct_rng_u32(ct_rng *rng);
uint64_t ct_rng_u64(ct_rng *rng);
/* Uniform on {0, …, n-1} without bias, by rejection (Lemire 2019). n must be at least 1. */
uint64_t ct_rng_below(ct_rng *rng, uint64_t n);
/* Uniform on [0, 1), multiples of 2^-53. */
double ct_rng_uniform(ct_rng *rng);
/* Standard normal deviate (Box-Muller; ct_rng_fill_normal_f64 uses both values of each pair and
 * costs half). The same bits on every machine with IEEE 754 arithmetic. */
double ct_rng_normal(ct_rng *rng);

/* The next n words of the stream, as n calls of ct_rng_u32 would give them, several times faster.
 */
void ct_rng_fill_u32(ct_rng *rng, uint32_t *out, size_t n);
/* n numbers low + (high - low) u, and mean + deviation z. */
void ct_rng_fill_uniform_f64(ct_rng *rng, double *out, size_t n, double low, double high);
void ct_rng_fill_normal_f64(ct_rng *rng, double *out, size_t n, double mean, double deviation);
/* n shares, none negative, that add up to 1 but for rounding, from the symmetric Dirichlet
 * distribution: the smaller the concentration (1e-6 to 1e6), the more one of them takes all. The
 * same bits on every machine with IEEE 754 arithmetic. */
void ct_rng_fill_dirichlet_f64(ct_rng *rng, double *out, size_t n, double concentration);

/* Put indices[0..n) in uniformly random order (Fisher-Yates). */
void ct_rng_shuffle_u32(ct_rng *rng, uint32_t *indices, size_t n);
/* k different numbers of {0, …, n-1}, ascending, every k-subset equally likely; O(k log k) time, no
 * memory but out. k <= n. */
void ct_rng_choose_u64(ct_rng *rng, uint64_t *out, size_t k, uint64_t n);
/* The same as bits: bit i % 64 of set[i / 64] is set where i is chosen; set, of n bits, is zero
 * before. O(k) time. Where the stream stands afterwards is not specified. */
void ct_rng_mark_subset(ct_rng *rng, uint64_t *set, uint32_t k, uint32_t n);

/* The block function itself, for known-answer tests and for filling arrays. */
void ct_philox4x32_10(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

#ifdef __cplusplus
}
#endif
#endif
