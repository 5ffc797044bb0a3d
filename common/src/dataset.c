// SPDX-License-Identifier: MIT
/* Datasets in memory: allocation, copies of the caller's CSR arrays, and labels. Reading and
 * writing files, splits and generators have files of their own. */
#include "dataset_private.h"

#include <ctrain/arena.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

ct_status ct__dataset_check_shape(size_t rows, size_t cols, ct_diag *diag)
{
    if (rows > CT__ROWS_MAX)
        return ct_fail(diag, CT_ERANGE, "%zu rows (at most 2^32)", rows);
    if (cols > (size_t)CT__INDEX_MAX + 1)
        return ct_fail(diag, CT_ERANGE, "%zu features (at most 2^32 - 1)", cols);
    return CT_OK;
}

/* Have the pages of these bytes made in one call: that they are touched one by one costs more time
 * than parsing the text that fills them. A hint: without it only slower. */
#define PAGE_BYTES ((uintptr_t)4096)
static void make_pages(char *begin, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
    char *end = begin + bytes;
    begin += -(uintptr_t)begin % PAGE_BYTES;
    if (end > begin)
        (void)madvise(begin, (size_t)(end - begin), MADV_POPULATE_WRITE);
#else
    (void)begin;
    (void)bytes;
#endif
}

/* count elements of size bytes; never NULL for an empty array, so that NULL means out of memory.
 * Arrays of megabytes ask for large pages, and what does not fill one for its small pages at once.
 */
#define LARGE_PAGE_BYTES ((size_t)1 << 21)
static void *alloc_array(size_t count, size_t size)
{
    size_t bytes;
    void *array = NULL;
    if (!ct_mul_size(&bytes, count, size))
        return NULL;
    if (bytes < LARGE_PAGE_BYTES)
        array = malloc(bytes != 0 ? bytes : 1);
    else if (posix_memalign(&array, LARGE_PAGE_BYTES, bytes) != 0)
        return NULL;
    if (array == NULL)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (bytes >= LARGE_PAGE_BYTES)
        (void)madvise(array, bytes, MADV_HUGEPAGE);
#endif
    size_t rest = bytes % LARGE_PAGE_BYTES;
    make_pages((char *)array + (bytes - rest), rest);
    return array;
}

ct_status ct__dataset_alloc(ct_dataset **out, size_t rows, size_t cols, size_t nnz, ct_diag *diag)
{
    *out = NULL;
    CT_TRY(ct__dataset_check_shape(rows, cols, diag));
    ct_dataset *data = calloc(1, sizeof *data);
    if (data == NULL)
        goto fail;
    data->rows = rows;
    data->cols = cols;
    data->nnz = nnz;
    data->row_start = alloc_array(rows + 1, sizeof *data->row_start);
    data->col = alloc_array(nnz, sizeof *data->col);
    data->val = alloc_array(nnz, sizeof *data->val);
    data->label = alloc_array(rows, sizeof *data->label);
    if (data->row_start == NULL || data->col == NULL || data->val == NULL || data->label == NULL)
        goto fail;
    data->row_start[0] = 0;
    *out = data;
    return CT_OK;
fail:
    ct_dataset_destroy(data);
    return ct_fail(diag, CT_ENOMEM, "out of memory for %zu rows with %zu entries", rows, nnz);
}

static void shrink_array(void *array, size_t count, size_t size)
{
    void **slot = array;
    void *smaller = realloc(*slot, (count != 0 ? count : 1) * size);
    if (smaller != NULL)
        *slot = smaller;
}

void ct__dataset_shrink(ct_dataset *data, size_t rows, size_t nnz)
{
    if (rows < data->rows) {
        shrink_array(&data->row_start, rows + 1, sizeof *data->row_start);
        shrink_array(&data->label, rows, sizeof *data->label);
    }
    if (nnz < data->nnz) {
        shrink_array(&data->col, nnz, sizeof *data->col);
        shrink_array(&data->val, nnz, sizeof *data->val);
    }
    data->rows = rows;
    data->nnz = nnz;
}

void ct_dataset_destroy(ct_dataset *data)
{
    if (data == NULL)
        return;
    free(data->row_start);
    free(data->col);
    free(data->val);
    free(data->label);
    free(data);
}

/* One row of the caller's arrays against the rules of ct_dataset. */
static ct_status check_row(size_t row, size_t cols, const uint32_t *col, const double *val,
                           size_t begin, size_t end, ct_diag *diag)
{
    for (size_t k = begin; k < end; k++) {
        if (col[k] >= cols)
            return ct_fail(diag, CT_EINVALID, "row %zu: column %lu of %zu", row,
                           (unsigned long)col[k], cols);
        if (k > begin && col[k] <= col[k - 1])
            return ct_fail(diag, CT_EINVALID, "row %zu: column %lu after %lu (must ascend)", row,
                           (unsigned long)col[k], (unsigned long)col[k - 1]);
        if (!isfinite(val[k]))
            return ct_fail(diag, CT_EINVALID, "row %zu: the value of column %lu is not finite", row,
                           (unsigned long)col[k]);
    }
    return CT_OK;
}

/* All rows; entries are only looked at once row_start is known to be in order. */
static ct_status check_csr(size_t rows, size_t cols, const size_t *row_start, const uint32_t *col,
                           const double *val, const double *label, ct_diag *diag)
{
    if (row_start == NULL || (rows > 0 && label == NULL))
        return ct_fail(diag, CT_EINVALID, "row_start and label must not be NULL");
    if (row_start[0] != 0)
        return ct_fail(diag, CT_EINVALID, "row 0: row_start[0] is %zu (must be 0)", row_start[0]);
    for (size_t i = 0; i < rows; i++)
        if (row_start[i + 1] < row_start[i])
            return ct_fail(diag, CT_EINVALID, "row %zu: ends before it begins", i);
    if (row_start[rows] > 0 && (col == NULL || val == NULL))
        return ct_fail(diag, CT_EINVALID, "col and val must not be NULL");
    for (size_t i = 0; i < rows; i++) {
        if (!isfinite(label[i]))
            return ct_fail(diag, CT_EINVALID, "row %zu: the label is not finite", i);
        CT_TRY(check_row(i, cols, col, val, row_start[i], row_start[i + 1], diag));
    }
    return CT_OK;
}

ct_status ct_dataset_from_csr(ct_dataset **out, size_t rows, size_t cols, const size_t *row_start,
                              const uint32_t *col, const double *val, const double *label,
                              ct_diag *diag)
{
    *out = NULL;
    CT_TRY(ct__dataset_check_shape(rows, cols, diag));
    CT_TRY(check_csr(rows, cols, row_start, col, val, label, diag));
    size_t nnz = row_start[rows];
    CT_TRY(ct__dataset_alloc(out, rows, cols, nnz, diag));
    memcpy((*out)->row_start, row_start, (rows + 1) * sizeof *row_start);
    if (nnz > 0) {
        memcpy((*out)->col, col, nnz * sizeof *col);
        memcpy((*out)->val, val, nnz * sizeof *val);
    }
    if (rows > 0)
        memcpy((*out)->label, label, rows * sizeof *label);
    return CT_OK;
}

ct_status ct_dataset_take(ct_dataset **out, const ct_dataset *data, const uint32_t *order,
                          size_t rows, ct_diag *diag)
{
    size_t nnz = 0;
    for (size_t i = 0; i < rows; i++)
        nnz += data->row_start[order[i] + 1] - data->row_start[order[i]];
    CT_TRY(ct__dataset_alloc(out, rows, data->cols, nnz, diag));
    for (size_t i = 0, at = 0; i < rows; i++) {
        size_t begin = data->row_start[order[i]], n = data->row_start[order[i] + 1] - begin;
        memcpy((*out)->col + at, data->col + begin, n * sizeof *data->col);
        memcpy((*out)->val + at, data->val + begin, n * sizeof *data->val);
        (*out)->label[i] = data->label[order[i]];
        at += n;
        (*out)->row_start[i + 1] = at;
    }
    return CT_OK;
}

ct_status ct_dataset_binary_labels(const ct_dataset *data, double *sign, double pair[2],
                                   ct_diag *diag)
{
    if (data->rows == 0)
        return ct_fail(diag, CT_EINVALID, "no rows, so no labels (two different ones are needed)");
    double high = data->label[0], low = high;
    for (size_t i = 1; i < data->rows; i++) {
        high = data->label[i] > high ? data->label[i] : high;
        low = data->label[i] < low ? data->label[i] : low;
    }
    if (high == low)
        return ct_fail(diag, CT_EINVALID, "all %zu labels are %g (two different ones are needed)",
                       data->rows, high);
    for (size_t i = 0; i < data->rows; i++) {
        double label = data->label[i];
        if (label != high && label != low)
            return ct_fail(diag, CT_EINVALID,
                           "more than two different labels: %g, %g and %g (row %zu)", low, label,
                           high, i + 1);
        sign[i] = label == high ? 1.0 : -1.0;
    }
    pair[0] = high;
    pair[1] = low;
    return CT_OK;
}

ct_status ct_dataset_map_labels(ct_dataset *data, double positive, ct_diag *diag)
{
    if (data->rows == 0)
        return ct_fail(diag, CT_EINVALID, "no rows, so no label %g", positive);
    size_t n = 0, other = 0; // other: a row with another label
    for (size_t i = 0; i < data->rows; i++)
        if (data->label[i] == positive)
            n++;
        else
            other = i;
    if (n == 0)
        return ct_fail(diag, CT_EINVALID, "no row has the label %g (row %zu has %g)", positive,
                       other + 1, data->label[other]);
    if (n == data->rows)
        return ct_fail(diag, CT_EINVALID, "all %zu rows have the label %g", n, positive);
    for (size_t i = 0; i < data->rows; i++)
        data->label[i] = data->label[i] == positive ? 1.0 : -1.0;
    return CT_OK;
}
