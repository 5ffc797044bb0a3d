// SPDX-License-Identifier: MIT
/* From the text of one value to the member of the settings struct, strictly: a number is a number
 * from its first to its last character, finite, and within the bounds of its option; the locale
 * plays no part. Each refusal says what the text is not. */
#include "cli/cli_private.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *cli__quote(char out[CLI__WHY_SIZE], const char *text)
{
    enum { LONGEST = 120 };
    size_t n = 0;
    for (; text[n] != '\0' && n < LONGEST; n++)
        out[n] = iscntrl((unsigned char)text[n]) ? '?' : text[n];
    if (text[n] != '\0') {
        while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) // not inside a character
            n--;
        memcpy(out + n, "...", 3);
        n += 3;
    }
    out[n] = '\0';
    return out;
}

static bool refuse(char why[CLI__WHY_SIZE], const char *text, const char *reason)
{
    char quoted[CLI__WHY_SIZE];
    snprintf(why, CLI__WHY_SIZE, "'%.130s' %s", cli__quote(quoted, text), reason);
    return false;
}

bool cli__has_min(const cli_option *option)
{
    return (option->min != 0 || option->max != 0 || option->open_min) && option->min > -DBL_MAX;
}

bool cli__has_max(const cli_option *option)
{
    return option->max > option->min && option->max < DBL_MAX;
}

bool cli__range_text(char out[CLI__WHY_SIZE], const cli_option *option)
{
    bool has_min = cli__has_min(option), has_max = cli__has_max(option);
    double min = option->min, max = option->max;
    out[0] = '\0';
    if (has_min && has_max && option->open_min)
        snprintf(out, CLI__WHY_SIZE, "more than %.15g, at most %.15g", min, max);
    else if (has_min && has_max)
        snprintf(out, CLI__WHY_SIZE, "%.15g to %.15g", min, max);
    else if (has_min && option->open_min)
        snprintf(out, CLI__WHY_SIZE, "more than %.15g", min);
    else if (has_min)
        snprintf(out, CLI__WHY_SIZE, "%.15g or more", min);
    else if (has_max)
        snprintf(out, CLI__WHY_SIZE, "at most %.15g", max);
    return out[0] != '\0';
}

/* text is what the user wrote for value: the message shows it as written. */
static bool check_bounds(const cli_option *option, const char *text, double value,
                         char why[CLI__WHY_SIZE])
{
    char range[CLI__WHY_SIZE], quoted[CLI__WHY_SIZE];
    const char *side = NULL;
    double bound = option->min;
    if (cli__has_min(option) && value < option->min)
        side = "is below";
    else if (cli__has_min(option) && option->open_min && value <= option->min)
        side = "is not above";
    if (side == NULL && cli__has_max(option) && value > option->max) {
        side = "is above";
        bound = option->max;
    }
    if (side == NULL)
        return true;
    cli__range_text(range, option);
    snprintf(why, CLI__WHY_SIZE, "%.130s %s %.15g (allowed: %.80s)", cli__quote(quoted, text), side,
             bound, range);
    return false;
}

static bool all_digits(const char *text)
{
    return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static bool parse_whole(const cli_option *option, const char *text, uint64_t largest,
                        uint64_t *value, char why[CLI__WHY_SIZE])
{
    if (text[0] == '-' && all_digits(text + 1)) {
        char quoted[CLI__WHY_SIZE], range[CLI__WHY_SIZE];
        if (!cli__range_text(range, option))
            snprintf(range, sizeof range, "0 or more");
        snprintf(why, CLI__WHY_SIZE, "%.130s is below %.15g (allowed: %.80s)",
                 cli__quote(quoted, text), cli__has_min(option) ? option->min : 0.0, range);
        return false;
    }
    if (!all_digits(text))
        return refuse(why, text, text[0] == '\0' ? "is empty" : "is not a whole number");
    uint64_t v = 0;
    for (const char *c = text; *c != '\0'; c++) {
        uint64_t digit = (uint64_t)(*c - '0');
        if (v > (largest - digit) / 10)
            return refuse(why, text, "is too large");
        v = v * 10 + digit;
    }
    *value = v;
    return check_bounds(option, text, (double)v, why);
}

/* [+-] digits [. digits] [e [+-] digits], with a digit before or after the point: what strtod takes
 * besides (hexadecimal, "inf", leading blanks) is not meant by anyone who sets an option. */
static bool is_decimal(const char *text)
{
    const char *digits = "0123456789";
    text += *text == '+' || *text == '-';
    size_t before = strspn(text, digits), after = 0;
    text += before;
    if (*text == '.') {
        after = strspn(text + 1, digits);
        text += 1 + after;
    }
    if (before + after == 0)
        return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '+' || *text == '-';
        if (strspn(text, digits) == 0)
            return false;
        text += strspn(text, digits);
    }
    return *text == '\0';
}

static bool is_zero(const char *decimal)
{
    char c = decimal[strcspn(decimal, "123456789eE")];
    return c == '\0' || c == 'e' || c == 'E';
}

static bool parse_real(const cli_option *option, const char *text, double *value,
                       char why[CLI__WHY_SIZE])
{
    if (text[0] == '\0')
        return refuse(why, text, "is empty");
    char *end;
    double v = strtod(text, &end);
    if (!is_decimal(text)) {
        bool not_finite = *end == '\0' && end != text && !isfinite(v);
        return refuse(why, text, not_finite ? "is not a finite number" : "is not a number");
    }
    if (*end != '\0')
        return refuse(why, text, "is not a number");
    if (!isfinite(v))
        return refuse(why, text, "is too large");
    if (v == 0 && !is_zero(text))
        return refuse(why, text, "is too small to be told from 0");
    if (!check_bounds(option, text, v, why))
        return false;
    *value = v;
    return true;
}

bool cli__choice(const char *choices, size_t i, const char **begin, size_t *length)
{
    for (; i > 0; i--) {
        choices = strchr(choices, '|');
        if (choices == NULL)
            return false;
        choices++;
    }
    *begin = choices;
    *length = strcspn(choices, "|");
    return true;
}

static bool is_choice(const char *choices, const char *text)
{
    const char *begin;
    size_t length;
    for (size_t i = 0; cli__choice(choices, i, &begin, &length); i++)
        if (strlen(text) == length && memcmp(text, begin, length) == 0)
            return true;
    return false;
}

/* "'topp' is not one of identity, topk, randk" */
static bool refuse_choice(const cli_option *option, const char *text, char why[CLI__WHY_SIZE])
{
    refuse(why, text, "is not one of");
    const char *begin;
    size_t length;
    for (size_t i = 0; cli__choice(option->choices, i, &begin, &length); i++) {
        size_t used = strlen(why);
        snprintf(why + used, CLI__WHY_SIZE - used, "%s %.*s", i == 0 ? "" : ",", (int)length,
                 begin);
    }
    return false;
}

bool cli__store_value(const cli_option *option, const char *text, void *settings,
                      char why[CLI__WHY_SIZE])
{
    void *member = (char *)settings + option->offset;
    uint64_t whole = 0;
    double real = 0;
    switch (option->type) {
    case CLI_FLAG:
        *(bool *)member = strcmp(text, "true") == 0;
        return true;
    case CLI_COUNT:
        if (!parse_whole(option, text, SIZE_MAX, &whole, why))
            return false;
        *(size_t *)member = (size_t)whole;
        return true;
    case CLI_SEED:
        if (!parse_whole(option, text, UINT64_MAX, &whole, why))
            return false;
        *(uint64_t *)member = whole;
        return true;
    case CLI_REAL:
        if (!parse_real(option, text, &real, why))
            return false;
        *(double *)member = real;
        return true;
    case CLI_CHOICE:
        if (!is_choice(option->choices, text))
            return refuse_choice(option, text, why);
        break;
    case CLI_PATH:
        if (text[0] == '\0')
            return refuse(why, text, "is not a file name");
        break;
    case CLI_TEXT:
        break;
    }
    *(const char **)member = text;
    return true;
}

ct_status cli_set(const cli_option *option, const char *text, void *settings, ct_diag *diag)
{
    char why[CLI__WHY_SIZE];
    if (cli__store_value(option, text, settings, why))
        return CT_OK;
    return ct_fail(diag, CT_EINVALID, "--%s: %s", option->name, why);
}
