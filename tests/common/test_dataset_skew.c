// SPDX-License-Identifier: MIT
/* Splits skewed by label: still partitions, no client without rows, and as skewed as asked. */
#include "ct_test.h"

#include <ctrain/dataset.h>
#include <ctrain/rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 3000 };
static double labels[ROWS]; // a tenth 5, the rest 0 and 1 in turn

static int fill_labels(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++)
        labels[i] = i % 10 == 0 ? 5 : (double)(i % 2);
    return 0;
}

static ct_split *deal(size_t rows, size_t clients, double skew, uint64_t seed)
{
    const ct_dataset data = {.rows = rows, .cols = 1, .label = labels};
    ct_split_options opt = ct_split_options_default(clients);
    opt.label_skew = skew;
    opt.seed = seed;
    ct_split *split = NULL;
    ct_diag diag = {""};
    ct_assert_ok(ct_split_create(&split, &data, &opt, &diag), &diag);
    return split;
}

static void assert_partition(const ct_split *split, size_t rows, size_t clients)
{
    unsigned char seen[ROWS] = {0};
    assert_int_equal(split->clients, clients);
    assert_int_equal(split->start[0], 0);
    assert_int_equal(split->start[clients], rows);
    for (size_t i = 0; i < clients; i++)
        assert_true(split->start[i] < split->start[i + 1]);
    for (size_t i = 0; i < rows; i++) {
        assert_true(split->order[i] < rows);
        assert_int_equal(seen[split->order[i]]++, 0);
    }
}

static void test_always_a_partition(void **state)
{
    (void)state;
    static const double skews[] = {1e-6, 0.01, 0.3, 10, 1e6};
    static const size_t sizes[][2] = {{1, 1},   {7, 7},      {50, 49},
                                      {200, 1}, {ROWS, 142}, {ROWS, ROWS}};
    for (size_t s = 0; s < 5; s++)
        for (size_t i = 0; i < 6; i++) {
            ct_split *split = deal(sizes[i][0], sizes[i][1], skews[s], i);
            assert_partition(split, sizes[i][0], sizes[i][1]);
            ct_split_destroy(split);
        }
}

/* The rows of a label at a client follow n share, so their variance over clients and seeds is that
 * of the Dirichlet shares, n^2 (1/c) (1 - 1/c) / (c skew + 1). */
static void test_counts_have_the_variance_of_the_shares(void **state)
{
    (void)state;
    enum { CLIENTS = 8, SEEDS = 400 };
    static const double skews[] = {0.5, 3, 40};
    for (size_t s = 0; s < 3; s++) {
        double n = ROWS / 10.0, square = 0;
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            ct_split *split = deal(ROWS, CLIENTS, skews[s], seed);
            for (size_t c = 0; c < CLIENTS; c++) {
                double fives = 0;
                for (size_t i = split->start[c]; i < split->start[c + 1]; i++)
                    fives += labels[split->order[i]] == 5;
                square += (fives - n / CLIENTS) * (fives - n / CLIENTS) / CLIENTS / SEEDS;
            }
            ct_split_destroy(split);
        }
        double variance = n * n / CLIENTS * (1 - 1.0 / CLIENTS) / (CLIENTS * skews[s] + 1);
        ct_assert_near(square, variance, 0.1, 0);
    }
}

static void test_nearly_one_client_a_label(void **state)
{
    (void)state;
    ct_split *split = deal(ROWS, 20, 1e-6, 3);
    size_t filled = 0, largest = 0;
    for (size_t c = 0; c < 20; c++) {
        size_t rows = split->start[c + 1] - split->start[c];
        filled += rows > 1;
        largest = rows > largest ? rows : largest;
    }
    assert_true(filled >= 1 && filled <= 3); // three labels
    assert_true(largest > ROWS / 3);
    ct_split_destroy(split);
}

static void test_order_within_a_client(void **state)
{
    (void)state;
    const ct_dataset data = {.rows = ROWS, .cols = 1, .label = labels};
    ct_split_options opt = {.clients = 9, .shuffle = false, .label_skew = 1};
    ct_split *split = NULL;
    ct_assert_ok(ct_split_create(&split, &data, &opt, NULL), NULL);
    assert_partition(split, ROWS, 9);
    for (size_t c = 0; c < 9; c++)
        for (size_t i = split->start[c] + 1; i < split->start[c + 1]; i++)
            assert_true(split->order[i] > split->order[i - 1]);
    ct_split_destroy(split);
}

/* Rows that are dealt must not move when this code is changed: runs would not be repeatable. */
static void test_a_split_is_pinned(void **state)
{
    (void)state;
    static const size_t starts[] = {0, 173, 2701, 2763, 2840, 3000};
    static const uint32_t first[] = {1325, 2832, 2490, 2440, 2629};
    ct_split *a = deal(ROWS, 5, 0.5, 42), *b = deal(ROWS, 5, 0.5, 42), *c = deal(ROWS, 5, 0.5, 43);
    assert_memory_equal(a->start, b->start, 6 * sizeof *a->start);
    assert_memory_equal(a->order, b->order, ROWS * sizeof *a->order);
    assert_memory_not_equal(a->start, c->start, 6 * sizeof *a->start);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(a->start[i], starts[i]);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(a->order[a->start[i]], first[i]);
    ct_split_destroy(a);
    ct_split_destroy(b);
    ct_split_destroy(c);
}

static void test_skews_that_are_refused(void **state)
{
    (void)state;
    static const double bad[] = {-1, 1e-7, 1e7, (double)NAN, (double)INFINITY};
    const ct_dataset data = {.rows = 10, .cols = 1, .label = labels};
    ct_split *split;
    ct_diag diag;
    for (size_t i = 0; i < 5; i++) {
        ct_split_options opt = {.clients = 2, .label_skew = bad[i]};
        ct_assert_status(ct_split_create(&split, &data, &opt, &diag), CT_EINVALID, &diag);
        ct_assert_contains(diag.text, "label_skew");
        assert_null(split);
    }
    ct_split_options opt = {.clients = 2, .label_skew = 1, .sizes = (size_t[]){5, 5}};
    ct_assert_status(ct_split_create(&split, &data, &opt, &diag), CT_EINVALID, &diag);
    assert_string_equal(diag.text, "label_skew and sizes exclude each other");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_always_a_partition),
        cmocka_unit_test(test_counts_have_the_variance_of_the_shares),
        cmocka_unit_test(test_nearly_one_client_a_label),
        cmocka_unit_test(test_order_within_a_client),
        cmocka_unit_test(test_a_split_is_pinned),
        cmocka_unit_test(test_skews_that_are_refused),
    };
    return cmocka_run_group_tests(tests, fill_labels, NULL);
}
