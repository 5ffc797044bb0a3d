// SPDX-License-Identifier: MIT
/* AES-GCM with VAES and VPCLMULQDQ: sixteen blocks at a time, counter mode and hash in one loop,
 * which the processor overlaps.
 *
 * The hash multiplies polynomials over GF(2) modulo x^128 + x^7 + x^2 + x + 1, and a block's first
 * bit is the coefficient of x^0. A block with its bytes reversed is therefore phi(a) = y^127 a(1/y)
 * as a polynomial in y whose lowest bit is the constant, modulo G = y^128 + y^127 + y^126 + y^121 +
 * 1. Adding the multiple of G that clears the lowest 64 bits and dividing by y^64, twice, turns a
 * product of 256 bits into one of 128: reduce(u v) = u v y^-128 (as Montgomery did it for numbers).
 * And phi(a b) = y^-127 phi(a) phi(b) = reduce(phi(a) y phi(b)). So powers of H are kept as
 * y phi(H^i), and a multiplication is one product and one reduction. Products of sixteen blocks
 * with their powers are added before they are reduced. (Gueron, Kounavis, "Efficient implementation
 * of the Galois Counter Mode using a carry-less multiplier and a fast reduction algorithm", 2010.)
 */
#include "gcm_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

enum { LANES = 4, GROUP = 4, GROUP_BYTES = 64 * GROUP }; // blocks in a vector, vectors in a group

#define EVERY_BYTE (~(__mmask64)0)

/* ---- The hash ---- */

static inline __m128i reverse_bytes_128(__m128i block)
{
    return _mm_shuffle_epi8(block,
                            _mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
}

static inline __m512i reverse_bytes(__m512i blocks)
{
    return _mm512_shuffle_epi8(blocks, _mm512_broadcast_i32x4(_mm_setr_epi8(
                                           15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)));
}

static inline __m128i swap_halves(__m128i a)
{
    return _mm_shuffle_epi32(a, 0x4e);
}

/* low + middle y^64 + high y^128, times y^-128. The terms of G above the lowest, divided by y^64,
 * are y^57 + y^62 + y^63, and y^64. */
static inline __m128i reduce(__m128i low, __m128i middle, __m128i high)
{
    const __m128i terms = _mm_set_epi64x(0, (long long)0xc200000000000000);
    middle = _mm_ternarylogic_epi64(middle, swap_halves(low),
                                    _mm_clmulepi64_si128(low, terms, 0x00), 0x96);
    return _mm_ternarylogic_epi64(high, swap_halves(middle),
                                  _mm_clmulepi64_si128(middle, terms, 0x00), 0x96);
}

static inline __m128i multiply(__m128i a, __m128i b)
{
    __m128i middle =
        _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x01), _mm_clmulepi64_si128(a, b, 0x10));
    return reduce(_mm_clmulepi64_si128(a, b, 0x00), middle, _mm_clmulepi64_si128(a, b, 0x11));
}

static inline __m128i add_lanes(__m512i a)
{
    __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1));
    return _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/* The hash after up to sixteen more blocks, which are followed by zeros: power points to that of
 * the first of them. */
static inline __m128i hash_group(__m128i hash, const __m512i block[GROUP],
                                 const unsigned char *power)
{
    __m512i low = _mm512_setzero_si512(), middle = low, high = low;
    for (int v = 0; v < GROUP; v++) {
        __m512i a = reverse_bytes(block[v]), b = _mm512_loadu_si512(power + 64 * v);
        if (v == 0)
            a = _mm512_xor_si512(a, _mm512_zextsi128_si512(hash));
        low = _mm512_xor_si512(low, _mm512_clmulepi64_epi128(a, b, 0x00));
        middle = _mm512_ternarylogic_epi64(middle, _mm512_clmulepi64_epi128(a, b, 0x01),
                                           _mm512_clmulepi64_epi128(a, b, 0x10), 0x96);
        high = _mm512_xor_si512(high, _mm512_clmulepi64_epi128(a, b, 0x11));
    }
    return reduce(add_lanes(low), add_lanes(middle), add_lanes(high));
}

/* The power that the first of the last `bytes` bytes, at most a group, is multiplied by. */
static inline const unsigned char *power_of_last(const permk__gcm *gcm, size_t bytes)
{
    return gcm->power[PERMK__GCM_POWERS - (bytes + 15) / 16];
}

/* Which bytes of vector v there are. */
static inline __mmask64 bytes_of_vector(size_t bytes, size_t v)
{
    if (bytes >= 64 * (v + 1))
        return EVERY_BYTE;
    return bytes <= 64 * v ? 0 : _bzhi_u64(EVERY_BYTE, (unsigned)(bytes - 64 * v));
}

static __m128i hash_bytes(const permk__gcm *gcm, __m128i hash, const unsigned char *data,
                          size_t size)
{
    for (size_t some; size > 0; data += some, size -= some) {
        __m512i block[GROUP];
        some = size < GROUP_BYTES ? size : GROUP_BYTES;
        for (size_t v = 0; v < GROUP; v++)
            block[v] = _mm512_maskz_loadu_epi8(bytes_of_vector(some, v), data + 64 * v);
        hash = hash_group(hash, block, power_of_last(gcm, some));
    }
    return hash;
}

/* ---- Counter mode ---- */

/* Nonce and a counter of 32 bits, which is kept as a number and becomes big-endian here. */
static inline __m512i counter_bytes(__m512i counter)
{
    return _mm512_shuffle_epi8(counter, _mm512_broadcast_i32x4(_mm_setr_epi8(
                                            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 14, 13, 12)));
}

static inline __m512i round_key(const permk__gcm *gcm, unsigned round)
{
    return _mm512_broadcast_i32x4(
        _mm_loadu_si128((const __m128i *)(const void *)gcm->round_key[round]));
}

static inline __m512i add_to_counters(__m512i counter, int blocks)
{
    return _mm512_add_epi32(counter, _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0, 0, blocks)));
}

/* Key stream of a group's counters. */
static inline void make_stream(const permk__gcm *gcm, unsigned rounds, __m512i counter,
                               __m512i stream[GROUP])
{
    for (int v = 0; v < GROUP; v++)
        stream[v] =
            _mm512_xor_si512(counter_bytes(add_to_counters(counter, LANES * v)), round_key(gcm, 0));
    for (unsigned r = 1; r < rounds; r++)
        for (int v = 0; v < GROUP; v++)
            stream[v] = _mm512_aesenc_epi128(stream[v], round_key(gcm, r));
    for (int v = 0; v < GROUP; v++)
        stream[v] = _mm512_aesenclast_epi128(stream[v], round_key(gcm, rounds));
}

/* Counters of the first group: 2, 3, 4, 5. */
static inline __m512i first_counters(const unsigned char *nonce)
{
    unsigned char block[16] = {0};
    memcpy(block, nonce, PERMK__GCM_NONCE_BYTES);
    __m512i all = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)block));
    return _mm512_add_epi32(all, _mm512_setr_epi32(0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5));
}

static __m128i encrypt_block(const permk__gcm *gcm, __m128i block)
{
    const __m128i *key = (const __m128i *)(const void *)gcm->round_key;
    block = _mm_xor_si128(block, _mm_loadu_si128(key));
    for (unsigned r = 1; r < gcm->rounds; r++)
        block = _mm_aesenc_si128(block, _mm_loadu_si128(key + r));
    return _mm_aesenclast_si128(block, _mm_loadu_si128(key + gcm->rounds));
}

/* ---- Messages ---- */

/* All whole groups: returns the hash; *counter moves on. */
static inline __m128i run_groups(const permk__gcm *gcm, unsigned rounds, bool encrypt, __m128i hash,
                                 __m512i *counter, const unsigned char *in, size_t groups,
                                 unsigned char *out)
{
    __m512i now = *counter;
    for (size_t g = 0; g < groups; g++, in += GROUP_BYTES, out += GROUP_BYTES) {
        __m512i stream[GROUP], cipher[GROUP];
        make_stream(gcm, rounds, now, stream);
        now = add_to_counters(now, LANES * GROUP);
        for (int v = 0; v < GROUP; v++) {
            __m512i data = _mm512_loadu_si512(in + 64 * v);
            __m512i result = _mm512_xor_si512(data, stream[v]);
            cipher[v] = encrypt ? result : data;
            _mm512_storeu_si512(out + 64 * v, result);
        }
        hash = hash_group(hash, cipher, gcm->power[0]);
    }
    *counter = now;
    return hash;
}

/* The rest, less than a group. */
static __m128i run_rest(const permk__gcm *gcm, bool encrypt, __m128i hash, __m512i counter,
                        const unsigned char *in, size_t size, unsigned char *out)
{
    __m512i stream[GROUP], cipher[GROUP];
    make_stream(gcm, gcm->rounds, counter, stream);
    for (size_t v = 0; v < GROUP; v++) {
        __mmask64 bytes = bytes_of_vector(size, v);
        __m512i data = _mm512_maskz_loadu_epi8(bytes, in + 64 * v);
        __m512i result = _mm512_maskz_mov_epi8(bytes, _mm512_xor_si512(data, stream[v]));
        cipher[v] = encrypt ? result : data;
        _mm512_mask_storeu_epi8(out + 64 * v, bytes, result);
    }
    return hash_group(hash, cipher, power_of_last(gcm, size));
}

/* A loop of its own for each number of rounds and each direction. */
static __m128i run_data(const permk__gcm *gcm, bool encrypt, __m128i hash,
                        const unsigned char *nonce, const unsigned char *in, size_t size,
                        unsigned char *out)
{
    __m512i counter = first_counters(nonce);
    size_t groups = size / GROUP_BYTES, done = groups * GROUP_BYTES;
    if (gcm->rounds == 10)
        hash = encrypt ? run_groups(gcm, 10, true, hash, &counter, in, groups, out)
                       : run_groups(gcm, 10, false, hash, &counter, in, groups, out);
    else
        hash = encrypt ? run_groups(gcm, 14, true, hash, &counter, in, groups, out)
                       : run_groups(gcm, 14, false, hash, &counter, in, groups, out);
    if (size > done)
        hash = run_rest(gcm, encrypt, hash, counter, in + done, size - done, out + done);
    return hash;
}

void permk__gcm_vaes_run(const permk__gcm *gcm, bool encrypt, const unsigned char *nonce,
                         const unsigned char *aad, size_t aad_size, const unsigned char *in,
                         size_t size, unsigned char *out, unsigned char *tag)
{
    __m128i hash = hash_bytes(gcm, _mm_setzero_si128(), aad, aad_size);
    hash = run_data(gcm, encrypt, hash, nonce, in, size, out);
    __m128i bits =
        _mm_set_epi64x((long long)(8 * (uint64_t)aad_size), (long long)(8 * (uint64_t)size));
    __m128i key = _mm_loadu_si128((const __m128i *)(const void *)power_of_last(gcm, 16));
    hash = reverse_bytes_128(multiply(_mm_xor_si128(hash, bits), key));
    unsigned char first[16] = {[15] = 1}; // the counter block before the data's
    memcpy(first, nonce, PERMK__GCM_NONCE_BYTES);
    __m128i mask = encrypt_block(gcm, _mm_loadu_si128((const __m128i *)(const void *)first));
    _mm_storeu_si128((__m128i *)(void *)tag, _mm_xor_si128(hash, mask));
}

/* ---- Keys ---- */

static inline __m128i next_key(__m128i before, __m128i word)
{
    before = _mm_xor_si128(before, _mm_slli_si128(before, 4));
    before = _mm_xor_si128(before, _mm_slli_si128(before, 8));
    return _mm_xor_si128(before, word);
}

/* FIPS 197, 5.2. The round constant is doubled in GF(2^8); the instruction wants it as a constant,
 * but of its result RotWord(SubWord) and SubWord do without. */
static void expand_key(permk__gcm *gcm, const unsigned char *key, size_t key_bytes)
{
    unsigned words = (unsigned)(key_bytes / 16); // keys of 16 bytes to begin with
    gcm->rounds = key_bytes == 32 ? 14 : 10;
    __m128i k[2] = {_mm_loadu_si128((const __m128i *)(const void *)key),
                    _mm_loadu_si128((const __m128i *)(const void *)(key + key_bytes - 16))};
    memcpy(gcm->round_key[0], key, key_bytes);
    uint32_t constant = 1;
    for (unsigned r = words; r <= gcm->rounds; r++) {
        __m128i assist = _mm_aeskeygenassist_si128(k[words - 1], 0), word;
        if (r % words == 0) {
            word = _mm_xor_si128(_mm_shuffle_epi32(assist, 0xff), _mm_set1_epi32((int)constant));
            constant = constant << 1 ^ (constant >> 7) * 0x11b;
        } else {
            word = _mm_shuffle_epi32(assist, 0xaa);
        }
        __m128i next = next_key(k[0], word);
        k[0] = words == 2 ? k[1] : next;
        k[words - 1] = next;
        _mm_storeu_si128((__m128i *)(void *)gcm->round_key[r], next);
    }
}

/* a y modulo G. */
static __m128i times_y(__m128i a)
{
    const __m128i g = _mm_set_epi64x((long long)0xc200000000000000, 1);
    __m128i carry = _mm_srai_epi32(_mm_shuffle_epi32(a, 0xff), 31); // the highest bit everywhere
    __m128i between = _mm_slli_si128(_mm_srli_epi64(a, 63), 8);     // from the lower half
    __m128i shifted = _mm_or_si128(_mm_slli_epi64(a, 1), between);
    return _mm_xor_si128(shifted, _mm_and_si128(carry, g));
}

void permk__gcm_vaes_init(permk__gcm *gcm, const unsigned char *key, size_t key_bytes)
{
    expand_key(gcm, key, key_bytes);
    __m128i h = times_y(reverse_bytes_128(encrypt_block(gcm, _mm_setzero_si128()))), power = h;
    for (int i = PERMK__GCM_POWERS - 1; i >= 0; i--) {
        _mm_storeu_si128((__m128i *)(void *)gcm->power[i], power);
        power = multiply(power, h);
    }
}

#endif
