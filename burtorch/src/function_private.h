// SPDX-License-Identifier: MIT
/* What a captured function is made of, shared by its files.
 *
 * Slots hold numbers: first the inputs, then the constants, then one a step, in order. A step reads
 * earlier slots and writes its own. Operations that are others in disguise do not occur: those with
 * a plain number are binary ones with a constant, product is a chain of mul, and of the other lists
 * only sum, dot, norm, log_sum_exp, max_of, min_of and select are left. Every step depends on an
 * input and is needed by an output. */
#ifndef BURTORCH_FUNCTION_PRIVATE_H
#define BURTORCH_FUNCTION_PRIVATE_H

#include <burtorch/function.h>
#include <ctrain/cpu.h>
#include <ctrain/file.h>

/* Operations with a plain number that are no binary operation with a constant, because of their
 * derivatives at the kink: as binary steps, whose b is constant. Columns of BT_BINARY_OPS. */
#define BT__NUMBER_STEPS(X)                                                                        \
    X(LEAKY_RELU, leaky_relu, a > 0 ? a : a * b, a > 0 ? 1 : b, a > 0 ? 0 : a, 0, 0, 0, 0)         \
    X(AT_LEAST, at_least, a < b ? b : a, !(a < b) ? 1 : 0, a < b ? 1 : 0, 0, 0, 0, 0)              \
    X(AT_MOST, at_most, a > b ? b : a, !(a > b) ? 1 : 0, a > b ? 1 : 0, 0, 0, 0, 0)
#define BT__BINARY_STEPS(X) BT_BINARY_OPS(X) BT__NUMBER_STEPS(X)

/* How a step passes gradients on: the operation, and of a binary one with a constant operand, only
 * to a (_A) or only to b (_B). */
typedef enum bt__back {
#define BT__BACK_UNARY(ID, name, y, da, low, high) BT__BACK_##ID,
#define BT__BACK_BINARY(ID, name, y, da, db, low_a, high_a, low_b, high_b)                         \
    BT__BACK_##ID, BT__BACK_##ID##_A, BT__BACK_##ID##_B,
    BT_UNARY_OPS(BT__BACK_UNARY) BT__BINARY_STEPS(BT__BACK_BINARY) BT__BACK_SUM,
    BT__BACK_DOT,
    BT__BACK_LIST // the other list operations
#undef BT__BACK_UNARY
#undef BT__BACK_BINARY
} bt__back;

typedef struct bt__instruction {
    uint16_t op;   // a bt_op
    uint16_t back; // a bt__back
    uint32_t a, b; // slots; of lists: first entry in list, and number of operands (dot: pairs)
} bt__instruction;

struct bt_function {
    size_t n, m;        // inputs, outputs
    size_t n_constants; // their values stand in constants
    size_t base;        // n + n_constants, the slot of step 0
    size_t n_steps;
    size_t n_list;
    double *constants;
    bt__instruction *steps;
    uint32_t *list;    // operands of list operations (dot: x, then z)
    uint32_t *outputs; // slots
};

static inline bool bt__is_list(unsigned op)
{
    return op >= BT_OP_SUM;
}

/* Entries in list of a list step whose b is n. */
static inline size_t bt__list_entries(unsigned op, uint32_t n)
{
    return op == BT_OP_DOT ? 2 * (size_t)n : n;
}

enum { BT__LANES = 32 }; // points of a block of the batch functions

struct bt_workspace {
    const bt_function *function;
    double *value, *adjoint, *tangent, *adjoint_tangent; // a number a slot; constants are filled in
    double *block_value, *block_adjoint;                 // BT__LANES numbers a slot
};

/* p q, and 0 where p is 0 whatever q is (which then is not computed). */
#define BT__FLOW(p, q) ((p) == 0.0 ? 0.0 : (p) * (q))

/* ---- function.c ---- */

ct_status bt__function_check(const bt_function *f, const bt_workspace *w, size_t output);
/* Values of all steps from those of inputs and constants. */
void bt__function_forward(const bt_function *f, double *value);
/* Tangents of all steps from those of the inputs; those of constants are 0. */
void bt__function_tangents(const bt_function *f, const double *value, double *tangent);

/* ---- function_list.c ----
 *
 * Of the lists but sum and dot: operands are at value[x[i] * stride], y is the result. */

double bt__list_value(unsigned op, const uint32_t *x, size_t n, const double *value, size_t stride);
/* Add to the adjoints of the operands what an adjoint g of the result gives them. */
void bt__list_backward(unsigned op, const uint32_t *x, size_t n, const double *value,
                       double *adjoint, size_t stride, double y, double g);
double bt__list_tangent(unsigned op, const uint32_t *x, size_t n, const double *value,
                        const double *tangent, double y);
/* How many operands of max_of or min_of are the result. */
double bt__list_ties(const uint32_t *x, size_t n, const double *value, size_t stride, double y);

/* ---- function_block*.c ---- */

/* The sweeps on BT__LANES points at once, compiled for each instruction set. */
typedef struct bt__block {
    void (*forward)(const bt_function *f, double *value);
    /* Gradients of slot top, which is a step's, to the inputs; adjoints are set, not added to. */
    void (*backward)(const bt_function *f, const double *value, double *adjoint, size_t top);
} bt__block;

extern const bt__block bt__block_scalar;
#if defined(__x86_64__)
extern const bt__block bt__block_avx2, bt__block_avx512;
#endif

/* The batch functions with a table given, for tests. output: for the gradient; g NULL: y is (count,
 * m) and output not used. */
void bt__function_batch(const bt__block *block, const bt_function *f, bt_workspace *w,
                        size_t output, size_t count, const double *x, double *y, double *g);
const bt__block *bt__block_of(ct_simd simd);

/* ---- function_emit.c ---- */

ct_status bt__function_print(const bt_function *f, ct_file_writer *file,
                             const bt_emit_options *options, ct_diag *diag);

#endif
