// SPDX-License-Identifier: MIT
/* What every file in ops/ includes first.
 *
 * Each of these files is compiled six times, by CMakeLists.txt: for BT__PRECISION 32 and 64 and
 * for the instruction sets BT__SIMD scalar, avx2 and avx512, with the compiler's flags for it. So
 * they are plain C in T (float or double), and loops that matter carry BT__SIMD_LOOP (or, for sums,
 * BT__SIMD_SUM(s)), which lets the compiler use vectors and reorder that sum, and nothing else.
 *
 * A file defines, for each of its rows in tensor_ops_list.h,
 *     const bt__op_code BT__CODE(softmax) = {softmax_forward, softmax_backward};
 * and everything else in it is static. */
#ifndef BURTORCH_OPS_OP_H
#define BURTORCH_OPS_OP_H

#include "../graph_private.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define BT__PASTE4_(a, b, c, d) a##b##c##d
#define BT__PASTE4(a, b, c, d)  BT__PASTE4_(a, b, c, d)

#if BT__PRECISION == 32
#define T             float
#define BT__SUFFIX    _f32_
#define MATH(name)    name##f
#define KERNELS(call) (&(call)->kernels->f32)
/* C (m x n, rows ldc apart) = op(A) op(B) [+ C], by BLAS where that is faster. */
#define GEMM bt__gemm_f32
#elif BT__PRECISION == 64
#define T             double
#define BT__SUFFIX    _f64_
#define MATH(name)    name
#define KERNELS(call) (&(call)->kernels->f64)
#define GEMM          bt__gemm_f64
#else
#error "BT__PRECISION is 32 or 64"
#endif

/* A name for other files: bt__softmax_f32_avx2. */
#define BT__NAME(name) BT__PASTE4(bt__, name, BT__SUFFIX, BT__SIMD)
#define BT__CODE(name) BT__NAME(name)
/* Every such object is declared before it is defined, for compilers that ask. */
#define BT__DECLARE_CODE(ID, name, shape, code, reads, overwrites, strided)                        \
    extern const bt__op_code BT__CODE(code);
BT__CODE_OPS(BT__DECLARE_CODE)

#define BT__PRAGMA(text)  _Pragma(#text)
#define BT__SIMD_LOOP     BT__PRAGMA(omp simd)
#define BT__SIMD_SUM(sum) BT__PRAGMA(omp simd reduction(+ : sum))
#define BT__SIMD_MAX(top) BT__PRAGMA(omp simd reduction(max : top))
#define BT__INLINE        static inline __attribute__((always_inline, unused))

/* Elements of a node. */
#define VALUE(node)    ((T *)(node)->value)
#define GRADIENT(node) ((T *)(node)->gradient)
#define SAVED(node)    ((T *)(node)->saved)
#define INDICES(node)  ((const uint32_t *)(node)->value)

#include "vector_math.h"

#endif
