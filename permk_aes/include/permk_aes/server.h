// SPDX-License-Identifier: MIT
/* The server: forwards every client's frames to all others, as they arrive, and knows nothing.
 *
 * It has no key and can compute nothing with what passes through; the object code of this module
 * references no cryptography. What it could do is refuse to forward; clients then end with an
 * error. Frames are chunks of at most a megabyte, and it reads from nobody while it has more than a
 * few of them queued for the slowest reader: its memory does not grow with the dimension. */
#ifndef PERMK_AES_SERVER_H
#define PERMK_AES_SERVER_H

#include <ctrain/stop.h>
#include <ctrain/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct permk_server_options {
    int round_timeout_ms; // a client whose frames of a round are not complete by then is lost
                          // (default 60,000)
    uint32_t min_clients; // go on without lost clients while so many are left (client 0, which
                          // leads, among them): their coordinates rest; 0 (default): end the run
    const char *capture;  // write every frame that is forwarded to this file; NULL (default): not
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
    size_t most_queued_bytes; // at any time
} permk_server_result;

/* Serve one run over an open server endpoint (the caller closes it); returns when every client has
 * said good-bye. opt NULL: defaults. CT_ECLOSED: a client is gone before the end; CT_ETIMEOUT: one
 * or more were silent for too long; CT_EPROTOCOL; CT_EINTERRUPTED: *stop. diag names them, and
 * the others are told. */
CT_MUST_USE ct_status permk_server_run(permk_server_result *result, ct_transport *transport,
                                       const permk_server_options *opt, ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
