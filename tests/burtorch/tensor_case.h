// SPDX-License-Identifier: MIT
/* One declaration an operation on tensors: what test_tensor_ops.c needs to check it, and
 * bench_autodiff_ops.c to time it. The declarations stand by family in tensor_cases_<family>.h. */
#ifndef TENSOR_CASE_H
#define TENSOR_CASE_H

#include <burtorch/graph.h>
#include <burtorch/tensor.h>

enum { CASE_MAX_INPUTS = 8 };

typedef struct tensor_case {
    const char *name;
    /* "f2x3 f4x3 f4 u2<5": real inputs ("f" alone is a single number) and indices below a bound,
     * separated by spaces. */
    const char *inputs;
    /* The operation on these inputs. */
    bt_tensor (*build)(const bt_tensor *in);
    /* Its definition, slow and obvious, in double: out has the elements of the result; indices are
     * given as numbers. */
    void (*reference)(double *out, const double *const *in, const bt_shape *shapes);
    /* Inputs of shapes that must be refused with BT_ESHAPE and both shapes in the text, several
     * separated by "; "; NULL: no shape is wrong. */
    const char *bad;
    double low, high;  // from where real inputs are drawn; both 0: normal deviates
    double slack;      // factor on the tolerance; 0: 1
    const char *bench; // inputs to time it with; NULL: not timed
} tensor_case;

#endif
