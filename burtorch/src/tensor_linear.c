// SPDX-License-Identifier: MIT
/* The dense layer and the copy of a view: shapes and builders. */
#include "graph_private.h"

#include <string.h>

ct_status bt__copy_shape(bt__call *call, ct_diag *diag)
{
    call->out->shape = call->in[0]->shape;
    return bt__want_real(call, 0, diag);
}

ct_status bt__linear_shape(bt__call *call, ct_diag *diag)
{
    const bt_shape *x = &call->in[0]->shape, *w = &call->in[1]->shape;
    bt__node *out = call->out;
    for (size_t j = 0; j < call->n_in; j++)
        CT_TRY(bt__want_real(call, j, diag));
    const bool fits = x->axes >= 1 && w->axes == 2 && x->dims[x->axes - 1] == w->dims[1];
    const bt_shape *b = call->n_in == 3 ? &call->in[2]->shape : NULL;
    if (!fits || (b && (b->axes != 1 || b->dims[0] != w->dims[0])))
        return bt__shapes_differ(call, diag, "x weight bias",
                                 "x (..., K), weight (N, K), bias (N)");
    out->shape = *x;
    out->shape.dims[x->axes - 1] = w->dims[0];
    const size_t bytes = bt__shape_size(&out->shape) * bt__dtype_bytes(out->dtype);
    const bt_activation act = (bt_activation)out->attributes.kind;
    out->product[0] = call->in[0]->size / w->dims[1];
    out->product[1] = w->dims[0];
    out->product[2] = w->dims[1];
    if (act == BT_GELU)
        out->saved_bytes = bytes;
    if (act == BT_GELU || act == BT_IDENTITY)
        out->reads &= ~BT__OUT;
    else
        out->work_bytes = bytes;
    if (act == BT_GELU)
        out->work_bytes = bytes;
    return CT_OK;
}

bt_tensor bt_tensor_linear(bt_tensor x, bt_tensor weight, bt_tensor bias, bt_activation act)
{
    const bt_tensor in[] = {x, weight, bias};
    const bt__attributes attributes = {.kind = (int)act};
    const bool without = bias.index == BT_NO_TENSOR && x.graph && x.graph->status == CT_OK;
    return bt__tensor_record(BT__LINEAR, in, without ? 2 : 3, &attributes, bt_shape0());
}
