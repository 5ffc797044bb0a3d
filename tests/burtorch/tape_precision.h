// SPDX-License-Identifier: MIT
/* The precision of a test that is compiled for tapes of double and, in test_..._f32.c, of float:
 * `real`, and tolerances written for double, widened by the ratio of the two epsilons. */
#ifndef TAPE_PRECISION_H
#define TAPE_PRECISION_H

#include "ct_test.h"

#include <burtorch/tape.h>
#include <float.h>
#include <math.h>

#ifdef TAPE_TEST_FLOAT
#include "tape_as_float.h"
typedef float real;
#define REAL_EPSILON ((double)FLT_EPSILON)
#else
typedef double real;
#define REAL_EPSILON DBL_EPSILON
#endif

#define assert_real_near(a, b, rtol, atol)                                                         \
    ct_assert_near((double)(a), (double)(b), (rtol) * (REAL_EPSILON / DBL_EPSILON),                \
                   (atol) * (REAL_EPSILON / DBL_EPSILON))

static inline bt_tape *new_tape(void)
{
    bt_tape *tape;
    ct_assert_ok(bt_tape_create(&tape), NULL);
    return tape;
}

#endif
