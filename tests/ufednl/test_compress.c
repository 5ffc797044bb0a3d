// SPDX-License-Identifier: MIT
/* Every compressor on a pattern against its definition on the whole triangle, written down in the
 * most obvious way; ties, zeros, extremes of k and of numbers; room that cannot be had. */
#include "compress_case.h"

#include <float.h>
#include <stdlib.h>

/* ---- definitions on the triangle ---- */

static const double *sorted_by; // the dense difference

static int by_magnitude_then_position(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (fabs(sorted_by[x]) != fabs(sorted_by[y]))
        return fabs(sorted_by[x]) > fabs(sorted_by[y]) ? -1 : 1;
    return x < y ? -1 : 1;
}

static void order_by_magnitude(const compress_case *c, uint32_t *order)
{
    for (uint32_t p = 0; p < c->triangle; p++)
        order[p] = p;
    sorted_by = c->dense;
    qsort(order, c->triangle, sizeof *order, by_magnitude_then_position);
}

static void define_top_k(const compress_case *c, const fednl__compressor *compressor, double *out)
{
    uint32_t order[MOST_ENTRIES];
    order_by_magnitude(c, order);
    for (size_t i = 0; i < compressor->k; i++)
        out[order[i]] = c->dense[order[i]];
}

/* s entries leave at least (1 - k/N) ||D||^2, s + 1 leave less; which of the two by one uniform
 * number of the stream, so that (1 - k/N) ||D||^2 is left on average. */
static void define_top_lek(const compress_case *c, const fednl__compressor *compressor,
                           uint32_t client, uint32_t round, double *out)
{
    uint32_t order[MOST_ENTRIES];
    order_by_magnitude(c, order);
    long double all = 0.0L, sent = 0.0L;
    for (size_t p = 0; p < c->triangle; p++)
        all += (long double)entry_weight(c, p) * c->dense[p] * c->dense[p];
    long double target = all * (long double)compressor->k / (long double)c->triangle;
    ct_rng rng;
    ct_rng_init(&rng, compressor->seed, CT_RNG_COMPRESSOR, client, round);
    for (size_t s = 0; s < compressor->k; s++) {
        double v = c->dense[order[s]];
        long double part = (long double)entry_weight(c, order[s]) * v * v;
        if (sent + part > target) {
            if ((long double)ct_rng_uniform(&rng) < (target - sent) / part)
                out[order[s]] = v;
            return;
        }
        sent += part;
        out[order[s]] = v;
    }
}

/* Floyd's draws, one by one. */
static void define_rand_k(const compress_case *c, const fednl__compressor *compressor,
                          uint32_t client, uint32_t round, double *out)
{
    bool drawn[MOST_ENTRIES] = {false};
    ct_rng rng;
    ct_rng_init(&rng, compressor->seed, CT_RNG_COMPRESSOR, client, round);
    for (size_t last = c->triangle - compressor->k; last < c->triangle; last++) {
        size_t position = (size_t)ct_rng_below(&rng, last + 1);
        drawn[drawn[position] ? last : position] = true;
    }
    for (size_t p = 0; p < c->triangle; p++)
        if (drawn[p])
            out[p] = c->dense[p] * ((double)c->triangle / (double)compressor->k);
}

static void define_rand_seq_k(const compress_case *c, const fednl__compressor *compressor,
                              uint32_t client, uint32_t round, double *out)
{
    ct_rng rng;
    ct_rng_init(&rng, compressor->seed, CT_RNG_COMPRESSOR, client, round);
    size_t start = (size_t)ct_rng_below(&rng, c->triangle);
    for (size_t i = 0; i < compressor->k; i++) {
        size_t p = (start + i) % c->triangle;
        out[p] = c->dense[p] * ((double)c->triangle / (double)compressor->k);
    }
}

/* Up with the probability of the mantissa m in 2^e (1 + m), or of m in m 2^-1022. */
static double define_rounding(double v, double uniform)
{
    static const double least = 0x1p-1022;
    if (fabs(v) < least)
        return copysign(uniform < fabs(v) / least ? least : 0.0, v);
    int exponent;
    double m = 2.0 * frexp(fabs(v), &exponent) - 1.0;
    bool up = uniform < m && exponent < DBL_MAX_EXP;
    return copysign(ldexp(1.0, exponent - 1 + up), v);
}

/* 16 bits an entry, low half of a word first, for 1,024 entries; then 36 more for those of them
 * that need them. */
static void define_natural(const compress_case *c, const fednl__compressor *compressor,
                           uint32_t client, uint32_t round, double *out)
{
    enum { BLOCK = 1024 };
    ct_rng rng;
    ct_rng_init(&rng, compressor->seed, CT_RNG_COMPRESSOR, client, round);
    for (size_t begin = 0; begin < c->pattern.n; begin += BLOCK) {
        size_t n = c->pattern.n - begin < BLOCK ? c->pattern.n - begin : BLOCK;
        uint32_t word[BLOCK / 2];
        for (size_t i = 0; i < n; i += 2)
            word[i / 2] = ct_rng_u32(&rng);
        for (size_t i = 0; i < n; i++) {
            double v = c->value[begin + i];
            uint64_t bits, random = (uint64_t)(word[i / 2] >> (16 * (i % 2)) & 0xffff) << 36;
            memcpy(&bits, &v, sizeof bits);
            if ((bits << 12 >> 48) == random >> 36)
                random |= ct_rng_u64(&rng) & ((UINT64_C(1) << 36) - 1);
            out[c->position[begin + i]] = define_rounding(v, (double)random * 0x1p-52);
        }
    }
}

static void check_against_definition(const compress_case *c, fednl_compressor kind, size_t k,
                                     uint32_t client, uint32_t round)
{
    const fednl__compressor compressor = case_compressor(c, kind, k);
    static double expected[MOST_ENTRIES];
    static compressed got;
    memset(expected, 0, sizeof expected);
    if (kind == FEDNL_COMPRESSOR_TOPK)
        define_top_k(c, &compressor, expected);
    else if (kind == FEDNL_COMPRESSOR_TOPLEK)
        define_top_lek(c, &compressor, client, round, expected);
    else if (kind == FEDNL_COMPRESSOR_RANDK)
        define_rand_k(c, &compressor, client, round, expected);
    else if (kind == FEDNL_COMPRESSOR_RANDSEQK)
        define_rand_seq_k(c, &compressor, client, round, expected);
    else
        define_natural(c, &compressor, client, round, expected);
    case_compress(c, &compressor, client, round, &got);
    ct_assert_array_near(got.c, expected, c->triangle, 4 * DBL_EPSILON, 0.0);
    assert_true(kind == FEDNL_COMPRESSOR_NATURAL || got.n <= k);
}

static void check_all(const compress_case *c)
{
    static const fednl_compressor kinds[] = {
        FEDNL_COMPRESSOR_TOPK,     FEDNL_COMPRESSOR_TOPLEK,  FEDNL_COMPRESSOR_RANDK,
        FEDNL_COMPRESSOR_RANDSEQK, FEDNL_COMPRESSOR_NATURAL,
    };
    const size_t n = c->triangle;
    const size_t ks[] = {1, 2, n / 5 + 1, n / 2 + 1, c->pattern.n + (c->pattern.n < n), n};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (size_t j = 0; j < sizeof ks / sizeof *ks; j++)
            for (uint32_t round = 0; round < 4; round++)
                if (ks[j] >= 1 && ks[j] <= n)
                    check_against_definition(c, kinds[i], ks[j], 3 + round, round);
}

static void test_random_patterns(void **state)
{
    (void)state;
    static compress_case c;
    static const size_t dimensions[] = {1, 2, 3, 8, 17, MOST_COLUMNS};
    for (size_t i = 0; i < sizeof dimensions / sizeof *dimensions; i++)
        for (uint64_t seed = 0; seed < 6; seed++) {
            case_init(&c, dimensions[i], seed < 3 ? 0.8 : 1.0, (double)(seed % 3) * 0.5, seed);
            case_fill_normal(&c, seed);
            check_all(&c);
        }
}

static void test_an_empty_pattern(void **state)
{
    (void)state;
    static compress_case c;
    case_init(&c, 5, 0.0, 0.0, 1);
    case_spread(&c);
    assert_int_equal(c.pattern.n, 0);
    check_all(&c);
}

static void fill_and_check(double (*number)(ct_rng *rng))
{
    static compress_case c;
    static const size_t dimensions[] = {4, 30};
    for (size_t i = 0; i < 2; i++) {
        case_init(&c, dimensions[i], 0.9, 0.6, i);
        ct_rng rng = case_stream(i + 1);
        for (size_t e = 0; e < c.pattern.n; e++)
            c.value[e] = number(&rng);
        case_spread(&c);
        check_all(&c);
    }
}

static double of_few_magnitudes(ct_rng *rng)
{
    return ((double)ct_rng_below(rng, 7) - 3.0) * 0.3;
}
static double mostly_zero(ct_rng *rng)
{
    return ct_rng_below(rng, 10) == 0 ? ct_rng_normal(rng) : -0.0;
}
static double zero(ct_rng *rng)
{
    (void)rng;
    return 0.0;
}
static double one_magnitude(ct_rng *rng)
{
    return ct_rng_below(rng, 2) == 0 ? 0.7 : -0.7;
}
static double power_of_two(ct_rng *rng)
{
    return ldexp(1.0, (int)ct_rng_below(rng, 40) - 20);
}
static double denormal(ct_rng *rng)
{
    return (double)(ct_rng_u64(rng) >> 20) * -0x1p-1066;
}
static double huge(ct_rng *rng)
{
    return (1.0 - ct_rng_uniform(rng)) * 0x1.fffffffffffffp+1023;
}
static double of_any_exponent(ct_rng *rng)
{
    return ldexp(1.0 + ct_rng_uniform(rng), (int)ct_rng_below(rng, 2000) - 1000);
}

static void test_special_numbers(void **state)
{
    (void)state;
    fill_and_check(of_few_magnitudes);
    fill_and_check(mostly_zero);
    fill_and_check(zero);
    fill_and_check(one_magnitude);
    fill_and_check(power_of_two);
    fill_and_check(of_any_exponent);
}

// TopLEK's definition above squares in long double, whose exponents suffice
static void test_denormal_and_huge_numbers(void **state)
{
    (void)state;
    fill_and_check(denormal);
    fill_and_check(huge);
}

/* ---- Natural: all of the mantissa counts ---- */

/* The first 16 random bits equal the mantissa's in every entry: the others decide. */
static void test_natural_decides_by_all_bits(void **state)
{
    (void)state;
    static compress_case c;
    static compressed got;
    case_init(&c, 40, 1.0, 1.0, 1); // one block of 1,024
    const fednl__compressor compressor = case_compressor(&c, FEDNL_COMPRESSOR_NATURAL, c.triangle);
    size_t ups = 0;
    ct_rng stream, rest = case_stream(2);
    ct_rng_init(&stream, compressor.seed, CT_RNG_COMPRESSOR, 0, 0);
    for (size_t i = 0; i < c.pattern.n; i += 2) {
        uint32_t word = ct_rng_u32(&stream);
        for (size_t half = 0; half < 2; half++) {
            double first = (double)(word >> (16 * half) & 0xffff) * 0x1p-16;
            c.value[i + half] =
                1.0 + first + (double)(ct_rng_u64(&rest) >> 28) * 0x1p-52 * (i % 4 == 0);
        }
    }
    case_spread(&c);
    check_against_definition(&c, FEDNL_COMPRESSOR_NATURAL, c.triangle, 0, 0);
    case_compress(&c, &compressor, 0, 0, &got);
    for (size_t i = 0; i < c.pattern.n; i++) {
        ups += got.c[i] == 2.0;
        assert_true(i % 4 < 2 || got.c[i] == 1.0); // nothing is below the 16 bits: never up
    }
    assert_in_range(ups, c.pattern.n / 4 - 60, c.pattern.n / 4 + 60); // half of the other half
}

static void test_natural_gives_powers_of_two(void **state)
{
    (void)state;
    static compress_case c;
    static compressed got;
    case_init(&c, MOST_COLUMNS, 1.0, 0.9, 1);
    case_fill_normal(&c, 3);
    c.value[0] = 0x1.8p+1023; // the next power of two is infinite
    c.value[1] = -0x1.fffffffffffffp+1023;
    c.value[2] = 0x1p-1074;
    case_spread(&c);
    const fednl__compressor compressor = case_compressor(&c, FEDNL_COMPRESSOR_NATURAL, c.triangle);
    for (uint32_t round = 0; round < 20; round++) {
        case_compress(&c, &compressor, 1, round, &got);
        for (size_t p = 0; p < c.triangle; p++) {
            int exponent;
            double magnitude = fabs(got.c[p]);
            assert_true(magnitude == 0.0 || frexp(magnitude, &exponent) == 0.5);
            assert_true(magnitude == 0.0 ? fabs(c.dense[p]) < 0x1p-1022 : isfinite(magnitude));
        }
        assert_true(got.c[c.position[0]] == 0x1p+1023);
        assert_true(got.c[c.position[1]] == -0x1p+1023);
    }
}

/* ---- draws ---- */

static void check_repeated_draw(const compress_case *c, fednl_compressor kind, size_t k)
{
    const fednl__compressor compressor = case_compressor(c, kind, k);
    static compressed got;
    static uint32_t slot[MOST_ENTRIES + 1], index[MOST_ENTRIES + 1];
    fednl__compress_work *work;
    ct_assert_ok(fednl__compress_work_create(&work, &compressor, c->pattern.n, 0), NULL);
    for (uint32_t round = 0; round < 9; round++) { // with the same room, which must be clean again
        case_compress(c, &compressor, 5, round, &got);
        memset(slot, 0xff, sizeof slot);
        memset(index, 0xff, sizeof index);
        size_t n = fednl__draw(&compressor, 5, round, c->position, c->pattern.n, work, slot, index);
        assert_int_equal(n, got.n);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(index[i], got.index[i]);
            assert_int_equal(c->position[slot[i]], index[i]);
        }
        memset(index, 0xff, sizeof index);
        fednl__draw(&compressor, 5, round, c->position, c->pattern.n, work, NULL, index);
        assert_memory_equal(index, got.index, n * sizeof *index);
        assert_int_equal(
            fednl__draw(&compressor, 5, round, c->position, c->pattern.n, work, NULL, NULL), n);
    }
    fednl__compress_work_destroy(work);
}

static void test_a_draw_can_be_repeated(void **state)
{
    (void)state;
    static compress_case c;
    case_init(&c, 30, 0.8, 0.4, 2);
    case_fill_normal(&c, 2);
    for (size_t k = 1; k <= c.triangle; k += 58) {
        check_repeated_draw(&c, FEDNL_COMPRESSOR_RANDK, k);
        check_repeated_draw(&c, FEDNL_COMPRESSOR_RANDSEQK, k);
    }
}

/* ---- constants, and learning with them ---- */

static void test_constants(void **state)
{
    (void)state;
    assert_true(fednl__compressor_alpha(FEDNL_COMPRESSOR_TOPK, 3, 10) == 1.0);
    assert_true(fednl__compressor_alpha(FEDNL_COMPRESSOR_TOPLEK, 3, 10) == 1.0);
    assert_true(fednl__compressor_alpha(FEDNL_COMPRESSOR_RANKR, 3, 10) == 1.0);
    ct_assert_near(fednl__compressor_alpha(FEDNL_COMPRESSOR_RANDK, 3, 10), 0.3, 1e-15, 0.0);
    ct_assert_near(fednl__compressor_alpha(FEDNL_COMPRESSOR_RANDSEQK, 3, 10), 0.3, 1e-15, 0.0);
    ct_assert_near(fednl__compressor_alpha(FEDNL_COMPRESSOR_NATURAL, 1, 10), 8.0 / 9, 1e-15, 0.0);
    for (int kind = FEDNL_COMPRESSOR_IDENTITY; kind <= FEDNL_COMPRESSOR_RANKR; kind++)
        assert_int_equal(fednl__compressor_unbiased((fednl_compressor)kind),
                         kind >= FEDNL_COMPRESSOR_RANDK && kind <= FEDNL_COMPRESSOR_NATURAL);
    fednl__compressor compressor = {.kind = FEDNL_COMPRESSOR_RANDK, .alpha = 0.5};
    compressor.k = 3;
    compressor.triangle = 10;
    ct_assert_near(fednl__compressor_scale(&compressor), 0.5 * 10 / 3, 1e-15, 0.0);
    for (compressor.triangle = 1; compressor.triangle < 200; compressor.triangle++)
        for (compressor.k = 1; compressor.k <= compressor.triangle; compressor.k++) {
            compressor.alpha =
                fednl__compressor_alpha(compressor.kind, compressor.k, compressor.triangle);
            assert_true(fednl__compressor_scale(&compressor) == 1.0);
        }
}

/* case_compress compares what is left, to the bit; here that it is D - alpha C(D), for any alpha.
 */
static void test_an_explicit_alpha(void **state)
{
    (void)state;
    static compress_case c;
    static compressed got;
    case_init(&c, 20, 0.9, 0.5, 3);
    case_fill_normal(&c, 3);
    for (int kind = FEDNL_COMPRESSOR_TOPK; kind <= FEDNL_COMPRESSOR_NATURAL; kind++) {
        fednl__compressor compressor = case_compressor(&c, (fednl_compressor)kind, 40);
        for (compressor.alpha = 0.125; compressor.alpha < 2; compressor.alpha += 0.3) {
            case_compress(&c, &compressor, 2, 9, &got);
            assert_true(got.n > 0);
            for (size_t p = 0; p < c.triangle; p++)
                ct_assert_near(got.after[p] + compressor.alpha * got.c[p], c.dense[p], 0.0, 1e-14);
        }
    }
}

/* ---- room ---- */

static ct_status create_and_destroy(void *context)
{
    fednl__compress_work *work;
    ct_status status = fednl__compress_work_create(&work, context, 300, 25);
    assert_true((status == CT_OK) == (work != NULL));
    fednl__compress_work_destroy(work);
    return status;
}

static void test_room_that_cannot_be_had(void **state)
{
    (void)state;
    for (int kind = FEDNL_COMPRESSOR_TOPK; kind <= FEDNL_COMPRESSOR_NATURAL; kind++) {
        fednl__compressor compressor = {
            .kind = (fednl_compressor)kind, .dimension = 30, .triangle = 465, .k = 40};
        ct_assert_survives_allocation_failures(create_and_destroy, &compressor);
    }
}

static void test_room_beyond_memory(void **state)
{
    (void)state;
    fednl__compressor compressor = {.kind = FEDNL_COMPRESSOR_TOPK, .k = SIZE_MAX};
    fednl__compress_work *work;
    ct_assert_status(fednl__compress_work_create(&work, &compressor, SIZE_MAX / 8, 1), CT_ENOMEM,
                     NULL);
    assert_null(work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_patterns),
        cmocka_unit_test(test_an_empty_pattern),
        cmocka_unit_test(test_special_numbers),
        cmocka_unit_test(test_denormal_and_huge_numbers),
        cmocka_unit_test(test_natural_decides_by_all_bits),
        cmocka_unit_test(test_natural_gives_powers_of_two),
        cmocka_unit_test(test_a_draw_can_be_repeated),
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_an_explicit_alpha),
        cmocka_unit_test(test_room_that_cannot_be_had),
        cmocka_unit_test(test_room_beyond_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
