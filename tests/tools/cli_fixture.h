// SPDX-License-Identifier: MIT
/* A program with every kind of option, and running it in a child whose output is kept. */
#ifndef CLI_FIXTURE_H
#define CLI_FIXTURE_H

#include "ct_test.h"

#include "cli/cli.h"
#include "cli/cli_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct fixture_settings {
    size_t clients, bare_count;
    double lambda, step, alpha;
    uint64_t seed;
    bool intercept, json;
    const char *compressor, *note, *html, *file, *model;
    cli_operands more;
} fixture_settings;

#define FIXTURE(member) .offset = offsetof(fixture_settings, member)

static const cli_option fixture_options[] = {
    {.name = "clients",
     .type = CLI_COUNT,
     FIXTURE(clients),
     .value = "N",
     .preset = "142",
     .help = "Clients among which the rows are dealt",
     .min = 1,
     .max = 1000,
     .group = "Problem"},
    {.name = "lambda",
     .type = CLI_REAL,
     FIXTURE(lambda),
     .value = "X",
     .preset = "0.001",
     .help = "Weight of the L2 term ‖x‖²",
     .min = 0,
     .max = (double)INFINITY,
     .group = "Problem"},
    {.name = "alpha",
     .type = CLI_REAL,
     FIXTURE(alpha),
     .value = "X",
     .help = "Share of a label [0 to 1]: it's the user's",
     .open_min = true,
     .max = 1,
     .group = "Problem"},
    {.name = "step",
     .type = CLI_REAL,
     FIXTURE(step),
     .value = "X",
     .help = "Step size. Computed from the problem when absent.",
     .open_min = true,
     .group = "Method"},
    {.name = "compressor",
     .type = CLI_CHOICE,
     FIXTURE(compressor),
     .value = "NAME",
     .preset = "topk",
     .choices = "identity|topk|randk",
     .help = "How differences are compressed",
     .group = "Method"},
    {.name = "bare-count", .type = CLI_COUNT, FIXTURE(bare_count), .value = "N", .help = "Bare"},
    {.name = "seed",
     .type = CLI_SEED,
     FIXTURE(seed),
     .value = "N",
     .preset = "1",
     .help = "Seed of all randomness"},
    {.name = "intercept",
     .type = CLI_FLAG,
     FIXTURE(intercept),
     .preset = "true",
     .negatable = true,
     .help = "Append a constant feature"},
    {.name = "json", .type = CLI_FLAG, FIXTURE(json), .help = "Print one JSON object"},
    {.name = "note", .type = CLI_TEXT, FIXTURE(note), .value = "TEXT", .help = "Anything"},
    {.name = "html", .type = CLI_PATH, FIXTURE(html), .value = "FILE", .help = "Write a report"},
};

static const cli_operand fixture_operands[] = {
    {.name = "FILE", .help = "Data in LIBSVM format", FIXTURE(file), .is_path = true},
    {.name = "MODEL", .help = "Model", FIXTURE(model), .optional = true, .is_path = true}};

static const cli_operand fixture_repeated[] = {
    {.name = "EXPR", .help = "An expression", FIXTURE(file)},
    {.name = "NAME=VALUE", .help = "Values", .optional = true, .repeated = true, FIXTURE(more)}};

static const char *or_none(const char *text)
{
    return text != NULL ? text : "none";
}

static int fixture_train(void *settings, const cli_command *command)
{
    const fixture_settings *s = settings;
    (void)command;
    printf("clients=%zu lambda=%g alpha=%g step=%g seed=%llu intercept=%d json=%d compressor=%s "
           "note=%s html=%s file=%s model=%s\n",
           s->clients, s->lambda, s->alpha, s->step, (unsigned long long)s->seed, s->intercept,
           s->json, or_none(s->compressor), or_none(s->note), or_none(s->html), or_none(s->file),
           or_none(s->model));
    return CLI_EXIT_OK;
}

static int fixture_grad(void *settings, const cli_command *command)
{
    const fixture_settings *s = settings;
    (void)command;
    printf("%s", s->file);
    for (size_t i = 0; i < s->more.n; i++)
        printf(" | %s", s->more.items[i]);
    printf("\n");
    return CLI_EXIT_NO_TOLERANCE;
}

static int fixture_echo(void *settings, const cli_command *command)
{
    ct_report *report;
    if (ct_report_create(&report, "title", "prog 1") != CT_OK)
        return CLI_EXIT_FAILED;
    cli_echo_settings(report, command, settings);
    puts(ct_report_json(report));
    ct_report_destroy(report);
    return CLI_EXIT_OK;
}

enum { N_FIXTURE_OPTIONS = sizeof fixture_options / sizeof *fixture_options };

static const cli_command fixture_commands[] = {
    {.name = "train",
     .summary = "Train a model over federated clients.",
     .description = "Clients keep their rows and send what the method needs, again and again, "
                    "until the gradient is small.\n\n.second paragraph: it's e^x \\ 2\n\n"
                    "    kept as it is",
     .examples = "prog train w8a.txt\nprog train --lambda 1e-3 'my file.txt'",
     .options = fixture_options,
     .n_options = N_FIXTURE_OPTIONS,
     .operands = fixture_operands,
     .n_operands = 2,
     .settings_size = sizeof(fixture_settings),
     .run = fixture_train},
    {.name = "grad",
     .summary = "Differentiate: an expression's value and gradient.",
     .operands = fixture_repeated,
     .n_operands = 2,
     .settings_size = sizeof(fixture_settings),
     .run = fixture_grad},
    {.name = "echo",
     .summary = "Echo the settings.",
     .options = fixture_options,
     .n_options = N_FIXTURE_OPTIONS,
     .operands = fixture_repeated,
     .n_operands = 2,
     .settings_size = sizeof(fixture_settings),
     .run = fixture_echo},
};

static const cli_program fixture_program = {.name = "prog",
                                            .summary = "A program for tests.",
                                            .description = "It has every kind of option.",
                                            .commands = fixture_commands,
                                            .n_commands = 3};

typedef struct outcome {
    int code; // exit code, or -signal
    char out[20000], err[4000];
} outcome;

static inline void read_back(FILE *file, char *text, size_t size)
{
    rewind(file);
    size_t n = fread(text, 1, size - 1, file);
    text[n] = '\0';
    fclose(file);
}

/* Run function in a child with its stdout and stderr kept. */
static inline outcome run_child(int (*function)(void *), void *context)
{
    outcome result = {0};
    FILE *out = tmpfile(), *err = tmpfile();
    assert_non_null(out);
    assert_non_null(err);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(fileno(out), STDOUT_FILENO);
        dup2(fileno(err), STDERR_FILENO);
        int code = function(context);
        fflush(NULL);
        _exit(code);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    read_back(out, result.out, sizeof result.out);
    read_back(err, result.err, sizeof result.err);
    return result;
}

typedef struct words {
    int n;
    char **items;
} words;

static inline int run_words(void *context)
{
    words *w = context;
    return cli_main(&fixture_program, w->n, w->items);
}

/* Run the program with the words of line, separated by single blanks ("" is an empty word). */
static inline outcome run_line(const char *line)
{
    char copy[1000], *items[40] = {(char *)(uintptr_t) "prog"};
    words w = {1, items};
    snprintf(copy, sizeof copy, "%s", line);
    for (char *at = copy; line[0] != '\0' && at != NULL && w.n < 39;) {
        char *blank = strchr(at, ' ');
        if (blank != NULL)
            *blank = '\0';
        items[w.n++] = strcmp(at, "\"\"") == 0 ? at + 2 : at;
        at = blank != NULL ? blank + 1 : NULL;
    }
    return run_child(run_words, &w);
}

#endif
