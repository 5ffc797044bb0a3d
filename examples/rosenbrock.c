// SPDX-License-Identifier: MIT
/* A truncated Newton method on the Rosenbrock function of N variables,
 *
 *     f(x) = sum over i of 100 (x_i+1 - x_i^2)^2 + (1 - x_i)^2,
 *
 * whose minimum, 0 at (1, …, 1), lies at the end of a long curved valley. f is recorded once and
 * captured; from then on there are only its gradient and products with its Hessian, which is never
 * formed: the Newton equation H p = -g is solved by conjugate gradients (Nocedal and Wright,
 * Numerical Optimization, algorithm 7.1). */
#include <burtorch/burtorch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 100 };

static ct_status capture(bt_function **f)
{
    bt_tape *tape;
    bt_var x[N], terms[2 * (N - 1)];
    CT_TRY(bt_tape_create(&tape));
    for (int i = 0; i < N; i++)
        x[i] = bt_variable(tape, 0);
    for (int i = 0; i < N - 1; i++) {
        terms[2 * i] = bt_mul_const(bt_sqr(bt_sub(x[i + 1], bt_sqr(x[i]))), 100);
        terms[2 * i + 1] = bt_sqr(bt_const_sub(1, x[i]));
    }
    const bt_var y = bt_sum(terms, 2 * (N - 1));
    const ct_status status = bt_function_capture(f, x, N, &y, 1, NULL);
    bt_tape_destroy(tape); // f is a copy
    return status;
}

static double dot(const double *x, const double *z)
{
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += x[i] * z[i];
    return sum;
}

/* p with H p = -g: the more exactly the smaller g is, and only as far as the curvature is
 * positive. */
static ct_status newton_step(const bt_function *f, bt_workspace *w, const double *x,
                             const double *g, double *p)
{
    double r[N], d[N], hd[N], rr = dot(g, g);
    const double enough = rr * fmin(0.25, sqrt(rr)); // of |H p + g|^2
    for (int i = 0; i < N; i++) {
        r[i] = d[i] = -g[i];
        p[i] = 0;
    }
    for (int k = 0; k < 2 * N && rr > enough; k++) {
        CT_TRY(bt_function_hvp(f, w, 0, x, d, NULL, NULL, hd));
        const double curvature = dot(d, hd), before = rr;
        if (curvature <= 0) {
            if (k == 0)
                memcpy(p, d, sizeof d); // downhill, at least
            break;
        }
        for (int i = 0; i < N; i++) {
            p[i] += before / curvature * d[i];
            r[i] -= before / curvature * hd[i];
        }
        rr = dot(r, r);
        for (int i = 0; i < N; i++)
            d[i] = r[i] + rr / before * d[i];
    }
    return CT_OK;
}

/* Move x along p: halve the step until f falls by a fair part of what the slope promises. */
static ct_status line_search(const bt_function *f, bt_workspace *w, double *x, const double *p,
                             double y, double slope)
{
    double moved[N], there = INFINITY;
    for (double step = 1; !(there <= y + 1e-4 * step * slope) && step > 1e-12; step /= 2) {
        for (int i = 0; i < N; i++)
            moved[i] = x[i] + step * p[i];
        CT_TRY(bt_function_evaluate(f, w, moved, &there));
    }
    memcpy(x, moved, sizeof moved);
    return CT_OK;
}

static ct_status minimise(const bt_function *f, bt_workspace *w, double *x, double *y)
{
    double g[N], p[N];
    for (int k = 0; k < 1000; k++) {
        CT_TRY(bt_function_gradient(f, w, 0, x, y, g));
        if (dot(g, g) <= 1e-18)
            return CT_OK;
        CT_TRY(newton_step(f, w, x, g, p));
        CT_TRY(line_search(f, w, x, p, *y, dot(g, p)));
    }
    return CT_ENUMERIC;
}

int main(void)
{
    bt_function *f;
    bt_workspace *w = NULL;
    double x[N] = {0}, y;
    ct_status status = capture(&f);
    if (status == CT_OK)
        status = bt_workspace_create(&w, f);
    if (status == CT_OK)
        status = minimise(f, w, x, &y);
    if (status == CT_OK)
        printf("f < 1e-15: %s, x_1 = %.6f, x_%d = %.6f\n", y < 1e-15 ? "yes" : "no", x[0], N,
               x[N - 1]);
    else
        fprintf(stderr, "%s\n", ct_status_text(status));
    bt_workspace_destroy(w);
    bt_function_destroy(f);
    return status == CT_OK ? 0 : 1;
}
