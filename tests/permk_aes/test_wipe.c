// SPDX-License-Identifier: MIT
/* Secrets do not outlive what holds them: no writable page of this process has a group's key or a
 * client's secret, neither as bytes nor as the text of its file, but where it is meant to be, and
 * after everything was destroyed nowhere. What uses them runs in a thread that then stands still,
 * its stack as it was left. Linux only, and not under sanitizers, which keep freed memory and map
 * terabytes. */
#include "ct_test.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <permk_aes/permk_aes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is looked for, kept masked: else the search would find itself. */
enum { NEEDLE = 16, MASK = 0x5a };
typedef struct needle {
    unsigned char masked[NEEDLE];
} needle;

static bool is_at(const volatile unsigned char *p, const needle *n)
{
    for (size_t i = 0; i < NEEDLE; i++)
        if ((p[i] ^ MASK) != n->masked[i])
            return false;
    return true;
}

static size_t count_in(const unsigned char *from, const unsigned char *to, const needle *n)
{
    size_t found = 0;
    for (const unsigned char *p = from; p + NEEDLE <= to; p++)
        found += is_at(p, n);
    return found;
}

/* Occurrences in all memory this process can write. */
static size_t count(const needle *n)
{
    char line[512], mode[5];
    unsigned long long from, to;
    size_t found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    if (maps == NULL)
        skip();
    while (fgets(line, sizeof line, maps) != NULL)
        if (sscanf(line, "%llx-%llx %4s", &from, &to, mode) == 3 && memcmp(mode, "rw", 2) == 0)
            found += count_in((const unsigned char *)(uintptr_t)from,
                              (const unsigned char *)(uintptr_t)to, n);
    fclose(maps);
    return found;
}

/* Halves of the secret in a file's line that begins with `word`, as bytes and as text; the file's
 * own text is wiped from this process. */
typedef struct secret {
    needle bytes[2], text[4];
} secret;

static void mask(needle *out, const void *bytes)
{
    for (size_t i = 0; i < NEEDLE; i++)
        out->masked[i] = (unsigned char)(((const unsigned char *)bytes)[i] ^ MASK);
}

static void learn(secret *out, const char *path, const char *word)
{
    char text[300] = {0};
    unsigned char bytes[32];
    int fd = open(path, O_RDONLY);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    const char *digits = strstr(text, word) + strlen(word);
    for (size_t i = 0; i < 32; i++) {
        unsigned byte;
        sscanf(digits + 2 * i, "%2x", &byte);
        bytes[i] = (unsigned char)byte;
    }
    for (size_t i = 0; i < 4; i++)
        mask(&out->text[i], digits + NEEDLE * i);
    mask(&out->bytes[0], bytes);
    mask(&out->bytes[1], bytes + NEEDLE);
    OPENSSL_cleanse(text, sizeof text);
    OPENSSL_cleanse(bytes, sizeof bytes);
}

/* Each half of the secret is in memory so many times, and its text never. */
static void expect(const secret *s, size_t times, const char *after)
{
    for (size_t i = 0; i < 2; i++)
        if (count(&s->bytes[i]) != times)
            fail_msg("after %s: %zu copies of half %zu, expected %zu", after, count(&s->bytes[i]),
                     i, times);
    for (size_t i = 0; i < 4; i++)
        if (count(&s->text[i]) != 0)
            fail_msg("after %s: a file's text is left in memory", after);
}

/* ---- What uses them ---- */

static struct {
    char *key_path, *identity_path;
    permk_key *key;
    permk_identity *identity;
} here;

static void make_key(void)
{
    ct_assert_ok(permk_key_generate(&here.key, NULL), NULL);
    ct_assert_ok(permk_key_write(here.key, here.key_path, NULL), NULL);
    permk_key_destroy(here.key);
}

static void make_identity(void)
{
    ct_assert_ok(permk_identity_generate(&here.identity, NULL), NULL);
    ct_assert_ok(permk_identity_write(here.identity, here.identity_path, NULL), NULL);
    permk_identity_destroy(here.identity);
}

static void read_key(void)
{
    ct_assert_ok(permk_key_read(&here.key, here.key_path, NULL), NULL);
}

static void read_identity(void)
{
    ct_assert_ok(permk_identity_read(&here.identity, here.identity_path, NULL), NULL);
}

/* A signed session that seals, and replaces its keys. */
static void use_session(void)
{
    permk_roster *roster;
    permk_session *session;
    unsigned char nonce[PERMK_NONCE_BYTES] = {1}, sealed[200];
    const permk_part part = {
        .kind = PERMK_KIND_BLOCK, .last = true, .value = PERMK_VALUE_F64, .count = 4};
    ct_assert_ok(permk_roster_create(&roster, permk_identity_public(here.identity), 1, NULL), NULL);
    permk_session_options opt = permk_session_options_default();
    opt.key = here.key;
    opt.clients = 1;
    opt.self = 0;
    opt.dimension = 4;
    opt.nonces = nonce;
    opt.limits.rounds = 2;
    opt.identity = here.identity;
    opt.roster = roster;
    ct_assert_ok(permk_session_create(&session, &opt, NULL), NULL);
    for (int round = 0; round < 5; round++) {
        const double values[4] = {1, 2, 3, 4};
        ct_assert_ok(permk_session_seal(session, 0, &part, values, sizeof values, sealed, NULL),
                     NULL);
        ct_assert_ok(permk_session_end_round(session, NULL), NULL);
    }
    assert_int_equal(permk_session_epoch(session), 2);
    permk_session_destroy(session);
    permk_roster_destroy(roster);
}

static void use_training(void)
{
    enum { D = 20 };
    double x[D] = {0};
    permk_problem problem;
    permk_result result;
    permk_quadratic_options quadratic = permk_quadratic_options_default();
    permk_train_options opt = permk_train_options_default();
    quadratic.clients = 3;
    quadratic.samples = 2;
    quadratic.dimension = D;
    opt.key = here.key;
    opt.max_rounds = 5;
    opt.secret_ownership = true;
    ct_assert_ok(permk_quadratic_init(&problem, &quadratic, NULL), NULL);
    ct_assert_ok(permk_simulate(&result, &problem, x, &opt, NULL), NULL);
    permk_problem_clear(&problem);
}

static void use_agreement(void)
{
    permk_agreement *leader, *member;
    permk_key *got;
    unsigned char transcript[32] = {0}, wrapped[PERMK_WRAPPED_BYTES];
    ct_assert_ok(permk_agreement_create(&leader, NULL), NULL);
    ct_assert_ok(permk_agreement_create(&member, NULL), NULL);
    ct_assert_ok(permk_agreement_wrap(leader, permk_agreement_public(member), 1, transcript,
                                      here.key, wrapped),
                 NULL);
    ct_assert_ok(permk_agreement_unwrap(member, permk_agreement_public(leader), 1, transcript,
                                        wrapped, &got, NULL),
                 NULL);
    permk_key_destroy(got);
    permk_agreement_destroy(member);
    permk_agreement_destroy(leader);
}

/* A thread that does one thing and waits while its stack is looked through. */
static pthread_barrier_t barrier;
static pthread_t thread;

static void *perform(void *step)
{
    (*(void (**)(void))step)();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void begin(void (*step)(void))
{
    static void (*current)(void);
    current = step;
    assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, perform, &current), 0);
    pthread_barrier_wait(&barrier);
}

static void end(void)
{
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&barrier);
}

static const struct {
    void (*step)(void);
    const char *name;
    size_t keys, identities; // copies that are meant to be there afterwards
} uses[] = {{read_key, "reading a key", 1, 0},
            {read_identity, "reading an identity", 1, 2}, // one of them in OpenSSL's key
            {use_session, "a session", 1, 2},
            {use_training, "training", 1, 2},
            {use_agreement, "an agreement", 1, 2}};
enum { USES = sizeof uses / sizeof *uses };

/* The dynamic linker, when it looks up a function at its first call, puts the vector registers on
 * the stack, with whatever was copied through them last. */
static int call_everything_once(void **state)
{
    (void)state;
    here.key_path = ct_test_path("other_key");
    here.identity_path = ct_test_path("other_identity");
    make_key();
    make_identity();
    for (size_t i = 0; i < USES; i++)
        uses[i].step();
    permk_key_destroy(here.key);
    permk_identity_destroy(here.identity);
    free(here.key_path);
    free(here.identity_path);
    return 0;
}

static void nothing_is_left(void **state)
{
    (void)state;
    secret group, own;
    here.key_path = ct_test_path("key");
    here.identity_path = ct_test_path("identity");
    begin(make_key);
    learn(&group, here.key_path, "\nkey ");
    expect(&group, 0, "writing a key");
    end();
    begin(make_identity);
    learn(&own, here.identity_path, "\nsecret ");
    expect(&own, 0, "writing an identity");
    end();
    for (size_t i = 0; i < USES; i++) {
        begin(uses[i].step);
        expect(&group, uses[i].keys, uses[i].name);
        expect(&own, uses[i].identities, uses[i].name);
        end();
    }
    permk_key_destroy(here.key);
    permk_identity_destroy(here.identity);
    expect(&group, 0, "the end");
    expect(&own, 0, "the end");
    free(here.key_path);
    free(here.identity_path);
}

int main(void)
{
#ifdef CT_TEST_SANITIZED
    return 0;
#endif
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_left)};
    return cmocka_run_group_tests(tests, call_everything_once, NULL);
}
