// SPDX-License-Identifier: MIT
/* The sweeps over a block of BT__LANES points, each step a loop over the points. Included once an
 * instruction set; TABLE names the table it defines, WITH_KERNELS (0 or 1) whether the functions
 * that ctrain/kernels.h has come from there, SIMD from which of its tables.
 *
 * Slot s has its numbers at s * BT__LANES. Loops have a constant number of turns and pointers that
 * do not alias, for the compiler to turn into vectors; the formulas are the rows of ops.h. */
#include "function_private.h"

#include <ctrain/kernels.h>
#include <string.h>

/* Compilers that unroll such a loop first do not make vectors of it any more. */
#if defined(__clang__)
#define LANES _Pragma("clang loop unroll(disable)") for (size_t l = 0; l < BT__LANES; l++)
#elif defined(__GNUC__)
#define LANES _Pragma("GCC ivdep") _Pragma("GCC unroll 1") for (size_t l = 0; l < BT__LANES; l++)
#else
#define LANES for (size_t l = 0; l < BT__LANES; l++)
#endif

/* Values by a kernel; false: there is none. */
static bool value_by_kernel(const ct_kernels_f64 *k, unsigned op, double *y, const double *a)
{
    if (!WITH_KERNELS)
        return false;
    switch (op) {
    case BT_OP_EXP:
        k->exp(y, a, BT__LANES);
        return true;
    case BT_OP_LOG:
        k->log(y, a, BT__LANES);
        return true;
    case BT_OP_NEG_LOG:
        k->log(y, a, BT__LANES);
        LANES y[l] = -y[l];
        return true;
    case BT_OP_TANH:
        k->tanh(y, a, BT__LANES);
        return true;
    case BT_OP_SIGMOID:
        k->sigmoid(y, a, BT__LANES);
        return true;
    case BT_OP_SOFTPLUS:
        k->softplus(y, a, BT__LANES);
        return true;
    default:
        return false;
    }
}

static const ct_kernels_f64 *kernels(void)
{
    return WITH_KERNELS ? &ct_kernels_of(SIMD)->f64 : NULL;
}

static void list_forward(const bt_function *f, const double *value, bt__instruction s,
                         double *restrict out)
{
    if (s.op != BT_OP_SUM && s.op != BT_OP_DOT) { // point by point
        for (size_t l = 0; l < BT__LANES; l++)
            out[l] = bt__list_value(s.op, f->list + s.a, s.b, value + l, BT__LANES);
        return;
    }
    LANES out[l] = 0.0;
    for (const uint32_t *x = f->list + s.a, *end = x + s.b; x < end; x++) {
        const double *const px = value + (size_t)x[0] * BT__LANES;
        if (s.op == BT_OP_SUM) {
            LANES out[l] += px[l];
        } else {
            const double *const pz = value + (size_t)x[s.b] * BT__LANES;
            LANES out[l] += px[l] * pz[l];
        }
    }
}

static void block_forward(const bt_function *f, double *value)
{
    const ct_kernels_f64 *const k = kernels();
    for (size_t i = 0; i < f->n_steps; i++) {
        const bt__instruction s = f->steps[i];
        double *restrict const out = value + (f->base + i) * BT__LANES;
        if (bt__is_list(s.op)) {
            list_forward(f, value, s, out);
            continue;
        }
        const double *const pa = value + (size_t)s.a * BT__LANES;
        const double *const pb = value + (size_t)s.b * BT__LANES;
        if (value_by_kernel(k, s.op, out, pa))
            continue;
        switch (s.op) {
#define UNARY_VALUE(ID, name, y_, da, low, high)                                                   \
    case BT_OP_##ID:                                                                               \
        LANES                                                                                      \
        {                                                                                          \
            const double a = pa[l];                                                                \
            out[l] = (y_);                                                                         \
        }                                                                                          \
        break;
#define BINARY_VALUE(ID, name, y_, da, db, low_a, high_a, low_b, high_b)                           \
    case BT_OP_##ID:                                                                               \
        LANES                                                                                      \
        {                                                                                          \
            const double a = pa[l], b = pb[l];                                                     \
            out[l] = (y_);                                                                         \
        }                                                                                          \
        break;
            BT_UNARY_OPS(UNARY_VALUE)
            BT__BINARY_STEPS(BINARY_VALUE)
        default:
            break;
        }
    }
}

/* Derivative d of a step whose adjoint is g, passed on to the operand whose adjoints are at `to`.
 * (Operands may be one slot, so one loop an operand.) */
#define PASS_ON(to, d)                                                                             \
    do {                                                                                           \
        double *restrict const to_ = (to);                                                         \
        LANES                                                                                      \
        {                                                                                          \
            const double a = pa[l], b = pb[l], y = py[l];                                          \
            (void)a, (void)b, (void)y;                                                             \
            to_[l] += g[l] == 0.0 ? 0.0 : g[l] * (d);                                              \
        }                                                                                          \
    } while (0)

static void list_backward(const bt_function *f, const double *value, double *adjoint,
                          bt__instruction s, const double *y, const double *g)
{
    if (s.op != BT_OP_SUM && s.op != BT_OP_DOT) {
        for (size_t l = 0; l < BT__LANES; l++)
            if (g[l] != 0.0)
                bt__list_backward(s.op, f->list + s.a, s.b, value + l, adjoint + l, BT__LANES, y[l],
                                  g[l]);
        return;
    }
    for (const uint32_t *x = f->list + s.a, *end = x + s.b; x < end; x++) {
        if (s.op == BT_OP_SUM) {
            double *const dx = adjoint + (size_t)x[0] * BT__LANES;
            LANES dx[l] += g[l];
            continue;
        }
        const double *const px = value + (size_t)x[0] * BT__LANES;
        const double *const pz = value + (size_t)x[s.b] * BT__LANES;
        double *const dx = adjoint + (size_t)x[0] * BT__LANES;
        double *const dz = adjoint + (size_t)x[s.b] * BT__LANES;
        LANES dx[l] += g[l] == 0.0 ? 0.0 : g[l] * pz[l];
        LANES dz[l] += g[l] == 0.0 ? 0.0 : g[l] * px[l];
    }
}

static void block_backward(const bt_function *f, const double *value, double *adjoint, size_t top)
{
    const ct_kernels_f64 *const k = kernels();
    memset(adjoint, 0, top * BT__LANES * sizeof *adjoint);
    LANES adjoint[top * BT__LANES + l] = 1.0;
    for (size_t slot = top; slot >= f->base; slot--) {
        const bt__instruction s = f->steps[slot - f->base];
        const double *const g = adjoint + slot * BT__LANES;
        const double *const py = value + slot * BT__LANES;
        if (bt__is_list(s.op)) {
            list_backward(f, value, adjoint, s, py, g);
            continue;
        }
        const double *const pa = value + (size_t)s.a * BT__LANES;
        const double *const pb = value + (size_t)s.b * BT__LANES;
        double *const ga = adjoint + (size_t)s.a * BT__LANES;
        double *const gb = adjoint + (size_t)s.b * BT__LANES;
        if (WITH_KERNELS && s.back == BT__BACK_SOFTPLUS) {
            double sigmoid[BT__LANES];
            k->sigmoid(sigmoid, pa, BT__LANES);
            PASS_ON(ga, sigmoid[l]);
            continue;
        }
        switch (s.back) {
#define UNARY_BACK(ID, name, y_, da, low, high)                                                    \
    case BT__BACK_##ID:                                                                            \
        PASS_ON(ga, da);                                                                           \
        break;
#define BINARY_BACK(ID, name, y_, da, db, low_a, high_a, low_b, high_b)                            \
    case BT__BACK_##ID:                                                                            \
        PASS_ON(ga, da);                                                                           \
        PASS_ON(gb, db);                                                                           \
        break;                                                                                     \
    case BT__BACK_##ID##_A:                                                                        \
        PASS_ON(ga, da);                                                                           \
        break;                                                                                     \
    case BT__BACK_##ID##_B:                                                                        \
        PASS_ON(gb, db);                                                                           \
        break;
            BT_UNARY_OPS(UNARY_BACK)
            BT__BINARY_STEPS(BINARY_BACK)
        default:
            break;
        }
    }
}

const bt__block TABLE = {block_forward, block_backward};
