// SPDX-License-Identifier: MIT
/* One framed connection: reading into a queue that grows with what arrives, writing from a queue
 * that holds what the socket did not take. Whose connection it is, and what the frames mean, is not
 * known here. */
#include "transport_tcp.h"

#include <poll.h>
#include <string.h>

#define READ_AT_LEAST ((size_t)16384)
#define READ_BEYOND   ((size_t)65536)   // of many small frames at once; of a large one no more
#define READ_AT_MOST  ((size_t)1 << 20) // at once, so that one peer does not hold up the others

void ct__connection_open(ct__connection *c, int fd, int stall_timeout_ms)
{
    *c = (ct__connection){.stream = ct__stream_tcp(fd, stall_timeout_ms)};
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getpeername(fd, (struct sockaddr *)&address, &size) == 0)
        ct__address_text((struct sockaddr *)&address, size, c->address);
    else
        strcpy(c->address, "unknown address");
}

static void close_stream(ct__connection *c)
{
    if (ct__connection_is_open(c))
        c->stream.ops->close(&c->stream);
}

void ct__connection_clear(ct__connection *c)
{
    close_stream(c);
    ct__queue_clear(&c->in);
    ct__queue_clear(&c->out);
}

void ct__connection_end(ct__connection *c, ct_status status, const ct_diag *why)
{
    if (c->end == CT_OK) {
        c->end = status;
        c->end_reason = *why;
    }
    close_stream(c);
    ct__queue_clear(&c->out);
}

void ct__connection_read(ct__connection *c, size_t missing)
{
    size_t arrived = ct__queue_size(&c->in);
    size_t room = arrived < missing ? arrived : missing;
    if (room < READ_AT_LEAST)
        room = READ_AT_LEAST;
    ct_diag why;
    if (ct__queue_reserve(&c->in, room) != CT_OK) {
        ct_diag_set(&why, "no memory for what it sends (%zu bytes so far)", arrived);
        ct__connection_end(c, CT_ENOMEM, &why);
        return;
    }
    size_t size = c->in.capacity - c->in.end, most = missing > READ_BEYOND ? missing : READ_BEYOND;
    size_t n = 0;
    size = size < most ? size : most;
    ct_status status = c->stream.ops->read(&c->stream, c->in.data + c->in.end,
                                           size < READ_AT_MOST ? size : READ_AT_MOST, &n, &why);
    c->in.end += n;
    if (status != CT_OK || (n == 0 && c->end != CT_OK))
        ct__connection_end(c, status, &why);
}

/* A connection that can no longer be written to may still hold messages for us: it stays open until
 * a read finds nothing more. */
static void fail_writing(ct__connection *c, ct_status status, const ct_diag *why)
{
    c->end = status;
    c->end_reason = *why;
    ct__queue_clear(&c->out);
}

static void note_progress(ct__connection *c)
{
    c->progress_ns = ct__now_ns();
    c->acknowledged = ct__stream_acknowledged(&c->stream);
}

int64_t ct__connection_stall_ns(const ct__connection *c, int64_t stall_ns)
{
    return ct__queue_size(&c->out) > 0 ? c->progress_ns + stall_ns : INT64_MAX;
}

void ct__connection_end_if_stalled(ct__connection *c, int64_t stall_ns)
{
    if (ct__now_ns() < ct__connection_stall_ns(c, stall_ns))
        return;
    if (ct__stream_acknowledged(&c->stream) > c->acknowledged) {
        note_progress(c);
        return;
    }
    ct_diag why;
    ct_diag_set(&why, "took none of the %zu bytes queued for it for %lld ms",
                ct__queue_size(&c->out), (long long)(stall_ns / CT__NS_PER_MS));
    ct__connection_end(c, CT_ECLOSED, &why);
}

void ct__connection_write(ct__connection *c)
{
    size_t size;
    while ((size = ct__queue_size(&c->out)) > 0) {
        struct iovec part = {.iov_base = c->out.data + c->out.begin, .iov_len = size};
        size_t n;
        ct_diag why;
        ct_status status = c->stream.ops->write(&c->stream, &part, 1, &n, &why);
        if (status != CT_OK) {
            fail_writing(c, status, &why);
            return;
        }
        if (n == 0)
            return;
        ct__queue_consume(&c->out, n);
        note_progress(c);
    }
}

static void queue_append(ct__queue *q, const void *data, size_t size)
{
    if (size > 0)
        memcpy(q->data + q->end, data, size);
    q->end += size;
}

ct_status ct__connection_send(ct__connection *c, uint8_t type, uint32_t aux, const void *data,
                              size_t size_bytes)
{
    ct__connection_write(c);
    if (c->end != CT_OK)
        return c->end;
    // room first: a frame of which a part is sent must not fail
    CT_TRY(ct__queue_reserve(&c->out, CT_FRAME_HEADER_BYTES + size_bytes));
    unsigned char header[CT_FRAME_HEADER_BYTES];
    ct__frame_header(header, type, aux, size_bytes);
    size_t n = 0;
    if (ct__queue_size(&c->out) == 0) {
        struct iovec parts[2] = {{.iov_base = header, .iov_len = sizeof header},
                                 {.iov_base = (void *)(uintptr_t)data, .iov_len = size_bytes}};
        ct_diag why;
        ct_status status =
            c->stream.ops->write(&c->stream, parts, size_bytes > 0 ? 2 : 1, &n, &why);
        if (status != CT_OK) {
            fail_writing(c, status, &why);
            return status;
        }
    }
    if (n == sizeof header + size_bytes)
        return CT_OK;
    bool is_first = ct__queue_size(&c->out) == 0;
    size_t of_header = n < sizeof header ? n : sizeof header;
    queue_append(&c->out, header + of_header, sizeof header - of_header);
    n -= of_header;
    if (n < size_bytes) // n of the payload are sent
        queue_append(&c->out, (const unsigned char *)data + n, size_bytes - n);
    if (is_first)
        note_progress(c); // its time to take the rest begins now
    return CT_OK;
}

short ct__connection_poll_events(const ct__connection *c, bool want_read)
{
    if (!ct__connection_is_open(c))
        return 0;
    return (short)((want_read ? POLLIN : 0) | (ct__queue_size(&c->out) > 0 ? POLLOUT : 0));
}
