// SPDX-License-Identifier: MIT
/* Natural compression (Horvath et al., "Natural compression for distributed deep learning", 2019):
 * every number becomes one of the two powers of two next to it, at random, and is right on average.
 */
#ifndef CTRAIN_NATURAL_H
#define CTRAIN_NATURAL_H

#include <ctrain/rng.h>

#ifdef __cplusplus
extern "C" {
#endif

/* out (n) = v (n) rounded to sign 2^e or zero; E out = v to the last bit of v, and E (out - v)^2 is
 * at most v^2 / 8. Exceptions: numbers above 2^1023 become 2^1023, what is not finite becomes
 * infinite. out and v do not overlap. */
void ct_natural_f64(ct_rng *rng, double *out, const double *v, size_t n);

#ifdef __cplusplus
}
#endif
#endif
