// SPDX-License-Identifier: MIT
/* The operation table at run time, and the two sweeps over a tape: values from first to last node,
 * gradients from last to first. Both switch over the rows of ops.h. */
#include "tape_private.h"

#include <string.h>

static const bt_op_info op_table[BT_OP_COUNT] = {
    [BT_OP_VARIABLE] = {"variable", BT_ARITY_NONE, {0}, {0}},
    [BT_OP_CONSTANT] = {"constant", BT_ARITY_NONE, {0}, {0}},
    [BT_OP_POW_CONST] = {"pow_const", BT_ARITY_TWO, {0.2, -2.0}, {3.0, 3.0}},
#define UNARY_ROW(ID, name, y, da, low, high) [BT_OP_##ID] = {#name, BT_ARITY_ONE, {low}, {high}},
#define BINARY_ROW(ID, name, y, da, db, low_a, high_a, low_b, high_b)                              \
    [BT_OP_##ID] = {#name, BT_ARITY_TWO, {low_a, low_b}, {high_a, high_b}},
#define LIST_ROW(ID, name, lists, text) [BT_OP_##ID] = {#name, BT_ARITY_LIST, {0}, {0}},
    BT_UNARY_OPS(UNARY_ROW) BT_BINARY_OPS(BINARY_ROW) BT_LIST_OPS(LIST_ROW)};

const bt_op_info *bt_op_info_of(bt_op op)
{
    return (unsigned)op < BT_OP_COUNT ? &op_table[op] : NULL;
}

bt_op bt_op_find(const char *name, size_t length)
{
    for (unsigned op = BT_OP_CONSTANT + 1; op < BT_OP_COUNT; op++) {
        if (op == BT_OP_POW_CONST || op == BT_OP_DOT || op == BT_OP_DOT_BIAS)
            continue;
        if (strlen(op_table[op].name) == length && memcmp(op_table[op].name, name, length) == 0)
            return (bt_op)op;
    }
    return BT_OP_COUNT;
}

double bt_op_evaluate(bt_op op, double a, double b)
{
    switch (op) {
#define UNARY_VALUE(ID, name, y, da, low, high)                                                    \
    case BT_OP_##ID:                                                                               \
        return (y);
#define BINARY_VALUE(ID, name, y, da, db, low_a, high_a, low_b, high_b)                            \
    case BT_OP_##ID:                                                                               \
        return (y);
        BT_UNARY_OPS(UNARY_VALUE)
        BT_BINARY_OPS(BINARY_VALUE)
    case BT_OP_POW_CONST:
        return pow(a, b);
    default:
        return (double)NAN;
    }
}

void bt_tape_forward(bt_tape *tape)
{
    for (size_t i = 0; i < tape->n; i++) {
        const bt_op op = (bt_op)tape->op[i];
        const bt__operands o = tape->operands[i];
        if (op <= BT_OP_CONSTANT)
            continue;
        if (op_table[op].arity == BT_ARITY_LIST)
            tape->value[i] = bt__list_value(tape, op, o);
        else
            tape->value[i] = bt_op_evaluate(op, tape->value[o.a], tape->value[o.b]);
    }
}

/* Add amount to the gradient of `to`, an operand of node i of the sweep below. */
#define PASS_ON(to, amount)                                                                        \
    do {                                                                                           \
        if ((to) == i - 1)                                                                         \
            before += (amount);                                                                    \
        else                                                                                       \
            gradient[to] += (amount);                                                              \
    } while (0)

/* Operands come before their node, so when the sweep arrives at a node all of its gradient is
 * there. The gradient of the node just before stays in a register: it is the most usual operand,
 * and to store a sum and load it again at once takes longer than all else the sweep does. */
static void sweep_back(bt_tape *tape, size_t root)
{
    const uint16_t *const ops = tape->op;
    const bt__operands *const operands = tape->operands;
    const double *const value = tape->value;
    double *const gradient = tape->gradient;
    double before = 1.0; // gradient of the node the loop goes on with
    for (size_t i = root; i > 0; i--) {
        const double g = before;
        const bt__operands o = operands[i];
        gradient[i] = g;
        before = gradient[i - 1];
        if (g == 0.0)
            continue;
        switch (ops[i]) {
        case BT_OP_VARIABLE:
        case BT_OP_CONSTANT:
            break;
#define UNARY_BACK(ID, name, y_, da, low, high)                                                    \
    case BT_OP_##ID: {                                                                             \
        const double a = value[o.a], y = value[i];                                                 \
        (void)a, (void)y;                                                                          \
        PASS_ON(o.a, g *(da));                                                                     \
        break;                                                                                     \
    }
#define BINARY_BACK(ID, name, y_, da, db, low_a, high_a, low_b, high_b)                            \
    case BT_OP_##ID: {                                                                             \
        const double a = value[o.a], b = value[o.b], y = value[i];                                 \
        (void)a, (void)b, (void)y;                                                                 \
        PASS_ON(o.a, g *(da));                                                                     \
        PASS_ON(o.b, g *(db));                                                                     \
        break;                                                                                     \
    }
            BT_UNARY_OPS(UNARY_BACK)
            BT_BINARY_OPS(BINARY_BACK)
        case BT_OP_POW_CONST:
            PASS_ON(o.a, g * bt__pow_da(value[o.a], value[o.b]));
            break;
        default:
            bt__list_backward(tape, (bt_op)ops[i], o, g);
            before = gradient[i - 1];
        }
    }
    gradient[0] = before;
}

ct_status bt_backward(bt_var root)
{
    bt_tape *tape = root.tape;
    if (!tape)
        return BT_ETAPE;
    if (root.index >= tape->n)
        bt__tape_reject(tape, root);
    if (tape->status != CT_OK)
        return tape->status;
    memset(tape->gradient, 0, root.index * sizeof *tape->gradient);
    tape->swept = (size_t)root.index + 1;
    sweep_back(tape, root.index);
    return CT_OK;
}
