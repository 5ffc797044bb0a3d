// SPDX-License-Identifier: MIT
/* Multi-head self-attention: shape and builder. */
#include "tensor_attention.h"

#include "graph_private.h"

ct_status bt__attention_shape(bt__call *call, ct_diag *diag)
{
    const bt_shape *qkv = &call->in[0]->shape;
    const size_t heads = call->out->attributes.size[0], bytes = bt__dtype_bytes(call->out->dtype);
    char text[BT_SHAPE_TEXT_SIZE];
    CT_TRY(bt__want_real(call, 0, diag));
    if (heads == 0 || heads > SIZE_MAX / 3 || qkv->axes != 3 || qkv->dims[2] % (3 * heads) != 0)
        return ct_fail(diag, BT_ESHAPE,
                       "qkv %s does not fit %zu heads (qkv (B, T, 3 D), heads divide D)",
                       bt_shape_text(text, qkv), heads);
    const bt__attention a = bt__attention_of(call->out, qkv);
    call->out->shape = bt_shape3(a.batch, a.positions, qkv->dims[2] / 3);
    call->out->work_bytes = bt__attention_work(&a) * (a.in_lanes ? 64 : bytes);
    call->out->product[0] = BT__ATTENTION_ROWS;
    call->out->product[1] = a.positions;
    call->out->product[2] = a.width;
    return CT_OK;
}

bt_tensor bt_tensor_attention(bt_tensor qkv, size_t heads, bool causal)
{
    const bt__attributes attributes = {.size = {heads}, .kind = causal};
    return bt__tensor_record(BT__ATTENTION, &qkv, 1, &attributes, bt_shape0());
}
