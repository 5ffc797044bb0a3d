// SPDX-License-Identifier: MIT
/* The expression language: values, gradients, precedence, and the place and text of every error. */
#include "ct_test.h"

#include <burtorch/expression.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"a", "b"};

static double value_of(const char *text, double a, double b)
{
    bt_expression *e;
    bt_tape *tape;
    ct_diag diag;
    ct_assert_ok(bt_expression_parse(&e, text, names, 2, &diag), &diag);
    ct_assert_ok(bt_tape_create(&tape), NULL);
    const bt_var inputs[2] = {bt_variable(tape, a), bt_variable(tape, b)};
    const double value = bt_value(bt_expression_record(e, tape, inputs));
    ct_assert_ok(bt_tape_status(tape), NULL);
    bt_tape_destroy(tape);
    bt_expression_destroy(e);
    return value;
}

static void test_values(void **state)
{
    (void)state;
    const double a = 3, b = -2;
    const struct {
        const char *text;
        double value;
    } cases[] = {
        {"1", 1},
        {".5", 0.5},
        {"1.", 1},
        {"2e3 + 2E-1", 2000.2},
        {"-2^2", -4},
        {"(-2)^2", 4},
        {"2^-1", 0.5},
        {"2^3^2", 512},
        {"2**3**2", 512},
        {"-a^2", -9},
        {"a^-b", 9},
        {"a^2*b", -18},
        {"2*-3", -6},
        {"--a", 3},
        {"-+-a", 3},
        {"a-b-1", 4},
        {"a/b/2", -0.75},
        {"a - b * 2 + 1", 8},
        {"a*b + b^3 - (a+b)", -15},
        {"exp(a) * exp(-a)", 1},
        {"max(a, b)", 3},
        {"max(1, a, 7, b)", 7},
        {"min(a, b, 0)", -2},
        {"sum(a, mean(b, 4, a + 1), product(2, 3))", 11},
        {"sum(a,b,a,b)", 2},
        {"mean(a)", 3},
        {"select(a, 5, b)", 5},
        {"select(b, 5, a + 1)", 4},
        {"norm(a, 4) + min_of(b, a, 1) + max_of(b, a)", 6},
        {"log_sum_exp(a, a) - log(2) + variance(a, 5)", 5},
        {"cos(pi)", -1},
        {"c = a; c += b; c *= 4; c -= 1; c /= 3; c", 1},
        {"c = a + b; d = c * c", 1},
        {"c = a\nd = c + 1\n\n  d * 2;;\n", 8},
        {"sum(a,\n b\n)", 1},
        {"pi = 3; pi", 3},
        {"exp = 4; exp + 1", 5},
        {"(((((a)))))", 3},
        {"pow(b, 2)", 4},
        {"b^5", -32},
        {"a^0.5 - sqrt(a)", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ct_assert_near_at(value_of(cases[i].text, a, b), cases[i].value, 1e-14, 1e-14, (long)i,
                          __FILE__, __LINE__);
    assert_true(isnan(value_of("log(b)", a, b)));
    assert_true(isinf(value_of("1/(a - 3)", a, b)));
}

static void test_gradient_and_names(void **state)
{
    (void)state;
    bt_expression *e;
    bt_tape *tape;
    ct_diag diag;
    ct_assert_ok(
        bt_expression_parse(&e, "c = a + b; d = a*b + b^3; g = (c - d)^2 / 2", names, 2, &diag),
        &diag);
    ct_assert_ok(bt_tape_create(&tape), NULL);
    for (int round = 0; round < 3; round++) {
        const bt_var inputs[2] = {bt_variable(tape, -41), bt_variable(tape, 2)};
        const bt_var g = bt_expression_record(e, tape, inputs);
        ct_assert_ok(bt_backward(g), NULL);
        ct_assert_near(bt_value(g), 612.5, 0, 0);
        ct_assert_near(bt_gradient(inputs[0]), -35, 0, 0);
        ct_assert_near(bt_gradient(inputs[1]), 1050, 0, 0);
    }
    assert_string_equal(bt_expression_result_name(e), "g");
    assert_int_equal(bt_expression_assigned(e), 3);
    assert_string_equal(bt_expression_assigned_name(e, 1), "d");
    ct_assert_near(bt_value(bt_expression_assigned_var(e, 1)), -74, 0, 0);
    bt_tape_destroy(tape);
    bt_expression_destroy(e);
}

static void test_errors(void **state)
{
    (void)state;
    const struct {
        const char *text, *error;
    } cases[] = {
        {"", "expression:1:1: there is no expression"},
        {" ;\n ", "expression:2:2: there is no expression"},
        {"a + b * 2 + c", "expression:1:13: unknown name 'c' (give it as c=VALUE)"},
        {"a +", "expression:1:4: expected a value, not the end"},
        {"a +\nb", "expression:1:4: expected a value, not the end of the line"},
        {"a b", "expression:1:3: expected an operator, ';' or the end, not 'b'"},
        {"2a", "expression:1:1: '2a' is not a number"},
        {"1.2.3", "expression:1:1: '1.2.' is not a number"},
        {"0x10", "expression:1:1: '0x' is not a number"},
        {"1e", "expression:1:1: '1e' is not a number"},
        {"1e999", "too large a number"},
        {".", "expression:1:1: expected a value, not '.'"},
        {"(a", "expression:1:3: expected an operator or ')', not the end"},
        {"a)", "expression:1:2: expected an operator, ';' or the end, not ')'"},
        {"exp", "expression:1:1: 'exp' is a function: write exp(...)"},
        {"a\nfoo(a)", "expression:2:1: unknown function 'foo'"},
        {"exp(a, b)", "expression:1:1: exp takes 1 argument, not 2"},
        {"pow(a)", "pow takes 2 arguments, not 1"},
        {"max(a)", "max takes at least 2 arguments, not 1"},
        {"1 + select(a, b)", "expression:1:5: select takes 3 arguments, not 2"},
        {"exp()", "expression:1:5: expected a value, not ')'"},
        {"exp(a b)", "expression:1:7: expected ',' or ')', not 'b'"},
        {"a = 3", "expression:1:1: 'a' is an input and cannot be assigned"},
        {"c += 3", "expression:1:1: unknown name 'c'"},
        {"c = a += 1", "expected an operator, ';' or the end, not '+'"},
        {"a == b", "'a' is an input"},
        {"a $ b", "not '$'"},
        {"a \x80", "not byte 0x80"},
        {"= 3", "expected a value, not '='"},
        {"dot(a, b)", "unknown function 'dot'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bt_expression *e;
        ct_diag diag;
        ct_assert_status(bt_expression_parse(&e, cases[i].text, names, 2, &diag), BT_EEXPRESSION,
                         &diag);
        assert_null(e);
        ct_assert_contains(diag.text, cases[i].error);
    }
}

static void test_input_names(void **state)
{
    (void)state;
    bt_expression *e;
    ct_diag diag;
    const char *const bad[] = {"a", "2x"}, *const twice[] = {"a", "b", "a"};
    ct_assert_status(bt_expression_parse(&e, "a", bad, 2, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "'2x' is not a name");
    ct_assert_status(bt_expression_parse(&e, "a", twice, 3, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "'a' is given twice");
    ct_assert_status(bt_expression_parse(&e, "a +", names, 2, NULL), BT_EEXPRESSION, NULL);
}

/* Deep nesting of every kind is an error, not a crash; long flat text is fine. */
static void test_depth(void **state)
{
    (void)state;
    const char *const nests[] = {"(", "-", "2^", "exp(", "max(1,", "2^-("};
    enum { N = 100000 };
    for (size_t i = 0; i < sizeof nests / sizeof *nests; i++) {
        const size_t length = strlen(nests[i]);
        char *text = malloc(N * length + 2);
        assert_non_null(text);
        for (size_t j = 0; j < N; j++)
            memcpy(text + j * length, nests[i], length);
        memcpy(text + N * length, "a", 2);
        bt_expression *e;
        ct_diag diag;
        ct_assert_status(bt_expression_parse(&e, text, names, 2, &diag), BT_EEXPRESSION, &diag);
        ct_assert_contains(diag.text, "nested more than 200 deep");
        free(text);
    }
    char *sum = malloc(2 * N);
    assert_non_null(sum);
    for (size_t j = 0; j < N; j++)
        memcpy(sum + 2 * j, "a+", 2);
    sum[2 * N - 1] = '\0';
    ct_assert_near(value_of(sum, 1, 0), N, 0, 0);
    free(sum);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned long k = 1; k < 60; k++) {
        bt_expression *e = NULL;
        ct_test_fail_allocation(k);
        const ct_status status =
            bt_expression_parse(&e, "c = sum(a, b, a); c += 1; c ^ 2", names, 2, NULL);
        const bool failed = ct_test_fail_allocation(0);
        assert_true(failed ? status == CT_ENOMEM && !e : status == CT_OK);
        bt_expression_destroy(e);
        if (!failed)
            return;
    }
    fail_msg("allocations never ended");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_gradient_and_names),
        cmocka_unit_test(test_errors), cmocka_unit_test(test_input_names),
        cmocka_unit_test(test_depth),  cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
