// SPDX-License-Identifier: MIT
/* Reductions, along every axis of (4, 3, 5), along long rows, and over all. Equal elements are in
 * test_tensor_conventions.c. */
#include "tensor_case.h"

#include <math.h>

typedef double reduce_fn(const double *x, size_t n, size_t stride);

static double sum_of(const double *x, size_t n, size_t stride)
{
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += x[i * stride];
    return s;
}

static double mean_of(const double *x, size_t n, size_t stride)
{
    return sum_of(x, n, stride) / (double)n;
}

static double variance_of(const double *x, size_t n, size_t stride)
{
    const double mean = mean_of(x, n, stride);
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += (x[i * stride] - mean) * (x[i * stride] - mean);
    return s / (double)n;
}

static double norm_of(const double *x, size_t n, size_t stride)
{
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += x[i * stride] * x[i * stride];
    return sqrt(s);
}

static double log_sum_exp_of(const double *x, size_t n, size_t stride)
{
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += exp(x[i * stride]);
    return log(s);
}

static double reduce_max_of(const double *x, size_t n, size_t stride)
{
    double top = x[0];
    for (size_t i = 1; i < n; i++)
        top = x[i * stride] > top ? x[i * stride] : top;
    return top;
}

static double reduce_min_of(const double *x, size_t n, size_t stride)
{
    double least = x[0];
    for (size_t i = 1; i < n; i++)
        least = x[i * stride] < least ? x[i * stride] : least;
    return least;
}

static void reference_reduce(double *out, const double *x, const bt_shape *shape, int axis,
                             reduce_fn *fn)
{
    size_t outer = 1, n = 1, inner = 1;
    for (size_t i = 0; i < shape->axes; i++)
        if (axis == BT_ALL_AXES || (int)i == axis)
            n *= shape->dims[i];
        else if ((int)i < axis)
            outer *= shape->dims[i];
        else
            inner *= shape->dims[i];
    for (size_t o = 0; o < outer; o++)
        for (size_t j = 0; j < inner; j++)
            out[o * inner + j] = fn(x + o * n * inner + j, n, inner);
}

#define REDUCE_CASE_OF(id, name, axis)                                                             \
    static bt_tensor build_##id(const bt_tensor *in)                                               \
    {                                                                                              \
        return bt_tensor_##name(in[0], axis);                                                      \
    }                                                                                              \
    static void reference_##id(double *out, const double *const *in, const bt_shape *shapes)       \
    {                                                                                              \
        reference_reduce(out, in[0], shapes, (axis) < 0 ? (int)shapes->axes + (axis) : (axis),     \
                         name##_of);                                                               \
    }
#define REDUCE_NAMES(X)                                                                            \
    X(sum)                                                                                         \
    X(mean)                                                                                        \
    X(reduce_max)                                                                                  \
    X(reduce_min)                                                                                  \
    X(variance)                                                                                    \
    X(norm)                                                                                        \
    X(log_sum_exp)
#define REDUCE_CASE(name)                                                                          \
    REDUCE_CASE_OF(name##_first, name, 0)                                                          \
    REDUCE_CASE_OF(name##_middle, name, 1)                                                         \
    REDUCE_CASE_OF(name##_last, name, -1)                                                          \
    REDUCE_CASE_OF(name##_all, name, BT_ALL_AXES)
REDUCE_NAMES(REDUCE_CASE)

/* The largest of each row by its index. */
static bt_tensor build_argmax(const bt_tensor *in)
{
    return bt_tensor_gather(in[0], bt_tensor_argmax(in[0]));
}

static void reference_argmax(double *out, const double *const *in, const bt_shape *shapes)
{
    reference_reduce(out, in[0], shapes, (int)shapes->axes - 1, reduce_max_of);
}

/* A reduction of a view: columns 1 and 2, turned. */
static bt_tensor build_sum_view(const bt_tensor *in)
{
    return bt_tensor_sum(bt_tensor_transpose(bt_tensor_slice(in[0], 1, 1, 3), 0, 1), 1);
}

static void reference_sum_view(double *out, const double *const *in, const bt_shape *shapes)
{
    for (size_t j = 0; j < 2; j++)
        out[j] = sum_of(in[0] + 1 + j, shapes->dims[0], shapes->dims[1]);
}

#define BAD_FIRST  "f; u4<9"
#define BAD_MIDDLE "f4; f; u2x4<9"
#define ROWS(id, inputs, bad, bench)                                                               \
    {                                                                                              \
#id " " inputs, inputs, build_##id, reference_##id, bad, 0, 0, 0, bench                    \
    }
#define REDUCE_ROWS(name)                                                                          \
    ROWS(name##_first, "f4x3x5", BAD_FIRST, "f256x256"),                                           \
        ROWS(name##_middle, "f4x3x5", BAD_MIDDLE, NULL),                                           \
        ROWS(name##_last, "f4x3x5", BAD_FIRST, "f256x256"),                                        \
        ROWS(name##_last, "f2x170", NULL, NULL), ROWS(name##_middle, "f2x3x33", NULL, NULL),       \
        ROWS(name##_first, "f2x515", NULL, NULL), ROWS(name##_all, "f4x3x5", "u3<5", "f65536"),

static const tensor_case reduce_cases[] = {
    REDUCE_NAMES(REDUCE_ROWS) ROWS(argmax, "f4x3x5", BAD_FIRST, "f256x256"),
    ROWS(argmax, "f3x333", NULL, NULL),
    ROWS(sum_view, "f6x4", NULL, NULL),
};
