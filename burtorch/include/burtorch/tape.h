// SPDX-License-Identifier: MIT
/* Gradients of scalar computations, by reverse-mode automatic differentiation.
 *
 * Compute with bt_var where you would with double; every operation is recorded on a tape. Then
 * bt_backward(y) gives dy/dx for every variable x that was recorded, in one sweep whose cost is a
 * small multiple of computing y.
 *
 *     bt_var a = bt_variable(tape, -41), b = bt_variable(tape, 2);
 *     bt_var y = bt_add(bt_mul(a, b), bt_exp(b));
 *     if (bt_backward(y) == CT_OK)
 *         printf("%g %g %g\n", bt_value(y), bt_gradient(a), bt_gradient(b));
 *
 * The functions are in <burtorch/tape_template.h>, which is included here, once for double and once
 * for float. The names of float end in f, as in the C library: bt_tapef, bt_varf, bt_variablef,
 * bt_addf, bt_backwardf; all their numbers and all arithmetic are float. A node takes 32 bytes in
 * double and 20 in float.
 *
 * Nodes are appended in the order of computation, which is a topological order: the sweep goes over
 * them from last to first, without sorting, marking or recursion, however deep the graph is. A
 * loop records, sweeps and rewinds; after the first rounds nothing is allocated.
 *
 * Errors are sticky: an operation that cannot be done (variables of two tapes, a variable that a
 * rewind dropped, no memory) gives a variable of value NaN and marks the tape; bt_backward and
 * bt_tape_status report it. So formulas need no check a line. A dropped variable is noticed as long
 * as nothing new was recorded in its place.
 *
 * Not thread-safe: one tape, one thread at a time. Any number of tapes may be in use. */
#ifndef BURTORCH_TAPE_H
#define BURTORCH_TAPE_H

#include <burtorch/ops.h>
#include <ctrain/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The index of a variable that is none. */
#define BT_NO_INDEX INT64_MAX

/* A point of a tape to come back to. */
typedef struct bt_mark {
    size_t nodes, list;
} bt_mark;

/* Numbers of nodes, as wide as the precision's numbers. */
typedef uint64_t bt__index;
typedef uint32_t bt__indexf;

#if defined(__GNUC__)
#define BT__UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#define BT__UNLIKELY(condition) (condition)
#endif

/* value and the 0 of the gradient behind it, in one store: it is stores that recording waits for.
 */
static inline void bt__store_pair(void *to, double value)
{
#if defined(__GNUC__)
    typedef double pair __attribute__((vector_size(16), aligned(8), may_alias));
    const pair both = {value, 0};
    *(pair *)to = both;
#else
    const double both[2] = {value, 0};
    memcpy(to, both, sizeof both);
#endif
}
static inline void bt__store_pairf(void *to, float value)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint64_t both = bits;
#else
    const float both[2] = {value, 0};
#endif
    memcpy(to, &both, 2 * sizeof value);
}

#include <burtorch/tape_template.h> // bt_tape, bt_var, bt_add: double

#undef BT__REAL
#undef BT__F
#define BT__REAL    float
#define BT__F(name) name##f
#include <burtorch/tape_template.h> // bt_tapef, bt_varf, bt_addf: float

#undef BT__REAL
#undef BT__F
#define BT__REAL    double
#define BT__F(name) name

#ifdef __cplusplus
}
#endif
#endif
