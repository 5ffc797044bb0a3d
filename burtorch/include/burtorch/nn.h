// SPDX-License-Identifier: MIT
/* Layers and small models: functions that make the parameters of a layer, named for files, and
 * return its result.
 *
 *     bt_tensor x = bt_input(g, bt_shape2(64, 784));
 *     x = bt_nn_linear(x, "hidden", 128, BT_RELU);       // "hidden.weight", "hidden.bias"
 *     x = bt_nn_linear(x, "output", 10, BT_IDENTITY);    // "output.weight", "output.bias"
 *
 * There is no object to keep: bt_graph_find finds a parameter by its name. Weights of layers are
 * (out, in), or (out, in, height, width). A layer used twice (shared weights) is two operations of
 * tensor.h on one parameter. A residual connection is bt_tensor_add. Errors are those of the
 * operations, and a name longer than 200 bytes: bt_graph_plan reports the first. */
#ifndef BURTORCH_NN_H
#define BURTORCH_NN_H

#include <burtorch/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "identity", "relu", "tanh", "sigmoid", "gelu", as files and programs name them; static storage
 * (NULL for a number that is none). Finding: false, and nothing set, where there is no such name.
 */
const char *bt_activation_name(bt_activation act);
bool bt_activation_find(bt_activation *out, const char *name);

/* How the weight of a layer with this activation begins: normal of deviation gain / sqrt(inputs)
 * with gain 1 for identity and sigmoid, 5/3 for tanh, sqrt(2) for relu and gelu, which keeps the
 * size of activations from layer to layer (He et al. 2015; PyTorch's calculate_gain). */
bt_init bt_nn_init(bt_activation act);

/* x (..., K): act(x weight^T + bias), (..., outputs), from name.weight (outputs, K), begun as
 * bt_nn_init(act), and name.bias (outputs), begun as zeros. */
bt_tensor bt_nn_linear(bt_tensor x, const char *name, size_t outputs, bt_activation act);
/* The same with another beginning, and without a bias where `bias` is false. */
bt_tensor bt_nn_linear_with(bt_tensor x, const char *name, size_t outputs, bt_activation act,
                            bool bias, bt_init init);

/* Rows of name.weight (vocabulary, width) by indices (...): (..., width). Normal deviates times
 * `deviation` (PyTorch: 1; GPT-2: 0.02). */
bt_tensor bt_nn_embedding(bt_tensor indices, const char *name, size_t vocabulary, size_t width,
                          double deviation);

/* name.weight (ones) and name.bias (zeros) of the last axis; epsilon 1e-5. */
bt_tensor bt_nn_layer_norm(bt_tensor x, const char *name);
/* x (B, C) or (B, C, H, W): name.weight (C, ones), name.bias (C, zeros), and buffers
 * name.running_mean (zeros), name.running_var (ones); momentum 0.1, epsilon 1e-5. */
bt_tensor bt_nn_batch_norm(bt_tensor x, const char *name);

/* x (B, C, H, W): name.weight (outputs, C, size, size), normal of deviation sqrt(2 / (C size^2)),
 * and name.bias (outputs), zeros. */
bt_tensor bt_nn_conv2d(bt_tensor x, const char *name, size_t outputs, size_t size, size_t stride,
                       size_t padding);

/* sizes[0 … n-1] layers name.0, name.1, … (without "name." where name is ""), each with `act` but
 * the last, which is linear. */
bt_tensor bt_nn_mlp(bt_tensor x, const char *name, const size_t *sizes, size_t n,
                    bt_activation act);

/* ---- Transformers ---- */

typedef struct bt_nn_gpt_options {
    size_t vocabulary;        // V; no default
    size_t context;           // T: positions there are (default 64)
    size_t embed;             // D, a multiple of heads (default 128)
    size_t heads;             // default 4
    size_t layers;            // blocks (default 4)
    bt_activation activation; // of the feed-forward part (default BT_GELU)
    bool bias;                // of projections, feed-forward and head (default true)
    bool qkv_bias;            // of queries, keys and values (default false)
    double dropout;           // of embeddings and of what each part adds, in [0, 1) (default 0)
} bt_nn_gpt_options;
bt_nn_gpt_options bt_nn_gpt_options_default(void);

/* x (B, T, D): causal self-attention, projection(attention(qkv(x))), from name.qkv.weight (3 D, D)
 * and name.projection.weight (D, D), with the biases of the options. */
bt_tensor bt_nn_self_attention(bt_tensor x, const char *name, const bt_nn_gpt_options *opt);
/* mlp_down(act(mlp_up(x))), from name.mlp_up.weight (4 D, D) and name.mlp_down.weight (D, 4 D). */
bt_tensor bt_nn_feed_forward(bt_tensor x, const char *name, const bt_nn_gpt_options *opt);
/* x + self_attention(norm1(x)), then that + feed_forward(norm2(that)): name.norm1, name.norm2. */
bt_tensor bt_nn_block(bt_tensor x, const char *name, const bt_nn_gpt_options *opt);

/* A decoder as GPT-2 (Radford et al. 2019): tokens (B, T'), T' <= context, u32: logits (B, T', V).
 *     x = token.weight[tokens] + position.weight[0 … T'-1]
 *     x = block i (x), i = 0 … layers-1         // block.I.norm1, .qkv, .projection, .norm2, …
 *     logits = head(norm(x))
 * Weights begin as in nanoGPT: normal of deviation 0.02, of projection and mlp_down divided by
 * sqrt(2 layers). The head has a weight of its own. */
bt_tensor bt_nn_gpt(bt_tensor tokens, const bt_nn_gpt_options *opt);

/* ---- Images ---- */

typedef struct bt_nn_cnn_options {
    size_t channels[2]; // of the two convolutions (default 16, 32)
    size_t classes;     // default 10
    bool batch_norm;    // after each convolution (default false)
} bt_nn_cnn_options;
bt_nn_cnn_options bt_nn_cnn_options_default(void);

/* x (B, C, H, W): relu(conv1) of 3 x 3 with padding 1, max pool 2 x 2, relu(conv2) likewise, then
 * "output", linear: logits (B, classes). With batch_norm "norm1" and "norm2" before each relu. */
bt_tensor bt_nn_cnn(bt_tensor x, const bt_nn_cnn_options *opt);

#ifdef __cplusplus
}
#endif
#endif
