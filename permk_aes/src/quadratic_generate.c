// SPDX-License-Identifier: MIT
/* The random numbers of the quadratic: R = RandomState(seed).rand(N, d) = U S V^T,
 * A0 = U diag(s) V^T with s_k^2 evenly spaced from mu to L, b0 = A0 1 + 10 rand(N), both times
 * sqrt(N/2) and rounded to float.
 *
 * No singular vectors of length max(N, d) are needed: with the eigenvectors of the smaller Gram
 * matrix, A0 = (U diag(s/sigma) U^T) R for N <= d and R (V diag(s/sigma) V^T) otherwise. The
 * largest sigma belongs to the smallest s, as in the paper's program. */
#include "mt19937.h"
#include "quadratic_private.h"

#include <ctrain/arena.h>
#include <ctrain/blas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PANEL 256 // columns (or rows) of A0 computed at a time

/* Scratch of one generation. */
typedef struct workspace {
    size_t rows, d, k; // N, d, min(N, d)
    double *r;         // (rows, d)
    double *gram;      // (k, k) Gram matrix, then its eigenvectors in rows
    double *transform; // (k, k) U diag(s/sigma) U^T, or the same of V
    double *scaled;    // (k, k) diag(s/sigma) times the eigenvectors
    double *sigma;     // (k)    eigenvalues of the Gram matrix, ascending
    double *panel;     // (rows, PANEL) or (PANEL, d) of A0
    double *row_sum;   // (rows) A0 1
} workspace;

static double *doubles(size_t a, size_t b)
{
    size_t count = 0, bytes = 0;
    if (!ct_mul_size(&count, a, b) || !ct_mul_size(&bytes, count, sizeof(double)))
        return NULL;
    return malloc(bytes);
}

static void workspace_clear(workspace *w)
{
    free(w->r);
    free(w->gram);
    free(w->transform);
    free(w->scaled);
    free(w->sigma);
    free(w->panel);
    free(w->row_sum);
}

static ct_status workspace_init(workspace *w, size_t rows, size_t d)
{
    *w = (workspace){.rows = rows, .d = d, .k = rows < d ? rows : d};
    w->r = doubles(rows, d);
    w->gram = doubles(w->k, w->k);
    w->transform = doubles(w->k, w->k);
    w->scaled = doubles(w->k, w->k);
    w->sigma = doubles(w->k, 1);
    w->panel = rows <= d ? doubles(rows, PANEL) : doubles(PANEL, d);
    w->row_sum = calloc(rows, sizeof *w->row_sum);
    bool ok = w->r != NULL && w->gram != NULL && w->transform != NULL && w->scaled != NULL &&
              w->sigma != NULL && w->panel != NULL && w->row_sum != NULL;
    return ok ? CT_OK : CT_ENOMEM;
}

/* transform = sum_k (s_k / sigma_k) v_k v_k^T over the eigenvectors v_k of the Gram matrix. */
static ct_status compute_transform(workspace *w, double smoothness, double convexity)
{
    size_t k = w->k;
    ct_blas_syrk_f64(w->rows <= w->d ? 0 : 1, k, w->rows <= w->d ? w->d : w->rows, 1.0, w->r, w->d,
                     0.0, w->gram, k);
    CT_TRY(ct_blas_syev_f64(k, w->gram, k, w->sigma));
    if (!(w->sigma[0] > 1e-13 * w->sigma[k - 1]))
        return CT_ENUMERIC;
    for (size_t i = 0; i < k; i++) {
        double rank = (double)(k - 1 - i); // in descending order of sigma
        double s2 =
            k == 1 ? smoothness : (smoothness - convexity) * rank / (double)(k - 1) + convexity;
        double factor = sqrt(s2 / w->sigma[i]);
        for (size_t j = 0; j < k; j++)
            w->scaled[i * k + j] = factor * w->gram[i * k + j];
    }
    ct_blas_gemm_f64(1, 0, k, k, k, 1.0, w->gram, k, w->scaled, k, 0.0, w->transform, k);
    return CT_OK;
}

/* Store rows [row, row + m) x columns [column, column + n) of A0, scaled, as floats. */
static void store_panel(workspace *w, float *a, size_t row, size_t m, size_t column, size_t n,
                        double scale)
{
    for (size_t i = 0; i < m; i++) {
        const double *from = w->panel + i * n;
        float *to = a + (row + i) * w->d + column;
        double sum = 0;
        for (size_t j = 0; j < n; j++) {
            sum += from[j];
            to[j] = (float)(scale * from[j]);
        }
        w->row_sum[row + i] += sum;
    }
}

static void compute_a(workspace *w, float *a, double scale)
{
    if (w->rows <= w->d) {
        for (size_t c = 0; c < w->d; c += PANEL) {
            size_t n = w->d - c < PANEL ? w->d - c : PANEL;
            ct_blas_gemm_f64(0, 0, w->rows, n, w->rows, 1.0, w->transform, w->rows, w->r + c, w->d,
                             0.0, w->panel, n);
            store_panel(w, a, 0, w->rows, c, n, scale);
        }
        return;
    }
    for (size_t r = 0; r < w->rows; r += PANEL) {
        size_t m = w->rows - r < PANEL ? w->rows - r : PANEL;
        ct_blas_gemm_f64(0, 0, m, w->d, w->d, 1.0, w->r + r * w->d, w->d, w->transform, w->d, 0.0,
                         w->panel, w->d);
        store_panel(w, a, r, m, 0, w->d, scale);
    }
}

static ct_status generate_block(permk__quadratic *q, size_t rows,
                                const permk_quadratic_options *opt)
{
    workspace w;
    permk__mt19937 random;
    permk__mt19937_init(&random, opt->seed);
    ct_status status = workspace_init(&w, rows, q->d);
    if (status == CT_OK) {
        for (size_t i = 0; i < rows * q->d; i++)
            w.r[i] = permk__mt19937_real53(&random);
        status = compute_transform(&w, opt->smoothness, opt->convexity);
    }
    if (status == CT_OK) {
        double scale = sqrt((double)rows / 2.0);
        compute_a(&w, q->a, scale);
        for (size_t i = 0; i < rows; i++)
            q->b[i] = (float)(scale * (w.row_sum[i] + 10.0 * permk__mt19937_real53(&random)));
    }
    workspace_clear(&w);
    return status;
}

/* L_i = (2/m) lambda_max(A_i A_i^T): the largest over the clients, and the mean square. */
static ct_status clients_smoothness(permk_problem *problem, const permk__quadratic *q, size_t parts)
{
    size_t m = q->samples, d = q->d, k = m < d ? m : d;
    double *rows = doubles(m, d), *gram = doubles(k, k), *eigenvalue = doubles(k, 1);
    ct_status status = CT_OK;
    double max = 0, squares = 0;
    if (rows == NULL || gram == NULL || eigenvalue == NULL)
        status = CT_ENOMEM;
    for (size_t i = 0; i < parts && status == CT_OK; i++) {
        for (size_t j = 0; j < m * d; j++)
            rows[j] = (double)q->a[i * m * d + j];
        ct_blas_syrk_f64(m <= d ? 0 : 1, k, m <= d ? d : m, 2.0 / (double)m, rows, d, 0.0, gram, k);
        status = ct_blas_syev_f64(k, gram, k, eigenvalue);
        if (status == CT_OK) {
            max = fmax(max, eigenvalue[k - 1]);
            squares += eigenvalue[k - 1] * eigenvalue[k - 1];
        }
    }
    problem->max_smoothness = max;
    problem->mean_square_smoothness = sqrt(squares / (double)parts);
    free(rows);
    free(gram);
    free(eigenvalue);
    return status;
}

ct_status permk__quadratic_generate(permk__quadratic *q, const permk_quadratic_options *opt,
                                    permk_problem *problem, ct_diag *diag)
{
    CT_TRY(ct_blas_open(diag));
    q->clients = opt->clients;
    q->samples = opt->samples;
    q->d = opt->dimension;
    q->homogeneous = opt->homogeneous;
    size_t parts = opt->homogeneous ? 1 : opt->clients, rows = 0, entries = 0, bytes = 0;
    if (!ct_mul_size(&rows, parts, opt->samples) || !ct_mul_size(&entries, rows, opt->dimension) ||
        !ct_mul_size(&bytes, entries, sizeof *q->a))
        return ct_fail(diag, CT_ENOMEM,
                       "quadratic: %zu x %zu samples of %zu coordinates do not fit in memory",
                       parts, opt->samples, opt->dimension);
    q->a = malloc(bytes);
    q->b = malloc(rows * sizeof *q->b);
    q->residual = malloc(rows * sizeof *q->residual);
    q->residual_known = calloc(parts, sizeof *q->residual_known);
    if (q->a == NULL || q->b == NULL || q->residual == NULL || q->residual_known == NULL)
        return ct_fail(diag, CT_ENOMEM, "quadratic: %zu x %zu entries do not fit in memory", rows,
                       opt->dimension);
    ct_status status = generate_block(q, rows, opt);
    if (status == CT_OK)
        status = clients_smoothness(problem, q, parts);
    if (status == CT_ENUMERIC)
        return ct_fail(
            diag, status,
            "quadratic: the random %zu x %zu matrix has no full rank in double precision; "
            "take more or fewer samples than coordinates",
            rows, opt->dimension);
    return status == CT_OK ? CT_OK : ct_fail(diag, status, "quadratic: %s", ct_status_text(status));
}

void permk_torch_linear_init(double *x, size_t d, uint32_t seed)
{
    permk__mt19937 random;
    permk__mt19937_init(&random, seed);
    float to = (float)(1.0 / sqrt((double)d)), from = -to;
    for (size_t j = 0; j < d; j++) {
        float u = (float)(permk__mt19937_u32(&random) & 0xffffffU) * 0x1p-24f;
        x[j] = (double)(u * (to - from) + from);
    }
}
