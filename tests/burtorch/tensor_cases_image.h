// SPDX-License-Identifier: MIT
/* Convolution and pooling: direct loops over places, channels and windows. */
#include "tensor_case.h"

#include <math.h>

static void reference_conv2d(double *out, const double *x, const double *weight, const double *bias,
                             const bt_shape *shapes, size_t stride, size_t padding)
{
    const size_t *n = shapes[0].dims, *k = shapes[1].dims;
    const size_t height = (n[2] + 2 * padding - k[2]) / stride + 1;
    const size_t width = (n[3] + 2 * padding - k[3]) / stride + 1;
    for (size_t b = 0; b < n[0]; b++)
        for (size_t o = 0; o < k[0]; o++)
            for (size_t oy = 0; oy < height; oy++)
                for (size_t ox = 0; ox < width; ox++, out++) {
                    *out = bias ? bias[o] : 0;
                    for (size_t c = 0; c < k[1]; c++)
                        for (size_t ky = 0; ky < k[2]; ky++)
                            for (size_t kx = 0; kx < k[3]; kx++) {
                                const size_t y = oy * stride + ky, z = ox * stride + kx;
                                if (y < padding || y >= n[2] + padding || z < padding ||
                                    z >= n[3] + padding)
                                    continue;
                                *out +=
                                    weight[((o * k[1] + c) * k[2] + ky) * k[3] + kx] *
                                    x[((b * n[1] + c) * n[2] + y - padding) * n[3] + z - padding];
                            }
                }
}

#define CONV_CASE(STRIDE, PADDING, BIAS)                                                           \
    static bt_tensor build_conv2d_##STRIDE##_##PADDING##_##BIAS(const bt_tensor *in)               \
    {                                                                                              \
        return bt_tensor_conv2d(in[0], in[1], BIAS ? in[2] : bt_tensor_none(in[0].graph), STRIDE,  \
                                PADDING);                                                          \
    }                                                                                              \
    static void reference_conv2d_##STRIDE##_##PADDING##_##BIAS(                                    \
        double *out, const double *const *in, const bt_shape *shapes)                              \
    {                                                                                              \
        reference_conv2d(out, in[0], in[1], BIAS ? in[2] : NULL, shapes, STRIDE, PADDING);         \
    }
#define CONV(STRIDE, PADDING, BIAS)                                                                \
    build_conv2d_##STRIDE##_##PADDING##_##BIAS, reference_conv2d_##STRIDE##_##PADDING##_##BIAS
CONV_CASE(1, 0, 1)
CONV_CASE(1, 1, 0)
CONV_CASE(2, 1, 1)
CONV_CASE(3, 2, 0)
CONV_CASE(1, 3, 1)

/* The mean, or of equal ones the first maximum, of each window. */
static void reference_pool2d(double *out, const double *x, const bt_shape *shape, size_t size,
                             size_t stride, bool max)
{
    const size_t *n = shape->dims;
    for (size_t k = 0; k < n[0] * n[1]; k++, x += n[2] * n[3])
        for (size_t oy = 0; oy + size <= n[2]; oy += stride)
            for (size_t ox = 0; ox + size <= n[3]; ox += stride, out++) {
                *out = max ? -INFINITY : 0;
                for (size_t ky = 0; ky < size; ky++)
                    for (size_t kx = 0; kx < size; kx++) {
                        const double value = x[(oy + ky) * n[3] + ox + kx];
                        *out = max ? fmax(*out, value) : *out + value / (double)(size * size);
                    }
            }
}

#define POOL_CASE(KIND, SIZE, STRIDE, MAX)                                                         \
    static bt_tensor build_##KIND##_##SIZE##_##STRIDE(const bt_tensor *in)                         \
    {                                                                                              \
        return bt_tensor_##KIND##2d(in[0], SIZE, STRIDE);                                          \
    }                                                                                              \
    static void reference_##KIND##_##SIZE##_##STRIDE(double *out, const double *const *in,         \
                                                     const bt_shape *shapes)                       \
    {                                                                                              \
        reference_pool2d(out, in[0], &shapes[0], SIZE, STRIDE, MAX);                               \
    }
#define POOL(KIND, SIZE, STRIDE)                                                                   \
    build_##KIND##_##SIZE##_##STRIDE, reference_##KIND##_##SIZE##_##STRIDE
POOL_CASE(max_pool, 2, 2, true)
POOL_CASE(max_pool, 3, 1, true)
POOL_CASE(avg_pool, 2, 2, false)
POOL_CASE(avg_pool, 3, 2, false)

#define CONV_BAD                                                                                   \
    "f1x2x4x5 f3x1x3x3 f3; f1x2x4x5 f3x2x3x3 f2; f2x4x5 f3x2x3x3 f3; f1x2x4x5 f3x2 f3; "           \
    "f1x2x4x5 f3x2x7x3 f3; f1x2x4x5 f3x2x3x8 f3"
static const tensor_case image_cases[] = {
    {"conv2d", "f2x2x4x5 f3x2x3x2 f3", CONV(1, 0, 1), .bad = CONV_BAD,
     .bench = "f32x1x28x28 f8x1x3x3 f8"},
    {"conv2d/whole", "f1x2x3x3 f2x2x3x3 f2", CONV(1, 0, 1), .bad = CONV_BAD,
     .bench = "f32x8x14x14 f16x8x3x3 f16"},
    {"conv2d/padding", "f2x2x4x5 f3x2x3x3", CONV(1, 1, 0), .bad = "f1x2x4x5 f3x3x3x3"},
    {"conv2d/stride", "f2x2x5x6 f3x2x3x3 f3", CONV(2, 1, 1), .bad = "f1x2x4x5 f3x2x9x3 f3",
     .bench = "f8x32x28x28 f64x32x3x3 f64"},
    {"conv2d/stride 3", "f1x1x7x8 f2x1x4x2", CONV(3, 2, 0), .bad = NULL},
    {"conv2d/wide padding", "f1x1x2x1 f2x1x1x2 f2", CONV(1, 3, 1), .bad = NULL},
    {"conv2d/row", "f1x1x2x24 f1x1x1x3 f1", CONV(1, 3, 1), .bad = NULL},
    {"max_pool2d", "f2x2x5x6", POOL(max_pool, 2, 2), .bad = "f1x1x1x4; f1x1x4x1; f4x4; u1x1x4x4<3",
     .bench = "f32x8x28x28"},
    {"max_pool2d/overlap", "f1x2x5x20", POOL(max_pool, 3, 1), .bad = "f1x1x2x4"},
    {"avg_pool2d", "f2x2x5x6", POOL(avg_pool, 2, 2), .bad = "f1x1x1x4; f4x4",
     .bench = "f32x8x28x28"},
    {"avg_pool2d/overlap", "f1x2x5x20", POOL(avg_pool, 3, 2), .bad = "f1x1x2x4"},
};
