// SPDX-License-Identifier: MIT
/* Replay of a captured function at one point: values, gradients, Jacobians. Three sweeps over the
 * steps, each a switch over the rows of ops.h: values and tangents from first to last, adjoints
 * from last to first. Second derivatives are in function_second.c, many points in function_block.c.
 */
#include "function_private.h"

#include <ctrain/arena.h>
#include <stdlib.h>
#include <string.h>

/* ---- Workspaces ---- */

ct_status bt_workspace_create(bt_workspace **out, const bt_function *f)
{
    *out = NULL;
    const size_t slots = (f->base + f->n_steps + 7) / 8 * 8; // so that every array is aligned
    size_t bytes;
    if (!ct_mul_size(&bytes, slots, (4 + 2 * BT__LANES) * sizeof(double)))
        return CT_ENOMEM;
    bt_workspace *w = malloc(sizeof *w);
    double *block = aligned_alloc(64, bytes ? bytes : 64);
    if (!w || !block) {
        free(w);
        free(block);
        return CT_ENOMEM;
    }
    w->function = f;
    w->value = block;
    w->adjoint = w->value + slots;
    w->tangent = w->adjoint + slots;
    w->adjoint_tangent = w->tangent + slots;
    w->block_value = w->adjoint_tangent + slots;
    w->block_adjoint = w->block_value + slots * BT__LANES;
    memcpy(w->value + f->n, f->constants, f->n_constants * sizeof(double));
    memset(w->tangent, 0, slots * sizeof(double));
    *out = w;
    return CT_OK;
}

void bt_workspace_destroy(bt_workspace *w)
{
    if (!w)
        return;
    free(w->value);
    free(w);
}

ct_status bt__function_check(const bt_function *f, const bt_workspace *w, size_t output)
{
    return w->function == f && output < f->m ? CT_OK : CT_EINVALID;
}

/* ---- Sweeps ---- */

#define VALUE(operand) ((operand) == slot - 1 ? last : value[operand])

void bt__function_forward(const bt_function *f, double *value)
{
    const uint32_t *const list = f->list;
    const bt__instruction *step = f->steps, *const end = step + f->n_steps;
    double last = f->base ? value[f->base - 1] : 0.0; // of slot - 1
    for (size_t slot = f->base; step < end; step++, slot++) {
        const bt__instruction s = *step;
        double sum = 0.0;
        switch (s.op) {
#define UNARY_VALUE(ID, name, y_, da, low, high)                                                   \
    case BT_OP_##ID: {                                                                             \
        const double a = VALUE(s.a);                                                               \
        value[slot] = last = (y_);                                                                 \
        break;                                                                                     \
    }
#define BINARY_VALUE(ID, name, y_, da, db, low_a, high_a, low_b, high_b)                           \
    case BT_OP_##ID: {                                                                             \
        const double a = VALUE(s.a), b = VALUE(s.b);                                               \
        value[slot] = last = (y_);                                                                 \
        break;                                                                                     \
    }
            BT_UNARY_OPS(UNARY_VALUE)
            BT__BINARY_STEPS(BINARY_VALUE)
        case BT_OP_SUM:
            for (const uint32_t *x = list + s.a, *stop = x + s.b; x < stop; x++)
                sum += value[*x];
            value[slot] = last = sum;
            break;
        case BT_OP_DOT:
            for (const uint32_t *x = list + s.a, *stop = x + s.b; x < stop; x++)
                sum += value[x[0]] * value[x[s.b]];
            value[slot] = last = sum;
            break;
        default:
            value[slot] = last = bt__list_value(s.op, list + s.a, s.b, value, 1);
        }
    }
}

void bt__function_tangents(const bt_function *f, const double *value, double *tangent)
{
    const bt__instruction *const steps = f->steps;
    const size_t n_steps = f->n_steps, base = f->base;
    for (size_t i = 0; i < n_steps; i++) {
        const bt__instruction s = steps[i];
        const double y = value[base + i];
        double t = 0.0;
        (void)y;
        switch (s.back) {
#define UNARY_TANGENT(ID, name, y_, da, low, high)                                                 \
    case BT__BACK_##ID: {                                                                          \
        const double a = value[s.a];                                                               \
        (void)a;                                                                                   \
        t = BT__FLOW(tangent[s.a], da);                                                            \
        break;                                                                                     \
    }
#define BINARY_TANGENT(ID, name, y_, da, db, low_a, high_a, low_b, high_b)                         \
    case BT__BACK_##ID: {                                                                          \
        const double a = value[s.a], b = value[s.b];                                               \
        (void)a, (void)b;                                                                          \
        t = BT__FLOW(tangent[s.a], da) + BT__FLOW(tangent[s.b], db);                               \
        break;                                                                                     \
    }                                                                                              \
    case BT__BACK_##ID##_A: {                                                                      \
        const double a = value[s.a], b = value[s.b];                                               \
        (void)a, (void)b;                                                                          \
        t = BT__FLOW(tangent[s.a], da);                                                            \
        break;                                                                                     \
    }                                                                                              \
    case BT__BACK_##ID##_B: {                                                                      \
        const double a = value[s.a], b = value[s.b];                                               \
        (void)a, (void)b;                                                                          \
        t = BT__FLOW(tangent[s.b], db);                                                            \
        break;                                                                                     \
    }
            BT_UNARY_OPS(UNARY_TANGENT)
            BT__BINARY_STEPS(BINARY_TANGENT)
        case BT__BACK_SUM:
            for (const uint32_t *x = f->list + s.a, *end = x + s.b; x < end; x++)
                t += tangent[*x];
            break;
        case BT__BACK_DOT:
            for (const uint32_t *x = f->list + s.a, *end = x + s.b; x < end; x++)
                t +=
                    BT__FLOW(tangent[x[0]], value[x[s.b]]) + BT__FLOW(tangent[x[s.b]], value[x[0]]);
            break;
        default:
            t = bt__list_tangent(s.op, f->list + s.a, s.b, value, tangent, y);
        }
        tangent[base + i] = t;
    }
}

/* Add amount to the adjoint of slot `to`, an operand of slot `slot` of the sweep below. */
#define PASS_ON(to, amount)                                                                        \
    do {                                                                                           \
        if ((to) == slot - 1)                                                                      \
            before += (amount);                                                                    \
        else                                                                                       \
            adjoint[to] += (amount);                                                               \
    } while (0)

/* From slot top, a step's, down to the inputs. The adjoint of the slot just before stays in a
 * register, as in the sweep of tapes. Adjoints of steps are used up, not left in the array. */
static void sweep_back(const bt_function *f, const double *value, double *adjoint, size_t top)
{
    const bt__instruction *const steps = f->steps;
    const size_t base = f->base;
    double before = adjoint[top];
    for (size_t slot = top; slot >= base; slot--) {
        const double g = before;
        const bt__instruction s = steps[slot - base];
        before = adjoint[slot - 1];
        if (g == 0.0)
            continue;
        switch (s.back) {
#define UNARY_BACK(ID, name, y_, da, low, high)                                                    \
    case BT__BACK_##ID: {                                                                          \
        const double a = value[s.a], y = value[slot];                                              \
        (void)a, (void)y;                                                                          \
        PASS_ON(s.a, g *(da));                                                                     \
        break;                                                                                     \
    }
#define BINARY_BACK(ID, name, y_, da, db, low_a, high_a, low_b, high_b)                            \
    case BT__BACK_##ID: {                                                                          \
        const double a = value[s.a], b = value[s.b], y = value[slot];                              \
        (void)a, (void)b, (void)y;                                                                 \
        PASS_ON(s.a, g *(da));                                                                     \
        PASS_ON(s.b, g *(db));                                                                     \
        break;                                                                                     \
    }                                                                                              \
    case BT__BACK_##ID##_A: {                                                                      \
        const double a = value[s.a], b = value[s.b], y = value[slot];                              \
        (void)a, (void)b, (void)y;                                                                 \
        PASS_ON(s.a, g *(da));                                                                     \
        break;                                                                                     \
    }                                                                                              \
    case BT__BACK_##ID##_B: {                                                                      \
        const double a = value[s.a], b = value[s.b], y = value[slot];                              \
        (void)a, (void)b, (void)y;                                                                 \
        PASS_ON(s.b, g *(db));                                                                     \
        break;                                                                                     \
    }
            BT_UNARY_OPS(UNARY_BACK)
            BT__BINARY_STEPS(BINARY_BACK)
        case BT__BACK_SUM:
            adjoint[slot - 1] = before;
            for (const uint32_t *x = f->list + s.a, *end = x + s.b; x < end; x++)
                adjoint[*x] += g;
            before = adjoint[slot - 1];
            break;
        case BT__BACK_DOT:
            adjoint[slot - 1] = before;
            for (const uint32_t *x = f->list + s.a, *end = x + s.b; x < end; x++) {
                adjoint[x[0]] += g * value[x[s.b]];
                adjoint[x[s.b]] += g * value[x[0]];
            }
            before = adjoint[slot - 1];
            break;
        default:
            adjoint[slot - 1] = before;
            bt__list_backward(s.op, f->list + s.a, s.b, value, adjoint, 1, value[slot], g);
            before = adjoint[slot - 1];
        }
    }
    adjoint[base - 1] = before;
}

/* ---- Functions ---- */

static void forward_from(const bt_function *f, bt_workspace *w, const double *x)
{
    memcpy(w->value, x, f->n * sizeof *x);
    bt__function_forward(f, w->value);
}

static void copy_outputs(const bt_function *f, const double *slots, double *y)
{
    for (size_t i = 0; i < f->m; i++)
        y[i] = slots[f->outputs[i]];
}

ct_status bt_function_evaluate(const bt_function *f, bt_workspace *w, const double *x, double *y)
{
    CT_TRY(bt__function_check(f, w, 0));
    forward_from(f, w, x);
    copy_outputs(f, w->value, y);
    return CT_OK;
}

/* g = gradient of one slot, values being there. */
static void gradient_of_slot(const bt_function *f, bt_workspace *w, size_t slot, double *g)
{
    memset(w->adjoint, 0, (slot >= f->n ? slot : f->n) * sizeof *g);
    w->adjoint[slot] = 1.0;
    if (slot >= f->base)
        sweep_back(f, w->value, w->adjoint, slot);
    memcpy(g, w->adjoint, f->n * sizeof *g);
}

ct_status bt_function_gradient(const bt_function *f, bt_workspace *w, size_t output,
                               const double *x, double *y, double *g)
{
    CT_TRY(bt__function_check(f, w, output));
    const size_t slot = f->outputs[output];
    forward_from(f, w, x);
    gradient_of_slot(f, w, slot, g);
    if (y)
        *y = w->value[slot];
    return CT_OK;
}

ct_status bt_function_vjp(const bt_function *f, bt_workspace *w, const double *x,
                          const double *seeds, double *y, double *g)
{
    CT_TRY(bt__function_check(f, w, 0));
    forward_from(f, w, x);
    memset(w->adjoint, 0, (f->base + f->n_steps) * sizeof *g);
    for (size_t i = 0; i < f->m; i++)
        w->adjoint[f->outputs[i]] += seeds[i];
    if (f->n_steps)
        sweep_back(f, w->value, w->adjoint, f->base + f->n_steps - 1);
    memcpy(g, w->adjoint, f->n * sizeof *g);
    if (y)
        copy_outputs(f, w->value, y);
    return CT_OK;
}

ct_status bt_function_jvp(const bt_function *f, bt_workspace *w, const double *x,
                          const double *direction, double *y, double *dy)
{
    CT_TRY(bt__function_check(f, w, 0));
    forward_from(f, w, x);
    memcpy(w->tangent, direction, f->n * sizeof *direction);
    bt__function_tangents(f, w->value, w->tangent);
    copy_outputs(f, w->tangent, dy);
    if (y)
        copy_outputs(f, w->value, y);
    return CT_OK;
}

ct_status bt_function_jacobian(const bt_function *f, bt_workspace *w, const double *x, double *y,
                               double *jacobian)
{
    CT_TRY(bt__function_check(f, w, 0));
    forward_from(f, w, x);
    if (y)
        copy_outputs(f, w->value, y);
    if (f->m <= f->n) {
        for (size_t i = 0; i < f->m; i++)
            gradient_of_slot(f, w, f->outputs[i], jacobian + i * f->n);
        return CT_OK;
    }
    memset(w->tangent, 0, f->n * sizeof *w->tangent);
    for (size_t j = 0; j < f->n; j++) {
        w->tangent[j] = 1.0;
        bt__function_tangents(f, w->value, w->tangent);
        for (size_t i = 0; i < f->m; i++)
            jacobian[i * f->n + j] = w->tangent[f->outputs[i]];
        w->tangent[j] = 0.0;
    }
    return CT_OK;
}
