// SPDX-License-Identifier: MIT
/* Sparse binary text (`+1 3:1 17:1 …`, every value 1) 64 bytes at a time. One bit a byte says what
 * the byte is; the grammar is then a handful of operations on 64-bit words, and all indices of a
 * block are converted at once. What is not of this plain form (other values, comments, '\r', long
 * numbers, anything malformed) is left to ct__libsvm_line, from the beginning of its line.
 *
 * This file is a template: dataset_block_avx2.c and dataset_block_avx512.c define `lanes` and
 * the functions declared here for their instruction set and include it. */
#ifndef CTRAIN_DATASET_BLOCK_H
#define CTRAIN_DATASET_BLOCK_H

#include "dataset_private.h"

/* Bit i tells about byte i of a block. */
typedef struct block {
    uint64_t digit, one, colon, blank, newline, sign;
} block;

#define BLOCK_BYTES   64
#define BLOCK_ENTRIES 16 // " 1:1" are four bytes
#define BLOCK_BEFORE  8  // an index has up to eight digits, read backwards from its colon

static block classify(const char *p);
static lanes lanes_zero(void);
static uint32_t lanes_max(lanes v);

/* What convert() is asked: the numbers before the n colons of a block, less first_index. */
typedef struct block_entries {
    uint64_t colon, digit;
    unsigned n;
    uint32_t row_begins;  // bit k: entry k is the first of its row
    uint32_t before;      // column of the entry before the block
    uint32_t first_index; //
    uint32_t limit;       // columns must be below
} block_entries;

/* Write the columns to col, which has room for BLOCK_ENTRIES, and raise *max. False if one is not
 * below limit or, unless it is the first of its row, not above the one before it. */
static bool convert(const char *p, const block_entries *e, uint32_t *col, lanes *max);
static void fill_ones(double *val);

/* Where the parser is. A block begins at the beginning of a line or behind a blank. */
typedef struct block_state {
    const char *line;   // begin of the line that p is in
    bool at_line_begin; // p == line: a label follows
    bool row_begin;     // the next entry is the first of its row
} block_state;

/* The positions right behind the runs of digits that begin at the bits of begins: adding a run's
 * first bit carries through it. */
static inline uint64_t run_ends(uint64_t digit, uint64_t begins)
{
    return (digit + begins) & ~digit;
}

/* Whether the bytes of keep are nothing but labels (sign, digits), blanks, indices with colon, and
 * values "1". */
static inline bool is_plain(const block *b, uint64_t keep, uint64_t line_begins, bool after_blank)
{
    uint64_t digit = b->digit & keep, colon = b->colon & keep, sign = b->sign & keep;
    uint64_t end = (b->blank | b->newline) & keep;
    uint64_t labels = (line_begins & digit) | ((line_begins & sign) << 1);
    uint64_t indices = digit & ((b->blank << 1) | after_blank);
    uint64_t bad = keep & ~(digit | colon | sign | end); // other bytes
    bad |= line_begins & ~(digit | sign);                // blank line or no label
    bad |= (sign & ~line_begins) | ((sign << 1) & ~digit);
    bad |= run_ends(digit, labels) & ~end;
    bad |= run_ends(digit, indices) ^ colon; // every index has its colon, every colon its index
    bad |= (colon << 1) & ~b->one;
    bad |= (colon << 2) & ~end;
    uint64_t runs_of_2 = digit & (digit << 1), runs_of_4 = runs_of_2 & (runs_of_2 << 2);
    uint64_t runs_of_8 = runs_of_4 & (runs_of_4 << 4);
    bad |= runs_of_8 & (digit << 8);
    return bad == 0;
}

static inline double read_label(const char *p)
{
    bool negative = *p == '-';
    uint32_t value = 0;
    p += *p == '-' || *p == '+';
    for (; (unsigned char)(*p - '0') <= 9; p++)
        value = value * 10 + (uint32_t)(*p - '0');
    return negative ? -(double)value : (double)value;
}

/* Labels of the lines that begin in the block and ends of those that end in it. Returns a bit for
 * every entry of the block that is the first of its row; bit BLOCK_ENTRIES of the result belongs to
 * the entry after the block. */
static inline uint32_t take_rows(ct__libsvm *out, const char *p, uint64_t line_begins,
                                 uint64_t newlines, uint64_t colons)
{
    uint32_t row_begins = 0;
    if (line_begins & 1)
        out->label[out->rows] = read_label(p);
    for (; newlines != 0; newlines &= newlines - 1) {
        uint64_t before = (newlines & -newlines) - 1;
        unsigned at = (unsigned)__builtin_ctzll(newlines);
        unsigned entries = (unsigned)__builtin_popcountll(colons & before);
        out->row_end[out->rows++] = out->nnz + entries;
        row_begins |= UINT32_C(1) << entries;
        if ((line_begins >> at) & 2) // not behind the last newline of the block
            out->label[out->rows] = read_label(p + at + 1);
    }
    return row_begins;
}

/* One block. Returns how many bytes were taken, 0 if it is not plain. */
static inline size_t take_block(ct__libsvm *out, block_state *s, const char *p, lanes *max)
{
    block b = classify(p);
    uint64_t ends = b.blank | b.newline;
    if (ends == 0)
        return 0;
    unsigned last = 63 - (unsigned)__builtin_clzll(ends);
    uint64_t keep = ~UINT64_C(0) >> (63 - last);
    uint64_t line_begins = ((b.newline << 1) | s->at_line_begin) & keep;
    if (!is_plain(&b, keep, line_begins, !s->at_line_begin))
        return 0;
    block_entries e = {.colon = b.colon & keep,
                       .digit = b.digit,
                       .before = out->nnz > 0 ? out->col[out->nnz - 1] : 0,
                       .first_index = out->first_index,
                       .limit = out->last_index - out->first_index + 1};
    size_t rows = out->rows;
    e.n = (unsigned)__builtin_popcountll(e.colon);
    e.row_begins = take_rows(out, p, line_begins, b.newline, e.colon) | s->row_begin;
    if (e.n > 0 && !convert(p, &e, out->col + out->nnz, max)) {
        out->rows = rows;
        return 0;
    }
    fill_ones(out->val + out->nnz);
    out->nnz += e.n;
    s->row_begin = (e.row_begins >> e.n) & 1;
    s->at_line_begin = (b.newline >> last) & 1;
    if (b.newline != 0)
        s->line = p + 64 - __builtin_clzll(b.newline);
    return last + 1;
}

/* Take whole blocks from the line at *line on; *line moves to the first line that was not taken in
 * full, whose entries are dropped again. */
static inline void take_blocks(ct__libsvm *out, const char **line)
{
    block_state s = {.line = *line, .at_line_begin = true, .row_begin = true};
    const char *p = *line;
    lanes max = lanes_zero();
    if (p - out->begin >= BLOCK_BEFORE)
        while (out->end - p >= BLOCK_BYTES && out->capacity - out->nnz >= BLOCK_ENTRIES) {
            size_t taken = take_block(out, &s, p, &max);
            if (taken == 0)
                break;
            p += taken;
        }
    uint32_t cols = lanes_max(max) + 1;
    if (p != *line && cols > out->cols)
        out->cols = cols;
    out->nnz = out->rows > 0 ? out->row_end[out->rows - 1] : 0;
    *line = s.line;
}

#endif
