// SPDX-License-Identifier: MIT
/* Compress, encrypt, concatenate, verify, apply, with plain buffers: for other federated
 * frameworks, which bring their own training loop and carry the bytes themselves.
 *
 * In a round every client calls permk_core_seal() on its gradient and hands the message (all of one
 * length) to the framework; whoever collects them concatenates, in client order, and needs no key;
 * every client calls permk_core_apply() on the n messages. One thread at a time. */
#ifndef PERMK_AES_CORE_H
#define PERMK_AES_CORE_H

#include <permk_aes/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct permk_core_options {
    permk_session_options session; // key, cipher, rule, clients, dimension, self, nonces, settings
    permk_value value;             // default F64
    uint64_t seed;                 // of the ownership maps, public; default 1
    bool secret_ownership;         // maps from the session's keys instead; default false
} permk_core_options;
permk_core_options permk_core_options_default(void);

typedef struct permk_core permk_core;
/* Value type, seed and kind of maps are bound into the keys: clients that do not agree on them
 * cannot read one another. Memory: one vector of d numbers as they travel. Errors as
 * permk_session_create and permk_ownership_create; CT_EINVALID: an unknown value type. */
CT_MUST_USE ct_status permk_core_create(permk_core **out, const permk_core_options *opt,
                                        ct_diag *diag);
/* Wipes what was decrypted; NULL is allowed. */
void permk_core_destroy(permk_core *core);

/* The round in progress, from 0. */
uint64_t permk_core_round(const permk_core *core);
/* Bytes of each client's message. */
size_t permk_core_message_bytes(const permk_core *core);
/* The coordinates client owns in this round: all of its gradient that is needed. The arrays are
 * valid until the next apply. Errors as permk_ownership_draw. */
CT_MUST_USE ct_status permk_core_block(permk_core *core, uint32_t client, permk_block *block,
                                       ct_diag *diag);

/* This round's message of `client` (self, unless the session simulates all): the entries of
 * gradient (d) that it owns, sealed. CT_ENUMERIC: one of them is not finite, or not as it travels
 * (F16: above 65,504); nothing is sealed. Else errors as permk_session_seal. */
CT_MUST_USE ct_status permk_core_seal(permk_core *core, uint32_t client, const double *gradient,
                                      void *message, ct_diag *diag);

/* Verify all n messages (one after the other; that of self may be anything, what was sealed counts)
 * and only then x (d) -= step g; goes to the next round. absent (n, may be NULL): messages that
 * never came, or are to be left out, by all clients alike; their coordinates stay, and so do those
 * of self if it has sealed nothing.
 *
 * On failure x is unchanged, the round is the same, and what did verify is kept: call again with
 * another message in the place of the bad one, or with its sender absent. PERMK_EAUTH: a message
 * does not verify, diag names the sender. CT_ENUMERIC: a message holds a number that is not
 * finite. PERMK_ECRYPTO, PERMK_ELIMIT. */
CT_MUST_USE ct_status permk_core_apply(permk_core *core, const void *messages, const bool *absent,
                                       double step, double *x, ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
