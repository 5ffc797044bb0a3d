// SPDX-License-Identifier: MIT
/* Softmax and cross-entropy as one operation: forward leaves the probabilities p, and the gradient
 * by a row of logits is (p - e_target) / rows that count. */
#include "graph_private.h"

#include <ctrain/kernels.h>
#include <math.h>
#include <string.h>

ct_status bt__cross_entropy_shape(bt__call *call, ct_diag *diag)
{
    const bt_shape *logits = &call->in[0]->shape, *targets = &call->in[1]->shape;
    char logits_text[BT__SHAPE_TEXT_SIZE], targets_text[BT__SHAPE_TEXT_SIZE];
    if (call->in[0]->dtype != BT__F32 || call->in[1]->dtype != BT__U32)
        return ct_fail(diag, BT_ESHAPE, "wants logits of f32 and targets of u32");
    bool fits = logits->axes == targets->axes + 1;
    for (size_t i = 0; fits && i < targets->axes; i++)
        fits = logits->dims[i] == targets->dims[i];
    if (!fits)
        return ct_fail(diag, BT_ESHAPE,
                       "logits %s and targets %s do not fit (logits (..., V), targets (...))",
                       bt__shape_text(logits_text, logits), bt__shape_text(targets_text, targets));
    call->out->shape = bt_shape0();
    call->out->scratch_size = call->in[0]->size;
    return CT_OK;
}

static size_t count_targets(const bt__call *call)
{
    size_t n = 0;
    for (size_t i = 0; i < call->in[1]->size; i++)
        n += call->in[1]->u32[i] != BT_IGNORE;
    return n;
}

/* p = softmax(x); returns -log p[target]. */
static float row_loss(float *p, const float *x, size_t n, uint32_t target)
{
    const ct_kernels *k = ct_kernels_get();
    const float max = k->f32.max(x, n);
    for (size_t i = 0; i < n; i++)
        p[i] = x[i] - max;
    const float shifted = p[target];
    k->f32.exp(p, p, n);
    const float sum = k->f32.sum(p, n);
    k->f32.scal(p, 1.0f / sum, n);
    return logf(sum) - shifted;
}

ct_status bt__cross_entropy_forward(const bt__call *call, ct_diag *diag)
{
    const bt__node *logits = call->in[0], *targets = call->in[1];
    const size_t n = logits->size / targets->size, rows = count_targets(call);
    double sum = 0.0;
    for (size_t i = 0; i < targets->size; i++) {
        const uint32_t target = targets->u32[i];
        if (target == BT_IGNORE)
            continue;
        if (target >= n)
            return ct_fail(diag, CT_ERANGE, "target %u of %zu classes", target, n);
        sum += (double)row_loss(call->out->scratch + i * n, logits->f32 + i * n, n, target);
    }
    call->out->f32[0] = rows ? (float)(sum / (double)rows) : 0.0f;
    return CT_OK;
}

void bt__cross_entropy_backward(const bt__call *call)
{
    const bt__node *logits = call->in[0], *targets = call->in[1];
    const size_t n = logits->size / targets->size, rows = count_targets(call);
    const float scale = rows ? call->out->gradient[0] / (float)rows : 0.0f;
    for (size_t i = 0; i < targets->size; i++) {
        const uint32_t target = targets->u32[i];
        if (target == BT_IGNORE)
            continue;
        float *gradient = logits->gradient + i * n;
        ct_kernels_get()->f32.axpy(gradient, scale, call->out->scratch + i * n, n);
        gradient[target] -= scale;
    }
}
