// SPDX-License-Identifier: MIT
/* Whatever the server sends: the first byte chooses sender, kind and cipher, the rest is the
 * message. Without the key nothing verifies, and nothing that was not verified comes out. */
#include <permk_aes/session.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS = 3, COUNT = 5 };

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
    opt.dimension = CLIENTS * COUNT;
    opt.self = 0;
    opt.nonces = nonces;
    if (permk_session_create(&session, &opt, NULL) != CT_OK)
        abort();
    permk_key_destroy(key);
    return session;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    permk_cipher cipher = (permk_cipher)(1 + (data[0] >> 4) % 3);
    permk_kind kind = (data[0] & 8) != 0 ? PERMK_KIND_STOP : PERMK_KIND_BLOCK;
    double values[COUNT];
    memset(values, 0x55, sizeof values);
    ct_diag diag = {""};
    permk_session *session = create(cipher);
    ct_status status =
        permk_session_open(session, data[0] & 7, kind, data + 1, size - 1, values, COUNT, &diag);
    if (status == CT_OK && permk_cipher_is_safe(cipher))
        abort();
    for (size_t k = 0; k < COUNT && status != CT_OK; k++)
        if (values[k] != 0)
            abort();
    permk_session_destroy(session);
    return 0;
}
