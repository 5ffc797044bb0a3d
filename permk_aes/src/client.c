// SPDX-License-Identifier: MIT
/* One client among many processes. A round: seal and send the own block, open the others' as they
 * come, then step. Nothing touches the iterate before every message of the round has verified. */
#include "protocol.h"
#include "trainer.h"

#include <ctrain/bytes.h>
#include <ctrain/timer.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEADER        0U
#define POLL_MS       200
#define STOP_GRACE_MS 2000 // an interrupted client gives the round in progress so long
#define FLUSH_MS      5000

typedef struct party {
    permk__trainer trainer;
    permk_session *session;
    ct_transport *transport; // borrowed
    uint32_t id;
    double *own;           // (count)        this round's block of this client, within messages
    unsigned char *sealed; // (sealed bytes) the same, sealed
    size_t sealed_bytes;
    bool *here; // (n) whose message of this round (or hello) has come
    permk_result result;
    bool ended;
} party;

const void *permk_greeting(size_t *size_bytes)
{
    static const char greeting[] = "permk 1";
    *size_bytes = sizeof greeting - 1;
    return greeting;
}

static void party_clear(party *p)
{
    permk_session_destroy(p->session);
    permk__trainer_clear(&p->trainer);
    free(p->sealed);
    free(p->here);
}

static bool interrupted(const party *p)
{
    const ct_stop_flag *stop = p->trainer.opt->stop;
    return stop != NULL && atomic_load(stop);
}

/* ---- Waiting ---- */

static uint32_t first_missing(const party *p)
{
    for (uint32_t i = 0; i < p->trainer.n; i++)
        if (i != p->id && !p->here[i])
            return i;
    return p->id;
}

static ct_status report_gone(uint32_t who, ct_diag *diag)
{
    if (who == PERMK__SERVER_STOPS)
        return ct_fail(diag, CT_ECLOSED, "the server was stopped");
    return ct_fail(diag, CT_ECLOSED, "client %u is gone or silent (says the server)", who);
}

/* Where nobody was heard it is no single client's fault: the run may not have begun. */
static ct_status report_silence(const party *p, ct_diag *diag)
{
    uint32_t missing = 0;
    for (uint32_t i = 0; i < p->trainer.n; i++)
        missing += i != p->id && !p->here[i];
    unsigned long long round = p->result.rounds;
    if (missing > 1 && missing == p->trainer.n - 1)
        return ct_fail(diag, CT_ETIMEOUT,
                       "round %llu: nothing from any of the other %u clients in time (do all of "
                       "them run?)",
                       round, missing);
    return ct_fail(diag, CT_ETIMEOUT, "round %llu: nothing from client %u in time", round,
                   first_missing(p));
}

/* The next frame of another client; what the server itself says ends the run. */
static ct_status next_frame(party *p, ct_message *message, double deadline_s, ct_diag *diag)
{
    double start = ct_time_s();
    ct_status status = CT_ETIMEOUT;
    while (status == CT_ETIMEOUT) {
        double now = ct_time_s();
        if (interrupted(p) && deadline_s > now + STOP_GRACE_MS / 1000.0)
            deadline_s = now + STOP_GRACE_MS / 1000.0;
        if (now > deadline_s) {
            if (interrupted(p))
                return ct_fail(diag, CT_EINTERRUPTED, "stopped while waiting for client %u",
                               first_missing(p));
            return report_silence(p, diag);
        }
        status = ct_transport_receive(p->transport, message, POLL_MS, diag);
    }
    p->trainer.phases.wait += ct_time_s() - start;
    if (status == CT_OK && message->type == PERMK__FRAME_GONE)
        return report_gone(message->aux, diag);
    if (status == CT_OK && (message->aux >= p->trainer.n || message->aux == p->id))
        return ct_fail(diag, CT_EPROTOCOL, "a frame the server says is from client %u",
                       message->aux);
    return status;
}

static double deadline(const party *p)
{
    return ct_time_s() + p->trainer.opt->round_timeout_ms / 1000.0;
}

static ct_status send_frame(party *p, uint8_t type, const void *data, size_t size, ct_diag *diag)
{
    double start = ct_time_s();
    ct_message message = {
        .type = type, .aux = (uint32_t)p->result.rounds, .data = data, .size_bytes = size};
    ct_status status = ct_transport_send(p->transport, &message, diag);
    p->trainer.phases.send += ct_time_s() - start;
    if (status != CT_ECLOSED)
        return status;
    // why the server went may be among what it sent before: who waits for frames next will find it
    if (type != PERMK__FRAME_STOP && p->trainer.n > 1)
        return CT_OK;
    do
        status = next_frame(p, &message, deadline(p), diag);
    while (status == CT_OK);
    return status;
}

/* ---- Hello: fresh random numbers of all, and settings that agree ---- */

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

static ct_status check_hello(const ct_message *message, const char *settings,
                             unsigned char nonce[PERMK_NONCE_BYTES], ct_diag *diag)
{
    ct_reader r = ct_reader_view(message->data, message->size_bytes);
    ct_read_bytes(&r, nonce, PERMK_NONCE_BYTES);
    size_t size = ct_reader_left(&r);
    const unsigned char *text = ct_read_view(&r, size);
    if (r.failed || size >= PERMK__SETTINGS_SIZE)
        return ct_fail(diag, CT_EPROTOCOL, "client %u sent a malformed hello", message->aux);
    if (size == strlen(settings) && memcmp(text, settings, size) == 0)
        return CT_OK;
    char theirs[PERMK__SETTINGS_SIZE], word[2][64];
    memcpy(theirs, text, size);
    theirs[size] = '\0';
    make_printable(theirs);
    first_difference(settings, theirs, word);
    return ct_fail(diag, PERMK_EMISMATCH, "client %u has other settings: '%s', here '%s'",
                   message->aux, word[1], word[0]);
}

static ct_status exchange_hellos(party *p, const char *settings, unsigned char *nonces,
                                 ct_diag *diag)
{
    unsigned char *own = nonces + (size_t)p->id * PERMK_NONCE_BYTES;
    unsigned char hello[PERMK_NONCE_BYTES + PERMK__SETTINGS_SIZE];
    CT_TRY(permk_random_bytes(own, PERMK_NONCE_BYTES, diag));
    ct_writer w = ct_writer_view(hello, sizeof hello);
    ct_write_bytes(&w, own, PERMK_NONCE_BYTES);
    ct_write_bytes(&w, settings, strlen(settings));
    CT_TRY(send_frame(p, PERMK__FRAME_HELLO, hello, w.at, diag));
    double until = deadline(p);
    for (uint32_t left = p->trainer.n - 1; left > 0; left--) {
        ct_message message;
        CT_TRY(next_frame(p, &message, until, diag));
        if (message.type != PERMK__FRAME_HELLO || p->here[message.aux])
            return ct_fail(diag, CT_EPROTOCOL, "client %u did not begin with one hello",
                           message.aux);
        CT_TRY(check_hello(&message, settings, nonces + (size_t)message.aux * PERMK_NONCE_BYTES,
                           diag));
        p->here[message.aux] = true;
    }
    return CT_OK;
}

static ct_status open_session(party *p, ct_diag *diag)
{
    char settings[PERMK__SETTINGS_SIZE];
    permk__trainer_settings(&p->trainer, settings);
    unsigned char *nonces = calloc(p->trainer.n, PERMK_NONCE_BYTES);
    if (nonces == NULL)
        return ct_fail(diag, CT_ENOMEM, "client: out of memory");
    ct_status status = exchange_hellos(p, settings, nonces, diag);
    if (status == CT_OK)
        status = permk__trainer_open_session(&p->trainer, &p->session, p->trainer.opt->key, p->id,
                                             nonces, diag);
    free(nonces);
    return status;
}

static ct_status party_init(party *p, permk_problem *problem, const double *x,
                            const permk_train_options *opt, ct_diag *diag)
{
    if (p->id >= problem->clients || ct_transport_clients(p->transport) != problem->clients)
        return ct_fail(diag, CT_EINVALID,
                       "client %u of %u clients at a server of %zu: the numbers do not fit", p->id,
                       problem->clients, ct_transport_clients(p->transport));
    CT_TRY(permk__trainer_init(&p->trainer, problem, x, opt, diag));
    permk__trainer *t = &p->trainer;
    permk__trainer_account(t, &p->result);
    p->sealed_bytes = (size_t)permk__trainer_frame_bytes(t) - CT_FRAME_HEADER_BYTES;
    size_t stop_bytes = PERMK__STOP_VALUES * sizeof(double) + permk_cipher_tag_bytes(opt->cipher);
    p->sealed = malloc(p->sealed_bytes > stop_bytes ? p->sealed_bytes : stop_bytes);
    p->here = calloc(t->n, sizeof *p->here);
    p->own = t->messages + (size_t)p->id * t->count;
    if (p->sealed == NULL || p->here == NULL)
        return ct_fail(diag, CT_ENOMEM, "client: out of memory");
    CT_TRY(open_session(p, diag));
    return permk__trainer_set_ownership(t, p->session, diag);
}

/* ---- Rounds ---- */

static ct_status seal_and_send(party *p, permk_kind kind, const double *values, size_t count,
                               ct_diag *diag)
{
    double start = ct_time_s();
    CT_TRY(permk_session_seal(p->session, p->id, kind, values, count, p->sealed, diag));
    p->trainer.phases.seal += ct_time_s() - start;
    uint8_t type = kind == PERMK_KIND_STOP ? PERMK__FRAME_STOP : PERMK__FRAME_BLOCK;
    return send_frame(p, type, p->sealed, permk_session_sealed_bytes(p->session, count), diag);
}

static ct_status send_stop(party *p, permk_outcome outcome, ct_diag *diag)
{
    const double values[PERMK__STOP_VALUES] = {(double)outcome, p->trainer.loss, p->trainer.norm};
    p->result.outcome = outcome;
    p->ended = true;
    return seal_and_send(p, PERMK_KIND_STOP, values, PERMK__STOP_VALUES, diag);
}

/* A verified stop message: the leader's verdict, or another client that was interrupted. */
static ct_status take_stop(party *p, const ct_message *message, ct_diag *diag)
{
    double values[PERMK__STOP_VALUES];
    CT_TRY(permk_session_open(p->session, message->aux, PERMK_KIND_STOP, message->data,
                              message->size_bytes, values, PERMK__STOP_VALUES, diag));
    bool verdict =
        message->aux == LEADER && (values[0] == PERMK_CONVERGED || //
                                   values[0] == PERMK_DIVERGED || values[0] == PERMK_MAX_ROUNDS);
    if (!verdict && values[0] != PERMK_INTERRUPTED)
        return ct_fail(diag, CT_EPROTOCOL, "client %u ended the run for no known reason",
                       message->aux);
    p->result.outcome = verdict ? (permk_outcome)values[0] : PERMK_PEER_STOPPED;
    p->result.stopped_by = message->aux;
    if (p->id != LEADER) {
        p->trainer.loss = values[1];
        p->trainer.norm = values[2];
    }
    p->ended = true;
    return CT_OK;
}

static ct_status take_block(party *p, const ct_message *message, ct_diag *diag)
{
    permk__trainer *t = &p->trainer;
    double start = ct_time_s();
    CT_TRY(permk_session_open(p->session, message->aux, PERMK_KIND_BLOCK, message->data,
                              message->size_bytes, t->messages + (size_t)message->aux * t->count,
                              t->count, diag));
    t->phases.open += ct_time_s() - start;
    p->here[message->aux] = true;
    return CT_OK;
}

static ct_status receive_round(party *p, ct_diag *diag)
{
    memset(p->here, 0, p->trainer.n * sizeof *p->here);
    double until = deadline(p);
    for (uint32_t left = p->trainer.n - 1; left > 0 && !p->ended; left--) {
        ct_message message;
        CT_TRY(next_frame(p, &message, until, diag));
        if (message.type == PERMK__FRAME_BLOCK && p->result.rounds < p->trainer.opt->max_rounds)
            CT_TRY(take_block(p, &message, diag));
        else if (message.type == PERMK__FRAME_STOP)
            CT_TRY(take_stop(p, &message, diag));
        else
            return ct_fail(diag, CT_EPROTOCOL, "client %u: an unexpected frame (type %u)",
                           message.aux, message.type);
    }
    return CT_OK;
}

static ct_status step_with_round(party *p, ct_diag *diag)
{
    permk__trainer *t = &p->trainer;
    permk_result *result = &p->result;
    double start = ct_time_s();
    CT_TRY(permk_session_end_round(p->session, diag));
    permk__trainer_step(t);
    t->phases.step += ct_time_s() - start;
    result->rounds++;
    result->client_bytes_up += result->client_bytes_up_per_round;
    result->client_bytes_down += result->client_bytes_down_per_round;
    bool evaluates = p->id == LEADER && permk__trainer_evaluates(t, result->rounds);
    if (evaluates)
        CT_TRY(permk__trainer_evaluate(t, diag));
    permk__trainer_report(t, evaluates, result);
    return CT_OK;
}

static ct_status one_round(party *p, ct_diag *diag)
{
    permk__trainer *t = &p->trainer;
    permk_outcome outcome;
    if (p->id == LEADER && permk__trainer_ended(t, p->result.rounds, &outcome))
        return send_stop(p, outcome, diag);
    if (interrupted(p))
        return send_stop(p, PERMK_INTERRUPTED, diag);
    if (p->result.rounds < t->opt->max_rounds) {
        CT_TRY(permk__trainer_begin_round(t, p->result.rounds, diag));
        double start = ct_time_s();
        CT_TRY(permk__trainer_compute(t, p->id, p->own, diag));
        t->phases.gradient += ct_time_s() - start;
        CT_TRY(seal_and_send(p, PERMK_KIND_BLOCK, p->own, t->count, diag));
    } // else only the leader's verdict is awaited
    CT_TRY(receive_round(p, diag));
    return p->ended ? CT_OK : step_with_round(p, diag);
}

static ct_status run(party *p, ct_diag *diag)
{
    if (p->id == LEADER)
        CT_TRY(permk__trainer_evaluate(&p->trainer, diag));
    permk__trainer_report(&p->trainer, p->id == LEADER, &p->result);
    while (!p->ended)
        CT_TRY(one_round(p, diag));
    // the run has ended: a server that is gone by now does not matter
    const ct_message bye = {
        .type = PERMK__FRAME_BYE, .aux = (uint32_t)p->result.rounds, .data = ""};
    ct_status status = ct_transport_send(p->transport, &bye, NULL);
    if (status == CT_OK)
        status = ct_transport_flush(p->transport, FLUSH_MS, diag);
    return status == CT_ECLOSED ? CT_OK : status;
}

ct_status permk_client_run(permk_result *result, permk_problem *problem, uint32_t id,
                           ct_transport *transport, double *x, const permk_train_options *opt,
                           ct_diag *diag)
{
    double start = ct_time_s();
    permk_train_options defaults = permk_train_options_default();
    party p = {.transport = transport, .id = id};
    ct_status status = party_init(&p, problem, x, opt != NULL ? opt : &defaults, diag);
    if (status == CT_OK)
        status = run(&p, diag);
    if (status == CT_OK)
        status = permk__trainer_finish(&p.trainer, &p.result, x, diag);
    p.result.seconds = ct_time_s() - start;
    *result = p.result;
    party_clear(&p);
    return status;
}
