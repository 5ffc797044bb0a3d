// SPDX-License-Identifier: MIT
/* A character model as a checkpoint, and in the metadata what to build before its arrays can be
 * read. */
#include "text_model_private.h"

#include <burtorch/nn.h>
#include <ctrain/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {"text-mlp", "text-gpt"};
static const char *const units[] = {"line", "running"}; // by bt_text_unit

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- Saving ---- */

enum { OWN = 9 };
typedef struct texts {
    char sizes[4][24], dropout[CT_NUMBER_TEXT_SIZE], bytes[2 * 256 + 1];
} texts;

/* OWN entries at out. */
static void describe(bt_metadata *out, texts *t, const bt_text_model *m)
{
    const bt_text_model_options *o = &m->options;
    const bool gpt = o->kind == BT_TEXT_GPT;
    const size_t sizes[] = {o->context, o->embed, gpt ? o->layers : o->hidden, o->heads};
    for (size_t i = 0; i < COUNT(sizes); i++)
        snprintf(t->sizes[i], sizeof t->sizes[i], "%zu", sizes[i]);
    ct_number_text(t->dropout, o->dropout);
    t->bytes[0] = '\0';
    for (size_t i = 1; i < m->vocabulary.size; i++)
        snprintf(t->bytes + 2 * (i - 1), 3, "%02x", m->vocabulary.byte_of[i]);
    const bt_metadata all[OWN] = {
        {"model", kinds[o->kind]}, {"unit", units[m->unit == BT_TEXT_RUNNING]},
        {"vocabulary", t->bytes},  {"context", t->sizes[0]},
        {"embed", t->sizes[1]},    {gpt ? "layers" : "hidden", t->sizes[2]},
        {"heads", t->sizes[3]},    {"activation", bt_activation_name(o->activation)},
        {"dropout", t->dropout}};
    memcpy(out, all, sizeof all);
}

ct_status bt_text_model_save(bt_text_model *model, const char *path, const bt_checkpoint *state,
                             ct_diag *diag)
{
    texts t;
    bt_checkpoint own = {0};
    if (state)
        own = *state;
    bt_metadata *metadata = calloc(OWN + own.n_metadata, sizeof *metadata);
    if (!metadata)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    describe(metadata, &t, model);
    for (size_t i = 0; i < own.n_metadata; i++)
        metadata[OWN + i] = own.metadata[i];
    own.metadata = metadata;
    own.n_metadata += OWN;
    own.seed = model->options.seed;
    const bool trains = state && model->trainer;
    const ct_status status =
        bt_checkpoint_save(path, trains ? model->training : model->graph,
                           trains ? bt_trainer_optimizer(model->trainer) : NULL, &own, diag);
    free(metadata);
    return status;
}

ct_status bt_text_model_resume(bt_text_model *model, const char *path, bt_checkpoint *state,
                               ct_diag *diag)
{
    if (!model->trainer)
        return ct_fail(diag, CT_EINVALID, "the model has no trainer");
    return bt_checkpoint_load(path, model->training, bt_trainer_optimizer(model->trainer), state,
                              diag);
}

/* ---- Loading ---- */

typedef struct reader {
    const bt_safetensors *file;
    const char *path;
    ct_diag *diag;
} reader;

static ct_status wrong(const reader *r, const char *what, const char *name)
{
    return ct_fail(r->diag, CT_EPARSE, "%s: not a text model: %s \"%s\"", r->path, what, name);
}

/* The number of a metadata text in a list. */
static ct_status read_choice(size_t *out, const reader *r, const char *key,
                             const char *const *names, size_t n)
{
    const char *text = bt_safetensors_metadata(r->file, key);
    for (size_t i = 0; text && i < n; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return CT_OK;
        }
    return wrong(r, text ? "unknown metadata" : "there is no metadata", key);
}

static ct_status read_count(size_t *out, const reader *r, const char *key)
{
    const char *text = bt_safetensors_metadata(r->file, key);
    const size_t digits = text ? strspn(text, "0123456789") : 0;
    if (digits < 1 || digits > 9 || text[digits] != '\0')
        return wrong(r, "no size in metadata", key);
    *out = strtoul(text, NULL, 10);
    return CT_OK;
}

static ct_status read_dropout(double *out, const reader *r)
{
    const char *text = bt_safetensors_metadata(r->file, "dropout");
    const char *at = text, *end = text ? text + strlen(text) : NULL;
    if (!text || ct_number_parse(&at, end, out) != CT_OK || at != end)
        return wrong(r, "no number in metadata", "dropout");
    return CT_OK;
}

/* "0a20…": two digits a byte, each byte once. */
static ct_status read_vocabulary(bt_vocabulary *v, const reader *r)
{
    const char *digits = bt_safetensors_metadata(r->file, "vocabulary");
    const size_t n = digits ? strlen(digits) : 1;
    memset(v, 0, sizeof *v);
    v->size = 1;
    if (n % 2 || n > 2 * 256 || strspn(digits, "0123456789abcdefABCDEF") != n)
        return wrong(r, "no list of bytes in metadata", "vocabulary");
    for (size_t i = 0; i < n; i += 2) {
        const char pair[3] = {digits[i], digits[i + 1], '\0'};
        const unsigned char byte = (unsigned char)strtoul(pair, NULL, 16);
        if (v->token_of[byte])
            return wrong(r, "a byte twice in metadata", "vocabulary");
        v->token_of[byte] = (uint16_t)v->size;
        v->byte_of[v->size++] = byte;
    }
    return CT_OK;
}

static ct_status read_options(bt_text_model_options *o, bt_text_unit *unit, bt_vocabulary *v,
                              const reader *r)
{
    const char *activation = bt_safetensors_metadata(r->file, "activation");
    size_t kind = 0, unit_number = 0;
    CT_TRY(read_choice(&kind, r, "model", kinds, COUNT(kinds)));
    CT_TRY(read_choice(&unit_number, r, "unit", units, COUNT(units)));
    CT_TRY(read_vocabulary(v, r));
    *o = bt_text_model_options_default((bt_text_kind)kind);
    *unit = unit_number ? BT_TEXT_RUNNING : BT_TEXT_LINE;
    if (!activation || !bt_activation_find(&o->activation, activation))
        return wrong(r, activation ? "unknown metadata" : "there is no metadata", "activation");
    CT_TRY(read_count(&o->context, r, "context"));
    CT_TRY(read_count(&o->embed, r, "embed"));
    CT_TRY(read_count(&o->heads, r, "heads"));
    if (o->kind == BT_TEXT_GPT)
        CT_TRY(read_count(&o->layers, r, "layers"));
    else
        CT_TRY(read_count(&o->hidden, r, "hidden"));
    const char *seed = bt_safetensors_metadata(r->file, "seed");
    if (seed)
        o->seed = strtoull(seed, NULL, 10);
    return read_dropout(&o->dropout, r);
}

static ct_status check_matrix(const reader *r, const char *name, size_t rows, size_t cols)
{
    const bt_array *array = bt_safetensors_find(r->file, name);
    if (!array)
        return wrong(r, "there is no array", name);
    if (array->axes != 2 || array->dims[0] != rows || array->dims[1] != cols)
        return wrong(r, "the metadata do not fit the shape of array", name);
    return CT_OK;
}

/* The sizes in the metadata are those of the large arrays, so that no more is built than the file
 * can hold; the checkpoint checks the rest. */
static ct_status check_sizes(bt_text_model_options *o, size_t vocabulary, const reader *r)
{
    const bool gpt = o->kind == BT_TEXT_GPT;
    const bt_array *last = bt_safetensors_find(r->file, gpt ? "head.weight" : "output.weight");
    o->dtype = last && strcmp(last->dtype, "F64") == 0 ? BT_F64 : BT_F32;
    if (!gpt) {
        CT_TRY(check_matrix(r, "embedding.weight", vocabulary, o->embed));
        CT_TRY(check_matrix(r, "hidden.weight", o->hidden, o->context * o->embed));
        return check_matrix(r, "output.weight", vocabulary, o->hidden);
    }
    CT_TRY(check_matrix(r, "token.weight", vocabulary, o->embed));
    CT_TRY(check_matrix(r, "position.weight", o->context, o->embed));
    CT_TRY(check_matrix(r, "head.weight", vocabulary, o->embed));
    for (size_t i = 0; i < o->layers; i++) {
        char name[64];
        snprintf(name, sizeof name, "block.%zu.mlp_up.weight", i);
        CT_TRY(check_matrix(r, name, 4 * o->embed, o->embed));
    }
    return CT_OK;
}

ct_status bt_text_model_load(bt_text_model **out, const char *path, size_t batch, ct_diag *diag)
{
    bt_safetensors *file;
    bt_vocabulary vocabulary = {0};
    bt_text_unit unit = BT_TEXT_LINE;
    bt_text_model_options options;
    *out = NULL;
    CT_TRY(bt_safetensors_open(&file, path, diag));
    const reader r = {file, path, diag};
    ct_status status = read_options(&options, &unit, &vocabulary, &r);
    if (status == CT_OK)
        status = check_sizes(&options, vocabulary.size, &r);
    if (status == CT_OK) {
        options.batch = batch;
        status = bt_text_model_create(out, unit, &vocabulary, &options, diag);
        if (status != CT_OK)
            ct_diag_prefix(diag, "%s", path);
    }
    if (status == CT_OK)
        status = bt_checkpoint_read(file, path, (*out)->graph, NULL, NULL, diag);
    if (status != CT_OK) {
        bt_text_model_destroy(*out);
        *out = NULL;
    }
    bt_safetensors_close(file);
    return status;
}
