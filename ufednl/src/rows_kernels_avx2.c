// SPDX-License-Identifier: MIT
/* The kernels for AVX2. A column of the Hessian is summed in registers, up to 5 words of 8 entries
 * at a time: row after row of the column's list adds its weight, masked by what a table has for the
 * two halves of the bytes of its bit set. */
#include "rows_kernels.h"

#if defined(__AVX2__) && defined(__FMA__)

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { MAX_WORDS = 5 };

#define LANE(bits, lane) ((bits) >> (lane)&1 ? -1 : 0)
#define LANES(bits)                                                                                \
    {                                                                                              \
        LANE(bits, 0), LANE(bits, 1), LANE(bits, 2), LANE(bits, 3)                                 \
    }
static const int64_t lanes_of[16][4] __attribute__((aligned(32))) = {
    LANES(0), LANES(1), LANES(2),  LANES(3),  LANES(4),  LANES(5),  LANES(6),  LANES(7),
    LANES(8), LANES(9), LANES(10), LANES(11), LANES(12), LANES(13), LANES(14), LANES(15)};

INLINE __m256i lanes(unsigned half)
{
    return _mm256_load_si256((const __m256i *)(const void *)lanes_of[half]);
}

INLINE __m256d masked(__m256d v, unsigned half)
{
    return _mm256_and_pd(v, _mm256_castsi256_pd(lanes(half)));
}

/* Rows of a block that have one column. */
typedef struct column_rows {
    const uint16_t *list;
    size_t n;
    const uint8_t *bits; // of the words to be summed, in the block's first row
    size_t row_bytes;
    const double *first, *second; // of the block's rows
} column_rows;

/* Where the sums go: out += scale value[r] sum. */
typedef struct column_out {
    double *out;
    double scale;
    const double *value;
} column_out;

/* Returns the sum of first. */
INLINE double add_words(const column_rows *rows, const column_out *to, const size_t words)
{
    __m256d sums[2 * MAX_WORDS], scale = _mm256_set1_pd(to->scale);
    double sum = 0.0;
#pragma GCC unroll 10
    for (size_t i = 0; i < 2 * words; i++)
        sums[i] = _mm256_setzero_pd();
    for (size_t t = 0; t < rows->n; t++) {
        size_t row = rows->list[t];
        const uint8_t *bits = rows->bits + row * rows->row_bytes;
        __m256d weight = _mm256_set1_pd(rows->second[row]);
        sum += rows->first[row];
#pragma GCC unroll 5
        for (size_t w = 0; w < words; w++) {
            sums[2 * w] = _mm256_add_pd(sums[2 * w], masked(weight, bits[w] & 15));
            sums[2 * w + 1] = _mm256_add_pd(sums[2 * w + 1], masked(weight, bits[w] >> 4));
        }
    }
#pragma GCC unroll 10
    for (size_t i = 0; i < 2 * words; i++) {
        __m256d scaled = _mm256_mul_pd(sums[i], scale);
        scaled = _mm256_mul_pd(scaled, _mm256_load_pd(to->value + 4 * i));
        _mm256_store_pd(to->out + 4 * i, _mm256_add_pd(scaled, _mm256_load_pd(to->out + 4 * i)));
    }
    return sum;
}

#define EACH_COUNT(X) X(1) X(2) X(3) X(4) X(5)
#define ADD_WORDS(n)                                                                               \
    static double add_words_##n(const column_rows *rows, const column_out *to)                     \
    {                                                                                              \
        return add_words(rows, to, n);                                                             \
    }
EACH_COUNT(ADD_WORDS)

typedef double add_words_fn(const column_rows *rows, const column_out *to);
#define NAME(n) add_words_##n,
static add_words_fn *const add_words_of[] = {NULL, EACH_COUNT(NAME)};

static void add_block(const fednl__rows *rows, size_t block, const double *first,
                      const double *second, double *g, double *triangle)
{
    const uint32_t *start = rows->list_start + block * rows->active;
    size_t begin = fednl__block_begin(block);
    column_rows of = {
        .row_bytes = rows->row_bytes, .first = first + begin, .second = second + begin};
    column_out to;
    for (size_t c = 0; c < rows->active; c++) {
        of.list = rows->list + start[c];
        of.n = start[c + 1] - start[c];
        to.scale = rows->value[c];
        for (size_t w = 0, words; of.n > 0 && w <= c / 8; w += words) {
            words = c / 8 + 1 - w < MAX_WORDS ? c / 8 + 1 - w : MAX_WORDS;
            of.bits = rows->bits + begin * rows->row_bytes + w;
            to.value = rows->value + 8 * w;
            to.out = triangle + fednl__padded(c) + 8 * w;
            double sum = add_words_of[words](&of, &to);
            g[c] += w == 0 ? sum * rows->value[c] : 0.0;
        }
    }
}

static uint32_t *list_column(const uint8_t *mask, size_t words, const uint32_t *coordinate,
                             uint32_t column, uint32_t *out)
{
    return fednl__rows_kernels_scalar.list_column(mask, words, coordinate, column, out);
}

static void take(const fednl__pattern *pattern, double *triangle, double *out)
{
    fednl__rows_kernels_scalar.take(pattern, triangle, out);
}

static void multiply(const fednl__pattern *pattern, const double *h, const double *x, double *y)
{
    fednl__rows_kernels_scalar.multiply(pattern, h, x, y);
}

const fednl__rows_kernels fednl__rows_kernels_avx2 = {.simd = CT_SIMD_AVX2,
                                                      .cost_bits = 3.0,
                                                      .cost_pair = 1.6,
                                                      .cost_dense = 0.3,
                                                      .add_block = add_block,
                                                      .list_column = list_column,
                                                      .take = take,
                                                      .multiply = multiply};

#endif
