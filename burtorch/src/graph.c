// SPDX-License-Identifier: MIT
/* Graphs of tensors: building them node by node, views, and access to what they hold.
 *
 * Nodes are in topological order because a node can only use earlier ones. Planning is in
 * graph_plan.c, running in graph_run.c. */
#include "graph_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Shapes ---- */

const char *bt_shape_text(char out[BT_SHAPE_TEXT_SIZE], const bt_shape *shape)
{
    size_t used = (size_t)snprintf(out, BT_SHAPE_TEXT_SIZE, "(");
    for (size_t i = 0; i < shape->axes && i < BT_MAX_AXES; i++)
        used += (size_t)snprintf(out + used, BT_SHAPE_TEXT_SIZE - used, "%s%zu", i ? ", " : "",
                                 shape->dims[i]);
    snprintf(out + used, BT_SHAPE_TEXT_SIZE - used, ")");
    return out;
}

size_t bt__dtype_bytes(bt_dtype dtype)
{
    return dtype == BT_F64 ? sizeof(double) : sizeof(float);
}

size_t bt__shape_size(const bt_shape *shape)
{
    size_t n = 1;
    if (shape->axes > BT_MAX_AXES)
        return 0;
    for (size_t i = 0; i < shape->axes; i++)
        if (!ct_mul_size(&n, n, shape->dims[i]))
            return 0;
    return n <= SIZE_MAX / 64 ? n : 0;
}

bool bt__same_shape(const bt_shape *a, const bt_shape *b)
{
    bool same = a->axes == b->axes;
    for (size_t i = 0; same && i < a->axes; i++)
        same = a->dims[i] == b->dims[i];
    return same;
}

bool bt__axis(size_t *out, const bt_shape *shape, int axis)
{
    const long wanted = axis < 0 ? (long)shape->axes + axis : (long)axis;
    if (wanted < 0 || wanted >= (long)shape->axes)
        return false;
    *out = (size_t)wanted;
    return true;
}

ct_status bt__shapes_differ(const bt__call *call, ct_diag *diag, const char *names,
                            const char *rule)
{
    char text[BT_SHAPE_TEXT_SIZE], all[CT_DIAG_SIZE] = "";
    size_t used = 0;
    for (size_t j = 0; j < call->n_in && used < sizeof all; j++) {
        const int length = (int)strcspn(names, " ");
        const char *join = j == 0 ? "" : j + 1 == call->n_in ? " and " : ", ";
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%.*s %s", join, length, names,
                                 bt_shape_text(text, &call->in[j]->shape));
        names += length + (names[length] == ' ');
    }
    return ct_fail(diag, BT_ESHAPE, "%s do not fit (%s)", all, rule);
}

ct_status bt__want_real(const bt__call *call, size_t j, ct_diag *diag)
{
    if (call->in[j]->dtype != BT_U32)
        return CT_OK;
    return ct_fail(diag, BT_ESHAPE, "operand %zu holds indices and not real numbers", j + 1);
}

ct_status bt__want_indices(const bt__call *call, size_t j, ct_diag *diag)
{
    if (call->in[j]->dtype == BT_U32)
        return CT_OK;
    return ct_fail(diag, BT_ESHAPE, "operand %zu holds real numbers and not indices", j + 1);
}

/* ---- Building ---- */

ct_status bt_graph_create(bt_graph **out, bt_dtype dtype)
{
    *out = NULL;
    if (dtype != BT_F32 && dtype != BT_F64)
        return CT_EINVALID;
    bt_graph *graph = calloc(1, sizeof *graph);
    if (!graph)
        return CT_ENOMEM;
    graph->dtype = dtype;
    graph->seed = 1;
    graph->training = true;
    graph->simd = ct_kernels_get()->simd;
    *out = graph;
    return CT_OK;
}

void bt_graph_destroy(bt_graph *graph)
{
    if (!graph)
        return;
    for (size_t i = 0; i < graph->n_nodes; i++)
        free(graph->nodes[i].name);
    free(graph->nodes);
    free(graph->calls);
    free(graph->parameter);
    free(graph->zero);
    free(graph->profile);
    ct_arena_clear(&graph->arena);
    free(graph);
}

static bool copy_nodes(bt_graph *copy, const bt_graph *graph)
{
    copy->nodes = calloc(graph->n_nodes + 1, sizeof *copy->nodes);
    copy->capacity = graph->n_nodes + 1;
    for (size_t i = 0; copy->nodes && i < graph->n_nodes; i++) {
        copy->nodes[i] = graph->nodes[i];
        copy->n_nodes = i + 1;
        if (graph->nodes[i].name) {
            copy->nodes[i].name = strdup(graph->nodes[i].name);
            if (!copy->nodes[i].name)
                return false;
        }
    }
    return copy->nodes != NULL;
}

ct_status bt__graph_clone(bt_graph **out, bt_graph *graph)
{
    CT_TRY(bt_graph_create(out, graph->dtype));
    bt_graph *copy = *out;
    copy->seed = graph->seed;
    copy->simd = graph->simd;
    copy->status = graph->status;
    copy->diag = graph->diag;
    bt_graph_share(copy, graph);
    if (copy_nodes(copy, graph))
        return CT_OK;
    bt_graph_destroy(copy);
    *out = NULL;
    return CT_ENOMEM;
}

void bt_graph_set_seed(bt_graph *graph, uint64_t seed)
{
    graph->seed = seed;
}

bt_tensor bt__graph_fail(bt_graph *graph, ct_status status, const char *text)
{
    if (graph->status == CT_OK)
        graph->status = ct_fail(&graph->diag, status, "%s", text);
    return bt_tensor_none(graph);
}

static bt_tensor append(bt_graph *graph, const bt__node *node)
{
    if (graph->n_nodes == graph->capacity) {
        const size_t capacity = graph->capacity ? 2 * graph->capacity : 32;
        bt__node *larger =
            capacity < BT_NO_TENSOR ? realloc(graph->nodes, capacity * sizeof *larger) : NULL;
        if (!larger)
            return bt__graph_fail(graph, CT_ENOMEM, "no memory for more tensors");
        graph->nodes = larger;
        graph->capacity = capacity;
    }
    graph->nodes[graph->n_nodes] = *node;
    bt_tensor tensor = {graph, (uint32_t)graph->n_nodes++};
    return tensor;
}

static void set_row_major(bt__node *node)
{
    size_t stride = 1;
    for (size_t i = node->shape.axes; i-- > 0;) {
        node->stride[i] = stride;
        stride *= node->shape.dims[i];
    }
    node->contiguous = true;
}

/* Check and append a node whose shape is set; it is its own memory. */
static bt_tensor finish_node(bt_graph *graph, bt__node *node)
{
    char text[BT_SHAPE_TEXT_SIZE];
    if (graph->planned)
        return bt__graph_fail(graph, CT_EINVALID, "a tensor was added after bt_graph_plan");
    node->size = bt__shape_size(&node->shape);
    if (node->size == 0) {
        if (graph->status == CT_OK)
            graph->status =
                ct_fail(&graph->diag, BT_ESHAPE, "%s: shape %s is empty or too large",
                        bt__tensor_ops[node->op].name, bt_shape_text(text, &node->shape));
        return bt_tensor_none(graph);
    }
    set_row_major(node);
    node->base = (uint32_t)graph->n_nodes;
    return append(graph, node);
}

static bt_tensor leaf(bt_graph *graph, bt__tensor_op_id op, bt_dtype dtype, bt_shape shape,
                      bt_init init)
{
    bt__node node = {.op = op, .dtype = dtype, .shape = shape, .init = init, .keep = true};
    node.needs_gradient = op == BT__PARAMETER;
    return finish_node(graph, &node);
}

static bt_tensor name_taken(bt_graph *graph, const char *name)
{
    if (graph->status == CT_OK)
        graph->status = ct_fail(&graph->diag, CT_EINVALID,
                                "two parameters or buffers of one name, '%.200s'", name);
    return bt_tensor_none(graph);
}

static bt_tensor named_leaf(bt_graph *graph, bt__tensor_op_id op, const char *name, bt_shape shape,
                            bt_init init)
{
    if (bt_graph_find(graph, name).index != BT_NO_TENSOR)
        return name_taken(graph, name);
    const bt_tensor tensor = leaf(graph, op, graph->dtype, shape, init);
    if (tensor.index == BT_NO_TENSOR)
        return tensor;
    graph->nodes[tensor.index].name = strdup(name);
    if (!graph->nodes[tensor.index].name)
        return bt__graph_fail(graph, CT_ENOMEM, "no memory for a parameter's name");
    return tensor;
}

bt_tensor bt_parameter(bt_graph *graph, const char *name, bt_shape shape, bt_init init)
{
    return named_leaf(graph, BT__PARAMETER, name, shape, init);
}

bt_tensor bt_buffer(bt_graph *graph, const char *name, bt_shape shape, bt_init init)
{
    return named_leaf(graph, BT__BUFFER, name, shape, init);
}

bt_tensor bt_input(bt_graph *graph, bt_shape shape)
{
    return leaf(graph, BT__INPUT, graph->dtype, shape, bt_init_zeros());
}

bt_tensor bt_input_u32(bt_graph *graph, bt_shape shape)
{
    return leaf(graph, BT__INPUT, BT_U32, shape, bt_init_zeros());
}

bt_tensor bt_tensor_constant(bt_graph *graph, double value)
{
    return leaf(graph, BT__INPUT, graph->dtype, bt_shape0(), bt_init_constant(value));
}

void bt_graph_share(bt_graph *graph, bt_graph *from)
{
    graph->shared = from->shared ? from->shared : from;
}

bt_tensor bt_tensor_keep(bt_tensor x)
{
    if (bt__node_of(x))
        bt__node_of(x)->keep = true;
    return x;
}

bt_tensor bt_tensor_want_gradient(bt_tensor x)
{
    bt__node *node = bt__node_of(x);
    if (node && node->op == BT__INPUT && node->dtype != BT_U32)
        node->needs_gradient = true;
    return x;
}

/* ---- Operations ---- */

/* The inputs of an operation are tensors of one graph, which is returned. */
static bt_graph *check_inputs(const bt_tensor *in, size_t n_in)
{
    bt_graph *graph = NULL;
    for (size_t i = 0; i < n_in && !graph; i++)
        graph = in[i].graph;
    for (size_t i = 0; graph && i < n_in; i++) {
        if (in[i].graph != graph)
            bt__graph_fail(graph, CT_EINVALID, "tensors of different graphs in one operation");
        else if (in[i].index >= graph->n_nodes && graph->status == CT_OK)
            bt__graph_fail(graph, CT_EINVALID, "an unset tensor");
    }
    return graph;
}

static bt_tensor shape_failure(bt_graph *graph, ct_status status, const char *op, ct_diag *diag)
{
    ct_diag_prefix(diag, "%s", op);
    return bt__graph_fail(graph, status, diag->text);
}

bt_tensor bt__tensor_record(bt__tensor_op_id op, const bt_tensor *in, size_t n_in,
                            const bt__attributes *attributes, bt_shape shape)
{
    const bt__tensor_op *row = &bt__tensor_ops[op];
    bt_graph *graph = check_inputs(in, n_in);
    if (!graph || graph->status != CT_OK)
        return bt_tensor_none(graph);
    bt__node node = {.op = op, .dtype = graph->dtype, .shape = shape, .n_in = n_in};
    bt__call call = {.out = &node, .n_in = n_in};
    node.reads = row->reads;
    if (attributes)
        node.attributes = *attributes;
    for (size_t j = 0; j < n_in; j++) {
        bt_tensor x = in[j];
        if (!graph->nodes[x.index].contiguous && !(row->strided & BT__IN(j)))
            x = bt__tensor_record(BT__COPY, &x, 1, NULL, bt_shape0());
        if (x.index == BT_NO_TENSOR)
            return x;
        node.in[j] = x.index;
        node.needs_gradient |= graph->nodes[x.index].needs_gradient;
    }
    for (size_t j = 0; j < n_in; j++)
        call.in[j] = &graph->nodes[node.in[j]];
    ct_diag diag;
    ct_diag_clear(&diag);
    const ct_status status = row->shape(&call, &diag);
    if (status != CT_OK)
        return shape_failure(graph, status, row->name, &diag);
    if (node.dtype == BT_U32)
        node.needs_gradient = false;
    return finish_node(graph, &node);
}

/* A node on the memory of x; the caller has set shape, strides and offset of *view. */
static bt_tensor append_view(bt_tensor x, bt__node *view)
{
    const bt__node *of = bt__node_of(x);
    if (x.graph->planned)
        return bt__graph_fail(x.graph, CT_EINVALID, "a tensor was added after bt_graph_plan");
    view->op = BT__VIEW;
    view->dtype = of->dtype;
    view->size = bt__shape_size(&view->shape);
    view->n_in = 1;
    view->in[0] = x.index;
    view->base = of->base;
    view->needs_gradient = of->needs_gradient;
    size_t stride = 1;
    view->contiguous = true;
    for (size_t i = view->shape.axes; i-- > 0;) {
        view->contiguous &= view->shape.dims[i] == 1 || view->stride[i] == stride;
        stride *= view->shape.dims[i];
    }
    return append(x.graph, view);
}

/* The node of a view's source; NULL: an error that the graph knows. */
static const bt__node *source_of(bt_tensor x)
{
    const bt_graph *graph = check_inputs(&x, 1);
    return graph && graph->status == CT_OK ? bt__node_of(x) : NULL;
}

bt_tensor bt_tensor_reshape(bt_tensor x, bt_shape shape)
{
    char from[BT_SHAPE_TEXT_SIZE], to[BT_SHAPE_TEXT_SIZE];
    const bt__node *of = source_of(x);
    ct_diag diag;
    ct_diag_clear(&diag);
    if (!of)
        return bt_tensor_none(x.graph);
    if (shape.axes > BT_MAX_AXES || bt__shape_size(&shape) != of->size)
        return shape_failure(x.graph,
                             ct_fail(&diag, BT_ESHAPE, "%s does not have the elements of %s",
                                     bt_shape_text(to, &shape), bt_shape_text(from, &of->shape)),
                             "reshape", &diag);
    if (!of->contiguous) {
        x = bt__tensor_record(BT__COPY, &x, 1, NULL, bt_shape0());
        of = bt__node_of(x);
        if (!of)
            return x;
    }
    bt__node view = {.shape = shape, .offset = of->offset};
    set_row_major(&view);
    return append_view(x, &view);
}

static bt_tensor bad_axis(bt_tensor x, const char *op, int axis)
{
    char text[BT_SHAPE_TEXT_SIZE];
    ct_diag diag;
    ct_diag_clear(&diag);
    return shape_failure(x.graph,
                         ct_fail(&diag, BT_ESHAPE, "%s has no axis %d",
                                 bt_shape_text(text, &bt__node_of(x)->shape), axis),
                         op, &diag);
}

bt_tensor bt_tensor_transpose(bt_tensor x, int axis, int other)
{
    const bt__node *of = source_of(x);
    size_t a, b;
    if (!of)
        return bt_tensor_none(x.graph);
    if (!bt__axis(&a, &of->shape, axis))
        return bad_axis(x, "transpose", axis);
    if (!bt__axis(&b, &of->shape, other))
        return bad_axis(x, "transpose", other);
    bt__node view = {.shape = of->shape, .offset = of->offset};
    memcpy(view.stride, of->stride, sizeof view.stride);
    view.shape.dims[a] = of->shape.dims[b];
    view.shape.dims[b] = of->shape.dims[a];
    view.stride[a] = of->stride[b];
    view.stride[b] = of->stride[a];
    return append_view(x, &view);
}

bt_tensor bt_tensor_slice(bt_tensor x, int axis, size_t start, size_t stop)
{
    char text[BT_SHAPE_TEXT_SIZE];
    const bt__node *of = source_of(x);
    size_t a;
    ct_diag diag;
    ct_diag_clear(&diag);
    if (!of)
        return bt_tensor_none(x.graph);
    if (!bt__axis(&a, &of->shape, axis))
        return bad_axis(x, "slice", axis);
    if (start >= stop || stop > of->shape.dims[a])
        return shape_failure(x.graph,
                             ct_fail(&diag, BT_ESHAPE, "%zu:%zu of axis %d of %s", start, stop,
                                     axis, bt_shape_text(text, &of->shape)),
                             "slice", &diag);
    bt__node view = {.shape = of->shape, .offset = of->offset + start * of->stride[a]};
    memcpy(view.stride, of->stride, sizeof view.stride);
    view.shape.dims[a] = stop - start;
    return append_view(x, &view);
}

/* ---- Access ---- */

bt__node *bt__node_of(bt_tensor x)
{
    return x.graph && x.index < x.graph->n_nodes ? &x.graph->nodes[x.index] : NULL;
}

static void *kept(bt_tensor x, bt_dtype dtype, bool gradient)
{
    const bt__node *node = bt__node_of(x);
    if (!node || !x.graph->planned || node->dtype != dtype)
        return NULL;
    if (!x.graph->nodes[node->base].keep)
        return NULL;
    return gradient ? node->gradient : node->value;
}

float *bt_tensor_f32(bt_tensor x)
{
    return kept(x, BT_F32, false);
}

double *bt_tensor_f64(bt_tensor x)
{
    return kept(x, BT_F64, false);
}

uint32_t *bt_tensor_u32(bt_tensor x)
{
    return kept(x, BT_U32, false);
}

float *bt_tensor_gradient_f32(bt_tensor x)
{
    return kept(x, BT_F32, true);
}

double *bt_tensor_gradient_f64(bt_tensor x)
{
    return kept(x, BT_F64, true);
}

/* Where element i (in row-major order of the view) lies. */
static size_t place_of(const bt__node *node, size_t i)
{
    size_t place = 0;
    if (node->contiguous)
        return i;
    for (size_t a = node->shape.axes; a-- > 0;) {
        place += i % node->shape.dims[a] * node->stride[a];
        i /= node->shape.dims[a];
    }
    return place;
}

static bool copy_out(bt_tensor x, double *out, bool gradient)
{
    const bt__node *node = bt__node_of(x);
    const void *from = node ? kept(x, node->dtype, gradient) : NULL;
    if (!from)
        return false;
    for (size_t i = 0; i < node->size; i++)
        out[i] = bt__get(node->dtype, from, place_of(node, i));
    return true;
}

bool bt_tensor_read(bt_tensor x, double *out)
{
    return copy_out(x, out, false);
}

bool bt_tensor_read_gradient(bt_tensor x, double *out)
{
    return copy_out(x, out, true);
}

bool bt_tensor_write(bt_tensor x, const double *in)
{
    const bt__node *node = bt__node_of(x);
    void *to = node ? kept(x, node->dtype, false) : NULL;
    if (!to)
        return false;
    for (size_t i = 0; i < node->size; i++)
        bt__put(node->dtype, to, place_of(node, i), in[i]);
    return true;
}

double bt_tensor_value(bt_tensor x)
{
    const float *f32 = bt_tensor_f32(x);
    const double *f64 = bt_tensor_f64(x);
    return f32 ? (double)*f32 : f64 ? *f64 : (double)NAN;
}

bt_shape bt_tensor_shape(bt_tensor x)
{
    const bt__node *node = bt__node_of(x);
    return node ? node->shape : bt_shape0();
}

bt_dtype bt_tensor_dtype(bt_tensor x)
{
    const bt__node *node = bt__node_of(x);
    return node ? node->dtype : BT_F32;
}

size_t bt_tensor_size(bt_tensor x)
{
    const bt__node *node = bt__node_of(x);
    return node ? node->size : 0;
}

const char *bt_tensor_name(bt_tensor x)
{
    const bt__node *node = bt__node_of(x);
    return node ? node->name : NULL;
}

bt_dtype bt_graph_dtype(const bt_graph *graph)
{
    return graph->dtype;
}

static size_t count_leaves(const bt_graph *graph, bt__tensor_op_id op)
{
    size_t n = 0;
    for (size_t i = 0; i < graph->n_nodes; i++)
        n += graph->nodes[i].op == op;
    return n;
}

static bt_tensor leaf_number(bt_graph *graph, bt__tensor_op_id op, size_t number)
{
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i].op == op && number-- == 0) {
            const bt_tensor tensor = {graph, (uint32_t)i};
            return tensor;
        }
    return bt_tensor_none(graph);
}

size_t bt_graph_parameters(const bt_graph *graph)
{
    return count_leaves(graph, BT__PARAMETER);
}

bt_tensor bt_graph_parameter(bt_graph *graph, size_t i)
{
    return leaf_number(graph, BT__PARAMETER, i);
}

size_t bt_graph_buffers(const bt_graph *graph)
{
    return count_leaves(graph, BT__BUFFER);
}

bt_tensor bt_graph_buffer(bt_graph *graph, size_t i)
{
    return leaf_number(graph, BT__BUFFER, i);
}

size_t bt_graph_parameter_elements(const bt_graph *graph)
{
    size_t n = 0;
    for (size_t i = 0; i < graph->n_nodes; i++)
        n += graph->nodes[i].op == BT__PARAMETER ? graph->nodes[i].size : 0;
    return n;
}

bt_tensor bt_graph_find(bt_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i].name && strcmp(graph->nodes[i].name, name) == 0) {
            const bt_tensor tensor = {graph, (uint32_t)i};
            return tensor;
        }
    return bt_tensor_none(graph);
}
