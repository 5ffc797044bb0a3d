// SPDX-License-Identifier: MIT
/* Compressors of a client's difference D: which there are, their constants, room for them, and what
 * every one ends with: values are copied out, and what was sent is taken off D. How entries are
 * chosen: ctrain/select.h (TopK), top_lek.c, draw.c (RandK, RandSeqK); Natural and rank.c change
 * values instead. */
#include "compress_kernels.h"
#include "compress_private.h"

#include <ctrain/blas.h>
#include <ctrain/natural.h>
#include <stdlib.h>

bool fednl__compressor_unbiased(fednl_compressor kind)
{
    return kind == FEDNL_COMPRESSOR_RANDK || kind == FEDNL_COMPRESSOR_RANDSEQK ||
           kind == FEDNL_COMPRESSOR_NATURAL;
}

static bool draws_entries(fednl_compressor kind)
{
    return kind == FEDNL_COMPRESSOR_RANDK || kind == FEDNL_COMPRESSOR_RANDSEQK;
}

double fednl__compressor_alpha(fednl_compressor kind, size_t k, size_t triangle)
{
    if (draws_entries(kind)) // omega = N/k - 1
        return (double)k / (double)triangle;
    return kind == FEDNL_COMPRESSOR_NATURAL ? 1.0 / (1.0 / 8.0 + 1.0) : 1.0;
}

double fednl__compressor_scale(const fednl__compressor *compressor)
{
    if (!draws_entries(compressor->kind))
        return compressor->alpha;
    return compressor->alpha / ((double)compressor->k / (double)compressor->triangle);
}

/* ---- room ---- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void lay_out_rank(fednl__compress_work *work, size_t rank, size_t active)
{
    ct_arena *a = &work->memory;
    size_t steps = fednl__lanczos_steps(rank, active);
    work->matrix = ct_arena_calloc(a, active, active * sizeof(double));
    work->spectrum = ct_arena_array(a, double, active);
    work->eigenvalue = ct_arena_array(a, double, rank);
    work->vector = ct_arena_calloc(a, rank, active * sizeof(double));
    work->basis = ct_arena_calloc(a, steps + 1, active * sizeof(double));
    work->on_diagonal = ct_arena_array(a, double, steps);
    work->off_diagonal = ct_arena_array(a, double, steps);
}

static void lay_out(fednl__compress_work *work, const fednl__compressor *compressor, size_t n,
                    size_t active)
{
    ct_arena *a = &work->memory;
    const fednl_compressor kind = compressor->kind;
    size_t chosen = smaller(n, compressor->k);
    if (kind == FEDNL_COMPRESSOR_NATURAL || kind == FEDNL_COMPRESSOR_RANKR) {
        work->value = ct_arena_array(a, double, n);
    } else {
        work->slot = ct_arena_array(a, uint32_t, chosen + 1);
        work->index = ct_arena_array(a, uint32_t, chosen + 1);
        work->value = ct_arena_array(a, double, chosen);
    }
    if (kind == FEDNL_COMPRESSOR_TOPK || kind == FEDNL_COMPRESSOR_TOPLEK)
        work->keys = ct_arena_array(a, uint64_t, n);
    if (kind == FEDNL_COMPRESSOR_TOPLEK)
        work->square = ct_arena_array(a, double, n);
    if (kind == FEDNL_COMPRESSOR_RANDK)
        work->drawn = ct_arena_array(a, uint64_t, compressor->triangle / 64 + 1);
    if (kind == FEDNL_COMPRESSOR_RANKR)
        lay_out_rank(work, fednl__rank_of(compressor, active), active);
}

ct_status fednl__compress_work_create(fednl__compress_work **out,
                                      const fednl__compressor *compressor, size_t n, size_t active)
{
    *out = NULL;
    if (compressor->kind == FEDNL_COMPRESSOR_RANKR)
        CT_TRY(ct_blas_open(NULL));
    fednl__compress_work *work = calloc(1, sizeof *work);
    if (work == NULL)
        return CT_ENOMEM;
    ct_arena_init_measuring(&work->memory);
    lay_out(work, compressor, n, active);
    ct_status status = work->memory.failed
                           ? CT_ENOMEM
                           : ct_arena_init(&work->memory, ct_arena_high_water(&work->memory));
    if (status != CT_OK) {
        free(work);
        return status;
    }
    lay_out(work, compressor, n, active);
    *out = work;
    return CT_OK;
}

void fednl__compress_work_destroy(fednl__compress_work *work)
{
    if (work == NULL)
        return;
    ct_arena_clear(&work->memory);
    free(work);
}

/* ---- one compression ---- */

void fednl__update_apply(const fednl__update *update, double *estimate)
{
    if (update->slot == NULL) {
        for (size_t i = 0; i < update->n; i++)
            estimate[i] += update->scale * update->value[i];
    } else {
        for (size_t i = 0; i < update->n; i++)
            estimate[update->slot[i]] += update->scale * update->value[i];
    }
}

/* The update of the n entries of difference listed in work->slot. */
static void take_chosen(fednl__update *update, size_t n, const fednl__pattern *pattern,
                        double *difference, fednl__compress_work *work)
{
    double scale = update->scale;
    for (size_t i = 0; i < n; i++) {
        uint32_t slot = work->slot[i];
        double value = difference[slot];
        work->value[i] = value;
        work->index[i] = pattern->position[slot];
        difference[slot] = value - scale * value;
    }
    update->n = n;
    update->slot = work->slot;
    update->index = work->index;
    update->value = work->value;
}

/* The update of all entries, whose values are in work->value. */
static void take_all(fednl__update *update, const fednl__pattern *pattern,
                     const fednl__compress_work *work)
{
    update->n = pattern->n;
    update->index = pattern->position;
    update->value = work->value;
}

/* Natural: value (n) = v (n) rounded at random to powers of two, v -= scale value; a block at a
 * time while it is in the cache. */
static void round_to_powers(ct_rng *rng, double *v, double *value, size_t n, double scale)
{
    enum { BLOCK = 1024 };
    for (size_t begin = 0; begin < n; begin += BLOCK) {
        size_t count = smaller(n - begin, BLOCK);
        ct_natural_f64(rng, value + begin, v + begin, count);
        fednl__compress_kernels_get()->subtract(v + begin, value + begin, count, scale);
    }
}

ct_status fednl__compress(const fednl__compressor *compressor, const fednl__pattern *pattern,
                          uint32_t client, uint32_t round, double *difference,
                          fednl__compress_work *work, fednl__update *update)
{
    *update = (fednl__update){.scale = fednl__compressor_scale(compressor)};
    ct_rng rng;
    fednl__compressor_stream(&rng, compressor, client, round);
    size_t n = 0;
    switch (compressor->kind) {
    case FEDNL_COMPRESSOR_TOPK:
        n = ct_top_k_f64(difference, pattern->n, compressor->k, work->keys, work->slot);
        break;
    case FEDNL_COMPRESSOR_TOPLEK:
        n = fednl__top_lek(compressor, pattern, &rng, difference, work);
        break;
    case FEDNL_COMPRESSOR_RANDK:
    case FEDNL_COMPRESSOR_RANDSEQK:
        n = fednl__draw(compressor, client, round, pattern->position, pattern->n, work, work->slot,
                        NULL);
        break;
    case FEDNL_COMPRESSOR_NATURAL:
        round_to_powers(&rng, difference, work->value, pattern->n, update->scale);
        take_all(update, pattern, work);
        return CT_OK;
    case FEDNL_COMPRESSOR_RANKR:
        CT_TRY(fednl__rank(compressor, pattern->active, &rng, difference, work));
        take_all(update, pattern, work);
        update->rank = fednl__rank_of(compressor, pattern->active);
        update->eigenvalue = work->eigenvalue;
        update->vector = work->vector;
        return CT_OK;
    case FEDNL_COMPRESSOR_IDENTITY:
        break;
    }
    take_chosen(update, n, pattern, difference, work);
    return CT_OK;
}
