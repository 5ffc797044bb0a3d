// SPDX-License-Identifier: MIT
/* Which client owns which coordinates in a round: the permutation compressor PermK (Szlendak,
 * Tyurin, Richtárik, "Permutation Compressors for Provably Faster Distributed Nonconvex
 * Optimization", arXiv 2110.03300).
 *
 * With n clients and d >= n coordinates every coordinate has exactly one owner and every client
 * d / n coordinates, or lines of them, rounded down or up. With n > d every client owns one
 * coordinate and coordinate j has m_j = n / d owners, rounded down or up, whose mean is used. An
 * owner sends its raw gradient entry: the factor n of the compressor and the 1/n of the mean
 * cancel. Over the rounds each client is equally likely to own each coordinate, so the estimator g
 * is unbiased, and E ||g||^2 = (1/n) sum_i ||grad f_i||^2 for d >= n, whatever the rule. */
#ifndef PERMK_AES_OWNERSHIP_H
#define PERMK_AES_OWNERSHIP_H

#include <ctrain/status.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum permk_rule {
    PERMK_RULE_ROTATION = 0, // blocks are ranges, rotated among the clients: no gather, no scatter
    PERMK_RULE_PERMUTATION = 1, // blocks are random sets, as in the paper
    PERMK_RULE_LINES = 2 // blocks are random sets of runs of PERMK_LINE coordinates, which fill a
                         // cache line; where d < n PERMK_LINE, as permutation
} permk_rule;
#define PERMK_LINE 8

/* "rotation", "permutation", "lines". */
const char *permk_rule_name(permk_rule rule);
/* False, and *out untouched, for a name that is none of these. */
CT_MUST_USE bool permk_rule_from_name(permk_rule *out, const char *name);

/* The coordinates one client owns in one round, in the order they are sent: those of index, or
 * PERMK_LINE l, PERMK_LINE l + 1, … of each line l (d may cut the last of them short), or a range.
 * Arrays are borrowed until the next draw. */
typedef struct permk_block {
    size_t length;         // coordinates; never 0
    size_t first;          // the range first … first + length - 1, where index and line are NULL
    const uint32_t *index; // (length) or NULL
    const uint32_t *line;  // (lines) or NULL
    size_t lines;
    double weight; // 1 / (owners of each of these coordinates): 1 for d >= n
} permk_block;

/* values[k] = x[coordinate k of the block]; x has d elements, values block->length. */
void permk_block_gather(const permk_block *block, const double *x, double *values);
/* x[coordinate k of the block] += a * weight * values[k]. */
void permk_block_axpy(const permk_block *block, double a, const double *values, double *x);

#define PERMK_OWNERSHIP_KEY_BYTES 32

/* The ownership maps of a run: a function of (rule, n, d, key, round) and nothing else, the same on
 * every platform; round r can be drawn without the rounds before it. One thread at a time. */
typedef struct permk_ownership permk_ownership;

/* n clients, d coordinates, key copied: random numbers are the AES-256-CTR stream of this key, so
 * who does not have it learns nothing about the maps from this module. For maps that may be public
 * see permk_ownership_key_from_seed(). On failure *out is NULL. CT_EINVALID: n or d is 0, or d >
 * 2^32 - 1. PERMK_ECRYPTO. CT_ENOMEM. */
CT_MUST_USE ct_status permk_ownership_create(permk_ownership **out, permk_rule rule, uint32_t n,
                                             size_t d,
                                             const unsigned char key[PERMK_OWNERSHIP_KEY_BYTES],
                                             ct_diag *diag);
/* Wipes the key; NULL is allowed. */
void permk_ownership_destroy(permk_ownership *ownership);

/* Draw the map of a round. O(1) for the rotation rule, O(d) for the permutation rule, an eighth of
 * that for lines, O(n) where n > d. */
CT_MUST_USE ct_status permk_ownership_draw(permk_ownership *ownership, uint64_t round,
                                           ct_diag *diag);
/* The block of client i < n in the round drawn last. */
permk_block permk_ownership_block(const permk_ownership *ownership, uint32_t client);
/* The largest block length any client has in any round: d / n rounded up, or whole lines of which
 * that is true. Messages are padded to it so that lengths say nothing about the map. */
size_t permk_ownership_max_length(const permk_ownership *ownership);

/* The key that belongs to a public number: SHA-256 of a label and the seed. Anyone who knows the
 * seed knows the maps. */
CT_MUST_USE ct_status permk_ownership_key_from_seed(unsigned char key[PERMK_OWNERSHIP_KEY_BYTES],
                                                    uint64_t seed);

#ifdef __cplusplus
}
#endif
#endif
