// SPDX-License-Identifier: MIT
/* Random graphs, against forward-mode differentiation in long double by formulas of its own: all
 * gradients, those of a subset, those of weighted roots, and all again after new values. */
#include "tape_precision.h"

#include <ctrain/rng.h>
#include <string.h>

enum { LEAVES = 6, NODES = 60, LIST_MAX = 7, GRAPHS = 300 };

/* A value and its derivative by one leaf. */
typedef struct dual {
    long double v, d;
} dual;

/* What a node is made of: an entry of the table below, and earlier nodes. */
typedef struct recipe {
    int kind;
    size_t n, operand[LIST_MAX];
    real c;
} recipe;

typedef bt_var record_fn(const bt_var *x, size_t n, real c);
typedef dual reference_fn(const dual *x, size_t n, long double c);

/* Operations that stay finite and smooth (or far from their kinks with probability one), whatever
 * comes in between -3 and 3; values are brought back there by tanh. */
#define BINARY(name, record, v_, d_)                                                               \
    static bt_var name##_record(const bt_var *x, size_t n, real c)                                 \
    {                                                                                              \
        (void)n, (void)c;                                                                          \
        return (record);                                                                           \
    }                                                                                              \
    static dual name##_reference(const dual *x, size_t n, long double c)                           \
    {                                                                                              \
        const long double a = x[0].v, da = x[0].d, b = x[1].v, db = x[1].d;                        \
        (void)n, (void)c, (void)a, (void)b, (void)da, (void)db;                                    \
        const dual y = {(v_), (d_)};                                                               \
        return y;                                                                                  \
    }
BINARY(add, bt_add(x[0], x[1]), a + b, da + db)
BINARY(sub, bt_sub(x[0], x[1]), a - b, da - db)
BINARY(mul, bt_mul(x[0], x[1]), a *b, da *b + a * db)
BINARY(div, bt_div(x[0], bt_add_const(bt_sqr(x[1]), 1)), a / (b * b + 1),
       (da * (b * b + 1) - a * 2 * b * db) / ((b * b + 1) * (b * b + 1)))
BINARY(max, bt_max(x[0], x[1]), a > b ? a : b, a > b ? da : db)
BINARY(square, bt_sqr(x[0]), a *a, 2 * a * da)
BINARY(sine, bt_sin(x[0]), sinl(a), cosl(a) * da)
BINARY(silu, bt_silu(x[0]), a / (1 + expl(-a)),
       (1 / (1 + expl(-a)) + a * expl(-a) / ((1 + expl(-a)) * (1 + expl(-a)))) * da)
BINARY(leaky, bt_leaky_relu(x[0], c), a > 0 ? a : c * a, (a > 0 ? 1 : c) * da)
BINARY(scaled, bt_mul_const(x[0], c), a *c, da *c)
BINARY(shifted, bt_add_const(x[0], c), a + c, da)
BINARY(from, bt_const_sub(c, x[0]), c - a, -da)
BINARY(over, bt_const_div(c, bt_exp(x[0])), c *expl(-a), -c *expl(-a) * da)
BINARY(power, bt_pow_const(bt_softplus(x[0]), 4), powl(logl(1 + expl(a)), 4),
       4 * powl(logl(1 + expl(a)), 3) / (1 + expl(-a)) * da)
BINARY(same, bt_mul(x[0], x[0]), a *a, 2 * a * da)

#define LIST(name, record, start, step, end)                                                       \
    static bt_var name##_record(const bt_var *x, size_t n, real c)                                 \
    {                                                                                              \
        (void)c;                                                                                   \
        return (record);                                                                           \
    }                                                                                              \
    static dual name##_reference(const dual *x, size_t n, long double c)                           \
    {                                                                                              \
        dual y = start;                                                                            \
        (void)c;                                                                                   \
        for (size_t i = 0; i < n; i++) {                                                           \
            step;                                                                                  \
        }                                                                                          \
        end;                                                                                       \
        return y;                                                                                  \
    }
static const dual zero = {0, 0}, one = {1, 0};

/* Away from the kink of the norm at zero. */
static bt_var norm_with_one(const bt_var *x, size_t n)
{
    bt_var all[LIST_MAX + 1];
    memcpy(all, x, n * sizeof *x);
    all[n] = bt_constant(x[0].tape, 1);
    return bt_norm(all, n + 1);
}

LIST(sum, bt_sum(x, n), zero, (y.v += x[i].v, y.d += x[i].d), (void)0)
LIST(mean, bt_mean(x, n), zero, (y.v += x[i].v / n, y.d += x[i].d / n), (void)0)
LIST(product, bt_product(x, n), one, (y.d = y.d * x[i].v + y.v * x[i].d, y.v *= x[i].v), (void)0)
LIST(dot, bt_dot(x, x, n), zero, (y.v += x[i].v * x[i].v, y.d += 2 * x[i].v * x[i].d), (void)0)
LIST(norm, norm_with_one(x, n), one, (y.v += x[i].v * x[i].v, y.d += 2 * x[i].v * x[i].d),
     (y.v = sqrtl(y.v), y.d = y.d / (2 * y.v)))
LIST(lse, bt_log_sum_exp(x, n), zero, (y.v += expl(x[i].v), y.d += expl(x[i].v) * x[i].d),
     (y.d = y.d / y.v, y.v = logl(y.v)))
LIST(largest, bt_max_of(x, n), x[0], y = x[i].v > y.v ? x[i] : y, (void)0)

static bt_var choice_record(const bt_var *x, size_t n, real c)
{
    (void)n, (void)c;
    return bt_select(x[0], x[1], x[2]);
}
static dual choice_reference(const dual *x, size_t n, long double c)
{
    (void)n, (void)c;
    return x[0].v > 0 ? x[1] : x[2];
}

static const struct {
    record_fn *record;
    reference_fn *reference;
    size_t n; // operands; 0: any number
} kinds[] = {
#define KIND(name, n)                                                                              \
    {                                                                                              \
        name##_record, name##_reference, n                                                         \
    }
    KIND(add, 2),     KIND(sub, 2),     KIND(mul, 2),   KIND(div, 2),     KIND(max, 2),
    KIND(square, 2),  KIND(sine, 2),    KIND(silu, 2),  KIND(leaky, 2),   KIND(scaled, 2),
    KIND(shifted, 2), KIND(from, 2),    KIND(over, 2),  KIND(power, 2),   KIND(same, 2),
    KIND(sum, 0),     KIND(mean, 0),    KIND(dot, 0),   KIND(product, 0), KIND(norm, 0),
    KIND(lse, 0),     KIND(largest, 0), KIND(choice, 3)};

static size_t draw(ct_rng *rng, size_t n)
{
    return (size_t)(ct_rng_uniform(rng) * (double)n) % n;
}

/* Half of the operands are recent ones. */
static recipe draw_recipe(ct_rng *rng, size_t nodes)
{
    recipe r = {.kind = (int)draw(rng, sizeof kinds / sizeof *kinds)};
    r.n = kinds[r.kind].n ? kinds[r.kind].n : 1 + draw(rng, LIST_MAX);
    r.c = (real)(4 * ct_rng_uniform(rng) - 2);
    for (size_t i = 0; i < r.n; i++)
        r.operand[i] = draw(rng, 2) ? nodes - 1 - draw(rng, 4) : draw(rng, nodes);
    return r;
}

/* Every operation is followed by a tanh, as a node of its own. */
static void record_graph(const recipe *recipes, bt_var *x)
{
    for (size_t i = LEAVES; i < NODES; i++) {
        const recipe *r = &recipes[i];
        bt_var operands[LIST_MAX];
        for (size_t k = 0; k < r->n; k++)
            operands[k] = x[r->operand[k]];
        x[i] = bt_tanh(kinds[r->kind].record(operands, r->n, r->c));
    }
}

static void reference_graph(const recipe *recipes, dual *x)
{
    for (size_t i = LEAVES; i < NODES; i++) {
        const recipe *r = &recipes[i];
        dual operands[LIST_MAX];
        for (size_t k = 0; k < r->n; k++)
            operands[k] = x[r->operand[k]];
        const dual y = kinds[r->kind].reference(operands, r->n, (long double)r->c);
        x[i].v = tanhl(y.v);
        x[i].d = (1 - x[i].v * x[i].v) * y.d;
    }
}

/* Values and derivatives, by every leaf, of two nodes. */
static void reference_gradients(const recipe *recipes, const real *leaves, const size_t roots[2],
                                double gradient[2][LEAVES], double value[2])
{
    for (size_t leaf = 0; leaf < LEAVES; leaf++) {
        dual x[NODES];
        for (size_t i = 0; i < LEAVES; i++) {
            x[i].v = (long double)leaves[i];
            x[i].d = i == leaf;
        }
        reference_graph(recipes, x);
        for (int k = 0; k < 2; k++) {
            gradient[k][leaf] = (double)x[roots[k]].d;
            value[k] = (double)x[roots[k]].v;
        }
    }
}

/* Rounding errors grow through 54 levels. */
static const double rtol = 3e-13, atol = 3e-13;

static void check_graph(const bt_var *x, const size_t roots[2], double expected[2][LEAVES],
                        const double value[2])
{
    real some[2];
    const bt_var wrt[2] = {x[4], x[1]}, both[2] = {x[roots[0]], x[roots[1]]};
    const real seeds[2] = {2, -3};
    for (int k = 0; k < 2; k++) {
        assert_real_near(bt_value(both[k]), value[k], rtol, atol);
        ct_assert_ok(bt_backward(both[k]), NULL);
        for (size_t i = 0; i < LEAVES; i++)
            assert_real_near(bt_gradient(x[i]), expected[k][i], rtol, atol);
        ct_assert_ok(bt_gradients_of(some, both[k], wrt, 2), NULL);
        assert_real_near(some[0], expected[k][4], rtol, atol);
        assert_real_near(some[1], expected[k][1], rtol, atol);
    }
    ct_assert_ok(bt_backward_seeded(both, seeds, 2), NULL);
    for (size_t i = 0; i < LEAVES; i++)
        assert_real_near(bt_gradient(x[i]), 2 * expected[0][i] - 3 * expected[1][i], rtol,
                         5 * atol);
}

static void test_random_graphs(void **state)
{
    (void)state;
    bt_tape *tape = new_tape();
    ct_rng rng;
    ct_rng_init(&rng, 5, CT_RNG_USER, 0, 0);
    for (int graph = 0; graph < GRAPHS; graph++) {
        recipe recipes[NODES];
        real leaves[LEAVES];
        bt_var x[NODES];
        double gradient[2][LEAVES], value[2];
        memset(recipes, 0, sizeof recipes);
        for (size_t i = LEAVES; i < NODES; i++)
            recipes[i] = draw_recipe(&rng, i);
        const size_t roots[2] = {NODES - 1, NODES / 2 + draw(&rng, NODES / 2 - 1)};
        bt_tape_reset(tape);
        for (size_t i = 0; i < LEAVES; i++)
            x[i] = bt_variable(tape, 0);
        for (int round = 0; round < 2; round++) { // recorded, then computed again
            for (size_t i = 0; i < LEAVES; i++) {
                leaves[i] = (real)ct_rng_normal(&rng);
                bt_set_value(x[i], leaves[i]);
            }
            if (round == 0)
                record_graph(recipes, x);
            else
                bt_tape_forward(tape);
            reference_gradients(recipes, leaves, roots, gradient, value);
            check_graph(x, roots, gradient, value);
        }
    }
    bt_tape_destroy(tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_graphs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
