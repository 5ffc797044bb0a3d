// SPDX-License-Identifier: MIT
/* The quadratic as a problem: residuals once a point, gradients as sums of rows.
 *
 * A is kept in float, as the paper's program rounds it; all arithmetic is in double, in a fixed
 * order (quadratic_kernels.h), so that the iterates are the same bits on every machine whatever its
 * instruction set. The entries of a block are the same bits
 * as those of the whole gradient. How the numbers are made is in quadratic_generate.c. */
#include <permk_aes/quadratic.h>

#include "block_run.h"
#include "quadratic_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of client i begin here: homogeneous problems store one client's rows. */
static size_t first_row(const permk__quadratic *q, uint32_t client)
{
    return q->homogeneous ? 0 : (size_t)client * q->samples;
}

/* The residual A_i x - b_i of client i at the current point. */
static const double *residual(permk__quadratic *q, uint32_t client)
{
    size_t first = first_row(q, client);
    double *r = q->residual + first;
    size_t slot = q->homogeneous ? 0 : client;
    if (q->residual_known[slot])
        return r;
    q->kernels->residual(r, q->a + first * q->d, q->b + first, q->x, q->samples, q->d);
    q->residual_known[slot] = true;
    return r;
}

static void scale(double *g, double by, size_t n)
{
    for (size_t j = 0; j < n; j++)
        g[j] *= by;
}

static double squares(const double *r, size_t m)
{
    double sum = 0;
    for (size_t k = 0; k < m; k++)
        sum += r[k] * r[k];
    return sum;
}

static void quadratic_move(void *state, const double *x)
{
    permk__quadratic *q = state;
    q->x = x;
    memset(q->residual_known, 0, q->homogeneous ? 1 : q->clients);
}

static ct_status quadratic_gradient(void *state, uint32_t client, double *loss, double *gradient,
                                    ct_diag *diag)
{
    (void)diag;
    permk__quadratic *q = state;
    const double *r = residual(q, client);
    if (loss != NULL)
        *loss = squares(r, q->samples) / (double)q->samples;
    if (gradient != NULL) {
        memset(gradient, 0, q->d * sizeof *gradient);
        q->kernels->add_rows(gradient, q->a + first_row(q, client) * q->d, q->d, q->d, r,
                             q->samples);
        scale(gradient, 2.0 / (double)q->samples, q->d);
    }
    return CT_OK;
}

static ct_status quadratic_block_gradient(void *state, uint32_t client, const permk_block *block,
                                          double *values, ct_diag *diag)
{
    (void)diag;
    permk__quadratic *q = state;
    const double *r = residual(q, client);
    const float *rows = q->a + first_row(q, client) * q->d;
    memset(values, 0, block->length * sizeof *values);
    double *to = values;
    for (size_t k = 0; k < permk__block_runs(block); k++) {
        permk__run run = permk__block_run(block, k, q->d);
        q->kernels->add_rows(to, rows + run.first, q->d, run.length, r, q->samples);
        to += run.length;
    }
    scale(values, 2.0 / (double)q->samples, block->length);
    return CT_OK;
}

static ct_status quadratic_evaluate(void *state, double *loss, double *gradient, ct_diag *diag)
{
    (void)diag;
    permk__quadratic *q = state;
    uint32_t parts = q->homogeneous ? 1 : q->clients;
    double sum = 0;
    memset(gradient, 0, q->d * sizeof *gradient);
    for (uint32_t i = 0; i < parts; i++) { // residual and gradient while the rows are in cache
        const double *r = residual(q, i);
        sum += squares(r, q->samples);
        q->kernels->add_rows(gradient, q->a + first_row(q, i) * q->d, q->d, q->d, r, q->samples);
    }
    double rows = (double)parts * (double)q->samples;
    scale(gradient, 2.0 / rows, q->d);
    *loss = sum / rows;
    return CT_OK;
}

static void quadratic_destroy(void *state)
{
    permk__quadratic *q = state;
    if (q == NULL)
        return;
    free(q->a);
    free(q->b);
    free(q->residual);
    free(q->residual_known);
    free(q);
}

static const permk_problem_ops quadratic_ops = {.move = quadratic_move,
                                                .gradient = quadratic_gradient,
                                                .block_gradient = quadratic_block_gradient,
                                                .evaluate = quadratic_evaluate,
                                                .destroy = quadratic_destroy};

permk_quadratic_options permk_quadratic_options_default(void)
{
    return (permk_quadratic_options){.clients = 50,
                                     .samples = 12,
                                     .dimension = 1000,
                                     .smoothness = 10,
                                     .convexity = 1,
                                     .seed = 123};
}

static ct_status check_options(const permk_quadratic_options *opt, ct_diag *diag)
{
    if (opt->clients == 0 || opt->samples == 0 || opt->dimension == 0)
        return ct_fail(diag, CT_EINVALID,
                       "quadratic: %u clients, %zu samples, dimension %zu (all must be at least 1)",
                       opt->clients, opt->samples, opt->dimension);
    if (opt->dimension > UINT32_MAX)
        return ct_fail(diag, CT_EINVALID, "quadratic: dimension %zu (at most 2^32 - 1)",
                       opt->dimension);
    if (!(opt->convexity > 0 && opt->convexity <= opt->smoothness) || !isfinite(opt->smoothness))
        return ct_fail(diag, CT_EINVALID, "quadratic: mu = %g, L = %g (must be 0 < mu <= L)",
                       opt->convexity, opt->smoothness);
    return CT_OK;
}

ct_status permk_quadratic_init(permk_problem *problem, const permk_quadratic_options *opt,
                               ct_diag *diag)
{
    memset(problem, 0, sizeof *problem);
    permk_quadratic_options defaults = permk_quadratic_options_default();
    if (opt == NULL)
        opt = &defaults;
    CT_TRY(check_options(opt, diag));
    permk__quadratic *q = calloc(1, sizeof *q);
    if (q == NULL)
        return ct_fail(diag, CT_ENOMEM, "quadratic: out of memory");
    q->kernels = permk__quadratic_kernels_get();
    permk_problem made = {.ops = &quadratic_ops,
                          .state = q,
                          .clients = opt->clients,
                          .dimension = opt->dimension,
                          .smoothness = opt->smoothness};
    ct_status status = permk__quadratic_generate(q, opt, &made, diag);
    if (status != CT_OK) {
        quadratic_destroy(q);
        return status;
    }
    *problem = made;
    return CT_OK;
}

const float *permk_quadratic_row(const permk_problem *problem, size_t row, float *b)
{
    const permk__quadratic *q = problem->state;
    size_t stored = q->homogeneous ? row % q->samples : row;
    if (b != NULL)
        *b = q->b[stored];
    return q->a + stored * q->d;
}
