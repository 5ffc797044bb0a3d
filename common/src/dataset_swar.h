// SPDX-License-Identifier: MIT
/* Decimal digits eight at a time in an ordinary 64-bit register. Private to the dataset module. */
#ifndef CTRAIN_DATASET_SWAR_H
#define CTRAIN_DATASET_SWAR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool ct__is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

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
#else
#define CT__SWAR 0
#endif

#endif
