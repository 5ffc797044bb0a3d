// SPDX-License-Identifier: MIT
/* Attention with small heads: (batch, head) pairs side by side, one in each lane of a vector, so
 * that vectors are full however small a head is and nothing is summed across them. A group of WIDE
 * pairs is transposed into scratch, computed, and transposed back. */
#ifndef BURTORCH_OPS_ATTENTION_LANES_H
#define BURTORCH_OPS_ATTENTION_LANES_H

#include "rows.h"

#include "../tensor_attention.h"

typedef T quad __attribute__((vector_size(4 * sizeof(T)), aligned(sizeof(T)), may_alias));

/* The pairs of one group: where the rows of position 0 begin, in an array of `row` numbers a
 * position. Lanes without a pair repeat the last. */
typedef struct lanes {
    size_t at[WIDE];
    size_t n, row;
} lanes;

BT__INLINE lanes lanes_of(const bt__attention *a, size_t first, size_t row)
{
    const size_t pairs = a->batch * a->heads;
    lanes l = {.n = pairs - first < WIDE ? pairs - first : WIDE, .row = row};
    for (size_t i = 0; i < WIDE; i++) {
        const size_t pair = first + (i < l.n ? i : l.n - 1);
        l.at[i] = pair / a->heads * a->positions * row + pair % a->heads * a->width;
    }
    return l;
}

/* The transpose of 4 by 4 numbers. */
#define TRANSPOSE_QUADS(a)                                                                         \
    do {                                                                                           \
        const quad t0_ = __builtin_shufflevector(a[0], a[1], 0, 4, 1, 5);                          \
        const quad t1_ = __builtin_shufflevector(a[2], a[3], 0, 4, 1, 5);                          \
        const quad t2_ = __builtin_shufflevector(a[0], a[1], 2, 6, 3, 7);                          \
        const quad t3_ = __builtin_shufflevector(a[2], a[3], 2, 6, 3, 7);                          \
        a[0] = __builtin_shufflevector(t0_, t1_, 0, 1, 4, 5);                                      \
        a[1] = __builtin_shufflevector(t0_, t1_, 2, 3, 6, 7);                                      \
        a[2] = __builtin_shufflevector(t2_, t3_, 0, 1, 4, 5);                                      \
        a[3] = __builtin_shufflevector(t2_, t3_, 2, 3, 6, 7);                                      \
    } while (0)

/* to (positions, width) vectors = the lanes' numbers of x. */
BT__INLINE void pack(wide *to, const T *x, const lanes *l, size_t positions, size_t width)
{
    T *out = (T *)to;
    for (size_t t = 0; t < positions; t++, x += l->row, out += width * WIDE)
        for (size_t i = 0; i < WIDE; i += 4) {
            const T *x0 = x + l->at[i], *x1 = x + l->at[i + 1];
            const T *x2 = x + l->at[i + 2], *x3 = x + l->at[i + 3];
            size_t d = 0;
            for (; d + 4 <= width; d += 4) {
                quad a[4] = {AT(quad, x0, d), AT(quad, x1, d), AT(quad, x2, d), AT(quad, x3, d)};
                TRANSPOSE_QUADS(a);
                for (size_t k = 0; k < 4; k++)
                    TO(quad, out, (d + k) * WIDE + i) = a[k];
            }
            for (; d < width; d++) {
                const quad a = {x0[d], x1[d], x2[d], x3[d]};
                TO(quad, out, d * WIDE + i) = a;
            }
        }
}

/* The lanes' numbers of y = those vectors, or that much more. */
BT__INLINE void unpack(T *y, const wide *from, const lanes *l, size_t positions, size_t width,
                       bool set)
{
    const T *in = (const T *)from;
    for (size_t t = 0; t < positions; t++, y += l->row, in += width * WIDE)
        for (size_t i = 0; i < l->n; i += 4) {
            const size_t n = l->n - i < 4 ? l->n - i : 4;
            size_t d = 0;
            for (; d + 4 <= width; d += 4) {
                quad a[4];
                for (size_t k = 0; k < 4; k++)
                    a[k] = AT(quad, in, (d + k) * WIDE + i);
                TRANSPOSE_QUADS(a);
                for (size_t k = 0; k < 4 && k < n; k++) {
                    T *to = y + l->at[i + k] + d;
                    if (!set)
                        a[k] += AT(quad, to, 0);
                    TO(quad, to, 0) = a[k];
                }
            }
            for (; d < width; d++)
                for (size_t k = 0; k < n; k++) {
                    T *to = y + l->at[i + k] + d;
                    *to = (set ? (T)0 : *to) + in[d * WIDE + i + k];
                }
        }
}

/* s[k] = x . y[k] for k < n; x, y[k] of `width` vectors. */
BT__INLINE void lane_dots(wide *s, const wide *x, const wide *y, size_t n, size_t width)
{
    size_t d = 0;
    for (; d + 4 <= width; d += 4) {
        const wide x0 = x[d], x1 = x[d + 1], x2 = x[d + 2], x3 = x[d + 3];
        for (size_t k = 0; k < n; k++) {
            const wide *row = y + k * width + d;
            const wide dot = (x0 * row[0] + x1 * row[1]) + (x2 * row[2] + x3 * row[3]);
            if (d == 0)
                s[k] = dot;
            else
                s[k] += dot;
        }
    }
    for (; d < width; d++)
        for (size_t k = 0; k < n; k++) {
            if (d == 0)
                s[k] = x[0] * y[k * width];
            else
                s[k] += x[d] * y[k * width + d];
        }
}

/* z = sum of p[k] y[k] over k < n. */
BT__INLINE void lane_mix(wide *z, const wide *p, const wide *y, size_t n, size_t width)
{
    size_t d = 0;
    for (; d + 4 <= width; d += 4) {
        wide z0 = {0}, z1 = {0}, z2 = {0}, z3 = {0};
        for (size_t k = 0; k < n; k++) {
            const wide *row = y + k * width + d;
            z0 += p[k] * row[0];
            z1 += p[k] * row[1];
            z2 += p[k] * row[2];
            z3 += p[k] * row[3];
        }
        z[d] = z0;
        z[d + 1] = z1;
        z[d + 2] = z2;
        z[d + 3] = z3;
    }
    for (; d < width; d++) {
        wide sum = {0};
        for (size_t k = 0; k < n; k++)
            sum += p[k] * y[k * width + d];
        z[d] = sum;
    }
}

/* y[k] += p[k] x for k < n. */
BT__INLINE void lane_spread(wide *y, const wide *p, const wide *x, size_t n, size_t width)
{
    for (size_t k = 0; k < n; k++)
        for (size_t d = 0; d < width; d++)
            y[k * width + d] += p[k] * x[d];
}

/* How many keys position t sees. */
BT__INLINE size_t keys_of(const bt__attention *a, size_t t)
{
    return a->causal ? t + 1 : a->positions;
}

/* p (pairs) = probabilities, row by row, not yet divided by their sum; inverse (positions) = 1 /
 * that sum. */
BT__INLINE void lane_probabilities(const bt__call *call, const bt__attention *a, wide *p,
                                   wide *inverse, const wide *q, const wide *k, size_t width)
{
    const T scale = (T)1 / MATH(sqrt)((T)width);
    wide *row = p;
    for (size_t t = 0; t < a->positions; t++) {
        const size_t n = keys_of(a, t);
        lane_dots(row, q + t * width, k, n, width);
        wide max = row[0];
        for (size_t s = 1; s < n; s++)
            MAX_OF_VECTORS_(wide, max, row[s]);
        for (size_t s = 0; s < n; s++)
            row[s] = (row[s] - max) * scale;
        row += n;
    }
    KERNELS(call)->exp((T *)p, (const T *)p, (size_t)(row - p) * WIDE);
    for (size_t t = 0; t < a->positions; t++) {
        const size_t n = keys_of(a, t);
        wide sum = p[0];
        for (size_t s = 1; s < n; s++)
            sum += p[s];
        inverse[t] = (T)1 / sum;
        p += n;
    }
}

BT__INLINE void lanes_forward(const bt__call *call, const bt__attention *a, size_t width)
{
    const size_t size = a->positions * width, model = a->heads * width;
    const T *x = VALUE(call->in[0]);
    wide *q = call->work, *k = q + size, *v = k + size, *y = v + size, *inverse = y + size;
    wide *p = inverse + a->positions;
    for (size_t first = 0; first < a->batch * a->heads; first += WIDE) {
        const lanes in = lanes_of(a, first, 3 * model), out = lanes_of(a, first, model);
        for (size_t part = 0; part < 3; part++)
            pack(q + part * size, x + part * model, &in, a->positions, width);
        lane_probabilities(call, a, p, inverse, q, k, width);
        const wide *row = p;
        for (size_t t = 0; t < a->positions; t++) {
            lane_mix(y + t * width, row, v, keys_of(a, t), width);
            for (size_t d = 0; d < width; d++)
                y[t * width + d] *= inverse[t];
            row += keys_of(a, t);
        }
        unpack(VALUE(call->out), y, &out, a->positions, width, true);
    }
}

/* With P the probabilities and dP = dy v: dS = P (dP - sum P dP) scale for one position, into ds
 * (n); p becomes P. */
BT__INLINE void lane_scores_backward(wide *ds, wide *p, const wide *inverse, T scale, size_t n)
{
    wide dot = {0};
    for (size_t s = 0; s < n; s++) {
        p[s] *= *inverse;
        dot += p[s] * ds[s];
    }
    for (size_t s = 0; s < n; s++)
        ds[s] = p[s] * (ds[s] - dot) * scale;
}

BT__INLINE void lanes_backward(const bt__call *call, const bt__attention *a, size_t width)
{
    const size_t size = a->positions * width, model = a->heads * width;
    const T scale = (T)1 / MATH(sqrt)((T)width), *x = VALUE(call->in[0]);
    wide *q = call->work, *k = q + size, *v = k + size, *dy = v + size, *dq = dy + size;
    wide *dk = dq + size, *dv = dk + size, *inverse = dv + size, *ds = inverse + a->positions;
    wide *p = ds + a->positions;
    for (size_t first = 0; first < a->batch * a->heads; first += WIDE) {
        const lanes in = lanes_of(a, first, 3 * model), out = lanes_of(a, first, model);
        for (size_t part = 0; part < 3; part++)
            pack(q + part * size, x + part * model, &in, a->positions, width);
        pack(dy, GRADIENT(call->out), &out, a->positions, width);
        lane_probabilities(call, a, p, inverse, q, k, width);
        memset(dk, 0, 2 * size * sizeof *dk);
        wide *row = p;
        for (size_t t = 0; t < a->positions; t++) {
            const size_t n = keys_of(a, t), at = t * width;
            lane_dots(ds, dy + at, v, n, width);
            lane_scores_backward(ds, row, inverse + t, scale, n);
            lane_mix(dq + at, ds, k, n, width);
            lane_spread(dk, ds, q + at, n, width);
            lane_spread(dv, row, dy + at, n, width);
            row += n;
        }
        for (size_t part = 0; part < 3; part++)
            unpack(GRADIENT(call->in[0]) + part * model, dq + part * size, &in, a->positions, width,
                   BT__OVERWRITES(call, 0));
    }
}

#endif
