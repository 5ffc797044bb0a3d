// SPDX-License-Identifier: MIT
/* Rank-R: the R eigenpairs of D that are largest in magnitude, on the active columns, where D is
 * not zero. */
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

/* The lower triangle, row by row, is the upper one, column by column. */
static void unpack(double *matrix, const double *v, size_t active)
{
    for (size_t col = 0; col < active; col++)
        memcpy(matrix + col * active, v + fednl__position(0, col), (col + 1) * sizeof *v);
}

/* The rank eigenpairs of largest magnitude; spectrum (a) ascends, row i of matrix belongs to i. */
static void take_largest(fednl__compress_work *work, size_t rank, size_t active)
{
    size_t low = 0, high = active;
    for (size_t r = 0; r < rank; r++) {
        bool from_above = fabs(work->spectrum[high - 1]) >= fabs(work->spectrum[low]);
        size_t i = from_above ? --high : low++;
        work->eigenvalue[r] = work->spectrum[i];
        memcpy(work->vector + r * active, work->matrix + i * active, active * sizeof(double));
    }
}

ct_status fednl__rank(const fednl__compressor *compressor, size_t active, double *v,
                      fednl__compress_work *work)
{
    size_t rank = fednl__rank_of(compressor, active);
    double scale = fednl__compressor_scale(compressor);
    unpack(work->matrix, v, active);
    CT_TRY(ct_blas_syev_f64(active, work->matrix, active, work->spectrum));
    take_largest(work, rank, active);
    fednl__expand_rank(rank, active, work->eigenvalue, work->vector, work->value);
    for (size_t i = 0; i < active * (active + 1) / 2; i++)
        v[i] -= scale * work->value[i];
    return CT_OK;
}
