// SPDX-License-Identifier: MIT
/* Softmax and normalisations. */
#include "tensor_case.h"

#include <math.h>

/* (outer, last axis) of a shape with any axes. */
static size_t norm_rows(const bt_shape *shape, size_t *n)
{
    size_t rows = 1;
    for (size_t a = 0; a + 1 < shape->axes; a++)
        rows *= shape->dims[a];
    *n = shape->dims[shape->axes - 1];
    return rows;
}

static bt_tensor build_softmax(const bt_tensor *in)
{
    return bt_tensor_softmax(in[0]);
}

static void reference_softmax(double *out, const double *const *in, const bt_shape *shapes)
{
    size_t n;
    const size_t rows = norm_rows(&shapes[0], &n);
    for (size_t r = 0; r < rows; r++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += exp(in[0][r * n + i]);
        for (size_t i = 0; i < n; i++)
            out[r * n + i] = exp(in[0][r * n + i]) / sum;
    }
}

static bt_tensor build_log_softmax(const bt_tensor *in)
{
    return bt_tensor_log_softmax(in[0]);
}

static void reference_log_softmax(double *out, const double *const *in, const bt_shape *shapes)
{
    size_t n;
    const size_t rows = norm_rows(&shapes[0], &n);
    reference_softmax(out, in, shapes);
    for (size_t i = 0; i < rows * n; i++)
        out[i] = log(out[i]);
}

static bt_tensor build_layer_norm(const bt_tensor *in)
{
    return bt_tensor_layer_norm(in[0], in[1], in[2], 1e-3);
}

static void reference_layer_norm(double *out, const double *const *in, const bt_shape *shapes)
{
    size_t n;
    const size_t rows = norm_rows(&shapes[0], &n);
    for (size_t r = 0; r < rows; r++) {
        const double *x = in[0] + r * n;
        double mean = 0, variance = 0;
        for (size_t i = 0; i < n; i++)
            mean += x[i] / (double)n;
        for (size_t i = 0; i < n; i++)
            variance += (x[i] - mean) * (x[i] - mean) / (double)n;
        for (size_t i = 0; i < n; i++)
            out[r * n + i] = (x[i] - mean) / sqrt(variance + 1e-3) * in[1][i] + in[2][i];
    }
}

/* x, gamma and beta are one tensor. */
static bt_tensor build_layer_norm_itself(const bt_tensor *in)
{
    return bt_tensor_layer_norm(in[0], in[0], in[0], 1e-3);
}

static void reference_layer_norm_itself(double *out, const double *const *in,
                                        const bt_shape *shapes)
{
    const double *const same[] = {in[0], in[0], in[0]};
    reference_layer_norm(out, same, shapes);
}

/* The buffers are found again where the operation is built twice. */
static bt_tensor norm_buffer(const bt_tensor *in, const char *name, double value)
{
    const bt_tensor found = bt_graph_find(in[0].graph, name);
    return found.index != BT_NO_TENSOR
               ? found
               : bt_buffer(in[0].graph, name, bt_tensor_shape(in[1]), bt_init_constant(value));
}

static bt_tensor build_batch_norm(const bt_tensor *in)
{
    return bt_tensor_batch_norm(in[0], in[1], in[2], norm_buffer(in, "mean", 0),
                                norm_buffer(in, "variance", 1), 0.1, 1e-3);
}

static void reference_batch_norm(double *out, const double *const *in, const bt_shape *shapes)
{
    const size_t batch = shapes[0].dims[0], channels = shapes[0].dims[1];
    const size_t area = shapes[0].axes == 4 ? shapes[0].dims[2] * shapes[0].dims[3] : 1;
    const double n = (double)(batch * area);
    for (size_t c = 0; c < channels; c++) {
        double mean = 0, variance = 0;
        for (size_t b = 0; b < batch; b++)
            for (size_t i = 0; i < area; i++)
                mean += in[0][(b * channels + c) * area + i] / n;
        for (size_t b = 0; b < batch; b++)
            for (size_t i = 0; i < area; i++)
                variance += pow(in[0][(b * channels + c) * area + i] - mean, 2) / n;
        for (size_t b = 0; b < batch; b++)
            for (size_t i = 0; i < area; i++) {
                const size_t at = (b * channels + c) * area + i;
                out[at] = (in[0][at] - mean) / sqrt(variance + 1e-3) * in[1][c] + in[2][c];
            }
    }
}

#define LAYER_NORM_BAD "f2x3 f2 f3; f2x3 f3 f2; f2x3 f2x3 f3; f f1 f1; u2x3<4 f3 f3"
static const tensor_case norm_cases[] = {
    {"softmax", "f3x5", build_softmax, reference_softmax, .bad = "f; u3x5<4", .bench = "f512x8"},
    {"softmax/1", "f3x1", build_softmax, reference_softmax, .bad = NULL, .bench = "f768x64"},
    {"softmax/axes", "f2x2x2x9", build_softmax, reference_softmax, .bad = NULL},
    {"softmax/wide", "f1x1033", build_softmax, reference_softmax, .bad = NULL, .bench = "f64x4096"},
    {"log_softmax", "f3x5", build_log_softmax, reference_log_softmax, .bad = "f; u3x5<4",
     .bench = "f512x65"},
    {"log_softmax/blocks", "f5x260", build_log_softmax, reference_log_softmax, .bad = NULL},
    {"layer_norm", "f2x3x5 f5 f5", build_layer_norm, reference_layer_norm, .bad = LAYER_NORM_BAD,
     .bench = "f512x24 f24 f24"},
    {"layer_norm/row", "f33 f33 f33", build_layer_norm, reference_layer_norm, .bad = NULL,
     .bench = "f768x128 f128 f128"},
    {"layer_norm/1", "f3x1 f1 f1", build_layer_norm, reference_layer_norm, .bad = NULL,
     .bench = "f1024x384 f384 f384"},
    {"layer_norm/itself", "f17", build_layer_norm_itself, reference_layer_norm_itself, .bad = NULL},
    {"batch_norm", "f5x3 f3 f3", build_batch_norm, reference_batch_norm,
     .bad = "f5x3 f5 f5; f5x3 f3 f5; f5x3x2 f3 f3; f3 f3 f3", .bench = "f64x64 f64 f64"},
    {"batch_norm/many", "f4x29 f29 f29", build_batch_norm, reference_batch_norm, .bad = NULL},
    {"batch_norm/images", "f2x3x3x7 f3 f3", build_batch_norm, reference_batch_norm, .bad = NULL,
     .bench = "f32x16x14x14 f16 f16"},
};
