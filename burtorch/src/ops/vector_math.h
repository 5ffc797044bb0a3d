// SPDX-License-Identifier: MIT
/* Functions of one number that a BT__SIMD_LOOP turns into vector code: no branches, no tables, no
 * calls. Included by op.h; in T, so in both precisions.
 *
 * Errors are at most, in units in the last place (measured: test_vector_math.c): exp, log, log1p 1,
 * tanh, sigmoid, softplus, erf, normal_pdf, sin and cos (for |x| <= VM_SIN_HIGHEST) 2.5,
 * normal_cdf 4 (5 without fused operations).
 * NaN gives NaN, infinities their limits; nothing overflows, vanishes or cancels early.
 *
 * exp(x) = 2^n (1 + p). The tail of the normal distribution is exp(-x^2 / 2) m(x) with the smooth
 * m(t) = erfcx(t / sqrt(2)) / 2, a polynomial of (t - K) / (t + K) over t + K (the substitution of
 * Schonfelder, "Chebyshev expansions for the error and related functions", 1978). Coefficients:
 * Chebyshev interpolation in 40 digits, and those of kernels_vector.h in common. */
#ifndef BURTORCH_OPS_VECTOR_MATH_H
#define BURTORCH_OPS_VECTOR_MATH_H

/* a b + c, in one rounding where the instruction set has it. */
#ifdef __FMA__
#define VM_FMA(a, b, c) MATH(__builtin_fma)(a, b, c)
#else
#define VM_FMA(a, b, c) ((a) * (b) + (c))
#endif

#if BT__PRECISION == 32
typedef uint32_t vm_bits;
#define VM_MANTISSA     23
#define VM_BIAS         127
#define VM_ROUND        12582912.F // 1.5 2^23: x + VM_ROUND - VM_ROUND is x rounded
#define VM_WHOLE        8388608.F  // 2^23: below, its last bits are a whole number
#define VM_HALF_WORD    0xfffff000u
#define VM_LN2_HIGH     0x1.62e400p-1F // times n is exact
#define VM_LN2_LOW      0x1.7f7d1cp-20F
#define VM_LOG2_E       0x1.715476p+0F
#define VM_EXP_LOWEST   (-104.F) // below, exp rounds to 0
#define VM_EXP_HIGHEST  89.F     // above, it overflows
#define VM_TANH_HIGHEST 10.F     // above, tanh rounds to 1
#define VM_TAIL_HIGHEST 15.F     // above, the tail rounds to 0
#define VM_TAIL_K       3.5F
#define VM_SIN_HIGHEST  6400.F // beyond, vm_sin and vm_cos lose their digits
static const T vm_expm1_coef[] = {0x1.000000p-1F, 0x1.555556p-3F,  0x1.5554aep-5F,
                                  0x1.111090p-7F, 0x1.6d7528p-10F, 0x1.a1a21ap-13F};
static const T vm_log1p_coef[] = {0x1.555554p-1F, 0x1.999a7cp-2F, 0x1.2438a8p-2F, 0x1.e2fdd2p-3F};
static const T vm_tail_coef[] = {
    0x1.7d241ap-1F, -0x1.219150p-1F, 0x1.42feaep-2F,   -0x1.db5a3ap-4F, 0x1.1d40a6p-6F,
    0x1.a9890ep-8F, -0x1.a20c34p-9F, -0x1.065e56p-11F, 0x1.cb1aa2p-12F, 0x1.fd5598p-14F};
static const T vm_sin_coef[] = {-0x1.555552p-3F, 0x1.110c1ep-7F, -0x1.9ac446p-13F};
static const T vm_cos_coef[] = {0x1.555554p-5F, -0x1.6c12cap-10F, 0x1.9bd444p-16F};
static const T vm_half_pi[] = {0x1.920000p+0F, 0x1.fb4000p-12F, 0x1.444000p-24F, 0x1.68c234p-39F};
static const T vm_erf_coef[] = {0x1.06eba6p-3F,  -0x1.8126f8p-2F, 0x1.ce1d9ap-4F,
                                -0x1.b6ba42p-6F, 0x1.48543cp-8F,  -0x1.3ea690p-11F};
#else
typedef uint64_t vm_bits;
#define VM_MANTISSA     52
#define VM_BIAS         1023
#define VM_ROUND        6755399441055744.
#define VM_WHOLE        4503599627370496.
#define VM_HALF_WORD    0xfffffffff8000000u
#define VM_LN2_HIGH     0x1.62e42fefa3800p-1
#define VM_LN2_LOW      0x1.ef35793c76730p-45
#define VM_LOG2_E       0x1.71547652b82fep+0
#define VM_EXP_LOWEST   (-746.)
#define VM_EXP_HIGHEST  710.
#define VM_TANH_HIGHEST 20.
#define VM_TAIL_HIGHEST 39.
#define VM_TAIL_K       5.
#define VM_SIN_HIGHEST  1e6
static const T vm_expm1_coef[] = {
    0x1.0000000000000p-1,  0x1.5555555555559p-3,  0x1.555555555555ap-5,  0x1.111111110f67ep-7,
    0x1.6c16c16c14412p-10, 0x1.a01a01affb1fep-13, 0x1.a01a01b0ca9b9p-16, 0x1.71ddf81679d8cp-19,
    0x1.27e4c5766af82p-22, 0x1.af5f32e4a0235p-26, 0x1.1f95a5a273136p-29};
static const T vm_log1p_coef[] = {0x1.5555555555593p-1, 0x1.999999997fb31p-2, 0x1.2492494217aafp-2,
                                  0x1.c71c51e7f0d49p-3, 0x1.7466462dbae25p-3, 0x1.39a0f4e6d9d35p-3,
                                  0x1.2f0d8f96d083ap-3};
static const T vm_tail_coef[] = {
    0x1.89d3abe1f95aep-1,   -0x1.54ad03f27ca17p-1, 0x1.fb31653876f8fp-2,   -0x1.410ed5f875a7ap-2,
    0x1.51f6329f0187bp-3,   -0x1.1b1c254c9a2e6p-4, 0x1.54b4d4f4b669dp-6,   -0x1.88590eaafa38ap-9,
    -0x1.a25037c87b0ecp-11, 0x1.1daf1d4d75665p-11, -0x1.f21467ad6278dp-15, -0x1.a170d475ef56ep-15,
    0x1.17dd44798bf8cp-16,  0x1.0b2760d8b1777p-18, -0x1.73af4afacfcbap-19, -0x1.697020b9644f5p-22,
    0x1.d114e6bba97a0p-22,  0x1.6b23b1c1c1515p-25, -0x1.1b383be38249ep-24, -0x1.4002f2e969bbcp-27,
    0x1.074d17a738a60p-27,  0x1.e1dfd082669c9p-30, -0x1.5d26340ff95b4p-33};
static const T vm_sin_coef[] = {-0x1.5555555555555p-3,  0x1.1111111110b97p-7,
                                -0x1.a01a019e7d21ap-13, 0x1.71de378e148cap-19,
                                -0x1.ae60023696a43p-26, 0x1.5e07f04f301b6p-33};
static const T vm_cos_coef[] = {0x1.5555555555555p-5,  -0x1.6c16c16c16959p-10,
                                0x1.a01a019f4b6aap-16, -0x1.27e4fa139e45dp-22,
                                0x1.1eeb64821c697p-29, -0x1.907a78f9a8549p-37};
static const T vm_half_pi[] = {0x1.921fb54400000p+0, 0x1.0b4611a600000p-34, 0x1.3198a2e037073p-69,
                               0.};
static const T vm_erf_coef[] = {
    0x1.06eba8214db67p-3,  -0x1.812746b0378edp-2,  0x1.ce2f21a036d88p-4,  -0x1.b82ce30efd181p-6,
    0x1.565bcc838407ap-8,  -0x1.c02d9b27d5771p-11, 0x1.f9a05fe720fa7p-14, -0x1.f49f1a9b843a1p-17,
    0x1.b782fc9f88dcfp-20, -0x1.4d7f72f053ab6p-23, 0x1.5f1dee4e69982p-27};
#endif

BT__INLINE vm_bits vm_bits_of(T x)
{
    vm_bits bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

BT__INLINE T vm_of_bits(vm_bits bits)
{
    T x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* NaN passes through both. */
BT__INLINE T vm_at_most(T x, T highest)
{
    return x > highest ? highest : x;
}

BT__INLINE T vm_at_least(T x, T lowest)
{
    return x < lowest ? lowest : x;
}

/* gcc vectorises around an unrolled loop only where it is asked to, clang where it is not. */
#ifdef __clang__
#define VM_UNROLL
#else
#define VM_UNROLL _Pragma("GCC unroll 32")
#endif
#define VM_POLYNOMIAL(x, coef) vm_polynomial(x, coef, sizeof(coef) / sizeof *(coef))
BT__INLINE T vm_polynomial(T x, const T *coef, size_t n)
{
    T y = coef[n - 1];
    VM_UNROLL
    for (size_t i = n - 1; i > 0; i--)
        y = VM_FMA(y, x, coef[i - 1]);
    return y;
}

/* 2^n for whole n, -VM_BIAS < n <= VM_BIAS. */
BT__INLINE T vm_power_of_2(T n)
{
    return vm_of_bits(vm_bits_of(n + (VM_ROUND + VM_BIAS)) << VM_MANTISSA);
}

/* y 2^n in two steps, for a result that may be denormal or infinite. */
BT__INLINE T vm_scale(T y, T n)
{
    const T half = (n * (T)0.5 + VM_ROUND) - VM_ROUND;
    return y * vm_power_of_2(half) * vm_power_of_2(n - half);
}

/* exp(x + rest) = 2^n (1 + p), |p| < 0.42, n whole; x within the range of exp, rest small. */
BT__INLINE T vm_expm1_reduced(T x, T rest, T *n)
{
    *n = (x * VM_LOG2_E + VM_ROUND) - VM_ROUND;
    const T r = VM_FMA(-*n, VM_LN2_LOW, VM_FMA(-*n, VM_LN2_HIGH, x) + rest);
    return VM_FMA(r * r, VM_POLYNOMIAL(r, vm_expm1_coef), r);
}

BT__INLINE T vm_exp_sum(T x, T rest)
{
    T n;
    const T inside = vm_at_least(vm_at_most(x, VM_EXP_HIGHEST), VM_EXP_LOWEST);
    const T p = vm_expm1_reduced(inside, rest, &n);
    return vm_scale((T)1 + p, n);
}

BT__INLINE T vm_exp(T x)
{
    return vm_exp_sum(x, (T)0);
}

/* log(2^e (1 + f)) + rest, sqrt(1/2) - 1 <= f <= sqrt(2) - 1. The largest terms are added last. */
BT__INLINE T vm_log1p_scaled(T f, T e, T rest)
{
    const T s = f / ((T)2 + f), z = s * s, half_square = (T)0.5 * f * f;
    const T tail = z * VM_POLYNOMIAL(z, vm_log1p_coef);
    const T small = VM_FMA(s, half_square + tail, VM_FMA(e, VM_LN2_LOW, rest));
    return VM_FMA(e, VM_LN2_HIGH, f - (half_square - small));
}

/* x = 2^e (1 + f), for 0 < x < inf. */
BT__INLINE T vm_split(T x, T *e)
{
    const bool tiny = x < (T)(BT__PRECISION == 32 ? FLT_MIN : DBL_MIN);
    const vm_bits bits = vm_bits_of(tiny ? x * VM_WHOLE : x);
    const vm_bits one = (vm_bits)VM_BIAS << VM_MANTISSA;
    const vm_bits below = ((vm_bits)1 << VM_MANTISSA) - 1;
    const T power = vm_of_bits((bits >> VM_MANTISSA) | vm_bits_of(VM_WHOLE)) - VM_WHOLE;
    const T m = vm_of_bits((bits & below) | one);
    const bool upper = m > (T)1.41421356237309505;
    *e = power - (T)(tiny ? VM_BIAS + VM_MANTISSA : VM_BIAS) + (upper ? (T)1 : (T)0);
    return (upper ? m * (T)0.5 : m) - (T)1;
}

/* What y = log(x) is at and below 0, at inf and NaN. */
BT__INLINE T vm_log_limits(T y, T x)
{
    y = x < (T)INFINITY ? y : x;
    y = x < (T)0 ? (T)NAN : y;
    return x == (T)0 ? -(T)INFINITY : y;
}

BT__INLINE T vm_log(T x)
{
    T e;
    const T f = vm_split(x, &e);
    return vm_log_limits(vm_log1p_scaled(f, e, (T)0), x);
}

/* With u = 1 + x rounded: log(u) + (1 + x - u) / u. */
BT__INLINE T vm_log1p(T x)
{
    T e;
    const T u = (T)1 + x, d = u - (T)1;
    const T lost = ((T)1 - (u - d)) + (x - d);
    const T f = vm_split(u, &e);
    const T y = vm_log_limits(vm_log1p_scaled(f, e, lost / u), u);
    return u == (T)1 ? x : y;
}

/* tanh |x| = y / (y + 2) with y = exp(2 |x|) - 1 = 2^n p + (2^n - 1), exact where it matters: n = 0
 * for small x. */
BT__INLINE T vm_tanh(T x)
{
    T n;
    const T twice = vm_at_most((T)2 * MATH(fabs)(x), 2 * VM_TANH_HIGHEST);
    const T p = vm_expm1_reduced(twice, (T)0, &n), scale = vm_power_of_2(n);
    const T y = VM_FMA(scale, p, scale - (T)1);
    return MATH(copysign)(y / (y + (T)2), x);
}

/* With e = exp(-|x|): 1 / (1 + e), or e / (1 + e) for negative x. */
BT__INLINE T vm_sigmoid(T x)
{
    const T e = vm_exp(-MATH(fabs)(x));
    return (x < (T)0 ? e : (T)1) / ((T)1 + e);
}

/* max(x, 0) + log(1 + e), e = exp(-|x|); 1 + e = 2 (1 + f) where it exceeds sqrt(2). */
BT__INLINE T vm_softplus(T x)
{
    const T e = vm_exp(-MATH(fabs)(x));
    const bool upper = e > (T)0.41421356237309505;
    const T f = upper ? (e - (T)1) * (T)0.5 : e;
    return vm_log1p_scaled(f, upper ? (T)1 : (T)0, (T)0) + (x > (T)0 ? x : (T)0);
}

/* erfcx(t / sqrt(2)) / 2 for 0 <= t <= VM_TAIL_HIGHEST. An error of 1 / (t + K) counts several
 * times, so its last bits are put back (or kept out of the substitution). */
BT__INLINE T vm_mills(T t)
{
    const T sum = t + VM_TAIL_K, r = (T)1 / sum;
#ifdef __FMA__
    const T low = r * VM_FMA(-r, t - (sum - VM_TAIL_K), VM_FMA(-r, sum, (T)1));
    const T q = VM_FMA(-2 * VM_TAIL_K, r, (T)1) - 2 * VM_TAIL_K * low;
    const T y = VM_POLYNOMIAL(q, vm_tail_coef);
    return VM_FMA(r, y, low * y);
#else
    return r * VM_POLYNOMIAL((t - VM_TAIL_K) / sum, vm_tail_coef);
#endif
}

/* exp(-t^2 / 2), 0 <= t <= VM_TAIL_HIGHEST, with what t t loses by rounding put back. */
BT__INLINE T vm_gaussian(T t)
{
#ifdef __FMA__
    const T square = t * t, lost = VM_FMA(t, t, -square);
#else
    const T high = vm_of_bits(vm_bits_of(t) & VM_HALF_WORD);
    const T most = high * high, rest = (t - high) * (t + high);
    const T square = most + rest, lost = (most - square) + rest;
#endif
    return vm_exp_sum((T)-0.5 * square, (T)-0.5 * lost);
}

/* erf(x) for |x| <= 0.9, z = x x. */
BT__INLINE T vm_erf_small(T x, T z)
{
    return VM_FMA(x, VM_POLYNOMIAL(z, vm_erf_coef), x);
}

/* Distribution and density of the standard normal deviate: 1/2 + erf(x / sqrt(2)) / 2 in the
 * middle, where the tail alone loses a few bits. */
BT__INLINE T vm_normal(T x, T *pdf)
{
    const T t = vm_at_most(MATH(fabs)(x), VM_TAIL_HIGHEST), g = vm_gaussian(t);
    const T tail = g * vm_mills(t), half = (T)0.5;
    const T middle = VM_FMA(half, vm_erf_small(x * (T)0.70710678118654752440, half * x * x), half);
    *pdf = (T)0.39894228040143267794 * g;
    return t < (T)0.67 ? middle : x > (T)0 ? (T)1 - tail : tail;
}

BT__INLINE T vm_normal_cdf(T x)
{
    T pdf;
    return vm_normal(x, &pdf);
}

BT__INLINE T vm_normal_pdf(T x)
{
    return (T)0.39894228040143267794 * vm_gaussian(vm_at_most(MATH(fabs)(x), VM_TAIL_HIGHEST));
}

BT__INLINE T vm_erf(T x)
{
    const T a = MATH(fabs)(x);
    const T t = vm_at_most(a * (T)1.41421356237309505, VM_TAIL_HIGHEST);
    const T large = (T)1 - (T)2 * (vm_exp((T)-0.5 * t * t) * vm_mills(t));
    return a < (T)0.9 ? vm_erf_small(x, x * x) : MATH(copysign)(large, x);
}

/* sin(x + quarter pi / 2), |x| <= VM_SIN_HIGHEST: x - n pi / 2 by parts, whose products with n are
 * exact. */
BT__INLINE T vm_sin_quarters(T x, vm_bits quarter)
{
    const T whole = x * (T)0.63661977236758134308 + VM_ROUND, n = whole - VM_ROUND;
    const vm_bits q = vm_bits_of(whole) + quarter;
    const T a = VM_FMA(-n, vm_half_pi[1], VM_FMA(-n, vm_half_pi[0], x));
    const T r = VM_FMA(-n, vm_half_pi[3], VM_FMA(-n, vm_half_pi[2], a)), z = r * r;
    const T sine = VM_FMA(r * z, VM_POLYNOMIAL(z, vm_sin_coef), r);
    const T cosine = (T)1 - VM_FMA(-z * z, VM_POLYNOMIAL(z, vm_cos_coef), (T)0.5 * z);
    const T y = q & 1 ? cosine : sine;
    return q & 2 ? -y : y;
}

BT__INLINE T vm_sin(T x)
{
    return vm_sin_quarters(x, 0);
}

BT__INLINE T vm_cos(T x)
{
    return vm_sin_quarters(x, 1);
}

#endif
