// SPDX-License-Identifier: MIT
/* The part of training that does not care whether the clients are in one process or in many: what
 * a client sends in a round, how a round's messages change the iterate, when a run ends. */
#ifndef PERMK_AES_TRAINER_H
#define PERMK_AES_TRAINER_H

#include "codec.h"

#include <permk_aes/train.h>

#define PERMK__STOP_VALUES   3 // a stop message: outcome, f, ||grad f||^2
#define PERMK__SETTINGS_SIZE 2048

/* What a client keeps from round to round besides the iterate. */
typedef struct permk__client_state {
    double *shift; // (d) DIANA h_i, EF21 g_i, MARINA the gradient at the iterate before; NULL: none
} permk__client_state;

typedef struct permk__trainer {
    permk_problem *problem;         // borrowed
    const permk_train_options *opt; // borrowed
    uint32_t n, self;               // self: PERMK_EVERY_SENDER in a simulation
    size_t d;
    double step;                  // of the first round
    permk__codec codec, dense;    // dense: MARINA's rounds of whole gradients, GD, measures
    bool is_dense;                // this round is one
    double *x;                    // (d) the iterate
    bool at_x;                    // the problem was moved to x, and x is as it was then
    double *gradient;             // (d) a client's gradient, then what it compresses
    double *update;               // (d) mean of the C_i of this round
    double *direction;            // (d) MARINA, EF21 g; DIANA h; NULL: the update is the step
    permk__client_state *clients; // (n) of those that live here
    double *measure;              // (d + 1) gradient and loss, where f is evaluated by all; or NULL
    uint64_t round;
    bool judged;       // first_norm is known
    double first_norm; // ||grad f||^2 as evaluated first
    double loss, norm; // as evaluated last
    permk_phases phases;
} permk__trainer;

/* Check options, allocate, copy the starting point. clear copes with a half-made trainer. */
CT_MUST_USE ct_status permk__trainer_init(permk__trainer *t, permk_problem *problem, uint32_t self,
                                          const double *x, const permk_train_options *opt,
                                          ct_diag *diag);
void permk__trainer_clear(permk__trainer *t);
/* The compressor, with the ownership maps of the seed or of the session's keys. */
CT_MUST_USE ct_status permk__trainer_open(permk__trainer *t, const permk_session *session,
                                          ct_diag *diag);

/* "method=dcgd compressor=permk … …": everything participants must have in common. */
void permk__trainer_settings(const permk__trainer *t, char out[PERMK__SETTINGS_SIZE]);

/* Begin t->round: draw what is random, move the problem to x. */
CT_MUST_USE ct_status permk__trainer_begin(permk__trainer *t, ct_diag *diag);
/* The codec of this round's messages. */
permk__codec *permk__trainer_codec(permk__trainer *t);
/* Client's message of this round into payload (payload_bytes of the codec); *in_place is where it
 * lies ready to be sent instead, or NULL. Its shift follows. */
CT_MUST_USE ct_status permk__trainer_compute(permk__trainer *t, uint32_t client, void *payload,
                                             const void **in_place, ct_diag *diag);
/* Clear the update, add each present client's message in client order, step, and go to the next
 * round. False from add: a number is not finite. */
void permk__trainer_collect(permk__trainer *t);
CT_MUST_USE bool permk__trainer_add(permk__trainer *t, uint32_t client, const void *payload);
void permk__trainer_step(permk__trainer *t, uint32_t absent);

/* Is f to be evaluated after `rounds` steps? */
bool permk__trainer_evaluates(const permk__trainer *t, uint64_t rounds);
/* f and ||grad f||^2 at the iterate, into loss and norm, from what this process holds. */
CT_MUST_USE ct_status permk__trainer_evaluate(permk__trainer *t, ct_diag *diag);
/* The same from all: measure (d + 1) becomes the client's own; add those of all in order; end. */
CT_MUST_USE ct_status permk__trainer_measure(permk__trainer *t, uint32_t client, double *measure,
                                             ct_diag *diag);
void permk__trainer_measure_begin(permk__trainer *t);
void permk__trainer_measure_add(permk__trainer *t, const double *measure);
void permk__trainer_measure_end(permk__trainer *t, uint32_t present);
/* Is the iterate of `rounds` steps the last, as far as the evaluation tells? */
bool permk__trainer_ended(permk__trainer *t, permk_outcome *outcome);
/* Is the iterate still finite? Looked at every round. */
bool permk__trainer_finite(const permk__trainer *t);

void permk__trainer_report(const permk__trainer *t, bool evaluated, uint32_t present,
                           const permk_result *so_far);
/* Fill what both ways of running share; x receives the iterate. */
CT_MUST_USE ct_status permk__trainer_finish(const permk__trainer *t, permk_result *result,
                                            double *x, ct_diag *diag);

/* State of the run and of the clients that live here, to a file and back (state.c). */
CT_MUST_USE ct_status permk__trainer_save(const permk__trainer *t, const char *path, ct_diag *diag);
CT_MUST_USE ct_status permk__trainer_restore(permk__trainer *t, const char *path, ct_diag *diag);

#endif
