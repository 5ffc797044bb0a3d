// SPDX-License-Identifier: MIT
/* The expression and the inputs that grad, check and emit-c are given, recorded on a tape; and the
 * JSON object a command prints. */
#include "burtorch/burtorch_cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void formula_clear(formula *f)
{
    bt_tape_destroy(f->tape);
    bt_expression_destroy(f->expression);
    for (size_t i = 0; f->names && i < f->n; i++)
        free(f->names[i]);
    free(f->names);
    free(f->values);
    free(f->inputs);
}

/* Split "name=value"; the name itself is checked by bt_expression_parse. */
static ct_status parse_value(formula *f, size_t i, const char *text, size_t *name_length,
                             ct_diag *diag)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return ct_fail(diag, CT_EINVALID, "'%.60s' should be NAME=VALUE", text);
    char *end;
    f->values[i] = strtod(equals + 1, &end);
    const bool space = equals[1] == ' ' || (equals[1] >= '\t' && equals[1] <= '\r');
    if (end == equals + 1 || *end != '\0' || space || !isfinite(f->values[i]))
        return ct_fail(diag, CT_EINVALID, "'%.60s': '%.60s' is not a finite number", text,
                       equals + 1);
    *name_length = (size_t)(equals - text);
    return CT_OK;
}

static ct_status parse_inputs(formula *f, const cli_operands *inputs, bool values, ct_diag *diag)
{
    f->n = inputs->n;
    f->names = calloc(f->n + 1, sizeof *f->names);
    f->values = calloc(f->n + 1, sizeof *f->values);
    f->inputs = calloc(f->n + 1, sizeof *f->inputs);
    if (!f->names || !f->values || !f->inputs)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    for (size_t i = 0; i < f->n; i++) {
        size_t length = strlen(inputs->items[i]);
        if (values)
            CT_TRY(parse_value(f, i, inputs->items[i], &length, diag));
        f->names[i] = strndup(inputs->items[i], length);
        if (!f->names[i])
            return ct_fail(diag, CT_ENOMEM, "out of memory");
    }
    return CT_OK;
}

ct_status formula_record(formula *f, const char *text, const cli_operands *inputs, bool values,
                         ct_diag *diag)
{
    f->text = text;
    CT_TRY(parse_inputs(f, inputs, values, diag));
    CT_TRY(bt_expression_parse(&f->expression, text, (const char *const *)f->names, f->n, diag));
    CT_TRY(bt_tape_create(&f->tape));
    for (size_t i = 0; i < f->n; i++)
        f->inputs[i] = bt_variable(f->tape, f->values[i]);
    f->result = bt_expression_record(f->expression, f->tape, f->inputs);
    const ct_status status = bt_backward(f->result);
    return status == CT_OK ? CT_OK : ct_fail(diag, status, "%s", bt_tape_message(f->tape));
}

ct_status formula_capture(const formula *f, bt_function **out, bt_workspace **workspace,
                          ct_diag *diag)
{
    *workspace = NULL;
    CT_TRY(bt_function_capture(out, f->inputs, f->n, &f->result, 1, diag));
    return bt_workspace_create(workspace, *out);
}

const char *formula_name(const formula *f)
{
    const char *name = bt_expression_result_name(f->expression);
    return name ? name : "";
}

/* ---- JSON ---- */

ct_status burtorch_json_begin(ct_json **out, ct_diag *diag)
{
    if (ct_json_create(out) != CT_OK)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    ct_json_object_begin(*out);
    ct_json_key(*out, "program");
    ct_json_string(*out, BURTORCH_PROGRAM);
    return CT_OK;
}

ct_status burtorch_json_print(ct_json *json, ct_diag *diag)
{
    ct_json_object_end(json);
    const char *text = ct_json_text(json);
    const ct_status status = text ? CT_OK : ct_fail(diag, CT_ENOMEM, "out of memory");
    if (text)
        puts(text);
    ct_json_destroy(json);
    return status;
}
