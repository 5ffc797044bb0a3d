// SPDX-License-Identifier: MIT
/* Matrix products: our kernel where a BLAS call costs more than it computes, BLAS elsewhere. */
#include "op.h"

#include <ctrain/blas.h>

void BT__NAME(gemm)(const bt__call *call, bool ta, bool tb, size_t m, size_t n, size_t k,
                    const T *a, size_t lda, const T *b, size_t ldb, bool accumulate, T *c,
                    size_t ldc)
{
    if (call->use_blas && bt__gemm_is_large(m, n, k))
        BT__BLAS_GEMM(ta, tb, m, n, k, (T)1, a, lda, b, ldb, accumulate ? (T)1 : (T)0, c, ldc);
    else
        KERNELS(call)->gemm(ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
}
