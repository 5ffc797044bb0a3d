// SPDX-License-Identifier: MIT
/* Writing JSON (RFC 8259), one value after the other, into a growing string. Numbers keep every
 * digit that matters; NaN and infinities become null; strings are escaped, invalid UTF-8 replaced
 * by U+FFFD. Misuse (a value without key in an object, unbalanced ends, a second value,
 * more than 64 levels) is an assertion; without assertions it is sticky, as out of memory is:
 * ct_json_text() is NULL. */
#ifndef CTRAIN_JSON_H
#define CTRAIN_JSON_H

#include <ctrain/status.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ct_json ct_json;

CT_MUST_USE ct_status ct_json_create(ct_json **out);
void ct_json_destroy(ct_json *json);
void ct_json_object_begin(ct_json *json);
void ct_json_object_end(ct_json *json);
void ct_json_array_begin(ct_json *json);
void ct_json_array_end(ct_json *json);
void ct_json_key(ct_json *json, const char *key);
void ct_json_string(ct_json *json, const char *value); // NULL writes null
void ct_json_number(ct_json *json, double value);      // as ct_number_text; NaN and inf write null
void ct_json_integer(ct_json *json, int64_t value);
void ct_json_bool(ct_json *json, bool value);
/* The text so far, NUL-terminated, valid until the next call; NULL when memory ran out. */
const char *ct_json_text(const ct_json *json);

/* The fewest correctly rounded digits that strtod reads back to value (at most 25 bytes with the
 * NUL), with a point whatever the locale: "612.5", "1050", "1e-09"; else "nan", "inf", "-inf". */
#define CT_NUMBER_TEXT_SIZE 32
void ct_number_text(char out[CT_NUMBER_TEXT_SIZE], double value);
/* The decimal number at *text, bounded by end, as strtod in the C locale; *text moves behind it.
 * CT_EPARSE: no decimal number here (nan, inf and hexadecimal are none). CT_ERANGE: too large for a
 * double. CT_ENOMEM: no C locale. */
CT_MUST_USE ct_status ct_number_parse(const char **text, const char *end, double *value);

#ifdef __cplusplus
}
#endif
#endif
