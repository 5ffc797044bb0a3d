// SPDX-License-Identifier: MIT
/* Signed sessions: a member that knows everybody's keys still cannot speak for another. */
#include "session_group.h"

enum { SIGNED = SIZE + PERMK_SIGNATURE_BYTES };

static permk_identity *identity[N];
static permk_roster *roster;

static int make_identities(void **state)
{
    (void)state;
    unsigned char keys[N * PERMK_PUBLIC_KEY_BYTES];
    for (uint32_t i = 0; i < N; i++) {
        ct_assert_ok(permk_identity_generate(&identity[i], NULL), NULL);
        memcpy(keys + (size_t)i * PERMK_PUBLIC_KEY_BYTES, permk_identity_public(identity[i]),
               PERMK_PUBLIC_KEY_BYTES);
    }
    ct_assert_ok(permk_roster_create(&roster, keys, N, NULL), NULL);
    return 0;
}

static int destroy_identities(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < N; i++)
        permk_identity_destroy(identity[i]);
    permk_roster_destroy(roster);
    return 0;
}

static permk_session *signing_member(uint32_t self, permk_cipher cipher)
{
    permk_session_options opt = options(self);
    opt.cipher = cipher;
    opt.identity = identity[self];
    opt.roster = roster;
    return create(&opt);
}

static void refuse_signed(permk_session *s, uint32_t sender, const unsigned char *sealed)
{
    refuse(s, sender, sealed);
    s->senders[sender].failures = 0;
}

static void a_signing_group_understands_itself(void **state)
{
    (void)state;
    for (permk_cipher cipher = PERMK_AES_128_GCM; cipher <= PERMK_PLAINTEXT; cipher++) {
        permk_session *s[N];
        for (uint32_t i = 0; i < N; i++)
            s[i] = signing_member(i, cipher);
        assert_int_equal(permk_session_overhead_bytes(s[0]),
                         permk_cipher_tag_bytes(cipher) + PERMK_SIGNATURE_BYTES);
        for (int round = 0; round < 3; round++) {
            whole_round(s);
            assert_same_view(s);
        }
        destroy_group(s);
    }
}

static void what_is_signed_is_as_documented(void **state)
{
    (void)state;
    unsigned char sealed[SIGNED], digest[32], text[12 + PERMK__AAD_BYTES + SIZE] = "permk 2 part";
    permk_session *a = signing_member(0, PERMK_AES_128_GCM);
    seal(a, 0, sealed);
    memcpy(text + 12, a->aad, PERMK__AAD_BYTES);
    memcpy(text + 12 + PERMK__AAD_BYTES, sealed, SIZE);
    assert_int_equal(EVP_Digest(text, sizeof text, digest, NULL, EVP_sha256(), NULL), 1);
    ct_assert_ok(permk_roster_verify(roster, 0, digest, 32, sealed + SIZE), NULL);
    // and the message's place in the transcript is taken by the hash
    assert_memory_equal(a->senders[0].sealed[PERMK_KIND_BLOCK].digest, digest, 16);
    permk_session_destroy(a);
}

static void every_flipped_bit_of_a_signed_part_is_refused(void **state)
{
    (void)state;
    unsigned char sealed[SIGNED];
    permk_session *a = signing_member(0, PERMK_AES_128_GCM);
    permk_session *b = signing_member(1, PERMK_AES_128_GCM);
    seal(a, 0, sealed);
    for (size_t i = 0; i < SIGNED; i++) {
        for (int bit = 0; bit < 8; bit++) {
            sealed[i] = (unsigned char)(sealed[i] ^ (1 << bit));
            refuse_signed(b, 0, sealed);
            sealed[i] = (unsigned char)(sealed[i] ^ (1 << bit));
        }
    }
    refuse_part(b, 0, &whole, sealed, SIZE, BYTES); // cut off
    b->aad[20] ^= 1;
    refuse_signed(b, 0, sealed);
    b->aad[20] ^= 1;
    accept(b, 0, sealed);
    permk_session_destroy(a);
    permk_session_destroy(b);
}

/* Client 2 has the group's key, so it can seal as client 0; it cannot sign as client 0. */
static void a_member_cannot_speak_for_another(void **state)
{
    (void)state;
    unsigned char forged[SIGNED] = {0}, own[SIGNED], digest[32];
    permk_session *liar = member(PERMK_EVERY_SENDER); // with all keys
    permk_session *c = signing_member(2, PERMK_AES_128_GCM);
    permk_session *b = signing_member(1, PERMK_AES_128_GCM);
    seal(liar, 0, forged);
    refuse_signed(b, 0, forged); // without a signature
    seal(c, 2, own);
    memcpy(forged + SIZE, own + SIZE, PERMK_SIGNATURE_BYTES);
    refuse_signed(b, 0, forged); // with that of another message
    ct_assert_ok(permk__part_digest(liar, digest, forged, SIZE), NULL);
    ct_assert_ok(permk_identity_sign(identity[2], digest, sizeof digest, forged + SIZE), NULL);
    refuse_signed(b, 0, forged); // with its own
    ct_assert_ok(permk_identity_sign(identity[0], digest, sizeof digest, forged + SIZE), NULL);
    accept(b, 0, forged); // only with client 0's
    accept(b, 2, own);
    permk_session_destroy(liar);
    permk_session_destroy(b);
    permk_session_destroy(c);
}

/* The signature alone does not do: the tag must verify, too. */
static void a_signature_does_not_replace_the_tag(void **state)
{
    (void)state;
    unsigned char sealed[SIGNED], digest[32];
    permk_session *a = signing_member(0, PERMK_AES_128_GCM);
    permk_session *b = signing_member(1, PERMK_AES_128_GCM);
    seal(a, 0, sealed);
    sealed[SIZE - 1] ^= 1;
    ct_assert_ok(permk__part_digest(a, digest, sealed, SIZE), NULL);
    ct_assert_ok(permk_identity_sign(identity[0], digest, sizeof digest, sealed + SIZE), NULL);
    refuse_signed(b, 0, sealed);
    permk_session_destroy(a);
    permk_session_destroy(b);
}

static void signed_parts_open_in_place(void **state)
{
    (void)state;
    unsigned char buffer[SIGNED];
    permk_session *a = signing_member(0, PERMK_AES_128_GCM);
    permk_session *b = signing_member(1, PERMK_AES_128_GCM);
    memcpy(buffer, message[0], BYTES);
    seal_part_of(a, 0, &whole, buffer, BYTES, buffer);
    ct_assert_ok(permk_session_open(b, 0, &whole, buffer, SIGNED, buffer, BYTES, NULL), NULL);
    assert_memory_equal(buffer, message[0], BYTES);
    permk_session_destroy(a);
    permk_session_destroy(b);
}

static void signing_needs_the_right_identity(void **state)
{
    (void)state;
    permk_session *s;
    ct_diag diag = {""};
    for (int what = 0; what < 5; what++) {
        permk_session_options opt = options(what == 2 ? PERMK_EVERY_SENDER : 0);
        opt.identity = identity[what == 4 ? 1 : 0]; // another member's
        opt.roster = roster;
        if (what == 0)
            opt.identity = NULL;
        else if (what == 1)
            opt.roster = NULL;
        else if (what == 3)
            opt.clients = N - 1;
        ct_assert_status(permk_session_create(&s, &opt, &diag), CT_EINVALID, &diag);
        assert_null(s);
        ct_assert_contains(diag.text, what == 4 ? "client 0's public key" : "roster");
    }
}

/* Who has the keys but is no member reads along, and can say nothing. */
static void a_signing_group_can_be_observed(void **state)
{
    (void)state;
    permk_session_options opt = options(PERMK_EVERY_SENDER);
    opt.roster = roster;
    permk_session *s[N], *observer = create(&opt);
    unsigned char sealed[N][SIGNED], opened[BYTES];
    ct_diag diag = {""};
    for (uint32_t i = 0; i < N; i++)
        s[i] = signing_member(i, PERMK_AES_128_GCM);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < N; i++)
            seal(s[i], i, sealed[i]);
        sealed[1][SIGNED - 1] ^= 1;
        refuse_signed(observer, 1, sealed[1]);
        sealed[1][SIGNED - 1] ^= 1;
        for (uint32_t from = 0; from < N; from++) {
            ct_assert_ok(permk_session_open(observer, from, &whole, sealed[from], SIGNED, opened,
                                            BYTES, &diag),
                         &diag);
            assert_memory_equal(opened, message[from], BYTES);
            for (uint32_t to = 0; to < N; to++)
                if (to != from)
                    ct_assert_ok(permk_session_open(s[to], from, &whole, sealed[from], SIGNED,
                                                    opened, BYTES, &diag),
                                 &diag);
        }
        ct_assert_ok(permk_session_end_round(observer, &diag), &diag);
        for (uint32_t i = 0; i < N; i++)
            ct_assert_ok(permk_session_end_round(s[i], &diag), &diag);
        assert_memory_equal(permk_session_transcript(observer), permk_session_transcript(s[0]), 32);
    }
    ct_assert_status(permk_session_seal(observer, 0, &whole, message[0], BYTES, sealed[0], &diag),
                     CT_EINVALID, &diag);
    permk_session_destroy(observer);
    destroy_group(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signing_group_understands_itself),
        cmocka_unit_test(what_is_signed_is_as_documented),
        cmocka_unit_test(every_flipped_bit_of_a_signed_part_is_refused),
        cmocka_unit_test(a_member_cannot_speak_for_another),
        cmocka_unit_test(a_signature_does_not_replace_the_tag),
        cmocka_unit_test(signed_parts_open_in_place),
        cmocka_unit_test(signing_needs_the_right_identity),
        cmocka_unit_test(a_signing_group_can_be_observed),
    };
    return cmocka_run_group_tests(tests, make_identities, destroy_identities);
}
