// SPDX-License-Identifier: MIT
/* How curved logistic regression is: the largest eigenvalue of a weighted A^T A by power iteration
 * (a quarter of it bounds the Hessian).
 *
 * The iteration runs on W^1/2 A A^T W^1/2, which has the same eigenvalue: its vectors have one
 * number a row, so that many clients with few rows each cost what their entries cost, whatever the
 * dimension. It reads the data set itself, because a process that keeps only its own rows needs the
 * constants of all. */
#include "logistic_private.h"

#include <ctrain/rng.h>
#include <math.h>
#include <stdlib.h>

#define TOLERANCE      1e-3 // of the residual, relative to the eigenvalue
#define MAX_ITERATIONS 1000
#define MARGIN         1.01 // an eigenvalue that is approached from below becomes a bound

typedef struct power {
    const ct_dataset *data;
    const ct_split *split;
    double intercept; // 1 or 0: the entry of every row in the last column
    double *root;     // (rows)     square root of the weight of each row
    double *u, *next; // (rows)     in the clients' order, as root
    double *v;        // (cols + 1) A^T W^1/2 u; zero in between
} power;

/* v += a row */
static void add_row(power *p, size_t row, double a)
{
    const ct_dataset *data = p->data;
    for (size_t e = data->row_start[row]; e < data->row_start[row + 1]; e++)
        p->v[data->col[e]] += a * data->val[e];
    p->v[data->cols] += a * p->intercept;
}

static double dot_row(const power *p, size_t row)
{
    const ct_dataset *data = p->data;
    double sum = p->v[data->cols] * p->intercept;
    for (size_t e = data->row_start[row]; e < data->row_start[row + 1]; e++)
        sum += data->val[e] * p->v[data->col[e]];
    return sum;
}

static void forget_row(power *p, size_t row)
{
    const ct_dataset *data = p->data;
    for (size_t e = data->row_start[row]; e < data->row_start[row + 1]; e++)
        p->v[data->col[e]] = 0;
    p->v[data->cols] = 0;
}

/* next = W^1/2 A A^T W^1/2 u over rows begin … end-1 of the split's order. */
static void multiply(power *p, size_t begin, size_t end)
{
    const uint32_t *order = p->split->order;
    for (size_t k = begin; k < end; k++)
        add_row(p, order[k], p->root[k] * p->u[k]);
    for (size_t k = begin; k < end; k++)
        p->next[k] = p->root[k] * dot_row(p, order[k]);
    for (size_t k = begin; k < end; k++)
        forget_row(p, order[k]);
}

static double dot(const double *x, const double *y, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += x[k] * y[k];
    return sum;
}

/* The largest eigenvalue over rows begin … end-1, times MARGIN. */
static double largest(power *p, size_t begin, size_t end)
{
    size_t n = end - begin;
    double *u = p->u + begin, *next = p->next + begin, eigenvalue = 0;
    ct_rng rng;
    ct_rng_init(&rng, 1, CT_RNG_INIT, 0, 0);
    ct_rng_fill_normal_f64(&rng, u, n, 0, 1);
    double norm = sqrt(dot(u, u, n));
    for (size_t i = 0; i < MAX_ITERATIONS && norm > 0; i++) {
        for (size_t k = 0; k < n; k++)
            u[k] /= norm;
        multiply(p, begin, end);
        eigenvalue = dot(u, next, n);
        double squares = dot(next, next, n); // ||B u - theta u||^2 = ||B u||^2 - theta^2
        if (squares - eigenvalue * eigenvalue <= TOLERANCE * TOLERANCE * squares)
            break;
        norm = sqrt(squares);
        for (size_t k = 0; k < n; k++)
            u[k] = next[k];
    }
    return MARGIN * eigenvalue;
}

/* Rows of client i weigh 1 / (clients m_i). */
static void set_weights(power *p, double clients)
{
    const ct_split *split = p->split;
    for (size_t i = 0; i < split->clients; i++) {
        double rows = (double)(split->start[i + 1] - split->start[i]);
        for (size_t k = split->start[i]; k < split->start[i + 1]; k++)
            p->root[k] = 1 / sqrt(clients * rows);
    }
}

/* The Hessian of log(1 + exp) is at most 1/4. */
static void set_smoothness(permk_problem *problem, power *p, double regulariser_curvature)
{
    const ct_split *split = p->split;
    double squares = 0, max = 0;
    set_weights(p, 1);
    for (size_t i = 0; i < split->clients; i++) {
        double l = largest(p, split->start[i], split->start[i + 1]) / 4 + regulariser_curvature;
        max = fmax(max, l);
        squares += l * l;
    }
    set_weights(p, (double)split->clients);
    problem->smoothness = largest(p, 0, p->data->rows) / 4 + regulariser_curvature;
    problem->max_smoothness = max;
    problem->mean_square_smoothness = sqrt(squares / (double)split->clients);
}

ct_status permk__logistic_smoothness(permk_problem *problem, const ct_dataset *data,
                                     const ct_split *split, bool intercept,
                                     double regulariser_curvature)
{
    size_t rows = data->rows;
    power p = {.data = data, .split = split, .intercept = intercept ? 1 : 0};
    p.root = malloc(rows * sizeof *p.root);
    p.u = malloc(rows * sizeof *p.u);
    p.next = malloc(rows * sizeof *p.next);
    p.v = calloc(data->cols + 1, sizeof *p.v);
    bool ok = p.root != NULL && p.u != NULL && p.next != NULL && p.v != NULL;
    if (ok)
        set_smoothness(problem, &p, regulariser_curvature);
    free(p.root);
    free(p.u);
    free(p.next);
    free(p.v);
    return ok ? CT_OK : CT_ENOMEM;
}
