// SPDX-License-Identifier: MIT
/* Means over all elements: squared error, and logistic loss of logits. Blocks are summed in the
 * precision of the graph and then in double, so the mean of many elements is as exact as of few. */
#include "op.h"

enum { BLOCK = 1024 };

static size_t block_size(const bt__call *call, size_t i)
{
    const size_t left = call->in[0]->size - i;
    return left < BLOCK ? left : BLOCK;
}

/* ---- Squared error ---- */

static T squared_error(const T *x, const T *t, size_t n)
{
    T sum = 0;
    BT__SIMD_SUM(sum)
    for (size_t i = 0; i < n; i++)
        sum += (x[i] - t[i]) * (x[i] - t[i]);
    return sum;
}

static ct_status mse_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const size_t n = call->in[0]->size;
    double sum = 0;
    for (size_t i = 0; i < n; i += BLOCK)
        sum += (double)squared_error(VALUE(call->in[0]) + i, VALUE(call->in[1]) + i,
                                     block_size(call, i));
    *VALUE(call->out) = (T)(sum / (double)n);
    return CT_OK;
}

/* d (+)= scale (a - b) */
static void scaled_difference(T *restrict d, const T *a, const T *b, T scale, size_t n, bool set)
{
    if (set) {
        BT__SIMD_LOOP
        for (size_t i = 0; i < n; i++)
            d[i] = scale * (a[i] - b[i]);
    } else {
        BT__SIMD_LOOP
        for (size_t i = 0; i < n; i++)
            d[i] += scale * (a[i] - b[i]);
    }
}

static void mse_backward(const bt__call *call)
{
    const size_t n = call->in[0]->size;
    const T *x = VALUE(call->in[0]), *t = VALUE(call->in[1]);
    const T scale = (T)2 * *GRADIENT(call->out) / (T)n;
    if (BT__WANTS(call, 0))
        scaled_difference(GRADIENT(call->in[0]), x, t, scale, n, BT__OVERWRITES(call, 0));
    if (BT__WANTS(call, 1))
        scaled_difference(GRADIENT(call->in[1]), t, x, scale, n, BT__OVERWRITES(call, 1));
}

const bt__op_code BT__CODE(mse) = {mse_forward, mse_backward};

/* ---- Logistic loss ----
 *
 * log(1 + e^x) - t x as softplus(-|x|) + (max(x, 0) - t x): nothing cancels where t is 0 or 1. */

static ct_status binary_cross_entropy_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    T softplus[BLOCK];
    const size_t n = call->in[0]->size;
    double sum = 0;
    for (size_t i = 0; i < n; i += BLOCK) {
        const T *x = VALUE(call->in[0]) + i, *t = VALUE(call->in[1]) + i;
        const size_t count = block_size(call, i);
        T part = 0;
        BT__SIMD_LOOP
        for (size_t k = 0; k < count; k++)
            softplus[k] = x[k] > (T)0 ? -x[k] : x[k];
        KERNELS(call)->softplus(softplus, softplus, count);
        BT__SIMD_SUM(part)
        for (size_t k = 0; k < count; k++)
            part += softplus[k] + ((x[k] > (T)0 ? x[k] : (T)0) - t[k] * x[k]);
        sum += (double)part;
    }
    *VALUE(call->out) = (T)(sum / (double)n);
    return CT_OK;
}

static void binary_cross_entropy_backward(const bt__call *call)
{
    static const T zeros[BLOCK] = {0};
    T sigmoid[BLOCK];
    const size_t n = call->in[0]->size;
    const T scale = *GRADIENT(call->out) / (T)n;
    for (size_t i = 0; BT__WANTS(call, 0) && i < n; i += BLOCK) {
        const size_t count = block_size(call, i);
        KERNELS(call)->sigmoid(sigmoid, VALUE(call->in[0]) + i, count);
        scaled_difference(GRADIENT(call->in[0]) + i, sigmoid, VALUE(call->in[1]) + i, scale, count,
                          BT__OVERWRITES(call, 0));
    }
    for (size_t i = 0; BT__WANTS(call, 1) && i < n; i += BLOCK)
        scaled_difference(GRADIENT(call->in[1]) + i, zeros, VALUE(call->in[0]) + i, scale,
                          block_size(call, i), BT__OVERWRITES(call, 1));
}

const bt__op_code BT__CODE(binary_cross_entropy) = {binary_cross_entropy_forward,
                                                    binary_cross_entropy_backward};
