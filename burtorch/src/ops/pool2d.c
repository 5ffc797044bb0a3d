// SPDX-License-Identifier: MIT
/* Maxima and means of windows of images. max_pool2d leaves where in its channel each maximum was
 * found, of equal ones the first. The planner zeroes the gradient before backward.
 *
 * Rows of places are short, so a window is kept in registers, and windows of 2 by 2 (the usual
 * ones) are compiled for themselves. */
#include "op.h"

#include "../tensor_image.h"

static bt__windows windows_of(const bt__call *call)
{
    return bt__windows_of(&call->in[0]->shape, &call->out->shape, &call->out->attributes);
}

/* ---- Maximum ---- */

/* The maximum of the window at x, and where after x it is. */
BT__INLINE T max_of_window(const T *x, uint32_t width, uint32_t size, uint32_t *found)
{
    T best = x[0];
    *found = 0;
    for (uint32_t ky = 0; ky < size; ky++)
        for (uint32_t kx = 0; kx < size; kx++) {
            const T value = x[ky * width + kx];
            *found = value > best ? ky * width + kx : *found;
            best = value > best ? value : best;
        }
    return best;
}

static void max_row(T *restrict y, uint32_t *restrict place, const T *restrict channel,
                    const bt__windows *w, size_t oy)
{
    const uint32_t row = (uint32_t)(oy * w->stride * w->width), stride = (uint32_t)w->stride;
    const uint32_t n = (uint32_t)w->out_width, width = (uint32_t)w->width;
    const uint32_t size = (uint32_t)w->window_width;
    const T *x = channel + row;
    if (size == 2) {
        BT__SIMD_LOOP
        for (uint32_t i = 0; i < n; i++) {
            uint32_t found;
            y[i] = max_of_window(x + i * stride, width, 2, &found);
            place[i] = row + i * stride + found;
        }
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t found;
        y[i] = max_of_window(x + i * stride, width, size, &found);
        place[i] = row + i * stride + found;
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

BT__INLINE void mean_row(T *restrict y, const T *restrict x, const bt__windows *w,
                         const size_t size)
{
    const T scale = (T)1 / (T)(size * size);
    for (size_t ox = 0; ox < w->out_width; ox++, x += w->stride) {
        T sum = 0;
        for (size_t ky = 0; ky < size; ky++)
            for (size_t kx = 0; kx < size; kx++)
                sum += x[ky * w->width + kx];
        y[ox] = sum * scale;
    }
}

BT__INLINE void mean_row_backward(T *restrict dx, const T *restrict dy, const bt__windows *w,
                                  const size_t size)
{
    const T scale = (T)1 / (T)(size * size);
    for (size_t ox = 0; ox < w->out_width; ox++, dx += w->stride) {
        const T share = dy[ox] * scale;
        for (size_t ky = 0; ky < size; ky++)
            for (size_t kx = 0; kx < size; kx++)
                dx[ky * w->width + kx] += share;
    }
}

static ct_status avg_pool2d_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const bt__windows w = windows_of(call);
    const T *x = VALUE(call->in[0]);
    T *y = VALUE(call->out);
    for (size_t k = 0; k < w.batch * w.channels; k++, x += w.height * w.width)
        for (size_t oy = 0; oy < w.out_height; oy++, y += w.out_width) {
            if (w.window_width == 2)
                mean_row(y, x + oy * w.stride * w.width, &w, 2);
            else
                mean_row(y, x + oy * w.stride * w.width, &w, w.window_width);
        }
    return CT_OK;
}

static void avg_pool2d_backward(const bt__call *call)
{
    const bt__windows w = windows_of(call);
    const T *dy = GRADIENT(call->out);
    T *dx = GRADIENT(call->in[0]);
    for (size_t k = 0; k < w.batch * w.channels; k++, dx += w.height * w.width)
        for (size_t oy = 0; oy < w.out_height; oy++, dy += w.out_width) {
            if (w.window_width == 2)
                mean_row_backward(dx + oy * w.stride * w.width, dy, &w, 2);
            else
                mean_row_backward(dx + oy * w.stride * w.width, dy, &w, w.window_width);
        }
}

const bt__op_code BT__CODE(avg_pool2d) = {avg_pool2d_forward, avg_pool2d_backward};
