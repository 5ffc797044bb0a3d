// SPDX-License-Identifier: MIT
/* With AVX-512: lists are made by compressing vectors, in a register and not into memory, which is
 * slow on some processors. The last vector of an array is masked. */
#include "natural_private.h"
#include "select_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

static inline size_t count_of(unsigned mask)
{
    return (size_t)(unsigned)__builtin_popcount(mask);
}

/* The first n lanes, n <= 16. */
static inline __mmask16 first_lanes(size_t n)
{
    return (__mmask16)_bzhi_u32(0xffff, (unsigned)n);
}

static inline __m512i magnitudes(const double *v, __mmask8 lanes)
{
    return _mm512_and_epi64(_mm512_maskz_loadu_epi64(lanes, v), _mm512_set1_epi64(INT64_MAX));
}

static inline __mmask8 within(__m512i key, ct_key_range range)
{
    __m512i width = _mm512_set1_epi64((long long)(range.high - range.low));
    __m512i low = _mm512_set1_epi64((long long)range.low);
    return _mm512_cmple_epu64_mask(_mm512_sub_epi64(key, low), width);
}

/* Append the keys that are to be kept; returns how many there are then. */
static inline size_t keep_keys(uint64_t *keys, size_t kept, __mmask8 keep, __m512i key)
{
    size_t count = count_of(keep);
    _mm512_mask_storeu_epi64(keys + kept, (__mmask8)first_lanes(count),
                             _mm512_maskz_compress_epi64(keep, key));
    return kept + count;
}

static size_t keys_within(uint64_t *keys, const double *v, size_t n, ct_key_range range,
                          size_t *above)
{
    const __m512i high = _mm512_set1_epi64((long long)range.high), one = _mm512_set1_epi64(1);
    __m512i larger = _mm512_setzero_si512(), key;
    size_t kept = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
        key = magnitudes(v + i, 0xff);
        larger = _mm512_mask_add_epi64(larger, _mm512_cmpgt_epu64_mask(key, high), larger, one);
        __mmask8 keep = within(key, range);
        _mm512_storeu_si512(keys + kept, _mm512_maskz_compress_epi64(keep, key)); // kept <= i
        kept += count_of(keep);
    }
    __mmask8 rest = (__mmask8)first_lanes(n - i);
    key = magnitudes(v + i, rest);
    larger = _mm512_mask_add_epi64(larger, _mm512_cmpgt_epu64_mask(key, high), larger, one);
    *above = (size_t)_mm512_reduce_add_epi64(larger);
    return keep_keys(keys, kept, within(key, range) & rest, key);
}

static size_t keep_range(uint64_t *keys, size_t n, ct_key_range range)
{
    size_t kept = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
        __m512i key = _mm512_loadu_si512(keys + i);
        kept = keep_keys(keys, kept, within(key, range), key);
    }
    __mmask8 rest = (__mmask8)first_lanes(n - i);
    __m512i key = _mm512_maskz_loadu_epi64(rest, keys + i);
    return keep_keys(keys, kept, within(key, range) & rest, key);
}

/* List those of the indices first, first + 1, … that are chosen. */
static inline size_t keep_indices(uint32_t *slot, size_t chosen, __mmask16 choice, size_t first)
{
    const __m512i step = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i index = _mm512_add_epi32(step, _mm512_set1_epi32((int)(uint32_t)first));
    size_t count = count_of(choice);
    _mm512_mask_storeu_epi32(slot + chosen, first_lanes(count),
                             _mm512_maskz_compress_epi32(choice, index));
    return chosen + count;
}

static inline size_t keep_at_least(uint32_t *slot, size_t chosen, const double *v, size_t i,
                                   __m512i least, __mmask16 lanes)
{
    __mmask8 front = (__mmask8)lanes, back = (__mmask8)(lanes >> 8);
    front = _mm512_mask_cmpge_epu64_mask(front, magnitudes(v + i, front), least);
    back = _mm512_mask_cmpge_epu64_mask(back, magnitudes(v + i + 8, back), least);
    return keep_indices(slot, chosen, _mm512_kunpackb(back, front), i);
}

static size_t list_at_least(uint32_t *slot, const double *v, size_t n, uint64_t least)
{
    const __m512i bound = _mm512_set1_epi64((long long)least);
    size_t chosen = 0, i = 0;
    for (; i + 16 <= n; i += 16)
        chosen = keep_at_least(slot, chosen, v, i, bound, 0xffff);
    return keep_at_least(slot, chosen, v, i, bound, first_lanes(n - i));
}

static inline size_t round_eight(double *value, const double *v, const uint16_t *random,
                                 __mmask8 lanes)
{
    const __m512i mantissa = _mm512_set1_epi64((long long)CT__MANTISSA_MASK);
    const __m512i largest = _mm512_set1_epi64((long long)CT__LARGEST_POWER);
    const __m512i one = _mm512_set1_epi64(1LL << CT__MANTISSA_BITS);
    __m512i bits = _mm512_maskz_loadu_epi64(lanes, v);
    __m512i draw = _mm512_cvtepu16_epi64(_mm_maskz_loadu_epi16(lanes, random));
    __m512i first = _mm512_srli_epi64(_mm512_and_epi64(bits, mantissa), CT__REST_BITS);
    __m512i power = _mm512_andnot_epi64(mantissa, bits);
    __m512i magnitude = _mm512_and_epi64(power, _mm512_set1_epi64(INT64_MAX));
    __mmask8 up = _mm512_cmplt_epu64_mask(draw, first);
    up = _mm512_mask_cmplt_epu64_mask(up, magnitude, largest);
    _mm512_mask_storeu_epi64(value, lanes, _mm512_mask_add_epi64(power, up, power, one));
    return count_of(_mm512_mask_cmpeq_epi64_mask(lanes, draw, first));
}

static size_t round_to_powers(double *value, const double *v, const uint16_t *random, size_t n)
{
    size_t equal = 0, i = 0;
    for (; i + 8 <= n; i += 8)
        equal += round_eight(value + i, v + i, random + i, 0xff);
    return equal + round_eight(value + i, v + i, random + i, (__mmask8)first_lanes(n - i));
}

const ct__select_kernels ct__select_kernels_avx512 = {keys_within, keep_range, list_at_least,
                                                      round_to_powers};
#endif
