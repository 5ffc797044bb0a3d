// SPDX-License-Identifier: MIT
/* Numbers as they travel: every pattern of 16 bits and every tie between two of them, random
 * floats, and numbers that are none wherever they stand. */
#include "ct_test.h"

#include <ctrain/rng.h>
#include <math.h>
#include <permk_aes/value.h>
#include <stdio.h>
#include <string.h>

static const permk_value all[] = {PERMK_VALUE_F64, PERMK_VALUE_F32, PERMK_VALUE_F16,
                                  PERMK_VALUE_BF16};

static void names_and_sizes(void **state)
{
    (void)state;
    static const char *const names[] = {"f64", "f32", "f16", "bf16"};
    static const size_t sizes[] = {8, 4, 2, 2};
    permk_value value = PERMK_VALUE_F64;
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(permk_value_name(all[i]), names[i]);
        assert_int_equal(permk_value_bytes(all[i]), sizes[i]);
        assert_true(permk_value_from_name(&value, names[i]));
        assert_int_equal(value, all[i]);
    }
    assert_false(permk_value_from_name(&value, "f8"));
    assert_false(permk_value_from_name(&value, ""));
    assert_int_equal(value, PERMK_VALUE_BF16);
}

static void bytes_are_little_endian(void **state)
{
    (void)state;
    static const double x = 1.5;
    unsigned char out[8];
    permk_values_encode(PERMK_VALUE_F64, &x, 1, out);
    assert_memory_equal(out, "\0\0\0\0\0\0\xF8\x3F", 8);
    permk_values_encode(PERMK_VALUE_F32, &x, 1, out);
    assert_memory_equal(out, "\0\0\xC0\x3F", 4);
    permk_values_encode(PERMK_VALUE_F16, &x, 1, out);
    assert_memory_equal(out, "\0\x3E", 2);
    permk_values_encode(PERMK_VALUE_BF16, &x, 1, out);
    assert_memory_equal(out, "\xC0\x3F", 2);
}

/* ---- Two bytes: all of them ---- */

static unsigned encode_16(permk_value value, double x)
{
    unsigned char out[2];
    permk_values_encode(value, &x, 1, out);
    return out[0] | (unsigned)out[1] << 8;
}

static double decode_16(permk_value value, unsigned bits, bool *finite)
{
    unsigned char in[2] = {(unsigned char)bits, (unsigned char)(bits >> 8)};
    double x;
    *finite = permk_values_decode(value, in, 1, &x);
    return x;
}

/* What a pattern stands for, from the definition of the format. */
static double meaning(permk_value value, unsigned bits)
{
    int fraction_bits = value == PERMK_VALUE_F16 ? 10 : 7,
        bias = value == PERMK_VALUE_F16 ? 15 : 127;
    int exponent = (int)((bits & 0x7FFF) >> fraction_bits), all_ones = 2 * bias + 1;
    unsigned one = 1U << fraction_bits, fraction = bits & (one - 1);
    double sign = (bits & 0x8000) != 0 ? -1 : 1;
    if (exponent == all_ones)
        return fraction == 0 ? sign * INFINITY : NAN;
    if (exponent == 0)
        return sign * ldexp(fraction, 1 - bias - fraction_bits);
    return sign * ldexp(one + fraction, exponent - bias - fraction_bits);
}

static void every_pattern_of_16_bits(void **state)
{
    (void)state;
    for (int v = 2; v < 4; v++) {
        for (unsigned bits = 0; bits < 0x10000; bits++) {
            bool finite;
            double x = decode_16(all[v], bits, &finite), expected = meaning(all[v], bits);
            assert_int_equal(finite, isfinite(expected));
            assert_int_equal(isnan(x), isnan(expected));
            if (isnan(expected)) {
                assert_true(isnan(meaning(all[v], encode_16(all[v], x))));
                continue;
            }
            assert_true(x == expected && !signbit(x) == !signbit(expected));
            assert_int_equal(encode_16(all[v], x), bits);
        }
    }
}

/* Between each two neighbours, the largest number and what would be next included: the tie goes to
 * the even one, what is next to the tie to its side. */
static void every_tie_of_16_bits(void **state)
{
    (void)state;
    for (int v = 2; v < 4; v++) {
        unsigned infinity = all[v] == PERMK_VALUE_F16 ? 0x7C00 : 0x7F80;
        for (unsigned bits = 0; bits < infinity; bits++) {
            double low = meaning(all[v], bits);
            double high = bits + 1 < infinity
                              ? meaning(all[v], bits + 1)
                              : 2 * meaning(all[v], bits) - meaning(all[v], bits - 1);
            double tie = low + (high - low) / 2;
            for (unsigned sign = 0; sign <= 0x8000; sign += 0x8000) {
                double s = sign != 0 ? -1 : 1;
                assert_int_equal(encode_16(all[v], s * tie), sign | (bits + (bits & 1)));
                assert_int_equal(encode_16(all[v], s * nextafter(tie, 0)), sign | bits);
                assert_int_equal(encode_16(all[v], s * nextafter(tie, INFINITY)),
                                 sign | (bits + 1));
            }
        }
        assert_int_equal(encode_16(all[v], 1e300), infinity);
        assert_int_equal(encode_16(all[v], -INFINITY), 0x8000 | infinity);
        assert_int_equal(encode_16(all[v], 0x1p-1074), 0);
    }
    // by way of a float this would be a tie, and go down to 1
    assert_int_equal(encode_16(PERMK_VALUE_F16, 1 + 0x1p-11 + 0x1p-40), 0x3C01);
}

/* ---- Four and eight bytes ---- */

static double random_number(ct_rng *rng)
{
    uint64_t bits = ct_rng_u64(rng);
    double x;
    memcpy(&x, &bits, sizeof x); // of any exponent
    if (!isfinite(x) || (bits & 3) == 0)
        return ldexp((double)(int64_t)bits, (int)(bits % 300) - 200); // of those that floats have
    return x;
}

/* f is the float nearest to x, and the even one of two that are equally near. */
static void assert_nearest(double x, float f)
{
    if (isinf(f)) { // from halfway to 2^128
        assert_true(fabs(x) >= 0x1.FFFFFFp127 && (x < 0) == (f < 0));
        return;
    }
    double error = fabs(x - f);
    double below = fabs(x - (double)nextafterf(f, -INFINITY));
    double above = fabs(x - (double)nextafterf(f, INFINITY));
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    assert_true(error <= below && error <= above);
    assert_true((error < below && error < above) || (bits & 1) == 0);
    assert_int_equal(signbit(x) != 0, signbit(f) != 0);
}

static void floats_are_the_nearest(void **state)
{
    (void)state;
    enum { ALL = 200000 };
    static double x[ALL], back[ALL];
    static unsigned char out[4 * ALL];
    ct_rng rng;
    ct_rng_init(&rng, 1, CT_RNG_USER, 0, 0);
    for (size_t i = 0; i < ALL; i++)
        x[i] = random_number(&rng);
    x[0] = 1 + 0x1p-24;       // ties
    x[1] = 1 + 0x1.8p-23;     //
    x[2] = 0x1.8p-149;        //
    x[3] = -0x1p-150;         //
    x[4] = 0x1.FFFFFEp127;    // the largest
    x[5] = 0x1.FFFFFEFFFp127; // rounds to it
    permk_values_encode(PERMK_VALUE_F32, x, ALL, out);
    assert_false(permk_values_decode(PERMK_VALUE_F32, out, ALL, back)); // some are too large
    for (size_t i = 0; i < ALL; i++)
        assert_nearest(x[i], (float)back[i]);
    permk_values_encode(PERMK_VALUE_F32, back, ALL, out);
    memcpy(x, back, sizeof x);
    assert_false(permk_values_decode(PERMK_VALUE_F32, out, ALL, back)); // some are too large
    assert_memory_equal(x, back, sizeof x);                             // floats stay
}

static void doubles_stay_as_they_are(void **state)
{
    (void)state;
    enum { ALL = 5000 };
    static double x[ALL], back[ALL];
    static unsigned char out[8 * ALL + 1];
    ct_rng rng;
    ct_rng_init(&rng, 2, CT_RNG_USER, 0, 0);
    for (size_t i = 0; i < ALL; i++)
        x[i] = random_number(&rng);
    x[7] = -0.0;
    permk_values_encode(PERMK_VALUE_F64, x, ALL, out + 1); // at any address
    assert_true(permk_values_decode(PERMK_VALUE_F64, out + 1, ALL, back));
    assert_memory_equal(x, back, sizeof x);
    permk_values_encode(PERMK_VALUE_F64, x, ALL, back);
    assert_true(permk_values_decode(PERMK_VALUE_F64, back, ALL, back)); // where they lie
    assert_memory_equal(x, back, sizeof x);
    back[ALL - 1] = NAN;
    permk_values_encode(PERMK_VALUE_F64, back, ALL, back);
    assert_false(permk_values_decode(PERMK_VALUE_F64, back, ALL, back));
}

static void what_is_no_number_is_found_anywhere(void **state)
{
    (void)state;
    static const double bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    static const size_t lengths[] = {1, 2, 7, 31, 130, 1023, 1024, 1025, 2049};
    static double x[2049], back[2049];
    static unsigned char out[8 * 2049];
    for (size_t k = 0; k < 2049; k++)
        x[k] = k % 2 == 0 ? 65504 : -0x1p-24; // near the ends of binary16
    for (size_t v = 0; v < 4; v++) {
        assert_true(permk_values_decode(all[v], out, 0, back));
        for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
            size_t n = lengths[l], stride = n > 200 ? 61 : 1;
            permk_values_encode(all[v], x, n, out);
            assert_true(permk_values_decode(all[v], out, n, back));
            for (size_t at = 0; at < n; at = at + stride < n || at == n - 1 ? at + stride : n - 1) {
                double kept = x[at];
                x[at] = bad[at % 4];
                permk_values_encode(all[v], x, n, out);
                x[at] = kept;
                assert_false(permk_values_decode(all[v], out, n, back));
                assert_true(!isfinite(back[at]));
                for (size_t k = 0; k < n; k++)
                    if (k != at && all[v] != PERMK_VALUE_BF16) // has no 65504
                        assert_true(back[k] == x[k]);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_sizes),
        cmocka_unit_test(bytes_are_little_endian),
        cmocka_unit_test(every_pattern_of_16_bits),
        cmocka_unit_test(every_tie_of_16_bits),
        cmocka_unit_test(floats_are_the_nearest),
        cmocka_unit_test(doubles_stay_as_they_are),
        cmocka_unit_test(what_is_no_number_is_found_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
