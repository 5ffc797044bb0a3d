// SPDX-License-Identifier: MIT
/* Files that hold the state of a run as named arrays, written whole or not at all.
 *
 * The file, little-endian: "CTRAINCK", u32 version (1), entries, u64 checksum (ctrain/checksum.h)
 * of all before it. An entry: u8 type ('u' u64, 'i' u32, 'd' f64, 'b' bytes), u8 length of its name
 * (1 to 255), the name, u64 n, n elements.
 *
 * Reading checks the whole file before anything of it is used. What an entry holds is its owner's
 * to check: the checksum finds damage, not forgery. Every failure but of memory and of opening the
 * file is CT_ECHECKPOINT with "path: reason". */
#ifndef CTRAIN_CHECKPOINT_H
#define CTRAIN_CHECKPOINT_H

#include <ctrain/status.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- writing ---- */

typedef struct ct_checkpoint_writer ct_checkpoint_writer;

/* path is copied. Errors as in ct_file_writer_open; *out is NULL then. */
CT_MUST_USE ct_status ct_checkpoint_open(ct_checkpoint_writer **out, const char *path,
                                         ct_diag *diag);
/* Append an entry. Errors are kept and reported by commit. Read back in the same order, which is
 * fastest; of entries of one name the first of those that follow the last one read. */
void ct_checkpoint_put_u64(ct_checkpoint_writer *writer, const char *name, uint64_t value);
void ct_checkpoint_put_f64(ct_checkpoint_writer *writer, const char *name, double value);
void ct_checkpoint_put_u64_array(ct_checkpoint_writer *writer, const char *name, const uint64_t *v,
                                 size_t n);
void ct_checkpoint_put_u32_array(ct_checkpoint_writer *writer, const char *name, const uint32_t *v,
                                 size_t n);
void ct_checkpoint_put_f64_array(ct_checkpoint_writer *writer, const char *name, const double *v,
                                 size_t n);
void ct_checkpoint_put_bytes(ct_checkpoint_writer *writer, const char *name, const void *data,
                             size_t size);
void ct_checkpoint_put_text(ct_checkpoint_writer *writer, const char *name, const char *text);
/* End the writer either way. Errors as in ct_file_writer_commit; path is unchanged then. */
CT_MUST_USE ct_status ct_checkpoint_commit(ct_checkpoint_writer *writer, ct_diag *diag);
/* Drop what was written; NULL is allowed. */
void ct_checkpoint_abort(ct_checkpoint_writer *writer);

/* ---- reading ---- */

typedef struct ct_checkpoint ct_checkpoint;

/* Open and check a file. Errors of opening as in ct_file_view_open; CT_ENOMEM. */
CT_MUST_USE ct_status ct_checkpoint_read(ct_checkpoint **out, const char *path, ct_diag *diag);
/* The same from memory, which is borrowed until close; name stands for the path in messages. */
CT_MUST_USE ct_status ct_checkpoint_view(ct_checkpoint **out, const void *data, size_t size,
                                         const char *name, ct_diag *diag);
void ct_checkpoint_close(ct_checkpoint *checkpoint);

/* Fill out with the entry of that name, which must have this type and n elements; out is untouched
 * on failure. */
CT_MUST_USE ct_status ct_checkpoint_get_u64(ct_checkpoint *checkpoint, const char *name,
                                            uint64_t *out, ct_diag *diag);
CT_MUST_USE ct_status ct_checkpoint_get_f64(ct_checkpoint *checkpoint, const char *name,
                                            double *out, ct_diag *diag);
CT_MUST_USE ct_status ct_checkpoint_get_u64_array(ct_checkpoint *checkpoint, const char *name,
                                                  uint64_t *out, size_t n, ct_diag *diag);
CT_MUST_USE ct_status ct_checkpoint_get_u32_array(ct_checkpoint *checkpoint, const char *name,
                                                  uint32_t *out, size_t n, ct_diag *diag);
CT_MUST_USE ct_status ct_checkpoint_get_f64_array(ct_checkpoint *checkpoint, const char *name,
                                                  double *out, size_t n, ct_diag *diag);
CT_MUST_USE ct_status ct_checkpoint_get_bytes(ct_checkpoint *checkpoint, const char *name,
                                              void *out, size_t size, ct_diag *diag);

/* The entry of that name must be what is expected: for what data and options must agree in, as
 * "path: lambda is 0.01, not 0.001". */
CT_MUST_USE ct_status ct_checkpoint_expect_u64(ct_checkpoint *checkpoint, const char *name,
                                               uint64_t expected, ct_diag *diag);
CT_MUST_USE ct_status ct_checkpoint_expect_f64(ct_checkpoint *checkpoint, const char *name,
                                               double expected, ct_diag *diag);
CT_MUST_USE ct_status ct_checkpoint_expect_text(ct_checkpoint *checkpoint, const char *name,
                                                const char *expected, ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
