// SPDX-License-Identifier: MIT
/* What the commands that train share (simulate, client, local, compare): their settings, what these
 * mean for the library, and the record of a run. */
#ifndef PERMK_CLI_TRAIN_SETTINGS_H
#define PERMK_CLI_TRAIN_SETTINGS_H

#include "permk/permk_cli.h"

#include <ctrain/dataset.h>
#include <ctrain/file.h>

/* Not every command has every member; what a command has no option for stays 0. */
typedef struct train_settings {
    // Problem
    const char *problem, *data;
    size_t clients, dim, batch, problem_seed;
    bool shuffle;
    double label_skew;
    // of the quadratic
    size_t samples;
    double smoothness, convexity;
    bool homogeneous;
    // of logistic regression
    double lambda;
    const char *regulariser;
    bool intercept;
    // of neural networks
    size_t hidden, layers, embed, heads, context;
    // Method
    const char *method, *compressor, *rule, *value, *schedule;
    size_t k;
    double step, step_half;
    double steps[4]; // compare: of each method
    uint64_t seed;
    bool secret_ownership;
    // Stopping
    double tol;
    size_t max_rounds, eval_every;
    // Protection
    const char *cipher, *key, *identity, *roster;
    bool is_signed, agree;
    size_t key_rounds;
    // Running
    size_t chunk_kb, checkpoint_every;
    const char *checkpoint, *resume;
    // Network
    size_t id, port, min_clients;
    const char *host, *capture;
    double round_timeout_s, connect_timeout_s;
    // Output
    const char *report, *jsonl, *csv, *model_out;
    bool json, quiet;
} train_settings;

/* What a run holds; cleared in one place. */
typedef struct training {
    const train_settings *settings;
    const cli_command *command;
    ct_report *report;
    ct_dataset *data;  // rows of --data, until the problem is made of them
    ct_file_view text; // the same of a text
    permk_problem problem;
    permk_key *key;
    permk_identity *identity;
    permk_roster *roster;
    ct_transport *transport; // of a client
    double *x;
    char problem_text[512];
    permk_train_options options;
    permk_result result;
    double begin, seconds_problem; // when the rounds began; seconds before that
    char norm_text[40];            // as evaluated last, for the progress line
    ct_status row_status;          // of the first row of the report that failed
    bool saved;                    // the model was written
} training;

/* One command's life: refuse options without effect, open what will be written, train, write
 * results, clear. Returns the exit code. title: what the report is about. */
int training_run(training *run, ct_status (*train)(training *, ct_diag *));
/* Its parts, for compare, which has a report of its own: the options, without the method where
 * there is no --method. */
ct_status training_options(training *run, ct_diag *diag);
void training_clear(training *run);

/* Read the key, the identity and the roster that were named, into the options. */
ct_status training_read_keys(training *run, ct_diag *diag);

/* ---- problem.c ---- */

/* "quadratic", "logistic", "mlp" or "gpt": --problem, or what --data or its absence makes of it. */
const char *problem_kind(const train_settings *s);
/* Refuse options of other problems. */
ct_status problem_check_options(const train_settings *s, ct_diag *diag);
/* Read --data, where there is any: all that can be wrong with it is said before others wait. */
ct_status problem_read(training *run, ct_diag *diag);
/* Whose rows of --data are kept. */
typedef enum problem_rows {
    PROBLEM_ALL_CLIENTS, // everybody's
    PROBLEM_PART,        // the part that is dealt to `self`
    PROBLEM_OWN          // all of them, which are those of `self` alone
} problem_rows;
/* The problem of n clients and its starting point. */
ct_status problem_make(training *run, uint32_t n, problem_rows rows, uint32_t self, ct_diag *diag);

/* ---- train_report.c ---- */

/* Create the report with its columns and plots, and open the files. */
ct_status training_open_report(training *run, ct_diag *diag);
/* permk_train_options.on_round: a row and the progress line. context: the training. */
void training_on_round(void *context, const permk_round *round);
/* Write model, report and summary. */
ct_status training_write_results(training *run, ct_diag *diag);

#endif
