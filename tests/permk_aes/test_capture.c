// SPDX-License-Identifier: MIT
/* Captures: what is written reads back, and what is cut short or damaged is an error that names the
 * file and the frame, never a wrong frame. */
#include "ct_test.h"

#include <permk_aes/capture.h>
#include <stdlib.h>
#include <string.h>

#include "capture_write.h"
#include "protocol.h"

enum { RECORD = PERMK__CAPTURE_RECORD_BYTES, HEADER = PERMK__CAPTURE_HEADER_BYTES };

static const struct {
    double seconds;
    ct_message message;
} frames[] = {
    {0.0, {.type = PERMK__FRAME_HELLO, .aux = 1, .data = "hello", .size_bytes = 5}},
    {0.25, {.type = PERMK__FRAME_BLOCK, .aux = 0, .data = "\1sealed", .size_bytes = 7}},
    {1e6, {.type = PERMK__FRAME_ABSENT, .aux = 1, .data = "", .size_bytes = 0}},
};
enum { N_FRAMES = 3, N_BYTES = HEADER + 3 * RECORD + 12 };

/* A capture of 2 clients and the frames above: its path, which the caller frees. */
static char *write_capture(void)
{
    char *path = ct_test_path("capture");
    ct_file_writer *writer;
    ct_diag diag;
    ct_assert_ok(permk__capture_begin(&writer, path, 2, &diag), &diag);
    for (size_t i = 0; i < N_FRAMES; i++)
        permk__capture_add(writer, frames[i].seconds, &frames[i].message);
    ct_assert_ok(ct_file_writer_commit(writer, &diag), &diag);
    return path;
}

static void read_bytes(unsigned char bytes[N_BYTES])
{
    char *path = write_capture();
    ct_file_view view;
    ct_diag diag;
    ct_assert_ok(ct_file_view_open(&view, path, &diag), &diag);
    assert_int_equal(view.size_bytes, N_BYTES);
    memcpy(bytes, view.data, N_BYTES);
    ct_file_view_close(&view);
    free(path);
}

static void test_what_is_written_reads_back(void **state)
{
    (void)state;
    char *path = write_capture();
    permk_capture *capture;
    permk_capture_frame frame;
    bool at_end;
    ct_diag diag;
    ct_assert_ok(permk_capture_open(&capture, path, &diag), &diag);
    assert_int_equal(permk_capture_clients(capture), 2);
    for (size_t i = 0; i < N_FRAMES; i++) {
        const ct_message *m = &frames[i].message;
        ct_assert_ok(permk_capture_next(capture, &frame, &at_end, &diag), &diag);
        assert_false(at_end);
        assert_true(frame.seconds == frames[i].seconds);
        assert_int_equal(frame.origin, m->aux);
        assert_int_equal(frame.type, m->type);
        assert_int_equal(frame.size_bytes, m->size_bytes);
        assert_memory_equal(frame.data, m->data, m->size_bytes);
    }
    for (int again = 0; again < 2; again++) {
        ct_assert_ok(permk_capture_next(capture, &frame, &at_end, &diag), &diag);
        assert_true(at_end);
        assert_int_equal(frame.size_bytes, 0);
    }
    permk_capture_close(capture);
    permk_capture_close(NULL);
    free(path);
}

/* The format, byte by byte. */
static void test_the_format(void **state)
{
    (void)state;
    const unsigned char expected[] = {
        'P', 'E', 'R', 'M', 'K', 'C', 'A',  'P',  1, 0, 0, 0, 2, 0, 0, 0, // header
        0,   0,   0,   0,   0,   0,   0,    0,    1, 0, 0, 0, 1, 5, 0, 0,
        0,   'h', 'e', 'l', 'l', 'o', // hello of client 1
        0,   0,   0,   0,   0,   0,   0xd0, 0x3f, 0, 0, 0, 0, 2, 7, 0, 0,
        0,   1,   's', 'e', 'a', 'l', 'e',  'd'};
    unsigned char bytes[N_BYTES];
    read_bytes(bytes);
    assert_memory_equal(bytes, expected, sizeof expected);
}

/* Frames up to an error or the end, for the caller to look at diag. */
static ct_status read_all(const void *bytes, size_t size, size_t *n_frames, ct_diag *diag)
{
    permk_capture *capture;
    permk_capture_frame frame;
    bool at_end = false;
    *n_frames = 0;
    ct_status status = permk_capture_parse(&capture, bytes, size, "name", diag);
    if (status != CT_OK)
        assert_null(capture);
    while (status == CT_OK && !at_end) {
        status = permk_capture_next(capture, &frame, &at_end, diag);
        *n_frames += status == CT_OK && !at_end;
    }
    if (status != CT_OK && capture != NULL) { // what follows an error is an error
        assert_int_equal(frame.size_bytes, 0);
        ct_assert_status(permk_capture_next(capture, &frame, &at_end, NULL), CT_EPARSE, diag);
        assert_false(at_end);
    }
    permk_capture_close(capture);
    return status;
}

static void test_every_cut(void **state)
{
    (void)state;
    unsigned char bytes[N_BYTES];
    read_bytes(bytes);
    const size_t ends[] = {HEADER, HEADER + RECORD + 5, HEADER + 2 * RECORD + 12, N_BYTES};
    for (size_t size = 0; size <= N_BYTES; size++) {
        unsigned char *cut = malloc(size + 1); // of its own: reads beyond it are seen
        assert_non_null(cut);
        memcpy(cut, bytes, size);
        size_t whole = 0, n_frames;
        bool is_end = false;
        for (size_t k = 0; k < 4; k++) {
            whole += k > 0 && size >= ends[k];
            is_end = is_end || size == ends[k];
        }
        ct_diag diag = {""};
        ct_status status = read_all(cut, size, &n_frames, &diag);
        ct_assert_status(status, is_end ? CT_OK : CT_EPARSE, &diag);
        assert_int_equal(n_frames, whole);
        if (!is_end)
            ct_assert_contains(diag.text, "name: ");
        free(cut);
    }
}

static void test_damage_is_named(void **state)
{
    (void)state;
    enum { SECOND = HEADER + RECORD + 5 };
    const struct {
        size_t at;
        unsigned char value;
        const char *text;
    } cases[] = {
        {0, 'p', "name: not a capture of a permk server"},
        {8, 2, "name: version 2 of captures, here 1"},
        {12, 0, "name: its header is cut short or damaged"},
        {SECOND + 7, 0xbf, "name: frame 1 came at no time"},     // negative
        {SECOND + 7, 0x7f, "name: frame 1"},                     // beyond all bounds
        {SECOND + 8, 2, "name: frame 1 comes from nobody"},      // of 2 clients
        {SECOND + 12, 4, "name: frame 1 is of an unknown type"}, // good-byes are not forwarded
        {SECOND + 12, 5, "name: frame 1 is of an unknown type"},
        {SECOND + 12, 9, "name: frame 1 is of an unknown type"},
        {SECOND + 16, 0xff, "name: frame 1 is cut short"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        unsigned char bytes[N_BYTES];
        read_bytes(bytes);
        bytes[cases[k].at] = cases[k].value;
        if (cases[k].value == 0x7f)
            bytes[SECOND + 6] = 0xf8; // not a number
        size_t n_frames;
        ct_diag diag = {""};
        ct_assert_status(read_all(bytes, sizeof bytes, &n_frames, &diag), CT_EPARSE, &diag);
        ct_assert_contains(diag.text, cases[k].text);
        assert_int_equal(n_frames, cases[k].at >= SECOND);
    }
}

static void test_a_frame_that_is_too_long(void **state)
{
    (void)state;
    size_t length = PERMK__FRAME_MAX_BYTES + 1, size = HEADER + RECORD + length, n_frames;
    unsigned char *bytes = calloc(1, size), whole[N_BYTES];
    assert_non_null(bytes);
    read_bytes(whole);
    memcpy(bytes, whole, HEADER + RECORD);
    for (unsigned i = 0; i < 4; i++)
        bytes[HEADER + 13 + i] = (unsigned char)(length >> 8 * i);
    ct_diag diag = {""};
    ct_assert_status(read_all(bytes, size, &n_frames, &diag), CT_EPARSE, &diag);
    ct_assert_contains(diag.text, "name: frame 0 is too long");
    bytes[HEADER + 13]--; // the longest there is
    ct_assert_ok(read_all(bytes, size - 1, &n_frames, &diag), &diag);
    assert_int_equal(n_frames, 1);
    free(bytes);
}

static void test_types_have_names(void **state)
{
    (void)state;
    assert_string_equal(permk_frame_type_name(PERMK_FRAME_HELLO), "hello");
    assert_string_equal(permk_frame_type_name(PERMK_FRAME_BLOCK), "block");
    assert_string_equal(permk_frame_type_name(PERMK_FRAME_STOP), "stop");
    assert_string_equal(permk_frame_type_name(PERMK_FRAME_KEYS), "keys");
    assert_string_equal(permk_frame_type_name(PERMK_FRAME_MEASURE), "measure");
    assert_string_equal(permk_frame_type_name(PERMK_FRAME_ABSENT), "absent");
    assert_null(permk_frame_type_name((permk_frame_type)0));
    assert_null(permk_frame_type_name((permk_frame_type)4));
}

static void test_files_that_are_none(void **state)
{
    (void)state;
    permk_capture *capture;
    ct_diag diag;
    ct_assert_status(permk_capture_open(&capture, "/no/such/capture", &diag), CT_ENOTFOUND, &diag);
    assert_null(capture);
    ct_assert_contains(diag.text, "/no/such/capture: ");
    char *path = ct_test_file("empty", "");
    ct_assert_status(permk_capture_open(&capture, path, &diag), CT_EPARSE, &diag);
    assert_null(capture);
    ct_assert_contains(diag.text, path);
    free(path);
}

static ct_status attempt_open(void *path)
{
    permk_capture *capture;
    ct_status status = permk_capture_open(&capture, path, NULL);
    permk_capture_close(capture);
    return status;
}

static void test_opening_without_memory(void **state)
{
    (void)state;
    char *path = write_capture();
    ct_assert_survives_allocation_failures(attempt_open, path);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_reads_back),
        cmocka_unit_test(test_the_format),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_damage_is_named),
        cmocka_unit_test(test_a_frame_that_is_too_long),
        cmocka_unit_test(test_types_have_names),
        cmocka_unit_test(test_files_that_are_none),
        cmocka_unit_test(test_opening_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
