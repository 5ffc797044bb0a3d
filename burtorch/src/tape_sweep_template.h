// SPDX-License-Identifier: MIT
/* The two sweeps over a tape in one precision (see tape_private.h): values from first to last node,
 * gradients from last to first. Both switch over the rows of ops.h. */

void BT__F(bt_tape_forward)(TAPE *tape)
{
    NODE *const nodes = tape->nodes;
    const size_t n = stored(tape);
    for (size_t i = 0; i < n; i++) {
        NODE *node = &nodes[i];
        const REAL a = node->op >= BT_OP_SUM ? 0 : nodes[node->a].value;
        switch ((bt_op)node->op) {
        case BT_OP_VARIABLE:
        case BT_OP_CONSTANT:
            break;
#define UNARY_FORWARD(ID, name, y_, da_, low, high)                                                \
    case BT_OP_##ID: {                                                                             \
        const REAL y = (y_);                                                                       \
        node->value = y;                                                                           \
        node->u.c = (da_);                                                                         \
        break;                                                                                     \
    }
#define NUMBER_FORWARD(ID, name, y_, da_, low, high)                                               \
    case BT_OP_##ID: {                                                                             \
        const REAL c = node->u.c;                                                                  \
        node->value = (y_);                                                                        \
        break;                                                                                     \
    }
#define BINARY_FORWARD(ID, name, y_, da_, db_, low_a, high_a, low_b, high_b)                       \
    case BT_OP_##ID: {                                                                             \
        const REAL b = nodes[node->u.b].value;                                                     \
        node->value = (y_);                                                                        \
        break;                                                                                     \
    }
            BT_UNARY_OPS(UNARY_FORWARD)
            BT_NUMBER_OPS(NUMBER_FORWARD)
            BT_BINARY_OPS(BINARY_FORWARD)
        default:
            node->value =
                list_value(tape, (bt_op)node->op, tape->list + node->a, (size_t)node->u.b);
        }
    }
    tape->epoch++;
}

/* ---- Gradients ---- */

/* Set on the op of a node while bt_gradients_of runs: it depends on a variable that was asked for.
 */
#define WANTED 0x10000u

/* Add amount to the gradient of `to`, an operand of node i of the sweep below. */
#define PASS_ON(to, amount)                                                                        \
    do {                                                                                           \
        const size_t to_ = (size_t)(to);                                                           \
        if (masked && !(nodes[to_].op & WANTED))                                                   \
            break;                                                                                 \
        if (to_ == i - 1) {                                                                        \
            before += (amount);                                                                    \
            break;                                                                                 \
        }                                                                                          \
        if (to_ != last)                                                                           \
            sum = nodes[to_].gradient;                                                             \
        last = to_;                                                                                \
        sum += (amount);                                                                           \
        nodes[to_].gradient = sum;                                                                 \
    } while (0)

/* A list operation of a masked sweep: what it passes to nodes that are not wanted is undone. */
static void masked_list_backward(TAPE *tape, const NODE *node, REAL g)
{
    NODE plain = *node;
    plain.op &= ~WANTED;
    const uint32_t *x = tape->list + node->a;
    const size_t n = entries_of(&plain);
    list_backward(tape, &plain, g);
    for (size_t i = 0; i < n; i++)
        if (!(tape->nodes[x[i]].op & WANTED))
            tape->nodes[x[i]].gradient = 0;
}

/* Operands come before their node, so when the sweep arrives at a node all of its gradient is
 * there. To store a sum and load it again at once takes longer than all else the sweep does, so two
 * sums stay in registers: that of the node just before, which is the most usual operand, and the
 * last other one added to (which also is in memory), for a variable used in every step. */
static inline void sweep(TAPE *tape, size_t root, size_t first, REAL g_root, bool masked)
{
    NODE *const nodes = tape->nodes;
    REAL before = g_root; // gradient of the node the loop goes on with
    size_t last = SIZE_MAX;
    REAL sum = 0; // gradient of node last
    for (size_t i = root; i > first; i--) {
        NODE *const node = &nodes[i];
        const REAL g = before;
        uint32_t op = node->op;
        node->gradient = g;
        before = node[-1].gradient;
        if (masked) {
            if (!(op & WANTED))
                continue;
            op &= ~WANTED;
        }
        if (op - BT_OP_NEG <= BT_OP_MUL_CONST - BT_OP_NEG) {
            if (g != 0)
                PASS_ON(node->a, g * node->u.c);
            continue;
        }
        if (op == BT_OP_ADD) {
            PASS_ON(node->a, g);
            PASS_ON(node->u.b, g);
            continue;
        }
        if (g == 0)
            continue;
        switch ((bt_op)op) {
        case BT_OP_VARIABLE:
        case BT_OP_CONSTANT:
            break;
#define UNARY_BACK(ID, name, y_, da_, low, high) case BT_OP_##ID:
#define NUMBER_BACK(ID, name, y_, da_, low, high)                                                  \
    case BT_OP_##ID: {                                                                             \
        const REAL a = nodes[node->a].value, c = node->u.c, y = node->value;                       \
        (void)a, (void)c, (void)y;                                                                 \
        PASS_ON(node->a, g *(da_));                                                                \
        break;                                                                                     \
    }
#define BINARY_BACK(ID, name, y_, da_, db_, low_a, high_a, low_b, high_b)                          \
    case BT_OP_##ID: {                                                                             \
        const REAL a = nodes[node->a].value, b = nodes[node->u.b].value, y = node->value;          \
        (void)a, (void)b, (void)y;                                                                 \
        PASS_ON(node->a, g *(da_));                                                                \
        PASS_ON(node->u.b, g *(db_));                                                              \
        break;                                                                                     \
    }
            BT_NUMBER_OPS(NUMBER_BACK)
            BT_BINARY_OPS(BINARY_BACK)
            BT_UNARY_OPS(UNARY_BACK)
            break;
        default:
            if (masked)
                masked_list_backward(tape, node, g);
            else
                list_backward(tape, node, g);
            before = node[-1].gradient;
            last = SIZE_MAX;
        }
    }
    nodes[first].gradient = before;
}

void BT__F(bt__sweep)(TAPE *tape, int64_t root, REAL gradient)
{
    sweep(tape, (size_t)root, 0, gradient, false);
}

/* What an earlier sweep left. */
static void clear_gradients(TAPE *tape)
{
    for (int64_t i = 0; i < tape->swept; i++)
        tape->nodes[i].gradient = 0;
    tape->swept = 0;
}

ct_status BT__F(bt__backward_cold)(TAPE *tape, int64_t root)
{
    if (!tape)
        return BT_ETAPE;
    (void)accept(tape, BT__F(bt__var)(tape, root, 0, 0));
    if (tape->status != CT_OK)
        return tape->status;
    clear_gradients(tape);
    tape->swept = root + 1;
    BT__F(bt__sweep)(tape, root, 1);
    return CT_OK;
}

ct_status BT__F(bt_backward_seeded)(const VAR *roots, const REAL *seeds, size_t n)
{
    TAPE *tape = n ? roots[0].tape : NULL;
    size_t end = 0;
    for (size_t i = 0; i < n; i++) {
        if (!tape || !accept(tape, roots[i])) {
            if (!tape)
                reject(NULL, roots[i]);
            continue;
        }
        if ((size_t)roots[i].index > end)
            end = (size_t)roots[i].index;
    }
    if (!tape || tape->status != CT_OK)
        return tape ? tape->status : BT_ETAPE;
    clear_gradients(tape);
    tape->swept = (int64_t)end + 1;
    for (size_t i = 0; i < n; i++)
        tape->nodes[roots[i].index].gradient += seeds[i];
    BT__F(bt__sweep)(tape, (int64_t)end, tape->nodes[end].gradient);
    return CT_OK;
}

static bool any_wanted(const TAPE *tape, const NODE *node)
{
    const NODE *nodes = tape->nodes;
    if (node->op <= BT_OP_CONSTANT)
        return false;
    if (node->op < BT_OP_SUM)
        return (nodes[node->a].op & WANTED) ||
               (node->op >= BT_OP_ADD && (nodes[node->u.b].op & WANTED));
    const uint32_t *x = tape->list + node->a;
    for (size_t i = 0, n = entries_of(node); i < n; i++)
        if (nodes[x[i]].op & WANTED)
            return true;
    return false;
}

ct_status BT__F(bt_gradients_of)(REAL *out, VAR root, const VAR *wrt, size_t n)
{
    TAPE *tape = root.tape;
    if (!tape)
        return BT_ETAPE;
    (void)accept(tape, root);
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < n; i++)
        if (accept(tape, wrt[i]) && (size_t)wrt[i].index < first)
            first = (size_t)wrt[i].index;
    if (tape->status != CT_OK)
        return tape->status;
    clear_gradients(tape);
    const size_t end = (size_t)root.index;
    NODE *nodes = tape->nodes;
    for (size_t i = 0; i < n; i++)
        nodes[wrt[i].index].op |= WANTED;
    for (size_t i = first; i <= end && first < end; i++)
        if (!(nodes[i].op & WANTED) && any_wanted(tape, &nodes[i]))
            nodes[i].op |= WANTED;
    if (first <= end && nodes[end].op & WANTED) {
        tape->swept = (int64_t)end + 1;
        sweep(tape, end, first, 1, true);
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = nodes[wrt[i].index].gradient;
        nodes[wrt[i].index].op &= ~WANTED;
    }
    for (size_t i = first; i <= end && first < end; i++)
        nodes[i].op &= ~WANTED;
    return CT_OK;
}
