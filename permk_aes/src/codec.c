// SPDX-License-Identifier: MIT
/* Compressors. All but Natural send entries of the vector at certain positions, which are a block
 * as PermK has them: they are gathered, converted and added a part of a block at a time, through an
 * array that stays in the first-level cache, so that no value type and no rule needs a second pass
 * over memory. How RandK and TopK choose is in codec_choose.c, Natural in codec_natural.c. */
#include "codec_private.h"

#include "ownership_private.h"

#include <ctrain/bytes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PART = 1024 }; // entries converted at a time; whole lines

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- Sizes and constants ---- */

static permk_compressor compressor_of(const permk_train_options *opt)
{
    return opt->method == PERMK_METHOD_GD ? PERMK_COMPRESSOR_IDENTITY : opt->compressor;
}

static size_t k_of(const permk_train_options *opt, size_t d)
{
    size_t k = opt->k > 0 ? opt->k : d / 20;
    return k > 0 ? k : 1;
}

size_t permk__codec_entries(const permk_train_options *opt, uint32_t n, size_t d)
{
    switch (compressor_of(opt)) {
    case PERMK_COMPRESSOR_PERMK:
        return permk__max_block_length(opt->rule, n, d);
    case PERMK_COMPRESSOR_RANDK:
    case PERMK_COMPRESSOR_TOPK:
        return k_of(opt, d);
    case PERMK_COMPRESSOR_NATURAL:
    case PERMK_COMPRESSOR_IDENTITY:
        break;
    }
    return d;
}

size_t permk__codec_payload_bytes(const permk_train_options *opt, uint32_t n, size_t d)
{
    size_t entries = permk__codec_entries(opt, n, d);
    permk_compressor compressor = compressor_of(opt);
    if (compressor == PERMK_COMPRESSOR_NATURAL)
        return permk__natural_bytes(d);
    size_t position_bytes = compressor == PERMK_COMPRESSOR_TOPK ? sizeof(uint32_t) : 0;
    return entries * (position_bytes + permk_value_bytes(opt->value));
}

/* n > d: coordinate j has m_j owners, floor(n/d) or one more, and C_i is n/m_j times an entry:
 * 1 + omega = n E 1/m_j. */
static double omega_of_permk(uint32_t n, size_t d)
{
    if (d >= n)
        return (double)n - 1.0;
    double low = (double)(n / d), more = (double)(n % d) / (double)d;
    return (double)n * ((1.0 - more) / low + more / (low + 1.0)) - 1.0;
}

static void set_constants(permk__codec *codec)
{
    double share = (double)codec->k / (double)codec->d;
    codec->scale = 1.0;
    switch (codec->compressor) {
    case PERMK_COMPRESSOR_PERMK:
        codec->omega = omega_of_permk(codec->n, codec->d);
        codec->scale = 1.0 + codec->omega;
        codec->contraction = 1.0 / (double)smaller(codec->n, codec->d);
        break;
    case PERMK_COMPRESSOR_RANDK:
        codec->scale = (double)codec->d / (double)codec->k;
        codec->omega = codec->scale - 1.0;
        codec->contraction = share;
        break;
    case PERMK_COMPRESSOR_TOPK:
        codec->omega = NAN;
        codec->contraction = share;
        break;
    case PERMK_COMPRESSOR_NATURAL:
        codec->omega = 0.125;
        codec->contraction = 1.0 - codec->omega;
        break;
    case PERMK_COMPRESSOR_IDENTITY:
        codec->contraction = 1.0;
        break;
    }
}

/* ---- Lifecycle ---- */

static ct_status check(const permk_train_options *opt, uint32_t n, size_t d, ct_diag *diag)
{
    permk_compressor compressor = compressor_of(opt);
    if (compressor < PERMK_COMPRESSOR_PERMK || compressor > PERMK_COMPRESSOR_IDENTITY)
        return ct_fail(diag, CT_EINVALID, "unknown compressor %d", (int)compressor);
    if (opt->value < PERMK_VALUE_F64 || opt->value > PERMK_VALUE_BF16)
        return ct_fail(diag, CT_EINVALID, "unknown value type %d", (int)opt->value);
    if (n == 0 || d == 0 || d > UINT32_MAX)
        return ct_fail(
            diag, CT_EINVALID,
            "%u clients, %zu coordinates (both must be at least 1, and coordinates below "
            "2^32)",
            n, d);
    bool chooses = compressor == PERMK_COMPRESSOR_RANDK || compressor == PERMK_COMPRESSOR_TOPK;
    if (chooses && k_of(opt, d) > d)
        return ct_fail(diag, CT_EINVALID, "k = %zu is more than there are coordinates (%zu)",
                       opt->k, d);
    return CT_OK;
}

ct_status permk__codec_init(permk__codec *codec, const permk_train_options *opt, uint32_t n,
                            size_t d, const unsigned char ownership_key[32], ct_diag *diag)
{
    memset(codec, 0, sizeof *codec);
    CT_TRY(check(opt, n, d, diag));
    *codec = (permk__codec){.compressor = compressor_of(opt),
                            .value = opt->value,
                            .n = n,
                            .d = d,
                            .k = k_of(opt, d),
                            .seed = opt->seed,
                            .entries = permk__codec_entries(opt, n, d),
                            .payload_bytes = permk__codec_payload_bytes(opt, n, d)};
    set_constants(codec);
    if (codec->compressor == PERMK_COMPRESSOR_PERMK)
        return permk_ownership_create(&codec->owner, opt->rule, n, d, ownership_key, diag);
    ct_status status = permk__room_create(codec);
    return status == CT_OK ? status : ct_fail(diag, status, "compressor: out of memory");
}

void permk__codec_clear(permk__codec *codec)
{
    permk_ownership_destroy(codec->owner);
    permk__room_destroy(codec->room);
    memset(codec, 0, sizeof *codec);
}

ct_status permk__codec_draw(permk__codec *codec, uint64_t round, ct_diag *diag)
{
    codec->round = round;
    return codec->owner != NULL ? permk_ownership_draw(codec->owner, round, diag) : CT_OK;
}

/* ---- Blocks ---- */

static permk_block whole_vector(size_t d)
{
    return (permk_block){.length = d, .weight = 1.0};
}

permk_block permk__codec_block(const permk__codec *codec, uint32_t client)
{
    return codec->owner != NULL ? permk_ownership_block(codec->owner, client)
                                : whole_vector(codec->d);
}

/* Entries of block in v, or in values, which holds only those. */
static void encode_entries(const permk__codec *codec, const permk_block *block, const double *v,
                           const double *values, unsigned char *out)
{
    size_t bytes = permk_value_bytes(codec->value);
    double room[PART];
    for (size_t at = 0; at < block->length; at += PART) {
        size_t count = smaller(PART, block->length - at);
        const double *entries = room;
        if (values != NULL) {
            entries = values + at;
        } else {
            permk_block part = permk__block_part(block, at, count);
            permk_block_gather(&part, v, room);
        }
        permk_values_encode(codec->value, entries, count, out + at * bytes);
    }
    memset(out + block->length * bytes, 0, (codec->entries - block->length) * bytes);
}

/* out += factor entries: not of an owner's weight, which factor has. */
static bool add_entries(const permk__codec *codec, const permk_block *block,
                        const unsigned char *in, double factor, double *out)
{
    size_t bytes = permk_value_bytes(codec->value);
    double room[PART];
    for (size_t at = 0; at < block->length; at += PART) {
        size_t count = smaller(PART, block->length - at);
        if (!permk_values_decode(codec->value, in + at * bytes, count, room))
            return false;
        permk_block part = permk__block_part(block, at, count);
        part.weight = 1.0;
        permk_block_axpy(&part, factor, room, out);
    }
    return true;
}

void permk__codec_encode_block(permk__codec *codec, const permk_block *block, const double *values,
                               void *payload)
{
    encode_entries(codec, block, NULL, values, payload);
}

/* ---- One payload ---- */

void permk__codec_encode(permk__codec *codec, uint32_t client, const double *v, void *payload)
{
    permk_block block = permk__codec_block(codec, client);
    unsigned char *entries = payload;
    switch (codec->compressor) {
    case PERMK_COMPRESSOR_NATURAL:
        permk__natural_encode(codec, client, v, payload);
        return;
    case PERMK_COMPRESSOR_RANDK:
        block = permk__choose_random(codec, client);
        break;
    case PERMK_COMPRESSOR_TOPK:
        block = permk__choose_largest(codec, v);
        entries = permk__positions_write(&block, entries);
        break;
    case PERMK_COMPRESSOR_PERMK:
    case PERMK_COMPRESSOR_IDENTITY:
        break;
    }
    encode_entries(codec, &block, v, NULL, entries);
}

bool permk__codec_add(permk__codec *codec, uint32_t client, const void *payload, double factor,
                      double *out)
{
    permk_block block = permk__codec_block(codec, client);
    const unsigned char *entries = payload;
    switch (codec->compressor) {
    case PERMK_COMPRESSOR_NATURAL:
        return permk__natural_add(payload, codec->d, factor, out);
    case PERMK_COMPRESSOR_RANDK:
        block = permk__choose_random(codec, client);
        break;
    case PERMK_COMPRESSOR_TOPK:
        entries = permk__positions_read(codec, entries, &block);
        break;
    case PERMK_COMPRESSOR_PERMK:
    case PERMK_COMPRESSOR_IDENTITY:
        break;
    }
    return entries != NULL && add_entries(codec, &block, entries, factor, out);
}

const double *permk__codec_in_place(const permk__codec *codec, uint32_t client, const double *v)
{
    bool takes_ranges = codec->compressor == PERMK_COMPRESSOR_PERMK ||
                        codec->compressor == PERMK_COMPRESSOR_IDENTITY;
    if (!takes_ranges || codec->value != PERMK_VALUE_F64 || !CT_LITTLE_ENDIAN)
        return NULL;
    permk_block block = permk__codec_block(codec, client);
    bool is_range = block.index == NULL && block.line == NULL;
    return is_range && block.length == codec->entries ? v + block.first : NULL;
}

double permk__codec_mean_factor(const permk__codec *codec, uint32_t client)
{
    return codec->owner != NULL ? permk_ownership_block(codec->owner, client).weight
                                : codec->scale / (double)codec->n;
}

double permk__codec_factor(const permk__codec *codec, uint32_t client)
{
    return codec->owner != NULL
               ? (double)codec->n * permk_ownership_block(codec->owner, client).weight
               : codec->scale;
}
