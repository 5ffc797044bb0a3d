// SPDX-License-Identifier: MIT
/* A client's Ed25519 key pair (RFC 8032), its file (secret_file.h), and its signatures. */
#include "identity_private.h"

#include "hex.h"
#include "key_pair.h"
#include "secret_file.h"

#include <openssl/crypto.h>
#include <permk_aes/session.h>
#include <stdlib.h>
#include <string.h>

#define PUBLIC_DIGITS (2 * PERMK_PUBLIC_KEY_BYTES)

static const permk__secret_form identity_form = {.kind = "permk-identity",
                                                 .name = "an identity file",
                                                 .maker = "permk-train identity",
                                                 .shown = "public",
                                                 .shown_digits = PUBLIC_DIGITS,
                                                 .secret = "secret"};

/* OpenSSL's way to hand out a secret again leaves an unwiped copy behind. */
struct permk_identity {
    permk__key_pair pair;
    unsigned char secret[PERMK__SECRET_BYTES];
};

ct_status permk__identity_from_secret(permk_identity **out, const unsigned char *secret,
                                      ct_diag *diag)
{
    *out = NULL;
    permk_identity *identity = calloc(1, sizeof *identity);
    if (identity == NULL)
        return ct_fail(diag, CT_ENOMEM, "identity: out of memory");
    memcpy(identity->secret, secret, sizeof identity->secret);
    ct_status status = permk__key_pair_init(&identity->pair, EVP_PKEY_ED25519, secret);
    if (status != CT_OK) {
        permk_identity_destroy(identity);
        return ct_fail(diag, status, "identity: no Ed25519 key pair could be made");
    }
    *out = identity;
    return CT_OK;
}

ct_status permk_identity_generate(permk_identity **out, ct_diag *diag)
{
    *out = NULL;
    unsigned char secret[PERMK__SECRET_BYTES];
    CT_TRY(permk_random_bytes(secret, sizeof secret, diag));
    ct_status status = permk__identity_from_secret(out, secret, diag);
    OPENSSL_cleanse(secret, sizeof secret);
    return status;
}

void permk_identity_destroy(permk_identity *identity)
{
    if (identity == NULL)
        return;
    permk__key_pair_clear(&identity->pair);
    OPENSSL_cleanse(identity->secret, sizeof identity->secret);
    free(identity);
}

const unsigned char *permk_identity_public(const permk_identity *identity)
{
    return identity->pair.public_key;
}

ct_status permk_identity_sign(const permk_identity *identity, const void *message, size_t size,
                              unsigned char *signature)
{
    size_t signature_bytes = PERMK_SIGNATURE_BYTES;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context != NULL &&
              EVP_DigestSignInit(context, NULL, NULL, NULL, identity->pair.key) == 1 &&
              EVP_DigestSign(context, signature, &signature_bytes, message, size) == 1;
    EVP_MD_CTX_free(context);
    return ok ? CT_OK : PERMK_ECRYPTO;
}

/* ---- The file ---- */

ct_status permk_identity_write(const permk_identity *identity, const char *path, ct_diag *diag)
{
    char public_hex[PUBLIC_DIGITS];
    permk__to_hex(public_hex, identity->pair.public_key, PERMK_PUBLIC_KEY_BYTES);
    return permk__secret_file_write(&identity_form, public_hex, identity->secret, path, diag);
}

static bool has_public(const permk_identity *identity, const char *hex)
{
    unsigned char public_key[PERMK_PUBLIC_KEY_BYTES];
    return permk__from_hex(public_key, hex, sizeof public_key) &&
           memcmp(public_key, identity->pair.public_key, sizeof public_key) == 0;
}

ct_status permk_identity_parse(permk_identity **out, const char *text, size_t size,
                               const char *name, ct_diag *diag)
{
    *out = NULL;
    unsigned char secret[PERMK__SECRET_BYTES];
    char public_hex[PUBLIC_DIGITS + 1];
    ct_status status =
        permk__secret_file_parse(&identity_form, text, size, name, public_hex, secret, diag);
    if (status == CT_OK)
        status = permk__identity_from_secret(out, secret, diag);
    OPENSSL_cleanse(secret, sizeof secret);
    if (status != CT_OK || has_public(*out, public_hex))
        return status;
    permk_identity_destroy(*out);
    *out = NULL;
    return permk__secret_file_altered(&identity_form, name, diag);
}

ct_status permk_identity_read(permk_identity **out, const char *path, ct_diag *diag)
{
    *out = NULL;
    char text[PERMK__SECRET_FILE_BYTES];
    size_t size = 0;
    ct_status status = permk__secret_file_read(path, text, &size, diag);
    if (status == CT_OK)
        status = permk_identity_parse(out, text, size, path, diag);
    OPENSSL_cleanse(text, sizeof text);
    return status;
}
