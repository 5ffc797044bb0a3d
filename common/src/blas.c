// SPDX-License-Identifier: MIT
/* OpenBLAS, loaded with dlopen at first use. Two parts: the loading, with the choice of the core
 * (OpenBLAS reads OPENBLAS_CORETYPE once, when it is loaded, so a wrong choice is mended by
 * unloading it and loading it again), and the calls. What is row-major here is column-major and
 * transposed there: our lower triangle is LAPACK's upper one. */
#include <ctrain/blas.h>

#include <dlfcn.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ctrain/cpu.h>

#include "blas_load.h"

// From the C interface of BLAS; Debian's OpenBLAS has 32-bit integers.
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112, LOWER = 122 };

// LAPACK is Fortran: everything by address, the lengths of texts at the end.
struct api {
    void *library;
    char *(*get_config)(void);
    char *(*get_corename)(void);
    void (*sgemm)(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a,
                  int lda, const float *b, int ldb, float beta, float *c, int ldc);
    void (*dgemm)(int order, int ta, int tb, int m, int n, int k, double alpha, const double *a,
                  int lda, const double *b, int ldb, double beta, double *c, int ldc);
    void (*dsyrk)(int order, int uplo, int trans, int n, int k, double alpha, const double *a,
                  int lda, double beta, double *c, int ldc);
    void (*dpotrf)(const char *uplo, const int *n, double *a, const int *lda, int *info,
                   size_t uplo_length);
    void (*dpotrs)(const char *uplo, const int *n, const int *nrhs, const double *a, const int *lda,
                   double *b, const int *ldb, int *info, size_t uplo_length);
    void (*dsyevd)(const char *jobz, const char *uplo, const int *n, double *a, const int *lda,
                   double *w, double *work, const int *lwork, int *iwork, const int *liwork,
                   int *info, size_t jobz_length, size_t uplo_length);
};

static const char library_name[] = "libopenblas.so.0";
static struct api blas;
static char description[128] = "not loaded";
static atomic_bool is_open;
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
size_t ct__blas_too_large = (size_t)INT_MAX + 1;

// A variable of the environment, changed for a while.
struct env_change {
    const char *name;
    char *old; // NULL: was not set
    bool active;
};

static bool env_set(struct env_change *change, const char *name, const char *value)
{
    const char *old = getenv(name);
    *change = (struct env_change){.name = name};
    if (old != NULL && (change->old = strdup(old)) == NULL)
        return false;
    change->active = setenv(name, value, 1) == 0;
    return change->active;
}

static void env_restore(struct env_change *change)
{
    if (change->active && change->old != NULL)
        setenv(change->name, change->old, 1);
    else if (change->active)
        unsetenv(change->name);
    free(change->old);
}

/* An object pointer from dlsym into a function pointer, as POSIX has it. */
static bool find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static bool find_all(struct api *api)
{
    void *library = api->library;
    return find(library, "openblas_get_config", &api->get_config) &&
           find(library, "openblas_get_corename", &api->get_corename) &&
           find(library, "cblas_sgemm", &api->sgemm) && find(library, "cblas_dgemm", &api->dgemm) &&
           find(library, "cblas_dsyrk", &api->dsyrk) && find(library, "dpotrf_", &api->dpotrf) &&
           find(library, "dpotrs_", &api->dpotrs) && find(library, "dsyevd_", &api->dsyevd);
}

/* Load the library with the given core; core = NULL leaves the choice to it. It starts no threads
 * unless OPENBLAS_NUM_THREADS asks for them. */
static ct_status load(struct api *api, const char *core, ct_diag *diag)
{
    struct env_change threads = {0}, coretype = {0};
    bool ready = true;
    *api = (struct api){0};
    if (getenv("OPENBLAS_NUM_THREADS") == NULL)
        ready = env_set(&threads, "OPENBLAS_NUM_THREADS", "1");
    if (ready && core != NULL)
        ready = env_set(&coretype, "OPENBLAS_CORETYPE", core);
    if (ready)
        api->library = dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
    env_restore(&coretype);
    env_restore(&threads);
    if (!ready)
        return ct_fail(diag, CT_ENOMEM, "no memory to load %s", library_name);
    if (api->library == NULL)
        return ct_fail(diag, CT_EUNSUPPORTED,
                       "cannot load OpenBLAS: %s (Debian: apt-get install libopenblas0-pthread)",
                       dlerror());
    if (!find_all(api)) {
        dlclose(api->library);
        return ct_fail(diag, CT_EUNSUPPORTED,
                       "%s lacks functions of OpenBLAS (Debian: apt-get install "
                       "libopenblas0-pthread)",
                       library_name);
    }
    return CT_OK;
}

static bool is_loaded(void)
{
    void *library = dlopen(library_name, RTLD_NOW | RTLD_NOLOAD);
    if (library != NULL)
        dlclose(library);
    return library != NULL;
}

/* The instruction set a core of OpenBLAS is written for. A name that is not listed is newer than
 * this list, and good. */
static ct_simd core_simd(const char *core)
{
    static const char *const avx2[] = {"Haswell", "Zen"};
    static const char *const older[] = {
        "Katmai",  "Coppermine",  "Northwood", "Prescott",     "Banias",     "Core2",
        "Penryn",  "Dunnington",  "Atom",      "Nano",         "Athlon",     "Opteron",
        "Bobcat",  "Barcelona",   "Nehalem",   "Bulldozer",    "Excavator",  "Piledriver",
        "Generic", "Steamroller", "Unknown",   "Opteron_SSE3", "Sandybridge"};
    for (size_t i = 0; i < sizeof avx2 / sizeof *avx2; i++)
        if (strcmp(core, avx2[i]) == 0)
            return CT_SIMD_AVX2;
    for (size_t i = 0; i < sizeof older / sizeof *older; i++)
        if (strcmp(core, older[i]) == 0)
            return CT_SIMD_SCALAR;
    return CT_SIMD_AVX512;
}

/* Load again with a core worthy of this processor where the first choice was not; a build without
 * it gets the next lower one. */
static ct_status mend_core(struct api *api, ct_diag *diag)
{
    static const char *const best[] = {[CT_SIMD_AVX2] = "Haswell", [CT_SIMD_AVX512] = "SkylakeX"};
    bool choice = strstr(api->get_config(), "DYNAMIC_ARCH") != NULL;
    ct_simd simd = ct_cpu_simd();
    for (; choice && simd > core_simd(api->get_corename()); simd--) {
        dlclose(api->library);
        if (is_loaded()) // somebody else holds it: the core stays
            return load(api, NULL, diag);
        CT_TRY(load(api, best[simd], diag));
    }
    return CT_OK;
}

static void describe(const struct api *api)
{
    char version[64] = "OpenBLAS";
    const char *config = api->get_config(); // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH …"
    if (sscanf(config, "OpenBLAS %31s", version + 9) == 1)
        version[8] = ' ';
    snprintf(description, sizeof description, "%s, core %s", version, api->get_corename());
}

static ct_status open_locked(const char *first_core, ct_diag *diag)
{
    struct api api;
    bool may_choose = getenv("OPENBLAS_CORETYPE") == NULL && !is_loaded();
    CT_TRY(load(&api, first_core, diag));
    if (may_choose)
        CT_TRY(mend_core(&api, diag));
    blas = api;
    describe(&api);
    atomic_store_explicit(&is_open, true, memory_order_release);
    return CT_OK;
}

ct_status ct__blas_open_from(const char *first_core, ct_diag *diag)
{
    ct_status status = CT_OK;
    if (atomic_load_explicit(&is_open, memory_order_acquire))
        return CT_OK;
    pthread_mutex_lock(&open_lock);
    if (!atomic_load_explicit(&is_open, memory_order_relaxed))
        status = open_locked(first_core, diag);
    pthread_mutex_unlock(&open_lock);
    return status;
}

ct_status ct_blas_open(ct_diag *diag)
{
    return ct__blas_open_from(NULL, diag);
}

const char *ct_blas_description(void)
{
    return atomic_load_explicit(&is_open, memory_order_acquire) ? description : "not loaded";
}

/* Every dimension fits the integers of BLAS. */
static bool fits(size_t m, size_t n, size_t k, size_t lda, size_t ldb, size_t ldc)
{
    const size_t end = ct__blas_too_large;
    return m < end && n < end && k < end && lda < end && ldb < end && ldc < end;
}

/* BLAS wants ld >= 1 even where there is nothing to read. */
static int ld_of(size_t ld)
{
    return ld > 0 ? (int)ld : 1;
}

static int trans_of(int t)
{
    return t ? TRANS : NO_TRANS;
}

/* The product by its definition, for dimensions beyond 2^31. */
#define PLAIN_GEMM(name, T)                                                                        \
    static void name(int ta, int tb, size_t m, size_t n, size_t k, T alpha, const T *a,            \
                     size_t lda, const T *b, size_t ldb, T beta, T *c, size_t ldc)                 \
    {                                                                                              \
        for (size_t i = 0; i < m; i++) {                                                           \
            for (size_t j = 0; j < n; j++) {                                                       \
                T s = 0;                                                                           \
                for (size_t p = 0; p < k; p++)                                                     \
                    s += (ta ? a[p * lda + i] : a[i * lda + p]) *                                  \
                         (tb ? b[j * ldb + p] : b[p * ldb + j]);                                   \
                c[i * ldc + j] = alpha * s + (beta == 0 ? 0 : beta * c[i * ldc + j]);              \
            }                                                                                      \
        }                                                                                          \
    }
PLAIN_GEMM(plain_gemm_f32, float)
PLAIN_GEMM(plain_gemm_f64, double)

void ct_blas_gemm_f32(int ta, int tb, size_t m, size_t n, size_t k, float alpha, const float *a,
                      size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc)
{
    if (!fits(m, n, k, lda, ldb, ldc))
        plain_gemm_f32(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    else if (m > 0 && n > 0)
        blas.sgemm(ROW_MAJOR, trans_of(ta), trans_of(tb), (int)m, (int)n, (int)k, alpha, a,
                   ld_of(lda), b, ld_of(ldb), beta, c, ld_of(ldc));
}

void ct_blas_gemm_f64(int ta, int tb, size_t m, size_t n, size_t k, double alpha, const double *a,
                      size_t lda, const double *b, size_t ldb, double beta, double *c, size_t ldc)
{
    if (!fits(m, n, k, lda, ldb, ldc))
        plain_gemm_f64(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    else if (m > 0 && n > 0)
        blas.dgemm(ROW_MAJOR, trans_of(ta), trans_of(tb), (int)m, (int)n, (int)k, alpha, a,
                   ld_of(lda), b, ld_of(ldb), beta, c, ld_of(ldc));
}

void ct_blas_syrk_f64(int ta, size_t n, size_t k, double alpha, const double *a, size_t lda,
                      double beta, double *c, size_t ldc)
{
    if (fits(0, n, k, lda, 0, ldc)) {
        if (n > 0)
            blas.dsyrk(ROW_MAJOR, LOWER, trans_of(ta), (int)n, (int)k, alpha, a, ld_of(lda), beta,
                       c, ld_of(ldc));
        return;
    }
    for (size_t i = 0; i < n; i++) { // row i of the triangle is a product of its own
        const double *ai = ta ? a + i : a + i * lda;
        plain_gemm_f64(ta, !ta, 1, i + 1, k, alpha, ai, lda, a, lda, beta, c + i * ldc, ldc);
    }
}

ct_status ct_blas_potrf_f64(size_t n, double *a, size_t lda)
{
    if (!fits(0, n, 0, lda, 0, 0))
        return CT_ERANGE;
    int info = 0, order = (int)n, ld = ld_of(lda);
    if (n > 0)
        blas.dpotrf("U", &order, a, &ld, &info, 1);
    // OpenBLAS lets a NaN pass its test for a positive pivot.
    for (size_t i = 0; i < n && info == 0; i++)
        if (!isfinite(a[i * lda + i]))
            return CT_ENUMERIC;
    return info == 0 ? CT_OK : CT_ENUMERIC;
}

void ct_blas_potrs_f64(size_t n, const double *l, size_t ldl, double *b)
{
    int info = 0, order = (int)n, one = 1, ld = ld_of(ldl), ldb = n > 0 ? (int)n : 1;
    if (n > 0)
        blas.dpotrs("U", &order, &one, l, &ld, b, &ldb, &info, 1);
}

static bool lower_is_finite(size_t n, const double *a, size_t lda)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            if (!isfinite(a[i * lda + j]))
                return false;
    return true;
}

ct_status ct_blas_syev_f64(size_t n, double *a, size_t lda, double *w)
{
    if (!fits(0, n, 0, lda, 0, 0))
        return CT_ERANGE;
    if (!lower_is_finite(n, a, lda))
        return CT_ENUMERIC; // LAPACK's iteration would not end well
    if (n == 0)
        return CT_OK;
    int info = 0, order = (int)n, ld = (int)lda, size = -1, iwork_size = 0;
    double work_size = 0;
    blas.dsyevd("V", "U", &order, a, &ld, w, &work_size, &size, &iwork_size, &size, &info, 1, 1);
    if (work_size >= INT_MAX)
        return CT_ERANGE; // its size counts in 32 bits: n up to about 32,000
    size = (int)work_size;
    double *work = malloc((size_t)size * sizeof *work);
    int *iwork = malloc((size_t)iwork_size * sizeof *iwork);
    if (work != NULL && iwork != NULL)
        blas.dsyevd("V", "U", &order, a, &ld, w, work, &size, iwork, &iwork_size, &info, 1, 1);
    ct_status status = work == NULL || iwork == NULL ? CT_ENOMEM : info == 0 ? CT_OK : CT_ENUMERIC;
    free(work);
    free(iwork);
    return status;
}
