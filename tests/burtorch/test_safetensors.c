// SPDX-License-Identifier: MIT
/* safetensors files: what is written reads back, a file made by hand reads, and every malformed one
 * is refused with its reason. */
#include "ct_test.h"

#include <burtorch/safetensors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Header and `n` data bytes 0, 1, 2, … as a file in memory; caller frees. */
static unsigned char *file_of(const char *header, size_t n, size_t *size)
{
    const size_t length = strlen(header);
    unsigned char *file = calloc(1, 8 + length + n);
    assert_non_null(file);
    file[0] = (unsigned char)(length & 0xff);
    file[1] = (unsigned char)(length >> 8);
    memcpy(file + 8, header, length);
    for (size_t i = 0; i < n; i++)
        file[8 + length + i] = (unsigned char)i;
    *size = 8 + length + n;
    return file;
}

static void test_round_trip(void **state)
{
    (void)state;
    const float weights[6] = {1, 2, 3, 4, 5, -6};
    const unsigned char byte = 7;
    const bt_array arrays[] = {
        {.name = "w\"1",
         .dtype = "F32",
         .axes = 2,
         .dims = {2, 3},
         .data = weights,
         .size_bytes = sizeof weights},
        {.name = "scalar", .dtype = "U8", .axes = 0, .data = &byte, .size_bytes = 1}};
    const bt_metadata metadata[] = {{"model", "a\nb\\c\t\"d\""}};
    char *path = ct_test_path("round.safetensors");
    ct_diag diag;
    ct_assert_ok(bt_safetensors_write(path, arrays, 2, metadata, 1, &diag), &diag);
    bt_safetensors *file;
    ct_assert_ok(bt_safetensors_open(&file, path, &diag), &diag);
    assert_int_equal(bt_safetensors_count(file), 2);
    const bt_array *w = bt_safetensors_find(file, "w\"1");
    assert_non_null(w);
    assert_string_equal(w->dtype, "F32");
    assert_int_equal(w->axes, 2);
    assert_int_equal(w->dims[1], 3);
    assert_memory_equal(w->data, weights, sizeof weights);
    assert_int_equal(*(const unsigned char *)bt_safetensors_array(file, 1)->data, 7);
    assert_string_equal(bt_safetensors_metadata(file, "model"), metadata[0].value);
    assert_null(bt_safetensors_metadata(file, "other"));
    assert_int_equal(bt_safetensors_metadata_count(file), sizeof metadata / sizeof *metadata);
    assert_string_equal(bt_safetensors_metadata_at(file, 0)->key, metadata[0].key);
    assert_null(bt_safetensors_metadata_at(file, sizeof metadata / sizeof *metadata));
    assert_null(bt_safetensors_find(file, "other"));
    bt_safetensors_close(file);
    bt_array wrong = arrays[0];
    wrong.size_bytes--;
    ct_assert_status(bt_safetensors_write(path, &wrong, 1, NULL, 0, &diag), CT_EINVALID, &diag);
    free(path);
}

static void test_made_by_hand(void **state)
{
    (void)state;
    size_t size;
    unsigned char *bytes =
        file_of(" { \"b\\u00e9\" : {\"shape\":[],\"data_offsets\":[2,4],\"dtype\":\"F16\"} ,\n"
                "\"a\":{\"dtype\":\"U8\",\"shape\":[2,1],\"data_offsets\":[0,2]},"
                "\"__metadata__\":{}}   ",
                4, &size);
    bt_safetensors *file;
    ct_diag diag;
    ct_assert_ok(bt_safetensors_view(&file, bytes, size, "x", &diag), &diag);
    assert_string_equal(bt_safetensors_array(file, 0)->name, "b\xc3\xa9");
    assert_int_equal(*(const unsigned char *)bt_safetensors_find(file, "a")->data, 0);
    assert_null(bt_safetensors_array(file, 2));
    bt_safetensors_close(file);
    free(bytes);
}

#define A(shape, offsets)                                                                          \
    "\"a\":{\"dtype\":\"U8\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define B(shape, offsets)                                                                          \
    "\"b\":{\"dtype\":\"U8\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void test_malformed(void **state)
{
    (void)state;
    const struct {
        const char *header;
        size_t data;
        const char *error;
    } cases[] = {
        {"", 0, "header byte 0: expected '{'"},
        {"{", 0, "header byte 1: expected '\"'"},
        {"{} x", 0, "something follows"},
        {"{\"a", 0, "a text without end"},
        {"{\"a\\", 0, "unknown escape"},
        {"{\"a\\q\":1}", 0, "unknown escape"},
        {"{\"a\\u12\":1}", 0, "four hexadecimal digits"},
        {"{\"a\\u0000\":1}", 0, "a NUL"},
        {"{\"a\n\":1}", 0, "a control character"},
        {"{\"a\" 1}", 0, "expected ':'"},
        {"{\"a\":[]}", 0, "expected '{'"},
        {"{\"a\":{\"what\":1}}", 0, "an unknown key"},
        {"{\"a\":{\"dtype\":\"U8\"}}", 0, "lacks dtype, shape"},
        {"{" A("[-1]", "[0,1]") "}", 1, "expected a whole number"},
        {"{" A("[1,]", "[0,1]") "}", 1, "expected a whole number"},
        {"{" A("[99999999999999999999]", "[0,1]") "}", 1, "beyond 64 bits"},
        {"{" A("[1,1,1,1,1,1,1,1,1]", "[0,1]") "}", 1, "more than 8 axes"},
        {"{" A("[1]", "[0,1,2]") "}", 1, "more than two data offsets"},
        {"{" A("[1]", "[0]") "}", 1, "lacks dtype, shape"},
        {"{" A("[2]", "[0,2]") "}", 1, "beyond the end of the file"},
        {"{" A("[1]", "[1,0]") "}", 1, "beyond the end of the file"},
        {"{" A("[3]", "[0,2]") "}", 2, "does not follow from its dtype"},
        {"{" A("[4294967296,4294967296]", "[0,0]") "}", 0, "does not follow from its dtype"},
        {"{" A("[2]", "[0,2]") "," B("[2]", "[1,3]") "}", 3, "overlap or leave a gap"},
        {"{" A("[1]", "[0,1]") "," B("[1]", "[2,3]") "}", 3, "overlap or leave a gap"},
        {"{" A("[1]", "[0,1]") "}", 2, "belong to no array"},
        {"{" A("[1]", "[0,1]") "," A("[1]", "[1,2]") "}", 2, "two arrays 'a'"},
        {"{\"a\":{\"dtype\":\"X9\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "does not follow"},
        {"{\"__metadata__\":{\"k\":1}}", 0, "expected '\"'"},
        {"{\"__metadata__\":{\"k\":\"v\"]}", 0, "expected ','"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size;
        unsigned char *bytes = file_of(cases[i].header, cases[i].data, &size);
        bt_safetensors *file;
        ct_diag diag;
        ct_assert_status(bt_safetensors_view(&file, bytes, size, "m", &diag), CT_EPARSE, &diag);
        assert_null(file);
        ct_assert_contains(diag.text, cases[i].error);
        free(bytes);
    }
}

/* Cut anywhere, a file is refused; a header length beyond the file too. */
static void test_truncated(void **state)
{
    (void)state;
    size_t size;
    unsigned char *bytes = file_of("{" A("[2]", "[0,2]") "}", 2, &size);
    bt_safetensors *file;
    for (size_t cut = 0; cut < size; cut++) {
        unsigned char *part = malloc(cut + 1);
        assert_non_null(part);
        memcpy(part, bytes, cut);
        ct_assert_status(bt_safetensors_view(&file, part, cut, "m", NULL), CT_EPARSE, NULL);
        free(part);
    }
    memset(bytes, 0xff, 8);
    ct_assert_status(bt_safetensors_view(&file, bytes, size, "m", NULL), CT_EPARSE, NULL);
    ct_assert_status(bt_safetensors_open(&file, "/nonexistent", NULL), CT_ENOTFOUND, NULL);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_made_by_hand),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_truncated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
