// SPDX-License-Identifier: MIT
/* The expression language: a recursive-descent parser that turns text into a list of nodes, each
 * made of earlier ones, and the loop that records such a list on a tape.
 *
 * Operations on constants alone are computed while parsing. Recursion is bounded by MAX_DEPTH; the
 * list is flat, so recording does not recurse. */
#include <burtorch/expression.h>

#include <ctrain/arena.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 200, NAME_SHOWN = 60 };

/* BT_OP_VARIABLE: input number a. BT_OP_CONSTANT: value. Lists: entries a … a+b-1 of list. Else
 * operands a and b. */
typedef struct expr_node {
    bt_op op;
    uint32_t a, b;
    double value;
} expr_node;

typedef struct expr_name {
    char *text;
    uint32_t node;
} expr_name;

struct bt_expression {
    expr_node *nodes;
    size_t n_nodes, nodes_capacity;
    uint32_t *list;
    size_t n_list, list_capacity;
    expr_name *names; // inputs first, then assigned
    size_t n_names, names_capacity, n_inputs;
    uint32_t result;
    size_t result_name; // index in names; SIZE_MAX: none
    bt_var *vars;       // (n_nodes)  of the last record
    bt_var *operands;   // (n_list)   scratch
};

typedef struct parser {
    bt_expression *e;
    const char *text;
    size_t at;
    unsigned depth;
    unsigned parentheses; // open ones: newlines are spaces there
    uint32_t *arguments;  // of the calls that are open, innermost last
    size_t n_arguments, arguments_capacity;
    ct_diag *diag;
} parser;

static ct_status parse_sum(parser *p, uint32_t *out);

/* ---- Text ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool starts_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t name_length(const char *text)
{
    size_t n = 0;
    if (starts_name(text[0]))
        while (starts_name(text[n]) || is_digit(text[n]))
            n++;
    return n;
}

/* "expression:LINE:COLUMN: message" into diag. */
static ct_status fail_at(parser *p, size_t at, const char *format, ...) CT_PRINTF(3, 4);
static ct_status fail_at(parser *p, size_t at, const char *format, ...)
{
    char message[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at; i++) {
        column++;
        if (p->text[i] == '\n') {
            line++;
            column = 1;
        }
    }
    return ct_fail(p->diag, BT_EEXPRESSION, "expression:%zu:%zu: %s", line, column, message);
}

/* How many bytes of a name an error shows, for %.*s. */
static int shown(size_t length)
{
    return length < NAME_SHOWN ? (int)length : NAME_SHOWN;
}

static void skip_space(parser *p)
{
    while (p->text[p->at] == ' ' || p->text[p->at] == '\t' || p->text[p->at] == '\r' ||
           (p->text[p->at] == '\n' && p->parentheses > 0))
        p->at++;
}

/* The error of something unexpected where `wanted` should stand. */
static ct_status unexpected(parser *p, const char *wanted)
{
    const unsigned char c = (unsigned char)p->text[p->at];
    const size_t length = name_length(p->text + p->at);
    if (c == '\0')
        return fail_at(p, p->at, "expected %s, not the end", wanted);
    if (c == '\n')
        return fail_at(p, p->at, "expected %s, not the end of the line", wanted);
    if (length)
        return fail_at(p, p->at, "expected %s, not '%.*s'", wanted, shown(length), p->text + p->at);
    if (c < 0x20 || c > 0x7e)
        return fail_at(p, p->at, "expected %s, not byte 0x%02x", wanted, c);
    return fail_at(p, p->at, "expected %s, not '%c'", wanted, c);
}

/* ---- The node list ---- */

/* Room for `more` elements of `size` bytes behind *array, doubling. */
static ct_status reserve(void *array_pointer, size_t *capacity, size_t used, size_t more,
                         size_t size)
{
    void *old, *larger;
    size_t bytes, count = *capacity ? *capacity : 16;
    memcpy(&old, array_pointer, sizeof old);
    while (count - used < more)
        if (!ct_mul_size(&count, count, 2))
            return CT_ENOMEM;
    if (count == *capacity)
        return CT_OK;
    if (used + more > UINT32_MAX || !ct_mul_size(&bytes, count, size))
        return CT_ENOMEM;
    larger = realloc(old, bytes);
    if (!larger)
        return CT_ENOMEM;
    memcpy(array_pointer, &larger, sizeof larger);
    *capacity = count;
    return CT_OK;
}

static ct_status add_node(bt_expression *e, uint32_t *out, bt_op op, uint32_t a, uint32_t b,
                          double value)
{
    CT_TRY(reserve(&e->nodes, &e->nodes_capacity, e->n_nodes, 1, sizeof *e->nodes));
    const expr_node node = {op, a, b, value};
    *out = (uint32_t)e->n_nodes;
    e->nodes[e->n_nodes++] = node;
    return CT_OK;
}

static bool is_constant(const bt_expression *e, uint32_t node)
{
    return e->nodes[node].op == BT_OP_CONSTANT;
}

static ct_status add_constant(bt_expression *e, uint32_t *out, double value)
{
    return add_node(e, out, BT_OP_CONSTANT, 0, 0, value);
}

/* A unary (b = a) or binary operation; of constants: its value. */
static ct_status add_operation(bt_expression *e, uint32_t *out, bt_op op, uint32_t a, uint32_t b)
{
    if (is_constant(e, a) && is_constant(e, b))
        return add_constant(e, out, bt_op_evaluate(op, e->nodes[a].value, e->nodes[b].value));
    if (op == BT_OP_POW && is_constant(e, b))
        op = BT_OP_POW_CONST;
    return add_node(e, out, op, a, b, 0);
}

static ct_status add_name(bt_expression *e, const char *text, size_t length, uint32_t node)
{
    CT_TRY(reserve(&e->names, &e->names_capacity, e->n_names, 1, sizeof *e->names));
    char *copy = malloc(length + 1);
    if (!copy)
        return CT_ENOMEM;
    memcpy(copy, text, length);
    copy[length] = '\0';
    const expr_name name = {copy, node};
    e->names[e->n_names++] = name;
    return CT_OK;
}

static size_t find_name(const bt_expression *e, const char *text, size_t length)
{
    for (size_t i = 0; i < e->n_names; i++)
        if (strncmp(e->names[i].text, text, length) == 0 && e->names[i].text[length] == '\0')
            return i;
    return SIZE_MAX;
}

/* ---- Values: numbers, names, calls, parentheses ---- */

static ct_status parse_number(parser *p, uint32_t *out)
{
    const char *t = p->text + p->at;
    size_t n = 0;
    while (is_digit(t[n]))
        n++;
    if (t[n] == '.')
        n++;
    while (is_digit(t[n]))
        n++;
    if (n == 1 && t[0] == '.')
        return unexpected(p, "a value");
    size_t exponent = n + 1;
    if (t[n] == 'e' || t[n] == 'E') {
        if (t[exponent] == '+' || t[exponent] == '-')
            exponent++;
        if (is_digit(t[exponent]))
            for (n = exponent; is_digit(t[n]);)
                n++;
    }
    if (starts_name(t[n]) || t[n] == '.')
        return fail_at(p, p->at, "'%.*s' is not a number", shown(n + 1), t);
    const double value = strtod(t, NULL);
    if (isinf(value))
        return fail_at(p, p->at, "'%.*s' is too large a number", shown(n), t);
    p->at += n;
    return add_constant(p->e, out, value);
}

static ct_status parse_name(parser *p, uint32_t *out, size_t length)
{
    const char *name = p->text + p->at;
    const size_t i = find_name(p->e, name, length);
    if (i != SIZE_MAX) {
        *out = p->e->names[i].node;
    } else if (length == 2 && memcmp(name, "pi", 2) == 0) {
        CT_TRY(add_constant(p->e, out, 3.14159265358979323846));
    } else if (bt_op_find(name, length) != BT_OP_COUNT) {
        return fail_at(p, p->at, "'%.*s' is a function: write %.*s(...)", shown(length), name,
                       shown(length), name);
    } else {
        return fail_at(p, p->at, "unknown name '%.*s' (give it as %.*s=VALUE)", shown(length), name,
                       shown(length), name);
    }
    p->at += length;
    return CT_OK;
}

/* Push the arguments up to the closing parenthesis. */
static ct_status parse_arguments(parser *p)
{
    p->parentheses++;
    for (;;) {
        uint32_t argument;
        CT_TRY(parse_sum(p, &argument));
        CT_TRY(reserve(&p->arguments, &p->arguments_capacity, p->n_arguments, 1,
                       sizeof *p->arguments));
        p->arguments[p->n_arguments++] = argument;
        skip_space(p);
        if (p->text[p->at] == ')')
            break;
        if (p->text[p->at] != ',')
            return unexpected(p, "',' or ')'");
        p->at++;
    }
    p->at++;
    p->parentheses--;
    return CT_OK;
}

static ct_status add_list(bt_expression *e, uint32_t *out, bt_op op, const uint32_t *x, size_t n)
{
    const size_t start = e->n_list;
    CT_TRY(reserve(&e->list, &e->list_capacity, start, n, sizeof *e->list));
    memcpy(e->list + start, x, n * sizeof *x);
    e->n_list += n;
    return add_node(e, out, op, (uint32_t)start, (uint32_t)n, 0);
}

static ct_status add_call(parser *p, uint32_t *out, bt_op op, const uint32_t *x, size_t n,
                          size_t at)
{
    const bt_op_info *info = bt_op_info_of(op);
    if (op == BT_OP_SELECT && n != 3)
        return fail_at(p, at, "select takes 3 arguments, not %zu", n);
    if (info->arity == BT_ARITY_LIST)
        return add_list(p->e, out, op, x, n);
    const bool extremum = op == BT_OP_MIN || op == BT_OP_MAX;
    const size_t wanted = info->arity == BT_ARITY_ONE ? 1 : 2;
    if (extremum ? n < 2 : n != wanted)
        return fail_at(p, at, "%s takes %s%zu argument%s, not %zu", info->name,
                       extremum ? "at least " : "", wanted, wanted == 1 ? "" : "s", n);
    CT_TRY(add_operation(p->e, out, op, x[0], x[wanted - 1]));
    for (size_t i = 2; i < n; i++) // max and min of more than two are nested
        CT_TRY(add_operation(p->e, out, op, *out, x[i]));
    return CT_OK;
}

static ct_status parse_call(parser *p, uint32_t *out, size_t length)
{
    const size_t at = p->at, start = p->n_arguments;
    const bt_op op = bt_op_find(p->text + at, length);
    if (op == BT_OP_COUNT)
        return fail_at(p, at, "unknown function '%.*s'", shown(length), p->text + at);
    p->at += length;
    skip_space(p);
    p->at++;
    CT_TRY(parse_arguments(p));
    CT_TRY(add_call(p, out, op, p->arguments + start, p->n_arguments - start, at));
    p->n_arguments = start;
    return CT_OK;
}

static ct_status parse_parentheses(parser *p, uint32_t *out)
{
    p->at++;
    p->parentheses++;
    CT_TRY(parse_sum(p, out));
    skip_space(p);
    if (p->text[p->at] != ')')
        return unexpected(p, "an operator or ')'");
    p->at++;
    p->parentheses--;
    return CT_OK;
}

static ct_status parse_value(parser *p, uint32_t *out)
{
    skip_space(p);
    const char c = p->text[p->at];
    if (is_digit(c) || c == '.')
        return parse_number(p, out);
    if (c == '(')
        return parse_parentheses(p, out);
    const size_t length = name_length(p->text + p->at);
    if (!length)
        return unexpected(p, "a value");
    const size_t spaces = strspn(p->text + p->at + length, " \t");
    if (p->text[p->at + length + spaces] == '(')
        return parse_call(p, out, length);
    return parse_name(p, out, length);
}

/* ---- Operators, from tight to loose ---- */

static size_t power_length(const char *text)
{
    return text[0] == '^' ? 1 : text[0] == '*' && text[1] == '*' ? 2 : 0;
}

/* Every way down to a deeper level passes here. */
static ct_status parse_signed(parser *p, uint32_t *out)
{
    skip_space(p);
    if (++p->depth > MAX_DEPTH)
        return fail_at(p, p->at, "nested more than %d deep", MAX_DEPTH);
    const char sign = p->text[p->at];
    if (sign == '-' || sign == '+') {
        uint32_t operand;
        p->at++;
        CT_TRY(parse_signed(p, &operand));
        *out = operand;
        if (sign == '-')
            CT_TRY(add_operation(p->e, out, BT_OP_NEG, operand, operand));
    } else {
        CT_TRY(parse_value(p, out));
        skip_space(p);
        const size_t power = power_length(p->text + p->at);
        if (power) {
            uint32_t exponent;
            p->at += power;
            CT_TRY(parse_signed(p, &exponent));
            CT_TRY(add_operation(p->e, out, BT_OP_POW, *out, exponent));
        }
    }
    p->depth--;
    return CT_OK;
}

static ct_status parse_product(parser *p, uint32_t *out)
{
    CT_TRY(parse_signed(p, out));
    for (;;) {
        skip_space(p);
        const char c = p->text[p->at];
        if ((c != '*' && c != '/') || p->text[p->at + 1] == '=')
            return CT_OK;
        uint32_t right;
        p->at++;
        CT_TRY(parse_signed(p, &right));
        CT_TRY(add_operation(p->e, out, c == '*' ? BT_OP_MUL : BT_OP_DIV, *out, right));
    }
}

static ct_status parse_sum(parser *p, uint32_t *out)
{
    CT_TRY(parse_product(p, out));
    for (;;) {
        skip_space(p);
        const char c = p->text[p->at];
        if ((c != '+' && c != '-') || p->text[p->at + 1] == '=')
            return CT_OK;
        uint32_t right;
        p->at++;
        CT_TRY(parse_product(p, &right));
        CT_TRY(add_operation(p->e, out, c == '+' ? BT_OP_ADD : BT_OP_SUB, *out, right));
    }
}

/* ---- Statements ---- */

/* '=' or the operator of "+=" and its like at text; '\0': neither. */
static char assignment_at(const char *text)
{
    if (text[0] == '=')
        return '=';
    return text[0] != '\0' && strchr("+-*/", text[0]) && text[1] == '=' ? text[0] : '\0';
}

static ct_status parse_assignment(parser *p, size_t length, char kind)
{
    static const struct {
        char c;
        bt_op op;
    } updates[] = {{'+', BT_OP_ADD}, {'-', BT_OP_SUB}, {'*', BT_OP_MUL}, {'/', BT_OP_DIV}};
    bt_expression *e = p->e;
    const char *name = p->text + p->at;
    size_t i = find_name(e, name, length);
    if (i < e->n_inputs)
        return fail_at(p, p->at, "'%.*s' is an input and cannot be assigned", shown(length), name);
    uint32_t old = 0, value;
    if (kind != '=') {
        const size_t at = p->at;
        CT_TRY(parse_name(p, &old, length));
        p->at = at;
    }
    p->at += length;
    skip_space(p);
    p->at += kind == '=' ? 1 : 2;
    CT_TRY(parse_sum(p, &value));
    for (size_t u = 0; u < sizeof updates / sizeof *updates; u++)
        if (updates[u].c == kind)
            CT_TRY(add_operation(e, &value, updates[u].op, old, value));
    if (i == SIZE_MAX) {
        i = e->n_names;
        CT_TRY(add_name(e, name, length, value));
    }
    e->names[i].node = e->result = value;
    e->result_name = i;
    return CT_OK;
}

static ct_status parse_statement(parser *p)
{
    const size_t length = name_length(p->text + p->at);
    if (length) {
        const size_t spaces = strspn(p->text + p->at + length, " \t");
        const char kind = assignment_at(p->text + p->at + length + spaces);
        if (kind)
            return parse_assignment(p, length, kind);
    }
    p->e->result_name = SIZE_MAX;
    return parse_sum(p, &p->e->result);
}

static ct_status parse_statements(parser *p)
{
    bool any = false;
    for (;;) {
        p->at += strspn(p->text + p->at, " \t\r\n;");
        if (p->text[p->at] == '\0')
            return any ? CT_OK : fail_at(p, p->at, "there is no expression");
        CT_TRY(parse_statement(p));
        any = true;
        skip_space(p);
        const char c = p->text[p->at];
        if (c != ';' && c != '\n' && c != '\0')
            return unexpected(p, "an operator, ';' or the end");
    }
}

/* ---- The public functions ---- */

static ct_status add_inputs(bt_expression *e, const char *const *names, size_t n, ct_diag *diag)
{
    for (size_t i = 0; i < n; i++) {
        const size_t length = name_length(names[i]);
        if (!length || names[i][length] != '\0')
            return ct_fail(diag, CT_EINVALID,
                           "'%.60s' is not a name (letters, digits and _, no digit first)",
                           names[i]);
        if (find_name(e, names[i], length) != SIZE_MAX)
            return ct_fail(diag, CT_EINVALID, "'%.60s' is given twice", names[i]);
        uint32_t node;
        CT_TRY(add_node(e, &node, BT_OP_VARIABLE, (uint32_t)i, 0, 0));
        CT_TRY(add_name(e, names[i], length, node));
    }
    e->n_inputs = n;
    return CT_OK;
}

ct_status bt_expression_parse(bt_expression **out, const char *text, const char *const *names,
                              size_t n_names, ct_diag *diag)
{
    *out = NULL;
    ct_diag_clear(diag);
    bt_expression *e = calloc(1, sizeof *e);
    if (!e)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    parser p = {.e = e, .text = text, .diag = diag};
    e->result_name = SIZE_MAX;
    ct_status status = add_inputs(e, names, n_names, diag);
    if (status == CT_OK)
        status = parse_statements(&p);
    free(p.arguments);
    if (status == CT_OK) {
        e->vars = calloc(e->n_nodes, sizeof *e->vars);
        e->operands = calloc(e->n_list + 1, sizeof *e->operands);
        status = e->vars && e->operands ? CT_OK : CT_ENOMEM;
    }
    if (status != CT_OK) {
        bt_expression_destroy(e);
        return status == CT_ENOMEM ? ct_fail(diag, status, "out of memory") : status;
    }
    *out = e;
    return CT_OK;
}

void bt_expression_destroy(bt_expression *expression)
{
    if (!expression)
        return;
    for (size_t i = 0; i < expression->n_names; i++)
        free(expression->names[i].text);
    free(expression->names);
    free(expression->nodes);
    free(expression->list);
    free(expression->vars);
    free(expression->operands);
    free(expression);
}

static bt_var record_node(bt_expression *e, bt_tape *tape, const bt_var *inputs,
                          const expr_node *node)
{
    const bt_var *vars = e->vars;
    if (node->op == BT_OP_VARIABLE)
        return inputs[node->a];
    if (node->op == BT_OP_CONSTANT)
        return bt_constant(tape, node->value);
    if (node->op == BT_OP_POW_CONST)
        return bt_pow_const(vars[node->a], e->nodes[node->b].value);
    if (bt_op_info_of(node->op)->arity != BT_ARITY_LIST)
        return bt_apply(node->op, vars[node->a], vars[node->b]);
    for (uint32_t i = 0; i < node->b; i++)
        e->operands[i] = vars[e->list[node->a + i]];
    return bt_apply_list(node->op, e->operands, node->b);
}

bt_var bt_expression_record(bt_expression *expression, bt_tape *tape, const bt_var *inputs)
{
    for (size_t i = 0; i < expression->n_nodes; i++)
        expression->vars[i] = record_node(expression, tape, inputs, &expression->nodes[i]);
    return expression->vars[expression->result];
}

const char *bt_expression_result_name(const bt_expression *expression)
{
    const size_t i = expression->result_name;
    return i == SIZE_MAX ? NULL : expression->names[i].text;
}

size_t bt_expression_assigned(const bt_expression *expression)
{
    return expression->n_names - expression->n_inputs;
}

const char *bt_expression_assigned_name(const bt_expression *expression, size_t i)
{
    return expression->names[expression->n_inputs + i].text;
}

bt_var bt_expression_assigned_var(const bt_expression *expression, size_t i)
{
    return expression->vars[expression->names[expression->n_inputs + i].node];
}
