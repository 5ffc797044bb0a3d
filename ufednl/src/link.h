// SPDX-License-Identifier: MIT
/* How a server reaches its clients: in this process (link_local.c) or through a transport
 * (link_remote.c). The solver does not know which. */
#ifndef UFEDNL_LINK_H
#define UFEDNL_LINK_H

#include "client.h"
#include <ctrain/checkpoint.h>

#include <ctrain/threads.h>

/* Replies of clients client[0 … n-1], in ascending order over all calls of one exchange; for the
 * time of the call. */
typedef void fednl__consume_fn(void *context, const uint32_t *client, const fednl__reply *replies,
                               size_t n);

typedef struct fednl__link fednl__link;

/* How it ended, for the clients to know. */
typedef struct fednl__finish {
    fednl_outcome outcome;
    double f, grad_norm; // the certificate
    const double *x;     // (d) the model's weights; NULL: diverged, there is none
} fednl__finish;

typedef struct fednl__link_ops {
    /* Ask the n clients who (ascending) and hand their replies to consume in that order. A failure
     * names the client. Where lost clients are allowed (FedNL-PP), their replies are left out, and
     * lost[] of link is set. */
    ct_status (*exchange)(fednl__link *link, const fednl__request *request, const uint32_t *who,
                          size_t n, fednl__consume_fn *consume, void *context, ct_diag *diag);
    /* f (mean loss, no regulariser) and gradient from each client's raw rows, summed with weights
     * in the order of the clients: g (d). x in internal order. */
    ct_status (*certify)(fednl__link *link, const double *x, double *f, double *g, ct_diag *diag);
    /* The clients' part of a checkpoint: in the file of the solver where they are in this process;
     * elsewhere each has its own file, and is told to write or to read it. */
    ct_status (*save)(fednl__link *link, ct_checkpoint_writer *writer, ct_diag *diag);
    ct_status (*resume)(fednl__link *link, ct_checkpoint *checkpoint, ct_diag *diag);
    /* Tell everybody that it is over, and free; finish NULL: without a result. */
    void (*close)(fednl__link *link, const fednl__finish *finish);
} fednl__link_ops;

struct fednl__link {
    const fednl__link_ops *ops;
    size_t clients;
    double *weight;        // (clients) w_i
    bool *lost;            // (clients) not reachable now
    fednl_traffic traffic; // so far
    size_t pattern;        // |P_i|, summed over the clients of whom it is known
    double derivatives_s, compress_s, wait_s;
};

#endif
