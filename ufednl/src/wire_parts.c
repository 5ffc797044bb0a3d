// SPDX-License-Identifier: MIT
/* Positions and numbers of messages. A set of positions is written as a list or as a bit map,
 * whichever is shorter; both sides know which, as both know how many there are. */
#include "wire_parts.h"

#include <math.h>
#include <stdlib.h>

void fednl__buffer_clear(fednl__buffer *buffer)
{
    free(buffer->data);
    *buffer = (fednl__buffer){0};
}

ct_status fednl__buffer_begin(fednl__buffer *out, size_t size, ct_writer *w)
{
    if (size > out->capacity || out->data == NULL) {
        unsigned char *data = realloc(out->data, size > 0 ? size : 1);
        if (data == NULL)
            return CT_ENOMEM;
        out->data = data;
        out->capacity = size;
    }
    out->size = size;
    *w = ct_writer_view(out->data, size);
    return CT_OK;
}

// ---- positions ----

static size_t map_bytes(size_t universe)
{
    return (universe + 7) / 8;
}

static bool is_list(size_t n, size_t universe)
{
    return sizeof(uint32_t) * n < map_bytes(universe);
}

size_t fednl__positions_bytes(size_t n, size_t universe)
{
    if (n == universe)
        return 0;
    return is_list(n, universe) ? sizeof(uint32_t) * n : map_bytes(universe);
}

static void write_map(ct_writer *w, const uint32_t *position, size_t n, size_t universe)
{
    size_t i = 0;
    for (size_t word = 0; word < (universe + 63) / 64; word++) {
        uint64_t bits = 0;
        for (; i < n && position[i] / 64 == word; i++)
            bits |= UINT64_C(1) << (position[i] % 64);
        size_t left = map_bytes(universe) - 8 * word;
        for (size_t byte = 0; byte < 8 && byte < left; byte++)
            ct_write_u8(w, (uint8_t)(bits >> (8 * byte)));
    }
}

void fednl__positions_write(ct_writer *w, const uint32_t *position, size_t n, size_t universe)
{
    if (n == universe)
        return;
    if (is_list(n, universe))
        ct_write_u32_array(w, position, n);
    else
        write_map(w, position, n, universe);
}

static ct_status read_list(ct_reader *r, uint32_t *position, size_t n, size_t universe,
                           const char *name, ct_diag *diag)
{
    ct_read_u32_array(r, position, n);
    for (size_t i = 0; i < n; i++) {
        if (position[i] >= universe)
            return ct_fail(diag, CT_EPROTOCOL, "%s %lu is beyond the %zu there are", name,
                           (unsigned long)position[i], universe);
        if (i > 0 && position[i] <= position[i - 1])
            return ct_fail(diag, CT_EPROTOCOL, "%s %lu comes after %lu", name,
                           (unsigned long)position[i], (unsigned long)position[i - 1]);
    }
    return CT_OK;
}

static ct_status read_map(ct_reader *r, uint32_t *position, size_t n, size_t universe,
                          const char *name, ct_diag *diag)
{
    const unsigned char *map = ct_read_view(r, map_bytes(universe));
    size_t found = 0;
    for (size_t byte = 0; map != NULL && byte < map_bytes(universe); byte++) {
        for (unsigned left = map[byte]; left != 0; left &= left - 1, found++) {
            size_t at = 8 * byte + (unsigned)__builtin_ctz(left);
            if (at >= universe)
                return ct_fail(diag, CT_EPROTOCOL, "%s %zu is beyond the %zu there are", name, at,
                               universe);
            if (found < n)
                position[found] = (uint32_t)at;
        }
    }
    if (found != n)
        return ct_fail(diag, CT_EPROTOCOL, "a map of %zu %s positions where %zu were announced",
                       found, name, n);
    return CT_OK;
}

ct_status fednl__positions_read(ct_reader *r, uint32_t *position, size_t n, size_t universe,
                                const char *name, ct_diag *diag)
{
    if (n > universe)
        return ct_fail(diag, CT_EPROTOCOL, "%zu %s positions among %zu", n, name, universe);
    if (n == universe) {
        for (size_t i = 0; i < n; i++)
            position[i] = (uint32_t)i;
        return CT_OK;
    }
    return is_list(n, universe) ? read_list(r, position, n, universe, name, diag)
                                : read_map(r, position, n, universe, name, diag);
}

// ---- numbers ----

ct_status fednl__expect_left(const ct_reader *r, size_t size, ct_diag *diag)
{
    if (r->failed || ct_reader_left(r) != size)
        return ct_fail(diag, CT_EPROTOCOL, "a message with %zu bytes left where %zu belong",
                       ct_reader_left(r), size);
    return CT_OK;
}

ct_status fednl__finite_check(const double *v, size_t n, const char *name, ct_diag *diag)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return ct_fail(diag, CT_EPROTOCOL, "%s %zu is %g", name, i, v[i]);
    return CT_OK;
}

ct_status fednl__finite_read(ct_reader *r, double *out, size_t n, const char *name, ct_diag *diag)
{
    ct_read_f64_array(r, out, n);
    return fednl__finite_check(out, n, name, diag);
}

void *fednl__wire_grow(fednl__wire_array *array, size_t n, size_t size)
{
    if (array->data == NULL || n * size > array->capacity) {
        free(array->data);
        array->data = malloc(n > 0 ? n * size : 1);
        array->capacity = array->data != NULL ? n * size : 0;
    }
    return array->data;
}

void fednl__wire_text(char *out, size_t out_size, const void *data, size_t size)
{
    const unsigned char *text = data;
    size_t n = size < out_size ? size : out_size - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = text[i] >= ' ' && text[i] <= '~' ? (char)text[i] : '?';
    out[n] = '\0';
}
