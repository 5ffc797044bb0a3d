// SPDX-License-Identifier: MIT
/* A capture opened with the key. The frames of each client are in the order it sent them, which
 * together with the method says which round and which message a frame belongs to. */
#include <permk_aes/replay.h>

#include "protocol.h"
#include "trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTHING SIZE_MAX

typedef struct replay {
    const permk_replay_options *opt;
    permk_replay_result *result;
    uint32_t n;
    permk_capture_frame *frames; // of the capture but "absent"
    size_t n_frames, capacity;
    size_t *next;          // (n_frames) the frame that client sent after it, or NOTHING
    size_t *at;            // (n) the next frame of each client
    unsigned char *nonces; // (n, PERMK_NONCE_BYTES)
    char settings[PERMK__SETTINGS_SIZE];
    permk_train_options options; // as the settings say
    size_t d;
    permk_session *session;
    unsigned char *plain; // a chunk
    bool stopped;         // a client ended the run
} replay;

static void replay_clear(replay *r)
{
    permk_session_destroy(r->session);
    free(r->frames);
    free(r->next);
    free(r->at);
    free(r->nonces);
    free(r->plain);
}

/* ---- Frames ---- */

static ct_status keep_frame(replay *r, const permk_capture_frame *frame)
{
    if (r->n_frames == r->capacity) {
        r->capacity = r->capacity > 0 ? 2 * r->capacity : 1024;
        permk_capture_frame *more = realloc(r->frames, r->capacity * sizeof *more);
        if (more == NULL)
            return CT_ENOMEM;
        r->frames = more;
    }
    r->frames[r->n_frames++] = *frame;
    return CT_OK;
}

static bool is_sealed(permk_frame_type type)
{
    return type == PERMK_FRAME_BLOCK || type == PERMK_FRAME_STOP || type == PERMK_FRAME_MEASURE;
}

static ct_status read_frames(replay *r, permk_capture *capture, ct_diag *diag)
{
    bool at_end = false;
    while (!at_end) {
        permk_capture_frame frame;
        CT_TRY(permk_capture_next(capture, &frame, &at_end, diag));
        if (at_end || frame.type == PERMK_FRAME_ABSENT)
            continue;
        if (is_sealed(frame.type) && frame.size_bytes == 0)
            return ct_fail(diag, CT_EPARSE, "a chunk of client %u is empty", frame.origin);
        r->result->chunks += is_sealed(frame.type);
        if (keep_frame(r, &frame) != CT_OK)
            return ct_fail(diag, CT_ENOMEM, "replay: out of memory");
    }
    return CT_OK;
}

static ct_status queue_frames(replay *r, ct_diag *diag)
{
    if (r->n > r->n_frames)
        return ct_fail(diag, CT_EPARSE, "not all of %u clients say hello: no whole run", r->n);
    r->next = malloc((r->n_frames + 1) * sizeof *r->next);
    r->at = malloc(r->n * sizeof *r->at);
    if (r->next == NULL || r->at == NULL)
        return ct_fail(diag, CT_ENOMEM, "replay: out of memory");
    for (uint32_t i = 0; i < r->n; i++)
        r->at[i] = NOTHING;
    for (size_t f = r->n_frames; f-- > 0;) {
        r->next[f] = r->at[r->frames[f].origin];
        r->at[r->frames[f].origin] = f;
    }
    return CT_OK;
}

static const permk_capture_frame *head(const replay *r, uint32_t client)
{
    return r->at[client] != NOTHING ? &r->frames[r->at[client]] : NULL;
}

/* ---- Settings ---- */

/* The value of "name=" among the words of the settings; "" if there is none. */
static const char *setting(const replay *r, const char *name, char out[32])
{
    size_t length = strlen(name);
    out[0] = '\0';
    for (const char *word = r->settings; *word != '\0';) {
        size_t size = strcspn(word, " ");
        if (size > length && word[length] == '=' && memcmp(word, name, length) == 0 &&
            size - length <= 31) {
            memcpy(out, word + length + 1, size - length - 1);
            out[size - length - 1] = '\0';
            break;
        }
        word += size + (word[size] == ' ');
    }
    return out;
}

static uint64_t setting_number(const replay *r, const char *name)
{
    char text[32];
    return strtoull(setting(r, name, text), NULL, 10);
}

static void read_limits(replay *r)
{
    char text[32], *end;
    permk_limits *limits = &r->options.limits;
    limits->rounds = strtoull(setting(r, "key_limits", text), &end, 10);
    limits->messages = *end == '/' ? strtoull(end + 1, &end, 10) : 0;
    limits->blocks = *end == '/' ? strtoull(end + 1, &end, 10) : 0;
}

static ct_status read_settings(replay *r, ct_diag *diag)
{
    char text[32];
    permk_train_options *o = &r->options;
    *o = permk_train_options_default();
    bool known = permk_method_from_name(&o->method, setting(r, "method", text)) &&
                 permk_compressor_from_name(&o->compressor, setting(r, "compressor", text)) &&
                 permk_rule_from_name(&o->rule, setting(r, "rule", text)) &&
                 permk_value_from_name(&o->value, setting(r, "value", text)) &&
                 permk_cipher_from_name(&o->cipher, setting(r, "cipher", text));
    o->k = (size_t)setting_number(r, "k");
    o->is_signed = setting_number(r, "signed") != 0;
    o->chunk_bytes = (size_t)setting_number(r, "chunk");
    read_limits(r);
    r->d = (size_t)setting_number(r, "dimension");
    if (!known || setting_number(r, "clients") != r->n || r->d == 0 || r->d > UINT32_MAX ||
        o->k > r->d || o->chunk_bytes == 0 || o->chunk_bytes > PERMK__CHUNK_MAX_BYTES)
        return ct_fail(diag, CT_EPARSE, "the settings in the hellos make no sense");
    return CT_OK;
}

static ct_status read_hello(replay *r, uint32_t client, ct_diag *diag)
{
    const permk_capture_frame *hello = head(r, client);
    if (hello == NULL || hello->type != PERMK_FRAME_HELLO ||
        hello->size_bytes < PERMK__HELLO_BYTES ||
        hello->size_bytes >= PERMK__HELLO_BYTES + sizeof r->settings)
        return ct_fail(diag, CT_EPARSE, "client %u does not begin with a hello: no whole run",
                       client);
    memcpy(r->nonces + (size_t)client * PERMK_NONCE_BYTES, hello->data, PERMK_NONCE_BYTES);
    const char *settings = (const char *)hello->data + PERMK__HELLO_BYTES;
    size_t size = hello->size_bytes - PERMK__HELLO_BYTES;
    if (client == 0) {
        memcpy(r->settings, settings, size);
        r->settings[size] = '\0';
    }
    if (strlen(r->settings) != size || memcmp(r->settings, settings, size) != 0)
        return ct_fail(diag, CT_EPARSE, "client %u has other settings: there was no run", client);
    r->at[client] = r->next[r->at[client]];
    return CT_OK;
}

static ct_status read_hellos(replay *r, ct_diag *diag)
{
    r->nonces = malloc((size_t)r->n * PERMK_NONCE_BYTES);
    if (r->nonces == NULL)
        return ct_fail(diag, CT_ENOMEM, "replay: out of memory");
    for (uint32_t i = 0; i < r->n; i++)
        CT_TRY(read_hello(r, i, diag));
    if (head(r, 0) != NULL && head(r, 0)->type == PERMK_FRAME_KEYS)
        r->at[0] = r->next[r->at[0]];
    return read_settings(r, diag);
}

/* ---- The session ---- */

static ct_status open_session(replay *r, ct_diag *diag)
{
    permk_session_options session = permk_session_options_default();
    session.key = r->opt->key;
    session.cipher = r->options.cipher;
    session.rule = r->options.rule;
    session.clients = r->n;
    session.dimension = r->d;
    session.nonces = r->nonces;
    session.settings = r->settings;
    session.settings_bytes = strlen(r->settings);
    session.limits = r->options.limits;
    session.roster = r->options.is_signed ? r->opt->roster : NULL;
    CT_TRY(permk_session_create(&r->session, &session, diag));
    permk__session_text(r->session, r->result->session);
    r->plain = malloc(PERMK__FRAME_MAX_BYTES);
    return r->plain != NULL ? CT_OK : ct_fail(diag, CT_ENOMEM, "replay: out of memory");
}

/* ---- Messages ---- */

/* Bytes of plain text in the message that begins at the client's next frame; 0: it is not whole. */
static size_t message_bytes(const replay *r, uint32_t client)
{
    size_t overhead = 1 + permk_session_overhead_bytes(r->session), total = 0;
    const permk_capture_frame *first = head(r, client);
    for (size_t f = r->at[client]; f != NOTHING; f = r->next[f]) {
        const permk_capture_frame *frame = &r->frames[f];
        if (frame->type != first->type || frame->size_bytes <= overhead)
            return 0;
        total += frame->size_bytes - overhead;
        if (frame->data[0] & PERMK__FLAG_LAST)
            return total;
    }
    return 0;
}

/* What a message of so many bytes is; false: no message of this run is so long. */
static bool parts_of(const replay *r, permk_frame_type type, size_t total, permk__parts *parts)
{
    *parts = (permk__parts){.part = {.chunk = UINT32_MAX, .value = PERMK_VALUE_F64},
                            .total = total,
                            .chunk_bytes = r->options.chunk_bytes};
    if (type == PERMK_FRAME_BLOCK) {
        permk_train_options opt = r->options;
        if (total != permk__codec_payload_bytes(&opt, r->n, r->d)) // then of whole gradients
            opt.compressor = PERMK_COMPRESSOR_IDENTITY;
        parts->part.kind = PERMK_KIND_BLOCK;
        parts->part.value = opt.value;
        parts->part.count = permk__codec_entries(&opt, r->n, r->d);
        return total == permk__codec_payload_bytes(&opt, r->n, r->d);
    }
    bool is_stop = type == PERMK_FRAME_STOP;
    parts->part.kind = is_stop ? PERMK_KIND_STOP : PERMK_KIND_MEASURE;
    parts->part.count = is_stop ? PERMK__STOP_VALUES : r->d + 1;
    return total == (size_t)parts->part.count * sizeof(double);
}

static ct_status open_chunk(replay *r, uint32_t client, const permk__parts *parts, ct_diag *diag)
{
    const permk_capture_frame *frame = head(r, client);
    CT_TRY(permk_session_open(r->session, client, &parts->part, frame->data + 1,
                              frame->size_bytes - 1, r->plain, parts->size, diag));
    r->at[client] = r->next[r->at[client]];
    r->result->verified++;
    r->result->plain_bytes += parts->size;
    if (r->opt->on_part != NULL)
        r->opt->on_part(r->opt->context, client, permk_session_round(r->session), &parts->part,
                        r->plain, parts->size);
    return CT_OK;
}

/* The client's next message, if it is whole and of this type. */
static ct_status take_message(replay *r, uint32_t client, permk_frame_type type, bool *taken,
                              ct_diag *diag)
{
    const permk_capture_frame *frame = head(r, client);
    permk__parts parts;
    *taken = false;
    if (frame == NULL || frame->type != type)
        return CT_OK;
    size_t total = message_bytes(r, client);
    if (total == 0) { // its sender was lost in the middle of it
        r->at[client] = NOTHING;
        return CT_OK;
    }
    if (!parts_of(r, type, total, &parts))
        return ct_fail(diag, PERMK_EAUTH, "client %u, round %llu: a message of %zu bytes", client,
                       (unsigned long long)permk_session_round(r->session), total);
    while (permk__parts_next(&parts))
        CT_TRY(open_chunk(r, client, &parts, diag));
    *taken = true;
    return CT_OK;
}

/* Of each client perhaps a measure, then a block or a stop instead. */
static ct_status take_round(replay *r, bool *any_block, ct_diag *diag)
{
    *any_block = false;
    for (uint32_t i = 0; i < r->n; i++) {
        bool measure, block, stop = false;
        CT_TRY(take_message(r, i, PERMK_FRAME_MEASURE, &measure, diag));
        CT_TRY(take_message(r, i, PERMK_FRAME_BLOCK, &block, diag));
        if (!block)
            CT_TRY(take_message(r, i, PERMK_FRAME_STOP, &stop, diag));
        *any_block = *any_block || block;
        r->stopped = r->stopped || stop;
    }
    return CT_OK;
}

static ct_status open_all(replay *r, ct_diag *diag)
{
    bool any_block = true;
    while (any_block && !r->stopped) {
        ct_status status = take_round(r, &any_block, diag);
        if (status == PERMK_EAUTH) {
            memcpy(r->result->why, diag->text, sizeof r->result->why);
            return CT_OK;
        }
        CT_TRY(status);
        if (any_block && !r->stopped) {
            CT_TRY(permk_session_end_round(r->session, diag));
            r->result->rounds++;
        }
    }
    r->result->epochs = permk_session_epoch(r->session);
    return CT_OK;
}

ct_status permk_replay(permk_replay_result *result, permk_capture *capture,
                       const permk_replay_options *opt, ct_diag *diag)
{
    ct_diag own;
    diag = diag != NULL ? diag : &own;
    *result = (permk_replay_result){0};
    replay r = {.opt = opt, .result = result, .n = permk_capture_clients(capture)};
    ct_status status = read_frames(&r, capture, diag);
    if (status == CT_OK)
        status = queue_frames(&r, diag);
    if (status == CT_OK)
        status = read_hellos(&r, diag);
    bool lacks_roster = r.options.is_signed && opt->roster == NULL;
    if (lacks_roster)
        snprintf(result->why, sizeof result->why, "the run is signed: its roster is needed");
    if (status == CT_OK && !lacks_roster)
        status = open_session(&r, diag);
    if (status == CT_OK && !lacks_roster)
        status = open_all(&r, diag);
    replay_clear(&r);
    return status;
}
