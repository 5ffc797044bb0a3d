// SPDX-License-Identifier: MIT
/* out[i] = table[index[i]]; backward adds rows where they came from, in the order of i. The planner
 * zeroes the table's gradient before. */
#include "op.h"

static ct_status embedding_forward(const bt__call *call, ct_diag *diag)
{
    const size_t rows = call->in[0]->shape.dims[0], width = call->in[0]->shape.dims[1];
    const size_t n = call->in[1]->size;
    const uint32_t *index = INDICES(call->in[1]);
    const T *table = VALUE(call->in[0]);
    T *y = VALUE(call->out);
    for (size_t i = 0; i < n; i++, y += width) {
        if (index[i] >= rows)
            return ct_fail(diag, CT_ERANGE, "index %u in a table of %zu rows", index[i], rows);
        const T *row = table + index[i] * width;
        BT__SIMD_LOOP
        for (size_t k = 0; k < width; k++)
            y[k] = row[k];
    }
    return CT_OK;
}

static void embedding_backward(const bt__call *call)
{
    const size_t width = call->in[0]->shape.dims[1], n = call->in[1]->size;
    const uint32_t *index = INDICES(call->in[1]);
    const T *dy = GRADIENT(call->out);
    for (size_t i = 0; i < n; i++, dy += width) {
        T *row = GRADIENT(call->in[0]) + index[i] * width;
        BT__SIMD_LOOP
        for (size_t k = 0; k < width; k++)
            row[k] += dy[k];
    }
}

const bt__op_code BT__CODE(embedding) = {embedding_forward, embedding_backward};
