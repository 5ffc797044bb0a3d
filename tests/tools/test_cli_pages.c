// SPDX-License-Identifier: MIT
/* What the tables become: help, version, manual page, completions. Shells and groff check their own
 * languages where they are installed. */
#include "cli_fixture.h"

#include <ctrain/version.h>

static bool installed(const char *program)
{
    char line[200];
    snprintf(line, sizeof line, "command -v %s >/dev/null 2>&1", program);
    return system(line) == 0;
}

/* Run a shell line; what it prints on both outputs goes to text. Returns its exit code. */
static int shell(const char *line, char *text, size_t size)
{
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    size_t n = fread(text, 1, size - 1, pipe);
    text[n] = '\0';
    return WEXITSTATUS(pclose(pipe));
}

static void test_help(void **state)
{
    (void)state;
    outcome r = run_line("train --help"), same = run_line("help train");
    assert_int_equal(r.code, CLI_EXIT_OK);
    assert_string_equal(r.err, "");
    assert_string_equal(r.out, same.out);
    assert_string_equal(r.out, run_line("train --clients 3 -h --bogus").out);
    ct_assert_contains(r.out, "Usage: prog train [OPTIONS] FILE [MODEL]\n\nTrain a model");
    ct_assert_contains(r.out, "\n    kept as it is\n");
    ct_assert_contains(r.out, "\nProblem:\n  --clients N");
    ct_assert_contains(r.out, "Clients among which the rows are dealt. Range: 1 to 1000.\n");
    ct_assert_contains(r.out, "\n                     Default: 142.\n");
    ct_assert_contains(r.out, "Step size. Computed from the problem when absent. Range:\n");
    ct_assert_contains(r.out, "How differences are compressed. One of identity, topk,\n");
    ct_assert_contains(r.out,
                       "  --[no-]intercept   Append a constant feature. Default: --intercept.\n");
    ct_assert_contains(r.out, "Examples:\n  prog train w8a.txt\n  prog train --lambda");
    ct_assert_contains(r.out, "\n  3         ended without");
    for (size_t i = 0; i < N_FIXTURE_OPTIONS; i++)
        ct_assert_contains(r.out, fixture_options[i].name);
    ct_assert_contains(run_line("help grad").out, "Usage: prog grad EXPR [NAME=VALUE...]\n");
}

static void test_help_is_80_columns_wide(void **state)
{
    (void)state;
    static const char *const lines[] = {"--help", "help train", "help grad"};
    for (size_t i = 0; i < 3; i++) {
        outcome r = run_line(lines[i]);
        for (char *line = strtok(r.out, "\n"); line != NULL; line = strtok(NULL, "\n"))
            assert_true(cli__width(line, strlen(line)) <= 80);
    }
}

static void test_program_help(void **state)
{
    (void)state;
    outcome r = run_line("--help");
    assert_int_equal(r.code, CLI_EXIT_OK);
    assert_string_equal(r.out, run_line("help").out);
    for (size_t i = 0; i < fixture_program.n_commands; i++)
        ct_assert_contains(r.out, fixture_commands[i].summary);
    ct_assert_contains(r.out, "--completion SHELL");
}

static void test_version(void **state)
{
    (void)state;
    outcome r = run_line("--version");
    assert_int_equal(r.code, CLI_EXIT_OK);
    assert_memory_equal(r.out, "prog " CTRAIN_VERSION "\nsimd: ", 12 + strlen(CTRAIN_VERSION));
    ct_assert_contains(r.out, "\nblas: ");
    ct_assert_contains(r.out, "\ncompiler: ");
}

static void test_man(void **state)
{
    (void)state;
    outcome r = run_line("--man");
    assert_int_equal(r.code, CLI_EXIT_OK);
    ct_assert_contains(r.out, ".TH PROG 1 ");
    ct_assert_contains(r.out, "prog \\- A program for tests\n");
    ct_assert_contains(r.out, "\n.SS \"prog train [OPTIONS] FILE [MODEL]\"\n");
    ct_assert_contains(r.out, "\n\\&.second paragraph: it\\(aqs e\\(hax \\e 2\n");
    ct_assert_contains(r.out, "\\fB\\-\\-clients\\fR \\fIN\\fR\n");
    ct_assert_contains(r.out, "\\fB\\-\\-\\fR[\\fBno\\-\\fR]\\fBintercept\\fR\n");
    if (!installed("groff")) {
        print_message("groff is not installed: its check of the page is left out\n");
        return;
    }
    char *path = ct_test_file("page.1", r.out), line[1000], text[2000];
    snprintf(line, sizeof line, "groff -man -ww -Kutf8 -Tutf8 '%s' 2>&1 >/dev/null", path);
    assert_int_equal(shell(line, text, sizeof text), 0);
    assert_string_equal(text, "");
    free(path);
}

static void check_syntax(const char *name)
{
    char line[1000], text[2000];
    outcome r;
    snprintf(line, sizeof line, "--completion %s", name);
    r = run_line(line);
    assert_int_equal(r.code, CLI_EXIT_OK);
    assert_string_equal(r.err, "");
    if (!installed(name)) {
        print_message("%s is not installed: its check is left out\n", name);
        return;
    }
    char *path = ct_test_file(name, r.out);
    snprintf(line, sizeof line, "%s -n '%s' 2>&1", name, path);
    assert_int_equal(shell(line, text, sizeof text), 0);
    assert_string_equal(text, "");
    free(path);
}

static void test_completion_syntax(void **state)
{
    (void)state;
    check_syntax("bash");
    check_syntax("zsh");
    check_syntax("fish");
    assert_string_equal(run_line("--completion=bash").out, run_line("--completion bash").out);
}

static void test_bash_completion(void **state)
{
    (void)state;
    static const struct {
        const char *words, *reply;
    } cases[] = {
        {"prog ''", "train grad echo help --help --version --man --completion\n"},
        {"prog tr", "train\n"},
        {"prog help g", "grad\n"},
        {"prog --completion ''", "bash zsh fish\n"},
        {"prog train --no", "--no-intercept --note\n"},
        {"prog train --compressor ''", "identity topk randk\n"},
        {"prog train --compressor = to", "topk\n"}, // how bash splits --compressor=to
        {"prog train --compressor =", "identity topk randk\n"},
        {"prog train --clients ''", "\n"},
        {"prog train fo", "found me\n"},
        {"prog train --html fo", "found me\n"},
        {"prog grad fo", "\n"}, // its operands are no files
    };
    if (!installed("bash")) {
        print_message("bash is not installed\n");
        skip();
    }
    char *script = ct_test_file("completion.bash", run_line("--completion bash").out);
    char *found = ct_test_file("found me", "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[2000], text[2000];
        snprintf(line, sizeof line,
                 "bash -c 'cd \"${1%%/*}\" && . \"$1\" && shift && COMP_WORDS=(\"$@\") && "
                 "COMP_CWORD=$(($# - 1)); _prog; echo \"${COMPREPLY[*]}\"' - '%s' %s 2>&1",
                 script, cases[i].words);
        assert_int_equal(shell(line, text, sizeof text), 0);
        assert_string_equal(text, cases[i].reply);
    }
    free(script);
    free(found);
}

static void test_fish_completion(void **state)
{
    (void)state;
    if (!installed("fish")) {
        print_message("fish is not installed\n");
        skip();
    }
    char *script = ct_test_file("completion.fish", run_line("--completion fish").out);
    char line[2000], text[2000];
    snprintf(line, sizeof line,
             "HOME=$(dirname %s) fish --no-config -c 'source %s; complete -C \"prog train --al\"; "
             "complete -C \"prog train --compressor t\"' 2>/dev/null",
             script, script);
    assert_int_equal(shell(line, text, sizeof text), 0);
    ct_assert_contains(text, "--alpha\tShare of a label [0 to 1]: it's the user's\n");
    ct_assert_contains(text, "topk\t");
    free(script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_help_is_80_columns_wide),
        cmocka_unit_test(test_program_help),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_man),
        cmocka_unit_test(test_completion_syntax),
        cmocka_unit_test(test_bash_completion),
        cmocka_unit_test(test_fish_completion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
