// SPDX-License-Identifier: MIT
/* Layers and models: names, shapes and beginnings of their parameters; losses, gradients and
 * training of whole models against PyTorch's, as stored in reference/. */
#include "reference.h"

#include <burtorch/nn.h>
#include <burtorch/optimizer.h>
#include <math.h>

/* ---- Names and beginnings ---- */

static bt_graph *new_graph(bt_dtype dtype)
{
    bt_graph *g;
    ct_assert_ok(bt_graph_create(&g, dtype), NULL);
    return g;
}

static void plan_forward(bt_graph *g)
{
    ct_diag diag;
    ct_assert_ok(bt_graph_plan(g, bt_tensor_none(g), &diag), &diag);
}

/* "name (shape) mean deviation", of every parameter and buffer. */
static void check_parameter(bt_tensor p, const char *name, const char *shape, double mean,
                            double deviation)
{
    char text[BT_SHAPE_TEXT_SIZE];
    const bt_shape s = bt_tensor_shape(p);
    const size_t n = bt_tensor_size(p);
    double *x = malloc((n + 1) * sizeof *x), sum = 0, squares = 0;
    assert_string_equal(bt_tensor_name(p), name);
    assert_string_equal(bt_shape_text(text, &s), shape);
    assert_true(bt_tensor_read(p, x));
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    for (size_t i = 0; i < n; i++)
        squares += pow(x[i] - sum / (double)n, 2);
    ct_assert_near(sum / (double)n, mean, 1e-6, 5 * deviation / sqrt((double)n));
    ct_assert_near(sqrt(squares / (double)n), deviation, 0.2, 1e-12);
    free(x);
}

static void test_linear(void **state)
{
    (void)state;
    bt_graph *g = new_graph(BT_F32);
    const bt_tensor x = bt_input(g, bt_shape3(2, 3, 50));
    bt_tensor y = bt_nn_linear(x, "a", 40, BT_RELU);
    y = bt_nn_linear_with(y, "b", 30, BT_TANH, false, bt_init_uniform(0.5));
    y = bt_nn_mlp(y, "m", (const size_t[]){20, 10}, 2, BT_TANH);
    y = bt_nn_mlp(y, "", (const size_t[]){2}, 1, BT_TANH);
    plan_forward(g);
    const bt_shape shape = bt_tensor_shape(y);
    assert_int_equal(shape.axes, 3);
    assert_int_equal(shape.dims[2], 2);
    assert_int_equal(bt_graph_parameters(g), 9);
    check_parameter(bt_graph_parameter(g, 0), "a.weight", "(40, 50)", 0, sqrt(2.0 / 50));
    check_parameter(bt_graph_parameter(g, 1), "a.bias", "(40)", 0, 0);
    check_parameter(bt_graph_parameter(g, 2), "b.weight", "(30, 40)", 0, 0.5 / sqrt(3));
    check_parameter(bt_graph_parameter(g, 3), "m.0.weight", "(20, 30)", 0, 5 / 3.0 / sqrt(30));
    check_parameter(bt_graph_parameter(g, 5), "m.1.weight", "(10, 20)", 0, 1 / sqrt(20));
    check_parameter(bt_graph_parameter(g, 7), "0.weight", "(2, 10)", 0, 1 / sqrt(10));
    bt_graph_destroy(g);
}

static void test_norms_and_convolution(void **state)
{
    (void)state;
    bt_graph *g = new_graph(BT_F64);
    const bt_tensor x = bt_input(g, bt_shape4(2, 8, 5, 5));
    bt_tensor y = bt_nn_conv2d(x, "conv", 16, 3, 1, 1);
    y = bt_nn_layer_norm(bt_nn_batch_norm(y, "bn"), "ln");
    plan_forward(g);
    assert_int_equal(bt_tensor_size(y), 2 * 16 * 25);
    check_parameter(bt_graph_parameter(g, 0), "conv.weight", "(16, 8, 3, 3)", 0, sqrt(2.0 / 72));
    check_parameter(bt_graph_parameter(g, 1), "conv.bias", "(16)", 0, 0);
    check_parameter(bt_graph_parameter(g, 2), "bn.weight", "(16)", 1, 0);
    check_parameter(bt_graph_parameter(g, 3), "bn.bias", "(16)", 0, 0);
    check_parameter(bt_graph_parameter(g, 4), "ln.weight", "(5)", 1, 0);
    check_parameter(bt_graph_buffer(g, 0), "bn.running_mean", "(16)", 0, 0);
    check_parameter(bt_graph_buffer(g, 1), "bn.running_var", "(16)", 1, 0);
    bt_graph_destroy(g);
}

static void test_gpt_parameters(void **state)
{
    (void)state;
    bt_graph *g = new_graph(BT_F32);
    bt_nn_gpt_options o = bt_nn_gpt_options_default();
    o.vocabulary = 65;
    o.dropout = 0.1;
    const bt_tensor logits = bt_nn_gpt(bt_input_u32(g, bt_shape2(2, 10)), &o);
    plan_forward(g);
    static const struct {
        const char *name, *shape;
        double mean, deviation;
    } expected[] = {
        {"token.weight", "(65, 128)", 0, 0.02},
        {"position.weight", "(64, 128)", 0, 0.02},
        {"block.0.norm1.weight", "(128)", 1, 0},
        {"block.0.norm1.bias", "(128)", 0, 0},
        {"block.0.qkv.weight", "(384, 128)", 0, 0.02},
        {"block.0.projection.weight", "(128, 128)", 0, 0.02 / 2.8284271247461903},
        {"block.0.projection.bias", "(128)", 0, 0},
        {"block.0.norm2.weight", "(128)", 1, 0},
        {"block.0.norm2.bias", "(128)", 0, 0},
        {"block.0.mlp_up.weight", "(512, 128)", 0, 0.02},
        {"block.0.mlp_up.bias", "(512)", 0, 0},
        {"block.0.mlp_down.weight", "(128, 512)", 0, 0.02 / 2.8284271247461903},
        {"block.0.mlp_down.bias", "(128)", 0, 0},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        check_parameter(bt_graph_find(g, expected[i].name), expected[i].name, expected[i].shape,
                        expected[i].mean, expected[i].deviation);
    assert_int_equal(bt_graph_parameters(g), 2 + 4 * 11 + 4);
    assert_int_equal(bt_graph_parameter_elements(g), 816705); // README of the peers
    assert_string_equal(bt_tensor_name(bt_graph_parameter(g, 49)), "head.bias");
    assert_int_equal(bt_tensor_size(logits), 2 * 10 * 65);
    bt_graph_destroy(g);
    // No biases but those of the norms; then all of them.
    for (int all = 0; all < 2; all++) {
        g = new_graph(BT_F32);
        o.bias = o.qkv_bias = all;
        bt_nn_gpt(bt_input_u32(g, bt_shape2(2, 64)), &o);
        plan_forward(g);
        assert_int_equal(bt_graph_parameters(g), all ? 2 + 4 * 12 + 4 : 2 + 4 * 8 + 3);
        bt_graph_destroy(g);
    }
}

static void test_errors(void **state)
{
    (void)state;
    char name[300];
    ct_diag diag;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    bt_graph *g = new_graph(BT_F32);
    bt_nn_linear(bt_input(g, bt_shape2(2, 3)), name, 2, BT_RELU);
    ct_assert_status(bt_graph_plan(g, bt_tensor_none(g), &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "longer than 200 bytes");
    bt_graph_destroy(g);
    g = new_graph(BT_F32);
    bt_nn_gpt_options o = bt_nn_gpt_options_default();
    o.vocabulary = 5;
    o.context = 4;
    bt_nn_gpt(bt_input_u32(g, bt_shape2(2, 5)), &o); // longer than the context
    ct_assert_status(bt_graph_plan(g, bt_tensor_none(g), &diag), BT_ESHAPE, &diag);
    ct_assert_contains(diag.text, "slice: 0:5 of axis 0 of (4, 128)");
    bt_graph_destroy(g);
    g = new_graph(BT_F32);
    bt_nn_batch_norm(bt_input(g, bt_shape0()), "n");
    ct_assert_status(bt_graph_plan(g, bt_tensor_none(g), &diag), BT_ESHAPE, &diag);
    bt_graph_destroy(g);
}

/* ---- Whole models against stored values ---- */

typedef struct model {
    bt_graph *g;
    bt_tensor x, y, loss;
} model;

static bt_tensor input_like(bt_graph *g, const bt_safetensors *file, const char *name)
{
    const bt_array *a = bt_safetensors_find(file, name);
    bt_shape shape = {.axes = a->axes};
    for (size_t i = 0; i < a->axes; i++)
        shape.dims[i] = a->dims[i];
    return strcmp(a->dtype, "U32") == 0 ? bt_input_u32(g, shape) : bt_input(g, shape);
}

static size_t size_setting(const bt_safetensors *file, const char *key)
{
    const char *text = bt_safetensors_metadata(file, key);
    assert_non_null(text);
    return text ? strtoul(text, NULL, 10) : 0;
}

static bt_tensor build_mlp(bt_tensor x, const bt_safetensors *file)
{
    size_t sizes[8], n = 0;
    char *at;
    strtoul(bt_safetensors_metadata(file, "widths"), &at, 10);
    while (*at)
        sizes[n++] = strtoul(at, &at, 10);
    return bt_nn_mlp(x, "layer", sizes, n, BT_RELU);
}

static bt_tensor build_gpt(bt_tensor x, const bt_safetensors *file)
{
    bt_nn_gpt_options o = bt_nn_gpt_options_default();
    o.vocabulary = size_setting(file, "vocabulary");
    o.context = size_setting(file, "context");
    o.embed = size_setting(file, "width");
    o.heads = size_setting(file, "heads");
    o.layers = size_setting(file, "layers");
    o.activation =
        strcmp(bt_safetensors_metadata(file, "activation"), "relu") == 0 ? BT_RELU : BT_GELU;
    return bt_nn_gpt(x, &o);
}

static bt_tensor build_cnn(bt_tensor x, const bt_safetensors *file)
{
    const bt_array *conv1 = bt_safetensors_find(file, "param.conv1.bias");
    const bt_array *conv2 = bt_safetensors_find(file, "param.conv2.bias");
    const bt_nn_cnn_options o = {.channels = {conv1->dims[0], conv2->dims[0]},
                                 .classes = size_setting(file, "classes"),
                                 .batch_norm = bt_safetensors_find(file, "param.norm1.bias")};
    return bt_nn_cnn(x, &o);
}

static void write_numbers(bt_tensor x, const bt_safetensors *file, const char *prefix,
                          const char *name)
{
    char full[128];
    size_t n;
    snprintf(full, sizeof full, "%s.%s", prefix, name);
    double *numbers = reference_numbers(file, full, &n);
    assert_int_equal(n, bt_tensor_size(x));
    assert_true(bt_tensor_write(x, numbers));
    free(numbers);
}

static model load_model(const bt_safetensors *file, bt_dtype dtype)
{
    const char *kind = bt_safetensors_metadata(file, "model");
    const bool gpt = strcmp(kind, "gpt") == 0;
    model m = {.g = new_graph(dtype)};
    ct_diag diag;
    m.x = input_like(m.g, file, gpt ? "input.tokens" : "input.x");
    m.y = input_like(m.g, file, "input.targets");
    const bt_tensor logits = gpt                        ? build_gpt(m.x, file)
                             : strcmp(kind, "mlp") == 0 ? build_mlp(m.x, file)
                                                        : build_cnn(m.x, file);
    m.loss = bt_tensor_cross_entropy(logits, m.y);
    ct_assert_ok(bt_graph_plan(m.g, m.loss, &diag), &diag);
    size_t n = 0;
    for (size_t i = 0; i < bt_safetensors_count(file); i++)
        n += strncmp(bt_safetensors_array(file, i)->name, "param.", 6) == 0;
    assert_int_equal(bt_graph_parameters(m.g), n);
    for (size_t i = 0; i < n; i++)
        write_numbers(bt_graph_parameter(m.g, i), file, "param",
                      bt_tensor_name(bt_graph_parameter(m.g, i)));
    write_numbers(m.x, file, "input", gpt ? "tokens" : "x");
    write_numbers(m.y, file, "input", "targets");
    return m;
}

static void run(model *m)
{
    ct_diag diag;
    ct_assert_ok(bt_graph_forward(m->g, &diag), &diag);
    bt_graph_backward(m->g);
}

static void check_gradients(model *m, const bt_safetensors *file, double tolerance)
{
    for (size_t i = 0; i < bt_graph_parameters(m->g); i++) {
        const bt_tensor p = bt_graph_parameter(m->g, i);
        char name[128];
        size_t n;
        double scale = 0;
        snprintf(name, sizeof name, "grad.%s", bt_tensor_name(p));
        double *expected = reference_numbers(file, name, &n), *got = malloc(n * sizeof *got);
        assert_true(bt_tensor_read_gradient(p, got));
        for (size_t k = 0; k < n; k++)
            scale = fmax(scale, fabs(expected[k]));
        ct_assert_array_near(got, expected, n, tolerance, tolerance * fmax(scale, 0.01));
        free(expected);
        free(got);
    }
    for (size_t i = 0; i < bt_graph_buffers(m->g); i++) {
        const bt_tensor b = bt_graph_buffer(m->g, i);
        char name[128];
        double got[64];
        size_t n;
        snprintf(name, sizeof name, "expected.%s", bt_tensor_name(b));
        double *expected = reference_numbers(file, name, &n);
        assert_true(bt_tensor_read(b, got));
        ct_assert_array_near(got, expected, n, tolerance, tolerance);
        free(expected);
    }
}

static bt_optimizer_options stored_optimizer(const bt_safetensors *file, const char *name)
{
    bt_optimizer_options o =
        bt_optimizer_options_default(strcmp(name, "adamw") == 0 ? BT_ADAMW : BT_SGD);
    char key[64], *second;
    o.momentum = reference_setting(file, name, "momentum", 0);
    o.weight_decay = reference_setting(file, name, "weight_decay", 0);
    snprintf(key, sizeof key, "%s.betas", name);
    const char *betas = bt_safetensors_metadata(file, key);
    if (betas) {
        o.beta1 = strtod(betas, &second);
        o.beta2 = strtod(second, NULL);
    }
    return o;
}

/* The losses of ten steps on the same batch. */
static void check_training(const bt_safetensors *file, const char *optimizer, bt_dtype dtype)
{
    model m = load_model(file, dtype);
    const bt_optimizer_options opt = stored_optimizer(file, optimizer);
    bt_optimizer *o;
    ct_diag diag;
    char name[64];
    size_t n;
    snprintf(name, sizeof name, "expected.losses.%s", optimizer);
    double *expected = reference_numbers(file, name, &n);
    assert_int_equal(n, 11);
    ct_assert_ok(bt_optimizer_create(&o, m.g, &opt, &diag), &diag);
    for (size_t i = 0; i < n; i++) {
        const double tolerance = dtype == BT_F64 ? 1e-9 : 2e-4;
        run(&m);
        ct_assert_near_at(bt_tensor_value(m.loss), expected[i], tolerance, 0, (long)i, optimizer,
                          __LINE__);
        bt_optimizer_step(o, reference_setting(file, optimizer, "lr", -1));
    }
    assert_true(expected[10] < expected[0]);
    free(expected);
    bt_optimizer_destroy(o);
    bt_graph_destroy(m.g);
}

static void check_model(const char *name)
{
    bt_safetensors *file = reference_open(__FILE__, name);
    size_t n;
    double *loss = reference_numbers(file, "expected.loss", &n);
    for (int dtype = BT_F32; dtype <= BT_F64; dtype++) {
        const double tolerance = dtype == BT_F64 ? 1e-11 : 1e-4;
        model m = load_model(file, (bt_dtype)dtype);
        run(&m);
        ct_assert_near(bt_tensor_value(m.loss), *loss, tolerance, 0);
        check_gradients(&m, file, tolerance);
        bt_graph_destroy(m.g);
        check_training(file, "momentum", (bt_dtype)dtype);
        check_training(file, "adamw", (bt_dtype)dtype);
    }
    free(loss);
    bt_safetensors_close(file);
}

static void test_mlp(void **state)
{
    (void)state;
    check_model("mlp");
}

static void test_gpt_relu(void **state)
{
    (void)state;
    check_model("gpt_relu");
}

static void test_gpt_gelu(void **state)
{
    (void)state;
    check_model("gpt_gelu");
}

static void test_cnn(void **state)
{
    (void)state;
    check_model("cnn");
}

static void test_cnn_batch_norm(void **state)
{
    (void)state;
    check_model("cnn_batch_norm");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_norms_and_convolution),
        cmocka_unit_test(test_gpt_parameters),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_mlp),
        cmocka_unit_test(test_gpt_relu),
        cmocka_unit_test(test_gpt_gelu),
        cmocka_unit_test(test_cnn),
        cmocka_unit_test(test_cnn_batch_norm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
