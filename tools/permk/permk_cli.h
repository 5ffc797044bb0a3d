// SPDX-License-Identifier: MIT
/* The commands of permk-train, a file each (cmd_NAME.c), listed by main. */
#ifndef PERMK_CLI_H
#define PERMK_CLI_H

#include "cli/cli.h"

#include <ctrain/version.h>
#include <permk_aes/permk_aes.h>

#define PERMK_PROGRAM "permk-train " CTRAIN_VERSION
#define COUNT(array)  (sizeof(array) / sizeof *(array))

cli_command cmd_keygen(void);
cli_command cmd_identity(void);
cli_command cmd_server(void);
cli_command cmd_client(void);
cli_command cmd_local(void);
cli_command cmd_simulate(void);
cli_command cmd_compare(void);
cli_command cmd_inspect(void);

/* Keys must not end up in a core file. */
void forbid_core_files(void);
/* As cli_fail. A signal to the whole group ends the peers as well: whoever goes first, ours is what
 * ended us. */
int fail_with_peers(ct_status status, const ct_diag *diag);

#endif
