// SPDX-License-Identifier: MIT
/* What the files of the command line share and the programs do not see. */
#ifndef CTRAIN_CLI_PRIVATE_H
#define CTRAIN_CLI_PRIVATE_H

#include "cli/cli.h"

#include <stdio.h>

/* The program and command that run, for error texts; set by cli_main. command may be NULL. */
typedef struct cli__context {
    const cli_program *program;
    const cli_command *command;
    uint64_t given; // bit i: option i of the command stood on the command line
} cli__context;
extern cli__context cli__current;

/* ---- Parsing ---- */

typedef enum cli__outcome {
    CLI__RUN,  // settings are filled
    CLI__HELP, // --help was met
    CLI__BAD   // an error was printed
} cli__outcome;

/* Fill settings (settings_size zeroed bytes) from the presets and argv[0 .. argc), the words after
 * the command. rest has room for argc pointers and must live as long as settings. */
cli__outcome cli__parse(const cli_command *command, int argc, char **argv, void *settings,
                        const char **rest);

/* One value by its option's rules. false: why[] says what is wrong with it ("'12x' is not a whole
 * number"). CLI_FLAG takes "true" and "false" (presets). */
#define CLI__WHY_SIZE 512
bool cli__store_value(const cli_option *option, const char *text, void *settings,
                      char why[CLI__WHY_SIZE]);

/* Text of the user for an error line: control characters become '?', long texts end in "...". */
const char *cli__quote(char out[CLI__WHY_SIZE], const char *text);

/* ---- Names ---- */

/* The candidate nearest to a mistyped word so far; the fields begin as {word, NULL, SIZE_MAX}. */
typedef struct cli__guess {
    const char *word;
    const char *best; // NULL: nothing is near enough to be meant
    size_t distance;
} cli__guess;
void cli__guess_offer(cli__guess *guess, const char *name);

/* Whether item i of the "a|b|c" list exists: begin and length of it. */
bool cli__choice(const char *choices, size_t i, const char **begin, size_t *length);

/* ---- Texts for people ---- */

/* "1 to 64", "0 or more", "more than 0"; false (and "") for an option without bounds. */
bool cli__range_text(char out[CLI__WHY_SIZE], const cli_option *option);
bool cli__has_min(const cli_option *option);
bool cli__has_max(const cli_option *option);

/* The sentence of help and man page: help, then choices, range and default. */
#define CLI__HELP_SIZE 1024
void cli__option_help(char out[CLI__HELP_SIZE], const cli_option *option);
/* "--max-rounds N", "--[no-]intercept". */
void cli__option_title(char out[CLI__WHY_SIZE], const cli_option *option);
/* "[OPTIONS] FILE [MODEL]" */
void cli__synopsis(char out[CLI__HELP_SIZE], const cli_command *command);
/* The i-th heading in the order of first use, NULL after the last. */
const char *cli__group(const cli_command *command, size_t i);
const char *cli__group_of(const cli_option *option);
const char *cli__exit_codes(size_t i, const char **code); // texts, NULL after the last

void cli__print_usage(FILE *out, const cli_program *program);
void cli__print_program_help(FILE *out, const cli_program *program);
void cli__print_command_help(FILE *out, const cli_program *program, const cli_command *command);
void cli__print_man(FILE *out, const cli_program *program);
/* false: no such shell. */
bool cli__print_completion(FILE *out, const cli_program *program, const char *shell);
void cli__print_version(FILE *out, const cli_program *program);

/* Columns of the terminal behind fd; fallback where there is none. */
size_t cli__columns(int fd, size_t fallback);
/* Characters (not bytes) of a UTF-8 text. */
size_t cli__width(const char *text, size_t bytes);

#endif
