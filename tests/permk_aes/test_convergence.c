// SPDX-License-Identifier: MIT
/* Methods and compressors on clients that do not share a minimiser, whose optimum is known: which
 * ones reach it, value types, schedules, and a run that goes on from a checkpoint. */
#include "ct_test.h"

#include <ctrain/rng.h>
#include <math.h>
#include <permk_aes/permk_aes.h>
#include <stdlib.h>
#include <string.h>

enum { N = 6, D = 40 };

/* f_i(x) = 1/2 sum_j w_ij (x_j - c_ij)^2. */
typedef struct bowls {
    double w[N][D], c[N][D], optimum[D];
    const double *x;
    uint64_t round; // of the minibatch; UINT64_MAX: all
} bowls;

static void bowls_move(void *state, const double *x)
{
    ((bowls *)state)->x = x;
}

/* Minibatch noise that is zero on average over two rounds. */
static double noise(const bowls *b)
{
    if (b->round == UINT64_MAX)
        return 0.0;
    return b->round % 2 == 0 ? 0.05 : -0.05;
}

static ct_status bowls_gradient(void *state, uint32_t client, double *loss, double *gradient,
                                ct_diag *diag)
{
    (void)diag;
    const bowls *b = state;
    double sum = 0;
    for (size_t j = 0; j < D; j++) {
        double r = b->x[j] - b->c[client][j];
        sum += 0.5 * b->w[client][j] * r * r;
        if (gradient != NULL)
            gradient[j] = b->w[client][j] * r + noise(b);
    }
    if (loss != NULL)
        *loss = sum;
    return CT_OK;
}

static void bowls_batch(void *state, uint64_t round)
{
    ((bowls *)state)->round = round;
}

static const permk_problem_ops ops = {
    .move = bowls_move, .gradient = bowls_gradient, .batch = bowls_batch};

static permk_problem make(bowls *b)
{
    ct_rng rng;
    ct_rng_init(&rng, 3, CT_RNG_USER, 0, 0);
    double total[D] = {0};
    memset(b->optimum, 0, sizeof b->optimum);
    b->round = UINT64_MAX;
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < D; j++) {
            b->w[i][j] = 0.5 + ct_rng_uniform(&rng);
            b->c[i][j] = ct_rng_normal(&rng);
            b->optimum[j] += b->w[i][j] * b->c[i][j];
            total[j] += b->w[i][j];
        }
    }
    for (size_t j = 0; j < D; j++)
        b->optimum[j] /= total[j];
    return (permk_problem){.ops = &ops,
                           .state = b,
                           .clients = N,
                           .dimension = D,
                           .smoothness = 1.5,
                           .max_smoothness = 1.5,
                           .mean_square_smoothness = 1.5};
}

static permk_result run(const permk_train_options *opt, double *x)
{
    bowls b;
    permk_problem p = make(&b);
    permk_result r;
    ct_diag diag = {""};
    ct_assert_ok(permk_simulate(&r, &p, x, opt, &diag), &diag);
    return r;
}

static double distance(const double *x)
{
    bowls b;
    make(&b);
    double squared = 0;
    for (size_t j = 0; j < D; j++)
        squared += (x[j] - b.optimum[j]) * (x[j] - b.optimum[j]);
    return sqrt(squared);
}

static const permk_method variance_reduced[] = {PERMK_METHOD_DIANA, PERMK_METHOD_MARINA,
                                                PERMK_METHOD_EF21};

static bool goes_together(permk_method method, permk_compressor compressor)
{
    return compressor != PERMK_COMPRESSOR_TOPK || method == PERMK_METHOD_EF21 ||
           method == PERMK_METHOD_DCGD;
}

// with the steps of theory
static void shifts_reach_the_optimum(void **state)
{
    (void)state;
    for (size_t m = 0; m < 3; m++) {
        for (int c = PERMK_COMPRESSOR_PERMK; c <= PERMK_COMPRESSOR_IDENTITY; c++) {
            if (!goes_together(variance_reduced[m], (permk_compressor)c))
                continue;
            permk_train_options opt = permk_train_options_default();
            opt.method = variance_reduced[m];
            opt.compressor = (permk_compressor)c;
            opt.k = 8;
            opt.tol = 1e-20;
            opt.max_rounds = 200000;
            opt.eval_every = 10;
            double x[D] = {0};
            permk_result r = run(&opt, x);
            print_message("%s %s: %s after %llu rounds, step %.3g, distance %.2e\n",
                          permk_method_name(opt.method), permk_compressor_name(opt.compressor),
                          permk_outcome_name(r.outcome), (unsigned long long)r.rounds, r.step,
                          distance(x));
            assert_int_equal(r.outcome, PERMK_CONVERGED);
            assert_true(distance(x) < 1e-9);
        }
    }
}

// DCGD stays in a neighbourhood with a constant step, and comes nearer with a falling one
static void dcgd_needs_a_falling_step(void **state)
{
    (void)state;
    double at[2];
    for (int schedule = PERMK_STEP_CONSTANT; schedule <= PERMK_STEP_HARMONIC; schedule++) {
        permk_train_options opt = permk_train_options_default();
        opt.schedule = (permk_schedule)schedule;
        opt.step = 0.3;
        opt.step_half = 20;
        opt.tol = 0;
        opt.max_rounds = 4000;
        opt.eval_every = 4000;
        double x[D] = {0};
        assert_int_equal(run(&opt, x).outcome, PERMK_MAX_ROUNDS);
        at[schedule] = distance(x);
    }
    assert_true(at[PERMK_STEP_CONSTANT] > 0.3);
    assert_true(at[PERMK_STEP_HARMONIC] < 0.3 * at[PERMK_STEP_CONSTANT]);
}

static void identity_makes_every_method_gradient_descent(void **state)
{
    (void)state;
    double first[D] = {0};
    for (int m = PERMK_METHOD_GD; m <= PERMK_METHOD_EF21; m++) {
        permk_train_options opt = permk_train_options_default();
        opt.method = (permk_method)m;
        opt.compressor = PERMK_COMPRESSOR_IDENTITY;
        opt.step = 0.3;
        opt.tol = 0;
        opt.max_rounds = 20;
        double x[D] = {0};
        run(&opt, x);
        if (m == PERMK_METHOD_GD)
            memcpy(first, x, sizeof x);
        ct_assert_array_near(x, first, D, 1e-12, 1e-13);
    }
}

static void shorter_values_come_as_near_as_they_can(void **state)
{
    (void)state;
    const double reach[] = {[PERMK_VALUE_F64] = 1e-9,
                            [PERMK_VALUE_F32] = 1e-5,
                            [PERMK_VALUE_F16] = 0.05,
                            [PERMK_VALUE_BF16] = 0.3};
    for (int value = PERMK_VALUE_F64; value <= PERMK_VALUE_BF16; value++) {
        permk_train_options opt = permk_train_options_default();
        opt.method = PERMK_METHOD_DIANA;
        opt.value = (permk_value)value;
        opt.tol = 0;
        opt.max_rounds = 3000;
        opt.eval_every = 3000;
        double x[D] = {0};
        permk_result r = run(&opt, x);
        assert_true(distance(x) < reach[value]);
        assert_int_equal(r.client_bytes_up_per_round,
                         12 + 1 + 16 + 7 * permk_value_bytes((permk_value)value));
    }
}

static void minibatches_average_out(void **state)
{
    (void)state;
    permk_train_options opt = permk_train_options_default();
    opt.method = PERMK_METHOD_GD;
    opt.minibatches = true;
    opt.step = 0.1;
    opt.tol = 0;
    opt.max_rounds = 2000;
    opt.eval_every = 2000;
    double x[D] = {0};
    run(&opt, x);
    assert_true(distance(x) < 0.05);
    assert_true(distance(x) > 1e-6); // but they are noisy
}

// chunks change frames, not results
static void chunks_do_not_change_a_bit(void **state)
{
    (void)state;
    unsigned char first[32];
    for (size_t chunk = 64; chunk <= 1 << 20; chunk *= 64) {
        permk_train_options opt = permk_train_options_default();
        opt.method = PERMK_METHOD_GD;
        opt.step = 0.3;
        opt.tol = 0;
        opt.max_rounds = 7;
        opt.chunk_bytes = chunk;
        double x[D] = {0};
        permk_result r = run(&opt, x);
        size_t chunks = (8 * D - 1) / chunk + 1;
        assert_int_equal(r.client_bytes_up_per_round, 8 * D + chunks * (12 + 1 + 16));
        if (chunk == 64)
            memcpy(first, r.x_sha256, 32);
        assert_memory_equal(first, r.x_sha256, 32);
    }
}

// keys are replaced every two rounds, and the run goes on
static void epochs_do_not_change_a_bit(void **state)
{
    (void)state;
    unsigned char first[32];
    for (uint64_t rounds = 2; rounds <= 1 << 16; rounds <<= 15) {
        permk_train_options opt = permk_train_options_default();
        opt.step = 0.1;
        opt.tol = 0;
        opt.max_rounds = 21;
        opt.limits.rounds = rounds;
        double x[D] = {0};
        permk_result r = run(&opt, x);
        assert_int_equal(r.outcome, PERMK_MAX_ROUNDS);
        assert_int_equal(r.epochs, rounds == 2 ? 10 : 0);
        if (rounds == 2)
            memcpy(first, r.x_sha256, 32);
        assert_memory_equal(first, r.x_sha256, 32);
    }
}

static void a_resumed_run_is_the_same_run(void **state)
{
    (void)state;
    char *path = ct_test_path("permk.checkpoint");
    for (int m = PERMK_METHOD_GD; m <= PERMK_METHOD_EF21; m++) {
        permk_train_options opt = permk_train_options_default();
        opt.method = (permk_method)m;
        opt.step = 0.05;
        opt.tol = 0;
        opt.max_rounds = 30;
        double whole[D] = {0}, x[D] = {0};
        run(&opt, whole);
        opt.checkpoint = path;
        opt.checkpoint_every = 13;
        opt.max_rounds = 17;
        run(&opt, x);
        opt.max_rounds = 30;
        opt.resume = path;
        memset(x, 0, sizeof x);
        permk_result r = run(&opt, x);
        assert_int_equal(r.rounds, 30);
        assert_memory_equal(whole, x, sizeof x);
        opt.seed = 2; // another run
        bowls b;
        permk_problem p = make(&b);
        ct_diag diag = {""};
        ct_assert_status(permk_simulate(&r, &p, x, &opt, &diag), CT_ECHECKPOINT, &diag);
        ct_assert_contains(diag.text, "seed");
    }
    free(path);
}

static void steps_of_theory(void **state)
{
    (void)state;
    bowls b;
    permk_problem p = make(&b);
    p.smoothness = 2;
    p.max_smoothness = 4;
    p.mean_square_smoothness = 3;
    permk_train_options opt = permk_train_options_default();
    ct_assert_near(permk_theoretical_step(&p, &opt), 1.0 / 4, 1e-15, 0);
    opt.compressor = PERMK_COMPRESSOR_RANDK;
    opt.k = 10; // omega = 3
    ct_assert_near(permk_theoretical_step(&p, &opt), 1.0 / (2 + 2 * 4 * 3.0 / 6), 1e-15, 0);
    opt.method = PERMK_METHOD_GD;
    ct_assert_near(permk_theoretical_step(&p, &opt), 0.5, 1e-15, 0);
    opt.method = PERMK_METHOD_DIANA;
    ct_assert_near(permk_theoretical_step(&p, &opt), 1.0 / (4 * (1 + 4 * 3.0 / 6)), 1e-15, 0);
    opt.method = PERMK_METHOD_MARINA; // p = 1/4
    ct_assert_near(permk_theoretical_step(&p, &opt), 1.0 / (2 + 3 * sqrt(3 * 3.0 / 6)), 1e-15, 0);
    opt.method = PERMK_METHOD_EF21; // a = 1/4
    double theta = 1 - sqrt(0.75), beta = 0.75 / theta;
    ct_assert_near(permk_theoretical_step(&p, &opt), 1.0 / (2 + 3 * sqrt(beta / theta)), 1e-14, 0);
    p.smoothness = NAN;
    assert_true(isnan(permk_theoretical_step(&p, &opt)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shifts_reach_the_optimum),
        cmocka_unit_test(dcgd_needs_a_falling_step),
        cmocka_unit_test(identity_makes_every_method_gradient_descent),
        cmocka_unit_test(shorter_values_come_as_near_as_they_can),
        cmocka_unit_test(minibatches_average_out),
        cmocka_unit_test(chunks_do_not_change_a_bit),
        cmocka_unit_test(epochs_do_not_change_a_bit),
        cmocka_unit_test(a_resumed_run_is_the_same_run),
        cmocka_unit_test(steps_of_theory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
