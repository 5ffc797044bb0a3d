// SPDX-License-Identifier: MIT
/* Sealed messages: key schedule, associated data, counters, transcript.
 *
 *   salt     = SHA-256(label || n || nonce_0 || … || nonce_{n-1} || settings)
 *   PRK      = HKDF-Extract(salt, group key)
 *   key_i    = HKDF-Expand(PRK, "permk 1 sender key" || suite || i)
 *   iv_i     = HKDF-Expand(PRK, "permk 1 sender iv"  || suite || i)      12 bytes
 *   nonce    = iv_i xor (0^4 || round), as TLS 1.3 and SFrame (RFC 9605) do
 *   T_k      = SHA-256(T_{k-1} || k || for each sender: number, length, tag; or "absent")
 *
 * One sender seals one message a round, so (key_i, nonce) is used once. T_{k-1} is in the
 * associated data of round k: who was shown something else than the others can neither read nor
 * write from the next round on. */
#include <permk_aes/session.h>

#include "aead.h"
#include "key_private.h"

#include <ctrain/arena.h>
#include <ctrain/bytes.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define HASH_BYTES        SHA256_DIGEST_LENGTH
#define SESSION_ID_BYTES  16
#define NONCE_BYTES       12
#define AAD_BYTES         120
#define FORMAT_VERSION    1
#define VALUE_TYPE_F64    1
#define FAILURES_ALLOWED  8
#define EPOCH             0U // keys are not ratcheted within a session: its limits end it
#define TRANSCRIPT_ABSENT UINT64_MAX

typedef struct sender_state {
    permk__aead seal, open;
    unsigned char iv[NONCE_BYTES];
    unsigned char tag[PERMK__TAG_BYTES]; // of this round's message
    uint64_t message_bytes;              // of this round's message
    uint64_t messages, blocks;           // used of the key's limits
    bool present;                        // its message of this round was opened (or is our own)
    bool sealed;                         // this session sealed one in this round
    unsigned failures;
} sender_state;

struct permk_session {
    permk_cipher cipher;
    permk_rule rule;
    uint32_t clients, self;
    uint64_t dimension, round;
    permk_limits limits;
    unsigned char prk[HASH_BYTES];
    unsigned char id[SESSION_ID_BYTES];
    unsigned char transcript[HASH_BYTES];
    char key_id[16];
    unsigned char *record; // (28 n + 40) scratch: a round as it goes into the transcript
    sender_state *senders; // (n)
};

permk_limits permk_limits_default(void)
{
    return (permk_limits){
        .messages = (uint64_t)1 << 20, .rounds = (uint64_t)1 << 16, .blocks = (uint64_t)1 << 34};
}

permk_session_options permk_session_options_default(void)
{
    return (permk_session_options){.cipher = PERMK_AES_128_GCM,
                                   .rule = PERMK_RULE_ROTATION,
                                   .self = PERMK_EVERY_SENDER,
                                   .limits = permk_limits_default()};
}

/* ---- Key schedule ---- */

static bool simulates(const permk_session *s)
{
    return s->self == PERMK_EVERY_SENDER;
}

static ct_status expand(const permk_session *s, void *out, size_t size, const char *label,
                        uint32_t number)
{
    unsigned char info[64];
    ct_writer w = ct_writer_view(info, sizeof info);
    ct_write_bytes(&w, label, strlen(label));
    ct_write_u8(&w, (uint8_t)s->cipher);
    ct_write_u32(&w, number);
    return permk__hkdf_expand(out, size, s->prk, info, w.at);
}

static ct_status derive_salt(unsigned char salt[HASH_BYTES], const permk_session_options *opt)
{
    static const char label[] = "permk 1 session salt";
    size_t nonce_bytes = 0, all = 0;
    if (!ct_mul_size(&nonce_bytes, opt->clients, PERMK_NONCE_BYTES) ||
        !ct_add_size(&all, nonce_bytes, opt->settings_bytes) || !ct_add_size(&all, all, 64))
        return CT_ENOMEM;
    unsigned char *text = malloc(all);
    if (text == NULL)
        return CT_ENOMEM;
    ct_writer w = ct_writer_view(text, all);
    ct_write_bytes(&w, label, sizeof label);
    ct_write_u32(&w, opt->clients);
    ct_write_bytes(&w, opt->nonces, nonce_bytes);
    ct_write_bytes(&w, opt->settings, opt->settings_bytes);
    bool ok = SHA256(text, w.at, salt) != NULL;
    free(text);
    return ok ? CT_OK : PERMK_ECRYPTO;
}

static ct_status derive_sender(permk_session *s, uint32_t i)
{
    sender_state *sender = &s->senders[i];
    unsigned char key[32];
    CT_TRY(expand(s, sender->iv, sizeof sender->iv, "permk 1 sender iv", i));
    size_t key_bytes = permk__cipher_key_bytes(s->cipher);
    ct_status status = key_bytes > 0 ? expand(s, key, key_bytes, "permk 1 sender key", i) : CT_OK;
    if (status == CT_OK && (simulates(s) || s->self == i))
        status = permk__aead_init(&sender->seal, s->cipher, key, true);
    if (status == CT_OK && (simulates(s) || s->self != i))
        status = permk__aead_init(&sender->open, s->cipher, key, false);
    OPENSSL_cleanse(key, sizeof key);
    return status;
}

static ct_status derive_keys(permk_session *s, const permk_session_options *opt)
{
    static const unsigned char no_key[PERMK_KEY_BYTES];
    unsigned char salt[HASH_BYTES];
    CT_TRY(derive_salt(salt, opt));
    const unsigned char *secret = opt->key != NULL ? permk__key_bytes(opt->key) : no_key;
    CT_TRY(permk__hkdf_extract(s->prk, salt, sizeof salt, secret, PERMK_KEY_BYTES));
    CT_TRY(expand(s, s->id, sizeof s->id, "permk 1 session id", 0));
    for (uint32_t i = 0; i < s->clients; i++)
        CT_TRY(derive_sender(s, i));
    return CT_OK;
}

static ct_status check_options(const permk_session_options *opt, ct_diag *diag)
{
    if (opt->clients == 0 || opt->dimension == 0)
        return ct_fail(diag, CT_EINVALID, "a session needs at least one client and one coordinate");
    if (opt->nonces == NULL)
        return ct_fail(diag, CT_EINVALID, "a session needs a fresh nonce of each client");
    if (opt->self != PERMK_EVERY_SENDER && opt->self >= opt->clients)
        return ct_fail(diag, CT_EINVALID, "client %u of %u clients (they count from 0)", opt->self,
                       opt->clients);
    if (opt->cipher < PERMK_AES_128_GCM || opt->cipher > PERMK_PLAINTEXT)
        return ct_fail(diag, CT_EINVALID, "unknown cipher %d", (int)opt->cipher);
    if (opt->key == NULL && opt->cipher != PERMK_PLAINTEXT)
        return ct_fail(diag, CT_EINVALID, "%s needs a key", permk_cipher_name(opt->cipher));
    return CT_OK;
}

static ct_status allocate(permk_session *s)
{
    s->senders = calloc(s->clients, sizeof *s->senders);
    size_t record_bytes = 0;
    if (s->senders == NULL || !ct_mul_size(&record_bytes, s->clients, 28))
        return CT_ENOMEM;
    s->record = malloc(record_bytes + HASH_BYTES + 8);
    return s->record != NULL ? CT_OK : CT_ENOMEM;
}

ct_status permk_session_create(permk_session **out, const permk_session_options *opt, ct_diag *diag)
{
    *out = NULL;
    CT_TRY(check_options(opt, diag));
    permk_session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ct_fail(diag, CT_ENOMEM, "session: out of memory");
    s->cipher = opt->cipher;
    s->rule = opt->rule;
    s->clients = opt->clients;
    s->self = opt->self;
    s->dimension = opt->dimension;
    s->limits = opt->limits;
    if (opt->key != NULL)
        memcpy(s->key_id, permk_key_id(opt->key), sizeof s->key_id);
    ct_status status = allocate(s);
    if (status == CT_OK)
        status = derive_keys(s, opt);
    if (status != CT_OK) {
        permk_session_destroy(s);
        return ct_fail(diag, status, "session: %s", ct_status_text(status));
    }
    *out = s;
    return CT_OK;
}

void permk_session_destroy(permk_session *session)
{
    if (session == NULL)
        return;
    for (uint32_t i = 0; session->senders != NULL && i < session->clients; i++) {
        permk__aead_clear(&session->senders[i].seal);
        permk__aead_clear(&session->senders[i].open);
    }
    free(session->senders);
    free(session->record);
    OPENSSL_cleanse(session, sizeof *session);
    free(session);
}

ct_status permk_session_ownership_key(const permk_session *session,
                                      unsigned char key[PERMK_OWNERSHIP_KEY_BYTES])
{
    return expand(session, key, PERMK_OWNERSHIP_KEY_BYTES, "permk 1 ownership", 0);
}

/* ---- One message ---- */

uint64_t permk_session_round(const permk_session *session)
{
    return session->round;
}

size_t permk_session_sealed_bytes(const permk_session *session, size_t count)
{
    return count * sizeof(double) + permk_cipher_tag_bytes(session->cipher);
}

/* What a message is about, as both sides know it without being told. */
static void build_aad(const permk_session *s, unsigned char aad[AAD_BYTES], uint32_t from,
                      permk_kind kind, size_t count)
{
    ct_writer w = ct_writer_view(aad, AAD_BYTES);
    ct_write_bytes(&w, "PRMK", 4);
    ct_write_u8(&w, FORMAT_VERSION);
    ct_write_u8(&w, (uint8_t)s->cipher);
    ct_write_u8(&w, VALUE_TYPE_F64);
    ct_write_u8(&w, (uint8_t)s->rule);
    ct_write_bytes(&w, s->id, sizeof s->id);
    ct_write_bytes(&w, s->key_id, sizeof s->key_id);
    ct_write_u32(&w, s->clients);
    ct_write_u64(&w, s->dimension);
    ct_write_u32(&w, EPOCH);
    ct_write_u64(&w, s->round);
    ct_write_u32(&w, from);
    ct_write_u32(&w, 0); // chunk: a message is one chunk
    ct_write_u32(&w, (uint32_t)kind);
    ct_write_u64(&w, count);
    ct_write_u32(&w, 1); // flags: 1 = the last chunk
    ct_write_bytes(&w, s->transcript, sizeof s->transcript);
}

static void build_nonce(const permk_session *s, const sender_state *from,
                        unsigned char out[PERMK__IV_BYTES])
{
    memset(out, 0, PERMK__IV_BYTES); // CTR counts its blocks in the last four bytes
    memcpy(out, from->iv, NONCE_BYTES);
    for (unsigned i = 0; i < 8; i++)
        out[4 + i] ^= (unsigned char)(s->round >> (56 - 8 * i));
}

/* Would one more message of size_bytes stay within the limits of this sender's key? */
static ct_status check_limits(const permk_session *s, uint32_t from, size_t size_bytes,
                              ct_diag *diag)
{
    if (s->cipher == PERMK_PLAINTEXT)
        return CT_OK;
    const sender_state *sender = &s->senders[from];
    const char *what = NULL;
    uint64_t blocks = (uint64_t)size_bytes / 16 + 1;
    if (s->round >= s->limits.rounds)
        what = "rounds";
    else if (sender->messages >= s->limits.messages)
        what = "messages";
    else if (blocks > s->limits.blocks || sender->blocks > s->limits.blocks - blocks)
        what = "blocks";
    if (what == NULL)
        return CT_OK;
    return ct_fail(diag, PERMK_ELIMIT,
                   "client %u, round %llu: the key of this run may encrypt no more (limit of %s "
                   "reached); start a new run",
                   from, (unsigned long long)s->round, what);
}

static void count_use(sender_state *sender, size_t size_bytes)
{
    sender->messages++;
    sender->blocks += (uint64_t)size_bytes / 16 + 1;
}

static void remember(const permk_session *s, sender_state *from, const unsigned char *message,
                     size_t size_bytes)
{
    size_t tag_bytes = permk_cipher_tag_bytes(s->cipher);
    from->present = true;
    from->message_bytes = size_bytes;
    memcpy(from->tag, message + size_bytes - tag_bytes, tag_bytes);
}

static bool host_is_little_endian(void)
{
    const uint16_t probe = 1;
    unsigned char first;
    memcpy(&first, &probe, 1);
    return first == 1;
}

ct_status permk_session_seal(permk_session *s, uint32_t from, permk_kind kind, const double *values,
                             size_t count, void *out, ct_diag *diag)
{
    if (from >= s->clients || (!simulates(s) && from != s->self))
        return ct_fail(diag, CT_EINVALID, "this session cannot seal as client %u", from);
    sender_state *sender = &s->senders[from];
    if (sender->sealed)
        return ct_fail(diag, CT_EINVALID, "client %u, round %llu: a second message in one round",
                       from, (unsigned long long)s->round);
    size_t size = count * sizeof *values;
    CT_TRY(check_limits(s, from, size, diag));
    unsigned char aad[AAD_BYTES], nonce[PERMK__IV_BYTES];
    build_aad(s, aad, from, kind, count);
    build_nonce(s, sender, nonce);
    const void *source = values;
    if (!host_is_little_endian()) { // else values are encrypted from where they are
        ct_writer w = ct_writer_view(out, size);
        ct_write_f64_array(&w, values, count);
        source = out;
    }
    sender->sealed = true; // even if what follows fails: this nonce is spent
    ct_status status = permk__aead_seal(&sender->seal, nonce, aad, sizeof aad, source, size, out);
    if (status != CT_OK)
        return ct_fail(diag, status, "client %u, round %llu: encryption failed", from,
                       (unsigned long long)s->round);
    count_use(sender, size);
    if (!simulates(s)) // in a simulation the message is opened too
        remember(s, sender, out, permk_session_sealed_bytes(s, count));
    return CT_OK;
}

static ct_status refuse(permk_session *s, uint32_t from, const char *why, ct_diag *diag)
{
    s->senders[from].failures++;
    return ct_fail(diag, PERMK_EAUTH, "client %u, round %llu: %s", from,
                   (unsigned long long)s->round, why);
}

ct_status permk_session_open(permk_session *s, uint32_t from, permk_kind kind, const void *message,
                             size_t size_bytes, double *values, size_t count, ct_diag *diag)
{
    memset(values, 0, count * sizeof *values);
    if (from >= s->clients || from == s->self)
        return ct_fail(diag, PERMK_EAUTH, "a message that claims to come from client %u", from);
    sender_state *sender = &s->senders[from];
    if (sender->failures >= FAILURES_ALLOWED)
        return ct_fail(diag, PERMK_EAUTH, "client %u: too many messages failed to verify", from);
    if (sender->present)
        return refuse(s, from, "a second message in one round", diag);
    if (size_bytes != permk_session_sealed_bytes(s, count))
        return refuse(s, from, "the message has the wrong length", diag);
    size_t size = count * sizeof *values;
    if (!simulates(s))
        CT_TRY(check_limits(s, from, size, diag));
    unsigned char aad[AAD_BYTES], nonce[PERMK__IV_BYTES];
    build_aad(s, aad, from, kind, count);
    build_nonce(s, sender, nonce);
    ct_status status =
        permk__aead_open(&sender->open, nonce, aad, sizeof aad, message, size, values);
    if (status == PERMK_EAUTH)
        return refuse(s, from,
                      s->round == 0
                          ? "the message failed to verify: another key file, or altered "
                            "on the way"
                          : "the message failed to verify: altered or replaced on the way",
                      diag);
    if (status != CT_OK)
        return ct_fail(diag, status, "client %u, round %llu: decryption failed", from,
                       (unsigned long long)s->round);
    if (!simulates(s)) // else counted when it was sealed
        count_use(sender, size);
    remember(s, sender, message, size_bytes);
    if (!host_is_little_endian()) {
        ct_reader r = ct_reader_view(values, size); // reads element k before it is written
        ct_read_f64_array(&r, values, count);
    }
    return CT_OK;
}

/* ---- Transcript ---- */

ct_status permk_session_end_round(permk_session *s, ct_diag *diag)
{
    ct_writer w = ct_writer_view(s->record, (size_t)s->clients * 28 + HASH_BYTES + 8);
    ct_write_bytes(&w, s->transcript, sizeof s->transcript);
    ct_write_u64(&w, s->round);
    for (uint32_t i = 0; i < s->clients; i++) {
        sender_state *sender = &s->senders[i];
        static const unsigned char none[PERMK__TAG_BYTES];
        ct_write_u32(&w, i);
        ct_write_u64(&w, sender->present ? sender->message_bytes : TRANSCRIPT_ABSENT);
        ct_write_bytes(&w, sender->present ? sender->tag : none, PERMK__TAG_BYTES);
        sender->present = sender->sealed = false;
    }
    if (SHA256(s->record, w.at, s->transcript) == NULL)
        return ct_fail(diag, PERMK_ECRYPTO, "transcript: SHA-256 failed");
    s->round++;
    return CT_OK;
}
