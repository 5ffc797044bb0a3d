// SPDX-License-Identifier: MIT
/* Operations on any number of operands: one node whose operands stand in the tape's list array.
 *
 * Entries of a node: [c] x_0 … x_n-1 [z_0 … z_n-1], where c belongs to dot_bias and z to the dot
 * products. Repeated operands are fine: gradients add up. */
#include "tape_private.h"

#include <ctrain/arena.h>
#include <stdlib.h>

#define MAX_LIST ((size_t)UINT32_MAX)

/* Let *array hold `needed` elements of `size` bytes, at least doubling. */
static bool grow_array(void **array, size_t *capacity, size_t needed, size_t size)
{
    if (needed <= *capacity)
        return true;
    size_t bytes, count = *capacity > needed / 2 ? 2 * *capacity : needed;
    if (!ct_mul_size(&bytes, count, size))
        return false;
    void *larger = realloc(*array, bytes);
    if (!larger)
        return false;
    *array = larger;
    *capacity = count;
    return true;
}

static bool reserve_list(bt_tape *t, size_t n, bool product)
{
    if (n > MAX_LIST - t->n_list) {
        bt__tape_fail(t, CT_ERANGE, "more than 2^32 operands in the lists of one tape");
        return false;
    }
    void *list = t->list, *scratch = t->scratch;
    bool ok = grow_array(&list, &t->list_capacity, t->n_list + n, sizeof *t->list);
    t->list = list;
    ok = ok && (!product || grow_array(&scratch, &t->scratch_capacity, n, sizeof *t->scratch));
    t->scratch = scratch;
    if (!ok)
        bt__tape_fail(t, CT_ENOMEM, "no memory for the operands of a list operation");
    return ok && bt__tape_grow(t, 1);
}

/* Append the indices of x to the list; false: one of them is not a variable of this tape. */
static bool append_operands(bt_tape *t, const bt_var *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (x[i].tape != t || x[i].index >= t->n) {
            bt__tape_reject(t, x[i]);
            return false;
        }
        t->list[t->n_list++] = x[i].index;
    }
    return true;
}

/* One node over c (may be NULL), x and z (may be NULL). */
static bt_var record_list(bt_op op, const bt_var *c, const bt_var *x, const bt_var *z, size_t n)
{
    bt_var none = {NULL, BT_NO_INDEX};
    if (!c && n == 0)
        return none;
    bt_tape *t = none.tape = c ? c->tape : x[0].tape;
    if (!t)
        return none;
    const size_t start = t->n_list;
    if (n > MAX_LIST / 2 - 1)
        return bt__tape_fail(t, CT_ERANGE, "more than 2^31 operands of one operation");
    if (!reserve_list(t, (c ? 1 : 0) + n * (z ? 2 : 1), op == BT_OP_PRODUCT))
        return none;
    if (!append_operands(t, c, c ? 1 : 0) || !append_operands(t, x, n) ||
        !append_operands(t, z, z ? n : 0)) {
        t->n_list = start;
        return none;
    }
    const bt__operands o = {(uint32_t)start, (uint32_t)n};
    return bt__append(t, op, o.a, o.b, bt__list_value(t, op, o));
}

bt_var bt_sum(const bt_var *x, size_t n)
{
    return record_list(BT_OP_SUM, NULL, x, NULL, n);
}

bt_var bt_subtract(const bt_var *x, size_t n)
{
    return record_list(BT_OP_SUBTRACT, NULL, x, NULL, n);
}

bt_var bt_product(const bt_var *x, size_t n)
{
    return record_list(BT_OP_PRODUCT, NULL, x, NULL, n);
}

bt_var bt_mean(const bt_var *x, size_t n)
{
    return record_list(BT_OP_MEAN, NULL, x, NULL, n);
}

bt_var bt_neg_mean(const bt_var *x, size_t n)
{
    return record_list(BT_OP_NEG_MEAN, NULL, x, NULL, n);
}

bt_var bt_sum_squares(const bt_var *x, size_t n)
{
    return record_list(BT_OP_SUM_SQUARES, NULL, x, NULL, n);
}

bt_var bt_mean_squares(const bt_var *x, size_t n)
{
    return record_list(BT_OP_MEAN_SQUARES, NULL, x, NULL, n);
}

bt_var bt_dot(const bt_var *x, const bt_var *z, size_t n)
{
    return record_list(BT_OP_DOT, NULL, x, z, n);
}

bt_var bt_dot_bias(bt_var c, const bt_var *x, const bt_var *z, size_t n)
{
    return record_list(BT_OP_DOT_BIAS, &c, x, z, n);
}

bt_var bt_apply_list(bt_op op, const bt_var *x, size_t n)
{
    const bt_op_info *info = bt_op_info_of(op);
    if (!info || info->arity != BT_ARITY_LIST || op == BT_OP_DOT || op == BT_OP_DOT_BIAS)
        return bt__tape_fail(n ? x[0].tape : NULL, CT_EINVALID,
                             "bt_apply_list takes an operation on one list");
    return record_list(op, NULL, x, NULL, n);
}

/* ---- Values ---- */

static double sum_of(const double *value, const uint32_t *x, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += value[x[i]];
    return sum;
}

static double product_of(const double *value, const uint32_t *x, size_t n)
{
    double product = 1.0;
    for (size_t i = 0; i < n; i++)
        product *= value[x[i]];
    return product;
}

static double dot_of(const double *value, const uint32_t *x, const uint32_t *z, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += value[x[i]] * value[z[i]];
    return sum;
}

double bt__list_value(const bt_tape *tape, bt_op op, bt__operands operands)
{
    const double *v = tape->value;
    const uint32_t *x = tape->list + operands.a;
    const size_t n = operands.b;
    switch (op) {
    case BT_OP_SUM:
        return sum_of(v, x, n);
    case BT_OP_SUBTRACT:
        return v[x[0]] - sum_of(v, x + 1, n - 1);
    case BT_OP_PRODUCT:
        return product_of(v, x, n);
    case BT_OP_MEAN:
        return sum_of(v, x, n) / (double)n;
    case BT_OP_NEG_MEAN:
        return -sum_of(v, x, n) / (double)n;
    case BT_OP_SUM_SQUARES:
        return dot_of(v, x, x, n);
    case BT_OP_MEAN_SQUARES:
        return dot_of(v, x, x, n) / (double)n;
    case BT_OP_DOT:
        return dot_of(v, x, x + n, n);
    case BT_OP_DOT_BIAS:
        return v[x[0]] + dot_of(v, x + 1, x + 1 + n, n);
    default:
        return (double)NAN;
    }
}

/* ---- Gradients ---- */

static void add_to_all(double *gradient, const uint32_t *x, size_t n, double g)
{
    for (size_t i = 0; i < n; i++)
        gradient[x[i]] += g;
}

static void add_scaled(double *gradient, const uint32_t *to, const double *value, const uint32_t *x,
                       size_t n, double g)
{
    for (size_t i = 0; i < n; i++)
        gradient[to[i]] += g * value[x[i]];
}

/* The product of all other operands, from products before (scratch) and after i: no division. */
static void product_backward(bt_tape *tape, const uint32_t *x, size_t n, double g)
{
    double product = 1.0;
    for (size_t i = 0; i < n; i++) {
        tape->scratch[i] = product;
        product *= tape->value[x[i]];
    }
    product = g;
    for (size_t i = n; i-- > 0;) {
        tape->gradient[x[i]] += tape->scratch[i] * product;
        product *= tape->value[x[i]];
    }
}

void bt__list_backward(bt_tape *tape, bt_op op, bt__operands operands, double g)
{
    const double *v = tape->value;
    const uint32_t *x = tape->list + operands.a;
    const size_t n = operands.b;
    switch (op) {
    case BT_OP_SUM:
        add_to_all(tape->gradient, x, n, g);
        break;
    case BT_OP_SUBTRACT:
        tape->gradient[x[0]] += g;
        add_to_all(tape->gradient, x + 1, n - 1, -g);
        break;
    case BT_OP_PRODUCT:
        product_backward(tape, x, n, g);
        break;
    case BT_OP_MEAN:
        add_to_all(tape->gradient, x, n, g / (double)n);
        break;
    case BT_OP_NEG_MEAN:
        add_to_all(tape->gradient, x, n, -g / (double)n);
        break;
    case BT_OP_SUM_SQUARES:
        add_scaled(tape->gradient, x, v, x, n, 2.0 * g);
        break;
    case BT_OP_MEAN_SQUARES:
        add_scaled(tape->gradient, x, v, x, n, 2.0 * g / (double)n);
        break;
    case BT_OP_DOT_BIAS:
        tape->gradient[*x++] += g;
        // fall through
    case BT_OP_DOT:
        add_scaled(tape->gradient, x, v, x + n, n, g);
        add_scaled(tape->gradient, x + n, v, x, n, g);
        break;
    default:
        break;
    }
}
