// SPDX-License-Identifier: MIT
/* Numbers of 8, 4 and 2 bytes. Each is rounded once, straight from the double: by way of a float,
 * two roundings could meet at a tie and give the wrong neighbour. */
#include <permk_aes/value.h>

#include <ctrain/bytes.h>
#include <ctrain/kernels.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 1024 // numbers converted at a time: they stay in the first-level cache

const char *permk_value_name(permk_value value)
{
    switch (value) {
    case PERMK_VALUE_F64:
        return "f64";
    case PERMK_VALUE_F32:
        return "f32";
    case PERMK_VALUE_F16:
        return "f16";
    case PERMK_VALUE_BF16:
        return "bf16";
    }
    return "unknown";
}

bool permk_value_from_name(permk_value *out, const char *name)
{
    for (permk_value value = PERMK_VALUE_F64; value <= PERMK_VALUE_BF16; value++) {
        if (strcmp(permk_value_name(value), name) == 0) {
            *out = value;
            return true;
        }
    }
    return false;
}

size_t permk_value_bytes(permk_value value)
{
    switch (value) {
    case PERMK_VALUE_F64:
        return 8;
    case PERMK_VALUE_F32:
        return 4;
    case PERMK_VALUE_F16:
    case PERMK_VALUE_BF16:
        break;
    }
    return 2;
}

static size_t at_most_a_block(size_t n)
{
    return n < BLOCK ? n : BLOCK;
}

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- Two bytes ---- */

/* A format of 16 bits: sign, exponent, fraction. */
typedef struct format16 {
    unsigned shift;         // fraction bits of a double that it does not have
    uint64_t exponent_step; // difference of the exponents' biases
    double smallest_normal;
    double infinite_from;   // halfway from the largest finite number to the next power of two
    double last_place_unit; // 2^52 times the smallest number above zero
    uint16_t infinity;
} format16;

static const format16 binary16 = {42, 1023 - 15, 0x1p-14, 65520, 0x1p28, 0x7C00};
static const format16 bfloat16 = {45, 1023 - 127, 0x1p-126, 0x1.FFp127, 0x1p-81, 0x7F80};

static uint16_t round_normal(const format16 *format, uint64_t bits)
{
    // a carry out of the fraction raises the exponent, as it should
    uint64_t half_less_one = ((uint64_t)1 << (format->shift - 1)) - 1;
    uint64_t odd = bits >> format->shift & 1;
    return (uint16_t)(((bits + half_less_one + odd) >> format->shift) -
                      (format->exponent_step << (52 - format->shift)));
}

static uint16_t narrow(const format16 *format, double x)
{
    uint16_t sign = (uint16_t)(bits_of(x) >> 48 & 0x8000);
    double magnitude = fabs(x);
    uint16_t out;
    if (isnan(x))
        out = 0x7FFF;
    else if (magnitude >= format->infinite_from)
        out = format->infinity;
    else if (magnitude >= format->smallest_normal)
        out = round_normal(format, bits_of(magnitude));
    else // the processor rounds the sum, whose last place is worth the smallest number
        out = (uint16_t)bits_of(magnitude + format->last_place_unit);
    return (uint16_t)(sign | out);
}

static double widen(const format16 *format, uint16_t bits)
{
    uint64_t sign = (uint64_t)(bits & 0x8000) << 48, magnitude = bits & 0x7FFF;
    if (magnitude >= format->infinity) // infinite or no number
        return double_of(sign | (uint64_t)0x7FF << 52 |
                         (magnitude - format->infinity) << format->shift);
    // with the exponent of the other bias; the product is exact, for denormal numbers too
    double scale = double_of((1023 + format->exponent_step) << 52);
    return double_of(sign | magnitude << format->shift) * scale;
}

static void encode_16(const format16 *format, const double *x, size_t n, unsigned char *out)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t bits = narrow(format, x[i]);
        out[2 * i] = (unsigned char)bits;
        out[2 * i + 1] = (unsigned char)(bits >> 8);
    }
}

static bool decode_16(const format16 *format, const unsigned char *in, size_t n, double *x)
{
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        x[i] = widen(format, (uint16_t)(in[2 * i] | in[2 * i + 1] << 8));
        finite = finite && isfinite(x[i]);
    }
    return finite;
}

/* ---- Four and eight bytes ---- */

static void encode_f32(const double *x, size_t n, void *out)
{
    ct_writer w = ct_writer_view(out, n * sizeof(float));
    for (size_t done = 0, part; done < n; done += part) {
        uint32_t bits[BLOCK];
        part = at_most_a_block(n - done);
        for (size_t i = 0; i < part; i++) {
            float rounded = (float)x[done + i];
            memcpy(&bits[i], &rounded, sizeof rounded);
        }
        ct_write_u32_array(&w, bits, part);
    }
}

static bool decode_f32(const void *in, size_t n, double *x)
{
    ct_reader r = ct_reader_view(in, n * sizeof(float));
    uint32_t overflow = 0; // an exponent of all ones plus one carries into the sign bit
    for (size_t done = 0, part; done < n; done += part) {
        uint32_t bits[BLOCK];
        part = at_most_a_block(n - done);
        ct_read_u32_array(&r, bits, part);
        for (size_t i = 0; i < part; i++) {
            float value;
            memcpy(&value, &bits[i], sizeof value);
            x[done + i] = value;
            overflow |= (bits[i] & 0x7F800000U) + 0x00800000U;
        }
    }
    return overflow >> 31 == 0;
}

static bool are_finite(const double *x, size_t n)
{
    return isfinite(ct_kernels_get()->f64.max_abs(x, n)); // no number if one of them is none
}

static bool decode_f64(const void *in, size_t n, double *x)
{
    ct_reader r = ct_reader_view(in, n * sizeof *x);
    bool in_place = in == (const void *)x && CT_LITTLE_ENDIAN, finite = true;
    for (size_t done = 0, part; done < n; done += part) {
        part = at_most_a_block(n - done);
        if (!in_place)
            ct_read_f64_array(&r, x + done, part);
        finite = are_finite(x + done, part) && finite;
    }
    return finite;
}

/* ---- All of them ---- */

void permk_values_encode(permk_value value, const double *x, size_t n, void *out)
{
    switch (value) {
    case PERMK_VALUE_F64: {
        ct_writer w = ct_writer_view(out, n * sizeof *x);
        ct_write_f64_array(&w, x, n);
        break;
    }
    case PERMK_VALUE_F32:
        encode_f32(x, n, out);
        break;
    case PERMK_VALUE_F16:
        encode_16(&binary16, x, n, out);
        break;
    case PERMK_VALUE_BF16:
        encode_16(&bfloat16, x, n, out);
        break;
    }
}

bool permk_values_decode(permk_value value, const void *in, size_t n, double *x)
{
    switch (value) {
    case PERMK_VALUE_F64:
        return decode_f64(in, n, x);
    case PERMK_VALUE_F32:
        return decode_f32(in, n, x);
    case PERMK_VALUE_F16:
        return decode_16(&binary16, in, n, x);
    case PERMK_VALUE_BF16:
        return decode_16(&bfloat16, in, n, x);
    }
    return false;
}
