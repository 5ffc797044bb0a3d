// SPDX-License-Identifier: MIT
/* Bare sockets for tests: peers that misbehave in ways the library itself would not. The frames are
 * spelled out byte by byte, so that they also pin the format. */
#ifndef TRANSPORT_RAW_H
#define TRANSPORT_RAW_H

#include "ct_test.h"

#include <arpa/inet.h>
#include <ctrain/transport.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { RAW_HELLO = 240, RAW_WELCOME = 241, RAW_REFUSAL = 242 };

/* By how much a deadline may be overrun on a machine that is busy with other tests. */
#define SLACK_S 1.5

static inline double raw_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline void raw_sleep_ms(long ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static inline struct sockaddr_in raw_loopback(uint16_t port)
{
    struct sockaddr_in a;
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static inline int raw_connect(uint16_t port)
{
    struct sockaddr_in a = raw_loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    const int yes = 1; // or a frame written in two parts would wait for an answer to the first
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes), 0);
    return fd;
}

/* A listening socket on a free port of the loopback. */
static inline int raw_listen(uint16_t *port)
{
    struct sockaddr_in a = raw_loopback(0);
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static inline bool raw_write(int fd, const void *data, size_t size)
{
    const unsigned char *at = data;
    while (size > 0) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

/* Exactly size bytes within 10 s; false at the end of the connection. */
static inline bool raw_read(int fd, void *data, size_t size)
{
    unsigned char *at = data;
    while (size > 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 10000) <= 0)
            return false;
        ssize_t n = recv(fd, at, size, 0);
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static inline void raw_header(unsigned char h[12], uint8_t type, uint32_t aux, uint32_t size)
{
    const unsigned char bytes[12] = {'C',
                                     'T',
                                     1,
                                     type,
                                     (unsigned char)aux,
                                     (unsigned char)(aux >> 8),
                                     (unsigned char)(aux >> 16),
                                     (unsigned char)(aux >> 24),
                                     (unsigned char)size,
                                     (unsigned char)(size >> 8),
                                     (unsigned char)(size >> 16),
                                     (unsigned char)(size >> 24)};
    memcpy(h, bytes, sizeof bytes);
}

static inline bool raw_send(int fd, uint8_t type, uint32_t aux, const void *data, uint32_t size)
{
    unsigned char header[12];
    raw_header(header, type, aux, size);
    return raw_write(fd, header, sizeof header) && raw_write(fd, data, size);
}

/* Read a frame of at most 512 bytes; its payload becomes a string. */
static inline bool raw_receive(int fd, uint8_t *type, uint32_t *aux, char text[513])
{
    unsigned char h[12];
    if (!raw_read(fd, h, sizeof h) || h[0] != 'C' || h[1] != 'T' || h[2] != 1)
        return false;
    *type = h[3];
    *aux = h[4] | (uint32_t)h[5] << 8 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 24;
    size_t size = h[8] | (size_t)h[9] << 8 | (size_t)h[10] << 16 | (size_t)h[11] << 24;
    if (size > 512 || !raw_read(fd, text, size))
        return false;
    text[size] = '\0';
    return true;
}

/* Connect and say hello without a greeting; the welcome is left unread. */
static inline int raw_hello(uint16_t port, uint32_t id)
{
    int fd = raw_connect(port);
    assert_true(raw_send(fd, RAW_HELLO, id, NULL, 0));
    return fd;
}

/* The reason of the refusal that fd must receive next. */
static inline void raw_assert_refused(int fd, const char *reason)
{
    uint8_t type = 0;
    uint32_t aux;
    char text[513] = "";
    assert_true(raw_receive(fd, &type, &aux, text));
    assert_int_equal(type, RAW_REFUSAL);
    ct_assert_contains(text, reason);
}

static inline void raw_assert_welcome(int fd, uint32_t n_clients)
{
    uint8_t type = 0;
    uint32_t aux = 0;
    char text[513] = "";
    assert_true(raw_receive(fd, &type, &aux, text));
    assert_int_equal(type, RAW_WELCOME);
    assert_int_equal(aux, n_clients);
}

static inline ct_tcp_listener *open_listener(uint16_t *port)
{
    ct_diag diag;
    ct_tcp_listener *listener;
    ct_assert_ok(ct_tcp_listener_open(&listener, NULL, 0, &diag), &diag);
    *port = ct_tcp_listener_port(listener);
    return listener;
}

/* ct_transport_connect_tcp in a thread of its own. */
typedef struct connecting {
    pthread_t thread;
    uint16_t port;
    uint32_t id;
    const char *host;
    const ct_tcp_options *opt;
    ct_transport *client;
    ct_status status;
    ct_diag diag;
} connecting;

static inline void *connecting_run(void *argument)
{
    connecting *c = argument;
    c->status =
        ct_transport_connect_tcp(&c->client, c->host, c->port, c->id, c->opt, NULL, &c->diag);
    return NULL;
}

static inline void connecting_start(connecting *c, uint16_t port, uint32_t id,
                                    const ct_tcp_options *opt)
{
    *c = (connecting){.port = port, .id = id, .opt = opt};
    assert_int_equal(pthread_create(&c->thread, NULL, connecting_run, c), 0);
}

static inline ct_status connecting_join(connecting *c)
{
    pthread_join(c->thread, NULL);
    return c->status;
}

/* Descriptors this process has open, so that a test can show that none leaked. */
static inline int open_descriptors(void)
{
    int n = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

static inline int count_descriptors(void **state)
{
    (void)state;
    static int before;
    if (before == 0) {
        before = open_descriptors();
        return 0;
    }
    int after = open_descriptors(), was = before;
    before = 0;
    return after == was ? 0 : -1;
}

#endif
