// SPDX-License-Identifier: MIT
/* ufednl-cli local: a server here and a process for each client, over TCP on this machine. */
#include "cli/arguments.h"
#include "ufednl/remote.h"
#include "ufednl/solve_options.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct children {
    size_t n;
    pid_t *pid; // (clients)
} children;

static void list_arguments(arguments *a, const solve_settings *s, size_t id, uint16_t port)
{
    arguments_add(a, "ufednl-cli");
    arguments_add(a, "client");
    arguments_add(a, "--quiet");
    arguments_add(a, "--id=%zu", id);
    arguments_add(a, "--port=%u", port);
    arguments_add(a, "--clients=%zu", s->clients);
    arguments_add(a, "--seed=%llu", (unsigned long long)s->seed);
    if (!s->shuffle)
        arguments_add(a, "--no-shuffle");
    if (!isnan(s->positive_label))
        arguments_add(a, "--positive-label=%.17g", s->positive_label);
    if (!isnan(s->label_skew))
        arguments_add(a, "--label-skew=%.17g", s->label_skew);
    if (s->checkpoint != NULL || s->resume != NULL)
        arguments_add(a, "--checkpoint=%s.client-%zu",
                      s->resume != NULL ? s->resume : s->checkpoint, id);
    if (s->sizes != NULL)
        arguments_add(a, "--sizes=%s", s->sizes);
    arguments_add(a, "--");
    arguments_add(a, "%s", s->file);
}

static ct_status start_clients(children *c, const solve_settings *s, uint16_t port, ct_diag *diag)
{
    c->pid = calloc(s->clients, sizeof *c->pid);
    if (c->pid == NULL)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    for (; c->n < s->clients; c->n++) {
        arguments a = {0};
        list_arguments(&a, s, c->n, port);
        int error = a.failed
                        ? ENOMEM
                        : posix_spawn(&c->pid[c->n], "/proc/self/exe", NULL, NULL, a.list, environ);
        arguments_clear(&a);
        if (error != 0)
            return ct_fail(diag, CT_EIO, "client %zu does not start: %s", c->n, strerror(error));
    }
    return CT_OK;
}

/* All of them, once they have been told that it is over; or killed where it failed. */
static void end_clients(children *c, bool failed)
{
    for (size_t i = 0; i < c->n && failed; i++)
        kill(c->pid[i], SIGTERM);
    for (size_t i = 0; i < c->n; i++)
        while (waitpid(c->pid[i], NULL, 0) < 0 && errno == EINTR)
            continue;
    free(c->pid);
}

static ct_status run_all(serving *s, children *c, ct_diag *diag)
{
    const solve_settings *settings = s->run.settings;
    char title[300];
    fednl_options opt;
    snprintf(title, sizeof title, "%s on %s, %zu processes", settings->algorithm, settings->file,
             settings->clients);
    CT_TRY(solve_begin(&s->run, title, diag));
    CT_TRY(solve_read(&s->run, diag)); // what is wrong with FILE is said once, here
    CT_TRY(solve_options(&s->run, &opt, diag));
    if (settings->clients > s->run.data->rows)
        return ct_fail(diag, CT_EINVALID, "%s: %zu clients are more than the %zu rows",
                       settings->file, settings->clients, s->run.data->rows);
    ct_dataset_destroy(s->run.data);
    s->run.data = NULL;
    CT_TRY(ct_tcp_listener_open(&s->listener, NULL, 0, diag));
    CT_TRY(start_clients(c, settings, ct_tcp_listener_port(s->listener), diag));
    return serve(s, diag);
}

/* --clients where only --sizes tells. */
static ct_status count_clients(solve_settings *s, ct_diag *diag)
{
    if (s->sizes == NULL || cli_given("clients"))
        return CT_OK;
    size_t *sizes = NULL;
    ct_status status = solve_parse_sizes(s->sizes, &sizes, &s->clients, diag);
    free(sizes);
    return status;
}

static int run_local(void *settings, const cli_command *command)
{
    const solve_settings *given = settings;
    if (given->resume != NULL && given->checkpoint != NULL &&
        strcmp(given->resume, given->checkpoint) != 0)
        return cli_usage("--checkpoint: must be the same file as --resume, as the clients' files "
                         "are named after it");
    serving s = {.run = {.settings = settings, .command = command}};
    children c = {0};
    ct_diag diag = {0};
    ct_status status = count_clients(settings, &diag);
    if (status == CT_OK)
        status = run_all(&s, &c, &diag);
    int code = cli_exit_code(CLI_EXIT_FAILED);
    if (status == CT_OK)
        code = solve_exit_code(&s.run);
    else if (status != CT_EINTERRUPTED)
        code = cli_fail(status, &diag);
    serving_clear(&s);
    end_clients(&c, status != CT_OK);
    return code;
}

static const cli_option options[] = {
    SOLVE_DATA_OPTIONS,
    SOLVE_PROBLEM_OPTIONS,
    {.name = "clients",
     .type = CLI_COUNT,
     SOLVE(clients),
     .value = "N",
     .preset = "8",
     .min = 1,
     .max = 1000,
     .group = "Clients",
     .help = "Processes to start"},
    SOLVE_SPLIT_OPTIONS,
    SOLVE_ALGORITHM_OPTIONS,
    SOLVE_METHOD_OPTIONS,
    SOLVE_STOP_OPTIONS,
    SOLVE_RUN_OPTIONS,
    SOLVE_MODEL_OPTIONS,
    SOLVE_NETWORK_OPTIONS,
    SOLVE_OUTPUT_OPTIONS,
};

static const cli_operand operands[] = {SOLVE_FILE_OPERAND, SOLVE_MODEL_OPERAND};

cli_command ufednl_local(void)
{
    return (cli_command){
        .name = "local",
        .summary = "Train with a process for each client, over TCP on this machine.",
        .description =
            "Starts a server and the clients, which read their part of FILE, and trains over real "
            "sockets: the iterates of train, bit for bit, with the times and traffic of a network "
            "on loopback. Checkpoints of the clients are FILE.client-0, ... of --checkpoint.",
        .examples = "ufednl-cli local --clients 8 --compressor topk --report a9a.html a9a",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(solve_settings),
        .run = run_local};
}
