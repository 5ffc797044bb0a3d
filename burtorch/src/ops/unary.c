// SPDX-License-Identifier: MIT
/* Functions of one number, element by element. In the formulas a is the element of x, y that of the
 * result, g the gradient by y, and c and d the plain numbers of the operation. What backward looks
 * at (a or y) is what the row in tensor_ops_list.h says. */
#include "op.h"

#define UNARY_FORWARD(name, value)                                                                 \
    static ct_status name##_forward(const bt__call *call, ct_diag *diag)                           \
    {                                                                                              \
        const T *restrict x = VALUE(call->in[0]);                                                  \
        T *restrict out = VALUE(call->out);                                                        \
        const T c = (T)call->out->attributes.real[0], d = (T)call->out->attributes.real[1];        \
        const size_t n = call->out->size;                                                          \
        (void)diag, (void)c, (void)d;                                                              \
        BT__SIMD_LOOP                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            const T a = x[i];                                                                      \
            out[i] = (value);                                                                      \
        }                                                                                          \
        return CT_OK;                                                                              \
    }

#define UNARY_BACKWARD(name, gradient)                                                             \
    static void name##_backward(const bt__call *call)                                              \
    {                                                                                              \
        const T *restrict x = VALUE(call->in[0]), *restrict out = VALUE(call->out);                \
        const T *restrict dy = GRADIENT(call->out);                                                \
        T *restrict dx = GRADIENT(call->in[0]);                                                    \
        const T c = (T)call->out->attributes.real[0], d = (T)call->out->attributes.real[1];        \
        const size_t n = call->out->size;                                                          \
        (void)x, (void)out, (void)c, (void)d;                                                      \
        if (BT__OVERWRITES(call, 0)) {                                                             \
            BT__SIMD_LOOP                                                                          \
            for (size_t i = 0; i < n; i++) {                                                       \
                const T a = x[i], y = out[i], g = dy[i];                                           \
                (void)a, (void)y;                                                                  \
                dx[i] = (gradient);                                                                \
            }                                                                                      \
        } else {                                                                                   \
            BT__SIMD_LOOP                                                                          \
            for (size_t i = 0; i < n; i++) {                                                       \
                const T a = x[i], y = out[i], g = dy[i];                                           \
                (void)a, (void)y;                                                                  \
                dx[i] += (gradient);                                                               \
            }                                                                                      \
        }                                                                                          \
    }

#define UNARY(name, value, gradient)                                                               \
    UNARY_FORWARD(name, value)                                                                     \
    UNARY_BACKWARD(name, gradient)                                                                 \
    const bt__op_code BT__CODE(name) = {name##_forward, name##_backward};

/* g times the derivative of x times the distribution function of the normal deviate. */
BT__INLINE T gelu_gradient(T a, T g)
{
    T pdf;
    const T cdf = vm_normal(a, &pdf);
    return g * (cdf + a * pdf);
}

BT__INLINE T silu_gradient(T a, T g)
{
    const T s = vm_sigmoid(a);
    return g * (s + a * s * ((T)1 - s));
}

/* As of min(max(a, low), high): half at the ends. */
BT__INLINE T clamp_gradient(T a, T low, T high, T g)
{
    const T inside = a > low && a < high ? g : (T)0;
    return a == low || a == high ? (T)0.5 * g : inside;
}

UNARY(neg, -a, -g)
UNARY(abs, MATH(fabs)(a), a > (T)0 ? g : a < (T)0 ? -g : (T)0 * a)
UNARY(inv, (T)1 / a, -g *(y *y))
UNARY(sqr, a *a, (T)2 * a * g)
UNARY(sqrt, MATH(sqrt)(a), (T)0.5 * g / y)
UNARY(exp, vm_exp(a), g *y)
UNARY(log, vm_log(a), g / a)
UNARY(log1p, vm_log1p(a), g / ((T)1 + a))
UNARY(tanh, vm_tanh(a), g *(((T)1 - y) * ((T)1 + y)))
UNARY(sigmoid, vm_sigmoid(a), g *(y *((T)1 - y)))
UNARY(softplus, vm_softplus(a), g *vm_sigmoid(a))
UNARY(relu, a <= (T)0 ? (T)0 : a, y > (T)0 ? g : (T)0)
UNARY(gelu, a *vm_normal_cdf(a), gelu_gradient(a, g))
UNARY(silu, a *vm_sigmoid(a), silu_gradient(a, g))
UNARY(erf, vm_erf(a), (T)1.12837916709551257390 * g * vm_exp(-(a * a)))
UNARY(add_const, a + c, g)
UNARY(mul_const, a *c, g *c)
UNARY(clamp, a<c ? c : a> d ? d : a, clamp_gradient(a, c, d, g))
UNARY(leaky_relu, a > (T)0 ? a : c * a, a > (T)0 ? g : c * g)

/* ---- Powers, sine and cosine: block by block, by the way that suits the block ---- */

enum { BLOCK = 256 };

BT__INLINE size_t block_at(size_t i, size_t n)
{
    return n - i < BLOCK ? n - i : BLOCK;
}

#define BLOCK_LOOP(value)                                                                          \
    BT__SIMD_LOOP                                                                                  \
    for (size_t i = 0; i < n; i++) {                                                               \
        const T a = x[i];                                                                          \
        y[i] = (value);                                                                            \
    }

/* y = x^c. */
static void powers(const bt__call *call, T *restrict y, const T *restrict x, size_t n, double c)
{
    (void)call;
    if (c == 0.0)
        BLOCK_LOOP((T)1 + (T)0 * a)
    else if (c == 1.0)
        BLOCK_LOOP(a)
    else if (c == 2.0)
        BLOCK_LOOP(a * a)
    else if (c == 3.0)
        BLOCK_LOOP(a * a * a)
    else if (c == -1.0)
        BLOCK_LOOP((T)1 / a)
    else if (c == -2.0)
        BLOCK_LOOP((T)1 / (a * a))
    else
        for (size_t i = 0; i < n; i++)
            y[i] = MATH(pow)(x[i], (T)c);
}

/* False for infinities and NaN. */
static bool sine_is_short(const bt__call *call, const T *x, size_t n)
{
    return KERNELS(call)->max_abs(x, n) <= VM_SIN_HIGHEST;
}

static void sines(const bt__call *call, T *restrict y, const T *restrict x, size_t n, double c)
{
    (void)c;
    if (sine_is_short(call, x, n))
        BLOCK_LOOP(vm_sin(a))
    else
        for (size_t i = 0; i < n; i++)
            y[i] = MATH(sin)(x[i]);
}

static void cosines(const bt__call *call, T *restrict y, const T *restrict x, size_t n, double c)
{
    (void)c;
    if (sine_is_short(call, x, n))
        BLOCK_LOOP(vm_cos(a))
    else
        for (size_t i = 0; i < n; i++)
            y[i] = MATH(cos)(x[i]);
}

typedef void block_fn(const bt__call *call, T *restrict y, const T *restrict x, size_t n, double c);

BT__INLINE void blocks_forward(const bt__call *call, block_fn *fn, double c)
{
    const size_t n = call->out->size;
    for (size_t i = 0; i < n; i += BLOCK)
        fn(call, VALUE(call->out) + i, VALUE(call->in[0]) + i, block_at(i, n), c);
}

/* dx = dy times factor fn(x). */
BT__INLINE void blocks_backward(const bt__call *call, block_fn *fn, double c, T factor)
{
    const size_t n = call->out->size;
    const bool set = BT__OVERWRITES(call, 0);
    for (size_t i = 0; i < n; i += BLOCK) {
        T slope[BLOCK];
        const size_t m = block_at(i, n);
        const T *restrict dy = GRADIENT(call->out) + i;
        T *restrict dx = GRADIENT(call->in[0]) + i;
        fn(call, slope, VALUE(call->in[0]) + i, m, c);
        if (set)
            memset(dx, 0, m * sizeof(T));
        BT__SIMD_LOOP
        for (size_t k = 0; k < m; k++)
            dx[k] += factor * dy[k] * slope[k];
    }
}

static ct_status sin_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    blocks_forward(call, sines, 0);
    return CT_OK;
}

static void sin_backward(const bt__call *call)
{
    blocks_backward(call, cosines, 0, (T)1);
}

static ct_status cos_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    blocks_forward(call, cosines, 0);
    return CT_OK;
}

static void cos_backward(const bt__call *call)
{
    blocks_backward(call, sines, 0, (T)-1);
}

static ct_status pow_const_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    blocks_forward(call, powers, call->out->attributes.real[0]);
    return CT_OK;
}

/* The derivative of x^0 is 0 at 0 too. */
static void pow_const_backward(const bt__call *call)
{
    const double c = call->out->attributes.real[0];
    blocks_backward(call, powers, c == 0.0 ? 0.0 : c - 1.0, (T)c);
}

const bt__op_code BT__CODE(sin) = {sin_forward, sin_backward};
const bt__op_code BT__CODE(cos) = {cos_forward, cos_backward};
const bt__op_code BT__CODE(pow_const) = {pow_const_forward, pow_const_backward};
