// SPDX-License-Identifier: MIT
/* Graphs for the tests of captured functions: the tiny and the small one of the tape's tests, and
 * random ones of every operation. */
#ifndef FUNCTION_GRAPHS_H
#define FUNCTION_GRAPHS_H

#include "ct_test.h"

#include <burtorch/function.h>
#include <ctrain/rng.h>
#include <math.h>
#include <string.h>

enum { GRAPH_INPUTS = 5, GRAPH_OUTPUTS = 3, GRAPH_POOL = 80, GRAPH_LIST = 6 };

typedef struct graph {
    bt_tape *tape;
    size_t n, m;
    bt_var x[GRAPH_INPUTS], y[GRAPH_OUTPUTS];
    double point[GRAPH_INPUTS];
} graph;

static inline graph new_graph(size_t n, const double *point)
{
    graph g = {.n = n};
    ct_assert_ok(bt_tape_create(&g.tape), NULL);
    for (size_t i = 0; i < n; i++)
        g.x[i] = bt_variable(g.tape, g.point[i] = point[i]);
    return g;
}

static inline bt_function *capture(const graph *g)
{
    bt_function *f;
    ct_diag diag = {""};
    ct_assert_ok(bt_function_capture(&f, g->x, g->n, g->y, g->m, &diag), &diag);
    return f;
}

static inline bt_workspace *workspace(const bt_function *f)
{
    bt_workspace *w;
    ct_assert_ok(bt_workspace_create(&w, f), NULL);
    return w;
}

static inline graph tiny_graph(void)
{
    graph g = new_graph(2, (double[]){-41, 2});
    const bt_var a = g.x[0], b = g.x[1];
    const bt_var c = bt_add(a, b), product = bt_mul(a, b), d = bt_add(product, bt_cub(b));
    g.y[g.m++] = bt_mul_const(bt_sqr(bt_sub(c, d)), 0.5);
    return g;
}

/* The expression of micrograd's README. */
static inline graph small_graph(void)
{
    graph g = new_graph(2, (double[]){-4, 2});
    const bt_var a = g.x[0], b = g.x[1];
    bt_var c = bt_add(a, b), d = bt_add(bt_mul(a, b), bt_cub(b));
    c = bt_add(c, bt_add_const(c, 1));
    c = bt_add(c, bt_sub(bt_add_const(c, 1), a));
    d = bt_add(d, bt_add(bt_mul_const(d, 2), bt_relu(bt_add(b, a))));
    d = bt_add(d, bt_add(bt_mul_const(d, 3), bt_relu(bt_sub(b, a))));
    const bt_var f = bt_sqr(bt_sub(c, d));
    g.y[g.m++] = bt_add(bt_mul_const(f, 0.5), bt_const_div(10, f));
    return g;
}

static inline size_t below(ct_rng *rng, size_t n)
{
    return (size_t)(ct_rng_uniform(rng) * (double)n) % n;
}

/* Rough operations, those with kinks in the value or derivative, are left out of smooth graphs. */
static inline bool is_rough(bt_op op)
{
    static const bt_op rough[] = {BT_OP_ABS,      BT_OP_RELU,    BT_OP_ELU,   BT_OP_LEAKY_RELU,
                                  BT_OP_AT_LEAST, BT_OP_AT_MOST, BT_OP_MIN,   BT_OP_MAX,
                                  BT_OP_MAX_OF,   BT_OP_MIN_OF,  BT_OP_SELECT};
    for (size_t i = 0; i < sizeof rough / sizeof *rough; i++)
        if (op == rough[i])
            return true;
    return false;
}

/* op of its kind: of a and b, of a and the number c, or of a list (select: of its first three). */
static inline bt_var apply_any(bt_op op, const bt_var *list, size_t length, double c)
{
    switch (bt_op_info_of(op)->arity) {
    case BT_ARITY_NUMBER:
        return bt_apply_number(op, list[0], c);
    case BT_ARITY_LIST:
        if (op == BT_OP_DOT)
            return bt_dot(list, list + length, length);
        if (op == BT_OP_DOT_BIAS)
            return bt_dot_bias(list[2 * length - 1], list, list + length - 1, length);
        return bt_apply_list(op, list, op == BT_OP_SELECT ? 3 : length);
    default:
        return bt_apply(op, list[0], list[1]);
    }
}

/* A random operation on variables of pool, without regard to its domain. */
static inline bt_var random_operation(ct_rng *rng, const bt_var *pool, size_t n, bool smooth)
{
    bt_var list[2 * GRAPH_LIST];
    for (size_t i = 0; i < 2 * GRAPH_LIST; i++)
        list[i] = pool[below(rng, n)];
    const size_t length = 1 + below(rng, GRAPH_LIST);
    const double numbers[] = {0.0, -0.0, 1.0, -1.0, 2.0, 0.25, -8.0, 0.3, 3.7};
    const double c = numbers[below(rng, 9)];
    // Half of them of a plain number or a list, of which there are fewer.
    const size_t first = below(rng, 2) ? BT_OP_SUM : BT_OP_NEG;
    const size_t last = first == BT_OP_SUM || below(rng, 2) ? BT_OP_COUNT : BT_OP_ADD;
    for (;;) {
        const bt_op op = (bt_op)(first + below(rng, last - first));
        if (!smooth || !is_rough(op))
            return apply_any(op, list, length, c);
    }
}

static inline bool is_tame(bt_var x)
{
    return fabs(bt_value(x)) < 30 && (bt_value(x) == 0 || fabs(bt_value(x)) > 1e-3);
}

/* Up to GRAPH_POOL values, all tame at the point of recording, and whose gradients are too. */
static inline graph random_graph(uint64_t seed, bool smooth)
{
    ct_rng rng;
    ct_rng_init(&rng, seed, CT_RNG_USER, smooth, 0);
    double point[GRAPH_INPUTS];
    for (int i = 0; i < GRAPH_INPUTS; i++)
        point[i] = -2 + 4 * ct_rng_uniform(&rng);
    graph g = new_graph(GRAPH_INPUTS, point);
    bt_var pool[GRAPH_POOL];
    size_t n = GRAPH_INPUTS;
    memcpy(pool, g.x, sizeof g.x);
    pool[n++] = bt_constant(g.tape, 1.5);
    pool[n++] = bt_variable(g.tape, -0.5);
    while (n < GRAPH_POOL) {
        const bt_mark mark = bt_tape_mark(g.tape);
        const bt_var y = random_operation(&rng, pool, n, smooth);
        bool tame = is_tame(y);
        ct_assert_ok(bt_backward(y), NULL);
        for (size_t i = 0; i < g.n; i++)
            tame = tame && fabs(bt_gradient(g.x[i])) < 1e3;
        if (tame)
            pool[n++] = y;
        else
            bt_tape_rewind(g.tape, mark);
    }
    while (g.m < GRAPH_OUTPUTS)
        g.y[g.m++] = pool[below(&rng, 20) + GRAPH_POOL - 20];
    return g;
}

#endif
