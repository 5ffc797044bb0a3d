// SPDX-License-Identifier: MIT
/* A block as runs of neighbouring coordinates, whatever the ownership rule: a range is one run, a
 * line is one, of a random set every coordinate is one. For problems that compute only a block's
 * entries. */
#ifndef PERMK_AES_BLOCK_RUN_H
#define PERMK_AES_BLOCK_RUN_H

#include <permk_aes/ownership.h>

typedef struct permk__run {
    size_t first, length; // coordinates first … first + length - 1
} permk__run;

static inline size_t permk__block_runs(const permk_block *block)
{
    if (block->index != NULL)
        return block->length;
    return block->line != NULL ? block->lines : 1;
}

/* Run k, in the order of the block's values; d is the number of coordinates. */
static inline permk__run permk__block_run(const permk_block *block, size_t k, size_t d)
{
    if (block->index != NULL)
        return (permk__run){block->index[k], 1};
    if (block->line == NULL)
        return (permk__run){block->first, block->length};
    size_t first = (size_t)block->line[k] * PERMK_LINE;
    return (permk__run){first, d - first < PERMK_LINE ? d - first : PERMK_LINE};
}

#endif
