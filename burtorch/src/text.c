// SPDX-License-Identifier: MIT
/* From bytes to two streams of tokens. */
#include <burtorch/text.h>

#include <ctrain/file.h>
#include <ctrain/rng.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

bt_text_options bt_text_options_default(void)
{
    const bt_text_options options = {.unit = BT_TEXT_LINE, .validation = 0.1, .seed = 1};
    return options;
}

/* A line without its end; false: there is no more. */
typedef struct line {
    const char *start;
    size_t length;
} line;
static bool next_line(line *out, const char **at, const char *end)
{
    if (*at == end)
        return false;
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    const char *stop = newline ? newline : end;
    out->start = *at;
    out->length = (size_t)(stop - *at);
    if (out->length && out->start[out->length - 1] == '\r')
        out->length--;
    *at = newline ? newline + 1 : end;
    return true;
}

/* Tokens in the order of the bytes, 1 for the smallest that occurs. */
static void make_vocabulary(bt_vocabulary *v, const char *data, size_t size, bt_text_unit unit)
{
    bool occurs[256] = {false};
    const char *at = data, *end = data + size;
    line l = {data, size};
    bool more = unit == BT_TEXT_RUNNING || next_line(&l, &at, end);
    while (more) {
        for (size_t i = 0; i < l.length; i++)
            occurs[(unsigned char)l.start[i]] = true;
        more = unit == BT_TEXT_LINE && next_line(&l, &at, end);
    }
    v->size = 1;
    for (size_t byte = 0; byte < 256; byte++) {
        v->token_of[byte] = occurs[byte] ? (uint16_t)v->size : 0;
        if (occurs[byte])
            v->byte_of[v->size++] = (uint8_t)byte;
    }
}

static void append(uint16_t *stream, size_t *n, const bt_vocabulary *v, const char *bytes,
                   size_t size)
{
    for (size_t i = 0; i < size; i++)
        stream[(*n)++] = v->token_of[(unsigned char)bytes[i]];
}

static void split_running(bt_text *t, const char *data, size_t size, double validation)
{
    const size_t held = (size_t)((double)size * validation);
    append(t->train, &t->n_train, &t->vocabulary, data, size - held);
    append(t->validation, &t->n_validation, &t->vocabulary, data + size - held, held);
}

/* held[i]: line i is for validation; the choice is uniform among those of the right size. */
static ct_status split_lines(bt_text *t, const char *data, size_t size, double validation,
                             uint64_t seed)
{
    const size_t n_held = (size_t)((double)t->lines * validation);
    uint64_t *held = calloc(n_held + 1, sizeof *held);
    if (!held)
        return CT_ENOMEM;
    ct_rng rng;
    ct_rng_init(&rng, seed, CT_RNG_SPLIT, 0, 0);
    ct_rng_choose_u64(&rng, held, n_held, t->lines);
    const char *at = data, *end = data + size;
    size_t number = 0, next_held = 0;
    for (line l; next_line(&l, &at, end);) {
        if (!l.length)
            continue;
        const bool is_held = next_held < n_held && held[next_held] == number;
        next_held += is_held;
        number++;
        uint16_t *stream = is_held ? t->validation : t->train;
        size_t *n = is_held ? &t->n_validation : &t->n_train;
        append(stream, n, &t->vocabulary, l.start, l.length);
        stream[(*n)++] = 0;
    }
    free(held);
    return CT_OK;
}

static size_t count_lines(const char *data, size_t size)
{
    const char *at = data, *end = data + size;
    size_t n = 0;
    for (line l; next_line(&l, &at, end);)
        n += l.length > 0;
    return n;
}

static ct_status fill_text(bt_text *t, const char *data, size_t size, const bt_text_options *opt,
                           ct_diag *diag)
{
    if (!(opt->validation >= 0 && opt->validation < 1))
        return ct_fail(diag, CT_EINVALID, "validation must be at least 0 and less than 1");
    t->unit = opt->unit;
    t->lines = count_lines(data, size);
    if (t->lines == 0)
        return ct_fail(diag, CT_EPARSE, "there is no text");
    make_vocabulary(&t->vocabulary, data, size, opt->unit);
    t->train = calloc(size + 1, sizeof *t->train);
    t->validation = calloc(size + 1, sizeof *t->validation);
    if (!t->train || !t->validation)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    if (opt->unit == BT_TEXT_RUNNING)
        split_running(t, data, size, opt->validation);
    else if (split_lines(t, data, size, opt->validation, opt->seed) != CT_OK)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    if (t->n_train == 0)
        return ct_fail(diag, CT_EINVALID, "validation leaves nothing to train on");
    return CT_OK;
}

ct_status bt_text_create(bt_text **out, const char *data, size_t size_bytes,
                         const bt_text_options *opt, ct_diag *diag)
{
    const bt_text_options defaults = bt_text_options_default();
    *out = NULL;
    bt_text *text = calloc(1, sizeof *text);
    if (!text)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    const ct_status status = fill_text(text, data, size_bytes, opt ? opt : &defaults, diag);
    if (status != CT_OK) {
        bt_text_destroy(text);
        return status;
    }
    *out = text;
    return CT_OK;
}

ct_status bt_text_open(bt_text **out, const char *path, const bt_text_options *opt, ct_diag *diag)
{
    ct_file_view view;
    *out = NULL;
    CT_TRY(ct_file_view_open(&view, path, diag));
    const ct_status status = bt_text_create(out, view.data, view.size_bytes, opt, diag);
    if (status != CT_OK)
        ct_diag_prefix(diag, "%s", path);
    ct_file_view_close(&view);
    return status;
}

void bt_text_destroy(bt_text *text)
{
    if (!text)
        return;
    free(text->train);
    free(text->validation);
    free(text);
}

void bt_text_context(uint32_t *out, const uint16_t *stream, size_t at, size_t context)
{
    size_t left = context;
    while (left && at && stream[at - 1] != 0)
        out[--left] = stream[--at];
    while (left)
        out[--left] = 0;
}

double bt_text_unigram_loss(const bt_vocabulary *vocabulary, const uint16_t *train, size_t n_train,
                            const uint16_t *stream, size_t n)
{
    double count[257], sum = 0;
    for (size_t i = 0; i < vocabulary->size; i++)
        count[i] = 1;
    for (size_t i = 0; i < n_train; i++)
        count[train[i]]++;
    for (size_t i = 0; i < n; i++)
        sum += log(((double)n_train + (double)vocabulary->size) / count[stream[i]]);
    return n ? sum / (double)n : (double)NAN;
}
