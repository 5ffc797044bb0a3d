// SPDX-License-Identifier: MIT
/* Rounding of one number to a power of two, shared by the kernels: see natural.c. */
#ifndef CT__NATURAL_PRIVATE_H
#define CT__NATURAL_PRIVATE_H

#include <stdint.h>
#include <string.h>

enum {
    CT__MANTISSA_BITS = 52,
    CT__FIRST_BITS = 16, // of the mantissa
    CT__REST_BITS = CT__MANTISSA_BITS - CT__FIRST_BITS
};
#define CT__MANTISSA_MASK ((UINT64_C(1) << CT__MANTISSA_BITS) - 1)
#define CT__LARGEST_POWER (UINT64_C(0x7fe) << CT__MANTISSA_BITS) // 2^1023

static inline uint64_t ct__mantissa(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits & CT__MANTISSA_MASK;
}

/* Towards zero, or (up = 1) away from it, but not to infinity. */
static inline double ct__round_to_power(double v, uint64_t up)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits &= ~CT__MANTISSA_MASK;
    up &= (bits & ~(UINT64_C(1) << 63)) < CT__LARGEST_POWER;
    bits += up << CT__MANTISSA_BITS;
    memcpy(&v, &bits, sizeof v);
    return v;
}

#endif
