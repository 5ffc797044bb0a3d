// SPDX-License-Identifier: MIT
/* Texts as tokens, and character models of both kinds: they learn, are the same for the same seed
 * and any number of threads, are saved and loaded bit for bit, sample what they have learned. */
#include "ct_test.h"

#include <burtorch/safetensors.h>
#include <burtorch/text_model.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bt_text *text_of(const char *data, size_t size, bt_text_unit unit, double validation)
{
    bt_text_options o = bt_text_options_default();
    bt_text *text;
    ct_diag diag;
    o.unit = unit;
    o.validation = validation;
    ct_assert_ok(bt_text_create(&text, data, size, &o, &diag), &diag);
    return text;
}

static void test_lines(void **state)
{
    (void)state;
    const char data[] = "ab\r\n\n\xff"
                        "a\n\r\nb";
    bt_text *t = text_of(data, sizeof data - 1, BT_TEXT_LINE, 0);
    const uint16_t expected[] = {1, 2, 0, 3, 1, 0, 2, 0};
    assert_int_equal(t->vocabulary.size, 4);
    assert_int_equal(t->vocabulary.byte_of[3], 0xff);
    assert_int_equal(t->lines, 3);
    assert_int_equal(t->n_train, 8);
    assert_memory_equal(t->train, expected, sizeof expected);
    uint32_t context[3];
    const uint32_t first[] = {0, 0, 1}, edge[] = {0, 3, 1}, after[] = {0, 0, 0};
    bt_text_context(context, t->train, 1, 3);
    assert_memory_equal(context, first, sizeof first);
    bt_text_context(context, t->train, 5, 3);
    assert_memory_equal(context, edge, sizeof edge);
    bt_text_context(context, t->train, 6, 3);
    assert_memory_equal(context, after, sizeof after);
    bt_text_destroy(t);
}

static void test_running(void **state)
{
    (void)state;
    bt_text *t = text_of("ab\nba\nabab", 10, BT_TEXT_RUNNING, 0.4);
    const uint16_t train[] = {2, 3, 1, 3, 2, 1}, held[] = {2, 3, 2, 3};
    assert_int_equal(t->n_train, 6);
    assert_int_equal(t->n_validation, 4);
    assert_memory_equal(t->train, train, sizeof train);
    assert_memory_equal(t->validation, held, sizeof held);
    bt_text_destroy(t);
}

/* Every line goes to exactly one side, and the sides have the sizes asked for. */
static void test_split(void **state)
{
    (void)state;
    char data[201] = "";
    for (int i = 0; i < 100; i++)
        memcpy(data + 2 * i, "a\n", 2);
    bt_text *t = text_of(data, 200, BT_TEXT_LINE, 0.25);
    assert_int_equal(t->n_train, 150);
    assert_int_equal(t->n_validation, 50);
    bt_text_destroy(t);
}

static void test_unusable_texts(void **state)
{
    (void)state;
    bt_text *t;
    ct_diag diag;
    bt_text_options o = bt_text_options_default();
    ct_assert_status(bt_text_create(&t, "", 0, NULL, &diag), CT_EPARSE, &diag);
    ct_assert_status(bt_text_create(&t, "\n\r\n\n", 4, NULL, &diag), CT_EPARSE, &diag);
    o.validation = 1;
    ct_assert_status(bt_text_create(&t, "a", 1, &o, &diag), CT_EINVALID, &diag);
    o.validation = NAN;
    ct_assert_status(bt_text_create(&t, "a", 1, &o, &diag), CT_EINVALID, &diag);
    ct_assert_status(bt_text_open(&t, "/nonexistent", NULL, &diag), CT_ENOTFOUND, &diag);
    assert_null(t);
}

static void test_unigram(void **state)
{
    (void)state;
    bt_text *t = text_of("aab", 3, BT_TEXT_RUNNING, 0);
    // counted from 1: edge 1, a 3, b 2 of 6
    ct_assert_near(bt_text_unigram_loss(&t->vocabulary, t->train, 3, t->train, 3),
                   -(2 * log(3 / 6.0) + log(2 / 6.0)) / 3, 1e-14, 0);
    assert_true(isnan(bt_text_unigram_loss(&t->vocabulary, t->train, 3, NULL, 0)));
    bt_text_destroy(t);
}

/* ---- The model ---- */

static const char lines[] = "anna\nbob\ncarol\ndave\neve\n";

static bt_text *names(void)
{
    return text_of(lines, sizeof lines - 1, BT_TEXT_LINE, 0);
}

static bt_text_model_options small(bt_text_kind kind)
{
    bt_text_model_options o = bt_text_model_options_default(kind);
    o.batch = 16;
    o.hidden = 32;
    if (kind == BT_TEXT_GPT) {
        o.context = 8;
        o.embed = 24;
        o.heads = 2;
        o.layers = 2;
    }
    return o;
}

static bt_trainer_options training(bt_text_kind kind)
{
    return bt_trainer_options_default(kind == BT_TEXT_GPT ? BT_ADAMW : BT_SGD);
}

static void train(bt_text_model *m, const bt_text *t, uint64_t first, uint64_t last, double *loss)
{
    ct_diag diag;
    const double rate = bt_text_model_settings(m)->kind == BT_TEXT_GPT ? 5e-3 : 0.2;
    for (uint64_t step = first; step < last; step++)
        ct_assert_ok(bt_text_model_step(m, t->train, t->n_train, step, rate, loss, &diag), &diag);
}

static bt_text_model *new_model(const bt_text *t, const bt_text_model_options *o,
                                const bt_trainer_options *trainer)
{
    bt_text_model *m;
    ct_diag diag;
    ct_assert_ok(bt_text_model_create(&m, t->unit, &t->vocabulary, o, &diag), &diag);
    if (trainer)
        ct_assert_ok(bt_text_model_set_trainer(m, trainer, &diag), &diag);
    return m;
}

static bt_text_model *trained_model(bt_text_kind kind, const bt_text *t, double *loss)
{
    const bt_text_model_options o = small(kind);
    const bt_trainer_options trainer = training(kind);
    bt_text_model *m = new_model(t, &o, &trainer);
    train(m, t, 0, kind == BT_TEXT_GPT ? 400 : 600, loss);
    return m;
}

static void test_learns(void **state)
{
    (void)state;
    bt_text *t = names();
    for (int kind = 0; kind < 2; kind++) {
        double loss, again;
        bt_text_model *m = trained_model((bt_text_kind)kind, t, &loss);
        bt_text_model *same = trained_model((bt_text_kind)kind, t, &again);
        assert_true(loss == again);
        const double all = bt_text_model_evaluate(m, t->train, t->n_train);
        // What is left of the MLP is the first letter of five lines: log 5 in each 25 tokens' 5.
        // The GPT sees the line before, and not always where its own line begins.
        if (kind == BT_TEXT_MLP)
            ct_assert_near(all, 5 * log(5) / (double)t->n_train, 0.15, 0);
        assert_true(all < 0.5);
        assert_true(bt_text_unigram_loss(&t->vocabulary, t->train, t->n_train, t->train,
                                         t->n_train) > 4 * all);
        assert_true(isnan(bt_text_model_evaluate(m, t->train, 0)));
        bt_text_model_destroy(m);
        bt_text_model_destroy(same);
    }
    bt_text_destroy(t);
}

/* The mean over the stream is that of each token, whatever the batch. */
static void test_evaluation(void **state)
{
    (void)state;
    bt_text *t = names();
    for (int kind = 0; kind < 2; kind++) {
        double mean[2];
        for (size_t i = 0; i < 2; i++) {
            bt_text_model_options o = small((bt_text_kind)kind);
            o.dtype = BT_F64;
            o.batch = i ? 1 : 16;
            o.dropout = 0.5; // not while evaluating
            bt_text_model *m = new_model(t, &o, NULL);
            mean[i] = bt_text_model_evaluate(m, t->train, t->n_train);
            bt_text_model_destroy(m);
        }
        ct_assert_near(mean[0], mean[1], 1e-12, 0);
        ct_assert_near(mean[0], log((double)t->vocabulary.size), 0.2, 0);
    }
    bt_text_destroy(t);
}

/* Shards are part of what is computed, threads are not; dropout draws by the step. */
static void test_threads(void **state)
{
    (void)state;
    bt_text *t = names();
    for (int kind = 0; kind < 2; kind++) {
        double loss[2];
        for (size_t i = 0; i < 2; i++) {
            bt_text_model_options o = small((bt_text_kind)kind);
            bt_trainer_options trainer = training((bt_text_kind)kind);
            o.dropout = 0.1;
            trainer.shards = 4;
            trainer.threads = 1 + i;
            bt_text_model *m = new_model(t, &o, &trainer);
            train(m, t, 0, 20, &loss[i]);
            bt_text_model_destroy(m);
        }
        assert_true(loss[0] == loss[1]);
    }
    bt_text_destroy(t);
}

static void test_steps_allocate_nothing(void **state)
{
    (void)state;
    bt_text *t = names();
    for (int kind = 0; kind < 2; kind++) {
        const bt_text_model_options o = small((bt_text_kind)kind);
        const bt_trainer_options trainer = training((bt_text_kind)kind);
        bt_text_model *m = new_model(t, &o, &trainer);
        ct_test_fail_allocation(1);
        train(m, t, 0, 10, NULL);
        assert_true(isfinite(bt_text_model_evaluate(m, t->train, t->n_train)));
        assert_false(ct_test_fail_allocation(0));
        bt_text_model_destroy(m);
    }
    bt_text_destroy(t);
}

/* A prediction of the GPT does not see what comes after it. */
static void test_causal(void **state)
{
    (void)state;
    bt_text *t = names();
    double loss;
    bt_text_model *m = trained_model(BT_TEXT_GPT, t, &loss);
    bt_graph *g;
    ct_diag diag;
    ct_assert_ok(bt_graph_create(&g, BT_F32), NULL);
    const bt_text_tensors s = bt_text_model_build(m, g, 1);
    bt_tensor_keep(s.logits);
    ct_assert_ok(bt_graph_plan(g, bt_tensor_none(g), &diag), &diag);
    bt_graph_set_training(g, false);
    const size_t n = bt_tensor_size(s.logits), v = t->vocabulary.size;
    double *before = malloc(n * sizeof *before), *after = malloc(n * sizeof *after);
    ct_assert_ok(bt_graph_forward(g, &diag), &diag);
    assert_true(bt_tensor_read(s.logits, before));
    bt_tensor_u32(s.tokens)[5] = 3;
    ct_assert_ok(bt_graph_forward(g, &diag), &diag);
    assert_true(bt_tensor_read(s.logits, after));
    assert_memory_equal(before, after, 5 * v * sizeof *before);
    assert_memory_not_equal(before + 5 * v, after + 5 * v, v * sizeof *before);
    assert_memory_not_equal(before + 7 * v, after + 7 * v, v * sizeof *before);
    free(before);
    free(after);
    bt_graph_destroy(g);
    bt_text_model_destroy(m);
    bt_text_destroy(t);
}

static void test_samples(void **state)
{
    (void)state;
    enum { N = 40, MAX = 9 };
    bt_text *t = names();
    for (int kind = 0; kind < 2; kind++) {
        bt_sample_options o = bt_sample_options_default();
        double loss;
        bt_text_model *m = trained_model((bt_text_kind)kind, t, &loss);
        char out[N][MAX + 1], few[3][MAX + 1];
        size_t lengths[N], few_lengths[3];
        ct_diag diag;
        o.max_bytes = MAX;
        o.temperature = 0.3;
        ct_assert_ok(bt_text_model_sample(m, out[0], lengths, N, &o, &diag), &diag);
        ct_assert_ok(bt_text_model_sample(m, few[0], few_lengths, 3, &o, &diag), &diag);
        for (int i = 0; i < N; i++) { // the model knows the five names by heart
            assert_int_equal(strlen(out[i]), lengths[i]);
            assert_non_null(strstr(lines, out[i]));
            assert_true(i >= 3 || strcmp(out[i], few[i]) == 0);
        }
        o.temperature = 0;
        ct_assert_status(bt_text_model_sample(m, out[0], lengths, N, &o, &diag), CT_EINVALID,
                         &diag);
        bt_text_model_destroy(m);
    }
    bt_text_destroy(t);
}

/* Longer than the context, and without an end: the last `context` tokens tell what follows. */
/* What is learned by heart goes on as it was learned; what is not known is refused. */
static void test_prompts(void **state)
{
    (void)state;
    bt_text *t = names();
    for (int kind = BT_TEXT_MLP; kind <= BT_TEXT_GPT; kind++) {
        bt_text_model *m = trained_model((bt_text_kind)kind, t, NULL);
        bt_sample_options o = bt_sample_options_default();
        ct_diag diag;
        char out[2][21];
        size_t lengths[2];
        o.max_bytes = 20;
        o.temperature = 0.05;
        o.prompt = "car";
        ct_assert_ok(bt_text_model_sample(m, out[0], lengths, 2, &o, &diag), &diag);
        assert_string_equal(out[0], "ol");
        assert_string_equal(out[1], "ol");
        o.prompt = "caxr";
        ct_assert_status(bt_text_model_sample(m, out[0], lengths, 2, &o, &diag), CT_EINVALID,
                         &diag);
        ct_assert_contains(diag.text, "byte 3 of the prompt (0x78)");
        bt_text_model_destroy(m);
    }
    bt_text_destroy(t);
}

static void test_long_samples(void **state)
{
    (void)state;
    enum { MAX = 60 };
    char data[240];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = "abcdef"[i % 6];
    bt_text *t = text_of(data, sizeof data, BT_TEXT_RUNNING, 0);
    for (int kind = 0; kind < 2; kind++) {
        const bt_text_model_options o = small((bt_text_kind)kind);
        const bt_trainer_options trainer = training((bt_text_kind)kind);
        bt_text_model *m = new_model(t, &o, &trainer);
        bt_sample_options s = {.temperature = 0.1, .max_bytes = MAX, .seed = 1};
        char out[MAX + 1];
        size_t length;
        train(m, t, 0, 200, NULL);
        ct_assert_ok(bt_text_model_sample(m, out, &length, 1, &s, NULL), NULL);
        assert_int_equal(length, MAX);
        for (size_t i = 4; i < MAX; i++)
            assert_int_equal(out[i], out[i - 1] == 'f' ? 'a' : out[i - 1] + 1);
        bt_text_model_destroy(m);
    }
    bt_text_destroy(t);
}

static void test_save_and_load(void **state)
{
    (void)state;
    bt_text *t = names();
    char *path = ct_test_path("model.safetensors");
    for (int kind = 0; kind < 4; kind++) {
        bt_text_model_options o = small((bt_text_kind)(kind % 2));
        o.dtype = kind < 2 ? BT_F32 : BT_F64;
        const bt_trainer_options trainer = training(o.kind);
        bt_text_model *m = new_model(t, &o, &trainer), *loaded;
        char out[2][2][31];
        size_t lengths[2];
        const bt_sample_options s = {.temperature = 1, .max_bytes = 30, .seed = 4};
        ct_diag diag;
        train(m, t, 0, 50, NULL);
        ct_assert_ok(bt_text_model_save(m, path, NULL, &diag), &diag);
        ct_assert_ok(bt_text_model_load(&loaded, path, 16, &diag), &diag);
        assert_true(bt_text_model_evaluate(m, t->train, t->n_train) ==
                    bt_text_model_evaluate(loaded, t->train, t->n_train));
        assert_int_equal(bt_text_model_parameters(m), bt_text_model_parameters(loaded));
        ct_assert_ok(bt_text_model_sample(m, out[0][0], lengths, 2, &s, &diag), &diag);
        ct_assert_ok(bt_text_model_sample(loaded, out[1][0], lengths, 2, &s, &diag), &diag);
        assert_string_equal(out[0][0], out[1][0]);
        assert_string_equal(out[0][1], out[1][1]);
        bt_text_model_destroy(loaded);
        bt_text_model_destroy(m);
    }
    bt_text_destroy(t);
    free(path);
}

/* Ten steps are five, a file, and five. */
static void test_resume(void **state)
{
    (void)state;
    bt_text *t = names();
    char *path = ct_test_path("resume.safetensors");
    for (int kind = 0; kind < 2; kind++) {
        bt_text_model_options o = small((bt_text_kind)kind);
        const bt_trainer_options trainer = training(o.kind);
        const bt_metadata own = {"corpus", "names"};
        bt_checkpoint state_of = {.step = 5, .position = 7, .metadata = &own, .n_metadata = 1};
        double whole, resumed;
        ct_diag diag;
        o.dropout = 0.2;
        o.seed = 3;
        bt_text_model *m = new_model(t, &o, &trainer), *loaded;
        train(m, t, 0, 5, NULL);
        ct_assert_ok(bt_text_model_save(m, path, &state_of, &diag), &diag);
        train(m, t, 5, 10, &whole);
        memset(&state_of, 0, sizeof state_of);
        ct_assert_ok(bt_text_model_load(&loaded, path, o.batch, &diag), &diag);
        ct_assert_status(bt_text_model_resume(loaded, path, &state_of, &diag), CT_EINVALID, &diag);
        ct_assert_ok(bt_text_model_set_trainer(loaded, &trainer, &diag), &diag);
        ct_assert_ok(bt_text_model_resume(loaded, path, &state_of, &diag), &diag);
        assert_int_equal(state_of.step, 5);
        assert_int_equal(state_of.position, 7);
        assert_int_equal(state_of.seed, 3);
        train(loaded, t, state_of.step, 10, &resumed);
        assert_true(whole == resumed);
        assert_true(bt_text_model_evaluate(m, t->train, t->n_train) ==
                    bt_text_model_evaluate(loaded, t->train, t->n_train));
        bt_text_model_destroy(loaded);
        bt_text_model_destroy(m);
    }
    bt_text_destroy(t);
    free(path);
}

/* Files that are safetensors but no such model: one of an MLP with one thing changed. */
static void test_other_files(void **state)
{
    (void)state;
    bt_text *t = names();
    const bt_text_model_options o = small(BT_TEXT_MLP), g = small(BT_TEXT_GPT);
    bt_text_model *models[] = {new_model(t, &o, NULL), new_model(t, &g, NULL)};
    char *path = ct_test_path("model.safetensors"), *other = ct_test_path("other.safetensors");
    static const struct {
        size_t kind;
        const char *key, *value, *error; // value NULL: the array is left out
    } cases[] = {
        {0, "model", "bigram", "unknown metadata \"model\""},
        {0, "unit", "word", "unknown metadata \"unit\""},
        {0, "activation", "swish", "unknown metadata \"activation\""},
        {0, "context", "x", "no size in metadata \"context\""},
        {0, "context", "5", "shape of array \"hidden.weight\""},
        {0, "hidden", "4000000000", "no size in metadata \"hidden\""},
        {0, "hidden", "60000", "shape of array \"hidden.weight\""},
        {0, "dropout", "1e", "no number in metadata \"dropout\""},
        {0, "dropout", "2", "dropout is 2"},
        {0, "vocabulary", "6161", "a byte twice"},
        {0, "vocabulary", "616", "no list of bytes"},
        {0, "vocabulary", "616263", "shape of array \"embedding.weight\""},
        {0, "output.bias", NULL, "there is no array 'output.bias'"},
        {0, "embedding.weight", NULL, "there is no array \"embedding.weight\""},
        {1, "context", "65536", "shape of array \"position.weight\""},
        {1, "layers", "900", "there is no array \"block.2.mlp_up.weight\""},
        {1, "layers", "1", "'block.1.mlp_down.bias' is not one of the graph"},
        {1, "heads", "5", "embed is 24 (must be a multiple of 5 heads)"},
        {1, "block.1.qkv.weight", NULL, "there is no array 'block.1.qkv.weight'"},
    };
    static const char *const keys[] = {"model", "unit",   "vocabulary", "context",    "embed",
                                       "heads", "hidden", "layers",     "activation", "dropout"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bt_safetensors *file;
        bt_text_model *m;
        bt_array arrays[64];
        bt_metadata metadata[16];
        size_t n = 0, n_metadata = 0;
        ct_diag diag;
        ct_assert_ok(bt_text_model_save(models[cases[i].kind], path, NULL, &diag), &diag);
        ct_assert_ok(bt_safetensors_open(&file, path, &diag), &diag);
        for (size_t k = 0; k < bt_safetensors_count(file); k++)
            if (cases[i].value || strcmp(bt_safetensors_array(file, k)->name, cases[i].key) != 0)
                arrays[n++] = *bt_safetensors_array(file, k);
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            const char *value = bt_safetensors_metadata(file, keys[k]);
            if (!value)
                continue;
            metadata[n_metadata].key = keys[k];
            metadata[n_metadata++].value =
                strcmp(keys[k], cases[i].key) == 0 ? cases[i].value : value;
        }
        ct_assert_ok(bt_safetensors_write(other, arrays, n, metadata, n_metadata, &diag), &diag);
        bt_safetensors_close(file);
        const ct_status status = bt_text_model_load(&m, other, 1, &diag);
        assert_int_not_equal(status, CT_OK);
        assert_null(m);
        ct_assert_contains(diag.text, other);
        ct_assert_contains(diag.text, cases[i].error);
    }
    bt_text_model_destroy(models[0]);
    bt_text_model_destroy(models[1]);
    bt_text_destroy(t);
    free(path);
    free(other);
}

static void test_bad_options(void **state)
{
    (void)state;
    bt_text *t = names();
    bt_text_model_options o = bt_text_model_options_default(BT_TEXT_MLP);
    bt_trainer_options trainer = bt_trainer_options_default(BT_SGD);
    bt_text_model *m;
    ct_diag diag;
    o.hidden = 0;
    ct_assert_status(bt_text_model_create(&m, t->unit, &t->vocabulary, &o, &diag), CT_EINVALID,
                     &diag);
    ct_assert_contains(diag.text, "hidden is 0 (must be 1 to 65536)");
    o = bt_text_model_options_default(BT_TEXT_MLP);
    o.dtype = BT_U32;
    ct_assert_status(bt_text_model_create(&m, t->unit, &t->vocabulary, &o, &diag), CT_EINVALID,
                     &diag);
    ct_assert_ok(bt_text_model_create(&m, t->unit, &t->vocabulary, NULL, &diag), &diag);
    ct_assert_status(bt_text_model_step(m, t->train, t->n_train, 0, 0.1, NULL, &diag), CT_EINVALID,
                     &diag);
    ct_assert_contains(diag.text, "no trainer");
    trainer.shards = 3;
    ct_assert_status(bt_text_model_set_trainer(m, &trainer, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "a batch of 64 cannot be cut into 3 shards");
    trainer.shards = 1;
    ct_assert_ok(bt_text_model_set_trainer(m, &trainer, &diag), &diag);
    ct_assert_status(bt_text_model_step(m, t->train, 0, 0, 0.1, NULL, &diag), CT_EINVALID, &diag);
    ct_status status = CT_OK;
    for (uint32_t step = 0; step < 200 && status == CT_OK; step++)
        status = bt_text_model_step(m, t->train, t->n_train, step, 1e38, NULL, &diag);
    ct_assert_status(status, CT_ENUMERIC, &diag);
    ct_assert_contains(diag.text, "a smaller learning rate");
    bt_text_model_destroy(m);
    bt_text_destroy(t);
}

typedef struct attempt {
    const bt_text *text;
    const char *path;
    bt_text_kind kind;
} attempt;

static ct_status attempt_all(void *context)
{
    const attempt *a = context;
    const bt_text_model_options o = small(a->kind);
    const bt_trainer_options trainer = training(a->kind);
    bt_text_model *m, *loaded = NULL;
    char out[5];
    size_t length;
    const bt_sample_options s = {.temperature = 1, .max_bytes = 4, .seed = 1};
    const bt_checkpoint state = {.step = 1};
    ct_status status = bt_text_model_create(&m, a->text->unit, &a->text->vocabulary, &o, NULL);
    if (status == CT_OK)
        status = bt_text_model_set_trainer(m, &trainer, NULL);
    if (status == CT_OK)
        status = bt_text_model_sample(m, out, &length, 1, &s, NULL);
    if (status == CT_OK)
        status = bt_text_model_save(m, a->path, &state, NULL);
    if (status == CT_OK)
        status = bt_text_model_load(&loaded, a->path, 1, NULL);
    bt_text_model_destroy(m);
    bt_text_model_destroy(loaded);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    bt_text *t = names();
    char *path = ct_test_path("attempt.safetensors");
    for (int kind = 0; kind < 2; kind++) {
        attempt a = {t, path, (bt_text_kind)kind};
        ct_assert_survives_allocation_failures(attempt_all, &a);
    }
    bt_text_destroy(t);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_running),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_unusable_texts),
        cmocka_unit_test(test_unigram),
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_evaluation),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_steps_allocate_nothing),
        cmocka_unit_test(test_causal),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_prompts),
        cmocka_unit_test(test_long_samples),
        cmocka_unit_test(test_save_and_load),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
