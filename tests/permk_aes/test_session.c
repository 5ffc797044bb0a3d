// SPDX-License-Identifier: MIT
/* Sealed messages: what a scripted server or network may try is refused, and a known answer fixes
 * the format. */
#include "ct_test.h"

#include <permk_aes/session.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 3, D = 12, COUNT = 4, SIZE = COUNT * 8 + 16 };

static const double message[N][COUNT] = {
    {1.5, -2, 3e300, 0}, {-0.0, 1, 2, 3}, {4, 5, 6, 0x1p-1074}};

static permk_session_options options(uint32_t self)
{
    static unsigned char nonces[N * PERMK_NONCE_BYTES];
    static permk_key *key;
    unsigned char bytes[PERMK_KEY_BYTES];
    for (unsigned i = 0; i < PERMK_KEY_BYTES; i++)
        bytes[i] = (unsigned char)i;
    for (unsigned i = 0; i < sizeof nonces; i++)
        nonces[i] = (unsigned char)(i * 7);
    permk_key_destroy(key);
    ct_assert_ok(permk_key_from_bytes(&key, bytes, NULL), NULL);
    permk_session_options opt = permk_session_options_default();
    opt.key = key;
    opt.clients = N;
    opt.dimension = D;
    opt.self = self;
    opt.nonces = nonces;
    opt.settings = "step=1";
    opt.settings_bytes = 6;
    return opt;
}

static permk_session *create(const permk_session_options *opt)
{
    permk_session *s;
    ct_diag diag = {""};
    ct_assert_ok(permk_session_create(&s, opt, &diag), &diag);
    return s;
}

static permk_session *member(uint32_t self)
{
    permk_session_options opt = options(self);
    return create(&opt);
}

/* Open `size` bytes as sender's block; it must be refused and nothing be left in the values. */
static void refuse(permk_session *s, uint32_t sender, permk_kind kind, const void *sealed,
                   size_t size, size_t count)
{
    double values[COUNT + 1];
    ct_diag diag = {""};
    memset(values, 0x55, sizeof values);
    ct_assert_status(permk_session_open(s, sender, kind, sealed, size, values, count, &diag),
                     PERMK_EAUTH, &diag);
    for (size_t k = 0; k < count; k++)
        assert_true(values[k] == 0);
    if (sender < N) {
        char name[20];
        snprintf(name, sizeof name, "client %u", sender);
        ct_assert_contains(diag.text, name);
    }
}

static void accept(permk_session *s, uint32_t sender, const void *sealed)
{
    double values[COUNT];
    ct_diag diag = {""};
    ct_assert_ok(
        permk_session_open(s, sender, PERMK_KIND_BLOCK, sealed, SIZE, values, COUNT, &diag), &diag);
    assert_memory_equal(values, message[sender], sizeof values);
}

static void seal(permk_session *s, uint32_t sender, unsigned char out[SIZE])
{
    ct_diag diag = {""};
    assert_int_equal(permk_session_sealed_bytes(s, COUNT), SIZE);
    ct_assert_ok(
        permk_session_seal(s, sender, PERMK_KIND_BLOCK, message[sender], COUNT, out, &diag), &diag);
}

static void a_group_understands_itself(void **state)
{
    (void)state;
    permk_session *s[N];
    unsigned char sealed[N][SIZE], before[SIZE] = {0};
    for (uint32_t i = 0; i < N; i++)
        s[i] = member(i);
    for (int round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < N; i++)
            seal(s[i], i, sealed[i]);
        assert_memory_not_equal(sealed[0], before, SIZE); // same plaintext, another round
        memcpy(before, sealed[0], SIZE);
        for (uint32_t i = 0; i < N; i++) {
            for (uint32_t j = N; j-- > 0;) // any order
                if (j != i)
                    accept(s[i], j, sealed[j]);
            ct_assert_ok(permk_session_end_round(s[i], NULL), NULL);
        }
    }
    assert_int_equal(permk_session_round(s[0]), 5);
    for (uint32_t i = 0; i < N; i++)
        permk_session_destroy(s[i]);
}

/* Fixed keys give fixed bytes, computed once more by a script of its own from the table in
 * README.md. */
static void known_answer(void **state)
{
    (void)state;
    char text[2 * SIZE + 1];
    unsigned char sealed[SIZE];
    permk_session *s = member(1);
    seal(s, 1, sealed);
    for (size_t i = 0; i < SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", sealed[i]);
    assert_string_equal(text, "efd424648eda9dc51dec35998e1d32b318696c0030ed2b48c8c7b3f2281c7bfe1f85"
                              "adf3422a614e9d66a931371c4fcb");
    permk_session_destroy(s);
}

static void every_flipped_bit_is_refused(void **state)
{
    (void)state;
    unsigned char sealed[SIZE];
    permk_session *a = member(0);
    seal(a, 0, sealed);
    for (size_t i = 0; i < SIZE; i++) {
        permk_session *b = member(1); // anew: after 8 failures a session looks at nothing more
        for (int bit = 0; bit < 8; bit++) {
            sealed[i] = (unsigned char)(sealed[i] ^ (1 << bit));
            refuse(b, 0, PERMK_KIND_BLOCK, sealed, SIZE, COUNT);
            sealed[i] = (unsigned char)(sealed[i] ^ (1 << bit));
        }
        permk_session_destroy(b);
    }
    permk_session *b = member(1);
    refuse(b, 0, PERMK_KIND_BLOCK, "", 0, COUNT);
    refuse(b, 0, PERMK_KIND_BLOCK, sealed, SIZE - 1, COUNT);
    refuse(b, 0, PERMK_KIND_BLOCK, sealed, SIZE - 8, COUNT - 1);
    unsigned char longer[SIZE + 8] = {0};
    memcpy(longer, sealed, SIZE);
    refuse(b, 0, PERMK_KIND_BLOCK, longer, SIZE + 1, COUNT);
    refuse(b, 0, PERMK_KIND_BLOCK, longer, SIZE + 8, COUNT + 1);
    refuse(b, 0, PERMK_KIND_STOP, sealed, SIZE, COUNT);  // another meaning
    refuse(b, 2, PERMK_KIND_BLOCK, sealed, SIZE, COUNT); // another sender
    refuse(b, 1, PERMK_KIND_BLOCK, sealed, SIZE, COUNT); // our own, sent back
    refuse(b, N, PERMK_KIND_BLOCK, sealed, SIZE, COUNT); // nobody
    accept(b, 0, sealed);                                // and all that changed nothing
    permk_session_destroy(a);
    permk_session_destroy(b);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    unsigned char sealed[SIZE];
    permk_session *a = member(0);
    seal(a, 0, sealed);
    for (size_t n = 0; n < SIZE; n++) {
        permk_session *b = member(1);
        refuse(b, 0, PERMK_KIND_BLOCK, sealed, n, COUNT);
        permk_session_destroy(b);
    }
    permk_session_destroy(a);
}

static void replay_and_delay_are_refused(void **state)
{
    (void)state;
    unsigned char first[SIZE], second[SIZE];
    permk_session *a = member(0), *b = member(1);
    seal(a, 0, first);
    accept(b, 0, first);
    refuse(b, 0, PERMK_KIND_BLOCK, first, SIZE, COUNT); // twice in its round
    // end the round on both sides with the same transcript
    unsigned char own[SIZE];
    double values[COUNT];
    seal(b, 1, own);
    ct_assert_ok(permk_session_open(a, 1, PERMK_KIND_BLOCK, own, SIZE, values, COUNT, NULL), NULL);
    ct_assert_ok(permk_session_end_round(a, NULL), NULL);
    ct_assert_ok(permk_session_end_round(b, NULL), NULL);
    refuse(b, 0, PERMK_KIND_BLOCK, first, SIZE, COUNT); // a round later
    seal(a, 0, second);
    permk_session *late = member(2);
    refuse(late, 0, PERMK_KIND_BLOCK, second, SIZE, COUNT); // a round early
    accept(b, 0, second);
    permk_session_destroy(a);
    permk_session_destroy(b);
    permk_session_destroy(late);
}

/* The server shows client 1 another set of messages than client 0: round 1 does not verify. */
static void a_split_view_is_noticed_in_the_next_round(void **state)
{
    (void)state;
    unsigned char sealed[N][SIZE];
    permk_session *s[N];
    for (uint32_t i = 0; i < N; i++) {
        s[i] = member(i);
        seal(s[i], i, sealed[i]);
    }
    accept(s[0], 1, sealed[1]);
    accept(s[0], 2, sealed[2]);
    accept(s[1], 0, sealed[0]); // client 2's block is kept from client 1
    ct_assert_ok(permk_session_end_round(s[0], NULL), NULL);
    ct_assert_ok(permk_session_end_round(s[1], NULL), NULL);
    seal(s[0], 0, sealed[0]);
    seal(s[1], 1, sealed[1]);
    refuse(s[1], 0, PERMK_KIND_BLOCK, sealed[0], SIZE, COUNT);
    refuse(s[0], 1, PERMK_KIND_BLOCK, sealed[1], SIZE, COUNT);
    for (uint32_t i = 0; i < N; i++)
        permk_session_destroy(s[i]);
}

/* Any difference in what the group has in common is another session. */
static void other_sessions_are_refused(void **state)
{
    (void)state;
    unsigned char sealed[SIZE], nonces[N * PERMK_NONCE_BYTES];
    permk_session *a = member(0);
    seal(a, 0, sealed);
    permk_key *key;
    ct_assert_ok(permk_key_generate(&key, NULL), NULL);
    for (int what = 0; what < 7; what++) {
        permk_session_options opt = options(1);
        memcpy(nonces, opt.nonces, sizeof nonces);
        if (what == 0) {
            opt.key = key;
        } else if (what == 1) {
            nonces[sizeof nonces - 1] ^= 1; // one client's fresh bytes
            opt.nonces = nonces;
        } else if (what == 2) {
            opt.cipher = PERMK_AES_256_GCM;
        } else if (what == 3) {
            opt.rule = PERMK_RULE_PERMUTATION;
        } else if (what == 4) {
            opt.dimension = D + 1;
        } else if (what == 5) {
            opt.settings = "step=2";
        } else {
            opt.clients = 2;
        }
        permk_session *b = create(&opt);
        refuse(b, 0, PERMK_KIND_BLOCK, sealed, SIZE, COUNT);
        permk_session_destroy(b);
    }
    permk_key_destroy(key);
    permk_session_destroy(a);
}

/* In CTR mode with zeros as plaintext a message is the key stream: equal key streams would mean
 * that a key and a nonce were used twice. */
static void key_streams_never_repeat(void **state)
{
    (void)state;
    enum { RUNS = 4, ROUNDS = 40, ALL = RUNS * ROUNDS * N };
    static const double zeros[2] = {0};
    unsigned char(*seen)[16] = malloc(ALL * sizeof *seen);
    unsigned char nonces[N * PERMK_NONCE_BYTES];
    size_t n = 0;
    for (int run = 0; run < RUNS; run++) {
        permk_session_options opt = options(PERMK_EVERY_SENDER);
        opt.cipher = PERMK_AES_128_CTR;
        ct_assert_ok(permk_random_bytes(nonces, sizeof nonces, NULL), NULL);
        opt.nonces = nonces;
        permk_session *s = create(&opt);
        for (int round = 0; round < ROUNDS; round++) {
            for (uint32_t i = 0; i < N; i++)
                ct_assert_ok(permk_session_seal(s, i, PERMK_KIND_BLOCK, zeros, 2, seen[n++], NULL),
                             NULL);
            ct_assert_ok(permk_session_end_round(s, NULL), NULL);
        }
        permk_session_destroy(s);
    }
    for (size_t i = 0; i < ALL; i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(seen[i], seen[j], 16);
    free(seen);
}

static void a_nonce_is_spent_by_one_message(void **state)
{
    (void)state;
    unsigned char sealed[SIZE];
    permk_session *a = member(0);
    seal(a, 0, sealed);
    ct_assert_status(permk_session_seal(a, 0, PERMK_KIND_BLOCK, message[0], COUNT, sealed, NULL),
                     CT_EINVALID, NULL);
    ct_assert_status(permk_session_seal(a, 0, PERMK_KIND_STOP, message[0], 3, sealed, NULL),
                     CT_EINVALID, NULL);
    ct_assert_status(permk_session_seal(a, 1, PERMK_KIND_BLOCK, message[0], COUNT, sealed, NULL),
                     CT_EINVALID, NULL); // nor for another client
    permk_session_destroy(a);
}

static void limits_are_enforced(void **state)
{
    (void)state;
    for (int what = 0; what < 3; what++) {
        permk_session_options opt = options(PERMK_EVERY_SENDER);
        unsigned char sealed[SIZE];
        double values[COUNT];
        ct_diag diag = {""};
        if (what == 0)
            opt.limits.messages = 5;
        else if (what == 1)
            opt.limits.rounds = 5;
        else
            opt.limits.blocks = 5 * 3 + 1; // a message of 32 bytes counts as three blocks
        permk_session *s = create(&opt);
        for (int round = 0; round < 5; round++) {
            seal(s, 0, sealed);
            ct_assert_ok(
                permk_session_open(s, 0, PERMK_KIND_BLOCK, sealed, SIZE, values, COUNT, &diag),
                &diag);
            ct_assert_ok(permk_session_end_round(s, &diag), &diag);
        }
        memset(sealed, 0, SIZE);
        ct_assert_status(
            permk_session_seal(s, 0, PERMK_KIND_BLOCK, message[0], COUNT, sealed, &diag),
            PERMK_ELIMIT, &diag);
        ct_assert_contains(diag.text, "limit");
        for (size_t i = 0; i < SIZE; i++)
            assert_int_equal(sealed[i], 0);
        permk_session_destroy(s);
    }
}

static void a_forger_is_not_heard_for_ever(void **state)
{
    (void)state;
    unsigned char sealed[SIZE], forged[SIZE] = {0};
    permk_session *a = member(0), *b = member(1);
    seal(a, 0, sealed);
    for (int i = 0; i < 8; i++)
        refuse(b, 0, PERMK_KIND_BLOCK, forged, SIZE, COUNT);
    refuse(b, 0, PERMK_KIND_BLOCK, sealed, SIZE, COUNT); // the session is over
    permk_session_destroy(a);
    permk_session_destroy(b);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    permk_session *s;
    ct_diag diag = {""};
    permk_session_options opt = options(0);
    opt.key = NULL;
    ct_assert_status(permk_session_create(&s, &opt, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "needs a key");
    assert_null(s);
    opt = options(N);
    ct_assert_status(permk_session_create(&s, &opt, &diag), CT_EINVALID, &diag);
    opt = options(0);
    opt.clients = 0;
    ct_assert_status(permk_session_create(&s, &opt, &diag), CT_EINVALID, &diag);
    opt = options(0);
    opt.nonces = NULL;
    ct_assert_status(permk_session_create(&s, &opt, &diag), CT_EINVALID, &diag);
    opt = options(0);
    opt.cipher = (permk_cipher)9;
    ct_assert_status(permk_session_create(&s, &opt, &diag), CT_EINVALID, &diag);
}

static void out_of_memory_is_survived(void **state)
{
    (void)state;
    permk_session_options opt = options(0);
    for (unsigned long k = 1; k < 500; k++) {
        permk_session *s = NULL;
        ct_test_fail_allocation(k);
        ct_status status = permk_session_create(&s, &opt, NULL);
        bool used_up = ct_test_fail_allocation(0);
        permk_session_destroy(s);
        if (!used_up) {
            assert_int_equal(status, CT_OK);
            return;
        }
        assert_true(status == CT_ENOMEM || status == PERMK_ECRYPTO || status == CT_OK);
    }
    fail_msg("never succeeded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_understands_itself),
        cmocka_unit_test(known_answer),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(replay_and_delay_are_refused),
        cmocka_unit_test(a_split_view_is_noticed_in_the_next_round),
        cmocka_unit_test(other_sessions_are_refused),
        cmocka_unit_test(key_streams_never_repeat),
        cmocka_unit_test(a_nonce_is_spent_by_one_message),
        cmocka_unit_test(limits_are_enforced),
        cmocka_unit_test(a_forger_is_not_heard_for_ever),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(out_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
