// SPDX-License-Identifier: MIT
/* Numbers for people, as the reports write them. */
#include "cli/cli_private.h"

_Static_assert((int)CLI_TEXT_SIZE == (int)CT_TEXT_SIZE, "one buffer serves both");

const char *cli_bytes_text(char out[CLI_TEXT_SIZE], double bytes)
{
    return ct_bytes_text(out, bytes);
}

const char *cli_seconds_text(char out[CLI_TEXT_SIZE], double seconds)
{
    return ct_seconds_text(out, seconds);
}
