// SPDX-License-Identifier: MIT
/* A client as a state machine: a request in, a reply out. It knows its rows, its estimate H_i and
 * nothing of the server or of how messages travel. */
#ifndef UFEDNL_CLIENT_H
#define UFEDNL_CLIENT_H

#include "compress.h"
#include "rows.h"
#include <ctrain/checkpoint.h>

#include <ufednl/ufednl.h>

/* What is asked, any of these together. */
enum {
    FEDNL__ASK_LOSS = 1,      // f_i
    FEDNL__ASK_SLOPE = 2,     // its derivative along the step from the base to the point
    FEDNL__ASK_GRADIENT = 4,  // its gradient
    FEDNL__ASK_HESSIAN = 8,   // learn: the compressed difference of Hessians, and l_i
    FEDNL__ASK_PARTIAL = 16,  // with HESSIAN: FedNL-PP's H_i x - gradient instead of it
    FEDNL__ASK_CONSTANTS = 32 // instead of all others: L_i as f, M_i as slope
};

/* Where. A client keeps the margins of two points, its base and the point tried last. x given: try
 * x. x NULL: the point base + t (tried - base). accept: that point becomes the base. */
typedef struct fednl__request {
    unsigned ask;
    uint32_t round;
    bool accept;
    double t;        // where x is NULL
    const double *x; // (d)
    // How x may travel (FedNL-BC): as what is added to the former x. Messages only
    bool has_delta;
    size_t n_delta;
    const uint32_t *delta_index; // (n) coordinates, ascending
    const double *delta;         // (n)
} fednl__request;

/* The regulariser is not in here: it is the same for every client, and the server adds it once. */
typedef struct fednl__reply {
    unsigned ask;         // as in the request
    double f, slope;      // LOSS, SLOPE
    const double *g;      // (d) GRADIENT; PARTIAL: H_i x - gradient
    double l;             // HESSIAN: what the estimate lacks now, after H_i += alpha S_i
    bool whole;           // HESSIAN: the update is H_i itself, not what is added to it
    fednl__update update; // HESSIAN
} fednl__reply;

typedef struct fednl__client {
    uint32_t id;
    fednl__rows rows;
    fednl__pattern pattern;
    const fednl__compressor *compressor; // borrowed; NULL: no estimate is kept, nor a pattern
    bool started;                        // there is an estimate
    double *h;                           // (|P|) H_i; NULL for Identity, where it is what was sent
    double *base, *tried;                // (r) margins
    ct_arena state;
    double derivatives_s, compress_s; // seconds spent
} fednl__client;

/* Lay out the state; client->rows is there by then (fednl__rows_init). compressor NULL: no
 * estimates, so that HESSIAN is never asked. CT_ENOMEM. */
CT_MUST_USE ct_status fednl__client_init(fednl__client *client, uint32_t id,
                                         const fednl__compressor *compressor);
void fednl__client_clear(fednl__client *client);

/* Append what the client knows to a checkpoint, and take it from there: its data must be the same.
 * CT_ECHECKPOINT: what is there does not fit. */
void fednl__client_save(const fednl__client *client, ct_checkpoint_writer *writer);
CT_MUST_USE ct_status fednl__client_restore(fednl__client *client, ct_checkpoint *checkpoint,
                                            ct_diag *diag);

/* Room for a reply, and for the work of making it; one for each reply that is held at a time. */
typedef struct fednl__desk {
    fednl__work work;
    double *g;                      // (d)
    double *z, *dz;                 // (r) margins at a point, and of the step to the point tried
    double *difference;             // (|P|) and what follows: with estimates only
    double *x, *y;                  // (a)
    fednl__compress_work *compress; // NULL for Identity
    ct_arena memory;
} fednl__desk;
/* Maxima over the clients that will use a desk. */
typedef struct fednl__desk_size {
    fednl__work_size work;
    size_t dimension, pattern;
} fednl__desk_size;
void fednl__desk_size_grow(fednl__desk_size *size, const fednl__client *client);
/* compressor NULL: there are no estimates. CT_ENOMEM, and what fednl__compress_work_create says. */
CT_MUST_USE ct_status fednl__desk_init(fednl__desk *desk, const fednl__desk_size *size,
                                       const fednl__compressor *compressor);
void fednl__desk_clear(fednl__desk *desk);

/* Answer. The reply's arrays are the desk's or the client's and hold until the next use of either.
 * The first HESSIAN reply, and every one of Identity, carries the Hessian itself, which becomes
 * H_i: it is as long as a difference, and exact. CT_ENUMERIC: Rank-R found no eigenvalues. */
CT_MUST_USE ct_status fednl__client_answer(fednl__client *client, const fednl__request *request,
                                           fednl__desk *desk, fednl__reply *reply);

#endif
