// SPDX-License-Identifier: MIT
/* What the declarations of convolution and pooling do not show: images of several blocks, equal
 * maxima, strides and windows of 0. */
#include "ct_test.h"
#include "tensor_cases_image.h"

#include <ctrain/rng.h>
#include <stdlib.h>
#include <string.h>

typedef struct convolution {
    bt_shape shapes[3];
    size_t stride, padding, n[3], n_out;
    double *x[3], *gradient[3], *out, *weight;
    bt_graph *g;
    bt_tensor in[3], y, loss;
} convolution;

/* The loss is the sum of w y; all inputs are normal deviates. */
static void start(convolution *m)
{
    ct_diag diag;
    ct_rng rng;
    const char *names[] = {"x", "weight", "bias"};
    ct_rng_init(&rng, 7, CT_RNG_USER, 0, 0);
    ct_assert_ok(bt_graph_create(&m->g, BT_F64), NULL);
    for (size_t j = 0; j < 3; j++) {
        m->in[j] = bt_parameter(m->g, names[j], m->shapes[j], bt_init_zeros());
        m->n[j] = bt_tensor_size(m->in[j]);
        m->x[j] = malloc(m->n[j] * sizeof(double));
        m->gradient[j] = malloc(m->n[j] * sizeof(double));
        for (size_t i = 0; i < m->n[j]; i++)
            m->x[j][i] = ct_rng_normal(&rng);
    }
    m->y = bt_tensor_keep(bt_tensor_conv2d(m->in[0], m->in[1], m->in[2], m->stride, m->padding));
    m->n_out = bt_tensor_size(m->y);
    const bt_shape flat = bt_shape2(1, m->n_out);
    const bt_tensor w = bt_input(m->g, flat);
    m->loss = bt_tensor_linear(bt_tensor_reshape(m->y, flat), w, bt_tensor_none(m->g), BT_IDENTITY);
    ct_assert_ok(bt_graph_plan(m->g, m->loss, &diag), &diag);
    m->out = malloc(m->n_out * sizeof(double));
    m->weight = malloc(m->n_out * sizeof(double));
    for (size_t i = 0; i < m->n_out; i++)
        m->weight[i] = ct_rng_normal(&rng);
    assert_true(bt_tensor_write(w, m->weight));
}

static double run(convolution *m)
{
    ct_diag diag;
    for (size_t j = 0; j < 3; j++)
        assert_true(bt_tensor_write(m->in[j], m->x[j]));
    ct_assert_ok(bt_graph_forward(m->g, &diag), &diag);
    bt_graph_backward(m->g);
    for (size_t j = 0; j < 3; j++)
        assert_true(bt_tensor_read_gradient(m->in[j], m->gradient[j]));
    return bt_tensor_value(m->loss);
}

static void stop(convolution *m)
{
    bt_graph_destroy(m->g);
    for (size_t j = 0; j < 3; j++) {
        free(m->x[j]);
        free(m->gradient[j]);
    }
    free(m->out);
    free(m->weight);
}

/* y is linear in each input, so a step of any length gives the gradient along it. */
static void check(size_t stride, size_t padding)
{
    convolution m = {.stride = stride, .padding = padding};
    m.shapes[0] = bt_shape4(2, 12, 15, 33);
    m.shapes[1] = bt_shape4(3, 12, 5, 5);
    m.shapes[2] = bt_shape1(3);
    start(&m);
    double *expected = malloc(m.n_out * sizeof *expected);
    reference_conv2d(expected, m.x[0], m.x[1], m.x[2], m.shapes, stride, padding);
    const double at = run(&m);
    assert_true(bt_tensor_read(m.y, m.out));
    ct_assert_array_near(m.out, expected, m.n_out, 1e-12, 1e-12);
    for (size_t j = 0; j < 3; j++) {
        ct_rng rng;
        double along = 0;
        double *keep = malloc(m.n[j] * sizeof *keep);
        ct_rng_init(&rng, 8, CT_RNG_USER, (uint32_t)j, 0);
        memcpy(keep, m.x[j], m.n[j] * sizeof *keep);
        ct_assert_near(run(&m), at, 0, 0);
        for (size_t i = 0; i < m.n[j]; i++) {
            const double step = ct_rng_normal(&rng);
            along += step * m.gradient[j][i];
            m.x[j][i] += step;
        }
        ct_assert_near(run(&m) - at, along, 1e-9, 1e-9);
        memcpy(m.x[j], keep, m.n[j] * sizeof *keep);
        free(keep);
    }
    free(expected);
    stop(&m);
}

static void test_several_blocks(void **state)
{
    (void)state;
    check(1, 0);
    check(1, 2); // as many places as elements
    check(2, 1);
    check(1, 1);
}

/* The gradient goes to the first of equal maxima. */
static void test_equal_maxima(void **state)
{
    (void)state;
    ct_diag diag;
    bt_graph *g;
    ct_assert_ok(bt_graph_create(&g, BT_F32), NULL);
    const bt_tensor x = bt_tensor_want_gradient(bt_input(g, bt_shape4(1, 1, 2, 4)));
    const bt_tensor y = bt_tensor_max_pool2d(x, 2, 2);
    const bt_tensor loss = bt_tensor_mse(y, bt_input(g, bt_shape4(1, 1, 1, 2)));
    const double values[8] = {1, 3, -INFINITY, -2, 3, 3, -2, -2}, expected[8] = {0, 3, 0, -2};
    double gradient[8];
    ct_assert_ok(bt_graph_plan(g, loss, &diag), &diag);
    assert_true(bt_tensor_write(x, values));
    for (int times = 0; times < 2; times++) {
        ct_assert_ok(bt_graph_forward(g, &diag), &diag);
        bt_graph_backward(g);
        assert_true(bt_tensor_read_gradient(x, gradient));
        ct_assert_array_near(gradient, expected, 8, 0, 0);
    }
    bt_graph_destroy(g);
}

static void test_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        ct_diag diag;
        bt_graph *g;
        ct_assert_ok(bt_graph_create(&g, BT_F32), NULL);
        const bt_tensor x = bt_input(g, bt_shape4(1, 2, 4, 4));
        const bt_tensor weight = bt_input(g, bt_shape4(3, 2, 3, 3)), none = bt_tensor_none(g);
        const bt_tensor y = i == 0   ? bt_tensor_conv2d(x, weight, none, 0, 1)
                            : i == 1 ? bt_tensor_conv2d(x, weight, none, 1, SIZE_MAX / 2)
                            : i == 2 ? bt_tensor_max_pool2d(x, 0, 1)
                            : i == 3 ? bt_tensor_avg_pool2d(x, 2, 0)
                                     : bt_tensor_avg_pool2d(x, 5, 1);
        ct_assert_status(bt_graph_plan(g, y, &diag), BT_ESHAPE, &diag);
        ct_assert_contains(diag.text, "(1, 2, 4, 4)");
        bt_graph_destroy(g);
    }
    assert_non_null(image_cases[0].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several_blocks),
        cmocka_unit_test(test_equal_maxima),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
