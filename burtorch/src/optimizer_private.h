// SPDX-License-Identifier: MIT
/* An optimizer in parts, for a trainer that has gradients in pieces.
 *
 * begin once a step, then update for disjoint ranges that cover each parameter, from any threads:
 * each element depends on itself alone, so bits do not depend on how the ranges are cut. */
#ifndef BURTORCH_OPTIMIZER_PRIVATE_H
#define BURTORCH_OPTIMIZER_PRIVATE_H

#include <burtorch/optimizer.h>

/* Count one step, and keep what its updates share. Gradients are taken times gradient_scale. */
void bt__optimizer_begin(bt_optimizer *optimizer, double rate, double gradient_scale);
/* Update elements begin … end-1 of a parameter from gradient[0 … end-begin-1] (of the graph's
 * dtype). */
void bt__optimizer_update(bt_optimizer *optimizer, size_t parameter, size_t begin, size_t end,
                          const void *gradient);

/* Whether a step is p -= rate (scale g + decay p), and nothing is remembered. */
bool bt__optimizer_is_plain(const bt_optimizer *optimizer);
/* Such a step of a weight (rows, k) whose gradient is dz x^T, one sample's, without making it; and,
 * where dx is not NULL, dx (k) = W^T dz of the weight before the step [+ dx]. */
void bt__optimizer_update_product(bt_optimizer *optimizer, size_t parameter, size_t rows, size_t k,
                                  const void *dz, const void *x, void *dx, bool add);

/* The gradient norm is the root of the sum, parameter by parameter and in each block by block, of
 * the square sums of blocks of this many elements (the last of a parameter may be shorter). */
enum { BT__NORM_BLOCK = 4096 };
/* What clipping makes of such a norm: the gradient_scale. */
double bt__optimizer_clip(const bt_optimizer *optimizer, double norm);

/* What all elements of a step share. */
typedef struct bt__optimizer_rule {
    bt_optimizer_kind kind;
    bool nesterov;
    double scale; // of the gradient
    double rate;  // of SGD; of Adam divided by 1 - beta1^t
    double momentum, beta1, beta2, epsilon;
    double decay; // of AdamW: what p is multiplied by; else what p adds to the gradient
    double root;  // of Adam: sqrt(1 - beta2^t)
} bt__optimizer_rule;

/* m and v: NULL where the rule has none. */
typedef void bt__optimizer_update_fn(const bt__optimizer_rule *rule, void *value, void *m, void *v,
                                     const void *gradient, size_t n);
typedef void bt__update_product_fn(const bt__optimizer_rule *rule, void *value, size_t rows,
                                   size_t k, const void *dz, const void *x, void *dx, bool add);
typedef double bt__square_sum_fn(const void *gradient, size_t n);

#endif
