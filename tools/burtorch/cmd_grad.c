// SPDX-License-Identifier: MIT
/* burtorch-cli grad: value, gradient and, if asked for, Hessian of an expression. */
#include "burtorch/burtorch_cli.h"

#include <ctrain/arena.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct grad_settings {
    const char *expression;
    cli_operands assignments; // "name=value"
    bool hessian, json;
} grad_settings;

static void print_value(const char *name, double value)
{
    char number[CT_NUMBER_TEXT_SIZE];
    ct_number_text(number, value);
    printf("%s = %s\n", name, number);
}

static void print_derivatives(const formula *f, const double *hessian)
{
    const char *name = formula_name(f);
    for (size_t i = 0; i < bt_expression_assigned(f->expression); i++) {
        const char *assigned = bt_expression_assigned_name(f->expression, i);
        if (assigned != bt_expression_result_name(f->expression))
            print_value(assigned, bt_value(bt_expression_assigned_var(f->expression, i)));
    }
    print_value(*name ? name : "value", bt_value(f->result));
    for (size_t i = 0; i < f->n; i++) {
        printf("d%s/d", name);
        print_value(f->names[i], bt_gradient(f->inputs[i]));
    }
    for (size_t i = 0; hessian && i < f->n; i++)
        for (size_t j = i; j < f->n; j++) {
            if (i == j)
                printf("d2%s/d%s2", name, f->names[i]);
            else
                printf("d2%s/d%s d%s", name, f->names[i], f->names[j]);
            print_value("", hessian[i * f->n + j]);
        }
}

static void json_hessian(ct_json *json, const formula *f, const double *hessian)
{
    ct_json_key(json, "hessian");
    ct_json_object_begin(json);
    for (size_t i = 0; i < f->n; i++) {
        ct_json_key(json, f->names[i]);
        ct_json_object_begin(json);
        for (size_t j = 0; j < f->n; j++) {
            ct_json_key(json, f->names[j]);
            ct_json_number(json, hessian[i * f->n + j]);
        }
        ct_json_object_end(json);
    }
    ct_json_object_end(json);
}

static ct_status print_json(const formula *f, const double *hessian, ct_diag *diag)
{
    ct_json *json;
    CT_TRY(burtorch_json_begin(&json, diag));
    ct_json_key(json, "expression");
    ct_json_string(json, f->text);
    ct_json_key(json, "value");
    ct_json_number(json, bt_value(f->result));
    ct_json_key(json, "gradient");
    ct_json_object_begin(json);
    for (size_t i = 0; i < f->n; i++) {
        ct_json_key(json, f->names[i]);
        ct_json_number(json, bt_gradient(f->inputs[i]));
    }
    ct_json_object_end(json);
    if (hessian)
        json_hessian(json, f, hessian);
    ct_json_key(json, "values");
    ct_json_object_begin(json);
    for (size_t i = 0; i < bt_expression_assigned(f->expression); i++) {
        ct_json_key(json, bt_expression_assigned_name(f->expression, i));
        ct_json_number(json, bt_value(bt_expression_assigned_var(f->expression, i)));
    }
    ct_json_object_end(json);
    return burtorch_json_print(json, diag);
}

/* The Hessian into *out, the caller's to free; NULL where it is not wanted. */
static ct_status second_derivatives(const formula *f, double **out, ct_diag *diag)
{
    bt_function *function = NULL;
    bt_workspace *workspace = NULL;
    size_t n;
    ct_status status = CT_OK;
    *out = ct_mul_size(&n, f->n, f->n) ? calloc(n + 1, sizeof **out) : NULL;
    if (!*out)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    status = formula_capture(f, &function, &workspace, diag);
    if (status == CT_OK)
        status = bt_function_hessian(function, workspace, 0, f->values, NULL, NULL, *out);
    bt_workspace_destroy(workspace);
    bt_function_destroy(function);
    return status;
}

static int run_grad(void *settings, const cli_command *command)
{
    (void)command;
    const grad_settings *s = settings;
    formula f = {0};
    double *hessian = NULL;
    ct_diag diag = {0};
    ct_status status = formula_record(&f, s->expression, &s->assignments, true, &diag);
    if (status == CT_OK && s->hessian)
        status = second_derivatives(&f, &hessian, &diag);
    if (status == CT_OK && s->json)
        status = print_json(&f, hessian, &diag);
    else if (status == CT_OK)
        print_derivatives(&f, hessian);
    free(hessian);
    formula_clear(&f);
    return status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
}

static const cli_option options[] = {
    {.name = "hessian",
     .type = CLI_FLAG,
     .offset = offsetof(grad_settings, hessian),
     .help = "Also the second derivatives, exact like the first."},
    {.name = "json",
     .type = CLI_FLAG,
     .offset = offsetof(grad_settings, json),
     .help = "Print one JSON object: value, gradient, hessian, values of the names assigned."},
};
static const cli_operand operands[] = {
    {.name = "EXPR",
     .help = "The expression; write -- before one that begins with a minus sign.",
     .offset = offsetof(grad_settings, expression)},
    {.name = "NAME=VALUE",
     .help = "An input and its value, a finite number.",
     .optional = true,
     .repeated = true,
     .offset = offsetof(grad_settings, assignments)},
};

cli_command burtorch_grad(void)
{
    return (cli_command){
        .name = "grad",
        .summary = "Value and gradient of an expression.",
        .description =
            "Computes EXPR at the given inputs and its derivative by each of them, by reverse-mode "
            "automatic differentiation.\n\n" FORMULA_HELP "\n\n"
            "At a kink (relu or abs at 0) the derivative is 0, at a tie of min or max one half "
            "each. A result that is not finite is printed as nan, inf or -inf (null in JSON), and "
            "the exit code is 0: it is the answer. The derivative by an input that EXPR does not "
            "use is 0.",
        .examples = "burtorch-cli grad 'g = (a*b + b^3 - (a+b))^2 / 2' a=-41 b=2\n"
                    "burtorch-cli grad --hessian 'exp(x*y)' x=1 y=2\n"
                    "burtorch-cli grad --json 'log(1 + exp(x))' x=0.5",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(grad_settings),
        .run = run_grad};
}
