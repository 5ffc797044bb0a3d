// SPDX-License-Identifier: MIT
/* Natural compression on the wire: of a power of two, sign and exponent are the first 12 bits of
 * the double and all others are zero. */
#include "codec_private.h"

#include <ctrain/natural.h>
#include <ctrain/rng.h>
#include <string.h>

enum { PART = 1024, CODE_BITS = 12, CODE_MASK = 0xfff, PAIR_BYTES = 3 };
#define EXPONENTS   UINT32_C(0x7ff7ff)
#define LOWEST_BITS UINT32_C(0x001001) // of a pair

size_t permk__natural_bytes(size_t d)
{
    return d / 2 * PAIR_BYTES + d % 2 * 2;
}

static uint32_t code_of(double power)
{
    uint64_t bits;
    memcpy(&bits, &power, sizeof bits);
    return (uint32_t)(bits >> (64 - CODE_BITS));
}

static double power_of(uint32_t code)
{
    uint64_t bits = (uint64_t)code << (64 - CODE_BITS);
    double power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* count entries; an odd one ends with four bits of zero. */
static void pack(const double *power, size_t count, unsigned char *out)
{
    for (size_t i = 0; i + 1 < count; i += 2) {
        uint32_t pair = code_of(power[i]) | code_of(power[i + 1]) << CODE_BITS;
        *out++ = (unsigned char)pair;
        *out++ = (unsigned char)(pair >> 8);
        *out++ = (unsigned char)(pair >> 16);
    }
    if (count % 2 != 0) {
        uint32_t code = code_of(power[count - 1]);
        *out++ = (unsigned char)code;
        *out++ = (unsigned char)(code >> 8);
    }
}

static bool unpack(const unsigned char *in, size_t count, double *power)
{
    uint32_t infinite = 0; // a carry out of an exponent of all ones
    for (size_t i = 0; i < count; i += 2, in += PAIR_BYTES) {
        bool is_pair = i + 1 < count;
        uint32_t pair = (uint32_t)in[0] | (uint32_t)in[1] << 8;
        pair |= is_pair ? (uint32_t)in[2] << 16 : 0;
        infinite |= ((pair & EXPONENTS) + LOWEST_BITS) & ~EXPONENTS;
        power[i] = power_of(pair & CODE_MASK);
        if (is_pair)
            power[i + 1] = power_of(pair >> CODE_BITS);
    }
    return infinite == 0;
}

void permk__natural_encode(const permk__codec *codec, uint32_t client, const double *v,
                           unsigned char *payload)
{
    double power[PART];
    ct_rng rng;
    permk__codec_stream(codec, client, &rng);
    for (size_t at = 0; at < codec->d; at += PART) {
        size_t count = codec->d - at < PART ? codec->d - at : PART;
        ct_natural_f64(&rng, power, v + at, count);
        pack(power, count, payload + permk__natural_bytes(at));
    }
}

bool permk__natural_add(const unsigned char *payload, size_t d, double factor, double *out)
{
    double power[PART];
    for (size_t at = 0; at < d; at += PART) {
        size_t count = d - at < PART ? d - at : PART;
        if (!unpack(payload + permk__natural_bytes(at), count, power))
            return false;
        for (size_t i = 0; i < count; i++)
            out[at + i] += factor * power[i];
    }
    return true;
}
