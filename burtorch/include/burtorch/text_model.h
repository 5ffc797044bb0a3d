// SPDX-License-Identifier: MIT
/* A character model: the next byte of a text from the bytes before it.
 *
 * BT_TEXT_MLP is the perceptron of Bengio et al., "A neural probabilistic language model" (2003),
 * as in makemore: each of `context` tokens is looked up in a table (V, E), their concatenation goes
 * through one layer of H units, and a linear layer gives V logits. BT_TEXT_GPT is the decoder of
 * <burtorch/nn.h>, which predicts every next token of a window of `context` tokens at once. Both
 * are trained on the mean cross-entropy, in nats a token.
 *
 *     bt_text_model *m;
 *     bt_text_model_options o = bt_text_model_options_default(BT_TEXT_GPT);
 *     bt_trainer_options t = bt_trainer_options_default(BT_ADAMW);
 *     if (bt_text_model_create(&m, text->unit, &text->vocabulary, &o, &diag) != CT_OK ||
 *         bt_text_model_set_trainer(m, &t, &diag) != CT_OK) …
 *     for (uint64_t step = 0; step < 2000; step++)
 *         if (bt_text_model_step(m, text->train, text->n_train, step, 1e-3, &loss, &diag) != CT_OK)
 *             …
 *     … bt_text_model_evaluate, bt_text_model_sample, bt_text_model_save … */
#ifndef BURTORCH_TEXT_MODEL_H
#define BURTORCH_TEXT_MODEL_H

#include <burtorch/checkpoint.h>
#include <burtorch/loader.h>
#include <burtorch/tensor.h>
#include <burtorch/text.h>
#include <burtorch/trainer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bt_text_kind { BT_TEXT_MLP = 0, BT_TEXT_GPT = 1 } bt_text_kind;

typedef struct bt_text_model_options { // defaults:       MLP    GPT
    bt_text_kind kind;
    bt_dtype dtype;           //                 BT_F32
    size_t context;           // tokens seen      4     64
    size_t embed;             // E of a token     16    128
    size_t hidden;            // H, of the MLP    96
    size_t layers, heads;     // of the GPT             4, 4
    bt_activation activation; //                 tanh   gelu
    double dropout;           // in [0, 1)        0     0
    size_t batch;             // rows of a step   64    12
    uint64_t seed;            // of first parameters, batches and dropout: 1
} bt_text_model_options;
bt_text_model_options bt_text_model_options_default(bt_text_kind kind);

typedef struct bt_text_model bt_text_model;

/* Create a model for texts of this unit and vocabulary (copied; opt NULL: an MLP's defaults).
 * CT_EINVALID: an option out of its range (sizes 1 to 65,536, layers to 1,024, batch to 2^20, embed
 * a multiple of heads), named in diag; CT_ENOMEM. */
CT_MUST_USE ct_status bt_text_model_create(bt_text_model **out, bt_text_unit unit,
                                           const bt_vocabulary *vocabulary,
                                           const bt_text_model_options *opt, ct_diag *diag);
/* NULL is allowed. */
void bt_text_model_destroy(bt_text_model *model);

/* ---- Training ---- */

/* Give the model a trainer, in place of the one it has: its batch is cut into shards * accumulate
 * parts. CT_EINVALID: batch is not a multiple of that, or an option of the trainer; CT_ENOMEM. */
CT_MUST_USE ct_status bt_text_model_set_trainer(bt_text_model *model, const bt_trainer_options *opt,
                                                ct_diag *diag);
/* NULL: there is none. */
bt_trainer *bt_text_model_trainer(bt_text_model *model);

/* One step on a batch of tokens[0 … n-1], drawn by (seed, step). *loss (may be NULL) is the batch's
 * mean before the step. Allocates nothing. CT_EINVALID: n is 0, or there is no trainer; CT_ERANGE:
 * a token beyond the vocabulary; CT_ENUMERIC: the loss is not finite. The parameters are then as
 * they were. */
CT_MUST_USE ct_status bt_text_model_step(bt_text_model *model, const uint16_t *tokens, size_t n,
                                         uint64_t step, double rate, double *loss, ct_diag *diag);

/* Mean loss in nats a token over all of tokens[0 … n-1], in order, without dropout; NaN for n = 0
 * and where a token is beyond the vocabulary. A GPT sees the tokens in windows that do not overlap.
 */
double bt_text_model_evaluate(bt_text_model *model, const uint16_t *tokens, size_t n);

/* For training of one's own: build the model into an empty graph of the model's dtype, which then
 * shares its parameters and is not planned yet: rows is R, T the context. */
typedef struct bt_text_tensors {
    bt_tensor tokens;  // (R, T) u32 input
    bt_tensor targets; // (R) of the MLP, (R, T) of the GPT: u32 input
    bt_tensor logits;  // targets' axes and V
    bt_tensor loss;
} bt_text_tensors;
bt_text_tensors bt_text_model_build(bt_text_model *model, bt_graph *graph, size_t rows);
/* Fill the tokens and targets of these tensors with rows of a batch, as <burtorch/loader.h> says.
 */
CT_MUST_USE ct_status bt_text_model_fill(const bt_text_model *model, const bt_text_tensors *tensors,
                                         const bt_stream *stream, const bt_batch *batch,
                                         ct_diag *diag);

/* ---- Sampling ---- */

typedef struct bt_sample_options {
    double temperature; // logits are divided by it: below 1 is more careful (default 1)
    size_t max_bytes;   // of one sample (default 1,000; a line usually ends before)
    uint64_t seed;      // default 1
    const char *prompt; // what comes before each sample, which goes on from it and does not repeat
                        // it; NULL (default): the edge of a text
} bt_sample_options;
bt_sample_options bt_sample_options_default(void);

/* Draw n texts: sample i has lengths[i] bytes at out + i * (max_bytes + 1), and a NUL behind them;
 * both arrays are the caller's. opt NULL: defaults. Sample i is the same whatever n is. What is
 * longer than the context is predicted from its last `context` tokens. CT_EINVALID: a temperature
 * that is not above 0, or infinite; a byte of the prompt that the model does not know, named in
 * diag. CT_ENOMEM. */
CT_MUST_USE ct_status bt_text_model_sample(bt_text_model *model, char *out, size_t *lengths,
                                           size_t n, const bt_sample_options *opt, ct_diag *diag);

/* ---- Access and files ---- */

/* The graph that holds the parameters and evaluates; the model's. */
bt_graph *bt_text_model_graph(bt_text_model *model);
const bt_text_model_options *bt_text_model_settings(const bt_text_model *model);
const bt_vocabulary *bt_text_model_vocabulary(const bt_text_model *model);
bt_text_unit bt_text_model_unit(const bt_text_model *model);
/* Number of trained numbers, and bytes of all graphs and the trainer. */
size_t bt_text_model_parameters(const bt_text_model *model);
size_t bt_text_model_bytes(const bt_text_model *model);

/* Write the model as a checkpoint (<burtorch/checkpoint.h>): its parameters ("embedding.weight",
 * "hidden.weight", …; those of bt_nn_gpt) and metadata "model" ("text-mlp", "text-gpt"), "unit",
 * "vocabulary" (the bytes of tokens 1 …, as hexadecimal digits), "context", "embed", "hidden" or
 * "layers" and "heads", "activation", "dropout". state NULL: the model alone; else what training
 * needs to go on: the state (its seed is the model's) and the trainer's optimizer. */
CT_MUST_USE ct_status bt_text_model_save(bt_text_model *model, const char *path,
                                         const bt_checkpoint *state, ct_diag *diag);
/* Load such a file; batch as in the options. CT_EPARSE, BT_ESHAPE: it is not one; diag says what is
 * wrong. CT_EINVALID: batch; CT_ENOTFOUND, CT_EIO, CT_ENOMEM. */
CT_MUST_USE ct_status bt_text_model_load(bt_text_model **out, const char *path, size_t batch,
                                         ct_diag *diag);
/* Let training go on as when a file was saved with a state, after bt_text_model_load and
 * bt_text_model_set_trainer with the same options: what bt_checkpoint_load says. */
CT_MUST_USE ct_status bt_text_model_resume(bt_text_model *model, const char *path,
                                           bt_checkpoint *state, ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
