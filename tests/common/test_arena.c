// SPDX-License-Identifier: MIT
/* The arena: alignment, zeroing, limits, measuring, poisoning, and that nothing leaks. */
#include "ct_test.h"

#include <ctrain/arena.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#endif

static ct_arena new_arena(size_t capacity_bytes)
{
    ct_arena a;
    assert_int_equal(ct_arena_init(&a, capacity_bytes), CT_OK);
    return a;
}

static void assert_all(const unsigned char *p, size_t n, unsigned char value)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(p[i], value);
}

static void test_alignment_and_zero(void **state)
{
    (void)state;
    ct_arena a = new_arena(8192);
    for (size_t size = 1; size < 300; size += 37) {
        unsigned char *p = ct_arena_alloc(&a, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % CT_ARENA_ALIGNMENT, 0);
        assert_all(p, size, 0);
        memset(p, 0xff, size); // would show up in the next if they overlapped
    }
    assert_false(a.failed);
    ct_arena_clear(&a);
    ct_arena_clear(&a);
    ct_arena zeroed = {0};
    ct_arena_clear(&zeroed);
}

// What one allocation of size_bytes takes, the gap under ASan included.
static size_t measured(size_t size_bytes)
{
    ct_arena a;
    ct_arena_init_measuring(&a);
    assert_null(ct_arena_alloc(&a, size_bytes));
    assert_false(a.failed);
    return ct_arena_high_water(&a);
}

static void test_exact_fit_and_failure_that_sticks(void **state)
{
    (void)state;
    size_t one = measured(64), all = one + measured(100);
    assert_int_equal(one % 64, 0);
    assert_true(measured(65) == measured(128));
    ct_arena a = new_arena(all);
    assert_non_null(ct_arena_alloc(&a, 64));
    assert_non_null(ct_arena_alloc(&a, 100));
    assert_false(a.failed);
    assert_int_equal(ct_arena_high_water(&a), all);
    assert_null(ct_arena_alloc(&a, 0)); // nothing asked, nothing wrong
    assert_false(a.failed);
    assert_null(ct_arena_alloc(&a, 1));
    assert_true(a.failed);
    ct_arena_rewind(&a, one);
    assert_true(a.failed); // there is room again, but one array of the set is missing
    assert_null(ct_arena_alloc(&a, 1));
    ct_arena_rewind(&a, 0);
    assert_false(a.failed);
    assert_non_null(ct_arena_alloc(&a, 1));
    assert_int_equal(ct_arena_high_water(&a), all);
    ct_arena_clear(&a);
    a = new_arena(all - 1);
    assert_non_null(ct_arena_alloc(&a, 64));
    assert_null(ct_arena_alloc(&a, 100));
    assert_true(a.failed);
    ct_arena_clear(&a);
}

static void test_mark_and_rewind(void **state)
{
    (void)state;
    ct_arena a = new_arena(8192);
    assert_int_equal(ct_arena_mark(&a), 0);
    void *kept = ct_arena_alloc(&a, 10);
    size_t mark = ct_arena_mark(&a);
    void *scratch = ct_arena_alloc(&a, 1000);
    size_t inner = ct_arena_mark(&a);
    void *more = ct_arena_alloc(&a, 500);
    size_t high = ct_arena_high_water(&a);
    ct_arena_rewind(&a, inner);
    assert_ptr_equal(ct_arena_alloc(&a, 20), more);
    ct_arena_rewind(&a, mark);
    assert_int_equal(ct_arena_mark(&a), mark);
    assert_ptr_equal(ct_arena_alloc(&a, 30), scratch);
    assert_ptr_not_equal(kept, scratch);
    assert_int_equal(ct_arena_high_water(&a), high);
    ct_arena_clear(&a);
}

static void test_calloc_zeroes_what_was_used(void **state)
{
    (void)state;
    ct_arena a = new_arena(8192);
    unsigned char *p = ct_arena_alloc(&a, 1000);
    memset(p, 0xff, 1000);
    ct_arena_rewind(&a, 0);
    assert_ptr_equal(ct_arena_calloc(&a, 25, 4), p); // within what was used
    assert_all(p, 100, 0);
    ct_arena_rewind(&a, 0);
    memset(ct_arena_alloc(&a, 1000), 0xff, 1000);
    ct_arena_rewind(&a, 0);
    assert_ptr_equal(ct_arena_calloc(&a, 4000, 1), p); // and beyond
    assert_all(p, 4000, 0);
    double *d = ct_arena_array(&a, double, 3);
    assert_true(d[0] == 0 && d[1] == 0 && d[2] == 0);
    ct_arena_clear(&a);
}

// The same carving twice, as every library does it.
static void carve(ct_arena *a)
{
    for (size_t n = 0; n < 20; n++)
        ct_arena_array(a, double, n * 7);
    size_t mark = ct_arena_mark(a);
    ct_arena_array(a, uint32_t, 10000);
    ct_arena_rewind(a, mark);
    ct_arena_array(a, char, 5);
}

static void test_measuring_then_carving(void **state)
{
    (void)state;
    ct_arena a, measure;
    ct_arena_init_measuring(&measure);
    carve(&measure);
    assert_false(measure.failed);
    assert_null(measure.base);
    a = new_arena(ct_arena_high_water(&measure));
    carve(&a);
    assert_false(a.failed);
    assert_int_equal(ct_arena_high_water(&a), ct_arena_high_water(&measure));
    assert_int_equal(ct_arena_mark(&a), ct_arena_mark(&measure));
    ct_arena_clear(&a);
    ct_arena_clear(&measure);
}

static void test_sizes_that_overflow(void **state)
{
    (void)state;
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 63};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        ct_arena measure, a = new_arena(4096);
        ct_arena_init_measuring(&measure);
        ct_arena_alloc(&measure, 64);
        ct_arena_alloc(&measure, sizes[s]);
        assert_true(measure.failed);
        assert_non_null(ct_arena_alloc(&a, 64));
        assert_null(ct_arena_alloc(&a, sizes[s]));
        assert_true(a.failed);
        ct_arena_clear(&a);
    }
    ct_arena a = new_arena(4096);
    assert_null(ct_arena_calloc(&a, SIZE_MAX / 2, 3)); // would wrap around to a small size
    assert_true(a.failed);
    ct_arena_rewind(&a, 0);
    assert_null(ct_arena_calloc(&a, 0, 8));
    assert_null(ct_arena_calloc(&a, 8, 0));
    assert_false(a.failed);
    ct_arena_clear(&a);
    a.base = (unsigned char *)&a;
    assert_int_equal(ct_arena_init(&a, SIZE_MAX), CT_ENOMEM);
    assert_null(a.base);
    assert_int_equal(a.capacity_bytes, 0);
    a = new_arena(0);
    assert_null(ct_arena_alloc(&a, 1));
    assert_true(a.failed);
    ct_arena_clear(&a);
}

static void test_checked_arithmetic(void **state)
{
    (void)state;
    size_t out = 7;
    assert_true(ct_mul_size(&out, 6, 7) && out == 42);
    assert_true(ct_mul_size(&out, SIZE_MAX, 1) && out == SIZE_MAX);
    assert_true(ct_mul_size(&out, 0, SIZE_MAX) && out == 0);
    assert_true(ct_mul_size(&out, SIZE_MAX, 0) && out == 0);
    assert_true(ct_add_size(&out, SIZE_MAX - 1, 1) && out == SIZE_MAX);
    out = 7;
    assert_false(ct_mul_size(&out, SIZE_MAX / 2 + 1, 2));
    assert_false(ct_mul_size(&out, (size_t)1 << 33, (size_t)1 << 33));
    assert_false(ct_add_size(&out, SIZE_MAX, 1));
    assert_int_equal(out, 7);
}

#ifdef HAVE_ASAN
static void test_poison(void **state)
{
    (void)state;
    ct_arena a = new_arena(4096);
    assert_true(__asan_address_is_poisoned(a.base));
    unsigned char *p = ct_arena_alloc(&a, 60);
    unsigned char *q = ct_arena_alloc(&a, 64);
    assert_false(__asan_address_is_poisoned(p + 59));
    assert_true(__asan_address_is_poisoned(p + 60));
    assert_false(__asan_address_is_poisoned(q + 63));
    assert_true(__asan_address_is_poisoned(q + 64)); // the gap, although 64 bytes fill their line
    ct_arena_rewind(&a, 0);
    assert_true(__asan_address_is_poisoned(p));
    assert_true(__asan_address_is_poisoned(q + 63));
    ct_arena_clear(&a);
}
#else
static void test_poison(void **state)
{
    (void)state;
    skip(); // only under AddressSanitizer
}
#endif

static ct_status attempt_init(void *context)
{
    (void)context;
    ct_arena a;
    ct_status status = ct_arena_init(&a, 1000);
    assert_true((status == CT_OK) == (a.base != NULL));
    ct_arena_clear(&a);
    return status;
}

static void test_allocation_failures(void **state)
{
    (void)state;
    ct_assert_survives_allocation_failures(attempt_init, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment_and_zero),
        cmocka_unit_test(test_exact_fit_and_failure_that_sticks),
        cmocka_unit_test(test_mark_and_rewind),
        cmocka_unit_test(test_calloc_zeroes_what_was_used),
        cmocka_unit_test(test_measuring_then_carving),
        cmocka_unit_test(test_sizes_that_overflow),
        cmocka_unit_test(test_checked_arithmetic),
        cmocka_unit_test(test_poison),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
