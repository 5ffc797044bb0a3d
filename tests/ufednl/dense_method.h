// SPDX-License-Identifier: MIT
/* The parts of the methods of arXiv:2106.02969, written down as the paper has them, on dense
 * matrices of full Hessians (the regulariser included): what the solver's rounds are compared with.
 * Only what is random is shared: the streams of ctrain/rng.h. */
#ifndef DENSE_METHOD_H
#define DENSE_METHOD_H

#include "dense_case.h"

#include <ufednl/ufednl.h>

enum { DENSE_CLIENTS = 8 };

/* A server and its clients. */
typedef struct dense_method {
    const dense_case *c;
    size_t d, triangle, clients;
    dense_part part[DENSE_CLIENTS];
    double weight[DENSE_CLIENTS], ridge[DENSE_MOST];
    fednl_compressor compressor; // identity or TopK
    size_t k;
    double alpha;
    bool started[DENSE_CLIENTS];
    double h_i[DENSE_CLIENTS][DENSE_TRIANGLE], l_i[DENSE_CLIENTS];
} dense_method;

typedef long double dense_matrix[DENSE_MOST][DENSE_MOST];

/* Client i takes sizes[i] rows in the order of the data. */
static inline void dense_method_init(dense_method *m, const dense_case *c, size_t clients,
                                     const size_t *sizes, const fednl_options *opt)
{
    memset(m, 0, sizeof *m);
    m->c = c;
    m->d = c->d;
    m->triangle = fednl__position(0, c->d);
    m->clients = clients;
    m->compressor = opt->compressor;
    m->k = (size_t)opt->k.value;
    m->alpha = opt->alpha != 0.0 ? opt->alpha : 1.0;
    bool equal = opt->weights == FEDNL_WEIGHTS_EQUAL;
    for (size_t i = 0, first = 0; i < clients; first += sizes[i++]) {
        m->part[i] = (dense_part){c, first, sizes[i]};
        m->weight[i] = equal ? 1.0 / (double)clients : (double)sizes[i] / (double)c->rows;
    }
    for (size_t k = 0; k < c->d; k++)
        m->ridge[k] = opt->lambda;
    if (c->intercept && !opt->regularise_intercept)
        m->ridge[c->coordinate[c->features]] = 0.0;
}

/* ---- f_i and f, with their regulariser ---- */

static inline double method_loss(const dense_method *m, const double *x)
{
    long double sum = 0.0L;
    for (size_t i = 0; i < m->clients; i++)
        sum += (long double)m->weight[i] * dense_loss(m->part[i], x);
    for (size_t k = 0; k < m->d; k++)
        sum += 0.5L * m->ridge[k] * x[k] * x[k];
    return (double)sum;
}

static inline void method_client_gradient(const dense_method *m, size_t i, const double *x,
                                          double *g)
{
    dense_gradient(m->part[i], x, g);
    for (size_t k = 0; k < m->d; k++)
        g[k] += m->ridge[k] * x[k];
}

static inline void method_gradient(const dense_method *m, const double *x, double *g)
{
    double of_client[DENSE_MOST];
    memset(g, 0, m->d * sizeof *g);
    for (size_t i = 0; i < m->clients; i++) {
        method_client_gradient(m, i, x, of_client);
        for (size_t k = 0; k < m->d; k++)
            g[k] += m->weight[i] * of_client[k];
    }
}

static inline void method_client_hessian(const dense_method *m, size_t i, const double *x,
                                         double *h)
{
    dense_hessian(m->part[i], x, h);
    for (size_t k = 0; k < m->d; k++)
        h[fednl__position(k, k)] += m->ridge[k];
}

/* ---- what clients learn ---- */

/* The slot of the largest magnitude in v (n) that is not yet taken, the first of equal ones; n:
 * only zeros are left. */
static inline size_t largest_left(const double *v, const bool *taken, size_t n)
{
    size_t best = n;
    for (size_t e = 0; e < n; e++)
        if (!taken[e] && v[e] != 0.0 && (best == n || fabs(v[e]) > fabs(v[best])))
            best = e;
    return best;
}

/* v = TopK(v). */
static inline void keep_top(double *v, size_t n, size_t k)
{
    bool taken[DENSE_TRIANGLE] = {false};
    for (size_t i = 0; i < k; i++) {
        size_t best = largest_left(v, taken, n);
        if (best < n)
            taken[best] = true;
    }
    for (size_t e = 0; e < n; e++)
        v[e] = taken[e] ? v[e] : 0.0;
}

/* H_i += alpha C(Hess f_i(x) - H_i), the first time H_i = Hess f_i(x); then l_i = ||Hess - H_i||.
 */
static inline void method_learn(dense_method *m, size_t i, const double *x)
{
    double hessian[DENSE_TRIANGLE], s[DENSE_TRIANGLE];
    method_client_hessian(m, i, x, hessian);
    bool whole = !m->started[i] || m->compressor == FEDNL_COMPRESSOR_IDENTITY;
    for (size_t e = 0; e < m->triangle; e++)
        s[e] = hessian[e] - m->h_i[i][e];
    if (!whole)
        keep_top(s, m->triangle, m->k);
    for (size_t e = 0; e < m->triangle; e++)
        m->h_i[i][e] = whole ? hessian[e] : m->h_i[i][e] + m->alpha * s[e];
    m->l_i[i] = whole ? 0.0 : dense_distance(m->d, hessian, m->h_i[i]);
    m->started[i] = true;
}

static inline void method_learn_all(dense_method *m, const double *x)
{
    for (size_t i = 0; i < m->clients; i++)
        method_learn(m, i, x);
}

static inline double method_l(const dense_method *m)
{
    double l = 0.0;
    for (size_t i = 0; i < m->clients; i++)
        l += m->weight[i] * m->l_i[i];
    return l;
}

/* H + shift I, H the average of the H_i. */
static inline void method_matrix(const dense_method *m, double shift, dense_matrix a)
{
    for (size_t row = 0; row < m->d; row++)
        for (size_t col = 0; col < m->d; col++) {
            a[row][col] = row == col ? shift : 0.0L;
            for (size_t i = 0; i < m->clients; i++)
                a[row][col] += (long double)m->weight[i] * dense_entry(m->h_i[i], row, col);
        }
}

/* ---- linear algebra ---- */

/* A = V diag(value) V^T by Jacobi's rotations; columns of v. */
static inline void eigen(size_t d, dense_matrix a, dense_matrix v, long double *value)
{
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            v[i][j] = i == j;
    for (int sweep = 0; sweep < 15; sweep++)
        for (size_t p = 0; p < d; p++)
            for (size_t q = p + 1; q < d; q++) {
                if (a[p][q] == 0.0L)
                    continue;
                long double theta = (a[q][q] - a[p][p]) / (2.0L * a[p][q]);
                long double t = copysignl(1.0L, theta) / (fabsl(theta) + hypotl(1.0L, theta));
                long double c = 1.0L / hypotl(1.0L, t), s = t * c;
                for (size_t i = 0; i < d; i++) {
                    long double ip = a[i][p], iq = a[i][q], vp = v[i][p], vq = v[i][q];
                    a[i][p] = c * ip - s * iq;
                    a[i][q] = s * ip + c * iq;
                    v[i][p] = c * vp - s * vq;
                    v[i][q] = s * vp + c * vq;
                }
                for (size_t i = 0; i < d; i++) {
                    long double pi = a[p][i], qi = a[q][i];
                    a[p][i] = c * pi - s * qi;
                    a[q][i] = s * pi + c * qi;
                }
            }
    for (size_t i = 0; i < d; i++)
        value[i] = a[i][i];
}

/* out = (A with eigenvalues below least raised to it, + shift I)^-1 g, of eigenvectors v. */
static inline void solve_by(size_t d, dense_matrix v, const long double *value, long double least,
                            long double shift, const double *g, double *out)
{
    long double sum[DENSE_MOST] = {0};
    for (size_t e = 0; e < d; e++) {
        long double along = 0.0L;
        for (size_t i = 0; i < d; i++)
            along += v[i][e] * g[i];
        along /= fmaxl(value[e], least) + shift;
        for (size_t i = 0; i < d; i++)
            sum[i] += along * v[i][e];
    }
    for (size_t i = 0; i < d; i++)
        out[i] = (double)sum[i];
}

/* Option A: [H]_mu^-1 g; option B: (H + l I)^-1 g. */
static inline void method_step(const dense_method *m, fednl_option option, double mu,
                               const double *g, double *step)
{
    dense_matrix a, v;
    long double value[DENSE_MOST];
    method_matrix(m, option == FEDNL_OPTION_A ? 0.0 : method_l(m), a);
    eigen(m->d, a, v, value);
    solve_by(m->d, v, value, option == FEDNL_OPTION_A ? mu : -INFINITY, 0.0L, g, step);
}

/* -argmin of g^T h + 1/2 h^T (H + l I) h + cubic/6 ||h||^3: (H + l I + cubic/2 ||h|| I)^-1 g, by
 * bisection of ||h||. */
static inline void method_cubic_step(const dense_method *m, double cubic, const double *g,
                                     double *step)
{
    dense_matrix a, v;
    long double value[DENSE_MOST], low = 0.0L, high = 1e6L;
    method_matrix(m, method_l(m), a);
    eigen(m->d, a, v, value);
    for (int i = 0; i < 200; i++) {
        long double middle = 0.5L * (low + high);
        solve_by(m->d, v, value, -INFINITY, 0.5L * cubic * middle, g, step);
        if (sqrt(dense_dot(m->d, step, step)) > middle)
            low = middle;
        else
            high = middle;
    }
}

#endif
