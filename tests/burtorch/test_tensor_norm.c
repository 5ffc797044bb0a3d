// SPDX-License-Identifier: MIT
/* What the declarations of softmax and normalisations do not show: large and constant rows. */
#include "ct_test.h"

#include <burtorch/graph.h>
#include <burtorch/tensor.h>

#include <ctrain/rng.h>
#include <math.h>

typedef bt_tensor one_input_fn(bt_tensor x);

/* op(x) of one row of n in f32. */
static void run_row(one_input_fn *op, const double *x, double *y, size_t n)
{
    ct_diag diag;
    bt_graph *g;
    ct_assert_ok(bt_graph_create(&g, BT_F32), NULL);
    const bt_tensor in = bt_input(g, bt_shape1(n)), out = bt_tensor_keep(op(in));
    ct_assert_ok(bt_graph_plan(g, bt_tensor_none(g), &diag), &diag);
    assert_true(bt_tensor_write(in, x));
    ct_assert_ok(bt_graph_forward(g, &diag), &diag);
    assert_true(bt_tensor_read(out, y));
    bt_graph_destroy(g);
}

static void test_large_rows(void **state)
{
    (void)state;
    const double x[4] = {1e4, 1e4, -1e4, 0}, p[4] = {0.5, 0.5, 0, 0};
    const double log_p[4] = {-log(2), -log(2), -2e4 - log(2), -1e4 - log(2)};
    double y[4];
    run_row(bt_tensor_softmax, x, y, 4);
    ct_assert_array_near(y, p, 4, 1e-6, 0);
    run_row(bt_tensor_log_softmax, x, y, 4);
    ct_assert_array_near(y, log_p, 4, 1e-6, 0);
}

static bt_tensor plain_layer_norm(bt_tensor x)
{
    const bt_shape n = bt_tensor_shape(x);
    return bt_tensor_layer_norm(x, bt_parameter(x.graph, "gamma", n, bt_init_constant(2)),
                                bt_parameter(x.graph, "beta", n, bt_init_constant(3)), 1e-5);
}

static void test_constant_row(void **state)
{
    (void)state;
    const double x[5] = {0.1, 0.1, 0.1, 0.1, 0.1}, expected[5] = {3, 3, 3, 3, 3};
    double y[5];
    run_row(plain_layer_norm, x, y, 5);
    ct_assert_array_near(y, expected, 5, 1e-5, 0);
}

/* The mean is far from 0: the digits of the differences stay. */
static void test_shifted_row(void **state)
{
    (void)state;
    enum { N = 384 };
    double x[N], y[N], mean = 0, variance = 0;
    ct_rng rng;
    ct_rng_init(&rng, 1, CT_RNG_USER, 0, 0);
    for (size_t i = 0; i < N; i++) {
        x[i] = (double)(float)(1e4 + ct_rng_normal(&rng));
        mean += x[i] / N;
    }
    for (size_t i = 0; i < N; i++)
        variance += (x[i] - mean) * (x[i] - mean) / N;
    run_row(plain_layer_norm, x, y, N);
    for (size_t i = 0; i < N; i++)
        ct_assert_near(y[i], 2 * (x[i] - mean) / sqrt(variance + 1e-5) + 3, 1e-5, 1e-5);
}

static void test_epsilon_is_checked(void **state)
{
    (void)state;
    ct_diag diag;
    bt_graph *g;
    ct_assert_ok(bt_graph_create(&g, BT_F32), NULL);
    const bt_tensor x = bt_input(g, bt_shape1(4));
    const bt_tensor y = bt_tensor_layer_norm(x, x, x, -1e-5);
    ct_assert_status(bt_graph_plan(g, y, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "layer_norm: epsilon -1e-05");
    bt_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_rows),
        cmocka_unit_test(test_constant_row),
        cmocka_unit_test(test_shifted_row),
        cmocka_unit_test(test_epsilon_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
