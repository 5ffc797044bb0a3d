// SPDX-License-Identifier: MIT
/* What the tape's files share, and how other files of the library read the nodes of a tape.
 *
 * The code of a tape is in the three tape_*_template.h, which tape.c compiles for double and
 * tape_f32.c for float. */
#ifndef BURTORCH_TAPE_PRIVATE_H
#define BURTORCH_TAPE_PRIVATE_H

#include <burtorch/tape.h>

/* Kept out of a loop that is to stay small. */
#if defined(__GNUC__)
#define BT__NOINLINE __attribute__((noinline))
#else
#define BT__NOINLINE
#endif

/* Node i of a tape, however the tape stores it: its operation, operands and value. a and b are
 * nodes, b of binary operations only; those of a list operation stand in list instead, n_list of
 * them (of the dot products x, then z; dot_bias has c before them), valid until something is
 * recorded. c is the plain number of the operations that have one. */
typedef struct bt__recorded {
    bt_op op;
    size_t a, b;
    const uint32_t *list; // NULL: no list operation
    size_t n_list;
    double c, value;
} bt__recorded;

bt__recorded bt__tape_read(const bt_tape *tape, size_t i);

#endif
