// SPDX-License-Identifier: MIT
/* permk-train identity: a client's own key pair, and its line of the group's roster. */
#include "permk/permk_cli.h"

#include <stdio.h>

typedef struct identity_settings {
    const char *file, *name;
    bool print;
} identity_settings;

/* The line of the roster: nothing in it is secret. */
static void print_public(const permk_identity *identity, const char *name)
{
    const unsigned char *key = permk_identity_public(identity);
    for (size_t i = 0; i < PERMK_PUBLIC_KEY_BYTES; i++)
        printf("%02x", key[i]);
    printf("%s%s\n", name != NULL ? " " : "", name != NULL ? name : "");
}

static ct_status make_identity(const identity_settings *s, ct_diag *diag)
{
    permk_identity *identity = NULL;
    if (s->print)
        CT_TRY(permk_identity_read(&identity, s->file, diag));
    else
        CT_TRY(permk_identity_generate(&identity, diag));
    ct_status status = s->print ? CT_OK : permk_identity_write(identity, s->file, diag);
    if (status == CT_OK)
        print_public(identity, s->name);
    permk_identity_destroy(identity);
    return status;
}

static int run_identity(void *settings, const cli_command *command)
{
    (void)command;
    ct_diag diag = {0};
    forbid_core_files();
    ct_status status = make_identity(settings, &diag);
    return status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
}

static const cli_option options[] = {
    {.name = "name",
     .type = CLI_TEXT,
     .offset = offsetof(identity_settings, name),
     .value = "TEXT",
     .help = "Whose key it is, at the end of the line"},
    {.name = "print",
     .type = CLI_FLAG,
     .offset = offsetof(identity_settings, print),
     .help = "FILE exists already: only print its line"},
};

static const cli_operand operands[] = {{.name = "FILE",
                                        .help = "Where to write the key pair; must not exist",
                                        .offset = offsetof(identity_settings, file),
                                        .is_path = true}};

cli_command cmd_identity(void)
{
    return (cli_command){
        .name = "identity",
        .summary = "Make a client's own key pair, and print its line of the roster.",
        .description =
            "FILE (mode 0600) is the client's alone. The line that is printed is its public key: "
            "client i's is line i of the group's roster, a text file that everybody must get "
            "unaltered and not by way of the server. With --identity and --roster the clients of a "
            "run agree on a key of their own, so that no key file need be shared, and with "
            "--signed none of them can send in another's name.",
        .examples = "permk-train identity --name bakery bakery.identity >>roster",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(identity_settings),
        .run = run_identity};
}
