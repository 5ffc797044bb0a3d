// SPDX-License-Identifier: MIT
/* Large dense linear algebra: OpenBLAS, behind the few calls we make.
 *
 * libopenblas.so.0 is loaded at the first use and not before: a program that needs no large matrix
 * pays neither its start-up time nor its memory. It runs one thread (our threads call it). Loading
 * solves a trap: OpenBLAS 0.3.21 (Debian 12) takes processors it does not know for "Prescott" and
 * runs SSE3 kernels at a fifth of the speed. When OPENBLAS_CORETYPE is not set and OpenBLAS would
 * choose a core below what the processor has, it is loaded with the right one. A value that is set
 * is never overridden. A copy the program had loaded before is used as it is, with its core and its
 * threads. All matrices are row-major; ld is the distance of rows in elements, at least the row's
 * length. */
#ifndef CTRAIN_BLAS_H
#define CTRAIN_BLAS_H

#include <ctrain/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Load OpenBLAS. May be called any number of times from any thread; every call after a successful
 * one only returns. Solvers call it when they are created. CT_EUNSUPPORTED: not installed (diag
 * names the Debian package). The functions below must not be called before it has succeeded. While
 * it loads, the environment holds OPENBLAS_NUM_THREADS=1 (unless set) and perhaps
 * OPENBLAS_CORETYPE, and is then put back: no other thread may use setenv or getenv meanwhile. */
CT_MUST_USE ct_status ct_blas_open(ct_diag *diag);

/* "OpenBLAS 0.3.21, core SkylakeX"; "not loaded" before ct_blas_open has succeeded. Static storage.
 */
const char *ct_blas_description(void);

/* C (m x n) = alpha op(A) op(B) + beta C; C is not read when beta is 0. */
void ct_blas_gemm_f32(int ta, int tb, size_t m, size_t n, size_t k, float alpha, const float *a,
                      size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc);
void ct_blas_gemm_f64(int ta, int tb, size_t m, size_t n, size_t k, double alpha, const double *a,
                      size_t lda, const double *b, size_t ldb, double beta, double *c, size_t ldc);

/* Lower triangle of C (n x n) = alpha op(A) op(A)^T + beta C; A is n x k (ta = 0) or k x n (ta =
 * 1). The rest of C is not touched. */
void ct_blas_syrk_f64(int ta, size_t n, size_t k, double alpha, const double *a, size_t lda,
                      double beta, double *c, size_t ldc);

/* Cholesky factor L of the symmetric positive definite A (n x n, lower triangle read), in place in
 * the lower triangle. CT_ENUMERIC: not positive definite, or not finite; CT_ERANGE: n or lda is
 * 2^31 or more. */
CT_MUST_USE ct_status ct_blas_potrf_f64(size_t n, double *a, size_t lda);
/* Solve L L^T x = b in place, one right-hand side; L as ct_blas_potrf_f64 left it. */
void ct_blas_potrs_f64(size_t n, const double *l, size_t ldl, double *b);
/* Eigenvalues (ascending, in w) and eigenvectors (row i of a on return belongs to w[i]) of the
 * symmetric A (lower triangle read), by divide and conquer (dsyevd). CT_ENUMERIC: no convergence,
 * or A is not finite; CT_ERANGE: n above about 30,000; CT_ENOMEM. */
CT_MUST_USE ct_status ct_blas_syev_f64(size_t n, double *a, size_t lda, double *w);

#ifdef __cplusplus
}
#endif
#endif
