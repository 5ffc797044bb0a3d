// SPDX-License-Identifier: MIT
/* Assertions that say what differs, scratch files, and the real data sets. */
#define _XOPEN_SOURCE 700 // nftw
#include "ct_test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- comparisons ---- */

// Map a double to an integer so that neighbours differ by one, also across zero.
static int64_t ordered(double v)
{
    int64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits < 0 ? INT64_MIN - bits : bits;
}

static uint64_t ulps_between(double a, double b)
{
    int64_t x = ordered(a), y = ordered(b);
    return x > y ? (uint64_t)x - (uint64_t)y : (uint64_t)y - (uint64_t)x;
}

static bool near(double a, double b, double rtol, double atol)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    if (isinf(a) || isinf(b))
        return a == b;
    return fabs(a - b) <= atol + rtol * fabs(b);
}

void ct_assert_near_at(double a, double b, double rtol, double atol, long index, const char *file,
                       int line)
{
    if (near(a, b, rtol, atol))
        return;
    if (index >= 0)
        print_error("element %ld: ", index);
    print_error("%.17g is not near %.17g: they differ by %.3g, %llu ulps (rtol %g, atol %g)\n", a,
                b, a - b, (unsigned long long)ulps_between(a, b), rtol, atol);
    _fail(file, line);
}

void ct_assert_array_near_at(const double *a, const double *b, size_t n, double rtol, double atol,
                             const char *file, int line)
{
    for (size_t i = 0; i < n; i++)
        ct_assert_near_at(a[i], b[i], rtol, atol, (long)i, file, line);
}

void ct_assert_status_at(ct_status status, ct_status expected, const ct_diag *diag,
                         const char *file, int line)
{
    if (status == expected)
        return;
    print_error("%s (%s) instead of %s: %s\n", ct_status_name(status), ct_status_text(status),
                ct_status_name(expected), diag != NULL ? diag->text : "no diagnosis");
    _fail(file, line);
}

void ct_assert_contains_at(const char *text, const char *part, const char *file, int line)
{
    if (text != NULL && strstr(text, part) != NULL)
        return;
    print_error("\"%s\" does not contain \"%s\"\n", text != NULL ? text : "(null)", part);
    _fail(file, line);
}

/* ---- data sets ---- */

static bool unpack(const char *packed, const char *to)
{
    posix_spawn_file_actions_t actions;
    char *const argv[] = {(char *)"xz", (char *)"-dc", (char *)packed, NULL};
    pid_t child;
    int status = -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, to, O_WRONLY | O_CREAT | O_TRUNC,
                                     0644);
    bool done = posix_spawnp(&child, "xz", &actions, NULL, argv, environ) == 0 &&
                waitpid(child, &status, 0) == child && status == 0;
    posix_spawn_file_actions_destroy(&actions);
    return done;
}

const char *ct_test_data(const char *name)
{
    static char path[PATH_MAX];
    char packed[PATH_MAX];
    char temporary[PATH_MAX];
    const char *folder = getenv("CTRAIN_DATA");
    if (folder == NULL) {
        print_message("CTRAIN_DATA is not set: no data set %s\n", name);
        return NULL;
    }
    snprintf(packed, sizeof packed, "%s/%s.xz", folder, name);
    snprintf(path, sizeof path, "unpacked/%s", name);
    // Tests run in parallel: unpack under a name of our own, and rename.
    snprintf(temporary, sizeof temporary, "unpacked/.%s.%ld", name, (long)getpid());
    if (access(path, R_OK) == 0)
        return path;
    if (access(packed, R_OK) != 0) {
        print_message("%s: %s\n", packed, strerror(errno));
        return NULL;
    }
    if (mkdir("unpacked", 0755) != 0 && errno != EEXIST)
        fail_msg("unpacked: %s", strerror(errno));
    if (!unpack(packed, temporary) || rename(temporary, path) != 0)
        fail_msg("%s: cannot be unpacked with xz", packed);
    return path;
}

/* ---- scratch files ---- */

static char scratch[PATH_MAX];
static pid_t scratch_owner; // a forked child must not remove it

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info, (void)kind, (void)at;
    return remove(path);
}

static void remove_scratch(void)
{
    if (getpid() == scratch_owner)
        nftw(scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *scratch_folder(void)
{
    if (scratch[0] != '\0')
        return scratch;
    const char *parent = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%s/ctrain-test-XXXXXX", parent != NULL ? parent : "/tmp");
    if (mkdtemp(scratch) == NULL)
        fail_msg("%s: %s", scratch, strerror(errno));
    scratch_owner = getpid();
    atexit(remove_scratch);
    return scratch;
}

char *ct_test_path(const char *name)
{
    const char *folder = scratch_folder();
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    assert_non_null(path);
    snprintf(path, size, "%s/%s", folder, name);
    return path;
}

char *ct_test_file_bytes(const char *name, const void *data, size_t size)
{
    char *path = ct_test_path(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

char *ct_test_file(const char *name, const char *text)
{
    return ct_test_file_bytes(name, text, strlen(text));
}
