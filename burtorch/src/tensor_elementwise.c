// SPDX-License-Identifier: MIT
/* Elementwise operations on tensors: shapes and builders. */
#include "graph_private.h"

#include <math.h>

/* ---- Shapes ---- */

ct_status bt__unary_shape(bt__call *call, ct_diag *diag)
{
    call->out->shape = call->in[0]->shape;
    return bt__want_real(call, 0, diag);
}

ct_status bt__dropout_shape(bt__call *call, ct_diag *diag)
{
    call->out->saved_bytes = call->in[0]->size;
    return bt__unary_shape(call, diag);
}

/* Axes counted from the end; false: lengths that differ and are not 1. */
static bool broadcast_with(bt_shape *shape, const bt_shape *other)
{
    bt_shape out = shape->axes >= other->axes ? *shape : *other;
    for (size_t back = 1; back <= shape->axes && back <= other->axes; back++) {
        const size_t a = shape->dims[shape->axes - back], b = other->dims[other->axes - back];
        if (a != b && a != 1 && b != 1)
            return false;
        out.dims[out.axes - back] = a == 1 ? b : a;
    }
    *shape = out;
    return true;
}

static ct_status broadcast_all(bt__call *call, ct_diag *diag, const char *names)
{
    bt_shape shape = bt_shape0();
    for (size_t j = 0; j < call->n_in; j++)
        CT_TRY(bt__want_real(call, j, diag));
    for (size_t j = 0; j < call->n_in; j++)
        if (!broadcast_with(&shape, &call->in[j]->shape))
            return bt__shapes_differ(call, diag, names,
                                     "axes from the last on: equal, or one of them 1");
    call->out->shape = shape;
    return CT_OK;
}

ct_status bt__binary_shape(bt__call *call, ct_diag *diag)
{
    return broadcast_all(call, diag, "x z");
}

ct_status bt__select_shape(bt__call *call, ct_diag *diag)
{
    return broadcast_all(call, diag, "condition x z");
}

/* out->shape is the one wanted. */
ct_status bt__broadcast_shape(bt__call *call, ct_diag *diag)
{
    char from[BT_SHAPE_TEXT_SIZE], to[BT_SHAPE_TEXT_SIZE];
    const bt_shape *wanted = &call->out->shape, *x = &call->in[0]->shape;
    bt_shape shape = *wanted;
    CT_TRY(bt__want_real(call, 0, diag));
    if (wanted->axes > BT_MAX_AXES || !broadcast_with(&shape, x) || !bt__same_shape(&shape, wanted))
        return ct_fail(diag, BT_ESHAPE, "%s cannot be repeated to %s", bt_shape_text(from, x),
                       bt_shape_text(to, wanted));
    return CT_OK;
}

/* ---- Builders ---- */

#define UNARY(ID, name)                                                                            \
    bt_tensor bt_tensor_##name(bt_tensor x)                                                        \
    {                                                                                              \
        return bt__tensor_record(BT__##ID, &x, 1, NULL, bt_shape0());                              \
    }
BT_TENSOR_UNARY(UNARY)

#define BINARY(ID, name)                                                                           \
    bt_tensor bt_tensor_##name(bt_tensor x, bt_tensor z)                                           \
    {                                                                                              \
        const bt_tensor in[] = {x, z};                                                             \
        return bt__tensor_record(BT__##ID, in, 2, NULL, bt_shape0());                              \
    }
BT_TENSOR_BINARY(BINARY)

static bt_tensor with_numbers(bt__tensor_op_id op, bt_tensor x, double c, double d)
{
    const bt__attributes attributes = {.real = {c, d}};
    return bt__tensor_record(op, &x, 1, &attributes, bt_shape0());
}

bt_tensor bt_tensor_add_const(bt_tensor x, double c)
{
    return with_numbers(BT__ADD_CONST, x, c, 0);
}

bt_tensor bt_tensor_mul_const(bt_tensor x, double c)
{
    return with_numbers(BT__MUL_CONST, x, c, 0);
}

bt_tensor bt_tensor_pow_const(bt_tensor x, double c)
{
    return with_numbers(BT__POW_CONST, x, c, 0);
}

bt_tensor bt_tensor_clamp(bt_tensor x, double low, double high)
{
    if (x.graph && !(low <= high))
        return bt__graph_fail(x.graph, CT_EINVALID, "clamp: low is above high");
    return with_numbers(BT__CLAMP, x, low, high);
}

bt_tensor bt_tensor_leaky_relu(bt_tensor x, double slope)
{
    return with_numbers(BT__LEAKY_RELU, x, slope, 0);
}

bt_tensor bt_tensor_select(bt_tensor condition, bt_tensor x, bt_tensor z)
{
    const bt_tensor in[] = {condition, x, z};
    return bt__tensor_record(BT__SELECT, in, 3, NULL, bt_shape0());
}

bt_tensor bt_tensor_broadcast(bt_tensor x, bt_shape shape)
{
    return bt__tensor_record(BT__BROADCAST, &x, 1, NULL, shape);
}

bt_tensor bt_tensor_dropout(bt_tensor x, double p)
{
    if (x.graph && !(p >= 0.0 && p < 1.0))
        return bt__graph_fail(x.graph, CT_EINVALID, "dropout: p is not in [0, 1)");
    return with_numbers(BT__DROPOUT, x, p, 0);
}
