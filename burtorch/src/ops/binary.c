// SPDX-License-Identifier: MIT
/* Functions of two numbers, element by element, with broadcasting and views. In the formulas a and
 * b are elements of x and z, y that of the result, g the gradient by y. Each is made of loops over
 * rows: both dense, one of them a number, and any strides. */
#include "op.h"

#include "broadcast.h"

/* A row: pointers, and strides of x and z. */
typedef struct row {
    const T *x, *z;
    size_t sx, sz;
    const T *y, *g;
    size_t n;
} row;

#define NO_PRAGMA

#define ROW_LOOP(pragma, ia, ib, statement)                                                        \
    {                                                                                              \
        pragma for (size_t i = 0; i < n; i++)                                                      \
        {                                                                                          \
            const T a = x[ia], b = z[ib];                                                          \
            (void)a, (void)b;                                                                      \
            statement;                                                                             \
        }                                                                                          \
    }

#define FORWARD(name, pragma, value)                                                               \
    static void name##_row(T *restrict out, const row *r)                                          \
    {                                                                                              \
        const T *restrict x = r->x, *restrict z = r->z;                                            \
        const size_t n = r->n, sx = r->sx, sz = r->sz;                                             \
        if (sx == 1 && sz == 1)                                                                    \
            ROW_LOOP(pragma, i, i, out[i] = (value))                                               \
        else if (sx == 1 && sz == 0)                                                               \
            ROW_LOOP(pragma, i, 0, out[i] = (value))                                               \
        else if (sx == 0 && sz == 1)                                                               \
            ROW_LOOP(pragma, 0, i, out[i] = (value))                                               \
        else                                                                                       \
            ROW_LOOP(NO_PRAGMA, i *sx, i *sz, out[i] = (value))                                    \
    }                                                                                              \
    static ct_status name##_forward(const bt__call *call, ct_diag *diag)                           \
    {                                                                                              \
        (void)diag;                                                                                \
        forward(call, name##_row);                                                                 \
        return CT_OK;                                                                              \
    }

#define GRADIENT_LOOP(pragma, ia, ib, statement)                                                   \
    ROW_LOOP(pragma, ia, ib, const T y = ys[i]; const T g = gs[i]; (void)y; statement)

/* The gradient of x, whose stride is sd and the other's so, both of x and z or exchanged. */
#define GRADIENT_ROW(name, pragma, sum, sd, so, xd, xo, zd, zo, gradient)                          \
    static void name(T *restrict d, const row *r, bool set)                                        \
    {                                                                                              \
        const T *restrict x = r->x, *restrict z = r->z, *restrict ys = r->y, *restrict gs = r->g;  \
        const size_t n = r->n;                                                                     \
        if (r->sd == 1 && r->so == 1 && set)                                                       \
            GRADIENT_LOOP(pragma, i, i, d[i] = (gradient))                                         \
        else if (r->sd == 1 && r->so == 1)                                                         \
            GRADIENT_LOOP(pragma, i, i, d[i] += (gradient))                                        \
        else if (r->sd == 1 && r->so == 0 && set)                                                  \
            GRADIENT_LOOP(pragma, xd, zd, d[i] = (gradient))                                       \
        else if (r->sd == 1 && r->so == 0)                                                         \
            GRADIENT_LOOP(pragma, xd, zd, d[i] += (gradient))                                      \
        else if (r->sd == 0 && r->so == 1) {                                                       \
            T s = 0;                                                                               \
            GRADIENT_LOOP(sum, xo, zo, s += (gradient))                                            \
            *d += s;                                                                               \
        } else                                                                                     \
            GRADIENT_LOOP(NO_PRAGMA, i * r->sx, i * r->sz,                                         \
                          d[i * r->sd] = (set ? (T)0 : d[i * r->sd]) + (gradient))                 \
    }

#define BACKWARD(name, pragma, sum, dx, dz)                                                        \
    GRADIENT_ROW(name##_row_x, pragma, sum, sx, sz, i, 0, 0, i, dx)                                \
    GRADIENT_ROW(name##_row_z, pragma, sum, sz, sx, 0, i, i, 0, dz)                                \
    static void name##_backward(const bt__call *call)                                              \
    {                                                                                              \
        backward(call, 0, name##_row_x);                                                           \
        backward(call, 1, name##_row_z);                                                           \
    }

typedef void forward_fn(T *restrict out, const row *r);
typedef void gradient_fn(T *restrict d, const row *r, bool set);

static row row_of(const bt__call *call, const walk *w, size_t i)
{
    const size_t n = w->dims[3];
    const row r = {.x = VALUE(call->in[0]) + walk_place(w, 0, i),
                   .z = VALUE(call->in[1]) + walk_place(w, 1, i),
                   .sx = w->stride[0][3],
                   .sz = w->stride[1][3],
                   .y = VALUE(call->out) + i * n,
                   .g = GRADIENT(call->out) ? GRADIENT(call->out) + i * n : NULL,
                   .n = n};
    return r;
}

static void forward(const bt__call *call, forward_fn *fn)
{
    const walk w = walk_of(call->out, call->in, 2);
    for (size_t i = 0; i < walk_rows(&w); i++) {
        const row r = row_of(call, &w, i);
        fn(VALUE(call->out) + i * r.n, &r);
    }
}

static void backward(const bt__call *call, size_t j, gradient_fn *fn)
{
    if (!BT__WANTS(call, j))
        return;
    const walk w = walk_of(call->out, call->in, 2);
    const bool set = begin_gradient(call, j);
    for (size_t i = 0; i < walk_rows(&w); i++) {
        const row r = row_of(call, &w, i);
        fn(GRADIENT(call->in[j]) + walk_place(&w, j, i), &r, set);
    }
}

#define BINARY_OF(name, pragma, sum, value, dx, dz)                                                \
    FORWARD(name, pragma, value)                                                                   \
    BACKWARD(name, pragma, sum, dx, dz)                                                            \
    const bt__op_code BT__CODE(name) = {name##_forward, name##_backward};
#define BINARY(name, value, dx, dz) BINARY_OF(name, BT__SIMD_LOOP, BT__SIMD_SUM(s), value, dx, dz)

BT__INLINE T step(T a, T b)
{
    return a < b ? (T)1 : a > b ? (T)0 : (T)0.5;
}

BT__INLINE T pow_da(T a, T b)
{
    return b == (T)0 ? (T)0 : b * MATH(pow)(a, b - (T)1);
}

BT__INLINE T pow_db(T a, T b, T y)
{
    return a == (T)0 && b > (T)0 ? (T)0 : y * MATH(log)(a);
}

BINARY(add, a + b, g, g)
BINARY(sub, a - b, g, -g)
BINARY(mul, a *b, g *b, g *a)
BINARY(div, a / b, g / b, -g *y / b)
BINARY(min, a < b || a != a ? a : b, g *step(a, b), g *step(b, a))
BINARY(max, a > b || a != a ? a : b, g *step(b, a), g *step(a, b))
// A call an element: libm's pow is exact to the last bit, a product of exp and log is not.
BINARY_OF(pow, NO_PRAGMA, NO_PRAGMA, MATH(pow)(a, b), g *pow_da(a, b), g *pow_db(a, b, y))
