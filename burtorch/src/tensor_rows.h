// SPDX-License-Identifier: MIT
/* How many rows of a tensor are taken at once by operations along the last axis: their shape rules
 * (scratch) and their code must agree. */
#ifndef BURTORCH_TENSOR_ROWS_H
#define BURTORCH_TENSOR_ROWS_H

#include <stddef.h>

/* Elements that stay in the first-level cache, at least one row, at most all. */
static inline size_t bt__rows_at_once(size_t rows, size_t n)
{
    const size_t block = n < 1024 ? 1024 / n : 1;
    return block < rows ? block : rows;
}

#endif
