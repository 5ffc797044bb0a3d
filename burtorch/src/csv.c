// SPDX-License-Identifier: MIT
/* Reading CSV: two passes over the text, one to count lines and columns, one to read. */
#include <burtorch/csv.h>

#include <ctrain/arena.h>
#include <ctrain/file.h>
#include <ctrain/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct scan {
    const char *at, *end; // what is left
    const char *line, *stop;
    size_t number; // of the line, from 1
    const char *name;
    ct_diag *diag;
} scan;

static const char *skip_blanks(const char *at, const char *stop)
{
    while (at < stop && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

/* The next line that is not blank, without its end; false: there is no more. */
static bool next_line(scan *s)
{
    while (s->at < s->end) {
        const char *newline = memchr(s->at, '\n', (size_t)(s->end - s->at));
        s->line = s->at;
        s->stop = newline ? newline : s->end;
        s->at = newline ? newline + 1 : s->end;
        s->number++;
        if (s->stop > s->line && s->stop[-1] == '\r')
            s->stop--;
        if (skip_blanks(s->line, s->stop) < s->stop)
            return true;
    }
    return false;
}

/* Where the field that begins at `at` ends: at its comma, or the end of the line. */
static const char *field_end(const scan *s, const char *at)
{
    const char *comma = memchr(at, ',', (size_t)(s->stop - at));
    return comma ? comma : s->stop;
}

static size_t count_fields(const scan *s)
{
    size_t n = 1;
    for (const char *at = s->line; (at = memchr(at, ',', (size_t)(s->stop - at))) != NULL; at++)
        n++;
    return n;
}

/* A line none of whose fields begins with a number. */
static bool is_header(const scan *s)
{
    for (const char *at = s->line;; at++) {
        double value;
        const char *end = field_end(s, at), *field = skip_blanks(at, end);
        if (ct_number_parse(&field, end, &value) != CT_EPARSE)
            return false;
        at = end;
        if (at == s->stop)
            return true;
    }
}

static ct_status fail_at(const scan *s, size_t column, const char *reason, const char *at,
                         const char *end)
{
    const size_t length = (size_t)(end - at);
    char shown[24];
    size_t n = 0;
    for (; n < length && n < sizeof shown - 1; n++)
        shown[n] = at[n] >= ' ' && at[n] <= '~' ? at[n] : '?';
    shown[n] = '\0';
    return ct_fail(s->diag, CT_EPARSE, "%s:%zu: field %zu '%s' %s", s->name, s->number, column + 1,
                   shown, reason);
}

static ct_status read_field(const scan *s, size_t column, const char *at, const char *end,
                            double *out)
{
    const char *start = skip_blanks(at, end), *stop = start;
    if (start == end)
        return ct_fail(s->diag, CT_EPARSE, "%s:%zu: field %zu is missing", s->name, s->number,
                       column + 1);
    const ct_status status = ct_number_parse(&stop, end, out);
    if (status == CT_ENOMEM)
        return ct_fail(s->diag, status, "out of memory");
    if (status == CT_ERANGE)
        return fail_at(s, column, "is too large a number", start, end);
    if (status != CT_OK || skip_blanks(stop, end) != end)
        return fail_at(s, column, "is not a number", start, end);
    return CT_OK;
}

static ct_status read_line(const scan *s, size_t cols, double *out)
{
    const size_t n = count_fields(s);
    const char *at = s->line;
    if (n != cols)
        return ct_fail(s->diag, CT_EPARSE, "%s:%zu: %zu fields, and %zu in the lines before",
                       s->name, s->number, n, cols);
    for (size_t j = 0; j < cols; j++) {
        const char *end = field_end(s, at);
        CT_TRY(read_field(s, j, at, end, &out[j]));
        at = end + (end < s->stop);
    }
    return CT_OK;
}

/* Names as texts of their own, each with a NUL in place of its comma or blanks. */
static ct_status read_header(bt_csv *csv, const scan *s)
{
    const size_t length = (size_t)(s->stop - s->line);
    csv->text = malloc(length + 1);
    csv->name = calloc(csv->cols, sizeof *csv->name);
    if (!csv->text || !csv->name)
        return ct_fail(s->diag, CT_ENOMEM, "out of memory");
    if (memchr(s->line, '\0', length))
        return ct_fail(s->diag, CT_EPARSE, "%s:%zu: a NUL byte", s->name, s->number);
    memcpy(csv->text, s->line, length);
    csv->text[length] = '\0';
    char *at = csv->text;
    for (size_t j = 0; j < csv->cols; j++) {
        at += strspn(at, " \t");
        csv->name[j] = at;
        at += strcspn(at, ",");
        char *end = at++;
        while (end > csv->name[j] && (end[-1] == ' ' || end[-1] == '\t'))
            end--;
        *end = '\0';
    }
    return CT_OK;
}

static ct_status read_table(bt_csv *csv, const char *data, size_t size, const char *name,
                            ct_diag *diag)
{
    const scan begin = {data, data + size, NULL, NULL, 0, name, diag};
    scan s = begin;
    size_t lines = 0, numbers;
    bool header = false;
    while (next_line(&s)) {
        if (lines == 0) {
            csv->cols = count_fields(&s);
            header = is_header(&s);
        }
        lines++;
    }
    if (lines <= (header ? 1 : 0))
        return ct_fail(diag, CT_EPARSE, "%s: there are no rows", name);
    csv->rows = lines - header;
    // A file of few fields a line cannot promise many: the text bounds the table.
    if (!ct_mul_size(&numbers, csv->rows, csv->cols) || numbers > size + 1) {
        s = begin;
        while (next_line(&s) && count_fields(&s) == csv->cols)
            ;
        return ct_fail(diag, CT_EPARSE, "%s:%zu: %zu fields, and %zu in the lines before", name,
                       s.number, count_fields(&s), csv->cols);
    }
    csv->value = calloc(numbers, sizeof *csv->value);
    if (!csv->value)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    s = begin;
    if (header) {
        (void)next_line(&s);
        CT_TRY(read_header(csv, &s));
    }
    for (size_t i = 0; i < csv->rows && next_line(&s); i++)
        CT_TRY(read_line(&s, csv->cols, csv->value + i * csv->cols));
    return CT_OK;
}

ct_status bt_csv_parse(bt_csv **out, const char *data, size_t size_bytes, const char *name,
                       ct_diag *diag)
{
    *out = NULL;
    bt_csv *csv = calloc(1, sizeof *csv);
    if (!csv)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    const ct_status status = read_table(csv, data, size_bytes, name, diag);
    if (status != CT_OK) {
        bt_csv_destroy(csv);
        return status;
    }
    *out = csv;
    return CT_OK;
}

ct_status bt_csv_read(bt_csv **out, const char *path, ct_diag *diag)
{
    ct_file_view view;
    *out = NULL;
    CT_TRY(ct_file_view_open(&view, path, diag));
    const ct_status status = bt_csv_parse(out, view.data, view.size_bytes, path, diag);
    ct_file_view_close(&view);
    return status;
}

void bt_csv_destroy(bt_csv *csv)
{
    if (!csv)
        return;
    free(csv->value);
    free(csv->name);
    free(csv->text);
    free(csv);
}

ct_status bt_csv_column(size_t *out, const bt_csv *csv, const char *name, ct_diag *diag)
{
    for (size_t j = 0; csv->name && j < csv->cols; j++)
        if (strcmp(csv->name[j], name) == 0) {
            *out = j;
            return CT_OK;
        }
    if (strcmp(name, "first") != 0 && strcmp(name, "last") != 0)
        return ct_fail(diag, CT_ENOTFOUND, "there is no column '%.80s'%s", name,
                       csv->name ? "" : ": the table has no header line");
    *out = strcmp(name, "first") == 0 ? 0 : csv->cols - 1;
    return CT_OK;
}
