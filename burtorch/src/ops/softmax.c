// SPDX-License-Identifier: MIT
/* softmax and log_softmax along the last axis. */
#include "rows.h"

static size_t length_of(const bt__call *call)
{
    return call->out->shape.dims[call->out->shape.axes - 1];
}

/* ---- y = e / sum e, e = exp(x - max) ---- */

static ct_status softmax_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const size_t n = length_of(call), rows = call->out->size / n;
    const size_t block = bt__rows_at_once(rows, n);
    const T *x = VALUE(call->in[0]);
    T *y = VALUE(call->out);
    for (size_t i = 0, count; i < rows; i += count) {
        count = rows - i < block ? rows - i : block;
        rows_exp(call, y + i * n, x + i * n, count, n, NULL);
        for (size_t r = i; r < i + count; r++) {
            const T scale = (T)1 / row_sum(y + r * n, n);
            BT__SIMD_LOOP
            for (size_t k = 0; k < n; k++)
                y[r * n + k] *= scale;
        }
    }
    return CT_OK;
}

static void softmax_row_backward(T *restrict dx, const T *restrict y, const T *restrict dy,
                                 size_t n, bool set)
{
    T dot = 0;
    BT__SIMD_SUM(dot)
    for (size_t k = 0; k < n; k++)
        dot += y[k] * dy[k];
    if (set) {
        BT__SIMD_LOOP
        for (size_t k = 0; k < n; k++)
            dx[k] = y[k] * (dy[k] - dot);
    } else {
        BT__SIMD_LOOP
        for (size_t k = 0; k < n; k++)
            dx[k] += y[k] * (dy[k] - dot);
    }
}

static void softmax_backward(const bt__call *call)
{
    const size_t n = length_of(call);
    for (size_t i = 0; i < call->out->size; i += n)
        softmax_row_backward(GRADIENT(call->in[0]) + i, VALUE(call->out) + i,
                             GRADIENT(call->out) + i, n, BT__OVERWRITES(call, 0));
}

const bt__op_code BT__CODE(softmax) = {softmax_forward, softmax_backward};

/* ---- y = (x - max) - log sum exp(x - max) ---- */

static ct_status log_softmax_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const size_t n = length_of(call), rows = call->out->size / n;
    const size_t block = bt__rows_at_once(rows, n);
    const T *x = VALUE(call->in[0]);
    T *y = VALUE(call->out), *e = call->work, *max = e + block * n, *sum = max + block;
    for (size_t i = 0, count; i < rows; i += count) {
        count = rows - i < block ? rows - i : block;
        rows_exp(call, e, x + i * n, count, n, max);
        for (size_t r = 0; r < count; r++)
            sum[r] = row_sum(e + r * n, n);
        KERNELS(call)->log(sum, sum, count);
        for (size_t r = 0; r < count; r++) {
            const T m = max[r], log_sum = sum[r];
            BT__SIMD_LOOP
            for (size_t k = 0; k < n; k++)
                y[(i + r) * n + k] = x[(i + r) * n + k] - m - log_sum;
        }
    }
    return CT_OK;
}

static void log_softmax_row_backward(T *restrict dx, const T *restrict p, const T *restrict dy,
                                     size_t n, bool set)
{
    const T sum = row_sum(dy, n);
    if (set) {
        BT__SIMD_LOOP
        for (size_t k = 0; k < n; k++)
            dx[k] = dy[k] - p[k] * sum;
    } else {
        BT__SIMD_LOOP
        for (size_t k = 0; k < n; k++)
            dx[k] += dy[k] - p[k] * sum;
    }
}

static void log_softmax_backward(const bt__call *call)
{
    const size_t n = length_of(call), rows = call->out->size / n;
    const size_t block = bt__rows_at_once(rows, n);
    T *p = call->work;
    for (size_t i = 0, count; i < rows; i += count) {
        count = rows - i < block ? rows - i : block;
        KERNELS(call)->exp(p, VALUE(call->out) + i * n, count * n);
        for (size_t r = 0; r < count; r++)
            log_softmax_row_backward(GRADIENT(call->in[0]) + (i + r) * n, p + r * n,
                                     GRADIENT(call->out) + (i + r) * n, n, BT__OVERWRITES(call, 0));
    }
}

const bt__op_code BT__CODE(log_softmax) = {log_softmax_forward, log_softmax_backward};
