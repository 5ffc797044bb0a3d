// SPDX-License-Identifier: MIT
/* The server's side of the hand-shake: a listening socket, and a reception that waits until all
 * clients have come through the door. */
#define _GNU_SOURCE // POLLRDHUP
#include "transport_tcp.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STOP_CHECK_MS 50

struct ct_tcp_listener {
    int fd;
    uint16_t port;
};

// ---- listening ----

// Socket, bind, listen; -1 with errno.
static int listen_on(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int yes = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0) {
        int error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return 0;
    in_port_t port = address.ss_family == AF_INET6
                         ? ((const struct sockaddr_in6 *)&address)->sin6_port
                         : ((const struct sockaddr_in *)&address)->sin_port;
    return ntohs(port);
}

ct_status ct_tcp_listener_open(ct_tcp_listener **out, const char *host, uint16_t port,
                               ct_diag *diag)
{
    *out = NULL;
    struct addrinfo *addresses;
    CT_TRY(ct__tcp_resolve(&addresses, host, port, diag));
    int fd = -1, error = EADDRNOTAVAIL;
    char tried[CT__ADDRESS_SIZE] = "";
    for (const struct addrinfo *a = addresses; a != NULL && fd < 0; a = a->ai_next) {
        ct__address_text(a->ai_addr, a->ai_addrlen, tried);
        fd = listen_on(a);
        error = errno;
    }
    freeaddrinfo(addresses);
    if (fd < 0) {
        char text[CT__ERRNO_TEXT_SIZE];
        bool is_address = error == EADDRINUSE || error == EADDRNOTAVAIL || error == EACCES ||
                          error == EAFNOSUPPORT;
        return ct_fail(diag, is_address ? CT_EADDRESS : CT_EIO, "cannot listen on %s: %s", tried,
                       ct__errno_text(error, text));
    }
    ct_tcp_listener *listener = malloc(sizeof *listener);
    if (listener == NULL) {
        (void)close(fd);
        return ct_fail(diag, CT_ENOMEM, "no memory for a listener");
    }
    *listener = (ct_tcp_listener){.fd = fd, .port = bound_port(fd)};
    *out = listener;
    return CT_OK;
}

uint16_t ct_tcp_listener_port(const ct_tcp_listener *listener)
{
    return listener->port;
}

void ct_tcp_listener_close(ct_tcp_listener *listener)
{
    if (listener == NULL)
        return;
    (void)close(listener->fd);
    free(listener);
}

int ct__tcp_listener_fd(const ct_tcp_listener *listener)
{
    return listener->fd;
}

// ---- the reception ----

typedef struct reception {
    ct_transport *t;
    ct__door *door;
    uint32_t n_clients, n_present;
    struct pollfd *polls; // (CT__DOOR_POLLS + n_clients)
} reception;

static bool is_present(const reception *r, uint32_t id)
{
    return !ct__tcp_seat_is_free(r->t, id);
}

static void count_present(reception *r)
{
    r->n_present = 0;
    for (uint32_t id = 0; id < r->n_clients; id++)
        r->n_present += is_present(r, id);
}

static void watch_departures(const reception *r, struct pollfd *polls)
{
    for (uint32_t id = 0; id < r->n_clients; id++)
        polls[id] =
            (struct pollfd){.fd = is_present(r, id) ? ct__tcp_connection(r->t, id)->stream.fd : -1,
                            .events = POLLRDHUP};
}

// A client that left again gives its seat free.
static void notice_departures(const reception *r, const struct pollfd *polls)
{
    for (uint32_t id = 0; id < r->n_clients; id++)
        if (polls[id].revents != 0)
            ct__tcp_vacate(r->t, id);
}

// "2", "2 and 5", "2, 5, 6, 7 and 3 more"
static void list_missing(const reception *r, char *out, size_t size)
{
    enum { SHOWN = 4 };
    uint32_t n_missing = r->n_clients - r->n_present, n_shown = 0;
    size_t at = 0;
    for (uint32_t id = 0; id < r->n_clients && n_shown < SHOWN && at < size; id++) {
        if (is_present(r, id))
            continue;
        const char *before = n_shown == 0 ? "" : n_shown + 1 == n_missing ? " and " : ", ";
        at += (size_t)snprintf(out + at, size - at, "%s%lu", before, (unsigned long)id);
        n_shown++;
    }
    if (n_shown < n_missing && at < size)
        (void)snprintf(out + at, size - at, " and %lu more", (unsigned long)(n_missing - n_shown));
}

static ct_status fail_missing(const reception *r, const ct_tcp_options *opt, ct_diag *diag)
{
    char missing[96];
    list_missing(r, missing, sizeof missing);
    ct_diag refused = {.text = ""};
    const char *last;
    size_t n_refused = ct__door_refused(r->door, &last);
    if (n_refused > 0)
        ct_diag_set(&refused, "; %zu refused, last %s", n_refused, last);
    return ct_fail(diag, CT_ETIMEOUT, "client%s %s did not connect within %g s%s",
                   r->n_clients - r->n_present == 1 ? "" : "s", missing,
                   opt->accept_timeout_ms / 1000.0, refused.text);
}

// Wait once for whatever happens at the door, but not for longer than it takes to see `stop`.
static ct_status wait_at_door(reception *r, int64_t until_ns, ct_diag *diag)
{
    size_t n_door = ct__door_prepare(r->door, r->polls, &until_ns);
    watch_departures(r, r->polls + n_door);
    int left_ms = ct__left_ms(until_ns);
    int n = poll(r->polls, (nfds_t)(n_door + r->n_clients),
                 left_ms < STOP_CHECK_MS ? left_ms : STOP_CHECK_MS);
    if (n < 0)
        return CT_OK; // a signal
    notice_departures(r, r->polls + n_door);
    ct_status status = ct__door_attend(r->door, r->polls, diag);
    count_present(r);
    return status;
}

static ct_status receive_clients(reception *r, const ct_tcp_options *opt, const ct_stop_flag *stop,
                                 ct_diag *diag)
{
    int64_t deadline_ns = ct__deadline_ns(opt->accept_timeout_ms);
    while (r->n_present < r->n_clients) {
        if (stop != NULL && atomic_load(stop))
            return ct_fail(diag, CT_EINTERRUPTED, "stopped while waiting for clients");
        if (ct__left_ms(deadline_ns) == 0)
            return fail_missing(r, opt, diag);
        CT_TRY(wait_at_door(r, deadline_ns, diag));
    }
    return CT_OK;
}

static ct_status open_reception(reception *r, const ct_tcp_listener *listener,
                                const ct_tcp_options *opt, ct_diag *diag)
{
    r->polls = calloc(CT__DOOR_POLLS + r->n_clients, sizeof *r->polls);
    if (r->polls == NULL)
        return ct_fail(diag, CT_ENOMEM, "no memory to receive %lu clients",
                       (unsigned long)r->n_clients);
    CT_TRY(ct__tcp_create(&r->t, true, r->n_clients, r->n_clients, opt, diag));
    return ct__door_open(&r->door, r->t, listener, opt, false, diag);
}

static void close_reception(reception *r)
{
    ct__door_close(r->door, r->n_present == r->n_clients
                                ? "all clients are here already"
                                : "the server has stopped waiting for clients");
    free(r->polls);
}

ct_status ct_transport_accept_tcp(ct_transport **out, ct_tcp_listener *listener, size_t n_clients,
                                  const ct_tcp_options *opt, const ct_stop_flag *stop,
                                  ct_diag *diag)
{
    *out = NULL;
    ct_tcp_options checked;
    CT_TRY(ct__tcp_options_check(&checked, opt, diag));
    if (n_clients == 0 || n_clients > CT__MAX_CLIENTS)
        return ct_fail(diag, CT_EINVALID, "%zu clients (must be 1 to %zu)", n_clients,
                       CT__MAX_CLIENTS);
    reception r = {.n_clients = (uint32_t)n_clients};
    ct_status status = open_reception(&r, listener, &checked, diag);
    if (status == CT_OK)
        status = receive_clients(&r, &checked, stop, diag);
    close_reception(&r);
    if (status == CT_OK)
        *out = r.t;
    else
        ct_transport_close(r.t);
    return status;
}
