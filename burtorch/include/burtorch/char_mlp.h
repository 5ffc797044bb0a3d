// SPDX-License-Identifier: MIT
/* A character model: the next byte of a text from the bytes before it.
 *
 * The multilayer perceptron of Bengio et al., "A neural probabilistic language model" (2003), as in
 * makemore: each of `context` tokens is looked up in an embedding table (V, E), their concatenation
 * goes through one tanh layer of H units, and a linear layer gives V logits. Trained by stochastic
 * gradient descent on the mean cross-entropy of a batch. */
#ifndef BURTORCH_CHAR_MLP_H
#define BURTORCH_CHAR_MLP_H

#include <burtorch/graph.h>
#include <burtorch/text.h>
#include <ctrain/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bt_char_mlp_options {
    size_t context; // tokens a prediction sees (default 4)
    size_t embed;   // numbers a token becomes (default 16)
    size_t hidden;  // units of the tanh layer (default 96)
    size_t batch;   // predictions a step (default 64)
    uint64_t seed;  // of the first parameters (default 1)
} bt_char_mlp_options;
bt_char_mlp_options bt_char_mlp_options_default(void);

typedef struct bt_char_mlp bt_char_mlp;

/* Create a model for texts of this unit and vocabulary (copied; opt NULL: defaults). Each parameter
 * has a random stream of its own. On failure *out is NULL. CT_EINVALID: a size of 0, or beyond
 * 65,536 (batch: 2^20); CT_ENOMEM. */
CT_MUST_USE ct_status bt_char_mlp_create(bt_char_mlp **out, bt_text_unit unit,
                                         const bt_vocabulary *vocabulary,
                                         const bt_char_mlp_options *opt, ct_diag *diag);
/* NULL is allowed. */
void bt_char_mlp_destroy(bt_char_mlp *model);

/* One step on a batch of positions of stream[0..n), drawn with replacement by (seed, step):
 * forward, backward, parameters -= rate * gradient. *loss (may be NULL) is the batch's mean, in
 * nats, before the step. Allocates nothing. CT_EINVALID: n is 0. CT_ERANGE: a token beyond the
 * vocabulary; CT_ENUMERIC: the loss is not finite; the parameters are then as they were. */
CT_MUST_USE ct_status bt_char_mlp_step(bt_char_mlp *model, const uint16_t *stream, size_t n,
                                       uint64_t seed, uint32_t step, double rate, double *loss,
                                       ct_diag *diag);

/* Mean loss in nats a token over all of stream[0..n); NaN for n = 0 and where a token is beyond the
 * vocabulary. */
double bt_char_mlp_evaluate(bt_char_mlp *model, const uint16_t *stream, size_t n);

typedef struct bt_sample_options {
    double temperature; // logits are divided by it: below 1 is more careful (default 1)
    size_t max_bytes;   // of one sample (default 1,000; a line usually ends before)
    uint64_t seed;      // default 1
} bt_sample_options;
bt_sample_options bt_sample_options_default(void);

/* Draw n texts: sample i has lengths[i] bytes at out + i * (max_bytes + 1), and a NUL behind them;
 * both arrays are the caller's. opt NULL: defaults. Sample i is the same whatever n is.
 * CT_EINVALID: a temperature that is not above 0, or infinite. CT_ENOMEM. */
CT_MUST_USE ct_status bt_char_mlp_sample(bt_char_mlp *model, char *out, size_t *lengths, size_t n,
                                         const bt_sample_options *opt, ct_diag *diag);

/* Number of trained numbers, and bytes of parameters, values and gradients. */
size_t bt_char_mlp_parameters(const bt_char_mlp *model);
size_t bt_char_mlp_bytes(const bt_char_mlp *model);

/* The model as a safetensors file: arrays "embedding", "hidden.weight", "hidden.bias",
 * "output.weight", "output.bias" (F32, weights as (out, in)), and metadata "model" = "char-mlp",
 * "unit", "context", "vocabulary" (the bytes of tokens 1 …, as hexadecimal digits). Written whole
 * or not at all: CT_ENOTFOUND, CT_EIO, CT_ENOMEM, with "path: reason" in diag. */
CT_MUST_USE ct_status bt_char_mlp_save(const bt_char_mlp *model, const char *path, ct_diag *diag);
/* Load such a file; batch as in the options. On failure *out is NULL. CT_EPARSE: it is not one;
 * diag says what is wrong. CT_EINVALID: batch; CT_ENOTFOUND, CT_EIO, CT_ENOMEM. */
CT_MUST_USE ct_status bt_char_mlp_load(bt_char_mlp **out, const char *path, size_t batch,
                                       ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
