// SPDX-License-Identifier: MIT
/* The tables of kernels.h, one file each. The x86 ones exist only where their file is compiled for
 * their instruction set; kernels.c alone decides which may run. */
#ifndef CT__KERNELS_TABLES_H
#define CT__KERNELS_TABLES_H

#include <ctrain/kernels.h>

extern const ct_kernels ct__kernels_scalar;
#if defined(__x86_64__)
extern const ct_kernels ct__kernels_avx2;
extern const ct_kernels ct__kernels_avx512;
#endif

/* The rows of a table, from static functions named after them: dot_f64, … */
#define TABLE_OF(t)                                                                                \
    {                                                                                              \
        .dot = dot_##t, .sum = sum_##t, .norm2_squared = norm2_squared_##t, .max = max_##t,        \
        .max_abs = max_abs_##t, .axpy = axpy_##t, .scal = scal_##t, .add = add_##t,                \
        .sub = sub_##t, .mul = mul_##t, .div = div_##t, .exp = exp_##t, .log = log_##t,            \
        .tanh = tanh_##t, .sigmoid = sigmoid_##t, .softplus = softplus_##t, .gather = gather_##t,  \
        .sparse_dot = sparse_dot_##t, .gemm = gemm_##t                                             \
    }

#endif
