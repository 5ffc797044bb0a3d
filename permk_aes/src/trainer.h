// SPDX-License-Identifier: MIT
/* The part of training that does not care whether the clients are in one process or in many: what
 * a client sends in a round, how a round's messages change the iterate, when a run ends. */
#ifndef PERMK_AES_TRAINER_H
#define PERMK_AES_TRAINER_H

#include "codec.h"

#include <permk_aes/replay.h>
#include <permk_aes/train.h>

#define PERMK__STOP_VALUES   3                    // a stop message: outcome, f, ||grad f||^2
#define PERMK__HELLO_BYTES   PERMK_HELLO_SETTINGS // before the settings
#define PERMK__SETTINGS_SIZE 2048

typedef struct permk__trainer {
    permk_problem *problem;         // borrowed
    const permk_train_options *opt; // borrowed
    uint32_t n, self;               // self: PERMK_EVERY_SENDER in a simulation
    size_t d;
    double step; // of the first round
    permk__codec codec;
    permk__codec dense; // MARINA, EF21: of rounds in which whole gradients are sent
    bool is_dense;      // this round is one
    double *x;          // (d) the iterate
    bool at_x;          // the problem was moved to x, and x is as it was then
    double *gradient;   // (d) a client's gradient, then what it compresses
    double *update;     // (d) mean of what the clients sent in this round
    double *direction;  // (d) MARINA and EF21: g; DIANA: h; NULL: the update is the direction
    double **shift;     // (n) of the clients that live here (d): DIANA h_i, EF21 g_i, MARINA the
                        // gradient at the iterate before; NULL: the method has none
    double *measure;    // (d + 1) where f is evaluated by all: mean gradient, then loss; or NULL
    uint64_t round;     // steps taken
    bool finite;        // x was, after the last step
    bool judged;        // first_norm is known
    double first_norm;  // ||grad f||^2 as evaluated first
    double loss, norm;  // as evaluated last
    permk_phases phases;
} permk__trainer;

/* Check options, allocate, copy the starting point. clear copes with a half-made trainer. */
CT_MUST_USE ct_status permk__trainer_init(permk__trainer *t, permk_problem *problem, uint32_t self,
                                          const double *x, const permk_train_options *opt,
                                          ct_diag *diag);
void permk__trainer_clear(permk__trainer *t);
/* Make the compressor, with the ownership maps of the seed or of the session's keys. */
CT_MUST_USE ct_status permk__trainer_open(permk__trainer *t, const permk_session *session,
                                          ct_diag *diag);

/* "clients=… method=dcgd compressor=permk …": everything participants must have in common. */
void permk__trainer_settings(const permk__trainer *t, char out[PERMK__SETTINGS_SIZE]);

/* Begin a round: draw what is random, move the problem to x, clear the update. */
CT_MUST_USE ct_status permk__trainer_begin(permk__trainer *t, ct_diag *diag);
/* The codec of this round's messages. */
permk__codec *permk__trainer_codec(permk__trainer *t);
/* Client's message of this round into payload (payload_bytes of the codec). Its shift follows. */
CT_MUST_USE ct_status permk__trainer_compute(permk__trainer *t, uint32_t client, void *payload,
                                             ct_diag *diag);
/* Add a client's message to the update: all of them in client order. False: a number in it is not
 * finite. */
CT_MUST_USE bool permk__trainer_add(permk__trainer *t, uint32_t client, const void *payload);
/* Step, and go to the next round; absent: clients whose message did not come. */
void permk__trainer_step(permk__trainer *t, uint32_t absent);

/* Is f to be evaluated now? */
bool permk__trainer_evaluates(const permk__trainer *t);
/* f and ||grad f||^2 at the iterate, into loss and norm, from what this process holds. */
CT_MUST_USE ct_status permk__trainer_evaluate(permk__trainer *t, ct_diag *diag);
/* The same by all clients (problem->own_only): a client's part (d + 1) into part; then begin, add
 * the parts in client order, end. */
CT_MUST_USE ct_status permk__trainer_measure(permk__trainer *t, uint32_t client, double *part,
                                             ct_diag *diag);
void permk__trainer_measure_begin(permk__trainer *t);
void permk__trainer_measure_add(permk__trainer *t, const double *part);
void permk__trainer_measure_end(permk__trainer *t, uint32_t present);
/* Is the iterate the last, as far as the evaluation tells? */
bool permk__trainer_ended(permk__trainer *t, permk_outcome *outcome);

void permk__trainer_report(const permk__trainer *t, bool evaluated, uint32_t present,
                           const permk_result *so_far);
/* Fill what both ways of running share; x receives the iterate. */
CT_MUST_USE ct_status permk__trainer_finish(const permk__trainer *t, permk_result *result,
                                            double *x, ct_diag *diag);

/* State of the run and of the clients that live here, to a file and back (state.c). */
CT_MUST_USE ct_status permk__trainer_save(const permk__trainer *t, const char *path, ct_diag *diag);
CT_MUST_USE ct_status permk__trainer_restore(permk__trainer *t, const char *path, ct_diag *diag);
/* Save where it is asked for and due. */
CT_MUST_USE ct_status permk__trainer_checkpoint(const permk__trainer *t, ct_diag *diag);

/* ---- Messages as parts ---- */

/* The session of these settings, with the nonces (n, PERMK_NONCE_BYTES) of all clients. */
CT_MUST_USE ct_status permk__trainer_session(const permk__trainer *t, permk_session **out,
                                             const permk_key *key, const unsigned char *nonces,
                                             ct_diag *diag);
/* Its id in hexadecimal digits. */
void permk__session_text(const permk_session *session, char out[33]);

/* The chunks of a message: begin, then next until it says no. */
typedef struct permk__parts {
    permk_part part;
    size_t offset, size; // of this chunk's plain text in the message's
    size_t total, chunk_bytes;
} permk__parts;
permk__parts permk__parts_begin(const permk__trainer *t, permk_kind kind);
bool permk__parts_next(permk__parts *parts);
/* Frames, flags, tags and signatures of such a message on the wire. */
uint64_t permk__parts_wire_bytes(const permk__parts *message, size_t overhead);

/* What a client sends before the first round: its hello, with the settings in it. */
uint64_t permk__hello_wire_bytes(const permk__trainer *t);

/* Add what one client sends and receives in the round that was just exchanged, its message being of
 * the round's codec and all clients there. */
void permk__trainer_account(const permk__trainer *t, size_t overhead, permk_result *result);

#endif
