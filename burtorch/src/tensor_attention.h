// SPDX-License-Identifier: MIT
/* How attention is computed, and its scratch: what its shape rule and its code must agree about. */
#ifndef BURTORCH_TENSOR_ATTENTION_H
#define BURTORCH_TENSOR_ATTENTION_H

#include "graph_private.h"

typedef struct bt__attention {
    size_t batch, positions, heads, width; // of a head
    bool causal;
    bool in_lanes; // small heads side by side in vectors, or matrix products head by head
} bt__attention;

enum { BT__ATTENTION_ROWS = 32 }; // positions in a block of matrix products

/* Side by side pays as long as what one group of heads needs stays in the second-level cache. */
enum { BT__ATTENTION_LANES_BYTES = 160 * 1024 };

/* Pairs of positions (query, key) that see each other. */
static inline size_t bt__attention_pairs(const bt__attention *a)
{
    return a->positions * (a->causal ? a->positions + 1 : 2 * a->positions) / 2;
}

/* Vectors (in lanes) or numbers that backward needs at once; forward needs fewer. */
static inline size_t bt__attention_work(const bt__attention *a)
{
    const size_t t = a->positions;
    if (a->in_lanes)
        return 7 * t * a->width + bt__attention_pairs(a) + 2 * t;
    return 2 * t * (t < BT__ATTENTION_ROWS ? t : BT__ATTENTION_ROWS);
}

static inline bt__attention bt__attention_of(const bt__node *out, const bt_shape *qkv)
{
    const size_t heads = out->attributes.size[0];
    bt__attention a = {
        qkv->dims[0], qkv->dims[1], heads, qkv->dims[2] / 3 / heads, out->attributes.kind != 0,
        true};
    a.in_lanes = a.positions <= 1024 && a.width <= 16 &&
                 bt__attention_work(&a) * 64 <= BT__ATTENTION_LANES_BYTES;
    return a;
}

#endif
