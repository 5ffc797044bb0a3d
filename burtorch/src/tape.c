// SPDX-License-Identifier: MIT
/* Tapes: creation, growth, errors, and the cold halves of the inline functions of tape.h.
 *
 * The four node arrays live in one 64-byte aligned block, so that growing either succeeds for all
 * of them or leaves the tape as it was. */
#include "tape_private.h"

#include <ctrain/arena.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };
#define MAX_NODES ((size_t)UINT32_MAX - 1)

static const size_t node_bytes = sizeof(double) * 2 + sizeof(bt__operands) + sizeof(uint16_t);

bt_var bt__tape_fail(bt_tape *tape, ct_status status, const char *text)
{
    bt_var none = {tape, BT_NO_INDEX};
    if (tape && tape->status == CT_OK)
        tape->status = ct_fail(&tape->diag, status, "%s", text);
    return none;
}

/* Move the nodes to a block of `capacity` (a multiple of 64, so every array is aligned). Only nodes
 * of the last sweep have a gradient. */
static ct_status move_nodes(bt_tape *tape, size_t capacity)
{
    size_t bytes;
    if (!ct_mul_size(&bytes, capacity, node_bytes))
        return CT_ENOMEM;
    double *value = aligned_alloc(64, bytes);
    if (!value)
        return CT_ENOMEM;
    double *gradient = value + capacity;
    bt__operands *operands = (bt__operands *)(gradient + capacity);
    uint16_t *op = (uint16_t *)(operands + capacity);
    if (tape->n) {
        memcpy(value, tape->value, tape->n * sizeof *value);
        memcpy(gradient, tape->gradient, tape->swept * sizeof *gradient);
        memcpy(operands, tape->operands, tape->n * sizeof *operands);
        memcpy(op, tape->op, tape->n * sizeof *op);
    }
    free(tape->value);
    tape->value = value;
    tape->gradient = gradient;
    tape->operands = operands;
    tape->op = op;
    tape->capacity = capacity;
    return CT_OK;
}

ct_status bt_tape_create(bt_tape **out)
{
    *out = NULL;
    bt_tape *tape = calloc(1, sizeof *tape);
    if (!tape)
        return CT_ENOMEM;
    if (move_nodes(tape, FIRST_CAPACITY) != CT_OK) {
        free(tape);
        return CT_ENOMEM;
    }
    *out = tape;
    return CT_OK;
}

void bt_tape_destroy(bt_tape *tape)
{
    if (!tape)
        return;
    free(tape->value);
    free(tape->list);
    free(tape->scratch);
    free(tape);
}

ct_status bt_tape_reserve(bt_tape *tape, size_t nodes)
{
    if (nodes > MAX_NODES)
        return CT_ERANGE;
    if (nodes <= tape->capacity)
        return CT_OK;
    return move_nodes(tape, (nodes + 63) / 64 * 64);
}

bool bt__tape_grow(bt_tape *tape, size_t more)
{
    if (tape->capacity - tape->n >= more)
        return true;
    if (tape->n >= MAX_NODES - more) {
        bt__tape_fail(tape, CT_ERANGE, "the tape is full: 2^32 - 2 nodes");
        return false;
    }
    const size_t twice = tape->capacity > MAX_NODES / 2 ? MAX_NODES : 2 * tape->capacity;
    if (bt_tape_reserve(tape, twice) != CT_OK) {
        bt__tape_fail(tape, CT_ENOMEM, "no memory for more nodes on the tape");
        return false;
    }
    return true;
}

ct_status bt_tape_status(const bt_tape *tape)
{
    return tape->status;
}

const char *bt_tape_message(const bt_tape *tape)
{
    return tape->diag.text;
}

size_t bt_tape_nodes(const bt_tape *tape)
{
    return tape->n;
}

size_t bt_tape_bytes(const bt_tape *tape)
{
    return sizeof *tape + tape->capacity * node_bytes + tape->list_capacity * sizeof *tape->list +
           tape->scratch_capacity * sizeof *tape->scratch;
}

void bt_tape_reset(bt_tape *tape)
{
    tape->n = tape->swept = tape->n_list = 0;
    tape->status = CT_OK;
    ct_diag_clear(&tape->diag);
}

void bt__rewind_cold(bt_tape *tape)
{
    bt__tape_fail(tape, CT_EINVALID, "rewind to a mark beyond the end of the tape");
}

void bt_set_value(bt_var x, double value)
{
    if (!x.tape)
        return;
    if (x.index >= x.tape->n)
        bt__tape_reject(x.tape, x);
    else if (x.tape->op[x.index] > BT_OP_CONSTANT)
        bt__tape_fail(x.tape, CT_EINVALID, "bt_set_value on the result of an operation");
    else
        x.tape->value[x.index] = value;
}

bt_var bt__tape_reject(bt_tape *tape, bt_var x)
{
    bt_var none = {tape, BT_NO_INDEX};
    if (tape != x.tape) {
        const char *why = tape && x.tape ? "variables of different tapes in one operation"
                                         : "an unset variable in an operation";
        bt__tape_fail(x.tape, BT_ETAPE, why);
        return bt__tape_fail(tape, BT_ETAPE, why);
    }
    if (!tape)
        return none;
    // A variable that is none either carries an error its tape already knows, or was never set.
    if (x.index == BT_NO_INDEX)
        return tape->status != CT_OK
                   ? none
                   : bt__tape_fail(tape, BT_ETAPE, "an unset variable in an operation");
    return bt__tape_fail(tape, BT_ETAPE, "a variable that a rewind has dropped");
}

uint32_t bt__record_leaf_cold(bt_tape *tape, bt_op op, double value)
{
    if (!tape || !bt__tape_grow(tape, 1))
        return BT_NO_INDEX;
    return bt__append(tape, op, 0, 0, value).index;
}

uint32_t bt__record_cold(bt_op op, bt_var x, bt_var z)
{
    bt_tape *t = x.tape;
    if (z.tape != t || (t && z.index >= t->n))
        return bt__tape_reject(t, z).index;
    if (!bt__ready(x, 0))
        return bt__tape_reject(t, x).index;
    if (!bt__tape_grow(t, 1))
        return BT_NO_INDEX;
    const double y = bt_op_evaluate(op, t->value[x.index], t->value[z.index]);
    return bt__append(t, op, x.index, z.index, y).index;
}

uint32_t bt__record_const_cold(bt_op op, bt_var x, double c, bool const_first)
{
    if (!bt__ready(x, 0))
        return bt__tape_reject(x.tape, x).index;
    const bt_var constant = bt_constant(x.tape, c);
    return bt__record_cold(op, const_first ? constant : x, const_first ? x : constant);
}

bt_var bt_pow_const(bt_var x, double c)
{
    if (c == 2.0)
        return bt_sqr(x);
    if (c == 3.0)
        return bt_cub(x);
    if (c == -1.0)
        return bt_inv(x);
    if (c == 0.5)
        return bt_sqrt(x);
    return bt__var(x.tape, bt__record_const_cold(BT_OP_POW_CONST, x, c, false));
}

bt_var bt_apply(bt_op op, bt_var x, bt_var z)
{
    const bt_op_info *info = bt_op_info_of(op);
    if (!info || (info->arity != BT_ARITY_ONE && info->arity != BT_ARITY_TWO))
        return bt__tape_fail(x.tape, CT_EINVALID, "bt_apply takes a unary or binary operation");
    return bt__var(x.tape, bt__record_cold(op, x, info->arity == BT_ARITY_ONE ? x : z));
}
