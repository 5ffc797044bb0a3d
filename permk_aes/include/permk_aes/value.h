// SPDX-License-Identifier: MIT
/* How numbers travel: 8, 4 or 2 bytes each, little-endian, of fixed length whatever they are, so
 * that lengths say nothing about them. */
#ifndef PERMK_AES_VALUE_H
#define PERMK_AES_VALUE_H

#include <ctrain/status.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers go into messages: append, never renumber. */
typedef enum permk_value {
    PERMK_VALUE_F64 = 1, // as they are
    PERMK_VALUE_F32 = 2, // IEEE 754 binary32, rounded to nearest, ties to even, as the next two
    PERMK_VALUE_F16 = 3, // binary16: beyond 65,504 infinite, which receivers refuse
    PERMK_VALUE_BF16 = 4 // the upper half of a binary32
} permk_value;

/* "f64", "f32", "f16", "bf16". */
const char *permk_value_name(permk_value value);
/* False, and *out untouched, for a name that is none of these. */
CT_MUST_USE bool permk_value_from_name(permk_value *out, const char *name);
/* Bytes of one number: 8, 4, 2, 2. */
size_t permk_value_bytes(permk_value value);

/* out (n permk_value_bytes(value) bytes) = x (n). */
void permk_values_encode(permk_value value, const double *x, size_t n, void *out);
/* x (n) = in. False: one of them is infinite or no number (x is filled all the same). x may be in
 * where value is F64. */
CT_MUST_USE bool permk_values_decode(permk_value value, const void *in, size_t n, double *x);

#ifdef __cplusplus
}
#endif
#endif
