// SPDX-License-Identifier: MIT
/* Softmax and normalisations: shapes and builders. */
#include "graph_private.h"
#include "tensor_rows.h"

/* ---- Softmax ---- */

ct_status bt__softmax_shape(bt__call *call, ct_diag *diag)
{
    const bt_shape *x = &call->in[0]->shape;
    CT_TRY(bt__want_real(call, 0, diag));
    if (x->axes < 1)
        return bt__shapes_differ(call, diag, "x", "at least one axis");
    call->out->shape = *x;
    return CT_OK;
}

ct_status bt__log_softmax_shape(bt__call *call, ct_diag *diag)
{
    CT_TRY(bt__softmax_shape(call, diag));
    const bt_shape *x = &call->in[0]->shape;
    const size_t n = x->dims[x->axes - 1], block = bt__rows_at_once(call->in[0]->size / n, n);
    call->out->work_bytes = block * (n + 2) * bt__dtype_bytes(call->out->dtype);
    return CT_OK;
}

bt_tensor bt_tensor_softmax(bt_tensor x)
{
    return bt__tensor_record(BT__SOFTMAX, &x, 1, NULL, bt_shape0());
}

bt_tensor bt_tensor_log_softmax(bt_tensor x)
{
    return bt__tensor_record(BT__LOG_SOFTMAX, &x, 1, NULL, bt_shape0());
}

/* ---- Layer normalisation ---- */

static ct_status check_epsilon(double epsilon, ct_diag *diag)
{
    if (epsilon >= 0)
        return CT_OK;
    return ct_fail(diag, CT_EINVALID, "epsilon %g is not at least 0", epsilon);
}

ct_status bt__layer_norm_shape(bt__call *call, ct_diag *diag)
{
    const bt_shape *x = &call->in[0]->shape;
    bt__node *out = call->out;
    for (size_t j = 0; j < 3; j++)
        CT_TRY(bt__want_real(call, j, diag));
    bool fits = x->axes >= 1;
    for (size_t j = 1; j < 3; j++) {
        const bt_shape *s = &call->in[j]->shape;
        fits = fits && s->axes == 1 && s->dims[0] == x->dims[x->axes - 1];
    }
    if (!fits)
        return bt__shapes_differ(call, diag, "x gamma beta", "x (..., N), gamma (N), beta (N)");
    out->shape = *x;
    out->saved_bytes = 3 * (call->in[0]->size / call->in[1]->size) * bt__dtype_bytes(out->dtype);
    return check_epsilon(out->attributes.real[0], diag);
}

bt_tensor bt_tensor_layer_norm(bt_tensor x, bt_tensor gamma, bt_tensor beta, double epsilon)
{
    const bt_tensor in[] = {x, gamma, beta};
    const bt__attributes attributes = {.real = {epsilon}};
    return bt__tensor_record(BT__LAYER_NORM, in, 3, &attributes, bt_shape0());
}

/* ---- Batch normalisation ---- */

ct_status bt__batch_norm_shape(bt__call *call, ct_diag *diag)
{
    const bt_shape *x = &call->in[0]->shape;
    bt__node *out = call->out;
    const double momentum = out->attributes.real[0];
    for (size_t j = 0; j < 5; j++)
        CT_TRY(bt__want_real(call, j, diag));
    bool fits = x->axes == 2 || x->axes == 4;
    for (size_t j = 1; j < 5; j++) {
        const bt_shape *s = &call->in[j]->shape;
        fits = fits && s->axes == 1 && s->dims[0] == x->dims[1];
    }
    if (!fits)
        return bt__shapes_differ(call, diag, "x gamma beta running_mean running_variance",
                                 "x (B, C) or (B, C, H, W), the others (C)");
    if (call->in[3]->op != BT__BUFFER || call->in[4]->op != BT__BUFFER)
        return ct_fail(diag, CT_EINVALID, "running statistics must be buffers");
    if (!(momentum >= 0 && momentum <= 1))
        return ct_fail(diag, CT_EINVALID, "momentum %g is not in [0, 1]", momentum);
    const size_t bytes = x->dims[1] * bt__dtype_bytes(out->dtype);
    out->shape = *x;
    out->saved_bytes = 3 * bytes;
    out->work_bytes = 5 * bytes;
    return check_epsilon(out->attributes.real[1], diag);
}

bt_tensor bt_tensor_batch_norm(bt_tensor x, bt_tensor gamma, bt_tensor beta, bt_tensor running_mean,
                               bt_tensor running_variance, double momentum, double epsilon)
{
    const bt_tensor in[] = {x, gamma, beta, running_mean, running_variance};
    const bt__attributes attributes = {.real = {momentum, epsilon}};
    return bt__tensor_record(BT__BATCH_NORM, in, 5, &attributes, bt_shape0());
}
