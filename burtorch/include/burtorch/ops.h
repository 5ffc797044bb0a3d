// SPDX-License-Identifier: MIT
/* Every scalar operation, one row each: its name, its value and its derivatives.
 *
 * The row "X(EXP, exp, BT__F(exp)(a), y, ...)" makes bt_exp() and bt_expf() in <burtorch/tape.h>,
 * the function exp() of the expression language, the backward sweep, and its test. In the formulas
 * a and b are the values of the operands, c a plain number and y the result; BT__F(exp) is exp or
 * expf, and constants are whole numbers (or in BT__C), so that floats stay floats. The last columns
 * are the interval(s) from which tests draw operands.
 *
 * At a kink the derivative is a subgradient: abs, relu: 0 at 0; leaky_relu: the slope at 0; min,
 * max: half to each operand at a tie; at_least, at_most: 1 at the bound. sqrt at 0 has the
 * derivative inf. NaN goes through every operation. */
#ifndef BURTORCH_OPS_H
#define BURTORCH_OPS_H

#include <math.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The rows below are in double, but where <burtorch/tape.h> makes the functions of float. */
#define BT__REAL    double
#define BT__F(name) name
#define BT__C(x)    ((BT__REAL)(x))

// clang-format off
/* X(ID, name, y, dy/da, low, high) */
#define BT_UNARY_OPS(X)                                                                            \
    X(NEG,      neg,      -a,                          -1,                                            -3.0, 3.0) \
    X(ABS,      abs,      BT__F(fabs)(a),              BT__F(bt__sign)(a),                            -3.0, 3.0) \
    X(INV,      inv,      1 / a,                       -(y * y),                                      0.2, 4.0) \
    X(SQR,      sqr,      a * a,                       2 * a,                                         -3.0, 3.0) \
    X(CUB,      cub,      a * a * a,                   3 * a * a,                                     -3.0, 3.0) \
    X(SQRT,     sqrt,     BT__F(sqrt)(a),              1 / (2 * y),                                   0.1, 9.0) \
    X(INV_SQRT, inv_sqrt, 1 / BT__F(sqrt)(a),          -y / (2 * a),                                  0.1, 9.0) \
    X(CBRT,     cbrt,     BT__F(cbrt)(a),              1 / (3 * y * y),                               0.1, 9.0) \
    X(EXP,      exp,      BT__F(exp)(a),               y,                                             -3.0, 3.0) \
    X(EXPM1,    expm1,    BT__F(expm1)(a),             y + 1,                                         -3.0, 3.0) \
    X(LOG,      log,      BT__F(log)(a),               1 / a,                                         0.1, 9.0) \
    X(NEG_LOG,  neg_log,  -BT__F(log)(a),              -1 / a,                                        0.1, 9.0) \
    X(LOG1P,    log1p,    BT__F(log1p)(a),             1 / (1 + a),                                   -0.9, 9.0) \
    X(LOG2,     log2,     BT__F(log2)(a),              BT__C(BT__LOG2_E) / a,                         0.1, 9.0) \
    X(LOG10,    log10,    BT__F(log10)(a),             BT__C(BT__LOG10_E) / a,                        0.1, 9.0) \
    X(SIN,      sin,      BT__F(sin)(a),               BT__F(cos)(a),                                 -3.0, 3.0) \
    X(COS,      cos,      BT__F(cos)(a),               -BT__F(sin)(a),                                -3.0, 3.0) \
    X(TAN,      tan,      BT__F(tan)(a),               1 + y * y,                                     -1.2, 1.2) \
    X(ASIN,     asin,     BT__F(asin)(a),              1 / BT__F(sqrt)((1 - a) * (1 + a)),            -0.9, 0.9) \
    X(ACOS,     acos,     BT__F(acos)(a),              -1 / BT__F(sqrt)((1 - a) * (1 + a)),           -0.9, 0.9) \
    X(ATAN,     atan,     BT__F(atan)(a),              1 / (1 + a * a),                               -3.0, 3.0) \
    X(SINH,     sinh,     BT__F(sinh)(a),              BT__F(cosh)(a),                                -3.0, 3.0) \
    X(COSH,     cosh,     BT__F(cosh)(a),              BT__F(sinh)(a),                                -3.0, 3.0) \
    X(TANH,     tanh,     BT__F(tanh)(a),              (1 - y) * (1 + y),                             -3.0, 3.0) \
    X(SIGMOID,  sigmoid,  BT__F(bt__sigmoid)(a),       y * (1 - y),                                   -6.0, 6.0) \
    X(SOFTPLUS, softplus, BT__F(bt__softplus)(a),      BT__F(bt__sigmoid)(a),                         -6.0, 6.0) \
    X(RELU,     relu,     a <= 0 ? 0 : a,              a > 0 ? BT__C(1) : BT__C(0),                   -3.0, 3.0) \
    X(ELU,      elu,      a <= 0 ? BT__F(expm1)(a) : a,a <= 0 ? y + 1 : 1,                            -3.0, 3.0) \
    X(SILU,     silu,     a * BT__F(bt__sigmoid)(a),   BT__F(bt__silu_da)(a, y),                      -6.0, 6.0) \
    X(GELU,     gelu,     a * BT__F(bt__normal_cdf)(a),BT__F(bt__gelu_da)(a),                         -4.0, 4.0) \
    X(ERF,      erf,      BT__F(erf)(a),               BT__C(BT__2_SQRTPI) * BT__F(exp)(-(a * a)),    -2.0, 2.0)

/* X(ID, name, y, dy/da, low, high): one operand a and a plain number c, which takes no gradient. */
#define BT_NUMBER_OPS(X)                                                                           \
    X(MUL_CONST,   mul_const,   a * c,                 c,                               -3.0, 3.0) \
    X(ADD_CONST,   add_const,   a + c,                 1,                               -3.0, 3.0) \
    X(SUB_CONST,   sub_const,   a - c,                 1,                               -3.0, 3.0) \
    X(CONST_SUB,   const_sub,   c - a,                 -1,                              -3.0, 3.0) \
    X(DIV_CONST,   div_const,   a / c,                 1 / c,                           -3.0, 3.0) \
    X(CONST_DIV,   const_div,   c / a,                 -y / a,                          0.2, 4.0) \
    X(EXP_SHIFTED, exp_shifted, BT__F(exp)(a - c),     y,                               -3.0, 3.0) \
    X(POW_CONST,   pow_const,   BT__F(pow)(a, c),      BT__F(bt__pow_da)(a, c),         0.2, 3.0) \
    X(LEAKY_RELU,  leaky_relu,  a > 0 ? a : a * c,     a > 0 ? BT__C(1) : c,            -3.0, 3.0) \
    X(AT_LEAST,    at_least,    a < c ? c : a,         a < c ? BT__C(0) : BT__C(1),     -3.0, 3.0) \
    X(AT_MOST,     at_most,     a > c ? c : a,         a > c ? BT__C(0) : BT__C(1),     -3.0, 3.0)

/* X(ID, name, y, dy/da, dy/db, low a, high a, low b, high b) */
#define BT_BINARY_OPS(X)                                                                           \
    X(ADD,           add,           a + b,                1,                       1,                          -3.0, 3.0, -3.0, 3.0) \
    X(SUB,           sub,           a - b,                1,                       -1,                         -3.0, 3.0, -3.0, 3.0) \
    X(MUL,           mul,           a * b,                b,                       a,                          -3.0, 3.0, -3.0, 3.0) \
    X(DIV,           div,           a / b,                1 / b,                   -y / b,                     -3.0, 3.0, 0.2, 4.0) \
    X(POW,           pow,           BT__F(pow)(a, b),     BT__F(bt__pow_da)(a, b), BT__F(bt__pow_db)(a, b, y), 0.2, 3.0, -2.0, 3.0) \
    X(MIN,           min,           BT__F(bt__min)(a, b), BT__F(bt__step)(a, b),   BT__F(bt__step)(b, a),      -3.0, 3.0, -3.0, 3.0) \
    X(MAX,           max,           BT__F(bt__max)(a, b), BT__F(bt__step)(b, a),   BT__F(bt__step)(a, b),      -3.0, 3.0, -3.0, 3.0) \
    X(ATAN2,         atan2,         BT__F(atan2)(a, b),   b / (a * a + b * b),     -a / (a * a + b * b),       -3.0, 3.0, 0.2, 3.0) \
    X(HYPOT,         hypot,         BT__F(hypot)(a, b),   a / y,                   b / y,                      0.2, 3.0, -3.0, 3.0) \
    X(MEAN2,         mean2,         (a + b) / 2,          BT__C(0.5),              BT__C(0.5),                 -3.0, 3.0, -3.0, 3.0) \
    X(NEG_MEAN2,     neg_mean2,     -(a + b) / 2,         BT__C(-0.5),             BT__C(-0.5),                -3.0, 3.0, -3.0, 3.0) \
    X(ADD_SQUARES,   add_squares,   a * a + b * b,        2 * a,                   2 * b,                      -3.0, 3.0, -3.0, 3.0) \
    X(MEAN_SQUARES2, mean_squares2, (a * a + b * b) / 2,  a,                       b,                          -3.0, 3.0, -3.0, 3.0)

/* X(ID, name, operand lists, y): any number of operands x_0 … x_n-1; dot also takes z_0 … z_n-1, and
 * dot_bias c before them. Their code is in tape_list_template.h. */
#define BT_LIST_OPS(X)                                                                             \
    X(SUM,             sum,             1, "sum of x_i") \
    X(SUBTRACT,        subtract,        1, "x_0 - x_1 - ... - x_n-1") \
    X(PRODUCT,         product,         1, "product of x_i") \
    X(MEAN,            mean,            1, "sum of x_i / n") \
    X(NEG_MEAN,        neg_mean,        1, "-(sum of x_i) / n") \
    X(SUM_SQUARES,     sum_squares,     1, "sum of x_i^2") \
    X(MEAN_SQUARES,    mean_squares,    1, "sum of x_i^2 / n") \
    X(VARIANCE,        variance,        1, "sum of (x_i - mean)^2 / (n - 1)") \
    X(VARIANCE_BIASED, variance_biased, 1, "sum of (x_i - mean)^2 / n") \
    X(NORM,            norm,            1, "square root of the sum of x_i^2") \
    X(LOG_SUM_EXP,     log_sum_exp,     1, "log of the sum of exp(x_i)") \
    X(MAX_OF,          max_of,          1, "largest x_i") \
    X(MIN_OF,          min_of,          1, "smallest x_i") \
    X(SELECT,          select,          1, "x_1 if x_0 > 0, else x_2 (of three)") \
    X(DOT,             dot,             2, "sum of x_i z_i") \
    X(DOT_BIAS,        dot_bias,        2, "c + sum of x_i z_i")
// clang-format on

/* In this order: those whose derivative a node keeps (unary and mul_const) stand together. */
typedef enum bt_op {
    BT_OP_VARIABLE = 0,
    BT_OP_CONSTANT,
#define BT__ENUM_UNARY(ID, name, y, da, low, high)                         BT_OP_##ID,
#define BT__ENUM_BINARY(ID, name, y, da, db, low_a, high_a, low_b, high_b) BT_OP_##ID,
#define BT__ENUM_LIST(ID, name, lists, text)                               BT_OP_##ID,
    BT_UNARY_OPS(BT__ENUM_UNARY) BT_NUMBER_OPS(BT__ENUM_UNARY) BT_BINARY_OPS(BT__ENUM_BINARY)
        BT_LIST_OPS(BT__ENUM_LIST) BT_OP_COUNT
#undef BT__ENUM_UNARY
#undef BT__ENUM_BINARY
#undef BT__ENUM_LIST
} bt_op;

/* What operands: BT_ARITY_NUMBER means one and a plain number, BT_ARITY_LIST any number. */
typedef enum bt_arity {
    BT_ARITY_NONE = 0,
    BT_ARITY_ONE = 1,
    BT_ARITY_TWO = 2,
    BT_ARITY_LIST = 3,
    BT_ARITY_NUMBER = 4
} bt_arity;

typedef struct bt_op_info {
    const char *name; // "exp", as in bt_exp()
    bt_arity arity;
    double low[2], high[2]; // operands tests draw; {0} for lists
} bt_op_info;

/* The row of an operation; NULL for a number that is none. Static storage. */
const bt_op_info *bt_op_info_of(bt_op op);
/* The operation called name (length bytes); BT_OP_COUNT: there is none. Not found by name:
 * variable, constant, those with a plain number, dot and dot_bias, which are no functions of plain
 * operands. */
bt_op bt_op_find(const char *name, size_t length);
/* Value of an operation on plain numbers (b is ignored by unary ones, and the number c of those
 * that have one); NaN for any other operation. */
double bt_op_evaluate(bt_op op, double a, double b);

/* ---- Parts of the formulas above; private. The functions are in <burtorch/tape_template.h> ----
 */

#define BT__LOG2_E    1.44269504088896340736
#define BT__LOG10_E   0.43429448190325182765
#define BT__2_SQRTPI  1.12837916709551257390
#define BT__SQRT1_2   0.70710678118654752440
#define BT__1_SQRT2PI 0.39894228040143267794

#ifdef __cplusplus
}
#endif
#endif
