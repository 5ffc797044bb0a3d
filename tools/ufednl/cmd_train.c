// SPDX-License-Identifier: MIT
/* ufednl-cli train: all clients in this process. */
#include "ufednl/solve_options.h"

#include <stdio.h>

static ct_status train(solve *run, ct_diag *diag)
{
    char title[300];
    snprintf(title, sizeof title, "%s on %s", run->settings->algorithm, run->settings->file);
    CT_TRY(solve_begin(run, title, diag));
    CT_TRY(solve_read(run, diag));
    fednl_options opt;
    CT_TRY(solve_options(run, &opt, diag));
    ct_status status = fednl_solver_create(&run->solver, run->data, &opt, diag);
    if (status != CT_OK)
        ct_diag_prefix(diag, "%s", run->settings->file);
    CT_TRY(status);
    return solve_finish(run, diag);
}

static int run_train(void *settings, const cli_command *command)
{
    solve run = {.settings = settings, .command = command};
    ct_diag diag = {0};
    ct_status status = train(&run, &diag);
    int code = status == CT_OK ? solve_exit_code(&run) : cli_fail(status, &diag);
    solve_clear(&run);
    return code;
}

static const cli_option options[] = {
    SOLVE_DATA_OPTIONS,
    SOLVE_PROBLEM_OPTIONS,
    SOLVE_CLIENTS_OPTION,
    SOLVE_SPLIT_OPTIONS,
    SOLVE_ALGORITHM_OPTIONS,
    SOLVE_METHOD_OPTIONS,
    SOLVE_STOP_OPTIONS,
    SOLVE_RUN_OPTIONS,
    SOLVE_MODEL_OPTIONS,
    SOLVE_OUTPUT_OPTIONS,
};

static const cli_operand operands[] = {SOLVE_FILE_OPERAND, SOLVE_MODEL_OPERAND};

cli_command ufednl_train(void)
{
    return (cli_command){
        .name = "train",
        .summary = "Train logistic regression on a LIBSVM file.",
        .description =
            "Minimises the mean of log(1 + exp(-b a^T x)) over the rows plus lambda/2 ||x||^2. The "
            "rows are dealt to clients, which never show them: they send gradients and compressed "
            "changes of their Hessians (FedNL, arXiv:2106.02969). Clients weigh by their rows, so "
            "the optimum is that of the whole file, whatever --clients is.\n\nf and ||grad f|| of "
            "the result are recomputed from the rows of FILE.",
        .examples =
            "ufednl-cli train a9a a9a.model\n"
            "ufednl-cli train --clients 142 --compressor topk --k 8d --report a9a.html a9a\n"
            "ufednl-cli train --clients 100 --label-skew 0.3 --algorithm fednl-pp "
            "--participants 12 --test a9a.t a9a",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(solve_settings),
        .run = run_train};
}
