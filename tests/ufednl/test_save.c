// SPDX-License-Identifier: MIT
/* Solvers that are saved and resumed: the same bits as without the interruption, for every method
 * and compressor; what does not fit is refused and named. */
#include "ct_test.h"

#include <ctrain/file.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <ufednl/ufednl.h>

enum { ROUNDS = 8, FEATURES = 12, D = FEATURES + 1 };

static ct_dataset *generate(size_t rows, size_t cols, uint64_t seed)
{
    ct_sparse_options opt = ct_sparse_options_default();
    opt.rows = rows;
    opt.cols = cols;
    opt.nnz_per_row = 4.0;
    opt.positive_fraction = 0.4;
    opt.binary = false;
    opt.seed = seed;
    ct_dataset *data;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_generate_sparse(&data, &opt, &diag), &diag);
    return data;
}

/* ---- the same bits ---- */

/* What a run showed, by round. */
typedef struct trace {
    fednl_solver *solver;
    fednl_round round[ROUNDS + 1];
    double x[ROUNDS + 1][D];
    size_t last;
    const char *path; // save there at round save_at; NULL: never
    size_t save_at;
} trace;

static void remember(void *context, const fednl_round *round)
{
    trace *t = context;
    assert_true(round->round <= ROUNDS);
    t->round[round->round] = *round;
    t->last = round->round;
    memcpy(t->x[round->round], fednl_solver_x(t->solver), sizeof t->x[0]);
    ct_diag diag = {""};
    if (t->path != NULL && round->round == t->save_at)
        ct_assert_ok(fednl_solver_save(t->solver, t->path, &diag), &diag);
}

static fednl_options options(fednl_algorithm algorithm, fednl_option option,
                             fednl_compressor compressor)
{
    fednl_options opt = fednl_options_default();
    opt.clients = 6;
    opt.algorithm = algorithm;
    opt.option = option;
    opt.compressor = compressor;
    opt.k = (fednl_k){11, FEDNL_K_ENTRIES};
    opt.rank = 2;
    opt.participants = 2;
    opt.tol = 0.0;
    opt.memory = 3;
    opt.gradient_probability = 0.25;
    return opt;
}

static void begin(trace *t, const ct_dataset *data, fednl_options opt, size_t rounds)
{
    opt.max_rounds = rounds;
    opt.on_round = remember;
    opt.context = t;
    ct_diag diag = {""};
    memset(t, 0, sizeof *t);
    ct_assert_ok(fednl_solver_create(&t->solver, data, &opt, &diag), &diag);
}

static fednl_result run(trace *t)
{
    fednl_result result;
    ct_diag diag = {""};
    ct_assert_ok(fednl_solver_run(t->solver, &result, &diag), &diag);
    return result;
}

static void assert_same_rounds(const trace *a, const trace *b, size_t from)
{
    for (size_t r = from; r <= ROUNDS; r++) {
        const fednl_round *p = &a->round[r], *q = &b->round[r];
        assert_memory_equal(a->x[r], b->x[r], sizeof a->x[r]);
        assert_memory_equal(&p->f, &q->f, sizeof p->f);
        assert_memory_equal(&p->grad_norm, &q->grad_norm, sizeof p->grad_norm);
        assert_memory_equal(&p->shift, &q->shift, sizeof p->shift);
        assert_memory_equal(&p->step, &q->step, sizeof p->step);
        assert_memory_equal(&p->traffic, &q->traffic, sizeof p->traffic);
        assert_int_equal(p->round, q->round);
        assert_int_equal(p->clients, q->clients);
    }
}

/* Resume from path in a new solver, and go on to the last round. What does not change the bits is
 * changed. */
static void go_on(trace *t, const ct_dataset *data, fednl_options opt, const char *path,
                  size_t saved_at, fednl_result *result)
{
    ct_diag diag = {""};
    opt.threads = 2;
    opt.tol = 1e-300;
    opt.time_limit_s = 1e6;
    opt.max_bytes_up = UINT64_MAX;
    begin(t, data, opt, ROUNDS - saved_at);
    ct_assert_ok(fednl_solver_resume(t->solver, path, &diag), &diag);
    *result = run(t);
    fednl_solver_destroy(t->solver);
}

static void check_interrupted(const ct_dataset *data, const fednl_options *opt, size_t at)
{
    static trace whole, part, rest;
    fednl_result a, b;
    ct_diag diag = {""};
    char *path = ct_test_path("solver"), *within = ct_test_path("within");
    begin(&whole, data, *opt, ROUNDS);
    whole.path = within;
    whole.save_at = at;
    a = run(&whole);
    fednl_solver_destroy(whole.solver);
    begin(&part, data, *opt, at);
    assert_int_equal(run(&part).outcome, FEDNL_MAX_ROUNDS);
    ct_assert_ok(fednl_solver_save(part.solver, path, &diag), &diag);
    fednl_solver_destroy(part.solver);
    const char *const paths[] = {path, within};
    for (size_t i = 0; i < 2; i++) {
        go_on(&rest, data, *opt, paths[i], at, &b);
        assert_int_equal(rest.last, ROUNDS);
        assert_same_rounds(&whole, &rest, at + 1);
        assert_memory_equal(&a.f, &b.f, sizeof a.f);
        assert_memory_equal(&a.grad_norm, &b.grad_norm, sizeof a.grad_norm);
        assert_memory_equal(&a.traffic, &b.traffic, sizeof a.traffic);
        assert_int_equal(a.rounds, b.rounds);
    }
    free(path);
    free(within);
}

static void test_methods_and_compressors(void **state)
{
    (void)state;
    ct_dataset *data = generate(120, FEATURES, 5);
    for (int algorithm = FEDNL_ALGORITHM_FEDNL; algorithm <= FEDNL_ALGORITHM_BC; algorithm++) {
        for (int kind = FEDNL_COMPRESSOR_IDENTITY; kind <= FEDNL_COMPRESSOR_RANKR; kind++) {
            fednl_options opt =
                options((fednl_algorithm)algorithm, kind % 2 == 0 ? FEDNL_OPTION_A : FEDNL_OPTION_B,
                        (fednl_compressor)kind);
            for (size_t at = 0; at <= 4; at += 2)
                check_interrupted(data, &opt, at);
        }
    }
    ct_dataset_destroy(data);
}

static void test_baselines(void **state)
{
    (void)state;
    ct_dataset *data = generate(120, FEATURES, 5);
    for (int algorithm = FEDNL_ALGORITHM_NEWTON; algorithm <= FEDNL_ALGORITHM_LBFGS; algorithm++) {
        fednl_options opt =
            options((fednl_algorithm)algorithm, FEDNL_OPTION_DEFAULT, FEDNL_COMPRESSOR_IDENTITY);
        opt.weights = FEDNL_WEIGHTS_EQUAL;
        opt.regularise_intercept = false;
        for (size_t at = 0; at <= 6; at++) // beyond memory
            check_interrupted(data, &opt, at);
    }
    ct_dataset_destroy(data);
}

/* Diverge, from the checkpoint where there is one; x (3) and the result. */
static fednl_result diverge(const ct_dataset *data, const fednl_options *opt, const char *path,
                            double *x)
{
    fednl_solver *solver;
    fednl_result result;
    ct_diag diag = {""};
    ct_assert_ok(fednl_solver_create(&solver, data, opt, &diag), &diag);
    if (path != NULL)
        ct_assert_ok(fednl_solver_resume(solver, path, &diag), &diag);
    ct_assert_ok(fednl_solver_run(solver, &result, &diag), &diag);
    assert_int_equal(result.outcome, FEDNL_DIVERGED);
    memcpy(x, fednl_solver_x(solver), 3 * sizeof *x);
    fednl_solver_destroy(solver);
    return result;
}

// the best iterate, which is the model then, may be one of before the interruption
static void test_divergence_after_it(void **state)
{
    (void)state;
    static const double value[] = {1.0, 0.5, 2.0, 0.1, 0.7, -1.0, -0.3, -2.0, 0.2};
    static const double label[] = {1, 1, 1, -1, -1};
    static const uint32_t col[] = {0, 1, 0, 1, 0, 0, 1, 0, 1};
    static const size_t start[] = {0, 2, 4, 5, 7, 9};
    double x[3], again[3];
    ct_dataset *data;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_from_csr(&data, 5, 2, start, col, value, label, &diag), &diag);
    fednl_options opt = options(FEDNL_ALGORITHM_FEDNL, FEDNL_OPTION_A, FEDNL_COMPRESSOR_RANDSEQK);
    opt.lambda = 1e-12;
    opt.clients = 2;
    opt.k = (fednl_k){2, FEDNL_K_ENTRIES};
    fednl_result whole = diverge(data, &opt, NULL, x);
    assert_true(whole.rounds > 2);
    for (size_t at = 0; at < whole.rounds; at++) {
        fednl_options part = opt;
        part.max_rounds = at;
        fednl_solver *solver;
        fednl_result result;
        char *path = ct_test_path("diverging");
        ct_assert_ok(fednl_solver_create(&solver, data, &part, &diag), &diag);
        ct_assert_ok(fednl_solver_run(solver, &result, &diag), &diag);
        ct_assert_ok(fednl_solver_save(solver, path, &diag), &diag);
        fednl_solver_destroy(solver);
        result = diverge(data, &opt, path, again);
        assert_memory_equal(x, again, sizeof x);
        assert_memory_equal(&whole.f, &result.f, sizeof whole.f);
        free(path);
    }
    ct_dataset_destroy(data);
}

/* ---- refusals ---- */

/* A checkpoint of a TopK run. */
static char *save_after_rounds(const ct_dataset *data, const fednl_options *opt, size_t rounds)
{
    trace t;
    ct_diag diag = {""};
    char *path = ct_test_path("saved");
    begin(&t, data, *opt, rounds);
    run(&t);
    ct_assert_ok(fednl_solver_save(t.solver, path, &diag), &diag);
    fednl_solver_destroy(t.solver);
    return path;
}

static void refuse(const char *path, const ct_dataset *data, const fednl_options *opt,
                   const char *reason)
{
    trace t;
    ct_diag diag = {""};
    begin(&t, data, *opt, 1);
    ct_assert_status(fednl_solver_resume(t.solver, path, &diag), CT_ECHECKPOINT, &diag);
    ct_assert_contains(diag.text, path);
    ct_assert_contains(diag.text, reason);
    fednl_solver_destroy(t.solver);
}

typedef struct change {
    const char *name; // in the message
    size_t offset;
    double value;
    size_t count; // where value is 0
} change;

static void test_other_options_are_refused(void **state)
{
    (void)state;
#define REAL(member, name, value)                                                                  \
    {                                                                                              \
        name, offsetof(fednl_options, member), value, 0                                            \
    }
#define COUNT(member, name, count)                                                                 \
    {                                                                                              \
        name, offsetof(fednl_options, member), 0.0, count                                          \
    }
    static const change changes[] = {
        REAL(lambda, "lambda is 0.001", 2e-3),
        REAL(mu, "mu is 0.001", 3e-3),
        REAL(k.value, "k is 11, not 12", 12.0),
        REAL(alpha, "alpha is 1, not 0.5", 0.5),
        REAL(line_search_decrease, "decrease", 0.2),
        REAL(line_search_backtrack, "backtrack", 0.25),
        REAL(cubic, "cubic", 3.0),
        REAL(model_rate, "model rate", 0.5),
        REAL(model_k.value, "model k", 3.0),
        REAL(gradient_probability, "gradient probability", 0.125),
        REAL(step_size, "step size", 0.125),
        COUNT(clients, "clients is 6, not 7", 7),
        COUNT(seed, "seed is 1, not 2", 2),
        COUNT(participants, "participants is 2, not 3", 3),
        COUNT(check_every, "check every", 5),
        COUNT(memory, "memory is 3, not 4", 4),
        COUNT(line_search_trials, "trials", 9),
        COUNT(rank, "rank is 2, not 1", 1),
    };
    ct_dataset *data = generate(120, FEATURES, 5);
    fednl_options opt = options(FEDNL_ALGORITHM_LS, FEDNL_OPTION_A, FEDNL_COMPRESSOR_TOPK);
    char *path = save_after_rounds(data, &opt, 3);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const change *c = &changes[i];
        fednl_options other = opt;
        if (c->value != 0.0)
            memcpy((char *)&other + c->offset, &c->value, sizeof c->value);
        else
            memcpy((char *)&other + c->offset, &c->count, sizeof c->count);
        refuse(path, data, &other, c->name);
    }
    fednl_options other = opt;
    other.algorithm = FEDNL_ALGORITHM_FEDNL;
    refuse(path, data, &other, "algorithm is fednl-ls, not fednl");
    other = opt;
    other.compressor = FEDNL_COMPRESSOR_TOPLEK;
    refuse(path, data, &other, "compressor is topk, not toplek");
    other = opt;
    other.option = FEDNL_OPTION_B;
    refuse(path, data, &other, "option");
    other = opt;
    other.weights = FEDNL_WEIGHTS_EQUAL;
    refuse(path, data, &other, "weights");
    other = opt;
    other.regularise_intercept = false;
    refuse(path, data, &other, "intercept");
    other = opt;
    other.intercept = false;
    refuse(path, data, &other, "dimension is 13, not 12");
    other = opt;
    other.shuffle = false;
    refuse(path, data, &other, "fingerprint of the rows");
    free(path);
    ct_dataset_destroy(data);
}

static void test_other_data_are_refused(void **state)
{
    (void)state;
    ct_dataset *data = generate(120, FEATURES, 5), *other = generate(121, FEATURES, 5);
    fednl_options opt = options(FEDNL_ALGORITHM_LS, FEDNL_OPTION_A, FEDNL_COMPRESSOR_TOPK);
    char *path = save_after_rounds(data, &opt, 3);
    refuse(path, other, &opt, "rows is 120, not 121");
    ct_dataset_destroy(other);
    other = generate(120, FEATURES + 1, 5);
    refuse(path, other, &opt, "dimension is 13, not 14");
    ct_dataset_destroy(other);
    other = generate(120, FEATURES, 5);
    other->val[other->nnz / 2] *= 1.0 + 1e-15;
    refuse(path, other, &opt, "fingerprint of the rows");
    ct_dataset_destroy(other);
    other = generate(120, FEATURES, 5);
    other->label[60] = -other->label[60];
    refuse(path, other, &opt, "fingerprint of the rows");
    ct_dataset_destroy(other);
    free(path);
    ct_dataset_destroy(data);
}

static void write_bytes(const char *path, const void *data, size_t size)
{
    ct_file_writer *out;
    ct_diag diag = {""};
    ct_assert_ok(ct_file_writer_open(&out, path, &diag), &diag);
    ct_file_writer_write(out, data, size);
    ct_assert_ok(ct_file_writer_commit(out, &diag), &diag);
}

static void test_damaged_files_are_refused(void **state)
{
    (void)state;
    ct_dataset *data = generate(40, FEATURES, 5);
    fednl_options opt = options(FEDNL_ALGORITHM_LS, FEDNL_OPTION_A, FEDNL_COMPRESSOR_TOPK);
    char *path = save_after_rounds(data, &opt, 2);
    ct_file_view file;
    ct_diag diag = {""};
    ct_assert_ok(ct_file_view_open(&file, path, &diag), &diag);
    size_t size = file.size_bytes;
    unsigned char *bytes = malloc(size);
    memcpy(bytes, file.data, size);
    ct_file_view_close(&file);
    for (size_t at = 12; at < size; at += 1 + size / 97) {
        bytes[at] ^= 4;
        write_bytes(path, bytes, size);
        refuse(path, data, &opt, "damaged");
        bytes[at] ^= 4;
    }
    for (size_t kept = 0; kept < size; kept += 1 + size / 31) {
        write_bytes(path, bytes, kept);
        refuse(path, data, &opt, kept < 8 ? "not a checkpoint" : "cut short");
    }
    trace t;
    begin(&t, data, opt, 1);
    ct_assert_status(fednl_solver_resume(t.solver, "/no/such/file", &diag), CT_ENOTFOUND, &diag);
    ct_assert_contains(diag.text, "/no/such/file");
    fednl_solver_destroy(t.solver);
    free(bytes);
    free(path);
    ct_dataset_destroy(data);
}

// it goes on as if nothing had been tried
static void test_after_a_refusal(void **state)
{
    (void)state;
    static trace whole, other;
    ct_dataset *data = generate(120, FEATURES, 5);
    fednl_options opt = options(FEDNL_ALGORITHM_LS, FEDNL_OPTION_A, FEDNL_COMPRESSOR_TOPK);
    char *path = save_after_rounds(data, &opt, 3);
    opt.seed = 2;
    begin(&whole, data, opt, ROUNDS);
    run(&whole);
    fednl_solver_destroy(whole.solver);
    begin(&other, data, opt, 4);
    ct_diag diag = {""};
    ct_assert_status(fednl_solver_resume(other.solver, path, &diag), CT_ECHECKPOINT, &diag);
    run(&other);
    ct_assert_status(fednl_solver_resume(other.solver, path, &diag), CT_ECHECKPOINT, &diag);
    assert_int_equal(other.last, 4);
    run(&other);
    assert_same_rounds(&whole, &other, 0);
    fednl_solver_destroy(other.solver);
    free(path);
    ct_dataset_destroy(data);
}

// that rows differ is found when half of the state is there
static void test_half_a_state_does_not_run(void **state)
{
    (void)state;
    static trace t, whole;
    ct_dataset *data = generate(120, FEATURES, 5), *other = generate(120, FEATURES, 5);
    other->label[60] = -other->label[60];
    fednl_options opt = options(FEDNL_ALGORITHM_LS, FEDNL_OPTION_A, FEDNL_COMPRESSOR_TOPK);
    char *path = save_after_rounds(other, &opt, 3), *none = ct_test_path("none");
    begin(&t, data, opt, ROUNDS - 3);
    fednl_result result;
    ct_diag diag = {""};
    ct_assert_status(fednl_solver_resume(t.solver, path, &diag), CT_ECHECKPOINT, &diag);
    ct_assert_status(fednl_solver_run(t.solver, &result, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "checkpoint");
    ct_assert_status(fednl_solver_save(t.solver, none, &diag), CT_EINVALID, &diag);
    free(path);
    path = save_after_rounds(data, &opt, 3); // one that fits makes it whole again
    ct_assert_ok(fednl_solver_resume(t.solver, path, &diag), &diag);
    run(&t);
    begin(&whole, data, opt, ROUNDS);
    run(&whole);
    assert_same_rounds(&whole, &t, 4);
    fednl_solver_destroy(whole.solver);
    fednl_solver_destroy(t.solver);
    free(path);
    free(none);
    ct_dataset_destroy(data);
    ct_dataset_destroy(other);
}

static void test_nothing_to_save(void **state)
{
    (void)state;
    trace t;
    ct_dataset *data = generate(40, FEATURES, 5);
    fednl_options opt = options(FEDNL_ALGORITHM_LS, FEDNL_OPTION_A, FEDNL_COMPRESSOR_TOPK);
    char *path = ct_test_path("none");
    ct_diag diag = {""};
    begin(&t, data, opt, 1);
    ct_assert_status(fednl_solver_save(t.solver, path, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, path);
    ct_assert_contains(diag.text, "nothing to save");
    fednl_solver_destroy(t.solver);
    begin(&t, data, opt, 1);
    run(&t);
    ct_assert_status(fednl_solver_save(t.solver, "/no/such/folder/file", &diag), CT_ENOTFOUND,
                     &diag);
    ct_assert_contains(diag.text, "/no/such/folder/file");
    fednl_solver_destroy(t.solver);
    free(path);
    ct_dataset_destroy(data);
}

/* ---- memory ---- */

typedef struct attempt {
    fednl_solver *solver;
    const char *path;
} attempt;

static ct_status try_to_save(void *context)
{
    attempt *a = context;
    ct_diag diag = {""};
    return fednl_solver_save(a->solver, a->path, &diag);
}

static ct_status try_to_resume(void *context)
{
    attempt *a = context;
    ct_diag diag = {""};
    return fednl_solver_resume(a->solver, a->path, &diag);
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    trace t;
    ct_dataset *data = generate(40, FEATURES, 5);
    fednl_options opt = options(FEDNL_ALGORITHM_PP, FEDNL_OPTION_B, FEDNL_COMPRESSOR_TOPK);
    char *path = save_after_rounds(data, &opt, 2);
    begin(&t, data, opt, 3);
    attempt a = {t.solver, path};
    ct_assert_survives_allocation_failures(try_to_resume, &a);
    ct_assert_survives_allocation_failures(try_to_save, &a);
    run(&t);
    fednl_solver_destroy(t.solver);
    free(path);
    ct_dataset_destroy(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods_and_compressors),
        cmocka_unit_test(test_baselines),
        cmocka_unit_test(test_divergence_after_it),
        cmocka_unit_test(test_other_options_are_refused),
        cmocka_unit_test(test_other_data_are_refused),
        cmocka_unit_test(test_damaged_files_are_refused),
        cmocka_unit_test(test_after_a_refusal),
        cmocka_unit_test(test_half_a_state_does_not_run),
        cmocka_unit_test(test_nothing_to_save),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
