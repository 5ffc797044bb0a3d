// SPDX-License-Identifier: MIT
/* Every operation on tensors that has `bench` inputs in its declaration (tests/burtorch/
 * tensor_cases_*.h), forward and backward, in both precisions, with the code of every instruction
 * set this machine has. One JSON object a line: nanoseconds a run (medians of ROUNDS; the nodes of
 * the operation alone, timed one by one), and GB/s of values and gradients read and written once
 * or, for products, GFLOP/s. Usage: bench_autodiff_ops [WORD [SIMD]]: only the cases that begin
 * with WORD, and the instruction set SIMD. */
#include "bench_median.h"
#include "graph_private.h"
#include "tensor_cases.h"

#include <burtorch/inspect.h>
#include <ctrain/rng.h>

enum { ROUNDS = 31 };

typedef struct bench {
    bt_graph *g;
    size_t first, last; // nodes of the operation
} bench;

static void check(ct_status status, const ct_diag *diag)
{
    if (status == CT_OK)
        return;
    fprintf(stderr, "%s\n", diag->text);
    exit(1);
}

static void fill(bt_tensor x, uint32_t bound, const tensor_case *c, ct_rng *rng)
{
    const size_t n = bt_tensor_size(x);
    double *numbers = malloc(n * sizeof *numbers);
    for (size_t i = 0; numbers && i < n; i++) {
        const double u = ct_rng_uniform(rng);
        numbers[i] = bound              ? (double)ct_rng_below(rng, bound)
                     : c->low < c->high ? c->low + (c->high - c->low) * u
                                        : ct_rng_normal(rng);
    }
    if (!numbers || !bt_tensor_write(x, numbers))
        abort();
    free(numbers);
}

/* The loss is the sum of the result, or the result where it is one number. */
static bench prepare(const tensor_case *c, bt_dtype dtype, ct_simd simd)
{
    bench b;
    inputs in;
    ct_diag diag;
    ct_rng rng;
    bt_tensor x[CASE_MAX_INPUTS];
    read_inputs(&in, c->bench);
    check(bt_graph_create(&b.g, dtype), &(ct_diag){.text = "out of memory"});
    b.g->simd = simd;
    for (size_t j = 0; j < in.n; j++)
        x[j] = declare_input(b.g, &in, j);
    b.first = b.g->n_nodes;
    bt_tensor loss = c->build(x);
    b.last = b.g->n_nodes;
    if (bt_tensor_size(loss) != 1)
        loss = bt_tensor_sum(loss, BT_ALL_AXES);
    check(bt_graph_plan(b.g, loss, &diag), &diag);
    ct_rng_init(&rng, 1, CT_RNG_USER, 0, 0);
    for (size_t j = 0; j < in.n; j++)
        fill(x[j], in.bounds[j], c, &rng);
    return b;
}

/* Seconds of the operation's nodes in one run: forward, backward. */
static void run(const bench *b, double seconds[2])
{
    ct_diag diag;
    check(bt_graph_profile_begin(b->g), &(ct_diag){.text = "out of memory"});
    check(bt_graph_forward(b->g, &diag), &diag);
    bt_graph_backward(b->g);
    seconds[0] = seconds[1] = 0;
    for (size_t i = b->first; i < b->last; i++) {
        seconds[0] += b->g->profile[i];
        seconds[1] += b->g->profile[b->g->n_nodes + i];
    }
}

/* Numbers read and written, or the operations of products, forward and backward. */
static void count_work(const bench *b, double numbers[2], double flops[2])
{
    numbers[0] = numbers[1] = flops[0] = flops[1] = 0;
    for (size_t i = b->first; i < b->last; i++) {
        const bt__node *node = &b->g->nodes[i];
        const bt__call *call = &b->g->calls[i];
        if (node->op == BT__VIEW)
            continue;
        const double product = 2.0 * (double)node->size * (double)node->product[2];
        numbers[0] += (double)node->size;
        numbers[1] += (double)node->size * (node->reads & BT__OUT ? 2 : 1);
        flops[0] += product;
        for (size_t j = 0; j < node->n_in; j++) {
            const double size = (double)call->in[j]->size;
            numbers[0] += size;
            numbers[1] += BT__WANTS(call, j) ? size : 0;
            numbers[1] += node->reads & BT__IN(j) ? size : 0;
            flops[1] += BT__WANTS(call, j) && j < 2 ? product : 0;
        }
    }
}

static void print_rate(const char *direction, double ns, double numbers, double flops,
                       bt_dtype dtype)
{
    printf(", \"%s_ns\": %.0f", direction, ns);
    if (flops > 0)
        printf(", \"%s_gflop_s\": %.2f", direction, flops / ns);
    else
        printf(", \"%s_gb_s\": %.2f", direction, numbers * (dtype == BT_F32 ? 4 : 8) / ns);
}

static void measure(const tensor_case *c, bt_dtype dtype, ct_simd simd)
{
    const bench b = prepare(c, dtype, simd);
    double seconds[2], numbers[2], flops[2], times[2][ROUNDS];
    for (int warm = 0; warm < 3; warm++)
        run(&b, seconds);
    for (size_t round = 0; round < ROUNDS; round++) {
        run(&b, seconds);
        times[0][round] = 1e9 * seconds[0];
        times[1][round] = 1e9 * seconds[1];
    }
    count_work(&b, numbers, flops);
    printf("{\"bench\": \"autodiff_ops\", \"case\": \"%s\", \"inputs\": \"%s\", \"dtype\": \"%s\", "
           "\"simd\": \"%s\"",
           c->name, c->bench, dtype == BT_F32 ? "f32" : "f64", ct_simd_name(simd));
    print_rate("forward", bench_median(times[0], ROUNDS), numbers[0], flops[0], dtype);
    print_rate("backward", bench_median(times[1], ROUNDS), numbers[1], flops[1], dtype);
    printf("}\n");
    fflush(stdout);
    bt_graph_destroy(b.g);
}

static void measure_case(const tensor_case *c, const char *only)
{
    for (int dtype = BT_F32; dtype <= BT_F64; dtype++)
        for (ct_simd simd = CT_SIMD_SCALAR; simd <= ct_cpu_simd(); simd++)
            if (ct_kernels_of(simd) && (!only || strcmp(only, ct_simd_name(simd)) == 0))
                measure(c, (bt_dtype)dtype, simd);
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "", *only = argc > 2 ? argv[2] : NULL;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (size_t i = 0; i < families[f].n; i++) {
            const tensor_case *c = &families[f].cases[i];
            if (c->bench && strncmp(c->name, word, strlen(word)) == 0)
                measure_case(c, only);
        }
    return 0;
}
