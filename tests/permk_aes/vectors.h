// SPDX-License-Identifier: MIT
/* Reading Wycheproof's JSON test vectors (test code only): a flat list of tokens in the order of
 * the file, each knowing where its subtree ends. */
#ifndef PERMK_TEST_VECTORS_H
#define PERMK_TEST_VECTORS_H

#include <ctrain/file.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct json_token {
    char type;         // '{', '[', '"' or 'p' (number, true, false, null)
    const char *start; // of the contents; a string's without its quotes
    size_t size;       // of a string or primitive
    size_t end;        // the token after this one's subtree
} json_token;

typedef struct json_document {
    ct_file_view file;
    json_token *tokens;
    size_t n;
} json_document;

/* Read one value at *at and its subtree; strings keep their escapes. */
static void json_read(json_document *doc, const char **at)
{
    const char *p = *at + strspn(*at, " \t\r\n");
    size_t self = doc->n++;
    doc->tokens = realloc(doc->tokens, (doc->n) * sizeof *doc->tokens);
    json_token token = {.type = *p, .start = p + 1};
    if (*p == '{' || *p == '[') {
        char close = *p == '{' ? '}' : ']';
        doc->tokens[self] = token;
        p++;
        for (p += strspn(p, " \t\r\n,:"); *p != close; p += strspn(p, " \t\r\n,:"))
            json_read(doc, &p);
        p++;
    } else if (*p == '"') {
        for (p++; *p != '"'; p++)
            p += *p == '\\';
        token.size = (size_t)(p - token.start);
        p++;
    } else {
        token.type = 'p';
        token.start = p;
        token.size = strcspn(p, " \t\r\n,]}");
        p += token.size;
    }
    token.end = doc->n;
    doc->tokens[self] = token;
    *at = p;
}

/* A file of the vectors folder ($CTRAIN_DATA/../vectors); false where it is not there. */
static bool json_open(json_document *doc, const char *name)
{
    const char *data = getenv("CTRAIN_DATA");
    char path[4096];
    memset(doc, 0, sizeof *doc);
    snprintf(path, sizeof path, "%s/../vectors/%s", data != NULL ? data : "/nonexistent", name);
    if (ct_file_view_open(&doc->file, path, NULL) != CT_OK) {
        fprintf(stderr, "%s: not there (set CTRAIN_DATA), skipped\n", path);
        return false;
    }
    return true;
}

static void json_parse(json_document *doc)
{
    char *text = malloc(doc->file.size_bytes + 1); // the mapping has no end mark
    memcpy(text, doc->file.data, doc->file.size_bytes);
    text[doc->file.size_bytes] = '\0';
    const char *at = text;
    json_read(doc, &at);
    ct_file_view_close(&doc->file);
    doc->file.data = text;
}

static void json_close(json_document *doc)
{
    free((char *)doc->file.data);
    free(doc->tokens);
}

/* The value of a key of the object at token i; 0 (the document) where there is none. */
static size_t json_get(const json_document *doc, size_t i, const char *key)
{
    for (size_t k = i + 1; k < doc->tokens[i].end; k = doc->tokens[k + 1].end)
        if (doc->tokens[k].size == strlen(key) &&
            memcmp(doc->tokens[k].start, key, strlen(key)) == 0)
            return k + 1;
    return 0;
}

static bool json_is(const json_document *doc, size_t object, const char *key, const char *value)
{
    size_t i = json_get(doc, object, key);
    return i != 0 && doc->tokens[i].size == strlen(value) &&
           memcmp(doc->tokens[i].start, value, strlen(value)) == 0;
}

static inline size_t json_number(const json_document *doc, size_t object, const char *key)
{
    return (size_t)strtoul(doc->tokens[json_get(doc, object, key)].start, NULL, 10);
}

static size_t unhex(unsigned char *out, const char *hex, size_t digits)
{
    for (size_t i = 0; i < digits / 2; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return digits / 2;
}

/* The bytes of a hexadecimal string; the caller frees. */
static unsigned char *json_bytes(const json_document *doc, size_t object, const char *key,
                                 size_t *size)
{
    const json_token *token = &doc->tokens[json_get(doc, object, key)];
    unsigned char *out = malloc(token->size / 2 + 1);
    *size = unhex(out, token->start, token->size);
    return out;
}

#endif
