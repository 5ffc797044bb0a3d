// SPDX-License-Identifier: MIT
/* Rank-R on matrices whose eigenpairs are known, because they were made from them: what is left is
 * what the other eigenvalues make up, whether the largest pairs alone were solved for or all. */
#include "ct_test.h"

#include "compress_private.h"

#include <ctrain/blas.h>
#include <math.h>
#include <stdlib.h>

enum { MOST = 120, ENTRIES = MOST * (MOST + 1) / 2 };

typedef struct spectrum {
    size_t a;
    double eigenvalue[MOST];
    double vector[MOST][MOST]; // row i belongs to eigenvalue[i]; orthonormal
    double packed[ENTRIES];    // D
} spectrum;

static double dot(const double *x, const double *y, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

static void random_directions(spectrum *s, uint64_t seed)
{
    ct_rng rng;
    ct_rng_init(&rng, seed, CT_RNG_USER, 0, 0);
    for (size_t i = 0; i < s->a; i++) {
        double *u = s->vector[i];
        ct_rng_fill_normal_f64(&rng, u, s->a, 0.0, 1.0);
        for (int pass = 0; pass < 2; pass++)
            for (size_t j = 0; j < i; j++) {
                double part = dot(u, s->vector[j], s->a);
                for (size_t e = 0; e < s->a; e++)
                    u[e] -= part * s->vector[j][e];
            }
        double norm = sqrt(dot(u, u, s->a));
        for (size_t e = 0; e < s->a; e++)
            u[e] /= norm;
    }
}

/* The matrix of eigenvalue(i), largest magnitudes first. */
static void make(spectrum *s, size_t a, double (*eigenvalue)(size_t i))
{
    memset(s, 0, sizeof *s);
    s->a = a;
    random_directions(s, a);
    for (size_t i = 0; i < a; i++) {
        s->eigenvalue[i] = eigenvalue(i);
        for (size_t col = 0; col < a; col++)
            for (size_t row = 0; row <= col; row++)
                s->packed[fednl__position(row, col)] +=
                    s->eigenvalue[i] * s->vector[i][row] * s->vector[i][col];
    }
}

static double decaying(size_t i)
{
    return pow(0.8, (double)i) * (i % 2 == 0 ? 3.0 : -3.0);
}
static double slowly_decaying(size_t i)
{
    return (i % 3 == 0 ? -1.0 : 1.0) / (1.0 + 0.05 * (double)i);
}
static double all_equal(size_t i)
{
    (void)i;
    return -2.0;
}
static double of_two_magnitudes(size_t i)
{
    return i < 4 ? 5.0 : 0.1;
}
// beside a few directions of the first, those of the others are found: too little
static double mostly_equal(size_t i)
{
    return i < 70 ? 5.0 : decaying(i - 69);
}
static double of_low_rank(size_t i)
{
    return i < 3 ? 4.0 - (double)i : 0.0;
}
static double none(size_t i)
{
    (void)i;
    return 0.0;
}

static double norm_squared(const double *packed, size_t a)
{
    double sum = 0.0;
    for (size_t col = 0; col < a; col++)
        for (size_t row = 0; row <= col; row++) {
            double v = packed[fednl__position(row, col)];
            sum += (row == col ? 1.0 : 2.0) * v * v;
        }
    return sum;
}

/* ||D u - theta u||_2 */
static double residual(const spectrum *s, const double *u, double theta)
{
    double sum = 0.0;
    for (size_t i = 0; i < s->a; i++) {
        double product = -theta * u[i];
        for (size_t j = 0; j < s->a; j++)
            product += u[j] * s->packed[i < j ? fednl__position(i, j) : fednl__position(j, i)];
        sum += product * product;
    }
    return sqrt(sum);
}

static void check_pairs(const spectrum *s, const fednl__update *u)
{
    double largest = fabs(s->eigenvalue[0]);
    for (size_t r = 0; r < u->rank; r++) {
        const double *vector = u->vector + r * s->a;
        assert_true(residual(s, vector, u->eigenvalue[r]) <= 2e-6 * largest);
        for (size_t q = 0; q <= r; q++)
            ct_assert_near(dot(vector, u->vector + q * s->a, s->a), q == r ? 1.0 : 0.0, 0.0, 1e-12);
    }
    static double expanded[ENTRIES];
    fednl__expand_rank(u->rank, s->a, u->eigenvalue, u->vector, expanded);
    assert_memory_equal(expanded, u->value, u->n * sizeof *expanded);
    for (size_t col = 0; col < s->a; col++)
        for (size_t row = 0; row <= col; row++) {
            double sum = 0.0;
            for (size_t r = 0; r < u->rank; r++)
                sum += u->eigenvalue[r] * u->vector[r * s->a + row] * u->vector[r * s->a + col];
            ct_assert_near(expanded[fednl__position(row, col)], sum, 1e-13, 1e-13);
        }
}

static fednl__compressor rank_compressor(size_t rank, double alpha)
{
    return (fednl__compressor){.kind = FEDNL_COMPRESSOR_RANKR,
                               .dimension = MOST,
                               .triangle = ENTRIES,
                               .k = ENTRIES,
                               .rank = rank,
                               .alpha = alpha,
                               .seed = 3};
}

/* left (packed) = what Rank-R leaves of s, whose active columns are the first a of d. */
static ct_status compress(const spectrum *s, size_t rank, double alpha, double *left)
{
    const fednl__compressor compressor = rank_compressor(rank, alpha);
    static uint32_t position[ENTRIES];
    fednl__pattern pattern = {.n = fednl__position(0, s->a), .position = position, .active = s->a};
    for (uint32_t i = 0; i < pattern.n; i++)
        position[i] = i;
    fednl__compress_work *work;
    ct_assert_ok(fednl__compress_work_create(&work, &compressor, pattern.n, s->a), NULL);
    memcpy(left, s->packed, pattern.n * sizeof *left);
    fednl__update u;
    ct_status status = fednl__compress(&compressor, &pattern, 1, 2, left, work, &u);
    if (status == CT_OK) {
        assert_int_equal(u.rank, rank < s->a ? rank : s->a);
        assert_int_equal(u.n, pattern.n);
        assert_null(u.slot);
        assert_ptr_equal(u.index, position);
        for (size_t i = 0; i < u.n; i++)
            assert_true(left[i] == s->packed[i] - u.scale * u.value[i]);
        if (isnormal(norm_squared(s->packed, s->a)))
            check_pairs(s, &u);
    }
    fednl__compress_work_destroy(work);
    return status;
}

static void check_remainder(const spectrum *s, size_t rank)
{
    static double left[ENTRIES];
    ct_assert_ok(compress(s, rank, 1.0, left), NULL);
    double whole = 0.0, others = 0.0;
    for (size_t i = 0; i < s->a; i++) {
        double square = s->eigenvalue[i] * s->eigenvalue[i];
        whole += square;
        others += i < rank ? 0.0 : square;
    }
    double remainder = norm_squared(left, s->a);
    ct_assert_near(remainder, others, 1e-9, 1e-12 * whole);
    // delta = R/d, even for d = a
    assert_true(remainder <= (1.0 - (double)rank / (double)s->a) * whole + 1e-13 * whole);
}

static void test_what_is_left_are_the_other_eigenvalues(void **state)
{
    (void)state;
    static const size_t columns[] = {1, 2, 7, 40, 64, 100, MOST};
    static double (*const kinds[])(size_t) = {decaying, slowly_decaying};
    static spectrum s;
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        for (size_t j = 0; j < sizeof kinds / sizeof *kinds; j++) {
            make(&s, columns[i], kinds[j]);
            for (size_t rank = 1; rank <= 6 && rank <= s.a; rank++)
                check_remainder(&s, rank);
            check_remainder(&s, s.a);
        }
}

static void test_rank_beyond_the_columns(void **state)
{
    (void)state;
    static spectrum s;
    static double left[ENTRIES];
    make(&s, 5, decaying);
    ct_assert_ok(compress(&s, 9, 1.0, left), NULL);
    assert_true(norm_squared(left, s.a) < 1e-26);
}

static void test_no_columns(void **state)
{
    (void)state;
    static spectrum s; // a = 0
    double left;
    ct_assert_ok(compress(&s, 2, 1.0, &left), NULL);
}

static void test_an_explicit_alpha(void **state)
{
    (void)state;
    static spectrum s;
    static double left[ENTRIES];
    make(&s, 80, decaying);
    ct_assert_ok(compress(&s, 1, 0.25, left), NULL);
    double first = s.eigenvalue[0] * s.eigenvalue[0];
    ct_assert_near(norm_squared(s.packed, s.a) - norm_squared(left, s.a),
                   first * (1.0 - 0.75 * 0.75), 1e-9, 0.0);
}

/* Krylov spaces do not show that eigenvalues are multiple, and end early. */
static void test_multiple_eigenvalues(void **state)
{
    (void)state;
    static double (*const kinds[])(size_t) = {all_equal, of_two_magnitudes, mostly_equal,
                                              of_low_rank, none};
    static spectrum s;
    for (size_t j = 0; j < sizeof kinds / sizeof *kinds; j++) {
        make(&s, 100, kinds[j]);
        for (size_t rank = 1; rank <= 6; rank++) {
            static double left[ENTRIES];
            ct_assert_ok(compress(&s, rank, 1.0, left), NULL);
            double limit = (1.0 - (double)rank / 100.0) * norm_squared(s.packed, s.a);
            assert_true(norm_squared(left, s.a) <= limit * (1.0 + 1e-12));
        }
    }
}

/* x (n) *= 2^exponent */
static void scale(double *x, size_t n, int exponent)
{
    for (size_t i = 0; i < n; i++)
        x[i] = ldexp(x[i], exponent);
}

static void test_extreme_numbers(void **state)
{
    (void)state;
    static spectrum s;
    static double left[ENTRIES];
    static const int exponents[] = {700, -700, -1050};
    for (size_t i = 0; i < sizeof exponents / sizeof *exponents; i++) {
        make(&s, 80, decaying);
        double others = norm_squared(s.packed, s.a) - 9.0 - 9.0 * 0.64;
        const size_t n = fednl__position(0, s.a);
        scale(s.packed, n, exponents[i]);
        ct_assert_ok(compress(&s, 2, 1.0, left), NULL);
        scale(left, n, -exponents[i]);
        ct_assert_near(norm_squared(left, s.a), others, exponents[i] < -1000 ? 1e-3 : 1e-9, 0.0);
    }
}

static void test_numbers_that_are_none(void **state)
{
    (void)state;
    static spectrum s;
    static double left[ENTRIES];
    static const double bad[] = {(double)NAN, (double)INFINITY};
    for (size_t a = 20; a <= 100; a += 80)
        for (size_t i = 0; i < 2; i++) {
            make(&s, a, decaying);
            s.packed[a / 2] = bad[i];
            ct_assert_status(compress(&s, 2, 1.0, left), CT_ENUMERIC, NULL);
        }
}

/* Whether the short way was taken, and that it says so where it fails. */
static bool solve_for_the_largest(const spectrum *s, size_t rank, double *eigenvalue)
{
    const fednl__compressor compressor = rank_compressor(rank, 1.0);
    fednl__compress_work *work;
    ct_assert_ok(fednl__compress_work_create(&work, &compressor, fednl__position(0, s->a), s->a),
                 NULL);
    ct_rng rng;
    ct_rng_init(&rng, 1, CT_RNG_USER, 0, 0);
    bool found = fednl__lanczos(rank, s->a, s->packed, &rng, work);
    memcpy(eigenvalue, work->eigenvalue, rank * sizeof *eigenvalue);
    fednl__compress_work_destroy(work);
    return found;
}

static void test_the_short_way(void **state)
{
    (void)state;
    static spectrum s;
    double eigenvalue[8];
    make(&s, 100, decaying);
    for (size_t rank = 1; rank <= 6; rank++) {
        assert_true(solve_for_the_largest(&s, rank, eigenvalue));
        ct_assert_array_near(eigenvalue, s.eigenvalue, rank, 1e-11, 0.0);
    }
    assert_false(solve_for_the_largest(&s, 7, eigenvalue)); // too many of 100
    make(&s, 63, decaying);
    assert_false(solve_for_the_largest(&s, 1, eigenvalue)); // too small
    make(&s, 100, all_equal);
    assert_false(solve_for_the_largest(&s, 1, eigenvalue)); // exhausted at once
    make(&s, 100, none);
    assert_false(solve_for_the_largest(&s, 1, eigenvalue));
}

static ct_status create_and_destroy(void *context)
{
    fednl__compress_work *work;
    ct_status status = fednl__compress_work_create(&work, context, ENTRIES, MOST);
    assert_true((status == CT_OK) == (work != NULL));
    fednl__compress_work_destroy(work);
    return status;
}

static void test_room_that_cannot_be_had(void **state)
{
    (void)state;
    fednl__compressor compressor = rank_compressor(2, 1.0);
    ct_assert_survives_allocation_failures(create_and_destroy, &compressor);
}

static int open_blas(void **state)
{
    (void)state;
    return ct_blas_open(NULL) == CT_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_left_are_the_other_eigenvalues),
        cmocka_unit_test(test_rank_beyond_the_columns),
        cmocka_unit_test(test_no_columns),
        cmocka_unit_test(test_an_explicit_alpha),
        cmocka_unit_test(test_multiple_eigenvalues),
        cmocka_unit_test(test_extreme_numbers),
        cmocka_unit_test(test_numbers_that_are_none),
        cmocka_unit_test(test_the_short_way),
        cmocka_unit_test(test_room_that_cannot_be_had),
    };
    return cmocka_run_group_tests(tests, open_blas, NULL);
}
