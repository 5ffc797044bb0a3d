// SPDX-License-Identifier: MIT
/* Sizes that shape rules and code of convolution and pooling share. */
#ifndef BURTORCH_TENSOR_IMAGE_H
#define BURTORCH_TENSOR_IMAGE_H

#include "graph_private.h"

/* Windows over images; `out` is the shape of the result. */
typedef struct bt__windows {
    size_t batch, channels, height, width;
    size_t out_height, out_width;
    size_t window_height, window_width, stride, padding;
} bt__windows;

/* Attributes: stride, padding, and for pooling the window's size. */
static inline bt__windows bt__windows_of(const bt_shape *x, const bt_shape *out,
                                         const bt__attributes *attributes)
{
    const bt__windows w = {
        .batch = x->dims[0],
        .channels = x->dims[1],
        .height = x->dims[2],
        .width = x->dims[3],
        .out_height = out->dims[2],
        .out_width = out->dims[3],
        .window_height = attributes->size[2],
        .window_width = attributes->size[3],
        .stride = attributes->size[0],
        .padding = attributes->size[1],
    };
    return w;
}

/* Elements of all windows at one place, and rows of places whose windows (as columns of a matrix)
 * fill at most an eighth of a second-level cache. */
enum { BT__WINDOW_ELEMENTS = 32768 };
static inline size_t bt__window_size(const bt__windows *w)
{
    return w->channels * w->window_height * w->window_width;
}
static inline size_t bt__window_rows(const bt__windows *w)
{
    const size_t row = bt__window_size(w) * w->out_width;
    const size_t rows = row < BT__WINDOW_ELEMENTS ? BT__WINDOW_ELEMENTS / row : 1;
    return rows < w->out_height ? rows : w->out_height;
}

#endif
