// SPDX-License-Identifier: MIT
/* The group's key and its file:
 *
 *   permk-key 1
 *   id 0123456789abcdef
 *   key <64 hexadecimal digits>
 *   check <16 hexadecimal digits>    first 8 bytes of SHA-256 of the lines before
 *
 * Lower-case digits, one space, newline after each line, nothing else. */
#include "key_private.h"

#include "aead.h"

#include <ctrain/file.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_HEAD  "permk-key 1\nid "
#define KEY_ID_DIGITS  16
#define KEY_FILE_BYTES (12 + 3 + KEY_ID_DIGITS + 1 + 4 + 64 + 1 + 6 + 16 + 1)

struct permk_key {
    unsigned char bytes[PERMK_KEY_BYTES];
    char id[KEY_ID_DIGITS + 1];
};

const unsigned char *permk__key_bytes(const permk_key *key)
{
    return key->bytes;
}

const char *permk_key_id(const permk_key *key)
{
    return key->id;
}

static void to_hex(char *out, const unsigned char *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

ct_status permk_random_bytes(void *out, size_t size, ct_diag *diag)
{
    if (size > INT32_MAX || RAND_priv_bytes(out, (int)size) != 1)
        return ct_fail(diag, PERMK_ECRYPTO, "no random bytes from the operating system");
    return CT_OK;
}

ct_status permk_key_from_bytes(permk_key **out, const unsigned char bytes[PERMK_KEY_BYTES],
                               ct_diag *diag)
{
    *out = NULL;
    static const char label[] = "permk 1 key id";
    unsigned char prk[32], id[KEY_ID_DIGITS / 2];
    permk_key *key = calloc(1, sizeof *key);
    if (key == NULL)
        return ct_fail(diag, CT_ENOMEM, "key: out of memory");
    memcpy(key->bytes, bytes, PERMK_KEY_BYTES);
    ct_status status = permk__hkdf_extract(prk, NULL, 0, bytes, PERMK_KEY_BYTES);
    if (status == CT_OK)
        status = permk__hkdf_expand(id, sizeof id, prk, label, sizeof label - 1);
    OPENSSL_cleanse(prk, sizeof prk);
    if (status != CT_OK) {
        permk_key_destroy(key);
        return ct_fail(diag, status, "key: HKDF failed");
    }
    to_hex(key->id, id, sizeof id);
    *out = key;
    return CT_OK;
}

ct_status permk_key_generate(permk_key **out, ct_diag *diag)
{
    *out = NULL;
    unsigned char bytes[PERMK_KEY_BYTES];
    CT_TRY(permk_random_bytes(bytes, sizeof bytes, diag));
    ct_status status = permk_key_from_bytes(out, bytes, diag);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return status;
}

void permk_key_destroy(permk_key *key)
{
    if (key == NULL)
        return;
    OPENSSL_cleanse(key, sizeof *key);
    free(key);
}

/* ---- The file ---- */

/* The file's text; the checksum covers all before its line. */
static ct_status format_key(char text[KEY_FILE_BYTES + 1], const permk_key *key)
{
    char hex[2 * PERMK_KEY_BYTES + 1] = {0}, check[17] = {0};
    unsigned char digest[32];
    to_hex(hex, key->bytes, PERMK_KEY_BYTES);
    int n = snprintf(text, KEY_FILE_BYTES + 1, KEY_FILE_HEAD "%s\nkey %s\n", key->id, hex);
    OPENSSL_cleanse(hex, sizeof hex);
    if (SHA256((const unsigned char *)text, (size_t)n, digest) == NULL)
        return PERMK_ECRYPTO;
    to_hex(check, digest, 8);
    snprintf(text + n, KEY_FILE_BYTES + 1 - (size_t)n, "check %s\n", check);
    return CT_OK;
}

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

ct_status permk_key_write(const permk_key *key, const char *path, ct_diag *diag)
{
    char text[KEY_FILE_BYTES + 1];
    ct_status status = format_key(text, key);
    if (status != CT_OK)
        return ct_fail(diag, status, "%s: SHA-256 failed", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        OPENSSL_cleanse(text, sizeof text);
        return errno == EEXIST
                   ? ct_fail(diag, PERMK_EKEY, "%s: exists; a key file is never overwritten", path)
                   : ct_file_fail(diag, path, errno);
    }
    status = write_all(fd, text, KEY_FILE_BYTES);
    int error = errno;
    if (close(fd) != 0 && status == CT_OK) {
        error = errno;
        status = CT_EIO;
    }
    OPENSSL_cleanse(text, sizeof text);
    if (status == CT_OK)
        return CT_OK;
    unlink(path); // ours, and incomplete
    return ct_fail(diag, CT_EIO, "%s: %s", path, strerror(error));
}

static bool from_hex(unsigned char *out, const char *hex, size_t n)
{
    for (size_t i = 0; i < 2 * n; i++) {
        int digit;
        if (hex[i] >= '0' && hex[i] <= '9')
            digit = hex[i] - '0';
        else if (hex[i] >= 'a' && hex[i] <= 'f')
            digit = hex[i] - 'a' + 10;
        else
            return false;
        out[i / 2] = (unsigned char)(i % 2 == 0 ? digit << 4 : out[i / 2] | digit);
    }
    return true;
}

ct_status permk_key_parse(permk_key **out, const char *text, size_t size, const char *name,
                          ct_diag *diag)
{
    *out = NULL;
    static const char head[] = "permk-key ";
    if (size < sizeof head - 1 || memcmp(text, head, sizeof head - 1) != 0)
        return ct_fail(diag, PERMK_EKEY, "%s: not a key file (make one with: permk-train keygen)",
                       name);
    if (size < 12 || memcmp(text, KEY_FILE_HEAD, 12) != 0)
        return ct_fail(diag, PERMK_EKEY, "%s:1: a key file of another version", name);
    if (size != KEY_FILE_BYTES)
        return ct_fail(diag, PERMK_EKEY, "%s: %zu bytes long, a key file has %d: cut or altered",
                       name, size, KEY_FILE_BYTES);
    unsigned char bytes[PERMK_KEY_BYTES];
    char expected[KEY_FILE_BYTES + 1];
    const char *hex = text + sizeof KEY_FILE_HEAD - 1 + KEY_ID_DIGITS + 5;
    ct_status status = PERMK_EKEY;
    if (from_hex(bytes, hex, PERMK_KEY_BYTES))
        status = permk_key_from_bytes(out, bytes, diag);
    // written out again, the key must give the very same text: id, checksum, and every separator
    if (status == CT_OK)
        status = format_key(expected, *out);
    if (status == CT_OK && CRYPTO_memcmp(expected, text, KEY_FILE_BYTES) != 0)
        status = PERMK_EKEY;
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(expected, sizeof expected);
    if (status == CT_OK)
        return CT_OK;
    permk_key_destroy(*out);
    *out = NULL;
    return ct_fail(diag, status, "%s: %s", name,
                   status == PERMK_EKEY ? "the key file was altered (its checksum is wrong)"
                                        : ct_status_text(status));
}

/* Read the open file into text; more than a key file's size is as good as its size plus one. */
static ct_status read_some(int fd, char text[KEY_FILE_BYTES + 1], size_t *size)
{
    *size = 0;
    while (*size < KEY_FILE_BYTES + 1) {
        ssize_t n = read(fd, text + *size, KEY_FILE_BYTES + 1 - *size);
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

static ct_status check_file(int fd, const char *path, ct_diag *diag)
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

ct_status permk_key_read(permk_key **out, const char *path, ct_diag *diag)
{
    *out = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a FIFO must not block the open
    if (fd < 0)
        return ct_file_fail(diag, path, errno);
    char text[KEY_FILE_BYTES + 1];
    size_t size = 0;
    ct_status status = check_file(fd, path, diag);
    if (status == CT_OK) {
        status = read_some(fd, text, &size);
        if (status != CT_OK)
            ct_diag_set(diag, "%s: %s", path, strerror(errno));
    }
    close(fd);
    if (status == CT_OK)
        status = permk_key_parse(out, text, size, path, diag);
    OPENSSL_cleanse(text, sizeof text);
    return status;
}
