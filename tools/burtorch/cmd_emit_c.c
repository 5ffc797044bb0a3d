// SPDX-License-Identifier: MIT
/* burtorch-cli emit-c: an expression and its gradient as C source. */
#include "burtorch/burtorch_cli.h"

#include <stdio.h>

typedef struct emit_settings {
    const char *expression;
    cli_operands names;
    const char *name, *out;
    bool single_precision, gradient;
} emit_settings;

static ct_status emit(const emit_settings *s, formula *f, bt_function **function, ct_diag *diag)
{
    bt_emit_options o = bt_emit_options_default();
    o.name = s->name;
    o.gradient = s->gradient;
    o.single_precision = s->single_precision;
    CT_TRY(formula_record(f, s->expression, &s->names, false, diag));
    CT_TRY(bt_function_capture(function, f->inputs, f->n, &f->result, 1, diag));
    fflush(stdout);
    return bt_function_emit_c(*function, s->out ? s->out : "/dev/stdout", &o, diag);
}

static int run_emit(void *settings, const cli_command *command)
{
    (void)command;
    formula f = {0};
    bt_function *function = NULL;
    ct_diag diag = {0};
    const ct_status status = emit(settings, &f, &function, &diag);
    bt_function_destroy(function);
    formula_clear(&f);
    return status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
}

static const cli_option options[] = {
    {.name = "name",
     .type = CLI_TEXT,
     .offset = offsetof(emit_settings, name),
     .value = "NAME",
     .preset = "f",
     .help = "Name of the C function."},
    {.name = "float",
     .type = CLI_FLAG,
     .offset = offsetof(emit_settings, single_precision),
     .help = "Compute in float instead of double."},
    {.name = "gradient",
     .type = CLI_FLAG,
     .offset = offsetof(emit_settings, gradient),
     .preset = "true",
     .negatable = true,
     .help = "Compute the gradient too, or the value alone."},
    {.name = "out",
     .type = CLI_PATH,
     .offset = offsetof(emit_settings, out),
     .value = "FILE",
     .help = "Write this file, whole or not at all, instead of standard output."},
};
static const cli_operand operands[] = {
    {.name = "EXPR",
     .help = "The expression; write -- before one that begins with a minus sign.",
     .offset = offsetof(emit_settings, expression)},
    {.name = "NAME",
     .help = "The inputs, in the order of the array x.",
     .repeated = true,
     .optional = true,
     .offset = offsetof(emit_settings, names)},
};

cli_command burtorch_emit_c(void)
{
    return (cli_command){
        .name = "emit-c",
        .summary = "Print an expression and its gradient as a C function.",
        .description =
            "Prints C99 source that needs nothing but <math.h>, with one function\n\n"
            "void f(const double *x, double *y, double *g)\n\n"
            "that sets y[0] to the value of EXPR at the inputs x[0], x[1], ... and g[0], g[1], ... "
            "to its derivatives. Straight-line code without branches or calls but to the functions "
            "of EXPR; where the gradient that flows into an operation is 0 and its derivative "
            "infinite, g is NaN (grad says 0).\n\n" FORMULA_HELP,
        .examples = "burtorch-cli emit-c 'log(1 + exp(-y*x))' x y\n"
                    "burtorch-cli emit-c --name loss --float --out loss.c '(a - b)^2' a b",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(emit_settings),
        .run = run_emit};
}
