// SPDX-License-Identifier: MIT
/* The operations on tensors of a graph (<burtorch/graph.h>). Each returns the tensor of its result;
 * an operation that cannot be gives the tensor that is none, and bt_graph_plan says why.
 *
 * "Broadcasting" is NumPy's: shapes are aligned at their last axes, an axis of length 1 (or
 * missing) is repeated. An axis is counted from 0, or from the end with negative numbers: -1 is the
 * last. Derivatives at kinks are those of <burtorch/ops.h>. */
#ifndef BURTORCH_TENSOR_H
#define BURTORCH_TENSOR_H

#include <burtorch/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Views: no copy; elements are shared with x ---- */

/* The same elements in another shape. BT_ESHAPE: another number of elements. */
bt_tensor bt_tensor_reshape(bt_tensor x, bt_shape shape);
/* Two axes exchanged. */
bt_tensor bt_tensor_transpose(bt_tensor x, int axis, int other);
/* Elements start … stop-1 of an axis. */
bt_tensor bt_tensor_slice(bt_tensor x, int axis, size_t start, size_t stop);

/* ---- Elementwise ---- */

/* X(ID, name): bt_tensor_name(x), the formulas of ops.h. */
#define BT_TENSOR_UNARY(X)                                                                         \
    X(NEG, neg)                                                                                    \
    X(ABS, abs)                                                                                    \
    X(INV, inv)                                                                                    \
    X(SQR, sqr)                                                                                    \
    X(SQRT, sqrt)                                                                                  \
    X(EXP, exp)                                                                                    \
    X(LOG, log)                                                                                    \
    X(LOG1P, log1p)                                                                                \
    X(SIN, sin)                                                                                    \
    X(COS, cos)                                                                                    \
    X(TANH, tanh)                                                                                  \
    X(SIGMOID, sigmoid)                                                                            \
    X(SOFTPLUS, softplus)                                                                          \
    X(RELU, relu)                                                                                  \
    X(GELU, gelu)                                                                                  \
    X(SILU, silu)                                                                                  \
    X(ERF, erf)
#define BT__DECLARE_UNARY(ID, name) bt_tensor bt_tensor_##name(bt_tensor x);
BT_TENSOR_UNARY(BT__DECLARE_UNARY)
#undef BT__DECLARE_UNARY

/* X(ID, name): bt_tensor_name(x, z) with broadcasting. */
#define BT_TENSOR_BINARY(X)                                                                        \
    X(ADD, add)                                                                                    \
    X(SUB, sub)                                                                                    \
    X(MUL, mul)                                                                                    \
    X(DIV, div)                                                                                    \
    X(POW, pow)                                                                                    \
    X(MIN, min)                                                                                    \
    X(MAX, max)
#define BT__DECLARE_BINARY(ID, name) bt_tensor bt_tensor_##name(bt_tensor x, bt_tensor z);
BT_TENSOR_BINARY(BT__DECLARE_BINARY)
#undef BT__DECLARE_BINARY

/* With plain numbers. */
bt_tensor bt_tensor_add_const(bt_tensor x, double c);
bt_tensor bt_tensor_mul_const(bt_tensor x, double c);
bt_tensor bt_tensor_pow_const(bt_tensor x, double c);
bt_tensor bt_tensor_clamp(bt_tensor x, double low, double high);
bt_tensor bt_tensor_leaky_relu(bt_tensor x, double slope);

/* x where condition > 0, else z; all three are broadcast. No gradient to the condition. */
bt_tensor bt_tensor_select(bt_tensor condition, bt_tensor x, bt_tensor z);
/* x repeated to shape. */
bt_tensor bt_tensor_broadcast(bt_tensor x, bt_shape shape);
/* While training, each element is 0 with probability p in [0, 1), else x / (1 - p); afterwards x
 * (Srivastava et al. 2014). */
bt_tensor bt_tensor_dropout(bt_tensor x, double p);

/* ---- Reductions ---- */

#define BT_ALL_AXES 1000 // over all elements, to a number

/* Over one axis, which is dropped; or over BT_ALL_AXES. Of equal maxima the first takes the
 * gradient. norm is Euclidean, with the gradient 0 at 0; variance is the biased one. */
bt_tensor bt_tensor_sum(bt_tensor x, int axis);
bt_tensor bt_tensor_mean(bt_tensor x, int axis);
bt_tensor bt_tensor_reduce_max(bt_tensor x, int axis);
bt_tensor bt_tensor_reduce_min(bt_tensor x, int axis);
bt_tensor bt_tensor_variance(bt_tensor x, int axis);
bt_tensor bt_tensor_norm(bt_tensor x, int axis);
bt_tensor bt_tensor_log_sum_exp(bt_tensor x, int axis);
/* The place of the (first) maximum along the last axis: u32, no gradient. */
bt_tensor bt_tensor_argmax(bt_tensor x);

/* ---- Products ---- */

/* (..., M, K) times (..., K, N): (..., M, N); leading axes are broadcast. */
bt_tensor bt_tensor_matmul(bt_tensor x, bt_tensor z);

typedef enum bt_activation {
    BT_IDENTITY = 0,
    BT_RELU,
    BT_TANH,
    BT_SIGMOID,
    BT_GELU // exact, with erf
} bt_activation;
/* x (..., K), weight (N, K), bias (N) or the tensor that is none: act(x weight^T + bias), (..., N),
 * in one operation. */
bt_tensor bt_tensor_linear(bt_tensor x, bt_tensor weight, bt_tensor bias, bt_activation act);

/* ---- Normalisation and attention ---- */

/* Along the last axis. */
bt_tensor bt_tensor_softmax(bt_tensor x);
bt_tensor bt_tensor_log_softmax(bt_tensor x);
/* x (..., N), gamma (N), beta (N): (x - mean) / sqrt(variance + epsilon) gamma + beta over the last
 * axis, biased variance (Ba et al. 2016). */
bt_tensor bt_tensor_layer_norm(bt_tensor x, bt_tensor gamma, bt_tensor beta, double epsilon);
/* x (B, C) or (B, C, H, W); gamma, beta (C); running_mean, running_variance (C) buffers: over all
 * axes but C (Ioffe, Szegedy 2015). While training the statistics are the batch's, and the running
 * ones move by momentum towards them (the variance unbiased); afterwards the running ones are used.
 */
bt_tensor bt_tensor_batch_norm(bt_tensor x, bt_tensor gamma, bt_tensor beta, bt_tensor running_mean,
                               bt_tensor running_variance, double momentum, double epsilon);
/* Multi-head self-attention (Vaswani et al. 2017): qkv (B, T, 3 D) holds queries, keys and values
 * side by side, D = heads * head size; softmax(q k^T / sqrt(head size)) v, (B, T, D). causal:
 * position t sees positions 0 … t. */
bt_tensor bt_tensor_attention(bt_tensor qkv, size_t heads, bool causal);

/* ---- Images: (B, C, H, W) ---- */

/* weight (O, C, KH, KW), bias (O) or the tensor that is none; zeros around: (B, O, (H + 2 padding -
 * KH) / stride + 1, …). Cross-correlation, as in other frameworks. */
bt_tensor bt_tensor_conv2d(bt_tensor x, bt_tensor weight, bt_tensor bias, size_t stride,
                           size_t padding);
/* Windows of size by size, every `stride`; no padding, incomplete windows are left out. */
bt_tensor bt_tensor_max_pool2d(bt_tensor x, size_t size, size_t stride);
bt_tensor bt_tensor_avg_pool2d(bt_tensor x, size_t size, size_t stride);

/* ---- Indices ---- */

/* Rows of table (V, E) by indices (...) below V: (..., E). */
bt_tensor bt_tensor_embedding(bt_tensor table, bt_tensor indices);
/* x (..., N), indices (...) below N: element x[..., indices[...]], (...). */
bt_tensor bt_tensor_gather(bt_tensor x, bt_tensor indices);
/* Indices as real numbers: class labels as the targets of binary_cross_entropy. No gradient. */
bt_tensor bt_tensor_real(bt_tensor indices);
/* n tensors, whose shapes differ in `axis` only, one behind the other. n is 1 to 8. */
bt_tensor bt_tensor_concat(const bt_tensor *x, size_t n, int axis);

/* ---- Losses: one number ---- */

/* Softmax and cross-entropy in one: logits (..., V), targets (...) below V. The mean, in nats, of
 * -log softmax(logits)[target] over the targets that are not BT_IGNORE; 0 when all are. */
bt_tensor bt_tensor_cross_entropy(bt_tensor logits, bt_tensor targets);
#define BT_IGNORE UINT32_MAX
/* Mean of (x - target)^2; no gradient to targets that are inputs. Same shapes. */
bt_tensor bt_tensor_mse(bt_tensor x, bt_tensor target);
/* Mean of log(1 + e^x) - target x: logistic loss of logits x with targets in [0, 1]. Same shapes.
 */
bt_tensor bt_tensor_binary_cross_entropy(bt_tensor logits, bt_tensor target);

#ifdef __cplusplus
}
#endif
#endif
