// SPDX-License-Identifier: MIT
/* permk-train server: forwards the clients' sealed messages. It has no key and no option for
 * one. */
#include "permk/permk_cli.h"

#include <ctrain/file.h>
#include <ctrain/timer.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

typedef struct server_settings {
    size_t clients, port, min_clients;
    const char *host, *port_file, *capture;
    double accept_timeout_s, round_timeout_s;
    bool json, quiet;
} server_settings;

/* What a service holds; cleared in one place. */
typedef struct service {
    const server_settings *settings;
    const cli_command *command;
    ct_tcp_listener *listener;
    ct_transport *transport;
    permk_server_result result;
    double begin, seconds; // from the first round on
} service;

static ct_status write_port(const char *path, uint16_t port, ct_diag *diag)
{
    if (path == NULL)
        return CT_OK;
    ct_file_writer *out;
    CT_TRY(ct_file_writer_open(&out, path, diag));
    ct_file_writer_printf(out, "%u\n", port);
    return ct_file_writer_commit(out, diag);
}

static void on_round(void *context, uint64_t rounds)
{
    const service *s = context;
    ct_traffic traffic = ct_transport_traffic_total(s->transport);
    char in[CLI_TEXT_SIZE], out[CLI_TEXT_SIZE];
    cli_progress("round %" PRIu64 " of %zu clients forwarded  received %s  sent %s", rounds,
                 s->settings->clients, cli_bytes_text(in, (double)traffic.bytes_received),
                 cli_bytes_text(out, (double)traffic.bytes_sent));
}

static void on_lost(void *context, uint32_t client, const char *why)
{
    const service *s = context;
    cli_progress_end();
    fprintf(stderr, "permk-train server: client %u is lost: %s\n", client, why);
    cli_progress_begin(s->settings->quiet);
}

static ct_status accept_clients(service *s, ct_diag *diag)
{
    const server_settings *settings = s->settings;
    ct_tcp_options tcp = ct_tcp_options_default();
    tcp.greeting = permk_greeting(&tcp.greeting_bytes);
    tcp.accept_timeout_ms = (int)(settings->accept_timeout_s * 1000.0);
    tcp.stall_timeout_ms = (int)(settings->round_timeout_s * 1000.0);
    return ct_transport_accept_tcp(&s->transport, s->listener, settings->clients, &tcp,
                                   cli_stop_flag(), diag);
}

static ct_status forward(service *s, ct_diag *diag)
{
    const server_settings *settings = s->settings;
    permk_server_options opt = permk_server_options_default();
    opt.round_timeout_ms = (int)(settings->round_timeout_s * 1000.0);
    opt.min_clients = (uint32_t)settings->min_clients;
    opt.capture = settings->capture;
    opt.stop = cli_stop_flag();
    opt.on_round = on_round;
    opt.on_lost = on_lost;
    opt.on_round_context = s;
    s->begin = ct_time_s();
    cli_progress_begin(settings->quiet);
    ct_status status = permk_server_run(&s->result, s->transport, &opt, diag);
    cli_progress_end();
    s->seconds = ct_time_s() - s->begin;
    return status;
}

static void print_summary(const service *s)
{
    const permk_server_result *r = &s->result;
    char in[CLI_TEXT_SIZE], out[CLI_TEXT_SIZE], queued[CLI_TEXT_SIZE];
    printf("served      %" PRIu64 " rounds to %zu clients, %s received, %s sent\n", r->rounds,
           s->settings->clients, cli_bytes_text(in, (double)r->traffic.bytes_received),
           cli_bytes_text(out, (double)r->traffic.bytes_sent));
    printf("memory      %s waiting at most\n",
           cli_bytes_text(queued, (double)r->most_queued_bytes));
    if (r->lost > 0)
        printf("lost        %u clients on the way\n", r->lost);
    if (s->settings->capture != NULL)
        printf("capture     %s\n", s->settings->capture);
}

static ct_status print_json(const service *s, ct_diag *diag)
{
    const permk_server_result *r = &s->result;
    ct_report *report;
    CT_TRY(ct_report_create(&report, "server", PERMK_PROGRAM));
    cli_echo_settings(report, s->command, s->settings);
    ct_report_string(report, CT_REPORT_RESULT, "status", "completed");
    const struct {
        const char *key;
        uint64_t value;
    } integers[] = {{"rounds", r->rounds},
                    {"lost", r->lost},
                    {"bytes_received", r->traffic.bytes_received},
                    {"bytes_sent", r->traffic.bytes_sent},
                    {"most_queued_bytes", r->most_queued_bytes},
                    {"peak_memory_bytes", ct_peak_memory_bytes()}};
    for (size_t i = 0; i < COUNT(integers); i++)
        ct_report_integer(report, CT_REPORT_RESULT, integers[i].key, (int64_t)integers[i].value);
    ct_report_number(report, CT_REPORT_RESULT, "seconds", s->seconds);
    const char *json = ct_report_json(report);
    if (json != NULL)
        puts(json);
    ct_report_destroy(report);
    return json != NULL ? CT_OK : ct_fail(diag, CT_ENOMEM, "out of memory");
}

static ct_status serve(service *s, ct_diag *diag)
{
    const server_settings *settings = s->settings;
    (void)cli_stop_flag(); // from here on a signal is told to the clients
    CT_TRY(ct_tcp_listener_open(&s->listener, settings->host, (uint16_t)settings->port, diag));
    uint16_t port = ct_tcp_listener_port(s->listener);
    CT_TRY(write_port(settings->port_file, port, diag));
    if (!settings->quiet)
        fprintf(stderr, "permk-train server: listening on %s port %u for %zu clients\n",
                settings->host, port, settings->clients);
    CT_TRY(accept_clients(s, diag));
    CT_TRY(forward(s, diag));
    if (settings->json)
        return print_json(s, diag);
    if (!settings->quiet)
        print_summary(s);
    return CT_OK;
}

static int run_server(void *settings, const cli_command *command)
{
    service s = {.settings = settings, .command = command};
    ct_diag diag = {0};
    if (s.settings->min_clients > s.settings->clients)
        return cli_usage("--min-clients: %zu of %zu clients", s.settings->min_clients,
                         s.settings->clients);
    ct_status status = serve(&s, &diag);
    int code = status == CT_OK ? CLI_EXIT_OK : fail_with_peers(status, &diag);
    ct_transport_close(s.transport);
    ct_tcp_listener_close(s.listener);
    return code;
}

// clang-format off
#define SERVER(member) .offset = offsetof(server_settings, member)
static const cli_option options[] = {
    {.name = "clients", .type = CLI_COUNT, SERVER(clients), .value = "N", .required = true, .min = 1, .max = 1e6,
     .help = "Number of clients to wait for"},
    {.name = "host", .type = CLI_TEXT, SERVER(host), .value = "HOST", .preset = "127.0.0.1",
     .help = "Address to listen on; 0.0.0.0 or :: for all"},
    {.name = "port", .type = CLI_COUNT, SERVER(port), .value = "P", .preset = "0", .max = 65535,
     .help = "Port to listen on; 0: any free one, which is printed"},
    {.name = "port-file", .type = CLI_PATH, SERVER(port_file), .value = "FILE",
     .help = "Write the port in use to FILE once clients may connect"},
    {.name = "accept-timeout", .type = CLI_REAL, SERVER(accept_timeout_s), .value = "SECONDS", .preset = "60", .max = 86400, .open_min = true,
     .help = "All clients must have come by then"},
    {.name = "round-timeout", .type = CLI_REAL, SERVER(round_timeout_s), .value = "SECONDS", .preset = "60", .max = 86400, .open_min = true,
     .help = "A client whose messages of a round are not complete by then is lost"},
    {.name = "min-clients", .type = CLI_COUNT, SERVER(min_clients), .value = "N", .min = 1, .max = 1e6,
     .help = "Go on without lost clients while N are left, client 0 among them: their coordinates rest. Default: a lost client ends the run"},
    {.name = "capture", .type = CLI_PATH, SERVER(capture), .value = "FILE",
     .help = "Write all that is forwarded to FILE (permk-train inspect)"},
    {.name = "json", .type = CLI_FLAG, SERVER(json), .group = "Output", .help = "Print one JSON object on stdout and nothing else"},
    {.name = "quiet", .type = CLI_FLAG, SERVER(quiet), .group = "Output", .help = "No progress, no summary"}};
// clang-format on

cli_command cmd_server(void)
{
    return (cli_command){
        .name = "server",
        .summary = "Forward the clients' sealed messages.",
        .description =
            "The server has no key: it can read nothing, and change nothing that would not be "
            "noticed. It listens on this machine only unless told otherwise. A client that dies, "
            "stays silent or breaks the protocol is named, and ends the run unless --min-clients "
            "lets the others go on.",
        .examples = "permk-train server --clients 4 --port 9000\n"
                    "permk-train server --clients 8 --host 0.0.0.0 --port 9000 --min-clients 6",
        .options = options,
        .n_options = COUNT(options),
        .settings_size = sizeof(server_settings),
        .run = run_server};
}
