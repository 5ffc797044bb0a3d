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

typedef struct batch_model {
    bt_graph *g;
    bt_tensor x, y, mean, variance, loss;
} batch_model;

/* (4, 1, 1, 2) with gamma 2 and beta 3; the loss is the mean of y^2. */
static void start_batch(batch_model *m, double momentum)
{
    ct_diag diag;
    const bt_shape one = bt_shape1(1);
    ct_assert_ok(bt_graph_create(&m->g, BT_F64), NULL);
    m->x = bt_tensor_want_gradient(bt_input(m->g, bt_shape4(4, 1, 1, 2)));
    m->mean = bt_buffer(m->g, "mean", one, bt_init_constant(10));
    m->variance = bt_buffer(m->g, "variance", one, bt_init_constant(4));
    m->y = bt_tensor_keep(bt_tensor_batch_norm(
        m->x, bt_parameter(m->g, "gamma", one, bt_init_constant(2)),
        bt_parameter(m->g, "beta", one, bt_init_constant(3)), m->mean, m->variance, momentum, 0.5));
    m->loss = bt_tensor_mse(m->y, bt_input(m->g, bt_shape4(4, 1, 1, 2)));
    ct_assert_ok(bt_graph_plan(m->g, m->loss, &diag), &diag);
    const double x[8] = {1, 2, 3, 4, 5, 6, 7, 9};
    assert_true(bt_tensor_write(m->x, x));
}

static void test_running_statistics(void **state)
{
    (void)state;
    ct_diag diag;
    batch_model m;
    const double mean = 37.0 / 8, unbiased = (221.0 - 8 * mean * mean) / 7;
    double expected_mean = 10, expected_variance = 4;
    start_batch(&m, 0.25);
    for (int step = 0; step < 3; step++) {
        ct_assert_ok(bt_graph_forward(m.g, &diag), &diag);
        bt_graph_backward(m.g);
        expected_mean = 0.75 * expected_mean + 0.25 * mean;
        expected_variance = 0.75 * expected_variance + 0.25 * unbiased;
        ct_assert_near(bt_tensor_value(m.mean), expected_mean, 1e-14, 0);
        ct_assert_near(bt_tensor_value(m.variance), expected_variance, 1e-14, 0);
    }
    bt_graph_destroy(m.g);
}

/* After training y is a fixed function of x, and the running statistics stay. */
static void test_evaluation(void **state)
{
    (void)state;
    ct_diag diag;
    batch_model m;
    double x[8], y[8], gradient[8];
    start_batch(&m, 0.25);
    bt_graph_set_training(m.g, false);
    ct_assert_ok(bt_graph_forward(m.g, &diag), &diag);
    bt_graph_backward(m.g);
    assert_true(bt_tensor_read(m.x, x) && bt_tensor_read(m.y, y));
    assert_true(bt_tensor_read_gradient(m.x, gradient));
    double dgamma = 0, dbeta = 0, found;
    for (size_t i = 0; i < 8; i++) {
        const double scale = 1 / sqrt(4.5), normal = (x[i] - 10) * scale, dy = 2 * y[i] / 8;
        ct_assert_near(y[i], normal * 2 + 3, 1e-14, 0);
        ct_assert_near(gradient[i], dy * 2 * scale, 1e-14, 0);
        dgamma += dy * normal;
        dbeta += dy;
    }
    assert_true(bt_tensor_read_gradient(bt_graph_find(m.g, "gamma"), &found));
    ct_assert_near(found, dgamma, 1e-14, 0);
    assert_true(bt_tensor_read_gradient(bt_graph_find(m.g, "beta"), &found));
    ct_assert_near(found, dbeta, 1e-14, 0);
    ct_assert_near(bt_tensor_value(m.mean), 10, 0, 0);
    ct_assert_near(bt_tensor_value(m.variance), 4, 0, 0);
    bt_graph_destroy(m.g);
}

static void test_batch_norm_arguments(void **state)
{
    (void)state;
    const double momentum[] = {-0.1, 1.1, 0.1, 0.1}, epsilon[] = {1e-5, 1e-5, -1, 1e-5};
    for (int i = 0; i < 4; i++) {
        ct_diag diag;
        bt_graph *g;
        ct_assert_ok(bt_graph_create(&g, BT_F32), NULL);
        const bt_shape c = bt_shape1(3);
        const bt_tensor a = bt_input(g, c), x = bt_input(g, bt_shape2(4, 3));
        const bt_tensor mean = bt_buffer(g, "mean", c, bt_init_zeros());
        const bt_tensor y =
            bt_tensor_batch_norm(x, a, a, mean, i == 3 ? a : mean, momentum[i], epsilon[i]);
        ct_assert_status(bt_graph_plan(g, y, &diag), CT_EINVALID, &diag);
        ct_assert_contains(diag.text, i == 3 ? "buffers" : i == 2 ? "epsilon -1" : "momentum");
        bt_graph_destroy(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_rows),           cmocka_unit_test(test_constant_row),
        cmocka_unit_test(test_shifted_row),          cmocka_unit_test(test_epsilon_is_checked),
        cmocka_unit_test(test_running_statistics),   cmocka_unit_test(test_evaluation),
        cmocka_unit_test(test_batch_norm_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
