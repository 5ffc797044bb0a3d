// SPDX-License-Identifier: MIT
/* One line of LIBSVM text, `LABEL INDEX:VALUE INDEX:VALUE …`: the reference that the fast block
 * parsers must agree with, and the only place where the reason of a malformed line is put into
 * words. */
#include "dataset_internal.h"

#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

/* Where a line ends for its fields: at the newline, the '\r' before it, or a comment. */
typedef struct line_bounds {
    const char *fields_end; // behind the last byte that may belong to a field
    const char *next;       // begin of the next line
} line_bounds;

static line_bounds find_line_end(const char *line, const char *end)
{
    const char *newline = memchr(line, '\n', (size_t)(end - line));
    const char *stop = newline != NULL ? newline : end;
    line_bounds b = {stop, newline != NULL ? newline + 1 : end};
    if (stop > line && stop[-1] == '\r')
        b.fields_end--;
    const char *comment = memchr(line, '#', (size_t)(b.fields_end - line));
    if (comment != NULL)
        b.fields_end = comment;
    return b;
}

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

/* The field at p for an error text: cut to a readable length, bytes that are no text as \xNN. */
#define FIELD_SHOWN 40
static const char *show_field(char out[4 * FIELD_SHOWN + 4], const char *p, const char *end)
{
    size_t n = 0;
    for (int i = 0; p < end && *p != ' ' && *p != '\t'; p++, i++) {
        if (i == FIELD_SHOWN)
            return memcpy(out + n, "...", 4), out;
        if (*p >= 0x20 && *p < 0x7f)
            out[n++] = *p;
        else
            n += (size_t)sprintf(out + n, "\\x%02x", (unsigned)(unsigned char)*p);
    }
    out[n] = '\0';
    return out;
}

static bool field_ends(const char *p, const char *end)
{
    return p == end || *p == ' ' || *p == '\t';
}

/* A status other than CT_EPARSE and CT_ERANGE is not about the text. */
static ct_status parse_field_number(const char **p, const char *end, double *value, bool *bad)
{
    ct_status status = ct__number_parse(p, end, value);
    *bad = status == CT_EPARSE || status == CT_ERANGE || (status == CT_OK && !field_ends(*p, end));
    return *bad ? CT_OK : status;
}

static ct_status parse_label(const char **p, const char *end, double *label, ct_diag *diag)
{
    char shown[4 * FIELD_SHOWN + 4];
    const char *field = *p;
    bool bad;
    CT_TRY(parse_field_number(p, end, label, &bad));
    if (!bad)
        return CT_OK;
    if (*p > field && **p == ':')
        return ct_fail(diag, CT_EPARSE, "no label before '%s'", show_field(shown, field, end));
    return ct_fail(diag, CT_EPARSE, "label '%s' is no finite number",
                   show_field(shown, field, end));
}

static ct_status bad_index(const char *field, const char *end, ct_diag *diag)
{
    char shown[4 * FIELD_SHOWN + 4];
    size_t left = (size_t)(end - field);
    show_field(shown, field, end);
    if (left >= 4 && memcmp(field, "qid:", 4) == 0)
        return ct_fail(diag, CT_EPARSE, "'%s': ranking data (qid) is not supported", shown);
    if (memchr(shown, ':', strlen(shown)) == NULL)
        return ct_fail(diag, CT_EPARSE, "'%s' has no colon (expected INDEX:VALUE)", shown);
    return ct_fail(diag, CT_EPARSE, "'%s' does not begin with a feature index", shown);
}

/* The digits of an index and its colon; *p moves behind the colon. */
static ct_status parse_index(const char **p, const char *end, const ct__libsvm *out,
                             uint32_t *index, ct_diag *diag)
{
    uint64_t value = 0;
    const char *q = *p;
    for (; q < end && is_digit(*q); q++)
        if (value <= CT__INDEX_MAX)
            value = value * 10 + (unsigned)(*q - '0');
    if (q == *p || q == end || *q != ':')
        return bad_index(*p, end, diag);
    int digits = q - *p > FIELD_SHOWN ? FIELD_SHOWN : (int)(q - *p);
    if (value < out->first_index)
        return ct_fail(diag, CT_EPARSE, "feature index 0 (must be at least 1)");
    if (value > out->last_index)
        return ct_fail(diag, CT_EPARSE, "feature index %.*s%s (must be at most %lu)", digits, *p,
                       q - *p > digits ? "..." : "", (unsigned long)out->last_index);
    *index = (uint32_t)value;
    *p = q + 1;
    return CT_OK;
}

static ct_status parse_value(const char **p, const char *end, uint32_t index, double *value,
                             ct_diag *diag)
{
    char shown[4 * FIELD_SHOWN + 4];
    const char *field = *p;
    bool bad;
    if (field_ends(field, end))
        return ct_fail(diag, CT_EPARSE, "feature %lu has no value", (unsigned long)index);
    CT_TRY(parse_field_number(p, end, value, &bad));
    if (bad)
        return ct_fail(diag, CT_EPARSE, "value '%s' of feature %lu is no finite number",
                       show_field(shown, field, end), (unsigned long)index);
    return CT_OK;
}

/* The fields behind the label, written at *nnz; the caller commits rows and nnz. */
static ct_status parse_features(ct__libsvm *out, const char *p, const char *end, size_t *nnz,
                                uint32_t *cols, ct_diag *diag)
{
    size_t k = out->nnz;
    int64_t before = -1;
    for (p = skip_blanks(p, end); p < end; p = skip_blanks(p, end)) {
        uint32_t index = 0;
        CT_TRY(parse_index(&p, end, out, &index, diag));
        if ((int64_t)index == before)
            return ct_fail(diag, CT_EPARSE, "feature index %lu appears twice",
                           (unsigned long)index);
        if ((int64_t)index < before)
            return ct_fail(diag, CT_EPARSE, "feature index %lu after %lu (must ascend)",
                           (unsigned long)index, (unsigned long)before);
        CT_TRY(parse_value(&p, end, index, &out->val[k], diag));
        out->col[k++] = index - out->first_index;
        before = index;
    }
    if (k > out->nnz && out->col[k - 1] >= *cols)
        *cols = out->col[k - 1] + 1;
    *nnz = k;
    return CT_OK;
}

ct_status ct__libsvm_line(ct__libsvm *out, const char **line, ct_diag *diag)
{
    line_bounds b = find_line_end(*line, out->end);
    if (memchr(*line, '\0', (size_t)(b.next - *line)) != NULL)
        return ct_fail(diag, CT_EPARSE, "a NUL byte (is this a text file?)");
    const char *p = skip_blanks(*line, b.fields_end);
    if (p < b.fields_end) {
        size_t nnz = 0;
        CT_TRY(parse_label(&p, b.fields_end, &out->label[out->rows], diag));
        CT_TRY(parse_features(out, p, b.fields_end, &nnz, &out->cols, diag));
        out->nnz = nnz;
        out->row_end[out->rows++] = nnz;
    }
    *line = b.next;
    return CT_OK;
}
