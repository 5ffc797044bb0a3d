// SPDX-License-Identifier: MIT
/* --man: the manual page in the man macros of troff, one page a program with all its commands. */
#include "cli/cli_private.h"

#include <ctrain/version.h>
#include <ctype.h>
#include <string.h>

/* troff turns these into typographic characters, which a shell does not take back. */
static const char *escaped(char c)
{
    switch (c) {
    case '\\':
        return "\\e";
    case '-':
        return "\\-";
    case '\'':
        return "\\(aq";
    case '`':
        return "\\(ga";
    case '^':
        return "\\(ha";
    case '~':
        return "\\(ti";
    default:
        return NULL;
    }
}

static void put(FILE *out, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        bool begins_line = i == 0 || text[i - 1] == '\n';
        if (begins_line && text[i] == '.')
            fputs("\\&", out); // not a request
        if (escaped(text[i]) != NULL)
            fputs(escaped(text[i]), out);
        else
            fputc(text[i], out);
    }
}

static void put_string(FILE *out, const char *text)
{
    put(out, text, strlen(text));
}

/* In the quotes of a request's argument. */
static void put_argument(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputs("\\(dq", out);
        else
            put(out, text, 1);
    }
}

/* Paragraphs are separated by an empty line; lines that begin with a blank stay as they are. */
static void put_paragraphs(FILE *out, const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        if (n == 0) {
            fputs(".PP\n", out);
        } else if (text[0] == ' ') {
            fputs(".br\n", out);
            put(out, text, n);
            fputs("\n.br\n", out);
        } else {
            put(out, text, n);
            fputc('\n', out);
        }
        text += n + (text[n] == '\n');
    }
}

static void put_option(FILE *out, const cli_option *option)
{
    char text[CLI__HELP_SIZE];
    fputs(".TP\n\\fB\\-\\-", out);
    if (option->type == CLI_FLAG && option->negatable)
        fputs("\\fR[\\fBno\\-\\fR]\\fB", out);
    put_string(out, option->name);
    fputs("\\fR", out);
    if (option->type != CLI_FLAG) {
        fputs(" \\fI", out);
        put_string(out, option->value);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    cli__option_help(text, option);
    put_string(out, text);
    fputc('\n', out);
}

static void put_operands(FILE *out, const cli_command *command)
{
    for (size_t i = 0; i < command->n_operands; i++) {
        fputs(".TP\n\\fI", out);
        put_string(out, command->operands[i].name);
        fputs("\\fR\n", out);
        put_string(out, command->operands[i].help);
        fputc('\n', out);
    }
}

static void put_examples(FILE *out, const char *lines)
{
    fputs(".PP\nExamples:\n.PP\n.RS\n.nf\n", out);
    put_string(out, lines);
    fputs("\n.fi\n.RE\n", out);
}

static void put_command(FILE *out, const cli_program *program, const cli_command *command)
{
    char synopsis[CLI__HELP_SIZE];
    const char *group;
    cli__synopsis(synopsis, command);
    fputs(".SS \"", out);
    put_argument(out, program->name);
    fputc(' ', out);
    put_argument(out, synopsis);
    fputs("\"\n", out);
    put_paragraphs(out, command->summary);
    if (command->description != NULL) {
        fputs(".PP\n", out);
        put_paragraphs(out, command->description);
    }
    put_operands(out, command);
    for (size_t g = 0; (group = cli__group(command, g)) != NULL; g++) {
        fputs(".PP\n", out);
        put_string(out, group);
        fputs(":\n", out);
        for (size_t i = 0; i < command->n_options; i++)
            if (strcmp(cli__group_of(&command->options[i]), group) == 0)
                put_option(out, &command->options[i]);
    }
    if (command->examples != NULL)
        put_examples(out, command->examples);
}

static void put_header(FILE *out, const cli_program *program)
{
    fputs(".TH ", out);
    for (const char *c = program->name; *c != '\0'; c++)
        fputc(toupper((unsigned char)*c), out);
    fprintf(out, " 1 \"\" \"ctrain %s\" \"User Commands\"\n.SH NAME\n", CTRAIN_VERSION);
    put_string(out, program->name);
    fputs(" \\- ", out);
    size_t n = strlen(program->summary);
    put(out, program->summary, n - (n > 0 && program->summary[n - 1] == '.'));
    fputs("\n.SH SYNOPSIS\n", out);
    for (size_t i = 0; i < program->n_commands; i++) {
        char synopsis[CLI__HELP_SIZE];
        cli__synopsis(synopsis, &program->commands[i]);
        size_t name = strcspn(synopsis, " ");
        fputs(i > 0 ? ".br\n\\fB" : "\\fB", out);
        put_string(out, program->name);
        fputc(' ', out);
        put(out, synopsis, name);
        fputs("\\fR", out);
        put_string(out, synopsis + name);
        fputc('\n', out);
    }
}

void cli__print_man(FILE *out, const cli_program *program)
{
    static const char *const options[][2] = {
        {"COMMAND --help", "Show the options of a command, with examples."},
        {"--version", "Show the version and what the program computes with."},
        {"--man", "Write this page."},
        {"--completion bash|zsh|fish", "Write the completions of a shell."}};
    const char *code, *text;
    put_header(out, program);
    fputs(".SH DESCRIPTION\n", out);
    put_paragraphs(out, program->description != NULL ? program->description : program->summary);
    fputs(".SH COMMANDS\n", out);
    for (size_t i = 0; i < program->n_commands; i++)
        put_command(out, program, &program->commands[i]);
    fputs(".SH OPTIONS\n", out);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        fputs(".TP\n\\fB", out);
        put_string(out, options[i][0]);
        fputs("\\fR\n", out);
        put_string(out, options[i][1]);
        fputc('\n', out);
    }
    fputs(".SH \"EXIT STATUS\"\n", out);
    for (size_t i = 0; (text = cli__exit_codes(i, &code)) != NULL; i++)
        fprintf(out, ".TP\n\\fB%s\\fR\n%s\n", code, text);
}
