// SPDX-License-Identifier: MIT
/* Where a client's Hessian can be non-zero: a bit for every entry of its padded triangle, and their
 * positions in the triangle of all coordinates. */
#include "rows_methods.h"

#include <ctrain/kernels.h>
#include <string.h>

/* mask |= the bit set of a row as far as column c. */
static void mark_column(uint8_t *mask, const uint8_t *bits, size_t c)
{
    for (size_t w = 0; w <= c / 8; w++)
        mask[w] |= bits[w];
}

/* The bits from byte on of all rows of a list: eight bytes of their bit sets. */
static uint64_t bits_of_list(const uint8_t *bits, size_t row_bytes, const uint16_t *list, size_t n)
{
    uint64_t any = 0;
    for (size_t t = 0; t < n; t++) {
        uint64_t of_row;
        memcpy(&of_row, bits + list[t] * row_bytes, sizeof of_row);
        any |= of_row;
    }
    return any;
}

static void mark_lists(fednl__pattern *pattern, const fednl__rows *rows)
{
    for (size_t block = 0; block < rows->blocks; block++) {
        const uint32_t *start = rows->list_start + block * rows->active;
        const uint8_t *bits = rows->bits + fednl__block_begin(block) * rows->row_bytes;
        for (size_t c = 0; c < rows->active; c++) {
            uint8_t *mask = pattern->mask + fednl__padded_bytes(c);
            for (size_t w = 0; w <= c / 8; w += 8) {
                uint64_t any = bits_of_list(bits + w, rows->row_bytes, rows->list + start[c],
                                            start[c + 1] - start[c]);
                mark_column(mask + w, (const uint8_t *)&any, c - 8 * w < 63 ? c - 8 * w : 63);
            }
        }
    }
}

/* Row after row; bits (row_bytes) is scratch, zero before and after. */
static void mark_rows(fednl__pattern *pattern, const fednl__rows *rows, uint8_t *bits)
{
    for (size_t j = 0; j < rows->distinct; j++) {
        const fednl__entry first = fednl__entry_first(rows, j);
        for (fednl__entry e = first; e.any; fednl__entry_next(rows, &e)) {
            bits[e.column / 8] = (uint8_t)(bits[e.column / 8] | 1u << e.column % 8);
            mark_column(pattern->mask + fednl__padded_bytes(e.column), bits, e.column);
        }
        for (fednl__entry e = first; e.any; fednl__entry_next(rows, &e))
            bits[e.column / 8] = 0;
    }
}

static void mark_all(fednl__pattern *pattern)
{
    for (size_t b = 0; b < fednl__padded_bytes(pattern->active); b++)
        pattern->mask[b] = 0xff;
}

/* Bits below the diagonal off; count the others. */
static void count_marks(fednl__pattern *pattern)
{
    size_t bytes = fednl__padded_bytes(pattern->active), at = 0;
    for (size_t c = 0; c < pattern->active; c++)
        pattern->mask[fednl__padded_bytes(c) + c / 8] &= (uint8_t)((2u << c % 8) - 1);
    for (; at + 8 <= bytes; at += 8) {
        uint64_t word;
        memcpy(&word, pattern->mask + at, sizeof word);
        pattern->n += (size_t)__builtin_popcountll(word);
    }
    for (; at < bytes; at++)
        pattern->n += (size_t)__builtin_popcount(pattern->mask[at]);
}

static void list_positions(fednl__pattern *pattern, const uint32_t *coordinate)
{
    const uint8_t *mask = pattern->mask;
    uint32_t *next = pattern->position;
    for (size_t c = 0; c < pattern->active; c++, mask += (c + 7) / 8) {
        uint32_t column = (uint32_t)fednl__position(0, coordinate[c]);
        next = pattern->kernels->list_column(mask, c / 8 + 1, coordinate, column, next);
        pattern->diagonal[c] =
            (uint32_t)(next - pattern->position) - 1; // every column meets itself
    }
}

static void layout_marks(fednl__pattern *pattern, const fednl__rows *rows, uint8_t **bits)
{
    pattern->mask = ct_arena_array(&pattern->marks, uint8_t, fednl__padded_bytes(rows->active));
    *bits = ct_arena_array(&pattern->marks, uint8_t, rows->row_bytes);
}

static ct_status mark(fednl__pattern *pattern, const fednl__rows *rows, bool whole)
{
    uint8_t *bits;
    ct_arena_init_measuring(&pattern->marks);
    layout_marks(pattern, rows, &bits);
    CT_TRY(ct_arena_init(&pattern->marks, ct_arena_high_water(&pattern->marks)));
    layout_marks(pattern, rows, &bits);
    if (whole)
        mark_all(pattern);
    else if (rows->method == FEDNL__ROWS_BITS)
        mark_lists(pattern, rows);
    else
        mark_rows(pattern, rows, bits);
    count_marks(pattern);
    return CT_OK;
}

static void layout_slots(fednl__pattern *pattern)
{
    pattern->position = ct_arena_array(&pattern->memory, uint32_t, pattern->n + 8);
    pattern->diagonal = ct_arena_array(&pattern->memory, uint32_t, pattern->active);
}

static ct_status list(fednl__pattern *pattern, const fednl__rows *rows)
{
    ct_arena_init_measuring(&pattern->memory);
    layout_slots(pattern);
    CT_TRY(ct_arena_init(&pattern->memory, ct_arena_high_water(&pattern->memory)));
    layout_slots(pattern);
    list_positions(pattern, rows->coordinate);
    return CT_OK;
}

ct_status fednl__pattern_init(fednl__pattern *pattern, const fednl__rows *rows, bool whole)
{
    *pattern = (fednl__pattern){
        .n_diagonal = rows->active, .active = rows->active, .kernels = rows->kernels};
    if (fednl__position(0, rows->dimension) > UINT32_MAX)
        return CT_ERANGE;
    ct_status status = mark(pattern, rows, whole);
    if (status == CT_OK)
        status = list(pattern, rows);
    if (status != CT_OK)
        fednl__pattern_clear(pattern);
    return status;
}

void fednl__pattern_clear(fednl__pattern *pattern)
{
    ct_arena_clear(&pattern->marks);
    ct_arena_clear(&pattern->memory);
    *pattern = (fednl__pattern){0};
}

void fednl__pattern_multiply(const fednl__pattern *pattern, const double *h, const double *x,
                             double *y)
{
    pattern->kernels->multiply(pattern, h, x, y);
}

double fednl__pattern_norm_squared(const fednl__pattern *pattern, const double *v)
{
    double all = ct_kernels_get()->f64.norm2_squared(v, pattern->n), diagonal = 0.0;
    for (size_t c = 0; c < pattern->n_diagonal; c++)
        diagonal += v[pattern->diagonal[c]] * v[pattern->diagonal[c]];
    return 2.0 * all - diagonal;
}
