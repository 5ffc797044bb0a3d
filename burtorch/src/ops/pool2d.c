// SPDX-License-Identifier: MIT
/* Maxima and means of windows of images. Forward goes through the windows' elements outside and the
 * places of a row inside; max_pool2d leaves where in its channel each maximum was found, of equal
 * ones the first. The planner zeroes the gradient before backward. */
#include "op.h"

#include "../tensor_image.h"

static bt__windows windows_of(const bt__call *call)
{
    return bt__windows_of(&call->in[0]->shape, &call->out->shape, &call->out->attributes);
}

/* ---- Maximum ---- */

/* y and place (n) = the larger of themselves and x, which lies at `at` in the channel. */
BT__INLINE void larger(T *restrict y, uint32_t *restrict place, const T *restrict x, uint32_t at,
                       size_t n, const size_t stride, bool first)
{
    BT__SIMD_LOOP
    for (size_t i = 0; i < n; i++) {
        const T value = x[i * stride];
        const uint32_t here = at + (uint32_t)(i * stride);
        const bool take = first || value > y[i];
        place[i] = take ? here : place[i];
        y[i] = take ? value : y[i];
    }
}

static void max_row(T *y, uint32_t *place, const T *channel, const bt__windows *w, size_t oy)
{
    for (size_t ky = 0; ky < w->window_height; ky++)
        for (size_t kx = 0; kx < w->window_width; kx++) {
            const size_t at = (oy * w->stride + ky) * w->width + kx;
            const bool first = ky == 0 && kx == 0;
            if (w->stride == 2)
                larger(y, place, channel + at, (uint32_t)at, w->out_width, 2, first);
            else
                larger(y, place, channel + at, (uint32_t)at, w->out_width, w->stride, first);
        }
}

static ct_status max_pool2d_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const bt__windows w = windows_of(call);
    uint32_t *place = call->out->saved;
    const T *x = VALUE(call->in[0]);
    T *y = VALUE(call->out);
    for (size_t k = 0; k < w.batch * w.channels; k++, x += w.height * w.width)
        for (size_t oy = 0; oy < w.out_height; oy++, y += w.out_width, place += w.out_width)
            max_row(y, place, x, &w, oy);
    return CT_OK;
}

static void max_pool2d_backward(const bt__call *call)
{
    const bt__windows w = windows_of(call);
    const size_t area = w.out_height * w.out_width;
    const uint32_t *place = call->out->saved;
    const T *dy = GRADIENT(call->out);
    T *dx = GRADIENT(call->in[0]);
    for (size_t k = 0; k < w.batch * w.channels; k++, dx += w.height * w.width)
        for (size_t i = 0; i < area; i++)
            dx[*place++] += *dy++;
}

const bt__op_code BT__CODE(max_pool2d) = {max_pool2d_forward, max_pool2d_backward};

/* ---- Mean ---- */

BT__INLINE void add_strided(T *restrict y, const T *restrict x, size_t n, const size_t stride)
{
    BT__SIMD_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] += x[i * stride];
}

static void mean_row(T *restrict y, const T *restrict channel, const bt__windows *w, size_t oy)
{
    const T scale = (T)1 / (T)(w->window_height * w->window_width);
    memset(y, 0, w->out_width * sizeof(T));
    for (size_t ky = 0; ky < w->window_height; ky++)
        for (size_t kx = 0; kx < w->window_width; kx++) {
            const T *x = channel + (oy * w->stride + ky) * w->width + kx;
            if (w->stride == 2)
                add_strided(y, x, w->out_width, 2);
            else
                add_strided(y, x, w->out_width, w->stride);
        }
    BT__SIMD_LOOP
    for (size_t i = 0; i < w->out_width; i++)
        y[i] *= scale;
}

static ct_status avg_pool2d_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const bt__windows w = windows_of(call);
    const T *x = VALUE(call->in[0]);
    T *y = VALUE(call->out);
    for (size_t k = 0; k < w.batch * w.channels; k++, x += w.height * w.width)
        for (size_t oy = 0; oy < w.out_height; oy++, y += w.out_width)
            mean_row(y, x, &w, oy);
    return CT_OK;
}

static void mean_row_backward(T *restrict channel, const T *restrict dy, const bt__windows *w,
                              size_t oy)
{
    const T scale = (T)1 / (T)(w->window_height * w->window_width);
    for (size_t ky = 0; ky < w->window_height; ky++)
        for (size_t kx = 0; kx < w->window_width; kx++) {
            T *dx = channel + (oy * w->stride + ky) * w->width + kx;
            for (size_t i = 0; i < w->out_width; i++)
                dx[i * w->stride] += dy[i] * scale;
        }
}

static void avg_pool2d_backward(const bt__call *call)
{
    const bt__windows w = windows_of(call);
    const T *dy = GRADIENT(call->out);
    T *dx = GRADIENT(call->in[0]);
    for (size_t k = 0; k < w.batch * w.channels; k++, dx += w.height * w.width)
        for (size_t oy = 0; oy < w.out_height; oy++, dy += w.out_width)
            mean_row_backward(dx, dy, &w, oy);
}

const bt__op_code BT__CODE(avg_pool2d) = {avg_pool2d_forward, avg_pool2d_backward};
