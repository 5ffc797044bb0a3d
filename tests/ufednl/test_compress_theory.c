// SPDX-License-Identifier: MIT
/* What the theory of FedNL asks of compressors. Contractive ones: ||C(D) - D||^2 <= (1 - delta)
 * ||D||^2; unbiased ones: E C(D) = D and E ||C(D) - D||^2 <= omega ||D||^2. Expectations are means
 * over many rounds with fixed seeds; they may be off by five standard errors. */
#include "compress_case.h"

#include <float.h>

enum { ROUNDS = 20000, LIMIT = 5 };

/* A mean and how far off it may be. */
typedef struct estimate {
    double sum, sum_of_squares;
    size_t n;
} estimate;

static void estimate_add(estimate *e, double x)
{
    e->sum += x;
    e->sum_of_squares += x * x;
    e->n++;
}

static void assert_expectation(const estimate *e, double expected)
{
    double n = (double)e->n, mean = e->sum / n;
    double error = sqrt(fmax(e->sum_of_squares / n - mean * mean, 0.0) / n);
    if (!(fabs(mean - expected) <= LIMIT * error + 1e-12 * fabs(expected)))
        fail_msg("mean %.17g of %zu, expected %.17g: %.2f standard errors off", mean, e->n,
                 expected, (mean - expected) / error);
}

/* Count is binomial (n, p). */
static void assert_binomial(size_t count, size_t n, double p)
{
    double deviation =
        ((double)count - (double)n * p) / sqrt(fmax((double)n * p * (1.0 - p), DBL_MIN));
    if (!(fabs(deviation) <= LIMIT))
        fail_msg("%zu of %zu at probability %g: %.2f deviations off", count, n, p, deviation);
}

static double residual(const compress_case *c, fednl_compressor kind, size_t k, uint32_t round)
{
    static compressed got;
    const fednl__compressor compressor = case_compressor(c, kind, k);
    case_compress(c, &compressor, 1, round, &got);
    return distance_squared(c, got.c, c->dense);
}

/* ---- contraction ---- */

// all entries off the diagonal the same: TopK can do no less than k/d^2 twice
static void fill_equal(compress_case *c, double diagonal)
{
    for (size_t i = 0; i < c->pattern.n; i++)
        c->value[i] = c->on_diagonal[c->position[i]] ? diagonal : 1.0;
    case_spread(c);
}

static void check_top_k_contracts(const compress_case *c)
{
    double whole = distance_squared(c, c->dense, NULL), d = (double)c->dimension;
    for (size_t k = 1; k <= c->triangle; k++) {
        double limit = (1.0 - (double)k / (d * d)) * whole;
        assert_true(residual(c, FEDNL_COMPRESSOR_TOPK, k, 0) <= limit * (1.0 + 1e-14));
    }
}

static void test_top_k_contracts(void **state)
{
    (void)state;
    static compress_case c;
    for (uint64_t seed = 0; seed < 5; seed++) {
        case_init(&c, 12, 1.0, seed == 0 ? 1.0 : 0.5, seed);
        case_fill_normal(&c, seed);
        check_top_k_contracts(&c);
        fill_equal(&c, 1.0);
        check_top_k_contracts(&c);
        fill_equal(&c, 1.0 + 1e-9);
        check_top_k_contracts(&c);
    }
}

/* Why delta is not k/N: where the diagonal is just larger, TopK sends it first, which counts once
 * in the norm, and less than k/N of the norm has gone. */
static void test_top_k_may_contract_by_less_than_its_share(void **state)
{
    (void)state;
    static compress_case c;
    case_init(&c, 12, 1.0, 1.0, 1);
    fill_equal(&c, 1.0 + 1e-9);
    double whole = distance_squared(&c, c.dense, NULL);
    double share = (double)c.dimension / (double)c.triangle;
    assert_true(residual(&c, FEDNL_COMPRESSOR_TOPK, c.dimension, 0) > (1.0 - share) * whole);
    // TopLEK cannot do better than all it may send
    ct_assert_near(residual(&c, FEDNL_COMPRESSOR_TOPLEK, c.dimension, 0),
                   residual(&c, FEDNL_COMPRESSOR_TOPK, c.dimension, 0), 1e-15, 0.0);
}

/* The share of the norm that is left is 1 - k/N on average, though never by more than k entries. */
static void check_top_lek(const compress_case *c, size_t k)
{
    const fednl__compressor compressor = case_compressor(c, FEDNL_COMPRESSOR_TOPLEK, k);
    static compressed got;
    double whole = distance_squared(c, c->dense, NULL);
    estimate left = {0};
    size_t fewest = SIZE_MAX, most = 0;
    for (uint32_t round = 0; round < ROUNDS / 4; round++) {
        case_compress(c, &compressor, 4, round, &got);
        estimate_add(&left, distance_squared(c, got.c, c->dense) / whole);
        fewest = got.n < fewest ? got.n : fewest;
        most = got.n > most ? got.n : most;
    }
    assert_true(most <= k && most - fewest <= 1);
    assert_expectation(&left, 1.0 - (double)k / (double)c->triangle);
}

static void test_top_lek_leaves_its_share_on_average(void **state)
{
    (void)state;
    static compress_case c;
    for (uint64_t seed = 0; seed < 3; seed++) {
        case_init(&c, 20, 0.9, 0.4, seed);
        case_fill_normal(&c, seed);
        check_top_lek(&c, 1);
        check_top_lek(&c, 30);
        check_top_lek(&c, c.triangle / 2);
        check_top_lek(&c, c.triangle - 1);
    }
    case_init(&c, 20, 1.0, 1.0, 1);
    fill_equal(&c, 0.5); // ties only
    check_top_lek(&c, 50);
}

/* ---- unbiased ---- */

/* Means of every entry and of the squared error; variance: what E ||C(D) - D||^2 must be. */
static void check_unbiased(const compress_case *c, fednl_compressor kind, size_t k, double variance)
{
    static estimate entry[MOST_ENTRIES];
    static compressed got;
    estimate error = {0};
    const fednl__compressor compressor = case_compressor(c, kind, k);
    memset(entry, 0, sizeof entry);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        case_compress(c, &compressor, 6, round, &got);
        estimate_add(&error, distance_squared(c, got.c, c->dense));
        for (size_t p = 0; p < c->triangle; p++)
            estimate_add(&entry[p], got.c[p]);
    }
    for (size_t p = 0; p < c->triangle; p++)
        assert_expectation(&entry[p], c->dense[p]);
    assert_expectation(&error, variance);
}

static void check_unbiased_draws(fednl_compressor kind)
{
    static compress_case c;
    case_init(&c, 16, 0.9, 0.6, 8);
    case_fill_normal(&c, 8);
    static const size_t ks[] = {5, 50, 135};
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
        double omega = (double)c.triangle / (double)ks[i] - 1.0;
        check_unbiased(&c, kind, ks[i], omega * distance_squared(&c, c.dense, NULL));
    }
}

static void test_rand_k_is_unbiased(void **state)
{
    (void)state;
    check_unbiased_draws(FEDNL_COMPRESSOR_RANDK);
}

static void test_rand_seq_k_is_unbiased(void **state)
{
    (void)state;
    check_unbiased_draws(FEDNL_COMPRESSOR_RANDSEQK);
}

/* 2^e (1 + m) has variance m (1 - m) 4^e. */
static double natural_variance(double v)
{
    int exponent;
    double m = 2.0 * frexp(fabs(v), &exponent) - 1.0;
    return m * (1.0 - m) * ldexp(1.0, 2 * (exponent - 1));
}

static void test_natural_is_unbiased(void **state)
{
    (void)state;
    static compress_case c;
    case_init(&c, 16, 0.9, 0.6, 8);
    case_fill_normal(&c, 9);
    double variance = 0.0;
    for (size_t p = 0; p < c.triangle; p++)
        if (c.dense[p] != 0.0)
            variance += entry_weight(&c, p) * natural_variance(c.dense[p]);
    assert_true(variance <= distance_squared(&c, c.dense, NULL) / 8.0);
    check_unbiased(&c, FEDNL_COMPRESSOR_NATURAL, c.triangle, variance);
    for (size_t i = 0; i < c.pattern.n; i++) // where omega = 1/8 is reached: 4/3
        c.value[i] = i % 2 == 0 ? 4.0 / 3.0 : -32.0 / 3.0;
    case_spread(&c);
    check_unbiased(&c, FEDNL_COMPRESSOR_NATURAL, c.triangle,
                   distance_squared(&c, c.dense, NULL) / 8.0);
}

static void test_natural_is_unbiased_for_denormals(void **state)
{
    (void)state;
    static compress_case c;
    case_init(&c, 8, 1.0, 1.0, 8);
    for (size_t i = 0; i < c.pattern.n; i++)
        c.value[i] = (double)(i + 1) / 40.0 * -0x1p-1022;
    case_spread(&c);
    size_t rounded_up[MOST_ENTRIES] = {0};
    const fednl__compressor compressor = case_compressor(&c, FEDNL_COMPRESSOR_NATURAL, c.triangle);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        static compressed got;
        case_compress(&c, &compressor, 6, round, &got);
        for (size_t p = 0; p < c.triangle; p++)
            rounded_up[p] += got.c[p] == -0x1p-1022;
    }
    for (size_t p = 0; p < c.triangle; p++)
        assert_binomial(rounded_up[p], ROUNDS, (double)(p + 1) / 40.0);
}

/* ---- how positions are drawn ---- */

// The whole triangle is the pattern: what is drawn is what is listed.
static void draw_all(compress_case *c, fednl_compressor kind, size_t k, uint32_t client,
                     uint32_t round, compressed *got)
{
    const fednl__compressor compressor = case_compressor(c, kind, k);
    case_compress(c, &compressor, client, round, got);
    assert_int_equal(got->n, k);
}

/* Every position is drawn with probability k/N, first and last included, and every pair of
 * neighbours with k (k - 1) / (N (N - 1)). */
static void test_rand_k_is_uniform(void **state)
{
    (void)state;
    static compress_case c;
    static compressed got;
    case_init(&c, 13, 1.0, 1.0, 1);
    case_fill_normal(&c, 1);
    static const size_t ks[] = {1, 9, 45, 90};
    const double n = (double)c.triangle;
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
        size_t count[MOST_ENTRIES] = {0}, pair[MOST_ENTRIES] = {0};
        for (uint32_t round = 0; round < ROUNDS; round++) {
            draw_all(&c, FEDNL_COMPRESSOR_RANDK, ks[i], 2, round, &got);
            for (size_t j = 0; j < got.n; j++) {
                count[got.index[j]]++;
                pair[got.index[j]] += j > 0 && got.index[j - 1] + 1 == got.index[j];
            }
        }
        double k = (double)ks[i];
        for (size_t p = 0; p < c.triangle; p++)
            assert_binomial(count[p], ROUNDS, k / n);
        for (size_t p = 1; p < c.triangle; p++)
            assert_binomial(pair[p], ROUNDS, k * (k - 1.0) / (n * (n - 1.0)));
    }
}

static uint32_t start_of_window(compress_case *c, size_t k, uint32_t client, uint32_t round)
{
    static compressed got;
    draw_all(c, FEDNL_COMPRESSOR_RANDSEQK, k, client, round, &got);
    uint32_t start = got.index[0];
    for (size_t i = 1; i < got.n; i++)
        if (got.index[i] != got.index[i - 1] + 1) {
            assert_int_equal(got.index[0], 0);
            assert_int_equal(got.index[got.n - 1], c->triangle - 1);
            start = got.index[i];
        }
    return start;
}

static void test_rand_seq_k_starts_anywhere(void **state)
{
    (void)state;
    static compress_case c;
    case_init(&c, 13, 1.0, 1.0, 1);
    case_fill_normal(&c, 1);
    size_t count[MOST_ENTRIES] = {0};
    for (uint32_t round = 0; round < ROUNDS; round++)
        count[start_of_window(&c, 9, 2, round)]++;
    for (size_t p = 0; p < c.triangle; p++)
        assert_binomial(count[p], ROUNDS, 1.0 / (double)c.triangle);
}

/* The starts of neighbouring clients, and of a client's neighbouring rounds: their distances are
 * uniform too (the prototype's were nearly all equal). */
static void test_rand_seq_k_starts_are_independent(void **state)
{
    (void)state;
    static compress_case c;
    case_init(&c, 13, 1.0, 1.0, 1);
    case_fill_normal(&c, 1);
    size_t by_client[MOST_ENTRIES] = {0}, by_round[MOST_ENTRIES] = {0};
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t start = start_of_window(&c, 9, i, 3) + (uint32_t)c.triangle;
        by_client[(start - start_of_window(&c, 9, i + 1, 3)) % c.triangle]++;
        by_round[(start - start_of_window(&c, 9, i, 4)) % c.triangle]++;
    }
    for (size_t p = 0; p < c.triangle; p++) {
        assert_binomial(by_client[p], ROUNDS, 1.0 / (double)c.triangle);
        assert_binomial(by_round[p], ROUNDS, 1.0 / (double)c.triangle);
    }
}

static void test_choices_depend_on_seed_client_and_round(void **state)
{
    (void)state;
    static compress_case c;
    static compressed got, other;
    case_init(&c, 30, 1.0, 1.0, 1);
    case_fill_normal(&c, 1);
    static const fednl_compressor kinds[] = {FEDNL_COMPRESSOR_RANDK, FEDNL_COMPRESSOR_RANDSEQK,
                                             FEDNL_COMPRESSOR_NATURAL};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        fednl__compressor compressor = case_compressor(&c, kinds[i], 50);
        case_compress(&c, &compressor, 1, 1, &got);
        case_compress(&c, &compressor, 1, 1, &other);
        assert_memory_equal(&got.c, &other.c, sizeof got.c);
        case_compress(&c, &compressor, 1, 2, &other);
        assert_memory_not_equal(&got.c, &other.c, sizeof got.c);
        case_compress(&c, &compressor, 2, 1, &other);
        assert_memory_not_equal(&got.c, &other.c, sizeof got.c);
        compressor.seed += UINT64_C(1) << 40;
        case_compress(&c, &compressor, 1, 1, &other);
        assert_memory_not_equal(&got.c, &other.c, sizeof got.c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_top_k_contracts),
        cmocka_unit_test(test_top_k_may_contract_by_less_than_its_share),
        cmocka_unit_test(test_top_lek_leaves_its_share_on_average),
        cmocka_unit_test(test_rand_k_is_unbiased),
        cmocka_unit_test(test_rand_seq_k_is_unbiased),
        cmocka_unit_test(test_natural_is_unbiased),
        cmocka_unit_test(test_natural_is_unbiased_for_denormals),
        cmocka_unit_test(test_rand_k_is_uniform),
        cmocka_unit_test(test_rand_seq_k_starts_anywhere),
        cmocka_unit_test(test_rand_seq_k_starts_are_independent),
        cmocka_unit_test(test_choices_depend_on_seed_client_and_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
