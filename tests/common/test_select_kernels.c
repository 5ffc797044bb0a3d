// SPDX-License-Identifier: MIT
/* Every instruction set's loops against the plain ones: the same bits, for all short lengths and
 * every misalignment, and nothing written beyond what may be. */
#include "ct_test.h"

#include "select_kernels.h"

#include <ctrain/kernels.h>
#include <ctrain/rng.h>
#include <math.h>

enum { LONGEST = 130, OFFSETS = 8, ROOM = LONGEST + OFFSETS };

static const double canary = 12345.0;

/* Both sides work on their copy of this. */
typedef struct arrays {
    double v[ROOM], value[ROOM + 1];
    uint64_t keys[ROOM + 1];
    uint32_t slot[ROOM + 2];
    uint16_t random[ROOM];
} arrays;

static void fill(arrays *a, uint64_t seed)
{
    static const double special[] = {0.0,      -0.0,      0x1p-1074,   -0x0.8p-1022, 1.0,
                                     INFINITY, -INFINITY, 0x1.8p+1023, -0x1.fp+1023, 1.5};
    ct_rng rng;
    ct_rng_init(&rng, seed, CT_RNG_USER, 0, 0);
    for (size_t i = 0; i < ROOM; i++) {
        a->v[i] =
            ct_rng_below(&rng, 4) == 0 ? special[ct_rng_below(&rng, 10)] : ct_rng_normal(&rng);
        a->keys[i] = ct_magnitude_key(a->v[i]);
        a->value[i] = canary;
        a->slot[i] = 77;
        uint64_t bits;
        memcpy(&bits, &a->v[i], sizeof bits);
        a->random[i] = (uint16_t)ct_rng_u32(&rng);
        if (ct_rng_below(&rng, 3) == 0) // undecided
            a->random[i] = (uint16_t)(bits << 12 >> 48);
    }
}

static void check_keys(const ct__select_kernels *plain, const ct__select_kernels *kernels,
                       const arrays *a, size_t offset, size_t n, ct_key_range range)
{
    static arrays x, y;
    size_t above_x, above_y;
    x = y = *a;
    size_t kept = plain->keys_within(x.keys, a->v + offset, n, range, &above_x);
    assert_int_equal(kernels->keys_within(y.keys, a->v + offset, n, range, &above_y), kept);
    assert_int_equal(above_x, above_y);
    assert_memory_equal(x.keys, y.keys, kept * sizeof *x.keys);
    assert_memory_equal(y.keys + n, a->keys + n, sizeof a->keys - n * sizeof *a->keys);
    x = y = *a;
    kept = plain->keep_range(x.keys + offset, n, range);
    assert_int_equal(kernels->keep_range(y.keys + offset, n, range), kept);
    assert_memory_equal(x.keys + offset, y.keys + offset, kept * sizeof *x.keys);
    assert_memory_equal(y.keys + offset + n, a->keys + offset + n, (ROOM - offset - n) * 8);
    size_t listed = plain->list_at_least(x.slot + offset, a->v + offset, n, range.low);
    assert_int_equal(kernels->list_at_least(y.slot + offset, a->v + offset, n, range.low), listed);
    assert_memory_equal(x.slot + offset, y.slot + offset, listed * sizeof *x.slot);
    assert_memory_equal(y.slot + offset + listed + 1, a->slot + offset + listed + 1,
                        (ROOM + 1 - offset - listed) * sizeof *a->slot);
}

static void check_values(const ct__select_kernels *plain, const ct__select_kernels *kernels,
                         const arrays *a, size_t offset, size_t n)
{
    static arrays x, y;
    x = y = *a;
    size_t equal = plain->round(x.value, x.v + offset, x.random + offset, n);
    assert_int_equal(kernels->round(y.value, y.v + offset, y.random + offset, n), equal);
    assert_memory_equal(x.value, y.value, sizeof x.value);
    assert_true(y.value[n] == a->value[n]);
}

static void check_table(const ct__select_kernels *kernels)
{
    const ct__select_kernels *plain = ct__select_kernels_of(CT_SIMD_SCALAR);
    static const double bounds[][2] = {{0.0, INFINITY}, {0.5, 1.0},      {0x1p-1074, 1.0},
                                       {1.5, 1.5},      {3.0, INFINITY}, {0.0, 0.0}};
    static arrays a;
    fill(&a, 5);
    for (size_t n = 0; n <= LONGEST; n++)
        for (size_t offset = 0; offset < OFFSETS; offset++) {
            check_values(plain, kernels, &a, offset, n);
            for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++)
                check_keys(
                    plain, kernels, &a, offset, n,
                    (ct_key_range){ct_magnitude_key(bounds[b][0]), ct_magnitude_key(bounds[b][1])});
        }
}

static void test_tables_agree(void **state)
{
    (void)state;
    for (ct_simd simd = CT_SIMD_SCALAR; simd <= ct_cpu_simd(); simd++) {
        const ct__select_kernels *kernels = ct__select_kernels_of(simd);
        print_message("table %s\n", ct_simd_name(simd));
        assert_non_null(kernels);
        check_table(kernels);
    }
    assert_ptr_equal(ct__select_kernels_get(), ct__select_kernels_of(ct_kernels_get()->simd));
}

/* The plain loop itself, number by number. */
static void test_rounding(void **state)
{
    (void)state;
    static const struct {
        double v;
        uint16_t random;
        double rounded;
        size_t equal;
    } cases[] = {
        {1.0, 0, 1.0, 1},
        {1.0, 5, 1.0, 0},
        {1.5, 0x7fff, 2.0, 0},
        {1.5, 0x8000, 1.0, 1},
        {1.5, 0x8001, 1.0, 0},
        {-1.75, 0xbfff, -2.0, 0},
        {-1.75, 0xc001, -1.0, 0},
        {0x1.8p+1023, 0, 0x1p+1023, 0},
        {0x1.8p+1022, 0, 0x1p+1023, 0},
        {0x0.8p-1022, 0x7fff, 0x1p-1022, 0},
        {0x0.8p-1022, 0x8001, 0.0, 0},
        {0.0, 3, 0.0, 0},
    };
    for (ct_simd simd = CT_SIMD_SCALAR; simd <= ct_cpu_simd(); simd++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            double value;
            assert_int_equal(
                ct__select_kernels_of(simd)->round(&value, &cases[i].v, &cases[i].random, 1),
                cases[i].equal);
            assert_true(value == cases[i].rounded && signbit(value) == signbit(cases[i].v));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_agree),
        cmocka_unit_test(test_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
