// SPDX-License-Identifier: MIT
/* The LIBSVM reader: what it accepts, every way a line can be malformed, real data, and that
 * neither threads nor the instruction set change the result. */
#include "ct_test.h"
#include "dataset_same.h"

#include <ctrain/dataset.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ct_dataset *read_text(const char *text, const ct_libsvm_options *opt)
{
    char *path = ct_test_file("text.libsvm", text);
    ct_dataset *data = NULL;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_read_libsvm(&data, path, opt, &diag), &diag);
    free(path);
    return data;
}

static void assert_row(const ct_dataset *data, size_t row, double label, size_t n,
                       const uint32_t *col, const double *val)
{
    assert_true(row < data->rows);
    assert_true(data->label[row] == label);
    size_t begin = data->row_start[row];
    assert_int_equal(data->row_start[row + 1] - begin, n);
    for (size_t k = 0; k < n; k++) {
        assert_int_equal(data->col[begin + k], col[k]);
        assert_true(data->val[begin + k] == val[k]);
    }
}
#define ROW(data, row, label, ...)                                                                 \
    do {                                                                                           \
        const double pairs[] = {__VA_ARGS__};                                                      \
        size_t n_pairs = sizeof pairs / sizeof *pairs / 2;                                         \
        uint32_t cols[16];                                                                         \
        double vals[16];                                                                           \
        for (size_t at = 0; at < n_pairs; at++) {                                                  \
            cols[at] = (uint32_t)pairs[2 * at];                                                    \
            vals[at] = pairs[2 * at + 1];                                                          \
        }                                                                                          \
        assert_row(data, row, label, n_pairs, cols, vals);                                         \
    } while (0)

static void test_what_a_file_may_look_like(void **state)
{
    (void)state;
    ct_dataset *data = read_text("# a comment\n"
                                 "+1 1:1 3:0.5\r\n"
                                 "\n"
                                 "   \t \n"
                                 "-1\t2:-2e3   7:.25 # trailing 9:9\n"
                                 "\r\n"
                                 "  0.5 1:1   2:1#3:1\n"
                                 "2 \n"
                                 "1 4:0 5:1e-400 6:+6 7:7.",
                                 NULL);
    assert_int_equal(data->rows, 5);
    assert_int_equal(data->cols, 7);
    assert_int_equal(data->nnz, 10);
    ROW(data, 0, 1.0, 0, 1, 2, 0.5);
    ROW(data, 1, -1.0, 1, -2000, 6, 0.25);
    ROW(data, 2, 0.5, 0, 1, 1, 1);
    assert_row(data, 3, 2.0, 0, NULL, NULL);
    ROW(data, 4, 1.0, 3, 0, 4, 0, 5, 6, 6, 7);
    ct_dataset_destroy(data);
}

static void test_first_index_and_cols(void **state)
{
    (void)state;
    ct_libsvm_options opt = ct_libsvm_options_default();
    opt.first_index = 0;
    ct_dataset *data = read_text("1 0:5 2:6\n", &opt);
    assert_int_equal(data->cols, 3);
    ROW(data, 0, 1.0, 0, 5, 2, 6);
    ct_dataset_destroy(data);
    opt.cols = 10;
    data = read_text("1 0:5 9:6\n", &opt);
    assert_int_equal(data->cols, 10);
    ct_dataset_destroy(data);
    opt.first_index = 1;
    data = read_text("1 10:6\n", &opt);
    assert_int_equal(data->cols, 10);
    ROW(data, 0, 1.0, 9, 6);
    ct_dataset_destroy(data);
    opt = ct_libsvm_options_default();
    data = read_text("1 4294967294:6\n", &opt);
    assert_int_equal(data->cols, UINT32_C(4294967294));
    ct_dataset_destroy(data);
}

/* Values whose texts begin alike, many of them repeated, at the ends of lines too. */
static void test_values_that_look_like_the_last_one(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0.5",     "0.50", "0.55",      "0.5e1",      "-0.5", "0.123456",
        "0.12345", "0.",   "0.1234567", "0.12345678", "5",    "0.000001",
        "0.5000",  "+0.5", "1.5",       "0.1e-3",     "00.5", "12.34567"};
    enum { LINES = 3000, FIELDS = 8, TEXTS = sizeof texts / sizeof *texts };
    static double expected[LINES * FIELDS];
    char *text = malloc(LINES * FIELDS * 20);
    assert_non_null(text);
    size_t used = 0, which = 0;
    uint32_t random = 1;
    for (size_t i = 0; i < LINES; i++) {
        used += (size_t)sprintf(text + used, "1");
        for (size_t j = 0; j < FIELDS; j++) {
            random = random * 1664525 + 1013904223;
            if (random >> 30 == 0) // three of four are repeated
                which = (random >> 8) % TEXTS;
            expected[i * FIELDS + j] = strtod(texts[which], NULL);
            used += (size_t)sprintf(text + used, " %zu:%s", j + 1, texts[which]);
        }
        used += (size_t)sprintf(text + used, "\n");
    }
    ct_dataset *data = read_text(text, NULL);
    assert_int_equal(data->nnz, LINES * FIELDS);
    for (size_t k = 0; k < data->nnz; k++)
        assert_true(data->val[k] == expected[k]);
    ct_dataset_destroy(data);
    free(text);
}

static void test_a_very_long_line(void **state)
{
    (void)state;
    size_t n = 200000, used = 0;
    char *text = malloc(n * 16);
    assert_non_null(text);
    used += (size_t)sprintf(text, "-1");
    for (size_t j = 1; j <= n; j++)
        used += (size_t)sprintf(text + used, " %zu:%s", j, j % 3 == 0 ? "1" : "0.25");
    ct_dataset *data = read_text(text, NULL);
    assert_int_equal(data->rows, 1);
    assert_int_equal(data->nnz, n);
    for (size_t j = 0; j < n; j++) {
        assert_int_equal(data->col[j], j);
        assert_true(data->val[j] == ((j + 1) % 3 == 0 ? 1.0 : 0.25));
    }
    ct_dataset_destroy(data);
    free(text);
}

static void assert_malformed_bytes(const char *text, size_t size, const ct_libsvm_options *opt,
                                   const char *where, const char *reason)
{
    char *path = ct_test_file_bytes("bad.libsvm", text, size);
    ct_dataset *data = (ct_dataset *)&size;
    ct_diag diag = {""};
    ct_assert_status(ct_dataset_read_libsvm(&data, path, opt, &diag), CT_EPARSE, &diag);
    assert_null(data);
    assert_true(strncmp(diag.text, path, strlen(path)) == 0);
    const char *rest = diag.text + strlen(path);
    if (strncmp(rest, where, strlen(where)) != 0 || strcmp(rest + strlen(where), reason) != 0)
        fail_msg("expected '%s%s', got '%s'", where, reason, rest);
    free(path);
}

static void assert_malformed(const char *text, const char *where, const char *reason)
{
    assert_malformed_bytes(text, strlen(text), NULL, where, reason);
}

static void test_files_without_rows(void **state)
{
    (void)state;
    static const char reason[] = "no rows (the file is empty or has only comments)";
    assert_malformed("", ": ", reason);
    assert_malformed("\n\r\n  \n", ": ", reason);
    assert_malformed("# one\n#two", ": ", reason);
}

static void test_malformed_lines(void **state)
{
    (void)state;
    static const struct {
        const char *line, *reason;
    } cases[] = {
        {"1 3:", "feature 3 has no value"},
        {"1 3: 0.5", "feature 3 has no value"},
        {"1 1:0.5 2:0.5 3: 0.5 4:0.5 5:0.5 6:0.5", "feature 3 has no value"},
        {"1 1: 2:0.5 3:0.5 4:0.5 5:0.5 6:0.5", "feature 1 has no value"},
        {"1 3:#", "feature 3 has no value"},
        {"1 3", "'3' has no colon (expected INDEX:VALUE)"},
        {"1 3 4:1", "'3' has no colon (expected INDEX:VALUE)"},
        {"1 abc", "'abc' has no colon (expected INDEX:VALUE)"},
        {"1 :5", "':5' does not begin with a feature index"},
        {"1 x:5", "'x:5' does not begin with a feature index"},
        {"1 3x:5", "'3x:5' does not begin with a feature index"},
        {"1 -1:5", "'-1:5' does not begin with a feature index"},
        {"1 +1:5", "'+1:5' does not begin with a feature index"},
        {"1 1.5:5", "'1.5:5' does not begin with a feature index"},
        {"1 0:5", "feature index 0 (must be at least 1)"},
        {"1 2:1 2:1", "feature index 2 appears twice"},
        {"1 7:1 2:1", "feature index 2 after 7 (must ascend)"},
        {"1 4294967295:1", "feature index 4294967295 (must be at most 4294967294)"},
        {"1 18446744073709551617:1",
         "feature index 18446744073709551617 (must be at most 4294967294)"},
        {"1 99999999999999999999999999999999999999999999:1",
         "feature index 9999999999999999999999999999999999999999... (must be at most 4294967294)"},
        {"1 1:2x", "value '2x' of feature 1 is no finite number"},
        {"1 1:0x10", "value '0x10' of feature 1 is no finite number"},
        {"1 1:nan", "value 'nan' of feature 1 is no finite number"},
        {"1 1:-inf", "value '-inf' of feature 1 is no finite number"},
        {"1 1:1e999", "value '1e999' of feature 1 is no finite number"},
        {"1 1:1:1", "value '1:1' of feature 1 is no finite number"},
        {"1 1:1,5", "value '1,5' of feature 1 is no finite number"},
        {"1 1:1\r2:1", "value '1\\x0d2:1' of feature 1 is no finite number"},
        {"1 1:\xc3\xa9", "value '\\xc3\\xa9' of feature 1 is no finite number"},
        {"abc 1:1", "label 'abc' is no finite number"},
        {"nan 1:1", "label 'nan' is no finite number"},
        {"1e400 1:1", "label '1e400' is no finite number"},
        {"1,2 1:1", "label '1,2' is no finite number"},
        {"1:1 2:1", "no label before '1:1'"},
        {"1 qid:3 1:1", "'qid:3': ranking data (qid) is not supported"},
    };
    static const char *const endings[] = {"\n1 1:1\n", "", "\r\nabc\n", "  \t\n"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t e = 0; e < sizeof endings / sizeof *endings; e++) {
            char text[256];
            snprintf(text, sizeof text, "%s%s", cases[i].line, endings[e]);
            assert_malformed(text, ":1: ", cases[i].reason);
            snprintf(text, sizeof text, "1 1:1\r\n\n# c\n-1 2:1 5:1 \n%s%s", cases[i].line,
                     endings[e]);
            assert_malformed(text, ":5: ", cases[i].reason);
        }
}

static void test_binary_garbage(void **state)
{
    (void)state;
    static const char reason[] = "a NUL byte (is this a text file?)";
    assert_malformed_bytes("1 1:1\n1 1:\0 \n", 13, NULL, ":2: ", reason);
    assert_malformed_bytes("1 1:1\n\0", 7, NULL, ":2: ", reason);
    assert_malformed_bytes("1 1:1 # \0\n", 10, NULL, ":1: ", reason);
    assert_malformed_bytes("\x7f"
                           "ELF\2\1\1",
                           7, NULL, ":1: ", "label '\\x7fELF\\x02\\x01\\x01' is no finite number");
}

static void test_bounds_by_option(void **state)
{
    (void)state;
    ct_libsvm_options opt = ct_libsvm_options_default();
    opt.cols = 3;
    assert_malformed_bytes("1 3:1\n1 4:1\n", 12, &opt,
                           ":2: ", "feature index 4 (must be at most 3)");
    opt.first_index = 0;
    assert_malformed_bytes("1 2:1\n1 3:1\n", 12, &opt,
                           ":2: ", "feature index 3 (must be at most 2)");
    ct_dataset *data;
    ct_diag diag;
    opt.first_index = 2;
    ct_assert_status(ct_dataset_read_libsvm(&data, "x", &opt, &diag), CT_EINVALID, &diag);
    opt.first_index = 1;
    opt.cols = (size_t)UINT32_MAX + 1;
    ct_assert_status(ct_dataset_read_libsvm(&data, "x", &opt, &diag), CT_ERANGE, &diag);
}

static void test_what_is_no_file(void **state)
{
    (void)state;
    ct_dataset *data = NULL;
    ct_diag diag = {""};
    ct_assert_status(ct_dataset_read_libsvm(&data, "no/such/file", NULL, &diag), CT_ENOTFOUND,
                     &diag);
    ct_assert_contains(diag.text, "no/such/file: ");
    ct_status status = ct_dataset_read_libsvm(&data, "/", NULL, &diag);
    assert_int_not_equal(status, CT_OK);
    ct_assert_contains(diag.text, "/: ");
}

/* Enough text for every thread to get a part, with blank lines and comments that leave gaps; with
 * bad > 0 two malformed lines, the first of them line bad. */
static char *large_text(size_t lines, size_t bad)
{
    char *text = malloc(lines * 40 + 1);
    assert_non_null(text);
    size_t used = 0;
    for (size_t i = 1; i <= lines; i++) {
        if (i == bad || (bad != 0 && i == lines))
            used += (size_t)sprintf(text + used, "1 %zu:1 1\n", i);
        else if (i % 97 == 0)
            used += (size_t)sprintf(text + used, "# 1:1 2:1 3:1\n");
        else if (i % 89 == 0)
            used += (size_t)sprintf(text + used, "\r\n");
        else
            used += (size_t)sprintf(text + used, "%d %zu:1 %zu:0.%zu\n", i % 2 ? 1 : -1, i % 50 + 1,
                                    i % 300 + 52, i % 1000 + 1);
    }
    return text;
}

static void test_threads_do_not_matter(void **state)
{
    (void)state;
    char *text = large_text(40000, 0);
    char *path = ct_test_file("large.libsvm", text);
    ct_dataset *alone = read_text(text, NULL);
    for (size_t threads = 2; threads <= 7; threads++) {
        ct_libsvm_options opt = ct_libsvm_options_default();
        ct_diag diag = {""};
        ct_assert_ok(ct_pool_create(&opt.pool, threads, &diag), &diag);
        ct_dataset *data;
        ct_assert_ok(ct_dataset_read_libsvm(&data, path, &opt, &diag), &diag);
        assert_same(alone, data);
        ct_dataset_destroy(data);
        ct_pool_destroy(opt.pool);
    }
    ct_dataset_destroy(alone);
    free(path);
    free(text);
}

static void test_the_first_error_counts(void **state)
{
    (void)state;
    static const size_t bad_lines[] = {1, 2, 9999, 20001, 39998};
    for (size_t i = 0; i < sizeof bad_lines / sizeof *bad_lines; i++) {
        char *text = large_text(40000, bad_lines[i]), where[32];
        snprintf(where, sizeof where, ":%zu: ", bad_lines[i]);
        for (size_t threads = 1; threads <= 5; threads += 2) {
            ct_libsvm_options opt = ct_libsvm_options_default();
            ct_diag diag = {""};
            ct_assert_ok(ct_pool_create(&opt.pool, threads, &diag), &diag);
            assert_malformed_bytes(text, strlen(text), &opt, where,
                                   "'1' has no colon (expected INDEX:VALUE)");
            ct_pool_destroy(opt.pool);
        }
        free(text);
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    char *text = large_text(40000, 0);
    char *path = ct_test_file("large.libsvm", text);
    ct_status status = CT_ENOMEM;
    bool failed = true;
    for (unsigned long k = 1; failed; k++) {
        ct_dataset *data;
        ct_diag diag = {""};
        ct_test_fail_allocation(k);
        status = ct_dataset_read_libsvm(&data, path, NULL, &diag);
        failed = ct_test_fail_allocation(0);
        if (status != CT_OK) {
            ct_assert_status(status, CT_ENOMEM, &diag);
            assert_null(data);
            assert_true(diag.text[0] != '\0');
        }
        ct_dataset_destroy(data);
    }
    assert_int_equal(status, CT_OK);
    free(path);
    free(text);
}

static ct_dataset *read_real(const char *name, const ct_libsvm_options *opt)
{
    const char *path = ct_test_data(name);
    if (path == NULL)
        skip();
    ct_dataset *data = NULL;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_read_libsvm(&data, path, opt, &diag), &diag);
    return data;
}

static void assert_shape(const ct_dataset *data, size_t rows, size_t cols, size_t nnz,
                         size_t positive)
{
    assert_int_equal(data->rows, rows);
    assert_int_equal(data->cols, cols);
    assert_int_equal(data->nnz, nnz);
    assert_int_equal(data->row_start[rows], nnz);
    size_t count = 0;
    for (size_t i = 0; i < rows; i++)
        count += data->label[i] > 0;
    assert_int_equal(count, positive);
}

static void test_real_data(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t cols_option, rows, cols, nnz, positive;
    } sets[] = {
        {"w8a", 0, 49749, 300, 579586, 1479},     {"a9a", 0, 32561, 123, 451592, 7841},
        {"phishing", 0, 11055, 68, 331650, 6157}, {"a1a", 0, 1605, 119, 22249, 395},
        {"a1a", 123, 1605, 123, 22249, 395},      {"a9a.t", 0, 16281, 122, 225731, 3846},
    };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        ct_libsvm_options opt = ct_libsvm_options_default();
        opt.cols = sets[i].cols_option;
        ct_dataset *data = read_real(sets[i].name, &opt);
        assert_shape(data, sets[i].rows, sets[i].cols, sets[i].nnz, sets[i].positive);
        double expected = strcmp(sets[i].name, "phishing") == 0 ? 0.18257 : 1.0;
        for (size_t k = 0; k < data->nnz; k++)
            assert_true(data->val[k] == expected);
        ct_dataset_destroy(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_file_may_look_like),
        cmocka_unit_test(test_first_index_and_cols),
        cmocka_unit_test(test_values_that_look_like_the_last_one),
        cmocka_unit_test(test_a_very_long_line),
        cmocka_unit_test(test_files_without_rows),
        cmocka_unit_test(test_malformed_lines),
        cmocka_unit_test(test_binary_garbage),
        cmocka_unit_test(test_bounds_by_option),
        cmocka_unit_test(test_what_is_no_file),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_the_first_error_counts),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_real_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
