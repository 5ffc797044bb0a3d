// SPDX-License-Identifier: MIT
/* The compressors one by one: what codec.c puts together. */
#ifndef PERMK_AES_CODEC_PRIVATE_H
#define PERMK_AES_CODEC_PRIVATE_H

#include "codec.h"

#include <ctrain/rng.h>

/* Room for the positions of RandK and TopK; codec->room stays NULL for the others. */
CT_MUST_USE ct_status permk__room_create(permk__codec *codec);
void permk__room_destroy(permk__codec_room *room); // NULL is allowed

/* RandK: the k positions of a client in this round, ascending, every subset equally likely. */
permk_block permk__choose_random(permk__codec *codec, uint32_t client);
/* TopK: those of the k largest magnitudes of v, ascending; of equal ones the first, zeros if there
 * is nothing else. */
permk_block permk__choose_largest(permk__codec *codec, const double *v);

/* TopK's positions at the front of a payload; both return what follows them. NULL from read: they
 * do not ascend, or are not below d. */
unsigned char *permk__positions_write(const permk_block *block, unsigned char *payload);
const unsigned char *permk__positions_read(permk__codec *codec, const unsigned char *payload,
                                           permk_block *block);

/* Natural: bytes of d entries; entries out and in. False from add: one is infinite. */
size_t permk__natural_bytes(size_t d);
void permk__natural_encode(const permk__codec *codec, uint32_t client, const double *v,
                           unsigned char *payload);
CT_MUST_USE bool permk__natural_add(const unsigned char *payload, size_t d, double factor,
                                    double *out);

/* The random numbers of a client in this round. */
void permk__codec_stream(const permk__codec *codec, uint32_t client, ct_rng *rng);

#endif
