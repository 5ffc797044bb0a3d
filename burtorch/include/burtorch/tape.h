// SPDX-License-Identifier: MIT
/* Gradients of scalar computations, by reverse-mode automatic differentiation.
 *
 * Compute with bt_var where you would with double; every operation is recorded on a tape. Then
 * bt_backward(y) gives dy/dx for every variable x that was recorded, in one sweep whose cost is a
 * small multiple of computing y.
 *
 *     bt_var a = bt_variable(tape, -41), b = bt_variable(tape, 2);
 *     bt_var y = bt_add(bt_mul(a, b), bt_exp(b));
 *     if (bt_backward(y) == CT_OK)
 *         printf("%g %g %g\n", bt_value(y), bt_gradient(a), bt_gradient(b));
 *
 * Nodes are appended in the order of computation, which is a topological order: the sweep goes over
 * them from last to first, without sorting, marking or recursion, however deep the graph is. A
 * loop records, sweeps and rewinds; after the first rounds nothing is allocated.
 *
 * Errors are sticky: an operation that cannot be done (variables of two tapes, a variable that a
 * rewind dropped, no memory) gives a variable of value NaN and marks the tape; bt_backward and
 * bt_tape_status report it. So formulas need no check a line. A dropped variable is noticed as long
 * as nothing new was recorded in its place.
 *
 * Not thread-safe: one tape, one thread at a time. Any number of tapes may be in use. */
#ifndef BURTORCH_TAPE_H
#define BURTORCH_TAPE_H

#include <burtorch/ops.h>
#include <ctrain/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bt_tape bt_tape;

/* A recorded value: 16 bytes, passed by value. Belongs to its tape; {NULL, BT_NO_INDEX} is none. */
typedef struct bt_var {
    bt_tape *tape;
    uint32_t index;
} bt_var;

#define BT_NO_INDEX UINT32_MAX

/* ---- Tapes ---- */

/* Create an empty tape. On failure (CT_ENOMEM) *out is NULL. */
CT_MUST_USE ct_status bt_tape_create(bt_tape **out);
/* Free it and all its variables; NULL is allowed. */
void bt_tape_destroy(bt_tape *tape);

/* Make room for nodes nodes in all, so that recording up to there does not allocate (26 bytes a
 * node; without it, room doubles as needed). CT_ENOMEM; CT_ERANGE: more than 2^32 - 2. The tape is
 * as before then, and not marked. */
CT_MUST_USE ct_status bt_tape_reserve(bt_tape *tape, size_t nodes);

/* The first error since creation or reset, CT_OK if none; and its text, "" if none, the tape's. */
ct_status bt_tape_status(const bt_tape *tape);
const char *bt_tape_message(const bt_tape *tape);

/* Nodes recorded, and bytes held. */
size_t bt_tape_nodes(const bt_tape *tape);
size_t bt_tape_bytes(const bt_tape *tape);

/* A point to come back to: rewinding drops what was recorded since, and keeps its memory. The usual
 * training loop records parameters, marks, then per step records the loss, sweeps, changes the
 * parameters with bt_set_value and rewinds. */
typedef struct bt_mark {
    size_t nodes, list;
} bt_mark;
static inline bt_mark bt_tape_mark(const bt_tape *tape);
/* A mark beyond the end of the tape marks the tape with CT_EINVALID and changes nothing else. */
static inline void bt_tape_rewind(bt_tape *tape, bt_mark mark);
/* Drop everything, errors included; memory is kept. */
void bt_tape_reset(bt_tape *tape);

/* ---- Variables ---- */

/* A new independent variable, and a number that is not differentiated by. */
static inline bt_var bt_variable(bt_tape *tape, double value);
static inline bt_var bt_constant(bt_tape *tape, double value);

/* The value; NaN for a variable that is none. */
static inline double bt_value(bt_var x);
/* d root / d x of the last bt_backward(root); 0 where root does not depend on x, and before the
 * first; NaN for a variable that is none. */
static inline double bt_gradient(bt_var x);

/* Give a variable (or constant) another value. What was computed from it keeps the old one, until
 * bt_tape_forward. Marks the tape with CT_EINVALID if x is the result of an operation. */
void bt_set_value(bt_var x, double value);

/* Compute every node again, in order, from the present values of the variables. */
void bt_tape_forward(bt_tape *tape);

/* Gradients of root with respect to every node up to it. They are set, not added to those of an
 * earlier call; any number of calls, in any order of roots, gives the same results. A node to which
 * no gradient flows is left out, so that an infinite derivative there does not make a NaN. Returns
 * the tape's error, if any; gradients are then not computed. */
CT_MUST_USE ct_status bt_backward(bt_var root);

/* ---- Operations ----
 *
 * One or two operands, generated from the tables of <burtorch/ops.h>:
 *   bt_neg abs inv sqr cub sqrt inv_sqrt cbrt exp expm1 log neg_log log1p log2 log10 sin cos tan
 *   asin acos atan sinh cosh tanh sigmoid softplus relu gelu erf (x)
 *   bt_add sub mul div pow min max atan2 hypot mean2 neg_mean2 add_squares mean_squares2 (x, z)
 * With plain numbers: */
static inline bt_var bt_add_const(bt_var x, double c);   // x + c
static inline bt_var bt_sub_const(bt_var x, double c);   // x - c
static inline bt_var bt_const_sub(double c, bt_var x);   // c - x
static inline bt_var bt_mul_const(bt_var x, double c);   // c x
static inline bt_var bt_div_const(bt_var x, double c);   // x / c
static inline bt_var bt_const_div(double c, bt_var x);   // c / x
static inline bt_var bt_exp_shifted(bt_var x, double c); // e^(x - c)
/* x^c; c of 2, 3, -1 and 0.5 become sqr, cub, inv and sqrt. Differentiable at negative x too. */
bt_var bt_pow_const(bt_var x, double c);

/* Any number of operands, which are borrowed for the call. n = 0 gives the variable that is none
 * (dot_bias: c). One node, whatever n is; 4 bytes an operand. */
bt_var bt_sum(const bt_var *x, size_t n);
bt_var bt_subtract(const bt_var *x, size_t n); // x_0 - x_1 - … - x_n-1
bt_var bt_product(const bt_var *x, size_t n);  // O(n) backward, exact where some x_i are 0
bt_var bt_mean(const bt_var *x, size_t n);
bt_var bt_neg_mean(const bt_var *x, size_t n);
bt_var bt_sum_squares(const bt_var *x, size_t n);
bt_var bt_mean_squares(const bt_var *x, size_t n);
bt_var bt_dot(const bt_var *x, const bt_var *z, size_t n);
bt_var bt_dot_bias(bt_var c, const bt_var *x, const bt_var *z, size_t n);

/* By number, for interpreters: any unary (z is ignored) or binary operation, and those of one list.
 * An op of another kind marks the tape with CT_EINVALID. */
bt_var bt_apply(bt_op op, bt_var x, bt_var z);
bt_var bt_apply_list(bt_op op, const bt_var *x, size_t n);

/* ---- What the inline functions are made of; private ---- */

typedef struct bt__operands {
    uint32_t a, b; // nodes; of a list op: first entry in list, and number of operands
} bt__operands;

/* A struct of arrays. The counters are size_t and op is 16 bits wide so that a compiler knows that
 * storing a node does not change them (a byte may alias anything). */
struct bt_tape {
    size_t n, capacity; // nodes
    size_t swept;       // nodes the last sweep set gradients of; those from here on have none, 0
    uint16_t *op;
    bt__operands *operands;
    double *value;
    double *gradient;
    uint32_t *list; // operands of list ops
    size_t n_list, list_capacity;
    double *scratch; // one double an operand of the longest product
    size_t scratch_capacity;
    ct_status status;
    ct_diag diag;
};

#if defined(__GNUC__)
#define BT__UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#define BT__UNLIKELY(condition) (condition)
#endif

/* The cold paths: grow and do it, or mark the tape; they return the new node's index, or
 * BT_NO_INDEX. (Not a bt_var: so the compiler knows that results stay on the tape of the operands,
 * and drops the comparisons of tapes.) */
uint32_t bt__record_leaf_cold(bt_tape *tape, bt_op op, double value);
uint32_t bt__record_cold(bt_op op, bt_var x, bt_var z);
uint32_t bt__record_const_cold(bt_op op, bt_var x, double c, bool const_first);
void bt__rewind_cold(bt_tape *tape);

static inline bt_var bt__var(bt_tape *tape, uint32_t index)
{
    bt_var x;
    x.tape = tape;
    x.index = index;
    return x;
}

static inline bt_var bt__append(bt_tape *t, bt_op op, uint32_t a, uint32_t b, double value)
{
    const bt_var node = bt__var(t, (uint32_t)t->n);
    bt__operands operands;
    operands.a = a;
    operands.b = b;
    t->op[t->n] = (uint16_t)op;
    t->operands[t->n] = operands;
    t->value[t->n] = value;
    t->n++;
    return node;
}

/* There is room for more nodes, and x (and z) are nodes of one tape. */
static inline bool bt__ready(bt_var x, size_t more)
{
    return x.tape && x.index < x.tape->n && x.tape->capacity - x.tape->n >= more;
}
static inline bool bt__ready2(bt_var x, bt_var z)
{
    return bt__ready(x, 1) && z.tape == x.tape && z.index < x.tape->n;
}

static inline bt_mark bt_tape_mark(const bt_tape *tape)
{
    bt_mark mark;
    mark.nodes = tape->n;
    mark.list = tape->n_list;
    return mark;
}

static inline void bt_tape_rewind(bt_tape *tape, bt_mark mark)
{
    if (BT__UNLIKELY(mark.nodes > tape->n || mark.list > tape->n_list)) {
        bt__rewind_cold(tape);
        return;
    }
    tape->n = mark.nodes;
    tape->n_list = mark.list;
    if (tape->swept > mark.nodes)
        tape->swept = mark.nodes;
}

static inline bt_var bt__leaf(bt_tape *tape, bt_op op, double value)
{
    if (BT__UNLIKELY(!tape || tape->n == tape->capacity))
        return bt__var(tape, bt__record_leaf_cold(tape, op, value));
    return bt__append(tape, op, 0, 0, value);
}
static inline bt_var bt_variable(bt_tape *tape, double value)
{
    return bt__leaf(tape, BT_OP_VARIABLE, value);
}
static inline bt_var bt_constant(bt_tape *tape, double value)
{
    return bt__leaf(tape, BT_OP_CONSTANT, value);
}

static inline double bt_value(bt_var x)
{
    return bt__ready(x, 0) ? x.tape->value[x.index] : (double)NAN;
}
static inline double bt_gradient(bt_var x)
{
    if (BT__UNLIKELY(!bt__ready(x, 0)))
        return (double)NAN;
    return x.index < x.tape->swept ? x.tape->gradient[x.index] : 0.0;
}

#define BT__DEFINE_UNARY(ID, name, y_, da_, low, high)                                             \
    static inline bt_var bt_##name(bt_var x)                                                       \
    {                                                                                              \
        if (BT__UNLIKELY(!bt__ready(x, 1)))                                                        \
            return bt__var(x.tape, bt__record_cold(BT_OP_##ID, x, x));                             \
        const double a = x.tape->value[x.index];                                                   \
        return bt__append(x.tape, BT_OP_##ID, x.index, x.index, (y_));                             \
    }
#define BT__DEFINE_BINARY(ID, name, y_, da_, db_, low_a, high_a, low_b, high_b)                    \
    static inline bt_var bt_##name(bt_var x, bt_var z)                                             \
    {                                                                                              \
        if (BT__UNLIKELY(!bt__ready2(x, z)))                                                       \
            return bt__var(x.tape, bt__record_cold(BT_OP_##ID, x, z));                             \
        const double a = x.tape->value[x.index], b = x.tape->value[z.index];                       \
        return bt__append(x.tape, BT_OP_##ID, x.index, z.index, (y_));                             \
    }
BT_UNARY_OPS(BT__DEFINE_UNARY)
BT_BINARY_OPS(BT__DEFINE_BINARY)
#undef BT__DEFINE_UNARY
#undef BT__DEFINE_BINARY

/* A plain number becomes a constant node just before the operation. */
#define BT__DEFINE_CONST(name, first, second, const_first, ID, y_, left, right)                    \
    static inline bt_var bt_##name(first, second)                                                  \
    {                                                                                              \
        if (BT__UNLIKELY(!bt__ready(x, 2)))                                                        \
            return bt__var(x.tape, bt__record_const_cold(BT_OP_##ID, x, c, const_first));          \
        const double a = x.tape->value[x.index];                                                   \
        const uint32_t k = bt__append(x.tape, BT_OP_CONSTANT, 0, 0, c).index;                      \
        return bt__append(x.tape, BT_OP_##ID, left, right, (y_));                                  \
    }
BT__DEFINE_CONST(add_const, bt_var x, double c, false, ADD, a + c, x.index, k)
BT__DEFINE_CONST(sub_const, bt_var x, double c, false, SUB, a - c, x.index, k)
BT__DEFINE_CONST(const_sub, double c, bt_var x, true, SUB, c - a, k, x.index)
BT__DEFINE_CONST(mul_const, bt_var x, double c, false, MUL, a *c, x.index, k)
BT__DEFINE_CONST(div_const, bt_var x, double c, false, DIV, a / c, x.index, k)
BT__DEFINE_CONST(const_div, double c, bt_var x, true, DIV, c / a, k, x.index)
#undef BT__DEFINE_CONST

static inline bt_var bt_exp_shifted(bt_var x, double c)
{
    return bt_exp(bt_sub_const(x, c));
}

#ifdef __cplusplus
}
#endif
#endif
