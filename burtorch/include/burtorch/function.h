// SPDX-License-Identifier: MIT
/* A computation recorded once, then evaluated and differentiated as often as you like: values,
 * gradients, Jacobians, Hessians, many points at once, and all of it printed as C.
 *
 * Record on a tape (<burtorch/tape.h>), name the inputs and outputs, and capture:
 *
 *     bt_var x[2] = {bt_variable(tape, -1), bt_variable(tape, 2)};
 *     bt_var y = bt_add(bt_mul(x[0], x[1]), bt_exp(x[1]));
 *     bt_function *f;
 *     bt_workspace *w;
 *     if (bt_function_capture(&f, x, 2, &y, 1, &diag) != CT_OK ||
 *         bt_workspace_create(&w, f) != CT_OK)
 *         …
 *     double point[2] = {3, 4}, value, gradient[2];
 *     status = bt_function_gradient(f, w, 0, point, &value, gradient);
 *
 * The function is a copy: the tape may be rewound or destroyed. What was recorded is what is
 * replayed: an `if` in the recording program has been decided, loops have been unrolled.
 *
 * Below, n is the number of inputs and m that of outputs, and f: R^n -> R^m. Points are n doubles,
 * matrices are row-major. No array may overlap another. Results that are not wanted may be NULL
 * where it says so.
 *
 * Nothing here but _capture, _create, _emit_c and _compile allocates. A function never changes
 * after its capture: any number of threads may use it at once, each with a workspace of its own.
 * Every call with a workspace of another function, or an output that is none, gives CT_EINVALID and
 * computes nothing; there are no other errors, what cannot be computed is NaN or infinite as in C.
 *
 * Derivatives are those of bt_backward: at a kink as <burtorch/ops.h> says, and where no gradient
 * (or no tangent) flows, an infinite derivative makes no NaN. Second derivatives at a kink are 0.
 */
#ifndef BURTORCH_FUNCTION_H
#define BURTORCH_FUNCTION_H

#include <burtorch/tape.h>
#include <ctrain/status.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bt_function bt_function;
typedef struct bt_workspace bt_workspace;

/* ---- Capture ---- */

/* Copy what leads from inputs to outputs; the arrays are borrowed for the call. Inputs are what
 * bt_variable or bt_constant returned; such leaves that are not inputs become constants of their
 * present value. An output may be an input, a constant, or occur twice.
 *
 * What no output needs is dropped, what depends on no input is computed once and for all, equal
 * operations on equal operands become one, and operations that IEEE arithmetic cannot tell from a
 * simpler one become that one: x * 1, x / 1, x + -0, x - 0, pow(x, 1) are x; x * -1 is -x; x / c is
 * x * (1 / c) where c is a power of two; x - c is x + -c; select with a constant condition has
 * chosen. (Not x + 0, which turns -0 into 0, and not x * 0, which may be NaN.) So values are, bit
 * for bit, those of bt_tape_forward; gradients may differ from bt_backward's in the last bits, as
 * they are summed in another order. (And those of a variance with an infinite operand, whose value
 * is NaN, are all NaN.)
 *
 * On failure *out is NULL and diag tells which input or output it is. BT_ETAPE: of another tape
 * than the first output's, dropped by a rewind, or none. CT_EINVALID: no output; an input that is
 * the result of an operation or occurs twice. CT_ENOMEM. CT_ERANGE: about 2^32 operations. The
 * tape's own error, if it is marked with one. */
CT_MUST_USE ct_status bt_function_capture(bt_function **out, const bt_var *inputs, size_t n,
                                          const bt_var *outputs, size_t m, ct_diag *diag);
void bt_function_destroy(bt_function *f);

size_t bt_function_inputs(const bt_function *f);  // n
size_t bt_function_outputs(const bt_function *f); // m
/* Operations that an evaluation computes. */
size_t bt_function_operations(const bt_function *f);

/* Memory for one thread to evaluate f in; f is borrowed until destroy. About 288 bytes an
 * operation, of which all but 32 are touched by the _batch functions only. On failure (CT_ENOMEM)
 * *out is NULL. */
CT_MUST_USE ct_status bt_workspace_create(bt_workspace **out, const bt_function *f);
void bt_workspace_destroy(bt_workspace *w);

/* ---- One point ---- */

/* y (m) = f(x). */
CT_MUST_USE ct_status bt_function_evaluate(const bt_function *f, bt_workspace *w, const double *x,
                                           double *y);

/* *y (may be NULL) = f_output(x), and its gradient g (n). */
CT_MUST_USE ct_status bt_function_gradient(const bt_function *f, bt_workspace *w, size_t output,
                                           const double *x, double *y, double *g);

/* y (m, may be NULL) = f(x), and g (n) = sum over outputs i of seeds[i] times the gradient of
 * output i: a vector-Jacobian product, at the cost of one gradient. */
CT_MUST_USE ct_status bt_function_vjp(const bt_function *f, bt_workspace *w, const double *x,
                                      const double *seeds, double *y, double *g);

/* y (m, may be NULL) = f(x), and dy (m) = derivative of f along direction (n): a Jacobian-vector
 * product. */
CT_MUST_USE ct_status bt_function_jvp(const bt_function *f, bt_workspace *w, const double *x,
                                      const double *direction, double *y, double *dy);

/* y (m, may be NULL) = f(x), and jacobian (m, n): by m sweeps backward or n forward, whichever are
 * fewer. */
CT_MUST_USE ct_status bt_function_jacobian(const bt_function *f, bt_workspace *w, const double *x,
                                           double *y, double *jacobian);

/* Value *y, gradient g (n) (both may be NULL) of one output, and the product hv (n) of its Hessian
 * with direction (n), at a small multiple of the cost of a gradient; the Hessian is not formed.
 * Forward over reverse: one sweep of values with tangents, one of adjoints with theirs
 * (Pearlmutter, Fast exact multiplication by the Hessian, 1994). */
CT_MUST_USE ct_status bt_function_hvp(const bt_function *f, bt_workspace *w, size_t output,
                                      const double *x, const double *direction, double *y,
                                      double *g, double *hv);

/* The same with the whole Hessian (n, n), exactly symmetric, by n products: for small n. */
CT_MUST_USE ct_status bt_function_hessian(const bt_function *f, bt_workspace *w, size_t output,
                                          const double *x, double *y, double *g, double *hessian);

/* ---- Many points at once ----
 *
 * count points x (count, n), one vector lane a point. Results are those of the functions above, bit
 * for bit, except that on AVX2 and AVX-512 exp (and exp_shifted), log, neg_log, tanh, sigmoid and
 * softplus (and the derivative of the last) come from <ctrain/kernels.h>, which states their
 * errors: 1, 1, 1, 3, 2.75 and 2 units in the last place. norm, log_sum_exp, max_of, min_of and
 * select are computed point by point. */

/* y (count, m) = f of each point. */
CT_MUST_USE ct_status bt_function_evaluate_batch(const bt_function *f, bt_workspace *w,
                                                 size_t count, const double *x, double *y);

/* y (count, may be NULL) = f_output of each point, g (count, n) its gradients. */
CT_MUST_USE ct_status bt_function_gradient_batch(const bt_function *f, bt_workspace *w,
                                                 size_t output, size_t count, const double *x,
                                                 double *y, double *g);

/* ---- As C ---- */

typedef struct bt_emit_options {
    const char *name;      // of the C function; NULL: "f"
    bool gradient;         // compute derivatives too
    bool single_precision; // float instead of double
} bt_emit_options;

/* name NULL, with the gradient, double. */
bt_emit_options bt_emit_options_default(void);

/* Write f to path as a C99 source file that needs nothing but <math.h>, with one function
 *
 *     void NAME(const double *x, double *y, double *g)
 *
 * of x (n), y (m) and g (m, n), the Jacobian: for one output its gradient. Without the gradient
 * there is no argument g. Straight-line code, a few statements an operation, so meant for functions
 * of up to some ten thousand operations; compilers take long beyond.
 *
 * Results differ from the functions above by rounding in derivatives; by what the compiler is
 * allowed (-ffast-math, contraction); and where the gradient that flows into an operation is 0 and
 * its derivative infinite: 0 there, NaN here.
 *
 * options NULL: the default. CT_EINVALID: name is no C identifier (of at most 200 letters). The
 * other errors, and what happens to an existing file, are those of ct_file_writer. */
CT_MUST_USE ct_status bt_function_emit_c(const bt_function *f, const char *path,
                                         const bt_emit_options *options, ct_diag *diag);

/* f as machine code in this process: what bt_function_emit_c writes, compiled. */
typedef struct bt_compiled bt_compiled;
typedef void bt_compiled_fn(const double *x, double *y, double *g);

/* Compile f (with gradient, in double) by running `compiler` (NULL: "cc"; looked for in PATH, given
 * options that gcc and clang share, no shell in between) in a private folder under /tmp, load the
 * result, and remove the files. f is not needed afterwards. On failure *out is NULL.
 * CT_EUNSUPPORTED: the compiler cannot be run or did not succeed, or its result not be loaded; diag
 * tells what was tried, and the compiler's first line. CT_ENOMEM, and the errors of writing files.
 */
CT_MUST_USE ct_status bt_function_compile(bt_compiled **out, const bt_function *f,
                                          const char *compiler, ct_diag *diag);
/* The code, valid until destroy; may be called by any number of threads. */
bt_compiled_fn *bt_compiled_function(const bt_compiled *compiled);
void bt_compiled_destroy(bt_compiled *compiled);

#ifdef __cplusplus
}
#endif
#endif
