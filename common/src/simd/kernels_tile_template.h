// SPDX-License-Identifier: MIT
/* The tiles of the small matrix product, in one precision and for vectors of one width W: EACH_TILE
 * names them, FN(tiles) has them by rows and vectors. */

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
                     size_t acs, const T *b, size_t ldb, size_t columns, int accumulate, T *c,
                     size_t ldc)
{
    const MASK last = FN(vfirst)(columns - (vecs - 1) * W);
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
                    size_t columns, int accumulate, T *c)
{
    const MASK last = FN(vfirst)(columns - (vecs - 1) * W);
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
                                         size_t ldb, size_t columns, int accumulate, T *c,         \
                                         size_t ldc)                                               \
    {                                                                                              \
        if (rows == 1)                                                                             \
            FN(row)(vecs, k, a, acs, b, ldb, columns, accumulate, c);                              \
        else                                                                                       \
            FN(tile)(rows, vecs, k, a, ars, acs, b, ldb, columns, accumulate, c, ldc);             \
    }
EACH_TILE(TILE)
#undef TILE

#define TILE(rows, vecs) [rows - 1][vecs - 1] = FN(tile_##rows##x##vecs),
static const TILE_FUNCTION FN(tiles)[TILE_ROWS][ROW_VECS] = {EACH_TILE(TILE)};
#undef TILE
