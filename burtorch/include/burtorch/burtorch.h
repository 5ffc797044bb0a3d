// SPDX-License-Identifier: MIT
/* All of burtorch: scalars on a tape, expressions as text, graphs of tensors, and their training.
 */
#ifndef BURTORCH_BURTORCH_H
#define BURTORCH_BURTORCH_H

#include <burtorch/expression.h>
#include <burtorch/graph.h>
#include <burtorch/ops.h>
#include <burtorch/optimizer.h>
#include <burtorch/safetensors.h>
#include <burtorch/tape.h>
#include <burtorch/tensor.h>
#include <burtorch/text.h>

#endif
