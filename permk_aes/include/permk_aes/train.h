// SPDX-License-Identifier: MIT
/* Training: gradient descent and DCGD/PermK, by n clients in one process (permk_simulate) or by one
 * client among n processes that meet at a server (permk_client_run; the server is in
 * permk_aes/server.h). Same options, same iterates, bit for bit.
 *
 * DCGD/PermK: x <- x - step * g, where coordinate j of g is taken from the gradient of the client
 * that owns j in this round (permk_aes/ownership.h). It reaches the minimum where all f_i share a
 * minimiser, else only the neighbourhood of it. GD: every client sends its whole gradient to all
 * others, and all take the mean in client order. */
#ifndef PERMK_AES_TRAIN_H
#define PERMK_AES_TRAIN_H

#include <ctrain/stop.h>
#include <ctrain/transport.h>
#include <permk_aes/problem.h>
#include <permk_aes/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum permk_method {
    PERMK_METHOD_GD = 1,
    PERMK_METHOD_PERMK = 2 // DCGD/PermK
} permk_method;
/* "gd", "permk". */
const char *permk_method_name(permk_method method);
/* False, and *out untouched, for a name that is none of these. */
CT_MUST_USE bool permk_method_from_name(permk_method *out, const char *name);

/* How a run ended. */
typedef enum permk_outcome {
    PERMK_CONVERGED = 0,   // ||grad f||^2 fell below tol
    PERMK_MAX_ROUNDS = 1,  // max_rounds steps were taken
    PERMK_DIVERGED = 2,    // ||grad f||^2 is not finite or 1e8 times its first value
    PERMK_INTERRUPTED = 3, // by *stop
    PERMK_PEER_STOPPED = 4 // another client was interrupted
} permk_outcome;
/* "converged", "max_rounds", "diverged", "interrupted", "peer_stopped". */
const char *permk_outcome_name(permk_outcome outcome);

/* Where the time of a run went, in seconds. */
typedef struct permk_phases {
    double gradient; // clients' gradients
    double seal;     // encryption
    double send;     //
    double wait;     // for the other clients' messages
    double open;     // verification and decryption
    double step;     // drawing ownership, applying blocks
    double evaluate; // f and grad f for the stopping rule
} permk_phases;

/* The state after `round` steps; round 0 is the start. Bytes are those of one client, so far, in
 * frames as they are on the wire, headers of 12 bytes included: its own, or, in a simulation, those
 * of any one, for messages of a round are all of one length. */
typedef struct permk_round {
    uint64_t round;
    double f;                   // NaN where it was not evaluated
    double grad_norm_squared;   // ||grad f||^2; NaN where it was not evaluated
    uint64_t client_bytes_up;   // sent
    uint64_t client_bytes_down; // received
    permk_phases phases;        // so far
    const double *x;            // (d) borrowed for the call
} permk_round;

typedef void permk_round_fn(void *context, const permk_round *round);

typedef struct permk_train_options {
    permk_method method; // default PERMK_METHOD_PERMK
    permk_rule rule;     // default PERMK_RULE_ROTATION
    permk_cipher cipher; // default PERMK_AES_128_GCM
    double step;         // 0 (default): theoretical: 1/L for GD, 1/max L_i for PermK
    double tol;          // end when ||grad f||^2 < tol; default 1e-10; 0: after max_rounds only
    uint64_t max_rounds; // default 10,000; sealed: at most 65,535, a limit of the keys
    uint64_t eval_every; // rounds from one exact evaluation to the next, at least 1 (default)
    uint64_t seed;       // of the ownership maps, known to all
    /* What the problem is, in words all clients must share ("quadratic d=8 seed=1"): compared, and
     * bound into the keys. Borrowed, may be NULL. */
    const char *problem_text;
    bool secret_ownership;    // maps from the session's keys instead: different in every run
    const permk_key *key;     // borrowed; a simulation may leave it NULL (a fresh one is drawn)
    const ct_stop_flag *stop; // borrowed, polled every round; may be NULL
    permk_round_fn *on_round; // called at the start and after every step; may be NULL
    void *on_round_context;   // handed to on_round
    int round_timeout_ms; // client: the longest wait for the others in one round (default 60,000)
} permk_train_options;
permk_train_options permk_train_options_default(void);

typedef struct permk_result {
    permk_outcome outcome;
    uint64_t rounds;             // steps taken
    double step;                 // the step size used
    double f, grad_norm_squared; // as evaluated last (other clients: as client 0 told them)
    uint64_t client_bytes_up, client_bytes_down; // all rounds, as in permk_round
    uint64_t client_bytes_up_per_round, client_bytes_down_per_round; // one round
    uint64_t client_bytes_up_hello, client_bytes_down_hello;         // once, before the first round
    uint32_t stopped_by;                                             // PERMK_PEER_STOPPED: who
    double seconds;                                                  // wall clock
    permk_phases phases;
    unsigned char x_sha256[32]; // SHA-256 of x as little-endian doubles: two runs agree bit for bit
} permk_result;

/* Run all clients of problem in this process, sealing and opening every block. Each block is opened
 * once: in this process all receivers would open the same bytes with the same key. x (d) is the
 * starting point and becomes the last iterate; on failure it is unchanged. CT_EINVALID: a bad
 * option, named in diag; PERMK_ELIMIT; PERMK_ECRYPTO; CT_ENOMEM. */
CT_MUST_USE ct_status permk_simulate(permk_result *result, permk_problem *problem, double *x,
                                     const permk_train_options *opt, ct_diag *diag);

/* Take part as client `id` over an open transport (its one peer is the server; the caller closes
 * it). Client 0 leads: it alone evaluates f and ends the run for all with a sealed message.
 * Everyone's options must agree: PERMK_EMISMATCH names the client and the settings. PERMK_EAUTH: a
 * message failed to verify; diag names its sender. CT_ECLOSED: the server, or another client, is
 * gone; CT_ETIMEOUT. On failure x is unchanged. */
CT_MUST_USE ct_status permk_client_run(permk_result *result, permk_problem *problem, uint32_t id,
                                       ct_transport *transport, double *x,
                                       const permk_train_options *opt, ct_diag *diag);

/* What a client says at the door (ct_tcp_options.greeting), so that a program of another kind or
 * version is turned away: static storage. */
const void *permk_greeting(size_t *size_bytes);

/* Write x (d) as text, all or nothing: "permk-model 1", "dimension d", then one number a line that
 * reads back to the same double. */
CT_MUST_USE ct_status permk_model_save(const char *path, const double *x, size_t d, ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
