// SPDX-License-Identifier: MIT
/* Decimal digits eight at a time in an ordinary 64-bit register, and the most common numbers of
 * data files made of them. Private to the dataset module. */
#ifndef CTRAIN_DATASET_DIGITS_H
#define CTRAIN_DATASET_DIGITS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool ct__is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

/* Sign, digit, point, twice eight digits, and what is behind them. */
#define CT__SHORT_BYTES 20

#if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define CT__SWAR 1

/* Eight bytes, the first in the lowest bits, each less '0'. */
static inline uint64_t ct__swar_load(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word ^ UINT64_C(0x3030303030303030);
}

/* How many of the bytes are digits before the first that is none, 0 … 8. Adding 0x76 carries into
 * the top bit of a byte from 10 upward; a carry out of it only disturbs later bytes. */
static inline unsigned ct__swar_digits(uint64_t word)
{
    uint64_t other = ((word + UINT64_C(0x7676767676767676)) | word) & UINT64_C(0x8080808080808080);
    return other != 0 ? (unsigned)__builtin_ctzll(other) / 8 : 8;
}

/* The number made of the first n digits, 1 <= n <= 8: neighbours are joined to pairs, pairs to
 * fours, fours to eight. */
static inline uint32_t ct__swar_number(uint64_t word, unsigned n)
{
    word <<= 8 * (8 - n);
    word = word * 10 + (word >> 8);
    uint64_t low = (word & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064);
    uint64_t high = ((word >> 16) & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001);
    return (uint32_t)((low + high) >> 32);
}

/* A number of the form D.DDD with at most 15 digits behind the point, followed by a blank or a
 * newline, exact by one division (dataset_number.c says why). CT__SHORT_BYTES must be readable at
 * p. Returns where it ends; NULL for all other texts, which ct_number_parse reads. Every branch
 * goes one way on regular data, so that the next number can be begun before this one is finished.
 */
static inline const char *ct__number_parse_short(const char *p, double *value)
{
    static const double power[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    static const uint64_t integer_power[] = {1,      10,      100,      1000,     10000,
                                             100000, 1000000, 10000000, 100000000};
    bool negative = *p == '-';
    if (negative)
        p++;
    if (!ct__is_digit(p[0]) || p[1] != '.')
        return NULL;
    uint64_t word = ct__swar_load(p + 2), m = (uint64_t)(p[0] - '0');
    unsigned n = ct__swar_digits(word), more = 0;
    if (n == 0)
        return NULL;
    m = m * integer_power[n] + ct__swar_number(word, n);
    p += 2 + n;
    if (n == 8 && ct__is_digit(*p)) {
        word = ct__swar_load(p);
        more = ct__swar_digits(word);
        m = m * integer_power[more] + ct__swar_number(word, more);
        p += more;
    }
    if (more == 8 || m > (UINT64_C(1) << 53) || (*p != ' ' && *p != '\n'))
        return NULL;
    double magnitude = (double)m / power[n + more];
    *value = negative ? -magnitude : magnitude;
    return p;
}
#else
#define CT__SWAR 0
static inline const char *ct__number_parse_short(const char *p, double *value)
{
    (void)p;
    (void)value;
    return NULL;
}
#endif

#endif
