// SPDX-License-Identifier: MIT
/* What the group's key makes of a capture (permk_aes/capture.h): the run's session from the
 * captured hellos, and every message in it opened and verified, in order, as a member would. To
 * show what a capture is worth with the key and without; and for audits, that a capture is whole.
 */
#ifndef PERMK_AES_REPLAY_H
#define PERMK_AES_REPLAY_H

#include <permk_aes/capture.h>
#include <permk_aes/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct permk_replay_options {
    const permk_key *key;       // borrowed; may be NULL where the capture's cipher is none
    const permk_roster *roster; // of a signed run, else NULL; borrowed
    /* Called with the plain text of every chunk that was opened; may be NULL. */
    void (*on_part)(void *context, uint32_t client, uint64_t round, const permk_part *part,
                    const void *plain, size_t size_bytes);
    void *context;
} permk_replay_options;

typedef struct permk_replay_result {
    uint64_t rounds;        // whose messages were all looked at
    uint64_t chunks;        // sealed chunks in the capture
    uint64_t verified;      // of them opened
    uint64_t plain_bytes;   // in those
    uint32_t epochs;        // times the keys were replaced
    char session[33];       // the session's id, in hexadecimal digits
    char why[CT_DIAG_SIZE]; // why what follows was not opened; "" if all was
} permk_replay_result;

/* Read capture (just opened) to its end. The first chunk that does not verify ends the replay: what
 * follows is bound to it. CT_EPARSE: the capture is no run from its beginning, or damaged;
 * CT_EINVALID: no key where one is needed; PERMK_ECRYPTO; CT_ENOMEM. */
CT_MUST_USE ct_status permk_replay(permk_replay_result *result, permk_capture *capture,
                                   const permk_replay_options *opt, ct_diag *diag);

/* The settings of the run, as its clients say them in the clear, are in the payload of a hello from
 * here on. Not terminated. */
#define PERMK_HELLO_SETTINGS (PERMK_NONCE_BYTES + PERMK_PUBLIC_KEY_BYTES + PERMK_SIGNATURE_BYTES)

#ifdef __cplusplus
}
#endif
#endif
