// SPDX-License-Identifier: MIT
/* What a way of keeping rows must be able to do; rows.c makes everything else of it. A is the
 * matrix of the rows (r, a). */
#ifndef UFEDNL_ROWS_METHODS_H
#define UFEDNL_ROWS_METHODS_H

#include "rows_kernels.h"

/* An entry of a row. */
typedef struct fednl__entry {
    bool any; // false: there are no more
    uint32_t column;
    double value;
    size_t row, at; // where it is kept
} fednl__entry;

struct fednl__rows_ops {
    /* z (r) = A x, x (a) local. */
    void (*multiply)(const fednl__rows *rows, const double *x, double *z);
    /* y (a) = A^T f, y local, f (r). */
    void (*multiply_transposed)(const fednl__rows *rows, const double *f, double *y);
    /* work->x = A^T first, and h (|P|) = A^T diag(second) A on the pattern. */
    void (*differentiate)(const fednl__rows *rows, const fednl__pattern *pattern, fednl__work *work,
                          double *h);
    /* Room for differentiate: triangle and scaled. */
    void (*grow_work)(const fednl__rows *rows, fednl__work_size *size);
    /* The first entry of e->row, and the one after e; columns ascend. */
    void (*first_entry)(const fednl__rows *rows, fednl__entry *e);
    void (*next_entry)(const fednl__rows *rows, fednl__entry *e);
};

extern const fednl__rows_ops fednl__rows_bits, fednl__rows_pairs, fednl__rows_columns,
    fednl__rows_dense;

/* The entries of a row one after the other, however they are kept:
 * for (e = fednl__entry_first(rows, row); e.any; fednl__entry_next(rows, &e)) … */
static inline fednl__entry fednl__entry_first(const fednl__rows *rows, size_t row)
{
    fednl__entry e = {.row = row};
    rows->ops->first_entry(rows, &e);
    return e;
}
static inline void fednl__entry_next(const fednl__rows *rows, fednl__entry *e)
{
    rows->ops->next_entry(rows, e);
}

/* h (|P|) = the entries of a padded triangle on the pattern; it is zero then. */
static inline void fednl__take_triangle(const fednl__pattern *pattern, double *triangle, double *h)
{
    pattern->kernels->take(pattern->mask, fednl__padded_bytes(pattern->active), triangle, h,
                           h + pattern->n);
}

static inline void fednl__grow(size_t *size, size_t wanted)
{
    *size = wanted > *size ? wanted : *size;
}

#endif
