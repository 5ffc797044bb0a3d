// SPDX-License-Identifier: MIT
/* gather, concat, and indices as real numbers: shapes and builders. */
#include "graph_private.h"

ct_status bt__gather_shape(bt__call *call, ct_diag *diag)
{
    const bt_shape *x = &call->in[0]->shape;
    CT_TRY(bt__want_real(call, 0, diag));
    CT_TRY(bt__want_indices(call, 1, diag));
    bt_shape rows = *x;
    rows.axes -= x->axes > 0;
    if (x->axes == 0 || !bt__same_shape(&rows, &call->in[1]->shape))
        return bt__shapes_differ(call, diag, "x indices", "x (..., N), indices (...)");
    call->out->shape = rows;
    return CT_OK;
}

/* attributes.kind is the axis; attributes.size becomes {outer, numbers of the result in each}. */
ct_status bt__concat_shape(bt__call *call, ct_diag *diag)
{
    char text[BT_SHAPE_TEXT_SIZE];
    bt__node *out = call->out;
    size_t axis;
    out->shape = call->in[0]->shape;
    if (!bt__axis(&axis, &out->shape, out->attributes.kind))
        return ct_fail(diag, BT_ESHAPE, "%s has no axis %d", bt_shape_text(text, &out->shape),
                       out->attributes.kind);
    out->shape.dims[axis] = 0;
    for (size_t j = 0; j < call->n_in; j++) {
        const bt_shape *x = &call->in[j]->shape;
        bt_shape like = out->shape;
        CT_TRY(bt__want_real(call, j, diag));
        if (x->axes == like.axes)
            like.dims[axis] = x->dims[axis];
        if (!bt__same_shape(x, &like))
            return bt__shapes_differ(call, diag, "x0 x1 x2 x3 x4 x5 x6 x7",
                                     "they may differ in one axis");
        out->shape.dims[axis] += x->dims[axis];
    }
    out->attributes.size[0] = out->attributes.size[1] = 1;
    for (size_t i = 0; i < out->shape.axes; i++)
        out->attributes.size[i < axis ? 0 : 1] *= out->shape.dims[i];
    return CT_OK;
}

ct_status bt__real_shape(bt__call *call, ct_diag *diag)
{
    call->out->shape = call->in[0]->shape;
    return bt__want_indices(call, 0, diag);
}

bt_tensor bt_tensor_real(bt_tensor indices)
{
    return bt__tensor_record(BT__REAL, &indices, 1, NULL, bt_shape0());
}

bt_tensor bt_tensor_gather(bt_tensor x, bt_tensor indices)
{
    const bt_tensor in[] = {x, indices};
    return bt__tensor_record(BT__GATHER, in, 2, NULL, bt_shape0());
}

bt_tensor bt_tensor_concat(const bt_tensor *x, size_t n, int axis)
{
    const bt__attributes attributes = {.kind = axis};
    if (n == 0)
        return bt_tensor_none(NULL);
    if (n > BT__MAX_INPUTS && x[0].graph)
        return bt__graph_fail(x[0].graph, CT_EINVALID, "concat: more than 8 tensors");
    return bt__tensor_record(BT__CONCAT, x, n, &attributes, bt_shape0());
}
