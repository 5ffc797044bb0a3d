// SPDX-License-Identifier: MIT
/* Blocks piece by piece, and their lengths without drawing any. */
#ifndef PERMK_AES_OWNERSHIP_PRIVATE_H
#define PERMK_AES_OWNERSHIP_PRIVATE_H

#include <permk_aes/ownership.h>

/* permk_ownership_max_length of such a map. */
size_t permk__max_block_length(permk_rule rule, uint32_t n, size_t d);

/* Coordinates at … at + count - 1 of a block, as a block of its own; at is a multiple of
 * PERMK_LINE. */
permk_block permk__block_part(const permk_block *block, size_t at, size_t count);

#endif
