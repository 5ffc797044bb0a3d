// SPDX-License-Identifier: MIT
/* Matrix products: our kernel where a BLAS call costs more than it computes, BLAS elsewhere. */
#include "graph_private.h"

#include <ctrain/blas.h>

/* Measured (bench_kernels gemm, and the layers of bench_autodiff_large): with AVX-512 our kernel,
 * which packs nothing it reads once, is ahead until operands leave the second cache by far. */
bool bt__gemm_is_large(ct_simd simd, size_t m, size_t n, size_t k)
{
    const double limit = simd == CT_SIMD_AVX512 ? 2e8 : 2e6;
    return (double)m * (double)n * (double)k > limit;
}

void bt__gemm_f32(const bt__call *call, bool ta, bool tb, size_t m, size_t n, size_t k,
                  const float *a, size_t lda, const float *b, size_t ldb, bool accumulate, float *c,
                  size_t ldc)
{
    if (call->use_blas && bt__gemm_is_large(call->kernels->simd, m, n, k))
        ct_blas_gemm_f32(ta, tb, m, n, k, 1.0f, a, lda, b, ldb, accumulate ? 1.0f : 0.0f, c, ldc);
    else
        call->kernels->f32.gemm(ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
}

void bt__gemm_f64(const bt__call *call, bool ta, bool tb, size_t m, size_t n, size_t k,
                  const double *a, size_t lda, const double *b, size_t ldb, bool accumulate,
                  double *c, size_t ldc)
{
    if (call->use_blas && bt__gemm_is_large(call->kernels->simd, m, n, k))
        ct_blas_gemm_f64(ta, tb, m, n, k, 1.0, a, lda, b, ldb, accumulate ? 1.0 : 0.0, c, ldc);
    else
        call->kernels->f64.gemm(ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
}
