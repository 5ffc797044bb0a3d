// SPDX-License-Identifier: MIT
/* --version: the release, and what decides how fast it computes on this machine. */
#include "cli/cli_private.h"

#include <ctrain/blas.h>
#include <ctrain/kernels.h>
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
    fprintf(out, "simd: %s\n", ct_kernels_get()->name);
    ct_diag diag = {""};
    if (ct_blas_open(&diag) == CT_OK)
        fprintf(out, "blas: %s\n", ct_blas_description());
    else
        fprintf(out, "blas: none (%s)\n", diag.text);
    print_compiler(out);
    fflush(out);
    if (program->print_versions != NULL)
        program->print_versions();
}
