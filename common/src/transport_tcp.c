// SPDX-License-Identifier: MIT
/* The TCP endpoint once its connections stand: sending, receiving in turn, flushing, closing. It
 * waits in one place only (service), for all peers at once, so that none holds up another. */
#include "transport_tcp.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES_BETWEEN_POLLS 32 // handed out before the other sockets are looked at again
#define CLOSE_TIMEOUT_MS       1000

typedef struct tcp_peer {
    ct__connection connection;
    bool done;          // dropped, or its end was reported, or it has yet to come
    ct_traffic traffic; // messages; bytes of former connections
    char name[CT__NAME_SIZE];
} tcp_peer;

typedef struct tcp {
    ct_transport base;
    bool is_server;
    int64_t stall_ns;
    size_t max_queued_bytes;   // for a peer, before the others are held back
    ct__congestion congestion; // as looked at last
    uint32_t turn;             // the peer to serve first
    unsigned since_poll;       // messages handed out since
    uint32_t borrowed_peer;    // whose message the caller has; CT__NO_PEER: none
    size_t borrowed_bytes;     // it is the first so many bytes of that peer's queue, unless
    unsigned char *set_aside;  // that queue's memory was kept for the caller
    ct__door *door;            // where peers that are gone may come back; or NULL
    struct pollfd *polls;      // (base.n_peers + CT__DOOR_POLLS)
    tcp_peer *peers;           // (base.n_peers)
} tcp;

// ---- the message the caller has ----

static void release_borrowed(tcp *t)
{
    if (t->borrowed_peer == CT__NO_PEER)
        return;
    if (t->set_aside == NULL)
        ct__queue_consume(&t->peers[t->borrowed_peer].connection.in, t->borrowed_bytes);
    free(t->set_aside);
    t->set_aside = NULL;
    t->borrowed_peer = CT__NO_PEER;
}

/* Before a queue is read into whose first frame the caller still has: leave that memory to the
 * caller and go on in new memory with what follows the frame. */
static ct_status set_aside_borrowed(tcp *t)
{
    ct__queue *q = &t->peers[t->borrowed_peer].connection.in;
    size_t rest = ct__queue_size(q) - t->borrowed_bytes;
    ct__queue fresh = {0};
    CT_TRY(ct__queue_reserve(&fresh, rest + 1));
    memcpy(fresh.data, q->data + q->begin + t->borrowed_bytes, rest);
    fresh.end = rest;
    t->set_aside = q->data;
    *q = fresh;
    return CT_OK;
}

// ---- moving bytes ----

// The first frame of what the peer sent; CT_EPROTOCOL also for a type that is not for the caller.
static ct_status peek(const tcp *t, uint32_t peer, ct__frame *frame, size_t *missing, ct_diag *why)
{
    const ct__queue *in = &t->peers[peer].connection.in;
    CT_TRY(ct__frame_peek(in, t->base.max_message_bytes, frame, missing, why));
    if (frame->type > CT_MESSAGE_TYPE_MAX)
        return ct_fail(why, CT_EPROTOCOL, "sent a message of the reserved type %u", frame->type);
    return CT_OK;
}

static void look_for_congestion(tcp *t)
{
    t->congestion = (ct__congestion){0};
    for (uint32_t peer = 0; peer < t->base.n_peers; peer++)
        ct__congestion_note(&t->congestion, peer, ct__queue_size(&t->peers[peer].connection.out),
                            t->max_queued_bytes);
}

/* Whether to read from the peer. To receive: while its first frame is incomplete, so that a peer is
 * slowed down to the pace at which its messages are taken. To flush: up to the size of one message,
 * or two sides that flush at the same time would wait for each other. */
static bool wants_read(const tcp *t, uint32_t peer, bool flushing, size_t *missing)
{
    const ct__connection *c = &t->peers[peer].connection;
    ct__frame frame;
    ct_diag why;
    if (!ct__connection_is_open(c) || peek(t, peer, &frame, missing, &why) != CT_OK)
        return false;
    if (flushing)
        return ct__queue_size(&c->in) < CT_FRAME_HEADER_BYTES + t->base.max_message_bytes;
    return *missing > 0 && !ct__congestion_holds_back(&t->congestion, peer);
}

static void read_peer(tcp *t, uint32_t peer, bool flushing)
{
    ct__connection *c = &t->peers[peer].connection;
    size_t missing;
    if (!wants_read(t, peer, flushing, &missing))
        return;
    if (t->borrowed_peer == peer && t->set_aside == NULL && set_aside_borrowed(t) != CT_OK)
        return; // it can be read later, when the caller has given the message back
    ct__connection_read(c, missing);
}

// Fill in what poll() is asked; returns when it must be back: the deadline, or a peer's stall.
static int64_t prepare_polls(tcp *t, int64_t deadline_ns, bool flushing)
{
    for (uint32_t peer = 0; peer < t->base.n_peers; peer++) {
        const ct__connection *c = &t->peers[peer].connection;
        size_t missing;
        short events = ct__connection_poll_events(c, wants_read(t, peer, flushing, &missing));
        // without the -1, a peer that hung up would be reported although nothing is asked of it
        t->polls[peer] = (struct pollfd){.fd = events != 0 ? c->stream.fd : -1, .events = events};
        int64_t stall_ns = ct__connection_stall_ns(c, t->stall_ns);
        deadline_ns = stall_ns < deadline_ns ? stall_ns : deadline_ns;
    }
    return deadline_ns;
}

// Wait for any peer until the deadline, then read and write once what can be.
static void service(tcp *t, int64_t deadline_ns, bool flushing)
{
    t->since_poll = 0;
    look_for_congestion(t);
    size_t n_polls = t->base.n_peers;
    if (t->door != NULL)
        n_polls += ct__door_prepare(t->door, t->polls + t->base.n_peers, &deadline_ns);
    int64_t until_ns = prepare_polls(t, deadline_ns, flushing);
    if (poll(t->polls, (nfds_t)n_polls, ct__left_ms(until_ns)) < 0)
        return; // a signal: the caller looks at the deadline and comes back
    for (uint32_t peer = 0; peer < t->base.n_peers; peer++) {
        ct__connection *c = &t->peers[peer].connection;
        const struct pollfd *p = &t->polls[peer];
        if (p->revents != 0 && (p->events & POLLOUT) != 0)
            ct__connection_write(c);
        if (p->revents != 0 && (p->events & POLLIN) != 0)
            read_peer(t, peer, flushing);
        ct__connection_end_if_stalled(c, t->stall_ns);
    }
    if (t->door != NULL) {
        ct_status status = ct__door_attend(t->door, t->polls + t->base.n_peers, NULL);
        (void)status; // without descriptors nobody can come back just now
    }
}

// ---- operations ----

static ct_status tcp_send(ct_transport *base, const ct_message *message, ct_diag *diag)
{
    tcp *t = (tcp *)base;
    tcp_peer *peer = &t->peers[message->peer];
    ct__connection *c = &peer->connection;
    ct_status status = c->end;
    if (status == CT_OK)
        status =
            ct__connection_send(c, message->type, message->aux, message->data, message->size_bytes);
    if (status == CT_OK)
        peer->traffic.messages_sent++;
    else if (c->end != CT_OK)
        status = ct_fail(diag, CT_ECLOSED, "%s: %s", peer->name, c->end_reason.text);
    else
        ct_diag_set(diag, "%s: no memory to queue a message of %zu bytes", peer->name,
                    message->size_bytes);
    return status;
}

static ct_status deliver(tcp *t, uint32_t peer, const ct__frame *frame, ct_message *message)
{
    t->borrowed_peer = peer;
    t->borrowed_bytes = CT_FRAME_HEADER_BYTES + frame->size_bytes;
    t->peers[peer].traffic.messages_received++;
    t->since_poll++;
    *message = (ct_message){.peer = peer,
                            .type = frame->type,
                            .aux = frame->aux,
                            .data = frame->data,
                            .size_bytes = frame->size_bytes};
    return CT_OK;
}

static ct_status report_end(tcp *t, uint32_t peer, ct_message *message, ct_diag *diag)
{
    tcp_peer *p = &t->peers[peer];
    ct__connection *c = &p->connection;
    bool cut = c->end == CT_ECLOSED && ct__queue_size(&c->in) > 0;
    p->done = true;
    message->peer = peer;
    ct__queue_clear(&c->in);
    return ct_fail(diag, c->end, "%s: %s%s", p->name, c->end_reason.text,
                   cut ? " in the middle of a message" : "");
}

/* What one peer has for the caller: a message, its end, or nothing (CT_ETIMEOUT). */
static ct_status peer_event(tcp *t, uint32_t peer, ct_message *message, ct_diag *diag)
{
    ct__connection *c = &t->peers[peer].connection;
    for (;;) {
        ct__frame frame;
        size_t missing;
        ct_diag why;
        ct_status status = peek(t, peer, &frame, &missing, &why);
        if (status != CT_OK) {
            c->end = CT_OK; // a reset that was noticed earlier matters less than what it sent
            ct__connection_end(c, status, &why);
            return report_end(t, peer, message, diag);
        }
        if (missing == 0)
            return deliver(t, peer, &frame, message);
        if (!ct__connection_is_open(c))
            return report_end(t, peer, message, diag);
        if (c->end == CT_OK)
            return CT_ETIMEOUT;
        ct__connection_read(c, missing); // it cannot be written to: take what is left and end
    }
}

static ct_status next_event(tcp *t, ct_message *message, ct_diag *diag)
{
    uint32_t n = (uint32_t)t->base.n_peers;
    bool any_left = false;
    look_for_congestion(t);
    for (uint32_t i = 0, peer = t->turn; i < n; i++, peer = (peer + 1) % n) {
        if (t->peers[peer].done)
            continue;
        any_left = true;
        if (ct__congestion_holds_back(&t->congestion, peer))
            continue;
        ct_status status = peer_event(t, peer, message, diag);
        if (status != CT_ETIMEOUT) {
            t->turn = (peer + 1) % n;
            return status;
        }
    }
    if (any_left || t->door != NULL)
        return CT_ETIMEOUT;
    return ct_fail(diag, CT_ECLOSED, "no peer is left");
}

static ct_status tcp_receive(ct_transport *base, ct_message *message, int64_t deadline_ns,
                             ct_diag *diag)
{
    tcp *t = (tcp *)base;
    release_borrowed(t);
    if (t->since_poll >= MESSAGES_BETWEEN_POLLS)
        service(t, 0, false);
    for (bool last = false;;) {
        ct_status status = next_event(t, message, diag);
        if (status != CT_ETIMEOUT || last)
            return status;
        last = ct__now_ns() >= deadline_ns;
        service(t, deadline_ns, false);
    }
}

// The peer with most bytes to leave, CT__NO_PEER when all have left.
static uint32_t slowest_peer(const tcp *t)
{
    uint32_t slowest = CT__NO_PEER;
    size_t most = 0;
    for (uint32_t peer = 0; peer < t->base.n_peers; peer++) {
        size_t queued = ct__queue_size(&t->peers[peer].connection.out);
        if (queued > most) {
            most = queued;
            slowest = peer;
        }
    }
    return slowest;
}

static ct_status tcp_flush(ct_transport *base, int64_t deadline_ns, ct_diag *diag)
{
    tcp *t = (tcp *)base;
    for (bool last = false;;) {
        uint32_t slowest = slowest_peer(t);
        if (slowest == CT__NO_PEER)
            return CT_OK;
        if (last)
            return ct_fail(diag, CT_ETIMEOUT, "%s has not taken %zu bytes yet",
                           t->peers[slowest].name,
                           ct__queue_size(&t->peers[slowest].connection.out));
        last = ct__now_ns() >= deadline_ns;
        service(t, deadline_ns, true);
    }
}

static size_t tcp_queued(const ct_transport *base, uint32_t peer)
{
    return ct__queue_size(&((const tcp *)base)->peers[peer].connection.out);
}

static void tcp_set_max_queued(ct_transport *base, size_t max_queued_bytes)
{
    ((tcp *)base)->max_queued_bytes = max_queued_bytes;
}

static void tcp_drop(ct_transport *base, uint32_t peer)
{
    tcp *t = (tcp *)base;
    release_borrowed(t);
    ct_diag why = {.text = "was dropped"};
    ct__connection_end(&t->peers[peer].connection, CT_ECLOSED, &why);
    ct__queue_clear(&t->peers[peer].connection.in);
    t->peers[peer].done = true;
}

static bool tcp_alive(const ct_transport *base, uint32_t peer)
{
    return ((const tcp *)base)->peers[peer].connection.end == CT_OK;
}

static const char *tcp_peer_name(const ct_transport *base, uint32_t peer)
{
    return ((const tcp *)base)->peers[peer].name;
}

static ct_traffic tcp_traffic(const ct_transport *base, uint32_t peer)
{
    const tcp_peer *p = &((const tcp *)base)->peers[peer];
    ct_traffic traffic = p->traffic;
    traffic.bytes_sent += p->connection.stream.bytes_written;
    traffic.bytes_received += p->connection.stream.bytes_read;
    return traffic;
}

// ---- closing ----

static void discard_input(ct__connection *c)
{
    unsigned char scratch[4096];
    ct_diag why;
    for (int i = 0; i < 256; i++) { // bounded: the peer may go on sending
        size_t n = 0;
        if (c->stream.ops->read(&c->stream, scratch, sizeof scratch, &n, &why) != CT_OK || n == 0)
            return;
    }
}

/* Closing a socket that has unread input resets the connection, which would destroy what the peer's
 * machine has not acknowledged yet. */
static void close_politely(ct__connection *c, int64_t deadline_ns)
{
    const struct timespec moment = {.tv_nsec = CT__NS_PER_MS};
    while (ct__connection_is_open(c) && c->end == CT_OK) {
        discard_input(c);
        if (ct__stream_acknowledged(&c->stream) == c->stream.bytes_written ||
            ct__now_ns() >= deadline_ns)
            break;
        (void)nanosleep(&moment, NULL);
    }
    ct__connection_clear(c);
}

static void tcp_destroy(tcp *t)
{
    free(t->set_aside);
    free(t->polls);
    free(t->peers);
    free(t);
}

static void tcp_close(ct_transport *base)
{
    tcp *t = (tcp *)base;
    int64_t deadline_ns = ct__deadline_ns(CLOSE_TIMEOUT_MS);
    release_borrowed(t);
    ct__door_close(t->door, "the server is closing");
    t->door = NULL;
    (void)tcp_flush(base, deadline_ns, NULL);
    for (uint32_t peer = 0; peer < base->n_peers; peer++)
        close_politely(&t->peers[peer].connection, deadline_ns);
    tcp_destroy(t);
}

static const ct__transport_ops tcp_ops = {
    .send = tcp_send,
    .receive = tcp_receive,
    .flush = tcp_flush,
    .queued = tcp_queued,
    .set_max_queued = tcp_set_max_queued,
    .drop = tcp_drop,
    .alive = tcp_alive,
    .peer_name = tcp_peer_name,
    .traffic = tcp_traffic,
    .close = tcp_close,
};

// ---- making one ----

ct_tcp_options ct_tcp_options_default(void)
{
    return (ct_tcp_options){.max_message_bytes = CT__MAX_MESSAGE_BYTES,
                            .connect_timeout_ms = 10000,
                            .accept_timeout_ms = 60000,
                            .hello_timeout_ms = 5000,
                            .stall_timeout_ms = 30000};
}

ct_status ct__tcp_options_check(ct_tcp_options *checked, const ct_tcp_options *opt, ct_diag *diag)
{
    *checked = opt != NULL ? *opt : ct_tcp_options_default();
    if (checked->max_message_bytes == 0 || checked->max_message_bytes > UINT32_MAX)
        return ct_fail(diag, CT_EINVALID, "max_message_bytes is %zu (must be 1 to %lu)",
                       checked->max_message_bytes, (unsigned long)UINT32_MAX);
    if (checked->connect_timeout_ms < 0 || checked->accept_timeout_ms < 0 ||
        checked->hello_timeout_ms <= 0 || checked->stall_timeout_ms <= 0)
        return ct_fail(diag, CT_EINVALID,
                       "a negative timeout, or a hello or stall timeout of 0 ms");
    if (checked->greeting_bytes > CT__MAX_GREETING_BYTES)
        return ct_fail(diag, CT_ERANGE, "a greeting of %zu bytes (at most %zu are allowed)",
                       checked->greeting_bytes, CT__MAX_GREETING_BYTES);
    if (checked->greeting == NULL && checked->greeting_bytes > 0)
        return ct_fail(diag, CT_EINVALID, "a greeting of %zu bytes without data",
                       checked->greeting_bytes);
    return CT_OK;
}

ct_status ct__tcp_create(ct_transport **out, bool is_server, size_t n_peers, size_t n_clients,
                         const ct_tcp_options *opt, ct_diag *diag)
{
    *out = NULL;
    tcp *t = calloc(1, sizeof *t);
    if (t != NULL) {
        t->polls = calloc(n_peers + CT__DOOR_POLLS, sizeof *t->polls);
        t->peers = calloc(n_peers, sizeof *t->peers);
    }
    if (t == NULL || t->polls == NULL || t->peers == NULL) {
        if (t != NULL)
            tcp_destroy(t);
        return ct_fail(diag, CT_ENOMEM, "no memory for %zu connections", n_peers);
    }
    t->base = (ct_transport){.ops = &tcp_ops,
                             .n_peers = n_peers,
                             .n_clients = n_clients,
                             .max_message_bytes = opt->max_message_bytes};
    t->is_server = is_server;
    t->stall_ns = opt->stall_timeout_ms * CT__NS_PER_MS;
    t->max_queued_bytes = SIZE_MAX;
    t->borrowed_peer = CT__NO_PEER;
    for (size_t i = 0; i < n_peers; i++) {
        t->peers[i].connection.stream.fd = -1;
        t->peers[i].done = true;
    }
    *out = &t->base;
    return CT_OK;
}

void ct__tcp_adopt(ct_transport *base, uint32_t peer, ct__connection *connection)
{
    tcp *t = (tcp *)base;
    tcp_peer *p = &t->peers[peer];
    p->traffic = tcp_traffic(base, peer);
    ct__connection_clear(&p->connection);
    p->connection = *connection;
    p->done = false;
    if (t->is_server)
        (void)snprintf(p->name, sizeof p->name, "client %lu (%s)", (unsigned long)peer,
                       connection->address);
    else
        (void)snprintf(p->name, sizeof p->name, "server (%s)", connection->address);
}

bool ct__tcp_seat_is_free(const ct_transport *base, uint32_t peer)
{
    return ((const tcp *)base)->peers[peer].done;
}

void ct__tcp_vacate(ct_transport *base, uint32_t peer)
{
    tcp_peer *p = &((tcp *)base)->peers[peer];
    ct__connection_clear(&p->connection);
    p->done = true;
}

ct__connection *ct__tcp_connection(ct_transport *base, uint32_t peer)
{
    return &((tcp *)base)->peers[peer].connection;
}

ct_status ct_transport_readmit(ct_transport *server, ct_tcp_listener *listener,
                               const ct_tcp_options *opt, ct_diag *diag)
{
    if (server == NULL || listener == NULL || server->ops != &tcp_ops ||
        !((tcp *)server)->is_server)
        return ct_fail(diag, CT_EINVALID, "only a TCP server can let clients come back");
    tcp *t = (tcp *)server;
    ct_tcp_options checked;
    CT_TRY(ct__tcp_options_check(&checked, opt, diag));
    ct__door *door;
    CT_TRY(ct__door_open(&door, server, listener, &checked, true, diag));
    ct__door_close(t->door, "the server listens elsewhere");
    t->door = door;
    return CT_OK;
}
