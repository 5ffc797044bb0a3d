// SPDX-License-Identifier: MIT
/* What differences cannot tell: derivatives at kinks and ties, NaN, dropout, and products so large
 * that BLAS computes them; on every instruction set. */
#include "ct_test.h"
#include "graph_private.h"

#include <ctrain/rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 8 };

typedef bt_tensor build_fn(const bt_tensor *in);

static bt_graph *graph_of(ct_simd simd, bt_dtype dtype)
{
    bt_graph *g;
    ct_assert_ok(bt_graph_create(&g, dtype), NULL);
    g->simd = simd;
    return g;
}

/* The gradients of the sum of build(x, z), x and z of n numbers, z NULL: without. */
static void expect_gradients(build_fn *build, const double *x, const double *z, size_t n,
                             const double *dx, const double *dz, ct_simd simd, bt_dtype dtype)
{
    ct_diag diag;
    double got[MOST];
    bt_graph *g = graph_of(simd, dtype);
    const bt_tensor in[] = {bt_parameter(g, "x", bt_shape1(n), bt_init_zeros()),
                            bt_parameter(g, "z", bt_shape1(n), bt_init_zeros())};
    const bt_tensor sum = bt_tensor_sum(build(in), BT_ALL_AXES);
    ct_assert_ok(bt_graph_plan(g, sum, &diag), &diag);
    assert_true(bt_tensor_write(in[0], x));
    if (z)
        assert_true(bt_tensor_write(in[1], z));
    ct_assert_ok(bt_graph_forward(g, &diag), &diag);
    bt_graph_backward(g);
    assert_true(bt_tensor_read_gradient(in[0], got));
    ct_assert_array_near(got, dx, n, 1e-6, 1e-7);
    if (dz) {
        assert_true(bt_tensor_read_gradient(in[1], got));
        ct_assert_array_near(got, dz, n, 1e-6, 1e-7);
    }
    bt_graph_destroy(g);
}

static void expect_everywhere(build_fn *build, const double *x, const double *z, size_t n,
                              const double *dx, const double *dz)
{
    for (int dtype = BT_F32; dtype <= BT_F64; dtype++)
        for (ct_simd simd = CT_SIMD_SCALAR; simd <= ct_cpu_simd(); simd++)
            if (ct_kernels_of(simd))
                expect_gradients(build, x, z, n, dx, dz, simd, (bt_dtype)dtype);
}

#define BUILD(name, value)                                                                         \
    static bt_tensor name(const bt_tensor *in)                                                     \
    {                                                                                              \
        return value;                                                                              \
    }
BUILD(abs_of, bt_tensor_abs(in[0]))
BUILD(relu_of, bt_tensor_relu(in[0]))
BUILD(leaky_of, bt_tensor_leaky_relu(in[0], 0.25))
BUILD(clamp_of, bt_tensor_clamp(in[0], -1, 2))
BUILD(square_of, bt_tensor_pow_const(in[0], 2))
BUILD(one_of, bt_tensor_pow_const(in[0], 0))
BUILD(min_of, bt_tensor_min(in[0], in[1]))
BUILD(max_of, bt_tensor_max(in[0], in[1]))
BUILD(pow_of, bt_tensor_pow(in[0], in[1]))
BUILD(select_of, bt_tensor_select(in[0], in[1], bt_tensor_mul_const(in[1], 3)))
BUILD(reduce_max_of, bt_tensor_reduce_max(in[0], 0))
BUILD(reduce_min_of, bt_tensor_reduce_min(in[0], 0))
BUILD(columns_max_of, bt_tensor_reduce_max(bt_tensor_reshape(in[0], bt_shape2(3, 2)), 0))
BUILD(norm_of, bt_tensor_norm(in[0], BT_ALL_AXES))
BUILD(lse_of, bt_tensor_log_sum_exp(in[0], BT_ALL_AXES))

static void test_kinks(void **state)
{
    (void)state;
    const double around[] = {-1, 0, 2, -0.0};
    expect_everywhere(abs_of, around, NULL, 4, (double[]){-1, 0, 1, 0}, NULL);
    expect_everywhere(relu_of, around, NULL, 4, (double[]){0, 0, 1, 0}, NULL);
    expect_everywhere(leaky_of, around, NULL, 4, (double[]){0.25, 0.25, 1, 0.25}, NULL);
    expect_everywhere(clamp_of, (double[]){-2, -1, 0, 2, 3}, NULL, 5, (double[]){0, .5, 1, .5, 0},
                      NULL);
    expect_everywhere(square_of, around, NULL, 4, (double[]){-2, 0, 4, 0}, NULL);
    expect_everywhere(one_of, around, NULL, 4, (double[]){0, 0, 0, 0}, NULL);
    expect_everywhere(pow_of, (double[]){0, 0, 2}, (double[]){2, 0, 0}, 3, (double[]){0, 0, 0},
                      NULL);
    expect_everywhere(norm_of, (double[]){0, 0, 0}, NULL, 3, (double[]){0, 0, 0}, NULL);
    expect_everywhere(norm_of, (double[]){3, 0, 4}, NULL, 3, (double[]){.6, 0, .8}, NULL);
}

static void test_ties(void **state)
{
    (void)state;
    const double x[] = {1, 2, 3}, z[] = {2, 2, 2};
    expect_everywhere(min_of, x, z, 3, (double[]){1, .5, 0}, (double[]){0, .5, 1});
    expect_everywhere(max_of, x, z, 3, (double[]){0, .5, 1}, (double[]){1, .5, 0});
    expect_everywhere(select_of, (double[]){-1, 0, 1}, z, 3, (double[]){0, 0, 0},
                      (double[]){3, 3, 1});
    const double equal[] = {1, 5, 5, 0, 0, 5};
    expect_everywhere(reduce_max_of, equal, NULL, 6, (double[]){0, 1, 0, 0, 0, 0}, NULL);
    expect_everywhere(reduce_min_of, equal, NULL, 6, (double[]){0, 0, 0, 1, 0, 0}, NULL);
    expect_everywhere(columns_max_of, equal, NULL, 6, (double[]){0, 1, 1, 0, 0, 0}, NULL);
}

static void test_infinities(void **state)
{
    (void)state;
    const double inf = (double)INFINITY;
    expect_everywhere(lse_of, (double[]){-inf, 0, 0}, NULL, 3, (double[]){0, .5, .5}, NULL);
    expect_everywhere(lse_of, (double[]){-inf, -inf}, NULL, 2, (double[]){0, 0}, NULL);
    expect_everywhere(lse_of, (double[]){1000, 800}, NULL, 2, (double[]){1, 0}, NULL);
}

/* NaN is the largest and the smallest, in rows and in columns; the first place of it is argmax. */
static void test_nan_wins(void **state)
{
    (void)state;
    ct_diag diag;
    for (ct_simd simd = CT_SIMD_SCALAR; simd <= ct_cpu_simd(); simd++) {
        double x[100] = {0}, y[5];
        bt_graph *g = graph_of(simd, BT_F32);
        const bt_tensor in = bt_input(g, bt_shape1(100));
        const bt_tensor columns = bt_tensor_reshape(in, bt_shape2(50, 2));
        const bt_tensor place = bt_tensor_keep(bt_tensor_argmax(in));
        const bt_tensor top = bt_tensor_keep(bt_tensor_reduce_max(in, 0));
        const bt_tensor least = bt_tensor_keep(bt_tensor_reduce_min(in, 0));
        const bt_tensor tops = bt_tensor_keep(bt_tensor_reduce_max(columns, 0));
        ct_assert_ok(bt_graph_plan(g, bt_tensor_none(g), &diag), &diag);
        x[76] = x[90] = (double)NAN;
        assert_true(bt_tensor_write(in, x));
        ct_assert_ok(bt_graph_forward(g, &diag), &diag);
        assert_int_equal(*bt_tensor_u32(place), 76);
        assert_true(bt_tensor_read(tops, y) && isnan(y[0]) && y[1] == 0);
        assert_true(isnan(bt_tensor_value(top)) && isnan(bt_tensor_value(least)));
        bt_graph_destroy(g);
    }
}

/* ---- Dropout ---- */

enum { DROPPED = 10007 };

typedef struct dropping {
    bt_graph *g;
    bt_tensor x, y, loss;
} dropping;

static dropping drop(double p, uint64_t seed, ct_simd simd)
{
    ct_diag diag;
    dropping d = {.g = graph_of(simd, BT_F64)};
    bt_graph_set_seed(d.g, seed);
    d.x = bt_parameter(d.g, "x", bt_shape1(DROPPED), bt_init_constant(1));
    d.y = bt_tensor_keep(bt_tensor_dropout(d.x, p));
    d.loss = bt_tensor_sum(d.y, BT_ALL_AXES);
    ct_assert_ok(bt_graph_plan(d.g, d.loss, &diag), &diag);
    return d;
}

static void run_dropping(const dropping *d, double *y, double *dx)
{
    ct_diag diag;
    ct_assert_ok(bt_graph_forward(d->g, &diag), &diag);
    bt_graph_backward(d->g);
    assert_true(bt_tensor_read(d->y, y));
    assert_true(bt_tensor_read_gradient(d->x, dx));
}

/* The mask is that of the stream (seed, dropout, node, step), word by word, and backward's too. */
static void test_dropout_mask(void **state)
{
    (void)state;
    const double p = 0.3;
    double *y = malloc(DROPPED * sizeof *y), *dx = malloc(DROPPED * sizeof *dx);
    for (ct_simd simd = CT_SIMD_SCALAR; simd <= ct_cpu_simd(); simd++)
        for (uint32_t step = 0; step < 2; step++) {
            ct_rng rng;
            double kept = 0;
            const dropping d = drop(p, 7, simd);
            bt_graph_set_step(d.g, step);
            run_dropping(&d, y, dx);
            ct_rng_init(&rng, 7, CT_RNG_DROPOUT, d.y.index, step);
            for (size_t i = 0; i < DROPPED; i++) {
                const bool keep = ct_rng_u32(&rng) >= (uint32_t)(p * 4294967296.0);
                ct_assert_near(y[i], keep ? 1 / (1 - p) : 0, 1e-15, 0);
                ct_assert_near(dx[i], y[i], 0, 0);
                kept += keep;
            }
            const double deviation = sqrt(DROPPED * p * (1 - p));
            assert_true(fabs(kept - DROPPED * (1 - p)) < 4 * deviation);
            bt_graph_destroy(d.g);
        }
    free(y);
    free(dx);
}

static void test_dropout_is_off(void **state)
{
    (void)state;
    double *y = malloc(DROPPED * sizeof *y), *dx = malloc(DROPPED * sizeof *dx);
    for (int off = 0; off < 2; off++) {
        const dropping d = drop(off ? 0.0 : 0.9, 1, ct_cpu_simd());
        bt_graph_set_training(d.g, off == 1);
        run_dropping(&d, y, dx);
        for (size_t i = 0; i < DROPPED; i++)
            assert_true(y[i] == 1 && dx[i] == 1);
        bt_graph_destroy(d.g);
    }
    free(y);
    free(dx);
}

/* ---- What is refused otherwise than by its shape ---- */

static void expect_refusal(bt_graph *g, ct_status status, const char *part)
{
    ct_diag diag;
    ct_assert_status(bt_graph_plan(g, bt_tensor_none(g), &diag), status, &diag);
    ct_assert_contains(diag.text, part);
    bt_graph_destroy(g);
}

static void test_refusals(void **state)
{
    (void)state;
    bt_tensor x[9];
    bt_graph *g = graph_of(ct_cpu_simd(), BT_F32);
    bt_tensor_clamp(bt_input(g, bt_shape1(2)), 1, 0);
    expect_refusal(g, CT_EINVALID, "clamp");
    g = graph_of(ct_cpu_simd(), BT_F32);
    bt_tensor_dropout(bt_input(g, bt_shape1(2)), 1);
    expect_refusal(g, CT_EINVALID, "dropout");
    g = graph_of(ct_cpu_simd(), BT_F32);
    bt_tensor_gather(bt_input(g, bt_shape2(2, 3)), bt_input(g, bt_shape1(2)));
    expect_refusal(g, BT_ESHAPE, "real numbers and not indices");
    g = graph_of(ct_cpu_simd(), BT_F32);
    for (size_t i = 0; i < 9; i++)
        x[i] = bt_input(g, bt_shape1(2));
    assert_int_equal(bt_tensor_size(bt_tensor_concat(x, 9, 0)), 0);
    expect_refusal(g, CT_EINVALID, "concat");
    assert_int_equal(bt_tensor_size(bt_tensor_concat(x, 0, 0)), 0);
}

static void test_gather_beyond(void **state)
{
    (void)state;
    ct_diag diag;
    bt_graph *g = graph_of(ct_cpu_simd(), BT_F32);
    const bt_tensor x = bt_input(g, bt_shape2(2, 3)), i = bt_input_u32(g, bt_shape1(2));
    bt_tensor_gather(x, i);
    ct_assert_ok(bt_graph_plan(g, bt_tensor_none(g), &diag), &diag);
    bt_tensor_u32(i)[1] = 3;
    ct_assert_status(bt_graph_forward(g, &diag), CT_ERANGE, &diag);
    ct_assert_contains(diag.text, "index 3 in a row of 3");
    bt_graph_destroy(g);
}

/* ---- A product for BLAS, both operands turned, and its gradients ---- */

enum { LARGE = 160 };

static void test_large_product(void **state)
{
    (void)state;
    ct_diag diag;
    ct_rng rng;
    const size_t n = (size_t)LARGE * LARGE;
    double *x = malloc(n * sizeof *x), *z = malloc(n * sizeof *z), *y = malloc(n * sizeof *y);
    ct_rng_init(&rng, 1, CT_RNG_USER, 0, 0);
    ct_rng_fill_normal_f64(&rng, x, n, 0, 1);
    ct_rng_fill_normal_f64(&rng, z, n, 0, 1);
    bt_graph *g = graph_of(ct_cpu_simd(), BT_F64);
    const bt_tensor a = bt_parameter(g, "a", bt_shape2(LARGE, LARGE), bt_init_zeros());
    const bt_tensor b = bt_parameter(g, "b", bt_shape2(LARGE, LARGE), bt_init_zeros());
    const bt_tensor c = bt_tensor_keep(
        bt_tensor_matmul(bt_tensor_transpose(a, 0, 1), bt_tensor_transpose(b, 0, 1)));
    ct_assert_ok(bt_graph_plan(g, bt_tensor_sum(c, BT_ALL_AXES), &diag), &diag);
    assert_true(bt_tensor_write(a, x) && bt_tensor_write(b, z));
    ct_assert_ok(bt_graph_forward(g, &diag), &diag);
    bt_graph_backward(g);
    assert_true(bt_tensor_read(c, y));
    for (size_t i = 0; i < LARGE; i += 13)
        for (size_t j = 0; j < LARGE; j += 11) {
            double s = 0;
            for (size_t k = 0; k < LARGE; k++)
                s += x[k * LARGE + i] * z[j * LARGE + k];
            ct_assert_near(y[i * LARGE + j], s, 1e-12, 1e-11);
        }
    assert_true(bt_tensor_read_gradient(a, y));
    for (size_t k = 0; k < LARGE; k += 7) {
        double s = 0;
        for (size_t j = 0; j < LARGE; j++)
            s += z[j * LARGE + k];
        ct_assert_near(y[k * LARGE + 3], s, 1e-12, 1e-11);
    }
    assert_true(bt_tensor_read_gradient(b, y));
    for (size_t k = 0; k < LARGE; k += 7) {
        double s = 0;
        for (size_t i = 0; i < LARGE; i++)
            s += x[k * LARGE + i];
        ct_assert_near(y[5 * LARGE + k], s, 1e-12, 1e-11);
    }
    bt_graph_destroy(g);
    free(x);
    free(z);
    free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinks),         cmocka_unit_test(test_ties),
        cmocka_unit_test(test_infinities),    cmocka_unit_test(test_nan_wins),
        cmocka_unit_test(test_dropout_mask),  cmocka_unit_test(test_dropout_is_off),
        cmocka_unit_test(test_refusals),      cmocka_unit_test(test_gather_beyond),
        cmocka_unit_test(test_large_product),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
