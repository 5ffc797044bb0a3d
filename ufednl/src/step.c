// SPDX-License-Identifier: MIT
/* The steps of Newton's method and its relatives: shifted, projected, cubic. Each begins with the
 * same triangle H, which stays as it is. */
#include "step.h"

#include "rows.h"

#include <ctrain/blas.h>
#include <ctrain/kernels.h>
#include <float.h>
#include <math.h>
#include <string.h>

void fednl__system_layout(fednl__system *system, ct_arena *arena)
{
    // An odd multiple of 64 bytes: the rows of a block then spread over all sets of a cache.
    system->stride = ((system->d + 7) / 8 | 1) * 8;
    system->factor = ct_arena_calloc(arena, system->d, system->stride * sizeof(double));
    system->eigenvalue = ct_arena_array(arena, double, system->d);
    system->scratch = ct_arena_array(arena, double, system->d);
}

/* Columns first … last - 1 of -H into the upper triangle of factor. */
static void load_columns(const fednl__system *system, size_t first, size_t last)
{
    for (size_t row = 0; row < last; row++)
        for (size_t c = row > first ? row : first; c < last; c++)
            system->factor[row * system->stride + c] = -system->h[fednl__position(row, c)];
}

/* The factor of H + diag(ridge) + shift I. */
static ct_status factor(const fednl__system *system, double shift)
{
    size_t d = system->d, stride = system->stride;
    for (size_t c = 0; c < d; c += 8) // whole lines of factor are written
        load_columns(system, c, c + 8 < d ? c + 8 : d);
    for (size_t c = 0; c < d; c++)
        system->factor[c * stride + c] -= system->ridge[c] + shift;
    return fednl__cholesky_factor(d, system->factor, stride) == CT_OK ? CT_OK : FEDNL_EFACTOR;
}

/* out = A^-1 in, by the factor that is there. */
static void solve(const fednl__system *system, const double *in, double *out)
{
    memcpy(out, in, system->d * sizeof *out);
    fednl__cholesky_solve(system->d, system->factor, system->stride, out);
}

ct_status fednl__step_shifted(fednl__system *system, double shift, const double *g, double *step)
{
    CT_TRY(factor(system, shift));
    solve(system, g, step);
    return CT_OK;
}

/* What the rounding of a factorisation can move eigenvalues by. */
static double rounding(const fednl__system *system)
{
    double largest = 0.0;
    for (size_t c = 0; c < system->d; c++)
        largest = fmax(largest, system->h[fednl__position(c, c)] + system->ridge[c]);
    return DBL_EPSILON * (double)system->d * largest;
}

/* Eigenvalues and eigenvectors, the rows of factor. */
static ct_status decompose(const fednl__system *system, ct_diag *diag)
{
    size_t d = system->d;
    CT_TRY(ct_blas_open(diag));
    for (size_t c = 0; c < d; c++) { // column c of the upper triangle is row c of the lower
        double *row = system->factor + c * system->stride;
        memcpy(row, system->h + fednl__position(0, c), (c + 1) * sizeof *row);
        row[c] += system->ridge[c];
    }
    ct_status status = ct_blas_syev_f64(d, system->factor, system->stride, system->eigenvalue);
    return status == CT_OK ? CT_OK
                           : ct_fail(diag, status, "eigenvalues of the Hessian estimate: %s",
                                     ct_status_text(status));
}

ct_status fednl__step_projected(fednl__system *system, double mu, const double *g, double *step,
                                ct_diag *diag)
{
    if (factor(system, rounding(system) - mu * (1.0 - 1e-8)) == CT_OK &&
        fednl__step_shifted(system, 0.0, g, step) == CT_OK)
        return CT_OK;
    CT_TRY(decompose(system, diag));
    const ct_kernels_f64 *kernels = &ct_kernels_get()->f64;
    size_t d = system->d;
    memset(step, 0, d * sizeof *step);
    for (size_t i = 0; i < d; i++) {
        const double *v = system->factor + i * system->stride;
        kernels->axpy(step, kernels->dot(v, g, d) / fmax(system->eigenvalue[i], mu), v, d);
    }
    return CT_OK;
}

/* With s(l) = (A + l I)^-1 g, the minimiser is -s(l) for the l >= 0 with l = cubic/2 ||s(l)||, or
 *
 *     1/||s(l)|| = cubic / (2 l).
 *
 * The left side is concave in l (and a straight line where all eigenvalues are equal). With its
 * tangent in its place the equation is quadratic; its positive root is never beyond that of the
 * true one, so that after the first iteration l only grows. Where l has come to 1e-7 of itself, the
 * rest is a first-order correction, wrong by 1e-14. */
ct_status fednl__step_cubic(fednl__system *system, double shift, double cubic, const double *g,
                            double *step)
{
    const ct_kernels_f64 *kernels = &ct_kernels_get()->f64;
    size_t d = system->d;
    double *w = system->scratch; // (A + l I)^-1 s
    double g_norm = sqrt(kernels->norm2_squared(g, d));
    if (g_norm == 0.0) {
        memset(step, 0, d * sizeof *step);
        return CT_OK;
    }
    double l = sqrt(0.5 * cubic * g_norm); // at least the root, as ||s(l)|| <= ||g|| / l
    for (bool first = true;; first = false) {
        CT_TRY(fednl__step_shifted(system, shift + l, g, step));
        solve(system, step, w);
        double norm = sqrt(kernels->norm2_squared(step, d));
        double slope = kernels->dot(step, w, d) / (norm * norm * norm); // of 1/||s(l)||
        double at_zero = 1.0 / norm - slope * l;                        // of the tangent
        double next = cubic / (at_zero + sqrt(at_zero * at_zero + 2.0 * cubic * slope));
        double change = next - l;
        if (fabs(change) <= 1e-7 * next || (!first && change <= 0.0)) {
            kernels->axpy(step, -change, w, d);
            return CT_OK;
        }
        l = next;
    }
}
