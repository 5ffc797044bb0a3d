// SPDX-License-Identifier: MIT
/* The small matrix product of one precision. C is computed in tiles that live in registers: a row
 * of op(B) is loaded as up to TILE_VECS vectors and multiplied by up to TILE_ROWS elements of a
 * column of op(A), read in place whatever its strides. B itself is read in place unless it is
 * transposed: then panels of it are copied, in blocks of PANEL_DEPTH rows, to the stack. Products
 * with few rows or columns whose operands are contiguous along k go to dot products instead. */

#ifndef PANEL_DEPTH
#define PANEL_DEPTH 128
#endif

/* C (rows x vecs W, the last vector masked) = A B [+ C]; element (i, p) of A is a[i ars + p acs].
 */
typedef void (*FN(tile_function))(size_t k, const T *a, size_t ars, size_t acs, const T *b,
                                  size_t ldb, MASK last, int accumulate, T *c, size_t ldc);

/* One row of a tile into C. */
INLINE void FN(tile_store)(const size_t vecs, VEC s0, VEC s1, VEC s2, MASK last, int accumulate,
                           T *c)
{
    T *end = c + (vecs - 1) * W;
    if (accumulate) {
        s0 += vecs > 1 ? LOAD(c) : LOAD_PART(c, last);
        s1 += vecs > 2 ? LOAD(c + W) : vecs > 1 ? LOAD_PART(c + W, last) : ZERO;
        s2 += vecs > 2 ? LOAD_PART(c + 2 * W, last) : ZERO;
    }
    if (vecs > 1)
        FN(vstore)(c, s0);
    if (vecs > 2)
        FN(vstore)(c + W, s1);
    FN(vstore_part)(end, last, vecs > 2 ? s2 : vecs > 1 ? s1 : s0);
}

/* rows and vecs are constants wherever this is inlined. The sums are variables of their own, as
 * compilers keep those in registers but not arrays. */
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
    ROWS(DECLARE)
    for (size_t p = 0; p < k; p++, a += acs, b += ldb) {
        VEC b0 = vecs > 1 ? LOAD(b) : LOAD_PART(b, last);
        VEC b1 = vecs > 2 ? LOAD(b + W) : vecs > 1 ? LOAD_PART(b + W, last) : ZERO;
        VEC b2 = vecs > 2 ? LOAD_PART(b + 2 * W, last) : ZERO;
        ROWS(STEP)
    }
    ROWS(STORE)
#undef DECLARE
#undef STEP
#undef STORE
}

#define TILE(rows, vecs)                                                                           \
    static void FN(tile_##rows##x##vecs)(size_t k, const T *a, size_t ars, size_t acs, const T *b, \
                                         size_t ldb, MASK last, int accumulate, T *c, size_t ldc)  \
    {                                                                                              \
        FN(tile)(rows, vecs, k, a, ars, acs, b, ldb, last, accumulate, c, ldc);                    \
    }
TILES(TILE)
#undef TILE

/* Row i, column j: the tile of i + 1 rows and j + 1 vectors. */
#define TILE(rows, vecs) [rows - 1][vecs - 1] = FN(tile_##rows##x##vecs),
static const FN(tile_function) FN(tiles)[TILE_ROWS][TILE_VECS] = {TILES(TILE)};
#undef TILE

/* All rows of C for one panel of vecs vectors of columns. */
INLINE void FN(panel)(size_t vecs, size_t m, size_t k, const T *a, size_t ars, size_t acs,
                      const T *b, size_t ldb, MASK last, int accumulate, T *c, size_t ldc)
{
    size_t blocks = (m + TILE_ROWS - 1) / TILE_ROWS;
    for (size_t i = 0; i < m; blocks--) { // as even as can be: 9 rows are 5 + 4
        size_t rows = (m - i + blocks - 1) / blocks;
        FN(tiles)
        [rows - 1][vecs - 1](k, a + i * ars, ars, acs, b, ldb, last, accumulate, c + i * ldc, ldc);
        i += rows;
    }
}

/* The vectors of the next panel when `left` columns remain: never a single one after a full panel.
 */
INLINE size_t FN(panel_vectors)(size_t left)
{
    size_t vecs = (left + W - 1) / W;
    size_t panels = (vecs + TILE_VECS - 1) / TILE_VECS;
    return (vecs + panels - 1) / panels;
}

INLINE size_t FN(smaller)(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void FN(gemm_direct)(size_t m, size_t n, size_t k, const T *a, size_t ars, size_t acs,
                            const T *b, size_t ldb, int accumulate, T *c, size_t ldc)
{
    for (size_t j = 0; j < n;) {
        size_t vecs = FN(panel_vectors)(n - j), columns = FN(smaller)(vecs * W, n - j);
        MASK last = FN(vfirst)(columns - (vecs - 1) * W);
        FN(panel)(vecs, m, k, a, ars, acs, b + j, ldb, last, accumulate, c + j, ldc);
        j += columns;
    }
}

/* out (k x n, rows ldo apart) = transposed in (n x k). */
static void FN(transpose)(T *out, size_t ldo, const T *in, size_t ldi, size_t n, size_t k)
{
    for (size_t p = 0; p < k; p += 4) {
        size_t j = 0;
        for (; k - p >= 4 && n - j >= 4; j += 4)
            FN(transpose4x4)(out + p * ldo + j, ldo, in + j * ldi + p, ldi);
        for (size_t q = p; q < k && q < p + 4; q++)
            for (size_t l = j; l < n; l++)
                out[q * ldo + l] = in[l * ldi + q];
    }
}

static void FN(gemm_packed)(size_t m, size_t n, size_t k, const T *a, size_t ars, size_t acs,
                            const T *b, size_t ldb, int accumulate, T *c, size_t ldc)
{
    _Alignas(64) T packed[PANEL_DEPTH * TILE_VECS * W_MAX / sizeof(T)];
    for (size_t p = 0; p < k; p += PANEL_DEPTH) {
        size_t depth = FN(smaller)(PANEL_DEPTH, k - p);
        for (size_t j = 0; j < n;) {
            size_t vecs = FN(panel_vectors)(n - j), columns = FN(smaller)(vecs * W, n - j);
            MASK last = FN(vfirst)(columns - (vecs - 1) * W);
            FN(transpose)(packed, vecs * W, b + j * ldb + p, ldb, columns, depth);
            FN(panel)
            (vecs, m, depth, a + p * acs, ars, acs, packed, vecs * W, last, accumulate || p > 0,
             c + j, ldc);
            j += columns;
        }
    }
}

static void FN(gemm)(int ta, int tb, size_t m, size_t n, size_t k, const T *a, size_t lda,
                     const T *b, size_t ldb, int accumulate, T *c, size_t ldc)
{
    size_t ars = ta ? 1 : lda, acs = ta ? lda : 1;
    if (tb && k > 0)
        FN(gemm_packed)(m, n, k, a, ars, acs, b, ldb, accumulate, c, ldc);
    else
        FN(gemm_direct)(m, n, k, a, ars, acs, b, ldb, accumulate, c, ldc);
}
