// SPDX-License-Identifier: MIT
/* The server: forwards every client's messages to all others, as they arrive, and knows nothing.
 *
 * It has no key and can compute nothing with what passes through; the object code of this module
 * references no cryptography. What it could do is refuse to forward; clients then end with an
 * error. */
#ifndef PERMK_AES_SERVER_H
#define PERMK_AES_SERVER_H

#include <ctrain/stop.h>
#include <ctrain/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct permk_server_options {
    int round_timeout_ms;     // a round that is not complete by then ends the run (default 60,000)
    const ct_stop_flag *stop; // borrowed, polled; may be NULL
    void (*on_round)(void *context, uint64_t rounds); // so many are complete; may be NULL
    void *on_round_context;                           // handed to on_round
} permk_server_options;
permk_server_options permk_server_options_default(void);

typedef struct permk_server_result {
    uint64_t rounds; // complete rounds forwarded
    ct_traffic traffic;
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
