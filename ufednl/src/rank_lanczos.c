// SPDX-License-Identifier: MIT
/* The eigenpairs of largest magnitude by the Lanczos process with full reorthogonalisation: a few
 * dozen products with D instead of all eigenpairs. Differences of Hessians have few large
 * eigenvalues, and an approximate eigenvector costs only the square of its error.
 *
 * What it finds is checked: residuals, and that the pairs hold the share of the norm that Rank-R
 * promises (a Krylov space holds one direction of each eigenspace, so that of equal eigenvalues
 * some may be missed). Where either fails, or the space is exhausted, the caller solves for all. */
#include "compress_private.h"

#include <ctrain/blas.h>
#include <ctrain/kernels.h>
#include <math.h>

enum {
    SMALLEST = 64,   // columns from which on this pays
    FIRST_CHECK = 8, // steps until convergence is looked at, and from then on at least
    MOST_STEPS = 96  // beyond which solving for all is as good; two more for every pair
};
static const double tolerance = 1e-6;  // of residuals, relative to the largest eigenvalue
static const double exhausted = 1e-12; // of what a product adds to the space

size_t fednl__lanczos_steps(size_t rank, size_t active)
{
    if (active < SMALLEST || rank > active / 16)
        return 0;
    size_t most = MOST_STEPS + 2 * rank;
    return most < active / 2 ? most : active / 2;
}

/* One process: D q_j = beta_j-1 q_j-1 + alpha_j q_j + beta_j q_j+1. */
typedef struct process {
    size_t active, steps;
    const double *v; // D, packed
    fednl__compress_work *work;
} process;

/* y = D x, column by column of the upper triangle. */
static void multiply(double *y, const process *p, const double *x)
{
    const ct_kernels_f64 *kernels = &ct_kernels_get()->f64;
    const double *column = p->v;
    memset(y, 0, p->active * sizeof *y);
    for (size_t c = 0; c < p->active; c++) {
        kernels->axpy(y, x[c], column, c);
        y[c] += kernels->dot(column, x, c + 1);
        column += c + 1;
    }
}

/* Extend the space by one direction; false when there is none left, or numbers fail. */
static bool extend(process *p)
{
    const ct_kernels_f64 *kernels = &ct_kernels_get()->f64;
    const size_t a = p->active, step = p->steps++;
    const double *basis = p->work->basis, *q = basis + step * a;
    double *next = p->work->basis + (step + 1) * a;
    multiply(next, p, q);
    double before = sqrt(kernels->norm2_squared(next, a));
    p->work->on_diagonal[step] = kernels->dot(q, next, a);
    for (int pass = 0; pass < 2; pass++) // twice is enough (Parlett, Kahan)
        for (size_t j = 0; j <= step; j++)
            kernels->axpy(next, -kernels->dot(basis + j * a, next, a), basis + j * a, a);
    double beta = sqrt(kernels->norm2_squared(next, a));
    p->work->off_diagonal[step] = beta;
    kernels->scal(next, 1.0 / beta, a);
    return beta > exhausted * before && isfinite(beta);
}

/* Eigenpairs of the tridiagonal matrix: row i of work->matrix belongs to work->spectrum[i]. */
static bool solve_projected(const process *p)
{
    const size_t m = p->steps;
    double *t = p->work->matrix;
    memset(t, 0, m * m * sizeof *t);
    for (size_t i = 0; i < m; i++) {
        t[i * m + i] = p->work->on_diagonal[i];
        if (i > 0)
            t[i * m + i - 1] = p->work->off_diagonal[i - 1];
    }
    return ct_blas_syev_f64(m, t, m, p->work->spectrum) == CT_OK;
}

/* ||D u - theta u|| of the pairs of largest magnitude, from the last components of their vectors.
 */
static bool converged(const process *p, size_t rank)
{
    const size_t m = p->steps;
    const double *spectrum = p->work->spectrum, *t = p->work->matrix;
    double largest = fmax(fabs(spectrum[0]), fabs(spectrum[m - 1]));
    size_t low = 0, high = m;
    for (size_t r = 0; r < rank; r++) {
        size_t i = fednl__next_largest(spectrum, &low, &high);
        if (!(p->work->off_diagonal[m - 1] * fabs(t[i * m + m - 1]) <= tolerance * largest))
            return false;
    }
    return true;
}

static void take_pairs(const process *p, size_t rank)
{
    const size_t m = p->steps, a = p->active;
    fednl__compress_work *work = p->work;
    memset(work->vector, 0, rank * a * sizeof *work->vector);
    size_t low = 0, high = m;
    for (size_t r = 0; r < rank; r++) {
        size_t i = fednl__next_largest(work->spectrum, &low, &high);
        work->eigenvalue[r] = work->spectrum[i];
        for (size_t j = 0; j < m; j++)
            ct_kernels_get()->f64.axpy(work->vector + r * a, work->matrix[i * m + j],
                                       work->basis + j * a, a);
    }
}

/* sum lambda_r^2 >= R/a ||D||_F^2: what the largest pairs have for certain. */
static bool holds_its_share(const process *p, size_t rank)
{
    const size_t a = p->active;
    double whole = 2.0 * ct_kernels_get()->f64.norm2_squared(p->v, a * (a + 1) / 2), held = 0.0;
    for (size_t c = 0; c < a; c++)
        whole -= p->v[fednl__position(c, c)] * p->v[fednl__position(c, c)];
    for (size_t r = 0; r < rank; r++)
        held += p->work->eigenvalue[r] * p->work->eigenvalue[r];
    return held * (double)a >= whole * (double)rank;
}

static void start(const process *p, ct_rng *rng)
{
    const ct_kernels_f64 *kernels = &ct_kernels_get()->f64;
    double *q = p->work->basis;
    ct_rng_fill_uniform_f64(rng, q, p->active, -1.0, 1.0);
    kernels->scal(q, 1.0 / sqrt(kernels->norm2_squared(q, p->active)), p->active);
}

bool fednl__lanczos(size_t rank, size_t active, const double *v, ct_rng *rng,
                    fednl__compress_work *work)
{
    process p = {.active = active, .v = v, .work = work};
    const size_t most = fednl__lanczos_steps(rank, active);
    size_t check = rank + FIRST_CHECK;
    if (most > 0)
        start(&p, rng);
    while (p.steps < most && extend(&p)) {
        if (p.steps < check)
            continue;
        if (!solve_projected(&p))
            return false;
        if (converged(&p, rank)) {
            take_pairs(&p, rank);
            return holds_its_share(&p, rank);
        }
        check += check / 4 > FIRST_CHECK ? check / 4 : FIRST_CHECK;
    }
    return false;
}
