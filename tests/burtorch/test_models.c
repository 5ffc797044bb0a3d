// SPDX-License-Identifier: MIT
/* Whole models against values that PyTorch computed in double (benchmarks/peers/reference.py made
 * the files in reference/): the loss, every gradient, and ten training losses of two optimisers;
 * gradients also against central differences; in both precisions, on shards and threads too. */
#include "graph_private.h"
#include "reference.h"

#include <burtorch/inspect.h>
#include <burtorch/nn.h>
#include <burtorch/trainer.h>
#include <math.h>

enum { STEPS = 10 };

typedef struct model {
    const char *name;
    size_t rows;
    bt_tensor (*logits)(bt_graph *g, bt_tensor x, const bt_safetensors *file);
    bool indices; // x is tokens
} model;

static bt_tensor mlp_logits(bt_graph *g, bt_tensor x, const bt_safetensors *file)
{
    const size_t sizes[] = {9, 7, 4};
    (void)g;
    (void)file;
    return bt_nn_mlp(x, "layer", sizes, 3, BT_RELU);
}

static bt_tensor gpt_logits(bt_graph *g, bt_tensor x, const bt_safetensors *file)
{
    bt_nn_gpt_options o = bt_nn_gpt_options_default();
    (void)g;
    o.vocabulary = 11;
    o.context = 5;
    o.embed = 8;
    o.heads = 2;
    o.layers = 2;
    o.activation =
        strcmp(bt_safetensors_metadata(file, "activation"), "relu") == 0 ? BT_RELU : BT_GELU;
    return bt_nn_gpt(x, &o);
}

static bt_tensor cnn(bt_tensor x, bool batch_norm)
{
    bt_nn_cnn_options o = bt_nn_cnn_options_default();
    o.channels[0] = 4;
    o.channels[1] = 6;
    o.classes = 5;
    o.batch_norm = batch_norm;
    return bt_nn_cnn(x, &o);
}

static bt_tensor cnn_logits(bt_graph *g, bt_tensor x, const bt_safetensors *file)
{
    (void)g;
    (void)file;
    return cnn(x, false);
}

static bt_tensor cnn_batch_norm_logits(bt_graph *g, bt_tensor x, const bt_safetensors *file)
{
    (void)g;
    (void)file;
    return cnn(x, true);
}

static const model models[] = {
    {"mlp", 5, mlp_logits, false},
    {"gpt_gelu", 3, gpt_logits, true},
    {"gpt_relu", 3, gpt_logits, true},
    {"cnn", 4, cnn_logits, false},
    {"cnn_batch_norm", 4, cnn_batch_norm_logits, false},
};
enum { MODELS = sizeof models / sizeof *models };

typedef struct net {
    const model *m;
    bt_safetensors *file;
    bt_graph *g;
    bt_tensor x, targets, loss;
    size_t rows; // of a shard
    double *x_values, *target_values;
    size_t x_size, target_size;
} net;

static bt_shape shape_of(const bt_array *array, size_t rows)
{
    bt_shape shape = bt_shape0();
    shape.axes = array->axes;
    for (size_t i = 0; i < array->axes; i++)
        shape.dims[i] = array->dims[i];
    shape.dims[0] = rows;
    return shape;
}

static net open_net(const model *m, bt_dtype dtype, size_t rows)
{
    net n = {.m = m, .rows = rows, .file = reference_open(__FILE__, m->name)};
    const bt_array *x = bt_safetensors_find(n.file, m->indices ? "input.tokens" : "input.x");
    assert_non_null(x);
    n.x_values = reference_numbers(n.file, x->name, &n.x_size);
    n.target_values = reference_numbers(n.file, "input.targets", &n.target_size);
    ct_assert_ok(bt_graph_create(&n.g, dtype), NULL);
    const bt_shape shape = shape_of(x, rows);
    n.x = m->indices ? bt_input_u32(n.g, shape) : bt_input(n.g, shape);
    n.targets = bt_input_u32(n.g, shape_of(bt_safetensors_find(n.file, "input.targets"), rows));
    n.loss = bt_tensor_cross_entropy(m->logits(n.g, n.x, n.file), n.targets);
    return n;
}

static void close_net(net *n)
{
    bt_graph_destroy(n->g);
    bt_safetensors_close(n->file);
    free(n->x_values);
    free(n->target_values);
}

static void load_parameters(const net *n)
{
    size_t size;
    assert_true(bt_graph_parameters(n->g) > 0);
    for (size_t i = 0; i < bt_graph_parameters(n->g); i++) {
        const bt_tensor p = bt_graph_parameter(n->g, i);
        char name[128];
        snprintf(name, sizeof name, "param.%s", bt_tensor_name(p));
        double *values = reference_numbers(n->file, name, &size);
        assert_int_equal(size, bt_tensor_size(p));
        assert_true(bt_tensor_write(p, values));
        free(values);
    }
}

static ct_status fill(void *context, bt_graph *shard, size_t part, uint64_t step, ct_diag *diag)
{
    const net *n = context;
    const size_t x_row = n->x_size / n->m->rows, target_row = n->target_size / n->m->rows;
    (void)step;
    (void)diag;
    bt_tensor_write(bt_tensor_in(shard, n->x), n->x_values + part * n->rows * x_row);
    bt_tensor_write(bt_tensor_in(shard, n->targets),
                    n->target_values + part * n->rows * target_row);
    return CT_OK;
}

/* ||got - expected|| / ||expected||, for gradients that are not 0 but for rounding (a bias before
 * batch normalisation has none). */
static double relative_error(const double *got, const double *expected, size_t n)
{
    double off = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        off += (got[i] - expected[i]) * (got[i] - expected[i]);
        size += expected[i] * expected[i];
    }
    return sqrt(off) / (sqrt(size) + 1e-2);
}

static void test_loss_and_gradients(void **state)
{
    (void)state;
    for (size_t m = 0; m < MODELS; m++)
        for (int dtype = BT_F32; dtype <= BT_F64; dtype++) {
            const double tolerance = dtype == BT_F32 ? 2e-5 : 1e-11;
            net n = open_net(&models[m], (bt_dtype)dtype, models[m].rows);
            ct_diag diag;
            size_t size;
            ct_assert_ok(bt_graph_plan(n.g, n.loss, &diag), &diag);
            load_parameters(&n);
            ct_assert_ok(fill(&n, n.g, 0, 0, &diag), &diag);
            ct_assert_ok(bt_graph_forward(n.g, &diag), &diag);
            bt_graph_backward(n.g);
            double *loss = reference_numbers(n.file, "expected.loss", &size);
            ct_assert_near(bt_tensor_value(n.loss), *loss, tolerance, 0);
            free(loss);
            for (size_t i = 0; i < bt_graph_parameters(n.g); i++) {
                const bt_tensor p = bt_graph_parameter(n.g, i);
                char name[128];
                snprintf(name, sizeof name, "grad.%s", bt_tensor_name(p));
                double *expected = reference_numbers(n.file, name, &size), got[4096];
                assert_true(size <= sizeof got / sizeof *got);
                assert_true(bt_tensor_read_gradient(p, got));
                const double error = relative_error(got, expected, size);
                if (!(error <= tolerance))
                    print_error("%s: %s is off by %g\n", models[m].name, name, error);
                assert_true(error <= tolerance);
                free(expected);
            }
            close_net(&n);
        }
}

static void test_gradients_against_differences(void **state)
{
    (void)state;
    for (size_t m = 0; m < MODELS; m++) {
        net n = open_net(&models[m], BT_F64, models[m].rows);
        ct_diag diag;
        bt_check_result result;
        bt_check_options o = bt_check_options_default();
        o.samples = 0;
        o.step = 1e-6;
        ct_assert_ok(bt_graph_plan(n.g, n.loss, &diag), &diag);
        load_parameters(&n);
        ct_assert_ok(fill(&n, n.g, 0, 0, &diag), &diag);
        ct_assert_ok(bt_graph_check_gradients(n.g, &result, &o, &diag), &diag);
        assert_int_equal(result.checked, bt_graph_parameter_elements(n.g));
        if (result.wrong)
            print_error("%s: %s[%zu] is %g and the difference %g\n", models[m].name,
                        result.parameter, result.element, result.gradient, result.difference);
        assert_int_equal(result.wrong, 0);
        close_net(&n);
    }
}

static void check_training(const model *m, bt_dtype dtype, size_t shards, bool adamw)
{
    bt_trainer_options o = bt_trainer_options_default(adamw ? BT_ADAMW : BT_SGD);
    const double rate = adamw ? 0.01 : 0.05, tolerance = dtype == BT_F32 ? 1e-4 : 1e-9;
    const char *which = adamw ? "expected.losses.adamw" : "expected.losses.momentum";
    net n = open_net(m, dtype, m->rows / shards);
    ct_diag diag;
    bt_trainer *t;
    size_t size;
    o.shards = shards;
    o.threads = shards;
    o.optimizer.momentum = adamw ? 0 : 0.9;
    o.optimizer.beta2 = 0.95;
    o.optimizer.weight_decay = adamw ? 0.1 : 0;
    ct_assert_ok(bt_trainer_create(&t, n.g, n.loss, &o, &diag), &diag);
    load_parameters(&n);
    double *expected = reference_numbers(n.file, which, &size);
    assert_int_equal(size, STEPS + 1);
    for (uint64_t step = 0; step <= STEPS; step++) {
        double loss;
        ct_assert_ok(bt_trainer_step(t, step, rate, fill, &n, &loss, &diag), &diag);
        ct_assert_near(loss, expected[step], tolerance, tolerance * expected[0]);
    }
    free(expected);
    bt_trainer_destroy(t);
    close_net(&n);
}

static void test_ten_steps(void **state)
{
    (void)state;
    for (size_t m = 0; m < MODELS; m++)
        for (int adamw = 0; adamw < 2; adamw++)
            for (int dtype = BT_F32; dtype <= BT_F64; dtype++) {
                const bool split = strcmp(models[m].name, "cnn_batch_norm") != 0;
                check_training(&models[m], (bt_dtype)dtype, 1, adamw);
                if (split) // statistics of a batch are those of a shard
                    check_training(&models[m], (bt_dtype)dtype, models[m].rows, adamw);
            }
}

static void test_running_statistics(void **state)
{
    (void)state;
    net n = open_net(&models[4], BT_F64, models[4].rows);
    ct_diag diag;
    ct_assert_ok(bt_graph_plan(n.g, n.loss, &diag), &diag);
    load_parameters(&n);
    ct_assert_ok(fill(&n, n.g, 0, 0, &diag), &diag);
    ct_assert_ok(bt_graph_forward(n.g, &diag), &diag);
    assert_int_equal(bt_graph_buffers(n.g), 4);
    for (size_t i = 0; i < 4; i++) {
        const bt_tensor b = bt_graph_buffer(n.g, i);
        char name[128];
        double got[8];
        size_t size;
        snprintf(name, sizeof name, "expected.%s", bt_tensor_name(b));
        double *expected = reference_numbers(n.file, name, &size);
        assert_int_equal(size, bt_tensor_size(b));
        assert_true(bt_tensor_read(b, got));
        ct_assert_array_near(got, expected, size, 1e-12, 1e-14);
        free(expected);
    }
    close_net(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss_and_gradients),
        cmocka_unit_test(test_gradients_against_differences),
        cmocka_unit_test(test_ten_steps),
        cmocka_unit_test(test_running_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
