// SPDX-License-Identifier: MIT
/* AES-GCM, AES-CTR and HKDF through OpenSSL's EVP interface; AES-GCM by gcm.h where that is faster.
 * The key stays in its context from message to message; only the 12-byte nonce is set again, which
 * halves the cost of a short one. Tags go by OSSL_PARAM: EVP_CIPHER_CTX_ctrl would first translate
 * to it. */
#include "aead.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

// EVP lengths are int: longer data goes in parts that are multiples of the AES block
#define PART_BYTES ((size_t)1 << 30)

const char *permk_cipher_name(permk_cipher cipher)
{
    switch (cipher) {
    case PERMK_AES_128_GCM:
        return "aes-128-gcm";
    case PERMK_AES_256_GCM:
        return "aes-256-gcm";
    case PERMK_AES_128_CTR:
        return "aes-128-ctr";
    case PERMK_PLAINTEXT:
        return "none";
    }
    return "unknown";
}

bool permk_cipher_from_name(permk_cipher *out, const char *name)
{
    for (permk_cipher cipher = PERMK_AES_128_GCM; cipher <= PERMK_PLAINTEXT; cipher++) {
        if (strcmp(permk_cipher_name(cipher), name) == 0) {
            *out = cipher;
            return true;
        }
    }
    return false;
}

bool permk_cipher_is_safe(permk_cipher cipher)
{
    return cipher == PERMK_AES_128_GCM || cipher == PERMK_AES_256_GCM;
}

size_t permk_cipher_tag_bytes(permk_cipher cipher)
{
    return permk_cipher_is_safe(cipher) ? PERMK__TAG_BYTES : 0;
}

size_t permk__cipher_key_bytes(permk_cipher cipher)
{
    if (cipher == PERMK_PLAINTEXT)
        return 0;
    return cipher == PERMK_AES_256_GCM ? 32 : 16;
}

ct_status permk__aead_init(permk__aead *aead, permk_cipher cipher, const unsigned char *key,
                           bool encrypt)
{
    *aead = (permk__aead){.cipher = cipher};
    if (permk_cipher_is_safe(cipher) && permk__gcm_available()) {
        aead->gcm = permk__gcm_create(key, permk__cipher_key_bytes(cipher));
        return aead->gcm != NULL ? CT_OK : CT_ENOMEM;
    }
    const EVP_CIPHER *evp = NULL;
    switch (cipher) {
    case PERMK_AES_128_GCM:
        evp = EVP_aes_128_gcm();
        break;
    case PERMK_AES_256_GCM:
        evp = EVP_aes_256_gcm();
        break;
    case PERMK_AES_128_CTR:
        evp = EVP_aes_128_ctr();
        break;
    case PERMK_PLAINTEXT:
        return CT_OK;
    }
    if (evp == NULL)
        return CT_EINVALID;
    aead->context = EVP_CIPHER_CTX_new();
    if (aead->context == NULL)
        return CT_ENOMEM;
    if (EVP_CipherInit_ex(aead->context, evp, NULL, key, NULL, encrypt ? 1 : 0) == 1)
        return CT_OK;
    permk__aead_clear(aead);
    return PERMK_ECRYPTO;
}

void permk__aead_clear(permk__aead *aead)
{
    permk__gcm_destroy(aead->gcm);
    EVP_CIPHER_CTX_free(aead->context); // wipes the key schedule
    aead->gcm = NULL;
    aead->context = NULL;
}

/* Set the nonce and take in the associated data. */
static bool begin(permk__aead *aead, const unsigned char iv[PERMK__IV_BYTES], const void *aad,
                  size_t aad_size)
{
    if (EVP_CipherInit_ex(aead->context, NULL, NULL, NULL, iv, -1) != 1)
        return false;
    if (aead->cipher == PERMK_AES_128_CTR || aad_size == 0)
        return true;
    int n = 0;
    return EVP_CipherUpdate(aead->context, NULL, &n, aad, (int)aad_size) == 1;
}

static bool transform(permk__aead *aead, const unsigned char *in, size_t size, unsigned char *out)
{
    while (size > 0) {
        size_t part = size < PART_BYTES ? size : PART_BYTES;
        int n = 0;
        if (EVP_CipherUpdate(aead->context, out, &n, in, (int)part) != 1 || (size_t)n != part)
            return false;
        in += part;
        out += part;
        size -= part;
    }
    return true;
}

ct_status permk__aead_seal(permk__aead *aead, const unsigned char iv[PERMK__IV_BYTES],
                           const void *aad, size_t aad_size, const void *in, size_t size,
                           unsigned char *out)
{
    if (aead->cipher == PERMK_PLAINTEXT) {
        memmove(out, in, size);
        return CT_OK;
    }
    if (aead->gcm != NULL) {
        permk__gcm_seal(aead->gcm, iv, aad, aad_size, in, size, out, out + size);
        return CT_OK;
    }
    if (!begin(aead, iv, aad, aad_size) || !transform(aead, in, size, out))
        return PERMK_ECRYPTO;
    if (!permk_cipher_is_safe(aead->cipher))
        return CT_OK;
    int n = 0;
    unsigned char rest[16];
    OSSL_PARAM tag[] = {
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, out + size, PERMK__TAG_BYTES),
        OSSL_PARAM_END};
    bool ok = EVP_CipherFinal_ex(aead->context, rest, &n) == 1 &&
              EVP_CIPHER_CTX_get_params(aead->context, tag) == 1;
    return ok ? CT_OK : PERMK_ECRYPTO;
}

/* As permk__aead_open, but what could not be verified is in out. */
static ct_status open_by_evp(permk__aead *aead, const unsigned char *iv, const void *aad,
                             size_t aad_size, const unsigned char *in, size_t size, void *out)
{
    unsigned char tag[PERMK__TAG_BYTES], rest[16];
    int n = 0;
    bool safe = permk_cipher_is_safe(aead->cipher);
    if (safe) // EVP wants it writable
        memcpy(tag, in + size, sizeof tag);
    OSSL_PARAM expected[] = {
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, PERMK__TAG_BYTES), OSSL_PARAM_END};
    if (!begin(aead, iv, aad, aad_size) || !transform(aead, in, size, out))
        return PERMK_ECRYPTO;
    if (!safe)
        return CT_OK;
    bool ok = EVP_CIPHER_CTX_set_params(aead->context, expected) == 1 &&
              EVP_CipherFinal_ex(aead->context, rest, &n) == 1;
    return ok ? CT_OK : PERMK_EAUTH;
}

static ct_status open_by_vectors(const permk__gcm *gcm, const unsigned char *iv, const void *aad,
                                 size_t aad_size, const unsigned char *in, size_t size, void *out)
{
    bool ok = permk__gcm_open(gcm, iv, aad, aad_size, in, size, out, in + size);
    return ok ? CT_OK : PERMK_EAUTH;
}

ct_status permk__aead_open(permk__aead *aead, const unsigned char iv[PERMK__IV_BYTES],
                           const void *aad, size_t aad_size, const unsigned char *in, size_t size,
                           void *out)
{
    if (aead->cipher == PERMK_PLAINTEXT) {
        memmove(out, in, size);
        return CT_OK;
    }
    ct_status status = aead->gcm != NULL
                           ? open_by_vectors(aead->gcm, iv, aad, aad_size, in, size, out)
                           : open_by_evp(aead, iv, aad, aad_size, in, size, out);
    if (status != CT_OK)
        OPENSSL_cleanse(out, size); // nothing unverified leaves
    return status;
}

static ct_status hkdf(int mode, void *out, size_t out_size, OSSL_PARAM *inputs)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    EVP_KDF_free(kdf);
    if (context == NULL)
        return PERMK_ECRYPTO;
    char digest[] = "SHA256";
    OSSL_PARAM fixed[] = {OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
                          OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                          OSSL_PARAM_construct_end()};
    bool ok = EVP_KDF_CTX_set_params(context, fixed) == 1 &&
              EVP_KDF_derive(context, out, out_size, inputs) == 1;
    EVP_KDF_CTX_free(context);
    return ok ? CT_OK : PERMK_ECRYPTO;
}

/* OSSL_PARAM holds pointers to non-const although inputs are only read. */
static OSSL_PARAM input(const char *name, const void *data, size_t size)
{
    union {
        const void *read;
        void *write;
    } pointer = {.read = data};
    return OSSL_PARAM_construct_octet_string(name, pointer.write, size);
}

ct_status permk__hkdf_extract(unsigned char prk[32], const void *salt, size_t salt_size,
                              const void *secret, size_t secret_size)
{
    // RFC 5869: no salt means one of 32 zeros, which HMAC pads to the same key as an empty one
    OSSL_PARAM inputs[] = {input(OSSL_KDF_PARAM_KEY, secret, secret_size),
                           input(OSSL_KDF_PARAM_SALT, salt_size > 0 ? salt : "", salt_size),
                           OSSL_PARAM_construct_end()};
    return hkdf(EVP_KDF_HKDF_MODE_EXTRACT_ONLY, prk, 32, inputs);
}

ct_status permk__hkdf_expand(void *out, size_t out_size, const unsigned char prk[32],
                             const void *info, size_t info_size)
{
    OSSL_PARAM inputs[] = {input(OSSL_KDF_PARAM_KEY, prk, 32),
                           input(OSSL_KDF_PARAM_INFO, info_size > 0 ? info : "", info_size),
                           OSSL_PARAM_construct_end()};
    return hkdf(EVP_KDF_HKDF_MODE_EXPAND_ONLY, out, out_size, inputs);
}
