// SPDX-License-Identifier: MIT
/* The tests of test_ops.c, of tapes of float. */
#define TAPE_TEST_FLOAT
#include "test_ops.c"
