// SPDX-License-Identifier: MIT
/* Sealed messages of one run: authenticated encryption of parts of messages, bound to who sends
 * them, in which round, and to everything the group has seen so far.
 *
 * Every sender has a key and a nonce salt of its own, derived by HKDF-SHA-256 (RFC 5869) from the
 * group's key and the members' fresh random numbers of this run. A sealed part is ciphertext, a
 * 16-byte tag and, in signed sessions, a 64-byte signature, nothing else: receivers compute the
 * associated data themselves (magic, version, suite, value type, rule, session, key id, n, d,
 * epoch, round, sender, chunk, kind, count, last or not, and the transcript of the rounds before).
 * A part that was altered, cut, repeated, delayed, swapped, taken from another run, or sent to only
 * some of the group does not verify. README.md has the format as a table.
 *
 * One round: every sender seals at most one message of each kind, in chunks 0, 1, … of which the
 * last says so, and open accepts them in that order only; permk_session_end_round() hashes what was
 * accepted and goes to the next round. Before a sender's key has been used as often as the limits
 * allow, all keys are replaced by new ones (an epoch), which cannot be computed back from, and the
 * run goes on. One thread at a time. */
#ifndef PERMK_AES_SESSION_H
#define PERMK_AES_SESSION_H

#include <permk_aes/identity.h>
#include <permk_aes/key.h>
#include <permk_aes/ownership.h>
#include <permk_aes/value.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers go into the key schedule and the associated data: append, never renumber. */
typedef enum permk_cipher {
    PERMK_AES_128_GCM = 1, // the default
    PERMK_AES_256_GCM = 2, // long-term secrecy; 1.2 to 1.5 times the time
    PERMK_AES_128_CTR = 3, // NOT authenticated: for measurement only
    PERMK_PLAINTEXT = 4    // NOT encrypted: for measurement only
} permk_cipher;

/* "aes-128-gcm", "aes-256-gcm", "aes-128-ctr", "none". */
const char *permk_cipher_name(permk_cipher cipher);
/* False, and *out untouched, for a name that is none of these. */
CT_MUST_USE bool permk_cipher_from_name(permk_cipher *out, const char *name);
/* Bytes a message is longer than its values: 16 for GCM, else 0. */
size_t permk_cipher_tag_bytes(permk_cipher cipher);
/* Whether the cipher protects anything at all: true for GCM only. */
bool permk_cipher_is_safe(permk_cipher cipher);

/* What a message means; part of the associated data. */
typedef enum permk_kind {
    PERMK_KIND_BLOCK = 1,   // what a step is made of
    PERMK_KIND_STOP = 2,    // the sender ends the run before this round's step
    PERMK_KIND_MEASURE = 3, // loss and gradient, where f is evaluated by all
    PERMK_KINDS = 4
} permk_kind;

/* Which part of which message: all of it is associated data. */
typedef struct permk_part {
    permk_kind kind;
    uint32_t chunk; // 0, 1, …; below 2^28
    bool last;      // no chunk follows
    permk_value value;
    uint64_t count; // of numbers in the whole message
} permk_part;

/* How often a sender's key may be used; each at least 1. The keys are replaced at the end of a
 * round in which any sender's has passed half of messages or blocks, or the epoch its rounds; what
 * would still be more than messages or blocks in one epoch is refused (PERMK_ELIMIT). Only complete
 * messages bring new keys nearer, for on those all members agree. The defaults are below the bounds
 * of NIST SP 800-38D by a wide margin. */
typedef struct permk_limits {
    uint64_t messages; // 2^20 parts
    uint64_t rounds;   // 2^16
    uint64_t blocks;   // 2^34 blocks of 16 bytes (256 GiB)
} permk_limits;
permk_limits permk_limits_default(void);

#define PERMK_NONCE_BYTES  32
#define PERMK_EVERY_SENDER UINT32_MAX

typedef struct permk_session_options {
    const permk_key *key; // borrowed for the call; may be NULL for PERMK_PLAINTEXT
    permk_cipher cipher;
    permk_rule rule;  // of the ownership map, bound into every message
    uint32_t clients; // n
    uint64_t dimension;
    uint32_t self; // the one sender this session seals for; PERMK_EVERY_SENDER: a simulation
    const unsigned char *nonces; // (n, PERMK_NONCE_BYTES) fresh random bytes of each client, in
                                 // order; borrowed for the call
    const void *settings;        // settings all must share, bound into the key schedule; borrowed
    size_t settings_bytes;
    permk_limits limits;
    // signed sessions: whose parts carry signatures; both NULL: not. Borrowed until destroy.
    // identity is that of self, and must stand in the roster there; with PERMK_EVERY_SENDER there
    // is none, and the session only opens
    const permk_identity *identity;
    const permk_roster *roster;
} permk_session_options;
/* AES-128-GCM, rotation rule, PERMK_EVERY_SENDER, default limits; the rest is the caller's to
 * set. */
permk_session_options permk_session_options_default(void);

typedef struct permk_session permk_session;

/* Derive the keys of a run. Each client must contribute PERMK_NONCE_BYTES bytes of
 * permk_random_bytes() drawn for this run: as long as one of them is honest, no key and nonce are
 * ever used twice, over restarts too. On failure *out is NULL. CT_EINVALID, PERMK_ECRYPTO,
 * CT_ENOMEM. */
CT_MUST_USE ct_status permk_session_create(permk_session **out, const permk_session_options *opt,
                                           ct_diag *diag);
/* Wipe the keys and free; NULL is allowed. */
void permk_session_destroy(permk_session *session);

/* The round in progress, from 0. */
uint64_t permk_session_round(const permk_session *session);

/* How often the keys were replaced. */
uint32_t permk_session_epoch(const permk_session *session);

/* Bytes that a sealed part is longer than its plain text: tag and signature. */
size_t permk_session_overhead_bytes(const permk_session *session);

/* Seal a part of this round's message of `sender` (session's self, unless it simulates every
 * sender): plain (size_bytes) becomes out (and permk_session_overhead_bytes() more); out may be
 * plain. A sender's keys are derived at its first part in an epoch. CT_EINVALID: another's sender
 * number, no such kind or value type, or chunks out of order. PERMK_ELIMIT. PERMK_ECRYPTO and
 * CT_ENOMEM: this message cannot be completed. */
CT_MUST_USE ct_status permk_session_seal(permk_session *session, uint32_t sender,
                                         const permk_part *part, const void *plain,
                                         size_t size_bytes, void *out, ct_diag *diag);

/* Verify and decrypt a part of this round's message of `sender`, expected to hold plain_bytes. On
 * failure plain (plain_bytes) is zero, the session is unchanged except for its count of failures,
 * and diag names the sender. PERMK_EAUTH: it does not verify, has another length, or is not the
 * next chunk of that message; after 8 failures of a sender nothing more of it is looked at.
 * CT_EINVALID: no such kind or value type. PERMK_ELIMIT, PERMK_ECRYPTO, CT_ENOMEM. plain may be
 * message. */
CT_MUST_USE ct_status permk_session_open(permk_session *session, uint32_t sender,
                                         const permk_part *part, const void *message,
                                         size_t size_bytes, void *plain, size_t plain_bytes,
                                         ct_diag *diag);

/* Whether all of sender's message of that kind and round has been opened (or sealed here). */
bool permk_session_complete(const permk_session *session, uint32_t sender, permk_kind kind);

/* Chain the round's complete messages (and a client's own) into the transcript and begin the next
 * round, and the next epoch where it is due. A sender whose message is missing or not complete
 * counts as absent. PERMK_ECRYPTO: only destroy is left. */
CT_MUST_USE ct_status permk_session_end_round(permk_session *session, ct_diag *diag);

/* Tells runs apart and reveals nothing: 16 bytes. */
const unsigned char *permk_session_id(const permk_session *session);

/* SHA-256 of everything accepted in the rounds before: members whose transcripts are equal have
 * seen the same. */
const unsigned char *permk_session_transcript(const permk_session *session); // (32)

/* The key of ownership maps only the group can compute (permk_ownership_create). */
CT_MUST_USE ct_status permk_session_ownership_key(const permk_session *session,
                                                  unsigned char key[PERMK_OWNERSHIP_KEY_BYTES]);

/* Bytes nobody can guess, from the operating system's generator by way of OpenSSL. PERMK_ECRYPTO.
 */
CT_MUST_USE ct_status permk_random_bytes(void *out, size_t size, ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
