// SPDX-License-Identifier: MIT
/* The forwarding server. This file depends on the transport and on protocol.h alone: no key and no
 * cipher is within its reach (a test looks at its symbols). */
#include <permk_aes/server.h>

#include "protocol.h"

#include <ctrain/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS  200
#define FLUSH_MS 1000

typedef struct client_state {
    uint64_t blocks; // rounds it has sent a block for
    bool greeted;    // its hello has come
    bool stopped;    // it has sent a stop message
    bool left;       // it has said good-bye
} client_state;

typedef struct forwarder {
    ct_transport *transport;
    const permk_server_options *opt;
    size_t n;
    client_state *clients; // (n)
    double progress_s;     // when the last round was complete
    uint64_t complete;     // rounds every client has sent a block for
    bool ending;           // somebody has sent a stop message or left: rounds need not be complete
} forwarder;

permk_server_options permk_server_options_default(void)
{
    return (permk_server_options){.round_timeout_ms = 60000};
}

static bool everyone_left(const forwarder *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (!s->clients[i].left)
            return false;
    return true;
}

/* Send to everyone who still listens, except `from`. A peer that is lost meanwhile is reported by
 * the next receive. */
static ct_status send_to_others(forwarder *s, uint32_t from, ct_message message, ct_diag *diag)
{
    for (uint32_t i = 0; i < s->n; i++) {
        if (i == from || s->clients[i].left || !ct_transport_alive(s->transport, i))
            continue;
        message.peer = i;
        ct_status status = ct_transport_send(s->transport, &message, diag);
        if (status != CT_OK && status != CT_ECLOSED)
            return status;
    }
    return CT_OK;
}

/* Tell the others that client `who` (or the server) ends the run, and give that time to leave. */
static void tell_gone(forwarder *s, uint32_t who)
{
    ct_message message = {.type = PERMK__FRAME_GONE, .aux = who, .data = "", .size_bytes = 0};
    ct_status status = send_to_others(s, who, message, NULL);
    if (status == CT_OK)
        status = ct_transport_flush(s->transport, FLUSH_MS, NULL);
    (void)status; // whoever cannot be told sees the connection close
}

static ct_status protocol_error(forwarder *s, const ct_message *message, const char *what,
                                ct_diag *diag)
{
    ct_fail(diag, CT_EPROTOCOL, "%s: %s", ct_transport_peer_name(s->transport, message->peer),
            what);
    tell_gone(s, message->peer);
    return CT_EPROTOCOL;
}

static void note_progress(forwarder *s)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < s->n; i++)
        if (s->clients[i].blocks < least)
            least = s->clients[i].blocks;
    if (least == s->complete)
        return;
    s->complete = least;
    s->progress_s = ct_time_s();
    if (s->opt->on_round != NULL)
        s->opt->on_round(s->opt->on_round_context, least);
}

/* What is wrong with this frame, given what its sender has sent before; NULL: nothing. */
static const char *check_frame(const forwarder *s, const ct_message *message)
{
    const client_state *from = &s->clients[message->peer];
    bool is_round = message->type == PERMK__FRAME_BLOCK || message->type == PERMK__FRAME_STOP;
    if (message->type < PERMK__FRAME_HELLO || message->type > PERMK__FRAME_BYE)
        return "a frame of unknown type";
    if (from->left)
        return "a frame after its good-bye";
    if (message->type == PERMK__FRAME_HELLO && from->greeted)
        return "a second hello";
    if (message->type == PERMK__FRAME_HELLO && message->size_bytes > PERMK__HELLO_MAX_BYTES)
        return "a hello that is too long";
    if (is_round && !from->greeted)
        return "a block before its hello";
    if (is_round && (message->aux != (uint32_t)from->blocks || from->blocks > s->complete))
        return "a block of a round that is not its turn";
    if (is_round && from->stopped)
        return "a block after its stop message";
    return NULL;
}

static ct_status handle(forwarder *s, const ct_message *message, ct_diag *diag)
{
    const char *wrong = check_frame(s, message);
    if (wrong != NULL)
        return protocol_error(s, message, wrong, diag);
    client_state *from = &s->clients[message->peer];
    if (message->type == PERMK__FRAME_BYE) {
        from->left = true;
        s->ending = true;
        s->progress_s = ct_time_s();
        return CT_OK;
    }
    ct_message copy = *message;
    copy.aux = message->peer;
    CT_TRY(send_to_others(s, message->peer, copy, diag));
    if (message->type == PERMK__FRAME_HELLO) {
        from->greeted = true;
    } else if (message->type == PERMK__FRAME_STOP) {
        from->stopped = true;
        s->ending = true;
        s->progress_s = ct_time_s();
    } else {
        from->blocks++;
        note_progress(s);
    }
    return CT_OK;
}

static bool everyone_greeted(const forwarder *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (!s->clients[i].greeted)
            return false;
    return true;
}

/* Has this client kept the others waiting: no hello, no block of the round, no good-bye? */
static bool is_late(const forwarder *s, const client_state *client)
{
    if (client->left)
        return false;
    if (!everyone_greeted(s))
        return !client->greeted;
    return s->ending || client->blocks == s->complete;
}

static ct_status report_late(forwarder *s, ct_diag *diag)
{
    char names[CT_DIAG_SIZE / 2] = "";
    size_t at = 0;
    uint32_t first = PERMK__SERVER_STOPS;
    for (uint32_t i = 0; i < s->n; i++) {
        if (!is_late(s, &s->clients[i]))
            continue;
        int n = snprintf(names + at, sizeof names - at, "%s%s", at > 0 ? ", " : "",
                         ct_transport_peer_name(s->transport, i));
        if (n < 0 || (size_t)n >= sizeof names - at)
            break; // enough names
        at += (size_t)n;
        if (first == PERMK__SERVER_STOPS)
            first = i;
    }
    tell_gone(s, first);
    return ct_fail(diag, CT_ETIMEOUT, "nothing for %g s in round %llu from %s",
                   (double)s->opt->round_timeout_ms / 1000.0, (unsigned long long)s->complete,
                   names);
}

/* A peer's connection has ended: in order after its good-bye, an error before. */
static ct_status handle_gone(forwarder *s, const ct_message *message, ct_status why, ct_diag *diag)
{
    if (message->peer >= s->n)
        return everyone_left(s) ? CT_OK : ct_fail(diag, CT_ECLOSED, "all clients are gone");
    if (s->clients[message->peer].left)
        return CT_OK;
    tell_gone(s, message->peer);
    return why;
}

static ct_status serve(forwarder *s, ct_diag *diag)
{
    while (!everyone_left(s)) {
        if (s->opt->stop != NULL && atomic_load(s->opt->stop)) {
            tell_gone(s, PERMK__SERVER_STOPS);
            return ct_fail(diag, CT_EINTERRUPTED, "stopped in round %llu; the clients were told",
                           (unsigned long long)s->complete);
        }
        if ((ct_time_s() - s->progress_s) * 1000.0 > (double)s->opt->round_timeout_ms)
            return report_late(s, diag);
        ct_message message;
        ct_status status = ct_transport_receive(s->transport, &message, POLL_MS, diag);
        if (status == CT_OK)
            CT_TRY(handle(s, &message, diag));
        else if (status == CT_ECLOSED || status == CT_EPROTOCOL)
            CT_TRY(handle_gone(s, &message, status, diag));
        else if (status != CT_ETIMEOUT)
            return status;
    }
    return CT_OK;
}

ct_status permk_server_run(permk_server_result *result, ct_transport *transport,
                           const permk_server_options *opt, ct_diag *diag)
{
    permk_server_options defaults = permk_server_options_default();
    forwarder s = {.transport = transport,
                   .opt = opt != NULL ? opt : &defaults,
                   .n = ct_transport_peers(transport),
                   .progress_s = ct_time_s()};
    memset(result, 0, sizeof *result);
    s.clients = calloc(s.n, sizeof *s.clients);
    if (s.clients == NULL)
        return ct_fail(diag, CT_ENOMEM, "server: out of memory");
    ct_status status = serve(&s, diag);
    result->rounds = s.complete;
    result->traffic = ct_transport_traffic_total(transport);
    free(s.clients);
    return status;
}
