// SPDX-License-Identifier: MIT
/* permk-train simulate: all clients in this process. */
#include "permk/train_options.h"

#include <ctrain/timer.h>

static ct_status simulate(training *run, ct_diag *diag)
{
    CT_TRY(problem_read(run, diag));
    CT_TRY(problem_make(run, (uint32_t)run->settings->clients, PROBLEM_ALL_CLIENTS, 0, diag));
    run->begin = ct_time_s();
    return permk_simulate(&run->result, &run->problem, run->x, &run->options, diag);
}

static int run_simulate(void *settings, const cli_command *command)
{
    training run = {.settings = settings, .command = command};
    return training_run(&run, simulate);
}

static const cli_option options[] = {
    TRAIN_CLIENTS_OPTION("50"), TRAIN_PROBLEM_OPTIONS, TRAIN_METHOD_OPTIONS,
    TRAIN_COMPRESSOR_OPTIONS,   TRAIN_STEP_OPTIONS,    TRAIN_STOP_OPTIONS("1e-10"),
    TRAIN_CIPHER_OPTION,        TRAIN_LIMIT_OPTIONS,   TRAIN_CHECKPOINT_OPTIONS,
    TRAIN_MODEL_OPTION,         TRAIN_OUTPUT_OPTIONS,
};

cli_command cmd_simulate(void)
{
    return (cli_command){
        .name = "simulate",
        .summary = "Train with all clients in this process.",
        .description =
            "Every block is really encrypted and decrypted, under a key that is drawn for the run "
            "and thrown away; iterates are those of real processes, bit for bit.\n\ndcgd with "
            "permk reaches the optimum where the clients share a minimiser (quadratic with "
            "--clients times --samples less than --dim, or --homogeneous); elsewhere it ends near "
            "it. gd, diana, marina and ef21 reach it in any case.",
        .examples = "permk-train simulate\n"
                    "permk-train simulate --clients 50 --dim 1000 --step 0.007 --tol 1e-20\n"
                    "permk-train simulate --data a9a --clients 80 --method diana --report a9a.html",
        .options = options,
        .n_options = COUNT(options),
        .settings_size = sizeof(train_settings),
        .run = run_simulate};
}
