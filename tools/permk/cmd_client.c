// SPDX-License-Identifier: MIT
/* permk-train client: one client of a group, over a server. */
#include "permk/member.h"
#include "permk/train_options.h"

#include <ctrain/timer.h>
#include <string.h>

ct_status member_connect(training *run, uint16_t port, ct_diag *diag)
{
    const train_settings *s = run->settings;
    ct_tcp_options tcp = ct_tcp_options_default();
    tcp.greeting = permk_greeting(&tcp.greeting_bytes);
    tcp.stall_timeout_ms = run->options.round_timeout_ms;
    tcp.connect_timeout_ms = (int)(s->connect_timeout_s * 1000.0);
    return ct_transport_connect_tcp(&run->transport, s->host, port, (uint32_t)s->id, &tcp,
                                    cli_stop_flag(), diag);
}

ct_status member_train(training *run, ct_diag *diag)
{
    run->begin = ct_time_s();
    return permk_client_run(&run->result, &run->problem, (uint32_t)run->settings->id,
                            run->transport, run->x, &run->options, diag);
}

/* All that can be wrong here is said before the others wait; only a client that does not know how
 * many there are has to ask the server before it makes the problem. */
static ct_status take_part(training *run, ct_diag *diag)
{
    const train_settings *s = run->settings;
    CT_TRY(training_read_keys(run, diag));
    CT_TRY(problem_read(run, diag));
    uint32_t n = (uint32_t)s->clients, id = (uint32_t)s->id;
    if (n == 0) {
        CT_TRY(member_connect(run, (uint16_t)s->port, diag));
        n = (uint32_t)ct_transport_clients(run->transport);
    }
    CT_TRY(problem_make(run, n, s->clients > 0 ? PROBLEM_PART : PROBLEM_OWN, id, diag));
    if (run->transport == NULL)
        CT_TRY(member_connect(run, (uint16_t)s->port, diag));
    return member_train(run, diag);
}

static int check_keys(const train_settings *s)
{
    bool is_plain = strcmp(s->cipher, permk_cipher_name(PERMK_PLAINTEXT)) == 0;
    if (s->is_signed && s->identity == NULL)
        return cli_usage("--signed needs --identity and --roster");
    if (s->key == NULL && s->identity == NULL && !is_plain)
        return cli_usage("--key is missing: the group's key file (make one with permk-train "
                         "keygen), or --identity and --roster to agree on a key");
    return CLI_EXIT_OK;
}

static int check_rows(const train_settings *s)
{
    static const char *const of_split[] = {"shuffle", "label-skew"};
    const char *kind = problem_kind(s);
    if (s->clients > 0 || strcmp(kind, "quadratic") == 0)
        return CLI_EXIT_OK;
    if (strcmp(kind, "logistic") != 0)
        return cli_usage("--clients is missing: of %s, --data holds the samples of all clients",
                         kind);
    for (size_t i = 0; i < COUNT(of_split); i++)
        if (cli_given(of_split[i]))
            return cli_usage("--%s has no effect without --clients", of_split[i]);
    return CLI_EXIT_OK;
}

static int run_client(void *settings, const cli_command *command)
{
    training run = {.settings = settings, .command = command};
    const train_settings *s = settings;
    if (s->clients > 0 && s->id >= s->clients)
        return cli_usage("--id: %zu is none of the clients 0 to %zu", s->id, s->clients - 1);
    int code = check_keys(s);
    if (code == CLI_EXIT_OK)
        code = check_rows(s);
    return code == CLI_EXIT_OK ? training_run(&run, take_part) : code;
}

// clang-format off
static const cli_option options[] = {
    {.name = "id", .type = CLI_COUNT, TRAIN(id), .value = "I", .required = true, .max = 999999, .group = "Network",
     .help = "Which client this is, 0 to n - 1; client 0 ends the run"},
    {.name = "host", .type = CLI_TEXT, TRAIN(host), .value = "HOST", .preset = "127.0.0.1", .group = "Network", .help = "The server's address"},
    {.name = "port", .type = CLI_COUNT, TRAIN(port), .value = "P", .required = true, .min = 1, .max = 65535, .group = "Network", .help = "The server's port"},
    TRAIN_ROUND_TIMEOUT_OPTION,
    TRAIN_MIN_CLIENTS_OPTION,
    {.name = "connect-timeout", .type = CLI_REAL, TRAIN(connect_timeout_s), .value = "SECONDS", .preset = "10", .max = 86400, .open_min = true, .group = "Network",
     .help = "Keep trying to reach the server for so long"},
    {.name = "clients", .type = CLI_COUNT, TRAIN(clients), .value = "N", .min = 1, .max = 1e6, .group = "Problem",
     .help = "--data holds the rows of N clients: take the part that simulate would deal to this one. Default: as many as the server has, and all rows are this client's own"},
    TRAIN_PROBLEM_OPTIONS,
    TRAIN_METHOD_OPTIONS,
    TRAIN_COMPRESSOR_OPTIONS,
    TRAIN_STEP_OPTIONS,
    TRAIN_STOP_OPTIONS("1e-10"),
    TRAIN_CIPHER_OPTION,
    TRAIN_MEMBER_OPTIONS,
    TRAIN_SIGNED_OPTION,
    TRAIN_LIMIT_OPTIONS,
    TRAIN_CHECKPOINT_OPTIONS,
    TRAIN_MODEL_OPTION,
    TRAIN_OUTPUT_OPTIONS,
};
// clang-format on

cli_command cmd_client(void)
{
    return (cli_command){
        .name = "client",
        .summary = "Train as one client of a group.",
        .description =
            "All clients must be given the same options except --id, --identity, --host, --port, "
            "timeouts, checkpoints and outputs, and --data where each has rows of its own; what "
            "differs is named, and nobody trains. With rows of their own they evaluate f together, "
            "and --step must be given: nobody knows how smooth f is. Iterates are those of "
            "simulate, bit for bit.",
        .examples = "permk-train client --id 0 --key group.key --port 9000\n"
                    "permk-train client --id 2 --key group.key --port 9000 --host server.example "
                    "--data ours.libsvm --dim 123 --step 0.5\n"
                    "permk-train client --id 1 --identity ours.identity --roster roster --signed "
                    "--port 9000 --data a9a --clients 8",
        .options = options,
        .n_options = COUNT(options),
        .settings_size = sizeof(train_settings),
        .run = run_client};
}
