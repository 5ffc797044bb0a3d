// SPDX-License-Identifier: MIT
/* The server's side of the hand-shake: a listening socket, and a reception that lets clients in as
 * they say hello. Connections that have not said who they are wait in a bounded room, each with a
 * deadline of its own, and are refused one by one without holding up the others. */
#define _GNU_SOURCE // accept4, POLLRDHUP
#include "transport_tcp.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_PENDING   64
#define GRACE_MS      250 // a full room turns the oldest out, but not sooner
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

// ---- the reception ----

typedef struct visitor {
    ct__connection connection;
    int64_t since_ns;
} visitor;

typedef struct reception {
    const ct_tcp_listener *listener;
    ct_tcp_options opt;
    ct_transport *t;
    uint32_t n_clients, n_present;
    bool *present;                 // (n_clients)
    struct pollfd *polls;          // (1 + MAX_PENDING + n_clients) the listener, visitors, clients
    visitor visitors[MAX_PENDING]; // oldest first
    size_t n_visitors;
    size_t n_refused;
    ct_diag last_refusal;
} reception;

// Say why, and close. The reason fits into any socket buffer, so nothing waits.
static void refuse(reception *r, ct__connection *c, const char *reason)
{
    size_t size = strlen(reason);
    if (size > CT__MAX_REFUSAL_BYTES)
        size = CT__MAX_REFUSAL_BYTES;
    ct_status told = ct__connection_send(c, CT__FRAME_REFUSAL, 0, reason, size);
    (void)told; // it is refused whether or not it hears why
    r->n_refused++;
    ct_diag_set(&r->last_refusal, "%s: %s", c->address, reason);
    ct__connection_clear(c);
}

// What is wrong with a hello; true when nothing is.
static bool check_hello(const reception *r, const ct__frame *hello, ct_diag *reason)
{
    if (hello->type != CT__FRAME_HELLO)
        ct_diag_set(reason, "sent a message of type %u before its hello", hello->type);
    else if (hello->aux >= r->n_clients)
        ct_diag_set(reason, "id %lu is out of range (clients are 0 to %lu)",
                    (unsigned long)hello->aux, (unsigned long)r->n_clients - 1);
    else if (r->present[hello->aux])
        ct_diag_set(reason, "id %lu is already taken", (unsigned long)hello->aux);
    else if (hello->size_bytes != r->opt.greeting_bytes ||
             (hello->size_bytes > 0 &&
              memcmp(hello->data, r->opt.greeting, hello->size_bytes) != 0))
        ct_diag_set(reason, "settings differ from the server's (id %lu sent another greeting)",
                    (unsigned long)hello->aux);
    else
        return true;
    return false;
}

static void admit(reception *r, ct__connection *c, const ct__frame *hello)
{
    uint32_t id = hello->aux;
    ct__queue_consume(&c->in, CT_FRAME_HEADER_BYTES + hello->size_bytes);
    if (ct__connection_send(c, CT__FRAME_WELCOME, r->n_clients, NULL, 0) != CT_OK) {
        ct__connection_clear(c);
        return;
    }
    ct__tcp_adopt(r->t, id, c);
    r->present[id] = true;
    r->n_present++;
}

/* Hear what a visitor says. True: it is dealt with (in, refused or gone); false: it has yet to say
 * all of its hello. */
static bool hear(reception *r, ct__connection *c)
{
    ct__frame hello;
    size_t missing = CT_FRAME_HEADER_BYTES;
    ct_diag reason;
    ct__connection_read(c, missing);
    if (ct__frame_peek(&c->in, CT__MAX_GREETING_BYTES, &hello, &missing, &reason) != CT_OK)
        refuse(r, c, reason.text);
    else if (missing > 0 && ct__connection_is_open(c))
        return false;
    else if (missing > 0)
        ct__connection_clear(c);
    else if (!check_hello(r, &hello, &reason))
        refuse(r, c, reason.text);
    else
        admit(r, c, &hello);
    return true;
}

// In the order in which they came: of two with one id the first is let in.
static void hear_visitors(reception *r)
{
    int64_t now = ct__now_ns();
    size_t n_left = 0;
    for (size_t i = 0; i < r->n_visitors; i++) {
        visitor *v = &r->visitors[i];
        bool done = r->polls[1 + i].revents != 0 && hear(r, &v->connection);
        if (!done && now - v->since_ns >= r->opt.hello_timeout_ms * CT__NS_PER_MS) {
            ct_diag reason;
            ct_diag_set(&reason, "no hello within %d ms", r->opt.hello_timeout_ms);
            refuse(r, &v->connection, reason.text);
            done = true;
        }
        if (!done)
            r->visitors[n_left++] = *v;
    }
    r->n_visitors = n_left;
}

// A client that left again gives its id free. Before the visitors move on, whose polls come first.
static void notice_departures(reception *r)
{
    const struct pollfd *polls = r->polls + 1 + r->n_visitors;
    for (uint32_t id = 0; id < r->n_clients; id++)
        if (r->present[id] && polls[id].revents != 0) {
            ct__connection_clear(ct__tcp_connection(r->t, id));
            r->present[id] = false;
            r->n_present--;
        }
}

static bool has_room(const reception *r)
{
    return r->n_visitors < MAX_PENDING ||
           ct__now_ns() - r->visitors[0].since_ns >= GRACE_MS * CT__NS_PER_MS;
}

static void make_room(reception *r)
{
    if (r->n_visitors < MAX_PENDING)
        return;
    refuse(r, &r->visitors[0].connection, "too many connections that say nothing");
    r->n_visitors--;
    memmove(&r->visitors[0], &r->visitors[1], r->n_visitors * sizeof r->visitors[0]);
}

/* Take whoever is waiting. Errors of a single connection that broke before we took it are none of
 * ours; having no descriptors left is. */
static ct_status take_visitors(reception *r, ct_diag *diag)
{
    while (has_room(r)) {
        int fd = accept4(r->listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE) && r->n_visitors == 0)
            return ct_fail(diag, CT_EIO,
                           "no file descriptors left after %lu clients (see ulimit -n)",
                           (unsigned long)r->n_present);
        if (fd < 0)
            return CT_OK;
        make_room(r);
        visitor *v = &r->visitors[r->n_visitors++];
        ct__connection_open(&v->connection, fd, r->opt.stall_timeout_ms);
        v->since_ns = ct__now_ns();
    }
    return CT_OK;
}

static void prepare_polls(reception *r)
{
    struct pollfd *p = r->polls;
    *p++ = (struct pollfd){.fd = has_room(r) ? r->listener->fd : -1, .events = POLLIN};
    for (size_t i = 0; i < r->n_visitors; i++)
        *p++ = (struct pollfd){.fd = r->visitors[i].connection.stream.fd, .events = POLLIN};
    for (uint32_t id = 0; id < r->n_clients; id++)
        *p++ = (struct pollfd){.fd = r->present[id] ? ct__tcp_connection(r->t, id)->stream.fd : -1,
                               .events = POLLRDHUP};
}

// "2", "2 and 5", "2, 5, 6, 7 and 3 more"
static void list_missing(const reception *r, char *out, size_t size)
{
    enum { SHOWN = 4 };
    uint32_t n_missing = r->n_clients - r->n_present, n_shown = 0;
    size_t at = 0;
    for (uint32_t id = 0; id < r->n_clients && n_shown < SHOWN && at < size; id++) {
        if (r->present[id])
            continue;
        const char *before = n_shown == 0 ? "" : n_shown + 1 == n_missing ? " and " : ", ";
        at += (size_t)snprintf(out + at, size - at, "%s%lu", before, (unsigned long)id);
        n_shown++;
    }
    if (n_shown < n_missing && at < size)
        (void)snprintf(out + at, size - at, " and %lu more", (unsigned long)(n_missing - n_shown));
}

static ct_status fail_missing(const reception *r, ct_diag *diag)
{
    char missing[96];
    list_missing(r, missing, sizeof missing);
    ct_diag refused = {.text = ""};
    if (r->n_refused > 0)
        ct_diag_set(&refused, "; %zu refused, last %s", r->n_refused, r->last_refusal.text);
    return ct_fail(diag, CT_ETIMEOUT, "client%s %s did not connect within %g s%s",
                   r->n_clients - r->n_present == 1 ? "" : "s", missing,
                   r->opt.accept_timeout_ms / 1000.0, refused.text);
}

static ct_status receive_clients(reception *r, const ct_stop_flag *stop, ct_diag *diag)
{
    int64_t deadline_ns = ct__deadline_ns(r->opt.accept_timeout_ms);
    while (r->n_present < r->n_clients) {
        if (stop != NULL && atomic_load(stop))
            return ct_fail(diag, CT_EINTERRUPTED, "stopped while waiting for clients");
        int left_ms = ct__left_ms(deadline_ns);
        if (left_ms == 0)
            return fail_missing(r, diag);
        prepare_polls(r);
        int n = poll(r->polls, (nfds_t)(1 + r->n_visitors + r->n_clients),
                     left_ms < STOP_CHECK_MS ? left_ms : STOP_CHECK_MS);
        if (n < 0)
            continue; // a signal
        notice_departures(r);
        hear_visitors(r);
        CT_TRY(take_visitors(r, diag));
    }
    return CT_OK;
}

// Nobody who came too late shall wait for an answer.
static void turn_away_the_rest(reception *r)
{
    ct_diag ignored;
    if (r->n_present == r->n_clients && take_visitors(r, &ignored) != CT_OK)
        return;
    for (size_t i = 0; i < r->n_visitors; i++)
        refuse(r, &r->visitors[i].connection,
               r->n_present == r->n_clients ? "all clients are here already"
                                            : "the server has stopped waiting for clients");
    r->n_visitors = 0;
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
    ct_status status = CT_ENOMEM;
    reception *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ct_fail(diag, CT_ENOMEM, "no memory to receive clients");
    *r = (reception){.listener = listener, .opt = checked, .n_clients = (uint32_t)n_clients};
    r->present = calloc(n_clients, sizeof *r->present);
    r->polls = calloc(1 + MAX_PENDING + n_clients, sizeof *r->polls);
    if (r->present == NULL || r->polls == NULL)
        ct_diag_set(diag, "no memory to receive %zu clients", n_clients);
    else
        status = ct__tcp_create(&r->t, true, n_clients, n_clients, &checked, diag);
    if (status == CT_OK)
        status = receive_clients(r, stop, diag);
    turn_away_the_rest(r);
    if (status == CT_OK)
        *out = r->t;
    else
        ct_transport_close(r->t);
    free(r->present);
    free(r->polls);
    free(r);
    return status;
}
