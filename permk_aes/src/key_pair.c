// SPDX-License-Identifier: MIT
/* Key pairs of Curve25519 by OpenSSL, which wipes the secret half when it frees one. */
#include "key_pair.h"

#include <openssl/crypto.h>
#include <permk_aes/session.h>

ct_status permk__key_pair_init(permk__key_pair *pair, int type,
                               const unsigned char secret[PERMK__PAIR_BYTES])
{
    size_t size = sizeof pair->public_key;
    pair->key = EVP_PKEY_new_raw_private_key(type, NULL, secret, PERMK__PAIR_BYTES);
    if (pair->key != NULL && EVP_PKEY_get_raw_public_key(pair->key, pair->public_key, &size) == 1)
        return CT_OK;
    permk__key_pair_clear(pair);
    return PERMK_ECRYPTO;
}

ct_status permk__key_pair_generate(permk__key_pair *pair, int type)
{
    unsigned char secret[PERMK__PAIR_BYTES];
    CT_TRY(permk_random_bytes(secret, sizeof secret, NULL));
    ct_status status = permk__key_pair_init(pair, type, secret);
    OPENSSL_cleanse(secret, sizeof secret);
    return status;
}

void permk__key_pair_clear(permk__key_pair *pair)
{
    EVP_PKEY_free(pair->key);
    pair->key = NULL;
}
