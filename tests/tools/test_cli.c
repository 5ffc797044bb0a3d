// SPDX-License-Identifier: MIT
/* What the command line accepts, what it refuses and with which words, exit codes, and the echo of
 * the settings. */
#include "cli_fixture.h"

static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *line, *out;
    } cases[] = {
        {"train f", "clients=142 lambda=0.001 alpha=nan step=nan seed=1 intercept=1 json=0 "
                    "compressor=topk note=none html=none file=f model=none\n"},
        {"train --clients 7 f --lambda=1e-3 m --no-intercept --json",
         "clients=7 lambda=0.001 alpha=nan step=nan seed=1 intercept=0 json=1 compressor=topk "
         "note=none html=none file=f model=m\n"},
        {"train --clients 7 --clients=8 --no-intercept --intercept f",
         "clients=8 lambda=0.001 alpha=nan step=nan seed=1 intercept=1 json=0 compressor=topk "
         "note=none html=none file=f model=none\n"},
        {"train --step +.5e+1 --alpha 1. --seed 18446744073709551615 --lambda 0 f",
         "clients=142 lambda=0 alpha=1 step=5 seed=18446744073709551615 intercept=1 json=0 "
         "compressor=topk note=none html=none file=f model=none\n"},
        {"train --note --html=x - --", NULL},
        {"train --note=--html=x --html=a=b --compressor randk -",
         "clients=142 lambda=0.001 alpha=nan step=nan seed=1 intercept=1 json=0 compressor=randk "
         "note=--html=x html=a=b file=- model=none\n"},
        {"train --note -x --note= -- --json -m",
         "clients=142 lambda=0.001 alpha=nan step=nan seed=1 intercept=1 json=0 compressor=topk "
         "note= html=none file=--json model=-m\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        outcome r = run_line(cases[i].line);
        if (cases[i].out == NULL) {
            assert_int_equal(r.code, CLI_EXIT_USAGE);
            continue;
        }
        assert_string_equal(r.out, cases[i].out);
        assert_string_equal(r.err, "");
        assert_int_equal(r.code, CLI_EXIT_OK);
    }
    outcome r = run_line("grad -- -a*b a=1 b=2");
    assert_string_equal(r.out, "-a*b | a=1 | b=2\n");
    assert_int_equal(r.code, CLI_EXIT_NO_TOLERANCE);
    assert_string_equal(run_line("grad x").out, "x\n");
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *line, *err;
    } cases[] = {
        {"train --lamda 1 f", "prog train: unknown option '--lamda' (did you mean --lambda?)\n"},
        {"train --lamda=1 f", "prog train: unknown option '--lamda=1' (did you mean --lambda?)\n"},
        {"train -lambda 1 f", "prog train: unknown option '-lambda' (did you mean --lambda?)\n"},
        {"train --count 1 f",
         "prog train: unknown option '--count' (did you mean --bare-count?)\n"},
        {"train --client 1 f", "prog train: unknown option '--client' (did you mean --clients?)\n"},
        {"train --no-intercpt f",
         "prog train: unknown option '--no-intercpt' (did you mean --no-intercept?)\n"},
        {"train --no-json f", "prog train: unknown option '--no-json' (prog train --help lists "
                              "them)\n"},
        {"train --zzzzzz f",
         "prog train: unknown option '--zzzzzz' (prog train --help lists them)\n"},
        {"grad -a*b", "prog grad: unknown option '-a*b' (put -- before an operand that starts with "
                      "'-')\n"},
        {"train f --clients", "prog train: --clients needs a value (N)\n"},
        {"train --note --json f", "prog train: --note needs a value (TEXT)\n"},
        {"train --json=1 f", "prog train: --json takes no value\n"},
        {"train --no-intercept=1 f", "prog train: --no-intercept takes no value\n"},
        {"train --clients 12x f", "prog train: --clients: '12x' is not a whole number\n"},
        {"train --clients 1e3 f", "prog train: --clients: '1e3' is not a whole number\n"},
        {"train --clients +3 f", "prog train: --clients: '+3' is not a whole number\n"},
        {"train --clients 1.0 f", "prog train: --clients: '1.0' is not a whole number\n"},
        {"train --clients=0x10 f", "prog train: --clients: '0x10' is not a whole number\n"},
        {"train --clients= f", "prog train: --clients: '' is empty\n"},
        {"train --clients 0 f", "prog train: --clients: 0 is below 1 (allowed: 1 to 1000)\n"},
        {"train --clients 1001 f",
         "prog train: --clients: 1001 is above 1000 (allowed: 1 to 1000)\n"},
        {"train --clients -5 f", "prog train: --clients: -5 is below 1 (allowed: 1 to 1000)\n"},
        {"train --bare-count -5 f",
         "prog train: --bare-count: -5 is below 0 (allowed: 0 or more)\n"},
        {"train --bare-count 18446744073709551616 f",
         "prog train: --bare-count: '18446744073709551616' is too large\n"},
        {"train --seed 18446744073709551616 f",
         "prog train: --seed: '18446744073709551616' is too large\n"},
        {"train --lambda -1 f", "prog train: --lambda: -1 is below 0 (allowed: 0 or more)\n"},
        {"train --lambda=1,5 f", "prog train: --lambda: '1,5' is not a number\n"},
        {"train --lambda 1.5.2 f", "prog train: --lambda: '1.5.2' is not a number\n"},
        {"train --lambda 1e f", "prog train: --lambda: '1e' is not a number\n"},
        {"train --lambda . f", "prog train: --lambda: '.' is not a number\n"},
        {"train --lambda 0x1p3 f", "prog train: --lambda: '0x1p3' is not a number\n"},
        {"train --lambda nan f", "prog train: --lambda: 'nan' is not a finite number\n"},
        {"train --lambda -inf f", "prog train: --lambda: '-inf' is not a finite number\n"},
        {"train --lambda 1e999 f", "prog train: --lambda: '1e999' is too large\n"},
        {"train --lambda 1e-999 f",
         "prog train: --lambda: '1e-999' is too small to be told from 0\n"},
        {"train --lambda= f", "prog train: --lambda: '' is empty\n"},
        {"train --step 0 f", "prog train: --step: 0 is not above 0 (allowed: more than 0)\n"},
        {"train --step -1 f", "prog train: --step: -1 is below 0 (allowed: more than 0)\n"},
        {"train --alpha 1.5 f",
         "prog train: --alpha: 1.5 is above 1 (allowed: more than 0, at most 1)\n"},
        {"train --compressor top f",
         "prog train: --compressor: 'top' is not one of identity, topk, randk\n"},
        {"train --html= f", "prog train: --html: '' is not a file name\n"},
        {"train", "prog train: FILE is missing (usage: prog train [OPTIONS] FILE [MODEL])\n"},
        {"train a b c",
         "prog train: unexpected operand 'c' (usage: prog train [OPTIONS] FILE [MODEL])\n"},
        {"train \"\"", "prog train: FILE: '' is not a file name\n"},
        {"trian f", "prog: unknown command 'trian' (did you mean train?)\n"},
        {"frobnicate", "prog: unknown command 'frobnicate' (prog --help lists them)\n"},
        {"help trian", "prog: unknown command 'trian' (did you mean train?)\n"},
        {"--lambda 1 train f",
         "prog: option '--lambda' comes after a command (prog train --lambda ...)\n"},
        {"--hlep", "prog: unknown option '--hlep' (did you mean --help?)\n"},
        {"--completion", "prog: --completion needs a value (bash, zsh or fish)\n"},
        {"--completion=tcsh", "prog: --completion: 'tcsh' is not one of bash, zsh, fish\n"},
        {"grad a\nb --x\033[2J", "prog grad: unknown option '--x?[2J' (prog grad --help lists "
                                 "them)\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        outcome r = run_line(cases[i].line);
        assert_string_equal(r.err, cases[i].err);
        assert_string_equal(r.out, "");
        assert_int_equal(r.code, CLI_EXIT_USAGE);
    }
}

static void test_long_words_are_cut(void **state)
{
    (void)state;
    char line[900] = "train --clients ";
    size_t used = strlen(line);
    memset(line + used, '9', sizeof line - used - 1);
    line[sizeof line - 1] = '\0';
    outcome r = run_line(line);
    ct_assert_contains(r.err, "999...' is too large\n");
    assert_true(strlen(r.err) < 250);
}

static void test_no_arguments(void **state)
{
    (void)state;
    outcome r = run_line("");
    assert_int_equal(r.code, CLI_EXIT_USAGE);
    assert_string_equal(r.out, "");
    ct_assert_contains(r.err, "Usage: prog COMMAND");
    ct_assert_contains(r.err, "  train ");
}

static int run_bad_preset(void *context)
{
    cli_option option = fixture_options[0];
    cli_command command = {.name = "run",
                           .summary = "Run.",
                           .options = &option,
                           .n_options = 1,
                           .settings_size = sizeof(fixture_settings),
                           .run = fixture_train};
    cli_program program = {.name = "prog", .summary = "", .commands = &command, .n_commands = 1};
    words *w = context;
    option.preset = "0";
    return cli_main(&program, w->n, w->items);
}

static void test_bad_preset(void **state)
{
    (void)state;
    char *items[] = {(char *)(uintptr_t) "prog", (char *)(uintptr_t) "run"};
    outcome r = run_child(run_bad_preset, &(words){2, items});
    assert_int_equal(r.code, CLI_EXIT_USAGE);
    assert_string_equal(r.err, "prog run: the default of --clients: 0 is below 1 (allowed: 1 to "
                               "1000)\n");
}

static int tell_given(void *settings, const cli_command *command)
{
    (void)settings;
    (void)command;
    printf("%d %d\n", cli_given("clients"), cli_given("unheard-of"));
    return CLI_EXIT_OK;
}

static int run_required(void *context)
{
    cli_option options[] = {fixture_options[0], fixture_options[1]};
    cli_command command = {.name = "run",
                           .summary = "Run.",
                           .options = options,
                           .n_options = 2,
                           .settings_size = sizeof(fixture_settings),
                           .run = tell_given};
    cli_program program = {.name = "prog", .summary = "", .commands = &command, .n_commands = 1};
    words *w = context;
    options[1].required = true;
    return cli_main(&program, w->n, w->items);
}

static outcome run_required_words(const char *first, const char *second)
{
    char *items[] = {(char *)(uintptr_t) "prog", (char *)(uintptr_t) "run",
                     (char *)(uintptr_t)first, (char *)(uintptr_t)second};
    return run_child(run_required, &(words){second != NULL ? 4 : first != NULL ? 3 : 2, items});
}

static void test_required_and_given(void **state)
{
    (void)state;
    outcome r = run_required_words(NULL, NULL);
    assert_int_equal(r.code, CLI_EXIT_USAGE);
    assert_string_equal(r.err, "prog run: --lambda X is missing: Weight of the L2 term ‖x‖²\n");
    assert_int_equal(run_required_words("--clients=3", NULL).code, CLI_EXIT_USAGE);
    ct_assert_contains(run_required_words("--help", NULL).out, "Required.");
    assert_string_equal(run_required_words("--lambda=1", NULL).out, "0 0\n");
    assert_string_equal(run_required_words("--lambda=1", "--clients=142").out, "1 0\n");
}

static int exit_of(void *context)
{
    ct_diag diag = {"data.txt:3: bad\nline"};
    cli__current = (cli__context){.program = &fixture_program, .command = &fixture_commands[0]};
    return cli_fail(*(const ct_status *)context, &diag);
}

static int exit_without_diag(void *context)
{
    cli__current = (cli__context){.program = &fixture_program, .command = NULL};
    return cli_fail(*(const ct_status *)context, NULL);
}

static void test_exit_codes(void **state)
{
    (void)state;
    ct_status bad_input[] = {CT_EINVALID,    CT_EPARSE, CT_ENOTFOUND, CT_ERANGE,  CT_EADDRESS,
                             BT_EEXPRESSION, BT_ESHAPE, FEDNL_EMODEL, PERMK_EKEY, PERMK_EMISMATCH};
    ct_status failed[] = {CT_ENOMEM, CT_EIO, CT_ETIMEOUT, CT_EREFUSED, FEDNL_EFACTOR, PERMK_EAUTH};
    for (size_t i = 0; i < sizeof bad_input / sizeof *bad_input; i++) {
        outcome r = run_child(exit_of, &bad_input[i]);
        assert_int_equal(r.code, CLI_EXIT_USAGE);
        assert_string_equal(r.err, "prog train: data.txt:3: bad line\n");
    }
    for (size_t i = 0; i < sizeof failed / sizeof *failed; i++)
        assert_int_equal(run_child(exit_of, &failed[i]).code, CLI_EXIT_FAILED);
    outcome r = run_child(exit_without_diag, &failed[0]);
    assert_string_equal(r.err, "prog: out of memory\n");
}

static void test_echo(void **state)
{
    (void)state;
    outcome r = run_line("echo --clients 3 --seed 18446744073709551615 --no-intercept e a=1 b=2");
    const char *settings = strstr(r.out, "\"settings\"");
    assert_non_null(settings);
    assert_string_equal(settings,
                        "\"settings\":{\"clients\":3,\"lambda\":0.001,"
                        "\"alpha\":null,\"step\":null,\"compressor\":\"topk\",\"bare_count\":0,"
                        "\"seed\":\"18446744073709551615\",\"intercept\":false,\"json\":false,"
                        "\"note\":null,\"html\":null,\"expr\":\"e\","
                        "\"name=value\":\"a=1 b=2\"}}\n");
    assert_int_equal(r.code, CLI_EXIT_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_long_words_are_cut),
        cmocka_unit_test(test_no_arguments),
        cmocka_unit_test(test_bad_preset),
        cmocka_unit_test(test_required_and_given),
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_echo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
