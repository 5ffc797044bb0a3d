// SPDX-License-Identifier: MIT
/* Factorisations and steps against plain loops and matrices of known eigenvalues, with the kernels
 * of every instruction set: each is tested in a process of its own, which CT_SIMD lowers to it. */
#include "ct_test.h"

#include "rows.h"
#include "step.h"

#include <ctrain/blas.h>
#include <ctrain/kernels.h>
#include <ctrain/rng.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A system with memory of its own. */
typedef struct problem {
    fednl__system system;
    ct_arena memory;
    double *h, *ridge, *g, *step, *residual;
    double *q; // (d, d) rows: eigenvectors of h, where it was made from some
} problem;

static void carve(problem *p, ct_arena *arena)
{
    size_t d = p->system.d;
    fednl__system_layout(&p->system, arena);
    p->h = ct_arena_array(arena, double, d *(d + 1) / 2);
    p->ridge = ct_arena_array(arena, double, d);
    p->g = ct_arena_array(arena, double, d);
    p->step = ct_arena_array(arena, double, d);
    p->residual = ct_arena_array(arena, double, d);
    p->q = ct_arena_array(arena, double, d *d);
}

static void init(problem *p, size_t d)
{
    *p = (problem){.system.d = d};
    ct_arena_init_measuring(&p->memory);
    carve(p, &p->memory);
    ct_assert_ok(ct_arena_init(&p->memory, ct_arena_high_water(&p->memory)), NULL);
    carve(p, &p->memory);
    p->system.h = p->h;
    p->system.ridge = p->ridge;
    ct_rng rng;
    ct_rng_init(&rng, d, CT_RNG_USER, 0, 0);
    ct_rng_fill_normal_f64(&rng, p->g, d, 0.0, 1.0);
}

static void clear(problem *p)
{
    ct_arena_clear(&p->memory);
}

/* q = Householder reflections of random vectors, times one another: orthogonal to rounding. */
static void fill_orthogonal(problem *p)
{
    size_t d = p->system.d;
    double *v = p->step;
    ct_rng rng;
    ct_rng_init(&rng, d, CT_RNG_USER, 1, 0);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            p->q[i * d + j] = i == j;
    for (int reflection = 0; reflection < 3; reflection++) {
        double squared = 0.0;
        ct_rng_fill_normal_f64(&rng, v, d, 0.0, 1.0);
        for (size_t j = 0; j < d; j++)
            squared += v[j] * v[j];
        for (size_t i = 0; i < d; i++) {
            double dot = 0.0;
            for (size_t j = 0; j < d; j++)
                dot += p->q[i * d + j] * v[j];
            for (size_t j = 0; j < d; j++)
                p->q[i * d + j] -= 2.0 * dot / squared * v[j];
        }
    }
}

/* h = sum_i eigenvalue[i] q_i q_i^T. */
static void compose(problem *p, const double *eigenvalue)
{
    size_t d = p->system.d;
    fill_orthogonal(p);
    for (size_t c = 0; c < d; c++)
        for (size_t r = 0; r <= c; r++) {
            double sum = 0.0;
            for (size_t i = 0; i < d; i++)
                sum += eigenvalue[i] * p->q[i * d + r] * p->q[i * d + c];
            p->h[fednl__position(r, c)] = sum;
        }
}

/* h = a positive definite matrix of condition about 100: cheap, for any d. */
static void fill_dominant(problem *p)
{
    size_t d = p->system.d;
    ct_rng rng;
    ct_rng_init(&rng, d, CT_RNG_USER, 2, 0);
    ct_rng_fill_uniform_f64(&rng, p->h, fednl__position(0, d), -1.0, 1.0);
    for (size_t c = 0; c < d; c++) {
        p->h[fednl__position(c, c)] += 2.0 * sqrt((double)d);
        p->ridge[c] = 0.25 * (double)(c % 3);
    }
}

static double at(const problem *p, size_t r, size_t c)
{
    return r <= c ? p->h[fednl__position(r, c)] : p->h[fednl__position(c, r)];
}

/* residual = (H + diag(ridge) + shift I) x - g; its largest entry, relative to those of g. */
static double residual(problem *p, double shift, const double *x)
{
    double largest = 0.0, g_largest = DBL_MIN;
    for (size_t r = 0; r < p->system.d; r++) {
        double sum = (p->ridge[r] + shift) * x[r] - p->g[r];
        for (size_t c = 0; c < p->system.d; c++)
            sum += at(p, r, c) * x[c];
        p->residual[r] = sum;
        largest = fmax(largest, fabs(sum));
        g_largest = fmax(g_largest, fabs(p->g[r]));
    }
    return largest / g_largest;
}

/* U^T U = A the plain way; false where a pivot is not positive. a, u (n, n). */
static bool plain_factor(size_t n, const double *a, double *u)
{
    for (size_t r = 0; r < n; r++)
        for (size_t c = r; c < n; c++) {
            double sum = a[r * n + c];
            for (size_t p = 0; p < r; p++)
                sum -= u[p * n + r] * u[p * n + c];
            if (r == c && !(sum > 0.0))
                return false;
            u[r * n + c] = r == c ? sqrt(sum) : sum / u[r * n + r];
        }
    return true;
}

static void check_factor(size_t n, size_t lda)
{
    double *a = calloc(n * n, sizeof *a), *u = calloc(n * n, sizeof *u);
    double *ours = malloc(n * lda * sizeof *ours);
    assert_true(a != NULL && u != NULL && ours != NULL);
    ct_rng rng;
    ct_rng_init(&rng, n, CT_RNG_USER, 3, 0);
    for (size_t i = 0; i < n * lda; i++)
        ours[i] = NAN; // whatever is below the diagonal does not matter
    for (size_t r = 0; r < n; r++)
        for (size_t c = r; c < n; c++) {
            a[r * n + c] = ct_rng_uniform(&rng) - 0.5 + (r == c ? sqrt((double)n) + 0.5 : 0.0);
            ours[r * lda + c] = -a[r * n + c];
        }
    assert_true(plain_factor(n, a, u));
    ct_assert_ok(fednl__cholesky_factor(n, ours, lda), NULL);
    for (size_t r = 0; r < n; r++)
        ct_assert_array_near(ours + r * lda + r, u + r * n + r, n - r, 1e-13, 1e-13);
    free(a);
    free(u);
    free(ours);
}

static void test_factor_is_that_of_plain_loops(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 70; n++)
        check_factor(n, n);
    static const size_t sizes[][2] = {{64, 72},   {96, 96},   {127, 130}, {128, 136},
                                      {129, 129}, {301, 312}, {600, 600}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_factor(sizes[i][0], sizes[i][1]);
}

static void test_nothing_to_factor(void **state)
{
    (void)state;
    ct_assert_ok(fednl__cholesky_factor(0, NULL, 0), NULL);
    fednl__cholesky_solve(0, NULL, 0, NULL);
}

/* At each place in turn a value that must not be there. */
static void test_factor_refuses(void **state)
{
    (void)state;
    enum { N = 45 };
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    static double a[N * N];
    for (size_t i = 0; i < N; i++)
        for (size_t j = i; j < N; j++)
            for (size_t b = 0; b < 4; b++) {
                memset(a, 0, sizeof a);
                for (size_t k = 0; k < N; k++)
                    a[k * N + k] = -4.0;
                a[i * N + j] = b < 3 ? bad[b] : i == j ? 0.0 : 4.0; // the last: singular
                ct_assert_status(fednl__cholesky_factor(N, a, N), CT_ENUMERIC, NULL);
            }
}

static void test_factor_of_tiny_and_huge(void **state)
{
    (void)state;
    double scale[] = {0x1p-1000, 0x1p1000};
    for (int i = 0; i < 2; i++) {
        double s = scale[i], a[] = {-4.0 * s, -2.0 * s, 0.0, -5.0 * s};
        ct_assert_ok(fednl__cholesky_factor(2, a, 2), NULL);
        ct_assert_near(a[0], 2.0 * sqrt(s), 1e-15, 0.0);
        ct_assert_near(a[1], sqrt(s), 1e-15, 0.0);
        ct_assert_near(a[3], 2.0 * sqrt(s), 1e-15, 0.0);
    }
}

static void test_shifted_solves(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 7, 8, 9, 31, 64, 69, 124, 301, 513, 1600};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        problem p;
        init(&p, sizes[i]);
        fill_dominant(&p);
        for (int again = 0; again < 2; again++) { // H is still there
            ct_assert_ok(fednl__step_shifted(&p.system, 0.5, p.g, p.step), NULL);
            ct_assert_near(residual(&p, 0.5, p.step), 0.0, 0.0, 1e-13);
        }
        clear(&p);
    }
}

static void test_shifted_refuses(void **state)
{
    (void)state;
    enum { D = 20 };
    problem p;
    init(&p, D);
    double eigenvalue[D];
    for (size_t i = 0; i < D; i++)
        eigenvalue[i] = (double)i - 0.5;
    compose(&p, eigenvalue);
    ct_assert_status(fednl__step_shifted(&p.system, 0.0, p.g, p.step), FEDNL_EFACTOR, NULL);
    ct_assert_status(fednl__step_shifted(&p.system, 0.49, p.g, p.step), FEDNL_EFACTOR, NULL);
    ct_assert_ok(fednl__step_shifted(&p.system, 0.51, p.g, p.step), NULL);
    p.h[fednl__position(3, 17)] = NAN;
    ct_assert_status(fednl__step_shifted(&p.system, 0.51, p.g, p.step), FEDNL_EFACTOR, NULL);
    clear(&p);
}

/* The projected step by the eigenvectors h was made from. ridge is a multiple of I. */
static void projected_reference(const problem *p, const double *eigenvalue, double mu, double *step)
{
    size_t d = p->system.d;
    memset(step, 0, d * sizeof *step);
    for (size_t i = 0; i < d; i++) {
        const double *q = p->q + i * d;
        double dot = 0.0;
        for (size_t j = 0; j < d; j++)
            dot += q[j] * p->g[j];
        for (size_t j = 0; j < d; j++)
            step[j] += dot / fmax(eigenvalue[i] + p->ridge[0], mu) * q[j];
    }
}

static void check_projected(size_t d, const double *eigenvalue, double ridge, double mu)
{
    problem p;
    ct_diag diag = {{0}};
    init(&p, d);
    compose(&p, eigenvalue);
    for (size_t j = 0; j < d; j++)
        p.ridge[j] = ridge;
    ct_assert_ok(fednl__step_projected(&p.system, mu, p.g, p.step, &diag), &diag);
    projected_reference(&p, eigenvalue, mu, p.residual);
    ct_assert_array_near(p.step, p.residual, d, 1e-7, 1e-10 / mu);
    clear(&p);
}

static bool have_blas(void)
{
    ct_diag diag;
    if (ct_blas_open(&diag) == CT_OK)
        return true;
    print_message("%s\n", diag.text);
    return false;
}

static void test_projected_raises_eigenvalues(void **state)
{
    (void)state;
    if (!have_blas())
        skip();
    enum { D = 40 };
    double eigenvalue[D];
    for (size_t i = 0; i < D; i++)
        eigenvalue[i] = 1.0 + (double)i;
    check_projected(D, eigenvalue, 0.0, 0.125); // nothing to raise
    check_projected(D, eigenvalue, 0.0, 20.0);  // positive ones
    eigenvalue[3] = -0.5;
    eigenvalue[4] = 0.0;
    eigenvalue[20] = -30.0;
    eigenvalue[5] = eigenvalue[6] = 0.125; // exactly mu
    check_projected(D, eigenvalue, 0.0, 0.125);
    check_projected(D, eigenvalue, 0.25, 0.125);
    check_projected(D, eigenvalue, 0.0, 100.0); // all of them
    double one = -1.0;
    check_projected(1, &one, 0.0, 0.5);
}

/* Positive semidefinite and singular, ridge = mu: the ordinary case of a run. With its eigenvalues
 * computed the factor would hold eigenvectors, of length 1 each. */
static void test_projected_without_eigenvalues(void **state)
{
    (void)state;
    enum { D = 30 };
    problem p;
    init(&p, D);
    double eigenvalue[D] = {0};
    for (size_t i = 0; i < D / 2; i++)
        eigenvalue[i] = 1.0 / (double)(i + 1);
    compose(&p, eigenvalue);
    static const double mu[] = {1e-3, 1e-6, 1e-9};
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < D; j++)
            p.ridge[j] = mu[i];
        memset(p.system.eigenvalue, 0, D * sizeof(double));
        ct_assert_ok(fednl__step_projected(&p.system, mu[i], p.g, p.step, NULL), NULL);
        ct_assert_near(residual(&p, 0.0, p.step), 0.0, 0.0, 1e-15 / mu[i]);
        for (size_t j = 0; j < D; j++)
            assert_true(p.system.eigenvalue[j] == 0.0);
    }
    clear(&p);
}

/* An eigenvalue below mu by less than 1e-8 mu is left, by more raised. */
static void test_projected_tolerates(void **state)
{
    (void)state;
    if (!have_blas())
        skip();
    enum { D = 6 };
    static const double below[] = {5e-9, 2e-8};
    for (size_t i = 0; i < 2; i++) {
        problem p;
        double eigenvalue[D] = {1.0, 1.0, 1.0, 1.0 - below[i], 1.0, 1.0};
        init(&p, D);
        compose(&p, eigenvalue);
        memset(p.system.eigenvalue, 0, D * sizeof(double));
        ct_assert_ok(fednl__step_projected(&p.system, 1.0, p.g, p.step, NULL), NULL);
        assert_int_equal(p.system.eigenvalue[0] != 0.0, i == 1);
        clear(&p);
    }
}

static void test_projected_refuses(void **state)
{
    (void)state;
    if (!have_blas())
        skip();
    problem p;
    ct_diag diag;
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        init(&p, 10);
        fill_dominant(&p);
        p.h[i == 0 ? fednl__position(2, 7) : fednl__position(4, 4)] = bad[i];
        ct_assert_status(fednl__step_projected(&p.system, 1.0, p.g, p.step, &diag), CT_ENUMERIC,
                         &diag);
        ct_assert_contains(diag.text, "eigenvalues");
        clear(&p);
    }
}

static double norm(const double *x, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

/* The model of FedNL-CR at h = -step. */
static double cubic_model(problem *p, double shift, double cubic, const double *step)
{
    double value = 0.0, length = norm(step, p->system.d);
    residual(p, shift, step);
    for (size_t j = 0; j < p->system.d; j++)
        value += 0.5 * step[j] * (p->residual[j] + p->g[j]) - p->g[j] * step[j];
    return value + cubic / 6.0 * length * length * length;
}

/* Stationary: the residual of the system shifted by cubic/2 ||step|| as well. */
static void check_cubic(problem *p, double shift, double cubic)
{
    size_t d = p->system.d;
    ct_assert_ok(fednl__step_cubic(&p->system, shift, cubic, p->g, p->step), NULL);
    double l = 0.5 * cubic * norm(p->step, d);
    ct_assert_near(residual(p, shift + l, p->step), 0.0, 0.0, 3e-12);
}

static void check_cubic_minimum(problem *p, double shift, double cubic)
{
    size_t d = p->system.d;
    ct_rng rng;
    ct_rng_init(&rng, 4, CT_RNG_USER, 0, 0);
    double least = cubic_model(p, shift, cubic, p->step), length = norm(p->step, d);
    double *x = p->system.scratch;
    for (int trial = 0; trial < 60; trial++) {
        double deviation = length / sqrt((double)d) * pow(10.0, -trial % 6);
        ct_rng_fill_normal_f64(&rng, x, d, 0.0, deviation);
        for (size_t j = 0; j < d; j++)
            x[j] += trial % 2 == 0 ? p->step[j] : 0.0;
        assert_true(cubic_model(p, shift, cubic, x) > least);
    }
}

static void test_cubic_minimises(void **state)
{
    (void)state;
    static const double cubics[] = {1e-6, 1e-3, 0.1, 1.0, 30.0, 1e4, 1e8};
    static const size_t sizes[] = {1, 5, 60};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < sizeof cubics / sizeof *cubics; k++) {
            problem p;
            init(&p, sizes[i]);
            fill_dominant(&p);
            check_cubic(&p, 0.25, cubics[k]);
            check_cubic_minimum(&p, 0.25, cubics[k]);
            clear(&p);
        }
}

/* Eigenvalues from 1e-6 to 1, and some 0: only the cubic term makes the model bounded below. */
static void test_cubic_of_singular(void **state)
{
    (void)state;
    enum { D = 24 };
    problem p;
    init(&p, D);
    double eigenvalue[D] = {0};
    for (size_t i = 0; i < D / 2; i++)
        eigenvalue[i] = pow(10.0, -(double)(i % 7));
    compose(&p, eigenvalue);
    for (double cubic = 1e-4; cubic < 1e5; cubic *= 10.0)
        check_cubic(&p, 0.0, cubic);
    clear(&p);
}

static void test_cubic_of_zero(void **state)
{
    (void)state;
    problem p;
    init(&p, 33);
    fill_dominant(&p);
    double *shifted = p.residual;
    ct_assert_ok(fednl__step_shifted(&p.system, 0.75, p.g, shifted), NULL);
    ct_assert_ok(fednl__step_cubic(&p.system, 0.75, 0.0, p.g, p.step), NULL);
    assert_memory_equal(p.step, shifted, 33 * sizeof(double));
    memset(p.g, 0, 33 * sizeof(double));
    ct_assert_ok(fednl__step_cubic(&p.system, 0.75, 1.0, p.g, p.step), NULL);
    assert_memory_equal(p.step, p.g, 33 * sizeof(double));
    clear(&p);
}

/* Where the cubic term rules, ||step||^2 = 2 ||g|| / cubic, along g. */
static void test_cubic_that_is_huge(void **state)
{
    (void)state;
    problem p;
    init(&p, 33);
    fill_dominant(&p);
    ct_assert_ok(fednl__step_cubic(&p.system, 0.0, 1e60, p.g, p.step), NULL);
    double length = sqrt(2e-60 * norm(p.g, 33)), g = norm(p.g, 33);
    for (size_t j = 0; j < 33; j++)
        ct_assert_near(p.step[j], p.g[j] / g * length, 1e-12, 0.0);
    clear(&p);
}

static void test_cubic_refuses(void **state)
{
    (void)state;
    problem p;
    init(&p, 12);
    fill_dominant(&p);
    p.g[5] = NAN;
    ct_assert_status(fednl__step_cubic(&p.system, 0.0, 1.0, p.g, p.step), FEDNL_EFACTOR, NULL);
    p.g[5] = INFINITY;
    ct_assert_status(fednl__step_cubic(&p.system, 0.0, 1.0, p.g, p.step), FEDNL_EFACTOR, NULL);
    p.g[5] = 1.0;
    p.h[fednl__position(5, 5)] = -1e3;
    ct_assert_status(fednl__step_cubic(&p.system, 0.0, 1.0, p.g, p.step), FEDNL_EFACTOR, NULL);
    clear(&p);
}

static void init_lbfgs(fednl__lbfgs *lbfgs, ct_arena *arena, size_t d, size_t memory)
{
    *lbfgs = (fednl__lbfgs){.d = d, .memory = memory};
    ct_arena_init_measuring(arena);
    fednl__lbfgs_layout(lbfgs, arena);
    ct_assert_ok(ct_arena_init(arena, ct_arena_high_water(arena)), NULL);
    fednl__lbfgs_layout(lbfgs, arena);
}

enum { QUADRATIC = 12 };

/* Gradient of 1/2 x^T A x - b^T x, A = p's matrix, b its g; returns its length. */
static double quadratic_gradient(problem *p, const double *x, double *g)
{
    residual(p, 0.0, x);
    memcpy(g, p->residual, QUADRATIC * sizeof *g);
    return norm(g, QUADRATIC);
}

/* x -= t step, t the exact minimiser along it. */
static void exact_step(problem *p, double *x, const double *g, const double *step)
{
    double along = 0.0, curved = 0.0;
    residual(p, 0.0, step);
    for (size_t j = 0; j < QUADRATIC; j++) {
        along += g[j] * step[j];
        curved += step[j] * (p->residual[j] + p->g[j]);
    }
    for (size_t j = 0; j < QUADRATIC; j++)
        x[j] -= along / curved * step[j];
}

/* With exact line searches on a quadratic L-BFGS goes through the points of conjugate gradients,
 * whatever its memory: d steps reach the solution. */
static void check_lbfgs_is_conjugate_gradients(size_t memory)
{
    problem p;
    fednl__lbfgs lbfgs;
    ct_arena arena;
    init(&p, QUADRATIC);
    fill_dominant(&p);
    init_lbfgs(&lbfgs, &arena, QUADRATIC, memory);
    double x[2][QUADRATIC] = {{0}}, g[2][QUADRATIC], step[QUADRATIC];
    double y[QUADRATIC] = {0}, gy[QUADRATIC], direction[QUADRATIC] = {0}, before = 1.0;
    double first = quadratic_gradient(&p, x[0], g[0]), length = first;
    quadratic_gradient(&p, y, gy);
    for (size_t k = 0; k < QUADRATIC && length > 1e-9 * first; k++) {
        size_t now = k % 2, then = 1 - now;
        fednl__lbfgs_step(&lbfgs, g[now], step);
        memcpy(x[then], x[now], sizeof *x);
        exact_step(&p, x[then], g[now], step);
        length = quadratic_gradient(&p, x[then], g[then]);
        fednl__lbfgs_update(&lbfgs, x[then], x[now], g[then], g[now]);

        double squared = norm(gy, QUADRATIC) * norm(gy, QUADRATIC);
        for (size_t j = 0; j < QUADRATIC; j++)
            direction[j] = gy[j] + (k == 0 ? 0.0 : squared / before) * direction[j];
        before = squared;
        exact_step(&p, y, gy, direction);
        quadratic_gradient(&p, y, gy);
        ct_assert_array_near(x[then], y, QUADRATIC, 1e-6, 1e-8);
    }
    assert_true(length < 1e-8 * first);
    clear(&p);
    ct_arena_clear(&arena);
}

static void test_lbfgs_is_conjugate_gradients(void **state)
{
    (void)state;
    check_lbfgs_is_conjugate_gradients(1);
    check_lbfgs_is_conjugate_gradients(3);
    check_lbfgs_is_conjugate_gradients(20);
}

/* The product the recursion stands for: B (d, d), updated pair by pair (BFGS, inverse form). */
static void dense_update(double *b, size_t d, const double *s, const double *y)
{
    double sy = 0.0, by[8] = {0}, yby = 0.0;
    for (size_t i = 0; i < d; i++) {
        sy += s[i] * y[i];
        for (size_t j = 0; j < d; j++)
            by[i] += b[i * d + j] * y[j];
    }
    for (size_t i = 0; i < d; i++)
        yby += y[i] * by[i];
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            b[i * d + j] +=
                (1.0 + yby / sy) * s[i] * s[j] / sy - (by[i] * s[j] + s[i] * by[j]) / sy;
}

/* After every update, the last `memory` pairs and nothing else; pairs without curvature are not
 * kept and do not harm those that are. */
static void test_lbfgs_keeps_the_last_pairs(void **state)
{
    (void)state;
    enum { D = 8, MEMORY = 3, PAIRS = 12 };
    fednl__lbfgs lbfgs;
    ct_arena arena;
    ct_rng rng;
    ct_rng_init(&rng, 7, CT_RNG_USER, 0, 0);
    init_lbfgs(&lbfgs, &arena, D, MEMORY);
    double s[PAIRS][D], y[PAIRS][D], zero[D] = {0}, g[D], step[D];
    ct_rng_fill_normal_f64(&rng, g, D, 0.0, 1.0);
    fednl__lbfgs_step(&lbfgs, g, step);
    assert_memory_equal(step, g, sizeof g);
    for (size_t k = 0; k < PAIRS; k++) {
        ct_rng_fill_normal_f64(&rng, s[k], D, 0.0, 1.0);
        ct_rng_fill_normal_f64(&rng, y[k], D, 0.0, 0.1);
        for (size_t j = 0; j < D; j++)
            y[k][j] += s[k][j] * (double)(j + 1);
        fednl__lbfgs_update(&lbfgs, s[k], zero, y[k], zero);
        fednl__lbfgs_update(&lbfgs, s[k], zero, zero, y[k]); // curvature below 0
        fednl__lbfgs_update(&lbfgs, s[k], zero, zero, zero); // none
        double nan[D] = {NAN};
        fednl__lbfgs_update(&lbfgs, s[k], zero, nan, zero);

        size_t first = k + 1 > MEMORY ? k + 1 - MEMORY : 0;
        double b[D * D] = {0}, expected[D] = {0}, sy = 0.0, yy = 0.0;
        for (size_t j = 0; j < D; j++) {
            sy += s[k][j] * y[k][j];
            yy += y[k][j] * y[k][j];
        }
        for (size_t j = 0; j < D; j++)
            b[j * D + j] = sy / yy;
        for (size_t i = first; i <= k; i++)
            dense_update(b, D, s[i], y[i]);
        for (size_t i = 0; i < D; i++)
            for (size_t j = 0; j < D; j++)
                expected[i] += b[i * D + j] * g[j];
        fednl__lbfgs_step(&lbfgs, g, step);
        ct_assert_array_near(step, expected, D, 1e-10, 1e-12);
    }
    ct_arena_clear(&arena);
}

static int test_all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_factor_is_that_of_plain_loops),
        cmocka_unit_test(test_nothing_to_factor),
        cmocka_unit_test(test_factor_refuses),
        cmocka_unit_test(test_factor_of_tiny_and_huge),
        cmocka_unit_test(test_shifted_solves),
        cmocka_unit_test(test_shifted_refuses),
        cmocka_unit_test(test_projected_raises_eigenvalues),
        cmocka_unit_test(test_projected_without_eigenvalues),
        cmocka_unit_test(test_projected_tolerates),
        cmocka_unit_test(test_projected_refuses),
        cmocka_unit_test(test_cubic_minimises),
        cmocka_unit_test(test_cubic_of_singular),
        cmocka_unit_test(test_cubic_of_zero),
        cmocka_unit_test(test_cubic_that_is_huge),
        cmocka_unit_test(test_cubic_refuses),
        cmocka_unit_test(test_lbfgs_is_conjugate_gradients),
        cmocka_unit_test(test_lbfgs_keeps_the_last_pairs),
    };
    return cmocka_run_group_tests_name(ct_kernels_get()->name, tests, NULL, NULL);
}

/* All tests in a process whose kernels are those of simd. */
static bool passes(ct_simd simd)
{
    pid_t child = fork();
    if (child == 0) {
        bool chosen = setenv("CT_SIMD", ct_simd_name(simd), 1) == 0 &&
                      strcmp(ct_kernels_get()->name, ct_simd_name(simd)) == 0;
        exit(chosen && test_all() == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == EXIT_SUCCESS;
}

int main(void)
{
    bool all = true;
    for (ct_simd simd = CT_SIMD_SCALAR; simd <= CT_SIMD_AVX512; simd++)
        all = (ct_kernels_of(simd) == NULL || passes(simd)) && all;
    return all ? EXIT_SUCCESS : EXIT_FAILURE;
}
