// SPDX-License-Identifier: MIT
/* A model's life, writing it, and predicting with it; reading is in model_parse.c. */
#include <ufednl/model.h>

#include <ctrain/file.h>
#include <ctrain/json.h>
#include <math.h>
#include <stdlib.h>

size_t fednl_model_weights(const fednl_model *model)
{
    return model->features + (model->bias >= 0.0);
}

ct_status fednl_model_create(fednl_model **out, size_t features, double bias, const double label[2])
{
    *out = NULL;
    fednl_model *model = calloc(1, sizeof *model);
    if (model == NULL)
        return CT_ENOMEM;
    model->features = features;
    model->bias = bias;
    model->label[0] = label[0];
    model->label[1] = label[1];
    size_t n = fednl_model_weights(model);
    model->w = calloc(n > 0 ? n : 1, sizeof *model->w);
    if (model->w == NULL) {
        fednl_model_destroy(model);
        return CT_ENOMEM;
    }
    *out = model;
    return CT_OK;
}

void fednl_model_destroy(fednl_model *model)
{
    if (model == NULL)
        return;
    free(model->w);
    free(model);
}

static void write_number(ct_file_writer *file, const char *before, double value, const char *after)
{
    char text[CT_NUMBER_TEXT_SIZE];
    ct_number_text(text, value);
    ct_file_writer_printf(file, "%s%s%s", before, text, after);
}

ct_status fednl_model_save(const fednl_model *model, const char *path, ct_diag *diag)
{
    size_t n = fednl_model_weights(model);
    for (size_t c = 0; c < n; c++)
        if (!isfinite(model->w[c]))
            return ct_fail(diag, CT_EINVALID, "%s: weight %zu is no finite number", path, c + 1);
    ct_file_writer *file;
    CT_TRY(ct_file_writer_open(&file, path, diag));
    ct_file_writer_printf(file, "solver_type L2R_LR\nnr_class 2\nlabel");
    write_number(file, " ", model->label[0], "");
    write_number(file, " ", model->label[1], "\n");
    ct_file_writer_printf(file, "nr_feature %zu\n", model->features);
    write_number(file, "bias ", model->bias >= 0.0 ? model->bias : -1.0, "\nw\n");
    for (size_t c = 0; c < n; c++)
        write_number(file, "", model->w[c], "\n");
    return ct_file_writer_commit(file, diag);
}

/* log(1 + exp(t)) without overflow. */
static double softplus(double t)
{
    return fmax(t, 0.0) + log1p(exp(-fabs(t)));
}

static double decision(const fednl_model *model, const ct_dataset *data, size_t row)
{
    double z = model->bias >= 0.0 ? model->bias * model->w[model->features] : 0.0;
    for (size_t e = data->row_start[row]; e < data->row_start[row + 1]; e++)
        z += data->val[e] * model->w[data->col[e]];
    return z;
}

/* A row with one of the two labels. */
typedef struct scored_row {
    double z;
    bool positive; // label[0]
} scored_row;

static int compare_scores(const void *a, const void *b)
{
    const scored_row *x = a, *y = b;
    return (x->z > y->z) - (x->z < y->z);
}

/* Of the pairs of a positive and a negative row, the share in which the positive one is above: rank
 * by rank, all rows of the same z at once (Fawcett, "An introduction to ROC analysis", 2006). */
static double area_under_roc(scored_row *row, size_t n)
{
    double below = 0.0, positives = 0.0, pairs = 0.0; // below: negative rows so far
    qsort(row, n, sizeof *row, compare_scores);
    for (size_t i = 0, end; i < n; i = end) {
        double positive = 0.0;
        for (end = i; end < n && (end == i || row[end].z == row[i].z); end++)
            positive += row[end].positive;
        double negative = (double)(end - i) - positive;
        pairs += positive * (below + negative / 2.0);
        below += negative;
        positives += positive;
    }
    return pairs / (positives * below); // 0 / 0: NaN
}

static void score_rows(const fednl_model *model, const ct_dataset *data, scored_row *row,
                       fednl_score *score)
{
    size_t n = 0;
    *score = (fednl_score){.rows = data->rows};
    for (size_t j = 0; j < data->rows; j++) {
        double z = decision(model, data, j), label = data->label[j];
        bool positive = label == model->label[0];
        score->correct += label == model->label[z > 0.0 ? 0 : 1];
        if (!positive && label != model->label[1])
            continue;
        score->log_loss += softplus(positive ? -z : z);
        row[n++] = (scored_row){z, positive};
    }
    score->unknown = data->rows - n;
    score->log_loss /= (double)n; // 0 / 0: NaN
    score->auc = area_under_roc(row, n);
}

static ct_status score_model(const fednl_model *model, const ct_dataset *data, fednl_score *score,
                             ct_diag *diag)
{
    scored_row *row = calloc(data->rows + 1, sizeof *row);
    if (row == NULL)
        return ct_fail(diag, CT_ENOMEM, "out of memory for the scores of %zu rows", data->rows);
    score_rows(model, data, row, score);
    free(row);
    return CT_OK;
}

ct_status fednl_model_predict(const fednl_model *model, const ct_dataset *data, double *predicted,
                              double *probability, fednl_score *score, ct_diag *diag)
{
    for (size_t e = 0; e < data->nnz; e++)
        if (data->col[e] >= model->features)
            return ct_fail(diag, CT_ERANGE,
                           "feature %zu, but the model knows only %zu (train with more dimensions)",
                           (size_t)data->col[e] + 1, model->features);
    for (size_t j = 0; j < data->rows && (predicted != NULL || probability != NULL); j++) {
        double z = decision(model, data, j);
        if (predicted != NULL)
            predicted[j] = model->label[z > 0.0 ? 0 : 1];
        if (probability != NULL)
            probability[j] = exp(-softplus(-z));
    }
    return score != NULL ? score_model(model, data, score, diag) : CT_OK;
}
