// SPDX-License-Identifier: MIT
/* Lower-case hexadecimal digits, two a byte, as they stand in key files and rosters. */
#ifndef PERMK_AES_HEX_H
#define PERMK_AES_HEX_H

#include <stdbool.h>
#include <stddef.h>

/* out (2 n digits, no end mark) = bytes (n). */
void permk__to_hex(char *out, const unsigned char *bytes, size_t n);
/* False: one of the 2 n characters is no lower-case digit; out is then partly written. */
bool permk__from_hex(unsigned char *out, const char *hex, size_t n);

#endif
