// SPDX-License-Identifier: MIT
/* What a compressor makes of a client's vector: a payload of fixed length, and back.
 *
 *     PermK      the block's entries, padded with zeros to the longest block of any round
 *     RandK      the entries at k positions that everybody draws: no positions are sent
 *     TopK       k positions (u32, ascending), then the k entries; of equal ones the first
 *     Natural    12 bits an entry, sign and exponent: two in three bytes, the first in the low bits
 *     Identity   all entries
 *
 * Numbers are little-endian, entries of the type of value.h (Natural's have none). */
#ifndef PERMK_AES_CODEC_H
#define PERMK_AES_CODEC_H

#include <permk_aes/train.h>

typedef struct permk__codec_room permk__codec_room;

/* C_i(v) = factor r_i, r_i being the raw entries that are sent: 1 + omega for PermK (but see
 * permk__codec_factor) and RandK, 1 for the others. */
typedef struct permk__codec {
    permk_compressor compressor;
    permk_value value;
    uint32_t n;
    size_t d, k;
    uint64_t seed;
    double scale;         // the factor, where it is that of all clients
    double omega;         // of unbiased compressors; TopK: NaN. PermK: min(n, d) - 1, and a little
                          // more where n > d is no multiple of d
    double contraction;   // a in E ||r_i - v||^2 <= (1 - a) ||v||^2
    size_t entries;       // numbers in a payload: ceil(d/n) or lines of that, k, d
    size_t payload_bytes; // of every client in every round
    permk_ownership *owner; // PermK only
    uint64_t round;         // drawn last
    permk__codec_room *room;
} permk__codec;

/* Options as in permk_train_options; ownership_key for PermK. GD: the compressor is Identity. On
 * failure the codec is cleared. CT_EINVALID: k above d, d >= 2^32, an unknown compressor or value
 * type; CT_ENOMEM, PERMK_ECRYPTO. */
CT_MUST_USE ct_status permk__codec_init(permk__codec *codec, const permk_train_options *opt,
                                        uint32_t n, size_t d, const unsigned char ownership_key[32],
                                        ct_diag *diag);
/* Copes with a zeroed struct. */
void permk__codec_clear(permk__codec *codec);
/* Entries and bytes of a payload, without making a codec; options, n and d are those of one. */
size_t permk__codec_entries(const permk_train_options *opt, uint32_t n, size_t d);
size_t permk__codec_payload_bytes(const permk_train_options *opt, uint32_t n, size_t d);

/* Everything below is about this round. */
CT_MUST_USE ct_status permk__codec_draw(permk__codec *codec, uint64_t round, ct_diag *diag);

/* The block of a client (PermK), e.g. to compute no more of a gradient than that. */
permk_block permk__codec_block(const permk__codec *codec, uint32_t client);
/* payload = r_client of v (d); of PermK from the block's entries (length) alone. */
void permk__codec_encode(permk__codec *codec, uint32_t client, const double *v, void *payload);
void permk__codec_encode_block(permk__codec *codec, const permk_block *block, const double *values,
                               void *payload);
/* Where the entries of v can be sent as they lie in memory (PermK with ranges, or Identity; F64;
 * little-endian machine; no padding): the first of them; else NULL. */
const double *permk__codec_in_place(const permk__codec *codec, uint32_t client, const double *v);

/* out (d) += factor r_client. False, and out may be partly changed: a number is not finite, or the
 * positions are not ascending or not below d. */
CT_MUST_USE bool permk__codec_add(permk__codec *codec, uint32_t client, const void *payload,
                                  double factor, double *out);
/* The factor by which r_client becomes C_client(v): scale, or n/owners for PermK (the same for
 * d >= n). */
double permk__codec_factor(const permk__codec *codec, uint32_t client);
/* The factor by which r_client enters the mean of the C_i: 1/owners for PermK, scale / n else. */
double permk__codec_mean_factor(const permk__codec *codec, uint32_t client);

#endif
