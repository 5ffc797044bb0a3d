// SPDX-License-Identifier: MIT
/* Every operation of the table: its value against a formula in long double that was written
 * independently of the table, its gradient against central differences of that formula, and once
 * more along a random direction through a whole graph of operations. */
#include "tape_precision.h"

#include <ctrain/rng.h>
#include <stdio.h>
#include <string.h>

enum { DRAWS = 50 };
/* Of derivatives: differences are good to 1e-10, floats to 1e-5. */
#define TOLERANCE (sizeof(real) == 4 ? 1e-5 * (DBL_EPSILON / REAL_EPSILON) : 1e-10)

typedef long double wide;

static const wide pi = 3.141592653589793238462643383279502884L;

// clang-format off
#define REFERENCES(X)                                                   \
    X(neg, 0 - a) X(abs, a < 0 ? -a : a) X(inv, 1 / a) X(sqr, a * a) X(cub, powl(a, 3))           \
    X(sqrt, powl(a, 0.5L)) X(inv_sqrt, powl(a, -0.5L)) X(cbrt, powl(a, 1 / 3.0L)) X(exp, expl(a)) \
    X(expm1, expl(a) - 1) X(log, logl(a)) X(neg_log, logl(1 / a)) X(log1p, logl(1 + a))           \
    X(log2, logl(a) / logl(2)) X(log10, logl(a) / logl(10)) X(sin, cosl(pi / 2 - a))              \
    X(cos, sinl(pi / 2 - a)) X(tan, sinl(a) / cosl(a)) X(asin, atan2l(a, sqrtl(1 - a * a)))       \
    X(acos, atan2l(sqrtl(1 - a * a), a)) X(atan, atan2l(a, 1)) X(sinh, (expl(a) - expl(-a)) / 2)  \
    X(cosh, (expl(a) + expl(-a)) / 2) X(tanh, (expl(2 * a) - 1) / (expl(2 * a) + 1))              \
    X(sigmoid, 1 / (1 + expl(-a))) X(softplus, logl(1 + expl(a))) X(relu, a < 0 ? 0 : a)          \
    X(gelu, a * (1 + erfl(a / sqrtl(2))) / 2) X(erf, erfl(a))                                     \
    X(add, a + b) X(sub, a - b) X(mul, a * b) X(div, a / b) X(pow, expl(b * logl(a)))             \
    X(min, b < a ? b : a) X(max, b > a ? b : a) X(atan2, 2 * atanl(a / (sqrtl(a * a + b * b) + b))) \
    X(hypot, sqrtl(a * a + b * b)) X(mean2, (a + b) / 2) X(neg_mean2, -(a + b) / 2)               \
    X(add_squares, a * a + b * b) X(mean_squares2, (a * a + b * b) / 2)                           \
    X(mul_const, a * b) X(add_const, a + b) X(sub_const, a - b) X(const_sub, b - a)               \
    X(div_const, a / b) X(const_div, b / a) X(exp_shifted, expl(a) / expl(b))                     \
    X(pow_const, expl(b * logl(a))) X(leaky_relu, a < 0 ? b * a : a)                              \
    X(at_least, fmaxl(a, b)) X(at_most, fminl(a, b)) X(elu, a < 0 ? expl(a) - 1 : a)              \
    X(silu, a / (1 + expl(-a)))
// clang-format on

static wide reference(const char *name, wide a, wide b)
{
    (void)b;
#define REFERENCE(op, formula)                                                                     \
    if (strcmp(name, #op) == 0)                                                                    \
        return (formula);
    REFERENCES(REFERENCE)
    fail_msg("no reference for %s", name);
    return 0;
}

static double draw(ct_rng *rng, const bt_op_info *info, int operand)
{
    const double low = info->low[operand], high = info->high[operand];
    return low + (high - low) * ct_rng_uniform(rng);
}

/* Fourth-order central difference of the reference by operand a (0) or b (1). */
static double difference(const char *name, wide a, wide b, int operand)
{
    const wide h = 1e-4L, ha = operand == 0 ? h : 0, hb = operand == 1 ? h : 0;
    const wide near = reference(name, a + ha, b + hb) - reference(name, a - ha, b - hb);
    const wide far =
        reference(name, a + 2 * ha, b + 2 * hb) - reference(name, a - 2 * ha, b - 2 * hb);
    return (double)((8 * near - far) / (12 * h));
}

static bool near_kink(bt_op op, double a, double b)
{
    if (op == BT_OP_ABS || op == BT_OP_RELU || op == BT_OP_LEAKY_RELU)
        return fabs(a) < 1e-3;
    if (op == BT_OP_DIV_CONST)
        return fabs(b) < 0.1;
    return (op == BT_OP_MIN || op == BT_OP_MAX || op == BT_OP_AT_LEAST || op == BT_OP_AT_MOST) &&
           fabs(a - b) < 1e-3;
}

static void check_op(bt_tape *tape, ct_rng *rng, bt_op op)
{
    const bt_op_info *info = bt_op_info_of(op);
    for (int i = 0; i < DRAWS; i++) {
        const real a = (real)draw(rng, info, 0), b = (real)draw(rng, info, 1);
        if (near_kink(op, (double)a, (double)b))
            continue;
        bt_tape_reset(tape);
        const bt_var x = bt_variable(tape, a), z = bt_variable(tape, b);
        const bt_var y =
            info->arity == BT_ARITY_NUMBER ? bt_apply_number(op, x, b) : bt_apply(op, x, z);
        ct_assert_ok(bt_backward(y), NULL);
        assert_real_near(bt_value(y), (double)reference(info->name, a, b), 1e-14, 1e-15);
        assert_real_near(bt_gradient(x), difference(info->name, a, b, 0), TOLERANCE,
                         TOLERANCE / 10);
        if (info->arity == BT_ARITY_TWO)
            assert_real_near(bt_gradient(z), difference(info->name, a, b, 1), TOLERANCE,
                             TOLERANCE / 10);
    }
}

static void test_every_row(void **state)
{
    (void)state;
    bt_tape *tape;
    ct_rng rng;
    ct_assert_ok(bt_tape_create(&tape), NULL);
    ct_rng_init(&rng, 1, CT_RNG_USER, 0, 0);
    unsigned checked = 0;
    for (unsigned op = 0; op < BT_OP_COUNT; op++) {
        const bt_arity arity = bt_op_info_of((bt_op)op)->arity;
        if (arity == BT_ARITY_ONE || arity == BT_ARITY_TWO || arity == BT_ARITY_NUMBER) {
            check_op(tape, &rng, (bt_op)op);
            checked++;
        }
    }
    assert_int_equal(checked, 31 + 13 + 11);
    bt_tape_destroy(tape);
}

/* The inline function of a row records the same as bt_apply, on its hot and on its cold path. */
static void test_inline_functions(void **state)
{
    (void)state;
    for (int cold = 0; cold < 2; cold++) {
        bt_tape *tape;
        ct_assert_ok(bt_tape_create(&tape), NULL);
        bt_var x = bt_variable(tape, (real)0.7), z = bt_variable(tape, (real)0.4);
#define FILL                                                                                       \
    while (cold && tape->n < tape->capacity)                                                       \
    bt_constant(tape, 0)
#define CHECK_UNARY(ID, name, y_, da_, low, high)                                                  \
    FILL;                                                                                          \
    assert_real_near(bt_value(bt_##name(x)), (double)reference(#name, 0.7L, 0), 1e-14, 0);
#define CHECK_BINARY(ID, name, y_, da_, db_, low_a, high_a, low_b, high_b)                         \
    FILL;                                                                                          \
    assert_real_near(bt_value(bt_##name(x, z)), (double)reference(#name, 0.7L, 0.4L), 1e-14, 0);
        if (!cold) {
            BT_UNARY_OPS(CHECK_UNARY)
            BT_BINARY_OPS(CHECK_BINARY)
        } else { // growing doubles the tape: a few are enough
            CHECK_UNARY(EXP, exp, , , , )
            CHECK_BINARY(SUB, sub, , , , , , , )
            CHECK_BINARY(MAX, max, , , , , , , )
        }
        bt_tape_destroy(tape);
    }
}

static void test_kinks_and_limits(void **state)
{
    (void)state;
    bt_tape *t;
    ct_assert_ok(bt_tape_create(&t), NULL);
    const bt_var zero = bt_variable(t, 0), three = bt_variable(t, 3), also = bt_variable(t, 3);
    const bt_var minus = bt_variable(t, -2), nan = bt_variable(t, (real)NAN);
    const struct {
        bt_var root, x;
        double gradient;
    } cases[] = {
        {bt_elu(zero), zero, 1},
        {bt_leaky_relu(zero, (real)0.25), zero, 0.25},
        {bt_leaky_relu(minus, (real)0.25), minus, 0.25},
        {bt_at_least(three, 3), three, 1},
        {bt_at_least(three, 4), three, 0},
        {bt_at_most(three, 3), three, 1},
        {bt_at_most(three, 2), three, 0},
        {bt_relu(three), three, 1},
        {bt_relu(zero), zero, 0},
        {bt_abs(zero), zero, 0},
        {bt_max(three, also), three, 0.5},
        {bt_min(three, also), also, 0.5},
        {bt_sqrt(zero), zero, INFINITY},
        {bt_pow(zero, three), three, 0},
        {bt_pow(zero, three), zero, 0},
        {bt_pow(three, zero), three, 0},
        {bt_pow_const(minus, 5), minus, 80},
        {bt_relu(nan), nan, 0},
        {bt_add(bt_max(zero, bt_const_sub(-1, bt_sqrt(zero))), zero), zero, 2}, // no 0 * inf
        {bt_sigmoid(bt_mul_const(three, -1000)), three, 0},
        {bt_softplus(bt_mul_const(three, 1000)), three, 1000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ct_assert_ok(bt_backward(cases[i].root), NULL);
        ct_assert_near_at((double)bt_gradient(cases[i].x), cases[i].gradient, REAL_EPSILON * 5, 0,
                          (long)i, __FILE__, __LINE__);
    }
    assert_true(isnan(bt_value(bt_relu(nan))));
    assert_true(isnan(bt_value(bt_elu(nan))));
    assert_true(isnan(bt_value(bt_leaky_relu(nan, 1))));
    assert_true(isnan(bt_value(bt_clamp(nan, -1, 1))));
    assert_true(isnan(bt_value(bt_max(three, nan))));
    assert_true(isnan(bt_value(bt_min(nan, three))));
    assert_true(isnan(bt_value(bt_softplus(nan))));
    bt_tape_destroy(t);
}

static void test_constants(void **state)
{
    (void)state;
    bt_tape *t;
    ct_assert_ok(bt_tape_create(&t), NULL);
    const bt_var x = bt_variable(t, 4);
    const struct {
        bt_var y;
        double value, gradient;
    } cases[] = {
        {bt_add_const(x, 3), 7, 1},
        {bt_sub_const(x, 3), 1, 1},
        {bt_const_sub(3, x), -1, -1},
        {bt_mul_const(x, 3), 12, 3},
        {bt_div_const(x, 8), 0.5, 0.125},
        {bt_const_div(8, x), 2, -0.5},
        {bt_exp_shifted(x, 4), 1, 1},
        {bt_pow_const(x, 2), 16, 8},
        {bt_pow_const(x, 3), 64, 48},
        {bt_pow_const(x, -1), 0.25, -0.0625},
        {bt_pow_const(x, (real)0.5), 2, 0.25},
        {bt_pow_const(x, (real)1.5), 8, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ct_assert_ok(bt_backward(cases[i].y), NULL);
        assert_real_near(bt_value(cases[i].y), cases[i].value, 1e-15, 0);
        assert_real_near(bt_gradient(x), cases[i].gradient, 1e-15, 0);
    }
    bt_tape_destroy(t);
}

/* f = sum over all unary operations of op(s_i x + t_i), every operand inside its domain; its
 * derivative along a random direction against central differences by bt_tape_forward. */
static void test_random_direction(void **state)
{
    (void)state;
    enum { N = BT_OP_COUNT };
    bt_tape *t;
    ct_rng rng;
    ct_assert_ok(bt_tape_create(&t), NULL);
    ct_rng_init(&rng, 2, CT_RNG_USER, 0, 0);
    bt_var x[N], z[N], terms[N];
    double direction[N], dot = 0;
    size_t n = 0;
    for (unsigned op = BT_OP_CONSTANT + 1; op < BT_OP_SUM; op++) {
        const bt_op_info *info = bt_op_info_of((bt_op)op);
        const double middle = 0.5 * (info->low[0] + info->high[0]) + 0.07;
        x[n] = bt_variable(t, (real)middle);
        z[n] = bt_constant(t, (real)(0.5 * (info->low[1] + info->high[1]) + 0.2));
        terms[n] = info->arity == BT_ARITY_NUMBER ? bt_apply_number((bt_op)op, x[n], bt_value(z[n]))
                                                  : bt_apply((bt_op)op, x[n], z[n]);
        direction[n++] = ct_rng_normal(&rng);
    }
    const bt_var f = bt_tanh(bt_mul_const(bt_sum(terms, n), (real)0.01));
    ct_assert_ok(bt_backward(f), NULL);
    for (size_t i = 0; i < n; i++)
        dot += direction[i] * (double)bt_gradient(x[i]);
    const double h = sizeof(real) == 4 ? 3e-3 : 1e-6;
    double side[2], at[N];
    for (size_t i = 0; i < n; i++)
        at[i] = (double)bt_value(x[i]);
    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < n; i++)
            bt_set_value(x[i], (real)(at[i] + (s ? h : -h) * direction[i]));
        bt_tape_forward(t);
        side[s] = (double)bt_value(f);
    }
    const double rtol = sizeof(real) == 4 ? 2e-3 : 1e-7;
    ct_assert_near(dot, (side[1] - side[0]) / (2 * h), rtol, rtol / 100);
    bt_tape_destroy(t);
}

static void test_find(void **state)
{
    (void)state;
    assert_int_equal(bt_op_find("exp", 3), BT_OP_EXP);
    assert_int_equal(bt_op_find("expm1", 5), BT_OP_EXPM1);
    assert_int_equal(bt_op_find("mean", 4), BT_OP_MEAN);
    assert_int_equal(bt_op_find("constant", 8), BT_OP_COUNT);
    assert_int_equal(bt_op_find("ex", 2), BT_OP_COUNT);
    assert_null(bt_op_info_of(BT_OP_COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row),        cmocka_unit_test(test_inline_functions),
        cmocka_unit_test(test_kinks_and_limits), cmocka_unit_test(test_constants),
        cmocka_unit_test(test_random_direction), cmocka_unit_test(test_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
