// SPDX-License-Identifier: MIT
/* Everything the vector tables share, in both precisions: included at the end of kernels_avx2.c and
 * kernels_avx512.c, which define the operations (vload_f64, vfma_f64, …) all is written in. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

// What the templates are written in; each stands for the precision at hand.
#define VEC             FN(vec)
#define MASK            FN(mask)
#define W               ((size_t)FN(W))
#define ZERO            FN(vset1)(0)
#define LOAD(x)         FN(vload)(x)
#define LOAD_PART(x, m) FN(vload_part)(x, m)
#define FMA(a, b, c)    FN(vfma)(a, b, c)
/* The vector v is in a register from here on: gcc 12 loads it again for each of few uses. */
#define LOADED(v) __asm__("" : "+v"(v))
/* out_i = f(x_i), and out_i = x_i op y_i. */
#define MAP1(name, f)                                                                              \
    static void FN(name)(T * out, const T *x, size_t n)                                            \
    {                                                                                              \
        size_t i = 0;                                                                              \
        for (; n - i >= W; i += W)                                                                 \
            FN(vstore)(out + i, f(LOAD(x + i)));                                                   \
        if (i < n) {                                                                               \
            MASK part = FN(vfirst)(n - i);                                                         \
            FN(vstore_part)(out + i, part, f(LOAD_PART(x + i, part)));                             \
        }                                                                                          \
    }
#define MAP2(name, op)                                                                             \
    static void FN(name)(T * out, const T *x, const T *y, size_t n)                                \
    {                                                                                              \
        size_t i = 0;                                                                              \
        for (; n - i >= W; i += W)                                                                 \
            FN(vstore)(out + i, LOAD(x + i) op LOAD(y + i));                                       \
        if (i < n) {                                                                               \
            MASK part = FN(vfirst)(n - i);                                                         \
            FN(vstore_part)                                                                        \
            (out + i, part, LOAD_PART(x + i, part) op LOAD_PART(y + i, part));                     \
        }                                                                                          \
    }

// Of the product: the ways to compute it; how many rows of B, or of a transposed C, are on the
// stack.
enum way { DIRECT, PACKED, FLIPPED, DOTS };
enum { PANEL_DEPTH = 128, FLIP_ROWS = 32 };
#define EACH_OF_4(X) X(0) X(1) X(2) X(3)

/* A tile of C: C (columns of it) = A B [+ C]; element (i, p) of A is a[i ars + p acs]. */
typedef void (*tile_function_f32)(size_t k, const float *a, size_t ars, size_t acs, const float *b,
                                  size_t ldb, size_t columns, int accumulate, float *c, size_t ldc);
typedef void (*tile_function_f64)(size_t k, const double *a, size_t ars, size_t acs,
                                  const double *b, size_t ldb, size_t columns, int accumulate,
                                  double *c, size_t ldc);

/* out[p][j] = in[j][p] for 8 rows and 4 columns of floats, 4 rows and 4 columns of doubles; then
 * for 4 rows and 2 columns. */
enum { BLOCK_ROWS_f32 = 8, BLOCK_ROWS_f64 = 4, BLOCK_COLUMNS = 4 };

INLINE __m256 load_two_f32(const float *low, const float *high)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
}
INLINE void transpose_block_f32(float *out, size_t ldo, const float *in, size_t ldi)
{
    __m256 r0 = load_two_f32(in, in + 4 * ldi), r1 = load_two_f32(in + ldi, in + 5 * ldi);
    __m256 r2 = load_two_f32(in + 2 * ldi, in + 6 * ldi);
    __m256 r3 = load_two_f32(in + 3 * ldi, in + 7 * ldi);
    __m256 a = _mm256_unpacklo_ps(r0, r1), b = _mm256_unpackhi_ps(r0, r1);
    __m256 c = _mm256_unpacklo_ps(r2, r3), d = _mm256_unpackhi_ps(r2, r3);
    _mm256_storeu_ps(out, _mm256_shuffle_ps(a, c, 0x44));
    _mm256_storeu_ps(out + ldo, _mm256_shuffle_ps(a, c, 0xee));
    _mm256_storeu_ps(out + 2 * ldo, _mm256_shuffle_ps(b, d, 0x44));
    _mm256_storeu_ps(out + 3 * ldo, _mm256_shuffle_ps(b, d, 0xee));
}
INLINE __m128 load_pairs_f32(const float *low, const float *high)
{
    return _mm_loadh_pi(_mm_loadl_pi(_mm_setzero_ps(), (const __m64 *)low), (const __m64 *)high);
}
INLINE void transpose_pairs_f32(float *out, size_t ldo, const float *in, size_t ldi)
{
    __m128 r0 = load_pairs_f32(in, in + ldi), r2 = load_pairs_f32(in + 2 * ldi, in + 3 * ldi);
    _mm_storeu_ps(out, _mm_shuffle_ps(r0, r2, 0x88));
    _mm_storeu_ps(out + ldo, _mm_shuffle_ps(r0, r2, 0xdd));
}

INLINE void transpose_block_f64(double *out, size_t ldo, const double *in, size_t ldi)
{
    __m256d r0 = _mm256_loadu_pd(in), r1 = _mm256_loadu_pd(in + ldi);
    __m256d r2 = _mm256_loadu_pd(in + 2 * ldi), r3 = _mm256_loadu_pd(in + 3 * ldi);
    __m256d a = _mm256_unpacklo_pd(r0, r1), b = _mm256_unpackhi_pd(r0, r1);
    __m256d c = _mm256_unpacklo_pd(r2, r3), d = _mm256_unpackhi_pd(r2, r3);
    _mm256_storeu_pd(out, _mm256_permute2f128_pd(a, c, 0x20));
    _mm256_storeu_pd(out + ldo, _mm256_permute2f128_pd(b, d, 0x20));
    _mm256_storeu_pd(out + 2 * ldo, _mm256_permute2f128_pd(a, c, 0x31));
    _mm256_storeu_pd(out + 3 * ldo, _mm256_permute2f128_pd(b, d, 0x31));
}
INLINE __m256d load_two_f64(const double *low, const double *high)
{
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(low)), _mm_loadu_pd(high), 1);
}
INLINE void transpose_pairs_f64(double *out, size_t ldo, const double *in, size_t ldi)
{
    __m256d r0 = load_two_f64(in, in + 2 * ldi), r1 = load_two_f64(in + ldi, in + 3 * ldi);
    _mm256_storeu_pd(out, _mm256_unpacklo_pd(r0, r1));
    _mm256_storeu_pd(out + ldo, _mm256_unpackhi_pd(r0, r1));
}

/* log 2 in two parts: n times the high one is exact for every exponent n. EXPM1 are the
 * coefficients of q in exp r = 1 + r + r^2 q(r) for |r| <= log(2) / 2, LOG1P those of g in log(1 +
 * f) = s (2 + z g(z)), s = f / (2 + f), z = s^2, for 1 + f from sqrt(1/2) to sqrt(2); both minimax
 * (Remez), errors below 2^-61 (double) and 2^-31 (float). */
static const double expm1_coef_f64[] = {
    0x1.0000000000000p-1,  0x1.5555555555559p-3,  0x1.555555555555ap-5,  0x1.111111110f67ep-7,
    0x1.6c16c16c14412p-10, 0x1.a01a01affb1fep-13, 0x1.a01a01b0ca9b9p-16, 0x1.71ddf81679d8cp-19,
    0x1.27e4c5766af82p-22, 0x1.af5f32e4a0235p-26, 0x1.1f95a5a273136p-29};
static const double log1p_coef_f64[] = {
    0x1.5555555555593p-1, 0x1.999999997fb31p-2, 0x1.2492494217aafp-2, 0x1.c71c51e7f0d49p-3,
    0x1.7466462dbae25p-3, 0x1.39a0f4e6d9d35p-3, 0x1.2f0d8f96d083ap-3};
static const float expm1_coef_f32[] = {0x1.000000p-1F, 0x1.555556p-3F,  0x1.5554aep-5F,
                                       0x1.111090p-7F, 0x1.6d7528p-10F, 0x1.a1a21ap-13F};
static const float log1p_coef_f32[] = {0x1.555554p-1F, 0x1.999a7cp-2F, 0x1.2438a8p-2F,
                                       0x1.e2fdd2p-3F};

#define T             float
#define TILE_FUNCTION tile_function_f32
#ifdef EACH_NARROW_TILE
#define FN(name)     name##_narrow_f32
#define EACH_TILE(X) EACH_NARROW_TILE(X)
#include "kernels_tile_template.h"
#undef FN
#undef EACH_TILE
#endif
#define FUSED        fmaf // one instruction
#define FN(name)     name##_f32
#define EACH_TILE(X) EACH_WIDE_TILE(X)
#define LN2_HIGH     0x1.62e400p-1F
#define LN2_LOW      0x1.7f7d1cp-20F
#define LOG2_E       0x1.715476p+0F
#define EXP_LOWEST   (-104.F) // below, exp rounds to 0
#define EXP_HIGHEST  89.F     // above, it overflows
#define TANH_HIGHEST 10.F     // above, tanh rounds to 1
#include "kernels_gemm_template.h"
#include "kernels_math_template.h"
#include "kernels_vector_template.h"
#undef T
#undef TILE_FUNCTION
#undef FUSED
#undef FN
#undef EACH_TILE
#undef LN2_HIGH
#undef LN2_LOW
#undef LOG2_E
#undef EXP_LOWEST
#undef EXP_HIGHEST
#undef TANH_HIGHEST

#define T             double
#define TILE_FUNCTION tile_function_f64
#ifdef EACH_NARROW_TILE
#define FN(name)     name##_narrow_f64
#define EACH_TILE(X) EACH_NARROW_TILE(X)
#include "kernels_tile_template.h"
#undef FN
#undef EACH_TILE
#endif
#define FUSED        fma
#define FN(name)     name##_f64
#define EACH_TILE(X) EACH_WIDE_TILE(X)
#define LN2_HIGH     0x1.62e42fefa3800p-1
#define LN2_LOW      0x1.ef35793c76730p-45
#define LOG2_E       0x1.71547652b82fep+0
#define EXP_LOWEST   (-746.)
#define EXP_HIGHEST  710.
#define TANH_HIGHEST 20.
#include "kernels_gemm_template.h"
#include "kernels_math_template.h"
#include "kernels_vector_template.h"
