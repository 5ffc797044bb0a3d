// SPDX-License-Identifier: MIT
/* Whatever the server sends: the first byte chooses the cipher, then come parts, each with four
 * bytes of what the receiver expects (sender, kind, last and a new round; chunk; value type;
 * length) and the message. Without the key nothing verifies, and nothing that was not verified
 * comes out; with a cipher that does not authenticate, chunks are still taken in order. */
#include <permk_aes/session.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS = 3, BYTES = 24, HEADER = 4 };

static permk_session *create(permk_cipher cipher)
{
    static const unsigned char bytes[PERMK_KEY_BYTES] = {1, 2, 3};
    static const unsigned char nonces[CLIENTS * PERMK_NONCE_BYTES] = {4, 5, 6};
    permk_key *key = NULL;
    permk_session *session = NULL;
    if (permk_key_from_bytes(&key, bytes, NULL) != CT_OK)
        abort();
    permk_session_options opt = permk_session_options_default();
    opt.key = key;
    opt.cipher = cipher;
    opt.clients = CLIENTS;
    opt.dimension = CLIENTS * BYTES;
    opt.self = 0;
    opt.nonces = nonces;
    opt.limits = (permk_limits){.messages = 6, .rounds = 3, .blocks = 50};
    if (permk_session_create(&session, &opt, NULL) != CT_OK)
        abort();
    permk_key_destroy(key);
    return session;
}

static void open_one(permk_session *session, permk_cipher cipher, const uint8_t *header,
                     const uint8_t *message, size_t size)
{
    uint32_t sender = header[0] & 7;
    permk_part part = {.kind = (permk_kind)(header[0] >> 3 & 7),
                       .last = (header[0] & 64) != 0,
                       .chunk = header[1],
                       .value = (permk_value)header[2],
                       .count = 3};
    unsigned char plain[BYTES], zeros[BYTES] = {0};
    ct_diag diag = {""};
    memset(plain, 0x55, sizeof plain);
    ct_status status =
        permk_session_open(session, sender, &part, message, size, plain, BYTES, &diag);
    if (status == CT_OK && permk_cipher_is_safe(cipher))
        abort();
    if (status != CT_OK && (memcmp(plain, zeros, BYTES) != 0 || diag.text[0] == '\0'))
        abort();
    if (status == CT_OK && permk_session_complete(session, sender, part.kind) != part.last)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    permk_cipher cipher = (permk_cipher)(1 + data[0] % 4);
    permk_session *session = create(cipher);
    for (size_t at = 1; at + HEADER <= size;) {
        const uint8_t *header = data + at;
        size_t left = size - at - HEADER, length = header[3] < left ? header[3] : left;
        if ((header[0] & 128) != 0 && permk_session_end_round(session, NULL) != CT_OK)
            abort();
        open_one(session, cipher, header, header + HEADER, length);
        at += HEADER + length;
    }
    permk_session_destroy(session);
    return 0;
}
