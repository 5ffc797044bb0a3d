// SPDX-License-Identifier: MIT
/* Losses: shapes and builders. */
#include "graph_private.h"
#include "tensor_rows.h"

ct_status bt__cross_entropy_shape(bt__call *call, ct_diag *diag)
{
    const bt_shape *logits = &call->in[0]->shape, *targets = &call->in[1]->shape;
    bt__node *out = call->out;
    CT_TRY(bt__want_real(call, 0, diag));
    CT_TRY(bt__want_indices(call, 1, diag));
    bool fits = logits->axes == targets->axes + 1;
    for (size_t a = 0; fits && a < targets->axes; a++)
        fits = logits->dims[a] == targets->dims[a];
    if (!fits)
        return bt__shapes_differ(call, diag, "logits targets", "logits (..., V), targets (...)");
    const size_t rows = call->in[1]->size, n = call->in[0]->size / rows;
    const size_t bytes = bt__dtype_bytes(out->dtype);
    out->shape = bt_shape0();
    out->saved_bytes = 2 * rows * bytes;
    out->work_bytes = bt__rows_at_once(rows, n) * n * bytes;
    return CT_OK;
}

static ct_status same_shapes(bt__call *call, ct_diag *diag, const char *names)
{
    CT_TRY(bt__want_real(call, 0, diag));
    CT_TRY(bt__want_real(call, 1, diag));
    if (!bt__same_shape(&call->in[0]->shape, &call->in[1]->shape))
        return bt__shapes_differ(call, diag, names, "they must be the same");
    call->out->shape = bt_shape0();
    return CT_OK;
}

ct_status bt__mse_shape(bt__call *call, ct_diag *diag)
{
    return same_shapes(call, diag, "x target");
}

ct_status bt__binary_cross_entropy_shape(bt__call *call, ct_diag *diag)
{
    return same_shapes(call, diag, "logits target");
}

bt_tensor bt_tensor_cross_entropy(bt_tensor logits, bt_tensor targets)
{
    const bt_tensor in[] = {logits, targets};
    return bt__tensor_record(BT__CROSS_ENTROPY, in, 2, NULL, bt_shape0());
}

bt_tensor bt_tensor_mse(bt_tensor x, bt_tensor target)
{
    const bt_tensor in[] = {x, target};
    return bt__tensor_record(BT__MSE, in, 2, NULL, bt_shape0());
}

bt_tensor bt_tensor_binary_cross_entropy(bt_tensor logits, bt_tensor target)
{
    const bt_tensor in[] = {logits, target};
    return bt__tensor_record(BT__BINARY_CROSS_ENTROPY, in, 2, NULL, bt_shape0());
}
