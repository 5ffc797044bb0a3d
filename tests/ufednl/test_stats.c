// SPDX-License-Identifier: MIT
/* Statistics of data sets against what they are by definition. */
#include "ct_test.h"

#include <ctrain/rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <ufednl/stats.h>

static ct_dataset *from_csr(size_t rows, size_t cols, const size_t *start, const uint32_t *col,
                            const double *val, const double *label)
{
    ct_dataset *data = NULL;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_from_csr(&data, rows, cols, start, col, val, label, &diag), &diag);
    return data;
}

static fednl_stats compute(const ct_dataset *data, const fednl_options *opt)
{
    fednl_stats stats;
    ct_diag diag = {""};
    ct_assert_ok(fednl_stats_compute(&stats, data, opt, &diag), &diag);
    return stats;
}

/* Rows 0 and 3 are the same but for their labels. */
static const size_t starts[] = {0, 2, 2, 5, 7};
static const uint32_t cols[] = {1, 3, 0, 1, 3, 1, 3};
static const double vals[] = {2, 3, 4, -1, 5, 2, 3}, labels[] = {1, -1, 2, -1};

static void test_counts(void **state)
{
    (void)state;
    ct_dataset *data = from_csr(4, 6, starts, cols, vals, labels);
    fednl_options opt = fednl_options_default();
    opt.clients = 2;
    opt.shuffle = false;
    opt.sizes = (size_t[]){1, 3};
    fednl_stats s = compute(data, &opt);
    assert_int_equal(s.rows, 4);
    assert_int_equal(s.features, 6);
    assert_int_equal(s.nnz, 7);
    assert_int_equal(s.distinct, 3);
    assert_int_equal(s.used_features, 3);
    assert_int_equal(s.longest_row, 3);
    assert_true(s.value_min == -1 && s.value_max == 5);
    assert_int_equal(s.dimension, 7);
    assert_true(s.convexity == opt.lambda);
    assert_int_equal(s.split->clients, 2);
    // intercept, 1, 3: all pairs; then with 0 of row 2: all pairs
    assert_int_equal(s.client[0].rows, 1);
    assert_int_equal(s.client[0].active, 3);
    assert_int_equal(s.client[0].pattern, 6);
    assert_int_equal(s.client[1].rows, 3);
    assert_int_equal(s.client[1].distinct, 3);
    assert_int_equal(s.client[1].active, 4);
    assert_int_equal(s.client[1].pattern, 10);
    assert_int_equal(s.merged, 4);
    assert_int_equal(s.pattern, 16);
    assert_true(s.memory_bytes > 7 * 12 && s.memory_bytes < 100000);
    fednl_stats_clear(&s);
    fednl_stats_clear(&s);
    opt.sizes = NULL;
    opt.clients = 1;
    opt.intercept = false;
    s = compute(data, &opt);
    assert_int_equal(s.dimension, 6);
    assert_int_equal(s.merged, 3);
    assert_int_equal(s.pattern, 6);
    fednl_stats_clear(&s);
    ct_dataset_destroy(data);
}

/* The largest eigenvalue of A^T A / m for the dense matrix, by squaring it until one is left: M^p
 * with p = 2^40 is of rank one. */
static double largest_by_squaring(const ct_dataset *data, bool intercept)
{
    size_t d = data->cols + intercept;
    double *m = calloc(d * d, sizeof *m), *square = calloc(d * d, sizeof *m), log_scale = 0.0;
    double *row = calloc(d, sizeof *row);
    assert_true(m != NULL && square != NULL && row != NULL);
    for (size_t i = 0; i < data->rows; i++) {
        memset(row, 0, d * sizeof *row);
        for (size_t k = data->row_start[i]; k < data->row_start[i + 1]; k++)
            row[data->col[k]] = data->val[k];
        if (intercept)
            row[d - 1] = 1.0;
        for (size_t a = 0; a < d; a++)
            for (size_t b = 0; b < d; b++)
                m[a * d + b] += row[a] * row[b] / (double)data->rows;
    }
    for (int step = 0; step <= 40; step++) {
        double trace = 0.0;
        for (size_t a = 0; a < d; a++)
            trace += m[a * d + a];
        log_scale += log(trace) / pow(2.0, step);
        for (size_t a = 0; a < d * d; a++)
            m[a] /= trace;
        memset(square, 0, d * d * sizeof *square);
        for (size_t a = 0; a < d; a++)
            for (size_t c = 0; c < d; c++)
                for (size_t b = 0; b < d; b++)
                    square[a * d + b] += m[a * d + c] * m[c * d + b];
        memcpy(m, square, d * d * sizeof *m);
    }
    free(m);
    free(square);
    free(row);
    return exp(log_scale);
}

static void test_smoothness_is_the_largest_eigenvalue(void **state)
{
    (void)state;
    ct_sparse_options generated = {.rows = 300, .cols = 25, .nnz_per_row = 6, .power = 0.5};
    generated.positive_fraction = 0.4;
    for (uint64_t seed = 1; seed <= 4; seed++)
        for (int intercept = 0; intercept <= 1; intercept++) {
            generated.seed = seed;
            ct_dataset *data = NULL;
            ct_assert_ok(ct_dataset_generate_sparse(&data, &generated, NULL), NULL);
            fednl_options opt = fednl_options_default();
            opt.intercept = intercept;
            opt.lambda = 0.25;
            fednl_stats s = compute(data, &opt);
            double expected = largest_by_squaring(data, intercept) / 4.0 + 0.25;
            ct_assert_near(s.smoothness, expected, 1e-4, 0.0);
            assert_true(s.smoothness <= expected * (1 + 1e-12));
            fednl_stats_clear(&s);
            ct_dataset_destroy(data);
        }
}

/* Pairs of features that meet in a row of a client, counted one by one. */
static size_t count_pairs(const ct_dataset *data, const uint32_t *order, size_t n, bool intercept)
{
    size_t d = data->cols + intercept, pairs = 0;
    bool *meets = calloc(d * d, sizeof *meets);
    assert_non_null(meets);
    for (size_t j = 0; j < n; j++) {
        uint32_t in_row[64];
        size_t used = 0;
        for (size_t k = data->row_start[order[j]]; k < data->row_start[order[j] + 1]; k++)
            in_row[used++] = data->col[k];
        if (intercept)
            in_row[used++] = (uint32_t)data->cols;
        for (size_t a = 0; a < used; a++)
            for (size_t b = 0; b <= a; b++)
                meets[in_row[a] * d + in_row[b]] = true;
    }
    for (size_t i = 0; i < d * d; i++)
        pairs += meets[i];
    free(meets);
    return pairs;
}

static void test_patterns(void **state)
{
    (void)state;
    ct_sparse_options generated = {.rows = 400, .cols = 40, .nnz_per_row = 4, .power = 0.5};
    generated.positive_fraction = 0.4;
    generated.binary = true;
    ct_dataset *data = NULL;
    ct_assert_ok(ct_dataset_generate_sparse(&data, &generated, NULL), NULL);
    ct_split *split = NULL;
    const ct_split_options deal = {.clients = 9, .shuffle = true, .label_skew = 0.5, .seed = 4};
    ct_assert_ok(ct_split_create(&split, data, &deal, NULL), NULL);
    for (size_t threads = 1; threads <= 3; threads++) {
        fednl_options opt = fednl_options_default();
        opt.clients = 9;
        opt.threads = threads;
        opt.label_skew = 0.5;
        opt.seed = 4;
        fednl_stats s = compute(data, &opt);
        uint64_t sum = 0;
        assert_memory_equal(s.split->start, split->start, 10 * sizeof *split->start);
        assert_memory_equal(s.split->order, split->order, 400 * sizeof *split->order);
        for (size_t i = 0; i < 9; i++) {
            const size_t *start = s.split->start + i;
            size_t expected =
                count_pairs(data, s.split->order + start[0], start[1] - start[0], opt.intercept);
            assert_int_equal(s.client[i].rows, start[1] - start[0]);
            assert_int_equal(s.client[i].pattern, expected);
            sum += expected;
        }
        assert_int_equal(s.pattern, sum);
        fednl_stats_clear(&s);
    }
    ct_split_destroy(split);
    ct_dataset_destroy(data);
}

/* The numbers must be those of a solver with the same options. */
static void test_agrees_with_a_solver(void **state)
{
    (void)state;
    const char *path = ct_test_data("a9a");
    if (path == NULL)
        skip();
    ct_dataset *data = NULL;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_read(&data, path, NULL, &diag), &diag);
    fednl_options opt = fednl_options_default();
    opt.clients = 142;
    fednl_stats s = compute(data, &opt);
    assert_int_equal(s.distinct, 24947);
    fednl_solver *solver;
    fednl_result result;
    opt.max_rounds = 1;
    ct_assert_ok(fednl_solver_create(&solver, data, &opt, &diag), &diag);
    ct_assert_ok(fednl_solver_run(solver, &result, &diag), &diag);
    assert_int_equal(result.dimension, s.dimension);
    assert_int_equal(result.pattern, s.pattern);
    assert_int_equal(result.distinct, s.merged);
    fednl_solver_destroy(solver);
    fednl_stats_clear(&s);
    ct_dataset_destroy(data);
}

static void test_data_too_wide_for_hessians(void **state)
{
    (void)state;
    static const uint32_t wide[] = {1, 3, 0, 1, 3, 1, 4000000};
    ct_dataset *data = from_csr(4, 4000001, starts, wide, vals, labels);
    fednl_stats s = compute(data, NULL);
    assert_int_equal(s.used_features, 4);
    assert_int_equal(s.pattern, 0);
    assert_int_equal(s.memory_bytes, 0);
    assert_int_equal(s.client[0].active, 5);
    assert_true(s.smoothness > 5.0 * 5.0 / 16.0);
    fednl_stats_clear(&s);
    ct_dataset_destroy(data);
}

static void test_rows_without_entries(void **state)
{
    (void)state;
    static const size_t none[] = {0, 0, 0};
    ct_dataset *data = from_csr(2, 0, none, NULL, NULL, labels);
    fednl_stats s = compute(data, NULL);
    assert_int_equal(s.dimension, 1);
    assert_true(isnan(s.value_min) && isnan(s.value_max));
    ct_assert_near(s.smoothness, 0.25 + s.convexity, 1e-12, 0.0);
    assert_int_equal(s.pattern, 1);
    fednl_stats_clear(&s);
    fednl_options opt = fednl_options_default();
    opt.intercept = false;
    ct_diag diag = {""};
    ct_assert_status(fednl_stats_compute(&s, data, &opt, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "no features");
    opt.intercept = true;
    opt.clients = 3;
    ct_assert_status(fednl_stats_compute(&s, data, &opt, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "3 clients for 2 rows");
    ct_dataset_destroy(data);
}

static ct_status compute_once(void *context)
{
    fednl_stats s;
    ct_status status = fednl_stats_compute(&s, context, NULL, NULL);
    fednl_stats_clear(&s);
    return status;
}

static void test_allocations_may_fail(void **state)
{
    (void)state;
    ct_dataset *data = from_csr(4, 6, starts, cols, vals, labels);
    ct_assert_survives_allocation_failures(compute_once, data);
    ct_dataset_destroy(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_smoothness_is_the_largest_eigenvalue),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_agrees_with_a_solver),
        cmocka_unit_test(test_data_too_wide_for_hessians),
        cmocka_unit_test(test_rows_without_entries),
        cmocka_unit_test(test_allocations_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
