// SPDX-License-Identifier: MIT
/* Graphs of tensors: building them node by node, laying out their memory, and running them.
 *
 * Nodes are in topological order because a node can only use earlier ones; forward and backward are
 * loops over them. The layout is made by running the carving code twice, first to measure. */
#include "graph_private.h"

#include <ctrain/blas.h>
#include <ctrain/kernels.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_TENSOR UINT32_MAX

/* ---- Building ---- */

ct_status bt_graph_create(bt_graph **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? CT_OK : CT_ENOMEM;
}

void bt_graph_destroy(bt_graph *graph)
{
    if (!graph)
        return;
    for (size_t i = 0; i < graph->n_nodes; i++)
        free(graph->nodes[i].name);
    free(graph->nodes);
    ct_arena_clear(&graph->arena);
    free(graph);
}

const char *bt__shape_text(char out[BT__SHAPE_TEXT_SIZE], const bt_shape *shape)
{
    size_t used = (size_t)snprintf(out, BT__SHAPE_TEXT_SIZE, "(");
    for (size_t i = 0; i < shape->axes && i < BT_MAX_AXES; i++)
        used += (size_t)snprintf(out + used, BT__SHAPE_TEXT_SIZE - used, "%s%zu", i ? ", " : "",
                                 shape->dims[i]);
    snprintf(out + used, BT__SHAPE_TEXT_SIZE - used, ")");
    return out;
}

static bt_tensor none_of(bt_graph *graph)
{
    bt_tensor none = {graph, NO_TENSOR};
    return none;
}

static bt_tensor graph_fail(bt_graph *graph, ct_status status, const char *text)
{
    if (graph->status == CT_OK)
        graph->status = ct_fail(&graph->diag, status, "%s", text);
    return none_of(graph);
}

static bool count_elements(size_t *out, const bt_shape *shape)
{
    *out = 1;
    if (shape->axes > BT_MAX_AXES)
        return false;
    for (size_t i = 0; i < shape->axes; i++)
        if (!ct_mul_size(out, *out, shape->dims[i]))
            return false;
    return *out <= SIZE_MAX / sizeof(float) / 4;
}

static bt_tensor append(bt_graph *graph, const bt__node *node)
{
    if (graph->n_nodes == graph->capacity) {
        const size_t capacity = graph->capacity ? 2 * graph->capacity : 32;
        bt__node *larger = realloc(graph->nodes, capacity * sizeof *larger);
        if (!larger)
            return graph_fail(graph, CT_ENOMEM, "no memory for more tensors");
        graph->nodes = larger;
        graph->capacity = capacity;
    }
    graph->nodes[graph->n_nodes] = *node;
    bt_tensor tensor = {graph, (uint32_t)graph->n_nodes++};
    return tensor;
}

/* Check and append a node whose shape is set. */
static bt_tensor finish_node(bt_graph *graph, bt__node *node)
{
    char text[BT__SHAPE_TEXT_SIZE];
    if (graph->planned)
        return graph_fail(graph, CT_EINVALID, "a tensor was added after bt_graph_plan");
    if (!count_elements(&node->size, &node->shape) || node->size == 0) {
        if (graph->status == CT_OK)
            graph->status =
                ct_fail(&graph->diag, BT_ESHAPE, "%s: shape %s is empty or too large",
                        bt__tensor_ops[node->op].name, bt__shape_text(text, &node->shape));
        return none_of(graph);
    }
    return append(graph, node);
}

static bt_tensor leaf(bt_graph *graph, bt__tensor_op_id op, bt__dtype dtype, bt_shape shape)
{
    bt__node node = {.op = op, .dtype = dtype, .shape = shape};
    node.needs_gradient = op == BT__PARAMETER;
    return finish_node(graph, &node);
}

bt_tensor bt_parameter(bt_graph *graph, const char *name, bt_shape shape)
{
    const bt_tensor tensor = leaf(graph, BT__PARAMETER, BT__F32, shape);
    if (tensor.index == NO_TENSOR)
        return tensor;
    char *copy = strdup(name);
    if (!copy)
        return graph_fail(graph, CT_ENOMEM, "no memory for a parameter's name");
    graph->nodes[tensor.index].name = copy;
    return tensor;
}

bt_tensor bt_input_f32(bt_graph *graph, bt_shape shape)
{
    return leaf(graph, BT__INPUT, BT__F32, shape);
}

bt_tensor bt_input_u32(bt_graph *graph, bt_shape shape)
{
    return leaf(graph, BT__INPUT, BT__U32, shape);
}

/* The call of a node, once its inputs are known. */
static bt__call call_of(bt_graph *graph, bt__node *node)
{
    bt__call call = {.out = node, .use_blas = graph->use_blas};
    for (size_t i = 0; i < bt__tensor_ops[node->op].n_inputs; i++)
        call.in[i] = &graph->nodes[node->in[i]];
    return call;
}

bt_tensor bt__tensor_record(bt__tensor_op_id op, const bt_tensor *in, bt_shape shape)
{
    bt_graph *graph = in[0].graph;
    bt__node node = {.op = op, .shape = shape};
    const bt__tensor_op *row = &bt__tensor_ops[op];
    if (!graph)
        return none_of(NULL);
    for (size_t i = 0; i < row->n_inputs; i++) {
        if (in[i].graph != graph)
            return graph_fail(graph, CT_EINVALID, "tensors of different graphs in one operation");
        if (in[i].index >= graph->n_nodes)
            return graph->status ? none_of(graph)
                                 : graph_fail(graph, CT_EINVALID, "an unset tensor");
        node.in[i] = in[i].index;
        node.needs_gradient |= graph->nodes[in[i].index].needs_gradient;
    }
    bt__call call = call_of(graph, &node);
    ct_diag diag;
    const ct_status status = row->shape(&call, &diag);
    if (status != CT_OK) {
        ct_diag_prefix(&diag, "%s", row->name);
        return graph_fail(graph, status, diag.text);
    }
    return finish_node(graph, &node);
}

bt_tensor bt_tensor_reshape(bt_tensor x, bt_shape shape)
{
    return bt__tensor_record(BT__RESHAPE, &x, shape);
}

bt_tensor bt_tensor_embedding(bt_tensor table, bt_tensor indices)
{
    const bt_tensor in[] = {table, indices};
    return bt__tensor_record(BT__EMBEDDING, in, bt_shape0());
}

bt_tensor bt_tensor_linear(bt_tensor x, bt_tensor weight, bt_tensor bias)
{
    const bt_tensor in[] = {x, weight, bias};
    return bt__tensor_record(BT__LINEAR, in, bt_shape0());
}

bt_tensor bt_tensor_tanh(bt_tensor x)
{
    return bt__tensor_record(BT__TANH, &x, bt_shape0());
}

bt_tensor bt_tensor_cross_entropy(bt_tensor logits, bt_tensor targets)
{
    const bt_tensor in[] = {logits, targets};
    return bt__tensor_record(BT__CROSS_ENTROPY, in, bt_shape0());
}

/* ---- Memory ---- */

/* Nodes whose gradient the loss needs: those it depends on that depend on a parameter. */
static ct_status mark_gradients(bt_graph *graph)
{
    bool *reached = calloc(graph->n_nodes, sizeof *reached);
    if (!reached)
        return CT_ENOMEM;
    reached[graph->loss] = true;
    for (size_t i = graph->n_nodes; i-- > 0;) {
        bt__node *node = &graph->nodes[i];
        for (size_t j = 0; reached[i] && j < bt__tensor_ops[node->op].n_inputs; j++)
            reached[node->in[j]] = true;
        node->needs_gradient &= reached[i];
    }
    free(reached);
    return CT_OK;
}

static void carve(bt_graph *graph, ct_arena *arena)
{
    for (size_t i = 0; i < graph->n_nodes; i++) {
        bt__node *node = &graph->nodes[i];
        const bt__node *of = &graph->nodes[node->in[0]];
        if (node->is_view) {
            node->f32 = of->f32;
            node->u32 = of->u32;
        } else if (node->dtype == BT__F32) {
            node->f32 = ct_arena_array(arena, float, node->size);
        } else {
            node->u32 = ct_arena_array(arena, uint32_t, node->size);
        }
        node->scratch = ct_arena_array(arena, float, node->scratch_size);
    }
    for (size_t i = 0; i < graph->n_nodes; i++) {
        bt__node *node = &graph->nodes[i];
        if (node->is_view)
            node->gradient = graph->nodes[node->in[0]].gradient;
        else if (node->needs_gradient)
            node->gradient = ct_arena_array(arena, float, node->size);
    }
}

/* OpenBLAS is not loaded for a small model. */
static bool has_large_product(const bt_graph *graph)
{
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const bt__node *node = &graph->nodes[i];
        if (node->op == BT__LINEAR) {
            const size_t *weight = graph->nodes[node->in[1]].shape.dims;
            if (bt__gemm_is_large(node->size / weight[0], weight[0], weight[1]))
                return true;
        }
    }
    return false;
}

ct_status bt_graph_plan(bt_graph *graph, bt_tensor loss, ct_diag *diag)
{
    if (graph->status != CT_OK)
        return ct_fail(diag, graph->status, "%s", graph->diag.text);
    if (graph->planned)
        return ct_fail(diag, CT_EINVALID, "bt_graph_plan was called before");
    if (loss.graph != graph || bt_tensor_size(loss) != 1 ||
        graph->nodes[loss.index].dtype != BT__F32)
        return ct_fail(diag, CT_EINVALID, "the loss must be one number of this graph");
    graph->loss = loss.index;
    if (mark_gradients(graph) != CT_OK)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    ct_arena measure;
    ct_arena_init_measuring(&measure);
    carve(graph, &measure);
    const size_t bytes = ct_arena_high_water(&measure);
    if (ct_arena_init(&graph->arena, bytes) != CT_OK)
        return ct_fail(diag, CT_ENOMEM, "no memory for the graph's %zu bytes", bytes);
    carve(graph, &graph->arena);
    graph->planned = true;
    graph->use_blas = has_large_product(graph) && ct_blas_open(NULL) == CT_OK;
    return CT_OK;
}

/* ---- Running ---- */

ct_status bt_graph_forward(bt_graph *graph, ct_diag *diag)
{
    if (!graph->planned)
        return ct_fail(diag, CT_EINVALID, "bt_graph_plan has not been called, or failed");
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const bt__call call = call_of(graph, &graph->nodes[i]);
        const bt__tensor_op *row = &bt__tensor_ops[graph->nodes[i].op];
        if (!row->forward)
            continue;
        const ct_status status = row->forward(&call, diag);
        if (status != CT_OK) {
            ct_diag_prefix(diag, "%s", row->name);
            return status;
        }
    }
    return CT_OK;
}

void bt_graph_backward(bt_graph *graph)
{
    if (!graph->planned || !graph->nodes[graph->loss].gradient)
        return;
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i].gradient && !graph->nodes[i].is_view)
            memset(graph->nodes[i].gradient, 0, graph->nodes[i].size * sizeof(float));
    graph->nodes[graph->loss].gradient[0] = 1.0f;
    for (size_t i = graph->n_nodes; i-- > 0;) {
        const bt__call call = call_of(graph, &graph->nodes[i]);
        const bt__tensor_op *row = &bt__tensor_ops[graph->nodes[i].op];
        if (row->backward && graph->nodes[i].gradient)
            row->backward(&call);
    }
}

void bt_graph_sgd_step(bt_graph *graph, float rate)
{
    const ct_kernels *k = ct_kernels_get();
    for (size_t i = 0; i < graph->n_nodes; i++) {
        bt__node *node = &graph->nodes[i];
        if (node->op == BT__PARAMETER && node->gradient)
            k->f32.axpy(node->f32, -rate, node->gradient, node->size);
    }
}

/* ---- Access ---- */

static const bt__node *node_of(bt_tensor x)
{
    return x.graph && x.index < x.graph->n_nodes ? &x.graph->nodes[x.index] : NULL;
}

float *bt_tensor_f32(bt_tensor x)
{
    const bt__node *node = node_of(x);
    return node ? node->f32 : NULL;
}

uint32_t *bt_tensor_u32(bt_tensor x)
{
    const bt__node *node = node_of(x);
    return node ? node->u32 : NULL;
}

const float *bt_tensor_gradient(bt_tensor x)
{
    const bt__node *node = node_of(x);
    return node ? node->gradient : NULL;
}

bt_shape bt_tensor_shape(bt_tensor x)
{
    const bt__node *node = node_of(x);
    return node ? node->shape : bt_shape0();
}

size_t bt_tensor_size(bt_tensor x)
{
    const bt__node *node = node_of(x);
    return node ? node->size : 0;
}

const char *bt_tensor_name(bt_tensor x)
{
    const bt__node *node = node_of(x);
    return node ? node->name : NULL;
}

size_t bt_graph_parameters(const bt_graph *graph)
{
    size_t n = 0;
    for (size_t i = 0; i < graph->n_nodes; i++)
        n += graph->nodes[i].op == BT__PARAMETER;
    return n;
}

bt_tensor bt_graph_parameter(bt_graph *graph, size_t i)
{
    for (size_t j = 0; j < graph->n_nodes; j++) {
        if (graph->nodes[j].op == BT__PARAMETER && i-- == 0) {
            bt_tensor parameter = {graph, (uint32_t)j};
            return parameter;
        }
    }
    return none_of(graph);
}

void bt_tensor_fill_normal(bt_tensor x, ct_rng *rng, double deviation)
{
    float *out = bt_tensor_f32(x);
    for (size_t i = 0; out && i < bt_tensor_size(x); i++)
        out[i] = (float)(deviation * ct_rng_normal(rng));
}

size_t bt_graph_bytes(const bt_graph *graph)
{
    return ct_arena_high_water(&graph->arena);
}
