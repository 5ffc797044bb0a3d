// SPDX-License-Identifier: MIT
/* TCP once the star stands: peers that die, stall, flood or speak nonsense, bytes as the network
 * sees them, signals; and one connection alone, fed piece by piece. */
#include "transport_raw.h"
#include "transport_tcp.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>

#define LONG_MS 10000

// A server whose clients are bare sockets, their welcome already read.
typedef struct raw_star {
    ct_transport *server;
    int fds[4];
    size_t n;
} raw_star;

static raw_star open_raw(size_t n, const ct_tcp_options *opt)
{
    raw_star s = {.n = n};
    uint16_t port;
    ct_tcp_listener *listener = open_listener(&port);
    for (uint32_t i = 0; i < n; i++)
        s.fds[i] = raw_hello(port, i);
    ct_diag diag;
    ct_status status = ct_transport_accept_tcp(&s.server, listener, n, opt, NULL, &diag);
    ct_assert_ok(status, &diag);
    for (size_t i = 0; i < n; i++)
        raw_assert_welcome(s.fds[i], (uint32_t)n);
    ct_tcp_listener_close(listener);
    return s;
}

static void close_raw(raw_star *s)
{
    for (size_t i = 0; i < s->n; i++)
        close(s->fds[i]);
    ct_transport_close(s->server);
}

static void assert_message(ct_transport *t, uint32_t peer, const void *data, size_t size)
{
    ct_diag diag;
    ct_message m;
    ct_assert_ok(ct_transport_receive(t, &m, LONG_MS, &diag), &diag);
    assert_int_equal(m.peer, peer);
    assert_int_equal(m.size_bytes, size);
    assert_memory_equal(m.data, data, size);
}

static void assert_end(ct_transport *t, uint32_t peer, ct_status expected, const char *text)
{
    ct_diag diag;
    ct_message m;
    ct_assert_status(ct_transport_receive(t, &m, LONG_MS, &diag), expected, &diag);
    assert_int_equal(m.peer, peer);
    ct_assert_contains(diag.text, text);
}

static void assert_silence(ct_transport *t)
{
    ct_diag diag;
    ct_message m;
    ct_assert_status(ct_transport_receive(t, &m, 20, &diag), CT_ETIMEOUT, &diag);
}

// ---- peers that die ----

static void test_a_client_killed_in_a_message(void **state)
{
    (void)state;
    uint16_t port;
    ct_tcp_listener *listener = open_listener(&port);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) { // a process of its own: hello, half a message, and then nothing
        int fd = raw_hello(port, 0);
        unsigned char half[12 + 50] = {0};
        raw_header(half, 1, 0, 100);
        (void)raw_write(fd, half, sizeof half);
        for (;;)
            pause();
    }
    int other = raw_hello(port, 1);
    ct_transport *server;
    ct_diag diag;
    ct_assert_ok(ct_transport_accept_tcp(&server, listener, 2, NULL, NULL, &diag), &diag);
    assert_silence(server);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_end(server, 0, CT_ECLOSED, "client 0 (127.0.0.1:");
    assert_false(ct_transport_alive(server, 0));
    assert_true(raw_send(other, 1, 0, "still here", 10));
    assert_message(server, 1, "still here", 10);
    close(other);
    assert_end(server, 1, CT_ECLOSED, "client 1 (127.0.0.1:");
    ct_transport_close(server);
    ct_tcp_listener_close(listener);
}

static void reset(int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(fd);
}

static void test_ends_are_told_apart(void **state)
{
    (void)state;
    raw_star s = open_raw(4, NULL);
    unsigned char half[14];
    raw_header(half, 1, 0, 100);
    memset(half + 12, 0, 2);
    assert_true(raw_write(s.fds[0], half, sizeof half));
    close(s.fds[0]); // ended in the middle
    assert_end(s.server, 0, CT_ECLOSED, ": closed the connection in the middle of a message");
    shutdown(s.fds[1], SHUT_WR); // half closed
    assert_end(s.server, 1, CT_ECLOSED, ": closed the connection");
    assert_true(raw_send(s.fds[2], 1, 0, "bye", 3));
    raw_sleep_ms(5);
    reset(s.fds[2]); // what came before the reset counts
    assert_message(s.server, 2, "bye", 3);
    assert_end(s.server, 2, CT_ECLOSED, ": connection reset");
    close(s.fds[3]);
    assert_end(s.server, 3, CT_ECLOSED, ": closed the connection");
    assert_end(s.server, UINT32_MAX, CT_ECLOSED, "no peer is left");
    close(s.fds[1]);
    s.n = 0;
    close_raw(&s);
}

/* Writing to a peer that is gone: no SIGPIPE, an error at the second or third try at the latest,
 * and what it had sent before is still there. */
static void test_sending_to_the_dead(void **state)
{
    (void)state;
    raw_star s = open_raw(1, NULL);
    assert_true(raw_send(s.fds[0], 1, 0, "last", 4));
    raw_sleep_ms(5);
    close(s.fds[0]);
    ct_diag diag;
    ct_status status = CT_OK;
    for (int i = 0; i < 100 && status == CT_OK; i++) {
        status = ct_transport_send(s.server, &(ct_message){.data = "x", .size_bytes = 1}, &diag);
        raw_sleep_ms(1);
    }
    ct_assert_status(status, CT_ECLOSED, &diag);
    ct_assert_contains(diag.text, "client 0 (127.0.0.1:");
    assert_false(ct_transport_alive(s.server, 0));
    assert_message(s.server, 0, "last", 4);
    assert_end(s.server, 0, CT_ECLOSED, "connection reset");
    assert_end(s.server, UINT32_MAX, CT_ECLOSED, "no peer is left");
    s.n = 0;
    close_raw(&s);
}

// ---- peers that break the protocol ----

static void test_nonsense_is_named_and_the_others_go_on(void **state)
{
    (void)state;
    const struct {
        unsigned char at, value;
        uint32_t size;
        const char *text;
    } wrong[] = {
        {0, 'X', 0, "does not speak this protocol (sent 58 54 01 01)"},
        {2, 2, 0, "speaks version 2 of the protocol, we speak 1"},
        {3, 240, 0, "sent a message of the reserved type 240"},
        {3, 1, 1001, "sent a message of 1001 bytes (at most 1000 are allowed)"},
        {3, 1, UINT32_MAX, "sent a message of 4294967295 bytes (at most 1000 are allowed)"},
    };
    ct_tcp_options opt = ct_tcp_options_default();
    opt.max_message_bytes = 1000;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        raw_star s = open_raw(2, &opt);
        unsigned char header[12];
        raw_header(header, 1, 0, wrong[i].size);
        header[wrong[i].at] = wrong[i].value;
        assert_true(raw_send(s.fds[0], 1, 0, "fine", 4)); // what came before counts
        assert_true(raw_write(s.fds[0], header, sizeof header));
        assert_message(s.server, 0, "fine", 4);
        assert_end(s.server, 0, CT_EPROTOCOL, wrong[i].text);
        assert_silence(s.server);
        unsigned char byte;
        assert_false(raw_read(s.fds[0], &byte, 1)); // cut off
        assert_true(raw_send(s.fds[1], 1, 0, "right", 5));
        assert_message(s.server, 1, "right", 5);
        close_raw(&s);
    }
}

static void test_a_lower_limit_holds_from_then_on(void **state)
{
    (void)state;
    raw_star s = open_raw(2, NULL);
    char text[101] = "";
    assert_true(raw_send(s.fds[0], 1, 0, text, 101));
    assert_message(s.server, 0, text, 101);
    ct_transport_set_limits(s.server, 100, SIZE_MAX);
    ct_transport_set_limits(s.server, 1000, SIZE_MAX); // never higher again
    assert_true(raw_send(s.fds[1], 1, 0, text, 100));
    assert_message(s.server, 1, text, 100);
    assert_true(raw_send(s.fds[0], 1, 0, text, 101));
    assert_end(s.server, 0, CT_EPROTOCOL, "sent a message of 101 bytes (at most 100 are allowed)");
    close_raw(&s);
}

static void test_frames_byte_by_byte(void **state)
{
    (void)state;
    raw_star s = open_raw(1, NULL);
    unsigned char frames[2 * 12 + 3];
    raw_header(frames, 1, 0, 3);
    memcpy(frames + 12, "abc", 3);
    raw_header(frames + 15, 2, 0, 0);
    ct_diag diag;
    ct_message m;
    for (size_t i = 0; i < sizeof frames; i++) {
        assert_true(raw_write(s.fds[0], frames + i, 1));
        ct_status status = ct_transport_receive(s.server, &m, i + 1 == 15 ? LONG_MS : 1, &diag);
        if (i + 1 < sizeof frames)
            ct_assert_status(status, i + 1 == 15 ? CT_OK : CT_ETIMEOUT, &diag);
        if (i + 1 == 15)
            assert_memory_equal(m.data, "abc", 3);
    }
    if (m.type != 2)
        ct_assert_ok(ct_transport_receive(s.server, &m, LONG_MS, &diag), &diag);
    assert_int_equal(m.type, 2);
    assert_int_equal(m.size_bytes, 0);
    close_raw(&s);
}

// ---- peers that take nothing ----

static void test_a_client_that_never_reads(void **state)
{
    (void)state;
    enum { SIZE = 32 << 20 };
    ct_tcp_options opt = ct_tcp_options_default();
    opt.stall_timeout_ms = 300;
    raw_star s = open_raw(2, &opt);
    unsigned char *data = calloc(SIZE, 1);
    assert_non_null(data);
    ct_diag diag;
    double start = raw_now_s();
    ct_message big = {.peer = 0, .data = data, .size_bytes = SIZE};
    ct_assert_ok(ct_transport_send(s.server, &big, &diag), &diag); // does not wait
    ct_assert_status(ct_transport_flush(s.server, 50, &diag), CT_ETIMEOUT, &diag);
    ct_assert_contains(diag.text, "client 0 (127.0.0.1:");
    ct_assert_contains(diag.text, " has not taken ");
    assert_true(raw_now_s() - start < 0.05 + SLACK_S);

    int n_others = 0; // the other client is served all the while
    ct_status status = CT_OK;
    ct_message m;
    while (status == CT_OK) {
        assert_true(raw_send(s.fds[1], 1, 0, "ping", 4));
        status = ct_transport_receive(s.server, &m, LONG_MS, &diag);
        if (status == CT_OK) {
            assert_int_equal(m.peer, 1);
            n_others++;
            raw_sleep_ms(1);
        }
    }
    double took = raw_now_s() - start;
    ct_assert_status(status, CT_ECLOSED, &diag);
    assert_int_equal(m.peer, 0);
    ct_assert_contains(diag.text, "took none of the ");
    ct_assert_contains(diag.text, " bytes queued for it for 300 ms");
    assert_true(took >= 0.3 && took < 0.6 + SLACK_S);
    assert_true(n_others > 5);
    ct_assert_ok(ct_transport_flush(s.server, 0, &diag), &diag); // nothing is queued any more
    free(data);
    close_raw(&s);
}

// Slower than the stall time in all, but never still for so long.
static void *read_slowly(void *argument)
{
    int fd = *(int *)argument;
    unsigned char *data = malloc(1 << 20);
    size_t n_read = 0;
    ssize_t n = 1;
    while (data != NULL && n > 0 && n_read < 12 + (5 << 20)) {
        raw_sleep_ms(20);
        n = recv(fd, data, 1 << 20, 0);
        n_read += n > 0 ? (size_t)n : 0;
    }
    free(data);
    return n_read == 12 + (5 << 20) ? argument : NULL;
}

static void test_a_slow_client_is_no_stalled_one(void **state)
{
    (void)state;
    ct_tcp_options opt = ct_tcp_options_default();
    opt.stall_timeout_ms = 200;
    raw_star s = open_raw(1, &opt);
    int small = 32768;
    assert_int_equal(setsockopt(s.fds[0], SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_slowly, &s.fds[0]), 0);
    unsigned char *data = calloc(5 << 20, 1);
    assert_non_null(data);
    ct_diag diag;
    ct_message m = {.data = data, .size_bytes = 5 << 20};
    ct_assert_ok(ct_transport_send(s.server, &m, &diag), &diag);
    ct_assert_ok(ct_transport_flush(s.server, LONG_MS, &diag), &diag);
    assert_true(ct_transport_alive(s.server, 0));
    void *all;
    pthread_join(thread, &all);
    assert_non_null(all);
    free(data);
    close_raw(&s);
}

// ---- bytes as the network sees them ----

// Forwards between a client's connection and the server's, and counts.
typedef struct proxy {
    pthread_t thread;
    int listener;
    uint16_t server_port;
    uint64_t up, down;
} proxy;

static bool forward(int from, int to, uint64_t *count)
{
    unsigned char data[8192];
    ssize_t n = recv(from, data, sizeof data, 0);
    if (n <= 0 || !raw_write(to, data, (size_t)n))
        return false;
    *count += (uint64_t)n;
    return true;
}

static void *proxy_run(void *argument)
{
    proxy *p = argument;
    int client = accept(p->listener, NULL, NULL), server = raw_connect(p->server_port);
    struct pollfd polls[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
    bool open = true;
    while (open && poll(polls, 2, -1) > 0) {
        if (polls[0].revents != 0)
            open = forward(client, server, &p->up);
        if (open && polls[1].revents != 0)
            open = forward(server, client, &p->down);
    }
    close(client);
    close(server);
    return NULL;
}

static void test_traffic_is_what_crosses_the_wire(void **state)
{
    (void)state;
    ct_diag diag;
    uint16_t port;
    ct_tcp_listener *listener = open_listener(&port);
    proxy p = {.server_port = port};
    p.listener = raw_listen(&port);
    assert_int_equal(pthread_create(&p.thread, NULL, proxy_run, &p), 0);
    ct_tcp_options opt = ct_tcp_options_default();
    opt.greeting = "greetings";
    opt.greeting_bytes = 9;
    connecting c;
    connecting_start(&c, port, 0, &opt);
    ct_transport *server;
    ct_assert_ok(ct_transport_accept_tcp(&server, listener, 1, &opt, NULL, &diag), &diag);
    ct_assert_ok(connecting_join(&c), &c.diag);
    unsigned char *data = calloc(1, 1 << 20);
    assert_non_null(data);
    for (int i = 0; i < 5; i++) {
        ct_message m = {.data = data, .size_bytes = (size_t)1 << 4 * i};
        ct_assert_ok(ct_transport_send(c.client, &m, &diag), &diag);
        ct_assert_ok(ct_transport_flush(c.client, LONG_MS, &diag), &diag);
        ct_assert_ok(ct_transport_receive(server, &m, LONG_MS, &diag), &diag);
        m.size_bytes /= 2;
        ct_assert_ok(ct_transport_send(server, &m, &diag), &diag);
        ct_assert_ok(ct_transport_receive(c.client, &m, LONG_MS, &diag), &diag);
    }
    ct_traffic at_server = ct_transport_traffic(server, 0);
    ct_traffic at_client = ct_transport_traffic(c.client, 0);
    ct_transport_close(c.client);
    pthread_join(p.thread, NULL);
    ct_transport_close(server);
    assert_int_equal(at_client.bytes_sent, p.up);
    assert_int_equal(at_server.bytes_received, p.up);
    assert_int_equal(at_client.bytes_received, p.down);
    assert_int_equal(at_server.bytes_sent, p.down);
    assert_int_equal(p.up, 12 + 9 + 5 * 12 + 0x11111);
    assert_int_equal(p.down, 12 + 5 * 12 + 0x8888);
    assert_int_equal(at_client.messages_sent, 5);
    assert_int_equal(at_server.messages_received, 5);
    free(data);
    close(p.listener);
    ct_tcp_listener_close(listener);
}

// ---- signals ----

static void on_alarm(int number)
{
    (void)number;
}

static void test_signals_do_not_shorten_waits(void **state)
{
    (void)state;
    raw_star s = open_raw(1, NULL);
    struct sigaction action = {.sa_handler = on_alarm}, old; // without SA_RESTART
    assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
    const struct itimerval often = {{0, 3000}, {0, 3000}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    double start = raw_now_s();
    ct_diag diag;
    ct_message m;
    ct_status status = ct_transport_receive(s.server, &m, 60, &diag);
    double took = raw_now_s() - start;
    uint16_t port;
    close(raw_listen(&port));
    ct_tcp_options opt = ct_tcp_options_default();
    opt.connect_timeout_ms = 60;
    ct_transport *client;
    start = raw_now_s();
    ct_status refused = ct_transport_connect_tcp(&client, NULL, port, 0, &opt, NULL, &diag);
    double tried = raw_now_s() - start;
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &old, NULL);
    assert_int_equal(status, CT_ETIMEOUT);
    assert_true(took >= 0.06 && took < 0.06 + SLACK_S);
    assert_int_equal(refused, CT_EREFUSED);
    assert_true(tried >= 0.06 && tried < 0.06 + SLACK_S);
    close_raw(&s);
}

// ---- one connection alone ----

// A length that is a lie costs the liar's bytes, not ours.
static void test_a_claimed_length_is_not_believed(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ct__connection c;
    ct__connection_open(&c, pair[0], 1000);
    unsigned char frame[12 + 1000] = {0};
    raw_header(frame, 1, 0, 1 << 30);
    assert_true(raw_write(pair[1], frame, sizeof frame));
    ct__frame f;
    size_t missing = 12;
    ct_diag why;
    for (int i = 0; i < 3; i++) {
        ct__connection_read(&c, missing);
        ct_assert_ok(ct__frame_peek(&c.in, (size_t)1 << 30, &f, &missing, &why), &why);
    }
    assert_int_equal(missing, (1 << 30) - 1000);
    assert_null(f.data);
    assert_true(c.in.capacity <= 65536);
    unsigned char *more = calloc(1, 100000); // and grows with what comes
    assert_non_null(more);
    assert_true(raw_write(pair[1], more, 100000));
    for (int i = 0; i < 20; i++) {
        ct__connection_read(&c, missing);
        ct_assert_ok(ct__frame_peek(&c.in, (size_t)1 << 30, &f, &missing, &why), &why);
    }
    assert_int_equal(missing, (1 << 30) - 101000);
    assert_true(c.in.capacity <= 4 * 101000);
    free(more);
    close(pair[1]);
    ct__connection_clear(&c);
}

// Without memory for what a peer sends, that peer is given up, and only that.
static void test_reading_without_memory(void **state)
{
    (void)state;
    raw_star s = open_raw(2, NULL);
    (void)ct_test_fail_allocation(1);
    unsigned char *none = malloc(1);
    if (!ct_test_fail_allocation(0) || none != NULL) {
        free(none);
        close_raw(&s);
        print_message("skipped: allocations cannot be made to fail here\n");
        skip();
    }
    unsigned char *data = calloc(1, 200000);
    assert_non_null(data);
    assert_true(raw_send(s.fds[0], 1, 0, data, 200000));
    (void)ct_test_fail_allocation(1);
    assert_end(s.server, 0, CT_ENOMEM, "no memory for what it sends (");
    assert_true(ct_test_fail_allocation(0));
    assert_true(raw_send(s.fds[1], 1, 0, data, 200000));
    assert_message(s.server, 1, data, 200000);
    free(data);
    close_raw(&s);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, count_descriptors, count_descriptors)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_client_killed_in_a_message),
        TEST(test_ends_are_told_apart),
        TEST(test_sending_to_the_dead),
        TEST(test_nonsense_is_named_and_the_others_go_on),
        TEST(test_a_lower_limit_holds_from_then_on),
        TEST(test_frames_byte_by_byte),
        TEST(test_a_client_that_never_reads),
        TEST(test_a_slow_client_is_no_stalled_one),
        TEST(test_traffic_is_what_crosses_the_wire),
        TEST(test_signals_do_not_shorten_waits),
        TEST(test_a_claimed_length_is_not_believed),
        TEST(test_reading_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
