// SPDX-License-Identifier: MIT
/* How the last two axes of a view lie in memory, for matrix products. */
#ifndef BURTORCH_TENSOR_MATRIX_H
#define BURTORCH_TENSOR_MATRIX_H

#include "graph_private.h"

/* Whether the matrix is rows without gaps, *ld apart, or (*transposed) columns; false: neither,
 * it must be copied. An axis of length 1 has any stride. */
static inline bool bt__matrix_lies(const bt__node *node, bool *transposed, size_t *ld)
{
    const size_t axes = node->shape.axes, *dims = node->shape.dims;
    const size_t rows = dims[axes - 2], columns = dims[axes - 1];
    const size_t down = node->stride[axes - 2], across = node->stride[axes - 1];
    *transposed = false;
    *ld = rows == 1 ? columns : down;
    if ((across == 1 || columns == 1) && *ld >= columns)
        return true;
    *transposed = true;
    *ld = columns == 1 ? rows : across;
    return (down == 1 || rows == 1) && *ld >= rows;
}

#endif
