// SPDX-License-Identifier: MIT
/* What every transport promises, tried on each of them by the same bodies: order and content of
 * messages of all sizes, deadlines, peers that leave, counters, fairness. */
#include "ct_test.h"

#include <ctrain/transport.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_CLIENTS 8
#define LONG_MS     10000 // nothing here should take so long
#define BIG_BYTES   ((size_t)20 << 20)

// ---- a star of either kind ----

typedef struct star {
    ct_transport *server;
    ct_transport *clients[MAX_CLIENTS];
    size_t n;
} star;

typedef struct connecting {
    pthread_t thread;
    uint16_t port;
    uint32_t id;
    ct_transport *client;
    ct_status status;
    ct_diag diag;
} connecting;

static void *connect_one(void *argument)
{
    connecting *c = argument;
    c->status = ct_transport_connect_tcp(&c->client, NULL, c->port, c->id, NULL, NULL, &c->diag);
    return NULL;
}

static void open_tcp(star *s, size_t n)
{
    ct_diag diag;
    ct_tcp_listener *listener;
    ct_assert_ok(ct_tcp_listener_open(&listener, NULL, 0, &diag), &diag);
    connecting c[MAX_CLIENTS];
    for (uint32_t i = 0; i < n; i++) {
        c[i] = (connecting){.port = ct_tcp_listener_port(listener), .id = i};
        assert_int_equal(pthread_create(&c[i].thread, NULL, connect_one, &c[i]), 0);
    }
    ct_status status = ct_transport_accept_tcp(&s->server, listener, n, NULL, NULL, &diag);
    ct_assert_ok(status, &diag);
    for (size_t i = 0; i < n; i++) {
        pthread_join(c[i].thread, NULL);
        ct_assert_ok(c[i].status, &c[i].diag);
        s->clients[i] = c[i].client;
    }
    ct_tcp_listener_close(listener);
}

typedef void open_fn(star *s, size_t n);

static void open_inproc(star *s, size_t n)
{
    ct_diag diag;
    ct_assert_ok(ct_transport_create_inproc(&s->server, s->clients, n, &diag), &diag);
}

// The kind of star is the state of each test.
static star open_star(void **state, size_t n)
{
    star s = {.n = n};
    (**(open_fn **)*state)(&s, n);
    assert_int_equal(ct_transport_peers(s.server), n);
    assert_int_equal(ct_transport_clients(s.server), n);
    return s;
}

static void close_star(star *s)
{
    for (size_t i = 0; i < s->n; i++)
        ct_transport_close(s->clients[i]);
    ct_transport_close(s->server);
}

static void send_to(ct_transport *t, uint32_t peer, uint8_t type, uint32_t aux, const void *data,
                    size_t size)
{
    ct_diag diag;
    ct_message m = {.peer = peer, .type = type, .aux = aux, .data = data, .size_bytes = size};
    ct_assert_ok(ct_transport_send(t, &m, &diag), &diag);
}

static ct_message receive_one(ct_transport *t)
{
    ct_diag diag;
    ct_message m;
    ct_assert_ok(ct_transport_receive(t, &m, LONG_MS, &diag), &diag);
    return m;
}

// ---- content ----

static void test_messages_arrive_as_sent(void **state)
{
    star s = open_star(state, 2);
    assert_int_equal(ct_transport_peers(s.clients[1]), 1);
    assert_int_equal(ct_transport_clients(s.clients[1]), 2);
    send_to(s.clients[1], 0, 7, 123456789, "hello", 5);
    ct_message m = receive_one(s.server);
    assert_int_equal(m.peer, 1);
    assert_int_equal(m.type, 7);
    assert_int_equal(m.aux, 123456789);
    assert_int_equal(m.size_bytes, 5);
    assert_memory_equal(m.data, "hello", 5);

    // what was received can be forwarded to everybody before the next receive
    for (uint32_t i = 0; i < 2; i++)
        send_to(s.server, i, CT_MESSAGE_TYPE_MAX, UINT32_MAX, m.data, m.size_bytes);
    for (uint32_t i = 0; i < 2; i++) {
        m = receive_one(s.clients[i]);
        assert_int_equal(m.peer, 0);
        assert_int_equal(m.type, CT_MESSAGE_TYPE_MAX);
        assert_int_equal(m.aux, UINT32_MAX);
        assert_memory_equal(m.data, "hello", 5);
    }
    close_star(&s);
}

static open_fn *in_process = open_inproc, *over_tcp = open_tcp;
#define EACH(test)                                                                                 \
    {#test "/inproc", test, NULL, NULL, &in_process},                                              \
    {                                                                                              \
#test "/tcp", test, NULL, NULL, &over_tcp                                                  \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_messages_arrive_as_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
