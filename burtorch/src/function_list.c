// SPDX-License-Identifier: MIT
/* The steps of captured functions on lists of operands that are not sums of products: norm,
 * log_sum_exp, max_of, min_of and select. The same arithmetic as in tape_list_template.h, operation
 * for operation, on slots in place of nodes; second derivatives are in function_second.c. */
#include "function_private.h"

#define AT(array, i) array[(size_t)x[i] * stride]

/* The largest of sign x_i, times sign; NaN if one is. */
static double extreme_of(const uint32_t *x, size_t n, const double *value, size_t stride,
                         double sign)
{
    double largest = AT(value, 0);
    for (size_t i = 1; i < n; i++) {
        const double v = AT(value, i);
        if (sign * v > sign * largest || v != v)
            largest = v;
    }
    return largest;
}

static double norm_of(const uint32_t *x, size_t n, const double *value, size_t stride)
{
    double largest = 0.0, sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double v = fabs(AT(value, i));
        if (v > largest || v != v)
            largest = v;
    }
    if (!(largest > 0.0) || isinf(largest))
        return largest;
    for (size_t i = 0; i < n; i++)
        sum += (AT(value, i) / largest) * (AT(value, i) / largest);
    return largest * sqrt(sum);
}

static double log_sum_exp_of(const uint32_t *x, size_t n, const double *value, size_t stride)
{
    const double largest = extreme_of(x, n, value, stride, 1.0);
    if (!isfinite(largest))
        return largest;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += exp(AT(value, i) - largest);
    return largest + log(sum);
}

double bt__list_value(unsigned op, const uint32_t *x, size_t n, const double *value, size_t stride)
{
    switch (op) {
    case BT_OP_NORM:
        return norm_of(x, n, value, stride);
    case BT_OP_LOG_SUM_EXP:
        return log_sum_exp_of(x, n, value, stride);
    case BT_OP_MAX_OF:
        return extreme_of(x, n, value, stride, 1.0);
    case BT_OP_MIN_OF:
        return extreme_of(x, n, value, stride, -1.0);
    default: // select
        return AT(value, 0) > 0.0 ? AT(value, 1) : AT(value, 2);
    }
}

/* How many operands of an extreme are y: each has its share of the gradient. */
double bt__list_ties(const uint32_t *x, size_t n, const double *value, size_t stride, double y)
{
    size_t ties = 0;
    for (size_t i = 0; i < n; i++)
        ties += AT(value, i) == y;
    return (double)ties;
}

void bt__list_backward(unsigned op, const uint32_t *x, size_t n, const double *value,
                       double *adjoint, size_t stride, double y, double g)
{
    double ties;
    switch (op) {
    case BT_OP_NORM:
        for (size_t i = 0; i < n && y != 0.0; i++)
            AT(adjoint, i) += g / y * AT(value, i);
        break;
    case BT_OP_LOG_SUM_EXP:
        for (size_t i = 0; i < n && y != -(double)INFINITY; i++)
            AT(adjoint, i) += g * exp(AT(value, i) - y);
        break;
    case BT_OP_MAX_OF:
    case BT_OP_MIN_OF:
        ties = bt__list_ties(x, n, value, stride, y);
        for (size_t i = 0; i < n; i++)
            if (AT(value, i) == y)
                AT(adjoint, i) += g / ties;
        break;
    default: // select
        AT(adjoint, AT(value, 0) > 0.0 ? 1 : 2) += g;
    }
}

double bt__list_tangent(unsigned op, const uint32_t *x, size_t n, const double *value,
                        const double *tangent, double y)
{
    const size_t stride = 1;
    double t = 0.0, ties;
    switch (op) {
    case BT_OP_NORM:
        for (size_t i = 0; i < n && y != 0.0; i++)
            t += BT__FLOW(AT(tangent, i), AT(value, i) / y);
        return t;
    case BT_OP_LOG_SUM_EXP:
        for (size_t i = 0; i < n && y != -(double)INFINITY; i++)
            t += BT__FLOW(AT(tangent, i), exp(AT(value, i) - y));
        return t;
    case BT_OP_MAX_OF:
    case BT_OP_MIN_OF:
        ties = bt__list_ties(x, n, value, stride, y);
        for (size_t i = 0; i < n; i++)
            if (AT(value, i) == y)
                t += AT(tangent, i) / ties;
        return t;
    default: // select
        return AT(tangent, AT(value, 0) > 0.0 ? 1 : 2);
    }
}
