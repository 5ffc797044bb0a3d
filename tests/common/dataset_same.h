// SPDX-License-Identifier: MIT
/* Two data sets are the same, array by array and to the bit. */
#ifndef DATASET_SAME_H
#define DATASET_SAME_H

#include "ct_test.h"

#include <ctrain/dataset.h>

static inline void assert_same(const ct_dataset *a, const ct_dataset *b)
{
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->cols, b->cols);
    assert_int_equal(a->nnz, b->nnz);
    assert_memory_equal(a->row_start, b->row_start, (a->rows + 1) * sizeof *a->row_start);
    assert_memory_equal(a->col, b->col, a->nnz * sizeof *a->col);
    assert_memory_equal(a->val, b->val, a->nnz * sizeof *a->val);
    assert_memory_equal(a->label, b->label, a->rows * sizeof *a->label);
}

#endif
