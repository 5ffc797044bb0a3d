// SPDX-License-Identifier: MIT
/* Training steps, on as many threads as there are, with the same result for any number of them.
 *
 * A batch is a fixed number of parts, its shards. Each shard has values and gradients of its own
 * and shares the parameters; shards run in parallel, and their gradients are added in the order of
 * the shards. So `shards` is part of what is computed, like the batch size; `threads` is not.
 *
 *     … build graph for batch / shards samples, with a loss that is a mean over them …
 *     bt_trainer_options o = bt_trainer_options_default(BT_ADAMW);
 *     o.shards = 4, o.threads = 2;
 *     if (bt_trainer_create(&t, graph, loss, &o, &diag) != CT_OK) …   // plans graph
 *     for (uint64_t step = 0; step < 1000; step++)
 *         if (bt_trainer_step(t, step, 1e-3, fill, data, &loss_value, &diag) != CT_OK) …
 *
 * Where nothing needs all gradients at once (no clipping, no accumulation), each parameter is
 * changed as soon as its gradient is complete, piece by piece while the piece is in the cache, and
 * the gradient is never kept. */
#ifndef BURTORCH_TRAINER_H
#define BURTORCH_TRAINER_H

#include <burtorch/graph.h>
#include <burtorch/optimizer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bt_trainer_options {
    bt_optimizer_options optimizer;
    size_t shards;     // parts of a batch that can run at the same time, 1 to 256 (default 1)
    size_t accumulate; // times the shards run before parameters change, 1 to 65536 (default 1)
    size_t threads;    // default 1; 0: one a processor
} bt_trainer_options;
bt_trainer_options bt_trainer_options_default(bt_optimizer_kind kind);

typedef struct bt_trainer bt_trainer;

/* Plan graph (borrowed until destroy, not planned yet) with loss, make the other shards, and the
 * optimiser (opt NULL: plain BT_SGD, one shard, one thread). What bt_graph_plan and
 * bt_optimizer_create say; CT_EINVALID: an option out of its range, or no parameter to train. */
CT_MUST_USE ct_status bt_trainer_create(bt_trainer **out, bt_graph *graph, bt_tensor loss,
                                        const bt_trainer_options *opt, ct_diag *diag);
void bt_trainer_destroy(bt_trainer *trainer);

/* Fill the inputs of one part of a batch: bt_tensor_in(shard, x) is the shard's copy of the input
 * x, which is what to fill, never x itself. In the shards after the first, inputs begin as NaN and
 * as indices beyond any table, so that a forgotten one is an error of the first step. part counts 0
 * … shards * accumulate - 1. Called by the thread that runs the shard, for different shards at the
 * same time. */
typedef ct_status bt_fill_fn(void *context, bt_graph *shard, size_t part, uint64_t step,
                             ct_diag *diag);
static inline bt_tensor bt_tensor_in(bt_graph *graph, bt_tensor x)
{
    x.graph = graph;
    return x;
}

/* One step: every part is filled and run, forward and backward, and the parameters change at
 * `rate`. *loss (may be NULL) becomes the mean over the parts, before the change. step keys
 * dropout, and is handed to fill. Allocates nothing. CT_ENUMERIC: the loss is not finite. After
 * this and any other failure (that of the first part that fails) the parameters are as they were.
 */
CT_MUST_USE ct_status bt_trainer_step(bt_trainer *trainer, uint64_t step, double rate,
                                      bt_fill_fn *fill, void *context, double *loss, ct_diag *diag);

/* Mean loss of `parts` parts, filled with step 0 and part 0 … parts-1, as after training (no
 * dropout, running statistics); on all threads, added in order. */
CT_MUST_USE ct_status bt_trainer_evaluate(bt_trainer *trainer, size_t parts, bt_fill_fn *fill,
                                          void *context, double *loss, ct_diag *diag);

/* For checkpoints and inspection; the trainer's. */
bt_optimizer *bt_trainer_optimizer(bt_trainer *trainer);
/* Bytes of all shards, the optimiser and scratch. */
size_t bt_trainer_bytes(const bt_trainer *trainer);

/* Gradients of single samples: graph (planned, of one sample) is filled with part i and run for i =
 * 0 … n-1; row i of out (n, parameter elements; of the graph's precision) is its gradient, the
 * parameters' one after the other. The parameters do not change. */
CT_MUST_USE ct_status bt_sample_gradients(bt_graph *graph, void *out, size_t n, bt_fill_fn *fill,
                                          void *context, ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
