// SPDX-License-Identifier: MIT
/* A group key by X25519 (RFC 7748), through a server that must not learn it:
 *
 *   shared   = X25519(own fresh secret, their fresh public key)
 *   key      = HKDF-SHA-256(shared; info = "permk 2 wrap" || transcript || member (4 bytes,
 *              little-endian) || leader's public key || member's public key)
 *   wrapped  = AES-256-GCM(key, nonce 0, group key) || tag
 *
 * The nonce may be zero because the key is used once: the fresh pairs and the transcript are of
 * this run alone, and the leader wraps one group key a run for each member. That the public keys
 * are those of the members, and not the server's, is what the signatures on the hellos say; here
 * they are taken as they come. */
#include "identity_private.h"

#include "aead.h"
#include "key_pair.h"
#include "key_private.h"

#include <ctrain/bytes.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define LABEL      "permk 2 wrap"
#define HASH_BYTES 32
#define INFO_BYTES (sizeof LABEL - 1 + HASH_BYTES + 4 + 2 * PERMK__PAIR_BYTES)

struct permk_agreement {
    permk__key_pair pair;
};

ct_status permk__agreement_from_secret(permk_agreement **out, const unsigned char *secret,
                                       ct_diag *diag)
{
    *out = NULL;
    permk_agreement *agreement = calloc(1, sizeof *agreement);
    if (agreement == NULL)
        return ct_fail(diag, CT_ENOMEM, "key agreement: out of memory");
    ct_status status = permk__key_pair_init(&agreement->pair, EVP_PKEY_X25519, secret);
    if (status != CT_OK) {
        permk_agreement_destroy(agreement);
        return ct_fail(diag, status, "key agreement: no X25519 key pair could be made");
    }
    *out = agreement;
    return CT_OK;
}

ct_status permk_agreement_create(permk_agreement **out, ct_diag *diag)
{
    *out = NULL;
    unsigned char secret[PERMK__PAIR_BYTES];
    CT_TRY(permk_random_bytes(secret, sizeof secret, diag));
    ct_status status = permk__agreement_from_secret(out, secret, diag);
    OPENSSL_cleanse(secret, sizeof secret);
    return status;
}

void permk_agreement_destroy(permk_agreement *agreement)
{
    if (agreement == NULL)
        return;
    permk__key_pair_clear(&agreement->pair);
    free(agreement);
}

const unsigned char *permk_agreement_public(const permk_agreement *agreement)
{
    return agreement->pair.public_key;
}

/* OpenSSL refuses a shared secret of zeros too; RFC 7748, 6.1, leaves it to each of us. */
static bool derive(EVP_PKEY_CTX *context, unsigned char shared[PERMK__PAIR_BYTES])
{
    static const unsigned char zeros[PERMK__PAIR_BYTES];
    size_t size = PERMK__PAIR_BYTES;
    return EVP_PKEY_derive(context, shared, &size) == 1 && size == PERMK__PAIR_BYTES &&
           CRYPTO_memcmp(shared, zeros, sizeof zeros) != 0;
}

ct_status permk__agreement_shared(const permk_agreement *agreement,
                                  const unsigned char *their_public, unsigned char shared[32])
{
    EVP_PKEY *theirs =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, their_public, PERMK__PAIR_BYTES);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(agreement->pair.key, NULL);
    ct_status status = PERMK_ECRYPTO;
    if (theirs != NULL && context != NULL && EVP_PKEY_derive_init(context) == 1 &&
        EVP_PKEY_derive_set_peer(context, theirs) == 1)
        status = derive(context, shared) ? CT_OK : PERMK_EAUTH;
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(theirs);
    if (status != CT_OK)
        OPENSSL_cleanse(shared, PERMK__PAIR_BYTES);
    return status;
}

/* The two ends of one wrapping, of which `own` is one. */
typedef struct ends {
    const permk_agreement *own;
    const unsigned char *theirs, *leader, *member; // public keys
    uint32_t number;                               // the member's
    const unsigned char *transcript;
} ends;

static ct_status wrapping_key(const ends *between, unsigned char key[32])
{
    unsigned char info[INFO_BYTES], shared[PERMK__PAIR_BYTES], prk[HASH_BYTES];
    CT_TRY(permk__agreement_shared(between->own, between->theirs, shared));
    ct_writer w = ct_writer_view(info, sizeof info);
    ct_write_bytes(&w, LABEL, sizeof LABEL - 1);
    ct_write_bytes(&w, between->transcript, HASH_BYTES);
    ct_write_u32(&w, between->number);
    ct_write_bytes(&w, between->leader, PERMK__PAIR_BYTES);
    ct_write_bytes(&w, between->member, PERMK__PAIR_BYTES);
    ct_status status = permk__hkdf_extract(prk, NULL, 0, shared, sizeof shared);
    if (status == CT_OK)
        status = permk__hkdf_expand(key, 32, prk, info, w.at);
    OPENSSL_cleanse(shared, sizeof shared);
    OPENSSL_cleanse(prk, sizeof prk);
    return status;
}

static ct_status open_cipher(permk__aead *aead, const ends *between, bool encrypt)
{
    unsigned char key[32];
    CT_TRY(wrapping_key(between, key));
    ct_status status = permk__aead_init(aead, PERMK_AES_256_GCM, key, encrypt);
    OPENSSL_cleanse(key, sizeof key);
    return status;
}

static const unsigned char zero_nonce[PERMK__IV_BYTES];

ct_status permk_agreement_wrap(const permk_agreement *agreement, const unsigned char *their_public,
                               uint32_t member, const unsigned char transcript[32],
                               const permk_key *key, unsigned char *out)
{
    const ends between = {.own = agreement,
                          .theirs = their_public,
                          .leader = permk_agreement_public(agreement),
                          .member = their_public,
                          .number = member,
                          .transcript = transcript};
    permk__aead aead = {0};
    ct_status status = open_cipher(&aead, &between, true);
    if (status == CT_OK)
        status = permk__aead_seal(&aead, zero_nonce, NULL, 0, permk__key_bytes(key),
                                  PERMK_KEY_BYTES, out);
    permk__aead_clear(&aead);
    return status;
}

ct_status permk_agreement_unwrap(const permk_agreement *agreement,
                                 const unsigned char *leader_public, uint32_t member,
                                 const unsigned char transcript[32], const unsigned char *wrapped,
                                 permk_key **out, ct_diag *diag)
{
    *out = NULL;
    const ends between = {.own = agreement,
                          .theirs = leader_public,
                          .leader = leader_public,
                          .member = permk_agreement_public(agreement),
                          .number = member,
                          .transcript = transcript};
    unsigned char bytes[PERMK_KEY_BYTES];
    permk__aead aead = {0};
    ct_status status = open_cipher(&aead, &between, false);
    if (status == CT_OK)
        status = permk__aead_open(&aead, zero_nonce, NULL, 0, wrapped, PERMK_KEY_BYTES, bytes);
    permk__aead_clear(&aead);
    if (status == PERMK_EAUTH)
        ct_diag_set(diag, "the group's key is not wrapped for client %u in this run", member);
    else if (status != CT_OK)
        ct_diag_set(diag, "key agreement: %s", ct_status_text(status));
    else
        status = permk_key_from_bytes(out, bytes, diag);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return status;
}
