// SPDX-License-Identifier: MIT
/* Files in: text here, the binary format by dataset_binary_read.c.
 *
 * The LIBSVM reader: the file is mapped, cut at newlines into one part a thread, and parsed
 * straight into the dataset's arrays.
 *
 * A first sweep only counts newlines and colons. That bounds rows and entries, so that every part
 * knows where its output goes before it is parsed and nothing is copied; only where comments or
 * blank lines made the bounds too large are later parts moved down. Results and errors do not
 * depend on the cut. */
#include "dataset_binary.h"

#include <ctrain/file.h>
#include <ctrain/kernels.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Waking a thread for less than this costs more than parsing it. */
#define PART_MIN_BYTES ((size_t)1 << 17)

typedef struct part {
    const char *begin, *end;
    size_t lines, colons;        // counted: bounds of rows and entries
    size_t row_base, entry_base; // where its output goes
    size_t rows, entries;        // found
    uint32_t cols;               // 1 + the largest column found
    ct_status status;
    const char *failed; // begin of the line that failed, and why
    ct_diag reason;
} part;

typedef struct reader {
    ct_file_view file;
    ct_libsvm_options opt;
    part *parts;
    size_t n_parts;
    ct_dataset *data;
} reader;

ct_libsvm_options ct_libsvm_options_default(void)
{
    return (ct_libsvm_options){.cols = 0, .first_index = 1, .pool = NULL};
}

/* Equal shares of the bytes, each moved forward to the next newline. */
static ct_status cut_parts(reader *r, ct_diag *diag)
{
    size_t size = r->file.size_bytes, n = ct_pool_threads(r->opt.pool);
    if (n > size / PART_MIN_BYTES)
        n = size / PART_MIN_BYTES;
    n = n > 0 ? n : 1;
    r->parts = calloc(n, sizeof *r->parts);
    if (r->parts == NULL)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    r->n_parts = n;
    const char *text = r->file.data, *end = text + size, *begin = text;
    for (size_t i = 0; i < n; i++) {
        const char *stop = i + 1 < n ? text + size / n * (i + 1) : end;
        const char *newline =
            stop > begin && stop < end ? memchr(stop, '\n', (size_t)(end - stop)) : NULL;
        if (stop < end)
            stop = stop <= begin ? begin : newline != NULL ? newline + 1 : end;
        r->parts[i].begin = begin;
        r->parts[i].end = begin = stop;
    }
    return CT_OK;
}

/* Newlines and colons, in runs short enough for counts of one byte: a form that compilers turn into
 * vector code on every machine. */
#define COUNT_RUN 192
static void count_bytes(const char *p, const char *end, size_t *newlines, size_t *colons)
{
    for (; end - p >= COUNT_RUN; p += COUNT_RUN) {
        uint8_t n = 0, c = 0;
        for (int i = 0; i < COUNT_RUN; i++) {
            n = (uint8_t)(n + (p[i] == '\n'));
            c = (uint8_t)(c + (p[i] == ':'));
        }
        *newlines += n;
        *colons += c;
    }
    for (; p < end; p++) {
        *newlines += *p == '\n';
        *colons += *p == ':';
    }
}

static void count_part(void *context, size_t task, size_t worker)
{
    part *p = &((reader *)context)->parts[task];
    (void)worker;
    count_bytes(p->begin, p->end, &p->lines, &p->colons);
    if (p->end > p->begin && p->end[-1] != '\n')
        p->lines++;
}

/* The block parser of the instruction set in use, or NULL. */
static ct__libsvm_blocks_fn *choose_blocks(void)
{
    switch (ct_kernels_get()->simd) {
    case CT_SIMD_AVX512:
        return ct__libsvm_blocks_avx512;
    case CT_SIMD_AVX2:
        return ct__libsvm_blocks_avx2;
    default:
        return NULL;
    }
}

/* Blocks where they get on, lines where they do not: each time the block parser takes too little to
 * make up for the line it gives up, it is asked again only after twice as many lines. */
#define BLOCKS_PAY_BYTES 1024
static ct_status parse_lines(ct__libsvm *out, const char **line, ct_diag *diag)
{
    ct__libsvm_blocks_fn *blocks = choose_blocks();
    size_t pause = 1, pause_max = 256;
    while (*line < out->end) {
        for (size_t i = 0; i < pause && *line < out->end; i++)
            CT_TRY(ct__libsvm_line(out, line, diag));
        if (blocks == NULL)
            continue;
        const char *before = *line;
        blocks(out, line);
        pause = *line - before >= BLOCKS_PAY_BYTES ? 1 : pause < pause_max ? 2 * pause : pause_max;
    }
    return CT_OK;
}

static void parse_part(void *context, size_t task, size_t worker)
{
    reader *r = context;
    part *p = &r->parts[task];
    (void)worker;
    size_t limit = r->opt.cols != 0 ? r->opt.cols - 1 + r->opt.first_index : CT__INDEX_MAX;
    ct__libsvm out = {
        .begin = p->begin,
        .end = p->end,
        .first_index = r->opt.first_index,
        .last_index = limit < CT__INDEX_MAX ? (uint32_t)limit : CT__INDEX_MAX,
        .row_end = r->data->row_start + 1 + p->row_base,
        .label = r->data->label + p->row_base,
        .col = r->data->col + p->entry_base,
        .val = r->data->val + p->entry_base,
        .capacity = p->colons,
    };
    p->failed = p->begin;
    p->status = parse_lines(&out, &p->failed, &p->reason);
    p->rows = out.rows;
    p->entries = out.nnz;
    p->cols = out.cols;
}

/* The first failed line of the file: every part before it was read without an error. */
static ct_status report_failure(const reader *r, const char *path, ct_diag *diag)
{
    size_t line = 1;
    const part *p = r->parts;
    for (; p->status == CT_OK; p++)
        line += p->lines;
    if (p->status != CT_EPARSE)
        return ct_fail(diag, p->status, "%s: %s", path, ct_status_text(p->status));
    size_t colons = 0;
    count_bytes(p->begin, p->failed, &line, &colons);
    return ct_fail(diag, CT_EPARSE, "%s:%zu: %s", path, line, p->reason.text);
}

/* Close the gaps that comments and blank lines left, and give the rest of the memory back. */
static void move_together(reader *r)
{
    ct_dataset *d = r->data;
    size_t rows = 0, entries = 0;
    for (const part *p = r->parts; p < r->parts + r->n_parts; p++) {
        memmove(d->label + rows, d->label + p->row_base, p->rows * sizeof *d->label);
        memmove(d->col + entries, d->col + p->entry_base, p->entries * sizeof *d->col);
        memmove(d->val + entries, d->val + p->entry_base, p->entries * sizeof *d->val);
        for (size_t i = 0; i < p->rows; i++)
            d->row_start[rows + i + 1] = d->row_start[p->row_base + i + 1] + entries;
        rows += p->rows;
        entries += p->entries;
        d->cols = p->cols > d->cols ? p->cols : d->cols;
    }
    ct__dataset_shrink(d, rows, entries);
}

/* Room for what the first sweep counted, dealt to the parts. */
static ct_status place_parts(reader *r, ct_diag *diag)
{
    size_t lines = 0, colons = 0;
    for (part *p = r->parts; p < r->parts + r->n_parts; p++) {
        p->row_base = lines;
        p->entry_base = colons;
        lines += p->lines;
        colons += p->colons;
    }
    return ct__dataset_alloc(&r->data, lines, r->opt.cols, colons, diag);
}

static ct_status read_text(reader *r, const char *path, ct_diag *diag)
{
    CT_TRY(cut_parts(r, diag));
    ct_pool_run(r->opt.pool, r->n_parts, count_part, r);
    ct_status status = place_parts(r, diag);
    if (status != CT_OK) {
        ct_diag_prefix(diag, "%s", path);
        return status;
    }
    ct_pool_run(r->opt.pool, r->n_parts, parse_part, r);
    for (size_t i = 0; i < r->n_parts; i++)
        if (r->parts[i].status != CT_OK)
            return report_failure(r, path, diag);
    move_together(r);
    if (r->data->rows == 0)
        return ct_fail(diag, CT_EPARSE, "%s: no rows (the file is empty or has only comments)",
                       path);
    return CT_OK;
}

static ct_status check_options(const ct_libsvm_options *opt, ct_diag *diag)
{
    if (opt->first_index > 1)
        return ct_fail(diag, CT_EINVALID, "first_index %lu (must be 0 or 1)",
                       (unsigned long)opt->first_index);
    return ct__dataset_check_shape(0, opt->cols, diag);
}

static bool begins_binary(const ct_file_view *file)
{
    return file->size_bytes >= CT__BINARY_MAGIC_BYTES &&
           memcmp(file->data, CT__BINARY_MAGIC, CT__BINARY_MAGIC_BYTES) == 0;
}

static ct_status read_binary(reader *r, const char *path, ct_diag *diag)
{
    ct_status status =
        ct__dataset_parse_binary(&r->data, r->file.data, r->file.size_bytes, r->opt.cols, diag);
    if (status != CT_OK)
        ct_diag_prefix(diag, "%s", path);
    return status;
}

static ct_status read_file(ct_dataset **out, const char *path, const ct_libsvm_options *opt,
                           bool any_format, ct_diag *diag)
{
    *out = NULL;
    reader r = {.opt = opt != NULL ? *opt : ct_libsvm_options_default()};
    CT_TRY(check_options(&r.opt, diag));
    CT_TRY(ct_file_view_open(&r.file, path, diag));
    ct_status status = any_format && begins_binary(&r.file) ? read_binary(&r, path, diag)
                                                            : read_text(&r, path, diag);
    ct_file_view_close(&r.file);
    free(r.parts);
    if (status != CT_OK)
        ct_dataset_destroy(r.data);
    else
        *out = r.data;
    return status;
}

ct_status ct_dataset_read_libsvm(ct_dataset **out, const char *path, const ct_libsvm_options *opt,
                                 ct_diag *diag)
{
    return read_file(out, path, opt, false, diag);
}

ct_status ct_dataset_read(ct_dataset **out, const char *path, const ct_libsvm_options *opt,
                          ct_diag *diag)
{
    return read_file(out, path, opt, true, diag);
}

bool ct_dataset_is_binary(const char *path)
{
    struct stat info;
    ct_file_view view;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode) ||
        ct_file_view_open(&view, path, NULL) != CT_OK)
        return false;
    bool binary = begins_binary(&view);
    ct_file_view_close(&view);
    return binary;
}
