// SPDX-License-Identifier: MIT
/* Every instruction set's loops against the plain ones: the same bits, for all short lengths and
 * every misalignment, and nothing written beyond what may be. */
#include "ct_test.h"

#include "compress_kernels.h"

#include <ctrain/kernels.h>
#include <ctrain/rng.h>

enum { LONGEST = 130, OFFSETS = 8, ROOM = LONGEST + OFFSETS };

static const double canary = 12345.0;

/* Both sides work on their copy of this. */
typedef struct arrays {
    double v[ROOM], value[ROOM + 1];
} arrays;

static void fill(arrays *a, uint64_t seed)
{
    static const double special[] = {0.0, -0.0, 0x1p-1074, -0x0.8p-1022, 1.0, 1.5};
    ct_rng rng;
    ct_rng_init(&rng, seed, CT_RNG_USER, 0, 0);
    for (size_t i = 0; i < ROOM; i++) {
        a->v[i] = ct_rng_below(&rng, 4) == 0 ? special[ct_rng_below(&rng, 6)] : ct_rng_normal(&rng);
        a->value[i] = ct_rng_normal(&rng);
    }
    a->value[ROOM] = canary;
}

static void check_values(const fednl__compress_kernels *plain,
                         const fednl__compress_kernels *kernels, const arrays *a, size_t offset,
                         size_t n)
{
    static arrays x, y;
    x = y = *a;
    plain->subtract(x.v + offset, x.value, n, 0.3);
    kernels->subtract(y.v + offset, y.value, n, 0.3);
    assert_memory_equal(x.v, y.v, sizeof x.v);
    assert_memory_equal(x.v, a->v, offset * sizeof *x.v);
    double sum = plain->squares(x.value, x.v + offset, n, 0.7);
    assert_true(kernels->squares(y.value, y.v + offset, n, 0.7) == sum);
    assert_memory_equal(x.value, y.value, sizeof x.value);
    assert_memory_equal(y.value + n, a->value + n, (ROOM + 1 - n) * sizeof *x.value);
}

static void check_table(const fednl__compress_kernels *kernels)
{
    const fednl__compress_kernels *plain = fednl__compress_kernels_of(CT_SIMD_SCALAR);
    static arrays a;
    fill(&a, 5);
    for (size_t n = 0; n <= LONGEST; n++)
        for (size_t offset = 0; offset < OFFSETS; offset++)
            check_values(plain, kernels, &a, offset, n);
}

static void test_tables_agree(void **state)
{
    (void)state;
    for (ct_simd simd = CT_SIMD_SCALAR; simd <= ct_cpu_simd(); simd++) {
        const fednl__compress_kernels *kernels = fednl__compress_kernels_of(simd);
        print_message("table %s\n", ct_simd_name(simd));
        assert_non_null(kernels);
        check_table(kernels);
    }
    assert_ptr_equal(fednl__compress_kernels_get(),
                     fednl__compress_kernels_of(ct_kernels_get()->simd));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
