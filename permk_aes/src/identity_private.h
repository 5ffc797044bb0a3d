// SPDX-License-Identifier: MIT
/* What tests need to hold identities and agreements against published vectors. */
#ifndef PERMK_AES_IDENTITY_PRIVATE_H
#define PERMK_AES_IDENTITY_PRIVATE_H

#include <permk_aes/identity.h>

/* The key pair of a known secret (32). */
CT_MUST_USE ct_status permk__identity_from_secret(permk_identity **out, const unsigned char *secret,
                                                  ct_diag *diag);
CT_MUST_USE ct_status permk__agreement_from_secret(permk_agreement **out,
                                                   const unsigned char *secret, ct_diag *diag);
/* X25519(own, theirs). PERMK_EAUTH: it would be zero; shared is then wiped. */
CT_MUST_USE ct_status permk__agreement_shared(const permk_agreement *agreement,
                                              const unsigned char *their_public,
                                              unsigned char shared[32]);

#endif
