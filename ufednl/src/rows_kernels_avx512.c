// SPDX-License-Identifier: MIT
/* The kernels for AVX-512. */
#include "rows_kernels.h"

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#define MAX_WORDS 16
#define EACH_WORD(X)                                                                               \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define EACH_COUNT(X)                                                                              \
    X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16)

typedef __m512d eight;

/* A byte as a mask. Compilers go through a general register, which costs twice as much where masks
 * are all there is to load. */
INLINE __mmask8 mask_of(const uint8_t *byte)
{
    __mmask8 mask;
    __asm__("kmovb %1, %0" : "=Yk"(mask) : "m"(*byte));
    return mask;
}

INLINE eight eight_zero(void)
{
    return _mm512_setzero_pd();
}

INLINE eight eight_set(double v)
{
    return _mm512_set1_pd(v);
}

INLINE eight eight_load(const double *p)
{
    return _mm512_load_pd(p);
}

INLINE void eight_store(double *p, eight v)
{
    _mm512_store_pd(p, v);
}

INLINE eight eight_add(eight a, eight b)
{
    return _mm512_add_pd(a, b);
}

INLINE eight eight_add_where(eight a, const uint8_t *byte, eight b)
{
    return _mm512_mask_add_pd(a, mask_of(byte), a, b);
}

/* v scale value[0 … 7] */
INLINE eight eight_scale(eight v, double scale, const double *value)
{
    return _mm512_mul_pd(v, _mm512_mul_pd(_mm512_set1_pd(scale), _mm512_load_pd(value)));
}

/* The numbers at the bits of byte to out, and others behind them. Returns where those begin. */
INLINE double *eight_pack(double *out, eight v, const uint8_t *byte)
{
    _mm512_storeu_pd(out, _mm512_maskz_compress_pd(mask_of(byte), v));
    return out + __builtin_popcount(*byte);
}

#include "rows_kernels_template.h"
#include "rows_losses.h"

static uint32_t *list_column(const uint8_t *mask, size_t words, const uint32_t *coordinate,
                             uint32_t column, uint32_t *out)
{
    const __m256i base = _mm256_set1_epi32((int)column);
    for (size_t w = 0; w < words; w++) {
        __m256i rows = _mm256_load_si256((const __m256i *)(const void *)(coordinate + 8 * w));
        rows = _mm256_maskz_compress_epi32(mask_of(mask + w), rows);
        _mm256_storeu_si256((__m256i *)(void *)out, _mm256_add_epi32(base, rows));
        out += __builtin_popcount(mask[w]);
    }
    return out;
}

/* y[c] is written when column c is done; what came there with the diagonal entry before is lost. */
static void multiply(const fednl__pattern *pattern, const double *h, const double *x, double *y)
{
    const uint8_t *mask = pattern->mask;
    for (size_t c = 0; c < pattern->active; c++) {
        __m512d sum = _mm512_setzero_pd(), x_c = _mm512_set1_pd(x[c]);
        for (size_t w = 0; w <= c / 8; w++, mask++) {
            __mmask8 rows = mask_of(mask);
            __m512d h_w = _mm512_maskz_expandloadu_pd(rows, h);
            sum = _mm512_fmadd_pd(h_w, _mm512_maskz_loadu_pd(rows, x + 8 * w), sum);
            __m512d y_w = _mm512_maskz_loadu_pd(rows, y + 8 * w);
            _mm512_mask_storeu_pd(y + 8 * w, rows, _mm512_fmadd_pd(h_w, x_c, y_w));
            h += __builtin_popcount(*mask);
        }
        y[c] = _mm512_reduce_add_pd(sum);
    }
}

const fednl__rows_kernels fednl__rows_kernels_avx512 = {.simd = CT_SIMD_AVX512,
                                                        .cost_bits = 1.7,
                                                        .cost_dense = 0.15,
                                                        .finish_losses = finish_losses,
                                                        .differentiate = differentiate,
                                                        .add_block = add_block,
                                                        .pack_block = pack_block,
                                                        .list_column = list_column,
                                                        .take = take,
                                                        .multiply = multiply};

#endif
