// SPDX-License-Identifier: MIT
/* Messages between server and clients: how requests and replies become bytes and back. Everything
 * that is read is checked before it is used: lengths against what is there, positions against the
 * pattern, numbers for being finite. A failure is CT_EPROTOCOL, and diag reads on after "broke the
 * protocol: "; or CT_ENOMEM. The table of the formats is in ufednl/README.md.
 *
 * Sizes (fednl__wire_*_bytes) count a message with its frame, so that a solver whose clients live
 * in its own process counts the same traffic as one over TCP. */
#ifndef UFEDNL_WIRE_H
#define UFEDNL_WIRE_H

#include "client.h"
#include "link.h"

#include <ctrain/bytes.h>
#include <ctrain/transport.h>

/* Message types. What the server numbers (aux) an answer repeats. */
enum {
    FEDNL__MESSAGE_JOIN = 1, // client: its rows, features, labels, counts of the columns
    FEDNL__MESSAGE_START,    // server: d, order of columns, labels, compressor
    FEDNL__MESSAGE_REFUSE,   // server: a reason, text
    FEDNL__MESSAGE_REQUEST,  // server, numbered
    FEDNL__MESSAGE_REPLY,    // client
    FEDNL__MESSAGE_CERTIFY,  // server, numbered: x; client: f, gradient
    FEDNL__MESSAGE_SAVE,     // server, numbered: a stamp; client: nothing, or why not, text
    FEDNL__MESSAGE_RESUME,   // the same
    FEDNL__MESSAGE_FAILED,   // client, instead of an answer: a reason, text
    FEDNL__MESSAGE_FINISH    // server: outcome, f, gradient norm, x
};

/* The largest d: positions in the triangle are 32 bits. */
#define FEDNL__MAX_DIMENSION 92681

/* What a client says of itself. */
typedef struct fednl__join {
    uint64_t rows;
    uint32_t columns; // of its data
    uint32_t labels;  // 1 or 2 different ones
    double label[2];  // larger first; label[1] is not used where there is 1
    uint64_t *counts; // (columns) rows that have each column; allocated by the decoder
} fednl__join;

/* What a client is told. */
typedef struct fednl__start {
    uint32_t id;          // the client's
    uint64_t run;         // identifies the run: for checkpoints
    fednl__layout layout; // coordinate allocated by the decoder
    double label[2];      // larger, smaller
    bool second_order;    // estimates are needed, by
    fednl__compressor compressor;
} fednl__start;

/* Encoders write a message into a buffer, which grows, in place of what was there. */
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
CT_MUST_USE ct_status fednl__wire_encode_finish(fednl__buffer *out, const fednl__finish *finish,
                                                size_t dimension);
/* x (dimension) is filled, and finish->x points to it where there is a model. */
CT_MUST_USE ct_status fednl__wire_decode_finish(const void *data, size_t size, size_t dimension,
                                                double *x, fednl__finish *finish, ct_diag *diag);

CT_MUST_USE ct_status fednl__wire_encode_request(fednl__buffer *out, const fednl__request *request,
                                                 size_t dimension);
/* x (dimension) is the client's former point, which a delta is added to, and becomes the new one.
 */
CT_MUST_USE ct_status fednl__wire_decode_request(const void *data, size_t size, size_t dimension,
                                                 double *x, fednl__request *request, ct_diag *diag);
size_t fednl__wire_request_bytes(const fednl__request *request, size_t dimension);

/* n finite numbers: x of a certificate, and its gradient after f. */
CT_MUST_USE ct_status fednl__wire_encode_numbers(fednl__buffer *out, const double *v, size_t n);
CT_MUST_USE ct_status fednl__wire_decode_numbers(const void *data, size_t size, double *v, size_t n,
                                                 ct_diag *diag);

/* Tells checkpoints apart: those of server and clients must be of one moment. */
typedef struct fednl__stamp {
    uint64_t run, moment;
} fednl__stamp;
CT_MUST_USE ct_status fednl__wire_encode_stamp(fednl__buffer *out, const fednl__stamp *stamp);
CT_MUST_USE ct_status fednl__wire_decode_stamp(const void *data, size_t size, fednl__stamp *stamp,
                                               ct_diag *diag);

/* What is known on both sides of how a client's replies look. */
typedef struct fednl__wire_client {
    uint32_t id;
    size_t dimension;
    const fednl__compressor *compressor; // NULL: no estimates
    bool has_pattern;                    // the server knows it: a HESSIAN reply has been sent
    size_t pattern, active;              // |P|, a
    const uint32_t *position;            // (|P|)
    const uint32_t *coordinate;          // (a) with an entry on the diagonal; ascending
} fednl__wire_client;

/* The coordinates whose diagonal entry is among position (n), to coordinate (dimension); returns
 * how many. */
size_t fednl__wire_active(const uint32_t *position, size_t n, size_t dimension,
                          uint32_t *coordinate);

/* What was asked, in the order of the bits. GRADIENT, PARTIAL: the a active entries where the
 * server knows the pattern, else all d. HESSIAN: l, then
 *
 *     the first   |P|, the pattern's positions in the triangle, 8 |P|
 *     Identity    8 |P|
 *     TopK, TopLEK   n, slots on the pattern, 8 n
 *     RandK, RandSeqK   8 for each entry drawn that is on the pattern; the server draws again
 *     Natural     1 1/2 an entry: sign and exponent, 12 bits
 *     Rank-R      R, 8 R (a + 1)
 *
 * n ascending positions among m take nothing where n = m, else the less of 4 n and m / 8: a list or
 * a bit map. */
CT_MUST_USE ct_status fednl__wire_encode_reply(fednl__buffer *out, const fednl__reply *reply,
                                               const fednl__wire_client *client);
void fednl__wire_reply_bytes(const fednl__reply *reply, const fednl__wire_client *client,
                             uint64_t *bytes, uint64_t *bytes_indices);

/* Arrays of a decoded reply belong to this, and grow as needed. Zero is empty. */
typedef struct fednl__wire_array {
    void *data;
    size_t capacity; // bytes
} fednl__wire_array;
typedef struct fednl__wire_inbox {
    fednl__wire_array g, value, slot, index, rank;
} fednl__wire_inbox;
void fednl__wire_inbox_clear(fednl__wire_inbox *inbox);

/* ask and round are those of the request. work, large enough for the client's pattern, is for RandK
 * and RandSeqK. A first HESSIAN reply is told by client->has_pattern; its update's index is the
 * pattern, which the caller copies. */
CT_MUST_USE ct_status fednl__wire_decode_reply(const void *data, size_t size, unsigned ask,
                                               uint32_t round, const fednl__wire_client *client,
                                               fednl__compress_work *work, fednl__wire_inbox *inbox,
                                               fednl__reply *reply, ct_diag *diag);

#endif
