// SPDX-License-Identifier: MIT
/* Rows of a table (V, E) by indices: out[i] = table[index[i]]; backward adds rows where they came
 * from. */
#include "graph_private.h"

#include <ctrain/kernels.h>
#include <string.h>

ct_status bt__embedding_shape(bt__call *call, ct_diag *diag)
{
    const bt_shape *table = &call->in[0]->shape, *index = &call->in[1]->shape;
    char table_text[BT__SHAPE_TEXT_SIZE], index_text[BT__SHAPE_TEXT_SIZE];
    if (call->in[0]->dtype != BT__F32 || call->in[1]->dtype != BT__U32)
        return ct_fail(diag, BT_ESHAPE, "wants a table of f32 and indices of u32");
    if (table->axes != 2 || index->axes >= BT_MAX_AXES)
        return ct_fail(diag, BT_ESHAPE, "table %s and indices %s do not fit (table (V, E))",
                       bt__shape_text(table_text, table), bt__shape_text(index_text, index));
    call->out->shape = *index;
    call->out->shape.dims[call->out->shape.axes++] = table->dims[1];
    return CT_OK;
}

ct_status bt__embedding_forward(const bt__call *call, ct_diag *diag)
{
    const size_t rows = call->in[0]->shape.dims[0], width = call->in[0]->shape.dims[1];
    const uint32_t *index = call->in[1]->u32;
    for (size_t i = 0; i < call->in[1]->size; i++) {
        if (index[i] >= rows)
            return ct_fail(diag, CT_ERANGE, "index %u in a table of %zu rows", index[i], rows);
        memcpy(call->out->f32 + i * width, call->in[0]->f32 + index[i] * width,
               width * sizeof(float));
    }
    return CT_OK;
}

void bt__embedding_backward(const bt__call *call)
{
    const size_t width = call->in[0]->shape.dims[1];
    const uint32_t *index = call->in[1]->u32;
    const float *dy = call->out->gradient;
    for (size_t i = 0; i < call->in[1]->size; i++)
        ct_kernels_get()->f32.axpy(call->in[0]->gradient + index[i] * width, 1.0f, dy + i * width,
                                   width);
}
