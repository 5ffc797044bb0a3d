// SPDX-License-Identifier: MIT
/* Layers and models as builders: parameters with names and beginnings, and the operations on them.
 */
#include <burtorch/nn.h>

#include "graph_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 256 };

static const char *const activations[] = {"identity", "relu", "tanh", "sigmoid", "gelu"};
enum { ACTIVATIONS = sizeof activations / sizeof *activations };

const char *bt_activation_name(bt_activation act)
{
    return (unsigned)act < ACTIVATIONS ? activations[act] : NULL;
}

bool bt_activation_find(bt_activation *out, const char *name)
{
    for (unsigned i = 0; i < ACTIVATIONS; i++)
        if (strcmp(name, activations[i]) == 0) {
            *out = (bt_activation)i;
            return true;
        }
    return false;
}

/* "prefix.part"; without a point where one of them is "". False: too long, and the graph knows. */
static bool join(char out[NAME_SIZE], bt_graph *graph, const char *prefix, const char *part)
{
    const int length =
        snprintf(out, NAME_SIZE, "%s%s%s", prefix, *prefix && *part ? "." : "", part);
    if (length >= 0 && length <= 200)
        return true;
    if (graph)
        bt__graph_fail(graph, CT_EINVALID, "the name of a parameter is longer than 200 bytes");
    return false;
}

static bt_tensor parameter(bt_graph *graph, const char *prefix, const char *part, bt_shape shape,
                           bt_init init)
{
    char name[NAME_SIZE];
    if (!graph || !join(name, graph, prefix, part))
        return bt_tensor_none(graph);
    return bt_parameter(graph, name, shape, init);
}

static bt_tensor buffer(bt_graph *graph, const char *prefix, const char *part, bt_shape shape,
                        double value)
{
    char name[NAME_SIZE];
    if (!graph || !join(name, graph, prefix, part))
        return bt_tensor_none(graph);
    return bt_buffer(graph, name, shape, bt_init_constant(value));
}

/* The length of an axis, from the end where negative; 1 where there is none, which the operation
 * then finds not to fit. */
static size_t axis_length(bt_tensor x, int axis)
{
    const bt_shape shape = bt_tensor_shape(x);
    size_t a;
    return bt__axis(&a, &shape, axis) ? shape.dims[a] : 1;
}

/* ---- Layers ---- */

static double gain_of(bt_activation act)
{
    return act == BT_TANH ? 5.0 / 3.0 : act == BT_RELU || act == BT_GELU ? sqrt(2.0) : 1.0;
}

bt_init bt_nn_init(bt_activation act)
{
    return bt_init_kaiming(gain_of(act));
}

bt_tensor bt_nn_linear_with(bt_tensor x, const char *name, size_t outputs, bt_activation act,
                            bool bias, bt_init init)
{
    const bt_tensor w =
        parameter(x.graph, name, "weight", bt_shape2(outputs, axis_length(x, -1)), init);
    const bt_tensor b = bias ? parameter(x.graph, name, "bias", bt_shape1(outputs), bt_init_zeros())
                             : bt_tensor_none(x.graph);
    return bt_tensor_linear(x, w, b, act);
}

bt_tensor bt_nn_linear(bt_tensor x, const char *name, size_t outputs, bt_activation act)
{
    return bt_nn_linear_with(x, name, outputs, act, true, bt_nn_init(act));
}

bt_tensor bt_nn_embedding(bt_tensor indices, const char *name, size_t vocabulary, size_t width,
                          double deviation)
{
    const bt_tensor table = parameter(indices.graph, name, "weight", bt_shape2(vocabulary, width),
                                      bt_init_normal(deviation));
    return bt_tensor_embedding(table, indices);
}

bt_tensor bt_nn_layer_norm(bt_tensor x, const char *name)
{
    const bt_shape shape = bt_shape1(axis_length(x, -1));
    const bt_tensor w = parameter(x.graph, name, "weight", shape, bt_init_constant(1));
    const bt_tensor b = parameter(x.graph, name, "bias", shape, bt_init_zeros());
    return bt_tensor_layer_norm(x, w, b, 1e-5);
}

bt_tensor bt_nn_batch_norm(bt_tensor x, const char *name)
{
    const bt_shape shape = bt_shape1(axis_length(x, 1));
    const bt_tensor w = parameter(x.graph, name, "weight", shape, bt_init_constant(1));
    const bt_tensor b = parameter(x.graph, name, "bias", shape, bt_init_zeros());
    const bt_tensor mean = buffer(x.graph, name, "running_mean", shape, 0);
    const bt_tensor variance = buffer(x.graph, name, "running_var", shape, 1);
    return bt_tensor_batch_norm(x, w, b, mean, variance, 0.1, 1e-5);
}

bt_tensor bt_nn_conv2d(bt_tensor x, const char *name, size_t outputs, size_t size, size_t stride,
                       size_t padding)
{
    const bt_shape shape = bt_shape4(outputs, axis_length(x, 1), size, size);
    const bt_tensor w = parameter(x.graph, name, "weight", shape, bt_nn_init(BT_RELU));
    const bt_tensor b = parameter(x.graph, name, "bias", bt_shape1(outputs), bt_init_zeros());
    return bt_tensor_conv2d(x, w, b, stride, padding);
}

bt_tensor bt_nn_mlp(bt_tensor x, const char *name, const size_t *sizes, size_t n, bt_activation act)
{
    for (size_t i = 0; i < n; i++) {
        char number[24], layer[NAME_SIZE];
        snprintf(number, sizeof number, "%zu", i);
        if (!join(layer, x.graph, name, number))
            return bt_tensor_none(x.graph);
        x = bt_nn_linear(x, layer, sizes[i], i + 1 < n ? act : BT_IDENTITY);
    }
    return x;
}

/* ---- Transformers ---- */

bt_nn_gpt_options bt_nn_gpt_options_default(void)
{
    const bt_nn_gpt_options options = {
        .context = 64, .embed = 128, .heads = 4, .layers = 4, .activation = BT_GELU, .bias = true};
    return options;
}

static const double gpt_deviation = 0.02;

/* Each of the 2 layers parts adds to x: their last weights are so small that the sum stays. */
static bt_init last_init(const bt_nn_gpt_options *opt)
{
    return bt_init_normal(gpt_deviation / sqrt(2.0 * (double)(opt->layers ? opt->layers : 1)));
}

static bt_tensor drop(bt_tensor x, const bt_nn_gpt_options *opt)
{
    return opt->dropout == 0 ? x : bt_tensor_dropout(x, opt->dropout);
}

/* One linear part of a block. */
static bt_tensor part(bt_tensor x, const char *name, const char *suffix, size_t outputs,
                      bt_activation act, bool bias, bt_init init)
{
    char full[NAME_SIZE];
    if (!join(full, x.graph, name, suffix))
        return bt_tensor_none(x.graph);
    return bt_nn_linear_with(x, full, outputs, act, bias, init);
}

bt_tensor bt_nn_self_attention(bt_tensor x, const char *name, const bt_nn_gpt_options *opt)
{
    const size_t d = axis_length(x, -1);
    x = part(x, name, "qkv", 3 * d, BT_IDENTITY, opt->qkv_bias, bt_init_normal(gpt_deviation));
    x = bt_tensor_attention(x, opt->heads, true);
    return part(x, name, "projection", d, BT_IDENTITY, opt->bias, last_init(opt));
}

bt_tensor bt_nn_feed_forward(bt_tensor x, const char *name, const bt_nn_gpt_options *opt)
{
    const size_t d = axis_length(x, -1);
    x = part(x, name, "mlp_up", 4 * d, opt->activation, opt->bias, bt_init_normal(gpt_deviation));
    return part(x, name, "mlp_down", d, BT_IDENTITY, opt->bias, last_init(opt));
}

bt_tensor bt_nn_block(bt_tensor x, const char *name, const bt_nn_gpt_options *opt)
{
    char norm1[NAME_SIZE], norm2[NAME_SIZE];
    if (!join(norm1, x.graph, name, "norm1") || !join(norm2, x.graph, name, "norm2"))
        return bt_tensor_none(x.graph);
    const bt_tensor attended = bt_nn_self_attention(bt_nn_layer_norm(x, norm1), name, opt);
    x = bt_tensor_add(x, drop(attended, opt));
    const bt_tensor fed = bt_nn_feed_forward(bt_nn_layer_norm(x, norm2), name, opt);
    return bt_tensor_add(x, drop(fed, opt));
}

bt_tensor bt_nn_gpt(bt_tensor tokens, const bt_nn_gpt_options *opt)
{
    const size_t length = axis_length(tokens, 1);
    bt_tensor x = bt_nn_embedding(tokens, "token", opt->vocabulary, opt->embed, gpt_deviation);
    bt_tensor position =
        parameter(tokens.graph, "position", "weight", bt_shape2(opt->context, opt->embed),
                  bt_init_normal(gpt_deviation));
    if (length != opt->context)
        position = bt_tensor_slice(position, 0, 0, length);
    x = drop(bt_tensor_add(x, position), opt);
    for (size_t i = 0; i < opt->layers; i++) {
        char block[NAME_SIZE];
        snprintf(block, sizeof block, "block.%zu", i);
        x = bt_nn_block(x, block, opt);
    }
    return bt_nn_linear_with(bt_nn_layer_norm(x, "norm"), "head", opt->vocabulary, BT_IDENTITY,
                             opt->bias, bt_init_normal(gpt_deviation));
}

/* ---- Images ---- */

bt_nn_cnn_options bt_nn_cnn_options_default(void)
{
    const bt_nn_cnn_options options = {.channels = {16, 32}, .classes = 10};
    return options;
}

static bt_tensor convolve(bt_tensor x, const char *conv, const char *norm, size_t channels,
                          bool batch_norm)
{
    x = bt_nn_conv2d(x, conv, channels, 3, 1, 1);
    return bt_tensor_relu(batch_norm ? bt_nn_batch_norm(x, norm) : x);
}

bt_tensor bt_nn_cnn(bt_tensor x, const bt_nn_cnn_options *opt)
{
    x = convolve(x, "conv1", "norm1", opt->channels[0], opt->batch_norm);
    x = bt_tensor_max_pool2d(x, 2, 2);
    x = convolve(x, "conv2", "norm2", opt->channels[1], opt->batch_norm);
    const size_t rows = axis_length(x, 0);
    x = bt_tensor_reshape(x, bt_shape2(rows, bt_tensor_size(x) / rows));
    return bt_nn_linear(x, "output", opt->classes, BT_IDENTITY);
}
