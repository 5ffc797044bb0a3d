// SPDX-License-Identifier: MIT
/* A group of three clients with fixed keys and messages, for the tests of sessions. A message is
 * four doubles in two chunks. */
#ifndef PERMK_TEST_SESSION_GROUP_H
#define PERMK_TEST_SESSION_GROUP_H

#include "ct_test.h"

#include "session_private.h"

#include <permk_aes/session.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    N = 3,
    D = 12,
    COUNT = 4,
    BYTES = COUNT * 8,
    HALF = BYTES / 2,
    TAG = 16,
    SIZE = BYTES + TAG
};

static const double message[N][COUNT] = {
    {1.5, -2, 3e300, 0}, {-0.0, 1, 2, 3}, {4, 5, 6, 0x1p-1074}};

static const permk_part whole = {
    .kind = PERMK_KIND_BLOCK, .last = true, .value = PERMK_VALUE_F64, .count = COUNT};
static const permk_part halves[2] = {
    {.kind = PERMK_KIND_BLOCK, .value = PERMK_VALUE_F64, .count = COUNT},
    {.kind = PERMK_KIND_BLOCK, .chunk = 1, .last = true, .value = PERMK_VALUE_F64, .count = COUNT}};

/* Options of member self; the key is borrowed from static storage until the next call. */
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

static inline permk_session *member(uint32_t self)
{
    permk_session_options opt = options(self);
    return create(&opt);
}

static inline void seal_part_of(permk_session *s, uint32_t sender, const permk_part *part,
                                const void *plain, size_t size, void *out)
{
    ct_diag diag = {""};
    ct_assert_ok(permk_session_seal(s, sender, part, plain, size, out, &diag), &diag);
}

/* Seal the sender's message as one chunk. */
static inline void seal(permk_session *s, uint32_t sender, void *out)
{
    seal_part_of(s, sender, &whole, message[sender], BYTES, out);
}

/* Open `size` bytes as that part; it must be refused and nothing be left in the plain text. */
static inline void refuse_part(permk_session *s, uint32_t sender, const permk_part *part,
                               const void *sealed, size_t size, size_t plain_bytes)
{
    unsigned char plain[2 * BYTES];
    ct_diag diag = {""};
    memset(plain, 0x55, sizeof plain);
    ct_assert_status(permk_session_open(s, sender, part, sealed, size, plain, plain_bytes, &diag),
                     PERMK_EAUTH, &diag);
    for (size_t k = 0; k < sizeof plain; k++)
        assert_int_equal(plain[k], k < plain_bytes ? 0 : 0x55);
    char name[20];
    snprintf(name, sizeof name, "client %u", sender);
    ct_assert_contains(diag.text, name);
}

static inline void refuse(permk_session *s, uint32_t sender, const void *sealed)
{
    refuse_part(s, sender, &whole, sealed, BYTES + permk_session_overhead_bytes(s), BYTES);
}

static inline void accept_part(permk_session *s, uint32_t sender, const permk_part *part,
                               const void *sealed, const void *expected, size_t size)
{
    unsigned char plain[BYTES];
    ct_diag diag = {""};
    ct_assert_ok(permk_session_open(s, sender, part, sealed, size + permk_session_overhead_bytes(s),
                                    plain, size, &diag),
                 &diag);
    assert_memory_equal(plain, expected, size);
}

static inline void accept(permk_session *s, uint32_t sender, const void *sealed)
{
    accept_part(s, sender, &whole, sealed, message[sender], BYTES);
}

static inline void end_round(permk_session *s)
{
    ct_diag diag = {""};
    ct_assert_ok(permk_session_end_round(s, &diag), &diag);
}

/* All members seal, all open everything of the others, and the round ends. */
static inline void whole_round(permk_session *s[N])
{
    unsigned char sealed[N][BYTES + TAG + PERMK_SIGNATURE_BYTES];
    for (uint32_t i = 0; i < N; i++)
        seal(s[i], i, sealed[i]);
    for (uint32_t i = 0; i < N; i++) {
        for (uint32_t j = N; j-- > 0;) // any order
            if (j != i)
                accept(s[i], j, sealed[j]);
        end_round(s[i]);
    }
}

static inline void assert_same_view(permk_session *s[N])
{
    for (uint32_t i = 1; i < N; i++) {
        assert_memory_equal(permk_session_transcript(s[i]), permk_session_transcript(s[0]), 32);
        assert_int_equal(permk_session_epoch(s[i]), permk_session_epoch(s[0]));
    }
}

static inline void create_group(permk_session *s[N], const permk_limits *limits)
{
    for (uint32_t i = 0; i < N; i++) {
        permk_session_options opt = options(i);
        opt.limits = *limits;
        s[i] = create(&opt);
    }
}

static inline void destroy_group(permk_session *s[N])
{
    for (uint32_t i = 0; i < N; i++)
        permk_session_destroy(s[i]);
}

#endif
