// SPDX-License-Identifier: MIT
/* Optimizers against their formulas in double, one number at a time, and against stored
 * trajectories of PyTorch; bits do not depend on how a step is cut or on the instruction set;
 * schedules. */
#include "graph_private.h"
#include "optimizer_private.h"
#include "reference.h"

#include <math.h>

/* A graph whose gradients the test writes: parameters of odd sizes, so that vectors have a rest. */
enum { FIRST = 37, SECOND = 5 };
typedef struct world {
    bt_graph *g;
    bt_optimizer *o;
    bt_tensor p[2];
} world;

static world make(bt_dtype dtype, ct_simd simd, const bt_optimizer_options *opt)
{
    world w;
    ct_diag diag;
    ct_assert_ok(bt_graph_create(&w.g, dtype), NULL);
    w.g->simd = simd;
    w.p[0] = bt_parameter(w.g, "weight", bt_shape2(1, FIRST), bt_init_normal(1));
    w.p[1] = bt_parameter(w.g, "other", bt_shape2(1, SECOND), bt_init_normal(1));
    const bt_tensor none = bt_tensor_none(w.g), ones = bt_input(w.g, bt_shape2(1, FIRST));
    const bt_tensor few = bt_input(w.g, bt_shape2(1, SECOND));
    const bt_tensor a = bt_tensor_linear(w.p[1], few, none, BT_IDENTITY);
    const bt_tensor sum =
        bt_tensor_linear(w.p[0], ones, bt_tensor_reshape(a, bt_shape1(1)), BT_IDENTITY);
    ct_assert_ok(bt_graph_plan(w.g, sum, &diag), &diag);
    ct_assert_ok(bt_optimizer_create(&w.o, w.g, opt, &diag), &diag);
    return w;
}

static void unmake(world *w)
{
    bt_optimizer_destroy(w->o);
    bt_graph_destroy(w->g);
}

static void set(bt_tensor p, size_t i, double value, bool gradient)
{
    if (bt_graph_dtype(p.graph) == BT_F32)
        (gradient ? bt_tensor_gradient_f32(p) : bt_tensor_f32(p))[i] = (float)value;
    else
        (gradient ? bt_tensor_gradient_f64(p) : bt_tensor_f64(p))[i] = value;
}

static double gradient_at(size_t parameter, size_t i, unsigned step)
{
    ct_rng rng;
    ct_rng_init(&rng, 9, CT_RNG_USER, (uint32_t)(100 * parameter + i), step);
    return (double)(float)ct_rng_normal(&rng);
}

static void draw_gradients(world *w, unsigned step)
{
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < bt_tensor_size(w->p[k]); i++)
            set(w->p[k], i, gradient_at(k, i, step), true);
}

/* The formulas as the papers write them. */
static double reference_step(const bt_optimizer_options *o, double p, double *m, double *v,
                             double g, double rate, unsigned t)
{
    if (o->kind == BT_ADAMW)
        p -= rate * o->weight_decay * p;
    else
        g += o->weight_decay * p;
    if (o->kind == BT_SGD) {
        *m = t == 1 ? g : o->momentum * *m + g;
        return p - rate * (o->nesterov ? g + o->momentum * *m : o->momentum > 0 ? *m : g);
    }
    *m = o->beta1 * *m + (1 - o->beta1) * g;
    *v = o->beta2 * *v + (1 - o->beta2) * g * g;
    const double m_hat = *m / (1 - pow(o->beta1, t)), v_hat = *v / (1 - pow(o->beta2, t));
    return p - rate * m_hat / (sqrt(v_hat) + o->epsilon);
}

static double clip_scale(const bt_optimizer_options *o, unsigned step)
{
    double sum = 0;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < (k ? SECOND : FIRST); i++)
            sum += pow(gradient_at(k, i, step), 2);
    return o->clip_norm > 0 ? fmin(1, o->clip_norm / (sqrt(sum) + 1e-6)) : 1;
}

static void check_trajectory(const bt_optimizer_options *opt, bt_dtype dtype, ct_simd simd)
{
    world w = make(dtype, simd, opt);
    double p[2][FIRST], m[2][FIRST] = {{0}}, v[2][FIRST] = {{0}}, got[FIRST];
    const double tol = dtype == BT_F32 ? 2e-5 : 1e-13;
    for (size_t k = 0; k < 2; k++)
        assert_true(bt_tensor_read(w.p[k], p[k]));
    for (unsigned t = 1; t <= 12; t++) {
        const double rate = 0.1 / t, scale = clip_scale(opt, t);
        draw_gradients(&w, t);
        bt_optimizer_step(w.o, rate);
        for (size_t k = 0; k < 2; k++) {
            const size_t n = bt_tensor_size(w.p[k]);
            for (size_t i = 0; i < n; i++)
                p[k][i] = reference_step(opt, p[k][i], &m[k][i], &v[k][i],
                                         scale * gradient_at(k, i, t), rate, t);
            assert_true(bt_tensor_read(w.p[k], got));
            ct_assert_array_near(got, p[k], n, tol, tol);
        }
    }
    assert_int_equal(bt_optimizer_steps(w.o), 12);
    unmake(&w);
}

static size_t all_options(bt_optimizer_options out[16])
{
    size_t n = 0;
    for (int kind = 0; kind < 3; kind++)
        for (int decay = 0; decay < 2; decay++) {
            bt_optimizer_options o = bt_optimizer_options_default((bt_optimizer_kind)kind);
            o.weight_decay = decay ? 0.05 : 0;
            o.clip_norm = decay ? 3 : 0;
            out[n++] = o;
            if (kind != BT_SGD)
                continue;
            o.momentum = 0.9;
            out[n++] = o;
            o.nesterov = true;
            out[n++] = o;
        }
    return n;
}

static void test_formulas(void **state)
{
    (void)state;
    bt_optimizer_options all[16];
    const size_t n = all_options(all);
    for (size_t i = 0; i < n; i++)
        for (int simd = CT_SIMD_SCALAR; simd <= (int)ct_cpu_simd(); simd++) {
            check_trajectory(&all[i], BT_F32, (ct_simd)simd);
            check_trajectory(&all[i], BT_F64, (ct_simd)simd);
        }
}

static void read_all(const world *w, double out[FIRST + SECOND])
{
    assert_true(bt_tensor_read(w->p[0], out));
    assert_true(bt_tensor_read(w->p[1], out + FIRST));
}

/* A step in two pieces that cut the vectors anywhere, on any instruction set: the same bits. */
static void test_bits(void **state)
{
    (void)state;
    bt_optimizer_options all[16];
    const size_t n = all_options(all);
    for (size_t i = 0; i < n; i++)
        for (size_t cut = 0; cut <= FIRST; cut += 4) {
            const ct_simd simd = (ct_simd)(cut / 4 % ((size_t)ct_cpu_simd() + 1));
            world a = make(BT_F32, ct_cpu_simd(), &all[i]), b = make(BT_F32, simd, &all[i]);
            double x[FIRST + SECOND], y[FIRST + SECOND];
            for (unsigned t = 1; t < 4; t++) {
                draw_gradients(&a, t);
                draw_gradients(&b, t);
                bt_optimizer_step(a.o, 0.1);
                const double norm = bt_optimizer_gradient_norm(b.o);
                assert_true(norm == bt_optimizer_gradient_norm(a.o));
                bt__optimizer_begin(b.o, 0.1, bt__optimizer_clip(b.o, norm));
                const float *gradient = bt_tensor_gradient_f32(b.p[0]);
                bt__optimizer_update(b.o, 0, cut, FIRST, gradient + cut);
                bt__optimizer_update(b.o, 1, 0, SECOND, bt_tensor_gradient_f32(b.p[1]));
                bt__optimizer_update(b.o, 0, 0, cut, gradient);
            }
            read_all(&a, x);
            read_all(&b, y);
            assert_memory_equal(x, y, sizeof x);
            unmake(&a);
            unmake(&b);
        }
}

static bt_optimizer_options stored_options(const bt_safetensors *file, const char *name)
{
    char key[96];
    snprintf(key, sizeof key, "%s.kind", name);
    const char *kind = bt_safetensors_metadata(file, key);
    bt_optimizer_options o = bt_optimizer_options_default(strcmp(kind, "sgd") == 0    ? BT_SGD
                                                          : strcmp(kind, "adam") == 0 ? BT_ADAM
                                                                                      : BT_ADAMW);
    o.momentum = reference_setting(file, name, "momentum", 0);
    o.weight_decay = reference_setting(file, name, "weight_decay", 0);
    snprintf(key, sizeof key, "%s.nesterov", name);
    o.nesterov = bt_safetensors_metadata(file, key) != NULL;
    snprintf(key, sizeof key, "%s.betas", name);
    const char *betas = bt_safetensors_metadata(file, key);
    char *second;
    if (betas) {
        o.beta1 = strtod(betas, &second);
        o.beta2 = strtod(second, NULL);
    }
    return o;
}

static void test_stored_trajectories(void **state)
{
    (void)state;
    static const char *const names[] = {"sgd",      "sgd_decay",      "momentum", "momentum_decay",
                                        "nesterov", "nesterov_decay", "adam",     "adam_decay",
                                        "adamw"};
    bt_safetensors *file = reference_open(__FILE__, "operations");
    size_t n, n_steps;
    double *start = reference_numbers(file, "optimiser.start", &n);
    double *gradients = reference_numbers(file, "optimiser.gradients", &n_steps);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        char name[64];
        double got[FIRST];
        const bt_optimizer_options o = stored_options(file, names[k]);
        world w = make(BT_F64, ct_cpu_simd(), &o);
        snprintf(name, sizeof name, "optimiser.%s", names[k]);
        double *expected = reference_numbers(file, name, &n_steps);
        for (size_t i = 0; i < FIRST; i++)
            set(w.p[0], i, i < n ? start[i] : 0, false);
        for (size_t step = 0; step < n_steps / n; step++) {
            for (size_t i = 0; i < n; i++)
                set(w.p[0], i, gradients[step * n + i], true);
            bt_optimizer_step(w.o, reference_setting(file, names[k], "lr", -1));
            assert_true(bt_tensor_read(w.p[0], got));
            ct_assert_array_near(got, expected + step * n, n, 1e-13, 1e-15);
        }
        free(expected);
        unmake(&w);
    }
    free(start);
    free(gradients);
    bt_safetensors_close(file);
}

static void test_stored_clipping(void **state)
{
    (void)state;
    bt_safetensors *file = reference_open(__FILE__, "operations");
    bt_optimizer_options o = bt_optimizer_options_default(BT_SGD);
    size_t n[2], one;
    double *g[2] = {reference_numbers(file, "clip.a", &n[0]),
                    reference_numbers(file, "clip.b", &n[1])};
    double *norm = reference_numbers(file, "clip.norm", &one);
    for (int limit = 1; limit <= 100; limit += 99) {
        o.clip_norm = limit;
        world w = make(BT_F64, ct_cpu_simd(), &o);
        for (size_t k = 0; k < 2; k++)
            for (size_t i = 0; i < bt_tensor_size(w.p[k]); i++) {
                set(w.p[k], i, i < n[k] ? g[k][i] : 0, true);
                set(w.p[k], i, 0, false);
            }
        ct_assert_near(bt_optimizer_gradient_norm(w.o), *norm, 1e-14, 0);
        bt_optimizer_step(w.o, -1.0);
        for (size_t k = 0; k < 2; k++) {
            char name[32];
            double got[FIRST];
            snprintf(name, sizeof name, "clip_%d.%c", limit, "ab"[k]);
            double *expected = reference_numbers(file, name, &n[k]);
            assert_true(bt_tensor_read(w.p[k], got));
            ct_assert_array_near(got, expected, n[k], 1e-14, 0);
            free(expected);
        }
        unmake(&w);
    }
    free(g[0]);
    free(g[1]);
    free(norm);
    bt_safetensors_close(file);
}

static void test_bad_options(void **state)
{
    (void)state;
    const bt_optimizer_options good = bt_optimizer_options_default(BT_SGD);
    world w = make(BT_F32, ct_cpu_simd(), &good);
    bt_optimizer *o;
    ct_diag diag;
    static const struct {
        bt_optimizer_options options;
        const char *error;
    } cases[] = {
        {{.momentum = 1, .epsilon = 1}, "momentum is 1 (must be in [0, 1))"},
        {{.beta1 = (double)NAN, .epsilon = 1}, "beta1 is nan"},
        {{.beta2 = -1, .epsilon = 1}, "beta2 is -1"},
        {{.epsilon = 0}, "epsilon is 0"},
        {{.epsilon = 1, .weight_decay = -1}, "weight_decay is -1"},
        {{.epsilon = 1, .clip_norm = (double)INFINITY}, "clip_norm is inf"},
        {{.epsilon = 1, .nesterov = true}, "nesterov needs momentum"},
        {{.epsilon = 1, .kind = (bt_optimizer_kind)3}, "no optimizer 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ct_assert_status(bt_optimizer_create(&o, w.g, &cases[i].options, &diag), CT_EINVALID,
                         &diag);
        ct_assert_contains(diag.text, cases[i].error);
        assert_null(o);
    }
    bt_graph *g;
    ct_assert_ok(bt_graph_create(&g, BT_F32), NULL);
    ct_assert_status(bt_optimizer_create(&o, g, &good, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "must be planned");
    bt_graph_destroy(g);
    unmake(&w);
}

static ct_status create_attempt(void *context)
{
    world *w = context;
    bt_optimizer *o;
    const bt_optimizer_options opt = bt_optimizer_options_default(BT_ADAM);
    const ct_status status = bt_optimizer_create(&o, w->g, &opt, NULL);
    bt_optimizer_destroy(o);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    bt_optimizer_options o = bt_optimizer_options_default(BT_ADAM);
    o.clip_norm = 1;
    world w = make(BT_F32, ct_cpu_simd(), &o);
    ct_assert_survives_allocation_failures(create_attempt, &w);
    draw_gradients(&w, 1);
    ct_test_fail_allocation(1);
    bt_optimizer_step(w.o, 0.1);
    assert_false(ct_test_fail_allocation(0));
    unmake(&w);
}

static void test_schedules(void **state)
{
    (void)state;
    bt_schedule s = {.rate = 2};
    ct_assert_near(bt_schedule_rate(&s, 0), 2, 0, 0);
    ct_assert_near(bt_schedule_rate(&s, UINT64_MAX), 2, 0, 0);
    s.kind = BT_SCHEDULE_COSINE;
    s.warmup = 3;
    s.steps = 14;
    s.floor = 1;
    static const double warm[] = {0.5, 1, 1.5, 2};
    for (uint64_t t = 0; t < 4; t++)
        ct_assert_near(bt_schedule_rate(&s, t), warm[t], 1e-15, 0);
    ct_assert_near(bt_schedule_rate(&s, 8), 1.5, 1e-15, 0); // half of the way from 3 to 13
    ct_assert_near(bt_schedule_rate(&s, 5), 1 + 0.5 * (1 + cos(acos(-1) * 0.2)), 1e-15, 0);
    ct_assert_near(bt_schedule_rate(&s, 13), 1, 1e-15, 0);
    ct_assert_near(bt_schedule_rate(&s, 1000), 1, 1e-15, 0);
    s.kind = BT_SCHEDULE_LINEAR;
    ct_assert_near(bt_schedule_rate(&s, 5), 1.8, 1e-15, 0);
    ct_assert_near(bt_schedule_rate(&s, 13), 1, 1e-15, 0);
    s.kind = BT_SCHEDULE_STEP;
    s.every = 10;
    s.factor = 0.8;
    ct_assert_near(bt_schedule_rate(&s, 12), 2, 1e-15, 0);
    ct_assert_near(bt_schedule_rate(&s, 13), 1.6, 1e-15, 0);
    ct_assert_near(bt_schedule_rate(&s, 23), 1.28, 1e-15, 0);
    ct_assert_near(bt_schedule_rate(&s, 1000), 1, 1e-15, 0);
    s.kind = BT_SCHEDULE_COSINE;
    s.steps = 2; // all warm-up
    ct_assert_near(bt_schedule_rate(&s, 3), 1, 1e-15, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formulas),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_stored_trajectories),
        cmocka_unit_test(test_stored_clipping),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_schedules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
