// SPDX-License-Identifier: MIT
/* A session from the inside: what it keeps, and what its three files do for one another.
 *
 *   session.c         sealing, opening, rounds
 *   session_keys.c    the key schedule and its ratchet
 *   session_format.c  bytes that go into nonces, associated data, signatures and the transcript */
#ifndef PERMK_AES_SESSION_PRIVATE_H
#define PERMK_AES_SESSION_PRIVATE_H

#include "aead.h"

#include <permk_aes/session.h>

#define PERMK__HASH_BYTES       32
#define PERMK__SESSION_ID_BYTES 16
#define PERMK__SALT_BYTES       12 // of a sender's nonces
#define PERMK__AAD_BYTES        128
#define PERMK__CHUNKS_MAX       ((uint32_t)1 << 28)

/* A message in this round, as far as its chunks are here. */
typedef struct permk__message {
    uint32_t chunks;        // so far; UINT32_MAX: sealing failed, nothing can follow
    bool complete;          // the last is here
    uint64_t bytes, blocks; // of the sealed chunks
    unsigned char digest[PERMK__TAG_BYTES];
} permk__message;

typedef struct permk__sender {
    permk__aead seal, open; // those this session needs
    unsigned char salt[PERMK__SALT_BYTES];
    bool ready;             // key and salt of this epoch are derived
    uint64_t parts, blocks; // use of the key in this epoch
    // the same of complete messages alone, on which all members agree: when to replace the keys
    uint64_t agreed_parts, agreed_blocks;
    unsigned failures;
    permk__message sealed[PERMK_KINDS], opened[PERMK_KINDS]; // by kind
} permk__sender;

struct permk_session {
    permk_cipher cipher;
    permk_rule rule;
    uint32_t clients, self;
    uint64_t dimension, round;
    uint32_t epoch;
    uint64_t epoch_rounds; // ended in this epoch
    permk_limits limits;
    const permk_identity *identity; // NULL: not signed, or nothing is sealed here
    const permk_roster *roster;     // NULL: not signed
    EVP_MD_CTX *hash; // SHA-256, kept: SHA256() would look it up and allocate each time
    unsigned char secret[PERMK__HASH_BYTES];
    unsigned char ownership_key[PERMK_OWNERSHIP_KEY_BYTES];
    unsigned char id[PERMK__SESSION_ID_BYTES];
    unsigned char transcript[PERMK__HASH_BYTES];
    unsigned char aad[PERMK__AAD_BYTES]; // of this round; each part writes its own fields
    char key_id[16];
    permk__sender *senders; // (n)
};

/* Is every sender's message sealed and opened here? */
static inline bool permk__simulates(const permk_session *s)
{
    return s->self == PERMK_EVERY_SENDER;
}

/* A sender's message as it goes into the transcript. */
static inline const permk__message *permk__accepted(const permk_session *s, uint32_t from,
                                                    permk_kind kind)
{
    const permk__sender *sender = &s->senders[from];
    return from == s->self ? &sender->sealed[kind] : &sender->opened[kind];
}

/* ---- session_keys.c ---- */

CT_MUST_USE ct_status permk__session_derive(permk_session *s, const permk_session_options *opt);
/* Key and salt of a sender in this epoch, at its first message. */
CT_MUST_USE ct_status permk__session_ready(permk_session *s, uint32_t from);
/* Begin an epoch: the keys before are wiped, and cannot be computed from those that follow. */
CT_MUST_USE ct_status permk__session_ratchet(permk_session *s);
void permk__session_wipe(permk_session *s);

/* ---- session_format.c ---- */

/* The fields of s->aad that are the same for a whole round, and those of one part. */
void permk__aad_begin_round(permk_session *s);
void permk__aad_set_part(permk_session *s, uint32_t from, const permk_part *part);
void permk__nonce(unsigned char nonce[PERMK__IV_BYTES], const permk_session *s, uint32_t from,
                  const permk_part *part);
/* What is signed: label, associated data, and the sealed bytes (ciphertext and tag). */
CT_MUST_USE ct_status permk__part_digest(permk_session *s, unsigned char digest[PERMK__HASH_BYTES],
                                         const void *sealed, size_t size);
/* Take a chunk into its message. digest (16) stands for the chunk; NULL: zeros. */
CT_MUST_USE ct_status permk__message_extend(permk_session *s, permk__message *message,
                                            const permk_part *part, size_t sealed_bytes,
                                            uint64_t blocks, const unsigned char *digest);
CT_MUST_USE ct_status permk__transcript_extend(permk_session *s);

typedef struct permk__piece {
    const void *data;
    size_t size;
} permk__piece;
/* SHA-256 of n pieces, one after the other. */
CT_MUST_USE ct_status permk__sha256(permk_session *s, unsigned char hash[PERMK__HASH_BYTES],
                                    const permk__piece *pieces, size_t n);

#endif
