// SPDX-License-Identifier: MIT
/* The first rounds of each method against the paper's formulas on dense matrices. */
#include "dense_method.h"

#include "client.h"

enum { ROUNDS = 8, CLIENTS = 5 };

static const size_t sizes[CLIENTS] = {9, 23, 4, 14, 10};

typedef struct trace {
    const dense_case *c;
    fednl_solver *solver;
    size_t n;
    double x[ROUNDS + 1][DENSE_MOST]; // internal order
    fednl_round round[ROUNDS + 1];
} trace;

static void remember(void *context, const fednl_round *round)
{
    trace *t = context;
    const double *x = fednl_solver_x(t->solver);
    assert_int_equal(round->round, t->n);
    assert_true(t->n <= ROUNDS);
    for (size_t c = 0; c < t->c->d; c++)
        t->x[t->n][t->c->coordinate[c]] = x[c];
    t->round[t->n++] = *round;
}

static fednl_options options(fednl_algorithm algorithm, fednl_option option,
                             fednl_compressor compressor)
{
    fednl_options opt = fednl_options_default();
    opt.lambda = 0.02;
    opt.clients = CLIENTS;
    opt.sizes = sizes;
    opt.shuffle = false;
    opt.algorithm = algorithm;
    opt.option = option;
    opt.compressor = compressor;
    opt.k = (fednl_k){9, FEDNL_K_ENTRIES};
    opt.tol = 0.0;
    opt.max_rounds = ROUNDS;
    opt.seed = 31;
    return opt;
}

static void new_case(dense_case *c)
{
    dense_case_init(c, 60, 8, true, 0.6, 77);
}

/* The iterates of the solver. */
static void run(trace *t, const dense_case *c, const fednl_options *given)
{
    fednl_options opt = *given;
    fednl_result result;
    ct_diag diag = {""};
    *t = (trace){.c = c};
    opt.on_round = remember;
    opt.context = t;
    ct_assert_ok(fednl_solver_create(&t->solver, c->data, &opt, &diag), &diag);
    ct_assert_ok(fednl_solver_run(t->solver, &result, &diag), &diag);
    fednl_solver_destroy(t->solver);
}

static void check_point(const dense_method *m, const trace *t, size_t r, const double *x)
{
    double g[DENSE_MOST];
    ct_assert_array_near(t->x[r], x, m->d, 1e-9, 1e-11);
    if (isnan(t->round[r].f))
        return;
    method_gradient(m, x, g);
    ct_assert_near(t->round[r].f, method_loss(m, x), 1e-11, 0.0);
    ct_assert_near(t->round[r].grad_norm, sqrt(dense_dot(m->d, g, g)), 1e-7, 1e-12);
}

/* ---- FedNL ---- */

static void check_fednl(const dense_case *c, const fednl_options *opt, double mu)
{
    trace t;
    static dense_method m;
    double x[DENSE_MOST] = {0}, g[DENSE_MOST], step[DENSE_MOST];
    run(&t, c, opt);
    dense_method_init(&m, c, CLIENTS, sizes, opt);
    for (size_t r = 0; r < t.n; r++) {
        check_point(&m, &t, r, x);
        method_gradient(&m, x, g);
        method_learn_all(&m, x);
        ct_assert_near(t.round[r].shift, method_l(&m), 1e-8, 1e-13);
        method_step(&m, opt->option, mu, g, step);
        for (size_t k = 0; k < m.d; k++)
            x[k] -= step[k];
    }
    assert_int_equal(t.n, ROUNDS + 1);
}

static void test_fednl(void **state)
{
    (void)state;
    dense_case c;
    new_case(&c);
    for (int option = FEDNL_OPTION_A; option <= FEDNL_OPTION_B; option++) {
        for (int kind = FEDNL_COMPRESSOR_IDENTITY; kind <= FEDNL_COMPRESSOR_TOPK; kind++) {
            fednl_options opt =
                options(FEDNL_ALGORITHM_FEDNL, (fednl_option)option, (fednl_compressor)kind);
            check_fednl(&c, &opt, opt.lambda);
            opt.mu = 0.09; // above some eigenvalues
            check_fednl(&c, &opt, opt.mu);
            opt.weights = FEDNL_WEIGHTS_EQUAL;
            check_fednl(&c, &opt, opt.mu);
            opt.regularise_intercept = false;
            opt.alpha = kind == FEDNL_COMPRESSOR_TOPK ? 0.6 : 0.0;
            check_fednl(&c, &opt, opt.mu);
        }
    }
    dense_case_clear(&c);
}

static void test_newton(void **state)
{
    (void)state;
    dense_case c;
    new_case(&c);
    fednl_options opt = options(FEDNL_ALGORITHM_NEWTON, FEDNL_OPTION_B, FEDNL_COMPRESSOR_IDENTITY);
    check_fednl(&c, &opt, opt.lambda);
    dense_case_clear(&c);
}

/* ---- FedNL-LS ---- */

/* Where full steps overshoot: rows far on the wrong side. */
static fednl_model *far_start(const dense_case *c)
{
    const double label[2] = {1.0, -1.0};
    fednl_model *model;
    ct_rng rng;
    ct_rng_init(&rng, 8, CT_RNG_USER, 0, 0);
    ct_assert_ok(fednl_model_create(&model, c->features, 1.0, label), NULL);
    ct_rng_fill_normal_f64(&rng, model->w, c->d, 0.0, 4.0);
    return model;
}

static double armijo(const dense_method *m, const fednl_options *opt, const double *x,
                     const double *g, const double *step)
{
    double f = method_loss(m, x), slope = -dense_dot(m->d, g, step), at[DENSE_MOST];
    for (double t = 1.0;; t *= opt->line_search_backtrack) {
        for (size_t k = 0; k < m->d; k++)
            at[k] = x[k] - t * step[k];
        if (method_loss(m, at) <= f + opt->line_search_decrease * t * slope)
            return t;
    }
}

static void check_line_search(const dense_case *c, const fednl_options *opt)
{
    trace t;
    static dense_method m;
    double x[DENSE_MOST] = {0}, g[DENSE_MOST], step[DENSE_MOST];
    size_t shortened = 0;
    run(&t, c, opt);
    dense_method_init(&m, c, CLIENTS, sizes, opt);
    for (size_t k = 0; k < c->d; k++)
        x[c->coordinate[k]] = opt->start->w[k];
    for (size_t r = 0; r + 1 < t.n; r++) {
        check_point(&m, &t, r, x);
        method_gradient(&m, x, g);
        method_learn_all(&m, x);
        method_step(&m, opt->option, opt->lambda, g, step);
        double by = armijo(&m, opt, x, g, step);
        if (t.round[r].grad_norm < 1e-6) // beyond what f resolves
            break;
        assert_true(t.round[r + 1].step == by);
        shortened += by < 1.0;
        for (size_t k = 0; k < m.d; k++)
            x[k] -= by * step[k];
    }
    assert_true(shortened > 0);
}

static void test_line_search(void **state)
{
    (void)state;
    dense_case c;
    new_case(&c);
    fednl_model *start = far_start(&c);
    for (int kind = FEDNL_COMPRESSOR_IDENTITY; kind <= FEDNL_COMPRESSOR_TOPK; kind++) {
        fednl_options opt = options(FEDNL_ALGORITHM_LS, FEDNL_OPTION_A, (fednl_compressor)kind);
        opt.start = start;
        check_line_search(&c, &opt);
        opt.line_search_decrease = 0.4;
        opt.line_search_backtrack = 0.7;
        check_line_search(&c, &opt);
    }
    fednl_model_destroy(start);
    dense_case_clear(&c);
}

/* ---- FedNL-PP ---- */

/* g_i = (H_i + l_i I) x - gradient of f_i; option A has no l_i. */
static void partial_gradient(const dense_method *m, size_t i, fednl_option option, const double *x,
                             double *out)
{
    double gradient[DENSE_MOST];
    dense_multiply(m->d, m->h_i[i], x, out);
    method_client_gradient(m, i, x, gradient);
    for (size_t k = 0; k < m->d; k++)
        out[k] += (option == FEDNL_OPTION_B ? m->l_i[i] * x[k] : 0.0) - gradient[k];
}

/* Who takes part in a round. */
static size_t draw(const fednl_options *opt, size_t round, uint64_t *who)
{
    ct_rng rng;
    size_t n = round == 0 ? CLIENTS : opt->participants;
    ct_rng_init(&rng, opt->seed, CT_RNG_SAMPLING, 0, (uint32_t)round);
    ct_rng_choose_u64(&rng, who, n, CLIENTS);
    return n;
}

/* B: (H + l I)^-1 g. A: with [H]_mu, as a step from x, whose fixed point is the optimum also where
 * [H]_mu is not H. */
static void partial_step(const dense_method *m, const fednl_options *opt, double mu,
                         const double *g, double *x)
{
    double lacking[DENSE_MOST], step[DENSE_MOST];
    dense_matrix h;
    if (opt->option == FEDNL_OPTION_B) {
        method_step(m, opt->option, mu, g, x);
        return;
    }
    method_matrix(m, 0.0, h);
    for (size_t row = 0; row < m->d; row++) {
        long double sum = -g[row];
        for (size_t col = 0; col < m->d; col++)
            sum += h[row][col] * x[col];
        lacking[row] = (double)sum;
    }
    method_step(m, opt->option, mu, lacking, step);
    for (size_t k = 0; k < m->d; k++)
        x[k] -= step[k];
}

static void check_partial(const dense_case *c, const fednl_options *opt, double mu)
{
    trace t;
    static dense_method m;
    double x[DENSE_MOST] = {0}, g_i[CLIENTS][DENSE_MOST], g[DENSE_MOST];
    uint64_t who[CLIENTS];
    run(&t, c, opt);
    dense_method_init(&m, c, CLIENTS, sizes, opt);
    for (size_t r = 0; r < t.n; r++) {
        check_point(&m, &t, r, x);
        size_t n = draw(opt, r, who);
        for (size_t i = 0; i < n; i++) {
            method_learn(&m, who[i], x);
            partial_gradient(&m, who[i], opt->option, x, g_i[who[i]]);
        }
        assert_int_equal(t.round[r].clients, n);
        ct_assert_near(t.round[r].shift, method_l(&m), 1e-8, 1e-13);
        assert_true(isnan(t.round[r].f) == (r % opt->check_every != 0));
        memset(g, 0, sizeof g);
        for (size_t i = 0; i < CLIENTS; i++)
            for (size_t k = 0; k < m.d; k++)
                g[k] += m.weight[i] * g_i[i][k];
        partial_step(&m, opt, mu, g, x);
    }
    assert_int_equal(t.n, ROUNDS + 1);
}

static void test_partial_participation(void **state)
{
    (void)state;
    dense_case c;
    new_case(&c);
    for (int option = FEDNL_OPTION_A; option <= FEDNL_OPTION_B; option++) {
        for (int kind = FEDNL_COMPRESSOR_IDENTITY; kind <= FEDNL_COMPRESSOR_TOPK; kind++) {
            fednl_options opt =
                options(FEDNL_ALGORITHM_PP, (fednl_option)option, (fednl_compressor)kind);
            opt.participants = 2;
            opt.check_every = 3;
            check_partial(&c, &opt, opt.lambda);
            opt.regularise_intercept = false;
            opt.weights = FEDNL_WEIGHTS_EQUAL;
            opt.mu = 0.09;
            check_partial(&c, &opt, opt.mu);
        }
    }
    dense_case_clear(&c);
}

// where [H]_mu is not H, also at the optimum
static void test_partial_participation_with_a_large_mu(void **state)
{
    (void)state;
    dense_case c;
    new_case(&c);
    fednl_options opt = options(FEDNL_ALGORITHM_PP, FEDNL_OPTION_A, FEDNL_COMPRESSOR_IDENTITY);
    opt.mu = 0.09;
    opt.participants = 2;
    opt.tol = 1e-10;
    opt.max_rounds = 2000;
    fednl_solver *solver;
    fednl_result result;
    ct_diag diag = {""};
    ct_assert_ok(fednl_solver_create(&solver, c.data, &opt, &diag), &diag);
    ct_assert_ok(fednl_solver_run(solver, &result, &diag), &diag);
    assert_int_equal(result.outcome, FEDNL_CONVERGED);
    fednl_solver_destroy(solver);
    dense_case_clear(&c);
}

/* ---- FedNL-CR ---- */

/* M: the clients' means of ||a||^3 / (6 sqrt 3), weighed. */
static double cubic_constant(const dense_method *m)
{
    double sum = 0.0;
    for (size_t i = 0; i < m->clients; i++)
        for (size_t j = m->part[i].first; j < m->part[i].first + m->part[i].n; j++) {
            const double *a = m->c->a + j * m->d;
            sum += m->weight[i] / (double)m->part[i].n * pow(dense_dot(m->d, a, a), 1.5);
        }
    return sum / (6.0 * sqrt(3.0));
}

static void check_cubic(const dense_case *c, const fednl_options *opt)
{
    trace t;
    static dense_method m;
    double x[DENSE_MOST] = {0}, g[DENSE_MOST], step[DENSE_MOST];
    run(&t, c, opt);
    dense_method_init(&m, c, CLIENTS, sizes, opt);
    double cubic = opt->cubic > 0.0 ? opt->cubic : cubic_constant(&m);
    for (size_t r = 0; r < t.n; r++) {
        check_point(&m, &t, r, x);
        method_gradient(&m, x, g);
        method_learn_all(&m, x);
        method_cubic_step(&m, cubic, g, step);
        for (size_t k = 0; k < m.d; k++)
            x[k] -= step[k];
    }
    assert_int_equal(t.n, ROUNDS + 1);
}

static void test_cubic(void **state)
{
    (void)state;
    dense_case c;
    new_case(&c);
    for (int kind = FEDNL_COMPRESSOR_IDENTITY; kind <= FEDNL_COMPRESSOR_TOPK; kind++) {
        fednl_options opt = options(FEDNL_ALGORITHM_CR, FEDNL_OPTION_B, (fednl_compressor)kind);
        check_cubic(&c, &opt);
        opt.weights = FEDNL_WEIGHTS_EQUAL;
        check_cubic(&c, &opt);
        opt.cubic = 20.0;
        check_cubic(&c, &opt);
    }
    dense_case_clear(&c);
}

/* ---- FedNL-BC ---- */

typedef struct anchor { // where the gradients were true last
    double z[DENSE_MOST], g[DENSE_MOST];
} anchor;

static bool is_exact(const fednl_options *opt, size_t round)
{
    ct_rng rng;
    ct_rng_init(&rng, opt->seed, CT_RNG_SAMPLING, 0, (uint32_t)round);
    return round == 0 || ct_rng_uniform(&rng) < opt->gradient_probability;
}

/* H (x - z) + gradient at z. */
static void predicted_gradient(const dense_method *m, const anchor *a, const double *x, double *g)
{
    dense_matrix h;
    method_matrix(m, 0.0, h);
    for (size_t row = 0; row < m->d; row++) {
        long double sum = a->g[row];
        for (size_t col = 0; col < m->d; col++)
            sum += h[row][col] * (x[col] - a->z[col]);
        g[row] = (double)sum;
    }
}

static void check_bidirectional(const dense_case *c, const fednl_options *opt, double mu)
{
    trace t;
    static dense_method m;
    anchor a = {{0}, {0}};
    double x[DENSE_MOST] = {0}, g[DENSE_MOST], step[DENSE_MOST];
    size_t exact_rounds = 0;
    run(&t, c, opt);
    dense_method_init(&m, c, CLIENTS, sizes, opt);
    for (size_t r = 0; r < t.n; r++) {
        bool exact = is_exact(opt, r);
        check_point(&m, &t, r, x);
        assert_true(isnan(t.round[r].f) == !exact);
        method_learn_all(&m, x);
        if (exact) {
            memcpy(a.z, x, sizeof a.z);
            method_gradient(&m, x, a.g);
        }
        predicted_gradient(&m, &a, x, g);
        method_step(&m, opt->option, mu, g, step);
        keep_top(step, m.d, (size_t)opt->model_k.value);
        for (size_t k = 0; k < m.d; k++)
            x[k] -= opt->model_rate * step[k];
        exact_rounds += exact;
    }
    assert_int_equal(t.n, ROUNDS + 1);
    assert_in_range(exact_rounds, 2, ROUNDS - 1);
}

static void test_bidirectional(void **state)
{
    (void)state;
    dense_case c;
    new_case(&c);
    for (int option = FEDNL_OPTION_A; option <= FEDNL_OPTION_B; option++) {
        for (int kind = FEDNL_COMPRESSOR_IDENTITY; kind <= FEDNL_COMPRESSOR_TOPK; kind++) {
            fednl_options opt =
                options(FEDNL_ALGORITHM_BC, (fednl_option)option, (fednl_compressor)kind);
            opt.model_k = (fednl_k){4, FEDNL_K_ENTRIES};
            check_bidirectional(&c, &opt, opt.lambda);
            opt.model_rate = 0.7;
            opt.mu = 0.09;
            opt.regularise_intercept = false;
            opt.weights = FEDNL_WEIGHTS_EQUAL;
            check_bidirectional(&c, &opt, opt.mu);
        }
    }
    dense_case_clear(&c);
}

/* ---- baselines ---- */

/* The step size that took the solver from x^r to x^(r+1); the same in all coordinates. */
static double size_of_step(const dense_method *m, const trace *t, size_t r)
{
    double g[DENSE_MOST], step[DENSE_MOST];
    method_gradient(m, t->x[r], g);
    for (size_t k = 0; k < m->d; k++)
        step[k] = t->x[r][k] - t->x[r + 1][k];
    double size = dense_dot(m->d, step, g) / dense_dot(m->d, g, g);
    for (size_t k = 0; k < m->d; k++)
        ct_assert_near(step[k], size * g[k], 1e-9, 1e-13);
    return size;
}

/* The clients' largest eigenvalues of A^T A / (4 m), weighed. */
static double smoothness(const dense_method *m)
{
    double zero[DENSE_MOST] = {0}, h[DENSE_TRIANGLE], sum = 0.0;
    for (size_t i = 0; i < m->clients; i++) {
        dense_matrix a, v;
        long double value[DENSE_MOST], largest = 0.0L;
        dense_hessian(m->part[i], zero, h);
        for (size_t row = 0; row < m->d; row++)
            for (size_t col = 0; col < m->d; col++)
                a[row][col] = dense_entry(h, row, col);
        eigen(m->d, a, v, value);
        for (size_t k = 0; k < m->d; k++)
            largest = fmaxl(largest, value[k]);
        sum += m->weight[i] * (double)largest;
    }
    return sum;
}

static void test_gradient_descent(void **state)
{
    (void)state;
    dense_case c;
    static dense_method m;
    trace t;
    new_case(&c);
    fednl_options opt =
        options(FEDNL_ALGORITHM_GD, FEDNL_OPTION_DEFAULT, FEDNL_COMPRESSOR_IDENTITY);
    dense_method_init(&m, &c, CLIENTS, sizes, &opt);
    double l = smoothness(&m);
    run(&t, &c, &opt);
    for (size_t r = 0; r < ROUNDS; r++) {
        double found = 2.0 / size_of_step(&m, &t, r) - 2.0 * opt.lambda;
        assert_true(found >= l && found <= 1.0101 * l);
    }
    opt.step_size = 0.3;
    run(&t, &c, &opt);
    for (size_t r = 0; r < ROUNDS; r++)
        ct_assert_near(size_of_step(&m, &t, r), 0.3, 1e-9, 0.0);
    dense_case_clear(&c);
}

/* Where f and slopes tell nothing any more, no search goes far. */
static void watch_steps(void *context, const fednl_round *round)
{
    double *grad_norm = context;
    if (round->round > 0 && *grad_norm < 1e-9)
        assert_true(round->step <= 1.0);
    *grad_norm = round->grad_norm;
}

static void test_lbfgs(void **state)
{
    (void)state;
    dense_case c;
    static dense_method m;
    new_case(&c);
    fednl_options opt =
        options(FEDNL_ALGORITHM_LBFGS, FEDNL_OPTION_DEFAULT, FEDNL_COMPRESSOR_IDENTITY);
    opt.tol = 1e-12;
    opt.max_rounds = 60;
    double grad_norm;
    opt.on_round = watch_steps;
    opt.context = &grad_norm;
    dense_method_init(&m, &c, CLIENTS, sizes, &opt);
    double x[DENSE_MOST] = {0}, g[DENSE_MOST], step[DENSE_MOST];
    for (int i = 0; i < 30; i++) {
        method_gradient(&m, x, g);
        method_learn_all(&m, x);
        method_step(&m, FEDNL_OPTION_B, 0.0, g, step);
        for (size_t k = 0; k < m.d; k++)
            x[k] -= step[k];
    }
    fednl_solver *solver;
    fednl_result result;
    ct_diag diag = {""};
    for (opt.memory = 1; opt.memory <= 9; opt.memory += 4) {
        ct_assert_ok(fednl_solver_create(&solver, c.data, &opt, &diag), &diag);
        ct_assert_ok(fednl_solver_run(solver, &result, &diag), &diag);
        assert_int_equal(result.outcome, FEDNL_CONVERGED);
        for (size_t k = 0; k < m.d; k++)
            ct_assert_near(fednl_solver_x(solver)[k], x[c.coordinate[k]], 0.0, 1e-10);
        fednl_solver_destroy(solver);
    }
    dense_case_clear(&c);
}

// features so small that the first step becomes many times the gradient: f and gradient are those
// of the point reached, not of margins interpolated over that length
static void test_lbfgs_with_long_steps(void **state)
{
    (void)state;
    dense_case c;
    trace t;
    static dense_method m;
    double value[60 * 4], sign[60], longest = 0.0;
    ct_rng rng;
    ct_rng_init(&rng, 12, CT_RNG_USER, 0, 0);
    ct_rng_fill_normal_f64(&rng, value, 60 * 4, 0.0, 1e-5);
    for (size_t j = 0; j < 60; j++)
        sign[j] = ct_rng_uniform(&rng) < 0.5 ? 1.0 : -1.0;
    dense_case_take(&c, 60, 4, false, value, sign);
    fednl_options opt =
        options(FEDNL_ALGORITHM_LBFGS, FEDNL_OPTION_DEFAULT, FEDNL_COMPRESSOR_IDENTITY);
    opt.intercept = false;
    opt.lambda = 1e-14;
    const double label[2] = {1.0, -1.0};
    fednl_model *start;
    ct_assert_ok(fednl_model_create(&start, 4, -1.0, label), NULL);
    ct_rng_fill_normal_f64(&rng, start->w, 4, 0.0, 1e5); // margins of about 1
    opt.start = start;
    run(&t, &c, &opt);
    dense_method_init(&m, &c, CLIENTS, sizes, &opt);
    for (size_t r = 0; r < t.n; r++) {
        double g[DENSE_MOST];
        method_gradient(&m, t.x[r], g);
        ct_assert_near(t.round[r].f, method_loss(&m, t.x[r]), 1e-14, 0.0);
        ct_assert_near(t.round[r].grad_norm, sqrt(dense_dot(m.d, g, g)), 1e-9, 1e-18);
        longest = fmax(longest, t.round[r].step);
    }
    assert_true(longest > 1e6);
    fednl_model_destroy(start);
    dense_case_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fednl),
        cmocka_unit_test(test_newton),
        cmocka_unit_test(test_line_search),
        cmocka_unit_test(test_partial_participation),
        cmocka_unit_test(test_partial_participation_with_a_large_mu),
        cmocka_unit_test(test_cubic),
        cmocka_unit_test(test_bidirectional),
        cmocka_unit_test(test_gradient_descent),
        cmocka_unit_test(test_lbfgs),
        cmocka_unit_test(test_lbfgs_with_long_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
