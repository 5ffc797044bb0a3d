// SPDX-License-Identifier: MIT
/* Small neural networks as problems of n clients: a perceptron that tells classes of labelled rows,
 * and a GPT that predicts the next byte of a text. The networks are libburtorch's; libpermk_aes
 * sees a vector of all parameters, one after the other, and gradients.
 *
 * f_i is the mean cross-entropy, in nats, over the samples of client i, which are its rows; or the
 * pieces of `context` bytes, and the one that follows, that its part of the text is cut into (what
 * is left over is not used). f is the mean of the f_i. Nothing is known about its smoothness: steps
 * must be given. */
#ifndef PERMK_TRAIN_NEURAL_H
#define PERMK_TRAIN_NEURAL_H

#include <burtorch/graph.h>
#include <ctrain/dataset.h>
#include <permk_aes/problem.h>

typedef struct neural_options {
    uint32_t clients; // n, at most the number of samples
    uint32_t own;     // only this client's samples are used; UINT32_MAX (default): all clients'
    uint64_t seed;    // of first parameters, of the split and of minibatches; default 1
    size_t batch;     // samples of a minibatch, without replacement; 0 (default): none
    /* With minibatches "all samples" of a client, for evaluation, are at most so many, evenly
     * spaced among all; 0: really all. Default 0 for rows, 32 for a text. */
    size_t evaluated;
    size_t layers;  // hidden layers of the perceptron (default 1), blocks of the GPT (2)
    bt_dtype dtype; // what the network computes in: BT_F64 (rows), BT_F32 (text)
    // the perceptron
    size_t hidden;     // units a layer, of tanh; default 16
    double label_skew; // as in ct_split_options; default 0
    // the GPT
    size_t context;      // default 32
    size_t embed, heads; // default 32, 4; embed is a multiple of heads
} neural_options;
neural_options neural_options_mlp(uint32_t clients);
neural_options neural_options_gpt(uint32_t clients);

/* Make *problem, and *x0 (d), where training begins: a function of the data and the options, the
 * caller's to free. data and text are borrowed for the call. On failure *problem is zeroed and *x0
 * NULL. CT_EINVALID: fewer samples than clients, fewer than two classes, a bad option; CT_ENOMEM.
 */
CT_MUST_USE ct_status neural_problem_mlp(permk_problem *problem, double **x0,
                                         const ct_dataset *data, const neural_options *opt,
                                         ct_diag *diag);
CT_MUST_USE ct_status neural_problem_gpt(permk_problem *problem, double **x0, const char *text,
                                         size_t size_bytes, const neural_options *opt,
                                         ct_diag *diag);

#endif
