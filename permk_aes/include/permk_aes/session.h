// SPDX-License-Identifier: MIT
/* Sealed messages of one run: authenticated encryption of blocks of doubles, bound to who sends
 * them, in which round, and to everything the group has seen so far.
 *
 * Every sender has a key and a nonce salt of its own, derived by HKDF-SHA-256 (RFC 5869) from the
 * group's key and the members' fresh random numbers of this run. A sealed message is ciphertext and
 * a 16-byte tag, nothing else: receivers compute the associated data themselves (magic, version,
 * suite, value type, rule, session, key id, n, d, epoch, round, sender, kind, length, and the
 * transcript of the rounds before). A message that was altered, cut, repeated, delayed, swapped,
 * taken from another run, or sent to only some of the group does not verify. README.md has the
 * format as a table.
 *
 * One round: every sender seals at most one message; permk_session_open() accepts at most one
 * message a sender; permk_session_end_round() hashes what was accepted and goes to the next round.
 * One thread at a time. */
#ifndef PERMK_AES_SESSION_H
#define PERMK_AES_SESSION_H

#include <permk_aes/key.h>
#include <permk_aes/ownership.h>
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
    PERMK_KIND_BLOCK = 1, // gradient entries of the sender's block
    PERMK_KIND_STOP = 2   // the sender ends the run before this round's step
} permk_kind;

/* How often a sender's key may be used before permk_session_seal() and _open() refuse
 * (PERMK_ELIMIT). The defaults are below the bounds of NIST SP 800-38D by a wide margin. */
typedef struct permk_limits {
    uint64_t messages; // 2^20
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

/* Bytes of a message of `count` doubles. */
size_t permk_session_sealed_bytes(const permk_session *session, size_t count);

/* Seal this round's message of `sender` (session's self, unless it simulates every sender): values
 * (count) go little-endian into out (permk_session_sealed_bytes(count) bytes; must not overlap
 * values). CT_EINVALID: another's sender number, or a second message in the round. PERMK_ELIMIT,
 * PERMK_ECRYPTO. */
CT_MUST_USE ct_status permk_session_seal(permk_session *session, uint32_t sender, permk_kind kind,
                                         const double *values, size_t count, void *out,
                                         ct_diag *diag);

/* Verify and decrypt this round's message of `sender`, expected to hold count doubles. On failure
 * values (count) are zero, the session is unchanged except for its count of failures, and diag
 * names the sender. PERMK_EAUTH: it does not verify, has another length, or is a second message of
 * that sender in this round; after 8 failures of a sender nothing more of it is looked at. */
CT_MUST_USE ct_status permk_session_open(permk_session *session, uint32_t sender, permk_kind kind,
                                         const void *message, size_t size_bytes, double *values,
                                         size_t count, ct_diag *diag);

/* Chain the round's accepted messages (and a client's own) into the transcript and begin the next
 * round. A sender without a message counts as absent. PERMK_ELIMIT: the last round of this key has
 * passed. */
CT_MUST_USE ct_status permk_session_end_round(permk_session *session, ct_diag *diag);

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
