// SPDX-License-Identifier: MIT
/* Batches: the inputs of a graph filled from a text or from labelled rows.
 *
 * What a batch holds is a pure function of the data, the seed and its number, so a batch may be
 * filled in parts, by any threads, in any order: each part says which rows of the batch it is. */
#ifndef BURTORCH_LOADER_H
#define BURTORCH_LOADER_H

#include <burtorch/csv.h>
#include <burtorch/graph.h>
#include <burtorch/tensor.h>
#include <ctrain/dataset.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Rows first, first + 1, … of batch `step`, as many as the tensors that are filled have. */
typedef struct bt_batch {
    uint64_t step;
    size_t rows;   // of the whole batch
    size_t first;  // row of the batch that goes to row 0 of the tensors
    bool in_order; // the data in their order, once in bt_…_batches steps, for evaluation; else at
                   // random by the seed, for training
} bt_batch;

/* How many of targets (u32) are not BT_IGNORE: what the mean of a batch is over. */
size_t bt_targets_count(bt_tensor targets);

/* ---- Text ---- */

/* Tokens as bt_text has them (<burtorch/text.h>), borrowed. */
typedef struct bt_stream {
    const uint16_t *tokens;
    size_t n;
    uint64_t seed; // of positions
} bt_stream;

/* Windows for a model that predicts every next token: targets (R, T) are T tokens of the stream
 * that follow each other, tokens (R, T) those one place before; before the first stands 0. Both
 * u32. At random, a window begins anywhere it fits; in order, windows do not overlap. Beyond the
 * end of the stream targets are BT_IGNORE. BT_ESHAPE: the tensors do not fit each other or the
 * batch; CT_EINVALID: an empty stream, or the graph is not planned. */
CT_MUST_USE ct_status bt_windows_fill(const bt_stream *stream, const bt_batch *batch,
                                      bt_tensor tokens, bt_tensor targets, ct_diag *diag);
/* Contexts for a model that predicts one token from the C before it: contexts (R, C) as
 * bt_text_context makes them, targets (R). Else as bt_windows_fill. */
CT_MUST_USE ct_status bt_contexts_fill(const bt_stream *stream, const bt_batch *batch,
                                       bt_tensor contexts, bt_tensor targets, ct_diag *diag);
/* Batches of `rows` windows of length T (contexts: 1) that go once through the stream in order. */
uint64_t bt_stream_batches(const bt_stream *stream, size_t length, size_t rows);

/* ---- Labelled rows ---- */

typedef struct bt_rows_options {
    bool real_targets; // labels are numbers to come near to; else (default) they are classes: the
                       // different labels in ascending order are 0, 1, …
    bool standardize;  // features minus their mean, divided by their deviation (biased; where it is
                       // 0, by 1), both of the training rows (default false)
    double validation; // part of the rows held back, drawn at random, in [0, 1) (default 0)
    uint64_t seed;     // of that draw and of the order of each epoch (default 1)
} bt_rows_options;
bt_rows_options bt_rows_options_default(void);

/* Rows of D features with labels. */
typedef struct bt_rows bt_rows;

/* Of data, which is borrowed until destroy; opt NULL: defaults. CT_EINVALID: validation out of
 * range, it leaves nothing to train on, more than 65,536 classes, or no features; CT_ERANGE: more
 * than 2^32 - 1 rows; CT_ENOMEM. */
CT_MUST_USE ct_status bt_rows_from_dataset(bt_rows **out, const ct_dataset *data,
                                           const bt_rows_options *opt, ct_diag *diag);
/* Of a table, borrowed likewise: column `label` is the label (bt_csv_column finds it), the others
 * are the features. */
CT_MUST_USE ct_status bt_rows_from_csv(bt_rows **out, const bt_csv *csv, size_t label,
                                       const bt_rows_options *opt, ct_diag *diag);
void bt_rows_destroy(bt_rows *rows);

typedef enum bt_rows_part { BT_ROWS_TRAINING = 0, BT_ROWS_VALIDATION = 1 } bt_rows_part;
size_t bt_rows_count(const bt_rows *rows, bt_rows_part part);
size_t bt_rows_features(const bt_rows *rows);
/* Number of classes (0: real targets), and the label that class k stands for (NaN: there is none).
 */
size_t bt_rows_classes(const bt_rows *rows);
double bt_rows_class_label(const bt_rows *rows, size_t k);
/* Batches of `rows_a_batch` rows in an epoch, the last of which may be short. */
uint64_t bt_rows_batches(const bt_rows *rows, bt_rows_part part, size_t rows_a_batch);

/* Fill features (R, D), real, and targets (R): u32 classes, or real. Each epoch takes every row
 * once, in an order of its own by (seed, epoch). Where the last batch of an epoch is short,
 * features are 0 and targets BT_IGNORE; real targets, which cannot be ignored, start again with
 * rows of the same epoch. BT_ESHAPE: the tensors do not fit; CT_EINVALID: the part is empty, or the
 * graph is not planned. */
CT_MUST_USE ct_status bt_rows_fill(const bt_rows *rows, bt_rows_part part, const bt_batch *batch,
                                   bt_tensor features, bt_tensor targets, ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
