// SPDX-License-Identifier: MIT
/* The kernels for AVX-512. A column of the Hessian is summed in registers, up to 16 words of 8
 * entries at a time: row after row of the column's list adds its weight under the bytes of its bit
 * set. */
#include "rows_kernels.h"

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { MAX_WORDS = 16 };

/* A byte as a mask. Compilers go through a general register, which costs twice as much where masks
 * are all there is to load. */
INLINE __mmask8 mask_of(const uint8_t *byte)
{
    __mmask8 mask;
    __asm__("kmovb %1, %0" : "=Yk"(mask) : "m"(*byte));
    return mask;
}

/* Rows of a block that have one column, and their weights. */
typedef struct column_rows {
    const uint16_t *list;
    size_t n;
    const uint8_t *bits; // of the words to be summed, in the block's first row
    size_t row_bytes;
    const double *first, *second; // of the block's rows
} column_rows;

/* Where the sums go, times scale value[r]: to out, or added to it; or, of a pattern, to where its
 * entries are. */
typedef struct column_out {
    double scale;
    const double *value; // NULL: all are 1
    double *out;
    bool accumulate;
    const uint8_t *mask; // of the words
} column_out;

/* sums (words) += the weight of row t under its mask. */
INLINE void add_row(const uint8_t *bits, double weight, const size_t words, __m512d *sums)
{
    __m512d all = _mm512_set1_pd(weight);
#pragma GCC unroll 16
    for (size_t w = 0; w < words; w++)
        sums[w] = _mm512_mask_add_pd(sums[w], mask_of(bits + w), sums[w], all);
}

/* Few words are added in two sums for even and odd rows, as an addition waits for the one before.
 * Returns the sum of first. */
INLINE double sum_words(const column_rows *rows, const size_t words, __m512d *sums)
{
    const uint16_t *list = rows->list, *end = list + rows->n;
    const uint8_t *bits = rows->bits;
    const double *first = rows->first, *second = rows->second;
    size_t row_bytes = rows->row_bytes;
    __m512d odd[MAX_WORDS];
    double sum = 0.0, odd_sum = 0.0;
#pragma GCC unroll 16
    for (size_t w = 0; w < words; w++)
        sums[w] = odd[w] = _mm512_setzero_pd();
    if (words < 4) {
        for (; list + 2 <= end; list += 2) {
            size_t row = list[0], next = list[1];
            add_row(bits + row * row_bytes, second[row], words, sums);
            add_row(bits + next * row_bytes, second[next], words, odd);
            sum += first[row];
            odd_sum += first[next];
        }
    }
    for (; list < end; list++) {
        size_t row = *list;
        add_row(bits + row * row_bytes, second[row], words, sums);
        sum += first[row];
    }
    if (words < 4) {
#pragma GCC unroll 4
        for (size_t w = 0; w < words; w++)
            sums[w] = _mm512_add_pd(sums[w], odd[w]);
    }
    return sum + odd_sum;
}

INLINE void add_to(double *out, bool accumulate, const size_t words, const __m512d *sums)
{
#pragma GCC unroll 16
    for (size_t w = 0; w < words; w++) {
        __m512d before = accumulate ? _mm512_load_pd(out + 8 * w) : _mm512_setzero_pd();
        _mm512_store_pd(out + 8 * w, _mm512_add_pd(sums[w], before));
    }
}

/* Entries of mask to out, which has room for all. */
INLINE double *pack(double *out, const uint8_t *mask, const size_t words, const __m512d *sums)
{
#pragma GCC unroll 16
    for (size_t w = 0; w < words; w++) {
        __mmask8 of = mask_of(mask + w);
        _mm512_storeu_pd(out, _mm512_maskz_compress_pd(of, sums[w]));
        out += __builtin_popcount(mask[w]);
    }
    return out;
}

/* Returns the sum of first. */
INLINE double add_words(const column_rows *rows, column_out *to, const size_t words)
{
    __m512d sums[MAX_WORDS];
    double sum = sum_words(rows, words, sums);
    if (to->value != NULL) {
        __m512d scale = _mm512_set1_pd(to->scale);
#pragma GCC unroll 16
        for (size_t w = 0; w < words; w++)
            sums[w] *= scale * _mm512_load_pd(to->value + 8 * w);
    }
    if (to->mask != NULL)
        to->out = pack(to->out, to->mask, words, sums);
    else
        add_to(to->out, to->accumulate, words, sums);
    return sum;
}

#define EACH_COUNT(X)                                                                              \
    X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16)
#define ADD_WORDS(n)                                                                               \
    static double add_words_##n(const column_rows *rows, column_out *to)                           \
    {                                                                                              \
        return add_words(rows, to, n);                                                             \
    }
EACH_COUNT(ADD_WORDS)

typedef double add_words_fn(const column_rows *rows, column_out *to);
#define NAME(n) add_words_##n,
static add_words_fn *const add_words_of[] = {NULL, EACH_COUNT(NAME)};

static void add_block(const fednl__rows *rows, size_t block, const double *first,
                      const double *second, double *g, double *triangle)
{
    const uint32_t *start = rows->list_start + block * rows->active;
    size_t begin = fednl__block_begin(block);
    column_rows of = {
        .row_bytes = rows->row_bytes, .first = first + begin, .second = second + begin};
    column_out to = {.accumulate = block > 0};
    for (size_t c = 0; c < rows->active; c++) {
        of.list = rows->list + start[c];
        of.n = start[c + 1] - start[c];
        to.scale = rows->value[c];
        for (size_t w = 0, words; of.n > 0 && w <= c / 8; w += words) {
            words = c / 8 + 1 - w < MAX_WORDS ? c / 8 + 1 - w : MAX_WORDS;
            of.bits = rows->bits + begin * rows->row_bytes + w;
            to.value = rows->unit ? NULL : rows->value + 8 * w;
            to.out = triangle + fednl__padded(c) + 8 * w;
            double sum = add_words_of[words](&of, &to);
            g[c] += w == 0 ? sum * rows->value[c] : 0.0;
        }
    }
}

/* One block: no triangle is needed. */
static void pack_block(const fednl__rows *rows, const fednl__pattern *pattern, const double *first,
                       const double *second, double *g, double *h)
{
    const uint32_t *start = rows->list_start;
    column_rows of = {.row_bytes = rows->row_bytes, .first = first, .second = second};
    column_out to = {.mask = pattern->mask};
    double last[8 * MAX_WORDS + 8], *end = h + pattern->n;
    for (size_t c = 0; c < rows->active; c++) {
        of.list = rows->list + start[c];
        of.n = start[c + 1] - start[c];
        to.scale = rows->value[c];
        for (size_t w = 0, words; w <= c / 8; w += words, to.mask += words) {
            words = c / 8 + 1 - w < MAX_WORDS ? c / 8 + 1 - w : MAX_WORDS;
            of.bits = rows->bits + w;
            to.value = rows->unit ? NULL : rows->value + 8 * w;
            bool fits = (size_t)(end - h) > 8 * words;
            to.out = fits ? h : last;
            double sum = add_words_of[words](&of, &to);
            g[c] = w == 0 ? sum * rows->value[c] : g[c];
            if (!fits)
                memcpy(h, last, (size_t)(to.out - last) * sizeof *h);
            h = fits ? to.out : h + (to.out - last);
        }
    }
}

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
                                                        .pack_block = pack_block,
                                                        .list_column = list_column,
                                                        .take = take,
                                                        .multiply = multiply};

#endif
