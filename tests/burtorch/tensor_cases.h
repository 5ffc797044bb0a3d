// SPDX-License-Identifier: MIT
/* All declarations of operations on tensors, and how their inputs are read and made: for
 * test_tensor_ops.c and bench_autodiff_ops.c. */
#ifndef TENSOR_CASES_H
#define TENSOR_CASES_H

#include "tensor_cases_attention.h"
#include "tensor_cases_core.h"
#include "tensor_cases_elementwise.h"
#include "tensor_cases_image.h"
#include "tensor_cases_index.h"
#include "tensor_cases_loss.h"
#include "tensor_cases_matmul.h"
#include "tensor_cases_norm.h"
#include "tensor_cases_reduce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct family {
    const tensor_case *cases;
    size_t n;
} family;
#define FAMILY(cases)                                                                              \
    {                                                                                              \
        cases, sizeof(cases) / sizeof *(cases)                                                     \
    }
static const family families[] = {
    FAMILY(attention_cases), FAMILY(core_cases),  FAMILY(elementwise_cases),
    FAMILY(image_cases),     FAMILY(index_cases), FAMILY(loss_cases),
    FAMILY(matmul_cases),    FAMILY(norm_cases),  FAMILY(reduce_cases),
};

/* ---- Declarations ---- */

typedef struct inputs {
    size_t n;
    bt_shape shapes[CASE_MAX_INPUTS];
    uint32_t bounds[CASE_MAX_INPUTS]; // 0: real
} inputs;

/* Read "f2x3 u4<7" up to the end or ';'; returns what follows. */
static inline const char *read_inputs(inputs *in, const char *text)
{
    memset(in, 0, sizeof *in);
    while (*text && *text != ';') {
        const char kind = *text++;
        bt_shape *shape = &in->shapes[in->n];
        *shape = bt_shape0();
        char *end = (char *)text;
        while (*text >= '0' && *text <= '9') {
            shape->dims[shape->axes++] = strtoul(text, &end, 10);
            text = *end == 'x' ? end + 1 : end;
        }
        if (kind == 'u') {
            in->bounds[in->n] = (uint32_t)strtoul(text + 1, &end, 10);
            text = end;
        }
        in->n++;
        text += *text == ' ';
    }
    return *text ? text + 2 : text;
}

static inline bt_tensor declare_input(bt_graph *g, const inputs *in, size_t j)
{
    char name[24];
    snprintf(name, sizeof name, "x%zu", j);
    return in->bounds[j] ? bt_input_u32(g, in->shapes[j])
                         : bt_parameter(g, name, in->shapes[j], bt_init_zeros());
}

#endif
