// SPDX-License-Identifier: MIT
/* Any words are settings, help or one line on stderr; numbers that are taken are finite and within
 * their bounds. A word ends at a line end. */
#include "cli/cli_private.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct settings {
    size_t count;
    double real;
    uint64_t seed;
    bool flag;
    const char *choice, *path, *file;
    cli_operands more;
} settings;

static const cli_option options[] = {
    {.name = "count",
     .type = CLI_COUNT,
     .offset = offsetof(settings, count),
     .value = "N",
     .preset = "3",
     .help = "Count",
     .min = 1,
     .max = 1000},
    {.name = "real",
     .type = CLI_REAL,
     .offset = offsetof(settings, real),
     .value = "X",
     .preset = "1",
     .help = "Real",
     .open_min = true,
     .max = 10},
    {.name = "seed",
     .type = CLI_SEED,
     .offset = offsetof(settings, seed),
     .value = "N",
     .help = ""},
    {.name = "flag",
     .type = CLI_FLAG,
     .offset = offsetof(settings, flag),
     .help = "Flag",
     .negatable = true},
    {.name = "choice",
     .type = CLI_CHOICE,
     .offset = offsetof(settings, choice),
     .value = "NAME",
     .preset = "ab",
     .help = "Choice",
     .choices = "ab|abc|x"},
    {.name = "path",
     .type = CLI_PATH,
     .offset = offsetof(settings, path),
     .value = "F",
     .help = ""},
};

static const cli_operand operands[] = {
    {.name = "FILE", .help = "", .offset = offsetof(settings, file), .is_path = true},
    {.name = "MORE",
     .help = "",
     .optional = true,
     .repeated = true,
     .offset = offsetof(settings, more)}};

static const cli_command command = {.name = "run",
                                    .summary = "Run.",
                                    .options = options,
                                    .n_options = sizeof options / sizeof *options,
                                    .operands = operands,
                                    .n_operands = 2,
                                    .settings_size = sizeof(settings)};
static const cli_program program = {
    .name = "fuzz", .summary = "Fuzz.", .commands = &command, .n_commands = 1};

static void check(const settings *s)
{
    bool choice = strcmp(s->choice, "ab") == 0 || strcmp(s->choice, "abc") == 0 ||
                  strcmp(s->choice, "x") == 0;
    if (s->count < 1 || s->count > 1000 || !(s->real > 0 && s->real <= 10) || !choice ||
        s->file == NULL || s->file[0] == '\0')
        abort();
    size_t length = 0; // of words that must still be there
    for (size_t i = 0; i < s->more.n; i++)
        length += strlen(s->more.items[i]);
    if (length > SIZE_MAX / 2)
        abort();
}

/* Errors go nowhere. */
static void silence(void)
{
    static bool done;
    int null = done ? -1 : open("/dev/null", O_WRONLY);
    if (null >= 0) {
        FILE *silent = fdopen(null, "w");
        if (silent != NULL)
            stderr = silent;
    }
    done = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MAX_WORDS = 64 };
    char *text = malloc(size + 1), *argv[MAX_WORDS];
    const char *rest[MAX_WORDS];
    settings s;
    int argc = 0;
    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    for (char *word = text; word != NULL && argc < MAX_WORDS;) {
        char *end = strchr(word, '\n');
        if (end != NULL)
            *end++ = '\0';
        argv[argc++] = word;
        word = end;
    }
    silence();
    memset(&s, 0, sizeof s);
    cli__current = (cli__context){.program = &program, .command = &command};
    if (cli__parse(&command, argc, argv, &s, rest) == CLI__RUN)
        check(&s);
    free(text);
    return 0;
}
