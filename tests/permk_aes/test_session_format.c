// SPDX-License-Identifier: MIT
/* Bytes of the message format: known answers, every field of the associated data counts, no nonce
 * is used twice under a key. */
#include "session_group.h"

static void assert_hex(const unsigned char *bytes, size_t size, const char *expected)
{
    char text[200];
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    assert_string_equal(text, expected);
}

typedef struct answers {
    permk_cipher cipher;
    const char *ownership_key;
    const char *first[2][2], *third[2]; // of client 1: by round and chunk; of client 2: by round
    const char *transcript[2];
} answers;

/* Computed once, from the tables in session_format.c and session_keys.c, by a Python script with
 * hmac, hashlib and the AES-GCM of its cryptography package. Round 0 is epoch 0 and doubles, round
 * 1 epoch 1 and floats; client 1 sends two chunks, the others one. */
static const answers known[] = {
    {PERMK_AES_128_GCM,
     "3df263766e287cbbeae256fc465f7c1d4fc0fadaac8a457e26473cac8eb68712",
     {{"7f6c63129df58a46fda1705376e249b00ba4ecf906ca8a063df460022169e897",
       "d09560d9bdad7ebb6fc87dd33f178246316a3204e287ebf5241b4591dd1fc1ff"},
      {"b5e63e812d49611dde1e7a0bf2805f6cab6c999b5d8dcf02",
       "6da082a2d0156c88d7b29f31010ea75b11a344244a24845c"}},
     {"f2e7d061120a5747002da38a5e44e578d9cd0cf4ee99850a551818af738c30f13461afa80950e8b54675284dcab3"
      "b"
      "9e9",
      "991782d0ea5a14241f8c6c461a5a7e0ae7ab986371653c3c330a33e358ee260c"},
     {"c6247330d7e3ca5ebb5e15d4e6525e4701fa0f84a2047ca8a996f10507fbec47",
      "68419f728fcf3c0612cb4120f7df49e43ee6cd3085750565d9346d1c2ccebbce"}},
    {PERMK_AES_256_GCM,
     "36cf192cce576d0035ce81cd4bff85884b5edb0aa972277cba4d29d91f3585fe",
     {{"13940a758e6d28689ded51660852426891d7ab557a7283249674f9a765b90e96",
       "dec8285d7fc7464390e49e4fab53312fa59ef3f308f3c5d5d73101ee07d974ec"},
      {"ac23de1c5f97b398c0cf9179808ab851f78dbdb3d84226f5",
       "5cee31953788f1f5a59cdd99bad9708f5775066d13e6344b"}},
     {"3e9d5d446c09974fefa284cb024fb8702877ecad18f16730af54d4183f302ec5d459487296b3da3065e652640908"
      "7"
      "419",
      "7856f00f615ea8a026f577fb654259d37c48438c49856bd16a5a36f9212fba0c"},
     {"4cae8954c5ffc2b6469de3499f40495ceac1be7906d3fee579a150d9366caba7",
      "250522a907f94cc2f352bf58035dc75af66cfe8aa5f982b57d9111b5a56e551c"}}};

/* Seal and open one part of a simulation; the sealed bytes are `expected`, if not NULL. */
static void check_part(permk_session *s, uint32_t sender, const permk_part *part, const void *plain,
                       size_t size, const char *expected)
{
    unsigned char sealed[SIZE], back[BYTES];
    seal_part_of(s, sender, part, plain, size, sealed);
    if (expected != NULL)
        assert_hex(sealed, size + TAG, expected);
    ct_assert_ok(permk_session_open(s, sender, part, sealed, size + TAG, back, size, NULL), NULL);
    assert_memory_equal(back, plain, size);
}

static void fixed_keys_give_fixed_bytes(void **state)
{
    (void)state;
    for (size_t a = 0; a < sizeof known / sizeof *known; a++) {
        unsigned char key[PERMK_OWNERSHIP_KEY_BYTES], plain[BYTES];
        permk_session_options opt = options(PERMK_EVERY_SENDER);
        opt.cipher = known[a].cipher;
        opt.limits.rounds = 1;
        permk_session *s = create(&opt);
        ct_assert_ok(permk_session_ownership_key(s, key), NULL);
        assert_hex(key, sizeof key, known[a].ownership_key);
        for (int round = 0; round < 2; round++) {
            permk_value value = round == 0 ? PERMK_VALUE_F64 : PERMK_VALUE_F32;
            size_t size = COUNT * permk_value_bytes(value);
            permk_part one = whole, two[2] = {halves[0], halves[1]};
            one.value = two[0].value = two[1].value = value;
            assert_int_equal(permk_session_epoch(s), round);
            permk_values_encode(value, message[0], COUNT, plain);
            check_part(s, 0, &one, plain, size, NULL);
            permk_values_encode(value, message[1], COUNT, plain);
            for (int h = 0; h < 2; h++)
                check_part(s, 1, &two[h], plain + (size_t)h * size / 2, size / 2,
                           known[a].first[round][h]);
            permk_values_encode(value, message[2], COUNT, plain);
            check_part(s, 2, &one, plain, size, known[a].third[round]);
            end_round(s);
            assert_hex(permk_session_transcript(s), 32, known[a].transcript[round]);
        }
        permk_session_destroy(s);
    }
}

/* Change each bit of what the receiver takes for the associated data. The fields of a part are
 * written anew each time, so they are changed in what it expects. */
static void every_field_of_the_associated_data_counts(void **state)
{
    (void)state;
    unsigned char sealed[SIZE];
    permk_session *a = member(0), *b = member(1);
    seal(a, 0, sealed);
    for (size_t i = 0; i < sizeof b->aad; i++) {
        if (i == 6 || (i >= 96 && i < 120))
            continue;
        for (int bit = 0; bit < 8; bit++) {
            b->aad[i] = (unsigned char)(b->aad[i] ^ (1 << bit));
            refuse(b, 0, sealed);
            b->aad[i] = (unsigned char)(b->aad[i] ^ (1 << bit));
            b->senders[0].failures = 0;
        }
    }
    for (int bit = 0; bit < 64; bit++) {
        permk_part part = whole;
        part.count ^= (uint64_t)1 << bit;
        refuse_part(b, 0, &part, sealed, SIZE, BYTES);
        if (bit < 28) {
            part = whole;
            part.chunk = (uint32_t)1 << bit;
            b->senders[0].opened[PERMK_KIND_BLOCK].chunks = part.chunk; // as if it were its turn
            refuse_part(b, 0, &part, sealed, SIZE, BYTES);
            b->senders[0].opened[PERMK_KIND_BLOCK].chunks = 0;
        }
        b->round ^= (uint64_t)1 << bit; // in the nonce, too
        refuse(b, 0, sealed);
        b->round ^= (uint64_t)1 << bit;
        b->senders[0].failures = 0;
    }
    for (permk_kind kind = PERMK_KIND_BLOCK; kind < PERMK_KINDS; kind++) {
        for (permk_value value = PERMK_VALUE_F64; value <= PERMK_VALUE_BF16; value++) {
            permk_part part = whole;
            part.kind = kind;
            part.value = value;
            if (kind != PERMK_KIND_BLOCK || value != PERMK_VALUE_F64)
                refuse_part(b, 0, &part, sealed, SIZE, BYTES);
            part.last = false;
            refuse_part(b, 0, &part, sealed, SIZE, BYTES);
            b->senders[0].failures = 0;
        }
    }
    refuse(b, 2, sealed);
    accept(b, 0, sealed);
    permk_session_destroy(a);
    permk_session_destroy(b);
}

/* ---- Nonces ---- */

typedef struct use { // of a key
    unsigned char key[16], nonce[12];
} use;

static int compare_uses(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(use));
}

static int compare_blocks(const void *a, const void *b)
{
    return memcmp(a, b, 16);
}

/* What all senders use in one round: every kind, the first, second and last chunk. */
static size_t collect_uses(permk_session *s, use *uses)
{
    static const uint32_t chunks[] = {0, 1, PERMK__CHUNKS_MAX - 1};
    size_t n = 0;
    for (uint32_t i = 0; i < s->clients; i++) {
        unsigned char info[32], key[16], nonce[PERMK__IV_BYTES];
        const size_t label = sizeof "permk 2 sender key" - 1;
        memcpy(info, "permk 2 sender key", label);
        info[label] = (unsigned char)s->cipher;
        for (unsigned k = 0; k < 4; k++)
            info[label + 1 + k] = (unsigned char)(i >> (8 * k));
        ct_assert_ok(permk__hkdf_expand(key, sizeof key, s->secret, info, label + 5), NULL);
        ct_assert_ok(permk__session_ready(s, i), NULL);
        for (permk_kind kind = PERMK_KIND_BLOCK; kind < PERMK_KINDS; kind++) {
            for (int c = 0; c < 3; c++) {
                permk_part part = {.kind = kind, .chunk = chunks[c]};
                permk__nonce(nonce, s, i, &part);
                memcpy(uses[n].key, key, 16);
                memcpy(uses[n++].nonce, nonce, 12);
            }
        }
    }
    return n;
}

static void no_key_and_nonce_come_twice(void **state)
{
    (void)state;
    enum { RUNS = 3, ROUNDS = 4, CLIENTS = 1000, ALL = RUNS * ROUNDS * CLIENTS * 9 };
    use *uses = malloc(ALL * sizeof *uses);
    unsigned char *nonces = calloc(CLIENTS, PERMK_NONCE_BYTES);
    size_t n = 0;
    for (int run = 0; run < RUNS; run++) { // the same key file, one client's fresh bytes differ
        permk_session_options opt = options(PERMK_EVERY_SENDER);
        opt.clients = CLIENTS;
        opt.nonces = nonces;
        opt.limits.rounds = 2;
        nonces[(size_t)run * 12345] ^= 1;
        permk_session *s = create(&opt);
        for (int round = 0; round < ROUNDS; round++) {
            n += collect_uses(s, uses + n);
            end_round(s);
        }
        assert_int_equal(permk_session_epoch(s), 2);
        permk_session_destroy(s);
    }
    assert_int_equal(n, ALL);
    qsort(uses, n, sizeof *uses, compare_uses);
    for (size_t i = 1; i < n; i++)
        assert_memory_not_equal(&uses[i - 1], &uses[i], sizeof *uses);
    free(uses);
    free(nonces);
}

/* The same as it shows outside: in CTR mode with zeros as plain text a message is the key stream.
 * Equal ones would mean that a key and a nonce were used twice. */
static void key_streams_never_repeat(void **state)
{
    (void)state;
    enum {
        RUNS = 4,
        ROUNDS = 20,
        CHUNKS = 3,
        ALL = RUNS * ROUNDS * N * CHUNKS * (PERMK_KINDS - 1)
    };
    static const unsigned char zeros[16];
    unsigned char(*seen)[16] = malloc(ALL * sizeof *seen), nonces[N * PERMK_NONCE_BYTES];
    size_t n = 0;
    for (int run = 0; run < RUNS; run++) {
        permk_session_options opt = options(PERMK_EVERY_SENDER);
        opt.cipher = PERMK_AES_128_CTR;
        opt.limits.rounds = 5;
        ct_assert_ok(permk_random_bytes(nonces, sizeof nonces, NULL), NULL);
        opt.nonces = nonces;
        permk_session *s = create(&opt);
        for (int round = 0; round < ROUNDS; round++) {
            for (uint32_t i = 0; i < N; i++) {
                permk_part part = halves[0];
                for (part.kind = PERMK_KIND_BLOCK; part.kind < PERMK_KINDS; part.kind++)
                    for (part.chunk = 0; part.chunk < CHUNKS; part.chunk++)
                        seal_part_of(s, i, &part, zeros, sizeof zeros, seen[n++]);
            }
            end_round(s);
        }
        permk_session_destroy(s);
    }
    assert_int_equal(n, ALL);
    qsort(seen, n, sizeof *seen, compare_blocks);
    for (size_t i = 1; i < n; i++)
        assert_memory_not_equal(seen[i - 1], seen[i], 16);
    free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_keys_give_fixed_bytes),
        cmocka_unit_test(every_field_of_the_associated_data_counts),
        cmocka_unit_test(no_key_and_nonce_come_twice),
        cmocka_unit_test(key_streams_never_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
