// SPDX-License-Identifier: MIT
/* Cross-correlation by matrix products: the windows of a few rows of places become columns of a
 * matrix (channels KH KW, places), which stays in the cache, times the weights (O, channels KH KW).
 */
#include "rows.h"

#include "../tensor_image.h"

/* Where a column of the window (at kx) meets the image: places first … last-1. */
typedef struct span {
    size_t first, last;
    ptrdiff_t from; // the image column of place 0
} span;

static span span_of(const bt__windows *w, size_t kx)
{
    span s = {.from = (ptrdiff_t)kx - (ptrdiff_t)w->padding};
    if (kx < w->padding)
        s.first = (w->padding - kx + w->stride - 1) / w->stride;
    if (w->width + w->padding > kx)
        s.last = (w->width + w->padding - kx + w->stride - 1) / w->stride;
    s.last = s.last < w->out_width ? s.last : w->out_width;
    const span none = {.first = 0};
    return s.first < s.last ? s : none;
}

/* Whether window row ky at the row of places oy meets the image, and in which row. */
static bool image_row(const bt__windows *w, size_t oy, size_t ky, size_t *y)
{
    const size_t padded = oy * w->stride + ky;
    *y = padded - w->padding;
    return padded >= w->padding && *y < w->height;
}

/* column (out_width) = that row of the image, seen through the span, 0 beside it. */
BT__INLINE void gather_row(T *column, const T *row, span s, size_t stride, size_t n)
{
    for (size_t i = 0; i < s.first; i++)
        column[i] = 0;
    if (stride == 1) {
        const T *from = row + s.from + (ptrdiff_t)s.first;
        T *to = column + s.first;
#define STEP(V, i) TO(V, to, i) = AT(V, from, i);
        EACH_OF_ROW(s.last - s.first, STEP);
#undef STEP
    } else {
        for (size_t i = s.first; i < s.last; i++)
            column[i] = row[s.from + (ptrdiff_t)(i * stride)];
    }
    for (size_t i = s.last; i < n; i++)
        column[i] = 0;
}

BT__INLINE void scatter_row(T *restrict row, const T *restrict column, span s, size_t stride)
{
    if (stride == 1) {
        const T *from = column + s.first;
        T *to = row + s.from + (ptrdiff_t)s.first;
#define STEP(V, i) TO(V, to, i) += AT(V, from, i);
        EACH_OF_ROW(s.last - s.first, STEP);
#undef STEP
        return;
    }
    for (size_t i = s.first; i < s.last; i++)
        row[s.from + (ptrdiff_t)(i * stride)] += column[i];
}

/* Rows of places as long as the image's, one element apart: the image moved by a whole number of
 * elements, but for the rows and columns that lie beside it. */
static void gather_moved(T *column, const T *channel, const bt__windows *w, size_t ky, span s,
                         size_t first, size_t rows)
{
    const size_t n = w->width, above = w->padding > ky ? w->padding - ky : 0;
    const size_t below = w->height + w->padding > ky ? w->height + w->padding - ky : 0;
    const size_t low = above < first ? first : above < first + rows ? above : first + rows;
    const size_t high = below < low ? low : below < first + rows ? below : first + rows;
    const bool none = s.first == s.last || low == high;
    const size_t from = none ? rows * n : (low - first) * n + s.first;
    const size_t to = none ? rows * n : (high - first - 1) * n + s.last;
    memset(column, 0, from * sizeof(T));
    if (!none) {
        const T *x = channel + ((low + ky - w->padding) * n + s.first) + s.from;
        T *y = column + from;
#define STEP(V, i) TO(V, y, i) = AT(V, x, i);
        EACH_OF_ROW(to - from, STEP);
#undef STEP
    }
    for (size_t y = low; !none && y + 1 < high; y++)
        for (size_t i = s.last; i < s.first + n; i++)
            column[(y - first) * n + i] = 0;
    memset(column + to, 0, (rows * n - to) * sizeof(T));
}

/* columns (channels KH KW, rows out_width) = the windows of `rows` rows of places from `first` on,
 * of one image. */
static void gather(T *columns, const T *image, const bt__windows *w, size_t first, size_t rows)
{
    for (size_t c = 0; c < w->channels; c++, image += w->height * w->width)
        for (size_t ky = 0; ky < w->window_height; ky++)
            for (size_t kx = 0; kx < w->window_width; kx++) {
                const span s = span_of(w, kx), none = {.first = 0};
                if (w->stride == 1 && w->out_width == w->width) {
                    gather_moved(columns, image, w, ky, s, first, rows);
                    columns += rows * w->out_width;
                    continue;
                }
                for (size_t oy = first, y; oy < first + rows; oy++, columns += w->out_width) {
                    const bool inside = image_row(w, oy, ky, &y);
                    gather_row(columns, inside ? image + y * w->width : image, inside ? s : none,
                               w->stride, w->out_width);
                }
            }
}

/* The image's gradient += that of the columns. */
static void scatter(T *image, const T *columns, const bt__windows *w, size_t first, size_t rows)
{
    for (size_t c = 0; c < w->channels; c++, image += w->height * w->width)
        for (size_t ky = 0; ky < w->window_height; ky++)
            for (size_t kx = 0; kx < w->window_width; kx++) {
                const span s = span_of(w, kx);
                for (size_t oy = first, y; oy < first + rows; oy++, columns += w->out_width)
                    if (image_row(w, oy, ky, &y))
                        scatter_row(image + y * w->width, columns, s, w->stride);
            }
}

static bt__windows windows_of(const bt__call *call)
{
    return bt__windows_of(&call->in[0]->shape, &call->out->shape, &call->out->attributes);
}

static void fill_bias(const bt__call *call, T *y, size_t maps, size_t area)
{
    const T *bias = VALUE(call->in[2]);
    for (size_t o = 0; o < maps; o++, y += area) {
        const T b = bias[o];
        BT__SIMD_LOOP
        for (size_t i = 0; i < area; i++)
            y[i] = b;
    }
}

static ct_status conv2d_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const bt__windows w = windows_of(call);
    const size_t maps = call->out->shape.dims[1], area = w.out_height * w.out_width;
    const size_t size = bt__window_size(&w), rows = bt__window_rows(&w);
    const bool bias = call->n_in == 3;
    for (size_t b = 0; b < w.batch; b++) {
        const T *image = VALUE(call->in[0]) + b * w.channels * w.height * w.width;
        T *y = VALUE(call->out) + b * maps * area;
        if (bias)
            fill_bias(call, y, maps, area);
        for (size_t first = 0, n; first < w.out_height; first += n) {
            n = w.out_height - first < rows ? w.out_height - first : rows;
            gather(call->work, image, &w, first, n);
            GEMM(call, false, false, maps, n * w.out_width, size, VALUE(call->in[1]), size,
                 call->work, n * w.out_width, bias, y + first * w.out_width, area);
        }
    }
    return CT_OK;
}

/* One block of places of image b: its share of the gradients of weight and image. */
static void block_backward(const bt__call *call, const bt__windows *w, size_t b, size_t first,
                           size_t n, bool add)
{
    const size_t maps = call->out->shape.dims[1], area = w->out_height * w->out_width;
    const size_t size = bt__window_size(w), count = n * w->out_width;
    const size_t image = b * w->channels * w->height * w->width;
    const T *dy = GRADIENT(call->out) + b * maps * area + first * w->out_width;
    T *columns = call->work, *dcolumns = columns + size * count;
    if (BT__WANTS(call, 1)) {
        gather(columns, VALUE(call->in[0]) + image, w, first, n);
        GEMM(call, false, true, maps, size, count, dy, area, columns, count, add,
             GRADIENT(call->in[1]), size);
    }
    if (BT__WANTS(call, 0)) {
        GEMM(call, true, false, size, count, maps, VALUE(call->in[1]), size, dy, area, false,
             dcolumns, count);
        scatter(GRADIENT(call->in[0]) + image, dcolumns, w, first, n);
    }
}

static void bias_backward(const bt__call *call, size_t maps, size_t area)
{
    const T *dy = GRADIENT(call->out);
    T *db = GRADIENT(call->in[2]);
    if (BT__OVERWRITES(call, 2))
        memset(db, 0, maps * sizeof(T));
    for (size_t b = 0; b < call->out->shape.dims[0]; b++)
        for (size_t o = 0; o < maps; o++, dy += area)
            db[o] += row_sum(dy, area);
}

static void conv2d_backward(const bt__call *call)
{
    const bt__windows w = windows_of(call);
    const size_t rows = bt__window_rows(&w);
    for (size_t b = 0; b < w.batch; b++)
        for (size_t first = 0, n; first < w.out_height; first += n) {
            n = w.out_height - first < rows ? w.out_height - first : rows;
            block_backward(call, &w, b, first, n, b > 0 || first > 0 || !BT__OVERWRITES(call, 1));
        }
    if (BT__WANTS(call, 2))
        bias_backward(call, call->out->shape.dims[1], w.out_height * w.out_width);
}

const bt__op_code BT__CODE(conv2d) = {conv2d_forward, conv2d_backward};
