// SPDX-License-Identifier: MIT
/* Rounding to powers of two: the neighbours and no others, right on average, by all bits of the
 * mantissa, the same bits from every instruction set. */
#include "ct_test.h"

#include <ctrain/natural.h>
#include <math.h>
#include <string.h>

enum { N = 2500 };

static ct_rng stream(uint32_t number)
{
    ct_rng rng;
    ct_rng_init(&rng, 7, CT_RNG_COMPRESSOR, number, 0);
    return rng;
}

static void test_neighbours(void **state)
{
    (void)state;
    static double v[N], out[N];
    ct_rng rng = stream(0), draw = stream(1);
    ct_rng_fill_normal_f64(&rng, v, N, 0, 1);
    for (size_t i = 0; i < N; i++)
        v[i] = ldexp(v[i], (int)ct_rng_below(&rng, 200) - 100);
    ct_natural_f64(&draw, out, v, N);
    for (size_t i = 0; i < N; i++) {
        int e;
        double below = 0.5 * (frexp(fabs(v[i]), &e), ldexp(1, e));
        assert_true(fabs(out[i]) == below || fabs(out[i]) == 2 * below);
        assert_true(signbit(out[i]) == signbit(v[i]));
    }
}

static void test_special_values(void **state)
{
    (void)state;
    const double v[] = {0.0,         -0.0,           1.0,      -4.0,     0x1p-1022,
                        0x1.8p+1023, -0x1.fffp+1023, INFINITY, -INFINITY};
    const double expected[] = {0.0,       -0.0,       1.0,      -4.0,     0x1p-1022,
                               0x1p+1023, -0x1p+1023, INFINITY, -INFINITY};
    double out[9], nan = NAN;
    ct_rng draw = stream(2);
    ct_natural_f64(&draw, out, v, 9);
    assert_memory_equal(out, expected, sizeof out);
    ct_natural_f64(&draw, out, &nan, 1);
    assert_true(isinf(out[0]));
    ct_natural_f64(&draw, NULL, NULL, 0);
}

/* Five standard errors. Denormals round to 0 and 2^-1022. */
static void test_right_on_average(void **state)
{
    (void)state;
    const double values[] = {1.25, -1.5, 3.9, 1e-300, -0x0.3p-1022, 0x1.0001p+5};
    enum { TIMES = 200 };
    for (size_t c = 0; c < sizeof values / sizeof *values; c++) {
        static double v[N], out[N];
        ct_rng draw = stream(3);
        double unit = fabs(values[c]) < 0x1p-1022 ? 0x1p-1022 : fabs(values[c]), sum = 0,
               square = 0;
        for (size_t i = 0; i < N; i++)
            v[i] = values[c];
        for (size_t t = 0; t < TIMES; t++) {
            ct_natural_f64(&draw, out, v, N);
            for (size_t i = 0; i < N; i++) {
                double error = (out[i] - values[c]) / unit;
                sum += error;
                square += error * error;
            }
        }
        double count = (double)N * TIMES, variance = square / count;
        assert_true(fabs(sum / count) < 5 * sqrt(variance / count));
        assert_true(unit == 0x1p-1022 || variance < 0.125 + 5 * sqrt(0.1 / count));
    }
}

/* The first 16 random bits are the mantissa's in every entry: the other 36 decide, and where those
 * of the mantissa are zero, nothing is rounded up. */
static void test_all_bits_decide(void **state)
{
    (void)state;
    static double v[1024], out[1024];
    ct_rng copy = stream(4), draw = stream(4);
    for (size_t i = 0; i < 1024; i += 2) {
        uint32_t word = ct_rng_u32(&copy);
        for (size_t half = 0; half < 2; half++)
            v[i + half] = 1 + (double)(word >> (16 * half) & 0xffff) * 0x1p-16 +
                          (i < 512 ? 0x1p-17 : 0); // half of what is below the 16 bits
    }
    ct_natural_f64(&draw, out, v, 1024);
    size_t ups = 0;
    for (size_t i = 0; i < 1024; i++) {
        ups += out[i] == 2;
        assert_true(i < 512 || out[i] == 1);
    }
    assert_in_range(ups, 256 - 57, 256 + 57);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_special_values),
        cmocka_unit_test(test_right_on_average),
        cmocka_unit_test(test_all_bits_decide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
