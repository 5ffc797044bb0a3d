// SPDX-License-Identifier: MIT
/* What the library's own files see of a key. */
#ifndef PERMK_AES_SRC_KEY_H
#define PERMK_AES_SRC_KEY_H

#include <permk_aes/key.h>

/* The secret itself (PERMK_KEY_BYTES), for deriving keys; never print or store it. */
const unsigned char *permk__key_bytes(const permk_key *key);

#endif
