// SPDX-License-Identifier: MIT
/* ufednl-cli: train and apply L2-regularised logistic regression with federated Newton methods. One
 * function a command (run_train, run_predict, run_generate); the option tables are at the end. */
#include "cli/cli.h"

#include <ctrain/dataset.h>
#include <ctrain/file.h>
#include <ctrain/timer.h>
#include <ctrain/version.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ufednl/ufednl.h>

/* ---- train ---- */

typedef struct train_settings {
    size_t clients, max_rounds, threads, dims;
    double lambda, tol, time_limit;
    bool intercept, shuffle, json, quiet;
    uint64_t seed;
    const char *algorithm, *compressor, *k;
    const char *report, *jsonl, *csv;
    const char *file, *model;
} train_settings;

/* What train holds while it runs; cleared in one place. */
typedef struct training {
    const train_settings *settings;
    ct_report *report;
    ct_dataset *data;
    fednl_solver *solver;
    fednl_result result;
    fednl_round before; // the round before this one, for differences
    double seconds_read;
    ct_status row_status; // of the first row of the report that failed
    bool saved;           // MODEL was written
} training;

/* Columns of the report, in this order. */
enum {
    COLUMN_ROUND,
    COLUMN_F,
    COLUMN_GRAD_NORM,
    COLUMN_SHIFT,
    COLUMN_SECONDS,
    COLUMN_UP,
    COLUMN_UP_INDICES,
    COLUMN_DOWN,
    COLUMN_DERIVATIVES,
    COLUMN_COMPRESS,
    COLUMN_AGGREGATE,
    COLUMN_SOLVE,
    COLUMNS
};

static void declare_columns(ct_report *report)
{
    static const char *const columns[COLUMNS][3] = {
        [COLUMN_ROUND] = {"round", "round", ""},
        [COLUMN_F] = {"f", "loss f", ""},
        [COLUMN_GRAD_NORM] = {"grad_norm", "‖∇f‖", ""},
        [COLUMN_SHIFT] = {"shift", "shift l", ""},
        [COLUMN_SECONDS] = {"seconds", "time", "s"},
        [COLUMN_UP] = {"bytes_up", "sent to the server by all clients", "B"},
        [COLUMN_UP_INDICES] = {"bytes_up_indices", "of it indices", "B"},
        [COLUMN_DOWN] = {"bytes_down", "sent to all clients", "B"},
        [COLUMN_DERIVATIVES] = {"seconds_derivatives", "loss, gradient, Hessian", "s"},
        [COLUMN_COMPRESS] = {"seconds_compress", "compress", "s"},
        [COLUMN_AGGREGATE] = {"seconds_aggregate", "average", "s"},
        [COLUMN_SOLVE] = {"seconds_solve", "solve", "s"}};
    for (size_t c = 0; c < COLUMNS; c++)
        ct_report_column(report, columns[c][0], columns[c][1], columns[c][2]);
}

static void declare_plots(ct_report *report)
{
    static const size_t f[] = {COLUMN_F}, norm[] = {COLUMN_GRAD_NORM};
    static const size_t phases[] = {COLUMN_DERIVATIVES, COLUMN_COMPRESS, COLUMN_AGGREGATE,
                                    COLUMN_SOLVE};
    const ct_report_plot plots[] = {
        {.title = "Gradient norm by round", .x = COLUMN_ROUND, .y = norm, .n_y = 1, .log_y = true},
        {.title = "Gradient norm by traffic", .x = COLUMN_UP, .y = norm, .n_y = 1, .log_y = true},
        {.title = "Loss by round", .x = COLUMN_ROUND, .y = f, .n_y = 1},
        {.title = "Where the time of a round goes",
         .x = COLUMN_ROUND,
         .y = phases,
         .n_y = 4,
         .stacked = true}};
    for (size_t i = 0; i < sizeof plots / sizeof *plots; i++)
        ct_report_add_plot(report, &plots[i]);
}

/* Everything that can be refused before the work begins: files that cannot be written. */
static ct_status open_outputs(training *t, const cli_command *command, ct_diag *diag)
{
    const train_settings *s = t->settings;
    char title[300];
    snprintf(title, sizeof title, "%s on %s", "FedNL", s->file);
    CT_TRY(ct_report_create(&t->report, title, "ufednl-cli " CTRAIN_VERSION));
    cli_echo_settings(t->report, command, s);
    declare_columns(t->report);
    declare_plots(t->report);
    const cli_outputs outputs = {s->report, s->csv, s->jsonl, s->model};
    return cli_open_outputs(t->report, &outputs, diag);
}

static ct_status read_data(training *t, ct_diag *diag)
{
    double begin = ct_time_s();
    ct_libsvm_options opt = ct_libsvm_options_default();
    opt.cols = t->settings->dims;
    ct_status status = ct_pool_create(&opt.pool, t->settings->threads, diag);
    if (status == CT_OK)
        status = ct_dataset_read_libsvm(&t->data, t->settings->file, &opt, diag);
    ct_pool_destroy(opt.pool);
    t->seconds_read = ct_time_s() - begin;
    return status;
}

/* "300", "8d" or "0.5d": entries, or that many for every dimension. NULL: 0, the solver's choice.
 */
static ct_status parse_k(const char *text, fednl_compressor compressor, size_t dimension, size_t *k,
                         ct_diag *diag)
{
    *k = 0;
    if (text == NULL)
        return CT_OK;
    if (compressor == FEDNL_COMPRESSOR_IDENTITY)
        return ct_fail(diag, CT_EINVALID,
                       "--k: identity sends every entry (add --compressor topk)");
    double n = (double)dimension, value = -1.0;
    char *rest = (char *)text;
    if (text[strspn(text, "0123456789.d")] == '\0')
        value = strtod(text, &rest);
    bool whole = *rest == '\0' && strchr(text, '.') == NULL;
    if (rest == text || !(whole || strcmp(rest, "d") == 0))
        return ct_fail(diag, CT_EINVALID, "--k: '%s' is neither a whole number nor one like 8d",
                       text);
    value = floor(whole ? value : value * n);
    double triangle = n * (n + 1.0) / 2.0;
    if (value < 1.0)
        return ct_fail(diag, CT_EINVALID, "--k: '%s' is less than 1 entry", text);
    if (value > triangle)
        return ct_fail(diag, CT_EINVALID,
                       "--k: '%s' is more than the N = %.0f entries of a triangle (d = %zu)", text,
                       triangle, dimension);
    *k = (size_t)value;
    return CT_OK;
}

static void on_round(void *context, const fednl_round *round)
{
    training *t = context;
    char up[CLI_TEXT_SIZE];
    cli_progress("round %zu  f %.9f  ||grad f|| %.2e  up %s", round->round, round->f,
                 round->grad_norm, cli_bytes_text(up, (double)round->traffic.bytes_up));
    const fednl_phases *now = &round->phases, *then = &t->before.phases;
    const double row[COLUMNS] = {[COLUMN_ROUND] = (double)round->round,
                                 [COLUMN_F] = round->f,
                                 [COLUMN_GRAD_NORM] = round->grad_norm,
                                 [COLUMN_SHIFT] = round->shift,
                                 [COLUMN_SECONDS] = t->seconds_read + round->seconds,
                                 [COLUMN_UP] = (double)round->traffic.bytes_up,
                                 [COLUMN_UP_INDICES] = (double)round->traffic.bytes_up_indices,
                                 [COLUMN_DOWN] = (double)round->traffic.bytes_down,
                                 [COLUMN_DERIVATIVES] = now->derivatives - then->derivatives,
                                 [COLUMN_COMPRESS] = now->compress - then->compress,
                                 [COLUMN_AGGREGATE] = now->aggregate - then->aggregate,
                                 [COLUMN_SOLVE] = now->solve - then->solve};
    if (t->row_status == CT_OK)
        t->row_status = ct_report_row(t->report, row);
    t->before = *round;
}

static ct_status create_solver(training *t, ct_diag *diag)
{
    const train_settings *s = t->settings;
    fednl_options opt = fednl_options_default();
    opt.lambda = s->lambda;
    opt.intercept = s->intercept;
    opt.clients = s->clients;
    opt.shuffle = s->shuffle;
    opt.seed = s->seed;
    opt.tol = s->tol;
    opt.max_rounds = s->max_rounds;
    opt.time_limit_s = isnan(s->time_limit) ? 0.0 : s->time_limit;
    opt.threads = s->threads;
    opt.on_round = on_round;
    opt.on_round_context = t;
    opt.stop = cli_stop_flag(); // from here on a signal ends the rounds, not the process
    if (!fednl_algorithm_from_name(&opt.algorithm, s->algorithm) ||
        !fednl_compressor_from_name(&opt.compressor, s->compressor))
        return CT_EINVALID;
    CT_TRY(parse_k(s->k, opt.compressor, t->data->cols + s->intercept, &opt.k, diag));
    ct_status status = fednl_solver_create(&t->solver, t->data, &opt, diag);
    if (status != CT_OK)
        ct_diag_prefix(diag, "%s", s->file);
    return status;
}

static ct_status save_model(training *t, ct_diag *diag)
{
    if (t->settings->model == NULL || t->result.outcome == FEDNL_DIVERGED)
        return CT_OK;
    fednl_model *model;
    CT_TRY(fednl_solver_model(t->solver, &model));
    ct_status status = fednl_model_save(model, t->settings->model, diag);
    fednl_model_destroy(model);
    t->saved = status == CT_OK;
    return status;
}

static void record_result(const training *t)
{
    const fednl_result *r = &t->result;
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"f", r->f},
                   {"grad_norm", r->grad_norm},
                   {"x_norm", r->x_norm},
                   {"seconds", t->seconds_read + r->seconds},
                   {"seconds_read", t->seconds_read},
                   {"seconds_setup", r->seconds_setup},
                   {"seconds_derivatives", r->phases.derivatives},
                   {"seconds_compress", r->phases.compress},
                   {"seconds_aggregate", r->phases.aggregate},
                   {"seconds_solve", r->phases.solve}};
    const struct {
        const char *key;
        uint64_t value;
    } integers[] = {{"rounds", r->rounds},
                    {"bytes_up", r->traffic.bytes_up},
                    {"bytes_up_indices", r->traffic.bytes_up_indices},
                    {"bytes_down", r->traffic.bytes_down},
                    {"rows", r->rows},
                    {"features", r->features},
                    {"dimension", r->dimension},
                    {"clients", r->clients},
                    {"k", r->k},
                    {"pattern", r->pattern},
                    {"peak_memory_bytes", ct_peak_memory_bytes()}};
    ct_report_string(t->report, CT_REPORT_RESULT, "status", fednl_outcome_name(r->outcome));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ct_report_number(t->report, CT_REPORT_RESULT, numbers[i].key, numbers[i].value);
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
        ct_report_integer(t->report, CT_REPORT_RESULT, integers[i].key, (int64_t)integers[i].value);
    ct_report_string(t->report, CT_REPORT_RESULT, "model", t->saved ? t->settings->model : NULL);
}

static void print_summary(const training *t)
{
    const train_settings *s = t->settings;
    const fednl_result *r = &t->result;
    char up[CLI_TEXT_SIZE], down[CLI_TEXT_SIZE], time[CLI_TEXT_SIZE];
    printf("data        %s: %zu rows, %zu features%s\n", s->file, r->rows, r->features,
           s->intercept ? " and an intercept" : "");
    printf("method      %s, %s, %zu %s, lambda %g\n", s->algorithm, s->compressor, r->clients,
           r->clients == 1 ? "client" : "clients", s->lambda);
    printf("result      %s after %zu rounds, %s%s\n", fednl_outcome_name(r->outcome), r->rounds,
           cli_seconds_text(time, t->seconds_read + r->seconds),
           r->outcome == FEDNL_DIVERGED ? " (a larger --lambda helps)" : "");
    printf("f           %.15g\n||grad f||  %.3e\n", r->f, r->grad_norm);
    printf("traffic     %s to the server, %s to the clients\n",
           cli_bytes_text(up, (double)r->traffic.bytes_up),
           cli_bytes_text(down, (double)r->traffic.bytes_down));
    if (t->saved)
        printf("model       %s\n", s->model);
    else if (s->model != NULL)
        printf("model       not written: the iterates diverged\n");
    if (s->report != NULL)
        printf("report      %s\n", s->report);
}

static ct_status train(training *t, const cli_command *command, ct_diag *diag)
{
    CT_TRY(open_outputs(t, command, diag));
    CT_TRY(read_data(t, diag));
    CT_TRY(create_solver(t, diag));
    cli_progress_begin(t->settings->quiet);
    ct_status status = fednl_solver_run(t->solver, &t->result, diag);
    cli_progress_end();
    CT_TRY(status);
    CT_TRY(save_model(t, diag)); // also where a disk is too full for the report
    record_result(t);
    CT_TRY(ct_report_finish(t->report, diag));
    CT_TRY(t->row_status);
    const char *json = ct_report_json(t->report);
    if (json == NULL)
        return CT_ENOMEM;
    if (t->settings->json)
        puts(json);
    else if (!t->settings->quiet)
        print_summary(t);
    return CT_OK;
}

/* Converged, or all rounds that were asked for when no tolerance was: 0. */
static int exit_code(const training *t)
{
    switch (t->result.outcome) {
    case FEDNL_CONVERGED:
        return CLI_EXIT_OK;
    case FEDNL_MAX_ROUNDS:
        return t->settings->tol > 0.0 ? CLI_EXIT_NO_TOLERANCE : CLI_EXIT_OK;
    case FEDNL_INTERRUPTED:
        return cli_exit_code(CLI_EXIT_NO_TOLERANCE);
    case FEDNL_TIME_LIMIT:
    case FEDNL_DIVERGED:
        break;
    }
    return CLI_EXIT_NO_TOLERANCE;
}

static int run_train(void *settings, const cli_command *command)
{
    training t = {.settings = settings};
    ct_diag diag = {0};
    ct_status status = train(&t, command, &diag);
    int code = status == CT_OK ? exit_code(&t) : cli_fail(status, &diag);
    fednl_solver_destroy(t.solver);
    ct_dataset_destroy(t.data);
    ct_report_destroy(t.report);
    return code;
}

/* ---- predict ---- */

typedef struct predict_settings {
    bool json, quiet;
    const char *file, *model, *output;
} predict_settings;

static ct_status write_labels(const char *path, const double *label, size_t n, ct_diag *diag)
{
    ct_file_writer *out;
    CT_TRY(ct_file_writer_open(&out, path, diag));
    for (size_t i = 0; i < n; i++) {
        char text[CT_NUMBER_TEXT_SIZE];
        ct_number_text(text, label[i]);
        ct_file_writer_printf(out, "%s\n", text);
    }
    return ct_file_writer_commit(out, diag);
}

static ct_status print_score_json(const predict_settings *s, const cli_command *command,
                                  const fednl_score *score)
{
    ct_report *report;
    CT_TRY(ct_report_create(&report, "prediction", "ufednl-cli " CTRAIN_VERSION));
    cli_echo_settings(report, command, s);
    ct_report_integer(report, CT_REPORT_RESULT, "rows", (int64_t)score->rows);
    ct_report_integer(report, CT_REPORT_RESULT, "correct", (int64_t)score->correct);
    ct_report_integer(report, CT_REPORT_RESULT, "unknown_labels", (int64_t)score->unknown);
    ct_report_number(report, CT_REPORT_RESULT, "accuracy",
                     (double)score->correct / (double)score->rows);
    ct_report_number(report, CT_REPORT_RESULT, "log_loss", score->log_loss);
    const char *json = ct_report_json(report);
    if (json != NULL)
        puts(json);
    ct_report_destroy(report);
    return json != NULL ? CT_OK : CT_ENOMEM;
}

static void print_score(const fednl_score *score)
{
    printf("Accuracy = %g%% (%zu/%zu)\n", 100.0 * (double)score->correct / (double)score->rows,
           score->correct, score->rows);
    if (score->unknown < score->rows)
        printf("Log-loss = %.6g\n", score->log_loss);
    if (score->unknown > 0)
        printf("%zu rows have a label that the model does not know\n", score->unknown);
}

static ct_status predict(const predict_settings *s, const cli_command *command, fednl_model **model,
                         ct_dataset **data, double **label, ct_diag *diag)
{
    fednl_score score;
    CT_TRY(fednl_model_load(model, s->model, diag));
    CT_TRY(ct_dataset_read_libsvm(data, s->file, NULL, diag));
    *label = calloc((*data)->rows, sizeof **label);
    if (*label == NULL)
        return CT_ENOMEM;
    ct_status status = fednl_model_predict(*model, *data, *label, NULL, &score, diag);
    if (status != CT_OK)
        ct_diag_prefix(diag, "%s", s->file);
    CT_TRY(status);
    if (s->output != NULL)
        CT_TRY(write_labels(s->output, *label, (*data)->rows, diag));
    if (s->json)
        return print_score_json(s, command, &score);
    if (!s->quiet)
        print_score(&score);
    return CT_OK;
}

static int run_predict(void *settings, const cli_command *command)
{
    fednl_model *model = NULL;
    ct_dataset *data = NULL;
    double *label = NULL;
    ct_diag diag = {0};
    ct_status status = predict(settings, command, &model, &data, &label, &diag);
    int code = status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
    fednl_model_destroy(model);
    ct_dataset_destroy(data);
    free(label);
    return code;
}

/* ---- generate ---- */

typedef struct generate_settings {
    size_t rows, features;
    double nnz, positive, power;
    bool binary, quiet;
    uint64_t seed;
    const char *file;
} generate_settings;

static int run_generate(void *settings, const cli_command *command)
{
    (void)command;
    const generate_settings *s = settings;
    if (s->nnz > (double)s->features)
        return cli_usage("--nnz: %g is more than the %zu features", s->nnz, s->features);
    if (s->positive >= 1.0)
        return cli_usage("--positive: %g is not below 1 (both labels must occur)", s->positive);
    ct_sparse_options opt = ct_sparse_options_default();
    opt.rows = s->rows;
    opt.cols = s->features;
    opt.nnz_per_row = s->nnz;
    opt.positive_fraction = s->positive;
    opt.power = s->power;
    opt.binary = s->binary;
    opt.seed = s->seed;
    ct_dataset *data = NULL;
    ct_diag diag = {0};
    ct_status status = ct_dataset_generate_sparse(&data, &opt, &diag);
    if (status == CT_OK)
        status = ct_dataset_write_libsvm(data, s->file, &diag);
    if (status == CT_OK && !s->quiet)
        printf("%s: %zu rows, %zu features, %zu non-zeros\n", s->file, data->rows, data->cols,
               data->nnz);
    ct_dataset_destroy(data);
    return status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
}

/* ---- Options ---- */

#define TRAIN(member)    offsetof(train_settings, member)
#define PREDICT(member)  offsetof(predict_settings, member)
#define GENERATE(member) offsetof(generate_settings, member)
#define COUNT(array)     (sizeof(array) / sizeof *(array))

static const cli_option train_options[] = {
    {.name = "clients",
     .type = CLI_COUNT,
     .offset = TRAIN(clients),
     .value = "N",
     .preset = "1",
     .min = 1,
     .max = INFINITY,
     .group = "Problem",
     .help = "Deal the rows to N clients; at most as many as rows"},
    {.name = "lambda",
     .type = CLI_REAL,
     .offset = TRAIN(lambda),
     .value = "X",
     .preset = "1e-3",
     .min = 0,
     .max = INFINITY,
     .group = "Problem",
     .help = "Weight of the regulariser lambda/2 ||x||^2 beside the mean loss (LIBLINEAR's C is 1 "
             "/ (lambda rows)); 0 only where the data determine every weight"},
    {.name = "intercept",
     .type = CLI_FLAG,
     .offset = TRAIN(intercept),
     .preset = "true",
     .negatable = true,
     .group = "Problem",
     .help = "Append a column of ones; its weight is regularised like the others"},
    {.name = "dims",
     .type = CLI_COUNT,
     .offset = TRAIN(dims),
     .value = "N",
     .min = 1,
     .max = 4294967294.0,
     .group = "Problem",
     .help = "Number of features, where FILE does not hold the largest index; an index beyond it "
             "is an error"},
    {.name = "shuffle",
     .type = CLI_FLAG,
     .offset = TRAIN(shuffle),
     .preset = "true",
     .negatable = true,
     .group = "Problem",
     .help = "Deal the rows in random order, or in the order of FILE"},
    {.name = "seed",
     .type = CLI_SEED,
     .offset = TRAIN(seed),
     .value = "N",
     .preset = "1",
     .group = "Problem",
     .help = "Seed of the shuffle"},
    {.name = "algorithm",
     .type = CLI_CHOICE,
     .offset = TRAIN(algorithm),
     .value = "NAME",
     .preset = "fednl",
     .choices = "fednl",
     .group = "Method",
     .help = "fednl: steps with the average of the Hessians as learnt so far, shifted by what they "
             "lack"},
    {.name = "compressor",
     .type = CLI_CHOICE,
     .offset = TRAIN(compressor),
     .value = "NAME",
     .preset = "identity",
     .choices = "identity|topk",
     .group = "Method",
     .help = "What a client sends of the change of its Hessian: all of it, or the k entries of "
             "largest magnitude"},
    {.name = "k",
     .type = CLI_TEXT,
     .offset = TRAIN(k),
     .value = "K",
     .group = "Method",
     .help = "Entries for topk: a number, or a multiple of the dimension d such as 8d or 0.5d; at "
             "most N = d(d+1)/2. Default: 8d, or N if that is less"},
    {.name = "tol",
     .type = CLI_REAL,
     .offset = TRAIN(tol),
     .value = "X",
     .preset = "1e-9",
     .min = 0,
     .max = INFINITY,
     .group = "Stopping",
     .help = "Stop when ||grad f|| (not its square) is at most X; 0: run to --max-rounds"},
    {.name = "max-rounds",
     .type = CLI_COUNT,
     .offset = TRAIN(max_rounds),
     .value = "N",
     .preset = "1000",
     .group = "Stopping",
     .help = "Steps at most"},
    {.name = "time-limit",
     .type = CLI_REAL,
     .offset = TRAIN(time_limit),
     .value = "SECONDS",
     .min = 0,
     .max = INFINITY,
     .open_min = true,
     .group = "Stopping",
     .help = "Seconds of training at most, without reading FILE"},
    {.name = "threads",
     .type = CLI_COUNT,
     .offset = TRAIN(threads),
     .value = "N",
     .preset = "1",
     .min = 0,
     .max = 1024,
     .group = "Running",
     .help = "Threads; 0: one a processor. The result does not depend on it"},
    {.name = "json",
     .type = CLI_FLAG,
     .offset = TRAIN(json),
     .group = "Output",
     .help = "Print settings and result as one JSON object"},
    {.name = "report",
     .type = CLI_PATH,
     .offset = TRAIN(report),
     .value = "FILE",
     .group = "Output",
     .help = "Write an HTML page with plots"},
    {.name = "jsonl",
     .type = CLI_PATH,
     .offset = TRAIN(jsonl),
     .value = "FILE",
     .group = "Output",
     .help = "Write a JSON line a round, as they come"},
    {.name = "csv",
     .type = CLI_PATH,
     .offset = TRAIN(csv),
     .value = "FILE",
     .group = "Output",
     .help = "Write a CSV row a round"},
    {.name = "quiet",
     .type = CLI_FLAG,
     .offset = TRAIN(quiet),
     .group = "Output",
     .help = "No progress, no summary"},
};

static const cli_operand train_operands[] = {
    {.name = "FILE",
     .help = "Rows in LIBSVM text: LABEL INDEX:VALUE ..., two different labels, indices from 1",
     .offset = TRAIN(file),
     .is_path = true},
    {.name = "MODEL",
     .help = "Where to write the model in LIBLINEAR's text format; without it none is written",
     .optional = true,
     .offset = TRAIN(model),
     .is_path = true},
};

static const cli_option predict_options[] = {
    {.name = "json",
     .type = CLI_FLAG,
     .offset = PREDICT(json),
     .help = "Print the result as one JSON object"},
    {.name = "quiet", .type = CLI_FLAG, .offset = PREDICT(quiet), .help = "Print nothing"},
};

static const cli_operand predict_operands[] = {
    {.name = "FILE",
     .help = "Rows in LIBSVM text, with labels",
     .offset = PREDICT(file),
     .is_path = true},
    {.name = "MODEL",
     .help = "A model of train, or of LIBLINEAR's logistic regression",
     .offset = PREDICT(model),
     .is_path = true},
    {.name = "OUTPUT",
     .help = "Where to write the predicted labels, one a line",
     .optional = true,
     .offset = PREDICT(output),
     .is_path = true},
};

static const cli_option generate_options[] = {
    {.name = "rows",
     .type = CLI_COUNT,
     .offset = GENERATE(rows),
     .value = "N",
     .preset = "49749",
     .min = 1,
     .max = 4294967294.0,
     .help = "Rows"},
    {.name = "features",
     .type = CLI_COUNT,
     .offset = GENERATE(features),
     .value = "N",
     .preset = "300",
     .min = 1,
     .max = 4294967294.0,
     .help = "Features"},
    {.name = "nnz",
     .type = CLI_REAL,
     .offset = GENERATE(nnz),
     .value = "X",
     .preset = "11.65",
     .min = 1,
     .max = INFINITY,
     .help = "Mean of the non-zeros a row; at most the features"},
    {.name = "positive",
     .type = CLI_REAL,
     .offset = GENERATE(positive),
     .value = "X",
     .preset = "0.03",
     .min = 0,
     .max = 1,
     .open_min = true,
     .help = "Fraction of rows with label +1"},
    {.name = "power",
     .type = CLI_REAL,
     .offset = GENERATE(power),
     .value = "X",
     .preset = "1",
     .min = 0,
     .max = INFINITY,
     .help = "Popularity of feature j is (j + 1)^-X"},
    {.name = "binary",
     .type = CLI_FLAG,
     .offset = GENERATE(binary),
     .preset = "true",
     .negatable = true,
     .help = "Values are all 1, or uniform on (0, 1]"},
    {.name = "seed",
     .type = CLI_SEED,
     .offset = GENERATE(seed),
     .value = "N",
     .preset = "1",
     .help = "Seed; the same gives the same file"},
    {.name = "quiet", .type = CLI_FLAG, .offset = GENERATE(quiet), .help = "Print nothing"},
};

static const cli_operand generate_operands[] = {
    {.name = "FILE", .help = "Where to write", .offset = GENERATE(file), .is_path = true},
};

static const cli_command commands[] = {
    {.name = "train",
     .summary = "Train logistic regression on a LIBSVM file.",
     .description =
         "Minimises the mean of log(1 + exp(-b a^T x)) over the rows plus lambda/2 ||x||^2. The "
         "rows are dealt to clients, which never show them: they send gradients and compressed "
         "changes of their Hessians (FedNL, arXiv:2106.02969). Clients weigh by their rows, so "
         "the optimum is that of the whole file, whatever --clients is.\n\nf and ||grad f|| of the "
         "result are recomputed from the rows of FILE.",
     .examples = "ufednl-cli train a9a a9a.model\n"
                 "ufednl-cli train --clients 142 --compressor topk --k 8d --report a9a.html a9a",
     .options = train_options,
     .n_options = COUNT(train_options),
     .operands = train_operands,
     .n_operands = COUNT(train_operands),
     .settings_size = sizeof(train_settings),
     .run = run_train},
    {.name = "predict",
     .summary = "Predict the labels of a LIBSVM file with a model.",
     .description = "Prints the accuracy as liblinear-predict does, and the log-loss: the mean of "
                    "-log(probability of the row's label).",
     .examples = "ufednl-cli predict a9a.t a9a.model predicted.txt",
     .options = predict_options,
     .n_options = COUNT(predict_options),
     .operands = predict_operands,
     .n_operands = COUNT(predict_operands),
     .settings_size = sizeof(predict_settings),
     .run = run_predict},
    {.name = "generate",
     .summary = "Write a synthetic LIBSVM file with a planted model, shaped like w8a.",
     .description = "Labels are drawn from the logistic probability of a planted linear model.",
     .examples = "ufednl-cli generate w8a-like.libsvm\n"
                 "ufednl-cli generate --rows 1000000 --features 10000 --nnz 100 big.libsvm",
     .options = generate_options,
     .n_options = COUNT(generate_options),
     .operands = generate_operands,
     .n_operands = COUNT(generate_operands),
     .settings_size = sizeof(generate_settings),
     .run = run_generate},
};

static const cli_program program = {
    .name = "ufednl-cli",
    .summary = "L2-regularised logistic regression by federated Newton methods.",
    .description = "Trains on LIBSVM files whose rows are dealt to clients, to the exact optimum "
                   "and with few bytes between clients and server. Models are in LIBLINEAR's text "
                   "format.",
    .commands = commands,
    .n_commands = COUNT(commands)};

int main(int argc, char **argv)
{
    return cli_main(&program, argc, argv);
}
