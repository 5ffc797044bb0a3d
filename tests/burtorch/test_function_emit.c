// SPDX-License-Identifier: MIT
/* Captured functions printed as C: compiled with every warning an error, and compared with the
 * replay, for every operation and for random graphs, in both precisions; and the functions that
 * compile and load them. */
#include "function_graphs.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- Compiling strictly ---- */

static bool run(const char *const *argv)
{
    pid_t child;
    int status = -1;
    return posix_spawnp(&child, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ) ==
               0 &&
           waitpid(child, &status, 0) == child && status == 0;
}

static bool have_compiler(void)
{
    const char *const argv[] = {"cc", "-c", "-x", "c", "/dev/null", "-o", "/dev/null", NULL};
    return run(argv);
}

/* Warnings are errors; a library with the function. */
static void *build(const char *source)
{
    static int count; // a name is loaded once only
    char name[40];
    snprintf(name, sizeof name, "emitted%d.so", count++);
    char *library = ct_test_path(name);
    const char *const argv[] = {"cc",        "-std=c99", "-Wall",   "-Wextra", "-Werror",
                                "-pedantic", "-O0",      "-shared", "-fPIC",   source,
                                "-o",        library,    "-lm",     NULL};
    if (!run(argv)) {
        const char *const show[] = {"cat", source, NULL};
        run(show);
        fail_msg("the emitted C does not compile");
    }
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        fail_msg("%s", dlerror());
    unlink(library);
    free(library);
    return handle;
}

typedef void f32_fn(const float *x, float *y, float *g);

typedef struct emitted {
    void *handle;
    bt_compiled_fn *f64;
    f32_fn *f32;
} emitted;

static emitted emit(const bt_function *f, bool single)
{
    char *source = ct_test_path("emitted.c");
    ct_diag diag = {""};
    bt_emit_options options = bt_emit_options_default();
    options.name = "emitted_1";
    options.single_precision = single;
    ct_assert_ok(bt_function_emit_c(f, source, &options, &diag), &diag);
    emitted e = {.handle = build(source)};
    void *symbol = dlsym(e.handle, "emitted_1");
    assert_non_null(symbol);
    memcpy(&e.f64, &symbol, sizeof symbol);
    memcpy(&e.f32, &symbol, sizeof symbol);
    unlink(source);
    free(source);
    return e;
}

/* ---- Comparisons ---- */

static void compare(const bt_function *f, bt_workspace *w, const emitted *e, const double *x,
                    double rtol, double atol)
{
    const size_t n = bt_function_inputs(f), m = bt_function_outputs(f);
    double *y = calloc(2 * m, sizeof *y), *g = calloc(2 * m * n, sizeof *g);
    assert_true(y && g);
    ct_assert_ok(bt_function_jacobian(f, w, x, y, g), NULL);
    e->f64(x, y + m, g + m * n);
    ct_assert_array_near(y + m, y, m, rtol, atol);
    ct_assert_array_near(g + m * n, g, m * n, rtol, atol);
    free(y);
    free(g);
}

static void compare_f32(const bt_function *f, bt_workspace *w, const emitted *e, const double *x,
                        double rtol, double atol)
{
    const size_t n = bt_function_inputs(f), m = bt_function_outputs(f);
    double *point = calloc(n, sizeof *point), *y = calloc(m, sizeof *y);
    double *g = calloc(m * n, sizeof *g);
    float *x4 = calloc(n, sizeof *x4), *y4 = calloc(m, sizeof *y4), *g4 = calloc(m * n, sizeof *g4);
    assert_true(point && y && g && x4 && y4 && g4);
    for (size_t i = 0; i < n; i++)
        point[i] = x4[i] = (float)x[i];
    ct_assert_ok(bt_function_jacobian(f, w, point, y, g), NULL);
    e->f32(x4, y4, g4);
    for (size_t i = 0; i < m; i++)
        ct_assert_near(y4[i], y[i], rtol, atol);
    for (size_t i = 0; i < m * n; i++)
        ct_assert_near(g4[i], g[i], rtol, atol);
    free(point), free(y), free(g), free(x4), free(y4), free(g4);
}

/* Every operation of two inputs of its own, and with a constant in place of either; its result goes
 * on through a square, so that the gradient that flows in is no constant. */
static bt_function *every_operation(bt_tape *tape, double *point, ct_rng *rng)
{
    bt_var x[2 * BT_OP_COUNT], y[4 * BT_OP_COUNT];
    size_t n = 0, m = 0;
    for (unsigned op = BT_OP_CONSTANT + 1; op < BT_OP_COUNT; op++) {
        const bt_op_info *info = bt_op_info_of((bt_op)op);
        const double low = info->arity == BT_ARITY_LIST ? -2 : info->low[0];
        const double high = info->arity == BT_ARITY_LIST ? 2 : info->high[0];
        point[n] = low + (high - low) * ct_rng_uniform(rng);
        point[n + 1] = info->low[1] + (info->high[1] - info->low[1]) * ct_rng_uniform(rng);
        const bt_var a = x[n] = bt_variable(tape, point[n]);
        const bt_var b = x[n + 1] = bt_variable(tape, point[n + 1]);
        const bt_var ca = bt_constant(tape, point[n]), cb = bt_constant(tape, point[n + 1]);
        const bt_var list[4] = {a, b, cb, bt_sin(a)};
        n += 2;
        const bool dot = op == BT_OP_DOT || op == BT_OP_DOT_BIAS;
        y[m++] = apply_any((bt_op)op, list, dot ? 2 : 4, point[n - 1]);
        y[m] = bt_sqr(y[m - 1]);
        m++;
        if (info->arity == BT_ARITY_TWO) {
            y[m++] = bt_sqr(bt_apply((bt_op)op, a, cb));
            y[m++] = bt_sqr(bt_apply((bt_op)op, ca, b));
        }
    }
    bt_function *f;
    ct_diag diag = {""};
    ct_assert_ok(bt_function_capture(&f, x, n, y, m, &diag), &diag);
    return f;
}

static void test_every_operation(void **state)
{
    (void)state;
    if (!have_compiler())
        skip();
    for (int draw = 0; draw < 2; draw++) {
        bt_tape *tape;
        ct_rng rng;
        double point[2 * BT_OP_COUNT];
        ct_rng_init(&rng, (uint64_t)draw, CT_RNG_USER, 0, 0);
        ct_assert_ok(bt_tape_create(&tape), NULL);
        bt_function *f = every_operation(tape, point, &rng);
        bt_workspace *w = workspace(f);
        emitted e = emit(f, false);
        compare(f, w, &e, point, 1e-13, 1e-15);
        dlclose(e.handle);
        e = emit(f, true);
        compare_f32(f, w, &e, point, 2e-5, 2e-5);
        dlclose(e.handle);
        bt_workspace_destroy(w);
        bt_function_destroy(f);
        bt_tape_destroy(tape);
    }
}

/* Kinks, ties, and powers of 0 and of negative numbers. */
static void test_special_points(void **state)
{
    (void)state;
    if (!have_compiler())
        skip();
    graph g = new_graph(2, (double[]){1, 1});
    const bt_var a = g.x[0], b = g.x[1], list[4] = {a, b, a, bt_constant(g.tape, 1)};
    const bt_var y[] = {bt_abs(a),
                        bt_relu(a),
                        bt_min(a, b),
                        bt_max(a, b),
                        bt_sqr(bt_abs(b)),
                        bt_mul(bt_relu(a), b),
                        bt_pow_const(a, 4),
                        bt_pow_const(a, 0),
                        bt_pow_const(a, 1.5),
                        bt_pow(a, b),
                        bt_sin(a),
                        bt_mul(bt_sin(a), bt_cos(a)),
                        bt_sub(a, a),
                        bt_div(a, b),
                        bt_mul(bt_div(a, b), a),
                        bt_const_div(3, b),
                        bt_const_div(1e9, b),
                        bt_elu(a),
                        bt_silu(a),
                        bt_leaky_relu(a, 0.25),
                        bt_at_least(a, 1),
                        bt_sqr(bt_at_most(a, 2)),
                        bt_norm(list, 1),
                        bt_norm(list, 4),
                        bt_log_sum_exp(list, 4),
                        bt_log_sum_exp(list, 1),
                        bt_max_of(list, 4),
                        bt_min_of(list, 4),
                        bt_sqr(bt_max_of(list, 3)),
                        bt_mul_const(bt_max_of(list, 3), -3),
                        bt_select(a, b, a),
                        bt_mul(bt_select(b, a, bt_sqr(b)), b),
                        bt_neg(bt_select(b, a, list[3])),
                        bt_variance(list, 4),
                        bt_mul_const(a, 0)};
    enum { M = sizeof y / sizeof *y };
    const double points[][2] = {{0, 1}, {1, 1}, {-2, 3}, {2, -3}, {1e-200, 2}, {1e100, 3}, {2, 2}};
    bt_function *f;
    ct_assert_ok(bt_function_capture(&f, g.x, 2, y, M, NULL), NULL);
    bt_workspace *w = workspace(f);
    const emitted e = emit(f, false);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++)
        compare(f, w, &e, points[i], 1e-14, 0);
    dlclose(e.handle);
    bt_workspace_destroy(w);
    bt_function_destroy(f);
    bt_tape_destroy(g.tape);
}

static void test_random_graphs(void **state)
{
    (void)state;
    if (!have_compiler())
        skip();
    for (uint64_t seed = 500; seed < 530; seed++) {
        graph g = random_graph(seed, false);
        bt_function *f = capture(&g);
        bt_workspace *w = workspace(f);
        const emitted e = emit(f, false);
        compare(f, w, &e, g.point, 1e-9, 1e-9);
        dlclose(e.handle);
        bt_workspace_destroy(w);
        bt_function_destroy(f);
        bt_tape_destroy(g.tape);
    }
}

/* ---- What is printed ---- */

static char *text_of(const bt_function *f, const bt_emit_options *options)
{
    char *path = ct_test_path("text.c");
    ct_diag diag = {""};
    ct_assert_ok(bt_function_emit_c(f, path, options, &diag), &diag);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = calloc(1, 100000);
    assert_non_null(text);
    assert_true(fread(text, 1, 99999, file) < 99999);
    fclose(file);
    unlink(path);
    free(path);
    return text;
}

static void test_text(void **state)
{
    (void)state;
    graph g = tiny_graph();
    bt_function *f = capture(&g);
    char *text = text_of(f, NULL);
    assert_string_equal(text, "/* f: R^2 -> R^1, 7 operations, with the gradient of each output. "
                              "Generated by ctrain's burtorch. */\n"
                              "#include <math.h>\n\n"
                              "void f(const double *x, double *y, double *g);\n"
                              "void f(const double *x, double *y, double *g)\n{\n"
                              "    const double x0 = x[0];\n"
                              "    const double x1 = x[1];\n"
                              "    const double v0 = x0 + x1;\n"
                              "    const double v1 = x0 * x1;\n"
                              "    const double v2 = x1 * x1 * x1;\n"
                              "    const double v3 = v1 + v2;\n"
                              "    const double v4 = v0 - v3;\n"
                              "    const double v5 = v4 * v4;\n"
                              "    const double v6 = v5 * 0.5;\n"
                              "    y[0] = v6;\n"
                              "    const double d4 = v4;\n"
                              "    g[0] = d4 - d4 * x1;\n"
                              "    g[1] = -d4 * (3.0 * x1 * x1) - d4 * x0 + d4;\n"
                              "}\n");
    free(text);
    bt_function_destroy(f);

    // The derivative of exp and tanh is made of their value, that of sin of a cos that is there.
    g.y[0] =
        bt_add(bt_add(bt_exp(g.x[0]), bt_tanh(g.x[0])), bt_add(bt_sin(g.x[1]), bt_cos(g.x[1])));
    f = capture(&g);
    text = text_of(f, NULL);
    const char *const once[] = {"exp(", "tanh(", "sin(", "cos("};
    for (int i = 0; i < 4; i++) {
        const char *found = strstr(text, once[i]);
        assert_non_null(found);
        assert_null(strstr(found + 1, once[i]));
    }
    free(text);
    bt_emit_options options = bt_emit_options_default();
    options.gradient = false;
    options.single_precision = true;
    options.name = "values_only";
    text = text_of(f, &options);
    ct_assert_contains(text, "void values_only(const float *x, float *y)\n{\n");
    ct_assert_contains(text, "= expf(x0);\n");
    assert_null(strstr(text, "double"));
    assert_null(strstr(text, "g["));
    free(text);
    bt_function_destroy(f);
    bt_tape_destroy(g.tape);
}

/* No input, inputs that nothing uses, outputs that are inputs or numbers no literal can write. */
static void test_odd_functions(void **state)
{
    (void)state;
    if (!have_compiler())
        skip();
    graph g = new_graph(2, (double[]){1, 2});
    const bt_var y[] = {g.x[1],
                        bt_constant(g.tape, NAN),
                        bt_constant(g.tape, -INFINITY),
                        bt_constant(g.tape, -0.0),
                        bt_constant(g.tape, 1e300),
                        bt_constant(g.tape, 1e-300),
                        bt_mul_const(g.x[1], -5e-324),
                        bt_add_const(g.x[1], INFINITY)};
    for (size_t n = 0; n <= 2; n++)
        for (int single = 0; single < 2; single++) {
            bt_function *f;
            ct_assert_ok(bt_function_capture(&f, g.x, n, y, 8, NULL), NULL);
            bt_workspace *w = workspace(f);
            const emitted e = emit(f, single);
            if (!single) {
                compare(f, w, &e, g.point, 0, 0);
            } else {
                float x[2] = {1, 2}, v[8], d[16];
                e.f32(x, v, d);
                assert_true(v[0] == 2 && isnan(v[1]) && v[2] == -INFINITY && signbit(v[3]) &&
                            v[4] == INFINITY && v[5] == 0 && signbit(v[6]) && v[7] == INFINITY);
            }
            dlclose(e.handle);
            bt_workspace_destroy(w);
            bt_function_destroy(f);
        }
    bt_tape_destroy(g.tape);
}

typedef struct emission {
    const bt_function *f;
    const char *path;
} emission;

static ct_status emit_somewhere(void *context)
{
    const emission *e = context;
    return bt_function_emit_c(e->f, e->path, NULL, NULL);
}

static void test_emit_failures(void **state)
{
    (void)state;
    graph g = small_graph();
    bt_function *f = capture(&g);
    ct_diag diag = {""};
    char *path = ct_test_path("refused.c");
    const char *const names[] = {"", "1f", "f g", "f-", "f;"};
    for (int i = 0; i < 5; i++) {
        bt_emit_options options = bt_emit_options_default();
        options.name = names[i];
        ct_assert_status(bt_function_emit_c(f, path, &options, &diag), CT_EINVALID, &diag);
        ct_assert_contains(diag.text, "no name of a C function");
        assert_int_not_equal(access(path, F_OK), 0);
    }
    emission e = {f, path};
    ct_assert_survives_allocation_failures(emit_somewhere, &e);
    free(path);
    ct_assert_status(bt_function_emit_c(f, "/no/such/folder/f.c", NULL, &diag), CT_ENOTFOUND,
                     &diag);
    bt_function_destroy(f);
    bt_tape_destroy(g.tape);
}

/* ---- bt_function_compile ---- */

static void test_compile(void **state)
{
    (void)state;
    if (!have_compiler())
        skip();
    graph g = small_graph();
    bt_function *f = capture(&g);
    bt_compiled *c;
    ct_diag diag = {""};
    ct_assert_ok(bt_function_compile(&c, f, NULL, &diag), &diag);
    bt_function_destroy(f);
    double y, d[2];
    bt_compiled_function(c)(g.point, &y, d);
    ct_assert_near(y, 24.70408163265306, 1e-15, 0);
    ct_assert_near(d[0], 138.83381924198252, 1e-14, 0);
    ct_assert_near(d[1], 645.5772594752186, 1e-14, 0);
    bt_compiled_destroy(c);
    bt_compiled_destroy(NULL);
    bt_tape_destroy(g.tape);
}

/* A compiler that writes down where it was to work, complains, and fails; or writes nonsense. */
static void check_bad_compiler(const bt_function *f, const char *last_line, const char *message)
{
    char *where = ct_test_path("where"), *script = NULL, text[1000];
    struct stat info;
    ct_diag diag = {""};
    bt_compiled *c = (bt_compiled *)&diag;
    snprintf(text, sizeof text,
             "#!/bin/sh\nfor a; do case $a in *.so) echo $a >%s; so=$a;; esac; done\n%s\n", where,
             last_line);
    script = ct_test_file("compiler.sh", text);
    assert_int_equal(chmod(script, 0755), 0);
    ct_assert_status(bt_function_compile(&c, f, script, &diag), CT_EUNSUPPORTED, &diag);
    assert_null(c);
    ct_assert_contains(diag.text, message);
    FILE *file = fopen(where, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%900s", text), 1);
    fclose(file);
    ct_assert_contains(text, "/tmp/ctrain-function-");
    *strrchr(text, '/') = '\0';
    assert_int_not_equal(stat(text, &info), 0); // nothing is left
    unlink(script);
    free(script);
    free(where);
}

static void test_compile_failures(void **state)
{
    (void)state;
    graph g = tiny_graph();
    bt_function *f = capture(&g);
    ct_diag diag = {""};
    bt_compiled *c = (bt_compiled *)&diag;
    ct_assert_status(bt_function_compile(&c, f, "no-such-compiler", &diag), CT_EUNSUPPORTED, &diag);
    assert_null(c);
    ct_assert_contains(diag.text, "'no-such-compiler'");
    check_bad_compiler(f, "echo bad luck; echo more >&2; exit 3", "failed with status 3: bad luck");
    check_bad_compiler(f, "exit 4", "failed with status 4");
    check_bad_compiler(f, "echo nonsense >$so", "cannot be loaded");
    bt_function_destroy(f);
    bt_tape_destroy(g.tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_operation), cmocka_unit_test(test_special_points),
        cmocka_unit_test(test_random_graphs),   cmocka_unit_test(test_text),
        cmocka_unit_test(test_odd_functions),   cmocka_unit_test(test_emit_failures),
        cmocka_unit_test(test_compile),         cmocka_unit_test(test_compile_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
