// SPDX-License-Identifier: MIT
/* Logistic regression against its definition on dense rows, against differences of the loss, and
 * against itself: blocks and minibatches of a gradient, one client's problem and everybody's. */
#include "ct_test.h"

#include <ctrain/blas.h>
#include <ctrain/dataset.h>
#include <math.h>
#include <permk_aes/logistic.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 60, COLS = 20, CLIENTS = 4, MAX_D = COLS + 1 };

/* ---- The definition ---- */

typedef struct dense {
    size_t d;
    double a[ROWS][MAX_D]; // in the clients' order, an intercept included
    double b[ROWS];
    size_t start[CLIENTS + 1];
} dense;

static ct_dataset *make_data(void)
{
    ct_sparse_options opt = ct_sparse_options_default();
    opt.rows = ROWS;
    opt.cols = COLS;
    opt.nnz_per_row = 5;
    opt.positive_fraction = 0.4;
    opt.binary = false;
    opt.seed = 3;
    ct_dataset *data = NULL;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_generate_sparse(&data, &opt, &diag), &diag);
    return data;
}

static void define(dense *out, const ct_dataset *data, const permk_logistic_options *opt)
{
    ct_split_options split_options = ct_split_options_default(opt->clients);
    split_options.shuffle = opt->shuffle;
    split_options.label_skew = opt->label_skew;
    split_options.seed = opt->seed;
    ct_split *split = NULL;
    ct_diag diag = {""};
    ct_assert_ok(ct_split_create(&split, data, &split_options, &diag), &diag);
    memset(out, 0, sizeof *out);
    out->d = data->cols + (opt->intercept ? 1 : 0);
    for (size_t k = 0; k < ROWS; k++) {
        size_t row = split->order[k];
        for (size_t e = data->row_start[row]; e < data->row_start[row + 1]; e++)
            out->a[k][data->col[e]] = data->val[e];
        if (opt->intercept)
            out->a[k][data->cols] = 1;
        out->b[k] = data->label[row] > 0 ? 1 : -1;
    }
    memcpy(out->start, split->start, (opt->clients + 1) * sizeof *out->start);
    ct_split_destroy(split);
}

/* log(1 + exp(-m)), as exact as long double is. */
static double loss_of_margin(long double m)
{
    return (double)(m > 0 ? log1pl(expl(-m)) : -m + log1pl(expl(m)));
}

/* Loss and gradient of client i by the definition. */
static double define_client(const dense *f, const permk_logistic_options *opt, size_t i,
                            const double *x, double *gradient)
{
    double loss = 0, m = (double)(f->start[i + 1] - f->start[i]);
    memset(gradient, 0, f->d * sizeof *gradient);
    for (size_t k = f->start[i]; k < f->start[i + 1]; k++) {
        long double margin = 0;
        for (size_t j = 0; j < f->d; j++)
            margin += (long double)f->b[k] * f->a[k][j] * x[j];
        loss += loss_of_margin(margin) / m;
        for (size_t j = 0; j < f->d; j++)
            gradient[j] -= f->b[k] * f->a[k][j] / m * (double)(1 / (1 + expl(margin)));
    }
    for (size_t j = 0; j < f->d; j++) {
        double square = x[j] * x[j], s = 1 + square;
        loss += opt->lambda * (opt->regulariser == PERMK_L2 ? square / 2 : square / s);
        gradient[j] += opt->lambda * (opt->regulariser == PERMK_L2 ? x[j] : 2 * x[j] / (s * s));
    }
    return loss;
}

/* ---- Cases ---- */

static permk_logistic_options small_options(void)
{
    permk_logistic_options opt = permk_logistic_options_default(CLIENTS);
    opt.lambda = 0.05;
    opt.seed = 7;
    return opt;
}

static permk_problem make(const ct_dataset *data, const permk_logistic_options *opt)
{
    permk_problem p;
    ct_diag diag = {""};
    ct_assert_ok(permk_logistic_init(&p, data, opt, &diag), &diag);
    return p;
}

static void point(double *x, double size)
{
    for (size_t j = 0; j < MAX_D; j++)
        x[j] = size * sin(1.7 * (double)j + 0.3);
}

static double loss_at(permk_problem *p, uint32_t client, const double *x)
{
    double loss = 0;
    ct_diag diag = {""};
    p->ops->move(p->state, x);
    ct_assert_ok(p->ops->gradient(p->state, client, &loss, NULL, &diag), &diag);
    return loss;
}

static void check_differences(permk_problem *p, uint32_t client, const double *x, const double *g)
{
    for (size_t j = 0; j < p->dimension; j++) {
        double up[MAX_D], down[MAX_D];
        memcpy(up, x, sizeof up);
        memcpy(down, x, sizeof down);
        up[j] += 1e-5;
        down[j] -= 1e-5;
        ct_assert_near((loss_at(p, client, up) - loss_at(p, client, down)) / 2e-5, g[j], 1e-7,
                       1e-9);
    }
}

static void check_against_definition(const ct_dataset *data, const permk_logistic_options *opt)
{
    static dense f;
    define(&f, data, opt);
    permk_problem p = make(data, opt);
    assert_int_equal(p.dimension, f.d);
    assert_int_equal(p.clients, CLIENTS);
    assert_false(p.own_only);
    double x[MAX_D], g[MAX_D], expected[MAX_D], mean[MAX_D] = {0}, loss = 0, mean_loss = 0;
    ct_diag diag = {""};
    point(x, 0.8);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        double expected_loss = define_client(&f, opt, i, x, expected);
        p.ops->move(p.state, x);
        ct_assert_ok(p.ops->gradient(p.state, i, &loss, g, &diag), &diag);
        ct_assert_near(loss, expected_loss, 1e-13, 0);
        ct_assert_array_near(g, expected, f.d, 1e-12, 1e-15);
        check_differences(&p, i, x, g);
        mean_loss += expected_loss / CLIENTS;
        for (size_t j = 0; j < f.d; j++)
            mean[j] += expected[j] / CLIENTS;
    }
    p.ops->move(p.state, x);
    ct_assert_ok(p.ops->evaluate(p.state, &loss, g, &diag), &diag);
    ct_assert_near(loss, mean_loss, 1e-13, 0);
    ct_assert_array_near(g, mean, f.d, 1e-12, 1e-15);
    permk_problem_clear(&p);
}

static void losses_and_gradients_are_those_of_the_definition(void **state)
{
    (void)state;
    ct_dataset *data = make_data();
    for (int k = 0; k < 16; k++) {
        permk_logistic_options opt = small_options();
        opt.regulariser = k & 1 ? PERMK_NONCONVEX : PERMK_L2;
        opt.intercept = (k & 2) != 0;
        opt.label_skew = k & 4 ? 0.2 : 0; // clients of few rows, or of one label
        opt.shuffle = (k & 8) != 0;
        check_against_definition(data, &opt);
    }
    ct_dataset_destroy(data);
}

/* The three shapes of a block: a range, a set, lines of which the last (of coordinates) is short.
 */
static void check_blocks(permk_problem *p, uint32_t client)
{
    const uint32_t index[] = {20, 0, 13, 5}, line[] = {2, 0};
    const permk_block blocks[] = {{.length = 6, .first = 15, .weight = 1},
                                  {.length = 4, .index = index, .weight = 1},
                                  {.length = 13, .line = line, .lines = 2, .weight = 1}};
    const uint32_t coordinate[3][13] = {
        {15, 16, 17, 18, 19, 20}, {20, 0, 13, 5}, {16, 17, 18, 19, 20, 0, 1, 2, 3, 4, 5, 6, 7}};
    double g[MAX_D], values[MAX_D];
    ct_diag diag = {""};
    ct_assert_ok(p->ops->gradient(p->state, client, NULL, g, &diag), &diag);
    for (size_t b = 0; b < 3; b++) {
        memset(values, 0xff, sizeof values);
        ct_assert_ok(p->ops->block_gradient(p->state, client, &blocks[b], values, &diag), &diag);
        for (size_t k = 0; k < blocks[b].length; k++)
            ct_assert_near(values[k], g[coordinate[b][k]], 0, 0);
    }
}

static void blocks_are_entries_of_the_gradient(void **state)
{
    (void)state;
    ct_dataset *data = make_data();
    for (int regulariser = PERMK_L2; regulariser <= PERMK_NONCONVEX; regulariser++) {
        permk_logistic_options opt = small_options();
        opt.regulariser = (permk_regulariser)regulariser;
        opt.batch = 3;
        permk_problem p = make(data, &opt);
        double x[MAX_D];
        point(x, 0.5);
        p.ops->move(p.state, x);
        for (uint32_t i = 0; i < CLIENTS; i++) {
            p.ops->batch(p.state, UINT64_MAX);
            check_blocks(&p, i);
            p.ops->batch(p.state, 5);
            check_blocks(&p, i);
        }
        permk_problem_clear(&p);
    }
    ct_dataset_destroy(data);
}

/* The mean over ever more minibatches comes near to the gradient: squared distance below what
 * sampling one row at a time would leave on average, four times that being allowed. */
static void minibatches_are_unbiased(void **state)
{
    (void)state;
    enum { ROUNDS = 20000 };
    ct_dataset *data = make_data();
    permk_logistic_options opt = small_options();
    opt.batch = 2;
    permk_problem p = make(data, &opt);
    double x[MAX_D], g[MAX_D], full[MAX_D], mean[MAX_D] = {0}, loss = 0, full_loss = 0,
                                            mean_loss = 0, spread = 0, distance = 0;
    ct_diag diag = {""};
    point(x, 1);
    p.ops->move(p.state, x);
    ct_assert_ok(p.ops->gradient(p.state, 1, &full_loss, full, &diag), &diag);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        p.ops->batch(p.state, round);
        ct_assert_ok(p.ops->gradient(p.state, 1, &loss, g, &diag), &diag);
        mean_loss += loss / ROUNDS;
        for (size_t j = 0; j < p.dimension; j++) {
            mean[j] += g[j] / ROUNDS;
            spread += (g[j] - full[j]) * (g[j] - full[j]) / ROUNDS;
        }
    }
    for (size_t j = 0; j < p.dimension; j++)
        distance += (mean[j] - full[j]) * (mean[j] - full[j]);
    assert_true(spread > 0.01);
    assert_true(distance < 4 * spread / ROUNDS);
    ct_assert_near(mean_loss, full_loss, 0.01, 0);
    permk_problem_clear(&p);
    ct_dataset_destroy(data);
}

static void minibatches_are_a_function_of_client_and_round(void **state)
{
    (void)state;
    ct_dataset *data = make_data();
    permk_logistic_options opt = small_options();
    opt.batch = 4;
    permk_problem p = make(data, &opt);
    double x[MAX_D], first[MAX_D], other[MAX_D], again[MAX_D], loss = 0, exact = 0;
    ct_diag diag = {""};
    point(x, 1);
    p.ops->move(p.state, x);
    ct_assert_ok(p.ops->evaluate(p.state, &exact, again, &diag), &diag);
    p.ops->batch(p.state, 8);
    ct_assert_ok(p.ops->gradient(p.state, 2, NULL, first, &diag), &diag);
    p.ops->batch(p.state, 9);
    ct_assert_ok(p.ops->gradient(p.state, 2, NULL, other, &diag), &diag);
    assert_memory_not_equal(first, other, p.dimension * sizeof *first);
    p.ops->batch(p.state, 8);
    p.ops->move(p.state, x);
    ct_assert_ok(p.ops->evaluate(p.state, &loss, other, &diag), &diag); // exact all the same
    ct_assert_near(loss, exact, 0, 0);
    ct_assert_array_near(other, again, p.dimension, 0, 0);
    ct_assert_ok(p.ops->gradient(p.state, 0, NULL, other, &diag), &diag);
    ct_assert_ok(p.ops->gradient(p.state, 2, NULL, again, &diag), &diag);
    assert_memory_equal(first, again, p.dimension * sizeof *first);
    permk_problem_clear(&p);

    opt.batch = ROWS; // every row, drawn without replacement
    p = make(data, &opt);
    p.ops->move(p.state, x);
    ct_assert_ok(p.ops->gradient(p.state, 2, &exact, first, &diag), &diag);
    p.ops->batch(p.state, 8);
    ct_assert_ok(p.ops->gradient(p.state, 2, &loss, again, &diag), &diag);
    ct_assert_near(loss, exact, 1e-14, 0);
    ct_assert_array_near(again, first, p.dimension, 1e-13, 1e-16);
    permk_problem_clear(&p);
    opt.batch = 0;
    p = make(data, &opt);
    assert_null(p.ops->batch);
    permk_problem_clear(&p);
    ct_dataset_destroy(data);
}

/* A client that has its rows in a file of its own has the same f_i. */
static void own_data_are_a_part_of_the_whole(void **state)
{
    (void)state;
    ct_dataset *data = make_data();
    permk_logistic_options opt = small_options();
    permk_problem whole = make(data, &opt);
    ct_split_options dealing = ct_split_options_default(CLIENTS);
    dealing.seed = opt.seed;
    ct_split *split;
    ct_diag diag = {""};
    ct_assert_ok(ct_split_create(&split, data, &dealing, &diag), &diag);
    double x[MAX_D], g[MAX_D], expected[MAX_D], loss, expected_loss;
    point(x, 2);
    whole.ops->move(whole.state, x);
    opt.own_data = true;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        ct_dataset *rows;
        size_t count = split->start[i + 1] - split->start[i];
        ct_assert_ok(ct_dataset_take(&rows, data, split->order + split->start[i], count, &diag),
                     &diag);
        opt.own = i;
        permk_problem p = make(rows, &opt);
        assert_true(p.own_only && p.clients == CLIENTS && isnan(p.smoothness));
        assert_true(isnan(p.max_smoothness) && isnan(p.mean_square_smoothness));
        p.ops->move(p.state, x);
        ct_assert_ok(p.ops->gradient(p.state, i, &loss, g, &diag), &diag);
        ct_assert_ok(whole.ops->gradient(whole.state, i, &expected_loss, expected, &diag), &diag);
        ct_assert_near(loss, expected_loss, 0, 0);
        assert_memory_equal(g, expected, p.dimension * sizeof *g);
        permk_problem_clear(&p);
        ct_dataset_destroy(rows);
    }
    opt.clients = ROWS + 1; // more clients than one of them has rows
    opt.own = ROWS;
    permk_problem p = make(data, &opt);
    permk_problem_clear(&p);
    opt.own = UINT32_MAX; // nobody's
    ct_assert_status(permk_logistic_init(&p, data, &opt, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "own client");
    ct_split_destroy(split);
    permk_problem_clear(&whole);
    ct_dataset_destroy(data);
}

static void own_rows_are_those_of_the_whole(void **state)
{
    (void)state;
    ct_dataset *data = make_data();
    permk_logistic_options opt = small_options();
    opt.label_skew = 0.5;
    opt.batch = 3;
    permk_problem whole = make(data, &opt);
    double x[MAX_D], g[MAX_D], expected[MAX_D], loss = 0, expected_loss = 0;
    ct_diag diag = {""};
    point(x, 2);
    whole.ops->move(whole.state, x);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        opt.own = i;
        permk_problem p = make(data, &opt);
        assert_true(p.own_only);
        assert_null(p.ops->evaluate);
        assert_int_equal(p.clients, CLIENTS);
        ct_assert_near(p.smoothness, whole.smoothness, 0, 0);
        ct_assert_near(p.max_smoothness, whole.max_smoothness, 0, 0);
        ct_assert_near(p.mean_square_smoothness, whole.mean_square_smoothness, 0, 0);
        p.ops->move(p.state, x);
        for (uint64_t round = UINT64_MAX; round != 2; round++) { // all rows, rounds 0 and 1
            p.ops->batch(p.state, round);
            whole.ops->batch(whole.state, round);
            ct_assert_ok(p.ops->gradient(p.state, i, &loss, g, &diag), &diag);
            ct_assert_ok(whole.ops->gradient(whole.state, i, &expected_loss, expected, &diag),
                         &diag);
            ct_assert_near(loss, expected_loss, 0, 0);
            assert_memory_equal(g, expected, p.dimension * sizeof *g);
        }
        ct_assert_status(p.ops->gradient(p.state, (i + 1) % CLIENTS, &loss, g, &diag), CT_EINVALID,
                         &diag);
        permk_problem_clear(&p);
    }
    permk_problem_clear(&whole);
    ct_dataset_destroy(data);
}

/* The largest eigenvalue of sum_k weight_k a_k a_k^T over rows begin … end-1. */
static double largest_eigenvalue(const dense *f, size_t begin, size_t end, const double *weight)
{
    double gram[MAX_D * MAX_D] = {0}, eigenvalue[MAX_D];
    for (size_t k = begin; k < end; k++)
        for (size_t i = 0; i < f->d; i++)
            for (size_t j = 0; j < f->d; j++)
                gram[i * f->d + j] += weight[k] * f->a[k][i] * f->a[k][j];
    ct_diag diag = {""};
    ct_assert_ok(ct_blas_syev_f64(f->d, gram, f->d, eigenvalue), &diag);
    return eigenvalue[f->d - 1];
}

static void assert_bound(double bound, double exact)
{
    assert_true(bound >= exact);
    ct_assert_near(bound, exact, 0.0102, 0);
}

static void smoothness_is_that_of_the_hessians(void **state)
{
    (void)state;
    ct_diag diag = {""};
    if (ct_blas_open(&diag) != CT_OK) {
        print_message("%s\n", diag.text);
        skip();
    }
    static dense f;
    ct_dataset *data = make_data();
    permk_logistic_options opt = small_options();
    opt.label_skew = 0.3;
    opt.lambda = 0;
    define(&f, data, &opt);
    permk_problem p = make(data, &opt);
    double own[ROWS], all[ROWS], max = 0, squares = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        for (size_t k = f.start[i]; k < f.start[i + 1]; k++) {
            own[k] = 1 / (double)(f.start[i + 1] - f.start[i]);
            all[k] = own[k] / CLIENTS;
        }
        double l = largest_eigenvalue(&f, f.start[i], f.start[i + 1], own) / 4;
        max = fmax(max, l);
        squares += l * l / CLIENTS;
    }
    assert_bound(p.smoothness, largest_eigenvalue(&f, 0, ROWS, all) / 4);
    assert_bound(p.max_smoothness, max);
    assert_bound(p.mean_square_smoothness, sqrt(squares));
    assert_true(p.smoothness < p.mean_square_smoothness);
    opt.lambda = 0.25;
    for (int k = PERMK_L2; k <= PERMK_NONCONVEX; k++) {
        opt.regulariser = (permk_regulariser)k;
        permk_problem q = make(data, &opt);
        double more = k == PERMK_L2 ? 0.25 : 0.5;
        ct_assert_near(q.smoothness, p.smoothness + more, 1e-14, 0);
        ct_assert_near(q.max_smoothness, p.max_smoothness + more, 1e-14, 0);
        assert_true(q.mean_square_smoothness > p.mean_square_smoothness + 0.99 * more &&
                    q.mean_square_smoothness < q.max_smoothness);
        permk_problem_clear(&q);
    }
    permk_problem_clear(&p);
    ct_dataset_destroy(data);
}

/* Margins of 1e-300, 1e300 and infinity: losses are the margins' own size, never NaN for nothing.
 */
static void any_margin_is_right(void **state)
{
    (void)state;
    const size_t row_start[] = {0, 1, 2};
    const uint32_t col[] = {0, 0};
    const double val[] = {1, 1}, label[] = {-1, 1};
    ct_dataset *data = NULL;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_from_csr(&data, 2, 1, row_start, col, val, label, &diag), &diag);
    permk_logistic_options opt = permk_logistic_options_default(1);
    opt.intercept = false;
    opt.lambda = 1;
    opt.regulariser = PERMK_NONCONVEX;
    permk_problem p = make(data, &opt);
    const double sizes[] = {0, 1e-300, 30, 800, 1e100, 1e300};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        double x = sizes[k], loss = 0, g = 0;
        p.ops->move(p.state, &x);
        ct_assert_ok(p.ops->gradient(p.state, 0, &loss, &g, &diag), &diag);
        // one row of each label: (log(1 + e^x) + log(1 + e^-x)) / 2 + x^2 / (1 + x^2)
        double expected = x / 2 + log1p(exp(-x)) + (x > 1e9 ? 1 : x * x / (1 + x * x));
        ct_assert_near(loss, expected, 1e-15, 0);
        double slope = tanh(x / 2) / 2 + (x > 1e9 ? 0 : 2 * x / (1 + x * x) / (1 + x * x));
        ct_assert_near(g, slope, 1e-15, 1e-16);
    }
    permk_problem_clear(&p);
    ct_dataset_destroy(data);
}

static void refuse(const ct_dataset *data, const permk_logistic_options *opt, const char *part)
{
    permk_problem p;
    ct_diag diag = {""};
    memset(&p, 0xff, sizeof p);
    ct_assert_status(permk_logistic_init(&p, data, opt, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, part);
    assert_null(p.ops);
    assert_null(p.state);
}

static void bad_input_is_refused(void **state)
{
    (void)state;
    ct_dataset *data = make_data();
    permk_logistic_options opt = small_options();
    opt.lambda = -1;
    refuse(data, &opt, "lambda = -1");
    opt.lambda = NAN;
    refuse(data, &opt, "lambda");
    opt = small_options();
    opt.clients = ROWS + 1;
    refuse(data, &opt, "61 clients, 60 rows");
    opt.clients = 0;
    refuse(data, &opt, "0 clients");
    opt = small_options();
    opt.own = CLIENTS;
    refuse(data, &opt, "own client 4");
    opt = small_options();
    opt.regulariser = (permk_regulariser)2;
    refuse(data, &opt, "regulariser 2");
    opt = small_options();
    opt.label_skew = -1;
    refuse(data, &opt, "skew");
    opt = small_options();
    for (size_t i = 0; i < ROWS; i++)
        data->label[i] = 1;
    refuse(data, &opt, "label");
    ct_dataset_destroy(data);
}

static ct_status attempt(void *context)
{
    permk_logistic_options opt = small_options();
    opt.batch = 2;
    permk_problem p;
    ct_status status = permk_logistic_init(&p, context, &opt, NULL);
    permk_problem_clear(&p);
    return status;
}

static void no_memory_is_survived(void **state)
{
    (void)state;
    ct_dataset *data = make_data();
    ct_assert_survives_allocation_failures(attempt, data);
    ct_dataset_destroy(data);
}

static void a9a_begins_at_log_2(void **state)
{
    (void)state;
    const char *path = ct_test_data("a9a");
    if (path == NULL)
        skip();
    ct_dataset *data = NULL;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_read(&data, path, NULL, &diag), &diag);
    permk_logistic_options opt = permk_logistic_options_default(8);
    permk_problem p = make(data, &opt);
    assert_int_equal(p.dimension, 124);
    double x[124] = {0}, g[124], one[124], mean[124] = {0}, loss = 0;
    p.ops->move(p.state, x);
    ct_assert_ok(p.ops->evaluate(p.state, &loss, g, &diag), &diag);
    ct_assert_near(loss, log(2), 1e-14, 0);
    for (uint32_t i = 0; i < 8; i++) {
        ct_assert_ok(p.ops->gradient(p.state, i, &loss, one, &diag), &diag);
        ct_assert_near(loss, log(2), 1e-14, 0);
        for (size_t j = 0; j < 124; j++)
            mean[j] += one[j] / 8;
    }
    ct_assert_array_near(g, mean, 124, 1e-11, 1e-15);
    // the intercept's entry: half of (negatives - positives) / rows; 7841 of 32561 are positive,
    // and clients of 4070 and 4071 rows weigh the same
    ct_assert_near(g[123], 0.5 * (32561.0 - 2 * 7841) / 32561, 1e-3, 0);
    assert_true(p.smoothness < p.mean_square_smoothness &&
                p.mean_square_smoothness <= p.max_smoothness && p.max_smoothness < 15 / 4.0);
    permk_problem_clear(&p);
    ct_dataset_destroy(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_and_gradients_are_those_of_the_definition),
        cmocka_unit_test(blocks_are_entries_of_the_gradient),
        cmocka_unit_test(minibatches_are_unbiased),
        cmocka_unit_test(minibatches_are_a_function_of_client_and_round),
        cmocka_unit_test(own_data_are_a_part_of_the_whole),
        cmocka_unit_test(own_rows_are_those_of_the_whole),
        cmocka_unit_test(smoothness_is_that_of_the_hessians),
        cmocka_unit_test(any_margin_is_right),
        cmocka_unit_test(bad_input_is_refused),
        cmocka_unit_test(no_memory_is_survived),
        cmocka_unit_test(a9a_begins_at_log_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
