// SPDX-License-Identifier: MIT
/* The members of a character model, for its two files. */
#ifndef BURTORCH_CHAR_MLP_PRIVATE_H
#define BURTORCH_CHAR_MLP_PRIVATE_H

#include <burtorch/char_mlp.h>
#include <stdbool.h>

struct bt_char_mlp {
    bt_char_mlp_options options;
    bt_vocabulary vocabulary;
    bt_text_unit unit;
    bt_graph *graph;
    bt_tensor ids;     // (batch, context)
    bt_tensor targets; // (batch)
    bt_tensor logits;  // (batch, V)
    bt_tensor loss;    // ()
};

#endif
