// SPDX-License-Identifier: MIT
/* The functions that linear applies to its result, and their derivatives. */
#ifndef BURTORCH_OPS_ACTIVATION_H
#define BURTORCH_OPS_ACTIVATION_H

#include "op.h"

BT__INLINE T normal_cdf(T x)
{
    return (T)0.5 * MATH(erfc)(-x * (T)0.70710678118654752440);
}

BT__INLINE T normal_pdf(T x)
{
    return (T)0.39894228040143267794 * MATH(exp)((T)-0.5 * x * x);
}

/* y = act(z); y may be z. */
BT__INLINE void activate(const bt__call *call, bt_activation act, T *y, const T *z, size_t n)
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
        KERNELS(call)->tanh(y, z, n);
        break;
    case BT_SIGMOID:
        KERNELS(call)->sigmoid(y, z, n);
        break;
    case BT_GELU:
        for (size_t i = 0; i < n; i++)
            y[i] = z[i] * normal_cdf(z[i]);
        break;
    }
}

/* dz = dy act'; `from` is z for gelu and y for the others. dz may be dy. */
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
        for (size_t i = 0; i < n; i++)
            dz[i] = dy[i] * (normal_cdf(from[i]) + from[i] * normal_pdf(from[i]));
        break;
    }
}

#endif
