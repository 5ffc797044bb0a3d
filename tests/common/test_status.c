// SPDX-License-Identifier: MIT
/* Statuses and diagnoses: the list is sound, and a line stays a line. */
#include "ct_test.h"

#include <string.h>

static const struct {
    ct_status status;
    int value;
    const char *name;
    const char *text;
} list[] = {
#define ROW(name, value, text) {name, value, #name, text},
    CT_STATUS_LIST(ROW)
#undef ROW
};
enum { N_STATUS = sizeof list / sizeof *list };

// The range a prefix may use.
static bool value_is_in_range(const char *name, int value)
{
    int low = strncmp(name, "CT_", 3) == 0      ? 1
              : strncmp(name, "BT_", 3) == 0    ? 100
              : strncmp(name, "FEDNL_", 6) == 0 ? 200
              : strncmp(name, "PERMK_", 6) == 0 ? 300
                                                : 0;
    return low > 0 && -value >= low && -value <= low + (low == 1 ? 98 : 99);
}

static void test_list(void **state)
{
    (void)state;
    assert_int_equal(CT_OK, 0);
    for (size_t i = 0; i < N_STATUS; i++) {
        assert_string_equal(ct_status_name(list[i].status), list[i].name);
        assert_string_equal(ct_status_text(list[i].status), list[i].text);
        assert_true(strlen(list[i].text) > 0);
        assert_true(list[i].status == CT_OK || value_is_in_range(list[i].name, list[i].value));
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(list[i].value, list[j].value);
    }
    assert_string_equal(ct_status_name((ct_status)-99), "CT_UNKNOWN");
    assert_non_null(ct_status_text((ct_status)12345));
}

static void test_set_and_clear(void **state)
{
    (void)state;
    ct_diag diag = {"old"};
    ct_diag_set(&diag, "%s:%d: feature index %d", "w8a.txt", 118, 0);
    assert_string_equal(diag.text, "w8a.txt:118: feature index 0");
    ct_diag_set(&diag, "<%s>", diag.text); // the old text may be an argument
    assert_string_equal(diag.text, "<w8a.txt:118: feature index 0>");
    ct_diag_clear(&diag);
    assert_string_equal(diag.text, "");
    ct_diag_clear(NULL);
    ct_diag_set(NULL, "%d", 1);
    ct_diag_prefix(NULL, "%d", 1);
}

static void test_newlines_become_spaces(void **state)
{
    (void)state;
    ct_diag diag;
    ct_diag_set(&diag, "a\nb\r\n%s", "c\n");
    assert_null(strpbrk(diag.text, "\r\n"));
    assert_string_equal(diag.text, "a b  c ");
}

static void test_long_texts_end_in_dots(void **state)
{
    (void)state;
    char text[2 * CT_DIAG_SIZE];
    ct_diag diag;
    memset(text, 'x', sizeof text);
    text[CT_DIAG_SIZE - 1] = '\0'; // just fits
    ct_diag_set(&diag, "%s", text);
    assert_string_equal(diag.text, text);
    text[CT_DIAG_SIZE - 1] = 'x'; // one too many
    text[CT_DIAG_SIZE] = '\0';
    ct_diag_set(&diag, "%s", text);
    assert_int_equal(strlen(diag.text), CT_DIAG_SIZE - 1);
    assert_string_equal(diag.text + CT_DIAG_SIZE - 4, "...");
    ct_diag_prefix(&diag, "context");
    assert_int_equal(strlen(diag.text), CT_DIAG_SIZE - 1);
    assert_memory_equal(diag.text, "context: xxx", 12);
    assert_string_equal(diag.text + CT_DIAG_SIZE - 4, "...");
}

static void test_prefix(void **state)
{
    (void)state;
    ct_diag diag = {""};
    ct_diag_prefix(&diag, "client %d", 3);
    assert_string_equal(diag.text, "client 3");
    ct_diag_prefix(&diag, "round %d", 7);
    assert_string_equal(diag.text, "round 7: client 3");
}

static ct_status forward(ct_status status)
{
    CT_TRY(status);
    return CT_OK;
}

static void test_fail_and_try(void **state)
{
    (void)state;
    ct_diag diag = {""};
    assert_int_equal(ct_fail(&diag, CT_ERANGE, "k = %d > %d", 5, 4), CT_ERANGE);
    assert_string_equal(diag.text, "k = 5 > 4");
    assert_int_equal(ct_fail(NULL, CT_EIO, "unheard"), CT_EIO);
    assert_int_equal(forward(CT_EIO), CT_EIO);
    assert_int_equal(forward(CT_OK), CT_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_set_and_clear),
        cmocka_unit_test(test_newlines_become_spaces),
        cmocka_unit_test(test_long_texts_end_in_dots),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_fail_and_try),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
