// SPDX-License-Identifier: MIT
/* Rounding of one number to a power of two, shared by the kernels: see natural.c. */
#ifndef UFEDNL_NATURAL_H
#define UFEDNL_NATURAL_H

#include <stdint.h>
#include <string.h>

enum {
    FEDNL__MANTISSA_BITS = 52,
    FEDNL__FIRST_BITS = 16, // of the mantissa
    FEDNL__REST_BITS = FEDNL__MANTISSA_BITS - FEDNL__FIRST_BITS
};
#define FEDNL__MANTISSA_MASK ((UINT64_C(1) << FEDNL__MANTISSA_BITS) - 1)
#define FEDNL__LARGEST_POWER (UINT64_C(0x7fe) << FEDNL__MANTISSA_BITS) // 2^1023

static inline uint64_t fednl__mantissa(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits & FEDNL__MANTISSA_MASK;
}

/* Towards zero, or (up = 1) away from it, but not to infinity. */
static inline double fednl__round_to_power(double v, uint64_t up)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits &= ~FEDNL__MANTISSA_MASK;
    up &= (bits & ~(UINT64_C(1) << 63)) < FEDNL__LARGEST_POWER;
    bits += up << FEDNL__MANTISSA_BITS;
    memcpy(&v, &bits, sizeof v);
    return v;
}

#endif
