// SPDX-License-Identifier: MIT
/* Who a client is: an Ed25519 key pair (RFC 8032) of its own, and the group's list of public keys.
 * Two things are made of them, both optional:
 *
 * - a group key without a shared file: fresh X25519 keys (RFC 7748) in the hellos, signed; client 0
 *   draws the group's key and wraps it for each member;
 * - signed messages: every message carries its sender's signature, so that members cannot forge one
 *   another's.
 *
 * The list of public keys (a roster) must reach everybody unaltered, by another way than the
 * server: whoever can replace a line of it is that member. */
#ifndef PERMK_AES_IDENTITY_H
#define PERMK_AES_IDENTITY_H

#include <permk_aes/key.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PERMK_PUBLIC_KEY_BYTES 32
#define PERMK_SIGNATURE_BYTES  64

typedef struct permk_identity permk_identity;

/* Draw a new key pair. On failure *out is NULL. PERMK_ECRYPTO, CT_ENOMEM. */
CT_MUST_USE ct_status permk_identity_generate(permk_identity **out, ct_diag *diag);
/* Wipe and free; NULL is allowed. */
void permk_identity_destroy(permk_identity *identity);
/* Write to a new file of mode 0600, never over an old one, and read: rules, text form and errors as
 * permk_key_write and permk_key_read ("permk-identity 1"). */
CT_MUST_USE ct_status permk_identity_write(const permk_identity *identity, const char *path,
                                           ct_diag *diag);
CT_MUST_USE ct_status permk_identity_read(permk_identity **out, const char *path, ct_diag *diag);
/* The same from the text of such a file; name stands in diag where a path would. */
CT_MUST_USE ct_status permk_identity_parse(permk_identity **out, const char *text, size_t size,
                                           const char *name, ct_diag *diag);
const unsigned char *permk_identity_public(const permk_identity *identity); // (32) borrowed

/* Public keys of the members, member i in line i: 64 lower-case hexadecimal digits and, if one
 * likes, a name after a space; empty lines and lines that begin with '#' do not count. */
typedef struct permk_roster permk_roster;
/* PERMK_EKEY with "path:line: reason": malformed, a key twice, no key of this curve or one under
 * which anybody can sign (a point of small order). Else as ct_file_view_open. */
CT_MUST_USE ct_status permk_roster_read(permk_roster **out, const char *path, ct_diag *diag);
CT_MUST_USE ct_status permk_roster_parse(permk_roster **out, const char *text, size_t size,
                                         const char *name, ct_diag *diag);
/* From n keys of PERMK_PUBLIC_KEY_BYTES, copied. PERMK_EKEY with "member 3: reason". */
CT_MUST_USE ct_status permk_roster_create(permk_roster **out, const unsigned char *keys, uint32_t n,
                                          ct_diag *diag);
void permk_roster_destroy(permk_roster *roster);
uint32_t permk_roster_members(const permk_roster *roster);
const unsigned char *permk_roster_key(const permk_roster *roster, uint32_t member); // (32)
/* 16 hexadecimal digits of SHA-256 over all keys in order, to compare over the telephone. */
void permk_roster_fingerprint(const permk_roster *roster, char out[17]);

/* signature (64) of message. PERMK_ECRYPTO. */
CT_MUST_USE ct_status permk_identity_sign(const permk_identity *identity, const void *message,
                                          size_t size, unsigned char *signature);
/* PERMK_EAUTH: not member's signature of this message. */
CT_MUST_USE ct_status permk_roster_verify(const permk_roster *roster, uint32_t member,
                                          const void *message, size_t size,
                                          const unsigned char *signature);

/* ---- A group key by X25519 ---- */

/* One member's side of an agreement; its fresh secret is wiped by destroy. */
typedef struct permk_agreement permk_agreement;
CT_MUST_USE ct_status permk_agreement_create(permk_agreement **out, ct_diag *diag);
void permk_agreement_destroy(permk_agreement *agreement);
/* The fresh X25519 public key (32), for the hello. */
const unsigned char *permk_agreement_public(const permk_agreement *agreement);

#define PERMK_WRAPPED_BYTES (PERMK_KEY_BYTES + 16)
/* The leader wraps key for the member with that public key (32): AES-256-GCM under HKDF-SHA-256 of
 * X25519(own, theirs), with transcript (SHA-256 of all hellos in order) and the member's number as
 * info. out has PERMK_WRAPPED_BYTES. PERMK_EAUTH: a public key of small order (the shared secret
 * would be zero, RFC 7748 6.1). */
CT_MUST_USE ct_status permk_agreement_wrap(const permk_agreement *agreement,
                                           const unsigned char *their_public, uint32_t member,
                                           const unsigned char transcript[32], const permk_key *key,
                                           unsigned char *out);
/* The member takes it out. PERMK_EAUTH: not wrapped for this member in this run. */
CT_MUST_USE ct_status permk_agreement_unwrap(const permk_agreement *agreement,
                                             const unsigned char *leader_public, uint32_t member,
                                             const unsigned char transcript[32],
                                             const unsigned char *wrapped, permk_key **out,
                                             ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
