// SPDX-License-Identifier: MIT
/* The linear algebra of the server: factorisations and the steps of the methods. */
#ifndef UFEDNL_STEP_H
#define UFEDNL_STEP_H

#include <ctrain/arena.h>
#include <ctrain/status.h>
#include <stdbool.h>
#include <stddef.h>

/* A = U^T U, U upper triangular, for the symmetric A (n, n): the upper triangle of a, rows lda >= n
 * apart, holds -A before (so that all the products add) and U after; below the diagonal is scratch.
 * Blocked, on the kernels of common. CT_ENUMERIC: A is not positive definite or not finite. */
CT_MUST_USE ct_status fednl__cholesky_factor(size_t n, double *a, size_t lda);
/* b = A^-1 b. */
void fednl__cholesky_solve(size_t n, const double *u, size_t ldu, double *b);

/* The matrix of a step: H + diag(ridge), and room to factorise it. */
typedef struct fednl__system {
    size_t d;
    size_t stride;       // of rows of factor, a multiple of 64 bytes; set by layout
    const double *h;     // (d(d+1)/2) upper triangle column by column; borrowed
    const double *ridge; // (d)        lambda, 0 where a coordinate is not regularised; borrowed
    double *factor;      // (d, stride)
    double *eigenvalue;  // (d)
    double *scratch;     // (d)
} fednl__system;
/* Carve factor, eigenvalue and scratch. */
void fednl__system_layout(fednl__system *system, ct_arena *arena);

/* step = (H + diag(ridge) + shift I)^-1 g. FEDNL_EFACTOR: not positive definite or not finite. */
CT_MUST_USE ct_status fednl__step_shifted(fednl__system *system, double shift, const double *g,
                                          double *step);
/* step = [H + diag(ridge)]_mu^-1 g: eigenvalues below mu raised to mu > 0. Where a Cholesky
 * factorisation shows that none is below mu by more than 1e-8 mu and what rounding can do, none is
 * computed and all are left as they are; else dsyevd (OpenBLAS, opened by the call).
 * CT_EUNSUPPORTED, CT_ERANGE, CT_ENOMEM; CT_ENUMERIC: not finite. */
CT_MUST_USE ct_status fednl__step_projected(fednl__system *system, double mu, const double *g,
                                            double *step, ct_diag *diag);
/* step = -argmin over h of g^T h + 1/2 h^T (H + diag(ridge) + shift I) h + cubic/6 ||h||^3, to a
 * relative accuracy of 1e-12 in ||h||, or what the condition allows; cubic >= 0, H positive
 * semidefinite. FEDNL_EFACTOR: not positive definite (with cubic/2 ||h|| on the diagonal) or not
 * finite, g included. */
CT_MUST_USE ct_status fednl__step_cubic(fednl__system *system, double shift, double cubic,
                                        const double *g, double *step);

/* Limited-memory BFGS, the two-loop recursion (Nocedal, Wright, "Numerical Optimization", algorithm
 * 7.4). */
typedef struct fednl__lbfgs {
    size_t d, memory;
    size_t pairs, newest; // kept now; where the newest is
    double *s, *y;        // (memory + 1, d) the pairs, and room for one that is being looked at
    double *rho, *a;      // (memory + 1)
} fednl__lbfgs;
void fednl__lbfgs_layout(fednl__lbfgs *lbfgs, ct_arena *arena); // d and memory are set
/* Keep the pair s = x_new - x_old, y = g_new - g_old, unless its curvature s^T y is too small. */
void fednl__lbfgs_update(fednl__lbfgs *lbfgs, const double *x_new, const double *x_old,
                         const double *g_new, const double *g_old);
/* step = (approximate inverse Hessian) g. */
void fednl__lbfgs_step(fednl__lbfgs *lbfgs, const double *g, double *step);

#endif
