// SPDX-License-Identifier: MIT
/* Tapes of double. */
#include "tape_private.h"

#include <ctrain/arena.h>
#include <ctrain/file.h>
#include <ctrain/json.h>
#include <stdlib.h>
#include <string.h>

#include "tape_nodes_template.h"

#include "tape_list_template.h"

#include "tape_sweep_template.h"

#include "tape_dot_template.h"

bt__recorded bt__tape_read(const bt_tape *tape, size_t i)
{
    const bt__tape_node *node = &tape->nodes[i];
    const bt_op op = (bt_op)node->op;
    bt__recorded r = {.op = op, .a = node->a, .b = node->a, .value = node->value};
    switch (bt_op_info_of(op)->arity) {
    case BT_ARITY_TWO:
        r.b = (size_t)node->u.b;
        break;
    case BT_ARITY_NUMBER:
        r.c = node->u.c;
        break;
    case BT_ARITY_LIST:
        r.list = tape->list + node->a;
        r.n_list = entries_of(node);
        break;
    default:
        break;
    }
    return r;
}
