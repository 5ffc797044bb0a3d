// SPDX-License-Identifier: MIT
/* --version: the release, and what decides how fast it computes on this machine. */
#include "cli/cli_private.h"

#include <ctrain/version.h>

static void print_compiler(FILE *out)
{
#if defined(__clang__)
    fprintf(out, "compiler: clang %d.%d.%d\n", __clang_major__, __clang_minor__,
            __clang_patchlevel__);
#elif defined(__GNUC__)
    fprintf(out, "compiler: gcc %d.%d.%d\n", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

void cli__print_version(FILE *out, const cli_program *program)
{
    fprintf(out, "%s %s\n", program->name, CTRAIN_VERSION);
    print_compiler(out);
    fflush(out);
    if (program->print_versions != NULL)
        program->print_versions();
}
