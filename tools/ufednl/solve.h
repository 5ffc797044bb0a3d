// SPDX-License-Identifier: MIT
/* What the commands that train share (train, server, local, compare): their settings, what these
 * mean for the library, and the record of a run. */
#ifndef UFEDNL_CLI_SOLVE_H
#define UFEDNL_CLI_SOLVE_H

#include "ufednl/ufednl_cli.h"

#include <ufednl/network.h>

/* Not every command has every member; what a command has no option for stays 0. */
typedef struct solve_settings {
    const char *file, *model; // operands
    // Problem
    size_t dims;
    double positive_label, lambda;
    bool intercept, regularise_intercept;
    const char *weights;
    // Clients
    size_t clients;
    bool shuffle;
    const char *sizes;
    double label_skew;
    uint64_t seed;
    // Method
    const char *algorithm, *option, *compressor, *k, *model_k;
    const char *methods; // compare
    size_t rank, participants, check_every, memory;
    double mu, alpha, decrease, backtrack, cubic, model_rate, gradient_probability, step_size;
    // Stopping
    double tol, time_limit, max_megabytes;
    size_t max_rounds;
    // Running
    size_t threads, checkpoint_every;
    const char *start, *test, *checkpoint, *resume;
    // Network
    const char *host, *port_file;
    size_t port, min_clients;
    double round_timeout_s, accept_timeout_s;
    // Output
    const char *report, *jsonl, *csv;
    bool json, quiet;
} solve_settings;

/* What a run holds; cleared in one place. */
typedef struct solve {
    const solve_settings *settings;
    const cli_command *command;
    ct_report *report;
    ct_dataset *data, *test; // NULL: none
    fednl_model *start;
    size_t *sizes;
    fednl_solver *solver;
    fednl_result result;
    fednl_round before; // the round before this one, for differences
    double seconds_read;
    ct_status status; // the first failure within a round: a row of the report, a checkpoint
    ct_diag diag;
    bool saved; // MODEL was written
} solve;

/* Refuse options that have no effect on the algorithm and compressor chosen, and open what will be
 * written. title: what the report is about. */
ct_status solve_begin(solve *run, const char *title, ct_diag *diag);
/* Read FILE, --test and --start. */
ct_status solve_read(solve *run, ct_diag *diag);
/* Read a file of rows, and map its labels where positive is not NaN. opt may be NULL. */
ct_status solve_read_rows(ct_dataset **out, const char *path, const ct_libsvm_options *opt,
                          double positive, ct_diag *diag);
/* Settings as options of the library; texts and arrays are the run's. The stop flag is set, so that
 * a signal ends the rounds from here on. */
ct_status solve_options(solve *run, fednl_options *opt, ct_diag *diag);
/* How the rows are dealt; sizes are the run's. */
ct_status solve_split_options(solve *run, ct_split_options *opt, ct_diag *diag);
/* Of an algorithm, that --compressor has an effect on it; of a compressor, that --k has. */
bool solve_compresses(fednl_algorithm algorithm);
bool solve_takes_k(fednl_compressor compressor);
/* Resume if asked for, iterate, write model, report and summary. */
ct_status solve_finish(solve *run, ct_diag *diag);
/* Converged, or all rounds that were asked for when no tolerance was: 0. */
int solve_exit_code(const solve *run);
void solve_clear(solve *run);

/* "100,200,50": sizes of the clients, the caller's; n becomes their number. */
ct_status solve_parse_sizes(const char *text, size_t **out, size_t *n, ct_diag *diag);

#endif
