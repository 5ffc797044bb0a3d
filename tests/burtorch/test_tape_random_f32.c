// SPDX-License-Identifier: MIT
/* The tests of test_tape_random.c, of tapes of float. */
#define TAPE_TEST_FLOAT
#include "test_tape_random.c"
