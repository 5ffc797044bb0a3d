// SPDX-License-Identifier: MIT
/* JSON text, byte for byte, and numbers that read back, also under a locale with a decimal comma.
 * Few machines have one installed, so snprintf and strtod are put in front of libc's. */
#define _GNU_SOURCE // newlocale, strtod_l
#include "ct_test.h"

#include <ctrain/json.h>
#include <ctrain/rng.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a locale of our own ---- */

static const char *decimal_mark = ".";

int snprintf(char *out, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(out, size, format, args);
    va_end(args);
    char *point = n >= 0 && (size_t)n < size ? strchr(out, '.') : NULL;
    size_t length = strlen(decimal_mark);
    if (point != NULL && (size_t)n + length <= size) {
        memmove(point + length, point + 1, strlen(point));
        memcpy(point, decimal_mark, length);
        n += (int)length - 1;
    }
    return n;
}

double strtod(const char *text, char **end)
{
    static locale_t c_locale;
    char copy[400];
    if (c_locale == NULL)
        c_locale = newlocale(LC_ALL_MASK, "C", NULL);
    size_t n = strlen(text), length = strlen(decimal_mark);
    if (n < sizeof copy && end == NULL) {
        const char *mark = strstr(text, decimal_mark);
        memcpy(copy, text, n + 1);
        if (mark != NULL) {
            copy[mark - text] = '.';
            memmove(copy + (mark - text) + 1, mark + length, strlen(mark + length) + 1);
        }
        text = copy;
    }
    return strtod_l(text, end, c_locale);
}

/* ---- structure ---- */

static ct_json *new_json(void)
{
    ct_json *json;
    assert_int_equal(ct_json_create(&json), CT_OK);
    return json;
}

static void test_structure(void **state)
{
    (void)state;
    ct_json *j = new_json();
    assert_string_equal(ct_json_text(j), "");
    ct_json_object_begin(j);
    ct_json_key(j, "a");
    ct_json_array_begin(j);
    ct_json_integer(j, 1);
    ct_json_array_begin(j);
    ct_json_array_end(j);
    ct_json_object_begin(j);
    ct_json_object_end(j);
    ct_json_bool(j, true);
    ct_json_array_end(j);
    ct_json_key(j, "b");
    ct_json_string(j, NULL);
    ct_json_key(j, "c");
    ct_json_object_begin(j);
    ct_json_key(j, "d");
    ct_json_bool(j, false);
    ct_json_key(j, "e");
    ct_json_number(j, NAN);
    ct_json_object_end(j);
    ct_json_object_end(j);
    assert_string_equal(ct_json_text(j),
                        "{\"a\":[1,[],{},true],\"b\":null,\"c\":{\"d\":false,\"e\":null}}");
    ct_json_destroy(j);
}

static void assert_number_text(double value, const char *expected)
{
    char text[CT_NUMBER_TEXT_SIZE];
    ct_number_text(text, value);
    assert_string_equal(text, expected);
}

static void test_number_text(void **state)
{
    (void)state;
    assert_number_text(612.5, "612.5");
    assert_number_text(1050, "1050");
    assert_number_text(-35, "-35");
    assert_number_text(0.1, "0.1");
    assert_number_text(0.1 + 0.2, "0.30000000000000004");
    assert_number_text(0, "0");
    assert_number_text(-0.0, "-0");
    assert_number_text(1e-9, "1e-09");
    assert_number_text(DBL_MAX, "1.7976931348623157e+308");
    assert_number_text(-DBL_MIN, "-2.2250738585072014e-308");
    assert_number_text(5e-324, "5e-324");
    assert_number_text(0x1p53, "9007199254740992");
    assert_number_text(NAN, "nan");
    assert_number_text(INFINITY, "inf");
    assert_number_text(-INFINITY, "-inf");
}

// Both marks are in use: the comma of most of Europe, and the two bytes of Arabic.
static void test_number_text_in_any_locale(void **state)
{
    (void)state;
    static const char *const marks[] = {",", "\xD9\xAB"};
    for (size_t m = 0; m < 2; m++) {
        decimal_mark = marks[m];
        char check[32];
        snprintf(check, sizeof check, "%.1f", 0.5);
        assert_true(strchr(check, '.') == NULL);
        assert_number_text(612.5, "612.5");
        assert_number_text(-0.1, "-0.1");
        assert_number_text(1050, "1050");
        assert_number_text(1e300, "1e+300");
        assert_number_text(-DBL_MAX, "-1.7976931348623157e+308");
        assert_number_text(-DBL_MIN, "-2.2250738585072014e-308");
        decimal_mark = ".";
    }
}

static void test_number_text_reads_back_and_is_short(void **state)
{
    (void)state;
    ct_rng rng;
    ct_rng_init(&rng, 1, CT_RNG_USER, 0, 0);
    for (size_t i = 0; i < 30000; i++) {
        char text[CT_NUMBER_TEXT_SIZE], shorter[CT_NUMBER_TEXT_SIZE];
        uint64_t bits = ct_rng_u64(&rng);
        if (i % 4 == 0)
            bits &= 0x800fffffffffffff >> i % 50; // denormals
        double value;
        memcpy(&value, &bits, sizeof value);
        if (i % 4 == 1)
            value = (double)(int64_t)(bits >> (i / 4 % 64)); // integers
        if (i % 4 == 2)
            value = (double)(bits % 1000000) / 1000; // what people write
        if (!isfinite(value))
            continue;
        ct_number_text(text, value);
        assert_true(strtod(text, NULL) == value);
        assert_true(strlen(text) <= 24);
        int digits = 17;
        for (; digits > 1; digits--) {
            snprintf(shorter, sizeof shorter, "%.*g", digits - 1, value);
            if (strtod(shorter, NULL) != value)
                break;
        }
        snprintf(shorter, sizeof shorter, "%.*g", digits, value);
        assert_true(strlen(text) <= strlen(shorter));
    }
}

static void test_numbers_in_json(void **state)
{
    (void)state;
    ct_json *j = new_json();
    ct_json_array_begin(j);
    ct_json_number(j, 24.5);
    ct_json_number(j, -0.0);
    ct_json_number(j, 1e-300);
    ct_json_number(j, NAN);
    ct_json_number(j, INFINITY);
    ct_json_number(j, -INFINITY);
    ct_json_integer(j, 0);
    ct_json_integer(j, INT64_MIN);
    ct_json_integer(j, INT64_MAX);
    ct_json_array_end(j);
    assert_string_equal(ct_json_text(j), "[24.5,-0,1e-300,null,null,null,0,"
                                         "-9223372036854775808,9223372036854775807]");
    ct_json_destroy(j);
}

/* ---- strings ---- */

static void assert_string_text(const char *value, const char *expected)
{
    ct_json *j = new_json();
    ct_json_string(j, value);
    assert_string_equal(ct_json_text(j), expected);
    ct_json_destroy(j);
}

static void test_escapes(void **state)
{
    (void)state;
    assert_string_text("", "\"\"");
    assert_string_text("a\"b\\c/d", "\"a\\\"b\\\\c/d\"");
    assert_string_text("\b\t\n\f\r", "\"\\b\\t\\n\\f\\r\"");
    assert_string_text("\x01\x0b\x1f\x7f", "\"\\u0001\\u000b\\u001f\x7f\"");
    ct_json *j = new_json();
    ct_json_object_begin(j);
    ct_json_key(j, "a\n\"b");
    ct_json_integer(j, 1);
    ct_json_object_end(j);
    assert_string_equal(ct_json_text(j), "{\"a\\n\\\"b\":1}");
    ct_json_destroy(j);
}

static size_t encode(char out[5], uint32_t c)
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(leads[n] | c);
    out[n] = '\0';
    return n;
}

// Every character passes as it is, and no surrogate does.
static void test_every_character(void **state)
{
    (void)state;
    static char text[8 << 20], expected[8 << 20];
    size_t n = 0, m = 0;
    expected[m++] = '"';
    for (uint32_t c = 0x80; c < 0x110000; c++) {
        char bytes[5];
        size_t length = encode(bytes, c);
        bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        memcpy(text + n, bytes, length);
        n += length;
        for (size_t r = 0; r < (surrogate ? 3 : 1); r++, m += surrogate ? 3 : length)
            memcpy(expected + m, surrogate ? "\xEF\xBF\xBD" : bytes, surrogate ? 3 : length);
    }
    expected[m++] = '"';
    ct_json *j = new_json();
    ct_json_string(j, text);
    assert_true(strcmp(ct_json_text(j), expected) == 0);
    ct_json_destroy(j);
}

#define R "\xEF\xBF\xBD" // U+FFFD

// One replacement for each longest beginning of a valid sequence (Unicode 15, 3.9, table 3-8).
static void test_invalid_utf8(void **state)
{
    (void)state;
    assert_string_text("\x80", "\"" R "\"");
    assert_string_text("a\xC3", "\"a" R "\"");
    assert_string_text("\xC3(", "\"" R "(\"");
    assert_string_text("\xC0\xAF", "\"" R R "\"");       // overlong
    assert_string_text("\xE0\x80\xAF", "\"" R R R "\""); // overlong
    assert_string_text("\xF0\x80\x80\xAF", "\"" R R R R "\"");
    assert_string_text("\xF4\x90\x80\x80", "\"" R R R R "\""); // beyond U+10FFFF
    assert_string_text("\xF5\xFE\xFF", "\"" R R R "\"");
    assert_string_text("\xE2\x82", "\"" R "\"");
    assert_string_text("\xE2\x82z", "\"" R "z\"");
    assert_string_text("\xF0\x9F\x98", "\"" R "\"");
    assert_string_text("\xF0\x9F\x98\"", "\"" R "\\\"\"");
    assert_string_text("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF"
                       "A",
                       "\"" R R R R "A\"");
}

static void test_every_pair_of_bytes(void **state)
{
    (void)state;
    for (unsigned a = 0x80; a < 0x100; a++)
        for (unsigned b = 0x80; b < 0x100; b++) {
            char text[3] = {(char)a, (char)b, '\0'};
            bool valid = a >= 0xC2 && a <= 0xDF && b <= 0xBF;
            bool begins = (a == 0xE0 && b >= 0xA0 && b <= 0xBF) ||
                          (a > 0xE0 && a < 0xF0 && b <= (a == 0xED ? 0x9F : 0xBF)) ||
                          (a == 0xF0 && b >= 0x90 && b <= 0xBF) ||
                          (a > 0xF0 && a < 0xF4 && b <= 0xBF) || (a == 0xF4 && b <= 0x8F);
            ct_json *j = new_json();
            ct_json_string(j, text);
            assert_int_equal(strlen(ct_json_text(j)), 2 + (valid ? 2 : begins ? 3 : 6));
            ct_json_destroy(j);
        }
}

// Text of every length around the sizes of the buffer; AddressSanitizer sees one byte too many.
static void test_growth(void **state)
{
    (void)state;
    char text[1200], expected[1203];
    for (size_t n = 0; n < sizeof text; n++) {
        memset(text, 'x', n);
        text[n] = '\0';
        snprintf(expected, sizeof expected, "\"%s\"", text);
        assert_string_text(text, expected);
    }
}

/* ---- what goes wrong ---- */

static void test_depth(void **state)
{
    (void)state;
    ct_json *j = new_json();
    for (int d = 0; d < 32; d++) {
        ct_json_array_begin(j);
        ct_json_object_begin(j);
        ct_json_key(j, "k");
    }
    ct_json_bool(j, true);
    for (int d = 0; d < 32; d++) {
        ct_json_object_end(j);
        ct_json_array_end(j);
    }
    const char *text = ct_json_text(j);
    assert_int_equal(strlen(text), 32 * (2 + 4 + 2) + 4);
    assert_memory_equal(text, "[{\"k\":[{\"k\":", 12);
    ct_json_destroy(j);
}

#ifdef NDEBUG
static void misuse(ct_json *j, int kind)
{
    ct_json_object_begin(j);
    switch (kind) {
    case 0: // a value without key
        ct_json_integer(j, 1);
        break;
    case 1: // a key without value
        ct_json_key(j, "a");
        ct_json_object_end(j);
        break;
    case 2: // two keys
        ct_json_key(j, "a");
        ct_json_key(j, "b");
        break;
    case 3: // the wrong end
        ct_json_array_end(j);
        break;
    case 4: // one end too many
        ct_json_object_end(j);
        ct_json_object_end(j);
        break;
    case 5: // two values
        ct_json_object_end(j);
        ct_json_bool(j, true);
        break;
    case 6: // a key in an array
        ct_json_key(j, "a");
        ct_json_array_begin(j);
        ct_json_key(j, "b");
        break;
    default: // too deep
        ct_json_key(j, "a");
        for (int d = 0; d < 64; d++)
            ct_json_array_begin(j);
    }
}
#endif

static void test_misuse_yields_no_text(void **state)
{
    (void)state;
#ifdef NDEBUG
    for (int kind = 0; kind < 8; kind++) {
        ct_json *j = new_json();
        misuse(j, kind);
        assert_null(ct_json_text(j));
        ct_json_bool(j, true); // and nothing after it does harm
        ct_json_array_begin(j);
        ct_json_object_end(j);
        assert_null(ct_json_text(j));
        ct_json_destroy(j);
    }
#else
    skip(); // an assertion in this build
#endif
}

static ct_status attempt_long_text(void *context)
{
    (void)context;
    ct_json *j;
    ct_status status = ct_json_create(&j);
    assert_true((status == CT_OK) == (j != NULL));
    if (status != CT_OK)
        return status;
    ct_json_array_begin(j);
    for (int i = 0; i < 2000; i++)
        ct_json_integer(j, i);
    ct_json_array_end(j);
    status = ct_json_text(j) == NULL ? CT_ENOMEM : CT_OK;
    assert_true(status != CT_OK || strlen(ct_json_text(j)) == 10 + 180 + 2700 + 4000 + 1999 + 2);
    ct_json_destroy(j);
    return status;
}

static void test_allocation_failures(void **state)
{
    (void)state;
    ct_assert_survives_allocation_failures(attempt_long_text, NULL);
    ct_json_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_number_text),
        cmocka_unit_test(test_number_text_in_any_locale),
        cmocka_unit_test(test_number_text_reads_back_and_is_short),
        cmocka_unit_test(test_numbers_in_json),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_every_character),
        cmocka_unit_test(test_invalid_utf8),
        cmocka_unit_test(test_every_pair_of_bytes),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_misuse_yields_no_text),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
