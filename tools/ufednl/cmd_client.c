// SPDX-License-Identifier: MIT
/* ufednl-cli client: the rows of a file, or a part of them, for a server. */
#include "ufednl/solve_options.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct client_settings {
    const char *file, *model, *host, *checkpoint, *sizes;
    size_t id, port, clients;
    bool shuffle, json, quiet;
    double label_skew, positive_label, connect_timeout_s, idle_timeout_s;
    uint64_t seed;
} client_settings;

typedef struct participation {
    const client_settings *settings;
    ct_dataset *data;
    size_t *sizes;
    ct_transport *transport;
    fednl_client_result result;
} participation;

/* Only the rows that train would deal to this client. */
static ct_status take_part_of_file(participation *p, ct_diag *diag)
{
    const client_settings *s = p->settings;
    size_t n = s->clients;
    if (s->sizes != NULL)
        CT_TRY(solve_parse_sizes(s->sizes, &p->sizes, &n, diag));
    if (s->sizes != NULL && n != s->clients)
        return ct_fail(diag, CT_EINVALID, "--sizes: %zu sizes for %zu clients", n, s->clients);
    ct_split_options opt = ct_split_options_default(n);
    opt.sizes = p->sizes;
    opt.shuffle = s->shuffle;
    opt.seed = s->seed;
    opt.label_skew = isnan(s->label_skew) ? 0.0 : s->label_skew;
    ct_split *split;
    CT_TRY(ct_split_create(&split, p->data, &opt, diag));
    size_t begin = split->start[s->id], rows = split->start[s->id + 1] - begin;
    ct_dataset *part;
    ct_status status = ct_dataset_take(&part, p->data, split->order + begin, rows, diag);
    ct_split_destroy(split);
    CT_TRY(status);
    ct_dataset_destroy(p->data);
    p->data = part;
    return CT_OK;
}

static ct_status take_part(participation *p, ct_diag *diag)
{
    const client_settings *s = p->settings;
    CT_TRY(solve_read_rows(&p->data, s->file, NULL, s->positive_label, diag));
    if (s->clients > 0)
        CT_TRY(take_part_of_file(p, diag));
    ct_tcp_options tcp = ct_tcp_options_default();
    fednl_tcp_options(&tcp);
    tcp.connect_timeout_ms = (int)(s->connect_timeout_s * 1000.0);
    CT_TRY(ct_transport_connect_tcp(&p->transport, s->host, (uint16_t)s->port, (uint32_t)s->id,
                                    &tcp, cli_stop_flag(), diag));
    fednl_client_options opt = fednl_client_options_default();
    opt.idle_timeout_ms = (int)(s->idle_timeout_s * 1000.0);
    opt.checkpoint = s->checkpoint;
    opt.stop = cli_stop_flag();
    CT_TRY(fednl_client_run(p->transport, p->data, &opt, &p->result, diag));
    if (s->model != NULL && p->result.model != NULL)
        return fednl_model_save(p->result.model, s->model, diag);
    return CT_OK;
}

static ct_status print_json(const participation *p, const cli_command *command)
{
    const fednl_client_result *r = &p->result;
    ct_report *report;
    CT_TRY(ct_report_create(&report, "client", UFEDNL_PROGRAM));
    cli_echo_settings(report, command, p->settings);
    ct_report_string(report, CT_REPORT_RESULT, "status", fednl_outcome_name(r->outcome));
    ct_report_number(report, CT_REPORT_RESULT, "f", r->f);
    ct_report_number(report, CT_REPORT_RESULT, "grad_norm", r->grad_norm);
    ct_report_integer(report, CT_REPORT_RESULT, "rounds", (int64_t)r->rounds);
    ct_report_integer(report, CT_REPORT_RESULT, "rows", (int64_t)p->data->rows);
    ct_report_integer(report, CT_REPORT_RESULT, "bytes_sent", (int64_t)r->traffic.bytes_sent);
    ct_report_integer(report, CT_REPORT_RESULT, "bytes_received",
                      (int64_t)r->traffic.bytes_received);
    const char *json = ct_report_json(report);
    if (json != NULL)
        puts(json);
    ct_report_destroy(report);
    return json != NULL ? CT_OK : CT_ENOMEM;
}

static void print_summary(const participation *p)
{
    const fednl_client_result *r = &p->result;
    char up[CLI_TEXT_SIZE], down[CLI_TEXT_SIZE];
    printf("client      %zu: %zu rows, took part in %zu rounds\n", p->settings->id, p->data->rows,
           r->rounds);
    printf("result      %s, f %.15g, ||grad f|| %.3e\n", fednl_outcome_name(r->outcome), r->f,
           r->grad_norm);
    printf("traffic     %s sent, %s received\n", cli_bytes_text(up, (double)r->traffic.bytes_sent),
           cli_bytes_text(down, (double)r->traffic.bytes_received));
    if (p->settings->model != NULL)
        printf("model       %s\n",
               r->model != NULL ? p->settings->model : "not written: the iterates diverged");
}

static ct_status report(const participation *p, const cli_command *command)
{
    if (p->settings->json)
        return print_json(p, command);
    if (!p->settings->quiet)
        print_summary(p);
    return CT_OK;
}

static int run_client(void *settings, const cli_command *command)
{
    participation p = {.settings = settings};
    const client_settings *s = settings;
    if (s->clients > 0 && s->id >= s->clients)
        return cli_usage("--id: %zu is not below the %zu clients", s->id, s->clients);
    static const char *const of_split[] = {"shuffle", "sizes", "label-skew", "seed"};
    for (size_t i = 0; i < COUNT(of_split) && s->clients == 0; i++)
        if (cli_given(of_split[i]))
            return cli_usage("--%s has no effect without --clients", of_split[i]);
    ct_diag diag = {0};
    ct_status status = take_part(&p, &diag);
    if (status == CT_OK)
        status = report(&p, command);
    int code = cli_exit_code(CLI_EXIT_OK);
    if (status != CT_OK && !(status == CT_EINTERRUPTED && code != CLI_EXIT_OK))
        code = cli_fail(status, &diag);
    fednl_model_destroy(p.result.model);
    ct_transport_close(p.transport);
    ct_dataset_destroy(p.data);
    free(p.sizes);
    return code;
}

// clang-format off
#define CLIENT(member) .offset = offsetof(client_settings, member)
static const cli_option options[] = {
    {.name = "id", .type = CLI_COUNT, CLIENT(id), .value = "I", .min = 0, .max = 1048575, .required = true,
     .help = "Which of the server's clients this is, from 0"},
    {.name = "host", .type = CLI_TEXT, CLIENT(host), .value = "NAME", .preset = "127.0.0.1", .help = "The server"},
    {.name = "port", .type = CLI_COUNT, CLIENT(port), .value = "N", .min = 1, .max = 65535, .required = true, .help = "Its port"},
    {.name = "connect-timeout", .type = CLI_REAL, CLIENT(connect_timeout_s), .value = "SECONDS", .preset = "10", .min = 0, .max = 86400, .open_min = true,
     .help = "Keep trying to reach the server for so long"},
    {.name = "idle-timeout", .type = CLI_REAL, CLIENT(idle_timeout_s), .value = "SECONDS", .preset = "600", .min = 0, .max = 86400, .open_min = true,
     .help = "The server is lost when it says nothing for so long"},
    {.name = "positive-label", .type = CLI_REAL, CLIENT(positive_label), .value = "X",
     .help = "Rows with label X against all others; they become 1 and -1"},
    {.name = "checkpoint", .type = CLI_PATH, CLIENT(checkpoint), .value = "FILE",
     .help = "Where to keep this client's state when the server makes checkpoints, and to find it when the server resumes"},
    {.name = "clients", .type = CLI_COUNT, CLIENT(clients), .value = "N", .min = 1, .max = 1048576, .group = "Part of a file",
     .help = "FILE holds the rows of N clients: take the part that train would deal to this one. Default: all rows"},
    {.name = "shuffle", .type = CLI_FLAG, CLIENT(shuffle), .preset = "true", .negatable = true, .group = "Part of a file",
     .help = "Deal the rows in random order, or in the order of FILE"},
    {.name = "sizes", .type = CLI_TEXT, CLIENT(sizes), .value = "N,N,...", .group = "Part of a file", .help = "Rows of each client. Default: equal shares"},
    {.name = "label-skew", .type = CLI_REAL, CLIENT(label_skew), .value = "A", POSITIVE, .group = "Part of a file",
     .help = "Deal each label's rows by shares drawn from a Dirichlet distribution of this concentration"},
    {.name = "seed", .type = CLI_SEED, CLIENT(seed), .value = "N", .preset = "1", .group = "Part of a file", .help = "Of the split"},
    {.name = "json", .type = CLI_FLAG, CLIENT(json), .group = "Output", .help = "Print settings and result as one JSON object"},
    {.name = "quiet", .type = CLI_FLAG, CLIENT(quiet), .group = "Output", .help = "No summary"},
};

static const cli_operand operands[] = {
    {.name = "FILE", .help = "This client's rows, in LIBSVM text or as converted by convert", CLIENT(file), .is_path = true},
    {.name = "MODEL", .help = "Where to write the final model; without it none is written", .optional = true, CLIENT(model), .is_path = true}};
// clang-format on

cli_command ufednl_client(void)
{
    return (cli_command){
        .name = "client",
        .summary = "Take part in the training of a server with the rows of a file.",
        .description =
            "The rows stay here: the server gets their number, how many have each feature, the "
            "two labels, and then gradients and compressed Hessians. These do reveal something of "
            "the data, and go unencrypted: use a network, and a server, that you trust.",
        .examples = "ufednl-cli client --id 2 --host server.example --port 9000 ours.libsvm\n"
                    "ufednl-cli client --id 0 --clients 8 --port 9000 a9a",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(client_settings),
        .run = run_client};
}
