// SPDX-License-Identifier: MIT
/* Captured functions against the tape they come from: values bit for bit, gradients, Jacobians,
 * blocks of points on every instruction set; what capture simplifies and what it refuses. */
#include "function_graphs.h"

#include "function_private.h"

#include <ctrain/kernels.h>
#include <ctrain/threads.h>
#include <stdio.h>
#include <stdlib.h>

enum { GRAPHS = 300 };

static void test_known_graphs(void **state)
{
    (void)state;
    const double expected[2][3] = {{612.5, -35, 1050},
                                   {24.70408163265306, 138.83381924198252, 645.5772594752186}};
    for (int i = 0; i < 2; i++) {
        graph g = i ? small_graph() : tiny_graph();
        bt_function *f = capture(&g);
        bt_tape_destroy(g.tape); // the function is a copy
        bt_workspace *w = workspace(f);
        double y = 0, d[2];
        for (int k = 0; k < 3; k++) {
            ct_assert_ok(bt_function_gradient(f, w, 0, g.point, &y, d), NULL);
            ct_assert_near(y, expected[i][0], 1e-15, 0);
            ct_assert_near(d[0], expected[i][1], 1e-15, 0);
            ct_assert_near(d[1], expected[i][2], 1e-15, 0);
        }
        bt_workspace_destroy(w);
        bt_function_destroy(f);
    }
}

/* Set the tape's inputs, and compute it again. */
static void move_tape(const graph *g, const double *point)
{
    for (size_t i = 0; i < g->n; i++)
        bt_set_value(g->x[i], point[i]);
    bt_tape_forward(g->tape);
}

static void assert_same(double a, double b)
{
    if (!(isnan(a) && isnan(b)) && memcmp(&a, &b, sizeof a) != 0)
        fail_msg("%.17g is not %.17g", a, b);
}

static void check_derivatives(const graph *g, const bt_function *f, bt_workspace *w,
                              const double *point)
{
    double y[GRAPH_OUTPUTS], d[GRAPH_INPUTS], jacobian[GRAPH_OUTPUTS * GRAPH_INPUTS];
    double sum[GRAPH_INPUTS] = {0}, vjp[GRAPH_INPUTS], jvp[GRAPH_OUTPUTS];
    const double seeds[GRAPH_OUTPUTS] = {2, -1, 0.5}, direction[GRAPH_INPUTS] = {1, -2, 0.5, 3, 1};
    ct_assert_ok(bt_function_jacobian(f, w, point, y, jacobian), NULL);
    ct_assert_ok(bt_function_jvp(f, w, point, direction, NULL, jvp), NULL);
    for (size_t i = 0; i < g->m; i++) {
        double value, along = 0;
        ct_assert_ok(bt_backward(g->y[i]), NULL);
        ct_assert_ok(bt_function_gradient(f, w, i, point, &value, d), NULL);
        assert_same(value, y[i]);
        for (size_t k = 0; k < g->n; k++) {
            ct_assert_near(d[k], bt_gradient(g->x[k]), 1e-9, 1e-9);
            ct_assert_near(jacobian[i * g->n + k], d[k], 0, 0);
            sum[k] += seeds[i] * d[k];
            along += direction[k] * d[k];
        }
        ct_assert_near(jvp[i], along, 1e-9, 1e-9);
    }
    ct_assert_ok(bt_function_vjp(f, w, point, seeds, NULL, vjp), NULL);
    ct_assert_array_near(vjp, sum, g->n, 1e-9, 1e-9);
}

static void test_random_graphs(void **state)
{
    (void)state;
    size_t fewer = 0;
    for (uint64_t seed = 0; seed < GRAPHS; seed++) {
        graph g = random_graph(seed, false);
        bt_function *f = capture(&g);
        bt_workspace *w = workspace(f);
        check_derivatives(&g, f, w, g.point);
        for (int k = 0; k < 5; k++) {
            double point[GRAPH_INPUTS], y[GRAPH_OUTPUTS];
            for (int i = 0; i < GRAPH_INPUTS; i++)
                point[i] = g.point[i] * (1 + 0.3 * k) - 0.2 * k;
            move_tape(&g, point);
            ct_assert_ok(bt_function_evaluate(f, w, point, y), NULL);
            for (size_t i = 0; i < g.m; i++)
                assert_same(y[i], bt_value(g.y[i]));
        }
        fewer += bt_function_operations(f) < bt_tape_nodes(g.tape) - GRAPH_INPUTS - 2;
        bt_workspace_destroy(w);
        bt_function_destroy(f);
        bt_tape_destroy(g.tape);
    }
    assert_true(fewer > GRAPHS / 2);
}

/* More outputs than inputs: the Jacobian goes forward. */
static void test_tall_jacobian(void **state)
{
    (void)state;
    enum { M = 20 };
    graph g = random_graph(3, true);
    bt_var y[M];
    for (int i = 0; i < M; i++)
        y[i] = bt_sin(bt_mul_const(bt_add(g.y[i % 3], g.x[i % 5]), i + 1));
    bt_function *f;
    ct_assert_ok(bt_function_capture(&f, g.x, g.n, y, M, NULL), NULL);
    bt_workspace *w = workspace(f);
    double jacobian[M * GRAPH_INPUTS], d[GRAPH_INPUTS];
    ct_assert_ok(bt_function_jacobian(f, w, g.point, NULL, jacobian), NULL);
    for (size_t i = 0; i < M; i++) {
        ct_assert_ok(bt_function_gradient(f, w, i, g.point, NULL, d), NULL);
        ct_assert_array_near(jacobian + i * g.n, d, g.n, 1e-11, 1e-11);
    }
    bt_workspace_destroy(w);
    bt_function_destroy(f);
    bt_tape_destroy(g.tape);
}

/* ---- Simplification ---- */

static size_t operations_of(graph *g, bt_var y)
{
    g->y[0] = y;
    g->m = 1;
    bt_function *f = capture(g);
    const size_t n = bt_function_operations(f);
    bt_function_destroy(f);
    return n;
}

static void test_counts(void **state)
{
    (void)state;
    graph g = tiny_graph();
    const bt_var a = g.x[0], b = g.x[1], one = bt_constant(g.tape, 1);
    assert_int_equal(operations_of(&g, g.y[0]), 7);
    assert_int_equal(operations_of(&g, a), 0);
    assert_int_equal(operations_of(&g, one), 0);
    // Equal operations, in either order, are one.
    assert_int_equal(operations_of(&g, bt_sub(bt_mul(a, b), bt_mul(b, a))), 2);
    assert_int_equal(operations_of(&g, bt_sub(bt_sub(a, b), bt_sub(b, a))), 3);
    assert_int_equal(operations_of(&g, bt_atan2(bt_mul(a, a), bt_sqr(a))), 2);
    const bt_var list[4] = {a, b, a, b}, other[4] = {a, b, b, a};
    assert_int_equal(operations_of(&g, bt_sub(bt_sum(list, 4), bt_sum(list, 4))), 2);
    assert_int_equal(operations_of(&g, bt_sub(bt_sum(list, 4), bt_sum(other, 4))), 3);
    assert_int_equal(operations_of(&g, bt_sub(bt_dot(list, other, 4), bt_dot(list, other, 4))), 2);
    assert_int_equal(operations_of(&g, bt_sub(bt_sub_const(a, 3), bt_add_const(a, -3))), 2);
    // What depends on no input is a number.
    assert_int_equal(operations_of(&g, bt_add(a, bt_exp(bt_sin(one)))), 1);
    assert_int_equal(operations_of(&g, bt_mul(a, bt_sub(bt_sqrt(one), bt_constant(g.tape, 0)))), 0);
    // Exact identities, and those that are not.
    assert_int_equal(operations_of(&g, bt_mul_const(a, 1)), 0);
    assert_int_equal(operations_of(&g, bt_div_const(bt_neg(bt_neg(a)), 1)), 0);
    assert_int_equal(operations_of(&g, bt_add_const(bt_sub_const(a, 0), -0.0)), 0);
    assert_int_equal(operations_of(&g, bt_pow_const(bt_const_sub(5, a), 1)), 1);
    assert_int_equal(operations_of(&g, bt_sub(bt_div_const(a, 8), bt_mul_const(a, 0.125))), 2);
    assert_int_equal(operations_of(&g, bt_sub(bt_div_const(a, 5), bt_mul_const(a, 0.2))), 3);
    assert_int_equal(operations_of(&g, bt_sub(bt_neg(a), bt_mul_const(a, -1))), 2);
    assert_int_equal(operations_of(&g, bt_add_const(a, 0)), 1);
    assert_int_equal(operations_of(&g, bt_sub_const(a, -0.0)), 1);
    assert_int_equal(operations_of(&g, bt_mul_const(a, 0)), 1);
    assert_int_equal(operations_of(&g, bt_const_sub(0, a)), 1);
    assert_int_equal(operations_of(&g, bt_sub(bt_mean(list, 4), bt_mean(list, 4))), 3);
    assert_int_equal(operations_of(&g, bt_sub(bt_norm(list, 4), bt_norm(list, 4))), 2);
    assert_int_equal(operations_of(&g, bt_sub(bt_norm(list, 4), bt_norm(other, 4))), 3);
    assert_int_equal(operations_of(&g, bt_sub(bt_norm(list, 4), bt_max_of(list, 4))), 3);
    assert_int_equal(operations_of(&g, bt_sub(bt_at_least(a, 1), bt_at_most(a, 1))), 3);
    assert_int_equal(operations_of(&g, bt_select(a, b, a)), 1);
    assert_int_equal(operations_of(&g, bt_select(one, bt_sqr(b), a)), 1);
    const bt_var ones[2] = {one, bt_neg(one)};
    assert_int_equal(operations_of(&g, bt_add(a, bt_log_sum_exp(ones, 2))), 1);
    assert_int_equal(operations_of(&g, bt_add(a, bt_variance(ones, 2))), 1);
    assert_int_equal(operations_of(&g, bt_add(a, bt_leaky_relu(ones[1], 0.5))), 1);
    bt_tape_destroy(g.tape);
}

/* Signs of zeros and NaN come out of a simplified function as from the tape. */
static void test_special_values(void **state)
{
    (void)state;
    const double specials[] = {0.0, -0.0, 1.0, -1.0, INFINITY, -INFINITY, NAN, 5e-324, 1e308};
    graph g = new_graph(2, (double[]){1, 2});
    const bt_var a = g.x[0], b = g.x[1], pair[2] = {a, b};
    const bt_var all[] = {bt_add_const(a, 0),
                          bt_add_const(a, -0.0),
                          bt_sub_const(a, 0),
                          bt_sub_const(a, -0.),
                          bt_mul_const(a, 0),
                          bt_mul_const(a, -1),
                          bt_div_const(a, 4),
                          bt_div_const(a, 1),
                          bt_const_sub(0, a),
                          bt_pow_const(a, 1),
                          bt_pow_const(a, 0),
                          bt_mul(a, a),
                          bt_sum(pair, 2),
                          bt_sum(pair, 1),
                          bt_product(pair, 2),
                          bt_min(a, b),
                          bt_max(b, a),
                          bt_min(b, a),
                          bt_subtract(pair, 1),
                          bt_neg_mean(pair, 2),
                          bt_div_const(a, 0x1p-1060),
                          bt_neg(bt_neg(a)),
                          bt_relu(a),
                          bt_sub(a, a),
                          bt_elu(a),
                          bt_silu(a),
                          bt_leaky_relu(a, 0.1),
                          bt_leaky_relu(a, -0.0),
                          bt_at_least(a, 0),
                          bt_at_most(a, -0.0),
                          bt_at_least(a, (double)NAN),
                          bt_exp_shifted(a, 1),
                          bt_const_div(-1, a),
                          bt_variance(pair, 2),
                          bt_variance(pair, 1),
                          bt_variance_biased(pair, 1),
                          bt_norm(pair, 2),
                          bt_norm(pair, 1),
                          bt_log_sum_exp(pair, 2),
                          bt_log_sum_exp(pair, 1),
                          bt_max_of(pair, 2),
                          bt_min_of(pair, 2),
                          bt_min_of(pair, 1),
                          bt_select(a, a, b),
                          bt_select(b, bt_neg(a), a)};
    enum { M = sizeof all / sizeof *all };
    bt_function *f;
    ct_assert_ok(bt_function_capture(&f, g.x, 2, all, M, NULL), NULL);
    bt_workspace *w = workspace(f);
    for (int i = 0; i < 81; i++) {
        const double point[2] = {specials[i / 9], specials[i % 9]};
        double y[M];
        move_tape(&g, point);
        ct_assert_ok(bt_function_evaluate(f, w, point, y), NULL);
        for (int k = 0; k < M; k++)
            assert_same(y[k], bt_value(all[k]));
        bt__function_batch(&bt__block_scalar, f, w, 0, 1, point, y, NULL);
        for (int k = 0; k < M; k++)
            assert_same(y[k], bt_value(all[k]));
    }
    bt_workspace_destroy(w);
    bt_function_destroy(f);
    bt_tape_destroy(g.tape);
}

/* Gradients at ties, bounds and the zero vector are those of the tape, and where select is used to
 * keep out of an infinite derivative. */
static void test_special_gradients(void **state)
{
    (void)state;
    const double specials[] = {0, -0.0, 1, -1, 2, 1e300, -1e-300, INFINITY, -INFINITY};
    graph g = new_graph(2, (double[]){1, 2});
    const bt_var a = g.x[0], b = g.x[1], list[4] = {a, b, a, bt_constant(g.tape, 1)};
    const bt_var all[] = {bt_max_of(list, 4),
                          bt_min_of(list, 4),
                          bt_max(a, b),
                          bt_norm(list, 3),
                          bt_norm(list, 1),
                          bt_log_sum_exp(list, 2),
                          bt_log_sum_exp(list, 4),
                          bt_variance(list, 4),
                          bt_variance_biased(list, 1),
                          bt_select(a, b, a),
                          bt_sqrt(bt_select(a, a, bt_constant(g.tape, 0))),
                          bt_sqrt(bt_select(b, a, b)),
                          bt_at_least(a, 1),
                          bt_at_most(a, 1),
                          bt_clamp(a, -1, 1),
                          bt_leaky_relu(a, 0.25),
                          bt_elu(a),
                          bt_silu(a)};
    enum { M = sizeof all / sizeof *all };
    bt_function *f;
    ct_assert_ok(bt_function_capture(&f, g.x, 2, all, M, NULL), NULL);
    bt_workspace *w = workspace(f);
    for (int i = 0; i < 81; i++) {
        const double point[2] = {specials[i / 9], specials[i % 9]};
        move_tape(&g, point);
        for (size_t k = 0; k < M; k++) {
            double y, d[2], hv[2], batch[2];
            const bool variance = all[k].index == all[7].index || all[k].index == all[8].index;
            if (variance && (isinf(point[0]) || isinf(point[1])))
                continue; // NaN, of which the tape has fewer
            ct_assert_ok(bt_backward(all[k]), NULL);
            ct_assert_ok(bt_function_gradient(f, w, k, point, &y, d), NULL);
            const double da = bt_gradient(a), db = bt_gradient(b);
            const double size = isfinite(da) && isfinite(db) ? fmax(fabs(da), fabs(db)) : 0;
            ct_assert_near(d[0], da, 1e-15, 1e-15 * size);
            ct_assert_near(d[1], db, 1e-15, 1e-15 * size);
            ct_assert_ok(bt_function_hvp(f, w, k, point, (double[]){0, 0}, &y, batch, hv), NULL);
            ct_assert_array_near(batch, d, 2, 1e-15, 1e-15 * size);
            double dy[M];
            ct_assert_ok(bt_function_jvp(f, w, point, (double[]){1, 0}, NULL, dy), NULL);
            if (k < 3)
                ct_assert_near(dy[k], d[0], 1e-15, 0);
            bt__function_batch(&bt__block_scalar, f, w, k, 1, point, &y, batch);
            assert_same(batch[0], d[0]);
            assert_same(batch[1], d[1]);
        }
    }
    bt_workspace_destroy(w);
    bt_function_destroy(f);
    bt_tape_destroy(g.tape);
}

static void test_leaves_become_constants(void **state)
{
    (void)state;
    graph g = new_graph(2, (double[]){3, 4});
    const bt_var y[4] = {bt_mul(g.x[0], g.x[1]), g.x[0], g.x[1], bt_mul(g.x[0], g.x[1])};
    bt_set_value(g.x[1], 10);
    bt_function *f;
    ct_assert_ok(bt_function_capture(&f, g.x, 1, y, 4, NULL), NULL);
    bt_workspace *w = workspace(f);
    double values[4], d[1], jacobian[4];
    ct_assert_ok(bt_function_evaluate(f, w, (double[]){7}, values), NULL);
    ct_assert_array_near(values, ((double[]){70, 7, 10, 70}), 4, 0, 0);
    ct_assert_ok(bt_function_jacobian(f, w, (double[]){7}, NULL, jacobian), NULL);
    ct_assert_array_near(jacobian, ((double[]){10, 1, 0, 10}), 4, 0, 0);
    ct_assert_ok(bt_function_vjp(f, w, (double[]){7}, (double[]){1, 1, 1, 1}, values, d), NULL);
    ct_assert_near(d[0], 21, 0, 0);
    for (size_t i = 0; i < 4; i++) {
        double hessian[1], y_batch[3], d_batch[3];
        ct_assert_ok(bt_function_gradient(f, w, i, (double[]){7}, NULL, d), NULL);
        ct_assert_near(d[0], jacobian[i], 0, 0);
        ct_assert_ok(bt_function_hessian(f, w, i, (double[]){7}, NULL, NULL, hessian), NULL);
        ct_assert_near(hessian[0], 0, 0, 0);
        ct_assert_ok(bt_function_gradient_batch(f, w, i, 3, (double[]){7, 8, 9}, y_batch, d_batch),
                     NULL);
        ct_assert_near(d_batch[2], jacobian[i], 0, 0);
        ct_assert_near(y_batch[0], values[i], 0, 0);
    }
    bt_workspace_destroy(w);
    bt_function_destroy(f);
    const bt_var number = bt_constant(g.tape, 5);
    ct_assert_ok(bt_function_capture(&f, NULL, 0, &number, 1, NULL), NULL);
    w = workspace(f);
    ct_assert_ok(bt_function_evaluate(f, w, d, values), NULL);
    ct_assert_near(values[0], 5, 0, 0);
    bt_workspace_destroy(w);
    bt_function_destroy(f);
    bt_tape_destroy(g.tape);
}

/* An infinite derivative where no gradient flows. */
static void test_no_flow_no_nan(void **state)
{
    (void)state;
    graph g = new_graph(1, (double[]){0});
    g.y[g.m++] = bt_add(bt_mul_const(bt_sqrt(g.x[0]), 0), bt_mul_const(g.x[0], 3));
    bt_function *f = capture(&g);
    bt_workspace *w = workspace(f);
    double d, dy, hv, y[20], batch[20];
    const double zeros[20] = {0};
    ct_assert_ok(bt_function_gradient(f, w, 0, zeros, NULL, &d), NULL);
    ct_assert_near(d, 3, 0, 0);
    ct_assert_ok(bt_function_jvp(f, w, zeros, zeros, NULL, &dy), NULL);
    ct_assert_near(dy, 0, 0, 0);
    ct_assert_ok(bt_function_hvp(f, w, 0, zeros, (double[]){1}, NULL, &d, &hv), NULL);
    ct_assert_near(d, 3, 0, 0);
    ct_assert_ok(bt_function_gradient_batch(f, w, 0, 20, zeros, y, batch), NULL);
    for (int i = 0; i < 20; i++)
        ct_assert_near(batch[i], 3, 0, 0);
    bt_workspace_destroy(w);
    bt_function_destroy(f);
    bt_tape_destroy(g.tape);
}

/* ---- Blocks ---- */

static double tolerance(ct_simd simd)
{
    return simd == CT_SIMD_SCALAR ? 0 : 1e-8; // what a few ulps grow to in a random graph
}

static void check_batch(const graph *g, const bt_function *f, bt_workspace *w, ct_simd simd,
                        size_t count)
{
    enum { MOST = 40 };
    double x[MOST * GRAPH_INPUTS], y[MOST * GRAPH_OUTPUTS + 1], d[MOST * GRAPH_INPUTS + 1];
    double value[MOST + 1];
    for (size_t p = 0; p < count; p++)
        for (size_t i = 0; i < g->n; i++)
            x[p * g->n + i] = g->point[i] * (1 + 0.001 * (double)p);
    y[count * g->m] = d[count * g->n] = value[count] = 12345;
    bt__function_batch(bt__block_of(simd), f, w, 0, count, x, y, NULL);
    bt__function_batch(bt__block_of(simd), f, w, 1, count, x, value, d);
    for (size_t p = 0; p < count; p++) {
        double one_y[GRAPH_OUTPUTS], one_d[GRAPH_INPUTS], one;
        ct_assert_ok(bt_function_evaluate(f, w, x + p * g->n, one_y), NULL);
        ct_assert_ok(bt_function_gradient(f, w, 1, x + p * g->n, &one, one_d), NULL);
        if (simd == CT_SIMD_SCALAR) {
            for (size_t i = 0; i < g->m; i++)
                assert_same(y[p * g->m + i], one_y[i]);
            for (size_t i = 0; i < g->n; i++)
                assert_same(d[p * g->n + i], one_d[i]);
            assert_same(value[p], one);
        }
        ct_assert_array_near(y + p * g->m, one_y, g->m, tolerance(simd), tolerance(simd));
        ct_assert_array_near(d + p * g->n, one_d, g->n, tolerance(simd), tolerance(simd));
        ct_assert_near(value[p], one, tolerance(simd), tolerance(simd));
    }
    ct_assert_near(y[count * g->m], 12345, 0, 0);
    ct_assert_near(d[count * g->n], 12345, 0, 0);
    ct_assert_near(value[count], 12345, 0, 0);
}

static void test_batches(void **state)
{
    (void)state;
    for (ct_simd simd = CT_SIMD_SCALAR; simd <= CT_SIMD_AVX512; simd++) {
        if (!ct_kernels_of(simd))
            continue;
        for (uint64_t seed = 0; seed < GRAPHS / 3; seed++) {
            graph g = random_graph(seed, false);
            bt_function *f = capture(&g);
            bt_workspace *w = workspace(f);
            check_batch(&g, f, w, simd, seed % 40);
            bt_workspace_destroy(w);
            bt_function_destroy(f);
            bt_tape_destroy(g.tape);
        }
    }
}

static bool has_kernel(bt_op op)
{
    return op == BT_OP_EXP || op == BT_OP_LOG || op == BT_OP_NEG_LOG || op == BT_OP_TANH ||
           op == BT_OP_SIGMOID || op == BT_OP_SOFTPLUS || op == BT_OP_EXP_SHIFTED;
}

/* The public functions use the table that the kernels use; one operation each, so that the
 * difference to a single point is that of the kernel, with what it does to the derivative. */
static void test_batch_of_each_operation(void **state)
{
    (void)state;
    enum { COUNT = 37 };
    for (unsigned op = BT_OP_CONSTANT + 1; op < BT_OP_COUNT; op++) {
        const bt_op_info *info = bt_op_info_of((bt_op)op);
        graph g = new_graph(2, (double[]){1, 1});
        const bt_var list[] = {g.x[0], g.x[1], bt_sin(g.x[0]), bt_constant(g.tape, 0.5)};
        g.y[g.m++] = apply_any((bt_op)op, list, 2, 0.75);
        bt_function *f = capture(&g);
        bt_workspace *w = workspace(f);
        double x[2 * COUNT], y[COUNT], y2[COUNT], d[2 * COUNT];
        ct_rng rng;
        ct_rng_init(&rng, op, CT_RNG_USER, 1, 0);
        for (int i = 0; i < 2 * COUNT; i++)
            x[i] = info->low[i % 2] + (info->high[i % 2] - info->low[i % 2]) * ct_rng_uniform(&rng);
        for (int i = 0; info->arity == BT_ARITY_LIST && i < 2 * COUNT; i++)
            x[i] = 2 * ct_rng_uniform(&rng) - 1;
        ct_assert_ok(bt_function_gradient_batch(f, w, 0, COUNT, x, y, d), NULL);
        ct_assert_ok(bt_function_evaluate_batch(f, w, COUNT, x, y2), NULL);
        for (int p = 0; p < COUNT; p++) {
            double one, one_d[2];
            ct_assert_ok(bt_function_gradient(f, w, 0, x + 2 * p, &one, one_d), NULL);
            ct_assert_near(y[p], one, 4 * 2.3e-16, 0);
            if (!has_kernel((bt_op)op)) {
                assert_same(y[p], one);
                assert_same(d[2 * p], one_d[0]);
                assert_same(d[2 * p + 1], one_d[1]);
            }
            assert_same(y[p], y2[p]);
            ct_assert_array_near(d + 2 * p, one_d, 2, 1e-14, 4 * 2.3e-16);
        }
        bt_workspace_destroy(w);
        bt_function_destroy(f);
        bt_tape_destroy(g.tape);
    }
}

/* ---- Threads, depth, memory ---- */

typedef struct shared {
    const bt_function *f;
    const double *point, *expected;
    bt_workspace *w[8];
    int different[8];
} shared;

static void evaluate_often(void *context, size_t task, size_t worker)
{
    shared *s = context;
    (void)worker;
    for (int k = 0; k < 200; k++) {
        double d[GRAPH_INPUTS], hv[GRAPH_INPUTS];
        if (bt_function_hvp(s->f, s->w[task], 0, s->point, s->point, NULL, d, hv) != CT_OK ||
            memcmp(hv, s->expected, sizeof hv) != 0)
            s->different[task]++;
    }
}

static void test_threads_share_a_function(void **state)
{
    (void)state;
    graph g = random_graph(11, true);
    bt_function *f = capture(&g);
    double d[GRAPH_INPUTS], hv[GRAPH_INPUTS];
    shared s = {.f = f, .point = g.point, .expected = hv};
    for (int i = 0; i < 8; i++)
        s.w[i] = workspace(f);
    ct_assert_ok(bt_function_hvp(f, s.w[0], 0, g.point, g.point, NULL, d, hv), NULL);
    ct_pool *pool;
    ct_assert_ok(ct_pool_create(&pool, 4, NULL), NULL);
    ct_pool_run(pool, 8, evaluate_often, &s);
    ct_pool_destroy(pool);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(s.different[i], 0);
        bt_workspace_destroy(s.w[i]);
    }
    bt_function_destroy(f);
    bt_tape_destroy(g.tape);
}

static void test_deep_chain(void **state)
{
    (void)state;
    enum { DEPTH = 100000 };
    graph g = new_graph(1, (double[]){0.5});
    bt_var y = g.x[0];
    for (int i = 0; i < DEPTH; i++)
        y = i % 2 ? bt_sin(y) : bt_add(y, g.x[0]);
    g.y[g.m++] = y;
    bt_function *f = capture(&g);
    assert_int_equal(bt_function_operations(f), DEPTH);
    bt_workspace *w = workspace(f);
    double value, d, hv, values[20], points[20];
    ct_assert_ok(bt_backward(y), NULL);
    ct_assert_ok(bt_function_hvp(f, w, 0, g.point, (double[]){1}, &value, &d, &hv), NULL);
    assert_same(value, bt_value(y));
    ct_assert_near(d, bt_gradient(g.x[0]), 1e-12, 0);
    for (int i = 0; i < 20; i++)
        points[i] = 0.5;
    ct_assert_ok(bt_function_evaluate_batch(f, w, 20, points, values), NULL);
    assert_same(values[19], value);
    bt_workspace_destroy(w);
    bt_function_destroy(f);
    bt_tape_destroy(g.tape);
}

static ct_status create_all(void *context)
{
    const graph *g = context;
    bt_function *f;
    bt_workspace *w = NULL;
    ct_status status = bt_function_capture(&f, g->x, g->n, g->y, g->m, NULL);
    if (status == CT_OK)
        status = bt_workspace_create(&w, f);
    assert_true(status == CT_OK || !w);
    bt_workspace_destroy(w);
    bt_function_destroy(f);
    return status;
}

static void test_no_memory(void **state)
{
    (void)state;
    graph g = random_graph(5, false);
    ct_assert_survives_allocation_failures(create_all, &g);
    bt_tape_destroy(g.tape);
}

static void test_replay_allocates_nothing(void **state)
{
    (void)state;
    graph g = random_graph(6, false);
    bt_function *f = capture(&g);
    bt_workspace *w = workspace(f);
    double y[20 * GRAPH_OUTPUTS], d[20 * GRAPH_INPUTS], h[GRAPH_INPUTS * GRAPH_INPUTS];
    double x[20 * GRAPH_INPUTS];
    for (int i = 0; i < 20 * GRAPH_INPUTS; i++)
        x[i] = g.point[i % GRAPH_INPUTS];
    ct_test_fail_allocation(1);
    ct_assert_ok(bt_function_evaluate(f, w, x, y), NULL);
    ct_assert_ok(bt_function_gradient(f, w, 0, x, y, d), NULL);
    ct_assert_ok(bt_function_vjp(f, w, x, g.point, y, d), NULL);
    ct_assert_ok(bt_function_jvp(f, w, x, g.point, y, d), NULL);
    ct_assert_ok(bt_function_jacobian(f, w, x, y, h), NULL);
    ct_assert_ok(bt_function_hvp(f, w, 0, x, g.point, y, d, h), NULL);
    ct_assert_ok(bt_function_hessian(f, w, 0, x, y, d, h), NULL);
    ct_assert_ok(bt_function_evaluate_batch(f, w, 20, x, y), NULL);
    ct_assert_ok(bt_function_gradient_batch(f, w, 0, 20, x, y, d), NULL);
    assert_false(ct_test_fail_allocation(0));
    bt_workspace_destroy(w);
    bt_function_destroy(f);
    bt_tape_destroy(g.tape);
}

/* ---- Misuse ---- */

static void refuse(const bt_var *x, size_t n, const bt_var *y, size_t m, ct_status status,
                   const char *text)
{
    ct_diag diag = {""};
    bt_function *f = (bt_function *)&diag;
    ct_assert_status(bt_function_capture(&f, x, n, y, m, &diag), status, &diag);
    ct_assert_contains(diag.text, text);
    assert_null(f);
}

static void test_refusals(void **state)
{
    (void)state;
    graph g = new_graph(2, (double[]){1, 2}), other = new_graph(1, (double[]){1});
    const bt_var y = bt_exp(bt_add(g.x[0], g.x[1])), unset = {0};
    const bt_mark mark = bt_tape_mark(g.tape);
    const bt_var dropped = bt_sin(y);
    bt_tape_rewind(g.tape, mark);
    refuse(g.x, 2, &y, 0, CT_EINVALID, "no output");
    refuse(g.x, 2, &unset, 1, BT_ETAPE, "output 0 is not set");
    refuse(g.x, 2, (bt_var[]){y, other.x[0]}, 2, BT_ETAPE, "output 1 is a variable of another");
    refuse(g.x, 2, (bt_var[]){y, dropped}, 2, BT_ETAPE, "output 1 is a variable that a rewind");
    refuse((bt_var[]){g.x[0], other.x[0]}, 2, &y, 1, BT_ETAPE, "input 1 is a variable of another");
    refuse((bt_var[]){g.x[0], unset}, 2, &y, 1, BT_ETAPE, "input 1 is not set");
    refuse((bt_var[]){dropped}, 1, &y, 1, BT_ETAPE, "input 0 is a variable that a rewind");
    refuse((bt_var[]){g.x[0], y}, 2, &y, 1, CT_EINVALID,
           "input 1 is the result of an operation (exp)");
    refuse((bt_var[]){g.x[0], g.x[1], g.x[0]}, 3, &y, 1, CT_EINVALID,
           "inputs 0 and 2 are the same variable");
    bt_tape_rewind(other.tape, (bt_mark){7, 0});
    refuse(NULL, 0, other.x, 1, CT_EINVALID, "beyond the end");
    bt_tape_destroy(other.tape);

    bt_function *f, *f2;
    ct_assert_ok(bt_function_capture(&f, g.x, 2, &y, 1, NULL), NULL);
    ct_assert_ok(bt_function_capture(&f2, g.x, 2, &y, 1, NULL), NULL);
    assert_int_equal(bt_function_inputs(f), 2);
    assert_int_equal(bt_function_outputs(f), 1);
    bt_workspace *w = workspace(f);
    double d[4];
    ct_assert_status(bt_function_evaluate(f2, w, g.point, d), CT_EINVALID, NULL);
    ct_assert_status(bt_function_gradient(f, w, 1, g.point, d, d), CT_EINVALID, NULL);
    ct_assert_status(bt_function_hvp(f, w, 1, g.point, d, d, d, d), CT_EINVALID, NULL);
    ct_assert_status(bt_function_hessian(f, w, 1, g.point, d, d, d), CT_EINVALID, NULL);
    ct_assert_status(bt_function_gradient_batch(f, w, 1, 1, g.point, d, d), CT_EINVALID, NULL);
    bt_workspace_destroy(w);
    bt_workspace_destroy(NULL);
    bt_function_destroy(f);
    bt_function_destroy(f2);
    bt_function_destroy(NULL);
    bt_tape_destroy(g.tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_graphs),
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_tall_jacobian),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_special_values),
        cmocka_unit_test(test_special_gradients),
        cmocka_unit_test(test_leaves_become_constants),
        cmocka_unit_test(test_no_flow_no_nan),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_batch_of_each_operation),
        cmocka_unit_test(test_threads_share_a_function),
        cmocka_unit_test(test_deep_chain),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_replay_allocates_nothing),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
