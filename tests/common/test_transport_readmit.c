// SPDX-License-Identifier: MIT
/* Clients that are gone and come back: whom a server lets in again, who waits for a seat, who is
 * refused; and that strangers at the door hold up nobody who is there. */
#include "transport_raw.h"

#include <stdio.h>

enum { CLIENTS = 3 };

// ---- a server whose clients are bare sockets ----

typedef struct star {
    ct_tcp_listener *listener;
    uint16_t port;
    ct_transport *server;
    int fds[CLIENTS];
} star;

static ct_tcp_options options(int hello_timeout_ms)
{
    ct_tcp_options opt = ct_tcp_options_default();
    opt.hello_timeout_ms = hello_timeout_ms;
    return opt;
}

static star open_star(const ct_tcp_options *opt)
{
    star s = {0};
    ct_diag diag;
    s.listener = open_listener(&s.port);
    for (uint32_t i = 0; i < CLIENTS; i++)
        s.fds[i] = raw_hello(s.port, i);
    ct_assert_ok(ct_transport_accept_tcp(&s.server, s.listener, CLIENTS, opt, NULL, &diag), &diag);
    for (size_t i = 0; i < CLIENTS; i++)
        raw_assert_welcome(s.fds[i], CLIENTS);
    ct_assert_ok(ct_transport_readmit(s.server, s.listener, opt, &diag), &diag);
    return s;
}

static void close_star(star *s)
{
    ct_transport_close(s->server);
    ct_tcp_listener_close(s->listener);
    for (size_t i = 0; i < CLIENTS; i++)
        if (s->fds[i] >= 0)
            close(s->fds[i]);
}

static void kill_client(star *s, uint32_t id)
{
    close(s->fds[id]);
    s->fds[id] = -1;
}

static void expect_message(star *s, uint32_t peer, const char *text)
{
    ct_message m;
    ct_diag diag = {""};
    ct_assert_ok(ct_transport_receive(s->server, &m, 5000, &diag), &diag);
    assert_int_equal(m.peer, peer);
    assert_int_equal(m.size_bytes, strlen(text));
    assert_memory_equal(m.data, text, strlen(text));
}

static void expect_end(star *s, uint32_t peer)
{
    ct_message m;
    ct_diag diag = {""};
    ct_assert_status(ct_transport_receive(s->server, &m, 5000, &diag), CT_ECLOSED, &diag);
    assert_int_equal(m.peer, peer);
    assert_false(ct_transport_alive(s->server, peer));
}

static void expect_nothing(star *s, int timeout_ms)
{
    ct_message m;
    ct_diag diag = {""};
    ct_assert_status(ct_transport_receive(s->server, &m, timeout_ms, &diag), CT_ETIMEOUT, &diag);
}

// A new connection of the client, with a first message already under way behind its hello.
static void come_back(star *s, uint32_t id, const char *text)
{
    s->fds[id] = raw_hello(s->port, id);
    assert_true(raw_send(s->fds[id], 1, 0, text, (uint32_t)strlen(text)));
}

static void expect_answer(const star *s, uint32_t id)
{
    ct_diag diag;
    ct_message m = {.peer = id, .type = 7, .aux = 11, .data = "ok", .size_bytes = 2};
    ct_assert_ok(ct_transport_send(s->server, &m, &diag), &diag);
    uint8_t type = 0;
    uint32_t aux = 0;
    char text[513] = "";
    assert_true(raw_receive(s->fds[id], &type, &aux, text));
    assert_int_equal(type, 7);
    assert_string_equal(text, "ok");
}

// ---- tests ----

static void test_a_client_that_died_comes_back(void **state)
{
    (void)state;
    star s = open_star(NULL);
    assert_true(raw_send(s.fds[1], 1, 0, "before", 6));
    expect_message(&s, 1, "before");
    kill_client(&s, 1);
    expect_end(&s, 1);
    ct_traffic gone = ct_transport_traffic(s.server, 1);

    come_back(&s, 1, "again");
    expect_message(&s, 1, "again");
    assert_true(ct_transport_alive(s.server, 1));
    raw_assert_welcome(s.fds[1], CLIENTS);
    expect_answer(&s, 1);
    ct_traffic now = ct_transport_traffic(s.server, 1);
    assert_int_equal(now.messages_received, gone.messages_received + 1);
    assert_int_equal(now.bytes_received, gone.bytes_received + 12 + 12 + 5);
    assert_int_equal(now.bytes_sent, gone.bytes_sent + 12 + 12 + 2);

    kill_client(&s, 1); // and once more
    expect_end(&s, 1);
    come_back(&s, 1, "third");
    expect_message(&s, 1, "third");
    close_star(&s);
}

/* The new connection is there before the end of the old one has been reported: it waits, and its
 * message comes after that report. */
static void test_coming_back_before_the_end_is_known(void **state)
{
    (void)state;
    star s = open_star(NULL);
    assert_true(raw_send(s.fds[2], 1, 0, "last words", 10));
    kill_client(&s, 2);
    come_back(&s, 2, "reborn");
    expect_message(&s, 2, "last words");
    expect_end(&s, 2);
    expect_message(&s, 2, "reborn");
    raw_assert_welcome(s.fds[2], CLIENTS);
    close_star(&s);
}

static void test_a_client_that_was_dropped_comes_back(void **state)
{
    (void)state;
    star s = open_star(NULL);
    int waiting = raw_hello(s.port, 0); // while its seat is taken
    expect_nothing(&s, 50);
    ct_transport_drop(s.server, 0);
    assert_true(raw_send(waiting, 1, 0, "back", 4));
    expect_message(&s, 0, "back");
    raw_assert_welcome(waiting, CLIENTS);
    close(waiting);
    close_star(&s);
}

static void test_a_seat_that_stays_taken(void **state)
{
    (void)state;
    ct_tcp_options opt = options(200);
    star s = open_star(&opt);
    int twin = raw_hello(s.port, 1), fickle = raw_hello(s.port, 2);
    expect_nothing(&s, 20);
    close(fickle);
    double start = raw_now_s();
    expect_nothing(&s, 600); // the wait is longer than its patience
    assert_true(raw_now_s() - start < 0.6 + SLACK_S);
    raw_assert_refused(twin, "id 1 is already taken");
    assert_true(ct_transport_alive(s.server, 1));
    assert_true(raw_send(s.fds[1], 1, 0, "still me", 8));
    expect_message(&s, 1, "still me");
    close(twin);
    close_star(&s);
}

/* Waits for its refusal, then says so as a client that is let in. */
static void *wait_for_refusal(void *argument)
{
    const int *fds = argument;
    raw_assert_refused(fds[0], "no hello within 200 ms");
    assert_true(raw_send(fds[1], 1, 0, "refused", 7));
    return NULL;
}

static void test_a_stranger_is_refused_in_time(void **state)
{
    (void)state;
    ct_tcp_options opt = options(200);
    star s = open_star(&opt);
    int fds[] = {raw_connect(s.port), s.fds[1]};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_refusal, fds), 0);
    expect_message(&s, 1, "refused"); // which waits for 5 s
    pthread_join(thread, NULL);
    close(fds[0]);
    close_star(&s);
}

static void test_strangers_are_refused_meanwhile(void **state)
{
    (void)state;
    ct_tcp_options opt = options(200);
    star s = open_star(&opt);
    kill_client(&s, 0);
    expect_end(&s, 0);
    int garbage = raw_connect(s.port), range = raw_hello(s.port, CLIENTS);
    int greeting = raw_connect(s.port), silent = raw_connect(s.port);
    assert_true(raw_write(garbage, "GET / HTTP/1.1\r\n\r\n", 18));
    assert_true(raw_send(greeting, RAW_HELLO, 0, "other", 5));
    assert_true(raw_send(s.fds[1], 1, 0, "I work", 6));
    expect_message(&s, 1, "I work");
    expect_nothing(&s, 600);
    raw_assert_refused(garbage, "does not speak this protocol");
    raw_assert_refused(range, "id 3 is out of range (clients are 0 to 2)");
    raw_assert_refused(greeting, "settings differ from the server's");
    raw_assert_refused(silent, "no hello within 200 ms");
    come_back(&s, 0, "me");
    expect_message(&s, 0, "me");
    close(garbage);
    close(range);
    close(greeting);
    close(silent);
    close_star(&s);
}

// The greeting is copied: the caller's may be gone by then.
static void test_the_greeting_is_asked_for_again(void **state)
{
    (void)state;
    uint16_t port;
    ct_tcp_listener *listener = open_listener(&port);
    ct_transport *server;
    ct_diag diag;
    char greeting[] = "v7";
    ct_tcp_options opt = ct_tcp_options_default();
    opt.greeting = greeting;
    opt.greeting_bytes = 2;
    int first = raw_connect(port);
    assert_true(raw_send(first, RAW_HELLO, 0, "v7", 2));
    ct_assert_ok(ct_transport_accept_tcp(&server, listener, 1, &opt, NULL, &diag), &diag);
    ct_assert_ok(ct_transport_readmit(server, listener, &opt, &diag), &diag);
    memset(greeting, 'x', sizeof greeting);
    ct_transport_drop(server, 0);
    int wrong = raw_connect(port), right = raw_connect(port);
    assert_true(raw_send(wrong, RAW_HELLO, 0, "xx", 2));
    assert_true(raw_send(right, RAW_HELLO, 0, "v7", 2) && raw_send(right, 1, 0, "me", 2));
    ct_message m;
    ct_assert_ok(ct_transport_receive(server, &m, 5000, &diag), &diag);
    raw_assert_refused(wrong, "settings differ from the server's");
    raw_assert_welcome(right, 1);
    ct_transport_close(server);
    ct_tcp_listener_close(listener);
    close(first);
    close(wrong);
    close(right);
}

static void test_where_no_client_is_left_one_may_come(void **state)
{
    (void)state;
    star s = open_star(NULL);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        kill_client(&s, i);
        expect_end(&s, i);
    }
    expect_nothing(&s, 20);
    come_back(&s, 1, "here");
    expect_message(&s, 1, "here");
    close_star(&s);
}

static void test_flush_lets_in_too(void **state)
{
    (void)state;
    star s = open_star(NULL);
    kill_client(&s, 1);
    expect_end(&s, 1);
    come_back(&s, 1, "back");
    // more than the sockets take, so that the flush waits
    size_t size = (size_t)32 << 20;
    char *data = calloc(size, 1);
    assert_non_null(data);
    ct_diag diag;
    ct_message m = {.peer = 0, .data = data, .size_bytes = size};
    ct_assert_ok(ct_transport_send(s.server, &m, &diag), &diag);
    ct_assert_status(ct_transport_flush(s.server, 100, &diag), CT_ETIMEOUT, &diag);
    free(data);
    raw_assert_welcome(s.fds[1], CLIENTS);
    ct_transport_drop(s.server, 0);
    expect_message(&s, 1, "back");
    close_star(&s);
}

static void test_closing_turns_away_who_waits(void **state)
{
    (void)state;
    star s = open_star(NULL);
    int queues = raw_hello(s.port, 1), late;
    expect_nothing(&s, 20);
    late = raw_connect(s.port); // not even taken yet
    ct_transport_close(s.server);
    s.server = NULL;
    raw_assert_refused(queues, "the server is closing");
    raw_assert_refused(late, "the server is closing");
    close(queues);
    close(late);
    close_star(&s);
}

static void test_only_a_tcp_server_readmits(void **state)
{
    (void)state;
    uint16_t port;
    ct_tcp_listener *listener = open_listener(&port);
    ct_transport *server, *client;
    ct_diag diag;
    ct_assert_ok(ct_transport_open_inproc(&server, &client, 1, &diag), &diag);
    ct_assert_status(ct_transport_readmit(server, listener, NULL, &diag), CT_EINVALID, &diag);
    ct_transport_close(server);
    ct_transport_close(client);
    star s = open_star(NULL);
    ct_assert_status(ct_transport_readmit(s.server, NULL, NULL, &diag), CT_EINVALID, &diag);
    ct_tcp_options bad = options(0);
    ct_assert_status(ct_transport_readmit(s.server, listener, &bad, &diag), CT_EINVALID, &diag);
    close_star(&s);
    ct_tcp_listener_close(listener);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, count_descriptors, count_descriptors)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_client_that_died_comes_back),
        TEST(test_coming_back_before_the_end_is_known),
        TEST(test_a_client_that_was_dropped_comes_back),
        TEST(test_a_seat_that_stays_taken),
        TEST(test_a_stranger_is_refused_in_time),
        TEST(test_strangers_are_refused_meanwhile),
        TEST(test_the_greeting_is_asked_for_again),
        TEST(test_where_no_client_is_left_one_may_come),
        TEST(test_flush_lets_in_too),
        TEST(test_closing_turns_away_who_waits),
        TEST(test_only_a_tcp_server_readmits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
