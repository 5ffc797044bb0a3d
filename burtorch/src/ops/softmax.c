// SPDX-License-Identifier: MIT
/* softmax and log_softmax along the last axis. */
#include "rows.h"

static size_t length_of(const bt__call *call)
{
    return call->out->shape.dims[call->out->shape.axes - 1];
}

/* ---- y = e / sum e, e = exp(x - max) ---- */

BT__INLINE void divide_by_sum(T *y, size_t n)
{
    const T scale = (T)1 / row_sum(y, n);
#define STEP(V, i) TO(V, y, i) = AT(V, y, i) * scale;
    EACH_OF_ROW(n, STEP);
#undef STEP
}

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
        for (size_t r = i; r < i + count; r++)
            divide_by_sum(y + r * n, n);
    }
    return CT_OK;
}

static void softmax_row_backward(T *restrict dx, const T *restrict y, const T *restrict dy,
                                 size_t n, bool set)
{
    T dot, none;
#define TERMS(V, a, b, i) (a) += AT(V, y, i) * AT(V, dy, i);
#define SET(V, i)         TO(V, dx, i) = AT(V, y, i) * (AT(V, dy, i) - dot);
#define ADD(V, i)         TO(V, dx, i) += AT(V, y, i) * (AT(V, dy, i) - dot);
    SUMS_OF_ROW(n, dot, none, TERMS);
    if (set)
        EACH_OF_ROW(n, SET);
    else
        EACH_OF_ROW(n, ADD);
#undef TERMS
#undef SET
#undef ADD
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
    T *e = call->work, *max = e + block * n, *sum = max + block;
    for (size_t i = 0, count; i < rows; i += count) {
        const T *x = VALUE(call->in[0]) + i * n;
        T *y = VALUE(call->out) + i * n;
        count = rows - i < block ? rows - i : block;
        rows_exp(call, e, x, count, n, max);
        for (size_t r = 0; r < count; r++)
            sum[r] = row_sum(e + r * n, n);
        KERNELS(call)->log(sum, sum, count);
        for (size_t r = 0; r < count; r++, x += n, y += n) {
#define STEP(V, k) TO(V, y, k) = (AT(V, x, k) - max[r]) - sum[r];
            EACH_OF_ROW(n, STEP);
#undef STEP
        }
    }
    return CT_OK;
}

static void log_softmax_row_backward(T *restrict dx, const T *restrict p, const T *restrict dy,
                                     size_t n, bool set)
{
    const T sum = row_sum(dy, n);
#define SET(V, i) TO(V, dx, i) = AT(V, dy, i) - AT(V, p, i) * sum;
#define ADD(V, i) TO(V, dx, i) += AT(V, dy, i) - AT(V, p, i) * sum;
    if (set)
        EACH_OF_ROW(n, SET);
    else
        EACH_OF_ROW(n, ADD);
#undef SET
#undef ADD
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
