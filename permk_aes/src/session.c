// SPDX-License-Identifier: MIT
/* Sealed messages: what may be sealed and opened when, limits of keys, rounds and epochs. The
 * format is at the top of session_format.c, the key schedule at the top of session_keys.c.
 *
 * The transcript of the rounds before is in the associated data of every part: who was shown
 * something else than the others can neither read nor write from the next round on. */
#include "session_private.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define FAILURES_ALLOWED 8
#define PART_BLOCKS_MAX  (((uint64_t)1 << 32) - 2) // of GCM under one nonce (NIST SP 800-38D)

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

/* ---- Life ---- */

static ct_status check_signing(const permk_session_options *opt, ct_diag *diag)
{
    if (opt->identity == NULL && opt->roster == NULL)
        return CT_OK;
    bool only_opens = opt->self == PERMK_EVERY_SENDER;
    if (opt->roster == NULL || (opt->identity == NULL) != only_opens)
        return ct_fail(diag, CT_EINVALID,
                       "a signed session needs one client's identity and the roster");
    if (permk_roster_members(opt->roster) != opt->clients)
        return ct_fail(diag, CT_EINVALID, "a roster of %u members for %u clients",
                       permk_roster_members(opt->roster), opt->clients);
    if (only_opens)
        return CT_OK;
    if (memcmp(permk_identity_public(opt->identity), permk_roster_key(opt->roster, opt->self),
               PERMK_PUBLIC_KEY_BYTES) != 0)
        return ct_fail(diag, CT_EINVALID, "client %u's public key is not the one in the roster",
                       opt->self);
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
    if (opt->limits.messages == 0 || opt->limits.rounds == 0 || opt->limits.blocks == 0)
        return ct_fail(diag, CT_EINVALID, "limits of keys must be at least 1");
    return check_signing(opt, diag);
}

static ct_status allocate(permk_session *s)
{
    s->senders = calloc(s->clients, sizeof *s->senders);
    s->hash = EVP_MD_CTX_new();
    if (s->senders == NULL || s->hash == NULL)
        return CT_ENOMEM;
    return EVP_DigestInit_ex(s->hash, EVP_sha256(), NULL) == 1 ? CT_OK : PERMK_ECRYPTO;
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
    s->identity = opt->identity;
    s->roster = opt->roster;
    if (opt->key != NULL)
        memcpy(s->key_id, permk_key_id(opt->key), sizeof s->key_id);
    ct_status status = allocate(s);
    if (status == CT_OK)
        status = permk__session_derive(s, opt);
    if (status != CT_OK) {
        permk_session_destroy(s);
        return ct_fail(diag, status, "session: %s", ct_status_text(status));
    }
    permk__aad_begin_round(s);
    *out = s;
    return CT_OK;
}

void permk_session_destroy(permk_session *session)
{
    if (session == NULL)
        return;
    permk__session_wipe(session);
    EVP_MD_CTX_free(session->hash);
    free(session->senders);
    OPENSSL_cleanse(session, sizeof *session);
    free(session);
}

uint64_t permk_session_round(const permk_session *session)
{
    return session->round;
}

uint32_t permk_session_epoch(const permk_session *session)
{
    return session->epoch;
}

const unsigned char *permk_session_id(const permk_session *session)
{
    return session->id;
}

const unsigned char *permk_session_transcript(const permk_session *session)
{
    return session->transcript;
}

ct_status permk_session_ownership_key(const permk_session *session,
                                      unsigned char key[PERMK_OWNERSHIP_KEY_BYTES])
{
    memcpy(key, session->ownership_key, PERMK_OWNERSHIP_KEY_BYTES);
    return CT_OK;
}

/* ---- Limits ---- */

static uint64_t blocks_of(size_t size_bytes)
{
    return (uint64_t)size_bytes / 16 + (size_bytes % 16 != 0) + 1; // one for the tag
}

/* Would one more part of that many blocks stay within the limits of this sender's key? */
static ct_status check_limits(const permk_session *s, uint32_t from, uint64_t blocks, ct_diag *diag)
{
    const permk__sender *sender = &s->senders[from];
    const char *what = NULL;
    if (sender->parts >= s->limits.messages)
        what = "messages";
    else if (blocks > s->limits.blocks || sender->blocks > s->limits.blocks - blocks)
        what = "blocks";
    else if (blocks - 1 > PART_BLOCKS_MAX)
        what = "blocks of one message";
    if (what == NULL)
        return CT_OK;
    return ct_fail(diag, PERMK_ELIMIT,
                   "client %u, round %llu: its key may encrypt no more (limit of %s reached)", from,
                   (unsigned long long)s->round, what);
}

static void count_use(permk__sender *sender, uint64_t blocks)
{
    sender->parts++;
    sender->blocks += blocks;
}

/* ---- One part ---- */

static size_t sealed_bytes(const permk_session *s, size_t plain_bytes)
{
    return plain_bytes + permk_cipher_tag_bytes(s->cipher);
}

size_t permk_session_overhead_bytes(const permk_session *session)
{
    size_t signature = session->roster != NULL ? PERMK_SIGNATURE_BYTES : 0;
    return permk_cipher_tag_bytes(session->cipher) + signature;
}

static bool part_is_possible(const permk_part *part)
{
    return part->kind >= PERMK_KIND_BLOCK && part->kind < PERMK_KINDS &&
           part->chunk < PERMK__CHUNKS_MAX && part->value >= PERMK_VALUE_F64 &&
           part->value <= PERMK_VALUE_BF16;
}

/* What stands for a sealed part (size bytes) in the transcript: the hash that is signed, the tag,
 * or nothing. */
static const unsigned char *part_identity(const permk_session *s, const unsigned char *hash,
                                          const unsigned char *sealed, size_t size)
{
    if (s->roster != NULL)
        return hash;
    return permk_cipher_is_safe(s->cipher) ? sealed + size - PERMK__TAG_BYTES : NULL;
}

static ct_status seal_part(permk_session *s, uint32_t from, const permk_part *part,
                           const void *plain, size_t size, unsigned char *out)
{
    permk__sender *sender = &s->senders[from];
    unsigned char nonce[PERMK__IV_BYTES], hash[PERMK__HASH_BYTES];
    size_t sealed = sealed_bytes(s, size);
    permk__aad_set_part(s, from, part);
    permk__nonce(nonce, s, from, part);
    CT_TRY(permk__aead_seal(&sender->seal, nonce, s->aad, sizeof s->aad, plain, size, out));
    if (s->roster != NULL) {
        CT_TRY(permk__part_digest(s, hash, out, sealed));
        CT_TRY(permk_identity_sign(s->identity, hash, sizeof hash, out + sealed));
    }
    return permk__message_extend(s, &sender->sealed[part->kind], part,
                                 size + permk_session_overhead_bytes(s), blocks_of(size),
                                 part_identity(s, hash, out, sealed));
}

static ct_status check_seal(const permk_session *s, uint32_t from, const permk_part *part,
                            ct_diag *diag)
{
    bool cannot_sign = s->roster != NULL && s->identity == NULL;
    if (from >= s->clients || (!permk__simulates(s) && from != s->self) || cannot_sign)
        return ct_fail(diag, CT_EINVALID, "this session cannot seal as client %u", from);
    if (!part_is_possible(part))
        return ct_fail(diag, CT_EINVALID, "no such part of a message");
    const permk__message *message = &s->senders[from].sealed[part->kind];
    if (message->complete || part->chunk != message->chunks)
        return ct_fail(diag, CT_EINVALID,
                       "client %u, round %llu: chunk %u is sealed out of order, or twice", from,
                       (unsigned long long)s->round, part->chunk);
    return CT_OK;
}

ct_status permk_session_seal(permk_session *s, uint32_t from, const permk_part *part,
                             const void *plain, size_t size, void *out, ct_diag *diag)
{
    CT_TRY(check_seal(s, from, part, diag));
    CT_TRY(check_limits(s, from, blocks_of(size), diag));
    ct_status status = permk__session_ready(s, from);
    if (status == CT_OK) {
        // this nonce is spent, even if what follows fails
        s->senders[from].sealed[part->kind].chunks = UINT32_MAX;
        count_use(&s->senders[from], blocks_of(size));
        status = seal_part(s, from, part, plain, size, out);
    }
    if (status == CT_OK)
        return CT_OK;
    return ct_fail(diag, status, "client %u, round %llu: encryption failed (%s)", from,
                   (unsigned long long)s->round, ct_status_text(status));
}

static ct_status refuse(permk_session *s, uint32_t from, const char *why, ct_diag *diag)
{
    s->senders[from].failures++;
    return ct_fail(diag, PERMK_EAUTH, "client %u, round %llu: %s", from,
                   (unsigned long long)s->round, why);
}

/* Everything that needs no cryptography. */
static ct_status check_open(permk_session *s, uint32_t from, const permk_part *part,
                            size_t size_bytes, size_t plain_bytes, ct_diag *diag)
{
    if (!part_is_possible(part))
        return ct_fail(diag, CT_EINVALID, "no such part of a message");
    if (from >= s->clients || from == s->self)
        return ct_fail(diag, PERMK_EAUTH, "a message that claims to come from client %u", from);
    const permk__sender *sender = &s->senders[from];
    if (sender->failures >= FAILURES_ALLOWED)
        return ct_fail(diag, PERMK_EAUTH, "client %u: too many messages failed to verify", from);
    const permk__message *message = &sender->opened[part->kind];
    if (message->complete)
        return refuse(s, from, "a second message in one round", diag);
    if (part->chunk != message->chunks)
        return refuse(s, from, "chunks of a message are out of order", diag);
    if (size_bytes != plain_bytes + permk_session_overhead_bytes(s))
        return refuse(s, from, "the message has the wrong length", diag);
    return permk__simulates(s) ? CT_OK : check_limits(s, from, blocks_of(plain_bytes), diag);
}

/* Verify signature and tag, decrypt, and take the part into its message. The signature comes first:
 * where plain is message, the ciphertext is gone afterwards. */
static ct_status open_part(permk_session *s, uint32_t from, const permk_part *part,
                           const unsigned char *message, size_t size, void *plain)
{
    permk__sender *sender = &s->senders[from];
    unsigned char nonce[PERMK__IV_BYTES], hash[PERMK__HASH_BYTES];
    size_t sealed = sealed_bytes(s, size);
    CT_TRY(permk__session_ready(s, from));
    permk__aad_set_part(s, from, part);
    permk__nonce(nonce, s, from, part);
    if (s->roster != NULL) {
        CT_TRY(permk__part_digest(s, hash, message, sealed));
        CT_TRY(permk_roster_verify(s->roster, from, hash, sizeof hash, message + sealed));
    }
    CT_TRY(permk__aead_open(&sender->open, nonce, s->aad, sizeof s->aad, message, size, plain));
    return permk__message_extend(s, &sender->opened[part->kind], part,
                                 size + permk_session_overhead_bytes(s), blocks_of(size),
                                 part_identity(s, hash, message, sealed));
}

static ct_status check_and_open(permk_session *s, uint32_t from, const permk_part *part,
                                const void *message, size_t size_bytes, void *plain,
                                size_t plain_bytes, ct_diag *diag)
{
    CT_TRY(check_open(s, from, part, size_bytes, plain_bytes, diag));
    ct_status status = open_part(s, from, part, message, plain_bytes, plain);
    if (status == PERMK_EAUTH)
        return refuse(s, from,
                      s->round == 0
                          ? "the message failed to verify: another key file, or altered "
                            "on the way"
                          : "the message failed to verify: altered or replaced on the way",
                      diag);
    if (status != CT_OK)
        return ct_fail(diag, status, "client %u, round %llu: decryption failed (%s)", from,
                       (unsigned long long)s->round, ct_status_text(status));
    if (!permk__simulates(s)) // else counted when it was sealed
        count_use(&s->senders[from], blocks_of(plain_bytes));
    return CT_OK;
}

ct_status permk_session_open(permk_session *s, uint32_t from, const permk_part *part,
                             const void *message, size_t size_bytes, void *plain,
                             size_t plain_bytes, ct_diag *diag)
{
    ct_status status = check_and_open(s, from, part, message, size_bytes, plain, plain_bytes, diag);
    if (status != CT_OK && plain_bytes > 0)
        memset(plain, 0, plain_bytes); // nothing unverified leaves
    return status;
}

/* ---- Rounds ---- */

bool permk_session_complete(const permk_session *session, uint32_t sender, permk_kind kind)
{
    return sender < session->clients && permk__accepted(session, sender, kind)->complete;
}

/* Count what all members have seen of this sender and forget the round's messages. Use of a key
 * that not all know of (chunks of a message that never became complete) must not say when the keys
 * are replaced: members would disagree. */
static void settle(permk_session *s, uint32_t from)
{
    permk__sender *sender = &s->senders[from];
    for (permk_kind kind = PERMK_KIND_BLOCK; kind < PERMK_KINDS; kind++) {
        const permk__message *message = permk__accepted(s, from, kind);
        if (!message->complete)
            continue;
        sender->agreed_parts += message->chunks;
        sender->agreed_blocks += message->blocks;
    }
    memset(sender->sealed, 0, sizeof sender->sealed);
    memset(sender->opened, 0, sizeof sender->opened);
}

static bool keys_are_due(const permk_session *s)
{
    if (s->epoch_rounds >= s->limits.rounds)
        return true;
    for (uint32_t i = 0; i < s->clients; i++)
        if (s->senders[i].agreed_parts > s->limits.messages / 2 ||
            s->senders[i].agreed_blocks > s->limits.blocks / 2)
            return true;
    return false;
}

ct_status permk_session_end_round(permk_session *s, ct_diag *diag)
{
    ct_status status = permk__transcript_extend(s);
    if (status != CT_OK)
        return ct_fail(diag, status, "round %llu: transcript: SHA-256 failed",
                       (unsigned long long)s->round);
    for (uint32_t i = 0; i < s->clients; i++)
        settle(s, i);
    s->round++;
    s->epoch_rounds++;
    if (keys_are_due(s))
        status = permk__session_ratchet(s);
    if (status != CT_OK)
        return ct_fail(diag, status, "round %llu: the keys could not be replaced",
                       (unsigned long long)s->round);
    permk__aad_begin_round(s);
    return CT_OK;
}
