// SPDX-License-Identifier: MIT
/* The core: ownership maps and a session, around buffers of the caller.
 *
 * A message is sealed in chunks that fit into the second-level cache: a chunk that was decrypted is
 * still there when its numbers are looked at. The numbers of all clients are kept until the last
 * message has verified; only then is x touched, in one pass. */
#include <permk_aes/core.h>

#include "ownership_private.h"

#include <ctrain/arena.h>
#include <ctrain/bytes.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 15 }; // numbers, whole lines

/* How far a client's message of this round has come. */
typedef struct progress {
    bool sealed;     // here
    size_t opened;   // chunks that have verified
    bool not_finite; // one of their numbers
    bool counts;     // in the step
} progress;

struct permk_core {
    permk_session *session;
    permk_ownership *map;
    permk_value value;
    uint32_t n, self;
    bool is_drawn;        // the map of this round
    size_t entries;       // numbers in a message
    size_t chunks;        // of a message
    double *values;       // (n, entries) what was sealed or has verified in this round
    unsigned char *plain; // (a chunk) as it travels, where numbers have not 8 bytes
    progress *progress;   // (n)
};

permk_core_options permk_core_options_default(void)
{
    return (permk_core_options){
        .session = permk_session_options_default(), .value = PERMK_VALUE_F64, .seed = 1};
}

/* ---- Life ---- */

/* The caller's settings, and those of the core. */
static ct_status open_session(permk_core *core, const permk_core_options *opt, ct_diag *diag)
{
    static const char label[] = "permk core 1";
    permk_session_options session = opt->session;
    size_t size = 0;
    if (!ct_add_size(&size, session.settings_bytes, sizeof label + 10))
        return ct_fail(diag, CT_ENOMEM, "core: settings are too long");
    unsigned char *settings = malloc(size);
    if (settings == NULL)
        return ct_fail(diag, CT_ENOMEM, "core: out of memory");
    ct_writer w = ct_writer_view(settings, size);
    ct_write_bytes(&w, label, sizeof label);
    ct_write_u8(&w, (uint8_t)opt->value);
    ct_write_u8(&w, opt->secret_ownership);
    ct_write_u64(&w, opt->seed);
    ct_write_bytes(&w, session.settings, session.settings_bytes);
    session.settings = settings;
    session.settings_bytes = w.at;
    ct_status status = permk_session_create(&core->session, &session, diag);
    free(settings);
    return status;
}

static ct_status open_map(permk_core *core, const permk_core_options *opt, ct_diag *diag)
{
    unsigned char key[PERMK_OWNERSHIP_KEY_BYTES];
    ct_status status = opt->secret_ownership ? permk_session_ownership_key(core->session, key)
                                             : permk_ownership_key_from_seed(key, opt->seed);
    if (status == CT_OK)
        status = permk_ownership_create(&core->map, opt->session.rule, core->n,
                                        (size_t)opt->session.dimension, key, diag);
    else
        ct_diag_set(diag, "core: the key of the ownership maps cannot be derived");
    OPENSSL_cleanse(key, sizeof key);
    return status;
}

static ct_status allocate(permk_core *core, ct_diag *diag)
{
    core->entries = permk_ownership_max_length(core->map);
    core->chunks = core->entries / CHUNK + (core->entries % CHUNK != 0);
    size_t all = 0;
    if (ct_mul_size(&all, core->n, core->entries) && ct_mul_size(&all, all, sizeof *core->values))
        core->values = calloc(1, all);
    core->plain = malloc(CHUNK * sizeof *core->values);
    core->progress = calloc(core->n, sizeof *core->progress);
    if (core->values == NULL || core->plain == NULL || core->progress == NULL)
        return ct_fail(diag, CT_ENOMEM, "core: out of memory");
    return CT_OK;
}

ct_status permk_core_create(permk_core **out, const permk_core_options *opt, ct_diag *diag)
{
    *out = NULL;
    if (opt->value < PERMK_VALUE_F64 || opt->value > PERMK_VALUE_BF16)
        return ct_fail(diag, CT_EINVALID, "unknown value type %d", (int)opt->value);
    permk_core *core = calloc(1, sizeof *core);
    if (core == NULL)
        return ct_fail(diag, CT_ENOMEM, "core: out of memory");
    core->value = opt->value;
    core->n = opt->session.clients;
    core->self = opt->session.self;
    ct_status status = open_session(core, opt, diag);
    if (status == CT_OK)
        status = open_map(core, opt, diag);
    if (status == CT_OK)
        status = allocate(core, diag);
    if (status != CT_OK) {
        permk_core_destroy(core);
        return status;
    }
    *out = core;
    return CT_OK;
}

void permk_core_destroy(permk_core *core)
{
    if (core == NULL)
        return;
    if (core->values != NULL)
        OPENSSL_cleanse(core->values, core->n * core->entries * sizeof *core->values);
    if (core->plain != NULL)
        OPENSSL_cleanse(core->plain, CHUNK * sizeof *core->values);
    free(core->values);
    free(core->plain);
    free(core->progress);
    permk_ownership_destroy(core->map);
    permk_session_destroy(core->session);
    free(core);
}

/* ---- One round ---- */

uint64_t permk_core_round(const permk_core *core)
{
    return permk_session_round(core->session);
}

size_t permk_core_message_bytes(const permk_core *core)
{
    return core->entries * permk_value_bytes(core->value) +
           core->chunks * permk_session_overhead_bytes(core->session);
}

static ct_status draw(permk_core *core, ct_diag *diag)
{
    if (core->is_drawn)
        return CT_OK;
    CT_TRY(permk_ownership_draw(core->map, permk_core_round(core), diag));
    core->is_drawn = true;
    return CT_OK;
}

ct_status permk_core_block(permk_core *core, uint32_t client, permk_block *block, ct_diag *diag)
{
    if (client >= core->n)
        return ct_fail(diag, CT_EINVALID, "client %u of %u", client, core->n);
    CT_TRY(draw(core, diag));
    *block = permk_ownership_block(core->map, client);
    return CT_OK;
}

static double *values_of(const permk_core *core, uint32_t client)
{
    return core->values + client * core->entries;
}

/* A chunk of a message: numbers, and bytes of them as they travel and sealed. */
typedef struct chunk {
    permk_part part;
    size_t at, count;  // numbers
    size_t message_at; // bytes
    size_t plain_bytes, sealed_bytes;
} chunk;

static chunk chunk_of(const permk_core *core, size_t number)
{
    size_t left = core->entries - number * CHUNK, size = permk_value_bytes(core->value);
    size_t overhead = permk_session_overhead_bytes(core->session);
    chunk c = {.part = {.kind = PERMK_KIND_BLOCK,
                        .chunk = (uint32_t)number,
                        .last = number + 1 == core->chunks,
                        .value = core->value,
                        .count = core->entries},
               .at = number * CHUNK,
               .count = left < CHUNK ? left : CHUNK,
               .message_at = number * (CHUNK * size + overhead)};
    c.plain_bytes = c.count * size;
    c.sealed_bytes = c.plain_bytes + overhead;
    return c;
}

static ct_status not_finite(const permk_core *core, uint32_t client, ct_diag *diag)
{
    return ct_fail(diag, CT_ENUMERIC, "client %u, round %llu: a number that is not finite", client,
                   (unsigned long long)permk_core_round(core));
}

/* ---- Seal ---- */

/* The chunk's numbers as they travel to out, and as others will read them to the client's values.
 * False: one is not finite. */
static bool write_chunk(const permk_core *core, uint32_t client, const chunk *c,
                        const double *gradient, unsigned char *out)
{
    permk_block block = permk_ownership_block(core->map, client);
    double *values = values_of(core, client) + c->at;
    size_t left = block.length - c->at, some = left < c->count ? left : c->count;
    permk_block part = permk__block_part(&block, c->at, some);
    permk_block_gather(&part, gradient, values);
    memset(values + some, 0, (c->count - some) * sizeof *values); // padding
    permk_values_encode(core->value, values, c->count, out);
    return permk_values_decode(core->value, out, c->count, values);
}

static ct_status write_message(const permk_core *core, uint32_t client, const double *gradient,
                               unsigned char *out, ct_diag *diag)
{
    for (size_t k = 0; k < core->chunks; k++) {
        chunk c = chunk_of(core, k);
        if (!write_chunk(core, client, &c, gradient, out + c.message_at))
            return not_finite(core, client, diag);
    }
    return CT_OK;
}

ct_status permk_core_seal(permk_core *core, uint32_t client, const double *gradient, void *message,
                          ct_diag *diag)
{
    if (client >= core->n || (core->self != PERMK_EVERY_SENDER && core->self != client))
        return ct_fail(diag, CT_EINVALID, "this core cannot seal as client %u", client);
    if (core->progress[client].sealed)
        return ct_fail(diag, CT_EINVALID, "client %u, round %llu: a second message in one round",
                       client, (unsigned long long)permk_core_round(core));
    unsigned char *out = message;
    CT_TRY(draw(core, diag));
    CT_TRY(write_message(core, client, gradient, out, diag));
    core->progress[client].sealed = true; // what is in values now must stay
    for (size_t k = 0; k < core->chunks; k++) {
        chunk c = chunk_of(core, k);
        unsigned char *at = out + c.message_at;
        CT_TRY(permk_session_seal(core->session, client, &c.part, at, c.plain_bytes, at, diag));
    }
    return CT_OK;
}

/* ---- Apply ---- */

static ct_status open_chunk(permk_core *core, uint32_t client, const chunk *c,
                            const unsigned char *message, ct_diag *diag)
{
    double *values = values_of(core, client) + c->at;
    void *plain = core->value == PERMK_VALUE_F64 ? (void *)values : core->plain;
    CT_TRY(permk_session_open(core->session, client, &c->part, message + c->message_at,
                              c->sealed_bytes, plain, c->plain_bytes, diag));
    if (!permk_values_decode(core->value, plain, c->count, values))
        core->progress[client].not_finite = true;
    return CT_OK;
}

/* From the first chunk that has not verified yet. */
static ct_status open_message(permk_core *core, uint32_t client, const unsigned char *message,
                              ct_diag *diag)
{
    progress *p = &core->progress[client];
    for (; p->opened < core->chunks; p->opened++) {
        chunk c = chunk_of(core, p->opened);
        CT_TRY(open_chunk(core, client, &c, message, diag));
    }
    return p->not_finite ? not_finite(core, client, diag) : CT_OK;
}

static ct_status open_all(permk_core *core, const unsigned char *messages, const bool *absent,
                          ct_diag *diag)
{
    for (uint32_t i = 0; i < core->n; i++) {
        progress *p = &core->progress[i];
        p->counts = absent == NULL || !absent[i];
        if (i == core->self)
            p->counts &= permk_session_complete(core->session, i, PERMK_KIND_BLOCK);
        else if (p->counts)
            CT_TRY(open_message(core, i, messages + i * permk_core_message_bytes(core), diag));
    }
    return CT_OK;
}

ct_status permk_core_apply(permk_core *core, const void *messages, const bool *absent, double step,
                           double *x, ct_diag *diag)
{
    CT_TRY(draw(core, diag));
    CT_TRY(open_all(core, messages, absent, diag));
    CT_TRY(permk_session_end_round(core->session, diag));
    for (uint32_t i = 0; i < core->n; i++) {
        permk_block block = permk_ownership_block(core->map, i);
        if (core->progress[i].counts)
            permk_block_axpy(&block, -step, values_of(core, i), x);
    }
    memset(core->progress, 0, core->n * sizeof *core->progress);
    core->is_drawn = false;
    return CT_OK;
}
