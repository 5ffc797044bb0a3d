// SPDX-License-Identifier: MIT
/* The kernels for AVX2: eight numbers are two vectors, and tables say what the halves of a byte
 * select. */
#include "rows_kernels.h"

#if defined(__AVX2__) && defined(__FMA__)

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#define MAX_WORDS     6
#define EACH_WORD(X)  X(0) X(1) X(2) X(3) X(4) X(5)
#define EACH_COUNT(X) X(1) X(2) X(3) X(4) X(5) X(6)

typedef struct eight {
    __m256d low, high;
} eight;

#define BIT(bits, i) ((bits) >> (i)&1)
#define EACH_HALF(X)                                                                               \
    X(0), X(1), X(2), X(3), X(4), X(5), X(6), X(7), X(8), X(9), X(10), X(11), X(12), X(13), X(14), \
        X(15)

/* A byte of ones for every bit of a byte: those become the masks of eight numbers. */
#define ONES(bits, i) ((uint64_t)(BIT(bits, i) ? 0xff : 0) << 8 * (i))
#define SPREAD(bits)                                                                               \
    ONES(bits, 0) | ONES(bits, 1) | ONES(bits, 2) | ONES(bits, 3) | ONES(bits, 4) |                \
        ONES(bits, 5) | ONES(bits, 6) | ONES(bits, 7)
#define SPREAD_8(b)                                                                                \
    SPREAD(8 * (b)), SPREAD(8 * (b) + 1), SPREAD(8 * (b) + 2), SPREAD(8 * (b) + 3),                \
        SPREAD(8 * (b) + 4), SPREAD(8 * (b) + 5), SPREAD(8 * (b) + 6), SPREAD(8 * (b) + 7)
static const uint64_t spread[256] = {
    SPREAD_8(0),  SPREAD_8(1),  SPREAD_8(2),  SPREAD_8(3),  SPREAD_8(4),  SPREAD_8(5),
    SPREAD_8(6),  SPREAD_8(7),  SPREAD_8(8),  SPREAD_8(9),  SPREAD_8(10), SPREAD_8(11),
    SPREAD_8(12), SPREAD_8(13), SPREAD_8(14), SPREAD_8(15), SPREAD_8(16), SPREAD_8(17),
    SPREAD_8(18), SPREAD_8(19), SPREAD_8(20), SPREAD_8(21), SPREAD_8(22), SPREAD_8(23),
    SPREAD_8(24), SPREAD_8(25), SPREAD_8(26), SPREAD_8(27), SPREAD_8(28), SPREAD_8(29),
    SPREAD_8(30), SPREAD_8(31)};

/* Where the numbers that are selected go, as two halves of 32 bits each: behind those before. */
#define COUNT(half, i)                                                                             \
    (((i) > 0 ? BIT(half, 0) : 0) + ((i) > 1 ? BIT(half, 1) : 0) + ((i) > 2 ? BIT(half, 2) : 0))
#define GOES(half, i, to) (BIT(half, i) && COUNT(half, i) == (to))
#define FROM(half, to)    (GOES(half, 1, to) ? 1 : GOES(half, 2, to) ? 2 : GOES(half, 3, to) ? 3 : 0)
#define PAIR(half, to)    2 * FROM(half, to), 2 * FROM(half, to) + 1
#define ORDER(half)                                                                                \
    {                                                                                              \
        PAIR(half, 0), PAIR(half, 1), PAIR(half, 2), PAIR(half, 3)                                 \
    }
static const int32_t order[16][8] __attribute__((aligned(32))) = {EACH_HALF(ORDER)};

INLINE eight eight_zero(void)
{
    return (eight){_mm256_setzero_pd(), _mm256_setzero_pd()};
}

INLINE eight eight_set(double v)
{
    return (eight){_mm256_set1_pd(v), _mm256_set1_pd(v)};
}

INLINE eight eight_load(const double *p)
{
    return (eight){_mm256_load_pd(p), _mm256_load_pd(p + 4)};
}

INLINE void eight_store(double *p, eight v)
{
    _mm256_store_pd(p, v.low);
    _mm256_store_pd(p + 4, v.high);
}

INLINE eight eight_add(eight a, eight b)
{
    return (eight){_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)};
}

INLINE __m256d mask_of(const void *bytes)
{
    int32_t four;
    memcpy(&four, bytes, sizeof four);
    return _mm256_castsi256_pd(_mm256_cvtepi8_epi64(_mm_cvtsi32_si128(four)));
}

INLINE eight eight_add_where(eight a, const uint8_t *byte, eight b)
{
    const uint8_t *bytes = (const uint8_t *)(spread + *byte);
    __m256d low = _mm256_and_pd(b.low, mask_of(bytes));
    __m256d high = _mm256_and_pd(b.high, mask_of(bytes + 4));
    return (eight){_mm256_add_pd(a.low, low), _mm256_add_pd(a.high, high)};
}

/* v scale value[0 … 7] */
INLINE eight eight_scale(eight v, double scale, const double *value)
{
    eight by = eight_load(value);
    __m256d all = _mm256_set1_pd(scale);
    return (eight){_mm256_mul_pd(v.low, _mm256_mul_pd(all, by.low)),
                   _mm256_mul_pd(v.high, _mm256_mul_pd(all, by.high))};
}

INLINE double *pack_half(double *out, __m256d v, unsigned half)
{
    __m256i from = _mm256_load_si256((const __m256i *)(const void *)order[half]);
    __m256 packed = _mm256_permutevar8x32_ps(_mm256_castpd_ps(v), from);
    _mm256_storeu_pd(out, _mm256_castps_pd(packed));
    return out + __builtin_popcount(half);
}

/* The numbers at the bits of byte to out, and others behind them. Returns where those begin. */
INLINE double *eight_pack(double *out, eight v, const uint8_t *byte)
{
    out = pack_half(out, v.low, *byte & 15);
    return pack_half(out, v.high, *byte >> 4);
}

#include "rows_kernels_template.h"
#include "rows_losses.h"

static uint32_t *list_column(const uint8_t *mask, size_t words, const uint32_t *coordinate,
                             uint32_t column, uint32_t *out)
{
    return fednl__rows_kernels_scalar.list_column(mask, words, coordinate, column, out);
}

static void multiply(const fednl__pattern *pattern, const double *h, const double *x, double *y)
{
    fednl__rows_kernels_scalar.multiply(pattern, h, x, y);
}

const fednl__rows_kernels fednl__rows_kernels_avx2 = {.simd = CT_SIMD_AVX2,
                                                      .cost_bits = 2.7,
                                                      .cost_dense = 0.2,
                                                      .finish_losses = finish_losses,
                                                      .differentiate = differentiate,
                                                      .add_block = add_block,
                                                      .pack_block = pack_block,
                                                      .list_column = list_column,
                                                      .take = take,
                                                      .multiply = multiply};

#endif
