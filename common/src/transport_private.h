// SPDX-License-Identifier: MIT
/* What every way to carry messages has in common: the operations behind a ct_transport, and the
 * clock of the deadlines.
 *
 * transport.c checks arguments and turns timeouts into deadlines before it calls an operation, so
 * an implementation (in process, TCP, …) gets only valid peers, types and sizes. */
#ifndef CTRAIN_TRANSPORT_PRIVATE_H
#define CTRAIN_TRANSPORT_PRIVATE_H

#include <ctrain/transport.h>
#include <time.h>

#define CT__NO_PEER           UINT32_MAX
#define CT__NAME_SIZE         96
#define CT__MAX_MESSAGE_BYTES ((size_t)1 << 30)
#define CT__MAX_CLIENTS       ((size_t)1 << 20)
#define CT__NS_PER_MS         INT64_C(1000000)

typedef struct ct__transport_ops {
    ct_status (*send)(ct_transport *t, const ct_message *message, ct_diag *diag);
    ct_status (*receive)(ct_transport *t, ct_message *message, int64_t deadline_ns, ct_diag *diag);
    ct_status (*flush)(ct_transport *t, int64_t deadline_ns, ct_diag *diag);
    size_t (*queued)(const ct_transport *t, uint32_t peer);
    void (*set_max_queued)(ct_transport *t, size_t max_queued_bytes);
    void (*drop)(ct_transport *t, uint32_t peer);
    bool (*alive)(const ct_transport *t, uint32_t peer);
    const char *(*peer_name)(const ct_transport *t, uint32_t peer);
    ct_traffic (*traffic)(const ct_transport *t, uint32_t peer);
    void (*close)(ct_transport *t); // frees t
} ct__transport_ops;

/* The first member of each implementation's endpoint. */
struct ct_transport {
    const ct__transport_ops *ops;
    size_t n_peers, n_clients;
    size_t max_message_bytes;
};

/* Whom receive may take messages from: all but those that others' full queues hold back. */
typedef struct ct__congestion {
    size_t n_full;     // peers for which too much is queued
    uint32_t one_full; // one of them
} ct__congestion;

static inline void ct__congestion_note(ct__congestion *c, uint32_t peer, size_t queued, size_t most)
{
    if (queued > most) {
        c->n_full++;
        c->one_full = peer;
    }
}

/* A peer's own full queue does not hold it back: nothing of its own goes there. */
static inline bool ct__congestion_holds_back(const ct__congestion *c, uint32_t peer)
{
    return c->n_full > 1 || (c->n_full == 1 && c->one_full != peer);
}

static inline int64_t ct__now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 * CT__NS_PER_MS + now.tv_nsec;
}

/* A moment timeout_ms from now; a timeout below 0 counts as 0. */
static inline int64_t ct__deadline_ns(int timeout_ms)
{
    return ct__now_ns() + (timeout_ms > 0 ? timeout_ms : 0) * CT__NS_PER_MS;
}

/* Milliseconds until then for poll(), rounded up so that a wait never ends early. */
static inline int ct__left_ms(int64_t deadline_ns)
{
    int64_t left = deadline_ns - ct__now_ns();
    if (left <= 0)
        return 0;
    left = (left + CT__NS_PER_MS - 1) / CT__NS_PER_MS;
    return left < INT32_MAX ? (int)left : INT32_MAX;
}

#endif
