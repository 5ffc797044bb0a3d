// SPDX-License-Identifier: MIT
/* What a round of messages costs: a server sends to 8 clients, each on its own thread, and takes an
 * answer of the same size from each. In process, over TCP on the loopback, and over bare blocking
 * sockets that read and write known sizes (no frames, no deadlines, one peer after the other): the
 * least that TCP can cost. The three take turns; JSON lines with medians of 5 and the rate relative
 * to the bare sockets. */
#include "bench_median.h"

#include <arpa/inet.h>
#include <ctrain/timer.h>
#include <ctrain/transport.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { N_CLIENTS = 8, REPEATS = 5, WAIT_MS = 20000 };

static void need(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench_transport: %s failed\n", what);
        exit(1);
    }
}

static unsigned char *payload; // (the largest size) what everybody sends

// One client: rounds of `size` bytes taken and given back.
typedef struct client {
    pthread_t thread;
    ct_transport *t; // or, bare,
    int fd;
    uint16_t port;
    uint32_t id;
    size_t size;
    int rounds;
} client;

// ---- our transports ----

static void *client_run(void *argument)
{
    client *c = argument;
    ct_diag diag;
    if (c->t == NULL)
        need(ct_transport_connect_tcp(&c->t, NULL, c->port, c->id, NULL, NULL, &diag) == CT_OK,
             "connect");
    for (int i = 0; i < c->rounds; i++) {
        ct_message m;
        need(ct_transport_receive(c->t, &m, WAIT_MS, &diag) == CT_OK, "client receive");
        need(ct_transport_send(c->t, &m, &diag) == CT_OK, "client send");
    }
    ct_message end; // the server closes first: a client that left would be reported between answers
    need(ct_transport_receive(c->t, &end, WAIT_MS, &diag) == CT_ECLOSED, "client end");
    ct_transport_close(c->t);
    return NULL;
}

static void server_round(ct_transport *t, size_t size)
{
    ct_diag diag;
    for (uint32_t i = 0; i < N_CLIENTS; i++) {
        ct_message m = {.peer = i, .data = payload, .size_bytes = size};
        need(ct_transport_send(t, &m, &diag) == CT_OK, "server send");
    }
    for (uint32_t i = 0; i < N_CLIENTS; i++) {
        ct_message m;
        need(ct_transport_receive(t, &m, WAIT_MS, &diag) == CT_OK && m.size_bytes == size,
             "server receive");
    }
}

static void start(client *c, void *run(void *))
{
    for (uint32_t i = 0; i < N_CLIENTS; i++)
        need(pthread_create(&c[i].thread, NULL, run, &c[i]) == 0, "thread");
}

// Seconds of all rounds but the first.
static double run_server(ct_transport *t, client *c, size_t size, int rounds)
{
    server_round(t, size);
    double begin = ct_time_s();
    for (int i = 1; i < rounds; i++)
        server_round(t, size);
    double took = ct_time_s() - begin;
    ct_transport_close(t);
    for (int i = 0; i < N_CLIENTS; i++)
        pthread_join(c[i].thread, NULL);
    return took;
}

static double time_inproc(size_t size, int rounds)
{
    ct_transport *server, *ends[N_CLIENTS];
    client c[N_CLIENTS];
    need(ct_transport_open_inproc(&server, ends, N_CLIENTS, NULL) == CT_OK, "create");
    for (uint32_t i = 0; i < N_CLIENTS; i++)
        c[i] = (client){.t = ends[i], .size = size, .rounds = rounds};
    start(c, client_run);
    return run_server(server, c, size, rounds);
}

static double time_tcp(size_t size, int rounds)
{
    ct_tcp_listener *listener;
    ct_transport *server;
    client c[N_CLIENTS];
    need(ct_tcp_listener_open(&listener, NULL, 0, NULL) == CT_OK, "listen");
    for (uint32_t i = 0; i < N_CLIENTS; i++)
        c[i] = (client){
            .port = ct_tcp_listener_port(listener), .id = i, .size = size, .rounds = rounds};
    start(c, client_run);
    need(ct_transport_accept_tcp(&server, listener, N_CLIENTS, NULL, NULL, NULL) == CT_OK,
         "accept");
    ct_tcp_listener_close(listener);
    return run_server(server, c, size, rounds);
}

// ---- bare blocking sockets ----

static void write_all(int fd, const unsigned char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        need(n > 0, "send");
        data += n;
        size -= (size_t)n;
    }
}

static void read_all(int fd, unsigned char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = recv(fd, data, size, 0);
        need(n > 0, "recv");
        data += n;
        size -= (size_t)n;
    }
}

static void *bare_run(void *argument)
{
    client *c = argument;
    unsigned char *data = malloc(c->size);
    need(data != NULL, "memory");
    for (int i = 0; i < c->rounds; i++) {
        read_all(c->fd, data, c->size);
        write_all(c->fd, data, c->size);
    }
    free(data);
    close(c->fd);
    return NULL;
}

static int bare_listen(struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    need(bind(fd, (struct sockaddr *)address, sizeof *address) == 0 && listen(fd, 8) == 0 &&
             getsockname(fd, (struct sockaddr *)address, &size) == 0,
         "listen");
    return fd;
}

static void bare_round(const int fds[N_CLIENTS], unsigned char *data, size_t size)
{
    for (int i = 0; i < N_CLIENTS; i++)
        write_all(fds[i], payload, size);
    for (int i = 0; i < N_CLIENTS; i++)
        read_all(fds[i], data, size);
}

static double time_bare(size_t size, int rounds)
{
    struct sockaddr_in address;
    int listener = bare_listen(&address), fds[N_CLIENTS], yes = 1;
    client c[N_CLIENTS];
    for (int i = 0; i < N_CLIENTS; i++) {
        c[i] = (client){.fd = socket(AF_INET, SOCK_STREAM, 0), .size = size, .rounds = rounds};
        need(connect(c[i].fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
        fds[i] = accept(listener, NULL, NULL);
        setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        setsockopt(c[i].fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
    close(listener);
    start(c, bare_run);
    unsigned char *data = malloc(size);
    need(data != NULL, "memory");
    bare_round(fds, data, size);
    double begin = ct_time_s();
    for (int i = 1; i < rounds; i++)
        bare_round(fds, data, size);
    double took = ct_time_s() - begin;
    free(data);
    for (int i = 0; i < N_CLIENTS; i++) {
        pthread_join(c[i].thread, NULL);
        close(fds[i]);
    }
    return took;
}

// ---- report ----

int main(void)
{
    static const struct {
        size_t size;
        int rounds;
    } cases[] = {{16, 1000}, {4096, 1000}, {65536, 300}, {4 << 20, 10}};
    static const char *const names[] = {"inproc", "tcp", "bare_sockets"};
    static double (*const runs[])(size_t, int) = {time_inproc, time_tcp, time_bare};
    payload = calloc(1, 4 << 20);
    need(payload != NULL, "memory");
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        double took[3][REPEATS];
        for (int r = 0; r < REPEATS; r++)
            for (int way = 0; way < 3; way++)
                took[way][r] = runs[way](cases[k].size, cases[k].rounds);
        for (int way = 0; way < 3; way++)
            (void)bench_median(took[way], REPEATS); // sorts
        for (int way = 0; way < 3; way++) {
            double s = took[way][REPEATS / 2];
            double trips = (double)N_CLIENTS * (cases[k].rounds - 1);
            printf("{\"bench\": \"transport\", \"way\": \"%s\", \"clients\": %d, \"bytes\": %zu, "
                   "\"round_trips_per_s\": %.0f, \"mb_per_s\": %.1f, \"vs_bare\": %.2f}\n",
                   names[way], N_CLIENTS, cases[k].size, trips / s,
                   2e-6 * trips * (double)cases[k].size / s, took[2][REPEATS / 2] / s);
        }
    }
    free(payload);
    return 0;
}
