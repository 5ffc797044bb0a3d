// SPDX-License-Identifier: MIT
/* Running a planned graph: forward and backward are loops over its calls. */
#include "graph_private.h"

#include <ctrain/timer.h>
#include <string.h>

void bt_graph_set_training(bt_graph *graph, bool training)
{
    graph->training = training;
}

void bt_graph_set_step(bt_graph *graph, uint64_t step)
{
    graph->step = step;
}

ct_status bt_graph_forward(bt_graph *graph, ct_diag *diag)
{
    if (!graph->planned)
        return ct_fail(diag, CT_EINVALID, "bt_graph_plan has not been called, or failed");
    graph->ran = false;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        bt__call *call = &graph->calls[i];
        const bt__tensor_op_id op = call->out->op;
        if (!graph->codes[op])
            continue;
        call->training = graph->training;
        call->seed = graph->seed;
        call->step = graph->step;
        const double start = graph->profile ? ct_time_s() : 0.0;
        const ct_status status = graph->codes[op]->forward(call, diag);
        if (graph->profile)
            graph->profile[i] += ct_time_s() - start;
        if (status != CT_OK) {
            ct_diag_prefix(diag, "%s", bt__tensor_ops[op].name);
            return status;
        }
    }
    graph->ran = true;
    graph->profile_calls++;
    return CT_OK;
}

static void zero_gradients(const bt__call *call, const bt_graph *graph, unsigned which)
{
    for (size_t j = 0; j < call->n_in; j++) {
        if (!(which & BT__IN(j)))
            continue;
        bt__node *base = &graph->nodes[call->in[j]->base];
        memset(base->gradient, 0, base->size * bt__dtype_bytes(base->dtype));
    }
}

void bt__graph_run_back(bt_graph *graph, double seed, bool add)
{
    if (!graph->planned || !graph->ran || graph->loss == BT_NO_TENSOR ||
        !graph->nodes[graph->loss].gradient)
        return;
    graph->ran = false;
    bt__put(graph->dtype, graph->nodes[graph->loss].gradient, 0, seed);
    for (size_t i = (size_t)graph->loss + 1; i-- > 0;) {
        bt__call call = graph->calls[i];
        const unsigned fresh = add ? ~graph->parameter[i] : ~0u;
        const bool weight = call.out->weight_elsewhere;
        if (!call.wanted && !weight)
            continue;
        const double start = graph->profile ? ct_time_s() : 0.0;
        zero_gradients(&call, graph, graph->zero[i] & fresh);
        call.overwrite &= fresh;
        if (weight && graph->take_input && bt__is_one_sample(call.out, call.in[1]))
            call.wanted &= ~BT__IN(0);
        graph->codes[call.out->op]->backward(&call);
        if (weight && graph->weights == BT__WEIGHTS_AT_ONCE)
            graph->take_weight(graph->take_weight_context, (uint32_t)i);
        if (graph->profile)
            graph->profile[graph->n_nodes + i] += ct_time_s() - start;
    }
}

void bt_graph_backward(bt_graph *graph)
{
    bt__graph_run_back(graph, 1.0, false);
}

void bt_graph_backward_add(bt_graph *graph, double scale)
{
    bt__graph_run_back(graph, scale, true);
}
