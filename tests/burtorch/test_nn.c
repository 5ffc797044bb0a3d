// SPDX-License-Identifier: MIT
/* Layers and models: names, shapes and beginnings of their parameters. (What they compute is in
 * test_models.c.) */
#include "ct_test.h"

#include <burtorch/nn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Names and beginnings ---- */

static bt_graph *new_graph(bt_dtype dtype)
{
    bt_graph *g;
    ct_assert_ok(bt_graph_create(&g, dtype), NULL);
    return g;
}

static void plan_forward(bt_graph *g)
{
    ct_diag diag;
    ct_assert_ok(bt_graph_plan(g, bt_tensor_none(g), &diag), &diag);
}

/* "name (shape) mean deviation", of every parameter and buffer. */
static void check_parameter(bt_tensor p, const char *name, const char *shape, double mean,
                            double deviation)
{
    char text[BT_SHAPE_TEXT_SIZE];
    const bt_shape s = bt_tensor_shape(p);
    const size_t n = bt_tensor_size(p);
    double *x = malloc((n + 1) * sizeof *x), sum = 0, squares = 0;
    assert_string_equal(bt_tensor_name(p), name);
    assert_string_equal(bt_shape_text(text, &s), shape);
    assert_true(bt_tensor_read(p, x));
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    for (size_t i = 0; i < n; i++)
        squares += pow(x[i] - sum / (double)n, 2);
    ct_assert_near(sum / (double)n, mean, 1e-6, 5 * deviation / sqrt((double)n));
    ct_assert_near(sqrt(squares / (double)n), deviation, 0.2, 1e-12);
    free(x);
}

static void test_linear(void **state)
{
    (void)state;
    bt_graph *g = new_graph(BT_F32);
    const bt_tensor x = bt_input(g, bt_shape3(2, 3, 50));
    bt_tensor y = bt_nn_linear(x, "a", 40, BT_RELU);
    y = bt_nn_linear_with(y, "b", 30, BT_TANH, false, bt_init_uniform(0.5));
    y = bt_nn_mlp(y, "m", (const size_t[]){20, 10}, 2, BT_TANH);
    y = bt_nn_mlp(y, "", (const size_t[]){2}, 1, BT_TANH);
    plan_forward(g);
    const bt_shape shape = bt_tensor_shape(y);
    assert_int_equal(shape.axes, 3);
    assert_int_equal(shape.dims[2], 2);
    assert_int_equal(bt_graph_parameters(g), 9);
    check_parameter(bt_graph_parameter(g, 0), "a.weight", "(40, 50)", 0, sqrt(2.0 / 50));
    check_parameter(bt_graph_parameter(g, 1), "a.bias", "(40)", 0, 0);
    check_parameter(bt_graph_parameter(g, 2), "b.weight", "(30, 40)", 0, 0.5 / sqrt(3));
    check_parameter(bt_graph_parameter(g, 3), "m.0.weight", "(20, 30)", 0, 5 / 3.0 / sqrt(30));
    check_parameter(bt_graph_parameter(g, 5), "m.1.weight", "(10, 20)", 0, 1 / sqrt(20));
    check_parameter(bt_graph_parameter(g, 7), "0.weight", "(2, 10)", 0, 1 / sqrt(10));
    bt_graph_destroy(g);
}

static void test_norms_and_convolution(void **state)
{
    (void)state;
    bt_graph *g = new_graph(BT_F64);
    const bt_tensor x = bt_input(g, bt_shape4(2, 8, 5, 5));
    bt_tensor y = bt_nn_conv2d(x, "conv", 16, 3, 1, 1);
    y = bt_nn_layer_norm(bt_nn_batch_norm(y, "bn"), "ln");
    plan_forward(g);
    assert_int_equal(bt_tensor_size(y), 2 * 16 * 25);
    check_parameter(bt_graph_parameter(g, 0), "conv.weight", "(16, 8, 3, 3)", 0, sqrt(2.0 / 72));
    check_parameter(bt_graph_parameter(g, 1), "conv.bias", "(16)", 0, 0);
    check_parameter(bt_graph_parameter(g, 2), "bn.weight", "(16)", 1, 0);
    check_parameter(bt_graph_parameter(g, 3), "bn.bias", "(16)", 0, 0);
    check_parameter(bt_graph_parameter(g, 4), "ln.weight", "(5)", 1, 0);
    check_parameter(bt_graph_buffer(g, 0), "bn.running_mean", "(16)", 0, 0);
    check_parameter(bt_graph_buffer(g, 1), "bn.running_var", "(16)", 1, 0);
    bt_graph_destroy(g);
}

static void test_gpt_parameters(void **state)
{
    (void)state;
    bt_graph *g = new_graph(BT_F32);
    bt_nn_gpt_options o = bt_nn_gpt_options_default();
    o.vocabulary = 65;
    o.dropout = 0.1;
    const bt_tensor logits = bt_nn_gpt(bt_input_u32(g, bt_shape2(2, 10)), &o);
    plan_forward(g);
    static const struct {
        const char *name, *shape;
        double mean, deviation;
    } expected[] = {
        {"token.weight", "(65, 128)", 0, 0.02},
        {"position.weight", "(64, 128)", 0, 0.02},
        {"block.0.norm1.weight", "(128)", 1, 0},
        {"block.0.norm1.bias", "(128)", 0, 0},
        {"block.0.qkv.weight", "(384, 128)", 0, 0.02},
        {"block.0.projection.weight", "(128, 128)", 0, 0.02 / 2.8284271247461903},
        {"block.0.projection.bias", "(128)", 0, 0},
        {"block.0.norm2.weight", "(128)", 1, 0},
        {"block.0.norm2.bias", "(128)", 0, 0},
        {"block.0.mlp_up.weight", "(512, 128)", 0, 0.02},
        {"block.0.mlp_up.bias", "(512)", 0, 0},
        {"block.0.mlp_down.weight", "(128, 512)", 0, 0.02 / 2.8284271247461903},
        {"block.0.mlp_down.bias", "(128)", 0, 0},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        check_parameter(bt_graph_find(g, expected[i].name), expected[i].name, expected[i].shape,
                        expected[i].mean, expected[i].deviation);
    assert_int_equal(bt_graph_parameters(g), 2 + 4 * 11 + 4);
    assert_int_equal(bt_graph_parameter_elements(g), 816705); // README of the peers
    assert_string_equal(bt_tensor_name(bt_graph_parameter(g, 49)), "head.bias");
    assert_int_equal(bt_tensor_size(logits), 2 * 10 * 65);
    bt_graph_destroy(g);
    // No biases but those of the norms; then all of them.
    for (int all = 0; all < 2; all++) {
        g = new_graph(BT_F32);
        o.bias = o.qkv_bias = all;
        bt_nn_gpt(bt_input_u32(g, bt_shape2(2, 64)), &o);
        plan_forward(g);
        assert_int_equal(bt_graph_parameters(g), all ? 2 + 4 * 12 + 4 : 2 + 4 * 8 + 3);
        bt_graph_destroy(g);
    }
}

static void test_errors(void **state)
{
    (void)state;
    char name[300];
    ct_diag diag;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    bt_graph *g = new_graph(BT_F32);
    bt_nn_linear(bt_input(g, bt_shape2(2, 3)), name, 2, BT_RELU);
    ct_assert_status(bt_graph_plan(g, bt_tensor_none(g), &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "longer than 200 bytes");
    bt_graph_destroy(g);
    g = new_graph(BT_F32);
    bt_nn_gpt_options o = bt_nn_gpt_options_default();
    o.vocabulary = 5;
    o.context = 4;
    bt_nn_gpt(bt_input_u32(g, bt_shape2(2, 5)), &o); // longer than the context
    ct_assert_status(bt_graph_plan(g, bt_tensor_none(g), &diag), BT_ESHAPE, &diag);
    ct_assert_contains(diag.text, "slice: 0:5 of axis 0 of (4, 128)");
    bt_graph_destroy(g);
    g = new_graph(BT_F32);
    bt_nn_batch_norm(bt_input(g, bt_shape0()), "n");
    ct_assert_status(bt_graph_plan(g, bt_tensor_none(g), &diag), BT_ESHAPE, &diag);
    bt_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_norms_and_convolution),
        cmocka_unit_test(test_gpt_parameters),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
