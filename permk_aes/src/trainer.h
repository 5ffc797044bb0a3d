// SPDX-License-Identifier: MIT
/* The part of training that does not care whether the clients are in one process or in many: what
 * a client sends in a round, how a round's messages change the iterate, when a run ends. */
#ifndef PERMK_AES_TRAINER_H
#define PERMK_AES_TRAINER_H

#include <permk_aes/train.h>

#define PERMK__STOP_VALUES   3 // a stop message: outcome, f, ||grad f||^2
#define PERMK__SETTINGS_SIZE 2048

typedef struct permk__trainer {
    permk_problem *problem;         // borrowed
    const permk_train_options *opt; // borrowed
    uint32_t n;
    size_t d;
    size_t count;               // doubles a message
    double step;                //
    permk_ownership *ownership; // NULL for GD
    double *x;                  // (d)        the iterate
    bool at_x;                  // the problem was moved to x, and x is as it was then
    double *gradient;           // (d)        exact gradient; GD: the mean
    double *messages;           // (n, count) this round's messages, in client order
    bool judged;                // first_norm is known
    double first_norm;          // ||grad f||^2 as evaluated first
    double loss, norm;          // as evaluated last
    permk_phases phases;
} permk__trainer;

/* Check options, allocate, copy the starting point. clear copes with a half-made trainer. */
CT_MUST_USE ct_status permk__trainer_init(permk__trainer *t, permk_problem *problem,
                                          const double *x, const permk_train_options *opt,
                                          ct_diag *diag);
void permk__trainer_clear(permk__trainer *t);
/* The ownership maps, from the seed or from the session's keys. */
CT_MUST_USE ct_status permk__trainer_set_ownership(permk__trainer *t, const permk_session *session,
                                                   ct_diag *diag);

/* "method=permk rule=… …": everything participants must have in common. */
void permk__trainer_settings(const permk__trainer *t, char out[PERMK__SETTINGS_SIZE]);
/* The session of these settings, with the nonces of all clients; self as in its options. */
CT_MUST_USE ct_status permk__trainer_open_session(const permk__trainer *t, permk_session **out,
                                                  const permk_key *key, uint32_t self,
                                                  const unsigned char *nonces, ct_diag *diag);

CT_MUST_USE ct_status permk__trainer_begin_round(permk__trainer *t, uint64_t round, ct_diag *diag);
/* Client's message of this round into values (count), padded with zeros. */
CT_MUST_USE ct_status permk__trainer_compute(permk__trainer *t, uint32_t client, double *values,
                                             ct_diag *diag);
/* One step with all n messages. */
void permk__trainer_step(permk__trainer *t);
/* f and ||grad f||^2 at the iterate, into loss and norm. */
CT_MUST_USE ct_status permk__trainer_evaluate(permk__trainer *t, ct_diag *diag);
/* Is the iterate of `rounds` steps the last, as far as the evaluation tells? */
bool permk__trainer_ended(permk__trainer *t, uint64_t rounds, permk_outcome *outcome);
/* Is f to be evaluated after `rounds` steps? */
bool permk__trainer_evaluates(const permk__trainer *t, uint64_t rounds);
/* Call on_round. */
void permk__trainer_report(const permk__trainer *t, bool evaluated, const permk_result *so_far);
/* Bytes of one message's frame. */
uint64_t permk__trainer_frame_bytes(const permk__trainer *t);
/* What one client sends and receives in a round and in its hello, into result. */
void permk__trainer_account(const permk__trainer *t, permk_result *result);
/* Fill what both ways of running share; x receives the iterate. */
CT_MUST_USE ct_status permk__trainer_finish(const permk__trainer *t, permk_result *result,
                                            double *x, ct_diag *diag);

#endif
