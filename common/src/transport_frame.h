// SPDX-License-Identifier: MIT
/* Bytes into frames and back, without any socket: a growing queue of bytes, the 12-byte header, and
 * the three frames of the hand-shake.
 *
 *   hello    client to server: aux = the client's id, payload = its greeting
 *   welcome  server to client: aux = the number of clients, no payload
 *   refusal  server to client: payload = the reason, a text for people */
#ifndef CTRAIN_TRANSPORT_FRAME_H
#define CTRAIN_TRANSPORT_FRAME_H

#include "transport_private.h"

#define CT__FRAME_HELLO   240
#define CT__FRAME_WELCOME 241
#define CT__FRAME_REFUSAL 242

#define CT__MAX_GREETING_BYTES ((size_t)4096)
#define CT__MAX_REFUSAL_BYTES  ((size_t)400)

/* First in, first out; what is in it lies in one piece at data + begin. Zero is empty. */
typedef struct ct__queue {
    unsigned char *data;
    size_t begin, end, capacity;
} ct__queue;

static inline size_t ct__queue_size(const ct__queue *q)
{
    return q->end - q->begin;
}

/* Make room for at least `room` bytes at data + end; what is in it may move. */
CT_MUST_USE ct_status ct__queue_reserve(ct__queue *q, size_t room);
void ct__queue_consume(ct__queue *q, size_t size);
void ct__queue_clear(ct__queue *q);

typedef struct ct__frame {
    uint8_t type;
    uint32_t aux;
    const unsigned char *data; // in the queue
    size_t size_bytes;
} ct__frame;

void ct__frame_header(unsigned char out[CT_FRAME_HEADER_BYTES], uint8_t type, uint32_t aux,
                      size_t size_bytes);

/* The first frame of q, left there. Its header is checked as soon as it is there, long before its
 * payload. CT_OK: frame->data is set when all of it has arrived; *missing is how many bytes have
 * not. CT_EPROTOCOL: not a frame of ours, or longer than max_bytes; `why` says which. */
CT_MUST_USE ct_status ct__frame_peek(const ct__queue *q, size_t max_bytes, ct__frame *frame,
                                     size_t *missing, ct_diag *why);

/* A refusal's reason as text that can be shown: cut to size, anything but printable ASCII as '?'.
 */
void ct__refusal_text(const ct__frame *frame, char out[CT__MAX_REFUSAL_BYTES + 1]);

#endif
