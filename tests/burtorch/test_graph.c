// SPDX-License-Identifier: MIT
/* Graphs of tensors as such: errors of building and planning, shared parameters, memory that is
 * used again, views, first parameters, inspection; steps that allocate nothing. (The operations are
 * in test_tensor_ops.c.) */
#include "ct_test.h"
#include "graph_private.h"

#include <burtorch/inspect.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { B = 6, D = 5, H = 7, C = 3 };

typedef struct net {
    bt_graph *g;
    bt_tensor x, target, w1, b1, w2, hidden, loss;
} net;

/* Two dense layers and a dense layer of one output on what they give: one number. */
static net new_net(bt_dtype dtype, size_t depth)
{
    net n;
    ct_assert_ok(bt_graph_create(&n.g, dtype), NULL);
    n.x = bt_input(n.g, bt_shape2(B, D));
    n.w1 = bt_parameter(n.g, "w1", bt_shape2(H, D), bt_init_kaiming(1));
    n.b1 = bt_parameter(n.g, "b1", bt_shape1(H), bt_init_constant(0.25));
    n.hidden = bt_tensor_linear(n.x, n.w1, n.b1, BT_TANH);
    bt_tensor y = n.hidden;
    for (size_t i = 0; i < depth; i++) {
        char name[16];
        snprintf(name, sizeof name, "deep%zu", i);
        const bt_tensor w = bt_parameter(n.g, name, bt_shape2(H, H), bt_init_xavier(1));
        y = bt_tensor_linear(y, w, bt_tensor_none(n.g), BT_TANH);
    }
    n.w2 = bt_parameter(n.g, "w2", bt_shape2(1, B * H), bt_init_normal(0.3));
    n.loss = bt_tensor_linear(bt_tensor_reshape(y, bt_shape2(1, B * H)), n.w2, bt_tensor_none(n.g),
                              BT_IDENTITY);
    return n;
}

static void fill_x(bt_tensor x)
{
    double values[B * D];
    for (size_t i = 0; i < B * D; i++)
        values[i] = sin((double)i + 0.5);
    assert_true(bt_tensor_write(x, values));
}

static void run(const net *n)
{
    ct_diag diag;
    ct_assert_ok(bt_graph_forward(n->g, &diag), &diag);
    bt_graph_backward(n->g);
}

static void test_gradients_of_a_net(void **state)
{
    (void)state;
    for (int dtype = BT_F32; dtype <= BT_F64; dtype++) {
        net n = new_net((bt_dtype)dtype, 3);
        ct_diag diag;
        bt_check_result result;
        bt_check_options o = bt_check_options_default();
        o.samples = 0;
        ct_assert_ok(bt_graph_plan(n.g, n.loss, &diag), &diag);
        fill_x(n.x);
        ct_assert_ok(bt_graph_check_gradients(n.g, &result, &o, &diag), &diag);
        assert_int_equal(result.checked, bt_graph_parameter_elements(n.g));
        assert_int_equal(result.wrong, 0);
        // A check that cannot fail is none: a gradient of another loss is noticed.
        o.tolerance = 1e-30;
        ct_assert_ok(bt_graph_check_gradients(n.g, &result, &o, &diag), &diag);
        assert_true(result.wrong > 0);
        bt_graph_destroy(n.g);
    }
}

/* The same gradients whether every value stays or memory is used again. */
static void test_reuse_changes_nothing(void **state)
{
    (void)state;
    enum { DEPTH = 12 };
    double gradients[2][H * D], hidden[B * H];
    size_t bytes[2];
    for (int keep = 0; keep < 2; keep++) {
        net n = new_net(BT_F64, DEPTH);
        ct_diag diag;
        for (size_t i = 0; keep && i < n.g->n_nodes; i++) {
            const bt_tensor node = {n.g, (uint32_t)i};
            bt_tensor_keep(node);
        }
        ct_assert_ok(bt_graph_plan(n.g, n.loss, &diag), &diag);
        fill_x(n.x);
        run(&n);
        run(&n);
        assert_true(bt_tensor_read_gradient(n.w1, gradients[keep]));
        assert_int_equal(bt_tensor_read(n.hidden, hidden), keep);
        assert_int_equal(bt_tensor_f64(n.hidden) != NULL, keep);
        bytes[keep] = bt_graph_memory(n.g).activations;
        assert_true(keep || bt_graph_memory(n.g).activations_without_reuse > bytes[keep]);
        bt_graph_destroy(n.g);
    }
    ct_assert_array_near(gradients[0], gradients[1], H * D, 0, 0);
    assert_true(bytes[0] < bytes[1]);
}

/* Arrays that live at the same time never overlap: checked on the layout itself. */
static void test_arrays_do_not_overlap(void **state)
{
    (void)state;
    net n = new_net(BT_F32, 9);
    ct_diag diag;
    ct_assert_ok(bt_graph_plan(n.g, n.loss, &diag), &diag);
    for (size_t i = 0; i < n.g->n_nodes; i++) {
        const bt__node *a = &n.g->nodes[i];
        for (size_t k = 0; k < a->n_in; k++) {
            const bt__node *in = &n.g->nodes[a->in[k]];
            if (a->op == BT__VIEW || in->op == BT__VIEW)
                continue;
            const char *p = a->value, *q = in->value, *d = a->gradient, *e = in->gradient;
            assert_true(p + a->size * 4 <= q || q + in->size * 4 <= p);
            if (d && e)
                assert_true(d + a->size * 4 <= e || e + in->size * 4 <= d);
            if (d)
                assert_true(d + a->size * 4 <= q || q + in->size * 4 <= d);
        }
    }
    bt_graph_destroy(n.g);
}

static void test_backward_once_a_forward(void **state)
{
    (void)state;
    net n = new_net(BT_F64, 2);
    ct_diag diag;
    double first[H * D], again[H * D];
    bt_graph_backward(n.g); // not planned: nothing
    ct_assert_status(bt_graph_forward(n.g, &diag), CT_EINVALID, &diag);
    ct_assert_ok(bt_graph_plan(n.g, n.loss, &diag), &diag);
    fill_x(n.x);
    run(&n);
    assert_true(bt_tensor_read_gradient(n.w1, first));
    bt_graph_backward(n.g);
    assert_true(bt_tensor_read_gradient(n.w1, again));
    ct_assert_array_near(again, first, H * D, 0, 0);
    bt_graph_destroy(n.g);
}

static void test_wanted_gradient_of_an_input(void **state)
{
    (void)state;
    net n = new_net(BT_F64, 1);
    ct_diag diag;
    double gradient[B * D], x[B * D];
    bt_tensor_want_gradient(n.x);
    ct_assert_ok(bt_graph_plan(n.g, n.loss, &diag), &diag);
    fill_x(n.x);
    run(&n);
    assert_true(bt_tensor_read_gradient(n.x, gradient));
    assert_true(bt_tensor_read(n.x, x));
    for (size_t i = 0; i < B * D; i++) {
        double ends[2];
        for (int side = 0; side < 2; side++) {
            bt_tensor_f64(n.x)[i] = x[i] + (side ? -1e-6 : 1e-6);
            ct_assert_ok(bt_graph_forward(n.g, &diag), &diag);
            ends[side] = bt_tensor_value(n.loss);
        }
        bt_tensor_f64(n.x)[i] = x[i];
        ct_assert_near(gradient[i], (ends[0] - ends[1]) / 2e-6, 1e-6, 1e-8);
    }
    bt_graph_destroy(n.g);
}

static void test_shared_parameters(void **state)
{
    (void)state;
    net a = new_net(BT_F64, 1), b = new_net(BT_F64, 1), c = new_net(BT_F64, 2);
    ct_diag diag;
    bt_graph_share(b.g, a.g);
    ct_assert_status(bt_graph_plan(b.g, b.loss, &diag), CT_EINVALID, &diag);
    ct_assert_ok(bt_graph_plan(a.g, a.loss, &diag), &diag);
    ct_assert_ok(bt_graph_plan(b.g, b.loss, &diag), &diag);
    assert_ptr_equal(bt_tensor_f64(a.w1), bt_tensor_f64(b.w1));
    assert_int_equal(bt_graph_memory(b.g).parameters, 0);
    fill_x(a.x);
    fill_x(b.x);
    bt_tensor_f64(a.w1)[3] = 0.75;
    run(&a);
    run(&b);
    ct_assert_near(bt_tensor_value(b.loss), bt_tensor_value(a.loss), 0, 0);
    assert_ptr_not_equal(bt_tensor_gradient_f64(a.w1), bt_tensor_gradient_f64(b.w1));
    bt_graph_share(c.g, a.g);
    ct_assert_status(bt_graph_plan(c.g, c.loss, &diag), CT_ENOTFOUND, &diag);
    ct_assert_contains(diag.text, "'deep1'");
    bt_graph_destroy(c.g);
    bt_graph_destroy(b.g);
    bt_graph_destroy(a.g);
}

static void test_shape_of_shared_parameter(void **state)
{
    (void)state;
    bt_graph *a, *b;
    ct_diag diag;
    ct_assert_ok(bt_graph_create(&a, BT_F32), NULL);
    ct_assert_ok(bt_graph_create(&b, BT_F32), NULL);
    bt_parameter(a, "w", bt_shape2(2, 3), bt_init_zeros());
    bt_parameter(b, "w", bt_shape2(3, 2), bt_init_zeros());
    ct_assert_ok(bt_graph_plan(a, bt_tensor_none(a), &diag), &diag);
    bt_graph_share(b, a);
    ct_assert_status(bt_graph_plan(b, bt_tensor_none(b), &diag), BT_ESHAPE, &diag);
    ct_assert_contains(diag.text, "(3, 2)");
    ct_assert_contains(diag.text, "(2, 3)");
    bt_graph_destroy(b);
    bt_graph_destroy(a);
}

static void test_errors_of_building(void **state)
{
    (void)state;
    ct_diag diag;
    bt_graph *g;
    ct_assert_status(bt_graph_create(&g, BT_U32), CT_EINVALID, NULL);
    assert_null(g);
    net a = new_net(BT_F32, 0), b = new_net(BT_F32, 0);
    const bt_tensor mixed = bt_tensor_linear(a.x, b.w1, b.b1, BT_RELU);
    assert_int_equal(mixed.index, BT_NO_TENSOR);
    ct_assert_status(bt_graph_plan(a.g, a.loss, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "different graphs");
    ct_assert_status(bt_graph_plan(b.g, a.loss, &diag), CT_EINVALID, &diag);
    ct_assert_status(bt_graph_plan(b.g, b.hidden, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "one real number of this graph, not (6, 7)");
    ct_assert_ok(bt_graph_plan(b.g, b.loss, &diag), &diag);
    ct_assert_status(bt_graph_plan(b.g, b.loss, &diag), CT_EINVALID, &diag);
    bt_tensor_reshape(b.x, bt_shape1(B * D)); // too late
    ct_assert_status(bt_graph_plan(b.g, b.loss, &diag), CT_EINVALID, &diag);
    bt_graph_destroy(a.g);
    bt_graph_destroy(b.g);

    ct_assert_ok(bt_graph_create(&g, BT_F32), NULL);
    bt_tensor x = bt_input(g, bt_shape4(SIZE_MAX / 8, 16, 2, 2));
    assert_int_equal(x.index, BT_NO_TENSOR);
    ct_assert_status(bt_graph_plan(g, x, &diag), BT_ESHAPE, &diag);
    bt_graph_destroy(g);

    ct_assert_ok(bt_graph_create(&g, BT_F32), NULL);
    bt_parameter(g, "w", bt_shape1(2), bt_init_zeros());
    bt_parameter(g, "w", bt_shape1(2), bt_init_zeros());
    ct_assert_status(bt_graph_plan(g, bt_tensor_none(g), &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "'w'");
    bt_graph_destroy(g);
}

static void test_first_parameters(void **state)
{
    (void)state;
    bt_graph *g;
    ct_diag diag;
    ct_assert_ok(bt_graph_create(&g, BT_F64), NULL);
    bt_graph_set_seed(g, 9);
    const bt_tensor k = bt_parameter(g, "k", bt_shape2(200, 50), bt_init_kaiming(2));
    const bt_tensor x = bt_parameter(g, "x", bt_shape2(200, 50), bt_init_xavier(1));
    const bt_tensor u = bt_parameter(g, "u", bt_shape1(5000), bt_init_uniform(0.5));
    const bt_tensor conv = bt_parameter(g, "c", bt_shape4(20, 10, 5, 5), bt_init_kaiming(1));
    ct_assert_ok(bt_graph_plan(g, bt_tensor_none(g), &diag), &diag);
    const struct {
        bt_tensor tensor;
        double deviation;
    } cases[] = {
        {k, 2 / sqrt(50.0)}, {x, sqrt(2.0 / 250.0)}, {u, 0.5 / sqrt(3.0)}, {conv, 1 / sqrt(250.0)}};
    for (size_t i = 0; i < 4; i++) {
        const size_t n = bt_tensor_size(cases[i].tensor);
        double sum = 0, squares = 0;
        for (size_t j = 0; j < n; j++) {
            sum += bt_tensor_f64(cases[i].tensor)[j];
            squares += pow(bt_tensor_f64(cases[i].tensor)[j], 2);
        }
        ct_assert_near(sum / (double)n, 0, 0, 5 * cases[i].deviation / sqrt((double)n));
        ct_assert_near(sqrt(squares / (double)n), cases[i].deviation, 0.05, 0);
    }
    assert_true(bt_tensor_f64(k)[0] != bt_tensor_f64(x)[0] * (2 / sqrt(50.0)) / sqrt(2.0 / 250.0));
    bt_graph_destroy(g);
}

static void test_views_read_and_write(void **state)
{
    (void)state;
    bt_graph *g;
    ct_diag diag;
    double out[4], in[4] = {-1, -2, -3, -4};
    ct_assert_ok(bt_graph_create(&g, BT_F32), NULL);
    const bt_tensor x = bt_input(g, bt_shape2(3, 4));
    const bt_tensor v = bt_tensor_transpose(bt_tensor_slice(x, 1, 1, 3), 0, 1); // (2, 3)
    const bt_tensor w = bt_tensor_slice(v, -1, 0, 2);                           // (2, 2)
    const bt_tensor ids = bt_input_u32(g, bt_shape1(3));
    ct_assert_ok(bt_graph_plan(g, bt_tensor_none(g), &diag), &diag);
    for (size_t i = 0; i < 12; i++)
        bt_tensor_f32(x)[i] = (float)i;
    assert_true(bt_tensor_read(w, out));
    const double expected[] = {1, 5, 2, 6};
    ct_assert_array_near(out, expected, 4, 0, 0);
    assert_true(bt_tensor_write(w, in));
    assert_true(bt_tensor_f32(x)[5] == -2 && bt_tensor_f32(x)[2] == -3);
    assert_null(bt_tensor_f32(ids));
    assert_null(bt_tensor_u32(x));
    assert_false(bt_tensor_read_gradient(x, out));
    assert_true(isnan(bt_tensor_value(bt_tensor_none(g))));
    bt_graph_destroy(g);
}

static ct_status build_and_plan(void *context)
{
    ct_diag diag;
    bt_graph *g;
    (void)context;
    CT_TRY(bt_graph_create(&g, BT_F32));
    const bt_tensor x = bt_input(g, bt_shape2(2, 3));
    const bt_tensor w = bt_parameter(g, "w", bt_shape2(1, 3), bt_init_normal(1));
    const bt_tensor y = bt_tensor_linear(x, w, bt_tensor_none(g), BT_IDENTITY);
    const bt_tensor flat = bt_tensor_reshape(y, bt_shape2(1, 2));
    const bt_tensor v = bt_parameter(g, "v", bt_shape2(1, 2), bt_init_normal(1));
    const bt_tensor loss = bt_tensor_linear(flat, v, bt_tensor_none(g), BT_IDENTITY);
    const ct_status status = bt_graph_plan(g, loss, &diag);
    bt_graph_destroy(g);
    return status;
}

static void test_allocation_failures(void **state)
{
    (void)state;
    ct_assert_survives_allocation_failures(build_and_plan, NULL);
}

static void test_steps_allocate_nothing(void **state)
{
    (void)state;
    net n = new_net(BT_F32, 4);
    ct_diag diag;
    ct_assert_ok(bt_graph_plan(n.g, n.loss, &diag), &diag);
    fill_x(n.x);
    run(&n);
    ct_test_fail_allocation(1);
    for (int i = 0; i < 3; i++)
        run(&n);
    assert_false(ct_test_fail_allocation(0));
    bt_graph_destroy(n.g);
}

static void test_profile_and_picture(void **state)
{
    (void)state;
    net n = new_net(BT_F32, 1);
    ct_diag diag;
    bt_op_profile ops[4];
    assert_int_equal(bt_graph_profile_begin(n.g), CT_EINVALID);
    ct_assert_ok(bt_graph_plan(n.g, n.loss, &diag), &diag);
    fill_x(n.x);
    assert_int_equal(bt_graph_profile(n.g, ops, 4), 0);
    ct_assert_ok(bt_graph_profile_begin(n.g), NULL);
    run(&n);
    run(&n);
    assert_int_equal(bt_graph_profile(n.g, ops, 4), 1);
    assert_string_equal(ops[0].op, "linear");
    assert_int_equal(ops[0].nodes, 3);
    assert_int_equal(ops[0].calls, 6);
    assert_true(ops[0].forward_seconds > 0 && ops[0].backward_seconds > 0);

    char *path = ct_test_path("net.dot");
    ct_assert_ok(bt_graph_write_dot(n.g, path, &diag), &diag);
    char text[4096] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    ct_assert_contains(text, "linear\\n(6, 7)");
    ct_assert_contains(text, "parameter\\nw1\\n(7, 5)");
    ct_assert_contains(text, "n0 -> n3;");
    ct_assert_status(bt_graph_write_dot(n.g, "/nonexistent/x.dot", &diag), CT_ENOTFOUND, &diag);
    free(path);
    bt_graph_destroy(n.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_of_a_net),
        cmocka_unit_test(test_reuse_changes_nothing),
        cmocka_unit_test(test_arrays_do_not_overlap),
        cmocka_unit_test(test_backward_once_a_forward),
        cmocka_unit_test(test_wanted_gradient_of_an_input),
        cmocka_unit_test(test_shared_parameters),
        cmocka_unit_test(test_shape_of_shared_parameter),
        cmocka_unit_test(test_errors_of_building),
        cmocka_unit_test(test_first_parameters),
        cmocka_unit_test(test_views_read_and_write),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_steps_allocate_nothing),
        cmocka_unit_test(test_profile_and_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
