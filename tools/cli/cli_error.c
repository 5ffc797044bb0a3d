// SPDX-License-Identifier: MIT
/* The one line on stderr a failure is, and the exit code it means. */
#include "cli/cli_private.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

cli__context cli__current;

/* One write, so that the lines of several processes on one terminal do not mix. */
static void print_error(const char *format, va_list args) CT_PRINTF(1, 0);

static void print_error(const char *format, va_list args)
{
    char text[2048];
    vsnprintf(text, sizeof text, format, args);
    for (char *c = text; *c != '\0'; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    cli_progress_end();
    fflush(stdout);
    if (cli__current.command != NULL)
        fprintf(stderr, "%s %s: %s\n", cli__current.program->name, cli__current.command->name,
                text);
    else
        fprintf(stderr, "%s: %s\n", cli__current.program->name, text);
}

int cli_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_error(format, args);
    va_end(args);
    return CLI_EXIT_USAGE;
}

int cli_fail(ct_status status, const ct_diag *diag)
{
    bool said = diag != NULL && diag->text[0] != '\0';
    cli_usage("%s", said ? diag->text : ct_status_text(status));
    switch (status) {
    case CT_EINVALID:
    case CT_EPARSE:
    case CT_ENOTFOUND:
    case CT_ERANGE:
    case CT_EADDRESS:
    case BT_EEXPRESSION:
    case BT_ESHAPE:
    case FEDNL_EMODEL:
    case FEDNL_EMISMATCH:
    case CT_ECHECKPOINT:
    case PERMK_EKEY:
    case PERMK_EMISMATCH:
        return CLI_EXIT_USAGE;
    default:
        return CLI_EXIT_FAILED;
    }
}
