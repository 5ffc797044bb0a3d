// SPDX-License-Identifier: MIT
/* The two scalar graphs without any recording: the function and its gradient written by hand, and
 * as CasADi generates it (casadi_graphs.c, from scalar_peers.py). Operands are read through
 * volatile, results added up: the throughput of a loop. One JSON line a graph; built by measure.py.
 *
 *     scalar_harness SECONDS
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int casadi_tiny(const double **operands, double **results, long long *iw, double *w, int memory);
int casadi_small(const double **operands, double **results, long long *iw, double *w, int memory);

typedef void gradient_function(double g[3], double a, double b);

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline void hand_tiny(double g[3], double a, double b)
{
    const double b2 = b * b, e = a + b - (a * b + b2 * b);
    g[0] = 0.5 * e * e;
    g[1] = e * (1 - b);
    g[2] = e * (1 - a - 3 * b2);
}

/* c = 4 (a + b) + 3 - a; d = 12 (ab + b^3) + 4 relu(b + a) + relu(b - a). */
static inline void hand_small(double g[3], double a, double b)
{
    const double b2 = b * b, plus = b + a > 0, minus = b - a > 0;
    const double c = 4 * (a + b) + 3 - a;
    const double d = 12 * (a * b + b2 * b) + 4 * plus * (b + a) + minus * (b - a);
    const double e = c - d, f = e * e, df = e - 20 * e / (f * f);
    g[0] = f / 2 + 10 / f;
    g[1] = df * (3 - 12 * b - 4 * plus + minus);
    g[2] = df * (4 - 12 * (a + 3 * b2) - 4 * plus - minus);
}

static inline void generated_tiny(double g[3], double a, double b)
{
    const double *operands[2] = {&a, &b};
    double *results[3] = {&g[0], &g[1], &g[2]};
    casadi_tiny(operands, results, NULL, NULL, 0);
}

static inline void generated_small(double g[3], double a, double b)
{
    const double *operands[2] = {&a, &b};
    double *results[3] = {&g[0], &g[1], &g[2]};
    double w[64];
    casadi_small(operands, results, NULL, w, 0);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nanoseconds a call, the median of blocks that take about `seconds` together and are too short to
 * be interrupted often; the last result in g. */
static inline __attribute__((always_inline)) double time_of(gradient_function *f, double g[3],
                                                            double a, double b, double seconds)
{
    enum { BLOCKS = 51, CHUNK = 20000 };
    volatile double a_read = a, b_read = b, sink;
    double ns[BLOCKS], sum = 0;
    for (int block = 0; block < BLOCKS; block++) {
        long calls = 0;
        const double start = now_s();
        double end;
        do {
            for (long i = 0; i < CHUNK; i++) {
                f(g, a_read, b_read);
                sum += g[0] + g[1] + g[2];
            }
            calls += CHUNK;
            end = now_s();
        } while (end - start < seconds / BLOCKS);
        ns[block] = (end - start) * 1e9 / (double)calls;
    }
    sink = sum;
    (void)sink;
    qsort(ns, BLOCKS, sizeof *ns, ascending);
    return ns[BLOCKS / 2];
}

static inline __attribute__((always_inline)) void print_graph(const char *name,
                                                              gradient_function *hand,
                                                              gradient_function *generated,
                                                              double a, double seconds)
{
    double g[3], h[3];
    const double hand_ns = time_of(hand, g, a, 2, seconds);
    const double generated_ns = time_of(generated, h, a, 2, seconds);
    printf("{\"graph\":\"%s\",\"c_by_hand_ns\":%.3f,\"casadi_generated_c_ns\":%.3f,"
           "\"by_hand\":[%.15g,%.15g,%.15g],\"generated\":[%.15g,%.15g,%.15g]}\n",
           name, hand_ns, generated_ns, g[0], g[1], g[2], h[0], h[1], h[2]);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    print_graph("tiny", hand_tiny, generated_tiny, -41, atof(argv[1]));
    print_graph("small", hand_small, generated_small, -4, atof(argv[1]));
    return 0;
}
