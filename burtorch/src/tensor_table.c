// SPDX-License-Identifier: MIT
/* The table of operations on tensors, and their code by instruction set and precision. */
#include "graph_private.h"

#define DECLARE_SHAPE(ID, name, shape, code, reads, overwrites, strided)                           \
    ct_status bt__##shape##_shape(bt__call *call, ct_diag *diag);
BT__CODE_OPS(DECLARE_SHAPE)

#define LEAF_ROW(ID, name, shape, code, reads, overwrites, strided)                                \
    [BT__##ID] = {#name, NULL, reads, overwrites, strided},
#define ROW(ID, name, shape, code, reads, overwrites, strided)                                     \
    [BT__##ID] = {#name, bt__##shape##_shape, reads, overwrites, strided},
const bt__tensor_op bt__tensor_ops[BT__TENSOR_OPS] = {BT__LEAF_OPS(LEAF_ROW) BT__CODE_OPS(ROW)};

extern const bt__op_code *const bt__codes_f32_scalar[BT__TENSOR_OPS];
extern const bt__op_code *const bt__codes_f64_scalar[BT__TENSOR_OPS];
#if defined(__x86_64__)
extern const bt__op_code *const bt__codes_f32_avx2[BT__TENSOR_OPS];
extern const bt__op_code *const bt__codes_f64_avx2[BT__TENSOR_OPS];
extern const bt__op_code *const bt__codes_f32_avx512[BT__TENSOR_OPS];
extern const bt__op_code *const bt__codes_f64_avx512[BT__TENSOR_OPS];
#endif

const bt__op_code *const *bt__op_codes(ct_simd simd, bt_dtype precision)
{
#if defined(__x86_64__)
    if (simd == CT_SIMD_AVX512)
        return precision == BT_F32 ? bt__codes_f32_avx512 : bt__codes_f64_avx512;
    if (simd == CT_SIMD_AVX2)
        return precision == BT_F32 ? bt__codes_f32_avx2 : bt__codes_f64_avx2;
#endif
    (void)simd;
    return precision == BT_F32 ? bt__codes_f32_scalar : bt__codes_f64_scalar;
}
