// SPDX-License-Identifier: MIT
/* A connection's bytes, without any framing: the layer that encryption can replace. Reads and
 * writes never wait; the caller polls the descriptor. */
#ifndef CTRAIN_TRANSPORT_STREAM_H
#define CTRAIN_TRANSPORT_STREAM_H

#include "transport_private.h"

#include <sys/socket.h>
#include <sys/uio.h>

typedef struct ct__stream ct__stream;

/* CT_OK with a count of 0: it would have to wait. Any failure ends the connection (CT_ECLOSED), and
 * `why` says how ("closed the connection", "connection reset"). */
typedef struct ct__stream_ops {
    ct_status (*read)(ct__stream *s, void *data, size_t size, size_t *n_read, ct_diag *why);
    ct_status (*write)(ct__stream *s, const struct iovec *parts, size_t n_parts, size_t *n_written,
                       ct_diag *why);
    void (*close)(ct__stream *s);
} ct__stream_ops;

struct ct__stream {
    const ct__stream_ops *ops;
    int fd;                             // to poll; -1 when closed
    uint64_t bytes_read, bytes_written; // as the socket gave and took; kept after close
};

/* A stream over a connected TCP socket, which it takes: makes it non-blocking, without delay, with
 * keep-alive, so that a machine that is gone shows after about stall_timeout_ms. */
ct__stream ct__stream_tcp(int fd, int stall_timeout_ms);

/* How many of the bytes written the peer's machine has acknowledged. */
uint64_t ct__stream_acknowledged(const ct__stream *s);

/* "127.0.0.1:9000" or "[::1]:9000". */
#define CT__ADDRESS_SIZE 64
void ct__address_text(const struct sockaddr *address, socklen_t size, char out[CT__ADDRESS_SIZE]);

/* The text of an errno value, for a diag; the buffer is the caller's. */
#define CT__ERRNO_TEXT_SIZE 80
const char *ct__errno_text(int error, char buffer[CT__ERRNO_TEXT_SIZE]);

#endif
