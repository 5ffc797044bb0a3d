// SPDX-License-Identifier: MIT
/* RandK and RandSeqK: positions of the triangle are drawn, and those that are on a client's pattern
 * are looked up. Off the pattern D is zero, so that what is drawn there costs nothing, but it is
 * drawn as if it did. */
#include "compress_private.h"

static bool marked(const uint64_t *set, uint32_t position)
{
    return set[position / 64] >> (position % 64) & 1;
}

static size_t list_marked(uint32_t *slot, const uint64_t *set, const uint32_t *position, size_t n)
{
    size_t chosen = 0;
    for (size_t i = 0; i < n; i++) {
        slot[chosen] = (uint32_t)i;
        chosen += marked(set, position[i]);
    }
    return chosen;
}

/* A set of bits of the triangle is a hundredth of the server's Hessian, even where it is large. */
static size_t draw_anywhere(const fednl__compressor *compressor, ct_rng *rng,
                            const uint32_t *position, size_t n, uint64_t *set, uint32_t *slot)
{
    ct_rng_mark_subset(rng, set, (uint32_t)compressor->k, (uint32_t)compressor->triangle);
    size_t chosen = list_marked(slot, set, position, n);
    memset(set, 0, (compressor->triangle / 64 + 1) * sizeof *set);
    return chosen;
}

/* The first slot whose position is at least least. */
static size_t lower_bound(const uint32_t *position, size_t n, size_t least)
{
    size_t first = 0;
    while (n > 0) {
        size_t half = n / 2;
        bool before = position[first + half] < least;
        first = before ? first + half + 1 : first;
        n = before ? n - half - 1 : half;
    }
    return first;
}

static size_t list_between(uint32_t *slot, const uint32_t *position, size_t n, size_t begin,
                           size_t end)
{
    size_t first = lower_bound(position, n, begin);
    size_t count = lower_bound(position + first, n - first, end);
    for (size_t i = 0; i < count; i++)
        slot[i] = (uint32_t)(first + i);
    return count;
}

/* k consecutive positions from a random one on; position 0 follows the last. */
static size_t draw_window(const fednl__compressor *compressor, ct_rng *rng,
                          const uint32_t *position, size_t n, uint32_t *slot)
{
    size_t triangle = compressor->triangle;
    size_t begin = (size_t)ct_rng_below(rng, triangle), end = begin + compressor->k;
    if (end <= triangle)
        return list_between(slot, position, n, begin, end);
    size_t count = list_between(slot, position, n, 0, end - triangle);
    return count + list_between(slot + count, position, n, begin, triangle);
}

size_t fednl__draw(const fednl__compressor *compressor, uint32_t client, uint32_t round,
                   const uint32_t *position, size_t n, fednl__compress_work *work, uint32_t *slot,
                   uint32_t *index)
{
    ct_rng rng;
    fednl__compressor_stream(&rng, compressor, client, round);
    slot = slot != NULL ? slot : work->slot;
    size_t chosen = compressor->kind == FEDNL_COMPRESSOR_RANDK
                        ? draw_anywhere(compressor, &rng, position, n, work->drawn, slot)
                        : draw_window(compressor, &rng, position, n, slot);
    for (size_t i = 0; i < chosen && index != NULL; i++)
        index[i] = position[slot[i]];
    return chosen;
}
