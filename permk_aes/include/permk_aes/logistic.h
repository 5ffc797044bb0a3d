// SPDX-License-Identifier: MIT
/* Regularised logistic regression on LIBSVM data as a problem of n clients:
 *
 *     f_i(x) = 1/m_i sum_j log(1 + exp(-b_ij a_ij^T x)) + lambda r(x),
 *     r(x) = ||x||^2 / 2   or   sum_j x_j^2 / (1 + x_j^2)   (not convex)
 *
 * f is the mean of the f_i: clients weigh equally, whatever their m_i. */
#ifndef PERMK_AES_LOGISTIC_H
#define PERMK_AES_LOGISTIC_H

#include <ctrain/dataset.h>
#include <permk_aes/problem.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum permk_regulariser { PERMK_L2, PERMK_NONCONVEX } permk_regulariser;

typedef struct permk_logistic_options {
    uint32_t clients;              // n, at most the number of rows
    double lambda;                 // >= 0, default 1e-3
    permk_regulariser regulariser; // default L2
    bool intercept;                // append a column of ones, regularised; default true
    bool shuffle;                  // deal the rows in random order (default), or in file order
    double label_skew;             // as in ct_split_options; default 0
    uint64_t seed;                 // of the split and of minibatches; default 1
    size_t batch;                  // rows of a minibatch; 0 (default): none
    uint32_t own;  // only this client's rows are kept; UINT32_MAX (default): all clients'
    bool own_data; // there are no others' rows in the data: all of them are own's, and nothing is
                   // dealt (shuffle and label_skew do not count); default false
} permk_logistic_options;
permk_logistic_options permk_logistic_options_default(uint32_t clients);

/* data is borrowed for the call. smoothness is L of f (power iteration), max_smoothness and
 * mean_square_smoothness of the f_i (with `own` those of all clients too: the rows are there for
 * the call; NaN with own_data, where nobody knows them). On failure *problem is zeroed.
 * CT_EINVALID: labels that are not exactly two, more clients than rows, a bad option; CT_ENOMEM. */
CT_MUST_USE ct_status permk_logistic_init(permk_problem *problem, const ct_dataset *data,
                                          const permk_logistic_options *opt, ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
