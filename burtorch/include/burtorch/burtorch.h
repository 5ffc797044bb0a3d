// SPDX-License-Identifier: MIT
/* All of burtorch: scalars on a tape, functions captured from it, expressions as text; graphs of
 * tensors, and what trains them. */
#ifndef BURTORCH_BURTORCH_H
#define BURTORCH_BURTORCH_H

#include <burtorch/checkpoint.h>
#include <burtorch/csv.h>
#include <burtorch/expression.h>
#include <burtorch/function.h>
#include <burtorch/graph.h>
#include <burtorch/inspect.h>
#include <burtorch/loader.h>
#include <burtorch/nn.h>
#include <burtorch/ops.h>
#include <burtorch/optimizer.h>
#include <burtorch/safetensors.h>
#include <burtorch/tape.h>
#include <burtorch/tensor.h>
#include <burtorch/text.h>
#include <burtorch/text_model.h>
#include <burtorch/trainer.h>

#endif
