// SPDX-License-Identifier: MIT
/* Compress, encrypt, concatenate, verify, apply, with plain buffers: for other federated
 * frameworks, which bring their own training loop and carry the bytes themselves.
 *
 * In a round every client calls permk_core_seal() on its gradient and hands the message (all of one
 * length) to the framework; whoever collects them concatenates, in client order, and needs no key;
 * every client calls permk_core_apply() on the n messages. */
#ifndef PERMK_AES_CORE_H
#define PERMK_AES_CORE_H

#include <permk_aes/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct permk_core_options {
    permk_session_options session; // key, cipher, rule, clients, dimension, self, nonces, settings
    permk_value value;             // default F64
    uint64_t seed;                 // of the ownership maps, public
    bool secret_ownership;         // maps from the session's keys instead
} permk_core_options;
permk_core_options permk_core_options_default(void);

typedef struct permk_core permk_core;
/* Errors as permk_session_create and permk_ownership_create. */
CT_MUST_USE ct_status permk_core_create(permk_core **out, const permk_core_options *opt,
                                        ct_diag *diag);
void permk_core_destroy(permk_core *core);

/* Bytes of each client's message. */
size_t permk_core_message_bytes(const permk_core *core);
/* This round's message of `client` (self, unless the session simulates all): the entries of
 * gradient (d) that it owns, sealed. Errors as permk_session_seal. */
CT_MUST_USE ct_status permk_core_seal(permk_core *core, uint32_t client, const double *gradient,
                                      void *message, ct_diag *diag);
/* Verify all n messages (messages: one after the other; a client's own may be anything where
 * self is set, and is taken from gradient) and only then x (d) -= step g; goes to the next round.
 * absent (n, may be NULL): messages that never came; their coordinates stay. gradient is this
 * client's, or NULL in a simulation. PERMK_EAUTH: x is unchanged, and diag names the sender. */
CT_MUST_USE ct_status permk_core_apply(permk_core *core, const void *messages, const bool *absent,
                                       const double *gradient, double step, double *x,
                                       ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
