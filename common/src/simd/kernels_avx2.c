// SPDX-License-Identifier: MIT
/* The AVX2 + FMA table: the vector operations the shared templates are written in. Masks are
 * vectors here, and what AVX-512 has instructions for (scaling by 2^n, splitting a number) is done
 * on the bits. */
#include "kernels_tables.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { W_f32 = 8, W_f64 = 4 };                       // elements of a vector
enum { W_MAX = 32 };                                 // bytes of a vector
enum { W_narrow_f32 = W_f32, W_narrow_f64 = W_f64 }; // there are no narrower tiles
#define tiles_narrow_f32 tiles_f32
#define tiles_narrow_f64 tiles_f64
// How many rows and vectors of a product are in registers, of which there are 16.
enum { TILE_ROWS = 6, TILE_VECS = 2, ROW_VECS = 4, DOT_ROWS = 2 };
#define EACH_TILE_ROW(X)  X(0) X(1) X(2) X(3) X(4) X(5)
#define TILES_OF(X, vecs) X(1, vecs) X(2, vecs) X(3, vecs) X(4, vecs) X(5, vecs) X(6, vecs)
#define EACH_WIDE_TILE(X) TILES_OF(X, 1) TILES_OF(X, 2) X(1, 3) X(1, 4)
typedef __m256 vec_f32;
typedef __m256d vec_f64;
typedef __m256 mask_f32; // all bits of an element set, or none
typedef __m256d mask_f64;

/* The first count elements. */
INLINE mask_f32 vfirst_f32(size_t count)
{
    static const int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_ps((const float *)(ones + 8 - count));
}
INLINE mask_f64 vfirst_f64(size_t count)
{
    static const int64_t ones[8] = {-1, -1, -1, -1};
    return _mm256_loadu_pd((const double *)(ones + 4 - count));
}

/* By the bits of the count: a masked store takes ten times as long on the processor measured. */
INLINE void vstore_part_f32(float *x, mask_f32 part, vec_f32 v)
{
    const int count = _mm_popcnt_u32((unsigned)_mm256_movemask_ps(part));
    if (count == W_f32) {
        _mm256_storeu_ps(x, v);
        return;
    }
    __m128 rest = _mm256_castps256_ps128(v);
    if (count & 4) {
        _mm_storeu_ps(x, rest);
        rest = _mm256_extractf128_ps(v, 1);
    }
    if (count & 2) {
        _mm_storel_pi((__m64 *)(x + (count & 4)), rest);
        rest = _mm_movehl_ps(rest, rest);
    }
    if (count & 1)
        _mm_store_ss(x + (count & 6), rest);
}
INLINE void vstore_part_f64(double *x, mask_f64 part, vec_f64 v)
{
    const int count = _mm_popcnt_u32((unsigned)_mm256_movemask_pd(part));
    if (count == W_f64) {
        _mm256_storeu_pd(x, v);
        return;
    }
    __m128d rest = _mm256_castpd256_pd128(v);
    if (count & 2) {
        _mm_storeu_pd(x, rest);
        rest = _mm256_extractf128_pd(v, 1);
    }
    if (count & 1)
        _mm_store_sd(x + (count & 2), rest);
}

/* s is the suffix of the intrinsics, t that of our names, i turns a vector into integers. */
#define VECTOR_OPERATIONS(t, T, s, i)                                                              \
    INLINE vec_##t vset1_##t(T x)                                                                  \
    {                                                                                              \
        return _mm256_set1_##s(x);                                                                 \
    }                                                                                              \
    INLINE vec_##t vload_##t(const T *x)                                                           \
    {                                                                                              \
        return _mm256_loadu_##s(x);                                                                \
    }                                                                                              \
    INLINE vec_##t vload_part_##t(const T *x, mask_##t part)                                       \
    {                                                                                              \
        return _mm256_maskload_##s(x, i(part));                                                    \
    }                                                                                              \
    INLINE void vstore_##t(T *x, vec_##t v)                                                        \
    {                                                                                              \
        _mm256_storeu_##s(x, v);                                                                   \
    }                                                                                              \
    INLINE vec_##t vfill_##t(vec_##t v, mask_##t part, T rest)                                     \
    {                                                                                              \
        return _mm256_blendv_##s(_mm256_set1_##s(rest), v, part);                                  \
    }                                                                                              \
    INLINE vec_##t vfma_##t(vec_##t a, vec_##t b, vec_##t c) /* a b + c */                         \
    {                                                                                              \
        return _mm256_fmadd_##s(a, b, c);                                                          \
    }                                                                                              \
    INLINE vec_##t vfnma_##t(vec_##t a, vec_##t b, vec_##t c) /* c - a b */                        \
    {                                                                                              \
        return _mm256_fnmadd_##s(a, b, c);                                                         \
    }                                                                                              \
    INLINE vec_##t vmin_##t(vec_##t a, vec_##t b) /* b where one is NaN */                         \
    {                                                                                              \
        return _mm256_min_##s(a, b);                                                               \
    }                                                                                              \
    INLINE vec_##t vmax_##t(vec_##t a, vec_##t b) /* b where one is NaN */                         \
    {                                                                                              \
        return _mm256_max_##s(a, b);                                                               \
    }                                                                                              \
    INLINE vec_##t vabs_##t(vec_##t a)                                                             \
    {                                                                                              \
        return _mm256_andnot_##s(_mm256_set1_##s(-(T)0), a);                                       \
    }                                                                                              \
    INLINE vec_##t vcopysign_##t(vec_##t magnitude, vec_##t sign)                                  \
    {                                                                                              \
        return _mm256_or_##s(magnitude, _mm256_and_##s(_mm256_set1_##s(-(T)0), sign));             \
    }                                                                                              \
    INLINE vec_##t vround_##t(vec_##t a)                                                           \
    {                                                                                              \
        return _mm256_round_##s(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);                 \
    }                                                                                              \
    INLINE mask_##t vless_##t(vec_##t a, vec_##t b)                                                \
    {                                                                                              \
        return _mm256_cmp_##s(a, b, _CMP_LT_OQ);                                                   \
    }                                                                                              \
    INLINE mask_##t vequal_##t(vec_##t a, vec_##t b)                                               \
    {                                                                                              \
        return _mm256_cmp_##s(a, b, _CMP_EQ_OQ);                                                   \
    }                                                                                              \
    INLINE mask_##t vnan_##t(vec_##t a)                                                            \
    {                                                                                              \
        return _mm256_cmp_##s(a, a, _CMP_UNORD_Q);                                                 \
    }                                                                                              \
    INLINE bool vany_##t(mask_##t m)                                                               \
    {                                                                                              \
        return _mm256_movemask_##s(m) != 0;                                                        \
    }                                                                                              \
    INLINE vec_##t vselect_##t(mask_##t yes, vec_##t a, vec_##t b)                                 \
    {                                                                                              \
        return _mm256_blendv_##s(b, a, yes);                                                       \
    }

VECTOR_OPERATIONS(f32, float, ps, _mm256_castps_si256)
VECTOR_OPERATIONS(f64, double, pd, _mm256_castpd_si256)

INLINE float vsum_f32(vec_f32 v)
{
    __m128 s = _mm256_castps256_ps128(v) + _mm256_extractf128_ps(v, 1);
    s += _mm_movehl_ps(s, s);
    return _mm_cvtss_f32(s + _mm_movehdup_ps(s));
}
INLINE double vsum_f64(vec_f64 v)
{
    __m128d s = _mm256_castpd256_pd128(v) + _mm256_extractf128_pd(v, 1);
    return _mm_cvtsd_f64(s + _mm_unpackhi_pd(s, s));
}

INLINE float vgreatest_f32(vec_f32 v)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ps(s, _mm_movehdup_ps(s)));
}
INLINE double vgreatest_f64(vec_f64 v)
{
    __m128d s = _mm_max_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_max_pd(s, _mm_unpackhi_pd(s, s)));
}

/* 2^n for whole n in the range of normal numbers: n + bias, moved into the exponent. Adding 1.5
 * 2^23 (2^52) leaves a small whole number in the low bits of the significand. */
INLINE vec_f32 power2_f32(vec_f32 n)
{
    __m256 biased = n + _mm256_set1_ps(0x1.8p23f + 127);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(biased), 23));
}
INLINE vec_f64 power2_f64(vec_f64 n)
{
    __m256d biased = n + _mm256_set1_pd(0x1.8p52 + 1023);
    return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(biased), 52));
}

/* v 2^n, rounded once: for results below the normal numbers the first factor is exact. */
INLINE vec_f32 vscale2_f32(vec_f32 v, vec_f32 n)
{
    __m256 half = vround_f32(n * vset1_f32(0.5F));
    return v * power2_f32(half) * power2_f32(n - half);
}
INLINE vec_f64 vscale2_f64(vec_f64 v, vec_f64 n)
{
    __m256d half = vround_f64(n * vset1_f64(0.5));
    return v * power2_f64(half) * power2_f64(n - half);
}

/* x > 0 finite as m 2^e, m in [1, 2). */
INLINE vec_f32 vsplit_f32(vec_f32 x, vec_f32 *e)
{
    __m256 tiny = vless_f32(x, vset1_f32(0x1p-126F));
    __m256i bits = _mm256_castps_si256(vselect_f32(tiny, x * vset1_f32(0x1p24F), x));
    *e = _mm256_cvtepi32_ps(_mm256_srli_epi32(bits, 23)) -
         vselect_f32(tiny, vset1_f32(127 + 24), vset1_f32(127));
    bits = _mm256_and_si256(bits, _mm256_set1_epi32(0x007fffff));
    return _mm256_castsi256_ps(_mm256_or_si256(bits, _mm256_set1_epi32(0x3f800000)));
}
INLINE vec_f64 vsplit_f64(vec_f64 x, vec_f64 *e)
{
    const __m256d big = vset1_f64(0x1p52); // its low bits hold a whole number
    __m256d tiny = vless_f64(x, vset1_f64(0x1p-1022));
    __m256i bits = _mm256_castpd_si256(vselect_f64(tiny, x * vset1_f64(0x1p54), x));
    __m256d biased = _mm256_or_pd(_mm256_castsi256_pd(_mm256_srli_epi64(bits, 52)), big) - big;
    *e = biased - vselect_f64(tiny, vset1_f64(1023 + 54), vset1_f64(1023));
    bits = _mm256_and_si256(bits, _mm256_set1_epi64x(0x000fffffffffffff));
    return _mm256_castsi256_pd(_mm256_or_si256(bits, _mm256_set1_epi64x(0x3ff0000000000000)));
}

/* The sums of four vectors, side by side. */
INLINE void vsum4_f32(float *out, vec_f32 a, vec_f32 b, vec_f32 c, vec_f32 d)
{
    __m256 s = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    _mm_storeu_ps(out, _mm256_castps256_ps128(s) + _mm256_extractf128_ps(s, 1));
}
INLINE void vsum4_f64(double *out, vec_f64 a, vec_f64 b, vec_f64 c, vec_f64 d)
{
    __m256d s = _mm256_hadd_pd(a, b), u = _mm256_hadd_pd(c, d);
    _mm256_storeu_pd(out, _mm256_permute2f128_pd(s, u, 0x20) + _mm256_permute2f128_pd(s, u, 0x31));
}

#include "kernels_vector.h"

const ct_kernels ct__kernels_avx2 = {
    .simd = CT_SIMD_AVX2, .name = "avx2", .f32 = TABLE_OF(f32), .f64 = TABLE_OF(f64)};
#endif
