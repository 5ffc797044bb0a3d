// SPDX-License-Identifier: MIT
/* Solvers on small data for tests that look at what comes out: one call each, and a walk through
 * all methods. */
#ifndef SOLVE_CASE_H
#define SOLVE_CASE_H

#include "dense_method.h"

static inline fednl_solver *solver_open(const ct_dataset *data, const fednl_options *opt)
{
    fednl_solver *solver;
    ct_diag diag = {""};
    ct_assert_ok(fednl_solver_create(&solver, data, opt, &diag), &diag);
    return solver;
}

static inline fednl_result solver_run(fednl_solver *solver)
{
    fednl_result result;
    ct_diag diag = {""};
    ct_assert_ok(fednl_solver_run(solver, &result, &diag), &diag);
    return result;
}

/* Create, run, copy x (d, in the order of the data) where it is not NULL, destroy. */
static inline fednl_result solve(const ct_dataset *data, const fednl_options *opt, double *x)
{
    fednl_solver *solver = solver_open(data, opt);
    fednl_result result = solver_run(solver);
    if (x != NULL)
        memcpy(x, fednl_solver_x(solver), result.dimension * sizeof *x);
    fednl_solver_destroy(solver);
    return result;
}

static inline void solver_refuse(const ct_dataset *data, const fednl_options *opt,
                                 ct_status expected, const char *reason)
{
    fednl_solver *solver;
    ct_diag diag = {""};
    ct_assert_status(fednl_solver_create(&solver, data, opt, &diag), expected, &diag);
    assert_null(solver);
    ct_assert_contains(diag.text, reason);
}

/* x (d) of internal order from that of the data. */
static inline void in_order(const dense_case *c, const double *as_data, double *x)
{
    for (size_t k = 0; k < c->d; k++)
        x[c->coordinate[k]] = as_data[k];
}

/* The minimum by Newton's method; x (d) of internal order. */
static inline void find_optimum(dense_method *m, double *x)
{
    double g[DENSE_MOST], step[DENSE_MOST];
    memset(x, 0, m->d * sizeof *x);
    m->compressor = FEDNL_COMPRESSOR_IDENTITY;
    for (int i = 0; i < 30; i++) {
        method_gradient(m, x, g);
        method_learn_all(m, x);
        method_step(m, FEDNL_OPTION_B, 0.0, g, step);
        for (size_t k = 0; k < m->d; k++)
            x[k] -= step[k];
    }
}

/* The i-th of all methods, options and compressors that make a difference; false: there is none. */
static inline bool next_method(size_t i, fednl_options *opt)
{
    static const fednl_algorithm baselines[] = {FEDNL_ALGORITHM_NEWTON, FEDNL_ALGORITHM_GD,
                                                FEDNL_ALGORITHM_LBFGS};
    enum { KINDS = FEDNL_COMPRESSOR_RANKR + 1, COMPRESSED = FEDNL_ALGORITHM_BC + 1 };
    if (i < 3) {
        opt->algorithm = baselines[i];
        opt->compressor = FEDNL_COMPRESSOR_IDENTITY;
        return true;
    }
    i -= 3;
    opt->compressor = (fednl_compressor)(i % KINDS);
    opt->algorithm = (fednl_algorithm)(i / KINDS % COMPRESSED);
    opt->option = i / KINDS / COMPRESSED == 0 ? FEDNL_OPTION_A : FEDNL_OPTION_B;
    return i / KINDS / COMPRESSED < 2;
}

static inline void name_method(const fednl_options *opt, const fednl_result *result)
{
    print_message("%s %s %s: %s after %zu rounds, ||grad f|| %.2e\n",
                  fednl_algorithm_name(opt->algorithm), opt->option == FEDNL_OPTION_A ? "A" : "B",
                  fednl_compressor_name(opt->compressor), fednl_outcome_name(result->outcome),
                  result->rounds, result->grad_norm);
}

#endif
