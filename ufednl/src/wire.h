// SPDX-License-Identifier: MIT
/* Messages between server and clients: how requests and replies become bytes and back. Everything
 * that is read is checked before it is used: lengths against what is there, positions against the
 * pattern, numbers for being finite. The table of the formats is in ufednl/README.md.
 *
 * Sizes (fednl__wire_*_bytes) count a message with its frame, so that a solver whose clients live
 * in its own process counts the same traffic as one over TCP. */
#ifndef UFEDNL_WIRE_H
#define UFEDNL_WIRE_H

#include "client.h"

#include <ctrain/bytes.h>
#include <ctrain/transport.h>

#define FEDNL__WIRE_VERSION 1

/* Message types. */
enum {
    FEDNL__MESSAGE_JOIN = 1, // client: its rows, features, labels, counts of the columns
    FEDNL__MESSAGE_START,    // server: d, order of columns, labels, compressor, what to keep
    FEDNL__MESSAGE_REFUSE,   // server: a reason, text
    FEDNL__MESSAGE_REQUEST,  // server; aux: sequence number
    FEDNL__MESSAGE_REPLY,    // client; aux: that of the request
    FEDNL__MESSAGE_CERTIFY,  // server: x; client: f, gradient
    FEDNL__MESSAGE_SAVE,     // server; client: done, or a reason
    FEDNL__MESSAGE_RESUME,   // server; client: done, or a reason
    FEDNL__MESSAGE_FAILED,   // client: a reason, text
    FEDNL__MESSAGE_FINISH    // server: outcome, f, gradient norm, x
};

/* What a client says of itself. */
typedef struct fednl__join {
    uint64_t rows;
    uint32_t columns; // of its data: the largest feature it has
    uint32_t labels;  // 1 or 2 different ones
    double label[2];  // larger first; label[1] is not used where there is 1
    uint64_t *counts; // (columns) rows that have each column; allocated by the decoder
} fednl__join;

/* What a client is told. */
typedef struct fednl__start {
    fednl__layout layout; // coordinate allocated by the decoder
    double label[2];      // larger, smaller
    fednl__compressor compressor;
    bool second_order; // estimates are needed
    uint64_t run;      // identifies the run: for checkpoints
} fednl__start;

/* Encoders write into a growing buffer. */
typedef struct fednl__buffer {
    unsigned char *data;
    size_t size, capacity;
} fednl__buffer;
void fednl__buffer_clear(fednl__buffer *buffer);

CT_MUST_USE ct_status fednl__wire_encode_join(fednl__buffer *out, const fednl__join *join);
CT_MUST_USE ct_status fednl__wire_decode_join(const void *data, size_t size, fednl__join *join,
                                              ct_diag *diag);
CT_MUST_USE ct_status fednl__wire_encode_start(fednl__buffer *out, const fednl__start *start);
CT_MUST_USE ct_status fednl__wire_decode_start(const void *data, size_t size, fednl__start *start,
                                               ct_diag *diag);

CT_MUST_USE ct_status fednl__wire_encode_request(fednl__buffer *out, const fednl__request *request,
                                                 size_t dimension);
/* x (d) is the client's former point, which a delta is added to, and becomes the new one. */
CT_MUST_USE ct_status fednl__wire_decode_request(const void *data, size_t size, size_t dimension,
                                                 double *x, fednl__request *request, ct_diag *diag);
size_t fednl__wire_request_bytes(const fednl__request *request, size_t dimension);

/* What is known on both sides of how a client's updates look. */
typedef struct fednl__wire_client {
    uint32_t id;
    size_t dimension;
    const fednl__compressor *compressor;
    bool has_pattern;
    size_t pattern, active;   // |P|, a
    const uint32_t *position; // (|P|)
} fednl__wire_client;

/* A HESSIAN reply: the first one with the positions of the pattern (or the whole triangle, where
 * that is shorter), later ones by compressor: Identity 8 |P|; TopK, TopLEK 12 a value; RandK,
 * RandSeqK 8 for each entry drawn that is on the pattern (the positions are drawn again); Natural
 * 12 bits an entry; Rank-R 8 (a + 1) R. The gradient: its a active entries where the pattern is
 * known, else d. */
CT_MUST_USE ct_status fednl__wire_encode_reply(fednl__buffer *out, const fednl__reply *reply,
                                               const fednl__wire_client *client);
void fednl__wire_reply_bytes(const fednl__reply *reply, const fednl__wire_client *client,
                             uint64_t *bytes, uint64_t *bytes_indices);

/* Arrays of a decoded reply belong to this. */
typedef struct fednl__wire_inbox {
    double *g, *value, *rank_part; // grown as needed
    uint32_t *index, *position;
    size_t capacity[5];
    fednl__compress_work *work; // for repeated draws; NULL where none are
} fednl__wire_inbox;
void fednl__wire_inbox_clear(fednl__wire_inbox *inbox);
/* ask is what was asked. A first HESSIAN reply fills inbox->position with the pattern; the caller
 * keeps it (client->position). CT_EPROTOCOL: diag says what is wrong. */
CT_MUST_USE ct_status fednl__wire_decode_reply(const void *data, size_t size, unsigned ask,
                                               uint32_t round, const fednl__wire_client *client,
                                               fednl__wire_inbox *inbox, fednl__reply *reply,
                                               ct_diag *diag);

#endif
