// SPDX-License-Identifier: MIT
/* The command line and the system around it: signals, the progress line on a pseudo-terminal and
 * without one, output that cannot be written. */
#define _XOPEN_SOURCE 700 // posix_openpt
#include "cli_fixture.h"

#include <ctrain/timer.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>

static void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* ---- Signals ---- */

/* Say that the flag is watched, then wait for it; patient: and then for long. */
static int wait_for_stop(void *context)
{
    bool patient = *(bool *)context;
    const ct_stop_flag *stop = cli_stop_flag();
    printf("ready\n");
    fflush(stdout);
    while (!atomic_load(stop))
        sleep_ms(1);
    printf("stopping\n");
    fflush(stdout);
    for (int i = 0; i < 4000 && patient; i++)
        sleep_ms(5);
    printf("written\n");
    return cli_exit_code(CLI_EXIT_NO_TOLERANCE);
}

typedef struct signalled {
    int code;
    char out[200];
} signalled;

/* Read on until part has come, or to the end when part is NULL. */
static void read_until(int fd, char *text, size_t size, const char *part)
{
    size_t used = strlen(text);
    ssize_t got = 1;
    while (got > 0 && (part == NULL || strstr(text, part) == NULL)) {
        got = read(fd, text + used, size - 1 - used);
        used += got > 0 ? (size_t)got : 0;
        text[used] = '\0';
    }
}

/* Run wait_for_stop in a child; send it a signal when it is ready, and another, unless 0, when it
 * has seen the first. */
static signalled run_signalled(int first, int second)
{
    signalled result = {0};
    int pipes[2];
    bool patient = second != 0;
    assert_int_equal(pipe(pipes), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        close(pipes[0]);
        signal(SIGINT, SIG_IGN); // as for a background job of a script
        int code = wait_for_stop(&patient);
        fflush(stdout);
        _exit(code);
    }
    close(pipes[1]);
    read_until(pipes[0], result.out, sizeof result.out, "ready");
    assert_int_equal(kill(child, first), 0);
    read_until(pipes[0], result.out, sizeof result.out, "stopping");
    if (second != 0)
        assert_int_equal(kill(child, second), 0);
    read_until(pipes[0], result.out, sizeof result.out, NULL);
    close(pipes[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return result;
}

static void test_first_signal_stops(void **state)
{
    (void)state;
    signalled r = run_signalled(SIGINT, 0);
    assert_int_equal(r.code, 130);
    assert_string_equal(r.out, "ready\nstopping\nwritten\n");
    r = run_signalled(SIGTERM, 0);
    assert_int_equal(r.code, 143);
    assert_string_equal(r.out, "ready\nstopping\nwritten\n");
}

static void test_second_signal_ends(void **state)
{
    (void)state;
    signalled r = run_signalled(SIGINT, SIGINT);
    assert_int_equal(r.code, -SIGINT);
    assert_string_equal(r.out, "ready\nstopping\n");
    r = run_signalled(SIGINT, SIGTERM);
    assert_int_equal(r.code, -SIGTERM);
}

static void test_exit_code_without_signal(void **state)
{
    (void)state;
    assert_int_equal(cli_exit_code(CLI_EXIT_NO_TOLERANCE), CLI_EXIT_NO_TOLERANCE);
    assert_int_equal(cli_exit_code(CLI_EXIT_OK), CLI_EXIT_OK);
}

/* ---- Progress ---- */

typedef struct drawing {
    bool quiet, fail;
    double seconds;
} drawing;

static int draw(void *context)
{
    const drawing *d = context;
    double end = ct_time_s() + d->seconds;
    cli_progress_begin(d->quiet);
    do {
        cli_progress("round %d\tof many, ‖∇f‖ = %.3e, and so on to the end", 17, 1.5);
        sleep_ms(2);
    } while (ct_time_s() < end);
    if (d->fail) {
        cli__current = (cli__context){.program = &fixture_program, .command = NULL};
        return cli_usage("sorry");
    }
    cli_progress_end();
    return 0;
}

/* Run draw with stderr on a terminal of so many columns; what it wrote goes to text. */
static void draw_on_terminal(drawing *d, unsigned short columns, const char *term, char *text,
                             size_t size)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    struct winsize window = {.ws_row = 24, .ws_col = columns};
    assert_int_equal(ioctl(slave, TIOCSWINSZ, &window), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("TERM", term, 1);
        dup2(slave, STDERR_FILENO);
        close(slave);
        draw(d);
        fflush(NULL);
        _exit(0);
    }
    close(slave);
    size_t used = 0;
    ssize_t got;
    while ((got = read(master, text + used, size - 1 - used)) > 0) // EIO when the child is gone
        used += (size_t)got;
    text[used] = '\0';
    close(master);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        n++;
    return n;
}

static void test_progress_on_a_terminal(void **state)
{
    (void)state;
    char text[4000];
    drawing d = {.seconds = 0.6};
    draw_on_terminal(&d, 32, "xterm", text, sizeof text);
    size_t drawn = count(text, "\rround");
    assert_in_range(drawn, 1, 4); // 0, 1/6, 2/6, 3/6 s
    /* 31 columns, then cleared to the end of the line */
    assert_int_equal(count(text, "\rround 17 of many, ‖∇f‖ = 1.500e\033[K"), drawn);
    assert_int_equal(count(text, "\r"), drawn + 1);
    assert_string_equal(text + strlen(text) - 4, "\r\033[K");
}

static void test_progress_gives_way_to_an_error(void **state)
{
    (void)state;
    char text[4000];
    drawing d = {.fail = true};
    draw_on_terminal(&d, 100, "xterm", text, sizeof text);
    assert_int_equal(count(text, "\r\033[Kprog: sorry\r\n"), 1);
}

static void test_no_progress(void **state)
{
    (void)state;
    char text[4000];
    drawing d = {.quiet = true};
    draw_on_terminal(&d, 80, "xterm", text, sizeof text);
    assert_string_equal(text, "");
    d.quiet = false;
    draw_on_terminal(&d, 80, "dumb", text, sizeof text);
    assert_string_equal(text, "");
    assert_string_equal(run_child(draw, &d).err, "");
}

/* ---- Output that is lost ---- */

static int train_to_full(void *context)
{
    words *w = context;
    int full = open("/dev/full", O_WRONLY);
    if (full < 0)
        return 77;
    dup2(full, STDOUT_FILENO);
    return cli_main(&fixture_program, w->n, w->items);
}

static void test_full_disk(void **state)
{
    (void)state;
    char *train[] = {(char *)(uintptr_t) "prog", (char *)(uintptr_t) "train",
                     (char *)(uintptr_t) "f"};
    char *grad[] = {(char *)(uintptr_t) "prog", (char *)(uintptr_t) "grad",
                    (char *)(uintptr_t) "x"};
    outcome r = run_child(train_to_full, &(words){3, train});
    if (r.code == 77) {
        print_message("no /dev/full here\n");
        skip();
    }
    assert_int_equal(r.code, CLI_EXIT_FAILED);
    assert_string_equal(r.err, "prog train: standard output: No space left on device\n");
    assert_int_equal(run_child(train_to_full, &(words){3, grad}).code, CLI_EXIT_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_signal_stops),
        cmocka_unit_test(test_second_signal_ends),
        cmocka_unit_test(test_exit_code_without_signal),
        cmocka_unit_test(test_progress_on_a_terminal),
        cmocka_unit_test(test_progress_gives_way_to_an_error),
        cmocka_unit_test(test_no_progress),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
