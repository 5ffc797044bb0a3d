// SPDX-License-Identifier: MIT
/* ufednl-cli compare: several methods on the same data, one after the other, in one report. */
#include "ufednl/solve_options.h"

#include <ctrain/timer.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METHODS_MAX = 16, COLUMN_ROUND = 0, COLUMN_SECONDS, COLUMN_UP, COLUMN_FIRST_NORM };

/* One entry of --methods: ALGORITHM[/COMPRESSOR[/K]], or a COMPRESSOR[/K] alone. */
typedef struct method {
    char name[64];
    fednl_algorithm algorithm;
    fednl_compressor compressor;
    fednl_k k;
    fednl_result result;
} method;

typedef struct comparison {
    solve run;
    method methods[METHODS_MAX];
    size_t n, current;
} comparison;

/* The parts of text between slashes; more than three: the last holds the rest. */
static size_t split_parts(char *text, char *parts[3])
{
    size_t n = 0;
    for (char *at = text; at != NULL && n < 3;) {
        parts[n++] = at;
        at = n < 3 ? strchr(at, '/') : NULL;
        if (at != NULL)
            *at++ = '\0';
    }
    return n;
}

/* A part that has no effect on those before it is refused. */
static ct_status parse_parts(method *m, char *parts[3], size_t n, ct_diag *diag)
{
    size_t at = 0;
    if (fednl_algorithm_from_name(&m->algorithm, parts[at]))
        at++;
    if (at < n && solve_compresses(m->algorithm) &&
        fednl_compressor_from_name(&m->compressor, parts[at])) {
        at++;
        if (at < n && solve_takes_k(m->compressor) &&
            fednl_k_parse(&m->k, parts[at], diag) == CT_OK)
            at++;
    }
    if (at == n)
        return CT_OK;
    return ct_fail(diag, CT_EINVALID,
                   "--methods: '%s' of '%s' is no algorithm, compressor of it, or k of that",
                   parts[at], m->name);
}

static ct_status parse_method(method *m, const char *text, size_t size, ct_diag *diag)
{
    char copy[sizeof m->name], *parts[3];
    if (size == 0 || size >= sizeof copy)
        return ct_fail(diag, CT_EINVALID, "--methods: '%.*s' is no method", (int)size, text);
    memcpy(copy, text, size);
    copy[size] = '\0';
    *m = (method){.algorithm = FEDNL_ALGORITHM_LS};
    memcpy(m->name, copy, sizeof copy);
    return parse_parts(m, parts, split_parts(copy, parts), diag);
}

static ct_status parse_methods(comparison *c, ct_diag *diag)
{
    for (const char *at = c->run.settings->methods;; at++) {
        size_t size = strcspn(at, ",");
        if (c->n == METHODS_MAX)
            return ct_fail(diag, CT_EINVALID, "--methods: more than %d", METHODS_MAX);
        CT_TRY(parse_method(&c->methods[c->n++], at, size, diag));
        at += size;
        if (*at == '\0')
            return CT_OK;
    }
}

/* A column of gradient norms a method, so that each has a line in the plots. */
static ct_status begin(comparison *c, ct_diag *diag)
{
    const solve_settings *s = c->run.settings;
    char title[300], key[96];
    snprintf(title, sizeof title, "Methods on %s", s->file);
    CT_TRY(ct_report_create(&c->run.report, title, UFEDNL_PROGRAM));
    ct_report *report = c->run.report;
    cli_echo_settings(report, c->run.command, s);
    ct_report_column(report, "round", "round", "");
    ct_report_column(report, "seconds", "time", "s");
    ct_report_column(report, "bytes_up", "sent to the server by all clients", "B");
    size_t norms[METHODS_MAX];
    for (size_t i = 0; i < c->n; i++) {
        snprintf(key, sizeof key, "grad_norm:%s", c->methods[i].name);
        norms[i] = ct_report_column(report, key, c->methods[i].name, "");
    }
    static const char *const titles[] = {"Gradient norm by round", "Gradient norm by time",
                                         "Gradient norm by traffic"};
    for (size_t x = COLUMN_ROUND; x < COLUMN_FIRST_NORM; x++)
        ct_report_add_plot(report, &(ct_report_plot){.title = titles[x],
                                                     .x = x,
                                                     .y = norms,
                                                     .n_y = c->n,
                                                     .log_y = true,
                                                     .log_x = x == COLUMN_UP});
    const cli_outputs outputs = {s->report, s->csv, s->jsonl, NULL};
    return cli_open_outputs(report, &outputs, diag);
}

static void on_round(void *context, const fednl_round *round)
{
    comparison *c = context;
    const method *m = &c->methods[c->current];
    cli_progress("%s (%zu of %zu)  round %zu  ||grad f|| %.2e", m->name, c->current + 1, c->n,
                 round->round, round->grad_norm);
    double row[COLUMN_FIRST_NORM + METHODS_MAX];
    for (size_t i = 0; i < COLUMN_FIRST_NORM + c->n; i++)
        row[i] = NAN;
    row[COLUMN_ROUND] = (double)round->round;
    row[COLUMN_SECONDS] = round->seconds;
    row[COLUMN_UP] = (double)round->traffic.bytes_up;
    row[COLUMN_FIRST_NORM + c->current] = round->grad_norm;
    if (c->run.status == CT_OK)
        c->run.status = ct_report_row(c->run.report, row);
}

static ct_status run_method(comparison *c, const fednl_options *common, ct_diag *diag)
{
    method *m = &c->methods[c->current];
    fednl_options opt = *common;
    opt.algorithm = m->algorithm;
    opt.compressor = m->compressor;
    if (m->k.value != 0.0)
        opt.k = m->k;
    fednl_solver *solver;
    ct_status status = fednl_solver_create(&solver, c->run.data, &opt, diag);
    if (status == CT_OK)
        status = fednl_solver_run(solver, &m->result, diag);
    fednl_solver_destroy(solver);
    if (status != CT_OK)
        ct_diag_prefix(diag, "%s", m->name);
    return status;
}

static void record(const comparison *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const method *m = &c->methods[i];
        ct_report *report = c->run.report;
        char key[128];
        snprintf(key, sizeof key, "%s:status", m->name);
        ct_report_string(report, CT_REPORT_RESULT, key, fednl_outcome_name(m->result.outcome));
        const struct {
            const char *key;
            uint64_t value;
        } integers[] = {{"rounds", m->result.rounds},
                        {"bytes_up", m->result.traffic.bytes_up},
                        {"bytes_down", m->result.traffic.bytes_down}};
        for (size_t k = 0; k < COUNT(integers); k++) {
            snprintf(key, sizeof key, "%s:%s", m->name, integers[k].key);
            ct_report_integer(report, CT_REPORT_RESULT, key, (int64_t)integers[k].value);
        }
        snprintf(key, sizeof key, "%s:seconds", m->name);
        ct_report_number(report, CT_REPORT_RESULT, key, m->result.seconds);
        snprintf(key, sizeof key, "%s:grad_norm", m->name);
        ct_report_number(report, CT_REPORT_RESULT, key, m->result.grad_norm);
    }
}

static void print_table(const comparison *c)
{
    printf("%-28s %-11s %7s %10s %12s %12s %12s\n", "method", "result", "rounds", "time",
           "||grad f||", "up", "down");
    for (size_t i = 0; i < c->n; i++) {
        const fednl_result *r = &c->methods[i].result;
        char time[CLI_TEXT_SIZE], up[CLI_TEXT_SIZE], down[CLI_TEXT_SIZE];
        printf("%-28s %-11s %7zu %10s %12.3e %12s %12s\n", c->methods[i].name,
               fednl_outcome_name(r->outcome), r->rounds, cli_seconds_text(time, r->seconds),
               r->grad_norm, cli_bytes_text(up, (double)r->traffic.bytes_up),
               cli_bytes_text(down, (double)r->traffic.bytes_down));
    }
    if (c->run.settings->report != NULL)
        printf("report: %s\n", c->run.settings->report);
}

static ct_status run_methods(comparison *c, ct_diag *diag)
{
    const solve_settings *s = c->run.settings;
    fednl_options opt;
    CT_TRY(solve_options(&c->run, &opt, diag));
    opt.on_round = on_round;
    opt.context = c;
    cli_progress_begin(s->quiet);
    ct_status status = CT_OK;
    for (c->current = 0; c->current < c->n && status == CT_OK; c->current++) {
        status = run_method(c, &opt, diag);
        if (c->methods[c->current].result.outcome == FEDNL_INTERRUPTED)
            c->n = c->current + 1;
    }
    cli_progress_end();
    return status;
}

static ct_status compare(comparison *c, ct_diag *diag)
{
    const solve_settings *s = c->run.settings;
    CT_TRY(parse_methods(c, diag));
    CT_TRY(begin(c, diag));
    CT_TRY(solve_read(&c->run, diag));
    CT_TRY(run_methods(c, diag));
    CT_TRY(c->run.status);
    record(c);
    CT_TRY(ct_report_finish(c->run.report, diag));
    const char *json = ct_report_json(c->run.report);
    if (json == NULL)
        return CT_ENOMEM;
    if (s->json)
        puts(json);
    else if (!s->quiet)
        print_table(c);
    return CT_OK;
}

static int run_compare(void *settings, const cli_command *command)
{
    comparison *c = calloc(1, sizeof *c);
    ct_diag diag = {0};
    if (c == NULL)
        return cli_fail(CT_ENOMEM, &diag);
    c->run.settings = settings;
    c->run.command = command;
    ct_status status = compare(c, &diag);
    int code = status == CT_OK ? cli_exit_code(CLI_EXIT_OK) : cli_fail(status, &diag);
    solve_clear(&c->run);
    free(c);
    return code;
}

static const cli_option options[] = {
    {.name = "methods",
     .type = CLI_TEXT,
     SOLVE(methods),
     .value = "LIST",
     .preset = "identity,topk,toplek,randk,randseqk,natural,lbfgs",
     .group = "Method",
     .help = "What to compare: ALGORITHM/COMPRESSOR/K, parts from the right may be left out, or a "
             "COMPRESSOR/K of fednl-ls; separated by commas"},
    SOLVE_DATA_OPTIONS,
    SOLVE_PROBLEM_OPTIONS,
    SOLVE_CLIENTS_OPTION,
    SOLVE_SPLIT_OPTIONS,
    SOLVE_METHOD_OPTIONS,
    SOLVE_STOP_OPTIONS,
    SOLVE_RUN_OPTIONS,
    SOLVE_OUTPUT_OPTIONS,
};

static const cli_operand operands[] = {SOLVE_FILE_OPERAND};

cli_command ufednl_compare(void)
{
    return (cli_command){
        .name = "compare",
        .summary = "Run several methods on the same data and put them into one report.",
        .description =
            "Gradient norms against rounds, seconds and bytes, and a table. Options of a "
            "method apply to those of LIST that have them.",
        .examples = "ufednl-cli compare --clients 142 --report w8a.html w8a\n"
                    "ufednl-cli compare --clients 142 --methods "
                    "fednl-ls/topk/8d,fednl-ls/topk/2d,fednl-pp/natural,lbfgs,gd a9a",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(solve_settings),
        .run = run_compare};
}
