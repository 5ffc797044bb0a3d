// SPDX-License-Identifier: MIT
/* A dataset from the binary format. The sizes are checked against those of the file before any
 * memory is asked for, then the checksum, and then what a checksum cannot tell: that the arrays
 * keep the rules of a dataset. */
#include "dataset_binary.h"

#include <ctrain/arena.h>
#include <ctrain/bytes.h>
#include <ctrain/checksum.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static ct_status damaged(ct_diag *diag, const char *reason)
{
    return ct_fail(diag, CT_EPARSE, "damaged: %s", reason);
}

/* ---- header ---- */

static bool is_width(uint8_t bytes)
{
    return bytes == 1 || bytes == 2 || bytes == 4;
}

static ct_status read_header(ct_reader *r, ct__binary_shape *shape, ct_diag *diag)
{
    const unsigned char *magic = ct_read_view(r, CT__BINARY_MAGIC_BYTES);
    if (magic == NULL || memcmp(magic, CT__BINARY_MAGIC, CT__BINARY_MAGIC_BYTES) != 0)
        return ct_fail(diag, CT_EPARSE, "not a dataset in the binary format");
    unsigned version = ct_read_u8(r);
    if (!r->failed && version != CT__BINARY_VERSION)
        return ct_fail(diag, CT_EPARSE, "version %u of the binary format (only %d is known)",
                       version, CT__BINARY_VERSION);
    *shape = (ct__binary_shape){.length_bytes = ct_read_u8(r),
                                .column_bytes = ct_read_u8(r),
                                .values = ct_read_u8(r),
                                .labels = ct_read_u32(r)};
    shape->rows = ct_read_u64(r);
    shape->cols = ct_read_u64(r);
    shape->nnz = ct_read_u64(r);
    if (r->failed)
        return damaged(diag, "it ends within its header");
    if (!is_width(shape->length_bytes) || !is_width(shape->column_bytes) ||
        shape->values >= CT__VALUES_KINDS || shape->labels > CT__BINARY_LABELS)
        return damaged(diag, "its header makes no sense");
    if (shape->rows == 0)
        return ct_fail(diag, CT_EPARSE, "no rows");
    if (shape->rows > CT__ROWS_MAX || shape->cols > (uint64_t)CT__INDEX_MAX + 1)
        return damaged(diag, "more rows or features than any dataset has");
    return CT_OK;
}

/* Bytes of a file of this shape; false if they are beyond counting. */
static bool file_bytes(size_t *out, const ct__binary_shape *shape)
{
    size_t lengths, columns, values;
    if (shape->nnz > SIZE_MAX ||
        !ct_mul_size(&lengths, (size_t)shape->rows,
                     shape->length_bytes + (shape->labels > 0 ? 1u : 8u)) ||
        !ct_mul_size(&columns, (size_t)shape->nnz, shape->column_bytes) ||
        !ct_mul_size(&values, (size_t)ct__binary_value_count(shape), 8))
        return false;
    *out = CT__BINARY_HEADER_BYTES + 8 * (size_t)shape->labels + CT__BINARY_SUM_BYTES;
    return ct_add_size(out, *out, lengths) && ct_add_size(out, *out, columns) &&
           ct_add_size(out, *out, values);
}

static ct_status check_whole(const unsigned char *bytes, size_t size, const ct__binary_shape *shape,
                             ct_diag *diag)
{
    size_t expected;
    if (!file_bytes(&expected, shape) || expected != size)
        return damaged(diag, "its length is not what its header says");
    ct_checksum sum;
    ct_checksum_init(&sum);
    ct_checksum_add(&sum, bytes, size - CT__BINARY_SUM_BYTES);
    ct_reader last = ct_reader_view(bytes + size - CT__BINARY_SUM_BYTES, CT__BINARY_SUM_BYTES);
    if (ct_read_u64(&last) != ct_checksum_value(&sum))
        return damaged(diag, "its checksum is wrong");
    return CT_OK;
}

/* ---- arrays ---- */

/* n integers of width bytes. */
static void widen(uint32_t *restrict out, const unsigned char *restrict from, size_t n,
                  uint8_t width)
{
    if (width == 1)
        for (size_t i = 0; i < n; i++)
            out[i] = from[i];
    else if (width == 2)
        for (size_t i = 0; i < n; i++)
            out[i] = from[2 * i] | (uint32_t)from[2 * i + 1] << 8;
    else
        for (size_t i = 0; i < n; i++)
            out[i] = from[4 * i] | (uint32_t)from[4 * i + 1] << 8 |
                     (uint32_t)from[4 * i + 2] << 16 | (uint32_t)from[4 * i + 3] << 24;
}

static bool all_finite(const double *v, size_t n)
{
    bool finite = true;
    for (size_t i = 0; i < n; i++)
        finite &= fabs(v[i]) <= 0x1.fffffffffffffp+1023;
    return finite;
}

static ct_status read_labels(ct_reader *r, const ct__binary_shape *shape, ct_dataset *data,
                             ct_diag *diag)
{
    double table[CT__BINARY_LABELS];
    if (shape->labels == 0) {
        ct_read_f64_array(r, data->label, data->rows);
    } else {
        ct_read_f64_array(r, table, shape->labels);
        const unsigned char *which = ct_read_view(r, data->rows);
        for (size_t i = 0; i < data->rows; i++) {
            if (which[i] >= shape->labels)
                return damaged(diag, "a label that is not in its table");
            data->label[i] = table[which[i]];
        }
    }
    return all_finite(data->label, data->rows) ? CT_OK
                                               : damaged(diag, "a label is no finite number");
}

#define LENGTHS_AT_ONCE 1024
static ct_status read_row_lengths(ct_reader *r, const ct__binary_shape *shape, ct_dataset *data,
                                  ct_diag *diag)
{
    uint32_t length[LENGTHS_AT_ONCE];
    uint64_t end = 0; // below 2^64: 2^32 rows of less than 2^32
    for (size_t i = 0; i < data->rows; i += LENGTHS_AT_ONCE) {
        size_t n = data->rows - i < LENGTHS_AT_ONCE ? data->rows - i : LENGTHS_AT_ONCE;
        widen(length, ct_read_view(r, n * shape->length_bytes), n, shape->length_bytes);
        for (size_t j = 0; j < n; j++) {
            end += length[j];
            data->row_start[i + j + 1] = (size_t)end;
        }
    }
    return end == data->nnz ? CT_OK : damaged(diag, "its rows do not add up to its entries");
}

/* Neighbours that do not ascend; n < 2^32. A count as wide as what is counted makes vector code. */
static uint32_t count_falls(const uint32_t *col, size_t n)
{
    uint32_t falls = 0;
    for (size_t k = 1; k < n; k++)
        falls += col[k] <= col[k - 1];
    return falls;
}

/* Columns must ascend within a row: among neighbours that do not, all are the last of one row and
 * the first of the next. So they are counted over all entries, which is quick, and over the
 * beginnings of rows. */
#define FALLS_AT_ONCE ((size_t)1 << 30)
static bool columns_ascend(const ct_dataset *data)
{
    size_t falls = 0, falls_between_rows = 0;
    const uint32_t *col = data->col;
    for (size_t k = 0; k < data->nnz; k += FALLS_AT_ONCE - 1) // one entry is in both pieces
        falls +=
            count_falls(col + k, data->nnz - k < FALLS_AT_ONCE ? data->nnz - k : FALLS_AT_ONCE);
    for (size_t i = 0; i < data->rows; i++) {
        size_t k = data->row_start[i];
        if (k > 0 && k < data->row_start[i + 1])
            falls_between_rows += col[k] <= col[k - 1];
    }
    return falls == falls_between_rows;
}

static ct_status read_columns(ct_reader *r, const ct__binary_shape *shape, ct_dataset *data,
                              size_t cols, ct_diag *diag)
{
    widen(data->col, ct_read_view(r, data->nnz * shape->column_bytes), data->nnz,
          shape->column_bytes);
    uint32_t largest = 0;
    for (size_t k = 0; k < data->nnz; k++)
        largest = data->col[k] > largest ? data->col[k] : largest;
    if (data->nnz > 0 && largest >= shape->cols)
        return damaged(diag, "a column beyond its features");
    if (cols != 0 && data->nnz > 0 && largest >= cols)
        return ct_fail(diag, CT_EPARSE, "feature index %lu (must be at most %zu)",
                       (unsigned long)largest + 1, cols);
    if (cols != 0)
        data->cols = cols;
    return columns_ascend(data) ? CT_OK : damaged(diag, "the columns of a row do not ascend");
}

static ct_status read_column_values(ct_reader *r, size_t cols, ct_dataset *data, bool *finite,
                                    ct_diag *diag)
{
    double *table = calloc(cols + 1, sizeof *table);
    if (table == NULL)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    ct_read_f64_array(r, table, cols);
    *finite = all_finite(table, cols);
    for (size_t k = 0; k < data->nnz; k++)
        data->val[k] = table[data->col[k]];
    free(table);
    return CT_OK;
}

static ct_status read_values(ct_reader *r, const ct__binary_shape *shape, ct_dataset *data,
                             ct_diag *diag)
{
    bool finite = true;
    if (shape->values == CT__VALUES_BY_ENTRY) {
        ct_read_f64_array(r, data->val, data->nnz);
        finite = all_finite(data->val, data->nnz);
    } else if (shape->values == CT__VALUES_BY_COLUMN) {
        CT_TRY(read_column_values(r, (size_t)shape->cols, data, &finite, diag));
    } else {
        double value = ct_read_f64(r);
        finite = isfinite(value);
        for (size_t k = 0; k < data->nnz; k++)
            data->val[k] = value;
    }
    return finite ? CT_OK : damaged(diag, "a value is no finite number");
}

static ct_status read_arrays(ct_reader *r, const ct__binary_shape *shape, ct_dataset *data,
                             size_t cols, ct_diag *diag)
{
    CT_TRY(read_labels(r, shape, data, diag));
    CT_TRY(read_row_lengths(r, shape, data, diag));
    CT_TRY(read_columns(r, shape, data, cols, diag));
    return read_values(r, shape, data, diag);
}

ct_status ct__dataset_parse_binary(ct_dataset **out, const void *bytes, size_t size, size_t cols,
                                   ct_diag *diag)
{
    ct__binary_shape shape;
    ct_reader r = ct_reader_view(bytes, size);
    *out = NULL;
    CT_TRY(read_header(&r, &shape, diag));
    CT_TRY(check_whole(bytes, size, &shape, diag));
    CT_TRY(ct__dataset_alloc(out, (size_t)shape.rows, (size_t)shape.cols, (size_t)shape.nnz, diag));
    ct_status status = read_arrays(&r, &shape, *out, cols, diag);
    if (status != CT_OK) {
        ct_dataset_destroy(*out);
        *out = NULL;
    }
    return status;
}
