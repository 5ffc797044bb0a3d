// SPDX-License-Identifier: MIT
/* The members of a character model, for its files. */
#ifndef BURTORCH_TEXT_MODEL_PRIVATE_H
#define BURTORCH_TEXT_MODEL_PRIVATE_H

#include <burtorch/text_model.h>
#include <stdbool.h>

struct bt_text_model {
    bt_text_model_options options;
    bt_vocabulary vocabulary;
    bt_text_unit unit;
    bt_graph *graph; // holds the parameters, evaluates
    bt_text_tensors tensors;
    bt_trainer *trainer; // NULL: none
    bt_graph *training;  // its graph
    bt_text_tensors training_tensors;
    const bt_stream *stream; // of the step that runs
};

#endif
