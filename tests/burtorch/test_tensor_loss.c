// SPDX-License-Identifier: MIT
/* What the declarations of losses and embedding do not show: ignored targets, large logits, indices
 * out of range. */
#include "ct_test.h"

#include <burtorch/graph.h>
#include <burtorch/tensor.h>

#include <math.h>
#include <string.h>

static bt_graph *new_graph(bt_dtype dtype)
{
    bt_graph *g;
    ct_assert_ok(bt_graph_create(&g, dtype), NULL);
    return g;
}

/* Logits (4, 3) of `x`, with these targets; the loss, and the gradient into out. */
static double loss_of(const double *x, const uint32_t *targets, double *gradient)
{
    ct_diag diag;
    bt_graph *g = new_graph(BT_F32);
    const bt_tensor logits = bt_parameter(g, "x", bt_shape2(4, 3), bt_init_zeros());
    const bt_tensor target = bt_input_u32(g, bt_shape1(4));
    const bt_tensor loss = bt_tensor_cross_entropy(logits, target);
    ct_assert_ok(bt_graph_plan(g, loss, &diag), &diag);
    assert_true(bt_tensor_write(logits, x));
    memcpy(bt_tensor_u32(target), targets, 4 * sizeof *targets);
    for (size_t i = 0; i < 12; i++)
        bt_tensor_gradient_f32(logits)[i] = NAN; // backward sets all of it
    ct_assert_ok(bt_graph_forward(g, &diag), &diag);
    bt_graph_backward(g);
    assert_true(bt_tensor_read_gradient(logits, gradient));
    const double value = bt_tensor_value(loss);
    bt_graph_destroy(g);
    return value;
}

static void test_ignored_targets(void **state)
{
    (void)state;
    const double x[12] = {1, 2, 3, NAN, NAN, NAN, 0, 0, 0, -1, 5, 2};
    double gradient[12], zeros[12] = {0};
    const uint32_t all[] = {BT_IGNORE, BT_IGNORE, BT_IGNORE, BT_IGNORE};
    assert_true(loss_of(x, all, gradient) == 0.0);
    ct_assert_array_near(gradient, zeros, 12, 0, 0);

    const uint32_t one[] = {BT_IGNORE, BT_IGNORE, 1, BT_IGNORE};
    const double expected[12] = {0, 0, 0, 0, 0, 0, 1.0 / 3, -2.0 / 3, 1.0 / 3, 0, 0, 0};
    ct_assert_near(loss_of(x, one, gradient), log(3), 1e-6, 0);
    ct_assert_array_near(gradient, expected, 12, 1e-6, 0);
}

static void test_large_logits(void **state)
{
    (void)state;
    const double x[12] = {1e4, -1e4, 0, -1e4, -1e4, 1e4, 1e4, 1e4, -1e4, -1e4, -1e4, -1e4};
    const uint32_t targets[] = {0, 0, 1, 2};
    double gradient[12];
    // Losses 0, 2e4, log 2 and log 3.
    const double expected[12] = {0,        0,         0, -0.25,    0,        0.25,
                                 0.25 / 2, -0.25 / 2, 0, 0.25 / 3, 0.25 / 3, -0.5 / 3};
    ct_assert_near(loss_of(x, targets, gradient), (2e4 + log(2) + log(3)) / 4, 1e-6, 0);
    ct_assert_array_near(gradient, expected, 12, 1e-6, 1e-12);
}

static void test_binary_large_logits(void **state)
{
    (void)state;
    ct_diag diag;
    bt_graph *g = new_graph(BT_F32);
    const double x[4] = {1e4, -1e4, 20, 1e4}, t[4] = {1, 0, 1, 0};
    const double expected[4] = {0, 0, -2.0611536181902037e-9 / 4, 0.25};
    double gradient[4];
    const bt_tensor logits = bt_parameter(g, "x", bt_shape1(4), bt_init_zeros());
    const bt_tensor target = bt_input(g, bt_shape1(4));
    const bt_tensor loss = bt_tensor_binary_cross_entropy(logits, target);
    ct_assert_ok(bt_graph_plan(g, loss, &diag), &diag);
    assert_true(bt_tensor_write(logits, x) && bt_tensor_write(target, t));
    ct_assert_ok(bt_graph_forward(g, &diag), &diag);
    ct_assert_near(bt_tensor_value(loss), 2500, 1e-6, 0);
    bt_graph_backward(g);
    assert_true(bt_tensor_read_gradient(logits, gradient));
    ct_assert_array_near(gradient, expected, 4, 1e-6, 1e-7);

    // Three losses that nearly vanish: their sum is not rounded away.
    const double three[4] = {20, -20, 20, 20}, right[4] = {1, 0, 1, 1};
    assert_true(bt_tensor_write(logits, three) && bt_tensor_write(target, right));
    ct_assert_ok(bt_graph_forward(g, &diag), &diag);
    ct_assert_near(bt_tensor_value(loss), 2.0611536181902037e-9, 1e-5, 0);
    bt_graph_destroy(g);
}

static void test_indices_out_of_range(void **state)
{
    (void)state;
    ct_diag diag;
    bt_graph *g = new_graph(BT_F32);
    const bt_tensor table = bt_parameter(g, "table", bt_shape2(5, 3), bt_init_normal(1));
    const bt_tensor index = bt_input_u32(g, bt_shape1(2)), target = bt_input_u32(g, bt_shape1(2));
    const bt_tensor loss = bt_tensor_cross_entropy(bt_tensor_embedding(table, index), target);
    ct_assert_ok(bt_graph_plan(g, loss, &diag), &diag);
    bt_tensor_u32(index)[1] = 5;
    ct_diag_clear(&diag);
    ct_assert_status(bt_graph_forward(g, &diag), CT_ERANGE, &diag);
    assert_string_equal(diag.text, "embedding: index 5 in a table of 5 rows");
    bt_tensor_u32(index)[1] = 4;
    bt_tensor_u32(target)[0] = 3;
    ct_diag_clear(&diag);
    ct_assert_status(bt_graph_forward(g, &diag), CT_ERANGE, &diag);
    assert_string_equal(diag.text, "cross_entropy: target 3 of 3 classes");
    bt_tensor_u32(target)[0] = 2;
    ct_assert_ok(bt_graph_forward(g, &diag), &diag);
    bt_graph_destroy(g);
}

/* Rows met several times add up, rows not met get zero, also where something was there before. */
static void test_embedding_rows_add(void **state)
{
    (void)state;
    ct_diag diag;
    bt_graph *g = new_graph(BT_F64);
    const bt_tensor table = bt_parameter(g, "table", bt_shape2(4, 1), bt_init_zeros());
    const bt_tensor index = bt_input_u32(g, bt_shape1(3)), target = bt_input(g, bt_shape2(3, 1));
    const bt_tensor loss = bt_tensor_mse(bt_tensor_embedding(table, index), target);
    const double t[3] = {3, 6, 9}, expected[4] = {0, -8, 0, -4};
    double gradient[4];
    ct_assert_ok(bt_graph_plan(g, loss, &diag), &diag);
    assert_true(bt_tensor_write(target, t));
    memcpy(bt_tensor_u32(index), (const uint32_t[]){1, 3, 1}, 3 * sizeof(uint32_t));
    for (int times = 0; times < 2; times++) {
        ct_assert_ok(bt_graph_forward(g, &diag), &diag);
        bt_graph_backward(g);
        assert_true(bt_tensor_read_gradient(table, gradient));
        ct_assert_array_near(gradient, expected, 4, 1e-14, 0);
    }
    bt_graph_destroy(g);
}

static void test_real_numbers_are_no_indices(void **state)
{
    (void)state;
    for (int loss = 0; loss < 2; loss++) {
        ct_diag diag;
        bt_graph *g = new_graph(BT_F32);
        const bt_tensor x = bt_input(g, bt_shape2(4, 3)), index = bt_input(g, bt_shape1(4));
        const bt_tensor y =
            loss ? bt_tensor_cross_entropy(x, index) : bt_tensor_embedding(x, index);
        ct_assert_status(bt_graph_plan(g, y, &diag), BT_ESHAPE, &diag);
        ct_assert_contains(diag.text, "operand 2 holds real numbers and not indices");
        bt_graph_destroy(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ignored_targets),
        cmocka_unit_test(test_large_logits),
        cmocka_unit_test(test_binary_large_logits),
        cmocka_unit_test(test_indices_out_of_range),
        cmocka_unit_test(test_embedding_rows_add),
        cmocka_unit_test(test_real_numbers_are_no_indices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
