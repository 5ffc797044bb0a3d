// SPDX-License-Identifier: MIT
/* y = act(x W^T + b) for x (..., K), W (N, K), b (N): the leading axes of x are taken as one, M.
 *
 * Backward turns the gradient of y into that of x W^T + b in place (in scratch where the user keeps
 * it), from y, or for gelu from the derivative that forward saved. */
#include "op.h"

#include "activation.h"

static size_t rows_of(const bt__call *call)
{
    return call->out->size / call->in[1]->shape.dims[0];
}

static ct_status linear_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const size_t n = call->in[1]->shape.dims[0], k = call->in[1]->shape.dims[1];
    const size_t m = rows_of(call);
    const bt_activation act = (bt_activation)call->out->attributes.kind;
    T *y = VALUE(call->out), *z = act == BT_GELU ? SAVED(call->out) : y;
    const bool bias = call->n_in == 3;
    for (size_t i = 0; bias && i < m; i++)
        memcpy(z + i * n, VALUE(call->in[2]), n * sizeof(T));
    GEMM(call, false, true, m, n, k, VALUE(call->in[0]), k, VALUE(call->in[1]), k, bias, z, n);
    activate(act, y, z, m * n);
    return CT_OK;
}

/* db = sum of the rows of dz, added in their order. */
static void bias_gradient(T *restrict db, const T *restrict dz, size_t m, size_t n, bool set)
{
    if (set)
        memset(db, 0, n * sizeof(T));
    for (size_t i = 0; i < m; i++) {
        BT__SIMD_LOOP
        for (size_t j = 0; j < n; j++)
            db[j] += dz[i * n + j];
    }
}

static void linear_backward(const bt__call *call)
{
    const size_t n = call->in[1]->shape.dims[0], k = call->in[1]->shape.dims[1];
    const size_t m = rows_of(call);
    const bt_activation act = (bt_activation)call->out->attributes.kind;
    T *dz = GRADIENT(call->out);
    if (act != BT_IDENTITY) {
        const T *from = act == BT_GELU ? SAVED(call->out) : VALUE(call->out);
        T *to = call->out->keep ? call->work : dz;
        deactivate(act, to, dz, from, m * n);
        dz = to;
    }
    if (BT__WANTS(call, 0))
        GEMM(call, false, false, m, k, n, dz, n, VALUE(call->in[1]), k, !BT__OVERWRITES(call, 0),
             GRADIENT(call->in[0]), k);
    if (BT__WANTS(call, 1))
        GEMM(call, true, false, n, k, m, dz, n, VALUE(call->in[0]), k, !BT__OVERWRITES(call, 1),
             GRADIENT(call->in[1]), k);
    if (BT__WANTS(call, 2))
        bias_gradient(GRADIENT(call->in[2]), dz, m, n, BT__OVERWRITES(call, 2));
}

const bt__op_code BT__CODE(linear) = {linear_forward, linear_backward};
