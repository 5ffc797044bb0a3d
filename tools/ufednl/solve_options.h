// SPDX-License-Identifier: MIT
/* Rows of the option tables of the commands that train, in groups; a command takes those it has.
 * Included by the files that define a table. */
#ifndef UFEDNL_CLI_SOLVE_OPTIONS_H
#define UFEDNL_CLI_SOLVE_OPTIONS_H

#include "ufednl/solve.h"

#include <math.h>

#define SOLVE(member) .offset = offsetof(solve_settings, member)
#define POSITIVE      .min = 0, .max = INFINITY, .open_min = true
#define NOT_NEGATIVE  .min = 0, .max = INFINITY
// clang-format off

#define SOLVE_DATA_OPTIONS \
    {.name = "dims", .type = CLI_COUNT, SOLVE(dims), .value = "N", .min = 1, .max = 4294967294.0, .group = "Problem", \
     .help = "Number of features, where FILE does not hold the largest index; an index beyond it is an error"}, \
    {.name = "positive-label", .type = CLI_REAL, SOLVE(positive_label), .value = "X", .group = "Problem", \
     .help = "Rows with label X against all others, where there are more than two labels; they become 1 and -1"}

#define SOLVE_LAMBDA_OPTIONS \
    {.name = "lambda", .type = CLI_REAL, SOLVE(lambda), .value = "X", .preset = "1e-3", NOT_NEGATIVE, .group = "Problem", \
     .help = "Weight of the regulariser lambda/2 ||x||^2 beside the mean loss (LIBLINEAR's C is 1 / (lambda rows))"}, \
    {.name = "intercept", .type = CLI_FLAG, SOLVE(intercept), .preset = "true", .negatable = true, .group = "Problem", \
     .help = "Append a column of ones"}

#define SOLVE_SEED_OPTION \
    {.name = "seed", .type = CLI_SEED, SOLVE(seed), .value = "N", .preset = "1", .group = "Problem", \
     .help = "Of all that is random: the split, compressors, which clients take part"}

#define SOLVE_PROBLEM_OPTIONS \
    SOLVE_LAMBDA_OPTIONS, \
    {.name = "regularise-intercept", .type = CLI_FLAG, SOLVE(regularise_intercept), .preset = "true", .negatable = true, .group = "Problem", \
     .help = "Regularise its weight like the others"}, \
    {.name = "weights", .type = CLI_CHOICE, SOLVE(weights), .value = "KIND", .preset = "rows", .choices = "rows|equal", .group = "Problem", \
     .help = "A client's weight in f: by its rows, so that the optimum is that of all rows together, or 1 / clients"}, \
    SOLVE_SEED_OPTION

#define SOLVE_CLIENTS_OPTION \
    {.name = "clients", .type = CLI_COUNT, SOLVE(clients), .value = "N", .preset = "1", .min = 1, .max = INFINITY, .group = "Clients", \
     .help = "Deal the rows to N clients; at most as many as rows"}

#define SOLVE_SPLIT_OPTIONS \
    {.name = "shuffle", .type = CLI_FLAG, SOLVE(shuffle), .preset = "true", .negatable = true, .group = "Clients", \
     .help = "Deal the rows in random order, or in the order of FILE"}, \
    {.name = "sizes", .type = CLI_TEXT, SOLVE(sizes), .value = "N,N,...", .group = "Clients", \
     .help = "Rows of each client. Default: equal shares"}, \
    {.name = "label-skew", .type = CLI_REAL, SOLVE(label_skew), .value = "A", POSITIVE, .group = "Clients", \
     .help = "Deal each label's rows by shares drawn from a Dirichlet distribution of this concentration: 0.1 gives clients of nearly one label, 100 equal ones"}

#define SOLVE_METHOD_OPTIONS \
    {.name = "option", .type = CLI_CHOICE, SOLVE(option), .value = "A|B", .choices = "A|B", .group = "Method", \
     .help = "The step of fednl, -ls, -pp, -bc: A by the inverse of H with eigenvalues below mu raised to it, B by that of H + l I (l: what the estimates lack). Default: A for fednl-ls, whose line search makes it safe, B for the others"}, \
    {.name = "mu", .type = CLI_REAL, SOLVE(mu), .value = "X", POSITIVE, .group = "Method", .help = "Of option A. Default: lambda"}, \
    {.name = "k", .type = CLI_TEXT, SOLVE(k), .value = "K", .group = "Method", \
     .help = "Entries for topk, toplek, randk, randseqk: a number, a multiple of the dimension such as 8d, or a fraction such as 0.05 of the N = d(d+1)/2. Default: 8d, or N if that is less"}, \
    {.name = "rank", .type = CLI_COUNT, SOLVE(rank), .value = "R", .preset = "1", .min = 1, .max = 4294967294.0, .group = "Method", .help = "Of rankr"}, \
    {.name = "alpha", .type = CLI_REAL, SOLVE(alpha), .value = "X", .min = 0, .max = 1, .open_min = true, .group = "Method", \
     .help = "Learning rate of the estimates. Default, by theory: 1 (identity, topk, toplek, rankr), k/N (randk, randseqk), 8/9 (natural)"}, \
    {.name = "participants", .type = CLI_COUNT, SOLVE(participants), .value = "N", .min = 1, .max = INFINITY, .group = "Method", \
     .help = "Clients a round of fednl-pp. Default: a tenth of them"}, \
    {.name = "check-every", .type = CLI_COUNT, SOLVE(check_every), .value = "N", .min = 1, .max = INFINITY, .group = "Method", \
     .help = "Rounds of fednl-pp between evaluations of f and its gradient by all clients. Default: clients / participants"}, \
    {.name = "decrease", .type = CLI_REAL, SOLVE(decrease), .value = "X", .preset = "1e-4", .min = 0, .max = 0.5, .open_min = true, .group = "Method", \
     .help = "Of the line search: f must fall by X times what the gradient promises (fednl-ls, lbfgs)"}, \
    {.name = "backtrack", .type = CLI_REAL, SOLVE(backtrack), .value = "X", .preset = "0.5", .min = 0, .max = 0.99, .open_min = true, .group = "Method", \
     .help = "The step becomes so many times itself where it does not (fednl-ls)"}, \
    {.name = "cubic", .type = CLI_REAL, SOLVE(cubic), .value = "X", POSITIVE, .group = "Method", \
     .help = "M of fednl-cr. Default: a Lipschitz constant of the Hessian, the mean of ||a||^3 / (6 sqrt 3)"}, \
    {.name = "model-k", .type = CLI_TEXT, SOLVE(model_k), .value = "K", .group = "Method", \
     .help = "Entries of the change of x that fednl-bc sends down: a number or a multiple of d. Default: 0.5d"}, \
    {.name = "model-rate", .type = CLI_REAL, SOLVE(model_rate), .value = "X", .preset = "1", .min = 0, .max = 1, .open_min = true, .group = "Method", \
     .help = "Learning rate of x at the clients (fednl-bc)"}, \
    {.name = "gradient-probability", .type = CLI_REAL, SOLVE(gradient_probability), .value = "P", .preset = "0.5", .min = 0, .max = 1, .open_min = true, .group = "Method", \
     .help = "Of a round in which the clients send true gradients (fednl-bc)"}, \
    {.name = "step-size", .type = CLI_REAL, SOLVE(step_size), .value = "X", POSITIVE, .group = "Method", .help = "Of gd. Default: 2 / (lambda + L)"}, \
    {.name = "memory", .type = CLI_COUNT, SOLVE(memory), .value = "N", .preset = "10", .min = 1, .max = 10000, .group = "Method", .help = "Pairs that lbfgs keeps"}

#define SOLVE_ALGORITHM_OPTIONS \
    {.name = "algorithm", .type = CLI_CHOICE, SOLVE(algorithm), .value = "NAME", .preset = "fednl-ls", \
     .choices = "fednl|fednl-ls|fednl-pp|fednl-cr|fednl-bc|newton|gd|lbfgs", .group = "Method", \
     .help = "fednl-ls: FedNL with a line search; fednl: without; fednl-pp: some clients a round; fednl-cr: cubic model; fednl-bc: compressed both ways; and baselines"}, \
    {.name = "compressor", .type = CLI_CHOICE, SOLVE(compressor), .value = "NAME", .preset = "identity", \
     .choices = "identity|topk|toplek|randk|randseqk|natural|rankr", .group = "Method", \
     .help = "What a client sends of the change of its Hessian: all of it, the k largest entries, as few of them as theory needs, k random or k consecutive ones, all rounded to powers of two, or R eigenpairs"}

#define SOLVE_STOP_OPTIONS \
    {.name = "tol", .type = CLI_REAL, SOLVE(tol), .value = "X", .preset = "1e-9", NOT_NEGATIVE, .group = "Stopping", \
     .help = "Stop when ||grad f|| (not its square) is at most X; 0: run to --max-rounds"}, \
    {.name = "max-rounds", .type = CLI_COUNT, SOLVE(max_rounds), .value = "N", .preset = "1000", .group = "Stopping", .help = "Steps at most"}, \
    {.name = "time-limit", .type = CLI_REAL, SOLVE(time_limit), .value = "SECONDS", POSITIVE, .group = "Stopping", \
     .help = "Seconds of training at most, without reading FILE"}, \
    {.name = "max-megabytes", .type = CLI_REAL, SOLVE(max_megabytes), .value = "X", POSITIVE, .group = "Stopping", \
     .help = "Stop when the clients have sent X million bytes"}

#define SOLVE_RUN_OPTIONS \
    {.name = "threads", .type = CLI_COUNT, SOLVE(threads), .value = "N", .preset = "1", .min = 0, .max = 1024, .group = "Running", \
     .help = "Threads; 0: one a processor. The result does not depend on it"}

#define SOLVE_MODEL_OPTIONS \
    {.name = "start", .type = CLI_PATH, SOLVE(start), .value = "FILE", .group = "Running", \
     .help = "Start from the weights of a model instead of 0"}, \
    {.name = "test", .type = CLI_PATH, SOLVE(test), .value = "FILE", .group = "Running", \
     .help = "Rows to predict after each round; accuracy and log-loss stand in the reports"}, \
    {.name = "checkpoint", .type = CLI_PATH, SOLVE(checkpoint), .value = "FILE", .group = "Running", \
     .help = "Write all that --resume needs, every --checkpoint-every rounds and at the end"}, \
    {.name = "checkpoint-every", .type = CLI_COUNT, SOLVE(checkpoint_every), .value = "N", .preset = "10", .min = 1, .max = INFINITY, .group = "Running", \
     .help = "Rounds between checkpoints"}, \
    {.name = "resume", .type = CLI_PATH, SOLVE(resume), .value = "FILE", .group = "Running", \
     .help = "Go on from a checkpoint of the same data and options, bit for bit"}

#define SOLVE_NETWORK_OPTIONS \
    {.name = "round-timeout", .type = CLI_REAL, SOLVE(round_timeout_s), .value = "SECONDS", .preset = "60", .min = 0, .max = 86400, .open_min = true, .group = "Network", \
     .help = "A client that has not answered by then is lost"}, \
    {.name = "accept-timeout", .type = CLI_REAL, SOLVE(accept_timeout_s), .value = "SECONDS", .preset = "60", .min = 0, .max = 86400, .open_min = true, .group = "Network", \
     .help = "All clients must be there within"}, \
    {.name = "min-clients", .type = CLI_COUNT, SOLVE(min_clients), .value = "N", .min = 1, .max = INFINITY, .group = "Network", \
     .help = "fednl-pp goes on while N clients are left, and lost ones may come back. Default: all"}

#define SOLVE_OUTPUT_OPTIONS \
    {.name = "json", .type = CLI_FLAG, SOLVE(json), .group = "Output", .help = "Print settings and result as one JSON object"}, \
    {.name = "report", .type = CLI_PATH, SOLVE(report), .value = "FILE", .group = "Output", .help = "Write an HTML page with plots"}, \
    {.name = "jsonl", .type = CLI_PATH, SOLVE(jsonl), .value = "FILE", .group = "Output", .help = "Write a JSON line a round, as they come"}, \
    {.name = "csv", .type = CLI_PATH, SOLVE(csv), .value = "FILE", .group = "Output", .help = "Write a CSV row a round"}, \
    {.name = "quiet", .type = CLI_FLAG, SOLVE(quiet), .group = "Output", .help = "No progress, no summary"}

#define SOLVE_FILE_OPERAND \
    {.name = "FILE", .help = "Rows in LIBSVM text (LABEL INDEX:VALUE ..., two different labels, indices from 1) or as converted by convert", \
     SOLVE(file), .is_path = true}
#define SOLVE_MODEL_OPERAND \
    {.name = "MODEL", .help = "Where to write the model in LIBLINEAR's text format; without it none is written", .optional = true, \
     SOLVE(model), .is_path = true}

// clang-format on
#endif
