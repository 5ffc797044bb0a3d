// SPDX-License-Identifier: MIT
/* LIBSVM text out: 1-based indices, numbers with as few digits as read back to the same double. */
#include "dataset_private.h"

#include <ctrain/file.h>
#include <ctrain/json.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_BYTES ((size_t)1 << 16)
#define ENTRY_BYTES  (16 + CT_NUMBER_TEXT_SIZE) // blank, index, colon, number

/* Text on its way to the file, so that the writer is called once a buffer. */
typedef struct text_out {
    ct_file_writer *file;
    size_t used;
    char buffer[BUFFER_BYTES];
} text_out;

static void flush(text_out *t)
{
    ct_file_writer_write(t->file, t->buffer, t->used);
    t->used = 0;
}

static void put_integer(text_out *t, uint64_t value)
{
    char digits[20];
    size_t n = sizeof digits;
    do
        digits[--n] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    memcpy(t->buffer + t->used, digits + n, sizeof digits - n);
    t->used += sizeof digits - n;
}

/* Small counts, by far the most common values of sparse data, need no search for the shortest text.
 */
static void put_number(text_out *t, double value)
{
    if (value >= 1.0 && value < 1e6 && (double)(uint32_t)value == value) {
        put_integer(t, (uint32_t)value);
        return;
    }
    char text[CT_NUMBER_TEXT_SIZE];
    ct_number_text(text, value);
    size_t n = strlen(text);
    memcpy(t->buffer + t->used, text, n);
    t->used += n;
}

static void put_row(text_out *t, const ct_dataset *data, size_t row)
{
    put_number(t, data->label[row]);
    for (size_t k = data->row_start[row]; k < data->row_start[row + 1]; k++) {
        if (t->used > BUFFER_BYTES - 2 * ENTRY_BYTES)
            flush(t);
        t->buffer[t->used++] = ' ';
        put_integer(t, (uint64_t)data->col[k] + 1);
        t->buffer[t->used++] = ':';
        put_number(t, data->val[k]);
    }
    t->buffer[t->used++] = '\n';
    if (t->used > BUFFER_BYTES - 2 * ENTRY_BYTES)
        flush(t);
}

ct_status ct_dataset_write_libsvm(const ct_dataset *data, const char *path, ct_diag *diag)
{
    text_out *t = malloc(sizeof *t);
    if (t == NULL)
        return ct_fail(diag, CT_ENOMEM, "%s: out of memory", path);
    t->used = 0;
    ct_status status = ct_file_writer_open(&t->file, path, diag);
    if (status == CT_OK) {
        for (size_t i = 0; i < data->rows; i++)
            put_row(t, data, i);
        flush(t);
        status = ct_file_writer_commit(t->file, diag);
    }
    free(t);
    return status;
}
