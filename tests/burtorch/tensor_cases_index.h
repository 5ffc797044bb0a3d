// SPDX-License-Identifier: MIT
/* gather and concat. */
#include "tensor_case.h"

#include <string.h>

static bt_tensor build_gather(const bt_tensor *in)
{
    return bt_tensor_gather(in[0], in[1]);
}

static void reference_gather(double *out, const double *const *in, const bt_shape *shapes)
{
    size_t rows = 1;
    const size_t n = shapes[0].dims[shapes[0].axes - 1];
    for (size_t a = 0; a + 1 < shapes[0].axes; a++)
        rows *= shapes[0].dims[a];
    for (size_t r = 0; r < rows; r++)
        out[r] = in[0][r * n + (size_t)in[1][r]];
}

static bt_tensor build_concat_0(const bt_tensor *in)
{
    return bt_tensor_concat(in, 3, 0);
}

static bt_tensor build_concat_1(const bt_tensor *in)
{
    return bt_tensor_concat(in, 3, 1);
}

static bt_tensor build_concat_last(const bt_tensor *in)
{
    return bt_tensor_concat(in, 2, -1);
}

/* One tensor twice, and one alone. */
static bt_tensor build_concat_same(const bt_tensor *in)
{
    const bt_tensor both[] = {in[0], in[0]};
    const bt_tensor twice = bt_tensor_concat(both, 2, 1);
    return bt_tensor_concat(&twice, 1, 0);
}

static void append(double **out, const double *x, size_t n)
{
    memcpy(*out, x, n * sizeof *x);
    *out += n;
}

static void reference_concat(double *out, const double *const *in, const bt_shape *shapes,
                             size_t n_in, size_t axis)
{
    size_t outer = 1;
    for (size_t a = 0; a < axis; a++)
        outer *= shapes[0].dims[a];
    for (size_t o = 0; o < outer; o++)
        for (size_t j = 0; j < n_in; j++) {
            size_t inner = 1;
            for (size_t a = axis; a < shapes[j].axes; a++)
                inner *= shapes[j].dims[a];
            append(&out, in[j] + o * inner, inner);
        }
}

static void reference_concat_0(double *out, const double *const *in, const bt_shape *shapes)
{
    reference_concat(out, in, shapes, 3, 0);
}

static void reference_concat_1(double *out, const double *const *in, const bt_shape *shapes)
{
    reference_concat(out, in, shapes, 3, 1);
}

static void reference_concat_last(double *out, const double *const *in, const bt_shape *shapes)
{
    reference_concat(out, in, shapes, 2, shapes[0].axes - 1);
}

static void reference_concat_same(double *out, const double *const *in, const bt_shape *shapes)
{
    const double *both[] = {in[0], in[0]};
    const bt_shape two[] = {shapes[0], shapes[0]};
    reference_concat(out, both, two, 2, 1);
}

/* Beside a real operand, that there be a gradient. */
static bt_tensor build_real(const bt_tensor *in)
{
    return bt_tensor_mul(in[0], bt_tensor_real(in[1]));
}

static void reference_real(double *out, const double *const *in, const bt_shape *shapes)
{
    for (size_t i = 0; i < shapes[0].dims[0]; i++)
        out[i] = in[0][i] * in[1][i];
}

static const tensor_case index_cases[] = {
    {"real", "f19 u19<7", build_real, reference_real, "f19 u18<7", 0, 0, 0, NULL},
    {"gather", "f5x7 u5<7", build_gather, reference_gather,
     "f5x7 u4<7; f5x7 u5x7<7; f5 u5<5; f u<1", 0, 0, 0, "f4096x16 u4096<16"},
    {"gather deep", "f2x3x4 u2x3<4", build_gather, reference_gather, NULL, 0, 0, 0, NULL},
    {"gather one", "f9 u<9", build_gather, reference_gather, NULL, 0, 0, 0, NULL},
    {"concat 0", "f2x5 f1x5 f4x5", build_concat_0, reference_concat_0,
     "f2x5 f1x4 f4x5; f2x5 f2x5 f5; f f f; f3 u3<5 f3", 0, 0, 0, "f64x256 f128x256 f64x256"},
    {"concat 1", "f3x2x4 f3x1x4 f3x5x4", build_concat_1, reference_concat_1,
     "f3x2x4 f3x1x3 f3x5x4; f3 f3 f3", 0, 0, 0, "f256x64 f256x128 f256x64"},
    {"concat last", "f3x19 f3x2", build_concat_last, reference_concat_last, "f3x19 f2x19", 0, 0, 0,
     NULL},
    {"concat same", "f3x4", build_concat_same, reference_concat_same, "f4", 0, 0, 0, NULL},
};
