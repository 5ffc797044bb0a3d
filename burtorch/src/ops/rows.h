// SPDX-License-Identifier: MIT
/* Loops along short rows. A compiler's vector loop over 24 or 65 elements spends its time on the
 * rest that fills no vector, and on the sum across a vector; here a row is taken in pieces of 64,
 * 32 and 16 bytes and single elements, and sums and maxima are halved until one number is left.
 * exp runs over blocks of rows, as a call of the kernel costs more than one short row. */
#ifndef BURTORCH_OPS_ROWS_H
#define BURTORCH_OPS_ROWS_H

#include "op.h"

#include "../tensor_rows.h"

typedef T wide __attribute__((vector_size(64), aligned(sizeof(T)), may_alias));
typedef T half __attribute__((vector_size(32), aligned(sizeof(T)), may_alias));
typedef T quarter __attribute__((vector_size(16), aligned(sizeof(T)), may_alias));
enum { WIDE = 64 / sizeof(T), HALF = WIDE / 2, QUARTER = WIDE / 4 };

/* V elements of x from i on, V being wide, half, quarter or T. */
#define AT(V, x, i) (*(const V *)((x) + (i)))
#define TO(V, x, i) (*(V *)((x) + (i)))
#define LOW(V, x)   (((const V *)&(x))[0])
#define HIGH(V, x)  (((const V *)&(x))[1])
#if BT__PRECISION == 32
#define LAST_SUM_(q) ((q[0] + q[2]) + (q[1] + q[3]))
#else
#define LAST_SUM_(q) (q[0] + q[1])
#endif

/* STEP(V, i) for the pieces of a row of n. The last loop's bound lets it be unrolled. */
#define EACH_OF_ROW(n, STEP)                                                                       \
    do {                                                                                           \
        size_t at_ = 0;                                                                            \
        for (; at_ + WIDE <= (n); at_ += WIDE) {                                                   \
            STEP(wide, at_)                                                                        \
        }                                                                                          \
        if ((n)-at_ >= HALF) {                                                                     \
            STEP(half, at_)                                                                        \
            at_ += HALF;                                                                           \
        }                                                                                          \
        if ((n)-at_ >= QUARTER) {                                                                  \
            STEP(quarter, at_)                                                                     \
            at_ += QUARTER;                                                                        \
        }                                                                                          \
        for (size_t left_ = QUARTER - 1; left_ > 0 && at_ < (n); left_--, at_++) {                 \
            STEP(T, at_)                                                                           \
        }                                                                                          \
    } while (0)

/* a and b = two sums along a row of n, to which TERMS(V, a, b, i) adds those of a piece. */
#define SUMS_OF_ROW(n, a, b, TERMS)                                                                \
    do {                                                                                           \
        size_t at_ = 0;                                                                            \
        wide wa_ = {0}, wb_ = {0};                                                                 \
        for (; at_ + WIDE <= (n); at_ += WIDE) {                                                   \
            TERMS(wide, wa_, wb_, at_)                                                             \
        }                                                                                          \
        half ha_ = LOW(half, wa_) + HIGH(half, wa_), hb_ = LOW(half, wb_) + HIGH(half, wb_);       \
        if ((n)-at_ >= HALF) {                                                                     \
            TERMS(half, ha_, hb_, at_)                                                             \
            at_ += HALF;                                                                           \
        }                                                                                          \
        quarter qa_ = LOW(quarter, ha_) + HIGH(quarter, ha_);                                      \
        quarter qb_ = LOW(quarter, hb_) + HIGH(quarter, hb_);                                      \
        if ((n)-at_ >= QUARTER) {                                                                  \
            TERMS(quarter, qa_, qb_, at_)                                                          \
            at_ += QUARTER;                                                                        \
        }                                                                                          \
        (a) = LAST_SUM_(qa_);                                                                      \
        (b) = LAST_SUM_(qb_);                                                                      \
        for (size_t left_ = QUARTER - 1; left_ > 0 && at_ < (n); left_--, at_++) {                 \
            TERMS(T, a, b, at_)                                                                    \
        }                                                                                          \
        (void)(b);                                                                                 \
    } while (0)

BT__INLINE T row_sum(const T *x, size_t n)
{
    T sum, none;
#define TERMS(V, a, b, i) (a) += AT(V, x, i);
    SUMS_OF_ROW(n, sum, none, TERMS);
#undef TERMS
    return sum;
}

/* m = max(m, x), where NaN does not win. */
#define MAX_OF_VECTORS_(V, m, x)                                                                   \
    do {                                                                                           \
        const V x_ = (x);                                                                          \
        const __typeof__(x_ > (m)) more_ = x_ > (m);                                               \
        (m) = (V)(((__typeof__(more_))x_ & more_) | ((__typeof__(more_))(m) & ~more_));            \
    } while (0)

BT__INLINE T row_max(const T *x, size_t n)
{
    const T lowest = -(T)INFINITY;
    size_t i = 0;
    wide w = (wide){0} + lowest;
    for (; i + WIDE <= n; i += WIDE)
        MAX_OF_VECTORS_(wide, w, AT(wide, x, i));
    half h = LOW(half, w);
    MAX_OF_VECTORS_(half, h, HIGH(half, w));
    if (n - i >= HALF) {
        MAX_OF_VECTORS_(half, h, AT(half, x, i));
        i += HALF;
    }
    quarter q = LOW(quarter, h);
    MAX_OF_VECTORS_(quarter, q, HIGH(quarter, h));
    if (n - i >= QUARTER) {
        MAX_OF_VECTORS_(quarter, q, AT(quarter, x, i));
        i += QUARTER;
    }
    T max = q[0];
    for (size_t k = 1; k < QUARTER; k++)
        max = q[k] > max ? q[k] : max;
    for (size_t left = QUARTER - 1; left > 0 && i < n; left--, i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

/* e = exp(x - max) for `rows` rows of n; e may be x. max (rows) is set, unless NULL. */
BT__INLINE void rows_exp(const bt__call *call, T *e, const T *x, size_t rows, size_t n, T *max)
{
    for (size_t r = 0; r < rows; r++) {
        const T m = row_max(x + r * n, n);
        if (max)
            max[r] = m;
#define STEP(V, i) TO(V, e, r *n + (i)) = AT(V, x, r * n + (i)) - m;
        EACH_OF_ROW(n, STEP);
#undef STEP
    }
    KERNELS(call)->exp(e, e, rows * n);
}

#endif
