// SPDX-License-Identifier: MIT
/* What the kernels gain: the small matrix product against OpenBLAS, the functions of mathematics
 * against loops over libm, sparse sums against plain loops. Both sides take turns in one run; each
 * figure is the median of ROUNDS. One JSON object a line; ratio > 1 says that we are faster.
 * Usage: bench_kernels [WORD]: only the lines whose bench is WORD (gemm, exp, log, …). */
#include "bench_median.h"

#include <ctrain/blas.h>
#include <ctrain/kernels.h>
#include <ctrain/timer.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 41, LONGEST = 1 << 14 };

typedef void (*work_function)(const void *context);

static double seconds_of(work_function work, const void *context, long calls)
{
    double start = ct_time_s();
    for (long i = 0; i < calls; i++)
        work(context);
    return ct_time_s() - start;
}

/* Nanoseconds a call of each side, taking turns, in blocks of about 0.1 ms: short enough that most
 * are not interrupted by other processes. */
static void measure(double ns[2], const work_function work[2], const void *context)
{
    double times[2][ROUNDS];
    long calls[2];
    for (int side = 0; side < 2; side++) {
        calls[side] = 1;
        while (seconds_of(work[side], context, calls[side]) < 1e-4)
            calls[side] *= 2;
    }
    for (int round = 0; round < ROUNDS; round++)
        for (int side = 0; side < 2; side++)
            times[side][round] = seconds_of(work[side], context, calls[side]) / (double)calls[side];
    for (int side = 0; side < 2; side++)
        ns[side] = 1e9 * bench_median(times[side], ROUNDS);
}

static void fill_f32(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(i * 2654435761U % 1000) / 500 - 1;
}

static void fill_f64(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (double)(i * 2654435761U % 1000) / 500 - 1;
}

struct product {
    const ct_kernels *kernels;
    int ta, tb;
    size_t m, n, k;
    void *a, *b, *c;
};

static void ours_f32(const void *context)
{
    const struct product *p = context;
    p->kernels->f32.gemm(p->ta, p->tb, p->m, p->n, p->k, p->a, p->ta ? p->m : p->k, p->b,
                         p->tb ? p->k : p->n, 0, p->c, p->n);
}

static void blas_f32(const void *context)
{
    const struct product *p = context;
    ct_blas_gemm_f32(p->ta, p->tb, p->m, p->n, p->k, 1, p->a, p->ta ? p->m : p->k, p->b,
                     p->tb ? p->k : p->n, 0, p->c, p->n);
}

static void ours_f64(const void *context)
{
    const struct product *p = context;
    p->kernels->f64.gemm(p->ta, p->tb, p->m, p->n, p->k, p->a, p->ta ? p->m : p->k, p->b,
                         p->tb ? p->k : p->n, 0, p->c, p->n);
}

static void blas_f64(const void *context)
{
    const struct product *p = context;
    ct_blas_gemm_f64(p->ta, p->tb, p->m, p->n, p->k, 1, p->a, p->ta ? p->m : p->k, p->b,
                     p->tb ? p->k : p->n, 0, p->c, p->n);
}

static void *new_array(size_t n, int wide)
{
    void *x = aligned_alloc(64, (n * (wide ? 8 : 4) + 63) / 64 * 64);
    if (x == NULL)
        abort();
    if (wide)
        fill_f64(x, n);
    else
        fill_f32(x, n);
    return x;
}

/* Returns log(ratio). */
static double bench_product(const ct_kernels *kernels, int wide, int transposes, size_t m, size_t n,
                            size_t k)
{
    static const work_function work[2][2] = {{ours_f32, blas_f32}, {ours_f64, blas_f64}};
    double ns[2];
    struct product p = {.kernels = kernels,
                        .ta = transposes & 1,
                        .tb = transposes >> 1,
                        .m = m,
                        .n = n,
                        .k = k,
                        .a = new_array(m * k, wide),
                        .b = new_array(k * n, wide),
                        .c = new_array(m * n, wide)};
    measure(ns, work[wide], &p);
    printf("{\"bench\":\"gemm\",\"type\":\"%s\",\"op\":\"%c%c\",\"m\":%zu,\"n\":%zu,\"k\":%zu,"
           "\"table\":\"%s\",\"ours_ns\":%.1f,\"blas_ns\":%.1f,\"ours_gflops\":%.1f,"
           "\"ratio\":%.2f}\n",
           wide ? "f64" : "f32", p.ta ? 'T' : 'N', p.tb ? 'T' : 'N', m, n, k, kernels->name, ns[0],
           ns[1], 2e-9 * (double)m * (double)n * (double)k / (ns[0] * 1e-9), ns[1] / ns[0]);
    fflush(stdout);
    free(p.a);
    free(p.b);
    free(p.c);
    return log(ns[1] / ns[0]);
}

static void bench_products(const ct_kernels *kernels)
{
    static const size_t shapes[][3] = {
        {1, 1, 1},       {2, 2, 2},    {4, 4, 4},    {8, 8, 8},     {16, 16, 16},
        {24, 24, 24},    {32, 32, 32}, {48, 48, 48}, {64, 64, 64},  {96, 96, 96},
        {128, 128, 128}, {1, 24, 24},  {1, 64, 64},  {1, 128, 128}, {24, 1, 24},
        {128, 1, 128},   {64, 27, 64}, {64, 64, 27}, {64, 27, 128}, {8, 24, 24},
        {8, 96, 24},     {8, 24, 96},  {8, 8, 4},    {1, 27, 64},   {64, 64, 1024},
        {3, 5, 7},       {13, 17, 19}, {31, 33, 35}, {65, 65, 65},  {100, 100, 100},
        {12, 2, 128},    {128, 10, 64}};
    enum { SHAPES = sizeof shapes / sizeof *shapes };
    for (int wide = 0; wide < 2; wide++) {
        for (int transposes = 0; transposes < 4; transposes++) {
            double logs = 0;
            for (size_t i = 0; i < SHAPES; i++)
                logs += bench_product(kernels, wide, transposes, shapes[i][0], shapes[i][1],
                                      shapes[i][2]);
            printf("{\"bench\":\"gemm\",\"type\":\"%s\",\"op\":\"%c%c\",\"table\":\"%s\","
                   "\"blas\":\"%s\",\"geometric_mean_ratio\":%.2f}\n",
                   wide ? "f64" : "f32", transposes & 1 ? 'T' : 'N', transposes >> 1 ? 'T' : 'N',
                   kernels->name, ct_blas_description(), exp(logs / SHAPES));
        }
    }
}

struct arrays {
    void (*f32)(float *out, const float *x, size_t n);
    void (*f64)(double *out, const double *x, size_t n);
    void (*libm_f32)(float *out, const float *x, size_t n);
    void (*libm_f64)(double *out, const double *x, size_t n);
    size_t n;
};

static float x_f32[LONGEST], y_f32[LONGEST];
static double x_f64[LONGEST], y_f64[LONGEST];
static uint32_t sparse_index[LONGEST];
static volatile double sink;

static void map_f32(const void *context)
{
    const struct arrays *s = context;
    s->f32(y_f32, x_f32, s->n);
}

static void map_f64(const void *context)
{
    const struct arrays *s = context;
    s->f64(y_f64, x_f64, s->n);
}

static void libm_map_f32(const void *context)
{
    const struct arrays *s = context;
    s->libm_f32(y_f32, x_f32, s->n);
}

static void libm_map_f64(const void *context)
{
    const struct arrays *s = context;
    s->libm_f64(y_f64, x_f64, s->n);
}

/* The scalar table is a loop over libm. */
static void bench_function(const char *name, const char *table, struct arrays *s)
{
    static const work_function work[2][2] = {{map_f32, libm_map_f32}, {map_f64, libm_map_f64}};
    for (int wide = 0; wide < 2; wide++) {
        double ns[2];
        measure(ns, work[wide], s);
        printf("{\"bench\":\"%s\",\"type\":\"%s\",\"n\":%zu,\"table\":\"%s\",\"ours_ns\":%.3f,"
               "\"libm_ns\":%.3f,\"ratio\":%.2f}\n",
               name, wide ? "f64" : "f32", s->n, table, ns[0] / (double)s->n, ns[1] / (double)s->n,
               ns[1] / ns[0]);
    }
}

struct sparse {
    const ct_kernels *ours, *scalar;
    size_t n;
};

static void sparse_ours_f32(const void *context)
{
    const struct sparse *s = context;
    sink = (double)s->ours->f32.sparse_dot(y_f32, sparse_index, s->n, x_f32);
}

static void sparse_scalar_f32(const void *context)
{
    const struct sparse *s = context;
    sink = (double)s->scalar->f32.sparse_dot(y_f32, sparse_index, s->n, x_f32);
}

static void sparse_ours_f64(const void *context)
{
    const struct sparse *s = context;
    sink = s->ours->f64.sparse_dot(y_f64, sparse_index, s->n, x_f64);
}

static void sparse_scalar_f64(const void *context)
{
    const struct sparse *s = context;
    sink = s->scalar->f64.sparse_dot(y_f64, sparse_index, s->n, x_f64);
}

static void bench_sparse(const ct_kernels *kernels, size_t n)
{
    static const work_function work[2][2] = {{sparse_ours_f32, sparse_scalar_f32},
                                             {sparse_ours_f64, sparse_scalar_f64}};
    struct sparse s = {kernels, ct_kernels_of(CT_SIMD_SCALAR), n};
    for (int wide = 0; wide < 2; wide++) {
        double ns[2];
        measure(ns, work[wide], &s);
        printf("{\"bench\":\"sparse_dot\",\"type\":\"%s\",\"n\":%zu,\"table\":\"%s\","
               "\"ours_ns\":%.1f,\"scalar_ns\":%.1f,\"ratio\":%.2f}\n",
               wide ? "f64" : "f32", n, kernels->name, ns[0], ns[1], ns[1] / ns[0]);
    }
}

static bool wanted(int argc, char **argv, const char *name)
{
    return argc < 2 || strcmp(argv[1], name) == 0;
}

int main(int argc, char **argv)
{
    const ct_kernels *k = ct_kernels_get(), *libm = ct_kernels_of(CT_SIMD_SCALAR);
    fill_f32(x_f32, LONGEST);
    fill_f64(x_f64, LONGEST);
    fill_f32(y_f32, LONGEST);
    fill_f64(y_f64, LONGEST);
    for (size_t i = 0; i < LONGEST; i++)
        sparse_index[i] = (uint32_t)(i * 2654435761U % 4096);
    ct_diag diag = {{0}};
    if (wanted(argc, argv, "gemm")) {
        if (ct_blas_open(&diag) != CT_OK) {
            fprintf(stderr, "bench_kernels: %s\n", diag.text);
            return 1;
        }
        bench_products(k);
    }
    const struct {
        const char *name;
        struct arrays arrays;
        bool positive; // the arguments; asked for last, as it changes them
    } functions[] = {
        {"exp", {k->f32.exp, k->f64.exp, libm->f32.exp, libm->f64.exp, 1024}, false},
        {"tanh", {k->f32.tanh, k->f64.tanh, libm->f32.tanh, libm->f64.tanh, 1024}, false},
        {"sigmoid",
         {k->f32.sigmoid, k->f64.sigmoid, libm->f32.sigmoid, libm->f64.sigmoid, 1024},
         false},
        {"softplus",
         {k->f32.softplus, k->f64.softplus, libm->f32.softplus, libm->f64.softplus, 1024},
         false},
        {"log", {k->f32.log, k->f64.log, libm->f32.log, libm->f64.log, 1024}, true},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (wanted(argc, argv, functions[i].name)) {
            struct arrays s = functions[i].arrays;
            for (size_t j = 0; functions[i].positive && j < s.n; j++) {
                x_f32[j] = fabsf(x_f32[j]) + 1e-3F;
                x_f64[j] = fabs(x_f64[j]) + 1e-3;
            }
            bench_function(functions[i].name, k->name, &s);
        }
    for (size_t n = 12; wanted(argc, argv, "sparse_dot") && n <= 4096; n *= 8)
        bench_sparse(k, n);
    return 0;
}
