// SPDX-License-Identifier: MIT
/* Named arrays in a file, in the safetensors format that other frameworks read and write
 * (https://github.com/huggingface/safetensors).
 *
 * The file is a little-endian u64 n, n bytes of JSON, and the arrays. The JSON object gives for
 * each name its dtype, shape and the byte range of its data, and under "__metadata__" texts by key.
 */
#ifndef BURTORCH_SAFETENSORS_H
#define BURTORCH_SAFETENSORS_H

#include <ctrain/status.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BT_SAFETENSORS_MAX_AXES 8

/* One array: dtype is "F32", "F64", "U8", …; data is row-major, little-endian, of any alignment. */
typedef struct bt_array {
    const char *name;
    const char *dtype;
    size_t axes;
    size_t dims[BT_SAFETENSORS_MAX_AXES];
    const void *data;
    size_t size_bytes;
} bt_array;

typedef struct bt_metadata {
    const char *key, *value;
} bt_metadata;

/* Write arrays (all borrowed) to path, whole or not at all. CT_EINVALID: size_bytes does not follow
 * from dtype and dims; CT_EIO, CT_ENOMEM. */
CT_MUST_USE ct_status bt_safetensors_write(const char *path, const bt_array *arrays, size_t n,
                                           const bt_metadata *metadata, size_t n_metadata,
                                           ct_diag *diag);

typedef struct bt_safetensors bt_safetensors;

/* Open a file; arrays are views of it until close. Everything the header says is checked against
 * the size of the file: CT_EPARSE with "path: reason", with the byte of the header where it is
 * malformed. Array data that overlap or leave gaps are malformed. CT_ENOTFOUND, CT_EIO, CT_ENOMEM.
 */
CT_MUST_USE ct_status bt_safetensors_open(bt_safetensors **out, const char *path, ct_diag *diag);
/* The same of size_bytes in memory, borrowed until close; `name` stands for the path in errors. */
CT_MUST_USE ct_status bt_safetensors_view(bt_safetensors **out, const void *data, size_t size_bytes,
                                          const char *name, ct_diag *diag);
void bt_safetensors_close(bt_safetensors *file);

/* In the order of the header. */
size_t bt_safetensors_count(const bt_safetensors *file);
const bt_array *bt_safetensors_array(const bt_safetensors *file, size_t i);
/* By name; NULL: there is none. */
const bt_array *bt_safetensors_find(const bt_safetensors *file, const char *name);
/* A text of "__metadata__"; NULL: there is none. */
const char *bt_safetensors_metadata(const bt_safetensors *file, const char *key);
/* All of them, in the order of the header; NULL for i beyond. */
size_t bt_safetensors_metadata_count(const bt_safetensors *file);
const bt_metadata *bt_safetensors_metadata_at(const bt_safetensors *file, size_t i);

#ifdef __cplusplus
}
#endif
#endif
