// SPDX-License-Identifier: MIT
/* Sums, elementwise arithmetic and gathers of one precision, in the vector operations of the
 * including table. Arrays end in a masked vector: no element outside is read or written. */

static T FN(dot)(const T *x, const T *y, size_t n)
{
    VEC s0 = ZERO, s1 = ZERO, s2 = ZERO, s3 = ZERO;
    size_t i = 0;
    for (; n - i >= 4 * W; i += 4 * W) {
        s0 = FMA(LOAD(x + i), LOAD(y + i), s0);
        s1 = FMA(LOAD(x + i + W), LOAD(y + i + W), s1);
        s2 = FMA(LOAD(x + i + 2 * W), LOAD(y + i + 2 * W), s2);
        s3 = FMA(LOAD(x + i + 3 * W), LOAD(y + i + 3 * W), s3);
    }
    for (; n - i >= W; i += W)
        s0 = FMA(LOAD(x + i), LOAD(y + i), s0);
    if (i < n) {
        MASK part = FN(vfirst)(n - i);
        s1 = FMA(LOAD_PART(x + i, part), LOAD_PART(y + i, part), s1);
    }
    return FN(vsum)((s0 + s1) + (s2 + s3));
}

static T FN(sum)(const T *x, size_t n)
{
    VEC s0 = ZERO, s1 = ZERO, s2 = ZERO, s3 = ZERO;
    size_t i = 0;
    for (; n - i >= 4 * W; i += 4 * W) {
        s0 += LOAD(x + i);
        s1 += LOAD(x + i + W);
        s2 += LOAD(x + i + 2 * W);
        s3 += LOAD(x + i + 3 * W);
    }
    for (; n - i >= W; i += W)
        s0 += LOAD(x + i);
    if (i < n)
        s1 += LOAD_PART(x + i, FN(vfirst)(n - i));
    return FN(vsum)((s0 + s1) + (s2 + s3));
}

static T FN(norm2_squared)(const T *x, size_t n)
{
    return FN(dot)(x, x, n);
}

/* The instruction drops a NaN when the next element arrives: the sum of all elements' unordered
 * comparisons remembers it. */
static T FN(max)(const T *x, size_t n)
{
    VEC m = FN(vset1)(-(T)INFINITY);
    VEC nan = ZERO;
    size_t i = 0;
    for (; i < n; i += W) {
        VEC v = n - i >= W ? LOAD(x + i) : ZERO;
        if (n - i < W) {
            MASK part = FN(vfirst)(n - i);
            v = FN(vfill)(LOAD_PART(x + i, part), part, -(T)INFINITY);
        }
        nan = FN(vselect)(FN(vnan)(v), v, nan);
        m = FN(vmax)(m, v);
    }
    return FN(vany)(FN(vnan)(nan)) ? (T)NAN : FN(vgreatest)(m);
}

static T FN(max_abs)(const T *x, size_t n)
{
    VEC m = ZERO, nan = ZERO;
    size_t i = 0;
    for (; i < n; i += W) {
        VEC v = n - i >= W ? LOAD(x + i) : LOAD_PART(x + i, FN(vfirst)(n - i));
        nan = FN(vselect)(FN(vnan)(v), v, nan);
        m = FN(vmax)(m, FN(vabs)(v));
    }
    return FN(vany)(FN(vnan)(nan)) ? (T)NAN : FN(vgreatest)(m);
}

static void FN(axpy)(T *y, T a, const T *x, size_t n)
{
    VEC va = FN(vset1)(a);
    size_t i = 0;
    for (; n - i >= W; i += W)
        FN(vstore)(y + i, FMA(va, LOAD(x + i), LOAD(y + i)));
    if (i < n) {
        MASK part = FN(vfirst)(n - i);
        FN(vstore_part)(y + i, part, FMA(va, LOAD_PART(x + i, part), LOAD_PART(y + i, part)));
    }
}

static void FN(scal)(T *x, T a, size_t n)
{
    VEC va = FN(vset1)(a);
    size_t i = 0;
    for (; n - i >= W; i += W)
        FN(vstore)(x + i, va * LOAD(x + i));
    if (i < n) {
        MASK part = FN(vfirst)(n - i);
        FN(vstore_part)(x + i, part, va * LOAD_PART(x + i, part));
    }
}

MAP2(add, +)
MAP2(sub, -)
MAP2(mul, *)
MAP2(div, /)

/* Single loads: on the processor measured they beat the gather instructions. */
static void FN(gather)(T *out, const T *x, const uint32_t *index, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = x[index[i]];
}

static T FN(sparse_dot)(const T *value, const uint32_t *index, size_t n, const T *x)
{
    T s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    size_t i = 0;
    for (; n - i >= 4; i += 4) {
        s0 = FUSED(value[i], x[index[i]], s0);
        s1 = FUSED(value[i + 1], x[index[i + 1]], s1);
        s2 = FUSED(value[i + 2], x[index[i + 2]], s2);
        s3 = FUSED(value[i + 3], x[index[i + 3]], s3);
    }
    for (; i < n; i++)
        s0 = FUSED(value[i], x[index[i]], s0);
    return (s0 + s1) + (s2 + s3);
}
