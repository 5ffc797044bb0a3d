// SPDX-License-Identifier: MIT
/* burtorch-cli train: the steps, the record of them, checkpoints, and what is written at the end.
 *
 * Where nothing is said, a run is a function of the data and the settings; checkpoints hold what it
 * needs to go on as if it had not been interrupted. With --patience that includes the best model so
 * far, in a file of its own. */
#include "burtorch/train.h"

#include <ctrain/file.h>
#include <ctrain/timer.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_STEPS = 2000 }; // unless --steps or --epochs say otherwise
enum { SAMPLE_BYTES = 400 }; // of a sample of running text, or of a line that does not end

/* The best model so far, by validation loss. */
typedef struct best_model {
    double *parameters; // one after the other; NULL: it is not kept
    measure measure;
    size_t step, without; // when it was, and validations since
    bool saved;           // FILE.best is it
} best_model;

typedef struct training {
    train_settings *s;
    const cli_command *command;
    bt_safetensors *resumed; // settings borrow its texts
    learner *learner;
    ct_report *report;
    bt_schedule schedule;
    double start_s, seconds;
    double loss_sum; // of the steps since the last row
    size_t loss_steps;
    double last_train, first_loss; // of the first step
    measure last; // of the present parameters, at the end of those that are written
    size_t begin, step;
    bool diverged, stopped_early;
    best_model best;
    ct_status row_status; // of the first row of the report that failed
    samples samples;
} training;

static void training_clear(training *t)
{
    ct_report_destroy(t->report);
    learner_destroy(t->learner);
    bt_safetensors_close(t->resumed);
    free(t->best.parameters);
    samples_clear(&t->samples);
}

void learner_destroy(learner *l)
{
    if (l)
        l->methods->destroy(l);
}

ct_status file_checksum(const char *path, uint64_t *out, ct_diag *diag)
{
    ct_file_view view;
    CT_TRY(ct_file_view_open(&view, path, diag));
    *out = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < view.size_bytes; i++)
        *out = (*out ^ (unsigned char)view.data[i]) * UINT64_C(1099511628211);
    ct_file_view_close(&view);
    return CT_OK;
}

/* ---- The best model ---- */

/* Exchange the parameters with those of the best model. */
static ct_status swap_best(training *t, ct_diag *diag)
{
    bt_graph *graph = t->learner->graph;
    double *at = t->best.parameters;
    for (size_t i = 0; i < bt_graph_parameters(graph); i++) {
        const bt_tensor p = bt_graph_parameter(graph, i);
        const size_t n = bt_tensor_size(p);
        double *present = malloc((n + 1) * sizeof *present);
        if (!present)
            return ct_fail(diag, CT_ENOMEM, "out of memory");
        if (bt_tensor_read(p, present) && bt_tensor_write(p, at))
            memcpy(at, present, n * sizeof *at);
        free(present);
        at += n;
    }
    return CT_OK;
}

static void copy_best(training *t)
{
    bt_graph *graph = t->learner->graph;
    double *at = t->best.parameters;
    for (size_t i = 0; i < bt_graph_parameters(graph); i++) {
        const bt_tensor p = bt_graph_parameter(graph, i);
        (void)bt_tensor_read(p, at);
        at += bt_tensor_size(p);
    }
}

static ct_status keep_best(training *t, ct_diag *diag)
{
    if (t->s->patience == 0)
        return CT_OK;
    t->best.parameters = calloc(t->learner->parameters + 1, sizeof *t->best.parameters);
    t->best.measure.loss = INFINITY;
    return t->best.parameters ? CT_OK : ct_fail(diag, CT_ENOMEM, "out of memory");
}

/* After a validation that is one of the plan. */
static void note_best(training *t)
{
    best_model *b = &t->best;
    if (!b->parameters)
        return;
    if (t->last.loss < b->measure.loss) {
        copy_best(t);
        b->measure = t->last;
        b->step = t->step;
        b->without = 0;
        b->saved = false;
    } else {
        b->without++;
        t->stopped_early = b->without >= t->s->patience;
    }
}

/* ---- Checkpoints ---- */

static char *best_path(const char *path)
{
    const size_t length = strlen(path);
    char *out = malloc(length + sizeof ".best");
    if (out) {
        memcpy(out, path, length);
        memcpy(out + length, ".best", sizeof ".best");
    }
    return out;
}

/* Before the checkpoint, so that there is a best model whenever there is one; a newer one than the
 * checkpoint knows is found again. */
static ct_status save_best(training *t, ct_diag *diag)
{
    if (!t->best.parameters || t->best.saved || !isfinite(t->best.measure.loss))
        return CT_OK;
    char *path = best_path(t->s->checkpoint);
    ct_status status = path ? swap_best(t, diag) : CT_ENOMEM;
    if (status == CT_OK) {
        status = t->learner->methods->save(t->learner, path, NULL, diag);
        const ct_status back = swap_best(t, diag);
        status = status == CT_OK ? back : status;
    }
    free(path);
    t->best.saved = status == CT_OK;
    return status;
}

static ct_status save_checkpoint(training *t, ct_diag *diag)
{
    char texts[5][32];
    bt_metadata metadata[TRAIN_KEPT + 6];
    kept_settings kept;
    CT_TRY(save_best(t, diag));
    train_settings_keep(t->s, &kept);
    size_t n = kept.n;
    memcpy(metadata, kept.entries, n * sizeof *metadata);
    snprintf(texts[0], sizeof texts[0], "%016" PRIx64, t->learner->data_checksum);
    metadata[n++] = (bt_metadata){"data.checksum", texts[0]};
    if (t->best.parameters) {
        ct_number_text(texts[1], t->best.measure.loss);
        ct_number_text(texts[2], t->best.measure.accuracy);
        ct_number_text(texts[3], t->best.measure.rmse);
        snprintf(texts[4], sizeof texts[4], "%zu %zu", t->best.step, t->best.without);
        metadata[n++] = (bt_metadata){"best.loss", texts[1]};
        metadata[n++] = (bt_metadata){"best.accuracy", texts[2]};
        metadata[n++] = (bt_metadata){"best.rmse", texts[3]};
        metadata[n++] = (bt_metadata){"best.steps", texts[4]};
    }
    const bt_checkpoint state = {
        .step = t->step, .seed = t->s->seed, .metadata = metadata, .n_metadata = n};
    return t->learner->methods->save(t->learner, t->s->checkpoint, &state, diag);
}

static ct_status resume_best(training *t, ct_diag *diag)
{
    best_model *b = &t->best;
    const char *loss = bt_safetensors_metadata(t->resumed, "best.loss");
    const char *accuracy = bt_safetensors_metadata(t->resumed, "best.accuracy");
    const char *rmse = bt_safetensors_metadata(t->resumed, "best.rmse");
    const char *steps = bt_safetensors_metadata(t->resumed, "best.steps");
    if (!b->parameters)
        return CT_OK;
    if (!loss || !accuracy || !rmse || !steps ||
        sscanf(steps, "%zu %zu", &b->step, &b->without) != 2)
        return ct_fail(diag, CT_EPARSE, "%s: the best model's loss is missing", t->s->resume);
    b->measure = (measure){strtod(loss, NULL), strtod(accuracy, NULL), strtod(rmse, NULL)};
    char *path = best_path(t->s->resume);
    const ct_status status =
        path ? bt_checkpoint_load(path, t->learner->graph, NULL, NULL, diag) : CT_ENOMEM;
    if (status == CT_OK)
        copy_best(t);
    t->stopped_early = b->without >= t->s->patience;
    free(path);
    return status;
}

static ct_status resume(training *t, ct_diag *diag)
{
    const train_settings *s = t->s;
    char checksum[32];
    const char *then = bt_safetensors_metadata(t->resumed, "data.checksum");
    snprintf(checksum, sizeof checksum, "%016" PRIx64, t->learner->data_checksum);
    if (!then || strcmp(then, checksum) != 0)
        return ct_fail(diag, CT_EINVALID, "%s was made with other data than %s", s->resume,
                       s->text ? s->text : s->data);
    bt_checkpoint state = {0};
    CT_TRY(resume_best(t, diag));
    CT_TRY(t->learner->methods->resume(t->learner, s->resume, &state, diag));
    if (state.step > s->steps)
        return ct_fail(diag, CT_EINVALID, "%s: %" PRIu64 " steps are done, more than --steps %zu",
                       s->resume, state.step, s->steps);
    t->begin = t->step = (size_t)state.step;
    return CT_OK;
}

/* ---- The record ---- */

static void declare_columns(training *t)
{
    static const char *const third[][3] = {
        [MEASURE_BITS] = {"bits_per_char", "bits per character (validation)", "bits"},
        [MEASURE_ACCURACY] = {"validation_accuracy", "accuracy (validation)", ""},
        [MEASURE_RMSE] = {"validation_rmse", "root of the mean squared error (validation)", ""}};
    const char *const *shown = third[t->learner->measure];
    static const size_t losses[] = {1, 2}, other[] = {3}, rate[] = {4};
    const ct_report_plot plots[] = {{.title = "Loss", .x = 0, .y = losses, .n_y = 2},
                                    {.title = shown[1], .x = 0, .y = other, .n_y = 1},
                                    {.title = "Learning rate", .x = 0, .y = rate, .n_y = 1}};
    ct_report_column(t->report, "step", "step", "");
    ct_report_column(t->report, "train_loss", "training loss", t->learner->loss_unit);
    ct_report_column(t->report, "validation_loss", "validation loss", t->learner->loss_unit);
    ct_report_column(t->report, shown[0], shown[1], shown[2]);
    ct_report_column(t->report, "learning_rate", "learning rate", "");
    ct_report_column(t->report, "seconds", "time", "s");
    for (size_t i = 0; i < COUNT(plots); i++)
        ct_report_add_plot(t->report, &plots[i]);
}

/* Everything that can be refused before the work begins: files that cannot be written. */
static ct_status open_outputs(training *t, ct_diag *diag)
{
    const train_settings *s = t->s;
    char title[300];
    snprintf(title, sizeof title, "%s on %s", s->model, s->text ? s->text : s->data);
    if (ct_report_create(&t->report, title, BURTORCH_PROGRAM) != CT_OK)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    declare_columns(t);
    cli_echo_settings(t->report, t->command, s);
    if (s->checkpoint && s->model_out && strcmp(s->checkpoint, s->model_out) == 0)
        return ct_fail(diag, CT_EINVALID, "--checkpoint and --model-out are the same file");
    const cli_outputs checkpoint = {.model = s->checkpoint};
    const cli_outputs outputs = {s->report, s->csv, s->jsonl, s->model_out};
    CT_TRY(cli_open_outputs(t->report, &checkpoint, diag));
    return cli_open_outputs(t->report, &outputs, diag);
}

static double third_measure(const training *t)
{
    switch (t->learner->measure) {
    case MEASURE_BITS:
        return t->last.loss / log(2.0);
    case MEASURE_ACCURACY:
        return t->last.accuracy;
    case MEASURE_RMSE:
        break;
    }
    return t->last.rmse;
}

static ct_status add_row(training *t, ct_diag *diag)
{
    t->last_train = t->loss_steps ? t->loss_sum / (double)t->loss_steps : (double)NAN;
    CT_TRY(t->learner->methods->evaluate(t->learner, false, &t->last, diag));
    t->loss_sum = 0;
    t->loss_steps = 0;
    const double row[] = {(double)t->step,
                          t->last_train,
                          t->last.loss,
                          third_measure(t),
                          bt_schedule_rate(&t->schedule, t->step ? t->step - 1 : 0),
                          ct_time_s() - t->start_s};
    if (t->row_status == CT_OK)
        t->row_status = ct_report_row(t->report, row);
    return CT_OK;
}

static void show_progress(const training *t)
{
    const double mean = t->loss_steps ? t->loss_sum / (double)t->loss_steps : t->last_train;
    char seconds[CLI_TEXT_SIZE];
    cli_progress("step %zu/%zu  training loss %.3f  validation loss %.3f  %s", t->step, t->s->steps,
                 mean, t->last.loss, cli_seconds_text(seconds, ct_time_s() - t->start_s));
}

/* ---- The steps ---- */

/* A training loss of ten times that of the untrained model does not come back. */
static ct_status check_loss(const training *t, ct_diag *diag)
{
    const double first = fmax(t->learner->untrained_loss, t->first_loss);
    if (!(t->last_train > 10.0 * first))
        return CT_OK;
    return ct_fail(diag, CT_ENUMERIC,
                   "diverged: the loss grew from %.3g to %.3g in %zu steps; "
                   "a smaller --lr may help",
                   first, t->last_train, t->step);
}

static ct_status take_step(training *t, ct_diag *diag)
{
    double loss;
    const double rate = bt_schedule_rate(&t->schedule, t->step);
    const ct_status status = t->learner->methods->step(t->learner, t->step, rate, &loss, diag);
    if (status == CT_ENUMERIC)
        return ct_fail(diag, CT_ENUMERIC,
                       "diverged: the loss is not finite after %zu steps; "
                       "a smaller --lr may help",
                       t->step);
    CT_TRY(status);
    if (t->step++ == t->begin)
        t->first_loss = loss;
    t->loss_sum += loss;
    t->loss_steps++;
    return CT_OK;
}

static ct_status train_steps(training *t, ct_diag *diag)
{
    const train_settings *s = t->s;
    const ct_stop_flag *stop = cli_stop_flag();
    CT_TRY(add_row(t, diag));
    if (t->step == 0)
        note_best(t);
    while (t->step < s->steps && !t->stopped_early && !atomic_load(stop)) {
        CT_TRY(take_step(t, diag));
        if (t->step % s->eval_every == 0 || t->step == s->steps) {
            CT_TRY(add_row(t, diag));
            CT_TRY(check_loss(t, diag));
            note_best(t);
        }
        if (s->checkpoint_every && t->step % s->checkpoint_every == 0 && t->step < s->steps)
            CT_TRY(save_checkpoint(t, diag));
        show_progress(t);
    }
    return t->loss_steps ? add_row(t, diag) : CT_OK;
}

/* ---- What comes out ---- */

static const char *status_text(const training *t)
{
    return t->diverged             ? "diverged"
           : t->stopped_early      ? "stopped_early"
           : t->step < t->s->steps ? "interrupted"
                                   : "completed";
}

static ct_status report_samples(training *t, ct_diag *diag)
{
    const samples *s = &t->samples;
    size_t used = 0;
    char *all = malloc(s->n * (s->max_bytes + 1) + 1);
    if (!all)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    for (size_t i = 0; i < s->n; i++) {
        memcpy(all + used, s->texts + i * (s->max_bytes + 1), s->lengths[i]);
        used += s->lengths[i];
        all[used++] = '\n';
    }
    all[used ? used - 1 : 0] = '\0';
    ct_report_string(t->report, CT_REPORT_RESULT, "samples", all);
    free(all);
    return CT_OK;
}

static double samples_a_second(const training *t)
{
    return (double)(t->step - t->begin) * (double)t->learner->samples_a_step / t->seconds;
}

static ct_status report_results(training *t, ct_diag *diag)
{
    static const char *const thirds[] = {"bits_per_char", "validation_accuracy", "validation_rmse"};
    ct_report *r = t->report;
    ct_report_string(r, CT_REPORT_RESULT, "status", status_text(t));
    ct_report_integer(r, CT_REPORT_RESULT, "steps", (int64_t)t->step);
    if (t->best.parameters)
        ct_report_integer(r, CT_REPORT_RESULT, "best_step", (int64_t)t->best.step);
    ct_report_number(r, CT_REPORT_RESULT, "train_loss", t->last_train);
    ct_report_number(r, CT_REPORT_RESULT, "validation_loss", t->last.loss);
    ct_report_number(r, CT_REPORT_RESULT, thirds[t->learner->measure], third_measure(t));
    t->learner->methods->report(t->learner, r);
    ct_report_integer(r, CT_REPORT_RESULT, "parameters", (int64_t)t->learner->parameters);
    ct_report_number(r, CT_REPORT_RESULT, "seconds", t->seconds);
    ct_report_number(r, CT_REPORT_RESULT, "samples_per_second", samples_a_second(t));
    ct_report_integer(r, CT_REPORT_RESULT, "peak_memory_bytes", (int64_t)ct_peak_memory_bytes());
    return t->samples.n ? report_samples(t, diag) : CT_OK;
}

/* "1.2345 nats/char  (1.7810 bits)" */
static void print_loss(const training *t, const char *name, const measure *m)
{
    printf("%s%.4f %-9s", name, m->loss, t->learner->loss_unit);
    switch (t->learner->measure) {
    case MEASURE_BITS:
        printf("  (%.4f bits)", m->loss / log(2.0));
        break;
    case MEASURE_ACCURACY:
        if (!isnan(m->accuracy))
            printf("  (%.2f%% right)", 100 * m->accuracy);
        break;
    case MEASURE_RMSE:
        if (!isnan(m->rmse))
            printf("  (rmse %.4g)", m->rmse);
        break;
    }
    printf("\n");
}

static void print_training(const training *t)
{
    const train_settings *s = t->s;
    const learner *l = t->learner;
    char took[CLI_TEXT_SIZE];
    l->methods->print_data(l);
    printf("model            %s, %zu parameters\n", s->model, l->parameters);
    printf("training         %s after %zu steps, %s, %.4g %s a second\n",
           t->stopped_early ? "stopped early" : status_text(t), t->step,
           cli_seconds_text(took, t->seconds), samples_a_second(t), l->sample_name);
    const measure train = {t->last_train, NAN, NAN};
    if (!isnan(t->last_train))
        print_loss(t, "training loss    ", &train);
    if (l->validation_samples > 0)
        print_loss(t, "validation loss  ", &t->last);
    l->methods->print_baseline(l);
    if (t->best.parameters)
        printf("best model       of step %zu\n", t->best.step);
    if (s->model_out)
        printf("model file       %s\n", s->model_out);
    if (s->report)
        printf("report           %s\n", s->report);
    if (t->samples.n)
        printf("\n");
    samples_print(&t->samples, "");
}

static ct_status draw_samples(training *t, ct_diag *diag)
{
    bt_text_model *model = text_learner_model(t->learner);
    if (!model || t->s->sample == 0)
        return CT_OK;
    bt_sample_options o = bt_sample_options_default();
    o.temperature = t->s->temperature;
    o.max_bytes = SAMPLE_BYTES;
    o.seed = t->s->seed;
    return samples_draw(&t->samples, model, t->s->sample, &o, diag);
}

/* What was trained is written also after an interruption; of a run that diverged only the reports
 * are. */
static ct_status write_models(training *t, ct_diag *diag)
{
    if (t->s->checkpoint)
        CT_TRY(save_checkpoint(t, diag));
    if (t->best.parameters && isfinite(t->best.measure.loss))
        CT_TRY(swap_best(t, diag));
    CT_TRY(t->learner->methods->evaluate(t->learner, true, &t->last, diag));
    if (t->s->model_out)
        CT_TRY(t->learner->methods->save(t->learner, t->s->model_out, NULL, diag));
    return draw_samples(t, diag);
}

static ct_status write_results(training *t, ct_diag *diag)
{
    if (!t->diverged)
        CT_TRY(write_models(t, diag));
    CT_TRY(report_results(t, diag));
    CT_TRY(ct_report_finish(t->report, diag));
    CT_TRY(t->row_status);
    const char *json = ct_report_json(t->report);
    if (!json)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    if (t->s->json)
        puts(json);
    else if (!t->s->quiet && !t->diverged)
        print_training(t);
    return CT_OK;
}

/* From --epochs, or its default: enough for small data too. */
static ct_status count_steps(training *t, ct_diag *diag)
{
    train_settings *s = t->s;
    const size_t an_epoch = t->learner->steps_an_epoch;
    if (s->epochs == 0)
        return CT_OK;
    if (!cli_given("epochs") && s->epochs * an_epoch < LEAST_STEPS)
        s->epochs = (LEAST_STEPS + an_epoch - 1) / an_epoch;
    if ((double)s->epochs * (double)an_epoch > 4294967295.0)
        return ct_fail(diag, CT_EINVALID, "--epochs %zu are more than 2^32 steps", s->epochs);
    s->steps = s->epochs * an_epoch;
    return CT_OK;
}

static ct_status prepare(training *t, ct_diag *diag)
{
    train_settings *s = t->s;
    if (s->resume)
        CT_TRY(bt_safetensors_open(&t->resumed, s->resume, diag));
    CT_TRY(train_settings_resolve(s, t->resumed, diag));
    CT_TRY(s->text ? text_learner_create(&t->learner, s, diag)
                   : row_learner_create(&t->learner, s, diag));
    CT_TRY(count_steps(t, diag));
    if (s->eval_every == 0)
        s->eval_every = (s->steps + 19) / 20;
    t->schedule = train_schedule(s);
    CT_TRY(keep_best(t, diag));
    if (s->resume)
        CT_TRY(resume(t, diag));
    return open_outputs(t, diag);
}

static ct_status train(training *t, ct_diag *diag)
{
    CT_TRY(prepare(t, diag));
    cli_progress_begin(t->s->quiet);
    t->start_s = ct_time_s();
    ct_status status = train_steps(t, diag);
    t->seconds = ct_time_s() - t->start_s;
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
    training t = {.s = settings, .command = command};
    ct_diag diag = {0};
    const ct_status status = train(&t, &diag);
    const bool diverged = t.diverged;
    training_clear(&t);
    if (status != CT_OK)
        return cli_fail(status, &diag);
    return diverged ? CLI_EXIT_NO_TOLERANCE : cli_exit_code(CLI_EXIT_OK);
}

cli_command burtorch_train(void)
{
    return (cli_command){
        .name = "train",
        .summary = "Train a small model on a text or on labelled rows.",
        .description =
            "With --text, a character model (--model mlp or gpt) learns to predict the next "
            "character (byte) from those before it; its loss stands beside that of knowing only "
            "how often each character occurs, and it draws samples. With --data, a model of rows "
            "(--model linear, mlp or cnn) learns to predict their labels: classes, or numbers. "
            "Options that have no effect on the model are refused.\n\n"
            "Every model has defaults that work for a start; a part of the data is held back to "
            "measure on (--validation). The same settings give the same model, whatever --threads "
            "is.\n\n"
            "SIGINT ends the training early: what is asked for is still written, and the exit code "
            "is 130. It is 3 when the loss diverged: then the reports are written, and no model. A "
            "run that is killed goes on from its last checkpoint with --resume, and ends with the "
            "same model as if it had not been.",
        .examples =
            "burtorch-cli train --text names.txt --model-out names.safetensors\n"
            "burtorch-cli train --model gpt --text input.txt --model-out gpt.safetensors\n"
            "burtorch-cli train --model linear --data a9a --report a9a.html\n"
            "burtorch-cli train --model mlp --data houses.csv --label price --patience 5\n"
            "burtorch-cli train --model cnn --data digits.csv --image 1x8x8 --shards 4 --threads "
            "0\n"
            "burtorch-cli train --text input.txt --checkpoint run.ckpt --checkpoint-every 500\n"
            "burtorch-cli train --text input.txt --resume run.ckpt --checkpoint run.ckpt",
        .options = train_options,
        .n_options = n_train_options,
        .settings_size = sizeof(train_settings),
        .run = run_train};
}
