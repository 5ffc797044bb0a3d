// SPDX-License-Identifier: MIT
/* A character model as a safetensors file: five arrays, and in the metadata what their shapes do
 * not tell. */
#include "char_mlp_private.h"

#include <burtorch/safetensors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_ARRAYS = 5 };

static const char *unit_name(bt_text_unit unit)
{
    return unit == BT_TEXT_LINE ? "line" : "running";
}

ct_status bt_char_mlp_save(const bt_char_mlp *model, const char *path, ct_diag *diag)
{
    bt_array arrays[N_ARRAYS];
    for (size_t i = 0; i < N_ARRAYS; i++) {
        const bt_tensor parameter = bt_graph_parameter(model->graph, i);
        const bt_shape shape = bt_tensor_shape(parameter);
        const bt_array array = {.name = bt_tensor_name(parameter),
                                .dtype = "F32",
                                .axes = shape.axes,
                                .dims = {shape.dims[0], shape.dims[1]},
                                .data = bt_tensor_f32(parameter),
                                .size_bytes = bt_tensor_size(parameter) * sizeof(float)};
        arrays[i] = array;
    }
    char context[24], bytes[2 * 256 + 1] = "";
    snprintf(context, sizeof context, "%zu", model->options.context);
    for (size_t i = 1; i < model->vocabulary.size; i++)
        snprintf(bytes + 2 * (i - 1), 3, "%02x", model->vocabulary.byte_of[i]);
    const bt_metadata metadata[] = {{"model", "char-mlp"},
                                    {"unit", unit_name(model->unit)},
                                    {"context", context},
                                    {"vocabulary", bytes}};
    return bt_safetensors_write(path, arrays, N_ARRAYS, metadata,
                                sizeof metadata / sizeof *metadata, diag);
}

static ct_status wrong(const char *path, ct_diag *diag, const char *what)
{
    return ct_fail(diag, CT_EPARSE, "%s: not a char-mlp model: %s", path, what);
}

/* "0a20…": two digits a byte, each byte once. */
static bool read_vocabulary(bt_vocabulary *v, const char *digits)
{
    const size_t n = strlen(digits);
    memset(v, 0, sizeof *v);
    v->size = 1;
    if (n % 2 || n > 2 * 256 || strspn(digits, "0123456789abcdefABCDEF") != n)
        return false;
    for (size_t i = 0; i < n; i += 2) {
        const char pair[3] = {digits[i], digits[i + 1], '\0'};
        const unsigned char byte = (unsigned char)strtoul(pair, NULL, 16);
        if (v->token_of[byte])
            return false;
        v->token_of[byte] = (uint16_t)v->size;
        v->byte_of[v->size++] = byte;
    }
    return true;
}

/* Sizes from the metadata and the shapes; that the shapes agree is checked array by array later. */
static ct_status read_options(bt_char_mlp_options *o, bt_vocabulary *v, bt_text_unit *unit,
                              const bt_safetensors *file, const char *path, ct_diag *diag)
{
    const char *model = bt_safetensors_metadata(file, "model");
    const char *unit_text = bt_safetensors_metadata(file, "unit");
    const char *context = bt_safetensors_metadata(file, "context");
    const char *vocabulary = bt_safetensors_metadata(file, "vocabulary");
    const bt_array *embedding = bt_safetensors_find(file, "embedding");
    const bt_array *hidden = bt_safetensors_find(file, "hidden.bias");
    if (!model || strcmp(model, "char-mlp") != 0)
        return wrong(path, diag, "metadata \"model\" is not \"char-mlp\"");
    if (!unit_text || (strcmp(unit_text, "line") != 0 && strcmp(unit_text, "running") != 0))
        return wrong(path, diag, "metadata \"unit\" is neither \"line\" nor \"running\"");
    if (!vocabulary || !read_vocabulary(v, vocabulary))
        return wrong(path, diag, "metadata \"vocabulary\" is not a list of bytes");
    const size_t digits = context ? strspn(context, "0123456789") : 0;
    if (digits < 1 || digits > 5 || context[digits] != '\0')
        return wrong(path, diag, "metadata \"context\" is not a size");
    if (!embedding || embedding->axes != 2 || !hidden || hidden->axes != 1)
        return wrong(path, diag, "\"embedding\" or \"hidden.bias\" is missing");
    *unit = strcmp(unit_text, "line") == 0 ? BT_TEXT_LINE : BT_TEXT_RUNNING;
    o->context = strtoul(context, NULL, 10);
    o->embed = embedding->dims[1];
    o->hidden = hidden->dims[0];
    return CT_OK;
}

static ct_status read_parameter(bt_tensor parameter, const bt_safetensors *file, const char *path,
                                ct_diag *diag)
{
    const char *name = bt_tensor_name(parameter);
    const bt_shape shape = bt_tensor_shape(parameter);
    const bt_array *array = bt_safetensors_find(file, name);
    bool fits = array && strcmp(array->dtype, "F32") == 0 && array->axes == shape.axes;
    for (size_t i = 0; fits && i < shape.axes; i++)
        fits = array->dims[i] == shape.dims[i];
    if (!fits)
        return ct_fail(diag, CT_EPARSE,
                       "%s: not a char-mlp model: \"%s\" is missing, or its type or shape does not "
                       "fit the others",
                       path, name);
    memcpy(bt_tensor_f32(parameter), array->data, array->size_bytes);
    return CT_OK;
}

/* The largest array in the file bounds what a model made from its sizes can need. */
static ct_status check_sizes(const bt_char_mlp_options *o, const bt_safetensors *file,
                             const char *path, ct_diag *diag)
{
    const bt_array *weight = bt_safetensors_find(file, "hidden.weight");
    if (!weight || weight->axes != 2 || weight->dims[0] != o->hidden || o->embed > 65536 ||
        weight->dims[1] != o->context * o->embed)
        return wrong(path, diag, "the shape of \"hidden.weight\" does not fit the others");
    return CT_OK;
}

ct_status bt_char_mlp_load(bt_char_mlp **out, const char *path, size_t batch, ct_diag *diag)
{
    bt_safetensors *file;
    bt_vocabulary vocabulary = {0};
    bt_text_unit unit = BT_TEXT_LINE;
    bt_char_mlp_options options = bt_char_mlp_options_default();
    *out = NULL;
    CT_TRY(bt_safetensors_open(&file, path, diag));
    options.batch = batch;
    ct_status status = read_options(&options, &vocabulary, &unit, file, path, diag);
    if (status == CT_OK)
        status = check_sizes(&options, file, path, diag);
    if (status == CT_OK) {
        status = bt_char_mlp_create(out, unit, &vocabulary, &options, diag);
        if (status != CT_OK)
            ct_diag_prefix(diag, "%s", path);
    }
    for (size_t i = 0; status == CT_OK && i < N_ARRAYS; i++)
        status = read_parameter(bt_graph_parameter((*out)->graph, i), file, path, diag);
    if (status != CT_OK) {
        bt_char_mlp_destroy(*out);
        *out = NULL;
    }
    bt_safetensors_close(file);
    return status;
}
