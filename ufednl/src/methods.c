// SPDX-License-Identifier: MIT
/* What each method asks of the clients in a round and how it steps. Equation numbers are those of
 * arXiv:2106.02969. */
#include "solver.h"

#include <ctrain/rng.h>
#include <ctrain/select.h>
#include <ctrain/timer.h>
#include <math.h>
#include <string.h>

/* ---- common to several ---- */

/* f, gradient, and Hessians learnt, at x. */
static ct_status evaluate_all(fednl_solver *s, ct_diag *diag)
{
    fednl__request request = {
        .ask = FEDNL__ASK_LOSS | FEDNL__ASK_GRADIENT | FEDNL__ASK_HESSIAN,
        .round = (uint32_t)s->round,
        .accept = true,
        .t = s->t,
        .x = s->tried ? NULL : s->x,
    };
    if (!s->method->second_order)
        request.ask = FEDNL__ASK_LOSS | FEDNL__ASK_GRADIENT;
    CT_TRY(fednl__ask_everyone(s, &request, diag));
    s->tried = false;
    return CT_OK;
}

/* step = [H]_mu^-1 g or (H + l I)^-1 g. */
static ct_status newton_step(fednl_solver *s, const double *g, double *step, ct_diag *diag)
{
    double begin = ct_time_s();
    ct_status status = s->opt.option == FEDNL_OPTION_A
                           ? fednl__step_projected(&s->system, s->opt.mu, g, step, diag)
                           : fednl__step_shifted(&s->system, s->l, g, step);
    s->solve_s += ct_time_s() - begin;
    if (status == FEDNL_EFACTOR)
        return ct_fail(diag, status,
                       "the Hessian estimate is not positive definite with lambda = %g; a larger "
                       "lambda helps",
                       s->opt.lambda);
    return status;
}

/* out += (H + ridge) v. */
static void add_hessian_product(const fednl_solver *s, const double *v, double *out)
{
    for (size_t c = 0; c < s->dimension; c++) {
        const double *column = s->h + fednl__position(0, c);
        for (size_t r = 0; r < c; r++) {
            out[r] += column[r] * v[c];
            out[c] += column[r] * v[r];
        }
        out[c] += (column[c] + s->ridge[c]) * v[c];
    }
}

static void move(fednl_solver *s, double t)
{
    for (size_t c = 0; c < s->dimension; c++)
        s->x[c] -= t * s->step[c];
    s->t = t;
}

/* A constant of the clients, averaged: L or M. */
static ct_status ask_constants(fednl_solver *s, double *smoothness, double *cubic, ct_diag *diag)
{
    fednl__request request = {.ask = FEDNL__ASK_CONSTANTS};
    double f = s->f;
    CT_TRY(fednl__ask_everyone(s, &request, diag));
    *smoothness = s->f;
    *cubic = s->slope;
    s->f = f;
    return CT_OK;
}

/* ---- FedNL, Newton, FedNL-LS ---- */

static ct_status step_full(fednl_solver *s, bool *stalled, ct_diag *diag)
{
    (void)stalled;
    CT_TRY(newton_step(s, s->g, s->step, diag));
    move(s, 1.0);
    return CT_OK;
}

static ct_status step_newton(fednl_solver *s, bool *stalled, ct_diag *diag)
{
    (void)stalled;
    double begin = ct_time_s();
    ct_status status = fednl__step_shifted(&s->system, 0.0, s->g, s->step);
    s->solve_s += ct_time_s() - begin;
    if (status != CT_OK)
        return ct_fail(diag, status, "the Hessian is not positive definite with lambda = %g",
                       s->opt.lambda);
    move(s, 1.0);
    return CT_OK;
}

static ct_status step_line_search(fednl_solver *s, bool *stalled, ct_diag *diag)
{
    bool found;
    CT_TRY(newton_step(s, s->g, s->step, diag));
    CT_TRY(fednl__backtrack(s, &found, diag));
    *stalled = !found;
    if (found)
        move(s, s->t);
    s->tried = found;
    return CT_OK;
}

/* ---- FedNL-CR: h = argmin of the cubic model, x + h ---- */

static ct_status step_cubic(fednl_solver *s, bool *stalled, ct_diag *diag)
{
    (void)stalled;
    double smoothness;
    if (s->constant == 0.0)
        s->constant = s->opt.cubic;
    if (s->constant == 0.0)
        CT_TRY(ask_constants(s, &smoothness, &s->constant, diag));
    double begin = ct_time_s();
    ct_status status = fednl__step_cubic(&s->system, s->l, s->constant, s->g, s->step);
    s->solve_s += ct_time_s() - begin;
    if (status != CT_OK)
        return ct_fail(diag, status, "the Hessian estimate is not positive definite");
    move(s, 1.0);
    return CT_OK;
}

/* ---- FedNL-PP: some clients a round ---- */

static ct_status check_all(fednl_solver *s, ct_diag *diag)
{
    fednl__request request = {
        .ask = FEDNL__ASK_LOSS | FEDNL__ASK_GRADIENT, .round = (uint32_t)s->round, .x = s->x};
    bool due = s->round % s->opt.check_every == 0;
    for (size_t i = 0; i < s->clients && due; i++)
        due = !s->link->lost[i];
    if (due)
        CT_TRY(fednl__ask_everyone(s, &request, diag));
    for (size_t i = 0; i < s->clients && due; i++)
        due = !s->link->lost[i]; // one that was lost now is missing from the sum
    if (!due)
        s->f = s->grad_norm = NAN;
    return CT_OK;
}

/* What the clients sent last, averaged. */
static void average_partial(fednl_solver *s, double *average)
{
    memset(average, 0, s->dimension * sizeof *average);
    for (size_t i = 0; i < s->clients; i++) {
        const double *of_client = s->partial_g + i * s->dimension;
        double weight = s->link->weight[i];
        for (size_t c = 0; c < s->dimension; c++)
            average[c] += weight * of_client[c];
    }
}

static ct_status ask_partial(fednl_solver *s, const uint32_t *who, size_t n, ct_diag *diag)
{
    fednl__request request = {
        .ask = FEDNL__ASK_HESSIAN | FEDNL__ASK_PARTIAL, .round = (uint32_t)s->round, .x = s->x};
    CT_TRY(fednl__ask(s, &request, who, n, diag));
    s->l = 0.0;
    for (size_t i = 0; i < s->clients; i++)
        s->l += s->link->weight[i] * s->partial_l[i];
    return CT_OK;
}

/* participants of the clients that can be reached, ascending; every subset equally likely. */
static size_t draw_clients(fednl_solver *s)
{
    uint32_t *reachable = s->chosen; // the chosen ones move to its front
    size_t n = 0, k;
    for (uint32_t i = 0; i < s->clients; i++)
        if (!s->link->lost[i])
            reachable[n++] = i;
    k = s->opt.participants < n ? s->opt.participants : n;
    ct_rng rng;
    ct_rng_init(&rng, s->opt.seed, CT_RNG_SAMPLING, 0, (uint32_t)s->round);
    ct_rng_choose_u64(&rng, s->drawn, k, n);
    for (size_t i = 0; i < k; i++)
        s->chosen[i] = reachable[s->drawn[i]];
    return k;
}

static ct_status evaluate_partial(fednl_solver *s, ct_diag *diag)
{
    if (s->round == 0)
        CT_TRY(ask_partial(s, s->everyone, s->clients, diag));
    else
        CT_TRY(ask_partial(s, s->chosen, draw_clients(s), diag));
    return check_all(s, diag);
}

/* The paper's x+ = (H + l I)^-1 g as a step from x, which is (H + l I)^-1 ((H + l I) x - g). With
 * [H]_mu for the inverse only, it still comes to rest where the gradient is 0. */
static ct_status step_partial(fednl_solver *s, bool *stalled, ct_diag *diag)
{
    (void)stalled;
    double *average = s->step;
    average_partial(s, average);
    double l = s->opt.option == FEDNL_OPTION_B ? s->l : 0.0;
    for (size_t c = 0; c < s->dimension; c++)
        s->g[c] = l * s->x[c] - average[c];
    add_hessian_product(s, s->x, s->g);
    CT_TRY(newton_step(s, s->g, s->step, diag));
    move(s, 1.0);
    return CT_OK;
}

/* ---- FedNL-BC: x is what the clients know; z is where gradients were true last ---- */

/* g = (H + ridge) (x - z) + gradient at z. */
static void predict_gradient(fednl_solver *s)
{
    double *from_anchor = s->point;
    for (size_t c = 0; c < s->dimension; c++)
        from_anchor[c] = s->x[c] - s->anchor[c];
    memcpy(s->g, s->anchor_g, s->dimension * sizeof *s->g);
    add_hessian_product(s, from_anchor, s->g);
}

static ct_status evaluate_bidirectional(fednl_solver *s, ct_diag *diag)
{
    ct_rng rng;
    ct_rng_init(&rng, s->opt.seed, CT_RNG_SAMPLING, 0, (uint32_t)s->round);
    bool exact = s->round == 0 || ct_rng_uniform(&rng) < s->opt.gradient_probability;
    fednl__request request = {.ask = FEDNL__ASK_HESSIAN,
                              .round = (uint32_t)s->round,
                              .x = s->x,
                              .has_delta = s->has_delta,
                              .n_delta = s->n_delta,
                              .delta_index = s->delta_index,
                              .delta = s->delta};
    if (exact)
        request.ask |= FEDNL__ASK_LOSS | FEDNL__ASK_GRADIENT;
    CT_TRY(fednl__ask_everyone(s, &request, diag));
    if (exact) {
        memcpy(s->anchor, s->x, s->dimension * sizeof *s->x);
        memcpy(s->anchor_g, s->g, s->dimension * sizeof *s->g);
    } else {
        s->f = s->grad_norm = NAN;
        predict_gradient(s);
    }
    return CT_OK;
}

static ct_status step_bidirectional(fednl_solver *s, bool *stalled, ct_diag *diag)
{
    (void)stalled;
    CT_TRY(newton_step(s, s->g, s->step, diag));
    size_t k = (size_t)s->opt.model_k.value;
    s->n_delta =
        ct_top_k_f64(s->step, s->dimension, k, (uint64_t *)(void *)s->key_room, s->delta_index);
    for (size_t i = 0; i < s->n_delta; i++) {
        uint32_t c = s->delta_index[i];
        s->delta[i] = -s->opt.model_rate * s->step[c];
        s->x[c] += s->delta[i];
    }
    s->has_delta = true;
    s->t = 1.0;
    return CT_OK;
}

/* ---- baselines ---- */

static ct_status step_gradient_descent(fednl_solver *s, bool *stalled, ct_diag *diag)
{
    (void)stalled;
    double cubic;
    if (s->constant == 0.0 && s->opt.step_size == 0.0) {
        CT_TRY(ask_constants(s, &s->constant, &cubic, diag));
        s->constant += s->opt.lambda;
    }
    double size = s->opt.step_size;
    if (size == 0.0)
        size = 2.0 / (s->opt.lambda + s->constant);
    for (size_t c = 0; c < s->dimension; c++)
        s->step[c] = size * s->g[c];
    move(s, 1.0);
    return CT_OK;
}

static ct_status step_lbfgs(fednl_solver *s, bool *stalled, ct_diag *diag)
{
    bool found;
    if (s->round > 0)
        fednl__lbfgs_update(&s->lbfgs, s->x, s->x_old, s->g, s->g_old);
    memcpy(s->x_old, s->x, s->dimension * sizeof *s->x);
    memcpy(s->g_old, s->g, s->dimension * sizeof *s->g);
    fednl__lbfgs_step(&s->lbfgs, s->g, s->step);
    double first_t = s->lbfgs.pairs == 0 ? fmin(1.0, 1.0 / s->grad_norm) : 1.0;
    CT_TRY(fednl__wolfe_search(s, first_t, &found, diag));
    *stalled = !found;
    if (found)
        move(s, s->t);
    s->tried = found && s->t <= 1.0; // beyond, margins in proportion lose digits
    return CT_OK;
}

const fednl__method *fednl__method_of(fednl_algorithm algorithm)
{
    static const fednl__method methods[] = {
        [FEDNL_ALGORITHM_FEDNL] = {true, evaluate_all, step_full},
        [FEDNL_ALGORITHM_LS] = {true, evaluate_all, step_line_search},
        [FEDNL_ALGORITHM_PP] = {true, evaluate_partial, step_partial},
        [FEDNL_ALGORITHM_CR] = {true, evaluate_all, step_cubic},
        [FEDNL_ALGORITHM_BC] = {true, evaluate_bidirectional, step_bidirectional},
        [FEDNL_ALGORITHM_NEWTON] = {true, evaluate_all, step_newton},
        [FEDNL_ALGORITHM_GD] = {false, evaluate_all, step_gradient_descent},
        [FEDNL_ALGORITHM_LBFGS] = {false, evaluate_all, step_lbfgs},
    };
    return (size_t)algorithm < sizeof methods / sizeof *methods ? &methods[algorithm] : NULL;
}
