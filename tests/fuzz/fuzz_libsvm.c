// SPDX-License-Identifier: MIT
/* Any bytes are a dataset or an error with its line. The first byte chooses the options, the rest
 * is the file. The block parsers and the reader of files must agree with the parser of lines, and
 * what was read must keep the rules of a dataset. */
#include "dataset_private.h"

#include <ctrain/cpu.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(const char *text, size_t size, char c)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += text[i] == c;
    return n;
}

static void *allocate(size_t n, size_t size)
{
    void *p = malloc(n * size + 1);
    if (p == NULL)
        abort();
    return p;
}

static ct_status parse(ct__libsvm *out, const char *text, size_t size, const ct_libsvm_options *opt,
                       ct__libsvm_blocks_fn *blocks)
{
    size_t lines = count(text, size, '\n') + 1, colons = count(text, size, ':');
    *out = (ct__libsvm){.begin = text,
                        .end = text + size,
                        .first_index = opt->first_index,
                        .last_index = opt->cols != 0 ? (uint32_t)opt->cols - 1 + opt->first_index
                                                     : CT__INDEX_MAX,
                        .row_end = allocate(lines, sizeof(size_t)),
                        .label = allocate(lines, sizeof(double)),
                        .col = allocate(colons, sizeof(uint32_t)),
                        .val = allocate(colons, sizeof(double)),
                        .capacity = colons};
    ct_status status = CT_OK;
    for (const char *line = text; line < out->end && status == CT_OK;) {
        if (blocks != NULL)
            blocks(out, &line);
        if (line < out->end)
            status = ct__libsvm_line(out, &line, NULL);
    }
    return status;
}

static void clear(ct__libsvm *out)
{
    free(out->row_end);
    free(out->label);
    free(out->col);
    free(out->val);
}

static void must_be_equal(const void *a, const void *b, size_t size)
{
    if (size > 0 && memcmp(a, b, size) != 0)
        abort();
}

static void compare_rows(const ct__libsvm *a, size_t rows, size_t nnz, const size_t *row_end,
                         const double *label, const uint32_t *col, const double *val)
{
    if (rows != a->rows || nnz != a->nnz)
        abort();
    must_be_equal(a->row_end, row_end, rows * sizeof *row_end);
    must_be_equal(a->label, label, rows * sizeof *label);
    must_be_equal(a->col, col, nnz * sizeof *col);
    must_be_equal(a->val, val, nnz * sizeof *val);
}

static void check_blocks(const ct__libsvm *expected, ct_status status, const char *text,
                         size_t size, const ct_libsvm_options *opt, ct__libsvm_blocks_fn *blocks)
{
    ct__libsvm out;
    if (parse(&out, text, size, opt, blocks) != status)
        abort();
    compare_rows(expected, out.rows, out.nnz, out.row_end, out.label, out.col, out.val);
    clear(&out);
}

/* The text as a file that never touches a disk: a pipe with all of it inside. */
#define PIPE_BYTES 4096 // what every pipe holds
static int open_text(const char *text, size_t size, char path[64])
{
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], text, size) != (ssize_t)size || close(ends[1]) != 0)
        abort();
    snprintf(path, 64, "/dev/fd/%d", ends[0]);
    return ends[0];
}

static void check_reader(const ct__libsvm *expected, ct_status status, const char *text,
                         size_t size, const ct_libsvm_options *opt)
{
    if (size > PIPE_BYTES)
        return;
    char path[64];
    int file = open_text(text, size, path);
    ct_dataset *d = NULL, *copy = NULL;
    ct_diag diag;
    ct_status got = ct_dataset_read_libsvm(&d, path, opt, &diag);
    close(file);
    if (status == CT_OK && expected->rows == 0)
        status = CT_EPARSE;
    if (got != status || (got != CT_OK && strncmp(diag.text, path, strlen(path)) != 0))
        abort();
    if (got != CT_OK)
        return;
    compare_rows(expected, d->rows, d->nnz, d->row_start + 1, d->label, d->col, d->val);
    if (d->row_start[0] != 0 || ct_dataset_from_csr(&copy, d->rows, d->cols, d->row_start, d->col,
                                                    d->val, d->label, &diag) != CT_OK)
        abort();
    ct_dataset_destroy(copy);
    ct_dataset_destroy(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    ct_libsvm_options opt = ct_libsvm_options_default();
    opt.first_index = data[0] & 1;
    opt.cols = data[0] & 2 ? 100 : 0;
    char *text = allocate(size - 1, 1); // of its own, so that a sanitizer sees reads beyond it
    memcpy(text, data + 1, --size);
    ct__libsvm expected;
    ct_status status = parse(&expected, text, size, &opt, NULL);
    if (ct_cpu_simd() >= CT_SIMD_AVX2)
        check_blocks(&expected, status, text, size, &opt, ct__libsvm_blocks_avx2);
    if (ct_cpu_simd() >= CT_SIMD_AVX512)
        check_blocks(&expected, status, text, size, &opt, ct__libsvm_blocks_avx512);
    check_reader(&expected, status, text, size, &opt);
    clear(&expected);
    free(text);
    return 0;
}
