// SPDX-License-Identifier: MIT
/* What the files of the dataset module share: allocation, exact numbers, and the parser of LIBSVM
 * lines. Private to common. */
#ifndef CTRAIN_DATASET_PRIVATE_H
#define CTRAIN_DATASET_PRIVATE_H

#include <ctrain/dataset.h>
#include <ctrain/json.h> // ct_number_parse

/* Rows are addressed by 32 bits in a split; columns are stored in 32 bits. */
#define CT__ROWS_MAX  ((uint64_t)1 << 32)
#define CT__INDEX_MAX UINT32_C(4294967294) // largest feature index a file may carry: 2^32 - 2

/* A dataset with its arrays allocated and not filled, except row_start[0] = 0. CT_ERANGE: too many
 * rows or columns. */
CT_MUST_USE ct_status ct__dataset_alloc(ct_dataset **out, size_t rows, size_t cols, size_t nnz,
                                        ct_diag *diag);
CT_MUST_USE ct_status ct__dataset_check_shape(size_t rows, size_t cols, ct_diag *diag);

/* Give back what rows and entries beyond these take. Never fails: where memory cannot be given back
 * it is kept. */
void ct__dataset_shrink(ct_dataset *data, size_t rows, size_t nnz);

/* Streams of CT_RNG_SPLIT, by the client number of the stream. */
enum { CT__SPLIT_ORDER, CT__SPLIT_SHARES };

/* Deal again by label: the rows of order, which is given, to clients by shares of each label.
 * CT_ENOMEM. */
CT_MUST_USE ct_status ct__split_skew(ct_split *split, const ct_dataset *data,
                                     const ct_split_options *opt);

/* A number of at most 8 bytes and its text. All zeros: none. */
typedef struct ct__libsvm_repeat {
    uint64_t text;    // with what happened to be behind it
    uint64_t ignored; // 0xff for each byte that is not the number's
    size_t length;
    double value;
} ct__libsvm_repeat;

/* Lines of LIBSVM text on their way into CSR arrays. The arrays belong to the caller and have room
 * for as many rows as the text has lines and as many entries as it has colons. */
typedef struct ct__libsvm {
    const char *begin;    // of the text
    const char *end;      // its last line may lack a newline
    uint32_t first_index; // 0 or 1
    uint32_t last_index;  // largest index allowed
    size_t *row_end;      // row_end[i]: entries before the end of row i
    double *label;
    uint32_t *col;
    double *val;
    size_t capacity;  // of col and val
    size_t rows, nnz; // filled so far
    uint32_t cols;    // 1 + the largest column so far
    ct__libsvm_repeat last;
} ct__libsvm;

/* Parse the line at *line (before end) and move behind it; a blank line adds no row. CT_EPARSE:
 * malformed, with the reason in diag; *line, rows and nnz are as before. */
CT_MUST_USE ct_status ct__libsvm_line(ct__libsvm *out, const char **line, ct_diag *diag);

/* Take as many whole lines from *line on as are of a plain form that a block parser knows, and move
 * *line behind them: maybe none. They never fail: what they do not know is left to ct__libsvm_line.
 */
typedef void ct__libsvm_blocks_fn(ct__libsvm *out, const char **line);
ct__libsvm_blocks_fn ct__libsvm_blocks_avx2, ct__libsvm_blocks_avx512;

#endif
