// SPDX-License-Identifier: MIT
/* permk-train compare: what protection costs. The methods of this library run, on one problem, to
 * one accuracy; baselines that need another server or another cipher are put beside them by the
 * sizes of their messages, with the rounds of gradient descent, whose iterates they have. */
#include "permk/train_options.h"

#include <ctrain/timer.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum run_number { RUN_GD, RUN_RANDK, RUN_PERMK, RUN_DIANA, RUNS } run_number;
static const struct {
    const char *name;
    permk_method method;
    permk_compressor compressor;
} runs[RUNS] = {[RUN_GD] = {"GD", PERMK_METHOD_GD, PERMK_COMPRESSOR_IDENTITY},
                [RUN_RANDK] = {"DCGD/RandK", PERMK_METHOD_DCGD, PERMK_COMPRESSOR_RANDK},
                [RUN_PERMK] = {"DCGD/PermK", PERMK_METHOD_DCGD, PERMK_COMPRESSOR_PERMK},
                [RUN_DIANA] = {"DIANA/PermK", PERMK_METHOD_DIANA, PERMK_COMPRESSOR_PERMK}};

typedef enum sizes {
    COUNTED, // what this library would send, as it counts it
    PLAIN,   // numbers, and a server that adds them up
    MASKED,  // the same of 64-bit integers, under masks that cancel in the sum
    CKKS     // ciphertexts that the server adds up
} sizes;

/* Bytes of a CKKS ciphertext as Microsoft SEAL 4.1 writes it, with zstd where that is smaller; all
 * parameters are of 128-bit security. README.md says how they were measured. */
typedef struct ckks {
    size_t slots; // numbers in a ciphertext
    size_t fresh, aggregate;
} ckks;

typedef struct scheme {
    const char *key, *label;
    run_number run;
    sizes sizes;
    ckks ckks;
    const char *note; // of a baseline
} scheme;

static const scheme schemes[] = {
    {.key = "gd_plain",
     .label = "GD, plain",
     .run = RUN_GD,
     .sizes = PLAIN,
     .note = "no protection; the server adds"},
    {.key = "gd_masks",
     .label = "GD, additive masks",
     .run = RUN_GD,
     .sizes = MASKED,
     .note = "as in secure aggregation, 64-bit integers, nobody drops out; the server adds and "
             "learns the sum"},
    {.key = "gd_ckks_16384",
     .label = "GD + CKKS, N 16384",
     .run = RUN_GD,
     .sizes = CKKS,
     .ckks = {8192, 703876, 408138},
     .note = "N 16384, primes of 60/30/30/30/60 bits, two of them spent, as in arXiv:2312.02074"},
    {.key = "gd_ckks_2048",
     .label = "GD + CKKS, N 2048",
     .run = RUN_GD,
     .sizes = CKKS,
     .ckks = {1024, 15600, 30914},
     .note = "N 2048, one prime of 54 bits, symmetric with a seed, tuned to add only; relative "
             "error 1e-6"},
    {.key = "gd_aes", .label = "GD + AES", .run = RUN_GD},
    {.key = "dcgd_randk_aes", .label = "DCGD/RandK + AES", .run = RUN_RANDK},
    {.key = "dcgd_permk_aes", .label = "DCGD/PermK + AES", .run = RUN_PERMK},
    {.key = "diana_permk_aes", .label = "DIANA/PermK + AES", .run = RUN_DIANA},
};
enum { SCHEMES = COUNT(schemes) };

enum { COLUMN_ROUND, COLUMN_UP, COLUMN_DOWN, COLUMN_SUM, COLUMN_FIRST_NORM };

typedef struct comparison {
    training run;  // must be first: context of the rounds
    double *start; // (d)
    permk_result results[RUNS];
    size_t current, n_runs; // runs that were made
} comparison;

/* ---- Traffic ---- */

typedef struct bytes {
    double up, down;
} bytes;

/* One client's in one round, of schemes that are not counted. */
static bytes bytes_by_formula(const comparison *c, const scheme *s)
{
    double d = (double)c->run.problem.dimension;
    double plain = d * (double)permk_value_bytes(c->run.options.value);
    switch (s->sizes) {
    case PLAIN:
        return (bytes){plain, plain};
    case MASKED:
        return (bytes){8.0 * d, plain};
    case CKKS: {
        double ciphertexts = ceil(d / (double)s->ckks.slots);
        return (bytes){ciphertexts * (double)s->ckks.fresh,
                       ciphertexts * (double)s->ckks.aggregate};
    }
    case COUNTED:
        break;
    }
    return (bytes){0.0, 0.0};
}

static bytes bytes_of_round(const comparison *c, const scheme *s)
{
    const permk_result *r = &c->results[s->run];
    if (s->sizes != COUNTED)
        return bytes_by_formula(c, s);
    return (bytes){(double)r->client_bytes_up_per_round, (double)r->client_bytes_down_per_round};
}

static bytes bytes_so_far(const comparison *c, const scheme *s, const permk_round *round)
{
    if (s->sizes == COUNTED)
        return (bytes){(double)round->client_bytes_up, (double)round->client_bytes_down};
    bytes one = bytes_by_formula(c, s);
    return (bytes){one.up * (double)round->round, one.down * (double)round->round};
}

static bytes bytes_in_all(const comparison *c, const scheme *s)
{
    const permk_result *r = &c->results[s->run];
    if (s->sizes == COUNTED)
        return (bytes){(double)r->client_bytes_up, (double)r->client_bytes_down};
    bytes one = bytes_by_formula(c, s);
    return (bytes){one.up * (double)r->rounds, one.down * (double)r->rounds};
}

/* ---- The report ---- */

/* A column of norms a scheme, so that each has a line in the plots. */
static ct_status open_report(comparison *c, ct_diag *diag)
{
    const train_settings *s = c->run.settings;
    char title[300], key[64];
    snprintf(title, sizeof title, "What protection costs, on %s",
             s->data != NULL ? s->data : problem_kind(s));
    CT_TRY(ct_report_create(&c->run.report, title, PERMK_PROGRAM));
    ct_report *report = c->run.report;
    cli_echo_settings(report, c->run.command, s);
    ct_report_column(report, "round", "round", "");
    ct_report_column(report, "client_bytes_up", "sent by one client", "B");
    ct_report_column(report, "client_bytes_down", "received by one client", "B");
    ct_report_column(report, "client_bytes", "sent and received by one client", "B");
    size_t norms[SCHEMES];
    for (size_t i = 0; i < SCHEMES; i++) {
        snprintf(key, sizeof key, "grad_norm_squared:%s", schemes[i].key);
        norms[i] = ct_report_column(report, key, schemes[i].label, "");
    }
    static const char *const titles[] = {
        "Squared gradient norm by round", "Squared gradient norm by uplink",
        "Squared gradient norm by downlink", "Squared gradient norm by traffic"};
    for (size_t x = COLUMN_ROUND; x < COLUMN_FIRST_NORM; x++)
        ct_report_add_plot(report, &(ct_report_plot){.title = titles[x],
                                                     .x = x,
                                                     .y = norms,
                                                     .n_y = SCHEMES,
                                                     .log_y = true,
                                                     .log_x = x != COLUMN_ROUND});
    const cli_outputs outputs = {s->report, s->csv, s->jsonl, NULL};
    return cli_open_outputs(report, &outputs, diag);
}

static void add_row(comparison *c, size_t number, const permk_round *round)
{
    double row[COLUMN_FIRST_NORM + SCHEMES];
    bytes so_far = bytes_so_far(c, &schemes[number], round);
    for (size_t i = 0; i < COUNT(row); i++)
        row[i] = NAN;
    row[COLUMN_ROUND] = (double)round->round;
    row[COLUMN_UP] = so_far.up;
    row[COLUMN_DOWN] = so_far.down;
    row[COLUMN_SUM] = so_far.up + so_far.down;
    row[COLUMN_FIRST_NORM + number] = round->grad_norm_squared;
    if (c->run.row_status == CT_OK)
        c->run.row_status = ct_report_row(c->run.report, row);
}

static void on_round(void *context, const permk_round *round)
{
    comparison *c = context;
    if (isnan(round->grad_norm_squared))
        return;
    cli_progress("%s (%zu of %d)  round %" PRIu64 "  ||grad f||^2 %.2e", runs[c->current].name,
                 c->current + 1, RUNS, round->round, round->grad_norm_squared);
    for (size_t i = 0; i < SCHEMES; i++)
        if (schemes[i].run == c->current)
            add_row(c, i, round);
}

/* ---- The runs ---- */

static ct_status run_one(comparison *c, ct_diag *diag)
{
    training *run = &c->run;
    permk_train_options opt = run->options;
    size_t d = run->problem.dimension;
    opt.method = runs[c->current].method;
    opt.compressor = runs[c->current].compressor;
    opt.on_round = on_round;
    opt.context = c;
    double step = run->settings->steps[c->current];
    opt.step = isnan(step) ? run->options.step : step;
    if (opt.k == 0)
        opt.k = d < 5 ? 1 : d / 5;
    memcpy(run->x, c->start, d * sizeof *run->x);
    ct_status status = permk_simulate(&c->results[c->current], &run->problem, run->x, &opt, diag);
    if (status != CT_OK)
        ct_diag_prefix(diag, "%s", runs[c->current].name);
    return status;
}

static ct_status run_all(comparison *c, ct_diag *diag)
{
    training *run = &c->run;
    CT_TRY(problem_read(run, diag));
    CT_TRY(problem_make(run, (uint32_t)run->settings->clients, PROBLEM_ALL_CLIENTS, 0, diag));
    size_t d = run->problem.dimension;
    c->start = malloc(d * sizeof *c->start);
    if (c->start == NULL)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    memcpy(c->start, run->x, d * sizeof *c->start);
    for (c->current = 0; c->current < RUNS; c->current++) {
        CT_TRY(run_one(c, diag));
        c->n_runs++;
        if (c->results[c->current].outcome == PERMK_INTERRUPTED)
            break;
    }
    return CT_OK;
}

/* ---- Results ---- */

static bool was_run(const comparison *c, const scheme *s)
{
    return s->run < c->n_runs;
}

static void record(const comparison *c, const scheme *s)
{
    const permk_result *r = &c->results[s->run];
    bytes one = bytes_of_round(c, s), all = bytes_in_all(c, s);
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"client_bytes_up_per_round", one.up},
                   {"client_bytes_down_per_round", one.down},
                   {"client_bytes_up", all.up},
                   {"client_bytes_down", all.down},
                   {"client_bytes", all.up + all.down},
                   {"step", r->step},
                   {"grad_norm_squared", r->grad_norm_squared},
                   {"seconds_simulated", r->seconds}};
    ct_report *report = c->run.report;
    char key[96];
    snprintf(key, sizeof key, "%s:scheme", s->key);
    ct_report_string(report, CT_REPORT_RESULT, key, s->label);
    snprintf(key, sizeof key, "%s:baseline", s->key);
    ct_report_string(report, CT_REPORT_RESULT, key, s->note);
    snprintf(key, sizeof key, "%s:status", s->key);
    ct_report_string(report, CT_REPORT_RESULT, key, permk_outcome_name(r->outcome));
    snprintf(key, sizeof key, "%s:rounds", s->key);
    ct_report_integer(report, CT_REPORT_RESULT, key, (int64_t)r->rounds);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        snprintf(key, sizeof key, "%s:%s", s->key, numbers[i].key);
        ct_report_number(report, CT_REPORT_RESULT, key, numbers[i].value);
    }
}

static void print_row(const comparison *c, const scheme *s)
{
    const permk_result *r = &c->results[s->run];
    bytes one = bytes_of_round(c, s), all = bytes_in_all(c, s);
    char text[5][CLI_TEXT_SIZE];
    const double values[5] = {one.up, one.down, all.up, all.down, all.up + all.down};
    for (size_t i = 0; i < COUNT(values); i++)
        cli_bytes_text(text[i], values[i]);
    printf("%-20s %-11s %8" PRIu64 "  %9s %9s  %9s %9s %9s\n", s->label,
           permk_outcome_name(r->outcome), r->rounds, text[0], text[1], text[2], text[3], text[4]);
}

static void print_table(const comparison *c)
{
    const train_settings *s = c->run.settings;
    printf("One client of %u, dimension %zu, %s, ||grad f||^2 below %g\n", c->run.problem.clients,
           c->run.problem.dimension, s->value, s->tol);
    printf("%-20s %-11s %8s  %9s %9s  %9s %9s %9s\n", "", "", "", "a round:", "", "in all:", "",
           "");
    printf("%-20s %-11s %8s  %9s %9s  %9s %9s %9s\n", "scheme", "result", "rounds", "up", "down",
           "up", "down", "sum");
    for (size_t i = 0; i < SCHEMES; i++)
        if (was_run(c, &schemes[i]))
            print_row(c, &schemes[i]);
    printf("By formula, with the rounds of GD and without headers:\n");
    for (size_t i = 0; i < SCHEMES; i++)
        if (schemes[i].note != NULL)
            printf("  %-18s %s\n", schemes[i].label, schemes[i].note);
    if (s->report != NULL)
        printf("report: %s\n", s->report);
}

static ct_status write_results(comparison *c, ct_diag *diag)
{
    const train_settings *s = c->run.settings;
    for (size_t i = 0; i < SCHEMES; i++)
        if (was_run(c, &schemes[i]))
            record(c, &schemes[i]);
    CT_TRY(ct_report_finish(c->run.report, diag));
    CT_TRY(c->run.row_status);
    const char *json = ct_report_json(c->run.report);
    if (json == NULL)
        return CT_ENOMEM;
    if (s->json)
        puts(json);
    else if (!s->quiet)
        print_table(c);
    return CT_OK;
}

static ct_status compare(comparison *c, ct_diag *diag)
{
    CT_TRY(training_options(&c->run, diag));
    CT_TRY(open_report(c, diag));
    cli_progress_begin(c->run.settings->quiet);
    ct_status status = run_all(c, diag);
    cli_progress_end();
    CT_TRY(status);
    return write_results(c, diag);
}

static int run_compare(void *settings, const cli_command *command)
{
    comparison c = {.run = {.settings = settings, .command = command}};
    ct_diag diag = {0};
    forbid_core_files();
    ct_status status = compare(&c, &diag);
    int code = status == CT_OK ? cli_exit_code(CLI_EXIT_OK) : cli_fail(status, &diag);
    free(c.start);
    training_clear(&c.run);
    return code;
}

// clang-format off
#define STEP_OF(run, word, method) \
    {.name = "step-" word, .type = CLI_REAL, TRAIN(steps[run]), .value = "X", POSITIVE, .group = "Method", \
     .help = "Step size of " method ". Default: what theory allows"}
static const cli_option options[] = {
    TRAIN_CLIENTS_OPTION("50"),
    TRAIN_PROBLEM_OPTIONS,
    STEP_OF(RUN_GD, "gd", "GD"),
    STEP_OF(RUN_RANDK, "randk", "DCGD/RandK"),
    STEP_OF(RUN_PERMK, "permk", "DCGD/PermK"),
    STEP_OF(RUN_DIANA, "diana", "DIANA/PermK"),
    {.name = "k", .type = CLI_COUNT, TRAIN(k), .value = "N", .min = 1, .max = 4294967295.0, .group = "Method",
     .help = "Coordinates that RandK sends. Default: a fifth of all"},
    TRAIN_RULE_OPTION,
    TRAIN_VALUE_OPTION,
    TRAIN_SEED_OPTION,
    TRAIN_STOP_OPTIONS("1e-4"),
    TRAIN_OUTPUT_OPTIONS,
};
// clang-format on

cli_command cmd_compare(void)
{
    return (cli_command){
        .name = "compare",
        .summary = "Put protected and unprotected methods side by side: rounds and bytes.",
        .description =
            "Runs GD, DCGD/RandK, DCGD/PermK and DIANA/PermK under AES-128-GCM to --tol, and puts "
            "plain GD, additive masks and CKKS beside them by formula. Bytes up, down and their "
            "sum, a round and to that accuracy: few bytes a round are no gain where many more "
            "rounds are needed.",
        .examples = "permk-train compare --step-permk 0.007 --report compare.html\n"
                    "permk-train compare --data a9a --clients 80 --max-rounds 50000 --tol 1e-6",
        .options = options,
        .n_options = COUNT(options),
        .settings_size = sizeof(train_settings),
        .run = run_compare};
}
