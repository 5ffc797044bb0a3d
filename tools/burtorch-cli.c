// SPDX-License-Identifier: MIT
/* burtorch-cli: gradients of an expression, and training of a small character model, from a shell.
 */
#include "cli/cli.h"

#include <burtorch/expression.h>
#include <ctrain/json.h>
#include <ctrain/version.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "burtorch-cli " CTRAIN_VERSION

/* ---- grad ---- */

typedef struct grad_settings {
    const char *expression;
    cli_operands assignments; // "name=value"
    bool json;
} grad_settings;

/* The inputs of an expression, as given: names[i] = values[i]. */
typedef struct inputs {
    size_t n;
    char **names;
    double *values;
    bt_var *vars;
} inputs;

static void inputs_clear(inputs *in)
{
    for (size_t i = 0; in->names && i < in->n; i++)
        free(in->names[i]);
    free(in->names);
    free(in->values);
    free(in->vars);
}

/* Split "name=value"; the name itself is checked by bt_expression_parse. */
static ct_status parse_input(inputs *in, size_t i, const char *text, ct_diag *diag)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return ct_fail(diag, CT_EINVALID, "'%.60s' should be NAME=VALUE", text);
    char *end;
    in->values[i] = strtod(equals + 1, &end);
    const bool space = equals[1] == ' ' || (equals[1] >= '\t' && equals[1] <= '\r');
    if (end == equals + 1 || *end != '\0' || space || !isfinite(in->values[i]))
        return ct_fail(diag, CT_EINVALID, "'%.60s': '%.60s' is not a finite number", text,
                       equals + 1);
    in->names[i] = strndup(text, (size_t)(equals - text));
    return in->names[i] ? CT_OK : ct_fail(diag, CT_ENOMEM, "out of memory");
}

static ct_status inputs_parse(inputs *in, const cli_operands *assignments, ct_diag *diag)
{
    in->n = assignments->n;
    in->names = calloc(in->n + 1, sizeof *in->names);
    in->values = calloc(in->n + 1, sizeof *in->values);
    in->vars = calloc(in->n + 1, sizeof *in->vars);
    if (!in->names || !in->values || !in->vars)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    for (size_t i = 0; i < in->n; i++)
        CT_TRY(parse_input(in, i, assignments->items[i], diag));
    return CT_OK;
}

static void print_pair(const char *left, const char *name, double value)
{
    char number[CT_NUMBER_TEXT_SIZE];
    ct_number_text(number, value);
    printf("%s%s = %s\n", left, name, number);
}

static void print_gradient(const bt_expression *e, const inputs *in, bt_var result)
{
    const char *name = bt_expression_result_name(e);
    for (size_t i = 0; i < bt_expression_assigned(e); i++) {
        const char *assigned = bt_expression_assigned_name(e, i);
        if (assigned != name)
            print_pair("", assigned, bt_value(bt_expression_assigned_var(e, i)));
    }
    print_pair("", name ? name : "value", bt_value(result));
    for (size_t i = 0; i < in->n; i++) {
        printf("d%s/", name ? name : "");
        print_pair("d", in->names[i], bt_gradient(in->vars[i]));
    }
}

static ct_status print_gradient_json(const bt_expression *e, const inputs *in, bt_var result,
                                     const char *text)
{
    ct_json *json;
    CT_TRY(ct_json_create(&json));
    ct_json_object_begin(json);
    ct_json_key(json, "program");
    ct_json_string(json, PROGRAM);
    ct_json_key(json, "expression");
    ct_json_string(json, text);
    ct_json_key(json, "value");
    ct_json_number(json, bt_value(result));
    ct_json_key(json, "gradient");
    ct_json_object_begin(json);
    for (size_t i = 0; i < in->n; i++) {
        ct_json_key(json, in->names[i]);
        ct_json_number(json, bt_gradient(in->vars[i]));
    }
    ct_json_object_end(json);
    ct_json_key(json, "values");
    ct_json_object_begin(json);
    for (size_t i = 0; i < bt_expression_assigned(e); i++) {
        ct_json_key(json, bt_expression_assigned_name(e, i));
        ct_json_number(json, bt_value(bt_expression_assigned_var(e, i)));
    }
    ct_json_object_end(json);
    ct_json_object_end(json);
    const char *out = ct_json_text(json);
    const ct_status status = out ? CT_OK : CT_ENOMEM;
    if (out)
        puts(out);
    ct_json_destroy(json);
    return status;
}

static ct_status grad(const grad_settings *s, inputs *in, bt_expression **e, bt_tape **tape,
                      ct_diag *diag)
{
    CT_TRY(inputs_parse(in, &s->assignments, diag));
    CT_TRY(bt_expression_parse(e, s->expression, (const char *const *)in->names, in->n, diag));
    CT_TRY(bt_tape_create(tape));
    for (size_t i = 0; i < in->n; i++)
        in->vars[i] = bt_variable(*tape, in->values[i]);
    const bt_var result = bt_expression_record(*e, *tape, in->vars);
    const ct_status status = bt_backward(result);
    if (status != CT_OK)
        return ct_fail(diag, status, "%s", bt_tape_message(*tape));
    if (s->json)
        return print_gradient_json(*e, in, result, s->expression);
    print_gradient(*e, in, result);
    return CT_OK;
}

static int run_grad(void *settings, const cli_command *command)
{
    (void)command;
    inputs in = {0};
    bt_expression *e = NULL;
    bt_tape *tape = NULL;
    ct_diag diag;
    ct_diag_clear(&diag);
    const ct_status status = grad(settings, &in, &e, &tape, &diag);
    bt_tape_destroy(tape);
    bt_expression_destroy(e);
    inputs_clear(&in);
    return status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
}

static const cli_option grad_options[] = {
    {.name = "json",
     .type = CLI_FLAG,
     .offset = offsetof(grad_settings, json),
     .help = "Print one JSON object: value, gradient, values of the names assigned."},
};
static const cli_operand grad_operands[] = {
    {.name = "EXPR",
     .help = "The expression; write -- before one that begins with a minus sign.",
     .offset = offsetof(grad_settings, expression)},
    {.name = "NAME=VALUE",
     .help = "An input and its value, a finite number.",
     .optional = true,
     .repeated = true,
     .offset = offsetof(grad_settings, assignments)},
};

/* ---- The program ---- */

static const cli_command commands[] = {
    {.name = "grad",
     .summary = "Value and gradient of an expression.",
     .description =
         "Computes EXPR at the given inputs and its derivative by each of them, by reverse-mode "
         "automatic differentiation.\n\n"
         "EXPR is made of numbers, names, pi, + - * /, powers (^ or **), parentheses and "
         "functions: "
         "abs sqrt cbrt exp expm1 log log1p log2 log10 sin cos tan asin acos atan sinh cosh tanh "
         "sigmoid softplus relu gelu erf inv sqr cub pow atan2 hypot min max sum mean product and "
         "the others of <burtorch/ops.h>. Statements are separated by ; or newlines and may assign "
         "names (=, +=, -=, *=, /=); the last one is the result. -2^2 is -4, 2^3^2 is 512.\n\n"
         "At a kink (relu or abs at 0) the derivative is 0, at a tie of min or max one half each. "
         "A "
         "result that is not finite is printed as nan, inf or -inf (null in JSON), and the exit "
         "code is 0: it is the answer. The derivative by an input that EXPR does not use is 0.",
     .examples = "burtorch-cli grad 'g = (a*b + b^3 - (a+b))^2 / 2' a=-41 b=2\n"
                 "burtorch-cli grad --json 'log(1 + exp(x))' x=0.5",
     .options = grad_options,
     .n_options = sizeof grad_options / sizeof *grad_options,
     .operands = grad_operands,
     .n_operands = sizeof grad_operands / sizeof *grad_operands,
     .settings_size = sizeof(grad_settings),
     .run = run_grad},
};

int main(int argc, char **argv)
{
    static const cli_program program = {
        .name = "burtorch-cli",
        .summary = "gradients, and training of small models, on a CPU",
        .description = "Automatic differentiation of expressions, and training of small models.",
        .commands = commands,
        .n_commands = sizeof commands / sizeof *commands,
    };
    return cli_main(&program, argc, argv);
}
