// SPDX-License-Identifier: MIT
/* The part of AES-GCM that needs the instructions, for gcm.c alone. */
#ifndef PERMK_AES_GCM_KERNELS_H
#define PERMK_AES_GCM_KERNELS_H

#include "gcm.h"

#include <stdint.h>

enum { PERMK__GCM_POWERS = 16, PERMK__GCM_PADDING = 15 };

/* A key: round keys, and powers of the hash key H, highest first, each multiplied by y as
 * gcm_vaes.c explains; zeros follow, so that sixteen can be loaded from any power on. */
struct permk__gcm {
    unsigned char round_key[15][16];
    unsigned rounds; // 10, 14
    unsigned char power[PERMK__GCM_POWERS + PERMK__GCM_PADDING][16];
};

void permk__gcm_vaes_init(permk__gcm *gcm, const unsigned char *key, size_t key_bytes);
/* Encrypt or decrypt, and the tag of the ciphertext. */
void permk__gcm_vaes_run(const permk__gcm *gcm, bool encrypt, const unsigned char *nonce,
                         const unsigned char *aad, size_t aad_size, const unsigned char *in,
                         size_t size, unsigned char *out, unsigned char *tag);

#endif
