// SPDX-License-Identifier: MIT
/* y = x z over the last two axes, with broadcast leading axes. A matrix that lies transposed is
 * given to the product as it lies, and so is its gradient. Where all matrices of x lie in one
 * piece and z is one matrix, they are one tall product. */
#include "op.h"

#include "../tensor_matrix.h"

typedef struct matmul {
    size_t m, n, k;
    bool tx, tz;     // lies transposed
    size_t ldx, ldz; // rows apart, as it lies
    size_t batch[2]; // leading axes of the result
    size_t stride_x[2], stride_z[2];
} matmul;

static size_t leading_stride(const bt__node *in, size_t axes, size_t axis)
{
    const size_t missing = axes - in->shape.axes;
    if (axis < missing || in->shape.dims[axis - missing] == 1)
        return 0;
    return in->stride[axis - missing];
}

/* One tall product, if that can be: z without leading axes, rows of x evenly apart. */
static void merge_rows(matmul *p)
{
    for (size_t a = 2; a-- > 0;) {
        const bool even = p->batch[a] == 1 || (!p->tx && p->stride_x[a] == p->m * p->ldx);
        if (!even || (p->stride_z[a] != 0))
            return;
        p->m *= p->batch[a];
        p->batch[a] = 1;
        p->stride_x[a] = 0;
    }
}

static matmul matmul_of(const bt__call *call)
{
    const bt__node *x = call->in[0], *z = call->in[1];
    const size_t axes = call->out->shape.axes;
    const size_t *dims = call->out->shape.dims;
    matmul p = {.m = dims[axes - 2],
                .n = dims[axes - 1],
                .k = x->shape.dims[x->shape.axes - 1],
                .batch = {1, 1}};
    bt__matrix_lies(x, &p.tx, &p.ldx);
    bt__matrix_lies(z, &p.tz, &p.ldz);
    for (size_t a = 0; a + 2 < axes; a++) {
        const size_t at = 2 - (axes - 2) + a;
        p.batch[at] = dims[a];
        p.stride_x[at] = leading_stride(x, axes, a);
        p.stride_z[at] = leading_stride(z, axes, a);
    }
    merge_rows(&p);
    return p;
}

static ct_status matmul_forward(const bt__call *call, ct_diag *diag)
{
    (void)diag;
    const matmul p = matmul_of(call);
    T *y = VALUE(call->out);
    for (size_t a = 0; a < p.batch[0]; a++)
        for (size_t b = 0; b < p.batch[1]; b++, y += p.m * p.n)
            GEMM(call, p.tx, p.tz, p.m, p.n, p.k,
                 VALUE(call->in[0]) + a * p.stride_x[0] + b * p.stride_x[1], p.ldx,
                 VALUE(call->in[1]) + a * p.stride_z[0] + b * p.stride_z[1], p.ldz, false, y, p.n);
    return CT_OK;
}

/* Prepare the gradient of input j; returns whether each matrix of it is to be set. */
static bool begin(const bt__call *call, size_t j, const matmul *p)
{
    const bt__node *in = call->in[j];
    const size_t matrix = j == 0 ? p->m * p->k : p->k * p->n;
    const bool set = BT__OVERWRITES(call, j);
    const bool once = in->size == matrix * p->batch[0] * p->batch[1];
    if (set && !once)
        memset(GRADIENT(in), 0, in->size * sizeof(T));
    return set && once;
}

/* dx = dy z^T, or where x lies transposed dx^T = z dy^T. */
static void x_gradient(const bt__call *call, const matmul *p)
{
    const bool add = !begin(call, 0, p);
    const T *dy = GRADIENT(call->out);
    for (size_t a = 0; a < p->batch[0]; a++)
        for (size_t b = 0; b < p->batch[1]; b++, dy += p->m * p->n) {
            T *dx = GRADIENT(call->in[0]) + a * p->stride_x[0] + b * p->stride_x[1];
            const T *z = VALUE(call->in[1]) + a * p->stride_z[0] + b * p->stride_z[1];
            if (p->tx)
                GEMM(call, p->tz, true, p->k, p->m, p->n, z, p->ldz, dy, p->n, add, dx, p->ldx);
            else
                GEMM(call, false, !p->tz, p->m, p->k, p->n, dy, p->n, z, p->ldz, add, dx, p->ldx);
        }
}

/* dz = x^T dy, or where z lies transposed dz^T = dy^T x. */
static void z_gradient(const bt__call *call, const matmul *p)
{
    const bool add = !begin(call, 1, p);
    const T *dy = GRADIENT(call->out);
    for (size_t a = 0; a < p->batch[0]; a++)
        for (size_t b = 0; b < p->batch[1]; b++, dy += p->m * p->n) {
            T *dz = GRADIENT(call->in[1]) + a * p->stride_z[0] + b * p->stride_z[1];
            const T *x = VALUE(call->in[0]) + a * p->stride_x[0] + b * p->stride_x[1];
            if (p->tz)
                GEMM(call, true, p->tx, p->n, p->k, p->m, dy, p->n, x, p->ldx, add, dz, p->ldz);
            else
                GEMM(call, !p->tx, false, p->k, p->n, p->m, x, p->ldx, dy, p->n, add, dz, p->ldz);
        }
}

static void matmul_backward(const bt__call *call)
{
    const matmul p = matmul_of(call);
    if (BT__WANTS(call, 0))
        x_gradient(call, &p);
    if (BT__WANTS(call, 1))
        z_gradient(call, &p);
}

const bt__op_code BT__CODE(matmul) = {matmul_forward, matmul_backward};
