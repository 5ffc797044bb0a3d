// SPDX-License-Identifier: MIT
/* Reading LIBLINEAR's text format: a header of "keyword values" lines in any order up to the line
 * "w", then a line for each weight. The text is not trusted: memory is asked for only when the text
 * is long enough to hold what it promises. */
#include <ufednl/model.h>

#include <ctrain/file.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct parser {
    const char *at, *end; // what is left
    const char *name;     // for messages
    size_t line;
    ct_diag *diag;
} parser;

/* What the header says. */
typedef struct header {
    bool has_solver, has_classes, has_labels, has_features, has_bias;
    double label[2];
    size_t features;
    double bias;
} header;

/* A stretch of the text. */
typedef struct word {
    const char *at;
    size_t size;
} word;

static ct_status fail(const parser *p, const char *reason)
{
    return ct_fail(p->diag, FEDNL_EMODEL, "%s:%zu: %s", p->name, p->line, reason);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line; size 0 at its end. */
static word next_word(parser *p)
{
    while (p->at < p->end && is_blank(*p->at))
        p->at++;
    word w = {.at = p->at};
    while (p->at < p->end && !is_blank(*p->at) && *p->at != '\n')
        p->at++;
    w.size = (size_t)(p->at - w.at);
    return w;
}

/* Go to the next line; what is left of this one must be blank. */
static ct_status end_line(parser *p)
{
    if (next_word(p).size > 0)
        return fail(p, "more on this line than expected");
    if (p->at < p->end)
        p->at++;
    p->line++;
    return CT_OK;
}

static bool word_is(word w, const char *text)
{
    return w.size == strlen(text) && memcmp(w.at, text, w.size) == 0;
}

/* A finite decimal number in the C locale's form. */
static ct_status read_number(parser *p, double *out)
{
    char text[64];
    word w = next_word(p);
    if (w.size == 0)
        return fail(p, "a number is missing");
    if (w.size >= sizeof text)
        return fail(p, "not a number");
    memcpy(text, w.at, w.size);
    text[w.size] = '\0';
    if (strspn(text, "+-.0123456789eE") != w.size)
        return fail(p, "not a number");
    char *rest;
    *out = strtod(text, &rest);
    if (*rest != '\0')
        return fail(p, "not a number");
    return isfinite(*out) ? CT_OK : fail(p, "a number beyond the range of doubles");
}

static ct_status read_count(parser *p, size_t *out)
{
    double value;
    CT_TRY(read_number(p, &value));
    if (value < 0.0 || value != floor(value) || value > 4294967295.0)
        return fail(p, "not a whole number within range");
    *out = (size_t)value;
    return CT_OK;
}

static ct_status read_solver(parser *p, header *h)
{
    static const char *const logistic[] = {"L2R_LR", "L2R_LR_DUAL", "L1R_LR"};
    word w = next_word(p);
    for (size_t i = 0; i < sizeof logistic / sizeof *logistic; i++)
        h->has_solver |= word_is(w, logistic[i]);
    return h->has_solver ? CT_OK : fail(p, "solver_type is none of logistic regression");
}

static ct_status read_classes(parser *p, header *h)
{
    size_t n = 0;
    CT_TRY(read_count(p, &n));
    h->has_classes = true;
    return n == 2 ? CT_OK : fail(p, "nr_class is not 2");
}

static ct_status read_labels(parser *p, header *h)
{
    CT_TRY(read_number(p, &h->label[0]));
    CT_TRY(read_number(p, &h->label[1]));
    h->has_labels = true;
    return h->label[0] != h->label[1] ? CT_OK : fail(p, "both labels are the same");
}

static ct_status read_features(parser *p, header *h)
{
    h->has_features = true;
    return read_count(p, &h->features);
}

static ct_status read_bias(parser *p, header *h)
{
    h->has_bias = true;
    return read_number(p, &h->bias);
}

/* One "keyword values" line; *done at the line "w". */
static ct_status read_header_line(parser *p, header *h, bool *done)
{
    word key = next_word(p);
    if (key.size == 0 && p->at >= p->end)
        return fail(p, "the file ends before the weights (no line \"w\")");
    if (word_is(key, "w"))
        *done = true;
    else if (word_is(key, "solver_type"))
        CT_TRY(read_solver(p, h));
    else if (word_is(key, "nr_class"))
        CT_TRY(read_classes(p, h));
    else if (word_is(key, "label"))
        CT_TRY(read_labels(p, h));
    else if (word_is(key, "nr_feature"))
        CT_TRY(read_features(p, h));
    else if (word_is(key, "bias"))
        CT_TRY(read_bias(p, h));
    else
        return fail(p, "not a line of a LIBLINEAR model");
    return end_line(p);
}

static ct_status read_header(parser *p, header *h)
{
    bool done = false;
    while (!done)
        CT_TRY(read_header_line(p, h, &done));
    if (!h->has_solver || !h->has_classes || !h->has_labels || !h->has_features || !h->has_bias)
        return fail(p, "solver_type, nr_class, label, nr_feature or bias is missing above");
    if ((size_t)(p->end - p->at) / 2 + 1 < h->features)
        return fail(p, "fewer weights than nr_feature promises");
    return CT_OK;
}

static ct_status read_weights(parser *p, fednl_model *model)
{
    size_t n = fednl_model_weights(model);
    for (size_t c = 0; c < n; c++) {
        if (p->at >= p->end)
            return fail(p, "fewer weights than nr_feature promises");
        CT_TRY(read_number(p, &model->w[c]));
        CT_TRY(end_line(p));
    }
    while (p->at < p->end) {
        if (next_word(p).size > 0)
            return fail(p, "more weights than nr_feature promises");
        CT_TRY(end_line(p));
    }
    return CT_OK;
}

static ct_status read_model(parser *p, fednl_model **out)
{
    header h = {0};
    CT_TRY(read_header(p, &h));
    fednl_model *model;
    if (fednl_model_create(&model, h.features, h.bias, h.label) != CT_OK)
        return ct_fail(p->diag, CT_ENOMEM, "out of memory");
    ct_status status = read_weights(p, model);
    if (status != CT_OK) {
        fednl_model_destroy(model);
        return status;
    }
    *out = model;
    return CT_OK;
}

ct_status fednl_model_parse(fednl_model **out, const char *text, size_t size_bytes,
                            const char *name, ct_diag *diag)
{
    *out = NULL;
    parser p = {.at = text, .end = text + size_bytes, .name = name, .line = 1, .diag = diag};
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); // strtod follows the program's locale
    if (c == (locale_t)0)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    locale_t before = uselocale(c);
    ct_status status = read_model(&p, out);
    uselocale(before);
    freelocale(c);
    return status;
}

ct_status fednl_model_load(fednl_model **out, const char *path, ct_diag *diag)
{
    *out = NULL;
    ct_file_view file;
    CT_TRY(ct_file_view_open(&file, path, diag));
    ct_status status = fednl_model_parse(out, file.data, file.size_bytes, path, diag);
    ct_file_view_close(&file);
    return status;
}
