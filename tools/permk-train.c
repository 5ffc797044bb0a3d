// SPDX-License-Identifier: MIT
/* permk-train: encrypted federated training over a server that only forwards, from a shell. The
 * commands are in permk/, a file each. */
#include "permk/permk_cli.h"

int main(int argc, char **argv)
{
    const cli_command commands[] = {cmd_keygen(), cmd_identity(), cmd_server(),  cmd_client(),
                                    cmd_local(),  cmd_simulate(), cmd_compare(), cmd_inspect()};
    const cli_program program = {
        .name = "permk-train",
        .summary = "Encrypted federated training over a server that only forwards.",
        .description = "Clients trust one another, but neither the server nor the network. Each "
                       "round every client owns a block of coordinates, seals its gradient entries "
                       "with AES and sends them through a server that has no key.",
        .commands = commands,
        .n_commands = COUNT(commands),
    };
    return cli_main(&program, argc, argv);
}
