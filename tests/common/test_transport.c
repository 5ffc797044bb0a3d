// SPDX-License-Identifier: MIT
/* What every transport promises, tried on each of them by the same bodies: order and content of
 * messages of all sizes, deadlines, peers that leave, counters, fairness. */
#include "transport_star.h"

#include <stdio.h>

#define LONG_MS 10000 // nothing here should take so long
#if defined(__SANITIZE_THREAD__)
#define BIG_BYTES ((size_t)6 << 20) // copying is slow there; still more than sockets hold
#else
#define BIG_BYTES ((size_t)20 << 20)
#endif

static void send_to(ct_transport *t, uint32_t peer, uint32_t aux, const void *data, size_t size)
{
    ct_diag diag;
    ct_message m = {.peer = peer, .type = 1, .aux = aux, .data = data, .size_bytes = size};
    ct_assert_ok(ct_transport_send(t, &m, &diag), &diag);
}

static ct_message receive_one(ct_transport *t)
{
    ct_diag diag;
    ct_message m;
    ct_assert_ok(ct_transport_receive(t, &m, LONG_MS, &diag), &diag);
    return m;
}

// Receive must say that `peer` is gone.
static void assert_gone(ct_transport *t, uint32_t peer, const char *text)
{
    ct_diag diag;
    ct_message m;
    ct_assert_status(ct_transport_receive(t, &m, LONG_MS, &diag), CT_ECLOSED, &diag);
    assert_int_equal(m.peer, peer);
    ct_assert_contains(diag.text, text);
}

static void assert_nothing(ct_transport *t)
{
    ct_diag diag;
    ct_message m;
    ct_assert_status(ct_transport_receive(t, &m, 0, &diag), CT_ETIMEOUT, &diag);
}

// ---- content ----

static void test_messages_arrive_as_sent(void **state)
{
    star s = open_star(state, 2);
    assert_int_equal(ct_transport_peers(s.server), 2);
    assert_int_equal(ct_transport_clients(s.server), 2);
    assert_int_equal(ct_transport_peers(s.clients[1]), 1);
    assert_int_equal(ct_transport_clients(s.clients[1]), 2);
    ct_diag diag;
    ct_message m = {.type = 7, .aux = 123456789, .data = "hello", .size_bytes = 5};
    ct_assert_ok(ct_transport_send(s.clients[1], &m, &diag), &diag);
    m = receive_one(s.server);
    assert_int_equal(m.peer, 1);
    assert_int_equal(m.type, 7);
    assert_int_equal(m.aux, 123456789);
    assert_int_equal(m.size_bytes, 5);
    assert_memory_equal(m.data, "hello", 5);

    // what was received can be forwarded to everybody before the next receive
    for (uint32_t i = 0; i < 2; i++) {
        ct_message forward = m;
        forward.peer = i;
        forward.type = CT_MESSAGE_TYPE_MAX;
        forward.aux = UINT32_MAX;
        ct_assert_ok(ct_transport_send(s.server, &forward, &diag), &diag);
    }
    for (uint32_t i = 0; i < 2; i++) {
        m = receive_one(s.clients[i]);
        assert_int_equal(m.peer, 0);
        assert_int_equal(m.type, CT_MESSAGE_TYPE_MAX);
        assert_int_equal(m.aux, UINT32_MAX);
        assert_int_equal(m.size_bytes, 5);
        assert_memory_equal(m.data, "hello", 5);
    }
    close_star(&s);
}

// Eight bytes of the pattern that belongs to seed, from byte 8 i on.
static uint64_t pattern(uint64_t i, uint64_t seed)
{
    return (i + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ seed * UINT64_C(0xd1b54a32d192ed03);
}

static void fill(unsigned char *data, size_t size, uint32_t seed)
{
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = pattern(at / 8, seed);
        memcpy(data + at, &word, size - at < 8 ? size - at : 8);
    }
}

static bool is_filled(const ct_message *m, size_t size, uint32_t seed)
{
    const unsigned char *data = m->data;
    if (m->size_bytes != size)
        return false;
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = pattern(at / 8, seed);
        if (memcmp(data + at, &word, size - at < 8 ? size - at : 8) != 0)
            return false;
    }
    return true;
}

static const size_t SIZES[] = {0, 1, 65536, BIG_BYTES};
enum { N_SIZES = sizeof SIZES / sizeof SIZES[0] };

// A client on its own thread: sends each size, then expects the server's message of that size.
typedef struct exchange {
    pthread_t thread;
    ct_transport *t;
    uint32_t id;
    bool ok;
} exchange;

static void *exchange_run(void *argument)
{
    exchange *e = argument;
    unsigned char *data = malloc(BIG_BYTES);
    e->ok = data != NULL;
    for (uint32_t k = 0; k < N_SIZES && e->ok; k++) {
        fill(data, SIZES[k], 100 + e->id);
        ct_message m = {.aux = k, .data = data, .size_bytes = SIZES[k]};
        e->ok = ct_transport_send(e->t, &m, NULL) == CT_OK &&
                ct_transport_flush(e->t, LONG_MS, NULL) == CT_OK &&
                ct_transport_receive(e->t, &m, LONG_MS, NULL) == CT_OK && m.aux == k &&
                is_filled(&m, SIZES[k], k);
    }
    free(data);
    return NULL;
}

static void test_sizes_both_ways_at_once(void **state)
{
    star s = open_star(state, 8);
    exchange e[8];
    for (uint32_t i = 0; i < 8; i++) {
        e[i] = (exchange){.t = s.clients[i], .id = i};
        assert_int_equal(pthread_create(&e[i].thread, NULL, exchange_run, &e[i]), 0);
    }
    unsigned char *data = malloc(BIG_BYTES);
    assert_non_null(data);
    size_t received[8] = {0};
    for (uint32_t k = 0; k < N_SIZES; k++) {
        fill(data, SIZES[k], k);
        for (uint32_t i = 0; i < 8; i++)
            send_to(s.server, i, k, data, SIZES[k]);
        ct_diag diag;
        ct_assert_ok(ct_transport_flush(s.server, LONG_MS, &diag), &diag);
    }
    for (int i = 0; i < 8 * N_SIZES; i++) {
        ct_message m = receive_one(s.server);
        assert_int_equal(m.aux, received[m.peer]++);
        assert_true(is_filled(&m, SIZES[m.aux], 100 + m.peer));
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(e[i].thread, NULL);
        assert_true(e[i].ok);
    }
    free(data);
    close_star(&s);
}

#define MANY 5000

static void *send_many(void *argument)
{
    exchange *e = argument;
    e->ok = true;
    for (uint32_t k = 0; k < MANY && e->ok; k++) {
        ct_message m = {.aux = k, .data = &k, .size_bytes = sizeof k};
        e->ok = ct_transport_send(e->t, &m, NULL) == CT_OK;
    }
    e->ok = e->ok && ct_transport_flush(e->t, LONG_MS, NULL) == CT_OK;
    return NULL;
}

static void test_many_small_messages_stay_in_order(void **state)
{
    star s = open_star(state, 4);
    exchange e[4];
    for (uint32_t i = 0; i < 4; i++) {
        e[i] = (exchange){.t = s.clients[i], .id = i};
        assert_int_equal(pthread_create(&e[i].thread, NULL, send_many, &e[i]), 0);
    }
    uint32_t next[4] = {0};
    for (int i = 0; i < 4 * MANY; i++) {
        ct_message m = receive_one(s.server);
        assert_int_equal(m.aux, next[m.peer]);
        assert_memory_equal(m.data, &next[m.peer], sizeof next[0]);
        next[m.peer]++;
    }
    assert_nothing(s.server);
    for (int i = 0; i < 4; i++) {
        pthread_join(e[i].thread, NULL);
        assert_true(e[i].ok);
    }
    close_star(&s);
}

static void test_a_flood_does_not_starve_the_others(void **state)
{
    star s = open_star(state, 3);
    for (uint32_t k = 0; k < 20000; k++)
        send_to(s.clients[0], 0, k, "flood", 5);
    assert_int_equal(receive_one(s.server).peer, 0); // the flood is already there
    send_to(s.clients[1], 0, 0, "a word", 6);
    send_to(s.clients[2], 0, 0, "a word", 6);
    int heard = 0, n = 0;
    while (heard < 2 && n < 20000) {
        ct_message m = receive_one(s.server);
        heard += m.peer != 0;
        n++;
    }
    assert_true(n < 100);
    ct_transport_close(s.server); // first, or the client would try to send the rest
    s.server = NULL;
    close_star(&s);
}

// ---- time ----

static void test_deadlines_are_kept(void **state)
{
    star s = open_star(state, 2);
    const int timeouts_ms[] = {-5, 0, 1, 20, 60};
    for (size_t i = 0; i < 5; i++) {
        ct_diag diag;
        ct_message m;
        double asked = timeouts_ms[i] > 0 ? 1e-3 * timeouts_ms[i] : 0.0;
        double start = raw_now_s();
        ct_status status = ct_transport_receive(s.server, &m, timeouts_ms[i], &diag);
        double took = raw_now_s() - start;
        ct_assert_status(status, CT_ETIMEOUT, &diag);
        assert_true(took >= asked && took < asked + SLACK_S);
        assert_int_equal(m.peer, UINT32_MAX);
        assert_null(m.data);
    }
    ct_diag diag;
    ct_message m;
    ct_assert_status(ct_transport_receive(s.clients[0], &m, 20, &diag), CT_ETIMEOUT, &diag);
    assert_string_equal(diag.text, "no message within 20 ms");
    send_to(s.clients[0], 0, 5, NULL, 0); // the endpoint is still good
    assert_int_equal(receive_one(s.server).aux, 5);
    close_star(&s);
}

static void *close_soon(void *argument)
{
    raw_sleep_ms(30);
    ct_transport_close(argument);
    return NULL;
}

static void *send_soon(void *argument)
{
    raw_sleep_ms(30);
    ct_message m = {.aux = 77};
    return ct_transport_send(argument, &m, NULL) == CT_OK ? argument : NULL;
}

static void test_a_waiting_receive_is_woken(void **state)
{
    star s = open_star(state, 1);
    pthread_t thread;
    void *sent;
    double start = raw_now_s();
    assert_int_equal(pthread_create(&thread, NULL, send_soon, s.clients[0]), 0);
    assert_int_equal(receive_one(s.server).aux, 77);
    pthread_join(thread, &sent);
    assert_non_null(sent);
    assert_int_equal(pthread_create(&thread, NULL, close_soon, s.clients[0]), 0);
    assert_gone(s.server, 0, "client 0 (");
    pthread_join(thread, NULL);
    assert_true(raw_now_s() - start < 0.06 + SLACK_S);
    s.clients[0] = NULL;
    close_star(&s);
}

// ---- leaving ----

static void test_a_client_that_leaves_is_named_once(void **state)
{
    star s = open_star(state, 3);
    send_to(s.clients[1], 0, 1, "last words", 10);
    ct_transport_close(s.clients[1]);
    s.clients[1] = NULL;
    ct_message m = receive_one(s.server); // what it had sent still comes
    assert_int_equal(m.peer, 1);
    assert_memory_equal(m.data, "last words", 10);
    assert_gone(s.server, 1, "client 1 (");
    assert_false(ct_transport_alive(s.server, 1));
    assert_true(ct_transport_alive(s.server, 0));
    assert_nothing(s.server); // once
    ct_diag diag;
    ct_assert_status(ct_transport_send(s.server, &(ct_message){.peer = 1}, &diag), CT_ECLOSED,
                     &diag);
    ct_assert_contains(diag.text, "client 1 (");
    ct_assert_contains(ct_transport_peer_name(s.server, 1), "client 1 (");

    send_to(s.clients[2], 0, 2, NULL, 0); // the others go on
    assert_int_equal(receive_one(s.server).peer, 2);
    ct_transport_close(s.clients[0]);
    ct_transport_close(s.clients[2]);
    s.clients[0] = s.clients[2] = NULL;
    ct_message end;
    ct_assert_status(ct_transport_receive(s.server, &end, LONG_MS, &diag), CT_ECLOSED, &diag);
    ct_assert_status(ct_transport_receive(s.server, &m, LONG_MS, &diag), CT_ECLOSED, &diag);
    assert_int_equal(end.peer + m.peer, 2);
    assert_gone(s.server, UINT32_MAX, "no peer is left");
    assert_gone(s.server, UINT32_MAX, "no peer is left"); // as often as one asks
    close_star(&s);
}

static void test_the_servers_last_message_arrives(void **state)
{
    star s = open_star(state, 2);
    // what the server leaves unread must not cost the clients what it sent before closing
    send_to(s.clients[0], 0, 0, "unread", 6);
    for (uint32_t i = 0; i < 2; i++)
        send_to(s.server, i, 9, "the end", 7);
    ct_transport_close(s.server);
    s.server = NULL;
    for (size_t i = 0; i < 2; i++) {
        ct_message m = receive_one(s.clients[i]);
        assert_int_equal(m.aux, 9);
        assert_memory_equal(m.data, "the end", 7);
        assert_gone(s.clients[i], 0, "server (");
        assert_false(ct_transport_alive(s.clients[i], 0));
        assert_gone(s.clients[i], UINT32_MAX, "no peer is left");
    }
    close_star(&s);
}

static void *take_big(void *argument)
{
    exchange *e = argument;
    ct_message m;
    e->ok = ct_transport_receive(e->t, &m, LONG_MS, NULL) == CT_OK && is_filled(&m, BIG_BYTES, 6);
    return NULL;
}

// Closing sends first what the socket has not taken yet, unread input or not.
static void test_closing_sends_what_is_queued(void **state)
{
    star s = open_star(state, 1);
    unsigned char *data = malloc(BIG_BYTES);
    assert_non_null(data);
    fill(data, BIG_BYTES, 6);
    send_to(s.clients[0], 0, 0, data, 100000);
    exchange e = {.t = s.clients[0]};
    send_to(s.server, 0, 0, data, BIG_BYTES);
    assert_int_equal(pthread_create(&e.thread, NULL, take_big, &e), 0);
    ct_transport_close(s.server);
    s.server = NULL;
    pthread_join(e.thread, NULL);
    assert_true(e.ok);
    free(data);
    close_star(&s);
}

static void test_a_dropped_client_is_silent(void **state)
{
    star s = open_star(state, 2);
    send_to(s.clients[0], 0, 0, "too late", 8);
    send_to(s.clients[1], 0, 0, "in time", 7);
    ct_transport_drop(s.server, 0);
    ct_transport_drop(s.server, 0); // harmless
    ct_transport_drop(s.server, 2);
    assert_false(ct_transport_alive(s.server, 0));
    ct_message m = receive_one(s.server);
    assert_int_equal(m.peer, 1);
    assert_memory_equal(m.data, "in time", 7);
    assert_nothing(s.server); // neither its message nor its end
    ct_diag diag;
    ct_assert_status(ct_transport_send(s.server, &(ct_message){.peer = 0}, &diag), CT_ECLOSED,
                     &diag);
    assert_gone(s.clients[0], 0, "server (");
    assert_gone(s.clients[0], UINT32_MAX, "no peer is left");
    ct_assert_status(ct_transport_send(s.clients[0], &(ct_message){.peer = 0}, &diag), CT_ECLOSED,
                     &diag);
    ct_transport_drop(s.server, 1);
    assert_gone(s.server, UINT32_MAX, "no peer is left");
    close_star(&s);
}

// ---- a message the caller holds ----

static void *send_two_and_take_one(void *argument)
{
    exchange *e = argument;
    unsigned char *data = malloc(BIG_BYTES);
    e->ok = data != NULL;
    if (e->ok) {
        fill(data, 1000, 1);
        ct_message small = {.aux = 1, .data = data, .size_bytes = 1000};
        e->ok = ct_transport_send(e->t, &small, NULL) == CT_OK;
        fill(data, BIG_BYTES, 2);
        ct_message big = {.aux = 2, .data = data, .size_bytes = BIG_BYTES};
        e->ok = e->ok && ct_transport_send(e->t, &big, NULL) == CT_OK &&
                ct_transport_flush(e->t, LONG_MS, NULL) == CT_OK &&
                ct_transport_receive(e->t, &big, LONG_MS, NULL) == CT_OK &&
                is_filled(&big, BIG_BYTES, 3);
    }
    free(data);
    return NULL;
}

static void test_a_held_message_survives_sending_and_flushing(void **state)
{
    star s = open_star(state, 1);
    exchange e = {.t = s.clients[0]};
    assert_int_equal(pthread_create(&e.thread, NULL, send_two_and_take_one, &e), 0);
    ct_message held = receive_one(s.server);
    unsigned char *data = malloc(BIG_BYTES);
    assert_non_null(data);
    fill(data, BIG_BYTES, 3);
    send_to(s.server, 0, 0, data, BIG_BYTES);
    ct_diag diag; // both sides flush more than the sockets hold: each must read meanwhile
    ct_assert_ok(ct_transport_flush(s.server, LONG_MS, &diag), &diag);
    assert_int_equal(held.aux, 1);
    assert_true(is_filled(&held, 1000, 1));
    ct_message m = receive_one(s.server);
    assert_int_equal(m.aux, 2);
    assert_true(is_filled(&m, BIG_BYTES, 2));
    pthread_join(e.thread, NULL);
    assert_true(e.ok);
    free(data);
    close_star(&s);
}

// ---- peers that read slowly ----

enum { LITTLE = 100000 }; // may be queued

// Queue more for the client than sockets hold and than may be queued; it does not read yet.
static void fill_up(star *s, uint32_t client)
{
    unsigned char *data = malloc(BIG_BYTES);
    assert_non_null(data);
    fill(data, BIG_BYTES, client);
    send_to(s->server, client, 0, data, BIG_BYTES);
    free(data);
    size_t queued = ct_transport_queued(s->server, client);
    assert_true(queued > LITTLE && queued <= BIG_BYTES + CT_FRAME_HEADER_BYTES);
}

static void *take_late(void *argument)
{
    raw_sleep_ms(60);
    exchange *e = argument;
    ct_message m;
    e->ok =
        ct_transport_receive(e->t, &m, LONG_MS, NULL) == CT_OK && is_filled(&m, BIG_BYTES, e->id);
    return NULL;
}

static void test_a_slow_reader_holds_the_others_back(void **state)
{
    star s = open_star(state, 3);
    ct_transport_set_limits(s.server, SIZE_MAX, LITTLE);
    send_to(s.clients[0], 0, 1, "before", 6);
    assert_int_equal(receive_one(s.server).peer, 0);
    fill_up(&s, 2);
    assert_int_equal(ct_transport_queued(s.server, 0), 0);
    assert_int_equal(ct_transport_queued(s.server, 7), 0);
    send_to(s.clients[0], 0, 2, "held", 4);
    send_to(s.clients[1], 0, 3, "back", 4);
    send_to(s.clients[2], 0, 4, "not this", 8);
    assert_int_equal(receive_one(s.server).aux, 4); // nothing of its own goes into its queue
    ct_diag diag;
    ct_message m;
    ct_assert_status(ct_transport_receive(s.server, &m, 30, &diag), CT_ETIMEOUT, &diag);
    exchange e = {.t = s.clients[2], .id = 2};
    assert_int_equal(pthread_create(&e.thread, NULL, take_late, &e), 0);
    uint32_t heard = receive_one(s.server).aux; // as soon as there is room
    assert_true(ct_transport_queued(s.server, 2) <= LITTLE);
    heard += receive_one(s.server).aux;
    assert_int_equal(heard, 5);
    ct_assert_ok(ct_transport_flush(s.server, LONG_MS, &diag), &diag);
    pthread_join(e.thread, NULL);
    assert_true(e.ok);
    close_star(&s);
}

static void test_slow_readers_hold_each_other_back(void **state)
{
    star s = open_star(state, 3);
    ct_transport_set_limits(s.server, SIZE_MAX, LITTLE);
    fill_up(&s, 1);
    fill_up(&s, 2);
    for (uint32_t i = 0; i < 3; i++)
        send_to(s.clients[i], 0, i, "held", 4);
    ct_diag diag;
    ct_message m;
    ct_assert_status(ct_transport_receive(s.server, &m, 30, &diag), CT_ETIMEOUT, &diag);
    ct_transport_drop(s.server, 2); // whoever is gone holds nobody up
    assert_int_equal(ct_transport_queued(s.server, 2), 0);
    assert_int_equal(receive_one(s.server).peer, 1);
    assert_nothing(s.server);
    ct_transport_drop(s.server, 1);
    assert_int_equal(receive_one(s.server).peer, 0);
    close_star(&s);
}

static void *send_chunks(void *argument)
{
    exchange *e = argument;
    unsigned char chunk[1000];
    e->ok = true;
    for (uint32_t k = 0; k < 3000 && e->ok; k++) {
        fill(chunk, sizeof chunk, k);
        ct_message m = {.aux = k, .data = chunk, .size_bytes = sizeof chunk};
        e->ok = ct_transport_send(e->t, &m, NULL) == CT_OK;
    }
    e->ok = e->ok && ct_transport_flush(e->t, LONG_MS, NULL) == CT_OK;
    return NULL;
}

static void *take_chunks(void *argument)
{
    exchange *e = argument;
    e->ok = true;
    for (uint32_t k = 0; k < 3000 && e->ok; k++) {
        ct_message m;
        e->ok = ct_transport_receive(e->t, &m, LONG_MS, NULL) == CT_OK && is_filled(&m, 1000, k);
        if (k % 100 == 0)
            raw_sleep_ms(1);
    }
    return NULL;
}

static void test_forwarding_keeps_within_the_limit(void **state)
{
    star s = open_star(state, 2);
    ct_transport_set_limits(s.server, 1000, LITTLE);
    exchange from = {.t = s.clients[0]}, to = {.t = s.clients[1]};
    assert_int_equal(pthread_create(&from.thread, NULL, send_chunks, &from), 0);
    assert_int_equal(pthread_create(&to.thread, NULL, take_chunks, &to), 0);
    size_t most = 0;
    for (int k = 0; k < 3000; k++) {
        ct_message m = receive_one(s.server);
        send_to(s.server, 1, m.aux, m.data, m.size_bytes);
        size_t queued = ct_transport_queued(s.server, 1);
        most = queued > most ? queued : most;
    }
    assert_true(most <= LITTLE + 1000 + CT_FRAME_HEADER_BYTES);
    ct_diag diag;
    ct_assert_ok(ct_transport_flush(s.server, LONG_MS, &diag), &diag);
    pthread_join(from.thread, NULL);
    pthread_join(to.thread, NULL);
    assert_true(from.ok && to.ok);
    close_star(&s);
}

// ---- counters, arguments, memory ----

static void assert_traffic(ct_traffic now, ct_traffic before, uint64_t messages_sent,
                           uint64_t bytes_sent, uint64_t messages_received, uint64_t bytes_received)
{
    assert_int_equal(now.messages_sent - before.messages_sent, messages_sent);
    assert_int_equal(now.bytes_sent - before.bytes_sent, bytes_sent);
    assert_int_equal(now.messages_received - before.messages_received, messages_received);
    assert_int_equal(now.bytes_received - before.bytes_received, bytes_received);
}

static void test_traffic_is_header_and_payload(void **state)
{
    star s = open_star(state, 2);
    ct_traffic zero[2], client_zero = ct_transport_traffic_total(s.clients[1]);
    for (uint32_t i = 0; i < 2; i++) {
        zero[i] = ct_transport_traffic(s.server, i);
        assert_int_equal(zero[i].messages_sent + zero[i].messages_received, 0);
    }
    unsigned char *data = calloc(100000, 1);
    assert_non_null(data);
    send_to(s.clients[1], 0, 0, data, 100000);
    send_to(s.clients[1], 0, 0, NULL, 0);
    (void)receive_one(s.server);
    (void)receive_one(s.server);
    send_to(s.server, 1, 0, data, 10);
    (void)receive_one(s.clients[1]);
    assert_traffic(ct_transport_traffic(s.server, 1), zero[1], 1, 22, 2, 100024);
    assert_traffic(ct_transport_traffic(s.server, 0), zero[0], 0, 0, 0, 0);
    assert_traffic(ct_transport_traffic(s.clients[1], 0), client_zero, 2, 100024, 1, 22);
    ct_traffic total = ct_transport_traffic_total(s.server);
    assert_int_equal(total.bytes_received,
                     zero[0].bytes_received + zero[1].bytes_received + 100024);
    ct_traffic none = ct_transport_traffic(s.server, 2);
    assert_int_equal(none.bytes_sent, 0);
    ct_transport_drop(s.server, 1); // the figures outlive the peer
    assert_traffic(ct_transport_traffic(s.server, 1), zero[1], 1, 22, 2, 100024);
    free(data);
    close_star(&s);
}

static void test_wrong_arguments_are_named(void **state)
{
    star s = open_star(state, 2);
    ct_diag diag;
    const ct_message wrong[] = {
        {.peer = 2}, {.peer = 0, .type = CT_MESSAGE_TYPE_MAX + 1}, {.peer = 0, .size_bytes = 1}};
    const char *texts[] = {"no peer 2 (there are 2)", "type 240 is reserved", "without data"};
    for (size_t i = 0; i < 3; i++) {
        ct_assert_status(ct_transport_send(s.server, &wrong[i], &diag), CT_EINVALID, &diag);
        ct_assert_contains(diag.text, texts[i]);
    }
    ct_message huge = {.data = "", .size_bytes = ((size_t)1 << 30) + 1};
    ct_assert_status(ct_transport_send(s.server, &huge, &diag), CT_ERANGE, &diag);
    ct_assert_contains(diag.text, "1073741825 bytes (at most 1073741824");
    assert_false(ct_transport_alive(s.server, 2));
    assert_string_equal(ct_transport_peer_name(s.server, UINT32_MAX), "no such peer");
    ct_assert_ok(ct_transport_flush(s.server, 0, &diag), &diag);
    ct_transport_close(NULL);
    close_star(&s);
}

/* Every allocation of a send and a receive fails once: the message is then not sent, the endpoint
 * stays as it was, and the same call succeeds later. */
static void test_sending_without_memory_fails_whole(void **state)
{
    star s = open_star(state, 1);
    unsigned char *data = calloc(1, 300000);
    assert_non_null(data);
    fill(data, 300000, 4);
    unsigned long k = 1;
    for (bool failed = true; failed; k++) {
        ct_diag diag;
        ct_message m = {.aux = (uint32_t)k, .data = data, .size_bytes = 300000};
        (void)ct_test_fail_allocation(k);
        ct_status status = ct_transport_send(s.clients[0], &m, &diag);
        failed = ct_test_fail_allocation(0);
        ct_assert_status(status, failed ? CT_ENOMEM : CT_OK, &diag);
        assert_true(ct_transport_alive(s.clients[0], 0));
    }
    ct_diag diag;
    ct_assert_ok(ct_transport_flush(s.clients[0], 500, &diag), &diag);
    ct_message m = receive_one(s.server);
    assert_int_equal(m.aux, k - 1);
    assert_true(is_filled(&m, 300000, 4));
    assert_nothing(s.server);
    free(data);
    close_star(&s);
}

static void test_inproc_needs_its_memory(void **state)
{
    (void)state;
    unsigned long n_failed = 0;
    ct_transport *server, *clients[3];
    ct_diag diag;
    for (unsigned long k = 1;; k++) {
        (void)ct_test_fail_allocation(k);
        ct_status status = ct_transport_open_inproc(&server, clients, 3, &diag);
        if (!ct_test_fail_allocation(0)) {
            ct_assert_ok(status, &diag);
            break;
        }
        ct_assert_status(status, CT_ENOMEM, &diag);
        assert_null(server);
        assert_null(clients[0]);
        n_failed++;
    }
    for (size_t i = 0; i < 3; i++)
        ct_transport_close(clients[i]);
    ct_transport_close(server);
    print_message("%lu allocations failed in turn\n", n_failed);
    ct_assert_status(ct_transport_open_inproc(&server, clients, 0, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "0 clients");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(test_messages_arrive_as_sent),
        ON_BOTH(test_sizes_both_ways_at_once),
        ON_BOTH(test_many_small_messages_stay_in_order),
        ON_BOTH(test_a_flood_does_not_starve_the_others),
        ON_BOTH(test_deadlines_are_kept),
        ON_BOTH(test_a_waiting_receive_is_woken),
        ON_BOTH(test_a_client_that_leaves_is_named_once),
        ON_BOTH(test_the_servers_last_message_arrives),
        ON_BOTH(test_closing_sends_what_is_queued),
        ON_BOTH(test_a_dropped_client_is_silent),
        ON_BOTH(test_a_held_message_survives_sending_and_flushing),
        ON_BOTH(test_a_slow_reader_holds_the_others_back),
        ON_BOTH(test_slow_readers_hold_each_other_back),
        ON_BOTH(test_forwarding_keeps_within_the_limit),
        ON_BOTH(test_traffic_is_header_and_payload),
        ON_BOTH(test_wrong_arguments_are_named),
        ON_BOTH(test_sending_without_memory_fails_whole),
        cmocka_unit_test(test_inproc_needs_its_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
