// SPDX-License-Identifier: MIT
/* Inner loops, one const table an instruction set, chosen once by CPUID and lowered by the
 * environment variable CT_SIMD=scalar|avx2|avx512 (the one variable the libraries read; a value
 * that is unknown or above the machine is ignored).
 *
 * Arrays need no alignment and may have any length, 0 included. Inputs and outputs may be the same
 * array, or must not overlap. A table's results are a fixed function of its inputs (fixed order of
 * additions); two tables may differ in the last bits. NaN in gives NaN out; infinities and
 * denormals are computed with as usual.
 *
 * Errors of the functions are at most, in units in the last place: exp 1, log 1, tanh 3, sigmoid
 * 2.75, softplus 2 (measured against a wider type, over sweeps and random bit patterns, 24 million
 * arguments: 0.98, 0.83, 2.55, 2.42, 1.66; both precisions, every table; the scalar one calls the C
 * library). Nothing overflows, vanishes or cancels early: exp of a large negative number goes
 * through the denormals to 0; softplus(x) is x for large x and exp(x) for very negative x. */
#ifndef CTRAIN_KERNELS_H
#define CTRAIN_KERNELS_H

#include <ctrain/cpu.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One precision's kernels. T is float or double; sums are in T. */
#define CT_KERNELS_OF(T)                                                                           \
    T (*dot)(const T *x, const T *y, size_t n);             /* sum x_i y_i               */        \
    T (*sum)(const T *x, size_t n);                         /* sum x_i                   */        \
    T (*norm2_squared)(const T *x, size_t n);               /* sum x_i^2                 */        \
    T (*max)(const T *x, size_t n);                         /* -inf for n = 0; NaN wins  */        \
    T (*max_abs)(const T *x, size_t n);                     /* 0 for n = 0; NaN wins     */        \
    void (*axpy)(T * y, T a, const T *x, size_t n);         /* y += a x                  */        \
    void (*scal)(T * x, T a, size_t n);                     /* x *= a                    */        \
    void (*add)(T * out, const T *x, const T *y, size_t n); /* x + y                     */        \
    void (*sub)(T * out, const T *x, const T *y, size_t n); /* x - y                     */        \
    void (*mul)(T * out, const T *x, const T *y, size_t n); /* x y                       */        \
    void (*div)(T * out, const T *x, const T *y, size_t n); /* x / y                     */        \
    void (*exp)(T * out, const T *x, size_t n);                                                    \
    void (*log)(T * out, const T *x, size_t n);                                                    \
    void (*tanh)(T * out, const T *x, size_t n);                                                   \
    void (*sigmoid)(T * out, const T *x, size_t n);  /* 1 / (1 + exp(-x))         */               \
    void (*softplus)(T * out, const T *x, size_t n); /* log(1 + exp(x))           */               \
    void (*gather)(T * out, const T *x, const uint32_t *index, size_t n);                          \
    T (*sparse_dot)(const T *value, const uint32_t *index, size_t n, const T *x);                  \
    /* sum value_i x[index_i]    */                                                                \
    /* C (m x n) = op(A) (m x k) op(B) (k x n) [+ C if accumulate]; row-major; op transposes when  \
     * ta / tb is not 0; ld* is the distance of rows as stored. Any size, meant for m, n, k up to  \
     * a few hundred; C overlaps neither A nor B. Fastest where rows are multiples of 64 bytes.    \
     */                                                                                            \
    void (*gemm)(int ta, int tb, size_t m, size_t n, size_t k, const T *a, size_t lda, const T *b, \
                 size_t ldb, int accumulate, T *c, size_t ldc);

typedef struct ct_kernels_f32 {
    CT_KERNELS_OF(float)
} ct_kernels_f32;
typedef struct ct_kernels_f64 {
    CT_KERNELS_OF(double)
} ct_kernels_f64;

typedef struct ct_kernels {
    ct_simd simd;
    const char *name; // "scalar", "avx2", "avx512"
    ct_kernels_f32 f32;
    ct_kernels_f64 f64;
} ct_kernels;

/* The table in use. */
const ct_kernels *ct_kernels_get(void);
/* The table of one instruction set; NULL if this machine cannot run it or this build does not have
 * it. For tests and benchmarks. */
const ct_kernels *ct_kernels_of(ct_simd simd);

#ifdef __cplusplus
}
#endif
#endif
