// SPDX-License-Identifier: MIT
/* One line on stderr that is redrawn in place, for people who watch: nothing is written where
 * stderr is not a terminal. */
#include "cli/cli_private.h"

#include <ctrain/timer.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PROGRESS_INTERVAL_S (1.0 / 6)

static struct {
    bool on, drawn;
    double next_s; // not before this time
} progress;

size_t cli__columns(int fd, size_t fallback)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return fallback;
}

size_t cli__width(const char *text, size_t bytes)
{
    size_t width = 0;
    for (size_t i = 0; i < bytes; i++)
        width += ((unsigned char)text[i] & 0xC0) != 0x80;
    return width;
}

void cli_progress_begin(bool quiet)
{
    const char *terminal = getenv("TERM");
    bool dumb = terminal != NULL && strcmp(terminal, "dumb") == 0;
    progress.on = !quiet && !dumb && isatty(STDERR_FILENO);
    progress.drawn = false;
    progress.next_s = 0;
}

/* Bytes of text that fill at most columns; control characters become blanks. */
static size_t fit(char *text, size_t columns)
{
    size_t i = 0, width = 0;
    for (; text[i] != '\0'; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c & 0xC0) != 0x80 && ++width > columns)
            break;
        if (c < ' ')
            text[i] = ' ';
    }
    return i;
}

void cli_progress(const char *format, ...)
{
    if (!progress.on)
        return;
    double now = ct_time_s();
    if (now < progress.next_s)
        return;
    progress.next_s = now + PROGRESS_INTERVAL_S;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* the last column stays free: some terminals wrap as soon as it is filled */
    size_t bytes = fit(text, cli__columns(STDERR_FILENO, 80) - 1);
    fprintf(stderr, "\r%.*s\033[K", (int)bytes, text);
    fflush(stderr);
    progress.drawn = true;
}

void cli_progress_end(void)
{
    if (progress.drawn)
        fputs("\r\033[K", stderr);
    progress.drawn = false;
    progress.on = false;
}
