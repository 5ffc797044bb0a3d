// SPDX-License-Identifier: MIT
/* The text file that holds a secret of 32 bytes, a group's key or a client's identity:
 *
 *   permk-key 1                      permk-identity 1
 *   id 0123456789abcdef              public <64 hexadecimal digits>
 *   key <64 hexadecimal digits>      secret <64 hexadecimal digits>
 *   check <16 digits>                check <16 digits>
 *
 * check is the first 8 bytes of SHA-256 of the lines before. Lower-case digits, one space, newline
 * after each line, nothing else. */
#ifndef PERMK_AES_SECRET_FILE_H
#define PERMK_AES_SECRET_FILE_H

#include <ctrain/status.h>

#define PERMK__SECRET_BYTES      32
#define PERMK__SHOWN_DIGITS_MAX  64
#define PERMK__SECRET_FILE_BYTES 192 // no form has more

/* What one kind of such file looks like. */
typedef struct permk__secret_form {
    const char *kind;    // "permk-key", the first word
    const char *name;    // "a key file", for people
    const char *maker;   // the command that makes one
    const char *shown;   // "id": the line that is no secret
    size_t shown_digits; // of it, at most PERMK__SHOWN_DIGITS_MAX
    const char *secret;  // "key": the line that is
} permk__secret_form;

/* Write to a new file of mode 0600. Errors as permk_key_write. */
CT_MUST_USE ct_status permk__secret_file_write(const permk__secret_form *form, const char *shown,
                                               const unsigned char secret[PERMK__SECRET_BYTES],
                                               const char *path, ct_diag *diag);
/* The bytes of a file whose mode is right; one too many where it is longer than any form. The
 * caller wipes text. Errors as permk_key_read. */
CT_MUST_USE ct_status permk__secret_file_read(const char *path, char text[PERMK__SECRET_FILE_BYTES],
                                              size_t *size, ct_diag *diag);
/* Take such a text apart: shown (shown_digits and an end mark) and secret, which the caller wipes,
 * on failure too. That they belong together is the caller's to check. PERMK_EKEY. */
CT_MUST_USE ct_status permk__secret_file_parse(const permk__secret_form *form, const char *text,
                                               size_t size, const char *name, char *shown,
                                               unsigned char secret[PERMK__SECRET_BYTES],
                                               ct_diag *diag);
/* PERMK_EKEY with the text of a file whose parts do not fit. */
ct_status permk__secret_file_altered(const permk__secret_form *form, const char *name,
                                     ct_diag *diag);

#endif
