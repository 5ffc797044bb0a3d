// SPDX-License-Identifier: MIT
/* Planning a graph: who has a gradient, who writes it first, when each array is needed, where it
 * lies, and how parameters begin.
 *
 * Time runs 0 … n-1 through forward and n … 2n-1 through backward (node i at 2n-1-i). An array
 * lives from the first time it is written to the last it is read; arrays that do not live at once
 * may lie at one place. */
#include "graph_private.h"

#include <ctrain/blas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Initial values ---- */

static bt_init init_of(bt_init_kind kind, double scale)
{
    const bt_init init = {kind, scale};
    return init;
}

bt_init bt_init_zeros(void)
{
    return init_of(BT_INIT_ZEROS, 0);
}
bt_init bt_init_constant(double value)
{
    return init_of(BT_INIT_CONSTANT, value);
}
bt_init bt_init_normal(double deviation)
{
    return init_of(BT_INIT_NORMAL, deviation);
}
bt_init bt_init_uniform(double bound)
{
    return init_of(BT_INIT_UNIFORM, bound);
}
bt_init bt_init_kaiming(double gain)
{
    return init_of(BT_INIT_KAIMING, gain);
}
bt_init bt_init_xavier(double gain)
{
    return init_of(BT_INIT_XAVIER, gain);
}

static double deviation_of(const bt__node *node)
{
    const double fan_in = (double)node->size / (double)(node->shape.axes ? node->shape.dims[0] : 1);
    const double second = node->shape.axes > 1 ? (double)node->shape.dims[1] : 1.0;
    const double fan_out = (double)node->size / second;
    switch (node->init.kind) {
    case BT_INIT_KAIMING:
        return node->init.scale / sqrt(fan_in);
    case BT_INIT_XAVIER:
        return node->init.scale * sqrt(2.0 / (fan_in + fan_out));
    default:
        return node->init.scale;
    }
}

static void fill_leaf(bt__node *node, uint64_t seed, uint32_t number)
{
    ct_rng rng;
    const double deviation = deviation_of(node);
    ct_rng_init(&rng, seed, CT_RNG_INIT, number, 0);
    for (size_t i = 0; node->init.kind != BT_INIT_ZEROS && i < node->size; i++) {
        if (node->init.kind == BT_INIT_CONSTANT)
            bt__put(node->dtype, node->value, i, node->init.scale);
        else if (node->init.kind == BT_INIT_UNIFORM)
            bt__put(node->dtype, node->value, i, deviation * (2.0 * ct_rng_uniform(&rng) - 1.0));
        else
            bt__put(node->dtype, node->value, i, deviation * ct_rng_normal(&rng));
    }
}

static void fill_leaves(bt_graph *graph)
{
    uint32_t number = 0;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        bt__node *node = &graph->nodes[i];
        if (node->name && !graph->shared)
            fill_leaf(node, graph->seed, number++);
        else if (node->op == BT__INPUT && node->init.kind == BT_INIT_CONSTANT)
            fill_leaf(node, 0, 0);
    }
}

/* ---- Gradients ---- */

/* Nodes whose gradient the loss needs: those it depends on that depend on a parameter (or an input
 * whose gradient was wanted, perhaps after its operations were built). */
static ct_status mark_gradients(bt_graph *graph)
{
    for (size_t i = 0; i < graph->n_nodes; i++)
        for (size_t j = 0; j < graph->nodes[i].n_in && graph->nodes[i].dtype != BT_U32; j++)
            graph->nodes[i].needs_gradient |= graph->nodes[graph->nodes[i].in[j]].needs_gradient;
    bool *reached = calloc(graph->n_nodes, sizeof *reached);
    if (!reached)
        return CT_ENOMEM;
    if (graph->loss != BT_NO_TENSOR)
        reached[graph->loss] = true;
    for (size_t i = graph->n_nodes; i-- > 0;) {
        bt__node *node = &graph->nodes[i];
        for (size_t j = 0; reached[i] && j < node->n_in; j++)
            reached[node->in[j]] = true;
        node->needs_gradient &= reached[i];
    }
    free(reached);
    return CT_OK;
}

/* Each backward call: which inputs it serves, which it may set, which are zeroed before. */
static ct_status make_calls(bt_graph *graph)
{
    const size_t n = graph->n_nodes;
    graph->calls = calloc(n, sizeof *graph->calls);
    graph->parameter = calloc(n, sizeof *graph->parameter);
    graph->zero = calloc(n, sizeof *graph->zero);
    bool *written = calloc(n, sizeof *written);
    if (!graph->calls || !graph->parameter || !graph->zero || !written) {
        free(written);
        return CT_ENOMEM;
    }
    for (size_t i = n; i-- > 0;) {
        bt__node *node = &graph->nodes[i];
        bt__call *call = &graph->calls[i];
        const bt__op_code *code = graph->codes[node->op];
        call->out = node;
        call->n_in = node->n_in;
        call->number = (uint32_t)i;
        for (size_t j = 0; j < node->n_in; j++)
            call->in[j] = &graph->nodes[node->in[j]];
        if (!node->needs_gradient || !code || !code->backward)
            continue;
        for (size_t j = 0; j < node->n_in; j++) {
            const bt__node *in = call->in[j], *base = &graph->nodes[in->base];
            if (!in->needs_gradient)
                continue;
            call->wanted |= BT__IN(j);
            graph->parameter[i] |= base->op == BT__PARAMETER ? BT__IN(j) : 0;
            if (!written[in->base] && in->size == base->size &&
                (bt__tensor_ops[node->op].overwrites & BT__IN(j)))
                call->overwrite |= BT__IN(j);
            else if (!written[in->base])
                graph->zero[i] |= BT__IN(j);
            written[in->base] = true;
        }
    }
    free(written);
    return CT_OK;
}

/* ---- Memory ---- */

typedef struct array {
    void **at; // the pointer to set
    size_t bytes, from, to, offset;
} array;

typedef struct layout {
    array *arrays;
    size_t n;
    size_t bytes; // of the region they share
    size_t bytes_apart;
} layout;

static void add_array(layout *l, void **at, size_t bytes, size_t from, size_t to)
{
    const array a = {at, (bytes + 63) / 64 * 64, from, to, 0};
    l->arrays[l->n++] = a;
    l->bytes_apart += a.bytes;
}

static size_t later(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Whether the linear operation i leaves the gradient of its weight to the trainer. */
static bool weight_is_elsewhere(const bt_graph *graph, size_t i)
{
    const bt__node *node = &graph->nodes[i];
    if (graph->weights == BT__WEIGHTS_HERE || node->op != BT__LINEAR ||
        graph->nodes[node->in[1]].op != BT__PARAMETER || !node->needs_gradient ||
        (node->keep && node->attributes.kind != BT_IDENTITY))
        return false;
    size_t uses = 0;
    for (size_t k = 0; k < graph->n_nodes; k++)
        for (size_t j = 0; j < graph->nodes[k].n_in; j++)
            uses += graph->nodes[graph->nodes[k].in[j]].base == node->in[1];
    return uses == 1;
}

static void take_weights_away(bt_graph *graph)
{
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (weight_is_elsewhere(graph, i)) {
            graph->calls[i].wanted &= ~BT__IN(1);
            graph->nodes[graph->nodes[i].in[1]].needs_gradient = false;
            graph->nodes[i].weight_elsewhere = true;
        }
}

/* When the value, gradient and saved numbers of every node that owns memory are needed. */
static void find_lives(bt_graph *graph, layout *l, size_t *value_to, size_t *gradient_from)
{
    const size_t n = graph->n_nodes, end = 2 * n;
    for (size_t i = 0; i < n; i++) {
        const bt__node *node = &graph->nodes[i];
        const size_t back = graph->loss == BT_NO_TENSOR ? i : end - 1 - i;
        const bool runs_back = graph->calls[i].wanted != 0 || node->weight_elsewhere;
        const bool deferred = node->weight_elsewhere && graph->weights == BT__WEIGHTS_AFTER;
        value_to[node->base] = later(value_to[node->base], i);
        if (runs_back && (node->reads & BT__OUT))
            value_to[node->base] = later(value_to[node->base], back);
        if (graph->nodes[node->base].keep || node->keep)
            value_to[node->base] = end;
        for (size_t j = 0; j < node->n_in; j++) {
            const uint32_t base = graph->nodes[node->in[j]].base;
            const bool read = runs_back && (node->reads & BT__IN(j));
            value_to[base] = later(value_to[base], !read ? i : deferred ? end : back);
            if (graph->calls[i].wanted & BT__IN(j) && gradient_from[base] > back)
                gradient_from[base] = back;
        }
    }
    for (size_t i = 0; i < n; i++) {
        bt__node *node = &graph->nodes[i];
        const size_t bytes = node->size * bt__dtype_bytes(node->dtype);
        const size_t back = graph->loss == BT_NO_TENSOR ? i : end - 1 - i;
        const bool deferred = node->weight_elsewhere && graph->weights == BT__WEIGHTS_AFTER;
        if (node->base != i || node->op < BT__VIEW)
            continue;
        add_array(l, &node->value, bytes, i, value_to[i]);
        if (node->saved_bytes)
            add_array(l, &node->saved, node->saved_bytes, i,
                      graph->calls[i].wanted || node->weight_elsewhere ? back : i);
        if (node->needs_gradient)
            add_array(l, &node->gradient, bytes, i == graph->loss ? n : gradient_from[i],
                      node->keep || deferred ? end : back);
    }
}

static int by_size(const void *a, const void *b)
{
    const array *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->from < y->from ? -1 : x->from > y->from;
}

/* The largest first, each at the lowest place where nothing lives at its time. `order` holds those
 * that are placed, by offset. */
static void place_arrays(layout *l, size_t *order)
{
    qsort(l->arrays, l->n, sizeof *l->arrays, by_size);
    for (size_t i = 0; i < l->n; i++) {
        array *a = &l->arrays[i];
        size_t at = 0;
        for (size_t k = 0; k < i; k++) {
            const array *b = &l->arrays[order[k]];
            if (b->from > a->to || b->to < a->from || b->offset + b->bytes <= at)
                continue;
            if (b->offset >= at + a->bytes)
                break;
            at = b->offset + b->bytes;
        }
        a->offset = at;
        l->bytes = later(l->bytes, at + a->bytes);
        size_t k = i;
        for (; k > 0 && l->arrays[order[k - 1]].offset > at; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
}

static void carve_leaves(bt_graph *graph, ct_arena *arena)
{
    for (size_t i = 0; i < graph->n_nodes; i++) {
        bt__node *node = &graph->nodes[i];
        const size_t bytes = bt__dtype_bytes(node->dtype);
        if (node->op >= BT__VIEW)
            continue;
        if (!node->value) // not the shared graph's
            node->value = ct_arena_calloc(arena, node->size, bytes);
        if (node->needs_gradient)
            node->gradient = ct_arena_calloc(arena, node->size, bytes);
    }
}

/* Leaves, the shared region, work: measured with arena measuring, then laid out. */
static void carve(bt_graph *graph, ct_arena *arena, const layout *l, size_t work)
{
    carve_leaves(graph, arena);
    unsigned char *region = ct_arena_alloc(arena, l->bytes);
    for (size_t i = 0; region && i < l->n; i++)
        *l->arrays[i].at = region + l->arrays[i].offset;
    void *scratch = ct_arena_alloc(arena, work);
    for (size_t i = 0; i < graph->n_nodes; i++)
        graph->calls[i].work = scratch;
}

static void set_views(bt_graph *graph)
{
    for (size_t i = 0; i < graph->n_nodes; i++) {
        bt__node *node = &graph->nodes[i];
        const bt__node *base = &graph->nodes[node->base];
        const size_t skip = node->offset * bt__dtype_bytes(node->dtype);
        if (node->op != BT__VIEW)
            continue;
        node->value = (unsigned char *)base->value + skip;
        if (node->needs_gradient && base->gradient)
            node->gradient = (unsigned char *)base->gradient + skip;
    }
}

static ct_status lay_out(bt_graph *graph, ct_diag *diag)
{
    const size_t n = graph->n_nodes;
    layout l = {.arrays = calloc(3 * n, sizeof(array))};
    size_t *scratch = calloc(3 * n, sizeof *scratch);
    ct_status status = l.arrays && scratch ? CT_OK : CT_ENOMEM;
    size_t work = 0, bytes = 0;
    if (status == CT_OK) {
        for (size_t i = 0; i < n; i++) {
            scratch[n + i] = SIZE_MAX;
            work = later(work, graph->nodes[i].work_bytes);
        }
        find_lives(graph, &l, scratch, scratch + n);
        place_arrays(&l, scratch);
        ct_arena measure;
        ct_arena_init_measuring(&measure);
        carve(graph, &measure, &l, work);
        bytes = ct_arena_high_water(&measure);
        status = ct_arena_init(&graph->arena, bytes);
    }
    if (status == CT_OK) {
        carve(graph, &graph->arena, &l, work);
        set_views(graph);
        graph->memory.activations = l.bytes + work;
        graph->memory.activations_without_reuse = l.bytes_apart + work;
        graph->memory.total = bytes;
    } else {
        ct_fail(diag, status, "no memory for the graph's %zu bytes", bytes);
    }
    free(l.arrays);
    free(scratch);
    return status;
}

static void account(bt_graph *graph)
{
    bt_memory *m = &graph->memory;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const bt__node *node = &graph->nodes[i];
        const size_t bytes = node->size * bt__dtype_bytes(node->dtype);
        if (node->name && !graph->shared)
            m->parameters += bytes;
        else if (node->op == BT__INPUT) {
            m->activations += bytes;
            m->activations_without_reuse += bytes;
        }
        if (node->op < BT__VIEW && node->gradient)
            m->gradients += bytes;
    }
}

bt_memory bt_graph_memory(const bt_graph *graph)
{
    return graph->memory;
}

/* ---- The whole ---- */

/* Whether batch normalisation moves node i. */
static bool is_statistic(const bt_graph *graph, size_t i)
{
    for (size_t k = i + 1; k < graph->n_nodes; k++) {
        const bt__node *node = &graph->nodes[k];
        if (node->op == BT__BATCH_NORM && (node->in[3] == i || node->in[4] == i))
            return true;
    }
    return false;
}

static ct_status link_shared(bt_graph *graph, ct_diag *diag)
{
    bt_graph *from = graph->shared;
    char ours[BT_SHAPE_TEXT_SIZE], theirs[BT_SHAPE_TEXT_SIZE];
    if (!from)
        return CT_OK;
    if (!from->planned)
        return ct_fail(diag, CT_EINVALID, "the graph to share with is not planned");
    if (from->dtype != graph->dtype)
        return ct_fail(diag, CT_EINVALID, "the graph to share with is of another precision");
    for (size_t i = 0; i < graph->n_nodes; i++) {
        bt__node *node = &graph->nodes[i];
        if (!node->name ||
            (graph->own_statistics && node->op == BT__BUFFER && is_statistic(graph, i)))
            continue;
        const bt__node *found = bt__node_of(bt_graph_find(from, node->name));
        if (!found || found->op != node->op)
            return ct_fail(diag, CT_ENOTFOUND, "the graph to share with has no %s '%s'",
                           bt__tensor_ops[node->op].name, node->name);
        if (!bt__same_shape(&found->shape, &node->shape))
            return ct_fail(diag, BT_ESHAPE, "'%s' is %s here and %s in the graph to share with",
                           node->name, bt_shape_text(ours, &node->shape),
                           bt_shape_text(theirs, &found->shape));
        node->value = found->value;
    }
    return CT_OK;
}

/* OpenBLAS is not loaded for a small model. */
static bool has_large_product(const bt_graph *graph)
{
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i].product[0] &&
            bt__gemm_is_large(graph->simd, graph->nodes[i].product[0], graph->nodes[i].product[1],
                              graph->nodes[i].product[2]))
            return true;
    return false;
}

static ct_status check_plan(bt_graph *graph, bt_tensor loss, ct_diag *diag)
{
    char text[BT_SHAPE_TEXT_SIZE];
    if (graph->status != CT_OK)
        return ct_fail(diag, graph->status, "%s", graph->diag.text);
    if (graph->planned || graph->calls)
        return ct_fail(diag, CT_EINVALID, "bt_graph_plan was called before");
    if (loss.index == BT_NO_TENSOR && loss.graph == graph)
        return CT_OK;
    const bt_shape shape = bt_tensor_shape(loss);
    if (loss.graph != graph || bt_tensor_size(loss) != 1 || bt_tensor_dtype(loss) == BT_U32)
        return ct_fail(diag, CT_EINVALID, "the loss must be one real number of this graph, not %s",
                       loss.graph != graph ? "another's" : bt_shape_text(text, &shape));
    if (graph->nodes[loss.index].op <= BT__VIEW)
        return ct_fail(diag, CT_EINVALID, "the loss must be the result of an operation");
    graph->nodes[loss.index].keep = true;
    return CT_OK;
}

ct_status bt_graph_plan(bt_graph *graph, bt_tensor loss, ct_diag *diag)
{
    CT_TRY(check_plan(graph, loss, diag));
    CT_TRY(link_shared(graph, diag));
    graph->loss = loss.index;
    graph->codes = bt__op_codes(graph->simd, graph->dtype);
    if (graph->n_nodes == 0)
        return ct_fail(diag, CT_EINVALID, "the graph is empty");
    if (mark_gradients(graph) != CT_OK || make_calls(graph) != CT_OK)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    // A kept view keeps its memory.
    for (size_t i = 0; i < graph->n_nodes; i++)
        graph->nodes[graph->nodes[i].base].keep |= graph->nodes[i].keep;
    take_weights_away(graph);
    CT_TRY(lay_out(graph, diag));
    graph->planned = true;
    graph->use_blas = has_large_product(graph) && ct_blas_open(NULL) == CT_OK;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        graph->calls[i].kernels = ct_kernels_of(graph->simd);
        graph->calls[i].use_blas = graph->use_blas;
    }
    fill_leaves(graph);
    account(graph);
    return CT_OK;
}
