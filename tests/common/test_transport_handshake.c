// SPDX-License-Identifier: MIT
/* How a TCP star comes about: addresses, hello and welcome, whom a server refuses and why, whom a
 * client gives up on and when; and that strangers at the door hold up nobody. */
#include "transport_raw.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#define MAX_CLIENTS 8

// ---- helpers ----

static ct_status accept_n(ct_transport **server, ct_tcp_listener *listener, size_t n,
                          const ct_tcp_options *opt, ct_diag *diag)
{
    ct_diag_clear(diag);
    return ct_transport_accept_tcp(server, listener, n, opt, NULL, diag);
}

static ct_status connect_as(ct_transport **client, uint16_t port, uint32_t id,
                            const ct_tcp_options *opt, ct_diag *diag)
{
    ct_diag_clear(diag);
    return ct_transport_connect_tcp(client, NULL, port, id, opt, NULL, diag);
}

static ct_tcp_options quick(int connect_ms, int accept_ms)
{
    ct_tcp_options opt = ct_tcp_options_default();
    opt.connect_timeout_ms = connect_ms;
    opt.accept_timeout_ms = accept_ms;
    return opt;
}

// A port of the loopback on which nobody listens.
static uint16_t free_port(void)
{
    uint16_t port;
    close(raw_listen(&port));
    return port;
}

// One message there and back.
static void assert_connected(ct_transport *server, uint32_t id, ct_transport *client)
{
    ct_diag diag;
    ct_message m = {.aux = 1};
    ct_assert_ok(ct_transport_send(client, &m, &diag), &diag);
    ct_assert_ok(ct_transport_receive(server, &m, 5000, &diag), &diag);
    assert_int_equal(m.peer, id);
    ct_assert_ok(ct_transport_send(server, &m, &diag), &diag);
    ct_assert_ok(ct_transport_receive(client, &m, 5000, &diag), &diag);
}

// ---- addresses ----

static void test_a_port_in_use_is_an_address_error(void **state)
{
    (void)state;
    uint16_t port;
    ct_tcp_listener *first = open_listener(&port), *second;
    assert_true(port > 0);
    ct_diag diag;
    ct_assert_status(ct_tcp_listener_open(&second, "127.0.0.1", port, &diag), CT_EADDRESS, &diag);
    assert_null(second);
    char expected[80];
    snprintf(expected, sizeof expected, "cannot listen on 127.0.0.1:%u: Address already in use",
             (unsigned)port);
    assert_string_equal(diag.text, expected);
    ct_tcp_listener_close(first);
    ct_assert_ok(ct_tcp_listener_open(&second, NULL, port, &diag), &diag); // free again at once
    assert_int_equal(ct_tcp_listener_port(second), port);
    ct_tcp_listener_close(second);
    ct_tcp_listener_close(NULL);
}

static void test_other_addresses_that_cannot_be_used(void **state)
{
    (void)state;
    ct_tcp_listener *listener;
    ct_transport *client;
    ct_diag diag;
    ct_assert_status(ct_tcp_listener_open(&listener, "192.0.2.1", 0, &diag), CT_EADDRESS, &diag);
    ct_assert_contains(diag.text, "cannot listen on 192.0.2.1:0: ");
    char name[300]; // too long for any name service to be asked
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    ct_assert_status(ct_tcp_listener_open(&listener, name, 0, &diag), CT_EADDRESS, &diag);
    ct_assert_contains(diag.text, "cannot find host xxx");
    ct_assert_status(ct_transport_connect_tcp(&client, name, 1, 0, NULL, NULL, &diag), CT_EADDRESS,
                     &diag);
    assert_null(client);
}

// Listen on one name, connect to another; both names lead to the same place.
static void connect_by_name(const char *listen_host, const char *connect_host, const char *text)
{
    ct_diag diag;
    ct_tcp_listener *listener;
    ct_assert_ok(ct_tcp_listener_open(&listener, listen_host, 0, &diag), &diag);
    connecting c = {.port = ct_tcp_listener_port(listener), .host = connect_host};
    assert_int_equal(pthread_create(&c.thread, NULL, connecting_run, &c), 0);
    ct_transport *server;
    ct_assert_ok(accept_n(&server, listener, 1, NULL, &diag), &diag);
    ct_assert_ok(connecting_join(&c), &c.diag);
    assert_connected(server, 0, c.client);
    ct_assert_contains(ct_transport_peer_name(server, 0), "client 0 (");
    ct_assert_contains(ct_transport_peer_name(c.client, 0), text);
    ct_transport_close(c.client);
    ct_transport_close(server);
    ct_tcp_listener_close(listener);
}

static void test_names_and_ipv4(void **state)
{
    (void)state;
    connect_by_name(NULL, NULL, "server (127.0.0.1:");
    connect_by_name("127.0.0.1", "localhost", "server (127.0.0.1:");
    connect_by_name("localhost", "localhost", "server (");
    connect_by_name("0.0.0.0", "127.0.0.1", "server (127.0.0.1:");
}

static void test_ipv6(void **state)
{
    (void)state;
    ct_tcp_listener *probe;
    ct_diag diag;
    if (ct_tcp_listener_open(&probe, "::1", 0, &diag) != CT_OK) {
        print_message("skipped: no IPv6 here (%s)\n", diag.text);
        skip();
    }
    ct_tcp_listener_close(probe);
    connect_by_name("::1", "::1", "server ([::1]:");
}

// ---- whom the server refuses ----

/* All at once: a client that says nothing, garbage, a wrong version, a hello that is too long, a
 * message instead of a hello, an id out of range, one that is taken, another greeting. The real
 * clients get in without waiting for any of them. */
static void test_strangers_hold_up_nobody(void **state)
{
    (void)state;
    uint16_t port;
    ct_tcp_listener *listener = open_listener(&port);
    unsigned char header[12];
    int silent = raw_connect(port), half = raw_connect(port), gone = raw_connect(port);
    assert_true(raw_write(half, "CT\1", 3));
    close(gone);
    int garbage = raw_connect(port), version = raw_connect(port), long_hello = raw_connect(port);
    assert_true(raw_write(garbage, "GET / HTTP/1.1\r\n\r\n", 18));
    raw_header(header, RAW_HELLO, 0, 0);
    header[2] = 9;
    assert_true(raw_write(version, header, sizeof header));
    raw_header(header, RAW_HELLO, 0, 4097);
    assert_true(raw_write(long_hello, header, sizeof header));
    int message = raw_connect(port);
    assert_true(raw_send(message, 5, 0, "hi", 2));
    int range = raw_hello(port, 2), first = raw_hello(port, 0), again = raw_hello(port, 0);
    int greeting = raw_connect(port);
    assert_true(raw_send(greeting, RAW_HELLO, 1, "other", 5));
    int second = raw_hello(port, 1);

    ct_transport *server;
    ct_diag diag;
    double start = raw_now_s();
    ct_assert_ok(accept_n(&server, listener, 2, NULL, &diag), &diag);
    assert_true(raw_now_s() - start < SLACK_S);
    raw_assert_welcome(first, 2);
    raw_assert_welcome(second, 2);
    raw_assert_refused(garbage, "does not speak this protocol (sent 47 45 54 20)");
    raw_assert_refused(version, "speaks version 9 of the protocol, we speak 1");
    raw_assert_refused(long_hello, "sent a message of 4097 bytes (at most 4096 are allowed)");
    raw_assert_refused(message, "sent a message of type 5 before its hello");
    raw_assert_refused(range, "id 2 is out of range (clients are 0 to 1)");
    raw_assert_refused(again, "id 0 is already taken");
    raw_assert_refused(greeting, "settings differ from the server's");
    raw_assert_refused(silent, "all clients are here already");
    raw_assert_refused(half, "all clients are here already");
    ct_transport_close(server);
    ct_tcp_listener_close(listener);
    const int all[] = {silent, half,  garbage, version,  long_hello, message,
                       range,  first, again,   greeting, second};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        close(all[i]);
}

// One after the other: client 0, three that are refused, and client 1, which ends the wait.
static void *connect_five(void *argument)
{
    connecting *c = argument;
    const int order[] = {0, 2, 3, 4, 1};
    for (int i = 0; i < 5; i++)
        (void)connecting_run(&c[order[i]]);
    return NULL;
}

static void test_the_client_is_told_why(void **state)
{
    (void)state;
    uint16_t port;
    ct_tcp_listener *listener = open_listener(&port);
    ct_tcp_options greets = ct_tcp_options_default(), differs = greets;
    greets.greeting = "d = 300, n = 2";
    greets.greeting_bytes = 14;
    differs.greeting = "d = 301, n = 2";
    differs.greeting_bytes = 14;
    connecting c[5] = {{.port = port, .id = 0, .opt = &greets},
                       {.port = port, .id = 1, .opt = &greets},
                       {.port = port, .id = 0, .opt = &greets},
                       {.port = port, .id = 2, .opt = &greets},
                       {.port = port, .id = 1, .opt = &differs}};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, connect_five, c), 0);
    ct_transport *server;
    ct_diag diag;
    ct_assert_ok(accept_n(&server, listener, 2, &greets, &diag), &diag);
    pthread_join(thread, NULL);
    const char *reasons[] = {"id 0 is already taken", "id 2 is out of range (clients are 0 to 1)",
                             "settings differ from the server's (id 1 sent another greeting)"};
    for (int i = 0; i < 5; i++) {
        ct_assert_status(c[i].status, i < 2 ? CT_OK : CT_EREFUSED, &c[i].diag);
        if (i < 2)
            continue;
        assert_null(c[i].client);
        char expected[200];
        snprintf(expected, sizeof expected, "server (127.0.0.1:%u) refused: %s", (unsigned)port,
                 reasons[i - 2]);
        assert_string_equal(c[i].diag.text, expected);
    }
    ct_transport_close(c[0].client);
    ct_transport_close(c[1].client);
    ct_transport_close(server);
    ct_tcp_listener_close(listener);
}

static void test_missing_clients_are_named(void **state)
{
    (void)state;
    uint16_t port;
    ct_tcp_listener *listener = open_listener(&port);
    ct_tcp_options opt = quick(100, 200);
    ct_transport *server;
    ct_diag diag;
    int present = raw_hello(port, 1), wrong = raw_hello(port, 9);
    double start = raw_now_s();
    ct_assert_status(accept_n(&server, listener, 4, &opt, &diag), CT_ETIMEOUT, &diag);
    double took = raw_now_s() - start;
    assert_true(took >= 0.2 && took < 0.2 + SLACK_S);
    assert_null(server);
    ct_assert_contains(
        diag.text, "clients 0, 2 and 3 did not connect within 0.2 s; 1 refused, last 127.0.0.1:");
    ct_assert_contains(diag.text, ": id 9 is out of range (clients are 0 to 3)");
    close(present);
    close(wrong);
    opt.accept_timeout_ms = 1;
    ct_assert_status(accept_n(&server, listener, 8, &opt, &diag), CT_ETIMEOUT, &diag);
    assert_string_equal(diag.text, "clients 0, 1, 2, 3 and 4 more did not connect within 0.001 s");
    ct_assert_status(accept_n(&server, listener, 1, &opt, &diag), CT_ETIMEOUT, &diag);
    assert_string_equal(diag.text, "client 0 did not connect within 0.001 s");
    ct_tcp_listener_close(listener);
}

static void test_a_silent_connection_is_closed(void **state)
{
    (void)state;
    uint16_t port;
    ct_tcp_listener *listener = open_listener(&port);
    ct_tcp_options opt = quick(100, 300);
    opt.hello_timeout_ms = 50;
    int silent = raw_connect(port);
    ct_transport *server;
    ct_diag diag;
    ct_assert_status(accept_n(&server, listener, 1, &opt, &diag), CT_ETIMEOUT, &diag);
    raw_assert_refused(silent, "no hello within 50 ms");
    ct_assert_contains(diag.text, "no hello within 50 ms");
    close(silent);
    ct_tcp_listener_close(listener);
}

// More strangers than the server has room for do not keep a client out.
static void test_a_crowd_of_strangers(void **state)
{
    (void)state;
    enum { CROWD = 200 };
    uint16_t port;
    ct_tcp_listener *listener = open_listener(&port);
    int crowd[CROWD];
    for (int i = 0; i < CROWD; i++)
        crowd[i] = raw_connect(port);
    int client = raw_hello(port, 0);
    ct_transport *server;
    ct_diag diag;
    double start = raw_now_s();
    ct_assert_ok(accept_n(&server, listener, 1, NULL, &diag), &diag);
    assert_true(raw_now_s() - start < 1.0 + SLACK_S); // far less than their time to say hello
    raw_assert_welcome(client, 1);
    raw_assert_refused(crowd[0], "too many connections that say nothing");
    for (int i = 0; i < CROWD; i++)
        close(crowd[i]);
    close(client);
    ct_transport_close(server);
    ct_tcp_listener_close(listener);
}

static void *say_hello_slowly(void *argument)
{
    unsigned char hello[12 + 5];
    raw_header(hello, RAW_HELLO, 0, 5);
    memcpy(hello + 12, "slow!", 5);
    for (size_t i = 0; i < sizeof hello; i++) {
        if (!raw_write(*(int *)argument, hello + i, 1))
            return NULL;
        raw_sleep_ms(2);
    }
    return argument;
}

static void test_a_hello_byte_by_byte(void **state)
{
    (void)state;
    uint16_t port;
    ct_tcp_listener *listener = open_listener(&port);
    int fd = raw_connect(port);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, say_hello_slowly, &fd), 0);
    ct_tcp_options opt = ct_tcp_options_default();
    opt.greeting = "slow!";
    opt.greeting_bytes = 5;
    ct_transport *server;
    ct_diag diag;
    ct_assert_ok(accept_n(&server, listener, 1, &opt, &diag), &diag);
    void *said;
    pthread_join(thread, &said);
    assert_non_null(said);
    raw_assert_welcome(fd, 1);
    close(fd);
    ct_transport_close(server);
    ct_tcp_listener_close(listener);
}

static void *come_and_go(void *argument)
{
    uint16_t port = *(uint16_t *)argument;
    int fd = raw_hello(port, 0); // in, and away again while the server waits for client 1
    raw_sleep_ms(50);
    close(fd);
    raw_sleep_ms(50);
    int again = raw_hello(port, 0), other = raw_hello(port, 1);
    uint8_t type = 0;
    uint32_t aux;
    char text[513];
    bool ok = raw_receive(again, &type, &aux, text) && type == RAW_WELCOME &&
              raw_receive(other, &type, &aux, text) && type == RAW_WELCOME;
    close(again);
    close(other);
    return ok ? argument : NULL;
}

static void test_who_leaves_early_may_come_again(void **state)
{
    (void)state;
    uint16_t port;
    ct_tcp_listener *listener = open_listener(&port);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, come_and_go, &port), 0);
    ct_tcp_options opt = quick(100, 5000);
    ct_transport *server;
    ct_diag diag;
    ct_assert_ok(accept_n(&server, listener, 2, &opt, &diag), &diag);
    void *welcome;
    pthread_join(thread, &welcome);
    assert_non_null(welcome);
    ct_transport_close(server);
    ct_tcp_listener_close(listener);
}

// ---- whom a client gives up on ----

static void test_nobody_listens(void **state)
{
    (void)state;
    uint16_t port = free_port();
    ct_tcp_options opt = quick(200, 0);
    ct_transport *client;
    ct_diag diag;
    double start = raw_now_s();
    ct_assert_status(connect_as(&client, port, 0, &opt, &diag), CT_EREFUSED, &diag);
    double took = raw_now_s() - start;
    assert_true(took >= 0.2 && took < 0.2 + SLACK_S);
    assert_null(client);
    char expected[120];
    snprintf(expected, sizeof expected,
             "cannot reach 127.0.0.1:%u: Connection refused (tried for 0.2 s)", (unsigned)port);
    assert_string_equal(diag.text, expected);
    opt.connect_timeout_ms = 0; // once
    ct_assert_status(connect_as(&client, port, 0, &opt, &diag), CT_EREFUSED, &diag);
}

static void test_a_server_that_comes_later(void **state)
{
    (void)state;
    uint16_t port = free_port();
    connecting c;
    connecting_start(&c, port, 0, NULL);
    raw_sleep_ms(100);
    ct_diag diag;
    ct_tcp_listener *listener;
    ct_assert_ok(ct_tcp_listener_open(&listener, NULL, port, &diag), &diag);
    ct_transport *server;
    ct_assert_ok(accept_n(&server, listener, 1, NULL, &diag), &diag);
    ct_assert_ok(connecting_join(&c), &c.diag);
    assert_connected(server, 0, c.client);
    ct_transport_close(c.client);
    ct_transport_close(server);
    ct_tcp_listener_close(listener);
}

typedef struct answer {
    int listener;
    const void *bytes;
    size_t size;
} answer;

// Accept one connection, answer with these bytes whatever it says, and leave it open until it ends.
static void *answer_once(void *argument)
{
    const answer *a = argument;
    int fd = accept(a->listener, NULL, NULL);
    unsigned char scratch[512];
    if (fd >= 0 && raw_write(fd, a->bytes, a->size))
        while (recv(fd, scratch, sizeof scratch, 0) > 0)
            continue;
    close(fd);
    return NULL;
}

static ct_status connect_to_answer(const void *bytes, size_t size, ct_diag *diag)
{
    uint16_t port;
    answer a = {.listener = raw_listen(&port), .bytes = bytes, .size = size};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, answer_once, &a), 0);
    ct_tcp_options opt = quick(300, 0);
    ct_transport *client;
    ct_status status = connect_as(&client, port, 1, &opt, diag);
    ct_transport_close(client);
    pthread_join(thread, NULL);
    close(a.listener);
    return status;
}

static void test_something_else_answers(void **state)
{
    (void)state;
    ct_diag diag;
    unsigned char welcome[12];
    ct_assert_status(connect_to_answer("HTTP/1.1 400 Bad Request\r\n", 26, &diag), CT_EPROTOCOL,
                     &diag);
    ct_assert_contains(diag.text, "127.0.0.1:");
    ct_assert_contains(diag.text, " does not speak this protocol (sent 48 54 54 50)");
    raw_header(welcome, RAW_WELCOME, 1, 0); // a star of one has no client 1
    ct_assert_status(connect_to_answer(welcome, sizeof welcome, &diag), CT_EPROTOCOL, &diag);
    raw_header(welcome, 3, 2, 0);
    ct_assert_status(connect_to_answer(welcome, sizeof welcome, &diag), CT_EPROTOCOL, &diag);
    ct_assert_contains(diag.text, "a message of type 3");
    raw_header(welcome, RAW_WELCOME, 2, 0);
    ct_assert_ok(connect_to_answer(welcome, sizeof welcome, &diag), &diag);
    ct_assert_status(connect_to_answer("CT", 2, &diag), CT_ETIMEOUT, &diag);
    ct_assert_contains(diag.text, "connected, but no answer to the hello (tried for 0.3 s)");
}

// A refusal is shown to people: a terminal must not obey it.
static void test_a_refusal_is_made_harmless(void **state)
{
    (void)state;
    unsigned char refusal[12 + 600];
    ct_diag diag;
    raw_header(refusal, RAW_REFUSAL, 0, 600);
    memset(refusal + 12, 'a', 600);
    memcpy(refusal + 12, "\033[2Jno\n\200", 8);
    ct_assert_status(connect_to_answer(refusal, sizeof refusal, &diag), CT_EREFUSED, &diag);
    ct_assert_contains(diag.text, "refused: ?[2Jno??aaa");
    assert_true(strlen(diag.text) < 450);
}

static void test_a_server_that_closes_at_once(void **state)
{
    (void)state;
    uint16_t port;
    int listener = raw_listen(&port);
    connecting c;
    ct_tcp_options opt = quick(200, 0);
    connecting_start(&c, port, 0, &opt);
    double end = raw_now_s() + 0.5;
    while (raw_now_s() < end) { // every attempt is accepted and cut off
        struct pollfd p = {.fd = listener, .events = POLLIN};
        if (poll(&p, 1, 10) > 0)
            close(accept(listener, NULL, NULL));
    }
    ct_status status = connecting_join(&c);
    if (status != CT_ETIMEOUT) // the last attempt may still be waiting
        ct_assert_status(status, CT_EREFUSED, &c.diag);
    ct_assert_contains(c.diag.text, "answer");
    ct_assert_contains(c.diag.text, "(tried for 0.2 s)");
    close(listener);
}

// ---- stopping, options, descriptors, memory ----

static void *raise_flag(void *argument)
{
    raw_sleep_ms(50);
    atomic_store((ct_stop_flag *)argument, true);
    return NULL;
}

static void test_waiting_stops_on_request(void **state)
{
    (void)state;
    uint16_t port;
    ct_tcp_listener *listener = open_listener(&port);
    ct_transport *t;
    ct_diag diag;
    pthread_t thread;
    double start = raw_now_s();
    ct_stop_flag stop = false;
    assert_int_equal(pthread_create(&thread, NULL, raise_flag, &stop), 0);
    ct_assert_status(ct_transport_accept_tcp(&t, listener, 1, NULL, &stop, &diag), CT_EINTERRUPTED,
                     &diag);
    pthread_join(thread, NULL);
    // the server is there but does not answer; then it is not there
    for (int i = 0; i < 2; i++) {
        atomic_store(&stop, false);
        assert_int_equal(pthread_create(&thread, NULL, raise_flag, &stop), 0);
        ct_assert_status(
            ct_transport_connect_tcp(&t, NULL, i == 0 ? port : free_port(), 0, NULL, &stop, &diag),
            CT_EINTERRUPTED, &diag);
        assert_null(t);
        ct_assert_contains(diag.text, "stopped while connecting");
        pthread_join(thread, NULL);
    }
    assert_true(raw_now_s() - start < 0.15 + SLACK_S);
    ct_tcp_listener_close(listener);
}

static void test_wrong_options_are_named(void **state)
{
    (void)state;
    uint16_t port;
    ct_tcp_listener *listener = open_listener(&port);
    ct_tcp_options none, hello, greeting, empty = {0};
    none = hello = greeting = ct_tcp_options_default();
    none.connect_timeout_ms = -1;
    hello.stall_timeout_ms = 0;
    greeting.greeting_bytes = 3;
    const ct_tcp_options *wrong[] = {&none, &hello, &greeting, &empty};
    const char *texts[] = {"negative timeout", "stall timeout of 0 ms", "3 bytes without data",
                           "max_message_bytes is 0"};
    ct_transport *t;
    ct_diag diag;
    for (size_t i = 0; i < 4; i++) {
        ct_assert_status(accept_n(&t, listener, 1, wrong[i], &diag), CT_EINVALID, &diag);
        ct_assert_contains(diag.text, texts[i]);
        ct_assert_status(connect_as(&t, port, 0, wrong[i], &diag), CT_EINVALID, &diag);
        ct_assert_contains(diag.text, texts[i]);
    }
    greeting.greeting = "";
    greeting.greeting_bytes = 4097;
    ct_assert_status(connect_as(&t, port, 0, &greeting, &diag), CT_ERANGE, &diag);
    ct_assert_status(accept_n(&t, listener, 0, NULL, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "0 clients");
    ct_tcp_listener_close(listener);
}

// No program that the process starts inherits a socket.
static void test_sockets_close_on_exec(void **state)
{
    (void)state;
    uint16_t port;
    int before[256];
    for (int fd = 0; fd < 256; fd++)
        before[fd] = fcntl(fd, F_GETFD);
    ct_tcp_listener *listener = open_listener(&port);
    connecting c;
    connecting_start(&c, port, 0, NULL);
    ct_transport *server;
    ct_diag diag;
    ct_assert_ok(accept_n(&server, listener, 1, NULL, &diag), &diag);
    ct_assert_ok(connecting_join(&c), &c.diag);
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        if (before[fd] < 0 && fcntl(fd, F_GETFD) >= 0) {
            assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
            n++;
        }
    assert_int_equal(n, 3);
    ct_transport_close(c.client);
    ct_transport_close(server);
    ct_tcp_listener_close(listener);
}

/* The k-th allocation fails while a server takes a client that has already said hello (in the
 * kernel: no thread of the test allocates). Every end is clean: no memory, or that client had to be
 * turned away and is missing. */
static void test_accepting_without_memory(void **state)
{
    (void)state;
    ct_tcp_options opt = quick(0, 40);
    ct_transport *server;
    ct_diag diag;
    bool failed = true;
    for (unsigned long k = 1; failed; k++) {
        uint16_t port;
        ct_tcp_listener *listener = open_listener(&port);
        int fd = raw_hello(port, 0);
        long live = ct_test_live_allocations();
        (void)ct_test_fail_allocation(k);
        ct_status status = accept_n(&server, listener, 1, &opt, &diag);
        failed = ct_test_fail_allocation(0);
        if (!failed)
            ct_assert_ok(status, &diag);
        else if (status != CT_ENOMEM && status != CT_OK)
            ct_assert_status(status, CT_ETIMEOUT, &diag);
        assert_true((server != NULL) == (status == CT_OK));
        ct_transport_close(server);
        assert_int_equal(ct_test_live_allocations(), live);
        close(fd);
        ct_tcp_listener_close(listener);
    }
}

static void *welcome_for_ever(void *argument)
{
    unsigned char welcome[12];
    raw_header(welcome, RAW_WELCOME, 1, 0);
    for (;;) {
        int fd = accept(*(int *)argument, NULL, NULL);
        if (fd < 0)
            return NULL;
        (void)raw_write(fd, welcome, sizeof welcome);
        unsigned char hello[12];
        (void)raw_read(fd, hello, sizeof hello);
        (void)raw_read(fd, hello, 1); // until it is closed
        close(fd);
    }
}

static void test_connecting_without_memory(void **state)
{
    (void)state;
    uint16_t port;
    int listener = raw_listen(&port);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, welcome_for_ever, &listener), 0);
    ct_tcp_options opt = quick(1000, 0);
    ct_transport *client;
    ct_diag diag;
    bool failed = true;
    for (unsigned long k = 1; failed; k++) {
        (void)ct_test_fail_allocation(k);
        ct_status status = connect_as(&client, port, 0, &opt, &diag);
        failed = ct_test_fail_allocation(0);
        assert_true((client != NULL) == (status == CT_OK));
        if (!failed)
            ct_assert_ok(status, &diag);
        else if (status != CT_OK && status != CT_EADDRESS)
            ct_assert_status(status, CT_ENOMEM, &diag);
        ct_transport_close(client);
    }
    shutdown(listener, SHUT_RDWR); // wakes accept
    pthread_join(thread, NULL);
    close(listener);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, count_descriptors, count_descriptors)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_port_in_use_is_an_address_error),
        TEST(test_other_addresses_that_cannot_be_used),
        TEST(test_names_and_ipv4),
        TEST(test_ipv6),
        TEST(test_strangers_hold_up_nobody),
        TEST(test_the_client_is_told_why),
        TEST(test_missing_clients_are_named),
        TEST(test_a_silent_connection_is_closed),
        TEST(test_a_crowd_of_strangers),
        TEST(test_a_hello_byte_by_byte),
        TEST(test_who_leaves_early_may_come_again),
        TEST(test_nobody_listens),
        TEST(test_a_server_that_comes_later),
        TEST(test_something_else_answers),
        TEST(test_a_refusal_is_made_harmless),
        TEST(test_a_server_that_closes_at_once),
        TEST(test_waiting_stops_on_request),
        TEST(test_wrong_options_are_named),
        TEST(test_sockets_close_on_exec),
        TEST(test_accepting_without_memory),
        TEST(test_connecting_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
