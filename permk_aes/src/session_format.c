// SPDX-License-Identifier: MIT
/* The bytes of the message format, version 2. All numbers are little-endian but those in nonces.
 *
 * Sealed part: ciphertext (as long as the plain text), tag (16), in signed sessions signature (64).
 *
 * Associated data, 128 bytes, never sent, always computed by the receiver:
 *
 *     at  bytes  field
 *      0      4  "PRMK"
 *      4      1  version, 2
 *      5      1  suite: permk_cipher
 *      6      1  value type: permk_value
 *      7      1  rule: permk_rule
 *      8     16  session id
 *     24     16  key id, as text (zeros: no key)
 *     40      4  n
 *     44      4  epoch
 *     48      8  d
 *     56      8  round
 *     64     32  transcript of the rounds before
 *     96      4  sender
 *    100      4  chunk
 *    104      4  kind: permk_kind
 *    108      4  flags: 1 the last chunk
 *    112      8  count of numbers in the whole message
 *    120      8  zeros: OpenSSL takes whole blocks faster
 *
 * Nonce, 12 bytes: the sender's salt xor (kind 2^28 + chunk as 4 bytes, round as 8, big-endian).
 * In one round a sender seals at most one message of a kind and each chunk of it once, so nonces
 * differ under a key. AES-CTR counts blocks in 4 more bytes, from 0.
 *
 * Signature: Ed25519 of SHA-256("permk 2 part" || associated data || ciphertext || tag).
 *
 * Transcript: T before round 0 is zeros; then T = SHA-256(T || round (8) || entries), with an entry
 * for each complete message, by sender and then by kind:
 *
 *      0      4  sender
 *      4      4  kind
 *      8      8  bytes of the sealed message
 *     16     16  digest
 *
 * Digest of a message: the tag of its first chunk, and for each further chunk the first 16 bytes of
 * SHA-256(digest || tag). In signed sessions the first 16 bytes of the hash that is signed take the
 * place of the tag, because a member, who has the keys, can make two messages with one tag; without
 * either they are zeros. */
#include "session_private.h"

#include <ctrain/bytes.h>
#include <string.h>

enum { FORMAT_VERSION = 2, AAD_VALUE_AT = 6, AAD_PART_AT = 96, FLAG_LAST = 1, ENTRY_BYTES = 32 };

/* ---- One part ---- */

void permk__aad_begin_round(permk_session *s)
{
    memset(s->aad, 0, sizeof s->aad);
    ct_writer w = ct_writer_view(s->aad, sizeof s->aad);
    ct_write_bytes(&w, "PRMK", 4);
    ct_write_u8(&w, FORMAT_VERSION);
    ct_write_u8(&w, (uint8_t)s->cipher);
    ct_write_u8(&w, 0); // value type: of the part
    ct_write_u8(&w, (uint8_t)s->rule);
    ct_write_bytes(&w, s->id, sizeof s->id);
    ct_write_bytes(&w, s->key_id, sizeof s->key_id);
    ct_write_u32(&w, s->clients);
    ct_write_u32(&w, s->epoch);
    ct_write_u64(&w, s->dimension);
    ct_write_u64(&w, s->round);
    ct_write_bytes(&w, s->transcript, sizeof s->transcript);
}

void permk__aad_set_part(permk_session *s, uint32_t from, const permk_part *part)
{
    s->aad[AAD_VALUE_AT] = (unsigned char)part->value;
    ct_writer w = ct_writer_view(s->aad + AAD_PART_AT, sizeof s->aad - AAD_PART_AT);
    ct_write_u32(&w, from);
    ct_write_u32(&w, part->chunk);
    ct_write_u32(&w, (uint32_t)part->kind);
    ct_write_u32(&w, part->last ? FLAG_LAST : 0);
    ct_write_u64(&w, part->count);
}

void permk__nonce(unsigned char nonce[PERMK__IV_BYTES], const permk_session *s, uint32_t from,
                  const permk_part *part)
{
    uint32_t number = (uint32_t)part->kind << 28 | part->chunk;
    memset(nonce, 0, PERMK__IV_BYTES);
    memcpy(nonce, s->senders[from].salt, PERMK__SALT_BYTES);
    for (unsigned i = 0; i < 4; i++)
        nonce[i] ^= (unsigned char)(number >> (24 - 8 * i));
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] ^= (unsigned char)(s->round >> (56 - 8 * i));
}

ct_status permk__sha256(permk_session *s, unsigned char hash[PERMK__HASH_BYTES],
                        const permk__piece *pieces, size_t n)
{
    bool ok = EVP_DigestInit_ex(s->hash, NULL, NULL) == 1;
    for (size_t i = 0; i < n; i++)
        ok = ok && EVP_DigestUpdate(s->hash, pieces[i].data, pieces[i].size) == 1;
    return ok && EVP_DigestFinal_ex(s->hash, hash, NULL) == 1 ? CT_OK : PERMK_ECRYPTO;
}

ct_status permk__part_digest(permk_session *s, unsigned char digest[PERMK__HASH_BYTES],
                             const void *sealed, size_t size)
{
    static const char label[] = "permk 2 part";
    const permk__piece pieces[] = {
        {label, sizeof label - 1}, {s->aad, sizeof s->aad}, {sealed, size}};
    return permk__sha256(s, digest, pieces, 3);
}

/* ---- Messages and the transcript ---- */

ct_status permk__message_extend(permk_session *s, permk__message *message, const permk_part *part,
                                size_t sealed_bytes, uint64_t blocks, const unsigned char *digest)
{
    static const unsigned char none[PERMK__TAG_BYTES];
    const unsigned char *chunk = digest != NULL ? digest : none;
    unsigned char hash[PERMK__HASH_BYTES];
    if (part->chunk > 0) {
        const permk__piece link[] = {{message->digest, sizeof message->digest},
                                     {chunk, PERMK__TAG_BYTES}};
        CT_TRY(permk__sha256(s, hash, link, 2));
        chunk = hash;
    }
    memcpy(message->digest, chunk, sizeof message->digest);
    message->bytes += sealed_bytes;
    message->blocks += blocks;
    message->chunks = part->chunk + 1;
    message->complete = part->last;
    return CT_OK;
}

static bool hash_entry(permk_session *s, uint32_t from, permk_kind kind)
{
    const permk__message *message = permk__accepted(s, from, kind);
    unsigned char entry[ENTRY_BYTES];
    ct_writer w = ct_writer_view(entry, sizeof entry);
    ct_write_u32(&w, from);
    ct_write_u32(&w, (uint32_t)kind);
    ct_write_u64(&w, message->bytes);
    ct_write_bytes(&w, message->digest, sizeof message->digest);
    return EVP_DigestUpdate(s->hash, entry, sizeof entry) == 1;
}

ct_status permk__transcript_extend(permk_session *s)
{
    unsigned char head[PERMK__HASH_BYTES + 8];
    ct_writer w = ct_writer_view(head, sizeof head);
    ct_write_bytes(&w, s->transcript, sizeof s->transcript);
    ct_write_u64(&w, s->round);
    bool ok = EVP_DigestInit_ex(s->hash, NULL, NULL) == 1 &&
              EVP_DigestUpdate(s->hash, head, sizeof head) == 1;
    for (uint32_t i = 0; i < s->clients; i++)
        for (permk_kind kind = PERMK_KIND_BLOCK; kind < PERMK_KINDS; kind++)
            if (permk__accepted(s, i, kind)->complete)
                ok = ok && hash_entry(s, i, kind);
    return ok && EVP_DigestFinal_ex(s->hash, s->transcript, NULL) == 1 ? CT_OK : PERMK_ECRYPTO;
}
