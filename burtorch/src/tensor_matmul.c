// SPDX-License-Identifier: MIT
/* Matrix products with broadcast leading axes: shape and builder. */
#include "graph_private.h"

#include "tensor_matrix.h"

ct_status bt__matmul_shape(bt__call *call, ct_diag *diag)
{
    const bt_shape *x = &call->in[0]->shape, *z = &call->in[1]->shape;
    bt__node *out = call->out;
    CT_TRY(bt__want_real(call, 0, diag));
    CT_TRY(bt__want_real(call, 1, diag));
    bool fits = x->axes >= 2 && z->axes >= 2 && x->dims[x->axes - 1] == z->dims[z->axes - 2];
    out->shape = x->axes >= z->axes ? *x : *z;
    for (size_t back = 3; fits && back <= x->axes && back <= z->axes; back++) {
        const size_t a = x->dims[x->axes - back], b = z->dims[z->axes - back];
        fits = a == b || a == 1 || b == 1;
        out->shape.dims[out->shape.axes - back] = a == 1 ? b : a;
    }
    if (!fits)
        return bt__shapes_differ(call, diag, "x z", "(..., M, K) times (..., K, N)");
    const size_t axes = out->shape.axes;
    out->shape.dims[axes - 2] = x->dims[x->axes - 2];
    out->shape.dims[axes - 1] = z->dims[z->axes - 1];
    out->product[0] =
        z->axes == 2 ? call->in[0]->size / x->dims[x->axes - 1] : out->shape.dims[axes - 2];
    out->product[1] = out->shape.dims[axes - 1];
    out->product[2] = x->dims[x->axes - 1];
    return CT_OK;
}

/* A view that a product cannot take as it lies is copied. */
static bt_tensor as_matrix(bt_tensor x)
{
    bool transposed;
    size_t ld;
    const bt__node *node = bt__node_of(x);
    if (!node || node->shape.axes < 2 || bt__matrix_lies(node, &transposed, &ld))
        return x;
    return bt__tensor_record(BT__COPY, &x, 1, NULL, bt_shape0());
}

bt_tensor bt_tensor_matmul(bt_tensor x, bt_tensor z)
{
    const bt_tensor in[] = {as_matrix(x), as_matrix(z)};
    return bt__tensor_record(BT__MATMUL, in, 2, NULL, bt_shape0());
}
