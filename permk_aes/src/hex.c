// SPDX-License-Identifier: MIT
/* Bytes to hexadecimal digits and back. Only one spelling of a byte is read, so that a file that
 * reads back is the file that was written. */
#include "hex.h"

void permk__to_hex(char *out, const unsigned char *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

bool permk__from_hex(unsigned char *out, const char *hex, size_t n)
{
    for (size_t i = 0; i < 2 * n; i++) {
        int digit;
        if (hex[i] >= '0' && hex[i] <= '9')
            digit = hex[i] - '0';
        else if (hex[i] >= 'a' && hex[i] <= 'f')
            digit = hex[i] - 'a' + 10;
        else
            return false;
        out[i / 2] = (unsigned char)(i % 2 == 0 ? digit << 4 : out[i / 2] | digit);
    }
    return true;
}
