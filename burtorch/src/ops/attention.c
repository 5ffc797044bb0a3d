// SPDX-License-Identifier: MIT
/* softmax(q k^T / sqrt(width)) v by head. Backward computes the probabilities again: to keep them
 * costs memory that grows with the square of the positions, and is no faster once it leaves the
 * cache.
 *
 * Small heads are computed side by side (attention_lanes.h). Others head by head in blocks of
 * positions: products with queries, keys and values where they lie; a causal block meets only the
 * keys up to its end. */
#include "attention_lanes.h"

/* ---- By matrix products ---- */

/* One block of positions of one head. */
typedef struct block {
    size_t first, rows, keys;
    size_t qkv, y; // where its queries, and its results, begin
    size_t head;   // where the head's queries begin
} block;

static size_t blocks_of(const bt__attention *a)
{
    return (a->positions + BT__ATTENTION_ROWS - 1) / BT__ATTENTION_ROWS;
}

static block block_of(const bt__attention *a, size_t pair, size_t i)
{
    const size_t b = pair / a->heads, h = pair % a->heads, model = a->heads * a->width;
    block k = {.first = i * BT__ATTENTION_ROWS};
    const size_t left = a->positions - k.first;
    k.rows = left < BT__ATTENTION_ROWS ? left : BT__ATTENTION_ROWS;
    k.keys = a->causal ? k.first + k.rows : a->positions;
    k.head = b * a->positions * 3 * model + h * a->width;
    k.qkv = k.head + k.first * 3 * model;
    k.y = (b * a->positions + k.first) * model + h * a->width;
    return k;
}

/* Scores of one position, already exact, to scale (s - max), and what it does not see to -inf. */
BT__INLINE void shift_scores(T *s, size_t seen, size_t keys, T scale)
{
    const T max = row_max(s, seen);
#define STEP(V, i) TO(V, s, i) = (AT(V, s, i) - max) * scale;
    EACH_OF_ROW(seen, STEP);
#undef STEP
    for (size_t i = seen; i < keys; i++)
        s[i] = -(T)INFINITY;
}

/* p (rows, keys) = probabilities of a block, and 0 for what a position does not see. */
static void probabilities(const bt__call *call, const bt__attention *a, const block *k, T *p)
{
    const size_t model = a->heads * a->width;
    const T *x = VALUE(call->in[0]), scale = (T)1 / MATH(sqrt)((T)a->width);
    GEMM(call, false, true, k->rows, k->keys, a->width, x + k->qkv, 3 * model, x + k->head + model,
         3 * model, false, p, k->keys);
    for (size_t t = 0; t < k->rows; t++)
        shift_scores(p + t * k->keys, keys_of(a, k->first + t), k->keys, scale);
    KERNELS(call)->exp(p, p, k->rows * k->keys);
    for (size_t t = 0; t < k->rows; t++) {
        T *row = p + t * k->keys;
        const size_t seen = keys_of(a, k->first + t);
        const T inverse = (T)1 / row_sum(row, seen);
#define STEP(V, i) TO(V, row, i) = AT(V, row, i) * inverse;
        EACH_OF_ROW(seen, STEP);
#undef STEP
    }
}

static void blocks_forward(const bt__call *call, const bt__attention *a)
{
    const size_t model = a->heads * a->width;
    const T *x = VALUE(call->in[0]);
    T *p = call->work;
    for (size_t pair = 0; pair < a->batch * a->heads; pair++)
        for (size_t i = 0; i < blocks_of(a); i++) {
            const block k = block_of(a, pair, i);
            probabilities(call, a, &k, p);
            GEMM(call, false, false, k.rows, a->width, k.keys, p, k.keys, x + k.head + 2 * model,
                 3 * model, false, VALUE(call->out) + k.y, model);
        }
}

/* dS = P (dP - sum P dP) scale, in place of dP. */
BT__INLINE void scores_backward(T *restrict ds, const T *restrict p, size_t n, T scale)
{
    T dot, none;
#define TERMS(V, a, b, i) (a) += AT(V, p, i) * AT(V, ds, i);
#define STEP(V, i)        TO(V, ds, i) = AT(V, p, i) * (AT(V, ds, i) - dot) * scale;
    SUMS_OF_ROW(n, dot, none, TERMS);
    EACH_OF_ROW(n, STEP);
#undef TERMS
#undef STEP
}

/* The block's share of all three gradients; `add` says of those of keys and values. */
static void block_backward(const bt__call *call, const bt__attention *a, const block *k, bool add)
{
    const size_t model = a->heads * a->width, row = 3 * model;
    const T *x = VALUE(call->in[0]), *dy = GRADIENT(call->out) + k->y;
    const T *q = x + k->qkv, *key = x + k->head + model, *v = key + model;
    T *dq = GRADIENT(call->in[0]) + k->qkv, *dk = GRADIENT(call->in[0]) + k->head + model;
    T *p = call->work, *ds = p + k->rows * k->keys;
    probabilities(call, a, k, p);
    GEMM(call, true, false, k->keys, a->width, k->rows, p, k->keys, dy, model, add, dk + model,
         row);
    GEMM(call, false, true, k->rows, k->keys, a->width, dy, model, v, row, false, ds, k->keys);
    for (size_t t = 0; t < k->rows; t++)
        scores_backward(ds + t * k->keys, p + t * k->keys, k->keys, (T)1 / MATH(sqrt)((T)a->width));
    GEMM(call, true, false, k->keys, a->width, k->rows, ds, k->keys, q, row, add, dk, row);
    GEMM(call, false, false, k->rows, a->width, k->keys, ds, k->keys, key, row,
         !BT__OVERWRITES(call, 0), dq, row);
}

/* The last block first: it meets all keys, so it can set their gradients. */
static void blocks_backward(const bt__call *call, const bt__attention *a)
{
    const size_t blocks = blocks_of(a);
    for (size_t pair = 0; pair < a->batch * a->heads; pair++)
        for (size_t i = blocks; i-- > 0;) {
            const block k = block_of(a, pair, i);
            block_backward(call, a, &k, i + 1 < blocks || !BT__OVERWRITES(call, 0));
        }
}

/* ---- The operation ---- */

static ct_status attention_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const bt__attention a = bt__attention_of(call->out, &call->in[0]->shape);
    if (!a.in_lanes)
        blocks_forward(call, &a);
    else if (a.width == 4)
        lanes_forward(call, &a, 4);
    else
        lanes_forward(call, &a, a.width);
    return CT_OK;
}

static void attention_backward(const bt__call *call)
{
    const bt__attention a = bt__attention_of(call->out, &call->in[0]->shape);
    if (!a.in_lanes)
        blocks_backward(call, &a);
    else if (a.width == 4)
        lanes_backward(call, &a, 4);
    else
        lanes_backward(call, &a, a.width);
}

const bt__op_code BT__CODE(attention) = {attention_forward, attention_backward};
