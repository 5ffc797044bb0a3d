// SPDX-License-Identifier: MIT
/* Shared by the tape's files: marking a tape, growing it, and the two halves of list operations. */
#ifndef BURTORCH_TAPE_PRIVATE_H
#define BURTORCH_TAPE_PRIVATE_H

#include <burtorch/tape.h>

/* Mark the tape (the first error stays; tape may be NULL) and return the variable that is none. */
bt_var bt__tape_fail(bt_tape *tape, ct_status status, const char *text);

/* Room for at least one more node; false: the tape is marked. */
bool bt__tape_grow(bt_tape *tape, size_t more);

/* x cannot be an operand on tape: mark what is to be marked, and why. */
bt_var bt__tape_reject(bt_tape *tape, bt_var x);

double bt__list_value(const bt_tape *tape, bt_op op, bt__operands operands);
void bt__list_backward(bt_tape *tape, bt_op op, bt__operands operands, double g);

#endif
