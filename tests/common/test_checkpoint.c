// SPDX-License-Identifier: MIT
/* Checkpoints: what is written is read back bit for bit, and no damaged byte, cut or wrong length
 * goes unnoticed. */
#include "ct_test.h"

#include <ctrain/checkpoint.h>

#include <ctrain/bytes.h>
#include <ctrain/checksum.h>
#include <ctrain/file.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONG = 1300 }; // longer than what is converted at a time

static double numbers[LONG];
static uint32_t positions[LONG];
static uint64_t keys[LONG];

static void fill(void)
{
    for (size_t i = 0; i < LONG; i++) {
        numbers[i] = (double)i / 3.0;
        positions[i] = (uint32_t)i * 2654435761U;
        keys[i] = UINT64_C(0x9e3779b97f4a7c15) * i;
    }
    numbers[1] = NAN;
    numbers[2] = -0.0;
    numbers[3] = -INFINITY;
    numbers[4] = 0x1p-1074;
}

static uint64_t checksum_of(const void *data, size_t size)
{
    ct_checksum sum;
    ct_checksum_init(&sum);
    ct_checksum_add(&sum, data, size);
    return ct_checksum_value(&sum);
}

static ct_status write_file(const char *path, size_t n, ct_diag *diag)
{
    ct_checkpoint_writer *w;
    CT_TRY(ct_checkpoint_open(&w, path, diag));
    ct_checkpoint_put_text(w, "algorithm", "fednl-ls");
    ct_checkpoint_put_u64(w, "round", UINT64_MAX - 1);
    ct_checkpoint_put_f64(w, "lambda", 1e-3);
    ct_checkpoint_put_f64_array(w, "x", numbers, n);
    ct_checkpoint_put_u32_array(w, "position", positions, n);
    ct_checkpoint_put_u64_array(w, "key", keys, n);
    ct_checkpoint_put_bytes(w, "raw", positions, n);
    ct_checkpoint_put_f64_array(w, "none", NULL, 0);
    return ct_checkpoint_commit(w, diag);
}

static void check_contents(ct_checkpoint *c, size_t n)
{
    static double x[LONG];
    static uint32_t position[LONG];
    static uint64_t key[LONG];
    static unsigned char raw[LONG];
    uint64_t round;
    double lambda;
    ct_diag diag;
    ct_assert_ok(ct_checkpoint_expect_text(c, "algorithm", "fednl-ls", &diag), &diag);
    ct_assert_ok(ct_checkpoint_get_u64(c, "round", &round, &diag), &diag);
    ct_assert_ok(ct_checkpoint_get_f64(c, "lambda", &lambda, &diag), &diag);
    assert_true(round == UINT64_MAX - 1 && lambda == 1e-3);
    ct_assert_ok(ct_checkpoint_get_f64_array(c, "x", x, n, &diag), &diag);
    ct_assert_ok(ct_checkpoint_get_u32_array(c, "position", position, n, &diag), &diag);
    ct_assert_ok(ct_checkpoint_get_u64_array(c, "key", key, n, &diag), &diag);
    ct_assert_ok(ct_checkpoint_get_bytes(c, "raw", raw, n, &diag), &diag);
    ct_assert_ok(ct_checkpoint_get_f64_array(c, "none", NULL, 0, &diag), &diag);
    assert_memory_equal(x, numbers, n * sizeof *x);
    assert_memory_equal(position, positions, n * sizeof *position);
    assert_memory_equal(key, keys, n * sizeof *key);
    assert_memory_equal(raw, positions, n);
}

static void test_read_back(void **state)
{
    (void)state;
    char *path = ct_test_path("read_back");
    static const size_t sizes[] = {0, 1, 5, 511, 512, 513, 1024, LONG};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ct_diag diag;
        ct_checkpoint *c;
        ct_assert_ok(write_file(path, sizes[i], &diag), &diag);
        ct_assert_ok(ct_checkpoint_read(&c, path, &diag), &diag);
        check_contents(c, sizes[i]);
        check_contents(c, sizes[i]); // from the beginning again
        ct_checkpoint_close(c);
    }
    free(path);
}

static void test_any_order_and_repeated_names(void **state)
{
    (void)state;
    char *path = ct_test_path("order");
    ct_checkpoint_writer *w;
    ct_checkpoint *c;
    ct_diag diag;
    uint64_t v;
    ct_assert_ok(ct_checkpoint_open(&w, path, &diag), &diag);
    for (uint64_t client = 0; client < 3; client++) {
        ct_checkpoint_put_u64(w, "client", client);
        ct_checkpoint_put_u64(w, "rows", 10 * client);
    }
    ct_checkpoint_put_u64(w, "end", 77);
    ct_assert_ok(ct_checkpoint_commit(w, &diag), &diag);
    ct_assert_ok(ct_checkpoint_read(&c, path, &diag), &diag);
    for (uint64_t client = 0; client < 3; client++) {
        ct_assert_ok(ct_checkpoint_expect_u64(c, "client", client, &diag), &diag);
        ct_assert_ok(ct_checkpoint_expect_u64(c, "rows", 10 * client, &diag), &diag);
    }
    ct_assert_ok(ct_checkpoint_get_u64(c, "end", &v, &diag), &diag);
    assert_int_equal(v, 77);
    ct_assert_ok(ct_checkpoint_get_u64(c, "rows", &v, &diag), &diag);
    assert_int_equal(v, 0);
    ct_checkpoint_close(c);
    free(path);
}

/* The format, byte by byte: files of today are read tomorrow. */
static void test_format(void **state)
{
    (void)state;
    static const unsigned char expected[] = "CTRAINCK\1\0\0\0"
                                            "u\2id\1\0\0\0\0\0\0\0\x2a\0\0\0\0\0\0\0"
                                            "i\1p\2\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0"
                                            "d\1x\1\0\0\0\0\0\0\0\0\0\0\0\0\0\xf0\x3f"
                                            "b\1t\3\0\0\0\0\0\0\0abc";
    enum { SIZE = sizeof expected - 1 };
    char *path = ct_test_path("format");
    ct_checkpoint_writer *w;
    ct_file_view file;
    ct_diag diag;
    ct_assert_ok(ct_checkpoint_open(&w, path, &diag), &diag);
    ct_checkpoint_put_u64(w, "id", 42);
    ct_checkpoint_put_u32_array(w, "p", (const uint32_t[]){1, 2}, 2);
    ct_checkpoint_put_f64(w, "x", 1.0);
    ct_checkpoint_put_text(w, "t", "abc");
    ct_assert_ok(ct_checkpoint_commit(w, &diag), &diag);
    ct_assert_ok(ct_file_view_open(&file, path, &diag), &diag);
    assert_int_equal(file.size_bytes, SIZE + 8);
    assert_memory_equal(file.data, expected, SIZE);
    ct_reader checksum = ct_reader_view(file.data + SIZE, 8);
    assert_true(ct_read_u64(&checksum) == checksum_of(expected, SIZE));
    ct_file_view_close(&file);
    free(path);
}

static void expect_refused(const void *data, size_t size, const char *reason)
{
    ct_checkpoint *c = (ct_checkpoint *)&c;
    ct_diag diag;
    ct_assert_status(ct_checkpoint_view(&c, data, size, "file", &diag), CT_ECHECKPOINT,
                     &diag);
    assert_null(c);
    ct_assert_contains(diag.text, "file: ");
    ct_assert_contains(diag.text, reason);
}

static void test_every_damage_is_seen(void **state)
{
    (void)state;
    char *path = ct_test_path("damage");
    ct_file_view file;
    ct_diag diag;
    ct_assert_ok(write_file(path, 3, &diag), &diag);
    ct_assert_ok(ct_file_view_open(&file, path, &diag), &diag);
    size_t size = file.size_bytes;
    unsigned char *bytes = malloc(size + 1);
    assert_non_null(bytes);
    memcpy(bytes, file.data, size);
    for (size_t i = 0; i < size; i++)
        for (unsigned flip = 1; flip < 256; flip++) {
            bytes[i] ^= (unsigned char)flip;
            expect_refused(bytes, size,
                           i < 8    ? "not a checkpoint"
                           : i < 12 ? "version"
                                    : "damaged");
            bytes[i] ^= (unsigned char)flip;
        }
    for (size_t cut = 0; cut < size; cut++) {
        unsigned char *copy = malloc(cut + 1); // a sanitizer sees a read past its end
        assert_non_null(copy);
        memcpy(copy, bytes, cut);
        expect_refused(copy, cut, cut < 8 ? "not a checkpoint" : "cut short");
        free(copy);
    }
    bytes[size] = 0;
    expect_refused(bytes, size + 1, "damaged");
    ct_file_view_close(&file);
    free(bytes);
    free(path);
}

/* Whoever computes the checksum again can write anything. */
static void expect_malformed(const void *entries, size_t size)
{
    unsigned char file[200] = "CTRAINCK\1";
    memcpy(file + 12, entries, size);
    ct_writer w = ct_writer_view(file + 12 + size, 8);
    ct_write_u64(&w, checksum_of(file, 12 + size));
    expect_refused(file, 12 + size + 8, "malformed");
}

static void test_malformed_entries(void **state)
{
    (void)state;
#define MALFORMED(text) expect_malformed(text, sizeof(text) - 1)
    MALFORMED("u");
    MALFORMED("u\1");
    MALFORMED("u\1n\1\0\0\0\0\0\0");
    MALFORMED("u\1n\1\0\0\0\0\0\0\0");                                 // no element
    MALFORMED("u\1n\1\0\0\0\0\0\0\0\1\2\3\4\5\6\7");                   // not all of it
    MALFORMED("q\1n\0\0\0\0\0\0\0\0");                                 // no such type
    MALFORMED("u\0\1\0\0\0\0\0\0\0\1\2\3\4\5\6\7\1");                  // no name
    MALFORMED("u\377n\1\0\0\0\0\0\0\0\1\2\3\4\5\6\7\1");               // a name that is longer
    MALFORMED("u\1n\1\0\0\0\0\0\0\x20\1\2\3\4\5\6\7\1");               // 2^61 + 1: times 8 is 8
    MALFORMED("u\1n\377\377\377\377\377\377\377\377\1\2\3\4\5\6\7\1"); // -1
    MALFORMED("b\1n\0\0\0\0\0\0\0\0"
              "u\1n\0\0\0\0\0\0\0"); // the second is cut
#undef MALFORMED
}

static void expect_reason(ct_status status, const ct_diag *diag, const char *reason)
{
    ct_assert_status(status, CT_ECHECKPOINT, diag);
    ct_assert_contains(diag->text, reason);
}

static void test_what_does_not_fit(void **state)
{
    (void)state;
    char *path = ct_test_path("fit");
    ct_checkpoint *c;
    ct_diag diag;
    double x[8] = {0};
    uint32_t p[8] = {0};
    uint64_t v = 5;
    unsigned char raw[8];
    ct_assert_ok(write_file(path, 5, &diag), &diag);
    ct_assert_ok(ct_checkpoint_read(&c, path, &diag), &diag);
    expect_reason(ct_checkpoint_get_f64_array(c, "x", x, 4, &diag), &diag,
                  "fit: x has 5 entries, not 4");
    expect_reason(ct_checkpoint_get_u32_array(c, "position", p, 6, &diag), &diag,
                  "position has 5 entries, not 6");
    expect_reason(ct_checkpoint_get_u64_array(c, "key", &v, 1, &diag), &diag, "key has 5");
    expect_reason(ct_checkpoint_get_bytes(c, "raw", raw, 0, &diag), &diag, "raw has 5");
    expect_reason(ct_checkpoint_get_u64(c, "lambda", &v, &diag), &diag, "another type");
    expect_reason(ct_checkpoint_get_f64(c, "round", x, &diag), &diag, "another type");
    expect_reason(ct_checkpoint_get_f64(c, "mu", x, &diag), &diag, "has no mu");
    expect_reason(ct_checkpoint_get_f64(c, "lambd", x, &diag), &diag, "has no lambd");
    expect_reason(ct_checkpoint_get_f64(c, "lambda2", x, &diag), &diag, "has no lambda2");
    assert_true(v == 5 && x[0] == 0.0 && p[0] == 0);
    expect_reason(ct_checkpoint_expect_f64(c, "lambda", 0.25, &diag), &diag,
                  "lambda is 0.001, not 0.25");
    expect_reason(ct_checkpoint_expect_u64(c, "round", 3, &diag), &diag,
                  "round is 18446744073709551614, not 3");
    expect_reason(ct_checkpoint_expect_text(c, "algorithm", "gd", &diag), &diag,
                  "algorithm is fednl-ls, not gd");
    expect_reason(ct_checkpoint_expect_text(c, "algorithm", "fednl-lsx", &diag), &diag, "not");
    expect_reason(ct_checkpoint_expect_text(c, "round", "gd", &diag), &diag, "another type");
    ct_assert_ok(ct_checkpoint_expect_f64(c, "lambda", 1e-3, &diag), &diag);
    ct_checkpoint_close(c);
    free(path);
}

static void test_files_that_cannot_be(void **state)
{
    (void)state;
    ct_checkpoint *c;
    ct_checkpoint_writer *w;
    ct_diag diag;
    ct_assert_status(ct_checkpoint_read(&c, "/nowhere/at/all", &diag), CT_ENOTFOUND, &diag);
    assert_null(c);
    ct_assert_status(ct_checkpoint_open(&w, "/nowhere/at/all", &diag), CT_ENOTFOUND, &diag);
    assert_null(w);
    ct_checkpoint_close(NULL);
    ct_checkpoint_abort(NULL);
}

/* A file that was not committed is not there, and the old one stays. */
static void test_whole_or_not_at_all(void **state)
{
    (void)state;
    char *path = ct_test_path("whole");
    ct_checkpoint_writer *w;
    ct_checkpoint *c;
    ct_diag diag;
    ct_assert_ok(write_file(path, 7, &diag), &diag);
    ct_assert_ok(ct_checkpoint_open(&w, path, &diag), &diag);
    ct_checkpoint_put_f64_array(w, "x", numbers, LONG);
    ct_checkpoint_abort(w);
    ct_assert_ok(ct_checkpoint_read(&c, path, &diag), &diag);
    check_contents(c, 7);
    ct_checkpoint_close(c);
    free(path);
}

static ct_status attempt(void *context)
{
    const char *path = context;
    ct_checkpoint *c;
    ct_diag diag;
    CT_TRY(write_file(path, 9, &diag));
    CT_TRY(ct_checkpoint_read(&c, path, &diag));
    ct_checkpoint_close(c);
    return CT_OK;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    char *path = ct_test_path("memory");
    ct_assert_survives_allocation_failures(attempt, path);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_any_order_and_repeated_names),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_every_damage_is_seen),
        cmocka_unit_test(test_malformed_entries),
        cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_files_that_cannot_be),
        cmocka_unit_test(test_whole_or_not_at_all),
        cmocka_unit_test(test_out_of_memory),
    };
    fill();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
