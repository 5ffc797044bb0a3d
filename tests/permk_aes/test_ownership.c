// SPDX-License-Identifier: MIT
/* Ownership maps: exact cover and disjointness for every small d and n, uniform marginals,
 * unbiasedness, the variance of the paper, the same maps on every platform. */
#include "ct_test.h"

#include <ctrain/rng.h>
#include <math.h>
#include <permk_aes/ownership.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream.h"

static permk_ownership *create(permk_rule rule, uint32_t n, size_t d, uint64_t seed)
{
    unsigned char key[PERMK_OWNERSHIP_KEY_BYTES];
    permk_ownership *o;
    ct_diag diag = {""};
    ct_assert_ok(permk_ownership_key_from_seed(key, seed), NULL);
    ct_assert_ok(permk_ownership_create(&o, rule, n, d, key, &diag), &diag);
    return o;
}

static size_t coordinate(const permk_block *block, size_t k)
{
    return block->index != NULL ? block->index[k] : block->first + k;
}

/* Owners of each coordinate in the round drawn last; lengths and weights must fit. */
static void check_cover(const permk_ownership *o, uint32_t n, size_t d, unsigned *owners)
{
    memset(owners, 0, d * sizeof *owners);
    for (uint32_t i = 0; i < n; i++) {
        permk_block block = permk_ownership_block(o, i);
        assert_true(block.length >= 1 && block.length <= permk_ownership_max_length(o));
        assert_true(block.length >= (d >= n ? d / n : 1));
        for (size_t k = 0; k < block.length; k++) {
            assert_true(coordinate(&block, k) < d);
            owners[coordinate(&block, k)]++;
        }
    }
    for (size_t j = 0; j < d; j++) {
        assert_true(owners[j] >= (n > d ? n / d : 1));
        assert_true(owners[j] <= (n > d ? (n + d - 1) / d : 1));
    }
    for (uint32_t i = 0; i < n; i++) {
        permk_block block = permk_ownership_block(o, i);
        if (block.weight != 1.0 / owners[coordinate(&block, 0)])
            fail_msg("weight of client %u, n = %u, d = %zu", i, n, d);
    }
}

static void every_coordinate_has_its_owners(void **state)
{
    (void)state;
    unsigned owners[201];
    for (uint32_t n = 1; n <= 200; n++)
        for (size_t d = 1; d <= 200; d += n < 20 || d < 20 ? 1 : 7) {
            for (int rule = 0; rule < 2; rule++) {
                permk_ownership *o = create((permk_rule)rule, n, d, n + d);
                ct_assert_ok(permk_ownership_draw(o, n * d, NULL), NULL);
                check_cover(o, n, d, owners);
                permk_ownership_destroy(o);
            }
        }
}

/* Chi-square of the counts count[i * d + j] against draws/n each, all j together; the n d (n-1)/n
 * degrees of freedom are many, so a normal approximation of the chi-square does. */
static void uniform_marginals(void **state)
{
    (void)state;
    const struct {
        uint32_t n;
        size_t d;
    } cases[] = {{5, 13}, {7, 7}, {9, 4}, {8, 3}};
    enum { DRAWS = 20000 };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (int rule = 0; rule < 2; rule++) {
            uint32_t n = cases[c].n;
            size_t d = cases[c].d;
            double *mass = calloc(n * d, sizeof *mass);
            permk_ownership *o = create((permk_rule)rule, n, d, 3);
            for (uint64_t r = 0; r < DRAWS; r++) {
                ct_assert_ok(permk_ownership_draw(o, r, NULL), NULL);
                for (uint32_t i = 0; i < n; i++) {
                    permk_block block = permk_ownership_block(o, i);
                    for (size_t k = 0; k < block.length; k++)
                        mass[i * d + coordinate(&block, k)] += block.weight;
                }
            }
            double expected = DRAWS / (double)n, worst = 0;
            for (size_t k = 0; k < n * d; k++) { // each cell: six standard deviations
                double z = fabs(mass[k] - expected) / sqrt(expected);
                worst = z > worst ? z : worst;
            }
            if (worst > 6)
                fail_msg("n = %u, d = %zu, rule %d: %.1f deviations", n, d, rule, worst);
            free(mass);
            permk_ownership_destroy(o);
        }
}

/* 8 clients on 3 coordinates: which coordinate has only two owners is random too. */
static void the_number_of_owners_is_random(void **state)
{
    (void)state;
    unsigned owners[3];
    double sum[3] = {0};
    permk_ownership *o = create(PERMK_RULE_ROTATION, 8, 3, 11);
    for (uint64_t r = 0; r < 9000; r++) {
        ct_assert_ok(permk_ownership_draw(o, r, NULL), NULL);
        check_cover(o, 8, 3, owners);
        for (size_t j = 0; j < 3; j++)
            sum[j] += owners[j];
    }
    for (size_t j = 0; j < 3; j++)
        ct_assert_near(sum[j] / 9000, 8.0 / 3, 0, 0.03);
    permk_ownership_destroy(o);
}

/* Chi-square of the bounded integers themselves. */
static void bounded_integers_are_uniform(void **state)
{
    (void)state;
    unsigned char key[32] = {1};
    permk__stream s;
    ct_assert_ok(permk__stream_init(&s, key), NULL);
    permk__stream_begin(&s, 0);
    const uint32_t sizes[] = {2, 3, 10, 100};
    for (size_t k = 0; k < 4; k++) {
        double count[100] = {0}, chi = 0, n = sizes[k];
        for (int i = 0; i < 100000; i++)
            count[permk__stream_below(&s, sizes[k])]++;
        for (uint32_t i = 0; i < sizes[k]; i++)
            chi += pow(count[i] - 1e5 / n, 2) / (1e5 / n);
        assert_true(chi < n - 1 + 5 * sqrt(2 * (n - 1)) + 5);
    }
    // for n = 3 * 2^30 every third value would come twice as often without rejection
    double third = 0;
    for (int i = 0; i < 30000; i++)
        third += permk__stream_below(&s, 0xC0000000U) % 3 == 0;
    ct_assert_near(third, 10000, 0, 6 * sqrt(30000 * 2.0 / 9.0));
    permk__stream_clear(&s);
}

/* One draw's estimator g of the mean of a (n, d). */
static void estimate(const permk_ownership *o, uint32_t n, size_t d, const double *a, double *g)
{
    double values[64];
    memset(g, 0, d * sizeof *g);
    for (uint32_t i = 0; i < n; i++) {
        permk_block block = permk_ownership_block(o, i);
        permk_block_gather(&block, a + i * d, values);
        permk_block_axpy(&block, 1.0, values, g);
    }
}

/* E ||g - mean||^2 = A (1/n) sum ||a_i||^2 - B ||mean||^2 with A = B = 1 for d >= n, and
 * A = B = (d - 1)/(n - 1) for n a multiple of d. */
static void check_variance(permk_rule rule, uint32_t n, size_t d, unsigned draws, double tolerance)
{
    double *a = malloc(n * d * sizeof *a), *g = malloc(d * sizeof *g);
    double *mean = calloc(d, sizeof *mean), *sum = calloc(d, sizeof *sum);
    double squares = 0, mean_squared = 0, variance = 0;
    ct_rng rng;
    ct_rng_init(&rng, 5, CT_RNG_USER, 0, 0);
    ct_rng_fill_normal_f64(&rng, a, n * d, 0.3, 1);
    for (size_t k = 0; k < n * d; k++) {
        a[k] *= 1.0 + (double)(k / d) / n; // clients differ
        squares += a[k] * a[k] / n;
        mean[k % d] += a[k] / n;
    }
    for (size_t j = 0; j < d; j++)
        mean_squared += mean[j] * mean[j];
    permk_ownership *o = create(rule, n, d, 17);
    for (unsigned r = 0; r < draws; r++) {
        ct_assert_ok(permk_ownership_draw(o, r, NULL), NULL);
        estimate(o, n, d, a, g);
        for (size_t j = 0; j < d; j++) {
            sum[j] += g[j] / draws;
            variance += (g[j] - mean[j]) * (g[j] - mean[j]) / draws;
        }
    }
    double factor = n > d ? ((double)d - 1) / ((double)n - 1) : 1.0;
    ct_assert_near(variance, factor * (squares - mean_squared), tolerance, 0);
    double bias = 0; // of the mean over the draws: about sqrt(variance / draws)
    for (size_t j = 0; j < d; j++)
        bias += (sum[j] - mean[j]) * (sum[j] - mean[j]);
    assert_true(bias < 3 * variance / draws);
    permk_ownership_destroy(o);
    free(a);
    free(g);
    free(mean);
    free(sum);
}

static void variance_is_that_of_the_paper(void **state)
{
    (void)state;
    for (int rule = 0; rule < 2; rule++) {
        check_variance((permk_rule)rule, 50, 1000, 4000, 0.01);
        check_variance((permk_rule)rule, 50, 1007, 4000, 0.01);
        check_variance((permk_rule)rule, 60, 20, 20000, 0.03);
        check_variance((permk_rule)rule, 12, 12, 20000, 0.03);
    }
}

/* Frozen: these maps are part of the results, on every platform and for ever (computed once more by
 * a script of its own, with hashlib and `openssl enc -aes-256-ctr`). */
static void maps_are_reproducible(void **state)
{
    (void)state;
    permk_ownership *o = create(PERMK_RULE_ROTATION, 4, 10, 123);
    char text[200] = "";
    size_t at = 0;
    for (uint64_t r = 0; r < 6; r++) {
        ct_assert_ok(permk_ownership_draw(o, r, NULL), NULL);
        at += (size_t)snprintf(text + at, sizeof text - at, "%zu ",
                               permk_ownership_block(o, 0).first);
    }
    permk_ownership_destroy(o);
    o = create(PERMK_RULE_PERMUTATION, 2, 8, 123);
    ct_assert_ok(permk_ownership_draw(o, 5, NULL), NULL);
    for (uint32_t i = 0; i < 2; i++) {
        permk_block block = permk_ownership_block(o, i);
        for (size_t k = 0; k < block.length; k++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%u", block.index[k]);
    }
    assert_string_equal(text, "0 7 5 7 0 7 20736145");
    permk_ownership *again = create(PERMK_RULE_PERMUTATION, 2, 8, 123);
    ct_assert_ok(permk_ownership_draw(again, 4, NULL), NULL); // order of draws does not matter
    ct_assert_ok(permk_ownership_draw(again, 5, NULL), NULL);
    assert_memory_equal(permk_ownership_block(o, 0).index, permk_ownership_block(again, 0).index,
                        4 * sizeof(uint32_t));
    permk_ownership_destroy(o);
    permk_ownership_destroy(again);
}

static void bad_sizes_are_refused(void **state)
{
    (void)state;
    unsigned char key[32] = {0};
    permk_ownership *o;
    ct_diag diag = {""};
    ct_assert_status(permk_ownership_create(&o, PERMK_RULE_ROTATION, 0, 5, key, &diag), CT_EINVALID,
                     &diag);
    assert_null(o);
    ct_assert_status(permk_ownership_create(&o, PERMK_RULE_ROTATION, 5, 0, key, &diag), CT_EINVALID,
                     &diag);
    ct_assert_status(permk_ownership_create(&o, (permk_rule)7, 5, 5, key, &diag), CT_EINVALID,
                     &diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_coordinate_has_its_owners),
        cmocka_unit_test(uniform_marginals),
        cmocka_unit_test(the_number_of_owners_is_random),
        cmocka_unit_test(bounded_integers_are_uniform),
        cmocka_unit_test(variance_is_that_of_the_paper),
        cmocka_unit_test(maps_are_reproducible),
        cmocka_unit_test(bad_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
