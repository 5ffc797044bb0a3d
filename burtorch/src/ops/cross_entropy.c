// SPDX-License-Identifier: MIT
/* Softmax and cross-entropy as one operation. Forward leaves for each row its maximum and
 * 1 / sum exp(x - maximum); backward computes the probabilities p again, which costs less memory
 * than to keep them, and more exactly than from the logarithm of the sum where logits are large.
 * The gradient by a row that counts is (p - e_target) / rows that count. */
#include "rows.h"

static size_t count_targets(const bt__call *call)
{
    const uint32_t *target = INDICES(call->in[1]);
    size_t count = 0;
    for (size_t i = 0; i < call->in[1]->size; i++)
        count += target[i] != BT_IGNORE;
    return count;
}

static ct_status check_targets(const bt__call *call, size_t n, ct_diag *diag)
{
    const uint32_t *target = INDICES(call->in[1]);
    for (size_t i = 0; i < call->in[1]->size; i++)
        if (target[i] >= n && target[i] != BT_IGNORE)
            return ct_fail(diag, CT_ERANGE, "target %u of %zu classes", target[i], n);
    return CT_OK;
}

/* The sum of the losses of `rows` rows; sets max and inverse. */
static double block_loss(const bt__call *call, const T *x, const uint32_t *target, size_t rows,
                         size_t n, T *max, T *inverse)
{
    T *e = call->work;
    double loss = 0;
    rows_exp(call, e, x, rows, n, max);
    for (size_t r = 0; r < rows; r++)
        inverse[r] = row_sum(e + r * n, n);
    KERNELS(call)->log(e, inverse, rows);
    for (size_t r = 0; r < rows; r++) {
        inverse[r] = (T)1 / inverse[r];
        if (target[r] != BT_IGNORE)
            loss += (double)e[r] - (double)(x[r * n + target[r]] - max[r]);
    }
    return loss;
}

static ct_status cross_entropy_forward(const bt__call *call, ct_diag *diag)
{
    const size_t rows = call->in[1]->size, n = call->in[0]->size / rows;
    const size_t block = bt__rows_at_once(rows, n), count = count_targets(call);
    const T *x = VALUE(call->in[0]);
    T *max = SAVED(call->out), *inverse = max + rows;
    double loss = 0;
    CT_TRY(check_targets(call, n, diag));
    for (size_t i = 0; i < rows; i += block)
        loss += block_loss(call, x + i * n, INDICES(call->in[1]) + i,
                           rows - i < block ? rows - i : block, n, max + i, inverse + i);
    *VALUE(call->out) = count ? (T)(loss / (double)count) : (T)0;
    return CT_OK;
}

static void row_gradient(T *restrict dx, const T *restrict e, size_t n, T scale, bool set)
{
#define SET(V, i) TO(V, dx, i) = AT(V, e, i) * scale;
#define ADD(V, i) TO(V, dx, i) += AT(V, e, i) * scale;
    if (set)
        EACH_OF_ROW(n, SET);
    else
        EACH_OF_ROW(n, ADD);
#undef SET
#undef ADD
}

static void block_gradient(const bt__call *call, size_t first, size_t rows, size_t n, T scale)
{
    const bool set = BT__OVERWRITES(call, 0);
    const uint32_t *target = INDICES(call->in[1]) + first;
    const T *max = SAVED(call->out) + first, *inverse = max + call->in[1]->size;
    const T *x = VALUE(call->in[0]) + first * n;
    T *e = call->work, *dx = GRADIENT(call->in[0]) + first * n;
    for (size_t r = 0; r < rows; r++) {
        const T m = max[r];
#define STEP(V, i) TO(V, e, r *n + (i)) = AT(V, x, r * n + (i)) - m;
        EACH_OF_ROW(n, STEP);
#undef STEP
    }
    KERNELS(call)->exp(e, e, rows * n);
    for (size_t r = 0; r < rows; r++, dx += n) {
        if (target[r] != BT_IGNORE) {
            row_gradient(dx, e + r * n, n, scale * inverse[r], set);
            dx[target[r]] -= scale;
        } else if (set) {
            memset(dx, 0, n * sizeof(T));
        }
    }
}

static void cross_entropy_backward(const bt__call *call)
{
    const size_t rows = call->in[1]->size, n = call->in[0]->size / rows;
    const size_t block = bt__rows_at_once(rows, n), count = count_targets(call);
    const T scale = count ? *GRADIENT(call->out) / (T)count : (T)0;
    for (size_t i = 0; i < rows; i += block)
        block_gradient(call, i, rows - i < block ? rows - i : block, n, scale);
}

const bt__op_code BT__CODE(cross_entropy) = {cross_entropy_forward, cross_entropy_backward};
