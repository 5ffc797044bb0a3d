// SPDX-License-Identifier: MIT
/* Training steps on shards and threads: the same bits for any number of threads, the same numbers
 * as a plain loop over the whole batch, failures that change nothing, gradients of single samples.
 */
#include "ct_test.h"
#include "graph_private.h"

#include <burtorch/trainer.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 24, IN = 150, HIDDEN = 500, CLASSES = 7, STEPS = 5 }; // a weight of several pieces

typedef struct net {
    bt_graph *g;
    bt_tensor x, ids, targets, loss, w1;
    size_t rows;
} net;

static net new_net(bt_dtype dtype, size_t rows)
{
    net n = {.rows = rows};
    ct_assert_ok(bt_graph_create(&n.g, dtype), NULL);
    const bt_tensor none = bt_tensor_none(n.g);
    n.x = bt_input(n.g, bt_shape2(rows, IN));
    n.ids = bt_input_u32(n.g, bt_shape2(rows, 4));
    n.targets = bt_input_u32(n.g, bt_shape1(rows));
    n.w1 = bt_parameter(n.g, "w1", bt_shape2(HIDDEN, IN), bt_init_kaiming(1));
    const bt_tensor b1 = bt_parameter(n.g, "b1", bt_shape1(HIDDEN), bt_init_normal(0.1));
    const bt_tensor w2 = bt_parameter(n.g, "w2", bt_shape2(CLASSES, HIDDEN), bt_init_kaiming(1));
    const bt_tensor table = bt_parameter(n.g, "table", bt_shape2(9, 5), bt_init_normal(1));
    const bt_tensor w3 = bt_parameter(n.g, "w3", bt_shape2(HIDDEN, 20), bt_init_kaiming(1));
    bt_parameter(n.g, "unused", bt_shape1(3), bt_init_normal(1));
    const bt_tensor e = bt_tensor_reshape(bt_tensor_embedding(table, n.ids), bt_shape2(rows, 20));
    bt_tensor y = bt_tensor_linear(n.x, n.w1, b1, BT_TANH);
    y = bt_tensor_linear(y, w2, none, BT_IDENTITY);
    // w2 is used twice: its gradient is not the trainer's.
    const bt_tensor z =
        bt_tensor_linear(bt_tensor_linear(e, w3, none, BT_RELU), w2, none, BT_IDENTITY);
    const bt_tensor mix = bt_parameter(n.g, "mix", bt_shape2(CLASSES, CLASSES), bt_init_xavier(1));
    const bt_tensor both = bt_tensor_linear(y, mix, none, BT_SIGMOID);
    bt_tensor_keep(both);
    const bt_tensor first = bt_tensor_cross_entropy(both, n.targets);
    const bt_tensor second = bt_tensor_cross_entropy(z, n.targets);
    // first + second, by a dense layer whose weight is 1
    const bt_tensor one = bt_tensor_reshape(bt_tensor_constant(n.g, 1), bt_shape2(1, 1));
    n.loss = bt_tensor_linear(bt_tensor_reshape(first, bt_shape2(1, 1)), one,
                              bt_tensor_reshape(second, bt_shape1(1)), BT_IDENTITY);
    return n;
}

/* Rows part * rows … of one batch a step. */
static ct_status fill(void *context, bt_graph *shard, size_t part, uint64_t step, ct_diag *diag)
{
    const net *n = context;
    (void)diag;
    double x[ROWS * IN];
    for (size_t r = 0; r < n->rows; r++) {
        ct_rng rng;
        ct_rng_init(&rng, 11, CT_RNG_DATA, (uint32_t)(part * n->rows + r), (uint32_t)step);
        for (size_t i = 0; i < IN; i++)
            x[r * IN + i] = ct_rng_normal(&rng);
        for (size_t i = 0; i < 4; i++)
            bt_tensor_u32(bt_tensor_in(shard, n->ids))[r * 4 + i] = (uint32_t)ct_rng_below(&rng, 9);
        bt_tensor_u32(bt_tensor_in(shard, n->targets))[r] = (uint32_t)ct_rng_below(&rng, CLASSES);
    }
    bt_tensor_write(bt_tensor_in(shard, n->x), x);
    return CT_OK;
}

static size_t read_parameters(const net *n, double *out)
{
    size_t at = 0;
    for (size_t i = 0; i < bt_graph_parameters(n->g); i++) {
        const bt_tensor p = bt_graph_parameter(n->g, i);
        assert_true(bt_tensor_read(p, out + at));
        at += bt_tensor_size(p);
    }
    return at;
}

enum { MAX_PARAMETERS = 100000 };

typedef struct outcome {
    double parameters[MAX_PARAMETERS], losses[STEPS];
    size_t n;
} outcome;

static const bt_optimizer_kind kinds[] = {BT_SGD, BT_ADAM, BT_ADAMW};

/* STEPS steps of a batch of ROWS. */
static void train(outcome *out, bt_dtype dtype, const bt_trainer_options *o)
{
    ct_diag diag;
    bt_trainer *t;
    net n = new_net(dtype, ROWS / o->shards / o->accumulate);
    ct_assert_ok(bt_trainer_create(&t, n.g, n.loss, o, &diag), &diag);
    for (uint64_t step = 0; step < STEPS; step++) {
        if (step == 1) // from the second step on nothing is allocated
            ct_test_fail_allocation(1);
        ct_assert_ok(bt_trainer_step(t, step, 0.05, fill, &n, &out->losses[step], &diag), &diag);
    }
    assert_false(ct_test_fail_allocation(0));
    assert_true(bt_trainer_bytes(t) > 0);
    out->n = read_parameters(&n, out->parameters);
    bt_trainer_destroy(t);
    bt_graph_destroy(n.g);
}

/* The same by a plain graph and optimiser over the whole batch. */
static void train_plainly(outcome *out, bt_dtype dtype, const bt_optimizer_options *o)
{
    ct_diag diag;
    bt_optimizer *optimizer;
    net n = new_net(dtype, ROWS);
    ct_assert_ok(bt_graph_plan(n.g, n.loss, &diag), &diag);
    ct_assert_ok(bt_optimizer_create(&optimizer, n.g, o, &diag), &diag);
    for (uint64_t step = 0; step < STEPS; step++) {
        ct_assert_ok(fill(&n, n.g, 0, step, &diag), &diag);
        ct_assert_ok(bt_graph_forward(n.g, &diag), &diag);
        out->losses[step] = bt_tensor_value(n.loss);
        bt_graph_backward(n.g);
        bt_optimizer_step(optimizer, 0.05);
    }
    out->n = read_parameters(&n, out->parameters);
    bt_optimizer_destroy(optimizer);
    bt_graph_destroy(n.g);
}

static void assert_same(const outcome *a, const outcome *b, double rtol, double atol)
{
    assert_int_equal(a->n, b->n);
    ct_assert_array_near(a->losses, b->losses, STEPS, rtol, atol);
    ct_assert_array_near(a->parameters, b->parameters, a->n, rtol, atol);
}

static outcome first, second;

static void test_bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++)
        for (size_t shards = 1; shards <= 4; shards *= 2)
            for (size_t whole = 0; whole < 3; whole++) {
                bt_trainer_options o = bt_trainer_options_default(kinds[k]);
                o.shards = shards;
                o.optimizer.clip_norm = whole == 1 ? 0.5 : 0;
                o.accumulate = whole == 2 ? 3 : 1;
                train(&first, BT_F32, &o);
                for (o.threads = 2; o.threads <= 3; o.threads++) {
                    train(&second, BT_F32, &o);
                    assert_same(&second, &first, 0, 0);
                }
            }
}

static void test_one_shard_is_the_plain_loop_bit_for_bit(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++)
        for (int clip = 0; clip < 2; clip++) {
            bt_trainer_options o = bt_trainer_options_default(kinds[k]);
            o.optimizer.clip_norm = clip ? 0.5 : 0;
            o.optimizer.momentum = kinds[k] == BT_SGD ? 0.9 : 0;
            train(&first, BT_F64, &o);
            train_plainly(&second, BT_F64, &o.optimizer);
            assert_same(&second, &first, clip ? 0 : 1e-12, clip ? 0 : 1e-12);
        }
}

/* A batch of one row: the weight's gradient is never made. */
static void test_one_sample(void **state)
{
    (void)state;
    for (int dtype = BT_F32; dtype <= BT_F64; dtype++)
        for (int decay = 0; decay < 2; decay++) {
            ct_diag diag;
            bt_trainer *t;
            bt_optimizer *optimizer;
            const double tolerance = dtype == BT_F32 ? 2e-4 : 1e-11;
            bt_trainer_options o = bt_trainer_options_default(BT_SGD);
            o.optimizer.weight_decay = decay ? 0.1 : 0;
            net n = new_net((bt_dtype)dtype, 1), plain = new_net((bt_dtype)dtype, 1);
            ct_assert_ok(bt_trainer_create(&t, n.g, n.loss, &o, &diag), &diag);
            ct_assert_ok(bt_graph_plan(plain.g, plain.loss, &diag), &diag);
            ct_assert_ok(bt_optimizer_create(&optimizer, plain.g, &o.optimizer, &diag), &diag);
            for (uint64_t step = 0; step < STEPS; step++) {
                ct_assert_ok(bt_trainer_step(t, step, 0.05, fill, &n, NULL, &diag), &diag);
                ct_assert_ok(fill(&plain, plain.g, 0, step, &diag), &diag);
                ct_assert_ok(bt_graph_forward(plain.g, &diag), &diag);
                bt_graph_backward(plain.g);
                bt_optimizer_step(optimizer, 0.05);
            }
            first.n = read_parameters(&n, first.parameters);
            second.n = read_parameters(&plain, second.parameters);
            ct_assert_array_near(first.parameters, second.parameters, second.n, tolerance,
                                 tolerance);
            bt_optimizer_destroy(optimizer);
            bt_trainer_destroy(t);
            bt_graph_destroy(n.g);
            bt_graph_destroy(plain.g);
        }
}

static void test_shards_and_rounds_are_one_batch(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        bt_trainer_options o = bt_trainer_options_default(kinds[k]);
        train_plainly(&first, BT_F64, &o.optimizer);
        for (size_t shards = 1; shards <= 4; shards *= 2)
            for (o.accumulate = 1; o.accumulate <= 3; o.accumulate += 2) {
                o.shards = shards;
                o.threads = 2;
                train(&second, BT_F64, &o);
                // Adam divides by the root of squares: tiny gradients are amplified.
                assert_same(&second, &first, 1e-6, kinds[k] == BT_SGD ? 1e-12 : 1e-6);
            }
    }
}

static ct_status fill_ones(void *context, bt_graph *shard, size_t part, uint64_t step,
                           ct_diag *diag)
{
    (void)part;
    (void)step;
    (void)diag;
    return bt_tensor_write(bt_tensor_in(shard, *(const bt_tensor *)context), &(double){1})
               ? CT_OK
               : CT_EINVALID;
}

/* A buffer that nothing moves has its present value in every shard. */
static void test_frozen_buffers_are_shared(void **state)
{
    (void)state;
    bt_graph *g;
    bt_trainer *t;
    double loss;
    bt_trainer_options o = bt_trainer_options_default(BT_SGD);
    o.shards = 3;
    ct_assert_ok(bt_graph_create(&g, BT_F64), NULL);
    const bt_tensor x = bt_input(g, bt_shape1(1));
    const bt_tensor frozen = bt_buffer(g, "frozen", bt_shape1(1), bt_init_constant(2));
    const bt_tensor w = bt_parameter(g, "w", bt_shape1(1), bt_init_constant(1));
    const bt_tensor y = bt_tensor_sum(bt_tensor_mul(bt_tensor_mul(x, frozen), w), BT_ALL_AXES);
    ct_diag diag;
    ct_assert_ok(bt_trainer_create(&t, g, y, &o, &diag), &diag);
    ct_assert_ok(bt_trainer_step(t, 0, 0, fill_ones, (void *)&x, &loss, &diag), &diag);
    ct_assert_near(loss, 2, 1e-15, 0);
    bt_tensor_write(frozen, &(double){5});
    ct_assert_ok(bt_trainer_step(t, 1, 0, fill_ones, (void *)&x, &loss, &diag), &diag);
    ct_assert_near(loss, 5, 1e-15, 0);
    ct_assert_ok(bt_trainer_evaluate(t, 3, fill_ones, (void *)&x, &loss, &diag), &diag);
    ct_assert_near(loss, 5, 1e-15, 0);
    bt_trainer_destroy(t);
    bt_graph_destroy(g);
}

/* Fills the first shard's inputs whichever shard is asked for. */
static ct_status mistaken_fill(void *context, bt_graph *shard, size_t part, uint64_t step,
                               ct_diag *diag)
{
    const net *n = context;
    (void)shard;
    return part == 0 ? fill(context, n->g, part, step, diag) : CT_OK;
}

static void test_a_shard_that_is_not_filled(void **state)
{
    (void)state;
    ct_diag diag;
    bt_trainer *t;
    bt_trainer_options o = bt_trainer_options_default(BT_SGD);
    o.shards = 2;
    net n = new_net(BT_F32, ROWS / 2);
    ct_assert_ok(bt_trainer_create(&t, n.g, n.loss, &o, &diag), &diag);
    ct_assert_status(bt_trainer_step(t, 0, 0.1, mistaken_fill, &n, NULL, &diag), CT_ERANGE, &diag);
    ct_assert_contains(diag.text, "index 4294967294");
    bt_trainer_destroy(t);
    bt_graph_destroy(n.g);
}

static ct_status failing_fill(void *context, bt_graph *shard, size_t part, uint64_t step,
                              ct_diag *diag)
{
    CT_TRY(fill(context, shard, part, step, diag));
    const net *n = context;
    if (step == 1 && part == 1)
        bt_tensor_u32(bt_tensor_in(shard, n->ids))[0] = 9;
    return CT_OK;
}

static void test_failures_change_nothing(void **state)
{
    (void)state;
    ct_diag diag;
    bt_trainer *t;
    bt_trainer_options o = bt_trainer_options_default(BT_ADAMW);
    o.shards = 2;
    net n = new_net(BT_F32, ROWS / 2);
    ct_assert_ok(bt_trainer_create(&t, n.g, n.loss, &o, &diag), &diag);
    ct_assert_ok(bt_trainer_step(t, 0, 0.01, failing_fill, &n, NULL, &diag), &diag);
    first.n = read_parameters(&n, first.parameters);
    ct_assert_status(bt_trainer_step(t, 1, 0.01, failing_fill, &n, NULL, &diag), CT_ERANGE, &diag);
    ct_assert_contains(diag.text, "embedding");
    assert_int_equal(bt_optimizer_steps(bt_trainer_optimizer(t)), 1);
    second.n = read_parameters(&n, second.parameters);
    ct_assert_array_near(second.parameters, first.parameters, first.n, 0, 0);
    bt_trainer_destroy(t);
    bt_graph_destroy(n.g);
}

static ct_status huge_fill(void *context, bt_graph *shard, size_t part, uint64_t step,
                           ct_diag *diag)
{
    const net *n = context;
    CT_TRY(fill(context, shard, part, step, diag));
    bt_tensor_f32(bt_tensor_in(shard, n->x))[3] = INFINITY;
    bt_tensor_f32(bt_tensor_in(shard, n->x))[4] = -INFINITY;
    return CT_OK;
}

static void test_a_loss_that_is_no_number(void **state)
{
    (void)state;
    ct_diag diag;
    bt_trainer *t;
    const bt_trainer_options o = bt_trainer_options_default(BT_SGD);
    net n = new_net(BT_F32, ROWS);
    ct_assert_ok(bt_trainer_create(&t, n.g, n.loss, &o, &diag), &diag);
    first.n = read_parameters(&n, first.parameters);
    bt_tensor_f32(n.w1)[3] = 1;
    bt_tensor_f32(n.w1)[4] = 1;
    ct_assert_status(bt_trainer_step(t, 7, 0.01, huge_fill, &n, NULL, &diag), CT_ENUMERIC, &diag);
    ct_assert_contains(diag.text, "step 7");
    second.n = read_parameters(&n, second.parameters);
    ct_assert_array_near(second.parameters + 5, first.parameters + 5, first.n - 5, 0, 0);
    bt_trainer_destroy(t);
    bt_graph_destroy(n.g);
}

static void test_evaluate(void **state)
{
    (void)state;
    ct_diag diag;
    bt_trainer *t;
    double losses[2], parts[3];
    bt_trainer_options o = bt_trainer_options_default(BT_SGD);
    o.shards = 2;
    net n = new_net(BT_F64, 4), one = new_net(BT_F64, 4);
    ct_assert_ok(bt_trainer_create(&t, n.g, n.loss, &o, &diag), &diag);
    ct_assert_ok(bt_trainer_evaluate(t, 3, fill, &n, &losses[0], &diag), &diag);
    bt_graph_share(one.g, n.g);
    ct_assert_ok(bt_graph_plan(one.g, one.loss, &diag), &diag);
    for (size_t part = 0; part < 3; part++) {
        ct_assert_ok(fill(&one, one.g, part, 0, &diag), &diag);
        ct_assert_ok(bt_graph_forward(one.g, &diag), &diag);
        parts[part] = bt_tensor_value(one.loss);
    }
    ct_assert_near(losses[0], (parts[0] + parts[1] + parts[2]) / 3, 1e-14, 0);
    bt_graph_destroy(one.g);
    bt_trainer_destroy(t);
    bt_graph_destroy(n.g);
}

static void test_gradients_of_samples(void **state)
{
    (void)state;
    enum { SAMPLES = 3 };
    ct_diag diag;
    net n = new_net(BT_F64, 1), all = new_net(BT_F64, SAMPLES);
    ct_assert_ok(bt_graph_plan(n.g, n.loss, &diag), &diag);
    ct_assert_ok(bt_graph_plan(all.g, all.loss, &diag), &diag);
    const size_t size = bt_graph_parameter_elements(n.g);
    double *rows = malloc(SAMPLES * size * sizeof *rows);
    ct_assert_ok(bt_sample_gradients(n.g, rows, SAMPLES, fill, &n, &diag), &diag);
    ct_assert_ok(fill(&all, all.g, 0, 0, &diag), &diag);
    ct_assert_ok(bt_graph_forward(all.g, &diag), &diag);
    bt_graph_backward(all.g);
    double *mean = calloc(size, sizeof *mean), *expected = calloc(size, sizeof *expected);
    size_t at = 0;
    for (size_t i = 0; i < bt_graph_parameters(all.g); i++) {
        bt_tensor_read_gradient(bt_graph_parameter(all.g, i), expected + at);
        at += bt_tensor_size(bt_graph_parameter(all.g, i));
    }
    double difference = 0;
    for (size_t i = 0; i < size; i++) {
        mean[i] = (rows[i] + rows[size + i] + rows[2 * size + i]) / SAMPLES;
        difference += fabs(rows[i] - rows[size + i]);
    }
    ct_assert_array_near(mean, expected, size, 1e-9, 1e-12);
    assert_true(difference > 0.1);
    free(rows);
    free(mean);
    free(expected);
    bt_graph_destroy(n.g);
    bt_graph_destroy(all.g);
}

static void test_options(void **state)
{
    (void)state;
    ct_diag diag;
    bt_trainer *t = (bt_trainer *)&diag;
    bt_trainer_options o = bt_trainer_options_default(BT_SGD);
    net n = new_net(BT_F32, 2);
    o.shards = 0;
    ct_assert_status(bt_trainer_create(&t, n.g, n.loss, &o, &diag), CT_EINVALID, &diag);
    assert_null(t);
    ct_assert_contains(diag.text, "shards");
    o.shards = 1;
    o.accumulate = 0;
    ct_assert_status(bt_trainer_create(&t, n.g, n.loss, &o, &diag), CT_EINVALID, &diag);
    o.accumulate = 1;
    o.optimizer.momentum = 2;
    ct_assert_status(bt_trainer_create(&t, n.g, n.loss, &o, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "momentum");
    bt_trainer_destroy(NULL);
    bt_graph_destroy(n.g);
}

static ct_status create_and_destroy(void *context)
{
    ct_diag diag;
    bt_graph *g;
    bt_trainer *t;
    (void)context;
    CT_TRY(bt_graph_create(&g, BT_F32));
    const bt_tensor x = bt_input(g, bt_shape2(1, 3));
    const bt_tensor w = bt_parameter(g, "w", bt_shape2(1, 3), bt_init_normal(1));
    const bt_tensor loss = bt_tensor_linear(x, w, bt_tensor_none(g), BT_IDENTITY);
    bt_trainer_options o = bt_trainer_options_default(BT_ADAM);
    o.shards = 2;
    const ct_status status = bt_trainer_create(&t, g, loss, &o, &diag);
    bt_trainer_destroy(t);
    bt_graph_destroy(g);
    return status;
}

static void test_allocation_failures(void **state)
{
    (void)state;
    ct_assert_survives_allocation_failures(create_and_destroy, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits_do_not_depend_on_threads),
        cmocka_unit_test(test_one_shard_is_the_plain_loop_bit_for_bit),
        cmocka_unit_test(test_one_sample),
        cmocka_unit_test(test_shards_and_rounds_are_one_batch),
        cmocka_unit_test(test_frozen_buffers_are_shared),
        cmocka_unit_test(test_a_shard_that_is_not_filled),
        cmocka_unit_test(test_failures_change_nothing),
        cmocka_unit_test(test_a_loss_that_is_no_number),
        cmocka_unit_test(test_evaluate),
        cmocka_unit_test(test_gradients_of_samples),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
