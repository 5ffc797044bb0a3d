// SPDX-License-Identifier: MIT
/* A model in training as one safetensors file, from which training goes on bit for bit.
 *
 *     bt_checkpoint state = {.step = step, .seed = seed};
 *     if (bt_checkpoint_save(path, graph, optimizer, &state, &diag) != CT_OK) …
 *     …
 *     if (bt_checkpoint_load(path, graph, optimizer, &state, &diag) != CT_OK) …
 *
 * Arrays, of the graph's dtype (F32 or F64): every parameter and buffer by its name, and of the
 * optimizer "optimizer.m.NAME" and "optimizer.v.NAME" for what moments it has. Metadata: "step",
 * "position", "seed" as decimal numbers, "optimizer" ("sgd", "adam", "adamw"), "optimizer.steps",
 * and the caller's texts. Nothing is copied on the way to or from the file. */
#ifndef BURTORCH_CHECKPOINT_H
#define BURTORCH_CHECKPOINT_H

#include <burtorch/graph.h>
#include <burtorch/optimizer.h>
#include <burtorch/safetensors.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where training stands, in the caller's own terms: the numbers come back as they were given. */
typedef struct bt_checkpoint {
    uint64_t step;               // the next to take
    uint64_t position;           // in the data
    uint64_t seed;               // of data and dropout
    const bt_metadata *metadata; // (n_metadata) for saving, borrowed; loading leaves it alone
    size_t n_metadata;
} bt_checkpoint;

/* Write a planned graph to path, whole or not at all. optimizer and state may be NULL: a model
 * without. CT_EINVALID: the graph is not planned, is not the optimizer's, a parameter's name begins
 * with "optimizer.", or a metadata key is one of the above; CT_ENOTFOUND, CT_EIO, CT_ENOMEM with
 * "path: reason". */
CT_MUST_USE ct_status bt_checkpoint_save(const char *path, bt_graph *graph,
                                         const bt_optimizer *optimizer, const bt_checkpoint *state,
                                         ct_diag *diag);

/* Read such a file into a planned graph that has exactly these parameters and buffers. optimizer
 * NULL: the file's, if it has one, is passed over; else it must be of the same kind, with the same
 * moments. state may be NULL. All is checked before anything is changed. "path: reason" with
 * CT_EPARSE: not a safetensors file, an array or number that is missing, of another dtype or not
 * the graph's; BT_ESHAPE: an array of another shape; CT_EINVALID, CT_ENOTFOUND, CT_EIO, CT_ENOMEM.
 */
CT_MUST_USE ct_status bt_checkpoint_load(const char *path, bt_graph *graph, bt_optimizer *optimizer,
                                         bt_checkpoint *state, ct_diag *diag);
/* The same from an open file; `name` stands for the path in errors. For those who read metadata
 * first, to know which graph to build. */
CT_MUST_USE ct_status bt_checkpoint_read(const bt_safetensors *file, const char *name,
                                         bt_graph *graph, bt_optimizer *optimizer,
                                         bt_checkpoint *state, ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
