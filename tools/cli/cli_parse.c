// SPDX-License-Identifier: MIT
/* From the words after the command to its settings struct: options and operands in any order, the
 * last occurrence of an option wins, "--" ends the options. The first mistake is reported and ends
 * the parsing. */
#include "cli/cli_private.h"

#include <assert.h>
#include <math.h>
#include <string.h>

typedef struct parser {
    const cli_command *command;
    void *settings;
    const char **rest; // the operands met so far
    size_t n_rest;
} parser;

static const cli_option *find_option(const cli_command *command, const char *name, size_t length)
{
    for (size_t i = 0; i < command->n_options; i++)
        if (strlen(command->options[i].name) == length &&
            memcmp(command->options[i].name, name, length) == 0)
            return &command->options[i];
    return NULL;
}

/* A preset that its own option refuses is a mistake in the program's table; the first run says so.
 */
static bool store_presets(const cli_command *command, void *settings)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const cli_option *option = &command->options[i];
        char why[CLI__WHY_SIZE];
        if (option->preset == NULL && option->type == CLI_REAL)
            *(double *)((char *)settings + option->offset) = NAN;
        if (option->preset == NULL || cli__store_value(option, option->preset, settings, why))
            continue;
        cli_usage("the default of --%s: %s", option->name, why);
        return false;
    }
    return true;
}

/* Whether word can be the value of option when it stands after it. What begins with "--" is far
 * more often an option before which the value was forgotten (--name=--value remains for the rest).
 */
static bool can_be_value(const char *word)
{
    return word != NULL && !(word[0] == '-' && word[1] == '-');
}

static cli__outcome unknown_option(const cli_command *command, const char *word)
{
    char quoted[CLI__WHY_SIZE], name[CLI__WHY_SIZE];
    bool one_dash = word[1] != '-';
    cli__quote(quoted, word);
    cli__quote(name, word + (one_dash ? 1 : 2));
    name[strcspn(name, "=")] = '\0';
    bool negated = strncmp(name, "no-", 3) == 0;
    cli__guess guess = {name, NULL, SIZE_MAX}, positive = {name + 3, NULL, SIZE_MAX};
    for (size_t i = 0; i < command->n_options; i++) {
        cli__guess_offer(&guess, command->options[i].name);
        if (negated && command->options[i].negatable)
            cli__guess_offer(&positive, command->options[i].name);
    }
    cli__guess_offer(&guess, "help");
    if (positive.distance < guess.distance)
        cli_usage("unknown option '%s' (did you mean --no-%s?)", quoted, positive.best);
    else if (guess.best != NULL)
        cli_usage("unknown option '%s' (did you mean --%s?)", quoted, guess.best);
    else if (one_dash)
        cli_usage("unknown option '%s' (put -- before an operand that starts with '-')", quoted);
    else
        cli_usage("unknown option '%s' (%s %s --help lists them)", quoted,
                  cli__current.program->name, command->name);
    return CLI__BAD;
}

/* Options of a command are counted in the bits of one word. */
static uint64_t bit_of(const cli_command *command, const cli_option *option)
{
    return (uint64_t)1 << (option - command->options);
}

bool cli_given(const char *option)
{
    const cli_option *found = find_option(cli__current.command, option, strlen(option));
    return found != NULL && (cli__current.given & bit_of(cli__current.command, found)) != 0;
}

static bool has_required(const cli_command *command)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const cli_option *option = &command->options[i];
        if (option->required && !cli_given(option->name)) {
            cli_usage("--%s %s is missing: %s", option->name, option->value, option->help);
            return false;
        }
    }
    return true;
}

/* A flag, its negation, or not a flag at all. */
static bool store_flag(parser *p, const char *name, size_t length)
{
    const cli_option *option = find_option(p->command, name, length);
    bool on = true;
    if (option == NULL && length > 3 && memcmp(name, "no-", 3) == 0) {
        option = find_option(p->command, name + 3, length - 3);
        if (option != NULL && !option->negatable)
            option = NULL;
        on = false;
    }
    if (option == NULL || option->type != CLI_FLAG)
        return false;
    *(bool *)((char *)p->settings + option->offset) = on;
    cli__current.given |= bit_of(p->command, option);
    return true;
}

/* word begins with '-'; next is the word after it or NULL. *used_next: it was the value. */
static cli__outcome parse_option(parser *p, const char *word, const char *next, bool *used_next)
{
    *used_next = false;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return CLI__HELP;
    if (word[1] != '-')
        return unknown_option(p->command, word);
    const char *name = word + 2, *value = strchr(name, '=');
    size_t length = value != NULL ? (size_t)(value - name) : strlen(name);
    if (store_flag(p, name, length)) {
        if (value == NULL)
            return CLI__RUN;
        cli_usage("--%.*s takes no value", (int)length, name);
        return CLI__BAD;
    }
    const cli_option *option = find_option(p->command, name, length);
    if (option == NULL)
        return unknown_option(p->command, word);
    if (value != NULL) {
        value++;
    } else if (can_be_value(next)) {
        value = next;
        *used_next = true;
    } else {
        cli_usage("--%s needs a value (%s)", option->name, option->value);
        return CLI__BAD;
    }
    char why[CLI__WHY_SIZE];
    cli__current.given |= bit_of(p->command, option);
    if (cli__store_value(option, value, p->settings, why))
        return CLI__RUN;
    cli_usage("--%s: %s", option->name, why);
    return CLI__BAD;
}

static cli__outcome store_operands(parser *p)
{
    char synopsis[CLI__HELP_SIZE], quoted[CLI__WHY_SIZE];
    cli__synopsis(synopsis, p->command);
    const char *program = cli__current.program->name;
    size_t used = 0;
    for (size_t i = 0; i < p->command->n_operands; i++) {
        const cli_operand *operand = &p->command->operands[i];
        char *member = (char *)p->settings + operand->offset;
        if (used == p->n_rest && !operand->optional) {
            cli_usage("%s is missing (usage: %s %s)", operand->name, program, synopsis);
            return CLI__BAD;
        }
        if (operand->repeated) {
            *(cli_operands *)member = (cli_operands){p->rest + used, p->n_rest - used};
            used = p->n_rest;
        } else if (used < p->n_rest) {
            if (operand->is_path && p->rest[used][0] == '\0') {
                cli_usage("%s: '' is not a file name", operand->name);
                return CLI__BAD;
            }
            *(const char **)member = p->rest[used++];
        }
    }
    if (used == p->n_rest)
        return CLI__RUN;
    cli_usage("unexpected operand '%s' (usage: %s %s)", cli__quote(quoted, p->rest[used]), program,
              synopsis);
    return CLI__BAD;
}

cli__outcome cli__parse(const cli_command *command, int argc, char **argv, void *settings,
                        const char **rest)
{
    parser p = {command, settings, rest, 0};
    bool options_ended = false;
    assert(command->n_options <= 64);
    if (!store_presets(command, settings))
        return CLI__BAD;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (!options_ended && strcmp(word, "--") == 0) {
            options_ended = true;
        } else if (!options_ended && word[0] == '-' && word[1] != '\0') {
            bool used_next;
            const char *next = i + 1 < argc ? argv[i + 1] : NULL;
            cli__outcome outcome = parse_option(&p, word, next, &used_next);
            if (outcome != CLI__RUN)
                return outcome;
            i += used_next;
        } else {
            p.rest[p.n_rest++] = word;
        }
    }
    return has_required(command) ? store_operands(&p) : CLI__BAD;
}
