// SPDX-License-Identifier: MIT
/* Views (each copied to a tensor of its own by a dense layer or a second view), and the dense
 * layer. */
#include "tensor_case.h"

#include <math.h>

/* f4x6: rows 1 and 2 of columns 2 … 5, transposed: (4, 2), through a dense layer (3, 2). */
static bt_tensor build_views(const bt_tensor *in)
{
    const bt_tensor part = bt_tensor_slice(bt_tensor_slice(in[0], 0, 1, 3), -1, 2, 6);
    const bt_tensor turned = bt_tensor_transpose(part, 0, 1);
    return bt_tensor_linear(bt_tensor_reshape(turned, bt_shape2(4, 2)), in[1],
                            bt_tensor_none(in[0].graph), BT_IDENTITY);
}

static void reference_views(double *out, const double *const *in, const bt_shape *shapes)
{
    (void)shapes;
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 3; j++) {
            out[i * 3 + j] = 0;
            for (size_t k = 0; k < 2; k++)
                out[i * 3 + j] += in[0][(1 + k) * 6 + 2 + i] * in[1][j * 2 + k];
        }
}

static double apply(bt_activation act, double z)
{
    switch (act) {
    case BT_RELU:
        return z > 0 ? z : 0;
    case BT_TANH:
        return tanh(z);
    case BT_SIGMOID:
        return 1 / (1 + exp(-z));
    case BT_GELU:
        return z * 0.5 * erfc(-z / sqrt(2.0));
    default:
        return z;
    }
}

static void reference_linear(double *out, const double *const *in, const bt_shape *shapes,
                             bt_activation act)
{
    const size_t n = shapes[1].dims[0], k = shapes[1].dims[1];
    size_t m = 1;
    for (size_t a = 0; a + 1 < shapes[0].axes; a++)
        m *= shapes[0].dims[a];
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double z = in[2][j];
            for (size_t l = 0; l < k; l++)
                z += in[0][i * k + l] * in[1][j * k + l];
            out[i * n + j] = apply(act, z);
        }
}

#define LINEAR_CASE(ACT)                                                                           \
    static bt_tensor build_linear_##ACT(const bt_tensor *in)                                       \
    {                                                                                              \
        return bt_tensor_linear(in[0], in[1], in[2], ACT);                                         \
    }                                                                                              \
    static void reference_linear_##ACT(double *out, const double *const *in,                       \
                                       const bt_shape *shapes)                                     \
    {                                                                                              \
        reference_linear(out, in, shapes, ACT);                                                    \
    }
LINEAR_CASE(BT_IDENTITY)
LINEAR_CASE(BT_RELU)
LINEAR_CASE(BT_TANH)
LINEAR_CASE(BT_SIGMOID)
LINEAR_CASE(BT_GELU)

#define LINEAR_BAD "f2x3x5 f4x6 f4; f2x5 f4x5 f3; f5 f5 f5; u3x5<4 f4x5 f4"
static const tensor_case core_cases[] = {
    {"views", "f4x6 f3x2", build_views, reference_views, .bad = "f4x6 f3x3"},
    {"linear", "f2x3x5 f4x5 f4", build_linear_BT_IDENTITY, reference_linear_BT_IDENTITY,
     .bad = LINEAR_BAD, .bench = "f64x256 f256x256 f256"},
    {"linear+relu", "f7x33 f19x33 f19", build_linear_BT_RELU, reference_linear_BT_RELU,
     .bad = LINEAR_BAD, .bench = "f512x24 f96x24 f96"},
    {"linear+tanh", "f3x5 f4x5 f4", build_linear_BT_TANH, reference_linear_BT_TANH,
     .bad = LINEAR_BAD, .bench = "f64x1024 f64x1024 f64"},
    {"linear+sigmoid", "f3x5 f4x5 f4", build_linear_BT_SIGMOID, reference_linear_BT_SIGMOID,
     .bad = LINEAR_BAD},
    {"linear+gelu", "f6x5 f17x5 f17", build_linear_BT_GELU, reference_linear_BT_GELU,
     .bad = LINEAR_BAD, .bench = "f768x128 f512x128 f512"},
};
