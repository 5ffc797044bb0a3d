// SPDX-License-Identifier: MIT
/* Messages between threads of one process. All endpoints of a star share a hub: one mutex, a
 * condition variable an endpoint, and for each client a connection of two queues. A message is
 * copied once, outside the lock; its memory goes back to the queue it came through, so that rounds
 * of equal messages allocate nothing.
 *
 * What an endpoint counts and remembers for itself is touched by its own thread only. */
#include "transport_private.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct packet {
    struct packet *next;
    size_t capacity, size_bytes;
    uint32_t aux;
    uint8_t type;
    unsigned char data[];
} packet;

typedef struct packet_queue {
    packet *first, *last;
    packet *spare;     // memory of a message that was received
    size_t size_bytes; // of what is in it, with headers
} packet_queue;

typedef struct connection {
    packet_queue to_server, to_client;
    bool open;
} connection;

typedef struct hub {
    pthread_mutex_t mutex;
    pthread_cond_t *arrived; // (1 + n_clients) the server's, then each client's
    connection *connections; // (n_clients)
    size_t n_clients, n_conditions, n_endpoints;
    size_t max_queued_bytes; // by the server for a client, before the others are held back
} hub;

typedef struct inproc_peer {
    bool done; // dropped, or its end was reported
    ct_traffic traffic;
    char name[CT__NAME_SIZE];
} inproc_peer;

typedef struct inproc {
    ct_transport base;
    hub *hub;
    bool is_server;
    uint32_t id;      // a client's
    uint32_t turn;    // the peer to serve first
    packet *borrowed; // handed out by the last receive, from
    uint32_t borrowed_peer;
    inproc_peer peers[]; // (base.n_peers)
} inproc;

// ---- queues and the hub; the mutex is held unless said otherwise ----

static void queue_append(packet_queue *q, packet *p)
{
    p->next = NULL;
    if (q->first == NULL)
        q->first = p;
    else
        q->last->next = p;
    q->last = p;
    q->size_bytes += CT_FRAME_HEADER_BYTES + p->size_bytes;
}

static packet *queue_take(packet_queue *q)
{
    packet *p = q->first;
    if (p != NULL) {
        q->first = p->next;
        q->size_bytes -= CT_FRAME_HEADER_BYTES + p->size_bytes;
    }
    return p;
}

static void queue_clear(packet_queue *q)
{
    for (packet *p; (p = queue_take(q)) != NULL;)
        free(p);
    free(q->spare);
    q->spare = NULL;
}

// Keep the larger of p and the spare for the next message; the caller frees what is returned.
static packet *queue_recycle(packet_queue *q, packet *p)
{
    packet *old = q->spare;
    if (old != NULL && old->capacity >= p->capacity)
        return p;
    q->spare = p;
    return old;
}

static void hub_destroy(hub *h)
{
    if (h == NULL)
        return;
    for (size_t i = 0; h->connections != NULL && i < h->n_clients; i++) {
        queue_clear(&h->connections[i].to_server);
        queue_clear(&h->connections[i].to_client);
    }
    for (size_t i = 0; i < h->n_conditions; i++)
        pthread_cond_destroy(&h->arrived[i]);
    pthread_mutex_destroy(&h->mutex);
    free(h->arrived);
    free(h->connections);
    free(h);
}

// The last endpoint frees the hub. The mutex is not held.
static void hub_release(hub *h)
{
    pthread_mutex_lock(&h->mutex);
    bool last = --h->n_endpoints == 0;
    pthread_mutex_unlock(&h->mutex);
    if (last)
        hub_destroy(h);
}

static bool hub_create_conditions(hub *h)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return false;
    bool ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0;
    while (ok && h->n_conditions < 1 + h->n_clients) {
        ok = pthread_cond_init(&h->arrived[h->n_conditions], &attributes) == 0;
        h->n_conditions += ok;
    }
    pthread_condattr_destroy(&attributes);
    return ok;
}

static hub *hub_create(size_t n_clients)
{
    hub *h = calloc(1, sizeof *h);
    if (h == NULL || pthread_mutex_init(&h->mutex, NULL) != 0) {
        free(h);
        return NULL;
    }
    h->n_clients = n_clients;
    h->max_queued_bytes = SIZE_MAX;
    h->arrived = calloc(1 + n_clients, sizeof *h->arrived);
    h->connections = calloc(n_clients, sizeof *h->connections);
    if (h->arrived == NULL || h->connections == NULL || !hub_create_conditions(h)) {
        hub_destroy(h);
        return NULL;
    }
    for (size_t i = 0; i < n_clients; i++)
        h->connections[i].open = true;
    return h;
}

// ---- one endpoint ----

static connection *connection_of(const inproc *t, uint32_t peer)
{
    return &t->hub->connections[t->is_server ? peer : t->id];
}

static packet_queue *inbox(const inproc *t, uint32_t peer)
{
    connection *c = connection_of(t, peer);
    return t->is_server ? &c->to_server : &c->to_client;
}

static packet_queue *outbox(const inproc *t, uint32_t peer)
{
    connection *c = connection_of(t, peer);
    return t->is_server ? &c->to_client : &c->to_server;
}

static void wake(const inproc *t, uint32_t peer)
{
    pthread_cond_signal(&t->hub->arrived[t->is_server ? 1 + peer : 0]);
}

static bool inproc_alive(const ct_transport *base, uint32_t peer)
{
    const inproc *t = (const inproc *)base;
    pthread_mutex_lock(&t->hub->mutex);
    bool open = connection_of(t, peer)->open;
    pthread_mutex_unlock(&t->hub->mutex);
    return open;
}

// A packet for size_bytes: the outbox's spare one when it is large enough. The mutex is not held.
static packet *packet_create(inproc *t, uint32_t peer, size_t size_bytes)
{
    pthread_mutex_lock(&t->hub->mutex);
    packet_queue *q = outbox(t, peer);
    packet *p = NULL;
    if (q->spare != NULL && q->spare->capacity >= size_bytes) {
        p = q->spare;
        q->spare = NULL;
    }
    pthread_mutex_unlock(&t->hub->mutex);
    if (p != NULL)
        return p;
    p = malloc(sizeof *p + size_bytes);
    if (p != NULL)
        p->capacity = size_bytes;
    return p;
}

static ct_status inproc_send(ct_transport *base, const ct_message *message, ct_diag *diag)
{
    inproc *t = (inproc *)base;
    inproc_peer *peer = &t->peers[message->peer];
    packet *p = packet_create(t, message->peer, message->size_bytes);
    if (p == NULL)
        return ct_fail(diag, CT_ENOMEM, "%s: no memory for a message of %zu bytes", peer->name,
                       message->size_bytes);
    p->type = message->type;
    p->aux = message->aux;
    p->size_bytes = message->size_bytes;
    if (message->size_bytes > 0)
        memcpy(p->data, message->data, message->size_bytes);

    pthread_mutex_lock(&t->hub->mutex);
    bool open = connection_of(t, message->peer)->open;
    if (open)
        queue_append(outbox(t, message->peer), p);
    pthread_mutex_unlock(&t->hub->mutex);
    if (!open) {
        free(p);
        return ct_fail(diag, CT_ECLOSED, "%s: the connection is closed", peer->name);
    }
    wake(t, message->peer);
    peer->traffic.bytes_sent += CT_FRAME_HEADER_BYTES + message->size_bytes;
    peer->traffic.messages_sent++;
    return CT_OK;
}

static void release_borrowed(inproc *t)
{
    if (t->borrowed == NULL)
        return;
    pthread_mutex_lock(&t->hub->mutex);
    packet *left_over = queue_recycle(inbox(t, t->borrowed_peer), t->borrowed);
    pthread_mutex_unlock(&t->hub->mutex);
    free(left_over);
    t->borrowed = NULL;
}

static void deliver(inproc *t, uint32_t peer, packet *p, ct_message *message)
{
    t->borrowed = p;
    t->borrowed_peer = peer;
    *message = (ct_message){
        .peer = peer, .type = p->type, .aux = p->aux, .data = p->data, .size_bytes = p->size_bytes};
    t->peers[peer].traffic.bytes_received += CT_FRAME_HEADER_BYTES + p->size_bytes;
    t->peers[peer].traffic.messages_received++;
}

// What a peer that is still there has yet to take.
static size_t queued(const inproc *t, uint32_t peer)
{
    return connection_of(t, peer)->open ? outbox(t, peer)->size_bytes : 0;
}

static ct__congestion congestion_of(const inproc *t)
{
    ct__congestion c = {0};
    for (uint32_t peer = 0; t->is_server && peer < t->base.n_peers; peer++)
        ct__congestion_note(&c, peer, queued(t, peer), t->hub->max_queued_bytes);
    return c;
}

// The next packet of a peer; taking it may end what held back the others.
static packet *take(inproc *t, uint32_t peer)
{
    packet_queue *q = inbox(t, peer);
    bool was_full = q->size_bytes > t->hub->max_queued_bytes;
    packet *p = queue_take(q);
    if (!t->is_server && was_full && q->size_bytes <= t->hub->max_queued_bytes)
        wake(t, peer);
    return p;
}

/* What receive has to say now: a message, a peer that is gone, no peer left; CT_ETIMEOUT: nothing
 * yet. The mutex is held. */
static ct_status next_event(inproc *t, ct_message *message, ct_diag *diag)
{
    uint32_t n = (uint32_t)t->base.n_peers;
    bool any_left = false;
    ct__congestion congestion = congestion_of(t);
    for (uint32_t i = 0, peer = t->turn; i < n; i++, peer = (peer + 1) % n) {
        if (t->peers[peer].done)
            continue;
        any_left = true;
        if (ct__congestion_holds_back(&congestion, peer))
            continue;
        packet *p = take(t, peer);
        if (p == NULL && connection_of(t, peer)->open)
            continue;
        t->turn = (peer + 1) % n;
        if (p != NULL) {
            deliver(t, peer, p, message);
            return CT_OK;
        }
        t->peers[peer].done = true;
        message->peer = peer;
        return ct_fail(diag, CT_ECLOSED, "%s: closed the connection", t->peers[peer].name);
    }
    return any_left ? CT_ETIMEOUT : ct_fail(diag, CT_ECLOSED, "no peer is left");
}

static ct_status inproc_receive(ct_transport *base, ct_message *message, int64_t deadline_ns,
                                ct_diag *diag)
{
    inproc *t = (inproc *)base;
    release_borrowed(t);
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / (1000 * CT__NS_PER_MS)),
                             .tv_nsec = (long)(deadline_ns % (1000 * CT__NS_PER_MS))};
    pthread_cond_t *arrived = &t->hub->arrived[t->is_server ? 0 : 1 + t->id];
    ct_status status;
    pthread_mutex_lock(&t->hub->mutex);
    while ((status = next_event(t, message, diag)) == CT_ETIMEOUT && ct__now_ns() < deadline_ns)
        (void)pthread_cond_timedwait(arrived, &t->hub->mutex, &until);
    pthread_mutex_unlock(&t->hub->mutex);
    return status;
}

// A sent message is already in the receiver's queue.
static ct_status inproc_flush(ct_transport *base, int64_t deadline_ns, ct_diag *diag)
{
    (void)base;
    (void)deadline_ns;
    (void)diag;
    return CT_OK;
}

static size_t inproc_queued(const ct_transport *base, uint32_t peer)
{
    const inproc *t = (const inproc *)base;
    pthread_mutex_lock(&t->hub->mutex);
    size_t size = queued(t, peer);
    pthread_mutex_unlock(&t->hub->mutex);
    return size;
}

static void inproc_set_max_queued(ct_transport *base, size_t max_queued_bytes)
{
    const inproc *t = (const inproc *)base;
    pthread_mutex_lock(&t->hub->mutex);
    if (t->is_server) // a client has no other peer to hold back
        t->hub->max_queued_bytes = max_queued_bytes;
    pthread_mutex_unlock(&t->hub->mutex);
}

static void inproc_drop(ct_transport *base, uint32_t peer)
{
    inproc *t = (inproc *)base;
    release_borrowed(t);
    pthread_mutex_lock(&t->hub->mutex);
    connection_of(t, peer)->open = false;
    queue_clear(inbox(t, peer));
    pthread_mutex_unlock(&t->hub->mutex);
    wake(t, peer);
    t->peers[peer].done = true;
}

static const char *inproc_peer_name(const ct_transport *base, uint32_t peer)
{
    return ((const inproc *)base)->peers[peer].name;
}

static ct_traffic inproc_traffic(const ct_transport *base, uint32_t peer)
{
    return ((const inproc *)base)->peers[peer].traffic;
}

static void inproc_close(ct_transport *base)
{
    inproc *t = (inproc *)base;
    for (uint32_t peer = 0; peer < base->n_peers; peer++)
        inproc_drop(base, peer);
    hub_release(t->hub);
    free(t);
}

static const ct__transport_ops inproc_ops = {
    .send = inproc_send,
    .receive = inproc_receive,
    .flush = inproc_flush,
    .queued = inproc_queued,
    .set_max_queued = inproc_set_max_queued,
    .drop = inproc_drop,
    .alive = inproc_alive,
    .peer_name = inproc_peer_name,
    .traffic = inproc_traffic,
    .close = inproc_close,
};

// One more endpoint of the hub: the server (peers 0 … n-1), or client `id` (peer 0).
static inproc *endpoint_create(hub *h, bool is_server, uint32_t id)
{
    size_t n_peers = is_server ? h->n_clients : 1;
    inproc *t = calloc(1, sizeof *t + n_peers * sizeof t->peers[0]);
    if (t == NULL)
        return NULL;
    t->base = (ct_transport){.ops = &inproc_ops,
                             .n_peers = n_peers,
                             .n_clients = h->n_clients,
                             .max_message_bytes = CT__MAX_MESSAGE_BYTES};
    t->hub = h;
    t->is_server = is_server;
    t->id = id;
    for (size_t i = 0; i < n_peers; i++) {
        char *name = t->peers[i].name;
        if (is_server)
            (void)snprintf(name, CT__NAME_SIZE, "client %zu (in this process)", i);
        else
            (void)snprintf(name, CT__NAME_SIZE, "server (in this process)");
    }
    h->n_endpoints++;
    return t;
}

ct_status ct_transport_open_inproc(ct_transport **server, ct_transport **clients, size_t n_clients,
                                   ct_diag *diag)
{
    *server = NULL;
    for (size_t i = 0; i < n_clients; i++)
        clients[i] = NULL;
    if (n_clients == 0 || n_clients > CT__MAX_CLIENTS)
        return ct_fail(diag, CT_EINVALID, "%zu clients (must be 1 to %zu)", n_clients,
                       CT__MAX_CLIENTS);
    hub *h = hub_create(n_clients);
    if (h == NULL)
        return ct_fail(diag, CT_ENOMEM, "no memory to connect %zu clients", n_clients);
    inproc *s = endpoint_create(h, true, 0);
    if (s == NULL) {
        hub_destroy(h);
        return ct_fail(diag, CT_ENOMEM, "no memory to connect %zu clients", n_clients);
    }
    *server = &s->base;
    for (uint32_t i = 0; i < n_clients; i++) {
        inproc *client = endpoint_create(h, false, i);
        if (client == NULL)
            goto fail;
        clients[i] = &client->base;
    }
    return CT_OK;
fail:
    ct_transport_close(*server);
    *server = NULL;
    for (size_t i = 0; i < n_clients; i++) {
        ct_transport_close(clients[i]);
        clients[i] = NULL;
    }
    return ct_fail(diag, CT_ENOMEM, "no memory to connect %zu clients", n_clients);
}
