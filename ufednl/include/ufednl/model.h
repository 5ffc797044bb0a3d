// SPDX-License-Identifier: MIT
/* A trained logistic regression model: weights, the two labels, and LIBLINEAR's text format.
 *
 * The probability of label[0] for a row a is 1 / (1 + exp(-z)), z = w^T (a, bias). Files written
 * here are read by liblinear-predict, and models of its logistic regression solvers for two classes
 * are read here. */
#ifndef UFEDNL_MODEL_H
#define UFEDNL_MODEL_H

#include <ctrain/dataset.h>
#include <ctrain/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fednl_model {
    size_t features; // without the intercept
    double bias;     // value of the constant feature that is appended to a row; below 0: none
    double label[2]; // z > 0 predicts label[0], else label[1]; as written in the training data
    double *w;       // (features, and one more if bias >= 0; the intercept's weight last)
} fednl_model;

/* A model with all weights 0. CT_ENOMEM. */
CT_MUST_USE ct_status fednl_model_create(fednl_model **out, size_t features, double bias,
                                         const double label[2]);
void fednl_model_destroy(fednl_model *model);

/* Number of weights: features, and one more with an intercept. */
size_t fednl_model_weights(const fednl_model *model);

/* Write the model as LIBLINEAR text (solver_type L2R_LR), whole or not at all. CT_EINVALID: a
 * weight that is not finite. Errors of the file as in ctrain/file.h. */
CT_MUST_USE ct_status fednl_model_save(const fednl_model *model, const char *path, ct_diag *diag);

/* Read LIBLINEAR text; *out is NULL on failure. FEDNL_EMODEL with "path:line: reason": not a model,
 * not of a logistic regression solver, not of two classes, a weight missing, left over or not
 * finite. CT_ENOTFOUND, CT_EIO, CT_ENOMEM. */
CT_MUST_USE ct_status fednl_model_load(fednl_model **out, const char *path, ct_diag *diag);
/* The same from memory; name stands for the path in messages. text needs no NUL at its end. */
CT_MUST_USE ct_status fednl_model_parse(fednl_model **out, const char *text, size_t size_bytes,
                                        const char *name, ct_diag *diag);

/* How well a model does on labelled rows. */
typedef struct fednl_score {
    size_t rows;
    size_t correct;  // rows whose label was predicted
    size_t unknown;  // rows whose label is neither of the model's
    double log_loss; // mean of -log(probability of the row's label) over the rows that are not
                     // unknown; NaN if there is none
    double auc;      // area under the ROC curve of label[0] against label[1]: the probability that
                     // of two rows the one with label[0] has the larger z, ties counted half; NaN
                     // where one of the labels does not occur
} fednl_score;

/* Predict every row of data: predicted[i] (rows, caller's, may be NULL) is one of the model's two
 * labels, probability[i] (rows, caller's, may be NULL) that of label[0]. score may be NULL. Rows
 * may have fewer features than the model. CT_ERANGE: data has a feature the model does not know;
 * CT_ENOMEM, where a score is wanted. */
CT_MUST_USE ct_status fednl_model_predict(const fednl_model *model, const ct_dataset *data,
                                          double *predicted, double *probability,
                                          fednl_score *score, ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
