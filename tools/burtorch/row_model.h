// SPDX-License-Identifier: MIT
/* Models of labelled rows, which train --data makes and eval --data reads: linear, perceptrons,
 * and small convolutional networks, for classes or numbers.
 *
 * A file of such a model holds all that eval needs: what each class is called, and with
 * --standardize mean and scale of the features (and of number targets) as arrays. */
#ifndef BURTORCH_CLI_ROW_MODEL_H
#define BURTORCH_CLI_ROW_MODEL_H

#include <burtorch/burtorch.h>

/* What a model is, apart from its parameters. */
typedef struct row_spec {
    const char *model; // "linear", "mlp", "cnn"
    bt_dtype dtype;
    size_t features;       // D
    size_t classes;        // 0: a number is predicted
    const double *labels;  // (classes) borrowed
    const char *label;     // the column of a CSV file, or NULL
    size_t hidden, layers; // of mlp
    bt_activation activation;
    double dropout;
    size_t image[3], channels; // of cnn: channels, height, width of a row; of the first convolution
    bool standardize;
} row_spec;

/* One graph of it, for R rows. Without standardize the last four are none. */
typedef struct row_net {
    bt_graph *graph;
    bt_tensor x;      // (R, D)
    bt_tensor target; // (R)  u32 classes, or numbers
    bt_tensor output; // (R, classes) logits, or (R, 1)
    bt_tensor loss;
    bt_tensor mean, scale;               // (D), of cnn (1): x becomes (x - mean) * scale
    bt_tensor target_mean, target_scale; // (1), of numbers: the same with targets
} row_net;

/* Build it, not planned, for `rows` rows; share (may be NULL) has the parameters. */
ct_status row_net_build(row_net *net, const row_spec *spec, size_t rows, uint64_t seed,
                        bt_graph *share, ct_diag *diag);

/* Rows at a time for measuring: 256, fewer where they are long. */
size_t row_net_rows(const row_spec *spec);

/* ---- Data ---- */

/* A file of rows, LIBSVM or CSV. */
typedef struct row_data {
    const char *path;
    ct_dataset *dataset; // one of these is NULL
    bt_csv *csv;
    size_t label_column; // of csv
    size_t rows, features;
} row_data;

typedef struct row_data_options {
    const char *path, *format; // format NULL: "csv" where path ends so, else "libsvm"
    const char *label;         // column of CSV, NULL: the last
    size_t dims;               // features of LIBSVM; 0: the largest index
} row_data_options;

bool row_data_is_csv(const row_data_options *opt);
ct_status row_data_open(row_data *data, const row_data_options *opt, ct_diag *diag);
void row_data_close(row_data *data);
/* The label of row i, which may be changed. */
double *row_data_label(const row_data *data, size_t i);
ct_status row_data_rows(const row_data *data, const bt_rows_options *opt, bt_rows **out,
                        ct_diag *diag);

/* ---- Measuring ---- */

typedef struct row_score {
    size_t rows;
    double loss;     // mean: nats, or squared error in deviations of the targets
    size_t correct;  // classes only
    double accuracy; // NaN for numbers
    double rmse;     // root of the mean squared error, in the targets' own unit; NaN for classes
    size_t unknown;  // rows whose label the model does not know: wrong, and not in the loss
} row_score;

/* Loss of `part` in order, through net (planned; any number of rows at a time). truth[i], where not
 * NULL, is what to compare row i with instead of its target: a class, or NaN for a label the model
 * does not know. */
ct_status row_net_score(row_net *net, const row_spec *spec, const bt_rows *rows, bt_rows_part part,
                        const double *truth, row_score *score, ct_diag *diag);

/* ---- Files ---- */

enum { ROW_METADATA = 12 };
/* Texts that describe a model. */
typedef struct row_description {
    bt_metadata entries[ROW_METADATA];
    size_t n;
    char numbers[ROW_METADATA][32];
    char *labels; // allocated
} row_description;
ct_status row_describe(row_description *d, const row_spec *spec, ct_diag *diag);
void row_description_clear(row_description *d);
/* The description of a file; spec->labels is to be freed. */
ct_status row_spec_read(row_spec *spec, const bt_safetensors *file, const char *path,
                        ct_diag *diag);

#endif
