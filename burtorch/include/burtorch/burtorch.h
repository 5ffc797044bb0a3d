// SPDX-License-Identifier: MIT
/* All of burtorch: scalars on a tape, captured functions, expressions as text, graphs of tensors,
 * and a character model. */
#ifndef BURTORCH_BURTORCH_H
#define BURTORCH_BURTORCH_H

#include <burtorch/char_mlp.h>
#include <burtorch/expression.h>
#include <burtorch/function.h>
#include <burtorch/graph.h>
#include <burtorch/ops.h>
#include <burtorch/safetensors.h>
#include <burtorch/tape.h>
#include <burtorch/text.h>

#endif
