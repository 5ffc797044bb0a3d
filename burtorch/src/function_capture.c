// SPDX-License-Identifier: MIT
/* Capture: from the nodes of a tape to the steps of a function.
 *
 * Three passes, none recursive: mark backward what the outputs need; build forward, folding
 * constants and looking each operation up in a hash table before making a new one; then number what
 * is still needed (a simplification may leave operations unused) and copy it out. */
#include "function_private.h"
#include "tape_private.h"

#include <ctrain/arena.h>
#include <stdlib.h>
#include <string.h>

#define UNUSED UINT32_MAX
#define NEEDED (UINT32_MAX - 1)

/* An input (variable; a is its number), a constant, or an operation on earlier nodes. */
typedef struct node {
    uint32_t op;
    uint32_t a, b; // nodes; of lists as in bt__instruction
    double value;  // of a constant
} node;

typedef struct builder {
    node *nodes;
    double *value; // of nodes that are constants
    uint32_t *list;
    uint32_t *table; // hash table of node numbers, UNUSED where empty
    uint32_t *slot;  // of each node, in the last pass
    size_t n, n_list, mask;
} builder;

/* What a tape needs: its nodes up to the last one asked for, and what becomes of them. */
typedef struct capture {
    const bt_tape *tape;
    const bt_var *inputs, *outputs;
    size_t n, m;
    uint32_t *node_of; // of a tape's node: UNUSED, NEEDED, or the node it became
    size_t end;
    builder b;
} capture;

/* ---- Arguments ---- */

static ct_status check_var(const bt_tape *tape, bt_var x, const char *what, size_t i, ct_diag *diag)
{
    if (x.tape != tape)
        return ct_fail(diag, BT_ETAPE, "%s %zu is %s", what, i,
                       x.tape ? "a variable of another tape" : "not set");
    if (!bt__exists(x))
        return ct_fail(diag, BT_ETAPE, "%s %zu is a variable that a rewind has dropped", what, i);
    return CT_OK;
}

static ct_status check_arguments(capture *c, ct_diag *diag)
{
    if (c->m == 0)
        return ct_fail(diag, CT_EINVALID, "a function of no output");
    c->tape = c->outputs[0].tape;
    if (!c->tape)
        return ct_fail(diag, BT_ETAPE, "output 0 is not set");
    if (c->tape->status != CT_OK)
        return ct_fail(diag, c->tape->status, "%s", bt_tape_message(c->tape));
    for (size_t i = 0; i < c->m; i++) {
        CT_TRY(check_var(c->tape, c->outputs[i], "output", i, diag));
        if (c->end <= (size_t)c->outputs[i].index)
            c->end = (size_t)c->outputs[i].index + 1;
    }
    for (size_t i = 0; i < c->n; i++) {
        CT_TRY(check_var(c->tape, c->inputs[i], "input", i, diag));
        const bt_op op = bt__tape_read(c->tape, (size_t)c->inputs[i].index).op;
        if (op > BT_OP_CONSTANT)
            return ct_fail(diag, CT_EINVALID, "input %zu is the result of an operation (%s)", i,
                           bt_op_info_of(op)->name);
        if (c->end <= (size_t)c->inputs[i].index)
            c->end = (size_t)c->inputs[i].index + 1;
    }
    return CT_OK;
}

/* ---- Building ---- */

static uint32_t hash_of(const builder *b, const node *x)
{
    uint64_t h = x->op;
#define MIX(word) h = (h ^ (word)) * 0x9e3779b97f4a7c15u, h ^= h >> 29
    if (x->op == BT_OP_CONSTANT) {
        uint64_t bits;
        memcpy(&bits, &x->value, sizeof bits);
        MIX(bits);
    } else if (bt__is_list(x->op)) {
        for (size_t i = 0; i < bt__list_entries(x->op, x->b); i++)
            MIX(b->list[x->a + i]);
    } else {
        MIX(((uint64_t)x->a << 32) | x->b);
    }
#undef MIX
    return (uint32_t)(h ^ (h >> 32));
}

static bool same(const builder *b, const node *x, const node *z)
{
    if (x->op != z->op || x->b != z->b)
        return false;
    if (x->op == BT_OP_CONSTANT)
        return memcmp(&x->value, &z->value, sizeof x->value) == 0;
    if (!bt__is_list(x->op))
        return x->a == z->a;
    return memcmp(b->list + x->a, b->list + z->a,
                  bt__list_entries(x->op, x->b) * sizeof *b->list) == 0;
}

/* The node that is equal to x, x itself if there is none yet. */
static uint32_t intern(builder *b, const node *x)
{
    size_t i = hash_of(b, x) & b->mask;
    for (; b->table[i] != UNUSED; i = (i + 1) & b->mask)
        if (same(b, &b->nodes[b->table[i]], x))
            return b->table[i];
    b->nodes[b->n] = *x;
    b->value[b->n] = x->value;
    return b->table[i] = (uint32_t)b->n++;
}

static uint32_t constant(builder *b, double value)
{
    return intern(b, &(node){BT_OP_CONSTANT, 0, 0, value});
}

static bool is_constant(const builder *b, uint32_t i)
{
    return b->nodes[i].op == BT_OP_CONSTANT;
}

/* i is the constant value, the sign of a zero included. */
static bool is_number(const builder *b, uint32_t i, double value)
{
    return is_constant(b, i) && memcmp(&b->nodes[i].value, &value, sizeof value) == 0;
}

/* c is a power of two, so that multiplying by 1 / c is the same as dividing by c. */
static bool has_exact_inverse(double c)
{
    int exponent;
    return fabs(frexp(c, &exponent)) == 0.5 && isfinite(1.0 / c);
}

static uint32_t apply(builder *b, bt_op op, uint32_t x, uint32_t z)
{
    return intern(b, &(node){(uint32_t)op, x, z, 0.0});
}

static uint32_t unary(builder *b, bt_op op, uint32_t x)
{
    if (is_constant(b, x))
        return constant(b, bt_op_evaluate(op, b->nodes[x].value, 0.0));
    if (op == BT_OP_NEG && b->nodes[x].op == BT_OP_NEG)
        return b->nodes[x].a;
    return apply(b, op, x, x);
}

/* The operands of these may change places without a change of one bit. */
static bool commutes(bt_op op)
{
    return op == BT_OP_ADD || op == BT_OP_MUL || op == BT_OP_MEAN2 || op == BT_OP_NEG_MEAN2 ||
           op == BT_OP_ADD_SQUARES || op == BT_OP_MEAN_SQUARES2;
}

static uint32_t binary(builder *b, bt_op op, uint32_t x, uint32_t z)
{
    if (is_constant(b, x) && is_constant(b, z))
        return constant(b, bt_op_evaluate(op, b->nodes[x].value, b->nodes[z].value));
    if (op == BT_OP_SUB && is_constant(b, z)) {
        z = constant(b, -b->nodes[z].value);
        op = BT_OP_ADD;
    }
    if (op == BT_OP_DIV && is_constant(b, z) && has_exact_inverse(b->nodes[z].value)) {
        z = constant(b, 1.0 / b->nodes[z].value);
        op = BT_OP_MUL;
    }
    if (commutes(op) && (is_constant(b, x) || (x > z && !is_constant(b, z)))) {
        const uint32_t swap = x;
        x = z;
        z = swap;
    }
    if ((op == BT_OP_ADD && is_number(b, z, -0.0)) || (op == BT_OP_MUL && is_number(b, z, 1.0)) ||
        (op == BT_OP_POW && is_number(b, z, 1.0)))
        return x;
    if (op == BT_OP_MUL && is_number(b, z, -1.0))
        return unary(b, BT_OP_NEG, x);
    if (op == BT_OP_MUL && x == z)
        return unary(b, BT_OP_SQR, x);
    return apply(b, op, x, z);
}

static double list_value(const builder *b, bt_op op, const uint32_t *x, size_t n)
{
    if (op != BT_OP_SUM && op != BT_OP_DOT)
        return bt__list_value(op, x, n, b->value, 1);
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += b->value[x[i]] * (op == BT_OP_DOT ? b->value[x[n + i]] : 1.0);
    return sum;
}

/* A list operation on n operands (dot: pairs), whose entries are the last of the list. */
static uint32_t list_node(builder *b, bt_op op, size_t n)
{
    const size_t entries = bt__list_entries(op, (uint32_t)n);
    const size_t start = b->n_list - entries, nodes_before = b->n;
    const uint32_t *x = b->list + start;
    bool constants = true;
    for (size_t i = 0; i < entries; i++)
        constants = constants && is_constant(b, x[i]);
    const uint32_t result =
        constants ? constant(b, list_value(b, op, x, n))
                  : intern(b, &(node){(uint32_t)op, (uint32_t)start, (uint32_t)n, 0.0});
    if (constants || b->n == nodes_before)
        b->n_list = start;
    return result;
}

static void push(capture *c, const uint32_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        c->b.list[c->b.n_list++] = c->node_of[x[i]];
}

static uint32_t list_of(capture *c, bt_op op, const uint32_t *x, size_t n)
{
    push(c, x, n);
    return list_node(&c->b, op, n);
}

static uint32_t sum_of(capture *c, const uint32_t *x, size_t n)
{
    return list_of(c, BT_OP_SUM, x, n);
}

static uint32_t dot_of(capture *c, const uint32_t *x, const uint32_t *z, size_t n)
{
    push(c, x, n);
    push(c, z, n);
    return list_node(&c->b, BT_OP_DOT, n);
}

/* The sum of (x_i - mean)^2, over divisor. */
static uint32_t variance_of(capture *c, const uint32_t *x, size_t n, size_t divisor)
{
    builder *b = &c->b;
    const uint32_t mean = binary(b, BT_OP_DIV, sum_of(c, x, n), constant(b, (double)n));
    uint32_t *const deviation = b->list + b->n_list;
    for (size_t i = 0; i < n; i++)
        deviation[i] = deviation[n + i] = binary(b, BT_OP_SUB, c->node_of[x[i]], mean);
    b->n_list += 2 * n;
    return binary(b, BT_OP_DIV, list_node(b, BT_OP_DOT, n), constant(b, (double)divisor));
}

/* A constant condition has decided. */
static uint32_t select_of(capture *c, const uint32_t *x)
{
    const builder *b = &c->b;
    const uint32_t condition = c->node_of[x[0]];
    if (is_constant(b, condition))
        return c->node_of[x[b->value[condition] > 0.0 ? 1 : 2]];
    return list_of(c, BT_OP_SELECT, x, 3);
}

/* In terms of the lists that functions know, and of operations on one or two, which compute the
 * same numbers. */
static uint32_t build_list(capture *c, const bt__recorded *v)
{
    builder *b = &c->b;
    const uint32_t *x = v->list;
    const size_t n = v->n_list;
    uint32_t y;
    switch (v->op) {
    case BT_OP_SUM:
        return sum_of(c, x, n);
    case BT_OP_SUBTRACT:
        return binary(b, BT_OP_SUB, c->node_of[x[0]], sum_of(c, x + 1, n - 1));
    case BT_OP_PRODUCT:
        y = c->node_of[x[0]];
        for (size_t i = 1; i < n; i++)
            y = binary(b, BT_OP_MUL, y, c->node_of[x[i]]);
        return y;
    case BT_OP_MEAN:
        return binary(b, BT_OP_DIV, sum_of(c, x, n), constant(b, (double)n));
    case BT_OP_NEG_MEAN:
        y = unary(b, BT_OP_NEG, sum_of(c, x, n));
        return binary(b, BT_OP_DIV, y, constant(b, (double)n));
    case BT_OP_SUM_SQUARES:
        return dot_of(c, x, x, n);
    case BT_OP_MEAN_SQUARES:
        return binary(b, BT_OP_DIV, dot_of(c, x, x, n), constant(b, (double)n));
    case BT_OP_VARIANCE:
        return variance_of(c, x, n, n - 1);
    case BT_OP_VARIANCE_BIASED:
        return variance_of(c, x, n, n);
    case BT_OP_SELECT:
        return select_of(c, x);
    case BT_OP_DOT:
        return dot_of(c, x, x + n / 2, n / 2);
    case BT_OP_DOT_BIAS:
        return binary(b, BT_OP_ADD, c->node_of[x[0]], dot_of(c, x + 1, x + 1 + n / 2, n / 2));
    default: // norm, log_sum_exp, max_of, min_of
        return list_of(c, v->op, x, n);
    }
}

/* An operation of x and a plain number z. */
static uint32_t build_number(builder *b, bt_op op, uint32_t x, uint32_t z)
{
    switch (op) {
    case BT_OP_MUL_CONST:
        return binary(b, BT_OP_MUL, x, z);
    case BT_OP_ADD_CONST:
        return binary(b, BT_OP_ADD, x, z);
    case BT_OP_SUB_CONST:
        return binary(b, BT_OP_SUB, x, z);
    case BT_OP_CONST_SUB:
        return binary(b, BT_OP_SUB, z, x);
    case BT_OP_DIV_CONST:
        return binary(b, BT_OP_DIV, x, z);
    case BT_OP_CONST_DIV:
        return binary(b, BT_OP_DIV, z, x);
    case BT_OP_EXP_SHIFTED:
        return unary(b, BT_OP_EXP, binary(b, BT_OP_SUB, x, z));
    case BT_OP_POW_CONST:
        return binary(b, BT_OP_POW, x, z);
    default: // those of BT__NUMBER_STEPS
        return binary(b, op, x, z);
    }
}

static uint32_t build(capture *c, const bt__recorded *v)
{
    builder *b = &c->b;
    if (v->list)
        return build_list(c, v);
    switch (bt_op_info_of(v->op)->arity) {
    case BT_ARITY_ONE:
        return unary(b, v->op, c->node_of[v->a]);
    case BT_ARITY_TWO:
        return binary(b, v->op, c->node_of[v->a], c->node_of[v->b]);
    case BT_ARITY_NUMBER:
        return build_number(b, v->op, c->node_of[v->a], constant(b, v->c));
    default:
        return constant(b, v->value);
    }
}

/* ---- Passes ---- */

/* Mark what the outputs need, and count an upper bound of what it becomes: a list operation at most
 * one node an operand, and lists of at most thrice its operands (variance: a sum and a dot); each
 * node a few more. */
static void mark(capture *c, size_t *nodes, size_t *entries)
{
    for (size_t i = 0; i < c->end; i++)
        c->node_of[i] = UNUSED;
    for (size_t i = 0; i < c->m; i++)
        c->node_of[c->outputs[i].index] = NEEDED;
    *nodes = c->n;
    *entries = 0;
    for (size_t i = c->end; i-- > 0;) {
        if (c->node_of[i] == UNUSED)
            continue;
        const bt__recorded v = bt__tape_read(c->tape, i);
        *nodes += 8 + v.n_list;
        *entries += 3 * v.n_list;
        for (size_t k = 0; k < v.n_list; k++)
            c->node_of[v.list[k]] = NEEDED;
        if (v.op > BT_OP_CONSTANT && !v.list)
            c->node_of[v.a] = c->node_of[v.b] = NEEDED;
    }
}

static ct_status builder_init(builder *b, size_t nodes, size_t entries, ct_diag *diag)
{
    if (nodes > NEEDED / 2 || entries > NEEDED)
        return ct_fail(diag, CT_ERANGE, "more than 2^31 operations in a function");
    b->mask = 15;
    while (b->mask < 2 * nodes)
        b->mask = 2 * b->mask + 1;
    b->nodes = malloc(nodes * sizeof *b->nodes + 1);
    b->value = malloc(nodes * sizeof *b->value + 1);
    b->list = malloc(entries * sizeof *b->list + 1);
    b->table = malloc((b->mask + 1) * sizeof *b->table);
    b->slot = malloc(nodes * sizeof *b->slot + 1);
    if (!b->nodes || !b->value || !b->list || !b->table || !b->slot)
        return ct_fail(diag, CT_ENOMEM, "no memory to capture %zu operations", nodes);
    memset(b->table, 0xff, (b->mask + 1) * sizeof *b->table);
    return CT_OK;
}

static void builder_clear(builder *b)
{
    free(b->nodes);
    free(b->value);
    free(b->list);
    free(b->table);
    free(b->slot);
}

/* Inputs are nodes 0 … n-1, and not in the hash table. */
static ct_status build_all(capture *c, ct_diag *diag)
{
    for (size_t i = 0; i < c->n; i++) {
        uint32_t *node_of = &c->node_of[c->inputs[i].index];
        if (*node_of != UNUSED && *node_of != NEEDED)
            return ct_fail(diag, CT_EINVALID, "inputs %u and %zu are the same variable", *node_of,
                           i);
        *node_of = (uint32_t)i;
        c->b.nodes[i] = (node){BT_OP_VARIABLE, (uint32_t)i, 0, 0.0};
    }
    c->b.n = c->n;
    for (size_t i = 0; i < c->end; i++) {
        if (c->node_of[i] != NEEDED)
            continue;
        const bt__recorded v = bt__tape_read(c->tape, i);
        c->node_of[i] = build(c, &v);
    }
    return CT_OK;
}

/* slot[i] = NEEDED for what the outputs still need, and the sizes of the function. */
static void count(capture *c, bt_function *f)
{
    builder *b = &c->b;
    memset(b->slot, 0xff, b->n * sizeof *b->slot);
    f->n = c->n;
    f->m = c->m;
    for (size_t i = 0; i < c->m; i++)
        b->slot[c->node_of[c->outputs[i].index]] = NEEDED;
    for (size_t i = b->n; i-- > c->n;) {
        const node *x = &b->nodes[i];
        if (b->slot[i] == UNUSED)
            continue;
        if (x->op == BT_OP_CONSTANT) {
            f->n_constants++;
            continue;
        }
        f->n_steps++;
        if (bt__is_list(x->op)) {
            const size_t entries = bt__list_entries(x->op, x->b);
            for (size_t k = 0; k < entries; k++)
                b->slot[b->list[x->a + k]] = NEEDED;
            f->n_list += entries;
        } else {
            b->slot[x->a] = b->slot[x->b] = NEEDED;
        }
    }
    f->base = f->n + f->n_constants;
}

/* How a step passes gradients on, both operands being variable. */
static bt__back back_of(bt_op op)
{
    switch (op) {
#define CASE_UNARY(ID, name, y, da, low, high)                                                     \
    case BT_OP_##ID:                                                                               \
        return BT__BACK_##ID;
#define CASE_BINARY(ID, name, y, da, db, low_a, high_a, low_b, high_b)                             \
    case BT_OP_##ID:                                                                               \
        return BT__BACK_##ID;
        BT_UNARY_OPS(CASE_UNARY)
        BT__BINARY_STEPS(CASE_BINARY)
    case BT_OP_SUM:
        return BT__BACK_SUM;
    case BT_OP_DOT:
        return BT__BACK_DOT;
    default:
        return BT__BACK_LIST;
    }
}

static bt__instruction step_of(const builder *b, const node *x, uint32_t *list, size_t *n_list)
{
    const bt_op op = (bt_op)x->op;
    bt__instruction s = {(uint16_t)op, (uint16_t)back_of(op), 0, x->b};
    if (bt__is_list(op)) {
        const size_t entries = bt__list_entries(op, x->b);
        s.a = (uint32_t)*n_list;
        for (size_t k = 0; k < entries; k++)
            list[(*n_list)++] = b->slot[b->list[x->a + k]];
        return s;
    }
    if (is_constant(b, x->b))
        s.back += 1; // …_A
    else if (is_constant(b, x->a))
        s.back += 2; // …_B
    s.a = b->slot[x->a];
    s.b = b->slot[x->b];
    return s;
}

static void copy_out(capture *c, bt_function *f)
{
    builder *b = &c->b;
    uint32_t next_constant = (uint32_t)f->n, next_step = (uint32_t)f->base;
    size_t n_list = 0;
    for (size_t i = 0; i < b->n; i++) {
        const node *x = &b->nodes[i];
        if (x->op == BT_OP_VARIABLE) {
            b->slot[i] = (uint32_t)i;
        } else if (b->slot[i] == UNUSED) {
            continue;
        } else if (x->op == BT_OP_CONSTANT) {
            f->constants[next_constant - f->n] = x->value;
            b->slot[i] = next_constant++;
        } else {
            f->steps[next_step - f->base] = step_of(b, x, f->list, &n_list);
            b->slot[i] = next_step++;
        }
    }
    for (size_t i = 0; i < c->m; i++)
        f->outputs[i] = b->slot[c->node_of[c->outputs[i].index]];
}

static ct_status finish(capture *c, bt_function **out, ct_diag *diag)
{
    bt_function sizes = {0}, *f;
    count(c, &sizes);
    const size_t bytes = sizeof *f + sizes.n_constants * sizeof *f->constants +
                         sizes.n_steps * sizeof *f->steps + sizes.n_list * sizeof *f->list +
                         sizes.m * sizeof *f->outputs;
    f = malloc(bytes);
    if (!f)
        return ct_fail(diag, CT_ENOMEM, "no memory for a function of %zu operations",
                       sizes.n_steps);
    *f = sizes;
    f->constants = (double *)(f + 1);
    f->steps = (bt__instruction *)(f->constants + f->n_constants);
    f->list = (uint32_t *)(f->steps + f->n_steps);
    f->outputs = f->list + f->n_list;
    copy_out(c, f);
    *out = f;
    return CT_OK;
}

static ct_status run(capture *c, bt_function **out, ct_diag *diag)
{
    size_t nodes, entries;
    CT_TRY(check_arguments(c, diag));
    c->node_of = malloc(c->end * sizeof *c->node_of);
    if (!c->node_of)
        return ct_fail(diag, CT_ENOMEM, "no memory to capture from %zu nodes", c->end);
    mark(c, &nodes, &entries);
    CT_TRY(builder_init(&c->b, nodes, entries, diag));
    CT_TRY(build_all(c, diag));
    return finish(c, out, diag);
}

ct_status bt_function_capture(bt_function **out, const bt_var *inputs, size_t n,
                              const bt_var *outputs, size_t m, ct_diag *diag)
{
    *out = NULL;
    capture c = {.inputs = inputs, .outputs = outputs, .n = n, .m = m};
    const ct_status status = run(&c, out, diag);
    free(c.node_of);
    builder_clear(&c.b);
    return status;
}

void bt_function_destroy(bt_function *f)
{
    free(f);
}

size_t bt_function_inputs(const bt_function *f)
{
    return f->n;
}

size_t bt_function_outputs(const bt_function *f)
{
    return f->m;
}

size_t bt_function_operations(const bt_function *f)
{
    return f->n_steps;
}
