// SPDX-License-Identifier: MIT
/* What the declarations of attention do not show: who sees whom, large scores, several blocks of
 * positions, and that both ways of computing agree. */
#include "ct_test.h"
#include "tensor_cases_attention.h"

#include <ctrain/rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct model {
    bt_graph *g;
    bt_tensor qkv, y, w, loss;
    size_t n, n_out;
    double *x, *out, *gradient, *weight;
} model;

/* loss = sum of w y, with normal deviates for qkv and w. */
static void start(model *m, bt_dtype dtype, bt_shape shape, size_t heads, bool causal)
{
    ct_diag diag;
    ct_rng rng;
    ct_assert_ok(bt_graph_create(&m->g, dtype), NULL);
    m->qkv = bt_parameter(m->g, "qkv", shape, bt_init_zeros());
    m->y = bt_tensor_keep(bt_tensor_attention(m->qkv, heads, causal));
    m->n = bt_tensor_size(m->qkv);
    m->n_out = bt_tensor_size(m->y);
    m->w = bt_input(m->g, bt_shape2(1, m->n_out));
    m->loss = bt_tensor_linear(bt_tensor_reshape(m->y, bt_shape2(1, m->n_out)), m->w,
                               bt_tensor_none(m->g), BT_IDENTITY);
    ct_assert_ok(bt_graph_plan(m->g, m->loss, &diag), &diag);
    m->x = malloc(m->n * sizeof(double));
    m->gradient = malloc(m->n * sizeof(double));
    m->out = malloc(m->n_out * sizeof(double));
    m->weight = malloc(m->n_out * sizeof(double));
    ct_rng_init(&rng, 9, CT_RNG_USER, 0, 0);
    for (size_t i = 0; i < m->n; i++)
        m->x[i] = ct_rng_normal(&rng);
    for (size_t i = 0; i < m->n_out; i++)
        m->weight[i] = ct_rng_normal(&rng);
    assert_true(bt_tensor_write(m->w, m->weight));
}

static double run(model *m)
{
    ct_diag diag;
    assert_true(bt_tensor_write(m->qkv, m->x));
    ct_assert_ok(bt_graph_forward(m->g, &diag), &diag);
    bt_graph_backward(m->g);
    assert_true(bt_tensor_read(m->y, m->out) && bt_tensor_read_gradient(m->qkv, m->gradient));
    return bt_tensor_value(m->loss);
}

static void stop(model *m)
{
    bt_graph_destroy(m->g);
    free(m->x);
    free(m->gradient);
    free(m->out);
    free(m->weight);
}

/* Values against the definition, gradients along a direction against central differences, set and
 * then added. */
static void check(bt_shape shape, size_t heads, bool causal)
{
    model m;
    ct_rng rng;
    start(&m, BT_F64, shape, heads, causal);
    double *expected = malloc(m.n_out * sizeof *expected), *v = malloc(m.n * sizeof *v);
    double along = 0, sum = 0, ends[2];
    reference_attention(expected, m.x, &shape, heads, causal);
    run(&m);
    ct_assert_array_near(m.out, expected, m.n_out, 1e-12, 1e-12);
    ct_rng_init(&rng, 10, CT_RNG_USER, 0, 0);
    for (size_t i = 0; i < m.n; i++) {
        v[i] = ct_rng_normal(&rng);
        along += v[i] * m.gradient[i];
    }
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < m.n; i++)
            m.x[i] += (side ? -2e-5 : 1e-5) * v[i];
        ends[side] = run(&m);
    }
    ct_assert_near(along, (ends[0] - ends[1]) / 2e-5, 1e-7, 1e-6);

    ct_diag diag;
    memcpy(v, m.gradient, m.n * sizeof *v);
    ct_assert_ok(bt_graph_forward(m.g, &diag), &diag);
    bt_graph_backward_add(m.g, 2);
    assert_true(bt_tensor_read_gradient(m.qkv, m.gradient));
    for (size_t i = 0; i < m.n; i++) {
        v[i] *= 3;
        sum += fabs(v[i]);
    }
    assert_true(sum > 0);
    ct_assert_array_near(m.gradient, v, m.n, 1e-12, 1e-12);
    free(expected);
    free(v);
    stop(&m);
}

static void test_several_blocks(void **state)
{
    (void)state;
    for (int causal = 0; causal < 2; causal++) {
        check(bt_shape3(2, 70, 3 * 40), 2, causal);
        check(bt_shape3(1, 64, 3 * 20), 1, causal);
    }
}

static void test_several_groups_of_lanes(void **state)
{
    (void)state;
    for (int causal = 0; causal < 2; causal++) {
        check(bt_shape3(7, 8, 3 * 24), 6, causal);
        check(bt_shape3(5, 9, 3 * 10), 2, causal);
    }
}

/* A later position changes nothing before it, and gets no gradient from it; where attention is not
 * causal it does. */
static void check_mask(size_t width, bool causal)
{
    enum { T = 6, CHANGED = 3 };
    model m;
    start(&m, BT_F32, bt_shape3(1, T, 3 * width), 1, causal);
    double *before = malloc(m.n_out * sizeof *before), difference = 0;
    run(&m);
    memcpy(before, m.out, m.n_out * sizeof *before);
    for (size_t i = CHANGED * 3 * width; i < m.n; i++)
        m.x[i] = 5 - m.x[i];
    run(&m);
    for (size_t i = 0; i < CHANGED * width; i++)
        difference += fabs(m.out[i] - before[i]);
    assert_true(causal ? difference == 0 : difference > 0.1);
    // Only the results before the change count.
    for (size_t i = CHANGED * width; i < m.n_out; i++)
        m.weight[i] = 0;
    assert_true(bt_tensor_write(m.w, m.weight));
    run(&m);
    difference = 0;
    for (size_t i = CHANGED * 3 * width; i < m.n; i++)
        difference += fabs(m.gradient[i]);
    assert_true(causal ? difference == 0 : difference > 0.1);
    free(before);
    stop(&m);
}

static void test_mask(void **state)
{
    (void)state;
    for (int causal = 0; causal < 2; causal++) {
        check_mask(4, causal);
        check_mask(20, causal);
    }
}

/* Heads with different queries and keys weigh the same values differently. */
static void test_heads_differ(void **state)
{
    (void)state;
    const size_t widths[] = {4, 20};
    for (size_t k = 0; k < 2; k++) {
        const size_t width = widths[k], row = 6 * width;
        model m;
        start(&m, BT_F32, bt_shape3(1, 3, row), 2, false);
        for (size_t t = 0; t < 3; t++)
            for (size_t d = 0; d < width; d++)
                m.x[t * row + 5 * width + d] = m.x[t * row + 4 * width + d];
        run(&m);
        double difference = 0;
        for (size_t d = 0; d < width; d++)
            difference += fabs(m.out[d] - m.out[width + d]);
        assert_true(difference > 0.01);
        stop(&m);
    }
}

/* One position sees itself only: y = v, and queries and keys have no gradient. */
static void test_one_position(void **state)
{
    (void)state;
    const size_t widths[] = {4, 20};
    for (size_t k = 0; k < 2; k++) {
        const size_t width = widths[k];
        double *zeros = calloc(2 * width, sizeof *zeros);
        model m;
        start(&m, BT_F64, bt_shape3(1, 1, 3 * width), 1, true);
        run(&m);
        ct_assert_array_near(m.out, m.x + 2 * width, width, 1e-15, 0);
        ct_assert_array_near(m.gradient, zeros, 2 * width, 0, 1e-15);
        ct_assert_array_near(m.gradient + 2 * width, m.weight, width, 1e-15, 0);
        free(zeros);
        stop(&m);
    }
}

/* Scores of 1e6: the largest takes all. */
static void test_large_scores(void **state)
{
    (void)state;
    const size_t widths[] = {4, 20};
    for (size_t k = 0; k < 2; k++) {
        const size_t width = widths[k], row = 3 * width;
        model m;
        start(&m, BT_F32, bt_shape3(1, 3, row), 1, false);
        for (size_t t = 0; t < 3; t++)
            for (size_t d = 0; d < width; d++) {
                m.x[t * row + d] = t == 1 ? -1e3 : 1e3;
                m.x[t * row + width + d] = 1e3 * (double)t;
                m.x[t * row + 2 * width + d] = (double)(t * width + d);
            }
        run(&m);
        for (size_t d = 0; d < width; d++) {
            ct_assert_near(m.out[d], (double)(2 * width + d), 1e-6, 0);
            ct_assert_near(m.out[width + d], (double)d, 1e-6, 0);
        }
        for (size_t i = 0; i < m.n; i++)
            assert_true(isfinite(m.gradient[i]));
        stop(&m);
    }
}

static void test_heads_must_divide(void **state)
{
    (void)state;
    const size_t heads[] = {0, 4, SIZE_MAX / 2};
    for (size_t i = 0; i < 3; i++) {
        ct_diag diag;
        bt_graph *g;
        ct_assert_ok(bt_graph_create(&g, BT_F32), NULL);
        const bt_tensor y = bt_tensor_attention(bt_input(g, bt_shape3(2, 3, 18)), heads[i], true);
        ct_assert_status(bt_graph_plan(g, y, &diag), BT_ESHAPE, &diag);
        ct_assert_contains(diag.text, "attention: qkv (2, 3, 18)");
        bt_graph_destroy(g);
    }
    assert_non_null(attention_cases[0].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several_blocks),
        cmocka_unit_test(test_several_groups_of_lanes),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_heads_differ),
        cmocka_unit_test(test_one_position),
        cmocka_unit_test(test_large_scores),
        cmocka_unit_test(test_heads_must_divide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
