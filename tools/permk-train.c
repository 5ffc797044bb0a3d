// SPDX-License-Identifier: MIT
/* permk-train: encrypted federated training over a server that only forwards. One function a
 * command (run_keygen, run_simulate, run_server, run_client); the option tables are at the end. */
#include "cli/cli.h"

#include <ctrain/file.h>
#include <ctrain/timer.h>
#include <ctrain/version.h>
#include <inttypes.h>
#include <math.h>
#include <permk_aes/permk_aes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* ---- What simulate and client share ---- */

typedef struct train_settings {
    size_t clients, samples, dimension, problem_seed;
    double smoothness, convexity;
    bool homogeneous;
    const char *method, *rule, *cipher;
    double step, tol;
    size_t max_rounds, eval_every;
    uint64_t seed;
    bool secret_ownership;
    const char *report, *jsonl, *csv, *model_out;
    bool json, quiet;
    // client only
    size_t id;
    const char *key, *host;
    size_t port;
    double round_timeout_s, connect_timeout_s;
} train_settings;

/* What a run holds; cleared in one place. */
typedef struct training {
    const train_settings *settings;
    const char *program; // "permk-train simulate"
    ct_report *report;
    permk_problem problem;
    permk_key *key;
    ct_transport *transport; // client only
    double *x;
    char problem_text[200];
    permk_train_options options;
    permk_result result;
    double begin, seconds_generate; // when the rounds began; seconds before that
    char norm_text[40];             // as evaluated last, for the progress line
    ct_status row_status;           // of the first row of the report that failed
    bool saved;                     // the model was written
} training;

enum {
    COLUMN_ROUND,
    COLUMN_F,
    COLUMN_NORM,
    COLUMN_SECONDS,
    COLUMN_UP,
    COLUMN_DOWN,
    COLUMN_GRADIENT,
    COLUMN_SEAL,
    COLUMN_SEND,
    COLUMN_WAIT,
    COLUMN_OPEN,
    COLUMN_STEP,
    COLUMN_EVALUATE,
    COLUMNS
};

static void declare_report(ct_report *report)
{
    static const char *const columns[COLUMNS][3] = {
        [COLUMN_ROUND] = {"round", "round", ""},
        [COLUMN_F] = {"f", "loss f", ""},
        [COLUMN_NORM] = {"grad_norm_squared", "‖∇f‖²", ""},
        [COLUMN_SECONDS] = {"seconds", "time", "s"},
        [COLUMN_UP] = {"client_bytes_up", "sent by one client", "B"},
        [COLUMN_DOWN] = {"client_bytes_down", "received by one client", "B"},
        [COLUMN_GRADIENT] = {"seconds_gradient", "gradient", "s"},
        [COLUMN_SEAL] = {"seconds_seal", "seal", "s"},
        [COLUMN_SEND] = {"seconds_send", "send", "s"},
        [COLUMN_WAIT] = {"seconds_wait", "wait", "s"},
        [COLUMN_OPEN] = {"seconds_open", "open", "s"},
        [COLUMN_STEP] = {"seconds_step", "step", "s"},
        [COLUMN_EVALUATE] = {"seconds_evaluate", "evaluate", "s"}};
    static const size_t f[] = {COLUMN_F}, norm[] = {COLUMN_NORM};
    static const size_t bytes[] = {COLUMN_UP, COLUMN_DOWN};
    static const size_t phases[] = {COLUMN_GRADIENT, COLUMN_SEAL, COLUMN_SEND,    COLUMN_WAIT,
                                    COLUMN_OPEN,     COLUMN_STEP, COLUMN_EVALUATE};
    for (size_t c = 0; c < COLUMNS; c++)
        ct_report_column(report, columns[c][0], columns[c][1], columns[c][2]);
    const ct_report_plot plots[] = {
        {.title = "Squared gradient norm by round",
         .x = COLUMN_ROUND,
         .y = norm,
         .n_y = 1,
         .log_y = true},
        {.title = "Squared gradient norm by uplink",
         .x = COLUMN_UP,
         .y = norm,
         .n_y = 1,
         .log_y = true},
        {.title = "Loss by round", .x = COLUMN_ROUND, .y = f, .n_y = 1, .log_y = true},
        {.title = "Traffic of one client", .x = COLUMN_ROUND, .y = bytes, .n_y = 2, .log_y = true},
        {.title = "Where the time went, so far",
         .x = COLUMN_ROUND,
         .y = phases,
         .n_y = 7,
         .stacked = true}};
    for (size_t i = 0; i < sizeof plots / sizeof *plots; i++)
        ct_report_add_plot(report, &plots[i]);
}

/* Everything that can be refused before the work begins: files that cannot be written. */
static ct_status open_outputs(training *t, const cli_command *command, ct_diag *diag)
{
    const train_settings *s = t->settings;
    char title[120];
    snprintf(title, sizeof title, "%s with %s, %zu clients, dimension %zu",
             strcmp(s->method, "gd") == 0 ? "GD" : "DCGD/PermK", s->cipher, s->clients,
             s->dimension);
    CT_TRY(ct_report_create(&t->report, title, "permk-train " CTRAIN_VERSION));
    cli_echo_settings(t->report, command, s);
    declare_report(t->report);
    const cli_outputs outputs = {s->report, s->csv, s->jsonl, s->model_out};
    return cli_open_outputs(t->report, &outputs, diag);
}

static void on_round(void *context, const permk_round *round)
{
    training *t = context;
    char up[CLI_TEXT_SIZE], down[CLI_TEXT_SIZE];
    if (!isnan(round->grad_norm_squared)) // else not evaluated here, or not in this round
        snprintf(t->norm_text, sizeof t->norm_text, "||grad f||^2 %.2e  ",
                 round->grad_norm_squared);
    cli_progress("round %" PRIu64 "  %sone client: up %s  down %s", round->round, t->norm_text,
                 cli_bytes_text(up, (double)round->client_bytes_up),
                 cli_bytes_text(down, (double)round->client_bytes_down));
    const double row[COLUMNS] = {[COLUMN_ROUND] = (double)round->round,
                                 [COLUMN_F] = round->f,
                                 [COLUMN_NORM] = round->grad_norm_squared,
                                 [COLUMN_SECONDS] = t->seconds_generate + ct_time_s() - t->begin,
                                 [COLUMN_UP] = (double)round->client_bytes_up,
                                 [COLUMN_DOWN] = (double)round->client_bytes_down,
                                 [COLUMN_GRADIENT] = round->phases.gradient,
                                 [COLUMN_SEAL] = round->phases.seal,
                                 [COLUMN_SEND] = round->phases.send,
                                 [COLUMN_WAIT] = round->phases.wait,
                                 [COLUMN_OPEN] = round->phases.open,
                                 [COLUMN_STEP] = round->phases.step,
                                 [COLUMN_EVALUATE] = round->phases.evaluate};
    if (t->row_status == CT_OK)
        t->row_status = ct_report_row(t->report, row);
}

/* Unsafe ciphers say so at every start, also where nothing else is printed. */
static void warn_of_cipher(const training *t, permk_cipher cipher)
{
    if (cipher == PERMK_AES_128_CTR)
        fprintf(stderr,
                "%s: warning: aes-128-ctr does not authenticate: whoever carries the messages can "
                "change them. For measurement only.\n",
                t->program);
    if (cipher == PERMK_PLAINTEXT)
        fprintf(stderr,
                "%s: warning: cipher none: the server and the network can read and change all "
                "messages. For measurement only.\n",
                t->program);
}

static ct_status set_options(training *t)
{
    const train_settings *s = t->settings;
    permk_train_options *opt = &t->options;
    *opt = permk_train_options_default();
    if (!permk_method_from_name(&opt->method, s->method) ||
        !permk_rule_from_name(&opt->rule, s->rule) ||
        !permk_cipher_from_name(&opt->cipher, s->cipher))
        return CT_EINVALID;
    opt->step = isnan(s->step) ? 0.0 : s->step;
    opt->tol = s->tol;
    opt->max_rounds = s->max_rounds;
    opt->eval_every = s->eval_every;
    opt->seed = s->seed;
    opt->secret_ownership = s->secret_ownership;
    snprintf(t->problem_text, sizeof t->problem_text,
             "problem=quadratic samples=%zu smoothness=%.17g convexity=%.17g homogeneous=%d "
             "problem_seed=%zu",
             s->samples, s->smoothness, s->convexity, s->homogeneous, s->problem_seed);
    opt->problem_text = t->problem_text;
    opt->on_round = on_round;
    opt->on_round_context = t;
    warn_of_cipher(t, opt->cipher);
    return CT_OK;
}

static ct_status make_problem(training *t, ct_diag *diag)
{
    const train_settings *s = t->settings;
    double begin = ct_time_s();
    permk_quadratic_options opt = permk_quadratic_options_default();
    opt.clients = (uint32_t)s->clients;
    opt.samples = s->samples;
    opt.dimension = s->dimension;
    opt.smoothness = s->smoothness;
    opt.convexity = s->convexity;
    opt.homogeneous = s->homogeneous;
    opt.seed = (uint32_t)s->problem_seed;
    CT_TRY(permk_quadratic_init(&t->problem, &opt, diag));
    t->x = calloc(s->dimension, sizeof *t->x);
    if (t->x == NULL)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    permk_torch_linear_init(t->x, s->dimension, opt.seed);
    t->seconds_generate = ct_time_s() - begin;
    t->options.stop = cli_stop_flag(); // from here on a signal ends the rounds, not the process
    return CT_OK;
}

static void record_result(const training *t)
{
    const permk_result *r = &t->result;
    char hash[65];
    for (size_t i = 0; i < 32; i++)
        snprintf(hash + 2 * i, 3, "%02x", r->x_sha256[i]);
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"f", r->f},
                   {"grad_norm_squared", r->grad_norm_squared},
                   {"step_used", r->step},
                   {"seconds", t->seconds_generate + r->seconds},
                   {"seconds_generate", t->seconds_generate},
                   {"seconds_gradient", r->phases.gradient},
                   {"seconds_seal", r->phases.seal},
                   {"seconds_send", r->phases.send},
                   {"seconds_wait", r->phases.wait},
                   {"seconds_open", r->phases.open},
                   {"seconds_step", r->phases.step},
                   {"seconds_evaluate", r->phases.evaluate}};
    const struct {
        const char *key;
        uint64_t value;
    } integers[] = {{"rounds", r->rounds},
                    {"client_bytes_up", r->client_bytes_up},
                    {"client_bytes_down", r->client_bytes_down},
                    {"client_bytes_up_per_round", r->client_bytes_up_per_round},
                    {"client_bytes_down_per_round", r->client_bytes_down_per_round},
                    {"client_bytes_up_hello", r->client_bytes_up_hello},
                    {"client_bytes_down_hello", r->client_bytes_down_hello},
                    {"peak_memory_bytes", ct_peak_memory_bytes()}};
    ct_report_string(t->report, CT_REPORT_RESULT, "status", permk_outcome_name(r->outcome));
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
        ct_report_integer(t->report, CT_REPORT_RESULT, integers[i].key, (int64_t)integers[i].value);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ct_report_number(t->report, CT_REPORT_RESULT, numbers[i].key, numbers[i].value);
    if (t->transport != NULL) {
        ct_traffic wire = ct_transport_traffic_total(t->transport);
        ct_report_integer(t->report, CT_REPORT_RESULT, "socket_bytes_up", (int64_t)wire.bytes_sent);
        ct_report_integer(t->report, CT_REPORT_RESULT, "socket_bytes_down",
                          (int64_t)wire.bytes_received);
    }
    ct_report_string(t->report, CT_REPORT_RESULT, "x_sha256", hash);
    ct_report_string(t->report, CT_REPORT_RESULT, "model",
                     t->saved ? t->settings->model_out : NULL);
}

static void print_summary(const training *t)
{
    const train_settings *s = t->settings;
    const permk_result *r = &t->result;
    char up[CLI_TEXT_SIZE], down[CLI_TEXT_SIZE], time[CLI_TEXT_SIZE];
    printf("method        %s, step %g, %s, %zu clients, dimension %zu\n", s->method, r->step,
           s->cipher, s->clients, s->dimension);
    if (r->outcome == PERMK_PEER_STOPPED)
        printf("result        client %u was interrupted", r->stopped_by);
    else
        printf("result        %s", permk_outcome_name(r->outcome));
    printf(" after %" PRIu64 " rounds, %s%s\n", r->rounds,
           cli_seconds_text(time, t->seconds_generate + r->seconds),
           r->outcome == PERMK_DIVERGED ? " (take a smaller --step)" : "");
    printf("f             %.15g\n||grad f||^2  %.3e\n", r->f, r->grad_norm_squared);
    printf("traffic       one client, a round: %s up, %s down",
           cli_bytes_text(up, (double)r->client_bytes_up_per_round),
           cli_bytes_text(down, (double)r->client_bytes_down_per_round));
    printf("; in all: %s up, %s down\n", cli_bytes_text(up, (double)r->client_bytes_up),
           cli_bytes_text(down, (double)r->client_bytes_down));
    if (t->saved)
        printf("model         %s\n", s->model_out);
    else if (s->model_out != NULL)
        printf("model         not written: the iterates diverged\n");
    if (s->report != NULL)
        printf("report        %s\n", s->report);
}

static ct_status write_results(training *t, ct_diag *diag)
{
    const train_settings *s = t->settings;
    if (s->model_out != NULL && t->result.outcome != PERMK_DIVERGED) {
        CT_TRY(permk_model_save(s->model_out, t->x, s->dimension, diag));
        t->saved = true;
    }
    record_result(t);
    CT_TRY(ct_report_finish(t->report, diag));
    CT_TRY(t->row_status);
    const char *json = ct_report_json(t->report);
    if (json == NULL)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    if (s->json)
        puts(json);
    else if (!s->quiet)
        print_summary(t);
    return CT_OK;
}

/* Converged, or all rounds that were asked for when no tolerance was: 0. */
static int exit_code(const training *t)
{
    switch (t->result.outcome) {
    case PERMK_CONVERGED:
        return CLI_EXIT_OK;
    case PERMK_MAX_ROUNDS:
        return t->options.tol > 0 ? CLI_EXIT_NO_TOLERANCE : CLI_EXIT_OK;
    case PERMK_INTERRUPTED:
        return cli_exit_code(CLI_EXIT_NO_TOLERANCE);
    case PERMK_DIVERGED:
    case PERMK_PEER_STOPPED:
        break;
    }
    return CLI_EXIT_NO_TOLERANCE;
}

/* A signal to the whole group ends the peers as well: whoever goes first, ours is what ended us. */
static int fail(ct_status status, const ct_diag *diag)
{
    int code = cli_fail(status, diag);
    bool peer = status == CT_ECLOSED || status == CT_ETIMEOUT || status == CT_EINTERRUPTED;
    return peer ? cli_exit_code(code) : code;
}

/* Keys must not end up in a core file. */
static void forbid_core_files(void)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
}

static int run_training(void *settings, const cli_command *command, const char *program,
                        ct_status (*train)(training *, ct_diag *))
{
    training t = {.settings = settings, .program = program};
    ct_diag diag = {0};
    if (strcmp(t.settings->method, permk_method_name(PERMK_METHOD_GD)) == 0 &&
        (cli_given("rule") || cli_given("seed") || cli_given("secret-ownership")))
        return cli_usage("--rule, --seed and --secret-ownership are of --method permk: gd sends "
                         "whole gradients");
    forbid_core_files();
    ct_status status = open_outputs(&t, command, &diag);
    if (status == CT_OK)
        status = set_options(&t);
    if (status == CT_OK) {
        cli_progress_begin(t.settings->quiet);
        status = train(&t, &diag);
        cli_progress_end();
    }
    if (status == CT_OK)
        status = write_results(&t, &diag);
    int code = status == CT_OK ? exit_code(&t) : fail(status, &diag);
    ct_transport_close(t.transport);
    permk_problem_clear(&t.problem);
    permk_key_destroy(t.key);
    ct_report_destroy(t.report);
    free(t.x);
    return code;
}

/* ---- simulate ---- */

static ct_status simulate(training *t, ct_diag *diag)
{
    CT_TRY(make_problem(t, diag));
    t->begin = ct_time_s();
    return permk_simulate(&t->result, &t->problem, t->x, &t->options, diag);
}

static int run_simulate(void *settings, const cli_command *command)
{
    return run_training(settings, command, "permk-train simulate", simulate);
}

/* ---- client ---- */

static ct_status connect_to_server(training *t, ct_diag *diag)
{
    const train_settings *s = t->settings;
    ct_tcp_options tcp = ct_tcp_options_default();
    tcp.greeting = permk_greeting(&tcp.greeting_bytes);
    size_t block =
        (t->options.method == PERMK_METHOD_GD ? s->dimension : s->dimension / s->clients + 1) *
        sizeof(double);
    tcp.max_message_bytes = block + 4096; // no sealed block or hello of this run is longer
    tcp.stall_timeout_ms = t->options.round_timeout_ms;
    tcp.connect_timeout_ms = (int)(s->connect_timeout_s * 1000.0);
    return ct_transport_connect_tcp(&t->transport, s->host, (uint16_t)s->port, (uint32_t)s->id,
                                    &tcp, t->options.stop, diag);
}

static ct_status take_part(training *t, ct_diag *diag)
{
    const train_settings *s = t->settings;
    if (s->key != NULL)
        CT_TRY(permk_key_read(&t->key, s->key, diag));
    t->options.key = t->key;
    t->options.round_timeout_ms = (int)(s->round_timeout_s * 1000.0);
    CT_TRY(make_problem(t, diag));
    CT_TRY(connect_to_server(t, diag));
    t->begin = ct_time_s();
    return permk_client_run(&t->result, &t->problem, (uint32_t)s->id, t->transport, t->x,
                            &t->options, diag);
}

static int run_client(void *settings, const cli_command *command)
{
    const train_settings *s = settings;
    if (s->id >= s->clients)
        return cli_usage("--id: %zu is none of the clients 0 to %zu", s->id, s->clients - 1);
    if (s->key == NULL && strcmp(s->cipher, permk_cipher_name(PERMK_PLAINTEXT)) != 0)
        return cli_usage("--key is missing: the group's key file (make one with permk-train "
                         "keygen)");
    return run_training(settings, command, "permk-train client", take_part);
}

/* ---- server ---- */

typedef struct server_settings {
    size_t clients, port;
    const char *host, *port_file;
    double accept_timeout_s, round_timeout_s;
    bool json, quiet;
} server_settings;

static ct_status write_port(const char *path, uint16_t port, ct_diag *diag)
{
    if (path == NULL)
        return CT_OK;
    ct_file_writer *out;
    CT_TRY(ct_file_writer_open(&out, path, diag));
    ct_file_writer_printf(out, "%u\n", port);
    return ct_file_writer_commit(out, diag);
}

static void on_server_round(void *context, uint64_t rounds)
{
    const server_settings *s = context;
    cli_progress("round %" PRIu64 " of %zu clients forwarded", rounds, s->clients);
}

static ct_status serve(const server_settings *s, ct_tcp_listener *listener,
                       ct_transport **transport, permk_server_result *result, ct_diag *diag)
{
    uint16_t port = ct_tcp_listener_port(listener);
    CT_TRY(write_port(s->port_file, port, diag));
    if (!s->quiet)
        fprintf(stderr, "permk-train server: listening on %s port %u for %zu clients\n", s->host,
                port, s->clients);
    ct_tcp_options tcp = ct_tcp_options_default();
    tcp.greeting = permk_greeting(&tcp.greeting_bytes);
    tcp.accept_timeout_ms = (int)(s->accept_timeout_s * 1000.0);
    tcp.stall_timeout_ms = (int)(s->round_timeout_s * 1000.0);
    CT_TRY(ct_transport_accept_tcp(transport, listener, s->clients, &tcp, cli_stop_flag(), diag));
    permk_server_options opt = permk_server_options_default();
    opt.round_timeout_ms = (int)(s->round_timeout_s * 1000.0);
    opt.stop = cli_stop_flag();
    opt.on_round = on_server_round;
    union {
        const server_settings *read;
        void *context; // on_server_round only reads it
    } pointer = {.read = s};
    opt.on_round_context = pointer.context;
    cli_progress_begin(s->quiet);
    ct_status status = permk_server_run(result, *transport, &opt, diag);
    cli_progress_end();
    return status;
}

static ct_status report_service(const server_settings *s, const cli_command *command,
                                const permk_server_result *result, ct_diag *diag)
{
    char in[CLI_TEXT_SIZE], out[CLI_TEXT_SIZE];
    if (!s->json) {
        if (!s->quiet)
            printf("served      %" PRIu64 " rounds to %zu clients, %s received, %s sent\n",
                   result->rounds, s->clients,
                   cli_bytes_text(in, (double)result->traffic.bytes_received),
                   cli_bytes_text(out, (double)result->traffic.bytes_sent));
        return CT_OK;
    }
    ct_report *report;
    CT_TRY(ct_report_create(&report, "server", "permk-train " CTRAIN_VERSION));
    cli_echo_settings(report, command, s);
    ct_report_string(report, CT_REPORT_RESULT, "status", "completed");
    ct_report_integer(report, CT_REPORT_RESULT, "rounds", (int64_t)result->rounds);
    ct_report_integer(report, CT_REPORT_RESULT, "bytes_received",
                      (int64_t)result->traffic.bytes_received);
    ct_report_integer(report, CT_REPORT_RESULT, "bytes_sent", (int64_t)result->traffic.bytes_sent);
    const char *json = ct_report_json(report);
    if (json != NULL)
        puts(json);
    ct_report_destroy(report);
    return json != NULL ? CT_OK : ct_fail(diag, CT_ENOMEM, "out of memory");
}

static int run_server(void *settings, const cli_command *command)
{
    const server_settings *s = settings;
    ct_tcp_listener *listener = NULL;
    ct_transport *transport = NULL;
    permk_server_result result = {0};
    ct_diag diag = {0};
    (void)cli_stop_flag();
    ct_status status = ct_tcp_listener_open(&listener, s->host, (uint16_t)s->port, &diag);
    if (status == CT_OK)
        status = serve(s, listener, &transport, &result, &diag);
    if (status == CT_OK)
        status = report_service(s, command, &result, &diag);
    int code = status == CT_OK ? CLI_EXIT_OK : fail(status, &diag);
    ct_transport_close(transport);
    ct_tcp_listener_close(listener);
    return code;
}

/* ---- keygen ---- */

typedef struct keygen_settings {
    bool quiet;
    const char *file;
} keygen_settings;

static int run_keygen(void *settings, const cli_command *command)
{
    (void)command;
    const keygen_settings *s = settings;
    permk_key *key = NULL;
    ct_diag diag = {0};
    forbid_core_files();
    ct_status status = permk_key_generate(&key, &diag);
    if (status == CT_OK)
        status = permk_key_write(key, s->file, &diag);
    if (status == CT_OK && !s->quiet)
        printf("%s: key %s. Give every client a copy (mode 0600), and the server none.\n", s->file,
               permk_key_id(key));
    int code = status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
    permk_key_destroy(key);
    return code;
}

/* ---- Option tables ---- */

#define IN_TRAIN(member)  offsetof(train_settings, member)
#define IN_SERVER(member) offsetof(server_settings, member)

// options with which the members of a group must agree, and outputs: the same words for both
// commands
// clang-format off
#define TRAIN_OPTIONS                                                                              \
    {.name = "clients", .type = CLI_COUNT, .offset = IN_TRAIN(clients), .value = "N",              \
     .preset = "50", .help = "Number of clients n.", .min = 1, .max = 1e6},                        \
    {.name = "method", .type = CLI_CHOICE, .offset = IN_TRAIN(method), .value = "NAME",            \
     .preset = "permk", .choices = "gd|permk",                                                     \
     .help = "permk: each client sends its block of coordinates; gd: its whole gradient."},        \
    {.name = "step", .type = CLI_REAL, .offset = IN_TRAIN(step), .value = "X", .open_min = true,   \
     .help = "Step size; default theoretical: 1/L for gd, 1/max L_i for permk."},                  \
    {.name = "tol", .type = CLI_REAL, .offset = IN_TRAIN(tol), .value = "X", .preset = "1e-10",    \
     .max = INFINITY,                                                                              \
     .help = "Converged when ||grad f||^2 (the square, as in the paper) is below X; 0: run to "          \
             "--max-rounds."},                                                                     \
    {.name = "max-rounds", .type = CLI_COUNT, .offset = IN_TRAIN(max_rounds), .value = "N",        \
     .preset = "10000", .min = 1, .max = 4e9,                                                      \
     .help = "End after N rounds; at most 65535 unless --cipher none."},                           \
    {.name = "eval-every", .type = CLI_COUNT, .offset = IN_TRAIN(eval_every), .value = "N",        \
     .preset = "1", .min = 1, .max = INFINITY,                                                     \
     .help = "Evaluate f and its gradient exactly every N rounds."},                               \
    {.name = "rule", .type = CLI_CHOICE, .offset = IN_TRAIN(rule), .value = "NAME",                \
     .preset = "rotation", .choices = "rotation|permutation",                                      \
     .help = "Who owns which coordinates: ranges that rotate, or a random permutation."},          \
    {.name = "seed", .type = CLI_SEED, .offset = IN_TRAIN(seed), .value = "N", .preset = "1",      \
     .help = "Seed of the ownership maps (public)."},                                              \
    {.name = "secret-ownership", .type = CLI_FLAG, .offset = IN_TRAIN(secret_ownership),           \
     .help = "Draw the ownership maps from the session's keys: secret, different in every run."},  \
    {.name = "cipher", .type = CLI_CHOICE, .offset = IN_TRAIN(cipher), .value = "NAME",            \
     .preset = "aes-128-gcm", .choices = "aes-128-gcm|aes-256-gcm|aes-128-ctr|none",               \
     .help = "How messages are sealed; aes-128-ctr and none protect nothing and are for "          \
             "measurement."},                                                                      \
    {.name = "dim", .type = CLI_COUNT, .offset = IN_TRAIN(dimension), .value = "N",                \
     .preset = "1000", .min = 1, .max = 4294967295.0, .help = "Dimension d of the problem.",       \
     .group = "Quadratic problem"},                                                                \
    {.name = "samples", .type = CLI_COUNT, .offset = IN_TRAIN(samples), .value = "N",              \
     .preset = "12", .min = 1, .max = INFINITY, .help = "Samples of each client.",                 \
     .group = "Quadratic problem"},                                                                \
    {.name = "smoothness", .type = CLI_REAL, .offset = IN_TRAIN(smoothness), .value = "X",         \
     .preset = "10", .open_min = true, .help = "Largest eigenvalue L of the Hessian.",             \
     .group = "Quadratic problem"},                                                                \
    {.name = "convexity", .type = CLI_REAL, .offset = IN_TRAIN(convexity), .value = "X",           \
     .preset = "1", .open_min = true, .help = "Smallest non-zero eigenvalue mu of the Hessian.",   \
     .group = "Quadratic problem"},                                                                \
    {.name = "homogeneous", .type = CLI_FLAG, .offset = IN_TRAIN(homogeneous),                     \
     .help = "Give every client the same samples.", .group = "Quadratic problem"},                 \
    {.name = "problem-seed", .type = CLI_COUNT, .offset = IN_TRAIN(problem_seed), .value = "N",    \
     .preset = "123", .max = 4294967295.0, .help = "Seed of the data and of the starting point.",  \
     .group = "Quadratic problem"},                                                                \
    {.name = "model-out", .type = CLI_PATH, .offset = IN_TRAIN(model_out), .value = "FILE",        \
     .help = "Write the last iterate as text.", .group = "Output"},                                \
    {.name = "report", .type = CLI_PATH, .offset = IN_TRAIN(report), .value = "FILE",              \
     .help = "Write an HTML page with plots.", .group = "Output"},                                 \
    {.name = "jsonl", .type = CLI_PATH, .offset = IN_TRAIN(jsonl), .value = "FILE",                \
     .help = "Write one JSON line a round.", .group = "Output"},                                   \
    {.name = "csv", .type = CLI_PATH, .offset = IN_TRAIN(csv), .value = "FILE",                    \
     .help = "Write one CSV row a round.", .group = "Output"},                                     \
    {.name = "json", .type = CLI_FLAG, .offset = IN_TRAIN(json),                                   \
     .help = "Print one JSON object on stdout and nothing else.", .group = "Output"},              \
    {.name = "quiet", .type = CLI_FLAG, .offset = IN_TRAIN(quiet),                                 \
     .help = "No progress, no summary.", .group = "Output"}

static const cli_option simulate_options[] = {TRAIN_OPTIONS};

static const cli_option client_options[] = {
    {.name = "id", .type = CLI_COUNT, .offset = IN_TRAIN(id), .value = "I", .required = true,
     .help = "Which client this is, 0 to n - 1; client 0 evaluates and ends the run.",
     .group = "Connection"},
    {.name = "key", .type = CLI_PATH, .offset = IN_TRAIN(key), .value = "FILE",
     .help = "The group's key file (permk-train keygen). Required unless --cipher none.",
     .group = "Connection"},
    {.name = "host", .type = CLI_TEXT, .offset = IN_TRAIN(host), .value = "HOST",
     .preset = "127.0.0.1", .help = "The server's address.", .group = "Connection"},
    {.name = "port", .type = CLI_COUNT, .offset = IN_TRAIN(port), .value = "P", .min = 1,
     .max = 65535, .required = true, .help = "The server's port.", .group = "Connection"},
    {.name = "round-timeout", .type = CLI_REAL, .offset = IN_TRAIN(round_timeout_s), .value = "SECONDS",
     .preset = "60", .max = 86400, .open_min = true,
     .help = "Longest wait for the others in one round.", .group = "Connection"},
    {.name = "connect-timeout", .type = CLI_REAL, .offset = IN_TRAIN(connect_timeout_s),
     .value = "SECONDS", .preset = "10", .max = 86400, .open_min = true,
     .help = "Keep trying to reach the server for so long.", .group = "Connection"},
    TRAIN_OPTIONS};

static const cli_option server_options[] = {
    {.name = "clients", .type = CLI_COUNT, .offset = IN_SERVER(clients), .value = "N",
     .help = "Number of clients to wait for.", .required = true, .min = 1, .max = 1e6},
    {.name = "host", .type = CLI_TEXT, .offset = IN_SERVER(host), .value = "HOST",
     .preset = "127.0.0.1", .help = "Address to listen on."},
    {.name = "port", .type = CLI_COUNT, .offset = IN_SERVER(port), .value = "P", .preset = "0",
     .max = 65535, .help = "Port to listen on; 0: any free one."},
    {.name = "port-file", .type = CLI_PATH, .offset = IN_SERVER(port_file), .value = "FILE",
     .help = "Write the port in use to FILE once clients may connect."},
    {.name = "accept-timeout", .type = CLI_REAL, .offset = IN_SERVER(accept_timeout_s),
     .value = "SECONDS", .preset = "60", .max = 86400, .open_min = true,
     .help = "All clients must have come by then."},
    {.name = "round-timeout", .type = CLI_REAL, .offset = IN_SERVER(round_timeout_s),
     .value = "SECONDS", .preset = "60", .max = 86400, .open_min = true,
     .help = "A round that is not complete by then ends the run."},
    {.name = "json", .type = CLI_FLAG, .offset = IN_SERVER(json),
     .help = "Print one JSON object on stdout and nothing else."},
    {.name = "quiet", .type = CLI_FLAG, .offset = IN_SERVER(quiet),
     .help = "No progress, no summary."}};

static const cli_option keygen_options[] = {
    {.name = "quiet", .type = CLI_FLAG, .offset = offsetof(keygen_settings, quiet),
     .help = "Print nothing."}};

static const cli_operand keygen_operands[] = {
    {.name = "FILE", .help = "Where to write the key; must not exist.",
     .offset = offsetof(keygen_settings, file), .is_path = true}};

#define COUNT_OF(table) (sizeof(table) / sizeof *(table))

static const cli_command commands[] = {
    {.name = "keygen", .summary = "Make a key file for a group of clients.",
     .description = "The file has mode 0600. Copy it to every client by a channel you trust; the "
                    "server must not have it.",
     .examples = "permk-train keygen group.key", .options = keygen_options,
     .n_options = COUNT_OF(keygen_options), .operands = keygen_operands, .n_operands = 1,
     .settings_size = sizeof(keygen_settings), .run = run_keygen},
    {.name = "server", .summary = "Forward the clients' sealed blocks.",
     .description = "The server has no key: it can read and change nothing that would not be "
                    "noticed. It listens on this machine only unless told otherwise.",
     .examples = "permk-train server --clients 4 --port 9000", .options = server_options,
     .n_options = COUNT_OF(server_options), .settings_size = sizeof(server_settings),
     .run = run_server},
    {.name = "client", .summary = "Train as one client of a group.",
     .description = "All clients must be given the same options except --id, --key (each has a "
                    "copy of the file), --host, --port, the timeouts and the outputs. Iterates "
                    "are those of simulate, bit for bit.",
     .examples = "permk-train client --id 0 --key group.key --port 9000 --clients 4",
     .options = client_options, .n_options = COUNT_OF(client_options),
     .settings_size = sizeof(train_settings), .run = run_client},
    {.name = "simulate", .summary = "Train with all clients in this process.",
     .description = "Every block is really encrypted and decrypted. The problem is random least "
                    "squares with a given spectrum. permk reaches the optimum where the clients "
                    "share a minimiser: --clients times --samples less than --dim, or "
                    "--homogeneous; elsewhere it ends near it, and gd reaches it.",
     .examples = "permk-train simulate\n"
                 "permk-train simulate --clients 50 --dim 1000 --step 0.007 --tol 1e-20",
     .options = simulate_options, .n_options = COUNT_OF(simulate_options),
     .settings_size = sizeof(train_settings), .run = run_simulate}};

static const cli_program program = {
    .name = "permk-train",
    .summary = "Encrypted federated training over a server that only forwards.",
    .description = "Clients trust one another, but neither the server nor the network. Each round "
                   "every client owns a block of coordinates, seals its gradient entries with AES "
                   "and sends them through a server that has no key.",
    .commands = commands,
    .n_commands = COUNT_OF(commands)};
// clang-format on

int main(int argc, char **argv)
{
    return cli_main(&program, argc, argv);
}
