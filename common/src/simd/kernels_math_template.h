// SPDX-License-Identifier: MIT
/* exp, log, tanh, sigmoid and softplus of one precision, branchless. Two cores: exp(x) = 2^n
 * (1 + p) with p = exp(r) - 1, and log(1 + f) = f - f^2 / 2 + …; the others are built of them so
 * that nothing cancels and nothing overflows that should not. Bounds on the error are in kernels.h.
 */

#define SET1(x)           FN(vset1)(x)
#define SELECT(yes, a, b) FN(vselect)(yes, a, b)
#define COUNT(array)      (sizeof(array) / sizeof *(array))

INLINE VEC FN(polynomial)(VEC x, const T *coef, size_t count)
{
    VEC y = SET1(coef[count - 1]);
#pragma GCC unroll 16
    for (size_t i = count - 1; i > 0; i--)
        y = FMA(y, x, SET1(coef[i - 1]));
    return y;
}

/* exp(x) = 2^n (1 + p), |p| < 0.42, n whole; x within the range of exp. */
INLINE VEC FN(expm1_reduced)(VEC x, VEC *n)
{
    *n = FN(vround)(x * SET1(LOG2_E));
    VEC r = FN(vfnma)(*n, SET1(LN2_LOW), FN(vfnma)(*n, SET1(LN2_HIGH), x));
    VEC q = FN(polynomial)(r, FN(expm1_coef), COUNT(FN(expm1_coef)));
    return FMA(r * r, q, r);
}

INLINE VEC FN(exp_of)(VEC x)
{
    VEC n;
    x = FN(vmax)(SET1(EXP_LOWEST), FN(vmin)(SET1(EXP_HIGHEST), x)); // NaN passes
    VEC p = FN(expm1_reduced)(x, &n);
    return FN(vscale2)(SET1(1) + p, n);
}

/* log(2^e (1 + f)), sqrt(1/2) - 1 <= f <= sqrt(2) - 1. The largest terms are added last. */
INLINE VEC FN(log1p_scaled)(VEC f, VEC e)
{
    VEC s = f / (SET1(2) + f);
    VEC z = s * s;
    VEC half_square = SET1((T)0.5) * f * f;
    VEC tail = z * FN(polynomial)(z, FN(log1p_coef), COUNT(FN(log1p_coef)));
    VEC small = FMA(s, half_square + tail, e * SET1(LN2_LOW));
    return FMA(e, SET1(LN2_HIGH), f - (half_square - small));
}

INLINE VEC FN(log_of)(VEC x)
{
    VEC e;
    VEC m = FN(vsplit)(x, &e);
    MASK upper = FN(vless)(SET1((T)1.41421356237309505), m);
    m = SELECT(upper, m * SET1((T)0.5), m);
    e = SELECT(upper, e + SET1(1), e);
    VEC y = FN(log1p_scaled)(m - SET1(1), e);
    y = SELECT(FN(vless)(x, SET1(INFINITY)), y, x); // inf and NaN are their own logarithms
    y = SELECT(FN(vless)(x, ZERO), SET1(NAN), y);
    return SELECT(FN(vequal)(x, ZERO), SET1(-(T)INFINITY), y);
}

/* tanh |x| = y / (y + 2) with y = exp(2 |x|) - 1 = 2^n p + (2^n - 1), exact where it matters: n = 0
 * for small x. */
INLINE VEC FN(tanh_of)(VEC x)
{
    VEC n;
    VEC twice = FN(vmin)(SET1(2 * TANH_HIGHEST), SET1(2) * FN(vabs)(x));
    VEC p = FN(expm1_reduced)(twice, &n);
    VEC scale = FN(vscale2)(SET1(1), n);
    VEC y = FMA(scale, p, scale - SET1(1));
    return FN(vcopysign)(y / (y + SET1(2)), x);
}

/* With e = exp(-|x|): 1 / (1 + e), or e / (1 + e) for negative x. */
INLINE VEC FN(sigmoid_of)(VEC x)
{
    VEC e = FN(exp_of)(ZERO - FN(vabs)(x));
    return SELECT(FN(vless)(x, ZERO), e, SET1(1)) / (SET1(1) + e);
}

/* max(x, 0) + log(1 + e), e = exp(-|x|); 1 + e = 2 (1 + f) where it exceeds sqrt(2). */
INLINE VEC FN(softplus_of)(VEC x)
{
    VEC e = FN(exp_of)(ZERO - FN(vabs)(x));
    MASK upper = FN(vless)(SET1((T)0.41421356237309505), e);
    VEC f = SELECT(upper, (e - SET1(1)) * SET1((T)0.5), e);
    VEC y = FN(log1p_scaled)(f, SELECT(upper, SET1(1), ZERO));
    return y + FN(vmax)(x, ZERO);
}

MAP1(exp, FN(exp_of))
MAP1(log, FN(log_of))
MAP1(tanh, FN(tanh_of))
MAP1(sigmoid, FN(sigmoid_of))
MAP1(softplus, FN(softplus_of))

#undef SET1
#undef SELECT
#undef COUNT
