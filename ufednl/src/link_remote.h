// SPDX-License-Identifier: MIT
/* Clients at the other ends of a transport: they introduce themselves, are told what to do, and are
 * then a link. In between the solver chooses what depends on their data (order of coordinates, k,
 * alpha). */
#ifndef UFEDNL_LINK_REMOTE_H
#define UFEDNL_LINK_REMOTE_H

#include "wire.h"

#include <ufednl/network.h>

/* What the clients say of themselves, together. The arrays are the link's. */
typedef struct fednl__roll {
    size_t columns;        // remote->dims, or the most that a client has
    double label[2];       // larger, smaller
    uint64_t rows;         // of all clients
    uint64_t *client_rows; // (clients)
    uint64_t *counts;      // (columns) rows that have each column
} fednl__roll;

/* A link over transport, once all clients have introduced themselves within round_timeout_ms.
 * transport and what remote points to are borrowed until close; log may be NULL. weight of the link
 * is allocated, and the caller's to fill. CT_ETIMEOUT, CT_ECLOSED, CT_EPROTOCOL, FEDNL_EMISMATCH:
 * diag names the client; all others are told. */
CT_MUST_USE ct_status fednl__link_remote_open(fednl__link **out, fednl__roll *roll,
                                              ct_transport *transport,
                                              const fednl_remote_options *remote, fednl_log_fn *log,
                                              void *context, ct_diag *diag);

/* Tell all clients to start; start (its id is not used) is copied, to tell it again to clients that
 * come back. may_lose: a client that is lost is left out from then on, and what was learnt of every
 * client is kept, so that its first reply after it has come back is the update that turns the old
 * estimate into the new one. */
CT_MUST_USE ct_status fednl__link_remote_start(fednl__link *link, const fednl__start *start,
                                               bool may_lose, ct_diag *diag);

/* What clients will be told by close without a result. */
void fednl__link_remote_explain(fednl__link *link, const char *reason);

#endif
