// SPDX-License-Identifier: MIT
/* Selection of the entries that a compressor sends. */
#ifndef UFEDNL_COMPRESS_H
#define UFEDNL_COMPRESS_H

#include <stddef.h>
#include <stdint.h>

/* Write the slots of the k entries of v (n) that are largest by magnitude to slot, ascending; of
 * equal ones the first. Zeros are left out. keys is scratch of n entries, slot has room for one
 * more than are chosen: min(k, n) + 1. Returns how many there are. v holds no NaN. */
size_t fednl__top_k(const double *v, size_t n, size_t k, uint64_t *keys, uint32_t *slot);

#endif
