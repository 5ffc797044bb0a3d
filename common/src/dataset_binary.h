// SPDX-License-Identifier: MIT
/* The binary format of a dataset, version 1. Little-endian, without gaps:
 *
 *     bytes                what
 *     8                    magic 89 'C' 'T' 'D' 0D 0A 1A 0A: no text, and transfers that change
 *                          line ends are noticed
 *     1                    version
 *     1                    R: bytes of a row's length: 1, 2 or 4
 *     1                    C: bytes of a column: 1, 2 or 4
 *     1                    values: ct__binary_values
 *     4                    K: number of different labels, 1 to 256, or 0: labels one by one
 *     8, 8, 8              rows, cols, nnz
 *     8 K + rows           the different labels, and for each row which; or, for K = 0,
 *     8 rows               the labels
 *     R rows               entries of each row
 *     C nnz                columns, ascending within a row
 *     8, 8 cols or 8 nnz   values: the one of all, of each column, or of each entry
 *     8                    checksum (ctrain/checksum.h) of all before
 *
 * Private to the dataset module. */
#ifndef CTRAIN_DATASET_BINARY_H
#define CTRAIN_DATASET_BINARY_H

#include "dataset_private.h"

#define CT__BINARY_MAGIC                                                                           \
    "\x89"                                                                                         \
    "CTD\r\n\x1a\n"
#define CT__BINARY_MAGIC_BYTES  ((size_t)8)
#define CT__BINARY_VERSION      1
#define CT__BINARY_HEADER_BYTES ((size_t)40)
#define CT__BINARY_SUM_BYTES    ((size_t)8)
#define CT__BINARY_LABELS       256

typedef enum ct__binary_values {
    CT__VALUES_ONE,
    CT__VALUES_BY_COLUMN,
    CT__VALUES_BY_ENTRY,
    CT__VALUES_KINDS
} ct__binary_values;

/* What the header says behind magic and version. */
typedef struct ct__binary_shape {
    uint8_t length_bytes, column_bytes, values;
    uint32_t labels;
    uint64_t rows, cols, nnz;
} ct__binary_shape;

/* How many values the file holds. */
static inline uint64_t ct__binary_value_count(const ct__binary_shape *shape)
{
    return shape->values == CT__VALUES_ONE         ? 1
           : shape->values == CT__VALUES_BY_COLUMN ? shape->cols
                                                   : shape->nnz;
}

/* Take a file's bytes apart. cols: as in ct_libsvm_options. CT_EPARSE and CT_ENOMEM with the reason
 * in diag, without a path. */
CT_MUST_USE ct_status ct__dataset_parse_binary(ct_dataset **out, const void *bytes, size_t size,
                                               size_t cols, ct_diag *diag);

#endif
