// SPDX-License-Identifier: MIT
/* What is trained, as the methods see it: f(x) = (1/n) sum_i f_i(x) over x in R^d, client i holds
 * f_i.
 *
 * An implementation fills a table of functions; the quadratic of permk_aes/quadratic.h is one. The
 * point x is set once and then asked about as often as needed, so that work shared by losses and
 * gradients at one point (residuals, activations) is done once. */
#ifndef PERMK_AES_PROBLEM_H
#define PERMK_AES_PROBLEM_H

#include <permk_aes/ownership.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct permk_problem_ops {
    /* All later calls are about x (d), borrowed until the next move or the end; its contents do not
     * change in between. */
    void (*move)(void *state, const double *x);
    /* *loss = f_i and gradient (d) = grad f_i. Either may be NULL. */
    ct_status (*gradient)(void *state, uint32_t client, double *loss, double *gradient,
                          ct_diag *diag);
    /* values (block->length) = the entries of grad f_i in the block. NULL: gradient() is called and
     * the entries are gathered. Worth writing where a part costs less than the whole. */
    ct_status (*block_gradient)(void *state, uint32_t client, const permk_block *block,
                                double *values, ct_diag *diag);
    /* From now on gradient() and block_gradient() are about a minibatch that is a function of
     * (client, round); all functions but these two, and all after batch(state, UINT64_MAX), are
     * about all samples. NULL: the problem has no minibatches. */
    void (*batch)(void *state, uint64_t round);
    /* *loss = f and gradient (d) = grad f, exactly. NULL: the mean over all clients. Only asked of
     * problems that hold every client's data: simulations, and a leader that monitors. */
    ct_status (*evaluate)(void *state, double *loss, double *gradient, ct_diag *diag);
    void (*destroy)(void *state);
} permk_problem_ops;

typedef struct permk_problem {
    const permk_problem_ops *ops;  // borrowed, static
    void *state;                   // first argument of every function
    uint32_t clients;              // n
    size_t dimension;              // d
    double smoothness;             // L of f: ||grad f(x) - grad f(y)|| <= L ||x - y||; NaN: unknown
    double max_smoothness;         // the largest L_i of any f_i; NaN: unknown
    double mean_square_smoothness; // sqrt((1/n) sum L_i^2); NaN: unknown
    bool own_only; // only the client's own f_i is known here: evaluate() does not exist, and f is
                   // evaluated by all clients together
} permk_problem;

/* Destroy the state (ops->destroy) and clear *problem; copes with a zeroed one. */
void permk_problem_clear(permk_problem *problem);

#ifdef __cplusplus
}
#endif
#endif
