// SPDX-License-Identifier: MIT
/* Philox 4x32-10 and what is drawn from it. Everything up to uniform numbers is integer arithmetic
 * and exact. Normal and gamma deviates use their own logarithm, exponential and sine, from
 * operations IEEE 754 rounds correctly: libm's differ in the last bit between versions and
 * processors, and with them would whole training runs. */
#include <ctrain/rng.h>

#include <assert.h>
#include <math.h>
#include <string.h>

__extension__ typedef unsigned __int128 u128;

/* ---- the generator ---- */

static void multiply(uint32_t *high, uint32_t *low, uint32_t a, uint32_t b)
{
    uint64_t product = (uint64_t)a * b;
    *high = (uint32_t)(product >> 32);
    *low = (uint32_t)product;
}

void ct_philox4x32_10(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint32_t high0, low0, high1, low1;
        multiply(&high0, &low0, 0xD2511F53u, c0);
        multiply(&high1, &low1, 0xCD9E8D57u, c2);
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u; // golden ratio
        k1 += 0xBB67AE85u; // sqrt(3) - 1
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void ct_rng_init(ct_rng *rng, uint64_t seed, ct_rng_role role, uint32_t client, uint32_t round)
{
    *rng = (ct_rng){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, (uint32_t)role << 16, client, round},
    };
}

static void next_block(ct_rng *rng)
{
    ct_philox4x32_10(rng->block, rng->counter, rng->key);
    rng->left = 4;
    if (++rng->counter[0] == 0) { // carry into the upper 16 bits of the number, not into the role
        uint32_t high = (rng->counter[1] + 1) & 0xffffu;
        rng->counter[1] = (rng->counter[1] & 0xffff0000u) | high;
    }
}

uint32_t ct_rng_u32(ct_rng *rng)
{
    if (rng->left == 0)
        next_block(rng);
    return rng->block[4 - rng->left--];
}

uint64_t ct_rng_u64(ct_rng *rng)
{
    uint64_t low = ct_rng_u32(rng);
    return low | (uint64_t)ct_rng_u32(rng) << 32;
}

/* ---- integers and subsets ---- */

/* Lemire, "Fast random integer generation in an interval", 2019: the upper half of x n is uniform
 * once those x are rejected whose lower half is below 2^w mod n. */
static uint32_t below_32(ct_rng *rng, uint64_t n)
{
    uint64_t product = ct_rng_u32(rng) * n;
    if ((uint32_t)product < n) {
        uint64_t threshold = ((uint64_t)1 << 32) % n;
        while ((uint32_t)product < threshold)
            product = ct_rng_u32(rng) * n;
    }
    return (uint32_t)(product >> 32);
}

static uint64_t below_64(ct_rng *rng, uint64_t n)
{
    u128 product = (u128)ct_rng_u64(rng) * n;
    if ((uint64_t)product < n) {
        uint64_t threshold = -n % n; // 2^64 mod n
        while ((uint64_t)product < threshold)
            product = (u128)ct_rng_u64(rng) * n;
    }
    return (uint64_t)(product >> 64);
}

uint64_t ct_rng_below(ct_rng *rng, uint64_t n)
{
    assert(n > 0);
    return n <= (uint64_t)1 << 32 ? below_32(rng, n) : below_64(rng, n);
}

void ct_rng_shuffle_u32(ct_rng *rng, uint32_t *indices, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)ct_rng_below(rng, i);
        uint32_t last = indices[i - 1];
        indices[i - 1] = indices[j];
        indices[j] = last;
    }
}

static void insertion_sort(uint64_t *a, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint64_t v = a[i];
        size_t j = i;
        for (; j > 0 && a[j - 1] > v; j--)
            a[j] = a[j - 1];
        a[j] = v;
    }
}

/* Quicksort with Hoare's partition. The values are random or already sorted, so the middle one is
 * a good pivot; libc's qsort would allocate. */
static void sort(uint64_t *a, size_t n)
{
    while (n > 24) {
        uint64_t pivot = a[n / 2];
        size_t i = 0, j = n - 1;
        for (;; i++, j--) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i >= j)
                break;
            uint64_t v = a[i];
            a[i] = a[j];
            a[j] = v;
        }
        // a[0..i) <= pivot <= a[i..n): recurse into the smaller part, go on with the larger
        if (i < n - i) {
            sort(a, i);
            a += i;
            n -= i;
        } else {
            sort(a + i, n - i);
            n = i;
        }
    }
    insertion_sort(a, n);
}

/* Knuth's Algorithm S: t is taken with probability (still wanted) / (still to come). Time O(n). */
static void choose_dense(ct_rng *rng, uint64_t *out, size_t k, uint64_t n)
{
    size_t taken = 0;
    for (uint64_t t = 0; taken < k; t++)
        if (ct_rng_below(rng, n - t) < k - taken)
            out[taken++] = t;
}

/* Draw until k different numbers have come, dropping repetitions: by symmetry every subset is
 * equally likely. Each pass draws just as many as are missing and so never one too many. */
static void choose_sparse(ct_rng *rng, uint64_t *out, size_t k, uint64_t n)
{
    for (size_t have = 0; have < k;) {
        for (size_t i = have; i < k; i++)
            out[i] = ct_rng_below(rng, n);
        sort(out, k);
        have = 1;
        for (size_t i = 1; i < k; i++)
            if (out[i] != out[have - 1])
                out[have++] = out[i];
    }
}

void ct_rng_choose_u64(ct_rng *rng, uint64_t *out, size_t k, uint64_t n)
{
    assert(k <= n);
    if (n / 8 <= k) // drawing n numbers costs less than sorting k
        choose_dense(rng, out, k, n);
    else
        choose_sparse(rng, out, k, n);
}

/* ---- real numbers ---- */

double ct_rng_uniform(ct_rng *rng)
{
    return (double)(ct_rng_u64(rng) >> 11) * 0x1p-53;
}

void ct_rng_fill_uniform_f64(ct_rng *rng, double *out, size_t n, double low, double high)
{
    for (size_t i = 0; i < n; i++)
        out[i] = low + (high - low) * ct_rng_uniform(rng);
}

// log(u) for normal u > 0: u = 2^e m with m about 1, and log m = 2 artanh((m - 1) / (m + 1)).
static double portable_log(double u)
{
    static const double ln2 = 0x1.62e42fefa39efp-1;
    static const double c[] = {1.0 / 23, 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13,
                               1.0 / 11, 1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3,  1.0};
    int e;
    double m = frexp(u, &e);
    if (m < 0x1.6a09e667f3bcdp-1) { // sqrt(1/2)
        m *= 2;
        e--;
    }
    double f = (m - 1) / (m + 1); // |f| <= 0.172: twelve terms leave less than 2^-60
    double sum = 0;
    for (size_t i = 0; i < sizeof c / sizeof *c; i++)
        sum = sum * (f * f) + c[i];
    return e * ln2 + 2 * f * sum;
}

// cos and sin of 2 pi u, 0 <= u <= 1: Taylor on [-pi/4, pi/4], then the quadrant.
static void portable_cos_sin(double *cosine, double *sine, double u)
{
    static const double two_pi = 0x1.921fb54442d18p+2;
    static const double of_sine[] = {1.0 / 355687428096000,
                                     -1.0 / 1307674368000,
                                     1.0 / 6227020800,
                                     -1.0 / 39916800,
                                     1.0 / 362880,
                                     -1.0 / 5040,
                                     1.0 / 120,
                                     -1.0 / 6,
                                     1.0}; // 1/17! ... 1/1!
    static const double of_cosine[] = {1.0 / 20922789888000,
                                       -1.0 / 87178291200,
                                       1.0 / 479001600,
                                       -1.0 / 3628800,
                                       1.0 / 40320,
                                       -1.0 / 720,
                                       1.0 / 24,
                                       -1.0 / 2,
                                       1.0}; // 1/16! ... 1/0!
    int quadrant = (int)(4 * u + 0.5);
    double x = two_pi * (u - 0.25 * quadrant);
    double s = 0, c = 0;
    for (size_t i = 0; i < sizeof of_sine / sizeof *of_sine; i++) {
        s = s * (x * x) + of_sine[i];
        c = c * (x * x) + of_cosine[i];
    }
    s *= x;
    double turned_c[] = {c, -s, -c, s};
    double turned_s[] = {s, c, -s, -c};
    *cosine = turned_c[quadrant & 3];
    *sine = turned_s[quadrant & 3];
}

// exp(x) for x <= 0: x = k ln 2 + r with |r| <= ln(2) / 2, and the series of exp(r).
static double portable_exp(double x)
{
    static const double ln2 = 0x1.62e42fefa39efp-1;
    if (x < -745) // below the smallest double
        return 0;
    int k = (int)(x / ln2 - 0.5);
    double r = x - k * ln2, sum = 1;
    for (int i = 16; i > 0; i--)
        sum = 1 + sum * r / i;
    return ldexp(sum, k);
}

// Uniform on (0, 1], whose logarithm is finite.
static double uniform_above_0(ct_rng *rng)
{
    return (double)((ct_rng_u64(rng) >> 11) + 1) * 0x1p-53;
}

// Box-Muller: two independent deviates from one block.
static void normal_pair(ct_rng *rng, double *first, double *second)
{
    double u = uniform_above_0(rng);
    double radius = sqrt(-2 * portable_log(u));
    double cosine, sine;
    portable_cos_sin(&cosine, &sine, ct_rng_uniform(rng));
    *first = radius * cosine;
    *second = radius * sine;
}

double ct_rng_normal(ct_rng *rng)
{
    double first, second;
    normal_pair(rng, &first, &second);
    return first;
}

void ct_rng_fill_normal_f64(ct_rng *rng, double *out, size_t n, double mean, double deviation)
{
    for (size_t i = 0; i < n; i += 2) {
        double first, second;
        normal_pair(rng, &first, &second);
        out[i] = mean + deviation * first;
        if (i + 1 < n)
            out[i + 1] = mean + deviation * second;
    }
}

/* The logarithm of a gamma deviate of a shape >= 1: Marsaglia, Tsang, "A simple method for
 * generating gamma variables", ACM TOMS 2000. */
static double log_gamma_deviate(ct_rng *rng, double shape)
{
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = ct_rng_normal(rng), t = 1 + c * x, v = t * t * t;
        if (t <= 0)
            continue;
        double log_v = portable_log(v);
        if (portable_log(uniform_above_0(rng)) < x * x / 2 + d * (1 - v + log_v))
            return portable_log(d) + log_v;
    }
}

/* Gamma deviates divided by their sum. A deviate of shape a < 1 is one of a + 1 times u^(1/a),
 * which for small a is below all doubles: hence the logarithms, and the largest of them is taken
 * off before. */
void ct_rng_fill_dirichlet_f64(ct_rng *rng, double *out, size_t n, double concentration)
{
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) {
        out[i] = log_gamma_deviate(rng, concentration + 1) +
                 portable_log(uniform_above_0(rng)) / concentration;
        largest = out[i] > largest ? out[i] : largest;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = portable_exp(out[i] - largest);
        sum += out[i];
    }
    for (size_t i = 0; i < n; i++)
        out[i] /= sum;
}
