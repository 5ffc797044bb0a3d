// SPDX-License-Identifier: MIT
/* Rank-R: the R eigenpairs of D that are largest in magnitude, on the active columns, where D is
 * not zero. Those pairs alone where that goes well (rank_lanczos.c), else the largest of all. */
#include "compress_kernels.h"
#include "compress_private.h"

#include <ctrain/blas.h>
#include <math.h>

size_t fednl__rank_of(const fednl__compressor *compressor, size_t active)
{
    return compressor->rank < active ? compressor->rank : active;
}

void fednl__expand_rank(size_t rank, size_t active, const double *eigenvalue, const double *vector,
                        double *value)
{
    memset(value, 0, active * (active + 1) / 2 * sizeof *value);
    for (size_t col = 0; col < active; col++) {
        for (size_t r = 0; r < rank; r++) {
            const double *u = vector + r * active;
            double factor = eigenvalue[r] * u[col];
            for (size_t row = 0; row <= col; row++)
                value[row] += factor * u[row];
        }
        value += col + 1;
    }
}

size_t fednl__next_largest(const double *spectrum, size_t *low, size_t *high)
{
    bool from_above = fabs(spectrum[*high - 1]) >= fabs(spectrum[*low]);
    return from_above ? --*high : (*low)++;
}

/* The lower triangle, row by row, is the upper one, column by column. */
static void unpack(double *matrix, const double *v, size_t active)
{
    for (size_t col = 0; col < active; col++)
        memcpy(matrix + col * active, v + fednl__position(0, col), (col + 1) * sizeof *v);
}

static ct_status solve_for_all(size_t rank, size_t active, const double *v,
                               fednl__compress_work *work)
{
    unpack(work->matrix, v, active);
    CT_TRY(ct_blas_syev_f64(active, work->matrix, active, work->spectrum));
    size_t low = 0, high = active;
    for (size_t r = 0; r < rank; r++) {
        size_t i = fednl__next_largest(work->spectrum, &low, &high);
        work->eigenvalue[r] = work->spectrum[i];
        memcpy(work->vector + r * active, work->matrix + i * active, active * sizeof(double));
    }
    return CT_OK;
}

ct_status fednl__rank(const fednl__compressor *compressor, size_t active, ct_rng *rng, double *v,
                      fednl__compress_work *work)
{
    size_t rank = fednl__rank_of(compressor, active);
    if (rank == 0)
        return CT_OK;
    if (!fednl__lanczos(rank, active, v, rng, work))
        CT_TRY(solve_for_all(rank, active, v, work));
    fednl__expand_rank(rank, active, work->eigenvalue, work->vector, work->value);
    fednl__compress_kernels_get()->subtract(v, work->value, active * (active + 1) / 2,
                                            fednl__compressor_scale(compressor));
    return CT_OK;
}
