// SPDX-License-Identifier: MIT
/* The JSON writer: a growing buffer, and just enough state to put the commas and to notice misuse.
 * Which container we are in is one bit a level. Nothing here depends on the locale. */
#include <ctrain/json.h>

#include <assert.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 512, MAX_DEPTH = 64 };

struct ct_json {
    char *text; // NUL-terminated
    size_t size;
    size_t capacity;
    unsigned depth;
    uint64_t is_object; // bit d: the container at depth d is an object
    bool needs_comma;   // before the next value or key
    bool has_key;       // a key waits for its value
    bool failed;
};

ct_status ct_json_create(ct_json **out)
{
    *out = NULL;
    ct_json *json = calloc(1, sizeof *json);
    if (json == NULL)
        return CT_ENOMEM;
    json->capacity = FIRST_CAPACITY;
    json->text = calloc(1, FIRST_CAPACITY);
    if (json->text == NULL) {
        free(json);
        return CT_ENOMEM;
    }
    *out = json;
    return CT_OK;
}

void ct_json_destroy(ct_json *json)
{
    if (json == NULL)
        return;
    free(json->text);
    free(json);
}

const char *ct_json_text(const ct_json *json)
{
    return json->failed ? NULL : json->text;
}

static void append(ct_json *json, const char *text, size_t size)
{
    if (json->failed)
        return;
    if (size >= json->capacity - json->size) {
        size_t capacity = 2 * json->capacity + size;
        char *larger = capacity > size ? realloc(json->text, capacity) : NULL;
        if (larger == NULL) {
            json->failed = true;
            return;
        }
        json->text = larger;
        json->capacity = capacity;
    }
    memcpy(json->text + json->size, text, size);
    json->size += size;
    json->text[json->size] = '\0';
}

static bool in_object(const ct_json *json)
{
    return json->depth > 0 && (json->is_object >> (json->depth - 1) & 1) != 0;
}

// Misuse: seen at once in a debug build, and no half-right text in any other.
static void require(ct_json *json, bool condition)
{
    assert(condition && "values and keys of JSON in a wrong order");
    if (!condition)
        json->failed = true;
}

// What comes before a value: nothing after a key, a comma between elements.
static void before_value(ct_json *json)
{
    require(json, in_object(json) == json->has_key);
    require(json, json->depth > 0 || json->size == 0);
    if (json->needs_comma && !json->has_key)
        append(json, ",", 1);
    json->has_key = false;
    json->needs_comma = true;
}

static void begin(ct_json *json, bool object)
{
    before_value(json);
    require(json, json->depth < MAX_DEPTH);
    if (json->failed)
        return;
    uint64_t bit = (uint64_t)1 << json->depth++;
    json->is_object = object ? json->is_object | bit : json->is_object & ~bit;
    json->needs_comma = false;
    append(json, object ? "{" : "[", 1);
}

static void end(ct_json *json, bool object)
{
    require(json, json->depth > 0 && in_object(json) == object && !json->has_key);
    if (json->failed)
        return;
    json->depth--;
    json->needs_comma = true;
    append(json, object ? "}" : "]", 1);
}

void ct_json_object_begin(ct_json *json)
{
    begin(json, true);
}

void ct_json_object_end(ct_json *json)
{
    end(json, true);
}

void ct_json_array_begin(ct_json *json)
{
    begin(json, false);
}

void ct_json_array_end(ct_json *json)
{
    end(json, false);
}

/* ---- strings ---- */

/* Length of the UTF-8 sequence at s (Unicode 15, table 3-7): without surrogates, overlong forms and
 * what lies beyond U+10FFFF. If it is not valid, the bytes that one U+FFFD stands for. The NUL at
 * the end of a string ends a sequence like any other wrong byte. */
static size_t utf8_sequence(bool *valid, const unsigned char *s)
{
    unsigned char lead = s[0];
    unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    size_t n = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    *valid = n > 0 && lead <= 0xF4;
    if (!*valid)
        return 1;
    for (size_t i = 1; i < n; i++, low = 0x80, high = 0xBF)
        if (s[i] < low || s[i] > high) {
            *valid = false;
            return i;
        }
    return n;
}

static void append_escaped(ct_json *json, unsigned char c)
{
    static const char controls[] = "\b\t\n\f\r\"\\";
    static const char letters[] = "btnfr\"\\";
    char text[8];
    const char *found = strchr(controls, c);
    int n = found != NULL ? snprintf(text, sizeof text, "\\%c", letters[found - controls])
                          : snprintf(text, sizeof text, "\\u%04x", c);
    append(json, text, (size_t)n);
}

static void append_string(ct_json *json, const char *value)
{
    const unsigned char *s = (const unsigned char *)value;
    append(json, "\"", 1);
    while (*s != '\0') {
        bool valid;
        size_t n = utf8_sequence(&valid, s);
        if (!valid)
            append(json, "\xEF\xBF\xBD", 3); // U+FFFD
        else if (*s < 0x20 || *s == '"' || *s == '\\')
            append_escaped(json, *s);
        else
            append(json, (const char *)s, n);
        s += n;
    }
    append(json, "\"", 1);
}

void ct_json_key(ct_json *json, const char *key)
{
    require(json, in_object(json) && !json->has_key);
    if (json->needs_comma)
        append(json, ",", 1);
    append_string(json, key);
    append(json, ":", 1);
    json->has_key = true;
}

void ct_json_string(ct_json *json, const char *value)
{
    before_value(json);
    if (value == NULL)
        append(json, "null", 4);
    else
        append_string(json, value);
}

/* ---- numbers and the rest ---- */

// Put a point where the locale has put something else, perhaps of several bytes.
static void point_out(char *text)
{
    char *mark = text + strspn(text, "+-0123456789e");
    if (*mark == '\0')
        return;
    char *rest = mark + strcspn(mark, "0123456789");
    *mark = '.';
    memmove(mark + 1, rest, strlen(rest) + 1);
}

void ct_number_text(char out[CT_NUMBER_TEXT_SIZE], double value)
{
    if (!isfinite(value)) {
        snprintf(out, CT_NUMBER_TEXT_SIZE, "%s", isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
        return;
    }
    // What fewer than 15 digits tell is told by %.15g as well, but for denormals.
    int digits = fabs(value) < DBL_MIN ? 1 : 15;
    do
        snprintf(out, CT_NUMBER_TEXT_SIZE, "%.*g", digits, value);
    while (strtod(out, NULL) != value && digits++ < 17);
    point_out(out);
}

void ct_json_number(ct_json *json, double value)
{
    char text[CT_NUMBER_TEXT_SIZE] = "null";
    if (isfinite(value))
        ct_number_text(text, value);
    before_value(json);
    append(json, text, strlen(text));
}

void ct_json_integer(ct_json *json, int64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRId64, value);
    before_value(json);
    append(json, text, (size_t)n);
}

void ct_json_bool(ct_json *json, bool value)
{
    before_value(json);
    append(json, value ? "true" : "false", value ? 4 : 5);
}
