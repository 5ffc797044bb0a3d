// SPDX-License-Identifier: MIT
/* Operations on any number of operands, in one precision (see tape_private.h): one node whose
 * operands stand in the tape's list array.
 *
 * Entries of a node: [c] x_0 … x_n-1 [z_0 … z_n-1], where c belongs to dot_bias and z to the dot
 * products. Repeated operands are fine: gradients add up. */

#define MAX_LIST ((size_t)UINT32_MAX)

/* Let *array hold `needed` elements of `size` bytes, at least doubling. */
static bool grow_array(void **array, size_t *capacity, size_t needed, size_t size)
{
    if (needed <= *capacity)
        return true;
    size_t bytes, count = *capacity > needed / 2 ? 2 * *capacity : needed;
    if (!ct_mul_size(&bytes, count, size))
        return false;
    void *larger = realloc(*array, bytes);
    if (!larger)
        return false;
    *array = larger;
    *capacity = count;
    return true;
}

static bool reserve_list(TAPE *t, size_t n, bool product)
{
    if (n > MAX_LIST - t->n_list) {
        mark(t, CT_ERANGE, "more than 2^32 operands in the lists of one tape");
        return false;
    }
    void *list = t->list, *scratch = t->scratch;
    bool ok = grow_array(&list, &t->list_capacity, t->n_list + n, sizeof *t->list);
    t->list = list;
    ok = ok && (!product || grow_array(&scratch, &t->scratch_capacity, n, sizeof *t->scratch));
    t->scratch = scratch;
    if (!ok)
        mark(t, CT_ENOMEM, "no memory for the operands of a list operation");
    return ok && grow(t);
}

/* Append the indices of x to the list; false: one of them is not a variable of this tape. */
static bool append_operands(TAPE *t, const VAR *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!accept(t, x[i]))
            return false;
        t->list[t->n_list++] = (uint32_t)x[i].index;
    }
    return true;
}

static REAL list_value(const TAPE *tape, bt_op op, const uint32_t *x, size_t n);

/* One node over c (may be NULL), x and z (may be NULL). */
static VAR record_list(bt_op op, const VAR *c, const VAR *x, const VAR *z, size_t n)
{
    TAPE *t = c ? c->tape : n ? x[0].tape : NULL;
    if (!t) { // mark the tapes of the others
        for (size_t i = 0; i < n; i++) {
            reject(NULL, x[i]);
            if (z)
                reject(NULL, z[i]);
        }
        return fail_node(NULL, BT_ETAPE, unset_text);
    }
    const size_t start = t->n_list;
    if (n > MAX_LIST / 2 - 1)
        return fail_node(t, CT_ERANGE, "more than 2^31 operands of one operation");
    if (!reserve_list(t, (c ? 1 : 0) + n * (z ? 2 : 1), op == BT_OP_PRODUCT))
        return count_node(t, record_none(t));
    if (!append_operands(t, c, c ? 1 : 0) || !append_operands(t, x, n) ||
        !append_operands(t, z, z ? n : 0)) {
        t->n_list = start;
        return count_node(t, record_none(t));
    }
    const REAL y = list_value(t, op, t->list + start, n);
    BT__F(bt__fill)(t, t->n, op, (int64_t)start, y)->u.b = (BT__F(bt__index))n;
    return count_node(t, y);
}

#define DEFINE_LIST(ID, name)                                                                      \
    VAR BT__F(name)(const VAR *x, size_t n)                                                        \
    {                                                                                              \
        return record_list(BT_OP_##ID, NULL, x, NULL, n);                                          \
    }
DEFINE_LIST(SUM, bt_sum)
DEFINE_LIST(SUBTRACT, bt_subtract)
DEFINE_LIST(PRODUCT, bt_product)
DEFINE_LIST(MEAN, bt_mean)
DEFINE_LIST(NEG_MEAN, bt_neg_mean)
DEFINE_LIST(SUM_SQUARES, bt_sum_squares)
DEFINE_LIST(MEAN_SQUARES, bt_mean_squares)
DEFINE_LIST(VARIANCE, bt_variance)
DEFINE_LIST(VARIANCE_BIASED, bt_variance_biased)
DEFINE_LIST(NORM, bt_norm)
DEFINE_LIST(LOG_SUM_EXP, bt_log_sum_exp)
DEFINE_LIST(MAX_OF, bt_max_of)
DEFINE_LIST(MIN_OF, bt_min_of)

VAR BT__F(bt_select)(VAR condition, VAR x, VAR z)
{
    const VAR three[3] = {condition, x, z};
    return record_list(BT_OP_SELECT, NULL, three, NULL, 3);
}

VAR BT__F(bt_dot)(const VAR *x, const VAR *z, size_t n)
{
    return record_list(BT_OP_DOT, NULL, x, z, n);
}

VAR BT__F(bt_dot_bias)(VAR c, const VAR *x, const VAR *z, size_t n)
{
    return record_list(BT_OP_DOT_BIAS, &c, x, z, n);
}

VAR BT__F(bt_apply_list)(bt_op op, const VAR *x, size_t n)
{
    const bt_op_info *info = bt_op_info_of(op);
    TAPE *tape = n ? x[0].tape : NULL;
    if (!info || info->arity != BT_ARITY_LIST || op == BT_OP_DOT || op == BT_OP_DOT_BIAS)
        return fail_node(tape, CT_EINVALID, "bt_apply_list takes an operation on one list");
    if (op == BT_OP_SELECT && n != 3)
        return fail_node(tape, CT_EINVALID, "select takes a condition and two operands");
    return record_list(op, NULL, x, NULL, n);
}

/* ---- Values ---- */

static REAL sum_of(const NODE *nodes, const uint32_t *x, size_t n)
{
    REAL sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += nodes[x[i]].value;
    return sum;
}

static REAL product_of(const NODE *nodes, const uint32_t *x, size_t n)
{
    REAL product = 1;
    for (size_t i = 0; i < n; i++)
        product *= nodes[x[i]].value;
    return product;
}

static REAL dot_of(const NODE *nodes, const uint32_t *x, const uint32_t *z, size_t n)
{
    REAL sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += nodes[x[i]].value * nodes[z[i]].value;
    return sum;
}

/* In two passes: the difference of two large sums would cancel. */
static REAL deviations_of(const NODE *nodes, const uint32_t *x, size_t n)
{
    const REAL mean = sum_of(nodes, x, n) / (REAL)n;
    REAL sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (nodes[x[i]].value - mean) * (nodes[x[i]].value - mean);
    return sum;
}

/* The largest of sign x_i, times sign; NaN if one is. */
static REAL extreme_of(const NODE *nodes, const uint32_t *x, size_t n, REAL sign)
{
    REAL largest = nodes[x[0]].value;
    for (size_t i = 1; i < n; i++) {
        const REAL v = nodes[x[i]].value;
        if (sign * v > sign * largest || v != v)
            largest = v;
    }
    return largest;
}

/* Scaled by the largest |x_i|, so that no square overflows or vanishes. */
static REAL norm_of(const NODE *nodes, const uint32_t *x, size_t n)
{
    REAL largest = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        const REAL v = BT__F(fabs)(nodes[x[i]].value);
        if (v > largest || v != v)
            largest = v;
    }
    if (!(largest > 0) || largest == (REAL)INFINITY)
        return largest;
    for (size_t i = 0; i < n; i++)
        sum += (nodes[x[i]].value / largest) * (nodes[x[i]].value / largest);
    return largest * BT__F(sqrt)(sum);
}

static REAL log_sum_exp_of(const NODE *nodes, const uint32_t *x, size_t n)
{
    const REAL largest = extreme_of(nodes, x, n, 1);
    if (largest - largest != 0) // inf, -inf, NaN
        return largest;
    REAL sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += BT__F(exp)(nodes[x[i]].value - largest);
    return largest + BT__F(log)(sum);
}

static REAL list_value(const TAPE *tape, bt_op op, const uint32_t *x, size_t n)
{
    const NODE *v = tape->nodes;
    switch (op) {
    case BT_OP_SUM:
        return sum_of(v, x, n);
    case BT_OP_SUBTRACT:
        return v[x[0]].value - sum_of(v, x + 1, n - 1);
    case BT_OP_PRODUCT:
        return product_of(v, x, n);
    case BT_OP_MEAN:
        return sum_of(v, x, n) / (REAL)n;
    case BT_OP_NEG_MEAN:
        return -sum_of(v, x, n) / (REAL)n;
    case BT_OP_SUM_SQUARES:
        return dot_of(v, x, x, n);
    case BT_OP_MEAN_SQUARES:
        return dot_of(v, x, x, n) / (REAL)n;
    case BT_OP_VARIANCE:
        return deviations_of(v, x, n) / (REAL)(n - 1);
    case BT_OP_VARIANCE_BIASED:
        return deviations_of(v, x, n) / (REAL)n;
    case BT_OP_NORM:
        return norm_of(v, x, n);
    case BT_OP_LOG_SUM_EXP:
        return log_sum_exp_of(v, x, n);
    case BT_OP_MAX_OF:
        return extreme_of(v, x, n, 1);
    case BT_OP_MIN_OF:
        return extreme_of(v, x, n, -1);
    case BT_OP_SELECT:
        return v[x[0]].value > 0 ? v[x[1]].value : v[x[2]].value;
    case BT_OP_DOT:
        return dot_of(v, x, x + n, n);
    case BT_OP_DOT_BIAS:
        return v[x[0]].value + dot_of(v, x + 1, x + 1 + n, n);
    default:
        return none_value;
    }
}

/* How many entries of the list a node has. */
static size_t entries_of(const NODE *node)
{
    const size_t n = (size_t)node->u.b;
    return node->op == BT_OP_DOT ? 2 * n : node->op == BT_OP_DOT_BIAS ? 2 * n + 1 : n;
}

/* ---- Gradients ---- */

static void add_to_all(NODE *nodes, const uint32_t *x, size_t n, REAL g)
{
    for (size_t i = 0; i < n; i++)
        nodes[x[i]].gradient += g;
}

static void add_scaled(NODE *nodes, const uint32_t *to, const uint32_t *x, size_t n, REAL g)
{
    for (size_t i = 0; i < n; i++)
        nodes[to[i]].gradient += g * nodes[x[i]].value;
}

/* The product of all other operands, from products before (scratch) and after i: no division. */
static void product_backward(TAPE *tape, const uint32_t *x, size_t n, REAL g)
{
    NODE *nodes = tape->nodes;
    REAL product = 1;
    for (size_t i = 0; i < n; i++) {
        tape->scratch[i] = product;
        product *= nodes[x[i]].value;
    }
    product = g;
    for (size_t i = n; i-- > 0;) {
        nodes[x[i]].gradient += tape->scratch[i] * product;
        product *= nodes[x[i]].value;
    }
}

static void variance_backward(NODE *nodes, const uint32_t *x, size_t n, REAL g)
{
    const REAL mean = sum_of(nodes, x, n) / (REAL)n;
    for (size_t i = 0; i < n; i++)
        nodes[x[i]].gradient += 2 * g * (nodes[x[i]].value - mean);
}

static void log_sum_exp_backward(NODE *nodes, const uint32_t *x, size_t n, REAL y, REAL g)
{
    if (y == (REAL)-INFINITY) // a sum of zeros
        return;
    for (size_t i = 0; i < n; i++)
        nodes[x[i]].gradient += g * BT__F(exp)(nodes[x[i]].value - y);
}

/* In equal parts to those that are the extreme y. */
static void extreme_backward(NODE *nodes, const uint32_t *x, size_t n, REAL y, REAL g)
{
    size_t ties = 0;
    for (size_t i = 0; i < n; i++)
        ties += nodes[x[i]].value == y;
    for (size_t i = 0; i < n; i++)
        if (nodes[x[i]].value == y)
            nodes[x[i]].gradient += g / (REAL)ties;
}

static BT__NOINLINE void list_backward(TAPE *tape, const NODE *node, REAL g)
{
    NODE *nodes = tape->nodes;
    const uint32_t *x = tape->list + node->a;
    const size_t n = (size_t)node->u.b;
    switch ((bt_op)node->op) {
    case BT_OP_SUM:
        add_to_all(nodes, x, n, g);
        break;
    case BT_OP_SUBTRACT:
        nodes[x[0]].gradient += g;
        add_to_all(nodes, x + 1, n - 1, -g);
        break;
    case BT_OP_PRODUCT:
        product_backward(tape, x, n, g);
        break;
    case BT_OP_MEAN:
        add_to_all(nodes, x, n, g / (REAL)n);
        break;
    case BT_OP_NEG_MEAN:
        add_to_all(nodes, x, n, -g / (REAL)n);
        break;
    case BT_OP_SUM_SQUARES:
        add_scaled(nodes, x, x, n, 2 * g);
        break;
    case BT_OP_MEAN_SQUARES:
        add_scaled(nodes, x, x, n, 2 * g / (REAL)n);
        break;
    case BT_OP_VARIANCE:
        variance_backward(nodes, x, n, g / (REAL)(n - 1));
        break;
    case BT_OP_VARIANCE_BIASED:
        variance_backward(nodes, x, n, g / (REAL)n);
        break;
    case BT_OP_NORM:
        if (node->value != 0)
            add_scaled(nodes, x, x, n, g / node->value);
        break;
    case BT_OP_LOG_SUM_EXP:
        log_sum_exp_backward(nodes, x, n, node->value, g);
        break;
    case BT_OP_MAX_OF:
    case BT_OP_MIN_OF:
        extreme_backward(nodes, x, n, node->value, g);
        break;
    case BT_OP_SELECT:
        nodes[x[nodes[x[0]].value > 0 ? 1 : 2]].gradient += g;
        break;
    case BT_OP_DOT_BIAS:
        nodes[*x++].gradient += g;
        // fall through
    case BT_OP_DOT:
        add_scaled(nodes, x, x + n, n, g);
        add_scaled(nodes, x + n, x, n, g);
        break;
    default:
        break;
    }
}
