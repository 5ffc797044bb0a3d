// SPDX-License-Identifier: MIT
/* Whole files. Reading maps what can be mapped and reads the rest (pipes, devices, and files of
 * /proc, which claim to be empty). Writing goes to a temporary file beside the target, found
 * through symbolic links, so that the rename stays within one file system; what is not a regular
 * file, and descriptors under their names in /dev, are written in place. */
#define _GNU_SOURCE // O_TMPFILE
#include <ctrain/arena.h>
#include <ctrain/file.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

ct_status ct_file_fail(ct_diag *diag, const char *path, int error)
{
    ct_status status = CT_EIO;
    switch (error) {
    case ENOENT:
        status = CT_ENOTFOUND;
        break;
    case EACCES: // the wrong path was given
    case EISDIR:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
        status = CT_EINVALID;
        break;
    case ENOMEM:
        status = CT_ENOMEM;
        break;
    default:
        break;
    }
    return ct_fail(diag, status, "%s: %s", path, strerror(error));
}

/* ---- reading ---- */

// Read fd to its end into a block that doubles; returns 0 or an errno.
static int read_to_end(ct_file_view *view, int fd)
{
    size_t capacity = 1 << 16;
    size_t size = 0;
    char *data = malloc(capacity);
    while (data != NULL) {
        ssize_t n = read(fd, data + size, capacity - size);
        if (n == 0) {
            *view = (ct_file_view){.data = data, .size_bytes = size};
            return 0;
        }
        if (n < 0 && errno != EINTR) {
            int error = errno;
            free(data);
            return error;
        }
        size += n > 0 ? (size_t)n : 0;
        if (size < capacity)
            continue;
        char *larger = ct_mul_size(&capacity, capacity, 2) ? realloc(data, capacity) : NULL;
        if (larger == NULL)
            free(data);
        data = larger;
    }
    return ENOMEM;
}

static int view_descriptor(ct_file_view *view, int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return errno;
    if (S_ISDIR(info.st_mode))
        return EISDIR;
    if (S_ISREG(info.st_mode) && info.st_size > 0 && (uintmax_t)info.st_size <= SIZE_MAX) {
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data != MAP_FAILED) {
            *view =
                (ct_file_view){.data = data, .size_bytes = (size_t)info.st_size, .mapped = true};
            return 0;
        }
    }
    return read_to_end(view, fd);
}

ct_status ct_file_view_open(ct_file_view *view, const char *path, ct_diag *diag)
{
    *view = (ct_file_view){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ct_file_fail(diag, path, errno);
    int error = view_descriptor(view, fd);
    close(fd);
    return error == 0 ? CT_OK : ct_file_fail(diag, path, error);
}

void ct_file_view_close(ct_file_view *view)
{
    if (view->mapped)
        munmap((void *)(uintptr_t)view->data, view->size_bytes);
    else
        free((void *)(uintptr_t)view->data);
    *view = (ct_file_view){0};
}

/* ---- writing ---- */

enum { BUFFER_BYTES = 1 << 16, MAX_LINKS = 40 };

struct ct_file_writer {
    char *path;      // as given, for messages
    char *target;    // where its links lead; NULL when written in place
    char *temporary; // in the folder of target; NULL when written in place or still nameless
    int fd;
    int error; // errno of the first failure, 0 while all is well
    size_t buffered;
    char buffer[BUFFER_BYTES];
};

// Length of the folder part of path, with its slash.
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

// The first n bytes of a, then b. Caller frees; NULL when memory ran out.
static char *join(const char *a, size_t n, const char *b)
{
    size_t length = strlen(b);
    char *s = malloc(n + length + 1);
    if (s != NULL) {
        memcpy(s, a, n);
        memcpy(s + n, b, length + 1);
    }
    return s;
}

/* Follow symbolic links by hand: realpath() would refuse one whose target is still to be made.
 * Returns 0 and the final path in *out (caller frees), or an errno. */
static int follow_links(char **out, const char *path)
{
    char *at = join(path, strlen(path), "");
    for (int links = 0; at != NULL; links++) {
        char to[PATH_MAX];
        ssize_t n = readlink(at, to, sizeof to - 1);
        if (n < 0) { // not a link, or nothing there
            *out = at;
            return 0;
        }
        if (links == MAX_LINKS) {
            free(at);
            return ELOOP;
        }
        to[n] = '\0';
        char *next = join(at, to[0] == '/' ? 0 : folder_length(at), to);
        free(at);
        at = next;
    }
    return ENOMEM;
}

/* The descriptor a name such as /dev/stdout stands for, or -1. Opening the name anew would start
 * at the beginning of a file the shell redirected it to; a duplicate goes on where it stands. */
static int descriptor_named(const char *path)
{
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    if (strcmp(path, "/dev/stdout") == 0)
        return STDOUT_FILENO;
    if (strcmp(path, "/dev/stderr") == 0)
        return STDERR_FILENO;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        size_t n = strlen(folders[i]);
        if (strncmp(path, folders[i], n) != 0 || path[n] < '0' || path[n] > '9')
            continue;
        char *end;
        long fd = strtol(path + n, &end, 10);
        if (*end == '\0' && fd <= INT_MAX)
            return (int)fd;
    }
    return -1;
}

/* Open a file in target's folder that has no name until commit, so that a process that is killed
 * leaves nothing behind. Where the file system (or the lack of /proc) does not allow it, fd stays
 * -1. Returns 0 or ENOMEM. */
static int open_nameless(ct_file_writer *w)
{
#ifdef O_TMPFILE
    size_t n = folder_length(w->target);
    char *folder = n > 0 ? join(w->target, n, "") : join(".", 1, "");
    if (folder == NULL)
        return ENOMEM;
    if (access("/proc/self/fd", X_OK) == 0)
        w->fd = open(folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
    free(folder);
#endif
    return 0;
}

// Make w->temporary: from the nameless file, or a new one. Returns 0 or an errno.
static int make_temporary(ct_file_writer *w)
{
    if (w->fd < 0) {
        w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        return w->fd < 0 ? errno : 0;
    }
    char nameless[40];
    snprintf(nameless, sizeof nameless, "/proc/self/fd/%d", w->fd);
    return linkat(AT_FDCWD, nameless, AT_FDCWD, w->temporary, AT_SYMLINK_FOLLOW) != 0 ? errno : 0;
}

// A temporary file beside target under a name nobody can guess. Returns 0 or an errno.
static int name_temporary(ct_file_writer *w)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        uint64_t random;
        char name[40];
        if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
            return EIO;
        snprintf(name, sizeof name, ".ctrain-%016llx.tmp", (unsigned long long)random);
        w->temporary = join(w->target, folder_length(w->target), name);
        if (w->temporary == NULL)
            return ENOMEM;
        int error = make_temporary(w);
        if (error == 0)
            return 0;
        free(w->temporary);
        w->temporary = NULL;
        if (error != EEXIST)
            return error;
    }
    return EEXIST;
}

static int open_in_place(ct_file_writer *w, int descriptor)
{
    w->fd = descriptor >= 0 ? fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
                            : open(w->path, O_WRONLY | O_CLOEXEC);
    return w->fd < 0 ? errno : 0;
}

// A regular file, there already or not: write beside it, with the mode of what is replaced.
static int open_beside(ct_file_writer *w, const struct stat *old)
{
    int error = follow_links(&w->target, w->path);
    if (error != 0)
        return error;
    if (w->target[folder_length(w->target)] == '\0') // "" or "folder/"
        return ENOENT;
    if (old != NULL && faccessat(AT_FDCWD, w->target, W_OK, AT_EACCESS) != 0)
        return errno;
    error = open_nameless(w);
    if (error == 0 && w->fd < 0)
        error = name_temporary(w);
    if (error == 0 && old != NULL && fchmod(w->fd, old->st_mode & 0777) != 0)
        error = errno;
    return error;
}

static int writer_open(ct_file_writer *w)
{
    struct stat old;
    int descriptor = descriptor_named(w->path);
    if (descriptor >= 0)
        return open_in_place(w, descriptor);
    if (stat(w->path, &old) != 0)
        return errno == ENOENT ? open_beside(w, NULL) : errno;
    if (S_ISDIR(old.st_mode))
        return EISDIR;
    return S_ISREG(old.st_mode) ? open_beside(w, &old) : open_in_place(w, -1);
}

static void writer_free(ct_file_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    if (w->temporary != NULL)
        unlink(w->temporary);
    free(w->temporary);
    free(w->target);
    free(w->path);
    free(w);
}

ct_status ct_file_writer_open(ct_file_writer **out, const char *path, ct_diag *diag)
{
    *out = NULL;
    ct_file_writer *w = malloc(sizeof *w);
    if (w == NULL)
        return ct_file_fail(diag, path, ENOMEM);
    w->target = w->temporary = NULL;
    w->fd = -1;
    w->error = 0;
    w->buffered = 0;
    w->path = join(path, strlen(path), "");
    int error = w->path == NULL ? ENOMEM : writer_open(w);
    if (error != 0) {
        writer_free(w);
        return ct_file_fail(diag, path, error);
    }
    *out = w;
    return CT_OK;
}

static void write_all(ct_file_writer *w, const char *data, size_t size)
{
    while (size > 0 && w->error == 0) {
        ssize_t n = write(w->fd, data, size);
        if (n >= 0) {
            data += n;
            size -= (size_t)n;
        } else if (errno != EINTR) {
            w->error = errno;
        }
    }
}

static void flush(ct_file_writer *w)
{
    write_all(w, w->buffer, w->buffered);
    w->buffered = 0;
}

void ct_file_writer_write(ct_file_writer *w, const void *data, size_t size_bytes)
{
    if (size_bytes > BUFFER_BYTES - w->buffered)
        flush(w);
    if (size_bytes >= BUFFER_BYTES) {
        write_all(w, data, size_bytes);
    } else if (size_bytes > 0) {
        memcpy(w->buffer + w->buffered, data, size_bytes);
        w->buffered += size_bytes;
    }
}

void ct_file_writer_printf(ct_file_writer *w, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof line) {
        ct_file_writer_write(w, line, (size_t)n);
        return;
    }
    char *longer = n < 0 ? NULL : malloc((size_t)n + 1);
    if (longer == NULL) {
        w->error = w->error != 0 ? w->error : n < 0 ? EOVERFLOW : ENOMEM;
        return;
    }
    va_start(args, format);
    vsnprintf(longer, (size_t)n + 1, format, args);
    va_end(args);
    ct_file_writer_write(w, longer, (size_t)n);
    free(longer);
}

void ct_file_writer_set_private(ct_file_writer *w)
{
    if (w->target != NULL && fchmod(w->fd, 0600) != 0 && w->error == 0)
        w->error = errno;
}

/* Make the rename itself durable. It is done by now and cannot be taken back, so where a file
 * system cannot sync a folder nothing is reported. */
static void sync_folder_of(char *path)
{
    size_t n = folder_length(path);
    path[n] = '\0'; // the rest is not needed any more
    int fd = open(n == 0 ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

ct_status ct_file_writer_commit(ct_file_writer *w, ct_diag *diag)
{
    flush(w);
    if (w->error == 0 && w->target != NULL && fsync(w->fd) != 0)
        w->error = errno;
    if (w->error == 0 && w->target != NULL && w->temporary == NULL)
        w->error = name_temporary(w);
    if (close(w->fd) != 0 && w->error == 0)
        w->error = errno;
    w->fd = -1;
    if (w->error == 0 && w->temporary != NULL) {
        if (rename(w->temporary, w->target) == 0) {
            free(w->temporary);
            w->temporary = NULL;
            sync_folder_of(w->target);
        } else {
            w->error = errno;
        }
    }
    ct_status status = w->error == 0 ? CT_OK : ct_file_fail(diag, w->path, w->error);
    writer_free(w);
    return status;
}

void ct_file_writer_abort(ct_file_writer *w)
{
    if (w != NULL)
        writer_free(w);
}
