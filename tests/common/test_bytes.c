// SPDX-License-Identifier: MIT
/* Cursors: the bytes themselves, round trips, and what happens at the end. */
#include "ct_test.h"

#include <ctrain/bytes.h>
#include <string.h>

static void test_bytes_are_little_endian(void **state)
{
    (void)state;
    static const unsigned char expected[] = {
        0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04,                   // u8 u16 u32
        0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08,             // u64
        0x00, 0x00, 0xc0, 0xbf,                                     // -1.5f
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf8, 0x3f, 0x61, 0x62, // 1.5, "ab"
    };
    unsigned char out[sizeof expected];
    ct_writer w = ct_writer_view(out, sizeof out);
    ct_write_u8(&w, 0x01);
    ct_write_u16(&w, 0x0203);
    ct_write_u32(&w, 0x04050607);
    ct_write_u64(&w, 0x08090a0b0c0d0e0f);
    ct_write_f32(&w, -1.5f);
    ct_write_f64(&w, 1.5);
    ct_write_bytes(&w, "ab", 2);
    assert_false(w.failed);
    assert_int_equal(w.at, sizeof expected);
    assert_memory_equal(out, expected, sizeof expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_little_endian),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
