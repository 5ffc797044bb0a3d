// SPDX-License-Identifier: MIT
/* Identities, rosters and key agreement: published vectors (a few in this file, all of Wycheproof's
 * where they are at hand), the rules of the files, and everything that must be refused. */
#include "ct_test.h"

#include "identity_private.h"
#include "key_private.h"
#include "vectors.h"

#include <openssl/err.h>
#include <sys/stat.h>
#include <unistd.h>

/* RFC 8032, 7.1, TEST 1 to 3. */
static const struct {
    const char *secret, *public_key, *message, *signature;
} rfc8032[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
     "b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
     "1d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984d"
     "c6594a7c15e9716ed28dc027beceea1ec40a"}};

static permk_identity *published_identity(size_t i)
{
    unsigned char secret[32];
    permk_identity *identity;
    ct_diag diag = {""};
    unhex(secret, rfc8032[i].secret, 64);
    ct_assert_ok(permk__identity_from_secret(&identity, secret, &diag), &diag);
    return identity;
}

static permk_roster *published_roster(uint32_t n)
{
    unsigned char keys[3 * PERMK_PUBLIC_KEY_BYTES];
    permk_roster *roster;
    ct_diag diag = {""};
    for (uint32_t i = 0; i < n; i++)
        unhex(keys + (size_t)i * PERMK_PUBLIC_KEY_BYTES, rfc8032[i].public_key, 64);
    ct_assert_ok(permk_roster_create(&roster, keys, n, &diag), &diag);
    return roster;
}

/* ---- Signatures ---- */

static void signatures_published_cases(void **state)
{
    (void)state;
    permk_roster *roster = published_roster(3);
    for (uint32_t i = 0; i < 3; i++) {
        unsigned char public_key[32], message[2], expected[64], signature[64];
        size_t size = unhex(message, rfc8032[i].message, strlen(rfc8032[i].message));
        unhex(public_key, rfc8032[i].public_key, 64);
        unhex(expected, rfc8032[i].signature, 128);
        permk_identity *identity = published_identity(i);
        assert_memory_equal(permk_identity_public(identity), public_key, 32);
        ct_assert_ok(permk_identity_sign(identity, message, size, signature), NULL);
        assert_memory_equal(signature, expected, 64);
        ct_assert_ok(permk_roster_verify(roster, i, message, size, signature), NULL);
        permk_identity_destroy(identity);
    }
    permk_roster_destroy(roster);
}

static void signatures_wycheproof(void **state)
{
    (void)state;
    json_document doc;
    if (!json_open(&doc, "ed25519_test.json"))
        skip();
    json_parse(&doc);
    size_t groups = json_get(&doc, 0, "testGroups"), tried = 0, other_length = 0;
    for (size_t g = groups + 1; g < doc.tokens[groups].end; g = doc.tokens[g].end) {
        size_t key_size, tests = json_get(&doc, g, "tests");
        unsigned char *key = json_bytes(&doc, json_get(&doc, g, "publicKey"), "pk", &key_size);
        permk_roster *roster;
        assert_int_equal(key_size, PERMK_PUBLIC_KEY_BYTES);
        ct_assert_ok(permk_roster_create(&roster, key, 1, NULL), NULL);
        for (size_t t = tests + 1; t < doc.tokens[tests].end; t = doc.tokens[t].end) {
            size_t size, signature_size;
            unsigned char *message = json_bytes(&doc, t, "msg", &size);
            unsigned char *signature = json_bytes(&doc, t, "sig", &signature_size);
            bool valid = json_is(&doc, t, "result", "valid");
            if (signature_size == PERMK_SIGNATURE_BYTES)
                ct_assert_status(permk_roster_verify(roster, 0, message, size, signature),
                                 valid ? CT_OK : PERMK_EAUTH, NULL);
            else // our interface cannot even express it
                assert_false(valid);
            other_length += signature_size != PERMK_SIGNATURE_BYTES;
            tried++;
            free(message);
            free(signature);
        }
        permk_roster_destroy(roster);
        free(key);
    }
    json_close(&doc);
    print_message("Wycheproof Ed25519: %zu cases, of them %zu of another length\n", tried,
                  other_length);
    assert_int_equal(tried, 151);
}

static void another_signer_or_message_is_refused(void **state)
{
    (void)state;
    permk_roster *roster = published_roster(3);
    permk_identity *identity = published_identity(1);
    unsigned char message[] = "round 7, chunk 0", signature[64];
    const size_t size = sizeof message;
    ct_assert_ok(permk_identity_sign(identity, message, size, signature), NULL);
    ct_assert_ok(permk_roster_verify(roster, 1, message, size, signature), NULL);
    ct_assert_status(permk_roster_verify(roster, 0, message, size, signature), PERMK_EAUTH, NULL);
    ct_assert_status(permk_roster_verify(roster, 3, message, size, signature), PERMK_EAUTH, NULL);
    ct_assert_status(permk_roster_verify(roster, 1, message, size - 1, signature), PERMK_EAUTH,
                     NULL);
    for (size_t i = 0; i < 8 * sizeof signature; i++) {
        signature[i / 8] ^= (unsigned char)(1 << i % 8);
        ct_assert_status(permk_roster_verify(roster, 1, message, size, signature), PERMK_EAUTH,
                         NULL);
        signature[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    for (size_t i = 0; i < 8 * size; i++) {
        message[i / 8] ^= (unsigned char)(1 << i % 8);
        ct_assert_status(permk_roster_verify(roster, 1, message, size, signature), PERMK_EAUTH,
                         NULL);
        message[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    permk_identity_destroy(identity);
    permk_roster_destroy(roster);
}

/* ---- The identity file ---- */

static const char example_text[] =
    "permk-identity 1\n"
    "public d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\n"
    "secret 9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n"
    "check ccc54728fb0f6726\n";

static void written_files_read_back(void **state)
{
    (void)state;
    permk_identity *identity = published_identity(0), *back;
    ct_diag diag = {""};
    char *path = ct_test_path("a.identity"), text[300];
    ct_assert_ok(permk_identity_write(identity, path, &diag), &diag);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    FILE *file = fopen(path, "r");
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(text, example_text);
    ct_assert_ok(permk_identity_read(&back, path, &diag), &diag);
    assert_memory_equal(permk_identity_public(back), permk_identity_public(identity), 32);
    ct_assert_status(permk_identity_write(identity, path, &diag), PERMK_EKEY, &diag);
    ct_assert_contains(diag.text, "an identity file is never overwritten");
    permk_identity_destroy(identity);
    permk_identity_destroy(back);
    free(path);
}

static void loose_modes_are_refused(void **state)
{
    (void)state;
    permk_identity *identity;
    ct_diag diag = {""};
    char *path = ct_test_file("mode.identity", example_text);
    const mode_t loose[] = {0640, 0604, 0660, 0644, 0700, 0620, 0601};
    for (size_t i = 0; i < sizeof loose / sizeof *loose; i++) {
        assert_int_equal(chmod(path, loose[i]), 0);
        ct_assert_status(permk_identity_read(&identity, path, &diag), PERMK_EKEY, &diag);
        ct_assert_contains(diag.text, "chmod 600");
        assert_null(identity);
    }
    assert_int_equal(chmod(path, 0400), 0); // read-only is as good
    ct_assert_ok(permk_identity_read(&identity, path, &diag), &diag);
    permk_identity_destroy(identity);
    free(path);
}

static void refused_text(const char *text, size_t size, const char *why)
{
    permk_identity *identity;
    ct_diag diag = {""};
    ct_assert_status(permk_identity_parse(&identity, text, size, "x", &diag), PERMK_EKEY, &diag);
    assert_null(identity);
    ct_assert_contains(diag.text, why);
    assert_null(strstr(diag.text, "9d61b1")); // no text gives the secret away
}

static void every_damage_is_refused(void **state)
{
    (void)state;
    const size_t size = sizeof example_text - 1;
    char bad[sizeof example_text + 1];
    permk_identity *identity;
    ct_assert_ok(permk_identity_parse(&identity, example_text, size, "x", NULL), NULL);
    permk_identity_destroy(identity);
    for (size_t i = 0; i < 8 * size; i++) {
        memcpy(bad, example_text, size);
        bad[i / 8] = (char)(bad[i / 8] ^ (1 << i % 8));
        refused_text(bad, size, "x");
    }
    for (size_t n = 0; n < size; n++)
        refused_text(example_text, n, "x");
    memcpy(bad, example_text, size);
    bad[size] = '\n';
    refused_text(bad, size + 1, "cut or altered");
    memcpy(bad, "permk-identity 2", 16);
    refused_text(bad, size, "an identity file of another version");
    refused_text("permk-key 1\n", 12, "not an identity file (make one with: permk-train identity)");
}

/* A right checksum over halves that do not belong together. */
static void a_foreign_public_half_is_refused(void **state)
{
    (void)state;
    static const char text[] =
        "permk-identity 1\n"
        "public 3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c\n"
        "secret 9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n"
        "check c970b3703116e429\n";
    refused_text(text, sizeof text - 1, "altered");
}

static void missing_files_are_named(void **state)
{
    (void)state;
    permk_identity *identity;
    permk_roster *roster;
    ct_diag diag = {""};
    char *path = ct_test_path("missing");
    ct_assert_status(permk_identity_read(&identity, path, &diag), CT_ENOTFOUND, &diag);
    ct_assert_contains(diag.text, path);
    ct_assert_status(permk_identity_read(&identity, "/", &diag), PERMK_EKEY, &diag);
    ct_assert_status(permk_roster_read(&roster, path, &diag), CT_ENOTFOUND, &diag);
    ct_assert_contains(diag.text, path);
    free(path);
}

static void new_identities_differ(void **state)
{
    (void)state;
    permk_identity *a, *b;
    ct_assert_ok(permk_identity_generate(&a, NULL), NULL);
    ct_assert_ok(permk_identity_generate(&b, NULL), NULL);
    assert_memory_not_equal(permk_identity_public(a), permk_identity_public(b), 32);
    permk_identity_destroy(a);
    permk_identity_destroy(b);
}

/* ---- Rosters ---- */

#define KEY_A "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define KEY_B "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"

static void a_roster_is_read(void **state)
{
    (void)state;
    char *path = ct_test_file("roster", "# who takes part\n" KEY_A " Hôpital A\n\n" KEY_B);
    permk_roster *roster;
    ct_diag diag = {""};
    unsigned char key[32];
    char fingerprint[17];
    ct_assert_ok(permk_roster_read(&roster, path, &diag), &diag);
    assert_int_equal(permk_roster_members(roster), 2);
    unhex(key, KEY_A, 64);
    assert_memory_equal(permk_roster_key(roster, 0), key, 32);
    unhex(key, KEY_B, 64);
    assert_memory_equal(permk_roster_key(roster, 1), key, 32);
    permk_roster_fingerprint(roster, fingerprint);
    assert_string_equal(fingerprint, "9cce069eaea1f1ad"); // of SHA-256(A || B)
    permk_roster_destroy(roster);
    free(path);
}

/* Keys that are none: of the 2^255 encodings about half are no point at all; eight points have a
 * small order (0100… is the neutral element); some numbers are not below p. */
static void faults_of_a_roster_are_told_by_line(void **state)
{
    (void)state;
    static const char no_point[] = "not an Ed25519 public key", small[] = "small order";
    const struct {
        const char *text, *line, *why;
    } faults[] = {
        {"", "r: ", "no public key in it"},
        {"# nobody\n\n", "r: ", "no public key in it"},
        {KEY_A "\nabc\n", "r:2: ", "64 digits"},
        {KEY_A "\n" KEY_B "0\n", "r:2: ", "not 64 digits long"},
        {KEY_A "\tname\n", "r:1: ", "no space follows"},
        {" " KEY_A "\n", "r:1: ", "64 digits"},
        {"D75A980182B10AB7D54BFED3C964073A0EE172F3DAA62325AF021A68F707511A", "r:1: ", "0-9a-f"},
        {"# a\n\n" KEY_A "\n# b\n" KEY_B "\n" KEY_A " again\n",
         "r:6: ", "the same key as in line 3"},
        {KEY_A "\n" KEY_A, "r:2: ", "the same key as in line 1"},
        {"0200000000000000000000000000000000000000000000000000000000000000", "r:1: ", no_point},
        {"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "r:1: ", no_point},
        {"f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "r:1: ", no_point},
        {"0000000000000000000000000000000000000000000000000000000000000000", "r:1: ", small},
        {"0000000000000000000000000000000000000000000000000000000000000080", "r:1: ", small},
        {"0100000000000000000000000000000000000000000000000000000000000000", "r:1: ", small},
        {"0100000000000000000000000000000000000000000000000000000000000080", "r:1: ", small},
        {"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "r:1: ", small},
        {"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "r:1: ", small},
        {"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", "r:1: ", small},
        {"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "r:1: ", small},
        {"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", "r:1: ", small},
        {KEY_A "\n" KEY_B "\n" /* y = 3: a point, and of large order */
               "0300000000000000000000000000000000000000000000000000000000000000\n0\n",
         "r:4: ", "64 digits"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        permk_roster *roster;
        ct_diag diag = {""};
        ct_assert_status(
            permk_roster_parse(&roster, faults[i].text, strlen(faults[i].text), "r", &diag),
            PERMK_EKEY, &diag);
        assert_null(roster);
        ct_assert_contains(diag.text, faults[i].why);
        assert_int_equal(strncmp(diag.text, faults[i].line, strlen(faults[i].line)), 0);
    }
}

static void faults_of_keys_are_told_by_member(void **state)
{
    (void)state;
    permk_roster *roster;
    ct_diag diag = {""};
    unsigned char keys[96] = {0};
    unhex(keys, KEY_A, 64);
    unhex(keys + 32, KEY_B, 64);
    ct_assert_status(permk_roster_create(&roster, keys, 3, &diag), PERMK_EKEY, &diag);
    ct_assert_contains(diag.text, "member 2: a point of small order");
    unhex(keys + 64, KEY_B, 64);
    ct_assert_status(permk_roster_create(&roster, keys, 3, &diag), PERMK_EKEY, &diag);
    ct_assert_contains(diag.text, "member 2: the same key as in member 1");
    ct_assert_status(permk_roster_create(&roster, keys, 0, &diag), PERMK_EKEY, &diag);
    assert_null(roster);
}

/* Every key that is made is one a roster takes. */
static void made_keys_are_taken(void **state)
{
    (void)state;
    enum { N = 64 };
    unsigned char keys[N * PERMK_PUBLIC_KEY_BYTES];
    permk_roster *roster;
    ct_diag diag = {""};
    for (size_t i = 0; i < N; i++) {
        permk_identity *identity;
        ct_assert_ok(permk_identity_generate(&identity, &diag), &diag);
        memcpy(keys + i * PERMK_PUBLIC_KEY_BYTES, permk_identity_public(identity),
               PERMK_PUBLIC_KEY_BYTES);
        permk_identity_destroy(identity);
    }
    ct_assert_ok(permk_roster_create(&roster, keys, N, &diag), &diag);
    permk_roster_destroy(roster);
}

/* ---- X25519 ---- */

static ct_status exchange(const unsigned char *secret, const unsigned char *theirs,
                          unsigned char shared[32])
{
    permk_agreement *agreement;
    ct_assert_ok(permk__agreement_from_secret(&agreement, secret, NULL), NULL);
    ct_status status = permk__agreement_shared(agreement, theirs, shared);
    permk_agreement_destroy(agreement);
    return status;
}

#define ALICE        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
#define ALICE_PUBLIC "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
#define BOB          "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
#define BOB_PUBLIC   "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"

static void x25519_published_cases(void **state) // RFC 7748, 5.2 and 6.1
{
    (void)state;
    const struct {
        const char *secret, *theirs, *shared;
    } cases[] = {
        {"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
         "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
         "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
        {"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
         "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
         "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
        {ALICE, BOB_PUBLIC, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
        {BOB, ALICE_PUBLIC, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"}};
    unsigned char secret[32], theirs[32], expected[32], shared[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unhex(secret, cases[i].secret, 64);
        unhex(theirs, cases[i].theirs, 64);
        unhex(expected, cases[i].shared, 64);
        ct_assert_ok(exchange(secret, theirs, shared), NULL);
        assert_memory_equal(shared, expected, 32);
    }
    permk_agreement *alice;
    unhex(secret, ALICE, 64);
    unhex(expected, ALICE_PUBLIC, 64);
    ct_assert_ok(permk__agreement_from_secret(&alice, secret, NULL), NULL);
    assert_memory_equal(permk_agreement_public(alice), expected, 32);
    permk_agreement_destroy(alice);
}

static void x25519_wycheproof(void **state)
{
    (void)state;
    json_document doc;
    if (!json_open(&doc, "x25519_test.json"))
        skip();
    json_parse(&doc);
    static const unsigned char zeros[32];
    size_t groups = json_get(&doc, 0, "testGroups"), tried = 0, refused = 0;
    for (size_t g = groups + 1; g < doc.tokens[groups].end; g = doc.tokens[g].end) {
        size_t tests = json_get(&doc, g, "tests");
        for (size_t t = tests + 1; t < doc.tokens[tests].end; t = doc.tokens[t].end, tried++) {
            size_t size;
            unsigned char *theirs = json_bytes(&doc, t, "public", &size);
            unsigned char *secret = json_bytes(&doc, t, "private", &size);
            unsigned char *expected = json_bytes(&doc, t, "shared", &size), shared[32];
            bool zero = memcmp(expected, zeros, 32) == 0;
            ct_assert_status(exchange(secret, theirs, shared), zero ? PERMK_EAUTH : CT_OK, NULL);
            assert_memory_equal(shared, expected, 32); // of zeros where it is refused
            refused += zero;
            free(theirs);
            free(secret);
            free(expected);
        }
    }
    json_close(&doc);
    print_message("Wycheproof X25519: %zu cases, %zu refused as zero\n", tried, refused);
    assert_int_equal(tried, 518);
    assert_int_equal(refused, 31);
}

/* ---- A group key ---- */

static permk_key *counting_key(void)
{
    unsigned char bytes[PERMK_KEY_BYTES];
    permk_key *key;
    for (unsigned i = 0; i < PERMK_KEY_BYTES; i++)
        bytes[i] = (unsigned char)i;
    ct_assert_ok(permk_key_from_bytes(&key, bytes, NULL), NULL);
    return key;
}

/* Alice leads, Bob is member 7; the bytes were computed by another implementation of the primitives
 * from the description in agreement.c. */
static void wrapping_known_answer(void **state)
{
    (void)state;
    unsigned char secret[32], theirs[32], transcript[32], expected[PERMK_WRAPPED_BYTES],
        wrapped[PERMK_WRAPPED_BYTES];
    permk_agreement *alice;
    permk_key *key = counting_key();
    for (unsigned i = 0; i < 32; i++)
        transcript[i] = (unsigned char)(0x40 + i);
    unhex(secret, ALICE, 64);
    unhex(theirs, BOB_PUBLIC, 64);
    unhex(expected,
          "dd8c1af3cb864fb605a1af506ce2f06a4644078deaf837f2bd91cffacbd90b2fc4ff0809e7ff10045e7ee866"
          "5e8b"
          "b98d",
          96);
    ct_assert_ok(permk__agreement_from_secret(&alice, secret, NULL), NULL);
    ct_assert_ok(permk_agreement_wrap(alice, theirs, 7, transcript, key, wrapped), NULL);
    assert_memory_equal(wrapped, expected, sizeof expected);
    permk_agreement_destroy(alice);
    permk_key_destroy(key);
}

enum { MEMBERS = 9 };

/* Member 0 leads; every other has what was wrapped for it. */
typedef struct group {
    permk_agreement *members[MEMBERS];
    unsigned char transcript[32];
    unsigned char wrapped[MEMBERS][PERMK_WRAPPED_BYTES];
    permk_key *key;
} group;

static void group_init(group *g)
{
    memset(g->transcript, 3, sizeof g->transcript);
    ct_assert_ok(permk_key_generate(&g->key, NULL), NULL);
    for (uint32_t i = 0; i < MEMBERS; i++)
        ct_assert_ok(permk_agreement_create(&g->members[i], NULL), NULL);
    for (uint32_t i = 1; i < MEMBERS; i++)
        ct_assert_ok(permk_agreement_wrap(g->members[0], permk_agreement_public(g->members[i]), i,
                                          g->transcript, g->key, g->wrapped[i]),
                     NULL);
}

static void group_clear(group *g)
{
    permk_key_destroy(g->key);
    for (uint32_t i = 0; i < MEMBERS; i++)
        permk_agreement_destroy(g->members[i]);
}

/* Member `who` opens as member `number` what it is told is from `leader`. */
static ct_status unwrap(const group *g, uint32_t who, uint32_t number, uint32_t leader,
                        const unsigned char *wrapped, permk_key **key, ct_diag *diag)
{
    return permk_agreement_unwrap(g->members[who], permk_agreement_public(g->members[leader]),
                                  number, g->transcript, wrapped, key, diag);
}

static void all_members_get_the_key(void **state)
{
    (void)state;
    group g;
    group_init(&g);
    for (uint32_t i = 1; i < MEMBERS; i++) {
        permk_key *key;
        ct_diag diag = {""};
        ct_assert_ok(unwrap(&g, i, i, 0, g.wrapped[i], &key, &diag), &diag);
        assert_memory_equal(permk__key_bytes(key), permk__key_bytes(g.key), PERMK_KEY_BYTES);
        assert_string_equal(permk_key_id(key), permk_key_id(g.key));
        for (uint32_t j = 1; j < i; j++)
            assert_memory_not_equal(g.wrapped[i], g.wrapped[j], PERMK_KEY_BYTES);
        permk_key_destroy(key);
    }
    group_clear(&g);
}

static void refused_key(const group *g, uint32_t who, uint32_t number, uint32_t leader,
                        const unsigned char *wrapped)
{
    permk_key *key;
    ct_diag diag = {""};
    ct_assert_status(unwrap(g, who, number, leader, wrapped, &key, &diag), PERMK_EAUTH, &diag);
    assert_null(key);
    ct_assert_contains(diag.text, "not wrapped for client");
}

static void what_is_not_for_this_member_is_refused(void **state)
{
    (void)state;
    group g;
    group_init(&g);
    refused_key(&g, 2, 2, 0, g.wrapped[1]); // another's
    refused_key(&g, 2, 1, 0, g.wrapped[1]); // another's, in its name
    refused_key(&g, 1, 2, 0, g.wrapped[1]); // its own, in another's name
    refused_key(&g, 1, 1, 2, g.wrapped[1]); // from another leader
    for (size_t i = 0; i < 8 * PERMK_WRAPPED_BYTES; i++) {
        g.wrapped[1][i / 8] ^= (unsigned char)(1 << i % 8);
        refused_key(&g, 1, 1, 0, g.wrapped[1]);
        g.wrapped[1][i / 8] ^= (unsigned char)(1 << i % 8);
    }
    for (size_t i = 0; i < 8 * sizeof g.transcript; i++) {
        g.transcript[i / 8] ^= (unsigned char)(1 << i % 8);
        refused_key(&g, 1, 1, 0, g.wrapped[1]);
        g.transcript[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    group_clear(&g);
}

/* X25519 ignores the highest bit of a public key: both spellings give one shared secret, but not
 * one wrapping key. */
static void a_public_key_is_bound_as_it_is_spelled(void **state)
{
    (void)state;
    group g;
    group_init(&g);
    unsigned char leader[32];
    permk_key *key;
    memcpy(leader, permk_agreement_public(g.members[0]), 32);
    leader[31] ^= 0x80;
    ct_assert_status(
        permk_agreement_unwrap(g.members[1], leader, 1, g.transcript, g.wrapped[1], &key, NULL),
        PERMK_EAUTH, NULL);
    group_clear(&g);
}

/* RFC 7748, 6.1: 0, 1, two points of order 8, p - 1, p, p + 1. */
static void small_order_points_are_refused(void **state)
{
    (void)state;
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
    group g;
    group_init(&g);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        unsigned char point[32], wrapped[PERMK_WRAPPED_BYTES] = {0};
        static const unsigned char nothing[PERMK_WRAPPED_BYTES];
        permk_key *key;
        unhex(point, points[i], 64);
        ct_assert_status(permk_agreement_wrap(g.members[0], point, 1, g.transcript, g.key, wrapped),
                         PERMK_EAUTH, NULL);
        assert_memory_equal(wrapped, nothing, sizeof wrapped);
        ct_assert_status(
            permk_agreement_unwrap(g.members[1], point, 1, g.transcript, g.wrapped[1], &key, NULL),
            PERMK_EAUTH, NULL);
        assert_null(key);
    }
    group_clear(&g);
}

/* ---- Out of memory ---- */

/* Everything once; the first failure ends it. */
static ct_status all_once(void)
{
    static const char two[] = KEY_A "\n" KEY_B "\n";
    permk_identity *identity = NULL;
    permk_roster *roster = NULL;
    permk_agreement *leader = NULL, *member = NULL;
    permk_key *key = NULL, *got = NULL;
    unsigned char signature[64], wrapped[PERMK_WRAPPED_BYTES], transcript[32] = {0};
    ct_status status =
        permk_identity_parse(&identity, example_text, sizeof example_text - 1, "x", NULL);
    if (status == CT_OK)
        status = permk_roster_parse(&roster, two, sizeof two - 1, "r", NULL);
    if (status == CT_OK)
        status = permk_identity_sign(identity, "m", 1, signature);
    if (status == CT_OK)
        status = permk_roster_verify(roster, 0, "m", 1, signature);
    if (status == CT_OK)
        status = permk_agreement_create(&leader, NULL);
    if (status == CT_OK)
        status = permk_agreement_create(&member, NULL);
    if (status == CT_OK)
        status = permk_key_generate(&key, NULL);
    if (status == CT_OK)
        status = permk_agreement_wrap(leader, permk_agreement_public(member), 1, transcript, key,
                                      wrapped);
    if (status == CT_OK)
        status = permk_agreement_unwrap(member, permk_agreement_public(leader), 1, transcript,
                                        wrapped, &got, NULL);
    if (status == CT_OK && strcmp(permk_key_id(got), permk_key_id(key)) != 0)
        status = CT_EINVALID;
    permk_key_destroy(got);
    permk_key_destroy(key);
    permk_agreement_destroy(member);
    permk_agreement_destroy(leader);
    permk_roster_destroy(roster);
    permk_identity_destroy(identity);
    return status;
}

/* Nothing leaks and nothing wrong comes out. OpenSSL does not say what it failed of (a verification
 * it has no memory for is one that failed), and can do without some of its allocations (caches), so
 * a call may also succeed. */
static void out_of_memory_is_survived(void **state)
{
    (void)state;
    bool used_up = true;
    unsigned long failed = 0;
    ct_assert_ok(all_once(), NULL); // also fills the caches that libraries keep for good
    for (unsigned long k = 1; used_up; k++) {
        ERR_clear_error();
        long before = ct_test_live_allocations();
        ct_test_fail_allocation(k);
        ct_status status = all_once();
        used_up = ct_test_fail_allocation(0);
        ERR_clear_error();
        if (ct_test_live_allocations() > before)
            fail_msg("allocation %lu fails: %ld blocks leak", k,
                     ct_test_live_allocations() - before);
        failed += status != CT_OK;
        if (!used_up)
            ct_assert_ok(status, NULL);
        else if (status != CT_OK && status != CT_ENOMEM && status != PERMK_ECRYPTO &&
                 status != PERMK_EAUTH)
            fail_msg("allocation %lu fails: %s", k, ct_status_name(status));
    }
#ifndef CT_TEST_SANITIZED
    assert_true(failed > 20);
#endif
    (void)failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_published_cases),
        cmocka_unit_test(signatures_wycheproof),
        cmocka_unit_test(another_signer_or_message_is_refused),
        cmocka_unit_test(written_files_read_back),
        cmocka_unit_test(loose_modes_are_refused),
        cmocka_unit_test(every_damage_is_refused),
        cmocka_unit_test(a_foreign_public_half_is_refused),
        cmocka_unit_test(missing_files_are_named),
        cmocka_unit_test(new_identities_differ),
        cmocka_unit_test(a_roster_is_read),
        cmocka_unit_test(faults_of_a_roster_are_told_by_line),
        cmocka_unit_test(faults_of_keys_are_told_by_member),
        cmocka_unit_test(made_keys_are_taken),
        cmocka_unit_test(x25519_published_cases),
        cmocka_unit_test(x25519_wycheproof),
        cmocka_unit_test(wrapping_known_answer),
        cmocka_unit_test(all_members_get_the_key),
        cmocka_unit_test(what_is_not_for_this_member_is_refused),
        cmocka_unit_test(a_public_key_is_bound_as_it_is_spelled),
        cmocka_unit_test(small_order_points_are_refused),
        cmocka_unit_test(out_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
