// SPDX-License-Identifier: MIT
/* Limits of keys, with small ones: keys are replaced in time, by all members at once, and those
 * before are gone; what would still be too much is refused. */
#define _GNU_SOURCE // memmem
#include "session_group.h"

static permk_limits generous(void)
{
    return (permk_limits){.messages = 1000, .rounds = 1000, .blocks = 1000};
}

/* A message is one part and three blocks (two of plain text, one for the tag). */
static void keys_are_replaced_before_each_limit(void **state)
{
    (void)state;
    for (int what = 0; what < 3; what++) {
        permk_limits limits = generous();
        permk_session *s[N];
        if (what == 0)
            limits.messages = 4; // in the third round a key has passed half
        else if (what == 1)
            limits.rounds = 3;
        else
            limits.blocks = 13; // nine blocks are more than six
        create_group(s, &limits);
        for (uint32_t round = 0; round < 10; round++) {
            assert_int_equal(permk_session_epoch(s[0]), round / 3);
            assert_same_view(s);
            whole_round(s);
        }
        assert_int_equal(permk_session_round(s[0]), 10); // rounds are counted over epochs
        destroy_group(s);
    }
}

/* One sender that sends more than the others takes all to new keys. */
static void the_busiest_sender_decides(void **state)
{
    (void)state;
    permk_limits limits = generous();
    permk_session *s[N];
    limits.messages = 3;
    create_group(s, &limits);
    for (int h = 0; h < 2; h++) {
        unsigned char sealed[HALF + TAG];
        const char *plain = (const char *)message[2] + h * HALF;
        seal_part_of(s[2], 2, &halves[h], plain, HALF, sealed);
        accept_part(s[0], 2, &halves[h], sealed, plain, HALF);
        accept_part(s[1], 2, &halves[h], sealed, plain, HALF);
    }
    for (uint32_t i = 0; i < N; i++)
        end_round(s[i]);
    assert_int_equal(permk_session_epoch(s[1]), 1);
    assert_same_view(s);
    whole_round(s);
    destroy_group(s);
}

static bool holds(const permk_session *s, const unsigned char *bytes, size_t size)
{
    return memmem(s, sizeof *s, bytes, size) != NULL ||
           memmem(s->senders, N * sizeof *s->senders, bytes, size) != NULL;
}

static void nothing_of_an_epoch_outlives_it(void **state)
{
    (void)state;
    permk_limits limits = generous();
    permk_session *s[N];
    unsigned char secret[PERMK__HASH_BYTES], salt[N][PERMK__SALT_BYTES], maps[2][32];
    limits.rounds = 2;
    create_group(s, &limits);
    ct_assert_ok(permk_session_ownership_key(s[1], maps[0]), NULL);
    for (int epoch = 0; epoch < 3; epoch++) {
        whole_round(s);
        memcpy(secret, s[1]->secret, sizeof secret);
        for (uint32_t i = 0; i < N; i++)
            memcpy(salt[i], s[1]->senders[i].salt, sizeof salt[i]);
        assert_true(holds(s[1], secret, sizeof secret));
        assert_true(holds(s[1], salt[2], sizeof salt[2]));
        whole_round(s);
        assert_int_equal(permk_session_epoch(s[1]), epoch + 1);
        assert_false(holds(s[1], secret, sizeof secret));
        for (uint32_t i = 0; i < N; i++) {
            assert_false(holds(s[1], salt[i], sizeof salt[i]));
            assert_null(s[1]->senders[i].open.context);
            assert_null(s[1]->senders[i].seal.context);
        }
    }
    ct_assert_ok(permk_session_ownership_key(s[1], maps[1]), NULL);
    assert_memory_equal(maps[0], maps[1], 32); // that of the maps stays
    destroy_group(s);
}

/* Even where a receiver could be brought to expect that round once more, its key is another. */
static void parts_of_an_epoch_do_not_verify_in_the_next(void **state)
{
    (void)state;
    unsigned char sealed[SIZE];
    permk_session_options opt[2] = {options(0), options(1)};
    opt[0].key = opt[1].key;
    opt[0].limits.rounds = opt[1].limits.rounds = 1;
    permk_session *a = create(&opt[0]), *b = create(&opt[1]);
    seal(a, 0, sealed);
    end_round(b);
    refuse(b, 0, sealed);
    b->round = b->epoch = 0;
    memset(b->transcript, 0, sizeof b->transcript);
    permk__aad_begin_round(b);
    refuse(b, 0, sealed);
    permk_session_destroy(b);
    b = create(&opt[1]);
    accept(b, 0, sealed); // it was all right in its time
    permk_session_destroy(a);
    permk_session_destroy(b);
}

/* Members that have different parts of a message that never became complete replace their keys in
 * the same rounds. */
static void what_only_some_have_seen_does_not_count(void **state)
{
    (void)state;
    permk_limits limits = generous();
    permk_session *s[N];
    limits.messages = 40;
    limits.blocks = 50; // 16 chunks of two blocks are more than half
    create_group(s, &limits);
    for (uint32_t chunk = 0; chunk < 16; chunk++) {
        unsigned char sealed[HALF + TAG];
        permk_part part = halves[0];
        part.chunk = chunk;
        seal_part_of(s[2], 2, &part, message[2], HALF, sealed);
        accept_part(s[1], 2, &part, sealed, message[2], HALF);
    }
    for (uint32_t i = 0; i < N; i++)
        end_round(s[i]);
    assert_int_equal(permk_session_epoch(s[0]), 0);
    assert_same_view(s);
    whole_round(s);
    assert_same_view(s);
    destroy_group(s);
}

static void more_than_an_epoch_allows_is_refused(void **state)
{
    (void)state;
    for (int what = 0; what < 2; what++) {
        unsigned char sealed[6][HALF + TAG], refused[HALF + TAG] = {0};
        permk_session_options opt[3] = {options(0), options(0), options(1)};
        opt[0].key = opt[1].key = opt[2].key;
        opt[0].limits = opt[2].limits = generous();
        if (what == 0) // five parts are allowed, each of two blocks
            opt[0].limits.messages = opt[2].limits.messages = 5;
        else
            opt[0].limits.blocks = opt[2].limits.blocks = 11;
        permk_session *a = create(&opt[0]), *boundless = create(&opt[1]), *b = create(&opt[2]);
        ct_diag diag = {""};
        permk_part part = halves[0];
        for (part.chunk = 0; part.chunk < 6; part.chunk++)
            seal_part_of(boundless, 0, &part, message[0], HALF, sealed[part.chunk]);
        for (part.chunk = 0; part.chunk < 5; part.chunk++) {
            seal_part_of(a, 0, &part, message[0], HALF, refused);
            assert_memory_equal(refused, sealed[part.chunk], sizeof refused);
            accept_part(b, 0, &part, refused, message[0], HALF);
        }
        memset(refused, 0, sizeof refused);
        for (int again = 0; again < 2; again++) {
            ct_assert_status(permk_session_seal(a, 0, &part, message[0], HALF, refused, &diag),
                             PERMK_ELIMIT, &diag);
            ct_assert_contains(diag.text, what == 0 ? "limit of messages" : "limit of blocks");
            for (size_t i = 0; i < sizeof refused; i++)
                assert_int_equal(refused[i], 0);
            // and a receiver, too, keeps to it
            ct_assert_status(
                permk_session_open(b, 0, &part, sealed[5], sizeof sealed[5], refused, HALF, &diag),
                PERMK_ELIMIT, &diag);
        }
        permk_session_destroy(a);
        permk_session_destroy(b);
        permk_session_destroy(boundless);
    }
}

/* 2^36 - 32 bytes are as much as GCM may encrypt under one nonce; looked at before the bytes are.
 */
static void a_part_has_a_greatest_length(void **state)
{
    (void)state;
    unsigned char byte = 0;
    ct_diag diag = {""};
    permk_session_options opt = options(0);
    opt.limits.blocks = UINT64_MAX;
    permk_session *a = create(&opt);
    ct_assert_status(permk_session_seal(a, 0, &whole, &byte, ((size_t)1 << 36) - 31, &byte, &diag),
                     PERMK_ELIMIT, &diag);
    ct_assert_contains(diag.text, "one message");
    permk_session_destroy(a);
}

static void keys_are_wiped_at_the_end(void **state)
{
    (void)state;
    static const unsigned char zeros[32];
    unsigned char sealed[SIZE];
    permk_session *a = member(PERMK_EVERY_SENDER);
    seal(a, 2, sealed);
    accept(a, 2, sealed);
    assert_memory_not_equal(a->secret, zeros, 32);
    permk__session_wipe(a);
    assert_memory_equal(a->secret, zeros, 32);
    assert_memory_equal(a->ownership_key, zeros, 32);
    assert_memory_equal(a->senders[2].salt, zeros, PERMK__SALT_BYTES);
    assert_null(a->senders[2].seal.context);
    assert_null(a->senders[2].open.context);
    permk_session_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_replaced_before_each_limit),
        cmocka_unit_test(the_busiest_sender_decides),
        cmocka_unit_test(nothing_of_an_epoch_outlives_it),
        cmocka_unit_test(parts_of_an_epoch_do_not_verify_in_the_next),
        cmocka_unit_test(what_only_some_have_seen_does_not_count),
        cmocka_unit_test(more_than_an_epoch_allows_is_refused),
        cmocka_unit_test(a_part_has_a_greatest_length),
        cmocka_unit_test(keys_are_wiped_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
