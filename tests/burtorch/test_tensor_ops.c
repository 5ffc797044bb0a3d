// SPDX-License-Identifier: MIT
/* Every operation on tensors, from its declaration: values against the definition in double,
 * gradients against central differences of that definition, along every coordinate and a random
 * direction; set, added and accumulated; every instruction set, both precisions; shapes that do not
 * fit. */
#include "ct_test.h"
#include "graph_private.h"

#include "tensor_cases.h"

#include <ctrain/rng.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- One case in one precision on one instruction set ---- */

typedef struct trial {
    const tensor_case *c;
    inputs in;
    size_t sizes[CASE_MAX_INPUTS];
    double *x[CASE_MAX_INPUTS];
    size_t size; // of the result
    double *weight, *expected;
    bt_graph *g;
    bt_tensor tensors[CASE_MAX_INPUTS], result, sum;
} trial;

static size_t size_of(const bt_shape *shape)
{
    size_t n = 1;
    for (size_t i = 0; i < shape->axes; i++)
        n *= shape->dims[i];
    return n;
}

static void draw_inputs(trial *t, ct_rng *rng)
{
    for (size_t j = 0; j < t->in.n; j++) {
        t->sizes[j] = size_of(&t->in.shapes[j]);
        t->x[j] = malloc(t->sizes[j] * sizeof(double));
        for (size_t i = 0; i < t->sizes[j]; i++) {
            const double u = ct_rng_uniform(rng);
            t->x[j][i] = t->in.bounds[j]          ? (double)ct_rng_below(rng, t->in.bounds[j])
                         : t->c->low < t->c->high ? t->c->low + (t->c->high - t->c->low) * u
                                                  : ct_rng_normal(rng);
            // The same numbers in both precisions.
            t->x[j][i] = (double)(float)t->x[j][i];
        }
    }
}

/* sum of w_i out_i, and the same twice where `twice`: so the gradient is first set, then added. */
static void build(trial *t, bt_dtype dtype, ct_simd simd, bool twice)
{
    ct_diag diag;
    ct_assert_ok(bt_graph_create(&t->g, dtype), NULL);
    t->g->simd = simd;
    for (size_t j = 0; j < t->in.n; j++)
        t->tensors[j] = declare_input(t->g, &t->in, j);
    t->result = t->c->build(t->tensors);
    if (bt_tensor_size(t->result) == 0) {
        print_error("%s: %s\n", t->c->name, t->g->diag.text);
        fail();
    }
    t->size = bt_tensor_size(t->result);
    const bt_tensor none = bt_tensor_none(t->g);
    const bt_tensor w = bt_input(t->g, bt_shape2(1, t->size));
    bt_tensor_keep(t->result);
    bt_tensor flat = bt_tensor_reshape(t->result, bt_shape2(1, t->size));
    t->sum = bt_tensor_linear(flat, w, none, BT_IDENTITY);
    if (twice) {
        flat = bt_tensor_reshape(t->c->build(t->tensors), bt_shape2(1, t->size));
        const bt_tensor again = bt_tensor_linear(flat, w, none, BT_IDENTITY);
        const bt_tensor one = bt_input(t->g, bt_shape2(1, 1));
        t->sum = bt_tensor_linear(t->sum, one, bt_tensor_reshape(again, bt_shape1(1)), BT_IDENTITY);
        ct_assert_ok(bt_graph_plan(t->g, t->sum, &diag), &diag);
        const double number = 1.0;
        assert_true(bt_tensor_write(one, &number));
    } else {
        ct_assert_ok(bt_graph_plan(t->g, t->sum, &diag), &diag);
    }
    if (!t->weight) {
        ct_rng rng;
        ct_rng_init(&rng, 5, CT_RNG_USER, 0, 0);
        t->weight = malloc(t->size * sizeof(double));
        for (size_t i = 0; i < t->size; i++)
            t->weight[i] = (double)(float)ct_rng_normal(&rng);
    }
    assert_true(bt_tensor_write(w, t->weight));
    for (size_t j = 0; j < t->in.n; j++)
        assert_true(bt_tensor_write(t->tensors[j], t->x[j]));
}

static double reference_sum(const trial *t, double *scratch)
{
    double sum = 0;
    t->c->reference(scratch, (const double *const *)t->x, t->in.shapes);
    for (size_t i = 0; i < t->size; i++)
        sum += t->weight[i] * scratch[i];
    return sum;
}

static double tolerance(const trial *t, bt_dtype dtype)
{
    return (dtype == BT_F32 ? 2e-5 : 1e-10) * (t->c->slack > 0 ? t->c->slack : 1);
}

static void check_values(const trial *t, bt_dtype dtype)
{
    double *out = malloc(t->size * sizeof *out), *expected = malloc(t->size * sizeof *expected);
    const double tol = tolerance(t, dtype);
    t->c->reference(expected, (const double *const *)t->x, t->in.shapes);
    assert_true(bt_tensor_read(t->result, out));
    ct_assert_array_near(out, expected, t->size, tol, tol);
    free(out);
    free(expected);
}

/* Gradients by input j against central differences, `times` as large. */
static void check_gradient(trial *t, size_t j, bt_dtype dtype, double times)
{
    const double tol = 5 * tolerance(t, dtype) + 1e-7;
    double *gradient = malloc(t->sizes[j] * sizeof *gradient);
    double *scratch = malloc(t->size * sizeof *scratch), *x = t->x[j], scale = 1;
    assert_true(bt_tensor_read_gradient(t->tensors[j], gradient));
    for (size_t i = 0; i < t->sizes[j]; i++)
        scale = fmax(scale, fabs(gradient[i]));
    for (size_t i = 0; i < t->sizes[j]; i++) {
        const double keep = x[i], h = 1e-5;
        x[i] = keep + h;
        const double up = reference_sum(t, scratch);
        x[i] = keep - h;
        const double down = reference_sum(t, scratch);
        x[i] = keep;
        ct_assert_near_at(gradient[i], times * (up - down) / (2 * h), tol, tol * scale, (long)i,
                          t->c->name, (int)j);
    }
    free(gradient);
    free(scratch);
}

/* The same along one random direction of all inputs at once. */
static void check_direction(trial *t, bt_dtype dtype)
{
    ct_rng rng;
    ct_rng_init(&rng, 6, CT_RNG_USER, 0, 0);
    double along = 0, scale = 1, ends[2];
    double *direction[CASE_MAX_INPUTS] = {NULL}, *scratch = malloc(t->size * sizeof *scratch);
    for (size_t j = 0; j < t->in.n; j++) {
        double *gradient = malloc(t->sizes[j] * sizeof *gradient);
        direction[j] = calloc(t->sizes[j], sizeof(double));
        if (!t->in.bounds[j] && bt_tensor_read_gradient(t->tensors[j], gradient))
            for (size_t i = 0; i < t->sizes[j]; i++) {
                direction[j][i] = ct_rng_normal(&rng);
                along += direction[j][i] * gradient[i];
                scale += fabs(direction[j][i] * gradient[i]);
            }
        free(gradient);
    }
    for (int side = 0; side < 2; side++) {
        const double h = side ? -2e-5 : 1e-5; // +h, then back over 0 to -h
        for (size_t j = 0; j < t->in.n; j++)
            for (size_t i = 0; i < t->sizes[j]; i++)
                t->x[j][i] += h * direction[j][i];
        ends[side] = reference_sum(t, scratch);
    }
    for (size_t j = 0; j < t->in.n; j++) {
        for (size_t i = 0; i < t->sizes[j]; i++)
            t->x[j][i] = (double)(float)(t->x[j][i] + 1e-5 * direction[j][i]);
        free(direction[j]);
    }
    const double tol = 5 * tolerance(t, dtype) + 1e-6;
    ct_assert_near(along, (ends[0] - ends[1]) / 2e-5, tol, tol * scale);
    free(scratch);
}

static void run(trial *t)
{
    ct_diag diag;
    ct_assert_ok(bt_graph_forward(t->g, &diag), &diag);
    bt_graph_backward(t->g);
}

static void check_gradients(trial *t, bt_dtype dtype, double times)
{
    for (size_t j = 0; j < t->in.n; j++)
        if (!t->in.bounds[j] &&
            bt_tensor_gradient_f32(t->tensors[j]) != (float *)bt_tensor_gradient_f64(t->tensors[j]))
            check_gradient(t, j, dtype, times);
}

static void check_case(const tensor_case *c, bt_dtype dtype, ct_simd simd)
{
    ct_rng rng;
    trial t = {.c = c};
    ct_rng_init(&rng, 3, CT_RNG_USER, 0, 0);
    read_inputs(&t.in, c->inputs);
    draw_inputs(&t, &rng);
    build(&t, dtype, simd, false);
    run(&t);
    check_values(&t, dtype);
    check_gradients(&t, dtype, 1);
    run(&t); // nothing is left over from the first time
    check_gradients(&t, dtype, 1);
    ct_diag diag;
    ct_assert_ok(bt_graph_forward(t.g, &diag), &diag);
    bt_graph_backward_add(t.g, 0.5);
    check_gradients(&t, dtype, 1.5);
    run(&t);
    check_direction(&t, dtype);
    bt_graph_destroy(t.g);
    build(&t, dtype, simd, true);
    run(&t);
    check_gradients(&t, dtype, 2);
    bt_graph_destroy(t.g);
    for (size_t j = 0; j < t.in.n; j++)
        free(t.x[j]);
    free(t.weight);
}

static void test_every_case(void **state)
{
    (void)state;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (size_t i = 0; i < families[f].n; i++)
            for (int dtype = BT_F32; dtype <= BT_F64; dtype++)
                for (ct_simd simd = CT_SIMD_SCALAR; simd <= ct_cpu_simd(); simd++)
                    if (ct_kernels_of(simd))
                        check_case(&families[f].cases[i], (bt_dtype)dtype, simd);
}

/* ---- Shapes that do not fit ---- */

static void check_bad(const tensor_case *c, const inputs *in)
{
    bt_graph *g;
    ct_diag diag;
    char text[BT_SHAPE_TEXT_SIZE];
    bt_tensor tensors[CASE_MAX_INPUTS];
    ct_assert_ok(bt_graph_create(&g, BT_F32), NULL);
    for (size_t j = 0; j < in->n; j++)
        tensors[j] = declare_input(g, in, j);
    const bt_tensor result = c->build(tensors);
    if (bt_tensor_size(result) != 0)
        print_error("%s takes shapes it must refuse\n", c->name);
    assert_int_equal(bt_tensor_size(result), 0);
    ct_assert_status(bt_graph_plan(g, result, &diag), BT_ESHAPE, &diag);
    bool indices = false, seen = false;
    for (size_t j = 0; j < in->n; j++) {
        seen |= strstr(diag.text, bt_shape_text(text, &in->shapes[j])) != NULL;
        indices |= in->bounds[j] != 0;
    }
    if (!seen && !indices)
        print_error("%s: \"%s\" names no shape\n", c->name, diag.text);
    assert_true(seen || indices);
    bt_graph_destroy(g);
}

static void test_bad_shapes(void **state)
{
    (void)state;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (size_t i = 0; i < families[f].n; i++) {
            const char *text = families[f].cases[i].bad;
            inputs in;
            while (text && *text) {
                text = read_inputs(&in, text);
                check_bad(&families[f].cases[i], &in);
            }
        }
}

/* Every row of the table that has code is reached by a declaration. */
static void test_every_row_is_declared(void **state)
{
    (void)state;
    bool seen[BT__TENSOR_OPS] = {false};
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (size_t i = 0; i < families[f].n; i++) {
            bt_graph *g;
            inputs in;
            bt_tensor tensors[CASE_MAX_INPUTS];
            ct_assert_ok(bt_graph_create(&g, BT_F64), NULL);
            read_inputs(&in, families[f].cases[i].inputs);
            for (size_t j = 0; j < in.n; j++)
                tensors[j] = declare_input(g, &in, j);
            families[f].cases[i].build(tensors);
            for (size_t k = 0; k < g->n_nodes; k++)
                seen[g->nodes[k].op] = true;
            bt_graph_destroy(g);
        }
    for (size_t op = BT__VIEW + 1; op < BT__TENSOR_OPS; op++) {
        if (!seen[op])
            print_error("no declaration of %s\n", bt__tensor_ops[op].name);
        assert_true(seen[op]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_case),
        cmocka_unit_test(test_bad_shapes),
        cmocka_unit_test(test_every_row_is_declared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
