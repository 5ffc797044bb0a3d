// SPDX-License-Identifier: MIT
/* The scalar kernels of one precision; included by kernels_scalar.c with T, FN(name) and libm's
 * EXP, LOG, LOG1P, TANH, FABS for that precision defined. No include guard: included once each. */

/* Sums keep LANES partial sums, so that a compiler may use whatever vectors the target has. */
enum { FN(LANES) = 8 };

static T FN(add_lanes)(const T lane[FN(LANES)])
{
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

static T FN(dot)(const T *x, const T *y, size_t n)
{
    T lane[FN(LANES)] = {0};
    size_t i = 0;
    for (; n - i >= FN(LANES); i += FN(LANES))
        for (size_t l = 0; l < FN(LANES); l++)
            lane[l] += x[i + l] * y[i + l];
    for (size_t l = 0; i + l < n; l++)
        lane[l] += x[i + l] * y[i + l];
    return FN(add_lanes)(lane);
}

static T FN(sum)(const T *x, size_t n)
{
    T lane[FN(LANES)] = {0};
    size_t i = 0;
    for (; n - i >= FN(LANES); i += FN(LANES))
        for (size_t l = 0; l < FN(LANES); l++)
            lane[l] += x[i + l];
    for (size_t l = 0; i + l < n; l++)
        lane[l] += x[i + l];
    return FN(add_lanes)(lane);
}

static T FN(norm2_squared)(const T *x, size_t n)
{
    return FN(dot)(x, x, n);
}

static T FN(max)(const T *x, size_t n)
{
    T m = -(T)INFINITY;
    for (size_t i = 0; i < n; i++)
        if (x[i] > m || isnan(x[i]))
            m = x[i]; // a NaN stays: nothing compares greater
    return m;
}

static T FN(max_abs)(const T *x, size_t n)
{
    T m = 0;
    for (size_t i = 0; i < n; i++)
        if (FABS(x[i]) > m || isnan(x[i]))
            m = FABS(x[i]);
    return m;
}

static void FN(axpy)(T *y, T a, const T *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

static void FN(scal)(T *x, T a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= a;
}

static void FN(add)(T *out, const T *x, const T *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] + y[i];
}

static void FN(sub)(T *out, const T *x, const T *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] - y[i];
}

static void FN(mul)(T *out, const T *x, const T *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] * y[i];
}

static void FN(div)(T *out, const T *x, const T *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] / y[i];
}

static void FN(exp)(T *out, const T *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = EXP(x[i]);
}

static void FN(log)(T *out, const T *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = LOG(x[i]);
}

static void FN(tanh)(T *out, const T *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = TANH(x[i]);
}

/* The exponential of -|x| can only underflow: neither branch overflows or cancels. */
static void FN(sigmoid)(T *out, const T *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        T e = EXP(-FABS(x[i]));
        out[i] = (x[i] >= 0 ? 1 : e) / (1 + e);
    }
}

static void FN(softplus)(T *out, const T *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = LOG1P(EXP(-FABS(x[i]))) + (x[i] > 0 ? x[i] : 0);
}

static void FN(gather)(T *out, const T *x, const uint32_t *index, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = x[index[i]];
}

static T FN(sparse_dot)(const T *value, const uint32_t *index, size_t n, const T *x)
{
    T s = 0;
    for (size_t i = 0; i < n; i++)
        s += value[i] * x[index[i]];
    return s;
}

static void FN(gemm)(int ta, int tb, size_t m, size_t n, size_t k, const T *a, size_t lda,
                     const T *b, size_t ldb, int accumulate, T *c, size_t ldc)
{
    for (size_t i = 0; i < m; i++) {
        T *row = c + i * ldc;
        for (size_t j = 0; j < n && !accumulate; j++)
            row[j] = 0;
        for (size_t p = 0; p < k; p++) {
            T aip = ta ? a[p * lda + i] : a[i * lda + p];
            for (size_t j = 0; j < n && tb; j++)
                row[j] += aip * b[j * ldb + p];
            for (size_t j = 0; j < n && !tb; j++)
                row[j] += aip * b[p * ldb + j];
        }
    }
}

#undef T
#undef FN
#undef EXP
#undef LOG
#undef LOG1P
#undef TANH
#undef FABS
