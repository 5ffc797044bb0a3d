// SPDX-License-Identifier: MIT
/* The core: PermK's codec and a session, around buffers of the caller.
 *
 * A message is sealed in chunks that fit into the second-level cache, where a decrypted chunk is
 * looked at once more (are all numbers finite?) before the next one comes. Payloads of all clients
 * are kept until the last has verified: only then is x touched, in one pass. */
#include <permk_aes/core.h>

#include "codec.h"

#include <ctrain/arena.h>
#include <ctrain/bytes.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 18, NUMBERS = 1024 };

/* How far a client's message of this round has come. */
typedef struct progress {
    bool sealed;     // here
    size_t opened;   // chunks that have verified
    bool not_finite; // one of their numbers
    bool counts;     // in the step
} progress;

struct permk_core {
    permk_session *session;
    permk__codec codec;
    uint32_t n, self;
    bool is_drawn;          // the map of this round
    size_t chunks;          // of a message
    unsigned char *payload; // (n, payload_bytes) what was sealed or has verified in this round
    progress *progress;     // (n)
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

static ct_status open_codec(permk_core *core, const permk_core_options *opt, ct_diag *diag)
{
    permk_train_options permk = {.method = PERMK_METHOD_DCGD,
                                 .compressor = PERMK_COMPRESSOR_PERMK,
                                 .rule = opt->session.rule,
                                 .value = opt->value};
    unsigned char key[PERMK_OWNERSHIP_KEY_BYTES];
    ct_status status = opt->secret_ownership ? permk_session_ownership_key(core->session, key)
                                             : permk_ownership_key_from_seed(key, opt->seed);
    if (status == CT_OK)
        status = permk__codec_init(&core->codec, &permk, core->n, (size_t)opt->session.dimension,
                                   key, diag);
    else
        ct_diag_set(diag, "core: the key of the ownership maps cannot be derived");
    OPENSSL_cleanse(key, sizeof key);
    return status;
}

static ct_status allocate(permk_core *core, ct_diag *diag)
{
    size_t bytes = core->codec.payload_bytes, all = 0;
    core->chunks = bytes / CHUNK_BYTES + (bytes % CHUNK_BYTES != 0);
    if (ct_mul_size(&all, core->n, bytes))
        core->payload = malloc(all);
    core->progress = calloc(core->n, sizeof *core->progress);
    return core->payload != NULL && core->progress != NULL
               ? CT_OK
               : ct_fail(diag, CT_ENOMEM, "core: out of memory");
}

ct_status permk_core_create(permk_core **out, const permk_core_options *opt, ct_diag *diag)
{
    *out = NULL;
    permk_core *core = calloc(1, sizeof *core);
    if (core == NULL)
        return ct_fail(diag, CT_ENOMEM, "core: out of memory");
    core->n = opt->session.clients;
    core->self = opt->session.self;
    ct_status status = open_session(core, opt, diag);
    if (status == CT_OK)
        status = open_codec(core, opt, diag);
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
    if (core->payload != NULL)
        OPENSSL_cleanse(core->payload, core->n * core->codec.payload_bytes);
    free(core->payload);
    free(core->progress);
    permk__codec_clear(&core->codec);
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
    return core->codec.payload_bytes + core->chunks * permk_session_overhead_bytes(core->session);
}

static ct_status draw(permk_core *core, ct_diag *diag)
{
    if (core->is_drawn)
        return CT_OK;
    CT_TRY(permk__codec_draw(&core->codec, permk_core_round(core), diag));
    core->is_drawn = true;
    return CT_OK;
}

ct_status permk_core_block(permk_core *core, uint32_t client, permk_block *block, ct_diag *diag)
{
    if (client >= core->n)
        return ct_fail(diag, CT_EINVALID, "client %u of %u", client, core->n);
    CT_TRY(draw(core, diag));
    *block = permk__codec_block(&core->codec, client);
    return CT_OK;
}

static unsigned char *payload_of(const permk_core *core, uint32_t client)
{
    return core->payload + client * core->codec.payload_bytes;
}

static permk_part part_of(const permk_core *core, size_t chunk)
{
    return (permk_part){.kind = PERMK_KIND_BLOCK,
                        .chunk = (uint32_t)chunk,
                        .last = chunk + 1 == core->chunks,
                        .value = core->codec.value,
                        .count = core->codec.entries};
}

/* Bytes of plain text in a chunk. */
static size_t chunk_bytes(const permk_core *core, size_t chunk)
{
    size_t left = core->codec.payload_bytes - chunk * CHUNK_BYTES;
    return left < CHUNK_BYTES ? left : CHUNK_BYTES;
}

static bool is_finite(const permk_core *core, const unsigned char *plain, size_t bytes)
{
    size_t size = permk_value_bytes(core->codec.value), count = bytes / size;
    double number[NUMBERS];
    for (size_t at = 0; at < count; at += NUMBERS) {
        size_t some = count - at < NUMBERS ? count - at : NUMBERS;
        if (!permk_values_decode(core->codec.value, plain + at * size, some, number))
            return false;
    }
    return true;
}

static ct_status not_finite(const permk_core *core, uint32_t client, ct_diag *diag)
{
    return ct_fail(diag, CT_ENUMERIC, "client %u, round %llu: a number that is not finite", client,
                   (unsigned long long)permk_core_round(core));
}

ct_status permk_core_seal(permk_core *core, uint32_t client, const double *gradient, void *message,
                          ct_diag *diag)
{
    if (client >= core->n || (core->self != PERMK_EVERY_SENDER && core->self != client))
        return ct_fail(diag, CT_EINVALID, "this core cannot seal as client %u", client);
    if (core->progress[client].sealed)
        return ct_fail(diag, CT_EINVALID, "client %u, round %llu: a second message in one round",
                       client, (unsigned long long)permk_core_round(core));
    CT_TRY(draw(core, diag));
    unsigned char *plain = payload_of(core, client), *out = message;
    permk__codec_encode(&core->codec, client, gradient, plain);
    if (!is_finite(core, plain, core->codec.payload_bytes))
        return not_finite(core, client, diag);
    core->progress[client].sealed = true; // what is there now must stay
    for (size_t c = 0; c < core->chunks; c++) {
        permk_part part = part_of(core, c);
        size_t bytes = chunk_bytes(core, c);
        CT_TRY(permk_session_seal(core->session, client, &part, plain + c * CHUNK_BYTES, bytes, out,
                                  diag));
        out += bytes + permk_session_overhead_bytes(core->session);
    }
    return CT_OK;
}

/* Into the client's payload, from the first chunk that is not there yet. */
static ct_status open_message(permk_core *core, uint32_t client, const unsigned char *message,
                              ct_diag *diag)
{
    progress *p = &core->progress[client];
    size_t overhead = permk_session_overhead_bytes(core->session);
    for (; p->opened < core->chunks; p->opened++) {
        permk_part part = part_of(core, p->opened);
        size_t bytes = chunk_bytes(core, p->opened), at = p->opened * CHUNK_BYTES;
        unsigned char *plain = payload_of(core, client) + at;
        CT_TRY(permk_session_open(core->session, client, &part, message + at + p->opened * overhead,
                                  bytes + overhead, plain, bytes, diag));
        p->not_finite |= !is_finite(core, plain, bytes);
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

static void add_all(permk_core *core, double step, double *x)
{
    for (uint32_t i = 0; i < core->n; i++) {
        double factor = -step * permk__codec_mean_factor(&core->codec, i);
        if (core->progress[i].counts) // what counts is finite
            (void)!permk__codec_add(&core->codec, i, payload_of(core, i), factor, x);
    }
}

ct_status permk_core_apply(permk_core *core, const void *messages, const bool *absent, double step,
                           double *x, ct_diag *diag)
{
    CT_TRY(draw(core, diag));
    CT_TRY(open_all(core, messages, absent, diag));
    CT_TRY(permk_session_end_round(core->session, diag));
    add_all(core, step, x);
    memset(core->progress, 0, core->n * sizeof *core->progress);
    core->is_drawn = false;
    return CT_OK;
}
