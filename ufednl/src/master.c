// SPDX-License-Identifier: MIT
/* The server of FedNL. It keeps one triangle of H; a second, square matrix takes the factor, so
 * that H itself is never recomputed. */
#include "master.h"

#include <ctrain/blas.h>
#include <math.h>
#include <string.h>

static void layout(fednl__master *m)
{
    ct_arena *a = &m->memory;
    m->x = ct_arena_array(a, double, m->dimension);
    m->g = ct_arena_array(a, double, m->dimension);
    m->step = ct_arena_array(a, double, m->dimension);
    m->h = ct_arena_array(a, double, fednl__position(0, m->dimension));
    m->factor = ct_arena_array(a, double, m->dimension * m->dimension);
}

ct_status fednl__master_init(fednl__master *master, size_t dimension, double lambda)
{
    master->dimension = dimension;
    master->lambda = lambda;
    ct_arena_init_measuring(&master->memory);
    layout(master);
    CT_TRY(ct_arena_init(&master->memory, ct_arena_high_water(&master->memory)));
    layout(master);
    return CT_OK;
}

void fednl__master_clear(fednl__master *master)
{
    ct_arena_clear(&master->memory);
}

void fednl__master_begin(fednl__master *master)
{
    memset(master->g, 0, master->dimension * sizeof *master->g);
    master->f = master->l = 0.0;
}

void fednl__master_add(fednl__master *master, double weight, const fednl__reply *reply)
{
    master->f += weight * reply->f;
    master->l += weight * reply->l;
    for (size_t c = 0; c < master->dimension; c++)
        master->g[c] += weight * reply->g[c];
}

/* The first entry of the ascending index (n) that is at least position. */
static size_t lower_bound(const uint32_t *index, size_t n, size_t position)
{
    size_t begin = 0;
    while (n > 0) {
        size_t half = n / 2;
        bool below = index[begin + half] < position;
        begin += below ? half + 1 : 0;
        n = below ? n - half - 1 : half;
    }
    return begin;
}

void fednl__master_learn(fednl__master *master, size_t begin, size_t end, double weight,
                         const fednl__reply *reply)
{
    double *restrict h = master->h;
    size_t last = lower_bound(reply->index, reply->n, end);
    for (size_t i = lower_bound(reply->index, last, begin); i < last; i++)
        h[reply->index[i]] += weight * reply->value[i];
}

void fednl__master_forget(fednl__master *master, size_t begin, size_t end)
{
    memset(master->h + begin, 0, (end - begin) * sizeof *master->h);
}

void fednl__master_end(fednl__master *master)
{
    double x_squared = 0.0, g_squared = 0.0;
    for (size_t c = 0; c < master->dimension; c++) {
        master->g[c] += master->lambda * master->x[c];
        x_squared += master->x[c] * master->x[c];
        g_squared += master->g[c] * master->g[c];
    }
    master->f += 0.5 * master->lambda * x_squared;
    master->grad_norm = sqrt(g_squared);
}

ct_status fednl__master_step(fednl__master *master, ct_diag *diag)
{
    size_t d = master->dimension;
    for (size_t c = 0; c < d; c++) {
        double *row =
            master->factor + c * d; // column c of the upper triangle is row c of the lower
        memcpy(row, master->h + fednl__position(0, c), (c + 1) * sizeof *row);
        row[c] += master->lambda + master->l;
    }
    if (ct_blas_potrf_f64(d, master->factor, d) != CT_OK)
        return ct_fail(diag, FEDNL_EFACTOR,
                       "the Hessian estimate is not positive definite with lambda = %g; a larger "
                       "lambda helps",
                       master->lambda);
    memcpy(master->step, master->g, d * sizeof *master->step);
    ct_blas_potrs_f64(d, master->factor, d, master->step);
    for (size_t c = 0; c < d; c++)
        master->x[c] -= master->step[c];
    return CT_OK;
}
