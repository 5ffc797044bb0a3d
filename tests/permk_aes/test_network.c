// SPDX-License-Identifier: MIT
/* Clients and a server, each in a thread, over the in-process transport: the same iterates as the
 * simulation; and clients that die, keys and settings that differ. Servers that lie are in
 * test_hostile.c. */
#include "ct_test.h"

#include <permk_aes/permk_aes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_N = 8, MAX_D = 64 };

typedef struct actor {
    pthread_t thread;
    ct_transport *transport;
    permk_problem problem;
    permk_train_options opt;
    uint32_t id;
    double x[MAX_D], start[MAX_D];
    permk_result result;
    ct_status status;
    ct_diag diag;
} actor;

typedef struct group {
    uint32_t n;
    actor clients[MAX_N];
    ct_transport *transport;
    permk_server_options server_opt;
    ct_status status; // of the server
    ct_diag diag;
    permk_server_result result;
    permk_key *key, *other_key;
    bool silent[MAX_N]; // a client that only connects
    bool dead[MAX_N];   // a client that closes at once
} group;

static void *client_main(void *argument)
{
    actor *a = argument;
    a->status =
        permk_client_run(&a->result, &a->problem, a->id, a->transport, a->x, &a->opt, &a->diag);
    ct_transport_close(a->transport);
    return NULL;
}

static void *server_main(void *argument)
{
    group *g = argument;
    g->status = permk_server_run(&g->result, g->transport, &g->server_opt, &g->diag);
    ct_transport_close(g->transport);
    return NULL;
}

static void group_init(group *g, uint32_t n, size_t d, const permk_train_options *opt)
{
    memset(g, 0, sizeof *g);
    g->n = n;
    g->server_opt = permk_server_options_default();
    ct_transport *endpoints[MAX_N];
    ct_diag diag = {""};
    ct_assert_ok(ct_transport_open_inproc(&g->transport, endpoints, n, &diag), &diag);
    ct_assert_ok(permk_key_generate(&g->key, &diag), &diag);
    ct_assert_ok(permk_key_generate(&g->other_key, &diag), &diag);
    permk_quadratic_options quadratic = permk_quadratic_options_default();
    quadratic.clients = n;
    quadratic.samples = 3;
    quadratic.dimension = d;
    for (uint32_t i = 0; i < n; i++) {
        actor *a = &g->clients[i];
        a->transport = endpoints[i];
        a->id = i;
        a->opt = *opt;
        a->opt.key = g->key;
        a->opt.round_timeout_ms = 20000;
        permk_torch_linear_init(a->x, d, 5);
        memcpy(a->start, a->x, sizeof a->x);
        ct_assert_ok(permk_quadratic_init(&a->problem, &quadratic, &diag), &diag);
    }
}

static void group_run(group *g)
{
    pthread_t server;
    assert_int_equal(pthread_create(&server, NULL, server_main, g), 0);
    for (uint32_t i = 0; i < g->n; i++) {
        if (g->dead[i])
            ct_transport_close(g->clients[i].transport);
        else if (!g->silent[i])
            pthread_create(&g->clients[i].thread, NULL, client_main, &g->clients[i]);
    }
    for (uint32_t i = 0; i < g->n; i++)
        if (!g->dead[i] && !g->silent[i])
            pthread_join(g->clients[i].thread, NULL);
    for (uint32_t i = 0; i < g->n; i++)
        if (g->silent[i])
            ct_transport_close(g->clients[i].transport);
    pthread_join(server, NULL);
}

static void group_clear(group *g)
{
    for (uint32_t i = 0; i < g->n; i++)
        permk_problem_clear(&g->clients[i].problem);
    permk_key_destroy(g->key);
    permk_key_destroy(g->other_key);
}

static void expect_unchanged(const group *g)
{
    for (uint32_t i = 0; i < g->n; i++)
        assert_memory_equal(g->clients[i].x, g->clients[i].start, sizeof g->clients[i].x);
}

static permk_train_options options(permk_method method, permk_rule rule, double tol,
                                   uint64_t max_rounds)
{
    permk_train_options opt = permk_train_options_default();
    opt.method = method;
    opt.rule = rule;
    opt.step = 0.02;
    opt.tol = tol;
    opt.max_rounds = max_rounds;
    return opt;
}

static void processes_and_simulation_agree_bit_for_bit(void **state)
{
    (void)state;
    const struct {
        uint32_t n;
        size_t d;
        permk_method method;
        permk_rule rule;
        double tol;
        uint64_t max_rounds, eval_every;
        permk_outcome outcome;
    } cases[] = {
        {4, 30, PERMK_METHOD_DCGD, PERMK_RULE_ROTATION, 1e-3, 20000, 1, PERMK_CONVERGED},
        {4, 30, PERMK_METHOD_DCGD, PERMK_RULE_PERMUTATION, 1e-3, 20000, 7, PERMK_CONVERGED},
        {3, 10, PERMK_METHOD_GD, PERMK_RULE_ROTATION, 1e-2, 20000, 1, PERMK_CONVERGED},
        {7, 3, PERMK_METHOD_DCGD, PERMK_RULE_ROTATION, 0, 40, 1, PERMK_MAX_ROUNDS},
        {1, 5, PERMK_METHOD_DCGD, PERMK_RULE_ROTATION, 0, 40, 50, PERMK_MAX_ROUNDS},
        {5, 33, PERMK_METHOD_DCGD, PERMK_RULE_ROTATION, 1e30, 40, 1, PERMK_CONVERGED}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        permk_train_options opt =
            options(cases[c].method, cases[c].rule, cases[c].tol, cases[c].max_rounds);
        opt.eval_every = cases[c].eval_every;
        group g;
        group_init(&g, cases[c].n, cases[c].d, &opt);
        double x[MAX_D];
        memcpy(x, g.clients[0].start, sizeof x);
        permk_result expected;
        ct_diag diag = {""};
        ct_assert_ok(permk_simulate(&expected, &g.clients[0].problem, x, &opt, &diag), &diag);
        assert_int_equal(expected.outcome, cases[c].outcome);
        group_run(&g);
        ct_assert_ok(g.status, &g.diag);
        assert_int_equal(g.result.rounds, expected.rounds);
        for (uint32_t i = 0; i < g.n; i++) {
            const actor *a = &g.clients[i];
            ct_assert_ok(a->status, &a->diag);
            assert_int_equal(a->result.outcome, expected.outcome);
            assert_int_equal(a->result.rounds, expected.rounds);
            assert_int_equal(a->result.client_bytes_up, expected.client_bytes_up);
            assert_int_equal(a->result.client_bytes_down, expected.client_bytes_down);
            assert_int_equal(a->result.client_bytes_up_hello, expected.client_bytes_up_hello);
            assert_true(a->result.grad_norm_squared == expected.grad_norm_squared);
            assert_memory_equal(a->result.x_sha256, expected.x_sha256, 32);
            assert_memory_equal(a->x, x, cases[c].d * sizeof *x);
        }
        group_clear(&g);
    }
}

/* Run the group, and the simulation of its options; the same bits everywhere. */
static void expect_simulation(group *g, const permk_train_options *opt, size_t d)
{
    double x[MAX_D];
    memcpy(x, g->clients[0].start, sizeof x);
    permk_train_options plain = *opt;
    plain.identity = NULL;
    plain.roster = NULL;
    plain.is_signed = false;
    permk_result expected;
    ct_diag diag = {""};
    ct_assert_ok(permk_simulate(&expected, &g->clients[0].problem, x, &plain, &diag), &diag);
    group_run(g);
    ct_assert_ok(g->status, &g->diag);
    for (uint32_t i = 0; i < g->n; i++) {
        const actor *a = &g->clients[i];
        ct_assert_ok(a->status, &a->diag);
        assert_int_equal(a->result.outcome, expected.outcome);
        assert_int_equal(a->result.rounds, expected.rounds);
        assert_memory_equal(a->result.x_sha256, expected.x_sha256, 32);
        assert_memory_equal(a->x, x, d * sizeof *x);
    }
}

static void every_method_agrees_with_the_simulation(void **state)
{
    (void)state;
    for (int m = PERMK_METHOD_GD; m <= PERMK_METHOD_EF21; m++) {
        for (int c = PERMK_COMPRESSOR_PERMK; c <= PERMK_COMPRESSOR_IDENTITY; c++) {
            bool unbiased_only = m == PERMK_METHOD_DIANA || m == PERMK_METHOD_MARINA;
            if (c == PERMK_COMPRESSOR_TOPK && unbiased_only)
                continue;
            permk_train_options opt = options((permk_method)m, (permk_rule)(c % 3), 0, 25);
            opt.compressor = (permk_compressor)c;
            opt.value = (permk_value)(1 + c % 3);
            opt.step = 0.002;
            opt.k = 7;
            opt.chunk_bytes = 64;
            opt.limits.rounds = 10; // two changes of keys
            group g;
            group_init(&g, 4, 50, &opt);
            expect_simulation(&g, &opt, 50);
            assert_int_equal(g.clients[1].result.epochs, 2);
            group_clear(&g);
        }
    }
}

/* ---- Identities: a key that is agreed upon, signed messages ---- */

typedef struct members {
    permk_identity *identity[MAX_N];
    permk_roster *roster;
} members;

static void members_init(members *m, uint32_t n)
{
    unsigned char keys[MAX_N * PERMK_PUBLIC_KEY_BYTES];
    ct_diag diag = {""};
    for (uint32_t i = 0; i < n; i++) {
        ct_assert_ok(permk_identity_generate(&m->identity[i], &diag), &diag);
        memcpy(keys + i * PERMK_PUBLIC_KEY_BYTES, permk_identity_public(m->identity[i]),
               PERMK_PUBLIC_KEY_BYTES);
    }
    ct_assert_ok(permk_roster_create(&m->roster, keys, n, &diag), &diag);
}

static void members_clear(members *m, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        permk_identity_destroy(m->identity[i]);
    permk_roster_destroy(m->roster);
}

static void introduce(group *g, const members *m, bool sign, bool agree)
{
    for (uint32_t i = 0; i < g->n; i++) {
        permk_train_options *opt = &g->clients[i].opt;
        opt->identity = m->identity[i];
        opt->roster = m->roster;
        opt->is_signed = sign;
        if (agree)
            opt->key = NULL;
    }
}

static void keys_are_agreed_upon_and_messages_signed(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        bool sign = how % 2 == 1, agree = how < 2;
        permk_train_options opt = options(PERMK_METHOD_DCGD, PERMK_RULE_LINES, 0, 12);
        group g;
        members m;
        group_init(&g, 5, 40, &opt);
        members_init(&m, 5);
        introduce(&g, &m, sign, agree);
        expect_simulation(&g, &opt, 40);
        assert_int_equal(g.clients[0].result.client_bytes_up_per_round,
                         12 + 1 + 8 * 8 + 16 + (sign ? PERMK_SIGNATURE_BYTES : 0));
        group_clear(&g);
        members_clear(&m, 5);
    }
}

static void a_stranger_is_not_let_in(void **state)
{
    (void)state;
    permk_train_options opt = options(PERMK_METHOD_DCGD, PERMK_RULE_ROTATION, 0, 12);
    group g;
    members m, others;
    group_init(&g, 3, 40, &opt);
    members_init(&m, 3);
    members_init(&others, 3);
    introduce(&g, &m, false, true);
    g.clients[2].opt.identity = others.identity[2]; // client 2 has a roster of its own
    g.clients[2].opt.roster = others.roster;
    group_run(&g);
    for (uint32_t i = 0; i < 2; i++) {
        ct_assert_status(g.clients[i].status, PERMK_EAUTH, &g.clients[i].diag);
        ct_assert_contains(g.clients[i].diag.text, "client 2");
        ct_assert_contains(g.clients[i].diag.text, "roster");
    }
    expect_unchanged(&g);
    group_clear(&g);
    members_clear(&m, 3);
    members_clear(&others, 3);
}

/* ---- f evaluated by all: each client holds its own rows only ---- */

static ct_dataset *make_rows(void)
{
    ct_sparse_options sparse = ct_sparse_options_default();
    sparse.rows = 200;
    sparse.cols = 20;
    sparse.nnz_per_row = 5;
    sparse.positive_fraction = 0.4;
    ct_dataset *data;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_generate_sparse(&data, &sparse, &diag), &diag);
    return data;
}

static void clients_with_their_own_rows_evaluate_together(void **state)
{
    (void)state;
    permk_train_options opt = options(PERMK_METHOD_DIANA, PERMK_RULE_ROTATION, 1e-8, 20000);
    opt.step = 0;
    opt.eval_every = 50;
    group g;
    ct_diag diag = {""};
    group_init(&g, 4, 21, &opt);
    ct_dataset *data = make_rows();
    permk_logistic_options logistic = permk_logistic_options_default(4);
    logistic.lambda = 0.01;
    permk_problem all;
    ct_assert_ok(permk_logistic_init(&all, data, &logistic, &diag), &diag);
    for (uint32_t i = 0; i < 4; i++) {
        permk_problem_clear(&g.clients[i].problem);
        logistic.own = i;
        ct_assert_ok(permk_logistic_init(&g.clients[i].problem, data, &logistic, &diag), &diag);
        assert_true(g.clients[i].problem.own_only);
    }
    double x[MAX_D];
    memcpy(x, g.clients[0].start, sizeof x);
    permk_result expected;
    ct_assert_ok(permk_simulate(&expected, &all, x, &opt, &diag), &diag);
    group_run(&g);
    ct_assert_ok(g.status, &g.diag);
    for (uint32_t i = 0; i < 4; i++) {
        const permk_result *r = &g.clients[i].result;
        ct_assert_ok(g.clients[i].status, &g.clients[i].diag);
        assert_int_equal(r->outcome, PERMK_CONVERGED);
        assert_int_equal(r->rounds, expected.rounds);
        assert_memory_equal(r->x_sha256, expected.x_sha256, 32);
        ct_assert_near(r->f, expected.f, 1e-12, 0);
        assert_true(r->client_bytes_down_evaluations > 3 * 8 * 22);
    }
    permk_problem_clear(&all);
    ct_dataset_destroy(data);
    group_clear(&g);
}

/* ---- A client that is lost on the way ---- */

/* A problem that fails after some gradients: its client then ends without a word. */
typedef struct failing_problem {
    permk_problem inner;
    unsigned left;
} failing_problem;

static void failing_move(void *state, const double *x)
{
    failing_problem *f = state;
    f->inner.ops->move(f->inner.state, x);
}

static ct_status failing_gradient(void *state, uint32_t client, double *loss, double *gradient,
                                  ct_diag *diag)
{
    failing_problem *f = state;
    if (f->left-- == 0)
        return ct_fail(diag, CT_ENUMERIC, "out of gradients");
    return f->inner.ops->gradient(f->inner.state, client, loss, gradient, diag);
}

static void failing_destroy(void *state)
{
    failing_problem *f = state;
    permk_problem_clear(&f->inner);
}

static const permk_problem_ops failing_ops = {
    .move = failing_move, .gradient = failing_gradient, .destroy = failing_destroy};

/* Four clients, of whom client 2 fails in its fifth gradient; the server goes on with two. */
static void run_with_a_quitter(group *g, uint32_t min_clients)
{
    permk_train_options opt = options(PERMK_METHOD_DCGD, PERMK_RULE_ROTATION, 0, 40);
    opt.min_clients = min_clients;
    group_init(g, 4, 30, &opt);
    g->server_opt.min_clients = 2;
    static failing_problem quitter;
    quitter = (failing_problem){.inner = g->clients[2].problem, .left = 5};
    g->clients[2].problem.ops = &failing_ops;
    g->clients[2].problem.state = &quitter;
    group_run(g);
}

static void training_goes_on_without_a_lost_client(void **state)
{
    (void)state;
    group g;
    run_with_a_quitter(&g, 3);
    ct_assert_ok(g.status, &g.diag);
    assert_int_equal(g.result.lost, 1);
    for (uint32_t i = 0; i < 4; i++) {
        if (i == 2)
            continue;
        const actor *a = &g.clients[i];
        ct_assert_ok(a->status, &a->diag);
        assert_int_equal(a->result.outcome, PERMK_MAX_ROUNDS);
        assert_true(a->result.absences >= 34);
        assert_memory_equal(a->result.x_sha256, g.clients[0].result.x_sha256, 32);
    }
    group_clear(&g);
}

/* That somebody is lost is the server's word: it does not shrink a group that has not agreed. */
static void a_client_goes_on_with_no_fewer_than_it_asks_for(void **state)
{
    (void)state;
    for (uint32_t min_clients = 0; min_clients <= 4; min_clients += 4) {
        group g;
        run_with_a_quitter(&g, min_clients);
        for (uint32_t i = 0; i < 4; i++) {
            if (i == 2)
                continue;
            ct_assert_status(g.clients[i].status, CT_ECLOSED, &g.clients[i].diag);
            assert_true(g.clients[i].result.rounds < 40);
        }
        ct_assert_contains(g.clients[0].diag.text, "client 2 is lost");
        ct_assert_contains(g.clients[0].diag.text, "with 3 of 4 clients this one does not go on");
        expect_unchanged(&g);
        group_clear(&g);
    }
}

static void a_client_that_asks_for_more_than_there_are_is_refused(void **state)
{
    (void)state;
    permk_train_options opt = options(PERMK_METHOD_DCGD, PERMK_RULE_ROTATION, 0, 40);
    opt.min_clients = 5;
    group g;
    group_init(&g, 4, 30, &opt);
    group_run(&g);
    for (uint32_t i = 0; i < 4; i++) {
        ct_assert_status(g.clients[i].status, CT_EINVALID, &g.clients[i].diag);
        ct_assert_contains(g.clients[i].diag.text, "min_clients");
    }
    group_clear(&g);
}

/* ---- Clients that do not fit ---- */

static void a_wrong_key_is_named(void **state)
{
    (void)state;
    permk_train_options opt = options(PERMK_METHOD_DCGD, PERMK_RULE_ROTATION, 0, 50);
    group g;
    group_init(&g, 4, 30, &opt);
    g.clients[3].opt.key = g.other_key;
    group_run(&g);
    for (uint32_t i = 0; i < 3; i++) {
        ct_assert_status(g.clients[i].status, PERMK_EAUTH, &g.clients[i].diag);
        ct_assert_contains(g.clients[i].diag.text, "client 3");
        ct_assert_contains(g.clients[i].diag.text, "another key file");
    }
    ct_assert_status(g.clients[3].status, PERMK_EAUTH, &g.clients[3].diag);
    assert_int_equal(g.status, CT_ECLOSED);
    expect_unchanged(&g);
    group_clear(&g);
}

static void other_settings_are_named(void **state)
{
    (void)state;
    permk_train_options opt = options(PERMK_METHOD_DCGD, PERMK_RULE_ROTATION, 0, 50);
    group g;
    group_init(&g, 3, 30, &opt);
    g.clients[2].opt.step = 0.03;
    group_run(&g);
    ct_assert_status(g.clients[0].status, PERMK_EMISMATCH, &g.clients[0].diag);
    ct_assert_contains(g.clients[0].diag.text,
                       "client 2 has other settings: 'step=0.03', here 'step=0.02'");
    ct_assert_status(g.clients[2].status, PERMK_EMISMATCH, &g.clients[2].diag);
    expect_unchanged(&g);
    group_clear(&g);
}

static void a_dead_client_is_named(void **state)
{
    (void)state;
    permk_train_options opt = options(PERMK_METHOD_DCGD, PERMK_RULE_ROTATION, 0, 50);
    group g;
    group_init(&g, 3, 30, &opt);
    g.dead[2] = true;
    group_run(&g);
    ct_assert_status(g.status, CT_ECLOSED, &g.diag);
    ct_assert_contains(g.diag.text, "client 2");
    for (uint32_t i = 0; i < 2; i++) {
        ct_assert_status(g.clients[i].status, CT_ECLOSED, &g.clients[i].diag);
        ct_assert_contains(g.clients[i].diag.text, "client 2");
    }
    expect_unchanged(&g);
    group_clear(&g);
}

static void a_silent_client_is_named_at_the_deadline(void **state)
{
    (void)state;
    permk_train_options opt = options(PERMK_METHOD_DCGD, PERMK_RULE_ROTATION, 0, 50);
    group g;
    group_init(&g, 3, 30, &opt);
    g.silent[1] = true;
    g.server_opt.round_timeout_ms = 500;
    group_run(&g);
    ct_assert_status(g.status, CT_ETIMEOUT, &g.diag);
    ct_assert_contains(g.diag.text, "client 1");
    assert_null(strstr(g.diag.text, "client 0"));
    ct_assert_status(g.clients[0].status, CT_ECLOSED, &g.clients[0].diag);
    ct_assert_contains(g.clients[0].diag.text, "client 1");
    expect_unchanged(&g);
    group_clear(&g);
}

/* ---- Interruptions ---- */

typedef struct trigger {
    ct_stop_flag *flag;
    uint64_t round;
} trigger;

static void raise_at(void *context, const permk_round *round)
{
    trigger *t = context;
    if (round->round == t->round)
        atomic_store(t->flag, true);
}

static void an_interrupted_client_ends_the_run_for_all(void **state)
{
    (void)state;
    for (uint32_t who = 0; who < 2; who++) { // the leader, and another
        permk_train_options opt = options(PERMK_METHOD_DCGD, PERMK_RULE_ROTATION, 0, 1000);
        group g;
        group_init(&g, 3, 30, &opt);
        ct_stop_flag flag;
        atomic_init(&flag, false);
        trigger t = {&flag, 10};
        g.clients[who].opt.stop = &flag;
        g.clients[who].opt.on_round = raise_at;
        g.clients[who].opt.context = &t;
        group_run(&g);
        ct_assert_ok(g.status, &g.diag);
        for (uint32_t i = 0; i < 3; i++) {
            const actor *a = &g.clients[i];
            ct_assert_ok(a->status, &a->diag);
            assert_int_equal(a->result.rounds, 10);
            assert_int_equal(a->result.outcome, i == who ? PERMK_INTERRUPTED : PERMK_PEER_STOPPED);
            if (i != who)
                assert_int_equal(a->result.stopped_by, who);
            assert_memory_equal(a->result.x_sha256, g.clients[0].result.x_sha256, 32);
        }
        group_clear(&g);
    }
}

static void a_stopped_server_tells_everyone(void **state)
{
    (void)state;
    permk_train_options opt = options(PERMK_METHOD_DCGD, PERMK_RULE_ROTATION, 0, 60000);
    group g;
    group_init(&g, 3, 30, &opt);
    ct_stop_flag flag;
    atomic_init(&flag, false);
    trigger t = {&flag, 10};
    g.server_opt.stop = &flag;
    g.clients[0].opt.on_round = raise_at;
    g.clients[0].opt.context = &t;
    group_run(&g);
    ct_assert_status(g.status, CT_EINTERRUPTED, &g.diag);
    for (uint32_t i = 0; i < 3; i++) {
        ct_assert_status(g.clients[i].status, CT_ECLOSED, &g.clients[i].diag);
        ct_assert_contains(g.clients[i].diag.text, "server was stopped");
    }
    expect_unchanged(&g);
    group_clear(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_and_simulation_agree_bit_for_bit),
        cmocka_unit_test(every_method_agrees_with_the_simulation),
        cmocka_unit_test(keys_are_agreed_upon_and_messages_signed),
        cmocka_unit_test(a_stranger_is_not_let_in),
        cmocka_unit_test(clients_with_their_own_rows_evaluate_together),
        cmocka_unit_test(training_goes_on_without_a_lost_client),
        cmocka_unit_test(a_client_goes_on_with_no_fewer_than_it_asks_for),
        cmocka_unit_test(a_client_that_asks_for_more_than_there_are_is_refused),
        cmocka_unit_test(a_wrong_key_is_named),
        cmocka_unit_test(other_settings_are_named),
        cmocka_unit_test(a_dead_client_is_named),
        cmocka_unit_test(a_silent_client_is_named_at_the_deadline),
        cmocka_unit_test(an_interrupted_client_ends_the_run_for_all),
        cmocka_unit_test(a_stopped_server_tells_everyone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
