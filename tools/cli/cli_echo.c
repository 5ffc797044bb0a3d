// SPDX-License-Identifier: MIT
/* What was asked, for the report: options and operands of the command as they were understood. */
#include "cli/cli_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* "max-rounds" and "FILE" are "max_rounds" and "file" in JSON. */
static const char *json_key(char out[CLI__WHY_SIZE], const char *name)
{
    size_t n = 0;
    for (; name[n] != '\0' && n + 1 < CLI__WHY_SIZE; n++) {
        char c = name[n];
        out[n] = c == '-' ? '_' : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    out[n] = '\0';
    return out;
}

static void echo_whole(ct_report *report, const char *key, uint64_t value)
{
    if (value <= INT64_MAX) {
        ct_report_integer(report, CT_REPORT_SETTING, key, (int64_t)value);
    } else { // beyond what readers of JSON keep exactly
        char text[CLI_TEXT_SIZE];
        snprintf(text, sizeof text, "%" PRIu64, value);
        ct_report_string(report, CT_REPORT_SETTING, key, text);
    }
}

static void echo_option(ct_report *report, const cli_option *option, const void *settings)
{
    const void *member = (const char *)settings + option->offset;
    char key[CLI__WHY_SIZE];
    json_key(key, option->name);
    switch (option->type) {
    case CLI_FLAG:
        ct_report_bool(report, CT_REPORT_SETTING, key, *(const bool *)member);
        return;
    case CLI_COUNT:
        echo_whole(report, key, *(const size_t *)member);
        return;
    case CLI_SEED:
        echo_whole(report, key, *(const uint64_t *)member);
        return;
    case CLI_REAL:
        ct_report_number(report, CT_REPORT_SETTING, key, *(const double *)member);
        return;
    case CLI_TEXT:
    case CLI_CHOICE:
    case CLI_PATH:
        ct_report_string(report, CT_REPORT_SETTING, key, *(const char *const *)member);
        return;
    }
}

/* The operands of a "NAME..." as one text, separated by blanks. */
static void echo_repeated(ct_report *report, const char *key, const cli_operands *operands)
{
    size_t size = 1;
    for (size_t i = 0; i < operands->n; i++)
        size += strlen(operands->items[i]) + 1;
    char *text = malloc(size), *end = text;
    for (size_t i = 0; i < operands->n && text != NULL; i++)
        end +=
            snprintf(end, size - (size_t)(end - text), i == 0 ? "%s" : " %s", operands->items[i]);
    ct_report_string(report, CT_REPORT_SETTING, key, operands->n > 0 ? text : NULL);
    free(text);
}

void cli_echo_settings(ct_report *report, const cli_command *command, const void *settings)
{
    for (size_t i = 0; i < command->n_options; i++)
        echo_option(report, &command->options[i], settings);
    for (size_t i = 0; i < command->n_operands; i++) {
        const cli_operand *operand = &command->operands[i];
        const void *member = (const char *)settings + operand->offset;
        char key[CLI__WHY_SIZE];
        json_key(key, operand->name);
        if (operand->repeated)
            echo_repeated(report, key, member);
        else
            ct_report_string(report, CT_REPORT_SETTING, key, *(const char *const *)member);
    }
}
