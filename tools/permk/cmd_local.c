// SPDX-License-Identifier: MIT
/* permk-train local: a server process and a process for each client, over TCP on this machine. This
 * process is client 0, which leads: it has the live view, the report and the result. The server is
 * another one, and is told no key. */
#include "permk/member.h"
#include "permk/processes.h"
#include "permk/train_options.h"

#include <ctrain/file.h>
#include <ctrain/timer.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH_SIZE 4096
#define START_S   20.0 // until the server must listen
#define GRACE_S   10.0 // for the others to end by themselves
#define BRIEF_S   0.5  // the same where the run did not begin
#define SERVER    0    // of crowd.others; client i is number i

typedef struct crowd {
    training run;          // must be first: what training_run hands back
    train_settings member; // the settings of client 0, with the files below
    char folder[PATH_SIZE / 2];
    char key[PATH_SIZE], identity[PATH_SIZE], roster[PATH_SIZE];
    char checkpoint[PATH_SIZE], resume[PATH_SIZE];
    process *others; // (clients) the server, and clients 1, 2, …
    size_t n_others;
} crowd;

/* ---- Files that only live as long as the run ---- */

static ct_status make_folder(crowd *c, ct_diag *diag)
{
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || parent[0] == '\0')
        parent = "/tmp";
    int length = snprintf(c->folder, sizeof c->folder, "%s/permk-train.XXXXXX", parent);
    if (length >= (int)sizeof c->folder || mkdtemp(c->folder) == NULL) {
        int error = errno;
        c->folder[0] = '\0';
        return ct_file_fail(diag, parent, error);
    }
    return CT_OK;
}

static void path_in(const crowd *c, char out[PATH_SIZE], const char *name)
{
    snprintf(out, PATH_SIZE, "%s/%s", c->folder, name);
}

static void identity_path(const crowd *c, char out[PATH_SIZE], size_t client)
{
    snprintf(out, PATH_SIZE, "%s/identity-%zu", c->folder, client);
}

static void remove_file(const crowd *c, const char *name)
{
    char path[PATH_SIZE];
    path_in(c, path, name);
    (void)unlink(path);
}

static void remove_folder(const crowd *c)
{
    char path[PATH_SIZE];
    if (c->folder[0] == '\0')
        return;
    for (size_t i = 0; i < c->n_others; i++)
        (void)unlink(c->others[i].errors);
    for (size_t i = 0; i < c->run.settings->clients; i++) {
        identity_path(c, path, i);
        (void)unlink(path);
    }
    remove_file(c, "roster");
    remove_file(c, "key");
    remove_file(c, "port");
    (void)rmdir(c->folder);
}

/* ---- Keys ---- */

static ct_status make_key(crowd *c, ct_diag *diag)
{
    permk_key *key = NULL;
    path_in(c, c->key, "key");
    CT_TRY(permk_key_generate(&key, diag));
    ct_status status = permk_key_write(key, c->key, diag);
    permk_key_destroy(key);
    c->member.key = c->key;
    return status;
}

/* A client's key pair, and its line of the roster. */
static ct_status make_identity(const crowd *c, size_t client, ct_file_writer *roster, ct_diag *diag)
{
    permk_identity *identity = NULL;
    char path[PATH_SIZE];
    identity_path(c, path, client);
    CT_TRY(permk_identity_generate(&identity, diag));
    const unsigned char *key = permk_identity_public(identity);
    for (size_t k = 0; k < PERMK_PUBLIC_KEY_BYTES; k++)
        ct_file_writer_printf(roster, "%02x", key[k]);
    ct_file_writer_printf(roster, " client %zu\n", client);
    ct_status status = permk_identity_write(identity, path, diag);
    permk_identity_destroy(identity);
    return status;
}

static ct_status make_identities(crowd *c, ct_diag *diag)
{
    ct_file_writer *roster;
    path_in(c, c->roster, "roster");
    identity_path(c, c->identity, 0);
    CT_TRY(ct_file_writer_open(&roster, c->roster, diag));
    ct_status status = CT_OK;
    for (size_t i = 0; i < c->member.clients && status == CT_OK; i++)
        status = make_identity(c, i, roster, diag);
    if (status != CT_OK) {
        ct_file_writer_abort(roster);
        return status;
    }
    c->member.identity = c->identity;
    c->member.roster = c->roster;
    return ct_file_writer_commit(roster, diag);
}

static ct_status make_keys(crowd *c, ct_diag *diag)
{
    const train_settings *s = &c->member;
    if (s->agree || s->is_signed)
        CT_TRY(make_identities(c, diag));
    if (s->key == NULL && !s->agree && c->run.options.cipher != PERMK_PLAINTEXT)
        CT_TRY(make_key(c, diag));
    return CT_OK;
}

/* ---- The others ---- */

static process *next_process(crowd *c, const char *name)
{
    process *p = &c->others[c->n_others++];
    snprintf(p->name, sizeof p->name, "%s", name);
    snprintf(p->errors, sizeof p->errors, "%s/%zu.err", c->folder, c->n_others - 1);
    return p;
}

static ct_status start_server(crowd *c, ct_diag *diag)
{
    const train_settings *s = c->run.settings;
    arguments a = {0};
    arguments_add(&a, "permk-train");
    arguments_add(&a, "server");
    arguments_add(&a, "--quiet");
    arguments_add(&a, "--clients=%zu", s->clients);
    arguments_add(&a, "--port-file=%s/port", c->folder);
    arguments_add(&a, "--round-timeout=%.17g", s->round_timeout_s);
    if (s->min_clients > 0)
        arguments_add(&a, "--min-clients=%zu", s->min_clients);
    if (s->capture != NULL)
        arguments_add(&a, "--capture=%s", s->capture);
    ct_status status = process_start(next_process(c, "the server"), &a, diag);
    arguments_clear(&a);
    return status;
}

/* The port, once the server has written it. */
static ct_status wait_for_port(crowd *c, uint16_t *port, ct_diag *diag)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    double until = ct_time_s() + START_S;
    char path[PATH_SIZE];
    unsigned number = 0;
    path_in(c, path, "port");
    while (number == 0) {
        FILE *file = fopen(path, "r");
        if (file != NULL && fscanf(file, "%u", &number) != 1)
            number = 0;
        if (file != NULL)
            fclose(file);
        if (number == 0 && (process_ended(&c->others[SERVER]) || ct_time_s() > until))
            return ct_fail(diag, CT_EIO, "the server did not start");
        if (number == 0)
            nanosleep(&pause, NULL);
    }
    *port = (uint16_t)number;
    return CT_OK;
}

/* Whether a client is given what local was given: all but what each has for itself. */
static bool is_shared(const char *option)
{
    static const char *const own[] = {"clients", "key",  "identity",   "roster", "report",
                                      "jsonl",   "csv",  "json",       "quiet",  "model-out",
                                      "resume",  "host", "checkpoint", "id",     "port"};
    for (size_t i = 0; i < COUNT(own); i++)
        if (strcmp(own[i], option) == 0)
            return false;
    const cli_command client = cmd_client();
    for (size_t i = 0; i < client.n_options; i++)
        if (strcmp(client.options[i].name, option) == 0)
            return true;
    return false;
}

static void list_arguments(arguments *a, const crowd *c, size_t id, uint16_t port)
{
    const train_settings *s = &c->member;
    const cli_command *local = c->run.command;
    char identity[PATH_SIZE];
    arguments_add(a, "permk-train");
    arguments_add(a, "client");
    arguments_add(a, "--quiet");
    arguments_add(a, "--id=%zu", id);
    arguments_add(a, "--port=%u", port);
    arguments_add(a, "--clients=%zu", s->clients);
    if (s->key != NULL)
        arguments_add(a, "--key=%s", s->key);
    if (s->identity != NULL) {
        identity_path(c, identity, id);
        arguments_add(a, "--identity=%s", identity);
        arguments_add(a, "--roster=%s", s->roster);
    }
    if (s->checkpoint != NULL)
        arguments_add(a, "--checkpoint=%s.client-%zu", c->run.settings->checkpoint, id);
    if (s->resume != NULL)
        arguments_add(a, "--resume=%s.client-%zu", c->run.settings->resume, id);
    for (size_t i = 0; i < local->n_options; i++)
        if (is_shared(local->options[i].name))
            arguments_add_option(a, &local->options[i], c->run.settings);
}

static ct_status start_clients(crowd *c, uint16_t port, ct_diag *diag)
{
    for (size_t id = 1; id < c->member.clients; id++) {
        arguments a = {0};
        char name[32];
        snprintf(name, sizeof name, "client %zu", id);
        list_arguments(&a, c, id, port);
        ct_status status = process_start(next_process(c, name), &a, diag);
        arguments_clear(&a);
        CT_TRY(status);
    }
    return CT_OK;
}

/* ---- What happened to them ---- */

/* Whether the others may know more of why a run ended so. */
static bool is_of_others(ct_status status)
{
    return status == CT_OK || status == CT_ECLOSED || status == CT_ETIMEOUT || status == CT_EIO ||
           status == CT_EPROTOCOL || status == CT_EREFUSED || status == PERMK_EAUTH;
}

static bool has_failed(const process *p)
{
    int code = WEXITSTATUS(p->status);
    return WIFEXITED(p->status) && (code == CLI_EXIT_FAILED || code == CLI_EXIT_USAGE);
}

/* Who was killed, and what those say who failed: each reason once. */
static void tell_fates(const crowd *c, ct_status status, const ct_diag *diag)
{
    char words[CT_DIAG_SIZE], before[CT_DIAG_SIZE] = "";
    cli_progress_end();
    for (size_t i = 0; i < c->n_others && is_of_others(status); i++) {
        const process *p = &c->others[i];
        if (WIFSIGNALED(p->status) && p->ended_itself)
            fprintf(stderr, "permk-train local: %s was ended by signal %d (%s)\n", p->name,
                    WTERMSIG(p->status), strsignal(WTERMSIG(p->status)));
        process_last_words(p, words);
        bool is_known =
            strcmp(words, before) == 0 || (status != CT_OK && strcmp(words, diag->text) == 0);
        if (!has_failed(p) || !p->ended_itself || words[0] == '\0' || is_known)
            continue;
        fprintf(stderr, "permk-train local: %s: %s\n", p->name, words);
        memcpy(before, words, sizeof before);
    }
}

/* Where rounds were on their way, the server tells the others that we are gone. */
static void end_others(crowd *c, ct_status status, const ct_diag *diag)
{
    if (status != CT_OK) {
        ct_transport_close(c->run.transport);
        c->run.transport = NULL;
    }
    processes_end(c->others, c->n_others, c->run.began ? GRACE_S : BRIEF_S);
    tell_fates(c, status, diag);
}

/* ---- The run ---- */

/* From here on this process is client 0. */
static void become_client(crowd *c)
{
    const train_settings *s = c->run.settings;
    if (s->checkpoint != NULL) {
        snprintf(c->checkpoint, sizeof c->checkpoint, "%s.client-0", s->checkpoint);
        c->run.options.checkpoint = c->checkpoint;
    }
    if (s->resume != NULL) {
        snprintf(c->resume, sizeof c->resume, "%s.client-0", s->resume);
        c->run.options.resume = c->resume;
    }
    c->run.settings = &c->member;
}

static ct_status meet_and_train(crowd *c, ct_diag *diag)
{
    uint16_t port;
    CT_TRY(make_folder(c, diag));
    CT_TRY(make_keys(c, diag));
    CT_TRY(start_server(c, diag));
    CT_TRY(wait_for_port(c, &port, diag));
    CT_TRY(start_clients(c, port, diag));
    become_client(c);
    CT_TRY(training_read_keys(&c->run, diag));
    CT_TRY(member_connect(&c->run, port, diag));
    return member_train(&c->run, diag);
}

static ct_status train(training *run, ct_diag *diag)
{
    crowd *c = (crowd *)run;
    const train_settings *s = run->settings;
    CT_TRY(problem_read(run, diag)); // what is wrong with --data is said once, here
    CT_TRY(problem_make(run, (uint32_t)s->clients, PROBLEM_PART, 0, diag));
    c->others = calloc(s->clients, sizeof *c->others);
    if (c->others == NULL)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    ct_status status = meet_and_train(c, diag);
    end_others(c, status, diag);
    remove_folder(c);
    free(c->others);
    return status;
}

static int run_local(void *settings, const cli_command *command)
{
    const train_settings *s = settings;
    if (s->key != NULL && s->agree)
        return cli_usage("--agree makes a key, and --key names one: either of them");
    if (s->min_clients > s->clients)
        return cli_usage("--min-clients: %zu of %zu clients", s->min_clients, s->clients);
    crowd *c = calloc(1, sizeof *c);
    ct_diag diag = {0};
    if (c == NULL)
        return cli_fail(CT_ENOMEM, &diag);
    c->run.settings = settings;
    c->run.command = command;
    c->member = *s;
    int code = training_run(&c->run, train);
    free(c);
    return code;
}

// clang-format off
static const cli_option options[] = {
    {.name = "clients", .type = CLI_COUNT, TRAIN(clients), .value = "N", .preset = "8", .min = 1, .max = 1000, .group = "Problem",
     .help = "Client processes, this one included"},
    TRAIN_PROBLEM_OPTIONS,
    TRAIN_METHOD_OPTIONS,
    TRAIN_COMPRESSOR_OPTIONS,
    TRAIN_STEP_OPTIONS,
    TRAIN_STOP_OPTIONS("1e-10"),
    TRAIN_CIPHER_OPTION,
    {.name = "key", .type = CLI_PATH, TRAIN(key), .value = "FILE", .group = "Protection",
     .help = "The group's key file. Default: a new one, removed at the end"},
    {.name = "agree", .type = CLI_FLAG, TRAIN(agree), .group = "Protection",
     .help = "No key file: the clients get identities and a roster, and agree on a key"},
    TRAIN_SIGNED_OPTION,
    TRAIN_LIMIT_OPTIONS,
    TRAIN_CHECKPOINT_OPTIONS,
    TRAIN_ROUND_TIMEOUT_OPTION,
    TRAIN_MIN_CLIENTS_OPTION,
    {.name = "capture", .type = CLI_PATH, TRAIN(capture), .value = "FILE", .group = "Network",
     .help = "The server writes all that it forwards to FILE (permk-train inspect)"},
    {.name = "connect-timeout", .type = CLI_REAL, TRAIN(connect_timeout_s), .value = "SECONDS", .preset = "10", .max = 86400, .open_min = true, .group = "Network",
     .help = "Keep trying to reach the server for so long"},
    TRAIN_MODEL_OPTION,
    TRAIN_OUTPUT_OPTIONS,
};
// clang-format on

cli_command cmd_local(void)
{
    return (cli_command){
        .name = "local",
        .summary = "Train with a server and a process for each client, over TCP on this machine.",
        .description =
            "Starts a server, which has no key, and the clients, and trains over real sockets: the "
            "iterates of simulate, bit for bit, with the times and traffic of a network on "
            "loopback. Clients keep only the rows of --data that are dealt to them. A client that "
            "dies is named. "
            "Checkpoints are FILE.client-0, ... of --checkpoint and --resume.",
        .examples = "permk-train local --clients 8 --data a9a --method diana --report a9a.html\n"
                    "permk-train local --capture seen --max-rounds 20 && permk-train inspect seen",
        .options = options,
        .n_options = COUNT(options),
        .settings_size = sizeof(train_settings),
        .run = run_local};
}
