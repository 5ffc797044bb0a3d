// SPDX-License-Identifier: MIT
/* A captured function as C source.
 *
 * The formulas are those of ops.h, as text: in it a, b and y become the names of operands and
 * result, numbers and functions those of the chosen precision. Adjoints are not text but sums of
 * terms, coefficient times an earlier adjoint times a derivative, so that what is 0 or a plain
 * number is never computed, sums fold, and an adjoint that is another one, up to its sign, has no
 * name of its own. What nothing uses is not printed: compilers warn of it. The body is printed
 * twice, the first time to nowhere, which tells what helper functions it needs. */
#include "function_private.h"

#include <ctrain/json.h>
#include <float.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

static const struct number {
    const char *name;
    double value;
} numbers[] = {{"BT__LOG2_E", BT__LOG2_E},
               {"BT__LOG10_E", BT__LOG10_E},
               {"BT__2_SQRTPI", BT__2_SQRTPI},
               {"BT__SQRT1_2", BT__SQRT1_2},
               {"BT__1_SQRT2PI", BT__1_SQRT2PI}};

typedef struct formula {
    const char *y, *da, *db;
} formula;

/* In the text BT__F(exp)(a) is exp(a) and BT__C(1) is 1, while the numbers keep their names. */
#undef BT__F
#undef BT__C
#undef BT__LOG2_E
#undef BT__LOG10_E
#undef BT__2_SQRTPI
#undef BT__SQRT1_2
#undef BT__1_SQRT2PI
#define BT__F(name) name
#define BT__C(x)    x
#define TEXT(...)   #__VA_ARGS__

static const formula formulas[BT_OP_COUNT] = {
#define UNARY_TEXT(ID, name, y, da, low, high) [BT_OP_##ID] = {TEXT(y), TEXT(da), NULL},
#define BINARY_TEXT(ID, name, y, da, db, low_a, high_a, low_b, high_b)                             \
    [BT_OP_##ID] = {TEXT(y), TEXT(da), TEXT(db)},
    BT_UNARY_OPS(UNARY_TEXT) BT__BINARY_STEPS(BINARY_TEXT)};

/* The functions that formulas and steps on lists call, after those that they call themselves.
 * pow_da is in terms of the result where that is accurate. */
static const struct helper {
    const char *name, *text;
} helpers[] = {
    {"bt__sign", "(double a)\n{\n    return a > 0.0 ? 1.0 : a < 0.0 ? -1.0 : 0.0 * a;\n}\n"},
    {"bt__sigmoid", "(double a)\n{\n    const double t = exp(-fabs(a));\n"
                    "    return (a >= 0.0 ? 1.0 : t) / (1.0 + t);\n}\n"},
    {"bt__softplus", "(double a)\n{\n    return (a <= 0.0 ? 0.0 : a) + log1p(exp(-fabs(a)));\n}\n"},
    {"bt__silu_da", "(double a, double y)\n{\n    const double s = bt__sigmoid(a);\n"
                    "    return s + y * (1.0 - s);\n}\n"},
    {"bt__normal_cdf", "(double a)\n{\n    return 0.5 * erfc(-a * BT__SQRT1_2);\n}\n"},
    {"bt__gelu_da", "(double a)\n{\n"
                    "    return bt__normal_cdf(a) + a * BT__1_SQRT2PI * exp(-0.5 * a * a);\n}\n"},
    {"bt__min", "(double a, double b)\n{\n    return a < b || a != a ? a : b;\n}\n"},
    {"bt__max", "(double a, double b)\n{\n    return a > b || a != a ? a : b;\n}\n"},
    {"bt__step", "(double a, double b)\n{\n    return a < b ? 1.0 : a > b ? 0.0 : 0.5;\n}\n"},
    {"bt__pow_da",
     "(double a, double b, double y)\n{\n    const double size = fabs(y);\n"
     "    if (b == 0.0)\n        return 0.0;\n"
     "    return size > 1e-30 && size < 1e30 ? b * (y / a) : b * pow(a, b - 1.0);\n}\n"},
    {"bt__pow_db", "(double a, double b, double y)\n{\n"
                   "    return a == 0.0 && b > 0.0 ? 0.0 : y * log(a);\n}\n"},
    {"bt__max_of", "(const double *x, int n)\n{\n    double y = x[0];\n"
                   "    for (int i = 1; i < n; i++)\n"
                   "        y = x[i] > y || x[i] != x[i] ? x[i] : y;\n    return y;\n}\n"},
    {"bt__min_of", "(const double *x, int n)\n{\n    double y = x[0];\n"
                   "    for (int i = 1; i < n; i++)\n"
                   "        y = x[i] < y || x[i] != x[i] ? x[i] : y;\n    return y;\n}\n"},
    {"bt__norm", "(const double *x, int n)\n{\n    double largest = 0.0, sum = 0.0;\n"
                 "    for (int i = 0; i < n; i++)\n"
                 "        if (fabs(x[i]) > largest || x[i] != x[i])\n"
                 "            largest = fabs(x[i]);\n"
                 "    if (!(largest > 0.0) || largest == INFINITY)\n        return largest;\n"
                 "    for (int i = 0; i < n; i++)\n"
                 "        sum += (x[i] / largest) * (x[i] / largest);\n"
                 "    return largest * sqrt(sum);\n}\n"},
    {"bt__norm_da", "(double a, double y)\n{\n    return y == 0.0 ? 0.0 : a / y;\n}\n"},
    {"bt__log_sum_exp", "(const double *x, int n)\n{\n"
                        "    const double largest = bt__max_of(x, n);\n    double sum = 0.0;\n"
                        "    if (largest - largest != 0.0)\n        return largest;\n"
                        "    for (int i = 0; i < n; i++)\n        sum += exp(x[i] - largest);\n"
                        "    return largest + log(sum);\n}\n"},
    {"bt__log_sum_exp_da", "(double a, double y)\n{\n"
                           "    return y == -INFINITY ? 0.0 : exp(a - y);\n}\n"},
    {"bt__share", "(const double *x, int n, double y)\n{\n    int ties = 0;\n"
                  "    for (int i = 0; i < n; i++)\n        ties += x[i] == y;\n"
                  "    return 1.0 / (double)ties;\n}\n"},
};
enum { HELPERS = sizeof helpers / sizeof *helpers };

/* coefficient, adjoint (of a slot; NONE: 1), and the derivative of step by its operand which (step
 * NONE: 1). */
typedef struct term {
    double coefficient;
    uint32_t adjoint, step, which;
    uint32_t next; // of the same sum
} term;

typedef struct emitter {
    const bt_function *f;
    const char *name;
    bool gradient, single;
    ct_file_writer *file; // NULL: only find out what is used
    bool used[HELPERS];
    bool *loaded;      // inputs that something uses
    uint32_t *partner; // step that computes the derivative of step i by operand k, at 2 i + k
    bool *has_partial; // 2 i + k: the derivative has been given the name p…
    size_t output;     // whose adjoints are printed

    // Of each slot, for one output:
    uint32_t *sum;  // its first term
    uint32_t *last; // its last term
    double *factor; // the adjoint is factor …
    uint32_t *root; // … times the adjoint of this slot; its own number: it has a name
    bool *wanted;
    term *terms;
    uint32_t n_terms;
} emitter;

/* ---- Text ---- */

static void print(emitter *e, const char *format, ...) CT_PRINTF(2, 3);
static void print(emitter *e, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args); // pieces are short, is_identifier sees to it
    va_end(args);
    if (e->file)
        ct_file_writer_write(e->file, text, strlen(text));
}

static const char *real_name(const emitter *e)
{
    return e->single ? "float" : "double";
}

/* A literal that reads back to value, in parentheses if it has a sign. */
static void print_number(emitter *e, double value)
{
    char text[CT_NUMBER_TEXT_SIZE];
    if (e->single)
        value = (float)value;
    const bool negative = signbit(value) && !isnan(value);
    const char *const open = negative ? "(-" : "", *const close = negative ? ")" : "";
    if (isnan(value) || isinf(value)) {
        print(e, "%s%s%s", open, isnan(value) ? "NAN" : "INFINITY", close);
        return;
    }
    ct_number_text(text, fabs(value));
    print(e, "%s%s%s%s%s", open, text, strpbrk(text, ".e") ? "" : ".0", e->single ? "f" : "",
          close);
}

static void print_slot(emitter *e, uint32_t slot)
{
    const bt_function *f = e->f;
    if (slot < f->n) {
        e->loaded[slot] = true;
        print(e, "x%u", slot);
    } else if (slot < f->base) {
        print_number(e, f->constants[slot - f->n]);
    } else {
        print(e, "v%zu", slot - f->base);
    }
}

static bool in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool word_is(const char *word, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(word, name, length) == 0;
}

/* A word of a formula of step i (NONE: of a helper, whose a, b and y are its own). */
static void print_word(emitter *e, const char *word, size_t length, uint32_t i)
{
    const bt__instruction *s = i == NONE ? NULL : &e->f->steps[i];
    if (s && length == 1 && (*word == 'a' || *word == 'b' || *word == 'y')) {
        print_slot(e, *word == 'a' ? s->a : *word == 'b' ? s->b : (uint32_t)(e->f->base + i));
        return;
    }
    if (s && length == 1 && *word == 'r') { // 1 / b, see derivative_of_quotient
        print(e, "r%u", i);
        return;
    }
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        if (word_is(word, length, numbers[k].name)) {
            print_number(e, numbers[k].value);
            return;
        }
    for (size_t k = 0; k < HELPERS; k++)
        if (word_is(word, length, helpers[k].name)) {
            e->used[k] = true;
            print(e, "%s_%s", e->name, helpers[k].name + strlen("bt__"));
            return;
        }
    if (word_is(word, length, "double"))
        print(e, "%s", real_name(e));
    else
        print(e, "%.*s%s", (int)length, word, e->single && word[length] == '(' ? "f" : "");
}

/* The number at *text, which goes on behind it; false: there is none. */
static bool take_number(const char **text, double *value)
{
    const char *c = *text;
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        if (strncmp(c, numbers[k].name, strlen(numbers[k].name)) == 0) {
            *value = numbers[k].value;
            *text = c + strlen(numbers[k].name);
            return true;
        }
    if (!is_digit(*c))
        return false;
    double number = 0.0, unit = 1.0; // short decimals, no locale
    for (; is_digit(*c); c++)
        number = 10.0 * number + (*c - '0');
    if (*c == '.')
        for (c++; is_digit(*c); c++)
            number = 10.0 * number + (*c - '0'), unit *= 10.0;
    *value = number / unit;
    *text = c;
    return true;
}

static void print_part(emitter *e, const char *text, size_t length, uint32_t i)
{
    for (const char *const stop = text + length; text < stop;) {
        const char *end = text;
        double number;
        if (i != NONE && is_digit(*text) && take_number(&end, &number)) {
            print_number(e, number);
        } else if (is_digit(*text)) { // of a helper: whole numbers are of type int
            while (is_digit(*end) || *end == '.' || *end == 'e' || (*end == '-' && end[-1] == 'e'))
                end++;
            const bool whole = !memchr(text, '.', (size_t)(end - text));
            print(e, "%.*s%s", (int)(end - text), text, e->single && !whole ? "f" : "");
        } else if (in_word(*text)) {
            while (in_word(*end))
                end++;
            print_word(e, text, (size_t)(end - text), i);
        } else {
            print(e, "%c", *end++);
        }
        text = end;
    }
}

static void print_formula(emitter *e, const char *text, uint32_t i)
{
    print_part(e, text, strlen(text), i);
}

/* ---- Derivatives ---- */

/* coefficient [op rest]: "2.0 * a" is 2 '*' "a", "-1.0 / a" is -1 '/' "a", "1.0" has op 0. */
typedef struct derivative {
    double coefficient;
    char op;
    bool sum;        // rest needs parentheses
    bool choice;     // rest is a condition: what is multiplied, or 0
    bool reciprocal; // rest is a multiple of r, see derivative_of_quotient
    const char *rest;
} derivative;

#define CHOICE " ? 1 : 0"

/* Only products and quotients outside of parentheses. */
static bool is_product(const char *text)
{
    int depth = 0;
    for (; *text; text++) {
        depth += *text == '(' ? 1 : *text == ')' ? -1 : 0;
        if (depth == 0 && strchr("+-?<>=:", *text))
            return false;
    }
    return true;
}

static derivative parse(const char *text)
{
    derivative d = {.coefficient = 1.0, .op = '*', .rest = text};
    const char *c = text;
    double sign = 1.0, number;
    if (*c == '-') {
        sign = -1.0;
        c++;
    }
    if (!is_product(c)) {
        d.choice = strstr(text, CHOICE) != NULL;
        d.sum = !d.choice;
        return d;
    }
    d.coefficient = sign;
    d.rest = c;
    if (!take_number(&c, &number))
        return d;
    d.coefficient *= number;
    d.op = '\0';
    d.rest = "";
    if (*c) { // " * rest"
        d.op = c[1];
        d.rest = c + 3;
    }
    return d;
}

static bool is_number(const bt_function *f, uint32_t slot)
{
    return slot >= f->n && slot < f->base;
}

/* Divisions are slow: both derivatives of a / b are multiples of r = 1 / b, and that of c / b is
 * -y^2 / c, unless c is so large or small that y^2 might leave the range of numbers. */
static bool derivative_of_quotient(const emitter *e, uint32_t i, uint32_t which, derivative *d)
{
    const bt__instruction *s = &e->f->steps[i];
    if (s->op != BT_OP_DIV || is_number(e->f, s->b))
        return false;
    *d = (derivative){which ? -1.0 : 1.0, '*', .reciprocal = true, .rest = which ? "y * r" : "r"};
    if (is_number(e->f, s->a)) {
        const double c = e->f->constants[s->a - e->f->n];
        d->coefficient = -1.0 / c;
        d->rest = "y * y";
        d->reciprocal = false;
        return fabs(c) > 1e-5 && fabs(c) < 1e5;
    }
    return true;
}

/* The derivative of step i by operand which (0: a, 1: b). */
static derivative derivative_of(const emitter *e, uint32_t i, uint32_t which)
{
    const bt__instruction *s = &e->f->steps[i];
    derivative quotient;
    if (derivative_of_quotient(e, i, which, &quotient))
        return quotient;
    if (s->op == BT_OP_POW && which == 0)
        return parse("bt__pow_da(a, b, y)");
    derivative d = parse(which ? formulas[s->op].db : formulas[s->op].da);
    if (strcmp(d.rest, "a") == 0 || strcmp(d.rest, "b") == 0) {
        const uint32_t slot = *d.rest == 'a' ? s->a : s->b;
        if (is_number(e->f, slot)) { // part of the coefficient
            const double c = e->f->constants[slot - e->f->n];
            d.coefficient = d.op == '*' ? d.coefficient * c : d.coefficient / c;
            d.op = '\0';
        }
    }
    return d;
}

/* It calls a function: to be computed once. */
static bool is_costly(const derivative *d)
{
    for (const char *c = d->rest; *c; c++)
        if (*c == '(' && c > d->rest && in_word(c[-1]))
            return true;
    return false;
}

static bool is_list(const bt__instruction *s)
{
    return bt__is_list(s->op);
}

/* Whether a gradient flows from step s to operand which. */
static bool is_active(const emitter *e, const bt__instruction *s, uint32_t which)
{
    const uint32_t slot = which ? s->b : s->a;
    if (which && !formulas[s->op].db)
        return false;
    return !is_number(e->f, slot);
}

static void print_operands(emitter *e, const bt__instruction *s)
{
    print(e, "(const %s[]){", real_name(e));
    for (uint32_t k = 0; k < s->b; k++) {
        print(e, "%s", k == 0 ? "" : k % 8 == 0 ? ",\n        " : ", ");
        print_slot(e, e->f->list[s->a + k]);
    }
    print(e, "}, %u", s->b);
}

/* Of an extreme: one by the number of operands that it is. */
static void print_share(emitter *e, uint32_t i)
{
    const bt__instruction *s = &e->f->steps[i];
    const bool extreme = s->op == BT_OP_MAX_OF || s->op == BT_OP_MIN_OF;
    if (!extreme || e->has_partial[2 * i])
        return;
    e->has_partial[2 * i] = true;
    print(e, "    const %s p%ua = ", real_name(e), i);
    print_word(e, "bt__share", strlen("bt__share"), NONE);
    print(e, "(");
    print_operands(e, s);
    print(e, ", v%u);\n", i);
}

/* Give a name to the derivative if it is costly, or to the reciprocal that it is a multiple of. */
static void print_partial(emitter *e, uint32_t i, uint32_t which)
{
    if (is_list(&e->f->steps[i])) {
        print_share(e, i);
        return;
    }
    const derivative d = derivative_of(e, i, which);
    if (d.reciprocal && !e->has_partial[2 * i]) {
        e->has_partial[2 * i] = true;
        print(e, "    const %s r%u = ", real_name(e), i);
        print_formula(e, "1 / b", i);
        print(e, ";\n");
        return;
    }
    if (!is_costly(&d) || e->partner[2 * i + which] != NONE || e->has_partial[2 * i + which])
        return;
    e->has_partial[2 * i + which] = true;
    print(e, "    const %s p%u%s = ", real_name(e), i, which ? "b" : "a");
    print_formula(e, d.rest, i);
    print(e, ";\n");
}

static void print_rest(emitter *e, const derivative *d, uint32_t i, uint32_t which)
{
    if (e->partner[2 * i + which] != NONE) {
        print(e, "v%u", e->partner[2 * i + which]);
    } else if (e->has_partial[2 * i + which] && !d->reciprocal) {
        print(e, "p%u%s", i, which ? "b" : "a");
    } else {
        print(e, "%s", d->sum ? "(" : "");
        print_formula(e, d->rest, i);
        print(e, "%s", d->sum ? ")" : "");
    }
}

/* ---- Steps that compute another's derivative, such as cos(a) that of sin(a) ---- */

typedef struct unary_step {
    uint32_t a, op, step;
} unary_step;

static int by_operand(const void *x, const void *z)
{
    const unary_step *p = x, *q = z;
    if (p->a != q->a)
        return p->a < q->a ? -1 : 1;
    return (p->op > q->op) - (p->op < q->op);
}

static void find_partners(emitter *e, unary_step *unary)
{
    const bt_function *f = e->f;
    size_t n = 0;
    for (uint32_t i = 0; i < f->n_steps; i++) {
        const bt__instruction *s = &f->steps[i];
        e->partner[2 * i] = e->partner[2 * i + 1] = NONE;
        if (!is_list(s) && !formulas[s->op].db)
            unary[n++] = (unary_step){s->a, s->op, i};
    }
    qsort(unary, n, sizeof *unary, by_operand);
    for (size_t k = 0; k < n; k++) {
        const derivative d = derivative_of(e, unary[k].step, 0);
        if (!is_costly(&d))
            continue;
        for (uint32_t op = 0; op < BT_OP_COUNT; op++) {
            if (!formulas[op].y || formulas[op].db || strcmp(formulas[op].y, d.rest) != 0)
                continue;
            const unary_step wish = {unary[k].a, op, 0};
            const unary_step *found = bsearch(&wish, unary, n, sizeof *unary, by_operand);
            if (found)
                e->partner[2 * unary[k].step] = found->step;
        }
    }
}

/* ---- Values ---- */

/* A call of the helper that is named as the operation. */
static void print_list_call(emitter *e, const bt__instruction *s)
{
    char helper[32];
    const int length = snprintf(helper, sizeof helper, "bt__%s", bt_op_info_of(s->op)->name);
    print_word(e, helper, (size_t)length, NONE);
    print(e, "(");
    print_operands(e, s);
    print(e, ")");
}

static void print_list_value(emitter *e, const bt__instruction *s)
{
    const uint32_t *x = e->f->list + s->a;
    if (s->op == BT_OP_SELECT) {
        print_slot(e, x[0]);
        print_formula(e, " > 0 ? ", 0);
        print_slot(e, x[1]);
        print(e, " : ");
        print_slot(e, x[2]);
        return;
    }
    if (s->op != BT_OP_SUM && s->op != BT_OP_DOT) {
        print_list_call(e, s);
        return;
    }
    for (uint32_t k = 0; k < s->b; k++) {
        print(e, "%s", k == 0 ? "" : k % 8 == 0 ? " +\n        " : " + ");
        print_slot(e, x[k]);
        if (s->op == BT_OP_DOT) {
            print(e, " * ");
            print_slot(e, x[s->b + k]);
        }
    }
}

static void print_values(emitter *e)
{
    const bt_function *f = e->f;
    for (uint32_t i = 0; i < f->n_steps; i++) {
        const bt__instruction *s = &f->steps[i];
        print(e, "    const %s v%u = ", real_name(e), i);
        if (is_list(s))
            print_list_value(e, s);
        else
            print_formula(e, formulas[s->op].y, i);
        print(e, ";\n");
    }
    for (size_t i = 0; i < f->m; i++) {
        print(e, "    y[%zu] = ", i);
        print_slot(e, f->outputs[i]);
        print(e, ";\n");
    }
}

/* ---- Adjoints ---- */

/* Terms stand in the order in which their adjoints are known, for the last to wait for nothing but
 * its own addition. */
static void add_term(emitter *e, uint32_t to, double coefficient, uint32_t adjoint, uint32_t step,
                     uint32_t which)
{
    term *last = e->sum[to] == NONE ? NULL : &e->terms[e->last[to]];
    if (last && last->adjoint == adjoint && last->step == NONE && step == NONE) {
        last->coefficient += coefficient;
        return;
    }
    e->terms[e->n_terms] = (term){coefficient, adjoint, step, which, NONE};
    *(last ? &last->next : &e->sum[to]) = e->n_terms;
    e->last[to] = e->n_terms++;
}

/* The adjoint of a slot whose sum is complete: a number or another adjoint times a number, or one
 * with a name. Multiples that several operands would compute anew get a name too. */
static bool settle_adjoint(emitter *e, uint32_t slot, bool one_operand)
{
    while (e->sum[slot] != NONE && e->terms[e->sum[slot]].coefficient == 0.0)
        e->sum[slot] = e->terms[e->sum[slot]].next;
    if (e->sum[slot] == NONE)
        return false;
    const term *t = &e->terms[e->sum[slot]];
    e->factor[slot] = 1.0;
    e->root[slot] = slot;
    if (t->next == NONE && t->step == NONE &&
        (t->adjoint == NONE || one_operand || fabs(t->coefficient) == 1.0)) {
        e->factor[slot] = t->coefficient;
        e->root[slot] = t->adjoint;
    }
    return true;
}

/* Pass on from step i to its operands. */
static void pass_on(emitter *e, uint32_t i)
{
    const bt_function *f = e->f;
    const bt__instruction *s = &f->steps[i];
    const uint32_t slot = (uint32_t)f->base + i;
    const double factor = e->factor[slot];
    const uint32_t root = e->root[slot];
    if (is_list(s)) {
        const uint32_t *x = f->list + s->a;
        for (uint32_t k = s->op == BT_OP_SELECT; k < bt__list_entries(s->op, s->b); k++) {
            const uint32_t other = s->op == BT_OP_DOT ? x[k < s->b ? k + s->b : k - s->b] : x[k];
            if (is_number(f, x[k]))
                continue;
            if (s->op == BT_OP_SUM)
                add_term(e, x[k], factor, root, NONE, 0);
            else if (is_number(f, other))
                add_term(e, x[k], factor * f->constants[other - f->n], root, NONE, 0);
            else
                add_term(e, x[k], factor, root, i, k);
        }
        return;
    }
    for (uint32_t which = 0; which < 2; which++) {
        if (!is_active(e, s, which))
            continue;
        const derivative d = derivative_of(e, i, which);
        add_term(e, which ? s->b : s->a, factor * d.coefficient, root, d.op ? i : NONE, which);
    }
}

static void find_adjoints(emitter *e)
{
    const bt_function *f = e->f;
    const uint32_t top = f->outputs[e->output];
    e->n_terms = 0;
    for (size_t slot = 0; slot < f->base + f->n_steps; slot++) {
        e->sum[slot] = NONE;
        e->wanted[slot] = false;
    }
    add_term(e, top, 1.0, NONE, NONE, 0);
    for (uint32_t slot = top; slot >= f->base; slot--) {
        const bt__instruction *s = &f->steps[slot - f->base];
        const bool one = !is_list(s) && is_active(e, s, 0) != is_active(e, s, 1);
        e->root[slot] = NONE;
        if (settle_adjoint(e, slot, one))
            pass_on(e, slot - (uint32_t)f->base);
    }
}

static void want_terms(emitter *e, uint32_t slot)
{
    for (uint32_t t = e->sum[slot]; t != NONE; t = e->terms[t].next)
        if (e->terms[t].adjoint != NONE && e->terms[t].coefficient != 0.0)
            e->wanted[e->terms[t].adjoint] = true;
}

static void print_adjoint_name(emitter *e, uint32_t slot)
{
    print(e, "d%zu", slot - e->f->base);
    if (e->f->m > 1)
        print(e, "_%zu", e->output);
}

/* What the adjoint of a term is multiplied by: size op derivative. */
static void print_multiplier(emitter *e, const term *t, const derivative *d, double size)
{
    const bt__instruction *s = &e->f->steps[t->step];
    if (size != 1.0 || d->op == '/') {
        print_number(e, size);
        print(e, " %c ", d->op);
    }
    if (s->op == BT_OP_DOT) // the other operand of the pair
        print_slot(e, e->f->list[s->a + (t->which < s->b ? t->which + s->b : t->which - s->b)]);
    else
        print_rest(e, d, t->step, t->which);
}

/* size times the adjoint, either of which may be 1. */
static void print_multiple(emitter *e, const term *t, double size)
{
    if (size != 1.0 || t->adjoint == NONE) {
        print_number(e, size);
        print(e, "%s", t->adjoint == NONE ? "" : " * ");
    }
    if (t->adjoint != NONE)
        print_adjoint_name(e, t->adjoint);
}

/* A term of a step on a list that is neither sum nor dot, without its sign. */
static void print_list_term(emitter *e, const term *t)
{
    const bt__instruction *s = &e->f->steps[t->step];
    const uint32_t *x = e->f->list + s->a, y = (uint32_t)e->f->base + t->step;
    const bool extreme = s->op == BT_OP_MAX_OF || s->op == BT_OP_MIN_OF;
    const bool select = s->op == BT_OP_SELECT;
    if (select || extreme) {
        print(e, "(");
        print_slot(e, x[select ? 0 : t->which]);
        print_formula(e, select ? " > 0 ? " : " == y ? ", t->step);
        print_formula(e, select && t->which == 2 ? "0 : " : "", t->step);
    }
    print_multiple(e, t, fabs(t->coefficient));
    if (extreme) {
        print(e, " * p%ua", t->step);
    } else if (!select) {
        const char *const helper = s->op == BT_OP_NORM ? "bt__norm_da" : "bt__log_sum_exp_da";
        print(e, " * ");
        print_word(e, helper, strlen(helper), NONE);
        print(e, "(");
        print_slot(e, x[t->which]);
        print(e, ", ");
        print_slot(e, y);
        print(e, ")");
    }
    if (select || extreme)
        print_formula(e, select && t->which == 2 ? ")" : " : 0)", t->step);
}

/* A term without its sign. The adjoint is known last, so it is multiplied last. */
static void print_term(emitter *e, const term *t)
{
    const double size = fabs(t->coefficient);
    derivative d = {.coefficient = 1.0, .op = '*', .rest = ""};
    if (t->step == NONE) {
        print_multiple(e, t, size);
        return;
    }
    const uint32_t op = e->f->steps[t->step].op;
    if (bt__is_list(op) && op != BT_OP_DOT) {
        print_list_term(e, t);
        return;
    }
    if (op != BT_OP_DOT)
        d = derivative_of(e, t->step, t->which);
    if (d.choice) {
        print(e, "(");
        print_part(e, d.rest, strlen(d.rest) - strlen(CHOICE), t->step);
        print(e, " ? ");
        print_multiple(e, t, size);
        print(e, " : ");
        print_number(e, 0.0);
        print(e, ")");
    } else if (t->adjoint == NONE) {
        print_multiplier(e, t, &d, size);
    } else {
        const bool one_word = d.sum || is_costly(&d) || !strpbrk(d.rest, "*/");
        const bool group = size != 1.0 || d.op == '/' || !one_word;
        print_adjoint_name(e, t->adjoint);
        print(e, " * %s", group ? "(" : "");
        print_multiplier(e, t, &d, size);
        print(e, "%s", group ? ")" : "");
    }
}

/* Two terms change places if that saves the minus at the beginning. */
static uint32_t first_of_sum(emitter *e, uint32_t slot)
{
    const uint32_t first = e->sum[slot];
    const uint32_t second = first == NONE ? NONE : e->terms[first].next;
    if (second == NONE || e->terms[first].coefficient > 0.0 ||
        !(e->terms[second].coefficient > 0.0))
        return first;
    e->terms[first].next = e->terms[second].next;
    e->terms[second].next = first;
    return e->sum[slot] = second;
}

static void print_sum(emitter *e, uint32_t slot)
{
    int printed = 0;
    for (uint32_t i = first_of_sum(e, slot); i != NONE; i = e->terms[i].next) {
        const term *t = &e->terms[i];
        if (t->coefficient == 0.0)
            continue;
        const bool minus = t->coefficient < 0.0;
        print(e, "%s", printed == 0 ? (minus ? "-" : "") : minus ? " - " : " + ");
        print(e, "%s", printed && printed % 8 == 0 ? "\n        " : "");
        print_term(e, t);
        printed++;
    }
    if (!printed)
        print_number(e, 0.0);
}

static void print_partials(emitter *e, uint32_t slot)
{
    for (uint32_t i = e->sum[slot]; i != NONE; i = e->terms[i].next) {
        const term *t = &e->terms[i];
        if (t->coefficient != 0.0 && t->step != NONE)
            print_partial(e, t->step, t->which);
    }
}

static void print_gradient(emitter *e)
{
    const bt_function *f = e->f;
    const uint32_t top = f->outputs[e->output];
    find_adjoints(e);
    for (uint32_t i = 0; i < f->n; i++)
        want_terms(e, i);
    for (uint32_t slot = (uint32_t)f->base; slot <= top; slot++)
        if (e->wanted[slot])
            want_terms(e, slot);
    for (uint32_t slot = top; slot >= f->base; slot--) {
        if (!e->wanted[slot])
            continue;
        print_partials(e, slot);
        print(e, "    const %s ", real_name(e));
        print_adjoint_name(e, slot);
        print(e, " = ");
        print_sum(e, slot);
        print(e, ";\n");
    }
    for (uint32_t i = 0; i < f->n; i++) {
        print_partials(e, i);
        print(e, "    g[%zu] = ", e->output * f->n + i);
        print_sum(e, i);
        print(e, ";\n");
    }
}

/* ---- The file ---- */

static void print_body(emitter *e)
{
    const bt_function *f = e->f;
    bool any = false;
    memset(e->has_partial, 0, 2 * f->n_steps * sizeof *e->has_partial);
    for (size_t i = 0; i < f->n; i++)
        if (e->loaded[i]) {
            print(e, "    const %s x%zu = x[%zu];\n", real_name(e), i, i);
            any = true;
        }
    if (!any)
        print(e, "    (void)x;\n");
    print_values(e);
    for (e->output = 0; e->gradient && e->output < f->m; e->output++)
        print_gradient(e);
    if (e->gradient && f->n == 0)
        print(e, "    (void)g;\n");
}

static void print_file(emitter *e, ct_file_writer *file)
{
    const char *real = real_name(e);
    print_body(e); // to nowhere
    for (size_t k = HELPERS; k-- > 0;)
        if (e->used[k])
            print_formula(e, helpers[k].text, NONE); // finds what it calls
    e->file = file;
    print(e, "/* f: R^%zu -> R^%zu, %zu operations%s. Generated by ctrain's burtorch. */\n",
          e->f->n, e->f->m, e->f->n_steps, e->gradient ? ", with the gradient of each output" : "");
    print(e, "#include <math.h>\n");
    for (size_t k = 0; k < HELPERS; k++) {
        if (!e->used[k])
            continue;
        print(e, "\nstatic %s ", real);
        print_formula(e, helpers[k].name, NONE);
        print_formula(e, helpers[k].text, NONE);
    }
    print(e, "\nvoid ");
    print(e, "%s", e->name);
    print(e, "(const %s *x, %s *y%s%s%s);\n", real, real, e->gradient ? ", " : "",
          e->gradient ? real : "", e->gradient ? " *g" : "");
    print(e, "void ");
    print(e, "%s", e->name);
    print(e, "(const %s *x, %s *y%s%s%s)\n{\n", real, real, e->gradient ? ", " : "",
          e->gradient ? real : "", e->gradient ? " *g" : "");
    print_body(e);
    print(e, "}\n");
}

static bool allocate(emitter *e)
{
    const bt_function *f = e->f;
    const size_t slots = f->base + f->n_steps + 1, steps = f->n_steps + 1;
    e->loaded = calloc(f->n + 1, sizeof *e->loaded);
    e->partner = malloc(2 * steps * sizeof *e->partner);
    e->has_partial = malloc(2 * steps * sizeof *e->has_partial);
    e->sum = malloc(slots * sizeof *e->sum);
    e->last = malloc(slots * sizeof *e->last);
    e->factor = malloc(slots * sizeof *e->factor);
    e->root = malloc(slots * sizeof *e->root);
    e->wanted = malloc(slots * sizeof *e->wanted);
    e->terms = malloc((2 * steps + f->n_list) * sizeof *e->terms);
    return e->loaded && e->partner && e->has_partial && e->sum && e->last && e->factor && e->root &&
           e->wanted && e->terms;
}

static void clear(emitter *e)
{
    free(e->loaded);
    free(e->partner);
    free(e->has_partial);
    free(e->sum);
    free(e->last);
    free(e->factor);
    free(e->root);
    free(e->wanted);
    free(e->terms);
}

static bool is_identifier(const char *name)
{
    if (!in_word(*name) || is_digit(*name) || strlen(name) > 200)
        return false;
    while (in_word(*name))
        name++;
    return *name == '\0';
}

bt_emit_options bt_emit_options_default(void)
{
    return (bt_emit_options){.name = NULL, .gradient = true, .single_precision = false};
}

ct_status bt__function_print(const bt_function *f, ct_file_writer *file,
                             const bt_emit_options *options, ct_diag *diag)
{
    const bt_emit_options o = options ? *options : bt_emit_options_default();
    emitter e = {.f = f, .name = o.name ? o.name : "f", .gradient = o.gradient};
    e.single = o.single_precision;
    if (!is_identifier(e.name))
        return ct_fail(diag, CT_EINVALID, "'%.200s' is no name of a C function", e.name);
    unary_step *unary = malloc((f->n_steps + 1) * sizeof *unary);
    const bool ok = unary && allocate(&e);
    if (ok) {
        find_partners(&e, unary);
        print_file(&e, file);
    }
    free(unary);
    clear(&e);
    return ok ? CT_OK : ct_fail(diag, CT_ENOMEM, "no memory to print a function");
}

ct_status bt_function_emit_c(const bt_function *f, const char *path, const bt_emit_options *options,
                             ct_diag *diag)
{
    ct_file_writer *file;
    CT_TRY(ct_file_writer_open(&file, path, diag));
    const ct_status status = bt__function_print(f, file, options, diag);
    if (status == CT_OK)
        return ct_file_writer_commit(file, diag);
    ct_file_writer_abort(file);
    return status;
}
