// SPDX-License-Identifier: MIT
/* Texts as tokens, and the character model: it learns, is the same for the same seed, is saved and
 * loaded bit for bit, samples what it has learned. */
#include "ct_test.h"

#include <burtorch/char_mlp.h>
#include <burtorch/safetensors.h>
#include <math.h>
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

static bt_char_mlp *trained_model(const bt_text *t, double *loss)
{
    bt_char_mlp_options o = bt_char_mlp_options_default();
    bt_char_mlp *m;
    ct_diag diag;
    o.batch = 16;
    o.hidden = 32;
    ct_assert_ok(bt_char_mlp_create(&m, t->unit, &t->vocabulary, &o, &diag), &diag);
    for (uint32_t step = 0; step < 600; step++)
        ct_assert_ok(bt_char_mlp_step(m, t->train, t->n_train, 1, step, 0.2, loss, &diag), &diag);
    return m;
}

static void test_learns(void **state)
{
    (void)state;
    bt_text *t = text_of(lines, sizeof lines - 1, BT_TEXT_LINE, 0);
    double loss, again;
    bt_char_mlp *m = trained_model(t, &loss), *same = trained_model(t, &again);
    assert_true(loss == again);
    const double all = bt_char_mlp_evaluate(m, t->train, t->n_train);
    // What is left is the first letter of five lines: log 5 in each 25 tokens' 5.
    ct_assert_near(all, 5 * log(5) / (double)t->n_train, 0.15, 0);
    assert_true(bt_text_unigram_loss(&t->vocabulary, t->train, t->n_train, t->train, t->n_train) >
                5 * all);
    assert_true(isnan(bt_char_mlp_evaluate(m, t->train, 0)));
    bt_char_mlp_destroy(m);
    bt_char_mlp_destroy(same);
    bt_text_destroy(t);
}

static void test_steps_allocate_nothing(void **state)
{
    (void)state;
    bt_text *t = text_of(lines, sizeof lines - 1, BT_TEXT_LINE, 0);
    double loss;
    bt_char_mlp *m = trained_model(t, &loss);
    ct_test_fail_allocation(1);
    for (uint32_t step = 0; step < 10; step++)
        ct_assert_ok(bt_char_mlp_step(m, t->train, t->n_train, 1, step, 0.2, NULL, NULL), NULL);
    assert_false(ct_test_fail_allocation(0));
    bt_char_mlp_destroy(m);
    bt_text_destroy(t);
}

static void test_samples(void **state)
{
    (void)state;
    enum { N = 40, MAX = 9 };
    bt_text *t = text_of(lines, sizeof lines - 1, BT_TEXT_LINE, 0);
    bt_sample_options o = bt_sample_options_default();
    double loss;
    bt_char_mlp *m = trained_model(t, &loss);
    char out[N][MAX + 1], few[3][MAX + 1];
    size_t lengths[N], few_lengths[3];
    ct_diag diag;
    o.max_bytes = MAX;
    o.temperature = 0.3;
    ct_assert_ok(bt_char_mlp_sample(m, out[0], lengths, N, &o, &diag), &diag);
    ct_assert_ok(bt_char_mlp_sample(m, few[0], few_lengths, 3, &o, &diag), &diag);
    for (int i = 0; i < N; i++) { // the model knows the five names by heart
        assert_int_equal(strlen(out[i]), lengths[i]);
        assert_non_null(strstr(lines, out[i]));
        assert_true(i >= 3 || strcmp(out[i], few[i]) == 0);
    }
    o.temperature = 0;
    ct_assert_status(bt_char_mlp_sample(m, out[0], lengths, N, &o, &diag), CT_EINVALID, &diag);
    bt_char_mlp_destroy(m);
    bt_text_destroy(t);
}

static void test_save_and_load(void **state)
{
    (void)state;
    bt_text *t = text_of(lines, sizeof lines - 1, BT_TEXT_LINE, 0);
    double loss;
    bt_char_mlp *m = trained_model(t, &loss), *loaded;
    char *path = ct_test_path("model.safetensors");
    ct_diag diag;
    ct_assert_ok(bt_char_mlp_save(m, path, &diag), &diag);
    ct_assert_ok(bt_char_mlp_load(&loaded, path, 16, &diag), &diag);
    assert_true(bt_char_mlp_evaluate(m, t->train, t->n_train) ==
                bt_char_mlp_evaluate(loaded, t->train, t->n_train));
    assert_int_equal(bt_char_mlp_parameters(m), bt_char_mlp_parameters(loaded));
    bt_char_mlp_destroy(loaded);
    bt_char_mlp_destroy(m);
    bt_text_destroy(t);
    free(path);
}

/* Files that are safetensors but no such model. */
static void test_other_files(void **state)
{
    (void)state;
    const float zeros[64] = {0};
    const bt_array arrays[] = {{.name = "embedding",
                                .dtype = "F32",
                                .axes = 2,
                                .dims = {3, 2},
                                .data = zeros,
                                .size_bytes = 24},
                               {.name = "hidden.bias",
                                .dtype = "F32",
                                .axes = 1,
                                .dims = {4},
                                .data = zeros,
                                .size_bytes = 16},
                               {.name = "hidden.weight",
                                .dtype = "F32",
                                .axes = 2,
                                .dims = {4, 4},
                                .data = zeros,
                                .size_bytes = 64},
                               {.name = "output.weight",
                                .dtype = "F32",
                                .axes = 2,
                                .dims = {3, 4},
                                .data = zeros,
                                .size_bytes = 48},
                               {.name = "output.bias",
                                .dtype = "F32",
                                .axes = 1,
                                .dims = {3},
                                .data = zeros,
                                .size_bytes = 12}};
    const struct {
        const char *model, *unit, *context, *vocabulary;
        size_t n;
        const char *error;
    } cases[] = {
        {"char-mlp", "line", "2", "6162", 5, NULL},
        {"gpt", "line", "2", "6162", 5, "\"model\" is not"},
        {"char-mlp", "word", "2", "6162", 5, "\"unit\" is neither"},
        {"char-mlp", "line", "x", "6162", 5, "\"context\" is not"},
        {"char-mlp", "line", "3", "6162", 5, "\"hidden.weight\" does not fit"},
        {"char-mlp", "line", "2", "6161", 5, "\"vocabulary\" is not"},
        {"char-mlp", "line", "2", "616263", 5, "\"embedding\" is missing, or"},
        {"char-mlp", "line", "2", "6162", 4, "\"output.bias\" is missing, or"},
        {"char-mlp", "line", "2", "6162", 1, "\"hidden.bias\" is missing"},
    };
    char *path = ct_test_path("other.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bt_metadata metadata[] = {{"model", cases[i].model},
                                        {"unit", cases[i].unit},
                                        {"context", cases[i].context},
                                        {"vocabulary", cases[i].vocabulary}};
        bt_char_mlp *m;
        ct_diag diag;
        ct_assert_ok(bt_safetensors_write(path, arrays, cases[i].n, metadata, 4, &diag), &diag);
        const ct_status status = bt_char_mlp_load(&m, path, 1, &diag);
        if (cases[i].error) {
            ct_assert_status(status, CT_EPARSE, &diag);
            ct_assert_contains(diag.text, cases[i].error);
        } else {
            ct_assert_ok(status, &diag);
        }
        bt_char_mlp_destroy(m);
    }
    free(path);
}

static void test_bad_options(void **state)
{
    (void)state;
    bt_text *t = text_of(lines, sizeof lines - 1, BT_TEXT_LINE, 0);
    bt_char_mlp_options o = bt_char_mlp_options_default();
    bt_char_mlp *m;
    ct_diag diag;
    o.hidden = 0;
    ct_assert_status(bt_char_mlp_create(&m, t->unit, &t->vocabulary, &o, &diag), CT_EINVALID,
                     &diag);
    ct_assert_contains(diag.text, "hidden is 0 (must be 1 to 65536)");
    ct_assert_ok(bt_char_mlp_create(&m, t->unit, &t->vocabulary, NULL, &diag), &diag);
    ct_assert_status(bt_char_mlp_step(m, t->train, 0, 1, 0, 0.1, NULL, &diag), CT_EINVALID, &diag);
    ct_status status = CT_OK;
    for (uint32_t step = 0; step < 200 && status == CT_OK; step++)
        status = bt_char_mlp_step(m, t->train, t->n_train, 1, step, 1e38, NULL, &diag);
    ct_assert_status(status, CT_ENUMERIC, &diag);
    ct_assert_contains(diag.text, "a smaller learning rate");
    bt_char_mlp_destroy(m);
    bt_text_destroy(t);
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
        cmocka_unit_test(test_steps_allocate_nothing),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_save_and_load),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_bad_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
