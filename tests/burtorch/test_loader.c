// SPDX-License-Identifier: MIT
/* Batches: what they hold, that they do not depend on how they are filled; CSV and its errors. */
#include "ct_test.h"

#include <burtorch/loader.h>
#include <burtorch/text.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A graph that is nothing but two inputs; outputs are read through tensors. */
typedef struct inputs {
    bt_graph *g;
    bt_tensor x, y;
} inputs;

static inputs plan(inputs in)
{
    ct_diag diag;
    ct_assert_ok(bt_graph_plan(in.g, bt_tensor_none(in.g), &diag), &diag);
    return in;
}

static inputs text_inputs(size_t rows, size_t length, bool windows)
{
    inputs in;
    ct_assert_ok(bt_graph_create(&in.g, BT_F32), NULL);
    in.x = bt_input_u32(in.g, bt_shape2(rows, length));
    in.y = bt_input_u32(in.g, windows ? bt_shape2(rows, length) : bt_shape1(rows));
    return plan(in);
}

static inputs row_inputs(size_t rows, size_t features, bt_dtype dtype, bool real)
{
    inputs in;
    ct_assert_ok(bt_graph_create(&in.g, dtype), NULL);
    in.x = bt_input(in.g, bt_shape2(rows, features));
    in.y = real ? bt_input(in.g, bt_shape1(rows)) : bt_input_u32(in.g, bt_shape1(rows));
    return plan(in);
}

/* ---- Text ---- */

static void test_windows_in_order(void **state)
{
    (void)state;
    const uint16_t tokens[] = {3, 1, 4, 1, 5, 9, 2};
    const bt_stream s = {tokens, 7, 1};
    inputs in = text_inputs(2, 3, true);
    ct_diag diag;
    assert_int_equal(bt_stream_batches(&s, 3, 2), 2);
    bt_batch b = {.step = 0, .rows = 2, .in_order = true};
    ct_assert_ok(bt_windows_fill(&s, &b, in.x, in.y, &diag), &diag);
    const uint32_t x0[] = {0, 3, 1, 4, 1, 5}, y0[] = {3, 1, 4, 1, 5, 9};
    assert_memory_equal(bt_tensor_u32(in.x), x0, sizeof x0);
    assert_memory_equal(bt_tensor_u32(in.y), y0, sizeof y0);
    b.step = 1;
    ct_assert_ok(bt_windows_fill(&s, &b, in.x, in.y, &diag), &diag);
    const uint32_t x1[] = {9, 0, 0, 0, 0, 0};
    const uint32_t y1[] = {2, BT_IGNORE, BT_IGNORE, BT_IGNORE, BT_IGNORE, BT_IGNORE};
    assert_memory_equal(bt_tensor_u32(in.x), x1, sizeof x1);
    assert_memory_equal(bt_tensor_u32(in.y), y1, sizeof y1);
    assert_int_equal(bt_targets_count(in.y), 1);
    bt_graph_destroy(in.g);
}

/* Every window is one of the stream, all places occur, and a part fills what the whole does. */
static void test_windows_at_random(void **state)
{
    (void)state;
    enum { N = 20, T = 4, ROWS = 6 };
    uint16_t tokens[N];
    for (uint16_t i = 0; i < N; i++)
        tokens[i] = i + 1;
    const bt_stream s = {tokens, N, 5};
    inputs whole = text_inputs(ROWS, T, true), part = text_inputs(2, T, true);
    bool seen[N] = {false}, differ = false;
    uint32_t last[ROWS * T] = {0};
    for (uint64_t step = 0; step < 100; step++) {
        bt_batch b = {.step = step << 30, .rows = ROWS};
        ct_assert_ok(bt_windows_fill(&s, &b, whole.x, whole.y, NULL), NULL);
        const uint32_t *x = bt_tensor_u32(whole.x), *y = bt_tensor_u32(whole.y);
        for (size_t i = 0; i < ROWS * T; i++) {
            assert_int_equal(x[i] + 1, y[i]);
            assert_true(i % T == 0 || y[i] == y[i - 1] + 1);
            if (i % T == 0)
                seen[x[i]] = true;
        }
        differ |= memcmp(last, x, sizeof last) != 0;
        memcpy(last, x, sizeof last);
        for (b.first = 0; b.first < ROWS; b.first += 2) {
            ct_assert_ok(bt_windows_fill(&s, &b, part.x, part.y, NULL), NULL);
            assert_memory_equal(bt_tensor_u32(part.x), x + b.first * T, 2 * T * sizeof *x);
            assert_memory_equal(bt_tensor_u32(part.y), y + b.first * T, 2 * T * sizeof *y);
        }
    }
    for (size_t i = 0; i < N; i++)
        assert_int_equal(seen[i], i <= N - T);
    assert_true(differ);
    bt_graph_destroy(whole.g);
    bt_graph_destroy(part.g);
}

static void test_contexts(void **state)
{
    (void)state;
    const uint16_t tokens[] = {1, 2, 0, 3, 0};
    const bt_stream s = {tokens, 5, 1};
    inputs in = text_inputs(6, 2, false);
    bt_batch b = {.rows = 6, .in_order = true};
    ct_assert_ok(bt_contexts_fill(&s, &b, in.x, in.y, NULL), NULL);
    const uint32_t x[] = {0, 0, 0, 1, 1, 2, 0, 0, 0, 3, 0, 0}, y[] = {1, 2, 0, 3, 0, BT_IGNORE};
    assert_memory_equal(bt_tensor_u32(in.x), x, sizeof x);
    assert_memory_equal(bt_tensor_u32(in.y), y, sizeof y);
    bt_graph_destroy(in.g);
}

static void test_text_errors(void **state)
{
    (void)state;
    const uint16_t tokens[] = {1, 2};
    const bt_stream s = {tokens, 2, 1}, empty = {tokens, 0, 1};
    inputs in = text_inputs(2, 3, true), contexts = text_inputs(2, 3, false);
    bt_batch b = {.rows = 2};
    ct_diag diag;
    ct_assert_status(bt_windows_fill(&empty, &b, in.x, in.y, &diag), CT_EINVALID, &diag);
    ct_assert_status(bt_windows_fill(&s, &b, in.x, contexts.y, &diag), BT_ESHAPE, &diag);
    ct_assert_contains(diag.text, "tokens (2, 3) and targets (2)");
    ct_assert_status(bt_contexts_fill(&s, &b, in.x, in.y, &diag), BT_ESHAPE, &diag);
    b.first = 1;
    ct_assert_status(bt_windows_fill(&s, &b, in.x, in.y, &diag), BT_ESHAPE, &diag);
    ct_assert_contains(diag.text, "rows 1 to 3 of a batch of 2");
    b.first = 0; // a stream shorter than a window
    ct_assert_ok(bt_windows_fill(&s, &b, in.x, in.y, &diag), &diag);
    assert_int_equal(bt_targets_count(in.y), 4);
    bt_graph_destroy(in.g);
    bt_graph_destroy(contexts.g);
}

/* ---- CSV ---- */

static void test_csv(void **state)
{
    (void)state;
    const char text[] = " a ,b b,\tc\r\n\n1, -2.5e1 ,.5\r\n4,5,6";
    bt_csv *t;
    ct_diag diag;
    size_t column;
    ct_assert_ok(bt_csv_parse(&t, text, sizeof text - 1, "t.csv", &diag), &diag);
    const double expected[] = {1, -25, 0.5, 4, 5, 6};
    assert_int_equal(t->rows, 2);
    assert_int_equal(t->cols, 3);
    assert_memory_equal(t->value, expected, sizeof expected);
    assert_string_equal(t->name[0], "a");
    assert_string_equal(t->name[1], "b b");
    assert_string_equal(t->name[2], "c");
    ct_assert_ok(bt_csv_column(&column, t, "b b", &diag), &diag);
    assert_int_equal(column, 1);
    ct_assert_ok(bt_csv_column(&column, t, "last", &diag), &diag);
    assert_int_equal(column, 2);
    ct_assert_status(bt_csv_column(&column, t, "d", &diag), CT_ENOTFOUND, &diag);
    bt_csv_destroy(t);
    ct_assert_ok(bt_csv_parse(&t, "7", 1, "t.csv", &diag), &diag);
    assert_null(t->name);
    ct_assert_ok(bt_csv_column(&column, t, "first", &diag), &diag);
    bt_csv_destroy(t);
}

static void test_csv_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
        size_t size; // 0: the text's
    } cases[] = {
        {"", "t.csv: there are no rows", 0},
        {"\n \n", "t.csv: there are no rows", 0},
        {"a,b\n", "t.csv: there are no rows", 0},
        {"a,b\n1,2\n\n1,x\n", "t.csv:4: field 2 'x' is not a number", 0},
        {"1,2\n3\n", "t.csv:2: 1 fields, and 2 in the lines before", 0},
        {"1,2\n3,4,5\n", "t.csv:2: 3 fields, and 2 in the lines before", 0},
        {"1,2\n3,\n", "t.csv:2: field 2 is missing", 0},
        {"1, ,2\n", "t.csv:1: field 2 is missing", 0},
        {"1,\"2\"\n", "t.csv:1: field 2 '\"2\"' is not a number", 0},
        {"1,2 3\n", "t.csv:1: field 2 '2 3' is not a number", 0},
        {"1,nan\n", "t.csv:1: field 2 'nan' is not a number", 0},
        {"1,1e999\n", "t.csv:1: field 2 '1e999' is too large a number", 0},
        {"1,2\0\n", "t.csv:1: field 2 '2?' is not a number", 5},
        {"a\0,b\n1,2\n", "t.csv:1: a NUL byte", 9},
        {",,,,,,,,,\n1\n2\n3\n4\n", "t.csv:2: 1 fields, and 10", 0},
        {"a,,,,,,,,\n1\n2\n3\n4\n", "t.csv:2: 1 fields, and 9", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bt_csv *t;
        ct_diag diag;
        const size_t size = cases[i].size ? cases[i].size : strlen(cases[i].text);
        ct_assert_status(bt_csv_parse(&t, cases[i].text, size, "t.csv", &diag), CT_EPARSE, &diag);
        ct_assert_contains(diag.text, cases[i].error);
        assert_null(t);
    }
    bt_csv *t;
    ct_diag diag;
    ct_assert_status(bt_csv_read(&t, "/nonexistent.csv", &diag), CT_ENOTFOUND, &diag);
    char *path = ct_test_file("t.csv", "1,2\n3,4\n");
    ct_assert_ok(bt_csv_read(&t, path, &diag), &diag);
    assert_true(t->value[3] == 4);
    bt_csv_destroy(t);
    free(path);
}

static ct_status csv_attempt(void *context)
{
    bt_csv *t;
    const ct_status status = bt_csv_parse(&t, context, strlen(context), "t.csv", NULL);
    bt_csv_destroy(t);
    return status;
}

/* ---- Rows ---- */

enum { ROWS = 23, FEATURES = 3 };

/* Row i is (i, 10 i, 7), with label i % 3 - 1 in the middle column. */
static bt_csv *table(void)
{
    char text[ROWS * 64] = "a,label,b,c\n";
    bt_csv *t;
    ct_diag diag;
    for (int i = 0; i < ROWS; i++)
        sprintf(text + strlen(text), "%d,%d,%d,7\n", i, i % 3 - 1, 10 * i);
    ct_assert_ok(bt_csv_parse(&t, text, strlen(text), "t.csv", &diag), &diag);
    return t;
}

/* Each epoch takes every training row once, in an order of its own; the rest is ignored. */
static void test_epochs(void **state)
{
    (void)state;
    enum { BATCH = 8 };
    bt_csv *t = table();
    bt_rows *r;
    ct_diag diag;
    bt_rows_options o = bt_rows_options_default();
    o.validation = 0.25;
    ct_assert_ok(bt_rows_from_csv(&r, t, 1, &o, &diag), &diag);
    assert_int_equal(bt_rows_count(r, BT_ROWS_TRAINING), 18);
    assert_int_equal(bt_rows_count(r, BT_ROWS_VALIDATION), 5);
    assert_int_equal(bt_rows_classes(r), 3);
    ct_assert_near(bt_rows_class_label(r, 0), -1, 0, 0);
    assert_int_equal(bt_rows_batches(r, BT_ROWS_TRAINING, BATCH), 3);
    inputs in = row_inputs(BATCH, FEATURES, BT_F32, false);
    unsigned count[ROWS] = {0};
    size_t same = 0, orders[4][18];
    for (uint64_t step = 0; step < 12; step++) {
        const bt_batch b = {.step = step, .rows = BATCH};
        ct_assert_ok(bt_rows_fill(r, BT_ROWS_TRAINING, &b, in.x, in.y, &diag), &diag);
        assert_int_equal(bt_targets_count(in.y), step % 3 == 2 ? 2 : BATCH);
        for (size_t i = 0; i < bt_targets_count(in.y); i++) {
            const float *x = bt_tensor_f32(in.x) + i * FEATURES;
            const int row = (int)x[0];
            count[row]++;
            orders[step / 3][step % 3 * BATCH + i] = (size_t)row;
            assert_true(x[1] == 10 * x[0] && x[2] == 7);
            assert_int_equal(bt_tensor_u32(in.y)[i], row % 3);
        }
        if (step % 3 == 2)
            assert_true(bt_tensor_f32(in.x)[BATCH * FEATURES - 1] == 0);
    }
    for (size_t i = 0; i < 18; i++)
        same += orders[0][i] == orders[1][i];
    assert_in_range(same, 0, 6);
    const bt_batch all = {.rows = 5, .in_order = true};
    inputs few = row_inputs(5, FEATURES, BT_F64, false);
    ct_assert_ok(bt_rows_fill(r, BT_ROWS_VALIDATION, &all, few.x, few.y, &diag), &diag);
    for (size_t i = 0; i < 5; i++) // the two parts are all rows
        count[(int)bt_tensor_f64(few.x)[i * FEATURES]] += 4;
    for (size_t i = 0; i < ROWS; i++)
        assert_int_equal(count[i], 4);
    bt_graph_destroy(in.g);
    bt_graph_destroy(few.g);
    bt_rows_destroy(r);
    bt_csv_destroy(t);
}

/* For every number of rows the order of an epoch is a permutation, and parts agree with the whole.
 */
static void test_orders(void **state)
{
    (void)state;
    for (size_t n = 1; n < 70; n++) {
        char text[70 * 8] = "";
        bt_csv *t;
        bt_rows *r;
        for (size_t i = 0; i < n; i++)
            sprintf(text + strlen(text), "%zu,0\n", i);
        ct_assert_ok(bt_csv_parse(&t, text, strlen(text), "t", NULL), NULL);
        ct_assert_ok(bt_rows_from_csv(&r, t, 1, NULL, NULL), NULL);
        inputs whole = row_inputs(n, 1, BT_F32, false), one = row_inputs(1, 1, BT_F32, false);
        for (uint64_t epoch = 0; epoch < 5; epoch++) {
            bool seen[70] = {false};
            bt_batch b = {.step = epoch, .rows = n};
            ct_assert_ok(bt_rows_fill(r, BT_ROWS_TRAINING, &b, whole.x, whole.y, NULL), NULL);
            for (b.first = 0; b.first < n; b.first++) {
                const size_t row = (size_t)bt_tensor_f32(whole.x)[b.first];
                assert_false(seen[row]);
                seen[row] = true;
                ct_assert_ok(bt_rows_fill(r, BT_ROWS_TRAINING, &b, one.x, one.y, NULL), NULL);
                assert_int_equal(bt_tensor_f32(one.x)[0], row);
            }
        }
        bt_graph_destroy(whole.g);
        bt_graph_destroy(one.g);
        bt_rows_destroy(r);
        bt_csv_destroy(t);
    }
}

/* Over many epochs a row is at every place equally often. */
static void test_orders_are_uniform(void **state)
{
    (void)state;
    enum { N = 10, EPOCHS = 4000 };
    double count[N][N] = {{0}}, chi2 = 0;
    bt_csv *t;
    bt_rows *r;
    const char text[] = "0,0\n1,0\n2,0\n3,0\n4,0\n5,0\n6,0\n7,0\n8,0\n9,0\n";
    ct_assert_ok(bt_csv_parse(&t, text, strlen(text), "t", NULL), NULL);
    ct_assert_ok(bt_rows_from_csv(&r, t, 1, NULL, NULL), NULL);
    inputs in = row_inputs(N, 1, BT_F32, false);
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        const bt_batch b = {.step = epoch, .rows = N};
        ct_assert_ok(bt_rows_fill(r, BT_ROWS_TRAINING, &b, in.x, in.y, NULL), NULL);
        for (size_t i = 0; i < N; i++)
            count[i][(int)bt_tensor_f32(in.x)[i]]++;
    }
    for (size_t i = 0; i < N * N; i++)
        chi2 += pow(count[i / N][i % N] - EPOCHS / N, 2) / (EPOCHS / N);
    assert_true(chi2 < 150); // 81 degrees of freedom: mean 81, deviation 13
    bt_graph_destroy(in.g);
    bt_rows_destroy(r);
    bt_csv_destroy(t);
}

/* Training rows have mean 0 and deviation 1; a constant column becomes 0. */
static void check_standard(bt_rows *r, size_t n)
{
    inputs in = row_inputs(n, FEATURES, BT_F64, true);
    const bt_batch b = {.rows = n, .in_order = true};
    ct_diag diag;
    ct_assert_ok(bt_rows_fill(r, BT_ROWS_TRAINING, &b, in.x, in.y, &diag), &diag);
    for (size_t j = 0; j < FEATURES; j++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < n; i++) {
            const double x = bt_tensor_f64(in.x)[i * FEATURES + j];
            sum += x;
            squares += x * x;
        }
        ct_assert_near(sum, 0, 0, 1e-10);
        ct_assert_near(squares / (double)n, j == 2 ? 0 : 1, 1e-12, 1e-12);
    }
    bt_graph_destroy(in.g);
}

static void test_standardize(void **state)
{
    (void)state;
    bt_rows_options o = bt_rows_options_default();
    bt_csv *t = table();
    bt_rows *r;
    ct_diag diag;
    o.standardize = true;
    o.real_targets = true;
    o.validation = 0.2;
    ct_assert_ok(bt_rows_from_csv(&r, t, 1, &o, &diag), &diag);
    check_standard(r, 19);
    bt_rows_destroy(r);
    // The same rows, sparse: zeros are not stored.
    size_t start[ROWS + 1] = {0}, nnz = 0;
    uint32_t col[ROWS * FEATURES];
    double val[ROWS * FEATURES], label[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        for (uint32_t j = 0; j < FEATURES; j++)
            if (t->value[i * 4 + j + (j >= 1)] != 0) {
                col[nnz] = j;
                val[nnz++] = t->value[i * 4 + j + (j >= 1)];
            }
        label[i] = t->value[i * 4 + 1];
        start[i + 1] = nnz;
    }
    ct_dataset *d;
    bt_rows *sparse;
    ct_assert_ok(ct_dataset_from_csr(&d, ROWS, FEATURES, start, col, val, label, &diag), &diag);
    ct_assert_ok(bt_rows_from_dataset(&sparse, d, &o, &diag), &diag);
    check_standard(sparse, 19);
    ct_assert_ok(bt_rows_from_csv(&r, t, 1, &o, &diag), &diag);
    inputs a = row_inputs(8, FEATURES, BT_F32, true), b = row_inputs(8, FEATURES, BT_F32, true);
    const bt_batch batch = {.step = 7, .rows = 8};
    ct_assert_ok(bt_rows_fill(r, BT_ROWS_TRAINING, &batch, a.x, a.y, &diag), &diag);
    ct_assert_ok(bt_rows_fill(sparse, BT_ROWS_TRAINING, &batch, b.x, b.y, &diag), &diag);
    double x[2][8 * FEATURES], y[2][8];
    assert_true(bt_tensor_read(a.x, x[0]) && bt_tensor_read(b.x, x[1]));
    assert_true(bt_tensor_read(a.y, y[0]) && bt_tensor_read(b.y, y[1]));
    ct_assert_array_near(x[0], x[1], 8 * FEATURES, 1e-6, 1e-6);
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    bt_graph_destroy(a.g);
    bt_graph_destroy(b.g);
    bt_rows_destroy(r);
    bt_rows_destroy(sparse);
    ct_dataset_destroy(d);
    bt_csv_destroy(t);
}

/* Real targets cannot be ignored: a short batch starts again. */
static void test_real_targets(void **state)
{
    (void)state;
    bt_csv *t;
    bt_rows *r;
    bt_rows_options o = bt_rows_options_default();
    ct_diag diag;
    o.real_targets = true;
    ct_assert_ok(bt_csv_parse(&t, "1,2.5\n2,3.5\n3,4.5\n", 18, "t", &diag), &diag);
    ct_assert_ok(bt_rows_from_csv(&r, t, 1, &o, &diag), &diag);
    assert_int_equal(bt_rows_classes(r), 0);
    inputs in = row_inputs(2, 1, BT_F64, true);
    const bt_batch b = {.step = 1, .rows = 2, .in_order = true};
    ct_assert_ok(bt_rows_fill(r, BT_ROWS_TRAINING, &b, in.x, in.y, &diag), &diag);
    const double x[] = {3, 1}, y[] = {4.5, 2.5};
    assert_memory_equal(bt_tensor_f64(in.x), x, sizeof x);
    assert_memory_equal(bt_tensor_f64(in.y), y, sizeof y);
    bt_graph_destroy(in.g);
    bt_rows_destroy(r);
    bt_csv_destroy(t);
}

static void test_row_errors(void **state)
{
    (void)state;
    bt_csv *t = table();
    bt_rows *r;
    bt_rows_options o = bt_rows_options_default();
    ct_diag diag;
    o.validation = 1;
    ct_assert_status(bt_rows_from_csv(&r, t, 1, &o, &diag), CT_EINVALID, &diag);
    assert_null(r);
    ct_assert_status(bt_rows_from_csv(&r, t, 4, NULL, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "column 4 of 4");
    ct_assert_ok(bt_rows_from_csv(&r, t, 1, NULL, &diag), &diag);
    inputs in = row_inputs(4, 2, BT_F32, false), real = row_inputs(4, 3, BT_F32, true);
    const bt_batch b = {.rows = 4};
    ct_assert_status(bt_rows_fill(r, BT_ROWS_TRAINING, &b, in.x, in.y, &diag), BT_ESHAPE, &diag);
    ct_assert_contains(diag.text, "features (4, 2) and targets (4) for rows of 3 features");
    ct_assert_status(bt_rows_fill(r, BT_ROWS_TRAINING, &b, real.x, real.y, &diag), CT_EINVALID,
                     &diag);
    ct_assert_contains(diag.text, "targets of whole numbers");
    ct_assert_status(bt_rows_fill(r, BT_ROWS_VALIDATION, &b, real.x, in.y, &diag), CT_EINVALID,
                     &diag);
    ct_assert_contains(diag.text, "no such rows");
    bt_graph_destroy(in.g);
    bt_graph_destroy(real.g);
    bt_rows_destroy(r);
    bt_csv_destroy(t);
}

static ct_status rows_attempt(void *context)
{
    bt_rows *r;
    bt_rows_options o = bt_rows_options_default();
    o.standardize = true;
    const ct_status status = bt_rows_from_csv(&r, context, 1, &o, NULL);
    bt_rows_destroy(r);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    bt_csv *t = table();
    bt_rows *r;
    ct_assert_survives_allocation_failures(csv_attempt, (void *)(uintptr_t) "a,b\n1,2\n");
    ct_assert_survives_allocation_failures(rows_attempt, t);
    ct_assert_ok(bt_rows_from_csv(&r, t, 1, NULL, NULL), NULL);
    inputs in = row_inputs(4, FEATURES, BT_F32, false);
    const bt_batch b = {.rows = 4};
    ct_test_fail_allocation(1);
    ct_assert_ok(bt_rows_fill(r, BT_ROWS_TRAINING, &b, in.x, in.y, NULL), NULL);
    assert_false(ct_test_fail_allocation(0));
    bt_graph_destroy(in.g);
    bt_rows_destroy(r);
    bt_csv_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_in_order),
        cmocka_unit_test(test_windows_at_random),
        cmocka_unit_test(test_contexts),
        cmocka_unit_test(test_text_errors),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_csv_errors),
        cmocka_unit_test(test_epochs),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_orders_are_uniform),
        cmocka_unit_test(test_standardize),
        cmocka_unit_test(test_real_targets),
        cmocka_unit_test(test_row_errors),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
