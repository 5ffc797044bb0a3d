// SPDX-License-Identifier: MIT
/* Any text is an expression or an error with its place; what parses can be recorded and swept. */
#include <burtorch/expression.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void record(bt_expression *e)
{
    bt_tape *tape;
    if (bt_tape_create(&tape) != CT_OK)
        return;
    const bt_var inputs[2] = {bt_variable(tape, 0.5), bt_variable(tape, -2)};
    const bt_var result = bt_expression_record(e, tape, inputs);
    if (bt_backward(result) != CT_OK || result.tape != tape)
        abort();
    for (size_t i = 0; i < bt_expression_assigned(e); i++)
        if (bt_expression_assigned_var(e, i).tape != tape)
            abort();
    bt_tape_destroy(tape);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"a", "b"};
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    bt_expression *e;
    ct_diag diag;
    const ct_status status = bt_expression_parse(&e, text, names, 2, &diag);
    if (status == CT_OK)
        record(e);
    else if (status == BT_EEXPRESSION && strncmp(diag.text, "expression:", 11) != 0)
        abort();
    bt_expression_destroy(e);
    free(text);
    return 0;
}
