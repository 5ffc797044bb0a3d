// SPDX-License-Identifier: MIT
/* Files of secrets: written once, for their owner's eyes only, and read back only if not a bit of
 * them has changed. Every copy of the secret that is made here is wiped here. */
#include "secret_file.h"

#include "hex.h"

#include <assert.h>
#include <ctrain/bytes.h>
#include <ctrain/file.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_DIGITS (2 * PERMK__SECRET_BYTES)
#define CHECK_BYTES   8

/* ---- The text ---- */

static void write_text(ct_writer *w, const char *text)
{
    ct_write_bytes(w, text, strlen(text));
}

static void write_hex(ct_writer *w, const unsigned char *bytes, size_t n)
{
    assert(w->size - w->at >= 2 * n);
    permk__to_hex((char *)w->data + w->at, bytes, n);
    w->at += 2 * n;
}

/* Where in the text the two values stand, and how long it is. */
static size_t shown_at(const permk__secret_form *form)
{
    return strlen(form->kind) + 3 + strlen(form->shown) + 1;
}

static size_t secret_at(const permk__secret_form *form)
{
    return shown_at(form) + form->shown_digits + 1 + strlen(form->secret) + 1;
}

static size_t file_bytes(const permk__secret_form *form)
{
    return secret_at(form) + SECRET_DIGITS + 1 + strlen("check ") + 2 * CHECK_BYTES + 1;
}

/* shown has shown_digits characters. */
static ct_status format(char text[PERMK__SECRET_FILE_BYTES], const permk__secret_form *form,
                        const char *shown, const unsigned char secret[PERMK__SECRET_BYTES])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    ct_writer w = ct_writer_view(text, PERMK__SECRET_FILE_BYTES);
    write_text(&w, form->kind);
    write_text(&w, " 1\n");
    write_text(&w, form->shown);
    write_text(&w, " ");
    ct_write_bytes(&w, shown, form->shown_digits);
    write_text(&w, "\n");
    write_text(&w, form->secret);
    write_text(&w, " ");
    write_hex(&w, secret, PERMK__SECRET_BYTES);
    write_text(&w, "\n");
    if (SHA256((const unsigned char *)text, w.at, digest) == NULL)
        return PERMK_ECRYPTO;
    write_text(&w, "check ");
    write_hex(&w, digest, CHECK_BYTES);
    write_text(&w, "\n");
    assert(!w.failed && w.at == file_bytes(form) && w.at < PERMK__SECRET_FILE_BYTES);
    return CT_OK;
}

ct_status permk__secret_file_altered(const permk__secret_form *form, const char *name,
                                     ct_diag *diag)
{
    return ct_fail(diag, PERMK_EKEY, "%s: altered, no longer %s (its checksum is wrong)", name,
                   form->name);
}

/* Is it such a file at all, as far as one sees without its contents? */
static ct_status check_outside(const permk__secret_form *form, const char *text, size_t size,
                               const char *name, ct_diag *diag)
{
    size_t kind = strlen(form->kind);
    if (size <= kind || memcmp(text, form->kind, kind) != 0 || text[kind] != ' ')
        return ct_fail(diag, PERMK_EKEY, "%s: not %s (make one with: %s)", name, form->name,
                       form->maker);
    if (size < kind + 3 || memcmp(text + kind, " 1\n", 3) != 0)
        return ct_fail(diag, PERMK_EKEY, "%s:1: %s of another version", name, form->name);
    if (size != file_bytes(form))
        return ct_fail(diag, PERMK_EKEY, "%s: %zu bytes long, %s has %zu: cut or altered", name,
                       size, form->name, file_bytes(form));
    return CT_OK;
}

ct_status permk__secret_file_parse(const permk__secret_form *form, const char *text, size_t size,
                                   const char *name, char *shown,
                                   unsigned char secret[PERMK__SECRET_BYTES], ct_diag *diag)
{
    CT_TRY(check_outside(form, text, size, name, diag));
    memcpy(shown, text + shown_at(form), form->shown_digits);
    shown[form->shown_digits] = '\0';
    if (!permk__from_hex(secret, text + secret_at(form), PERMK__SECRET_BYTES))
        return permk__secret_file_altered(form, name, diag);
    // written out again, the values must give the very same text: checksum and every separator
    char expected[PERMK__SECRET_FILE_BYTES];
    ct_status status = format(expected, form, shown, secret);
    bool same = status == CT_OK && CRYPTO_memcmp(expected, text, size) == 0;
    OPENSSL_cleanse(expected, sizeof expected);
    if (status != CT_OK)
        return ct_fail(diag, status, "%s: SHA-256 failed", name);
    return same ? CT_OK : permk__secret_file_altered(form, name, diag);
}

/* ---- The file ---- */

static ct_status write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return CT_EIO;
        text += n;
        size -= (size_t)n;
    }
    return fsync(fd) == 0 ? CT_OK : CT_EIO;
}

static ct_status write_new(const permk__secret_form *form, const char *text, const char *path,
                           ct_diag *diag)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? ct_fail(diag, PERMK_EKEY, "%s: exists; %s is never overwritten",
                                         path, form->name)
                               : ct_file_fail(diag, path, errno);
    ct_status status = write_all(fd, text, file_bytes(form));
    int error = errno;
    if (close(fd) != 0 && status == CT_OK) {
        error = errno;
        status = CT_EIO;
    }
    if (status == CT_OK)
        return CT_OK;
    unlink(path); // ours, and incomplete
    return ct_fail(diag, CT_EIO, "%s: %s", path, strerror(error));
}

ct_status permk__secret_file_write(const permk__secret_form *form, const char *shown,
                                   const unsigned char secret[PERMK__SECRET_BYTES],
                                   const char *path, ct_diag *diag)
{
    char text[PERMK__SECRET_FILE_BYTES];
    ct_status status = format(text, form, shown, secret);
    status = status == CT_OK ? write_new(form, text, path, diag)
                             : ct_fail(diag, status, "%s: SHA-256 failed", path);
    OPENSSL_cleanse(text, sizeof text);
    return status;
}

static ct_status check_mode(int fd, const char *path, ct_diag *diag)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return ct_file_fail(diag, path, errno);
    if (!S_ISREG(info.st_mode))
        return ct_fail(diag, PERMK_EKEY, "%s: not a regular file", path);
    if ((info.st_mode & 0177) != 0)
        return ct_fail(diag, PERMK_EKEY,
                       "%s: mode %04o lets others at the key; make it 0600 (chmod 600 %s)", path,
                       (unsigned)(info.st_mode & 07777), path);
    return CT_OK;
}

static ct_status read_some(int fd, char text[PERMK__SECRET_FILE_BYTES], size_t *size)
{
    *size = 0;
    while (*size < PERMK__SECRET_FILE_BYTES) {
        ssize_t n = read(fd, text + *size, PERMK__SECRET_FILE_BYTES - *size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return CT_EIO;
        if (n == 0)
            break;
        *size += (size_t)n;
    }
    return CT_OK;
}

ct_status permk__secret_file_read(const char *path, char text[PERMK__SECRET_FILE_BYTES],
                                  size_t *size, ct_diag *diag)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a FIFO must not block the open
    if (fd < 0)
        return ct_file_fail(diag, path, errno);
    ct_status status = check_mode(fd, path, diag);
    if (status == CT_OK && read_some(fd, text, size) != CT_OK)
        status = ct_fail(diag, CT_EIO, "%s: %s", path, strerror(errno));
    close(fd);
    return status;
}
