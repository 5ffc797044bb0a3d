// SPDX-License-Identifier: MIT
/* The kernels in portable C: what every other table must compute, and what runs where there is no
 * other. Both precisions come from one text, kernels_scalar_template.h; the functions of
 * mathematics are those of libm. */
#include <math.h>
#include <string.h>

#include "kernels_tables.h"

#define T        float
#define FN(name) name##_f32
#define EXP      expf
#define LOG      logf
#define LOG1P    log1pf
#define TANH     tanhf
#define FABS     fabsf
#include "kernels_scalar_template.h"

#define T        double
#define FN(name) name##_f64
#define EXP      exp
#define LOG      log
#define LOG1P    log1p
#define TANH     tanh
#define FABS     fabs
#include "kernels_scalar_template.h"

const ct_kernels ct__kernels_scalar = {
    .simd = CT_SIMD_SCALAR, .name = "scalar", .f32 = TABLE_OF(f32), .f64 = TABLE_OF(f64)};
