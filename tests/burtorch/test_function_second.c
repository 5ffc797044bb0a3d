// SPDX-License-Identifier: MIT
/* Second derivatives: every row of ops_second.h, and the list operations, against central
 * differences of first derivatives; Hessians of known and of random functions. */
#include "function_graphs.h"

enum { DRAWS = 40 };

/* Differences of the gradient along direction, of fourth order. */
static void difference(const bt_function *f, bt_workspace *w, const double *x, const double *v,
                       double *hv)
{
    enum { MOST = 16 };
    const double h = 1e-3, step[4] = {-2 * h, -h, h, 2 * h};
    const double weight[4] = {1 / (12 * h), -8 / (12 * h), 8 / (12 * h), -1 / (12 * h)};
    const size_t n = bt_function_inputs(f);
    double moved[MOST], g[MOST];
    assert_true(n <= MOST);
    memset(hv, 0, n * sizeof *hv);
    for (int k = 0; k < 4; k++) {
        for (size_t i = 0; i < n; i++)
            moved[i] = x[i] + step[k] * v[i];
        ct_assert_ok(bt_function_gradient(f, w, 0, moved, NULL, g), NULL);
        for (size_t i = 0; i < n; i++)
            hv[i] += weight[k] * g[i];
    }
}

static bool near_kink(bt_op op, double a, double b)
{
    return (is_rough(op) && fabs(a) < 0.01) || (is_rough(op) && fabs(a - b) < 0.01) ||
           (op == BT_OP_DIV_CONST && fabs(b) < 0.1);
}

/* y = op(a, b), with both operands inputs, or one of them a constant (at point). */
static void check_row(bt_op op, const double *point, int constant)
{
    graph g = new_graph(2, point);
    const bt_var a = constant == 1 ? bt_constant(g.tape, point[0]) : g.x[0];
    const bt_var b = constant == 2 ? bt_constant(g.tape, point[1]) : g.x[1];
    g.y[g.m++] = apply_any(op, (bt_var[4]){a, b}, 2, point[1]);
    bt_function *f = capture(&g);
    bt_workspace *w = workspace(f);
    for (int k = 0; k < 3; k++) {
        const double v[2] = {k != 1, k != 0 ? -0.5 : 0};
        double y, d[2], d1[2], hv[2], expected[2];
        difference(f, w, point, v, expected);
        ct_assert_ok(bt_function_hvp(f, w, 0, point, v, &y, d, hv), NULL);
        ct_assert_array_near(hv, expected, 2, 2e-6, 2e-6);
        ct_assert_ok(bt_function_gradient(f, w, 0, point, NULL, d1), NULL);
        ct_assert_array_near(d, d1, 2, 0, 0);
        ct_assert_near(y, bt_value(g.y[0]), 0, 0);
    }
    bt_workspace_destroy(w);
    bt_function_destroy(f);
    bt_tape_destroy(g.tape);
}

static void test_every_row(void **state)
{
    (void)state;
    ct_rng rng;
    ct_rng_init(&rng, 1, CT_RNG_USER, 0, 0);
    int rows = 0;
    for (unsigned op = BT_OP_CONSTANT + 1; op < BT_OP_COUNT; op++) {
        const bt_op_info *info = bt_op_info_of((bt_op)op);
        if (info->arity == BT_ARITY_LIST)
            continue;
        rows++;
        for (int i = 0; i < DRAWS; i++) {
            double p[2];
            for (int k = 0; k < 2; k++)
                p[k] = info->low[k] + (info->high[k] - info->low[k]) * ct_rng_uniform(&rng);
            if (near_kink((bt_op)op, p[0], p[1]))
                continue;
            for (int constant = 0; constant < (info->arity == BT_ARITY_TWO ? 3 : 1); constant++)
                check_row((bt_op)op, p, constant);
        }
    }
    assert_int_equal(rows, 31 + 11 + 13);
}

static void test_lists(void **state)
{
    (void)state;
    const double point[GRAPH_INPUTS] = {0.5, -1.5, 2, 0, 1.25}, v[GRAPH_INPUTS] = {1, 2, -1, 3, 1};
    for (unsigned op = BT_OP_SUM; op < BT_OP_COUNT; op++) {
        graph g = new_graph(GRAPH_INPUTS, point);
        // An operand that occurs twice, and ones that are not linear in the inputs.
        const bt_var list[6] = {g.x[0], bt_sin(g.x[1]), g.x[2], g.x[3], g.x[0], bt_sqr(g.x[4])};
        const bool dot = op == BT_OP_DOT || op == BT_OP_DOT_BIAS;
        g.y[0] = apply_any((bt_op)op, list, dot ? 3 : 6, 0);
        g.y[0] = bt_exp(bt_mul_const(g.y[0], 0.1));
        g.m = 1;
        bt_function *f = capture(&g);
        bt_workspace *w = workspace(f);
        double hv[GRAPH_INPUTS], expected[GRAPH_INPUTS];
        difference(f, w, point, v, expected);
        ct_assert_ok(bt_function_hvp(f, w, 0, point, v, NULL, NULL, hv), NULL);
        ct_assert_array_near(hv, expected, GRAPH_INPUTS, 1e-8, 1e-8);
        bt_workspace_destroy(w);
        bt_function_destroy(f);
        bt_tape_destroy(g.tape);
    }
}

/* At kinks, and where first derivatives have their limits. */
static void test_kinks(void **state)
{
    (void)state;
    const struct {
        bt_op op;
        double a, b, expected[4];
    } cases[] = {{BT_OP_ABS, 0, 0, {0, 0, 0, 0}},
                 {BT_OP_RELU, 0, 0, {0, 0, 0, 0}},
                 {BT_OP_LEAKY_RELU, 0, 0.5, {0, 0, 0, 0}},
                 {BT_OP_AT_LEAST, 1, 1, {0, 0, 0, 0}},
                 {BT_OP_AT_MOST, 1, 1, {0, 0, 0, 0}},
                 {BT_OP_NORM, 0, 0, {0, 0, 0, 0}},
                 {BT_OP_MAX_OF, 1, 1, {0, 0, 0, 0}},
                 {BT_OP_VARIANCE, 0, 0, {1, -1, -1, 1}},
                 {BT_OP_LOG_SUM_EXP, 1, 1, {0.25, -0.25, -0.25, 0.25}},
                 {BT_OP_NORM, 3, 4, {0.128, -0.096, -0.096, 0.072}},
                 {BT_OP_MIN, 1, 1, {0, 0, 0, 0}},
                 {BT_OP_MAX, 1, 1, {0, 0, 0, 0}},
                 {BT_OP_POW, 0, 3, {0, 0, 0, 0}},
                 {BT_OP_POW, 2, 1, {0, 1 + log(2), 1 + log(2), 2 * log(2) * log(2)}},
                 {BT_OP_MUL, 0, 0, {0, 1, 1, 0}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        graph g = new_graph(2, (double[]){cases[i].a, cases[i].b});
        g.y[g.m++] = apply_any(cases[i].op, g.x, 2, cases[i].b);
        bt_function *f = capture(&g);
        bt_workspace *w = workspace(f);
        double h[4];
        ct_assert_ok(bt_function_hessian(f, w, 0, g.point, NULL, NULL, h), NULL);
        ct_assert_array_near(h, cases[i].expected, 4, 1e-15, 0);
        bt_workspace_destroy(w);
        bt_function_destroy(f);
        bt_tape_destroy(g.tape);
    }
}

/* x^3 exp(2 z): all its second derivatives are known. */
static void test_known_hessian(void **state)
{
    (void)state;
    const double x = 1.5, z = 0.25, e = exp(2 * z);
    graph g = new_graph(2, (double[]){x, z});
    g.y[g.m++] = bt_mul(bt_cub(g.x[0]), bt_exp(bt_mul_const(g.x[1], 2)));
    bt_function *f = capture(&g);
    bt_workspace *w = workspace(f);
    double y, d[2], h[4];
    const double expected[4] = {6 * x * e, 6 * x * x * e, 6 * x * x * e, 4 * x * x * x * e};
    ct_assert_ok(bt_function_hessian(f, w, 0, g.point, &y, d, h), NULL);
    ct_assert_array_near(h, expected, 4, 1e-15, 0);
    ct_assert_near(y, x * x * x * e, 1e-15, 0);
    ct_assert_near(d[0], 3 * x * x * e, 1e-15, 0);
    ct_assert_near(d[1], 2 * x * x * x * e, 1e-15, 0);
    bt_workspace_destroy(w);
    bt_function_destroy(f);
    bt_tape_destroy(g.tape);
}

static void check_random(uint64_t seed)
{
    graph g = random_graph(seed, true);
    bt_function *f = capture(&g);
    bt_workspace *w = workspace(f);
    double h[GRAPH_INPUTS * GRAPH_INPUTS], hv[GRAPH_INPUTS], expected[GRAPH_INPUTS];
    double scale = 1, v[GRAPH_INPUTS], product[GRAPH_INPUTS] = {0};
    ct_assert_ok(bt_function_hessian(f, w, 0, g.point, NULL, NULL, h), NULL);
    for (size_t i = 0; i < g.n; i++)
        v[i] = 1e-2 * ((double)i - 1.5);
    for (size_t i = 0; i < g.n * g.n; i++)
        scale = fmax(scale, fabs(h[i]));
    for (size_t i = 0; i < g.n; i++)
        for (size_t k = 0; k < g.n; k++) {
            product[i] += h[i * g.n + k] * v[k];
            ct_assert_near(h[i * g.n + k], h[k * g.n + i], 0, 0);
        }
    ct_assert_ok(bt_function_hvp(f, w, 0, g.point, v, NULL, NULL, hv), NULL);
    ct_assert_array_near(hv, product, g.n, 1e-9, 1e-9 * scale);
    if (scale < 1e4) { // beyond, differences are not good for much
        difference(f, w, g.point, v, expected);
        ct_assert_array_near(hv, expected, g.n, 1e-4, 1e-6 * scale);
    }
    bt_workspace_destroy(w);
    bt_function_destroy(f);
    bt_tape_destroy(g.tape);
}

static void test_random_graphs(void **state)
{
    (void)state;
    for (uint64_t seed = 1000; seed < 1300; seed++)
        check_random(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row),     cmocka_unit_test(test_lists),
        cmocka_unit_test(test_kinks),         cmocka_unit_test(test_known_hessian),
        cmocka_unit_test(test_random_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
