// SPDX-License-Identifier: MIT
/* A client against its definition: derivatives against central differences, matrices on the pattern
 * against dense ones, and TopK against a full sort of the whole triangle. */
#include "ct_test.h"

#include "master.h"

#include <ctrain/rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 23, COLS = 30, D = COLS + 1, TRIANGLE = D * (D + 1) / 2 };

typedef struct fixture {
    ct_dataset *data;
    double sign[ROWS];
    uint32_t order[ROWS];
    fednl__client client;
    fednl__scratch scratch;
    double x[D];
} fixture;

/* Sparse rows: column 4 occurs nowhere, some stored entries are zero, some rows are alone with
 * the intercept. */
static ct_dataset *make_data(ct_rng *rng)
{
    size_t start[ROWS + 1] = {0};
    uint32_t col[ROWS * COLS];
    double val[ROWS * COLS], label[ROWS];
    size_t n = 0;
    for (size_t j = 0; j < ROWS; j++) {
        for (uint32_t c = 0; c < COLS; c++) {
            if (c == 4 || j == 5 || ct_rng_below(rng, 5) != 0)
                continue;
            col[n] = c;
            val[n++] = ct_rng_below(rng, 8) == 0 ? 0.0 : ct_rng_normal(rng);
        }
        start[j + 1] = n;
        label[j] = j % 3 == 0 ? 1.0 : -1.0;
    }
    ct_dataset *data;
    ct_diag diag = {0};
    ct_assert_ok(ct_dataset_from_csr(&data, ROWS, COLS, start, col, val, label, &diag), &diag);
    return data;
}

static void setup(fixture *f, const fednl__compressor *compressor)
{
    memset(f, 0, sizeof *f);
    ct_rng rng;
    ct_rng_init(&rng, 11, CT_RNG_USER, 0, 0);
    f->data = make_data(&rng);
    ct_diag diag = {0};
    double pair[2];
    ct_assert_ok(ct_dataset_binary_labels(f->data, f->sign, pair, &diag), &diag);
    for (uint32_t j = 0; j < ROWS; j++)
        f->order[j] = (j * 7) % ROWS;
    ct_rng_fill_normal_f64(&rng, f->x, D, 0.0, 1.0);
    uint32_t local[D];
    ct_assert_ok(fednl__client_load(&f->client, f->data, f->sign, true, f->order, ROWS, local),
                 NULL);
    f->scratch.triangle = calloc(TRIANGLE, sizeof(double));
    ct_assert_ok(fednl__client_prepare(&f->client, compressor, f->scratch.triangle), NULL);
    f->scratch.difference = calloc(TRIANGLE, sizeof(double));
    f->scratch.keys = calloc(TRIANGLE, sizeof(uint64_t));
    f->scratch.margin = calloc(ROWS, sizeof(double));
    f->scratch.loss = calloc(ROWS, sizeof(double));
    f->scratch.sigmoid = calloc(ROWS, sizeof(double));
    f->scratch.x = calloc(D, sizeof(double));
    f->scratch.gradient = calloc(D, sizeof(double));
}

static void teardown(fixture *f)
{
    fednl__client_clear(&f->client);
    ct_dataset_destroy(f->data);
    free(f->scratch.triangle);
    free(f->scratch.difference);
    free(f->scratch.keys);
    free(f->scratch.margin);
    free(f->scratch.loss);
    free(f->scratch.sigmoid);
    free(f->scratch.x);
    free(f->scratch.gradient);
}

static const fednl__compressor identity = {FEDNL_COMPRESSOR_IDENTITY, TRIANGLE};

/* f and g at x, from a fresh client (whose first reply is its Hessian, spread over dense). */
static double evaluate(const double *x, double *g, double *dense)
{
    fixture f;
    setup(&f, &identity);
    fednl__reply reply;
    fednl__client_round(&f.client, x, &identity, &f.scratch, &reply);
    double loss = reply.f;
    memcpy(g, reply.g, D * sizeof *g);
    memset(dense, 0, TRIANGLE * sizeof *dense);
    for (size_t i = 0; i < reply.n; i++)
        dense[reply.index[i]] = reply.value[i];
    assert_true(reply.l == 0.0);
    teardown(&f);
    return loss;
}

static void test_derivatives_match_central_differences(void **state)
{
    (void)state;
    const double step = 1e-5;
    double x[D], g[D], g_up[D], g_down[D], hessian[TRIANGLE], ignored[TRIANGLE];
    fixture f;
    setup(&f, &identity);
    memcpy(x, f.x, sizeof x);
    teardown(&f);
    evaluate(x, g, hessian);
    for (size_t c = 0; c < D; c++) {
        double at = x[c];
        x[c] = at + step;
        double up = evaluate(x, g_up, ignored);
        x[c] = at - step;
        double down = evaluate(x, g_down, ignored);
        x[c] = at;
        ct_assert_near(g[c], (up - down) / (2.0 * step), 1e-7, 1e-9);
        for (size_t r = 0; r <= c; r++)
            ct_assert_near(hessian[fednl__position(r, c)], (g_up[r] - g_down[r]) / (2.0 * step),
                           1e-6, 1e-9);
    }
}

/* The client's reply does not depend on its code: the mean over its rows, as objective() has it. */
static void test_loss_and_gradient_match_the_objective(void **state)
{
    (void)state;
    fixture f;
    setup(&f, &identity);
    fednl__reply reply;
    double g[D];
    fednl__client_round(&f.client, f.x, &identity, &f.scratch, &reply);
    double loss = fednl_objective(f.data, f.sign, 0.0, true, f.x, g);
    ct_assert_near(reply.f, loss, 1e-14, 0.0);
    ct_assert_array_near(reply.g, g, D, 1e-13, 1e-16);
    teardown(&f);
}

/* ---- TopK on the pattern against TopK on the whole triangle ---- */

/* The Hessian of the loss at x in a dense triangle, added up in the client's order. */
static void dense_hessian(const fixture *f, double *dense)
{
    memset(dense, 0, TRIANGLE * sizeof *dense);
    for (size_t j = 0; j < ROWS; j++) {
        size_t row = f->order[j];
        double full[D] = {0};
        for (size_t e = f->data->row_start[row]; e < f->data->row_start[row + 1]; e++)
            full[f->data->col[e]] = -f->sign[row] * f->data->val[e];
        full[COLS] = -f->sign[row];
        double first = 1.0 / ROWS * f->scratch.sigmoid[j];
        double second = first * (1.0 - f->scratch.sigmoid[j]);
        for (size_t c = 0; c < D; c++)
            for (size_t r = 0; r <= c; r++)
                dense[fednl__position(r, c)] += second * full[c] * full[r];
    }
}

static const double *compared;

static int by_magnitude_then_position(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    double u = fabs(compared[x]), v = fabs(compared[y]);
    if (u != v)
        return u > v ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* The definition: S keeps the k largest entries of the triangle, everything else is 0. */
static void dense_top_k(const double *difference, size_t k, double *chosen)
{
    uint32_t order[TRIANGLE];
    for (uint32_t i = 0; i < TRIANGLE; i++)
        order[i] = i;
    compared = difference;
    qsort(order, TRIANGLE, sizeof *order, by_magnitude_then_position);
    memset(chosen, 0, TRIANGLE * sizeof *chosen);
    for (size_t i = 0; i < k; i++)
        chosen[order[i]] = difference[order[i]];
}

static double dense_norm(const double *a, const double *b)
{
    double sum = 0.0;
    for (size_t c = 0; c < D; c++)
        for (size_t r = 0; r <= c; r++) {
            double v = a[fednl__position(r, c)] - b[fednl__position(r, c)];
            sum += (r == c ? 1.0 : 2.0) * v * v;
        }
    return sqrt(sum);
}

static void check_top_k(size_t k)
{
    fixture f;
    fednl__compressor top_k = {FEDNL_COMPRESSOR_TOPK, k};
    setup(&f, &top_k);
    static double h[TRIANGLE], hessian[TRIANGLE], difference[TRIANGLE], s[TRIANGLE];
    fednl__reply reply;
    for (int round = 0; round < 6; round++) {
        fednl__client_round(&f.client, f.x, &top_k, &f.scratch, &reply);
        dense_hessian(&f, hessian);
        static double sent[TRIANGLE];
        memset(sent, 0, sizeof sent);
        for (size_t i = 0; i < reply.n; i++) {
            assert_true(i == 0 || reply.index[i] > reply.index[i - 1]);
            sent[reply.index[i]] = reply.value[i];
        }
        for (size_t p = 0; p < TRIANGLE; p++)
            difference[p] = hessian[p] - h[p];
        if (round == 0)
            memcpy(s, hessian, sizeof s);
        else
            dense_top_k(difference, k, s);
        for (size_t p = 0; p < TRIANGLE; p++) {
            assert_true(sent[p] == s[p]);
            h[p] = round == 0 ? s[p] : h[p] + s[p];
        }
        ct_assert_near(reply.l, dense_norm(hessian, h), 1e-13, 1e-17);
        for (size_t e = 0; e < f.client.pattern; e++)
            assert_true(f.client.h[e] == h[f.client.position[e]]);
        for (size_t c = 0; c < D; c++)
            f.x[c] = 0.7 * f.x[c] + 0.1 * (double)(c % 3);
    }
    teardown(&f);
}

static void test_top_k_on_the_pattern_is_the_dense_one(void **state)
{
    (void)state;
    const size_t ks[] = {1, 2, 7, 50, 100, 200, 300, TRIANGLE - 1, TRIANGLE};
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
        check_top_k(ks[i]);
}

/* Identity keeps no difference: every reply is the Hessian of its own iterate, to the bit. */
static void test_identity_sends_the_hessian(void **state)
{
    (void)state;
    fixture f;
    setup(&f, &identity);
    static double hessian[TRIANGLE], sent[TRIANGLE];
    fednl__reply reply;
    for (int round = 0; round < 3; round++) {
        fednl__client_round(&f.client, f.x, &identity, &f.scratch, &reply);
        dense_hessian(&f, hessian);
        memset(sent, 0, sizeof sent);
        for (size_t i = 0; i < reply.n; i++)
            sent[reply.index[i]] = reply.value[i];
        assert_true(reply.whole && reply.l == 0.0);
        for (size_t p = 0; p < TRIANGLE; p++)
            assert_true(sent[p] == hessian[p]);
        for (size_t c = 0; c < D; c++)
            f.x[c] = 0.7 * f.x[c] + 0.1 * (double)(c % 3);
    }
    teardown(&f);
}

/* Slices of the server's triangle, learnt one by one, are the triangle learnt at once. */
static void test_server_learns_in_slices(void **state)
{
    (void)state;
    fixture f;
    setup(&f, &identity);
    fednl__reply reply;
    fednl__client_round(&f.client, f.x, &identity, &f.scratch, &reply);
    fednl__master whole, sliced;
    ct_assert_ok(fednl__master_init(&whole, D, 0.0), NULL);
    ct_assert_ok(fednl__master_init(&sliced, D, 0.0), NULL);
    const size_t bounds[] = {0, 0, 1, 7, 64, 300, TRIANGLE};
    for (int round = 0; round < 2; round++) {
        fednl__master_learn(&whole, 0, TRIANGLE, 0.3, &reply);
        for (size_t i = 0; i + 1 < sizeof bounds / sizeof *bounds; i++)
            fednl__master_learn(&sliced, bounds[i], bounds[i + 1], 0.3, &reply);
        assert_memory_equal(whole.h, sliced.h, TRIANGLE * sizeof *whole.h);
    }
    assert_true(whole.h[0] != 0.0);
    fednl__master_forget(&whole, 0, 64);
    for (size_t p = 0; p < TRIANGLE; p++)
        assert_true(whole.h[p] == (p < 64 ? 0.0 : sliced.h[p]));
    fednl__master_clear(&whole);
    fednl__master_clear(&sliced);
    teardown(&f);
}

static void test_pattern_is_the_pairs_that_meet(void **state)
{
    (void)state;
    fixture f;
    setup(&f, &identity);
    bool meets[TRIANGLE] = {false};
    for (size_t j = 0; j < ROWS; j++) {
        bool full[D] = {false};
        for (size_t e = f.data->row_start[j]; e < f.data->row_start[j + 1]; e++)
            full[f.data->col[e]] = f.data->val[e] != 0.0;
        full[COLS] = true;
        for (size_t c = 0; c < D; c++)
            for (size_t r = 0; r <= c; r++)
                meets[fednl__position(r, c)] |= full[r] && full[c];
    }
    size_t e = 0;
    for (uint32_t p = 0; p < TRIANGLE; p++) {
        if (meets[p])
            assert_int_equal(f.client.position[e++], p);
    }
    assert_int_equal(e, f.client.pattern);
    assert_true(e < TRIANGLE);
    for (size_t p = 0; p < TRIANGLE; p++)
        assert_true(f.scratch.triangle[p] == 0.0);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_derivatives_match_central_differences),
        cmocka_unit_test(test_loss_and_gradient_match_the_objective),
        cmocka_unit_test(test_top_k_on_the_pattern_is_the_dense_one),
        cmocka_unit_test(test_identity_sends_the_hessian),
        cmocka_unit_test(test_server_learns_in_slices),
        cmocka_unit_test(test_pattern_is_the_pairs_that_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
