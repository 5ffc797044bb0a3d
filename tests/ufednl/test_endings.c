// SPDX-License-Identifier: MIT
/* How runs end: limits, flags, tolerances that doubles cannot reach, data that have no optimum. And
 * that it ends alike where the clients are elsewhere. */
#include "solve_case.h"

#include "network_case.h"

enum { ROWS = 60, FEATURES = 8, CLIENTS = 4 };

static fednl_options options(void)
{
    fednl_options opt = fednl_options_default();
    opt.clients = CLIENTS;
    opt.lambda = 0.01;
    opt.k = (fednl_k){12, FEDNL_K_ENTRIES};
    opt.participants = 2;
    return opt;
}

/* ---- limits ---- */

typedef struct watch {
    size_t rounds; // reported
    fednl_round last;
    ct_stop_flag stop;
    size_t stop_at;
} watch;

static void look(void *context, const fednl_round *round)
{
    watch *w = context;
    w->rounds++;
    w->last = *round;
    if (round->round == w->stop_at)
        atomic_store(&w->stop, true);
}

static fednl_options watched(watch *w)
{
    fednl_options opt = options();
    memset(w, 0, sizeof *w);
    atomic_init(&w->stop, false);
    w->stop_at = SIZE_MAX;
    opt.on_round = look;
    opt.context = w;
    opt.stop = &w->stop;
    opt.tol = 0.0;
    opt.max_rounds = 20;
    return opt;
}

// with every method: the start is evaluated, reported and certified, and no step taken
static void test_no_rounds(void **state)
{
    (void)state;
    dense_case c;
    static dense_method m;
    double x[DENSE_MOST] = {0}, as_data[DENSE_MOST], g[DENSE_MOST];
    watch w;
    const size_t sizes[] = {15, 15, 15, 15};
    dense_case_init(&c, ROWS, FEATURES, true, 0.5, 4);
    fednl_options opt = watched(&w);
    opt.max_rounds = 0;
    dense_method_init(&m, &c, CLIENTS, sizes, &opt);
    method_gradient(&m, x, g);
    for (size_t i = 0; next_method(i, &opt); i++) {
        w.rounds = 0;
        fednl_result result = solve(c.data, &opt, as_data);
        assert_int_equal(result.outcome, FEDNL_MAX_ROUNDS);
        assert_int_equal(result.rounds, 0);
        assert_int_equal(w.rounds, 1);
        assert_true(isnan(w.last.step));
        ct_assert_near(result.f, log(2.0), 1e-15, 0.0);
        ct_assert_near(w.last.f, log(2.0), 1e-15, 0.0);
        ct_assert_near(result.grad_norm, sqrt(dense_dot(c.d, g, g)), 1e-13, 0.0);
        assert_true(result.x_norm == 0.0);
        assert_memory_equal(as_data, x, c.d * sizeof *x);
    }
    dense_case_clear(&c);
}

// it ends with the first round that has sent so much, and a limit that is reached stays reached
static void test_byte_limit(void **state)
{
    (void)state;
    dense_case c;
    watch w;
    dense_case_init(&c, ROWS, FEATURES, true, 0.5, 4);
    fednl_options opt = watched(&w);
    opt.compressor = FEDNL_COMPRESSOR_TOPK;
    opt.max_rounds = 4;
    uint64_t four_rounds = solve(c.data, &opt, NULL).traffic.bytes_up;
    opt.max_rounds = 20;
    opt.max_bytes_up = four_rounds;
    fednl_solver *solver = solver_open(c.data, &opt);
    fednl_result result = solver_run(solver);
    assert_int_equal(result.outcome, FEDNL_BYTE_LIMIT);
    assert_int_equal(result.rounds, 4);
    assert_int_equal(result.traffic.bytes_up, four_rounds);
    result = solver_run(solver);
    assert_int_equal(result.outcome, FEDNL_BYTE_LIMIT);
    assert_int_equal(result.rounds, 4);
    fednl_solver_destroy(solver);
    opt.max_bytes_up = four_rounds + 1;
    assert_int_equal(solve(c.data, &opt, NULL).rounds, 5);
    dense_case_clear(&c);
}

// raised within a round: no step after it; lowered, it goes on with the same bits
static void test_stop_flag(void **state)
{
    (void)state;
    dense_case c;
    watch w;
    double x[DENSE_MOST], again[DENSE_MOST];
    dense_case_init(&c, ROWS, FEATURES, true, 0.5, 4);
    fednl_options opt = watched(&w);
    opt.compressor = FEDNL_COMPRESSOR_RANDK;
    opt.max_rounds = 9;
    (void)solve(c.data, &opt, x);
    w.stop_at = 5;
    fednl_solver *solver = solver_open(c.data, &opt);
    fednl_result result = solver_run(solver);
    assert_int_equal(result.outcome, FEDNL_INTERRUPTED);
    assert_int_equal(result.rounds, 5);
    result = solver_run(solver); // still raised
    assert_int_equal(result.outcome, FEDNL_INTERRUPTED);
    assert_int_equal(result.rounds, 5);
    atomic_store(&w.stop, false);
    for (size_t i = 5; i < 9; i++) {
        w.stop_at = i + 1;
        assert_int_equal(solver_run(solver).rounds, i + 1);
        atomic_store(&w.stop, false);
    }
    memcpy(again, fednl_solver_x(solver), c.d * sizeof *again);
    assert_memory_equal(x, again, c.d * sizeof *x);
    fednl_solver_destroy(solver);
    dense_case_clear(&c);
}

static void wait_a_little(void *context, const fednl_round *round)
{
    (void)context;
    (void)round;
    const struct timespec pause = {.tv_nsec = 2000000};
    nanosleep(&pause, NULL);
}

static void test_time_limit(void **state)
{
    (void)state;
    dense_case c;
    watch w;
    dense_case_init(&c, ROWS, FEATURES, true, 0.5, 4);
    fednl_options opt = watched(&w);
    opt.max_rounds = 1000000;
    opt.algorithm = FEDNL_ALGORITHM_GD;
    opt.on_round = wait_a_little;
    opt.time_limit_s = 0.05;
    fednl_solver *solver = solver_open(c.data, &opt);
    fednl_result result = solver_run(solver);
    assert_int_equal(result.outcome, FEDNL_TIME_LIMIT);
    assert_in_range(result.rounds, 0, 25);
    size_t before = result.rounds;
    result = solver_run(solver); // of each run
    assert_int_equal(result.outcome, FEDNL_TIME_LIMIT);
    assert_true(result.rounds >= before);
    fednl_solver_destroy(solver);
    dense_case_clear(&c);
}

/* ---- tolerances ---- */

// every method comes to what doubles can reach, and none makes an error of it
static void test_a_tolerance_out_of_reach(void **state)
{
    (void)state;
    dense_case c;
    dense_case_init(&c, ROWS, FEATURES, true, 0.5, 4);
    fednl_options opt = options();
    opt.tol = 1e-300;
    for (size_t i = 0; next_method(i, &opt); i++) {
        opt.max_rounds = opt.algorithm == FEDNL_ALGORITHM_GD ? 3000 : 500;
        fednl_result result = solve(c.data, &opt, NULL);
        if (result.grad_norm > 1e-15)
            name_method(&opt, &result);
        assert_true(result.outcome == FEDNL_STALLED || result.outcome == FEDNL_MAX_ROUNDS ||
                    result.outcome == FEDNL_CONVERGED);
        assert_true(result.grad_norm <= 1e-14);
    }
    dense_case_clear(&c);
}

/* ---- no optimum ---- */

// separable rows: whatever the method, the end is no error but that of a factorisation, and no NaN
static void test_separable_data(void **state)
{
    (void)state;
    dense_case c;
    static const double value[] = {1.0, 0.5, 2.0, 0.1, 0.7, 0.0, -1.0, -0.3, -2.0, 0.2, -0.6, 0.0};
    static const double sign[] = {1, 1, 1, -1, -1, -1}, lambdas[] = {0.0, 1e-12};
    dense_case_take(&c, 6, 2, true, value, sign);
    for (size_t l = 0; l < 2; l++) {
        fednl_options opt = options();
        opt.lambda = lambdas[l];
        opt.clients = 2;
        opt.k = (fednl_k){3, FEDNL_K_ENTRIES};
        opt.max_rounds = 300;
        opt.participants = 1;
        opt.tol = 1e-11;
        for (size_t i = 0; next_method(i, &opt); i++) {
            fednl_solver *solver = solver_open(c.data, &opt);
            fednl_result result = {0};
            fednl_model *model;
            ct_diag diag = {""};
            ct_status status = fednl_solver_run(solver, &result, &diag);
            if (status != CT_OK)
                ct_assert_status(status, FEDNL_EFACTOR, &diag);
            ct_assert_ok(fednl_solver_model(solver, &model), &diag);
            for (size_t k = 0; k < c.d; k++)
                assert_true(isfinite(model->w[k]));
            assert_true(status != CT_OK || (isfinite(result.f) && isfinite(result.grad_norm)));
            assert_true(status != CT_OK || result.f <= log(2.0) + 1e-15);
            fednl_model_destroy(model);
            fednl_solver_destroy(solver);
        }
    }
    dense_case_clear(&c);
}

/* ---- divergence ---- */

// the model is the iterate of smallest f; nothing can be saved; a second run begins there
static void test_divergence(void **state)
{
    (void)state;
    dense_case c;
    dense_case_init(&c, ROWS, FEATURES, true, 0.5, 4);
    fednl_options opt = options();
    opt.algorithm = FEDNL_ALGORITHM_GD;
    opt.step_size = 1e4;
    opt.lambda = 1.0;
    fednl_solver *solver = solver_open(c.data, &opt);
    for (int i = 0; i < 2; i++) {
        fednl_result result = solver_run(solver);
        assert_int_equal(result.outcome, FEDNL_DIVERGED);
        assert_true(result.x_norm == 0.0);
        ct_assert_near(result.f, log(2.0), 1e-15, 0.0);
    }
    ct_diag diag = {""};
    char *path = ct_test_path("diverged");
    ct_assert_status(fednl_solver_save(solver, path, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "divergence");
    free(path);
    fednl_solver_destroy(solver);
    dense_case_clear(&c);
}

/* The outcome where the clients are elsewhere, and what they are told. */
static fednl_result run_elsewhere(const ct_dataset *data, const fednl_options *opt)
{
    network n;
    ct_diag diag = {""};
    fednl_solver *solver;
    network_deal(&n, data, opt->clients, opt);
    network_open(&n, false);
    ct_assert_ok(fednl_solver_create_remote(&solver, n.transport, opt, NULL, &diag), &diag);
    fednl_result result = solver_run(solver);
    fednl_solver_destroy(solver);
    for (size_t i = 0; i < n.clients; i++) {
        participant_wait(&n.client[i]);
        ct_assert_ok(n.client[i].status, &n.client[i].diag);
        assert_int_equal(n.client[i].result.outcome, result.outcome);
        assert_true((n.client[i].result.model == NULL) == (result.outcome == FEDNL_DIVERGED));
    }
    network_close(&n);
    return result;
}

// steps so long that x, or what the clients make of it, is no number
static void test_divergence_over_a_transport(void **state)
{
    (void)state;
    dense_case c;
    dense_case_init(&c, ROWS, FEATURES, true, 0.5, 4);
    static const double steps[] = {1e4, 1e200, 1e307, 1e308};
    const double label[2] = {1.0, -1.0};
    fednl_model *start;
    ct_assert_ok(fednl_model_create(&start, FEATURES, 1.0, label), NULL);
    for (size_t k = 0; k < c.d; k++)
        start->w[k] = 10.0;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        fednl_options opt = options();
        opt.algorithm = FEDNL_ALGORITHM_GD;
        opt.step_size = steps[i];
        opt.lambda = 40.0;
        opt.start = start;
        fednl_result here = solve(c.data, &opt, NULL), there = run_elsewhere(c.data, &opt);
        assert_int_equal(here.outcome, FEDNL_DIVERGED);
        assert_int_equal(there.outcome, FEDNL_DIVERGED);
        assert_int_equal(there.rounds, here.rounds);
    }
    fednl_model_destroy(start);
    dense_case_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_rounds),
        cmocka_unit_test(test_byte_limit),
        cmocka_unit_test(test_stop_flag),
        cmocka_unit_test(test_time_limit),
        cmocka_unit_test(test_a_tolerance_out_of_reach),
        cmocka_unit_test(test_separable_data),
        cmocka_unit_test(test_divergence),
        cmocka_unit_test(test_divergence_over_a_transport),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
