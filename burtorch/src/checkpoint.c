// SPDX-License-Identifier: MIT
/* Checkpoints: one list of (name, shape, memory) for parameters, buffers and moments, which saving
 * writes from and loading checks and then reads into. */
#include <burtorch/checkpoint.h>

#include "graph_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "optimizer.";
static const char *const moment_names[] = {"m", "v"};
static const char *const reserved[] = {"step", "position", "seed", "optimizer", "optimizer.steps"};

/* What a checkpoint holds, in this order: parameters and buffers as they were made, then moments.
 */
typedef struct contents {
    bt_array *arrays; // data: where it lies in the graph or the optimizer
    size_t n;
    char *names; // of the moments
} contents;

static void clear(contents *c)
{
    free(c->arrays);
    free(c->names);
}

static void add_array(contents *c, const bt__node *node, const char *name, const void *data)
{
    bt_array array = {.name = name,
                      .dtype = node->dtype == BT_F64 ? "F64" : "F32",
                      .axes = node->shape.axes,
                      .data = data,
                      .size_bytes = node->size * bt__dtype_bytes(node->dtype)};
    memcpy(array.dims, node->shape.dims, node->shape.axes * sizeof *array.dims);
    c->arrays[c->n++] = array;
}

static void add_moments(contents *c, const bt_graph *graph, const bt_optimizer *optimizer)
{
    const size_t moments = bt_optimizer_moments(optimizer);
    char *at = c->names;
    for (size_t k = 0; k < moments; k++) {
        size_t parameter = 0;
        for (size_t i = 0; i < graph->n_nodes; i++) {
            const bt__node *node = &graph->nodes[i];
            if (node->op != BT__PARAMETER)
                continue;
            const char *name = at;
            at += sprintf(at, "%s%s.%s", prefix, moment_names[k], node->name) + 1;
            add_array(c, node, name, bt_optimizer_moment(optimizer, parameter++, k));
        }
    }
}

static ct_status collect(contents *c, const bt_graph *graph, const bt_optimizer *optimizer,
                         ct_diag *diag)
{
    size_t named = 0, bytes = 0;
    memset(c, 0, sizeof *c);
    if (!graph->planned)
        return ct_fail(diag, CT_EINVALID, "the graph of a checkpoint must be planned");
    if (optimizer && bt_optimizer_graph(optimizer) != graph)
        return ct_fail(diag, CT_EINVALID, "the optimizer is of another graph");
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const char *name = graph->nodes[i].name;
        if (name && strncmp(name, prefix, sizeof prefix - 1) == 0)
            return ct_fail(diag, CT_EINVALID, "'%.60s' is a name of the optimizer's", name);
        named += name != NULL;
        bytes += name ? strlen(name) + sizeof prefix + 3 : 0;
    }
    c->arrays = calloc(3 * named + 1, sizeof *c->arrays);
    c->names = malloc(2 * bytes + 1);
    if (!c->arrays || !c->names) {
        clear(c);
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i].name)
            add_array(c, &graph->nodes[i], graph->nodes[i].name, graph->nodes[i].value);
    if (optimizer)
        add_moments(c, graph, optimizer);
    return CT_OK;
}

/* ---- Saving ---- */

enum { NUMBER_SIZE = 24 };

static ct_status check_keys(const bt_checkpoint *state, ct_diag *diag)
{
    for (size_t i = 0; state && i < state->n_metadata; i++)
        for (size_t k = 0; k < sizeof reserved / sizeof *reserved; k++)
            if (strcmp(state->metadata[i].key, reserved[k]) == 0)
                return ct_fail(diag, CT_EINVALID, "metadata '%s' is the checkpoint's own",
                               reserved[k]);
    return CT_OK;
}

static ct_status write_contents(const char *path, const contents *c, const bt_optimizer *optimizer,
                                const bt_checkpoint *state, ct_diag *diag)
{
    const bt_checkpoint none = {0};
    const bt_checkpoint *s = state ? state : &none;
    const uint64_t numbers[] = {s->step, s->position, s->seed,
                                optimizer ? bt_optimizer_steps(optimizer) : 0};
    char texts[4][NUMBER_SIZE];
    bt_metadata *metadata = calloc(s->n_metadata + 5, sizeof *metadata);
    if (!metadata)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    size_t n = 0;
    for (size_t i = 0; i < s->n_metadata; i++)
        metadata[n++] = s->metadata[i];
    for (size_t i = 0; i < 4; i++)
        snprintf(texts[i], NUMBER_SIZE, "%" PRIu64, numbers[i]);
    for (size_t i = 0; state && i < 3; i++) {
        metadata[n].key = reserved[i];
        metadata[n++].value = texts[i];
    }
    if (optimizer) {
        metadata[n].key = reserved[3];
        metadata[n++].value = bt_optimizer_kind_name(bt_optimizer_settings(optimizer)->kind);
        metadata[n].key = reserved[4];
        metadata[n++].value = texts[3];
    }
    const ct_status status = bt_safetensors_write(path, c->arrays, c->n, metadata, n, diag);
    free(metadata);
    return status;
}

ct_status bt_checkpoint_save(const char *path, bt_graph *graph, const bt_optimizer *optimizer,
                             const bt_checkpoint *state, ct_diag *diag)
{
    contents c;
    CT_TRY(check_keys(state, diag));
    CT_TRY(collect(&c, graph, optimizer, diag));
    const ct_status status = write_contents(path, &c, optimizer, state, diag);
    clear(&c);
    return status;
}

/* ---- Loading ---- */

static ct_status check_array(const bt_array *wanted, const bt_array *found, const char *name,
                             ct_diag *diag)
{
    char ours[BT_SHAPE_TEXT_SIZE], theirs[BT_SHAPE_TEXT_SIZE];
    bool same = found && found->axes == wanted->axes;
    bt_shape a = {.axes = wanted->axes}, b = {.axes = found ? found->axes : 0};
    if (!found)
        return ct_fail(diag, CT_EPARSE, "%s: there is no array '%.80s'", name, wanted->name);
    if (strcmp(found->dtype, wanted->dtype) != 0)
        return ct_fail(diag, CT_EPARSE, "%s: '%.80s' is of %s and not of %s", name, wanted->name,
                       found->dtype, wanted->dtype);
    for (size_t i = 0; i < BT_MAX_AXES; i++) {
        a.dims[i] = wanted->dims[i];
        b.dims[i] = found->dims[i];
        same = same && (i >= a.axes || a.dims[i] == b.dims[i]);
    }
    if (same)
        return CT_OK;
    return ct_fail(diag, BT_ESHAPE, "%s: '%.80s' is %s%s in the file and %s in the graph", name,
                   wanted->name, bt_shape_text(theirs, &b), b.axes > BT_MAX_AXES ? "…" : "",
                   bt_shape_text(ours, &a));
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const bt_array *const *)a)->name, (*(const bt_array *const *)b)->name);
}

/* Every array of the graph with the file's of the same name, and nothing over: both sorted.
 * pairs[i] becomes the file's array for c->arrays[i]. */
static ct_status match(const contents *c, const bt_safetensors *file, bool with_optimizer,
                       const bt_array **pairs, const bt_array **ours, const bt_array **theirs,
                       const char *name, ct_diag *diag)
{
    const size_t n_file = bt_safetensors_count(file);
    size_t n_theirs = 0, k = 0;
    for (size_t i = 0; i < c->n; i++)
        ours[i] = &c->arrays[i];
    for (size_t i = 0; i < n_file; i++) {
        const bt_array *array = bt_safetensors_array(file, i);
        if (with_optimizer || strncmp(array->name, prefix, sizeof prefix - 1) != 0)
            theirs[n_theirs++] = array;
    }
    qsort(ours, c->n, sizeof *ours, by_name);
    qsort(theirs, n_theirs, sizeof *theirs, by_name);
    for (size_t i = 0; i < c->n; i++, k++) {
        const int order = k < n_theirs ? strcmp(theirs[k]->name, ours[i]->name) : 1;
        if (order < 0)
            break; // one of theirs is over
        CT_TRY(check_array(ours[i], order == 0 ? theirs[k] : NULL, name, diag));
        pairs[ours[i] - c->arrays] = theirs[k];
    }
    if (k < n_theirs)
        return ct_fail(diag, CT_EPARSE, "%s: array '%.80s' is not one of the graph", name,
                       theirs[k]->name);
    return CT_OK;
}

static ct_status read_number(uint64_t *out, const bt_safetensors *file, const char *key,
                             const char *name, ct_diag *diag)
{
    const char *text = bt_safetensors_metadata(file, key);
    uint64_t value = 0;
    size_t i = 0;
    if (!text)
        return ct_fail(diag, CT_EPARSE, "%s: there is no metadata \"%s\"", name, key);
    for (; text[i] >= '0' && text[i] <= '9'; i++) {
        const uint64_t digit = (uint64_t)(text[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            break;
        value = 10 * value + digit;
    }
    if (i == 0 || text[i] != '\0')
        return ct_fail(diag, CT_EPARSE, "%s: metadata \"%s\" is no number of 64 bits: \"%.40s\"",
                       name, key, text);
    *out = value;
    return CT_OK;
}

static ct_status read_state(bt_checkpoint *out, uint64_t *steps, const bt_safetensors *file,
                            const bt_optimizer *optimizer, bool wants_state, const char *name,
                            ct_diag *diag)
{
    if (wants_state) {
        CT_TRY(read_number(&out->step, file, "step", name, diag));
        CT_TRY(read_number(&out->position, file, "position", name, diag));
        CT_TRY(read_number(&out->seed, file, "seed", name, diag));
    }
    if (!optimizer)
        return CT_OK;
    const char *kind = bt_safetensors_metadata(file, "optimizer");
    const char *ours = bt_optimizer_kind_name(bt_optimizer_settings(optimizer)->kind);
    if (!kind)
        return ct_fail(diag, CT_EPARSE, "%s: there is no state of an optimizer", name);
    if (strcmp(kind, ours) != 0)
        return ct_fail(diag, CT_EPARSE, "%s: the optimizer is %.40s and not %s", name, kind, ours);
    return read_number(steps, file, "optimizer.steps", name, diag);
}

ct_status bt_checkpoint_read(const bt_safetensors *file, const char *name, bt_graph *graph,
                             bt_optimizer *optimizer, bt_checkpoint *state, ct_diag *diag)
{
    contents c;
    uint64_t steps = 0;
    bt_checkpoint read = {0};
    CT_TRY(read_state(&read, &steps, file, optimizer, state != NULL, name, diag));
    CT_TRY(collect(&c, graph, optimizer, diag));
    const size_t n_file = bt_safetensors_count(file);
    const bt_array **pairs = calloc(2 * c.n + n_file + 1, sizeof *pairs);
    ct_status status =
        pairs ? match(&c, file, optimizer != NULL, pairs, pairs + c.n, pairs + 2 * c.n, name, diag)
              : ct_fail(diag, CT_ENOMEM, "out of memory");
    for (size_t i = 0; status == CT_OK && i < c.n; i++)
        memcpy((void *)(uintptr_t)c.arrays[i].data, pairs[i]->data, c.arrays[i].size_bytes);
    if (status == CT_OK && optimizer)
        bt_optimizer_set_steps(optimizer, steps);
    if (status == CT_OK && state) {
        state->step = read.step;
        state->position = read.position;
        state->seed = read.seed;
    }
    free(pairs);
    clear(&c);
    return status;
}

ct_status bt_checkpoint_load(const char *path, bt_graph *graph, bt_optimizer *optimizer,
                             bt_checkpoint *state, ct_diag *diag)
{
    bt_safetensors *file;
    CT_TRY(bt_safetensors_open(&file, path, diag));
    const ct_status status = bt_checkpoint_read(file, path, graph, optimizer, state, diag);
    bt_safetensors_close(file);
    return status;
}
