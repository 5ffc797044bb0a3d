// SPDX-License-Identifier: MIT
/* Second derivatives of a captured function, forward over reverse: the sweep of adjoints is
 * differentiated along a direction, so each adjoint carries its tangent. Formulas are the rows of
 * ops.h and ops_second.h. */
#include "function_private.h"
#include "ops_second.h"

#include <string.h>

/* A step passes on g = d root / d y and gt, its tangent, to an operand whose derivative is d and
 * whose tangent of that derivative is dt. */
#define PASS_ON(to, d, dt)                                                                         \
    do {                                                                                           \
        const double d_ = (d);                                                                     \
        adjoint[to] += BT__FLOW(g, d_);                                                            \
        adjoint_tangent[to] += BT__FLOW(gt, d_) + BT__FLOW(g, dt);                                 \
    } while (0)

/* A tangent t times a second derivative d, 0 where either is 0; a literal 0.0 costs nothing. */
#define SECOND(t, d) ((t) == 0.0 || (d) == 0.0 ? 0.0 : (t) * (d))

/* The rows of second derivatives, as functions of a, b, y that are inlined below. */
#define DEFINE_UNARY(ID, daa)                                                                      \
    static inline double daa_##ID(double a, double y)                                              \
    {                                                                                              \
        (void)a, (void)y;                                                                          \
        return (daa);                                                                              \
    }
#define DEFINE_BINARY(ID, daa, dab, dbb)                                                           \
    static inline double daa_##ID(double a, double b, double y)                                    \
    {                                                                                              \
        (void)a, (void)b, (void)y;                                                                 \
        return (daa);                                                                              \
    }                                                                                              \
    static inline double dab_##ID(double a, double b, double y)                                    \
    {                                                                                              \
        (void)a, (void)b, (void)y;                                                                 \
        return (dab);                                                                              \
    }                                                                                              \
    static inline double dbb_##ID(double a, double b, double y)                                    \
    {                                                                                              \
        (void)a, (void)b, (void)y;                                                                 \
        return (dbb);                                                                              \
    }
BT__UNARY_SECOND(DEFINE_UNARY)
BT__BINARY_SECOND(DEFINE_BINARY)
BT__NUMBER_SECOND(DEFINE_BINARY)

/* As bt__list_backward. The tangent of the result is there, so that of the derivative x_i / y of
 * norm is (t_i - x_i / y * ty) / y, and that of p = exp(x_i - y) is p (t_i - ty). */
static void list_back(const bt_workspace *w, unsigned op, const uint32_t *x, size_t n, size_t slot)
{
    const double *const value = w->value, *const tangent = w->tangent;
    double *const adjoint = w->adjoint, *const adjoint_tangent = w->adjoint_tangent;
    const double y = value[slot], ty = tangent[slot];
    const double g = adjoint[slot], gt = adjoint_tangent[slot];
    if (op == BT_OP_SELECT) {
        PASS_ON(x[value[x[0]] > 0.0 ? 1 : 2], 1.0, 0.0);
        return;
    }
    if ((op == BT_OP_NORM && y == 0.0) || (op == BT_OP_LOG_SUM_EXP && y == -(double)INFINITY))
        return;
    const double share = 1.0 / bt__list_ties(x, n, value, 1, y); // of the extremes
    for (size_t i = 0; i < n; i++) {
        const double a = value[x[i]], ta = tangent[x[i]];
        if (op == BT_OP_NORM) {
            const double d = a / y;
            PASS_ON(x[i], d, (ta - d * ty) / y);
        } else if (op == BT_OP_LOG_SUM_EXP) {
            const double d = exp(a - y);
            PASS_ON(x[i], d, d * (ta - ty));
        } else if (a == y) {
            PASS_ON(x[i], share, 0.0);
        }
    }
}

static void sweep_back(const bt_function *f, const bt_workspace *w, size_t top)
{
    const double *const value = w->value, *const tangent = w->tangent;
    double *const adjoint = w->adjoint, *const adjoint_tangent = w->adjoint_tangent;
    const bt__instruction *const steps = f->steps;
    const size_t base = f->base;
    for (size_t slot = top; slot >= base; slot--) {
        const bt__instruction s = steps[slot - base];
        const double g = adjoint[slot], gt = adjoint_tangent[slot], y = value[slot];
        (void)y;
        if (g == 0.0 && gt == 0.0)
            continue;
        switch (s.back) {
#define UNARY_BACK(ID, name, y_, da, low, high)                                                    \
    case BT__BACK_##ID: {                                                                          \
        const double a = value[s.a], ta = tangent[s.a];                                            \
        PASS_ON(s.a, da, SECOND(ta, daa_##ID(a, y)));                                              \
        break;                                                                                     \
    }
#define BINARY_BACK(ID, name, y_, da, db, low_a, high_a, low_b, high_b)                            \
    case BT__BACK_##ID: {                                                                          \
        const double a = value[s.a], b = value[s.b], ta = tangent[s.a], tb = tangent[s.b];         \
        PASS_ON(s.a, da, SECOND(ta, daa_##ID(a, b, y)) + SECOND(tb, dab_##ID(a, b, y)));           \
        PASS_ON(s.b, db, SECOND(ta, dab_##ID(a, b, y)) + SECOND(tb, dbb_##ID(a, b, y)));           \
        break;                                                                                     \
    }                                                                                              \
    case BT__BACK_##ID##_A: {                                                                      \
        const double a = value[s.a], b = value[s.b], ta = tangent[s.a];                            \
        PASS_ON(s.a, da, SECOND(ta, daa_##ID(a, b, y)));                                           \
        break;                                                                                     \
    }                                                                                              \
    case BT__BACK_##ID##_B: {                                                                      \
        const double a = value[s.a], b = value[s.b], tb = tangent[s.b];                            \
        (void)a;                                                                                   \
        PASS_ON(s.b, db, SECOND(tb, dbb_##ID(a, b, y)));                                           \
        break;                                                                                     \
    }
            BT_UNARY_OPS(UNARY_BACK)
            BT__BINARY_STEPS(BINARY_BACK)
        case BT__BACK_SUM:
            for (const uint32_t *x = f->list + s.a, *end = x + s.b; x < end; x++) {
                adjoint[*x] += g;
                adjoint_tangent[*x] += gt;
            }
            break;
        case BT__BACK_DOT:
            for (const uint32_t *x = f->list + s.a, *end = x + s.b; x < end; x++) {
                PASS_ON(x[0], value[x[s.b]], tangent[x[s.b]]);
                PASS_ON(x[s.b], value[x[0]], tangent[x[0]]);
            }
            break;
        default:
            list_back(w, s.op, f->list + s.a, s.b, slot);
        }
    }
}

/* Values being there: the adjoints and their tangents along w->tangent, of whose entries those of
 * the inputs are given. */
static void product(const bt_function *f, bt_workspace *w, size_t slot)
{
    const size_t bytes = (f->base + f->n_steps) * sizeof *w->adjoint;
    bt__function_tangents(f, w->value, w->tangent);
    memset(w->adjoint, 0, bytes);
    memset(w->adjoint_tangent, 0, bytes);
    w->adjoint[slot] = 1.0;
    if (slot >= f->base)
        sweep_back(f, w, slot);
}

ct_status bt_function_hvp(const bt_function *f, bt_workspace *w, size_t output, const double *x,
                          const double *direction, double *y, double *g, double *hv)
{
    CT_TRY(bt__function_check(f, w, output));
    const size_t slot = f->outputs[output];
    memcpy(w->value, x, f->n * sizeof *x);
    bt__function_forward(f, w->value);
    memcpy(w->tangent, direction, f->n * sizeof *direction);
    product(f, w, slot);
    memcpy(hv, w->adjoint_tangent, f->n * sizeof *hv);
    if (g)
        memcpy(g, w->adjoint, f->n * sizeof *g);
    if (y)
        *y = w->value[slot];
    return CT_OK;
}

ct_status bt_function_hessian(const bt_function *f, bt_workspace *w, size_t output, const double *x,
                              double *y, double *g, double *hessian)
{
    CT_TRY(bt__function_check(f, w, output));
    const size_t n = f->n, slot = f->outputs[output];
    memcpy(w->value, x, n * sizeof *x);
    bt__function_forward(f, w->value);
    memset(w->tangent, 0, n * sizeof *w->tangent);
    for (size_t j = 0; j < n; j++) {
        w->tangent[j] = 1.0;
        product(f, w, slot);
        w->tangent[j] = 0.0;
        for (size_t i = j; i < n; i++)
            hessian[i * n + j] = hessian[j * n + i] = w->adjoint_tangent[i];
        if (g && j == 0)
            memcpy(g, w->adjoint, n * sizeof *g);
    }
    if (y)
        *y = w->value[slot];
    return CT_OK;
}
