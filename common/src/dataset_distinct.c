// SPDX-License-Identifier: MIT
/* Counting different rows: sorted by a checksum, equal ones are neighbours; rows that only have the
 * checksum in common are told apart by comparison. */
#include "dataset_private.h"

#include <ctrain/checksum.h>
#include <stdlib.h>
#include <string.h>

typedef struct keyed_row {
    uint64_t key;
    size_t row;
} keyed_row;

static uint64_t row_key(const ct_dataset *data, size_t row)
{
    size_t begin = data->row_start[row], n = data->row_start[row + 1] - begin;
    ct_checksum sum;
    ct_checksum_init(&sum);
    ct_checksum_add(&sum, data->col + begin, n * sizeof *data->col);
    ct_checksum_add(&sum, data->val + begin, n * sizeof *data->val);
    return ct_checksum_value(&sum);
}

static bool rows_equal(const ct_dataset *data, size_t a, size_t b)
{
    size_t n = data->row_start[a + 1] - data->row_start[a];
    const uint32_t *col_a = data->col + data->row_start[a], *col_b = data->col + data->row_start[b];
    const double *val_a = data->val + data->row_start[a], *val_b = data->val + data->row_start[b];
    return n == data->row_start[b + 1] - data->row_start[b] &&
           memcmp(col_a, col_b, n * sizeof *col_a) == 0 &&
           memcmp(val_a, val_b, n * sizeof *val_a) == 0;
}

static int compare_keys(const void *a, const void *b)
{
    const keyed_row *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

/* The different rows among n that have the same key; they are moved to the front. */
static size_t count_group(const ct_dataset *data, keyed_row *group, size_t n)
{
    size_t distinct = 0;
    for (size_t i = 0; i < n; i++) {
        size_t j = 0;
        while (j < distinct && !rows_equal(data, group[i].row, group[j].row))
            j++;
        if (j == distinct)
            group[distinct++] = group[i];
    }
    return distinct;
}

ct_status ct_dataset_count_distinct(const ct_dataset *data, size_t *distinct)
{
    *distinct = 0;
    keyed_row *rows = calloc(data->rows + 1, sizeof *rows);
    if (rows == NULL)
        return CT_ENOMEM;
    for (size_t i = 0; i < data->rows; i++)
        rows[i] = (keyed_row){row_key(data, i), i};
    qsort(rows, data->rows, sizeof *rows, compare_keys);
    for (size_t begin = 0, end = 0; begin < data->rows; begin = end) {
        while (end < data->rows && rows[end].key == rows[begin].key)
            end++;
        *distinct += count_group(data, rows + begin, end - begin);
    }
    free(rows);
    return CT_OK;
}
