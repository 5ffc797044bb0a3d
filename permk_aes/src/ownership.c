// SPDX-License-Identifier: MIT
/* PermK's ownership maps.
 *
 * d >= n: units, which are coordinates or lines of them, in their own order (rotation) or shuffled
 * (permutation, lines), are cut into n blocks at floor(b units / n), and block b goes to client
 * b + shift mod n. The shift makes every client equally likely to own every coordinate although
 * blocks differ in length.
 * n > d: the clients, shuffled, are cut into d groups of owners; the groups go round the
 * coordinates by a shift, so that which coordinate has more owners is random too. A shuffle of
 * clients, not a rotation, because here the pairs of owners of one coordinate matter as well. */
#include "ownership_private.h"

#include "stream.h"

#include <ctrain/kernels.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD = 32 }; // memory accesses at random that are asked for before they are needed

struct permk_ownership {
    permk_rule rule; // that applies: permutation where lines are asked for but too few
    uint32_t n;
    size_t d;
    permk__stream stream;
    uint32_t shift;
    uint32_t *order;      // d >= n: (units) shuffled; NULL for rotation
                          // n > d:  (n) slot of each client
    uint32_t short_block; // lines: the one whose last line is cut short; n where none is
};

const char *permk_rule_name(permk_rule rule)
{
    switch (rule) {
    case PERMK_RULE_ROTATION:
        return "rotation";
    case PERMK_RULE_PERMUTATION:
        return "permutation";
    case PERMK_RULE_LINES:
        return "lines";
    }
    return "unknown";
}

bool permk_rule_from_name(permk_rule *out, const char *name)
{
    for (permk_rule rule = PERMK_RULE_ROTATION; rule <= PERMK_RULE_LINES; rule++) {
        if (strcmp(permk_rule_name(rule), name) == 0) {
            *out = rule;
            return true;
        }
    }
    return false;
}

static size_t divide_up(size_t a, size_t b)
{
    return a / b + (a % b != 0);
}

/* floor(b units / n) without overflow: b <= n < 2^32, units < 2^32. */
static size_t cut(uint64_t b, uint64_t units, uint64_t n)
{
    return (size_t)(b * units / n);
}

/* The part that unit `at` is in, where `units` are cut into n parts, n <= units. */
static uint64_t part_of(uint64_t at, uint64_t units, uint64_t n)
{
    uint64_t part = at * n / units; // or one too small: cuts round down
    while (cut(part + 1, units, n) <= at)
        part++;
    return part;
}

static permk_rule rule_that_applies(permk_rule rule, uint32_t n, size_t d)
{
    return rule == PERMK_RULE_LINES && d / PERMK_LINE < n ? PERMK_RULE_PERMUTATION : rule;
}

static size_t units_of(permk_rule rule, size_t d)
{
    return rule == PERMK_RULE_LINES ? divide_up(d, PERMK_LINE) : d;
}

static size_t order_length(const permk_ownership *o)
{
    if (o->n > o->d)
        return o->n;
    return o->rule == PERMK_RULE_ROTATION ? 0 : units_of(o->rule, o->d);
}

static ct_status check(permk_rule rule, uint32_t n, size_t d, ct_diag *diag)
{
    if (n == 0 || d == 0 || d > UINT32_MAX)
        return ct_fail(
            diag, CT_EINVALID,
            "%u clients, %zu coordinates (both must be at least 1, and coordinates below "
            "2^32)",
            n, d);
    if (rule < PERMK_RULE_ROTATION || rule > PERMK_RULE_LINES)
        return ct_fail(diag, CT_EINVALID, "unknown ownership rule %d", (int)rule);
    return CT_OK;
}

ct_status permk_ownership_create(permk_ownership **out, permk_rule rule, uint32_t n, size_t d,
                                 const unsigned char key[PERMK_OWNERSHIP_KEY_BYTES], ct_diag *diag)
{
    *out = NULL;
    CT_TRY(check(rule, n, d, diag));
    permk_ownership *o = calloc(1, sizeof *o);
    if (o == NULL)
        return ct_fail(diag, CT_ENOMEM, "ownership map: out of memory");
    o->rule = rule_that_applies(rule, n, d);
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

/* ---- Draw ---- */

/* A uniformly random permutation of {0, …, n-1} (Fisher-Yates). Numbers are drawn some time before
 * they are used, so that what they point to is in the cache by then. */
static void shuffle(permk__stream *stream, uint32_t *order, uint32_t n)
{
    uint32_t drawn[AHEAD];
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    for (uint32_t i = n; i > 1;) {
        uint32_t some = i - 1 < AHEAD ? i - 1 : AHEAD;
        for (uint32_t k = 0; k < some; k++) {
            drawn[k] = permk__stream_below(stream, i - k);
            __builtin_prefetch(order + drawn[k], 1);
        }
        for (uint32_t k = 0; k < some; k++, i--) {
            uint32_t swap = order[i - 1];
            order[i - 1] = order[drawn[k]];
            order[drawn[k]] = swap;
        }
    }
}

/* Bring the line that d cuts short to the end of its block, so that all before it are whole. */
static void put_short_line_last(permk_ownership *o)
{
    size_t lines = order_length(o), at = 0;
    while (o->order[at] != lines - 1)
        at++;
    o->short_block = (uint32_t)part_of(at, lines, o->n);
    size_t end = cut((uint64_t)o->short_block + 1, lines, o->n) - 1;
    o->order[at] = o->order[end];
    o->order[end] = (uint32_t)(lines - 1);
}

ct_status permk_ownership_draw(permk_ownership *o, uint64_t round, ct_diag *diag)
{
    permk__stream_begin(&o->stream, round);
    o->shift = permk__stream_below(&o->stream, o->n > o->d ? (uint32_t)o->d : o->n);
    if (o->order != NULL)
        shuffle(&o->stream, o->order, (uint32_t)order_length(o));
    o->short_block = o->n;
    if (o->rule == PERMK_RULE_LINES && o->d % PERMK_LINE != 0)
        put_short_line_last(o);
    if (o->stream.status != CT_OK)
        return ct_fail(diag, o->stream.status, "drawing the ownership map: AES-256-CTR failed");
    return CT_OK;
}

/* ---- Blocks ---- */

/* n > d: slots cut(c) … cut(c+1)-1 form group c, which owns one coordinate. */
static permk_block single_coordinate(const permk_ownership *o, uint32_t client)
{
    uint64_t group = part_of(o->order[client], o->n, o->d);
    size_t owners = cut(group + 1, o->n, o->d) - cut(group, o->n, o->d);
    return (permk_block){
        .length = 1, .first = (size_t)((group + o->shift) % o->d), .weight = 1.0 / (double)owners};
}

permk_block permk_ownership_block(const permk_ownership *o, uint32_t client)
{
    if (o->n > o->d)
        return single_coordinate(o, client);
    uint64_t b = ((uint64_t)client + o->n - o->shift) % o->n;
    size_t units = units_of(o->rule, o->d), first = cut(b, units, o->n);
    size_t count = cut(b + 1, units, o->n) - first;
    if (o->rule == PERMK_RULE_ROTATION)
        return (permk_block){.length = count, .first = first, .weight = 1.0};
    if (o->rule == PERMK_RULE_PERMUTATION)
        return (permk_block){.length = count, .index = o->order + first, .weight = 1.0};
    size_t missing = b == o->short_block ? PERMK_LINE - o->d % PERMK_LINE : 0;
    return (permk_block){.length = PERMK_LINE * count - missing,
                         .line = o->order + first,
                         .lines = count,
                         .weight = 1.0};
}

size_t permk__max_block_length(permk_rule rule, uint32_t n, size_t d)
{
    if (n > d)
        return 1;
    if (rule_that_applies(rule, n, d) != PERMK_RULE_LINES)
        return divide_up(d, n);
    size_t length = PERMK_LINE * divide_up(units_of(rule, d), n);
    return length < d ? length : d;
}

size_t permk_ownership_max_length(const permk_ownership *o)
{
    return permk__max_block_length(o->rule, o->n, o->d);
}

permk_block permk__block_part(const permk_block *block, size_t at, size_t count)
{
    permk_block part = *block;
    part.length = count;
    part.first += at;
    if (block->index != NULL)
        part.index += at;
    if (block->line != NULL) {
        part.line += at / PERMK_LINE;
        part.lines = divide_up(count, PERMK_LINE);
    }
    return part;
}

static size_t line_at(const permk_block *block, size_t l)
{
    return (size_t)block->line[l] * PERMK_LINE;
}

/* Some lines of x will be needed. */
static void fetch_ahead(const permk_block *block, size_t l, const double *x)
{
    if (l + AHEAD < block->lines)
        __builtin_prefetch(x + line_at(block, l + AHEAD));
}

static void gather_lines(const permk_block *block, const double *x, double *values)
{
    size_t whole = block->length / PERMK_LINE, rest = block->length % PERMK_LINE;
    for (size_t l = 0; l < whole; l++) { // a constant size, which compilers make moves of
        fetch_ahead(block, l, x);
        memcpy(values + l * PERMK_LINE, x + line_at(block, l), PERMK_LINE * sizeof *values);
    }
    if (rest > 0)
        memcpy(values + whole * PERMK_LINE, x + line_at(block, whole), rest * sizeof *values);
}

void permk_block_gather(const permk_block *block, const double *x, double *values)
{
    if (block->line != NULL)
        gather_lines(block, x, values);
    else if (block->index != NULL)
        ct_kernels_get()->f64.gather(values, x, block->index, block->length);
    else
        memcpy(values, x + block->first, block->length * sizeof *values);
}

static void axpy_lines(const permk_block *block, double scale, const double *values, double *x)
{
    size_t whole = block->length / PERMK_LINE, rest = block->length % PERMK_LINE;
    for (size_t l = 0; l < whole; l++) {
        fetch_ahead(block, l, x);
        double *restrict to = x + line_at(block, l);
        const double *restrict from = values + l * PERMK_LINE;
        for (size_t k = 0; k < PERMK_LINE; k++)
            to[k] += scale * from[k];
    }
    for (size_t k = 0; k < rest; k++)
        x[line_at(block, whole) + k] += scale * values[whole * PERMK_LINE + k];
}

static void axpy_scattered(const permk_block *block, double scale, const double *values, double *x)
{
    for (size_t k = 0; k < block->length; k++) {
        if (k + AHEAD < block->length)
            __builtin_prefetch(x + block->index[k + AHEAD], 1);
        x[block->index[k]] += scale * values[k];
    }
}

/* Not by the kernel's axpy, which rounds once where it can: every rule gives the same bits. */
void permk_block_axpy(const permk_block *block, double a, const double *values, double *x)
{
    double scale = a * block->weight;
    if (block->line != NULL) {
        axpy_lines(block, scale, values, x);
    } else if (block->index != NULL) {
        axpy_scattered(block, scale, values, x);
    } else {
        double *range = x + block->first;
        for (size_t k = 0; k < block->length; k++)
            range[k] += scale * values[k];
    }
}

ct_status permk_ownership_key_from_seed(unsigned char key[PERMK_OWNERSHIP_KEY_BYTES], uint64_t seed)
{
    unsigned char label[32] = "permk public ownership 1"; // 24 bytes, then the seed
    for (int i = 0; i < 8; i++)
        label[24 + i] = (unsigned char)(seed >> (8 * i));
    return SHA256(label, sizeof label, key) != NULL ? CT_OK : PERMK_ECRYPTO;
}
