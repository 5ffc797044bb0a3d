// SPDX-License-Identifier: MIT
/* The parts of the command train: its settings, and what it trains (a learner: a model with its
 * data). cmd_train.c has the steps, train_settings.c what settings mean for which model, and
 * learner_text.c and learner_rows.c the two kinds of models. */
#ifndef BURTORCH_CLI_TRAIN_H
#define BURTORCH_CLI_TRAIN_H

#include "burtorch/burtorch_cli.h"

typedef struct train_settings {
    const char *model;
    // Data
    const char *text, *unit;
    const char *data, *format, *label, *target;
    const char *standardize;
    size_t dims;
    double validation;
    // Model
    size_t context, embed, hidden, layers, heads, channels;
    const char *image, *activation, *dtype;
    double dropout;
    // Steps
    size_t steps, epochs, batch, accumulate, shards, threads;
    uint64_t seed;
    size_t eval_every, patience;
    // Optimizer
    const char *optimizer, *schedule;
    double lr, momentum, weight_decay, beta1, beta2, clip_norm;
    bool nesterov;
    size_t warmup, step_every;
    double floor, step_factor;
    // Output
    size_t sample;
    double temperature;
    const char *model_out, *checkpoint, *resume, *report, *jsonl, *csv;
    size_t checkpoint_every;
    bool json, quiet;
} train_settings;

/* The option table, in train_options.c. */
extern const cli_option train_options[];
extern const size_t n_train_options;

/* Take from the file of a checkpoint (NULL: none) what was not given, refuse what contradicts it or
 * has no effect, and fill in the defaults of the model. Texts of the file are borrowed. */
ct_status train_settings_resolve(train_settings *s, const bt_safetensors *checkpoint,
                                 ct_diag *diag);

/* The settings that a run must go on with, as metadata of its checkpoints. */
enum { TRAIN_KEPT = 48 };
typedef struct kept_settings {
    bt_metadata entries[TRAIN_KEPT];
    size_t n;
    char keys[TRAIN_KEPT][40], numbers[TRAIN_KEPT][32];
} kept_settings;
void train_settings_keep(const train_settings *s, kept_settings *kept);

bt_trainer_options train_trainer_options(const train_settings *s);
bt_schedule train_schedule(const train_settings *s);

/* ---- Learners ---- */

/* How good a model is; NaN: does not apply. */
typedef struct measure {
    double loss, accuracy, rmse;
} measure;

typedef struct learner learner;
typedef struct learner_methods {
    /* One step at this rate; *loss as bt_trainer_step. */
    ct_status (*step)(learner *l, uint64_t step, double rate, double *loss, ct_diag *diag);
    /* On the data held back (NaN without): all, or, while training goes on, a part that does not
     * take long. */
    ct_status (*evaluate)(learner *l, bool all, measure *out, ct_diag *diag);
    /* Write the model; with a state (may be NULL) all that training needs to go on. */
    ct_status (*save)(learner *l, const char *path, const bt_checkpoint *state, ct_diag *diag);
    ct_status (*resume)(learner *l, const char *path, bt_checkpoint *state, ct_diag *diag);
    void (*report)(const learner *l, ct_report *report);
    /* Lines about the data, and about what a model must beat. */
    void (*print_data)(const learner *l);
    void (*print_baseline)(const learner *l);
    void (*destroy)(learner *l);
} learner_methods;

struct learner {
    const learner_methods *methods;
    bt_graph *graph;      // has the parameters
    size_t parameters;    // numbers in all of them
    size_t train_samples; // characters or rows to train on
    size_t validation_samples;
    size_t samples_a_step;
    size_t steps_an_epoch; // 0: does not apply
    uint64_t data_checksum;
    double untrained_loss;               // about; what more than ten times of it has diverged
    const char *loss_unit, *sample_name; // "nats/char", "characters"
    enum { MEASURE_BITS, MEASURE_ACCURACY, MEASURE_RMSE } measure; // what else is shown
};

/* Read the data and create the model of the settings, which are borrowed; the default of --batch
 * shrinks to the rows there are. */
ct_status text_learner_create(learner **out, const train_settings *s, ct_diag *diag);
ct_status row_learner_create(learner **out, train_settings *s, ct_diag *diag);
void learner_destroy(learner *l); // NULL is allowed

/* Of a text learner: the model, for samples; NULL for the other kind. */
bt_text_model *text_learner_model(learner *l);

/* A number that tells files with other bytes apart (FNV-1a). */
ct_status file_checksum(const char *path, uint64_t *out, ct_diag *diag);

/* Texts drawn from a model. */
typedef struct samples {
    size_t n, max_bytes;
    char *texts; // (n, max_bytes + 1)
    size_t *lengths;
} samples;
ct_status samples_draw(samples *s, bt_text_model *model, size_t n, const bt_sample_options *opt,
                       ct_diag *diag);
void samples_clear(samples *s);
/* A line each, prompt before it. */
void samples_print(const samples *s, const char *prompt);

#endif
