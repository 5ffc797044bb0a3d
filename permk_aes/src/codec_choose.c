// SPDX-License-Identifier: MIT
/* Positions of RandK and TopK: lists of coordinates, which are blocks like PermK's.
 *
 * RandK's are a function of (seed, client, round), so that receivers draw them again. They are
 * marked in a set of bits and listed in order: O(k + d/64), without a sort. */
#include "codec_private.h"

#include <ctrain/arena.h>
#include <ctrain/bytes.h>
#include <ctrain/rng.h>
#include <ctrain/select.h>
#include <stdlib.h>

struct permk__codec_room {
    uint32_t *position; // (k + 1)
    uint64_t *drawn;    // (d bits) RandK: zero between uses
    uint64_t *keys;     // (d)      TopK
    ct_arena memory;
};

static void lay_out(permk__codec_room *room, const permk__codec *codec)
{
    ct_arena *a = &room->memory;
    room->position = ct_arena_array(a, uint32_t, codec->k + 1);
    if (codec->compressor == PERMK_COMPRESSOR_RANDK)
        room->drawn = ct_arena_array(a, uint64_t, codec->d / 64 + 1);
    else
        room->keys = ct_arena_array(a, uint64_t, codec->d);
}

ct_status permk__room_create(permk__codec *codec)
{
    if (codec->compressor != PERMK_COMPRESSOR_RANDK && codec->compressor != PERMK_COMPRESSOR_TOPK)
        return CT_OK;
    permk__codec_room *room = calloc(1, sizeof *room);
    if (room == NULL)
        return CT_ENOMEM;
    ct_arena_init_measuring(&room->memory);
    lay_out(room, codec);
    ct_status status = room->memory.failed
                           ? CT_ENOMEM
                           : ct_arena_init(&room->memory, ct_arena_high_water(&room->memory));
    if (status != CT_OK) {
        free(room);
        return status;
    }
    lay_out(room, codec);
    codec->room = room;
    return CT_OK;
}

void permk__room_destroy(permk__codec_room *room)
{
    if (room == NULL)
        return;
    ct_arena_clear(&room->memory);
    free(room);
}

static permk_block chosen(const permk__codec *codec)
{
    return (permk_block){.length = codec->k, .index = codec->room->position, .weight = 1.0};
}

/* ---- RandK ---- */

void permk__codec_stream(const permk__codec *codec, uint32_t client, ct_rng *rng)
{
    // a stream has 32 bits for the round: the others go to the seed
    uint64_t seed = codec->seed ^ codec->round >> 32 << 32;
    ct_rng_init(rng, seed, CT_RNG_COMPRESSOR, client, (uint32_t)codec->round);
}

/* The bits of one word, lowest first, as positions from `first` on. */
static size_t list_word(uint32_t *position, uint64_t word, uint32_t first)
{
    size_t listed = 0;
    for (; word != 0; word &= word - 1)
        position[listed++] = first + (uint32_t)__builtin_ctzll(word);
    return listed;
}

permk_block permk__choose_random(permk__codec *codec, uint32_t client)
{
    permk__codec_room *room = codec->room;
    ct_rng rng;
    permk__codec_stream(codec, client, &rng);
    ct_rng_mark_subset(&rng, room->drawn, (uint32_t)codec->k, (uint32_t)codec->d);
    size_t listed = 0;
    for (size_t w = 0; listed < codec->k; w++) {
        listed += list_word(room->position + listed, room->drawn[w], (uint32_t)(64 * w));
        room->drawn[w] = 0;
    }
    return chosen(codec);
}

/* ---- TopK ---- */

/* All that are not zero, fewer than k, and the first zeros. */
static void list_with_zeros(uint32_t *position, size_t k, const double *v, size_t not_zero)
{
    size_t zeros = k - not_zero, listed = 0;
    for (size_t j = 0; listed < k; j++) {
        bool is_zero = v[j] == 0;
        if (is_zero && zeros == 0)
            continue;
        zeros -= is_zero;
        position[listed++] = (uint32_t)j;
    }
}

permk_block permk__choose_largest(permk__codec *codec, const double *v)
{
    permk__codec_room *room = codec->room;
    size_t listed = ct_top_k_f64(v, codec->d, codec->k, room->keys, room->position);
    if (listed < codec->k)
        list_with_zeros(room->position, codec->k, v, listed);
    return chosen(codec);
}

unsigned char *permk__positions_write(const permk_block *block, unsigned char *payload)
{
    size_t size = block->length * sizeof *block->index;
    ct_writer w = ct_writer_view(payload, size);
    ct_write_u32_array(&w, block->index, block->length);
    return payload + size;
}

const unsigned char *permk__positions_read(permk__codec *codec, const unsigned char *payload,
                                           permk_block *block)
{
    uint32_t *position = codec->room->position;
    size_t size = codec->k * sizeof *position;
    ct_reader r = ct_reader_view(payload, size);
    ct_read_u32_array(&r, position, codec->k);
    bool ascend = position[codec->k - 1] < codec->d;
    for (size_t i = 1; i < codec->k; i++)
        ascend &= position[i - 1] < position[i];
    *block = chosen(codec);
    return ascend ? payload + size : NULL;
}
