// SPDX-License-Identifier: MIT
/* burtorch-cli: gradients of expressions, and training of small models, from a shell. The commands
 * are in burtorch/, a file each. */
#include "burtorch/burtorch_cli.h"

int main(int argc, char **argv)
{
    const cli_command commands[] = {burtorch_grad(),  burtorch_check(),  burtorch_emit_c(),
                                    burtorch_train(), burtorch_sample(), burtorch_eval(),
                                    burtorch_info(),  burtorch_bench()};
    const cli_program program = {
        .name = "burtorch-cli",
        .summary = "gradients, and training of small models, on a CPU",
        .description = "Automatic differentiation of expressions, and training of small models.",
        .commands = commands,
        .n_commands = COUNT(commands),
    };
    return cli_main(&program, argc, argv);
}
