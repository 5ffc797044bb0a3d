// SPDX-License-Identifier: MIT
/* Datasets from arrays, labels, distinct rows, splits, the generator and the writer. */
#include "ct_test.h"
#include "dataset_same.h"

#include <ctrain/dataset.h>
#include <ctrain/rng.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t starts[] = {0, 2, 2, 5};
static const uint32_t cols[] = {1, 3, 0, 2, 4};
static const double vals[] = {1, -0.5, 1e-300, 0, 3};
static const double labels[] = {1, -1, 1};

static ct_dataset *small_dataset(void)
{
    ct_dataset *data = NULL;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_from_csr(&data, 3, 5, starts, cols, vals, labels, &diag), &diag);
    return data;
}

static void test_from_csr_copies(void **state)
{
    (void)state;
    ct_dataset *data = small_dataset();
    assert_int_equal(data->rows, 3);
    assert_int_equal(data->cols, 5);
    assert_int_equal(data->nnz, 5);
    assert_memory_equal(data->row_start, starts, sizeof starts);
    assert_memory_equal(data->col, cols, sizeof cols);
    assert_memory_equal(data->val, vals, sizeof vals);
    assert_memory_equal(data->label, labels, sizeof labels);
    assert_ptr_not_equal(data->col, cols);
    ct_dataset_destroy(data);
    ct_dataset_destroy(NULL);
    const size_t none = 0;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_from_csr(&data, 0, 0, &none, NULL, NULL, NULL, &diag), &diag);
    assert_int_equal(data->row_start[0], 0);
    ct_dataset_destroy(data);
}

static void assert_csr_refused(const size_t *start, const uint32_t *col, const double *val,
                               const double *label, const char *reason)
{
    ct_dataset *data = (ct_dataset *)&reason;
    ct_diag diag = {""};
    ct_assert_status(ct_dataset_from_csr(&data, 3, 5, start, col, val, label, &diag), CT_EINVALID,
                     &diag);
    assert_null(data);
    assert_string_equal(diag.text, reason);
}

static void test_from_csr_checks(void **state)
{
    (void)state;
    assert_csr_refused((size_t[]){1, 2, 2, 5}, cols, vals, labels,
                       "row 0: row_start[0] is 1 (must be 0)");
    assert_csr_refused((size_t[]){0, 2, 1, 5}, cols, vals, labels, "row 1: ends before it begins");
    assert_csr_refused(starts, (uint32_t[]){1, 3, 0, 2, 5}, vals, labels, "row 2: column 5 of 5");
    assert_csr_refused(starts, (uint32_t[]){1, 3, 2, 2, 4}, vals, labels,
                       "row 2: column 2 after 2 (must ascend)");
    assert_csr_refused(starts, (uint32_t[]){3, 1, 0, 2, 4}, vals, labels,
                       "row 0: column 1 after 3 (must ascend)");
    assert_csr_refused(starts, cols, (double[]){1, 1, (double)NAN, 1, 1}, labels,
                       "row 2: the value of column 0 is not finite");
    assert_csr_refused(starts, cols, vals, (double[]){1, (double)INFINITY, 1},
                       "row 1: the label is not finite");
    assert_csr_refused(NULL, cols, vals, labels, "row_start and label must not be NULL");
    assert_csr_refused(starts, NULL, vals, labels, "col and val must not be NULL");
}

static void test_too_many_rows(void **state)
{
    (void)state;
    ct_dataset *data;
    ct_diag diag = {""};
    size_t rows = (size_t)UINT32_MAX + 2;
    ct_assert_status(ct_dataset_from_csr(&data, rows, 5, starts, cols, vals, labels, &diag),
                     CT_ERANGE, &diag);
    ct_assert_contains(diag.text, "4294967297 rows");
    ct_assert_status(ct_dataset_from_csr(&data, 3, rows, starts, cols, vals, labels, &diag),
                     CT_ERANGE, &diag);
    ct_sparse_options opt = ct_sparse_options_default();
    opt.rows = rows;
    ct_assert_status(ct_dataset_generate_sparse(&data, &opt, &diag), CT_ERANGE, &diag);
    ct_dataset huge = {.rows = rows, .cols = 1};
    ct_split *split;
    ct_split_options deal = ct_split_options_default(1);
    ct_assert_status(ct_split_create(&split, &huge, &deal, &diag), CT_ERANGE, &diag);
}

static void test_some_rows(void **state)
{
    (void)state;
    ct_dataset *data = small_dataset(), *some = NULL, *expected = NULL;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_take(&some, data, (uint32_t[]){2, 1, 0, 2}, 4, &diag), &diag);
    ct_assert_ok(ct_dataset_from_csr(&expected, 4, 5, (size_t[]){0, 3, 3, 5, 8},
                                     (uint32_t[]){0, 2, 4, 1, 3, 0, 2, 4},
                                     (double[]){1e-300, 0, 3, 1, -0.5, 1e-300, 0, 3},
                                     (double[]){1, -1, 1, 1}, &diag),
                 &diag);
    assert_same(some, expected);
    ct_dataset_destroy(some);
    ct_dataset_destroy(expected);
    ct_dataset_destroy(data);
}

static void test_binary_labels(void **state)
{
    (void)state;
    static const double sets[][3] = {{1, -1, 1}, {1, 0, 1}, {2, 1, 2}, {0.5, -7, 0.5}};
    for (size_t s = 0; s < 4; s++) {
        ct_dataset data = {.rows = 3, .label = (double *)(uintptr_t)sets[s]};
        double sign[3], pair[2];
        ct_diag diag = {""};
        ct_assert_ok(ct_dataset_binary_labels(&data, sign, pair, &diag), &diag);
        assert_true(pair[0] == sets[s][0] && pair[1] == sets[s][1]);
        assert_true(sign[0] == 1 && sign[1] == -1 && sign[2] == 1);
    }
}

static void test_labels_that_are_not_binary(void **state)
{
    (void)state;
    double sign[3], pair[2];
    ct_diag diag = {""};
    ct_dataset data = {.rows = 3, .label = (double[]){4, 4, 4}};
    ct_assert_status(ct_dataset_binary_labels(&data, sign, pair, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "all 3 labels are 4");
    data.label = (double[]){1, 2, 3};
    ct_assert_status(ct_dataset_binary_labels(&data, sign, pair, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "1, 2 and 3");
    data.rows = 0;
    ct_assert_status(ct_dataset_binary_labels(&data, sign, pair, &diag), CT_EINVALID, &diag);
}

static void test_one_label_against_the_rest(void **state)
{
    (void)state;
    double label[] = {3, 1, 2, 3, -1};
    ct_dataset data = {.rows = 5, .label = label};
    ct_diag diag = {""};
    ct_assert_status(ct_dataset_map_labels(&data, 4, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "no row has the label 4");
    assert_true(label[0] == 3 && label[4] == -1);
    ct_assert_ok(ct_dataset_map_labels(&data, 3, &diag), &diag);
    assert_true(label[0] == 1 && label[3] == 1);
    assert_true(label[1] == -1 && label[2] == -1 && label[4] == -1);
    data.rows = 1;
    ct_assert_status(ct_dataset_map_labels(&data, 1, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "all 1 rows have the label 1");
    data.rows = 0;
    ct_assert_status(ct_dataset_map_labels(&data, 1, &diag), CT_EINVALID, &diag);
}

static void assert_distinct(const ct_dataset *data, size_t expected)
{
    size_t distinct;
    ct_assert_ok(ct_dataset_count_distinct(data, &distinct), NULL);
    assert_int_equal(distinct, expected);
}

static void test_distinct_rows(void **state)
{
    (void)state;
    static const size_t start[] = {0, 2, 2, 4, 6, 8, 8, 9};
    static const uint32_t col[] = {1, 3, 1, 3, 1, 4, 1, 3, 1};
    static const double val[] = {1, 2, 1, 2, 1, 2, 1, -2, 1};
    static const double label[] = {1, 1, -1, 1, 1, 1, 1};
    ct_dataset *data = NULL;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_from_csr(&data, 7, 5, start, col, val, label, &diag), &diag);
    assert_distinct(data, 5); // rows 0 and 2, and the two empty ones
    data->rows = 0;
    assert_distinct(data, 0);
    data->rows = 7;
    ct_dataset_destroy(data);
}

static void test_distinct_rows_of_real_data(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t distinct;
    } sets[] = {{"w8a", 34704}, {"a9a", 24947}, {"phishing", 5785}};
    for (size_t i = 0; i < 3; i++) {
        const char *path = ct_test_data(sets[i].name);
        if (path == NULL)
            skip();
        ct_dataset *data = NULL;
        ct_diag diag = {""};
        ct_assert_ok(ct_dataset_read_libsvm(&data, path, NULL, &diag), &diag);
        assert_distinct(data, sets[i].distinct);
        ct_dataset_destroy(data);
    }
}

/* ---- splits ---- */

static void assert_partition(const ct_split *split, size_t rows)
{
    assert_int_equal(split->start[0], 0);
    assert_int_equal(split->start[split->clients], rows);
    unsigned char *seen = calloc(rows, 1);
    assert_non_null(seen);
    for (size_t i = 0; i < split->clients; i++)
        assert_true(split->start[i] < split->start[i + 1]);
    for (size_t i = 0; i < rows; i++) {
        assert_true(split->order[i] < rows);
        assert_int_equal(seen[split->order[i]]++, 0);
    }
    free(seen);
}

static ct_split *deal(size_t rows, const ct_split_options *opt)
{
    ct_dataset data = {.rows = rows, .cols = 1};
    ct_split *split = NULL;
    ct_diag diag = {""};
    ct_assert_ok(ct_split_create(&split, &data, opt, &diag), &diag);
    return split;
}

static void test_equal_split(void **state)
{
    (void)state;
    for (size_t clients = 1; clients <= 100; clients += 9) {
        ct_split_options opt = ct_split_options_default(clients);
        opt.seed = clients;
        ct_split *split = deal(100, &opt);
        assert_int_equal(split->clients, clients);
        assert_partition(split, 100);
        for (size_t i = 0; i < clients; i++) {
            size_t size = split->start[i + 1] - split->start[i];
            assert_true(size == 100 / clients || size == 100 / clients + 1);
        }
        ct_split_destroy(split);
    }
    ct_split_destroy(NULL);
}

static void test_split_by_sizes_in_file_order(void **state)
{
    (void)state;
    const size_t sizes[] = {3, 1, 6};
    ct_split_options opt = {.clients = 3, .sizes = sizes, .shuffle = false};
    ct_split *split = deal(10, &opt);
    assert_partition(split, 10);
    assert_int_equal(split->start[1], 3);
    assert_int_equal(split->start[2], 4);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(split->order[i], i);
    ct_split_destroy(split);
}

static void test_shuffle_follows_the_seed(void **state)
{
    (void)state;
    ct_split_options opt = ct_split_options_default(7);
    opt.seed = 5;
    ct_split *a = deal(1000, &opt), *b = deal(1000, &opt);
    assert_memory_equal(a->order, b->order, 1000 * sizeof *a->order);
    opt.seed = 6;
    ct_split *c = deal(1000, &opt);
    assert_memory_not_equal(a->order, c->order, 1000 * sizeof *a->order);
    size_t moved = 0;
    for (uint32_t i = 0; i < 1000; i++)
        moved += a->order[i] != i;
    assert_true(moved > 900);
    ct_split_destroy(a);
    ct_split_destroy(b);
    ct_split_destroy(c);
}

static void test_splits_that_are_refused(void **state)
{
    (void)state;
    ct_dataset data = {.rows = 10, .cols = 1};
    static const struct {
        size_t clients, sizes[3];
        const char *reason;
    } cases[] = {
        {0, {0}, "0 clients (must be at least 1)"},
        {11, {0}, "11 clients for 10 rows (each needs at least one)"},
        {3, {3, 3, 3}, "the sizes add up to 9 rows, the data have 10"},
        {3, {3, 3, 5}, "the sizes add up to 11 rows, the data have 10"},
        {3, {5, 0, 5}, "client 1 gets no rows"},
        {3, {SIZE_MAX, 5, 6}, "the sizes add up to more than 10 rows"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ct_split_options opt = ct_split_options_default(cases[i].clients);
        opt.sizes = cases[i].clients == 3 ? cases[i].sizes : NULL;
        ct_split *split = (ct_split *)&data;
        ct_diag diag = {""};
        ct_assert_status(ct_split_create(&split, &data, &opt, &diag), CT_EINVALID, &diag);
        assert_null(split);
        assert_string_equal(diag.text, cases[i].reason);
    }
}

/* ---- generator ---- */

static ct_dataset *generate(const ct_sparse_options *opt)
{
    ct_dataset *data = NULL;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_generate_sparse(&data, opt, &diag), &diag);
    return data;
}

static void assert_valid(const ct_dataset *d)
{
    ct_dataset *copy = NULL;
    ct_diag diag = {""};
    ct_assert_ok(
        ct_dataset_from_csr(&copy, d->rows, d->cols, d->row_start, d->col, d->val, d->label, &diag),
        &diag);
    ct_dataset_destroy(copy);
}

static size_t count_positive(const ct_dataset *d)
{
    size_t n = 0;
    for (size_t i = 0; i < d->rows; i++) {
        assert_true(d->label[i] == 1.0 || d->label[i] == -1.0);
        n += d->label[i] > 0;
    }
    return n;
}

static void test_default_problem_is_shaped_like_w8a(void **state)
{
    (void)state;
    ct_sparse_options opt = ct_sparse_options_default();
    ct_dataset *data = generate(&opt);
    assert_valid(data);
    assert_int_equal(data->rows, 49749);
    assert_int_equal(data->cols, 300);
    ct_assert_near((double)data->nnz / 49749.0, 11.65, 0.01, 0);
    assert_int_equal(count_positive(data), 1492); // 3 %, rounded
    for (size_t k = 0; k < data->nnz; k++)
        assert_true(data->val[k] == 1.0);
    ct_dataset_destroy(data);
}

/* Each feature as often as its popularity says: five standard deviations are far. */
static void test_popularity_is_a_power_law(void **state)
{
    (void)state;
    ct_sparse_options opt = ct_sparse_options_default();
    opt.rows = 20000;
    opt.cols = 40;
    opt.nnz_per_row = 5;
    opt.power = 1.0;
    ct_dataset *data = generate(&opt);
    double count[40] = {0}, harmonic = 0;
    for (size_t k = 0; k < data->nnz; k++)
        count[data->col[k]]++;
    for (int j = 1; j < 40; j++)
        harmonic += 1.0 / (j + 1);
    ct_assert_near(count[0], 20000, 0,
                   0); // 4 / H(40) > 0.9: all 3.28 H left is more than 1 - see p
    for (int j = 1; j < 40; j++) {
        double p = 4.0 / harmonic / (j + 1);
        ct_assert_near(count[j], 20000 * p, 0, 5 * sqrt(20000 * p * (1 - p)));
    }
    ct_dataset_destroy(data);
}

static void test_generator_at_its_limits(void **state)
{
    (void)state;
    ct_sparse_options opt = {.rows = 50, .cols = 7, .nnz_per_row = 7, .positive_fraction = 1e-9};
    ct_dataset *data = generate(&opt); // every feature in every row
    assert_valid(data);
    assert_int_equal(data->nnz, 350);
    assert_int_equal(count_positive(data), 1);
    for (size_t k = 0; k < data->nnz; k++)
        assert_true(data->val[k] > 0.0 && data->val[k] <= 1.0);
    ct_dataset_destroy(data);
    opt = (ct_sparse_options){.rows = 1, .cols = 1, .nnz_per_row = 1, .positive_fraction = 0.5};
    data = generate(&opt);
    assert_valid(data);
    ct_dataset_destroy(data);
    opt = (ct_sparse_options){
        .rows = 30, .cols = 9, .nnz_per_row = 5, .positive_fraction = 0.99, .power = 100};
    data = generate(&opt);
    assert_valid(data);
    assert_int_equal(count_positive(data), 29);
    ct_dataset_destroy(data);
}

/* FNV-1a over the parts that are integers, so that the pin holds on every platform. */
static uint64_t hash_of(const ct_dataset *d)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < d->rows; i++) {
        h = (h ^ (uint64_t)d->row_start[i + 1]) * UINT64_C(1099511628211);
        h = (h ^ (uint64_t)(d->label[i] > 0)) * UINT64_C(1099511628211);
    }
    for (size_t k = 0; k < d->nnz; k++)
        h = (h ^ d->col[k]) * UINT64_C(1099511628211);
    return h;
}

static void test_generator_is_pinned(void **state)
{
    (void)state;
    ct_sparse_options opt = ct_sparse_options_default();
    opt.seed = 42;
    ct_dataset *a = generate(&opt), *b = generate(&opt);
    assert_same(a, b);
    ct_dataset_destroy(b);
    assert_int_equal(hash_of(a), UINT64_C(0x9dd4f35579e15d84));
    opt.seed = 43;
    b = generate(&opt);
    assert_true(hash_of(a) != hash_of(b));
    ct_dataset_destroy(a);
    ct_dataset_destroy(b);
}

static void test_bad_generator_options(void **state)
{
    (void)state;
    const ct_sparse_options good = ct_sparse_options_default();
    ct_sparse_options bad[8];
    for (size_t i = 0; i < 8; i++)
        bad[i] = good;
    bad[0].rows = 0;
    bad[1].cols = 0;
    bad[2].nnz_per_row = 0.5;
    bad[3].nnz_per_row = 300.5;
    bad[4].positive_fraction = 0;
    bad[5].positive_fraction = 1;
    bad[6].power = -1;
    bad[7].nnz_per_row = (double)NAN;
    for (size_t i = 0; i < 8; i++) {
        ct_dataset *data = (ct_dataset *)bad;
        ct_diag diag = {""};
        ct_assert_status(ct_dataset_generate_sparse(&data, &bad[i], &diag), CT_EINVALID, &diag);
        assert_null(data);
        assert_true(diag.text[0] != '\0');
    }
}

/* ---- writer ---- */

static ct_dataset *round_trip(const ct_dataset *data)
{
    char *path = ct_test_path("round.libsvm");
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_write_libsvm(data, path, &diag), &diag);
    ct_libsvm_options opt = ct_libsvm_options_default();
    opt.cols = data->cols;
    ct_dataset *back = NULL;
    ct_assert_ok(ct_dataset_read_libsvm(&back, path, &opt, &diag), &diag);
    free(path);
    return back;
}

static void test_written_text(void **state)
{
    (void)state;
    ct_dataset *data = small_dataset();
    char *path = ct_test_path("small.libsvm");
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_write_libsvm(data, path, &diag), &diag);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char text[200] = "";
    assert_true(fread(text, 1, sizeof text - 1, f) > 0);
    fclose(f);
    assert_string_equal(text, "1 2:1 4:-0.5\n-1\n1 1:1e-300 3:0 5:3\n");
    free(path);
    ct_dataset_destroy(data);
}

static void test_round_trip_of_any_double(void **state)
{
    (void)state;
    enum { N = 20000 };
    static size_t start[N + 1];
    static uint32_t col[N];
    static double val[N], label[N];
    ct_rng rng;
    ct_rng_init(&rng, 3, CT_RNG_USER, 0, 0);
    for (size_t i = 0; i < N; i++) {
        uint64_t bits;
        do {
            bits = ct_rng_u64(&rng);
            memcpy(&val[i], &bits, sizeof bits);
        } while (!isfinite(val[i]));
        start[i + 1] = i + 1;
        col[i] = ct_rng_u32(&rng) % 1000;
        label[i] = ct_rng_uniform(&rng) * 1e6;
    }
    val[0] = -0.0, val[1] = 5e-324, val[2] = 1.7976931348623157e308, val[3] = 999999, val[4] = 1e6;
    ct_dataset *data, *back;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_from_csr(&data, N, 1000, start, col, val, label, &diag), &diag);
    back = round_trip(data);
    assert_same(data, back);
    ct_dataset_destroy(data);
    ct_dataset_destroy(back);
}

static void test_round_trip_of_a_generated_problem(void **state)
{
    (void)state;
    ct_sparse_options opt = ct_sparse_options_default();
    opt.rows = 3000;
    for (int binary = 0; binary <= 1; binary++) {
        opt.binary = binary;
        ct_dataset *data = generate(&opt), *back = round_trip(data);
        assert_same(data, back);
        ct_dataset_destroy(data);
        ct_dataset_destroy(back);
    }
}

static void test_write_failures(void **state)
{
    (void)state;
    ct_dataset *data = small_dataset();
    ct_diag diag = {""};
    assert_int_not_equal(ct_dataset_write_libsvm(data, "no/such/folder/x", &diag), CT_OK);
    ct_assert_contains(diag.text, "no/such/folder/x");
    ct_dataset_destroy(data);
}

/* ---- allocation failure ---- */

static ct_status make_everything(ct_diag *diag)
{
    ct_dataset *data = NULL, *copy = NULL;
    ct_split *split = NULL;
    ct_sparse_options opt = {.rows = 50, .cols = 7, .nnz_per_row = 3, .positive_fraction = 0.5};
    char path[] = "allocation.libsvm";
    ct_split_options deal_options = ct_split_options_default(5);
    deal_options.label_skew = 0.5;
    size_t distinct;
    ct_status status = ct_dataset_generate_sparse(&data, &opt, diag);
    if (status == CT_OK)
        status = ct_dataset_from_csr(&copy, data->rows, data->cols, data->row_start, data->col,
                                     data->val, data->label, diag);
    if (status == CT_OK)
        status = ct_split_create(&split, copy, &deal_options, diag);
    if (status == CT_OK)
        status = ct_dataset_count_distinct(copy, &distinct);
    if (status == CT_ENOMEM && diag->text[0] == '\0')
        ct_diag_set(diag, "no place to say more");
    if (status == CT_OK)
        status = ct_dataset_write_libsvm(copy, path, diag);
    ct_split_destroy(split);
    ct_dataset_destroy(copy);
    ct_dataset_destroy(data);
    remove(path);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    ct_status status = CT_ENOMEM;
    bool failed = true;
    unsigned long k = 1;
    for (; failed; k++) {
        ct_diag diag = {""};
        ct_test_fail_allocation(k);
        status = make_everything(&diag);
        failed = ct_test_fail_allocation(0);
        if (status != CT_OK) {
            ct_assert_status(status, CT_ENOMEM, &diag);
            assert_true(diag.text[0] != '\0');
        }
    }
    assert_int_equal(status, CT_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_csr_copies),
        cmocka_unit_test(test_from_csr_checks),
        cmocka_unit_test(test_too_many_rows),
        cmocka_unit_test(test_some_rows),
        cmocka_unit_test(test_binary_labels),
        cmocka_unit_test(test_labels_that_are_not_binary),
        cmocka_unit_test(test_one_label_against_the_rest),
        cmocka_unit_test(test_distinct_rows),
        cmocka_unit_test(test_distinct_rows_of_real_data),
        cmocka_unit_test(test_equal_split),
        cmocka_unit_test(test_split_by_sizes_in_file_order),
        cmocka_unit_test(test_shuffle_follows_the_seed),
        cmocka_unit_test(test_splits_that_are_refused),
        cmocka_unit_test(test_default_problem_is_shaped_like_w8a),
        cmocka_unit_test(test_popularity_is_a_power_law),
        cmocka_unit_test(test_generator_at_its_limits),
        cmocka_unit_test(test_generator_is_pinned),
        cmocka_unit_test(test_bad_generator_options),
        cmocka_unit_test(test_written_text),
        cmocka_unit_test(test_round_trip_of_any_double),
        cmocka_unit_test(test_round_trip_of_a_generated_problem),
        cmocka_unit_test(test_write_failures),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
