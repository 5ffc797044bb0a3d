// SPDX-License-Identifier: MIT
/* Queues of bytes and the frames in them. Everything a peer sends passes through here first, so
 * nothing in this file trusts a length. */
#include "transport_frame.h"

#include <ctrain/bytes.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_MAGIC      0x5443u // "CT" on the wire
#define FRAME_VERSION    1
#define QUEUE_FIRST_SIZE ((size_t)65536)

ct_status ct__queue_reserve(ct__queue *q, size_t room)
{
    size_t size = ct__queue_size(q);
    bool fits = q->capacity - q->end >= room;
    // moving no more than twice what was consumed keeps the cost a byte constant; little is moved
    // before it must be, so that less memory is touched
    if (q->begin > 0 && q->begin >= (fits ? 16 * size : size / 2) && q->capacity - size >= room) {
        memmove(q->data, q->data + q->begin, size);
        q->begin = 0;
        q->end = size;
        return CT_OK;
    }
    if (fits)
        return CT_OK;
    if (room > SIZE_MAX / 2 - q->end)
        return CT_ENOMEM;
    size_t capacity = 2 * q->capacity;
    if (capacity < q->end + room)
        capacity = q->end + room;
    if (capacity < QUEUE_FIRST_SIZE)
        capacity = QUEUE_FIRST_SIZE;
    unsigned char *data = realloc(q->data, capacity);
    if (data == NULL)
        return CT_ENOMEM;
    q->data = data;
    q->capacity = capacity;
    return CT_OK;
}

void ct__queue_consume(ct__queue *q, size_t size)
{
    q->begin += size;
    if (q->begin == q->end)
        q->begin = q->end = 0;
}

void ct__queue_clear(ct__queue *q)
{
    free(q->data);
    *q = (ct__queue){0};
}

void ct__frame_header(unsigned char out[CT_FRAME_HEADER_BYTES], uint8_t type, uint32_t aux,
                      size_t size_bytes)
{
    ct_writer w = ct_writer_view(out, CT_FRAME_HEADER_BYTES);
    ct_write_u16(&w, FRAME_MAGIC);
    ct_write_u8(&w, FRAME_VERSION);
    ct_write_u8(&w, type);
    ct_write_u32(&w, aux);
    ct_write_u32(&w, (uint32_t)size_bytes);
}

ct_status ct__frame_peek(const ct__queue *q, size_t max_bytes, ct__frame *frame, size_t *missing,
                         ct_diag *why)
{
    *frame = (ct__frame){0};
    size_t size = ct__queue_size(q);
    if (size < CT_FRAME_HEADER_BYTES) {
        *missing = CT_FRAME_HEADER_BYTES - size;
        return CT_OK;
    }
    const unsigned char *header = q->data + q->begin;
    ct_reader r = ct_reader_view(header, CT_FRAME_HEADER_BYTES);
    unsigned magic = ct_read_u16(&r);
    unsigned version = ct_read_u8(&r);
    frame->type = ct_read_u8(&r);
    frame->aux = ct_read_u32(&r);
    frame->size_bytes = ct_read_u32(&r);
    if (magic != FRAME_MAGIC)
        return ct_fail(why, CT_EPROTOCOL, "does not speak this protocol (sent %02x %02x %02x %02x)",
                       header[0], header[1], header[2], header[3]);
    if (version != FRAME_VERSION)
        return ct_fail(why, CT_EPROTOCOL, "speaks version %u of the protocol, we speak %d", version,
                       FRAME_VERSION);
    if (frame->size_bytes > max_bytes)
        return ct_fail(why, CT_EPROTOCOL, "sent a message of %zu bytes (at most %zu are allowed)",
                       frame->size_bytes, max_bytes);
    size_t arrived = size - CT_FRAME_HEADER_BYTES;
    *missing = arrived < frame->size_bytes ? frame->size_bytes - arrived : 0;
    if (*missing == 0)
        frame->data = header + CT_FRAME_HEADER_BYTES;
    return CT_OK;
}

void ct__refusal_text(const ct__frame *frame, char out[CT__MAX_REFUSAL_BYTES + 1])
{
    size_t n =
        frame->size_bytes < CT__MAX_REFUSAL_BYTES ? frame->size_bytes : CT__MAX_REFUSAL_BYTES;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = frame->data[i];
        out[i] = c >= 32 && c < 127 ? (char)c : '?';
    }
    out[n] = '\0';
}
