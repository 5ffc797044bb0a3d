// SPDX-License-Identifier: MIT
/* Training with tensors: a graph of operations on arrays, built once, run as often as there are
 * steps.
 *
 *     bt_tensor ids = bt_input_u32(g, bt_shape2(64, 3)), next = bt_input_u32(g, bt_shape1(64));
 *     bt_tensor table = bt_parameter(g, "embedding", bt_shape2(27, 10));
 *     bt_tensor w = bt_parameter(g, "weight", bt_shape2(27, 30));
 *     bt_tensor b = bt_parameter(g, "bias", bt_shape1(27));
 *     bt_tensor x = bt_tensor_reshape(bt_tensor_embedding(table, ids), bt_shape2(64, 30));
 *     bt_tensor loss = bt_tensor_cross_entropy(bt_tensor_linear(x, w, b), next);
 *     if (bt_graph_plan(g, loss, &diag) != CT_OK) …   // shapes that do not fit are reported here
 *     for (…) {
 *         … fill bt_tensor_u32(ids) and bt_tensor_u32(next) …
 *         if (bt_graph_forward(g, &diag) != CT_OK) …
 *         bt_graph_backward(g);
 *         bt_graph_sgd_step(g, 0.1f);
 *     }
 *
 * Tensors are dense and row-major, of float (f32) or of whole numbers (u32, for indices), with up
 * to four axes; no axes is a single number. bt_graph_plan lays out all values and gradients in one
 * block; running allocates nothing. Building is forgiving as a tape is: an operation that cannot be
 * (BT_ESHAPE, with both shapes in the text; tensors of two graphs) gives the tensor that is none,
 * and bt_graph_plan reports the first such error.
 *
 * Not thread-safe: one graph, one thread at a time. */
#ifndef BURTORCH_GRAPH_H
#define BURTORCH_GRAPH_H

#include <ctrain/rng.h>
#include <ctrain/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bt_graph bt_graph;

/* A node of a graph, passed by value; the graph owns what it stands for. The tensor that is none
 * has an index beyond all nodes. */
typedef struct bt_tensor {
    bt_graph *graph;
    uint32_t index;
} bt_tensor;

#define BT_MAX_AXES 4
typedef struct bt_shape {
    size_t axes;
    size_t dims[BT_MAX_AXES];
} bt_shape;

static inline bt_shape bt_shape4(size_t a, size_t b, size_t c, size_t d)
{
    bt_shape shape;
    shape.axes = 4;
    shape.dims[0] = a;
    shape.dims[1] = b;
    shape.dims[2] = c;
    shape.dims[3] = d;
    return shape;
}
static inline bt_shape bt__shape_first(bt_shape shape, size_t axes)
{
    shape.axes = axes;
    return shape;
}
static inline bt_shape bt_shape3(size_t a, size_t b, size_t c)
{
    return bt__shape_first(bt_shape4(a, b, c, 1), 3);
}
static inline bt_shape bt_shape2(size_t a, size_t b)
{
    return bt__shape_first(bt_shape4(a, b, 1, 1), 2);
}
static inline bt_shape bt_shape1(size_t a)
{
    return bt__shape_first(bt_shape4(a, 1, 1, 1), 1);
}
static inline bt_shape bt_shape0(void)
{
    return bt__shape_first(bt_shape4(1, 1, 1, 1), 0);
}

/* ---- Building ---- */

/* On failure (CT_ENOMEM) *out is NULL. */
CT_MUST_USE ct_status bt_graph_create(bt_graph **out);
/* Free it and all its tensors; NULL is allowed. */
void bt_graph_destroy(bt_graph *graph);

/* An array that training changes; it starts as zeros. name is copied, and names it in files. */
bt_tensor bt_parameter(bt_graph *graph, const char *name, bt_shape shape);
/* Arrays the caller fills before each forward. */
bt_tensor bt_input_f32(bt_graph *graph, bt_shape shape);
bt_tensor bt_input_u32(bt_graph *graph, bt_shape shape);

/* The same elements in another shape: no copy. BT_ESHAPE: another number of elements. */
bt_tensor bt_tensor_reshape(bt_tensor x, bt_shape shape);
/* Rows of table (V, E) by indices (...) below V: (..., E). */
bt_tensor bt_tensor_embedding(bt_tensor table, bt_tensor indices);
/* x (..., K), weight (N, K), bias (N): x weight^T + bias, (..., N). */
bt_tensor bt_tensor_linear(bt_tensor x, bt_tensor weight, bt_tensor bias);
bt_tensor bt_tensor_tanh(bt_tensor x);
/* Softmax and cross-entropy in one: logits (..., V), targets (...) below V. The mean, in nats, of
 * -log softmax(logits)[target] over the targets that are not BT_IGNORE; 0 when all are. */
bt_tensor bt_tensor_cross_entropy(bt_tensor logits, bt_tensor targets);
#define BT_IGNORE UINT32_MAX

/* Fix the graph: loss (one number) is what bt_graph_backward differentiates. Afterwards nothing can
 * be added. Reports the first error of building; CT_EINVALID: loss is not one number, or planned
 * twice; CT_ENOMEM. */
CT_MUST_USE ct_status bt_graph_plan(bt_graph *graph, bt_tensor loss, ct_diag *diag);

/* ---- Running, after bt_graph_plan ---- */

/* Compute every node. CT_ERANGE: an index beyond its table; diag names both. CT_EINVALID: the graph
 * is not planned (where bt_graph_backward and bt_graph_sgd_step do nothing). */
CT_MUST_USE ct_status bt_graph_forward(bt_graph *graph, ct_diag *diag);
/* Gradients of the loss of the last forward, set (not added) for every node it depends on. */
void bt_graph_backward(bt_graph *graph);
/* Every parameter -= rate * its gradient. */
void bt_graph_sgd_step(bt_graph *graph, float rate);

/* Elements and gradients, the graph's, valid until destroy. NULL before bt_graph_plan, for the
 * other element type, and where there is no gradient. */
float *bt_tensor_f32(bt_tensor x);
uint32_t *bt_tensor_u32(bt_tensor x);
const float *bt_tensor_gradient(bt_tensor x);
bt_shape bt_tensor_shape(bt_tensor x);
/* Number of elements; 0 for the tensor that is none. */
size_t bt_tensor_size(bt_tensor x);

/* How many parameters there are, and parameter i of them, in the order they were made; the tensor
 * that is none for i beyond. */
size_t bt_graph_parameters(const bt_graph *graph);
bt_tensor bt_graph_parameter(bt_graph *graph, size_t i);
/* The name of a parameter, the graph's; NULL for another tensor. */
const char *bt_tensor_name(bt_tensor x);

/* Fill a planned f32 tensor with normal deviates of mean 0; another is left as it is. */
void bt_tensor_fill_normal(bt_tensor x, ct_rng *rng, double deviation);

/* Bytes of the block that bt_graph_plan laid out. */
size_t bt_graph_bytes(const bt_graph *graph);

#ifdef __cplusplus
}
#endif
#endif
