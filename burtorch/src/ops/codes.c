// SPDX-License-Identifier: MIT
/* The code of every operation, for this precision and instruction set. */
#include "op.h"

extern const bt__op_code *const BT__NAME(codes)[BT__TENSOR_OPS];

#define ENTRY(ID, name, shape, code, reads, overwrites, strided) [BT__##ID] = &BT__CODE(code),
const bt__op_code *const BT__NAME(codes)[BT__TENSOR_OPS] = {BT__CODE_OPS(ENTRY)};
