// SPDX-License-Identifier: MIT
/* burtorch-cli eval: how well a model of train does on a text or on labelled rows. */
#include "burtorch/row_model.h"
#include "burtorch/train.h"

#include <ctrain/file.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct eval_settings {
    const char *model, *text, *data, *format, *label;
    bool json;
} eval_settings;

typedef struct evaluation {
    const eval_settings *s;
    bt_safetensors *file;
    // of a text
    bt_text_model *text_model;
    uint16_t *tokens;
    size_t n_tokens, lines;
    double loss;
    // of rows
    row_spec spec;
    row_data data;
    row_net net;
    bt_rows *rows;
    double *truth; // (rows) classes
    row_score score;
} evaluation;

/* ---- Texts ---- */

/* The bytes as tokens of the model; in lines, an edge behind each, and empty ones do not count. */
static ct_status make_tokens(evaluation *e, const char *data, size_t size, ct_diag *diag)
{
    const bt_vocabulary *v = bt_text_model_vocabulary(e->text_model);
    const bool lines = bt_text_model_unit(e->text_model) == BT_TEXT_LINE;
    size_t begin = 0; // of the line, in tokens
    e->tokens = calloc(size + 2, sizeof *e->tokens);
    if (!e->tokens)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    for (size_t i = 0; i <= size; i++) {
        const bool end = i == size || data[i] == '\n';
        if (lines && end) {
            if (e->n_tokens > begin)
                e->tokens[e->n_tokens++] = 0;
            begin = e->n_tokens;
            continue;
        }
        if (i == size || (lines && data[i] == '\r' && (i + 1 == size || data[i + 1] == '\n')))
            continue;
        const unsigned char byte = (unsigned char)data[i];
        if (v->token_of[byte] == 0)
            return ct_fail(diag, CT_EINVALID,
                           "%s: byte %zu is 0x%02x, which the model has never seen", e->s->text, i,
                           byte);
        e->tokens[e->n_tokens++] = v->token_of[byte];
    }
    return e->n_tokens ? CT_OK : ct_fail(diag, CT_EPARSE, "%s: there is no text", e->s->text);
}

static ct_status evaluate_text(evaluation *e, ct_diag *diag)
{
    ct_file_view view;
    CT_TRY(bt_text_model_load(&e->text_model, e->s->model, 1, diag));
    CT_TRY(ct_file_view_open(&view, e->s->text, diag));
    const ct_status status = make_tokens(e, view.data, view.size_bytes, diag);
    ct_file_view_close(&view);
    CT_TRY(status);
    e->loss = bt_text_model_evaluate(e->text_model, e->tokens, e->n_tokens);
    return CT_OK;
}

/* ---- Rows ---- */

/* The labels of the file become classes of the model in truth; in the data they become ones that
 * the model has, as a batch is filled with those. */
static ct_status match_labels(evaluation *e, ct_diag *diag)
{
    const row_spec *spec = &e->spec;
    e->truth = calloc(e->data.rows + 1, sizeof *e->truth);
    if (!e->truth)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    for (size_t i = 0; i < e->data.rows; i++) {
        double *label = row_data_label(&e->data, i);
        size_t k = 0;
        while (k < spec->classes && spec->labels[k] != *label)
            k++;
        e->truth[i] = !spec->classes ? *label : k < spec->classes ? (double)k : (double)NAN;
        if (k == spec->classes && spec->classes)
            *label = spec->labels[0];
    }
    return CT_OK;
}

static ct_status open_rows(evaluation *e, ct_diag *diag)
{
    const row_data_options data = {e->s->data, e->s->format,
                                   e->s->label ? e->s->label : e->spec.label, e->spec.features};
    if (!row_data_is_csv(&data) && e->s->label)
        return ct_fail(diag, CT_EINVALID, "--label has no effect on a LIBSVM file");
    CT_TRY(row_data_open(&e->data, &data, diag));
    if (e->data.features != e->spec.features)
        return ct_fail(diag, CT_EINVALID, "%s: %zu features, but the model has %zu", e->s->data,
                       e->data.features, e->spec.features);
    CT_TRY(match_labels(e, diag));
    bt_rows_options o = bt_rows_options_default();
    o.real_targets = e->spec.classes == 0;
    return row_data_rows(&e->data, &o, &e->rows, diag);
}

static ct_status evaluate_rows(evaluation *e, ct_diag *diag)
{
    CT_TRY(row_spec_read(&e->spec, e->file, e->s->model, diag));
    CT_TRY(row_net_build(&e->net, &e->spec, row_net_rows(&e->spec), 1, NULL, diag));
    CT_TRY(bt_graph_plan(e->net.graph, bt_tensor_none(e->net.graph), diag));
    CT_TRY(bt_checkpoint_read(e->file, e->s->model, e->net.graph, NULL, NULL, diag));
    CT_TRY(open_rows(e, diag));
    return row_net_score(&e->net, &e->spec, e->rows, BT_ROWS_TRAINING, e->truth, &e->score, diag);
}

/* ---- Output ---- */

static void print_result(const evaluation *e)
{
    const row_score *r = &e->score;
    if (e->text_model) {
        printf("%zu characters, %.4f nats/char (%.4f bits)\n", e->n_tokens, e->loss,
               e->loss / log(2.0));
    } else if (e->spec.classes) {
        printf("Accuracy = %g%% (%zu/%zu)\n", 100 * r->accuracy, r->correct, r->rows);
        printf("Log-loss = %.6g\n", r->loss);
        if (r->unknown)
            printf("%zu rows have a label that the model does not know\n", r->unknown);
    } else {
        printf("RMSE = %.6g (%zu rows)\nLoss = %.6g\n", r->rmse, r->rows, r->loss);
    }
}

static void report_result(const evaluation *e, ct_report *report)
{
    const row_score *r = &e->score;
    if (e->text_model) {
        ct_report_integer(report, CT_REPORT_RESULT, "chars", (int64_t)e->n_tokens);
        ct_report_number(report, CT_REPORT_RESULT, "loss", e->loss);
        ct_report_number(report, CT_REPORT_RESULT, "bits_per_char", e->loss / log(2.0));
        return;
    }
    ct_report_integer(report, CT_REPORT_RESULT, "rows", (int64_t)r->rows);
    ct_report_number(report, CT_REPORT_RESULT, "loss", r->loss);
    if (e->spec.classes) {
        ct_report_integer(report, CT_REPORT_RESULT, "correct", (int64_t)r->correct);
        ct_report_integer(report, CT_REPORT_RESULT, "unknown_labels", (int64_t)r->unknown);
        ct_report_number(report, CT_REPORT_RESULT, "accuracy", r->accuracy);
    } else {
        ct_report_number(report, CT_REPORT_RESULT, "rmse", r->rmse);
    }
}

static ct_status print_json(const evaluation *e, const cli_command *command, ct_diag *diag)
{
    ct_report *report;
    if (ct_report_create(&report, "evaluation", BURTORCH_PROGRAM) != CT_OK)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    cli_echo_settings(report, command, e->s);
    report_result(e, report);
    const char *json = ct_report_json(report);
    if (json)
        puts(json);
    ct_report_destroy(report);
    return json ? CT_OK : ct_fail(diag, CT_ENOMEM, "out of memory");
}

static ct_status evaluate(evaluation *e, ct_diag *diag)
{
    const eval_settings *s = e->s;
    CT_TRY(bt_safetensors_open(&e->file, s->model, diag));
    const char *model = bt_safetensors_metadata(e->file, "model");
    const bool text = model && strncmp(model, "text-", 5) == 0;
    const bool rows = model && strncmp(model, "rows-", 5) == 0;
    if (!text && !rows)
        return ct_fail(diag, CT_EPARSE, "%s: not a model of train", s->model);
    if (text && (s->data || s->format || s->label))
        return ct_fail(diag, CT_EINVALID, "%s is a character model: it needs --text FILE alone",
                       s->model);
    if (text ? !s->text : !s->data || s->text)
        return ct_fail(diag, CT_EINVALID, "%s is a model of %s: it needs --%s FILE", s->model,
                       text ? "characters" : "rows", text ? "text" : "data");
    return text ? evaluate_text(e, diag) : evaluate_rows(e, diag);
}

static void evaluation_clear(evaluation *e)
{
    bt_text_model_destroy(e->text_model);
    bt_rows_destroy(e->rows);
    row_data_close(&e->data);
    bt_graph_destroy(e->net.graph);
    bt_safetensors_close(e->file);
    free((void *)e->spec.labels);
    free(e->tokens);
    free(e->truth);
}

static int run_eval(void *settings, const cli_command *command)
{
    evaluation e = {.s = settings};
    ct_diag diag = {0};
    ct_status status = evaluate(&e, &diag);
    if (status == CT_OK && e.s->json)
        status = print_json(&e, command, &diag);
    else if (status == CT_OK)
        print_result(&e);
    evaluation_clear(&e);
    return status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
}

#define EVAL(member) .offset = offsetof(eval_settings, member)
// clang-format off
static const cli_option options[] = {
    {.name = "text", .type = CLI_PATH, EVAL(text), .value = "FILE",
     .help = "A text, for a character model."},
    {.name = "data", .type = CLI_PATH, EVAL(data), .value = "FILE",
     .help = "Labelled rows, LIBSVM or CSV, for a model of rows."},
    {.name = "format", .type = CLI_CHOICE, EVAL(format), .choices = "libsvm|csv", .value = "NAME",
     .help = "Of --data. Default: csv if the name ends in .csv, else libsvm."},
    {.name = "label", .type = CLI_TEXT, EVAL(label), .value = "NAME",
     .help = "The CSV column that is the label. Default: as in train."},
    {.name = "json", .type = CLI_FLAG, EVAL(json),
     .help = "Print one JSON object: loss, and bits_per_char, accuracy or rmse."},
};
// clang-format on
static const cli_operand operands[] = {
    {.name = "MODEL",
     .help = "A file that train --model-out or --checkpoint wrote.",
     .is_path = true,
     EVAL(model)},
};

cli_command burtorch_eval(void)
{
    return (cli_command){
        .name = "eval",
        .summary = "Measure a trained model on other data.",
        .description =
            "Prints the mean loss of a model of train over all of a text or a file of rows: nats "
            "and bits a character, accuracy and log-loss, or the root of the mean squared error. "
            "Rows with a label that the model does not know count as wrong, and not in the loss.",
        .examples = "burtorch-cli eval --text other.txt gpt.safetensors\n"
                    "burtorch-cli eval --data a9a.t a9a.safetensors",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(eval_settings),
        .run = run_eval};
}
