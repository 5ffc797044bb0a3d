// SPDX-License-Identifier: MIT
/* Each row of x to mean 0 and variance 1, then times gamma, plus beta.
 *
 * The mean m of a row is rounded; the mean c of x - m (exact, for x near m) corrects it, and the
 * variance is mean (x - m)^2 - c^2, where c is tiny: the corrected two-pass algorithm (Chan, Golub,
 * LeVeque 1983). Forward leaves m, c and 1 / deviation of every row. */
#include "rows.h"

typedef struct row_stats {
    T mean, correction, inverse;
} row_stats;

BT__INLINE row_stats stats_of(const T *x, size_t n, T epsilon)
{
    T sum, squares;
    const T scale = (T)1 / (T)n, m = row_sum(x, n) * scale;
#define TERMS(V, a, b, i)                                                                          \
    const V d = AT(V, x, i) - m;                                                                   \
    (a) += d;                                                                                      \
    (b) += d * d;
    SUMS_OF_ROW(n, sum, squares, TERMS);
#undef TERMS
    const T c = sum * scale, variance = squares * scale - c * c;
    const row_stats s = {m, c, (T)1 / MATH(sqrt)(variance + epsilon)};
    return s;
}

/* x without its mean. */
#define CENTRED(V, i) ((AT(V, x, i) - s.mean) - s.correction)

static ct_status layer_norm_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const size_t n = call->in[1]->size, rows = call->out->size / n;
    const T epsilon = (T)call->out->attributes.real[0];
    const T *x = VALUE(call->in[0]), *gamma = VALUE(call->in[1]), *beta = VALUE(call->in[2]);
    T *y = VALUE(call->out);
    row_stats *stats = call->out->saved;
    for (size_t r = 0; r < rows; r++, x += n, y += n) {
        const row_stats s = stats_of(x, n, epsilon);
        stats[r] = s;
#define STEP(V, i) TO(V, y, i) = CENTRED(V, i) * s.inverse * AT(V, gamma, i) + AT(V, beta, i);
        EACH_OF_ROW(n, STEP);
#undef STEP
    }
    return CT_OK;
}

/* With h the normalised row and g = gamma dy: dx = (g - mean g - h mean(g h)) / deviation. */
BT__INLINE void row_backward(T *restrict dx, const T *restrict x, const T *restrict gamma,
                             const T *restrict dy, size_t n, row_stats s, bool set)
{
    T sum, dot;
#define TERMS(V, a, b, i)                                                                          \
    const V g = AT(V, dy, i) * AT(V, gamma, i);                                                    \
    (a) += g;                                                                                      \
    (b) += g * CENTRED(V, i);
    SUMS_OF_ROW(n, sum, dot, TERMS);
#undef TERMS
    const T scale = s.inverse / (T)n, u = sum * scale, v = dot * scale * s.inverse * s.inverse;
#define RESULT(V, i) (AT(V, dy, i) * AT(V, gamma, i) * s.inverse - u - CENTRED(V, i) * v)
#define SET(V, i)    TO(V, dx, i) = RESULT(V, i);
#define ADD(V, i)    TO(V, dx, i) += RESULT(V, i);
    if (set)
        EACH_OF_ROW(n, SET);
    else
        EACH_OF_ROW(n, ADD);
#undef RESULT
#undef SET
#undef ADD
}

static void gamma_backward(const bt__call *call, T *restrict dgamma, const T *restrict x,
                           const T *restrict dy, size_t n, size_t rows)
{
    const row_stats *stats = call->out->saved;
    if (BT__OVERWRITES(call, 1))
        memset(dgamma, 0, n * sizeof(T));
    for (size_t r = 0; r < rows; r++, x += n, dy += n) {
        const row_stats s = stats[r];
#define STEP(V, i) TO(V, dgamma, i) += AT(V, dy, i) * (CENTRED(V, i) * s.inverse);
        EACH_OF_ROW(n, STEP);
#undef STEP
    }
}

static void beta_backward(const bt__call *call, T *restrict dbeta, const T *restrict dy, size_t n,
                          size_t rows)
{
    if (BT__OVERWRITES(call, 2))
        memset(dbeta, 0, n * sizeof(T));
    for (size_t r = 0; r < rows; r++, dy += n) {
#define STEP(V, i) TO(V, dbeta, i) += AT(V, dy, i);
        EACH_OF_ROW(n, STEP);
#undef STEP
    }
}

static void layer_norm_backward(const bt__call *call)
{
    const size_t n = call->in[1]->size, rows = call->out->size / n;
    const T *x = VALUE(call->in[0]), *dy = GRADIENT(call->out);
    const row_stats *stats = call->out->saved;
    for (size_t r = 0; BT__WANTS(call, 0) && r < rows; r++)
        row_backward(GRADIENT(call->in[0]) + r * n, x + r * n, VALUE(call->in[1]), dy + r * n, n,
                     stats[r], BT__OVERWRITES(call, 0));
    if (BT__WANTS(call, 1))
        gamma_backward(call, GRADIENT(call->in[1]), x, dy, n, rows);
    if (BT__WANTS(call, 2))
        beta_backward(call, GRADIENT(call->in[2]), dy, n, rows);
}

const bt__op_code BT__CODE(layer_norm) = {layer_norm_forward, layer_norm_backward};
