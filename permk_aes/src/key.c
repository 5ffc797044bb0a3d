// SPDX-License-Identifier: MIT
/* The group's key: 32 random bytes, and an id derived from them that reveals nothing. Its file is
 * that of secret_file.h, with the id as the line that may be shown. */
#include "key_private.h"

#include "aead.h"
#include "hex.h"
#include "secret_file.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define KEY_ID_DIGITS 16

static const permk__secret_form key_form = {.kind = "permk-key",
                                            .name = "a key file",
                                            .maker = "permk-train keygen",
                                            .shown = "id",
                                            .shown_digits = KEY_ID_DIGITS,
                                            .secret = "key"};

struct permk_key {
    unsigned char bytes[PERMK_KEY_BYTES];
    char id[KEY_ID_DIGITS + 1];
};

const unsigned char *permk__key_bytes(const permk_key *key)
{
    return key->bytes;
}

const char *permk_key_id(const permk_key *key)
{
    return key->id;
}

ct_status permk_random_bytes(void *out, size_t size, ct_diag *diag)
{
    if (size > INT32_MAX || RAND_priv_bytes(out, (int)size) != 1)
        return ct_fail(diag, PERMK_ECRYPTO, "no random bytes from the operating system");
    return CT_OK;
}

ct_status permk_key_from_bytes(permk_key **out, const unsigned char bytes[PERMK_KEY_BYTES],
                               ct_diag *diag)
{
    *out = NULL;
    static const char label[] = "permk 1 key id";
    unsigned char prk[32], id[KEY_ID_DIGITS / 2];
    permk_key *key = calloc(1, sizeof *key);
    if (key == NULL)
        return ct_fail(diag, CT_ENOMEM, "key: out of memory");
    memcpy(key->bytes, bytes, PERMK_KEY_BYTES);
    ct_status status = permk__hkdf_extract(prk, NULL, 0, bytes, PERMK_KEY_BYTES);
    if (status == CT_OK)
        status = permk__hkdf_expand(id, sizeof id, prk, label, sizeof label - 1);
    OPENSSL_cleanse(prk, sizeof prk);
    if (status != CT_OK) {
        permk_key_destroy(key);
        return ct_fail(diag, status, "key: HKDF failed");
    }
    permk__to_hex(key->id, id, sizeof id);
    *out = key;
    return CT_OK;
}

ct_status permk_key_generate(permk_key **out, ct_diag *diag)
{
    *out = NULL;
    unsigned char bytes[PERMK_KEY_BYTES];
    CT_TRY(permk_random_bytes(bytes, sizeof bytes, diag));
    ct_status status = permk_key_from_bytes(out, bytes, diag);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return status;
}

void permk_key_destroy(permk_key *key)
{
    if (key == NULL)
        return;
    OPENSSL_cleanse(key, sizeof *key);
    free(key);
}

/* ---- The file ---- */

ct_status permk_key_write(const permk_key *key, const char *path, ct_diag *diag)
{
    return permk__secret_file_write(&key_form, key->id, key->bytes, path, diag);
}

ct_status permk_key_parse(permk_key **out, const char *text, size_t size, const char *name,
                          ct_diag *diag)
{
    *out = NULL;
    unsigned char bytes[PERMK_KEY_BYTES];
    char id[KEY_ID_DIGITS + 1];
    ct_status status = permk__secret_file_parse(&key_form, text, size, name, id, bytes, diag);
    if (status == CT_OK)
        status = permk_key_from_bytes(out, bytes, diag);
    OPENSSL_cleanse(bytes, sizeof bytes);
    if (status != CT_OK || strcmp((*out)->id, id) == 0)
        return status;
    permk_key_destroy(*out);
    *out = NULL;
    return permk__secret_file_altered(&key_form, name, diag);
}

ct_status permk_key_read(permk_key **out, const char *path, ct_diag *diag)
{
    *out = NULL;
    char text[PERMK__SECRET_FILE_BYTES];
    size_t size = 0;
    ct_status status = permk__secret_file_read(path, text, &size, diag);
    if (status == CT_OK)
        status = permk_key_parse(out, text, size, path, diag);
    OPENSSL_cleanse(text, sizeof text);
    return status;
}
