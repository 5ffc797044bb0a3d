// SPDX-License-Identifier: MIT
/* Cursors: the bytes themselves, round trips, and what happens at the end. */
#include "ct_test.h"

#include <ctrain/bytes.h>
#include <math.h>
#include <string.h>

// One of each, the arrays with values whose bytes all differ.
static const double doubles[] = {1.5, -0.0, 0x1.23456789abcdep+100};
static const uint32_t words[] = {0x10203040, 0xfffefdfc};

static const unsigned char message[] = {
    0x01,                                           // u8
    0x03, 0x02,                                     // u16
    0x07, 0x06, 0x05, 0x04,                         // u32
    0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08, // u64
    0x00, 0x00, 0xc0, 0xbf,                         // f32 -1.5
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf8, 0x3f, // f64 1.5
    'a',  'b',                                      // bytes
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf8, 0x3f, // f64 array
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, //
    0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x32, 0x46, //
    0x40, 0x30, 0x20, 0x10,                         // u32 array
    0xfc, 0xfd, 0xfe, 0xff,
};

static void write_message(ct_writer *w)
{
    ct_write_u8(w, 0x01);
    ct_write_u16(w, 0x0203);
    ct_write_u32(w, 0x04050607);
    ct_write_u64(w, 0x08090a0b0c0d0e0f);
    ct_write_f32(w, -1.5f);
    ct_write_f64(w, 1.5);
    ct_write_bytes(w, "ab", 2);
    ct_write_f64_array(w, doubles, 3);
    ct_write_u32_array(w, words, 2);
}

static void test_bytes_are_little_endian(void **state)
{
    (void)state;
    unsigned char out[sizeof message];
    ct_writer w = ct_writer_view(out, sizeof out);
    write_message(&w);
    assert_false(w.failed);
    assert_int_equal(w.at, sizeof message);
    assert_memory_equal(out, message, sizeof message);
}

static void test_read_all_back(void **state)
{
    (void)state;
    char text[2];
    double d[3];
    uint32_t u[2];
    ct_reader r = ct_reader_view(message, sizeof message);
    assert_int_equal(ct_read_u8(&r), 0x01);
    assert_int_equal(ct_read_u16(&r), 0x0203);
    assert_int_equal(ct_read_u32(&r), 0x04050607);
    assert_true(ct_read_u64(&r) == 0x08090a0b0c0d0e0f);
    assert_true(ct_read_f32(&r) == -1.5f);
    assert_true(ct_read_f64(&r) == 1.5);
    assert_int_equal(ct_reader_left(&r), 34);
    ct_read_bytes(&r, text, 2);
    assert_memory_equal(text, "ab", 2);
    ct_read_f64_array(&r, d, 3);
    assert_memory_equal(d, doubles, sizeof doubles); // bits: the sign of zero too
    assert_false(ct_reader_done(&r));
    ct_read_u32_array(&r, u, 2);
    assert_memory_equal(u, words, sizeof words);
    assert_true(ct_reader_done(&r));
    assert_int_equal(ct_reader_left(&r), 0);
    assert_null(ct_read_view(&r, 1));
    assert_false(ct_reader_done(&r));
}

// Writing into any shorter buffer fails, stays inside, and leaves whole items only.
static void test_writer_stops_at_the_end(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof message; size++) {
        unsigned char out[sizeof message + 1];
        memset(out, 0xee, sizeof out);
        ct_writer w = ct_writer_view(out, size);
        write_message(&w);
        assert_true(w.failed);
        assert_true(w.at <= size);
        assert_memory_equal(out, message, w.at);
        for (size_t i = w.at; i < sizeof out; i++)
            assert_int_equal(out[i], 0xee);
        ct_write_u8(&w, 1); // might fit, but something before it is missing
        ct_write_bytes(&w, "", 0);
        assert_true(w.failed);
    }
}

static void test_reader_returns_zeros_after_the_end(void **state)
{
    (void)state;
    static const unsigned char ones[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    for (size_t size = 0; size < 8; size++) {
        double d[1] = {1};
        uint32_t u[2] = {1, 1};
        char text[5] = "full";
        ct_reader r = ct_reader_view(ones, size);
        assert_true(ct_read_u64(&r) == 0);
        assert_true(r.failed);
        assert_int_equal(r.at, 0);
        assert_int_equal(ct_reader_left(&r), 0);
        assert_int_equal(ct_read_u8(&r), 0); // would fit, but failure is sticky
        assert_int_equal(ct_read_u16(&r), 0);
        assert_int_equal(ct_read_u32(&r), 0);
        assert_true(ct_read_f32(&r) == 0 && ct_read_f64(&r) == 0);
        ct_read_f64_array(&r, d, 1);
        ct_read_u32_array(&r, u, 2);
        ct_read_bytes(&r, text, sizeof text);
        assert_true(d[0] == 0 && u[0] == 0 && u[1] == 0);
        assert_memory_equal(text, "\0\0\0\0", 5);
        assert_null(ct_read_view(&r, 0));
        assert_false(ct_reader_done(&r));
    }
}

static void test_sizes_from_a_hostile_peer(void **state)
{
    (void)state;
    unsigned char data[16] = {0};
    ct_reader r = ct_reader_view(data, sizeof data);
    ct_read_u8(&r);
    assert_null(ct_read_view(&r, SIZE_MAX)); // at + size would wrap around
    assert_true(r.failed);
    r = ct_reader_view(data, sizeof data);
    ct_read_u8(&r);
    assert_null(ct_read_view(&r, 16));
    ct_writer w = ct_writer_view(data, sizeof data);
    ct_write_u8(&w, 1);
    ct_write_bytes(&w, data, SIZE_MAX);
    assert_true(w.failed);
}

static void test_views_and_nothing(void **state)
{
    (void)state;
    ct_reader r = ct_reader_view(message, sizeof message);
    assert_ptr_equal(ct_read_view(&r, 3), message);
    assert_ptr_equal(ct_read_view(&r, 0), message + 3);
    assert_ptr_equal(ct_read_view(&r, sizeof message - 3), message + 3);
    assert_true(ct_reader_done(&r));
    r = ct_reader_view(NULL, 0);
    assert_true(ct_reader_done(&r));
    ct_read_bytes(&r, NULL, 0);
    ct_read_f64_array(&r, NULL, 0);
    assert_non_null(ct_read_view(&r, 0));
    assert_true(ct_reader_done(&r));
    ct_writer w = ct_writer_view(NULL, 0);
    ct_write_bytes(&w, NULL, 0);
    ct_write_f64_array(&w, NULL, 0);
    assert_false(w.failed);
    ct_write_u8(&w, 1);
    assert_true(w.failed);
}

static void test_floats_keep_their_bits(void **state)
{
    (void)state;
    static const uint64_t patterns[] = {0x7ff8dead00000001, 0x7ff0000000000000, 0x0000000000000001,
                                        0x8000000000000000, 0xffffffffffffffff};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        unsigned char out[8];
        double v;
        memcpy(&v, &patterns[i], sizeof v);
        ct_writer w = ct_writer_view(out, sizeof out);
        ct_write_f64(&w, v);
        ct_reader r = ct_reader_view(out, sizeof out);
        double back = ct_read_f64(&r);
        assert_memory_equal(&back, &patterns[i], sizeof back);
    }
    unsigned char out[4];
    ct_writer w = ct_writer_view(out, sizeof out);
    ct_write_f32(&w, NAN);
    ct_reader r = ct_reader_view(out, sizeof out);
    assert_true(isnan(ct_read_f32(&r)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_little_endian),
        cmocka_unit_test(test_read_all_back),
        cmocka_unit_test(test_writer_stops_at_the_end),
        cmocka_unit_test(test_reader_returns_zeros_after_the_end),
        cmocka_unit_test(test_sizes_from_a_hostile_peer),
        cmocka_unit_test(test_views_and_nothing),
        cmocka_unit_test(test_floats_keep_their_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
