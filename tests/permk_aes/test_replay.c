// SPDX-License-Identifier: MIT
/* Captures of real runs, opened: everything with the key, nothing with another; what was altered,
 * left out, repeated or put elsewhere is found where it stands. */
#include "ct_test.h"

#include <ctrain/file.h>
#include <permk_aes/permk_aes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 3, D = 30, HEADER_BYTES = 16, RECORD_BYTES = 17, LENGTH_AT = 13 };

typedef struct actor {
    pthread_t thread;
    ct_transport *transport;
    permk_train_options opt;
    uint32_t id;
    bool own_only;
    ct_status status;
    ct_diag diag;
} actor;

static void *client_main(void *argument)
{
    actor *a = argument;
    permk_problem problem;
    permk_result result;
    double x[D] = {0};
    permk_quadratic_options shape = permk_quadratic_options_default();
    shape.clients = N;
    shape.dimension = D;
    shape.samples = 4;
    a->status = permk_quadratic_init(&problem, &shape, &a->diag);
    problem.own_only = a->own_only; // so that f is evaluated by all
    if (a->status == CT_OK)
        a->status = permk_client_run(&result, &problem, a->id, a->transport, x, &a->opt, &a->diag);
    permk_problem_clear(&problem);
    ct_transport_close(a->transport);
    return NULL;
}

typedef struct recording {
    permk_key *key;
    permk_identity *identities[N];
    permk_roster *roster;
    char *path;
    unsigned char *bytes; // of the capture
    size_t size;
    uint64_t chunks, rounds;
} recording;

static void load(recording *r)
{
    ct_file_view view;
    ct_diag diag = {""};
    ct_assert_ok(ct_file_view_open(&view, r->path, &diag), &diag);
    r->size = view.size_bytes;
    r->bytes = malloc(r->size);
    assert_non_null(r->bytes);
    memcpy(r->bytes, view.data, r->size);
    ct_file_view_close(&view);
    (void)remove(r->path);
    free(r->path);
}

/* Run N clients and a server that writes all down. */
static void record(recording *r, const permk_train_options *opt, bool own_only)
{
    actor actors[N];
    ct_transport *server, *clients[N];
    ct_diag diag = {""};
    permk_server_result served;
    permk_server_options server_opt = permk_server_options_default();
    r->path = ct_test_path("replay.capture");
    server_opt.capture = r->path;
    ct_assert_ok(ct_transport_open_inproc(&server, clients, N, &diag), &diag);
    for (uint32_t i = 0; i < N; i++) {
        actors[i] = (actor){.transport = clients[i], .opt = *opt, .id = i, .own_only = own_only};
        actors[i].opt.key = r->key;
        actors[i].opt.identity = opt->is_signed ? r->identities[i] : NULL;
        actors[i].opt.roster = opt->is_signed ? r->roster : NULL;
        assert_int_equal(pthread_create(&actors[i].thread, NULL, client_main, &actors[i]), 0);
    }
    ct_status status = permk_server_run(&served, server, &server_opt, &diag);
    for (uint32_t i = 0; i < N; i++) {
        pthread_join(actors[i].thread, NULL);
        ct_assert_ok(actors[i].status, &actors[i].diag);
    }
    ct_assert_ok(status, &diag);
    ct_transport_close(server);
    load(r);
}

static permk_train_options options(void)
{
    permk_train_options opt = permk_train_options_default();
    opt.max_rounds = 6;
    opt.tol = 0;
    opt.step = 0.01;
    return opt;
}

static ct_status replay(const void *bytes, size_t size, const permk_key *key,
                        const permk_roster *roster, permk_replay_result *result, ct_diag *diag)
{
    permk_capture *capture;
    CT_TRY(permk_capture_parse(&capture, bytes, size, "capture", diag));
    const permk_replay_options opt = {.key = key, .roster = roster};
    ct_status status = permk_replay(result, capture, &opt, diag);
    permk_capture_close(capture);
    return status;
}

static void setup(recording *r)
{
    unsigned char keys[N][PERMK_PUBLIC_KEY_BYTES];
    *r = (recording){0};
    assert_int_equal(permk_key_generate(&r->key, NULL), CT_OK);
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(permk_identity_generate(&r->identities[i], NULL), CT_OK);
        memcpy(keys[i], permk_identity_public(r->identities[i]), PERMK_PUBLIC_KEY_BYTES);
    }
    assert_int_equal(permk_roster_create(&r->roster, keys[0], N, NULL), CT_OK);
}

static void teardown(recording *r)
{
    permk_key_destroy(r->key);
    permk_roster_destroy(r->roster);
    for (uint32_t i = 0; i < N; i++)
        permk_identity_destroy(r->identities[i]);
    free(r->bytes);
}

static void assert_all_opened(const recording *r, const permk_roster *roster, uint64_t rounds)
{
    permk_replay_result result;
    ct_diag diag = {""};
    ct_status status = replay(r->bytes, r->size, r->key, roster, &result, &diag);
    ct_assert_ok(status, &diag);
    assert_string_equal(result.why, "");
    assert_true(result.chunks >= rounds * N);
    assert_int_equal(result.verified, result.chunks);
    assert_int_equal(result.rounds, rounds);
}

static void every_kind_of_run_opens(void **state)
{
    (void)state;
    static const struct {
        permk_method method;
        permk_compressor compressor;
        permk_value value;
        size_t chunk_bytes;
        uint64_t key_rounds;
        bool is_signed, own_only;
    } runs[] = {
        {PERMK_METHOD_DCGD, PERMK_COMPRESSOR_PERMK, PERMK_VALUE_F64, 1 << 20, 0, false, false},
        {PERMK_METHOD_GD, PERMK_COMPRESSOR_IDENTITY, PERMK_VALUE_F32, 64, 0, false, false},
        {PERMK_METHOD_MARINA, PERMK_COMPRESSOR_RANDK, PERMK_VALUE_F64, 64, 2, false, true},
        {PERMK_METHOD_EF21, PERMK_COMPRESSOR_TOPK, PERMK_VALUE_BF16, 128, 0, true, false},
        {PERMK_METHOD_DIANA, PERMK_COMPRESSOR_NATURAL, PERMK_VALUE_F64, 64, 1, true, true}};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        recording r;
        setup(&r);
        permk_train_options opt = options();
        opt.method = runs[i].method;
        opt.compressor = runs[i].compressor;
        opt.value = runs[i].value;
        opt.chunk_bytes = runs[i].chunk_bytes;
        opt.is_signed = runs[i].is_signed;
        if (runs[i].key_rounds > 0)
            opt.limits.rounds = runs[i].key_rounds;
        record(&r, &opt, runs[i].own_only);
        assert_all_opened(&r, opt.is_signed ? r.roster : NULL, opt.max_rounds);
        teardown(&r);
    }
}

static void other_keys_open_nothing(void **state)
{
    (void)state;
    recording r, stranger;
    setup(&r);
    setup(&stranger);
    permk_train_options opt = options();
    opt.is_signed = true;
    record(&r, &opt, false);
    permk_replay_result result;
    ct_diag diag = {""};
    ct_assert_ok(replay(r.bytes, r.size, stranger.key, r.roster, &result, &diag), &diag);
    assert_int_equal(result.verified, 0);
    ct_assert_contains(result.why, "failed to verify");
    ct_assert_ok(replay(r.bytes, r.size, r.key, stranger.roster, &result, &diag), &diag);
    assert_int_equal(result.verified, 0);
    ct_assert_ok(replay(r.bytes, r.size, r.key, NULL, &result, &diag), &diag);
    assert_int_equal(result.verified, 0);
    ct_assert_contains(result.why, "roster");
    ct_assert_status(replay(r.bytes, r.size, NULL, r.roster, &result, &diag), CT_EINVALID, &diag);
    teardown(&r);
    teardown(&stranger);
}

/* Where record k of a capture begins; the size of the capture behind the last. */
static size_t record_at(const recording *r, size_t k)
{
    size_t at = HEADER_BYTES;
    for (; k > 0 && at < r->size; k--) {
        const unsigned char *length = r->bytes + at + LENGTH_AT;
        at += RECORD_BYTES + length[0] + 256u * length[1] + 65536u * length[2];
    }
    return at;
}

/* Every byte of every payload counts: flipped, not everything verifies. */
static void every_altered_byte_is_found(void **state)
{
    (void)state;
    recording r;
    setup(&r);
    permk_train_options opt = options();
    opt.max_rounds = 2;
    record(&r, &opt, false);
    for (size_t k = 0; record_at(&r, k) < r.size; k++) {
        for (size_t at = record_at(&r, k) + RECORD_BYTES; at < record_at(&r, k + 1); at++) {
            bool is_hello = k < N;
            size_t within = at - record_at(&r, k) - RECORD_BYTES;
            if (is_hello && within >= PERMK_NONCE_BYTES && within < PERMK_HELLO_SETTINGS)
                continue; // no key was agreed upon, and nothing is signed: zeros
            if (!is_hello && within == 0)
                continue; // flags, for the server's sake
            permk_replay_result result = {0};
            ct_diag diag = {""};
            r.bytes[at] ^= 0x10;
            ct_status status = replay(r.bytes, r.size, r.key, NULL, &result, &diag);
            r.bytes[at] ^= 0x10;
            if (status == CT_OK) {
                assert_true(result.verified < result.chunks);
                assert_string_not_equal(result.why, "");
            } else {
                assert_int_equal(status, CT_EPARSE);
            }
        }
    }
    teardown(&r);
}

/* The capture with record `gone` left out, or `gone` put in front of `before`. */
static size_t rearranged(const recording *r, size_t gone, size_t before, unsigned char *out)
{
    size_t at = HEADER_BYTES;
    memcpy(out, r->bytes, HEADER_BYTES);
    for (size_t k = 0; record_at(r, k) < r->size; k++) {
        if (k == before) {
            memcpy(out + at, r->bytes + record_at(r, gone),
                   record_at(r, gone + 1) - record_at(r, gone));
            at += record_at(r, gone + 1) - record_at(r, gone);
        }
        if (k == gone)
            continue;
        memcpy(out + at, r->bytes + record_at(r, k), record_at(r, k + 1) - record_at(r, k));
        at += record_at(r, k + 1) - record_at(r, k);
    }
    return at;
}

static void frames_left_out_or_moved_are_found(void **state)
{
    (void)state;
    recording r;
    setup(&r);
    permk_train_options opt = options();
    record(&r, &opt, false);
    unsigned char *other = malloc(2 * r.size);
    assert_non_null(other);
    for (size_t k = 0; k < 2 * (size_t)N; k++) { // a hello, or a block of round 0
        permk_replay_result result = {0};
        ct_diag diag = {""};
        size_t size = rearranged(&r, k, SIZE_MAX, other);
        ct_status status = replay(other, size, r.key, NULL, &result, &diag);
        if (k < N)
            assert_int_equal(status, CT_EPARSE);
        else
            assert_true(status == CT_OK && result.verified < result.chunks &&
                        result.why[0] != '\0');
    }
    // a client's block of a later round in front of its first
    permk_replay_result result = {0};
    ct_diag diag = {""};
    size_t size = rearranged(&r, 4 * (size_t)N, N, other);
    ct_assert_ok(replay(other, size, r.key, NULL, &result, &diag), &diag);
    assert_true(result.verified < result.chunks);
    ct_assert_contains(result.why, "round 0");
    free(other);
    teardown(&r);
}

static void what_is_no_run_is_refused(void **state)
{
    (void)state;
    recording r;
    setup(&r);
    permk_train_options opt = options();
    record(&r, &opt, false);
    permk_replay_result result;
    ct_diag diag = {""};
    // the header alone, some hellos, and more clients than there are
    for (size_t k = 0; k < N; k++)
        assert_int_equal(replay(r.bytes, record_at(&r, k), r.key, NULL, &result, &diag), CT_EPARSE);
    r.bytes[12] = r.bytes[13] = r.bytes[14] = 0xff;
    assert_int_equal(replay(r.bytes, r.size, r.key, NULL, &result, &diag), CT_EPARSE);
    teardown(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_run_opens),
        cmocka_unit_test(other_keys_open_nothing),
        cmocka_unit_test(every_altered_byte_is_found),
        cmocka_unit_test(frames_left_out_or_moved_are_found),
        cmocka_unit_test(what_is_no_run_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
