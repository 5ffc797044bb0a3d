// SPDX-License-Identifier: MIT
/* Models: round trip through LIBLINEAR's text, every malformed text refused with its line,
 * predictions and their scores. */
#include "ct_test.h"

#include <ctrain/file.h>
#include <ctrain/rng.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ufednl/model.h>

static fednl_model *make_model(double bias)
{
    const double label[] = {1, -1};
    const double w[] = {0.1, -1e-300, 3.0, -DBL_MAX, 5e-324};
    fednl_model *model;
    ct_assert_ok(fednl_model_create(&model, 4, bias, label), NULL);
    memcpy(model->w, w, fednl_model_weights(model) * sizeof *w);
    return model;
}

static void test_round_trip_is_exact(void **state)
{
    (void)state;
    const double biases[] = {1.0, -1.0, 0.25};
    for (size_t i = 0; i < 3; i++) {
        fednl_model *model = make_model(biases[i]), *loaded;
        char *path = ct_test_path("round.model");
        ct_diag diag = {0};
        ct_assert_ok(fednl_model_save(model, path, &diag), &diag);
        ct_assert_ok(fednl_model_load(&loaded, path, &diag), &diag);
        assert_int_equal(loaded->features, 4);
        assert_true(loaded->bias == biases[i]);
        assert_true(loaded->label[0] == 1.0 && loaded->label[1] == -1.0);
        assert_int_equal(fednl_model_weights(loaded), biases[i] < 0.0 ? 4 : 5);
        assert_memory_equal(loaded->w, model->w, fednl_model_weights(model) * sizeof(double));
        fednl_model_destroy(model);
        fednl_model_destroy(loaded);
        free(path);
    }
}

static void test_the_text_is_liblinears(void **state)
{
    (void)state;
    const double label[] = {1, -1};
    fednl_model *model;
    ct_assert_ok(fednl_model_create(&model, 2, 1.0, label), NULL);
    model->w[0] = 0.5;
    model->w[1] = -2.0;
    model->w[2] = 0.125;
    char *path = ct_test_path("text.model");
    ct_diag diag = {0};
    ct_assert_ok(fednl_model_save(model, path, &diag), &diag);
    const char expected[] = "solver_type L2R_LR\nnr_class 2\nlabel 1 -1\nnr_feature 2\nbias 1\n"
                            "w\n0.5\n-2\n0.125\n";
    ct_file_view view;
    ct_assert_ok(ct_file_view_open(&view, path, &diag), &diag);
    assert_int_equal(view.size_bytes, strlen(expected));
    assert_memory_equal(view.data, expected, view.size_bytes);
    ct_file_view_close(&view);
    fednl_model_destroy(model);
    free(path);
}

static void test_unusable_models_are_not_written(void **state)
{
    (void)state;
    fednl_model *model = make_model(1.0);
    ct_diag diag = {0};
    char *path = ct_test_path("nan.model");
    model->w[2] = NAN;
    ct_assert_status(fednl_model_save(model, path, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "weight 3");
    FILE *file = fopen(path, "rb");
    assert_null(file);
    model->w[2] = 1.0;
    assert_true(fednl_model_save(model, "/no/such/folder/m", &diag) != CT_OK);
    ct_assert_contains(diag.text, "/no/such/folder/m");
    fednl_model_destroy(model);
    free(path);
}

/* ---- Reading ---- */

#define HEAD "solver_type L2R_LR\nnr_class 2\nlabel 1 -1\nnr_feature 2\nbias -1\n"

static void accept(const char *text, size_t weights)
{
    fednl_model *model;
    ct_diag diag = {0};
    ct_assert_ok(fednl_model_parse(&model, text, strlen(text), "m", &diag), &diag);
    assert_int_equal(fednl_model_weights(model), weights);
    fednl_model_destroy(model);
}

static void test_texts_that_are_read(void **state)
{
    (void)state;
    accept(HEAD "w\n1 \n-2.5e-3 \n", 2); // LIBLINEAR ends its lines with a blank
    accept(HEAD "w\n1\n2", 2);
    accept(HEAD "w\n1\n2\n\n \n", 2);
    accept("solver_type L2R_LR_DUAL\r\nnr_class 2\r\nlabel 2 1\r\nnr_feature 1\r\nbias 0\r\nw\r\n"
           "1\r\n2\r\n",
           2);
    accept("bias 1\nlabel -1 1\nnr_feature 0\nnr_class 2\nsolver_type L1R_LR\nw\n7\n", 1);
}

static void refuse(const char *text, const char *reason)
{
    fednl_model *model = (fednl_model *)&model;
    ct_diag diag = {0};
    ct_assert_status(fednl_model_parse(&model, text, strlen(text), "m.txt", &diag), FEDNL_EMODEL,
                     &diag);
    assert_null(model);
    ct_assert_contains(diag.text, reason);
}

static void test_texts_that_are_refused(void **state)
{
    (void)state;
    refuse("", "m.txt:1: the file ends before the weights");
    refuse("+1 3:1 5:1\n", "m.txt:1: not a line of a LIBLINEAR model");
    refuse("solver_type L2R_L2LOSS_SVC\n", "m.txt:1: solver_type");
    refuse("solver_type\n", "m.txt:1: solver_type");
    refuse("nr_class 3\n", "m.txt:1: nr_class is not 2");
    refuse("label 1\n", "m.txt:1: a number is missing");
    refuse("label 1 1\n", "m.txt:1: both labels are the same");
    refuse("label 1 -1 0\n", "m.txt:1: more on this line");
    refuse("nr_feature -1\n", "m.txt:1: not a whole number");
    refuse("nr_feature 1.5\n", "m.txt:1: not a whole number");
    refuse("nr_feature 99999999999\n", "m.txt:1: not a whole number");
    refuse("nr_feature x\n", "m.txt:1: not a number");
    refuse("bias nan\n", "m.txt:1: not a number");
    refuse("bias 0x10\n", "m.txt:1: not a number");
    refuse("bias 1-2\n", "m.txt:1: not a number");
    refuse("nr_class 2\nlabel 1 -1\nnr_feature 1\nbias 1\nw\n1\n2\n", "solver_type");
    refuse(HEAD, "m.txt:6: the file ends before the weights");
    refuse(HEAD "w\n1\n", "m.txt:8: fewer weights");
    refuse(HEAD "w\n1\n2\n3\n", "m.txt:9: more weights");
    refuse(HEAD "w\n1 2\n", "m.txt:7: more on this line");
    refuse(HEAD "w\n1\ninf\n", "m.txt:8: not a number");
    refuse(HEAD "w\n1\n1e999\n", "m.txt:8: a number beyond the range");
    refuse(HEAD "w\n1\n\n2\n", "m.txt:8: a number is missing");
    refuse(HEAD "nr_feature 4000000000\nw\n1\n", "fewer weights");
}

static void test_missing_files(void **state)
{
    (void)state;
    fednl_model *model;
    ct_diag diag = {0};
    ct_assert_status(fednl_model_load(&model, "no/such.model", &diag), CT_ENOTFOUND, &diag);
    ct_assert_contains(diag.text, "no/such.model");
    assert_null(model);
}

/* ---- Prediction ---- */

static ct_dataset *rows_for_prediction(void)
{
    const size_t start[] = {0, 2, 3, 3, 4};
    const uint32_t col[] = {0, 1, 1, 0};
    const double val[] = {1.0, 2.0, -1.0, 4.0}, label[] = {1, 2, 1, 5};
    ct_dataset *data;
    ct_diag diag = {0};
    ct_assert_ok(ct_dataset_from_csr(&data, 4, 2, start, col, val, label, &diag), &diag);
    return data;
}

static void test_predictions_and_scores(void **state)
{
    (void)state;
    const double label[] = {2, 1};
    fednl_model *model;
    ct_assert_ok(fednl_model_create(&model, 3, 2.0, label), NULL);
    model->w[0] = 0.5;
    model->w[1] = -1.0;
    model->w[3] = 0.25; // the intercept's feature is 2
    ct_dataset *data = rows_for_prediction();
    double predicted[4], probability[4];
    fednl_score score;
    ct_diag diag = {0};
    ct_assert_ok(fednl_model_predict(model, data, predicted, probability, &score, &diag), &diag);
    const double z[] = {0.5 - 2.0 + 0.5, 1.0 + 0.5, 0.5, 2.0 + 0.5};
    for (size_t j = 0; j < 4; j++) {
        assert_true(predicted[j] == (z[j] > 0.0 ? 2.0 : 1.0));
        ct_assert_near(probability[j], 1.0 / (1.0 + exp(-z[j])), 1e-15, 0.0);
    }
    assert_int_equal(score.rows, 4);
    assert_int_equal(score.correct, 2);
    assert_int_equal(score.unknown, 1);
    double loss = -log(1.0 - probability[0]) - log(probability[1]) - log(1.0 - probability[2]);
    ct_assert_near(score.log_loss, loss / 3.0, 1e-14, 0.0);
    assert_true(score.auc == 1.0); // the row of label 2 is above both of label 1
    ct_assert_ok(fednl_model_predict(model, data, NULL, NULL, NULL, &diag), &diag);
    fednl_model_destroy(model);
    ct_dataset_destroy(data);
}

/* z is the one value of a row. */
static fednl_score score_of(size_t n, const double *z, const double *label)
{
    size_t start[400];
    uint32_t col[400] = {0};
    const double labels[] = {1, -1};
    assert_true(n < 400);
    for (size_t i = 0; i <= n; i++)
        start[i] = i;
    fednl_model *model;
    ct_dataset *data;
    ct_diag diag = {0};
    ct_assert_ok(fednl_model_create(&model, 1, -1.0, labels), NULL);
    model->w[0] = 1.0;
    ct_assert_ok(ct_dataset_from_csr(&data, n, 1, start, col, z, label, &diag), &diag);
    fednl_score score;
    ct_assert_ok(fednl_model_predict(model, data, NULL, NULL, &score, &diag), &diag);
    ct_dataset_destroy(data);
    fednl_model_destroy(model);
    return score;
}

static void test_area_under_the_roc_curve(void **state)
{
    (void)state;
    const double z[] = {0.1, 0.4, 0.35, 0.8}, label[] = {-1, -1, 1, 1};
    assert_true(score_of(4, z, label).auc == 0.75);
    assert_true(score_of(4, (double[]){1, 2, 3, 4}, label).auc == 1.0);
    assert_true(score_of(4, (double[]){4, 3, 2, 1}, label).auc == 0.0);
    assert_true(score_of(4, (double[]){7, 7, 7, 7}, label).auc == 0.5);
    assert_true(isnan(score_of(4, z, (double[]){1, 1, 1, 1}).auc));
    assert_true(isnan(score_of(4, z, (double[]){-1, 3, -1, 3}).auc));
    // rows of other labels are not counted
    assert_true(score_of(4, (double[]){1, 2, 9, 3}, (double[]){-1, 1, 5, -1}).auc == 0.5);
}

/* Against the definition, pair by pair, with many ties. */
static void test_area_by_its_definition(void **state)
{
    (void)state;
    enum { N = 300 };
    double z[N], label[N];
    ct_rng rng;
    ct_rng_init(&rng, 5, CT_RNG_USER, 0, 0);
    for (size_t i = 0; i < N; i++) {
        label[i] = ct_rng_below(&rng, 3) == 0 ? 1 : -1;
        z[i] = (double)ct_rng_below(&rng, 40) + 5 * label[i];
    }
    double above = 0.0, pairs = 0.0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            if (label[i] == 1 && label[j] == -1) {
                above += z[i] > z[j] ? 1.0 : z[i] == z[j] ? 0.5 : 0.0;
                pairs += 1.0;
            }
    ct_assert_near(score_of(N, z, label).auc, above / pairs, 1e-15, 0.0);
}

static void test_probabilities_at_the_ends(void **state)
{
    (void)state;
    const double label[] = {1, 2};
    fednl_model *model;
    ct_assert_ok(fednl_model_create(&model, 2, -1.0, label), NULL);
    model->w[0] = 1e3;
    model->w[1] = 1e3;
    ct_dataset *data = rows_for_prediction();
    double probability[4];
    fednl_score score;
    ct_diag diag = {0};
    ct_assert_ok(fednl_model_predict(model, data, NULL, probability, &score, &diag), &diag);
    assert_true(probability[0] == 1.0 && probability[1] == 0.0 && probability[2] == 0.5);
    assert_true(isfinite(score.log_loss)); // rows 0 and 1 are certain and right
    fednl_model_destroy(model);
    ct_dataset_destroy(data);
}

static void test_unknown_features_are_refused(void **state)
{
    (void)state;
    const double label[] = {1, 2};
    fednl_model *model;
    ct_assert_ok(fednl_model_create(&model, 1, -1.0, label), NULL);
    ct_dataset *data = rows_for_prediction();
    ct_diag diag = {0};
    ct_assert_status(fednl_model_predict(model, data, NULL, NULL, NULL, &diag), CT_ERANGE, &diag);
    ct_assert_contains(diag.text, "feature 2, but the model knows only 1");
    fednl_model_destroy(model);
    ct_dataset_destroy(data);
}

static void test_allocations_may_fail(void **state)
{
    (void)state;
    const char text[] = HEAD "w\n1\n2\n";
    for (unsigned long k = 1; k < 10; k++) {
        fednl_model *model;
        ct_test_fail_allocation(k);
        ct_status status = fednl_model_parse(&model, text, strlen(text), "m", NULL);
        bool failed = ct_test_fail_allocation(0);
        ct_assert_status(status, failed ? CT_ENOMEM : CT_OK, NULL);
        fednl_model_destroy(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip_is_exact),
        cmocka_unit_test(test_the_text_is_liblinears),
        cmocka_unit_test(test_unusable_models_are_not_written),
        cmocka_unit_test(test_texts_that_are_read),
        cmocka_unit_test(test_texts_that_are_refused),
        cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_predictions_and_scores),
        cmocka_unit_test(test_area_under_the_roc_curve),
        cmocka_unit_test(test_area_by_its_definition),
        cmocka_unit_test(test_probabilities_at_the_ends),
        cmocka_unit_test(test_unknown_features_are_refused),
        cmocka_unit_test(test_allocations_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
