// SPDX-License-Identifier: MIT
/* The client's side of the hand-shake: reach the server, trying again until the deadline (it may be
 * started later, or be busy with another matter), say hello, and hear welcome or why not. */
#include "transport_tcp.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIRST_PAUSE_MS 10
#define LAST_PAUSE_MS  500
#define STOP_CHECK_MS  50

ct_status ct__tcp_resolve(struct addrinfo **out, const char *host, uint16_t port, ct_diag *diag)
{
    char service[8];
    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    if (host == NULL)
        host = "127.0.0.1";
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    int error = getaddrinfo(host, service, &hints, out);
    if (error == EAI_MEMORY)
        return ct_fail(diag, CT_ENOMEM, "no memory to look up %s", host);
    if (error != 0)
        return ct_fail(diag, CT_EADDRESS, "cannot find host %s: %s", host, gai_strerror(error));
    return CT_OK;
}

// One call of ct_transport_connect_tcp.
typedef struct attempt {
    const ct_tcp_options *opt;
    const ct_stop_flag *stop;
    int64_t deadline_ns;
    uint32_t id;
    ct_diag why; // the last attempt failed
} attempt;

/* Wait for events on fd (-1: only wait) until the moment, but stop on request. */
static ct_status wait_for(const attempt *a, int fd, short events, int64_t until_ns)
{
    for (;;) {
        if (a->stop != NULL && atomic_load(a->stop))
            return CT_EINTERRUPTED;
        int left_ms = ct__left_ms(until_ns);
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, left_ms < STOP_CHECK_MS ? left_ms : STOP_CHECK_MS);
        if (n > 0)
            return CT_OK;
        if (left_ms == 0)
            return CT_ETIMEOUT;
    }
}

/* Where nobody listens, a connection to a local port may meet itself: the kernel has then chosen
 * that very port for our end. */
static bool met_itself(int fd)
{
    struct sockaddr_storage ours, theirs;
    memset(&ours, 0, sizeof ours);
    memset(&theirs, 0, sizeof theirs);
    socklen_t our_size = sizeof ours, their_size = sizeof theirs;
    return getsockname(fd, (struct sockaddr *)&ours, &our_size) == 0 &&
           getpeername(fd, (struct sockaddr *)&theirs, &their_size) == 0 &&
           our_size == their_size && memcmp(&ours, &theirs, our_size) == 0;
}

// Connect a new non-blocking socket to one address. CT_EREFUSED, CT_ETIMEOUT: see a->why.
static ct_status reach(attempt *a, const struct addrinfo *address, int64_t until_ns, int *out)
{
    char text[CT__ERRNO_TEXT_SIZE];
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ct_fail(&a->why, CT_EREFUSED, "%s", ct__errno_text(errno, text));
    int error = connect(fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
    ct_status status = CT_OK;
    if (error == EINPROGRESS || error == EINTR) {
        status = wait_for(a, fd, POLLOUT, until_ns);
        socklen_t size = sizeof error;
        if (status == CT_OK && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
            error = errno;
    }
    if (status == CT_OK && error == 0 && met_itself(fd))
        error = ECONNREFUSED;
    if (status == CT_ETIMEOUT)
        ct_diag_set(&a->why, "no answer");
    else if (status == CT_OK && error != 0)
        status = ct_fail(&a->why, CT_EREFUSED, "%s", ct__errno_text(error, text));
    if (status == CT_OK)
        *out = fd;
    else
        (void)close(fd);
    return status;
}

/* Say hello and wait for the answer. CT_EREFUSED, CT_EPROTOCOL: an answer that stands, in diag.
 * CT_ECLOSED, CT_ETIMEOUT: none came, see a->why. */
static ct_status say_hello(attempt *a, ct__connection *c, uint32_t *n_clients, ct_diag *diag)
{
    if (ct__connection_send(c, CT__FRAME_HELLO, a->id, a->opt->greeting, a->opt->greeting_bytes) ==
        CT_ENOMEM)
        return ct_fail(diag, CT_ENOMEM, "no memory to connect to %s", c->address);
    for (;;) {
        ct__frame answer;
        size_t missing;
        ct_diag why;
        if (ct__frame_peek(&c->in, CT__MAX_GREETING_BYTES, &answer, &missing, &why) != CT_OK)
            return ct_fail(diag, CT_EPROTOCOL, "%s %s", c->address, why.text);
        if (missing == 0 && answer.type == CT__FRAME_REFUSAL) {
            char reason[CT__MAX_REFUSAL_BYTES + 1];
            ct__refusal_text(&answer, reason);
            return ct_fail(diag, CT_EREFUSED, "server (%s) refused: %s", c->address, reason);
        }
        if (missing == 0 && (answer.type != CT__FRAME_WELCOME || answer.aux <= a->id))
            return ct_fail(diag, CT_EPROTOCOL, "%s sent no welcome but a message of type %u",
                           c->address, answer.type);
        if (missing == 0) {
            *n_clients = answer.aux;
            ct__queue_consume(&c->in, CT_FRAME_HEADER_BYTES + answer.size_bytes);
            return CT_OK;
        }
        if (!ct__connection_is_open(c))
            return ct_fail(&a->why, c->end, "%s before it answered", c->end_reason.text);
        ct__connection_write(c);
        ct_status status =
            wait_for(a, c->stream.fd, ct__connection_poll_events(c, true), a->deadline_ns);
        if (status != CT_OK)
            return ct_fail(&a->why, status, "connected, but no answer to the hello");
        ct__connection_read(c, missing);
    }
}

// One round over all addresses. CT_OK: *c is connected and welcome.
static ct_status try_addresses(attempt *a, const struct addrinfo *addresses, ct__connection *c,
                               uint32_t *n_clients, ct_diag *diag)
{
    ct_status status = CT_EREFUSED;
    int n_left = 0;
    for (const struct addrinfo *address = addresses; address != NULL; address = address->ai_next)
        n_left++;
    for (const struct addrinfo *address = addresses; address != NULL; address = address->ai_next) {
        int64_t now = ct__now_ns();
        int64_t left_ns = a->deadline_ns > now ? a->deadline_ns - now : 0;
        int fd = -1;
        status = reach(a, address, now + left_ns / n_left--, &fd);
        if (status == CT_EINTERRUPTED)
            return status;
        if (status != CT_OK)
            continue;
        ct__connection_open(c, fd, a->opt->stall_timeout_ms);
        ct_diag_clear(diag);
        status = say_hello(a, c, n_clients, diag);
        if (status == CT_OK)
            return CT_OK;
        ct__connection_clear(c);
        if (status != CT_ECLOSED)
            return status;
    }
    return status;
}

/* Try until the deadline. Refused by the kernel or cut off before the welcome: the server may yet
 * come; refused by the server itself: final. */
static ct_status keep_trying(attempt *a, const struct addrinfo *addresses, ct__connection *c,
                             uint32_t *n_clients, ct_diag *diag)
{
    for (int pause_ms = FIRST_PAUSE_MS;; pause_ms = 2 * pause_ms) {
        ct_diag answer = {.text = ""};
        ct_status status = try_addresses(a, addresses, c, n_clients, &answer);
        bool is_final = status == CT_OK || status == CT_EINTERRUPTED || answer.text[0] != '\0';
        if (is_final && answer.text[0] != '\0')
            ct_diag_set(diag, "%s", answer.text);
        if (is_final || ct__now_ns() >= a->deadline_ns)
            return status == CT_ECLOSED ? CT_EREFUSED : status;
        if (pause_ms > LAST_PAUSE_MS)
            pause_ms = LAST_PAUSE_MS;
        int64_t until_ns = ct__deadline_ns(pause_ms);
        status = wait_for(a, -1, 0, until_ns < a->deadline_ns ? until_ns : a->deadline_ns);
        if (status == CT_EINTERRUPTED)
            return status;
    }
}

ct_status ct_transport_connect_tcp(ct_transport **out, const char *host, uint16_t port, uint32_t id,
                                   const ct_tcp_options *opt, const ct_stop_flag *stop,
                                   ct_diag *diag)
{
    *out = NULL;
    ct_tcp_options checked;
    CT_TRY(ct__tcp_options_check(&checked, opt, diag));
    struct addrinfo *addresses;
    CT_TRY(ct__tcp_resolve(&addresses, host, port, diag));
    attempt a = {.opt = &checked,
                 .stop = stop,
                 .deadline_ns = ct__deadline_ns(checked.connect_timeout_ms),
                 .id = id};
    ct__connection c = {.stream.fd = -1};
    uint32_t n_clients = 0;
    ct_diag text = {.text = ""};
    ct_status status = keep_trying(&a, addresses, &c, &n_clients, &text);
    freeaddrinfo(addresses);
    if (status == CT_OK)
        status = ct__tcp_create(out, false, 1, n_clients, &checked, &text);
    if (status == CT_OK) {
        ct__tcp_adopt(*out, 0, &c);
        return CT_OK;
    }
    ct__connection_clear(&c);
    if (status == CT_EINTERRUPTED)
        return ct_fail(diag, status, "stopped while connecting");
    if (text.text[0] != '\0')
        return ct_fail(diag, status, "%s", text.text);
    return ct_fail(diag, status, "cannot reach %s:%u: %s (tried for %g s)",
                   host != NULL ? host : "127.0.0.1", (unsigned)port, a.why.text,
                   checked.connect_timeout_ms / 1000.0);
}
