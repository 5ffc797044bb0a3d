// SPDX-License-Identifier: MIT
/* One key of one cipher, kept ready in an EVP context, and HKDF-SHA-256 (RFC 5869): the only places
 * where this library calls a cipher or derives a key. */
#ifndef PERMK_AES_AEAD_H
#define PERMK_AES_AEAD_H

#include "gcm.h"

#include <openssl/evp.h>
#include <permk_aes/session.h>

#define PERMK__IV_BYTES  16 // GCM uses the first 12; CTR takes all as its first counter block
#define PERMK__TAG_BYTES 16

typedef struct permk__aead {
    permk__gcm *gcm;         // for GCM, where the processor has what it needs
    EVP_CIPHER_CTX *context; // else; NULL for plaintext
    permk_cipher cipher;
} permk__aead;

/* Bytes of a key: 16, 32, 16, 0. */
size_t permk__cipher_key_bytes(permk_cipher cipher);

CT_MUST_USE ct_status permk__aead_init(permk__aead *aead, permk_cipher cipher,
                                       const unsigned char *key, bool encrypt);
/* Wipes the key; copes with a zeroed struct. */
void permk__aead_clear(permk__aead *aead);

/* out = ciphertext (size) || tag (16 for GCM). CTR and plaintext take no account of aad. in == out
 * is allowed. */
CT_MUST_USE ct_status permk__aead_seal(permk__aead *aead, const unsigned char iv[PERMK__IV_BYTES],
                                       const void *aad, size_t aad_size, const void *in,
                                       size_t size, unsigned char *out);
/* in = ciphertext (size) || tag. PERMK_EAUTH: the tag is wrong; out (size) is then zero. */
CT_MUST_USE ct_status permk__aead_open(permk__aead *aead, const unsigned char iv[PERMK__IV_BYTES],
                                       const void *aad, size_t aad_size, const unsigned char *in,
                                       size_t size, void *out);

CT_MUST_USE ct_status permk__hkdf_extract(unsigned char prk[32], const void *salt, size_t salt_size,
                                          const void *secret, size_t secret_size);
CT_MUST_USE ct_status permk__hkdf_expand(void *out, size_t out_size, const unsigned char prk[32],
                                         const void *info, size_t info_size);

#endif
