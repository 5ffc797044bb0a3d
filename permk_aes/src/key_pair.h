// SPDX-License-Identifier: MIT
/* A key pair of Curve25519, to sign with (Ed25519) or to agree upon a key with (X25519): 32 bytes
 * each half, kept in an EVP key. */
#ifndef PERMK_AES_KEY_PAIR_H
#define PERMK_AES_KEY_PAIR_H

#include <ctrain/status.h>
#include <openssl/evp.h>

#define PERMK__PAIR_BYTES 32

typedef struct permk__key_pair {
    EVP_PKEY *key;
    unsigned char public_key[PERMK__PAIR_BYTES];
} permk__key_pair;

/* type: EVP_PKEY_ED25519 or EVP_PKEY_X25519. PERMK_ECRYPTO. */
CT_MUST_USE ct_status permk__key_pair_init(permk__key_pair *pair, int type,
                                           const unsigned char secret[PERMK__PAIR_BYTES]);
/* Wipes the secret half; copes with a zeroed struct. */
void permk__key_pair_clear(permk__key_pair *pair);

#endif
