// SPDX-License-Identifier: MIT
/* ufednl-cli: L2-regularised logistic regression by federated Newton methods, from a shell. The
 * commands are in ufednl/, a file each. */
#include "ufednl/ufednl_cli.h"

int main(int argc, char **argv)
{
    const cli_command commands[] = {
        ufednl_train(),   ufednl_local(), ufednl_server(), ufednl_client(),  ufednl_compare(),
        ufednl_predict(), ufednl_stats(), ufednl_split(),  ufednl_convert(), ufednl_generate()};
    const cli_program program = {
        .name = "ufednl-cli",
        .summary = "L2-regularised logistic regression by federated Newton methods.",
        .description = "Trains on LIBSVM files whose rows are dealt to clients, to the exact "
                       "optimum and with few bytes between clients and server. Models are in "
                       "LIBLINEAR's text format.",
        .commands = commands,
        .n_commands = COUNT(commands),
    };
    return cli_main(&program, argc, argv);
}
