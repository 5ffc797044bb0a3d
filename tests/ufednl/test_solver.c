// SPDX-License-Identifier: MIT
/* The solver as a whole on small generated problems: Newton's iterates, independence of threads and
 * of the split, endings, refusals, and failing allocations. */
#include "ct_test.h"

#include <ctrain/rng.h>
#include <ctrain/transport.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <ufednl/ufednl.h>

static ct_dataset *generate(size_t rows, size_t cols, double nnz)
{
    ct_sparse_options opt = ct_sparse_options_default();
    opt.rows = rows;
    opt.cols = cols;
    opt.nnz_per_row = nnz;
    opt.positive_fraction = 0.3;
    opt.binary = false;
    opt.seed = 7;
    ct_dataset *data;
    ct_diag diag = {0};
    ct_assert_ok(ct_dataset_generate_sparse(&data, &opt, &diag), &diag);
    return data;
}

static fednl_solver *create(const ct_dataset *data, const fednl_options *opt)
{
    fednl_solver *solver;
    ct_diag diag = {0};
    ct_assert_ok(fednl_solver_create(&solver, data, opt, &diag), &diag);
    return solver;
}

static fednl_result run(fednl_solver *solver)
{
    fednl_result result;
    ct_diag diag = {0};
    ct_assert_ok(fednl_solver_run(solver, &result, &diag), &diag);
    return result;
}

static fednl_k entries(size_t n)
{
    return (fednl_k){(double)n, FEDNL_K_ENTRIES};
}

/* ---- Against Newton's method ---- */

/* Solve A x = b (n) by Gaussian elimination with pivoting, in place. */
static void solve_dense(double *a, double *b, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        size_t pivot = k;
        for (size_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k]))
                pivot = i;
        for (size_t j = 0; j < n; j++) {
            double held = a[k * n + j];
            a[k * n + j] = a[pivot * n + j];
            a[pivot * n + j] = held;
        }
        double held = b[k];
        b[k] = b[pivot];
        b[pivot] = held;
        for (size_t i = k + 1; i < n; i++) {
            double factor = a[i * n + k] / a[k * n + k];
            for (size_t j = k; j < n; j++)
                a[i * n + j] -= factor * a[k * n + j];
            b[i] -= factor * b[k];
        }
    }
    for (size_t k = n; k-- > 0;) {
        for (size_t j = k + 1; j < n; j++)
            b[k] -= a[k * n + j] * b[j];
        b[k] /= a[k * n + k];
    }
}

/* x -= (Hessian)^-1 gradient, dense and slow. */
static void newton_step(const ct_dataset *data, double lambda, double *x)
{
    size_t d = data->cols + 1;
    double *a = calloc(d, sizeof *a), *g = calloc(d, sizeof *g), *h = calloc(d * d, sizeof *h);
    for (size_t j = 0; j < data->rows; j++) {
        memset(a, 0, d * sizeof *a);
        for (size_t e = data->row_start[j]; e < data->row_start[j + 1]; e++)
            a[data->col[e]] = data->val[e];
        a[d - 1] = 1.0;
        double z = 0.0, b = data->label[j], m = (double)data->rows;
        for (size_t c = 0; c < d; c++)
            z += a[c] * x[c];
        double s = 1.0 / (1.0 + exp(b * z));
        for (size_t c = 0; c < d; c++) {
            g[c] -= b * s * a[c] / m;
            for (size_t r = 0; r < d; r++)
                h[c * d + r] += s * (1.0 - s) * a[c] * a[r] / m;
        }
    }
    for (size_t c = 0; c < d; c++) {
        g[c] += lambda * x[c];
        h[c * d + c] += lambda;
    }
    solve_dense(h, g, d);
    for (size_t c = 0; c < d; c++)
        x[c] -= g[c];
    free(a);
    free(g);
    free(h);
}

// with Identity nothing is lacking: every round is a step of Newton's method, for any split
static void test_identity_is_newton(void **state)
{
    (void)state;
    ct_dataset *data = generate(200, 12, 4.0);
    for (size_t clients = 1; clients <= 9; clients += 4) {
        fednl_options opt = fednl_options_default();
        opt.clients = clients;
        opt.algorithm = FEDNL_ALGORITHM_FEDNL;
        opt.option = FEDNL_OPTION_B;
        opt.max_rounds = 1;
        opt.tol = 0.0;
        fednl_solver *solver = create(data, &opt);
        double x[13] = {0};
        for (size_t round = 1; round <= 4; round++) {
            fednl_result result = run(solver);
            assert_int_equal(result.outcome, FEDNL_MAX_ROUNDS);
            assert_int_equal(result.rounds, round);
            newton_step(data, opt.lambda, x);
            ct_assert_array_near(fednl_solver_x(solver), x, 13, 1e-10, 1e-11);
        }
        fednl_solver_destroy(solver);
    }
    ct_dataset_destroy(data);
}

/* ---- Independence ---- */

typedef struct history {
    size_t n;
    double values[4][400];
} history;

static void remember(void *context, const fednl_round *round)
{
    history *h = context;
    assert_int_equal(round->round, h->n);
    h->values[0][h->n] = round->f;
    h->values[1][h->n] = round->grad_norm;
    h->values[2][h->n] = round->shift;
    h->values[3][h->n++] = (double)round->traffic.bytes_up;
}

/* Every method that a compressor goes with, and the baselines. */
typedef struct combination {
    fednl_algorithm algorithm;
    fednl_option option;
    fednl_compressor compressor;
} combination;

static size_t list_combinations(combination *out)
{
    static const fednl_algorithm compressed[] = {FEDNL_ALGORITHM_FEDNL, FEDNL_ALGORITHM_LS,
                                                 FEDNL_ALGORITHM_PP, FEDNL_ALGORITHM_CR,
                                                 FEDNL_ALGORITHM_BC};
    static const fednl_algorithm plain[] = {FEDNL_ALGORITHM_NEWTON, FEDNL_ALGORITHM_GD,
                                            FEDNL_ALGORITHM_LBFGS};
    size_t n = 0;
    for (size_t a = 0; a < 5; a++)
        for (int option = FEDNL_OPTION_A; option <= FEDNL_OPTION_B; option++)
            for (int c = FEDNL_COMPRESSOR_IDENTITY; c <= FEDNL_COMPRESSOR_RANKR; c++)
                out[n++] = (combination){compressed[a], (fednl_option)option, (fednl_compressor)c};
    for (size_t a = 0; a < 3; a++)
        out[n++] = (combination){plain[a], FEDNL_OPTION_A, FEDNL_COMPRESSOR_IDENTITY};
    return n;
}

static fednl_options options_of(const combination *c)
{
    fednl_options opt = fednl_options_default();
    opt.clients = 17;
    opt.algorithm = c->algorithm;
    opt.option = c->option;
    opt.compressor = c->compressor;
    opt.k = entries(60);
    opt.participants = 5;
    opt.max_rounds = 3000;
    return opt;
}

static void test_every_method_finds_the_optimum(void **state)
{
    (void)state;
    ct_dataset *data = generate(500, 40, 6.0);
    combination all[80];
    double x[41] = {0};
    for (int i = 0; i < 30; i++)
        newton_step(data, 1e-2, x);
    for (size_t i = 0, n = list_combinations(all); i < n; i++) {
        fednl_options opt = options_of(&all[i]);
        opt.lambda = 1e-2;
        fednl_solver *solver = create(data, &opt);
        fednl_result result = run(solver);
        print_message("%s %s %s: %s after %zu rounds, %.2e\n", fednl_algorithm_name(opt.algorithm),
                      opt.option == FEDNL_OPTION_A ? "A" : "B",
                      fednl_compressor_name(opt.compressor), fednl_outcome_name(result.outcome),
                      result.rounds, result.grad_norm);
        assert_int_equal(result.outcome, FEDNL_CONVERGED);
        assert_true(result.grad_norm <= 1.01e-9);
        ct_assert_array_near(fednl_solver_x(solver), x, 41, 1e-6, 1e-6);
        fednl_solver_destroy(solver);
    }
    ct_dataset_destroy(data);
}

static void test_threads_do_not_change_a_bit(void **state)
{
    (void)state;
    ct_dataset *data = generate(500, 40, 6.0);
    combination all[80];
    for (size_t i = 0, n = list_combinations(all); i < n; i++) {
        static history of[3];
        double x[3][41];
        memset(of, 0, sizeof of);
        for (size_t threads = 1; threads <= 3; threads++) {
            fednl_options opt = options_of(&all[i]);
            opt.max_rounds = 12;
            opt.threads = threads;
            opt.on_round = remember;
            opt.context = &of[threads - 1];
            fednl_solver *solver = create(data, &opt);
            run(solver);
            memcpy(x[threads - 1], fednl_solver_x(solver), sizeof x[0]);
            fednl_solver_destroy(solver);
        }
        assert_true(of[0].n > 3);
        assert_memory_equal(&of[0], &of[1], sizeof of[0]);
        assert_memory_equal(&of[0], &of[2], sizeof of[0]);
        assert_memory_equal(x[0], x[1], sizeof x[0]);
        assert_memory_equal(x[0], x[2], sizeof x[0]);
    }
    ct_dataset_destroy(data);
}

// two runs of half the rounds are one run: rounds reported, traffic and bits
static void test_a_second_run_goes_on(void **state)
{
    (void)state;
    ct_dataset *data = generate(500, 40, 6.0);
    static history of[2];
    double x[2][41];
    memset(of, 0, sizeof of);
    for (size_t runs = 1; runs <= 2; runs++) {
        fednl_options opt = fednl_options_default();
        opt.clients = 17;
        opt.compressor = FEDNL_COMPRESSOR_TOPK;
        opt.k = entries(60);
        opt.max_rounds = 4 / runs;
        opt.on_round = remember;
        opt.context = &of[runs - 1];
        fednl_solver *solver = create(data, &opt);
        for (size_t i = 0; i < runs; i++)
            assert_int_equal(run(solver).outcome, FEDNL_MAX_ROUNDS);
        memcpy(x[runs - 1], fednl_solver_x(solver), sizeof x[0]);
        fednl_solver_destroy(solver);
    }
    assert_int_equal(of[0].n, 5);
    assert_memory_equal(&of[0], &of[1], sizeof of[0]);
    assert_memory_equal(x[0], x[1], sizeof x[0]);
    ct_dataset_destroy(data);
}

// clients weigh by their rows, so the optimum is that of all rows together, for uneven splits too
static void test_optimum_does_not_depend_on_the_split(void **state)
{
    (void)state;
    ct_dataset *data = generate(301, 20, 5.0);
    double x[21] = {0};
    for (int i = 0; i < 30; i++)
        newton_step(data, 1e-3, x);
    const size_t clients[] = {1, 2, 7, 100, 301};
    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
        fednl_options opt = fednl_options_default();
        opt.clients = clients[i];
        opt.compressor = FEDNL_COMPRESSOR_TOPK;
        opt.k = entries(30);
        opt.seed = i;
        opt.tol = 1e-13;
        fednl_solver *solver = create(data, &opt);
        fednl_result result = run(solver);
        assert_int_equal(result.outcome, FEDNL_CONVERGED);
        assert_int_equal(result.clients, clients[i]);
        assert_true(result.grad_norm <= 2e-13);
        ct_assert_array_near(fednl_solver_x(solver), x, 21, 1e-9, 1e-9);
        fednl_solver_destroy(solver);
    }
    ct_dataset_destroy(data);
}

/* ---- Traffic ---- */

static void test_traffic_is_counted(void **state)
{
    (void)state;
    ct_dataset *data = generate(60, 9, 3.0);
    fednl_options opt = fednl_options_default();
    opt.algorithm = FEDNL_ALGORITHM_FEDNL;
    opt.clients = 3;
    opt.compressor = FEDNL_COMPRESSOR_TOPK;
    opt.k = entries(5);
    opt.tol = 0.0;
    opt.max_rounds = 0;
    fednl_solver *solver = create(data, &opt);
    fednl_result start = run(solver);
    size_t frames = 3 * (size_t)CT_FRAME_HEADER_BYTES;
    assert_in_range(start.traffic.bytes_down, frames + 3 * 8 * 10, 2 * frames + 3 * 8 * 10);
    assert_in_range(start.traffic.bytes_up, frames + 8 * (start.pattern + 3 * 2),
                    2 * frames + 3 * 8 * (10 + 2) + 12 * start.pattern);
    fednl_result next = run(solver); // still at the same x: nothing is sent
    assert_int_equal(next.traffic.bytes_up, start.traffic.bytes_up);
    fednl_solver_destroy(solver);
    opt.max_rounds = 1;
    solver = create(data, &opt);
    next = run(solver);
    uint64_t up = next.traffic.bytes_up - start.traffic.bytes_up;
    assert_in_range(up, frames + 3 * 8 * (2 + 5), 2 * frames + 3 * (8 * (10 + 2) + (8 + 4) * 5));
    uint64_t indices = next.traffic.bytes_up_indices - start.traffic.bytes_up_indices;
    assert_in_range(indices, 3, 3 * 4 * 5);
    assert_int_equal(next.traffic.bytes_down, 2 * start.traffic.bytes_down);
    fednl_solver_destroy(solver);
    ct_dataset_destroy(data);
}

/* ---- Endings ---- */

static void test_stop_flag_and_time_limit(void **state)
{
    (void)state;
    ct_dataset *data = generate(100, 10, 3.0);
    ct_stop_flag stop;
    atomic_init(&stop, true);
    fednl_options opt = fednl_options_default();
    opt.stop = &stop;
    fednl_solver *solver = create(data, &opt);
    fednl_result result = run(solver);
    assert_int_equal(result.outcome, FEDNL_INTERRUPTED);
    assert_int_equal(result.rounds, 0);
    atomic_store(&stop, false);
    assert_int_equal(run(solver).outcome, FEDNL_CONVERGED); // goes on
    fednl_solver_destroy(solver);
    opt.tol = 0.0;
    opt.time_limit_s = 1e-9;
    solver = create(data, &opt);
    assert_int_equal(run(solver).outcome, FEDNL_TIME_LIMIT);
    fednl_solver_destroy(solver);
    ct_dataset_destroy(data);
}

static ct_dataset *from_rows(size_t rows, size_t cols, const double *dense, const double *label)
{
    size_t start[32] = {0}, n = 0;
    uint32_t col[256];
    double val[256];
    for (size_t j = 0; j < rows; j++) {
        for (uint32_t c = 0; c < cols; c++) {
            if (dense[j * cols + c] == 0.0)
                continue;
            col[n] = c;
            val[n++] = dense[j * cols + c];
        }
        start[j + 1] = n;
    }
    ct_dataset *data;
    ct_diag diag = {0};
    ct_assert_ok(ct_dataset_from_csr(&data, rows, cols, start, col, val, label, &diag), &diag);
    return data;
}

// separable without a regulariser: the weights would grow for ever. Whatever the ending, no NaN
static void test_separable_data(void **state)
{
    (void)state;
    const double rows[] = {1.0, 0.5, 2.0, 0.1, -1.0, -0.3, -2.0, 0.2}, label[] = {1, 1, -1, -1};
    ct_dataset *data = from_rows(4, 2, rows, label);
    const double lambdas[] = {1.0, 1e-3, 1e-12, 0.0};
    for (size_t i = 0; i < 4; i++) {
        fednl_options opt = fednl_options_default();
        opt.lambda = lambdas[i];
        opt.clients = 2;
        opt.tol = 1e-13;
        opt.max_rounds = 200;
        fednl_solver *solver = create(data, &opt);
        fednl_result result;
        ct_diag diag = {0};
        ct_status status = fednl_solver_run(solver, &result, &diag);
        for (size_t c = 0; c < 3; c++)
            assert_true(isfinite(fednl_solver_x(solver)[c]));
        if (lambdas[i] >= 1e-3)
            assert_int_equal(result.outcome, FEDNL_CONVERGED);
        if (status != CT_OK)
            ct_assert_contains(diag.text, "positive definite");
        fednl_solver_destroy(solver);
    }
    ct_dataset_destroy(data);
}

// a column that is always zero leaves the Hessian singular where lambda is 0
static void test_lambda_zero(void **state)
{
    (void)state;
    const double rows[] = {1.0, 0.0, -0.5, 0.0, 2.0, 0.0, -1.0, 0.0}, label[] = {2, 1, 1, 2};
    ct_dataset *data = from_rows(4, 2, rows, label);
    fednl_options opt = fednl_options_default();
    opt.lambda = 0.0;
    fednl_solver *solver = create(data, &opt); // option A raises the eigenvalue 0
    assert_int_equal(run(solver).outcome, FEDNL_CONVERGED);
    assert_true(fednl_solver_x(solver)[1] == 0.0);
    fednl_solver_destroy(solver);
    opt.option = FEDNL_OPTION_B;
    solver = create(data, &opt);
    fednl_result result;
    ct_diag diag = {0};
    ct_assert_status(fednl_solver_run(solver, &result, &diag), FEDNL_EFACTOR, &diag);
    ct_assert_contains(diag.text, "lambda");
    fednl_solver_destroy(solver);
    ct_dataset_destroy(data);
    const double regular[] = {1.0, -0.5, 2.0, -1.0, 0.4, 0.1};
    const double mixed[] = {2, 1, 1, 2, 2, 1};
    data = from_rows(6, 1, regular, mixed);
    solver = create(data, &opt);
    assert_int_equal(run(solver).outcome, FEDNL_CONVERGED);
    fednl_solver_destroy(solver);
    ct_dataset_destroy(data);
}

// rows so large that their Hessian overflows
static void test_overflow_is_divergence(void **state)
{
    (void)state;
    const double rows[] = {1e200, -1e200, 1e200, 1e200}, label[] = {1, -1, 1, 0};
    ct_dataset *data = from_rows(2, 2, rows, label);
    fednl_solver *solver = create(data, NULL);
    fednl_result result = {0};
    ct_status status = fednl_solver_run(solver, &result, NULL);
    assert_true(status == FEDNL_EFACTOR || result.outcome == FEDNL_DIVERGED);
    for (size_t c = 0; c < 3; c++)
        assert_true(isfinite(fednl_solver_x(solver)[c]));
    fednl_solver_destroy(solver);
    ct_dataset_destroy(data);
}

/* ---- Refusals ---- */

static void refuse(const ct_dataset *data, const fednl_options *opt, ct_status expected,
                   const char *reason)
{
    fednl_solver *solver = (fednl_solver *)&solver;
    ct_diag diag = {0};
    ct_assert_status(fednl_solver_create(&solver, data, opt, &diag), expected, &diag);
    assert_null(solver);
    ct_assert_contains(diag.text, reason);
}

static void test_bad_options_are_refused(void **state)
{
    (void)state;
    ct_dataset *data = generate(50, 6, 2.0);
    const fednl_options good = fednl_options_default();
    fednl_options opt = good;
    opt.lambda = -1e-3;
    refuse(data, &opt, CT_EINVALID, "lambda");
    opt.lambda = NAN;
    refuse(data, &opt, CT_EINVALID, "lambda");
    opt = good;
    opt.tol = -1.0;
    refuse(data, &opt, CT_EINVALID, "tol");
    opt = good;
    opt.clients = 0;
    refuse(data, &opt, CT_EINVALID, "0 clients");
    opt.clients = 51;
    refuse(data, &opt, CT_EINVALID, "51 clients are more than the 50 rows");
    opt = good;
    opt.compressor = FEDNL_COMPRESSOR_TOPK;
    opt.k = entries(29);
    refuse(data, &opt, CT_EINVALID, "28 entries");
    opt = good;
    opt.time_limit_s = -1.0;
    refuse(data, &opt, CT_EINVALID, "time limit");
    opt = good;
    opt.threads = 100000;
    refuse(data, &opt, CT_ERANGE, "thread");
    refuse(NULL, &good, CT_EINVALID, "no rows");
    ct_dataset_destroy(data);
}

static void test_labels_must_be_two(void **state)
{
    (void)state;
    const double rows[] = {1.0, 2.0, 3.0}, one[] = {1, 1, 1}, three[] = {1, 2, 3};
    ct_dataset *data = from_rows(3, 1, rows, one);
    refuse(data, NULL, CT_EINVALID, "label");
    ct_dataset_destroy(data);
    data = from_rows(3, 1, rows, three);
    refuse(data, NULL, CT_EINVALID, "label");
    ct_dataset_destroy(data);
}

// d^2 memory is asked about before it is asked for
static void test_a_huge_dimension_is_refused(void **state)
{
    (void)state;
    size_t start[] = {0, 1, 2};
    const double val[] = {1.0, 1.0}, label[] = {1, -1};
    const uint32_t last[] = {100000, 400000, 4000000, UINT32_MAX - 2};
    for (size_t i = 0; i < 4; i++) {
        uint32_t col[] = {0, last[i]};
        ct_dataset *data;
        ct_diag diag = {0};
        ct_assert_ok(
            ct_dataset_from_csr(&data, 2, (size_t)last[i] + 1, start, col, val, label, &diag),
            &diag);
        refuse(data, NULL, CT_ENOMEM, "GB");
        ct_dataset_destroy(data);
    }
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    ct_dataset *data = generate(60, 8, 3.0);
    fednl_options opt = fednl_options_default();
    opt.clients = 4;
    opt.compressor = FEDNL_COMPRESSOR_TOPK;
    opt.k = entries(10);
    fednl_solver_destroy(create(data, &opt)); // OpenBLAS is loaded
    for (unsigned long k = 1; k < 1000; k++) {
        fednl_solver *solver = NULL;
        fednl_model *model = NULL;
        ct_diag diag = {0};
        ct_test_fail_allocation(k);
        ct_status status = fednl_solver_create(&solver, data, &opt, &diag);
        fednl_result result;
        if (status == CT_OK)
            status = fednl_solver_run(solver, &result, &diag);
        if (status == CT_OK)
            status = fednl_solver_model(solver, &model);
        bool failed = ct_test_fail_allocation(0);
        ct_assert_status(status, failed ? CT_ENOMEM : CT_OK, &diag);
        fednl_model_destroy(model);
        fednl_solver_destroy(solver);
        if (!failed) {
            print_message("%lu allocations\n", k - 1);
            break;
        }
    }
    ct_dataset_destroy(data);
}

static void test_names(void **state)
{
    (void)state;
    fednl_algorithm algorithm;
    fednl_compressor compressor;
    assert_true(fednl_compressor_from_name(&compressor, "topk"));
    assert_int_equal(compressor, FEDNL_COMPRESSOR_TOPK);
    assert_string_equal(fednl_compressor_name(compressor), "topk");
    assert_false(fednl_compressor_from_name(&compressor, "top"));
    assert_true(fednl_algorithm_from_name(&algorithm, "fednl"));
    assert_string_equal(fednl_algorithm_name(algorithm), "fednl");
    assert_false(fednl_algorithm_from_name(&algorithm, "adam"));
    assert_string_equal(fednl_outcome_name(FEDNL_DIVERGED), "diverged");
    assert_string_equal(fednl_outcome_name((fednl_outcome)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity_is_newton),
        cmocka_unit_test(test_every_method_finds_the_optimum),
        cmocka_unit_test(test_threads_do_not_change_a_bit),
        cmocka_unit_test(test_a_second_run_goes_on),
        cmocka_unit_test(test_optimum_does_not_depend_on_the_split),
        cmocka_unit_test(test_traffic_is_counted),
        cmocka_unit_test(test_stop_flag_and_time_limit),
        cmocka_unit_test(test_separable_data),
        cmocka_unit_test(test_lambda_zero),
        cmocka_unit_test(test_overflow_is_divergence),
        cmocka_unit_test(test_bad_options_are_refused),
        cmocka_unit_test(test_labels_must_be_two),
        cmocka_unit_test(test_a_huge_dimension_is_refused),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
