// SPDX-License-Identifier: MIT
/* Every scalar operation, one row each: its name, its value and its derivatives.
 *
 * The row "X(EXP, exp, exp(a), y, ...)" makes bt_exp() in <burtorch/tape.h>, the function exp() of
 * the expression language, the backward sweep, and its test. In the formulas a and b are the values
 * of the operands and y that of the result. The last columns are the interval(s) from which tests
 * draw operands.
 *
 * At a kink the derivative is a subgradient: abs, relu: 0 at 0; min, max: half to each operand at a
 * tie. sqrt at 0 has the derivative inf. NaN goes through every operation. */
#ifndef BURTORCH_OPS_H
#define BURTORCH_OPS_H

#include <math.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// clang-format off
/* X(ID, name, y, dy/da, low, high) */
#define BT_UNARY_OPS(X)                                                                            \
    X(NEG,      neg,      -a,                   -1.0,                               -3.0,  3.0)    \
    X(ABS,      abs,      fabs(a),              bt__sign(a),                        -3.0,  3.0)    \
    X(INV,      inv,      1.0 / a,              -(y * y),                            0.2,  4.0)    \
    X(SQR,      sqr,      a * a,                2.0 * a,                            -3.0,  3.0)    \
    X(CUB,      cub,      a * a * a,            3.0 * a * a,                        -3.0,  3.0)    \
    X(SQRT,     sqrt,     sqrt(a),              0.5 / y,                             0.1,  9.0)    \
    X(INV_SQRT, inv_sqrt, 1.0 / sqrt(a),        -0.5 * y / a,                        0.1,  9.0)    \
    X(CBRT,     cbrt,     cbrt(a),              1.0 / (3.0 * y * y),                 0.1,  9.0)    \
    X(EXP,      exp,      exp(a),               y,                                  -3.0,  3.0)    \
    X(EXPM1,    expm1,    expm1(a),             y + 1.0,                            -3.0,  3.0)    \
    X(LOG,      log,      log(a),               1.0 / a,                             0.1,  9.0)    \
    X(NEG_LOG,  neg_log,  -log(a),              -1.0 / a,                            0.1,  9.0)    \
    X(LOG1P,    log1p,    log1p(a),             1.0 / (1.0 + a),                    -0.9,  9.0)    \
    X(LOG2,     log2,     log2(a),              BT__LOG2_E / a,                      0.1,  9.0)    \
    X(LOG10,    log10,    log10(a),             BT__LOG10_E / a,                     0.1,  9.0)    \
    X(SIN,      sin,      sin(a),               cos(a),                             -3.0,  3.0)    \
    X(COS,      cos,      cos(a),               -sin(a),                            -3.0,  3.0)    \
    X(TAN,      tan,      tan(a),               1.0 + y * y,                        -1.2,  1.2)    \
    X(ASIN,     asin,     asin(a),              1.0 / sqrt((1.0 - a) * (1.0 + a)),  -0.9,  0.9)    \
    X(ACOS,     acos,     acos(a),              -1.0 / sqrt((1.0 - a) * (1.0 + a)), -0.9,  0.9)    \
    X(ATAN,     atan,     atan(a),              1.0 / (1.0 + a * a),                -3.0,  3.0)    \
    X(SINH,     sinh,     sinh(a),              cosh(a),                            -3.0,  3.0)    \
    X(COSH,     cosh,     cosh(a),              sinh(a),                            -3.0,  3.0)    \
    X(TANH,     tanh,     tanh(a),              (1.0 - y) * (1.0 + y),              -3.0,  3.0)    \
    X(SIGMOID,  sigmoid,  bt__sigmoid(a),       y * (1.0 - y),                      -6.0,  6.0)    \
    X(SOFTPLUS, softplus, bt__softplus(a),      bt__sigmoid(a),                     -6.0,  6.0)    \
    X(RELU,     relu,     a <= 0.0 ? 0.0 : a,   a > 0.0 ? 1.0 : 0.0,                -3.0,  3.0)    \
    X(GELU,     gelu,     a * bt__normal_cdf(a), bt__normal_cdf(a) + a * bt__normal_pdf(a), -4.0, 4.0) \
    X(ERF,      erf,      erf(a),               BT__2_SQRTPI * exp(-(a * a)),       -2.0,  2.0)

/* X(ID, name, y, dy/da, dy/db, low a, high a, low b, high b) */
#define BT_BINARY_OPS(X)                                                                           \
    X(ADD,           add,           a + b,                 1.0,            1.0,             -3.0, 3.0, -3.0, 3.0) \
    X(SUB,           sub,           a - b,                 1.0,            -1.0,            -3.0, 3.0, -3.0, 3.0) \
    X(MUL,           mul,           a * b,                 b,              a,               -3.0, 3.0, -3.0, 3.0) \
    X(DIV,           div,           a / b,                 1.0 / b,        -y / b,          -3.0, 3.0,  0.2, 4.0) \
    X(POW,           pow,           pow(a, b),             bt__pow_da(a, b), bt__pow_db(a, b, y), 0.2, 3.0, -2.0, 3.0) \
    X(MIN,           min,           bt__min(a, b),         bt__step(a, b), bt__step(b, a),  -3.0, 3.0, -3.0, 3.0) \
    X(MAX,           max,           bt__max(a, b),         bt__step(b, a), bt__step(a, b),  -3.0, 3.0, -3.0, 3.0) \
    X(ATAN2,         atan2,         atan2(a, b),           b / (a * a + b * b), -a / (a * a + b * b), -3.0, 3.0, 0.2, 3.0) \
    X(HYPOT,         hypot,         hypot(a, b),           a / y,          b / y,            0.2, 3.0, -3.0, 3.0) \
    X(MEAN2,         mean2,         0.5 * (a + b),         0.5,            0.5,             -3.0, 3.0, -3.0, 3.0) \
    X(NEG_MEAN2,     neg_mean2,     -0.5 * (a + b),        -0.5,           -0.5,            -3.0, 3.0, -3.0, 3.0) \
    X(ADD_SQUARES,   add_squares,   a * a + b * b,         2.0 * a,        2.0 * b,         -3.0, 3.0, -3.0, 3.0) \
    X(MEAN_SQUARES2, mean_squares2, 0.5 * (a * a + b * b), a,              b,               -3.0, 3.0, -3.0, 3.0)

/* X(ID, name, operand lists, y): any number of operands x_0 … x_n-1; dot also takes z_0 … z_n-1, and
 * dot_bias c before them. Their code is in tape_list.c. */
#define BT_LIST_OPS(X)                                                                             \
    X(SUM,          sum,          1, "sum of x_i")                                                 \
    X(SUBTRACT,     subtract,     1, "x_0 - x_1 - ... - x_n-1")                                    \
    X(PRODUCT,      product,      1, "product of x_i")                                             \
    X(MEAN,         mean,         1, "sum of x_i / n")                                             \
    X(NEG_MEAN,     neg_mean,     1, "-(sum of x_i) / n")                                          \
    X(SUM_SQUARES,  sum_squares,  1, "sum of x_i^2")                                               \
    X(MEAN_SQUARES, mean_squares, 1, "sum of x_i^2 / n")                                           \
    X(DOT,          dot,          2, "sum of x_i z_i")                                             \
    X(DOT_BIAS,     dot_bias,     2, "c + sum of x_i z_i")
// clang-format on

typedef enum bt_op {
    BT_OP_VARIABLE = 0,
    BT_OP_CONSTANT,
#define BT__ENUM_UNARY(ID, name, y, da, low, high)                         BT_OP_##ID,
#define BT__ENUM_BINARY(ID, name, y, da, db, low_a, high_a, low_b, high_b) BT_OP_##ID,
#define BT__ENUM_LIST(ID, name, lists, text)                               BT_OP_##ID,
    BT_UNARY_OPS(BT__ENUM_UNARY) BT_BINARY_OPS(BT__ENUM_BINARY)
        BT_OP_POW_CONST, // pow whose exponent takes no gradient
    BT_LIST_OPS(BT__ENUM_LIST) BT_OP_COUNT
#undef BT__ENUM_UNARY
#undef BT__ENUM_BINARY
#undef BT__ENUM_LIST
} bt_op;

/* How many operands: BT_ARITY_LIST means any number. */
typedef enum bt_arity {
    BT_ARITY_NONE = 0,
    BT_ARITY_ONE = 1,
    BT_ARITY_TWO = 2,
    BT_ARITY_LIST = 3
} bt_arity;

typedef struct bt_op_info {
    const char *name; // "exp", as in bt_exp()
    bt_arity arity;
    double low[2], high[2]; // operands tests draw; {0} for lists
} bt_op_info;

/* The row of an operation; NULL for a number that is none. Static storage. */
const bt_op_info *bt_op_info_of(bt_op op);
/* The operation called name (length bytes); BT_OP_COUNT: there is none. Not found by name:
 * variable, constant, pow_const, dot, dot_bias, which are no functions of plain operands. */
bt_op bt_op_find(const char *name, size_t length);
/* Value of a unary or binary operation on plain numbers (b is ignored by unary ones). */
double bt_op_evaluate(bt_op op, double a, double b);

/* ---- Parts of the formulas above; private ---- */

#define BT__LOG2_E    1.44269504088896340736
#define BT__LOG10_E   0.43429448190325182765
#define BT__2_SQRTPI  1.12837916709551257390
#define BT__SQRT1_2   0.70710678118654752440
#define BT__1_SQRT2PI 0.39894228040143267794

static inline double bt__sign(double a)
{
    return a > 0.0 ? 1.0 : a < 0.0 ? -1.0 : 0.0 * a;
}
static inline double bt__sigmoid(double a)
{
    const double t = exp(-fabs(a));
    return (a >= 0.0 ? 1.0 : t) / (1.0 + t);
}
static inline double bt__softplus(double a)
{
    return (a <= 0.0 ? 0.0 : a) + log1p(exp(-fabs(a)));
}
static inline double bt__normal_cdf(double a)
{
    return 0.5 * erfc(-a * BT__SQRT1_2);
}
static inline double bt__normal_pdf(double a)
{
    return BT__1_SQRT2PI * exp(-0.5 * a * a);
}
static inline double bt__min(double a, double b)
{
    return a < b || a != a ? a : b;
}
static inline double bt__max(double a, double b)
{
    return a > b || a != a ? a : b;
}
/* 1 if a < b, 0 if a > b, one half at a tie. */
static inline double bt__step(double a, double b)
{
    return a < b ? 1.0 : a > b ? 0.0 : 0.5;
}
static inline double bt__pow_da(double a, double b)
{
    return b == 0.0 ? 0.0 : b * pow(a, b - 1.0);
}
/* a^b log a, with its limit 0 at a = 0 < b. */
static inline double bt__pow_db(double a, double b, double y)
{
    return a == 0.0 && b > 0.0 ? 0.0 : y * log(a);
}

#ifdef __cplusplus
}
#endif
#endif
