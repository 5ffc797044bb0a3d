// SPDX-License-Identifier: MIT
/* The table of operations on tensors, the two that are too small for a file of their own, and the
 * choice between our matrix product and that of BLAS. */
#include "graph_private.h"

#include <ctrain/blas.h>
#include <ctrain/kernels.h>

bool bt__gemm_is_large(size_t m, size_t n, size_t k)
{
    return (double)m * (double)n * (double)k > 128.0 * 128.0 * 128.0;
}

void bt__gemm_f32(bool use_blas, bool ta, bool tb, size_t m, size_t n, size_t k, const float *a,
                  size_t lda, const float *b, size_t ldb, bool accumulate, float *c)
{
    if (use_blas && bt__gemm_is_large(m, n, k))
        ct_blas_gemm_f32(ta, tb, m, n, k, 1.0f, a, lda, b, ldb, accumulate ? 1.0f : 0.0f, c, n);
    else
        ct_kernels_get()->f32.gemm(ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, n);
}

static size_t elements(const bt_shape *shape)
{
    size_t n = 1;
    for (size_t i = 0; i < shape->axes && n; i++)
        if (!ct_mul_size(&n, n, shape->dims[i]))
            return 0;
    return n;
}

/* out->shape is what was asked for. */
static ct_status reshape_shape(bt__call *call, ct_diag *diag)
{
    char from[BT__SHAPE_TEXT_SIZE], to[BT__SHAPE_TEXT_SIZE];
    if (call->out->shape.axes > BT_MAX_AXES)
        return ct_fail(diag, BT_ESHAPE, "more than %d axes", BT_MAX_AXES);
    if (elements(&call->out->shape) != call->in[0]->size)
        return ct_fail(diag, BT_ESHAPE, "%s does not have the elements of %s",
                       bt__shape_text(to, &call->out->shape),
                       bt__shape_text(from, &call->in[0]->shape));
    call->out->dtype = call->in[0]->dtype;
    call->out->is_view = true;
    return CT_OK;
}

static ct_status tanh_shape(bt__call *call, ct_diag *diag)
{
    if (call->in[0]->dtype != BT__F32)
        return ct_fail(diag, BT_ESHAPE, "the operand holds indices");
    call->out->shape = call->in[0]->shape;
    return CT_OK;
}

static ct_status tanh_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    ct_kernels_get()->f32.tanh(call->out->f32, call->in[0]->f32, call->out->size);
    return CT_OK;
}

static void tanh_backward(const bt__call *call)
{
    const float *y = call->out->f32, *dy = call->out->gradient;
    float *dx = call->in[0]->gradient;
    for (size_t i = 0; i < call->out->size; i++)
        dx[i] += dy[i] * (1.0f - y[i]) * (1.0f + y[i]);
}

const bt__tensor_op bt__tensor_ops[BT__TENSOR_OPS] = {
    [BT__INPUT] = {.name = "input"},
    [BT__PARAMETER] = {.name = "parameter"},
    [BT__RESHAPE] = {"reshape", 1, reshape_shape, NULL, NULL, "f6x4"},
    [BT__EMBEDDING] = {"embedding", 2, bt__embedding_shape, bt__embedding_forward,
                       bt__embedding_backward, "f7x3 u2x5<7"},
    [BT__LINEAR] = {"linear", 3, bt__linear_shape, bt__linear_forward, bt__linear_backward,
                    "f2x3x5 f4x5 f4"},
    [BT__TANH] = {"tanh", 1, tanh_shape, tanh_forward, tanh_backward, "f3x7"},
    [BT__CROSS_ENTROPY] = {"cross_entropy", 2, bt__cross_entropy_shape, bt__cross_entropy_forward,
                           bt__cross_entropy_backward, "f6x5 u6<5"},
};
