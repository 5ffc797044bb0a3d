// SPDX-License-Identifier: MIT
/* Tapes of float: the code of tape.c, with its names and numbers. */
#include "tape_private.h"

#include <ctrain/arena.h>
#include <ctrain/file.h>
#include <ctrain/json.h>
#include <stdlib.h>
#include <string.h>

#undef BT__REAL
#undef BT__F
#define BT__REAL    float
#define BT__F(name) name##f

#include "tape_nodes_template.h"

#include "tape_list_template.h"

#include "tape_sweep_template.h"

#include "tape_dot_template.h"
