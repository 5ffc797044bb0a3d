// SPDX-License-Identifier: MIT
/* The key schedule: HKDF-SHA-256 (RFC 5869) throughout.
 *
 *   salt      = SHA-256("permk 2 session salt\0" || n (4) || nonce_0 || … || nonce_{n-1} ||
 * settings) PRK_0     = HKDF-Extract(salt, group key) PRK_{e+1} = HKDF-Expand(PRK_e, "permk 2
 * ratchet")                            32 bytes session id, ownership key, key_i, salt_i =
 * HKDF-Expand(PRK, label || suite (1) || number (4))
 *
 *   label                     PRK     number  bytes
 *   "permk 2 session id"      PRK_0   0       16
 *   "permk 2 ownership"       PRK_0   0       32      the maps do not change with the epoch
 *   "permk 2 sender key"      PRK_e   i       16, 32
 *   "permk 2 sender iv"       PRK_e   i       12
 *
 * At the end of an epoch PRK_e and all that was derived from it are wiped: who later takes a
 * member's memory cannot compute the keys of the epochs before. */
#include "session_private.h"

#include "key_private.h"

#include <ctrain/arena.h>
#include <ctrain/bytes.h>
#include <openssl/crypto.h>
#include <string.h>

static ct_status expand(const permk_session *s, void *out, size_t size, const char *label,
                        uint32_t number)
{
    unsigned char info[64];
    ct_writer w = ct_writer_view(info, sizeof info);
    ct_write_bytes(&w, label, strlen(label));
    ct_write_u8(&w, (uint8_t)s->cipher);
    ct_write_u32(&w, number);
    return permk__hkdf_expand(out, size, s->secret, info, w.at);
}

static ct_status derive_salt(permk_session *s, unsigned char salt[PERMK__HASH_BYTES],
                             const permk_session_options *opt)
{
    static const char label[] = "permk 2 session salt";
    unsigned char clients[4];
    size_t nonce_bytes = 0;
    ct_writer w = ct_writer_view(clients, sizeof clients);
    ct_write_u32(&w, opt->clients);
    if (!ct_mul_size(&nonce_bytes, opt->clients, PERMK_NONCE_BYTES))
        return CT_ERANGE;
    const permk__piece pieces[] = {{label, sizeof label},
                                   {clients, sizeof clients},
                                   {opt->nonces, nonce_bytes},
                                   {opt->settings, opt->settings_bytes}};
    return permk__sha256(s, salt, pieces, 4);
}

ct_status permk__session_derive(permk_session *s, const permk_session_options *opt)
{
    static const unsigned char no_key[PERMK_KEY_BYTES];
    unsigned char salt[PERMK__HASH_BYTES];
    CT_TRY(derive_salt(s, salt, opt));
    const unsigned char *group_key = opt->key != NULL ? permk__key_bytes(opt->key) : no_key;
    CT_TRY(permk__hkdf_extract(s->secret, salt, sizeof salt, group_key, PERMK_KEY_BYTES));
    CT_TRY(expand(s, s->id, sizeof s->id, "permk 2 session id", 0));
    return expand(s, s->ownership_key, sizeof s->ownership_key, "permk 2 ownership", 0);
}

static ct_status make_contexts(permk_session *s, uint32_t from, const unsigned char *key)
{
    permk__sender *sender = &s->senders[from];
    bool seals = permk__simulates(s) || s->self == from, opens = s->self != from;
    if (seals)
        CT_TRY(permk__aead_init(&sender->seal, s->cipher, key, true));
    if (opens)
        CT_TRY(permk__aead_init(&sender->open, s->cipher, key, false));
    return CT_OK;
}

static void wipe_sender(permk__sender *sender)
{
    permk__aead_clear(&sender->seal);
    permk__aead_clear(&sender->open);
    OPENSSL_cleanse(sender->salt, sizeof sender->salt);
    sender->ready = false;
}

ct_status permk__session_ready(permk_session *s, uint32_t from)
{
    permk__sender *sender = &s->senders[from];
    if (sender->ready)
        return CT_OK;
    unsigned char key[32];
    size_t key_bytes = permk__cipher_key_bytes(s->cipher);
    ct_status status = expand(s, sender->salt, sizeof sender->salt, "permk 2 sender iv", from);
    if (status == CT_OK && key_bytes > 0)
        status = expand(s, key, key_bytes, "permk 2 sender key", from);
    if (status == CT_OK)
        status = make_contexts(s, from, key);
    OPENSSL_cleanse(key, sizeof key);
    if (status != CT_OK)
        wipe_sender(sender);
    sender->ready = status == CT_OK;
    return status;
}

ct_status permk__session_ratchet(permk_session *s)
{
    static const char label[] = "permk 2 ratchet";
    unsigned char next[PERMK__HASH_BYTES];
    CT_TRY(permk__hkdf_expand(next, sizeof next, s->secret, label, sizeof label - 1));
    memcpy(s->secret, next, sizeof next);
    OPENSSL_cleanse(next, sizeof next);
    for (uint32_t i = 0; i < s->clients; i++) {
        permk__sender *sender = &s->senders[i];
        wipe_sender(sender);
        sender->parts = sender->blocks = sender->agreed_parts = sender->agreed_blocks = 0;
    }
    s->epoch++;
    s->epoch_rounds = 0;
    return CT_OK;
}

void permk__session_wipe(permk_session *s)
{
    for (uint32_t i = 0; s->senders != NULL && i < s->clients; i++)
        wipe_sender(&s->senders[i]);
    OPENSSL_cleanse(s->secret, sizeof s->secret);
    OPENSSL_cleanse(s->ownership_key, sizeof s->ownership_key);
}
