// SPDX-License-Identifier: MIT
/* What an operation on tensors is: one row of bt__tensor_ops. To add one: write its functions in
 * the file of its family, add its row to the table in graph_ops.c and its builder to graph.c. The
 * test walks the table. */
#ifndef BURTORCH_GRAPH_PRIVATE_H
#define BURTORCH_GRAPH_PRIVATE_H

#include <burtorch/graph.h>
#include <ctrain/arena.h>
#include <stdbool.h>

enum { BT__MAX_INPUTS = 3 };

typedef enum bt__dtype { BT__F32, BT__U32 } bt__dtype;

typedef enum bt__tensor_op_id {
    BT__INPUT,
    BT__PARAMETER,
    BT__RESHAPE,
    BT__EMBEDDING,
    BT__LINEAR,
    BT__TANH,
    BT__CROSS_ENTROPY,
    BT__TENSOR_OPS
} bt__tensor_op_id;

typedef struct bt__node {
    bt__tensor_op_id op;
    bt__dtype dtype;
    bt_shape shape;
    size_t size; // elements
    uint32_t in[BT__MAX_INPUTS];
    bool needs_gradient;
    bool is_view;    // value and gradient are those of in[0]
    float *f32;      // (size)  values; NULL for u32
    uint32_t *u32;   // (size)
    float *gradient; // (size)  NULL: none
    float *scratch;  // what forward leaves for backward
    size_t scratch_size;
    char *name;
} bt__node;

/* A node with its inputs, as an operation's functions see it. */
typedef struct bt__call {
    bt__node *out;
    bt__node *in[BT__MAX_INPUTS];
    bool use_blas; // OpenBLAS could be loaded
} bt__call;

typedef struct bt__tensor_op {
    const char *name;
    size_t n_inputs;
    /* Set out->shape, dtype (f32 if untouched) and scratch_size from the inputs, or BT_ESHAPE. */
    ct_status (*shape)(bt__call *call, ct_diag *diag);
    ct_status (*forward)(const bt__call *call, ct_diag *diag);
    /* Add to the gradients of the inputs that have one. */
    void (*backward)(const bt__call *call);
    /* Inputs for the test: "f5x3 f4x3 f4"; "u5<7" are indices below 7. */
    const char *test;
} bt__tensor_op;

extern const bt__tensor_op bt__tensor_ops[BT__TENSOR_OPS];

struct bt_graph {
    bt__node *nodes;
    size_t n_nodes, capacity;
    uint32_t loss;
    bool planned;
    bool use_blas;
    ct_arena arena;
    ct_status status; // of building, the first
    ct_diag diag;
};

/* Record a row of the table; what the public builders are made of. */
bt_tensor bt__tensor_record(bt__tensor_op_id op, const bt_tensor *in, bt_shape shape);

/* "(64, 30)" */
#define BT__SHAPE_TEXT_SIZE 96
const char *bt__shape_text(char out[BT__SHAPE_TEXT_SIZE], const bt_shape *shape);

/* Whether a product is worth a BLAS call; the rest is faster in our kernel. */
bool bt__gemm_is_large(size_t m, size_t n, size_t k);
/* C (m x n) = op(A) op(B) [+ C], by BLAS if it is large and use_blas. */
void bt__gemm_f32(bool use_blas, bool ta, bool tb, size_t m, size_t n, size_t k, const float *a,
                  size_t lda, const float *b, size_t ldb, bool accumulate, float *c);

/* The families: linear.c, embedding.c, loss.c. */
ct_status bt__linear_shape(bt__call *call, ct_diag *diag);
ct_status bt__linear_forward(const bt__call *call, ct_diag *diag);
void bt__linear_backward(const bt__call *call);
ct_status bt__embedding_shape(bt__call *call, ct_diag *diag);
ct_status bt__embedding_forward(const bt__call *call, ct_diag *diag);
void bt__embedding_backward(const bt__call *call);
ct_status bt__cross_entropy_shape(bt__call *call, ct_diag *diag);
ct_status bt__cross_entropy_forward(const bt__call *call, ct_diag *diag);
void bt__cross_entropy_backward(const bt__call *call);

#endif
