// SPDX-License-Identifier: MIT
/* The kernels for AVX-512. A column of the Hessian is summed in registers, up to 16 words of 8
 * entries at a time: row after row of the column's list adds its weight under the bytes of its bit
 * set. */
#include "rows_kernels.h"

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { MAX_WORDS = 16 };

/* A byte as a mask, through a general register: the way from memory to a mask register costs twice
 * as much on some processors, and compilers prefer it unless the value is hidden from them. */
INLINE __mmask8 mask_of(const uint8_t *byte)
{
    unsigned bits = *byte;
    __asm__("" : "+r"(bits));
    return (__mmask8)bits;
}

/* Rows of a block that have one column. */
typedef struct column_rows {
    const uint16_t *list;
    size_t n;
    const uint8_t *bits; // of the words to be summed, in the block's first row
    size_t row_bytes;
    const double *weight; // of the block's rows
} column_rows;

/* sums (words) += the rows' weights under their masks. */
INLINE void add_row(const column_rows *rows, size_t t, const size_t words, __m512d *sums)
{
    size_t row = rows->list[t];
    const uint8_t *bits = rows->bits + row * rows->row_bytes;
    __m512d weight = _mm512_set1_pd(rows->weight[row]);
#pragma GCC unroll 16
    for (size_t w = 0; w < words; w++)
        sums[w] = _mm512_mask_add_pd(sums[w], mask_of(bits + w), sums[w], weight);
}

/* Few words are added in two sums for even and odd rows, as an addition waits for the one before.
 */
INLINE void sum_words(const column_rows *rows, const size_t words, __m512d *sums)
{
    __m512d odd[MAX_WORDS];
    size_t t = 0;
#pragma GCC unroll 16
    for (size_t w = 0; w < words; w++)
        sums[w] = odd[w] = _mm512_setzero_pd();
    if (words < 4) {
        for (; t + 2 <= rows->n; t += 2) {
            add_row(rows, t, words, sums);
            add_row(rows, t + 1, words, odd);
        }
    }
    for (; t < rows->n; t++)
        add_row(rows, t, words, sums);
    if (words < 4) {
#pragma GCC unroll 4
        for (size_t w = 0; w < words; w++)
            sums[w] = _mm512_add_pd(sums[w], odd[w]);
    }
}

/* Where the sums go: out = (or +=) scale value[r] sum. */
typedef struct column_out {
    double *out;
    double scale;
    const double *value;
    bool accumulate;
} column_out;

INLINE void add_words(const column_rows *rows, const column_out *to, const size_t words)
{
    __m512d sums[MAX_WORDS], scale = _mm512_set1_pd(to->scale);
    sum_words(rows, words, sums);
#pragma GCC unroll 16
    for (size_t w = 0; w < words; w++) {
        __m512d scaled = _mm512_mul_pd(sums[w], scale);
        scaled = _mm512_mul_pd(scaled, _mm512_load_pd(to->value + 8 * w));
        if (to->accumulate)
            scaled = _mm512_add_pd(scaled, _mm512_load_pd(to->out + 8 * w));
        _mm512_store_pd(to->out + 8 * w, scaled);
    }
}

#define EACH_COUNT(X)                                                                              \
    X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16)
#define ADD_WORDS(n)                                                                               \
    static void add_words_##n(const column_rows *rows, const column_out *to)                       \
    {                                                                                              \
        add_words(rows, to, n);                                                                    \
    }
EACH_COUNT(ADD_WORDS)

typedef void add_words_fn(const column_rows *rows, const column_out *to);
#define NAME(n) add_words_##n,
static add_words_fn *const add_words_of[] = {NULL, EACH_COUNT(NAME)};

static void add_block(const fednl__rows *rows, size_t block, const double *weight, double *triangle)
{
    const uint32_t *start = rows->list_start + block * rows->active;
    size_t first = fednl__block_begin(block);
    column_rows of = {.row_bytes = rows->row_bytes, .weight = weight + first};
    column_out to = {.accumulate = block > 0};
    for (size_t c = 0; c < rows->active; c++) {
        of.list = rows->list + start[c];
        of.n = start[c + 1] - start[c];
        to.scale = rows->value[c];
        for (size_t w = 0, words; of.n > 0 && w <= c / 8; w += words) {
            words = c / 8 + 1 - w < MAX_WORDS ? c / 8 + 1 - w : MAX_WORDS;
            of.bits = rows->bits + first * rows->row_bytes + w;
            to.value = rows->value + 8 * w;
            to.out = triangle + fednl__padded(c) + 8 * w;
            add_words_of[words](&of, &to);
        }
    }
}

static void take(const fednl__pattern *pattern, double *triangle, double *out)
{
    size_t groups = fednl__padded_bytes(pattern->active), w = 0, at = 0;
    const __m512d zero = _mm512_setzero_pd();
    for (; w < groups && at + 8 <= pattern->n; w++) {
        __mmask8 mask = mask_of(pattern->mask + w);
        __m512d v = _mm512_load_pd(triangle + 8 * w);
        _mm512_store_pd(triangle + 8 * w, zero);
        _mm512_storeu_pd(out + at, _mm512_maskz_compress_pd(mask, v));
        at += (size_t)__builtin_popcount(mask);
    }
    for (; w < groups; w++) { // a whole store could reach beyond the end
        __mmask8 mask = mask_of(pattern->mask + w);
        unsigned n = (unsigned)__builtin_popcount(mask);
        __m512d v = _mm512_load_pd(triangle + 8 * w);
        _mm512_store_pd(triangle + 8 * w, zero);
        _mm512_mask_storeu_pd(out + at, (__mmask8)((1u << n) - 1),
                              _mm512_maskz_compress_pd(mask, v));
        at += n;
    }
}

static void multiply(const fednl__pattern *pattern, const double *h, const double *x, double *y)
{
    const uint8_t *mask = pattern->mask;
    for (size_t c = 0; c < pattern->active; c++) {
        __m512d sum = _mm512_setzero_pd(), x_c = _mm512_set1_pd(x[c]);
        for (size_t w = 0; w <= c / 8; w++, mask++) {
            __mmask8 all = mask_of(mask);
            __mmask8 off = w < c / 8 ? all : (__mmask8)(all & ((1u << c % 8) - 1));
            __m512d h_w = _mm512_maskz_expandloadu_pd(all, h);
            sum = _mm512_fmadd_pd(h_w, _mm512_maskz_loadu_pd(all, x + 8 * w), sum);
            __m512d y_w = _mm512_maskz_loadu_pd(off, y + 8 * w);
            _mm512_mask_storeu_pd(y + 8 * w, off, _mm512_fmadd_pd(h_w, x_c, y_w));
            h += __builtin_popcount(all);
        }
        y[c] = _mm512_reduce_add_pd(sum); // later columns add to it
    }
}

const fednl__rows_kernels fednl__rows_kernels_avx512 = {.simd = CT_SIMD_AVX512,
                                                        .cost_bits = 1.2,
                                                        .cost_pair = 1.6,
                                                        .cost_dense = 0.2,
                                                        .add_block = add_block,
                                                        .take = take,
                                                        .multiply = multiply};

#endif
