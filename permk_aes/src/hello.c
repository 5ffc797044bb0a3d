// SPDX-License-Identifier: MIT
/* How clients meet: hellos with fresh random numbers and the settings, which must agree; and, where
 * there is no shared key file, the group's key, drawn by client 0 and wrapped for each member under
 * an authenticated X25519 exchange. */
#include "party.h"

#include "protocol.h"

#include <ctrain/bytes.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char hello_label[] = "permk 2 hello", keys_label[] = "permk 2 keys";

/* What was said, of all clients. */
typedef struct meeting {
    permk__party *party;
    permk_agreement *agreement; // NULL: the key is given
    char settings[PERMK__SETTINGS_SIZE];
    unsigned char *nonces; // (n, PERMK_NONCE_BYTES)
    unsigned char *fresh;  // (n, PERMK_PUBLIC_KEY_BYTES) X25519, zeros where there is no agreement
} meeting;

static void meeting_clear(meeting *m)
{
    permk_agreement_destroy(m->agreement);
    free(m->nonces);
    free(m->fresh);
}

/* What a hello's signature covers. */
static size_t signed_hello(const meeting *m, uint32_t client, const char *settings,
                           size_t settings_bytes, unsigned char *out, size_t size)
{
    ct_writer w = ct_writer_view(out, size);
    ct_write_bytes(&w, hello_label, sizeof hello_label);
    ct_write_u32(&w, client);
    ct_write_u32(&w, m->party->trainer.n);
    ct_write_bytes(&w, m->nonces + (size_t)client * PERMK_NONCE_BYTES, PERMK_NONCE_BYTES);
    ct_write_bytes(&w, m->fresh + (size_t)client * PERMK_PUBLIC_KEY_BYTES, PERMK_PUBLIC_KEY_BYTES);
    ct_write_bytes(&w, settings, settings_bytes);
    return w.at;
}

static ct_status send_hello(meeting *m, ct_diag *diag)
{
    permk__party *p = m->party;
    const permk_identity *identity = p->trainer.opt->identity;
    unsigned char *nonce = m->nonces + (size_t)p->id * PERMK_NONCE_BYTES;
    unsigned char *fresh = m->fresh + (size_t)p->id * PERMK_PUBLIC_KEY_BYTES;
    unsigned char signature[PERMK_SIGNATURE_BYTES] = {0};
    unsigned char text[PERMK__SETTINGS_SIZE + 256],
        hello[PERMK__HELLO_BYTES + PERMK__SETTINGS_SIZE];
    CT_TRY(permk_random_bytes(nonce, PERMK_NONCE_BYTES, diag));
    if (m->agreement != NULL)
        memcpy(fresh, permk_agreement_public(m->agreement), PERMK_PUBLIC_KEY_BYTES);
    if (identity != NULL) {
        size_t size = signed_hello(m, p->id, m->settings, strlen(m->settings), text, sizeof text);
        if (permk_identity_sign(identity, text, size, signature) != CT_OK)
            return ct_fail(diag, PERMK_ECRYPTO, "the hello cannot be signed");
    }
    ct_writer w = ct_writer_view(hello, sizeof hello);
    ct_write_bytes(&w, nonce, PERMK_NONCE_BYTES);
    ct_write_bytes(&w, fresh, PERMK_PUBLIC_KEY_BYTES);
    ct_write_bytes(&w, signature, sizeof signature);
    ct_write_bytes(&w, m->settings, strlen(m->settings));
    return permk__party_send(p, PERMK__FRAME_HELLO, hello, w.at, diag);
}

/* The first word of two texts of "name=value" words in which they differ. */
static void first_difference(const char *mine, const char *theirs, char out[2][64])
{
    while (*mine != '\0' || *theirs != '\0') {
        size_t a = strcspn(mine, " "), b = strcspn(theirs, " ");
        if (a != b || memcmp(mine, theirs, a) != 0) {
            snprintf(out[0], 64, "%.*s", (int)(a < 60 ? a : 60), mine);
            snprintf(out[1], 64, "%.*s", (int)(b < 60 ? b : 60), theirs);
            return;
        }
        mine += a + (mine[a] == ' ');
        theirs += b + (theirs[b] == ' ');
    }
    out[0][0] = out[1][0] = '\0';
}

/* For messages to people: what another client sent may hold anything. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

static ct_status compare_settings(const meeting *m, uint32_t client, const unsigned char *text,
                                  size_t size, ct_diag *diag)
{
    if (size == strlen(m->settings) && memcmp(text, m->settings, size) == 0)
        return CT_OK;
    char theirs[PERMK__SETTINGS_SIZE], word[2][64];
    memcpy(theirs, text, size);
    theirs[size] = '\0';
    make_printable(theirs);
    first_difference(m->settings, theirs, word);
    return ct_fail(diag, PERMK_EMISMATCH, "client %u has other settings: '%s', here '%s'", client,
                   word[1], word[0]);
}

static ct_status check_signature(const meeting *m, uint32_t client, const unsigned char *text,
                                 size_t size, const unsigned char *signature, ct_diag *diag)
{
    const permk_roster *roster = m->party->trainer.opt->roster;
    unsigned char covered[PERMK__SETTINGS_SIZE + 256];
    if (roster == NULL)
        return CT_OK;
    size_t bytes = signed_hello(m, client, (const char *)text, size, covered, sizeof covered);
    if (permk_roster_verify(roster, client, covered, bytes, signature) == CT_OK)
        return CT_OK;
    return ct_fail(diag, PERMK_EAUTH,
                   "client %u: its hello is not signed by that member of the roster", client);
}

static ct_status take_hello(meeting *m, const ct_message *message, ct_diag *diag)
{
    uint32_t client = message->aux;
    unsigned char signature[PERMK_SIGNATURE_BYTES];
    ct_reader r = ct_reader_view(message->data, message->size_bytes);
    ct_read_bytes(&r, m->nonces + (size_t)client * PERMK_NONCE_BYTES, PERMK_NONCE_BYTES);
    ct_read_bytes(&r, m->fresh + (size_t)client * PERMK_PUBLIC_KEY_BYTES, PERMK_PUBLIC_KEY_BYTES);
    ct_read_bytes(&r, signature, sizeof signature);
    size_t size = ct_reader_left(&r);
    const unsigned char *text = ct_read_view(&r, size);
    if (r.failed || size >= PERMK__SETTINGS_SIZE)
        return ct_fail(diag, CT_EPROTOCOL, "client %u sent a malformed hello", client);
    CT_TRY(compare_settings(m, client, text, size, diag));
    return check_signature(m, client, text, size, signature, diag);
}

static ct_status hear_hellos(meeting *m, ct_diag *diag)
{
    permk__party *p = m->party;
    double until = permk__party_deadline(p);
    memset(p->here, 0, p->trainer.n * sizeof *p->here);
    for (uint32_t left = p->trainer.n - 1; left > 0; left--) {
        ct_message message;
        bool lost_one;
        CT_TRY(permk__party_next(p, &message, until, &lost_one, diag));
        if (lost_one)
            return ct_fail(diag, CT_ECLOSED, "a client was lost before the run began");
        if (message.type != PERMK__FRAME_HELLO || p->here[message.aux])
            return ct_fail(diag, CT_EPROTOCOL, "client %u did not begin with one hello",
                           message.aux);
        CT_TRY(take_hello(m, &message, diag));
        p->here[message.aux] = true;
    }
    return CT_OK;
}

/* ---- The group's key, where none is given ---- */

/* SHA-256 of what all have said. */
static ct_status hash_meeting(const meeting *m, unsigned char out[32])
{
    size_t n = m->party->trainer.n,
           size = 4 + n * (PERMK_NONCE_BYTES + PERMK_PUBLIC_KEY_BYTES) + strlen(m->settings);
    unsigned char *text = malloc(size);
    if (text == NULL)
        return CT_ENOMEM;
    ct_writer w = ct_writer_view(text, size);
    ct_write_u32(&w, (uint32_t)n);
    ct_write_bytes(&w, m->nonces, n * PERMK_NONCE_BYTES);
    ct_write_bytes(&w, m->fresh, n * PERMK_PUBLIC_KEY_BYTES);
    ct_write_bytes(&w, m->settings, strlen(m->settings));
    bool ok = SHA256(text, w.at, out) != NULL;
    free(text);
    return ok ? CT_OK : PERMK_ECRYPTO;
}

/* What the leader's signature covers. */
static size_t signed_keys(const unsigned char transcript[32], const unsigned char *wrapped,
                          size_t size, unsigned char *out)
{
    memcpy(out, keys_label, sizeof keys_label);
    memcpy(out + sizeof keys_label, transcript, 32);
    memcpy(out + sizeof keys_label + 32, wrapped, size);
    return sizeof keys_label + 32 + size;
}

static ct_status wrap_for_all(const meeting *m, const unsigned char transcript[32],
                              unsigned char *out)
{
    for (uint32_t i = 0; i < m->party->trainer.n; i++, out += PERMK_WRAPPED_BYTES)
        if (i != PERMK__LEADER)
            CT_TRY(permk_agreement_wrap(m->agreement, m->fresh + (size_t)i * PERMK_PUBLIC_KEY_BYTES,
                                        i, transcript, m->party->key, out));
    return CT_OK;
}

static ct_status hand_out_key(meeting *m, const unsigned char transcript[32],
                              unsigned char *wrapped, unsigned char *covered, ct_diag *diag)
{
    permk__party *p = m->party;
    size_t size = (size_t)p->trainer.n * PERMK_WRAPPED_BYTES;
    CT_TRY(permk_key_generate(&p->key, diag));
    if (wrap_for_all(m, transcript, wrapped) != CT_OK)
        return ct_fail(diag, PERMK_EAUTH, "a member's public key cannot be used");
    size_t bytes = signed_keys(transcript, wrapped, size, covered);
    if (permk_identity_sign(p->trainer.opt->identity, covered, bytes, wrapped + size) != CT_OK)
        return ct_fail(diag, PERMK_ECRYPTO, "the wrapped keys cannot be signed");
    return permk__party_send(p, PERMK__FRAME_KEYS, wrapped, size + PERMK_SIGNATURE_BYTES, diag);
}

static ct_status receive_key(meeting *m, const unsigned char transcript[32], unsigned char *covered,
                             ct_diag *diag)
{
    permk__party *p = m->party;
    size_t size = (size_t)p->trainer.n * PERMK_WRAPPED_BYTES;
    ct_message message;
    bool lost_one;
    CT_TRY(permk__party_next(p, &message, permk__party_deadline(p), &lost_one, diag));
    if (lost_one || message.aux != PERMK__LEADER || message.type != PERMK__FRAME_KEYS ||
        message.size_bytes != size + PERMK_SIGNATURE_BYTES)
        return ct_fail(diag, CT_EPROTOCOL, "client 0 did not send the group's key");
    const unsigned char *data = message.data;
    size_t bytes = signed_keys(transcript, data, size, covered);
    if (permk_roster_verify(p->trainer.opt->roster, PERMK__LEADER, covered, bytes, data + size) !=
        CT_OK)
        return ct_fail(diag, PERMK_EAUTH, "client 0: the group's key is not signed by it");
    return permk_agreement_unwrap(m->agreement, m->fresh, p->id, transcript,
                                  data + (size_t)p->id * PERMK_WRAPPED_BYTES, &p->key, diag);
}

static ct_status agree(meeting *m, ct_diag *diag)
{
    permk__party *p = m->party;
    unsigned char transcript[32];
    size_t size = (size_t)p->trainer.n * PERMK_WRAPPED_BYTES + PERMK_SIGNATURE_BYTES;
    if (m->agreement == NULL)
        return CT_OK;
    ct_status status = hash_meeting(m, transcript);
    unsigned char *wrapped = calloc(1, size), *covered = calloc(1, size + 64);
    if (status == CT_OK && (wrapped == NULL || covered == NULL))
        status = ct_fail(diag, CT_ENOMEM, "client: out of memory");
    if (status == CT_OK)
        status = p->id == PERMK__LEADER ? hand_out_key(m, transcript, wrapped, covered, diag)
                                        : receive_key(m, transcript, covered, diag);
    free(wrapped);
    free(covered);
    return status;
}

/* ---- Meeting ---- */

static void account(meeting *m)
{
    permk__party *p = m->party;
    uint64_t hello = permk__hello_wire_bytes(&p->trainer), keys = 0;
    if (m->agreement != NULL)
        keys = CT_FRAME_HEADER_BYTES + (uint64_t)p->trainer.n * PERMK_WRAPPED_BYTES +
               PERMK_SIGNATURE_BYTES;
    bool leads = p->id == PERMK__LEADER;
    p->result.client_bytes_up_hello = hello + (leads ? keys : 0);
    p->result.client_bytes_down_hello = hello * (p->trainer.n - 1) + (leads ? 0 : keys);
}

static ct_status meet(meeting *m, ct_diag *diag)
{
    permk__party *p = m->party;
    const permk_train_options *opt = p->trainer.opt;
    size_t n = p->trainer.n;
    m->nonces = calloc(n, PERMK_NONCE_BYTES);
    m->fresh = calloc(n, PERMK_PUBLIC_KEY_BYTES);
    if (m->nonces == NULL || m->fresh == NULL)
        return ct_fail(diag, CT_ENOMEM, "client: out of memory");
    if (opt->identity != NULL &&
        memcmp(permk_identity_public(opt->identity), permk_roster_key(opt->roster, p->id),
               PERMK_PUBLIC_KEY_BYTES) != 0)
        return ct_fail(diag, CT_EINVALID, "the roster has another key for client %u", p->id);
    if (opt->key == NULL && opt->identity != NULL && opt->cipher != PERMK_PLAINTEXT)
        CT_TRY(permk_agreement_create(&m->agreement, diag));
    permk__trainer_settings(&p->trainer, m->settings);
    account(m);
    CT_TRY(send_hello(m, diag));
    CT_TRY(hear_hellos(m, diag));
    CT_TRY(agree(m, diag));
    return permk__trainer_session(&p->trainer, &p->session, opt->key != NULL ? opt->key : p->key,
                                  m->nonces, diag);
}

ct_status permk__party_meet(permk__party *p, ct_diag *diag)
{
    meeting m = {.party = p};
    ct_status status = meet(&m, diag);
    meeting_clear(&m);
    return status;
}
