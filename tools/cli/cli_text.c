// SPDX-License-Identifier: MIT
/* Numbers for people, three digits where three are enough. */
#include "cli/cli_private.h"

#include <math.h>

/* value in its unit with three significant digits. */
static const char *three_digits(char out[CLI_TEXT_SIZE], double value, const char *unit)
{
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    snprintf(out, CLI_TEXT_SIZE, "%.*f %s", decimals, value, unit);
    return out;
}

const char *cli_bytes_text(char out[CLI_TEXT_SIZE], double bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    if (!(bytes >= 0 && isfinite(bytes))) {
        snprintf(out, CLI_TEXT_SIZE, "unknown");
        return out;
    }
    if (bytes < 999.5) {
        snprintf(out, CLI_TEXT_SIZE, "%.0f B", bytes);
        return out;
    }
    size_t unit = 0;
    for (bytes /= 1000; bytes >= 999.5 && unit + 1 < sizeof units / sizeof *units; unit++)
        bytes /= 1000;
    return three_digits(out, fmin(bytes, 1e12), units[unit]);
}

const char *cli_seconds_text(char out[CLI_TEXT_SIZE], double seconds)
{
    if (!(seconds >= 0 && isfinite(seconds))) {
        snprintf(out, CLI_TEXT_SIZE, "unknown");
        return out;
    }
    if (seconds < 999.5e-6)
        return three_digits(out, seconds * 1e6, "µs");
    if (seconds < 999.5e-3)
        return three_digits(out, seconds * 1e3, "ms");
    if (seconds < 119.5)
        return three_digits(out, seconds, "s");
    double whole = floor(fmin(seconds, 1e15) + 0.5);
    double minutes = floor(whole / 60), hours = floor(minutes / 60);
    if (hours < 2)
        snprintf(out, CLI_TEXT_SIZE, "%.0f min %02.0f s", minutes, whole - 60 * minutes);
    else
        snprintf(out, CLI_TEXT_SIZE, "%.0f h %02.0f min", hours, minutes - 60 * hours);
    return out;
}
