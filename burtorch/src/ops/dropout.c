// SPDX-License-Identifier: MIT
/* Dropout. Element i is kept if word i of the stream (seed, CT_RNG_DROPOUT, number of the node,
 * step) is at least p 2^32: ct_rng_u32 gives the same words, one at a time. Here whole blocks are
 * computed at once, and what is kept is one byte an element, for backward. */
#include "op.h"

#include <ctrain/rng.h>

enum { LANES = 64 }; // blocks of the generator at a time

/* Philox 4x32-10 (common's rng.c is the specification) of blocks first … first + LANES - 1, word k
 * of block b to words[k][b]. */
static void philox(uint32_t words[4][LANES], uint64_t seed, uint32_t role, uint64_t first,
                   uint32_t number, uint32_t step)
{
    BT__SIMD_LOOP
    for (uint32_t b = 0; b < LANES; b++) {
        const uint64_t block = first + b;
        uint32_t c0 = (uint32_t)block, c1 = role << 16 | ((uint32_t)(block >> 32) & 0xffffu);
        uint32_t c2 = number, c3 = step, k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
        for (int round = 0; round < 10; round++) {
            const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
            c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
            c1 = (uint32_t)p1;
            c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
            c3 = (uint32_t)p0;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        words[0][b] = c0;
        words[1][b] = c1;
        words[2][b] = c2;
        words[3][b] = c3;
    }
}

static void draw_mask(const bt__call *call, uint8_t *mask, size_t n)
{
    uint32_t words[4][LANES];
    uint8_t keep[4 * LANES];
    const uint32_t least = (uint32_t)(call->out->attributes.real[0] * 4294967296.0);
    for (size_t i = 0; i < n; i += sizeof keep) {
        philox(words, call->seed, CT_RNG_DROPOUT, i / 4, call->number, (uint32_t)call->step);
        BT__SIMD_LOOP
        for (size_t b = 0; b < LANES; b++) {
            keep[4 * b] = words[0][b] >= least;
            keep[4 * b + 1] = words[1][b] >= least;
            keep[4 * b + 2] = words[2][b] >= least;
            keep[4 * b + 3] = words[3][b] >= least;
        }
        memcpy(mask + i, keep, n - i < sizeof keep ? n - i : sizeof keep);
    }
}

static ct_status dropout_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const T *restrict x = VALUE(call->in[0]);
    T *restrict y = VALUE(call->out);
    uint8_t *restrict mask = call->out->saved;
    const T scale = (T)(1.0 / (1.0 - call->out->attributes.real[0]));
    const size_t n = call->out->size;
    if (!call->training) {
        memcpy(y, x, n * sizeof(T));
        return CT_OK;
    }
    draw_mask(call, mask, n);
    BT__SIMD_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] = mask[i] ? scale * x[i] : (T)0;
    return CT_OK;
}

static void dropout_backward(const bt__call *call)
{
    const T *restrict dy = GRADIENT(call->out);
    T *restrict dx = GRADIENT(call->in[0]);
    const uint8_t *restrict mask = call->out->saved;
    const T scale = (T)(1.0 / (1.0 - call->out->attributes.real[0]));
    const size_t n = call->out->size;
    if (BT__OVERWRITES(call, 0))
        memset(dx, 0, n * sizeof(T));
    if (!call->training) {
        KERNELS(call)->axpy(dx, (T)1, dy, n);
        return;
    }
    BT__SIMD_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] += mask[i] ? scale * dy[i] : (T)0;
}

const bt__op_code BT__CODE(dropout) = {dropout_forward, dropout_backward};
