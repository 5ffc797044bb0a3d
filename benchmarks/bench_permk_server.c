// SPDX-License-Identifier: MIT
/* What forwarding costs: client processes on the loopback send their blocks of plain text and take
 * everybody else's, round after round; the server is this process. Against the least that can be
 * done with bare sockets: one loop that reads what is there, up to a megabyte, and writes it to all
 * the others before it reads on, and clients that read and write known sizes. The two take turns;
 * JSON lines with the median of REPEATS.
 *
 *     bench_permk_server [CLIENTS [DIMENSION [ROUNDS]]]      default 8, 1000000, 20 */
#include "bench_median.h"

#include <arpa/inet.h>
#include <ctrain/timer.h>
#include <netinet/tcp.h>
#include <permk_aes/server.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELLO = 1, BLOCK = 2, BYE = 4, REPEATS = 5, WAIT_MS = 60000, CHUNK = 1 << 20 };

static uint32_t n_clients = 8;
static size_t block_bytes;
static int rounds = 20;

typedef struct cost {
    double wall_s, cpu_s; // a round, of the server
    size_t most_queued_bytes;
} cost;

static void need(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench_permk_server: %s failed\n", what);
        exit(1);
    }
}

// ---- our server ----

static void send_block(ct_transport *t, unsigned char *block)
{
    for (size_t at = 0; at < block_bytes; at += CHUNK) {
        size_t size = block_bytes - at < CHUNK ? block_bytes - at : CHUNK;
        block[at] = at + size == block_bytes; // the flags of this chunk, for want of a seal
        ct_message m = {.type = BLOCK, .data = block + at, .size_bytes = size};
        need(ct_transport_send(t, &m, NULL) == CT_OK, "client send");
    }
}

static void take_blocks(ct_transport *t)
{
    for (size_t left = (n_clients - 1) * block_bytes; left > 0;) {
        ct_message m;
        need(ct_transport_receive(t, &m, WAIT_MS, NULL) == CT_OK, "client receive");
        need(m.size_bytes <= left, "client count");
        left -= m.type == BLOCK ? m.size_bytes : 0;
    }
}

static void run_client(uint16_t port, uint32_t id)
{
    ct_transport *t;
    unsigned char *block = calloc(1, block_bytes);
    need(block != NULL, "memory");
    need(ct_transport_connect_tcp(&t, NULL, port, id, NULL, NULL, NULL) == CT_OK, "connect");
    ct_message m = {.type = HELLO, .data = "h", .size_bytes = 1};
    need(ct_transport_send(t, &m, NULL) == CT_OK, "client hello");
    for (uint32_t k = 1; k < n_clients; k++)
        need(ct_transport_receive(t, &m, WAIT_MS, NULL) == CT_OK && m.type == HELLO, "hellos");
    for (int round = 0; round < rounds; round++) {
        send_block(t, block);
        take_blocks(t);
    }
    m = (ct_message){.type = BYE};
    need(ct_transport_send(t, &m, NULL) == CT_OK, "client bye");
    ct_transport_close(t);
    free(block);
}

// The clock runs from the end of the first round to the end of the last.
typedef struct watch {
    double wall_s, cpu_s, start_wall_s, start_cpu_s;
} watch;

static void on_round(void *context, uint64_t complete)
{
    watch *w = context;
    if (complete == 1) {
        w->start_wall_s = ct_time_s();
        w->start_cpu_s = ct_time_process_cpu_s();
    }
    w->wall_s = ct_time_s() - w->start_wall_s;
    w->cpu_s = ct_time_process_cpu_s() - w->start_cpu_s;
}

static void wait_for_clients(void)
{
    for (uint32_t i = 0; i < n_clients; i++) {
        int status;
        need(wait(&status) > 0 && status == 0, "a client");
    }
}

static cost time_server(void)
{
    ct_tcp_listener *listener;
    ct_transport *t;
    need(ct_tcp_listener_open(&listener, NULL, 0, NULL) == CT_OK, "listen");
    for (uint32_t i = 0; i < n_clients; i++) {
        pid_t child = fork();
        need(child >= 0, "fork");
        if (child == 0) {
            run_client(ct_tcp_listener_port(listener), i);
            _exit(0);
        }
    }
    need(ct_transport_accept_tcp(&t, listener, n_clients, NULL, NULL, NULL) == CT_OK, "accept");
    ct_tcp_listener_close(listener);
    watch w = {0};
    permk_server_options opt = permk_server_options_default();
    opt.on_round = on_round;
    opt.on_round_context = &w;
    permk_server_result result;
    need(permk_server_run(&result, t, &opt, NULL) == CT_OK, "server");
    ct_transport_close(t);
    wait_for_clients();
    return (cost){.wall_s = w.wall_s / (rounds - 1),
                  .cpu_s = w.cpu_s / (rounds - 1),
                  .most_queued_bytes = result.most_queued_bytes};
}

// ---- bare sockets ----

static void write_all(int fd, const unsigned char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        need(n > 0, "send");
        data += n;
        size -= (size_t)n;
    }
}

/* Sends and takes at once, as a server that waits for one reader must not wait for ever. */
static void bare_round(int fd, unsigned char *data)
{
    size_t to_send = block_bytes, to_take = (n_clients - 1) * block_bytes;
    while (to_send > 0 || to_take > 0) {
        struct pollfd p = {.fd = fd, .events = (short)(POLLIN | (to_send > 0 ? POLLOUT : 0))};
        need(poll(&p, 1, WAIT_MS) > 0, "client poll");
        if ((p.revents & POLLOUT) != 0) {
            ssize_t n = send(fd, data, to_send, MSG_NOSIGNAL | MSG_DONTWAIT);
            to_send -= n > 0 ? (size_t)n : 0;
        }
        if ((p.revents & POLLIN) != 0) {
            ssize_t n = recv(fd, data, to_take < CHUNK ? to_take : CHUNK, MSG_DONTWAIT);
            to_take -= n > 0 ? (size_t)n : 0;
        }
    }
}

static void run_bare_client(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    size_t size = block_bytes > CHUNK ? block_bytes : CHUNK;
    unsigned char *data = calloc(1, size);
    need(data != NULL && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0,
         "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    for (int round = 0; round < rounds; round++)
        bare_round(fd, data);
    free(data);
    close(fd);
}

static void bare_forward(const int *fds, unsigned char *data)
{
    struct pollfd polls[64];
    size_t total = n_clients * block_bytes * (size_t)rounds;
    for (uint32_t i = 0; i < n_clients; i++)
        polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    for (size_t done = 0; done < total;) {
        need(poll(polls, n_clients, WAIT_MS) > 0, "poll");
        for (uint32_t i = 0; i < n_clients; i++) {
            ssize_t n = polls[i].revents != 0 ? recv(fds[i], data, CHUNK, 0) : 0;
            need(n >= 0, "recv");
            for (uint32_t k = 0; k < n_clients; k++)
                if (k != i)
                    write_all(fds[k], data, (size_t)n);
            done += (size_t)n;
        }
    }
}

static cost time_bare(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fds[64], yes = 1;
    need(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 64) == 0 &&
             getsockname(listener, (struct sockaddr *)&address, &size) == 0,
         "listen");
    for (uint32_t i = 0; i < n_clients; i++) {
        pid_t child = fork();
        need(child >= 0, "fork");
        if (child == 0) {
            close(listener);
            run_bare_client(&address);
            _exit(0);
        }
    }
    for (uint32_t i = 0; i < n_clients; i++) {
        fds[i] = accept(listener, NULL, NULL);
        setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
    close(listener);
    unsigned char *data = malloc(CHUNK);
    need(data != NULL, "memory");
    double start_s = ct_time_s(), start_cpu_s = ct_time_process_cpu_s();
    bare_forward(fds, data);
    cost c = {.wall_s = (ct_time_s() - start_s) / rounds,
              .cpu_s = (ct_time_process_cpu_s() - start_cpu_s) / rounds};
    free(data);
    wait_for_clients();
    for (uint32_t i = 0; i < n_clients; i++)
        close(fds[i]);
    return c;
}

// ---- report ----

static void print(const char *way, const cost *c, double bare_s)
{
    printf("{\"bench\": \"permk_server\", \"way\": \"%s\", \"clients\": %u, \"block_bytes\": %zu, "
           "\"rounds_per_s\": %.1f, \"server_cpu_ms_per_round\": %.2f, \"vs_bare\": %.2f, "
           "\"most_queued_bytes\": %zu, \"peak_rss_bytes\": %llu}\n",
           way, n_clients, block_bytes, 1.0 / c->wall_s, 1e3 * c->cpu_s, bare_s / c->wall_s,
           c->most_queued_bytes, (unsigned long long)ct_peak_memory_bytes());
}

int main(int argc, char **argv)
{
    size_t dimension = 1000000;
    if (argc > 1)
        n_clients = (uint32_t)strtoul(argv[1], NULL, 10);
    if (argc > 2)
        dimension = strtoul(argv[2], NULL, 10);
    if (argc > 3)
        rounds = atoi(argv[3]);
    need(n_clients >= 2 && n_clients <= 64 && dimension >= n_clients && rounds >= 2,
         "reading the arguments");
    block_bytes = dimension / n_clients * sizeof(double);
    cost server = {0}, bare = {0};
    double wall[2][REPEATS], cpu[2][REPEATS];
    for (int r = 0; r < REPEATS; r++) {
        cost c = time_server(), b = time_bare();
        wall[0][r] = c.wall_s;
        cpu[0][r] = c.cpu_s;
        wall[1][r] = b.wall_s;
        cpu[1][r] = b.cpu_s;
        if (c.most_queued_bytes > server.most_queued_bytes)
            server.most_queued_bytes = c.most_queued_bytes;
    }
    server.wall_s = bench_median(wall[0], REPEATS);
    server.cpu_s = bench_median(cpu[0], REPEATS);
    bare.wall_s = bench_median(wall[1], REPEATS);
    bare.cpu_s = bench_median(cpu[1], REPEATS);
    print("server", &server, bare.wall_s);
    print("bare_sockets", &bare, bare.wall_s);
    return 0;
}
