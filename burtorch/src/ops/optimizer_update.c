// SPDX-License-Identifier: MIT
/* One pass of an optimizer over a parameter, its gradient and its moments. Not an operation of the
 * table: optimizer.c calls it.
 *
 * There is no product that is fused with a sum (-ffp-contract=off) and no reordered sum, so an
 * element gets the same bits in a vector, in the rest behind the vectors, and on every instruction
 * set. */
#include "op.h"

#include "../optimizer_private.h"

bt__optimizer_update_fn BT__NAME(optimizer_update);
bt__update_product_fn BT__NAME(update_product);
bt__square_sum_fn BT__NAME(square_sum);

static void update_plain(const bt__optimizer_rule *rule, T *restrict p, const T *restrict g,
                         size_t n)
{
    const T scale = (T)rule->scale, decay = (T)rule->decay, rate = (T)rule->rate;
    BT__SIMD_LOOP
    for (size_t i = 0; i < n; i++)
        p[i] -= rate * (scale * g[i] + decay * p[i]);
}

static void update_momentum(const bt__optimizer_rule *rule, T *restrict p, T *restrict m,
                            const T *restrict g, size_t n)
{
    const T scale = (T)rule->scale, decay = (T)rule->decay, rate = (T)rule->rate;
    const T momentum = (T)rule->momentum, ahead = rule->nesterov ? momentum : (T)1;
    const T fresh = rule->nesterov ? (T)1 : (T)0;
    BT__SIMD_LOOP
    for (size_t i = 0; i < n; i++) {
        const T d = scale * g[i] + decay * p[i];
        m[i] = momentum * m[i] + d;
        p[i] -= rate * (fresh * d + ahead * m[i]);
    }
}

static void update_adam(const bt__optimizer_rule *rule, T *restrict p, T *restrict m, T *restrict v,
                        const T *restrict g, size_t n)
{
    const bool decoupled = rule->kind == BT_ADAMW;
    const T scale = (T)rule->scale, rate = (T)rule->rate, root = (T)rule->root;
    const T keep = decoupled ? (T)rule->decay : (T)1, decay = decoupled ? (T)0 : (T)rule->decay;
    const T b1 = (T)rule->beta1, b2 = (T)rule->beta2, epsilon = (T)rule->epsilon;
    const T c1 = (T)(1.0 - rule->beta1), c2 = (T)(1.0 - rule->beta2);
    BT__SIMD_LOOP
    for (size_t i = 0; i < n; i++) {
        const T d = scale * g[i] + decay * p[i];
        m[i] = b1 * m[i] + c1 * d;
        v[i] = b2 * v[i] + c2 * d * d;
        p[i] = keep * p[i] - rate * (m[i] / (MATH(sqrt)(v[i]) / root + epsilon));
    }
}

void BT__NAME(optimizer_update)(const bt__optimizer_rule *rule, void *value, void *m, void *v,
                                const void *gradient, size_t n)
{
    if (rule->kind != BT_SGD)
        update_adam(rule, value, m, v, gradient, n);
    else if (m)
        update_momentum(rule, value, m, gradient, n);
    else
        update_plain(rule, value, gradient, n);
}

/* Rows w of the weight, which are read and written once: dx += sum of dz_j w_j, then the step. */
BT__INLINE void update_rows(const bt__optimizer_rule *rule, T *restrict w, const size_t rows,
                            size_t k, const T *dz, const T *restrict x, T *restrict dx)
{
    const T scale = (T)rule->scale, decay = (T)rule->decay, rate = (T)rule->rate;
    const T d0 = dz[0], d1 = rows > 1 ? dz[1] : 0, d2 = rows > 2 ? dz[2] : 0;
    const T d3 = rows > 3 ? dz[3] : 0;
    T *restrict w1 = w + (rows > 1 ? k : 0), *restrict w2 = w + (rows > 2 ? 2 * k : 0);
    T *restrict w3 = w + (rows > 3 ? 3 * k : 0);
#define ROW(j, wj, dj)                                                                             \
    if (rows > j) {                                                                                \
        sum += dj * wj[i];                                                                         \
        wj[i] -= rate * (scale * (dj * x[i]) + decay * wj[i]);                                     \
    }
    BT__SIMD_LOOP
    for (size_t i = 0; i < k; i++) {
        T sum = dx[i];
        ROW(0, w, d0)
        ROW(1, w1, d1)
        ROW(2, w2, d2)
        ROW(3, w3, d3)
        dx[i] = sum;
    }
#undef ROW
}

/* One row where nobody asks for dx. */
static void update_row(const bt__optimizer_rule *rule, T *restrict w, size_t k, T d,
                       const T *restrict x)
{
    const T scale = (T)rule->scale, decay = (T)rule->decay, rate = (T)rule->rate;
    BT__SIMD_LOOP
    for (size_t i = 0; i < k; i++)
        w[i] -= rate * (scale * (d * x[i]) + decay * w[i]);
}

void BT__NAME(update_product)(const bt__optimizer_rule *rule, void *value, size_t rows, size_t k,
                              const void *dz, const void *x, void *dx, bool add)
{
    T *w = value;
    const T *d = dz;
    size_t j = 0;
    if (dx && !add)
        memset(dx, 0, k * sizeof(T));
    for (; dx && j + 4 <= rows; j += 4)
        update_rows(rule, w + j * k, 4, k, d + j, x, dx);
    for (; dx && j < rows; j++)
        update_rows(rule, w + j * k, 1, k, d + j, x, dx);
    for (; j < rows; j++)
        update_row(rule, w + j * k, k, d[j], x);
}

/* Eight sums side by side, then added from the first to the last: an order of its own, which
 * vectors can keep. */
double BT__NAME(square_sum)(const void *gradient, size_t n)
{
    enum { LANES = 8 };
    const T *g = gradient;
    double lane[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        BT__SIMD_LOOP
        for (size_t k = 0; k < LANES; k++)
            lane[k] += (double)g[i + k] * (double)g[i + k];
    }
    for (size_t k = 0; i + k < n; k++)
        lane[k] += (double)g[i + k] * (double)g[i + k];
    for (size_t k = 0; k < LANES; k++)
        sum += lane[k];
    return sum;
}
