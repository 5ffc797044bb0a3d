// SPDX-License-Identifier: MIT
/* The commands of ufednl-cli, a file each (cmd_NAME.c), listed by main. */
#ifndef UFEDNL_CLI_H
#define UFEDNL_CLI_H

#include "cli/cli.h"

#include <ctrain/dataset.h>
#include <ctrain/version.h>
#include <ufednl/ufednl.h>

#define UFEDNL_PROGRAM "ufednl-cli " CTRAIN_VERSION
#define COUNT(array)   (sizeof(array) / sizeof *(array))

cli_command ufednl_train(void);
cli_command ufednl_server(void);
cli_command ufednl_client(void);
cli_command ufednl_local(void);
cli_command ufednl_compare(void);

#endif
