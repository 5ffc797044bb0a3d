// SPDX-License-Identifier: MIT
/* Numbers and texts as people read them: three digits where three are enough, sizes and times in
 * the unit that fits, markup escaped. */
#include "report_private.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* printf writes the decimal point of the locale, which the program around us may have set. */
static void mend_point(char *text)
{
    char *at = text + strspn(text, "-0123456789");
    size_t n = strcspn(at, "0123456789eE");
    if (n == 0 || *at == 'i' || *at == 'n') // no point; "inf", "nan"
        return;
    *at = '.';
    memmove(at + 1, at + n, strlen(at + n) + 1);
}

const char *ct__report_fixed(char out[CT__REPORT_TEXT_SIZE], double value, int decimals)
{
    int n = snprintf(out, CT__REPORT_TEXT_SIZE, "%.*f", decimals, value);
    if (n >= CT__REPORT_TEXT_SIZE)
        return ct__report_digits(out, value, 6);
    mend_point(out);
    return out;
}

const char *ct__report_digits(char out[CT__REPORT_TEXT_SIZE], double value, int digits)
{
    snprintf(out, CT__REPORT_TEXT_SIZE, "%.*g", digits, value);
    mend_point(out);
    return out;
}

/* value in its unit with three significant digits. */
static const char *three_digits(char out[CT_TEXT_SIZE], double value, const char *unit)
{
    char number[CT__REPORT_TEXT_SIZE];
    ct__report_fixed(number, value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
    snprintf(out, CT_TEXT_SIZE, "%.20s %s", number, unit);
    return out;
}

static const char *unknown(char out[CT_TEXT_SIZE])
{
    return strcpy(out, "unknown");
}

const char *ct_bytes_text(char out[CT_TEXT_SIZE], double bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    if (!(bytes >= 0 && bytes < 1e30))
        return unknown(out);
    if (bytes < 999.5) {
        snprintf(out, CT_TEXT_SIZE, "%.0f B", bytes);
        return out;
    }
    size_t unit = 0;
    for (bytes /= 1000; bytes >= 999.5 && unit + 1 < sizeof units / sizeof *units; unit++)
        bytes /= 1000;
    return three_digits(out, bytes, units[unit]);
}

const char *ct_seconds_text(char out[CT_TEXT_SIZE], double seconds)
{
    if (!(seconds >= 0 && seconds < 1e15))
        return unknown(out);
    if (seconds == 0)
        return strcpy(out, "0 s");
    if (seconds < 999.5e-6)
        return three_digits(out, seconds * 1e6, "µs");
    if (seconds < 999.5e-3)
        return three_digits(out, seconds * 1e3, "ms");
    if (seconds < 119.5)
        return three_digits(out, seconds, "s");
    double whole = floor(seconds + 0.5), minutes = floor(whole / 60), hours = floor(minutes / 60);
    if (hours < 2)
        snprintf(out, CT_TEXT_SIZE, "%.0f min %02.0f s", minutes, whole - 60 * minutes);
    else
        snprintf(out, CT_TEXT_SIZE, "%.0f h %02.0f min", hours, minutes - 60 * hours);
    return out;
}

const char *ct__report_measure(char out[CT__REPORT_TEXT_SIZE], double value, const char *unit)
{
    if (strcmp(unit, "B") == 0)
        return ct_bytes_text(out, value);
    if (strcmp(unit, "s") == 0)
        return ct_seconds_text(out, value);
    char number[CT__REPORT_TEXT_SIZE];
    ct__report_digits(number, value, 4);
    snprintf(out, CT__REPORT_TEXT_SIZE, "%.30s%s%.30s", number, unit[0] != '\0' ? " " : "", unit);
    return out;
}

const char *ct__report_grouped(char out[CT__REPORT_TEXT_SIZE], int64_t value)
{
    static const char narrow_space[] = "\xE2\x80\xAF"; // U+202F
    char digits[CT__REPORT_TEXT_SIZE];
    snprintf(digits, sizeof digits, "%" PRId64, value);
    const char *from = digits;
    char *to = out;
    if (*from == '-')
        *to++ = *from++;
    size_t n = strlen(from);
    for (size_t left = n; left > 0; left--) {
        if (n > 4 && left < n && left % 3 == 0) {
            memcpy(to, narrow_space, 3);
            to += 3;
        }
        *to++ = *from++;
    }
    *to = '\0';
    return out;
}

/* Bytes of the UTF-8 character at text, 0 when there is none: overlong forms, surrogates and what
 * lies above U+10FFFF are none. */
static size_t utf8_length(const unsigned char *text)
{
    unsigned char c = text[0], low = 0x80, high = 0xBF;
    size_t n;
    if (c < 0x80)
        return 1;
    if (c >= 0xC2 && c <= 0xDF)
        n = 2;
    else if (c >= 0xE0 && c <= 0xEF)
        n = 3;
    else if (c >= 0xF0 && c <= 0xF4)
        n = 4;
    else
        return 0;
    low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : low;
    high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : high;
    if (text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (text[i] < 0x80 || text[i] > 0xBF)
            return 0;
    return n;
}

static const char *entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void ct__report_escape(ct_file_writer *out, const char *text)
{
    static const char replacement[] = "\xEF\xBF\xBD"; // U+FFFD
    while (*text != '\0') {
        size_t n = utf8_length((const unsigned char *)text);
        const char *named = entity(*text);
        bool control = (unsigned char)*text < ' ' && *text != '\n' && *text != '\t';
        if (named != NULL)
            ct_file_writer_write(out, named, strlen(named));
        else if (n == 0 || control || *text == 0x7F)
            ct_file_writer_write(out, replacement, 3);
        else
            ct_file_writer_write(out, text, n);
        text += n > 0 ? n : 1;
    }
}
