// SPDX-License-Identifier: MIT
/* What choosing and rounding entries of a client's difference costs, against the obvious way: a
 * full sort, a shuffle of all positions, one random number and frexp an entry, all eigenpairs. A
 * pattern of the size of a client's of w8a (142 clients, k = 8 d), values of many magnitudes, a
 * different client at every call. Both sides take turns in one run, and each call is timed alone,
 * its difference fresh in the cache; medians. One JSON object a line; ratio > 1 says that we are
 * faster. Usage: bench_compress [COMPRESSOR] */
#include "bench_median.h"

#include "compress.h"

#include <ctrain/blas.h>
#include <ctrain/kernels.h>
#include <ctrain/rng.h>
#include <ctrain/timer.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { D = 301, ACTIVE = 228, N = D * (D + 1) / 2, K = 8 * D, CALLS = 301, CLIENTS = 8 };

typedef struct entry {
    double magnitude;
    uint32_t slot;
} entry;

static fednl__pattern pattern;
static uint32_t position[N], diagonal[D];
static double fresh[CLIENTS][N], difference[N], value[N];
static entry entries[N];
static uint32_t order[N], slots[N];
static bool chosen[N];
static double matrix[ACTIVE * ACTIVE], spectrum[ACTIVE];

/* Columns that many rows have come first and meet often; sparse: as w8a's. */
static void make_pattern(bool whole)
{
    ct_rng rng;
    ct_rng_init(&rng, 1, CT_RNG_USER, 0, 0);
    pattern = (fednl__pattern){.position = position, .diagonal = diagonal, .active = ACTIVE};
    for (size_t col = 0; col < ACTIVE; col++)
        for (size_t row = 0; row <= col; row++) {
            double meet = 520.0 / (double)((row + 1) * (col + 1)) + 0.24;
            if (row == col)
                diagonal[pattern.n_diagonal++] = (uint32_t)pattern.n;
            else if (!whole && ct_rng_uniform(&rng) > meet)
                continue;
            position[pattern.n++] = (uint32_t)fednl__position(row, col);
        }
    for (size_t client = 0; client < CLIENTS; client++)
        for (size_t i = 0; i < pattern.n; i++)
            fresh[client][i] = ct_rng_normal(&rng) * exp(0.3 * ct_rng_normal(&rng));
}

/* For Rank-R, whose work depends on the eigenvalues: sum w a a^T of sparse rows a, as a difference
 * of Hessians is. */
static void make_rows(void)
{
    enum { ROWS = 350, NONZEROS = 12 };
    ct_rng rng;
    ct_rng_init(&rng, 2, CT_RNG_USER, 0, 0);
    memset(fresh, 0, sizeof fresh);
    for (size_t client = 0; client < CLIENTS; client++)
        for (size_t row = 0; row < ROWS; row++) {
            size_t col[NONZEROS] = {0}; // the first is the intercept
            double weight = 0.25 / ROWS * ct_rng_uniform(&rng);
            for (size_t i = 1; i < NONZEROS; i++)
                col[i] = (size_t)(ACTIVE * pow(ct_rng_uniform(&rng), 1.5));
            for (size_t i = 0; i < NONZEROS; i++)
                for (size_t j = 0; j < NONZEROS; j++)
                    if (col[i] <= col[j])
                        fresh[client][fednl__position(col[i], col[j])] -= weight;
        }
}

/* ---- the obvious ways ---- */

static int by_magnitude(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->magnitude != y->magnitude)
        return x->magnitude > y->magnitude ? -1 : 1;
    return x->slot < y->slot ? -1 : 1;
}

static int by_slot(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void take(size_t n, double scale)
{
    for (size_t i = 0; i < n; i++) {
        value[i] = difference[slots[i]];
        difference[slots[i]] -= scale * value[i];
    }
}

static void sort_entries(void)
{
    for (size_t i = 0; i < pattern.n; i++)
        entries[i] = (entry){fabs(difference[i]), (uint32_t)i};
    qsort(entries, pattern.n, sizeof *entries, by_magnitude);
}

static void take_first(size_t n)
{
    for (size_t i = 0; i < n; i++)
        slots[i] = entries[i].slot;
    qsort(slots, n, sizeof *slots, by_slot);
    take(n, 1.0);
}

static void obvious_top_k(ct_rng *rng)
{
    (void)rng;
    sort_entries();
    take_first(K);
}

static void obvious_top_lek(ct_rng *rng)
{
    double whole = 0.0, sent = 0.0;
    sort_entries();
    for (size_t i = 0; i < pattern.n; i++)
        whole += 2.0 * difference[i] * difference[i];
    for (size_t c = 0; c < pattern.n_diagonal; c++)
        whole -= difference[diagonal[c]] * difference[diagonal[c]];
    size_t s = 0;
    for (; s < K; s++) {
        const entry *e = &entries[s];
        bool on = bsearch(&e->slot, diagonal, pattern.n_diagonal, sizeof *diagonal, by_slot);
        double part = (on ? 1.0 : 2.0) * e->magnitude * e->magnitude;
        if (sent + part > whole * K / N) {
            s += ct_rng_uniform(rng) < (whole * K / N - sent) / part;
            break;
        }
        sent += part;
    }
    take_first(s);
}

static void take_marked(void)
{
    size_t n = 0;
    for (size_t i = 0; i < pattern.n; i++)
        if (chosen[position[i]])
            slots[n++] = (uint32_t)i;
    take(n, 1.0);
    memset(chosen, 0, sizeof chosen);
}

static void obvious_rand_k(ct_rng *rng)
{
    for (uint32_t i = 0; i < N; i++)
        order[i] = i;
    for (size_t i = 0; i < K; i++) {
        size_t j = i + (size_t)ct_rng_below(rng, N - i);
        uint32_t drawn = order[j];
        order[j] = order[i];
        chosen[drawn] = true;
    }
    take_marked();
}

static void obvious_rand_seq_k(ct_rng *rng)
{
    size_t start = (size_t)ct_rng_below(rng, N);
    for (size_t i = 0; i < K; i++)
        chosen[(start + i) % N] = true;
    take_marked();
}

static void obvious_natural(ct_rng *rng)
{
    for (size_t i = 0; i < pattern.n; i++) {
        int exponent;
        double m = 2.0 * frexp(fabs(difference[i]), &exponent) - 1.0;
        bool up = ct_rng_uniform(rng) < m;
        value[i] = copysign(ldexp(1.0, exponent - 1 + up), difference[i]);
        difference[i] -= 8.0 / 9.0 * value[i];
    }
}

static void obvious_rank(ct_rng *rng)
{
    (void)rng;
    for (size_t col = 0; col < ACTIVE; col++)
        memcpy(matrix + col * ACTIVE, difference + fednl__position(0, col),
               (col + 1) * sizeof *matrix);
    if (ct_blas_syev_f64(ACTIVE, matrix, ACTIVE, spectrum) != CT_OK)
        return;
    bool last = fabs(spectrum[ACTIVE - 1]) >= fabs(spectrum[0]);
    const double *u = matrix + (last ? (ACTIVE - 1) * ACTIVE : 0);
    double eigenvalue = last ? spectrum[ACTIVE - 1] : spectrum[0];
    for (size_t col = 0; col < ACTIVE; col++)
        for (size_t row = 0; row <= col; row++)
            difference[fednl__position(row, col)] -= eigenvalue * u[row] * u[col];
}

/* ---- taking turns ---- */

static int bench(fednl_compressor kind, void (*obvious)(ct_rng *))
{
    fednl__compressor compressor = {.kind = kind, .dimension = D, .triangle = N, .k = K, .rank = 1};
    compressor.alpha = fednl__compressor_alpha(kind, K, N);
    make_pattern(kind == FEDNL_COMPRESSOR_RANKR);
    if (kind == FEDNL_COMPRESSOR_RANKR)
        make_rows();
    fednl__compress_work *work;
    if (fednl__compress_work_create(&work, &compressor, pattern.n, ACTIVE) != CT_OK)
        return 1;
    static double us[2][CALLS];
    fednl__update update = {0};
    int failed = 0;
    for (uint32_t call = 0; call < CALLS; call++) {
        ct_rng rng;
        ct_rng_init(&rng, 1, CT_RNG_COMPRESSOR, call, 0);
        memcpy(difference, fresh[call % CLIENTS], pattern.n * sizeof *difference);
        double start = ct_time_s();
        obvious(&rng);
        us[0][call] = 1e6 * (ct_time_s() - start);
        memcpy(difference, fresh[call % CLIENTS], pattern.n * sizeof *difference);
        start = ct_time_s();
        failed |= fednl__compress(&compressor, &pattern, call, 0, difference, work, &update);
        us[1][call] = 1e6 * (ct_time_s() - start);
    }
    double theirs = bench_median(us[0], CALLS), ours = bench_median(us[1], CALLS);
    printf("{\"bench\":\"compress\",\"compressor\":\"%s\",\"pattern\":%zu,\"triangle\":%d,\"k\":%d,"
           "\"entries\":%zu,\"table\":\"%s\",\"ours_us\":%.2f,\"obvious_us\":%.2f,"
           "\"ratio\":%.2f}\n",
           fednl_compressor_name(kind), pattern.n, N, K, update.n, ct_kernels_get()->name, ours,
           theirs, theirs / ours);
    fednl__compress_work_destroy(work);
    return failed != 0;
}

int main(int argc, char **argv)
{
    static const struct {
        fednl_compressor kind;
        void (*obvious)(ct_rng *);
    } sides[] = {
        {FEDNL_COMPRESSOR_TOPK, obvious_top_k},
        {FEDNL_COMPRESSOR_TOPLEK, obvious_top_lek},
        {FEDNL_COMPRESSOR_RANDK, obvious_rand_k},
        {FEDNL_COMPRESSOR_RANDSEQK, obvious_rand_seq_k},
        {FEDNL_COMPRESSOR_NATURAL, obvious_natural},
        {FEDNL_COMPRESSOR_RANKR, obvious_rank},
    };
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        if (argc < 2 || strcmp(argv[1], fednl_compressor_name(sides[i].kind)) == 0)
            if (bench(sides[i].kind, sides[i].obvious) != 0) {
                fprintf(stderr, "bench_compress: %s fails\n", fednl_compressor_name(sides[i].kind));
                return 1;
            }
    return 0;
}
