// SPDX-License-Identifier: MIT
/* The secret a group of clients shares, and the text file that carries it from one to the other.
 *
 * 32 random bytes, never made from a passphrase. Whoever has the file can read and forge every
 * client's messages (README.md, "Who must trust whom"); the server must not have it. */
#ifndef PERMK_AES_KEY_H
#define PERMK_AES_KEY_H

#include <ctrain/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PERMK_KEY_BYTES 32

typedef struct permk_key permk_key;

/* Draw a new key from the operating system's generator. On failure *out is NULL. PERMK_ECRYPTO,
 * CT_ENOMEM. */
CT_MUST_USE ct_status permk_key_generate(permk_key **out, ct_diag *diag);
/* A key held elsewhere (a key store); bytes are copied. */
CT_MUST_USE ct_status permk_key_from_bytes(permk_key **out,
                                           const unsigned char bytes[PERMK_KEY_BYTES],
                                           ct_diag *diag);
/* Wipe and free; NULL is allowed. */
void permk_key_destroy(permk_key *key);

/* 16 hexadecimal digits that tell keys apart and reveal nothing of them; owned by key. */
const char *permk_key_id(const permk_key *key);

/* Write the key to a new file of mode 0600. PERMK_EKEY: the file exists; it is never overwritten.
 * CT_ENOTFOUND (no such folder), CT_EIO. diag: "path: reason". */
CT_MUST_USE ct_status permk_key_write(const permk_key *key, const char *path, ct_diag *diag);
/* Read a key file. CT_ENOTFOUND: no such file. CT_EIO. PERMK_EKEY: others than its owner may read
 * or write it, it is no regular file, or its text is not exactly as written (short, altered,
 * another version); diag says which. */
CT_MUST_USE ct_status permk_key_read(permk_key **out, const char *path, ct_diag *diag);
/* The same from the text of such a file; name stands in diag where a path would. */
CT_MUST_USE ct_status permk_key_parse(permk_key **out, const char *text, size_t size,
                                      const char *name, ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
