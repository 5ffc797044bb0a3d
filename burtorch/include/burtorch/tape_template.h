// SPDX-License-Identifier: MIT
/* The functions of a tape, in one precision: <burtorch/tape.h> includes this file twice, and tells
 * what a tape is. Include that one.
 *
 * BT__REAL is double or float, and BT__F(name) is name or namef. So read BT__F(bt_sqrt)(x) as
 * bt_sqrt(x), and as bt_sqrtf(x) for float. */
#ifndef BURTORCH_TAPE_H
#include <burtorch/tape.h>
#else

#define BT__TAPE BT__F(bt_tape)
#define BT__VAR  BT__F(bt_var)
#define BT__NODE BT__F(bt__tape_node)

typedef struct BT__TAPE BT__TAPE;

/* A recorded value, passed by value. Belongs to its tape; without a tape it is none. Its fields are
 * private. In particular value is the one it was recorded with, at hand for the operations that
 * follow at once; the tape holds the present one, which bt_value reads. */
typedef struct BT__VAR {
    BT__TAPE *tape;
    int64_t index;
    uint64_t epoch; // value holds as long as this is the tape's
    BT__REAL value;
} BT__VAR;

/* ---- Tapes ---- */

/* Create an empty tape. On failure (CT_ENOMEM) *out is NULL. */
CT_MUST_USE ct_status BT__F(bt_tape_create)(BT__TAPE **out);
/* Free it and all its variables; NULL is allowed. */
void BT__F(bt_tape_destroy)(BT__TAPE *tape);

/* Make room for nodes nodes in all, so that recording up to there does not allocate (32 bytes a
 * node, 20 in float; without it, room doubles as needed). CT_ENOMEM; CT_ERANGE: more than 2^32 - 2.
 * The tape is as before then, and not marked. */
CT_MUST_USE ct_status BT__F(bt_tape_reserve)(BT__TAPE *tape, size_t nodes);

/* The first error since creation or reset, CT_OK if none; and its text, "" if none, the tape's. */
ct_status BT__F(bt_tape_status)(const BT__TAPE *tape);
const char *BT__F(bt_tape_message)(const BT__TAPE *tape);

/* Nodes recorded, and bytes held. */
size_t BT__F(bt_tape_nodes)(const BT__TAPE *tape);
size_t BT__F(bt_tape_bytes)(const BT__TAPE *tape);

/* Remember a point and come back to it: rewinding drops what was recorded since, and keeps its
 * memory. The usual training loop records parameters, marks, then per step records the loss,
 * sweeps, changes the parameters with bt_set_value and rewinds. */
static inline bt_mark BT__F(bt_tape_mark)(const BT__TAPE *tape);
/* A mark beyond the end of the tape marks the tape with CT_EINVALID and changes nothing else. */
static inline void BT__F(bt_tape_rewind)(BT__TAPE *tape, bt_mark mark);
/* Drop everything, errors included; memory is kept. */
void BT__F(bt_tape_reset)(BT__TAPE *tape);

/* Write what root is made of as a graph in the DOT language of Graphviz: a box a node with its
 * operation, value and gradient, an arrow from each operand. CT_ENOTFOUND, CT_EINVALID, CT_EIO,
 * CT_ENOMEM as ct_file_writer_open, and BT_ETAPE if root is no variable, all with a text in diag.
 */
CT_MUST_USE ct_status BT__F(bt_tape_write_dot)(BT__VAR root, const char *path, ct_diag *diag);

/* ---- Variables ---- */

/* A new independent variable, and a number that is not differentiated by. */
static inline BT__VAR BT__F(bt_variable)(BT__TAPE *tape, BT__REAL value);
static inline BT__VAR BT__F(bt_constant)(BT__TAPE *tape, BT__REAL value);

/* The value; NaN for a variable that is none. */
static inline BT__REAL BT__F(bt_value)(BT__VAR x);
/* d root / d x of the last bt_backward(root); 0 where root does not depend on x, and before the
 * first; NaN for a variable that is none. */
static inline BT__REAL BT__F(bt_gradient)(BT__VAR x);

/* Give a variable (or constant) another value. What was computed from it keeps the old one, until
 * bt_tape_forward; what is computed from it later, by any copy of x, has the new one. Marks the
 * tape with CT_EINVALID if x is the result of an operation. */
void BT__F(bt_set_value)(BT__VAR x, BT__REAL value);

/* Compute every node again, in order, from the present values of the variables. */
void BT__F(bt_tape_forward)(BT__TAPE *tape);

/* Gradients of root with respect to every node up to it. They are set, not added to those of an
 * earlier call; any number of calls, in any order of roots, gives the same results. A node to which
 * no gradient flows is left out, so that an infinite derivative there does not make a NaN. Returns
 * the tape's error, if any; gradients are then not computed. */
CT_MUST_USE static inline ct_status BT__F(bt_backward)(BT__VAR root);
/* Gradients of the sum of seeds[i] roots[i] (n of each, n > 0), in one sweep. */
CT_MUST_USE ct_status BT__F(bt_backward_seeded)(const BT__VAR *roots, const BT__REAL *seeds,
                                                size_t n);
/* out[i] = d root / d wrt[i] of n variables, skipping all that does not depend on one of them. Then
 * bt_gradient is theirs, and 0 of every node that depends on none. */
CT_MUST_USE ct_status BT__F(bt_gradients_of)(BT__REAL *out, BT__VAR root, const BT__VAR *wrt,
                                             size_t n);

/* ---- Operations ----
 *
 * One or two operands, generated from the tables of <burtorch/ops.h>:
 *   bt_neg abs inv sqr cub sqrt inv_sqrt cbrt exp expm1 log neg_log log1p log2 log10 sin cos tan
 *   asin acos atan sinh cosh tanh sigmoid softplus relu elu silu gelu erf (x)
 *   bt_add sub mul div pow min max atan2 hypot mean2 neg_mean2 add_squares mean_squares2 (x, z)
 * With plain numbers, also one node: */
static inline BT__VAR BT__F(bt_add_const)(BT__VAR x, BT__REAL c);      // x + c
static inline BT__VAR BT__F(bt_sub_const)(BT__VAR x, BT__REAL c);      // x - c
static inline BT__VAR BT__F(bt_const_sub)(BT__REAL c, BT__VAR x);      // c - x
static inline BT__VAR BT__F(bt_mul_const)(BT__VAR x, BT__REAL c);      // c x
static inline BT__VAR BT__F(bt_div_const)(BT__VAR x, BT__REAL c);      // x / c
static inline BT__VAR BT__F(bt_const_div)(BT__REAL c, BT__VAR x);      // c / x
static inline BT__VAR BT__F(bt_exp_shifted)(BT__VAR x, BT__REAL c);    // e^(x - c)
static inline BT__VAR BT__F(bt_leaky_relu)(BT__VAR x, BT__REAL slope); // x if x > 0, else slope x
static inline BT__VAR BT__F(bt_at_least)(BT__VAR x, BT__REAL low);     // the larger of x and low
static inline BT__VAR BT__F(bt_at_most)(BT__VAR x, BT__REAL high);     // the smaller of x and high
/* x between low and high, as bt_at_most(bt_at_least(x, low), high): the derivative is 1 inside and
 * at the bounds, 0 outside. Two nodes. */
static inline BT__VAR BT__F(bt_clamp)(BT__VAR x, BT__REAL low, BT__REAL high);
/* x^c; c of 2, 3, -1 and 0.5 become sqr, cub, inv and sqrt. Differentiable at negative x too. */
BT__VAR BT__F(bt_pow_const)(BT__VAR x, BT__REAL c);

/* x if condition > 0, else z; the gradient flows to the chosen one only, and none to condition.
 * bt_tape_forward chooses again. To choose once and for all, write condition ? x : z, where the
 * condition compares what bt_value gives. */
BT__VAR BT__F(bt_select)(BT__VAR condition, BT__VAR x, BT__VAR z);

/* Any number of operands, which are borrowed for the call. n = 0 gives the variable that is none
 * (dot_bias: c). One node, whatever n is; 4 bytes an operand. */
BT__VAR BT__F(bt_sum)(const BT__VAR *x, size_t n);
BT__VAR BT__F(bt_subtract)(const BT__VAR *x, size_t n); // x_0 - x_1 - … - x_n-1
BT__VAR BT__F(bt_product)(const BT__VAR *x, size_t n);  // O(n) backward, exact where some x_i are 0
BT__VAR BT__F(bt_mean)(const BT__VAR *x, size_t n);
BT__VAR BT__F(bt_neg_mean)(const BT__VAR *x, size_t n);
BT__VAR BT__F(bt_sum_squares)(const BT__VAR *x, size_t n);
BT__VAR BT__F(bt_mean_squares)(const BT__VAR *x, size_t n);
BT__VAR BT__F(bt_variance)(const BT__VAR *x, size_t n);        // divided by n - 1; NaN for n = 1
BT__VAR BT__F(bt_variance_biased)(const BT__VAR *x, size_t n); // divided by n
BT__VAR BT__F(bt_norm)(const BT__VAR *x, size_t n); // Euclidean; gradient 0 at the zero vector
BT__VAR BT__F(bt_log_sum_exp)(const BT__VAR *x, size_t n); // shifted: does not overflow
BT__VAR BT__F(bt_max_of)(const BT__VAR *x, size_t n);      // at a tie, each gets its share
BT__VAR BT__F(bt_min_of)(const BT__VAR *x, size_t n);
BT__VAR BT__F(bt_dot)(const BT__VAR *x, const BT__VAR *z, size_t n);
BT__VAR BT__F(bt_dot_bias)(BT__VAR c, const BT__VAR *x, const BT__VAR *z, size_t n);

/* By number, for interpreters: any unary (z is ignored) or binary operation, those with a plain
 * number, and those of one list (select: of three). An op of another kind, or a number of operands
 * it does not take, marks the tape with CT_EINVALID. */
BT__VAR BT__F(bt_apply)(bt_op op, BT__VAR x, BT__VAR z);
BT__VAR BT__F(bt_apply_number)(bt_op op, BT__VAR x, BT__REAL c);
BT__VAR BT__F(bt_apply_list)(bt_op op, const BT__VAR *x, size_t n);

/* ---- What the inline functions are made of; private ----
 *
 * A node is written once, by one function, and read again by the sweep a moment later: so fields
 * are read with the width they were written in, and the sum of gradients starts as a 0 that is
 * written with the rest.
 *
 * The counters are signed and every inline function ends by storing n + 1 and epoch. So in a
 * formula written out in one function the compiler knows that an operand recorded above is on this
 * tape, below n and unchanged, and drops those checks. What is left is the one for room. */

typedef struct BT__NODE {
    uint32_t a;  // operand; of a list op: first entry in list
    uint32_t op; // bt_op
    union {
        BT__F(bt__index) b; // the other operand; of a list op: how many
        BT__REAL c;         // unary: dy/da; with a plain number: that number
    } u;
    BT__REAL value, gradient;
} BT__NODE;

struct BT__TAPE {
    int64_t n,
        capacity;   // nodes; n may be beyond capacity once the tape is marked for want of memory
    uint64_t epoch; // counts changes of values
    BT__NODE *nodes;
    int64_t swept;  // nodes from here on have gradient 0
    uint32_t *list; // operands of list ops
    size_t n_list, list_capacity;
    BT__REAL *scratch; // one number an operand of the longest product
    size_t scratch_capacity;
    ct_status status;
    ct_diag diag;
};

/* The cold paths: all checks again, then grow and record at tape->n, or mark and record NaN there
 * if there is room. They return the value; the caller counts the node. (They take no bt_var, which
 * would have to be put together in memory for them.) */
BT__REAL BT__F(bt__leaf_cold)(BT__TAPE *tape, bt_op op, BT__REAL value);
BT__REAL BT__F(bt__record_cold)(BT__TAPE *tape, bt_op op, int64_t x, BT__TAPE *tape_z, int64_t z);
BT__REAL BT__F(bt__number_cold)(BT__TAPE *tape, bt_op op, int64_t x, BT__REAL c);
/* An operand is on no tape: mark that of the other. */
void BT__F(bt__no_tape)(BT__TAPE *other);
void BT__F(bt__rewind_cold)(BT__TAPE *tape);
ct_status BT__F(bt__backward_cold)(BT__TAPE *tape, int64_t root);
void BT__F(bt__sweep)(BT__TAPE *tape, int64_t root, BT__REAL gradient);

static inline BT__VAR BT__F(bt__var)(BT__TAPE *tape, int64_t index, uint64_t epoch, BT__REAL value)
{
    BT__VAR x;
    x.tape = tape;
    x.index = index;
    x.epoch = epoch;
    x.value = value;
    return x;
}

static inline BT__VAR BT__F(bt__none)(void)
{
    return BT__F(bt__var)(NULL, BT_NO_INDEX, 0, (BT__REAL)NAN);
}

/* x is a node that is there. */
static inline bool BT__F(bt__exists)(BT__VAR x)
{
    return x.tape && x.index < x.tape->n && x.index < x.tape->capacity;
}

/* The present value of x, a node of tape. */
static inline BT__REAL BT__F(bt__present)(const BT__TAPE *tape, BT__VAR x)
{
    return x.epoch == tape->epoch ? x.value : tape->nodes[x.index].value;
}

/* Fill node n but for b or c, which is returned for the caller to set. */
static inline BT__NODE *BT__F(bt__fill)(BT__TAPE *tape, int64_t n, bt_op op, int64_t a,
                                        BT__REAL value)
{
    BT__NODE *node = &tape->nodes[n];
    node->a = (uint32_t)a;
    node->op = (uint32_t)op;
    BT__F(bt__store_pair)((unsigned char *)node + offsetof(BT__NODE, value), value);
    return node;
}

static inline bt_mark BT__F(bt_tape_mark)(const BT__TAPE *tape)
{
    bt_mark mark;
    mark.nodes = (size_t)tape->n;
    mark.list = tape->n_list;
    return mark;
}

static inline void BT__F(bt_tape_rewind)(BT__TAPE *tape, bt_mark mark)
{
    if (BT__UNLIKELY(mark.nodes > (size_t)tape->n || mark.list > tape->n_list)) {
        BT__F(bt__rewind_cold)(tape);
        return;
    }
    tape->n = (int64_t)mark.nodes;
    tape->n_list = mark.list;
    if (tape->swept > (int64_t)mark.nodes)
        tape->swept = (int64_t)mark.nodes;
}

static inline BT__REAL BT__F(bt_value)(BT__VAR x)
{
    return BT__F(bt__exists)(x) ? x.tape->nodes[x.index].value : (BT__REAL)NAN;
}

static inline BT__REAL BT__F(bt_gradient)(BT__VAR x)
{
    return BT__F(bt__exists)(x) ? x.tape->nodes[x.index].gradient : (BT__REAL)NAN;
}

static inline ct_status BT__F(bt_backward)(BT__VAR root)
{
    BT__TAPE *t = root.tape;
    if (BT__UNLIKELY(!t || root.index >= t->n || t->status != CT_OK || t->swept))
        return BT__F(bt__backward_cold)(t, root.index);
    const int64_t n = t->n;
    t->swept = root.index + 1;
    BT__F(bt__sweep)(t, root.index, 1);
    t->n = n; // as it was, and now the compiler knows
    return CT_OK;
}

static inline BT__VAR BT__F(bt__leaf)(BT__TAPE *t, bt_op op, BT__REAL value)
{
    if (BT__UNLIKELY(!t))
        return BT__F(bt__none)();
    const int64_t n = t->n;
    const uint64_t epoch = t->epoch;
    if (BT__UNLIKELY(n >= t->capacity))
        value = BT__F(bt__leaf_cold)(t, op, value);
    else
        BT__F(bt__fill)(t, n, op, 0, value)->u.b = 0;
    t->n = n + 1;
    t->epoch = epoch;
    return BT__F(bt__var)(t, n, epoch, value);
}
static inline BT__VAR BT__F(bt_variable)(BT__TAPE *tape, BT__REAL value)
{
    return BT__F(bt__leaf)(tape, BT_OP_VARIABLE, value);
}
static inline BT__VAR BT__F(bt_constant)(BT__TAPE *tape, BT__REAL value)
{
    return BT__F(bt__leaf)(tape, BT_OP_CONSTANT, value);
}

#define BT__DEFINE_UNARY(ID, name, y_, da_, low, high)                                             \
    static inline BT__VAR BT__F(bt_##name)(BT__VAR x)                                              \
    {                                                                                              \
        BT__TAPE *t = x.tape;                                                                      \
        if (BT__UNLIKELY(!t))                                                                      \
            return BT__F(bt__none)();                                                              \
        const int64_t n = t->n;                                                                    \
        const uint64_t epoch = t->epoch;                                                           \
        BT__REAL y;                                                                                \
        if (BT__UNLIKELY(x.index >= n || n >= t->capacity)) {                                      \
            y = BT__F(bt__record_cold)(t, BT_OP_##ID, x.index, t, x.index);                        \
        } else {                                                                                   \
            const BT__REAL a = BT__F(bt__present)(t, x);                                           \
            y = (y_);                                                                              \
            BT__F(bt__fill)(t, n, BT_OP_##ID, x.index, y)->u.c = (da_);                            \
        }                                                                                          \
        t->n = n + 1;                                                                              \
        t->epoch = epoch;                                                                          \
        return BT__F(bt__var)(t, n, epoch, y);                                                     \
    }
#define BT__DEFINE_NUMBER(ID, name, y_, da_, low, high)                                            \
    static inline BT__VAR BT__F(bt__##name)(BT__VAR x, BT__REAL c)                                 \
    {                                                                                              \
        BT__TAPE *t = x.tape;                                                                      \
        if (BT__UNLIKELY(!t))                                                                      \
            return BT__F(bt__none)();                                                              \
        const int64_t n = t->n;                                                                    \
        const uint64_t epoch = t->epoch;                                                           \
        BT__REAL y;                                                                                \
        if (BT__UNLIKELY(x.index >= n || n >= t->capacity)) {                                      \
            y = BT__F(bt__number_cold)(t, BT_OP_##ID, x.index, c);                                 \
        } else {                                                                                   \
            const BT__REAL a = BT__F(bt__present)(t, x);                                           \
            y = (y_);                                                                              \
            BT__F(bt__fill)(t, n, BT_OP_##ID, x.index, y)->u.c = c;                                \
        }                                                                                          \
        t->n = n + 1;                                                                              \
        t->epoch = epoch;                                                                          \
        return BT__F(bt__var)(t, n, epoch, y);                                                     \
    }
#define BT__DEFINE_BINARY(ID, name, y_, da_, db_, low_a, high_a, low_b, high_b)                    \
    static inline BT__VAR BT__F(bt_##name)(BT__VAR x, BT__VAR z)                                   \
    {                                                                                              \
        BT__TAPE *t = x.tape;                                                                      \
        if (BT__UNLIKELY(!t)) {                                                                    \
            BT__F(bt__no_tape)(z.tape);                                                            \
            return BT__F(bt__none)();                                                              \
        }                                                                                          \
        const int64_t n = t->n;                                                                    \
        const uint64_t epoch = t->epoch;                                                           \
        BT__REAL y;                                                                                \
        if (BT__UNLIKELY(x.index >= n || z.index >= n || z.tape != t || n >= t->capacity)) {       \
            y = BT__F(bt__record_cold)(t, BT_OP_##ID, x.index, z.tape, z.index);                   \
        } else {                                                                                   \
            const BT__REAL a = BT__F(bt__present)(t, x), b = BT__F(bt__present)(t, z);             \
            y = (y_);                                                                              \
            BT__F(bt__fill)(t, n, BT_OP_##ID, x.index, y)->u.b = (BT__F(bt__index))z.index;        \
        }                                                                                          \
        t->n = n + 1;                                                                              \
        t->epoch = epoch;                                                                          \
        return BT__F(bt__var)(t, n, epoch, y);                                                     \
    }

/* ---- Parts of the formulas of ops.h ---- */

static inline BT__REAL BT__F(bt__sign)(BT__REAL a)
{
    return a > 0 ? 1 : a < 0 ? -1 : 0 * a;
}
static inline BT__REAL BT__F(bt__sigmoid)(BT__REAL a)
{
    const BT__REAL t = BT__F(exp)(-BT__F(fabs)(a));
    return (a >= 0 ? 1 : t) / (1 + t);
}
static inline BT__REAL BT__F(bt__silu_da)(BT__REAL a, BT__REAL y)
{
    const BT__REAL s = BT__F(bt__sigmoid)(a);
    return s + y * (1 - s);
}
static inline BT__REAL BT__F(bt__softplus)(BT__REAL a)
{
    return (a <= 0 ? 0 : a) + BT__F(log1p)(BT__F(exp)(-BT__F(fabs)(a)));
}
static inline BT__REAL BT__F(bt__normal_cdf)(BT__REAL a)
{
    return BT__F(erfc)(-a * BT__C(BT__SQRT1_2)) / 2;
}
static inline BT__REAL BT__F(bt__gelu_da)(BT__REAL a)
{
    return BT__F(bt__normal_cdf)(a) + a * BT__C(BT__1_SQRT2PI) * BT__F(exp)(-a * a / 2);
}
static inline BT__REAL BT__F(bt__min)(BT__REAL a, BT__REAL b)
{
    return a < b || a != a ? a : b;
}
static inline BT__REAL BT__F(bt__max)(BT__REAL a, BT__REAL b)
{
    return a > b || a != a ? a : b;
}
/* 1 if a < b, 0 if a > b, one half at a tie. */
static inline BT__REAL BT__F(bt__step)(BT__REAL a, BT__REAL b)
{
    return a < b ? BT__C(1) : a > b ? BT__C(0) : BT__C(0.5);
}
static inline BT__REAL BT__F(bt__pow_da)(BT__REAL a, BT__REAL b)
{
    return b == 0 ? 0 : b * BT__F(pow)(a, b - 1);
}
/* a^b log a, with its limit 0 at a = 0 < b. */
static inline BT__REAL BT__F(bt__pow_db)(BT__REAL a, BT__REAL b, BT__REAL y)
{
    return a == 0 && b > 0 ? 0 : y * BT__F(log)(a);
}

/* ---- The operations ---- */

BT_UNARY_OPS(BT__DEFINE_UNARY)
BT_NUMBER_OPS(BT__DEFINE_NUMBER)
BT_BINARY_OPS(BT__DEFINE_BINARY)
#undef BT__DEFINE_UNARY
#undef BT__DEFINE_NUMBER
#undef BT__DEFINE_BINARY

static inline BT__VAR BT__F(bt_add_const)(BT__VAR x, BT__REAL c)
{
    return BT__F(bt__add_const)(x, c);
}
static inline BT__VAR BT__F(bt_sub_const)(BT__VAR x, BT__REAL c)
{
    return BT__F(bt__sub_const)(x, c);
}
static inline BT__VAR BT__F(bt_const_sub)(BT__REAL c, BT__VAR x)
{
    return BT__F(bt__const_sub)(x, c);
}
static inline BT__VAR BT__F(bt_mul_const)(BT__VAR x, BT__REAL c)
{
    return BT__F(bt__mul_const)(x, c);
}
static inline BT__VAR BT__F(bt_div_const)(BT__VAR x, BT__REAL c)
{
    return BT__F(bt__div_const)(x, c);
}
static inline BT__VAR BT__F(bt_const_div)(BT__REAL c, BT__VAR x)
{
    return BT__F(bt__const_div)(x, c);
}
static inline BT__VAR BT__F(bt_exp_shifted)(BT__VAR x, BT__REAL c)
{
    return BT__F(bt__exp_shifted)(x, c);
}
static inline BT__VAR BT__F(bt_leaky_relu)(BT__VAR x, BT__REAL slope)
{
    return BT__F(bt__leaky_relu)(x, slope);
}
static inline BT__VAR BT__F(bt_at_least)(BT__VAR x, BT__REAL low)
{
    return BT__F(bt__at_least)(x, low);
}
static inline BT__VAR BT__F(bt_at_most)(BT__VAR x, BT__REAL high)
{
    return BT__F(bt__at_most)(x, high);
}
static inline BT__VAR BT__F(bt_clamp)(BT__VAR x, BT__REAL low, BT__REAL high)
{
    return BT__F(bt_at_most)(BT__F(bt_at_least)(x, low), high);
}

#undef BT__TAPE
#undef BT__VAR
#undef BT__NODE
#endif
