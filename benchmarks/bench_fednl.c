// SPDX-License-Identifier: MIT
/* How long do the methods take, a round and to ||grad f|| <= 1e-9, beside a naive sparse Newton
 * method over the same rows in one piece? One JSON line a measurement, medians of five interleaved
 * runs.
 *
 *     bench_fednl FILE [CLIENTS]        (LIBSVM text; 142 clients)
 */
#include "bench_median.h"

#include <ctrain/dataset.h>
#include <ctrain/json.h>
#include <ctrain/kernels.h>
#include <ctrain/timer.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ufednl/ufednl.h>

enum { REPETITIONS = 5 };

static const double lambda = 1e-3, tol = 1e-9;

typedef struct measurement {
    double setup_s[REPETITIONS], solve_s[REPETITIONS];
    size_t rounds;
    uint64_t bytes_up;
    double f, grad_norm;
} measurement;

/* ---- The naive method: dense triangle, sparse rank-1 updates, unblocked Cholesky ---- */

static void cholesky_solve(double *h, double *g, size_t d)
{
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = h[i * d + j];
            for (size_t k = 0; k < j; k++)
                sum -= h[i * d + k] * h[j * d + k];
            h[i * d + j] = i == j ? sqrt(sum) : sum / h[j * d + j];
        }
    }
    for (size_t i = 0; i < d; i++) {
        for (size_t k = 0; k < i; k++)
            g[i] -= h[i * d + k] * g[k];
        g[i] /= h[i * d + i];
    }
    for (size_t i = d; i-- > 0;) {
        for (size_t k = i + 1; k < d; k++)
            g[i] -= h[k * d + i] * g[k];
        g[i] /= h[i * d + i];
    }
}

/* Add row j with its intercept: loss, gradient, lower triangle of the Hessian. */
static double add_row(const ct_dataset *data, size_t j, double b, const double *x, double *g,
                      double *h)
{
    size_t begin = data->row_start[j], end = data->row_start[j + 1], n = data->cols, d = n + 1;
    double z = x[n], m = (double)data->rows;
    for (size_t e = begin; e < end; e++)
        z += data->val[e] * x[data->col[e]];
    double s = 1.0 / (1.0 + exp(b * z)), first = -b * s / m, second = s * (1.0 - s) / m;
    for (size_t e = begin; e < end; e++) {
        double v = second * data->val[e];
        g[data->col[e]] += first * data->val[e];
        h[n * d + data->col[e]] += v;
        for (size_t k = begin; k <= e; k++)
            h[data->col[e] * d + data->col[k]] += v * data->val[k];
    }
    g[n] += first;
    h[n * d + n] += second;
    return log1p(exp(-b * z)) / m;
}

static void run_naive(const ct_dataset *data, const double *sign, measurement *m, size_t repetition)
{
    size_t d = data->cols + 1;
    double *x = calloc(d, sizeof *x), *g = calloc(d, sizeof *g), *h = calloc(d * d, sizeof *h);
    double begin = ct_time_s();
    for (m->rounds = 0;; m->rounds++) {
        memset(g, 0, d * sizeof *g);
        memset(h, 0, d * d * sizeof *h);
        m->f = m->grad_norm = 0.0;
        for (size_t j = 0; j < data->rows; j++)
            m->f += add_row(data, j, sign[j], x, g, h);
        for (size_t c = 0; c < d; c++) {
            m->f += 0.5 * lambda * x[c] * x[c];
            g[c] += lambda * x[c];
            h[c * d + c] += lambda;
            m->grad_norm += g[c] * g[c];
        }
        m->grad_norm = sqrt(m->grad_norm);
        if (!(m->grad_norm > tol) || m->rounds == 100)
            break;
        cholesky_solve(h, g, d);
        for (size_t c = 0; c < d; c++)
            x[c] -= g[c];
    }
    m->solve_s[repetition] = ct_time_s() - begin;
    free(x);
    free(g);
    free(h);
}

/* ---- FedNL ---- */

typedef struct work {
    const char *name;
    fednl_algorithm algorithm;
    fednl_option option;
    fednl_compressor compressor;
    size_t clients; // 0: as on the command line
    size_t threads;
    measurement m;
} work;

static ct_status run_fednl(const ct_dataset *data, const fednl_options *opt, measurement *m,
                           size_t repetition, ct_diag *diag)
{
    fednl_solver *solver;
    fednl_result result;
    double begin = ct_time_s();
    CT_TRY(fednl_solver_create(&solver, data, opt, diag));
    m->setup_s[repetition] = ct_time_s() - begin;
    begin = ct_time_s();
    ct_status status = fednl_solver_run(solver, &result, diag);
    if (status == CT_OK) {
        m->solve_s[repetition] = ct_time_s() - begin;
        m->rounds = result.rounds;
        m->f = result.f;
        m->grad_norm = result.grad_norm;
        m->bytes_up = result.traffic.bytes_up;
    }
    fednl_solver_destroy(solver);
    return status;
}

static ct_status run_work(const ct_dataset *data, work *w, size_t clients, size_t repetition,
                          ct_diag *diag)
{
    fednl_options opt = fednl_options_default();
    opt.lambda = lambda;
    opt.tol = tol;
    opt.algorithm = w->algorithm;
    opt.option = w->option;
    opt.compressor = w->compressor;
    opt.clients = w->clients != 0 ? w->clients : clients;
    opt.threads = w->threads;
    return run_fednl(data, &opt, &w->m, repetition, diag);
}

/* ---- Report ---- */

static void print(const char *file, const char *method, size_t clients, size_t threads,
                  measurement *m)
{
    double solve = bench_median(m->solve_s, REPETITIONS),
           setup = bench_median(m->setup_s, REPETITIONS);
    printf("{\"bench\":\"fednl\",\"file\":\"%s\",\"method\":\"%s\",\"clients\":%zu,\"threads\":%zu,"
           "\"rounds\":%zu,\"ms_a_round\":%.3f,\"setup_s\":%.4f,\"solve_s\":%.4f,\"bytes_up\":%llu,"
           "\"f\":%.15g,\"grad_norm\":%.2e,\"kernels\":\"%s\"}\n",
           file, method, clients, threads, m->rounds, 1e3 * solve / (double)(m->rounds + 1), setup,
           solve, (unsigned long long)m->bytes_up, m->f, m->grad_norm, ct_kernels_get()->name);
    fflush(stdout);
}

#define FEDNL_B(title, of, n_threads)                                                              \
    {                                                                                              \
        .name = title, .algorithm = FEDNL_ALGORITHM_FEDNL, .option = FEDNL_OPTION_B,               \
        .compressor = of, .threads = n_threads                                                     \
    }

static ct_status measure(const char *file, const ct_dataset *data, const double *sign,
                         size_t clients, ct_diag *diag)
{
    work works[] = {
        {.name = "default", .algorithm = FEDNL_ALGORITHM_LS, .clients = 1, .threads = 1},
        {.name = "lbfgs", .algorithm = FEDNL_ALGORITHM_LBFGS, .clients = 1, .threads = 1},
        {.name = "default", .algorithm = FEDNL_ALGORITHM_LS, .threads = 1},
        FEDNL_B("fednl identity", FEDNL_COMPRESSOR_IDENTITY, 1),
        FEDNL_B("fednl topk", FEDNL_COMPRESSOR_TOPK, 1),
        FEDNL_B("fednl toplek", FEDNL_COMPRESSOR_TOPLEK, 1),
        FEDNL_B("fednl randk", FEDNL_COMPRESSOR_RANDK, 1),
        FEDNL_B("fednl randseqk", FEDNL_COMPRESSOR_RANDSEQK, 1),
        FEDNL_B("fednl natural", FEDNL_COMPRESSOR_NATURAL, 1),
        FEDNL_B("fednl identity", FEDNL_COMPRESSOR_IDENTITY, 2),
        FEDNL_B("fednl topk", FEDNL_COMPRESSOR_TOPK, 2),
    };
    enum { WORKS = sizeof works / sizeof *works };
    measurement naive = {0};
    for (size_t r = 0; r < REPETITIONS; r++) {
        for (size_t i = 0; i < WORKS; i++)
            CT_TRY(run_work(data, &works[i], clients, r, diag));
        run_naive(data, sign, &naive, r);
    }
    for (size_t i = 0; i < WORKS; i++)
        print(file, works[i].name, works[i].clients != 0 ? works[i].clients : clients,
              works[i].threads, &works[i].m);
    print(file, "naive sparse newton", 1, 1, &naive);
    return CT_OK;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: bench_fednl FILE [CLIENTS]\n", stderr);
        return 2;
    }
    ct_dataset *data = NULL;
    ct_diag diag = {0};
    double pair[2], *sign = NULL;
    ct_status status = ct_dataset_read_libsvm(&data, argv[1], NULL, &diag);
    if (status == CT_OK) {
        sign = calloc(data->rows, sizeof *sign);
        status = sign != NULL ? ct_dataset_binary_labels(data, sign, pair, &diag) : CT_ENOMEM;
    }
    if (status == CT_OK)
        status = measure(argv[1], data, sign, argc > 2 ? strtoul(argv[2], NULL, 10) : 142, &diag);
    if (status != CT_OK)
        fprintf(stderr, "bench_fednl: %s\n", diag.text);
    free(sign);
    ct_dataset_destroy(data);
    return status == CT_OK ? 0 : 1;
}
