// SPDX-License-Identifier: MIT
/* L2-regularised logistic regression over federated clients by second-order methods.
 *
 * The problem. Client i of n holds m_i of the m rows (a, b), b = ±1; d is the number of features,
 * and one more with an intercept (a column of ones).
 *
 *     minimise over x in R^d   f(x) = sum_i w_i f_i(x),       w_i = m_i / m   (or 1/n, see weights)
 *     f_i(x) = 1/m_i sum_j log(1 + exp(-b_ij a_ij^T x)) + lambda/2 ||x||^2
 *
 * Every row is dealt to exactly one client. With weights by rows f and its minimum are those of the
 * whole data set, whatever the number of clients. (LIBLINEAR minimises m f(x), with C = 1 / (lambda
 * m).)
 *
 * The methods are those of Safaryan, Islamov, Qian, Richtarik, "FedNL: making Newton-type methods
 * applicable to federated learning", ICML 2022, arXiv:2106.02969, and three baselines; see
 * fednl_algorithm. Each client learns its Hessian by sending compressed differences, and the server
 * steps with the average H of what was learnt. In round k, for every client i:
 *
 *     S_i = C(Hess f_i(x^k) - H_i),   H_i += alpha S_i,   l_i = ||Hess f_i(x^k) - H_i||_F
 *
 * The paper's FedNL steps before H_i is updated and takes l_i before it too; here both come after
 * it, as in the paper's FedNL-PP: the later H and l are closer to the Hessian, and it took fewer
 * rounds in every case measured (ufednl/README.md has the table).
 *
 * In a program:
 *
 *     CT_TRY(ct_dataset_read_libsvm(&data, "a9a", NULL, diag));
 *     fednl_options opt = fednl_options_default();
 *     opt.clients = 142;
 *     CT_TRY(fednl_solver_create(&solver, data, &opt, diag));
 *     CT_TRY(fednl_solver_run(solver, &result, diag));
 *     CT_TRY(fednl_solver_model(solver, &model));
 *     CT_TRY(fednl_model_save(model, "a9a.model", diag));
 *
 * Clients on other machines, and a server that never sees their rows: ufednl/network.h. Several
 * solvers may live in one process; one thread uses a solver at a time. */
#ifndef UFEDNL_UFEDNL_H
#define UFEDNL_UFEDNL_H

#include <ctrain/dataset.h>
#include <ctrain/status.h>
#include <ctrain/stop.h>
#include <stdbool.h>
#include <stdint.h>
#include <ufednl/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* g is the gradient at x. FedNL's step, also that of LS, PP and BC, is by the inverse of [H]_mu
 * (eigenvalues below mu raised to it; the paper's option A) or of H + l I (option B). */
typedef enum fednl_algorithm {
    FEDNL_ALGORITHM_FEDNL,  // x - step
    FEDNL_ALGORITHM_LS,     // FedNL-LS: x - t step, t by backtracking until f has decreased enough
    FEDNL_ALGORITHM_PP,     // FedNL-PP: some of the clients a round
    FEDNL_ALGORITHM_CR,     // FedNL-CR: the step minimises a cubic model of f
    FEDNL_ALGORITHM_BC,     // FedNL-BC: the way down is compressed too
    FEDNL_ALGORITHM_NEWTON, // x - (Hess f)^-1 g
    FEDNL_ALGORITHM_GD,     // x - step_size g
    FEDNL_ALGORITHM_LBFGS   // limited-memory BFGS with a line search
} fednl_algorithm;

typedef enum fednl_option {
    FEDNL_OPTION_DEFAULT, // A for FedNL-LS, whose line search makes it safe; B for the others
    FEDNL_OPTION_A,       // projection: [H]_mu
    FEDNL_OPTION_B        // shift: H + l I
} fednl_option;

/* What a client sends of the difference D of its Hessian and the estimate of it. N = d(d+1)/2 is
 * the number of entries of the upper triangle, column by column, coordinates in the order of how
 * many rows have them (the intercept first). Contractive ones (Identity, TopK, TopLEK, Rank-R) take
 * alpha = 1, unbiased ones (RandK, RandSeqK, Natural) 1 / (omega + 1). */
typedef enum fednl_compressor {
    FEDNL_COMPRESSOR_IDENTITY, // all of it, sent as the Hessian itself, which is as long as D
    FEDNL_COMPRESSOR_TOPK,     // the k entries of largest magnitude; of equal ones the first
    FEDNL_COMPRESSOR_TOPLEK, // the fewest of those that leave (1 - k/N) ||D||^2 in expectation, or
                             // k
    FEDNL_COMPRESSOR_RANDK,  // k entries at random, times N/k; omega = N/k - 1
    FEDNL_COMPRESSOR_RANDSEQK, // k consecutive entries from a random one on, times N/k
    FEDNL_COMPRESSOR_NATURAL,  // each entry rounded at random to a power of two; omega = 1/8
    FEDNL_COMPRESSOR_RANKR     // the R eigenpairs of D of largest magnitude
} fednl_compressor;

typedef enum fednl_weights {
    FEDNL_WEIGHTS_ROWS, // w_i = m_i / m
    FEDNL_WEIGHTS_EQUAL // w_i = 1 / n
} fednl_weights;

/* Names on command lines and in reports: "fednl", "fednl-ls", "fednl-pp", "fednl-cr", "fednl-bc",
 * "newton", "gd", "lbfgs"; "identity", "topk", "toplek", "randk", "randseqk", "natural", "rankr".
 */
const char *fednl_algorithm_name(fednl_algorithm algorithm);
const char *fednl_compressor_name(fednl_compressor compressor);
/* False, and *out untouched, for a name that is none of these. */
CT_MUST_USE bool fednl_algorithm_from_name(fednl_algorithm *out, const char *name);
CT_MUST_USE bool fednl_compressor_from_name(fednl_compressor *out, const char *name);

/* A number of entries that may depend on d, which a server learns from its clients. */
typedef enum fednl_k_unit {
    FEDNL_K_ENTRIES,       // value
    FEDNL_K_PER_DIMENSION, // value d
    FEDNL_K_FRACTION       // value N
} fednl_k_unit;
typedef struct fednl_k {
    double value;
    fednl_k_unit unit;
} fednl_k;
/* "300" (entries), "8d", "0.5d", "0.05" (of N; below 1, with a point). CT_EINVALID. */
CT_MUST_USE ct_status fednl_k_parse(fednl_k *out, const char *text, ct_diag *diag);

/* Seconds by phase. The first two are the clients' and add up over those of this process (with
 * several threads they exceed the time that passed); wait is what passed until remote clients had
 * answered; the last two are the server's. */
typedef struct fednl_phases {
    double derivatives; // loss, gradient and Hessian
    double compress;    // difference, its norm, selection, learning
    double wait;        // sending, waiting, receiving; 0 in process
    double aggregate;   // averages of what came
    double solve;       // factorisation and step
} fednl_phases;

/* Bytes between the server and all clients together, as they are counted on the wire: each message
 * with its frame. In process the same messages are counted, though none is sent. */
typedef struct fednl_traffic {
    uint64_t bytes_up;         // to the server, indices included
    uint64_t bytes_up_indices; // of them positions of entries
    uint64_t bytes_down;
} fednl_traffic;

/* The state at the end of a round. Round r evaluates at x^r and then steps; round 0 is the start.
 * What a round did not measure is NaN (FedNL-PP and -BC know f and its gradient only now and then).
 * traffic and phases are totals so far. */
typedef struct fednl_round {
    size_t round;
    double f;         // f(x^r)
    double grad_norm; // ||grad f(x^r)||
    double shift;     // l, the average of what the clients' estimates lack
    double step;      // t of the step that led here; NaN at the start
    size_t clients;   // that took part
    double seconds;   // since the solver was created
    fednl_traffic traffic;
    fednl_phases phases;
} fednl_round;

/* Called every round by the thread that runs the solver. It may call fednl_solver_x. */
typedef void fednl_round_fn(void *context, const fednl_round *round);
/* A line for people: a client that was lost, came back, …; without newline. */
typedef void fednl_log_fn(void *context, const char *line);

typedef struct fednl_options {
    // the problem
    double lambda;             // >= 0, default 1e-3
    bool intercept;            // default true
    bool regularise_intercept; // default true
    fednl_weights weights;     // default by rows

    // the clients
    size_t clients; // default 1; at most the number of rows
    bool shuffle;   // deal rows in random order (default), or in the order of the data
    const size_t
        *sizes;        // (clients) rows of each, borrowed for create; NULL (default): equal shares
    double label_skew; // > 0: each label's rows are dealt by shares from a Dirichlet distribution
                       // of this concentration (0.1: nearly one label a client); 0 (default): not
    uint64_t seed;     // of all that is random; default 1

    // the method
    fednl_algorithm algorithm; // default FedNL-LS
    fednl_option option;
    double mu;                   // of option A; 0 (default): lambda
    fednl_compressor compressor; // default identity
    fednl_k k;           // TopK, TopLEK, RandK, RandSeqK; value 0 (default): 8d, or N if less
    size_t rank;         // Rank-R; default 1, at most d
    double alpha;        // 0 (default): by theory, see fednl_compressor
    size_t participants; // FedNL-PP: clients a round; 0 (default): a tenth of them, at least 1
    size_t check_every;  // FedNL-PP: rounds between evaluations of f and its gradient by all
                         // clients; 0 (default): clients / participants
    double line_search_decrease;  // c in f(x - t step) <= f(x) - c t g^T step; default 1e-4
    double line_search_backtrack; // t becomes so many times itself; default 0.5
    size_t line_search_trials;    // at most; default 40
    double cubic;                 // M of FedNL-CR; 0 (default): mean of ||a||^3 / (6 sqrt 3)
    fednl_k model_k;              // FedNL-BC: entries of TopK of the way down; 0 (default): d/2
    double model_rate;            // FedNL-BC: eta; default 1
    double gradient_probability;  // FedNL-BC: of a round with true gradients; default 0.5
    double step_size;             // GD; 0 (default): 2 / (lambda + L)
    size_t memory;                // L-BFGS: pairs kept; default 10

    // the start and the end
    const fednl_model *start; // borrowed for create; NULL (default): x^0 = 0
    double tol;               // stop at ||grad f|| <= tol; default 1e-9
    size_t max_rounds;        // steps at most; default 1000
    double time_limit_s;      // seconds of fednl_solver_run; 0 (default): none
    uint64_t max_bytes_up; // stop when so many have been sent to the server; 0 (default): no limit

    // the run
    size_t threads;           // default 1; 0: one a processor. Results do not depend on it
    fednl_round_fn *on_round; // may be NULL
    fednl_log_fn *on_log;     // may be NULL
    void *context;            // handed to both
    const ct_stop_flag *stop; // borrowed until destroy; polled every round; NULL: never
} fednl_options;
fednl_options fednl_options_default(void);

/* How a run ended. */
typedef enum fednl_outcome {
    FEDNL_CONVERGED,   // ||grad f|| <= tol
    FEDNL_STALLED,     // no step decreases f any more: tol is below what doubles can reach here
    FEDNL_MAX_ROUNDS,  // max_rounds steps were taken
    FEDNL_TIME_LIMIT,  // time_limit_s has passed
    FEDNL_BYTE_LIMIT,  // max_bytes_up have been sent
    FEDNL_INTERRUPTED, // the stop flag was raised
    FEDNL_DIVERGED     // f or its gradient grew beyond bounds or was no number; the model is the
                       // iterate of smallest f
} fednl_outcome;
/* "converged", "stalled", "max_rounds", "time_limit", "byte_limit", "interrupted", "diverged". */
const char *fednl_outcome_name(fednl_outcome outcome);

typedef struct fednl_result {
    fednl_outcome outcome;
    double f;         // f and ||grad f|| at the model's weights, recomputed from the raw rows in
    double grad_norm; //   their order (by the clients, where they are remote), by code that shares
                      //   nothing with the rounds: a certificate
    double x_norm;    // ||x||
    size_t rounds;    // steps taken
    size_t rows, features, clients;
    size_t distinct;      // rows after merging equal ones, summed over clients; remote: 0
    size_t dimension;     // d
    size_t k;             // entries a client sends a round at most; gd, lbfgs: 0
    double alpha;         // as used; gd, lbfgs: 0
    size_t pattern;       // entries of the clients' Hessian triangles that can be non-zero, summed
    double seconds;       // since the solver was created
    double seconds_setup; // of them in fednl_solver_create
    fednl_traffic traffic;
    fednl_phases phases;
} fednl_result;

typedef struct fednl_solver fednl_solver;

/* Create a solver whose clients live in this process. data is borrowed until destroy; opt is copied
 * (NULL: defaults). On failure *out is NULL. CT_EINVALID: a bad option, labels that are not exactly
 * two, more clients than rows; named in diag. CT_ERANGE: too many threads. CT_ENOMEM: also when the
 * matrices of dimension d would not fit into this machine; diag says how much they need.
 * CT_EUNSUPPORTED: OpenBLAS is needed (large d, option A, Rank-R) and not installed. */
CT_MUST_USE ct_status fednl_solver_create(fednl_solver **out, const ct_dataset *data,
                                          const fednl_options *opt, ct_diag *diag);
void fednl_solver_destroy(fednl_solver *solver);

/* Iterate until one of the endings of fednl_outcome. A second call goes on where the first ended,
 * with max_rounds more, as if it had not ended. FEDNL_EFACTOR: the Hessian estimate is not positive
 * definite; result is not filled. Remote clients: see ufednl/network.h. */
CT_MUST_USE ct_status fednl_solver_run(fednl_solver *solver, fednl_result *result, ct_diag *diag);

/* The weights x (d): features in order, the intercept last. Borrowed until the next call. */
const double *fednl_solver_x(fednl_solver *solver);

/* A model of the current weights, the caller's; label[0] is the larger of the two labels. */
CT_MUST_USE ct_status fednl_solver_model(fednl_solver *solver, fednl_model **out);

/* Write all that the solver knows (iterate, estimates of server and clients, counters) to a file,
 * whole or not at all; not while it runs, but from on_round is allowed. Resume reads it into a
 * solver that was created with the same data and options (tol, limits, threads and callbacks may
 * differ): it then goes on with the same bits as if it had not stopped. CT_ECHECKPOINT with
 * "path: reason": damaged, or of other data or options, named. That rows differ is found half-way:
 * after that the solver can only be resumed from another file, or destroyed. CT_EINVALID: saved
 * before the first round, or after FEDNL_DIVERGED. Errors of files as in ctrain/file.h. */
CT_MUST_USE ct_status fednl_solver_save(const fednl_solver *solver, const char *path,
                                        ct_diag *diag);
CT_MUST_USE ct_status fednl_solver_resume(fednl_solver *solver, const char *path, ct_diag *diag);

/* f of the problem above straight from rows, and how it is weighed. */
typedef struct fednl_objective {
    const ct_dataset *data;
    const double *sign;   // (rows) b = ±1 (ct_dataset_binary_labels)
    const double *weight; // (rows) adding up to 1; NULL: 1 / rows each
    double lambda;
    bool intercept, regularise_intercept;
} fednl_objective;
/* f(x) and, where grad is not NULL, its gradient (d); x (d) as in fednl_solver_x. */
double fednl_objective_evaluate(const fednl_objective *objective, const double *x, double *grad);

#ifdef __cplusplus
}
#endif
#endif
