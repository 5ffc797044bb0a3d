// SPDX-License-Identifier: MIT
/* A client as a state machine: its two points, what it learns, and what it answers, against dense
 * matrices. */
#include "dense_case.h"

#include "client.h"

typedef struct fixture {
    dense_case c;
    fednl__layout layout;
    fednl__compressor compressor;
    fednl__client client;
    fednl__desk desk;
    double h[DENSE_TRIANGLE]; // what the server knows of H_i
} fixture;

static fednl__compressor compressor_of(const dense_case *c, fednl_compressor kind)
{
    size_t n = fednl__position(0, c->d), k = n / 3 > 0 ? n / 3 : 1;
    bool whole = kind == FEDNL_COMPRESSOR_IDENTITY || kind == FEDNL_COMPRESSOR_NATURAL ||
                 kind == FEDNL_COMPRESSOR_RANKR;
    return (fednl__compressor){.kind = kind,
                               .dimension = c->d,
                               .triangle = n,
                               .k = whole ? n : k,
                               .rank = c->d < 2 ? 1 : 2,
                               .alpha = fednl__compressor_alpha(kind, k, n),
                               .seed = 11};
}

static void build(fixture *f, const fednl__compressor *compressor, uint32_t id)
{
    uint32_t order[1000];
    for (uint32_t i = 0; i < f->c.rows; i++)
        order[i] = i;
    ct_assert_ok(
        fednl__rows_init(&f->client.rows, f->c.data, f->c.sign, &f->layout, order, f->c.rows),
        NULL);
    ct_assert_ok(fednl__client_init(&f->client, id, compressor), NULL);
    fednl__desk_size size = {0};
    fednl__desk_size_grow(&size, &f->client);
    ct_assert_ok(fednl__desk_init(&f->desk, &size, compressor), NULL);
}

/* A client of the rows that c holds; differences: what FedNL-PP wants of Identity. */
static void open_client(fixture *f, fednl_compressor kind, bool differences)
{
    f->layout = (fednl__layout){.dimension = f->c.d,
                                .columns = f->c.features,
                                .intercept = f->c.intercept,
                                .coordinate = f->c.coordinate};
    f->compressor = compressor_of(&f->c, kind);
    f->compressor.differences = differences;
    build(f, &f->compressor, 3);
}

static void close_client(fixture *f)
{
    fednl__client_clear(&f->client);
    fednl__desk_clear(&f->desk);
}

static fixture *fixture_new(size_t rows, size_t features, double density, uint64_t seed)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    dense_case_init(&f->c, rows, features, true, density, seed);
    return f;
}

static void fixture_free(fixture *f)
{
    dense_case_clear(&f->c);
    free(f);
}

static fednl__reply answer(fixture *f, const fednl__request *request)
{
    fednl__reply reply;
    ct_assert_ok(fednl__client_answer(&f->client, request, &f->desk, &reply), NULL);
    assert_int_equal(reply.ask, request->ask);
    return reply;
}

static void fill_normal(double *x, size_t n, uint32_t round)
{
    ct_rng rng;
    ct_rng_init(&rng, 5, CT_RNG_USER, 1, round);
    ct_rng_fill_normal_f64(&rng, x, n, 0.0, 1.0);
}

/* ---- points ---- */

typedef struct points {
    double base[DENSE_MOST], tried[DENSE_MOST], at[DENSE_MOST];
} points;

/* Where the request asks. */
static void find_point(points *p, const fednl__request *request, size_t d)
{
    if (request->x != NULL)
        memcpy(p->tried, request->x, sizeof p->tried);
    for (size_t k = 0; k < d; k++)
        p->at[k] = request->x != NULL ? request->x[k]
                                      : p->base[k] + request->t * (p->tried[k] - p->base[k]);
}

static void check_answer(const fixture *f, const points *p, const fednl__reply *reply)
{
    size_t d = f->c.d;
    double g[DENSE_MOST], step[DENSE_MOST];
    dense_gradient(dense_whole(&f->c), p->at, g);
    if (reply->ask & FEDNL__ASK_LOSS)
        ct_assert_near(reply->f, dense_loss(dense_whole(&f->c), p->at), 1e-13, 0.0);
    if (reply->ask & FEDNL__ASK_GRADIENT)
        ct_assert_array_near(reply->g, g, d, 1e-12, 1e-14);
    if (!(reply->ask & FEDNL__ASK_SLOPE))
        return;
    for (size_t k = 0; k < d; k++)
        step[k] = p->tried[k] - p->base[k];
    ct_assert_near(reply->slope, dense_dot(d, g, step), 1e-12, 1e-13);
}

// loss, slope and gradient at whatever point, after any history of points tried and accepted
static void test_points(void **state)
{
    (void)state;
    static const unsigned asks[] = {FEDNL__ASK_LOSS, FEDNL__ASK_LOSS | FEDNL__ASK_SLOPE,
                                    FEDNL__ASK_LOSS | FEDNL__ASK_GRADIENT, FEDNL__ASK_GRADIENT,
                                    FEDNL__ASK_LOSS | FEDNL__ASK_SLOPE | FEDNL__ASK_GRADIENT};
    static const double ts[] = {1.0, 0.5, 0.125, 1.75};
    fixture *f = fixture_new(57, 7, 0.5, 1);
    open_client(f, FEDNL_COMPRESSOR_TOPK, false);
    points p = {0}; // the base is 0 at first
    double x[DENSE_MOST];
    bool between = false; // tried is not the base
    for (uint32_t i = 0; i < 500; i++) {
        ct_rng rng;
        ct_rng_init(&rng, 2, CT_RNG_USER, 0, i);
        fednl__request request = {.ask = asks[ct_rng_below(&rng, 5)],
                                  .round = i,
                                  .t = ts[ct_rng_below(&rng, 4)],
                                  .accept = ct_rng_below(&rng, 3) == 0};
        fill_normal(x, DENSE_MOST, i);
        if (!between || ct_rng_below(&rng, 2) == 0)
            request.x = x;
        find_point(&p, &request, f->c.d);
        fednl__reply reply = answer(f, &request);
        check_answer(f, &p, &reply);
        between = !request.accept;
        if (request.accept)
            memcpy(p.base, p.at, sizeof p.base);
    }
    close_client(f);
    fixture_free(f);
}

// as for gd and lbfgs: no estimate, no pattern, no Hessian
static void test_without_estimates(void **state)
{
    (void)state;
    fixture *f = fixture_new(40, 6, 0.5, 2);
    f->layout = (fednl__layout){f->c.d, f->c.features, f->c.intercept, f->c.coordinate, NULL};
    build(f, NULL, 0);
    assert_int_equal(f->client.pattern.n, 0);
    points p = {0};
    double x[DENSE_MOST];
    fill_normal(x, DENSE_MOST, 1);
    fednl__request request = {.ask = FEDNL__ASK_LOSS | FEDNL__ASK_GRADIENT, .x = x};
    find_point(&p, &request, f->c.d);
    fednl__reply reply = answer(f, &request);
    check_answer(f, &p, &reply);
    close_client(f);
    fixture_free(f);
}

/* ---- estimates ---- */

/* What a server does with the update; the first stands for all that is known. */
static void learn(fixture *f, const fednl__reply *reply)
{
    const fednl__update *u = &reply->update;
    if (reply->whole)
        memset(f->h, 0, sizeof f->h);
    for (size_t i = 0; i < u->n; i++) {
        assert_true(u->index[i] < fednl__position(0, f->c.d));
        assert_true(i == 0 || u->index[i - 1] < u->index[i]);
        f->h[u->index[i]] += u->scale * u->value[i];
    }
}

/* The client's own estimate, on the triangle. */
static void spread_estimate(const fixture *f, double *h)
{
    memset(h, 0, DENSE_TRIANGLE * sizeof *h);
    for (size_t e = 0; e < f->client.pattern.n; e++)
        h[f->client.pattern.position[e]] = f->client.h[e];
}

/* FedNL-PP's g = H_i x - gradient, without regulariser, which cancels. */
static void check_partial(const fixture *f, const double *x, const double *g)
{
    double expected[DENSE_MOST], gradient[DENSE_MOST];
    dense_multiply(f->c.d, f->h, x, expected);
    dense_gradient(dense_whole(&f->c), x, gradient);
    for (size_t k = 0; k < f->c.d; k++)
        expected[k] -= gradient[k];
    ct_assert_array_near(g, expected, f->c.d, 1e-12, 1e-13);
}

static void check_round(fixture *f, uint32_t round, bool partial)
{
    double x[DENSE_MOST], hessian[DENSE_TRIANGLE] = {0}, own[DENSE_TRIANGLE];
    size_t n = fednl__position(0, f->c.d);
    bool identity = f->compressor.kind == FEDNL_COMPRESSOR_IDENTITY;
    bool whole = round == 0 || (identity && !f->compressor.differences);
    fill_normal(x, DENSE_MOST, round);
    dense_hessian(dense_whole(&f->c), x, hessian);
    double before = whole ? 0.0 : dense_distance(f->c.d, hessian, f->h);
    fednl__request request = {.ask = FEDNL__ASK_HESSIAN, .round = round, .x = x};
    request.ask |= partial ? FEDNL__ASK_PARTIAL : FEDNL__ASK_LOSS | FEDNL__ASK_GRADIENT;
    fednl__reply reply = answer(f, &request);
    if (f->client.pattern.n > 0)
        assert_int_equal(reply.whole, whole);
    learn(f, &reply);
    if (whole || identity)
        ct_assert_array_near(f->h, hessian, n, 1e-12, 1e-15);
    if (f->client.h != NULL) {
        spread_estimate(f, own);
        assert_memory_equal(own, f->h, n * sizeof *own); // the same sums on both sides
    }
    ct_assert_near(reply.l, dense_distance(f->c.d, hessian, f->h), 1e-10, 1e-14);
    bool contractive = !fednl__compressor_unbiased(f->compressor.kind);
    assert_true(!contractive || reply.l <= before * (1.0 + 1e-12));
    if (partial)
        check_partial(f, x, reply.g);
}

static void test_estimates(void **state)
{
    (void)state;
    for (int kind = FEDNL_COMPRESSOR_IDENTITY; kind <= FEDNL_COMPRESSOR_RANKR; kind++) {
        for (int partial = 0; partial <= 1; partial++) {
            fixture *f = fixture_new(31, 8, 0.3, 3 + (uint64_t)kind);
            open_client(f, (fednl_compressor)kind, partial);
            for (uint32_t round = 0; round < 12; round++)
                check_round(f, round, partial);
            close_client(f);
            fixture_free(f);
        }
    }
}

// alpha is applied once on both sides, and l is what is left
static void test_alpha(void **state)
{
    (void)state;
    for (int kind = FEDNL_COMPRESSOR_TOPK; kind <= FEDNL_COMPRESSOR_RANKR; kind++) {
        fixture *f = fixture_new(31, 8, 0.3, 3);
        open_client(f, (fednl_compressor)kind, false);
        f->compressor.alpha *= 0.375;
        for (uint32_t round = 0; round < 6; round++)
            check_round(f, round, false);
        close_client(f);
        fixture_free(f);
    }
}

// learning goes on where points are accepted, and whatever is asked in between
static void test_estimates_between_searches(void **state)
{
    (void)state;
    fixture *f = fixture_new(31, 8, 0.4, 4);
    open_client(f, FEDNL_COMPRESSOR_TOPK, false);
    double x[DENSE_MOST], at[DENSE_MOST], base[DENSE_MOST] = {0}, hessian[DENSE_TRIANGLE];
    for (uint32_t round = 0; round < 8; round++) {
        fill_normal(x, DENSE_MOST, round);
        (void)answer(f, &(fednl__request){.ask = FEDNL__ASK_LOSS, .round = round, .x = x});
        fednl__request request = {.ask = FEDNL__ASK_LOSS | FEDNL__ASK_GRADIENT | FEDNL__ASK_HESSIAN,
                                  .round = round,
                                  .t = round % 2 == 0 ? 1.0 : 0.25,
                                  .accept = true};
        for (size_t k = 0; k < f->c.d; k++)
            at[k] = base[k] + request.t * (x[k] - base[k]);
        fednl__reply reply = answer(f, &request);
        learn(f, &reply);
        dense_hessian(dense_whole(&f->c), at, hessian);
        ct_assert_near(reply.l, dense_distance(f->c.d, hessian, f->h), 1e-10, 1e-14);
        ct_assert_near(reply.f, dense_loss(dense_whole(&f->c), at), 1e-13, 0.0);
        memcpy(base, at, sizeof base);
    }
    close_client(f);
    fixture_free(f);
}

/* ---- constants ---- */

/* The largest eigenvalue of A^T A / (4 m). */
static double smoothness(const dense_case *c)
{
    double zero[DENSE_MOST] = {0}, h[DENSE_TRIANGLE], v[DENSE_MOST], w[DENSE_MOST], norm = 0.0;
    dense_hessian(dense_whole(c), zero, h); // weights are 1/4 there
    fill_normal(v, c->d, 0);
    for (int i = 0; i < 2000; i++) {
        dense_multiply(c->d, h, v, w);
        norm = sqrt(dense_dot(c->d, w, w));
        for (size_t k = 0; k < c->d; k++)
            v[k] = w[k] / norm;
    }
    return norm;
}

static void test_constants(void **state)
{
    (void)state;
    fixture *f = fixture_new(43, 9, 0.4, 5);
    open_client(f, FEDNL_COMPRESSOR_IDENTITY, false);
    fednl__reply reply = answer(f, &(fednl__request){.ask = FEDNL__ASK_CONSTANTS});
    double l = smoothness(&f->c), cubes = 0.0;
    assert_in_range((unsigned long)(reply.f / l * 1e6), 1000000, 1010001);
    for (size_t j = 0; j < f->c.rows; j++) {
        const double *a = f->c.a + j * f->c.d;
        cubes += pow(dense_dot(f->c.d, a, a), 1.5) / (double)f->c.rows;
    }
    ct_assert_near(reply.slope, cubes / (6.0 * sqrt(3.0)), 1e-12, 0.0);
    close_client(f);
    fixture_free(f);
}

/* ---- checkpoints ---- */

static char *save(const fixture *f)
{
    char *path = ct_test_path("client");
    ct_checkpoint_writer *writer;
    ct_diag diag = {""};
    ct_assert_ok(ct_checkpoint_open(&writer, path, &diag), &diag);
    fednl__client_save(&f->client, writer);
    ct_assert_ok(ct_checkpoint_commit(writer, &diag), &diag);
    return path;
}

static ct_status restore(fixture *f, const char *path, ct_diag *diag)
{
    ct_checkpoint *checkpoint;
    ct_assert_ok(ct_checkpoint_read(&checkpoint, path, diag), diag);
    ct_status status = fednl__client_restore(&f->client, checkpoint, diag);
    ct_checkpoint_close(checkpoint);
    return status;
}

static void advance(fixture *f, uint32_t from, uint32_t to, fednl__reply *last)
{
    double x[DENSE_MOST];
    for (uint32_t round = from; round < to; round++) {
        fill_normal(x, DENSE_MOST, round);
        (void)answer(f, &(fednl__request){.ask = FEDNL__ASK_LOSS, .x = x});
        *last = answer(
            f, &(fednl__request){.ask = FEDNL__ASK_LOSS | FEDNL__ASK_GRADIENT | FEDNL__ASK_HESSIAN,
                                 .round = round,
                                 .t = 0.5,
                                 .accept = true});
    }
}

static void check_restored(fednl_compressor kind)
{
    fixture *f = fixture_new(31, 8, 0.3, 6), *other = fixture_new(31, 8, 0.3, 6);
    fednl__reply last, of_other;
    open_client(f, kind, false);
    open_client(other, kind, false);
    advance(f, 0, 3, &last);
    char *path = save(f);
    ct_diag diag = {""};
    ct_assert_ok(restore(other, path, &diag), &diag);
    advance(f, 3, 6, &last);
    advance(other, 3, 6, &of_other);
    assert_memory_equal(&last.f, &of_other.f, sizeof last.f);
    assert_memory_equal(&last.l, &of_other.l, sizeof last.l);
    assert_memory_equal(last.g, of_other.g, f->c.d * sizeof *last.g);
    assert_int_equal(last.update.n, of_other.update.n);
    assert_memory_equal(last.update.value, of_other.update.value,
                        last.update.n * sizeof *last.update.value);
    free(path);
    close_client(f);
    close_client(other);
    fixture_free(f);
    fixture_free(other);
}

static void test_restored_clients_go_on(void **state)
{
    (void)state;
    for (int kind = FEDNL_COMPRESSOR_IDENTITY; kind <= FEDNL_COMPRESSOR_RANKR; kind++)
        check_restored((fednl_compressor)kind);
}

static void test_checkpoints_of_other_clients_are_refused(void **state)
{
    (void)state;
    fixture *f = fixture_new(31, 8, 0.3, 6), *other = fixture_new(31, 8, 0.3, 7);
    fednl__reply last;
    open_client(f, FEDNL_COMPRESSOR_TOPK, false);
    open_client(other, FEDNL_COMPRESSOR_TOPK, false);
    advance(f, 0, 2, &last);
    char *path = save(f);
    ct_diag diag = {""};
    ct_assert_status(restore(other, path, &diag), CT_ECHECKPOINT, &diag);
    ct_assert_contains(diag.text, "rows");
    f->client.id = 4;
    ct_assert_status(restore(f, path, &diag), CT_ECHECKPOINT, &diag);
    ct_assert_contains(diag.text, "client is 3, not 4");
    free(path);
    close_client(f);
    close_client(other);
    fixture_free(f);
    fixture_free(other);
}

/* ---- small ones ---- */

// one row; d = 1; rows without a feature; no column at all
static void test_small_clients(void **state)
{
    (void)state;
    static const double value[] = {0.5, -1.0, 0.0, 0.0, 0.0, 0.0}, sign[] = {1, -1, 1};
    static const struct {
        size_t rows, features;
        bool intercept;
    } shapes[] = {{1, 2, true},  {1, 2, false}, {3, 2, true}, {3, 2, false},
                  {2, 1, false}, {2, 0, true},  {1, 0, true}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (int kind = FEDNL_COMPRESSOR_IDENTITY; kind <= FEDNL_COMPRESSOR_RANKR; kind++) {
            fixture *f = calloc(1, sizeof *f);
            dense_case_take(&f->c, shapes[i].rows, shapes[i].features, shapes[i].intercept, value,
                            sign);
            open_client(f, (fednl_compressor)kind, true);
            for (uint32_t round = 0; round < 4; round++)
                check_round(f, round, true);
            close_client(f);
            fixture_free(f);
        }
    }
}

static void test_client_without_columns(void **state)
{
    (void)state;
    static const double value[] = {0.0, 0.0, 0.0, 0.0}, sign[] = {1, -1};
    for (int kind = FEDNL_COMPRESSOR_IDENTITY; kind <= FEDNL_COMPRESSOR_RANKR; kind++) {
        fixture *f = calloc(1, sizeof *f);
        dense_case_take(&f->c, 2, 2, false, value, sign);
        open_client(f, (fednl_compressor)kind, false);
        for (uint32_t round = 0; round < 3; round++)
            check_round(f, round, false);
        assert_int_equal(f->client.rows.active, 0);
        close_client(f);
        fixture_free(f);
    }
}

/* ---- memory ---- */

static ct_status try_to_build(void *context)
{
    fixture *f = context;
    uint32_t order[31];
    for (uint32_t i = 0; i < 31; i++)
        order[i] = i;
    memset(&f->client, 0, sizeof f->client);
    memset(&f->desk, 0, sizeof f->desk);
    ct_status status =
        fednl__rows_init(&f->client.rows, f->c.data, f->c.sign, &f->layout, order, 31);
    if (status == CT_OK)
        status = fednl__client_init(&f->client, 0, &f->compressor);
    fednl__desk_size size = {0};
    if (status == CT_OK)
        fednl__desk_size_grow(&size, &f->client);
    if (status == CT_OK)
        status = fednl__desk_init(&f->desk, &size, &f->compressor);
    close_client(f);
    return status;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    fixture *f = fixture_new(31, 8, 0.3, 6);
    open_client(f, FEDNL_COMPRESSOR_TOPLEK, false);
    close_client(f);
    ct_assert_survives_allocation_failures(try_to_build, f);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_without_estimates),
        cmocka_unit_test(test_estimates),
        cmocka_unit_test(test_alpha),
        cmocka_unit_test(test_estimates_between_searches),
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_restored_clients_go_on),
        cmocka_unit_test(test_checkpoints_of_other_clients_are_refused),
        cmocka_unit_test(test_small_clients),
        cmocka_unit_test(test_client_without_columns),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
