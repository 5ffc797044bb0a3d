// SPDX-License-Identifier: MIT
/* Decimal text to double: bit for bit what strtod makes of it in the C locale. */
#include "ct_test.h"

#include "dataset_digits.h"
#include "dataset_private.h"

#include <ctrain/rng.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The shortcut may decline, but must not differ. It wants room behind the number. */
static void assert_short_as(const char *text, double expected)
{
    char line[160];
    double value = 0.0;
    size_t n = strlen(text);
    if (n > 100)
        return;
    memset(line, ' ', sizeof line);
    memcpy(line, text, n);
    const char *stop = ct__number_parse_short(line, &value);
    if (stop != NULL && (stop != line + n || memcmp(&value, &expected, sizeof value) != 0))
        fail_msg("'%s': the shortcut makes it %a, strtod %a", text, value, expected);
}

/* The program runs in the C locale until it sets another, so strtod is the reference. */
static void assert_as_strtod(const char *text)
{
    const char *p = text;
    double value = 0.0, expected = strtod(text, NULL);
    ct_status status = ct_number_parse(&p, text + strlen(text), &value);
    assert_short_as(text, expected);
    if (isinf(expected)) {
        assert_int_equal(status, CT_ERANGE);
        return;
    }
    if (status != CT_OK || memcmp(&value, &expected, sizeof value) != 0 || *p != '\0')
        fail_msg("'%s': %s %a, strtod %a, rest '%s'", text, ct_status_name(status), value, expected,
                 p);
}

static void test_known_numbers(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "+1",
        "1",
        "-1",
        ".5",
        "5.",
        "00012.500",
        "1e5",
        "1E+5",
        "1e-5",
        "0e999999999",
        "0.182574185835055",
        "0.18257",
        "123456789012345678",
        "9007199254740993",
        "9007199254740992",
        "9007199254740991",
        "9007199254740993e22",
        "1e22",
        "1e23",
        "-1e23",
        "18446744073709551615",
        "18446744073709551616",
        "9999999999999999999",
        "99999999999999999999",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1e308",
        "1e309",
        "-1e999",
        "1e99999999999999999999999",
        "1e-99999999999999999999999",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "1e-400",
        "5e-324",
        "3.5e-310",
        "0.000000000000000000000000000000000000001",
        "2.00000000000000011102230246251565404236316680908203125",
        "2.00000000000000011102230246251565404236316680908203126",
        "2.00000000000000011102230246251565404236316680908203124",
        "1.00000000000000011102230246251565404236316680908203125",
        "8.5e27",
        "1e27",
        "1e28",
        "1e-27",
        "1e-28",
        "9007199254740993e-27",
        "3e19",
        "7e-1",
        "36028797018963967",
        "36028797018963969",
        "72057594037927935.5",
        "144115188075855871",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_as_strtod(texts[i]);
}

static void test_what_is_no_number(void **state)
{
    (void)state;
    static const char *const texts[] = {"",     "-", "+",   ".",   "-.",  "e5",       "nan", "inf",
                                        "-inf", "x", "+-1", "--1", ".e1", "infinity", "NaN", ":"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *p = texts[i];
        double value;
        assert_int_equal(ct_number_parse(&p, p + strlen(p), &value), CT_EPARSE);
    }
}

static void test_where_a_number_ends(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t length;
        double value;
    } cases[] = {{"0x10", 1, 0},    {"1.2.3", 3, 1.2}, {"1e", 1, 1},  {"1e+", 1, 1}, {"2x", 1, 2},
                 {"1e5e5", 3, 1e5}, {"7 8", 1, 7},     {"3:1", 1, 3}, {"1-2", 1, 1}, {"1,5", 1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *p = cases[i].text;
        double value;
        assert_int_equal(ct_number_parse(&p, p + strlen(p), &value), CT_OK);
        assert_int_equal(p - cases[i].text, cases[i].length);
        assert_true(value == cases[i].value);
    }
}

static void test_end_is_respected(void **state)
{
    (void)state;
    static const char text[] = "123456789012345678901234567890.5e5";
    for (size_t n = 1; n < sizeof text; n++) {
        char copy[sizeof text] = "";
        memcpy(copy, text, n);
        const char *p = text;
        double value;
        assert_int_equal(ct_number_parse(&p, text + n, &value), CT_OK);
        assert_true(value == strtod(copy, NULL));
        assert_true(p <= text + n);
    }
}

/* Digits as people and programs write them: of every length, with points anywhere and exponents
 * small and large. */
static void random_text(ct_rng *rng, char *out)
{
    size_t n = 0;
    uint64_t kind = ct_rng_below(rng, 8);
    size_t digits = 1 + (size_t)ct_rng_below(rng, kind == 7 ? 40 : 20);
    size_t point = (size_t)ct_rng_below(rng, digits + 3);
    if (ct_rng_below(rng, 4) == 0)
        out[n++] = ct_rng_below(rng, 2) ? '-' : '+';
    for (size_t i = 0; i < digits; i++) {
        if (i == point)
            out[n++] = '.';
        out[n++] = (char)('0' + ct_rng_below(rng, kind == 6 ? 2 : 10));
    }
    out[n] = '\0';
    if (kind < 4)
        return;
    int range = kind == 4 ? 30 : kind == 5 ? 700 : 60;
    sprintf(out + n, "e%d", (int)ct_rng_below(rng, (uint64_t)range) - range / 2);
}

static void test_random_decimals(void **state)
{
    (void)state;
    ct_rng rng;
    ct_rng_init(&rng, 1, CT_RNG_USER, 0, 0);
    char text[128];
    for (int i = 0; i < 2000000; i++) {
        random_text(&rng, text);
        assert_as_strtod(text);
    }
}

/* Doubles printed with 15 to 19 digits, and the exact midpoints between neighbours. */
static void test_random_doubles(void **state)
{
    (void)state;
    ct_rng rng;
    ct_rng_init(&rng, 2, CT_RNG_USER, 0, 0);
    char text[1200];
    for (int i = 0; i < 300000; i++) {
        uint64_t bits = ct_rng_u64(&rng);
        if (i % 2) // near 1, where data are
            bits = (bits & ~(UINT64_C(0x7f) << 56)) | (UINT64_C(0x3f) << 56);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        snprintf(text, sizeof text, "%.*g", 15 + i % 5, value);
        assert_as_strtod(text);
        if (i % 100 != 0 || fabs(value) > 1e300)
            continue;
        long double middle = ((long double)value + (long double)nextafter(value, INFINITY)) / 2;
        snprintf(text, sizeof text, "%.1100Lg", middle);
        assert_as_strtod(text);
    }
}

static void test_long_texts(void **state)
{
    (void)state;
    size_t zeros = 5000;
    char *text = malloc(2 * zeros + 100);
    assert_non_null(text);
    memset(text, '0', zeros);
    strcpy(text + zeros, "1.5");
    assert_as_strtod(text);
    text[1] =
        '.'; // 0.000…1, far below the smallest denormal: 0, unless the exponent brings it back
    strcpy(text + zeros, "15e4998");
    assert_as_strtod(text);
    memset(text, '9', zeros);
    strcpy(text + zeros, "e-5000");
    assert_as_strtod(text);
    strcpy(text + zeros, "e-4692");
    assert_as_strtod(text);
    // a midpoint that only its 5000th digit decides
    memset(text, '0', zeros);
    memcpy(text, "9007199254740993.", 17);
    strcpy(text + zeros, "1");
    assert_as_strtod(text);
    free(text);
}

static void test_other_locales_do_not_matter(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "nl_NL.UTF-8"};
    bool set = false;
    for (size_t i = 0; i < sizeof names / sizeof *names && !set; i++)
        set = setlocale(LC_NUMERIC, names[i]) != NULL;
    const char *p = "0.1000000000000000055511151231257827021181583404541015625";
    double value;
    ct_status status = ct_number_parse(&p, p + strlen(p), &value);
    setlocale(LC_NUMERIC, "C");
    assert_int_equal(status, CT_OK);
    assert_true(value == 0.1);
    if (!set)
        print_message("no locale with a decimal comma is installed: tried in the C locale only\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_numbers),
        cmocka_unit_test(test_what_is_no_number),
        cmocka_unit_test(test_where_a_number_ends),
        cmocka_unit_test(test_end_is_respected),
        cmocka_unit_test(test_random_decimals),
        cmocka_unit_test(test_random_doubles),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_other_locales_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
