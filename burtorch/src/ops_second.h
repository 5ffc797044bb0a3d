// SPDX-License-Identifier: MIT
/* Second derivatives of the operations of <burtorch/ops.h>, row by row under the same IDs.
 *
 * In the formulas a and b are the operands and y the result. A formula that is the literal 0.0
 * costs nothing. At kinks second derivatives are 0. Those of lists are in function_second.c. */
#ifndef BURTORCH_OPS_SECOND_H
#define BURTORCH_OPS_SECOND_H

#include <burtorch/tape.h>

// clang-format off
/* X(ID, d2y/da2) */
#define BT__UNARY_SECOND(X)                                                                        \
    X(NEG,      0.0)                                                                               \
    X(ABS,      0.0)                                                                               \
    X(INV,      2.0 * y * y * y)                                                                   \
    X(SQR,      2.0)                                                                               \
    X(CUB,      6.0 * a)                                                                           \
    X(SQRT,     -0.25 / (a * y))                                                                   \
    X(INV_SQRT, 0.75 * y / (a * a))                                                                \
    X(CBRT,     -2.0 / (9.0 * a * y * y))                                                          \
    X(EXP,      y)                                                                                 \
    X(EXPM1,    y + 1.0)                                                                           \
    X(LOG,      -1.0 / (a * a))                                                                    \
    X(NEG_LOG,  1.0 / (a * a))                                                                     \
    X(LOG1P,    -1.0 / ((1.0 + a) * (1.0 + a)))                                                    \
    X(LOG2,     -BT__LOG2_E / (a * a))                                                             \
    X(LOG10,    -BT__LOG10_E / (a * a))                                                            \
    X(SIN,      -y)                                                                                \
    X(COS,      -y)                                                                                \
    X(TAN,      2.0 * y * (1.0 + y * y))                                                           \
    X(ASIN,     bt__asin_second(a))                                                                \
    X(ACOS,     -bt__asin_second(a))                                                               \
    X(ATAN,     -2.0 * a / ((1.0 + a * a) * (1.0 + a * a)))                                        \
    X(SINH,     y)                                                                                 \
    X(COSH,     y)                                                                                 \
    X(TANH,     -2.0 * y * (1.0 - y) * (1.0 + y))                                                  \
    X(SIGMOID,  y * (1.0 - y) * (1.0 - 2.0 * y))                                                   \
    X(SOFTPLUS, bt__sigmoid(a) * bt__sigmoid(-a))                                                  \
    X(RELU,     0.0)                                                                               \
    X(ELU,      a <= 0.0 ? y + 1.0 : 0.0)                                                          \
    X(SILU,     bt__silu_second(a, y))                                                             \
    X(GELU,     (2.0 - a * a) * bt__normal_pdf(a))                                                 \
    X(ERF,      -2.0 * a * BT__2_SQRTPI * exp(-(a * a)))

/* X(ID, d2y/da2, d2y/da db, d2y/db2) */
#define BT__BINARY_SECOND(X)                                                                       \
    X(ADD,           0.0,                  0.0,                     0.0)                           \
    X(SUB,           0.0,                  0.0,                     0.0)                           \
    X(MUL,           0.0,                  1.0,                     0.0)                           \
    X(DIV,           0.0,                  -1.0 / (b * b),          2.0 * y / (b * b))             \
    X(POW,           bt__pow_daa(a, b),    bt__pow_dab(a, b),       bt__pow_dbb(a, b, y))          \
    X(MIN,           0.0,                  0.0,                     0.0)                           \
    X(MAX,           0.0,                  0.0,                     0.0)                           \
    X(ATAN2,         -bt__atan2_dbb(a, b), bt__atan2_dab(a, b),     bt__atan2_dbb(a, b))           \
    X(HYPOT,         (b / y) * (b / y) / y, -(a / y) * (b / y) / y, (a / y) * (a / y) / y)         \
    X(MEAN2,         0.0,                  0.0,                     0.0)                           \
    X(NEG_MEAN2,     0.0,                  0.0,                     0.0)                           \
    X(ADD_SQUARES,   2.0,                  0.0,                     2.0)                           \
    X(MEAN_SQUARES2, 1.0,                  0.0,                     1.0)

/* The same of operations with a plain number, which is b, and of which b takes no gradient. */
#define BT__NUMBER_SECOND(X)                                                                       \
    X(LEAKY_RELU,    0.0,                  0.0,                     0.0)                           \
    X(AT_LEAST,      0.0,                  0.0,                     0.0)                           \
    X(AT_MOST,       0.0,                  0.0,                     0.0)
// clang-format on

static inline double bt__asin_second(double a)
{
    const double w = (1.0 - a) * (1.0 + a);
    return a / (w * sqrt(w));
}
static inline double bt__silu_second(double a, double y)
{
    const double s = bt__sigmoid(a), rest = bt__sigmoid(-a); // 1 - s
    return rest * (2.0 * s + y * (rest - s));
}
static inline double bt__normal_pdf(double a)
{
    return BT__1_SQRT2PI * exp(-0.5 * a * a);
}
static inline double bt__pow_daa(double a, double b)
{
    return b == 0.0 || b == 1.0 ? 0.0 : b * (b - 1.0) * pow(a, b - 2.0);
}
/* a^(b - 1) (1 + b log a), with its limit 0 at a = 0 for b > 1. */
static inline double bt__pow_dab(double a, double b)
{
    return a == 0.0 && b > 1.0 ? 0.0 : pow(a, b - 1.0) * (1.0 + b * log(a));
}
static inline double bt__pow_dbb(double a, double b, double y)
{
    const double l = log(a);
    return a == 0.0 && b > 0.0 ? 0.0 : y * l * l;
}
static inline double bt__atan2_dab(double a, double b)
{
    const double r = a * a + b * b;
    return (a - b) * (a + b) / (r * r);
}
static inline double bt__atan2_dbb(double a, double b)
{
    const double r = a * a + b * b;
    return 2.0 * a * b / (r * r);
}

#endif
