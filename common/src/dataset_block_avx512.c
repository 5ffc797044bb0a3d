// SPDX-License-Identifier: MIT
/* Blocks of sparse binary text with AVX-512 F and BW. See dataset_block.h. */
#include "dataset_private.h"

#if defined(__AVX512F__) && defined(__AVX512BW__)
#include <immintrin.h>

typedef __m512i lanes;
#include "dataset_block.h"

static inline lanes lanes_zero(void)
{
    return _mm512_setzero_si512();
}

static inline uint32_t lanes_max(lanes v)
{
    return _mm512_reduce_max_epu32(v);
}

static inline block classify(const char *p)
{
    __m512i v = _mm512_loadu_si512(p);
#define BYTES_EQUAL(c) _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(c))
    block b = {
        .digit =
            _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8('0')), _mm512_set1_epi8(10)),
        .one = BYTES_EQUAL('1'),
        .colon = BYTES_EQUAL(':'),
        .blank = BYTES_EQUAL(' ') | BYTES_EQUAL('\t'),
        .newline = BYTES_EQUAL('\n'),
        .sign = BYTES_EQUAL('-') | BYTES_EQUAL('+'),
    };
#undef BYTES_EQUAL
    return b;
}

/* In each byte of mask, the digit `back` bytes before it; 0 elsewhere. */
static inline __m512i digits_before(const char *p, int back, uint64_t mask)
{
    return _mm512_maskz_sub_epi8(mask, _mm512_loadu_si512(p - back), _mm512_set1_epi8('0'));
}

/* The four digits before p's bytes in `at` as a number. Colons are at least four bytes apart, so a
 * 32-bit lane holds at most one, and sums over its bytes gather what belongs to that one.
 * has[k]: there are at least k + 1 digits. */
static inline __m512i four_digits(const char *p, const uint64_t has[4])
{
    const __m512i one = _mm512_set1_epi8(1), ten = _mm512_set1_epi8(10);
    __m512i low = _mm512_add_epi16(_mm512_maddubs_epi16(digits_before(p, 1, has[0]), one),
                                   _mm512_maddubs_epi16(digits_before(p, 2, has[1]), ten));
    __m512i high = _mm512_add_epi16(_mm512_maddubs_epi16(digits_before(p, 3, has[2]), one),
                                    _mm512_maddubs_epi16(digits_before(p, 4, has[3]), ten));
    return _mm512_add_epi32(_mm512_madd_epi16(low, _mm512_set1_epi16(1)),
                            _mm512_madd_epi16(high, _mm512_set1_epi16(100)));
}

static inline bool convert(const char *p, const block_entries *e, uint32_t *col, lanes *max)
{
    uint64_t has[8] = {e->colon};
    for (int k = 1; k < 8; k++)
        has[k] = has[k - 1] & (e->digit << (k + 1));
    __m512i index = four_digits(p, has);
    if (has[4] != 0)
        index = _mm512_add_epi32(
            index, _mm512_mullo_epi32(four_digits(p - 4, has + 4), _mm512_set1_epi32(10000)));
    __m512i colon = _mm512_movm_epi8(e->colon);
    index = _mm512_sub_epi32(index, _mm512_set1_epi32((int)e->first_index));
    __m512i packed = _mm512_maskz_compress_epi32(_mm512_test_epi32_mask(colon, colon), index);
    __m512i before = _mm512_alignr_epi32(packed, _mm512_set1_epi32((int)e->before), 15);
    uint32_t wrong = _mm512_cmple_epu32_mask(packed, before) & ~e->row_begins;
    wrong |= _mm512_cmpge_epu32_mask(packed, _mm512_set1_epi32((int)e->limit));
    if ((wrong & ((UINT32_C(1) << e->n) - 1)) != 0)
        return false;
    _mm512_storeu_si512(col, packed);
    *max = _mm512_max_epu32(*max, packed);
    return true;
}

static inline void fill_ones(double *val)
{
    _mm512_storeu_pd(val, _mm512_set1_pd(1.0));
    _mm512_storeu_pd(val + 8, _mm512_set1_pd(1.0));
}

void ct__libsvm_blocks_avx512(ct__libsvm *out, const char **line)
{
    take_blocks(out, line);
}
#else
void ct__libsvm_blocks_avx512(ct__libsvm *out, const char **line)
{
    (void)out;
    (void)line;
}
#endif
