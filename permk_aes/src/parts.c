// SPDX-License-Identifier: MIT
/* How messages are cut into chunks, and what they weigh on the wire. */
#include "trainer.h"

#include <stdio.h>
#include <string.h>

ct_status permk__trainer_session(const permk__trainer *t, permk_session **out, const permk_key *key,
                                 const unsigned char *nonces, ct_diag *diag)
{
    char settings[PERMK__SETTINGS_SIZE];
    permk__trainer_settings(t, settings);
    permk_session_options session = permk_session_options_default();
    session.key = key;
    session.cipher = t->opt->cipher;
    session.rule = t->opt->rule;
    session.clients = t->n;
    session.dimension = t->d;
    session.self = t->self;
    session.nonces = nonces;
    session.settings = settings;
    session.settings_bytes = strlen(settings);
    session.limits = t->opt->limits;
    if (t->opt->is_signed) {
        session.identity = t->opt->identity;
        session.roster = t->opt->roster;
    }
    return permk_session_create(out, &session, diag);
}

void permk__session_text(const permk_session *session, char out[33])
{
    const unsigned char *id = permk_session_id(session);
    for (size_t i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", id[i]);
}

permk__parts permk__parts_begin(const permk__trainer *t, permk_kind kind)
{
    permk__parts parts = {.part = {.kind = kind, .chunk = UINT32_MAX, .value = PERMK_VALUE_F64},
                          .chunk_bytes = t->opt->chunk_bytes};
    if (kind == PERMK_KIND_BLOCK) {
        const permk__codec *codec = t->is_dense ? &t->dense : &t->codec;
        parts.part.value = codec->value;
        parts.part.count = codec->entries;
        parts.total = codec->payload_bytes;
    } else {
        parts.part.count = kind == PERMK_KIND_STOP ? PERMK__STOP_VALUES : t->d + 1;
        parts.total = (size_t)parts.part.count * sizeof(double);
    }
    return parts;
}

bool permk__parts_next(permk__parts *parts)
{
    if (parts->part.last)
        return false;
    parts->offset += parts->size;
    parts->part.chunk++; // from UINT32_MAX to 0 at first
    size_t left = parts->total - parts->offset;
    parts->part.last = left <= parts->chunk_bytes;
    parts->size = parts->part.last ? left : parts->chunk_bytes;
    return true;
}

uint64_t permk__parts_wire_bytes(const permk__parts *message, size_t overhead)
{
    uint64_t chunks = message->total == 0 ? 1 : (message->total - 1) / message->chunk_bytes + 1;
    return message->total + chunks * (CT_FRAME_HEADER_BYTES + 1 + overhead); // 1: the flags
}

uint64_t permk__hello_wire_bytes(const permk__trainer *t)
{
    char settings[PERMK__SETTINGS_SIZE];
    permk__trainer_settings(t, settings);
    return CT_FRAME_HEADER_BYTES + PERMK__HELLO_BYTES + strlen(settings);
}

void permk__trainer_account(const permk__trainer *t, size_t overhead, permk_result *result)
{
    permk__parts message = permk__parts_begin(t, PERMK_KIND_BLOCK);
    uint64_t bytes = permk__parts_wire_bytes(&message, overhead);
    result->client_bytes_up_per_round = bytes;
    result->client_bytes_down_per_round = bytes * (t->n - 1);
    result->client_bytes_up += bytes;
    result->client_bytes_down += bytes * (t->n - 1);
}
