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

#define BT__ELEMENTWISE_OPS(X)                                                                     \
    X(NEG,        neg,        unary, neg,        0,         BT__IN(0), 0)                          \
    X(ABS,        abs,        unary, abs,        BT__IN(0), BT__IN(0), 0)                          \
    X(INV,        inv,        unary, inv,        BT__OUT,   BT__IN(0), 0)                          \
    X(SQR,        sqr,        unary, sqr,        BT__IN(0), BT__IN(0), 0)                          \
    X(SQRT,       sqrt,       unary, sqrt,       BT__OUT,   BT__IN(0), 0)                          \
    X(EXP,        exp,        unary, exp,        BT__OUT,   BT__IN(0), 0)                          \
    X(LOG,        log,        unary, log,        BT__IN(0), BT__IN(0), 0)                          \
    X(LOG1P,      log1p,      unary, log1p,      BT__IN(0), BT__IN(0), 0)                          \
    X(SIN,        sin,        unary, sin,        BT__IN(0), BT__IN(0), 0)                          \
    X(COS,        cos,        unary, cos,        BT__IN(0), BT__IN(0), 0)                          \
    X(TANH,       tanh,       unary, tanh,       BT__OUT,   BT__IN(0), 0)                          \
    X(SIGMOID,    sigmoid,    unary, sigmoid,    BT__OUT,   BT__IN(0), 0)                          \
    X(SOFTPLUS,   softplus,   unary, softplus,   BT__IN(0), BT__IN(0), 0)                          \
    X(RELU,       relu,       unary, relu,       BT__OUT,   BT__IN(0), 0)                          \
    X(GELU,       gelu,       unary, gelu,       BT__IN(0), BT__IN(0), 0)                          \
    X(SILU,       silu,       unary, silu,       BT__IN(0), BT__IN(0), 0)                          \
    X(ERF,        erf,        unary, erf,        BT__IN(0), BT__IN(0), 0)                          \
    X(ADD_CONST,  add_const,  unary, add_const,  0,         BT__IN(0), 0)                          \
    X(MUL_CONST,  mul_const,  unary, mul_const,  0,         BT__IN(0), 0)                          \
    X(POW_CONST,  pow_const,  unary, pow_const,  BT__IN(0), BT__IN(0), 0)                          \
    X(CLAMP,      clamp,      unary, clamp,      BT__IN(0), BT__IN(0), 0)                          \
    X(LEAKY_RELU, leaky_relu, unary, leaky_relu, BT__IN(0), BT__IN(0), 0)                          \
    X(ADD, add, binary, add, 0,                               BT__IN(0) | BT__IN(1), BT__IN(0) | BT__IN(1)) \
    X(SUB, sub, binary, sub, 0,                               BT__IN(0) | BT__IN(1), BT__IN(0) | BT__IN(1)) \
    X(MUL, mul, binary, mul, BT__IN(0) | BT__IN(1),           BT__IN(0) | BT__IN(1), BT__IN(0) | BT__IN(1)) \
    X(DIV, div, binary, div, BT__IN(1) | BT__OUT,             BT__IN(0) | BT__IN(1), BT__IN(0) | BT__IN(1)) \
    X(POW, pow, binary, pow, BT__IN(0) | BT__IN(1) | BT__OUT, BT__IN(0) | BT__IN(1), BT__IN(0) | BT__IN(1)) \
    X(MIN, min, binary, min, BT__IN(0) | BT__IN(1),           BT__IN(0) | BT__IN(1), BT__IN(0) | BT__IN(1)) \
    X(MAX, max, binary, max, BT__IN(0) | BT__IN(1),           BT__IN(0) | BT__IN(1), BT__IN(0) | BT__IN(1)) \
    X(SELECT,    select,    select,    select,    BT__IN(0), BT__IN(1) | BT__IN(2), BT__IN(0) | BT__IN(1) | BT__IN(2)) \
    X(BROADCAST, broadcast, broadcast, broadcast, 0,         BT__IN(0), BT__IN(0))                 \
    X(DROPOUT,   dropout,   dropout,   dropout,   0,         BT__IN(0), 0)

#define BT__REDUCE_OPS(X)                                                                          \
    X(SUM,         sum,         reduce,   sum,         0,                   BT__IN(0), 0)          \
    X(MEAN,        mean,        reduce,   mean,        0,                   BT__IN(0), 0)          \
    X(REDUCE_MAX,  reduce_max,  extreme,  reduce_max,  0,                   0,         0)          \
    X(REDUCE_MIN,  reduce_min,  extreme,  reduce_min,  0,                   0,         0)          \
    X(VARIANCE,    variance,    variance, variance,    BT__IN(0),           BT__IN(0), 0)          \
    X(NORM,        norm,        reduce,   norm,        BT__IN(0) | BT__OUT, BT__IN(0), 0)          \
    X(LOG_SUM_EXP, log_sum_exp, reduce,   log_sum_exp, BT__IN(0) | BT__OUT, BT__IN(0), 0)          \
    X(ARGMAX,      argmax,      argmax,   argmax,      0,                   0,         0)

#define BT__MATMUL_OPS(X)                                                                          \
    X(MATMUL, matmul, matmul, matmul, BT__IN(0) | BT__IN(1), BT__IN(0) | BT__IN(1), BT__IN(0) | BT__IN(1))

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
    X(EMBEDDING, embedding, embedding, embedding, BT__IN(1), 0, 0)                                 \
    X(GATHER, gather, gather, gather, BT__IN(1), 0, 0)                                             \
    X(CONCAT, concat, concat, concat, 0, 0xff, 0)                                                  \
    X(REAL, real, real, real, 0, 0, 0)

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
