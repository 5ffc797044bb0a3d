// SPDX-License-Identifier: MIT
/* Selection of the largest by bit patterns against a full sort. */
#include "ct_test.h"

#include <ctrain/rng.h>
#include <ctrain/select.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 3000 };

typedef struct entry {
    double magnitude;
    uint32_t slot;
} entry;

static int by_magnitude_then_slot(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->magnitude != y->magnitude)
        return x->magnitude > y->magnitude ? -1 : 1;
    return x->slot < y->slot ? -1 : 1;
}

static int by_slot(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static size_t slow_top_k(const double *v, size_t n, size_t k, uint32_t *slot)
{
    static entry entries[LONGEST];
    for (size_t i = 0; i < n; i++)
        entries[i] = (entry){fabs(v[i]), (uint32_t)i};
    qsort(entries, n, sizeof *entries, by_magnitude_then_slot);
    size_t chosen = 0;
    while (chosen < n && chosen < k && entries[chosen].magnitude > 0.0) {
        slot[chosen] = entries[chosen].slot;
        chosen++;
    }
    qsort(slot, chosen, sizeof *slot, by_slot);
    return chosen;
}

static void check(const double *v, size_t n, size_t k)
{
    uint64_t *keys = malloc(LONGEST * sizeof *keys); // holds keys and slots in turn
    static uint32_t fast[LONGEST + 1], slow[LONGEST];
    size_t expected = slow_top_k(v, n, k, slow);
    assert_int_equal(ct_top_k_f64(v, n, k, keys, fast), expected);
    assert_memory_equal(fast, slow, expected * sizeof *slow);
    free(keys);
}

static void check_every_k(const double *v, size_t n)
{
    size_t step = n > 200 ? n / 37 : 1;
    for (size_t k = 0; k <= n + 2; k += step)
        check(v, n, k);
    check(v, n, n - 1);
    check(v, n, 1);
}

static void test_normal_deviates(void **state)
{
    (void)state;
    static double v[LONGEST];
    ct_rng rng;
    ct_rng_init(&rng, 1, CT_RNG_USER, 0, 0);
    ct_rng_fill_normal_f64(&rng, v, LONGEST, 0.0, 1.0);
    check_every_k(v, LONGEST);
    for (size_t n = 1; n <= 40; n++)
        check_every_k(v, n);
}

// few different magnitudes: nearly everything is a tie, and ties go to the first
static void test_ties(void **state)
{
    (void)state;
    static double v[LONGEST];
    ct_rng rng;
    ct_rng_init(&rng, 2, CT_RNG_USER, 0, 0);
    for (size_t i = 0; i < LONGEST; i++)
        v[i] = ((double)ct_rng_below(&rng, 7) - 3.0) * 0.125;
    check_every_k(v, LONGEST);
    for (size_t i = 0; i < 50; i++)
        v[i] = -2.0;
    check_every_k(v, 50);
}

// values that differ in the last bits only, denormals, infinities, both zeros
static void test_extremes(void **state)
{
    (void)state;
    static double v[300];
    ct_rng rng;
    ct_rng_init(&rng, 3, CT_RNG_USER, 0, 0);
    for (size_t i = 0; i < 100; i++)
        v[i] = 1.0 + (double)ct_rng_below(&rng, 300) * 0x1p-52;
    for (size_t i = 100; i < 200; i++)
        v[i] = (double)ct_rng_below(&rng, 300) * -0x1p-1074;
    for (size_t i = 200; i < 300; i++)
        v[i] = ldexp(1.0, (int)ct_rng_below(&rng, 2000) - 1000);
    v[7] = INFINITY;
    v[8] = -INFINITY;
    v[9] = -0.0;
    check_every_k(v, 300);
    check_every_k(v, 100);
    check_every_k(v + 100, 100);
}

// every sampled entry misleads: the bounds guessed from them hold no key of any rank
static void test_misleading_samples(void **state)
{
    (void)state;
    static double v[LONGEST];
    ct_rng rng;
    ct_rng_init(&rng, 4, CT_RNG_USER, 0, 0);
    ct_rng_fill_normal_f64(&rng, v, LONGEST, 0.0, 1.0);
    for (size_t i = 0; i < 64; i++)
        v[i * LONGEST / 64] = 1e3 + (double)i;
    check_every_k(v, LONGEST);
    for (size_t i = 0; i < 64; i++)
        v[i * LONGEST / 64] = 1e-9 * (double)i;
    check_every_k(v, LONGEST);
}

static void test_zeros_are_left_out(void **state)
{
    (void)state;
    double v[] = {0.0, -3.0, 0.0, 0.0, 1.0, -0.0};
    uint64_t *keys = malloc(6 * sizeof *keys);
    uint32_t slot[7];
    assert_int_equal(ct_top_k_f64(v, 6, 4, keys, slot), 2);
    assert_int_equal(slot[0], 1);
    assert_int_equal(slot[1], 4);
    assert_int_equal(ct_top_k_f64(v, 0, 4, keys, slot), 0);
    free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normal_deviates),    cmocka_unit_test(test_ties),
        cmocka_unit_test(test_extremes),           cmocka_unit_test(test_misleading_samples),
        cmocka_unit_test(test_zeros_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
