// SPDX-License-Identifier: MIT
/* Files: whole ones read by mapping, whole ones written so that a reader sees the old or the new
 * contents, never half of them. */
#ifndef CTRAIN_FILE_H
#define CTRAIN_FILE_H

#include <ctrain/status.h>
#include <stdbool.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A file's bytes, read-only. Regular files are mapped; pipes and devices are read to their end into
 * memory. */
typedef struct ct_file_view {
    const char *data; // never NULL after a successful open, also for an empty file
    size_t size_bytes;
    bool mapped;
} ct_file_view;

/* What an errno of a call on path means: its status, and "path: reason" in diag. CT_ENOTFOUND: no
 * such file or folder; CT_EINVALID: a folder, no permission, no usable path; CT_ENOMEM; else
 * CT_EIO. */
ct_status ct_file_fail(ct_diag *diag, const char *path, int error);

/* Open path. "path: reason" in diag with CT_ENOTFOUND; CT_EINVALID: a folder, no permission, no
 * usable path; CT_EIO; CT_ENOMEM. */
CT_MUST_USE ct_status ct_file_view_open(ct_file_view *view, const char *path, ct_diag *diag);
void ct_file_view_close(ct_file_view *view);

/* A file being written: bytes go to a temporary file in the same folder, nameless where the file
 * system can have such (a killed process then leaves nothing behind); commit makes them durable
 * (fsync) and renames over path, abort (or a crash) leaves path as it was. Write errors are kept
 * and reported by commit. A symbolic link stays, and its target is written; a file that is replaced
 * hands on its mode, and must be writable. What is not a regular file (pipes, devices), and the
 * names of open descriptors (/dev/stdout, /dev/fd/3), are written in place. */
typedef struct ct_file_writer ct_file_writer;

/* path is copied. CT_ENOTFOUND (no such folder), CT_EINVALID (a folder, no permission), CT_EIO,
 * CT_ENOMEM with "path: reason" in diag;
 * *out is NULL. */
CT_MUST_USE ct_status ct_file_writer_open(ct_file_writer **out, const char *path, ct_diag *diag);
void ct_file_writer_write(ct_file_writer *writer, const void *data, size_t size_bytes);
/* As printf, whose %g and %f follow the locale: numbers that must read back go through
 * ct_number_text. */
void ct_file_writer_printf(ct_file_writer *writer, const char *format, ...) CT_PRINTF(2, 3);
/* Ends the writer either way; on failure path is unchanged and diag holds "path: reason". */
CT_MUST_USE ct_status ct_file_writer_commit(ct_file_writer *writer, ct_diag *diag);
/* Drop what was written; NULL is allowed. */
void ct_file_writer_abort(ct_file_writer *writer);
/* For a secret: the new file is for its owner's eyes only (0600). Call before the first write. */
void ct_file_writer_set_private(ct_file_writer *writer);

#ifdef __cplusplus
}
#endif
#endif
