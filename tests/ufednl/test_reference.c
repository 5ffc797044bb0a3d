// SPDX-License-Identifier: MIT
/* The optima of real data sets, certified by code that shares nothing with the library: the file is
 * read again with strtod, f and its gradient are summed in long double. Reference values were found
 * with an independent Newton solver (lambda = 1e-3, regularised intercept). */
#include "ct_test.h"

#include <ctrain/file.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ufednl/ufednl.h>

typedef struct reference {
    const char *name;
    double f, x_norm, grad_norm_at_zero;             // all rows
    double f_142, x_norm_142, grad_norm_at_zero_142; // uFedNL's shuffle, 142 equal clients
} reference;

static const reference references[] = {
    {"w8a", 0.09116933031330, 5.79640813719, 0.733213267575, 0.09120678209200, 5.7965232439,
     0.733280058672},
    {"a9a", 0.333196803143323, 3.96504900422, 0.721904287755, 0.333150208606563, 3.96211493525,
     0.722030770426},
    {"phishing", 0.313580634676903, 12.6434646925, 0.104497902397, 0.313255260523667, 12.6408031112,
     0.103944195198},
};
enum { REFERENCES = sizeof references / sizeof *references };

/* ---- The certificate ---- */

/* Walk the lines of a LIBSVM text: log-likelihood and gradient at x (features 0 … d-2, intercept
 * last). The larger label, whatever it is called, is the one above 0.5. */
static void certify(const char *path, const double *x, size_t d, double lambda, double *f,
                    double *grad_norm)
{
    ct_file_view file;
    ct_diag diag = {0};
    ct_assert_ok(ct_file_view_open(&file, path, &diag), &diag);
    char *text = malloc(file.size_bytes + 1);
    memcpy(text, file.data, file.size_bytes);
    text[file.size_bytes] = '\0';
    ct_file_view_close(&file);
    long double loss = 0.0L, squares = 0.0L, norm = 0.0L, *g = calloc(d, sizeof *g);
    size_t rows = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), rows++) {
        char *at;
        long double b = strtod(line, &at) > 0.5 ? 1.0L : -1.0L, z = x[d - 1];
        char *features = at;
        for (char *colon; (colon = strchr(at, ':')) != NULL;)
            z += (long double)x[strtoul(at, NULL, 10) - 1] * (long double)strtod(colon + 1, &at);
        loss += b * z > 0.0L ? log1pl(expl(-b * z)) : -b * z + log1pl(expl(b * z));
        long double slope = -b / (1.0L + expl(b * z));
        at = features;
        for (char *colon; (colon = strchr(at, ':')) != NULL;) {
            size_t c = strtoul(at, NULL, 10) - 1;
            g[c] += slope * (long double)strtod(colon + 1, &at);
        }
        g[d - 1] += slope;
    }
    for (size_t c = 0; c < d; c++) {
        long double total = g[c] / (long double)rows + (long double)lambda * x[c];
        norm += total * total;
        squares += (long double)x[c] * x[c];
    }
    *f = (double)(loss / (long double)rows + 0.5L * (long double)lambda * squares);
    *grad_norm = (double)sqrtl(norm);
    free(g);
    free(text);
}

static ct_dataset *load(const char *name, const char **path)
{
    *path = ct_test_data(name);
    if (*path == NULL)
        skip();
    ct_dataset *data;
    ct_diag diag = {0};
    ct_assert_ok(ct_dataset_read_libsvm(&data, *path, NULL, &diag), &diag);
    return data;
}

static void solve_and_certify(const reference *r, size_t clients, fednl_compressor compressor)
{
    const char *path;
    ct_dataset *data = load(r->name, &path);
    fednl_options opt = fednl_options_default();
    opt.clients = clients;
    opt.compressor = compressor;
    fednl_solver *solver;
    fednl_result result;
    ct_diag diag = {0};
    ct_assert_ok(fednl_solver_create(&solver, data, &opt, &diag), &diag);
    ct_assert_ok(fednl_solver_run(solver, &result, &diag), &diag);
    assert_int_equal(result.outcome, FEDNL_CONVERGED);
    double f, grad_norm;
    certify(path, fednl_solver_x(solver), result.dimension, opt.lambda, &f, &grad_norm);
    ct_assert_near(f, r->f, 0.0, 1e-13);
    assert_true(grad_norm <= opt.tol);
    ct_assert_near(result.f, f, 1e-13, 0.0);
    ct_assert_near(result.grad_norm, grad_norm, 1e-6, 1e-14);
    ct_assert_near(result.x_norm, r->x_norm, 3e-7, 0.0); // grad_norm / lambda is what x may be off
    print_message("%s, %zu clients, %s: %zu rounds, f %.15g, certified ||grad f|| %.2e\n", r->name,
                  clients, fednl_compressor_name(compressor), result.rounds, f, grad_norm);
    fednl_solver_destroy(solver);
    ct_dataset_destroy(data);
}

static void test_one_client(void **state)
{
    (void)state;
    for (size_t i = 0; i < REFERENCES; i++)
        solve_and_certify(&references[i], 1, FEDNL_COMPRESSOR_IDENTITY);
}

static void test_142_clients_identity(void **state)
{
    (void)state;
    for (size_t i = 0; i < REFERENCES; i++)
        solve_and_certify(&references[i], 142, FEDNL_COMPRESSOR_IDENTITY);
}

static void test_142_clients_top_k(void **state)
{
    (void)state;
    for (size_t i = 0; i < REFERENCES; i++)
        solve_and_certify(&references[i], 142, FEDNL_COMPRESSOR_TOPK);
}

/* ---- Every method and compressor, to twelve digits ---- */

/* False: OpenBLAS is needed and not installed. */
static bool solve_to_the_end(const reference *r, const ct_dataset *data, const fednl_options *opt)
{
    fednl_solver *solver;
    fednl_result result;
    ct_diag diag = {0};
    ct_status status = fednl_solver_create(&solver, data, opt, &diag);
    if (status == CT_EUNSUPPORTED)
        return false;
    ct_assert_ok(status, &diag);
    ct_assert_ok(fednl_solver_run(solver, &result, &diag), &diag);
    fednl_solver_destroy(solver);
    print_message("%s, %s, %s: %s after %zu rounds, f %.15g, ||x|| %.12g, ||grad f|| %.2e\n",
                  r->name, fednl_algorithm_name(opt->algorithm),
                  fednl_compressor_name(opt->compressor), fednl_outcome_name(result.outcome),
                  result.rounds, result.f, result.x_norm, result.grad_norm);
    assert_int_equal(result.outcome, FEDNL_CONVERGED);
    ct_assert_near(result.f, r->f, 1e-12, 0.0);
    ct_assert_near(result.x_norm, r->x_norm, 5e-12, 0.0); // half a unit of the last digit known
    return true;
}

static fednl_options to_the_end(fednl_algorithm algorithm, fednl_compressor compressor)
{
    fednl_options opt = fednl_options_default();
    opt.clients = 10;
    opt.algorithm = algorithm;
    opt.compressor = compressor;
    opt.participants = 2;
    opt.rank = 3;
    opt.tol = 1e-14;
    opt.max_rounds = 10000;
    return opt;
}

/* Whether it takes more than about three seconds. */
static bool takes_long(const reference *r, const fednl_options *opt)
{
    bool few_rounds = opt->compressor == FEDNL_COMPRESSOR_IDENTITY ||
                      opt->compressor == FEDNL_COMPRESSOR_TOPK ||
                      opt->compressor == FEDNL_COMPRESSOR_NATURAL;
    bool slow = opt->algorithm == FEDNL_ALGORITHM_PP || opt->algorithm == FEDNL_ALGORITHM_CR ||
                opt->compressor == FEDNL_COMPRESSOR_RANKR;
    return strcmp(r->name, "w8a") == 0 && slow && !few_rounds;
}

static void check_every_method(const reference *r)
{
    const char *path;
    ct_dataset *data = load(r->name, &path);
    for (int algorithm = FEDNL_ALGORITHM_FEDNL; algorithm <= FEDNL_ALGORITHM_BC; algorithm++)
        for (int kind = FEDNL_COMPRESSOR_IDENTITY; kind <= FEDNL_COMPRESSOR_RANKR; kind++) {
            fednl_options opt = to_the_end((fednl_algorithm)algorithm, (fednl_compressor)kind);
            if (!takes_long(r, &opt) && !solve_to_the_end(r, data, &opt))
                print_message("%s needs OpenBLAS\n", fednl_compressor_name(opt.compressor));
        }
    fednl_options opt = to_the_end(FEDNL_ALGORITHM_NEWTON, FEDNL_COMPRESSOR_IDENTITY);
    solve_to_the_end(r, data, &opt);
    opt.algorithm = FEDNL_ALGORITHM_LBFGS;
    solve_to_the_end(r, data, &opt);
    opt.algorithm = FEDNL_ALGORITHM_GD;
    if (strcmp(r->name, "phishing") == 0) // thousands of rounds, of the others many more
        solve_to_the_end(r, data, &opt);
    ct_dataset_destroy(data);
}

static void test_every_method(void **state)
{
    (void)state;
#ifdef CT_TEST_SANITIZED
    print_message("takes minutes with sanitizers\n");
    skip();
#endif
    for (size_t i = 0; i < REFERENCES; i++)
        check_every_method(&references[i]);
}

/* ---- The prototype's split: its own shuffle, equal clients, the remainder dropped ---- */

/* The prototype's generator and shuffle (spec/ufednl.md §4), seed 123. */
static void prototype_shuffle(uint32_t *order, size_t n)
{
    uint32_t state = 123;
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    for (size_t i = 0; i + 1 < n; i++) {
        state = 214013u * state + 2531011u;
        size_t r = (size_t)floor((double)state / 4294967295.0 * (double)(n - 1 - i) + 0.5);
        uint32_t held = order[i];
        order[i] = order[i + r];
        order[i + r] = held;
    }
}

static ct_dataset *take_rows(const ct_dataset *data, const uint32_t *order, size_t rows)
{
    size_t *start = calloc(rows + 1, sizeof *start), n = 0;
    uint32_t *col = calloc(data->nnz, sizeof *col);
    double *val = calloc(data->nnz, sizeof *val), *label = calloc(rows, sizeof *label);
    for (size_t j = 0; j < rows; j++) {
        for (size_t e = data->row_start[order[j]]; e < data->row_start[order[j] + 1]; e++) {
            col[n] = data->col[e];
            val[n++] = data->val[e];
        }
        start[j + 1] = n;
        label[j] = data->label[order[j]];
    }
    ct_dataset *taken;
    ct_diag diag = {0};
    ct_assert_ok(ct_dataset_from_csr(&taken, rows, data->cols, start, col, val, label, &diag),
                 &diag);
    free(start);
    free(col);
    free(val);
    free(label);
    return taken;
}

static void keep_first_norm(void *context, const fednl_round *round)
{
    if (round->round == 0)
        *(double *)context = round->grad_norm;
}

static void check_prototype_split(const reference *r)
{
    const char *path;
    ct_dataset *data = load(r->name, &path);
    uint32_t *order = calloc(data->rows, sizeof *order);
    prototype_shuffle(order, data->rows);
    ct_dataset *taken = take_rows(data, order, data->rows / 142 * 142);
    double norm_at_zero = 0.0;
    fednl_options opt = fednl_options_default();
    opt.clients = 142;
    opt.shuffle = false;
    opt.on_round = keep_first_norm;
    opt.context = &norm_at_zero;
    fednl_solver *solver;
    fednl_result result;
    ct_diag diag = {0};
    ct_assert_ok(fednl_solver_create(&solver, taken, &opt, &diag), &diag);
    ct_assert_ok(fednl_solver_run(solver, &result, &diag), &diag);
    ct_assert_near(result.f, r->f_142, 0.0, 1e-13);
    ct_assert_near(result.x_norm, r->x_norm_142, 1e-9, 0.0);
    ct_assert_near(norm_at_zero, r->grad_norm_at_zero_142, 0.0, 1e-12);
    fednl_solver_destroy(solver);
    ct_dataset_destroy(taken);
    ct_dataset_destroy(data);
    free(order);
}

static void test_the_prototypes_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < REFERENCES; i++)
        check_prototype_split(&references[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_client),           cmocka_unit_test(test_142_clients_identity),
        cmocka_unit_test(test_142_clients_top_k),    cmocka_unit_test(test_every_method),
        cmocka_unit_test(test_the_prototypes_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
