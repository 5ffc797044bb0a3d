// SPDX-License-Identifier: MIT
/* Key pairs of Curve25519 by OpenSSL, which wipes the secret half when it frees one. */
#include "key_pair.h"

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

void permk__key_pair_clear(permk__key_pair *pair)
{
    EVP_PKEY_free(pair->key);
    pair->key = NULL;
}
