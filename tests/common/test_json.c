// SPDX-License-Identifier: MIT
/* JSON text, byte for byte, and numbers that read back. */
#include "ct_test.h"

#include <ctrain/json.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_number_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
