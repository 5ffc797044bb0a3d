// SPDX-License-Identifier: MIT
/* Networks as problems: gradients against differences of the loss, minibatches, one client's
 * problem against everybody's, and training by DCGD/PermK. */
#include "ct_test.h"
#include "permk/neural.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 4 };

static ct_dataset *make_rows(void)
{
    ct_sparse_options opt = ct_sparse_options_default();
    opt.rows = 90;
    opt.cols = 7;
    opt.nnz_per_row = 3;
    opt.positive_fraction = 0.45;
    opt.binary = false;
    opt.seed = 5;
    ct_dataset *data = NULL;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_generate_sparse(&data, &opt, &diag), &diag);
    for (size_t i = 0; i < data->rows; i++) // a third class
        if (data->col[data->row_start[i]] > 0)
            data->label[i] = 7;
    return data;
}

static const char text[] =
    "the cat sat on the mat. the dog sat on the log. the cat and the dog sat on the mat and the "
    "log. a cat is not a dog, and a mat is not a log. the rat ran at the cat and the cat ran at "
    "the rat, and the dog ran at them all. they all sat on the mat, and the mat sat on the log.";

static neural_options mlp_options(void)
{
    neural_options opt = neural_options_mlp(CLIENTS);
    opt.hidden = 5;
    opt.seed = 3;
    return opt;
}

static neural_options gpt_options(void)
{
    neural_options opt = neural_options_gpt(CLIENTS);
    opt.dtype = BT_F64;
    opt.layers = 1;
    opt.context = 8;
    opt.embed = 8;
    opt.heads = 2;
    opt.seed = 3;
    return opt;
}

/* Either problem, so that both are tested alike. */
typedef struct example {
    bool is_text;
    ct_dataset *rows;
    neural_options options;
} example;

static permk_problem make(const example *e, double **x0)
{
    permk_problem p;
    ct_diag diag = {""};
    if (e->is_text)
        ct_assert_ok(neural_problem_gpt(&p, x0, text, sizeof text - 1, &e->options, &diag), &diag);
    else
        ct_assert_ok(neural_problem_mlp(&p, x0, e->rows, &e->options, &diag), &diag);
    return p;
}

static void for_both(void (*check)(example *))
{
    ct_dataset *rows = make_rows();
    example mlp = {false, rows, mlp_options()}, gpt = {true, rows, gpt_options()};
    check(&mlp);
    check(&gpt);
    ct_dataset_destroy(rows);
}

static double loss_at(permk_problem *p, uint32_t client, const double *x)
{
    double loss = 0;
    ct_diag diag = {""};
    p->ops->move(p->state, x);
    ct_assert_ok(p->ops->gradient(p->state, client, &loss, NULL, &diag), &diag);
    return loss;
}

static void check_differences(permk_problem *p, uint32_t client, double *x, const double *g)
{
    for (size_t j = client; j < p->dimension; j += CLIENTS + 1) {
        double kept = x[j];
        x[j] = kept + 1e-4;
        double up = loss_at(p, client, x);
        x[j] = kept - 1e-4;
        double down = loss_at(p, client, x);
        x[j] = kept;
        ct_assert_near((up - down) / 2e-4, g[j], 1e-5, 1e-8);
    }
}

static void check_gradients(example *e)
{
    double *x = NULL;
    permk_problem p = make(e, &x);
    ct_diag diag = {""};
    size_t d = p.dimension;
    double *g = calloc(d, sizeof *g), *mean = calloc(d, sizeof *mean), loss = 0, mean_loss = 0;
    assert_true(isnan(p.smoothness) && isnan(p.max_smoothness) && isnan(p.mean_square_smoothness));
    assert_int_equal(p.clients, CLIENTS);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        p.ops->move(p.state, x);
        ct_assert_ok(p.ops->gradient(p.state, i, &loss, g, &diag), &diag);
        mean_loss += loss / CLIENTS;
        for (size_t j = 0; j < d; j++)
            mean[j] += g[j] / CLIENTS;
        check_differences(&p, i, x, g);
    }
    p.ops->move(p.state, x);
    ct_assert_ok(p.ops->evaluate(p.state, &loss, g, &diag), &diag);
    ct_assert_near(loss, mean_loss, 1e-14, 0);
    ct_assert_array_near(g, mean, d, 1e-12, 1e-16);
    free(g);
    free(mean);
    free(x);
    permk_problem_clear(&p);
}

static void gradients_are_those_of_the_loss(void **state)
{
    (void)state;
    for_both(check_gradients);
}

static void dimensions_are_those_of_the_layers(void **state)
{
    (void)state;
    ct_dataset *rows = make_rows();
    example e = {false, rows, mlp_options()};
    double *x = NULL;
    permk_problem p = make(&e, &x);
    assert_int_equal(p.dimension, (7 + 1) * 5 + (5 + 1) * 3); // 7 features, 5 units, 3 classes
    permk_problem_clear(&p);
    free(x);
    e.options.layers = 0;
    p = make(&e, &x);
    assert_int_equal(p.dimension, (7 + 1) * 3);
    double zero[24] = {0}, loss = 0, g[24];
    ct_diag diag = {""};
    p.ops->move(p.state, zero);
    ct_assert_ok(p.ops->evaluate(p.state, &loss, g, &diag), &diag);
    ct_assert_near(loss, log(3), 1e-14, 0);
    permk_problem_clear(&p);
    free(x);
    ct_dataset_destroy(rows);
}

/* The mean over many minibatches against the whole, in units of what chance leaves of it. */
static void check_minibatches(example *e)
{
    enum { ROUNDS = 3000 };
    e->options.batch = 2;
    e->options.evaluated = 0;
    double *x = NULL, full_loss = 0, loss = 0, mean_loss = 0, spread = 0, distance = 0;
    permk_problem p = make(e, &x);
    ct_diag diag = {""};
    size_t d = p.dimension;
    double *g = calloc(d, sizeof *g), *full = calloc(d, sizeof *full);
    double *mean = calloc(d, sizeof *mean);
    p.ops->move(p.state, x);
    ct_assert_ok(p.ops->gradient(p.state, 1, &full_loss, full, &diag), &diag);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        p.ops->batch(p.state, round);
        ct_assert_ok(p.ops->gradient(p.state, 1, &loss, g, &diag), &diag);
        mean_loss += loss / ROUNDS;
        for (size_t j = 0; j < d; j++) {
            mean[j] += g[j] / ROUNDS;
            spread += (g[j] - full[j]) * (g[j] - full[j]) / ROUNDS;
        }
    }
    for (size_t j = 0; j < d; j++)
        distance += (mean[j] - full[j]) * (mean[j] - full[j]);
    assert_true(spread > 1e-4);
    assert_true(distance < 4 * spread / ROUNDS);
    ct_assert_near(mean_loss, full_loss, 0.02, 0);

    p.ops->batch(p.state, 7);
    ct_assert_ok(p.ops->gradient(p.state, 1, &loss, g, &diag), &diag);
    p.ops->batch(p.state, UINT64_MAX);
    ct_assert_ok(p.ops->gradient(p.state, 1, &loss, mean, &diag), &diag);
    assert_memory_equal(mean, full, d * sizeof *mean);
    p.ops->batch(p.state, 7); // again, after another client's
    ct_assert_ok(p.ops->gradient(p.state, 0, &loss, mean, &diag), &diag);
    ct_assert_ok(p.ops->gradient(p.state, 1, &loss, mean, &diag), &diag);
    assert_memory_equal(mean, g, d * sizeof *mean);
    ct_assert_ok(p.ops->evaluate(p.state, &full_loss, mean, &diag), &diag); // of all, all the same
    p.ops->batch(p.state, UINT64_MAX);
    ct_assert_ok(p.ops->evaluate(p.state, &loss, full, &diag), &diag);
    ct_assert_near(loss, full_loss, 0, 0);
    free(g);
    free(full);
    free(mean);
    free(x);
    permk_problem_clear(&p);
}

static void minibatches_are_unbiased_and_repeatable(void **state)
{
    (void)state;
    for_both(check_minibatches);
}

static double evaluated_loss(example *e, size_t evaluated)
{
    double *x = NULL, loss = 0;
    ct_diag diag = {""};
    e->options.evaluated = evaluated;
    permk_problem p = make(e, &x);
    double *g = calloc(p.dimension, sizeof *g);
    p.ops->move(p.state, x);
    ct_assert_ok(p.ops->evaluate(p.state, &loss, g, &diag), &diag);
    permk_problem_clear(&p);
    free(g);
    free(x);
    return loss;
}

static void check_evaluated(example *e)
{
    double all = evaluated_loss(e, 0);
    ct_assert_near(evaluated_loss(e, 2), all, 0, 0); // no minibatches, so f is of all samples
    e->options.batch = 1;
    ct_assert_near(evaluated_loss(e, 0), all, 0, 0);
    ct_assert_near(evaluated_loss(e, 1000), all, 0, 0);
    assert_true(evaluated_loss(e, 2) != all);
}

static void evaluation_may_take_some_samples(void **state)
{
    (void)state;
    for_both(check_evaluated);
}

static void check_own(example *e)
{
    e->options.batch = 3;
    e->options.evaluated = 5;
    double *x = NULL, *same = NULL, loss = 0, expected_loss = 0;
    permk_problem whole = make(e, &x);
    ct_diag diag = {""};
    size_t d = whole.dimension;
    double *g = calloc(d, sizeof *g), *expected = calloc(d, sizeof *expected);
    whole.ops->move(whole.state, x);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        e->options.own = i;
        permk_problem p = make(e, &same);
        assert_true(p.own_only);
        assert_null(p.ops->evaluate);
        assert_int_equal(p.clients, CLIENTS);
        assert_int_equal(p.dimension, d);
        assert_memory_equal(same, x, d * sizeof *x);
        p.ops->move(p.state, x);
        for (uint64_t round = UINT64_MAX; round != 2; round++) { // all samples, rounds 0 and 1
            p.ops->batch(p.state, round);
            whole.ops->batch(whole.state, round);
            ct_assert_ok(p.ops->gradient(p.state, i, &loss, g, &diag), &diag);
            ct_assert_ok(whole.ops->gradient(whole.state, i, &expected_loss, expected, &diag),
                         &diag);
            ct_assert_near(loss, expected_loss, 0, 0);
            assert_memory_equal(g, expected, d * sizeof *g);
        }
        ct_assert_status(p.ops->gradient(p.state, (i + 1) % CLIENTS, &loss, g, &diag), CT_EINVALID,
                         &diag);
        permk_problem_clear(&p);
        free(same);
    }
    permk_problem_clear(&whole);
    free(g);
    free(expected);
    free(x);
}

static void own_samples_are_those_of_the_whole(void **state)
{
    (void)state;
    for_both(check_own);
}

/* DCGD/PermK as it is defined: coordinate j of each step is its owner's. Returns the last f. */
static double train(example *e, double step, uint64_t rounds, double **x_out)
{
    unsigned char key[PERMK_OWNERSHIP_KEY_BYTES] = {1};
    permk_ownership *ownership = NULL;
    double *x = NULL, loss = 0;
    permk_problem p = make(e, &x);
    ct_diag diag = {""};
    double *g = calloc(p.dimension, sizeof *g), *moved = calloc(p.dimension, sizeof *moved);
    ct_assert_ok(permk_ownership_create(&ownership, PERMK_RULE_PERMUTATION, CLIENTS, p.dimension,
                                        key, &diag),
                 &diag);
    for (uint64_t round = 0; round < rounds; round++) {
        memcpy(moved, x, p.dimension * sizeof *x);
        p.ops->move(p.state, moved);
        p.ops->batch(p.state, round);
        ct_assert_ok(permk_ownership_draw(ownership, round, &diag), &diag);
        for (uint32_t i = 0; i < CLIENTS; i++) {
            permk_block block = permk_ownership_block(ownership, i);
            ct_assert_ok(p.ops->gradient(p.state, i, NULL, g, &diag), &diag);
            for (size_t k = 0; k < block.length; k++)
                x[block.index[k]] -= step * g[block.index[k]];
        }
    }
    p.ops->move(p.state, x);
    ct_assert_ok(p.ops->evaluate(p.state, &loss, g, &diag), &diag);
    permk_ownership_destroy(ownership);
    permk_problem_clear(&p);
    free(g);
    free(moved);
    *x_out = x;
    return loss;
}

static void check_training(example *e, double step, uint64_t rounds, double below)
{
    e->options.batch = 4;
    double *start = NULL, *x = NULL, *again = NULL;
    double before = train(e, step, 0, &start), after = train(e, step, rounds, &x);
    if (!(after < below * before))
        fail_msg("loss %g before, %g after", before, after);
    ct_assert_near(train(e, step, rounds, &again), after, 0, 0); // the same bits
    e->options.seed++;
    free(again);
    assert_true(train(e, step, rounds, &again) != after);
    free(start);
    free(x);
    free(again);
}

static void training_lowers_the_loss(void **state)
{
    (void)state;
    ct_dataset *rows = make_rows();
    example mlp = {false, rows, mlp_options()}, gpt = {true, rows, gpt_options()};
    check_training(&mlp, 0.2, 300, 0.5);
    check_training(&gpt, 0.5, 200, 0.75);
    gpt.options.dtype = BT_F32;
    check_training(&gpt, 0.5, 200, 0.75);
    ct_dataset_destroy(rows);
}

static void refuse(const example *e, const char *part)
{
    permk_problem p;
    double *x = &(double){0};
    ct_diag diag = {""};
    memset(&p, 0xff, sizeof p);
    ct_status status = e->is_text
                           ? neural_problem_gpt(&p, &x, text, sizeof text - 1, &e->options, &diag)
                           : neural_problem_mlp(&p, &x, e->rows, &e->options, &diag);
    ct_assert_status(status, CT_EINVALID, &diag);
    ct_assert_contains(diag.text, part);
    assert_null(x);
    assert_null(p.ops);
}

static void bad_input_is_refused(void **state)
{
    (void)state;
    ct_dataset *rows = make_rows();
    example e = {false, rows, mlp_options()};
    e.options.clients = 0;
    refuse(&e, "0 clients");
    e.options.clients = 91;
    refuse(&e, "91");
    e.options = mlp_options();
    e.options.own = CLIENTS;
    refuse(&e, "own client 4");
    e.options = mlp_options();
    e.options.hidden = 0;
    refuse(&e, "hidden units 0");
    e.options = mlp_options();
    e.options.layers = 65;
    refuse(&e, "65 layers");
    e.options = mlp_options();
    for (size_t i = 0; i < rows->rows; i++)
        rows->label[i] = 2;
    refuse(&e, "all rows have the label 2");
    e = (example){true, NULL, gpt_options()};
    e.options.clients = 31; // 275 bytes: 8 a client, and a sample takes 9
    refuse(&e, "too few for 31 clients");
    e.options = gpt_options();
    e.options.heads = 3;
    refuse(&e, "3 heads");
    e.options.heads = 0;
    refuse(&e, "heads 0");
    ct_dataset_destroy(rows);
}

static ct_status attempt(void *context)
{
    const example *e = context;
    permk_problem p;
    double *x = NULL;
    ct_status status = e->is_text
                           ? neural_problem_gpt(&p, &x, text, sizeof text - 1, &e->options, NULL)
                           : neural_problem_mlp(&p, &x, e->rows, &e->options, NULL);
    permk_problem_clear(&p);
    free(x);
    return status;
}

static void check_no_memory(example *e)
{
    e->options.batch = 2;
    ct_assert_survives_allocation_failures(attempt, e);
}

static void no_memory_is_survived(void **state)
{
    (void)state;
    for_both(check_no_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_the_loss),
        cmocka_unit_test(dimensions_are_those_of_the_layers),
        cmocka_unit_test(minibatches_are_unbiased_and_repeatable),
        cmocka_unit_test(evaluation_may_take_some_samples),
        cmocka_unit_test(own_samples_are_those_of_the_whole),
        cmocka_unit_test(training_lowers_the_loss),
        cmocka_unit_test(bad_input_is_refused),
        cmocka_unit_test(no_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
