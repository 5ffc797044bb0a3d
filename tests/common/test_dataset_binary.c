// SPDX-License-Identifier: MIT
/* The binary format: every bit comes back, what is said once is small, and damaged files are
 * refused before they are used. */
#include "ct_test.h"
#include "dataset_binary.h"
#include "dataset_same.h"

#include <ctrain/checksum.h>
#include <ctrain/file.h>
#include <ctrain/rng.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ct_dataset *from_csr(size_t rows, size_t cols, const size_t *start, const uint32_t *col,
                            const double *val, const double *label)
{
    ct_dataset *data = NULL;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_from_csr(&data, rows, cols, start, col, val, label, &diag), &diag);
    return data;
}

static char *write_file(const ct_dataset *data)
{
    char *path = ct_test_path("data.ctd");
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_write_binary(data, path, &diag), &diag);
    return path;
}

/* Write, read, compare; returns the bytes of the file. */
static size_t round_trip(const ct_dataset *data)
{
    char *path = write_file(data);
    ct_dataset *back = NULL;
    ct_file_view view;
    ct_diag diag = {""};
    assert_true(ct_dataset_is_binary(path));
    ct_assert_ok(ct_dataset_read(&back, path, NULL, &diag), &diag);
    assert_same(data, back);
    ct_assert_ok(ct_file_view_open(&view, path, &diag), &diag);
    size_t size = view.size_bytes;
    ct_file_view_close(&view);
    ct_dataset_destroy(back);
    free(path);
    return size;
}

static void test_every_form_comes_back(void **state)
{
    (void)state;
    static const size_t start[] = {0, 2, 2, 5};
    static const uint32_t narrow[] = {1, 3, 0, 1, 255}, wide[] = {7, 65535, 0, 1, 8},
                          widest[] = {9, 70000, 1, 2, 4294967293};
    static const double ones[] = {1, 1, 1, 1, 1}, any[] = {-0.0, 5e-324, 1e300, 3, 0},
                        mixed[] = {0.5, 2, 7, 0.5, 9};
    static const double label[] = {1, -1, 0.25};
    const size_t head = 40 + 3 * 8 + 3 + 3 + 8; // labels by a table, lengths of one byte
    struct {
        size_t cols;
        const uint32_t *col;
        const double *val;
        size_t size;
    } cases[] = {{256, narrow, ones, 5 + 8},          {256, narrow, any, 5 + 5 * 8},
                 {65536, wide, ones, 2 * 5 + 8},      {65536, wide, any, 2 * 5 + 5 * 8},
                 {4294967294, widest, ones, 20 + 8},  {4294967294, widest, any, 20 + 40},
                 {4294967295, widest, mixed, 20 + 40}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ct_dataset *data = from_csr(3, cases[i].cols, start, cases[i].col, cases[i].val, label);
        assert_int_equal(round_trip(data), head + cases[i].size);
        ct_dataset_destroy(data);
    }
    // a value for each column, one of which is empty; 0.0 and -0.0 are two values
    static const uint32_t col[] = {0, 3, 0, 1, 3};
    ct_dataset *data = from_csr(3, 4, start, col, (double[]){0.5, 2, 0.5, 7, 2}, label);
    assert_int_equal(round_trip(data), head + 5 + 4 * 8);
    ct_dataset_destroy(data);
    data = from_csr(3, 4, start, col, (double[]){0.0, 2, -0.0, 7, 2}, label);
    assert_int_equal(round_trip(data), head + 5 + 5 * 8);
    ct_dataset_destroy(data);
    // no entries at all
    data = from_csr(3, 4, (size_t[]){0, 0, 0, 0}, NULL, NULL, label);
    assert_int_equal(round_trip(data), head);
    ct_dataset_destroy(data);
    data = from_csr(3, 0, (size_t[]){0, 0, 0, 0}, NULL, NULL, label);
    assert_int_equal(round_trip(data), head);
    ct_dataset_destroy(data);
}

static void test_labels_of_any_number(void **state)
{
    (void)state;
    enum { ROWS = 1000 };
    static size_t start[ROWS + 1];
    static double label[ROWS];
    for (size_t kinds = 253; kinds <= 255; kinds++) {
        for (size_t i = 0; i < ROWS; i++)
            label[i] = (double)(i * 7 % kinds) - 100.5;
        label[3] = -0.0, label[4] = 0.0; // two more labels
        ct_dataset *data = from_csr(ROWS, 0, start, NULL, NULL, label);
        size_t labels = kinds + 2 <= 256 ? 8 * (kinds + 2) + ROWS : 8 * ROWS;
        assert_int_equal(round_trip(data), 40 + labels + ROWS + 8);
        ct_dataset_destroy(data);
    }
}

/* Rows longer than one and two bytes count. */
static void test_long_rows(void **state)
{
    (void)state;
    enum { N = 70000 };
    static const size_t lengths[] = {255, 256, 65535, 65536, N};
    uint32_t *col = calloc(N, sizeof *col);
    double *val = calloc(N, sizeof *val);
    assert_true(col != NULL && val != NULL);
    for (size_t k = 0; k < N; k++) {
        col[k] = (uint32_t)k;
        val[k] = 1.5;
    }
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        ct_dataset *data = from_csr(2, N, (size_t[]){0, 0, lengths[i]}, col, val, (double[]){1, 2});
        round_trip(data);
        ct_dataset_destroy(data);
    }
    free(col);
    free(val);
}

static void test_generated_problems(void **state)
{
    (void)state;
    ct_sparse_options opt = ct_sparse_options_default();
    for (int binary = 0; binary <= 1; binary++)
        for (size_t cols = 100; cols <= 100000; cols *= 30) {
            opt.rows = 3000;
            opt.cols = cols;
            opt.binary = binary;
            ct_dataset *data = NULL;
            ct_diag diag = {""};
            ct_assert_ok(ct_dataset_generate_sparse(&data, &opt, &diag), &diag);
            round_trip(data);
            ct_dataset_destroy(data);
        }
}

/* The file that the tests of damages start from, and its bytes. */
static ct_dataset *small_dataset(void)
{
    static const size_t start[] = {0, 2, 2, 5};
    static const uint32_t col[] = {1, 3, 0, 2, 4};
    static const double val[] = {1, -0.5, 1e-300, 0, 3}, label[] = {1, -1, 1};
    return from_csr(3, 5, start, col, val, label);
}

static size_t small_file(unsigned char bytes[300])
{
    ct_dataset *data = small_dataset();
    char *path = write_file(data);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t size = fread(bytes, 1, 300, f);
    fclose(f);
    free(path);
    ct_dataset_destroy(data);
    return size;
}

static ct_status parse(const void *bytes, size_t size, ct_diag *diag)
{
    ct_dataset *data = (ct_dataset *)diag;
    ct_diag_clear(diag);
    ct_status status = ct__dataset_parse_binary(&data, bytes, size, 0, diag);
    if (status != CT_OK)
        assert_null(data);
    else
        ct_dataset_destroy(data);
    return status;
}

static void test_every_damage_is_noticed(void **state)
{
    (void)state;
    unsigned char bytes[300];
    size_t size = small_file(bytes);
    ct_diag diag;
    assert_int_equal(size, 40 + 2 * 8 + 3 + 3 + 5 + 5 * 8 + 8);
    ct_assert_ok(parse(bytes, size, &diag), &diag);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        ct_assert_status(parse(bytes, size, &diag), CT_EPARSE, &diag);
        assert_true(diag.text[0] != '\0');
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < size; cut++)
        ct_assert_status(parse(bytes, cut, &diag), CT_EPARSE, &diag);
    ct_assert_status(parse(bytes, size + 1, &diag), CT_EPARSE, &diag);
}

static void repair_checksum(unsigned char *bytes, size_t size)
{
    ct_checksum sum;
    ct_checksum_init(&sum);
    ct_checksum_add(&sum, bytes, size - 8);
    uint64_t value = ct_checksum_value(&sum);
    for (int i = 0; i < 8; i++)
        bytes[size - 8 + (size_t)i] = (unsigned char)(value >> (8 * i));
}

/* What a writer other than ours might write, with a checksum that is right. Behind the header of 40
 * bytes: two labels, which of them (56 … 58), lengths (59 … 61), columns (62 … 66), values. */
static void test_what_a_checksum_cannot_tell(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        unsigned char value;
        const char *reason;
    } cases[] = {
        {0, 'x', "not a dataset in the binary format"},
        {8, 2, "version 2 of the binary format (only 1 is known)"},
        {9, 3, "damaged: its header makes no sense"},  // length_bytes
        {10, 0, "damaged: its header makes no sense"}, // column_bytes
        {11, 3, "damaged: its header makes no sense"}, // values
        {13, 2, "damaged: its header makes no sense"}, // 514 labels
        {16, 0, "no rows"},                            // rows
        {20, 2, "damaged: more rows or features than any dataset has"},
        {25, 1, NULL}, // 261 features: nothing wrong with that
        {28, 1, "damaged: more rows or features than any dataset has"},
        {39, 0x7f, "damaged: its length is not what its header says"}, // nnz
        {47, 0xff, "damaged: a label is no finite number"},            // 3ff0… becomes fff0…
        {56, 2, "damaged: a label that is not in its table"},
        {59, 3, "damaged: its rows do not add up to its entries"},
        {62, 5, "damaged: a column beyond its features"},
        {63, 4, NULL}, // the last column of row 0, below which the next row begins
        {63, 1, "damaged: the columns of a row do not ascend"},
        {65, 4, "damaged: the columns of a row do not ascend"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char bytes[300];
        size_t size = small_file(bytes);
        bytes[cases[i].at] = cases[i].value;
        repair_checksum(bytes, size);
        ct_diag diag;
        ct_status status = parse(bytes, size, &diag);
        ct_assert_status(status, cases[i].reason != NULL ? CT_EPARSE : CT_OK, &diag);
        if (cases[i].reason != NULL)
            assert_string_equal(diag.text, cases[i].reason);
    }
}

static void test_values_that_are_not_finite(void **state)
{
    (void)state;
    unsigned char bytes[300];
    size_t size = small_file(bytes), last = size - 8 - 8; // the last value
    bytes[last + 6] = 0xf0;
    bytes[last + 7] = 0xff;
    repair_checksum(bytes, size);
    ct_diag diag;
    ct_assert_status(parse(bytes, size, &diag), CT_EPARSE, &diag);
    assert_string_equal(diag.text, "damaged: a value is no finite number");
}

static void test_cols_as_for_text(void **state)
{
    (void)state;
    ct_dataset *data = small_dataset(), *back = NULL;
    char *path = write_file(data);
    ct_libsvm_options opt = ct_libsvm_options_default();
    ct_diag diag = {""};
    opt.cols = 9;
    ct_assert_ok(ct_dataset_read(&back, path, &opt, &diag), &diag);
    assert_int_equal(back->cols, 9);
    ct_dataset_destroy(back);
    opt.cols = 4;
    ct_assert_status(ct_dataset_read(&back, path, &opt, &diag), CT_EPARSE, &diag);
    assert_null(back);
    ct_assert_contains(diag.text, path);
    ct_assert_contains(diag.text, ": feature index 5 (must be at most 4)");
    free(path);
    ct_dataset_destroy(data);
}

static void test_either_format_is_recognised(void **state)
{
    (void)state;
    ct_dataset *data = small_dataset(), *back = NULL;
    char *text = ct_test_file("small.libsvm", "1 2:1 4:-0.5\n-1\n1 1:1e-300 3:0 5:3\n");
    ct_diag diag = {""};
    assert_false(ct_dataset_is_binary(text));
    ct_assert_ok(ct_dataset_read(&back, text, NULL, &diag), &diag);
    assert_same(data, back);
    ct_dataset_destroy(back);
    ct_dataset_destroy(data);
    free(text);
    assert_false(ct_dataset_is_binary("no/such/file"));
    assert_false(ct_dataset_is_binary("/"));
    ct_assert_status(ct_dataset_read(&back, "no/such/file", NULL, &diag), CT_ENOTFOUND, &diag);
    char *empty = ct_test_file("empty", "");
    assert_false(ct_dataset_is_binary(empty));
    ct_assert_status(ct_dataset_read(&back, empty, NULL, &diag), CT_EPARSE, &diag);
    free(empty);
}

/* The reader of text says what is wrong with it and does not read it by accident. */
static void test_binary_is_no_text(void **state)
{
    (void)state;
    ct_dataset *data = small_dataset(), *back = NULL;
    char *path = write_file(data);
    ct_diag diag = {""};
    ct_assert_status(ct_dataset_read_libsvm(&back, path, NULL, &diag), CT_EPARSE, &diag);
    free(path);
    ct_dataset_destroy(data);
}

static void test_a_pipe_is_read(void **state)
{
    (void)state;
    unsigned char bytes[300];
    size_t size = small_file(bytes);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], bytes, size), size);
    close(ends[1]);
    char path[64];
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    ct_dataset *data = small_dataset(), *back = NULL;
    ct_diag diag = {""};
    assert_false(ct_dataset_is_binary(path)); // and nothing of it is lost
    ct_assert_ok(ct_dataset_read(&back, path, NULL, &diag), &diag);
    assert_same(data, back);
    close(ends[0]);
    ct_dataset_destroy(back);
    ct_dataset_destroy(data);
}

static void test_write_failures(void **state)
{
    (void)state;
    ct_dataset *data = small_dataset();
    ct_diag diag = {""};
    assert_int_not_equal(ct_dataset_write_binary(data, "no/such/folder/x", &diag), CT_OK);
    ct_assert_contains(diag.text, "no/such/folder/x");
    ct_dataset_destroy(data);
}

/* Written and read back, with a value for each column, so that every allocation is met. */
static ct_status write_and_read(void *context)
{
    ct_dataset *back = NULL;
    ct_status status = ct_dataset_write_binary(context, "allocation.ctd", NULL);
    if (status == CT_OK)
        status = ct_dataset_read(&back, "allocation.ctd", NULL, NULL);
    ct_dataset_destroy(back);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    ct_dataset *data = from_csr(3, 2, (size_t[]){0, 2, 3, 5}, (uint32_t[]){0, 1, 1, 0, 1},
                                (double[]){0.5, 2, 2, 0.5, 2}, (double[]){1, -1, 1});
    ct_assert_survives_allocation_failures(write_and_read, data);
    remove("allocation.ctd");
    ct_dataset_destroy(data);
}

static void test_real_data(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t rows, nnz, column_bytes;
    } sets[] = {
        {"w8a", 49749, 579586, 2}, {"a9a", 32561, 451592, 1}, {"phishing", 11055, 331650, 1}};
    for (size_t i = 0; i < 3; i++) {
        const char *path = ct_test_data(sets[i].name);
        if (path == NULL)
            skip();
        ct_dataset *data = NULL;
        ct_diag diag = {""};
        ct_assert_ok(ct_dataset_read(&data, path, NULL, &diag), &diag);
        size_t size = 40 + 2 * 8 + 2 * sets[i].rows + sets[i].nnz * sets[i].column_bytes + 8 + 8;
        assert_int_equal(round_trip(data), size);
        ct_dataset_destroy(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_form_comes_back),
        cmocka_unit_test(test_labels_of_any_number),
        cmocka_unit_test(test_long_rows),
        cmocka_unit_test(test_generated_problems),
        cmocka_unit_test(test_every_damage_is_noticed),
        cmocka_unit_test(test_what_a_checksum_cannot_tell),
        cmocka_unit_test(test_values_that_are_not_finite),
        cmocka_unit_test(test_cols_as_for_text),
        cmocka_unit_test(test_either_format_is_recognised),
        cmocka_unit_test(test_binary_is_no_text),
        cmocka_unit_test(test_a_pipe_is_read),
        cmocka_unit_test(test_write_failures),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_real_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
