// SPDX-License-Identifier: MIT
/* Elementwise operations: of one number, of one number and a plain one, of two and three with
 * broadcasting and views. Where a function has a kink, operands are drawn on one side of it; what
 * happens at it is in test_tensor_conventions.c. */
#include "tensor_case.h"

#include <math.h>

static size_t elements_of(const bt_shape *shape)
{
    size_t n = 1;
    for (size_t i = 0; i < shape->axes; i++)
        n *= shape->dims[i];
    return n;
}

/* ---- Of one number: name, reference, low, high ---- */

#define UNARY_CASES(X)                                                                             \
    X(neg, -a, 0, 0)                                                                               \
    X(inv, 1 / a, 0.2, 4)                                                                          \
    X(sqr, a *a, 0, 0)                                                                             \
    X(sqrt, sqrt(a), 0.1, 9)                                                                       \
    X(exp, exp(a), -3, 3)                                                                          \
    X(log, log(a), 0.1, 9)                                                                         \
    X(log1p, log1p(a), -0.9, 9)                                                                    \
    X(sin, sin(a), -6, 6)                                                                          \
    X(cos, cos(a), -6, 6)                                                                          \
    X(tanh, tanh(a), -3, 3)                                                                        \
    X(sigmoid, 1 / (1 + exp(-a)), -6, 6)                                                           \
    X(softplus, log1p(exp(a)), -6, 6)                                                              \
    X(gelu, a * 0.5 * erfc(-a / sqrt(2.0)), -4, 4)                                                 \
    X(silu, a / (1 + exp(-a)), -6, 6)                                                              \
    X(erf, erf(a), -2, 2)
#define UNARY_CASE_OF(id, build_it, value)                                                         \
    static bt_tensor build_##id(const bt_tensor *in)                                               \
    {                                                                                              \
        return build_it;                                                                           \
    }                                                                                              \
    static void reference_##id(double *out, const double *const *in, const bt_shape *shapes)       \
    {                                                                                              \
        for (size_t i = 0; i < elements_of(shapes); i++) {                                         \
            const double a = in[0][i];                                                             \
            out[i] = (value);                                                                      \
        }                                                                                          \
    }
#define UNARY_CASE(name, value, low, high) UNARY_CASE_OF(name, bt_tensor_##name(in[0]), value)
UNARY_CASES(UNARY_CASE)
UNARY_CASE_OF(abs_above, bt_tensor_abs(in[0]), a)
UNARY_CASE_OF(abs_below, bt_tensor_abs(in[0]), -a)
UNARY_CASE_OF(relu_above, bt_tensor_relu(in[0]), a)
UNARY_CASE_OF(relu_below, bt_tensor_relu(in[0]), 0 * a)
UNARY_CASE_OF(sin_far, bt_tensor_sin(in[0]), sin(a))
UNARY_CASE_OF(add_const, bt_tensor_add_const(in[0], -1.5), a - 1.5)
UNARY_CASE_OF(mul_const, bt_tensor_mul_const(in[0], -2.5), -2.5 * a)
UNARY_CASE_OF(pow_0, bt_tensor_pow_const(in[0], 0), 1 + 0 * a)
UNARY_CASE_OF(pow_1, bt_tensor_pow_const(in[0], 1), a)
UNARY_CASE_OF(pow_2, bt_tensor_pow_const(in[0], 2), a *a)
UNARY_CASE_OF(pow_3, bt_tensor_pow_const(in[0], 3), a *a *a)
UNARY_CASE_OF(pow_4, bt_tensor_pow_const(in[0], 4), a *a *a *a)
UNARY_CASE_OF(pow_minus_1, bt_tensor_pow_const(in[0], -1), 1 / a)
UNARY_CASE_OF(pow_const, bt_tensor_pow_const(in[0], -1.7), pow(a, -1.7))
UNARY_CASE_OF(clamp, bt_tensor_clamp(in[0], -0.1, 2), a)
UNARY_CASE_OF(clamp_above, bt_tensor_clamp(in[0], -7, -6), -6 + 0 * a)
UNARY_CASE_OF(clamp_below, bt_tensor_clamp(in[0], 8, 9), 8 + 0 * a)
UNARY_CASE_OF(leaky_above, bt_tensor_leaky_relu(in[0], 0.1), a)
UNARY_CASE_OF(leaky_below, bt_tensor_leaky_relu(in[0], 0.1), 0.1 * a)
UNARY_CASE_OF(dropout_0, bt_tensor_dropout(in[0], 0), a)
// A view is copied first.
UNARY_CASE_OF(exp_view, bt_tensor_transpose(bt_tensor_exp(bt_tensor_transpose(in[0], 0, 1)), 0, 1),
              exp(a))

/* ---- Of two ---- */

/* Element i of the result at `shape`, broadcast from x. */
static double repeated(const double *x, const bt_shape *from, const bt_shape *shape, size_t i)
{
    size_t at = 0, step = 1;
    for (size_t back = 1; back <= shape->axes; back++) {
        const size_t k = i % shape->dims[shape->axes - back];
        i /= shape->dims[shape->axes - back];
        if (back > from->axes)
            continue;
        const size_t dim = from->dims[from->axes - back];
        at += (dim == 1 ? 0 : k) * step;
        step *= dim;
    }
    return x[at];
}

static bt_shape repeated_shape(const bt_shape *a, const bt_shape *b)
{
    bt_shape out = a->axes >= b->axes ? *a : *b;
    for (size_t back = 1; back <= a->axes && back <= b->axes; back++) {
        const size_t p = a->dims[a->axes - back], q = b->dims[b->axes - back];
        out.dims[out.axes - back] = p > q ? p : q;
    }
    return out;
}

#define BINARY_CASE_OF(id, build_it, value)                                                        \
    static bt_tensor build_##id(const bt_tensor *in)                                               \
    {                                                                                              \
        return build_it;                                                                           \
    }                                                                                              \
    static void reference_##id(double *out, const double *const *in, const bt_shape *shapes)       \
    {                                                                                              \
        const bt_shape shape = repeated_shape(&shapes[0], &shapes[1]);                             \
        for (size_t i = 0; i < elements_of(&shape); i++) {                                         \
            const double a = repeated(in[0], &shapes[0], &shape, i);                               \
            const double b = repeated(in[1], &shapes[1], &shape, i);                               \
            out[i] = (value);                                                                      \
        }                                                                                          \
    }
#define BINARY_CASE(name, value) BINARY_CASE_OF(name, bt_tensor_##name(in[0], in[1]), value)
BINARY_CASE(add, a + b)
BINARY_CASE(sub, a - b)
BINARY_CASE(mul, a *b)
BINARY_CASE(div, a / b)
BINARY_CASE(pow, pow(a, b))
// Operands 1 apart do not meet.
BINARY_CASE_OF(min, bt_tensor_min(bt_tensor_add_const(in[0], 1), in[1]), a + 1 < b ? a + 1 : b)
BINARY_CASE_OF(max, bt_tensor_max(in[0], bt_tensor_add_const(in[1], 1)), a > b + 1 ? a : b + 1)
BINARY_CASE_OF(same_twice, bt_tensor_mul(bt_tensor_mul(in[0], in[0]), in[1]), a *a *b)
BINARY_CASE_OF(same_div, bt_tensor_mul(bt_tensor_div(in[0], in[0]), in[1]), b + 0 * a)

/* x^T - z^T, both (6, 5) as stored (5, 6), turned back. */
BINARY_CASE_OF(views_sub,
               bt_tensor_transpose(bt_tensor_sub(bt_tensor_transpose(in[0], 0, 1),
                                                 bt_tensor_transpose(in[1], 0, 1)),
                                   0, 1),
               a - b)
/* x / z z of an x that lies turned; z a row or a column. */
BINARY_CASE_OF(view_div,
               bt_tensor_div(bt_tensor_transpose(
                                 bt_tensor_mul_const(bt_tensor_transpose(in[0], 0, 1), 1), 0, 1),
                             in[1]),
               a / b)

/* Rows 1 … 3 of x times columns 2 … 4 of z, and both views of one tensor too. */
static bt_tensor build_slices(const bt_tensor *in)
{
    const bt_tensor x = bt_tensor_slice(bt_tensor_slice(in[0], 0, 1, 4), 1, 0, 3);
    const bt_tensor z = bt_tensor_slice(bt_tensor_slice(in[0], 0, 2, 5), 1, 2, 5);
    return bt_tensor_mul(x, z);
}

static void reference_slices(double *out, const double *const *in, const bt_shape *shapes)
{
    (void)shapes;
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++)
            out[i * 3 + j] = in[0][(1 + i) * 6 + j] * in[0][(2 + i) * 6 + 2 + j];
}

/* ---- select, broadcast ---- */

static bt_tensor build_select(const bt_tensor *in)
{
    return bt_tensor_select(bt_tensor_add_const(bt_tensor_mul_const(in[0], 0), 1), in[1], in[2]);
}

static void reference_select(double *out, const double *const *in, const bt_shape *shapes)
{
    bt_shape shape = repeated_shape(&shapes[0], &shapes[1]);
    shape = repeated_shape(&shape, &shapes[2]);
    for (size_t i = 0; i < elements_of(&shape); i++)
        out[i] = repeated(in[1], &shapes[1], &shape, i);
}

/* The condition is a difference from which no gradient comes back. */
static bt_tensor build_choose(const bt_tensor *in)
{
    const bt_tensor zero = bt_tensor_mul_const(in[0], 0);
    const bt_tensor c = bt_tensor_add_const(bt_tensor_sin(bt_tensor_add_const(zero, 3)), -1);
    return bt_tensor_select(c, in[1], in[2]);
}

static void reference_choose(double *out, const double *const *in, const bt_shape *shapes)
{
    bt_shape shape = repeated_shape(&shapes[0], &shapes[1]);
    shape = repeated_shape(&shape, &shapes[2]);
    for (size_t i = 0; i < elements_of(&shape); i++)
        out[i] = repeated(in[2], &shapes[2], &shape, i);
}

static bt_tensor build_broadcast(const bt_tensor *in)
{
    return bt_tensor_broadcast(in[0], bt_shape4(2, 3, 4, 5));
}

static void reference_broadcast(double *out, const double *const *in, const bt_shape *shapes)
{
    const bt_shape shape = bt_shape4(2, 3, 4, 5);
    for (size_t i = 0; i < 120; i++)
        out[i] = repeated(in[0], &shapes[0], &shape, i);
}

#define INDICES   "u3<5"
#define BAD_PAIRS "f2x3 f2; f4x3 f5x3; u3<5 f3; f3 u3<5; f2x3x4 f3x3x4"
#define UNARY_ROW(name, value, low, high)                                                          \
    {#name, "f5x7", build_##name, reference_##name, INDICES, low, high, 0, "f256x256"},
#define ONE_ROW(id, low, high)                                                                     \
    {                                                                                              \
#id, "f37", build_##id, reference_##id, INDICES, low, high, 0, NULL                        \
    }
#define PAIR(id, inputs, bench)                                                                    \
    {                                                                                              \
#id " " inputs, inputs, build_##id, reference_##id, BAD_PAIRS, 0, 0, 0, bench              \
    }
#define PAIR_FROM(id, inputs, low, high, bench)                                                    \
    {                                                                                              \
#id " " inputs, inputs, build_##id, reference_##id, BAD_PAIRS, low, high, 0, bench         \
    }

static const tensor_case elementwise_cases[] = {
    UNARY_CASES(UNARY_ROW) ONE_ROW(abs_above, 0.1, 3),
    ONE_ROW(abs_below, -3, -0.1),
    {"relu", "f5x7", build_relu_above, reference_relu_above, INDICES, 0.1, 3, 0, "f256x256"},
    ONE_ROW(relu_below, -3, -0.1),
    ONE_ROW(sin_far, 6390, 6410),
    ONE_ROW(add_const, 0, 0),
    ONE_ROW(mul_const, 0, 0),
    ONE_ROW(pow_0, -2, 2),
    ONE_ROW(pow_1, -2, 2),
    ONE_ROW(pow_2, -2, 2),
    ONE_ROW(pow_3, -2, 2),
    ONE_ROW(pow_4, -2, 2),
    ONE_ROW(pow_minus_1, 0.2, 4),
    {"pow_const", "f300", build_pow_const, reference_pow_const, INDICES, 0.3, 4, 0, "f256x256"},
    ONE_ROW(clamp, 0, 1.9),
    ONE_ROW(clamp_above, 0, 1.9),
    ONE_ROW(clamp_below, 0, 1.9),
    ONE_ROW(leaky_above, 0.1, 3),
    ONE_ROW(leaky_below, -3, -0.1),
    {"dropout", "f5x7", build_dropout_0, reference_dropout_0, INDICES, 0, 0, 0, "f256x256"},
    {"exp_view", "f5x7", build_exp_view, reference_exp_view, "f3", -3, 3, 0, NULL},
    PAIR(add, "f5x37 f5x37", "f256x256 f256x256"),
    PAIR(add, "f5x37 f37", "f256x256 f256"),
    PAIR(add, "f f5x3", "f256x256 f"),
    PAIR(sub, "f2x3x4 f3x1", "f256x256 f256x1"),
    PAIR(sub, "f1x3x1x5 f2x1x4x1", NULL),
    PAIR(mul, "f5x37 f5x37", "f256x256 f256x256"),
    PAIR(mul, "f4x3x5 f1x5", "f256x256 f256"),
    PAIR(mul, "f3 f", "f256x256 f"),
    PAIR(mul, "f f", NULL),
    PAIR(mul, "f4x1x33 f1x3x33", NULL),
    PAIR_FROM(div, "f5x37 f5x37", 0.5, 3, "f256x256 f256x256"),
    PAIR_FROM(div, "f37 f5x1", 0.5, 3, NULL),
    PAIR_FROM(pow, "f3x5 f3x5", 0.5, 2, "f256x256 f256x256"),
    PAIR_FROM(pow, "f3x5 f", 0.5, 2, NULL),
    PAIR_FROM(pow, "f f7", 0.5, 2, NULL),
    PAIR_FROM(min, "f5x19 f5x19", 1, 1.9, "f256x256 f256x256"),
    PAIR_FROM(min, "f5x19 f19", 1, 1.9, NULL),
    PAIR_FROM(max, "f5x19 f5x19", 1, 1.9, NULL),
    PAIR_FROM(max, "f5x1 f19", 1, 1.9, NULL),
    PAIR(same_twice, "f5x3 f3", NULL),
    PAIR_FROM(same_div, "f5x3 f3", 0.5, 2, NULL),
    {"views_sub", "f5x6 f5x6", build_views_sub, reference_views_sub, "f5x6 f5x5", 0, 0, 0, NULL},
    {"view_div", "f5x6 f6", build_view_div, reference_view_div, "f5x6 f5", 0.5, 2, 0, NULL},
    {"view_div column", "f5x6 f5x1", build_view_div, reference_view_div, NULL, 0.5, 2, 0, NULL},
    {"slices", "f5x6", build_slices, reference_slices, NULL, 0, 0, 0, NULL},
    {"select", "f3x17 f3x17 f3x17", build_select, reference_select, "f2 f3 f; f2x3 f f2", 0, 0, 0,
     "f256x256 f256x256 f256x256"},
    {"select rows", "f4x1 f3x4x5 f5", build_select, reference_select, NULL, 0, 0, 0, NULL},
    {"choose", "f3x17 f3x17 f", build_choose, reference_choose, NULL, 0, 0, 0, NULL},
    {"choose rows", "f4x1 f5 f3x4x5", build_choose, reference_choose, NULL, 0, 0, 0, NULL},
    {"broadcast", "f3x1x5", build_broadcast, reference_broadcast, "f2x5; f2x3x4x6; u5<3", 0, 0, 0,
     NULL},
    {"broadcast column", "f2x1x4x1", build_broadcast, reference_broadcast, NULL, 0, 0, 0, NULL},
    {"broadcast number", "f", build_broadcast, reference_broadcast, NULL, 0, 0, 0, NULL},
};
