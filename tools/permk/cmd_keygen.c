// SPDX-License-Identifier: MIT
/* permk-train keygen: a key file for a group of clients. */
#include "permk/permk_cli.h"

#include <stdio.h>

typedef struct keygen_settings {
    const char *file;
    bool quiet;
} keygen_settings;

static ct_status make_key(const keygen_settings *s, ct_diag *diag)
{
    permk_key *key = NULL;
    CT_TRY(permk_key_generate(&key, diag));
    ct_status status = permk_key_write(key, s->file, diag);
    if (status == CT_OK && !s->quiet)
        printf("%s: key %s. Give every client a copy (mode 0600), and the server none.\n", s->file,
               permk_key_id(key));
    permk_key_destroy(key);
    return status;
}

static int run_keygen(void *settings, const cli_command *command)
{
    (void)command;
    ct_diag diag = {0};
    forbid_core_files();
    ct_status status = make_key(settings, &diag);
    return status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
}

static const cli_option options[] = {{.name = "quiet",
                                      .type = CLI_FLAG,
                                      .offset = offsetof(keygen_settings, quiet),
                                      .help = "Print nothing"}};

static const cli_operand operands[] = {{.name = "FILE",
                                        .help = "Where to write the key; must not exist",
                                        .offset = offsetof(keygen_settings, file),
                                        .is_path = true}};

cli_command cmd_keygen(void)
{
    return (cli_command){
        .name = "keygen",
        .summary = "Make a key file for a group of clients.",
        .description = "The file has mode 0600. Copy it to every client by a channel you trust; "
                       "the server must not have it. Whoever leaves the group takes the key along: "
                       "make a new one then.",
        .examples = "permk-train keygen group.key",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(keygen_settings),
        .run = run_keygen};
}
