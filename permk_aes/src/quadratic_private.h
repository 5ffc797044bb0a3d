// SPDX-License-Identifier: MIT
/* The quadratic's data, filled by quadratic_generate.c and used by quadratic.c. */
#ifndef PERMK_AES_QUADRATIC_PRIVATE_H
#define PERMK_AES_QUADRATIC_PRIVATE_H

#include "quadratic_kernels.h"

#include <permk_aes/quadratic.h>

typedef struct permk__quadratic {
    const permk__quadratic_kernels *kernels;
    uint32_t clients;
    size_t samples, d;
    bool homogeneous;     // one client's rows stand for all
    float *a;             // (rows, d)      rows = clients * samples, or samples
    float *b;             // (rows)
    double *residual;     // (rows)         A x - b, where known
    bool *residual_known; // (clients or 1) at the current point
    const double *x;      // (d) borrowed   the current point
} permk__quadratic;

/* Allocate and fill all members, and set the constants of the f_i in *problem. What was allocated
 * before a failure is the caller's to free. */
CT_MUST_USE ct_status permk__quadratic_generate(permk__quadratic *q,
                                                const permk_quadratic_options *opt,
                                                permk_problem *problem, ct_diag *diag);

#endif
