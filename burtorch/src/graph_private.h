// SPDX-License-Identifier: MIT
/* How the tensor engine is made.
 *
 * An operation is a row of bt__tensor_ops (from tensor_ops_list.h), a shape rule and a builder (in
 * tensor_<family>.c), and its code, forward and backward (in ops/<family>.c, which is compiled once
 * for each instruction set and precision: see ops/op.h). To add one: write these, add its row and
 * its case in the test, which walks the table. */
#ifndef BURTORCH_GRAPH_PRIVATE_H
#define BURTORCH_GRAPH_PRIVATE_H

#include <burtorch/graph.h>
#include <burtorch/tensor.h>
#include <ctrain/arena.h>
#include <ctrain/kernels.h>
#include <stdbool.h>

#include "tensor_ops_list.h"

enum { BT__MAX_INPUTS = 8 };

typedef enum bt__tensor_op_id {
#define BT__ENUM_OP(ID, name, shape, code, reads, overwrites, strided) BT__##ID,
    BT__TENSOR_OP_LIST(BT__ENUM_OP)
#undef BT__ENUM_OP
        BT__TENSOR_OPS
} bt__tensor_op_id;

/* What an operation is told beside its inputs; each says in its shape rule what it keeps where. */
typedef struct bt__attributes {
    double real[2];
    size_t size[4];
    int kind;
} bt__attributes;

typedef struct bt__node {
    bt__tensor_op_id op;
    bt_dtype dtype;
    bt_shape shape;
    size_t size;                // elements
    size_t stride[BT_MAX_AXES]; // in elements; set for every node
    bool contiguous;            // row-major without gaps
    size_t n_in;
    uint32_t in[BT__MAX_INPUTS];
    bt__attributes attributes;
    uint32_t base;       // the node whose memory this is: itself, but for views
    size_t offset;       // elements, in the base
    bool needs_gradient; // depends on a parameter (or wanted input); after planning: has a gradient
    bool keep;
    unsigned reads;    // the row's, which the shape rule may lessen
    size_t product[3]; // m, n, k of its largest matrix product, if it has one; by the shape rule
    bool weight_elsewhere; // of a linear node: the trainer computes the gradient of its weight
    size_t saved_bytes;    // what forward leaves for backward; set by the shape rule
    size_t work_bytes;     // scratch during forward or backward; set by the shape rule
    void *value;           // (size) of dtype, at the view's offset
    void *gradient;        // (size) with the value's strides; NULL: none
    void *saved;
    char *name; // of parameters and buffers
    bt_init init;
} bt__node;

/* A node as its operation's functions see it. Inputs are contiguous, unless the row says strided.
 *
 * backward: out->gradient holds all of the gradient of out; for every input j whose bit in `wanted`
 * is set, add to in[j]->gradient, or set it where bit j of `overwrite` is set too. Inputs are done
 * in the order of j (two may be the same tensor). */
typedef struct bt__call {
    bt__node *out;
    bt__node *in[BT__MAX_INPUTS];
    size_t n_in;
    unsigned wanted, overwrite;
    void *work; // work_bytes
    const ct_kernels *kernels;
    bool use_blas; // OpenBLAS could be loaded
    bool training;
    uint64_t seed, step;
    uint32_t number; // of the node
} bt__call;

#define BT__WANTS(call, j)      (((call)->wanted >> (j)) & 1u)
#define BT__OVERWRITES(call, j) (((call)->overwrite >> (j)) & 1u)

typedef struct bt__op_code {
    ct_status (*forward)(const bt__call *call, ct_diag *diag); // CT_ERANGE: an index
    void (*backward)(const bt__call *call);                    // NULL: no gradient goes through
} bt__op_code;

/* Values that backward reads. */
#define BT__IN(j) (1u << (j))
#define BT__OUT   (1u << 30)
#define BT__ALL   (BT__OUT | 0xffu)

typedef struct bt__tensor_op {
    const char *name;
    /* Set out->shape, dtype (the graph's if untouched), saved_bytes and work_bytes from the inputs
     * and out->attributes, or BT_ESHAPE with both shapes in diag. NULL: a leaf. */
    ct_status (*shape)(bt__call *call, ct_diag *diag);
    unsigned reads;      // BT__IN(j), BT__OUT: what backward looks at, beside saved
    unsigned overwrites; // BT__IN(j): whose gradient backward can set; others are zeroed before
    unsigned strided;    // BT__IN(j): what may be a view with gaps; others are copied before
} bt__tensor_op;

extern const bt__tensor_op bt__tensor_ops[BT__TENSOR_OPS];

/* The code of all operations for an instruction set (below or equal to the processor's) and
 * precision. */
const bt__op_code *const *bt__op_codes(ct_simd simd, bt_dtype precision);

/* Who computes the gradients of linear weights that are used once: backward itself, or the trainer,
 * node by node as backward comes by, or after backward (x and the gradient of the result stay). */
typedef enum bt__weights {
    BT__WEIGHTS_HERE = 0,
    BT__WEIGHTS_AT_ONCE,
    BT__WEIGHTS_AFTER
} bt__weights;

struct bt_graph {
    bt_dtype dtype;
    bt__node *nodes;
    size_t n_nodes, capacity;
    uint32_t loss; // BT_NO_TENSOR: only forward
    bool planned;
    bool use_blas;
    bool training;
    bool ran; // forward has run, and backward not since
    bt__weights weights;
    void (*take_weight)(void *context, uint32_t node); // of BT__WEIGHTS_AT_ONCE
    void *take_weight_context;
    bool take_input; // of a linear node of one sample, the gradient of x too
    uint64_t seed, step;
    bt_graph *shared;    // whose parameters these are
    bool own_statistics; // not the shared graph's: a shard's running statistics are nobody's
    double *profile;     // (2 n_nodes) seconds forward, then backward; NULL: not measured
    size_t profile_calls;
    ct_simd simd; // whose code runs
    const bt__op_code *const *codes;
    bt__call *calls;     // (n_nodes) as backward gets them
    unsigned *parameter; // (n_nodes) bit j: input j is memory of a parameter
    unsigned *zero;      // (n_nodes) bit j: zero all of input j's gradient before backward
    ct_arena arena;      // all numbers
    bt_memory memory;
    ct_status status; // of building, the first
    ct_diag diag;
};

/* Record a row of the table; what the public builders are made of. in[0] (or another) tells the
 * graph. shape: for rows that are told one. */
bt_tensor bt__tensor_record(bt__tensor_op_id op, const bt_tensor *in, size_t n_in,
                            const bt__attributes *attributes, bt_shape shape);
/* Mark the graph, if it is the first error, and return the tensor that is none. */
bt_tensor bt__graph_fail(bt_graph *graph, ct_status status, const char *text);
/* The node of a tensor; NULL for none. */
bt__node *bt__node_of(bt_tensor x);
/* An axis counted from either end; false: there is none such. */
bool bt__axis(size_t *out, const bt_shape *shape, int axis);
/* Bytes of an element. */
size_t bt__dtype_bytes(bt_dtype dtype);
/* Number i of an array of dtype. */
static inline double bt__get(bt_dtype dtype, const void *array, size_t i)
{
    return dtype == BT_F32   ? (double)((const float *)array)[i]
           : dtype == BT_F64 ? ((const double *)array)[i]
                             : (double)((const uint32_t *)array)[i];
}
static inline void bt__put(bt_dtype dtype, void *array, size_t i, double value)
{
    if (dtype == BT_F32)
        ((float *)array)[i] = (float)value;
    else if (dtype == BT_F64)
        ((double *)array)[i] = value;
    else
        ((uint32_t *)array)[i] = (uint32_t)value;
}
size_t bt__shape_size(const bt_shape *shape); // 0 where it overflows
bool bt__same_shape(const bt_shape *a, const bt_shape *b);
/* BT_ESHAPE "x (6, 5) and z (4, 3) …": the usual complaint about two inputs. */
ct_status bt__shapes_differ(const bt__call *call, ct_diag *diag, const char *names,
                            const char *rule);
/* BT_ESHAPE unless input j is of real numbers; names it. */
ct_status bt__want_real(const bt__call *call, size_t j, ct_diag *diag);
ct_status bt__want_indices(const bt__call *call, size_t j, ct_diag *diag);

/* Gradients of seed * loss, set or added; what bt_graph_backward is made of. */
void bt__graph_run_back(bt_graph *graph, double seed, bool add);
/* A copy of a graph that is not planned, which shares its parameters once it is; buffers are
 * shared or, for a shard, copies. */
ct_status bt__graph_clone(bt_graph **out, bt_graph *graph);

/* Whether a product is worth a BLAS call; the rest is faster in our kernel. */
bool bt__gemm_is_large(ct_simd simd, size_t m, size_t n, size_t k);
/* C (m x n, rows ldc apart) = op(A) op(B) [+ C]. */
void bt__gemm_f32(const bt__call *call, bool ta, bool tb, size_t m, size_t n, size_t k,
                  const float *a, size_t lda, const float *b, size_t ldb, bool accumulate, float *c,
                  size_t ldc);
void bt__gemm_f64(const bt__call *call, bool ta, bool tb, size_t m, size_t n, size_t k,
                  const double *a, size_t lda, const double *b, size_t ldb, bool accumulate,
                  double *c, size_t ldc);

/* A linear node with one row of x. */
static inline bool bt__is_one_sample(const bt__node *linear, const bt__node *weight)
{
    return linear->size == weight->shape.dims[0];
}

/* The loss of a planned graph. */
static inline bt_tensor bt__loss_of(bt_graph *graph)
{
    const bt_tensor loss = {graph, graph->loss};
    return loss;
}

#endif
