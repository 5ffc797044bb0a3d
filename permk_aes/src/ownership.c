// SPDX-License-Identifier: MIT
/* PermK's ownership maps.
 *
 * d >= n: the coordinates, in their own order (rotation) or shuffled (permutation), are cut into n
 * blocks at floor(b d / n), and block b goes to client b + shift mod n. The shift makes every
 * client equally likely to own every coordinate although blocks differ in length.
 * n > d: the clients, shuffled, are cut into d groups of owners; the groups go round the
 * coordinates by a shift, so that which coordinate has more owners is random too. A shuffle of
 * clients, not a rotation, because here the pairs of owners of one coordinate matter as well. */
#include <permk_aes/ownership.h>

#include "stream.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

struct permk_ownership {
    permk_rule rule;
    uint32_t n;
    size_t d;
    permk__stream stream;
    uint32_t shift;
    uint32_t *order; // d >= n: (d) shuffled coordinates, permutation rule only
                     // n > d:  (n) slot of each client
};

const char *permk_rule_name(permk_rule rule)
{
    return rule == PERMK_RULE_PERMUTATION ? "permutation" : "rotation";
}

bool permk_rule_from_name(permk_rule *out, const char *name)
{
    for (permk_rule rule = PERMK_RULE_ROTATION; rule <= PERMK_RULE_PERMUTATION; rule++) {
        if (strcmp(permk_rule_name(rule), name) == 0) {
            *out = rule;
            return true;
        }
    }
    return false;
}

/* floor(b d / n) without overflow: b <= n < 2^32, d < 2^32. */
static size_t cut(uint64_t b, uint64_t d, uint64_t n)
{
    return (size_t)(b * d / n);
}

static size_t order_length(const permk_ownership *o)
{
    if (o->n > o->d)
        return o->n;
    return o->rule == PERMK_RULE_PERMUTATION ? o->d : 0;
}

ct_status permk_ownership_create(permk_ownership **out, permk_rule rule, uint32_t n, size_t d,
                                 const unsigned char key[PERMK_OWNERSHIP_KEY_BYTES], ct_diag *diag)
{
    *out = NULL;
    if (n == 0 || d == 0 || d > UINT32_MAX)
        return ct_fail(
            diag, CT_EINVALID,
            "%u clients, %zu coordinates (both must be at least 1, and coordinates below "
            "2^32)",
            n, d);
    if (rule != PERMK_RULE_ROTATION && rule != PERMK_RULE_PERMUTATION)
        return ct_fail(diag, CT_EINVALID, "unknown ownership rule %d", (int)rule);
    permk_ownership *o = calloc(1, sizeof *o);
    if (o == NULL)
        return ct_fail(diag, CT_ENOMEM, "ownership map: out of memory");
    o->rule = rule;
    o->n = n;
    o->d = d;
    ct_status status = permk__stream_init(&o->stream, key);
    if (status == CT_OK && order_length(o) > 0) {
        o->order = malloc(order_length(o) * sizeof *o->order);
        if (o->order == NULL)
            status = CT_ENOMEM;
    }
    if (status != CT_OK) {
        permk_ownership_destroy(o);
        return ct_fail(diag, status, "ownership map: %s", ct_status_text(status));
    }
    *out = o;
    return CT_OK;
}

void permk_ownership_destroy(permk_ownership *ownership)
{
    if (ownership == NULL)
        return;
    permk__stream_clear(&ownership->stream);
    free(ownership->order);
    free(ownership);
}

/* A uniformly random permutation of {0, …, n-1} (Fisher-Yates). */
static void shuffle(permk__stream *stream, uint32_t *order, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = permk__stream_below(stream, i);
        uint32_t swap = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swap;
    }
}

ct_status permk_ownership_draw(permk_ownership *o, uint64_t round, ct_diag *diag)
{
    permk__stream_begin(&o->stream, round);
    o->shift = permk__stream_below(&o->stream, o->n > o->d ? (uint32_t)o->d : o->n);
    if (o->order != NULL)
        shuffle(&o->stream, o->order, (uint32_t)order_length(o));
    if (o->stream.status != CT_OK)
        return ct_fail(diag, o->stream.status, "drawing the ownership map: AES-256-CTR failed");
    return CT_OK;
}

/* n > d: slots cut(c) … cut(c+1)-1 form group c, which owns one coordinate. */
static permk_block single_coordinate(const permk_ownership *o, uint32_t client)
{
    uint64_t slot = o->order[client];
    uint64_t group = slot * o->d / o->n; // cut(group) <= slot, or one too small: cuts round down
    while (cut(group + 1, o->n, o->d) <= slot)
        group++;
    size_t owners = cut(group + 1, o->n, o->d) - cut(group, o->n, o->d);
    return (permk_block){
        .length = 1, .first = (size_t)((group + o->shift) % o->d), .weight = 1.0 / (double)owners};
}

permk_block permk_ownership_block(const permk_ownership *o, uint32_t client)
{
    if (o->n > o->d)
        return single_coordinate(o, client);
    uint64_t b = ((uint64_t)client + o->n - o->shift) % o->n;
    size_t first = cut(b, o->d, o->n);
    permk_block block = {.length = cut(b + 1, o->d, o->n) - first, .first = first, .weight = 1.0};
    if (o->order != NULL)
        block.index = o->order + first;
    return block;
}

size_t permk_ownership_max_length(const permk_ownership *o)
{
    return o->n > o->d ? 1 : (o->d + o->n - 1) / o->n;
}

void permk_block_gather(const permk_block *block, const double *x, double *values)
{
    if (block->index == NULL) {
        memcpy(values, x + block->first, block->length * sizeof *values);
        return;
    }
    for (size_t k = 0; k < block->length; k++)
        values[k] = x[block->index[k]];
}

void permk_block_axpy(const permk_block *block, double a, const double *values, double *x)
{
    double scale = a * block->weight;
    if (block->index == NULL) {
        double *range = x + block->first;
        for (size_t k = 0; k < block->length; k++)
            range[k] += scale * values[k];
        return;
    }
    for (size_t k = 0; k < block->length; k++)
        x[block->index[k]] += scale * values[k];
}

ct_status permk_ownership_key_from_seed(unsigned char key[PERMK_OWNERSHIP_KEY_BYTES], uint64_t seed)
{
    unsigned char label[32] = "permk public ownership 1"; // 24 bytes, then the seed
    for (int i = 0; i < 8; i++)
        label[24 + i] = (unsigned char)(seed >> (8 * i));
    return SHA256(label, sizeof label, key) != NULL ? CT_OK : PERMK_ECRYPTO;
}
