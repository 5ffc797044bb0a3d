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
cli_command ufednl_predict(void);
cli_command ufednl_stats(void);
cli_command ufednl_split(void);
cli_command ufednl_convert(void);
cli_command ufednl_generate(void);

/* Write rows in a format: "text" or "binary". */
ct_status write_rows(const ct_dataset *data, const char *path, const char *format, ct_diag *diag);

#endif
