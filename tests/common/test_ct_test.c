// SPDX-License-Identifier: MIT
/* The helpers of the tests themselves: they pass and fail where they should, and say why. What
 * fails runs in a child process, whose words are read. */
#include "ct_test.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- tests that fail, in a child ---- */

// Run one test in a child; returns how it exits, and what it printed in words.
static int run_child(CMUnitTestFunction test, char *words, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        const struct CMUnitTest tests[] = {{"child", test, NULL, NULL, NULL}};
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        fflush(NULL);
        _exit(failed);
    }
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got; (got = read(ends[0], words + n, size - 1 - n)) > 0;)
        n += (size_t)got;
    words[n] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void assert_fails(CMUnitTestFunction test, const char *reason)
{
    static char words[1 << 16];
    assert_int_equal(run_child(test, words, sizeof words), 1);
    ct_assert_contains(words, reason);
}

static void near_but_not_enough(void **state)
{
    (void)state;
    ct_assert_near(1 + 0x1p-51, 1, 1e-16, 0);
}

static void nan_is_not_a_number(void **state)
{
    (void)state;
    ct_assert_near(NAN, 1, 1e300, 1e300);
}

static void infinities_differ(void **state)
{
    (void)state;
    ct_assert_near(INFINITY, -INFINITY, 1, INFINITY);
}

static void third_element_differs(void **state)
{
    (void)state;
    ct_assert_array_near(((double[]){1, 2, 3.5}), ((double[]){1, 2, 3}), 3, 0.1, 0);
}

static void wrong_status(void **state)
{
    (void)state;
    ct_diag diag = {"w8a.txt:118: reason"};
    ct_assert_ok(CT_EPARSE, &diag);
}

static void does_not_contain(void **state)
{
    (void)state;
    ct_assert_contains("haystack", "needle");
}

static void test_assertions_fail_and_say_why(void **state)
{
    (void)state;
    assert_fails(near_but_not_enough,
                 "1.0000000000000004 is not near 1: they differ by 4.44e-16, 2 ulps");
    assert_fails(nan_is_not_a_number, "nan is not near 1");
    assert_fails(infinities_differ, "inf is not near -inf");
    assert_fails(third_element_differs, "element 2: 3.5 is not near 3");
    assert_fails(wrong_status, "CT_EPARSE (malformed input) instead of CT_OK: w8a.txt:118: reason");
    assert_fails(does_not_contain, "\"haystack\" does not contain \"needle\"");
}

static void test_assertions_pass(void **state)
{
    (void)state;
    ct_assert_near(1.1, 1, 0, 0.1000001);
    ct_assert_near(110, 100, 0.1, 0);
    ct_assert_near(-110, -100, 0.1, 0);
    ct_assert_near(NAN, NAN, 0, 0);
    ct_assert_near(-INFINITY, -INFINITY, 0, 0);
    ct_assert_near(0, -0.0, 0, 0);
    ct_assert_array_near(((double[]){1, 2}), ((double[]){1, 2}), 2, 0, 0);
    ct_assert_status(CT_EIO, CT_EIO, NULL);
    ct_assert_contains("haystack", "stack");
}

/* ---- allocations ---- */

#ifndef CT_TEST_SANITIZED

// Compilers drop an allocation whose block is not used; not one they do not recognise.
static void *(*volatile new_block)(size_t) = malloc;
static void *(*volatile new_zeros)(size_t, size_t) = calloc;
static void *(*volatile new_aligned)(size_t, size_t) = aligned_alloc;

static void test_the_kth_allocation_fails(void **state)
{
    (void)state;
    ct_test_fail_allocation(3);
    void *p = new_block(10), *q = new_zeros(10, 10);
    errno = 0;
    void *r = new_block(20000);
    int error = errno;
    void *s = new_block(10);
    bool used_up = ct_test_fail_allocation(0);
    assert_true(used_up);
    assert_non_null(p);
    assert_non_null(q);
    assert_null(r);
    assert_int_equal(error, ENOMEM);
    assert_non_null(s);
    free(p);
    free(q);
    free(s);
    ct_test_fail_allocation(5);
    p = new_block(1);
    assert_false(ct_test_fail_allocation(1));
    q = NULL;
    assert_int_equal(posix_memalign(&q, 64, 64), ENOMEM);
    ct_test_fail_allocation(1);
    assert_null(new_aligned(64, 64));
    assert_true(ct_test_fail_allocation(0));
    free(p);
}

static void test_live_allocations_are_counted(void **state)
{
    (void)state;
    long before = ct_test_live_allocations();
    void *p = new_block(10), *q = NULL;
    assert_int_equal(posix_memalign(&q, 64, 100), 0);
    assert_int_equal((uintptr_t)q % 64, 0);
    p = realloc(p, 100000);
    char *text = strdup("libc's own");
    assert_non_null(text);
    assert_int_equal(ct_test_live_allocations() - before, 3);
    free(p);
    free(q);
    free(text);
    free(NULL);
    assert_int_equal(ct_test_live_allocations(), before);
}

static ct_status attempt_that_leaks(void *context)
{
    (void)context;
    void *p = new_block(10);
    void *q = p == NULL ? NULL : new_block(10);
    if (q == NULL)
        return CT_ENOMEM; // p leaks
    free(q);
    free(p);
    return CT_OK;
}

static ct_status attempt_that_goes_on(void *context)
{
    (void)context;
    free(new_block(10));
    return CT_OK;
}

static void leaks(void **state)
{
    (void)state;
    ct_assert_survives_allocation_failures(attempt_that_leaks, NULL);
}

static void goes_on(void **state)
{
    (void)state;
    ct_assert_survives_allocation_failures(attempt_that_goes_on, NULL);
}

static void test_allocation_failures_are_judged(void **state)
{
    (void)state;
    assert_fails(leaks, "allocation 2 fails: 1 blocks leak");
    assert_fails(goes_on, "allocation 1 fails: CT_OK");
}

#endif

/* ---- files and data sets ---- */

static void test_scratch_files(void **state)
{
    (void)state;
    char *a = ct_test_file("a", "text");
    char *b = ct_test_path("b");
    assert_int_equal(access(a, R_OK), 0);
    assert_int_equal(access(b, R_OK), -1);
    assert_memory_equal(a, b, strlen(a) - 1);
    free(a);
    free(b);
}

static void test_data_is_unpacked_once_and_whole(void **state)
{
    (void)state;
    char *packed = ct_test_path("invented.xz");
    char *folder = ct_test_path(".");
    char *before = getenv("CTRAIN_DATA") == NULL ? NULL : strdup(getenv("CTRAIN_DATA"));
    char command[3000];
    int here = open(".", O_RDONLY | O_DIRECTORY);
    snprintf(command, sizeof command, "seq 200000 | xz -0 > '%s'", packed);
    if (system(command) != 0)
        skip(); // no xz
    assert_int_equal(setenv("CTRAIN_DATA", folder, 1), 0);
    assert_int_equal(chdir(folder), 0);
    fflush(NULL);
    for (int i = 0; i < 4; i++) // all at once
        if (fork() == 0) {
            struct stat info;
            const char *path = ct_test_data("invented");
            _exit(path == NULL || stat(path, &info) != 0 || info.st_size != 1288895);
        }
    for (int i = 0, status; i < 4; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_string_equal(ct_test_data("invented"), "unpacked/invented");
    assert_null(ct_test_data("missing"));
    assert_int_equal(unsetenv("CTRAIN_DATA"), 0);
    assert_null(ct_test_data("invented"));
    assert_int_equal(fchdir(here), 0);
    if (before != NULL)
        assert_int_equal(setenv("CTRAIN_DATA", before, 1), 0);
    close(here);
    free(before);
    free(folder);
    free(packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assertions_fail_and_say_why),
        cmocka_unit_test(test_assertions_pass),
#ifndef CT_TEST_SANITIZED
        cmocka_unit_test(test_the_kth_allocation_fails),
        cmocka_unit_test(test_live_allocations_are_counted),
        cmocka_unit_test(test_allocation_failures_are_judged),
#endif
        cmocka_unit_test(test_scratch_files),
        cmocka_unit_test(test_data_is_unpacked_once_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
