// SPDX-License-Identifier: MIT
/* Rows of the option tables of the commands that train, in groups; a command takes those it has.
 * Included by the files that define a table. */
#ifndef PERMK_CLI_TRAIN_OPTIONS_H
#define PERMK_CLI_TRAIN_OPTIONS_H

#include "permk/train_settings.h"

#include <math.h>

#define TRAIN(member) .offset = offsetof(train_settings, member)
#define POSITIVE      .min = 0, .max = INFINITY, .open_min = true
#define NOT_NEGATIVE  .min = 0, .max = INFINITY
// clang-format off

#define TRAIN_CLIENTS_OPTION(n) \
    {.name = "clients", .type = CLI_COUNT, TRAIN(clients), .value = "N", .preset = n, .min = 1, .max = 1e6, .group = "Problem", \
     .help = "Number of clients n"}

#define TRAIN_PROBLEM_OPTIONS \
    {.name = "problem", .type = CLI_CHOICE, TRAIN(problem), .value = "NAME", .choices = "quadratic|logistic|mlp|gpt", .group = "Problem", \
     .help = "Random least squares; logistic regression; a perceptron for classes of rows; a transformer for the bytes of a text. Default: logistic with --data, else quadratic"}, \
    {.name = "data", .type = CLI_PATH, TRAIN(data), .value = "FILE", .group = "Problem", \
     .help = "Rows in LIBSVM text or as ufednl-cli convert makes them, of two labels for logistic; for gpt any text"}, \
    {.name = "dim", .type = CLI_COUNT, TRAIN(dim), .value = "N", .min = 1, .max = 4294967294.0, .group = "Problem", \
     .help = "Dimension of quadratic (default 1000); number of features, where FILE does not hold the largest index"}, \
    {.name = "batch", .type = CLI_COUNT, TRAIN(batch), .value = "N", .min = 1, .max = INFINITY, .group = "Problem", \
     .help = "Gradients of minibatches of N rows, or pieces of the text. Default: of all"}, \
    {.name = "shuffle", .type = CLI_FLAG, TRAIN(shuffle), .preset = "true", .negatable = true, .group = "Problem", \
     .help = "Deal the rows of logistic in random order, or in the order of FILE"}, \
    {.name = "label-skew", .type = CLI_REAL, TRAIN(label_skew), .value = "A", POSITIVE, .group = "Problem", \
     .help = "Deal each label's rows by shares drawn from a Dirichlet distribution of this concentration: 0.1 gives clients of nearly one label, 100 equal ones"}, \
    {.name = "problem-seed", .type = CLI_COUNT, TRAIN(problem_seed), .value = "N", .preset = "123", .max = 4294967295.0, .group = "Problem", \
     .help = "Of the data of quadratic, how rows are dealt, minibatches, and where training begins"}, \
    {.name = "samples", .type = CLI_COUNT, TRAIN(samples), .value = "N", .preset = "12", .min = 1, .max = INFINITY, .group = "Quadratic", \
     .help = "Samples of each client"}, \
    {.name = "smoothness", .type = CLI_REAL, TRAIN(smoothness), .value = "X", .preset = "10", POSITIVE, .group = "Quadratic", \
     .help = "Largest eigenvalue L of the Hessian"}, \
    {.name = "convexity", .type = CLI_REAL, TRAIN(convexity), .value = "X", .preset = "1", POSITIVE, .group = "Quadratic", \
     .help = "Smallest non-zero eigenvalue mu of the Hessian"}, \
    {.name = "homogeneous", .type = CLI_FLAG, TRAIN(homogeneous), .group = "Quadratic", \
     .help = "Give every client the same samples"}, \
    {.name = "lambda", .type = CLI_REAL, TRAIN(lambda), .value = "X", .preset = "1e-3", NOT_NEGATIVE, .group = "Logistic regression", \
     .help = "Weight of the regulariser beside the mean loss"}, \
    {.name = "regulariser", .type = CLI_CHOICE, TRAIN(regulariser), .value = "NAME", .preset = "l2", .choices = "l2|nonconvex", .group = "Logistic regression", \
     .help = "||x||^2 / 2, or the sum of x^2 / (1 + x^2)"}, \
    {.name = "intercept", .type = CLI_FLAG, TRAIN(intercept), .preset = "true", .negatable = true, .group = "Logistic regression", \
     .help = "Append a column of ones"}, \
    {.name = "layers", .type = CLI_COUNT, TRAIN(layers), .value = "N", .min = 1, .max = 64, .group = "Neural networks", \
     .help = "Hidden layers of mlp (default 1), blocks of gpt (2)"}, \
    {.name = "hidden", .type = CLI_COUNT, TRAIN(hidden), .value = "N", .preset = "16", .min = 1, .max = 65536, .group = "Neural networks", \
     .help = "Units of a layer of mlp"}, \
    {.name = "embed", .type = CLI_COUNT, TRAIN(embed), .value = "N", .preset = "32", .min = 1, .max = 65536, .group = "Neural networks", \
     .help = "Width of gpt, a multiple of --heads"}, \
    {.name = "heads", .type = CLI_COUNT, TRAIN(heads), .value = "N", .preset = "4", .min = 1, .max = 1024, .group = "Neural networks", \
     .help = "Attention heads of gpt"}, \
    {.name = "context", .type = CLI_COUNT, TRAIN(context), .value = "N", .preset = "32", .min = 1, .max = 65536, .group = "Neural networks", \
     .help = "Bytes that gpt looks back"}

#define TRAIN_METHOD_OPTIONS \
    {.name = "method", .type = CLI_CHOICE, TRAIN(method), .value = "NAME", .preset = "dcgd", .choices = "gd|dcgd|diana|marina|ef21", .group = "Method", \
     .help = "gd: whole gradients; dcgd: compressed ones; diana, marina, ef21: compressed differences, which reach the optimum also where the clients' data differ"}, \
    {.name = "compressor", .type = CLI_CHOICE, TRAIN(compressor), .value = "NAME", .preset = "permk", .choices = "permk|randk|topk|natural|identity", .group = "Method", \
     .help = "What a client sends: its block of coordinates, k random or the k largest ones, all rounded to powers of two, or all"}

#define TRAIN_RULE_OPTION \
    {.name = "rule", .type = CLI_CHOICE, TRAIN(rule), .value = "NAME", .preset = "rotation", .choices = "rotation|permutation|lines", .group = "Method", \
     .help = "Blocks of permk: ranges that rotate among the clients, random sets, or random sets of cache lines"}

#define TRAIN_VALUE_OPTION \
    {.name = "value", .type = CLI_CHOICE, TRAIN(value), .value = "TYPE", .preset = "f64", .choices = "f64|f32|f16|bf16", .group = "Method", \
     .help = "How numbers travel"}

#define TRAIN_SEED_OPTION \
    {.name = "seed", .type = CLI_SEED, TRAIN(seed), .value = "N", .preset = "1", .group = "Method", \
     .help = "Of the ownership maps and of random compressors; public"}

#define TRAIN_COMPRESSOR_OPTIONS \
    TRAIN_RULE_OPTION, \
    {.name = "k", .type = CLI_COUNT, TRAIN(k), .value = "N", .min = 1, .max = 4294967295.0, .group = "Method", \
     .help = "Coordinates that randk and topk send. Default: a twentieth of all"}, \
    TRAIN_VALUE_OPTION, \
    TRAIN_SEED_OPTION, \
    {.name = "secret-ownership", .type = CLI_FLAG, TRAIN(secret_ownership), .group = "Method", \
     .help = "Draw the ownership maps from the session's keys: secret, different in every run"}

#define TRAIN_STEP_OPTIONS \
    {.name = "step", .type = CLI_REAL, TRAIN(step), .value = "X", POSITIVE, .group = "Method", \
     .help = "Step size. Default: what theory allows, where the problem's smoothness is known"}, \
    {.name = "schedule", .type = CLI_CHOICE, TRAIN(schedule), .value = "NAME", .preset = "constant", .choices = "constant|harmonic", .group = "Method", \
     .help = "harmonic: the step is divided by 1 + round / H, H of --step-half"}, \
    {.name = "step-half", .type = CLI_REAL, TRAIN(step_half), .value = "H", .preset = "100", POSITIVE, .group = "Method", \
     .help = "Rounds after which the harmonic step has halved"}

#define TRAIN_STOP_OPTIONS(tolerance) \
    {.name = "tol", .type = CLI_REAL, TRAIN(tol), .value = "X", .preset = tolerance, NOT_NEGATIVE, .group = "Stopping", \
     .help = "Converged when ||grad f||^2 (the square, as in the paper) is below X; 0: run to --max-rounds"}, \
    {.name = "max-rounds", .type = CLI_COUNT, TRAIN(max_rounds), .value = "N", .preset = "10000", .min = 1, .max = 1e15, .group = "Stopping", \
     .help = "Rounds at most"}, \
    {.name = "eval-every", .type = CLI_COUNT, TRAIN(eval_every), .value = "N", .preset = "1", .min = 1, .max = INFINITY, .group = "Stopping", \
     .help = "Evaluate f and its gradient exactly every N rounds"}

#define TRAIN_CIPHER_OPTION \
    {.name = "cipher", .type = CLI_CHOICE, TRAIN(cipher), .value = "NAME", .preset = "aes-128-gcm", .choices = "aes-128-gcm|aes-256-gcm|aes-128-ctr|none", .group = "Protection", \
     .help = "How messages are sealed; aes-128-ctr and none do not protect and are for measurement"}

#define TRAIN_LIMIT_OPTIONS \
    {.name = "key-rounds", .type = CLI_COUNT, TRAIN(key_rounds), .value = "N", .min = 1, .max = 65536, .group = "Protection", \
     .help = "Replace all keys after N rounds. Default: 65536"}, \
    {.name = "chunk", .type = CLI_COUNT, TRAIN(chunk_kb), .value = "KIB", .preset = "1024", .min = 1, .max = 1024, .group = "Protection", \
     .help = "Longest part of a message that is sealed as one, in KiB"}

#define TRAIN_MEMBER_OPTIONS \
    {.name = "key", .type = CLI_PATH, TRAIN(key), .value = "FILE", .group = "Protection", \
     .help = "The group's key file (permk-train keygen)"}, \
    {.name = "identity", .type = CLI_PATH, TRAIN(identity), .value = "FILE", .group = "Protection", \
     .help = "This client's key pair (permk-train identity): with --roster, the clients agree on a key where no --key is given"}, \
    {.name = "roster", .type = CLI_PATH, TRAIN(roster), .value = "FILE", .group = "Protection", \
     .help = "Public keys of all clients, client i's in line i"}

#define TRAIN_SIGNED_OPTION \
    {.name = "signed", .type = CLI_FLAG, TRAIN(is_signed), .group = "Protection", \
     .help = "Sign every message by its sender's identity: members cannot send in another's name"}

#define TRAIN_CHECKPOINT_OPTIONS \
    {.name = "checkpoint", .type = CLI_PATH, TRAIN(checkpoint), .value = "FILE", .group = "Running", \
     .help = "Write all that --resume needs, every --checkpoint-every rounds and at the end; no keys"}, \
    {.name = "checkpoint-every", .type = CLI_COUNT, TRAIN(checkpoint_every), .value = "N", .preset = "100", .min = 1, .max = INFINITY, .group = "Running", \
     .help = "Rounds between checkpoints"}, \
    {.name = "resume", .type = CLI_PATH, TRAIN(resume), .value = "FILE", .group = "Running", \
     .help = "Go on from a checkpoint of the same problem and method, under keys of a new session"}

#define TRAIN_ROUND_TIMEOUT_OPTION \
    {.name = "round-timeout", .type = CLI_REAL, TRAIN(round_timeout_s), .value = "SECONDS", .preset = "60", .min = 0, .max = 86400, .open_min = true, .group = "Network", \
     .help = "Longest wait for the others in one round"}

#define TRAIN_MIN_CLIENTS_OPTION \
    {.name = "min-clients", .type = CLI_COUNT, TRAIN(min_clients), .value = "N", .min = 1, .max = 1000, .group = "Network", \
     .help = "Go on without lost clients while N are left: their coordinates rest. Default: a lost client ends the run"}

#define TRAIN_OUTPUT_OPTIONS \
    {.name = "report", .type = CLI_PATH, TRAIN(report), .value = "FILE", .group = "Output", .help = "Write an HTML page with plots"}, \
    {.name = "jsonl", .type = CLI_PATH, TRAIN(jsonl), .value = "FILE", .group = "Output", .help = "Write a JSON line a round, as they come"}, \
    {.name = "csv", .type = CLI_PATH, TRAIN(csv), .value = "FILE", .group = "Output", .help = "Write a CSV row a round"}, \
    {.name = "json", .type = CLI_FLAG, TRAIN(json), .group = "Output", .help = "Print one JSON object on stdout and nothing else"}, \
    {.name = "quiet", .type = CLI_FLAG, TRAIN(quiet), .group = "Output", .help = "No progress, no summary"}

#define TRAIN_MODEL_OPTION \
    {.name = "model-out", .type = CLI_PATH, TRAIN(model_out), .value = "FILE", .group = "Output", .help = "Write the last iterate as text"}

// clang-format on
#endif
