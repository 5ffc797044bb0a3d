// SPDX-License-Identifier: MIT
/* Nanoseconds to record a small expression and sweep it back, against the naive tape anyone would
 * write (static arrays, no checks), and per node of a long chain. JSON lines, one a case; medians
 * over blocks, both sides in turn. Run pinned to a core: taskset -c 1 bin/bench_autodiff_scalar */
#include <burtorch/tape.h>
#include <ctrain/timer.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCKS = 15, CALLS = 200000, CHAIN = 2000000 };

/* ---- The naive tape ---- */

enum { N_MAX = 64 };
typedef enum naive_op { N_LEAF, N_ADD, N_SUB, N_MUL, N_DIV, N_SQR, N_CUB, N_RELU } naive_op;
static struct {
    int n;
    unsigned char op[N_MAX];
    int a[N_MAX], b[N_MAX];
    double value[N_MAX], gradient[N_MAX];
} naive;

static inline int naive_node(naive_op op, int a, int b, double value)
{
    const int i = naive.n++;
    naive.op[i] = (unsigned char)op;
    naive.a[i] = a;
    naive.b[i] = b;
    naive.value[i] = value;
    naive.gradient[i] = 0;
    return i;
}
#define NV(i) naive.value[i]
static inline int n_leaf(double v)
{
    return naive_node(N_LEAF, 0, 0, v);
}
static inline int n_add(int a, int b)
{
    return naive_node(N_ADD, a, b, NV(a) + NV(b));
}
static inline int n_sub(int a, int b)
{
    return naive_node(N_SUB, a, b, NV(a) - NV(b));
}
static inline int n_mul(int a, int b)
{
    return naive_node(N_MUL, a, b, NV(a) * NV(b));
}
static inline int n_div(int a, int b)
{
    return naive_node(N_DIV, a, b, NV(a) / NV(b));
}
static inline int n_sqr(int a)
{
    return naive_node(N_SQR, a, a, NV(a) * NV(a));
}
static inline int n_cub(int a)
{
    return naive_node(N_CUB, a, a, NV(a) * NV(a) * NV(a));
}
static inline int n_relu(int a)
{
    return naive_node(N_RELU, a, a, NV(a) > 0 ? NV(a) : 0);
}

static __attribute__((noinline)) void naive_backward(int root)
{
    double *const d = naive.gradient;
    d[root] = 1;
    for (int i = root; i >= 0; i--) {
        const double g = d[i];
        const int a = naive.a[i], b = naive.b[i];
        switch (naive.op[i]) {
        case N_ADD:
            d[a] += g;
            d[b] += g;
            break;
        case N_SUB:
            d[a] += g;
            d[b] -= g;
            break;
        case N_MUL:
            d[a] += g * NV(b);
            d[b] += g * NV(a);
            break;
        case N_DIV:
            d[a] += g / NV(b);
            d[b] -= g * NV(i) / NV(b);
            break;
        case N_SQR:
            d[a] += 2 * g * NV(a);
            break;
        case N_CUB:
            d[a] += 3 * g * NV(a) * NV(a);
            break;
        case N_RELU:
            d[a] += NV(a) > 0 ? g : 0;
            break;
        default:
            break;
        }
    }
}

static volatile double tiny_a = -41, tiny_b = 2, small_a = -4, small_b = 2;
static bt_tape *tape;
static const bt_mark empty; // of a tape without nodes

static double naive_tiny(void)
{
    naive.n = 0;
    const int a = n_leaf(tiny_a), b = n_leaf(tiny_b);
    const int c = n_add(a, b), d = n_add(n_mul(a, b), n_cub(b));
    const int g = n_mul(n_sqr(n_sub(c, d)), n_leaf(0.5));
    naive_backward(g);
    return naive.gradient[a] + naive.gradient[b];
}

static double burtorch_tiny(void)
{
    bt_tape *const t = tape;
    bt_tape_rewind(t, empty);
    const bt_var a = bt_variable(t, tiny_a), b = bt_variable(t, tiny_b);
    const bt_var c = bt_add(a, b), d = bt_add(bt_mul(a, b), bt_cub(b));
    const bt_var g = bt_mul_const(bt_sqr(bt_sub(c, d)), 0.5);
    if (bt_backward(g) != CT_OK)
        abort();
    return bt_gradient(a) + bt_gradient(b);
}

/* Micrograd's README expression. */
static double naive_small(void)
{
    naive.n = 0;
    const int a = n_leaf(small_a), b = n_leaf(small_b);
    int c = n_add(a, b), d = n_add(n_mul(a, b), n_cub(b));
    c = n_add(c, n_add(c, n_leaf(1)));
    c = n_add(c, n_sub(n_add(n_leaf(1), c), a));
    d = n_add(d, n_add(n_mul(d, n_leaf(2)), n_relu(n_add(b, a))));
    d = n_add(d, n_add(n_mul(n_leaf(3), d), n_relu(n_sub(b, a))));
    const int f = n_sqr(n_sub(c, d));
    const int g = n_add(n_mul(f, n_leaf(0.5)), n_div(n_leaf(10), f));
    naive_backward(g);
    return naive.gradient[a] + naive.gradient[b];
}

static double burtorch_small(void)
{
    bt_tape *const t = tape;
    bt_tape_rewind(t, empty);
    const bt_var a = bt_variable(t, small_a), b = bt_variable(t, small_b);
    bt_var c = bt_add(a, b), d = bt_add(bt_mul(a, b), bt_cub(b));
    c = bt_add(c, bt_add_const(c, 1));
    c = bt_add(c, bt_sub(bt_add_const(c, 1), a));
    d = bt_add(d, bt_add(bt_mul_const(d, 2), bt_relu(bt_add(b, a))));
    d = bt_add(d, bt_add(bt_mul_const(d, 3), bt_relu(bt_sub(b, a))));
    const bt_var f = bt_sqr(bt_sub(c, d));
    const bt_var g = bt_add(bt_mul_const(f, 0.5), bt_const_div(10, f));
    if (bt_backward(g) != CT_OK)
        abort();
    return bt_gradient(a) + bt_gradient(b);
}

/* x -> x + x a long way: nanoseconds a node, with the room reserved. */
static double burtorch_chain(void)
{
    bt_tape *const t = tape;
    bt_tape_rewind(t, empty);
    const bt_var a = bt_variable(t, 1e-300);
    bt_var x = a;
    for (int i = 1; i < CHAIN; i++)
        x = bt_add(x, a);
    if (bt_backward(x) != CT_OK)
        abort();
    return bt_gradient(a);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double block_ns(double (*run)(void), int calls, double *check)
{
    double sum = 0;
    const double start = ct_time_s();
    for (int i = 0; i < calls; i++)
        sum += run();
    *check = sum / calls;
    return (ct_time_s() - start) * 1e9 / calls;
}

static void compare(const char *graph, double (*ours)(void), double (*peer)(void))
{
    double a[BLOCKS], b[BLOCKS], check_a = 0, check_b = 0;
    for (int i = 0; i < BLOCKS; i++) {
        a[i] = block_ns(ours, CALLS, &check_a);
        b[i] = block_ns(peer, CALLS, &check_b);
    }
    qsort(a, BLOCKS, sizeof *a, ascending);
    qsort(b, BLOCKS, sizeof *b, ascending);
    printf("{\"graph\":\"%s\",\"burtorch_ns\":%.2f,\"naive_tape_ns\":%.2f,\"ratio\":%.3f,"
           "\"gradient_sum\":%.10g,\"gradient_sum_naive\":%.10g}\n",
           graph, a[BLOCKS / 2], b[BLOCKS / 2], a[BLOCKS / 2] / b[BLOCKS / 2], check_a, check_b);
}

int main(void)
{
    if (bt_tape_create(&tape) != CT_OK)
        return 1;
    compare("tiny", burtorch_tiny, naive_tiny);
    compare("small", burtorch_small, naive_small);
    double chain[5], check;
    if (bt_tape_reserve(tape, CHAIN) != CT_OK)
        return 1;
    for (int i = 0; i < 5; i++)
        chain[i] = block_ns(burtorch_chain, 1, &check) / CHAIN;
    qsort(chain, 5, sizeof *chain, ascending);
    printf("{\"graph\":\"chain\",\"nodes\":%d,\"ns_per_node\":%.2f,\"bytes_per_node\":%.1f}\n",
           CHAIN, chain[2], (double)bt_tape_bytes(tape) / CHAIN);
    bt_tape_destroy(tape);
    return 0;
}
