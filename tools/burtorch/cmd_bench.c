// SPDX-License-Identifier: MIT
/* burtorch-cli bench: how fast this machine is at what burtorch does, in a few seconds. A look, not
 * a comparison: benchmarks/ has those. */
#include "burtorch/burtorch_cli.h"

#include <ctrain/blas.h>
#include <ctrain/kernels.h>
#include <ctrain/rng.h>
#include <ctrain/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 7, TEXT_BYTES = 20000 };
#define BLOCK_S 0.04 // at least, of a block of runs; the median block counts

static const char tiny_text[] = "g = (a*b + b^3 - (a+b))^2 / 2";
static const char small_text[] =
    "c = a + b; d = a*b + b^3; c += c + 1; c += 1 + c - a; d += d*2 + relu(b + a); "
    "d += 3*d + relu(b - a); e = c - d; f = e^2; g = f/2; g += 10/f";

typedef struct bench_settings {
    bool json;
} bench_settings;

/* One thing that is measured: once runs it a single time. */
typedef struct work {
    const char *key, *name; // of JSON; for people
    ct_status (*once)(struct work *w, ct_diag *diag);
    double seconds;
    size_t chars; // that a run trains on; 0: does not apply
    formula formula;
    bt_function *function;
    bt_workspace *workspace;
    bt_text_model *model;
    const bt_text *text;
    uint64_t step;
} work;

/* ---- The works ---- */

static ct_status record_and_differentiate(work *w, ct_diag *diag)
{
    const bt_mark mark = bt_tape_mark(w->formula.tape);
    const bt_var y =
        bt_expression_record(w->formula.expression, w->formula.tape, w->formula.inputs);
    const ct_status status = bt_backward(y);
    bt_tape_rewind(w->formula.tape, mark);
    return status == CT_OK ? CT_OK : ct_fail(diag, status, "%s", ct_status_text(status));
}

static ct_status differentiate(work *w, ct_diag *diag)
{
    double y, g[2];
    (void)diag;
    return bt_function_gradient(w->function, w->workspace, 0, w->formula.values, &y, g);
}

static ct_status train_step(work *w, ct_diag *diag)
{
    return bt_text_model_step(w->model, w->text->train, w->text->n_train, w->step++, 1e-3, NULL,
                              diag);
}

static ct_status prepare_formula(work *w, const char *text, bool capture, ct_diag *diag)
{
    static const char *const inputs[] = {"a=-41", "b=2"};
    const cli_operands operands = {inputs, 2};
    formula *f = &w->formula;
    CT_TRY(formula_record(f, text, &operands, true, diag));
    w->once = capture ? differentiate : record_and_differentiate;
    if (capture)
        return formula_capture(f, &w->function, &w->workspace, diag);
    bt_tape_destroy(f->tape); // one on which there are the inputs alone
    CT_TRY(bt_tape_create(&f->tape));
    for (size_t i = 0; i < f->n; i++)
        f->inputs[i] = bt_variable(f->tape, f->values[i]);
    return CT_OK;
}

static ct_status prepare_model(work *w, const bt_text *text, bt_text_kind kind, ct_diag *diag)
{
    const bt_text_model_options o = bt_text_model_options_default(kind);
    const bt_trainer_options trainer = bt_trainer_options_default(BT_ADAMW);
    w->once = train_step;
    w->text = text;
    w->chars = o.batch * (kind == BT_TEXT_GPT ? o.context : 1);
    CT_TRY(bt_text_model_create(&w->model, text->unit, &text->vocabulary, &o, diag));
    return bt_text_model_set_trainer(w->model, &trainer, diag);
}

static void work_clear(work *w)
{
    formula_clear(&w->formula);
    bt_workspace_destroy(w->workspace);
    bt_function_destroy(w->function);
    bt_text_model_destroy(w->model);
}

/* ---- Measuring ---- */

static ct_status run(work *w, size_t n, double *seconds, ct_diag *diag)
{
    const double start = ct_time_s();
    for (size_t i = 0; i < n; i++)
        CT_TRY(w->once(w, diag));
    *seconds = ct_time_s() - start;
    return CT_OK;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static ct_status measure_work(work *w, ct_diag *diag)
{
    double seconds[BLOCKS];
    size_t n = 1;
    CT_TRY(run(w, n, &seconds[0], diag));
    for (; seconds[0] < BLOCK_S; n *= 2)
        CT_TRY(run(w, 2 * n, &seconds[0], diag));
    for (size_t i = 0; i < BLOCKS; i++)
        CT_TRY(run(w, n, &seconds[i], diag));
    qsort(seconds, BLOCKS, sizeof *seconds, ascending);
    w->seconds = seconds[BLOCKS / 2] / (double)n;
    return CT_OK;
}

/* Letters at random: what they are does not change the time. */
static ct_status make_text(bt_text **out, ct_diag *diag)
{
    char *letters = malloc(TEXT_BYTES);
    bt_text_options o = bt_text_options_default();
    ct_rng rng;
    if (!letters)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    ct_rng_init(&rng, 1, CT_RNG_DATA, 0, 0);
    for (size_t i = 0; i < TEXT_BYTES; i++)
        letters[i] = (char)(' ' + ct_rng_below(&rng, 64));
    o.unit = BT_TEXT_RUNNING;
    const ct_status status = bt_text_create(out, letters, TEXT_BYTES, &o, diag);
    free(letters);
    return status;
}

static ct_status measure_all(work *works, size_t n, const bt_text *text, ct_diag *diag)
{
    CT_TRY(prepare_formula(&works[0], tiny_text, false, diag));
    CT_TRY(prepare_formula(&works[1], tiny_text, true, diag));
    CT_TRY(prepare_formula(&works[2], small_text, false, diag));
    CT_TRY(prepare_formula(&works[3], small_text, true, diag));
    CT_TRY(prepare_model(&works[4], text, BT_TEXT_MLP, diag));
    CT_TRY(prepare_model(&works[5], text, BT_TEXT_GPT, diag));
    for (size_t i = 0; i < n; i++) {
        cli_progress("%s", works[i].name);
        CT_TRY(measure_work(&works[i], diag));
    }
    return CT_OK;
}

/* ---- Output ---- */

static const char *time_text(char out[CLI_TEXT_SIZE], double seconds)
{
    if (seconds < 1e-6)
        snprintf(out, CLI_TEXT_SIZE, "%.1f ns", 1e9 * seconds);
    else if (seconds < 1e-3)
        snprintf(out, CLI_TEXT_SIZE, "%.2f us", 1e6 * seconds);
    else
        snprintf(out, CLI_TEXT_SIZE, "%.2f ms", 1e3 * seconds);
    return out;
}

static void print_table(const work *works, size_t n)
{
    char time[CLI_TEXT_SIZE];
    printf("instruction set  %s\nblas             %s\n\n", ct_kernels_get()->name,
           ct_blas_description());
    for (size_t i = 0; i < n; i++) {
        printf("%-59s %10s", works[i].name, time_text(time, works[i].seconds));
        if (works[i].chars)
            printf("  %8.3g characters/s", (double)works[i].chars / works[i].seconds);
        printf("\n");
    }
}

static ct_status print_json(const work *works, size_t n, const bench_settings *s,
                            const cli_command *command, ct_diag *diag)
{
    ct_report *report;
    if (ct_report_create(&report, "bench", BURTORCH_PROGRAM) != CT_OK)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    cli_echo_settings(report, command, s);
    for (size_t i = 0; i < n; i++)
        ct_report_number(report, CT_REPORT_RESULT, works[i].key, works[i].seconds);
    const char *json = ct_report_json(report);
    if (json)
        puts(json);
    ct_report_destroy(report);
    return json ? CT_OK : ct_fail(diag, CT_ENOMEM, "out of memory");
}

static int run_bench(void *settings, const cli_command *command)
{
    const bench_settings *s = settings;
    work works[] = {
        {.key = "seconds_tiny_recorded",
         .name = "(a*b + b^3 - (a+b))^2 / 2: record, value and gradient"},
        {.key = "seconds_tiny_captured",
         .name = "(a*b + b^3 - (a+b))^2 / 2, captured: value and gradient"},
        {.key = "seconds_small_recorded",
         .name = "the example of micrograd: record, value and gradient"},
        {.key = "seconds_small_captured",
         .name = "the example of micrograd, captured: value and gradient"},
        {.key = "seconds_mlp_step", .name = "a step of the default character perceptron"},
        {.key = "seconds_gpt_step", .name = "a step of a GPT of 0.8 million parameters"},
    };
    bt_text *text = NULL;
    ct_diag diag = {0};
    (void)!ct_blas_open(&diag); // to say which; none is no mistake
    ct_diag_clear(&diag);
    cli_progress_begin(s->json);
    ct_status status = make_text(&text, &diag);
    if (status == CT_OK)
        status = measure_all(works, COUNT(works), text, &diag);
    cli_progress_end();
    if (status == CT_OK && s->json)
        status = print_json(works, COUNT(works), s, command, &diag);
    else if (status == CT_OK)
        print_table(works, COUNT(works));
    for (size_t i = 0; i < COUNT(works); i++)
        work_clear(&works[i]);
    bt_text_destroy(text);
    return status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
}

static const cli_option options[] = {
    {.name = "json",
     .type = CLI_FLAG,
     .offset = offsetof(bench_settings, json),
     .help = "Print one JSON object: machine, and seconds of each work."},
};

cli_command burtorch_bench(void)
{
    return (cli_command){
        .name = "bench",
        .summary = "Measure how fast this machine differentiates and trains.",
        .description = "Times gradients of two small expressions and training steps of two "
                       "character models on one thread, a few seconds in all. Each time is the "
                       "median of 7 blocks of runs.",
        .examples = "burtorch-cli bench",
        .options = options,
        .n_options = COUNT(options),
        .settings_size = sizeof(bench_settings),
        .run = run_bench};
}
