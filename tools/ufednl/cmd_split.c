// SPDX-License-Identifier: MIT
/* ufednl-cli split: the rows of a file dealt to files, one a client. They are written under other
 * names first and renamed when all are there: all of them or none. */
#include "ufednl/labels.h"
#include "ufednl/solve_options.h"

#include <ctrain/file.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct split_settings {
    solve_settings common; // the options it shares with train; must be first
    const char *out, *to;
} split_settings;

typedef struct splitting {
    const split_settings *settings;
    solve run; // data and sizes
    ct_split *split;
    size_t written; // files that are there under their first names
} splitting;

enum { PATH_SIZE = 4096 };

/* PREFIX.007, with as many digits as the last client needs. */
static ct_status name_of(char path[PATH_SIZE], const splitting *s, size_t client,
                         const char *suffix, ct_diag *diag)
{
    const char *prefix = s->settings->out != NULL ? s->settings->out : s->settings->common.file;
    int digits = snprintf(NULL, 0, "%zu", s->split->clients - 1);
    int size = snprintf(path, PATH_SIZE, "%s.%0*zu%s", prefix, digits, client, suffix);
    return size < PATH_SIZE ? CT_OK : ct_fail(diag, CT_EINVALID, "--out: the name is too long");
}

#define UNFINISHED ".unfinished"

static ct_status write_client(splitting *s, size_t client, ct_diag *diag)
{
    char path[PATH_SIZE];
    const size_t *start = s->split->start + client;
    ct_dataset *rows;
    CT_TRY(name_of(path, s, client, UNFINISHED, diag));
    CT_TRY(
        ct_dataset_take(&rows, s->run.data, s->split->order + start[0], start[1] - start[0], diag));
    ct_status status = write_rows(rows, path, s->settings->to, diag);
    ct_dataset_destroy(rows);
    return status;
}

static ct_status publish(const splitting *s, ct_diag *diag)
{
    for (size_t i = 0; i < s->split->clients; i++) {
        char from[PATH_SIZE], to[PATH_SIZE];
        CT_TRY(name_of(from, s, i, UNFINISHED, diag));
        CT_TRY(name_of(to, s, i, "", diag));
        if (rename(from, to) != 0)
            return ct_file_fail(diag, to, errno);
    }
    return CT_OK;
}

static void remove_unfinished(const splitting *s)
{
    for (size_t i = 0; i < s->written; i++) {
        char path[PATH_SIZE];
        if (name_of(path, s, i, UNFINISHED, NULL) == CT_OK)
            remove(path);
    }
}

static ct_status write_clients(splitting *s, ct_diag *diag)
{
    ct_status status = CT_OK;
    for (; s->written < s->split->clients && status == CT_OK; s->written++)
        status = write_client(s, s->written, diag);
    if (status == CT_OK)
        status = publish(s, diag);
    if (status != CT_OK)
        remove_unfinished(s);
    return status;
}

static void print_shares(const label_list *labels, const size_t *count, size_t rows)
{
    for (size_t k = 0; k < labels->n + labels->more; k++)
        printf("  %9.1f %%", 100.0 * (double)count[k] / (double)rows);
    putchar('\n');
}

/* Rows of each client, and which part of them has which label. */
static ct_status print_table(const splitting *s, ct_diag *diag)
{
    const ct_dataset *data = s->run.data;
    char path[PATH_SIZE];
    label_list labels;
    size_t count[LABELS_SHOWN + 1];
    CT_TRY(name_of(path, s, 0, "", diag));
    int width = (int)strlen(path);
    labels_find(&labels, data);
    printf("%-*s  %10s", width, "file", "rows");
    for (size_t k = 0; k < labels.n; k++)
        printf("  label %-5g", labels.label[k]);
    puts(labels.more ? "  others" : "");
    for (size_t i = 0; i < s->split->clients; i++) {
        const size_t *start = s->split->start + i;
        size_t rows = start[1] - start[0];
        CT_TRY(name_of(path, s, i, "", diag));
        labels_count(&labels, data, s->split->order + start[0], rows, count);
        printf("%-*s  %10zu", width, path, rows);
        print_shares(&labels, count, rows);
    }
    labels_count(&labels, data, NULL, data->rows, count);
    printf("%-*s  %10zu", width, "all", data->rows);
    print_shares(&labels, count, data->rows);
    return CT_OK;
}

static ct_status split_file(splitting *s, ct_diag *diag)
{
    const solve_settings *common = &s->settings->common;
    CT_TRY(solve_read(&s->run, diag));
    ct_split_options opt;
    CT_TRY(solve_split_options(&s->run, &opt, diag));
    ct_status status = ct_split_create(&s->split, s->run.data, &opt, diag);
    if (status != CT_OK)
        ct_diag_prefix(diag, "%s", common->file);
    CT_TRY(status);
    CT_TRY(write_clients(s, diag));
    return common->quiet ? CT_OK : print_table(s, diag);
}

static int run_split(void *settings, const cli_command *command)
{
    splitting s = {.settings = settings};
    s.run = (solve){.settings = &s.settings->common, .command = command};
    if (!cli_given("clients") && !cli_given("sizes"))
        return cli_usage("--clients or --sizes is missing");
    ct_diag diag = {0};
    ct_status status = split_file(&s, &diag);
    ct_split_destroy(s.split);
    solve_clear(&s.run);
    return status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
}

#define SPLIT(member) .offset = offsetof(split_settings, member)
// clang-format off
static const cli_option options[] = {
    {.name = "clients", .type = CLI_COUNT, SOLVE(clients), .value = "N", .min = 1, .max = INFINITY, .group = "Clients",
     .help = "Files to write; at most as many as rows"},
    SOLVE_SPLIT_OPTIONS,
    {.name = "seed", .type = CLI_SEED, SOLVE(seed), .value = "N", .preset = "1", .group = "Clients",
     .help = "Of the order and of the shares; with the seed of train the same clients get the same rows"},
    SOLVE_DATA_OPTIONS,
    {.name = "out", .type = CLI_TEXT, SPLIT(out), .value = "PREFIX", .group = "Output",
     .help = "The files are PREFIX.0, PREFIX.1, ..., with as many digits as the last needs. Default: FILE"},
    {.name = "to", .type = CLI_CHOICE, SPLIT(to), .value = "FORMAT", .preset = "text", .choices = "text|binary", .group = "Output",
     .help = "LIBSVM text, or the binary format of convert, which keeps the number of features"},
    {.name = "quiet", .type = CLI_FLAG, SOLVE(quiet), .group = "Output", .help = "Print nothing"},
};
// clang-format on

static const cli_operand operands[] = {SOLVE_FILE_OPERAND};

cli_command ufednl_split(void)
{
    return (cli_command){
        .name = "split",
        .summary = "Deal the rows of a file to files, one a client.",
        .description =
            "Writes all of the files or none, and prints how many rows and which labels each "
            "client has. A client process then reads its own file, as it would where the data "
            "were never together.",
        .examples = "ufednl-cli split --clients 8 a9a\n"
                    "ufednl-cli split --clients 20 --label-skew 0.3 --out parts/a9a a9a",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(split_settings),
        .run = run_split};
}
