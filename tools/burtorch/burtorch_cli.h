// SPDX-License-Identifier: MIT
/* What the commands of burtorch-cli share: the commands themselves (a file each, cmd_NAME.c, listed
 * by main), and the inputs of an expression. */
#ifndef BURTORCH_CLI_H
#define BURTORCH_CLI_H

#include "cli/cli.h"

#include <burtorch/burtorch.h>
#include <ctrain/json.h>
#include <ctrain/version.h>

#define BURTORCH_PROGRAM "burtorch-cli " CTRAIN_VERSION
#define COUNT(array)     (sizeof(array) / sizeof *(array))

cli_command burtorch_grad(void);
cli_command burtorch_check(void);
cli_command burtorch_emit_c(void);
cli_command burtorch_train(void);
cli_command burtorch_sample(void);
cli_command burtorch_eval(void);
cli_command burtorch_info(void);
cli_command burtorch_bench(void);

/* ---- An expression and its inputs, as given on the command line ---- */

typedef struct formula {
    const char *text;
    size_t n;       // inputs
    char **names;   // (n)
    double *values; // (n)  zeros where only names were given
    bt_tape *tape;
    bt_expression *expression;
    bt_var *inputs; // (n)  on the tape
    bt_var result;
} formula;

/* Parse text and its inputs, "NAME=VALUE" or, without values, "NAME", and record them on a tape.
 * formula_clear is due either way. */
ct_status formula_record(formula *f, const char *text, const cli_operands *inputs, bool values,
                         ct_diag *diag);
void formula_clear(formula *f);
/* The recording as a function of the inputs, the caller's. */
ct_status formula_capture(const formula *f, bt_function **out, bt_workspace **workspace,
                          ct_diag *diag);
/* What the result is called in derivatives: its name, or "". */
const char *formula_name(const formula *f);

/* What --help says of expressions. */
#define FORMULA_HELP                                                                               \
    "EXPR is made of numbers, names, pi, + - * /, powers (^ or **), parentheses and functions: "   \
    "abs sqrt cbrt exp expm1 log log1p log2 log10 sin cos tan asin acos atan sinh cosh tanh "      \
    "sigmoid softplus relu gelu erf inv sqr cub pow atan2 hypot min max sum mean product and "     \
    "the others of <burtorch/ops.h>. Statements are separated by ; or newlines and may assign "    \
    "names (=, +=, -=, *=, /=); the last one is the result. -2^2 is -4, 2^3^2 is 512."

/* ---- JSON objects that are no report ---- */

/* Begin one with the key "program". */
ct_status burtorch_json_begin(ct_json **out, ct_diag *diag);
/* End it, print it as a line, and destroy it. */
ct_status burtorch_json_print(ct_json *json, ct_diag *diag);

#endif
