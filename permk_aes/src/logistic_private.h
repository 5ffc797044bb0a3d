// SPDX-License-Identifier: MIT
/* The rows of logistic regression, filled by logistic_rows.c and used by logistic.c; the smoothness
 * constants, by logistic_smoothness.c. */
#ifndef PERMK_AES_LOGISTIC_PRIVATE_H
#define PERMK_AES_LOGISTIC_PRIVATE_H

#include <ctrain/arena.h>
#include <ctrain/dataset.h>
#include <permk_aes/logistic.h>

/* The rows of one client, a range of all that are stored. */
typedef struct permk__part {
    size_t first, rows;
    uint32_t *column_start; // (d + 1) column j: entries column_start[j] … column_start[j+1]-1,
                            //         counted from row_start[first]
    bool known;             // margin and slope are those of the current point
} permk__part;

/* Rows are those of the data times -b, b = +-1 being the label, so that the loss of a row is
 * softplus(row^T x) and its derivative sigmoid(row^T x) row. They are stored twice, because margins
 * are read off rows, and the entries of a gradient off columns. */
typedef struct permk__rows {
    size_t rows, entries, d;
    uint32_t parts;
    permk__part *part; // (parts)
    // by rows
    size_t *row_start; // (rows + 1)
    uint32_t *column;  // (entries) ascending within a row
    double *value;     // (entries)
    // by columns, each client's entries after the other's
    uint32_t *row;        // (entries) counted from the client's first row, ascending in a column
    double *column_value; // (entries)
} permk__rows;

/* Store the rows of clients first … first + parts - 1 of the split in the arena, which is made for
 * them. sign (rows of data) is +-1. With an intercept a last column of ones is appended. CT_ERANGE:
 * a client has 2^32 entries or more; CT_ENOMEM. On failure the arena is cleared. */
CT_MUST_USE ct_status permk__rows_init(permk__rows *rows, ct_arena *arena, const ct_dataset *data,
                                       const ct_split *split, const double *sign, bool intercept,
                                       uint32_t first, uint32_t parts, ct_diag *diag);

/* Set the smoothness constants of f and of all f_i, the curvature of the regulariser included:
 * eigenvalues to 1e-3 of them, raised by 1 % so that they are bounds. CT_ENOMEM. */
CT_MUST_USE ct_status permk__logistic_smoothness(permk_problem *problem, const ct_dataset *data,
                                                 const ct_split *split, bool intercept,
                                                 double regulariser_curvature);

#endif
