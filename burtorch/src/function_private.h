// SPDX-License-Identifier: MIT
/* What a captured function is made of, shared by its files.
 *
 * Slots hold numbers: first the inputs, then the constants, then one a step, in order. A step reads
 * earlier slots and writes its own. Operations that are others in disguise do not occur (pow_const
 * is pow with a constant; product is a chain of mul; of the lists only sum and dot are left), and
 * every step depends on an input and is needed by an output. */
#ifndef BURTORCH_FUNCTION_PRIVATE_H
#define BURTORCH_FUNCTION_PRIVATE_H

#include <burtorch/function.h>
#include <ctrain/cpu.h>
#include <ctrain/file.h>

/* How a step passes gradients on: the operation, and of a binary one with a constant operand, only
 * to a (_A) or only to b (_B). */
typedef enum bt__back {
#define BT__BACK_UNARY(ID, name, y, da, low, high) BT__BACK_##ID,
#define BT__BACK_BINARY(ID, name, y, da, db, low_a, high_a, low_b, high_b)                         \
    BT__BACK_##ID, BT__BACK_##ID##_A, BT__BACK_##ID##_B,
    BT_UNARY_OPS(BT__BACK_UNARY) BT_BINARY_OPS(BT__BACK_BINARY) BT__BACK_SUM,
    BT__BACK_DOT
#undef BT__BACK_UNARY
#undef BT__BACK_BINARY
} bt__back;

typedef struct bt__instruction {
    uint16_t op;   // a bt_op
    uint16_t back; // a bt__back
    uint32_t a, b; // slots; of sum and dot: first entry in list, and number of (pairs of) operands
} bt__instruction;

struct bt_function {
    size_t n, m;        // inputs, outputs
    size_t n_constants; // their values stand in constants
    size_t base;        // n + n_constants, the slot of step 0
    size_t n_steps;
    size_t n_list;
    double *constants;
    bt__instruction *steps;
    uint32_t *list;    // operands of sum (x) and dot (x, then z)
    uint32_t *outputs; // slots
};

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
