// SPDX-License-Identifier: MIT
/* The functions that linear applies to its result, and their derivatives. */
#ifndef BURTORCH_OPS_ACTIVATION_H
#define BURTORCH_OPS_ACTIVATION_H

#include "op.h"

/* y = act(z); y may be z, but for gelu, which leaves its derivative in z: both are made of the same
 * parts, and the others' are made of y. */
BT__INLINE void activate(bt_activation act, T *y, T *z, size_t n)
{
    switch (act) {
    case BT_IDENTITY:
        break;
    case BT_RELU:
        BT__SIMD_LOOP
        for (size_t i = 0; i < n; i++)
            y[i] = z[i] <= (T)0 ? (T)0 : z[i];
        break;
    case BT_TANH:
        BT__SIMD_LOOP
        for (size_t i = 0; i < n; i++)
            y[i] = vm_tanh(z[i]);
        break;
    case BT_SIGMOID:
        BT__SIMD_LOOP
        for (size_t i = 0; i < n; i++)
            y[i] = vm_sigmoid(z[i]);
        break;
    case BT_GELU:
        BT__SIMD_LOOP
        for (size_t i = 0; i < n; i++) {
            T pdf;
            const T cdf = vm_normal(z[i], &pdf), x = z[i];
            y[i] = x * cdf;
            z[i] = cdf + x * pdf;
        }
        break;
    }
}

/* dz = dy act'; `from` is the derivative for gelu and y for the others. dz may be dy. */
BT__INLINE void deactivate(bt_activation act, T *dz, const T *dy, const T *from, size_t n)
{
    switch (act) {
    case BT_IDENTITY:
        break;
    case BT_RELU:
        BT__SIMD_LOOP
        for (size_t i = 0; i < n; i++)
            dz[i] = from[i] > (T)0 ? dy[i] : (T)0;
        break;
    case BT_TANH:
        BT__SIMD_LOOP
        for (size_t i = 0; i < n; i++)
            dz[i] = dy[i] * (((T)1 - from[i]) * ((T)1 + from[i]));
        break;
    case BT_SIGMOID:
        BT__SIMD_LOOP
        for (size_t i = 0; i < n; i++)
            dz[i] = dy[i] * (from[i] * ((T)1 - from[i]));
        break;
    case BT_GELU:
        BT__SIMD_LOOP
        for (size_t i = 0; i < n; i++)
            dz[i] = dy[i] * from[i];
        break;
    }
}

#endif
