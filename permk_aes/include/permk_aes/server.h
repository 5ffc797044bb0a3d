// SPDX-License-Identifier: MIT
/* The server: forwards every client's frames to all others, as they arrive, and knows nothing.
 *
 * It has no key and can compute nothing with what passes through; the object code of this module
 * references no cryptography. What it could do is refuse to forward; clients then end with an
 * error. Frames are chunks of at most a megabyte, and while two of them are queued for the slowest
 * reader it takes nothing from the others: it holds at most six a client, whatever the dimension.
 *
 * Who is slow: the run waits for whoever has not completed what another has begun, unless a reader
 * that does not keep up holds up the others, then for that reader; where nobody has begun anything,
 * for all. */
#ifndef PERMK_AES_SERVER_H
#define PERMK_AES_SERVER_H

#include <ctrain/stop.h>
#include <ctrain/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct permk_server_options {
    // A client for which the run has waited so long in one round is lost (default 60,000). While it
    // waits, those held up send nothing: their ct_tcp_options.stall_timeout_ms must be longer
    int round_timeout_ms;
    // Go on without lost clients while so many are left, client 0, which leads, among them: their
    // coordinates rest. 0 (default), or before all have said hello: a loss ends the run
    uint32_t min_clients;
    const char *capture; // write what is forwarded to this file (capture.h), also where the run
                         // fails; NULL (default): not
    void (*on_lost)(void *context, uint32_t client, const char *why); // may be NULL
    const ct_stop_flag *stop;                         // borrowed, polled; may be NULL
    void (*on_round)(void *context, uint64_t rounds); // so many are complete; may be NULL
    void *on_round_context;                           // handed to both
} permk_server_options;
permk_server_options permk_server_options_default(void);

typedef struct permk_server_result {
    uint64_t rounds; // complete rounds forwarded
    uint32_t lost;   // clients that were lost on the way
    ct_traffic traffic;
    size_t most_queued_bytes; // for all clients together, at any time
} permk_server_result;

/* Serve one run over an open server endpoint (the caller closes it), whose limits it lowers
 * (ct_transport_set_limits); returns when every client has said good-bye or is lost. opt NULL:
 * defaults. CT_ECLOSED: a client is gone before the end; CT_ETIMEOUT: the run has waited for one or
 * more too long; CT_EPROTOCOL; CT_EINTERRUPTED: *stop; CT_ENOMEM; of the capture what
 * ct_file_writer_open and _commit return. diag names them, and the others are told. */
CT_MUST_USE ct_status permk_server_run(permk_server_result *result, ct_transport *transport,
                                       const permk_server_options *opt, ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
