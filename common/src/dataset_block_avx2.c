// SPDX-License-Identifier: MIT
/* Blocks of sparse binary text with AVX2 and BMI2. See dataset_block.h. */
#include "dataset_private.h"

#if defined(__AVX2__) && defined(__BMI2__)
#include <immintrin.h>

typedef __m256i lanes;
#include "dataset_block.h"

static inline lanes lanes_zero(void)
{
    return _mm256_setzero_si256();
}

static inline uint32_t lanes_max(lanes v)
{
    uint32_t lane[8], max = 0;
    _mm256_storeu_si256((__m256i *)(void *)lane, v);
    for (int i = 0; i < 8; i++)
        max = lane[i] > max ? lane[i] : max;
    return max;
}

static inline __m256i load_bytes(const char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static inline uint64_t two_masks(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high)
                                                     << 32;
}

/* Each byte less '0', and whether that is a digit. */
static inline __m256i digit_values(const char *p)
{
    return _mm256_sub_epi8(load_bytes(p), _mm256_set1_epi8('0'));
}

static inline __m256i are_digits(__m256i values)
{
    return _mm256_cmpeq_epi8(_mm256_min_epu8(values, _mm256_set1_epi8(9)), values);
}

static inline uint64_t bytes_equal(__m256i low, __m256i high, char c)
{
    return two_masks(_mm256_cmpeq_epi8(low, _mm256_set1_epi8(c)),
                     _mm256_cmpeq_epi8(high, _mm256_set1_epi8(c)));
}

static inline block classify(const char *p)
{
    __m256i low = load_bytes(p), high = load_bytes(p + 32);
    block b = {
        .digit = two_masks(are_digits(digit_values(p)), are_digits(digit_values(p + 32))),
        .one = bytes_equal(low, high, '1'),
        .colon = bytes_equal(low, high, ':'),
        .blank = bytes_equal(low, high, ' ') | bytes_equal(low, high, '\t'),
        .newline = bytes_equal(low, high, '\n'),
        .sign = bytes_equal(low, high, '-') | bytes_equal(low, high, '+'),
    };
    return b;
}

/* The four digits before the bytes of p in *has as numbers; *has keeps the bytes that have four.
 * Colons are at least four bytes apart, so a 32-bit lane holds at most one, and sums over its bytes
 * gather what belongs to that one. */
static inline __m256i four_digits(const char *p, __m256i *has)
{
    const __m256i one = _mm256_set1_epi8(1), ten = _mm256_set1_epi8(10);
    __m256i digit[4];
    for (int k = 0; k < 4; k++) {
        __m256i value = digit_values(p - 1 - k);
        *has = _mm256_and_si256(*has, are_digits(value));
        digit[k] = _mm256_and_si256(value, *has);
    }
    __m256i low =
        _mm256_add_epi16(_mm256_maddubs_epi16(digit[0], one), _mm256_maddubs_epi16(digit[1], ten));
    __m256i high =
        _mm256_add_epi16(_mm256_maddubs_epi16(digit[2], one), _mm256_maddubs_epi16(digit[3], ten));
    return _mm256_add_epi32(_mm256_madd_epi16(low, _mm256_set1_epi16(1)),
                            _mm256_madd_epi16(high, _mm256_set1_epi16(100)));
}

/* The lanes of v in mask moved together to the front. */
static inline __m256i compress_lanes(__m256i v, unsigned mask)
{
    uint64_t bytes = _pdep_u64(mask, UINT64_C(0x0101010101010101)) * 0xff;
    uint64_t order = _pext_u64(UINT64_C(0x0706050403020100), bytes);
    return _mm256_permutevar8x32_epi32(v,
                                       _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)order)));
}

/* Half a block at p; *e and *before are those of the half. */
static inline bool convert_half(const char *p, __m256i colon, const block_entries *e, unsigned n,
                                uint32_t row_begins, uint32_t before, uint32_t *col, lanes *max)
{
    __m256i has = colon, index = four_digits(p, &has);
    if (!_mm256_testz_si256(has, has))
        index = _mm256_add_epi32(
            index, _mm256_mullo_epi32(four_digits(p - 4, &has), _mm256_set1_epi32(10000)));
    index = _mm256_sub_epi32(index, _mm256_set1_epi32((int)e->first_index));
    __m256i empty = _mm256_cmpeq_epi32(colon, _mm256_setzero_si256());
    unsigned lanes_used = ~(unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(empty)) & 0xff;
    __m256i packed = compress_lanes(index, lanes_used);
    __m256i rotated =
        _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(7, 0, 1, 2, 3, 4, 5, 6));
    __m256i previous = _mm256_blend_epi32(rotated, _mm256_set1_epi32((int)before), 1);
    // unsigned a <= b is max(a, b) == b
    __m256i falls = _mm256_cmpeq_epi32(_mm256_max_epu32(packed, previous), previous);
    __m256i limit = _mm256_set1_epi32((int)e->limit);
    __m256i beyond = _mm256_cmpeq_epi32(_mm256_max_epu32(packed, limit), packed);
    unsigned wrong = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(falls)) & ~row_begins;
    wrong |= (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(beyond));
    _mm256_storeu_si256((__m256i *)(void *)col, packed);
    *max = _mm256_max_epu32(*max, _mm256_andnot_si256(empty, index));
    return (wrong & ((1u << n) - 1)) == 0;
}

static inline bool convert(const char *p, const block_entries *e, uint32_t *col, lanes *max)
{
    const __m256i position =
        _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
                         21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
    char last = (char)(63 - __builtin_clzll(e->colon));
    unsigned n_low = (unsigned)__builtin_popcount((uint32_t)e->colon);
    __m256i colon = _mm256_set1_epi8(':');
    __m256i low = _mm256_and_si256(_mm256_cmpeq_epi8(load_bytes(p), colon),
                                   _mm256_cmpgt_epi8(_mm256_set1_epi8((char)(last + 1)), position));
    __m256i high =
        _mm256_and_si256(_mm256_cmpeq_epi8(load_bytes(p + 32), colon),
                         _mm256_cmpgt_epi8(_mm256_set1_epi8((char)(last - 31)), position));
    lanes raised = *max;
    bool good = convert_half(p, low, e, n_low, e->row_begins, e->before, col, &raised);
    uint32_t before = n_low > 0 ? col[n_low - 1] : e->before;
    good &= convert_half(p + 32, high, e, e->n - n_low, e->row_begins >> n_low, before, col + n_low,
                         &raised);
    if (good)
        *max = raised;
    return good;
}

static inline void fill_ones(double *val)
{
    for (int i = 0; i < BLOCK_ENTRIES; i += 4)
        _mm256_storeu_pd(val + i, _mm256_set1_pd(1.0));
}

void ct__libsvm_blocks_avx2(ct__libsvm *out, const char **line)
{
    take_blocks(out, line);
}
#else
void ct__libsvm_blocks_avx2(ct__libsvm *out, const char **line)
{
    (void)out;
    (void)line;
}
#endif
