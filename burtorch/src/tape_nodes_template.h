// SPDX-License-Identifier: MIT
/* Tapes in one precision (see tape_private.h): creation, growth, errors, and the cold halves of the
 * inline functions of tape_template.h.
 *
 * The nodes are one array, 64-byte aligned, and from LARGE_PAGE_BYTES on in large pages: a sweep
 * over more than the cache holds then takes half as long. */
#if defined(__linux__)
#include <sys/mman.h>
#endif

#define TAPE BT__F(bt_tape)
#define VAR  BT__F(bt_var)
#define NODE BT__F(bt__tape_node)
#define REAL BT__REAL

enum { FIRST_CAPACITY = 256, LARGE_PAGE_BYTES = 1 << 21 };
#define MAX_NODES ((size_t)UINT32_MAX - 1)

static const REAL none_value = (REAL)NAN;

/* Mark the tape; the first error stays. */
static void mark(TAPE *tape, ct_status status, const char *text)
{
    if (tape && tape->status == CT_OK)
        tape->status = ct_fail(&tape->diag, status, "%s", text);
}

static NODE *alloc_nodes(size_t bytes)
{
    const bool large = bytes >= 2 * (size_t)LARGE_PAGE_BYTES;
    const size_t alignment = large ? LARGE_PAGE_BYTES : 64;
    void *nodes = aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
#if defined(MADV_HUGEPAGE)
    if (nodes && large)
        (void)madvise(nodes, bytes, MADV_HUGEPAGE); // a hint: without it only slower
#endif
    return nodes;
}

static ct_status move_nodes(TAPE *tape, size_t capacity)
{
    size_t bytes;
    if (!ct_mul_size(&bytes, capacity, sizeof(NODE)) || bytes > SIZE_MAX / 2)
        return CT_ENOMEM;
    NODE *nodes = alloc_nodes(bytes);
    if (!nodes)
        return CT_ENOMEM;
    if (tape->n)
        memcpy(nodes, tape->nodes, (size_t)tape->n * sizeof(NODE));
    free(tape->nodes);
    tape->nodes = nodes;
    tape->capacity = (int64_t)capacity;
    return CT_OK;
}

ct_status BT__F(bt_tape_create)(TAPE **out)
{
    *out = NULL;
    TAPE *tape = calloc(1, sizeof *tape);
    if (!tape)
        return CT_ENOMEM;
    if (move_nodes(tape, FIRST_CAPACITY) != CT_OK) {
        free(tape);
        return CT_ENOMEM;
    }
    *out = tape;
    return CT_OK;
}

void BT__F(bt_tape_destroy)(TAPE *tape)
{
    if (!tape)
        return;
    free(tape->nodes);
    free(tape->list);
    free(tape->scratch);
    free(tape);
}

ct_status BT__F(bt_tape_reserve)(TAPE *tape, size_t nodes)
{
    if (nodes > MAX_NODES)
        return CT_ERANGE;
    if (nodes <= (size_t)tape->capacity)
        return CT_OK;
    if (tape->n > tape->capacity) // out of memory before: there is nothing to go on with
        return CT_ENOMEM;
    return move_nodes(tape, (nodes + 63) / 64 * 64);
}

/* Room for one more node; false: the tape is marked, and stays without. */
static bool grow(TAPE *tape)
{
    if (tape->n < tape->capacity)
        return true;
    if ((size_t)tape->n >= MAX_NODES - 64) {
        mark(tape, CT_ERANGE, "the tape is full: 2^32 - 2 nodes");
        return false;
    }
    const size_t twice = 2 * (size_t)tape->capacity;
    if (BT__F(bt_tape_reserve)(tape, twice < MAX_NODES - 64 ? twice : MAX_NODES - 64) != CT_OK) {
        mark(tape, CT_ENOMEM, "no memory for more nodes on the tape");
        return false;
    }
    return true;
}

/* Nodes that are there: fewer than counted only on a tape marked for want of memory. */
static size_t stored(const TAPE *tape)
{
    return (size_t)(tape->n < tape->capacity ? tape->n : tape->capacity);
}

ct_status BT__F(bt_tape_status)(const TAPE *tape)
{
    return tape->status;
}

const char *BT__F(bt_tape_message)(const TAPE *tape)
{
    return tape->diag.text;
}

size_t BT__F(bt_tape_nodes)(const TAPE *tape)
{
    return stored(tape);
}

size_t BT__F(bt_tape_bytes)(const TAPE *tape)
{
    return sizeof *tape + (size_t)tape->capacity * sizeof(NODE) +
           tape->list_capacity * sizeof *tape->list + tape->scratch_capacity * sizeof(REAL);
}

void BT__F(bt_tape_reset)(TAPE *tape)
{
    tape->n = tape->swept = 0;
    tape->n_list = 0;
    tape->status = CT_OK;
    ct_diag_clear(&tape->diag);
}

void BT__F(bt__rewind_cold)(TAPE *tape)
{
    mark(tape, CT_EINVALID, "rewind to a mark beyond the end of the tape");
}

/* ---- Variables that cannot be used ---- */

static const char unset_text[] = "an unset variable in an operation";

/* Why x is no variable of tape; marks both. NULL tape: x was never set. */
static void reject(TAPE *tape, VAR x)
{
    if (tape != x.tape) {
        const char *why =
            tape && x.tape ? "variables of different tapes in one operation" : unset_text;
        mark(x.tape, BT_ETAPE, why);
        mark(tape, BT_ETAPE, why);
    } else if (x.index == BT_NO_INDEX) {
        mark(tape, BT_ETAPE, unset_text);
    } else {
        mark(tape, BT_ETAPE, "a variable that a rewind has dropped");
    }
}

/* x is a node of tape; else the tape is marked. */
static bool accept(TAPE *tape, VAR x)
{
    if (x.tape == tape && BT__F(bt__exists)(x))
        return true;
    reject(tape, x);
    return false;
}

void BT__F(bt__no_tape)(TAPE *other)
{
    mark(other, BT_ETAPE, unset_text);
}

void BT__F(bt_set_value)(VAR x, REAL value)
{
    if (!x.tape || !accept(x.tape, x))
        return;
    NODE *node = &x.tape->nodes[x.index];
    if (node->op > BT_OP_CONSTANT) {
        mark(x.tape, CT_EINVALID, "bt_set_value on the result of an operation");
        return;
    }
    node->value = value;
    x.tape->epoch++;
}

/* ---- Recording ---- */

/* The result of what cannot be done, where it would have been recorded. */
static REAL record_none(TAPE *tape)
{
    if (tape->n < tape->capacity) {
        NODE *node = BT__F(bt__fill)(tape, tape->n, BT_OP_CONSTANT, 0, none_value);
        node->u.b = 0;
        node->gradient = none_value;
    }
    return none_value;
}

REAL BT__F(bt__leaf_cold)(TAPE *tape, bt_op op, REAL value)
{
    if (!grow(tape))
        return none_value;
    BT__F(bt__fill)(tape, tape->n, op, 0, value)->u.b = 0;
    return value;
}

static REAL unary_value(bt_op op, REAL a, REAL *da)
{
    REAL y;
    switch (op) {
#define UNARY_VALUE(ID, name, y_, da_, low, high)                                                  \
    case BT_OP_##ID:                                                                               \
        y = (y_);                                                                                  \
        *da = (da_);                                                                               \
        return y;
        BT_UNARY_OPS(UNARY_VALUE)
#undef UNARY_VALUE
    default:
        return none_value;
    }
}

static REAL number_value(bt_op op, REAL a, REAL c)
{
    switch (op) {
#define NUMBER_VALUE(ID, name, y_, da_, low, high)                                                 \
    case BT_OP_##ID:                                                                               \
        return (y_);
        BT_NUMBER_OPS(NUMBER_VALUE)
#undef NUMBER_VALUE
    default:
        return none_value;
    }
}

static REAL binary_value(bt_op op, REAL a, REAL b)
{
    switch (op) {
#define BINARY_VALUE(ID, name, y_, da_, db_, low_a, high_a, low_b, high_b)                         \
    case BT_OP_##ID:                                                                               \
        return (y_);
        BT_BINARY_OPS(BINARY_VALUE)
#undef BINARY_VALUE
    default:
        return none_value;
    }
}

static VAR handle(TAPE *tape, int64_t index)
{
    return BT__F(bt__var)(tape, index, tape ? tape->epoch - 1 : 0, none_value);
}

REAL BT__F(bt__record_cold)(TAPE *tape, bt_op op, int64_t x, TAPE *tape_z, int64_t z)
{
    if (!accept(tape, handle(tape_z, z)) || !accept(tape, handle(tape, x)) || !grow(tape))
        return record_none(tape);
    const REAL a = tape->nodes[x].value, b = tape->nodes[z].value;
    NODE *node = BT__F(bt__fill)(tape, tape->n, op, x, 0);
    if (bt_op_info_of(op)->arity == BT_ARITY_ONE) {
        node->value = unary_value(op, a, &node->u.c);
    } else {
        node->value = binary_value(op, a, b);
        node->u.b = (BT__F(bt__index))z;
    }
    return node->value;
}

REAL BT__F(bt__number_cold)(TAPE *tape, bt_op op, int64_t x, REAL c)
{
    if (!accept(tape, handle(tape, x)) || !grow(tape))
        return record_none(tape);
    const REAL y = number_value(op, tape->nodes[x].value, c);
    BT__F(bt__fill)(tape, tape->n, op, x, y)->u.c = c;
    return y;
}

/* The variable of the node that the functions above have recorded at the end, which is counted. */
static VAR count_node(TAPE *tape, REAL value)
{
    return BT__F(bt__var)(tape, tape->n++, tape->epoch, value);
}

static VAR fail_node(TAPE *tape, ct_status status, const char *text)
{
    if (!tape)
        return BT__F(bt__none)();
    mark(tape, status, text);
    return count_node(tape, record_none(tape));
}

VAR BT__F(bt_pow_const)(VAR x, REAL c)
{
    if (c == 2)
        return BT__F(bt_sqr)(x);
    if (c == 3)
        return BT__F(bt_cub)(x);
    if (c == -1)
        return BT__F(bt_inv)(x);
    if (c == (REAL)0.5)
        return BT__F(bt_sqrt)(x);
    return BT__F(bt__pow_const)(x, c);
}

VAR BT__F(bt_apply)(bt_op op, VAR x, VAR z)
{
    const bt_op_info *info = bt_op_info_of(op);
    if (!info || (info->arity != BT_ARITY_ONE && info->arity != BT_ARITY_TWO))
        return fail_node(x.tape, CT_EINVALID, "bt_apply takes a unary or binary operation");
    const VAR second = info->arity == BT_ARITY_ONE ? x : z;
    if (!x.tape)
        return fail_node(second.tape, BT_ETAPE, unset_text);
    return count_node(x.tape,
                      BT__F(bt__record_cold)(x.tape, op, x.index, second.tape, second.index));
}

VAR BT__F(bt_apply_number)(bt_op op, VAR x, REAL c)
{
    const bt_op_info *info = bt_op_info_of(op);
    if (!info || info->arity != BT_ARITY_NUMBER)
        return fail_node(x.tape, CT_EINVALID,
                         "bt_apply_number takes an operation with a plain number");
    if (!x.tape)
        return BT__F(bt__none)();
    return count_node(x.tape, BT__F(bt__number_cold)(x.tape, op, x.index, c));
}
