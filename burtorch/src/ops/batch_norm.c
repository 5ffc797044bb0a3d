// SPDX-License-Identifier: MIT
/* Each channel of x (B, C) or (B, C, H, W) to mean 0 and variance 1 over the batch, then times
 * gamma, plus beta. The statistics are those of layer_norm.c: a rounded mean, its correction, and
 * 1 / deviation, of every channel, which forward leaves; after training the running ones take
 * their place. */
#include "rows.h"

enum { INVERSE = 2 }; // rows of saved: means, corrections, inverses

typedef struct extent {
    size_t batch, channels, area; // area: elements of a channel in one example
} extent;

static extent extent_of(const bt__call *call)
{
    const bt_shape *x = &call->in[0]->shape;
    extent e = {x->dims[0], x->dims[1], 1};
    for (size_t a = 2; a < x->axes; a++)
        e.area *= x->dims[a];
    return e;
}

/* ---- Sums by channel ---- */

/* sum[c] and squares[c] += those of x - m[c], of one example. */
static void add_example(T *restrict sum, T *restrict squares, const T *restrict x,
                        const T *restrict m, extent e)
{
    if (e.area == 1) {
#define STEP(V, c)                                                                                 \
    const V d = AT(V, x, c) - AT(V, m, c);                                                         \
    TO(V, sum, c) += d;                                                                            \
    TO(V, squares, c) += d * d;
        EACH_OF_ROW(e.channels, STEP);
#undef STEP
        return;
    }
    for (size_t c = 0; c < e.channels; c++, x += e.area) {
        T s, q;
#define TERMS(V, a, b, i)                                                                          \
    const V d = AT(V, x, i) - m[c];                                                                \
    (a) += d;                                                                                      \
    (b) += d * d;
        SUMS_OF_ROW(e.area, s, q, TERMS);
#undef TERMS
        sum[c] += s;
        squares[c] += q;
    }
}

static void sums(const bt__call *call, T *sum, T *squares, const T *m, extent e)
{
    const size_t size = e.channels * e.area;
    memset(sum, 0, e.channels * sizeof(T));
    memset(squares, 0, e.channels * sizeof(T));
    for (size_t b = 0; b < e.batch; b++)
        add_example(sum, squares, VALUE(call->in[0]) + b * size, m, e);
}

/* The batch's statistics into saved, and the running ones moved towards them. */
static void batch_statistics(const bt__call *call, extent e)
{
    const T n = (T)(e.batch * e.area), momentum = (T)call->out->attributes.real[0];
    const T epsilon = (T)call->out->attributes.real[1], unbiased = n > (T)1 ? n / (n - (T)1) : (T)1;
    T *mean = SAVED(call->out), *correction = mean + e.channels;
    T *inverse = correction + e.channels, *sum = call->work, *squares = sum + e.channels;
    T *running_mean = VALUE(call->in[3]), *running_variance = VALUE(call->in[4]);
    memset(mean, 0, e.channels * sizeof(T));
    sums(call, sum, squares, mean, e);
    for (size_t c = 0; c < e.channels; c++)
        mean[c] = sum[c] / n;
    sums(call, sum, squares, mean, e);
    for (size_t c = 0; c < e.channels; c++) {
        correction[c] = sum[c] / n;
        const T variance = squares[c] / n - correction[c] * correction[c];
        inverse[c] = (T)1 / MATH(sqrt)(variance + epsilon);
        running_mean[c] += momentum * ((mean[c] - running_mean[c]) + correction[c]);
        running_variance[c] += momentum * (variance * unbiased - running_variance[c]);
    }
}

static void running_statistics(const bt__call *call, extent e)
{
    const T epsilon = (T)call->out->attributes.real[1], *variance = VALUE(call->in[4]);
    T *mean = SAVED(call->out), *correction = mean + e.channels;
    T *inverse = correction + e.channels;
    memcpy(mean, VALUE(call->in[3]), e.channels * sizeof(T));
    memset(correction, 0, e.channels * sizeof(T));
    for (size_t c = 0; c < e.channels; c++)
        inverse[c] = (T)1 / MATH(sqrt)(variance[c] + epsilon);
}

/* ---- Forward ---- */

/* y = ((x - mean) - correction) scale + beta, of one example; `scale` is inverse gamma. */
static void normalise(T *restrict y, const T *restrict x, const T *restrict stats,
                      const T *restrict scale, const T *restrict beta, extent e)
{
    const T *mean = stats, *correction = stats + e.channels;
    if (e.area == 1) {
#define STEP(V, c)                                                                                 \
    TO(V, y, c) = ((AT(V, x, c) - AT(V, mean, c)) - AT(V, correction, c)) * AT(V, scale, c) +      \
                  AT(V, beta, c);
        EACH_OF_ROW(e.channels, STEP);
#undef STEP
        return;
    }
    for (size_t c = 0; c < e.channels; c++, x += e.area, y += e.area) {
        const T m = mean[c], d = correction[c], s = scale[c], u = beta[c];
#define STEP(V, i) TO(V, y, i) = ((AT(V, x, i) - m) - d) * s + u;
        EACH_OF_ROW(e.area, STEP);
#undef STEP
    }
}

static ct_status batch_norm_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const extent e = extent_of(call);
    const size_t size = e.channels * e.area;
    const T *gamma = VALUE(call->in[1]), *inverse = SAVED(call->out) + INVERSE * e.channels;
    T *scale = call->work;
    if (call->training)
        batch_statistics(call, e);
    else
        running_statistics(call, e);
    for (size_t c = 0; c < e.channels; c++)
        scale[c] = inverse[c] * gamma[c];
    for (size_t b = 0; b < e.batch; b++)
        normalise(VALUE(call->out) + b * size, VALUE(call->in[0]) + b * size, SAVED(call->out),
                  scale, VALUE(call->in[2]), e);
    return CT_OK;
}

/* ---- Backward: with h the normalised x, sums of dy and of dy h by channel ---- */

static void add_example_gradient(T *restrict sum, T *restrict dot, const T *restrict x,
                                 const T *restrict dy, const T *restrict stats, extent e)
{
    const T *mean = stats, *correction = stats + e.channels;
    if (e.area == 1) {
#define STEP(V, c)                                                                                 \
    const V g = AT(V, dy, c);                                                                      \
    TO(V, sum, c) += g;                                                                            \
    TO(V, dot, c) += g * ((AT(V, x, c) - AT(V, mean, c)) - AT(V, correction, c));
        EACH_OF_ROW(e.channels, STEP);
#undef STEP
        return;
    }
    for (size_t c = 0; c < e.channels; c++, x += e.area, dy += e.area) {
        const T m = mean[c], d = correction[c];
        T s, q;
#define TERMS(V, a, b, i)                                                                          \
    (a) += AT(V, dy, i);                                                                           \
    (b) += AT(V, dy, i) * ((AT(V, x, i) - m) - d);
        SUMS_OF_ROW(e.area, s, q, TERMS);
#undef TERMS
        sum[c] += s;
        dot[c] += q;
    }
}

/* dx (+)= dy a - (x - mean) b - u for one run of a channel, or a row of channels. */
typedef struct affine {
    const T *a, *b, *u; // by channel
} affine;

static void example_backward(T *restrict dx, const T *restrict x, const T *restrict dy,
                             const T *restrict stats, affine f, extent e, bool set)
{
    const T *mean = stats, *correction = stats + e.channels;
    if (e.area == 1) {
#define RESULT(V, c)                                                                               \
    (AT(V, dy, c) * AT(V, f.a, c) - AT(V, f.u, c) -                                                \
     ((AT(V, x, c) - AT(V, mean, c)) - AT(V, correction, c)) * AT(V, f.b, c))
#define SET(V, c) TO(V, dx, c) = RESULT(V, c);
#define ADD(V, c) TO(V, dx, c) += RESULT(V, c);
        if (set)
            EACH_OF_ROW(e.channels, SET);
        else
            EACH_OF_ROW(e.channels, ADD);
#undef RESULT
        return;
    }
    for (size_t c = 0; c < e.channels; c++, x += e.area, dy += e.area, dx += e.area) {
        const T m = mean[c], d = correction[c], a = f.a[c], b = f.b[c], u = f.u[c];
#define RESULT(V, i) (AT(V, dy, i) * a - u - ((AT(V, x, i) - m) - d) * b)
        if (set)
            EACH_OF_ROW(e.area, SET);
        else
            EACH_OF_ROW(e.area, ADD);
#undef RESULT
#undef SET
#undef ADD
    }
}

/* Where the statistics are the batch's, x moves them: dx = (g - mean g - h mean(g h)) / deviation
 * with g = gamma dy; where they are the running ones, g / deviation. */
static void input_backward(const bt__call *call, const T *sum, const T *dot, extent e)
{
    const size_t size = e.channels * e.area;
    const T *gamma = VALUE(call->in[1]), *stats = SAVED(call->out);
    const T *inverse = stats + INVERSE * e.channels, n = (T)(e.batch * e.area);
    T *a = (T *)call->work + 2 * e.channels, *b = a + e.channels, *u = b + e.channels;
    for (size_t c = 0; c < e.channels; c++) {
        a[c] = inverse[c] * gamma[c];
        b[c] = call->training ? a[c] * inverse[c] * inverse[c] * (dot[c] / n) : (T)0;
        u[c] = call->training ? a[c] * (sum[c] / n) : (T)0;
    }
    const affine f = {a, b, u};
    for (size_t k = 0; k < e.batch; k++)
        example_backward(GRADIENT(call->in[0]) + k * size, VALUE(call->in[0]) + k * size,
                         GRADIENT(call->out) + k * size, stats, f, e, BT__OVERWRITES(call, 0));
}

static void batch_norm_backward(const bt__call *call)
{
    const extent e = extent_of(call);
    const size_t size = e.channels * e.area;
    const T *stats = SAVED(call->out), *inverse = stats + INVERSE * e.channels;
    T *sum = call->work, *dot = sum + e.channels;
    memset(sum, 0, 2 * e.channels * sizeof(T));
    for (size_t b = 0; b < e.batch; b++)
        add_example_gradient(sum, dot, VALUE(call->in[0]) + b * size,
                             GRADIENT(call->out) + b * size, stats, e);
    if (BT__WANTS(call, 0))
        input_backward(call, sum, dot, e);
    for (size_t j = 1; j < 3; j++)
        for (size_t c = 0; BT__WANTS(call, j) && c < e.channels; c++) {
            T *to = GRADIENT(call->in[j]) + c;
            *to = (BT__OVERWRITES(call, j) ? (T)0 : *to) + (j == 1 ? dot[c] * inverse[c] : sum[c]);
        }
}

const bt__op_code BT__CODE(batch_norm) = {batch_norm_forward, batch_norm_backward};
