// SPDX-License-Identifier: MIT
/* y = x W^T + b for x (..., K), W (N, K), b (N): the leading axes of x are taken as one, M. */
#include "graph_private.h"

#include <ctrain/kernels.h>
#include <string.h>

ct_status bt__linear_shape(bt__call *call, ct_diag *diag)
{
    const bt_shape *x = &call->in[0]->shape, *w = &call->in[1]->shape, *b = &call->in[2]->shape;
    char x_text[BT__SHAPE_TEXT_SIZE], w_text[BT__SHAPE_TEXT_SIZE], b_text[BT__SHAPE_TEXT_SIZE];
    for (size_t i = 0; i < 3; i++)
        if (call->in[i]->dtype != BT__F32)
            return ct_fail(diag, BT_ESHAPE, "an operand holds indices");
    if (x->axes < 1 || w->axes != 2 || b->axes != 1 || x->dims[x->axes - 1] != w->dims[1] ||
        b->dims[0] != w->dims[0])
        return ct_fail(diag, BT_ESHAPE,
                       "x %s, weight %s and bias %s do not fit (x (..., K), weight (N, K), bias "
                       "(N))",
                       bt__shape_text(x_text, x), bt__shape_text(w_text, w),
                       bt__shape_text(b_text, b));
    call->out->shape = *x;
    call->out->shape.dims[x->axes - 1] = w->dims[0];
    return CT_OK;
}

ct_status bt__linear_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const size_t n = call->in[1]->shape.dims[0], k = call->in[1]->shape.dims[1];
    const size_t m = call->out->size / n;
    for (size_t i = 0; i < m; i++)
        memcpy(call->out->f32 + i * n, call->in[2]->f32, n * sizeof(float));
    bt__gemm_f32(call->use_blas, false, true, m, n, k, call->in[0]->f32, k, call->in[1]->f32, k,
                 true, call->out->f32);
    return CT_OK;
}

void bt__linear_backward(const bt__call *call)
{
    const size_t n = call->in[1]->shape.dims[0], k = call->in[1]->shape.dims[1];
    const size_t m = call->out->size / n;
    const float *x = call->in[0]->f32, *w = call->in[1]->f32, *dy = call->out->gradient;
    float *dx = call->in[0]->gradient, *dw = call->in[1]->gradient, *db = call->in[2]->gradient;
    if (dx)
        bt__gemm_f32(call->use_blas, false, false, m, k, n, dy, n, w, k, true, dx);
    if (dw)
        bt__gemm_f32(call->use_blas, true, false, n, k, m, dy, n, x, k, true, dw);
    for (size_t i = 0; db && i < m; i++)
        ct_kernels_get()->f32.axpy(db, 1.0f, dy + i * n, n);
}
