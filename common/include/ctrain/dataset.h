// SPDX-License-Identifier: MIT
/* Sparse labelled rows: the LIBSVM text format and a binary one in and out, generators, shuffles,
 * and splits over clients. */
#ifndef CTRAIN_DATASET_H
#define CTRAIN_DATASET_H

#include <ctrain/status.h>
#include <ctrain/threads.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Rows in compressed sparse row form. Row i holds the entries row_start[i] … row_start[i+1]-1 of
 * col (0-based, strictly ascending within a row) and val; entries that are zero in the source are
 * kept. All arrays are the dataset's own and may be read by all. */
typedef struct ct_dataset {
    size_t rows;
    size_t cols; // largest index, or what the caller asked for
    size_t nnz;
    size_t *row_start; // (rows + 1)
    uint32_t *col;     // (nnz)
    double *val;       // (nnz)
    double *label;     // (rows)         as written in the file
} ct_dataset;

typedef struct ct_libsvm_options {
    size_t cols;          // 0: the largest index in the file; else an index beyond it is an error
    uint32_t first_index; // index of the first feature in the file: 1 (default) or 0
    ct_pool *pool;        // borrowed for the call; NULL: this thread alone
} ct_libsvm_options;
ct_libsvm_options ct_libsvm_options_default(void);

/* Read `LABEL INDEX:VALUE INDEX:VALUE …` lines. Blank lines and what follows '#' are skipped, CRLF
 * is allowed, fields are separated by spaces or tabs, a last line without newline counts. Numbers
 * are read exactly as strtod does in the C locale. opt NULL: defaults. Errors (*out is NULL):
 * CT_ENOTFOUND, CT_EIO; CT_EPARSE with "path:line: reason" for the first malformed line: a label or
 * value that is no finite number, a missing colon, an index that is not a number, is below
 * first_index, not above the one before it, beyond cols or beyond 2^32 - 2, a NUL byte; CT_EPARSE
 * "path: reason" for a file without rows; CT_EINVALID: first_index is not 0 or 1; CT_ERANGE: more
 * than 2^32 rows or cols beyond 2^32 - 1; CT_ENOMEM. */
CT_MUST_USE ct_status ct_dataset_read_libsvm(ct_dataset **out, const char *path,
                                             const ct_libsvm_options *opt, ct_diag *diag);

/* Copy rows given as CSR arrays. CT_EINVALID: the arrays break the rules above, or a value or label
 * is not finite; diag names the row. CT_ERANGE: more than 2^32 rows or 2^32 - 1 columns. */
CT_MUST_USE ct_status ct_dataset_from_csr(ct_dataset **out, size_t rows, size_t cols,
                                          const size_t *row_start, const uint32_t *col,
                                          const double *val, const double *label, ct_diag *diag);
/* Copy rows order[0 … rows-1] of data, in that order; cols stays. CT_ENOMEM. */
CT_MUST_USE ct_status ct_dataset_take(ct_dataset **out, const ct_dataset *data,
                                      const uint32_t *order, size_t rows, ct_diag *diag);
void ct_dataset_destroy(ct_dataset *data);

/* Write LIBSVM text with 1-based indices; values with as few digits as read back to the same
 * double. All or nothing (ctrain/file.h). */
CT_MUST_USE ct_status ct_dataset_write_libsvm(const ct_dataset *data, const char *path,
                                              ct_diag *diag);

/* The binary format, for data that are read often: mostly a tenth to a third as long as the text
 * and read two to four times faster. It keeps every bit of a dataset, and a value that all entries
 * (or all entries of a column) share only once; dataset_binary.h has its table. All or nothing
 * (ctrain/file.h). */
CT_MUST_USE ct_status ct_dataset_write_binary(const ct_dataset *data, const char *path,
                                              ct_diag *diag);

/* Read a file of either format, known by its first bytes. Of the binary one everything is checked
 * before it is used; first_index has no meaning for it, and cols is what it is for text. CT_EPARSE
 * "path: reason": damaged, cut short, or of another version. Else as ct_dataset_read_libsvm. */
CT_MUST_USE ct_status ct_dataset_read(ct_dataset **out, const char *path,
                                      const ct_libsvm_options *opt, ct_diag *diag);
/* Whether the file begins like one of the binary format; false also for what cannot be opened or
 * cannot be read twice (a pipe). */
bool ct_dataset_is_binary(const char *path);

/* The two labels of a binary problem: sign[i] (rows, caller's) becomes +1 for the larger label, -1
 * for the smaller; pair = {larger, smaller}. Real files carry ±1, 0/1 or 1/2. CT_EINVALID: not
 * exactly two different labels; diag says what there was. */
CT_MUST_USE ct_status ct_dataset_binary_labels(const ct_dataset *data, double *sign, double pair[2],
                                               ct_diag *diag);

/* One label against the rest: labels equal to positive become +1, all others -1. CT_EINVALID, and
 * nothing changed: no row has that label, or all have; diag says which labels there are. */
CT_MUST_USE ct_status ct_dataset_map_labels(ct_dataset *data, double positive, ct_diag *diag);

/* How many different rows there are, whatever their labels. CT_ENOMEM. */
CT_MUST_USE ct_status ct_dataset_count_distinct(const ct_dataset *data, size_t *distinct);

/* Rows dealt to clients. Client i owns rows order[start[i]] … order[start[i+1]-1]. */
typedef struct ct_split {
    size_t clients;
    size_t *start;   // (clients + 1)
    uint32_t *order; // (rows)        a permutation of the rows
} ct_split;

typedef struct ct_split_options {
    size_t clients;      // at least 1, at most the number of rows
    const size_t *sizes; // (clients) rows of each client, adding up to rows; NULL: sizes that
                         // differ by at most one
    bool shuffle;        // deal in random order (default) or in file order
    double label_skew;   // > 0: deal the rows of each label by shares drawn from a Dirichlet
                         // distribution of this concentration (1e-6 to 1e6; 0.1: nearly one label
                         // a client, 100: nearly equal shares); 0 (default): not. Without sizes
    uint64_t seed;       // of the shuffle and of the shares; default 0
} ct_split_options;
ct_split_options ct_split_options_default(size_t clients);

/* Deal every row to exactly one client; opt is needed. CT_EINVALID: more clients than rows, no
 * clients, a size of 0, sizes that do not add up, label_skew out of range or with sizes. CT_ERANGE:
 * more than 2^32 rows.
 *
 * label_skew is the partition of Yurochkin et al., "Bayesian nonparametric federated learning of
 * neural networks", ICML 2019, arXiv:1905.12022. (Hsu, Qi, Brown, arXiv:1909.06335, draw shares of
 * labels for each client instead, which all have equally many rows.) A client that would be left
 * without rows gets one of another. */
CT_MUST_USE ct_status ct_split_create(ct_split **out, const ct_dataset *data,
                                      const ct_split_options *opt, ct_diag *diag);
void ct_split_destroy(ct_split *split);

/* A synthetic sparse binary problem with a planted linear model: labels ±1 drawn from its logistic
 * probability, the intercept placed so that exactly the wanted fraction of rows is positive
 * (rounded; at least one row of each label where there are two rows); feature popularity falling
 * off as a power law, as in text data. Deterministic in seed. Defaults are shaped like w8a: 49,749
 * rows, 300 features, 11.65 non-zeros a row, all values 1, 3 % positive. */
typedef struct ct_sparse_options {
    size_t rows, cols;
    double nnz_per_row;       // mean, at least 1, at most cols
    double positive_fraction; // in (0, 1)
    double power;             // popularity of feature j is like (j + 1)^-power; 0 to 100
    bool binary;              // values all 1, or uniform on (0, 1]
    uint64_t seed;
} ct_sparse_options;
ct_sparse_options ct_sparse_options_default(void);
/* CT_EINVALID: an option out of its range, named in diag. CT_ERANGE: more than 2^32 rows. */
CT_MUST_USE ct_status ct_dataset_generate_sparse(ct_dataset **out, const ct_sparse_options *opt,
                                                 ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
