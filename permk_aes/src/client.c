// SPDX-License-Identifier: MIT
/* One client among many processes. A round: seal and send the own message, open the others' chunks
 * as they come, then step. Nothing touches the iterate before every message of the round has
 * verified, or the server has said that its sender is lost. */
#include "party.h"
#include "protocol.h"

#include <ctrain/arena.h>
#include <ctrain/bytes.h>
#include <ctrain/timer.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS       200
#define STOP_GRACE_MS 2000 // an interrupted client gives the round in progress so long
#define FLUSH_MS      5000

const void *permk_greeting(size_t *size_bytes)
{
    static const char greeting[] = "permk 2";
    *size_bytes = sizeof greeting - 1;
    return greeting;
}

static void party_clear(permk__party *p)
{
    permk_session_destroy(p->session);
    permk_key_destroy(p->key);
    permk__trainer_clear(&p->trainer);
    free(p->lost);
    free(p->here);
    free(p->coming);
    free(p->messages);
    free(p->parts);
    free(p->sealed);
}

static bool interrupted(const permk__party *p)
{
    const ct_stop_flag *stop = p->trainer.opt->stop;
    return stop != NULL && atomic_load(stop);
}

static void say(const permk__party *p, const char *line)
{
    if (p->trainer.opt->on_log != NULL)
        p->trainer.opt->on_log(p->trainer.opt->context, line);
}

/* ---- Waiting ---- */

static bool awaits(const permk__party *p, uint32_t client)
{
    return client != p->id && !p->here[client] && !p->lost[client];
}

static uint32_t count_awaited(const permk__party *p, uint32_t *first)
{
    uint32_t count = 0;
    *first = p->id;
    for (uint32_t i = p->trainer.n; i-- > 0;) {
        if (awaits(p, i)) {
            *first = i;
            count++;
        }
    }
    return count;
}

static ct_status report_gone(uint32_t who, ct_diag *diag)
{
    if (who == PERMK__SERVER_STOPS)
        return ct_fail(diag, CT_ECLOSED, "the server was stopped");
    return ct_fail(diag, CT_ECLOSED, "client %u is gone or silent (says the server)", who);
}

/* Where nobody was heard it is no single client's fault: the run may not have begun. */
static ct_status report_silence(const permk__party *p, ct_diag *diag)
{
    uint32_t first, missing = count_awaited(p, &first);
    unsigned long long round = p->trainer.round;
    if (interrupted(p))
        return ct_fail(diag, CT_EINTERRUPTED, "stopped while waiting for client %u", first);
    if (missing > 1 && missing == p->trainer.n - 1)
        return ct_fail(diag, CT_ETIMEOUT,
                       "round %llu: nothing from any of the other %u clients in time (do all of "
                       "them run?)",
                       round, missing);
    return ct_fail(diag, CT_ETIMEOUT, "round %llu: nothing from client %u in time", round, first);
}

static ct_status receive(permk__party *p, ct_message *message, double deadline_s, ct_diag *diag)
{
    double start = ct_time_s();
    ct_status status = CT_ETIMEOUT;
    while (status == CT_ETIMEOUT) {
        double now = ct_time_s();
        if (interrupted(p) && deadline_s > now + STOP_GRACE_MS / 1000.0)
            deadline_s = now + STOP_GRACE_MS / 1000.0;
        if (now > deadline_s)
            return report_silence(p, diag);
        status = ct_transport_receive(p->transport, message, POLL_MS, diag);
    }
    p->trainer.phases.wait += ct_time_s() - start;
    return status;
}

/* The server gives a client up: its message of this round, complete or not, is not there unless it
 * was complete already. */
static ct_status note_lost(permk__party *p, uint32_t client, ct_diag *diag)
{
    char line[80];
    if (client >= p->trainer.n || client == p->id || p->lost[client])
        return ct_fail(diag, CT_EPROTOCOL, "the server says that client %u is lost", client);
    if (client == PERMK__LEADER)
        return ct_fail(diag, CT_ECLOSED, "client 0, which leads, is lost (says the server)");
    p->lost[client] = true;
    uint32_t n = p->trainer.n, least = p->trainer.opt->min_clients, left = 0;
    for (uint32_t i = 0; i < n; i++)
        left += !p->lost[i];
    if (left < (least > 0 ? least : n))
        return ct_fail(diag, CT_ECLOSED,
                       "client %u is lost (says the server), and with %u of %u clients this one "
                       "does not go on",
                       client, left, n);
    snprintf(line, sizeof line, "round %llu: client %u is lost; training goes on without it",
             (unsigned long long)p->trainer.round, client);
    say(p, line);
    return CT_OK;
}

ct_status permk__party_next(permk__party *p, ct_message *message, double deadline_s, bool *lost_one,
                            ct_diag *diag)
{
    *lost_one = false;
    CT_TRY(receive(p, message, deadline_s, diag));
    if (message->type == PERMK__FRAME_GONE)
        return report_gone(message->aux, diag);
    if (message->type == PERMK__FRAME_ABSENT) {
        *lost_one = true;
        return note_lost(p, message->aux, diag);
    }
    if (message->aux >= p->trainer.n || message->aux == p->id || p->lost[message->aux])
        return ct_fail(diag, CT_EPROTOCOL, "a frame the server says is from client %u",
                       message->aux);
    return CT_OK;
}

double permk__party_deadline(const permk__party *p)
{
    return ct_time_s() + p->trainer.opt->round_timeout_ms / 1000.0;
}

ct_status permk__party_send(permk__party *p, uint8_t type, const void *data, size_t size,
                            ct_diag *diag)
{
    double start = ct_time_s();
    ct_message message = {.type = type, .data = data, .size_bytes = size};
    ct_status status = ct_transport_send(p->transport, &message, diag);
    p->trainer.phases.send += ct_time_s() - start;
    if (status != CT_ECLOSED)
        return status;
    // why the server went may be among what it sent before: who waits for frames next will find it
    if (type != PERMK__FRAME_STOP && p->trainer.n > 1)
        return CT_OK;
    bool lost_one;
    do
        status = permk__party_next(p, &message, permk__party_deadline(p), &lost_one, diag);
    while (status == CT_OK);
    return status;
}

/* ---- Life ---- */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static ct_status allocate_messages(permk__party *p, ct_diag *diag)
{
    permk__trainer *t = &p->trainer;
    size_t n = t->n, bytes, parts = 0;
    size_t overhead = permk_session_overhead_bytes(p->session);
    p->payload_bytes = larger(t->codec.payload_bytes, t->dense.payload_bytes);
    size_t measure_bytes = t->problem->own_only ? (t->d + 1) * sizeof(double) : 0;
    size_t largest = larger(larger(p->payload_bytes, measure_bytes), // a stop message fits anyway
                            PERMK__STOP_VALUES * sizeof(double));
    bool ok = ct_mul_size(&bytes, n, p->payload_bytes);
    ok = ok && ct_mul_size(&parts, n, measure_bytes);
    p->messages = ok ? malloc(bytes) : NULL;
    p->parts = ok && parts > 0 ? malloc(parts) : NULL;
    p->sealed =
        malloc(1 + overhead + (largest < t->opt->chunk_bytes ? largest : t->opt->chunk_bytes));
    if (p->messages == NULL || p->sealed == NULL || (parts > 0 && p->parts == NULL))
        return ct_fail(diag, CT_ENOMEM, "client: out of memory");
    return CT_OK;
}

static ct_status party_init(permk__party *p, permk_problem *problem, const double *x,
                            const permk_train_options *opt, ct_diag *diag)
{
    if (p->id >= problem->clients || ct_transport_clients(p->transport) != problem->clients)
        return ct_fail(diag, CT_EINVALID,
                       "client %u of %u clients at a server of %zu: the numbers do not fit", p->id,
                       problem->clients, ct_transport_clients(p->transport));
    if (opt->min_clients > problem->clients)
        return ct_fail(diag, CT_EINVALID, "min_clients: %u of %u clients", opt->min_clients,
                       problem->clients);
    CT_TRY(permk__trainer_init(&p->trainer, problem, p->id, x, opt, diag));
    size_t n = p->trainer.n;
    p->lost = calloc(n, sizeof *p->lost);
    p->here = calloc(n, sizeof *p->here);
    p->coming = calloc(n, sizeof *p->coming);
    if (p->lost == NULL || p->here == NULL || p->coming == NULL)
        return ct_fail(diag, CT_ENOMEM, "client: out of memory");
    CT_TRY(permk__party_meet(p, diag));
    CT_TRY(permk__trainer_open(&p->trainer, p->session, diag));
    return allocate_messages(p, diag);
}

/* ---- Messages ---- */

static uint8_t frame_of(permk_kind kind)
{
    return kind == PERMK_KIND_BLOCK     ? PERMK__FRAME_BLOCK
           : kind == PERMK_KIND_MEASURE ? PERMK__FRAME_MEASURE
                                        : PERMK__FRAME_STOP;
}

static ct_status send_message(permk__party *p, permk_kind kind, const void *plain, ct_diag *diag)
{
    permk__parts parts = permk__parts_begin(&p->trainer, kind);
    size_t overhead = permk_session_overhead_bytes(p->session);
    while (permk__parts_next(&parts)) {
        double start = ct_time_s();
        p->sealed[0] = parts.part.last ? PERMK__FLAG_LAST : 0;
        CT_TRY(permk_session_seal(p->session, p->id, &parts.part,
                                  (const unsigned char *)plain + parts.offset, parts.size,
                                  p->sealed + 1, diag));
        p->trainer.phases.seal += ct_time_s() - start;
        CT_TRY(permk__party_send(p, frame_of(kind), p->sealed, 1 + parts.size + overhead, diag));
    }
    return CT_OK;
}

/* One chunk of a message of the sender, which goes to its place at plain. */
static ct_status take_chunk(permk__party *p, const ct_message *message, permk_kind kind,
                            void *plain, ct_diag *diag)
{
    uint32_t client = message->aux;
    permk__parts *parts = &p->coming[client];
    double start = ct_time_s();
    if (message->size_bytes == 0 || p->here[client] || !permk__parts_next(parts))
        return ct_fail(diag, PERMK_EAUTH, "client %u, round %llu: a frame too many", client,
                       (unsigned long long)p->trainer.round);
    parts->part.kind = kind;
    CT_TRY(permk_session_open(p->session, client, &parts->part,
                              (const unsigned char *)message->data + 1, message->size_bytes - 1,
                              (unsigned char *)plain + parts->offset, parts->size, diag));
    p->here[client] = parts->part.last;
    p->trainer.phases.open += ct_time_s() - start;
    return CT_OK;
}

static ct_status send_stop(permk__party *p, permk_outcome outcome, ct_diag *diag)
{
    const double values[PERMK__STOP_VALUES] = {(double)outcome, p->trainer.loss, p->trainer.norm};
    unsigned char plain[PERMK__STOP_VALUES * sizeof(double)];
    ct_writer w = ct_writer_view(plain, sizeof plain);
    ct_write_f64_array(&w, values, PERMK__STOP_VALUES);
    p->result.outcome = outcome;
    p->ended = true;
    return send_message(p, PERMK_KIND_STOP, plain, diag);
}

/* A verified stop message: the leader's verdict, or another client that was interrupted. */
static ct_status take_stop(permk__party *p, const ct_message *message, ct_diag *diag)
{
    unsigned char plain[PERMK__STOP_VALUES * sizeof(double)];
    double values[PERMK__STOP_VALUES];
    p->coming[message->aux] = permk__parts_begin(&p->trainer, PERMK_KIND_STOP);
    CT_TRY(take_chunk(p, message, PERMK_KIND_STOP, plain, diag));
    ct_reader r = ct_reader_view(plain, sizeof plain);
    ct_read_f64_array(&r, values, PERMK__STOP_VALUES);
    bool verdict = message->aux == PERMK__LEADER &&
                   (values[0] == PERMK_CONVERGED || values[0] == PERMK_DIVERGED ||
                    values[0] == PERMK_MAX_ROUNDS);
    if (!verdict && values[0] != PERMK_INTERRUPTED)
        return ct_fail(diag, CT_EPROTOCOL, "client %u ended the run for no known reason",
                       message->aux);
    p->result.outcome = verdict ? (permk_outcome)values[0] : PERMK_PEER_STOPPED;
    p->result.stopped_by = message->aux;
    if (verdict) {
        p->trainer.loss = values[1];
        p->trainer.norm = values[2];
    }
    p->ended = true;
    return CT_OK;
}

/* All others' messages of a kind: stride bytes a client from plain on. */
static ct_status receive_all(permk__party *p, permk_kind kind, void *plain, size_t stride,
                             ct_diag *diag)
{
    permk__trainer *t = &p->trainer;
    double until = permk__party_deadline(p);
    uint32_t first;
    memset(p->here, 0, t->n * sizeof *p->here);
    for (uint32_t i = 0; i < t->n; i++)
        p->coming[i] = permk__parts_begin(t, kind);
    while (!p->ended && count_awaited(p, &first) > 0) {
        ct_message message;
        bool lost_one;
        CT_TRY(permk__party_next(p, &message, until, &lost_one, diag));
        if (lost_one)
            continue;
        if (message.type == frame_of(kind))
            CT_TRY(
                take_chunk(p, &message, kind, (unsigned char *)plain + message.aux * stride, diag));
        else if (message.type == PERMK__FRAME_STOP)
            CT_TRY(take_stop(p, &message, diag));
        else
            return ct_fail(diag, CT_EPROTOCOL, "client %u: an unexpected frame (type %u)",
                           message.aux, message.type);
    }
    p->here[p->id] = true;
    return CT_OK;
}

/* ---- f and its gradient, by all clients ---- */

static void account_measure(permk__party *p)
{
    permk__parts message = permk__parts_begin(&p->trainer, PERMK_KIND_MEASURE);
    uint64_t bytes = permk__parts_wire_bytes(&message, permk_session_overhead_bytes(p->session));
    p->result.client_bytes_up_evaluations += bytes;
    p->result.client_bytes_down_evaluations += bytes * (p->trainer.n - 1);
}

/* Numbers of messages are little-endian. */
static void swap_on_big_endian(double *values, size_t n)
{
    ct_reader r = ct_reader_view(values, n * sizeof *values);
    ct_read_f64_array(&r, values, n); // reads an element before it is written
}

static ct_status measure_together(permk__party *p, ct_diag *diag)
{
    permk__trainer *t = &p->trainer;
    double start = ct_time_s(),
           waited = t->phases.wait + t->phases.send + t->phases.seal + t->phases.open;
    size_t stride = (t->d + 1) * sizeof(double);
    double *own = p->parts + (size_t)p->id * (t->d + 1);
    uint32_t present = 0;
    CT_TRY(permk__trainer_measure(t, p->id, own, diag));
    swap_on_big_endian(own, t->d + 1);
    CT_TRY(send_message(p, PERMK_KIND_MEASURE, own, diag));
    CT_TRY(receive_all(p, PERMK_KIND_MEASURE, p->parts, stride, diag));
    if (p->ended)
        return CT_OK;
    permk__trainer_measure_begin(t);
    for (uint32_t i = 0; i < t->n; i++) {
        if (!p->here[i])
            continue;
        swap_on_big_endian(p->parts + (size_t)i * (t->d + 1), t->d + 1);
        permk__trainer_measure_add(t, p->parts + (size_t)i * (t->d + 1));
        present++;
    }
    permk__trainer_measure_end(t, present);
    account_measure(p);
    waited = t->phases.wait + t->phases.send + t->phases.seal + t->phases.open - waited;
    t->phases.evaluate += ct_time_s() - start - waited;
    return CT_OK;
}

/* f is known to the leader, or to all. */
static ct_status evaluate(permk__party *p, bool *evaluated, ct_diag *diag)
{
    permk__trainer *t = &p->trainer;
    *evaluated = permk__trainer_evaluates(t) && (t->problem->own_only || p->id == PERMK__LEADER);
    if (!*evaluated)
        return CT_OK;
    if (t->problem->own_only)
        return t->finite ? measure_together(p, diag) : CT_OK;
    return permk__trainer_evaluate(t, diag);
}

/* ---- Rounds ---- */

/* A number that is not finite, whoever sent it, ends the run for all: they have the same messages.
 */
static void refuse_number(permk__party *p, uint32_t client)
{
    char line[96];
    snprintf(line, sizeof line, "round %llu: client %u sent a number that is not finite",
             (unsigned long long)p->trainer.round, client);
    say(p, line);
    p->trainer.finite = false;
}

static ct_status apply_round(permk__party *p, ct_diag *diag)
{
    permk__trainer *t = &p->trainer;
    p->absent = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        p->absent += !p->here[i];
        if (p->here[i] && !permk__trainer_add(t, i, p->messages + i * p->payload_bytes))
            refuse_number(p, i);
    }
    permk__trainer_account(t, permk_session_overhead_bytes(p->session), &p->result);
    p->result.absences += p->absent;
    CT_TRY(permk_session_end_round(p->session, diag));
    permk__trainer_step(t, p->absent);
    return CT_OK;
}

static ct_status exchange_round(permk__party *p, ct_diag *diag)
{
    permk__trainer *t = &p->trainer;
    unsigned char *own = p->messages + p->id * p->payload_bytes;
    if (t->round < t->opt->max_rounds && t->finite) {
        CT_TRY(permk__trainer_begin(t, diag));
        double start = ct_time_s();
        CT_TRY(permk__trainer_compute(t, p->id, own, diag));
        t->phases.gradient += ct_time_s() - start;
        CT_TRY(send_message(p, PERMK_KIND_BLOCK, own, diag));
    } // else only the leader's verdict is awaited
    CT_TRY(receive_all(p, PERMK_KIND_BLOCK, p->messages, p->payload_bytes, diag));
    return p->ended ? CT_OK : apply_round(p, diag);
}

/* Where all know f, each finds the end by itself. */
static ct_status see_whether_ended(permk__party *p, bool evaluated, ct_diag *diag)
{
    permk_outcome outcome;
    if (p->ended || !evaluated || !permk__trainer_ended(&p->trainer, &outcome))
        return CT_OK;
    if (!p->trainer.problem->own_only)
        return send_stop(p, outcome, diag);
    p->result.outcome = outcome;
    p->ended = true;
    return CT_OK;
}

static ct_status one_round(permk__party *p, bool *evaluated, ct_diag *diag)
{
    if (interrupted(p))
        return send_stop(p, PERMK_INTERRUPTED, diag);
    CT_TRY(exchange_round(p, diag));
    if (p->ended)
        return CT_OK;
    CT_TRY(evaluate(p, evaluated, diag));
    permk__trainer_report(&p->trainer, *evaluated, p->trainer.n - p->absent, &p->result);
    CT_TRY(permk__trainer_checkpoint(&p->trainer, diag));
    return see_whether_ended(p, *evaluated, diag);
}

static ct_status say_good_bye(permk__party *p, ct_diag *diag)
{
    // the run has ended: a server that is gone by now does not matter
    const ct_message bye = {.type = PERMK__FRAME_BYE, .data = ""};
    ct_status status = ct_transport_send(p->transport, &bye, NULL);
    if (status == CT_OK)
        status = ct_transport_flush(p->transport, FLUSH_MS, diag);
    return status == CT_ECLOSED ? CT_OK : status;
}

static ct_status run(permk__party *p, ct_diag *diag)
{
    bool evaluated;
    CT_TRY(evaluate(p, &evaluated, diag));
    permk__trainer_report(&p->trainer, evaluated, p->trainer.n, &p->result);
    CT_TRY(see_whether_ended(p, evaluated, diag));
    while (!p->ended)
        CT_TRY(one_round(p, &evaluated, diag));
    p->result.epochs = permk_session_epoch(p->session);
    permk__session_text(p->session, p->result.session);
    return say_good_bye(p, diag);
}

ct_status permk_client_run(permk_result *result, permk_problem *problem, uint32_t id,
                           ct_transport *transport, double *x, const permk_train_options *opt,
                           ct_diag *diag)
{
    double start = ct_time_s();
    permk_train_options defaults = permk_train_options_default();
    permk__party p = {.transport = transport, .id = id};
    ct_status status = party_init(&p, problem, x, opt != NULL ? opt : &defaults, diag);
    if (status == CT_OK)
        status = run(&p, diag);
    if (status == CT_OK)
        status = permk__trainer_finish(&p.trainer, &p.result, x, diag);
    p.result.seconds = ct_time_s() - start;
    p.result.rounds = p.trainer.round; // also of a run that failed
    *result = p.result;
    party_clear(&p);
    return status;
}
