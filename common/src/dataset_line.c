// SPDX-License-Identifier: MIT
/* One line of LIBSVM text, `LABEL INDEX:VALUE INDEX:VALUE …`: the reference that the block parsers
 * must agree with, and the only place where the reason of a malformed line is put into words. */
#include "dataset_digits.h"
#include "dataset_private.h"

#include <stdio.h>
#include <string.h>

/* Where the fields of a line end: at a newline, a '\r' right before it, a comment, or the end of
 * the text. */
static bool line_ends(const char *p, const char *end)
{
    return p == end || *p == '\n' || *p == '#' || (*p == '\r' && (p + 1 == end || p[1] == '\n'));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool field_ends(const char *p, const char *end)
{
    return p == end || is_blank(*p) || line_ends(p, end);
}

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && is_blank(*p))
        p++;
    return p;
}

/* Where p is in front of a newline but for a comment, no call of memchr pays. */
static const char *next_line(const char *p, const char *end)
{
    while (p < end && *p != '\n')
        p++;
    return p < end ? p + 1 : end;
}

/* The field at p for an error text: cut to a readable length, bytes that are no text as \xNN. */
#define FIELD_SHOWN 40
static const char *show_field(char out[4 * FIELD_SHOWN + 4], const char *p, const char *end)
{
    size_t n = 0;
    for (int i = 0; !field_ends(p, end); p++, i++) {
        if (i == FIELD_SHOWN) {
            memcpy(out + n, "...", 4);
            return out;
        }
        if (*p >= 0x20 && *p < 0x7f)
            out[n++] = *p;
        else
            n += (size_t)sprintf(out + n, "\\x%02x", (unsigned)(unsigned char)*p);
    }
    out[n] = '\0';
    return out;
}

/* A number that fills its field. Failures other than of the text (memory) keep their status. */
static ct_status parse_number(const char **p, const char *end, double *value)
{
    CT_TRY(ct_number_parse(p, end, value));
    return field_ends(*p, end) ? CT_OK : CT_EPARSE;
}

static ct_status bad_label(ct_status status, const char *field, const char *stop, const char *end,
                           ct_diag *diag)
{
    char shown[4 * FIELD_SHOWN + 4];
    if (status != CT_EPARSE && status != CT_ERANGE)
        return status;
    show_field(shown, field, end);
    if (stop > field && stop < end && *stop == ':')
        return ct_fail(diag, CT_EPARSE, "no label before '%s'", shown);
    return ct_fail(diag, CT_EPARSE, "label '%s' is no finite number", shown);
}

static ct_status bad_value(ct_status status, const char *field, const char *end, uint32_t index,
                           ct_diag *diag)
{
    char shown[4 * FIELD_SHOWN + 4];
    if (status != CT_EPARSE && status != CT_ERANGE)
        return status;
    if (field_ends(field, end))
        return ct_fail(diag, CT_EPARSE, "feature %lu has no value", (unsigned long)index);
    return ct_fail(diag, CT_EPARSE, "value '%s' of feature %lu is no finite number",
                   show_field(shown, field, end), (unsigned long)index);
}

static ct_status bad_index_field(const char *field, const char *end, ct_diag *diag)
{
    char shown[4 * FIELD_SHOWN + 4];
    show_field(shown, field, end);
    if (strncmp(shown, "qid:", 4) == 0)
        return ct_fail(diag, CT_EPARSE, "'%s': ranking data (qid) is not supported", shown);
    if (strchr(shown, ':') == NULL)
        return ct_fail(diag, CT_EPARSE, "'%s' has no colon (expected INDEX:VALUE)", shown);
    return ct_fail(diag, CT_EPARSE, "'%s' does not begin with a feature index", shown);
}

static ct_status bad_order(uint64_t index, int64_t before, const ct__libsvm *out, ct_diag *diag)
{
    if (index < out->first_index)
        return ct_fail(diag, CT_EPARSE, "feature index 0 (must be at least 1)");
    if ((int64_t)index == before)
        return ct_fail(diag, CT_EPARSE, "feature index %llu appears twice",
                       (unsigned long long)index);
    return ct_fail(diag, CT_EPARSE, "feature index %llu after %lld (must ascend)",
                   (unsigned long long)index, (long long)before);
}

/* The digits of an index, of any length; a number too large for any dataset stays too large. */
static const char *scan_index(const char *p, const char *end, uint64_t *index)
{
    *index = 0;
    for (; p < end && ct__is_digit(*p); p++)
        if (*index <= CT__INDEX_MAX)
            *index = *index * 10 + (unsigned)(*p - '0');
    return p;
}

/* Why the digits between field and stop are no index; cold, so that the loop over fields is not. */
static ct_status bad_index(const char *field, const char *stop, uint64_t index, int64_t before,
                           const ct__libsvm *out, ct_diag *diag)
{
    if (stop == field || stop == out->end || *stop != ':')
        return bad_index_field(field, out->end, diag);
    if (index <= out->last_index)
        return bad_order(index, before, out, diag);
    int digits = stop - field > FIELD_SHOWN ? FIELD_SHOWN : (int)(stop - field);
    return ct_fail(diag, CT_EPARSE, "feature index %.*s%s (must be at most %lu)", digits, field,
                   stop - field > digits ? "..." : "", (unsigned long)out->last_index);
}

/* Where the fields of a line have got to; p is not at a blank. */
typedef struct features {
    const char *p;
    size_t nnz;
    int64_t before; // index of the field before; one less than the first index at first
} features;

/* The number at p if its text is that of the last one, as in data that were scaled: where it ends,
 * else NULL. 9 bytes must be readable. */
static inline const char *repeat_number(const ct__libsvm_repeat *last, const char *p, double *value)
{
    uint64_t text;
    memcpy(&text, p, sizeof text);
    char after = p[last->length];
    if (((text ^ last->text) & ~last->ignored) != 0 || (after != ' ' && after != '\n'))
        return NULL;
    *value = last->value;
    return p + last->length;
}

static inline void remember_number(ct__libsvm_repeat *last, const char *p, const char *end,
                                   double value)
{
    size_t length = (size_t)(end - p);
    if (length > sizeof last->text)
        return;
    *last = (ct__libsvm_repeat){.length = length, .value = value};
    memcpy(&last->text, p, sizeof last->text);
    memset((char *)&last->ignored + length, 0xff, sizeof last->ignored - length);
}

/* Values either repeat all along the line or, from the first on that does not, are not looked up
 * any more: the branch would be as unpredictable as they are. */
static inline const char *take_number(ct__libsvm_repeat *last, bool *repeats, const char *p,
                                      double *value)
{
    const char *end = NULL;
    if (*repeats && (end = repeat_number(last, p, value)) != NULL)
        return end;
    end = ct__number_parse_short(p, value);
    if (*repeats && end != NULL)
        remember_number(last, p, end, *value);
    *repeats = false;
    return end;
}

/* Fields of the regular form, INDEX:VALUE with one blank or the newline behind, as long as they
 * come. Indices are read by branches: they ascend, so their lengths seldom change, the branches are
 * well predicted, and the next field is begun before this one is finished. */
#define REGULAR_BYTES (9 + CT__SHORT_BYTES) // index, colon, value
static inline void take_regular(ct__libsvm *out, features *f)
{
    const char *p = f->p, *end = out->end;
    int64_t before = f->before;
    size_t k = f->nnz;
    bool repeats = true;
    while (end - p >= REGULAR_BYTES) {
        const char *q = p;
        uint32_t index = 0;
        for (; ct__is_digit(*q) && q - p < 8; q++)
            index = index * 10 + (uint32_t)(*q - '0');
        if (q == p || *q != ':' || index > out->last_index || (int64_t)index <= before)
            break;
        q++;
        if (ct__is_digit(q[0]) && (q[1] == ' ' || q[1] == '\n'))
            out->val[k] = (double)(*q++ - '0');
        else if ((q = take_number(&out->last, &repeats, q, &out->val[k])) == NULL)
            break;
        out->col[k++] = index - out->first_index;
        before = (int64_t)index;
        p = q + (*q == ' ');
        if (*q == '\n')
            break;
    }
    *f = (features){skip_blanks(p, end), k, before};
}

/* One field of any form. */
static ct_status take_field(ct__libsvm *out, features *f, ct_diag *diag)
{
    uint64_t index;
    const char *end = out->end, *stop = scan_index(f->p, end, &index);
    if (stop == f->p || stop == end || *stop != ':' || index > out->last_index ||
        (int64_t)index <= f->before)
        return bad_index(f->p, stop, index, f->before, out, diag);
    const char *field = f->p = stop + 1;
    ct_status status = parse_number(&f->p, end, &out->val[f->nnz]);
    if (status != CT_OK)
        return bad_value(status, field, end, (uint32_t)index, diag);
    out->col[f->nnz++] = (uint32_t)index - out->first_index;
    f->before = (int64_t)index;
    f->p = skip_blanks(f->p, end);
    return CT_OK;
}

/* The fields behind the label; *text moves to where they end, *nnz is raised. */
static ct_status parse_features(ct__libsvm *out, const char **text, size_t *nnz, ct_diag *diag)
{
    features f = {skip_blanks(*text, out->end), *nnz, (int64_t)out->first_index - 1};
    for (take_regular(out, &f); !line_ends(f.p, out->end); take_regular(out, &f))
        CT_TRY(take_field(out, &f, diag));
    *text = f.p;
    *nnz = f.nnz;
    return CT_OK;
}

/* A label; nearly all are one digit with or without a sign. */
static inline ct_status parse_label(const char **p, const char *end, double *value)
{
    const char *digit = *p + (**p == '-' || **p == '+');
    if (end - digit < 2 || !ct__is_digit(*digit) || (digit[1] != ' ' && digit[1] != '\n'))
        return parse_number(p, end, value);
    double magnitude = (double)(*digit - '0');
    *value = **p == '-' ? -magnitude : magnitude;
    *p = digit + 1;
    return CT_OK;
}

static ct_status parse_row(ct__libsvm *out, const char **p, ct_diag *diag)
{
    const char *field = *p;
    size_t nnz = out->nnz;
    ct_status status = parse_label(p, out->end, &out->label[out->rows]);
    if (status != CT_OK)
        return bad_label(status, field, *p, out->end, diag);
    CT_TRY(parse_features(out, p, &nnz, diag));
    if (nnz > out->nnz && out->col[nnz - 1] >= out->cols)
        out->cols = out->col[nnz - 1] + 1;
    out->nnz = nnz;
    out->row_end[out->rows++] = nnz;
    return CT_OK;
}

ct_status ct__libsvm_line(ct__libsvm *out, const char **line, ct_diag *diag)
{
    const char *end = out->end, *p = skip_blanks(*line, end);
    ct_status status = line_ends(p, end) ? CT_OK : parse_row(out, &p, diag);
    const char *next = next_line(p, end);
    // in a field a NUL is an error of its own name; in a comment it is the only error there is
    if ((status == CT_EPARSE || (p < end && *p == '#')) &&
        memchr(*line, '\0', (size_t)(next - *line)) != NULL)
        return ct_fail(diag, CT_EPARSE, "a NUL byte (is this a text file?)");
    if (status == CT_OK)
        *line = next;
    return status;
}
