// SPDX-License-Identifier: MIT
/* A view of any strides copied into rows without gaps. */
#include "op.h"

/* The outer three axes of a view, padded with ones in front; fn gets the start of each innermost
 * run and where it lies without gaps. */
typedef struct runs {
    size_t dims[BT_MAX_AXES], stride[BT_MAX_AXES];
} runs;

static runs runs_of(const bt__node *node)
{
    runs r;
    const size_t pad = BT_MAX_AXES - node->shape.axes;
    for (size_t a = 0; a < BT_MAX_AXES; a++) {
        r.dims[a] = a < pad ? 1 : node->shape.dims[a - pad];
        r.stride[a] = a < pad ? 0 : node->stride[a - pad];
    }
    return r;
}

static ct_status copy_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const runs r = runs_of(call->in[0]);
    const T *x = VALUE(call->in[0]);
    T *y = VALUE(call->out);
    for (size_t a = 0; a < r.dims[0]; a++)
        for (size_t b = 0; b < r.dims[1]; b++)
            for (size_t c = 0; c < r.dims[2]; c++, y += r.dims[3]) {
                const T *from = x + a * r.stride[0] + b * r.stride[1] + c * r.stride[2];
                for (size_t d = 0; d < r.dims[3]; d++)
                    y[d] = from[d * r.stride[3]];
            }
    return CT_OK;
}

static void copy_backward(const bt__call *call)
{
    const runs r = runs_of(call->in[0]);
    const bool set = BT__OVERWRITES(call, 0);
    T *dx = GRADIENT(call->in[0]);
    const T *dy = GRADIENT(call->out);
    for (size_t a = 0; a < r.dims[0]; a++)
        for (size_t b = 0; b < r.dims[1]; b++)
            for (size_t c = 0; c < r.dims[2]; c++, dy += r.dims[3]) {
                T *to = dx + a * r.stride[0] + b * r.stride[1] + c * r.stride[2];
                for (size_t d = 0; d < r.dims[3]; d++)
                    to[d * r.stride[3]] = (set ? (T)0 : to[d * r.stride[3]]) + dy[d];
            }
}

const bt__op_code BT__CODE(copy) = {copy_forward, copy_backward};
