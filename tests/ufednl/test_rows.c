// SPDX-License-Identifier: MIT
/* A client's rows and the pattern of its Hessian, against sums over a dense matrix in the order of
 * the data: every way of keeping rows, every instruction set this machine has. */
#include "ct_test.h"

#include "rows_kernels.h"

#include <ctrain/kernels.h>
#include <ctrain/rng.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the columns of a random problem hold. */
typedef enum values {
    ONES,     // 1 in all
    CONSTANT, // one value a column
    GENERAL
} values;

typedef struct shape {
    const char *name;
    size_t rows, cols;
    bool intercept;
    values values;
    double density; // of the first column; later ones have less, down to a quarter of it
    bool zeros;     // some entries are explicit zeros
    size_t repeats; // this many rows repeat another, with either label
} shape;

static const shape shapes[] = {
    {"nothing at all", 5, 3, false, ONES, 0.0, false, 0},
    {"only the intercept", 40, 0, true, ONES, 0.0, false, 3},
    {"one column", 40, 1, false, ONES, 0.6, false, 3},
    {"one column and intercept", 40, 1, true, GENERAL, 0.6, true, 3},
    {"one row", 1, 17, true, ONES, 0.5, false, 0},
    {"one row of values", 1, 17, false, GENERAL, 0.5, false, 0},
    {"eight", 60, 7, true, ONES, 0.5, false, 10},
    {"eight columns", 60, 8, false, CONSTANT, 0.5, true, 10},
    {"nine", 60, 9, false, ONES, 0.5, true, 10},
    {"64", 90, 64, false, CONSTANT, 0.2, false, 10},
    {"65", 90, 64, true, ONES, 0.2, true, 10},
    {"130", 200, 129, true, CONSTANT, 0.12, false, 30},
    {"130 with values", 200, 130, false, GENERAL, 0.12, true, 30},
    {"dense", 150, 31, true, GENERAL, 4.0, false, 20},
    {"dense 130", 150, 130, true, GENERAL, 4.0, false, 20},
    {"empty rows", 90, 40, false, ONES, 0.02, false, 0},
    {"300, sparse", 400, 299, true, ONES, 0.03, false, 100},
    {"300, dense", 40, 299, true, CONSTANT, 4.0, false, 10},
    {"several blocks", 3 * FEDNL__BLOCK_ROWS, 40, true, CONSTANT, 0.7, false, 500},
    {"several blocks of values", 500, 24, true, GENERAL, 0.9, false, 50},
};

/* A random data set, and what a server knows of it. The client takes the rows of order. */
typedef struct problem {
    ct_dataset *data;
    double *sign;
    uint32_t *coordinate, *order;
    double *constant; // of columns; NULL if they have several values or zeros
    fednl__layout layout;
    size_t n;
} problem;

static void *allocate(size_t n, size_t size)
{
    void *p = calloc(n + 1, size);
    assert_non_null(p);
    return p;
}

static double random_entry(const shape *s, const double *constant, size_t col, ct_rng *rng)
{
    if (s->zeros && ct_rng_uniform(rng) < 0.1)
        return 0.0;
    return s->values == GENERAL ? ct_rng_normal(rng) : s->values == ONES ? 1.0 : constant[col];
}

static size_t append_row(const shape *s, const double *constant, ct_rng *rng, uint32_t *col,
                         double *val)
{
    size_t n = 0;
    for (size_t c = 0; c < s->cols; c++) {
        double falls = 1.0 - 0.75 * (double)c / (double)s->cols;
        if (ct_rng_uniform(rng) < s->density * falls) {
            col[n] = (uint32_t)c;
            val[n++] = random_entry(s, constant, c, rng);
        }
    }
    return n;
}

static void random_data(problem *p, const shape *s, ct_rng *rng)
{
    size_t *start = allocate(s->rows + 1, sizeof *start);
    uint32_t *col = allocate(s->rows * s->cols, sizeof *col);
    double *val = allocate(s->rows * s->cols, sizeof *val);
    double *constant = allocate(s->cols, sizeof *constant);
    ct_diag diag;
    for (size_t c = 0; c < s->cols; c++)
        constant[c] = 0.5 + ct_rng_uniform(rng);
    p->sign = allocate(s->rows, sizeof *p->sign);
    for (size_t j = 0; j < s->rows; j++) {
        size_t n, at = start[j];
        if (j > 0 && j + s->repeats >= s->rows) {
            size_t like = ct_rng_below(rng, j);
            n = start[like + 1] - start[like];
            memcpy(col + at, col + start[like], n * sizeof *col);
            memcpy(val + at, val + start[like], n * sizeof *val);
        } else {
            n = append_row(s, constant, rng, col + at, val + at);
        }
        start[j + 1] = at + n;
        p->sign[j] = ct_rng_uniform(rng) < 0.4 ? 1.0 : -1.0;
    }
    ct_assert_ok(ct_dataset_from_csr(&p->data, s->rows, s->cols, start, col, val, p->sign, &diag),
                 &diag);
    free(start);
    free(col);
    free(val);
    free(constant);
}

static void order_columns(problem *p, bool intercept)
{
    size_t columns = p->data->cols;
    uint64_t *counts = allocate(columns, sizeof *counts);
    p->coordinate = allocate(columns + 1, sizeof *p->coordinate);
    fednl__count_columns(counts, p->data);
    ct_assert_ok(fednl__order_columns(p->coordinate, counts, columns, intercept), NULL);
    p->layout = (fednl__layout){columns + intercept, columns, intercept, p->coordinate, NULL};
    free(counts);
    p->constant = allocate(columns, sizeof *p->constant);
    if (!fednl__find_constants(p->constant, p->data)) {
        free(p->constant);
        p->constant = NULL;
    }
}

/* Three quarters of the rows, in random order. */
static void take_rows(problem *p, ct_rng *rng)
{
    p->order = allocate(p->data->rows, sizeof *p->order);
    for (size_t j = 0; j < p->data->rows; j++)
        p->order[j] = (uint32_t)j;
    ct_rng_shuffle_u32(rng, p->order, p->data->rows);
    p->n = (3 * p->data->rows + 3) / 4;
}

static void problem_create(problem *p, const shape *s)
{
    ct_rng rng;
    ct_rng_init(&rng, 7, CT_RNG_USER, (uint32_t)s->rows, (uint32_t)s->cols);
    random_data(p, s, &rng);
    order_columns(p, s->intercept);
    take_rows(p, &rng);
}

static void problem_destroy(problem *p)
{
    ct_dataset_destroy(p->data);
    free(p->sign);
    free(p->coordinate);
    free(p->constant);
    free(p->order);
}

/* What rows.c computes, from the definition: d and d*d numbers by coordinate. */
typedef struct reference {
    double loss, cubic;
    double *g, *h;
} reference;

static void dense_row(const problem *p, size_t row, double *a)
{
    memset(a, 0, p->layout.dimension * sizeof *a);
    for (size_t e = p->data->row_start[row]; e < p->data->row_start[row + 1]; e++)
        a[p->coordinate[p->data->col[e]]] = p->data->val[e];
    if (p->layout.intercept)
        a[p->coordinate[p->layout.columns]] = 1.0;
}

static double product(const double *a, const double *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void add_reference_row(reference *r, const double *a, size_t d, double sign, double m,
                              const double *x)
{
    double z = sign * product(a, x, d), s = 1.0 / (1.0 + exp(z)); // s: of being wrong
    double norm = sqrt(product(a, a, d));
    r->loss += log1p(exp(-z)) / m;
    r->cubic += norm * norm * norm / (6.0 * sqrt(3.0)) / m;
    for (size_t i = 0; i < d; i++) {
        r->g[i] -= sign * s * a[i] / m;
        for (size_t j = 0; j < d; j++)
            r->h[i * d + j] += s * (1.0 - s) * a[i] * a[j] / m;
    }
}

static reference reference_at(const problem *p, const double *x)
{
    size_t d = p->layout.dimension;
    reference r = {.g = allocate(d, sizeof(double)), .h = allocate(d * d, sizeof(double))};
    double *a = allocate(d, sizeof *a);
    for (size_t i = 0; i < p->n; i++) {
        dense_row(p, p->order[i], a);
        add_reference_row(&r, a, d, p->sign[p->order[i]], (double)p->n, x);
    }
    free(a);
    return r;
}

static void reference_clear(reference *r)
{
    free(r->g);
    free(r->h);
}

/* A client and room to work in. */
typedef struct client {
    fednl__rows rows;
    fednl__pattern pattern;
    fednl__work work;
    double *z, *g, *h;
    ct_arena memory;
} client;

static void client_work(client *c, bool whole)
{
    fednl__work_size size = {0};
    ct_assert_ok(fednl__pattern_init(&c->pattern, &c->rows, whole), NULL);
    fednl__work_size_grow(&size, &c->rows, true);
    ct_arena_init_measuring(&c->memory);
    fednl__work_layout(&c->work, &c->memory, &size);
    ct_assert_ok(ct_arena_init(&c->memory, ct_arena_high_water(&c->memory)), NULL);
    fednl__work_layout(&c->work, &c->memory, &size);
    c->z = allocate(c->rows.distinct, sizeof(double));
    c->g = allocate(c->rows.dimension, sizeof(double));
    c->h = malloc(c->pattern.n * sizeof(double) + (c->pattern.n == 0)); // not one more
    assert_non_null(c->h);
}

static void client_clear(client *c)
{
    fednl__pattern_clear(&c->pattern);
    fednl__rows_clear(&c->rows);
    ct_arena_clear(&c->memory);
    free(c->z);
    free(c->g);
    free(c->h);
}

static double derivatives_at(client *c, const double *x)
{
    fednl__rows_margins(&c->rows, x, &c->work, c->z);
    return fednl__rows_derivatives(&c->rows, &c->pattern, c->z, &c->work, c->g, c->h);
}

/* The symmetric d x d matrix with values v on the pattern. */
static double *expand(const client *c, const double *v)
{
    size_t d = c->rows.dimension, i = 0;
    double *h = allocate(d * d, sizeof *h);
    for (size_t col = 0; col < d; col++) {
        for (size_t row = 0; row <= col && i < c->pattern.n; row++) {
            if (c->pattern.position[i] == fednl__position(row, col))
                h[row * d + col] = h[col * d + row] = v[i++];
        }
    }
    assert_int_equal(i, c->pattern.n); // positions ascend
    return h;
}

static void check_derivatives(client *c, const double *x, const reference *expected)
{
    size_t d = c->rows.dimension;
    for (int again = 0; again < 2; again++) { // the work room is as before
        ct_assert_near(derivatives_at(c, x), expected->loss, 1e-13, 0.0);
        ct_assert_array_near(c->g, expected->g, d, 1e-12, 1e-13);
        double *h = expand(c, c->h);
        ct_assert_array_near(h, expected->h, d * d, 1e-12, 1e-14);
        free(h);
    }
    ct_assert_near(fednl__rows_loss(&c->rows, c->z, &c->work), expected->loss, 1e-13, 0.0);
    ct_assert_near(fednl__rows_cubic(&c->rows), expected->cubic, 1e-13, 0.0);
}

/* Without a Hessian the gradient is the same, but for the order of its sums. */
static void check_gradient(client *c)
{
    size_t d = c->rows.dimension;
    double *g = allocate(d, sizeof *g);
    double loss = fednl__rows_derivatives(&c->rows, NULL, c->z, &c->work, g, NULL);
    ct_assert_near(loss, fednl__rows_loss(&c->rows, c->z, &c->work), 0.0, 0.0);
    ct_assert_array_near(g, c->g, d, 1e-13, 1e-15);
    free(g);
}

/* slope = g^T y where dz = A y. */
static void check_slope(client *c, const double *y)
{
    double *dz = allocate(c->rows.distinct, sizeof *dz), slope;
    double loss = fednl__rows_loss(&c->rows, c->z, &c->work);
    fednl__rows_margins(&c->rows, y, &c->work, dz);
    ct_assert_near(fednl__rows_slope(&c->rows, c->z, dz, &c->work, &slope), loss, 1e-15, 0.0);
    ct_assert_near(slope, product(c->g, y, c->rows.dimension), 1e-12, 1e-13);
    free(dz);
}

static double norm_squared(const double *a, size_t n)
{
    return product(a, a, n);
}

static void check_pattern(const client *c, const double *x)
{
    size_t d = c->rows.dimension, a = c->rows.active;
    double *h = expand(c, c->h), *local = allocate(a, sizeof *local), *y = allocate(a, sizeof *y);
    for (size_t i = 0; i < a; i++) {
        size_t at = c->rows.coordinate[i];
        assert_int_equal(c->pattern.position[c->pattern.diagonal[i]], fednl__position(at, at));
        local[i] = x[at];
        y[i] = NAN;
    }
    fednl__pattern_multiply(&c->pattern, c->h, local, y);
    for (size_t i = 0; i < a; i++)
        ct_assert_near(y[i], product(h + c->rows.coordinate[i] * d, x, d), 1e-12, 1e-14);
    ct_assert_near(fednl__pattern_norm_squared(&c->pattern, c->h), norm_squared(h, d * d), 1e-13,
                   0.0);
    free(h);
    free(local);
    free(y);
}

/* Largest eigenvalue of the Hessian at x = 0, where all weights are 1/4, by many multiplications.
 */
static double largest_eigenvalue(const problem *p)
{
    size_t d = p->layout.dimension;
    double *x = allocate(d, sizeof *x), *y = allocate(d, sizeof *y), norm = 0.0;
    reference r = reference_at(p, x);
    for (size_t i = 0; i < d; i++)
        x[i] = 1.0 + sin((double)i);
    for (int step = 0; step < 3000; step++) {
        for (size_t i = 0; i < d; i++)
            y[i] = product(r.h + i * d, x, d);
        norm = sqrt(norm_squared(y, d));
        for (size_t i = 0; i < d && norm > 0.0; i++)
            x[i] = y[i] / norm;
    }
    reference_clear(&r);
    free(x);
    free(y);
    return norm;
}

static void check_smoothness(client *c, double largest)
{
    double smoothness = fednl__rows_smoothness(&c->rows, &c->work, c->z);
    assert_true(smoothness >= largest * (1.0 - 1e-14));
    assert_true(smoothness <= 1.0101 * largest);
}

static void check_counts(const problem *p, const fednl__rows *rows)
{
    double positive = 0.0, negative = 0.0, expected = 0.0;
    for (size_t i = 0; i < p->n; i++)
        expected += p->sign[p->order[i]] > 0.0;
    for (size_t j = 0; j < rows->distinct; j++) {
        positive += rows->positive[j];
        negative += rows->negative[j];
    }
    assert_int_equal(rows->rows, p->n);
    ct_assert_near(positive, expected / (double)p->n, 1e-13, 0.0);
    ct_assert_near(negative, 1.0 - expected / (double)p->n, 1e-13, 1e-15);
}

/* Rows of the client with the same features as none before. */
static size_t count_distinct(const problem *p)
{
    size_t d = p->layout.dimension, distinct = 0;
    double *a = allocate(p->n * d, sizeof *a);
    for (size_t i = 0; i < p->n; i++) {
        size_t j = 0;
        dense_row(p, p->order[i], a + distinct * d);
        while (j < distinct && memcmp(a + j * d, a + distinct * d, d * sizeof *a) != 0)
            j++;
        distinct += j == distinct;
    }
    free(a);
    return distinct;
}

typedef void check_fn(const problem *p, const fednl__rows_choice *choice, void *context);

/* Every method that can keep the rows, with every instruction set. */
static void each_choice(const problem *p, bool constant, check_fn *check, void *context)
{
    for (ct_simd simd = CT_SIMD_SCALAR; simd <= ct_cpu_simd(); simd++) {
        for (int method = constant ? FEDNL__ROWS_BITS : FEDNL__ROWS_PAIRS;
             method <= FEDNL__ROWS_DENSE; method++) {
            fednl__rows_choice choice = {(fednl__rows_method)method, simd};
            check(p, &choice, context);
        }
    }
}

typedef struct expectation {
    const double *x;
    reference at_x;
    size_t distinct;
    double largest;
    uint64_t fingerprint; // 0: not known yet
} expectation;

static void check_choice(const problem *p, const fednl__rows_choice *choice, void *context)
{
    expectation *e = context;
    client c;
    ct_assert_ok(fednl__rows_init_as(&c.rows, p->data, p->sign, &p->layout, p->order, p->n, choice),
                 NULL);
    assert_int_equal(c.rows.method, choice->method);
    assert_int_equal(c.rows.kernels->simd, choice->simd);
    assert_int_equal(c.rows.distinct, e->distinct);
    check_counts(p, &c.rows);
    client_work(&c, false);
    check_derivatives(&c, e->x, &e->at_x);
    check_gradient(&c);
    check_slope(&c, e->x);
    check_pattern(&c, e->x);
    check_smoothness(&c, e->largest);
    uint64_t fingerprint = fednl__rows_fingerprint(&c.rows);
    assert_true(e->fingerprint == 0 || e->fingerprint == fingerprint);
    e->fingerprint = fingerprint;
    client_clear(&c);
}

static void random_problems_agree_with_the_definition(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        problem p;
        problem_create(&p, shapes + i);
        size_t d = p.layout.dimension;
        double *x = allocate(d, sizeof *x);
        for (size_t c = 0; c < d; c++)
            x[c] = 0.7 * sin(1.0 + 3.0 * (double)c);
        expectation e = {x, reference_at(&p, x), count_distinct(&p), largest_eigenvalue(&p), 0};
        each_choice(&p, shapes[i].values != GENERAL, check_choice, &e);
        p.layout.constant = p.constant;
        if (p.constant != NULL)
            each_choice(&p, true, check_choice, &e);
        reference_clear(&e.at_x);
        free(x);
        problem_destroy(&p);
    }
}

static void constants_are_found(void **state)
{
    (void)state;
    const size_t start[] = {0, 2, 4, 5};
    const uint32_t col[] = {0, 1, 1, 3, 3};
    const double label[] = {1, -1, 1}, expected[] = {2, 3, 0, -1};
    double val[] = {2, 3, 3, -1, -1}, constant[4];
    ct_dataset *data;
    ct_diag diag;
    ct_assert_ok(ct_dataset_from_csr(&data, 3, 4, start, col, val, label, &diag), &diag);
    assert_true(fednl__find_constants(constant, data));
    assert_memory_equal(constant, expected, sizeof expected);
    data->val[4] = 1.0;
    assert_false(fednl__find_constants(constant, data));
    data->val[3] = data->val[4] = 0.0; // equal, but they do not count
    assert_false(fednl__find_constants(constant, data));
    ct_dataset_destroy(data);
}

static void columns_of_several_values_have_no_bit_sets(void **state)
{
    (void)state;
    const shape s = {"values", 50, 10, true, GENERAL, 0.5, false, 0};
    const fednl__rows_choice choice = {FEDNL__ROWS_BITS, CT_SIMD_SCALAR};
    fednl__rows rows;
    problem p;
    problem_create(&p, &s);
    ct_assert_status(fednl__rows_init_as(&rows, p.data, p.sign, &p.layout, p.order, p.n, &choice),
                     CT_EUNSUPPORTED, NULL);
    problem_destroy(&p);
}

static void init(client *c, const problem *p)
{
    ct_assert_ok(fednl__rows_init(&c->rows, p->data, p->sign, &p->layout, p->order, p->n), NULL);
    assert_int_equal(c->rows.kernels->simd, ct_kernels_get()->simd);
}

static fednl__rows_method method_chosen(const shape *s)
{
    client c;
    problem p;
    problem_create(&p, s);
    init(&c, &p);
    fednl__rows_method method = c.rows.method;
    fednl__rows_clear(&c.rows);
    problem_destroy(&p);
    return method;
}

static void methods_suit_the_data(void **state)
{
    (void)state;
    const shape binary = {"binary", 400, 300, true, ONES, 0.4, false, 0};
    const shape dense = {"dense", 100, 60, true, GENERAL, 4.0, false, 0};
    const shape sparse = {"sparse", 100, 300, true, GENERAL, 0.05, false, 0};
    const shape wide = {"wide", 300, 10000, false, ONES, 0.002, false, 0};
    const shape mixed = {"wide", 300, 10000, false, GENERAL, 0.002, false, 0};
    if (ct_kernels_get()->simd > CT_SIMD_SCALAR)
        assert_int_equal(method_chosen(&binary), FEDNL__ROWS_BITS);
    assert_int_equal(method_chosen(&dense), FEDNL__ROWS_DENSE);
    assert_int_equal(method_chosen(&sparse), FEDNL__ROWS_PAIRS);
    assert_int_equal(method_chosen(&wide), FEDNL__ROWS_COLUMNS);
    assert_int_equal(method_chosen(&mixed), FEDNL__ROWS_COLUMNS);
}

/* Gradient and Hessian are what the loss and the gradient change by. */
static void check_differences(client *c, double *x)
{
    const double step = 1e-5;
    size_t d = c->rows.dimension;
    derivatives_at(c, x);
    double *h = expand(c, c->h), *g = allocate(d, sizeof *g), *ahead = allocate(d, sizeof *ahead);
    memcpy(g, c->g, d * sizeof *g);
    for (size_t i = 0; i < d; i++) {
        double x_i = x[i];
        x[i] = x_i + step;
        double loss = derivatives_at(c, x);
        memcpy(ahead, c->g, d * sizeof *g);
        x[i] = x_i - step;
        loss -= derivatives_at(c, x);
        x[i] = x_i;
        ct_assert_near(g[i], loss / (2 * step), 1e-6, 1e-9);
        for (size_t j = 0; j < d; j++)
            ct_assert_near(h[i * d + j], (ahead[j] - c->g[j]) / (2 * step), 1e-6, 1e-9);
    }
    free(h);
    free(g);
    free(ahead);
}

static void derivatives_are_derivatives(void **state)
{
    (void)state;
    const values kinds[] = {ONES, CONSTANT, GENERAL};
    for (size_t i = 0; i < 3; i++) {
        const shape s = {"", 80, 12, true, kinds[i], 0.8, false, 20};
        client c;
        problem p;
        double x[13];
        problem_create(&p, &s);
        init(&c, &p);
        client_work(&c, false);
        for (size_t j = 0; j < 13; j++)
            x[j] = cos((double)j);
        check_differences(&c, x);
        client_clear(&c);
        problem_destroy(&p);
    }
}

/* Two merged rows of opposite labels with p and q of 3 and 1 quarters. */
static void any_margin_is_fine(void **state)
{
    (void)state;
    const size_t start[] = {0, 1, 2, 3, 4};
    const uint32_t col[] = {0, 0, 0, 0}, order[] = {0, 1, 2, 3}, coordinate[] = {0};
    const double ones[] = {1, 1, 1, 1}, sign[] = {1, -1, 1, 1};
    const double margins[] = {0, 1e-300, 1e-8, 0.5, 40, 700, 746, 1e5, 1e300};
    const fednl__layout layout = {1, 1, false, coordinate, NULL};
    ct_diag diag;
    problem p = {.layout = layout};
    client c;
    ct_assert_ok(ct_dataset_from_csr(&p.data, 4, 1, start, col, ones, sign, &diag), &diag);
    ct_assert_ok(fednl__rows_init(&c.rows, p.data, sign, &layout, order, 4), NULL);
    client_work(&c, false);
    assert_int_equal(c.rows.distinct, 1);
    for (size_t i = 0; i < 2 * sizeof margins / sizeof margins[0]; i++) {
        double z = i % 2 ? -margins[i / 2] : margins[i / 2], e = exp(-fabs(z)), slope, dz = 2.0;
        double likely = z > 0 ? 0.75 : 0.25; // p where z > 0, q where it is not
        double loss = fednl__rows_derivatives(&c.rows, &c.pattern, &z, &c.work, c.g, c.h);
        ct_assert_near(loss, log1p(e) + (1 - likely) * fabs(z), 4e-16, 0.0);
        double first = ((1 - likely) - likely * e) / (1 + e);
        ct_assert_near(c.g[0], z > 0 ? first : -first, 1e-15, 1e-16);
        ct_assert_near(c.h[0], e / ((1 + e) * (1 + e)), 2e-15, 0.0);
        ct_assert_near(fednl__rows_loss(&c.rows, &z, &c.work), loss, 0.0, 0.0);
        ct_assert_near(fednl__rows_slope(&c.rows, &z, &dz, &c.work, &slope), loss, 0.0, 0.0);
        ct_assert_near(slope, 2.0 * c.g[0], 1e-15, 0.0);
    }
    client_clear(&c);
    ct_dataset_destroy(p.data);
}

/* Rows of one label lose exp(-z), and what is left of it when z is large. */
static void small_losses_are_not_lost(void **state)
{
    (void)state;
    const size_t start[] = {0, 1};
    const uint32_t col[] = {0}, order[] = {0}, coordinate[] = {0};
    const double one[] = {1}, sign[] = {1}, z[] = {40};
    const fednl__layout layout = {1, 1, false, coordinate, NULL};
    ct_diag diag;
    problem p;
    client c;
    ct_assert_ok(ct_dataset_from_csr(&p.data, 1, 1, start, col, one, sign, &diag), &diag);
    ct_assert_ok(fednl__rows_init(&c.rows, p.data, sign, &layout, order, 1), NULL);
    client_work(&c, false);
    double loss = fednl__rows_derivatives(&c.rows, NULL, z, &c.work, c.g, NULL);
    ct_assert_near(loss, exp(-40), 1e-15, 0.0);
    ct_assert_near(c.g[0], -exp(-40), 1e-15, 0.0);
    client_clear(&c);
    ct_dataset_destroy(p.data);
}

static void columns_are_ordered_by_popularity(void **state)
{
    (void)state;
    const uint64_t counts[] = {3, 70000, 3, 0, 257, 70000, 1};
    const uint32_t expected[] = {3, 0, 4, 6, 2, 1, 5};
    uint32_t coordinate[8];
    ct_assert_ok(fednl__order_columns(coordinate, counts, 7, false), NULL);
    assert_memory_equal(coordinate, expected, sizeof expected);
    ct_assert_ok(fednl__order_columns(coordinate, counts, 7, true), NULL);
    for (size_t c = 0; c < 7; c++)
        assert_int_equal(coordinate[c], expected[c] + 1);
    assert_int_equal(coordinate[7], 0);
}

static void whole_patterns_have_all_pairs(void **state)
{
    (void)state;
    const shape s = {"", 60, 50, true, ONES, 0.05, false, 0};
    problem p;
    client c, part;
    problem_create(&p, &s);
    init(&c, &p);
    init(&part, &p);
    client_work(&c, true);
    client_work(&part, false);
    assert_int_equal(c.pattern.n, c.rows.active * (c.rows.active + 1) / 2);
    assert_true(part.pattern.n < c.pattern.n);
    double x[51] = {0.1};
    derivatives_at(&c, x);
    derivatives_at(&part, x);
    double *h = expand(&c, c.h), *of_part = expand(&part, part.h);
    ct_assert_array_near(h, of_part, c.rows.dimension * c.rows.dimension, 0.0, 0.0);
    check_pattern(&c, x);
    free(h);
    free(of_part);
    client_clear(&c);
    client_clear(&part);
    problem_destroy(&p);
}

static uint64_t fingerprint_of(const problem *p)
{
    client c;
    init(&c, p);
    uint64_t fingerprint = fednl__rows_fingerprint(&c.rows);
    fednl__rows_clear(&c.rows);
    return fingerprint;
}

static void fingerprints_tell_data_apart(void **state)
{
    (void)state;
    const shape s = {"", 60, 50, true, CONSTANT, 0.3, false, 0};
    problem p;
    problem_create(&p, &s);
    uint64_t before = fingerprint_of(&p);
    assert_true(fingerprint_of(&p) == before);
    p.sign[p.order[5]] *= -1.0;
    assert_true(fingerprint_of(&p) != before);
    p.sign[p.order[5]] *= -1.0;
    size_t first = p.data->row_start[p.order[3]];
    p.data->val[first] *= 1.0 + 1e-15;
    assert_true(fingerprint_of(&p) != before);
    problem_destroy(&p);
}

/* One client of real data at x = 0: the gradient's norm is known. */
static void check_real(const char *name, double expected_norm, size_t distinct)
{
    ct_diag diag;
    problem p;
    client c;
    double pair[2];
    const char *path = ct_test_data(name);
    if (path == NULL)
        skip();
    ct_assert_ok(ct_dataset_read_libsvm(&p.data, path, NULL, &diag), &diag);
    p.sign = allocate(p.data->rows, sizeof(double));
    ct_assert_ok(ct_dataset_binary_labels(p.data, p.sign, pair, &diag), &diag);
    order_columns(&p, true);
    ct_rng rng;
    ct_rng_init(&rng, 1, CT_RNG_USER, 0, 0);
    take_rows(&p, &rng);
    p.n = p.data->rows;
    p.layout.constant = p.constant;
    assert_non_null(p.constant);
    init(&c, &p);
    client_work(&c, false);
    double *x = allocate(p.layout.dimension, sizeof *x);
    ct_assert_near(derivatives_at(&c, x), log(2.0), 1e-12, 0.0);
    ct_assert_near(sqrt(norm_squared(c.g, p.layout.dimension)), expected_norm, 1e-11, 0.0);
    assert_int_equal(c.rows.distinct, distinct);
    free(x);
    client_clear(&c);
    problem_destroy(&p);
}

static void real_gradients_at_zero(void **state)
{
    (void)state;
    check_real("w8a", 0.733213267575, 34704);
    check_real("a9a", 0.721904287755, 24947);
    check_real("phishing", 0.104497902397, 5785);
}

static void patterns_of_real_clients(void **state)
{
    (void)state;
    const size_t clients = 142;
    ct_diag diag;
    problem p;
    double pair[2];
    size_t entries = 0;
    const char *path = ct_test_data("w8a");
    if (path == NULL)
        skip();
    ct_assert_ok(ct_dataset_read_libsvm(&p.data, path, NULL, &diag), &diag);
    p.sign = allocate(p.data->rows, sizeof(double));
    ct_assert_ok(ct_dataset_binary_labels(p.data, p.sign, pair, &diag), &diag);
    order_columns(&p, true);
    ct_rng rng;
    ct_rng_init(&rng, 1, CT_RNG_USER, 0, 0);
    take_rows(&p, &rng);
    uint32_t *order = p.order;
    for (size_t i = 0; i < clients; i++) {
        client c;
        p.order = order + p.data->rows * i / clients;
        p.n = p.data->rows * (i + 1) / clients - p.data->rows * i / clients;
        init(&c, &p);
        ct_assert_ok(fednl__pattern_init(&c.pattern, &c.rows, false), NULL);
        entries += c.pattern.n;
        fednl__pattern_clear(&c.pattern);
        fednl__rows_clear(&c.rows);
    }
    assert_in_range(entries / clients, 9700, 10100);
    p.order = order;
    problem_destroy(&p);
}

static ct_status attempt(void *context)
{
    const problem *p = context;
    uint64_t counts[100] = {0};
    uint32_t coordinate[100];
    fednl__rows rows;
    fednl__pattern pattern;
    CT_TRY(fednl__order_columns(coordinate, counts, p->data->cols, true));
    CT_TRY(fednl__rows_init(&rows, p->data, p->sign, &p->layout, p->order, p->n));
    ct_status status = fednl__pattern_init(&pattern, &rows, false);
    if (status == CT_OK)
        fednl__pattern_clear(&pattern);
    fednl__rows_clear(&rows);
    return status;
}

static void allocation_failures_are_reported(void **state)
{
    (void)state;
    const shape kinds[] = {{"", 60, 50, true, ONES, 0.3, false, 0},
                           {"", 60, 50, true, GENERAL, 0.1, false, 0},
                           {"", 60, 50, true, GENERAL, 4.0, false, 0}};
    for (size_t i = 0; i < 3; i++) {
        problem p;
        problem_create(&p, kinds + i);
        ct_assert_survives_allocation_failures(attempt, &p);
        problem_destroy(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_problems_agree_with_the_definition),
        cmocka_unit_test(constants_are_found),
        cmocka_unit_test(columns_of_several_values_have_no_bit_sets),
        cmocka_unit_test(methods_suit_the_data),
        cmocka_unit_test(derivatives_are_derivatives),
        cmocka_unit_test(any_margin_is_fine),
        cmocka_unit_test(small_losses_are_not_lost),
        cmocka_unit_test(columns_are_ordered_by_popularity),
        cmocka_unit_test(whole_patterns_have_all_pairs),
        cmocka_unit_test(fingerprints_tell_data_apart),
        cmocka_unit_test(real_gradients_at_zero),
        cmocka_unit_test(patterns_of_real_clients),
        cmocka_unit_test(allocation_failures_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
