// SPDX-License-Identifier: MIT
/* The problem that is solved: weights, the intercept, where it starts, how rows are dealt; and
 * small and odd data sets with every method. */
#include "solve_case.h"

#include <sys/resource.h>

enum { CLIENTS = 4, ROWS = 48 };

static const size_t sizes[CLIENTS] = {1, 25, 8, 14};

static fednl_options options(void)
{
    fednl_options opt = fednl_options_default();
    opt.lambda = 0.05;
    opt.clients = CLIENTS;
    opt.sizes = sizes;
    opt.shuffle = false;
    opt.k = (fednl_k){7, FEDNL_K_ENTRIES};
    return opt;
}

static fednl_model *model_of(size_t features, double bias, double w)
{
    const double label[2] = {1.0, -1.0};
    fednl_model *model;
    ct_assert_ok(fednl_model_create(&model, features, bias, label), NULL);
    for (size_t c = 0; c < fednl_model_weights(model); c++)
        model->w[c] = w * (1.0 + (double)c);
    return model;
}

/* ---- weights ---- */

static void keep_first(void *context, const fednl_round *round)
{
    if (round->round == 0)
        *(fednl_round *)context = *round;
}

// f and gradient of round 0 and of the certificate, by both ways to weigh
static void test_weights(void **state)
{
    (void)state;
    dense_case c;
    static dense_method m;
    double x[DENSE_MOST], g[DENSE_MOST];
    dense_case_init(&c, ROWS, 9, true, 0.5, 3);
    fednl_model *start = model_of(9, 1.0, 0.3);
    for (int weights = FEDNL_WEIGHTS_ROWS; weights <= FEDNL_WEIGHTS_EQUAL; weights++) {
        fednl_round first;
        fednl_options opt = options();
        opt.weights = (fednl_weights)weights;
        opt.start = start;
        opt.max_rounds = 0;
        opt.on_round = keep_first;
        opt.context = &first;
        dense_method_init(&m, &c, CLIENTS, sizes, &opt);
        in_order(&c, start->w, x);
        method_gradient(&m, x, g);
        fednl_result result = solve(c.data, &opt, NULL);
        ct_assert_near(first.f, method_loss(&m, x), 1e-13, 0.0);
        ct_assert_near(first.grad_norm, sqrt(dense_dot(m.d, g, g)), 1e-13, 0.0);
        ct_assert_near(result.f, method_loss(&m, x), 1e-13, 0.0);
        ct_assert_near(result.grad_norm, sqrt(dense_dot(m.d, g, g)), 1e-13, 0.0);
        ct_assert_near(result.x_norm, sqrt(dense_dot(m.d, x, x)), 1e-14, 0.0);
    }
    fednl_model_destroy(start);
    dense_case_clear(&c);
}

// the certificate's weights follow the rows, wherever they were dealt
static void test_weights_of_shuffled_rows(void **state)
{
    (void)state;
    dense_case c;
    double x[DENSE_MOST];
    dense_case_init(&c, ROWS, 9, true, 0.5, 3);
    fednl_model *start = model_of(9, 1.0, 0.3);
    fednl_options opt = options();
    opt.shuffle = true;
    opt.weights = FEDNL_WEIGHTS_EQUAL;
    opt.start = start;
    opt.max_rounds = 0;
    in_order(&c, start->w, x);
    ct_split_options split_opt = ct_split_options_default(CLIENTS);
    split_opt.sizes = sizes;
    split_opt.seed = opt.seed;
    ct_split *split;
    ct_assert_ok(ct_split_create(&split, c.data, &split_opt, NULL), NULL);
    double f = 0.5 * opt.lambda * dense_dot(c.d, x, x);
    for (size_t i = 0; i < CLIENTS; i++)
        for (size_t j = split->start[i]; j < split->start[i + 1]; j++)
            f += dense_loss((dense_part){&c, split->order[j], 1}, x) / (double)(CLIENTS * sizes[i]);
    ct_assert_near(solve(c.data, &opt, NULL).f, f, 1e-13, 0.0);
    ct_split_destroy(split);
    fednl_model_destroy(start);
    dense_case_clear(&c);
}

/* ---- the intercept ---- */

// without a regulariser on it the mean of the predicted probabilities is that of the labels
static void test_intercept_that_is_not_regularised(void **state)
{
    (void)state;
    dense_case c;
    double x[DENSE_MOST], as_data[DENSE_MOST];
    dense_case_init(&c, ROWS, 9, true, 0.5, 3);
    fednl_options opt = options();
    opt.lambda = 3.0;
    opt.regularise_intercept = false;
    opt.tol = 1e-13;
    for (size_t i = 0; next_method(i, &opt); i++) {
        long double lacking = 0.0L;
        fednl_result result = solve(c.data, &opt, as_data);
        in_order(&c, as_data, x);
        for (size_t j = 0; j < ROWS; j++)
            lacking += (c.sign[j] > 0.0) - 1.0L / (1.0L + expl(-dense_margin(&c, j, x)));
        if (result.outcome != FEDNL_CONVERGED || fabsl(lacking) > 1e-11L)
            name_method(&opt, &result);
        assert_int_equal(result.outcome, FEDNL_CONVERGED);
        ct_assert_near((double)lacking, 0.0, 0.0, 1e-11);
        assert_true(fabs(as_data[9]) > 0.01);
    }
    dense_case_clear(&c);
}

/* ---- the start ---- */

static void test_start_at_the_optimum(void **state)
{
    (void)state;
    dense_case c;
    double x[DENSE_MOST], again[DENSE_MOST];
    dense_case_init(&c, ROWS, 9, true, 0.5, 3);
    fednl_options opt = options();
    opt.tol = 1e-11;
    fednl_solver *solver = solver_open(c.data, &opt);
    fednl_model *start;
    (void)solver_run(solver);
    memcpy(x, fednl_solver_x(solver), sizeof x[0] * c.d);
    ct_assert_ok(fednl_solver_model(solver, &start), NULL);
    fednl_solver_destroy(solver);
    opt.start = start;
    for (size_t i = 0; next_method(i, &opt); i++) {
        fednl_result result = solve(c.data, &opt, again);
        assert_int_equal(result.outcome, FEDNL_CONVERGED);
        assert_int_equal(result.rounds, 0);
        assert_memory_equal(x, again, sizeof x[0] * c.d);
    }
    fednl_model_destroy(start);
    dense_case_clear(&c);
}

// fewer features than the data, and a bias that is not 1
static void test_start_from_another_shape(void **state)
{
    (void)state;
    dense_case c;
    double x[DENSE_MOST];
    dense_case_init(&c, ROWS, 9, true, 0.5, 3);
    fednl_model *start = model_of(5, 2.0, 0.1);
    fednl_options opt = options();
    opt.start = start;
    opt.max_rounds = 0;
    (void)solve(c.data, &opt, x);
    for (size_t k = 0; k < 5; k++)
        assert_true(x[k] == start->w[k]);
    for (size_t k = 5; k < 9; k++)
        assert_true(x[k] == 0.0);
    assert_true(x[9] == 2.0 * start->w[5]);
    fednl_model_destroy(start);
    dense_case_clear(&c);
}

static void test_starts_that_do_not_fit(void **state)
{
    (void)state;
    dense_case c;
    dense_case_init(&c, ROWS, 9, true, 0.5, 3);
    fednl_options opt = options();
    fednl_model *start = model_of(10, 1.0, 0.1);
    opt.start = start;
    solver_refuse(c.data, &opt, CT_EINVALID, "10 features");
    fednl_model_destroy(start);
    opt.start = start = model_of(9, -1.0, 0.1);
    solver_refuse(c.data, &opt, CT_EINVALID, "no intercept");
    opt.intercept = false;
    (void)solve(c.data, &opt, NULL);
    start->label[1] = 0.0;
    solver_refuse(c.data, &opt, CT_EINVALID, "labels 1, 0");
    start->label[1] = -1.0;
    start->w[3] = NAN;
    solver_refuse(c.data, &opt, CT_EINVALID, "not finite");
    fednl_model_destroy(start);
    dense_case_clear(&c);
}

/* ---- dealing ---- */

static void test_sizes_and_label_skew(void **state)
{
    (void)state;
    dense_case c;
    static dense_method m;
    double x[DENSE_MOST], optimum[DENSE_MOST], as_data[DENSE_MOST];
    dense_case_init(&c, ROWS, 9, true, 0.5, 3);
    fednl_options opt = options();
    opt.compressor = FEDNL_COMPRESSOR_TOPK;
    opt.tol = 1e-12;
    dense_method_init(&m, &c, CLIENTS, sizes, &opt);
    find_optimum(&m, optimum);
    opt.shuffle = true;
    for (int skewed = 0; skewed <= 2; skewed++) {
        opt.sizes = skewed > 0 ? NULL : sizes;
        opt.label_skew = skewed == 0 ? 0.0 : skewed == 1 ? 0.05 : 100.0;
        opt.clients = skewed > 0 ? 7 : CLIENTS;
        fednl_result result = solve(c.data, &opt, as_data);
        assert_int_equal(result.outcome, FEDNL_CONVERGED);
        assert_int_equal(result.clients, opt.clients);
        in_order(&c, as_data, x);
        ct_assert_array_near(x, optimum, c.d, 0.0, 1e-10);
    }
    opt.sizes = sizes;
    opt.clients = CLIENTS;
    solver_refuse(c.data, &opt, CT_EINVALID, "skew");
    opt.label_skew = 0.0;
    const size_t short_by_one[CLIENTS] = {1, 25, 8, 13}, empty[CLIENTS] = {0, 26, 8, 14};
    opt.sizes = short_by_one;
    solver_refuse(c.data, &opt, CT_EINVALID, "47");
    opt.sizes = empty;
    solver_refuse(c.data, &opt, CT_EINVALID, "0");
    dense_case_clear(&c);
}

/* ---- odd data ---- */

/* Every method finds the optimum of the rows, dealt in order by sizes. */
static void check_all_methods(const dense_case *c, size_t clients, const size_t *of_client)
{
    static dense_method m;
    double x[DENSE_MOST], optimum[DENSE_MOST], as_data[DENSE_MOST];
    fednl_options opt = options();
    opt.lambda = 0.1;
    opt.intercept = c->intercept;
    opt.clients = clients;
    opt.sizes = of_client;
    opt.k = (fednl_k){0.5, FEDNL_K_FRACTION};
    if (c->d == 1)
        opt.k = (fednl_k){1, FEDNL_K_ENTRIES};
    opt.tol = 1e-11;
    opt.max_rounds = 5000;
    dense_method_init(&m, c, clients, of_client, &opt);
    find_optimum(&m, optimum);
    for (size_t i = 0; next_method(i, &opt); i++) {
        fednl_result result = solve(c->data, &opt, as_data);
        if (result.outcome != FEDNL_CONVERGED)
            name_method(&opt, &result);
        assert_int_equal(result.outcome, FEDNL_CONVERGED);
        in_order(c, as_data, x);
        ct_assert_array_near(x, optimum, c->d, 0.0, 1e-9);
    }
}

static void test_one_weight(void **state)
{
    (void)state;
    static const double value[] = {0.5, -1.0, 2.0, 0.25, 0.0, 1.0}, sign[] = {1, -1, -1, 1, 1, -1};
    static const size_t of_client[] = {2, 1, 3};
    dense_case c;
    dense_case_take(&c, 6, 1, false, value, sign); // a feature
    check_all_methods(&c, 3, of_client);
    dense_case_clear(&c);
    dense_case_take(&c, 6, 0, true, value, sign); // an intercept
    check_all_methods(&c, 3, of_client);
    dense_case_clear(&c);
}

static void test_one_row_a_client(void **state)
{
    (void)state;
    static const size_t of_client[DENSE_CLIENTS] = {1, 1, 1, 1, 1, 1, 1, 1};
    dense_case c;
    dense_case_init(&c, DENSE_CLIENTS, 5, true, 0.6, 9);
    check_all_methods(&c, DENSE_CLIENTS, of_client);
    dense_case_clear(&c);
}

// the feature exists by its number alone, or only one client has it; clients of one label
static void test_features_and_labels_of_few(void **state)
{
    (void)state;
    static const double value[] = {1.0, 0.0, 0.5, -1.0, 0.0, 2.0, 0.3, 0.0, 0.0,  0.0, 0.0, 0.7,
                                   1.5, 0.0, 0.0, 0.2,  0.0, 0.0, 0.0, 0.0, -0.4, 0.9, 0.0, 0.0};
    static const double sign[] = {1, 1, 1, -1, -1, -1, 1, -1};
    static const size_t of_client[] = {3, 3, 2};
    dense_case c;
    dense_case_take(&c, 8, 3, true, value, sign);
    check_all_methods(&c, 3, of_client);
    dense_case_clear(&c);
}

// without an intercept: its rows have no column, and its Hessian no entry
static void test_a_client_without_columns(void **state)
{
    (void)state;
    static const double value[] = {1.0, -0.5, 0.25, 2.0, -1.0, 0.5, 0.0, 0.0, 0.0, 0.0};
    static const double sign[] = {1, 1, -1, 1, -1};
    static const size_t of_client[] = {3, 2};
    dense_case c;
    dense_case_take(&c, 5, 2, false, value, sign);
    check_all_methods(&c, 2, of_client);
    dense_case_clear(&c);
}

/* ---- dimensions ---- */

/* Two rows of many features each. */
static ct_dataset *wide_rows(size_t each)
{
    size_t start[] = {0, each, 2 * each};
    uint32_t *col = calloc(2 * each, sizeof *col);
    double *val = calloc(2 * each, sizeof *val);
    const double label[] = {1, -1};
    for (size_t e = 0; e < 2 * each; e++) {
        col[e] = (uint32_t)e;
        val[e] = 1.0 / sqrt((double)each);
    }
    ct_dataset *data;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_from_csr(&data, 2, 2 * each, start, col, val, label, &diag), &diag);
    free(col);
    free(val);
    return data;
}

// a triangle of these would be 4 TB
static void test_first_order_methods_of_many_features(void **state)
{
    (void)state;
    ct_dataset *data = wide_rows(500000);
    fednl_options opt = fednl_options_default();
    opt.algorithm = FEDNL_ALGORITHM_LBFGS;
    fednl_result result = solve(data, &opt, NULL);
    assert_int_equal(result.outcome, FEDNL_CONVERGED);
    assert_int_equal(result.dimension, 1000001);
    opt.algorithm = FEDNL_ALGORITHM_GD;
    opt.max_rounds = 3;
    assert_int_equal(solve(data, &opt, NULL).outcome, FEDNL_MAX_ROUNDS);
    ct_dataset_destroy(data);
}

// each client's gradient is kept by FedNL-PP: 1.6 GB here, in a process of 1 GiB
static void test_memory_of_many_clients(void **state)
{
    (void)state;
#ifdef CT_TEST_SANITIZED
    skip(); // needs terabytes of addresses
#endif
    enum { MANY = 100000, WIDE = 2000 };
    size_t *start = calloc(MANY + 1, sizeof *start);
    uint32_t *col = calloc(MANY, sizeof *col);
    double *val = calloc(MANY, sizeof *val), *label = calloc(MANY, sizeof *label);
    for (size_t j = 0; j < MANY; j++) {
        start[j + 1] = j + 1;
        col[j] = (uint32_t)(j % WIDE);
        val[j] = 1.0;
        label[j] = j % 3 == 0 ? 1.0 : -1.0;
    }
    ct_dataset *data;
    ct_assert_ok(ct_dataset_from_csr(&data, MANY, WIDE, start, col, val, label, NULL), NULL);
    free(start);
    free(col);
    free(val);
    free(label);
    fednl_options opt = fednl_options_default();
    opt.algorithm = FEDNL_ALGORITHM_PP;
    opt.clients = MANY;
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    limit = before;
    limit.rlim_cur = (rlim_t)1 << 30;
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
    solver_refuse(data, &opt, CT_ENOMEM, "100000 clients need 1.66 GB");
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    ct_dataset_destroy(data);
}

/* ---- refusals ---- */

static void test_messages_name_the_bounds(void **state)
{
    (void)state;
    dense_case c;
    dense_case_init(&c, ROWS, 9, true, 0.5, 3);
    fednl_options opt = options();
    opt.alpha = 1.5;
    solver_refuse(c.data, &opt, CT_EINVALID, "alpha = 1.5 (must be at least 0 and at most 1)");
    opt = options();
    opt.line_search_decrease = 0.0;
    solver_refuse(c.data, &opt, CT_EINVALID, "= 0 (must be above 0 and at most 0.5)");
    opt = options();
    opt.lambda = INFINITY;
    solver_refuse(c.data, &opt, CT_EINVALID, "lambda = inf (must be at least 0 and finite)");
    opt = options();
    opt.participants = 5;
    solver_refuse(c.data, &opt, CT_EINVALID, "5 participants of 4 clients");
    dense_case_clear(&c);
}

// what is not used is not reported either
static void test_k_and_alpha_of_the_result(void **state)
{
    (void)state;
    dense_case c;
    dense_case_init(&c, ROWS, 9, true, 0.5, 3);
    fednl_options opt = options();
    opt.alpha = 0.5;
    opt.algorithm = FEDNL_ALGORITHM_LBFGS;
    fednl_result result = solve(c.data, &opt, NULL);
    assert_true(result.k == 0 && result.alpha == 0.0);
    opt.algorithm = FEDNL_ALGORITHM_LS;
    result = solve(c.data, &opt, NULL);
    assert_true(result.k == 55 && result.alpha == 1.0);
    opt.compressor = FEDNL_COMPRESSOR_TOPK;
    result = solve(c.data, &opt, NULL);
    assert_true(result.k == 7 && result.alpha == 0.5);
    dense_case_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_weights_of_shuffled_rows),
        cmocka_unit_test(test_intercept_that_is_not_regularised),
        cmocka_unit_test(test_start_at_the_optimum),
        cmocka_unit_test(test_start_from_another_shape),
        cmocka_unit_test(test_starts_that_do_not_fit),
        cmocka_unit_test(test_sizes_and_label_skew),
        cmocka_unit_test(test_one_weight),
        cmocka_unit_test(test_one_row_a_client),
        cmocka_unit_test(test_features_and_labels_of_few),
        cmocka_unit_test(test_a_client_without_columns),
        cmocka_unit_test(test_first_order_methods_of_many_features),
        cmocka_unit_test(test_memory_of_many_clients),
        cmocka_unit_test(test_messages_name_the_bounds),
        cmocka_unit_test(test_k_and_alpha_of_the_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
