// SPDX-License-Identifier: MIT
/* Status names and texts from the one list, and the one-line diagnosis. */
#include <ctrain/status.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *ct_status_name(ct_status status)
{
    switch (status) {
#define CT_STATUS_NAME(name, value, text)                                                          \
    case name:                                                                                     \
        return #name;
        CT_STATUS_LIST(CT_STATUS_NAME)
#undef CT_STATUS_NAME
    }
    return "CT_UNKNOWN";
}

const char *ct_status_text(ct_status status)
{
    switch (status) {
#define CT_STATUS_TEXT(name, value, text)                                                          \
    case name:                                                                                     \
        return text;
        CT_STATUS_LIST(CT_STATUS_TEXT)
#undef CT_STATUS_TEXT
    }
    return "unknown status";
}

/* Format into out, ending in "..." when it does not fit; a newline would break the one-line promise
 * and becomes a space. */
static void format_line(char out[CT_DIAG_SIZE], const char *format, va_list args) CT_PRINTF(2, 0);

static void format_line(char out[CT_DIAG_SIZE], const char *format, va_list args)
{
    int n = vsnprintf(out, CT_DIAG_SIZE, format, args);
    if (n < 0)
        out[0] = '\0';
    else if (n >= CT_DIAG_SIZE)
        memcpy(out + CT_DIAG_SIZE - 4, "...", 4);
    for (char *c = out; *c != '\0'; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
}

void ct_diag_clear(ct_diag *diag)
{
    if (diag != NULL)
        diag->text[0] = '\0';
}

void ct_diag_set(ct_diag *diag, const char *format, ...)
{
    if (diag == NULL)
        return;
    char text[CT_DIAG_SIZE]; // the old text may be among the arguments
    va_list args;
    va_start(args, format);
    format_line(text, format, args);
    va_end(args);
    memcpy(diag->text, text, sizeof text);
}

void ct_diag_prefix(ct_diag *diag, const char *format, ...)
{
    if (diag == NULL)
        return;
    char context[CT_DIAG_SIZE];
    va_list args;
    va_start(args, format);
    format_line(context, format, args);
    va_end(args);
    if (diag->text[0] == '\0')
        ct_diag_set(diag, "%s", context);
    else
        ct_diag_set(diag, "%s: %s", context, diag->text);
}

ct_status ct_fail(ct_diag *diag, ct_status status, const char *format, ...)
{
    if (diag != NULL) {
        char text[CT_DIAG_SIZE];
        va_list args;
        va_start(args, format);
        format_line(text, format, args);
        va_end(args);
        memcpy(diag->text, text, sizeof text);
    }
    return status;
}
