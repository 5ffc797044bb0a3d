// SPDX-License-Identifier: MIT
/* A client among many processes, between the file that opens its session (hello.c) and the one that
 * runs its rounds (client.c). */
#ifndef PERMK_AES_PARTY_H
#define PERMK_AES_PARTY_H

#include "trainer.h"

#define PERMK__LEADER 0U

typedef struct permk__party {
    permk__trainer trainer;
    permk_session *session;
    permk_key *key;          // agreed upon; NULL where it was given
    ct_transport *transport; // borrowed
    uint32_t id;
    bool *lost;              // (n) clients that the server has given up
    bool *here;              // (n) whose message (or hello) of what is awaited is complete
    permk__parts *coming;    // (n) where in its message each client is
    unsigned char *messages; // (n, payload bytes) of this round; own at its place
    size_t payload_bytes;    // of the largest there is
    double *parts;           // (n, d + 1) where f is evaluated by all; or NULL
    unsigned char *sealed;   // a chunk on its way out: flags, ciphertext, tag, signature
    uint32_t absent;         // clients that are missing from this round
    permk_result result;
    bool ended;
} permk__party;

/* Exchange hellos, agree upon a key where none is given, and derive the session. */
CT_MUST_USE ct_status permk__party_meet(permk__party *p, ct_diag *diag);

/* The next frame of another client; *message->aux is whose. What the server says of itself and of
 * clients that are gone ends the run; of clients that are lost it is noted, and the next frame
 * awaited (CT_ETIMEOUT never; *lost_one: somebody was lost instead). */
CT_MUST_USE ct_status permk__party_next(permk__party *p, ct_message *message, double deadline_s,
                                        bool *lost_one, ct_diag *diag);
CT_MUST_USE ct_status permk__party_send(permk__party *p, uint8_t type, const void *data,
                                        size_t size, ct_diag *diag);
double permk__party_deadline(const permk__party *p);

#endif
