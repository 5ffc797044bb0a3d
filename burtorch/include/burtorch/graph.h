// SPDX-License-Identifier: MIT
/* Training with tensors: a graph of operations on arrays, built once, run as often as there are
 * steps.
 *
 *     bt_tensor ids = bt_input_u32(g, bt_shape2(64, 3)), next = bt_input_u32(g, bt_shape1(64));
 *     bt_tensor table = bt_parameter(g, "embedding", bt_shape2(27, 10), bt_init_normal(1));
 *     bt_tensor w = bt_parameter(g, "weight", bt_shape2(27, 30), bt_init_kaiming(1));
 *     bt_tensor b = bt_parameter(g, "bias", bt_shape1(27), bt_init_zeros());
 *     bt_tensor x = bt_tensor_reshape(bt_tensor_embedding(table, ids), bt_shape2(64, 30));
 *     bt_tensor loss = bt_tensor_cross_entropy(bt_tensor_linear(x, w, b, BT_IDENTITY), next);
 *     if (bt_graph_plan(g, loss, &diag) != CT_OK) …   // shapes that do not fit are reported here
 *     for (…) {
 *         … fill bt_tensor_u32(ids) and bt_tensor_u32(next) …
 *         if (bt_graph_forward(g, &diag) != CT_OK) …
 *         bt_graph_backward(g);
 *         … bt_optimizer_step(optimizer, rate) …       // <burtorch/optimizer.h>
 *     }
 *
 * The operations are in <burtorch/tensor.h>. Tensors are row-major, of real numbers in the
 * precision of their graph (f32 or f64) or of whole numbers (u32, for indices), with up to four
 * axes; no axes is a single number. bt_graph_plan lays out all values and gradients in one block;
 * running allocates nothing. Building is forgiving as a tape is: an operation that cannot be
 * (BT_ESHAPE, with both shapes in the text; tensors of two graphs) gives the tensor that is none,
 * and bt_graph_plan reports the first such error.
 *
 * Results are a fixed function of the inputs, the seed and the step; they may differ in the last
 * bits between instruction sets and BLAS cores. Not thread-safe: one graph, one thread at a time,
 * except that graphs which share parameters may run forward and backward at the same time.
 * <burtorch/trainer.h> does that: one training step on several threads. */
#ifndef BURTORCH_GRAPH_H
#define BURTORCH_GRAPH_H

#include <ctrain/rng.h>
#include <ctrain/status.h>
#include <stdbool.h>
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

typedef enum bt_dtype { BT_F32 = 0, BT_F64 = 1, BT_U32 = 2 } bt_dtype;

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

/* "(64, 30)"; returns out. */
#define BT_SHAPE_TEXT_SIZE 96
const char *bt_shape_text(char out[BT_SHAPE_TEXT_SIZE], const bt_shape *shape);

/* ---- How a parameter begins ----
 *
 * fan_in is the product of all axes but the first, fan_out the first times the product of those
 * after the second: weights are (out, in), convolutions (out, in, height, width). */
typedef enum bt_init_kind {
    BT_INIT_ZEROS,
    BT_INIT_CONSTANT, // scale
    BT_INIT_NORMAL,   // deviation scale
    BT_INIT_UNIFORM,  // on [-scale, scale)
    BT_INIT_KAIMING,  // normal of deviation scale / sqrt(fan_in) (He et al. 2015: scale sqrt(2))
    BT_INIT_XAVIER    // normal of deviation scale sqrt(2 / (fan_in + fan_out)) (Glorot 2010)
} bt_init_kind;
typedef struct bt_init {
    bt_init_kind kind;
    double scale;
} bt_init;
bt_init bt_init_zeros(void);
bt_init bt_init_constant(double value);
bt_init bt_init_normal(double deviation);
bt_init bt_init_uniform(double bound);
bt_init bt_init_kaiming(double gain);
bt_init bt_init_xavier(double gain);

/* ---- Building ---- */

/* An empty graph whose real tensors are all of dtype: BT_F32 or BT_F64. On failure *out is NULL:
 * CT_EINVALID: BT_U32; CT_ENOMEM. */
CT_MUST_USE ct_status bt_graph_create(bt_graph **out, bt_dtype dtype);
/* Free it and all its tensors; NULL is allowed. Graphs that share its parameters must go first. */
void bt_graph_destroy(bt_graph *graph);

/* Seed of first parameters and of dropout (default 1). First parameters are drawn by
 * bt_graph_plan: each parameter has a random stream of its own, of (seed, its number). */
void bt_graph_set_seed(bt_graph *graph, uint64_t seed);

/* An array that training changes. name is copied, and names it in files. Parameters that
 * name the same array (of a graph that shares) must have the same shape. */
bt_tensor bt_parameter(bt_graph *graph, const char *name, bt_shape shape, bt_init init);
/* An array that is saved with the model but not trained: running statistics, a frozen part. */
bt_tensor bt_buffer(bt_graph *graph, const char *name, bt_shape shape, bt_init init);
/* Arrays the caller fills before each forward; they begin as zeros. */
bt_tensor bt_input(bt_graph *graph, bt_shape shape);
bt_tensor bt_input_u32(bt_graph *graph, bt_shape shape);
/* A plain number as a tensor without axes. */
bt_tensor bt_tensor_constant(bt_graph *graph, double value);

/* Let parameters and buffers of graph be those of `from`, found by name, instead of its own: a
 * graph of another batch size for evaluation or sampling, a shard of a batch. `from` must be
 * planned, of the same dtype, and outlive graph. To be called before bt_graph_plan, which reports
 * CT_ENOTFOUND for a name `from` does not have and BT_ESHAPE for one of another shape. */
void bt_graph_share(bt_graph *graph, bt_graph *from);

/* Keep the value (and gradient, if it has one) of an intermediate tensor readable after a forward
 * (backward). Inputs, parameters, buffers and the loss always are; the memory of other tensors is
 * used again as soon as nothing needs them. To be called before bt_graph_plan. Returns x. */
bt_tensor bt_tensor_keep(bt_tensor x);
/* Also compute a gradient for an input of real numbers. Before bt_graph_plan. Returns x. */
bt_tensor bt_tensor_want_gradient(bt_tensor x);

/* Fix the graph: loss (one real number) is what bt_graph_backward differentiates; the tensor
 * {graph, BT_NO_TENSOR} makes a graph that only runs forward. Afterwards nothing can be added.
 * Reports the first error of building. CT_EINVALID: loss is not one real number, or planned twice;
 * CT_ENOMEM; CT_EUNSUPPORTED is not an error here: without OpenBLAS large products are slower. */
CT_MUST_USE ct_status bt_graph_plan(bt_graph *graph, bt_tensor loss, ct_diag *diag);
#define BT_NO_TENSOR UINT32_MAX
static inline bt_tensor bt_tensor_none(bt_graph *graph)
{
    bt_tensor none;
    none.graph = graph;
    none.index = BT_NO_TENSOR;
    return none;
}

/* ---- Running, after bt_graph_plan ---- */

/* Dropout and batch normalisation behave differently while training (the default) and after. */
void bt_graph_set_training(bt_graph *graph, bool training);
/* Which step this is: dropout draws from the stream of (seed, operation, step). Default 0. */
void bt_graph_set_step(bt_graph *graph, uint64_t step);

/* Compute every node. CT_ERANGE: an index beyond its table; diag names both. CT_EINVALID: the graph
 * is not planned (where bt_graph_backward does nothing). */
CT_MUST_USE ct_status bt_graph_forward(bt_graph *graph, ct_diag *diag);
/* Gradients of the loss of the last forward by every parameter, and inputs and kept tensors that
 * have one: set, not added. Once a forward. */
void bt_graph_backward(bt_graph *graph);
/* Gradient accumulation: parameter gradients += scale * those of the last forward. */
void bt_graph_backward_add(bt_graph *graph, double scale);

/* ---- Access ---- */

/* Elements, the graph's, valid until destroy. NULL before bt_graph_plan, for another element
 * type, and for tensors that are not kept. */
float *bt_tensor_f32(bt_tensor x);
double *bt_tensor_f64(bt_tensor x);
uint32_t *bt_tensor_u32(bt_tensor x);
/* The gradient's, likewise; NULL where there is none. */
float *bt_tensor_gradient_f32(bt_tensor x);
double *bt_tensor_gradient_f64(bt_tensor x);

/* Copy all elements out or in, whatever the precision, row by row (views too). False, and nothing
 * done, where the functions above give NULL. */
bool bt_tensor_read(bt_tensor x, double *out);
bool bt_tensor_write(bt_tensor x, const double *in);
bool bt_tensor_read_gradient(bt_tensor x, double *out);
/* The first number: the loss. NaN where there is none. */
double bt_tensor_value(bt_tensor x);

bt_shape bt_tensor_shape(bt_tensor x);
bt_dtype bt_tensor_dtype(bt_tensor x);
/* Number of elements; 0 for the tensor that is none. */
size_t bt_tensor_size(bt_tensor x);

/* How many parameters there are, and parameter i of them, in the order they were made; the tensor
 * that is none for i beyond. Numbers in all parameters together. */
size_t bt_graph_parameters(const bt_graph *graph);
bt_tensor bt_graph_parameter(bt_graph *graph, size_t i);
size_t bt_graph_parameter_elements(const bt_graph *graph);
/* Likewise of buffers. */
size_t bt_graph_buffers(const bt_graph *graph);
bt_tensor bt_graph_buffer(bt_graph *graph, size_t i);
/* A parameter or buffer by name; the tensor that is none: there is none. */
bt_tensor bt_graph_find(bt_graph *graph, const char *name);
/* The name of a parameter or buffer, the graph's; NULL for another tensor. */
const char *bt_tensor_name(bt_tensor x);
bt_dtype bt_graph_dtype(const bt_graph *graph);

/* Bytes a planned graph holds, by use. */
typedef struct bt_memory {
    size_t parameters;  // 0 where they are another graph's
    size_t gradients;   // of parameters
    size_t activations; // inputs, values and gradients in between, with what is reused counted once
    size_t activations_without_reuse;
    size_t total;
} bt_memory;
bt_memory bt_graph_memory(const bt_graph *graph);

#ifdef __cplusplus
}
#endif
#endif
