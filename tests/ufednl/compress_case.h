// SPDX-License-Identifier: MIT
/* Differences on random patterns for tests of compressors, and one compression of them, of which
 * everything is checked that must hold for every compressor. */
#ifndef COMPRESS_CASE_H
#define COMPRESS_CASE_H

#include "ct_test.h"

#include "compress.h"

#include <ctrain/rng.h>
#include <math.h>
#include <string.h>

enum { MOST_COLUMNS = 50, MOST_ENTRIES = MOST_COLUMNS * (MOST_COLUMNS + 1) / 2 };

typedef struct compress_case {
    size_t dimension, triangle;
    fednl__pattern pattern;
    uint32_t position[MOST_ENTRIES], diagonal[MOST_COLUMNS];
    bool on_diagonal[MOST_ENTRIES]; // of the triangle
    double value[MOST_ENTRIES];     // D on the pattern
    double dense[MOST_ENTRIES];     // and on the triangle
} compress_case;

/* What became of it, on the triangle. */
typedef struct compressed {
    fednl__update update; // its arrays are gone
    double scale;
    double c[MOST_ENTRIES];     // C(D) for alpha = 1: unbiased, or the chosen entries
    double after[MOST_ENTRIES]; // D - alpha C(D)
    size_t n;
    uint32_t index[MOST_ENTRIES]; // (n)
} compressed;

static inline ct_rng case_stream(uint64_t seed)
{
    ct_rng rng;
    ct_rng_init(&rng, seed, CT_RNG_USER, 0, 0);
    return rng;
}

/* Columns are active with probability `active`, pairs of them meet with probability `density`. */
static inline void case_init(compress_case *c, size_t dimension, double active, double density,
                             uint64_t seed)
{
    memset(c, 0, sizeof *c);
    c->dimension = dimension;
    c->triangle = dimension * (dimension + 1) / 2;
    ct_rng rng = case_stream(seed);
    bool is_active[MOST_COLUMNS];
    for (size_t col = 0; col < dimension; col++) {
        is_active[col] = ct_rng_uniform(&rng) < active;
        for (size_t row = 0; row <= col; row++) {
            size_t position = fednl__position(row, col);
            c->on_diagonal[position] = row == col;
            if (!is_active[col] || !is_active[row])
                continue;
            if (row == col)
                c->diagonal[c->pattern.active++] = (uint32_t)c->pattern.n;
            else if (!(ct_rng_uniform(&rng) < density))
                continue;
            c->position[c->pattern.n++] = (uint32_t)position;
        }
    }
    c->pattern.n_diagonal = c->pattern.active;
    c->pattern.position = c->position;
    c->pattern.diagonal = c->diagonal;
}

/* To be called when value has been set. */
static inline void case_spread(compress_case *c)
{
    memset(c->dense, 0, sizeof c->dense);
    for (size_t i = 0; i < c->pattern.n; i++)
        c->dense[c->position[i]] = c->value[i];
}

static inline void case_fill_normal(compress_case *c, uint64_t seed)
{
    ct_rng rng = case_stream(seed);
    ct_rng_fill_normal_f64(&rng, c->value, c->pattern.n, 0.0, 1.0);
    case_spread(c);
}

static inline fednl__compressor case_compressor(const compress_case *c, fednl_compressor kind,
                                                size_t k)
{
    return (fednl__compressor){
        .kind = kind,
        .dimension = c->dimension,
        .triangle = c->triangle,
        .k = k,
        .rank = 1,
        .alpha = fednl__compressor_alpha(kind, k, c->triangle),
        .seed = 7,
    };
}

static inline double entry_weight(const compress_case *c, size_t position)
{
    return c->on_diagonal[position] ? 1.0 : 2.0;
}

/* ||x - y||_F^2 of symmetric matrices given by their triangles; y NULL: ||x||_F^2. */
static inline double distance_squared(const compress_case *c, const double *x, const double *y)
{
    double sum = 0.0;
    for (size_t p = 0; p < c->triangle; p++) {
        double difference = y == NULL ? x[p] : x[p] - y[p];
        sum += entry_weight(c, p) * difference * difference;
    }
    return sum;
}

static inline void check_update(const compress_case *c, const fednl__update *u)
{
    for (size_t i = 0; i < u->n; i++) {
        size_t slot = u->slot == NULL ? i : u->slot[i];
        assert_true(slot < c->pattern.n);
        assert_int_equal(u->index[i], c->position[slot]);
        if (i > 0)
            assert_true(u->index[i - 1] < u->index[i]);
    }
    if (u->slot == NULL)
        assert_int_equal(u->n, c->pattern.n);
}

/* Compress with room of its own; the estimate that learns the update and what is left must make up
 * the difference, the latter to the last bit. */
static inline void case_compress(const compress_case *c, const fednl__compressor *compressor,
                                 uint32_t client, uint32_t round, compressed *out)
{
    fednl__compress_work *work;
    ct_assert_ok(fednl__compress_work_create(&work, compressor, c->pattern.n, c->pattern.active),
                 NULL);
    static double difference[MOST_ENTRIES];
    memcpy(difference, c->value, sizeof difference);
    memset(out, 0, sizeof *out);
    fednl__update *u = &out->update;
    ct_assert_ok(fednl__compress(compressor, &c->pattern, client, round, difference, work, u),
                 NULL);
    check_update(c, u);
    assert_true(u->scale == fednl__compressor_scale(compressor));
    out->n = u->n;
    for (size_t i = 0; i < c->pattern.n; i++)
        out->after[c->position[i]] = c->value[i];
    for (size_t i = 0; i < u->n; i++) {
        out->index[i] = u->index[i];
        out->c[u->index[i]] = u->scale / compressor->alpha * u->value[i];
        out->after[u->index[i]] -= u->scale * u->value[i];
    }
    for (size_t i = 0; i < c->pattern.n; i++)
        assert_memory_equal(&difference[i], &out->after[c->position[i]], sizeof(double));
    fednl__compress_work_destroy(work);
}

#endif
