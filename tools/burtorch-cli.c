// SPDX-License-Identifier: MIT
/* burtorch-cli: gradients of an expression, and training of a small character model, from a shell.
 */
#include "cli/cli.h"

#include <burtorch/burtorch.h>
#include <ctrain/file.h>
#include <ctrain/json.h>
#include <ctrain/timer.h>
#include <ctrain/version.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "burtorch-cli " CTRAIN_VERSION

/* ---- grad ---- */

typedef struct grad_settings {
    const char *expression;
    cli_operands assignments; // "name=value"
    bool json;
} grad_settings;

/* The inputs of an expression, as given: names[i] = values[i]. */
typedef struct inputs {
    size_t n;
    char **names;
    double *values;
    bt_var *vars;
} inputs;

static void inputs_clear(inputs *in)
{
    for (size_t i = 0; in->names && i < in->n; i++)
        free(in->names[i]);
    free(in->names);
    free(in->values);
    free(in->vars);
}

/* Split "name=value"; the name itself is checked by bt_expression_parse. */
static ct_status parse_input(inputs *in, size_t i, const char *text, ct_diag *diag)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return ct_fail(diag, CT_EINVALID, "'%.60s' should be NAME=VALUE", text);
    char *end;
    in->values[i] = strtod(equals + 1, &end);
    const bool space = equals[1] == ' ' || (equals[1] >= '\t' && equals[1] <= '\r');
    if (end == equals + 1 || *end != '\0' || space || !isfinite(in->values[i]))
        return ct_fail(diag, CT_EINVALID, "'%.60s': '%.60s' is not a finite number", text,
                       equals + 1);
    in->names[i] = strndup(text, (size_t)(equals - text));
    return in->names[i] ? CT_OK : ct_fail(diag, CT_ENOMEM, "out of memory");
}

static ct_status inputs_parse(inputs *in, const cli_operands *assignments, ct_diag *diag)
{
    in->n = assignments->n;
    in->names = calloc(in->n + 1, sizeof *in->names);
    in->values = calloc(in->n + 1, sizeof *in->values);
    in->vars = calloc(in->n + 1, sizeof *in->vars);
    if (!in->names || !in->values || !in->vars)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    for (size_t i = 0; i < in->n; i++)
        CT_TRY(parse_input(in, i, assignments->items[i], diag));
    return CT_OK;
}

static void print_pair(const char *left, const char *name, double value)
{
    char number[CT_NUMBER_TEXT_SIZE];
    ct_number_text(number, value);
    printf("%s%s = %s\n", left, name, number);
}

static void print_gradient(const bt_expression *e, const inputs *in, bt_var result)
{
    const char *name = bt_expression_result_name(e);
    for (size_t i = 0; i < bt_expression_assigned(e); i++) {
        const char *assigned = bt_expression_assigned_name(e, i);
        if (assigned != name)
            print_pair("", assigned, bt_value(bt_expression_assigned_var(e, i)));
    }
    print_pair("", name ? name : "value", bt_value(result));
    for (size_t i = 0; i < in->n; i++) {
        printf("d%s/", name ? name : "");
        print_pair("d", in->names[i], bt_gradient(in->vars[i]));
    }
}

static ct_status print_gradient_json(const bt_expression *e, const inputs *in, bt_var result,
                                     const char *text)
{
    ct_json *json;
    CT_TRY(ct_json_create(&json));
    ct_json_object_begin(json);
    ct_json_key(json, "program");
    ct_json_string(json, PROGRAM);
    ct_json_key(json, "expression");
    ct_json_string(json, text);
    ct_json_key(json, "value");
    ct_json_number(json, bt_value(result));
    ct_json_key(json, "gradient");
    ct_json_object_begin(json);
    for (size_t i = 0; i < in->n; i++) {
        ct_json_key(json, in->names[i]);
        ct_json_number(json, bt_gradient(in->vars[i]));
    }
    ct_json_object_end(json);
    ct_json_key(json, "values");
    ct_json_object_begin(json);
    for (size_t i = 0; i < bt_expression_assigned(e); i++) {
        ct_json_key(json, bt_expression_assigned_name(e, i));
        ct_json_number(json, bt_value(bt_expression_assigned_var(e, i)));
    }
    ct_json_object_end(json);
    ct_json_object_end(json);
    const char *out = ct_json_text(json);
    const ct_status status = out ? CT_OK : CT_ENOMEM;
    if (out)
        puts(out);
    ct_json_destroy(json);
    return status;
}

static ct_status grad(const grad_settings *s, inputs *in, bt_expression **e, bt_tape **tape,
                      ct_diag *diag)
{
    CT_TRY(inputs_parse(in, &s->assignments, diag));
    CT_TRY(bt_expression_parse(e, s->expression, (const char *const *)in->names, in->n, diag));
    CT_TRY(bt_tape_create(tape));
    for (size_t i = 0; i < in->n; i++)
        in->vars[i] = bt_variable(*tape, in->values[i]);
    const bt_var result = bt_expression_record(*e, *tape, in->vars);
    const ct_status status = bt_backward(result);
    if (status != CT_OK)
        return ct_fail(diag, status, "%s", bt_tape_message(*tape));
    if (s->json)
        return print_gradient_json(*e, in, result, s->expression);
    print_gradient(*e, in, result);
    return CT_OK;
}

static int run_grad(void *settings, const cli_command *command)
{
    (void)command;
    inputs in = {0};
    bt_expression *e = NULL;
    bt_tape *tape = NULL;
    ct_diag diag;
    ct_diag_clear(&diag);
    const ct_status status = grad(settings, &in, &e, &tape, &diag);
    bt_tape_destroy(tape);
    bt_expression_destroy(e);
    inputs_clear(&in);
    return status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
}

static const cli_option grad_options[] = {
    {.name = "json",
     .type = CLI_FLAG,
     .offset = offsetof(grad_settings, json),
     .help = "Print one JSON object: value, gradient, values of the names assigned."},
};
static const cli_operand grad_operands[] = {
    {.name = "EXPR",
     .help = "The expression; write -- before one that begins with a minus sign.",
     .offset = offsetof(grad_settings, expression)},
    {.name = "NAME=VALUE",
     .help = "An input and its value, a finite number.",
     .optional = true,
     .repeated = true,
     .offset = offsetof(grad_settings, assignments)},
};

/* ---- train ---- */

typedef struct train_settings {
    const char *model, *text, *unit;
    size_t context, embed, hidden, batch;
    size_t steps, eval_every;
    double rate, decay;
    uint64_t seed;
    double validation;
    size_t sample;
    double temperature;
    const char *model_out, *report, *jsonl, *csv;
    bool json, quiet;
} train_settings;

enum { SAMPLE_BYTES = 400 }; // of a sample of running text, or of a line that does not end

typedef struct training {
    const train_settings *s;
    bt_text *text;
    bt_char_mlp *model;
    ct_report *report;
    double baseline; // nats a token of the unigram model, on what is evaluated
    double start_s;
    double loss_sum; // of the steps since the last row
    size_t loss_steps;
    double last_train, last_validation;
    uint32_t step;        // done
    bool diverged;        // the loss was no number in the step after
    ct_status row_status; // of the first row of the report that failed
    char *samples;        // (sample, SAMPLE_BYTES + 1)
    size_t *lengths;
} training;

static void training_clear(training *t)
{
    ct_report_destroy(t->report);
    bt_char_mlp_destroy(t->model);
    bt_text_destroy(t->text);
    free(t->samples);
    free(t->lengths);
}

static double bits(double nats)
{
    return nats / log(2.0);
}

/* Everything that can be refused before the work begins: files that cannot be written. */
static ct_status open_outputs(training *t, const cli_command *command, ct_diag *diag)
{
    static const struct {
        const char *key, *label, *unit;
    } columns[] = {{"step", "step", ""},
                   {"train_loss", "training loss", "nats/char"},
                   {"validation_loss", "validation loss", "nats/char"},
                   {"bits_per_char", "bits per character (validation)", "bits"},
                   {"learning_rate", "learning rate", ""},
                   {"seconds", "time", "s"}};
    static const size_t losses[] = {1, 2}, rate[] = {4};
    const ct_report_plot plots[] = {
        {.title = "Loss (nats a character)", .x = 0, .y = losses, .n_y = 2},
        {.title = "Learning rate", .x = 0, .y = rate, .n_y = 1}};
    if (ct_report_create(&t->report, "Character model", PROGRAM) != CT_OK)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        (void)ct_report_column(t->report, columns[i].key, columns[i].label, columns[i].unit);
    for (size_t i = 0; i < sizeof plots / sizeof *plots; i++)
        ct_report_add_plot(t->report, &plots[i]);
    cli_echo_settings(t->report, command, t->s);
    const cli_outputs outputs = {t->s->report, t->s->csv, t->s->jsonl, t->s->model_out};
    return cli_open_outputs(t->report, &outputs, diag);
}

static ct_status open_text(training *t, ct_diag *diag)
{
    const train_settings *s = t->s;
    bt_text_options o = bt_text_options_default();
    o.unit = strcmp(s->unit, "line") == 0 ? BT_TEXT_LINE : BT_TEXT_RUNNING;
    o.validation = s->validation;
    o.seed = s->seed;
    CT_TRY(bt_text_open(&t->text, s->text, &o, diag));
    const size_t n = t->text->n_train;
    if (o.unit == BT_TEXT_RUNNING && n <= s->context)
        return ct_fail(diag, CT_EINVALID,
                       "%s: %zu characters to train on, not more than --context %zu", s->text, n,
                       s->context);
    if (s->batch > n)
        return ct_fail(diag, CT_EINVALID, "%s: %zu characters to train on, fewer than --batch %zu",
                       s->text, n, s->batch);
    const uint16_t *held = t->text->n_validation ? t->text->validation : t->text->train;
    t->baseline = bt_text_unigram_loss(&t->text->vocabulary, t->text->train, n, held,
                                       t->text->n_validation ? t->text->n_validation : n);
    return CT_OK;
}

static ct_status create_model(training *t, ct_diag *diag)
{
    bt_char_mlp_options o = bt_char_mlp_options_default();
    o.context = t->s->context;
    o.embed = t->s->embed;
    o.hidden = t->s->hidden;
    o.batch = t->s->batch;
    o.seed = t->s->seed;
    return bt_char_mlp_create(&t->model, t->text->unit, &t->text->vocabulary, &o, diag);
}

/* Along a half cosine from --lr to --lr * --decay. */
static double rate_at(const train_settings *s, size_t step)
{
    const double pi = 3.14159265358979323846;
    const double along = s->steps > 1 ? (double)step / (double)(s->steps - 1) : 0.0;
    return s->rate * (s->decay + (1.0 - s->decay) * 0.5 * (1.0 + cos(pi * along)));
}

static void add_row(training *t)
{
    const bt_text *text = t->text;
    t->last_train = t->loss_steps ? t->loss_sum / (double)t->loss_steps : (double)NAN;
    t->last_validation = bt_char_mlp_evaluate(t->model, text->validation, text->n_validation);
    t->loss_sum = 0;
    t->loss_steps = 0;
    const double row[] = {t->step,
                          t->last_train,
                          t->last_validation,
                          bits(t->last_validation),
                          rate_at(t->s, t->step ? t->step - 1 : 0),
                          ct_time_s() - t->start_s};
    if (t->row_status == CT_OK)
        t->row_status = ct_report_row(t->report, row);
}

static void show_progress(const training *t)
{
    const double mean = t->loss_steps ? t->loss_sum / (double)t->loss_steps : t->last_train;
    char seconds[CLI_TEXT_SIZE];
    cli_progress("step %u/%zu  training loss %.3f  validation loss %.3f  %s", t->step, t->s->steps,
                 mean, t->last_validation, cli_seconds_text(seconds, ct_time_s() - t->start_s));
}

/* A training loss of ten times that of the untrained model does not come back. */
static ct_status check_loss(const training *t, double first, ct_diag *diag)
{
    if (!(t->last_train > 10.0 * first))
        return CT_OK;
    return ct_fail(diag, CT_ENUMERIC,
                   "diverged: the loss grew from %.3g to %.3g in %u steps; "
                   "a smaller --lr may help",
                   first, t->last_train, t->step);
}

static ct_status train_steps(training *t, ct_diag *diag)
{
    const ct_stop_flag *stop = cli_stop_flag();
    const size_t twentieth = (t->s->steps + 19) / 20;
    const size_t every = t->s->eval_every ? t->s->eval_every : twentieth;
    t->start_s = ct_time_s();
    add_row(t);
    const double first = log((double)t->text->vocabulary.size); // the untrained model's loss
    while (t->step < t->s->steps && !atomic_load(stop)) {
        double loss;
        CT_TRY(bt_char_mlp_step(t->model, t->text->train, t->text->n_train, t->s->seed, t->step,
                                rate_at(t->s, t->step), &loss, diag));
        t->step++;
        t->loss_sum += loss;
        t->loss_steps++;
        if (t->step % every == 0 || t->step == t->s->steps) {
            add_row(t);
            CT_TRY(check_loss(t, first, diag));
        }
        if (t->step % 16 == 0)
            show_progress(t);
    }
    if (t->loss_steps)
        add_row(t);
    return CT_OK;
}

static ct_status draw_samples(training *t, ct_diag *diag)
{
    const size_t n = t->s->sample;
    bt_sample_options o = bt_sample_options_default();
    o.temperature = t->s->temperature;
    o.max_bytes = SAMPLE_BYTES;
    o.seed = t->s->seed;
    t->samples = calloc(n + 1, SAMPLE_BYTES + 1);
    t->lengths = calloc(n + 1, sizeof *t->lengths);
    if (!t->samples || !t->lengths)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    return bt_char_mlp_sample(t->model, t->samples, t->lengths, n, &o, diag);
}

/* All samples as one text, a line each. */
static ct_status report_samples(training *t, ct_diag *diag)
{
    size_t used = 0;
    char *all = malloc(t->s->sample * (SAMPLE_BYTES + 1) + 1);
    if (!all)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    for (size_t i = 0; i < t->s->sample; i++) {
        memcpy(all + used, t->samples + i * (SAMPLE_BYTES + 1), t->lengths[i]);
        used += t->lengths[i];
        all[used++] = '\n';
    }
    all[used ? used - 1 : 0] = '\0';
    ct_report_string(t->report, CT_REPORT_RESULT, "samples", all);
    free(all);
    return CT_OK;
}

static ct_status report_results(training *t, ct_diag *diag)
{
    ct_report *r = t->report;
    ct_report_string(r, CT_REPORT_RESULT, "status",
                     t->diverged             ? "diverged"
                     : t->step < t->s->steps ? "interrupted"
                                             : "completed");
    ct_report_integer(r, CT_REPORT_RESULT, "steps", t->step);
    ct_report_number(r, CT_REPORT_RESULT, "train_loss", t->last_train);
    ct_report_number(r, CT_REPORT_RESULT, "validation_loss", t->last_validation);
    ct_report_number(r, CT_REPORT_RESULT, "bits_per_char", bits(t->last_validation));
    ct_report_number(r, CT_REPORT_RESULT, "unigram_loss", t->baseline);
    ct_report_integer(r, CT_REPORT_RESULT, "parameters", (int64_t)bt_char_mlp_parameters(t->model));
    ct_report_integer(r, CT_REPORT_RESULT, "train_chars", (int64_t)t->text->n_train);
    ct_report_integer(r, CT_REPORT_RESULT, "validation_chars", (int64_t)t->text->n_validation);
    ct_report_integer(r, CT_REPORT_RESULT, "vocabulary", (int64_t)t->text->vocabulary.size);
    ct_report_number(r, CT_REPORT_RESULT, "seconds", ct_time_s() - t->start_s);
    ct_report_integer(r, CT_REPORT_RESULT, "model_bytes", (int64_t)bt_char_mlp_bytes(t->model));
    ct_report_integer(r, CT_REPORT_RESULT, "peak_memory_bytes", (int64_t)ct_peak_memory_bytes());
    return t->samples ? report_samples(t, diag) : CT_OK;
}

static void print_samples(const char *samples, const size_t *lengths, size_t n, size_t max_bytes)
{
    for (size_t i = 0; i < n; i++) {
        fwrite(samples + i * (max_bytes + 1), 1, lengths[i], stdout);
        putchar('\n');
    }
}

static void print_training(const training *t, double seconds)
{
    const bool held = t->text->n_validation > 0;
    char took[CLI_TEXT_SIZE];
    printf("%zu characters of %zu kinds, %zu parameters, %u steps in %s\n", t->text->n_train,
           t->text->vocabulary.size - 1, bt_char_mlp_parameters(t->model), t->step,
           cli_seconds_text(took, seconds));
    printf("training loss    %.4f nats/char  (%.4f bits)\n", t->last_train, bits(t->last_train));
    if (held)
        printf("validation loss  %.4f nats/char  (%.4f bits)\n", t->last_validation,
               bits(t->last_validation));
    printf("letter counts    %.4f nats/char  (%.4f bits): what knowing only how often each "
           "character occurs gives%s\n",
           t->baseline, bits(t->baseline), held ? "" : ", on the training text");
    if (t->s->sample)
        printf("\n");
    print_samples(t->samples, t->lengths, t->s->sample, SAMPLE_BYTES);
}

/* What was trained is written also after an interruption; of a run that diverged only the reports
 * are. */
static ct_status write_results(training *t, ct_diag *diag)
{
    const double seconds = ct_time_s() - t->start_s;
    if (!t->diverged)
        CT_TRY(draw_samples(t, diag));
    CT_TRY(report_results(t, diag));
    if (t->s->model_out && !t->diverged)
        CT_TRY(bt_char_mlp_save(t->model, t->s->model_out, diag));
    CT_TRY(ct_report_finish(t->report, diag));
    CT_TRY(t->row_status);
    const char *json = ct_report_json(t->report);
    if (!json)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    if (t->s->json)
        puts(json);
    else if (!t->s->quiet && !t->diverged)
        print_training(t, seconds);
    return CT_OK;
}

static ct_status train(training *t, const cli_command *command, ct_diag *diag)
{
    CT_TRY(open_text(t, diag));
    CT_TRY(create_model(t, diag));
    CT_TRY(open_outputs(t, command, diag));
    cli_progress_begin(t->s->quiet);
    ct_status status = train_steps(t, diag);
    cli_progress_end();
    if (status == CT_ENUMERIC) {
        t->diverged = true;
        (void)cli_fail(status, diag);
        status = CT_OK;
    }
    return status == CT_OK ? write_results(t, diag) : status;
}

static int run_train(void *settings, const cli_command *command)
{
    training t = {.s = settings};
    ct_diag diag;
    ct_diag_clear(&diag);
    const ct_status status = train(&t, command, &diag);
    const bool diverged = t.diverged;
    training_clear(&t);
    if (status != CT_OK)
        return cli_fail(status, &diag);
    return diverged ? CLI_EXIT_NO_TOLERANCE : cli_exit_code(CLI_EXIT_OK);
}

#define TRAIN(member) .offset = offsetof(train_settings, member)
// clang-format off
static const cli_option train_options[] = {
    {.name = "model", .type = CLI_CHOICE, TRAIN(model), .preset = "mlp", .choices = "mlp", .value = "NAME",
     .help = "mlp: embedding, one tanh layer, linear logits, as in makemore.", .group = "Model"},
    {.name = "context", .type = CLI_COUNT, TRAIN(context), .preset = "4", .value = "N", .min = 1, .max = 65536,
     .help = "Characters that a prediction sees.", .group = "Model"},
    {.name = "embed", .type = CLI_COUNT, TRAIN(embed), .preset = "16", .value = "N", .min = 1, .max = 65536,
     .help = "Numbers that a character becomes.", .group = "Model"},
    {.name = "hidden", .type = CLI_COUNT, TRAIN(hidden), .preset = "96", .value = "N", .min = 1, .max = 65536,
     .help = "Units of the tanh layer.", .group = "Model"},
    {.name = "text", .type = CLI_PATH, TRAIN(text), .value = "FILE", .required = true,
     .help = "The text to learn; any bytes.", .group = "Data"},
    {.name = "unit", .type = CLI_CHOICE, TRAIN(unit), .preset = "line", .choices = "line|running", .value = "UNIT",
     .help = "line: every line is a text of its own (names); running: one long text.", .group = "Data"},
    {.name = "validation", .type = CLI_REAL, TRAIN(validation), .preset = "0.1", .value = "X", .min = 0, .max = 0.9,
     .help = "Part held back: of the lines, drawn by --seed; of a running text, its end.", .group = "Data"},
    {.name = "steps", .type = CLI_COUNT, TRAIN(steps), .preset = "6000", .value = "N", .min = 1, .max = 4294967295.0,
     .help = "Steps of stochastic gradient descent.", .group = "Training"},
    {.name = "batch", .type = CLI_COUNT, TRAIN(batch), .preset = "64", .value = "N", .min = 1, .max = 1048576,
     .help = "Predictions a step.", .group = "Training"},
    {.name = "lr", .type = CLI_REAL, TRAIN(rate), .preset = "0.1", .value = "X", .min = 0, .open_min = true,
     .help = "Learning rate of the first step.", .group = "Training"},
    {.name = "decay", .type = CLI_REAL, TRAIN(decay), .preset = "0.02", .value = "X", .min = 0, .max = 1,
     .help = "Learning rate of the last step as a part of --lr; between them a half cosine.", .group = "Training"},
    {.name = "seed", .type = CLI_SEED, TRAIN(seed), .preset = "1", .value = "N",
     .help = "Of the first parameters, the batches, the validation lines and the samples.", .group = "Training"},
    {.name = "eval-every", .type = CLI_COUNT, TRAIN(eval_every), .value = "N",
     .help = "Steps between validations; 0: twenty in all.", .group = "Training"},
    {.name = "sample", .type = CLI_COUNT, TRAIN(sample), .preset = "10", .value = "N", .max = 100000,
     .help = "Texts to draw at the end.", .group = "Output"},
    {.name = "temperature", .type = CLI_REAL, TRAIN(temperature), .preset = "1", .value = "X", .min = 0, .open_min = true,
     .help = "Of the samples: below 1 is more careful.", .group = "Output"},
    {.name = "model-out", .type = CLI_PATH, TRAIN(model_out), .value = "FILE",
     .help = "Write the model (safetensors), for burtorch-cli sample.", .group = "Output"},
    {.name = "report", .type = CLI_PATH, TRAIN(report), .value = "FILE",
     .help = "Write an HTML page with the curves.", .group = "Output"},
    {.name = "jsonl", .type = CLI_PATH, TRAIN(jsonl), .value = "FILE",
     .help = "Write one JSON object a validation, as it goes.", .group = "Output"},
    {.name = "csv", .type = CLI_PATH, TRAIN(csv), .value = "FILE",
     .help = "Write one CSV row a validation.", .group = "Output"},
    {.name = "json", .type = CLI_FLAG, TRAIN(json),
     .help = "Print one JSON object and nothing else.", .group = "Output"},
    {.name = "quiet", .type = CLI_FLAG, TRAIN(quiet), .help = "No progress, no summary.", .group = "Output"},
};
// clang-format on

/* ---- sample ---- */

typedef struct sample_settings {
    const char *model;
    size_t count, max_bytes;
    double temperature;
    uint64_t seed;
} sample_settings;

static ct_status sample(const sample_settings *s, ct_diag *diag)
{
    const size_t batch = s->count < 64 ? s->count : 64;
    bt_sample_options o = bt_sample_options_default();
    o.temperature = s->temperature;
    o.max_bytes = s->max_bytes;
    o.seed = s->seed;
    bt_char_mlp *model;
    CT_TRY(bt_char_mlp_load(&model, s->model, batch, diag));
    char *samples = calloc(s->count, s->max_bytes + 1);
    size_t *lengths = calloc(s->count, sizeof *lengths);
    ct_status status = samples && lengths ? CT_OK : ct_fail(diag, CT_ENOMEM, "out of memory");
    if (status == CT_OK)
        status = bt_char_mlp_sample(model, samples, lengths, s->count, &o, diag);
    if (status == CT_OK)
        print_samples(samples, lengths, s->count, s->max_bytes);
    free(samples);
    free(lengths);
    bt_char_mlp_destroy(model);
    return status;
}

static int run_sample(void *settings, const cli_command *command)
{
    (void)command;
    ct_diag diag;
    ct_diag_clear(&diag);
    const ct_status status = sample(settings, &diag);
    return status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
}

#define SAMPLE(member) .offset = offsetof(sample_settings, member)
// clang-format off
static const cli_option sample_options[] = {
    {.name = "count", .type = CLI_COUNT, SAMPLE(count), .preset = "10", .value = "N", .min = 1, .max = 1000000,
     .help = "Texts to draw."},
    {.name = "temperature", .type = CLI_REAL, SAMPLE(temperature), .preset = "1", .value = "X", .min = 0, .open_min = true,
     .help = "Below 1 is more careful."},
    {.name = "max-bytes", .type = CLI_COUNT, SAMPLE(max_bytes), .preset = "400", .value = "N", .min = 1, .max = 1000000,
     .help = "Length of a running text, and of a line that does not end before."},
    {.name = "seed", .type = CLI_SEED, SAMPLE(seed), .preset = "1", .value = "N", .help = "Of the draws."},
};
// clang-format on
static const cli_operand sample_operands[] = {
    {.name = "MODEL",
     .help = "A file that train --model-out wrote.",
     .is_path = true,
     SAMPLE(model)},
};

/* ---- The program ---- */

static const cli_command commands[] = {
    {.name = "grad",
     .summary = "Value and gradient of an expression.",
     .description =
         "Computes EXPR at the given inputs and its derivative by each of them, by reverse-mode "
         "automatic differentiation.\n\n"
         "EXPR is made of numbers, names, pi, + - * /, powers (^ or **), parentheses and "
         "functions: "
         "abs sqrt cbrt exp expm1 log log1p log2 log10 sin cos tan asin acos atan sinh cosh tanh "
         "sigmoid softplus relu gelu erf inv sqr cub pow atan2 hypot min max sum mean product and "
         "the others of <burtorch/ops.h>. Statements are separated by ; or newlines and may assign "
         "names (=, +=, -=, *=, /=); the last one is the result. -2^2 is -4, 2^3^2 is 512.\n\n"
         "At a kink (relu or abs at 0) the derivative is 0, at a tie of min or max one half each. "
         "A "
         "result that is not finite is printed as nan, inf or -inf (null in JSON), and the exit "
         "code is 0: it is the answer. The derivative by an input that EXPR does not use is 0.",
     .examples = "burtorch-cli grad 'g = (a*b + b^3 - (a+b))^2 / 2' a=-41 b=2\n"
                 "burtorch-cli grad --json 'log(1 + exp(x))' x=0.5",
     .options = grad_options,
     .n_options = sizeof grad_options / sizeof *grad_options,
     .operands = grad_operands,
     .n_operands = sizeof grad_operands / sizeof *grad_operands,
     .settings_size = sizeof(grad_settings),
     .run = run_grad},
    {.name = "train",
     .summary = "Train a character model on a text, and sample from it.",
     .description =
         "Trains a small neural network to predict the next character (byte) of --text from those "
         "before it, and prints its loss beside that of knowing only how often each character "
         "occurs. The same seed gives the same model. SIGINT ends the training early; what is "
         "asked for is still written, and the exit code is 130.",
     .examples =
         "burtorch-cli train --text examples/text/first_names.txt --model-out names.safetensors\n"
         "burtorch-cli train --text book.txt --unit running --context 16 --hidden 256",
     .options = train_options,
     .n_options = sizeof train_options / sizeof *train_options,
     .settings_size = sizeof(train_settings),
     .run = run_train},
    {.name = "sample",
     .summary = "Draw texts from a trained model.",
     .description = "Prints texts drawn from a model that train --model-out wrote, a line each.",
     .examples = "burtorch-cli sample --count 20 --temperature 0.8 names.safetensors",
     .options = sample_options,
     .n_options = sizeof sample_options / sizeof *sample_options,
     .operands = sample_operands,
     .n_operands = sizeof sample_operands / sizeof *sample_operands,
     .settings_size = sizeof(sample_settings),
     .run = run_sample},
};

int main(int argc, char **argv)
{
    static const cli_program program = {
        .name = "burtorch-cli",
        .summary = "gradients, and training of small models, on a CPU",
        .description = "Automatic differentiation of expressions, and training of small models.",
        .commands = commands,
        .n_commands = sizeof commands / sizeof *commands,
    };
    return cli_main(&program, argc, argv);
}
