// SPDX-License-Identifier: MIT
/* ufednl-cli predict: labels or probabilities of rows by a model, and how well they fit. */
#include "ufednl/solve.h"

#include <ctrain/file.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct predict_settings {
    bool probabilities, json, quiet;
    double positive_label;
    const char *file, *model, *output;
} predict_settings;

/* What predict holds while it runs; cleared in one place. */
typedef struct prediction {
    const predict_settings *settings;
    fednl_model *model;
    ct_dataset *data;
    double *label, *probability; // (rows)
    fednl_score score;
} prediction;

static void write_number(ct_file_writer *out, double value, const char *after)
{
    char text[CT_NUMBER_TEXT_SIZE];
    ct_number_text(text, value);
    ct_file_writer_printf(out, "%s%s", text, after);
}

/* One label a line, or what liblinear-predict -b 1 writes: "labels L0 L1", then label and both
 * probabilities. */
static ct_status write_output(const prediction *p, ct_diag *diag)
{
    const bool probabilities = p->settings->probabilities;
    ct_file_writer *out;
    CT_TRY(ct_file_writer_open(&out, p->settings->output, diag));
    if (probabilities) {
        ct_file_writer_printf(out, "labels ");
        write_number(out, p->model->label[0], " ");
        write_number(out, p->model->label[1], "\n");
    }
    for (size_t i = 0; i < p->data->rows; i++) {
        write_number(out, p->label[i], probabilities ? " " : "\n");
        if (!probabilities)
            continue;
        write_number(out, p->probability[i], " ");
        write_number(out, 1.0 - p->probability[i], "\n");
    }
    return ct_file_writer_commit(out, diag);
}

static ct_status print_json(const prediction *p, const cli_command *command)
{
    const fednl_score *score = &p->score;
    ct_report *report;
    CT_TRY(ct_report_create(&report, "prediction", UFEDNL_PROGRAM));
    cli_echo_settings(report, command, p->settings);
    ct_report_integer(report, CT_REPORT_RESULT, "rows", (int64_t)score->rows);
    ct_report_integer(report, CT_REPORT_RESULT, "correct", (int64_t)score->correct);
    ct_report_integer(report, CT_REPORT_RESULT, "unknown_labels", (int64_t)score->unknown);
    ct_report_number(report, CT_REPORT_RESULT, "accuracy",
                     (double)score->correct / (double)score->rows);
    ct_report_number(report, CT_REPORT_RESULT, "log_loss", score->log_loss);
    ct_report_number(report, CT_REPORT_RESULT, "auc", score->auc);
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
    if (!isnan(score->auc))
        printf("AUC = %.6g\n", score->auc);
    if (score->unknown > 0)
        printf("%zu rows have a label that the model does not know\n", score->unknown);
}

static ct_status apply_model(prediction *p, ct_diag *diag)
{
    const predict_settings *s = p->settings;
    CT_TRY(fednl_model_load(&p->model, s->model, diag));
    CT_TRY(solve_read_rows(&p->data, s->file, NULL, s->positive_label, diag));
    p->label = calloc(p->data->rows, sizeof *p->label);
    p->probability = calloc(p->data->rows, sizeof *p->probability);
    if (p->label == NULL || p->probability == NULL)
        return CT_ENOMEM;
    ct_status status =
        fednl_model_predict(p->model, p->data, p->label, p->probability, &p->score, diag);
    if (status != CT_OK)
        ct_diag_prefix(diag, "%s", s->file);
    return status;
}

static ct_status predict(prediction *p, const cli_command *command, ct_diag *diag)
{
    CT_TRY(apply_model(p, diag));
    if (p->settings->output != NULL)
        CT_TRY(write_output(p, diag));
    if (p->settings->json)
        return print_json(p, command);
    if (!p->settings->quiet)
        print_score(&p->score);
    return CT_OK;
}

static int run_predict(void *settings, const cli_command *command)
{
    prediction p = {.settings = settings};
    ct_diag diag = {0};
    if (p.settings->probabilities && p.settings->output == NULL)
        return cli_usage("--probabilities: there is no OUTPUT to write them to");
    ct_status status = predict(&p, command, &diag);
    int code = status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
    fednl_model_destroy(p.model);
    ct_dataset_destroy(p.data);
    free(p.label);
    free(p.probability);
    return code;
}

#define PREDICT(member) .offset = offsetof(predict_settings, member)
// clang-format off
static const cli_option options[] = {
    {.name = "probabilities", .type = CLI_FLAG, PREDICT(probabilities),
     .help = "Write to OUTPUT what liblinear-predict -b 1 does: the labels of the model, then for each row its label and the probabilities of both"},
    {.name = "positive-label", .type = CLI_REAL, PREDICT(positive_label), .value = "X",
     .help = "As given to train: rows with label X against all others"},
    {.name = "json", .type = CLI_FLAG, PREDICT(json), .help = "Print the result as one JSON object"},
    {.name = "quiet", .type = CLI_FLAG, PREDICT(quiet), .help = "Print nothing"},
};

static const cli_operand operands[] = {
    {.name = "FILE", .help = "Rows in LIBSVM text, or as converted by convert, with labels", PREDICT(file), .is_path = true},
    {.name = "MODEL", .help = "A model of train, or of LIBLINEAR's logistic regression", PREDICT(model), .is_path = true},
    {.name = "OUTPUT", .help = "Where to write the predicted labels, one a line", .optional = true, PREDICT(output), .is_path = true},
};
// clang-format on

cli_command ufednl_predict(void)
{
    return (cli_command){
        .name = "predict",
        .summary = "Predict the labels of a LIBSVM file with a model.",
        .description = "Prints the accuracy as liblinear-predict does, the log-loss (the mean of "
                       "-log(probability of the row's label)), and the area under the ROC curve.",
        .examples = "ufednl-cli predict a9a.t a9a.model predicted.txt\n"
                    "ufednl-cli predict --probabilities a9a.t a9a.model probabilities.txt",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(predict_settings),
        .run = run_predict};
}
