// SPDX-License-Identifier: MIT
/* Sealed messages: what a group needs works, and whatever a scripted server or network may try is
 * refused. Epochs are in test_session_epochs.c, bytes in test_session_format.c, signatures in
 * test_session_signed.c. */
#include "session_group.h"

static void a_group_understands_itself(void **state)
{
    (void)state;
    permk_session *s[N];
    permk_limits limits = permk_limits_default();
    unsigned char before[32] = {0};
    create_group(s, &limits);
    for (int round = 0; round < 5; round++) {
        whole_round(s);
        assert_same_view(s);
        assert_memory_not_equal(permk_session_transcript(s[0]), before, 32);
        memcpy(before, permk_session_transcript(s[0]), 32);
    }
    assert_int_equal(permk_session_round(s[0]), 5);
    assert_int_equal(permk_session_epoch(s[0]), 0);
    destroy_group(s);
}

static void equal_messages_look_different_every_round(void **state)
{
    (void)state;
    unsigned char first[SIZE], second[SIZE];
    permk_session *a = member(0);
    seal(a, 0, first);
    end_round(a);
    seal(a, 0, second);
    for (size_t i = 0; i + 4 <= SIZE; i += 4)
        assert_memory_not_equal(first + i, second + i, 4);
    permk_session_destroy(a);
}

/* Blocks and measures in one round, in chunks, each cipher, sealed and opened where they lie. */
static void kinds_and_chunks_in_place(void **state)
{
    (void)state;
    for (permk_cipher cipher = PERMK_AES_128_GCM; cipher <= PERMK_PLAINTEXT; cipher++) {
        permk_session_options opt = options(0), other = options(1);
        opt.cipher = other.cipher = cipher;
        other.key = opt.key = cipher == PERMK_PLAINTEXT ? NULL : other.key;
        permk_session *a = create(&opt), *b = create(&other);
        size_t extra = permk_cipher_tag_bytes(cipher);
        assert_int_equal(permk_session_overhead_bytes(a), extra);
        for (permk_kind kind = PERMK_KIND_BLOCK; kind < PERMK_KINDS; kind++) {
            for (int h = 0; h < 2; h++) {
                unsigned char buffer[HALF + TAG];
                permk_part part = halves[h];
                part.kind = kind;
                const char *plain = (const char *)message[0] + h * HALF;
                memcpy(buffer, plain, HALF);
                assert_false(permk_session_complete(b, 0, kind));
                seal_part_of(a, 0, &part, buffer, HALF, buffer);
                if (cipher != PERMK_PLAINTEXT)
                    assert_memory_not_equal(buffer, plain, HALF);
                ct_assert_ok(
                    permk_session_open(b, 0, &part, buffer, HALF + extra, buffer, HALF, NULL),
                    NULL);
                assert_memory_equal(buffer, plain, HALF);
            }
            assert_true(permk_session_complete(a, 0, kind));
            assert_true(permk_session_complete(b, 0, kind));
            assert_false(permk_session_complete(b, 2, kind));
        }
        end_round(a);
        end_round(b);
        assert_memory_equal(permk_session_transcript(a), permk_session_transcript(b), 32);
        permk_session_destroy(a);
        permk_session_destroy(b);
    }
}

static void a_simulation_is_the_group(void **state)
{
    (void)state;
    permk_session *s[N], *all = member(PERMK_EVERY_SENDER);
    permk_limits limits = permk_limits_default();
    create_group(s, &limits);
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < N; i++) {
            unsigned char sealed[SIZE];
            seal(all, i, sealed);
            assert_false(permk_session_complete(all, i, PERMK_KIND_BLOCK));
            accept(all, i, sealed);
            assert_true(permk_session_complete(all, i, PERMK_KIND_BLOCK));
        }
        end_round(all);
        whole_round(s);
        assert_memory_equal(permk_session_transcript(all), permk_session_transcript(s[0]), 32);
    }
    permk_session_destroy(all);
    destroy_group(s);
}

static void every_flipped_bit_is_refused(void **state)
{
    (void)state;
    unsigned char sealed[SIZE];
    permk_session *a = member(0), *b = member(1);
    seal(a, 0, sealed);
    for (size_t i = 0; i < SIZE; i++) {
        for (int bit = 0; bit < 8; bit++) {
            sealed[i] = (unsigned char)(sealed[i] ^ (1 << bit));
            refuse(b, 0, sealed);
            sealed[i] = (unsigned char)(sealed[i] ^ (1 << bit));
            b->senders[0].failures = 0; // or nothing more would be looked at
        }
    }
    accept(b, 0, sealed); // and all that changed nothing
    permk_session_destroy(a);
    permk_session_destroy(b);
}

static void another_length_is_refused(void **state)
{
    (void)state;
    unsigned char sealed[SIZE + 8] = {0};
    permk_session *a = member(0), *b = member(1);
    seal(a, 0, sealed);
    for (size_t size = 0; size < SIZE; size++) { // cut, down to nothing
        refuse_part(b, 0, &whole, sealed, size, BYTES);
        if (size >= TAG) // and believed to be so short
            refuse_part(b, 0, &whole, sealed, size, size - TAG);
        b->senders[0].failures = 0;
    }
    for (size_t size = SIZE + 1; size <= SIZE + 8; size++) {
        refuse_part(b, 0, &whole, sealed, size, BYTES);
        refuse_part(b, 0, &whole, sealed, size, size - TAG);
        b->senders[0].failures = 0;
    }
    accept(b, 0, sealed);
    permk_session_destroy(a);
    permk_session_destroy(b);
}

/* The receiver expects something else than what was sealed: nothing of it is on the wire. */
static void another_meaning_is_refused(void **state)
{
    (void)state;
    unsigned char sealed[SIZE];
    permk_session *a = member(0), *b = member(1);
    seal(a, 0, sealed);
    permk_part part = whole;
    part.kind = PERMK_KIND_STOP;
    refuse_part(b, 0, &part, sealed, SIZE, BYTES);
    part = whole;
    part.last = false;
    refuse_part(b, 0, &part, sealed, SIZE, BYTES);
    part = whole;
    part.value = PERMK_VALUE_F32;
    refuse_part(b, 0, &part, sealed, SIZE, BYTES);
    part = whole;
    part.count = COUNT + 1;
    refuse_part(b, 0, &part, sealed, SIZE, BYTES);
    refuse(b, 2, sealed); // another sender
    refuse(b, 1, sealed); // our own, sent back
    refuse(b, N, sealed); // nobody
    accept(b, 0, sealed);
    permk_session_destroy(a);
    permk_session_destroy(b);
}

static void chunks_come_once_and_in_order(void **state)
{
    (void)state;
    unsigned char sealed[2][HALF + TAG];
    const size_t size = HALF + TAG;
    permk_session *a = member(0), *b = member(1);
    for (int h = 0; h < 2; h++)
        seal_part_of(a, 0, &halves[h], (const char *)message[0] + h * HALF, HALF, sealed[h]);
    refuse_part(b, 0, &halves[1], sealed[1], size, HALF); // before the first
    refuse_part(b, 0, &halves[0], sealed[1], size, HALF); // in the place of the first
    accept_part(b, 0, &halves[0], sealed[0], message[0], HALF);
    refuse_part(b, 0, &halves[0], sealed[0], size, HALF); // twice
    refuse_part(b, 0, &halves[1], sealed[0], size, HALF); // twice, as the second
    permk_part skipped = halves[1];
    skipped.chunk = 2;
    refuse_part(b, 0, &skipped, sealed[1], size, HALF);
    assert_false(permk_session_complete(b, 0, PERMK_KIND_BLOCK));
    accept_part(b, 0, &halves[1], sealed[1], message[0] + 2, HALF);
    assert_true(permk_session_complete(b, 0, PERMK_KIND_BLOCK));
    refuse_part(b, 0, &halves[1], sealed[1], size, HALF);
    skipped.chunk = 2;
    refuse_part(b, 0, &skipped, sealed[1], size, HALF); // after the last
    permk_session_destroy(a);
    permk_session_destroy(b);
}

/* Where nothing is authenticated, order is all there is. */
static void nothing_follows_the_last_chunk(void **state)
{
    (void)state;
    permk_session_options opt = options(1);
    opt.cipher = PERMK_AES_128_CTR;
    permk_session *b = create(&opt);
    unsigned char any[HALF] = {0}, plain[HALF];
    for (int h = 0; h < 2; h++)
        ct_assert_ok(permk_session_open(b, 0, &halves[h], any, HALF, plain, HALF, NULL), NULL);
    permk_part third = halves[1];
    third.chunk = 2;
    refuse_part(b, 0, &third, any, HALF, HALF);
    refuse_part(b, 0, &halves[0], any, HALF, HALF);
    permk_session_destroy(b);
}

/* Without its last chunk a message does not count: it is as if none had come. */
static void a_message_without_its_end_is_absent(void **state)
{
    (void)state;
    unsigned char sealed[HALF + TAG];
    permk_session *a = member(0), *b = member(1), *c = member(2);
    seal_part_of(a, 0, &halves[0], message[0], HALF, sealed);
    accept_part(b, 0, &halves[0], sealed, message[0], HALF);
    end_round(a);
    end_round(b); // has half
    end_round(c); // has nothing
    assert_memory_equal(permk_session_transcript(a), permk_session_transcript(b), 32);
    assert_memory_equal(permk_session_transcript(a), permk_session_transcript(c), 32);
    refuse_part(b, 0, &halves[0], sealed, sizeof sealed, HALF); // nor does it come later
    unsigned char again[SIZE];
    seal(a, 0, again);
    accept(b, 0, again);
    accept(c, 0, again);
    permk_session_destroy(a);
    permk_session_destroy(b);
    permk_session_destroy(c);
}

static void replay_and_delay_are_refused(void **state)
{
    (void)state;
    unsigned char first[SIZE], second[SIZE], own[SIZE];
    permk_session *a = member(0), *b = member(1), *late = member(2);
    seal(a, 0, first);
    accept(b, 0, first);
    refuse(b, 0, first); // twice in its round
    seal(b, 1, own);
    accept(a, 1, own);
    end_round(a);
    end_round(b);
    refuse(b, 0, first); // a round later
    seal(a, 0, second);
    refuse(late, 0, second); // a round early
    accept(b, 0, second);
    permk_session_destroy(a);
    permk_session_destroy(b);
    permk_session_destroy(late);
}

/* The server shows client 1 another set of messages than client 0: round 1 does not verify. */
static void a_split_view_is_noticed_in_the_next_round(void **state)
{
    (void)state;
    for (int what = 0; what < 2; what++) {
        unsigned char sealed[N][SIZE], half[HALF + TAG];
        permk_session *s[N];
        permk_limits limits = permk_limits_default();
        create_group(s, &limits);
        seal(s[0], 0, sealed[0]);
        seal(s[1], 1, sealed[1]);
        accept(s[0], 1, sealed[1]);
        accept(s[1], 0, sealed[0]);
        seal_part_of(s[2], 2, &halves[0], message[2], HALF, half);
        accept_part(s[0], 2, &halves[0], half, message[2], HALF);
        if (what == 1) // else client 2's block is kept from client 1 altogether, here its end
            accept_part(s[1], 2, &halves[0], half, message[2], HALF);
        seal_part_of(s[2], 2, &halves[1], message[2] + 2, HALF, half);
        accept_part(s[0], 2, &halves[1], half, message[2] + 2, HALF);
        end_round(s[0]);
        end_round(s[1]);
        seal(s[0], 0, sealed[0]);
        seal(s[1], 1, sealed[1]);
        refuse(s[1], 0, sealed[0]);
        refuse(s[0], 1, sealed[1]);
        destroy_group(s);
    }
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
        refuse(b, 0, sealed);
        permk_session_destroy(b);
    }
    permk_key_destroy(key);
    permk_session_destroy(a);
}

static void a_nonce_is_spent_by_one_part(void **state)
{
    (void)state;
    unsigned char sealed[SIZE];
    permk_session *a = member(0);
    permk_part first = halves[0], stop = whole;
    ct_assert_status(permk_session_seal(a, 0, &halves[1], message[0], HALF, sealed, NULL),
                     CT_EINVALID, NULL); // not with the second
    seal_part_of(a, 0, &first, message[0], HALF, sealed);
    ct_assert_status(permk_session_seal(a, 0, &first, message[0], HALF, sealed, NULL), CT_EINVALID,
                     NULL);
    ct_assert_status(permk_session_seal(a, 0, &whole, message[0], BYTES, sealed, NULL), CT_EINVALID,
                     NULL); // nor as another message of the kind
    seal_part_of(a, 0, &halves[1], message[0] + 2, HALF, sealed);
    first.chunk = 2;
    ct_assert_status(permk_session_seal(a, 0, &first, message[0], HALF, sealed, NULL), CT_EINVALID,
                     NULL); // the message is over
    ct_assert_status(permk_session_seal(a, 1, &whole, message[0], BYTES, sealed, NULL), CT_EINVALID,
                     NULL); // nor for another client
    ct_assert_status(permk_session_seal(a, N, &whole, message[0], BYTES, sealed, NULL), CT_EINVALID,
                     NULL);
    stop.kind = PERMK_KIND_STOP; // but another kind has other nonces
    seal_part_of(a, 0, &stop, message[0], BYTES, sealed);
    permk_session_destroy(a);
}

/* Where encryption fails nobody knows how far it came: its nonce is not used again, and the message
 * remains incomplete. */
static void a_failed_part_is_not_sealed_again(void **state)
{
    (void)state;
    unsigned char sealed[SIZE];
    permk_session_options opt = options(0);
    opt.cipher = PERMK_AES_128_CTR; // of OpenSSL on every machine
    permk_session *a = create(&opt);
    seal_part_of(a, 0, &halves[0], message[0], HALF, sealed);
    EVP_CIPHER_CTX *good = a->senders[0].seal.context;
    a->senders[0].seal.context = EVP_CIPHER_CTX_new(); // without a key
    ct_assert_status(permk_session_seal(a, 0, &halves[1], message[0], HALF, sealed, NULL),
                     PERMK_ECRYPTO, NULL);
    EVP_CIPHER_CTX_free(a->senders[0].seal.context);
    a->senders[0].seal.context = good;
    for (uint32_t chunk = 0; chunk < 4; chunk++) {
        permk_part part = halves[1];
        part.chunk = chunk;
        ct_assert_status(permk_session_seal(a, 0, &part, message[0], HALF, sealed, NULL),
                         CT_EINVALID, NULL);
    }
    assert_false(permk_session_complete(a, 0, PERMK_KIND_BLOCK));
    permk_session_destroy(a);
}

static void impossible_parts_are_refused(void **state)
{
    (void)state;
    unsigned char sealed[SIZE] = {0}, plain[BYTES];
    permk_session *all = member(PERMK_EVERY_SENDER);
    for (int what = 0; what < 5; what++) {
        permk_part part = whole;
        if (what == 0)
            part.kind = (permk_kind)0;
        else if (what == 1)
            part.kind = PERMK_KINDS;
        else if (what == 2)
            part.chunk = (uint32_t)1 << 28; // would run into the kind
        else if (what == 3)
            part.value = (permk_value)0;
        else
            part.value = (permk_value)257; // must not pass for 1
        all->senders[0].sealed[PERMK_KIND_BLOCK].chunks = part.chunk;
        all->senders[0].opened[PERMK_KIND_BLOCK].chunks = part.chunk;
        ct_assert_status(permk_session_seal(all, 0, &part, message[0], BYTES, sealed, NULL),
                         CT_EINVALID, NULL);
        ct_assert_status(permk_session_open(all, 0, &part, sealed, SIZE, plain, BYTES, NULL),
                         CT_EINVALID, NULL);
    }
    assert_int_equal(all->senders[0].failures, 0);
    permk_session_destroy(all);
}

static void a_forger_is_not_heard_for_ever(void **state)
{
    (void)state;
    unsigned char sealed[SIZE], forged[SIZE] = {0};
    permk_session *a = member(0), *b = member(1);
    seal(a, 0, sealed);
    for (int i = 0; i < 8; i++)
        refuse(b, 0, forged);
    refuse(b, 0, sealed); // nothing more of it is looked at
    permk_session *c = member(2);
    seal(c, 2, sealed);
    accept(b, 2, sealed); // of others, it is
    permk_session_destroy(a);
    permk_session_destroy(b);
    permk_session_destroy(c);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    permk_session *s;
    ct_diag diag = {""};
    for (int what = 0; what < 9; what++) {
        permk_session_options opt = options(what == 1 ? N : 0);
        if (what == 0)
            opt.key = NULL;
        else if (what == 2)
            opt.clients = 0;
        else if (what == 3)
            opt.nonces = NULL;
        else if (what == 4)
            opt.cipher = (permk_cipher)9;
        else if (what == 5)
            opt.dimension = 0;
        else if (what == 6)
            opt.limits.messages = 0;
        else if (what == 7)
            opt.limits.rounds = 0;
        else if (what == 8)
            opt.limits.blocks = 0;
        ct_assert_status(permk_session_create(&s, &opt, &diag), CT_EINVALID, &diag);
        assert_null(s);
        assert_true(diag.text[0] != '\0');
    }
}

/* Two rounds of two members, each in an epoch of its own. */
static ct_status try_everything(const permk_session_options opt[2])
{
    unsigned char sealed[SIZE], plain[BYTES];
    permk_session *a = NULL, *b = NULL;
    ct_status status = permk_session_create(&a, &opt[0], NULL);
    if (status == CT_OK)
        status = permk_session_create(&b, &opt[1], NULL);
    for (int round = 0; round < 2 && status == CT_OK; round++) {
        status = permk_session_seal(a, 0, &whole, message[0], BYTES, sealed, NULL);
        if (status == CT_OK)
            status = permk_session_open(b, 0, &whole, sealed, SIZE, plain, BYTES, NULL);
        if (status == CT_OK)
            status = permk_session_end_round(a, NULL);
        if (status == CT_OK)
            status = permk_session_end_round(b, NULL);
    }
    permk_session_destroy(a);
    permk_session_destroy(b);
    return status;
}

static void out_of_memory_is_survived(void **state)
{
    (void)state;
    permk_session_options opt[2] = {options(0), options(1)};
    opt[0].key = opt[1].key;
    opt[0].limits.rounds = opt[1].limits.rounds = 1;
    for (unsigned long k = 1; k < 5000; k++) {
        ct_test_fail_allocation(k);
        ct_status status = try_everything(opt);
        if (!ct_test_fail_allocation(0)) {
            assert_int_equal(status, CT_OK);
            return;
        }
        // OpenSSL does not always say that it was memory it lacked, or does without
        assert_true(status == CT_ENOMEM || status == PERMK_ECRYPTO || status == CT_OK);
    }
    fail_msg("never succeeded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_understands_itself),
        cmocka_unit_test(equal_messages_look_different_every_round),
        cmocka_unit_test(kinds_and_chunks_in_place),
        cmocka_unit_test(a_simulation_is_the_group),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(another_length_is_refused),
        cmocka_unit_test(another_meaning_is_refused),
        cmocka_unit_test(chunks_come_once_and_in_order),
        cmocka_unit_test(nothing_follows_the_last_chunk),
        cmocka_unit_test(a_message_without_its_end_is_absent),
        cmocka_unit_test(replay_and_delay_are_refused),
        cmocka_unit_test(a_split_view_is_noticed_in_the_next_round),
        cmocka_unit_test(other_sessions_are_refused),
        cmocka_unit_test(a_nonce_is_spent_by_one_part),
        cmocka_unit_test(a_failed_part_is_not_sealed_again),
        cmocka_unit_test(impossible_parts_are_refused),
        cmocka_unit_test(a_forger_is_not_heard_for_ever),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(out_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
