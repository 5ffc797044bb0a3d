// SPDX-License-Identifier: MIT
/* Reductions of tensors: shapes and builders. attributes.kind is the axis; attributes.size becomes
 * {outer, n, inner}. */
#include "graph_private.h"

#include <stdint.h>

static void split_at(bt__node *out, const bt_shape *x, size_t axis)
{
    size_t *size = out->attributes.size;
    size[0] = size[2] = 1;
    size[1] = x->dims[axis];
    for (size_t i = 0; i < axis; i++)
        size[0] *= x->dims[i];
    for (size_t i = axis + 1; i < x->axes; i++)
        size[2] *= x->dims[i];
    out->shape.axes = x->axes - 1;
    for (size_t i = 0; i < out->shape.axes; i++)
        out->shape.dims[i] = x->dims[i < axis ? i : i + 1];
}

ct_status bt__reduce_shape(bt__call *call, ct_diag *diag)
{
    char text[BT_SHAPE_TEXT_SIZE];
    const bt_shape *x = &call->in[0]->shape;
    bt__node *out = call->out;
    const int wanted = out->attributes.kind;
    size_t axis;
    CT_TRY(bt__want_real(call, 0, diag));
    if (wanted == BT_ALL_AXES) {
        out->shape = bt_shape0();
        out->attributes.size[0] = out->attributes.size[2] = 1;
        out->attributes.size[1] = call->in[0]->size;
        return CT_OK;
    }
    if (!bt__axis(&axis, x, wanted))
        return ct_fail(diag, BT_ESHAPE, "%s has no axis %d", bt_shape_text(text, x), wanted);
    split_at(out, x, axis);
    return CT_OK;
}

ct_status bt__variance_shape(bt__call *call, ct_diag *diag)
{
    CT_TRY(bt__reduce_shape(call, diag));
    call->out->saved_bytes = bt__shape_size(&call->out->shape) * bt__dtype_bytes(call->out->dtype);
    return CT_OK;
}

/* Places are kept as u32. */
ct_status bt__extreme_shape(bt__call *call, ct_diag *diag)
{
    char text[BT_SHAPE_TEXT_SIZE];
    CT_TRY(bt__reduce_shape(call, diag));
    if (call->out->attributes.size[1] > UINT32_MAX)
        return ct_fail(diag, BT_ESHAPE, "%s: more than 2^32 - 1 elements to choose from",
                       bt_shape_text(text, &call->in[0]->shape));
    call->out->saved_bytes = bt__shape_size(&call->out->shape) * sizeof(uint32_t);
    return CT_OK;
}

ct_status bt__argmax_shape(bt__call *call, ct_diag *diag)
{
    CT_TRY(bt__extreme_shape(call, diag));
    call->out->saved_bytes = 0;
    call->out->dtype = BT_U32;
    return CT_OK;
}

static bt_tensor reduce(bt__tensor_op_id op, bt_tensor x, int axis)
{
    const bt__attributes attributes = {.kind = axis};
    return bt__tensor_record(op, &x, 1, &attributes, bt_shape0());
}

bt_tensor bt_tensor_sum(bt_tensor x, int axis)
{
    return reduce(BT__SUM, x, axis);
}

bt_tensor bt_tensor_mean(bt_tensor x, int axis)
{
    return reduce(BT__MEAN, x, axis);
}

bt_tensor bt_tensor_reduce_max(bt_tensor x, int axis)
{
    return reduce(BT__REDUCE_MAX, x, axis);
}

bt_tensor bt_tensor_reduce_min(bt_tensor x, int axis)
{
    return reduce(BT__REDUCE_MIN, x, axis);
}

bt_tensor bt_tensor_variance(bt_tensor x, int axis)
{
    return reduce(BT__VARIANCE, x, axis);
}

bt_tensor bt_tensor_norm(bt_tensor x, int axis)
{
    return reduce(BT__NORM, x, axis);
}

bt_tensor bt_tensor_log_sum_exp(bt_tensor x, int axis)
{
    return reduce(BT__LOG_SUM_EXP, x, axis);
}

bt_tensor bt_tensor_argmax(bt_tensor x)
{
    return reduce(BT__ARGMAX, x, -1);
}
