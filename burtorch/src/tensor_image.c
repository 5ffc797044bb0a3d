// SPDX-License-Identifier: MIT
/* Convolution and pooling of images: shapes and builders. */
#include "tensor_image.h"

/* Places of a window along an axis; 0: none. */
static size_t places(size_t length, size_t window, size_t stride, size_t padding)
{
    if (window == 0 || stride == 0 || padding > SIZE_MAX / 4 || length > SIZE_MAX / 4 ||
        length + 2 * padding < window)
        return 0;
    return (length + 2 * padding - window) / stride + 1;
}

/* The result's shape (B, channels, …) from attributes that are complete; false: no window fits. */
static bool window_shape(bt__node *out, const bt_shape *x, size_t channels)
{
    const size_t *size = out->attributes.size;
    out->shape = bt_shape4(x->dims[0], channels, places(x->dims[2], size[2], size[0], size[1]),
                           places(x->dims[3], size[3], size[0], size[1]));
    return out->shape.dims[2] > 0 && out->shape.dims[3] > 0;
}

/* ---- Convolution ---- */

ct_status bt__conv2d_shape(bt__call *call, ct_diag *diag)
{
    const bt_shape *x = &call->in[0]->shape, *weight = &call->in[1]->shape;
    bt__node *out = call->out;
    for (size_t j = 0; j < call->n_in; j++)
        CT_TRY(bt__want_real(call, j, diag));
    bool fits = x->axes == 4 && weight->axes == 4 && x->dims[1] == weight->dims[1];
    if (call->n_in == 3) {
        const bt_shape *bias = &call->in[2]->shape;
        fits = fits && bias->axes == 1 && bias->dims[0] == weight->dims[0];
    }
    if (!fits)
        return bt__shapes_differ(call, diag, "x weight bias",
                                 "x (B, C, H, W), weight (O, C, KH, KW), bias (O)");
    out->attributes.size[2] = weight->dims[2];
    out->attributes.size[3] = weight->dims[3];
    if (!window_shape(out, x, weight->dims[0]))
        return bt__shapes_differ(call, diag, "x weight bias",
                                 "a stride of at least 1, a window within the padded image");
    const bt__windows w = bt__windows_of(x, &out->shape, &out->attributes);
    const size_t columns = bt__window_rows(&w) * w.out_width, size = bt__window_size(&w);
    out->work_bytes = 2 * size * columns * bt__dtype_bytes(out->dtype);
    out->product[0] = weight->dims[0];
    out->product[1] = columns;
    out->product[2] = size;
    return CT_OK;
}

bt_tensor bt_tensor_conv2d(bt_tensor x, bt_tensor weight, bt_tensor bias, size_t stride,
                           size_t padding)
{
    const bt_tensor in[] = {x, weight, bias};
    const bt__attributes attributes = {.size = {stride, padding}};
    const bool without = bias.index == BT_NO_TENSOR && x.graph && x.graph->status == CT_OK;
    return bt__tensor_record(BT__CONV2D, in, without ? 2 : 3, &attributes, bt_shape0());
}

/* ---- Pooling ---- */

static ct_status pool_shape(bt__call *call, ct_diag *diag)
{
    char text[BT_SHAPE_TEXT_SIZE];
    const bt_shape *x = &call->in[0]->shape;
    const size_t *size = call->out->attributes.size;
    CT_TRY(bt__want_real(call, 0, diag));
    if (x->axes != 4 || !window_shape(call->out, x, x->dims[1]))
        return ct_fail(diag, BT_ESHAPE,
                       "x %s does not fit windows of %zu by %zu, stride %zu "
                       "(x (B, C, H, W))",
                       bt_shape_text(text, x), size[2], size[3], size[0]);
    return CT_OK;
}

ct_status bt__max_pool2d_shape(bt__call *call, ct_diag *diag)
{
    CT_TRY(pool_shape(call, diag));
    const bt_shape *x = &call->in[0]->shape;
    if (x->dims[2] > UINT32_MAX / x->dims[3])
        return bt__shapes_differ(call, diag, "x", "at most 2^32 - 1 elements of a channel");
    call->out->saved_bytes = bt__shape_size(&call->out->shape) * sizeof(uint32_t);
    return CT_OK;
}

ct_status bt__avg_pool2d_shape(bt__call *call, ct_diag *diag)
{
    return pool_shape(call, diag);
}

bt_tensor bt_tensor_max_pool2d(bt_tensor x, size_t size, size_t stride)
{
    const bt__attributes attributes = {.size = {stride, 0, size, size}};
    return bt__tensor_record(BT__MAX_POOL2D, &x, 1, &attributes, bt_shape0());
}

bt_tensor bt_tensor_avg_pool2d(bt_tensor x, size_t size, size_t stride)
{
    const bt__attributes attributes = {.size = {stride, 0, size, size}};
    return bt__tensor_record(BT__AVG_POOL2D, &x, 1, &attributes, bt_shape0());
}
