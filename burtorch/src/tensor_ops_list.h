// SPDX-License-Identifier: MIT
/* Every operation on tensors, one row each, by family.
 *
 * X(ID, name, shape rule, code, reads, overwrites, strided): the rule is bt__<shape>_shape, the
 * code bt__<code>_<precision>_<simd>; the masks are those of bt__tensor_op in graph_private.h.
 * Leaves and views have neither rule nor code of their own: graph.c knows them. */
#ifndef BURTORCH_TENSOR_OPS_LIST_H
#define BURTORCH_TENSOR_OPS_LIST_H

// clang-format off
#define BT__LEAF_OPS(X)                                                                            \
    X(INPUT,     input,     none, none, 0, 0, 0)                                                   \
    X(PARAMETER, parameter, none, none, 0, 0, 0)                                                   \
    X(BUFFER,    buffer,    none, none, 0, 0, 0)                                                   \
    X(VIEW,      view,      none, none, 0, 0, 0xff)

/* copy: a view without gaps. */
#define BT__CORE_OPS(X)                                                                            \
    X(COPY,      copy,      copy,   copy,   0, BT__IN(0), BT__IN(0))                               \
    X(LINEAR,    linear,    linear, linear, BT__IN(0) | BT__IN(1) | BT__OUT, BT__IN(0) | BT__IN(1) | BT__IN(2), 0)

#define BT__ELEMENTWISE_OPS(X)

#define BT__REDUCE_OPS(X)

#define BT__MATMUL_OPS(X)

#define BT__NORM_OPS(X)                                                                            \
    X(SOFTMAX, softmax, softmax, softmax, BT__OUT, BT__IN(0), 0)                                   \
    X(LOG_SOFTMAX, log_softmax, log_softmax, log_softmax, BT__OUT, BT__IN(0), 0)                   \
    X(LAYER_NORM, layer_norm, layer_norm, layer_norm, BT__IN(0) | BT__IN(1), BT__IN(0) | BT__IN(1) | BT__IN(2), 0) \
    X(BATCH_NORM, batch_norm, batch_norm, batch_norm, BT__IN(0) | BT__IN(1), BT__IN(0) | BT__IN(1) | BT__IN(2), 0)

#define BT__ATTENTION_OPS(X)                                                                       \
    X(ATTENTION, attention, attention, attention, BT__IN(0), BT__IN(0), 0)

#define BT__IMAGE_OPS(X)                                                                           \
    X(CONV2D, conv2d, conv2d, conv2d, BT__IN(0) | BT__IN(1), BT__IN(1) | BT__IN(2), 0)             \
    X(MAX_POOL2D, max_pool2d, max_pool2d, max_pool2d, 0, 0, 0)                                     \
    X(AVG_POOL2D, avg_pool2d, avg_pool2d, avg_pool2d, 0, 0, 0)

#define BT__INDEX_OPS(X)                                                                           \
    X(EMBEDDING, embedding, embedding, embedding, BT__IN(1), 0, 0)

#define BT__LOSS_OPS(X)                                                                            \
    X(CROSS_ENTROPY, cross_entropy, cross_entropy, cross_entropy, BT__IN(0) | BT__IN(1), BT__IN(0), 0) \
    X(MSE, mse, mse, mse, BT__IN(0) | BT__IN(1), BT__IN(0) | BT__IN(1), 0)                         \
    X(BINARY_CROSS_ENTROPY, binary_cross_entropy, binary_cross_entropy, binary_cross_entropy, BT__IN(0) | BT__IN(1), BT__IN(0) | BT__IN(1), 0)
// clang-format on

/* Those that have code. */
#define BT__CODE_OPS(X)                                                                            \
    BT__CORE_OPS(X)                                                                                \
    BT__ELEMENTWISE_OPS(X)                                                                         \
    BT__REDUCE_OPS(X)                                                                              \
    BT__MATMUL_OPS(X)                                                                              \
    BT__NORM_OPS(X)                                                                                \
    BT__ATTENTION_OPS(X)                                                                           \
    BT__IMAGE_OPS(X)                                                                               \
    BT__INDEX_OPS(X)                                                                               \
    BT__LOSS_OPS(X)

#define BT__TENSOR_OP_LIST(X)                                                                      \
    BT__LEAF_OPS(X)                                                                                \
    BT__CODE_OPS(X)

#endif
