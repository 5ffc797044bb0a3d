// SPDX-License-Identifier: MIT
/* Checkpoints: training goes on bit for bit; files that do not fit change nothing and say where. */
#include "ct_test.h"

#include <burtorch/checkpoint.h>
#include <burtorch/nn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 6, INPUTS = 5, HIDDEN = 7, CLASSES = 3 };

typedef struct world {
    bt_graph *g;
    bt_tensor x, y, loss;
    bt_optimizer *o;
} world;

/* A layer with dropout, a frozen part, and a parameter without axes that nothing uses. */
static world make(bt_dtype dtype, const bt_optimizer_options *opt)
{
    world w;
    ct_diag diag;
    ct_assert_ok(bt_graph_create(&w.g, dtype), NULL);
    w.x = bt_input(w.g, bt_shape2(ROWS, INPUTS));
    w.y = bt_input_u32(w.g, bt_shape1(ROWS));
    bt_tensor h = bt_tensor_dropout(bt_nn_linear(w.x, "hidden", HIDDEN, BT_TANH), 0.3);
    const bt_tensor frozen = bt_buffer(w.g, "frozen", bt_shape1(HIDDEN), bt_init_normal(1));
    h = bt_tensor_add(h, frozen);
    bt_parameter(w.g, "unused", bt_shape0(), bt_init_constant(3));
    w.loss = bt_tensor_cross_entropy(bt_nn_linear(h, "output", CLASSES, BT_IDENTITY), w.y);
    ct_assert_ok(bt_graph_plan(w.g, w.loss, &diag), &diag);
    ct_assert_ok(bt_optimizer_create(&w.o, w.g, opt, &diag), &diag);
    return w;
}

static void unmake(world *w)
{
    bt_optimizer_destroy(w->o);
    bt_graph_destroy(w->g);
}

static double step(world *w, uint64_t number, uint64_t seed)
{
    double x[ROWS * INPUTS];
    ct_rng rng;
    ct_diag diag;
    ct_rng_init(&rng, seed, CT_RNG_USER, 0, (uint32_t)number);
    ct_rng_fill_normal_f64(&rng, x, ROWS * INPUTS, 0, 1);
    assert_true(bt_tensor_write(w->x, x));
    for (size_t i = 0; i < ROWS; i++)
        bt_tensor_u32(w->y)[i] = (uint32_t)ct_rng_below(&rng, CLASSES);
    bt_graph_set_seed(w->g, seed);
    bt_graph_set_step(w->g, number);
    ct_assert_ok(bt_graph_forward(w->g, &diag), &diag);
    bt_graph_backward(w->g);
    bt_optimizer_step(w->o, 0.05);
    return bt_tensor_value(w->loss);
}

static void same_parameters(world *a, world *b)
{
    double x[64], y[64];
    for (size_t i = 0; i < bt_graph_parameters(a->g); i++) {
        const size_t n = bt_tensor_size(bt_graph_parameter(a->g, i));
        assert_true(bt_tensor_read(bt_graph_parameter(a->g, i), x));
        assert_true(bt_tensor_read(bt_graph_parameter(b->g, i), y));
        assert_memory_equal(x, y, n * sizeof *x);
    }
    assert_true(bt_tensor_read(bt_graph_buffer(a->g, 0), x));
    assert_true(bt_tensor_read(bt_graph_buffer(b->g, 0), y));
    assert_memory_equal(x, y, HIDDEN * sizeof *x);
}

static void check_resume(bt_dtype dtype, const bt_optimizer_options *opt, const char *path)
{
    world a = make(dtype, opt), b = make(dtype, opt);
    bt_checkpoint state = {.step = 5, .position = UINT64_MAX, .seed = 42}, back = {0};
    ct_diag diag;
    for (uint64_t i = 0; i < 5; i++)
        step(&a, i, state.seed);
    ct_assert_ok(bt_checkpoint_save(path, a.g, a.o, &state, &diag), &diag);
    step(&b, 77, 1); // something else, and another first value of the buffer
    bt_tensor_write(bt_graph_buffer(b.g, 0), (double[HIDDEN]){0});
    ct_assert_ok(bt_checkpoint_load(path, b.g, b.o, &back, &diag), &diag);
    assert_int_equal(back.step, 5);
    assert_true(back.position == UINT64_MAX);
    assert_int_equal(back.seed, 42);
    assert_int_equal(bt_optimizer_steps(b.o), 5);
    same_parameters(&a, &b);
    for (uint64_t i = 5; i < 10; i++)
        assert_true(step(&a, i, state.seed) == step(&b, i, back.seed));
    same_parameters(&a, &b);
    unmake(&a);
    unmake(&b);
}

static void test_resume(void **state)
{
    (void)state;
    char *path = ct_test_path("resume.safetensors");
    for (int kind = 0; kind < 3; kind++)
        for (int more = 0; more < 2; more++) {
            bt_optimizer_options o = bt_optimizer_options_default((bt_optimizer_kind)kind);
            o.weight_decay = more ? 0.1 : 0;
            o.clip_norm = more ? 0.5 : 0;
            o.momentum = more ? 0.9 : 0;
            check_resume(BT_F32, &o, path);
            check_resume(BT_F64, &o, path);
        }
    free(path);
}

/* ---- What is in the file ---- */

static void test_contents(void **state)
{
    (void)state;
    const bt_optimizer_options o = bt_optimizer_options_default(BT_ADAM);
    world w = make(BT_F32, &o);
    char *path = ct_test_path("contents.safetensors");
    const bt_metadata own = {"corpus", "caf\xc3\xa9 \"1\""};
    const bt_checkpoint s = {.step = 1, .metadata = &own, .n_metadata = 1};
    bt_safetensors *file;
    ct_diag diag;
    step(&w, 0, 1);
    ct_assert_ok(bt_checkpoint_save(path, w.g, w.o, &s, &diag), &diag);
    ct_assert_ok(bt_safetensors_open(&file, path, &diag), &diag);
    assert_int_equal(bt_safetensors_count(file), 3 * 5 + 1);
    assert_string_equal(bt_safetensors_metadata(file, "corpus"), own.value);
    assert_string_equal(bt_safetensors_metadata(file, "optimizer"), "adam");
    assert_string_equal(bt_safetensors_metadata(file, "optimizer.steps"), "1");
    const bt_array *m = bt_safetensors_find(file, "optimizer.m.hidden.weight");
    assert_non_null(m);
    assert_int_equal(m->axes, 2);
    assert_int_equal(m->dims[0], HIDDEN);
    assert_int_equal(m->dims[1], INPUTS);
    assert_non_null(bt_safetensors_find(file, "optimizer.v.unused"));
    // Other readers want the data, and so the header's end, at a multiple of 8.
    assert_int_equal((uintptr_t)bt_safetensors_array(file, 0)->data % 8, 0);
    bt_safetensors_close(file);
    // Without optimizer and state; and the optimizer's arrays are passed over.
    world again = make(BT_F32, &o);
    ct_assert_ok(bt_checkpoint_load(path, again.g, NULL, NULL, &diag), &diag);
    same_parameters(&w, &again);
    ct_assert_ok(bt_checkpoint_save(path, w.g, NULL, NULL, &diag), &diag);
    ct_assert_ok(bt_checkpoint_load(path, again.g, NULL, NULL, &diag), &diag);
    ct_assert_status(bt_checkpoint_load(path, again.g, again.o, NULL, &diag), CT_EPARSE, &diag);
    ct_assert_contains(diag.text, "there is no state of an optimizer");
    bt_checkpoint back;
    ct_assert_status(bt_checkpoint_load(path, again.g, NULL, &back, &diag), CT_EPARSE, &diag);
    ct_assert_contains(diag.text, "there is no metadata \"step\"");
    unmake(&again);
    unmake(&w);
    free(path);
}

/* ---- Files that do not fit ---- */

static void *slurp(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *data = malloc((size_t)1 << 20);
    *size = fread(data, 1, (size_t)1 << 20, f);
    fclose(f);
    return data;
}

static void expect_failure(const char *path, world *w, ct_status expected, const char *error)
{
    const bt_optimizer_options o = *bt_optimizer_settings(w->o);
    world fresh = make(bt_graph_dtype(w->g), &o);
    bt_checkpoint back;
    ct_diag diag;
    ct_assert_status(bt_checkpoint_load(path, w->g, w->o, &back, &diag), expected, &diag);
    ct_assert_contains(diag.text, path);
    ct_assert_contains(diag.text, error);
    same_parameters(w, &fresh); // nothing was touched
    assert_int_equal(bt_optimizer_steps(w->o), 0);
    unmake(&fresh);
}

/* Replace the first `from` in the file's bytes by `to`, of the same length. */
static void damage(const char *path, const void *data, size_t size, const char *from,
                   const char *to)
{
    char *copy = malloc(size);
    memcpy(copy, data, size);
    const size_t length = strlen(from);
    size_t at = 0;
    assert_int_equal(length, strlen(to));
    while (at + length <= size && memcmp(copy + at, from, length) != 0)
        at++;
    assert_true(at + length <= size);
    memcpy(copy + at, to, length);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(copy, 1, size, f), size);
    fclose(f);
    free(copy);
}

static void test_hostile_files(void **state)
{
    (void)state;
    const bt_optimizer_options o = bt_optimizer_options_default(BT_ADAMW);
    world w = make(BT_F32, &o), trained = make(BT_F32, &o);
    char *path = ct_test_path("hostile.safetensors");
    const bt_checkpoint s = {.step = 12345, .seed = 1};
    ct_diag diag;
    size_t size;
    step(&trained, 0, 1);
    ct_assert_ok(bt_checkpoint_save(path, trained.g, trained.o, &s, &diag), &diag);
    char *data = slurp(path, &size);
    static const struct {
        const char *from, *to, *error;
        ct_status status;
    } cases[] = {
        {"\"hidden.bias\"", "\"hidden.bibs\"", "there is no array 'hidden.bias'", CT_EPARSE},
        {"\"unused\"", "\"zzused\"", "there is no array 'unused'", CT_EPARSE},
        {"\"optimizer.v.unused\"", "\"optimizer.v.anused\"", "'optimizer.v.anused' is not one",
         CT_EPARSE},
        {"[7,5]", "[5,7]", "'hidden.weight' is (5, 7) in the file and (7, 5) in the graph",
         BT_ESHAPE},
        {"\"F32\"", "\"U32\"", "'hidden.weight' is of U32 and not of F32", CT_EPARSE},
        {"[0,140]", "[4,144]", "overlap or leave a gap", CT_EPARSE},
        {"\"12345\"", "\"1234x\"", "metadata \"step\" is no number", CT_EPARSE},
        {"\"step\"", "\"stop\"", "there is no metadata \"step\"", CT_EPARSE},
        {"\"adamw\"", "\"adamx\"", "the optimizer is adamx and not adamw", CT_EPARSE},
        {"{\"__meta", "[\"__meta", "header byte 0: expected '{'", CT_EPARSE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        damage(path, data, size, cases[i].from, cases[i].to);
        expect_failure(path, &w, cases[i].status, cases[i].error);
    }
    for (size_t cut = 0; cut < size; cut += cut < 64 ? 1 : 101) {
        char *part = ct_test_file_bytes("cut.safetensors", data, cut);
        expect_failure(part, &w, CT_EPARSE, "");
        free(part);
    }
    free(data);
    unmake(&w);
    unmake(&trained);
    free(path);
}

static void test_other_graphs(void **state)
{
    (void)state;
    const bt_optimizer_options adam = bt_optimizer_options_default(BT_ADAM);
    bt_optimizer_options sgd = bt_optimizer_options_default(BT_SGD);
    world a = make(BT_F32, &adam), b = make(BT_F64, &adam), c = make(BT_F32, &sgd);
    char *path = ct_test_path("other.safetensors");
    bt_graph *empty;
    ct_diag diag;
    ct_assert_ok(bt_checkpoint_save(path, a.g, a.o, NULL, &diag), &diag);
    ct_assert_status(bt_checkpoint_load(path, b.g, b.o, NULL, &diag), CT_EPARSE, &diag);
    ct_assert_contains(diag.text, "is of F32 and not of F64");
    ct_assert_status(bt_checkpoint_load(path, c.g, c.o, NULL, &diag), CT_EPARSE, &diag);
    ct_assert_contains(diag.text, "the optimizer is adam and not sgd");
    ct_assert_status(bt_checkpoint_load("/nonexistent", a.g, NULL, NULL, &diag), CT_ENOTFOUND,
                     &diag);
    ct_assert_status(bt_checkpoint_save("/nonexistent/x", a.g, NULL, NULL, &diag), CT_ENOTFOUND,
                     &diag);
    ct_assert_status(bt_checkpoint_save(path, a.g, c.o, NULL, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "another graph");
    const bt_metadata own = {"step", "1"};
    const bt_checkpoint s = {.metadata = &own, .n_metadata = 1};
    ct_assert_status(bt_checkpoint_save(path, a.g, NULL, &s, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "metadata 'step'");
    // Momentum was on when the file was written, or is now.
    ct_assert_ok(bt_checkpoint_save(path, c.g, c.o, NULL, &diag), &diag);
    sgd.momentum = 0.9;
    world d = make(BT_F32, &sgd);
    ct_assert_status(bt_checkpoint_load(path, d.g, d.o, NULL, &diag), CT_EPARSE, &diag);
    ct_assert_contains(diag.text, "there is no array 'optimizer.m.");
    ct_assert_ok(bt_checkpoint_save(path, d.g, d.o, NULL, &diag), &diag);
    ct_assert_status(bt_checkpoint_load(path, c.g, c.o, NULL, &diag), CT_EPARSE, &diag);
    ct_assert_contains(diag.text, "'optimizer.m.hidden.bias' is not one of the graph");
    ct_assert_ok(bt_graph_create(&empty, BT_F32), NULL);
    ct_assert_status(bt_checkpoint_save(path, empty, NULL, NULL, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "must be planned");
    bt_graph_destroy(empty);
    unmake(&a);
    unmake(&b);
    unmake(&c);
    unmake(&d);
    free(path);
}

typedef struct attempt {
    world *w;
    const char *path;
} attempt;

static ct_status save_and_load(void *context)
{
    const attempt *a = context;
    bt_checkpoint s = {.step = 1};
    CT_TRY(bt_checkpoint_save(a->path, a->w->g, a->w->o, &s, NULL));
    return bt_checkpoint_load(a->path, a->w->g, a->w->o, &s, NULL);
}

static void test_allocations(void **state)
{
    (void)state;
    const bt_optimizer_options o = bt_optimizer_options_default(BT_ADAM);
    world w = make(BT_F32, &o);
    char *path = ct_test_path("allocations.safetensors");
    attempt a = {&w, path};
    ct_assert_survives_allocation_failures(save_and_load, &a);
    unmake(&w);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume),        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_hostile_files), cmocka_unit_test(test_other_graphs),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
