// SPDX-License-Identifier: MIT
/* Whole runs over a transport: the same iterates, bit for bit, as with clients in this process; the
 * same traffic; models at the clients; and FedNL-PP with a client that dies and comes back. */
#include "network_case.h"

#include <stdatomic.h>

// ---- the same bits ----

static fednl_options traced(trace *t, fednl_options opt)
{
    opt.on_round = trace_round;
    opt.on_log = trace_line;
    opt.context = t;
    return opt;
}

static trace *trace_new(size_t weights)
{
    trace *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->weights = weights;
    return t;
}

static void run_local(trace *t, const ct_dataset *data, fednl_options opt, fednl_result *result)
{
    ct_diag diag = {""};
    opt = traced(t, opt);
    ct_assert_ok(fednl_solver_create(&t->solver, data, &opt, &diag), &diag);
    ct_assert_ok(fednl_solver_run(t->solver, result, &diag), &diag);
    fednl_solver_destroy(t->solver);
}

/* Bytes of messages that happen once: they belong to no round. */
static void check_traffic(const network *n, const fednl_result *result, bool tcp)
{
    uint64_t d = result->dimension, clients = n->clients;
    ct_traffic all = ct_transport_traffic_total(n->transport);
    uint64_t hello = tcp ? 12 + strlen("ufednl 1") : 0, welcome = tcp ? 12 : 0;
    uint64_t join = 12 + 32 + 8 * result->features, start = 12 + 64 + 4 * d;
    uint64_t certificate_up = 12 + 8 * (1 + d), certificate_down = 12 + 8 * d;
    uint64_t finish = 12 + 18 + 8 * d;
    assert_int_equal(result->traffic.bytes_up,
                     all.bytes_received - clients * (hello + join + certificate_up));
    assert_int_equal(result->traffic.bytes_down,
                     all.bytes_sent - clients * (welcome + start + certificate_down + finish));
}

static void run_remote(trace *t, const ct_dataset *data, fednl_options opt, bool tcp,
                       fednl_result *result)
{
    network n;
    ct_diag diag = {""};
    network_deal(&n, data, opt.clients, &opt);
    network_open(&n, tcp);
    opt = traced(t, opt);
    ct_assert_ok(fednl_solver_create_remote(&t->solver, n.transport, &opt, NULL, &diag), &diag);
    ct_assert_ok(fednl_solver_run(t->solver, result, &diag), &diag);
    double x[MOST_WEIGHTS];
    memcpy(x, fednl_solver_x(t->solver), t->weights * sizeof *x);
    fednl_solver_destroy(t->solver);
    check_traffic(&n, result, tcp);
    for (size_t i = 0; i < n.clients; i++) {
        participant *p = &n.client[i];
        participant_wait(p);
        ct_assert_ok(p->status, &p->diag);
        assert_int_equal(p->result.outcome, result->outcome);
        if (opt.algorithm != FEDNL_ALGORITHM_PP)
            assert_int_equal(p->result.rounds, result->rounds + 1); // and the start
        assert_true(p->result.f == result->f && p->result.grad_norm == result->grad_norm);
        assert_memory_equal(p->result.model->w, x, t->weights * sizeof *x);
    }
    network_close(&n);
}

static void assert_same(const trace *a, const trace *b)
{
    assert_int_equal(a->rounds, b->rounds);
    for (size_t r = 0; r < a->rounds; r++) {
        const fednl_round *p = &a->round[r], *q = &b->round[r];
        assert_memory_equal(a->x[r], b->x[r], a->weights * sizeof a->x[r][0]);
        assert_memory_equal(&p->f, &q->f, sizeof p->f);
        assert_memory_equal(&p->grad_norm, &q->grad_norm, sizeof p->grad_norm);
        assert_memory_equal(&p->shift, &q->shift, sizeof p->shift);
        assert_memory_equal(&p->traffic, &q->traffic, sizeof p->traffic);
    }
}

static void compare(const ct_dataset *data, const fednl_options *opt, bool tcp)
{
    size_t weights = data->cols + opt->intercept;
    trace *local = trace_new(weights), *remote = trace_new(weights);
    fednl_result a, b;
    run_local(local, data, *opt, &a);
    run_remote(remote, data, *opt, tcp, &b);
    assert_true(local->rounds > 1);
    assert_same(local, remote);
    assert_int_equal(a.outcome, b.outcome);
    assert_int_equal(a.k, b.k);
    assert_int_equal(a.pattern, b.pattern);
    assert_true(a.alpha == b.alpha);
    ct_assert_near(b.f, a.f, 1e-13, 0.0); // the certificate is summed client by client
    ct_assert_near(b.grad_norm, a.grad_norm, 1e-6, 1e-14);
    free(local);
    free(remote);
}

static fednl_options options(fednl_algorithm algorithm, fednl_compressor compressor)
{
    fednl_options opt = fednl_options_default();
    opt.clients = 5;
    opt.algorithm = algorithm;
    opt.compressor = compressor;
    opt.k = (fednl_k){40, FEDNL_K_ENTRIES};
    opt.rank = 2;
    opt.max_rounds = 40;
    return opt;
}

/* Not where OpenBLAS is needed and not installed. */
static bool can_run(const ct_dataset *data, const fednl_options *opt)
{
    fednl_solver *solver;
    ct_diag diag = {""};
    ct_status status = fednl_solver_create(&solver, data, opt, &diag);
    fednl_solver_destroy(solver);
    return status != CT_EUNSUPPORTED;
}

static void test_every_compressor(void **state)
{
    (void)state;
    ct_dataset *data = generate(300, 24, 5.0);
    for (int kind = 0; kind <= FEDNL_COMPRESSOR_RANKR; kind++) {
        fednl_options opt = options(FEDNL_ALGORITHM_FEDNL, (fednl_compressor)kind);
        opt.option = FEDNL_OPTION_B;
        if (can_run(data, &opt))
            compare(data, &opt, kind % 2 == 0);
    }
    ct_dataset_destroy(data);
}

static void test_every_algorithm(void **state)
{
    (void)state;
    ct_dataset *data = generate(300, 24, 5.0);
    for (int algorithm = 0; algorithm <= FEDNL_ALGORITHM_LBFGS; algorithm++) {
        fednl_options opt = options((fednl_algorithm)algorithm, FEDNL_COMPRESSOR_TOPK);
        if (algorithm == FEDNL_ALGORITHM_NEWTON)
            opt.compressor = FEDNL_COMPRESSOR_IDENTITY;
        if (algorithm == FEDNL_ALGORITHM_PP)
            opt.participants = 2;
        opt.option = FEDNL_OPTION_B;
        compare(data, &opt, algorithm % 2 == 1);
    }
    ct_dataset_destroy(data);
}

/* Identity sends Hessians, and where some clients do not take part, differences. */
static void test_partial_participation_with_every_compressor(void **state)
{
    (void)state;
    ct_dataset *data = generate(200, 15, 4.0);
    for (int kind = 0; kind <= FEDNL_COMPRESSOR_RANKR; kind++) {
        fednl_options opt = options(FEDNL_ALGORITHM_PP, (fednl_compressor)kind);
        opt.option = FEDNL_OPTION_B;
        opt.participants = 2;
        if (can_run(data, &opt))
            compare(data, &opt, false);
    }
    ct_dataset_destroy(data);
}

static void test_options_of_the_problem(void **state)
{
    (void)state;
    ct_dataset *data = generate(120, 12, 3.0);
    for (int bits = 0; bits < 8; bits++) {
        fednl_options opt = options(FEDNL_ALGORITHM_LS, FEDNL_COMPRESSOR_TOPLEK);
        opt.option = FEDNL_OPTION_B;
        opt.clients = bits & 1 ? 1 : 7;
        opt.intercept = bits & 2;
        opt.weights = bits & 4 ? FEDNL_WEIGHTS_EQUAL : FEDNL_WEIGHTS_ROWS;
        compare(data, &opt, false);
    }
    ct_dataset_destroy(data);
}

// ---- clients that do not know all columns, or one label only ----

static void test_clients_that_differ(void **state)
{
    (void)state;
    const size_t start_a[] = {0, 1, 2, 4}, start_b[] = {0, 2, 3};
    const uint32_t col_a[] = {0, 1, 0, 1}, col_b[] = {0, 4, 2};
    const double val_a[] = {1, 1, 2, -1}, val_b[] = {1, 1, 3};
    const double label_a[] = {1, 1, 1}, label_b[] = {-1, 1};
    network n = {.clients = 2};
    ct_diag diag = {""};
    ct_assert_ok(
        ct_dataset_from_csr(&n.client[0].data, 3, 2, start_a, col_a, val_a, label_a, &diag), &diag);
    ct_assert_ok(
        ct_dataset_from_csr(&n.client[1].data, 2, 5, start_b, col_b, val_b, label_b, &diag), &diag);
    for (uint32_t i = 0; i < 2; i++) {
        n.client[i].id = i;
        n.client[i].opt = fednl_client_options_default();
    }
    network_open(&n, false);
    fednl_options opt = fednl_options_default();
    opt.option = FEDNL_OPTION_B;
    opt.lambda = 0.01;
    fednl_remote_options remote = fednl_remote_options_default();
    remote.dims = 7;
    fednl_solver *solver;
    fednl_result result;
    ct_assert_ok(fednl_solver_create_remote(&solver, n.transport, &opt, &remote, &diag), &diag);
    ct_assert_ok(fednl_solver_run(solver, &result, &diag), &diag);
    fednl_solver_destroy(solver);
    assert_int_equal(result.outcome, FEDNL_CONVERGED);
    assert_int_equal(result.features, 7);
    assert_int_equal(result.rows, 5);

    // all rows in one place have the same minimum
    const size_t start[] = {0, 1, 2, 4, 6, 7};
    const uint32_t col[] = {0, 1, 0, 1, 0, 4, 2};
    const double val[] = {1, 1, 2, -1, 1, 1, 3}, label[] = {1, 1, 1, -1, 1};
    ct_dataset *all;
    fednl_result together;
    ct_assert_ok(ct_dataset_from_csr(&all, 5, 7, start, col, val, label, &diag), &diag);
    ct_assert_ok(fednl_solver_create(&solver, all, &opt, &diag), &diag);
    ct_assert_ok(fednl_solver_run(solver, &together, &diag), &diag);
    ct_assert_near(result.f, together.f, 1e-12, 0.0);
    ct_assert_near(result.x_norm, together.x_norm, 1e-7, 0.0);
    fednl_solver_destroy(solver);
    ct_dataset_destroy(all);
    for (size_t i = 0; i < 2; i++) {
        participant_wait(&n.client[i]);
        ct_assert_ok(n.client[i].status, &n.client[i].diag);
        assert_int_equal(n.client[i].result.model->features, 7);
        assert_true(n.client[i].result.model->w[6] == 0.0); // nobody has it
    }
    network_close(&n);
}

// ---- lost and back again ----

/* Ends client 1 after a while, and lets it come back later. */
typedef struct accident {
    trace t;
    network *n;
    ct_stop_flag stop;
    size_t dies_at, returns_at, lives;
} accident;

static void on_round_of_accident(void *context, const fednl_round *round)
{
    accident *a = context;
    participant *victim = &a->n->client[1];
    trace_round(&a->t, round);
    if (round->round == a->dies_at) {
        atomic_store(&a->stop, true);
        participant_leave(victim);
        assert_int_equal(victim->status, CT_EINTERRUPTED);
        atomic_store(&a->stop, false);
    }
    if (round->round == a->returns_at) {
        participant_start(victim);
        a->lives++;
    }
    if (round->round > a->returns_at && strstr(a->t.log, "is back") == NULL)
        usleep(1000); // the other rounds are faster than a connection
}

static void trace_line_of_accident(void *context, const char *line)
{
    trace_line(&((accident *)context)->t, line);
}

static void accident_of(fednl_compressor compressor)
{
    ct_dataset *data = generate(300, 24, 5.0);
    network n;
    ct_diag diag = {""};
    fednl_options opt = options(FEDNL_ALGORITHM_PP, compressor);
    opt.option = FEDNL_OPTION_B;
    opt.participants = 3;
    opt.max_rounds = MOST_ROUNDS - 10;
    network_deal(&n, data, opt.clients, &opt);
    accident *a = calloc(1, sizeof *a);
    assert_non_null(a);
    a->t.weights = data->cols + 1;
    a->n = &n;
    a->dies_at = 6;
    a->returns_at = 12;
    n.client[1].opt.stop = &a->stop;
    network_open(&n, true);
    opt.on_round = on_round_of_accident;
    opt.on_log = trace_line_of_accident;
    opt.context = a;
    fednl_remote_options remote = fednl_remote_options_default();
    remote.min_clients = 4;
    remote.listener = n.listener;
    fednl_solver *solver;
    fednl_result result;
    ct_assert_ok(fednl_solver_create_remote(&solver, n.transport, &opt, &remote, &diag), &diag);
    a->t.solver = solver;
    ct_assert_ok(fednl_solver_run(solver, &result, &diag), &diag);
    ct_assert_contains(a->t.log, "client 1 (127.0.0.1:");
    ct_assert_contains(a->t.log, "closed the connection in round ");
    ct_assert_contains(a->t.log, "4 of 5 clients are left");
    ct_assert_contains(a->t.log, "is back");
    assert_int_equal(result.outcome, FEDNL_CONVERGED);
    assert_true(result.grad_norm <= 1.01 * opt.tol); // from the raw rows of all
    assert_int_equal(a->lives, 1);
    fednl_solver_destroy(solver);
    for (size_t i = 0; i < n.clients; i++) {
        participant_wait(&n.client[i]);
        ct_assert_ok(n.client[i].status, &n.client[i].diag);
    }
    network_close(&n);
    free(a);
    ct_dataset_destroy(data);
}

static void test_a_client_dies_and_comes_back(void **state)
{
    (void)state;
    accident_of(FEDNL_COMPRESSOR_IDENTITY);
    accident_of(FEDNL_COMPRESSOR_TOPK);
    accident_of(FEDNL_COMPRESSOR_RANDSEQK);
    accident_of(FEDNL_COMPRESSOR_NATURAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_compressor),
        cmocka_unit_test(test_every_algorithm),
        cmocka_unit_test(test_partial_participation_with_every_compressor),
        cmocka_unit_test(test_options_of_the_problem),
        cmocka_unit_test(test_clients_that_differ),
        cmocka_unit_test(test_a_client_dies_and_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
