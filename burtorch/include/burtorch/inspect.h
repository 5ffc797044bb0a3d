// SPDX-License-Identifier: MIT
/* Looking into a graph of tensors: are the gradients right, where does the time go, what does it
 * look like. */
#ifndef BURTORCH_INSPECT_H
#define BURTORCH_INSPECT_H

#include <burtorch/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Gradients against central differences ---- */

typedef struct bt_check_options {
    size_t samples;   // numbers tried of each parameter, drawn by seed; 0: all (default 20)
    double step;      // h of (f(x + h) - f(x - h)) / 2h, times max(1, |x|); 0: 1e-5 in f64,
                      // 1e-2 in f32 (default 0)
    double tolerance; // 0: 1e-6 in f64, 2e-2 in f32 (default 0)
    uint64_t seed;    // default 1
} bt_check_options;
bt_check_options bt_check_options_default(void);

typedef struct bt_check_result {
    size_t checked, wrong;
    double worst;          // largest |gradient - difference| / max(1, |gradient|, |difference|)
    const char *parameter; // where that was: the graph's
    size_t element;
    double gradient, difference; // there
} bt_check_result;

/* Compare the gradients of a planned graph at its present inputs and parameters, which are left as
 * they are. Dropout draws the same mask each time; running statistics move. opt NULL: defaults.
 * CT_EINVALID: the graph is not planned, or without a loss; CT_ERANGE, CT_ENOMEM as forward. */
CT_MUST_USE ct_status bt_graph_check_gradients(bt_graph *graph, bt_check_result *result,
                                               const bt_check_options *opt, ct_diag *diag);

/* ---- Time by operation ---- */

typedef struct bt_op_profile {
    const char *op; // "linear"
    size_t nodes;   // of this operation in the graph
    size_t calls;   // forward calls since the profile began
    double forward_seconds, backward_seconds;
} bt_op_profile;

/* Begin (or begin again) to measure a planned graph; costs some 50 ns a node and run. CT_EINVALID:
 * not planned; CT_ENOMEM. */
CT_MUST_USE ct_status bt_graph_profile_begin(bt_graph *graph);
/* The operations of the graph, the most expensive first, at most max of them into out; returns how
 * many there are. */
size_t bt_graph_profile(const bt_graph *graph, bt_op_profile *out, size_t max);

/* ---- A picture ---- */

/* The graph in the DOT language of Graphviz: nodes with operation, name and shape. Written whole or
 * not at all; CT_ENOTFOUND, CT_EINVALID, CT_EIO, CT_ENOMEM with "path: reason" in diag. */
CT_MUST_USE ct_status bt_graph_write_dot(const bt_graph *graph, const char *path, ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
