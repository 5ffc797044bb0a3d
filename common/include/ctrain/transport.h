// SPDX-License-Identifier: MIT
/* Messages between a server and its clients (a star): one interface, several ways to carry it. A
 * solver does not know which one runs.
 *
 * An endpoint is the server's (its peers are clients 0 … n-1) or a client's (its one peer, 0, is
 * the server). One thread uses an endpoint at a time. Nothing here waits for ever: every call that
 * can wait takes a deadline, a peer that dies, stays silent or breaks the protocol is reported by
 * name, and never holds up the others.
 *
 * On the wire (TCP): frames of a 12-byte header and a payload, little-endian: u16 magic 0x5443
 * ("CT"), u8 version 1, u8 type, u32 aux, u32 payload length. The length is checked against
 * max_message_bytes before anything is allocated. */
#ifndef CTRAIN_TRANSPORT_H
#define CTRAIN_TRANSPORT_H

#include <ctrain/status.h>
#include <ctrain/stop.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CT_FRAME_HEADER_BYTES 12
#define CT_MESSAGE_TYPE_MAX   239 // 240 … 255 belong to the transport (hello, welcome, refusal)

/* A message. When received, data is borrowed until the next receive, drop or close on the same
 * endpoint (so that it can be forwarded to any number of peers); it has no particular alignment. */
typedef struct ct_message {
    uint32_t peer; // who sent it, or whom to send it to
    uint8_t type;  // the application's, 0 … CT_MESSAGE_TYPE_MAX
    uint32_t aux;  // the application's: a round, the origin of a forwarded block, …
    const void *data;
    size_t size_bytes;
} ct_message;

/* What was exchanged with a peer. Bytes are counted where they enter and leave, with headers and
 * hand-shake (TCP: what the socket took and gave; in process: CT_FRAME_HEADER_BYTES and the payload
 * of each message). Messages are the application's: given to send, and handed out by receive. */
typedef struct ct_traffic {
    uint64_t bytes_sent, bytes_received;
    uint64_t messages_sent, messages_received;
} ct_traffic;

typedef struct ct_transport ct_transport;

/* Queue a message to message->peer; data is copied or sent before the call returns. Never waits for
 * the peer: what the socket does not take at once goes out during later calls. CT_ECLOSED: that
 * peer is gone (receive still hands out what it had sent, and then reports it). CT_ERANGE: larger
 * than max_message_bytes. CT_EINVALID: no such peer, or a type above CT_MESSAGE_TYPE_MAX. Only
 * CT_OK means that the message is on its way; after any failure nothing of it was queued. */
CT_MUST_USE ct_status ct_transport_send(ct_transport *t, const ct_message *message, ct_diag *diag);

/* The next message of any peer; peers are served in turn, so that none can crowd out the others.
 * CT_ETIMEOUT: none within timeout_ms (0 or less: none is here now); the endpoint stays usable.
 * CT_ECLOSED, CT_EPROTOCOL: message->peer is gone, all it had sent has been received, and diag says
 * why ("client 3 (127.0.0.1:40112): connection reset"); reported once a peer (never for one that
 * was dropped); the others go on. A client that closes after its last answer is thus reported
 * before slower answers: let the server close first. CT_ENOMEM: as CT_ECLOSED, for want of memory
 * for what that peer sends. When no peer is left and each has been reported: CT_ECLOSED with
 * message->peer = UINT32_MAX. */
CT_MUST_USE ct_status ct_transport_receive(ct_transport *t, ct_message *message, int timeout_ms,
                                           ct_diag *diag);

/* Wait until all that was queued has left, or timeout_ms has passed (CT_ETIMEOUT; diag names the
 * slowest peer). What arrives meanwhile is kept, so two sides may flush at the same time. A peer
 * that is lost meanwhile is receive's to report. */
CT_MUST_USE ct_status ct_transport_flush(ct_transport *t, int timeout_ms, ct_diag *diag);

/* Bytes of messages to the peer that have not left yet (in process: that it has not received yet).
 */
size_t ct_transport_queued(const ct_transport *t, uint32_t peer);
/* For who forwards, so that its memory stays bounded. From now on a message of more than
 * max_message_bytes is too large (a limit only ever becomes lower; TCP: also of what was sent
 * before and is not received yet), and while more than max_queued_bytes are queued for a peer,
 * receive neither reads from the others nor hands out what they sent: their own flow control slows
 * them down. It goes on by itself. That a peer held back is gone is found out afterwards. */
void ct_transport_set_limits(ct_transport *t, size_t max_message_bytes, size_t max_queued_bytes);

/* Cut one peer off (it sees the connection close). What it sent and was not received yet, and what
 * is still queued for it, is discarded: flush first where that matters. */
void ct_transport_drop(ct_transport *t, uint32_t peer);

/* Peers ever connected: n at the server, 1 at a client. */
size_t ct_transport_peers(const ct_transport *t);
/* Clients of the star, the same number n at the server and at each client. */
size_t ct_transport_clients(const ct_transport *t);
/* False once the peer is dropped or known to be gone, reported or not; false for no such peer. */
bool ct_transport_alive(const ct_transport *t, uint32_t peer);
/* For messages to people: "client 3 (127.0.0.1:40112)", "server (127.0.0.1:9000)"; valid until the
 * endpoint is closed. */
const char *ct_transport_peer_name(const ct_transport *t, uint32_t peer);
ct_traffic ct_transport_traffic(const ct_transport *t, uint32_t peer);
ct_traffic ct_transport_traffic_total(const ct_transport *t);

/* Flush for a moment (at most a second), then close and free; NULL is allowed. */
void ct_transport_close(ct_transport *t);

/* ---- in process ---- */

/* A server endpoint and n_clients client endpoints in this process, each for a thread of its own;
 * clients[] is the caller's array. Each is closed with ct_transport_close(). */
CT_MUST_USE ct_status ct_transport_open_inproc(ct_transport **server, ct_transport **clients,
                                               size_t n_clients, ct_diag *diag);

/* ---- TCP ---- */

typedef struct ct_tcp_options {
    // larger frames break the protocol (default 1 GiB)
    size_t max_message_bytes;
    // client: keep trying to reach the server for so long (default 10,000)
    int connect_timeout_ms;
    // server: all clients must be there within (default 60,000)
    int accept_timeout_ms;
    // a connection that does not say who it is by then is closed (default 5,000)
    int hello_timeout_ms;
    // a peer that takes nothing of what is queued for so long is gone (default 30,000); must be
    // longer than a client computes between two calls
    int stall_timeout_ms;
    // What both sides must share (settings, a version), borrowed for the call: a client sends it
    // with its hello, and a server refuses who sends another. At most 4,096 bytes; default none
    const void *greeting;
    size_t greeting_bytes;
} ct_tcp_options;
ct_tcp_options ct_tcp_options_default(void);

/* A listening socket, not yet a server endpoint: so that the port (0: any free one) is known, and
 * told, before clients come. */
typedef struct ct_tcp_listener ct_tcp_listener;
/* Bind to host (NULL: loopback, "127.0.0.1"; a name or an IPv4 or IPv6 address) and port.
 * CT_EADDRESS: in use, not ours, or no such host; diag says which. */
CT_MUST_USE ct_status ct_tcp_listener_open(ct_tcp_listener **out, const char *host, uint16_t port,
                                           ct_diag *diag);
uint16_t ct_tcp_listener_port(const ct_tcp_listener *listener);
void ct_tcp_listener_close(ct_tcp_listener *listener);

/* Wait until clients 0 … n_clients-1 have said hello, each once. A peer that says nothing, garbage,
 * an id that is taken or out of range, or another greeting is refused with a reason and holds up
 * nobody; a client that leaves before all are there may come again. CT_ETIMEOUT: diag names the
 * missing ids and the last refusal. The listener stays the caller's. stop (may be NULL) is polled:
 * CT_EINTERRUPTED. opt NULL: the defaults. */
CT_MUST_USE ct_status ct_transport_accept_tcp(ct_transport **out, ct_tcp_listener *listener,
                                              size_t n_clients, const ct_tcp_options *opt,
                                              const ct_stop_flag *stop, ct_diag *diag);

/* From now on clients that are gone (reported by receive, or dropped) may come back: receive and
 * flush also let in who says hello on listener with such a client's id, which is alive again then;
 * its next message tells the caller. A client whose former connection has not been found dead yet
 * waits for it, hello_timeout_ms at most. Where no peer is left, receive waits for one. listener is
 * borrowed until the endpoint is closed; opt as for accept, copied. CT_EINVALID: server is not the
 * server's end over TCP. CT_ENOMEM. */
CT_MUST_USE ct_status ct_transport_readmit(ct_transport *server, ct_tcp_listener *listener,
                                           const ct_tcp_options *opt, ct_diag *diag);

/* Connect to the server as client `id`; host NULL is "127.0.0.1". CT_EREFUSED: nobody listens there
 * (after connect_timeout_ms of trying), or the server refused with the reason in diag. CT_ETIMEOUT:
 * it did not answer. CT_EADDRESS: no such host. CT_EPROTOCOL: something else answers there. stop
 * (may be NULL) is polled: CT_EINTERRUPTED. */
CT_MUST_USE ct_status ct_transport_connect_tcp(ct_transport **out, const char *host, uint16_t port,
                                               uint32_t id, const ct_tcp_options *opt,
                                               const ct_stop_flag *stop, ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
