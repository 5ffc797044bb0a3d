// SPDX-License-Identifier: MIT
/* Shared by the tape's files: marking a tape, growing it, and the two halves of list operations. */
#ifndef BURTORCH_TAPE_PRIVATE_H
#define BURTORCH_TAPE_PRIVATE_H

#include <burtorch/tape.h>

/* Mark the tape (the first error stays; tape may be NULL) and return the variable that is none. */
bt_var bt__tape_fail(bt_tape *tape, ct_status status, const char *text);

/* Room for at least one more node; false: the tape is marked. */
bool bt__tape_grow(bt_tape *tape, size_t more);

/* x cannot be an operand on tape: mark what is to be marked, and why. */
bt_var bt__tape_reject(bt_tape *tape, bt_var x);

double bt__list_value(const bt_tape *tape, bt_op op, bt__operands operands);
void bt__list_backward(bt_tape *tape, bt_op op, bt__operands operands, double g);

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
