// SPDX-License-Identifier: MIT
/* AES-GCM (NIST SP 800-38D) on processors with VAES and VPCLMULQDQ, which OpenSSL makes use of from
 * 3.1 on only: two to three times as fast as 3.0 for long messages, and cheaper to begin for short
 * ones. Nonces of 12 bytes, tags of 16. The time taken depends on sizes alone. */
#ifndef PERMK_AES_GCM_H
#define PERMK_AES_GCM_H

#include <stdbool.h>
#include <stddef.h>

#define PERMK__GCM_NONCE_BYTES 12
#define PERMK__GCM_TAG_BYTES   16

typedef struct permk__gcm permk__gcm;

/* Can this machine run it, and is it not ruled out by CT_SIMD? */
bool permk__gcm_available(void);

/* A key of 16 or 32 bytes, copied. NULL: out of memory. */
permk__gcm *permk__gcm_create(const unsigned char *key, size_t key_bytes);
/* Wipes the key; NULL is allowed. */
void permk__gcm_destroy(permk__gcm *gcm);

/* out (size) = in, encrypted, and its tag. in == out is allowed; size is below 2^36 - 32. */
void permk__gcm_seal(const permk__gcm *gcm, const unsigned char *nonce, const void *aad,
                     size_t aad_size, const unsigned char *in, size_t size, unsigned char *out,
                     unsigned char *tag);
/* out (size) = in, decrypted. False: the tag is wrong, and out must not be used. */
bool permk__gcm_open(const permk__gcm *gcm, const unsigned char *nonce, const void *aad,
                     size_t aad_size, const unsigned char *in, size_t size, unsigned char *out,
                     const unsigned char *tag);

#endif
