// SPDX-License-Identifier: MIT
/* Formulas as text, such as "c = a + b; g = (a*b + b^3 - c)^2 / 2", recorded on a tape.
 *
 * Statements are separated by ';' or a newline (inside parentheses a newline is a space). A
 * statement is an expression or NAME = expression, also +=, -=, *=, /=; names may be assigned
 * again, inputs may not. The value of the last statement is the result. Expressions are made of
 * numbers (1, .5, 2e-3), names, pi, + - * /, powers written ^ or **, parentheses, and the functions
 * of <burtorch/ops.h>: exp(x), max(x, y, …), mean(x, y, …). Powers bind closest and to the right,
 * then the sign: -2^2 is -4, 2^-1 is 0.5, 2^3^2 is 512. Numbers are read as strtod does in the
 * process's locale. */
#ifndef BURTORCH_EXPRESSION_H
#define BURTORCH_EXPRESSION_H

#include <burtorch/tape.h>
#include <ctrain/status.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bt_expression bt_expression;

/* Parse text, in which the n_names inputs called names[] may occur (all copied). On failure *out is
 * NULL. BT_EEXPRESSION: diag tells where and why, "expression:1:14: unknown name 'c' (give it as
 * c=VALUE)", columns counted in bytes from 1; nesting deeper than 200 is such an error.
 * CT_EINVALID: an input's name is no name, or occurs twice. CT_ENOMEM. */
CT_MUST_USE ct_status bt_expression_parse(bt_expression **out, const char *text,
                                          const char *const *names, size_t n_names, ct_diag *diag);
void bt_expression_destroy(bt_expression *expression);

/* Record it on tape with inputs[i] for names[i], and return the result. Errors are the tape's. One
 * call at a time for one expression. */
bt_var bt_expression_record(bt_expression *expression, bt_tape *tape, const bt_var *inputs);

/* The name that the last statement assigns; NULL: it assigns none. Valid until destroy. */
const char *bt_expression_result_name(const bt_expression *expression);

/* Names assigned, in the order of their first assignment; the variable is what the name stood for
 * at the end, as of the last record. */
size_t bt_expression_assigned(const bt_expression *expression);
const char *bt_expression_assigned_name(const bt_expression *expression, size_t i);
bt_var bt_expression_assigned_var(const bt_expression *expression, size_t i);

#ifdef __cplusplus
}
#endif
#endif
