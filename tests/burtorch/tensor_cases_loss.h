// SPDX-License-Identifier: MIT
/* Losses, and embedding. */
#include "tensor_case.h"

#include <math.h>
#include <string.h>

static bt_tensor build_embedding(const bt_tensor *in)
{
    return bt_tensor_embedding(in[0], in[1]);
}

static void reference_embedding(double *out, const double *const *in, const bt_shape *shapes)
{
    const size_t width = shapes[0].dims[1];
    size_t n = 1;
    for (size_t a = 0; a < shapes[1].axes; a++)
        n *= shapes[1].dims[a];
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < width; k++)
            out[i * width + k] = in[0][(size_t)in[1][i] * width + k];
}

static bt_tensor build_cross_entropy(const bt_tensor *in)
{
    return bt_tensor_cross_entropy(in[0], in[1]);
}

static void reference_cross_entropy(double *out, const double *const *in, const bt_shape *shapes)
{
    const size_t n = shapes[0].dims[shapes[0].axes - 1];
    size_t rows = 1;
    for (size_t a = 0; a < shapes[1].axes; a++)
        rows *= shapes[1].dims[a];
    out[0] = 0;
    for (size_t r = 0; r < rows; r++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += exp(in[0][r * n + i]);
        out[0] += log(sum) - in[0][r * n + (size_t)in[1][r]];
    }
    out[0] /= (double)rows;
}

static size_t loss_elements(const bt_shape *shape)
{
    size_t n = 1;
    for (size_t a = 0; a < shape->axes; a++)
        n *= shape->dims[a];
    return n;
}

static bt_tensor build_mse(const bt_tensor *in)
{
    return bt_tensor_mse(in[0], in[1]);
}

static void reference_mse(double *out, const double *const *in, const bt_shape *shapes)
{
    const size_t n = loss_elements(&shapes[0]);
    out[0] = 0;
    for (size_t i = 0; i < n; i++)
        out[0] += (in[0][i] - in[1][i]) * (in[0][i] - in[1][i]) / (double)n;
}

static bt_tensor build_mse_itself(const bt_tensor *in)
{
    return bt_tensor_mse(in[0], in[0]);
}

static void reference_mse_itself(double *out, const double *const *in, const bt_shape *shapes)
{
    (void)in;
    (void)shapes;
    out[0] = 0;
}

static bt_tensor build_binary_cross_entropy(const bt_tensor *in)
{
    return bt_tensor_binary_cross_entropy(in[0], in[1]);
}

static void reference_binary_cross_entropy(double *out, const double *const *in,
                                           const bt_shape *shapes)
{
    const size_t n = loss_elements(&shapes[0]);
    out[0] = 0;
    for (size_t i = 0; i < n; i++)
        out[0] += (log(1 + exp(in[0][i])) - in[1][i] * in[0][i]) / (double)n;
}

#define CROSS_ENTROPY_BAD "f2x3x5 u2x4<5; f6x5 u6x5<5; f5 u5<5; u6x5<3 u6<5"
#define SAME_BAD          "f2x3 f3x2; f6 f2x3; f3 u3<2; f4 f"
static const tensor_case loss_cases[] = {
    {"embedding", "f5x3 u4<5", build_embedding, reference_embedding,
     .bad = "f5 u4<5; f5x3x2 u4<5; f5x3 u1x2x3x4<5", .bench = "f65x24 u512<65"},
    {"embedding/number", "f5x19 u<5", build_embedding, reference_embedding, .bad = NULL},
    {"embedding/axes", "f7x17 u2x1x3<7", build_embedding, reference_embedding, .bad = NULL,
     .bench = "f50257x768 u4x256<50257"},
    {"cross_entropy", "f2x3x5 u2x3<5", build_cross_entropy, reference_cross_entropy,
     .bad = CROSS_ENTROPY_BAD, .bench = "f512x65 u512<65"},
    {"cross_entropy/blocks", "f5x260 u5<260", build_cross_entropy, reference_cross_entropy,
     .bad = NULL, .bench = "f64x27 u64<27"},
    {"cross_entropy/wide", "f1x1030 u1<1030", build_cross_entropy, reference_cross_entropy,
     .bad = NULL, .bench = "f256x8192 u256<8192"},
    {"cross_entropy/row", "f9 u<9", build_cross_entropy, reference_cross_entropy, .bad = NULL},
    {"mse", "f3x7 f3x7", build_mse, reference_mse, .bad = SAME_BAD, .bench = "f64x64 f64x64"},
    {"mse/itself", "f3", build_mse_itself, reference_mse_itself, .bad = NULL},
    {"mse/blocks", "f1x1100 f1x1100", build_mse, reference_mse, .bad = NULL},
    {"binary_cross_entropy", "f3x7 f3x7", build_binary_cross_entropy,
     reference_binary_cross_entropy, .bad = SAME_BAD, .bench = "f64x64 f64x64"},
    {"binary_cross_entropy/blocks", "f1100 f1100", build_binary_cross_entropy,
     reference_binary_cross_entropy, .bad = NULL},
};
