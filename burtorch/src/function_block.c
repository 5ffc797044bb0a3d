// SPDX-License-Identifier: MIT
/* The batch functions: points go into blocks of BT__LANES, through the sweeps of one instruction
 * set, and out again. Also the portable sweeps. */
#define TABLE        bt__block_scalar
#define WITH_KERNELS 0
#define SIMD         CT_SIMD_SCALAR
#include "function_block_template.h"

const bt__block *bt__block_of(ct_simd simd)
{
    switch (simd) {
#if defined(__x86_64__)
    case CT_SIMD_AVX512:
        return &bt__block_avx512;
    case CT_SIMD_AVX2:
        return &bt__block_avx2;
#endif
    default:
        return &bt__block_scalar;
    }
}

/* Rows of x (BT__LANES, n) into slots. Input by input: a loop of constant length is the fast one.
 */
static void load_block(const bt_function *f, double *restrict value, const double *restrict x)
{
    const size_t n = f->n;
    for (size_t i = 0; i < n; i++)
        for (size_t l = 0; l < BT__LANES; l++)
            value[i * BT__LANES + l] = x[l * n + i];
}

/* Fewer points than lanes; the other lanes repeat the last one. */
static void load_rest(const bt_function *f, double *value, const double *x, size_t points)
{
    for (size_t l = 0; l < BT__LANES; l++)
        for (size_t i = 0; i < f->n; i++)
            value[i * BT__LANES + l] = x[(l < points ? l : points - 1) * f->n + i];
}

static void set_constants(const bt_function *f, double *value)
{
    for (size_t i = 0; i < f->n_constants; i++)
        LANES value[(f->n + i) * BT__LANES + l] = f->constants[i];
}

static void store_values(const bt_function *f, const double *value, double *y, size_t points)
{
    for (size_t i = 0; i < f->m; i++) {
        const double *const from = value + (size_t)f->outputs[i] * BT__LANES;
        for (size_t l = 0; l < points; l++)
            y[l * f->m + i] = from[l];
    }
}

/* The gradient of a slot that is an input or a constant. */
static void adjoints_of_leaf(const bt_function *f, double *adjoint, size_t slot)
{
    memset(adjoint, 0, f->base * BT__LANES * sizeof *adjoint);
    LANES adjoint[slot * BT__LANES + l] = 1.0;
}

static void store_gradients(const bt_function *f, const double *restrict adjoint,
                            double *restrict g, size_t points)
{
    const size_t n = f->n;
    if (points == BT__LANES) {
        for (size_t i = 0; i < n; i++)
            for (size_t l = 0; l < BT__LANES; l++)
                g[l * n + i] = adjoint[i * BT__LANES + l];
        return;
    }
    for (size_t l = 0; l < points; l++)
        for (size_t i = 0; i < n; i++)
            g[l * n + i] = adjoint[i * BT__LANES + l];
}

void bt__function_batch(const bt__block *block, const bt_function *f, bt_workspace *w,
                        size_t output, size_t count, const double *x, double *y, double *g)
{
    set_constants(f, w->block_value);
    for (size_t p = 0; p < count; p += BT__LANES) {
        const size_t points = count - p < BT__LANES ? count - p : BT__LANES;
        if (points == BT__LANES)
            load_block(f, w->block_value, x + p * f->n);
        else
            load_rest(f, w->block_value, x + p * f->n, points);
        block->forward(f, w->block_value);
        if (!g) {
            store_values(f, w->block_value, y + p * f->m, points);
            continue;
        }
        const size_t slot = f->outputs[output];
        if (slot >= f->base)
            block->backward(f, w->block_value, w->block_adjoint, slot);
        else
            adjoints_of_leaf(f, w->block_adjoint, slot);
        store_gradients(f, w->block_adjoint, g + p * f->n, points);
        if (y)
            memcpy(y + p, w->block_value + slot * BT__LANES, points * sizeof *y);
    }
}

ct_status bt_function_evaluate_batch(const bt_function *f, bt_workspace *w, size_t count,
                                     const double *x, double *y)
{
    CT_TRY(bt__function_check(f, w, 0));
    bt__function_batch(bt__block_of(ct_kernels_get()->simd), f, w, 0, count, x, y, NULL);
    return CT_OK;
}

ct_status bt_function_gradient_batch(const bt_function *f, bt_workspace *w, size_t output,
                                     size_t count, const double *x, double *y, double *g)
{
    CT_TRY(bt__function_check(f, w, output));
    bt__function_batch(bt__block_of(ct_kernels_get()->simd), f, w, output, count, x, y, g);
    return CT_OK;
}
