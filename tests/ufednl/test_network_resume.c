// SPDX-License-Identifier: MIT
/* Checkpoints of a server and its clients elsewhere, each in its own file: a run that was stopped
 * and resumed by new processes has the bits of one that was not; and files that do not fit. */
#include "network_case.h"

enum { CLIENTS = 4, HALF = 5, WHOLE = 12 };

typedef struct files {
    char *server, *client[CLIENTS];
} files;

static files make_paths(void)
{
    files f = {.server = ct_test_path("server.ckp")};
    for (size_t i = 0; i < CLIENTS; i++) {
        char name[32];
        snprintf(name, sizeof name, "client%zu.ckp", i);
        f.client[i] = ct_test_path(name);
    }
    return f;
}

static void free_paths(files *f)
{
    free(f->server);
    for (size_t i = 0; i < CLIENTS; i++)
        free(f->client[i]);
}

static fednl_options options(fednl_algorithm algorithm, fednl_compressor compressor)
{
    fednl_options opt = fednl_options_default();
    opt.clients = CLIENTS;
    opt.algorithm = algorithm;
    opt.compressor = compressor;
    opt.option = FEDNL_OPTION_B;
    opt.k = (fednl_k){30, FEDNL_K_ENTRIES};
    opt.participants = 2;
    opt.tol = 0.0;
    return opt;
}

/* A server and its clients, until `close`. */
typedef struct run {
    network n;
    trace t;
} run;

static run *open_run(const ct_dataset *data, fednl_options opt, const files *f, size_t min_clients)
{
    run *r = calloc(1, sizeof *r);
    assert_non_null(r);
    ct_diag diag = {""};
    r->t.weights = data->cols + 1;
    network_deal(&r->n, data, CLIENTS, &opt);
    for (size_t i = 0; i < CLIENTS; i++)
        r->n.client[i].opt.checkpoint = f->client[i];
    network_open(&r->n, false);
    opt.on_round = trace_round;
    opt.context = &r->t;
    fednl_remote_options remote = fednl_remote_options_default();
    remote.min_clients = min_clients;
    ct_assert_ok(fednl_solver_create_remote(&r->t.solver, r->n.transport, &opt, &remote, &diag),
                 &diag);
    return r;
}

static void close_run(run *r)
{
    fednl_solver_destroy(r->t.solver);
    network_close(&r->n);
    free(r);
}

static void iterate(fednl_solver *solver)
{
    fednl_result result;
    ct_diag diag = {""};
    ct_assert_ok(fednl_solver_run(solver, &result, &diag), &diag);
}

static void save(const run *r, const files *f)
{
    ct_diag diag = {""};
    ct_assert_ok(fednl_solver_save(r->t.solver, f->server, &diag), &diag);
}

/* Rounds of b are those of a. */
static void assert_continues(const trace *a, const trace *b)
{
    assert_true(b->rounds > 0);
    for (size_t i = 0; i < b->rounds; i++) {
        size_t round = b->round[i].round;
        assert_true(round > HALF && round < a->rounds);

        assert_memory_equal(a->x[round], b->x[i], a->weights * sizeof a->x[0][0]);
        assert_memory_equal(&a->round[round].shift, &b->round[i].shift, sizeof(double));
        assert_int_equal(a->round[round].traffic.bytes_up, b->round[i].traffic.bytes_up);
    }
}

static void stop_and_resume(fednl_algorithm algorithm, fednl_compressor compressor,
                            size_t min_clients)
{

    ct_dataset *data = generate(160, 14, 4.0);
    files f = make_paths();
    fednl_options opt = options(algorithm, compressor);
    opt.max_rounds = WHOLE;
    run *straight = open_run(data, opt, &f, min_clients);
    iterate(straight->t.solver);

    opt.max_rounds = HALF;
    run *first = open_run(data, opt, &f, min_clients);
    iterate(first->t.solver);
    save(first, &f);
    close_run(first);

    opt.max_rounds = WHOLE - HALF;
    run *second = open_run(data, opt, &f, min_clients);
    ct_diag diag = {""};
    ct_assert_ok(fednl_solver_resume(second->t.solver, f.server, &diag), &diag);
    iterate(second->t.solver);
    assert_continues(&straight->t, &second->t);
    close_run(second);
    close_run(straight);
    free_paths(&f);
    ct_dataset_destroy(data);
}

static void test_the_same_bits(void **state)
{
    (void)state;
    stop_and_resume(FEDNL_ALGORITHM_FEDNL, FEDNL_COMPRESSOR_TOPK, 0);
    stop_and_resume(FEDNL_ALGORITHM_LS, FEDNL_COMPRESSOR_RANDK, 0);
    stop_and_resume(FEDNL_ALGORITHM_PP, FEDNL_COMPRESSOR_NATURAL, 0);
    stop_and_resume(FEDNL_ALGORITHM_PP, FEDNL_COMPRESSOR_IDENTITY, 0);
    stop_and_resume(FEDNL_ALGORITHM_PP, FEDNL_COMPRESSOR_TOPLEK, CLIENTS - 1);
    stop_and_resume(FEDNL_ALGORITHM_BC, FEDNL_COMPRESSOR_RANDSEQK, 0);
    stop_and_resume(FEDNL_ALGORITHM_GD, FEDNL_COMPRESSOR_TOPK, 0);
}

/* The run goes on without it. */
static void test_a_client_without_a_file(void **state)
{
    (void)state;
    ct_dataset *data = generate(160, 14, 4.0);
    files f = make_paths(), lacking = f;
    lacking.client[2] = NULL;
    fednl_options opt = options(FEDNL_ALGORITHM_FEDNL, FEDNL_COMPRESSOR_TOPK);
    opt.max_rounds = 2;
    run *r = open_run(data, opt, &lacking, 0);
    iterate(r->t.solver);
    ct_diag diag = {""};
    ct_assert_status(fednl_solver_save(r->t.solver, f.server, &diag), CT_ECHECKPOINT, &diag);
    ct_assert_contains(diag.text, "client 2 (in this process): it was given no file");
    iterate(r->t.solver);
    assert_int_equal(r->t.rounds, 5);
    close_run(r);
    free_paths(&f);
    ct_dataset_destroy(data);
}

static void refuse_to_resume(const ct_dataset *data, const fednl_options *opt, const files *f,
                             const char *text)
{
    run *r = open_run(data, *opt, f, 0);
    ct_diag diag = {""};
    ct_assert_status(fednl_solver_resume(r->t.solver, f->server, &diag), CT_ECHECKPOINT, &diag);
    ct_assert_contains(diag.text, text);
    close_run(r);
}

static void test_files_that_do_not_fit(void **state)
{
    (void)state;
    ct_dataset *data = generate(160, 14, 4.0), *other = generate(160, 14, 4.0);
    files f = make_paths(), later = f;
    fednl_options opt = options(FEDNL_ALGORITHM_FEDNL, FEDNL_COMPRESSOR_TOPK);
    opt.max_rounds = 2;
    run *r = open_run(data, opt, &f, 0);
    iterate(r->t.solver);
    save(r, &f);
    later.server = ct_test_path("later.ckp");
    iterate(r->t.solver);
    save(r, &later);
    close_run(r);
    refuse_to_resume(data, &opt, &f, "client0.ckp: moment is "); // the clients' are later

    char *own = later.client[0];
    later.client[0] = f.client[1];
    refuse_to_resume(data, &opt, &later, "client1.ckp: client is 1, not 0");
    later.client[0] = ct_test_file("client9.ckp", "nonsense");
    refuse_to_resume(data, &opt, &later, "client 0 (in this process): ");
    free(later.client[0]);
    later.client[0] = own;
    for (size_t e = 0; e < other->nnz; e++)
        other->val[e] *= 2.0; // the same counts, so that only the clients can tell
    refuse_to_resume(other, &opt, &later, "client0.ckp: fingerprint of the rows is ");
    free(later.server);
    free_paths(&f);
    ct_dataset_destroy(data);
    ct_dataset_destroy(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_bits),
        cmocka_unit_test(test_a_client_without_a_file),
        cmocka_unit_test(test_files_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
