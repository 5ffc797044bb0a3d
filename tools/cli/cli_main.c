// SPDX-License-Identifier: MIT
/* What every program's main() is: find the command, parse, run, see that what was printed arrived.
 */
#include "cli/cli_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const cli_command *find_command(const cli_program *program, const char *name)
{
    for (size_t i = 0; i < program->n_commands; i++)
        if (strcmp(program->commands[i].name, name) == 0)
            return &program->commands[i];
    return NULL;
}

static int unknown_command(const cli_program *program, const char *word)
{
    char quoted[CLI__WHY_SIZE];
    cli__quote(quoted, word);
    cli__guess guess = {quoted, NULL, SIZE_MAX};
    for (size_t i = 0; i < program->n_commands; i++)
        cli__guess_offer(&guess, program->commands[i].name);
    cli__guess_offer(&guess, "help");
    if (guess.best != NULL)
        return cli_usage("unknown command '%s' (did you mean %s?)", quoted, guess.best);
    return cli_usage("unknown command '%s' (%s --help lists them)", quoted, program->name);
}

/* An option before the command: perhaps it belongs after one. */
static int unknown_option(const cli_program *program, const char *word)
{
    static const char *const known[] = {"help", "version", "man", "completion"};
    char quoted[CLI__WHY_SIZE];
    cli__quote(quoted, word);
    const char *name = word + strspn(word, "-");
    size_t length = strcspn(name, "=");
    for (size_t c = 0; c < program->n_commands; c++)
        for (size_t i = 0; i < program->commands[c].n_options; i++) {
            const char *option = program->commands[c].options[i].name;
            if (strlen(option) == length && memcmp(option, name, length) == 0)
                return cli_usage("option '%s' comes after a command (%s %s --%s ...)", quoted,
                                 program->name, program->commands[c].name, option);
        }
    cli__guess guess = {name, NULL, SIZE_MAX};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        cli__guess_offer(&guess, known[i]);
    if (guess.best != NULL)
        return cli_usage("unknown option '%s' (did you mean --%s?)", quoted, guess.best);
    return cli_usage("unknown option '%s' (%s --help lists them)", quoted, program->name);
}

static int run_command(const cli_program *program, const cli_command *command, int argc,
                       char **argv)
{
    cli__current.command = command;
    size_t size = command->settings_size > 0 ? command->settings_size : 1;
    void *settings = calloc(1, size);
    const char **rest = calloc((size_t)argc + 1, sizeof *rest);
    int code = CLI_EXIT_USAGE;
    if (settings == NULL || rest == NULL) {
        code = cli_fail(CT_ENOMEM, NULL);
    } else {
        switch (cli__parse(command, argc, argv, settings, rest)) {
        case CLI__RUN:
            code = command->run(settings, command);
            break;
        case CLI__HELP:
            cli__print_command_help(stdout, program, command);
            code = CLI_EXIT_OK;
            break;
        case CLI__BAD:
            break;
        }
    }
    free(rest);
    free(settings);
    return code;
}

/* `help`, `help COMMAND`; argv begins after the word help. */
static int run_help(const cli_program *program, int argc, char **argv)
{
    if (argc == 0) {
        cli__print_program_help(stdout, program);
        return CLI_EXIT_OK;
    }
    const cli_command *command = find_command(program, argv[0]);
    if (command == NULL)
        return unknown_command(program, argv[0]);
    cli__print_command_help(stdout, program, command);
    return CLI_EXIT_OK;
}

static int run_completion(const cli_program *program, const char *shell)
{
    char quoted[CLI__WHY_SIZE];
    if (shell == NULL)
        return cli_usage("--completion needs a value (bash, zsh or fish)");
    if (cli__print_completion(stdout, program, shell))
        return CLI_EXIT_OK;
    return cli_usage("--completion: '%s' is not one of bash, zsh, fish", cli__quote(quoted, shell));
}

static int dispatch(const cli_program *program, int argc, char **argv)
{
    if (argc < 2) {
        cli__print_usage(stderr, program);
        return CLI_EXIT_USAGE;
    }
    static const char completion[] = "--completion=";
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
        return run_help(program, argc - 2, argv + 2);
    if (strcmp(word, "--version") == 0) {
        cli__print_version(stdout, program);
        return CLI_EXIT_OK;
    }
    if (strcmp(word, "--man") == 0) {
        cli__print_man(stdout, program);
        return CLI_EXIT_OK;
    }
    if (strcmp(word, "--completion") == 0)
        return run_completion(program, argc > 2 ? argv[2] : NULL);
    if (strncmp(word, completion, sizeof completion - 1) == 0)
        return run_completion(program, word + sizeof completion - 1);
    if (word[0] == '-' && word[1] != '\0')
        return unknown_option(program, word);
    const cli_command *command = find_command(program, word);
    if (command == NULL)
        return unknown_command(program, word);
    return run_command(program, command, argc - 2, argv + 2);
}

int cli_main(const cli_program *program, int argc, char **argv)
{
    cli__current = (cli__context){.program = program, .command = NULL};
    int code = dispatch(program, argc, argv);
    cli_progress_end();
    errno = 0;
    bool lost = fflush(stdout) != 0;
    if (lost || ferror(stdout)) {
        cli_usage("standard output: %s", lost && errno != 0 ? strerror(errno) : "writing failed");
        if (code == CLI_EXIT_OK || code == CLI_EXIT_NO_TOLERANCE)
            code = CLI_EXIT_FAILED;
    }
    return code;
}
