// SPDX-License-Identifier: MIT
/* Changing the parameters of a graph by their gradients: stochastic gradient descent, Adam, AdamW,
 * and how the learning rate moves with the steps.
 *
 *     bt_optimizer_options o = bt_optimizer_options_default(BT_ADAMW);
 *     bt_optimizer *optimizer;
 *     if (bt_optimizer_create(&optimizer, graph, &o, &diag) != CT_OK) …   // a planned graph
 *     for (uint64_t step = 0; …; step++) {
 *         … bt_graph_forward, bt_graph_backward …
 *         bt_optimizer_step(optimizer, bt_schedule_rate(&schedule, step));
 *     }
 *
 * The formulas are PyTorch's, for gradient g of parameter p, rate r, weight decay d, step t = 1, 2,
 * …, in the precision of the graph:
 *   BT_SGD (Sutskever et al. 2013)   g += d p;  m = momentum m + g  (m = g at first);
 *          p -= r m, or with nesterov r (g + momentum m)
 *   BT_ADAM (Kingma, Ba 2015)        g += d p;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
 *          p -= r / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + epsilon)
 *   BT_ADAMW (Loshchilov, Hutter 2019)  p -= r d p;  then as BT_ADAM without g += d p.
 * Every parameter decays, biases too. Steps allocate nothing. */
#ifndef BURTORCH_OPTIMIZER_H
#define BURTORCH_OPTIMIZER_H

#include <burtorch/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bt_optimizer_kind { BT_SGD = 0, BT_ADAM = 1, BT_ADAMW = 2 } bt_optimizer_kind;

typedef struct bt_optimizer_options {
    bt_optimizer_kind kind;
    double momentum;     // of BT_SGD, in [0, 1) (default 0)
    bool nesterov;       // of BT_SGD; needs momentum (default false)
    double beta1, beta2; // of BT_ADAM and BT_ADAMW, in [0, 1) (default 0.9, 0.999)
    double epsilon;      // likewise, more than 0 (default 1e-8)
    double weight_decay; // at least 0 (default 0; BT_ADAMW 0.01)
    double clip_norm;    // more than 0: gradients of all parameters together are scaled by
                         // min(1, clip_norm / (norm + 1e-6)); 0 (default): they are not
} bt_optimizer_options;
bt_optimizer_options bt_optimizer_options_default(bt_optimizer_kind kind);

typedef struct bt_optimizer bt_optimizer;

/* Create an optimizer for the parameters of graph, which is planned and borrowed until destroy; opt
 * is copied (NULL: those of BT_SGD). CT_EINVALID: the graph is not planned, or an option is out of
 * its range, named in diag; CT_ENOMEM. */
CT_MUST_USE ct_status bt_optimizer_create(bt_optimizer **out, bt_graph *graph,
                                          const bt_optimizer_options *opt, ct_diag *diag);
/* NULL is allowed. */
void bt_optimizer_destroy(bt_optimizer *optimizer);

/* One step with this learning rate, from the gradients of the last backward. Parameters that the
 * loss does not depend on stay. Gradients that are not finite spoil the parameters: check the loss
 * before (or bt_optimizer_gradient_norm). */
void bt_optimizer_step(bt_optimizer *optimizer, double rate);

/* Euclidean norm of the gradients of all parameters together, before clipping; summed in double in
 * a fixed order, the same for every instruction set. */
double bt_optimizer_gradient_norm(const bt_optimizer *optimizer);

/* ---- State, as checkpoints keep it (<burtorch/checkpoint.h> does) ---- */

/* As created. */
bt_graph *bt_optimizer_graph(const bt_optimizer *optimizer);
const bt_optimizer_options *bt_optimizer_settings(const bt_optimizer *optimizer);
/* "sgd", "adam", "adamw". */
const char *bt_optimizer_kind_name(bt_optimizer_kind kind);
/* Steps taken. */
uint64_t bt_optimizer_steps(const bt_optimizer *optimizer);
void bt_optimizer_set_steps(bt_optimizer *optimizer, uint64_t steps);
/* Arrays beside each parameter: 0, 1 (m) or 2 (m and v), and number `which` of them for parameter
 * i: as many elements, of the graph's dtype; zeros at first. NULL: there is none such. */
size_t bt_optimizer_moments(const bt_optimizer *optimizer);
void *bt_optimizer_moment(const bt_optimizer *optimizer, size_t i, size_t which);
size_t bt_optimizer_bytes(const bt_optimizer *optimizer);

/* ---- Learning rates ---- */

typedef enum bt_schedule_kind {
    BT_SCHEDULE_CONSTANT = 0,
    BT_SCHEDULE_COSINE, // along half a cosine from rate to floor (Loshchilov, Hutter 2017)
    BT_SCHEDULE_LINEAR, // along a line from rate to floor
    BT_SCHEDULE_STEP    // times factor after every `every` steps, not below floor
} bt_schedule_kind;

/* Steps 0 … warmup-1 climb linearly, (step + 1) / (warmup + 1) of rate; then the kind decides.
 * COSINE and LINEAR reach floor at step steps-1 and stay there. */
typedef struct bt_schedule {
    bt_schedule_kind kind;
    double rate;     // the highest
    double floor;    // the lowest after warm-up
    uint64_t warmup; // steps
    uint64_t steps;  // of COSINE and LINEAR: all steps, warm-up included
    uint64_t every;  // of STEP
    double factor;   // of STEP
} bt_schedule;

/* The rate of step 0, 1, …; a pure function. */
double bt_schedule_rate(const bt_schedule *schedule, uint64_t step);

#ifdef __cplusplus
}
#endif
#endif
