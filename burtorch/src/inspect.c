// SPDX-License-Identifier: MIT
/* Looking into a graph: gradients against differences, time by operation, a picture. */
#include "graph_private.h"

#include <burtorch/inspect.h>
#include <ctrain/file.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Gradients against central differences ---- */

bt_check_options bt_check_options_default(void)
{
    const bt_check_options options = {.samples = 20, .seed = 1};
    return options;
}

/* The loss with element i moved by h; *moved is by how much it really did. */
static ct_status loss_at(bt_graph *g, bt__node *node, size_t i, double h, double *loss,
                         double *moved, ct_diag *diag)
{
    const double keep = bt__get(node->dtype, node->value, i);
    bt__put(node->dtype, node->value, i, keep + h);
    *moved = bt__get(node->dtype, node->value, i) - keep;
    const ct_status status = bt_graph_forward(g, diag);
    *loss = bt_tensor_value(bt__loss_of(g));
    bt__put(node->dtype, node->value, i, keep);
    return status;
}

static ct_status check_element(bt_graph *g, bt__node *node, size_t i, double gradient,
                               const bt_check_options *o, bt_check_result *result, ct_diag *diag)
{
    const double h = o->step * fmax(1.0, fabs(bt__get(node->dtype, node->value, i)));
    double up, down, above, below;
    CT_TRY(loss_at(g, node, i, h, &up, &above, diag));
    CT_TRY(loss_at(g, node, i, -h, &down, &below, diag));
    const double difference = (up - down) / (above - below);
    const double scale = fmax(1.0, fmax(fabs(gradient), fabs(difference)));
    const double error = fabs(gradient - difference) / scale;
    result->checked++;
    if (!(error <= o->tolerance))
        result->wrong++;
    if (result->checked == 1 || error > result->worst || isnan(error)) {
        result->worst = error;
        result->parameter = node->name;
        result->element = i;
        result->gradient = gradient;
        result->difference = difference;
    }
    return CT_OK;
}

static ct_status check_parameter(bt_graph *g, uint32_t index, uint32_t number,
                                 const double *gradient, const bt_check_options *o,
                                 bt_check_result *result, ct_diag *diag)
{
    bt__node *node = &g->nodes[index];
    ct_rng rng;
    ct_rng_init(&rng, o->seed, CT_RNG_USER, number, 0);
    const bool all = o->samples == 0 || o->samples >= node->size;
    const size_t n = all ? node->size : o->samples;
    for (size_t k = 0; k < n; k++) {
        const size_t i = all ? k : (size_t)ct_rng_below(&rng, node->size);
        CT_TRY(check_element(g, node, i, gradient[i], o, result, diag));
    }
    return CT_OK;
}

ct_status bt_graph_check_gradients(bt_graph *graph, bt_check_result *result,
                                   const bt_check_options *opt, ct_diag *diag)
{
    bt_check_options o = opt ? *opt : bt_check_options_default();
    const bool single = graph->dtype == BT_F32;
    memset(result, 0, sizeof *result);
    o.step = o.step > 0 ? o.step : single ? 1e-2 : 1e-5;
    o.tolerance = o.tolerance > 0 ? o.tolerance : single ? 2e-2 : 1e-6;
    if (!graph->planned || graph->loss == BT_NO_TENSOR || graph->weights != BT__WEIGHTS_HERE)
        return ct_fail(diag, CT_EINVALID, "the graph is not planned with a loss of its own");
    double *gradient = calloc(bt_graph_parameter_elements(graph) + 1, sizeof *gradient);
    if (!gradient)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    ct_status status = bt_graph_forward(graph, diag);
    if (status == CT_OK)
        bt_graph_backward(graph);
    size_t at = 0;
    for (size_t p = 0; p < bt_graph_parameters(graph); p++) {
        const bt_tensor x = bt_graph_parameter(graph, p);
        bt_tensor_read_gradient(x, gradient + at); // none: zeros
        at += bt_tensor_size(x);
    }
    at = 0;
    for (size_t p = 0; status == CT_OK && p < bt_graph_parameters(graph); p++) {
        const bt_tensor x = bt_graph_parameter(graph, p);
        status = check_parameter(graph, x.index, (uint32_t)p, gradient + at, &o, result, diag);
        at += bt_tensor_size(x);
    }
    free(gradient);
    return status;
}

/* ---- Time by operation ---- */

ct_status bt_graph_profile_begin(bt_graph *graph)
{
    if (!graph->planned)
        return CT_EINVALID;
    if (!graph->profile)
        graph->profile = malloc(2 * graph->n_nodes * sizeof *graph->profile);
    if (!graph->profile)
        return CT_ENOMEM;
    memset(graph->profile, 0, 2 * graph->n_nodes * sizeof *graph->profile);
    graph->profile_calls = 0;
    return CT_OK;
}

static int dearest_first(const void *a, const void *b)
{
    const bt_op_profile *x = a, *y = b;
    const double p = x->forward_seconds + x->backward_seconds;
    const double q = y->forward_seconds + y->backward_seconds;
    return (p < q) - (p > q);
}

size_t bt_graph_profile(const bt_graph *graph, bt_op_profile *out, size_t max)
{
    bt_op_profile all[BT__TENSOR_OPS];
    size_t n = 0;
    memset(all, 0, sizeof all);
    for (size_t i = 0; graph->profile && i < graph->n_nodes; i++) {
        bt_op_profile *p = &all[graph->nodes[i].op];
        p->op = bt__tensor_ops[graph->nodes[i].op].name;
        p->nodes++;
        p->calls += graph->profile_calls;
        p->forward_seconds += graph->profile[i];
        p->backward_seconds += graph->profile[graph->n_nodes + i];
    }
    for (size_t op = BT__VIEW + 1; op < BT__TENSOR_OPS; op++)
        if (all[op].nodes)
            all[n++] = all[op];
    qsort(all, n, sizeof *all, dearest_first);
    memcpy(out, all, (n < max ? n : max) * sizeof *out);
    return n;
}

/* ---- A picture ---- */

static void write_node(ct_file_writer *w, const bt_graph *graph, size_t i)
{
    const bt__node *node = &graph->nodes[i];
    char shape[BT_SHAPE_TEXT_SIZE];
    const char *colour = i == graph->loss            ? "lightyellow"
                         : node->op == BT__PARAMETER ? "lightgreen"
                         : node->op < BT__VIEW       ? "lightblue"
                                                     : "white";
    ct_file_writer_printf(w, "  n%zu [fillcolor=%s, label=\"%s", i, colour,
                          bt__tensor_ops[node->op].name);
    for (const char *c = node->name ? node->name : ""; *c; c++)
        ct_file_writer_printf(w, "%s%s%c", c == node->name ? "\\n" : "",
                              *c == '"' || *c == '\\' ? "\\" : "", *c);
    ct_file_writer_printf(w, "\\n%s\"];\n", bt_shape_text(shape, &node->shape));
    for (size_t j = 0; j < node->n_in; j++)
        ct_file_writer_printf(w, "  n%u -> n%zu;\n", node->in[j], i);
}

ct_status bt_graph_write_dot(const bt_graph *graph, const char *path, ct_diag *diag)
{
    ct_file_writer *w;
    CT_TRY(ct_file_writer_open(&w, path, diag));
    ct_file_writer_printf(w, "digraph burtorch {\n  node [shape=box, style=filled];\n");
    for (size_t i = 0; i < graph->n_nodes; i++)
        write_node(w, graph, i);
    ct_file_writer_printf(w, "}\n");
    return ct_file_writer_commit(w, diag);
}
