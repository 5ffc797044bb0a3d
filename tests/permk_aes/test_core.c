// SPDX-License-Identifier: MIT
/* The core among clients with buffers of their own: all make the step of PermK's definition, bit
 * for bit; nothing wrong changes x, and what was wrong can be put right. */
#include "ct_test.h"

#include <ctrain/rng.h>
#include <math.h>
#include <permk_aes/core.h>
#include <stdlib.h>
#include <string.h>

enum { N = 3, D = 100, LARGE_D = 150000 }; // a large message has two chunks

static permk_key *key;
static unsigned char nonces[N * PERMK_NONCE_BYTES];

static permk_core_options options(uint32_t self, size_t d)
{
    permk_core_options opt = permk_core_options_default();
    opt.session.key = key;
    opt.session.clients = N;
    opt.session.dimension = d;
    opt.session.self = self;
    opt.session.nonces = nonces;
    return opt;
}

static permk_core *create(const permk_core_options *opt)
{
    permk_core *core;
    ct_diag diag = {""};
    ct_assert_ok(permk_core_create(&core, opt, &diag), &diag);
    return core;
}

/* N clients with their gradients and iterates, and what they sent. */
typedef struct group {
    permk_core *core[N];
    size_t d, message_bytes;
    double *gradient, *x;    // (N, d)
    unsigned char *messages; // (N, message_bytes)
} group;

static double *gradient_of(const group *g, uint32_t i)
{
    return g->gradient + i * g->d;
}

static double *x_of(const group *g, uint32_t i)
{
    return g->x + i * g->d;
}

static unsigned char *message_of(const group *g, uint32_t i)
{
    return g->messages + i * g->message_bytes;
}

static void fill_gradients(group *g, uint32_t round)
{
    ct_rng rng;
    ct_rng_init(&rng, 2, CT_RNG_USER, 0, round);
    ct_rng_fill_normal_f64(&rng, g->gradient, N * g->d, 0, 1);
}

static group group_create(const permk_core_options *like)
{
    group g = {.d = (size_t)like->session.dimension};
    for (uint32_t i = 0; i < N; i++) {
        permk_core_options opt = *like;
        opt.session.self = i;
        g.core[i] = create(&opt);
    }
    g.message_bytes = permk_core_message_bytes(g.core[0]);
    g.gradient = malloc(N * g.d * sizeof *g.gradient);
    g.x = calloc(N * g.d, sizeof *g.x);
    g.messages = calloc(N, g.message_bytes);
    fill_gradients(&g, 0);
    return g;
}

static void group_destroy(group *g)
{
    for (uint32_t i = 0; i < N; i++)
        permk_core_destroy(g->core[i]);
    free(g->gradient);
    free(g->x);
    free(g->messages);
}

static void seal(group *g, uint32_t i)
{
    ct_diag diag = {""};
    ct_assert_ok(permk_core_seal(g->core[i], i, gradient_of(g, i), message_of(g, i), &diag), &diag);
}

static void seal_all(group *g)
{
    for (uint32_t i = 0; i < N; i++)
        seal(g, i);
}

/* Client i receives everything but its own message, instead of which it gets rubbish. */
static ct_status receive(group *g, uint32_t i, const bool *absent, ct_diag *diag)
{
    unsigned char *received = malloc(N * g->message_bytes);
    memcpy(received, g->messages, N * g->message_bytes);
    memset(received + i * g->message_bytes, 0xaa, g->message_bytes);
    ct_status status = permk_core_apply(g->core[i], received, absent, 0.5, x_of(g, i), diag);
    free(received);
    return status;
}

static void apply(group *g, uint32_t i, const bool *absent)
{
    ct_diag diag = {""};
    ct_assert_ok(receive(g, i, absent, &diag), &diag);
}

static void apply_all(group *g, const bool *absent)
{
    for (uint32_t i = 0; i < N; i++)
        apply(g, i, absent);
}

/* apply fails with that status and names a client, and nothing changes. */
static void refuse(group *g, uint32_t i, ct_status status, const char *name)
{
    double *before = malloc(g->d * sizeof *before);
    uint64_t round = permk_core_round(g->core[i]);
    ct_diag diag = {""};
    memcpy(before, x_of(g, i), g->d * sizeof *before);
    ct_assert_status(receive(g, i, NULL, &diag), status, &diag);
    ct_assert_contains(diag.text, name);
    assert_memory_equal(before, x_of(g, i), g->d * sizeof *before);
    assert_int_equal(permk_core_round(g->core[i]), round);
    free(before);
}

/* x -= 0.5 g from the ownership map itself, by client, entry by entry. */
static void define_step(const group *g, permk_ownership *map, permk_value value, uint64_t round,
                        double *x)
{
    double *values = malloc(g->d * sizeof *values);
    unsigned char *travels = malloc(g->d * sizeof *values);
    ct_assert_ok(permk_ownership_draw(map, round, NULL), NULL);
    for (uint32_t i = 0; i < N; i++) {
        permk_block block = permk_ownership_block(map, i);
        permk_block_gather(&block, gradient_of(g, i), values);
        permk_values_encode(value, values, block.length, travels);
        assert_true(permk_values_decode(value, travels, block.length, values));
        permk_block_axpy(&block, -0.5, values, x);
    }
    free(values);
    free(travels);
}

static void check_rounds(const permk_core_options *opt, unsigned rounds)
{
    unsigned char map_key[PERMK_OWNERSHIP_KEY_BYTES];
    permk_ownership *map;
    group g = group_create(opt);
    double *expected = calloc(g.d, sizeof *expected);
    ct_assert_ok(permk_ownership_key_from_seed(map_key, opt->seed), NULL);
    ct_assert_ok(permk_ownership_create(&map, opt->session.rule, N, g.d, map_key, NULL), NULL);
    for (unsigned r = 0; r < rounds; r++) {
        fill_gradients(&g, r);
        seal_all(&g);
        apply_all(&g, NULL);
        define_step(&g, map, opt->value, r, expected);
        for (uint32_t i = 0; i < N; i++)
            assert_memory_equal(x_of(&g, i), expected, g.d * sizeof *expected);
    }
    permk_ownership_destroy(map);
    free(expected);
    group_destroy(&g);
}

static void every_client_makes_the_step_of_the_definition(void **state)
{
    (void)state;
    const size_t dimensions[] = {D, N, 2, 1}; // with fewer coordinates than clients
    for (int rule = 0; rule < 3; rule++)
        for (permk_value value = PERMK_VALUE_F64; value <= PERMK_VALUE_BF16; value++)
            for (size_t k = 0; k < 4; k++) {
                permk_core_options opt = options(0, dimensions[k]);
                opt.session.rule = (permk_rule)rule;
                opt.value = value;
                opt.seed = 4;
                check_rounds(&opt, 3);
            }
}

static void messages_of_several_chunks(void **state)
{
    (void)state;
    for (int rule = 0; rule < 3; rule++) {
        permk_core_options opt = options(0, LARGE_D);
        opt.session.rule = (permk_rule)rule;
        check_rounds(&opt, 2);
    }
    permk_core_options opt = options(0, LARGE_D);
    group g = group_create(&opt);
    assert_int_equal(g.message_bytes, LARGE_D / N * 8 + 2 * 16);
    group_destroy(&g);
}

/* Nothing of the map is left to a simulation: what it does is what the clients do. */
static void a_simulation_makes_the_same_step(void **state)
{
    (void)state;
    permk_core_options opt = options(PERMK_EVERY_SENDER, D);
    permk_core *all = create(&opt);
    group g = group_create(&opt);
    double x[D] = {0};
    unsigned char *messages = malloc(N * g.message_bytes);
    ct_diag diag = {""};
    for (int r = 0; r < 3; r++) {
        seal_all(&g);
        apply_all(&g, NULL);
        for (uint32_t i = 0; i < N; i++)
            ct_assert_ok(
                permk_core_seal(all, i, gradient_of(&g, i), messages + i * g.message_bytes, &diag),
                &diag);
        assert_memory_equal(messages, g.messages, N * g.message_bytes);
        ct_assert_ok(permk_core_apply(all, messages, NULL, 0.5, x, &diag), &diag);
        assert_memory_equal(x, g.x, sizeof x);
    }
    free(messages);
    permk_core_destroy(all);
    group_destroy(&g);
}

/* Every byte of a message, one at a time. */
static void what_was_altered_is_refused_and_can_be_put_right(void **state)
{
    (void)state;
    permk_core_options opt = options(0, 9);
    for (size_t at = 0; at < 3 * 8 + 16; at++) {
        group g = group_create(&opt);
        seal_all(&g);
        message_of(&g, 1)[at] ^= 1;
        refuse(&g, 2, PERMK_EAUTH, "client 1");
        refuse(&g, 2, PERMK_EAUTH, "client 1");
        message_of(&g, 1)[at] ^= 1;
        apply_all(&g, NULL);
        assert_memory_equal(x_of(&g, 2), x_of(&g, 0), 9 * sizeof(double));
        assert_true(x_of(&g, 2)[0] != 0);
        group_destroy(&g);
    }
}

static void a_bad_chunk_can_be_replaced(void **state)
{
    (void)state;
    permk_core_options opt = options(0, LARGE_D);
    group g = group_create(&opt);
    seal_all(&g);
    unsigned char *last = message_of(&g, 1) + g.message_bytes - 1;
    *last ^= 1;
    refuse(&g, 0, PERMK_EAUTH, "client 1");
    *last ^= 1;
    apply_all(&g, NULL);
    assert_memory_equal(x_of(&g, 0), x_of(&g, 2), LARGE_D * sizeof(double));
    group_destroy(&g);
}

static void messages_of_another_round_or_sender_are_refused(void **state)
{
    (void)state;
    permk_core_options opt = options(0, 9);
    group g = group_create(&opt);
    unsigned char old[100], other[100];
    seal_all(&g);
    memcpy(old, message_of(&g, 1), g.message_bytes);
    apply_all(&g, NULL);
    seal_all(&g);
    memcpy(other, message_of(&g, 1), g.message_bytes);
    memcpy(message_of(&g, 1), old, g.message_bytes);
    refuse(&g, 0, PERMK_EAUTH, "client 1");
    memcpy(message_of(&g, 1), message_of(&g, 2), g.message_bytes);
    refuse(&g, 0, PERMK_EAUTH, "client 1");
    memcpy(message_of(&g, 1), other, g.message_bytes);
    apply_all(&g, NULL);
    group_destroy(&g);
}

/* Coordinates of who is absent stay, with all who know it; then all go on together. */
static void absent_clients_leave_their_coordinates(void **state)
{
    (void)state;
    const bool absent[N] = {false, true, false};
    permk_core_options opt = options(0, D);
    group g = group_create(&opt);
    permk_block block;
    double before[D];
    seal_all(&g);
    apply_all(&g, NULL); // what was received in the round before must not count again
    memcpy(before, x_of(&g, 0), sizeof before);
    seal(&g, 0);
    seal(&g, 2);
    ct_assert_ok(permk_core_block(g.core[0], 1, &block, NULL), NULL);
    apply(&g, 0, absent);
    apply(&g, 2, absent);
    apply(&g, 1, NULL); // has sealed nothing, so it counts as absent
    for (size_t j = 0; j < D; j++) {
        bool is_absent = j >= block.first && j < block.first + block.length;
        assert_true((x_of(&g, 0)[j] == before[j]) == is_absent);
    }
    for (int r = 0; r < 2; r++) {
        assert_memory_equal(x_of(&g, 0), x_of(&g, 1), D * sizeof(double));
        assert_memory_equal(x_of(&g, 0), x_of(&g, 2), D * sizeof(double));
        seal_all(&g);
        apply_all(&g, NULL);
    }
    group_destroy(&g);
}

/* ---- Numbers that are not finite ---- */

static void they_are_not_sealed(void **state)
{
    (void)state;
    permk_core_options opt = options(0, 9);
    opt.value = PERMK_VALUE_F16;
    group g = group_create(&opt);
    permk_block block;
    ct_diag diag = {""};
    const double bad[] = {NAN, -INFINITY, 1e5}; // the last has no binary16
    ct_assert_ok(permk_core_block(g.core[0], 0, &block, NULL), NULL);
    for (size_t k = 0; k < 3; k++) {
        gradient_of(&g, 0)[block.first + 2] = bad[k];
        ct_assert_status(
            permk_core_seal(g.core[0], 0, gradient_of(&g, 0), message_of(&g, 0), &diag),
            CT_ENUMERIC, &diag);
    }
    gradient_of(&g, 0)[block.first + 2] = 1;
    gradient_of(&g, 0)[(block.first + 3) % 9] = NAN; // another client's coordinate
    seal_all(&g);
    apply_all(&g, NULL);
    group_destroy(&g);
}

/* A member that seals them on purpose, by a session with the settings of the core. */
static void they_are_not_applied(void **state)
{
    (void)state;
    const unsigned char settings[] = "permk core 1\0\1\0\1\0\0\0\0\0\0"; // F64, public, seed 1
    const bool absent[N] = {false, true, false};
    permk_core_options opt = options(1, 9);
    opt.session.settings = settings;
    opt.session.settings_bytes = 23;
    permk_session *session;
    ct_diag diag = {""};
    ct_assert_ok(permk_session_create(&session, &opt.session, &diag), &diag);
    opt = options(0, 9);
    group g = group_create(&opt);
    const double payload[] = {1, 2, INFINITY};
    permk_part part = {PERMK_KIND_BLOCK, 0, true, PERMK_VALUE_F64, 3};
    seal_all(&g);
    ct_assert_ok(
        permk_session_seal(session, 1, &part, payload, sizeof payload, message_of(&g, 1), &diag),
        &diag);
    refuse(&g, 0, CT_ENUMERIC, "client 1");
    refuse(&g, 0, CT_ENUMERIC, "client 1"); // it is not forgotten
    apply(&g, 0, absent);
    for (size_t j = 0; j < 9; j++)
        assert_true(isfinite(x_of(&g, 0)[j]));
    permk_session_destroy(session);
    group_destroy(&g);
}

/* ---- What all must have in common ---- */

static void check_disagreement(const permk_core_options *mine, const permk_core_options *theirs)
{
    group g = group_create(mine);
    permk_core_destroy(g.core[1]);
    permk_core_options opt = *theirs;
    opt.session.self = 1;
    g.core[1] = create(&opt);
    seal_all(&g);
    refuse(&g, 0, PERMK_EAUTH, "client 1");
    group_destroy(&g);
}

static void clients_that_disagree_cannot_read_one_another(void **state)
{
    (void)state;
    permk_core_options mine = options(0, D), theirs = mine;
    theirs.seed = 2;
    check_disagreement(&mine, &theirs);
    theirs = mine;
    theirs.secret_ownership = true;
    check_disagreement(&mine, &theirs);
    theirs = mine;
    theirs.session.rule = PERMK_RULE_PERMUTATION;
    check_disagreement(&mine, &theirs);
    theirs = mine;
    theirs.session.settings = "step 1";
    theirs.session.settings_bytes = 6;
    check_disagreement(&mine, &theirs);
    mine.value = PERMK_VALUE_F16;
    theirs = mine;
    theirs.value = PERMK_VALUE_BF16;
    check_disagreement(&mine, &theirs);
}

static void secret_maps_are_the_groups_own(void **state)
{
    (void)state;
    permk_core_options opt = options(0, 1000);
    opt.session.rule = PERMK_RULE_PERMUTATION;
    group open = group_create(&opt);
    opt.secret_ownership = true;
    group secret = group_create(&opt);
    permk_block a, b, c;
    ct_assert_ok(permk_core_block(open.core[0], 0, &a, NULL), NULL);
    ct_assert_ok(permk_core_block(secret.core[0], 0, &b, NULL), NULL);
    ct_assert_ok(permk_core_block(secret.core[1], 0, &c, NULL), NULL);
    assert_memory_not_equal(a.index, b.index, 300 * sizeof *a.index);
    assert_memory_equal(b.index, c.index, 300 * sizeof *b.index);
    seal_all(&secret);
    apply_all(&secret, NULL);
    assert_memory_equal(x_of(&secret, 0), x_of(&secret, 1), 1000 * sizeof(double));
    group_destroy(&open);
    group_destroy(&secret);
}

static void signed_messages_are_longer(void **state)
{
    (void)state;
    permk_identity *identity[N];
    unsigned char keys[N * PERMK_PUBLIC_KEY_BYTES];
    permk_roster *roster;
    for (uint32_t i = 0; i < N; i++) {
        ct_assert_ok(permk_identity_generate(&identity[i], NULL), NULL);
        memcpy(keys + i * PERMK_PUBLIC_KEY_BYTES, permk_identity_public(identity[i]),
               PERMK_PUBLIC_KEY_BYTES);
    }
    ct_assert_ok(permk_roster_create(&roster, keys, N, NULL), NULL);
    permk_core_options opt = options(0, 9);
    group g = group_create(&opt);
    for (uint32_t i = 0; i < N; i++) {
        permk_core_destroy(g.core[i]);
        opt = options(i, 9);
        opt.session.identity = identity[i];
        opt.session.roster = roster;
        g.core[i] = create(&opt);
    }
    g.message_bytes = permk_core_message_bytes(g.core[0]);
    assert_int_equal(g.message_bytes, 3 * 8 + 16 + PERMK_SIGNATURE_BYTES);
    free(g.messages);
    g.messages = malloc(N * g.message_bytes);
    seal_all(&g);
    message_of(&g, 2)[g.message_bytes - 1] ^= 1;
    refuse(&g, 0, PERMK_EAUTH, "client 2");
    message_of(&g, 2)[g.message_bytes - 1] ^= 1;
    apply_all(&g, NULL);
    group_destroy(&g);
    permk_roster_destroy(roster);
    for (uint32_t i = 0; i < N; i++)
        permk_identity_destroy(identity[i]);
}

static void misuse_is_refused(void **state)
{
    (void)state;
    permk_core_options opt = options(0, D);
    ct_diag diag = {""};
    permk_core *core;
    opt.value = (permk_value)9;
    ct_assert_status(permk_core_create(&core, &opt, &diag), CT_EINVALID, &diag);
    assert_null(core);
    opt = options(0, D);
    opt.session.rule = (permk_rule)9;
    ct_assert_status(permk_core_create(&core, &opt, &diag), CT_EINVALID, &diag);
    opt = options(0, (size_t)1 << 33);
    ct_assert_status(permk_core_create(&core, &opt, &diag), CT_EINVALID, &diag);
    opt = options(0, D);
    group g = group_create(&opt);
    permk_block block;
    ct_assert_status(permk_core_block(g.core[0], N, &block, &diag), CT_EINVALID, &diag);
    ct_assert_status(permk_core_seal(g.core[0], 1, g.gradient, g.messages, &diag), CT_EINVALID,
                     &diag);
    seal(&g, 0);
    unsigned char again[D * 8 + 16]; // a second message, with another gradient
    ct_assert_status(permk_core_seal(g.core[0], 0, gradient_of(&g, 1), again, &diag), CT_EINVALID,
                     &diag);
    seal(&g, 1);
    seal(&g, 2);
    apply_all(&g, NULL);
    assert_memory_equal(x_of(&g, 0), x_of(&g, 1), D * sizeof(double));
    group_destroy(&g);
    permk_core_destroy(NULL);
}

static void sealing_allocates_nothing(void **state)
{
    (void)state;
    permk_core_options opt = options(0, D);
    group g = group_create(&opt);
    seal_all(&g);
    apply_all(&g, NULL); // keys are derived at their first use
    ct_diag diag = {""};
    (void)ct_test_fail_allocation(1);
    ct_status sealed = permk_core_seal(g.core[0], 0, g.gradient, g.messages, &diag);
    assert_false(ct_test_fail_allocation(0));
    ct_assert_ok(sealed, &diag);
    group_destroy(&g);
}

static int make_keys(void **state)
{
    (void)state;
    return permk_key_generate(&key, NULL) == CT_OK &&
                   permk_random_bytes(nonces, sizeof nonces, NULL) == CT_OK
               ? 0
               : 1;
}

static int destroy_keys(void **state)
{
    (void)state;
    permk_key_destroy(key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_client_makes_the_step_of_the_definition),
        cmocka_unit_test(messages_of_several_chunks),
        cmocka_unit_test(a_simulation_makes_the_same_step),
        cmocka_unit_test(what_was_altered_is_refused_and_can_be_put_right),
        cmocka_unit_test(a_bad_chunk_can_be_replaced),
        cmocka_unit_test(messages_of_another_round_or_sender_are_refused),
        cmocka_unit_test(absent_clients_leave_their_coordinates),
        cmocka_unit_test(they_are_not_sealed),
        cmocka_unit_test(they_are_not_applied),
        cmocka_unit_test(clients_that_disagree_cannot_read_one_another),
        cmocka_unit_test(secret_maps_are_the_groups_own),
        cmocka_unit_test(signed_messages_are_longer),
        cmocka_unit_test(misuse_is_refused),
        cmocka_unit_test(sealing_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, make_keys, destroy_keys);
}
