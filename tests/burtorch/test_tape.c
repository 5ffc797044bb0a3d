// SPDX-License-Identifier: MIT
/* The tape itself: known gradients, lists, repeated sweeps, several roots, rewinding, long chains,
 * and every way to misuse it. */
#include "tape_precision.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_tiny_graph(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    const bt_var a = bt_variable(t, -41), b = bt_variable(t, 2);
    const bt_var c = bt_add(a, b), d = bt_add(bt_mul(a, b), bt_cub(b));
    const bt_var g = bt_mul_const(bt_sqr(bt_sub(c, d)), (real)0.5);
    ct_assert_ok(bt_backward(g), NULL);
    assert_real_near(bt_value(g), 612.5, 0, 0);
    assert_real_near(bt_gradient(a), -35, 0, 0);
    assert_real_near(bt_gradient(b), 1050, 0, 0);
    bt_tape_destroy(t);
}

/* The expression of micrograd's README; two of its nodes are relu. */
static void test_small_graph(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    const bt_var a = bt_variable(t, -4), b = bt_variable(t, 2);
    bt_var c = bt_add(a, b), d = bt_add(bt_mul(a, b), bt_cub(b));
    c = bt_add(c, bt_add_const(c, 1));
    c = bt_add(c, bt_sub(bt_add_const(c, 1), a));
    d = bt_add(d, bt_add(bt_mul_const(d, 2), bt_relu(bt_add(b, a))));
    d = bt_add(d, bt_add(bt_mul_const(d, 3), bt_relu(bt_sub(b, a))));
    const bt_var f = bt_sqr(bt_sub(c, d));
    const bt_var g = bt_add(bt_mul_const(f, (real)0.5), bt_const_div(10, f));
    for (int i = 0; i < 16; i++) {
        ct_assert_ok(bt_backward(g), NULL);
        assert_real_near(bt_value(g), 24.70408163265306, 4e-15, 0);
        assert_real_near(bt_gradient(a), 138.83381924198252, 4e-15, 0);
        assert_real_near(bt_gradient(b), 645.5772594752186, 4e-15, 0);
    }
    bt_tape_destroy(t);
}

/* x -> y = x x -> z = y + y -> z^2, many times over. */
static void test_repeated_sweeps(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    const bt_var x = bt_variable(t, 2), y = bt_mul(x, x);
    const bt_var root = bt_sqr(bt_add(y, y));
    for (int i = 0; i < 20; i++) {
        ct_assert_ok(bt_backward(root), NULL);
        assert_real_near(bt_gradient(x), 128, 0, 0);
    }
    bt_tape_destroy(t);
}

/* Two roots that share a node: (12, 20) whichever comes first, and again. */
static void test_two_roots(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    const bt_var x = bt_variable(t, 2), shared = bt_sqr(x);
    const bt_var first = bt_mul_const(shared, 3), second = bt_mul_const(shared, 5);
    for (int i = 0; i < 4; i++) {
        ct_assert_ok(bt_backward(first), NULL);
        assert_real_near(bt_gradient(x), 12, 0, 0);
        assert_real_near(bt_gradient(second), 0, 0, 0);
        ct_assert_ok(bt_backward(second), NULL);
        assert_real_near(bt_gradient(x), 20, 0, 0);
        assert_real_near(bt_gradient(first), 0, 0, 0);
    }
    bt_tape_destroy(t);
}

/* Gradients outlive growth; what is recorded after the sweep has none yet, nor after a reset. */
static void test_gradients_while_recording(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    const bt_var x = bt_variable(t, 2), y = bt_sqr(x);
    assert_real_near(bt_gradient(x), 0, 0, 0);
    ct_assert_ok(bt_backward(y), NULL);
    bt_var z = y;
    for (int i = 0; i < 1000; i++) {
        z = bt_add(z, x);
        assert_real_near(bt_gradient(z), 0, 0, 0);
    }
    assert_real_near(bt_gradient(x), 4, 0, 0);
    assert_real_near(bt_gradient(y), 1, 0, 0);
    ct_assert_ok(bt_backward(z), NULL);
    assert_real_near(bt_gradient(x), 1004, 0, 0);
    bt_tape_reset(t);
    assert_real_near(bt_gradient(bt_variable(t, 1)), 0, 0, 0);
    bt_tape_destroy(t);
}

/* Operations just after an operand and far from it, a list among them, share that operand. */
static void test_shared_operand_near_and_far(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    const bt_var x = bt_variable(t, 3), y = bt_sqr(x);
    const bt_var list[3] = {y, x, y};
    const bt_var sum = bt_sum(list, 3), square = bt_mul(sum, sum), far = bt_mul(y, square);
    const bt_var root = bt_sub(far, y);
    ct_assert_ok(bt_backward(root), NULL);
    assert_real_near(bt_gradient(far), 1, 0, 0);
    assert_real_near(bt_gradient(square), 9, 0, 0);
    assert_real_near(bt_gradient(sum), 2 * 9 * 21, 0, 0);
    assert_real_near(bt_gradient(y), 441 - 1 + 2 * 378, 0, 0);
    assert_real_near(bt_gradient(x), 6 * 1196 + 378, 0, 0);
    bt_tape_destroy(t);
}

static void test_doubling_chain(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    const bt_var x = bt_variable(t, 1);
    bt_var c = x;
    for (int depth = 0; depth < 100; depth++)
        c = bt_add(c, c);
    for (int i = 0; i < 10; i++)
        ct_assert_ok(bt_backward(c), NULL);
    assert_real_near(bt_gradient(x), ldexp(1, 100), 0, 0);
    bt_tape_destroy(t);
}

static void test_long_chain(void **state)
{
    (void)state;
    enum { NODES = 2000000 };
    bt_tape *t = new_tape();
    const bt_var x = bt_variable(t, (real)0.5);
    bt_var y = x;
    for (int i = 1; i < NODES; i++)
        y = bt_add(y, x);
    ct_assert_ok(bt_backward(y), NULL);
    assert_real_near(bt_value(y), 0.5 * NODES, 0, 0);
    assert_real_near(bt_gradient(x), NODES, 0, 0);
    assert_true(bt_tape_bytes(t) <= 4 * sizeof(real) * 2 * NODES + 2048);
    bt_tape_destroy(t);
}

static void test_many_handles(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    const bt_var x = bt_variable(t, 3);
    bt_var copies[1000], sum = x;
    for (int i = 0; i < 1000; i++)
        copies[i] = x;
    for (int i = 0; i < 1000; i++)
        sum = bt_add(sum, copies[i]);
    ct_assert_ok(bt_backward(sum), NULL);
    assert_real_near(bt_gradient(x), 1001, 0, 0);
    bt_tape_destroy(t);
}

/* ---- Lists ---- */

typedef bt_var list_fn(const bt_var *x, size_t n);

static double slow_list(int which, const double *v, size_t n)
{
    double sum = 0, product = 1, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += v[i];
        product *= v[i];
        squares += v[i] * v[i];
    }
    const double m = (double)n;
    const double all[] = {sum, 2 * v[0] - sum, product, sum / m, -sum / m, squares, squares / m};
    return all[which];
}

static double slow_gradient(int which, const double *v, size_t n, size_t i)
{
    double others = 1;
    for (size_t j = 0; j < n; j++)
        others *= j == i ? 1 : v[j];
    const double m = (double)n;
    const double all[] = {1, i ? -1.0 : 1.0, others, 1 / m, -1 / m, 2 * v[i], 2 * v[i] / m};
    return all[which];
}

static void test_lists(void **state)
{
    (void)state;
    list_fn *const fn[] = {bt_sum,      bt_subtract,    bt_product,     bt_mean,
                           bt_neg_mean, bt_sum_squares, bt_mean_squares};
    bt_tape *t = new_tape();
    for (int which = 0; which < 7; which++) {
        for (size_t n = 1; n <= 33; n++) {
            bt_tape_reset(t);
            double v[33];
            bt_var x[33];
            for (size_t i = 0; i < n; i++) {
                v[i] = n % 5 == 4 && i == 2 ? 0 : 0.3 + 0.1 * (double)i - 0.02 * (double)(i * i);
                x[i] = bt_variable(t, (real)v[i]);
                v[i] = (double)bt_value(x[i]);
            }
            const bt_var y = fn[which](x, n);
            ct_assert_ok(bt_backward(y), NULL);
            assert_real_near(bt_value(y), slow_list(which, v, n), 1e-14, 1e-14);
            for (size_t i = 0; i < n; i++)
                assert_real_near(bt_gradient(x[i]), slow_gradient(which, v, n, i), 1e-14, 1e-15);
            bt_tape_forward(t);
            assert_real_near(bt_value(y), slow_list(which, v, n), 1e-14, 1e-14);
        }
    }
    bt_tape_destroy(t);
}

static void test_dot(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    bt_var x[5], z[5];
    const bt_var c = bt_variable(t, 7);
    for (int i = 0; i < 5; i++) {
        x[i] = bt_variable(t, (real)(i + 1));
        z[i] = bt_variable(t, (real)(10 - i));
    }
    const bt_var dot = bt_dot(x, z, 5), biased = bt_dot_bias(c, x, z, 5), self = bt_dot(x, x, 5);
    assert_real_near(bt_value(dot), 10 + 18 + 24 + 28 + 30, 0, 0);
    assert_real_near(bt_value(biased), 117, 0, 0);
    ct_assert_ok(bt_backward(biased), NULL);
    assert_real_near(bt_gradient(c), 1, 0, 0);
    for (int i = 0; i < 5; i++) {
        assert_real_near(bt_gradient(x[i]), 10 - i, 0, 0);
        assert_real_near(bt_gradient(z[i]), i + 1, 0, 0);
    }
    ct_assert_ok(bt_backward(self), NULL);
    assert_real_near(bt_gradient(x[4]), 10, 0, 0);
    assert_real_near(bt_gradient(c), 0, 0, 0);
    assert_real_near(bt_value(bt_dot_bias(c, NULL, NULL, 0)), 7, 0, 0);
    bt_tape_destroy(t);
}

static void test_negative_mean_and_relu(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    bt_var x[7];
    for (int i = 0; i < 7; i++)
        x[i] = bt_variable(t, (real)(i - 3));
    ct_assert_ok(bt_backward(bt_neg_mean(x, 7)), NULL);
    for (int i = 0; i < 7; i++)
        assert_real_near(bt_gradient(x[i]), -1.0 / 7, 1e-15, 0);
    ct_assert_ok(bt_backward(bt_relu(x[6])), NULL);
    assert_real_near(bt_gradient(x[6]), 1, 0, 0);
    bt_tape_destroy(t);
}

/* Norm, log-sum-exp, extremes and variances against formulas, and at the points that are special.
 */
static void test_norm_and_log_sum_exp(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    const real v[3] = {3, -4, 12};
    bt_var x[3], zero[2] = {bt_variable(t, 0), bt_variable(t, 0)};
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        x[i] = bt_variable(t, v[i]);
        sum += exp((double)v[i]);
    }
    const bt_var norm = bt_norm(x, 3), lse = bt_log_sum_exp(x, 3), at_zero = bt_norm(zero, 2);
    assert_real_near(bt_value(norm), 13, 1e-15, 0);
    assert_real_near(bt_value(lse), log(sum), 1e-15, 0);
    ct_assert_ok(bt_backward(norm), NULL);
    for (int i = 0; i < 3; i++)
        assert_real_near(bt_gradient(x[i]), (double)v[i] / 13, 1e-15, 0);
    ct_assert_ok(bt_backward(lse), NULL);
    for (int i = 0; i < 3; i++)
        assert_real_near(bt_gradient(x[i]), exp((double)v[i]) / sum, 4e-15, 0);
    ct_assert_ok(bt_backward(at_zero), NULL);
    assert_real_near(bt_value(at_zero), 0, 0, 0);
    assert_real_near(bt_gradient(zero[0]), 0, 0, 0);
    for (int sign = -1; sign <= 1; sign += 2) { // neither overflows nor becomes log 0
        const bt_var far[2] = {bt_variable(t, (real)(sign * 1000)),
                               bt_variable(t, (real)(sign * 1000))};
        const bt_var y = bt_log_sum_exp(far, 2);
        assert_real_near(bt_value(y), sign * 1000 + log(2), 1e-15, 0);
        ct_assert_ok(bt_backward(y), NULL);
        assert_real_near(bt_gradient(far[1]), 0.5, 1e-13, 0);
    }
    const real huge = sizeof(real) == 4 ? (real)1e30 : (real)1e200;
    const bt_var large[2] = {bt_variable(t, 3 * huge), bt_variable(t, -4 * huge)};
    assert_real_near(bt_value(bt_norm(large, 2)) / huge, 5, 1e-15, 0);
    const bt_var none[2] = {bt_variable(t, (real)-INFINITY), bt_variable(t, (real)-INFINITY)};
    const bt_var empty_sum = bt_log_sum_exp(none, 2);
    ct_assert_ok(bt_backward(empty_sum), NULL);
    assert_true((double)bt_value(empty_sum) == -INFINITY);
    assert_real_near(bt_gradient(none[0]), 0, 0, 0);
    bt_tape_destroy(t);
}

static void test_extremes_and_variances(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    bt_var x[5];
    const real v[5] = {2, 7, -1, 7, 0};
    for (int i = 0; i < 5; i++)
        x[i] = bt_variable(t, v[i]);
    const bt_var largest = bt_max_of(x, 5), smallest = bt_min_of(x, 5);
    const bt_var variance = bt_variance(x, 5), biased = bt_variance_biased(x, 5);
    assert_real_near(bt_value(largest), 7, 0, 0);
    assert_real_near(bt_value(smallest), -1, 0, 0);
    assert_real_near(bt_value(variance), 14.5, 1e-15, 0); // mean 3: 1 + 16 + 16 + 16 + 9 over 4
    assert_real_near(bt_value(biased), 11.6, 1e-15, 0);
    ct_assert_ok(bt_backward(largest), NULL);
    for (int i = 0; i < 5; i++)
        assert_real_near(bt_gradient(x[i]), i == 1 || i == 3 ? 0.5 : 0, 0, 0);
    ct_assert_ok(bt_backward(smallest), NULL);
    assert_real_near(bt_gradient(x[2]), 1, 0, 0);
    assert_real_near(bt_gradient(x[1]), 0, 0, 0);
    ct_assert_ok(bt_backward(variance), NULL);
    for (int i = 0; i < 5; i++)
        assert_real_near(bt_gradient(x[i]), 2 * ((double)v[i] - 3) / 4, 1e-15, 0);
    ct_assert_ok(bt_backward(biased), NULL);
    for (int i = 0; i < 5; i++)
        assert_real_near(bt_gradient(x[i]), 2 * ((double)v[i] - 3) / 5, 1e-15, 0);
    x[4] = bt_variable(t, (real)NAN);
    assert_true(isnan(bt_value(bt_max_of(x, 5))));
    assert_true(isnan(bt_value(bt_min_of(x, 5))));
    assert_true(isnan(bt_value(bt_norm(x, 5))));
    assert_true(isnan(bt_value(bt_log_sum_exp(x, 5))));
    assert_true(isnan(bt_value(bt_variance(x, 1))));
    bt_tape_destroy(t);
}

/* The gradient flows to the chosen operand, and a replay chooses again. */
static void test_select_and_clamp(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    const bt_var condition = bt_variable(t, 1), x = bt_variable(t, 2), z = bt_variable(t, 5);
    const bt_var chosen = bt_select(condition, bt_sqr(x), bt_mul_const(z, 3));
    const bt_var clamped = bt_clamp(x, -1, 3);
    for (int k = 1; k >= 0; k--) {
        bt_set_value(condition, (real)k); // 0 is not more than 0
        bt_tape_forward(t);
        assert_real_near(bt_value(chosen), k ? 4 : 15, 0, 0);
        ct_assert_ok(bt_backward(chosen), NULL);
        assert_real_near(bt_gradient(x), k ? 4 : 0, 0, 0);
        assert_real_near(bt_gradient(z), k ? 0 : 3, 0, 0);
        assert_real_near(bt_gradient(condition), 0, 0, 0);
    }
    const real at[] = {-2, -1, 0, 3, 4}, value[] = {-1, -1, 0, 3, 3}, slope[] = {0, 1, 1, 1, 0};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        bt_set_value(x, at[i]);
        bt_tape_forward(t);
        ct_assert_ok(bt_backward(clamped), NULL);
        assert_real_near(bt_value(clamped), value[i], 0, 0);
        assert_real_near(bt_gradient(x), slope[i], 0, 0);
    }
    bt_tape_destroy(t);
}

/* ---- Several roots, some variables ---- */

static void test_seeded(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    const bt_var x = bt_variable(t, 2), z = bt_variable(t, 3), shared = bt_mul(x, z);
    const bt_var roots[3] = {bt_sqr(shared), shared, bt_exp(z)};
    const real seeds[3] = {2, -1, 0};
    for (int i = 0; i < 3; i++) {
        ct_assert_ok(bt_backward_seeded(roots, seeds, 3), NULL);
        assert_real_near(bt_gradient(shared), 2 * 2 * 6 - 1, 0, 0);
        assert_real_near(bt_gradient(x), 23 * 3, 0, 0);
        assert_real_near(bt_gradient(z), 23 * 2, 0, 0);
    }
    const bt_var twice[2] = {x, x};
    ct_assert_ok(bt_backward_seeded(twice, seeds, 2), NULL);
    assert_real_near(bt_gradient(x), 1, 0, 0);
    assert_real_near(bt_gradient(shared), 0, 0, 0);
    ct_assert_status(bt_backward_seeded(NULL, NULL, 0), BT_ETAPE, NULL);
    bt_tape *other = new_tape();
    const bt_var mixed[2] = {x, bt_variable(other, 1)};
    ct_assert_status(bt_backward_seeded(mixed, seeds, 2), BT_ETAPE, NULL);
    ct_assert_status(bt_tape_status(other), BT_ETAPE, NULL);
    bt_tape_destroy(other);
    bt_tape_destroy(t);
}

static void test_gradients_of(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    const bt_var unused = bt_variable(t, 9), x = bt_variable(t, 2), z = bt_variable(t, 3);
    const bt_var list[3] = {x, z, unused}, product = bt_product(list, 3), square = bt_sqr(product);
    const bt_var lonely = bt_exp(unused), root = bt_sub(bt_mul(square, z), lonely);
    const bt_var wrt[3] = {z, product, x};
    real out[3];
    for (int i = 0; i < 2; i++) {
        ct_assert_ok(bt_gradients_of(out, root, wrt, 3), NULL);
        assert_real_near(out[0], 3 * 54 * 54, 0, 0); // 54^2 z^2 / 9, by z
        assert_real_near(out[1], 2 * 54 * 3, 0, 0);
        assert_real_near(out[2], 324 * 27, 0, 0);
        assert_real_near(bt_gradient(x), 324 * 27, 0, 0);
        assert_real_near(bt_gradient(unused), 0, 0, 0);
        assert_real_near(bt_gradient(lonely), 0, 0, 0);
    }
    ct_assert_ok(bt_gradients_of(out, root, &root, 1), NULL);
    assert_real_near(out[0], 1, 0, 0);
    ct_assert_ok(bt_gradients_of(out, product, &root, 1), NULL); // recorded later
    assert_real_near(out[0], 0, 0, 0);
    ct_assert_ok(bt_gradients_of(out, square, &lonely, 1), NULL);
    assert_real_near(out[0], 0, 0, 0);
    ct_assert_ok(bt_gradients_of(out, root, NULL, 0), NULL);
    ct_assert_ok(bt_backward(root), NULL); // leaves no trace behind
    assert_real_near(bt_gradient(z), 3 * 54 * 54, 0, 0);
    assert_real_near(bt_gradient(unused), 324 * 6 - exp(9), 1e-15, 0);
    const bt_var none = {0};
    ct_assert_status(bt_gradients_of(out, none, wrt, 3), BT_ETAPE, NULL);
    ct_assert_status(bt_gradients_of(out, root, &none, 1), BT_ETAPE, NULL);
    bt_tape_destroy(t);
}

/* ---- Handles and new values ---- */

/* Handles made before bt_set_value and bt_tape_forward compute with the present values. */
static void test_old_handles(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    const bt_var x = bt_variable(t, 2), copy = x, y = bt_sqr(x);
    bt_set_value(x, 3);
    assert_real_near(bt_value(copy), 3, 0, 0);
    assert_real_near(bt_value(y), 4, 0, 0);
    assert_real_near(bt_value(bt_mul(copy, x)), 9, 0, 0);
    const bt_var mixed = bt_add(y, copy); // of the old y and the new x
    assert_real_near(bt_value(mixed), 7, 0, 0);
    assert_real_near(bt_value(bt_add_const(copy, 1)), 4, 0, 0);
    bt_tape_forward(t);
    assert_real_near(bt_value(y), 9, 0, 0);
    assert_real_near(bt_value(bt_neg(y)), -9, 0, 0);
    assert_real_near(bt_value(bt_neg(mixed)), -12, 0, 0);
    const bt_var root = bt_mul(y, copy); // x^3
    assert_real_near(bt_value(root), 27, 0, 0);
    ct_assert_ok(bt_backward(root), NULL);
    assert_real_near(bt_gradient(x), 27, 0, 0);
    bt_tape_destroy(t);
}

/* Several threads, each with a tape of its own. */
static void *work_in_thread(void *result)
{
    bt_tape *t;
    if (bt_tape_create(&t) != CT_OK)
        return NULL;
    const bt_var x = bt_variable(t, 1);
    const bt_mark mark = bt_tape_mark(t);
    for (int step = 0; step < 200; step++) {
        bt_var y = x;
        for (int i = 0; i < 500; i++)
            y = bt_add(y, x);
        *(double *)result += bt_backward(y) == CT_OK ? (double)bt_gradient(x) : 0;
        bt_tape_rewind(t, mark);
    }
    bt_tape_destroy(t);
    return result;
}

static void test_threads(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    double sums[THREADS] = {0};
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work_in_thread, &sums[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(sums[i] == 200.0 * 501);
    }
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = calloc(1, 4096);
    assert_non_null(text);
    (void)!fread(text, 1, 4095, file);
    fclose(file);
    return text;
}

static void test_dot_graph(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    ct_diag diag;
    const bt_var x = bt_variable(t, 2), unused = bt_variable(t, 3), y = bt_mul_const(x, 5);
    const bt_var list[2] = {y, x}, root = bt_sub(bt_sum(list, 2), y);
    ct_assert_ok(bt_backward(root), NULL);
    char *path = ct_test_path("graph.dot");
    ct_assert_ok(bt_tape_write_dot(root, path, &diag), &diag);
    char *text = read_text(path);
    assert_string_equal(text, "digraph tape {\n  node [shape=box];\n"
                              "  n0 [label=\"variable\\nvalue 2\\ngradient 1\"];\n"
                              "  n2 [label=\"mul_const 5\\nvalue 10\\ngradient 0\"];\n  n0 -> n2;\n"
                              "  n3 [label=\"sum\\nvalue 12\\ngradient 1\"];\n"
                              "  n2 -> n3;\n  n0 -> n3;\n"
                              "  n4 [label=\"sub\\nvalue 2\\ngradient 1\"];\n"
                              "  n3 -> n4;\n  n2 -> n4;\n}\n");
    ct_assert_ok(bt_backward(bt_mul(unused, root)), NULL); // leaves no trace behind
    assert_real_near(bt_gradient(x), 3, 0, 0);
    const bt_var none = {0};
    ct_assert_status(bt_tape_write_dot(none, path, &diag), BT_ETAPE, NULL);
    ct_assert_status(bt_tape_write_dot(root, "/no such folder/graph.dot", &diag), CT_ENOTFOUND,
                     NULL);
    free(text);
    free(path);
    bt_tape_destroy(t);
}

/* ---- Rewinding ---- */

static void test_training_loop(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    const bt_var w = bt_variable(t, 5);
    const bt_mark mark = bt_tape_mark(t);
    size_t bytes = 0;
    long blocks = 0;
    for (int step = 0; step < 300; step++) {
        const bt_var terms[2] = {bt_sqr(bt_sub_const(w, 2)), bt_constant(t, 1)};
        ct_assert_ok(bt_backward(bt_sum(terms, 2)), NULL);
        bt_set_value(w, bt_value(w) - bt_gradient(w) / 10);
        bt_tape_rewind(t, mark);
        if (step == 1) {
            bytes = bt_tape_bytes(t);
            blocks = ct_test_live_allocations();
            ct_test_fail_allocation(1); // from here on none succeeds, so none may be asked for
        }
    }
    assert_false(ct_test_fail_allocation(0));
    assert_int_equal(ct_test_live_allocations(), blocks);
    assert_real_near(bt_value(w), 2, 1e-15, 0);
    ct_assert_ok(bt_tape_status(t), NULL);
    assert_int_equal(bt_tape_nodes(t), 1);
    assert_int_equal(bt_tape_bytes(t), bytes);
    bt_tape_destroy(t);
}

/* Gradients left by an earlier sweep never leak into nodes recorded after a rewind. */
static void test_rewind_then_other_graph(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    const bt_var x = bt_variable(t, 3);
    const bt_mark mark = bt_tape_mark(t);
    ct_assert_ok(bt_backward(bt_sqr(bt_add(x, x))), NULL);
    bt_tape_rewind(t, mark);
    const bt_var y = bt_mul_const(x, 2);
    assert_real_near(bt_gradient(y), 0, 0, 0);
    const bt_var z = bt_exp(y);
    ct_assert_ok(bt_backward(y), NULL);
    assert_real_near(bt_gradient(x), 2, 0, 0);
    assert_real_near(bt_gradient(z), 0, 0, 0);
    bt_tape_destroy(t);
}

/* ---- Misuse ---- */

static void assert_broken(bt_tape *t, bt_var result, ct_status status, const char *text)
{
    assert_true(isnan(bt_value(result)));
    assert_true(isnan(bt_gradient(result)));
    assert_int_equal(bt_tape_status(t), status);
    ct_assert_contains(bt_tape_message(t), text);
    ct_assert_status(bt_backward(bt_variable(t, 1)), status, NULL);
    assert_true(isnan(bt_value(bt_exp(bt_add(result, result)))));
    bt_tape_reset(t);
    ct_assert_ok(bt_tape_status(t), NULL);
}

static void test_mixing_tapes(void **state)
{
    (void)state;
    bt_tape *s = new_tape(), *t = new_tape();
    const bt_var x = bt_variable(s, 1), z = bt_variable(t, 2);
    const bt_var both[2] = {z, x};
    assert_broken(t, bt_add(x, z), BT_ETAPE, "different tapes");
    ct_assert_status(bt_tape_status(s), BT_ETAPE, NULL);
    bt_tape_reset(s);
    (void)bt_variable(s, 1);
    (void)bt_variable(t, 2);
    assert_broken(t, bt_sum(both, 2), BT_ETAPE, "different tapes");
    bt_tape_reset(s);
    (void)bt_variable(s, 1);
    (void)bt_variable(t, 2);
    assert_broken(s, bt_dot(&x, &z, 1), BT_ETAPE, "different tapes");
    bt_tape_destroy(s);
    bt_tape_destroy(t);
}

static void test_dropped_variables(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    const bt_var x = bt_variable(t, 1);
    const bt_mark mark = bt_tape_mark(t);
    const bt_var dropped = bt_exp(x);
    bt_tape_rewind(t, mark);
    assert_broken(t, bt_log(dropped), BT_ETAPE, "dropped");
    (void)bt_variable(t, 1);
    assert_broken(t, bt_mul(x, dropped), BT_ETAPE, "dropped");
    (void)bt_variable(t, 1);
    assert_broken(t, bt_const_div(1, dropped), BT_ETAPE, "dropped");
    (void)bt_variable(t, 1);
    bt_set_value(dropped, 3);
    ct_assert_status(bt_backward(x), BT_ETAPE, NULL);
    bt_tape_reset(t);
    (void)bt_variable(t, 1);
    ct_assert_status(bt_backward(dropped), BT_ETAPE, NULL);
    const bt_mark beyond = {5, 0};
    bt_tape_reset(t);
    bt_tape_rewind(t, beyond);
    ct_assert_status(bt_tape_status(t), CT_EINVALID, NULL);
    bt_tape_destroy(t);
}

static void test_unset_variables(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    const bt_var x = bt_variable(t, 1), unset = {0};
    assert_true(isnan(bt_value(unset)));
    assert_true(isnan(bt_gradient(unset)));
    assert_true(isnan(bt_value(bt_exp(unset))));
    assert_true(isnan(bt_value(bt_sum(&unset, 1))));
    assert_true(isnan(bt_value(bt_sum(&x, 0))));
    assert_true(isnan(bt_value(bt_variable(NULL, 1))));
    ct_assert_status(bt_backward(unset), BT_ETAPE, NULL);
    bt_set_value(unset, 1);
    bt_var out = bt_add(unset, x);
    assert_broken(t, out, BT_ETAPE, "unset");
    out = bt_apply(BT_OP_SUM, bt_variable(t, 1), x);
    assert_broken(t, out, CT_EINVALID, "unary or binary");
    out = bt_variable(t, 1);
    out = bt_apply_list(BT_OP_EXP, &out, 1);
    assert_broken(t, out, CT_EINVALID, "one list");
    out = bt_variable(t, 1);
    out = bt_apply_list(BT_OP_SELECT, &out, 1);
    assert_broken(t, out, CT_EINVALID, "select takes");
    out = bt_apply_number(BT_OP_EXP, bt_variable(t, 1), 2);
    assert_broken(t, out, CT_EINVALID, "plain number");
    out = bt_add(bt_variable(t, 1), unset);
    assert_broken(t, out, BT_ETAPE, "unset");
    const bt_var with_unset[2] = {unset, bt_variable(t, 1)};
    (void)bt_sum(with_unset, 2);
    ct_assert_status(bt_tape_status(t), BT_ETAPE, NULL);
    bt_tape_reset(t);
    const bt_var y = bt_exp(bt_variable(t, 1));
    bt_set_value(y, 3);
    ct_assert_status(bt_tape_status(t), CT_EINVALID, NULL);
    bt_tape_destroy(t);
    bt_tape_destroy(NULL);
}

/* Whichever allocation fails, the tape says so, keeps what it has, and nothing leaks. */
static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned long k = 1; k < 20; k++) {
        bt_tape *t = NULL;
        ct_status status = CT_OK;
        ct_test_fail_allocation(k);
        if (bt_tape_create(&t) == CT_OK) {
            bt_var x[400];
            for (int i = 0; i < 400; i++)
                x[i] = bt_variable(t, 1);
            const bt_var y = bt_add_const(bt_product(x, 400), bt_value(bt_mean(x, 400)));
            status = bt_backward(y);
            assert_true(status == CT_OK ? bt_value(y) == 2 : isnan(bt_value(y)));
        }
        const bool failed = ct_test_fail_allocation(0);
        if (failed)
            assert_true(!t || status == CT_ENOMEM);
        bt_tape_destroy(t);
        if (!failed)
            return;
    }
    fail_msg("allocations never ended");
}

static void test_reserve(void **state)
{
    (void)state;
    bt_tape *t = new_tape();
    ct_assert_status(bt_tape_reserve(t, SIZE_MAX), CT_ERANGE, NULL);
    ct_assert_ok(bt_tape_reserve(t, 1000), NULL);
    const void *before = t->nodes;
    for (int i = 0; i < 1000; i++)
        (void)bt_variable(t, (real)i);
    assert_ptr_equal(t->nodes, before);
    bt_tape_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiny_graph),
        cmocka_unit_test(test_small_graph),
        cmocka_unit_test(test_repeated_sweeps),
        cmocka_unit_test(test_two_roots),
        cmocka_unit_test(test_gradients_while_recording),
        cmocka_unit_test(test_shared_operand_near_and_far),
        cmocka_unit_test(test_doubling_chain),
        cmocka_unit_test(test_long_chain),
        cmocka_unit_test(test_many_handles),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_dot),
        cmocka_unit_test(test_negative_mean_and_relu),
        cmocka_unit_test(test_norm_and_log_sum_exp),
        cmocka_unit_test(test_extremes_and_variances),
        cmocka_unit_test(test_select_and_clamp),
        cmocka_unit_test(test_seeded),
        cmocka_unit_test(test_gradients_of),
        cmocka_unit_test(test_old_handles),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_dot_graph),
        cmocka_unit_test(test_training_loop),
        cmocka_unit_test(test_rewind_then_other_graph),
        cmocka_unit_test(test_mixing_tapes),
        cmocka_unit_test(test_dropped_variables),
        cmocka_unit_test(test_unset_variables),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_reserve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
