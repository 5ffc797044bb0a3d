// SPDX-License-Identifier: MIT
/* Random least squares with a prescribed spectrum, the test problem of Burlachenko et al.,
 * "Federated Learning is Better with Non-Homomorphic Encryption" (arXiv 2312.02074), section 5.1:
 * f_i(x) = (1/m) ||A_i x - b_i||^2, the non-zero eigenvalues of the Hessian of f spread evenly over
 * [mu, L].
 *
 * The numbers are those of the paper's program (NumPy's and PyTorch's generator MT19937), so that
 * results can be compared. With fewer samples than coordinates, n m < d, all f_i share a minimiser
 * and f* = 0. */
#ifndef PERMK_AES_QUADRATIC_H
#define PERMK_AES_QUADRATIC_H

#include <permk_aes/problem.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct permk_quadratic_options {
    uint32_t clients;  // n, default 50
    size_t samples;    // m rows a client, default 12
    size_t dimension;  // d, default 1000
    double smoothness; // L, default 10
    double convexity;  // mu, 0 < mu <= L, default 1
    bool homogeneous;  // every client has the same rows
    uint32_t seed;     // default 123
} permk_quadratic_options;
permk_quadratic_options permk_quadratic_options_default(void);

/* Generate the problem; memory is 4 n m d bytes (12 n m d while generating). opt NULL: defaults.
 * problem->smoothness is L; max_smoothness is the largest of the L_i, which are the largest
 * eigenvalues of (2/m) A_i^T A_i. On failure *problem is zeroed. CT_EINVALID, CT_ENOMEM;
 * CT_EUNSUPPORTED: no BLAS; CT_ENUMERIC: the random matrix has no full rank in double precision. */
CT_MUST_USE ct_status permk_quadratic_init(permk_problem *problem,
                                           const permk_quadratic_options *opt, ct_diag *diag);

/* Row `row` < n m of A (d floats) and its b, for tests and for whoever wants to check; borrowed. */
const float *permk_quadratic_row(const permk_problem *problem, size_t row, float *b);

/* The starting point x (d) of the paper's program: what PyTorch draws for a linear layer after
 * manual_seed(seed), uniform on +-1/sqrt(d), rounded to float. */
void permk_torch_linear_init(double *x, size_t d, uint32_t seed);

#ifdef __cplusplus
}
#endif
#endif
