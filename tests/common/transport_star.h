// SPDX-License-Identifier: MIT
/* A server and clients that are connected, in process or over TCP, so that the same test bodies run
 * on both. */
#ifndef TRANSPORT_STAR_H
#define TRANSPORT_STAR_H

#include "transport_raw.h"

#define STAR_MAX_CLIENTS 8

typedef struct star {
    ct_transport *server;
    ct_transport *clients[STAR_MAX_CLIENTS];
    size_t n;
} star;

typedef void open_fn(star *s, size_t n);

static inline void open_inproc(star *s, size_t n)
{
    ct_diag diag;
    ct_assert_ok(ct_transport_open_inproc(&s->server, s->clients, n, &diag), &diag);
}

static inline void open_tcp(star *s, size_t n)
{
    ct_diag diag;
    uint16_t port;
    ct_tcp_listener *listener = open_listener(&port);
    connecting c[STAR_MAX_CLIENTS];
    for (uint32_t i = 0; i < n; i++)
        connecting_start(&c[i], port, i, NULL);
    ct_status status = ct_transport_accept_tcp(&s->server, listener, n, NULL, NULL, &diag);
    ct_assert_ok(status, &diag);
    for (size_t i = 0; i < n; i++) {
        ct_assert_ok(connecting_join(&c[i]), &c[i].diag);
        s->clients[i] = c[i].client;
    }
    ct_tcp_listener_close(listener);
}

// The kind of star is the state of each test.
static inline star open_star(void **state, size_t n)
{
    star s = {.n = n};
    (**(open_fn **)*state)(&s, n);
    return s;
}

static inline void close_star(star *s)
{
    for (size_t i = 0; i < s->n; i++)
        ct_transport_close(s->clients[i]);
    ct_transport_close(s->server);
}

/* The state of a test is its kind of star; descriptors are counted around it. */
static open_fn *in_process = open_inproc, *over_tcp = open_tcp;
#define ON_BOTH(test)                                                                              \
    {#test " in process", test, count_descriptors, count_descriptors, &in_process},                \
    {                                                                                              \
#test " over TCP", test, count_descriptors, count_descriptors, &over_tcp                   \
    }

#endif
