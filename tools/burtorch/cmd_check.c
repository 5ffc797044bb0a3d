// SPDX-License-Identifier: MIT
/* burtorch-cli check: the derivatives of an expression beside differences of its values.
 *
 * Differences are central ones, extrapolated to the step 0 (Ridders 1982): the one whose estimated
 * error is smallest among those that begin with steps of 2^-3, 2^-11, ... of max(1, |x|). Small
 * first steps are for points close to where the function ends or has a pole. */
#include "burtorch/burtorch_cli.h"

#include <ctrain/arena.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 11, STARTS = 5 };

typedef struct check_settings {
    const char *expression;
    cli_operands assignments; // "name=value"
    double tolerance;
    bool hessian, json;
} check_settings;

/* One derivative: by input i, or by inputs i and j. */
typedef struct comparison {
    size_t i, j; // j SIZE_MAX: a first derivative
    double exact, difference, error;
} comparison;

typedef struct checking {
    const check_settings *s;
    formula f;
    bt_function *function;
    bt_workspace *workspace;
    double *x, *g, *hessian; // (n) moved point, (n), (n, n)
    comparison *rows;
    size_t n_rows, wrong;
    double worst;
} checking;

/* Element i of the gradient with input j moved by h; i SIZE_MAX: the value. NaN if it fails. */
static double moved(checking *c, size_t i, size_t j, double h)
{
    double y = NAN;
    c->x[j] = c->f.values[j] + h;
    const ct_status status =
        i == SIZE_MAX ? bt_function_evaluate(c->function, c->workspace, c->x, &y)
                      : bt_function_gradient(c->function, c->workspace, 0, c->x, NULL, c->g);
    c->x[j] = c->f.values[j];
    if (status != CT_OK)
        return NAN;
    return i == SIZE_MAX ? y : c->g[i];
}

static double central(checking *c, size_t i, size_t j, double h)
{
    return (moved(c, i, j, h) - moved(c, i, j, -h)) / (2.0 * h);
}

/* What has been found of a derivative. */
typedef struct estimate {
    double value, error;
} estimate;

/* The table of Ridders from the step h on: row by row the step halves, column by column a power of
 * it is removed. An entry is as good as its neighbours are near; what is not finite is not taken.
 */
static void extrapolate(checking *c, size_t i, size_t j, double h, estimate *best)
{
    double table[ROWS] = {0};
    for (int row = 0; row < ROWS; row++, h /= 2.0) {
        double previous = table[0], power = 1.0; // of the row before, in the column before
        table[0] = central(c, i, j, h);
        for (int k = 1; k <= row; k++) {
            power *= 4.0;
            const double next = (power * table[k - 1] - previous) / (power - 1.0);
            const double spread = fmax(fabs(next - table[k - 1]), fabs(next - previous));
            previous = table[k];
            table[k] = next;
            if (isfinite(spread) && spread / fmax(1.0, fabs(next)) < best->error)
                *best = (estimate){next, spread / fmax(1.0, fabs(next))};
        }
    }
}

/* The derivative of the value (i SIZE_MAX) or of element i of the gradient by input j; NaN where no
 * difference is finite. */
static double differentiated(checking *c, size_t i, size_t j)
{
    estimate best = {NAN, INFINITY};
    double h = 0.125 * fmax(1.0, fabs(c->f.values[j]));
    for (int start = 0; start < STARTS; start++, h /= 256.0)
        extrapolate(c, i, j, h, &best);
    return best.value;
}

static void compare(checking *c, size_t i, size_t j, double exact, double difference)
{
    const double scale = fmax(1.0, fmax(fabs(exact), fabs(difference)));
    const double error = fabs(exact - difference) / scale;
    c->rows[c->n_rows++] = (comparison){i, j, exact, difference, error};
    c->wrong += error <= c->s->tolerance ? 0U : 1U;
    if (!(error <= c->worst))
        c->worst = error;
}

static ct_status allocate(checking *c, ct_diag *diag)
{
    const size_t n = c->f.n;
    size_t square, rows;
    if (!ct_mul_size(&square, n, n) || !ct_add_size(&rows, square, n))
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    if (!c->s->hessian)
        square = 0, rows = n;
    c->x = calloc(n + 1, sizeof *c->x);
    c->g = calloc(n + 1, sizeof *c->g);
    c->hessian = calloc(square + 1, sizeof *c->hessian);
    c->rows = calloc(rows + 1, sizeof *c->rows);
    if (!c->x || !c->g || !c->hessian || !c->rows)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    if (n > 0)
        memcpy(c->x, c->f.values, n * sizeof *c->x);
    return CT_OK;
}

static ct_status check(checking *c, ct_diag *diag)
{
    CT_TRY(formula_record(&c->f, c->s->expression, &c->s->assignments, true, diag));
    CT_TRY(allocate(c, diag));
    CT_TRY(formula_capture(&c->f, &c->function, &c->workspace, diag));
    const size_t n = c->f.n;
    for (size_t i = 0; i < n; i++)
        compare(c, i, SIZE_MAX, bt_gradient(c->f.inputs[i]), differentiated(c, SIZE_MAX, i));
    if (!c->s->hessian)
        return CT_OK;
    CT_TRY(bt_function_hessian(c->function, c->workspace, 0, c->x, NULL, NULL, c->hessian));
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++)
            compare(c, i, j, c->hessian[i * n + j], differentiated(c, i, j));
    return CT_OK;
}

/* "a", "a a", "a b": whose derivative a row is; returns its length. */
static int row_name(char *out, size_t size, const checking *c, const comparison *row)
{
    const bool second = row->j != SIZE_MAX;
    return snprintf(out, size, "%s%s%s", c->f.names[row->i], second ? " " : "",
                    second ? c->f.names[row->j] : "");
}

static void print_table(const checking *c)
{
    int width = 4;
    for (size_t i = 0; i < c->n_rows; i++) {
        const int length = row_name(NULL, 0, c, &c->rows[i]);
        width = length > width ? length : width;
    }
    width = width > 40 ? 40 : width;
    printf("%-*s  %24s  %24s  %14s\n", width, "name", "derivative", "difference", "relative error");
    for (size_t i = 0; i < c->n_rows; i++) {
        const comparison *row = &c->rows[i];
        char name[200], exact[CT_NUMBER_TEXT_SIZE], difference[CT_NUMBER_TEXT_SIZE];
        row_name(name, sizeof name, c, row);
        ct_number_text(exact, row->exact);
        ct_number_text(difference, row->difference);
        printf("%-*s  %24s  %24s  %14.2e%s\n", width, name, exact, difference, row->error,
               row->error <= c->s->tolerance ? "" : "  wrong");
    }
    if (c->wrong)
        printf("%zu of %zu derivatives differ by more than %g\n", c->wrong, c->n_rows,
               c->s->tolerance);
    else
        printf("all %zu derivatives agree within %g\n", c->n_rows, c->s->tolerance);
}

static ct_status print_json(const checking *c, ct_diag *diag)
{
    ct_json *json;
    CT_TRY(burtorch_json_begin(&json, diag));
    ct_json_key(json, "expression");
    ct_json_string(json, c->f.text);
    ct_json_key(json, "tolerance");
    ct_json_number(json, c->s->tolerance);
    ct_json_key(json, "checked");
    ct_json_integer(json, (int64_t)c->n_rows);
    ct_json_key(json, "wrong");
    ct_json_integer(json, (int64_t)c->wrong);
    ct_json_key(json, "worst");
    ct_json_number(json, c->worst);
    ct_json_key(json, "derivatives");
    ct_json_array_begin(json);
    for (size_t i = 0; i < c->n_rows; i++) {
        const comparison *row = &c->rows[i];
        ct_json_object_begin(json);
        ct_json_key(json, "by");
        ct_json_array_begin(json);
        ct_json_string(json, c->f.names[row->i]);
        if (row->j != SIZE_MAX)
            ct_json_string(json, c->f.names[row->j]);
        ct_json_array_end(json);
        ct_json_key(json, "derivative");
        ct_json_number(json, row->exact);
        ct_json_key(json, "difference");
        ct_json_number(json, row->difference);
        ct_json_key(json, "error");
        ct_json_number(json, row->error);
        ct_json_object_end(json);
    }
    ct_json_array_end(json);
    return burtorch_json_print(json, diag);
}

static int run_check(void *settings, const cli_command *command)
{
    (void)command;
    checking c = {.s = settings};
    ct_diag diag = {0};
    ct_status status = check(&c, &diag);
    if (status == CT_OK && c.s->json)
        status = print_json(&c, &diag);
    else if (status == CT_OK)
        print_table(&c);
    bt_workspace_destroy(c.workspace);
    bt_function_destroy(c.function);
    formula_clear(&c.f);
    free(c.x);
    free(c.g);
    free(c.hessian);
    free(c.rows);
    if (status != CT_OK)
        return cli_fail(status, &diag);
    return c.wrong ? CLI_EXIT_FAILED : CLI_EXIT_OK;
}

static const cli_option options[] = {
    {.name = "tolerance",
     .type = CLI_REAL,
     .offset = offsetof(check_settings, tolerance),
     .value = "X",
     .preset = "1e-6",
     .min = 0,
     .max = INFINITY,
     .open_min = true,
     .help = "Largest relative error, |derivative - difference| / max(1, |derivative|, "
             "|difference|)."},
    {.name = "hessian",
     .type = CLI_FLAG,
     .offset = offsetof(check_settings, hessian),
     .help = "Also second derivatives, against differences of the gradient."},
    {.name = "json",
     .type = CLI_FLAG,
     .offset = offsetof(check_settings, json),
     .help = "Print one JSON object: checked, wrong, worst, derivatives."},
};
static const cli_operand operands[] = {
    {.name = "EXPR",
     .help = "The expression; write -- before one that begins with a minus sign.",
     .offset = offsetof(check_settings, expression)},
    {.name = "NAME=VALUE",
     .help = "An input and its value, a finite number.",
     .repeated = true,
     .optional = true,
     .offset = offsetof(check_settings, assignments)},
};

cli_command burtorch_check(void)
{
    return (cli_command){
        .name = "check",
        .summary = "Compare the gradient of an expression with differences of its values.",
        .description =
            "Prints each derivative of EXPR at the given inputs beside a central difference, "
            "(f(x + h) - f(x - h)) / 2h, extrapolated to h = 0. The exit code is 0 if all agree "
            "within --tolerance, else 1. At a kink, such as relu at 0, they do not: grad --help "
            "says what the derivative is there.\n\n" FORMULA_HELP,
        .examples = "burtorch-cli check 'sin(x) * exp(y)' x=1 y=-0.5\n"
                    "burtorch-cli check --hessian --json 'log(1 + exp(x*y))' x=0.5 y=2",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(check_settings),
        .run = run_check};
}
