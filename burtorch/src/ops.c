// SPDX-License-Identifier: MIT
/* The table of ops.h at run time: names, arities, and values of plain numbers. */
#include "tape_private.h"

#include <string.h>

static const bt_op_info op_table[BT_OP_COUNT] = {
    [BT_OP_VARIABLE] = {"variable", BT_ARITY_NONE, {0}, {0}},
    [BT_OP_CONSTANT] = {"constant", BT_ARITY_NONE, {0}, {0}},
#define UNARY_ROW(ID, name, y, da, low, high) [BT_OP_##ID] = {#name, BT_ARITY_ONE, {low}, {high}},
#define NUMBER_ROW(ID, name, y, da, low, high)                                                     \
    [BT_OP_##ID] = {#name, BT_ARITY_NUMBER, {low, -2.0}, {high, 3.0}},
#define BINARY_ROW(ID, name, y, da, db, low_a, high_a, low_b, high_b)                              \
    [BT_OP_##ID] = {#name, BT_ARITY_TWO, {low_a, low_b}, {high_a, high_b}},
#define LIST_ROW(ID, name, lists, text) [BT_OP_##ID] = {#name, BT_ARITY_LIST, {0}, {0}},
    BT_UNARY_OPS(UNARY_ROW) BT_NUMBER_OPS(NUMBER_ROW) BT_BINARY_OPS(BINARY_ROW)
        BT_LIST_OPS(LIST_ROW)};

const bt_op_info *bt_op_info_of(bt_op op)
{
    return (unsigned)op < BT_OP_COUNT ? &op_table[op] : NULL;
}

bt_op bt_op_find(const char *name, size_t length)
{
    for (unsigned op = BT_OP_CONSTANT + 1; op < BT_OP_COUNT; op++) {
        if (op_table[op].arity == BT_ARITY_NUMBER || op == BT_OP_DOT || op == BT_OP_DOT_BIAS)
            continue;
        if (strlen(op_table[op].name) == length && memcmp(op_table[op].name, name, length) == 0)
            return (bt_op)op;
    }
    return BT_OP_COUNT;
}

double bt_op_evaluate(bt_op op, double a, double b)
{
    const double c = b;
    switch (op) {
#define VALUE_ONE(ID, name, y, da, low, high)                                                      \
    case BT_OP_##ID:                                                                               \
        return (y);
#define VALUE_TWO(ID, name, y, da, db, low_a, high_a, low_b, high_b)                               \
    case BT_OP_##ID:                                                                               \
        return (y);
        BT_UNARY_OPS(VALUE_ONE)
        BT_NUMBER_OPS(VALUE_ONE)
        BT_BINARY_OPS(VALUE_TWO)
    default:
        return (double)NAN;
    }
}
