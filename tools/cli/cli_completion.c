// SPDX-License-Identifier: MIT
/* --completion: commands, options, choices and file names for bash, zsh and fish. */
#include "cli/cli_private.h"

#include <ctype.h>
#include <string.h>

/* The name of a shell function for a program: "_ufednl_cli". */
static void put_function(FILE *out, const char *name)
{
    fputc('_', out);
    for (; *name != '\0'; name++)
        fputc(isalnum((unsigned char)*name) ? *name : '_', out);
}

static bool has_path_operand(const cli_command *command)
{
    for (size_t i = 0; i < command->n_operands; i++)
        if (command->operands[i].is_path)
            return true;
    return false;
}

/* The choices of an option with blanks between them. */
static void put_choices(FILE *out, const char *choices)
{
    for (; *choices != '\0'; choices++)
        fputc(*choices == '|' ? ' ' : *choices, out);
}

/* The first sentence of a help text, within single quotes; what the shell needs escaped gets a
 * backslash, and a quote is written as quote says. */
static void put_help(FILE *out, const char *help, const char *special, const char *quote)
{
    for (; *help != '\0' && !(*help == '.' && (help[1] == ' ' || help[1] == '\0')); help++) {
        if (*help == '\'') {
            fputs(quote, out);
            continue;
        }
        if (strchr(special, *help) != NULL)
            fputc('\\', out);
        fputc(*help, out);
    }
}

static void put_commands(FILE *out, const cli_program *program)
{
    for (size_t i = 0; i < program->n_commands; i++)
        fprintf(out, "%s ", program->commands[i].name);
    fputs("help", out);
}

/* ---- bash ---- */

static void put_bash_options(FILE *out, const cli_command *command)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const cli_option *option = &command->options[i];
        fprintf(out, "--%s ", option->name);
        if (option->negatable)
            fprintf(out, "--no-%s ", option->name);
    }
    fputs("--help", out);
}

/* What may follow an option: its choices, a file, or something nobody can guess. */
static void put_bash_values(FILE *out, const cli_command *command)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const cli_option *option = &command->options[i];
        if (option->type == CLI_FLAG)
            continue;
        fprintf(out, "        --%s) ", option->name);
        if (option->type == CLI_CHOICE) {
            fputs("words='", out);
            put_choices(out, option->choices);
            fputs("' ;;\n", out);
        } else {
            fputs(option->type == CLI_PATH ? "files=1 ;;\n" : "return ;;\n", out);
        }
    }
}

static void put_bash_command(FILE *out, const cli_command *command)
{
    fprintf(out, "    %s)\n        case $prev in\n", command->name);
    put_bash_values(out, command);
    fputs("        *) if [[ $cur == -* ]]; then words='", out);
    put_bash_options(out, command);
    fprintf(out, "'%s; fi ;;\n        esac ;;\n",
            has_path_operand(command) ? "; else files=1" : "");
}

static void print_bash(FILE *out, const cli_program *program)
{
    fprintf(out, "# Completions of %s for bash.\n", program->name);
    put_function(out, program->name);
    fputs("()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words= files=\n"
          "    # bash splits --name=value into three words\n"
          "    if [[ $cur == = ]]; then\n        cur=\n"
          "    elif [[ $prev == = && COMP_CWORD -gt 2 ]]; then\n"
          "        prev=${COMP_WORDS[COMP_CWORD-2]}\n    fi\n"
          "    COMPREPLY=()\n"
          "    if [[ COMP_CWORD -eq 1 ]]; then\n        words='",
          out);
    put_commands(out, program);
    fputs(" --help --version --man --completion'\n"
          "    else case ${COMP_WORDS[1]} in\n    help) words='",
          out);
    put_commands(out, program);
    fputs("' ;;\n    --completion) words='bash zsh fish' ;;\n", out);
    for (size_t i = 0; i < program->n_commands; i++)
        put_bash_command(out, &program->commands[i]);
    fputs("    esac; fi\n"
          "    if [[ $files ]]; then\n"
          "        compopt -o filenames 2>/dev/null\n"
          "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
          "    elif [[ $words ]]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
          "    fi\n}\ncomplete -F ",
          out);
    put_function(out, program->name);
    fprintf(out, " %s\n", program->name);
}

/* ---- zsh ---- */

static const char zsh_quote[] = "'\\''";

static void put_zsh_option(FILE *out, const cli_option *option)
{
    if (option->type == CLI_FLAG && option->negatable)
        fprintf(out, "            '(--%s --no-%s)'{--%s,--no-%s}'[", option->name, option->name,
                option->name, option->name);
    else
        fprintf(out, "            '--%s%s[", option->name, option->type == CLI_FLAG ? "" : "=");
    put_help(out, option->help, "[]\\", zsh_quote);
    fputc(']', out);
    if (option->type != CLI_FLAG)
        fprintf(out, ":%s:", option->value);
    if (option->type == CLI_PATH)
        fputs("_files", out);
    if (option->type == CLI_CHOICE) {
        fputc('(', out);
        put_choices(out, option->choices);
        fputc(')', out);
    }
    fputs("' \\\n", out);
}

static void put_zsh_command(FILE *out, const cli_command *command)
{
    fprintf(out, "        %s)\n            _arguments \\\n", command->name);
    for (size_t i = 0; i < command->n_options; i++)
        put_zsh_option(out, &command->options[i]);
    for (size_t i = 0; i < command->n_operands; i++) {
        const cli_operand *operand = &command->operands[i];
        const char *action = operand->is_path ? "_files" : "";
        if (operand->repeated)
            fprintf(out, "            '*:%s:%s' \\\n", operand->name, action);
        else
            fprintf(out, "            '%zu:%s%s:%s' \\\n", i + 1, operand->optional ? ":" : "",
                    operand->name, action);
    }
    fputs("            '(- *)'{-h,--help}'[show the options]' ;;\n", out);
}

static void print_zsh(FILE *out, const cli_program *program)
{
    fprintf(out, "#compdef %s\n# Completions of %s for zsh.\n", program->name, program->name);
    put_function(out, program->name);
    fputs("()\n{\n"
          "    local context state state_descr line\n"
          "    typeset -A opt_args\n"
          "    _arguments -C \\\n"
          "        '(- *)'{-h,--help}'[show the commands]' \\\n"
          "        '(- *)--version[show the version]' \\\n"
          "        '(- *)--man[write the manual page]' \\\n"
          "        '(- *)--completion=[write completions]:shell:(bash zsh fish)' \\\n"
          "        '1:command:->command' '*::argument:->argument' && return\n"
          "    case $state in\n"
          "    command)\n        local -a commands=(\n",
          out);
    for (size_t i = 0; i < program->n_commands; i++) {
        fprintf(out, "            '%s:", program->commands[i].name);
        put_help(out, program->commands[i].summary, ":\\", zsh_quote);
        fputs("'\n", out);
    }
    fputs("            'help:Show the page of a command'\n        )\n"
          "        _describe command commands ;;\n"
          "    argument)\n        case $words[1] in\n        help) compadd -- ",
          out);
    put_commands(out, program);
    fputs(" ;;\n", out);
    for (size_t i = 0; i < program->n_commands; i++)
        put_zsh_command(out, &program->commands[i]);
    fputs("        esac ;;\n    esac\n}\nif [ \"$funcstack[1]\" = ", out);
    put_function(out, program->name);
    fputs(" ]; then\n    ", out);
    put_function(out, program->name);
    fputs(" \"$@\"\nelse\n    compdef ", out);
    put_function(out, program->name);
    fprintf(out, " %s\nfi\n", program->name);
}

/* ---- fish ---- */

static const char fish_quote[] = "\\'";

static void put_fish_option(FILE *out, const char *program, const char *command,
                            const cli_option *option)
{
    const char *const prefixes[] = {"", "no-"};
    for (size_t i = 0; i < (option->negatable ? 2 : 1); i++) {
        fprintf(out, "complete -c %s -n '__fish_seen_subcommand_from %s' -l %s%s", program, command,
                prefixes[i], option->name);
        if (option->type == CLI_PATH)
            fputs(" -r -F", out);
        else if (option->type != CLI_FLAG)
            fputs(" -x", out);
        if (option->type == CLI_CHOICE) {
            fputs(" -a '", out);
            put_choices(out, option->choices);
            fputc('\'', out);
        }
        fputs(" -d '", out);
        put_help(out, option->help, "\\", fish_quote);
        fputs("'\n", out);
    }
}

static void print_fish(FILE *out, const cli_program *program)
{
    const char *name = program->name;
    fprintf(out, "# Completions of %s for fish.\n", name);
    static const char *const options[][2] = {{"help", "Show the commands"},
                                             {"version", "Show the version"},
                                             {"man", "Write the manual page"}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        fprintf(out, "complete -c %s -n __fish_use_subcommand -f -l %s -d '%s'\n", name,
                options[i][0], options[i][1]);
    fprintf(out,
            "complete -c %s -n __fish_use_subcommand -x -l completion -a 'bash zsh fish' "
            "-d 'Write the completions of a shell'\n",
            name);
    fprintf(out,
            "complete -c %s -n __fish_use_subcommand -f -a help -d 'Show the page of a "
            "command'\n",
            name);
    fprintf(out, "complete -c %s -n '__fish_seen_subcommand_from help' -f -a '", name);
    put_commands(out, program);
    fputs("'\n", out);
    for (size_t i = 0; i < program->n_commands; i++) {
        const cli_command *command = &program->commands[i];
        fprintf(out, "complete -c %s -n __fish_use_subcommand -f -a %s -d '", name, command->name);
        put_help(out, command->summary, "\\", fish_quote);
        fputs("'\n", out);
        if (!has_path_operand(command))
            fprintf(out, "complete -c %s -n '__fish_seen_subcommand_from %s' -f\n", name,
                    command->name);
        fprintf(out,
                "complete -c %s -n '__fish_seen_subcommand_from %s' -l help -s h -d 'Show the "
                "options'\n",
                name, command->name);
        for (size_t k = 0; k < command->n_options; k++)
            put_fish_option(out, name, command->name, &command->options[k]);
    }
}

bool cli__print_completion(FILE *out, const cli_program *program, const char *shell)
{
    static const struct {
        const char *shell;
        void (*print)(FILE *, const cli_program *);
    } printers[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    for (size_t i = 0; i < sizeof printers / sizeof *printers; i++)
        if (strcmp(shell, printers[i].shell) == 0) {
            printers[i].print(out, program);
            return true;
        }
    return false;
}
