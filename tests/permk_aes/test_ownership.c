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

#include "ownership_private.h"
#include "stream.h"

enum { RULES = 3 };

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
    if (block->line != NULL)
        return (size_t)block->line[k / PERMK_LINE] * PERMK_LINE + k % PERMK_LINE;
    return block->index != NULL ? block->index[k] : block->first + k;
}

/* Blocks differ by one unit at most: a coordinate, or a line where the rule has lines. */
static void check_length(const permk_ownership *o, const permk_block *block, uint32_t n, size_t d)
{
    assert_true(block->length >= 1 && block->length <= permk_ownership_max_length(o));
    if (block->line == NULL) {
        assert_true(block->length >= (d >= n ? d / n : 1));
        return;
    }
    size_t lines = (d + PERMK_LINE - 1) / PERMK_LINE, whole = block->length / PERMK_LINE;
    assert_true(block->lines == lines / n || block->lines == lines / n + 1);
    assert_int_equal(block->lines, whole + (block->length % PERMK_LINE != 0));
}

/* Owners of each coordinate in the round drawn last; lengths and weights must fit. */
static void check_cover(const permk_ownership *o, uint32_t n, size_t d, unsigned *owners)
{
    memset(owners, 0, d * sizeof *owners);
    for (uint32_t i = 0; i < n; i++) {
        permk_block block = permk_ownership_block(o, i);
        check_length(o, &block, n, d);
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
        for (size_t d = 1; d <= 200; d++)
            for (int rule = 0; rule < RULES; rule++) {
                permk_ownership *o = create((permk_rule)rule, n, d, n + d);
                ct_assert_ok(permk_ownership_draw(o, n * d, NULL), NULL);
                check_cover(o, n, d, owners);
                permk_ownership_destroy(o);
            }
}

/* What messages are padded to is what some client has in some round, and no more. */
static void the_longest_block_occurs(void **state)
{
    (void)state;
    const struct {
        uint32_t n;
        size_t d, lines; // lines: the longest block of that rule
    } cases[] = {{1, 77, 77}, {3, 77, 32}, {5, 40, 8}, {5, 41, 16}, {4, 100, 32}, {7, 9, 2}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (int rule = 0; rule < RULES; rule++) {
            size_t longest = 0, d = cases[c].d;
            uint32_t n = cases[c].n;
            permk_ownership *o = create((permk_rule)rule, n, d, 1);
            for (uint64_t r = 0; r < 20; r++) {
                ct_assert_ok(permk_ownership_draw(o, r, NULL), NULL);
                for (uint32_t i = 0; i < n; i++) {
                    size_t length = permk_ownership_block(o, i).length;
                    longest = length > longest ? length : longest;
                }
            }
            assert_int_equal(permk_ownership_max_length(o), longest);
            assert_int_equal(longest, rule == PERMK_RULE_LINES ? cases[c].lines : (d + n - 1) / n);
            permk_ownership_destroy(o);
        }
}

/* Entries of a block go out and come back in its order, whole or in parts. */
static void blocks_are_gathered_and_added(void **state)
{
    (void)state;
    enum { D = 203, N = 5, PART = 16 };
    for (int rule = 0; rule < RULES; rule++) {
        double x[D], y[D], values[D], part_values[D];
        permk_ownership *o = create((permk_rule)rule, N, D, 4);
        for (size_t j = 0; j < D; j++)
            x[j] = (double)j + 0.5;
        memset(y, 0, sizeof y);
        ct_assert_ok(permk_ownership_draw(o, 9, NULL), NULL);
        for (uint32_t i = 0; i < N; i++) {
            permk_block block = permk_ownership_block(o, i);
            permk_block_gather(&block, x, values);
            for (size_t k = 0; k < block.length; k++)
                assert_true(values[k] == (double)coordinate(&block, k) + 0.5);
            for (size_t at = 0; at < block.length; at += PART) {
                size_t count = block.length - at < PART ? block.length - at : PART;
                permk_block part = permk__block_part(&block, at, count);
                permk_block_gather(&part, x, part_values + at);
                permk_block_axpy(&part, 2.0, part_values + at, y);
            }
            assert_memory_equal(values, part_values, block.length * sizeof *values);
            permk_block_axpy(&block, -1.0, values, y);
        }
        assert_memory_equal(x, y, sizeof x);
        permk_ownership_destroy(o);
    }
}

/* Over the rounds, how much of coordinate j each client owns: mass[i * d + j]. */
static void count_mass(permk_rule rule, uint32_t n, size_t d, unsigned draws, double *mass)
{
    permk_ownership *o = create(rule, n, d, 3);
    for (uint64_t r = 0; r < draws; r++) {
        ct_assert_ok(permk_ownership_draw(o, r, NULL), NULL);
        for (uint32_t i = 0; i < n; i++) {
            permk_block block = permk_ownership_block(o, i);
            for (size_t k = 0; k < block.length; k++)
                mass[i * d + coordinate(&block, k)] += block.weight;
        }
    }
    permk_ownership_destroy(o);
}

/* d >= n: the owners of coordinate j are draws of a uniform client; n - 1 degrees of freedom k,
 * above k + 2 sqrt(k t) + 2 t with a probability of at most exp(-t) (Laurent, Massart 2000). n > d:
 * the mass of one client and coordinate, six of at most that standard deviation. */
static void uniform_marginals(void **state)
{
    (void)state;
    const struct {
        uint32_t n;
        size_t d;
    } cases[] = {{5, 13}, {7, 7}, {9, 4}, {8, 3}, {5, 43}, {3, 24}, {4, 33}};
    enum { DRAWS = 20000 };
    const double t = 14; // exp(-t): one in a million
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (int rule = 0; rule < RULES; rule++) {
            uint32_t n = cases[c].n;
            size_t d = cases[c].d;
            double *mass = calloc(n * d, sizeof *mass), expected = DRAWS / (double)n;
            count_mass((permk_rule)rule, n, d, DRAWS, mass);
            for (size_t j = 0; j < d; j++) {
                double chi = 0;
                for (uint32_t i = 0; i < n; i++) {
                    double z = (mass[i * d + j] - expected) / sqrt(expected);
                    chi += z * z;
                    assert_true(fabs(z) < 6);
                }
                if (d >= n && chi > n - 1 + 2 * sqrt(t * (n - 1)) + 2 * t)
                    fail_msg("n = %u, d = %zu, rule %d, j = %zu: chi-square %.1f", n, d, rule, j,
                             chi);
            }
            free(mass);
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
static double check_variance(permk_rule rule, uint32_t n, size_t d, unsigned draws,
                             double tolerance)
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
    return variance;
}

static void variance_is_that_of_the_paper(void **state)
{
    (void)state;
    for (int rule = 0; rule < RULES; rule++) {
        check_variance((permk_rule)rule, 50, 1007, 4000, 0.01);
        check_variance((permk_rule)rule, 60, 20, 20000, 0.03);
        check_variance((permk_rule)rule, 12, 12, 20000, 0.03);
    }
}

static void rules_have_equal_variance(void **state)
{
    (void)state;
    double rotation = check_variance(PERMK_RULE_ROTATION, 50, 1000, 4000, 0.01);
    double permutation = check_variance(PERMK_RULE_PERMUTATION, 50, 1000, 4000, 0.01);
    double lines = check_variance(PERMK_RULE_LINES, 50, 1000, 4000, 0.01);
    ct_assert_near(rotation, permutation, 0.01, 0);
    ct_assert_near(lines, permutation, 0.01, 0);
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
    permk_ownership_destroy(o);
}

static void lines_are_reproducible(void **state)
{
    (void)state;
    permk_ownership *o = create(PERMK_RULE_LINES, 3, 77, 123);
    char text[200] = "";
    size_t at = 0;
    for (uint64_t r = 5; r < 8; r++) {
        ct_assert_ok(permk_ownership_draw(o, r, NULL), NULL);
        for (uint32_t i = 0; i < 3; i++) {
            permk_block block = permk_ownership_block(o, i);
            for (size_t l = 0; l < block.lines; l++)
                at += (size_t)snprintf(text + at, sizeof text - at, "%u", block.line[l]);
            at += (size_t)snprintf(text + at, sizeof text - at, " %zu;", block.length);
        }
    }
    assert_string_equal(text, "305 24;724 24;8169 29;439 21;1760 32;582 24;160 24;3249 29;578 24;");
    permk_ownership_destroy(o);
}

static void a_round_needs_none_before_it(void **state)
{
    (void)state;
    for (int rule = 0; rule < RULES; rule++) {
        permk_ownership *all = create((permk_rule)rule, 3, 101, 8);
        for (uint64_t r = 0; r < 40; r++)
            ct_assert_ok(permk_ownership_draw(all, r, NULL), NULL);
        permk_ownership *one = create((permk_rule)rule, 3, 101, 8);
        ct_assert_ok(permk_ownership_draw(one, 39, NULL), NULL);
        for (uint32_t i = 0; i < 3; i++) {
            permk_block a = permk_ownership_block(all, i), b = permk_ownership_block(one, i);
            assert_int_equal(a.length, b.length);
            for (size_t k = 0; k < a.length; k++)
                assert_int_equal(coordinate(&a, k), coordinate(&b, k));
        }
        permk_ownership_destroy(all);
        permk_ownership_destroy(one);
    }
}

static void rules_have_names(void **state)
{
    (void)state;
    permk_rule rule = PERMK_RULE_ROTATION;
    assert_true(permk_rule_from_name(&rule, "lines"));
    assert_int_equal(rule, PERMK_RULE_LINES);
    assert_false(permk_rule_from_name(&rule, "line"));
    assert_int_equal(rule, PERMK_RULE_LINES);
    for (int r = 0; r < RULES; r++) {
        assert_true(permk_rule_from_name(&rule, permk_rule_name((permk_rule)r)));
        assert_int_equal(rule, r);
    }
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
        cmocka_unit_test(the_longest_block_occurs),
        cmocka_unit_test(blocks_are_gathered_and_added),
        cmocka_unit_test(uniform_marginals),
        cmocka_unit_test(the_number_of_owners_is_random),
        cmocka_unit_test(bounded_integers_are_uniform),
        cmocka_unit_test(variance_is_that_of_the_paper),
        cmocka_unit_test(rules_have_equal_variance),
        cmocka_unit_test(maps_are_reproducible),
        cmocka_unit_test(lines_are_reproducible),
        cmocka_unit_test(a_round_needs_none_before_it),
        cmocka_unit_test(rules_have_names),
        cmocka_unit_test(bad_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
