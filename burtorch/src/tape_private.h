// SPDX-License-Identifier: MIT
/* What the tape's files share, and how other files of the library read the nodes of a tape.
 *
 * The code of a tape is in the three tape_*_template.h, which tape.c compiles for double and
 * tape_f32.c for float. */
#ifndef BURTORCH_TAPE_PRIVATE_H
#define BURTORCH_TAPE_PRIVATE_H

#include <burtorch/tape.h>

/* Kept out of a loop that is to stay small. */
#if defined(__GNUC__)
#define BT__NOINLINE __attribute__((noinline))
#else
#define BT__NOINLINE
#endif

/* Node i of a tape: its operation, operands and value. a and b are nodes (b of binary operations
 * only); of a list operation the first entry in `list`, and how many. c is the plain number of the
 * operations that have one. */
typedef struct bt__recorded {
    bt_op op;
    size_t a, b;
    double c, value;
} bt__recorded;

bt__recorded bt__tape_read(const bt_tape *tape, size_t i);

/* A node, however the tape stores it. An operand a or b that is BT_NO_INDEX is the number
 * `constant`. */
typedef struct bt__tape_view {
    bt_op op;
    uint32_t a, b;        // operands of unary (a) and binary operations
    const uint32_t *list; // operands of a list operation, else NULL
    size_t n_list;        // how many; of the dot products: x then z, dot_bias has c before them
    double constant;
    double value;
} bt__tape_view;

/* false: i is no node. The list is valid until something is recorded. */
static inline bool bt__tape_node(const bt_tape *tape, uint32_t i, bt__tape_view *out)
{
    if (i >= tape->n)
        return false;
    const bt__operands o = tape->operands[i];
    out->op = (bt_op)tape->op[i];
    out->value = tape->value[i];
    out->a = o.a;
    out->b = o.b;
    out->list = NULL;
    out->n_list = 0;
    out->constant = 0.0;
    if (bt_op_info_of(out->op)->arity == BT_ARITY_LIST) {
        const bool dot = out->op == BT_OP_DOT || out->op == BT_OP_DOT_BIAS;
        out->list = tape->list + o.a;
        out->n_list = (dot ? 2 : 1) * (size_t)o.b + (out->op == BT_OP_DOT_BIAS ? 1 : 0);
    }
    if (out->op == BT_OP_POW_CONST) {
        out->constant = tape->value[o.b];
        out->b = BT_NO_INDEX;
    }
    return true;
}

#endif
