// SPDX-License-Identifier: MIT
/* Parts of the TCP transport that its files share: one framed connection (transport_connection.c),
 * which exists before it is known whose it is, and the endpoint that takes it over
 * (transport_tcp.c). */
#ifndef CTRAIN_TRANSPORT_TCP_H
#define CTRAIN_TRANSPORT_TCP_H

#include "transport_frame.h"
#include "transport_stream.h"

/* One connection: its stream, what has arrived and what has yet to leave. Once it has ended the
 * stream is closed, `end` says how, and what has arrived can still be taken. */
typedef struct ct__connection {
    ct__stream stream;
    ct__queue in, out;
    int64_t progress_ns;   // when the peer was last seen to take something, or `out` was empty
    uint64_t acknowledged; // bytes it had acknowledged by then
    ct_status end;         // CT_OK while it lasts
    ct_diag end_reason;
    char address[CT__ADDRESS_SIZE];
} ct__connection;

/* Take a connected socket, non-blocking from now on. */
void ct__connection_open(ct__connection *c, int fd, int stall_timeout_ms);
void ct__connection_clear(ct__connection *c);
static inline bool ct__connection_is_open(const ct__connection *c)
{
    return c->stream.fd >= 0;
}
/* End it, for the reason in `why`; the first end stays. */
void ct__connection_end(ct__connection *c, ct_status status, const ct_diag *why);

/* Read once what is there into `in`. Where a frame's length is known but not believed yet, memory
 * grows with what has arrived. */
void ct__connection_read(ct__connection *c, size_t missing);
/* Write what the socket takes of `out`. */
void ct__connection_write(ct__connection *c);
/* When the peer takes nothing until then, ct__connection_end_if_stalled ends it. Without anything
 * queued: INT64_MAX. A socket is writable only when much of its buffer is free, so a slow peer is
 * told from a still one by what it acknowledges. */
int64_t ct__connection_stall_ns(const ct__connection *c, int64_t stall_ns);
void ct__connection_end_if_stalled(ct__connection *c, int64_t stall_ns);
/* Send a frame or queue what is not taken. CT_ENOMEM: nothing was sent; CT_ECLOSED: see end. */
CT_MUST_USE ct_status ct__connection_send(ct__connection *c, uint8_t type, uint32_t aux,
                                          const void *data, size_t size_bytes);

/* What poll() shall report of it; 0: nothing. */
short ct__connection_poll_events(const ct__connection *c, bool want_read);

/* An endpoint with seats for n_peers connections, which are moved into it one by one. */
CT_MUST_USE ct_status ct__tcp_create(ct_transport **out, bool is_server, size_t n_peers,
                                     size_t n_clients, const ct_tcp_options *opt, ct_diag *diag);
void ct__tcp_adopt(ct_transport *t, uint32_t peer, ct__connection *connection);
/* Nobody has come yet, or the peer is gone and the caller knows. */
bool ct__tcp_seat_is_free(const ct_transport *t, uint32_t peer);
/* Close the peer's connection without telling anybody. */
void ct__tcp_vacate(ct_transport *t, uint32_t peer);
/* The peer's connection, for the hand-shake. */
ct__connection *ct__tcp_connection(ct_transport *t, uint32_t peer);

/* A door lets strangers who say hello as a client sit down on its seat of t. While that is taken a
 * patient door lets them wait, as the one who sits there may be about to go. Its owner polls. */
struct pollfd;
typedef struct ct__door ct__door;
#define CT__DOOR_POLLS 65 // at most
/* listener is borrowed until close. */
CT_MUST_USE ct_status ct__door_open(ct__door **out, ct_transport *t,
                                    const ct_tcp_listener *listener, const ct_tcp_options *opt,
                                    bool patient, ct_diag *diag);
/* Fill in polls; returns how many. *until_ns becomes earlier where the door has to do something
 * then. */
size_t ct__door_prepare(ct__door *door, struct pollfd *polls, int64_t *until_ns);
/* After polling. CT_EIO: no file descriptors are left. */
CT_MUST_USE ct_status ct__door_attend(ct__door *door, const struct pollfd *polls, ct_diag *diag);
/* How many were refused; *last: who and why, the last time. */
size_t ct__door_refused(const ct__door *door, const char **last);
/* Refuse whoever waits; NULL is allowed. */
void ct__door_close(ct__door *door, const char *reason);
int ct__tcp_listener_fd(const ct_tcp_listener *listener);

/* Options with the defaults for NULL, checked. */
CT_MUST_USE ct_status ct__tcp_options_check(ct_tcp_options *checked, const ct_tcp_options *opt,
                                            ct_diag *diag);

/* getaddrinfo for a TCP service; host NULL is 127.0.0.1. CT_EADDRESS: no such host. The caller
 * frees with freeaddrinfo. */
struct addrinfo;
CT_MUST_USE ct_status ct__tcp_resolve(struct addrinfo **out, const char *host, uint16_t port,
                                      ct_diag *diag);

#endif
