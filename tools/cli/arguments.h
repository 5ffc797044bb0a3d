// SPDX-License-Identifier: MIT
/* The command line of another process of this program. */
#ifndef CLI_ARGUMENTS_H
#define CLI_ARGUMENTS_H

#include "cli/cli.h"

enum { ARGUMENTS_MAX = 96 };

/* What a process is told, one "--name=value" after the other. */
typedef struct arguments {
    char *list[ARGUMENTS_MAX]; // NULL behind the last
    size_t n;
    bool failed; // out of memory, or of room
} arguments;
void arguments_add(arguments *a, const char *format, ...) CT_PRINTF(2, 3);
/* The option as it stands in settings, if it was given on the command line. */
void arguments_add_option(arguments *a, const cli_option *option, const void *settings);
void arguments_clear(arguments *a);

#endif
