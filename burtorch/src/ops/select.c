// SPDX-License-Identifier: MIT
/* select and broadcast: choosing and repeating elements, with broadcasting and views. */
#include "op.h"

#include "broadcast.h"

/* ---- select ---- */

static void select_row(T *restrict y, const T *restrict c, size_t sc, const T *restrict x,
                       size_t sx, const T *restrict z, size_t sz, size_t n)
{
    if (sc == 1 && sx == 1 && sz == 1) {
        BT__SIMD_LOOP
        for (size_t i = 0; i < n; i++)
            y[i] = c[i] > (T)0 ? x[i] : z[i];
    } else if (sc == 1 && sx == 1 && sz == 0) {
        const T other = *z;
        BT__SIMD_LOOP
        for (size_t i = 0; i < n; i++)
            y[i] = c[i] > (T)0 ? x[i] : other;
    } else {
        for (size_t i = 0; i < n; i++)
            y[i] = c[i * sc] > (T)0 ? x[i * sx] : z[i * sz];
    }
}

static ct_status select_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const walk w = walk_of(call->out, call->in, 3);
    const size_t n = w.dims[3];
    for (size_t i = 0; i < walk_rows(&w); i++)
        select_row(VALUE(call->out) + i * n, VALUE(call->in[0]) + walk_place(&w, 0, i),
                   w.stride[0][3], VALUE(call->in[1]) + walk_place(&w, 1, i), w.stride[1][3],
                   VALUE(call->in[2]) + walk_place(&w, 2, i), w.stride[2][3], n);
    return CT_OK;
}

/* d += g where c > 0 is `chosen`. */
static void select_gradient_row(T *restrict d, size_t sd, const T *restrict c, size_t sc,
                                const T *restrict g, size_t n, bool chosen)
{
    if (sd == 1 && sc == 1) {
        BT__SIMD_LOOP
        for (size_t i = 0; i < n; i++)
            d[i] += (c[i] > (T)0) == chosen ? g[i] : (T)0;
    } else if (sd == 0 && sc == 1) {
        T s = 0;
        BT__SIMD_SUM(s)
        for (size_t i = 0; i < n; i++)
            s += (c[i] > (T)0) == chosen ? g[i] : (T)0;
        *d += s;
    } else {
        for (size_t i = 0; i < n; i++)
            d[i * sd] += (c[i * sc] > (T)0) == chosen ? g[i] : (T)0;
    }
}

/* Nothing goes to the condition: where it has a gradient, it was zeroed. */
static void select_backward(const bt__call *call)
{
    const walk w = walk_of(call->out, call->in, 3);
    const size_t n = w.dims[3];
    for (size_t j = 1; j < 3; j++) {
        if (!BT__WANTS(call, j))
            continue;
        T *d = GRADIENT(call->in[j]);
        if (BT__OVERWRITES(call, j))
            memset(d, 0, call->in[j]->size * sizeof(T));
        for (size_t i = 0; i < walk_rows(&w); i++)
            select_gradient_row(d + walk_place(&w, j, i), w.stride[j][3],
                                VALUE(call->in[0]) + walk_place(&w, 0, i), w.stride[0][3],
                                GRADIENT(call->out) + i * n, n, j == 1);
    }
}

/* ---- broadcast ---- */

static ct_status broadcast_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const walk w = walk_of(call->out, call->in, 1);
    const size_t n = w.dims[3], s = w.stride[0][3];
    for (size_t row = 0; row < walk_rows(&w); row++) {
        const T *restrict x = VALUE(call->in[0]) + walk_place(&w, 0, row);
        T *restrict y = VALUE(call->out) + row * n;
        if (s == 1)
            memcpy(y, x, n * sizeof(T));
        else
            for (size_t i = 0; i < n; i++)
                y[i] = x[i * s];
    }
    return CT_OK;
}

static void broadcast_gradient_row(T *restrict d, size_t sd, const T *restrict g, size_t n)
{
    if (sd == 1) {
        BT__SIMD_LOOP
        for (size_t i = 0; i < n; i++)
            d[i] += g[i];
    } else if (sd == 0) {
        T s = 0;
        BT__SIMD_SUM(s)
        for (size_t i = 0; i < n; i++)
            s += g[i];
        *d += s;
    } else {
        for (size_t i = 0; i < n; i++)
            d[i * sd] += g[i];
    }
}

static void broadcast_backward(const bt__call *call)
{
    const walk w = walk_of(call->out, call->in, 1);
    const size_t n = w.dims[3];
    T *d = GRADIENT(call->in[0]);
    if (BT__OVERWRITES(call, 0))
        memset(d, 0, call->in[0]->size * sizeof(T));
    for (size_t row = 0; row < walk_rows(&w); row++)
        broadcast_gradient_row(d + walk_place(&w, 0, row), w.stride[0][3],
                               GRADIENT(call->out) + row * n, n);
}

const bt__op_code BT__CODE(select) = {select_forward, select_backward};
const bt__op_code BT__CODE(broadcast) = {broadcast_forward, broadcast_backward};
