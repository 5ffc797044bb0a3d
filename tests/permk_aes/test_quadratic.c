// SPDX-License-Identifier: MIT
/* The generated problem against the published numbers of the paper's program, against the spectrum
 * it promises, and its gradients against differences of the loss. */
#include "ct_test.h"

#include <ctrain/blas.h>
#include <ctrain/rng.h>
#include <math.h>
#include <permk_aes/quadratic.h>
#include <stdlib.h>
#include <string.h>

#include "mt19937.h"
#include "quadratic_kernels.h"

static void mt19937_known_answers(void **state)
{
    (void)state;
    permk__mt19937 mt;
    permk__mt19937_init(&mt, 5489); // the default seed: the 10,000th number is in C++'s standard
    uint32_t last = 0;
    for (int i = 0; i < 10000; i++)
        last = permk__mt19937_u32(&mt);
    assert_int_equal(last, 4123659995U);
    permk__mt19937_init(&mt, 123); // numpy.random.RandomState(123).rand(3)
    ct_assert_near(permk__mt19937_real53(&mt), 0.6964691855978616, 0, 0);
    ct_assert_near(permk__mt19937_real53(&mt), 0.28613933495037946, 0, 0);
    ct_assert_near(permk__mt19937_real53(&mt), 0.2268514535642031, 0, 0);
}

static double norm_squared(const double *x, size_t n)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += x[j] * x[j];
    return sum;
}

static void fingerprint_of_the_published_problem(void **state)
{
    (void)state;
    enum { N = 600, D = 1000 };
    permk_problem p;
    ct_diag diag = {""};
    ct_assert_ok(permk_quadratic_init(&p, NULL, &diag), &diag);
    const double row0[4] = {1.42958641, -1.5948683, -0.47252071, 2.10934305};
    const double b0[4] = {78.0866165, 96.6927567, 28.4165688, 41.8721657};
    double sum_a = 0, squares = 0, sum_b = 0;
    for (size_t i = 0; i < N; i++) {
        float b = 0;
        const float *a = permk_quadratic_row(&p, i, &b);
        for (size_t j = 0; j < D; j++) {
            sum_a += (double)a[j];
            squares += (double)a[j] * (double)a[j];
        }
        sum_b += (double)b;
        if (i < 4)
            ct_assert_near((double)b, b0[i], 1e-7, 0);
    }
    for (size_t j = 0; j < 4; j++)
        ct_assert_near((double)permk_quadratic_row(&p, 0, NULL)[j], row0[j], 1e-7, 0);
    float b_last = 0;
    ct_assert_near((double)permk_quadratic_row(&p, N - 1, &b_last)[D - 1], 2.01362395, 1e-7, 0);
    ct_assert_near((double)b_last, 103.568787, 1e-7, 0);
    ct_assert_near(sum_a, 13410.289, 1e-7, 0);
    ct_assert_near(squares, 989999.9998, 1e-9, 0);
    ct_assert_near(sum_b, 65573.54496, 1e-9, 0);
    assert_true(p.max_smoothness > 316.241 && p.max_smoothness < 316.243);
    // the L_i are 298.177 to 316.242, their mean 306.453; the root of their mean square is more
    assert_true(p.mean_square_smoothness > 306.453 && p.mean_square_smoothness < 306.6);

    double x[D], g[D], loss = 0, mean = 0;
    permk_torch_linear_init(x, D, 123);
    const double x0[4] = {-0.01289501, 0.00104749, -0.01570572, 0.01192538};
    ct_assert_array_near(x, x0, 4, 0, 5e-9);
    ct_assert_near(x[999], -0.00172747, 0, 5e-9);
    ct_assert_near(sqrt(norm_squared(x, D)), 0.585656, 1e-6, 0);
    p.ops->move(p.state, x);
    ct_assert_ok(p.ops->evaluate(p.state, &loss, g, &diag), &diag);
    ct_assert_near(loss, 14418.0827, 1e-8, 0);
    ct_assert_near(norm_squared(g, D), 50675.8086, 1e-8, 0);
    for (uint32_t i = 0; i < 50; i++) {
        ct_assert_ok(p.ops->gradient(p.state, i, &loss, g, &diag), &diag);
        mean += norm_squared(g, D) / 50;
    }
    ct_assert_near(mean, 7905994.05, 1e-8, 0);
    permk_problem_clear(&p);
}

/* Eigenvalues of (2/N) A^T A, by way of the smaller Gram matrix. */
static void check_spectrum(const permk_quadratic_options *opt)
{
    permk_problem p;
    ct_diag diag = {""};
    ct_assert_ok(permk_quadratic_init(&p, opt, &diag), &diag);
    size_t rows = opt->samples * (opt->homogeneous ? 1 : opt->clients), d = opt->dimension;
    size_t k = rows < d ? rows : d;
    double *a = malloc(rows * d * sizeof *a), *gram = calloc(k * k, sizeof *gram);
    double *eigenvalue = malloc(k * sizeof *eigenvalue);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < d; j++)
            a[i * d + j] = (double)permk_quadratic_row(&p, i, NULL)[j];
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++)
            for (size_t l = 0; l < (rows < d ? d : rows); l++)
                gram[i * k + j] +=
                    2.0 / (double)rows *
                    (rows < d ? a[i * d + l] * a[j * d + l] : a[l * d + i] * a[l * d + j]);
    ct_assert_ok(ct_blas_syev_f64(k, gram, k, eigenvalue), &diag);
    for (size_t i = 0; i < k; i++) {
        double expected = k == 1 ? opt->smoothness
                                 : opt->convexity + (opt->smoothness - opt->convexity) * (double)i /
                                                        (double)(k - 1);
        ct_assert_near(eigenvalue[i], expected, 1e-5, 0);
    }
    if (opt->homogeneous)
        ct_assert_near(p.max_smoothness, opt->smoothness, 1e-5, 0);
    free(a);
    free(gram);
    free(eigenvalue);
    permk_problem_clear(&p);
}

static void spectrum_is_as_promised(void **state)
{
    (void)state;
    permk_quadratic_options opt = permk_quadratic_options_default();
    const struct {
        uint32_t n;
        size_t m, d;
        bool same;
    } cases[] = {{3, 4, 40, false}, {3, 20, 7, false}, {1, 1, 1, false},
                 {1, 1, 9, false},  {5, 4, 1, false},  {6, 5, 20, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        opt.clients = cases[i].n;
        opt.samples = cases[i].m;
        opt.dimension = cases[i].d;
        opt.homogeneous = cases[i].same;
        check_spectrum(&opt);
    }
}

static void gradients_match_differences_and_blocks(void **state)
{
    (void)state;
    permk_quadratic_options opt = permk_quadratic_options_default();
    opt.clients = 4;
    opt.samples = 5;
    opt.dimension = 13;
    permk_problem p;
    ct_diag diag = {""};
    ct_assert_ok(permk_quadratic_init(&p, &opt, &diag), &diag);
    double x[13], y[13], g[13], mean[13] = {0}, block_values[13], whole[13], up, down, f;
    permk_torch_linear_init(x, 13, 7);
    const uint32_t index[] = {12, 0, 5};
    for (uint32_t i = 0; i < 4; i++) {
        p.ops->move(p.state, x);
        ct_assert_ok(p.ops->gradient(p.state, i, NULL, g, &diag), &diag);
        permk_block set = {.length = 3, .index = index, .weight = 1};
        ct_assert_ok(p.ops->block_gradient(p.state, i, &set, block_values, &diag), &diag);
        permk_block_gather(&set, g, whole);
        assert_memory_equal(block_values, whole, 3 * sizeof *whole);
        permk_block range = {.length = 6, .first = 7, .weight = 1};
        ct_assert_ok(p.ops->block_gradient(p.state, i, &range, block_values, &diag), &diag);
        assert_memory_equal(block_values, g + 7, 6 * sizeof *g);
        const uint32_t line[] = {1, 0}; // coordinates 8 … 12, then 0 … 7
        permk_block lines = {.length = 13, .line = line, .lines = 2, .weight = 1};
        ct_assert_ok(p.ops->block_gradient(p.state, i, &lines, block_values, &diag), &diag);
        assert_memory_equal(block_values, g + 8, 5 * sizeof *g);
        assert_memory_equal(block_values + 5, g, 8 * sizeof *g);
        for (size_t j = 0; j < 13; j++) {
            mean[j] += g[j] / 4;
            memcpy(y, x, sizeof x);
            y[j] = x[j] + 1e-3;
            p.ops->move(p.state, y);
            ct_assert_ok(p.ops->gradient(p.state, i, &up, NULL, &diag), &diag);
            double z[13];
            memcpy(z, x, sizeof x);
            z[j] = x[j] - 1e-3;
            p.ops->move(p.state, z);
            ct_assert_ok(p.ops->gradient(p.state, i, &down, NULL, &diag), &diag);
            ct_assert_near((up - down) / 2e-3, g[j], 1e-7, 1e-7);
        }
    }
    p.ops->move(p.state, x);
    ct_assert_ok(p.ops->evaluate(p.state, &f, g, &diag), &diag);
    ct_assert_array_near(g, mean, 13, 1e-12, 1e-12);
    permk_problem_clear(&p);
}

/* Every table gives the bits of the portable one, which gives the sums to rounding. */
static void kernels_agree_to_the_last_bit(void **state)
{
    (void)state;
    enum { MOST_ROWS = 7, MOST = 70 };
    static float rows[MOST_ROWS * MOST], b[MOST_ROWS];
    static double x[MOST], r[MOST_ROWS], g[MOST], same_r[MOST_ROWS], same_g[MOST];
    const permk__quadratic_kernels *scalar = permk__quadratic_kernels_of(CT_SIMD_SCALAR);
    ct_rng rng;
    ct_rng_init(&rng, 11, CT_RNG_USER, 0, 0);
    for (size_t k = 0; k < MOST_ROWS * MOST; k++)
        rows[k] = (float)ct_rng_normal(&rng);
    for (size_t k = 0; k < MOST_ROWS; k++)
        b[k] = (float)ct_rng_normal(&rng);
    for (size_t j = 0; j < MOST; j++)
        x[j] = ct_rng_normal(&rng);
    for (size_t m = 1; m <= MOST_ROWS; m++) {
        for (size_t d = 1; d <= MOST; d++) {
            size_t length = d - d / 3, first = d / 3;
            scalar->residual(r, rows, b, x, m, d);
            memcpy(g, x, sizeof g);
            scalar->add_rows(g, rows + first, d, length, r, m);
            double expected = -(double)b[m - 1], entry = x[length - 1];
            for (size_t j = 0; j < d; j++)
                expected += (double)rows[(m - 1) * d + j] * x[j];
            for (size_t k = 0; k < m; k++)
                entry += r[k] * (double)rows[k * d + d - 1];
            ct_assert_near(r[m - 1], expected, 1e-12, 1e-12);
            ct_assert_near(g[length - 1], entry, 1e-12, 1e-12);
            for (int simd = CT_SIMD_AVX2; simd <= CT_SIMD_AVX512; simd++) {
                const permk__quadratic_kernels *table = permk__quadratic_kernels_of((ct_simd)simd);
                if (table == NULL)
                    continue;
                table->residual(same_r, rows, b, x, m, d);
                assert_memory_equal(same_r, r, m * sizeof *r);
                memcpy(same_g, x, sizeof same_g);
                table->add_rows(same_g, rows + first, d, length, r, m);
                assert_memory_equal(same_g, g, sizeof g);
            }
        }
    }
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    permk_problem p;
    ct_diag diag = {""};
    permk_quadratic_options good = permk_quadratic_options_default(), opt = good;
    opt.clients = 0;
    ct_assert_status(permk_quadratic_init(&p, &opt, &diag), CT_EINVALID, &diag);
    assert_null(p.ops);
    opt = good;
    opt.dimension = 0;
    ct_assert_status(permk_quadratic_init(&p, &opt, &diag), CT_EINVALID, &diag);
    opt = good;
    opt.convexity = 11;
    ct_assert_status(permk_quadratic_init(&p, &opt, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "mu = 11");
    opt = good;
    opt.dimension = UINT32_MAX;
    opt.samples = SIZE_MAX / 2;
    ct_assert_status(permk_quadratic_init(&p, &opt, &diag), CT_ENOMEM, &diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mt19937_known_answers),
        cmocka_unit_test(fingerprint_of_the_published_problem),
        cmocka_unit_test(spectrum_is_as_promised),
        cmocka_unit_test(gradients_match_differences_and_blocks),
        cmocka_unit_test(kernels_agree_to_the_last_bit),
        cmocka_unit_test(bad_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
