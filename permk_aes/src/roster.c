// SPDX-License-Identifier: MIT
/* The group's list of public keys, and whose signature is whose.
 *
 * OpenSSL takes any 32 bytes for an Ed25519 key and refuses them only when something is to be
 * verified, and it takes points of small order, under which anybody can make signatures. A roster
 * is checked when it is read instead, where a person can still see the line. */
#include <permk_aes/identity.h>

#include "hex.h"

#include <ctrain/arena.h>
#include <ctrain/file.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define KEY_DIGITS         (2 * PERMK_PUBLIC_KEY_BYTES)
#define FINGERPRINT_DIGITS 16

struct permk_roster {
    uint32_t n;
    unsigned char *keys; // (n, PERMK_PUBLIC_KEY_BYTES)
    char fingerprint[FINGERPRINT_DIGITS + 1];
};

/* A member's key and where a person finds it. */
typedef struct entry {
    const unsigned char *key;
    size_t line;
} entry;

/* ---- Is it a key? ---- */

/* What is to be known of a key's y, mod p = 2^255 - 19. With d = -121665/121666 (RFC 8032, 5.1.3):
 * there is a point where x^2 = (y^2 - 1) / (d y^2 + 1) is a square; y^2 (y^2 - 1) (d y^4 + 2 y^2 -
 * 1) is zero for the points of order 1, 2, 4 and 8 only. Both are computed without division. */
typedef struct point {
    BIGNUM *p, *y;
    BIGNUM *square; // times a square, x^2
    BIGNUM *small;  // zero for points of small order
} point;

static bool compute(point *at, const unsigned char *key, BN_CTX *scratch)
{
    unsigned char bytes[PERMK_PUBLIC_KEY_BYTES];
    memcpy(bytes, key, sizeof bytes);
    bytes[31] &= 0x7f; // the highest bit is the sign of x
    at->p = BN_CTX_get(scratch);
    at->y = BN_CTX_get(scratch);
    at->square = BN_CTX_get(scratch);
    at->small = BN_CTX_get(scratch);
    BIGNUM *y2 = BN_CTX_get(scratch), *u = BN_CTX_get(scratch); // y^2, y^2 - 1
    BIGNUM *e = BN_CTX_get(scratch), *v = BN_CTX_get(scratch);  // 121666 u, e - y^2
    return v != NULL && BN_set_word(at->p, 1) == 1 && BN_lshift(at->p, at->p, 255) == 1 &&
           BN_sub_word(at->p, 19) == 1 && BN_lebin2bn(bytes, sizeof bytes, at->y) != NULL &&
           BN_mod_sqr(y2, at->y, at->p, scratch) == 1 && BN_copy(u, y2) != NULL &&
           BN_sub_word(u, 1) == 1 && BN_copy(e, u) != NULL && BN_mul_word(e, 121666) == 1 &&
           BN_sub(v, e, y2) == 1 && // = -121666 (d y^2 + 1); -1 is a square
           BN_mod_mul(at->square, e, v, at->p, scratch) == 1 &&
           BN_mod_mul(at->small, y2, v, at->p, scratch) == 1 &&
           BN_sub(at->small, at->small, e) == 1 && // = -121666 (d y^4 + 2 y^2 - 1)
           BN_mod_mul(at->small, at->small, u, at->p, scratch) == 1 &&
           BN_mod_mul(at->small, at->small, y2, at->p, scratch) == 1;
}

/* What is wrong with a key, in *fault, or NULL. */
static ct_status check_key(const unsigned char *key, BN_CTX *scratch, const char **fault)
{
    point at;
    *fault = NULL;
    BN_CTX_start(scratch);
    int residue = compute(&at, key, scratch) ? BN_kronecker(at.square, at.p, scratch) : -2;
    if (residue >= -1) {
        if (residue == -1 || BN_cmp(at.y, at.p) >= 0)
            *fault = "not an Ed25519 public key (no such point)";
        else if (BN_is_zero(at.small))
            *fault = "a point of small order, under which anybody can sign";
    }
    BN_CTX_end(scratch);
    return residue >= -1 ? CT_OK : PERMK_ECRYPTO;
}

/* ---- Making a roster ---- */

/* name NULL: lines are members' numbers. */
static ct_status refuse(const char *name, size_t line, const char *why, ct_diag *diag)
{
    if (name == NULL)
        return ct_fail(diag, PERMK_EKEY, "member %zu: %s", line, why);
    return ct_fail(diag, PERMK_EKEY, "%s:%zu: %s", name, line, why);
}

static int by_key(const void *a, const void *b)
{
    const entry *left = a, *right = b;
    int order = memcmp(left->key, right->key, PERMK_PUBLIC_KEY_BYTES);
    return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

/* Whoever stands in two places could speak for two members. */
static ct_status check_different(entry *entries, uint32_t n, const char *name, ct_diag *diag)
{
    qsort(entries, n, sizeof *entries, by_key);
    for (uint32_t i = 1; i < n; i++)
        if (memcmp(entries[i - 1].key, entries[i].key, PERMK_PUBLIC_KEY_BYTES) == 0) {
            char why[64];
            snprintf(why, sizeof why, "the same key as in %s %zu", name == NULL ? "member" : "line",
                     entries[i - 1].line);
            return refuse(name, entries[i].line, why, diag);
        }
    return CT_OK;
}

static ct_status check_keys(entry *entries, uint32_t n, const char *name, ct_diag *diag)
{
    BN_CTX *scratch = BN_CTX_new();
    const char *fault = NULL;
    ct_status status = scratch != NULL ? CT_OK : PERMK_ECRYPTO;
    uint32_t i = 0;
    while (status == CT_OK && i < n) {
        status = check_key(entries[i].key, scratch, &fault);
        if (fault != NULL)
            break;
        i++;
    }
    BN_CTX_free(scratch);
    if (status != CT_OK)
        return ct_fail(diag, status, "roster: %s", ct_status_text(status));
    if (fault != NULL)
        return refuse(name, entries[i].line, fault, diag);
    return check_different(entries, n, name, diag);
}

/* Room for n members, and for what is known of each while the roster is made. */
static ct_status allocate(permk_roster **out, entry **entries, size_t n, ct_diag *diag)
{
    permk_roster *roster = calloc(1, sizeof *roster);
    size_t bytes = 0;
    if (roster != NULL && n <= UINT32_MAX && ct_mul_size(&bytes, n, sizeof **entries)) {
        roster->n = (uint32_t)n;
        roster->keys = malloc(n * PERMK_PUBLIC_KEY_BYTES);
        *entries = malloc(bytes);
        *out = roster;
        if (roster->keys != NULL && *entries != NULL)
            return CT_OK;
        free(*entries);
    }
    permk_roster_destroy(roster);
    *out = NULL;
    return ct_fail(diag, CT_ENOMEM, "roster: out of memory");
}

static ct_status take_fingerprint(permk_roster *roster, ct_diag *diag)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    if (SHA256(roster->keys, (size_t)roster->n * PERMK_PUBLIC_KEY_BYTES, digest) == NULL)
        return ct_fail(diag, PERMK_ECRYPTO, "roster: SHA-256 failed");
    permk__to_hex(roster->fingerprint, digest, FINGERPRINT_DIGITS / 2);
    return CT_OK;
}

/* Ends the making: the roster stays only if all was and is well. */
static ct_status finish(permk_roster **out, entry *entries, ct_status status, ct_diag *diag)
{
    free(entries);
    if (status == CT_OK)
        status = take_fingerprint(*out, diag);
    if (status != CT_OK) {
        permk_roster_destroy(*out);
        *out = NULL;
    }
    return status;
}

ct_status permk_roster_create(permk_roster **out, const unsigned char *keys, uint32_t n,
                              ct_diag *diag)
{
    *out = NULL;
    entry *entries = NULL;
    if (n == 0)
        return ct_fail(diag, PERMK_EKEY, "a roster needs at least one member");
    CT_TRY(allocate(out, &entries, n, diag));
    memcpy((*out)->keys, keys, (size_t)n * PERMK_PUBLIC_KEY_BYTES);
    for (uint32_t i = 0; i < n; i++)
        entries[i] = (entry){(*out)->keys + (size_t)i * PERMK_PUBLIC_KEY_BYTES, i};
    return finish(out, entries, check_keys(entries, n, NULL, diag), diag);
}

/* ---- The text ---- */

/* The next line that names a member; false at the end. */
typedef struct lines {
    const char *at, *end; // what is left
    size_t number;        // of the line read last, from 1
    const char *text;
    size_t size;
} lines;

static bool next_member(lines *l)
{
    while (l->at < l->end) {
        const char *newline = memchr(l->at, '\n', (size_t)(l->end - l->at));
        l->text = l->at;
        l->size = (size_t)((newline != NULL ? newline : l->end) - l->at);
        l->at = newline != NULL ? newline + 1 : l->end;
        l->number++;
        if (l->size > 0 && l->text[0] != '#')
            return true;
    }
    return false;
}

static ct_status parse_members(permk_roster *roster, entry *entries, lines at, const char *name,
                               ct_diag *diag)
{
    for (uint32_t i = 0; i < roster->n && next_member(&at); i++) {
        unsigned char *key = roster->keys + (size_t)i * PERMK_PUBLIC_KEY_BYTES;
        if (at.size < KEY_DIGITS || !permk__from_hex(key, at.text, PERMK_PUBLIC_KEY_BYTES))
            return refuse(name, at.number,
                          "not a public key (64 digits 0-9a-f, then a space and a name if any)",
                          diag);
        if (at.size > KEY_DIGITS && at.text[KEY_DIGITS] != ' ')
            return refuse(name, at.number, "the key is not 64 digits long, or no space follows it",
                          diag);
        entries[i] = (entry){key, at.number};
    }
    return check_keys(entries, roster->n, name, diag);
}

ct_status permk_roster_parse(permk_roster **out, const char *text, size_t size, const char *name,
                             ct_diag *diag)
{
    *out = NULL;
    entry *entries = NULL;
    const lines start = {.at = text, .end = text + size};
    size_t n = 0;
    for (lines l = start; next_member(&l);)
        n++;
    if (n == 0)
        return ct_fail(diag, PERMK_EKEY, "%s: no public key in it", name);
    CT_TRY(allocate(out, &entries, n, diag));
    return finish(out, entries, parse_members(*out, entries, start, name, diag), diag);
}

ct_status permk_roster_read(permk_roster **out, const char *path, ct_diag *diag)
{
    *out = NULL;
    ct_file_view view;
    CT_TRY(ct_file_view_open(&view, path, diag));
    ct_status status = permk_roster_parse(out, view.data, view.size_bytes, path, diag);
    ct_file_view_close(&view);
    return status;
}

/* ---- Using it ---- */

void permk_roster_destroy(permk_roster *roster)
{
    if (roster == NULL)
        return;
    free(roster->keys);
    free(roster);
}

uint32_t permk_roster_members(const permk_roster *roster)
{
    return roster->n;
}

const unsigned char *permk_roster_key(const permk_roster *roster, uint32_t member)
{
    return roster->keys + (size_t)member * PERMK_PUBLIC_KEY_BYTES;
}

void permk_roster_fingerprint(const permk_roster *roster, char out[17])
{
    memcpy(out, roster->fingerprint, sizeof roster->fingerprint);
}

ct_status permk_roster_verify(const permk_roster *roster, uint32_t member, const void *message,
                              size_t size, const unsigned char *signature)
{
    if (member >= roster->n)
        return PERMK_EAUTH;
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(
        EVP_PKEY_ED25519, NULL, permk_roster_key(roster, member), PERMK_PUBLIC_KEY_BYTES);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ct_status status = PERMK_ECRYPTO;
    if (key != NULL && context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1)
        status = EVP_DigestVerify(context, signature, PERMK_SIGNATURE_BYTES, message, size) == 1
                     ? CT_OK
                     : PERMK_EAUTH;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return status;
}
