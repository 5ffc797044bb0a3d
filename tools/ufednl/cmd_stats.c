// SPDX-License-Identifier: MIT
/* ufednl-cli stats: what a data set is like, and what it will be like for the clients. */
#include "ufednl/labels.h"
#include "ufednl/solve_options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <ufednl/stats.h>

typedef struct survey {
    const solve_settings *settings;
    solve run; // report and data
    label_list labels;
    size_t label_rows[LABELS_SHOWN + 1];
    fednl_stats stats;
} survey;

/* Columns of the report, a row a client; then one for the share of each label. */
enum { COLUMN_CLIENT, COLUMN_ROWS, COLUMN_DISTINCT, COLUMN_ACTIVE, COLUMN_PATTERN, COLUMNS };

static ct_status open_report(survey *v, ct_diag *diag)
{
    const solve_settings *s = v->settings;
    char title[300];
    snprintf(title, sizeof title, "Statistics of %s", s->file);
    CT_TRY(ct_report_create(&v->run.report, title, UFEDNL_PROGRAM));
    cli_echo_settings(v->run.report, v->run.command, s);
    const cli_outputs outputs = {s->report, s->csv, s->jsonl, NULL};
    return cli_open_outputs(v->run.report, &outputs, diag);
}

/* Which labels there are is known only when FILE has been read. */
static void declare_columns(const survey *v)
{
    static const char *const columns[COLUMNS][2] = {
        [COLUMN_CLIENT] = {"client", "client"},
        [COLUMN_ROWS] = {"rows", "rows"},
        [COLUMN_DISTINCT] = {"distinct_rows", "different rows"},
        [COLUMN_ACTIVE] = {"active", "coordinates that occur"},
        [COLUMN_PATTERN] = {"pattern", "entries of the Hessian that can be non-zero"}};
    static const size_t rows[] = {COLUMN_ROWS, COLUMN_DISTINCT}, pattern[] = {COLUMN_PATTERN};
    size_t shares[LABELS_SHOWN];
    ct_report *report = v->run.report;
    for (size_t c = 0; c < COLUMNS; c++)
        ct_report_column(report, columns[c][0], columns[c][1], "");
    for (size_t k = 0; k < v->labels.n; k++) {
        char key[64], label[64];
        snprintf(key, sizeof key, "share:%g", v->labels.label[k]);
        snprintf(label, sizeof label, "share of label %g", v->labels.label[k]);
        shares[k] = ct_report_column(report, key, label, "");
    }
    const ct_report_plot plots[] = {
        {.title = "Rows by client", .x = COLUMN_CLIENT, .y = rows, .n_y = 2},
        {.title = "Labels by client",
         .x = COLUMN_CLIENT,
         .y = shares,
         .n_y = v->labels.n,
         .stacked = true},
        {.title = "Pattern by client", .x = COLUMN_CLIENT, .y = pattern, .n_y = 1}};
    for (size_t i = 0; i < COUNT(plots); i++)
        ct_report_add_plot(report, &plots[i]);
}

static ct_status add_clients(const survey *v)
{
    const ct_split *split = v->stats.split;
    for (size_t i = 0; i < split->clients; i++) {
        const fednl_client_stats *c = &v->stats.client[i];
        size_t count[LABELS_SHOWN + 1];
        double row[COLUMNS + LABELS_SHOWN] = {[COLUMN_CLIENT] = (double)i,
                                              [COLUMN_ROWS] = (double)c->rows,
                                              [COLUMN_DISTINCT] = (double)c->distinct,
                                              [COLUMN_ACTIVE] = (double)c->active,
                                              [COLUMN_PATTERN] = (double)c->pattern};
        labels_count(&v->labels, v->run.data, split->order + split->start[i], c->rows, count);
        for (size_t k = 0; k < v->labels.n; k++)
            row[COLUMNS + k] = (double)count[k] / (double)c->rows;
        CT_TRY(ct_report_row(v->run.report, row));
    }
    return CT_OK;
}

/* ---- results ---- */

static double condition_number(const fednl_stats *s)
{
    return s->smoothness / s->convexity; // lambda = 0: infinite
}

static double mean_pattern(const fednl_stats *s)
{
    return (double)s->pattern / (double)s->split->clients;
}

static double triangle(const fednl_stats *s)
{
    return (double)s->dimension * ((double)s->dimension + 1.0) / 2.0;
}

static double density(const fednl_stats *s)
{
    return (double)s->nnz / ((double)s->rows * (double)s->features); // 0 / 0: NaN
}

static void record_labels(const survey *v)
{
    ct_report *report = v->run.report;
    for (size_t k = 0; k < v->labels.n; k++) {
        char key[64];
        snprintf(key, sizeof key, "label:%g", v->labels.label[k]);
        ct_report_integer(report, CT_REPORT_RESULT, key, (int64_t)v->label_rows[k]);
    }
    if (v->labels.more)
        ct_report_integer(report, CT_REPORT_RESULT, "label:others",
                          (int64_t)v->label_rows[v->labels.n]);
}

static void record(const survey *v)
{
    const fednl_stats *s = &v->stats;
    const struct {
        const char *key;
        uint64_t value;
    } integers[] = {{"rows", s->rows},
                    {"features", s->features},
                    {"used_features", s->used_features},
                    {"nonzeros", s->nnz},
                    {"longest_row", s->longest_row},
                    {"distinct_rows", s->distinct},
                    {"dimension", s->dimension},
                    {"clients", s->split->clients},
                    {"merged_rows", s->merged},
                    {"pattern", s->pattern},
                    {"solver_memory_bytes", s->memory_bytes}};
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"nonzeros_per_row", (double)s->nnz / (double)s->rows},
                   {"density", density(s)},
                   {"value_min", s->value_min},
                   {"value_max", s->value_max},
                   {"L", s->smoothness},
                   {"mu", s->convexity},
                   {"condition_number", condition_number(s)},
                   {"pattern_mean", mean_pattern(s)},
                   {"pattern_share", mean_pattern(s) / triangle(s)},
                   {"seconds_read", v->run.seconds_read}};
    ct_report *report = v->run.report;
    for (size_t i = 0; i < COUNT(integers); i++)
        ct_report_integer(report, CT_REPORT_RESULT, integers[i].key, (int64_t)integers[i].value);
    for (size_t i = 0; i < COUNT(numbers); i++)
        ct_report_number(report, CT_REPORT_RESULT, numbers[i].key, numbers[i].value);
    record_labels(v);
}

static void print_values(const fednl_stats *s)
{
    if (s->nnz > 0 && s->value_min == s->value_max)
        printf("values       all %g\n", s->value_min);
    else if (s->nnz > 0)
        printf("values       %g to %g\n", s->value_min, s->value_max);
}

static void print_labels(const survey *v)
{
    printf("labels      ");
    for (size_t k = 0; k < v->labels.n + v->labels.more; k++) {
        char label[32] = "others";
        if (k < v->labels.n)
            snprintf(label, sizeof label, "%g", v->labels.label[k]);
        printf("%s %s: %zu rows (%.3g %%)", k > 0 ? "," : "", label, v->label_rows[k],
               100.0 * (double)v->label_rows[k] / (double)v->stats.rows);
    }
    putchar('\n');
}

static void print_clients(const fednl_stats *s)
{
    size_t fewest = s->rows, most = 0;
    char memory[CLI_TEXT_SIZE];
    for (size_t i = 0; i < s->split->clients; i++) {
        fewest = s->client[i].rows < fewest ? s->client[i].rows : fewest;
        most = s->client[i].rows > most ? s->client[i].rows : most;
    }
    printf("clients      %zu of %zu to %zu rows; %zu rows after merging equal ones\n",
           s->split->clients, fewest, most, s->merged);
    if (s->pattern == 0) {
        printf("Hessians     none: d = %zu is too large (lbfgs and gd need none)\n", s->dimension);
        return;
    }
    printf("Hessians     %.0f of %.0f entries of the triangle of a client can be non-zero "
           "(%.3g %%), %.3g in all\n",
           mean_pattern(s), triangle(s), 100.0 * mean_pattern(s) / triangle(s), (double)s->pattern);
    printf("memory       about %s in a solver\n", cli_bytes_text(memory, (double)s->memory_bytes));
}

static void print_summary(const survey *v)
{
    const fednl_stats *s = &v->stats;
    char time[CLI_TEXT_SIZE];
    printf("data         %s: %zu rows, %zu features (%zu of them occur), read in %s\n",
           v->settings->file, s->rows, s->features, s->used_features,
           cli_seconds_text(time, v->run.seconds_read));
    printf("non-zeros    %zu: %.4g a row, %zu at most; %.3g %% of the matrix\n", s->nnz,
           (double)s->nnz / (double)s->rows, s->longest_row, 100.0 * density(s));
    print_values(s);
    print_labels(v);
    printf("different    %zu rows (%.3g %%), whatever their labels\n", s->distinct,
           100.0 * (double)s->distinct / (double)s->rows);
    printf("curvature    L = %.5g, mu = lambda = %g, condition number L/mu = %.4g\n", s->smoothness,
           s->convexity, condition_number(s));
    print_clients(s);
    if (v->settings->report != NULL)
        printf("report       %s\n", v->settings->report);
}

static ct_status describe(survey *v, ct_diag *diag)
{
    const solve_settings *s = v->settings;
    ct_split_options split;
    CT_TRY(open_report(v, diag));
    CT_TRY(solve_read(&v->run, diag));
    CT_TRY(solve_split_options(&v->run, &split, diag));
    fednl_options opt = fednl_options_default();
    opt.lambda = s->lambda;
    opt.intercept = s->intercept;
    opt.clients = split.clients;
    opt.sizes = split.sizes;
    opt.shuffle = split.shuffle;
    opt.label_skew = split.label_skew;
    opt.seed = split.seed;
    opt.threads = s->threads;
    ct_status status = fednl_stats_compute(&v->stats, v->run.data, &opt, diag);
    if (status != CT_OK)
        ct_diag_prefix(diag, "%s", s->file);
    CT_TRY(status);
    labels_find(&v->labels, v->run.data);
    labels_count(&v->labels, v->run.data, NULL, v->stats.rows, v->label_rows);
    declare_columns(v);
    CT_TRY(add_clients(v));
    record(v);
    CT_TRY(ct_report_finish(v->run.report, diag));
    const char *json = ct_report_json(v->run.report);
    if (json == NULL)
        return CT_ENOMEM;
    if (s->json)
        puts(json);
    else
        print_summary(v);
    return CT_OK;
}

static int run_stats(void *settings, const cli_command *command)
{
    survey v = {.settings = settings};
    v.run = (solve){.settings = settings, .command = command};
    ct_diag diag = {0};
    ct_status status = describe(&v, &diag);
    fednl_stats_clear(&v.stats);
    solve_clear(&v.run);
    return status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
}

// clang-format off
static const cli_option options[] = {
    SOLVE_DATA_OPTIONS,
    SOLVE_LAMBDA_OPTIONS,
    SOLVE_SEED_OPTION,
    SOLVE_CLIENTS_OPTION,
    SOLVE_SPLIT_OPTIONS,
    SOLVE_RUN_OPTIONS,
    {.name = "json", .type = CLI_FLAG, SOLVE(json), .group = "Output", .help = "Print settings and result as one JSON object"},
    {.name = "report", .type = CLI_PATH, SOLVE(report), .value = "FILE", .group = "Output", .help = "Write an HTML page with plots of the clients"},
    {.name = "jsonl", .type = CLI_PATH, SOLVE(jsonl), .value = "FILE", .group = "Output", .help = "Write a JSON line a client"},
    {.name = "csv", .type = CLI_PATH, SOLVE(csv), .value = "FILE", .group = "Output", .help = "Write a CSV row a client"},
};
// clang-format on

static const cli_operand operands[] = {SOLVE_FILE_OPERAND};

cli_command ufednl_stats(void)
{
    return (cli_command){
        .name = "stats",
        .summary = "Describe a data set: size, labels, condition number, what clients would keep.",
        .description =
            "L is lambda plus the largest eigenvalue of A^T A / (4 rows), by power iteration to "
            "about four digits; mu is lambda. With --clients and the other options of train the "
            "rows are dealt as train deals them, and the entries that can be non-zero are counted "
            "of each client's Hessian, which is what a solver stores and sends.",
        .examples = "ufednl-cli stats a9a\n"
                    "ufednl-cli stats --clients 142 --label-skew 0.3 --report a9a.html a9a",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(solve_settings),
        .run = run_stats};
}
