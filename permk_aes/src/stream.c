// SPDX-License-Identifier: MIT
/* AES-256-CTR as a generator of random numbers; bounded integers by rejection (Lemire, "Fast Random
 * Integer Generation in an Interval", 2019). */
#include "stream.h"

#include <openssl/crypto.h>
#include <string.h>

ct_status permk__stream_init(permk__stream *stream, const unsigned char key[32])
{
    memset(stream, 0, sizeof *stream);
    stream->used = sizeof stream->buffer;
    stream->cipher = EVP_CIPHER_CTX_new();
    if (stream->cipher == NULL)
        return CT_ENOMEM;
    if (EVP_EncryptInit_ex(stream->cipher, EVP_aes_256_ctr(), NULL, key, NULL) != 1)
        stream->status = PERMK_ECRYPTO;
    return stream->status;
}

void permk__stream_clear(permk__stream *stream)
{
    EVP_CIPHER_CTX_free(stream->cipher); // wipes the key schedule
    OPENSSL_cleanse(stream, sizeof *stream);
}

void permk__stream_begin(permk__stream *stream, uint64_t round)
{
    unsigned char counter[16] = {0};
    for (int i = 0; i < 8; i++)
        counter[i] = (unsigned char)(round >> (56 - 8 * i));
    if (EVP_EncryptInit_ex(stream->cipher, NULL, NULL, NULL, counter) != 1)
        stream->status = PERMK_ECRYPTO;
    stream->used = sizeof stream->buffer;
}

static void refill(permk__stream *stream)
{
    int n = 0;
    memset(stream->buffer, 0, sizeof stream->buffer);
    if (EVP_EncryptUpdate(stream->cipher, stream->buffer, &n, stream->buffer,
                          (int)sizeof stream->buffer) != 1) {
        stream->status = PERMK_ECRYPTO;
        memset(stream->buffer, 0, sizeof stream->buffer);
    }
    stream->used = 0;
}

uint32_t permk__stream_u32(permk__stream *stream)
{
    if (stream->used + 4 > sizeof stream->buffer)
        refill(stream);
    const unsigned char *p = stream->buffer + stream->used;
    stream->used += 4;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t permk__stream_below(permk__stream *stream, uint32_t n)
{
    uint64_t product = (uint64_t)permk__stream_u32(stream) * n;
    if ((uint32_t)product < n) {
        uint32_t threshold = (0U - n) % n; // 2^32 mod n
        // a failed stream yields zeros for ever: leave instead of waiting for a better number
        while ((uint32_t)product < threshold && stream->status == CT_OK)
            product = (uint64_t)permk__stream_u32(stream) * n;
    }
    return (uint32_t)(product >> 32);
}
