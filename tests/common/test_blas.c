// SPDX-License-Identifier: MIT
/* OpenBLAS behind blas.h: which core is loaded, and every call against loops that follow the
 * definition. Each question about loading needs a process of its own: the test runs itself again
 * with the question as argument. */
#include "ct_test.h"

#include <ctrain/blas.h>
#include <ctrain/cpu.h>
#include <ctrain/timer.h>
#include <dlfcn.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blas_load.h"

static double next_number(void)
{
    static uint64_t state = 7;
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (double)(state >> 11) * 0x1p-53 * 2 - 1;
}

static void fill(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = next_number();
}

/* --- Questions a child process answers on stdout. --- */

static double gflops_of_dgemm(void)
{
    enum { N = 256 };
    static double a[N * N], b[N * N], c[N * N];
    double best = 0;
    fill(a, N * N);
    fill(b, N * N);
    for (int round = 0; round < 7; round++) {
        double start = ct_time_s();
        ct_blas_gemm_f64(0, 0, N, N, N, 1, a, N, b, N, 0, c, N);
        double gflops = 2e-9 * N * N * N / (ct_time_s() - start);
        best = gflops > best ? gflops : best;
    }
    return best;
}

static int count_threads(void)
{
    char line[256];
    int threads = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "Threads:", 8) == 0)
            threads = atoi(line + 8);
    if (status != NULL)
        fclose(status);
    return threads;
}

/* Load OpenBLAS as the host program would, with a core of its choice. */
static void load_as_host(const char *core)
{
    setenv("OPENBLAS_CORETYPE", core, 1);
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    assert_non_null(dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL));
    unsetenv("OPENBLAS_CORETYPE");
    unsetenv("OPENBLAS_NUM_THREADS");
}

static int answer(const char *question)
{
    ct_diag diag = {{0}};
    ct_status status = CT_OK;
    if (strcmp(question, "before") == 0) {
        puts(ct_blas_description());
        return 0;
    }
    if (strcmp(question, "host") == 0)
        load_as_host("Prescott");
    if (strcmp(question, "prescott") == 0)
        status = ct__blas_open_from("Prescott", &diag);
    else if (strcmp(question, "haswell") == 0)
        status = ct__blas_open_from("Haswell", &diag);
    else
        status = ct_blas_open(&diag);
    if (status == CT_OK)
        status = ct_blas_open(&diag); // once more is nothing
    const char *core = getenv("OPENBLAS_CORETYPE"), *threads = getenv("OPENBLAS_NUM_THREADS");
    printf("%s|%s|CORETYPE=%s NUM_THREADS=%s threads=%d|%.1f\n", ct_status_name(status),
           status == CT_OK ? ct_blas_description() : diag.text, core ? core : "",
           threads ? threads : "", count_threads(), status == CT_OK ? gflops_of_dgemm() : 0.0);
    return 0;
}

/* The parts of the answer of a child run under `environment`. */
struct reply {
    char line[512];
    const char *status, *description, *state;
    double gflops;
};

static void ask(struct reply *reply, const char *environment, const char *question)
{
    char self[400], command[1024];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    snprintf(command, sizeof command,
             "env -u OPENBLAS_CORETYPE -u OPENBLAS_NUM_THREADS %s '%s' --ask %s", environment, self,
             question);
    FILE *child = popen(command, "r");
    assert_non_null(child);
    assert_non_null(fgets(reply->line, sizeof reply->line, child));
    assert_int_equal(pclose(child), 0);
    print_message("%s %s: %s", environment, question, reply->line);
    reply->status = strtok(reply->line, "|\n");
    reply->description = strtok(NULL, "|");
    reply->state = strtok(NULL, "|");
    char *gflops = strtok(NULL, "|");
    reply->gflops = gflops != NULL ? strtod(gflops, NULL) : 0;
}

static bool is_installed(void)
{
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library != NULL)
        dlclose(library);
    return library != NULL;
}

static int need_openblas(void **state)
{
    (void)state;
    setenv("OPENBLAS_NUM_THREADS", "1", 0);
    if (!is_installed()) {
        print_message("libopenblas.so.0 is not installed: nothing to test\n");
        return -1;
    }
    unsetenv("OPENBLAS_NUM_THREADS");
    return 0;
}

static void test_says_when_it_is_not_loaded(void **state)
{
    struct reply reply;
    (void)state;
    ask(&reply, "", "before");
    assert_string_equal(reply.status, "not loaded");
}

static void test_loads_a_core_as_good_as_the_processor(void **state)
{
    struct reply reply;
    (void)state;
    ask(&reply, "", "open");
    assert_string_equal(reply.status, "CT_OK");
    ct_assert_contains(reply.description, "OpenBLAS 0.");
    ct_assert_contains(reply.description, ", core ");
    if (ct_cpu_simd() >= CT_SIMD_AVX2)
        assert_null(strstr(reply.description, "Prescott"));
    assert_string_equal(reply.state, "CORETYPE= NUM_THREADS= threads=1");
}

/* What Debian's 0.3.21 does on a processor it does not know. */
static void test_mends_a_wrong_choice(void **state)
{
    struct reply right, mended, wrong;
    (void)state;
    if (ct_cpu_simd() < CT_SIMD_AVX2)
        skip();
    ask(&right, "", "open");
    ask(&mended, "", "prescott");
    ask(&wrong, "OPENBLAS_CORETYPE=Prescott", "open");
    assert_null(strstr(mended.description, "Prescott"));
    const char *expected = ct_cpu_simd() == CT_SIMD_AVX512 ? "core SkylakeX" : "core Haswell";
    ct_assert_contains(mended.description, expected);
    assert_string_equal(mended.state, "CORETYPE= NUM_THREADS= threads=1");
    assert_true(mended.gflops > 1.3 * wrong.gflops);
    assert_true(mended.gflops > 0.5 * right.gflops);
    if (ct_cpu_simd() == CT_SIMD_AVX512) {
        ask(&mended, "", "haswell");
        ct_assert_contains(mended.description, "core SkylakeX");
    }
}

static void test_leaves_the_users_choice(void **state)
{
    struct reply reply;
    (void)state;
    ask(&reply, "OPENBLAS_CORETYPE=Prescott OPENBLAS_NUM_THREADS=2", "open");
    ct_assert_contains(reply.description, "core Prescott");
    ct_assert_contains(reply.state, "CORETYPE=Prescott NUM_THREADS=2");
}

static void test_leaves_a_library_the_program_holds(void **state)
{
    struct reply reply;
    (void)state;
    ask(&reply, "", "host");
    assert_string_equal(reply.status, "CT_OK");
    ct_assert_contains(reply.description, "core Prescott");
}

static void *open_in_thread(void *unused)
{
    (void)unused;
    return ct_blas_open(NULL) == CT_OK ? (void *)ct_blas_description() : NULL;
}

static void test_opens_once_from_many_threads(void **state)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    void *description = NULL;
    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_in_thread, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &description), 0);
        assert_non_null(description);
        ct_assert_contains(description, "OpenBLAS");
    }
}

/* --- The calls. --- */

static void open_blas(void)
{
    ct_diag diag = {{0}};
    ct_assert_ok(ct_blas_open(&diag), &diag);
}

enum { ROOM = 4000 };

/* One product in both precisions; what pads the rows must stay or not matter. */
static void check_gemm(int ta, int tb, size_t m, size_t n, size_t k, double alpha, double beta)
{
    double a[ROOM], b[ROOM], c[ROOM], old[ROOM];
    float af[ROOM], bf[ROOM], cf[ROOM];
    size_t lda = (ta ? m : k) + 1, ldb = (tb ? k : n) + 2, ldc = n + 3;
    fill(a, ROOM);
    fill(b, ROOM);
    fill(c, ROOM);
    for (size_t i = 0; i < ROOM; i++) {
        c[i] = beta == 0 && i < m * ldc && i % ldc < n ? NAN : c[i]; // beta = 0 does not read C
        old[i] = c[i];
        af[i] = (float)a[i];
        bf[i] = (float)b[i];
        cf[i] = (float)c[i];
    }
    ct_blas_gemm_f64(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    ct_blas_gemm_f32(ta, tb, m, n, k, (float)alpha, af, lda, bf, ldb, (float)beta, cf, ldc);
    for (size_t i = 0; i < m * ldc; i++) {
        size_t row = i / ldc, column = i % ldc;
        double sum = 0;
        for (size_t p = 0; column < n && p < k; p++)
            sum += (ta ? a[p * lda + row] : a[row * lda + p]) *
                   (tb ? b[column * ldb + p] : b[p * ldb + column]);
        double expected = alpha * sum + (beta == 0 ? 0 : beta * old[i]);
        if (column >= n)
            expected = old[i];
        ct_assert_near(c[i], expected, 1e-13, 1e-13);
        ct_assert_near((double)cf[i], expected, 1e-4, 1e-4);
    }
}

static void test_gemm(void **state)
{
    (void)state;
    open_blas();
    for (int variant = 0; variant < 4; variant++) {
        int ta = variant & 1, tb = variant >> 1;
        check_gemm(ta, tb, 7, 11, 13, 1, 0);
        check_gemm(ta, tb, 20, 30, 40, -0.5, 1);
        check_gemm(ta, tb, 1, 33, 9, 2, 0.25);
        check_gemm(ta, tb, 5, 4, 0, 1, 0.5);
        check_gemm(ta, tb, 5, 4, 0, 1, 0);
        check_gemm(ta, tb, 0, 4, 3, 1, 0);
        check_gemm(ta, tb, 4, 0, 3, 1, 0);
    }
    ct_blas_gemm_f64(0, 0, 0, 0, 0, 1, NULL, 0, NULL, 0, 0, NULL, 0);
}

static void check_syrk(int ta, size_t n, size_t k, double alpha, double beta)
{
    double a[ROOM], c[ROOM], old[ROOM];
    size_t lda = (ta ? n : k) + 1, ldc = n + 2;
    fill(a, ROOM);
    fill(c, ROOM);
    memcpy(old, c, sizeof old);
    ct_blas_syrk_f64(ta, n, k, alpha, a, lda, beta, c, ldc);
    for (size_t i = 0; i < n * ldc; i++) {
        size_t row = i / ldc, column = i % ldc;
        double sum = 0;
        for (size_t p = 0; column <= row && p < k; p++)
            sum += ta ? a[p * lda + row] * a[p * lda + column]
                      : a[row * lda + p] * a[column * lda + p];
        double expected = column <= row ? alpha * sum + beta * old[i] : old[i];
        ct_assert_near(c[i], expected, 1e-13, 1e-13);
    }
}

static void test_syrk(void **state)
{
    (void)state;
    open_blas();
    for (int ta = 0; ta < 2; ta++) {
        check_syrk(ta, 12, 30, 1, 0);
        check_syrk(ta, 30, 7, -2, 1);
        check_syrk(ta, 1, 1, 0.5, 0.5);
        check_syrk(ta, 6, 0, 1, 0.5);
        check_syrk(ta, 0, 3, 1, 0);
    }
}

/* Dimensions that do not fit BLAS's integers take another way to the same results. */
static void test_dimensions_beyond_blas(void **state)
{
    (void)state;
    open_blas();
    const size_t limit = ct__blas_too_large;
    ct__blas_too_large = 10;
    for (int variant = 0; variant < 4; variant++) {
        check_gemm(variant & 1, variant >> 1, 7, 11, 13, 1, 0);
        check_gemm(variant & 1, variant >> 1, 12, 5, 6, -2, 0.5);
    }
    check_syrk(0, 12, 9, 1, 0.5);
    check_syrk(1, 12, 9, 1, 0.5);
    double a[16] = {1};
    assert_int_equal(ct_blas_potrf_f64(11, a, 11), CT_ERANGE);
    assert_int_equal(ct_blas_syev_f64(11, a, 11, a), CT_ERANGE);
    ct__blas_too_large = limit;
}

/* A symmetric positive definite matrix in the lower triangle; NaN above, which must not matter. */
static void make_positive_definite(double *a, size_t n, size_t lda)
{
    double g[ROOM];
    fill(g, n * n);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            a[i * lda + j] = j <= i ? (double)(i == j) : NAN;
            for (size_t p = 0; j <= i && p < n; p++)
                a[i * lda + j] += g[i * n + p] * g[j * n + p];
        }
    }
}

static void test_cholesky(void **state)
{
    double a[ROOM], l[ROOM], x[64], b[64];
    (void)state;
    open_blas();
    for (size_t n = 1; n <= 60; n += n < 6 ? 1 : 18) {
        size_t lda = n + n % 3;
        make_positive_definite(a, n, lda);
        memcpy(l, a, sizeof l);
        ct_assert_ok(ct_blas_potrf_f64(n, l, lda), NULL);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j <= i; j++) {
                double sum = 0;
                for (size_t p = 0; p <= j; p++)
                    sum += l[i * lda + p] * l[j * lda + p];
                ct_assert_near(sum, a[i * lda + j], 1e-12, 1e-12);
            }
            for (size_t j = i + 1; j < n; j++)
                assert_true(isnan(l[i * lda + j])); // not touched
        }
        fill(x, n);
        memset(b, 0, sizeof b);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                b[i] += a[i >= j ? i * lda + j : j * lda + i] * x[j];
        ct_blas_potrs_f64(n, l, lda, b);
        ct_assert_array_near(b, x, n, 1e-9, 1e-9);
    }
    ct_assert_ok(ct_blas_potrf_f64(0, NULL, 0), NULL);
    ct_blas_potrs_f64(0, NULL, 0, NULL);
}

static void test_cholesky_of_an_indefinite_matrix(void **state)
{
    (void)state;
    open_blas();
    double negative[] = {1, 9, 2, 1}, singular[] = {1, 9, 1, 1}, nan_diagonal[] = {NAN, 0, 0, 1};
    double nan_below[] = {1, 0, NAN, 1}, infinite[] = {(double)INFINITY, 0, 0, 1};
    assert_int_equal(ct_blas_potrf_f64(2, negative, 2), CT_ENUMERIC);
    assert_int_equal(ct_blas_potrf_f64(2, singular, 2), CT_ENUMERIC);
    assert_int_equal(ct_blas_potrf_f64(2, nan_diagonal, 2), CT_ENUMERIC);
    assert_int_equal(ct_blas_potrf_f64(2, nan_below, 2), CT_ENUMERIC);
    assert_int_equal(ct_blas_potrf_f64(2, infinite, 2), CT_ENUMERIC);
}

static void test_eigenvalues(void **state)
{
    double a[ROOM], v[ROOM], w[64];
    (void)state;
    open_blas();
    for (size_t n = 1; n <= 60; n += n < 6 ? 1 : 18) {
        size_t lda = n + n % 3;
        fill(a, n * lda);
        memcpy(v, a, sizeof v);
        for (size_t i = 0; i < n; i++)
            for (size_t j = i + 1; j < n; j++)
                v[i * lda + j] = NAN; // only the lower triangle is read
        ct_assert_ok(ct_blas_syev_f64(n, v, lda, w), NULL);
        for (size_t e = 0; e < n; e++) {
            const double *vector = v + e * lda;
            assert_true(e == 0 || w[e - 1] <= w[e]);
            for (size_t i = 0; i < n; i++) { // (A v)_i = w v_i
                double sum = 0;
                for (size_t j = 0; j < n; j++)
                    sum += a[i >= j ? i * lda + j : j * lda + i] * vector[j];
                ct_assert_near(sum, w[e] * vector[i], 0, 1e-12);
            }
            for (size_t f = 0; f <= e; f++) {
                double dot = 0;
                for (size_t j = 0; j < n; j++)
                    dot += vector[j] * v[f * lda + j];
                ct_assert_near(dot, e == f ? 1.0 : 0.0, 0, 1e-12);
            }
        }
    }
    double bad[] = {1, 0, NAN, 1};
    assert_int_equal(ct_blas_syev_f64(2, bad, 2, w), CT_ENUMERIC);
    ct_assert_ok(ct_blas_syev_f64(0, NULL, 0, NULL), NULL);
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "--ask") == 0)
        return answer(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_when_it_is_not_loaded),
        cmocka_unit_test(test_loads_a_core_as_good_as_the_processor),
        cmocka_unit_test(test_mends_a_wrong_choice),
        cmocka_unit_test(test_leaves_the_users_choice),
        cmocka_unit_test(test_leaves_a_library_the_program_holds),
        cmocka_unit_test(test_opens_once_from_many_threads),
        cmocka_unit_test(test_gemm),
        cmocka_unit_test(test_syrk),
        cmocka_unit_test(test_dimensions_beyond_blas),
        cmocka_unit_test(test_cholesky),
        cmocka_unit_test(test_cholesky_of_an_indefinite_matrix),
        cmocka_unit_test(test_eigenvalues),
    };
    return cmocka_run_group_tests(tests, need_openblas, NULL);
}
