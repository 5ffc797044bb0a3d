// SPDX-License-Identifier: MIT
/* Matrix products: plain, batched, with broadcast leading axes, of matrices that lie turned or with
 * gaps. One large enough for BLAS is in test_tensor_conventions.c. */
#include "tensor_case.h"

/* Matrix `at` (in row-major order of the result's leading axes) of x, for up to two of them. */
static const double *matrix_of(const double *x, const bt_shape *shape, const bt_shape *out,
                               size_t at)
{
    size_t place = 0, step = shape->dims[shape->axes - 2] * shape->dims[shape->axes - 1];
    for (size_t back = 3; back <= out->axes; back++) {
        const size_t k = at % out->dims[out->axes - back];
        at /= out->dims[out->axes - back];
        if (back > shape->axes)
            continue;
        const size_t dim = shape->dims[shape->axes - back];
        place += (dim == 1 ? 0 : k) * step;
        step *= dim;
    }
    return x + place;
}

static void multiply(double *out, const double *x, const double *z, size_t m, size_t n, size_t k)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            out[i * n + j] = 0;
            for (size_t l = 0; l < k; l++)
                out[i * n + j] += x[i * k + l] * z[l * n + j];
        }
}

static bt_tensor build_matmul(const bt_tensor *in)
{
    return bt_tensor_matmul(in[0], in[1]);
}

static void reference_matmul(double *out, const double *const *in, const bt_shape *shapes)
{
    const bt_shape *x = &shapes[0], *z = &shapes[1];
    bt_shape shape = x->axes >= z->axes ? *x : *z;
    size_t batch = 1;
    const size_t m = x->dims[x->axes - 2], k = x->dims[x->axes - 1], n = z->dims[z->axes - 1];
    for (size_t back = 3; back <= shape.axes; back++) {
        const size_t a = back <= x->axes ? x->dims[x->axes - back] : 1;
        const size_t b = back <= z->axes ? z->dims[z->axes - back] : 1;
        shape.dims[shape.axes - back] = a > b ? a : b;
        batch *= a > b ? a : b;
    }
    for (size_t i = 0; i < batch; i++)
        multiply(out + i * m * n, matrix_of(in[0], x, &shape, i), matrix_of(in[1], z, &shape, i), m,
                 n, k);
}

/* Both stored turned: (K, M) and (N, K). */
static bt_tensor build_matmul_turned(const bt_tensor *in)
{
    return bt_tensor_matmul(bt_tensor_transpose(in[0], -1, -2), bt_tensor_transpose(in[1], -1, -2));
}

static void reference_matmul_turned(double *out, const double *const *in, const bt_shape *shapes)
{
    const size_t k = shapes[0].dims[0], m = shapes[0].dims[1], n = shapes[1].dims[0];
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            out[i * n + j] = 0;
            for (size_t l = 0; l < k; l++)
                out[i * n + j] += in[0][l * m + i] * in[1][j * k + l];
        }
}

/* Heads of (B, T, H D) side by side: (B, H, T, D) times its transpose, (B, H, T, T). */
static bt_tensor build_matmul_heads(const bt_tensor *in)
{
    const bt_tensor q = bt_tensor_transpose(bt_tensor_reshape(in[0], bt_shape4(2, 5, 3, 4)), 1, 2);
    const bt_tensor k = bt_tensor_transpose(bt_tensor_reshape(in[1], bt_shape4(2, 5, 3, 4)), 1, 2);
    return bt_tensor_matmul(q, bt_tensor_transpose(k, 2, 3));
}

static void reference_matmul_heads(double *out, const double *const *in, const bt_shape *shapes)
{
    (void)shapes;
    for (size_t b = 0; b < 2; b++)
        for (size_t h = 0; h < 3; h++)
            for (size_t s = 0; s < 5; s++)
                for (size_t t = 0; t < 5; t++, out++) {
                    *out = 0;
                    for (size_t d = 0; d < 4; d++)
                        *out += in[0][(b * 5 + s) * 12 + h * 4 + d] *
                                in[1][(b * 5 + t) * 12 + h * 4 + d];
                }
}

/* Every axis with gaps: must be copied. A column is not. */
static bt_tensor build_matmul_gaps(const bt_tensor *in)
{
    const bt_tensor x = bt_tensor_reshape(in[0], bt_shape4(3, 2, 2, 2));
    const bt_tensor part = bt_tensor_slice(bt_tensor_transpose(x, 1, 2), 3, 0, 1);
    const bt_tensor matrix = bt_tensor_slice(bt_tensor_transpose(part, 2, 3), 1, 1, 2);
    const bt_tensor wide = bt_tensor_transpose(bt_tensor_transpose(matrix, 1, 3), 2, 3);
    return bt_tensor_matmul(wide, bt_tensor_slice(in[1], 1, 1, 2));
}

static void reference_matmul_gaps(double *out, const double *const *in, const bt_shape *shapes)
{
    (void)shapes;
    for (size_t a = 0; a < 3; a++)
        for (size_t i = 0; i < 2; i++)
            out[a * 2 + i] = in[0][a * 8 + i * 4 + 2] * in[1][1];
}

#define BAD_PRODUCTS "f3x4 f5x6; f4 f4x5; f3x4 f4; f2x3x4 f3x4x5; u3x4<5 f4x5; f3x4 u4x5<3"
#define PRODUCT(inputs, bench)                                                                     \
    {                                                                                              \
        "matmul " inputs, inputs, build_matmul, reference_matmul, BAD_PRODUCTS, 0, 0, 2, bench     \
    }

static const tensor_case matmul_cases[] = {
    PRODUCT("f5x7 f7x3", "f64x64 f64x64"),
    PRODUCT("f1x7 f7x1", "f256x256 f256x256"),
    PRODUCT("f5x1 f1x3", "f12x64x32 f12x32x64"),
    PRODUCT("f4x5x7 f7x3", "f8x64x64 f64x64"),
    PRODUCT("f5x7 f4x7x3", NULL),
    PRODUCT("f4x5x7 f4x7x3", NULL),
    PRODUCT("f1x5x7 f4x7x3", NULL),
    PRODUCT("f2x3x5x4 f4x6", NULL),
    PRODUCT("f2x3x5x4 f3x4x2", NULL),
    PRODUCT("f2x1x5x4 f1x3x4x2", NULL),
    PRODUCT("f2x1x5x4 f4x2", NULL),
    {"matmul_turned", "f7x5 f3x7", build_matmul_turned, reference_matmul_turned,
     "f7x7 f3x6; f7 f3x7", 0, 0, 2, "f64x64 f64x64"},
    {"matmul_turned thin", "f1x5 f3x1", build_matmul_turned, reference_matmul_turned, NULL, 0, 0, 2,
     NULL},
    {"matmul_heads", "f2x5x12 f2x5x12", build_matmul_heads, reference_matmul_heads, NULL, 0, 0, 2,
     NULL},
    {"matmul_gaps", "f24 f1x3", build_matmul_gaps, reference_matmul_gaps, NULL, 0, 0, 0, NULL},
};
