// SPDX-License-Identifier: MIT
/* Nanoseconds for value and gradient of a small expression: replayed from a captured function one
 * point at a time and in batches, compiled from the C it prints, by hand-written C, and recorded
 * and swept on a tape anew; and for a product with the Hessian. JSON lines, one a graph; medians
 * over blocks, all in turn. Run pinned to a core: taskset -c 1 bin/bench_autodiff_function */
#include "bench_median.h"

#include <burtorch/function.h>
#include <ctrain/kernels.h>
#include <ctrain/timer.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCKS = 15, CALLS = 100000, COUNT = 1024 };

static bt_tape *tape;
static bt_function *function;
static bt_workspace *workspace;
static bt_compiled_fn *compiled;
static double points[2 * COUNT], values[COUNT], gradients[2 * COUNT];

/* ---- By hand ---- */

static __attribute__((noinline)) void hand_tiny(const double *x, double *y, double *g)
{
    const double a = x[0], b = x[1], b2 = b * b;
    const double e = a + b - (a * b + b2 * b);
    y[0] = 0.5 * e * e;
    g[0] = e * (1 - b);
    g[1] = e * (1 - a - 3 * b2);
}

static __attribute__((noinline)) void hand_small(const double *x, double *y, double *g)
{
    const double a = x[0], b = x[1], b2 = b * b;
    const double s = a + b, t = b - a, r = s > 0 ? s : 0, q = t > 0 ? t : 0;
    const double c = 4 * s + 3 - a, d0 = a * b + b2 * b;
    const double d = 4 * (3 * d0 + r) + q;
    const double e = c - d, f = e * e, inverse = 1 / f;
    y[0] = 0.5 * f + 10 * inverse;
    const double de = (1 - 20 * inverse * inverse) * e;
    const double ds = de * (s > 0 ? 0 : 4), dt = t > 0 ? de : 0;
    g[0] = ds - de + dt - 12 * de * b;
    g[1] = ds - dt - 12 * de * (a + 3 * b2);
}

/* ---- Recorded ---- */

static bt_var record_tiny(bt_var a, bt_var b)
{
    const bt_var c = bt_add(a, b), d = bt_add(bt_mul(a, b), bt_cub(b));
    return bt_mul_const(bt_sqr(bt_sub(c, d)), 0.5);
}

/* Micrograd's README expression. */
static bt_var record_small(bt_var a, bt_var b)
{
    bt_var c = bt_add(a, b), d = bt_add(bt_mul(a, b), bt_cub(b));
    c = bt_add(c, bt_add_const(c, 1));
    c = bt_add(c, bt_sub(bt_add_const(c, 1), a));
    d = bt_add(d, bt_add(bt_mul_const(d, 2), bt_relu(bt_add(b, a))));
    d = bt_add(d, bt_add(bt_mul_const(d, 3), bt_relu(bt_sub(b, a))));
    const bt_var f = bt_sqr(bt_sub(c, d));
    return bt_add(bt_mul_const(f, 0.5), bt_const_div(10, f));
}

/* A neuron: exp and tanh, where batches have vector kernels. */
static bt_var record_smooth(bt_var a, bt_var b)
{
    const bt_var h =
        bt_tanh(bt_add_const(bt_add(bt_mul_const(a, 0.3), bt_mul_const(b, -0.7)), 0.1));
    return bt_add(bt_exp(bt_mul(h, a)), bt_softplus(bt_sub(b, h)));
}

/* ---- Cases: CALLS gradients each, or as many points in batches ---- */

typedef bt_var record_fn(bt_var a, bt_var b);
static record_fn *recorded;
static bt_compiled_fn *hand;

static void run_tape(void)
{
    for (int i = 0; i < CALLS; i++) {
        const double *p = points + 2 * (i % COUNT);
        bt_tape_rewind(tape, (bt_mark){0, 0});
        const bt_var a = bt_variable(tape, p[0]), b = bt_variable(tape, p[1]);
        if (bt_backward(recorded(a, b)) != CT_OK)
            abort();
        gradients[0] = bt_gradient(a) + bt_gradient(b);
    }
}

static void run_values(void)
{
    for (int i = 0; i < CALLS; i++)
        if (bt_function_evaluate(function, workspace, points + 2 * (i % COUNT), values) != CT_OK)
            abort();
}

static void run_replay(void)
{
    for (int i = 0; i < CALLS; i++)
        if (bt_function_gradient(function, workspace, 0, points + 2 * (i % COUNT), values,
                                 gradients) != CT_OK)
            abort();
}

static void run_hvp(void)
{
    for (int i = 0; i < CALLS; i++)
        if (bt_function_hvp(function, workspace, 0, points + 2 * (i % COUNT), points, values,
                            gradients, gradients + 2) != CT_OK)
            abort();
}

static void run_batch(void)
{
    for (int i = 0; i < CALLS / COUNT; i++)
        if (bt_function_gradient_batch(function, workspace, 0, COUNT, points, values, gradients) !=
            CT_OK)
            abort();
}

static void run_compiled(void)
{
    for (int i = 0; i < CALLS; i++)
        compiled(points + 2 * (i % COUNT), values, gradients);
}

static void run_hand(void)
{
    for (int i = 0; i < CALLS; i++)
        hand(points + 2 * (i % COUNT), values, gradients);
}

static void measure(const char *graph)
{
    static const struct {
        const char *name;
        void (*run)(void);
        int points;
    } cases[] = {{"record_and_sweep_ns", run_tape, CALLS},
                 {"values_ns", run_values, CALLS},
                 {"replay_ns", run_replay, CALLS},
                 {"hvp_ns", run_hvp, CALLS},
                 {"batch_ns_per_point", run_batch, CALLS / COUNT * COUNT},
                 {"emitted_ns", run_compiled, CALLS},
                 {"hand_written_ns", run_hand, CALLS}};
    enum { CASES = sizeof cases / sizeof *cases };
    double ns[CASES][BLOCKS];
    for (int b = 0; b < BLOCKS; b++)
        for (int c = 0; c < CASES; c++) {
            if (cases[c].run == run_hand && !hand)
                continue;
            const double start = ct_time_thread_cpu_s();
            cases[c].run();
            ns[c][b] = (ct_time_thread_cpu_s() - start) * 1e9 / cases[c].points;
        }
    printf("{\"graph\":\"%s\",\"operations\":%zu,\"simd\":\"%s\"", graph,
           bt_function_operations(function), ct_kernels_get()->name);
    for (int c = 0; c < CASES; c++) {
        if (cases[c].run == run_hand && !hand)
            continue;
        printf(",\"%s\":%.2f", cases[c].name, bench_median(ns[c], BLOCKS));
    }
    printf("}\n");
    fflush(stdout);
}

/* The two ways by hand and by machine give the same. */
static void check(const char *graph)
{
    for (int i = 0; hand && i < COUNT; i++) {
        double y[2], g[4];
        compiled(points + 2 * i, y, g);
        hand(points + 2 * i, y + 1, g + 2);
        for (int k = 0; k < 2; k++)
            if (fabs(g[k] - g[2 + k]) > 1e-9 * fabs(g[k]) || fabs(y[0] - y[1]) > 1e-9 * fabs(y[0]))
                fprintf(stderr, "%s: %g is not %g\n", graph, g[k], g[2 + k]);
    }
}

static bool bench(const char *graph, record_fn *record, bt_compiled_fn *by_hand)
{
    ct_diag diag = {""};
    bt_compiled *code = NULL;
    bt_tape_reset(tape);
    const bt_var x[2] = {bt_variable(tape, -4), bt_variable(tape, 2)}, y = record(x[0], x[1]);
    recorded = record;
    hand = by_hand;
    if (bt_function_capture(&function, x, 2, &y, 1, &diag) != CT_OK ||
        bt_workspace_create(&workspace, function) != CT_OK ||
        bt_function_compile(&code, function, NULL, &diag) != CT_OK) {
        fprintf(stderr, "%s: %s\n", graph, diag.text);
        return false;
    }
    compiled = bt_compiled_function(code);
    check(graph);
    measure(graph);
    bt_compiled_destroy(code);
    bt_workspace_destroy(workspace);
    bt_function_destroy(function);
    return true;
}

int main(void)
{
    if (bt_tape_create(&tape) != CT_OK)
        return 1;
    for (int i = 0; i < 2 * COUNT; i++)
        points[i] = i % 2 ? 2 + 1e-4 * i : -4 + 1e-4 * i;
    const bool ok = bench("tiny", record_tiny, hand_tiny) &&
                    bench("small", record_small, hand_small) &&
                    bench("neuron", record_smooth, NULL);
    bt_tape_destroy(tape);
    return ok ? 0 : 1;
}
