// SPDX-License-Identifier: MIT
/* A client's rows, laid out for what a round does with them: margins A x, loss, gradient, and the
 * Hessian on its pattern. Nothing here knows of estimates, compressors or messages.
 *
 * Coordinates. The server numbers the d coordinates by how many rows have them, most first (the
 * intercept, which all have, is 0; ties in the order of the data); everything inside ufednl is in
 * that order. A client's local columns are the coordinates that occur in its rows, ascending.
 *
 * Rows with the same features are merged, whatever their labels: of such a row p are positive and q
 * negative, and with z = a^T x its loss is p log(1 + exp(-z)) + q log(1 + exp(z)). */
#ifndef UFEDNL_ROWS_H
#define UFEDNL_ROWS_H

#include <ctrain/arena.h>
#include <ctrain/cpu.h>
#include <ctrain/dataset.h>
#include <stdbool.h>
#include <stdint.h>

/* How the columns of a data set become coordinates. */
typedef struct fednl__layout {
    size_t dimension;           // d
    size_t columns;             // of the data: d, or d - 1 with an intercept
    bool intercept;             // the coordinate of the column of ones is coordinate[columns]
    const uint32_t *coordinate; // (d) of each column
    const double *constant;     // (columns) fednl__find_constants; NULL: not so, or not known
} fednl__layout;

/* Number the columns by counts (columns) of the rows that have them (explicit zeros do not count);
 * coordinate (columns + intercept). CT_ENOMEM. */
CT_MUST_USE ct_status fednl__order_columns(uint32_t *coordinate, const uint64_t *counts,
                                           size_t columns, bool intercept);
/* Add the counts of data's rows to counts (data->cols). */
void fednl__count_columns(uint64_t *counts, const ct_dataset *data);
/* Whether all entries of each column of data are equal, and not 0: then constant (data->cols) is
 * what they are (0 where there is none), and clients whose layout has it are set up in half the
 * time. */
bool fednl__find_constants(double *constant, const ct_dataset *data);

/* How the rows are kept: what makes their Hessians cheapest. */
typedef enum fednl__rows_method {
    FEDNL__ROWS_BITS,    // each column has one value: lists of its rows, and a bit set for each row
    FEDNL__ROWS_PAIRS,   // lists of columns and values
    FEDNL__ROWS_COLUMNS, // the same, and lists of the columns' entries
    FEDNL__ROWS_DENSE    // a matrix
} fednl__rows_method;

struct fednl__rows_kernels;                     // rows_kernels.h
typedef struct fednl__rows_ops fednl__rows_ops; // rows_methods.h

typedef struct fednl__rows {
    size_t rows;          // m_i, as dealt
    size_t distinct;      // r, after merging
    size_t dimension;     // d
    size_t active;        // a
    uint32_t *coordinate; // (a) of the local columns, ascending
    double *positive;     // (r) p_j / m_i
    double *negative;     // (r) q_j / m_i
    // private
    fednl__rows_method method;
    const fednl__rows_ops *ops; // of the method
    const struct fednl__rows_kernels *kernels;
    // BITS: in blocks of rows, so that what a block needs stays in the cache
    size_t blocks;
    size_t row_bytes;     // of a bit set, a multiple of 8
    uint8_t *bits;        // (r, row_bytes) bit c % 8 of byte c / 8: the row has column c
    uint32_t *list_start; // (blocks, a) and one more; COLUMNS: as if it were one block
    uint16_t *list;       // rows of a block that have a column, counted from the block's first
    double *value;        // (a, up to a multiple of 8) of each column
    bool unit;            // all of them are 1
    // PAIRS, COLUMNS
    uint32_t *row_start; // (r + 1)
    uint32_t *column;    // ascending within a row
    double *entry;
    // COLUMNS
    uint32_t *column_row, *column_entry; // of their entries: which row, and which of all entries
    // DENSE
    size_t row_length; // a, up to a multiple of 8
    double *matrix;    // (r, row_length)
    ct_arena memory;
} fednl__rows;

/* Take rows order[0 … n-1] of data with labels sign (of all rows of data); nothing is kept of the
 * arguments. CT_ENOMEM, CT_ERANGE (more than 2^32 - 1 non-zeros). */
CT_MUST_USE ct_status fednl__rows_init(fednl__rows *rows, const ct_dataset *data,
                                       const double *sign, const fednl__layout *layout,
                                       const uint32_t *order, size_t n);
/* The same with a method and an instruction set forced, for tests. CT_EUNSUPPORTED: the machine has
 * not that instruction set; BITS: a column has several values. */
typedef struct fednl__rows_choice {
    fednl__rows_method method;
    ct_simd simd;
} fednl__rows_choice;
CT_MUST_USE ct_status fednl__rows_init_as(fednl__rows *rows, const ct_dataset *data,
                                          const double *sign, const fednl__layout *layout,
                                          const uint32_t *order, size_t n,
                                          const fednl__rows_choice *choice);
void fednl__rows_clear(fednl__rows *rows);

/* Room a thread needs for any of the clients; sizes are their maxima. */
typedef struct fednl__work {
    double *triangle;         // (fednl__padded(a)) zero between uses; NULL: not needed
    double *x;                // (a)
    double *first, *second;   // (r)
    double *exponent, *other; // (r)
    double *scaled;           // rows of a matrix, times their weights
} fednl__work;
typedef struct fednl__work_size {
    size_t distinct, active, triangle, scaled;
} fednl__work_size;
/* hessian: it will be asked for. */
void fednl__work_size_grow(fednl__work_size *size, const fednl__rows *rows, bool hessian);
/* Carve from the arena (which may be measuring); a new one, as the triangle has to be zero. */
void fednl__work_layout(fednl__work *work, ct_arena *arena, const fednl__work_size *size);

/* z = A x (r); x (d). */
void fednl__rows_margins(const fednl__rows *rows, const double *x, fednl__work *work, double *z);

/* Mean loss at margins z. No overflow and no cancellation for any finite z. */
double fednl__rows_loss(const fednl__rows *rows, const double *z, fednl__work *work);
/* The same, and its derivative in the direction of margins dz: slope = d/dt loss(z + t dz), t = 0.
 */
double fednl__rows_slope(const fednl__rows *rows, const double *z, const double *dz,
                         fednl__work *work, double *slope);

/* Largest eigenvalue of A^T A / (4 m): L_i without lambda. By power iteration, to 1e-3 from below,
 * times 1.01. z is scratch (r). */
double fednl__rows_smoothness(const fednl__rows *rows, fednl__work *work, double *z);
/* mean of ||a||^3 / (6 sqrt 3): a Lipschitz constant of the Hessian. */
double fednl__rows_cubic(const fednl__rows *rows);
/* FNV-1a or such over all that init kept: to know a client's data again. */
uint64_t fednl__rows_fingerprint(const fednl__rows *rows);

/* The local triangle is kept by columns c = 0 … a-1, rows 0 … c of each padded to a multiple of 8
 * entries: column c begins at fednl__padded(c). Aligned to 64 bytes. */
static inline size_t fednl__padded(size_t column)
{
    size_t b = column / 8, rest = column % 8;
    return 8 * (b + 1) * (4 * b + rest);
}

/* Position of the entry (row, col), row <= col, in the upper triangle of d coordinates taken column
 * by column. */
static inline size_t fednl__position(size_t row, size_t col)
{
    return col * (col + 1) / 2 + row;
}

/* The pattern: where the client's Hessian can be non-zero, column by column. */
typedef struct fednl__pattern {
    size_t n;           // |P|
    uint32_t *position; // (|P|) in the triangle of the d coordinates; ascending
    size_t n_diagonal;  // a
    uint32_t *diagonal; // (a)   slots of the diagonal entries
    size_t active;      // a
    uint8_t *mask;      // (fednl__padded(a) / 8) bit b of byte w: entry 8 w + b of the padded
                        // triangle is on the pattern
    // private
    const struct fednl__rows_kernels *kernels;
    ct_arena marks, memory;
} fednl__pattern;

/* whole: every pair of active columns (Rank-R needs them), else those that meet in a row. */
CT_MUST_USE ct_status fednl__pattern_init(fednl__pattern *pattern, const fednl__rows *rows,
                                          bool whole);
void fednl__pattern_clear(fednl__pattern *pattern);

/* At margins z: returns the mean loss; g (d) = its gradient, 0 where a coordinate is not active;
 * and, where pattern is not NULL, h (|P|) = its Hessian on the pattern, which is that of rows. */
double fednl__rows_derivatives(const fednl__rows *rows, const fednl__pattern *pattern,
                               const double *z, fednl__work *work, double *g, double *h);

/* y (a) = H x for the symmetric H with values h (|P|) on the pattern; x (a), both local. */
void fednl__pattern_multiply(const fednl__pattern *pattern, const double *h, const double *x,
                             double *y);
/* ||D||_F^2 of the symmetric matrix with values v (|P|): off the diagonal twice. */
double fednl__pattern_norm_squared(const fednl__pattern *pattern, const double *v);

#endif
