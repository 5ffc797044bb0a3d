// SPDX-License-Identifier: MIT
/* The small matrix product of one precision, four ways; gemm, at the end, takes the cheapest.
 * direct:  C in tiles that live in registers: a row of op(B), a few vectors, times elements of
 * op(A) read in place whatever its strides. packed:  the same, with panels of transposed B copied
 * to the stack. flipped: the transpose of C = op(B)^T op(A)^T, tile by tile, for transposed A.
 * dots:    dot products along k, for few rows or columns. */
#include "kernels_tile_template.h"

INLINE size_t FN(smaller)(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The size of the next of several pieces of at most `largest`, as even as can be: 9 in pieces of at
 * most 8 is 5 + 4. */
INLINE size_t FN(piece)(size_t left, size_t largest)
{
    if (left <= largest)
        return left;
    size_t pieces = (left + largest - 1) / largest;
    return (left + pieces - 1) / pieces;
}

/* A panel of columns, and its tiles by their rows. */
struct FN(panel) {
    size_t vecs, columns;
    const TILE_FUNCTION (*tiles)[ROW_VECS];
};

/* Columns at the end that fill no more than half of their last vector are computed with vectors
 * half as wide, where a table has them; one row alone takes more columns. */
INLINE struct FN(panel) FN(next_panel)(size_t m, size_t left)
{
    if (m == 1) {
        const size_t vecs = FN(piece)((left + W - 1) / W, ROW_VECS);
        return (struct FN(panel)){vecs, FN(smaller)(vecs * W, left), FN(tiles)};
    }
    enum { WN = FN(W_narrow) };
    const size_t rest = left % W;
    size_t narrow = 0; // so many columns at the end: one narrow vector, or three
    if (rest > 0 && rest <= W - WN)
        narrow = left > W ? W + rest : rest;
    if (left == narrow)
        return (struct FN(panel)){(left + WN - 1) / WN, left, FN(tiles_narrow)};
    const size_t columns = FN(smaller)(TILE_VECS * W, left - narrow);
    return (struct FN(panel)){(columns + W - 1) / W, columns, FN(tiles)};
}

/* All rows of C for one panel. */
INLINE void FN(compute_panel)(struct FN(panel) panel, size_t m, size_t k, const T *a, size_t ars,
                              size_t acs, const T *b, size_t ldb, int accumulate, T *c, size_t ldc)
{
    for (size_t i = 0, rows; i < m; i += rows) {
        rows = FN(piece)(m - i, TILE_ROWS);
        TILE_FUNCTION tile = panel.tiles[rows - 1][panel.vecs - 1];
        tile(k, a + i * ars, ars, acs, b, ldb, panel.columns, accumulate, c + i * ldc, ldc);
    }
}

static void FN(gemm_direct)(size_t m, size_t n, size_t k, const T *a, size_t ars, size_t acs,
                            const T *b, size_t ldb, int accumulate, T *c, size_t ldc)
{
    for (size_t j = 0; j < n;) {
        struct FN(panel) panel = FN(next_panel)(m, n - j);
        FN(compute_panel)(panel, m, k, a, ars, acs, b + j, ldb, accumulate, c + j, ldc);
        j += panel.columns;
    }
}

/* out (k x n, rows ldo apart) = transposed in (n x k), which do not overlap, in blocks of the given
 * size. The last block of a row or column begins early enough to be whole. */
INLINE void FN(transpose_by)(void (*block)(T *, size_t, const T *, size_t), const size_t rows,
                             const size_t columns, T *out, size_t ldo, const T *in, size_t ldi,
                             size_t n, size_t k)
{
    for (size_t j = 0; j < n; j += rows) {
        size_t first = FN(smaller)(j, n - rows);
        const T *from = in + first * ldi;
        T *to = out + first;
        for (size_t p = 0; p + columns <= k; p += columns)
            block(to + p * ldo, ldo, from + p, ldi);
        if (k % columns != 0)
            block(to + (k - columns) * ldo, ldo, from + k - columns, ldi);
    }
}

static void FN(transpose)(T *out, size_t ldo, const T *in, size_t ldi, size_t n, size_t k)
{
    if (n >= FN(BLOCK_ROWS) && k >= BLOCK_COLUMNS) {
        FN(transpose_by)
        (FN(transpose_block), FN(BLOCK_ROWS), BLOCK_COLUMNS, out, ldo, in, ldi, n, k);
    } else if (n >= 4 && k >= 2) { // two columns after two: k is small or n is
        for (size_t p = 0, first; p < k; p += 2) {
            first = FN(smaller)(p, k - 2);
            FN(transpose_by)
            (FN(transpose_pairs), 4, 2, out + first * ldo, ldo, in + first, ldi, n, 2);
        }
    } else {
        for (size_t j = 0; j < n; j++)
            for (size_t p = 0; p < k; p++)
                out[p * ldo + j] = in[j * ldi + p];
    }
}

static void FN(gemm_packed)(size_t m, size_t n, size_t k, const T *a, size_t ars, size_t acs,
                            const T *b, size_t ldb, int accumulate, T *c, size_t ldc)
{
    _Alignas(64) T packed[PANEL_DEPTH * ROW_VECS * W_MAX / sizeof(T)];
    for (size_t p = 0; p < k; p += PANEL_DEPTH) {
        size_t depth = FN(smaller)(PANEL_DEPTH, k - p);
        for (size_t j = 0; j < n;) {
            struct FN(panel) panel = FN(next_panel)(m, n - j);
            size_t ld = (panel.columns + W - 1) / W * W;
            FN(transpose)(packed, ld, b + j * ldb + p, ldb, panel.columns, depth);
            FN(compute_panel)
            (panel, m, depth, a + p * acs, ars, acs, packed, ld, accumulate || p > 0, c + j, ldc);
            j += panel.columns;
        }
    }
}

/* a is stored k x m; element (p, j) of op(B) is b[p brs + j bcs]. */
static void FN(gemm_flipped)(size_t m, size_t n, size_t k, const T *a, size_t lda, const T *b,
                             size_t brs, size_t bcs, int accumulate, T *c, size_t ldc)
{
    _Alignas(64) T out[FLIP_ROWS * ROW_VECS * W_MAX / sizeof(T)];
    for (size_t i = 0; i < m;) {
        struct FN(panel) panel = FN(next_panel)(n, m - i);
        size_t ld = (panel.columns + W - 1) / W * W;
        for (size_t j = 0, rows; j < n; j += rows) {
            rows = FN(piece)(n - j, FLIP_ROWS);
            T *block = c + i * ldc + j;
            if (accumulate)
                FN(transpose)(out, ld, block, ldc, panel.columns, rows);
            FN(compute_panel)
            (panel, rows, k, b + j * bcs, bcs, brs, a + i, lda, accumulate, out, ld);
            FN(transpose)(block, ldc, out, ld, rows, panel.columns);
        }
        i += panel.columns;
    }
}

/* Four sums into C, ccs apart, of which `columns` exist. */
INLINE void FN(dots_store)(VEC s0, VEC s1, VEC s2, VEC s3, size_t columns, int accumulate, T *c,
                           size_t ccs)
{
    T sums[4];
    if (columns == 4 && ccs == 1 && !accumulate) {
        FN(vsum4)(c, s0, s1, s2, s3);
        return;
    }
    FN(vsum4)(sums, s0, s1, s2, s3);
#define STORE(l)                                                                                   \
    if (columns > l)                                                                               \
        c[l * ccs] = accumulate ? c[l * ccs] + sums[l] : sums[l];
    EACH_OF_4(STORE) // a loop becomes long vector code
#undef STORE
}

/* C(i, l), at c[i crs + l ccs], = row i of A times row l of B, for `rows` and `columns` <= 4. */
INLINE void FN(dots)(const size_t rows, size_t columns, size_t k, const T *a, size_t lda,
                     const T *b, size_t ldb, int accumulate, T *c, size_t crs, size_t ccs)
{
#define DECLARE(i) VEC s##i##0 = ZERO, s##i##1 = ZERO, s##i##2 = ZERO, s##i##3 = ZERO;
#define STEP(i)                                                                                    \
    if (rows > i) {                                                                                \
        VEC ai = part ? LOAD_PART(a + i * lda + p, *part) : LOAD(a + i * lda + p);                 \
        s##i##0 = FMA(ai, v0, s##i##0);                                                            \
        s##i##1 = FMA(ai, v1, s##i##1);                                                            \
        s##i##2 = FMA(ai, v2, s##i##2);                                                            \
        s##i##3 = FMA(ai, v3, s##i##3);                                                            \
    }
#define STORE(i)                                                                                   \
    if (rows > i)                                                                                  \
        FN(dots_store)                                                                             \
    (s##i##0, s##i##1, s##i##2, s##i##3, columns, accumulate, c + i * crs, ccs);
    // The last row of B again where there are fewer than four.
    const T *b1 = columns > 1 ? b + ldb : b, *b2 = columns > 2 ? b1 + ldb : b1;
    const T *b3 = columns > 3 ? b2 + ldb : b2;
    EACH_OF_4(DECLARE)
    size_t p = 0;
    for (; k - p >= W; p += W) {
        const MASK *part = NULL;
        VEC v0 = LOAD(b + p), v1 = LOAD(b1 + p), v2 = LOAD(b2 + p), v3 = LOAD(b3 + p);
        LOADED(v0);
        LOADED(v1);
        LOADED(v2);
        LOADED(v3);
        EACH_OF_4(STEP)
    }
    if (p < k) {
        const MASK rest = FN(vfirst)(k - p), *part = &rest;
        VEC v0 = LOAD_PART(b + p, rest), v1 = LOAD_PART(b1 + p, rest);
        VEC v2 = LOAD_PART(b2 + p, rest), v3 = LOAD_PART(b3 + p, rest);
        EACH_OF_4(STEP)
    }
    EACH_OF_4(STORE)
#undef DECLARE
#undef STEP
#undef STORE
}

#define DOTS_OF(rows)                                                                              \
    static void FN(dots_##rows)(size_t columns, size_t k, const T *a, size_t lda, const T *b,      \
                                size_t ldb, int accumulate, T *c, size_t crs, size_t ccs)          \
    {                                                                                              \
        FN(dots)(rows, columns, k, a, lda, b, ldb, accumulate, c, crs, ccs);                       \
    }
DOTS_OF(1)
DOTS_OF(2)
DOTS_OF(4)
#undef DOTS_OF

/* x times eight rows of B. */
static void FN(dots_1x8)(size_t k, const T *x, const T *b, size_t ldb, int accumulate, T *c,
                         size_t ccs)
{
    const T *b4 = b + 4 * ldb;
#define DECLARE(i) VEC s##i = ZERO, u##i = ZERO;
#define STEP(i)                                                                                    \
    s##i = FMA(xp, LOAD(b + i * ldb + p), s##i);                                                   \
    u##i = FMA(xp, LOAD(b4 + i * ldb + p), u##i);
#define LAST_STEP(i)                                                                               \
    s##i = FMA(xp, LOAD_PART(b + i * ldb + p, rest), s##i);                                        \
    u##i = FMA(xp, LOAD_PART(b4 + i * ldb + p, rest), u##i);
    EACH_OF_4(DECLARE)
    size_t p = 0;
    for (; k - p >= W; p += W) {
        const VEC xp = LOAD(x + p);
        EACH_OF_4(STEP)
    }
    if (p < k) {
        const MASK rest = FN(vfirst)(k - p);
        const VEC xp = LOAD_PART(x + p, rest);
        EACH_OF_4(LAST_STEP)
    }
    FN(dots_store)(s0, s1, s2, s3, 4, accumulate, c, ccs);
    FN(dots_store)(u0, u1, u2, u3, 4, accumulate, c + 4 * ccs, ccs);
#undef DECLARE
#undef STEP
#undef LAST_STEP
}

/* C(i, j), at c[i crs + j ccs], = row i of A times row j of B, in blocks of 4, 2 or 1 by four. */
static void FN(gemm_dots)(size_t m, size_t n, size_t k, const T *a, size_t lda, const T *b,
                          size_t ldb, int accumulate, T *c, size_t crs, size_t ccs)
{
    if (n < m && n % 4 != 0) { // the four go along the longer side, or along rows of C
        FN(gemm_dots)(n, m, k, b, ldb, a, lda, accumulate, c, ccs, crs);
        return;
    }
    size_t j = 0;
    for (; m == 1 && n - j >= 8; j += 8)
        FN(dots_1x8)(k, a, b + j * ldb, ldb, accumulate, c + j * ccs, ccs);
    for (; j < n; j += 4) {
        const size_t columns = FN(smaller)(4, n - j);
        for (size_t i = 0, rows; i < m; i += rows) {
            const T *ai = a + i * lda, *bj = b + j * ldb;
            T *cij = c + i * crs + j * ccs;
            rows = m - i >= DOT_ROWS ? DOT_ROWS : m - i >= 2 ? 2 : 1;
            if (rows == 1)
                FN(dots_1)(columns, k, ai, lda, bj, ldb, accumulate, cij, crs, ccs);
            else if (rows == 2)
                FN(dots_2)(columns, k, ai, lda, bj, ldb, accumulate, cij, crs, ccs);
            else
                FN(dots_4)(columns, k, ai, lda, bj, ldb, accumulate, cij, crs, ccs);
        }
    }
}

/* gemm_dots where the operand with fewer rows or columns (at most W) lies across k: it is copied.
 */
static void FN(gemm_dots_copied)(int ta, int tb, size_t m, size_t n, size_t k, const T *a,
                                 size_t lda, const T *b, size_t ldb, int accumulate, T *c,
                                 size_t ldc)
{
    _Alignas(64) T rows[PANEL_DEPTH * W_MAX / sizeof(T)];
    for (size_t p = 0; p < k; p += PANEL_DEPTH) {
        size_t depth = FN(smaller)(PANEL_DEPTH, k - p);
        const T *ap = ta ? rows : a + p, *bp = tb ? b + p : rows;
        if (ta)
            FN(transpose)(rows, PANEL_DEPTH, a + p * lda, lda, depth, m);
        else
            FN(transpose)(rows, PANEL_DEPTH, b + p * ldb, ldb, depth, n);
        FN(gemm_dots)
        (m, n, depth, ap, ta ? PANEL_DEPTH : lda, bp, tb ? ldb : PANEL_DEPTH, accumulate || p > 0,
         c, ldc, 1);
    }
}

/* The cheapest way, by the number of vector operations and what each way adds to them (in
 * measured equivalents: 3 for a sum, 48 for a copy, 1 and 1/2 for an element copied). */
static enum way FN(choose)(int ta, int tb, size_t m, size_t n, size_t k)
{
    enum { WN = FN(W_narrow), WHOLE = FN(W) / WN }; // a whole vector costs so many narrow ones
    const size_t vm = (m + WN - 1) / WN, vn = (n + WN - 1) / WN, vk = (k + W - 1) / W;
    size_t best = m * vn * k, cost;
    enum way way = DIRECT;
    if (tb) {
        best += WHOLE * n * k / 2;
        way = PACKED;
    }
    if (ta && (cost = n * vm * k + WHOLE * m * n / 2) < best) {
        best = cost;
        way = FLIPPED;
    }
    // What lies across k must be copied, and only one of them.
    bool copy = ta || !tb;
    bool possible = !copy || (!ta && n <= W) || (tb && m <= W);
    cost = WHOLE * (m * n * (vk + 3) + (copy ? (ta ? m : n) * k + 48 : 0));
    return possible && cost < best ? DOTS : way;
}

static void FN(gemm_by)(enum way way, int ta, int tb, size_t m, size_t n, size_t k, const T *a,
                        size_t lda, const T *b, size_t ldb, int accumulate, T *c, size_t ldc)
{
    const size_t ars = ta ? 1 : lda, acs = ta ? lda : 1;
    switch (way) {
    case DIRECT:
        FN(gemm_direct)(m, n, k, a, ars, acs, b, ldb, accumulate, c, ldc);
        break;
    case PACKED:
        FN(gemm_packed)(m, n, k, a, ars, acs, b, ldb, accumulate, c, ldc);
        break;
    case FLIPPED:
        FN(gemm_flipped)(m, n, k, a, lda, b, tb ? 1 : ldb, tb ? ldb : 1, accumulate, c, ldc);
        break;
    case DOTS:
        if (!ta && tb)
            FN(gemm_dots)(m, n, k, a, lda, b, ldb, accumulate, c, ldc, 1);
        else
            FN(gemm_dots_copied)(ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
        break;
    }
}

static void FN(gemm)(int ta, int tb, size_t m, size_t n, size_t k, const T *a, size_t lda,
                     const T *b, size_t ldb, int accumulate, T *c, size_t ldc)
{
    const size_t rest = n % W, whole = n - rest;
    if (k == 0 || (k < 8 && !ta && !tb)) { // too little to gain by a choice; k = 0 clears C
        FN(gemm_direct)(m, n, k, a, lda, 1, b, ldb, accumulate, c, ldc);
        return;
    }
    if (n == 1 && ldc == 1 && m > 1) { // a column is a row
        FN(gemm)(!tb, !ta, 1, m, k, b, ldb, a, lda, accumulate, c, m);
        return;
    }
    if (m == 1 && lda == 1)
        ta = 0;
    enum way way = FN(choose)(ta, tb, m, n, k);
    if (way <= PACKED && rest > 0 && whole > 0) {
        enum way rest_way = FN(choose)(ta, tb, m, rest, k);
        if (rest_way > PACKED) {
            FN(gemm_by)
            (rest_way, ta, tb, m, rest, k, a, lda, b + whole * (tb ? ldb : 1), ldb, accumulate,
             c + whole, ldc);
            n = whole;
        }
    }
    if (m > 0 && n > 0)
        FN(gemm_by)(way, ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
}
