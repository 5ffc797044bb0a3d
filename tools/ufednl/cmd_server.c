// SPDX-License-Identifier: MIT
/* ufednl-cli server: clients in other processes and on other machines, over TCP. And what local
 * does too once its clients are on their way. */
#include "ufednl/remote.h"
#include "ufednl/solve_options.h"

#include <ctrain/file.h>
#include <stdio.h>

static ct_status write_port(const char *path, uint16_t port, ct_diag *diag)
{
    if (path == NULL)
        return CT_OK;
    ct_file_writer *out;
    CT_TRY(ct_file_writer_open(&out, path, diag));
    ct_file_writer_printf(out, "%u\n", port);
    return ct_file_writer_commit(out, diag);
}

static ct_status accept_clients(serving *s, ct_diag *diag)
{
    const solve_settings *settings = s->run.settings;
    ct_tcp_options tcp = ct_tcp_options_default();
    fednl_tcp_options(&tcp);
    tcp.accept_timeout_ms = (int)(settings->accept_timeout_s * 1000.0);
    tcp.stall_timeout_ms = (int)(settings->round_timeout_s * 1000.0);
    return ct_transport_accept_tcp(&s->transport, s->listener, settings->clients, &tcp,
                                   cli_stop_flag(), diag);
}

ct_status serve(serving *s, ct_diag *diag)
{
    const solve_settings *settings = s->run.settings;
    CT_TRY(accept_clients(s, diag));
    fednl_options opt;
    CT_TRY(solve_options(&s->run, &opt, diag));
    fednl_remote_options remote = fednl_remote_options_default();
    remote.dims = settings->dims;
    remote.round_timeout_ms = (int)(settings->round_timeout_s * 1000.0);
    remote.min_clients = settings->min_clients;
    remote.listener = s->listener;
    CT_TRY(fednl_solver_create_remote(&s->run.solver, s->transport, &opt, &remote, diag));
    return solve_finish(&s->run, diag);
}

void serving_clear(serving *s)
{
    solve_clear(&s->run); // tells the clients
    ct_transport_close(s->transport);
    ct_tcp_listener_close(s->listener);
}

static ct_status run_service(serving *s, ct_diag *diag)
{
    const solve_settings *settings = s->run.settings;
    fednl_options opt;
    CT_TRY(solve_begin(&s->run, "federated training", diag));
    CT_TRY(solve_read(&s->run, diag));
    CT_TRY(solve_options(&s->run, &opt, diag)); // refused before anybody is kept waiting
    CT_TRY(ct_tcp_listener_open(&s->listener, settings->host, (uint16_t)settings->port, diag));
    uint16_t port = ct_tcp_listener_port(s->listener);
    CT_TRY(write_port(settings->port_file, port, diag));
    if (!settings->quiet)
        fprintf(stderr, "ufednl-cli server: listening on %s port %u for %zu %s\n", settings->host,
                port, settings->clients, settings->clients == 1 ? "client" : "clients");
    return serve(s, diag);
}

static int run_server(void *settings, const cli_command *command)
{
    serving s = {.run = {.settings = settings, .command = command}};
    ct_diag diag = {0};
    ct_status status = run_service(&s, &diag);
    int code = cli_exit_code(CLI_EXIT_FAILED);
    if (status == CT_OK)
        code = solve_exit_code(&s.run);
    else if (status != CT_EINTERRUPTED)
        code = cli_fail(status, &diag);
    serving_clear(&s);
    return code;
}

static const cli_option options[] = {
    {.name = "clients",
     .type = CLI_COUNT,
     SOLVE(clients),
     .value = "N",
     .min = 1,
     .max = 1048576,
     .required = true,
     .group = "Network",
     .help = "Clients to wait for, with ids 0 to N - 1"},
    {.name = "host",
     .type = CLI_TEXT,
     SOLVE(host),
     .value = "NAME",
     .preset = "127.0.0.1",
     .group = "Network",
     .help = "Address to listen on; 0.0.0.0 or :: for all. There is no encryption and no "
             "authentication: trusted networks only"},
    {.name = "port",
     .type = CLI_COUNT,
     SOLVE(port),
     .value = "N",
     .preset = "0",
     .min = 0,
     .max = 65535,
     .group = "Network",
     .help = "Port to listen on; 0: any free one, which is printed"},
    {.name = "port-file",
     .type = CLI_PATH,
     SOLVE(port_file),
     .value = "FILE",
     .group = "Network",
     .help = "Write the port to a file once clients may come"},
    SOLVE_NETWORK_OPTIONS,
    {.name = "dims",
     .type = CLI_COUNT,
     SOLVE(dims),
     .value = "N",
     .min = 1,
     .max = 4294967294.0,
     .group = "Problem",
     .help = "Number of features; a client with more is refused. Default: the most that one has"},
    SOLVE_PROBLEM_OPTIONS,
    SOLVE_ALGORITHM_OPTIONS,
    SOLVE_METHOD_OPTIONS,
    SOLVE_STOP_OPTIONS,
    SOLVE_RUN_OPTIONS,
    SOLVE_MODEL_OPTIONS,
    SOLVE_OUTPUT_OPTIONS,
};

static const cli_operand operands[] = {SOLVE_MODEL_OPERAND};

cli_command ufednl_server(void)
{
    return (cli_command){
        .name = "server",
        .summary = "Train over clients in other processes, without seeing their rows.",
        .description =
            "Waits for the clients, which know only its address and their rows; all other settings "
            "are the server's. Iterates are the same bits as those of train with the same split. A "
            "client that dies, stays silent or breaks the protocol is named, and ends the run; "
            "fednl-pp with --min-clients goes on without it and takes it back.",
        .examples = "ufednl-cli server --clients 3 --port 9000 --report run.html all.model\n"
                    "ufednl-cli server --clients 50 --host 0.0.0.0 --port 9000 --algorithm "
                    "fednl-pp --participants 12 --min-clients 40 all.model",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(solve_settings),
        .run = run_server};
}
