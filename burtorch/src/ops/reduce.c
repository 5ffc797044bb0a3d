// SPDX-License-Identifier: MIT
/* Reductions of x, seen as (outer, n, inner), along n. Where inner is 1 a row is summed in vectors;
 * elsewhere rows of inner numbers are added, a block of them at a time that stays in the cache. */
#include "op.h"

enum { REDUCE_BLOCK = 512 };

typedef struct reduce {
    size_t outer, n, inner;
} reduce;

static reduce reduce_of(const bt__call *call)
{
    const size_t *size = call->out->attributes.size;
    const reduce r = {size[0], size[1], size[2]};
    return r;
}

/* ---- Forward ----
 *
 * A fold computes m results y from x, whose n terms lie stride apart; stride 1 means one result of
 * one row. saved (m) is what it leaves for backward, NULL for some. */
typedef void fold_fn(const bt__call *call, T *restrict y, void *saved, const T *restrict x,
                     size_t n, size_t stride, size_t m);

static void fold_all(const bt__call *call, fold_fn *fold, size_t saved_bytes)
{
    const reduce r = reduce_of(call);
    unsigned char *saved = call->out->saved;
    for (size_t o = 0; o < r.outer; o++)
        for (size_t j = 0; j < r.inner; j += REDUCE_BLOCK) {
            const size_t m = r.inner - j < REDUCE_BLOCK ? r.inner - j : REDUCE_BLOCK;
            const size_t at = o * r.inner + j;
            fold(call, VALUE(call->out) + at, saved_bytes ? saved + at * saved_bytes : NULL,
                 VALUE(call->in[0]) + o * r.n * r.inner + j, r.n, r.inner, m);
        }
}

static void sum_fold(const bt__call *call, T *restrict y, void *saved, const T *restrict x,
                     size_t n, size_t stride, size_t m)
{
    (void)saved;
    if (stride == 1) {
        *y = KERNELS(call)->sum(x, n);
        return;
    }
    memset(y, 0, m * sizeof(T));
    for (size_t i = 0; i < n; i++) {
        BT__SIMD_LOOP
        for (size_t j = 0; j < m; j++)
            y[j] += x[i * stride + j];
    }
}

static void mean_fold(const bt__call *call, T *restrict y, void *saved, const T *restrict x,
                      size_t n, size_t stride, size_t m)
{
    sum_fold(call, y, saved, x, n, stride, m);
    BT__SIMD_LOOP
    for (size_t j = 0; j < m; j++)
        y[j] /= (T)n;
}

static void norm_fold(const bt__call *call, T *restrict y, void *saved, const T *restrict x,
                      size_t n, size_t stride, size_t m)
{
    (void)saved;
    if (stride == 1) {
        *y = MATH(sqrt)(KERNELS(call)->norm2_squared(x, n));
        return;
    }
    memset(y, 0, m * sizeof(T));
    for (size_t i = 0; i < n; i++) {
        BT__SIMD_LOOP
        for (size_t j = 0; j < m; j++)
            y[j] += x[i * stride + j] * x[i * stride + j];
    }
    BT__SIMD_LOOP
    for (size_t j = 0; j < m; j++)
        y[j] = MATH(sqrt)(y[j]);
}

/* Two passes: the mean, which is saved, then squares about it. */
static void variance_fold(const bt__call *call, T *restrict y, void *saved, const T *restrict x,
                          size_t n, size_t stride, size_t m)
{
    T *restrict mean = saved;
    mean_fold(call, mean, NULL, x, n, stride, m);
    if (stride == 1) {
        const T about = *mean;
        T s = 0;
        BT__SIMD_SUM(s)
        for (size_t i = 0; i < n; i++)
            s += (x[i] - about) * (x[i] - about);
        *y = s / (T)n;
        return;
    }
    memset(y, 0, m * sizeof(T));
    for (size_t i = 0; i < n; i++) {
        BT__SIMD_LOOP
        for (size_t j = 0; j < m; j++) {
            const T d = x[i * stride + j] - mean[j];
            y[j] += d * d;
        }
    }
    BT__SIMD_LOOP
    for (size_t j = 0; j < m; j++)
        y[j] /= (T)n;
}

/* What to subtract before exp: the maximum, or 0 where that would leave inf - inf. */
BT__INLINE T finite_or_0(T x)
{
    return MATH(fabs)(x) < (T)INFINITY ? x : (T)0;
}

static void log_sum_exp_row(const bt__call *call, T *restrict y, const T *restrict x, size_t n)
{
    const T shift = finite_or_0(KERNELS(call)->max(x, n));
    T s = 0;
    BT__SIMD_SUM(s)
    for (size_t i = 0; i < n; i++)
        s += vm_exp(x[i] - shift);
    *y = shift + vm_log(s);
}

static void log_sum_exp_fold(const bt__call *call, T *restrict y, void *saved, const T *restrict x,
                             size_t n, size_t stride, size_t m)
{
    T top[REDUCE_BLOCK];
    (void)saved;
    if (stride == 1) {
        log_sum_exp_row(call, y, x, n);
        return;
    }
    memcpy(top, x, m * sizeof(T));
    for (size_t i = 1; i < n; i++) {
        BT__SIMD_LOOP
        for (size_t j = 0; j < m; j++)
            top[j] = x[i * stride + j] > top[j] ? x[i * stride + j] : top[j];
    }
    for (size_t j = 0; j < m; j++) {
        top[j] = finite_or_0(top[j]);
        y[j] = 0;
    }
    for (size_t i = 0; i < n; i++) {
        BT__SIMD_LOOP
        for (size_t j = 0; j < m; j++)
            y[j] += vm_exp(x[i * stride + j] - top[j]);
    }
    BT__SIMD_LOOP
    for (size_t j = 0; j < m; j++)
        y[j] = top[j] + vm_log(y[j]);
}

/* ---- The largest, or with sign -1 the smallest: the first of equal ones; NaN wins ---- */

enum { LOOK = 64 };

BT__INLINE bool has_it(const T *x, T best)
{
    vm_bits found = 0;
    BT__SIMD_SUM(found)
    for (size_t i = 0; i < LOOK; i++)
        found += x[i] == best;
    return found > 0;
}

/* The first place of best, which is there; it may be NaN. */
static uint32_t first_of(const T *x, size_t n, T best)
{
    size_t i = 0;
    if (best != best) {
        while (x[i] == x[i])
            i++;
        return (uint32_t)i;
    }
    while (i + LOOK < n && !has_it(x + i, best))
        i += LOOK;
    while (i + 1 < n && x[i] != best)
        i++;
    return (uint32_t)i;
}

static T smallest_of(const bt__call *call, const T *restrict x, size_t n)
{
    T top = -(T)INFINITY, negative[REDUCE_BLOCK];
    for (size_t i = 0; i < n && top == top; i += REDUCE_BLOCK) {
        const size_t m = n - i < REDUCE_BLOCK ? n - i : REDUCE_BLOCK;
        BT__SIMD_LOOP
        for (size_t k = 0; k < m; k++)
            negative[k] = -x[i + k];
        const T here = KERNELS(call)->max(negative, m);
        top = here > top || here != here ? here : top;
    }
    return -top;
}

BT__INLINE void extreme_fold(const bt__call *call, T *restrict y, uint32_t *restrict place,
                             const T *restrict x, size_t n, size_t stride, size_t m, T sign)
{
    if (stride == 1) {
        *y = sign > (T)0 ? KERNELS(call)->max(x, n) : smallest_of(call, x, n);
        *place = first_of(x, n, *y);
        return;
    }
    memcpy(y, x, m * sizeof(T));
    memset(place, 0, m * sizeof *place);
    for (size_t i = 1; i < n; i++) {
        BT__SIMD_LOOP
        for (size_t j = 0; j < m; j++) {
            const T a = x[i * stride + j], b = y[j];
            const bool better = sign * a > sign * b || (a != a && b == b);
            y[j] = better ? a : b;
            place[j] = better ? (uint32_t)i : place[j];
        }
    }
}

static void reduce_max_fold(const bt__call *call, T *restrict y, void *saved, const T *restrict x,
                            size_t n, size_t stride, size_t m)
{
    extreme_fold(call, y, saved, x, n, stride, m, (T)1);
}

static void reduce_min_fold(const bt__call *call, T *restrict y, void *saved, const T *restrict x,
                            size_t n, size_t stride, size_t m)
{
    extreme_fold(call, y, saved, x, n, stride, m, (T)-1);
}

/* The planner zeroes the gradient before, where nothing was added to it yet. */
static void extreme_backward(const bt__call *call)
{
    const reduce r = reduce_of(call);
    const uint32_t *place = call->out->saved;
    const T *dy = GRADIENT(call->out);
    T *dx = GRADIENT(call->in[0]);
    for (size_t o = 0; o < r.outer; o++)
        for (size_t j = 0; j < r.inner; j++) {
            const size_t at = o * r.inner + j;
            dx[(o * r.n + place[at]) * r.inner + j] += dy[at];
        }
}

static ct_status argmax_forward(const bt__call *call, ct_diag *diag)
{
    const reduce r = reduce_of(call);
    uint32_t *place = call->out->value;
    (void)diag;
    for (size_t o = 0; o < r.outer; o++) {
        const T *x = VALUE(call->in[0]) + o * r.n;
        place[o] = first_of(x, r.n, KERNELS(call)->max(x, r.n));
    }
    return CT_OK;
}

/* ---- Backward: a is an element of x, y its result, m what was saved, g the gradient by y ---- */

#define SPREAD_LOOP(dx, x, ys, ms, gs, count, k, gradient)                                         \
    BT__SIMD_LOOP                                                                                  \
    for (size_t i = 0; i < (count); i++) {                                                         \
        const T a = (x)[i], y = (ys)[k], m = (ms)[k], g = (gs)[k];                                 \
        (void)a, (void)y, (void)m;                                                                 \
        (dx)[i] = (set ? (T)0 : (dx)[i]) + (gradient);                                             \
    }

#define SPREAD_OF(name, set_it, gradient)                                                          \
    static void name(const bt__call *call)                                                         \
    {                                                                                              \
        const reduce r = reduce_of(call);                                                          \
        const bool set = set_it;                                                                   \
        const T *restrict xs = VALUE(call->in[0]), *restrict ys = VALUE(call->out);                \
        const T *restrict gs = GRADIENT(call->out);                                                \
        const T *restrict ms = SAVED(call->out) ? SAVED(call->out) : gs;                           \
        const T scale = (T)1 / (T)r.n;                                                             \
        T *restrict dx = GRADIENT(call->in[0]);                                                    \
        (void)scale;                                                                               \
        for (size_t o = 0; o < r.outer; o++, ys += r.inner, ms += r.inner, gs += r.inner) {        \
            if (r.inner == 1)                                                                      \
                SPREAD_LOOP(dx + o * r.n, xs + o * r.n, ys, ms, gs, r.n, 0, gradient)              \
            else                                                                                   \
                for (size_t k = o * r.n; k < (o + 1) * r.n; k++)                                   \
                    SPREAD_LOOP(dx + k * r.inner, xs + k * r.inner, ys, ms, gs, r.inner, i,        \
                                gradient)                                                          \
        }                                                                                          \
    }

#define REDUCE_FORWARD(name, saved_bytes)                                                          \
    static ct_status name##_forward(const bt__call *call, ct_diag *diag)                           \
    {                                                                                              \
        (void)diag;                                                                                \
        fold_all(call, name##_fold, saved_bytes);                                                  \
        return CT_OK;                                                                              \
    }

#define REDUCE(name, saved_bytes, gradient)                                                        \
    REDUCE_FORWARD(name, saved_bytes)                                                              \
    SPREAD_OF(name##_set, true, gradient)                                                          \
    SPREAD_OF(name##_add, false, gradient)                                                         \
    static void name##_backward(const bt__call *call)                                              \
    {                                                                                              \
        if (BT__OVERWRITES(call, 0))                                                               \
            name##_set(call);                                                                      \
        else                                                                                       \
            name##_add(call);                                                                      \
    }                                                                                              \
    const bt__op_code BT__CODE(name) = {name##_forward, name##_backward};

/* Of log sum exp a sum that is 0 has no terms. */
BT__INLINE T softmax_of(T a, T y)
{
    return y == -(T)INFINITY ? (T)0 : vm_exp(a - y);
}

REDUCE(sum, 0, g)
REDUCE(mean, 0, g *scale)
REDUCE(variance, sizeof(T), (T)2 * scale * g * (a - m))
REDUCE(norm, 0, y == (T)0 ? (T)0 : g / y * a)
REDUCE(log_sum_exp, 0, g *softmax_of(a, y))

REDUCE_FORWARD(reduce_max, sizeof(uint32_t))
REDUCE_FORWARD(reduce_min, sizeof(uint32_t))
const bt__op_code BT__CODE(reduce_max) = {reduce_max_forward, extreme_backward};
const bt__op_code BT__CODE(reduce_min) = {reduce_min_forward, extreme_backward};
const bt__op_code BT__CODE(argmax) = {argmax_forward, NULL};
