// SPDX-License-Identifier: MIT
/* vector_math.h, as the elementwise operations of every instruction set and precision give it:
 * errors in units in the last place against the C library in long double, over sweeps and random
 * bit patterns, and what comes of 0, infinities and NaN. */
#include "ct_test.h"
#include "graph_private.h"

#include <ctrain/rng.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 4096 };

typedef long double reference_fn(long double x);
typedef bt_tensor build_fn(bt_tensor x);

static long double sigmoid(long double x)
{
    return x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x));
}

static long double softplus(long double x)
{
    return (x > 0 ? x : 0) + log1pl(expl(-fabsl(x)));
}

/* x Phi(x): the error is that of the distribution function and a product. */
static long double gelu(long double x)
{
    return x * 0.5L * erfcl(-x * 0.707106781186547524400844362104849039L);
}

static const struct {
    const char *name;
    build_fn *build;
    reference_fn *reference;
    double ulps;
} functions[] = {
    {"exp", bt_tensor_exp, expl, 1.5},
    {"log", bt_tensor_log, logl, 1.5},
    {"log1p", bt_tensor_log1p, log1pl, 1.5},
    {"tanh", bt_tensor_tanh, tanhl, 3},
    {"sigmoid", bt_tensor_sigmoid, sigmoid, 3},
    {"softplus", bt_tensor_softplus, softplus, 2.5},
    {"erf", bt_tensor_erf, erfl, 3},
    {"gelu", bt_tensor_gelu, gelu, 6},
    {"sin", bt_tensor_sin, sinl, 2.5},
    {"cos", bt_tensor_cos, cosl, 2.5},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

/* |got - expected| in units in the last place of the precision at expected; a value that overflows
 * to infinity may do so. */
static double error_of(long double expected, double got, bt_dtype dtype)
{
    const int digits = dtype == BT_F32 ? 24 : 53, lowest = dtype == BT_F32 ? -149 : -1074;
    const long double top = dtype == BT_F32 ? (long double)FLT_MAX : (long double)DBL_MAX;
    int power;
    if (isnan(expected) || isnan(got))
        return isnan(expected) && isnan(got) ? 0 : 1e30;
    if (isinf(got) || isinf(expected))
        return fabsl(expected) >= top && (got > 0) == (expected > 0) && isinf(got) ? 0 : 1e30;
    frexpl(expected, &power);
    power = expected == 0 || power - digits < lowest ? lowest : power - digits;
    return (double)(fabsl(expected - (long double)got) / ldexpl(1, power));
}

static double draw(ct_rng *rng, int sweep, bt_dtype dtype)
{
    const double u = 2 * ct_rng_uniform(rng) - 1;
    uint64_t bits = ct_rng_u64(rng);
    float f32;
    double f64;
    switch (sweep) {
    case 0:
        return u;
    case 1:
        return 6 * u;
    case 2:
        return 40 * u;
    case 3:
        return 800 * u;
    case 4:
        return u * exp(40 * ct_rng_uniform(rng) - 35);
    default:
        memcpy(&f32, &bits, sizeof f32);
        memcpy(&f64, &bits, sizeof f64);
        return dtype == BT_F32 ? (double)f32 : f64;
    }
}

static const double special[] = {0,
                                 -0.0,
                                 (double)INFINITY,
                                 -(double)INFINITY,
                                 (double)NAN,
                                 1,
                                 -1,
                                 0x1p-149,
                                 -0x1p-149,
                                 0x1p-140,
                                 88.8,
                                 -87.5,
                                 -103.9,
                                 -104.1,
                                 709.8,
                                 -745.1,
                                 0.67,
                                 0.9,
                                 -0.67,
                                 -14.1};

static void fill(double *x, ct_rng *rng, int sweep, bt_dtype dtype)
{
    const size_t n_special = sizeof special / sizeof *special;
    for (size_t i = 0; i < N; i++) {
        x[i] = sweep == 0 && i < n_special ? special[i] : draw(rng, sweep, dtype);
        if (dtype == BT_F32)
            x[i] = (double)(float)x[i];
    }
}

static void check_values(size_t f, const double *x, const double *y, bt_dtype dtype, ct_simd simd)
{
    for (size_t i = 0; i < N; i++) {
        if (functions[f].build == bt_tensor_gelu && x[i] < (dtype == BT_F32 ? -12.5 : -37))
            continue; // x times what is denormal, or -inf times 0
        const double error = error_of(functions[f].reference((long double)x[i]), y[i], dtype);
        if (error > functions[f].ulps)
            print_error("%s(%a) = %a: %g ulp, %s, f%d\n", functions[f].name, x[i], y[i], error,
                        ct_simd_name(simd), dtype == BT_F32 ? 32 : 64);
        assert_true(error <= functions[f].ulps);
    }
}

static void check_table(bt_dtype dtype, ct_simd simd)
{
    ct_rng rng;
    ct_diag diag;
    bt_graph *g;
    bt_tensor y[FUNCTIONS];
    double *in = malloc(N * sizeof *in), *out = malloc(N * sizeof *out);
    ct_rng_init(&rng, 1, CT_RNG_USER, 0, 0);
    ct_assert_ok(bt_graph_create(&g, dtype), NULL);
    g->simd = simd;
    const bt_tensor x = bt_input(g, bt_shape1(N));
    for (size_t f = 0; f < FUNCTIONS; f++)
        y[f] = bt_tensor_keep(functions[f].build(x));
    ct_assert_ok(bt_graph_plan(g, bt_tensor_none(g), &diag), &diag);
    for (int sweep = 0; sweep < 12; sweep++) {
        fill(in, &rng, sweep % 6, dtype);
        assert_true(bt_tensor_write(x, in));
        ct_assert_ok(bt_graph_forward(g, &diag), &diag);
        for (size_t f = 0; f < FUNCTIONS; f++) {
            assert_true(bt_tensor_read(y[f], out));
            check_values(f, in, out, dtype, simd);
        }
    }
    bt_graph_destroy(g);
    free(in);
    free(out);
}

static void test_accuracy(void **state)
{
    (void)state;
    for (int dtype = BT_F32; dtype <= BT_F64; dtype++)
        for (ct_simd simd = CT_SIMD_SCALAR; simd <= ct_cpu_simd(); simd++)
            if (ct_kernels_of(simd))
                check_table((bt_dtype)dtype, simd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_accuracy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
