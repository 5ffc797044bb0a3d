// SPDX-License-Identifier: MIT
/* Going over tensors that are broadcast to the shape of a result: the axes of all operands, merged
 * where their strides allow, so that what is shaped alike is one long row and a bias is rows of one
 * stride. */
#ifndef BURTORCH_OPS_BROADCAST_H
#define BURTORCH_OPS_BROADCAST_H

#include "op.h"

enum { WALK_OPERANDS = 3 };

/* Axes of the result, which is contiguous; the last is a row. */
typedef struct walk {
    size_t dims[BT_MAX_AXES];
    size_t stride[WALK_OPERANDS][BT_MAX_AXES]; // 0: repeated
} walk;

BT__INLINE size_t broadcast_stride(const bt__node *in, size_t axis_from_end)
{
    if (axis_from_end > in->shape.axes)
        return 0;
    const size_t axis = in->shape.axes - axis_from_end;
    return in->shape.dims[axis] == 1 ? 0 : in->stride[axis];
}

BT__INLINE bool axes_merge(const walk *w, size_t n_in, size_t outer, size_t inner)
{
    bool merge = true;
    for (size_t j = 0; j < n_in; j++)
        merge &= w->stride[j][outer] == w->dims[inner] * w->stride[j][inner];
    return merge;
}

/* From the last axis to the first; `at` is the outermost so far. */
BT__INLINE walk walk_of(const bt__node *out, bt__node *const *in, size_t n_in)
{
    walk w = {.dims = {1, 1, 1, 1}};
    size_t at = BT_MAX_AXES;
    for (size_t back = 1; back <= out->shape.axes; back++) {
        const size_t dim = out->shape.dims[out->shape.axes - back];
        if (dim == 1)
            continue;
        at--;
        w.dims[at] = dim;
        for (size_t j = 0; j < n_in; j++)
            w.stride[j][at] = broadcast_stride(in[j], back);
        if (at + 1 < BT_MAX_AXES && axes_merge(&w, n_in, at, at + 1)) {
            w.dims[at + 1] *= dim;
            w.dims[at] = 1;
            for (size_t j = 0; j < n_in; j++)
                w.stride[j][at] = 0;
            at++;
        }
    }
    return w;
}

/* Row `row` of the result, counted in order: where operand j begins. */
BT__INLINE size_t walk_rows(const walk *w)
{
    return w->dims[0] * w->dims[1] * w->dims[2];
}

BT__INLINE size_t walk_place(const walk *w, size_t j, size_t row)
{
    const size_t c = row % w->dims[2], rest = row / w->dims[2];
    const size_t b = rest % w->dims[1], a = rest / w->dims[1];
    return a * w->stride[j][0] + b * w->stride[j][1] + c * w->stride[j][2];
}

/* Whether operand j may be set element by element: none is repeated. */
BT__INLINE bool walk_is_whole(const bt__node *out, const bt__node *in)
{
    return in->size == out->size;
}

/* Prepare the gradient of input j; returns whether it is to be set rather than added to. */
BT__INLINE bool begin_gradient(const bt__call *call, size_t j)
{
    const bool set = BT__OVERWRITES(call, j), whole = walk_is_whole(call->out, call->in[j]);
    if (set && !whole)
        memset(GRADIENT(call->in[j]), 0, call->in[j]->size * sizeof(T));
    return set && whole;
}

#endif
