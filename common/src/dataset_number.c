// SPDX-License-Identifier: MIT
/* Decimal text to the nearest double, ties to even, exactly as strtod in the C locale.
 *
 * Up to 19 significant digits are gathered into an integer m, so that the number is m 10^e. Small m
 * and e: one exact multiplication or division in double (Clinger, "How to read floating point
 * numbers accurately", PLDI 1990). |e| <= 27: m 5^e in 128-bit integers, rounded once. What is left
 * (more digits, large exponents, denormals) goes to strtod itself. */
#include "dataset_digits.h"
#include "dataset_private.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX   19         // any 19-digit number fits in 64 bits
#define EXPONENT_CAP 1000000000 // an exponent beyond this only needs to be recognised as huge

typedef struct decimal {
    uint64_t mantissa; // the first DIGITS_MAX significant digits
    int64_t exponent;  // power of ten of the last of them
    bool negative;
    bool more;         // there are further significant digits
    const char *begin; // first digit or point
    const char *end;   // behind the last digit or point, before the exponent
    int64_t written;   // the exponent as written
} decimal;

/* An exponent behind 'e'. Without digits there is none, and the number ends before the 'e'. */
static const char *scan_exponent(const char *p, const char *end, int64_t *exponent)
{
    const char *q = p + 1;
    bool negative = q < end && *q == '-';
    if (q < end && (*q == '-' || *q == '+'))
        q++;
    if (q == end || !ct__is_digit(*q))
        return p;
    int64_t e = 0;
    for (; q < end && ct__is_digit(*q); q++)
        if (e < EXPONENT_CAP)
            e = e * 10 + (*q - '0');
    *exponent = negative ? -e : e;
    return q;
}

/* Take the number apart; NULL if there is none, else where it ends. */
static const char *scan_decimal(const char *p, const char *end, decimal *d)
{
    *d = (decimal){.negative = p < end && *p == '-'};
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    d->begin = p;
    unsigned significant = 0;
    bool any = false, point = false;
    for (; p < end; p++) {
        if (*p == '.' && !point) {
            point = true;
            continue;
        }
        if (!ct__is_digit(*p))
            break;
        any = true;
        unsigned digit = (unsigned)(*p - '0');
        if (significant < DIGITS_MAX) {
            d->mantissa = d->mantissa * 10 + digit;
            significant += d->mantissa != 0;
            d->exponent -= point;
        } else {
            d->more = d->more || digit != 0;
            d->exponent += !point;
        }
    }
    if (!any)
        return NULL;
    d->end = p;
    if (p < end && (*p == 'e' || *p == 'E'))
        p = scan_exponent(p, end, &d->written);
    d->exponent += d->written;
    return p;
}

/* Digits into *m; how many there were. More than DIGITS_MAX in all overflow, which the caller sees
 * by the count. */
static const char *scan_digits(const char *p, const char *end, uint64_t *m)
{
#if CT__SWAR
    static const uint32_t shift[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    while (end - p >= 8) {
        uint64_t word = ct__swar_load(p);
        unsigned n = ct__swar_digits(word);
        if (n == 0)
            return p;
        *m = *m * shift[n] + ct__swar_number(word, n);
        p += n;
        if (n < 8)
            return p;
    }
#endif
    for (; p < end && ct__is_digit(*p); p++)
        *m = *m * 10 + (unsigned)(*p - '0');
    return p;
}

/* As scan_decimal, faster, for numbers of at most DIGITS_MAX digits; NULL for all else. */
static const char *scan_short_decimal(const char *p, const char *end, decimal *d)
{
    *d = (decimal){.negative = p < end && *p == '-'};
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    const char *begin = p;
    p = scan_digits(p, end, &d->mantissa);
    ptrdiff_t digits = p - begin;
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        p = scan_digits(p, end, &d->mantissa);
        d->exponent = fraction - p;
        digits += p - fraction;
    }
    if (digits == 0 || digits > DIGITS_MAX)
        return NULL;
    d->begin = begin;
    d->end = p;
    if (p < end && (*p == 'e' || *p == 'E'))
        p = scan_exponent(p, end, &d->written);
    d->exponent += d->written;
    return p;
}

static const double power_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define EXACT_POWERS 22

#if defined(__SIZEOF_INT128__)
__extension__ typedef unsigned __int128 uint128;

#define INTEGER_POWERS 27 // 5^27 < 2^64
static const uint64_t power_of_five[INTEGER_POWERS + 1] = {
    UINT64_C(1),
    UINT64_C(5),
    UINT64_C(25),
    UINT64_C(125),
    UINT64_C(625),
    UINT64_C(3125),
    UINT64_C(15625),
    UINT64_C(78125),
    UINT64_C(390625),
    UINT64_C(1953125),
    UINT64_C(9765625),
    UINT64_C(48828125),
    UINT64_C(244140625),
    UINT64_C(1220703125),
    UINT64_C(6103515625),
    UINT64_C(30517578125),
    UINT64_C(152587890625),
    UINT64_C(762939453125),
    UINT64_C(3814697265625),
    UINT64_C(19073486328125),
    UINT64_C(95367431640625),
    UINT64_C(476837158203125),
    UINT64_C(2384185791015625),
    UINT64_C(11920928955078125),
    UINT64_C(59604644775390625),
    UINT64_C(298023223876953125),
    UINT64_C(1490116119384765625),
    UINT64_C(7450580596923828125),
};

/* The double nearest to (q + s) 2^e, where q has bit 63 set, s is in [0, 1), and sticky tells
 * whether s > 0. The caller's exponents keep the result in the normal range. */
static double round_scaled(uint64_t q, bool sticky, int e)
{
    uint64_t head = q >> 11, tail = q & 0x7ff;
    bool up = tail > 0x400 || (tail == 0x400 && (sticky || (head & 1) != 0));
    head += up; // 2^53 rounds up to the next power of two, which is exact as well
    int biased = e + 11 + 52 + 1023;
    uint64_t bits = (head - (UINT64_C(1) << 52)) + ((uint64_t)biased << 52);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* m 10^e for m > 0, |e| <= INTEGER_POWERS, in integers: exact up to the one rounding. */
static double scale_by_integers(uint64_t m, int e)
{
    int shift = __builtin_clzll(m);
    m <<= shift;
    if (e >= 0) {
        uint128 product = (uint128)m * power_of_five[e];
        uint64_t high = (uint64_t)(product >> 64);
        int up = high != 0 ? __builtin_clzll(high) : 64;
        product <<= up;
        return round_scaled((uint64_t)(product >> 64), (uint64_t)product != 0, e - shift + 64 - up);
    }
    // m has bit 63 and the divisor too, so the quotient of m 2^63 has 63 or 64 bits.
    uint64_t divisor = power_of_five[-e];
    int divisor_shift = __builtin_clzll(divisor);
    divisor <<= divisor_shift;
    uint128 numerator = (uint128)m << 63;
    uint64_t quotient = (uint64_t)(numerator / divisor);
    bool sticky = (uint128)quotient * divisor != numerator;
    int down = (quotient >> 63) == 0; // the bit shifted in is below the rounding bit
    return round_scaled(quotient << down, sticky, e - shift - 63 + divisor_shift - down);
}
#endif

/* More digits than this never change how a double rounds, beyond being zero or not. */
#define STRTOD_DIGITS 800

/* Digits beyond STRTOD_DIGITS become one '1' if any of them is not zero; the point goes into the
 * exponent. */
static void copy_digits(char *out, size_t size, const decimal *d)
{
    size_t n = 0;
    int64_t exponent = d->written;
    bool point = false, dropped = false;
    for (const char *p = d->begin; p < d->end; p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        if (n < STRTOD_DIGITS && (n > 0 || *p != '0')) {
            out[n++] = *p;
            exponent -= point;
        } else if (n == 0) {
            exponent -= point;
        } else {
            dropped = dropped || *p != '0';
            exponent += !point;
        }
    }
    if (dropped) {
        out[n++] = '1';
        exponent--;
    }
    if (exponent > EXPONENT_CAP)
        exponent = EXPONENT_CAP;
    if (exponent < -EXPONENT_CAP)
        exponent = -EXPONENT_CAP;
    snprintf(out + n, size - n, "e%ld", (long)exponent);
}

/* The general case. The program may have set another locale, so this thread borrows the C locale
 * for the call. */
static ct_status parse_by_strtod(const decimal *d, double *value)
{
    char text[STRTOD_DIGITS + 32];
    copy_digits(text, sizeof text, d);
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c == (locale_t)0)
        return CT_ENOMEM;
    locale_t before = uselocale(c);
    *value = strtod(text, NULL);
    uselocale(before);
    freelocale(c);
    return CT_OK;
}

static ct_status decimal_to_double(const decimal *d, double *value)
{
    bool exact = !d->more && d->mantissa <= (UINT64_C(1) << 53);
    if (exact && d->exponent >= -EXACT_POWERS && d->exponent <= EXACT_POWERS) {
        double m = (double)d->mantissa;
        *value = d->exponent < 0 ? m / power_of_ten[-d->exponent] : m * power_of_ten[d->exponent];
        return CT_OK;
    }
    if (d->mantissa == 0) {
        *value = 0.0;
        return CT_OK;
    }
#if defined(__SIZEOF_INT128__)
    if (!d->more && d->exponent >= -INTEGER_POWERS && d->exponent <= INTEGER_POWERS) {
        *value = scale_by_integers(d->mantissa, (int)d->exponent);
        return CT_OK;
    }
#endif
    return parse_by_strtod(d, value);
}

ct_status ct_number_parse(const char **text, const char *end, double *value)
{
    decimal d;
    const char *stop = scan_short_decimal(*text, end, &d);
    if (stop == NULL)
        stop = scan_decimal(*text, end, &d);
    if (stop == NULL)
        return CT_EPARSE;
    CT_TRY(decimal_to_double(&d, value));
    if (!isfinite(*value))
        return CT_ERANGE;
    if (d.negative)
        *value = -*value;
    *text = stop;
    return CT_OK;
}
