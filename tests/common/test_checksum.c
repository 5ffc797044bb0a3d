// SPDX-License-Identifier: MIT
/* The checksum: frozen values, any cut into pieces, and damages that it must not miss. */
#include "ct_test.h"

#include <ctrain/checksum.h>
#include <ctrain/rng.h>
#include <string.h>

static uint64_t whole(const void *data, size_t size)
{
    ct_checksum sum;
    ct_checksum_init(&sum);
    ct_checksum_add(&sum, data, size);
    return ct_checksum_value(&sum);
}

static void fill(unsigned char *data, size_t size)
{
    ct_rng rng;
    ct_rng_init(&rng, 7, CT_RNG_USER, 0, 0);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)ct_rng_u32(&rng);
}

/* Files carry these numbers. */
static void test_values_are_frozen(void **state)
{
    (void)state;
    static const char text[] = "The quick brown fox jumps over the lazy dog, twice over and back";
    assert_int_equal(whole(NULL, 0), UINT64_C(0xd694f53c11d605f8));
    assert_int_equal(whole("a", 1), UINT64_C(0x6db8445ae0292174));
    assert_int_equal(whole(text, 31), UINT64_C(0x9362905cb198a9f7));
    assert_int_equal(whole(text, 32), UINT64_C(0xcc74bdf32f86d5a5));
    assert_int_equal(whole(text, sizeof text), UINT64_C(0x63b0aba0a04aa949));
}

static void test_pieces_make_the_whole(void **state)
{
    (void)state;
    unsigned char data[200];
    fill(data, sizeof data);
    for (size_t size = 0; size <= 130; size++)
        for (size_t first = 0; first <= size; first++)
            for (size_t second = first; second <= size; second += 7) {
                ct_checksum sum;
                ct_checksum_init(&sum);
                ct_checksum_add(&sum, data, first);
                ct_checksum_add(&sum, data + first, second - first);
                ct_checksum_value(&sum); // looking does not disturb
                ct_checksum_add(&sum, data + second, size - second);
                assert_int_equal(ct_checksum_value(&sum), whole(data, size));
            }
}

static void test_every_flipped_bit_shows(void **state)
{
    (void)state;
    unsigned char data[100];
    fill(data, sizeof data);
    uint64_t before = whole(data, sizeof data);
    for (size_t bit = 0; bit < 8 * sizeof data; bit++) {
        data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_true(whole(data, sizeof data) != before);
        data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_int_equal(whole(data, sizeof data), before);
}

/* Words that change places, and zeros at the end, which padding might hide. */
static void test_order_and_length_show(void **state)
{
    (void)state;
    unsigned char data[160], other[160];
    fill(data, sizeof data);
    for (size_t a = 0; a < 160; a += 8)
        for (size_t b = a + 8; b < 160; b += 8) {
            memcpy(other, data, sizeof data);
            memcpy(other + a, data + b, 8);
            memcpy(other + b, data + a, 8);
            assert_true(whole(other, sizeof other) != whole(data, sizeof data));
        }
    memset(other, 0, sizeof other);
    for (size_t size = 0; size < 100; size++)
        for (size_t more = 1; more < 50; more++)
            assert_true(whole(other, size) != whole(other, size + more));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_frozen),
        cmocka_unit_test(test_pieces_make_the_whole),
        cmocka_unit_test(test_every_flipped_bit_shows),
        cmocka_unit_test(test_order_and_length_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
