// SPDX-License-Identifier: MIT
/* A dataset into the binary format: first what of it is smaller than doubles and 32-bit columns,
 * then the arrays, a buffer at a time. */
#include "dataset_binary.h"

#include <ctrain/bytes.h>
#include <ctrain/checksum.h>
#include <ctrain/file.h>
#include <stdlib.h>
#include <string.h>

/* The different labels, ascending, as far as they are few. */
typedef struct label_table {
    double label[CT__BINARY_LABELS];
    uint32_t n; // 0: too many
} label_table;

typedef struct binary_out {
    ct_file_writer *file;
    ct_checksum sum;
    unsigned char buffer[1 << 14];
    ct_writer w; // into the buffer
} binary_out;

/* ---- what there is to write ---- */

/* A value with its sign, so that -0.0 is not taken for 0.0. */
static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Where label is, or would have to be inserted. */
static uint32_t find_label(const label_table *t, double label)
{
    uint32_t low = 0, high = t->n;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (bits_of(t->label[middle]) < bits_of(label))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void collect_labels(label_table *t, const ct_dataset *data)
{
    t->n = 0;
    for (size_t i = 0; i < data->rows; i++) {
        uint32_t at = find_label(t, data->label[i]);
        if (at < t->n && bits_of(t->label[at]) == bits_of(data->label[i]))
            continue;
        if (t->n == CT__BINARY_LABELS) {
            t->n = 0;
            return;
        }
        memmove(t->label + at + 1, t->label + at, (t->n - at) * sizeof *t->label);
        t->label[at] = data->label[i];
        t->n++;
    }
}

static bool values_are_one(const ct_dataset *data)
{
    for (size_t k = 1; k < data->nnz; k++)
        if (bits_of(data->val[k]) != bits_of(data->val[0]))
            return false;
    return data->nnz > 0;
}

/* The value of each column, 0 where it has no entry; false if one has several. */
static bool values_by_column(const ct_dataset *data, double *value, bool *seen)
{
    for (size_t k = 0; k < data->nnz; k++) {
        size_t c = data->col[k];
        if (!seen[c])
            value[c] = data->val[k];
        else if (bits_of(value[c]) != bits_of(data->val[k]))
            return false;
        seen[c] = true;
    }
    return true;
}

/* *column_value (cols, the caller's) is filled where that is the form. */
static ct_status choose_values(const ct_dataset *data, uint8_t *kind, double **column_value)
{
    *kind = values_are_one(data) ? CT__VALUES_ONE : CT__VALUES_BY_ENTRY;
    *column_value = NULL;
    if (*kind == CT__VALUES_ONE || data->cols >= data->nnz)
        return CT_OK;
    double *value = calloc(data->cols, sizeof *value);
    bool *seen = calloc(data->cols, sizeof *seen);
    ct_status status = value != NULL && seen != NULL ? CT_OK : CT_ENOMEM;
    if (status == CT_OK && values_by_column(data, value, seen)) {
        *kind = CT__VALUES_BY_COLUMN;
        *column_value = value;
    } else {
        free(value);
    }
    free(seen);
    return status;
}

static uint8_t bytes_for(uint64_t largest)
{
    return largest <= UINT8_MAX ? 1 : largest <= UINT16_MAX ? 2 : 4;
}

static uint8_t length_bytes(const ct_dataset *data)
{
    size_t longest = 0;
    for (size_t i = 0; i < data->rows; i++) {
        size_t n = data->row_start[i + 1] - data->row_start[i];
        longest = n > longest ? n : longest;
    }
    return bytes_for(longest);
}

/* ---- writing it ---- */

static void flush(binary_out *out)
{
    ct_checksum_add(&out->sum, out->buffer, out->w.at);
    ct_file_writer_write(out->file, out->buffer, out->w.at);
    out->w = ct_writer_view(out->buffer, sizeof out->buffer);
}

/* Room for another 8 bytes. */
static ct_writer *room(binary_out *out)
{
    if (sizeof out->buffer - out->w.at < 8)
        flush(out);
    return &out->w;
}

static void put_integer(binary_out *out, uint32_t value, uint8_t bytes)
{
    ct_writer *w = room(out);
    if (bytes == 1)
        ct_write_u8(w, (uint8_t)value);
    else if (bytes == 2)
        ct_write_u16(w, (uint16_t)value);
    else
        ct_write_u32(w, value);
}

static void put_doubles(binary_out *out, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ct_write_f64(room(out), v[i]);
}

static void put_header(binary_out *out, const ct__binary_shape *shape)
{
    ct_writer *w = &out->w;
    ct_write_bytes(w, CT__BINARY_MAGIC, CT__BINARY_MAGIC_BYTES);
    ct_write_u8(w, CT__BINARY_VERSION);
    ct_write_u8(w, shape->length_bytes);
    ct_write_u8(w, shape->column_bytes);
    ct_write_u8(w, shape->values);
    ct_write_u32(w, shape->labels);
    ct_write_u64(w, shape->rows);
    ct_write_u64(w, shape->cols);
    ct_write_u64(w, shape->nnz);
}

static void put_labels(binary_out *out, const ct_dataset *data, const label_table *t)
{
    if (t->n == 0) {
        put_doubles(out, data->label, data->rows);
        return;
    }
    put_doubles(out, t->label, t->n);
    for (size_t i = 0; i < data->rows; i++)
        put_integer(out, find_label(t, data->label[i]), 1);
}

static void put_all(binary_out *out, const ct_dataset *data, const ct__binary_shape *shape,
                    const label_table *labels, const double *values)
{
    put_header(out, shape);
    put_labels(out, data, labels);
    for (size_t i = 0; i < data->rows; i++)
        put_integer(out, (uint32_t)(data->row_start[i + 1] - data->row_start[i]),
                    shape->length_bytes);
    for (size_t k = 0; k < data->nnz; k++)
        put_integer(out, data->col[k], shape->column_bytes);
    put_doubles(out, values, (size_t)ct__binary_value_count(shape));
    flush(out);
    ct_write_u64(&out->w, ct_checksum_value(&out->sum));
    flush(out);
}

static ct_status write_file(binary_out *out, const ct_dataset *data, label_table *labels,
                            const char *path, ct_diag *diag)
{
    double *column_value;
    uint8_t values;
    if (choose_values(data, &values, &column_value) != CT_OK)
        return ct_fail(diag, CT_ENOMEM, "%s: out of memory", path);
    collect_labels(labels, data);
    const ct__binary_shape shape = {.length_bytes = length_bytes(data),
                                    .column_bytes = bytes_for(data->cols - (data->cols > 0)),
                                    .values = values,
                                    .labels = labels->n,
                                    .rows = data->rows,
                                    .cols = data->cols,
                                    .nnz = data->nnz};
    ct_status status = ct_file_writer_open(&out->file, path, diag);
    if (status == CT_OK) {
        put_all(out, data, &shape, labels, column_value != NULL ? column_value : data->val);
        status = ct_file_writer_commit(out->file, diag);
    }
    free(column_value);
    return status;
}

ct_status ct_dataset_write_binary(const ct_dataset *data, const char *path, ct_diag *diag)
{
    binary_out *out = malloc(sizeof *out);
    label_table *labels = malloc(sizeof *labels);
    ct_status status = CT_ENOMEM;
    if (out != NULL && labels != NULL) {
        out->w = ct_writer_view(out->buffer, sizeof out->buffer);
        ct_checksum_init(&out->sum);
        status = write_file(out, data, labels, path, diag);
    } else {
        ct_diag_set(diag, "%s: out of memory", path);
    }
    free(out);
    free(labels);
    return status;
}
