// SPDX-License-Identifier: MIT
/* The small matrix product of one precision, four ways; gemm, at the end, takes the cheapest.
 * direct:  C in tiles that live in registers: a row of op(B), a few vectors, times elements of
 * op(A) read in place whatever its strides. packed:  the same, with panels of op(B) copied to the
 * stack: transposed, or to align them. flipped: the transpose of C = op(B)^T op(A)^T, tile by tile,
 * for transposed A. dots:    dot products along k, for few rows or columns. */

/* Row i, column j: the tile of i + 1 rows and j + 1 vectors. C (rows x vecs W, the last vector
 * masked) = A B [+ C]; element (i, p) of A is a[i ars + p acs]. */
typedef void (*FN(tile_function))(size_t k, const T *a, size_t ars, size_t acs, const T *b,
                                  size_t ldb, MASK last, int accumulate, T *c, size_t ldc);

/* One row of a tile into C; rows and vecs are constants wherever these functions are inlined. */
INLINE void FN(tile_store)(const size_t vecs, VEC s0, VEC s1, VEC s2, MASK last, int accumulate,
                           T *c)
{
    if (accumulate) {
        s0 += vecs > 1 ? LOAD(c) : LOAD_PART(c, last);
        s1 += vecs > 2 ? LOAD(c + W) : vecs > 1 ? LOAD_PART(c + W, last) : ZERO;
        s2 += vecs > 2 ? LOAD_PART(c + 2 * W, last) : ZERO;
    }
    if (vecs > 1)
        FN(vstore)(c, s0);
    if (vecs > 2)
        FN(vstore)(c + W, s1);
    FN(vstore_part)(c + (vecs - 1) * W, last, vecs > 2 ? s2 : vecs > 1 ? s1 : s0);
}

/* The sums are variables of their own, as compilers keep those in registers but not arrays. */
INLINE void FN(tile)(const size_t rows, const size_t vecs, size_t k, const T *a, size_t ars,
                     size_t acs, const T *b, size_t ldb, MASK last, int accumulate, T *c,
                     size_t ldc)
{
#define DECLARE(i) VEC s##i##0 = ZERO, s##i##1 = ZERO, s##i##2 = ZERO;
#define STEP(i)                                                                                    \
    if (rows > i) {                                                                                \
        VEC aip = FN(vset1)(a[i * ars]);                                                           \
        s##i##0 = FMA(aip, b0, s##i##0);                                                           \
        s##i##1 = vecs > 1 ? FMA(aip, b1, s##i##1) : s##i##1;                                      \
        s##i##2 = vecs > 2 ? FMA(aip, b2, s##i##2) : s##i##2;                                      \
    }
#define STORE(i)                                                                                   \
    if (rows > i)                                                                                  \
        FN(tile_store)(vecs, s##i##0, s##i##1, s##i##2, last, accumulate, c + i * ldc);
    EACH_TILE_ROW(DECLARE)
    for (size_t p = 0; p < k; p++, a += acs, b += ldb) {
        VEC b0 = vecs > 1 ? LOAD(b) : LOAD_PART(b, last);
        VEC b1 = vecs > 2 ? LOAD(b + W) : vecs > 1 ? LOAD_PART(b + W, last) : ZERO;
        VEC b2 = vecs > 2 ? LOAD_PART(b + 2 * W, last) : ZERO;
        EACH_TILE_ROW(STEP)
    }
    EACH_TILE_ROW(STORE)
#undef DECLARE
#undef STEP
#undef STORE
}

/* A tile of one row and up to four vectors: two sums each, for even and odd p, as an addition waits
 * for the one before. */
INLINE void FN(row)(const size_t vecs, size_t k, const T *a, size_t acs, const T *b, size_t ldb,
                    MASK last, int accumulate, T *c)
{
#define DECLARE(v)    VEC s##v = ZERO, u##v = ZERO;
#define COLUMNS(v, b) (vecs > v + 1 ? LOAD((b) + v * W) : LOAD_PART((b) + v * W, last))
#define STEP(v)                                                                                    \
    if (vecs > v) {                                                                                \
        s##v = FMA(even, COLUMNS(v, b), s##v);                                                     \
        u##v = FMA(odd, COLUMNS(v, b + ldb), u##v);                                                \
    }
#define LAST_STEP(v)                                                                               \
    if (vecs > v)                                                                                  \
        s##v = FMA(FN(vset1)(*a), COLUMNS(v, b), s##v);
#define STORE(v)                                                                                   \
    if (vecs > v)                                                                                  \
        FN(tile_store)                                                                             \
    (1, s##v + u##v, ZERO, ZERO, vecs > v + 1 ? FN(vfirst)(W) : last, accumulate, c + v * W);
    EACH_OF_4(DECLARE)
    size_t p = 0;
    for (; k - p >= 2; p += 2, a += 2 * acs, b += 2 * ldb) {
        VEC even = FN(vset1)(a[0]), odd = FN(vset1)(a[acs]);
        EACH_OF_4(STEP)
    }
    if (p < k) {
        EACH_OF_4(LAST_STEP)
    }
    EACH_OF_4(STORE)
#undef DECLARE
#undef COLUMNS
#undef STEP
#undef LAST_STEP
#undef STORE
}

#define TILE(rows, vecs)                                                                           \
    static void FN(tile_##rows##x##vecs)(size_t k, const T *a, size_t ars, size_t acs, const T *b, \
                                         size_t ldb, MASK last, int accumulate, T *c, size_t ldc)  \
    {                                                                                              \
        if (rows == 1)                                                                             \
            FN(row)(vecs, k, a, acs, b, ldb, last, accumulate, c);                                 \
        else                                                                                       \
            FN(tile)(rows, vecs, k, a, ars, acs, b, ldb, last, accumulate, c, ldc);                \
    }
EACH_TILE(TILE)
#undef TILE

#define TILE(rows, vecs) [rows - 1][vecs - 1] = FN(tile_##rows##x##vecs),
static const FN(tile_function) FN(tiles)[TILE_ROWS][ROW_VECS] = {EACH_TILE(TILE)};
#undef TILE

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

/* A panel of columns: vecs vectors, the last one masked; one row alone takes wider ones. */
struct FN(panel) {
    size_t vecs, columns;
    MASK last;
};

INLINE struct FN(panel) FN(next_panel)(size_t m, size_t left)
{
    struct FN(panel) panel = {.vecs = FN(piece)((left + W - 1) / W, m == 1 ? ROW_VECS : TILE_VECS)};
    panel.columns = FN(smaller)(panel.vecs * W, left);
    panel.last = FN(vfirst)(panel.columns - (panel.vecs - 1) * W);
    return panel;
}

/* All rows of C for one panel. */
INLINE void FN(compute_panel)(struct FN(panel) panel, size_t m, size_t k, const T *a, size_t ars,
                              size_t acs, const T *b, size_t ldb, int accumulate, T *c, size_t ldc)
{
    for (size_t i = 0, rows; i < m; i += rows) {
        rows = FN(piece)(m - i, TILE_ROWS);
        FN(tile_function) tile = FN(tiles)[rows - 1][panel.vecs - 1];
        tile(k, a + i * ars, ars, acs, b, ldb, panel.last, accumulate, c + i * ldc, ldc);
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

/* out (k x n, rows ldo apart) = transposed in (n x k), which do not overlap. The last block of a
 * row or column begins early enough to be whole. */
static void FN(transpose)(T *out, size_t ldo, const T *in, size_t ldi, size_t n, size_t k)
{
    enum { ROWS = FN(BLOCK_ROWS), COLUMNS = FN(BLOCK_COLUMNS) };
    for (size_t p = 0; k < COLUMNS && p < k; p++)
        for (size_t j = 0; j < n; j++)
            out[p * ldo + j] = in[j * ldi + p];
    for (size_t j = 0; k >= COLUMNS && n < ROWS && j < n; j++)
        for (size_t p = 0; p < k; p++)
            out[p * ldo + j] = in[j * ldi + p];
    if (k < COLUMNS || n < ROWS)
        return;
    for (size_t j = 0; j < n; j += ROWS) {
        size_t first = FN(smaller)(j, n - ROWS);
        const T *from = in + first * ldi;
        T *to = out + first;
        for (size_t p = 0; p + COLUMNS <= k; p += COLUMNS)
            FN(transpose_block)(to + p * ldo, ldo, from + p, ldi);
        FN(transpose_block)(to + (k - COLUMNS) * ldo, ldo, from + k - COLUMNS, ldi);
    }
}

static void FN(copy_rows)(T *out, size_t ldo, const T *in, size_t ldi, size_t rows,
                          struct FN(panel) panel)
{
    for (size_t p = 0; p < rows; p++, out += ldo, in += ldi) {
        for (size_t v = 0; v + 1 < panel.vecs; v++)
            FN(vstore)(out + v * W, LOAD(in + v * W));
        FN(vstore)(out + (panel.vecs - 1) * W, LOAD_PART(in + (panel.vecs - 1) * W, panel.last));
    }
}

static void FN(gemm_packed)(int tb, size_t m, size_t n, size_t k, const T *a, size_t ars,
                            size_t acs, const T *b, size_t ldb, int accumulate, T *c, size_t ldc)
{
    _Alignas(64) T packed[PANEL_DEPTH * ROW_VECS * W_MAX / sizeof(T)];
    for (size_t p = 0; p < k; p += PANEL_DEPTH) {
        size_t depth = FN(smaller)(PANEL_DEPTH, k - p);
        for (size_t j = 0; j < n;) {
            struct FN(panel) panel = FN(next_panel)(m, n - j);
            size_t ld = panel.vecs * W;
            if (tb)
                FN(transpose)(packed, ld, b + j * ldb + p, ldb, panel.columns, depth);
            else
                FN(copy_rows)(packed, ld, b + p * ldb + j, ldb, depth, panel);
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
        size_t ld = panel.vecs * W;
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

/* The dot products of `rows` rows of A with four of B. */
INLINE void FN(dots)(const size_t rows, size_t k, const T *a, size_t lda, const T *const b[4],
                     T *out)
{
#define DECLARE(i) VEC s##i##0 = ZERO, s##i##1 = ZERO, s##i##2 = ZERO, s##i##3 = ZERO;
#define STEP(i)                                                                                    \
    if (rows > i) {                                                                                \
        VEC ai = part ? LOAD_PART(a + i * lda + p, *part) : LOAD(a + i * lda + p);                 \
        s##i##0 = FMA(ai, b0, s##i##0);                                                            \
        s##i##1 = FMA(ai, b1, s##i##1);                                                            \
        s##i##2 = FMA(ai, b2, s##i##2);                                                            \
        s##i##3 = FMA(ai, b3, s##i##3);                                                            \
    }
#define STORE(i)                                                                                   \
    if (rows > i)                                                                                  \
        FN(vsum4)(out + 4 * i, s##i##0, s##i##1, s##i##2, s##i##3);
    EACH_OF_4(DECLARE)
    size_t p = 0;
    for (; k - p >= W; p += W) {
        const MASK *part = NULL;
        VEC b0 = LOAD(b[0] + p), b1 = LOAD(b[1] + p), b2 = LOAD(b[2] + p), b3 = LOAD(b[3] + p);
        EACH_OF_4(STEP)
    }
    if (p < k) {
        const MASK rest = FN(vfirst)(k - p), *part = &rest;
        VEC b0 = LOAD_PART(b[0] + p, rest), b1 = LOAD_PART(b[1] + p, rest);
        VEC b2 = LOAD_PART(b[2] + p, rest), b3 = LOAD_PART(b[3] + p, rest);
        EACH_OF_4(STEP)
    }
    EACH_OF_4(STORE)
#undef DECLARE
#undef STEP
#undef STORE
}

static void FN(dots_1)(size_t k, const T *a, size_t lda, const T *const b[4], T *out)
{
    FN(dots)(1, k, a, lda, b, out);
}

static void FN(dots_2)(size_t k, const T *a, size_t lda, const T *const b[4], T *out)
{
    FN(dots)(2, k, a, lda, b, out);
}

static void FN(dots_4)(size_t k, const T *a, size_t lda, const T *const b[4], T *out)
{
    FN(dots)(4, k, a, lda, b, out);
}

/* Up to four sums into C, ccs apart. */
INLINE void FN(dots_store)(T *c, size_t ccs, const T *sums, size_t columns, int accumulate)
{
    if (columns == 4 && ccs == 1 && !accumulate)
        memcpy(c, sums, 4 * sizeof *c);
    else
        for (size_t l = 0; l < columns; l++)
            c[l * ccs] = accumulate ? c[l * ccs] + sums[l] : sums[l];
}

/* C(i, j), at c[i crs + j ccs], = row i of A times row j of B, in blocks of 4, 2 or 1 by four. */
static void FN(gemm_dots)(size_t m, size_t n, size_t k, const T *a, size_t lda, const T *b,
                          size_t ldb, int accumulate, T *c, size_t crs, size_t ccs)
{
    if (n < m) { // the four go along the longer side
        FN(gemm_dots)(n, m, k, b, ldb, a, lda, accumulate, c, ccs, crs);
        return;
    }
    for (size_t j = 0; j < n; j += 4) {
        T out[16];
        const size_t columns = FN(smaller)(4, n - j);
        const T *rows_of_b[4]; // the last one again where there are fewer than four
        for (size_t l = 0; l < 4; l++)
            rows_of_b[l] = b + FN(smaller)(j + l, n - 1) * ldb;
        for (size_t i = 0, rows; i < m; i += rows) {
            rows = m - i >= DOT_ROWS ? DOT_ROWS : m - i >= 2 ? 2 : 1;
            if (rows == 1)
                FN(dots_1)(k, a + i * lda, lda, rows_of_b, out);
            else if (rows == 2)
                FN(dots_2)(k, a + i * lda, lda, rows_of_b, out);
            else
                FN(dots_4)(k, a + i * lda, lda, rows_of_b, out);
            for (size_t q = 0; q < rows; q++)
                FN(dots_store)
            (c + (i + q) * crs + j * ccs, ccs, out + 4 * q, columns, accumulate);
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

/* The cheapest way, by the number of vector operations and what each way adds to them. */
static enum way FN(choose)(int ta, int tb, size_t m, size_t n, size_t k, bool misaligned)
{
    const size_t vm = (m + W - 1) / W, vn = (n + W - 1) / W, vk = (k + W - 1) / W;
    size_t best = m * vn * k, cost;
    enum way way = DIRECT;
    if (tb) {
        best += n * k / 2;
        way = PACKED;
    } else if (m >= 4 * TILE_ROWS && misaligned) {
        way = PACKED;
    }
    if (ta && (cost = n * vm * k + m * n / 2) < best) {
        best = cost;
        way = FLIPPED;
    }
    // What lies across k must be copied, and only one of them.
    bool copy = ta || !tb;
    bool possible = !copy || (!ta && n <= W) || (tb && m <= W);
    cost = m * n * (vk + 4) + (copy ? (ta ? m : n) * k : 0);
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
        FN(gemm_packed)(tb, m, n, k, a, ars, acs, b, ldb, accumulate, c, ldc);
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
    if (n == 1 && ldb == 1) // one column lies along k either way
        tb = 1;
    if (m == 1 && lda == 1)
        ta = 0;
    const bool misaligned = ((uintptr_t)b | ldb * sizeof(T)) % W_MAX != 0;
    enum way way = FN(choose)(ta, tb, m, n, k, misaligned);
    if (way <= PACKED && rest > 0 && whole > 0) {
        enum way rest_way = FN(choose)(ta, tb, m, rest, k, misaligned);
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
