// SPDX-License-Identifier: MIT
/* Whole runs: the acceptance numbers of the published experiments, and what must not matter: the
 * cipher, the process, the order of arrival. */
#include "ct_test.h"

#include <math.h>
#include <permk_aes/permk_aes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- One run in this process ---- */

typedef struct trace {
    double norm[400]; // after k steps
    double target;
    uint64_t first_below; // steps until the squared norm was first below target
} trace;

static void record(void *context, const permk_round *round)
{
    trace *t = context;
    if (round->round < 400)
        t->norm[round->round] = round->grad_norm_squared;
    if (t->first_below == 0 && round->grad_norm_squared < t->target)
        t->first_below = round->round;
}

/* Run a quadratic with these options; x (d) of the caller may be NULL. */
static permk_result simulate(const permk_quadratic_options *quadratic,
                             const permk_train_options *opt, double *x)
{
    permk_problem problem;
    permk_result result;
    ct_diag diag = {""};
    ct_assert_ok(permk_quadratic_init(&problem, quadratic, &diag), &diag);
    double *own = malloc(problem.dimension * sizeof *own);
    permk_torch_linear_init(own, problem.dimension, 123);
    ct_assert_ok(permk_simulate(&result, &problem, own, opt, &diag), &diag);
    if (x != NULL)
        memcpy(x, own, problem.dimension * sizeof *own);
    free(own);
    permk_problem_clear(&problem);
    return result;
}

static permk_train_options train_options(permk_method method, double step, double tol, trace *t)
{
    permk_train_options opt = permk_train_options_default();
    opt.method = method;
    opt.step = step;
    opt.tol = tol;
    if (t != NULL) {
        opt.on_round = record;
        opt.context = t;
    }
    return opt;
}

static void gradient_descent_as_published(void **state)
{
    (void)state;
    trace t = {.target = 1e-4};
    permk_train_options opt = train_options(PERMK_METHOD_GD, 0.1, 1e-20, &t);
    double x[1000], norm = 0;
    permk_result r = simulate(NULL, &opt, x);
    assert_int_equal(r.outcome, PERMK_CONVERGED);
    for (size_t j = 0; j < 1000; j++)
        norm += x[j] * x[j];
    ct_assert_near(sqrt(norm), 158.62650, 1e-7, 0);
    assert_int_equal(t.first_below, 92);
    assert_true(r.rounds >= 266 && r.rounds <= 268);
    ct_assert_near(t.norm[1], 2.381e4, 1e-3, 0);
    opt = train_options(PERMK_METHOD_GD, 0, 1e-4, NULL); // the theoretical step is 1/L = 0.1
    r = simulate(NULL, &opt, NULL);
    ct_assert_near(r.step, 0.1, 1e-15, 0);
    assert_int_equal(r.rounds, 92);
}

static void permk_as_published(void **state)
{
    (void)state;
    for (int rule = 0; rule < 2; rule++) {
        trace t = {.target = 1e-4};
        permk_train_options opt = train_options(PERMK_METHOD_DCGD, 0.007, 1e-20, &t);
        opt.rule = (permk_rule)rule;
        permk_result r = simulate(NULL, &opt, NULL);
        assert_int_equal(r.outcome, PERMK_CONVERGED);
        assert_true(t.first_below >= 1530 && t.first_below <= 1870);
        assert_true(r.rounds >= 3915 && r.rounds <= 4785);
        assert_int_equal(r.client_bytes_up_per_round, 12 + 1 + 160 + 16);
        assert_int_equal(r.client_bytes_down_per_round, 49 * (12 + 1 + 160 + 16));
        assert_int_equal(r.client_bytes_up, r.rounds * r.client_bytes_up_per_round);
    }
}

static void permk_default_step_is_safe(void **state)
{
    (void)state;
    permk_train_options opt = train_options(PERMK_METHOD_DCGD, 0, 1e-4, NULL);
    permk_result r = simulate(NULL, &opt, NULL);
    ct_assert_near(r.step, 1 / 316.242, 1e-5, 0);
    assert_int_equal(r.outcome, PERMK_CONVERGED);
}

static void too_large_a_step_is_reported(void **state)
{
    (void)state;
    const double steps[] = {0.015, 0.05, 1e200};
    for (size_t i = 0; i < 3; i++) {
        permk_train_options opt = train_options(PERMK_METHOD_DCGD, steps[i], 1e-4, NULL);
        permk_result r = simulate(NULL, &opt, NULL);
        assert_int_equal(r.outcome, PERMK_DIVERGED);
        assert_true(r.rounds < 2000);
    }
}

/* With the same f_i everywhere PermK is gradient descent, and follows the published curve. */
static void homogeneous_clients_make_permk_gradient_descent(void **state)
{
    (void)state;
    permk_quadratic_options same = permk_quadratic_options_default();
    same.homogeneous = true;
    trace gd = {0}, permk = {0};
    permk_train_options opt = train_options(PERMK_METHOD_GD, 0.1, 1e-20, &gd);
    uint64_t rounds = simulate(&same, &opt, NULL).rounds;
    opt = train_options(PERMK_METHOD_DCGD, 0.1, 1e-20, &permk);
    assert_int_equal(simulate(&same, &opt, NULL).rounds, rounds);
    ct_assert_array_near(permk.norm, gd.norm, 100, 1e-8, 0);
    const size_t at[] = {1, 4, 7, 10, 12};
    const double published[] = {2160, 1112, 589.5, 313.1, 205.4};
    for (size_t i = 0; i < 5; i++)
        ct_assert_near(permk.norm[at[i]], published[i], 5e-4, 0);
}

static void the_cipher_does_not_change_a_bit(void **state)
{
    (void)state;
    permk_quadratic_options small = permk_quadratic_options_default();
    small.clients = 7;
    small.dimension = 100;
    for (int method = PERMK_METHOD_GD; method <= PERMK_METHOD_EF21; method++) {
        permk_result first = {0};
        for (int cipher = PERMK_AES_128_GCM; cipher <= PERMK_PLAINTEXT; cipher++) {
            permk_train_options opt = train_options((permk_method)method, 0.02, 0, NULL);
            opt.max_rounds = 60;
            opt.cipher = (permk_cipher)cipher;
            permk_result r = simulate(&small, &opt, NULL);
            assert_int_equal(r.outcome, PERMK_MAX_ROUNDS);
            assert_int_equal(r.rounds, 60);
            if (cipher == PERMK_AES_128_GCM)
                first = r;
            assert_memory_equal(first.x_sha256, r.x_sha256, 32);
        }
    }
}

static void secret_maps_differ_from_run_to_run(void **state)
{
    (void)state;
    permk_quadratic_options small = permk_quadratic_options_default();
    small.clients = 7;
    small.dimension = 100;
    permk_train_options opt = train_options(PERMK_METHOD_DCGD, 0.02, 0, NULL);
    opt.max_rounds = 20;
    opt.secret_ownership = true;
    permk_result a = simulate(&small, &opt, NULL), b = simulate(&small, &opt, NULL);
    assert_memory_not_equal(a.x_sha256, b.x_sha256, 32);
    opt.secret_ownership = false;
    a = simulate(&small, &opt, NULL), b = simulate(&small, &opt, NULL);
    assert_memory_equal(a.x_sha256, b.x_sha256, 32);
}

/* ---- A problem of our own, without the optional functions ---- */

/* f_i(x) = (1/2) ||x - (i, i, …)||^2, written without block_gradient and evaluate. */
typedef struct distances {
    size_t d;
    const double *x;
} distances;

static void distances_move(void *state, const double *x)
{
    ((distances *)state)->x = x;
}

static ct_status distances_gradient(void *state, uint32_t client, double *loss, double *gradient,
                                    ct_diag *diag)
{
    const distances *s = state;
    double sum = 0;
    if (client == 9)
        return ct_fail(diag, CT_ENUMERIC, "client 9 has no data");
    for (size_t j = 0; j < s->d; j++) {
        double g = s->x[j] - client;
        sum += g * g / 2;
        if (gradient != NULL)
            gradient[j] = g;
    }
    if (loss != NULL)
        *loss = sum;
    return CT_OK;
}

static const permk_problem_ops distances_ops = {.move = distances_move,
                                                .gradient = distances_gradient};

static void any_problem_will_do(void **state)
{
    (void)state;
    distances data = {.d = 5};
    permk_problem p = {.ops = &distances_ops,
                       .state = &data,
                       .clients = 3,
                       .dimension = 5,
                       .smoothness = 1,
                       .max_smoothness = 1};
    double x[5] = {10, -10, 3, 4, 0};
    permk_result r;
    ct_diag diag = {""};
    permk_train_options opt = train_options(PERMK_METHOD_GD, 0, 1e-20, NULL);
    ct_assert_ok(permk_simulate(&r, &p, x, &opt, &diag), &diag);
    assert_int_equal(r.rounds, 1); // the step 1/L is exact
    for (size_t j = 0; j < 5; j++)
        ct_assert_near(x[j], 1, 1e-15, 0); // the mean of 0, 1, 2
    ct_assert_near(r.f, 5 * (1.0 + 0 + 1) / 2 / 3, 1e-15, 0);
    opt = train_options(PERMK_METHOD_DCGD, 0.5, 0, NULL);
    opt.max_rounds = 4;
    ct_assert_ok(permk_simulate(&r, &p, x, &opt, &diag), &diag);
    p.clients = 10; // a client that fails: x is unchanged
    double before[5];
    memcpy(before, x, sizeof x);
    ct_assert_status(permk_simulate(&r, &p, x, &opt, &diag), CT_ENUMERIC, &diag);
    ct_assert_contains(diag.text, "no data");
    assert_memory_equal(before, x, sizeof x);
}

static void names_go_both_ways(void **state)
{
    (void)state;
    permk_method method = PERMK_METHOD_DCGD;
    permk_rule rule = PERMK_RULE_ROTATION;
    permk_cipher cipher = PERMK_AES_128_GCM;
    assert_true(permk_method_from_name(&method, "gd") && method == PERMK_METHOD_GD);
    assert_true(permk_rule_from_name(&rule, "permutation") && rule == PERMK_RULE_PERMUTATION);
    assert_true(permk_cipher_from_name(&cipher, "none") && cipher == PERMK_PLAINTEXT);
    assert_true(permk_cipher_from_name(&cipher, "aes-256-gcm") && cipher == PERMK_AES_256_GCM);
    assert_false(permk_method_from_name(&method, "newton"));
    assert_false(permk_rule_from_name(&rule, ""));
    assert_false(permk_cipher_from_name(&cipher, "unknown"));
    assert_int_equal(cipher, PERMK_AES_256_GCM);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    distances data = {.d = 5};
    permk_problem p = {.ops = &distances_ops,
                       .state = &data,
                       .clients = 3,
                       .dimension = 5,
                       .smoothness = NAN,
                       .max_smoothness = NAN};
    double x[5] = {0};
    permk_result r;
    ct_diag diag = {""};
    permk_train_options good = permk_train_options_default(), opt = good;
    ct_assert_status(permk_simulate(&r, &p, x, &opt, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "give a step");
    good.step = 0.1;
    const double bad_steps[] = {-1, NAN, INFINITY};
    for (size_t i = 0; i < 3; i++) {
        opt = good;
        opt.step = bad_steps[i];
        ct_assert_status(permk_simulate(&r, &p, x, &opt, &diag), CT_EINVALID, &diag);
    }
    opt = good;
    opt.tol = -1;
    ct_assert_status(permk_simulate(&r, &p, x, &opt, &diag), CT_EINVALID, &diag);
    opt = good;
    opt.chunk_bytes = 100; // no multiple of 64
    ct_assert_status(permk_simulate(&r, &p, x, &opt, &diag), CT_EINVALID, &diag);
    opt = good;
    opt.method = PERMK_METHOD_DIANA;
    opt.compressor = PERMK_COMPRESSOR_TOPK; // biased
    ct_assert_status(permk_simulate(&r, &p, x, &opt, &diag), CT_EINVALID, &diag);
    opt = good;
    opt.minibatches = true; // the problem has none
    ct_assert_status(permk_simulate(&r, &p, x, &opt, &diag), CT_EINVALID, &diag);
    opt = good;
    opt.is_signed = true; // by whom?
    ct_assert_status(permk_simulate(&r, &p, x, &opt, &diag), CT_EINVALID, &diag);
    opt = good;
    opt.eval_every = 0;
    ct_assert_status(permk_simulate(&r, &p, x, &opt, &diag), CT_EINVALID, &diag);
    opt = good;
    opt.method = (permk_method)77;
    ct_assert_status(permk_simulate(&r, &p, x, &opt, &diag), CT_EINVALID, &diag);
    p.clients = 0;
    ct_assert_status(permk_simulate(&r, &p, x, &good, &diag), CT_EINVALID, &diag);
}

static void a_flag_ends_the_run(void **state)
{
    (void)state;
    permk_quadratic_options small = permk_quadratic_options_default();
    small.clients = 3;
    small.dimension = 20;
    ct_stop_flag stop;
    atomic_init(&stop, true);
    permk_train_options opt = train_options(PERMK_METHOD_DCGD, 0.01, 0, NULL);
    opt.stop = &stop;
    permk_result r = simulate(&small, &opt, NULL);
    assert_int_equal(r.outcome, PERMK_INTERRUPTED);
    assert_int_equal(r.rounds, 0);
}

static void the_model_file_reads_back(void **state)
{
    (void)state;
    const double x[3] = {0.1, -1.5e300, 0x1.fffffffffffffp-3};
    char *path = ct_test_path("model.txt");
    ct_diag diag = {""};
    ct_assert_ok(permk_model_save(path, x, 3, &diag), &diag);
    FILE *file = fopen(path, "r");
    size_t d = 0;
    double back[3];
    assert_int_equal(
        fscanf(file, "permk-model 1 dimension %zu %lf %lf %lf", &d, &back[0], &back[1], &back[2]),
        4);
    fclose(file);
    assert_int_equal(d, 3);
    assert_memory_equal(x, back, sizeof x);
    ct_assert_status(permk_model_save("/nonexistent/model", x, 3, &diag), CT_ENOTFOUND, &diag);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_descent_as_published),
        cmocka_unit_test(permk_as_published),
        cmocka_unit_test(permk_default_step_is_safe),
        cmocka_unit_test(too_large_a_step_is_reported),
        cmocka_unit_test(homogeneous_clients_make_permk_gradient_descent),
        cmocka_unit_test(the_cipher_does_not_change_a_bit),
        cmocka_unit_test(secret_maps_differ_from_run_to_run),
        cmocka_unit_test(any_problem_will_do),
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(a_flag_ends_the_run),
        cmocka_unit_test(the_model_file_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
