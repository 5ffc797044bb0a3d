// SPDX-License-Identifier: MIT
/* --help, from the same tables the parser reads: wrapped to the terminal, options under their
 * headings, defaults and ranges where they apply. */
#include "cli/cli_private.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

enum {
    NARROWEST = 60,
    USUAL = 80,
    WIDEST = 100,
    WIDEST_TITLE = 26 // options with a longer title have their text on the next line
};

/* ---- Sentences shared with the man page ---- */

static void append(char *out, size_t size, const char *format, ...) CT_PRINTF(3, 4);

static void append(char *out, size_t size, const char *format, ...)
{
    size_t used = strlen(out);
    va_list args;
    va_start(args, format);
    vsnprintf(out + used, size - used, format, args);
    va_end(args);
}

static void append_choices(char out[CLI__HELP_SIZE], const char *choices)
{
    const char *begin;
    size_t length;
    append(out, CLI__HELP_SIZE, " One of");
    for (size_t i = 0; cli__choice(choices, i, &begin, &length); i++)
        append(out, CLI__HELP_SIZE, "%s %.*s", i == 0 ? "" : ",", (int)length, begin);
    append(out, CLI__HELP_SIZE, ".");
}

void cli__option_help(char out[CLI__HELP_SIZE], const cli_option *option)
{
    char range[CLI__WHY_SIZE];
    size_t length = strlen(option->help);
    bool ended = length > 0 && strchr(".?!", option->help[length - 1]) != NULL;
    snprintf(out, CLI__HELP_SIZE, "%s%s", option->help, ended ? "" : ".");
    if (option->required)
        append(out, CLI__HELP_SIZE, " Required.");
    if (option->type == CLI_CHOICE && strchr(option->choices, '|') != NULL)
        append_choices(out, option->choices);
    else if (cli__range_text(range, option))
        append(out, CLI__HELP_SIZE, " Range: %s.", range);
    if (option->type == CLI_FLAG && option->negatable)
        append(out, CLI__HELP_SIZE, " Default: --%s%s.",
               option->preset != NULL && strcmp(option->preset, "true") == 0 ? "" : "no-",
               option->name);
    else if (option->type != CLI_FLAG && option->preset != NULL)
        append(out, CLI__HELP_SIZE, " Default: %s.", option->preset);
}

void cli__option_title(char out[CLI__WHY_SIZE], const cli_option *option)
{
    if (option->type == CLI_FLAG)
        snprintf(out, CLI__WHY_SIZE, "--%s%s", option->negatable ? "[no-]" : "", option->name);
    else
        snprintf(out, CLI__WHY_SIZE, "--%s %s", option->name, option->value);
}

void cli__synopsis(char out[CLI__HELP_SIZE], const cli_command *command)
{
    snprintf(out, CLI__HELP_SIZE, "%s%s", command->name,
             command->n_options > 0 ? " [OPTIONS]" : "");
    for (size_t i = 0; i < command->n_operands; i++) {
        const cli_operand *operand = &command->operands[i];
        append(out, CLI__HELP_SIZE, operand->optional ? " [%s%s]" : " %s%s", operand->name,
               operand->repeated ? "..." : "");
    }
}

const char *cli__group_of(const cli_option *option)
{
    return option->group != NULL ? option->group : "Options";
}

const char *cli__group(const cli_command *command, size_t i)
{
    for (size_t k = 0; k < command->n_options; k++) {
        bool first = true;
        for (size_t earlier = 0; earlier < k && first; earlier++)
            first = strcmp(cli__group_of(&command->options[earlier]),
                           cli__group_of(&command->options[k])) != 0;
        if (first && i-- == 0)
            return cli__group_of(&command->options[k]);
    }
    return NULL;
}

const char *cli__exit_codes(size_t i, const char **code)
{
    static const char *const table[][2] = {
        {"0", "done; a solver: the tolerance was reached"},
        {"1", "something failed"},
        {"2", "a mistake in the command line or in the input"},
        {"3", "ended without reaching the tolerance, or diverged"},
        {"130, 143", "interrupted by SIGINT or SIGTERM, after writing what was asked for"}};
    if (i >= sizeof table / sizeof *table)
        return NULL;
    *code = table[i][0];
    return table[i][1];
}

/* ---- Wrapping ---- */

typedef struct page {
    FILE *out;
    size_t width;  // columns of a line
    size_t indent; // of the lines to come
    size_t column; // characters on the current line
} page;

static void new_line(page *p)
{
    fputc('\n', p->out);
    p->column = 0;
}

static void put_word(page *p, const char *word, size_t bytes)
{
    size_t width = cli__width(word, bytes);
    if (p->column > p->indent && p->column + 1 + width > p->width)
        new_line(p);
    if (p->column > p->indent) {
        fputc(' ', p->out);
        p->column++;
    }
    for (; p->column < p->indent; p->column++)
        fputc(' ', p->out);
    fwrite(word, 1, bytes, p->out);
    p->column += width;
}

/* Paragraphs are separated by an empty line; lines that begin with a blank stay as they are. */
static void put_text(page *p, const char *text)
{
    while (*text != '\0') {
        size_t line = strcspn(text, "\n");
        bool verbatim = text[0] == ' ';
        if (line == 0 || verbatim) {
            if (p->column > 0)
                new_line(p);
            if (verbatim)
                fprintf(p->out, "%*s%.*s", (int)p->indent, "", (int)line, text);
            new_line(p);
        }
        for (size_t i = 0; i < line && !verbatim;) {
            size_t bytes = strcspn(text + i, " \n");
            put_word(p, text + i, bytes);
            i += bytes;
            i += strspn(text + i, " ");
        }
        text += line + (text[line] == '\n');
    }
    if (p->column > 0)
        new_line(p);
}

/* "  title    text", the text in a column of its own. */
static void put_entry(page *p, const char *title, size_t column, const char *text)
{
    size_t width = 2 + cli__width(title, strlen(title));
    fprintf(p->out, "  %s", title);
    p->column = width;
    if (width + 2 > column)
        new_line(p);
    for (; p->column < column; p->column++)
        fputc(' ', p->out);
    p->indent = column;
    put_text(p, text);
    p->indent = 0;
}

static void put_heading(page *p, const char *text)
{
    fprintf(p->out, "\n%s:\n", text);
}

static page page_begin(FILE *out)
{
    size_t width = cli__columns(fileno(out), USUAL);
    width = width < NARROWEST ? NARROWEST : width > WIDEST ? WIDEST : width;
    return (page){out, width, 0, 0};
}

static void put_lines(page *p, const char *lines)
{
    while (*lines != '\0') {
        size_t n = strcspn(lines, "\n");
        fprintf(p->out, "  %.*s\n", (int)n, lines);
        lines += n + (lines[n] == '\n');
    }
}

static void put_exit_codes(page *p)
{
    const char *code, *text;
    put_heading(p, "Exit codes");
    for (size_t i = 0; (text = cli__exit_codes(i, &code)) != NULL; i++)
        put_entry(p, code, 12, text);
}

/* ---- The pages ---- */

static size_t widest_title(const cli_command *command)
{
    size_t widest = 10;
    for (size_t i = 0; i < command->n_options; i++) {
        char title[CLI__WHY_SIZE];
        cli__option_title(title, &command->options[i]);
        size_t width = cli__width(title, strlen(title));
        if (width > widest && width <= WIDEST_TITLE)
            widest = width;
    }
    return widest;
}

static void put_options(page *p, const cli_command *command)
{
    size_t column = 2 + widest_title(command) + 2;
    const char *group;
    for (size_t g = 0; (group = cli__group(command, g)) != NULL; g++) {
        put_heading(p, group);
        for (size_t i = 0; i < command->n_options; i++) {
            const cli_option *option = &command->options[i];
            char title[CLI__WHY_SIZE], text[CLI__HELP_SIZE];
            if (strcmp(cli__group_of(option), group) != 0)
                continue;
            cli__option_title(title, option);
            cli__option_help(text, option);
            put_entry(p, title, column, text);
        }
    }
    put_heading(p, "Help");
    put_entry(p, "-h, --help", column, "Show this page.");
}

void cli__print_command_help(FILE *out, const cli_program *program, const cli_command *command)
{
    page p = page_begin(out);
    char synopsis[CLI__HELP_SIZE];
    cli__synopsis(synopsis, command);
    fprintf(out, "Usage: %s %s\n\n", program->name, synopsis);
    put_text(&p, command->summary);
    if (command->description != NULL) {
        new_line(&p);
        put_text(&p, command->description);
    }
    if (command->n_operands > 0)
        put_heading(&p, "Operands");
    for (size_t i = 0; i < command->n_operands; i++)
        put_entry(&p, command->operands[i].name, 2 + widest_title(command) + 2,
                  command->operands[i].help);
    put_options(&p, command);
    if (command->examples != NULL) {
        put_heading(&p, "Examples");
        put_lines(&p, command->examples);
    }
    put_exit_codes(&p);
}

static void put_commands(page *p, const cli_program *program)
{
    size_t widest = 4;
    for (size_t i = 0; i < program->n_commands; i++) {
        size_t width = strlen(program->commands[i].name);
        widest = width > widest ? width : widest;
    }
    put_heading(p, "Commands");
    for (size_t i = 0; i < program->n_commands; i++)
        put_entry(p, program->commands[i].name, widest + 4, program->commands[i].summary);
    put_entry(p, "help", widest + 4, "Show the page of a command: help COMMAND.");
}

void cli__print_usage(FILE *out, const cli_program *program)
{
    page p = page_begin(out);
    fprintf(out, "Usage: %s COMMAND [OPTIONS] [OPERANDS]\n", program->name);
    put_commands(&p, program);
}

void cli__print_program_help(FILE *out, const cli_program *program)
{
    page p = page_begin(out);
    fprintf(out, "Usage: %s COMMAND [OPTIONS] [OPERANDS]\n\n", program->name);
    put_text(&p, program->summary);
    if (program->description != NULL) {
        new_line(&p);
        put_text(&p, program->description);
    }
    put_commands(&p, program);
    put_heading(&p, "Options");
    put_entry(&p, "COMMAND --help", 22, "Show the options of a command, with examples.");
    put_entry(&p, "--version", 22, "Show the version and what the program computes with.");
    put_entry(&p, "--man", 22, "Write the manual page (read it with man -l FILE).");
    put_entry(&p, "--completion SHELL", 22, "Write the completions of bash, zsh or fish.");
    put_exit_codes(&p);
}
