// SPDX-License-Identifier: MIT
/* Rows of a table by indices: shape and builder. */
#include "graph_private.h"

ct_status bt__embedding_shape(bt__call *call, ct_diag *diag)
{
    const bt_shape *table = &call->in[0]->shape, *indices = &call->in[1]->shape;
    CT_TRY(bt__want_real(call, 0, diag));
    CT_TRY(bt__want_indices(call, 1, diag));
    if (table->axes != 2 || indices->axes >= BT_MAX_AXES)
        return bt__shapes_differ(call, diag, "table indices",
                                 "table (V, E), indices of at most 3 axes");
    call->out->shape = *indices;
    call->out->shape.dims[call->out->shape.axes++] = table->dims[1];
    return CT_OK;
}

bt_tensor bt_tensor_embedding(bt_tensor table, bt_tensor indices)
{
    const bt_tensor in[] = {table, indices};
    return bt__tensor_record(BT__EMBEDDING, in, 2, NULL, bt_shape0());
}
