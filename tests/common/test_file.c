// SPDX-License-Identifier: MIT
/* Files: what is read, and that a writer leaves either the old file or the new one, whatever
 * fails. The calls that may fail are defined here, in front of libc's, so that they do so on
 * demand. */
#define _GNU_SOURCE // asprintf
#include "ct_test.h"

#include <ctrain/file.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- system calls that fail on demand ---- */

static struct {
    int write_error;  // errno of the next write, 0: none
    size_t write_max; // short writes of at most that many bytes, 0: whole ones
    int fsync_error;
    int rename_error;
    uint64_t random;  // what getrandom returns first, 0: what is random
    int access_error; // of access(), which looks for /proc
    int n_fsync;      // how often it was called
} system_calls;

ssize_t write(int fd, const void *data, size_t size)
{
    if (system_calls.write_error != 0) {
        errno = system_calls.write_error;
        system_calls.write_error = 0;
        return -1;
    }
    if (system_calls.write_max > 0 && size > system_calls.write_max)
        size = system_calls.write_max;
    return syscall(SYS_write, fd, data, size);
}

int fsync(int fd)
{
    system_calls.n_fsync++;
    errno = system_calls.fsync_error;
    return errno != 0 ? -1 : (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
    errno = system_calls.rename_error;
    return errno != 0 ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int access(const char *path, int mode)
{
    if (system_calls.access_error == 0)
        return faccessat(AT_FDCWD, path, mode, 0);
    errno = system_calls.access_error;
    return -1;
}

ssize_t getrandom(void *out, size_t size, unsigned flags)
{
    if (system_calls.random == 0 || size != sizeof system_calls.random)
        return syscall(SYS_getrandom, out, size, flags);
    memcpy(out, &system_calls.random, size);
    system_calls.random = 0;
    return (ssize_t)size;
}

static int reset(void **state)
{
    (void)state;
    memset(&system_calls, 0, sizeof system_calls);
    return 0;
}

/* ---- helpers ---- */

static void assert_file_is_bytes(const char *path, const void *data, size_t size)
{
    ct_diag diag = {0};
    ct_file_view view;
    ct_assert_ok(ct_file_view_open(&view, path, &diag), &diag);
    assert_non_null(view.data);
    assert_int_equal(view.size_bytes, size);
    assert_memory_equal(view.data, data, size);
    ct_file_view_close(&view);
    ct_file_view_close(&view); // twice does no harm
}

static void assert_file_is(const char *path, const char *text)
{
    assert_file_is_bytes(path, text, strlen(text));
}

static ct_file_writer *open_writer(const char *path)
{
    ct_diag diag = {0};
    ct_file_writer *w;
    ct_assert_ok(ct_file_writer_open(&w, path, &diag), &diag);
    return w;
}

static void commit(ct_file_writer *w)
{
    ct_diag diag = {0};
    ct_assert_ok(ct_file_writer_commit(w, &diag), &diag);
}

static void write_file(const char *path, const char *text)
{
    ct_file_writer *w = open_writer(path);
    ct_file_writer_write(w, text, strlen(text));
    commit(w);
}

static void assert_commit_fails(ct_file_writer *w, const char *path, const char *reason)
{
    char expected[4096];
    ct_diag diag = {0};
    ct_assert_status(ct_file_writer_commit(w, &diag), CT_EIO, &diag);
    snprintf(expected, sizeof expected, "%s: %s", path, reason);
    assert_string_equal(diag.text, expected);
}

static void assert_open_fails(const char *path, ct_status status, const char *reason)
{
    ct_diag diag = {0};
    ct_file_writer *w;
    ct_assert_status(ct_file_writer_open(&w, path, &diag), status, &diag);
    assert_null(w);
    ct_assert_contains(diag.text, path);
    ct_assert_contains(diag.text, reason);
}

// A folder of its own for a test that counts what lies in it. Caller frees.
static char *new_folder(const char *name)
{
    char *path = ct_test_path(name);
    assert_int_equal(mkdir(path, 0755), 0);
    return path;
}

static char *in_folder(const char *folder, const char *name)
{
    char *path;
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    return path;
}

static int entries(const char *folder)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int n = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(dir);
    return n;
}

static unsigned mode_of(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_mode & 0777;
}

static unsigned char *pattern(size_t size)
{
    unsigned char *data = malloc(size);
    assert_non_null(data);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(i * 2654435761u >> 13);
    return data;
}

/* ---- reading ---- */

static void test_read_regular_files(void **state)
{
    (void)state;
    size_t size = (1 << 20) + 17;
    unsigned char *data = pattern(size);
    char *path = ct_test_file_bytes("regular", data, size);
    assert_file_is_bytes(path, data, size);
    ct_diag diag;
    ct_file_view view;
    ct_assert_ok(ct_file_view_open(&view, path, &diag), &diag);
    assert_true(view.mapped);
    ct_file_view_close(&view);
    free(path);
    path = ct_test_file("empty", "");
    assert_file_is(path, "");
    assert_file_is("/dev/null", "");
    free(path);
    free(data);
}

static void test_read_what_claims_to_be_empty(void **state)
{
    (void)state;
    ct_diag diag;
    ct_file_view view;
    ct_assert_ok(ct_file_view_open(&view, "/proc/self/status", &diag), &diag);
    assert_true(view.size_bytes > 100);
    assert_memory_equal(view.data, "Name:", 5);
    ct_file_view_close(&view);
}

typedef struct feed {
    const char *path;
    const unsigned char *data;
    size_t size;
} feed;

static void *feed_pipe(void *context)
{
    const feed *f = context;
    int fd = open(f->path, O_WRONLY);
    for (size_t at = 0; fd >= 0 && at < f->size;) {
        size_t step = f->size - at < 7001 ? f->size - at : 7001;
        ssize_t n = write(fd, f->data + at, step);
        if (n < 0)
            break;
        at += (size_t)n;
    }
    close(fd);
    return NULL;
}

static void test_read_pipe(void **state)
{
    (void)state;
    size_t size = 300000; // more than the first block holds, several times over
    unsigned char *data = pattern(size);
    char *path = ct_test_path("pipe");
    pthread_t thread;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(pthread_create(&thread, NULL, feed_pipe, &(feed){path, data, size}), 0);
    assert_file_is_bytes(path, data, size);
    pthread_join(thread, NULL);
    free(path);
    free(data);
}

static void test_read_failures(void **state)
{
    (void)state;
    ct_diag diag;
    ct_file_view view;
    char *folder = new_folder("unreadable");
    ct_assert_status(ct_file_view_open(&view, folder, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, folder);
    ct_assert_contains(diag.text, ": Is a directory");
    char *missing = in_folder(folder, "missing");
    ct_assert_status(ct_file_view_open(&view, missing, &diag), CT_ENOTFOUND, &diag);
    ct_assert_contains(diag.text, missing);
    ct_assert_contains(diag.text, ": No such file or directory");
    assert_null(view.data);
    ct_file_view_close(&view);
    ct_assert_status(ct_file_view_open(&view, "", NULL), CT_ENOTFOUND, NULL);
    free(missing);
    free(folder);
}

/* ---- writing ---- */

static void test_commit_replaces_at_once(void **state)
{
    (void)state;
    char *folder = new_folder("replace");
    char *path = in_folder(folder, "file");
    write_file(path, "old");
    ct_file_writer *w = open_writer(path);
    ct_file_writer_write(w, "ab", 2);
    ct_file_writer_printf(w, "%d\n", 12);
    assert_file_is(path, "old");
    assert_in_range(entries(folder), 1, 2); // the new one may have no name yet
    system_calls.n_fsync = 0;
    commit(w);
    assert_file_is(path, "ab12\n");
    assert_int_equal(entries(folder), 1);
    assert_int_equal(system_calls.n_fsync, 2); // the file and its folder
    free(path);
    free(folder);
}

static void test_pieces_of_any_size_and_short_writes(void **state)
{
    (void)state;
    size_t size = 1000003;
    unsigned char *data = pattern(size);
    char *path = ct_test_path("pieces");
    for (size_t max = 0; max <= 5000; max += 4999) {
        ct_file_writer *w = open_writer(path);
        system_calls.write_max = max;
        for (size_t at = 0, step = 0; at < size; at += step) {
            step = (step * 5 + 1) % 200003;
            step = step > size - at ? size - at : step;
            ct_file_writer_write(w, data + at, step);
            if (at % 3 == 0)
                system_calls.write_error = EINTR;
        }
        commit(w);
        system_calls.write_max = 0;
        assert_file_is_bytes(path, data, size);
    }
    free(path);
    free(data);
}

static void test_printf_of_any_length(void **state)
{
    (void)state;
    static const int lengths[] = {0, 1, 1022, 1023, 1024, 1025, 65535, 65536, 65537, 200000};
    char *path = ct_test_path("printf");
    ct_file_writer *w = open_writer(path);
    size_t total = 0;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        ct_file_writer_printf(w, "%*s", lengths[i], lengths[i] > 0 ? "x" : "");
        total += (size_t)lengths[i];
    }
    commit(w);
    char *expected = malloc(total);
    assert_non_null(expected);
    memset(expected, ' ', total);
    size_t at = 0;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        at += (size_t)lengths[i];
        if (lengths[i] > 0)
            expected[at - 1] = 'x';
    }
    assert_file_is_bytes(path, expected, total);
    free(expected);
    free(path);
}

static void test_abort_leaves_all_as_it_was(void **state)
{
    (void)state;
    char *folder = new_folder("abort");
    char *path = in_folder(folder, "file");
    ct_file_writer *w = open_writer(path);
    ct_file_writer_write(w, "new", 3);
    ct_file_writer_abort(w);
    assert_int_equal(entries(folder), 0);
    write_file(path, "old");
    w = open_writer(path);
    ct_file_writer_printf(w, "%0100000d", 1);
    ct_file_writer_abort(w);
    assert_file_is(path, "old");
    assert_int_equal(entries(folder), 1);
    ct_file_writer_abort(NULL);
    free(path);
    free(folder);
}

static void test_killed_process_leaves_old_file(void **state)
{
    (void)state;
    char *path = ct_test_file("killed", "old");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        ct_file_writer *w;
        if (ct_file_writer_open(&w, path, NULL) == CT_OK)
            ct_file_writer_printf(w, "%0100000d", 1);
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_file_is(path, "old");
    free(path);
}

static void test_failures_leave_old_file(void **state)
{
    (void)state;
    char *folder = new_folder("failures");
    char *path = in_folder(folder, "file");
    write_file(path, "old");
    ct_file_writer *w = open_writer(path);
    ct_file_writer_write(w, "new", 3);
    system_calls.write_error = ENOSPC;
    assert_commit_fails(w, path, "No space left on device");

    w = open_writer(path); // the first error counts, and what comes later is not written
    system_calls.write_error = ENOSPC;
    ct_file_writer_printf(w, "%0100000d", 1);
    ct_file_writer_write(w, "new", 3);
    ct_file_writer_printf(w, "%0100000d", 1);
    assert_commit_fails(w, path, "No space left on device");

    w = open_writer(path);
    system_calls.fsync_error = EIO;
    assert_commit_fails(w, path, "Input/output error");
    system_calls.fsync_error = 0;

    w = open_writer(path);
    system_calls.rename_error = EBUSY;
    assert_commit_fails(w, path, "Device or resource busy");
    assert_file_is(path, "old");
    assert_int_equal(entries(folder), 1);
    free(path);
    free(folder);
}

static void test_size_limit(void **state)
{
    (void)state;
    struct rlimit before, small = {.rlim_cur = 100000, .rlim_max = RLIM_INFINITY};
    char *path = ct_test_file("limit", "old");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    ct_file_writer *w = open_writer(path);
    for (int i = 0; i < 300; i++)
        ct_file_writer_printf(w, "%01000d", i);
    assert_commit_fails(w, path, "File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_file_is(path, "old");
    free(path);
}

static void test_modes(void **state)
{
    (void)state;
    char *path = ct_test_path("mode");
    mode_t before = umask(027);
    write_file(path, "new");
    assert_int_equal(mode_of(path), 0640);
    assert_int_equal(chmod(path, 0606), 0);
    write_file(path, "replaced");
    assert_int_equal(mode_of(path), 0606);
    ct_file_writer *w = open_writer(path);
    ct_file_writer_set_private(w);
    commit(w);
    assert_int_equal(mode_of(path), 0600);
    umask(before);
    free(path);
}

static void test_symbolic_links(void **state)
{
    (void)state;
    char *folder = new_folder("links");
    char *inner = in_folder(folder, "inner");
    char *target = in_folder(inner, "target");
    char *near_link = in_folder(inner, "near");
    char *far_link = in_folder(folder, "far");
    char *loop = in_folder(folder, "loop");
    struct stat info;
    assert_int_equal(mkdir(inner, 0755), 0);
    assert_int_equal(symlink("target", near_link), 0);
    assert_int_equal(symlink("inner/near", far_link), 0);
    write_file(far_link, "made through a link"); // the target is still to be made
    write_file(far_link, "made again");
    assert_file_is(target, "made again");
    assert_int_equal(lstat(far_link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(lstat(near_link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(lstat(target, &info), 0);
    assert_true(S_ISREG(info.st_mode));
    assert_int_equal(entries(folder), 2);
    assert_int_equal(entries(inner), 2);
    assert_int_equal(unlink(near_link), 0);
    assert_int_equal(symlink(target, near_link), 0); // absolute
    write_file(far_link, "made a third time");
    assert_file_is(target, "made a third time");
    assert_int_equal(symlink("loop", loop), 0);
    assert_open_fails(loop, CT_EINVALID, "Too many levels of symbolic links");
    free(loop);
    free(far_link);
    free(near_link);
    free(target);
    free(inner);
    free(folder);
}

static void test_open_failures(void **state)
{
    (void)state;
    char *folder = new_folder("open");
    char *missing = in_folder(folder, "missing/file");
    char *path = in_folder(folder, "file");
    assert_open_fails(folder, CT_EINVALID, ": Is a directory");
    assert_open_fails(missing, CT_ENOTFOUND, ": No such file or directory");
    assert_open_fails("", CT_ENOTFOUND, ": No such file or directory");
    missing[strlen(missing) - strlen("file")] = '\0'; // "…/missing/"
    assert_open_fails(missing, CT_ENOTFOUND, ": No such file or directory");
    free(missing);
    free(path);
    free(folder);
}

// Root may write anywhere: be someone else for a moment.
static bool become_ordinary(void)
{
    if (geteuid() != 0)
        return false;
    char *parent = ct_test_path(".");
    assert_int_equal(chmod(parent, 0755), 0);
    free(parent);
    assert_int_equal(seteuid(65534), 0);
    return true;
}

static void test_permissions(void **state)
{
    (void)state;
    char *folder = new_folder("permissions");
    char *path = in_folder(folder, "file");
    char *another = in_folder(folder, "another");
    write_file(path, "old");
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(chmod(folder, 0777), 0);
    bool was_root = become_ordinary();
    assert_open_fails(path, CT_EINVALID,
                      ": Permission denied"); // although the folder would allow it
    if (was_root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(folder, 0555), 0);
    assert_int_equal(chmod(path, 0666), 0);
    was_root = become_ordinary();
    assert_open_fails(path, CT_EINVALID, ": Permission denied");
    assert_open_fails(another, CT_EINVALID, ": Permission denied");
    if (was_root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_file_is(path, "old");
    assert_int_equal(entries(folder), 1);
    free(another);
    free(path);
    free(folder);
}

// Whoever guesses the name of the temporary file and puts a link there gains nothing.
static void test_planted_temporary_is_not_followed(void **state)
{
    (void)state;
    char *folder = new_folder("planted");
    char *path = in_folder(folder, "file");
    char *planted = in_folder(folder, ".ctrain-0123456789abcdef.tmp");
    char *victim = ct_test_file("victim", "precious");
    assert_int_equal(symlink(victim, planted), 0);
    system_calls.random = 0x0123456789abcdef;
    write_file(path, "new");
    assert_int_equal(system_calls.random, 0);
    assert_file_is(path, "new");
    assert_file_is(victim, "precious");
    assert_int_equal(entries(folder), 2);
    free(victim);
    free(planted);
    free(path);
    free(folder);
}

// A process that is killed while it writes leaves nothing behind.
static void test_nothing_is_seen_before_commit(void **state)
{
    (void)state;
    char *folder = new_folder("nameless");
    int fd = open(folder, O_WRONLY | O_TMPFILE, 0600);
    if (fd < 0) {
        print_message("this file system has no nameless files\n");
        free(folder);
        skip();
    }
    close(fd);
    char *path = in_folder(folder, "file");
    ct_file_writer *w = open_writer(path);
    ct_file_writer_write(w, "abc", 3);
    assert_int_equal(entries(folder), 0);
    ct_diag diag = {""};
    ct_assert_status(ct_file_writer_commit(w, &diag), CT_OK, &diag);
    assert_int_equal(entries(folder), 1);
    assert_file_is(path, "abc");
    free(path);
    free(folder);
}

// Without /proc the temporary file has a name from the beginning.
static void test_named_temporary(void **state)
{
    (void)state;
    char *folder = new_folder("named");
    char *path = in_folder(folder, "file");
    system_calls.access_error = ENOENT;
    ct_file_writer *w = open_writer(path);
    assert_int_equal(entries(folder), 1);
    ct_file_writer_abort(w);
    assert_int_equal(entries(folder), 0);
    write_file(path, "abc");
    assert_int_equal(entries(folder), 1);
    assert_file_is(path, "abc");
    free(path);
    free(folder);
}

static void test_devices_are_written_in_place(void **state)
{
    (void)state;
    struct stat info;
    write_file("/dev/null", "nothing");
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    ct_file_writer *w = open_writer("/dev/full");
    ct_file_writer_write(w, "x", 1);
    assert_commit_fails(w, "/dev/full", "No space left on device");
}

// As `program --output /dev/stdout` in a script whose own output goes on in the same file.
static void test_named_descriptors_go_on_where_they_stand(void **state)
{
    (void)state;
    char name[40];
    char *path = ct_test_file("descriptor", "");
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "before ", 7), 7);
    snprintf(name, sizeof name, "/dev/fd/%d", fd);
    write_file(name, "during ");
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    write_file(name, "this ");
    assert_int_equal(write(fd, "after", 5), 5);
    close(fd);
    assert_file_is(path, "before during this after");
    assert_open_fails(name, CT_EIO, ": Bad file descriptor");
    assert_open_fails("/dev/fd/12x", CT_ENOTFOUND, ": No such file or directory");
    free(path);
}

/* ---- allocations ---- */

static ct_status attempt_write(void *context)
{
    ct_file_writer *w;
    ct_status status = ct_file_writer_open(&w, context, NULL);
    if (status != CT_OK) {
        assert_null(w);
        return status;
    }
    ct_file_writer_printf(w, "%05000d", 1);
    return ct_file_writer_commit(w, NULL);
}

static void test_allocation_failures_of_writer(void **state)
{
    (void)state;
    char *folder = new_folder("allocations");
    char *path = in_folder(folder, "file");
    char *link = in_folder(folder, "link");
    assert_int_equal(symlink("file", link), 0);
    ct_assert_survives_allocation_failures(attempt_write, link);
    assert_int_equal(entries(folder), 2);
    free(link);
    free(path);
    free(folder);
}

// A pipe that is full to the brim: exactly the first block of the reader, which then grows.
static ct_status attempt_read(void *context)
{
    (void)context;
    int ends[2];
    char name[40], data[4096] = {0};
    ct_file_view view;
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < 16; i++)
        assert_int_equal(write(ends[1], data, sizeof data), sizeof data);
    close(ends[1]);
    snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    ct_status status = ct_file_view_open(&view, name, NULL);
    close(ends[0]);
    assert_true((status == CT_OK) == (view.data != NULL));
    assert_int_equal(view.size_bytes, status == CT_OK ? 65536 : 0);
    ct_file_view_close(&view);
    return status;
}

static void test_allocation_failures_of_view(void **state)
{
    (void)state;
    ct_assert_survives_allocation_failures(attempt_read, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_regular_files),
        cmocka_unit_test(test_read_what_claims_to_be_empty),
        cmocka_unit_test(test_read_pipe),
        cmocka_unit_test(test_read_failures),
        cmocka_unit_test(test_commit_replaces_at_once),
        cmocka_unit_test_teardown(test_pieces_of_any_size_and_short_writes, reset),
        cmocka_unit_test(test_printf_of_any_length),
        cmocka_unit_test(test_abort_leaves_all_as_it_was),
        cmocka_unit_test(test_killed_process_leaves_old_file),
        cmocka_unit_test_teardown(test_failures_leave_old_file, reset),
        cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_symbolic_links),
        cmocka_unit_test(test_open_failures),
        cmocka_unit_test(test_permissions),
        cmocka_unit_test_teardown(test_planted_temporary_is_not_followed, reset),
        cmocka_unit_test_teardown(test_nothing_is_seen_before_commit, reset),
        cmocka_unit_test_teardown(test_named_temporary, reset),
        cmocka_unit_test(test_devices_are_written_in_place),
        cmocka_unit_test(test_named_descriptors_go_on_where_they_stand),
        cmocka_unit_test(test_allocation_failures_of_writer),
        cmocka_unit_test(test_allocation_failures_of_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
