// SPDX-License-Identifier: MIT
/* The tests of one precision's kernels, included by test_kernels.c once each, with T, R (the type
 * of reference results), FN(name), TABLE(k) (k's kernels), EPSILON, MANTISSA (bits), LOWEST
 * (exponent of the smallest number, as frexp has it) and the reference's functions defined. */

enum { FN(SHIFTS) = 64 / sizeof(T), FN(ROOM) = FN(LONGEST) + 3 * FN(SHIFTS) };

/* Ordinary numbers of both signs, now and then a special one. */
static T FN(value)(bool special)
{
    static const T specials[] = {(T)NAN,   (T)INFINITY, -(T)INFINITY,     (T)0,     -(T)0,
                                 FN(TINY), -FN(TINY),   FN(TINY) * 12345, FN(HUGE), -FN(HUGE)};
    uint64_t r = next_random();
    if (special && r % 8 == 0)
        return specials[r / 8 % (sizeof specials / sizeof *specials)];
    return (T)((double)(r >> 11) * 0x1p-53 * 8 - 4);
}

static void FN(fill)(T *x, size_t n, bool special)
{
    for (size_t i = 0; i < n; i++)
        x[i] = FN(value)(special);
}

/* Distance of got from the exact value in units of the exact value's last place; infinite when one
 * is a NaN or overflowed and the other is not. */
static double FN(ulps)(T got, R exact)
{
    int e;
    T rounded = (T)exact;
    if (isnan(got) || isnan(rounded))
        return isnan(got) && isnan(rounded) ? 0 : (double)INFINITY;
    if (isinf(got) || isinf(rounded))
        return got == rounded ? 0 : (double)INFINITY;
    (void)R_FN(frexp)(exact, &e);
    e = e < FN(LOWEST) ? FN(LOWEST) : e;
    return (double)(R_FN(fabs)((R)got - exact) / R_FN(ldexp)(1, e - FN(MANTISSA)));
}

static bool FN(same)(T a, T b)
{
    return isnan(a) ? isnan(b) : memcmp(&a, &b, sizeof a) == 0;
}

/* What a test call works on: three arrays at every misalignment, the output between guards. */
struct FN(arrays) {
    _Alignas(64) T x[FN(ROOM)], y[FN(ROOM)], out[FN(ROOM)], before[FN(ROOM)];
    uint32_t index[FN(ROOM)];
    size_t n, at_x, at_y, at_out;
};

static void FN(shift)(struct FN(arrays) * s, size_t n, size_t shift)
{
    s->n = n;
    s->at_x = shift;
    s->at_y = (5 * shift + 3) % FN(SHIFTS);
    s->at_out = FN(SHIFTS) + (3 * shift + 1) % FN(SHIFTS);
}

static void FN(check_guards)(const struct FN(arrays) * s, const char *table, const char *what)
{
    size_t end = s->at_out + s->n;
    if (memcmp(s->out, s->before, s->at_out * sizeof(T)) != 0 ||
        memcmp(s->out + end, s->before + end, (FN(ROOM) - end) * sizeof(T)) != 0)
        fail_msg("%s %s: wrote outside its output, n = %zu", table, what, s->n);
}

/* What a term adds to the magnitude of a sum. */
static R FN(finite_size)(R term)
{
    return isfinite(term) ? R_FN(fabs)(term) : 0;
}

static void FN(check_sum)(T got, R exact, R magnitude, const struct FN(arrays) * s,
                          const char *table, const char *what)
{
    if (magnitude > (R)FN(HUGE))
        return; // whether it overflows depends on the order
    R bound = magnitude * (R)EPSILON * (R)(s->n + 1) + (R)FN(TINY) * (R)(s->n + 1);
    bool right = isfinite(exact) ? R_FN(fabs)((R)got - exact) <= bound
                 : isnan(exact)  ? isnan(got)
                                 : (R)got == exact;
    if (!right)
        fail_msg("%s %s: %.17g instead of %.17g, n = %zu", table, what, (double)got, (double)exact,
                 s->n);
}

static void FN(check_reductions)(const FN(ct_kernels) * k, struct FN(arrays) * s, const char *table)
{
    const T *x = s->x + s->at_x, *y = s->y + s->at_y;
    R dot = 0, sum = 0, squares = 0, sparse = 0, dot_abs = 0, sum_abs = 0, sparse_abs = 0,
      squares_abs = 0;
    T max = -(T)INFINITY, max_abs = 0;
    bool nan = false;
    for (size_t i = 0; i < s->n; i++) {
        R product = (R)x[i] * (R)y[i], gathered = (R)x[i] * (R)y[s->index[i]];
        dot += product;
        dot_abs += FN(finite_size)(product);
        sparse += gathered;
        sparse_abs += FN(finite_size)(gathered);
        sum += (R)x[i];
        sum_abs += FN(finite_size)((R)x[i]);
        squares += (R)x[i] * (R)x[i];
        squares_abs += FN(finite_size)((R)x[i] * (R)x[i]);
        nan |= isnan(x[i]);
        max = x[i] > max ? x[i] : max;
        max_abs = x[i] > max_abs ? x[i] : -x[i] > max_abs ? -x[i] : max_abs;
    }
    FN(check_sum)(k->dot(x, y, s->n), dot, dot_abs, s, table, "dot");
    FN(check_sum)(k->sum(x, s->n), sum, sum_abs, s, table, "sum");
    FN(check_sum)(k->norm2_squared(x, s->n), squares, squares_abs, s, table, "norm2_squared");
    FN(check_sum)
    (k->sparse_dot(x, s->index, s->n, y), sparse, sparse_abs, s, table, "sparse_dot");
    T got_max = k->max(x, s->n), got_max_abs = k->max_abs(x, s->n);
    if (nan ? !isnan(got_max) : got_max != max)
        fail_msg("%s max: %g instead of %g, n = %zu", table, (double)got_max, (double)max, s->n);
    if (nan ? !isnan(got_max_abs) : got_max_abs != max_abs)
        fail_msg("%s max_abs: %g instead of %g, n = %zu", table, (double)got_max_abs,
                 (double)max_abs, s->n);
}

/* One elementwise kernel into out, compared with the same of the scalar table. */
static void FN(check_map)(const FN(ct_kernels) * k, struct FN(arrays) * s, int what,
                          const char *table)
{
    static const char *const names[] = {"add",  "sub", "mul", "div",  "gather",  "scal",
                                        "axpy", "exp", "log", "tanh", "sigmoid", "softplus"};
    const FN(ct_kernels) *scalar = &TABLE(ct_kernels_of(CT_SIMD_SCALAR));
    const FN(ct_kernels) * tables[] = {scalar, k};
    const T *x = s->x + s->at_x, *y = s->y + s->at_y;
    T *out = s->out + s->at_out, a = (T)1.7, expected[FN(LONGEST) + 1];
    for (int pass = 0; pass < 2; pass++) {
        memcpy(s->out, s->before, sizeof s->out);
        const FN(ct_kernels) *t = tables[pass];
        void (*const two[])(T *, const T *, const T *, size_t) = {t->add, t->sub, t->mul, t->div};
        void (*const one[])(T *, const T *, size_t) = {t->exp, t->log, t->tanh, t->sigmoid,
                                                       t->softplus};
        if (what < 4)
            two[what](out, x, y, s->n);
        else if (what == 4)
            t->gather(out, x, s->index, s->n);
        else if (what == 5)
            t->scal(out, a, s->n);
        else if (what == 6)
            t->axpy(out, a, x, s->n);
        else
            one[what - 7](out, x, s->n);
        if (pass == 0)
            memcpy(expected, out, s->n * sizeof(T));
    }
    FN(check_guards)(s, table, names[what]);
    for (size_t i = 0; i < s->n; i++) {
        R rounding =
            (R_FN(fabs)((R)a * (R)x[i]) + R_FN(fabs)((R)s->before[s->at_out + i])) * (R)EPSILON;
        bool right = FN(same)(out[i], expected[i]);
        if (what == 6 && isfinite(expected[i]) && isfinite(out[i]))
            right = R_FN(fabs)((R)out[i] - (R)expected[i]) <= rounding;
        else if (what > 6)
            right = FN(ulps)(out[i], (R)expected[i]) <= 6;
        if (!right)
            fail_msg("%s %s: x = %.17g: %.17g instead of %.17g, n = %zu, element %zu", table,
                     names[what], (double)x[i], (double)out[i], (double)expected[i], s->n, i);
    }
}

static void FN(test_every_length_and_misalignment)(void **state)
{
    (void)state;
    static struct FN(arrays) s;
    for (int special = 0; special < 2; special++) {
        for (size_t n = 0; n <= FN(LONGEST); n++) {
            FN(fill)(s.x, FN(ROOM), special);
            FN(fill)(s.y, FN(ROOM), special);
            FN(fill)(s.before, FN(ROOM), special);
            for (size_t i = 0; i < n; i++)
                s.index[i] = (uint32_t)(next_random() % n);
            for (size_t shift = 0; shift < FN(SHIFTS); shift++) {
                FN(shift)(&s, n, shift);
                for (ct_simd simd = CT_SIMD_SCALAR; simd <= CT_SIMD_AVX512; simd++) {
                    const ct_kernels *k = ct_kernels_of(simd);
                    if (k == NULL)
                        continue;
                    FN(check_reductions)(&TABLE(k), &s, k->name);
                    for (int what = 0; what < 12; what++)
                        FN(check_map)(&TABLE(k), &s, what, k->name);
                }
            }
        }
    }
}

/* The same numbers give the same bits wherever they lie, and in place as well as out of place. */
static void FN(test_independent_of_place)(void **state)
{
    (void)state;
    _Alignas(64) T x[FN(ROOM)], y[FN(ROOM)], out[FN(ROOM)];
    for (ct_simd simd = CT_SIMD_SCALAR; simd <= CT_SIMD_AVX512; simd++) {
        const ct_kernels *table = ct_kernels_of(simd);
        if (table == NULL)
            continue;
        const FN(ct_kernels) *k = &TABLE(table);
        for (size_t n = 1; n <= FN(LONGEST); n += 13) {
            FN(fill)(x, n, false);
            T sum = k->sum(x, n), square = k->norm2_squared(x, n);
            k->exp(out, x, n);
            for (size_t shift = 1; shift < FN(SHIFTS); shift++) {
                memcpy(y + shift, x, n * sizeof(T));
                assert_true(FN(same)(k->sum(y + shift, n), sum));
                assert_true(FN(same)(k->norm2_squared(y + shift, n), square));
                k->exp(y + shift, y + shift, n);
                assert_memory_equal(y + shift, out, n * sizeof(T));
            }
        }
    }
}

/* Arrays that begin right behind, or end right before, a page that must not be touched. */
static void FN(test_reads_nothing_outside)(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *map = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(mprotect(map + page, page, PROT_READ | PROT_WRITE), 0);
    T *first = (T *)(void *)(map + page), *end = (T *)(void *)(map + 2 * page),
      out[FN(LONGEST) + 1];
    FN(fill)(first, page / sizeof(T), false);
    for (ct_simd simd = CT_SIMD_SCALAR; simd <= CT_SIMD_AVX512; simd++) {
        const ct_kernels *table = ct_kernels_of(simd);
        for (size_t n = 0; table != NULL && n <= 2 * FN(LONGEST) + 1; n++) {
            const FN(ct_kernels) *k = &TABLE(table);
            T *x = n % 2 ? first : end - n / 2;
            size_t length = n / 2, rows = length / 7;
            T sums = k->dot(x, x, length) + k->sum(x, length) + k->max(x, length) +
                     k->max_abs(x, length);
            assert_true(length == 0 || isfinite(sums));
            k->axpy(x, 0, x, length);
            k->scal(x, 1, length);
            k->mul(out, x, x, length);
            k->softplus(out, x, length);
            k->gemm(0, 0, 1, 7, rows, x, rows, end - 7 * rows, 7, 0, out, 7);
            k->gemm(0, 1, 1, 7, rows, x, rows, end - 7 * rows, rows, 0, out, 7);
            k->gemm(1, 0, 7, 1, rows, end - 7 * rows, 7, x, 1, 0, out, 1);
            k->gemm(0, 1, 7, 7, rows, end - 7 * rows, rows, first, rows, 0, out, 7);
            for (size_t few = 1, depth = length / 3; few <= 9; few++) {
                const T *b = end - few * depth;
                k->gemm(0, 0, 9, few, depth, first, depth, b, few, 0, out, few);
                k->gemm(0, 1, 2, few, depth, first, depth, b, depth, 0, out, few);
                k->gemm(1, 1, 2, few, depth, first, 2, b, depth, 0, out, few);
            }
        }
    }
    munmap(map, 3 * page);
}

struct FN(function) {
    const char *name;
    R (*exact)(R x);
    double bound; // ulps, as kernels.h has them
};

static R FN(exact_sigmoid)(R x)
{
    return 1 / (1 + R_FN(exp)(-x));
}

static R FN(exact_softplus)(R x)
{
    return x > 0 ? x + R_FN(log1p)(R_FN(exp)(-x)) : R_FN(log1p)(R_FN(exp)(x));
}

/* Sample number i of kind: random bits, the whole range, around 0, tiny and huge, near 1. */
static T FN(sample)(int kind, size_t i, size_t n)
{
    uint64_t r = next_random();
    double u = ((double)i + (double)(r >> 11) * 0x1p-53) / (double)n, sign = r & 1 ? 1 : -1;
    T x;
    switch (kind) {
    case 0:
        memcpy(&x, &r, sizeof x);
        return x;
    case 1:
        return (T)((u * 2 - 1) * FN(SWEEP));
    case 2:
        return (T)((u * 2 - 1) * 3);
    case 3:
        return (T)(sign * ldexp(1 + u, (int)(r / 2 % 100) - 90));
    case 4:
        return (T)((T)1 + (T)sign * (T)ldexp(u, -(int)(r / 2 % 30)));
    default:
        return (T)((u * 2 - 1) * 40);
    }
}

static void FN(check_ulps)(const FN(ct_kernels) * k, const struct FN(function) * f,
                           void (*compute)(T *, const T *, size_t), const char *table)
{
    enum { BLOCK = 2000 };
    T x[BLOCK], y[BLOCK], at = 0;
    double worst = 0;
    (void)k;
    for (int block = 0; block < 60; block++) {
        for (size_t i = 0; i < BLOCK; i++)
            x[i] = FN(sample)(block % 6, i, BLOCK);
        compute(y, x, BLOCK);
        for (size_t i = 0; i < BLOCK; i++) {
            double error = FN(ulps)(y[i], f->exact((R)x[i]));
            at = error > worst ? x[i] : at;
            worst = error > worst ? error : worst;
        }
    }
    print_message("%s %s: %.3f ulp at %.17g\n", table, f->name, worst, (double)at);
    if (worst > f->bound)
        fail_msg("%s %s: %.3f ulp at %.17g, more than %g", table, f->name, worst, (double)at,
                 f->bound);
}

static void FN(test_accuracy)(void **state)
{
    static const struct FN(function) f[] = {{"exp", R_FN(exp), 1.0},
                                            {"log", R_FN(log), 1.0},
                                            {"tanh", R_FN(tanh), 3.0},
                                            {"sigmoid", FN(exact_sigmoid), 2.75},
                                            {"softplus", FN(exact_softplus), 2.0}};
    (void)state;
    for (ct_simd simd = CT_SIMD_SCALAR; simd <= CT_SIMD_AVX512; simd++) {
        const ct_kernels *table = ct_kernels_of(simd);
        if (table == NULL)
            continue;
        const FN(ct_kernels) *k = &TABLE(table);
        FN(check_ulps)(k, &f[0], k->exp, table->name);
        FN(check_ulps)(k, &f[1], k->log, table->name);
        FN(check_ulps)(k, &f[2], k->tanh, table->name);
        FN(check_ulps)(k, &f[3], k->sigmoid, table->name);
        FN(check_ulps)(k, &f[4], k->softplus, table->name);
    }
}

static T FN(one)(void (*f)(T *, const T *, size_t), T x)
{
    T y;
    f(&y, &x, 1);
    return y;
}

static void FN(test_values_at_the_ends)(void **state)
{
    (void)state;
    const T inf = (T)INFINITY;
    for (ct_simd simd = CT_SIMD_SCALAR; simd <= CT_SIMD_AVX512; simd++) {
        const ct_kernels *table = ct_kernels_of(simd);
        if (table == NULL)
            continue;
        const FN(ct_kernels) *k = &TABLE(table);
        void (*const all[])(T *, const T *, size_t) = {k->exp, k->log, k->tanh, k->sigmoid,
                                                       k->softplus};
        for (size_t i = 0; i < 5; i++)
            assert_true(isnan(FN(one)(all[i], (T)NAN)));
        assert_true(FN(same)(FN(one)(k->exp, inf), inf));
        assert_true(FN(same)(FN(one)(k->exp, -inf), 0));
        assert_true(FN(same)(FN(one)(k->exp, 0), 1));
        assert_true(FN(same)(FN(one)(k->log, inf), inf));
        assert_true(FN(same)(FN(one)(k->log, 0), -inf));
        assert_true(FN(same)(FN(one)(k->log, -(T)0), -inf));
        assert_true(FN(same)(FN(one)(k->log, 1), 0));
        assert_true(isnan(FN(one)(k->log, -inf)));
        assert_true(isnan(FN(one)(k->log, -FN(TINY))));
        assert_true(FN(same)(FN(one)(k->tanh, inf), 1));
        assert_true(FN(same)(FN(one)(k->tanh, -inf), -1));
        assert_true(FN(same)(FN(one)(k->tanh, -(T)0), -(T)0));
        assert_true(FN(same)(FN(one)(k->tanh, FN(TINY)), FN(TINY)));
        assert_true(FN(same)(FN(one)(k->sigmoid, inf), 1));
        assert_true(FN(same)(FN(one)(k->sigmoid, -inf), 0));
        assert_true(FN(same)(FN(one)(k->sigmoid, 0), (T)0.5));
        assert_true(FN(same)(FN(one)(k->softplus, inf), inf));
        assert_true(FN(same)(FN(one)(k->softplus, -inf), 0));
        assert_true(FN(same)(FN(one)(k->softplus, FN(HUGE)), FN(HUGE)));
        assert_true(FN(same)(FN(one)(k->softplus, -FN(HUGE)), 0));
    }
}

/* op(A) op(B) [+ C] by the definition; what pads the rows of A and B is NaN, that of C must stay.
 */
static void FN(check_gemm)(const ct_kernels *table, int ta, int tb, size_t m, size_t n, size_t k,
                           int accumulate, size_t pad)
{
    static T a[FN(GEMM_ROOM)], b[FN(GEMM_ROOM)], c[FN(GEMM_ROOM)], old[FN(GEMM_ROOM)];
    size_t a_rows = ta ? k : m, a_columns = ta ? m : k, b_rows = tb ? n : k, b_columns = tb ? k : n;
    size_t lda = a_columns + pad, ldb = b_columns + pad * 2, ldc = n + pad * 3;
    T *pa = a + pad, *pb = b + pad, *pc = c + pad; // misaligned with the padding
    assert_true(a_rows * lda + pad <= FN(GEMM_ROOM) && b_rows * ldb + pad <= FN(GEMM_ROOM) &&
                m * ldc + pad <= FN(GEMM_ROOM));
    for (size_t i = 0; i < a_rows * lda; i++)
        pa[i] = i % lda < a_columns ? FN(value)(false) : (T)NAN;
    for (size_t i = 0; i < b_rows * ldb; i++)
        pb[i] = i % ldb < b_columns ? FN(value)(false) : (T)NAN;
    for (size_t i = 0; i < m * ldc + pad; i++)
        c[i] = old[i] = accumulate ? FN(value)(false) : (T)NAN;
    TABLE(table).gemm(ta, tb, m, n, k, pa, lda, pb, ldb, accumulate, pc, ldc);
    for (size_t i = 0; i < m * ldc; i++) {
        size_t row = i / ldc, column = i % ldc;
        R exact = accumulate ? (R)old[pad + i] : 0, magnitude = R_FN(fabs)(exact);
        for (size_t p = 0; column < n && p < k; p++) {
            R product = (R)(ta ? pa[p * lda + row] : pa[row * lda + p]) *
                        (R)(tb ? pb[column * ldb + p] : pb[p * ldb + column]);
            exact += product;
            magnitude += R_FN(fabs)(product);
        }
        bool right = column < n
                         ? R_FN(fabs)((R)pc[i] - exact) <= magnitude * (R)EPSILON * (R)(k + 1)
                         : FN(same)(pc[i], old[pad + i]);
        if (!right)
            fail_msg("%s gemm ta=%d tb=%d m=%zu n=%zu k=%zu accumulate=%d pad=%zu: C(%zu,%zu) = "
                     "%.17g, exact %.17g",
                     table->name, ta, tb, m, n, k, accumulate, pad, row, column, (double)pc[i],
                     (double)exact);
    }
    for (size_t i = 0; i < pad; i++)
        assert_true(FN(same)(c[i], old[i]));
}

static void FN(test_gemm)(void **state)
{
    static const size_t sizes[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,   13,  16, 17,
                                   24, 25, 31, 33, 48, 49, 64, 65, 100, 128, 129};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    (void)state;
    for (ct_simd simd = CT_SIMD_SCALAR; simd <= CT_SIMD_AVX512; simd++) {
        const ct_kernels *k = ct_kernels_of(simd);
        if (k == NULL)
            continue;
        for (int variant = 0; variant < 8; variant++) {
            int ta = variant & 1, tb = variant >> 1 & 1, accumulate = variant >> 2;
            for (size_t m = 1; m <= 9; m++) // every tile
                for (size_t n = 1; n <= 50; n += n < 20 ? 1 : 3)
                    FN(check_gemm)(k, ta, tb, m, n, (m * n) % 7, accumulate, n % 3);
            for (size_t m = 1; m <= 13; m += 4) // few rows or columns, in rows without gaps
                for (size_t n = 1; n <= 13; n++)
                    FN(check_gemm)(k, ta, tb, m, n, 133, accumulate, 0);
            for (int i = 0; i < 60; i++) // every size with every other, by and by
                FN(check_gemm)
            (k, ta, tb, sizes[next_random() % SIZES], sizes[next_random() % SIZES],
             sizes[next_random() % SIZES], accumulate, next_random() % 5);
            FN(check_gemm)(k, ta, tb, 3, 5, 300, accumulate, 1); // beyond a panel's depth
            FN(check_gemm)(k, ta, tb, 20, 70, 260, accumulate, 1);
            FN(check_gemm)(k, ta, tb, 0, 5, 3, accumulate, 1);
            FN(check_gemm)(k, ta, tb, 5, 0, 3, accumulate, 1);
        }
    }
}
