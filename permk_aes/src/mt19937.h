// SPDX-License-Identifier: MIT
/* The Mersenne Twister MT19937 (Matsumoto, Nishimura 1998) as NumPy's RandomState and PyTorch's CPU
 * generator use it. Only for reproducing published test problems; never for secrets. */
#ifndef PERMK_AES_MT19937_H
#define PERMK_AES_MT19937_H

#include <stdint.h>

typedef struct permk__mt19937 {
    uint32_t state[624];
    unsigned at;
} permk__mt19937;

void permk__mt19937_init(permk__mt19937 *mt, uint32_t seed); // init_genrand
uint32_t permk__mt19937_u32(permk__mt19937 *mt);
double permk__mt19937_real53(permk__mt19937 *mt); // [0, 1), as RandomState.rand()

#endif
