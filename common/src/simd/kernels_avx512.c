// SPDX-License-Identifier: MIT
/* The AVX-512 table (F, DQ, BW, VL): the vector operations the shared templates are written in,
 * here one instruction each, with mask registers at the ends of arrays. */
#include "kernels_tables.h"

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { W_f32 = 16, W_f64 = 8 };              // elements of a vector
enum { W_MAX = 64 };                         // bytes of a vector
enum { W_narrow_f32 = 8, W_narrow_f64 = 4 }; // half as wide, at half the cost on Zen 4
// How many rows and vectors of a product are in registers, of which there are 32.
enum { TILE_ROWS = 8, TILE_VECS = 3, ROW_VECS = 4, DOT_ROWS = 4 };
#define EACH_TILE_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define TILES_OF(X, vecs)                                                                          \
    X(1, vecs) X(2, vecs) X(3, vecs) X(4, vecs) X(5, vecs) X(6, vecs) X(7, vecs) X(8, vecs)
#define EACH_WIDE_TILE(X) TILES_OF(X, 1) TILES_OF(X, 2) TILES_OF(X, 3) X(1, 4)
/* Of narrow vectors, half as wide: what next_panel asks for. */
#define EACH_NARROW_TILE(X) TILES_OF(X, 1) TILES_OF(X, 3)
typedef __m512 vec_f32;
typedef __m512d vec_f64;
typedef __mmask16 mask_f32;
typedef __mmask8 mask_f64;
typedef __m256 vec_narrow_f32;
typedef __m256d vec_narrow_f64;
typedef __mmask8 mask_narrow_f32;
typedef __mmask8 mask_narrow_f64;

/* What tiles are written in; v and s are prefix and suffix of the intrinsics, t the suffix of our
 * names. first: the first count elements. */
#define TILE_OPERATIONS(t, T, v, s)                                                                \
    INLINE mask_##t vfirst_##t(size_t count)                                                       \
    {                                                                                              \
        return (mask_##t)_bzhi_u32(~0u, (unsigned)count);                                          \
    }                                                                                              \
    INLINE vec_##t vset1_##t(T x)                                                                  \
    {                                                                                              \
        return v##_set1_##s(x);                                                                    \
    }                                                                                              \
    INLINE vec_##t vload_##t(const T *x)                                                           \
    {                                                                                              \
        return v##_loadu_##s(x);                                                                   \
    }                                                                                              \
    INLINE vec_##t vload_part_##t(const T *x, mask_##t part)                                       \
    {                                                                                              \
        return v##_maskz_loadu_##s(part, x);                                                       \
    }                                                                                              \
    INLINE void vstore_##t(T *x, vec_##t v)                                                        \
    {                                                                                              \
        v##_storeu_##s(x, v);                                                                      \
    }                                                                                              \
    INLINE void vstore_part_##t(T *x, mask_##t part, vec_##t v)                                    \
    {                                                                                              \
        v##_mask_storeu_##s(x, part, v);                                                           \
    }                                                                                              \
    INLINE vec_##t vfma_##t(vec_##t a, vec_##t b, vec_##t c) /* a b + c */                         \
    {                                                                                              \
        return v##_fmadd_##s(a, b, c);                                                             \
    }

TILE_OPERATIONS(f32, float, _mm512, ps)
TILE_OPERATIONS(f64, double, _mm512, pd)
TILE_OPERATIONS(narrow_f32, float, _mm256, ps)
TILE_OPERATIONS(narrow_f64, double, _mm256, pd)

/* The rest. */
#define VECTOR_OPERATIONS(t, T, s)                                                                 \
    INLINE vec_##t vfill_##t(vec_##t v, mask_##t part, T rest)                                     \
    {                                                                                              \
        return _mm512_mask_blend_##s(part, _mm512_set1_##s(rest), v);                              \
    }                                                                                              \
    INLINE vec_##t vfnma_##t(vec_##t a, vec_##t b, vec_##t c) /* c - a b */                        \
    {                                                                                              \
        return _mm512_fnmadd_##s(a, b, c);                                                         \
    }                                                                                              \
    INLINE vec_##t vmin_##t(vec_##t a, vec_##t b) /* b where one is NaN */                         \
    {                                                                                              \
        return _mm512_min_##s(a, b);                                                               \
    }                                                                                              \
    INLINE vec_##t vmax_##t(vec_##t a, vec_##t b) /* b where one is NaN */                         \
    {                                                                                              \
        return _mm512_max_##s(a, b);                                                               \
    }                                                                                              \
    INLINE vec_##t vabs_##t(vec_##t a)                                                             \
    {                                                                                              \
        return _mm512_andnot_##s(_mm512_set1_##s(-(T)0), a);                                       \
    }                                                                                              \
    INLINE vec_##t vcopysign_##t(vec_##t magnitude, vec_##t sign)                                  \
    {                                                                                              \
        return _mm512_or_##s(magnitude, _mm512_and_##s(_mm512_set1_##s(-(T)0), sign));             \
    }                                                                                              \
    INLINE vec_##t vround_##t(vec_##t a)                                                           \
    {                                                                                              \
        return _mm512_roundscale_##s(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);            \
    }                                                                                              \
    INLINE mask_##t vless_##t(vec_##t a, vec_##t b)                                                \
    {                                                                                              \
        return _mm512_cmp_##s##_mask(a, b, _CMP_LT_OQ);                                            \
    }                                                                                              \
    INLINE mask_##t vequal_##t(vec_##t a, vec_##t b)                                               \
    {                                                                                              \
        return _mm512_cmp_##s##_mask(a, b, _CMP_EQ_OQ);                                            \
    }                                                                                              \
    INLINE mask_##t vnan_##t(vec_##t a)                                                            \
    {                                                                                              \
        return _mm512_cmp_##s##_mask(a, a, _CMP_UNORD_Q);                                          \
    }                                                                                              \
    INLINE vec_##t vselect_##t(mask_##t yes, vec_##t a, vec_##t b)                                 \
    {                                                                                              \
        return _mm512_mask_blend_##s(yes, b, a);                                                   \
    }                                                                                              \
    INLINE T vsum_##t(vec_##t v)                                                                   \
    {                                                                                              \
        return _mm512_reduce_add_##s(v);                                                           \
    }                                                                                              \
    INLINE T vgreatest_##t(vec_##t v)                                                              \
    {                                                                                              \
        return _mm512_reduce_max_##s(v);                                                           \
    }                                                                                              \
    INLINE vec_##t vscale2_##t(vec_##t v, vec_##t n) /* v 2^n, rounded once */                     \
    {                                                                                              \
        return _mm512_scalef_##s(v, n);                                                            \
    }                                                                                              \
    /* x > 0 finite as m 2^e, m in [1, 2). */                                                      \
    INLINE vec_##t vsplit_##t(vec_##t x, vec_##t *e)                                               \
    {                                                                                              \
        *e = _mm512_getexp_##s(x);                                                                 \
        return _mm512_getmant_##s(x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);                        \
    }

VECTOR_OPERATIONS(f32, float, ps)
VECTOR_OPERATIONS(f64, double, pd)

INLINE bool vany_f32(mask_f32 m)
{
    return m != 0;
}
INLINE bool vany_f64(mask_f64 m)
{
    return m != 0;
}

/* The sums of four vectors, side by side. */
INLINE __m256 halves_f32(vec_f32 v)
{
    return _mm512_castps512_ps256(v) + _mm512_extractf32x8_ps(v, 1);
}
INLINE void vsum4_f32(float *out, vec_f32 a, vec_f32 b, vec_f32 c, vec_f32 d)
{
    __m256 s = _mm256_hadd_ps(_mm256_hadd_ps(halves_f32(a), halves_f32(b)),
                              _mm256_hadd_ps(halves_f32(c), halves_f32(d)));
    _mm_storeu_ps(out, _mm256_castps256_ps128(s) + _mm256_extractf128_ps(s, 1));
}
INLINE __m256d halves_f64(vec_f64 v)
{
    return _mm512_castpd512_pd256(v) + _mm512_extractf64x4_pd(v, 1);
}
INLINE void vsum4_f64(double *out, vec_f64 a, vec_f64 b, vec_f64 c, vec_f64 d)
{
    __m256d s = _mm256_hadd_pd(halves_f64(a), halves_f64(b));
    __m256d u = _mm256_hadd_pd(halves_f64(c), halves_f64(d));
    _mm256_storeu_pd(out, _mm256_permute2f128_pd(s, u, 0x20) + _mm256_permute2f128_pd(s, u, 0x31));
}

#include "kernels_vector.h"

const ct_kernels ct__kernels_avx512 = {
    .simd = CT_SIMD_AVX512, .name = "avx512", .f32 = TABLE_OF(f32), .f64 = TABLE_OF(f64)};
#endif
