// SPDX-License-Identifier: MIT
/* The forwarding server. This file depends on the transport, the capture file and protocol.h alone:
 * no key and no cipher is within its reach (a test looks at its symbols).
 *
 * One thread takes one frame at a time and queues it for all the others before it takes the next,
 * so all of them see the frames of one client, and its absence, in the same order. Of each client
 * only counters are kept. How much may wait for a slow reader is the transport's business: it takes
 * nothing from the others meanwhile. */
#include <permk_aes/server.h>

#include "capture_write.h"
#include "protocol.h"

#include <ctrain/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS          200
#define FLUSH_MS         1000
#define MAX_QUEUED_BYTES (2 * PERMK__CHUNK_MAX_BYTES)
#define LEADER           0U

typedef struct client_state {
    uint64_t blocks, measures; // messages of it that are complete
    uint8_t unfinished;        // the type of the message of which more chunks must come; 0: none
    bool greeted;              // its hello has come
    bool stopped;              // it has sent a stop message
    bool left;                 // it has said good-bye
    bool lost;                 // the run goes on without it
    double waited_s;           // the run has waited for it since the last progress
} client_state;

typedef struct forwarder {
    ct_transport *transport;
    const permk_server_options *opt;
    permk_server_result *result;
    ct_file_writer *capture; // or NULL
    size_t n;
    client_state *clients;                 // (n)
    uint64_t complete;                     // rounds of which every client's block is complete, and
    uint64_t measured;                     // how often f was evaluated by all; the most anybody
    uint64_t begun_blocks, begun_measures; // has sent the first chunk of
    bool formed;                           // every hello has come
    bool has_keys;                         // client 0 has sent the wrapped keys
    bool ending;      // somebody has sent a stop message or left: rounds need not be complete
    uint32_t culprit; // who ends the run before its time, if it ends so
    double start_s, looked_s; // when it began; when waited_s was brought up to date
} forwarder;

permk_server_options permk_server_options_default(void)
{
    return (permk_server_options){.round_timeout_ms = 60000};
}

static bool is_here(const forwarder *s, size_t client)
{
    return !s->clients[client].left && !s->clients[client].lost;
}

static bool is_over(const forwarder *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (is_here(s, i))
            return false;
    return true;
}

/* ---- Sending ---- */

static void note_queued(forwarder *s)
{
    size_t queued = 0;
    for (uint32_t i = 0; i < s->n; i++)
        queued += ct_transport_queued(s->transport, i);
    if (queued > s->result->most_queued_bytes)
        s->result->most_queued_bytes = queued;
}

/* Send to everyone who still listens, except `from`. A peer that is lost meanwhile is reported by
 * the next receive. */
static ct_status send_to_others(forwarder *s, uint32_t from, ct_message message, ct_diag *diag)
{
    for (uint32_t i = 0; i < s->n; i++) {
        if (i == from || !is_here(s, i) || !ct_transport_alive(s->transport, i))
            continue;
        message.peer = i;
        ct_status status = ct_transport_send(s->transport, &message, diag);
        if (status != CT_OK && status != CT_ECLOSED)
            return status; // the others have had more: they cannot go on together
    }
    note_queued(s);
    return CT_OK;
}

static ct_status forward(forwarder *s, uint8_t type, uint32_t origin, const void *data,
                         size_t size_bytes, ct_diag *diag)
{
    const ct_message message = {
        .type = type, .aux = origin, .data = data, .size_bytes = size_bytes};
    if (s->capture != NULL)
        permk__capture_add(s->capture, ct_time_s() - s->start_s, &message);
    return send_to_others(s, origin, message, diag);
}

/* Tell the others that client `who` (or the server) ends the run, and give that time to leave. */
static void tell_gone(forwarder *s, uint32_t who)
{
    const ct_message message = {.type = PERMK__FRAME_GONE, .aux = who, .data = ""};
    ct_status status = send_to_others(s, who, message, NULL);
    if (status == CT_OK)
        status = ct_transport_flush(s->transport, FLUSH_MS, NULL);
    (void)status; // whoever cannot be told sees the connection close
}

/* ---- Time ---- */

static void note_progress(forwarder *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->clients[i].waited_s = 0.0;
}

/* Has it still to complete what somebody has begun? */
static bool is_behind(const forwarder *s, const client_state *client)
{
    return client->blocks < s->begun_blocks || client->measures < s->begun_measures;
}

static bool someone_is_behind(const forwarder *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (is_here(s, i) && is_behind(s, &s->clients[i]))
            return true;
    return false;
}

static bool reads_too_slowly(const forwarder *s, uint32_t client)
{
    return is_here(s, client) && ct_transport_queued(s->transport, client) > MAX_QUEUED_BYTES;
}

/* Is there something this client should do now, leaving aside that others may hold it up? */
static bool is_expected(const forwarder *s, const client_state *client, bool is_round_open)
{
    if (!s->formed)
        return !client->greeted;
    return s->ending || !is_round_open || is_behind(s, client);
}

/* Charge the time since the last look to those for whom the run waited: who reads too slowly, which
 * holds up all the others, or else who has something to send. */
static void charge_time(forwarder *s)
{
    double now = ct_time_s(), took = now - s->looked_s;
    s->looked_s = now;
    if (took > 1.0)
        took = 1.0; // receive returns more often: it was the server that slept
    bool is_round_open = someone_is_behind(s), is_congested = false;
    for (uint32_t i = 0; i < s->n && !is_congested; i++)
        is_congested = reads_too_slowly(s, i);
    for (uint32_t i = 0; i < s->n; i++) {
        client_state *client = &s->clients[i];
        if (is_here(s, i) &&
            (is_congested ? reads_too_slowly(s, i) : is_expected(s, client, is_round_open)))
            client->waited_s += took;
    }
}

static bool is_late(const forwarder *s, size_t client)
{
    return is_here(s, client) &&
           s->clients[client].waited_s * 1000.0 > (double)s->opt->round_timeout_ms;
}

/* ---- Losing clients ---- */

/* What of a round is complete for all. */
static void note_complete(forwarder *s)
{
    uint64_t blocks = UINT64_MAX, measures = UINT64_MAX;
    for (size_t i = 0; i < s->n; i++) {
        const client_state *c = &s->clients[i];
        if (!c->lost && c->blocks < blocks)
            blocks = c->blocks;
        if (!c->lost && c->measures < measures)
            measures = c->measures;
    }
    if (blocks != s->complete || measures != s->measured)
        note_progress(s);
    s->measured = measures;
    if (blocks == s->complete)
        return;
    s->complete = blocks;
    if (s->opt->on_round != NULL)
        s->opt->on_round(s->opt->on_round_context, blocks);
}

/* Without all hellos there is no session, and without the leader no end. */
static bool can_do_without(const forwarder *s, size_t n_late, bool leader_is_late)
{
    return s->opt->min_clients > 0 && s->formed && !leader_is_late &&
           s->n - s->result->lost >= n_late + s->opt->min_clients;
}

static ct_status go_on_without(forwarder *s, uint32_t client, ct_diag *diag)
{
    ct_transport_drop(s->transport, client);
    s->clients[client].lost = true;
    s->result->lost++;
    if (s->opt->on_lost != NULL)
        s->opt->on_lost(s->opt->on_round_context, client, diag->text);
    CT_TRY(forward(s, PERMK__FRAME_ABSENT, client, "", 0, diag));
    note_complete(s);
    return CT_OK;
}

/* diag says why. */
static ct_status lose(forwarder *s, uint32_t client, ct_status why, ct_diag *diag)
{
    if (can_do_without(s, 1, client == LEADER))
        return go_on_without(s, client, diag);
    s->culprit = client;
    return why;
}

static ct_status fail_late(const forwarder *s, const char *names, ct_diag *diag)
{
    return ct_fail(diag, CT_ETIMEOUT, "round %llu: the run has waited %g s for %s",
                   (unsigned long long)s->complete, (double)s->opt->round_timeout_ms / 1000.0,
                   names);
}

static ct_status end_with_late(forwarder *s, ct_diag *diag)
{
    char names[CT_DIAG_SIZE / 2] = "";
    size_t at = 0;
    for (uint32_t i = 0; i < s->n && at < sizeof names; i++) {
        if (!is_late(s, i))
            continue;
        if (at == 0)
            s->culprit = i;
        int n = snprintf(names + at, sizeof names - at, "%s%s", at > 0 ? ", " : "",
                         ct_transport_peer_name(s->transport, i));
        at = n < 0 ? sizeof names : at + (size_t)n; // that many names are enough
    }
    return fail_late(s, names, diag);
}

static ct_status lose_late(forwarder *s, ct_diag *diag)
{
    size_t n_late = 0;
    for (size_t i = 0; i < s->n; i++)
        n_late += is_late(s, i);
    if (n_late == 0)
        return CT_OK;
    if (!can_do_without(s, n_late, is_late(s, LEADER)))
        return end_with_late(s, diag);
    for (uint32_t i = 0; i < s->n; i++) {
        if (!is_late(s, i))
            continue;
        ct_status why = fail_late(s, ct_transport_peer_name(s->transport, i), diag);
        CT_TRY(lose(s, i, why, diag));
    }
    return CT_OK;
}

/* ---- Frames ---- */

static const char *check_hello(const client_state *from, const ct_message *message)
{
    if (from->greeted)
        return "a second hello";
    return message->size_bytes > PERMK__HELLO_MAX_BYTES ? "a hello that is too long" : NULL;
}

static const char *check_keys(const forwarder *s, const ct_message *message)
{
    const client_state *from = &s->clients[message->peer];
    if (message->peer != LEADER)
        return "keys, which only client 0 may send";
    if (s->has_keys || from->unfinished != 0 || from->blocks > 0 || from->measures > 0)
        return "keys twice or too late";
    return NULL;
}

static const char *check_chunk(const forwarder *s, const ct_message *message)
{
    const client_state *from = &s->clients[message->peer];
    const unsigned char *flags = message->data;
    if (message->size_bytes == 0 || (*flags & ~PERMK__FLAG_LAST) != 0)
        return "a chunk without flags, or with unknown ones";
    if (from->stopped)
        return "a chunk after its stop message";
    if (from->unfinished != 0)
        return from->unfinished == message->type ? NULL : "a message in the middle of another";
    if ((message->type == PERMK__FRAME_BLOCK && from->blocks > s->complete) ||
        (message->type == PERMK__FRAME_MEASURE && from->measures > s->measured))
        return "a message of a round that is not its turn";
    return NULL;
}

/* What is wrong with this frame, given what its sender has sent before; NULL: nothing. */
static const char *check_frame(const forwarder *s, const ct_message *message)
{
    const client_state *from = &s->clients[message->peer];
    if (from->left)
        return "a frame after its good-bye";
    if (message->size_bytes > PERMK__FRAME_MAX_BYTES)
        return "a frame that is too long";
    if (message->type != PERMK__FRAME_HELLO && !s->formed)
        return "a frame before it had all hellos";
    switch (message->type) {
    case PERMK__FRAME_HELLO:
        return check_hello(from, message);
    case PERMK__FRAME_KEYS:
        return check_keys(s, message);
    case PERMK__FRAME_BLOCK:
    case PERMK__FRAME_MEASURE:
    case PERMK__FRAME_STOP:
        return check_chunk(s, message);
    case PERMK__FRAME_BYE:
        return from->unfinished != 0 ? "a good-bye in the middle of a message" : NULL;
    default:
        return "a frame of unknown type";
    }
}

static bool everyone_greeted(const forwarder *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (!s->clients[i].greeted)
            return false;
    return true;
}

static void note_stop(forwarder *s, client_state *from, bool is_last)
{
    if (!is_last)
        return;
    from->stopped = s->ending = true;
    note_progress(s);
}

static void note_chunk(forwarder *s, client_state *from, uint8_t type, bool is_last)
{
    from->unfinished = is_last ? 0 : type;
    if (type == PERMK__FRAME_STOP) {
        note_stop(s, from, is_last);
        return;
    }
    if (!someone_is_behind(s))
        note_progress(s); // a round begins
    uint64_t *count = type == PERMK__FRAME_BLOCK ? &from->blocks : &from->measures;
    uint64_t *begun = type == PERMK__FRAME_BLOCK ? &s->begun_blocks : &s->begun_measures;
    if (*begun == *count)
        ++*begun;
    *count += is_last;
    note_complete(s);
}

static void note_frame(forwarder *s, const ct_message *message)
{
    client_state *from = &s->clients[message->peer];
    const unsigned char *flags = message->data;
    switch (message->type) {
    case PERMK__FRAME_HELLO:
        from->greeted = true;
        s->formed = everyone_greeted(s);
        if (!s->formed)
            return;
        break;
    case PERMK__FRAME_KEYS:
        s->has_keys = true;
        break;
    case PERMK__FRAME_BYE:
        from->left = true;
        s->ending = true;
        break;
    default:
        note_chunk(s, from, message->type, (*flags & PERMK__FLAG_LAST) != 0);
        return;
    }
    note_progress(s);
}

static ct_status handle(forwarder *s, const ct_message *message, ct_diag *diag)
{
    const char *wrong = check_frame(s, message);
    if (wrong != NULL) {
        ct_status why = ct_fail(diag, CT_EPROTOCOL, "%s: %s",
                                ct_transport_peer_name(s->transport, message->peer), wrong);
        return lose(s, message->peer, why, diag);
    }
    if (message->type != PERMK__FRAME_BYE)
        CT_TRY(forward(s, message->type, message->peer, message->data, message->size_bytes, diag));
    note_frame(s, message);
    return CT_OK;
}

/* A peer's connection has ended: in order after its good-bye, a loss before. */
static ct_status handle_gone(forwarder *s, uint32_t peer, ct_status why, ct_diag *diag)
{
    if (peer >= s->n)
        return ct_fail(diag, CT_ECLOSED, "all clients are gone");
    return s->clients[peer].left ? CT_OK : lose(s, peer, why, diag);
}

/* ---- The run ---- */

static ct_status serve(forwarder *s, ct_diag *diag)
{
    while (!is_over(s)) {
        if (s->opt->stop != NULL && atomic_load(s->opt->stop))
            return ct_fail(diag, CT_EINTERRUPTED, "stopped in round %llu; the clients were told",
                           (unsigned long long)s->complete);
        CT_TRY(lose_late(s, diag));
        ct_message message;
        ct_status status = ct_transport_receive(s->transport, &message, POLL_MS, diag);
        charge_time(s);
        if (status == CT_OK)
            CT_TRY(handle(s, &message, diag));
        else if (status != CT_ETIMEOUT)
            CT_TRY(handle_gone(s, message.peer, status, diag));
    }
    ct_diag_clear(diag);
    return CT_OK;
}

static ct_status open_capture(forwarder *s, ct_diag *diag)
{
    if (s->opt->capture == NULL)
        return CT_OK;
    return permk__capture_begin(&s->capture, s->opt->capture, (uint32_t)s->n, diag);
}

/* However the run ended, what was captured is kept. */
static ct_status close_capture(forwarder *s, ct_status status, ct_diag *diag)
{
    if (s->capture == NULL)
        return status;
    ct_status closed = ct_file_writer_commit(s->capture, status == CT_OK ? diag : NULL);
    return status == CT_OK ? closed : status;
}

ct_status permk_server_run(permk_server_result *result, ct_transport *transport,
                           const permk_server_options *opt, ct_diag *diag)
{
    permk_server_options defaults = permk_server_options_default();
    ct_diag unheard;
    forwarder s = {.transport = transport,
                   .opt = opt != NULL ? opt : &defaults,
                   .result = result,
                   .n = ct_transport_peers(transport),
                   .culprit = PERMK__SERVER_STOPS,
                   .start_s = ct_time_s()};
    if (diag == NULL)
        diag = &unheard; // on_lost hears it in any case
    s.looked_s = s.start_s;
    memset(result, 0, sizeof *result);
    s.clients = calloc(s.n, sizeof *s.clients);
    if (s.clients == NULL)
        return ct_fail(diag, CT_ENOMEM, "server: out of memory");
    ct_transport_set_limits(transport, PERMK__FRAME_MAX_BYTES, MAX_QUEUED_BYTES);
    ct_status status = open_capture(&s, diag);
    if (status == CT_OK)
        status = serve(&s, diag);
    if (status != CT_OK)
        tell_gone(&s, s.culprit);
    status = close_capture(&s, status, diag);
    result->rounds = s.complete;
    result->traffic = ct_transport_traffic_total(transport);
    free(s.clients);
    return status;
}
