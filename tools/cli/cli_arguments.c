// SPDX-License-Identifier: MIT
/* The command line of another process of this program. */
#include "cli/arguments.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void arguments_add(arguments *a, const char *format, ...)
{
    va_list values, again;
    va_start(values, format);
    va_copy(again, values);
    int length = vsnprintf(NULL, 0, format, values);
    char *text = a->n + 1 < ARGUMENTS_MAX && length >= 0 ? malloc((size_t)length + 1) : NULL;
    if (text != NULL) {
        vsnprintf(text, (size_t)length + 1, format, again);
        a->list[a->n++] = text;
    } else {
        a->failed = true;
    }
    va_end(again);
    va_end(values);
}

void arguments_add_option(arguments *a, const cli_option *option, const void *settings)
{
    const void *member = (const char *)settings + option->offset;
    if (!cli_given(option->name))
        return;
    switch (option->type) {
    case CLI_FLAG:
        arguments_add(a, "--%s%s", *(const bool *)member ? "" : "no-", option->name);
        return;
    case CLI_COUNT:
        arguments_add(a, "--%s=%zu", option->name, *(const size_t *)member);
        return;
    case CLI_SEED:
        arguments_add(a, "--%s=%" PRIu64, option->name, *(const uint64_t *)member);
        return;
    case CLI_REAL:
        arguments_add(a, "--%s=%.17g", option->name, *(const double *)member);
        return;
    case CLI_TEXT:
    case CLI_CHOICE:
    case CLI_PATH:
        arguments_add(a, "--%s=%s", option->name, *(const char *const *)member);
        return;
    }
}

void arguments_clear(arguments *a)
{
    for (size_t i = 0; i < a->n; i++)
        free(a->list[i]);
    *a = (arguments){0};
}
