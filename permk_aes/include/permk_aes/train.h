// SPDX-License-Identifier: MIT
/* Training: by n clients in one process (permk_simulate) or by one client among n processes that
 * meet at a server (permk_client_run; the server is in permk_aes/server.h). Same options, same
 * iterates, bit for bit.
 *
 * A method says what a client compresses and what the step is made of, a compressor what is sent:
 *
 *     GD       grad f_i                  g = mean, nothing is compressed
 *     DCGD     grad f_i                  g = mean of C_i
 *     DIANA    grad f_i - h_i            g = h + mean of C_i; h_i += alpha C_i, h += alpha mean
 *     MARINA   grad f_i(x) - grad f_i(x_before), with probability p all gradients
 *                                        g += mean of C_i, or the mean of all
 *     EF21     grad f_i - g_i            g_i += C_i, g += mean of C_i
 *
 * DCGD/PermK: coordinate j of g is taken from the gradient of the client that owns j in this round
 * (permk_aes/ownership.h). It reaches the minimum where all f_i share a minimiser, else only the
 * neighbourhood of it; DIANA, MARINA and EF21 reach it in any case. Only what PermK sends needs no
 * adding up: of every other compressor each client gets n messages. (Khirirat et al. 2018,
 * arXiv:1806.06573; Mishchenko et al. 2019, arXiv:1901.09269; Gorbunov et al. 2021,
 * arXiv:2102.07845; Richtarik et al. 2021, arXiv:2106.05203.) */
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
    PERMK_METHOD_DCGD = 2,
    PERMK_METHOD_DIANA = 3,
    PERMK_METHOD_MARINA = 4,
    PERMK_METHOD_EF21 = 5
} permk_method;
/* "gd", "dcgd", "diana", "marina", "ef21". */
const char *permk_method_name(permk_method method);
/* False, and *out untouched, for a name that is none of these. */
CT_MUST_USE bool permk_method_from_name(permk_method *out, const char *name);

typedef enum permk_compressor {
    PERMK_COMPRESSOR_PERMK = 1,   // the client's block; omega = n - 1
    PERMK_COMPRESSOR_RANDK = 2,   // k random coordinates, times d/k; omega = d/k - 1
    PERMK_COMPRESSOR_TOPK = 3,    // the k coordinates of largest magnitude; alpha = k/d
    PERMK_COMPRESSOR_NATURAL = 4, // each rounded at random to a power of two; omega = 1/8
    PERMK_COMPRESSOR_IDENTITY = 5 // omega = 0
} permk_compressor;
/* "permk", "randk", "topk", "natural", "identity". */
const char *permk_compressor_name(permk_compressor compressor);
CT_MUST_USE bool permk_compressor_from_name(permk_compressor *out, const char *name);

/* How a run ended. */
typedef enum permk_outcome {
    PERMK_CONVERGED = 0,  // ||grad f||^2 fell below tol
    PERMK_MAX_ROUNDS = 1, // max_rounds steps were taken
    PERMK_DIVERGED = 2, // ||grad f||^2, or the iterate, is not finite or 1e8 times its first value
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
    double evaluate; // f and grad f for the stopping rule, their exchange included
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
    // where f is evaluated by all; not in the above
    uint64_t client_bytes_up_evaluations, client_bytes_down_evaluations;
    permk_phases phases; // so far
    uint32_t present;    // clients whose message of the last round came
    const double *x;     // (d) borrowed for the call
} permk_round;

typedef void permk_round_fn(void *context, const permk_round *round);

typedef enum permk_schedule {
    PERMK_STEP_CONSTANT, // step
    PERMK_STEP_HARMONIC, // step / (1 + round / step_half)
} permk_schedule;

typedef struct permk_train_options {
    permk_method method;         // default DCGD
    permk_compressor compressor; // default PermK; GD: has none
    permk_rule rule;             // of PermK; default rotation
    size_t k;                    // of RandK and TopK; 0 (default): d / 20, at least 1
    permk_value value;           // how entries travel; default F64
    permk_cipher cipher;         // default AES-128-GCM
    double step;                 // 0 (default): theoretical, see permk_theoretical_step
    permk_schedule schedule;     // default constant
    double step_half;            // harmonic: rounds after which the step has halved; default 100
    bool minibatches;            // gradients of minibatches (problem.h); default false
    double tol;          // end when ||grad f||^2 < tol; default 1e-10; 0: after max_rounds only
    uint64_t max_rounds; // default 10,000
    uint64_t eval_every; // rounds from one exact evaluation to the next, at least 1 (default)
    uint64_t seed;       // of the ownership maps and of random compressors, known to all
    /* What the problem is, in words all clients must share ("quadratic d=8 seed=1"): compared, and
     * bound into the keys. Borrowed, may be NULL. */
    const char *problem_text;
    bool secret_ownership; // maps from the session's keys instead: different in every run
    const permk_key *key;  // borrowed; a simulation may leave it NULL (a fresh one is drawn)
    // a client's own key pair and the group's: instead of a key (it is then agreed upon), or with
    // one and is_signed; borrowed, may be NULL
    const permk_identity *identity;
    const permk_roster *roster;
    bool is_signed;            // every message carries its sender's signature
    permk_limits limits;       // of keys; default permk_limits_default()
    size_t chunk_bytes;        // of plain text in a frame at most; default 2^20, a multiple of 64
    const char *checkpoint;    // file to keep the state in; NULL (default): none
    uint64_t checkpoint_every; // rounds; default 100
    const char *resume;        // go on from such a file, under keys of a new session; NULL: not
    const ct_stop_flag *stop;  // borrowed, polled every round; may be NULL
    permk_round_fn *on_round;  // called at the start and after every step; may be NULL
    void (*on_log)(void *context, const char *line); // a client that is lost; may be NULL
    void *context;                                   // handed to both
    int round_timeout_ms; // client: the longest wait for the others in one round (default 60,000)
    /* client: with how few, itself included, it goes on when the server says that others are lost,
     * which nothing proves; default 0: with all, so that a lost client ends its run. */
    uint32_t min_clients;
} permk_train_options;
permk_train_options permk_train_options_default(void);

/* The step that theory allows, L, L_max, L~ = sqrt(mean L_i^2) being the problem's:
 *     GD 1/L;  DCGD/PermK 1/L_max (where the f_i share a minimiser);
 *     DCGD, unbiased 1/(L + 2 L_max omega/n);  DCGD/TopK k/d 1/L_max (no guarantee);
 *     DIANA 1/(L_max (1 + 4 omega/n));  MARINA 1/(L + L~ sqrt((1 - p)/p omega/n)), p = 1/(1 +
 * omega); EF21 1/(L + L~ sqrt(beta/theta)), theta = 1 - sqrt(1 - a), beta = (1 - a)/theta, a = k/d,
 * or 1/(1 + omega). NaN: a constant is unknown. */
double permk_theoretical_step(const permk_problem *problem, const permk_train_options *opt);

typedef struct permk_result {
    permk_outcome outcome;
    uint64_t rounds;             // steps taken
    double step;                 // the step size used
    double f, grad_norm_squared; // as evaluated last (other clients: as client 0 told them)
    uint64_t client_bytes_up, client_bytes_down; // all rounds, as in permk_round
    uint64_t client_bytes_up_per_round, client_bytes_down_per_round; // one round
    uint64_t client_bytes_up_hello, client_bytes_down_hello;         // once, before the first round
    uint64_t client_bytes_up_evaluations, client_bytes_down_evaluations; // where f is evaluated by
                                                                         // all; not in the above
    uint32_t stopped_by;                                                 // PERMK_PEER_STOPPED: who
    uint32_t absences; // messages that did not come, over all rounds
    uint32_t epochs;   // times the keys were replaced
    char session[33];  // the session's id, in hexadecimal digits: public
    double seconds;    // wall clock
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
