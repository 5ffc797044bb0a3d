// SPDX-License-Identifier: MIT
/* Nanoseconds to record a small expression and sweep it back, against the naive tape anyone would
 * write (static arrays, no checks), in double and float; to compute a recorded one again; per node
 * of a long chain; and what a whole process with one gradient takes. JSON lines, one a case:
 * medians over short blocks, both sides in turn. Run pinned to a core: taskset -c 1
 * bin/bench_autodiff_scalar [--process-only] */
#include "bench_median.h"

#include <burtorch/tape.h>
#include <ctrain/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 2001, CALLS = 150, CHAIN = 2000000, CHAIN_BLOCKS = 7, PROCESSES = 51, N_MAX = 64 };

typedef enum naive_op { N_LEAF, N_ADD, N_SUB, N_MUL, N_DIV, N_SQR, N_CUB, N_RELU } naive_op;

static volatile double tiny_a = -41, tiny_b = 2, small_a = -4, small_b = 2;
static const bt_mark empty; // of a tape without nodes

static double block_ns(double (*run)(void), int calls, double *check)
{
    double sum = 0;
    const double start = ct_time_s();
    for (int i = 0; i < calls; i++)
        sum += run();
    *check = sum / calls;
    return (ct_time_s() - start) * 1e9 / calls;
}

/* The ratio is the median over pairs of blocks, one just after the other. */
static void compare(const char *precision, const char *graph, double (*ours)(void),
                    double (*peer)(void))
{
    static double a[BLOCKS], b[BLOCKS], ratio[BLOCKS];
    double check_a = 0, check_b = 0;
    for (int i = 0; i < BLOCKS; i++) {
        a[i] = block_ns(ours, CALLS, &check_a);
        b[i] = block_ns(peer, CALLS, &check_b);
        ratio[i] = a[i] / b[i];
    }
    const double middle_a = bench_median(a, BLOCKS), middle_b = bench_median(b, BLOCKS);
    printf("{\"graph\":\"%s\",\"precision\":\"%s\",\"burtorch_ns\":%.2f,\"naive_tape_ns\":%.2f,"
           "\"ratio\":%.3f,\"burtorch_min_ns\":%.2f,\"naive_tape_min_ns\":%.2f,"
           "\"gradient_sum\":%.9g,\"gradient_sum_naive\":%.9g}\n",
           graph, precision, middle_a, middle_b, bench_median(ratio, BLOCKS), a[0], b[0], check_a,
           check_b);
    fflush(stdout);
}

static void print_chain(const char *graph, const char *precision, double (*chain)(void),
                        double bytes)
{
    double ns[CHAIN_BLOCKS], check;
    for (int i = 0; i < CHAIN_BLOCKS; i++)
        ns[i] = block_ns(chain, 1, &check) / CHAIN;
    printf("{\"graph\":\"%s\",\"precision\":\"%s\",\"nodes\":%d,\"ns_per_node\":%.2f,"
           "\"bytes_per_node\":%.1f}\n",
           graph, precision, CHAIN, bench_median(ns, CHAIN_BLOCKS), bytes);
    fflush(stdout);
}

#define real double
#define TAPE tape_f64
static bt_tape *TAPE;
#define naive naive_f64
#include "autodiff_scalar_cases.h"
#undef real
#undef TAPE
#undef naive
#undef NV

/* What the process of a small program takes: this one, told to compute one gradient. */
static int one_gradient(void)
{
    if (bt_tape_create(&tape_f64) != CT_OK)
        return 1;
    const double sum = burtorch_tiny();
    bt_tape_destroy(tape_f64);
    return sum == 1015 ? 0 : 1;
}

static void measure_process(const char *self)
{
    double ms[PROCESSES];
    long rss_kb = 0;
    for (int i = 0; i < PROCESSES; i++) {
        const double start = ct_time_s();
        const pid_t child = fork();
        if (child == 0) {
            execl(self, self, "--one-gradient", (char *)NULL);
            _exit(127);
        }
        int status;
        struct rusage usage;
        if (child < 0 || wait4(child, &status, 0, &usage) != child || status != 0)
            abort();
        ms[i] = (ct_time_s() - start) * 1e3;
        rss_kb = usage.ru_maxrss > rss_kb ? usage.ru_maxrss : rss_kb;
    }
    printf("{\"graph\":\"process\",\"ms\":%.2f,\"max_rss_mb\":%.2f}\n", bench_median(ms, PROCESSES),
           (double)rss_kb / 1024);
}

static void run_f64(void)
{
    run_cases("f64");
}

#include "../tests/support/tape_as_float.h"
#define real                  float
#define TAPE                  tape_f32
#define naive                 naive_f32
#define naive_node            naive_nodef
#define n_leaf                n_leaff
#define n_add                 n_addf
#define n_sub                 n_subf
#define n_mul                 n_mulf
#define n_div                 n_divf
#define n_sqr                 n_sqrf
#define n_cub                 n_cubf
#define n_relu                n_reluf
#define naive_forward         naive_forwardf
#define naive_backward        naive_backwardf
#define naive_tiny            naive_tinyf
#define naive_small_record    naive_small_recordf
#define naive_small           naive_smallf
#define naive_replay          naive_replayf
#define burtorch_tiny         burtorch_tinyf
#define small_record          small_recordf
#define burtorch_small        burtorch_smallf
#define burtorch_replay       burtorch_replayf
#define burtorch_chain        burtorch_chainf
#define burtorch_chain_of_one burtorch_chain_of_onef
#define run_cases             run_casesf
static bt_tape *TAPE;
#include "autodiff_scalar_cases.h"

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--one-gradient") == 0)
        return one_gradient();
    measure_process(argv[0]);
    if (argc > 1)
        return 0;
    run_f64();
    run_cases("f32");
    return 0;
}
