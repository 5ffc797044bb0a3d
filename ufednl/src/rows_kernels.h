// SPDX-License-Identifier: MIT
/* The inner loops of rows.c and pattern.c, one const table an instruction set, as in
 * ctrain/kernels.h: a table's results are a fixed function of its inputs, two tables may differ in
 * the last bits. */
#ifndef UFEDNL_ROWS_KERNELS_H
#define UFEDNL_ROWS_KERNELS_H

#include "rows.h"

enum {
    FEDNL__BLOCK_ROWS = 2048, // BITS: their bit sets and weights stay in the second cache
    FEDNL__BLOCK_DENSE = 128  // DENSE: rows scaled and multiplied at a time
};

typedef struct fednl__rows_kernels {
    ct_simd simd;
    /* What they cost, in cycles; rows_init.c compares. */
    double cost_bits;  // a word of 8 entries of a column, in a row
    double cost_dense; // an entry of the triangle, in a row
    /* See rows_losses.h. */
    void (*finish_losses)(size_t n, const double *p, const double *q, const double *z,
                          double *loss);
    void (*differentiate)(size_t n, const double *p, const double *q, const double *z,
                          const double *exponent, double *first, double *second);
    /* BITS: with first and second derivatives (r) of the rows, the local gradient g (a) and the
     * triangle grow by those of a block; the triangle is zero where block is 0. Entries below the
     * diagonal, which fill a column up to a multiple of 8, are anything. */
    void (*add_block)(const fednl__rows *rows, size_t block, const double *first,
                      const double *second, double *g, double *triangle);
    /* BITS, and there is but one block: g (a) and the Hessian h on the pattern. NULL: none faster
     * than add_block and take. */
    void (*pack_block)(const fednl__rows *rows, const fednl__pattern *pattern, const double *first,
                       const double *second, double *g, double *h);
    /* Write column + coordinate[i] for the bits i of mask (words bytes) to out, which has room for
     * 7 more; coordinate has a multiple of 8. Returns the end of what was written. */
    uint32_t *(*list_column)(const uint8_t *mask, size_t words, const uint32_t *coordinate,
                             uint32_t column, uint32_t *out);
    /* The numbers of from (8 words) at the bits of mask (words) to out, and from is zero then.
     * Returns the end of what was written, which is not beyond end. */
    double *(*take)(const uint8_t *mask, size_t words, double *from, double *out,
                    const double *end);
    /* See fednl__pattern_multiply. */
    void (*multiply)(const fednl__pattern *pattern, const double *h, const double *x, double *y);
} fednl__rows_kernels;

extern const fednl__rows_kernels fednl__rows_kernels_scalar;
#if defined(__x86_64__)
extern const fednl__rows_kernels fednl__rows_kernels_avx2;
extern const fednl__rows_kernels fednl__rows_kernels_avx512;
#endif

/* NULL if this machine cannot run it. */
const fednl__rows_kernels *fednl__rows_kernels_of(ct_simd simd);

/* Bytes, or groups of 8 entries, of the columns before column of a padded triangle. */
static inline size_t fednl__padded_bytes(size_t column)
{
    return fednl__padded(column) / 8;
}

static inline size_t fednl__round_up_8(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

/* First row of a block, and that after its last. */
static inline size_t fednl__block_begin(size_t block)
{
    return block * FEDNL__BLOCK_ROWS;
}
static inline size_t fednl__block_end(const fednl__rows *rows, size_t block)
{
    size_t end = fednl__block_begin(block + 1);
    return end < rows->distinct ? end : rows->distinct;
}

#endif
