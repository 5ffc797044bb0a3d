// SPDX-License-Identifier: MIT
/* Attention: causal and not, small heads side by side and larger ones by matrix products. */
#include "tensor_case.h"

#include <math.h>
#include <stdlib.h>

static void reference_attention(double *out, const double *qkv, const bt_shape *shape, size_t heads,
                                bool causal)
{
    const size_t positions = shape->dims[1], model = shape->dims[2] / 3, width = model / heads;
    double *p = malloc(positions * sizeof *p);
    for (size_t b = 0; b < shape->dims[0]; b++)
        for (size_t h = 0; h < heads; h++)
            for (size_t t = 0; t < positions; t++) {
                const double *x = qkv + b * positions * 3 * model + h * width;
                double *y = out + (b * positions + t) * model + h * width, sum = 0;
                const size_t keys = causal ? t + 1 : positions;
                for (size_t s = 0; s < keys; s++) {
                    double dot = 0;
                    for (size_t d = 0; d < width; d++)
                        dot += x[t * 3 * model + d] * x[s * 3 * model + model + d];
                    p[s] = exp(dot / sqrt((double)width));
                    sum += p[s];
                }
                for (size_t d = 0; d < width; d++) {
                    y[d] = 0;
                    for (size_t s = 0; s < keys; s++)
                        y[d] += p[s] / sum * x[s * 3 * model + 2 * model + d];
                }
            }
    free(p);
}

#define ATTENTION_CASE(HEADS, CAUSAL)                                                              \
    static bt_tensor build_attention_##HEADS##_##CAUSAL(const bt_tensor *in)                       \
    {                                                                                              \
        return bt_tensor_attention(in[0], HEADS, CAUSAL);                                          \
    }                                                                                              \
    static void reference_attention_##HEADS##_##CAUSAL(double *out, const double *const *in,       \
                                                       const bt_shape *shapes)                     \
    {                                                                                              \
        reference_attention(out, in[0], &shapes[0], HEADS, CAUSAL);                                \
    }
#define ATTENTION(HEADS, CAUSAL)                                                                   \
    build_attention_##HEADS##_##CAUSAL, reference_attention_##HEADS##_##CAUSAL
ATTENTION_CASE(1, 1)
ATTENTION_CASE(2, 0)
ATTENTION_CASE(2, 1)
ATTENTION_CASE(6, 0)
ATTENTION_CASE(6, 1)
ATTENTION_CASE(4, 1)

static const tensor_case attention_cases[] = {
    {"attention/one", "f1x1x3", ATTENTION(1, 1), .bad = "f3; f3x3; f1x3x4; f2x2x3x3; u1x1x3<4"},
    {"attention/causal", "f2x3x24", ATTENTION(2, 1), .bad = "f2x3x9; f2x24"},
    {"attention", "f2x3x24", ATTENTION(2, 0), .bad = "f2x3x9; f2x24"},
    {"attention/groups", "f3x3x72", ATTENTION(6, 1), .bad = "f3x3x24", .bench = "f64x8x72"},
    {"attention/width 3", "f2x4x18", ATTENTION(2, 0), .bad = NULL},
    {"attention/width 6", "f1x4x18", ATTENTION(1, 1), .bad = NULL},
    {"attention/width 8", "f1x3x48", ATTENTION(2, 0), .bad = NULL},
    {"attention/products", "f2x5x102", ATTENTION(2, 0), .bad = NULL, .bench = "f8x64x192"},
    {"attention/causal products", "f1x5x102", ATTENTION(2, 1), .bad = NULL},
    {"attention/4 heads", "f1x4x48", ATTENTION(4, 1), .bad = NULL, .bench = "f12x64x384"},
    {"attention/6 heads", "f1x2x54", ATTENTION(6, 0), .bad = NULL, .bench = "f4x256x1152"},
};
