// SPDX-License-Identifier: MIT
/* gather, an element of each row by its index, and concat, tensors one behind the other. */
#include "op.h"

static ct_status gather_forward(const bt__call *call, ct_diag *diag)
{
    const uint32_t *index = INDICES(call->in[1]);
    const size_t rows = call->out->size, n = call->in[0]->size / rows;
    const T *x = VALUE(call->in[0]);
    T *y = VALUE(call->out);
    for (size_t r = 0; r < rows; r++) {
        if (index[r] >= n)
            return ct_fail(diag, CT_ERANGE, "index %u in a row of %zu", index[r], n);
        y[r] = x[r * n + index[r]];
    }
    return CT_OK;
}

/* The planner zeroes the gradient before, where nothing was added to it yet. */
static void gather_backward(const bt__call *call)
{
    const uint32_t *index = INDICES(call->in[1]);
    const size_t rows = call->out->size, n = call->in[0]->size / rows;
    const T *dy = GRADIENT(call->out);
    T *dx = GRADIENT(call->in[0]);
    for (size_t r = 0; r < rows; r++)
        dx[r * n + index[r]] += dy[r];
}

/* attributes.size: {outer, numbers of the result in each}. */
static ct_status concat_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const size_t outer = call->out->attributes.size[0], width = call->out->attributes.size[1];
    T *y = VALUE(call->out);
    for (size_t j = 0; j < call->n_in; j++) {
        const size_t n = call->in[j]->size / outer;
        const T *x = VALUE(call->in[j]);
        for (size_t o = 0; o < outer; o++)
            memcpy(y + o * width, x + o * n, n * sizeof(T));
        y += n;
    }
    return CT_OK;
}

static void concat_backward(const bt__call *call)
{
    const size_t outer = call->out->attributes.size[0], width = call->out->attributes.size[1];
    const T *restrict dy = GRADIENT(call->out);
    for (size_t j = 0; j < call->n_in; j++) {
        const size_t n = call->in[j]->size / outer;
        T *restrict dx = GRADIENT(call->in[j]);
        for (size_t o = 0; BT__WANTS(call, j) && o < outer; o++) {
            if (BT__OVERWRITES(call, j))
                memset(dx + o * n, 0, n * sizeof(T));
            BT__SIMD_LOOP
            for (size_t i = 0; i < n; i++)
                dx[o * n + i] += dy[o * width + i];
        }
        dy += n;
    }
}

const bt__op_code BT__CODE(gather) = {gather_forward, gather_backward};
static ct_status real_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const uint32_t *x = INDICES(call->in[0]);
    T *y = VALUE(call->out);
    BT__SIMD_LOOP
    for (size_t i = 0; i < call->out->size; i++)
        y[i] = (T)x[i];
    return CT_OK;
}

const bt__op_code BT__CODE(real) = {real_forward, NULL};
const bt__op_code BT__CODE(concat) = {concat_forward, concat_backward};
