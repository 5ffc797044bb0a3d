// SPDX-License-Identifier: MIT
/* Random numbers an adversary without the key cannot guess: the AES-256-CTR key stream, one stream
 * a round, counter block = round (8 bytes, big-endian) || block number (8 bytes). */
#ifndef PERMK_AES_STREAM_H
#define PERMK_AES_STREAM_H

#include <ctrain/status.h>
#include <openssl/evp.h>
#include <stdint.h>

#define PERMK__STREAM_BUFFER_BYTES 1024

typedef struct permk__stream {
    EVP_CIPHER_CTX *cipher;
    unsigned char buffer[PERMK__STREAM_BUFFER_BYTES];
    size_t used;      // of buffer
    ct_status status; // sticky: numbers after a failure are zero and must not be used
} permk__stream;

CT_MUST_USE ct_status permk__stream_init(permk__stream *stream, const unsigned char key[32]);
void permk__stream_clear(permk__stream *stream);
/* Begin the stream of a round; failures show in stream->status. */
void permk__stream_begin(permk__stream *stream, uint64_t round);
uint32_t permk__stream_u32(permk__stream *stream);
/* Uniform on {0, …, n-1}, n >= 1, without bias. */
uint32_t permk__stream_below(permk__stream *stream, uint32_t n);

#endif
